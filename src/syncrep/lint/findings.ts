/** What the lint may find, and how a finding is mended. */
import type { ParseError } from "../../kernel/errors.ts";

/** Not fixed; fixed if someone says so; or, where the meaning stays as it is or can have been one only, without asking. */
type Fixing = readonly [] | readonly [message: string, how: "ask" | "safe"];

/**
 * Every code with how bad it is, the sentence that says so, and the one that says how it is fixed, if it can be: `{}` stands for
 * names and numbers. An error: the server refuses the value, or commits wait for ever. A warning: it is hardly what was meant. A
 * code is never reused for another meaning.
 */
export const findingCodes = {
  // The server refuses the text
  SYNTAX: ["error", "The server says: {}"],
  BLANK: ["error", "The value is white space alone.", "Write the empty string, which switches it off.", "safe"],
  NAME_NEEDS_QUOTES: ["error", "{} is no name without quotes.", "Write {}.", "safe"],
  KEYWORD_NEEDS_QUOTES: ["error", "{} is a keyword, and as a name needs quotes.", "Write {}.", "safe"],
  SINGLE_QUOTES: ["error", "{} is in single quotes.", "Write {}.", "safe"],
  NUMBER_MISSING: ["error", "The list in parentheses has no number before it.", "Write {} before it.", "ask"],
  PARENTHESIS_MISSING: ["error", "The list lacks a parenthesis.", "Put the list in parentheses.", "ask"],
  COMMA_MISSING: ["error", "No comma is between {} and {}.", "Write one.", "ask"],
  NAME_MISSING: ["error", "A name is missing beside this comma.", "Remove the comma.", "ask"],
  NUMBER_NOT_POSITIVE: ["error", "The server reads the number as {}, and waits for one standby at least."],
  TOO_NEW: ["error", "The server says: {}", "Write {}.", "safe"],
  // It takes it
  WAITS_FOR_EVER: [
    "error",
    "Unless standbys share a name, commits wait for ever: for {} of {} names that a standby can have.",
    "Wait for {}.",
    "ask",
  ],
  NEVER_MATCHES: ["warning", "No standby has the name {}: the server makes {} of it.", "Write that.", "ask"],
  TOO_LONG: ["warning", "No standby has the name {}: of its {} bytes the server would cut all after {}."],
  EMPTY_NAME: ["warning", "Nothing is in the name {}."],
  BLANKS_IN_NAME: ["warning", "The blanks around {} are part of the name.", "Remove them.", "ask"],
  LIST_IN_QUOTES: ["warning", "In quotes {} is one name."],
  DUPLICATE: ["warning", "{} repeats {}, and counts once.", "Remove it.", "safe"],
  NEVER_MATTERS: ["warning", "{} never matters: * takes it too.", "Remove it.", "safe"],
  QUOTED_STAR: ["warning", "In quotes too, * is any standby.", "Remove the quotes.", "safe"],
  NUMBER_WRAPPED: ["warning", "The server reads {} as {}.", "Write {}.", "safe"],
  NUMBER_IS_NAME: ["warning", "{} is the name of a standby here.", "Wait for {} of the others.", "ask"],
  ANY_STANDBY: ["info", "* is whatever streams and confirms, such as pg_receivewal."],
  // Other servers
  REFUSED_ELSEWHERE: ["error", "PostgreSQL {} says: {}", "Write it so that both take it.", "safe"],
  DIFFERENT_ELSEWHERE: ["warning", "PostgreSQL {} reads {} here, and PostgreSQL {} {}."],
} as const satisfies Record<string, readonly [FindingSeverity, string, ...Fixing]>;

export type FindingCode = keyof typeof findingCodes;
export type FindingSeverity = "error" | "warning" | "info";

/** A piece of the value, in UTF-16 code units from its start, and what to put there instead. */
export interface Edit {
  readonly offset: number;
  readonly end: number;
  readonly text: string;
}

export interface Fix {
  /** What it does, in a sentence. */
  readonly message: string;
  /**
   * May it be made without asking? Yes where the value means the same to the server afterwards, or where it was refused and can
   * have meant one thing only.
   */
  readonly safe: boolean;
  readonly edits: readonly Edit[];
}

export interface Finding {
  readonly code: FindingCode;
  readonly severity: FindingSeverity;
  /** Where, in UTF-16 code units from the start of the value; `end` is where what follows begins. */
  readonly offset: number;
  readonly end: number;
  readonly message: string;
  readonly fix: Fix | undefined;
  /** The error of the server that refuses the value, which stands at the first place that it stumbles at. */
  readonly error: ParseError | undefined;
}

/** So many are found, and no more: nobody reads on, and a finding takes a hundred times the memory of the mistake. */
export const MAX_FINDINGS = 1000;

interface Place {
  readonly offset: number;
  readonly end: number;
}

/**
 * A finding, and its fix if there are edits.
 *
 * @param words What the sentences of the code have in place of `{}`: first that of the finding, then that of the fix.
 */
export function finding(
  code: FindingCode,
  { offset, end }: Place,
  words: readonly (string | number)[] = [],
  edits?: readonly Edit[] | false | undefined,
  error?: ParseError,
): Finding {
  const [severity, message, fix, how] = findingCodes[code] as readonly [FindingSeverity, string, string?, string?];
  let next = 0;
  const fill = (sentence: string): string =>
    sentence.replaceAll("{}", () => cut(String(words[next++]), 500).replace(/[\0-\x1f]/g, " "));
  return {
    ...{ code, severity, offset, end, message: fill(message) },
    fix: edits && fix !== undefined ? { message: fill(fix), safe: how === "safe", edits } : undefined,
    error,
  };
}

/** A piece with other text in its place. */
export function edit({ offset, end }: Place, text: string): Edit {
  return { offset, end, text };
}

/** A name for a message, in double quotes and without what would break the line. */
export function show(name: string): string {
  return JSON.stringify(cut(name, 80));
}

/** Messages are to stay short. */
function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A name in double quotes, as a value has it. */
export function quoted(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

/**
 * The text with the fixes of these findings made, those that come first before later ones: one that would change what another
 * has changed is left out.
 *
 * @returns the new text, and the findings whose fixes are in it.
 */
export function applyFixes(text: string, findings: readonly Finding[]): { text: string; fixed: readonly Finding[] } {
  // The gap before each character, and the character. An edit takes its own and the gap that it begins at, so that nothing is put
  // in front of what is gone; the gap at its end is free.
  const taken = new Uint8Array(2 * text.length + 1);
  const edits: Edit[] = [];
  const cells = ({ offset, end }: Place): [number, number] => [2 * offset, Math.max(2 * end, 2 * offset + 1)];
  const fixed = findings.filter(({ fix }) => {
    if (fix === undefined || fix.edits.some((each) => taken.subarray(...cells(each)).includes(1))) return false;
    for (const each of fix.edits) taken.fill(1, ...cells(each));
    edits.push(...fix.edits);
    return true;
  });
  edits.sort((a, b) => a.offset - b.offset);
  let at = 0;
  let result = "";
  for (const each of edits) {
    result += text.slice(at, each.offset) + each.text;
    at = each.end;
  }
  return { text: result + text.slice(at), fixed };
}

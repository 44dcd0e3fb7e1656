/** The findings of the lint, and their fixes. */
import { type ParseError, refuseArgument } from "../../kernel/errors.ts";
import { isArrayOf } from "../../kernel/options.ts";
import { quoteIdentifier } from "../../text/identifier.ts";
import type { TextRange } from "../parts.ts";

/** Not fixed; fixed on request; or fixed without asking, where the meaning stays the same or only one can have been intended. */
type Fixing = readonly [] | readonly [message: string, how: "ask" | "safe"];

/**
 * Every code with its severity, its message, and the message of its fix if it has one: `{}` stands for names and numbers. An error: the
 * server rejects the value, or commits wait forever. A warning: probably not what was intended. A code is never reused for another
 * meaning.
 */
export const findingCodes = {
  // The server rejects the value
  SYNTAX: ["error", "The server says: {}"],
  BLANK: ["error", "The value is only white space.", "Write the empty string.", "safe"],
  NAME_NEEDS_QUOTES: ["error", "The name {} needs double quotes.", "Write {}.", "safe"],
  KEYWORD_NEEDS_QUOTES: ["error", "{} is a keyword; as a name it needs double quotes.", "Write {}.", "safe"],
  SINGLE_QUOTES: ["error", "{} is in single quotes.", "Write {}.", "safe"],
  NUMBER_MISSING: ["error", "The number of standbys is missing.", "Write {}.", "ask"],
  PARENTHESIS_MISSING: ["error", "A parenthesis is missing.", "Put the list in parentheses.", "ask"],
  COMMA_MISSING: ["error", "A comma is missing between {} and {}.", "Insert it.", "ask"],
  NAME_MISSING: ["error", "A name is missing next to this comma.", "Remove the comma.", "ask"],
  NUMBER_NOT_POSITIVE: ["error", "The server reads the number as {}. Expected 1 or more."],
  TOO_NEW: ["error", "The server says: {}", "Write {}.", "safe"],
  // It accepts it
  WAITS_FOR_EVER: ["error", "Commits wait forever: no standby can have one of these names."],
  LOOKS_LIKE_OFF: [
    "error",
    "{} is a name here: commits wait until a standby with it streams.",
    "Write the empty string to turn synchronous replication off.",
    "ask",
  ],
  NEEDS_SHARED_NAMES: [
    "warning",
    "Commits wait forever unless standbys share a name: {} are required, and only {} of the names count.",
    "Require {}.",
    "ask",
  ],
  TYPOGRAPHIC_QUOTES: ["warning", "The typographic quotes of {} are part of the name.", "Write {}.", "ask"],
  NEVER_MATCHES: ["warning", "No standby can have the name {}: the server changes it to {}.", "Write {}.", "ask"],
  TOO_LONG: ["warning", "No standby can have the name {}: the server cuts its {} bytes to {}."],
  EMPTY_NAME: ["warning", "The name {} is blank."],
  BLANKS_IN_NAME: ["warning", "The blanks around {} are part of the name.", "Remove them.", "ask"],
  LIST_IN_QUOTES: ["warning", "In double quotes, {} is one name.", "Remove the quotes.", "ask"],
  LOOKS_LIKE_ANY: ["warning", "{} is a name here. Only * matches any standby.", "Write *.", "ask"],
  LOOKS_LIKE_PATTERN: ["warning", "{} is matched as written: names have no patterns and no variables."],
  OWN_NAME: ["warning", "{} is the cluster_name of this server, and the other names are too few without it."],
  DUPLICATE: ["warning", "{} repeats {} and has no effect.", "Remove it.", "safe"],
  NEVER_MATTERS: ["warning", "{} has no effect: * matches it too.", "Remove it.", "safe"],
  QUOTED_STAR: ["warning", "In double quotes, too, * matches any standby.", "Remove the quotes.", "safe"],
  NUMBER_WRAPPED: ["warning", "The server reads {} as {}.", "Write {}.", "safe"],
  NUMBER_IS_NAME: ["warning", "{} is a name here.", "Require {} of the others.", "ask"],
  ANY_STANDBY: ["info", "* matches every client that streams and confirms, such as pg_receivewal."],
  // Other servers
  REFUSED_ELSEWHERE: ["error", "PostgreSQL {} says: {}", "Write it so that both accept it.", "safe"],
  DIFFERENT_ELSEWHERE: ["warning", "PostgreSQL {} reads {} here, and PostgreSQL {} {}."],
} as const satisfies Record<string, readonly [FindingSeverity, string, ...Fixing]>;

/** The code of a finding. */
export type FindingCode = keyof typeof findingCodes;
/** How bad a finding is. */
export type FindingSeverity = "error" | "warning" | "info";

/** A piece of the value, and what to put there instead. */
export interface Edit extends TextRange {
  /** The new text. */
  readonly text: string;
}

/** A change that removes a finding. */
export interface Fix {
  /** What it does, in a sentence. */
  readonly message: string;
  /**
   * May it be made without asking? Yes where the value means the same to the server afterwards, or where it was refused and can
   * have meant one thing only.
   */
  readonly safe: boolean;
  /** All of them belong together. */
  readonly edits: readonly Edit[];
}

/** One likely mistake, where it is, and how to fix it. */
export interface Finding extends TextRange {
  /** The kind of mistake. */
  readonly code: FindingCode;
  /** That of the code. */
  readonly severity: FindingSeverity;
  /** The mistake, in a sentence. */
  readonly message: string;
  /** undefined if it needs a decision. */
  readonly fix: Fix | undefined;
  /** The error of the server that refuses the value, which stands at the first place that it stumbles at. */
  readonly error: ParseError | undefined;
}

/** So many are found, and no more: nobody reads on, and a finding takes a hundred times the memory of the mistake. */
export const MAX_FINDINGS = 1000;

/**
 * A finding, and its fix if there are edits.
 *
 * @param words What the sentences of the code have in place of `{}`: first that of the finding, then that of the fix.
 */
export function finding(
  code: FindingCode,
  { offset, end }: TextRange,
  words: readonly (string | number)[] = [],
  edits?: readonly Edit[] | false | undefined,
  error?: ParseError,
): Finding {
  const [severity, message, fix, how] = findingCodes[code] as readonly [FindingSeverity, string, string?, string?];
  let next = 0;
  const fill = (sentence: string): string => sentence.replaceAll("{}", () => oneLine(cut(String(words[next++]), 500)));
  return {
    ...{ code, severity, offset, end, message: fill(message) },
    fix: edits && fix !== undefined ? { message: fill(fix), safe: how === "safe", edits } : undefined,
    error,
  };
}

/** Without control characters, which would break the line of a message. */
function oneLine(text: string): string {
  return text.replace(/[\0-\x1f]/g, (control) => `\\u{${control.charCodeAt(0).toString(16)}}`);
}

/** What a name in “ ” or ‘ ’ was meant to be, which to servers are letters. */
export function inTypographicQuotes(name: string): string | undefined {
  const inside = /^[“”„‘’‚](.+)[“”‘’]$/.exec(name)?.[1];
  return inside && quoteIdentifier(inside);
}

/** A piece with other text in its place. */
export function edit({ offset, end }: TextRange, text: string): Edit {
  return { offset, end, text };
}

/** A name for a message, as a value has it in double quotes. */
export function show(name: string): string {
  return quoteIdentifier(cut(name, 80));
}

/** Messages are to stay short. */
function cut(text: string, length: number): string {
  return text.length > length ? `${text.slice(0, length)}…` : text;
}

/** A text after fixes. */
export interface FixedText {
  /** The new text. */
  readonly text: string;
  /** The findings that were fixed, in order; each offset is one in the text as it was then. */
  readonly fixed: readonly Finding[];
}

/**
 * The text with the fixes of these findings made, those that come first before later ones: one that would change what another
 * has changed is left out.
 */
export function applyFixes(text: string, findings: readonly Finding[]): FixedText {
  if (typeof text !== "string") refuseArgument("text", "a string", text);
  const isEdit = (each: Edit): boolean =>
    typeof each?.text === "string" &&
    [each.offset, each.end].every(Number.isSafeInteger) &&
    each.offset >= 0 &&
    each.end >= each.offset &&
    each.end <= text.length;
  const isFinding = (each: Finding): boolean =>
    typeof each === "object" && each !== null && (each.fix == null || isArrayOf(each.fix.edits, isEdit));
  if (!isArrayOf(findings, isFinding)) refuseArgument("findings", "an array of findings in the text", findings);
  // The gap before each character, and the character. An edit takes its own and the gap that it begins at, so that nothing is put
  // in front of what is gone; the gap at its end is free.
  const taken = new Uint8Array(2 * text.length + 1);
  const edits: Edit[] = [];
  const cells = ({ offset, end }: TextRange): [number, number] => [2 * offset, Math.max(2 * end, 2 * offset + 1)];
  const fixed = (findings as readonly Finding[]).filter(({ fix }) => {
    if (fix == null || fix.edits.some((each) => taken.subarray(...cells(each)).includes(1))) return false;
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

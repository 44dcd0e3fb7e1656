/** Advice on text that a walsender rejects, for common mistakes: a sentence of ours beside the server's "syntax error". */
import { downcaseIdentifier, quoteIdentifier, truncateIdentifier } from "../text/identifier.ts";
import { judgeSlotName } from "../text/slot-name.ts";
import type { Command } from "./ast.ts";
import { type CommandCapability, commandCapabilities } from "./capabilities.ts";
import { adviseOnOptionName, optionNames, written } from "./check/options.ts";
import { Check, Refused } from "./check/refusal.ts";
import { runChecks } from "./check/run.ts";
import { commandKeywords, keywords } from "./keywords.ts";
import { findWord, type OptionTable } from "./options/option.ts";
import { alterSlotOptions, baseBackupOptions, createSlotOptions, pgoutputOptions } from "./options/tables.ts";
import type { Token } from "./token.ts";

/** On SQL that reached a connection without a database. */
export function adviseOnSql(text: string, offset: number, server: number): string {
  const word = /^[A-Za-z_]*/.exec(text.slice(offset, offset + 30))![0];
  return (
    adviseOnFirstWord(word, server) ??
    "SQL needs a connection with replication=database; replication=true takes replication commands only."
  );
}

/** On a first word that is nearly a command of this server. */
export function adviseOnFirstWord(word: string, server: number): string | undefined {
  const command = word.toUpperCase();
  if (!commandKeywords.includes(command)) return undefined;
  const needs = keywords.get(command)!.since;
  if (needs !== undefined && !commandCapabilities.supports(server, needs))
    return `${command} is a command since ${commandCapabilities.since(needs)}.`;
  return word === command ? undefined : `Write keywords in capitals: ${command}.`;
}

/** A syntax error, as far as advice looks at it. */
export interface SyntaxProblem {
  readonly text: string;
  /** Where the error is. */
  readonly offset: number;
  /** The token there; undefined at the end of the text. */
  readonly offending: Token | undefined;
  /** Display names of the grammar. */
  readonly expected: readonly string[];
  readonly server: number;
  /** Is the connection to a database? */
  readonly database: boolean;
  /** Parses another text for the same server; undefined if that is not a command. */
  readonly parse: (text: string) => Command | undefined;
}

/** On a syntax error. Following the advice does not lead to another error of the same token. */
export function advise(problem: SyntaxProblem): string | undefined {
  const { text, offset, offending, expected, server, database } = problem;
  const before = text.slice(0, offset).trimEnd();
  const command = /^[A-Z_]*/.exec(text.trimStart())![0];
  const { kind, text: token } = offending ?? { kind: "end", text: "" };
  const may = (name: string): boolean => expected.includes(name);
  const since = (name: CommandCapability): string => commandCapabilities.since(name);

  if (before === "" && (kind === "IDENT" || kind === "keyword")) {
    const advice = adviseOnFirstWord(token, server);
    if (advice !== undefined) return advice;
    if (kind === "IDENT" && !commandCapabilities.supports(server, "sqlCommands")) {
      return `SQL on a replication connection is for servers since ${since("sqlCommands")}.`;
    }
  }
  if (token === ")" && before.endsWith("(")) {
    return command === "ALTER_REPLICATION_SLOT"
      ? `Name an option: ${optionNames(alterSlotOptions, new Check(server)).join(" or ")}.`
      : "Leave empty parentheses out.";
  }
  if (token === "-" && text[offset + 1] === "-" && /^$|\s/.test(text.charAt(offset - 1)))
    return "Replication commands have no comments.";
  if (kind === "IDENT" && !token.startsWith('"') && may(token.toUpperCase())) {
    const capitals = token.toUpperCase();
    return complaintAfter(problem, token, capitals) ?? `Write keywords in capitals: ${capitals}.`;
  }
  const former = command === "BASE_BACKUP" && may('"("') ? findWord(baseBackupOptions, token, "word") : undefined;
  if (former !== undefined)
    return `Since ${since("genericOptions")} the options of BASE_BACKUP stand in parentheses: (${written(former)}).`;
  if (
    token === "(" &&
    /^(BASE_BACKUP|CREATE_REPLICATION_SLOT)$/.test(command) &&
    !commandCapabilities.supports(server, "genericOptions")
  ) {
    return `Options in parentheses are for servers since ${since("genericOptions")}; here they are words.`;
  }
  if (token === ";" || before.endsWith(";")) return "Send one command at a time, with one semicolon at most.";
  if (kind === "IDENT" && token.startsWith('"') && text[offset - 1] === '"') {
    return `A double quote inside an identifier is for servers since ${since("doubledQuoteInIdentifier")}.`;
  }
  const advice = adviseOnNameAt(problem, command);
  if (advice !== undefined) return advice;
  // A quote after the word would become part of the value in quotes.
  if (
    may("quoted string") &&
    text[offset + token.length] !== "'" &&
    (kind === "IDENT" || kind === "UCONST" || kind === "keyword")
  )
    return adviseOnValue(problem, token);
  if (may("LSN")) return adviseOnPosition(problem);
  if (command === "SHOW" && database)
    return "In capitals SHOW is the walsender's own and takes one name; write show for SQL's.";
  return undefined;
}

/** On something that should be a name, or that goes on after one. */
function adviseOnNameAt(
  { text, offset, offending, expected, server, parse }: SyntaxProblem,
  command: string,
): string | undefined {
  if (offending === undefined) return undefined;
  const { kind, text: token } = offending;
  const isString = kind === "SCONST";
  const start = isString
    ? offset
    : offset - /[^ \t\n\r\f\v(),;'"]*$/.exec(text.slice(Math.max(0, offset - 200), offset))![0].length;
  const word = isString
    ? token.slice(1, -1).replaceAll("''", "'")
    : /^[^ \t\n\r\f\v(),;'"]*/.exec(text.slice(start))![0];
  const isExpected = expected.includes("identifier") || expected.includes("option name");
  // A quote after the word would become part of the name in quotes.
  const isBeforeQuote = !isString && text[start + word.length] === '"';
  // A word that ends before the error is right.
  if (start + word.length <= offset) return undefined;
  if (isBeforeQuote || /\p{Cc}/u.test(word) || (start === offset && !isExpected)) return undefined;
  const before = text.slice(0, start).trim();
  const name = downcaseIdentifier(word);
  const quoted = quoteIdentifier(name);
  // A keyword or a string in the place of a name may stand before it.
  const rest = text.slice(start + (isString ? token : word).length);
  const isName = (kind !== "keyword" && !isString) || parse(text.slice(0, start) + quoted + rest) !== undefined;
  if (/^(CREATE|DROP|ALTER|READ)_REPLICATION_SLOT$|^START_REPLICATION\s+SLOT$/.test(before)) {
    if (!isName) return `Write the name of the slot directly after ${/\w+$/.exec(before)![0]}.`;
    const cut = truncateIdentifier(name);
    const refusal = judgeSlotName(cut, { server });
    if (refusal !== undefined)
      return `A slot name has only lower case letters, numbers and underscores. ${refusal.advice}`;
    return kind === "keyword"
      ? `${word} is a keyword: write ${quoted} in double quotes.`
      : `Write the name in double quotes: ${quoted}.`;
  }
  const table = /[(,]$/.test(before) ? tables.get(command) : undefined;
  if (table !== undefined) {
    const advice = adviseOnOptionName(table, name, new Check(server));
    if (command !== "START_REPLICATION" || advice.startsWith("Did")) return advice;
    return `${advice} If the slot has another output plugin than pgoutput: write ${quoted} in double quotes.`;
  }
  // A plugin or a parameter; elsewhere what goes on after a word is not a part of a name.
  if (!/^SHOW$|^CREATE_.*\sLOGICAL$/s.test(before) && !(isExpected && start === offset)) return undefined;
  if (expected.includes("quoted string") || !isName) return undefined;
  return kind === "keyword"
    ? `${word} is a keyword: write ${quoted} in double quotes.`
    : `Write the name in double quotes: ${quoted}.`;
}

/** On something that should be a position, or SLOT before it: only if the whole text is a command then. */
function adviseOnPosition({ text, offset, offending, expected, parse }: SyntaxProblem): string | undefined {
  const [before, after] = [text.slice(0, offset), text.slice(offset)];
  if (expected.includes("SLOT")) {
    if (offending?.kind === "IDENT" && parse(`${before} SLOT ${after}`) !== undefined)
      return "Write SLOT before the name of the slot.";
    if (offending?.text === "LOGICAL" && parse(`${before} SLOT s ${after}`) !== undefined)
      return "A logical stream needs a slot: write SLOT and its name before LOGICAL.";
  }
  const rest = after.replace(/^[0-9A-Za-z]*(?:[ \t\n]*\/[ \t\n]*[0-9A-Za-z]*)?/, "");
  if ([after, rest].every((each) => parse(`${before} 0/0 ${each}`) === undefined)) return undefined;
  return "Write a position as two hexadecimal numbers with a slash between and no blanks: 0/16B3748.";
}

/** The options of commands, as one would expect them in parentheses. */
const tables: ReadonlyMap<string, OptionTable> = new Map<string, OptionTable>([
  ["BASE_BACKUP", baseBackupOptions],
  ["CREATE_REPLICATION_SLOT", createSlotOptions],
  ["ALTER_REPLICATION_SLOT", alterSlotOptions],
  ["START_REPLICATION", pgoutputOptions],
]);

/** On a value that should be a string: in quotes the server takes it, or rejects it for another reason. */
function adviseOnValue(problem: SyntaxProblem, token: string): string {
  const value = `'${token.replace(/^"(.*)"$/s, "$1").replaceAll("'", "''")}'`;
  const next = complaintAfter(problem, token, value);
  return ["Write the value in single quotes.", ...(next === undefined ? [] : [next])].join(" ");
}

/** What the server would say of an option, or of its value, with other text in place of the token: the advice on that. */
function complaintAfter({ text, offset, server, parse }: SyntaxProblem, token: string, by: string): string | undefined {
  const before = text.slice(0, offset) + by;
  const start = parse(before + (before.includes("(") ? ")" : ""));
  if (start === undefined || !("options" in start)) return undefined;
  try {
    runChecks(new Check(server), parse(before + text.slice(offset + token.length)) ?? start, true, "pgoutput");
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const { path, advice } = error.refusal;
    if (path.startsWith(`options[${start.options.length - 1}].`)) return advice;
  }
  return undefined;
}

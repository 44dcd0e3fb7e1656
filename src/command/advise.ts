/**
 * What a person can do about text that a walsender refuses, for the mistakes that people make: a sentence of ours, beside
 * the server's "syntax error", which says nothing more.
 */
import { commandCapabilities } from "./capabilities.ts";
import { baseBackupKeywords, commandKeywords, keywords } from "./keywords.ts";
import type { Token } from "./token.ts";

/** On SQL that reached a connection without a database. */
export function adviseOnSql(text: string, offset: number, server: number): string {
  const word = /^[A-Za-z_]*/.exec(text.slice(offset, offset + 30))![0];
  return (
    adviseOnFirstWord(word, server) ??
    "SQL needs a connection with replication=database; replication=true takes replication commands only."
  );
}

/** On a word that begins no command of this server, but nearly. */
export function adviseOnFirstWord(word: string, server: number): string | undefined {
  const command = word.toUpperCase();
  if (!commandKeywords.includes(command)) return undefined;
  const needs = keywords.get(command)!;
  if (needs !== true && !commandCapabilities.supports(server, needs))
    return `${command} is a command since ${commandCapabilities.since(needs)}.`;
  return word === command ? undefined : `Write keywords in capitals: ${command}.`;
}

/**
 * On a syntax error.
 *
 * @param offending The token at `offset`; undefined at the end of the text.
 * @param expected Display names of the grammar.
 */
export function advise(
  text: string,
  offset: number,
  offending: Token | undefined,
  expected: readonly string[],
  server: number,
): string | undefined {
  const before = text.slice(0, offset).trimEnd();
  const command = /^[A-Z_]*/.exec(text.trimStart())![0];
  const { kind, text: token } = offending ?? { kind: "end", text: "" };
  const may = (name: string): boolean => expected.includes(name);

  if (before === "" && (kind === "IDENT" || kind === "keyword")) {
    const advice = adviseOnFirstWord(token, server);
    if (advice !== undefined) return advice;
    if (kind === "IDENT" && !commandCapabilities.supports(server, "sqlCommands")) {
      return `SQL on a replication connection is for servers since ${commandCapabilities.since("sqlCommands")}.`;
    }
  }
  if (token === ")" && before.endsWith("(")) return "Leave empty parentheses out.";
  if (token === "-" && text[offset + 1] === "-") return "Replication commands have no comments.";
  if (kind === "IDENT" && may(token.toUpperCase())) return `Write keywords in capitals: ${token.toUpperCase()}.`;
  if (command === "BASE_BACKUP" && may('"("') && baseBackupKeywords.includes(token)) {
    return `Since ${commandCapabilities.since("genericOptions")} the options of BASE_BACKUP stand in parentheses.`;
  }
  if (
    token === "(" &&
    /^(BASE_BACKUP|CREATE_REPLICATION_SLOT)$/.test(command) &&
    !commandCapabilities.supports(server, "genericOptions")
  ) {
    return `Options in parentheses are for servers since ${commandCapabilities.since("genericOptions")}; here they are words.`;
  }
  if (token === ";" || before.endsWith(";")) return "Send one command at a time, with one semicolon at most.";
  if (kind === "IDENT" && token.startsWith('"') && text[offset - 1] === '"') {
    return `A double quote inside an identifier is for servers since ${commandCapabilities.since("doubledQuoteInIdentifier")}.`;
  }
  if (may("identifier") || may("option name")) {
    if (kind === "keyword") return `${token} is a keyword: write "${token.toLowerCase()}" in double quotes.`;
    if (kind === "SCONST") return "Single quotes make a string: write a name in double quotes.";
  }
  if (token === "-") return "Write a name with a hyphen in double quotes.";
  if (may("quoted string") && (kind === "IDENT" || kind === "UCONST")) return "Write the value in single quotes.";
  if (may("LSN")) return "Write a position as two hexadecimal numbers with a slash between and no blanks: 0/16B3748.";
  if (command === "SHOW") return "In capitals SHOW is the walsender's own and takes one name; write show for SQL's.";
  return undefined;
}

/**
 * Text of postgresql.conf to its entries, and to the errors that a server logs.
 *
 * A port of PostgreSQL's src/backend/utils/misc/guc-file.l, whose rules are the same from 9.4 to 19.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { ParseError, refuseArgument } from "../kernel/errors.ts";
import { downcaseIdentifier } from "../text/identifier.ts";

/** One line that names a parameter, or a directive: `include`, `include_if_exists`, `include_dir`. */
export interface ConfEntry {
  /** As written; see {@link sameParameter}. */
  readonly name: string;
  /** What the parameter is set to, without quotes and escapes. Octal escapes that make no UTF-8 are U+FFFD. */
  readonly value: string;
  /** The value as it stands in the file, quotes included. It never spans lines. */
  readonly raw: string;
  /** In single quotes? */
  readonly quoted: boolean;
  /** The file, as the caller named it. */
  readonly path: string;
  /** Of the value in the file, 1-based. */
  readonly line: number;
  /** Of the value in its line, 1-based, in characters (code points). */
  readonly column: number;
  /** Of the value in the file's text: UTF-16 code units, 0-based. */
  readonly offset: number;
  /** Where in the file's text the value ends. */
  readonly end: number;
}

export interface ParsedConf {
  /** In the order of the file; a parameter that is there twice is here twice. */
  readonly entries: readonly ConfEntry[];
  /** Syntax errors, in order. If there are any, in whatever file, a server takes nothing of all files. */
  readonly errors: readonly ParseError[];
}

/** After so many errors a server gives a file up. */
const MAX_ERRORS = 100;

/**
 * Read the text of a configuration file.
 *
 * @param text Read as UTF-8 without more ado: to a server a byte order mark is a letter.
 * @param options.path The file's name, for entries and messages.
 * @returns entries and errors; nothing is thrown for bad text. The messages are what the server writes to its log; the lines
 * in there are the server's, which counts one too few where the last line has no newline and no value.
 * @source guc-file.l: ParseConfigFp
 * @example parsePostgresqlConf("port = 5433 # mine").entries[0].value // "5433"
 * @example parsePostgresqlConf("a = 'it''s'\nb 2 3").errors[0].message // 'syntax error in file "postgresql.conf" line 2, near token "3"'
 */
export function parsePostgresqlConf(text: string, options: { readonly path?: string | undefined } = {}): ParsedConf {
  if (typeof text !== "string") refuseArgument("text", "a string", text);
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  const { path = "postgresql.conf" } = options;
  if (typeof path !== "string") refuseArgument("options.path", "a string", path);
  const entries: ConfEntry[] = [];
  const errors: ParseError[] = [];
  let line = 1;
  let lineStart = 0;
  let at = 0;
  for (;;) {
    at = skipBlanks(text, at);
    const isWrong = at < text.length && text[at] !== "\n" && !readEntry();
    if (isWrong) errors.push(syntaxError());
    if (isWrong && errors.length === MAX_ERRORS) {
      errors.push(fileError("54000", `too many syntax errors found, abandoning file "${path}"`));
      break;
    }
    // No token spans lines: what is left of this one after an error is read and forgotten.
    const newline = text.indexOf("\n", at);
    if (newline === -1) break;
    at = lineStart = newline + 1;
    line++;
  }
  return { entries, errors };

  /** Reads one entry, or stops at the token that is wrong. */
  function readEntry(): boolean {
    const nameStart = at;
    const name = tokenAt(text, at);
    if (name.kind !== "ID" && name.kind !== "QUALIFIED_ID") return false;
    at = skipBlanks(text, name.end);
    let value = tokenAt(text, at);
    if (value.kind === "EQUALS") {
      at = skipBlanks(text, value.end);
      value = tokenAt(text, at);
    }
    if (value.kind === "EQUALS" || value.kind === "QUALIFIED_ID" || value.kind === "ERROR") return false;
    const offset = at;
    at = skipBlanks(text, value.end);
    if (at < text.length && text[at] !== "\n") return false;
    const raw = text.slice(offset, value.end);
    const quoted = value.kind === "STRING";
    entries.push({
      name: text.slice(nameStart, name.end),
      value: quoted ? deescapeQuotedString(raw) : raw,
      raw,
      quoted,
      path,
      line,
      column: characters(text.slice(lineStart, offset)) + 1,
      offset,
      end: value.end,
    });
    return true;
  }

  function syntaxError(): ParseError {
    const near = text.slice(at, tokenAt(text, at).end);
    if (near !== "" && near !== "\n") {
      return fileError("42601", `syntax error in file "${path}" line ${line}, near token "${cString(near)}"`, near);
    }
    const said = near === "" ? line - 1 : line;
    return fileError("42601", `syntax error in file "${path}" line ${said}, near end of line`);
  }

  function fileError(sqlstate: string, message: string, near?: string): ParseError {
    return new ParseError({ code: "SYNTAX", message, sqlstate, text, offset: at, near });
  }
}

/**
 * Do two names mean the same parameter?
 *
 * @source guc.c: guc_name_compare
 * @example sameParameter("TimeZone", "timezone") // true
 */
export function sameParameter(a: string, b: string): boolean {
  for (const name of [a, b]) if (typeof name !== "string") refuseArgument("name", "a string", name);
  return downcaseIdentifier(a) === downcaseIdentifier(b);
}

/**
 * The comments that belong to an entry: on the lines right above it that hold nothing else, and behind its value.
 *
 * @param text Of the file that the entry was read from.
 * @returns Each without its `#` and the blanks around it, in order.
 * @example commentsOf("# old\nport = 5433 # mine", parsePostgresqlConf("# old\nport = 5433 # mine").entries[0]) // ["old", "mine"]
 */
export function commentsOf(text: string, entry: ConfEntry): string[] {
  if (typeof text !== "string") refuseArgument("text", "a string", text);
  const { offset, end } = entryOf(entry);
  const isComment = (line: string): boolean => /^[ \t\r]*#/.test(line);
  const comments: string[] = [];
  for (let from = text.lastIndexOf("\n", offset - 1); from > 0; ) {
    const start = text.lastIndexOf("\n", from - 1);
    const line = text.slice(start + 1, from);
    if (!isComment(line)) break;
    comments.unshift(line);
    from = start;
  }
  const newline = text.indexOf("\n", end);
  const rest = text.slice(end, newline === -1 ? undefined : newline);
  if (isComment(rest)) comments.push(rest);
  return comments.map((line) => line.trim().slice(1).trim());
}

function entryOf(entry: ConfEntry): ConfEntry {
  const isEntry =
    typeof entry === "object" &&
    entry !== null &&
    typeof entry.raw === "string" &&
    [entry.offset, entry.end, entry.line, entry.column].every(Number.isSafeInteger);
  return isEntry ? entry : refuseArgument("entry", "an entry that parsePostgresqlConf returned", entry);
}

/**
 * Where in the file a character of an entry's value stands.
 *
 * @param offset UTF-16 code units from the start of the value, 0-based; its length means at its end.
 * @returns the place of the character; for one that is written in octal escapes, the place of the first escape of the row.
 * @example placeInFile(parsePostgresqlConf("a = 'it''s'").entries[0], 3) // { line: 1, column: 10, offset: 9 }
 */
export function placeInFile(
  entry: ConfEntry,
  offset: number,
): {
  /** The line, 1-based. */
  line: number;
  /** The column in characters, 1-based. */
  column: number;
  /** The offset in UTF-16 code units, 0-based. */
  offset: number;
} {
  const { raw, quoted, line, column } = entryOf(entry);
  if (!Number.isSafeInteger(offset)) refuseArgument("offset", "an integer", offset);
  const inFile = (at: number) => ({ line, column: column + characters(raw.slice(0, at)), offset: entry.offset + at });
  if (!quoted) return inFile(offset);
  const inside = raw.slice(1, -1);
  let inValue = 0;
  let inRaw = 0;
  for (const escaped of escapesIn(inside)) {
    const plain = escaped.offset - inRaw;
    if (offset < inValue + plain) break;
    inValue += plain + escaped.meaning.length;
    inRaw = escaped.offset;
    if (offset < inValue) return inFile(1 + inRaw);
    inRaw = escaped.end;
  }
  return inFile(Math.min(1 + inRaw + offset - inValue, raw.length));
}

// ---- Lexical ----

type Kind = "ID" | "QUALIFIED_ID" | "STRING" | "UNQUOTED_STRING" | "NUMBER" | "EQUALS" | "ERROR";

// Whatever is no ASCII is a letter.
const UNQUOTED_STRING = /[A-Za-z_\x80-\uffff][A-Za-z_0-9\x80-\uffff._:/-]*/y;
const ID = /^[A-Za-z_0-9\x80-\uffff]+$/;
const QUALIFIED_ID = /^[A-Za-z_0-9\x80-\uffff]+\.[A-Za-z_\x80-\uffff][A-Za-z_0-9\x80-\uffff]*$/;
const INTEGER = /[-+]?(?:0x[0-9a-fA-F]+|[0-9]+)[a-zA-Z]*/y;
const REAL = /[-+]?[0-9]*\.[0-9]*(?:[Ee][-+]?[0-9]+)?/y;
const BLANKS = /[ \t\r]*(?:#[^\n]*)?/y;

/** The token at a place where no blank is: as flex has it the longest match, and of equally long ones the first rule's. */
function tokenAt(text: string, at: number): { readonly kind: Kind; readonly end: number } {
  const first = text[at];
  if (first === undefined) return { kind: "ERROR", end: at };
  if (first === "=") return { kind: "EQUALS", end: at + 1 };
  if (first === "'") {
    const end = stringEnd(text, at);
    return end === undefined ? { kind: "ERROR", end: at + 1 } : { kind: "STRING", end };
  }
  const wordEnd = matchEnd(UNQUOTED_STRING, text, at);
  if (wordEnd > at) {
    const word = text.slice(at, wordEnd);
    return { kind: ID.test(word) ? "ID" : QUALIFIED_ID.test(word) ? "QUALIFIED_ID" : "UNQUOTED_STRING", end: wordEnd };
  }
  const numberEnd = Math.max(matchEnd(INTEGER, text, at), matchEnd(REAL, text, at));
  return numberEnd > at ? { kind: "NUMBER", end: numberEnd } : { kind: "ERROR", end: at + 1 };
}

function matchEnd(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function skipBlanks(text: string, at: number): number {
  return matchEnd(BLANKS, text, at);
}

/**
 * The end of the quoted string that begins here, undefined if it has none on its line. A quote after a quote may be the
 * second of a doubled one, or the start of what comes next if no further quote follows.
 */
function stringEnd(text: string, from: number): number | undefined {
  const special = /['\\\n]/g;
  special.lastIndex = from + 1;
  let end: number | undefined;
  while (special.test(text)) {
    const at = special.lastIndex;
    const next = text[at];
    if (text[at - 1] === "\n") break;
    if (text[at - 1] === "'") {
      end = at;
      if (next !== "'") break;
    } else if (next === undefined || next === "\n") break;
    special.lastIndex = at + 1;
  }
  return end;
}

/** An escape, or a doubled quote. One octal escape is one byte. */
const escapes = /\\(?:[0-7]{1,3}|.)|''/gs;

const letters: Readonly<Record<string, string>> = { b: "\b", f: "\f", n: "\n", r: "\r", t: "\t" };

/** A piece of a quoted string that does not stand for itself. */
interface Escaped {
  /** Between the quotes, in UTF-16 code units. */
  readonly offset: number;
  readonly end: number;
  readonly meaning: string;
}

/**
 * The escapes between the quotes, in order. Octal escapes that follow each other are one: together they are the bytes of characters.
 * One regular expression for such a row would overflow V8's backtrack stack at some megabytes.
 */
function* escapesIn(inside: string): Generator<Escaped> {
  let bytes: number[] = [];
  let start = 0;
  let end = 0;
  const row = (): Escaped => ({ offset: start, end, meaning: decodeUtf8(Uint8Array.from(bytes)) });
  for (const { 0: written, index } of inside.matchAll(escapes)) {
    const isOctal = written[1]! >= "0" && written[1]! <= "7";
    if (bytes.length > 0 && (!isOctal || index !== end)) {
      yield row();
      bytes = [];
    }
    if (bytes.length === 0) start = index;
    end = index + written.length;
    if (isOctal) bytes.push(Number.parseInt(written.slice(1), 8) & 0xff);
    else yield { offset: start, end, meaning: letters[written[1]!] ?? written[1]! };
  }
  if (bytes.length > 0) yield row();
}

/** @source guc-file.l: DeescapeQuotedString */
function deescapeQuotedString(raw: string): string {
  const inside = cString(raw.slice(1, -1));
  let value = "";
  let at = 0;
  for (const { offset, end, meaning } of escapesIn(inside)) {
    value += inside.slice(at, offset) + meaning;
    at = end;
  }
  value += inside.slice(at);
  // The server takes the last byte for the closing quote, without a look, and a NUL byte in the file has hidden that.
  if (inside.length < raw.length - 2) value = decodeUtf8(new TextEncoder().encode(value).subarray(0, -1));
  return cString(value);
}

function decodeUtf8(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

/** C's strings end at a NUL character. */
function cString(text: string): string {
  const nul = text.indexOf("\0");
  return nul === -1 ? text : text.slice(0, nul);
}

function characters(text: string): number {
  let count = 0;
  for (let i = 0; i < text.length; i += text.codePointAt(i)! > 0xffff ? 2 : 1) count++;
  return count;
}

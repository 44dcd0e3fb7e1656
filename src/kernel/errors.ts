/**
 * Every error that walwire throws on purpose, and the one list of codes.
 *
 * The class says who is at fault: the text you gave (ParseError), the value you gave to be written (EncodeError), any other argument or
 * option (ArgumentError), the bytes a peer sent (DecodeError), the order of a peer's messages (ProtocolError), a server that reports an
 * error (ServerError), a connection that ended or timed out (ConnectionError), or a server version that cannot do what was asked
 * (UnsupportedError). Anything else that escapes from walwire is a bug.
 */
import { listed, shown } from "./words.ts";

/** Every code with the sentence that explains it. A code is never reused for another meaning. */
export const errorCodes = {
  // Text
  SYNTAX: "The text is not what the server's grammar accepts.",
  UNTERMINATED: "A quoted string or identifier has no closing quote.",
  INVALID_VALUE: "The text is well formed, but the server refuses a value in it.",
  REFUSED: "The command is well formed, but the server refuses what it says before it does any of it.",
  NOT_TEXT: "The value given to a parser is not a string that a server could receive.",
  // Bytes
  TRUNCATED: "The bytes end before the field does.",
  TRAILING_BYTES: "Bytes are left over after the last field.",
  BAD_TAG: "The type byte names no message of this stream.",
  BAD_LENGTH: "A length is impossible, or more than the limit allows.",
  BAD_VALUE: "A field holds a value that no server sends.",
  // Values
  OUT_OF_RANGE: "The value does not fit the field, or is not of the field's type.",
  BAD_ARGUMENT: "An argument or option of a function is not one that it takes.",
  // Peers and versions
  OUT_OF_ORDER: "The peer sent a message that may not come at this point.",
  LIMIT_EXCEEDED: "The peer's messages need more to be remembered than the limit that was set.",
  SERVER_ERROR: "The server reported an error.",
  CONNECTION_LOST: "The connection ended before it was disconnected.",
  DISCONNECTED: "The connection was disconnected by its owner.",
  SERVER_SHUTDOWN: "The server sent everything that it had and shut down.",
  TIMEOUT: "The peer did not answer within the time limit.",
  PEER_MISSING: "An optional package that this function needs cannot be loaded.",
  UNSUPPORTED: "The server version cannot do or say this.",
  UNKNOWN_SERVER: "The server version is not one that walwire knows.",
} as const satisfies Record<string, string>;

/** A code of the one list. */
export type ErrorCode = keyof typeof errorCodes;

/** What every walwire error carries. `sqlstate`, `detail` and `hint` are PostgreSQL's own, where it would refuse too. */
export abstract class WalwireError extends Error {
  readonly code: ErrorCode;

  /** @param name The name of the class, which a minifier would change in the class itself. */
  constructor(name: string, code: ErrorCode, message: string) {
    super(message);
    this.code = code;
    this.name = name;
  }
}

/** What a ParseError is made of. */
export interface ParseErrorInit {
  readonly code: ErrorCode;
  /** The server's message, word for word. */
  readonly message: string;
  readonly sqlstate: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** The whole text that was parsed; of a text that is read in pieces the line that goes wrong, or what there is of it. */
  readonly text: string;
  /** Which line of the whole the first of `text` is, if `text` is not the whole. */
  readonly firstLine?: number | undefined;
  /** Where it goes wrong: UTF-16 code units from the start of `text`, 0-based; `text.length` means at the end. */
  readonly offset: number;
  /** The token at `offset` as it stands in the text; undefined at the end of it, and where no token is to blame. */
  readonly near?: string | undefined;
  /** What could have stood there, as display names of the grammar, without duplicates. */
  readonly expected?: readonly string[] | undefined;
  /** The part of a tree that is to blame, such as `options[2].arg`, where one is. */
  readonly path?: string | undefined;
  /** What a person can do about it, in a sentence of ours. */
  readonly advice?: string | undefined;
}

/**
 * Text that a PostgreSQL server would refuse.
 *
 * `message`, `sqlstate`, `detail` and `hint` are the server's, word for word; the rest is ours. `String(error)` and the
 * stack draw the place with a caret.
 */
export class ParseError extends WalwireError {
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly text: string;
  readonly offset: number;
  readonly firstLine: number;
  readonly near: string | undefined;
  readonly expected: readonly string[];
  readonly path: string | undefined;
  readonly advice: string | undefined;

  constructor(init: ParseErrorInit) {
    // V8 takes the head of the stack from the message at construction: an uncaught error shows the caret, while
    // `message` stays the server's.
    super("ParseError", init.code, render(init));
    this.message = init.message;
    this.sqlstate = init.sqlstate;
    this.detail = init.detail;
    this.hint = init.hint;
    this.text = init.text;
    this.offset = init.offset;
    this.firstLine = init.firstLine ?? 1;
    this.near = init.near;
    this.expected = init.expected ?? [];
    this.path = init.path;
    this.advice = init.advice;
  }

  /** 1-based line of `offset`; lines end with `\n`. */
  get line(): number {
    return this.firstLine - 1 + place(this.text, this.offset).line;
  }

  /** 1-based column of `offset`, in characters (code points). */
  get column(): number {
    return place(this.text, this.offset).column;
  }

  /** The server's message, the line with a caret below, and what to do, without colour, several lines. */
  override toString(): string {
    return `${this.name}: ${render(this)}`;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { code, sqlstate, message, detail, hint, offset, line, column, near, expected, path, advice } = this;
    return { code, sqlstate, message, detail, hint, offset, line, column, near, expected, path, advice };
  }
}

/** Bytes from a peer that are not the message they should be. */
export class DecodeError extends WalwireError {
  /** Bytes from the start of the buffer that was decoded, 0-based; for a Framer, from the start of its stream. */
  readonly offset: number;
  /** Message and field, such as `Relation.columns[3].name`. */
  readonly path: string;

  constructor(code: ErrorCode, path: string, offset: number, message: string) {
    super("DecodeError", code, message);
    this.path = path;
    this.offset = offset;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { code, message, path, offset } = this;
    return { code, message, path, offset };
  }
}

/** A value that cannot be written as the message it should become. */
export class EncodeError extends WalwireError {
  /** Message and field, such as `Relation.columns[3].name`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super("EncodeError", "OUT_OF_RANGE", message);
    this.path = path;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { code, message, path } = this;
    return { code, message, path };
  }
}

/** A peer's message that may not come at this point of the conversation. */
export class ProtocolError extends WalwireError {
  constructor(message: string, code: "OUT_OF_ORDER" | "LIMIT_EXCEEDED" = "OUT_OF_ORDER") {
    super("ProtocolError", code, message);
  }
}

/** An argument or option that a function or constructor does not take. */
export class ArgumentError extends WalwireError {
  /** Which one, such as `options.streaming`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super("ArgumentError", "BAD_ARGUMENT", message);
    this.path = path;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { code, message, path } = this;
    return { code, message, path };
  }
}

/**
 * Reject an argument.
 *
 * @param path Which one, such as `options.streaming`.
 * @param expected What it takes, to follow "expected": "a bigint from 0 to 2^64 - 1".
 * @throws ArgumentError always.
 */
export function refuseArgument(path: string, expected: string, value: unknown): never {
  throw new ArgumentError(path, `${path}: expected ${expected}, got ${shown(value)}`);
}

/** The connection to a peer ended, was ended, or the peer was silent for too long. */
export class ConnectionError extends WalwireError {
  constructor(
    message: string,
    code: "CONNECTION_LOST" | "DISCONNECTED" | "SERVER_SHUTDOWN" | "TIMEOUT" = "CONNECTION_LOST",
    options?: { readonly cause?: unknown },
  ) {
    super("ConnectionError", code, message);
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** The fields of an ErrorResponse or NoticeResponse, by the names that libpq and pg give them. */
export interface ServerErrorFields {
  /** "ERROR", "FATAL" or "PANIC", never translated. */
  readonly severity: string;
  readonly sqlstate: string;
  readonly message: string;
  readonly detail?: string | undefined;
  readonly hint?: string | undefined;
  /** 1-based position in the query text, in characters. */
  readonly position?: number | undefined;
  readonly where?: string | undefined;
}

/** An error that the server reported: its ErrorResponse, word for word. */
export class ServerError extends WalwireError {
  readonly severity: string;
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: number | undefined;
  readonly where: string | undefined;

  constructor(fields: ServerErrorFields) {
    super("ServerError", "SERVER_ERROR", fields.message);
    this.severity = fields.severity;
    this.sqlstate = fields.sqlstate;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.position = fields.position;
    this.where = fields.where;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { code, severity, sqlstate, message, detail, hint, position, where } = this;
    return { code, severity, sqlstate, message, detail, hint, position, where };
  }
}

/** An optional package that a function needs cannot be loaded. `cause` is the error of the import. */
export class PeerMissingError extends WalwireError {
  constructor(message: string, options?: { readonly cause?: unknown }) {
    super("PeerMissingError", "PEER_MISSING", message);
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** A server version that walwire does not know, or that cannot do what was asked of it. */
export class UnsupportedError extends WalwireError {
  /** The name of the missing capability in a capabilities.ts; undefined when the version itself is unknown. */
  readonly capability: string | undefined;

  constructor(message: string, capability?: string) {
    super("UnsupportedError", capability === undefined ? "UNKNOWN_SERVER" : "UNSUPPORTED", message);
    this.capability = capability;
  }
}

/** Characters of a line that are shown on either side of the caret: a line may be megabytes long. */
const EXCERPT = 60;

function render(e: ParseErrorInit): string {
  const lines = [e.message];
  if (e.detail !== undefined) lines.push(`DETAIL:  ${e.detail}`);
  if (e.hint !== undefined) lines.push(`HINT:  ${e.hint}`);
  lines.push(...drawCaret(e.text, e.offset, e.firstLine));
  if (e.expected !== undefined && e.expected.length > 0) lines.push(`expected ${listed(e.expected)}`);
  if (e.advice !== undefined) lines.push(e.advice);
  return lines.join("\n");
}

/**
 * The line of `text` that holds `offset` and a second one with a caret under it, each behind a margin that names the line.
 * Long lines are cut to a window, marked by `…`. Control characters are shown as one blank, so that the caret stays put.
 */
export function drawCaret(text: string, offset: number, firstLine = 1): [string, string] {
  const { line, lineStart, lineEnd } = place(text, offset);
  const from = Math.max(lineStart, offset - EXCERPT);
  const to = Math.min(lineEnd, offset + EXCERPT);
  const head = from > lineStart ? "…" : "";
  const tail = to < lineEnd ? "…" : "";
  const margin = `LINE ${firstLine - 1 + line}: `;
  const blank = (s: string): string => s.replace(/\p{C}/gu, " ");
  const before = blank(text.slice(from, offset));
  return [
    `${margin}${head}${before}${blank(text.slice(offset, to))}${tail}`,
    `${" ".repeat(margin.length + head.length + [...before].length)}^`,
  ];
}

function place(text: string, offset: number): { line: number; column: number; lineStart: number; lineEnd: number } {
  let line = 1;
  let lineStart = 0;
  for (let i = text.indexOf("\n"); i !== -1 && i < offset; i = text.indexOf("\n", i + 1)) {
    line++;
    lineStart = i + 1;
  }
  const newline = text.indexOf("\n", offset);
  let column = 1;
  for (let i = lineStart; i < offset; i += text.codePointAt(i)! > 0xffff ? 2 : 1) column++;
  return { line, column, lineStart, lineEnd: newline === -1 ? text.length : newline };
}

/**
 * Every error that walwire throws on purpose, and the one list of codes.
 *
 * The class says who is at fault: the text you gave (ParseError), the value you gave to be written (EncodeError), any other argument or
 * option (ArgumentError), a call at the wrong time (StateError), the bytes a peer sent (DecodeError), the order of a peer's messages (ProtocolError), a server that reports an
 * error (ServerError), a connection that ended or timed out (ConnectionError), a replication slot that cannot be used any more
 * (SlotError), a file or the system (FileError), or a server version that cannot do what was asked (UnsupportedError). Anything else
 * that escapes from walwire is a bug,
 * unless it comes from a getter, a proxy or a callback of yours.
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
  NOT_NOW: "The call is not possible in the present state of the connection.",
  BAD_ARGUMENT: "An argument or option of a function is not one that it takes.",
  // Peers and versions
  OUT_OF_ORDER: "The peer sent a message that may not come at this point.",
  LIMIT_EXCEEDED: "The peer's messages need more to be remembered than the limit that was set.",
  SERVER_ERROR: "The server reported an error.",
  CONNECTION_LOST: "The connection ended before it was disconnected.",
  DISCONNECTED: "The connection was disconnected by its owner.",
  SERVER_SHUTDOWN: "The server sent everything that it had and shut down.",
  TIMEOUT: "The peer did not answer within the time limit.",
  AUTHENTICATION: "The client cannot authenticate as the server asks, or the server cannot prove who it is.",
  SLOT_MISSING: "The replication slot does not exist, though it did before or must not be created.",
  SLOT_LOST: "The replication slot was invalidated: the server has removed what it needs.",
  SLOT_MISMATCH: "The replication slot is of another kind, plugin or database, or has other settings.",
  SLOT_IN_USE: "The replication slot is in use by another connection.",
  PUBLICATION_MISSING: "A publication does not exist at a point of the WAL, so its changes there are not sent.",
  POSITION_LOST: "The server cannot go on from the position that the consumer has stored.",
  FILE_SYSTEM: "The system could not read, write or make a file.",
  BAD_FILE: "A file that is there is not what it should be.",
  PEER_MISSING: "An optional package that this function needs cannot be loaded.",
  UNSUPPORTED: "The server version cannot do or say this.",
  UNKNOWN_SERVER: "The server version is not one that walwire knows.",
} as const satisfies Record<string, string>;

/** A code of the one list. */
export type ErrorCode = keyof typeof errorCodes;

/** What every walwire error carries. `sqlstate`, `detail` and `hint` are PostgreSQL's own, where it would refuse too. */
export abstract class WalwireError extends Error {
  /** The kind of error. */
  readonly code: ErrorCode;

  /** @param name The name of the class, which a minifier would change in the class itself. */
  constructor(name: string, code: ErrorCode, message: string) {
    super(message);
    this.code = code;
    this.name = name;
  }

  /** The fields as a plain object, for JSON.stringify. */
  toJSON(): Record<string, unknown> {
    const { name: _, cause: __, code, message, ...fields } = this;
    return { code, message, ...fields };
  }
}

/** What a ParseError is made of. */
export interface ParseErrorInit {
  /** The kind of error. */
  readonly code: ErrorCode;
  /** The server's message, word for word. */
  readonly message: string;
  /** The server's SQLSTATE, five characters. */
  readonly sqlstate: string;
  /** The server's detail, word for word. */
  readonly detail?: string | undefined;
  /** The server's hint, word for word. */
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
export class ParseError extends WalwireError implements ParseErrorInit {
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

  /** The fields, line and column, without the text. */
  override toJSON(): Record<string, unknown> {
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
}

/** A value that cannot be written as the message it should become. */
export class EncodeError extends WalwireError {
  /** Message and field, such as `Relation.columns[3].name`. */
  readonly path: string;

  constructor(path: string, message: string) {
    super("EncodeError", "OUT_OF_RANGE", message);
    this.path = path;
  }
}

/** A peer's message that may not come at this point of the conversation. */
export class ProtocolError extends WalwireError {
  constructor(message: string, code: "OUT_OF_ORDER" | "LIMIT_EXCEEDED" = "OUT_OF_ORDER") {
    super("ProtocolError", code, message);
  }
}

/** A call of ours that is not possible in the present state of the connection. The state is unchanged. */
export class StateError extends WalwireError {
  constructor(message: string) {
    super("StateError", "NOT_NOW", message);
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
    code: "CONNECTION_LOST" | "DISCONNECTED" | "SERVER_SHUTDOWN" | "TIMEOUT" | "AUTHENTICATION" = "CONNECTION_LOST",
    options?: { readonly cause?: unknown },
  ) {
    super("ConnectionError", code, message);
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** What is wrong with a replication slot, or with a position in it. */
export type SlotErrorCode =
  | "SLOT_MISSING"
  | "SLOT_LOST"
  | "SLOT_MISMATCH"
  | "SLOT_IN_USE"
  | "POSITION_LOST"
  | "PUBLICATION_MISSING";

/** A replication slot from which a subscription cannot go on without losing changes. */
export class SlotError extends WalwireError {
  /** The slot. */
  readonly slotname: string;

  constructor(code: SlotErrorCode, slotname: string, message: string, options?: { readonly cause?: unknown }) {
    super("SlotError", code, message);
    this.slotname = slotname;
    if (options?.cause !== undefined) this.cause = options.cause;
  }
}

/** The fields of an ErrorResponse or NoticeResponse, by the names that libpq and pg give them. */
export interface ServerErrorFields {
  /** "ERROR", "FATAL" or "PANIC", never translated. */
  readonly severity: string;
  /** Five characters. */
  readonly sqlstate: string;
  /** The primary message. */
  readonly message: string;
  /** More about the error. */
  readonly detail?: string | undefined;
  /** What to do about it. */
  readonly hint?: string | undefined;
  /** 1-based position in the query text, in characters. */
  readonly position?: number | undefined;
  /** The context: such as the function or the COPY line that was being processed. */
  readonly where?: string | undefined;
}

/** An error that the server reported: its ErrorResponse, word for word. */
export class ServerError extends WalwireError implements ServerErrorFields {
  readonly severity: string;
  readonly sqlstate: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  readonly position: number | undefined;
  readonly where: string | undefined;

  /**
   * What a server sent is kept as it is. Where an error becomes the answer of a server of `walwire/server`, its fields are checked there.
   *
   * @param fields Its severity is "ERROR" unless it is given.
   * @throws ArgumentError if there is no SQLSTATE or no message.
   */
  constructor(fields: Omit<ServerErrorFields, "severity"> & { readonly severity?: string | undefined }) {
    if (typeof fields?.sqlstate !== "string") {
      refuseArgument("fields.sqlstate", "a SQLSTATE, five of A to Z and 0 to 9", fields?.sqlstate);
    }
    if (typeof fields.message !== "string") refuseArgument("fields.message", "a string", fields.message);
    super("ServerError", "SERVER_ERROR", fields.message);
    this.severity = fields.severity ?? "ERROR";
    this.sqlstate = fields.sqlstate;
    this.detail = fields.detail;
    this.hint = fields.hint;
    this.position = fields.position;
    this.where = fields.where;
  }
}

/** A file that walwire reads or writes. `cause` is the error of the system, if there is one. */
export class FileError extends WalwireError {
  /** The file or directory. */
  readonly path: string;

  constructor(
    path: string,
    message: string,
    code: "FILE_SYSTEM" | "BAD_FILE" = "FILE_SYSTEM",
    options?: { readonly cause?: unknown },
  ) {
    super("FileError", code, message);
    this.path = path;
    if (options?.cause !== undefined) this.cause = options.cause;
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

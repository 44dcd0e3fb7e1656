/**
 * Every error that walwire throws on purpose, and the one list of codes.
 *
 * The class says who is at fault: the text you gave (ParseError), the value you gave (EncodeError), the bytes a peer gave
 * (DecodeError), the order of a peer's messages (ProtocolError), or a server version that cannot do what was asked
 * (UnsupportedError). Anything else that escapes from walwire is a bug of ours.
 */

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
  // Peers and versions
  OUT_OF_ORDER: "The peer sent a message that may not come at this point.",
  LIMIT_EXCEEDED: "The peer's messages need more to be remembered than the limit that was set.",
  UNSUPPORTED: "The server version cannot do or say this.",
  UNKNOWN_SERVER: "The server version is not one that walwire knows.",
} as const satisfies Record<string, string>;

export type ErrorCode = keyof typeof errorCodes;

/** What every walwire error carries. `sqlstate`, `detail` and `hint` are PostgreSQL's own, where it would refuse too. */
export abstract class WalwireError extends Error {
  readonly code: ErrorCode;

  constructor(code: ErrorCode, message: string) {
    super(message);
    this.code = code;
    this.name = new.target.name;
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
    super(init.code, render(init));
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
    super(code, message);
    this.path = path;
    this.offset = offset;
  }

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
    super("OUT_OF_RANGE", message);
    this.path = path;
  }

  toJSON(): Record<string, unknown> {
    const { code, message, path } = this;
    return { code, message, path };
  }
}

/** A peer's message that may not come at this point of the conversation. */
export class ProtocolError extends WalwireError {
  constructor(message: string, code: "OUT_OF_ORDER" | "LIMIT_EXCEEDED" = "OUT_OF_ORDER") {
    super(code, message);
  }
}

/** A server version that walwire does not know, or that cannot do what was asked of it. */
export class UnsupportedError extends WalwireError {
  /** The name of the missing capability in a capabilities.ts; undefined when the version itself is unknown. */
  readonly capability: string | undefined;

  constructor(message: string, capability?: string) {
    super(capability === undefined ? "UNKNOWN_SERVER" : "UNSUPPORTED", message);
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

/** "a", "a or b", "a, b or c". */
function listed(words: readonly string[]): string {
  return words.length < 2 ? words.join("") : `${words.slice(0, -1).join(", ")} or ${words[words.length - 1]}`;
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

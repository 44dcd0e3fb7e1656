/**
 * The tokens of a text that comes in pieces.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source jsonapi.c: json_lex
 */
import { isAlphanumeric, JsonLexer, type JsonRules, type JsonStatus, type JsonToken } from "./json.ts";

/** The piece that is being read, or what is put together, and where it begins in bytes. */
interface Around {
  readonly text: string;
  readonly start: number;
}

/** The tokens of a JsonLexer, wherever the pieces end. */
export interface JsonPieces {
  readonly type: JsonToken;
  /** The contents of a string, or another token as it is; a character per byte. */
  readonly value: string;
  /** Is this the value? */
  is(value: string): boolean;
  /** The token as it stands there, or what of it is to blame. */
  readonly token: string;
  /** The byte behind it; NaN at the end of the piece. */
  readonly after: number;
  /** Where the token begins, in bytes from the start of the text. */
  readonly place: number;
  /** Its line, from 1 on. */
  readonly line: number;
  /** For who shows where something is wrong. */
  readonly around: Around;

  feed(piece: string): void;

  /** @param last Does the text end with this piece? */
  next(last: boolean): JsonStatus;

  /** Passes over what a sticky pattern finds next in this piece: one line, whose last token is a comma. Null if it finds nothing. */
  takeLine(pattern: RegExp): RegExpExecArray | null;
}

/** Pieces that are read as if they came whole: what has begun waits for the rest. */
export class JoinedPieces implements JsonPieces {
  readonly #lexer: JsonLexer;
  /** Where the lexer's text begins. */
  #start = 0;
  /** The waiting text, and its length before the next try: it doubles each time, or tiny pieces would take quadratic time. */
  #waiting: string[] = [];
  #length = 0;
  #wanted = 0;

  constructor(rules: JsonRules) {
    this.#lexer = new JsonLexer(rules, true);
  }

  get type(): JsonToken {
    return this.#lexer.type;
  }

  get value(): string {
    return this.#lexer.value;
  }

  is(value: string): boolean {
    return this.#lexer.is(value);
  }

  get token(): string {
    return this.#lexer.text.slice(this.#lexer.start, this.#lexer.at);
  }

  get after(): number {
    return this.#lexer.text.charCodeAt(this.#lexer.at);
  }

  get place(): number {
    return this.#start + this.#lexer.start;
  }

  get line(): number {
    return this.#lexer.line;
  }

  get around(): Around {
    return { text: this.#lexer.text, start: this.#start };
  }

  feed(piece: string): void {
    this.#waiting.push(piece);
    this.#length += piece.length;
  }

  takeLine(pattern: RegExp): RegExpExecArray | null {
    return this.#length > 0 ? null : this.#lexer.takeLine(pattern);
  }

  next(last: boolean): JsonStatus {
    const lexer = this.#lexer;
    if (this.#length > 0) {
      if (!last && this.#length < this.#wanted) return "INCOMPLETE";
      this.#start += lexer.at;
      lexer.text = this.#waiting.length === 1 ? this.#waiting[0]! : this.#waiting.join("");
      lexer.at = 0;
      this.#waiting = [];
      this.#length = 0;
    }
    const status = lexer.next(last);
    if (status !== "INCOMPLETE") return status;
    lexer.at = lexer.start;
    this.#length = lexer.text.length - lexer.start;
    this.#wanted = 2 * this.#length;
    if (this.#length > 0) this.#waiting = [lexer.text.slice(lexer.start)];
    return status;
  }
}

/** Pieces as json_lex takes them since 17, which puts a token that two of them share together by rules of its own. */
export class IncrementalPieces implements JsonPieces {
  /** Reads pieces, and joined pieces: partial_token. */
  readonly #lexer: JsonLexer;
  readonly #partialLexer: JsonLexer;
  readonly #joinsNumbers: boolean;
  #start = 0;
  #partial: Partial | undefined;
  /** Is the token the one that was put together? */
  #isPartial = false;

  /** @param joinsNumbers Do numbers go on with a point, and signs only after an exponent? So they do since 17.10, 18.4 and 19. */
  constructor(rules: JsonRules, joinsNumbers: boolean) {
    this.#lexer = new JsonLexer(rules, false);
    this.#partialLexer = new JsonLexer(rules, false);
    this.#joinsNumbers = joinsNumbers;
  }

  get #current(): JsonLexer {
    return this.#isPartial ? this.#partialLexer : this.#lexer;
  }

  get type(): JsonToken {
    return this.#current.type;
  }

  get value(): string {
    return this.#current.value;
  }

  is(value: string): boolean {
    return this.#current.is(value);
  }

  get token(): string {
    const { text, start, at } = this.#current;
    return text.slice(start, at);
  }

  get after(): number {
    return this.#current.text.charCodeAt(this.#current.at);
  }

  get place(): number {
    return (this.#isPartial ? this.#partial!.start : this.#start) + this.#current.start;
  }

  get line(): number {
    return this.#lexer.line;
  }

  get around(): Around {
    return this.#isPartial
      ? { text: this.#partialLexer.text, start: this.#partial!.start }
      : { text: this.#lexer.text, start: this.#start };
  }

  feed(piece: string): void {
    this.#start += this.#lexer.text.length;
    this.#lexer.text = piece;
    this.#lexer.at = 0;
  }

  takeLine(pattern: RegExp): RegExpExecArray | null {
    return this.#partial === undefined ? this.#lexer.takeLine(pattern) : null;
  }

  next(last: boolean): JsonStatus {
    if (this.#isPartial) {
      this.#partial = undefined;
      this.#isPartial = false;
    }
    const lexer = this.#lexer;
    if (this.#partial === undefined) {
      const status = lexer.next(last);
      if (status === "INCOMPLETE" && lexer.start < lexer.text.length) {
        this.#partial = new Partial(lexer.text.slice(lexer.start), this.#start + lexer.start);
      }
      return status;
    }
    const { added, done } = this.#partial.extend(lexer.text, last, this.#joinsNumbers);
    lexer.at = added;
    if (!done && !last) return "INCOMPLETE";
    const inner = this.#partialLexer;
    this.#isPartial = true;
    inner.text = this.#partial.text;
    inner.at = done ? 0 : inner.text.length;
    inner.start = 0;
    if (!done) return "INVALID_TOKEN";
    const status = inner.next(true);
    return status === "SUCCESS" && inner.at - inner.start !== inner.text.length ? "INVALID_TOKEN" : status;
  }
}

/** A token that has begun in one piece, and goes on in the next. */
class Partial {
  /** Where it begins, in bytes from the start of the text. */
  readonly start: number;
  readonly #parts: string[] = [];
  readonly #first: number;
  /** Backslashes at the end of a string. */
  #escapes = 0;
  #seenPoint = false;
  #seenExponent = false;
  #previous = "";

  constructor(text: string, start: number) {
    this.start = start;
    this.#first = text.charCodeAt(0);
    for (let i = text.length - 1; i > 0 && text[i] === "\\"; i--) this.#escapes++;
    this.#note(text);
  }

  #note(text: string): void {
    this.#parts.push(text);
    if (this.#first === 0x22) return;
    this.#previous = text.at(-1)!;
    this.#seenPoint ||= text.includes(".");
    this.#seenExponent ||= /e/i.test(text);
  }

  get text(): string {
    return this.#parts.join("");
  }

  /** Takes what goes on with the token. */
  extend(piece: string, last: boolean, joinsNumbers: boolean): { added: number; done: boolean } {
    const end = this.#first === 0x22 ? this.#string(piece) : this.#other(piece, last, joinsNumbers);
    const text = piece.slice(0, end.added);
    if (text !== "") this.#note(text);
    return end;
  }

  #string(piece: string): { added: number; done: boolean } {
    for (let i = 0; i < piece.length; i++) {
      const code = piece.charCodeAt(i);
      if (code === 0x22 && this.#escapes % 2 === 0) return { added: i + 1, done: true };
      this.#escapes = code === 0x5c ? this.#escapes + 1 : 0;
    }
    return { added: piece.length, done: false };
  }

  #other(piece: string, last: boolean, joinsNumbers: boolean): { added: number; done: boolean } {
    let added = 0;
    if (this.#first === 0x2d || (this.#first >= 0x30 && this.#first <= 0x39)) {
      while (added < piece.length && this.#continues(piece[added]!, joinsNumbers)) added++;
    }
    while (isAlphanumeric(piece.charCodeAt(added))) added++;
    return { added, done: added < piece.length || last };
  }

  /** Does a number go on with this? */
  #continues(character: string, joinsNumbers: boolean): boolean {
    if (!joinsNumbers) return /[-+eE\d]/.test(character);
    if (character === "+" || character === "-") {
      if (!/e/i.test(this.#previous)) return false;
    } else if (character === ".") {
      if (this.#seenPoint || this.#seenExponent) return false;
      this.#seenPoint = true;
    } else if (character === "e" || character === "E") {
      if (this.#seenExponent) return false;
      this.#seenExponent = true;
    } else if (character < "0" || character > "9") {
      return false;
    }
    this.#previous = character;
    return true;
  }
}

/**
 * TupleData: the columns of a row as pgoutput sends them.
 *
 * The decoder walks over a row once, to check it, and keeps its bytes; values are read when they are asked for. Programs that
 * count, filter or pass on rows do not pay for values (unread, a row of 8 columns costs a fifth of one with every value read), and
 * encoding a row again is one copy.
 */
import { refuseArgument } from "../kernel/errors.ts";
import { iterableOf } from "../kernel/options.ts";
import { isBytes, refuse } from "./check.ts";
import { readCounted, writeCounted } from "./counted.ts";
import { viewOf } from "./parts.ts";
import type { Reader } from "./reader.ts";
import { byteText, decodeText, encodeText, hexOf, isAscii, TEXT_WANTED } from "./text.ts";
import { encodeWith, type Writer } from "./writer.ts";

/** How a column is sent. */
export type TupleKind = "null" | "unchanged" | "text" | "binary";

/** A column's value where the server did not send it: a TOASTed value that did not change. One frozen object. */
export const unchanged: Unchanged = /* @__PURE__ */ Object.freeze({ unchanged: true });

/** The type of `unchanged`. */
export interface Unchanged {
  readonly unchanged: true;
}

/** A column's value: text as a string, binary as bytes, NULL as null. */
export type TupleValue = string | Uint8Array | null | Unchanged;

/** The byte of each kind. @source logicalproto.h: LOGICALREP_COLUMN_* */
const KIND = { null: 0x6e, unchanged: 0x75, text: 0x74, binary: 0x62 } as const satisfies Record<TupleKind, number>;
const TAGS = /* @__PURE__ */ String.fromCharCode(...Object.values(KIND));

/** The number of columns stands before them, in two bytes. */
const COUNT = 2;
/** A value's kind, in one byte, and its length, in four. */
const HEADER = 5;

/** More columns than a row can say it has. */
const TOO_MANY = 0x10000;

/**
 * Rows of so many bytes are read as one string of which ASCII values are parts: with 9 values in 180 bytes, reading them takes half
 * the time (Node 20, 2 shared cores). A part may keep the whole string in memory, so it must not be long.
 */
const MIN_ROW = 40;
const MAX_ROW = 2048;

/** For decoders: the row in bytes that were walked over and found good, or written as a row is. */
export let rowIn: (bytes: Uint8Array, start: number, end: number, length: number) => TupleData;

/** Begin with the columns of a row. */
let enter: (cursor: TupleCursor, tuple: TupleData) => void;

/**
 * One row, or the key of one: columns by position, as in the relation.
 *
 * To test libraries two are equal if their values are, since that is what one gives when it is iterated. `assert.deepEqual` of Node
 * does not look there: compare `bytes`, or what `toArray` gives.
 *
 * A row cannot be cloned or sent to a worker: send what `toArray` gives, and make a row of it there by `of`.
 *
 * @example TupleData.of(["1", null]).toArray() // ["1", null]
 * @source proto.c: logicalrep_write_tuple, logicalrep_read_tuple
 */
export class TupleData {
  /** The number of columns. */
  readonly length: number;
  /** The row is in here, from #start to #end. A view of it would take as long as all the rest of decoding a message. */
  readonly #in: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** The offset of each column, once one was read. */
  #offsets: number[] | undefined;
  /**
   * The values as JSON has them: text, null, `{"unchanged":true}`, and for binary `{"binary":"\\x0001"}`.
   *
   * It is a property of the row itself, so that structuredClone and postMessage throw a DataCloneError. They do not
   * copy private fields: a row without values would arrive.
   */
  readonly toJSON: () => unknown[];

  static {
    rowIn = (bytes, start, end, length) => new TupleData(bytes, start, end, length);
    enter = (cursor, tuple) => {
      cursor.bytes = tuple.#in;
      cursor.end = tuple.#start + COUNT;
      cursor.left = tuple.length;
    };
  }

  private constructor(bytes: Uint8Array, start: number, end: number, length: number) {
    this.length = length;
    this.#in = bytes;
    this.#start = start;
    this.#end = end;
    this.#offsets = undefined;
    this.toJSON = toJSON;
  }

  /**
   * A row of values: a string goes as text, a Uint8Array as binary, and is copied.
   *
   * @throws EncodeError for more than 65,535 columns, text that no bytes have, or a value of another type.
   */
  static of(values: Iterable<TupleValue>): TupleData {
    // A wrapped iterator would take longer than all the rest: arrays are iterated as they are.
    const given =
      Array.isArray(values) && values[Symbol.iterator] === Array.prototype[Symbol.iterator]
        ? values
        : iterableOf(values);
    if (given === undefined) refuse("an iterable of values", values, "TupleData");
    const columns: TupleValue[] = [];
    // What is iterated may have no end.
    for (const value of given) {
      if (columns.push(value) >= TOO_MANY) refuse(`at most ${TOO_MANY - 1}`, columns.length, "TupleData.length");
    }
    const bytes = encodeWith(writeColumns, columns);
    return new TupleData(bytes, 0, bytes.length, columns.length);
  }

  /** Whether it is a row that this class made, and not an object that only looks like one. */
  static is(value: unknown): value is TupleData {
    return typeof value === "object" && value !== null && #offsets in value;
  }

  /** The row as it is on the wire: a view, of a decoded message into its bytes. */
  get bytes(): Uint8Array {
    return viewOf(this.#in, this.#start, this.#end);
  }

  /** How the column at `i` (0-based) was sent. @throws ArgumentError if there is no such column */
  kind(i: number): TupleKind {
    switch (this.#in[this.#offset(i)]) {
      case KIND.null:
        return "null";
      case KIND.unchanged:
        return "unchanged";
      case KIND.text:
        return "text";
      default:
        return "binary";
    }
  }

  /** The bytes of the column at `i`, a view; undefined for NULL and unchanged. @throws ArgumentError as `kind` */
  valueBytes(i: number): Uint8Array | undefined {
    const at = this.#offset(i);
    const kind = this.#in[at]!;
    if (kind === KIND.null || kind === KIND.unchanged) return undefined;
    return viewOf(this.#in, at + HEADER, at + HEADER + lengthAt(this.#in, at));
  }

  /** The value of the column at `i` (0-based); bytes are a view. @throws ArgumentError if there is no such column */
  get(i: number): TupleValue {
    return valueAt(this.#in, this.#offset(i));
  }

  /** All values, in order: cheaper than one after the other by `get`. */
  toArray(): TupleValue[] {
    const bytes = this.#in;
    const start = this.#start;
    const end = this.#end;
    const values = new Array<TupleValue>(this.length);
    const size = end - start;
    const row = size >= MIN_ROW && size <= MAX_ROW ? byteText(bytes, start, end) : undefined;
    let at = start + COUNT;
    for (let i = 0; i < values.length; i++) {
      const from = at + HEADER;
      if (row === undefined || bytes[at] !== KIND.text) {
        values[i] = valueAt(bytes, at);
        at = after(bytes, at);
        continue;
      }
      at = from + lengthAt(bytes, at);
      values[i] = isAscii(bytes, from, at) ? row.substring(from - start, at - start) : decodeText(bytes, from, at);
    }
    return values;
  }

  /** The values of the row, in the order of its columns. */
  [Symbol.iterator](): IterableIterator<TupleValue> {
    return this.toArray()[Symbol.iterator]();
  }

  /** What console.log shows in Node, Deno and Bun: the values. */
  [Symbol.for("nodejs.util.inspect.custom")](): unknown {
    return this.toArray();
  }

  #offset(i: number): number {
    this.#offsets ??= offsetsOf(this.#in, this.#start, this.length);
    // An array also answers to "length" and "1".
    const at = typeof i === "number" ? this.#offsets[i] : undefined;
    if (at === undefined) refuseArgument("i", `a column of the ${this.length} that the row has, from 0`, i);
    return at;
  }
}

/**
 * Goes over the columns of one row after the other, for what copies values: it makes nothing for a row or a value, where `toArray`
 * takes 95 ns for four values of 60 bytes, and this 18 (Node 20).
 */
export class TupleCursor {
  /** The value of the column that was entered last is in here, from `start` to `end`. */
  bytes: Uint8Array = new Uint8Array(0);
  start = 0;
  end = 0;
  /** How it was sent. Without a value, `start` and `end` are the same. */
  kind: TupleKind = "null";
  /** The number of columns that follow. */
  left = 0;

  /** Stand before the first column of a row. */
  enter(tuple: TupleData): void {
    enter(this, tuple);
  }

  /** Enter the next column. @returns whether there is one */
  next(): boolean {
    if (this.left === 0) return false;
    this.left--;
    const { bytes } = this;
    const at = this.end;
    const kind = bytes[at];
    if (kind === KIND.text || kind === KIND.binary) {
      this.kind = kind === KIND.text ? "text" : "binary";
      this.start = at + HEADER;
      this.end = this.start + lengthAt(bytes, at);
    } else {
      this.kind = kind === KIND.null ? "null" : "unchanged";
      this.start = this.end = at + 1;
    }
    return true;
  }
}

function toJSON(this: TupleData): unknown[] {
  return this.toArray().map((value) => (value instanceof Uint8Array ? { binary: `\\x${hexOf(value)}` } : value));
}

function writeColumns(w: Writer, columns: readonly TupleValue[]): void {
  w.u16(columns.length, "TupleData");
  for (let i = 0; i < columns.length; i++) {
    const value = columns[i]!;
    if (typeof value === "string") {
      const length = w.put(value, HEADER + value.length * 3, putText, "TupleData");
      if (length < 0) refuse(TEXT_WANTED, value, "TupleData", i);
    } else if (value === null || value === unchanged) {
      w.u8(value === null ? KIND.null : KIND.unchanged, "TupleData", i);
    } else if (isBytes(value)) {
      w.u8(KIND.binary, "TupleData", i);
      writeCounted(w, value, "TupleData", i);
    } else {
      refuse("text, bytes, null or unchanged", value, "TupleData", i);
    }
  }
}

function putText(text: string, target: Uint8Array, at: number): number {
  const start = at + HEADER;
  const length = encodeText(text, target, start);
  if (length < 0) return length;
  target[at] = KIND.text;
  target[at + 1] = length >>> 24;
  target[at + 2] = length >>> 16;
  target[at + 3] = length >>> 8;
  target[at + 4] = length;
  return HEADER + length;
}

function offsetsOf(bytes: Uint8Array, start: number, length: number): number[] {
  const offsets: number[] = [];
  for (let i = 0, at = start + COUNT; i < length; i++, at = after(bytes, at)) offsets.push(at);
  return offsets;
}

function valueAt(bytes: Uint8Array, at: number): TupleValue {
  switch (bytes[at]) {
    case KIND.null:
      return null;
    case KIND.unchanged:
      return unchanged;
    case KIND.text:
      return decodeText(bytes, at + HEADER, at + HEADER + lengthAt(bytes, at));
    default:
      return viewOf(bytes, at + HEADER, at + HEADER + lengthAt(bytes, at));
  }
}

/** Where the column behind the one at `at` begins. */
function after(bytes: Uint8Array, at: number): number {
  const kind = bytes[at]!;
  return kind === KIND.null || kind === KIND.unchanged ? at + 1 : at + HEADER + lengthAt(bytes, at);
}

/** The length of the value at `at`; it was checked to be within `bytes`, so its sign bit is not set. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return (bytes[at + 1]! << 24) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 8) | bytes[at + 4]!;
}

/** For decoders: a row, walked over, to check it, and not read. */
export function readTuple(r: Reader, path: string): TupleData {
  const { bytes, length: all, offset: start } = r;
  const columns = r.u16(path);
  let at = r.offset;
  for (let i = 0; i < columns; i++) {
    const kind = bytes[at];
    if (kind === KIND.null || kind === KIND.unchanged) {
      at++;
      continue;
    }
    // Past the end there are no bytes, which count as zeros here; `end` is past the end then.
    const end = at + HEADER + (lengthAt(bytes, at) >>> 0);
    if ((kind !== KIND.text && kind !== KIND.binary) || end > all) refuseColumn(r, at, path, i);
    at = end;
  }
  r.offset = at;
  return rowIn(bytes, start, at, columns);
}

/** Throw the DecodeError of the column at `at`. */
function refuseColumn(r: Reader, at: number, path: string, i: number): never {
  r.offset = at;
  const kind = r.u8(path, i, ".type");
  if (kind !== KIND.text && kind !== KIND.binary) r.notOneOf("BAD_VALUE", TAGS, path, i, ".type");
  readCounted(r, path, i, ".value");
  throw new Error("the column is good");
}

/** For encoders: the row, as it is. */
export function writeTuple(w: Writer, value: TupleData, path: string): void {
  if (!TupleData.is(value)) refuse("a TupleData", value, path);
  w.rest(value.bytes, path);
}

/**
 * Structs as they lie in memory: a reader and a writer with the methods of Reader and Writer, but little-endian, and each number
 * at a multiple of its size from where the struct begins, as compilers for 64-bit machines align it. What they pass over is
 * padding, which they keep.
 *
 * A class of its own, so that a browser bundle that only reads messages leaves it out.
 */
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { isBytes, lengthOf, mustBeUnsigned, quoted, refuse } from "./check.ts";
import { newBytes, viewOf } from "./parts.ts";
import { Reader } from "./reader.ts";
import { decodeText, encodeText, TEXT_WANTED } from "./text.ts";

/** NAMEDATALEN: of names in files and in WAL, their zero at the end included. */
export const NAME_BYTES = 64;

export class NativeReader extends Reader {
  readonly #view: DataView;
  /** Where the struct begins. */
  #base = 0;
  #padding: number[] = [];

  constructor(bytes: Uint8Array) {
    super(bytes);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, this.length);
  }

  /** A struct begins here. */
  begin(): void {
    this.#base = this.offset;
    if (this.#padding.length > 0) this.#padding = [];
  }

  /** Pass over padding up to a multiple of `size`, a power of two. */
  align(size: number, path: string, index?: number | undefined, field?: string | undefined): void {
    const over = (this.offset - this.#base) & (size - 1);
    if (over === 0) return;
    const start = this.skip(size - over, path, index, field);
    for (let i = start; i < this.offset; i++) this.#padding.push(this.bytes[i]!);
  }

  /** All padding of the struct up to here; undefined if it is all zero. */
  padding(): Uint8Array | undefined {
    return this.#padding.some((byte) => byte !== 0) ? Uint8Array.from(this.#padding) : undefined;
  }

  override u16(path: string, index?: number | undefined, field?: string | undefined): number {
    return this.#view.getUint16(this.#take(2, path, index, field), true);
  }

  override u32(path: string, index?: number | undefined, field?: string | undefined): number {
    return this.#view.getUint32(this.#take(4, path, index, field), true);
  }

  override i32(path: string, index?: number | undefined, field?: string | undefined): number {
    return this.#view.getInt32(this.#take(4, path, index, field), true);
  }

  override u64(path: string, index?: number | undefined, field?: string | undefined): bigint {
    return this.#view.getBigUint64(this.#take(8, path, index, field), true);
  }

  i64(path: string, index?: number | undefined, field?: string | undefined): bigint {
    return this.#view.getBigInt64(this.#take(8, path, index, field), true);
  }

  override lsn(path: string, index?: number | undefined, field?: string | undefined): Lsn {
    return this.u64(path, index, field) as Lsn;
  }

  override time(path: string, index?: number | undefined, field?: string | undefined): PgTime {
    return this.i64(path, index, field) as PgTime;
  }

  /** NameData: its text, without the zeros at the end. */
  name(path: string, index?: number | undefined, field?: string | undefined): string {
    const start = this.skip(NAME_BYTES, path, index, field);
    let end = this.offset;
    while (end > start && this.bytes[end - 1] === 0) end--;
    return decodeText(this.bytes, start, end);
  }

  /** So many bytes: a view. */
  chars(length: number, path: string, index?: number | undefined, field?: string | undefined): Uint8Array {
    const start = this.skip(length, path, index, field);
    return viewOf(this.bytes, start, this.offset);
  }

  #take(size: number, path: string, index?: number | undefined, field?: string | undefined): number {
    this.align(size, path, index, field);
    return this.skip(size, path, index, field);
  }
}

export class NativeWriter {
  #bytes = new Uint8Array(256);
  #view = new DataView(this.#bytes.buffer);
  #end = 0;
  /** Where the struct begins. */
  #base = 0;
  #padding: Uint8Array | undefined;
  #padded = 0;

  /** A struct begins here. `padding` are the bytes between its fields, zeros if undefined. */
  begin(padding: Uint8Array | undefined, path: string): void {
    if (padding !== undefined && !isBytes(padding)) refuse("a Uint8Array or nothing", padding, path);
    this.#base = this.#end;
    this.#padding = padding;
    this.#padded = 0;
  }

  /** Padding up to a multiple of `size`, a power of two. */
  align(size: number): void {
    const over = (this.#end - this.#base) & (size - 1);
    if (over === 0) return;
    const at = this.#reserve(size - over);
    for (let i = at; i < this.#end; i++) this.#bytes[i] = this.#padding?.[this.#padded++] ?? 0;
  }

  /** All padding has been written. */
  padding(path: string): void {
    const given = this.#padding;
    if (given !== undefined && lengthOf(given) !== this.#padded) {
      refuse(String(this.#padded), lengthOf(given), `${path}.length`);
    }
  }

  u8(value: number, path: string, index?: number | undefined, field?: string | undefined): void {
    mustBeUnsigned(value, 0xff, path, index, field);
    const at = this.#reserve(1);
    this.#bytes[at] = value;
  }

  u16(value: number, path: string, index?: number | undefined, field?: string | undefined): void {
    mustBeUnsigned(value, 0xffff, path, index, field);
    const at = this.#take(2);
    this.#view.setUint16(at, value, true);
  }

  u32(value: number, path: string, index?: number | undefined, field?: string | undefined): void {
    mustBeUnsigned(value, 0xffffffff, path, index, field);
    const at = this.#take(4);
    this.#view.setUint32(at, value, true);
  }

  i32(value: number, path: string, index?: number | undefined, field?: string | undefined): void {
    if (typeof value !== "number" || value !== (value | 0))
      refuse("a whole number from -2147483648 to 2147483647", value, path, index, field);
    const at = this.#take(4);
    this.#view.setInt32(at, value, true);
  }

  u64(value: bigint, path: string, index?: number | undefined, field?: string | undefined): void {
    if (typeof value !== "bigint" || BigInt.asUintN(64, value) !== value) {
      refuse("a bigint from 0 to 2^64 - 1", value, path, index, field);
    }
    const at = this.#take(8);
    this.#view.setBigUint64(at, value, true);
  }

  i64(value: bigint, path: string, index?: number | undefined, field?: string | undefined): void {
    if (typeof value !== "bigint" || BigInt.asIntN(64, value) !== value) {
      refuse("a bigint from -2^63 to 2^63 - 1", value, path, index, field);
    }
    const at = this.#take(8);
    this.#view.setBigInt64(at, value, true);
  }

  lsn(value: bigint, path: string, index?: number | undefined, field?: string | undefined): void {
    this.u64(value, path, index, field);
  }

  time(value: bigint, path: string, index?: number | undefined, field?: string | undefined): void {
    this.i64(value, path, index, field);
  }

  bool(value: boolean, path: string, index?: number | undefined, field?: string | undefined): void {
    if (typeof value !== "boolean") refuse("true or false", value, path, index, field);
    this.u8(value ? 1 : 0, path);
  }

  /** Text as NameData: zeros behind it, none of its own at its end, which would not come back. */
  name(value: string, path: string, index?: number | undefined, field?: string | undefined): void {
    if (typeof value !== "string" || value.endsWith("\0"))
      refuse("text without NUL at its end", value, path, index, field);
    // More characters than bytes there cannot be, and most take no more than three.
    const bytes = new Uint8Array(NAME_BYTES * 3);
    const length = value.length > NAME_BYTES ? NAME_BYTES + 1 : encodeText(value, bytes, 0);
    if (length < 0) refuse(TEXT_WANTED, value, path, index, field);
    if (length > NAME_BYTES) refuse(`text of at most ${NAME_BYTES} bytes`, value, path, index, field);
    this.rest(bytes.subarray(0, NAME_BYTES), path);
  }

  /** So many bytes. */
  chars(length: number, value: Uint8Array, path: string, index?: number | undefined, field?: string | undefined): void {
    if (!isBytes(value) || lengthOf(value) !== length) {
      refuse(`a Uint8Array of ${length} bytes`, value, path, index, field);
    }
    this.rest(value, path, index, field);
  }

  /** The bytes and nothing else. */
  rest(value: Uint8Array, path: string, index?: number | undefined, field?: string | undefined): void {
    if (!isBytes(value)) refuse("a Uint8Array", value, path, index, field);
    const at = this.#reserve(lengthOf(value));
    this.#bytes.set(value, at);
  }

  /** The bytes, if there are any. */
  extra(value: Uint8Array | undefined, path: string): void {
    if (value !== undefined) this.rest(value, path);
  }

  /** Nothing: the field hangs on the same condition as another one that is not there. */
  absent(value: unknown, other: string, path: string, index?: number | undefined, field?: string | undefined): void {
    if (value !== undefined) refuse(`nothing without ${other}`, value, path, index, field);
  }

  /** What was written, as an array that is the caller's. */
  finish(): Uint8Array {
    const bytes = newBytes(this.#end);
    bytes.set(this.#bytes.subarray(0, this.#end));
    return bytes;
  }

  #take(size: number): number {
    this.align(size);
    return this.#reserve(size);
  }

  /** Room for as many bytes; growing replaces #bytes and #view, so this comes first. */
  #reserve(length: number): number {
    const start = this.#end;
    this.#end += length;
    if (this.#end > this.#bytes.length) {
      const bytes = new Uint8Array(2 * this.#end);
      bytes.set(this.#bytes.subarray(0, start));
      this.#bytes = bytes;
      this.#view = new DataView(bytes.buffer);
    }
    return start;
  }
}

/** The word that a number stands for, or the number. */
export function wordOf<W extends string>(words: Readonly<Record<number, W>>, number: number): W | number {
  return Object.hasOwn(words, number) ? words[number]! : number;
}

/** The number that a word stands for, or the number that it is, if no word stands for that. */
export function numberOf(
  words: Readonly<Record<number, string>>,
  value: string | number,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): number {
  if (typeof value === "number" && !Object.hasOwn(words, value)) return value;
  for (const [number, word] of Object.entries(words)) {
    if (word === value) return Number(number);
  }
  return refuse(`${quoted(Object.values(words))}, or another number`, value, path, index, field);
}

/**
 * Reader: primitives from bytes, big-endian as pq_sendint writes them, each checked against the end.
 *
 * Every method takes the field's place, so that a DecodeError can say which one the bytes were too short for.
 */
import { DecodeError, type ErrorCode } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { lengthOf, mustBeBytes, quoted } from "./check.ts";
import { viewOf } from "./parts.ts";
import { fieldPath } from "./place.ts";

/** Numbers of 64 bits are read from here: a DataView over each message would cost 84 ns, these 8 bytes 10 (Node 20, 2 shared cores). */
const scratch = new DataView(new ArrayBuffer(8));
const scratchBytes = new Uint8Array(scratch.buffer);

export class Reader {
  /** The bytes being read. Views that are handed out point into them. */
  readonly bytes: Uint8Array;
  /** Where they end for the reader: how many there are, whatever the array says of itself, unless `part` was called. */
  length: number;
  /** Where the next read begins, from the start of `bytes`. */
  offset = 0;

  /** @throws ArgumentError if it is not a Uint8Array */
  constructor(bytes: Uint8Array) {
    mustBeBytes(bytes);
    this.bytes = bytes;
    this.length = lengthOf(bytes);
  }

  /** Read what is from `start` up to `end` next, and nothing else. It must be within the bytes. Errors have offsets in all of them. */
  part(start: number, end: number): void {
    this.offset = start;
    this.length = end;
  }

  u8(path: string, index?: number | undefined, field?: string | undefined): number {
    const at = this.skip(1, path, index, field);
    return this.bytes[at]!;
  }

  u16(path: string, index?: number | undefined, field?: string | undefined): number {
    const at = this.skip(2, path, index, field);
    const { bytes } = this;
    return (bytes[at]! << 8) | bytes[at + 1]!;
  }

  u32(path: string, index?: number | undefined, field?: string | undefined): number {
    return this.i32(path, index, field) >>> 0;
  }

  i32(path: string, index?: number | undefined, field?: string | undefined): number {
    const at = this.skip(4, path, index, field);
    const { bytes } = this;
    return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
  }

  u64(path: string, index?: number | undefined, field?: string | undefined): bigint {
    this.#scratch(path, index, field);
    return scratch.getBigUint64(0);
  }

  lsn(path: string, index?: number | undefined, field?: string | undefined): Lsn {
    return this.u64(path, index, field) as Lsn;
  }

  time(path: string, index?: number | undefined, field?: string | undefined): PgTime {
    this.#scratch(path, index, field);
    return scratch.getBigInt64(0) as PgTime;
  }

  /** One byte, 0 or 1. */
  bool(path: string, index?: number | undefined, field?: string | undefined): boolean {
    const at = this.skip(1, path, index, field);
    const value = this.bytes[at]!;
    if (value > 1) this.fail("BAD_VALUE", at, `is ${value}, expected 0 or 1,`, path, index, field);
    return value === 1;
  }

  /** Throw the DecodeError of the byte just read, which is not one of `tags`. */
  notOneOf(
    code: "BAD_TAG" | "BAD_VALUE",
    tags: string,
    path: string,
    index?: number | undefined,
    field?: string | undefined,
  ): never {
    const is = shownByte(this.bytes[this.offset - 1]!);
    this.fail(code, this.offset - 1, `is ${is}, expected ${quoted([...tags])},`, path, index, field);
  }

  /** A view of all that is left, undefined if that is nothing. */
  extra(): Uint8Array | undefined {
    return this.offset < this.length ? this.rest() : undefined;
  }

  /** A view of all that is left, perhaps nothing. */
  rest(): Uint8Array {
    const start = this.offset;
    this.offset = this.length;
    return viewOf(this.bytes, start, this.length);
  }

  /** Nothing may be left. @throws DecodeError TRAILING_BYTES */
  end(path: string): void {
    const left = this.length - this.offset;
    if (left > 0) this.fail("TRAILING_BYTES", this.offset, `has ${bytesOf(left)} too many`, path);
  }

  /** Throw the DecodeError of a field: `what` goes between its name and "at offset N". */
  fail(
    code: ErrorCode,
    offset: number,
    what: string,
    path: string,
    index?: number | undefined,
    field?: string | undefined,
  ): never {
    const name = fieldPath(path, index, field);
    throw new DecodeError(code, name, offset, `${name} ${what} at offset ${offset}`);
  }

  #scratch(path: string, index?: number | undefined, field?: string | undefined): void {
    const at = this.skip(8, path, index, field);
    for (let i = 0; i < 8; i++) scratchBytes[i] = this.bytes[at + i]!;
  }

  /** Pass over as many bytes, and say where they begin. */
  skip(length: number, path: string, index?: number | undefined, field?: string | undefined): number {
    const start = this.offset;
    const end = start + length;
    if (end > this.length) {
      const left = this.length - start;
      const name = fieldPath(path, index, field);
      const message = `${name} needs ${bytesOf(length)} at offset ${start}; ${left} ${left === 1 ? "is" : "are"} left`;
      throw new DecodeError("TRUNCATED", name, start, message);
    }
    this.offset = end;
    return start;
  }
}

/** "1 byte", "2 bytes". */
export function bytesOf(count: number): string {
  return count === 1 ? "1 byte" : `${count} bytes`;
}

/** A byte as its character if it has one on a keyboard, else as a number. */
function shownByte(byte: number): string {
  return byte > 0x20 && byte < 0x7f
    ? JSON.stringify(String.fromCharCode(byte))
    : `0x${byte.toString(16).padStart(2, "0")}`;
}

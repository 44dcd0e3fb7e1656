/**
 * walwire/logical/copy: `CopyDecoder`: the rows of COPY … TO STDOUT, in text and binary format, as `TupleData`.
 *
 * The initial copy of a table and the stream that follows it then have one form of rows. COPY … FROM accepts more than COPY … TO writes:
 * lines that end in a carriage return, a last line that has no end. Here both are errors, so that data that is cut off is never read as
 * complete.
 *
 * @source copyto.c: CopySendEndOfRow, CopyAttributeOutText, CopyToBinaryOneRow; copyfromparse.c: CopyReadLineText,
 *   CopyReadAttributesText, ReceiveCopyBinaryHeader, CopyFromBinaryOneRow, CopyReadBinaryAttribute
 */
import { DecodeError, type ErrorCode, refuseArgument } from "../kernel/errors.ts";
import { checkOneOf, checkOptions, checkWhole, isArrayOf } from "../kernel/options.ts";
import { givenBytes, MAX_ALLOC_SIZE } from "../wire/check.ts";
import { viewOf } from "../wire/parts.ts";
import { bytesOf } from "../wire/reader.ts";
import { rowIn, type TupleData } from "../wire/tuple.ts";

export { TupleData, type TupleKind, type TupleValue } from "../wire/tuple.ts";

/** How data is copied, and what of. */
export interface CopyDecoderOptions {
  /** FORMAT of the COPY. Text in its default form: tabs between columns, `\N` for NULL. */
  readonly format: "text" | "binary";
  /** The number of columns. */
  readonly columns: number;
  /** Positions of columns that are text in binary format too, from 0: a query that copies a type without a binary format casts it. */
  readonly textOnly?: readonly number[] | undefined;
  /** The longest row to accept, in bytes as it is sent. The default is PostgreSQL's own limit, 1 GB less one byte. */
  readonly maxRow?: number | undefined;
}

/** As many columns as a row can say that it has, in two bytes with a sign. A table has at most 1600. */
const MOST_COLUMNS = 0x7fff;

const TAB = 0x09;
const NEWLINE = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const BACKSLASH = 0x5c;
const PERIOD = 0x2e;
const CAPITAL_N = 0x4e;
const SMALL_X = 0x78;

/** What a backslash and a letter stand for. Any other character stands for itself. @source copyfromparse.c: CopyReadAttributesText */
const ESCAPES: Readonly<Record<number, number>> = { 98: 8, 102: 12, 110: 10, 114: 13, 116: 9, 118: 11 };

/** The kinds of a column in a row of pgoutput: rows are handed out in this form. @source logicalproto.h */
const KIND = { null: 0x6e, text: 0x74, binary: 0x62 } as const;
/** A kind and a length. */
const HEADER = 5;

/** `PGCOPY\n\xff\r\n\0` @source copyto.c: BinarySignature */
const SIGNATURE = /* @__PURE__ */ Uint8Array.of(80, 71, 67, 79, 80, 89, 10, 0xff, 13, 10, 0);
/** The signature, flags and the length of the extension. */
const START = 19;

/** Rows are written into memory of this size, several into one: memory of its own for each would take longer than writing it. */
const SLAB = 16 * 1024;

/**
 * Reads the data of a COPY … TO STDOUT, in chunks cut anywhere. After an error every call throws that error again.
 *
 * It holds no more than one row that has not arrived as a whole, and takes memory only for bytes that have arrived.
 *
 * @example new CopyDecoder({ format: "text", columns: 2 }).receive(new TextEncoder().encode("1\t\\N\n"))[0].toArray() // ["1", null]
 */
export class CopyDecoder {
  readonly #binary: boolean;
  readonly #columns: number;
  /** What each column of binary data becomes. */
  readonly #kinds: Uint8Array;
  readonly #maxRow: number;
  /** Bytes that belong to no row yet are at the beginning of this, if there are any. */
  #kept = new Uint8Array(0);
  #keptLength = 0;
  /** Bytes before those in the whole stream. */
  #before = 0;
  /** How far the row that has begun was looked at, from its start, and how many of its columns were. */
  #seen = 0;
  #seenColumns = 0;
  /** Bytes of the binary header's extension that are still to come; undefined before that is known. */
  #extension: number | undefined;
  /** The end marker has come. */
  #over = false;
  #failure: DecodeError | undefined;
  #slab = new Uint8Array(0);
  #slabUsed = 0;

  /** @throws ArgumentError for an invalid option */
  constructor(options: CopyDecoderOptions) {
    checkOptions(options, ["format", "columns", "textOnly", "maxRow"]);
    const { format, columns, textOnly = [], maxRow = MAX_ALLOC_SIZE } = options;
    checkOneOf("options.format", format, ["text", "binary"]);
    checkWhole("options.columns", columns, 0, MOST_COLUMNS);
    checkWhole("options.maxRow", maxRow, 1, MAX_ALLOC_SIZE);
    this.#binary = format === "binary";
    this.#columns = columns;
    this.#kinds = new Uint8Array(columns).fill(KIND.binary);
    const isColumn = (i: unknown): boolean => Number.isInteger(i) && (i as number) >= 0 && (i as number) < columns;
    if (!isArrayOf(textOnly, isColumn))
      refuseArgument("options.textOnly", "an array of positions of columns", textOnly);
    for (const i of textOnly) this.#kinds[i] = KIND.text;
    this.#maxRow = maxRow;
  }

  /**
   * Take the next chunk of data, such as the payload of a CopyData.
   *
   * @returns the rows that are complete with it. They are copies: the chunk may be written to again.
   * @throws DecodeError for data that no server sends, with the offset in the whole stream; ArgumentError for anything but a Uint8Array.
   */
  receive(chunk: Uint8Array): TupleData[] {
    const given = givenBytes(chunk, "chunk");
    if (this.#failure !== undefined) throw this.#failure;
    const rows: TupleData[] = [];
    try {
      if (given.length > 0) this.#take(given, rows);
    } catch (error) {
      if (error instanceof DecodeError) this.#failure = error;
      throw error;
    }
    return rows;
  }

  /**
   * Say that the data is complete, as CopyDone does.
   *
   * @throws DecodeError TRUNCATED if it ends in the middle of a row, and for binary data without its end marker.
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#over || (!this.#binary && this.#keptLength === 0)) return;
    const at = this.#before + this.#keptLength;
    const what = this.#keptLength > 0 || !this.#binary ? "ends in the middle of a row" : "ends without its end marker";
    this.#failure = new DecodeError("TRUNCATED", "Copy", at, `Copy ${what}, at offset ${at}`);
    throw this.#failure;
  }

  #take(chunk: Uint8Array, rows: TupleData[]): void {
    if (this.#over) this.#fail("TRAILING_BYTES", 0, "Copy", "has data after its end marker");
    const bytes = this.#keptLength === 0 ? chunk : this.#append(chunk);
    const used = this.#binary ? this.#readBinary(bytes, rows) : this.#readText(bytes, rows);
    if (this.#over && used < bytes.length) this.#fail("TRAILING_BYTES", used, "Copy", "has data after its end marker");
    this.#keep(bytes, used);
    if (this.#keptLength > this.#maxRow) this.#tooLong();
  }

  /** The kept bytes and a chunk. Memory is doubled, so that the time is linear. */
  #append(chunk: Uint8Array): Uint8Array {
    const length = this.#keptLength + chunk.length;
    if (length > this.#kept.length) {
      const larger = new Uint8Array(Math.max(length, 2 * this.#kept.length, 1024));
      larger.set(this.#kept.subarray(0, this.#keptLength));
      this.#kept = larger;
    }
    this.#kept.set(chunk, this.#keptLength);
    this.#keptLength = length;
    return this.#kept.subarray(0, length);
  }

  /** Keep the bytes from `used` on: a part of the last chunk, if there was a row before them. */
  #keep(bytes: Uint8Array, used: number): void {
    this.#before += used;
    if (bytes.buffer === this.#kept.buffer) {
      if (used > 0) this.#kept.copyWithin(0, used, bytes.length);
      this.#keptLength = bytes.length - used;
      // Who has had one long row should not hold its memory for ever.
      if (this.#keptLength === 0 && this.#kept.length > 1024 * 1024) this.#kept = new Uint8Array(0);
    } else if (used < bytes.length) {
      this.#append(viewOf(bytes, used, bytes.length));
    }
  }

  /** @returns how many bytes belong to rows that are complete */
  #readText(bytes: Uint8Array, rows: TupleData[]): number {
    let start = 0;
    while (start < bytes.length) {
      const end = this.#lineEnd(bytes, start);
      if (end < 0) {
        this.#seen = bytes.length - start;
        return start;
      }
      if (end - start > this.#maxRow) this.#tooLong(start);
      this.#seen = 0;
      if (bytes[start] === BACKSLASH && bytes[start + 1] === PERIOD && end === start + 2) {
        this.#over = true;
        return end + 1;
      }
      rows.push(this.#readLine(bytes, start, end));
      start = end + 1;
    }
    return start;
  }

  /** Where a line ends: at a newline without a backslash before it, which is not itself behind one. */
  #lineEnd(bytes: Uint8Array, start: number): number {
    for (let from = start + this.#seen; ; ) {
      const at = bytes.indexOf(NEWLINE, from);
      if (at < 0) return -1;
      let backslashes = 0;
      while (at - 1 - backslashes >= start && bytes[at - 1 - backslashes] === BACKSLASH) backslashes++;
      if (backslashes % 2 === 0) return at;
      from = at + 1;
    }
  }

  /**
   * A line of text as a row.
   *
   * @source copyfromparse.c: CopyReadAttributesText
   */
  #readLine(bytes: Uint8Array, start: number, end: number): TupleData {
    const columns = this.#columns;
    if (columns === 0) {
      if (end > start) this.#fail("BAD_LENGTH", start, "Copy", `has a row of more than ${columns} columns`);
      return this.#rowOf(this.#begin(2), 2);
    }
    // A column takes at least its tab or the newline.
    if (end - start + 1 < columns) this.#fail("BAD_LENGTH", end, "Copy", `has a row of fewer than ${columns} columns`);
    const from = this.#begin(2 + columns * HEADER + (end - start));
    const out = this.#slab;
    let to = from + 2;
    let at = start;
    for (let i = 0; ; i++) {
      if (i === columns) this.#fail("BAD_LENGTH", at, "Copy", `has a row of more than ${columns} columns`);
      const field = at;
      const header = to;
      to += HEADER;
      for (; at < end; at++) {
        let byte = bytes[at]!;
        if (byte === BACKSLASH) {
          // A line does not end behind a backslash: another byte is there.
          byte = bytes[++at]!;
          if (byte >= 0x30 && byte <= 0x37) {
            byte -= 0x30;
            for (let more = 0; more < 2 && at + 1 < end && isOctal(bytes[at + 1]!); more++) {
              byte = (byte << 3) | (bytes[++at]! - 0x30);
            }
            byte &= 0xff;
            if (byte === 0) this.#fail("BAD_VALUE", at, `Copy.columns[${i}]`, "has a zero byte");
          } else if (byte === SMALL_X && at + 1 < end && hexDigit(bytes[at + 1]!) >= 0) {
            byte = hexDigit(bytes[++at]!);
            if (at + 1 < end && hexDigit(bytes[at + 1]!) >= 0) byte = (byte << 4) | hexDigit(bytes[++at]!);
            if (byte === 0) this.#fail("BAD_VALUE", at, `Copy.columns[${i}]`, "has a zero byte");
          } else if (byte === PERIOD) {
            this.#fail("BAD_VALUE", at - 1, "Copy", "has an end-of-copy marker that is not alone on its line");
          } else {
            if (byte === 0) this.#fail("BAD_VALUE", at, `Copy.columns[${i}]`, "has a zero byte");
            byte = ESCAPES[byte] ?? byte;
          }
        } else if (byte <= CARRIAGE_RETURN) {
          if (byte === TAB) break;
          if (byte === 0) this.#fail("BAD_VALUE", at, `Copy.columns[${i}]`, "has a zero byte");
          if (byte === CARRIAGE_RETURN)
            this.#fail("BAD_VALUE", at, `Copy.columns[${i}]`, "has a literal carriage return");
        }
        out[to++] = byte;
      }
      if (at - field === 2 && bytes[field] === BACKSLASH && bytes[field + 1] === CAPITAL_N) {
        to = header;
        out[to++] = KIND.null;
      } else {
        writeHeader(out, header, KIND.text, to - header - HEADER);
      }
      if (at >= end) {
        if (i + 1 < columns) this.#fail("BAD_LENGTH", end, "Copy", `has a row of fewer than ${columns} columns`);
        return this.#rowOf(from, to - from);
      }
      at++;
    }
  }

  /** @returns how many bytes belong to rows that are complete, or to the header */
  #readBinary(bytes: Uint8Array, rows: TupleData[]): number {
    let start = this.#readStart(bytes);
    while (this.#extension === 0 && !this.#over) {
      const end = this.#rowEnd(bytes, start);
      if (end < 0) break;
      if (this.#over) return end;
      this.#seen = 0;
      this.#seenColumns = 0;
      rows.push(this.#readRow(bytes, start, end));
      start = end;
    }
    return start;
  }

  /**
   * Read the header.
   *
   * @returns how many bytes of it there are.
   * @source copyfromparse.c: ReceiveCopyBinaryHeader
   */
  #readStart(bytes: Uint8Array): number {
    let at = 0;
    if (this.#extension === undefined) {
      const known = Math.min(bytes.length, SIGNATURE.length);
      for (let i = 0; i < known; i++) {
        if (bytes[i] !== SIGNATURE[i]) this.#fail("BAD_VALUE", i, "Copy.signature", "is not that of binary data");
      }
      if (bytes.length < START) return 0;
      const flags = numberAt(bytes, SIGNATURE.length) >>> 0;
      if (flags & 0x10000) this.#fail("BAD_VALUE", 11, "Copy.flags", "has the bit of WITH OIDS");
      if (flags >>> 17 !== 0) this.#fail("BAD_VALUE", 11, "Copy.flags", "has critical bits that are unknown");
      const extension = numberAt(bytes, START - 4);
      if (extension < 0) this.#fail("BAD_LENGTH", START - 4, "Copy.extension", `has the length ${extension}`);
      this.#extension = extension;
      at = START;
    }
    const skipped = Math.min(this.#extension, bytes.length - at);
    this.#extension -= skipped;
    return at + skipped;
  }

  /**
   * Where the row at `start` ends; -1 if it is not there as a whole.
   *
   * @source copyfromparse.c: CopyFromBinaryOneRow, CopyReadBinaryAttribute
   */
  #rowEnd(bytes: Uint8Array, start: number): number {
    const { length } = bytes;
    if (start + 2 > length) return -1;
    let at = start + Math.max(2, this.#seen);
    let column = this.#seenColumns;
    if (at === start + 2) {
      const count = ((bytes[start]! << 24) >> 16) | bytes[start + 1]!;
      if (count === -1) {
        this.#over = true;
        return at;
      }
      if (count !== this.#columns) {
        this.#fail("BAD_LENGTH", start, "Copy", `has a row of ${count} columns, expected ${this.#columns}`);
      }
    }
    for (; column < this.#columns && at + 4 <= length; column++) {
      const size = numberAt(bytes, at);
      if (size < -1) this.#fail("BAD_LENGTH", at, `Copy.columns[${column}]`, `has the length ${size}`);
      const end = at + 4 + Math.max(0, size);
      if (end - start > this.#maxRow) this.#tooLong(start);
      if (end > length) break;
      at = end;
    }
    this.#seen = at - start;
    this.#seenColumns = column;
    return column === this.#columns ? at : -1;
  }

  #readRow(bytes: Uint8Array, start: number, end: number): TupleData {
    const columns = this.#columns;
    // Each column has its kind in addition.
    const from = this.#begin(end - start + columns);
    const out = this.#slab;
    let to = from + 2;
    let at = start + 2;
    for (let i = 0; i < columns; i++) {
      const size = numberAt(bytes, at);
      at += 4;
      if (size < 0) {
        out[to++] = KIND.null;
        continue;
      }
      writeHeader(out, to, this.#kinds[i]!, size);
      to += HEADER;
      if (size > 32) out.set(viewOf(bytes, at, at + size), to);
      else for (let b = 0; b < size; b++) out[to + b] = bytes[at + b]!;
      to += size;
      at += size;
    }
    return this.#rowOf(from, to - from);
  }

  /** Where to write a row of at most `length` bytes into the slab, with the number of its columns written already. */
  #begin(length: number): number {
    if (this.#slabUsed + length > this.#slab.length) {
      this.#slab = new Uint8Array(Math.max(SLAB, length));
      this.#slabUsed = 0;
    }
    const at = this.#slabUsed;
    this.#slab[at] = this.#columns >>> 8;
    this.#slab[at + 1] = this.#columns;
    return at;
  }

  #rowOf(from: number, length: number): TupleData {
    this.#slabUsed = from + length;
    return rowIn(this.#slab, from, from + length, this.#columns);
  }

  #tooLong(at = 0): never {
    this.#fail("BAD_LENGTH", at, "Copy", `has a row of more than ${bytesOf(this.#maxRow)}`);
  }

  /** @param at From the start of what is kept. */
  #fail(code: ErrorCode, at: number, path: string, what: string): never {
    const offset = this.#before + at;
    throw new DecodeError(code, path, offset, `${path} ${what}, at offset ${offset}`);
  }
}

function writeHeader(out: Uint8Array, at: number, kind: number, length: number): void {
  out[at] = kind;
  out[at + 1] = length >>> 24;
  out[at + 2] = length >>> 16;
  out[at + 3] = length >>> 8;
  out[at + 4] = length;
}

function numberAt(bytes: Uint8Array, at: number): number {
  return (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!;
}

function isOctal(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x37;
}

/** The value of a hexadecimal digit, else -1. */
function hexDigit(byte: number): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const letter = byte | 0x20;
  return letter >= 0x61 && letter <= 0x66 ? letter - 0x57 : -1;
}

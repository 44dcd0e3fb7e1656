/**
 * Incremental files: servers from 17 on send `INCREMENTAL.name` in place of a relation's file if few of its blocks have changed.
 *
 * The file begins with a header: a magic number, the number of blocks, the truncation block length, and the number of each block, in
 * the server's byte order. Only little-endian is supported. If there are blocks, zeros pad the header to a multiple of the block size,
 * and the blocks follow in the order of the header.
 *
 * The rules and messages of the reader are a port of PostgreSQL's src/bin/pg_combinebackup/reconstruct.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source basebackup.c: sendFile; basebackup_incremental.h; reconstruct.c: make_incremental_rfile
 */
import { DecodeError } from "../kernel/errors.ts";
import { isUnsigned, mustBeObject, refuse } from "../wire/check.ts";
import { viewOf } from "../wire/parts.ts";
import { quoteText } from "../wire/trace.ts";

/** The header of an incremental file: its blocks, and the least length of the full file. */
export interface IncrementalHeader {
  /**
   * The least length of the reconstructed file, in blocks. Blocks below it that are not in this file are taken from the older backup.
   */
  readonly truncationBlockLength: number;
  /** The numbers of its blocks in the full file, from 0, in the order of the file. */
  readonly blocks: readonly number[];
}

/** Sizes that a PostgreSQL build can change; the defaults are those of nearly all builds. */
export interface BlockSizes {
  /** BLCKSZ, in bytes. Default: 8192. */
  readonly blockSize?: number | undefined;
  /** RELSEG_SIZE, in blocks. Default: 131072, which is 1 GB. */
  readonly segmentSize?: number | undefined;
}

/** Options of reading and combining incremental files. */
export interface IncrementalOptions extends BlockSizes {
  /** The file's name in messages. Default: `INCREMENTAL`. */
  readonly file?: string | undefined;
}

/** The prefix of an incremental file's name. */
export const INCREMENTAL_PREFIX = "INCREMENTAL.";

/** The first four bytes of an incremental file. @source basebackup_incremental.h: INCREMENTAL_MAGIC */
export const INCREMENTAL_MAGIC = 0xd3ae1f0d;
/** Bytes of the magic number, block count and truncation block length. */
const FIXED = 12;
/** The usual BLCKSZ, in bytes, and RELSEG_SIZE, in blocks. */
export const BLOCK_SIZE = 8192;
const SEGMENT_SIZE = 131072;

const nothing = new Uint8Array(0);

/**
 * The length of the header of an incremental file with this number of blocks, in bytes, padding included.
 *
 * @example incrementalHeaderLength(1) // 8192
 */
export function incrementalHeaderLength(blocks: number, { blockSize = BLOCK_SIZE }: BlockSizes = {}): number {
  const length = FIXED + 4 * blocks;
  return blocks === 0 ? length : Math.ceil(length / blockSize) * blockSize;
}

/**
 * Encode the header of an incremental file, padded to a multiple of the block size if blocks follow.
 *
 * @returns a fresh array.
 * @throws EncodeError with the path of a field that no server writes.
 * @source basebackup.c: sendFile
 * @example encodeIncrementalHeader({ truncationBlockLength: 2, blocks: [] }) // hex("0d1faed3 00000000 02000000")
 */
export function encodeIncrementalHeader(header: IncrementalHeader, sizes: BlockSizes = {}): Uint8Array {
  checkIncrementalHeader(header, sizes);
  const { truncationBlockLength, blocks } = header;
  const bytes = new Uint8Array(incrementalHeaderLength(blocks.length, sizes));
  const view = new DataView(bytes.buffer);
  const numbers = [INCREMENTAL_MAGIC, blocks.length, truncationBlockLength, ...blocks];
  for (const [i, number] of numbers.entries()) view.setUint32(4 * i, number, true);
  return bytes;
}

/** @throws EncodeError with the path of a field that no server writes */
export function checkIncrementalHeader(header: IncrementalHeader, { segmentSize = SEGMENT_SIZE }: BlockSizes): void {
  mustBeObject(header, "IncrementalHeader");
  const { truncationBlockLength, blocks } = header;
  if (!isUnsigned(truncationBlockLength, segmentSize)) {
    refuse(`a whole number from 0 to ${segmentSize}`, truncationBlockLength, "IncrementalHeader.truncationBlockLength");
  }
  if (!Array.isArray(blocks)) refuse("an array", blocks, "IncrementalHeader.blocks");
  if (blocks.length > segmentSize) refuse(`at most ${segmentSize} blocks`, blocks.length, "IncrementalHeader.blocks");
  for (const [i, block] of blocks.entries()) {
    if (!isUnsigned(block, segmentSize - 1)) {
      refuse(`a whole number from 0 to ${segmentSize - 1}`, block, "IncrementalHeader.blocks", i);
    }
  }
}

/** A part of an incremental file. */
export type IncrementalEvent =
  /** The header is complete. `length` is its length in bytes, padding included. */
  | { readonly type: "Header"; readonly header: IncrementalHeader; readonly length: number }
  /** The block of this number. `data` is a view into the chunk that was received if the block came in one piece, else a copy. */
  | { readonly type: "Block"; readonly block: number; readonly data: Uint8Array };

/**
 * Reads an incremental file from chunks of any size. It keeps the numbers of the blocks, 4 bytes each, and at most one block.
 *
 * @example new IncrementalReader().receive(hex("0d1faed3 00000000 02000000"))[0]?.type // "Header"
 * @source reconstruct.c: make_incremental_rfile, read_block
 */
export class IncrementalReader {
  readonly #blockSize: number;
  readonly #segmentSize: number;
  readonly #file: string;
  /** The offset of #kept in the file. */
  #offset = 0;
  /** Bytes of an incomplete part: its first #filled bytes. */
  #kept = nothing;
  #filled = 0;
  /** The numbers of the header so far: magic number, block count, truncation block length, block numbers. */
  #numbers: number[] = [];
  #header: IncrementalHeader | undefined;
  /** Bytes of padding still to come. */
  #padding = 0;
  /** The number of blocks read. */
  #read = 0;
  #failure: DecodeError | undefined;

  /** @param options The sizes of the build, and the file's name for messages. */
  constructor({ blockSize = BLOCK_SIZE, segmentSize = SEGMENT_SIZE, file = "INCREMENTAL" }: IncrementalOptions = {}) {
    this.#blockSize = blockSize;
    this.#segmentSize = segmentSize;
    this.#file = file;
  }

  /** The header, once it is complete. */
  get header(): IncrementalHeader | undefined {
    return this.#header;
  }

  /**
   * Receive bytes of the file.
   *
   * @returns the parts that they complete, in order. Bytes after the last block are ignored, as in pg_combinebackup.
   * @throws DecodeError with the message of pg_combinebackup 18. Each later call throws it again.
   */
  receive(chunk: Uint8Array): IncrementalEvent[] {
    if (this.#failure !== undefined) throw this.#failure;
    const events: IncrementalEvent[] = [];
    let rest = viewOf(chunk, 0, chunk.length);
    while (rest.length > 0) {
      if (this.#padding > 0) {
        const skipped = Math.min(this.#padding, rest.length);
        this.#padding -= skipped;
        this.#offset += skipped;
        rest = rest.subarray(skipped);
        continue;
      }
      const wanted = this.#wanted();
      if (wanted === 0) break;
      let part: Uint8Array;
      if (this.#filled === 0 && rest.length >= wanted) {
        part = rest.subarray(0, wanted);
        rest = rest.subarray(wanted);
      } else {
        rest = this.#keep(rest, wanted);
        if (this.#filled < wanted) break;
        part = this.#kept;
        this.#kept = nothing;
        this.#filled = 0;
      }
      const event = this.#take(part);
      this.#offset += wanted;
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** The file has ended. @throws DecodeError TRUNCATED, with the message of pg_combinebackup, if blocks are missing */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const file = quoteText(this.#file);
    const { header } = this;
    const read = this.#filled;
    if (header === undefined) {
      // pg_combinebackup reads three numbers of 4 bytes, then all others at once.
      const [, count = 0] = this.#numbers;
      const blocks = this.#numbers.length - FIXED / 4;
      const [got, wanted] = blocks < 0 ? [read, 4] : [4 * blocks + read, 4 * count];
      this.#fail("TRUNCATED", "header", `could not read file ${file}: read ${got} of ${wanted}`, read);
    }
    if (this.#read < header.blocks.length) {
      const at =
        incrementalHeaderLength(header.blocks.length, { blockSize: this.#blockSize }) + this.#read * this.#blockSize;
      const text = `could not read from file ${file}, offset ${at}: read ${read} of ${this.#blockSize}`;
      this.#fail("TRUNCATED", "blocks", text, read);
    }
  }

  /** The length of the next part in bytes; 0 if there is none. */
  #wanted(): number {
    if (this.#header === undefined) return 4;
    return this.#read < this.#header.blocks.length ? this.#blockSize : 0;
  }

  /** Keep bytes until the part is complete. @returns the bytes after it */
  #keep(bytes: Uint8Array, wanted: number): Uint8Array {
    if (this.#kept.length !== wanted) this.#kept = new Uint8Array(wanted);
    const length = Math.min(wanted - this.#filled, bytes.length);
    this.#kept.set(bytes.subarray(0, length), this.#filled);
    this.#filled += length;
    return bytes.subarray(length);
  }

  #take(part: Uint8Array): IncrementalEvent | undefined {
    if (this.#header !== undefined) return { type: "Block", block: this.#header.blocks[this.#read++]!, data: part };
    const number = new DataView(part.buffer, part.byteOffset, part.length).getUint32(0, true);
    this.#check(number);
    this.#numbers.push(number);
    const [, count = 0, truncationBlockLength = 0] = this.#numbers;
    if (this.#numbers.length !== FIXED / 4 + count) return undefined;
    const header = { truncationBlockLength, blocks: this.#numbers.slice(FIXED / 4) };
    const length = incrementalHeaderLength(count, { blockSize: this.#blockSize });
    this.#header = header;
    this.#padding = length - 4 * this.#numbers.length;
    return { type: "Header", header, length };
  }

  /** Check the next number of the header. */
  #check(number: number): void {
    const file = quoteText(this.#file);
    const at = this.#numbers.length;
    const excess = `in excess of segment size ${this.#segmentSize}`;
    if (at === 0) {
      if (number === INCREMENTAL_MAGIC) return;
      const [is, expected] = [number, INCREMENTAL_MAGIC].map((each) => each.toString(16));
      this.#fail(
        "BAD_VALUE",
        "magic",
        `file ${file} has bad incremental magic number (0x${is}, expected 0x${expected})`,
      );
    }
    if (at === 1) {
      if (number <= this.#segmentSize) return;
      this.#fail("BAD_LENGTH", "blocks", `file ${file} has block count ${number} ${excess}`);
    }
    if (at === 2) {
      if (number <= this.#segmentSize) return;
      this.#fail("BAD_VALUE", "truncationBlockLength", `file ${file} has truncation block length ${number} ${excess}`);
    }
    if (number < this.#segmentSize) return;
    // pg_combinebackup takes it, and memory for as many blocks.
    this.#fail("BAD_VALUE", `blocks[${at - 3}]`, `file ${file} has block number ${number} ${excess}`);
  }

  #fail(code: "TRUNCATED" | "BAD_VALUE" | "BAD_LENGTH", field: string, text: string, more = 0): never {
    this.#failure = new DecodeError(code, `IncrementalFile.${field}`, this.#offset + more, text);
    throw this.#failure;
  }
}

/**
 * Incremental files: what a server from 17 on sends, as `INCREMENTAL.name`, of a relation's file of which few blocks have changed.
 *
 * A header in the byte order of the server's machine, of which only little-endian ones are left that matter: a magic number, how many
 * blocks follow, the truncation block length, and the number of each block. If there are blocks, zeros fill the header up to a multiple
 * of the block size, then the blocks come in that order.
 *
 * The rules and messages of the reader are a port of PostgreSQL's src/bin/pg_combinebackup/reconstruct.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source basebackup.c: sendFile; basebackup_incremental.h; reconstruct.c: make_incremental_rfile
 */
import { DecodeError, EncodeError } from "../kernel/errors.ts";
import { isUnsigned, mustBeObject } from "../wire/check.ts";
import { viewOf } from "../wire/parts.ts";
import { quoteText } from "../wire/trace.ts";

/** Which blocks an incremental file has, and how long the whole one is at least. */
export interface IncrementalHeader {
  /**
   * As many blocks of the whole file must be there, from an older backup where not from this one: the file was not truncated below it
   * since.
   */
  readonly truncationBlockLength: number;
  /** The numbers of the blocks in it, from the start of the file, in the order in which they stand. */
  readonly blocks: readonly number[];
}

/** What is the same for all files of a cluster, unless PostgreSQL was built with other sizes. */
export interface BlockSizes {
  /** BLCKSZ, in bytes. Default: 8192. */
  readonly blockSize?: number | undefined;
  /** RELSEG_SIZE, in blocks. Default: 131072, which is 1 GB. */
  readonly segmentSize?: number | undefined;
}

export interface IncrementalOptions extends BlockSizes {
  /** The file's name in messages. Default: `INCREMENTAL`. */
  readonly file?: string | undefined;
}

/** The name of an incremental file begins with it. */
export const INCREMENTAL_PREFIX = "INCREMENTAL.";

export const INCREMENTAL_MAGIC = 0xd3ae1f0d;
/** Magic number, block count, truncation block length. */
const FIXED = 12;
/** BLCKSZ and RELSEG_SIZE, as nearly all builds have them. */
export const BLOCK_SIZE = 8192;
const SEGMENT_SIZE = 131072;

const nothing = new Uint8Array(0);

/** How long a header of so many blocks is, in bytes, with what fills it up. */
export function incrementalHeaderLength(blocks: number, { blockSize = BLOCK_SIZE }: BlockSizes = {}): number {
  const length = FIXED + 4 * blocks;
  return blocks === 0 ? length : Math.ceil(length / blockSize) * blockSize;
}

/**
 * Encode the header of an incremental file, filled up to a multiple of the block size if blocks follow.
 *
 * @returns a fresh array.
 * @throws EncodeError with the path of what no server writes.
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

/** @throws EncodeError with the path of what no server writes */
export function checkIncrementalHeader(header: IncrementalHeader, { segmentSize = SEGMENT_SIZE }: BlockSizes): void {
  mustBeObject(header, "IncrementalHeader");
  const { truncationBlockLength, blocks } = header;
  const refuse = (path: string, what: string): never => {
    throw new EncodeError(`IncrementalHeader.${path}`, `IncrementalHeader.${path} takes ${what}`);
  };
  if (!isUnsigned(truncationBlockLength, segmentSize)) {
    refuse("truncationBlockLength", `a whole number of 0 to ${segmentSize}`);
  }
  if (!Array.isArray(blocks) || blocks.length > segmentSize) refuse("blocks", `${segmentSize} numbers at most`);
  for (const [i, block] of blocks.entries()) {
    if (!isUnsigned(block, segmentSize - 1)) refuse(`blocks[${i}]`, `a whole number of 0 to ${segmentSize - 1}`);
  }
}

/** What a reader of an incremental file finds. */
export type IncrementalEvent =
  /** The header is complete; `length` is how many bytes it has, with what fills it up. */
  | { readonly type: "Header"; readonly header: IncrementalHeader; readonly length: number }
  /** A whole block of this number: a view into what was received if it came in one piece, else one copy. */
  | { readonly type: "Block"; readonly block: number; readonly data: Uint8Array };

/**
 * Reads an incremental file as it comes, in any chunks. The numbers of its blocks are kept, 4 bytes each, and one block at most.
 *
 * @example new IncrementalReader().receive(hex("0d1faed3 00000000 02000000"))[0]?.type // "Header"
 * @source reconstruct.c: make_incremental_rfile, read_block
 */
export class IncrementalReader {
  readonly #blockSize: number;
  readonly #segmentSize: number;
  readonly #file: string;
  /** Bytes before #kept. */
  #offset = 0;
  /** What has come and is not used: the first #filled bytes of it. */
  #kept = nothing;
  #filled = 0;
  /** The numbers of the header so far: magic number, block count, truncation block length, and those of the blocks. */
  #numbers: number[] = [];
  #header: IncrementalHeader | undefined;
  /** Bytes of what fills up the header that are to come. */
  #padding = 0;
  /** How many blocks have come. */
  #read = 0;
  #failure: DecodeError | undefined;

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
   * Take bytes of the file.
   *
   * @returns what they complete, in order. Bytes behind the last block are nothing, as to pg_combinebackup.
   * @throws DecodeError in the words of pg_combinebackup 18; then on every further call.
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

  /** The file has ended. @throws DecodeError TRUNCATED, in the words of pg_combinebackup, if that is before its last block */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const file = quoteText(this.#file);
    const { header } = this;
    const read = this.#filled;
    if (header === undefined) {
      // pg_combinebackup reads three numbers of 4 bytes, then all of the others at once.
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

  /** How many bytes the next part has; 0 if there is none. */
  #wanted(): number {
    if (this.#header === undefined) return 4;
    return this.#read < this.#header.blocks.length ? this.#blockSize : 0;
  }

  /** Keep bytes until there are as many as wanted. @returns the rest of them */
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

  /** Is this number what may come next in the header? */
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

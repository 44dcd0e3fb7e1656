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
import { DecodeError, refuseArgument } from "../kernel/errors.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { isUnsigned, mustBeBytes, mustBeObject, refuse } from "../wire/check.ts";
import { ChunkQueue } from "../wire/chunks.ts";
import { MAXPGPATH, quoteText } from "../wire/trace.ts";

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
/** The greatest BLCKSZ that PostgreSQL can be built with, and the number of blocks that a relation can have. */
const MAX_BLOCK_SIZE = 32768;
const MAX_SEGMENT_SIZE = 0xfffffffe;

/**
 * The length of the header of an incremental file with this number of blocks, in bytes, padding included.
 *
 * @throws ArgumentError for more blocks than a segment has, or for an invalid size.
 * @example incrementalHeaderLength(1) // 8192
 */
export function incrementalHeaderLength(blocks: number, sizes: BlockSizes = {}): number {
  const { blockSize, segmentSize } = checkedSizes(sizes);
  checkWhole("blocks", blocks, 0, segmentSize);
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

/** Options with their defaults. @throws ArgumentError */
export function checkedSizes(
  options: IncrementalOptions,
): Required<{ [K in keyof IncrementalOptions]: NonNullable<IncrementalOptions[K]> }> {
  checkOptions(options, ["blockSize", "segmentSize", "file"]);
  const { blockSize = BLOCK_SIZE, segmentSize = SEGMENT_SIZE, file = "INCREMENTAL" } = options;
  checkWhole("options.blockSize", blockSize, 1, MAX_BLOCK_SIZE);
  checkWhole("options.segmentSize", segmentSize, 1, MAX_SEGMENT_SIZE);
  if (typeof file !== "string") refuseArgument("options.file", "a string", file);
  return { blockSize, segmentSize, file };
}

/** @throws EncodeError with the path of a field that no server writes; ArgumentError for an invalid size */
export function checkIncrementalHeader(header: IncrementalHeader, sizes: BlockSizes): void {
  const { segmentSize } = checkedSizes(sizes);
  mustBeObject(header, "IncrementalHeader");
  const { truncationBlockLength, blocks } = header;
  if (!isUnsigned(truncationBlockLength, segmentSize)) {
    refuse(`a whole number from 0 to ${segmentSize}`, truncationBlockLength, "IncrementalHeader.truncationBlockLength");
  }
  if (!Array.isArray(blocks)) refuse("an array", blocks, "IncrementalHeader.blocks");
  if (blocks.length > segmentSize) refuse(`at most ${segmentSize}`, blocks.length, "IncrementalHeader.blocks.length");
  for (const [i, block] of blocks.entries()) {
    if (!isUnsigned(block, segmentSize - 1)) {
      refuse(`a whole number from 0 to ${segmentSize - 1}`, block, "IncrementalHeader.blocks", i);
    }
  }
}

/** A part of an incremental file. */
export type IncrementalEvent =
  /** The header is complete. */
  | {
      readonly type: "Header";
      /** Its contents. */
      readonly header: IncrementalHeader;
      /** Its length in bytes, padding included. */
      readonly length: number;
    }
  /** A block is complete. */
  | {
      readonly type: "Block";
      /** The number of the block. */
      readonly block: number;
      /** Its bytes: a view into the chunk that was received if the block came in one piece, else a copy. */
      readonly data: Uint8Array;
    };

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
  /** The offset in the file of what waits. */
  #offset = 0;
  /** Bytes of an incomplete part. */
  readonly #waiting = new ChunkQueue();
  /** The numbers of the header so far: magic number, block count, truncation block length, block numbers. */
  #numbers: number[] = [];
  #header: IncrementalHeader | undefined;
  /** Bytes of padding still to come. */
  #padding = 0;
  /** The number of blocks read. */
  #read = 0;
  #failure: DecodeError | undefined;

  /** @param options The sizes of the build, and the file's name for messages. @throws ArgumentError for an invalid option */
  constructor(options: IncrementalOptions = {}) {
    const { blockSize, segmentSize, file } = checkedSizes(options);
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
    mustBeBytes(chunk, "chunk");
    this.#waiting.push(chunk);
    const events: IncrementalEvent[] = [];
    while (this.#waiting.length > 0) {
      const wanted = this.#wanted();
      if (wanted === 0) this.#waiting.clear();
      const part = this.#waiting.take(wanted);
      if (part === undefined) break;
      const event = this.#take(part);
      this.#offset += part.length;
      if (event !== undefined) events.push(event);
    }
    return events;
  }

  /** The file has ended. @throws DecodeError TRUNCATED, with the message of pg_combinebackup, if blocks are missing */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const file = quoteText(this.#file, MAXPGPATH);
    const { header } = this;
    const read = this.#waiting.length;
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
    if (this.#padding > 0) return Math.min(this.#padding, this.#waiting.length);
    if (this.#header === undefined) return 4;
    return this.#read < this.#header.blocks.length ? this.#blockSize : 0;
  }

  #take(part: Uint8Array): IncrementalEvent | undefined {
    if (this.#padding > 0) {
      this.#padding -= part.length;
      return undefined;
    }
    if (this.#header !== undefined) return { type: "Block", block: this.#header.blocks[this.#read++]!, data: part };
    const number = new DataView(part.buffer, part.byteOffset, part.length).getUint32(0, true);
    this.#check(number);
    this.#numbers.push(number);
    const [, count = 0, truncationBlockLength = 0] = this.#numbers;
    if (this.#numbers.length !== FIXED / 4 + count) return undefined;
    const header = { truncationBlockLength, blocks: this.#numbers.slice(FIXED / 4) };
    this.#checkBlocks(header.blocks);
    const length = incrementalHeaderLength(count, { blockSize: this.#blockSize });
    this.#header = header;
    this.#padding = length - 4 * this.#numbers.length;
    return { type: "Header", header, length };
  }

  /** Check the next number of the header. */
  #check(number: number): void {
    const at = this.#numbers.length;
    if (at > 2) return;
    const file = quoteText(this.#file, MAXPGPATH);
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
  }

  /** A header that is too short is said to be that, whatever its numbers are. */
  #checkBlocks(blocks: readonly number[]): void {
    const bad = blocks.findIndex((block) => block >= this.#segmentSize);
    if (bad === -1) return;
    // pg_combinebackup before 17.12 and 18.7 takes it, and memory for as many blocks.
    const file = quoteText(this.#file, MAXPGPATH);
    const text = `file ${file} has block number ${blocks[bad]} in excess of segment size ${this.#segmentSize}`;
    this.#fail("BAD_VALUE", `blocks[${bad}]`, text, FIXED + 4 * bad - this.#offset);
  }

  #fail(code: "TRUNCATED" | "BAD_VALUE" | "BAD_LENGTH", field: string, text: string, more = 0): never {
    this.#failure = new DecodeError(code, `IncrementalFile.${field}`, this.#offset + more, text);
    throw this.#failure;
  }
}

/**
 * WAL summaries: pg_wal/summaries/*.summary, in which a server from 17 on says which blocks a range of WAL has changed, for incremental
 * backups. A reader that takes a file as it comes, and a writer.
 *
 * A magic number; of each fork of a relation an entry, how many words of 16 bits each chunk of 65536 blocks has, and the chunks: offsets
 * of blocks, or, with 4096 words, a bitmap; then an entry of zeros, and the CRC-32C of all before. In native byte order, which is
 * little-endian on every machine that matters.
 *
 * The rules and messages are a port of PostgreSQL's blkreftable.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source blkreftable.c: BlockRefTableReaderNextRelation, BlockRefTableReaderGetBlocks, WriteBlockRefTable
 */
import {
  type BlockRefTableSerializedEntry,
  decodeBlockRefTableSerializedEntry,
  encodeBlockRefTableSerializedEntry,
} from "../generated/files.ts";
import { crc32c } from "../kernel/crc32c.ts";
import { DecodeError, EncodeError, refuseArgument } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import { shown } from "../kernel/words.ts";
import {
  givenBytes,
  isBytes,
  isUnsigned,
  lengthOf,
  mustBeArray,
  mustBeBytes,
  mustBeObject,
  plainBytes,
} from "../wire/check.ts";
import { ChunkQueue } from "../wire/chunks.ts";
import { MAXPGPATH, quoteText } from "../wire/trace.ts";
import { checkText } from "./arguments.ts";

export const BLOCKREFTABLE_MAGIC = 0x652b137b;
/** Blocks of a chunk. */
export const BLOCKS_PER_CHUNK = 65536;
/** Words of a bitmap; a chunk with fewer has offsets. */
const MAX_ENTRIES_PER_CHUNK = 4096;
export const BITMAP_BYTES = 2 * MAX_ENTRIES_PER_CHUNK;
export const ENTRY_BYTES = 24;
/** The most chunks of a relation: the number of a block has 32 bits. */
const MAX_CHUNKS = 65536;
/** `limitBlock` of a fork that was neither made, removed nor truncated. */
export const INVALID_BLOCK_NUMBER = 0xffffffff;

/** The changed blocks among 65536. */
export type WalSummaryChunk =
  | {
      /** Their offsets in blocks from the first of the 65536, in any order. */
      readonly offsets: readonly number[];
    }
  | {
      /** 8192 bytes, one bit per block; the first block is the lowest bit of the first byte. */
      readonly bitmap: Uint8Array;
    };

/** A fork of a relation, and what changed in it. `limitBlock` is how short it was at the shortest, in blocks; 4294967295 if it was not cut. */
export interface WalSummaryRelation extends Omit<BlockRefTableSerializedEntry, "nchunks"> {
  /** The first is of the blocks 0 to 65535, and so on. */
  readonly chunks: readonly WalSummaryChunk[];
}

/** What a reader of a summary finds. */
export type WalSummaryEvent =
  /** A fork of a relation; its chunks follow. */
  | {
      readonly type: "Relation";
      /** The entry of the file. */
      readonly entry: BlockRefTableSerializedEntry;
    }
  /** A chunk of it that is not empty. */
  | {
      readonly type: "Chunk";
      /** The number of its first block, which offset 0 stands for. */
      readonly first: number;
      /** The changed blocks. */
      readonly chunk: WalSummaryChunk;
    }
  /** The file is complete, and its checksum is right. */
  | { readonly type: "End" };

/** Options of a WalSummaryReader. */
export interface WalSummaryReaderOptions {
  /** The file's name in messages. Default: `SUMMARY`. */
  readonly file?: string | undefined;
}

/**
 * Reads a WAL summary from chunks of bytes of any size. It keeps at most one chunk of blocks and the lengths of chunks, 2 bytes each.
 *
 * @example [...new WalSummaryReader().receive(encodeWalSummary([]))] // [{ type: "End" }]
 * @source blkreftable.c: CreateBlockRefTableReader, BlockRefTableReaderNextRelation, BlockRefTableReaderGetBlocks
 */
export class WalSummaryReader {
  readonly #file: string;
  /** The offset in the file of what waits. */
  #offset = 0;
  /** Bytes of an incomplete part. */
  readonly #waiting = new ChunkQueue();
  #crc = 0;
  #state: "magic" | "entry" | "sizes" | "chunks" | "crc" | "end" = "magic";
  /** The number of chunks whose length has not arrived. */
  #sizesLeft = 0;
  #sizes: number[] = [];
  /** The chunk that comes next. */
  #next = 0;
  #failure: DecodeError | undefined;

  constructor(options: WalSummaryReaderOptions = {}) {
    checkOptions(options, ["file"]);
    const { file = "SUMMARY" } = options;
    checkText("options.file", file);
    this.#file = file;
  }

  /**
   * Take bytes of the file.
   *
   * @returns the events that they complete, in order, made on demand: read all of them before the next call.
   * @throws DecodeError, with the message of PostgreSQL 18 where it has one; each later call throws it again.
   */
  *receive(chunk: Uint8Array): Generator<WalSummaryEvent, void, undefined> {
    mustBeBytes(chunk, "chunk");
    if (this.#failure !== undefined) throw this.#failure;
    this.#waiting.push(chunk);
    while (this.#waiting.length > 0) {
      const wanted = this.#wanted();
      if (wanted === 0)
        this.#fail("TRAILING_BYTES", "crc", `file ${quoteText(this.#file, MAXPGPATH)} goes on after its checksum`);
      const part = this.#waiting.take(wanted);
      if (part === undefined) return;
      const event = this.#take(part);
      this.#offset += wanted;
      if (event !== undefined) yield event;
    }
  }

  /** The file has ended. @throws DecodeError TRUNCATED, with the message of PostgreSQL, if that is before its checksum */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#state === "end") return;
    this.#fail(
      "TRUNCATED",
      this.#state,
      `file ${quoteText(this.#file, MAXPGPATH)} ends unexpectedly`,
      this.#waiting.length,
    );
  }

  /** The length of the next part in bytes; 0 if there is none. */
  #wanted(): number {
    switch (this.#state) {
      case "magic":
      case "crc":
        return 4;
      case "entry":
        return ENTRY_BYTES;
      case "sizes":
        return 2;
      case "chunks":
        return 2 * this.#sizes[this.#next]!;
      case "end":
        return 0;
    }
  }

  #take(part: Uint8Array): WalSummaryEvent | undefined {
    const view = new DataView(part.buffer, part.byteOffset, part.length);
    const file = quoteText(this.#file, MAXPGPATH);
    if (this.#state !== "crc") this.#crc = crc32c(part, this.#crc);
    switch (this.#state) {
      case "magic": {
        const magic = view.getUint32(0, true);
        if (magic !== BLOCKREFTABLE_MAGIC) {
          const text = `file ${file} has wrong magic number: expected ${BLOCKREFTABLE_MAGIC}, found ${magic}`;
          this.#fail("BAD_VALUE", "magic", text);
        }
        this.#state = "entry";
        return undefined;
      }
      case "entry": {
        if (part.every((byte) => byte === 0)) {
          this.#state = "crc";
          return undefined;
        }
        const entry = decodeBlockRefTableSerializedEntry(part);
        if (entry.nchunks > MAX_CHUNKS) {
          // PostgreSQL allocates memory for this many.
          this.#fail("BAD_LENGTH", "nchunks", `file ${file} has ${entry.nchunks} chunks of a relation`, 20);
        }
        this.#sizes = [];
        this.#sizesLeft = entry.nchunks;
        this.#state = entry.nchunks === 0 ? "entry" : "sizes";
        return { type: "Relation", entry };
      }
      case "sizes": {
        const size = view.getUint16(0, true);
        if (size > MAX_ENTRIES_PER_CHUNK) {
          // PostgreSQL writes beyond its array.
          this.#fail("BAD_LENGTH", "chunkSize", `file ${file} has a chunk of ${size} words`);
        }
        this.#sizes.push(size);
        this.#sizesLeft--;
        if (this.#sizesLeft === 0) this.#begin(0);
        return undefined;
      }
      case "chunks": {
        const index = this.#next;
        this.#begin(index + 1);
        return { type: "Chunk", first: index * BLOCKS_PER_CHUNK, chunk: chunkOf(part, view) };
      }
      default: {
        const crc = view.getUint32(0, true);
        const hex = (each: number): string => each.toString(16).toUpperCase().padStart(8, "0");
        if (crc !== this.#crc) {
          const text = `file ${file} has wrong checksum: expected ${hex(this.#crc)}, found ${hex(crc)}`;
          this.#fail("BAD_VALUE", "crc", text);
        }
        this.#state = "end";
        return { type: "End" };
      }
    }
  }

  /** Go to the next chunk from this one on that is not empty, or to the next relation. */
  #begin(index: number): void {
    this.#next = index;
    while (this.#sizes[this.#next] === 0) this.#next++;
    this.#state = this.#next < this.#sizes.length ? "chunks" : "entry";
  }

  #fail(
    code: "TRUNCATED" | "TRAILING_BYTES" | "BAD_VALUE" | "BAD_LENGTH",
    field: string,
    text: string,
    more = 0,
  ): never {
    this.#failure = new DecodeError(code, `WalSummary.${field}`, this.#offset + more, text);
    throw this.#failure;
  }
}

function chunkOf(part: Uint8Array, view: DataView): WalSummaryChunk {
  if (part.length === BITMAP_BYTES) return { bitmap: part };
  return { offsets: Array.from({ length: part.length / 2 }, (_, i) => view.getUint16(2 * i, true)) };
}

/**
 * The numbers of the blocks of a chunk, ascending.
 *
 * @param first The number of the block that offset 0 stands for.
 * @throws ArgumentError for a value that is not a chunk.
 * @example walSummaryBlocks({ offsets: [7, 2] }, 65536) // [65538, 65543]
 */
export function walSummaryBlocks(chunk: WalSummaryChunk, first = 0): number[] {
  if (typeof chunk !== "object" || chunk === null) refuseArgument("chunk", "an object", chunk);
  if ("offsets" in chunk) {
    if (!Array.isArray(chunk.offsets)) refuseArgument("chunk.offsets", "an array", chunk.offsets);
    return chunk.offsets.map((offset) => first + offset).sort((a, b) => a - b);
  }
  const blocks: number[] = [];
  for (const [i, byte] of givenBytes(chunk.bitmap, "chunk.bitmap").entries()) {
    for (let bit = 0; byte >> bit !== 0; bit++) {
      if ((byte >> bit) & 1) blocks.push(first + 8 * i + bit);
    }
  }
  return blocks;
}

/**
 * Write a WAL summary, with the checksum that belongs to it.
 *
 * @param relations In the order of the file: a server sorts them by tablespace, database, number and fork.
 * @returns the whole file.
 * @throws EncodeError with the path of what no server writes.
 * @source blkreftable.c: WriteBlockRefTable
 */
export function encodeWalSummary(relations: readonly WalSummaryRelation[]): Uint8Array {
  mustBeArray(relations, "WalSummary.relations");
  const parts = [words32(BLOCKREFTABLE_MAGIC)];
  for (const [i, relation] of relations.entries()) parts.push(...relationParts(relation, `WalSummary.relations[${i}]`));
  parts.push(new Uint8Array(ENTRY_BYTES));
  parts.push(words32(parts.reduce((crc, part) => crc32c(part, crc), 0)));
  const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    file.set(part, at);
    at += part.length;
  }
  return file;
}

function relationParts(relation: WalSummaryRelation, path: string): Uint8Array[] {
  mustBeObject(relation, path);
  const { chunks, ...entry } = relation;
  mustBeArray(chunks, `${path}.chunks`);
  const refuse = (where: string, what: string): never => {
    throw new EncodeError(`${path}.${where}`, `${path}.${where} ${what}`);
  };
  if (chunks.length > MAX_CHUNKS) refuse("chunks", `has ${chunks.length} chunks, expected at most ${MAX_CHUNKS}`);
  const bytes = encodeBlockRefTableSerializedEntry({ ...entry, nchunks: chunks.length });
  if (bytes.every((byte) => byte === 0)) refuse("relNumber", "is 0 in an entry of zeros, which would end the file");
  const contents = chunks.map((chunk, i) => {
    const at = `chunks[${i}]`;
    mustBeObject(chunk, `${path}.${at}`);
    if (!("offsets" in chunk)) {
      if (!isBytes(chunk.bitmap) || lengthOf(chunk.bitmap) !== BITMAP_BYTES) {
        refuse(`${at}.bitmap`, `is ${shown(chunk.bitmap)}, expected a Uint8Array of ${BITMAP_BYTES} bytes`);
      }
      return plainBytes(chunk.bitmap);
    }
    mustBeArray(chunk.offsets, `${path}.${at}.offsets`);
    if (chunk.offsets.length >= MAX_ENTRIES_PER_CHUNK) {
      refuse(
        `${at}.offsets`,
        `has ${chunk.offsets.length} offsets, expected at most ${MAX_ENTRIES_PER_CHUNK - 1}: write a bitmap instead`,
      );
    }
    for (const [j, offset] of chunk.offsets.entries()) {
      if (!isUnsigned(offset, BLOCKS_PER_CHUNK - 1))
        refuse(`${at}.offsets[${j}]`, `is ${shown(offset)}, expected a whole number from 0 to ${BLOCKS_PER_CHUNK - 1}`);
    }
    return words16(chunk.offsets);
  });
  return [bytes, words16(contents.map(({ length }) => length / 2)), ...contents];
}

function words16(words: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(2 * words.length);
  const view = new DataView(bytes.buffer);
  for (const [i, word] of words.entries()) view.setUint16(2 * i, word, true);
  return bytes;
}

function words32(word: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, word, true);
  return bytes;
}

/**
 * The timeline and the range of WAL in the name of a summary.
 *
 * @returns undefined for any other name.
 * @source walsummary.c: GetWalSummaries
 * @example parseWalSummaryName("0000000100000000010000280000000001ED3050.summary") // { timeline: 1, start: 0x1000028n, end: 0x1ed3050n }
 */
export function parseWalSummaryName(name: string):
  | {
      /** The timeline. */
      readonly timeline: number;
      /** The first position that the file covers. */
      readonly start: Lsn;
      /** The end, exclusive. */
      readonly end: Lsn;
    }
  | undefined {
  checkText("name", name);
  const match = /^([0-9A-F]{8})([0-9A-F]{16})([0-9A-F]{16})\.summary$/.exec(name);
  if (match === null) return undefined;
  const [, timeline, start, end] = match as unknown as [string, string, string, string];
  return {
    timeline: Number.parseInt(timeline, 16),
    start: toLsn(BigInt(`0x${start}`)),
    end: toLsn(BigInt(`0x${end}`)),
  };
}

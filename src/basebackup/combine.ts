/**
 * The source of each block of a file when incremental backups are combined with the full one that they are based on.
 *
 * A port of the rule in PostgreSQL's src/bin/pg_combinebackup/reconstruct.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source reconstruct.c: reconstruct_from_incremental_file
 */
import { DecodeError } from "../kernel/errors.ts";
import { quoteText } from "../wire/trace.ts";
import {
  BLOCK_SIZE,
  checkIncrementalHeader,
  type IncrementalHeader,
  type IncrementalOptions,
  incrementalHeaderLength,
} from "./incremental.ts";

/** A file of one backup: the header of an incremental file, or the size of a full one. */
export type BackupFile =
  | IncrementalHeader
  | {
      /** Bytes of the full file. */
      readonly size: number;
    };

/** Consecutive blocks of the combined file. */
export interface BlockRange {
  /** The number of the first block, from 0. */
  readonly block: number;
  /** The number of blocks. */
  readonly count: number;
  /** Their source: the index of the file, 0 for the newest, and the offset in it in bytes; undefined for blocks of zeros. */
  readonly from: { readonly file: number; readonly offset: number } | undefined;
}

/** The plan of a combined file. */
export interface Reconstruction {
  /** Its length, in blocks. */
  readonly length: number;
  /** All of its blocks, in order. Blocks that are adjacent in one source file are one range. */
  readonly ranges: readonly BlockRange[];
  /** The index of the file that is identical to the combined one, so that it can be copied; undefined if there is none. */
  readonly copyOf: number | undefined;
}

/**
 * Find the source of each block of a file.
 *
 * A block comes from the newest backup that contains it. Blocks that no backup contains are zeros.
 *
 * @param newest The incremental file of the backup that is restored.
 * @param older The same file in older backups, newest first, up to the first full one. Files after that are ignored.
 * @throws DecodeError with the message of pg_combinebackup 18 if no file is full.
 * @throws EncodeError for a header that no server writes.
 * @source reconstruct.c: reconstruct_from_incremental_file
 * @example reconstruct({ truncationBlockLength: 2, blocks: [1] }, [{ size: 16384 }]).ranges[1] // { block: 1, count: 1, from: { file: 0, offset: 8192 } }
 */
export function reconstruct(
  newest: IncrementalHeader,
  older: readonly BackupFile[],
  options: IncrementalOptions = {},
): Reconstruction {
  const { blockSize = BLOCK_SIZE, file: name = "INCREMENTAL" } = options;
  checkIncrementalHeader(newest, options);
  const limit = newest.truncationBlockLength;
  const length = newest.blocks.reduce((most, block) => Math.max(most, block + 1), limit);
  /** The source of each block that has one. */
  const sources = new Map<number, { readonly file: number; readonly offset: number }>();
  const offsetOf = (header: IncrementalHeader, i: number): number =>
    incrementalHeaderLength(header.blocks.length, options) + i * blockSize;

  // Of duplicate block numbers, the last counts here and the first in older files, as in PostgreSQL.
  for (const [i, block] of newest.blocks.entries()) sources.set(block, { file: 0, offset: offsetOf(newest, i) });

  let copyPossible = newest.blocks.length === 0;
  let copyOf: number | undefined;
  let whole = false;
  for (const [i, file] of older.entries()) {
    if ("size" in file) {
      const blocks = Math.min(limit, Math.floor(file.size / blockSize));
      for (let block = 0; block < blocks; block++) {
        if (!sources.has(block)) sources.set(block, { file: i + 1, offset: block * blockSize });
      }
      if (copyPossible && file.size === limit * blockSize) copyOf = i + 1;
      whole = true;
      break;
    }
    checkIncrementalHeader(file, options);
    for (const [j, block] of file.blocks.entries()) {
      if (block >= limit || sources.has(block)) continue;
      sources.set(block, { file: i + 1, offset: offsetOf(file, j) });
      copyPossible = false;
    }
  }
  if (!whole) {
    const text = `full backup contains unexpected incremental file ${quoteText(name)}`;
    throw new DecodeError("BAD_VALUE", "IncrementalFile", 0, text);
  }
  return { length, ranges: rangesOf(sources, length, blockSize), copyOf };
}

function rangesOf(
  sources: ReadonlyMap<number, { readonly file: number; readonly offset: number }>,
  length: number,
  blockSize: number,
): BlockRange[] {
  const ranges: { block: number; count: number; from: { file: number; offset: number } | undefined }[] = [];
  for (let block = 0; block < length; block++) {
    const from = sources.get(block);
    const last = ranges.at(-1);
    const follows =
      last !== undefined &&
      (from === undefined
        ? last.from === undefined
        : last.from?.file === from.file && last.from.offset + last.count * blockSize === from.offset);
    if (follows) last.count++;
    else ranges.push({ block, count: 1, from });
  }
  return ranges;
}

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
import { DecodeError, refuseArgument } from "../kernel/errors.ts";
import { checkWhole } from "../kernel/options.ts";
import { MAXPGPATH, quoteText } from "../wire/trace.ts";
import {
  checkedSizes,
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
  /** Their source; undefined for blocks of zeros. */
  readonly from:
    | {
        /** The index of the file, 0 for the newest. */
        readonly file: number;
        /** The offset in the file, in bytes. */
        readonly offset: number;
      }
    | undefined;
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
 * @throws EncodeError for a header that no server writes; ArgumentError for a file that is neither a header nor a size.
 * @source reconstruct.c: reconstruct_from_incremental_file
 * @example reconstruct({ truncationBlockLength: 2, blocks: [1] }, [{ size: 16384 }]).ranges[1] // { block: 1, count: 1, from: { file: 0, offset: 8192 } }
 */
export function reconstruct(
  newest: IncrementalHeader,
  older: readonly BackupFile[],
  options: IncrementalOptions = {},
): Reconstruction {
  const { blockSize, segmentSize, file: name } = checkedSizes(options);
  const sizes = { blockSize, segmentSize };
  checkIncrementalHeader(newest, sizes);
  if (!Array.isArray(older)) refuseArgument("older", "an array", older);
  const limit = newest.truncationBlockLength;
  const length = newest.blocks.reduce((most, block) => Math.max(most, block + 1), limit);
  /** The source of each block that an incremental file has. */
  const sources = new Map<number, Source>();
  const offsetOf = ({ blocks }: IncrementalHeader, i: number): number =>
    incrementalHeaderLength(blocks.length, sizes) + i * blockSize;

  // Of duplicate block numbers, the last counts here and the first in older files, as in PostgreSQL.
  for (const [i, block] of newest.blocks.entries()) sources.set(block, { file: 0, offset: offsetOf(newest, i) });

  let copyPossible = newest.blocks.length === 0;
  for (const [i, given] of older.entries()) {
    const [index, file] = [i + 1, given as BackupFile];
    if (typeof file !== "object" || file === null) refuseArgument(`older[${i}]`, "an object", file);
    if ("size" in file) {
      checkWhole(`older[${i}].size`, file.size, 0, Number.MAX_SAFE_INTEGER);
      const full = { file: index, blocks: Math.min(limit, Math.floor(file.size / blockSize)) };
      const copyOf = copyPossible && file.size === limit * blockSize ? index : undefined;
      return { length, ranges: rangesOf(sources, full, length, blockSize), copyOf };
    }
    checkIncrementalHeader(file, sizes);
    for (const [j, block] of file.blocks.entries()) {
      if (block >= limit || sources.has(block)) continue;
      sources.set(block, { file: index, offset: offsetOf(file, j) });
      copyPossible = false;
    }
  }
  const text = `full backup contains unexpected incremental file ${quoteText(name, MAXPGPATH)}`;
  throw new DecodeError("BAD_VALUE", "IncrementalFile", 0, text);
}

/** The file of a block, and the offset in it. */
interface Source {
  readonly file: number;
  readonly offset: number;
}

/** All blocks in order. `full` has those below its length that no incremental file has. */
function rangesOf(
  sources: ReadonlyMap<number, Source>,
  full: { readonly file: number; readonly blocks: number },
  length: number,
  blockSize: number,
): BlockRange[] {
  const ranges: { block: number; count: number; from: Source | undefined }[] = [];
  const add = (block: number, end: number, from: Source | undefined): void => {
    const last = ranges.at(-1);
    const follows =
      last !== undefined &&
      (from === undefined
        ? last.from === undefined
        : last.from?.file === from.file && last.from.offset + last.count * blockSize === from.offset);
    if (follows) last.count += end - block;
    else ranges.push({ block, count: end - block, from });
  };
  const addOthers = (block: number, end: number): void => {
    const inFull = Math.min(end, full.blocks);
    if (block < inFull) add(block, inFull, { file: full.file, offset: block * blockSize });
    if (Math.max(block, inFull) < end) add(Math.max(block, inFull), end, undefined);
  };
  let next = 0;
  for (const [block, from] of [...sources].sort(([a], [b]) => a - b)) {
    addOthers(next, block);
    add(block, block + 1, from);
    next = block + 1;
  }
  addOthers(next, length);
  return ranges;
}

/**
 * walwire/wal-names: the names of WAL segments, timeline histories and backup history files.
 *
 * A name does not say how long a segment is; whoever asks for a position has to. A server of 10 or older has segments of 16 MB
 * unless it was compiled for others, one of 11 or newer what `SHOW wal_segment_size` says.
 *
 * @source xlog_internal.h
 */
import { refuseArgument } from "./errors.ts";
import { type Lsn, toLsn } from "./lsn.ts";

/** 16 MB, in bytes: what segments have unless initdb was told otherwise. */
export const defaultSegmentSize = 16 * 1024 * 1024;

const MIN_SIZE = 1024 * 1024;
const MAX_SIZE = 1024 * 1024 * 1024;

/**
 * Can a segment have so many bytes? It is a power of two, 1 MB to 1 GB.
 *
 * @source xlog_internal.h: IsValidWalSegSize
 * @example isSegmentSize(16 * 1024 * 1024) // true
 */
export function isSegmentSize(bytes: number): boolean {
  return Number.isInteger(bytes) && bytes >= MIN_SIZE && bytes <= MAX_SIZE && Number.isInteger(Math.log2(bytes));
}

/**
 * The number of the segment that holds the byte at a position.
 *
 * Where a record or a stream ends, the last byte is the one before: ask for `toLsn(end - 1n)` (XLByteToPrevSeg).
 *
 * @param size Of a segment, in bytes.
 * @throws ArgumentError if a segment cannot have this size.
 * @source xlog_internal.h: XLByteToSeg
 * @example segmentNumber(parseLsn("1/2345678")) // 258n
 */
export function segmentNumber(lsn: Lsn, size: number = defaultSegmentSize): bigint {
  return toLsn(lsn) / requireSize(size);
}

/**
 * Where a segment begins.
 *
 * @throws ArgumentError if a segment cannot have this size, or there is no such segment.
 * @source xlog_internal.h: XLogSegNoOffsetToRecPtr
 * @example formatLsn(segmentStart(258n)) // "1/2000000"
 */
export function segmentStart(number: bigint, size: number = defaultSegmentSize): Lsn {
  if (typeof number !== "bigint") refuseArgument("number", "a bigint", number);
  return toLsn(number * requireSize(size));
}

/**
 * How far from the beginning of its segment a position is, in bytes.
 *
 * @throws ArgumentError if a segment cannot have this size.
 * @source xlog_internal.h: XLogSegmentOffset
 * @example segmentOffset(parseLsn("1/2345678")) // 0x345678
 */
export function segmentOffset(lsn: Lsn, size: number = defaultSegmentSize): number {
  return Number(toLsn(lsn) & (requireSize(size) - 1n));
}

/**
 * The name of the file that holds the byte at a position.
 *
 * @param timeline The timeline whose file it is.
 * @param lsn See {@link segmentNumber} for where something ends.
 * @throws ArgumentError if a segment cannot have this size.
 * @source xlog_internal.h: XLogFileName
 * @example segmentName(1, parseLsn("1/2345678")) // "000000010000000100000002"
 * @example segmentName(1, parseLsn("1/2345678"), 1024 * 1024) // "000000010000000100000023"
 */
export function segmentName(timeline: number, lsn: Lsn, size: number = defaultSegmentSize): string {
  const number = segmentNumber(lsn, size);
  const inLog = segmentsPerLog(size);
  return `${hex8(timeline)}${hex8(number / inLog)}${hex8(number % inLog)}`;
}

/**
 * The segment that a name stands for.
 *
 * @returns undefined if it is not the name of a whole segment.
 * @throws ArgumentError if a segment cannot have this size.
 * @source xlog_internal.h: IsXLogFileName, XLogFromFileName
 * @example parseSegmentName("000000010000000100000002") // { timeline: 1, number: 258n, start: parseLsn("1/2000000") }
 * @example parseSegmentName("000000010000000100000002.partial") // undefined
 */
export function parseSegmentName(name: string, size: number = defaultSegmentSize): WalSegment | undefined {
  const file = parseWalFileName(name);
  return file?.type === "segment" ? segmentOf(file, size) : undefined;
}

/** The three groups of eight digits in the name of a segment. */
export interface WalSegmentDigits {
  /** The first group: the timeline. */
  readonly timeline: number;
  /** The second group: the upper half of the segment's position. */
  readonly log: number;
  /** The third group: the number of the segment within `log`. */
  readonly segment: number;
}

/** A file of pg_wal, by its name. */
export type WalFileName =
  /** WAL; `partial` if it may be incomplete: the end of a timeline, or the file that pg_receivewal is writing. */
  | ({
      /** "partial" if the name ends with `.partial`. */
      readonly type: "segment" | "partial";
    } & WalSegmentDigits)
  /** The history of a timeline. */
  | {
      readonly type: "history";
      /** The timeline. */
      readonly timeline: number;
    }
  /** The history file of a base backup. */
  | ({
      readonly type: "backup";
      /** The start of the backup, in bytes from the start of the segment; undefined for a name that no server makes. */
      readonly offset: number | undefined;
    } & WalSegmentDigits);

/** The segment that a name stands for. */
export interface WalSegment {
  /** The timeline. */
  readonly timeline: number;
  /** The number of the segment, counted from 0/0. */
  readonly number: bigint;
  /** The position of its first byte; undefined beyond the last position. */
  readonly start: Lsn | undefined;
}

/**
 * Parse the name of a file of pg_wal; undefined for any other name.
 *
 * @source xlog_internal.h: IsXLogFileName, IsPartialXLogFileName, IsTLHistoryFileName, IsBackupHistoryFileName
 * @example parseWalFileName("00000003.history") // { type: "history", timeline: 3 }
 * @example parseWalFileName("000000010000000000000002.00000028.backup") // { type: "backup", timeline: 1, log: 0, segment: 2, offset: 40 }
 */
export function parseWalFileName(name: string): WalFileName | undefined {
  requireName(name);
  const number = (from: number): number => Number.parseInt(name.slice(from, from + 8), 16);
  if (/^[0-9A-F]{8}\.history$/.test(name)) return { type: "history", timeline: number(0) };
  if (!/^[0-9A-F]{24}/.test(name)) return undefined;
  const place = { timeline: number(0), log: number(8), segment: number(16) };
  if (name.length === 24) return { type: "segment", ...place };
  if (name.slice(24) === ".partial") return { type: "partial", ...place };
  if (!name.endsWith(".backup")) return undefined;
  const offset = /^\.[0-9A-F]{8}\.backup$/.test(name.slice(24)) ? number(25) : undefined;
  return { type: "backup", ...place, offset };
}

/**
 * The name of a file of pg_wal.
 *
 * @throws ArgumentError if a number does not fit 32 bits.
 * @source xlog_internal.h: XLogFileNameById, TLHistoryFileName, BackupHistoryFileName
 * @example walFileName({ type: "partial", timeline: 1, log: 0, segment: 2 }) // "000000010000000000000002.partial"
 */
export function walFileName(file: WalFileName): string {
  if (file?.type === "history") return `${hex8(file.timeline)}.history`;
  const name = segmentFile(file);
  switch (file.type) {
    case "segment":
      return name;
    case "partial":
      return `${name}.partial`;
    case "backup":
      return file.offset === undefined ? `${name}.backup` : `${name}.${hex8(file.offset)}.backup`;
    default:
      return refuseArgument("file.type", '"segment", "partial", "history" or "backup"', (file as WalFileName).type);
  }
}

/**
 * The segment that a name stands for, also if it is partial, or that in which a backup began.
 *
 * @throws ArgumentError if a segment cannot have this size, or a number does not fit 32 bits.
 * @source xlog_internal.h: XLogFromFileName
 * @example segmentOf({ type: "segment", timeline: 1, log: 1, segment: 2 }).number // 258n
 */
export function segmentOf(
  file: Exclude<WalFileName, { type: "history" }>,
  size: number = defaultSegmentSize,
): WalSegment {
  segmentFile(file);
  const { timeline, log, segment } = file;
  const number = BigInt(log) * segmentsPerLog(size) + BigInt(segment);
  // With segments of 16 MB the third group goes to FF only, but a name can say more.
  const start = number * BigInt(size) < 1n << 64n ? segmentStart(number, size) : undefined;
  return { timeline, number, start };
}

/**
 * What a file of pg_wal/archive_status says: that a file is ready to be archived, or done.
 *
 * @source xlogarchive.c: XLogArchiveNotify, XLogArchiveForceDone
 * @example parseArchiveStatusName("00000002.history.done") // { file: "00000002.history", status: "done" }
 */
export function parseArchiveStatusName(name: string):
  | {
      /** The file of pg_wal. */
      readonly file: string;
      /** Is it ready to be archived, or archived? */
      readonly status: "ready" | "done";
    }
  | undefined {
  requireName(name);
  const match = /^([0-9A-F].*)\.(ready|done)$/.exec(name);
  if (match === null || parseWalFileName(match[1]!) === undefined) return undefined;
  return { file: match[1]!, status: match[2] as "ready" | "done" };
}

function requireName(name: string): void {
  if (typeof name !== "string") refuseArgument("name", "a string", name);
}

/** The first three groups of eight digits. */
function segmentFile(file: Exclude<WalFileName, { type: "history" }>): string {
  if (typeof file !== "object" || file === null) refuseArgument("file", "a WalFileName", file);
  return `${hex8(file.timeline)}${hex8(file.log)}${hex8(file.segment)}`;
}

function requireSize(size: number): bigint {
  if (!isSegmentSize(size)) {
    refuseArgument("size", "a power of two from 1 MiB to 1 GiB", size);
  }
  return BigInt(size);
}

/** @source xlog_internal.h: XLogSegmentsPerXLogId */
function segmentsPerLog(size: number): bigint {
  return 0x100000000n / requireSize(size);
}

function hex8(value: number | bigint): string {
  const isWhole = typeof value === "bigint" || Number.isInteger(value);
  if (!isWhole || value < 0 || value > 0xffffffff) refuseArgument("number", "an integer from 0 to 2^32 - 1", value);
  return value.toString(16).toUpperCase().padStart(8, "0");
}

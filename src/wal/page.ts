/**
 * The pages of WAL: a short header on each, a long one on the first of a segment.
 *
 * @source xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData
 */

import { encodeXLogPageHeaderData, readXLogPageHeaderData } from "../generated/wal.ts";
import { DecodeError } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { checkWhole } from "../kernel/options.ts";
import { segmentName, segmentOffset } from "../kernel/wal-names.ts";
import { givenBytes, mustBeObject, mustBeUnsigned, refuse } from "../wire/check.ts";
import { NativeReader } from "../wire/native.ts";
import { WalError } from "./error.ts";
import type { WalFormat } from "./format.ts";

/** Bytes of a header, padding included: SizeOfXLogShortPHD and SizeOfXLogLongPHD. */
export const SHORT_HEADER = 24;
export const LONG_HEADER = 40;

/** The default size of a WAL page in bytes (XLOG_BLCKSZ). */
export const DEFAULT_PAGE_SIZE = 8192;

/** Is this a valid page size in bytes: a power of two from 1 kB to 64 kB (configure --with-wal-blocksize)? */
export function isPageSize(bytes: number): boolean {
  return bytes >= 1024 && bytes <= 65536 && Number.isInteger(Math.log2(bytes));
}

/** Flags of xlp_info. That of an overwritten record has the bit that was XLP_BKP_REMOVABLE in servers that have no removableFlag. */
export const XLP_FIRST_IS_CONTRECORD = 0x0001;
export const XLP_LONG_HEADER = 0x0002;
export const XLP_BKP_REMOVABLE = 0x0004;

export function overwriteContrecordFlag({ has }: WalFormat): number {
  if (!has.overwriteContrecord) return 0;
  return has.removableFlag ? 0x0008 : 0x0004;
}

/** XLP_ALL_FLAGS */
function allFlags(format: WalFormat): number {
  const removable = format.has.removableFlag ? XLP_BKP_REMOVABLE : 0;
  return XLP_FIRST_IS_CONTRECORD | XLP_LONG_HEADER | removable | overwriteContrecordFlag(format);
}

/** The header of a page. */
export interface WalPageHeader {
  /** xlp_magic: says which server's format this is, see `walFormatOfMagic`. */
  readonly magic: number;
  /** xlp_info: flags. */
  readonly info: number;
  /** xlp_tli: the timeline of the first record that begins on the page. */
  readonly timeline: number;
  /** xlp_pageaddr: where the page is in WAL. */
  readonly pageAddress: Lsn;
  /** xlp_rem_len: bytes that are left, at the start of the page, of a record that began on one before. */
  readonly remaining: number;
  /** The further fields of the first page of a segment: xlp_sysid, xlp_seg_size, xlp_xlog_blcksz. */
  readonly long:
    | {
        /** The cluster's system identifier. */
        readonly systemIdentifier: bigint;
        /** wal_segment_size, in bytes. */
        readonly segmentSize: number;
        /** XLOG_BLCKSZ, in bytes. */
        readonly pageSize: number;
      }
    | undefined;
}

/** Bytes of this header, which are at the beginning of its page. */
export function pageHeaderSize({ long }: WalPageHeader): number {
  return long === undefined ? SHORT_HEADER : LONG_HEADER;
}

/**
 * Decode the header of the page that begins there. It is not checked as a server does: WalReader does that.
 *
 * @param bytes Only read.
 * @throws DecodeError TRUNCATED if it does not fit.
 * @source xlog_internal.h: XLogPageHeaderData
 * @example decodeWalPageHeader(hex("18d1 0400 01000000 0020000100000000 00000000 00000000")).pageAddress // 16785408n
 */
export function decodeWalPageHeader(bytes: Uint8Array, offset = 0): WalPageHeader {
  bytes = givenBytes(bytes);
  checkWhole("offset", offset, 0, Number.MAX_SAFE_INTEGER);
  const left = bytes.length - offset;
  const isLong = left >= SHORT_HEADER && (bytes[offset + 2]! & XLP_LONG_HEADER) !== 0;
  const size = isLong ? LONG_HEADER : SHORT_HEADER;
  if (left < size) {
    const path = isLong ? "XLogLongPageHeaderData" : "XLogPageHeaderData";
    throw new DecodeError(
      "TRUNCATED",
      path,
      offset,
      `${path} needs ${size} bytes at offset ${offset}; ${left} are left`,
    );
  }
  const r = new NativeReader(bytes.subarray(offset, offset + size));
  const { magic, info, timeline, pageAddress, remaining, systemIdentifier, segmentSize, pageSize } =
    readXLogPageHeaderData(r, { longHeader: isLong });
  const long =
    systemIdentifier === undefined || segmentSize === undefined || pageSize === undefined
      ? undefined
      : { systemIdentifier, segmentSize, pageSize };
  return { magic, info, timeline, pageAddress, remaining, long };
}

/**
 * Write a header, into fresh bytes. The flag of a long header follows from `long`.
 *
 * @throws EncodeError for what does not fit a field.
 * @example encodeWalPageHeader(decodeWalPageHeader(hex("18d1 0400 01000000 0020000100000000 00000000 00000000"))).length // 24
 */
export function encodeWalPageHeader(header: WalPageHeader): Uint8Array {
  mustBeObject(header, "WalPageHeader");
  const { magic, info, timeline, pageAddress, remaining, long } = header;
  if (long !== undefined) {
    mustBeObject(long, "WalPageHeader.long");
    if (long.systemIdentifier === undefined) {
      refuse("a bigint from 0 to 2^64 - 1", undefined, "XLogPageHeaderData.systemIdentifier");
    }
  }
  mustBeUnsigned(info, 0xffff, "XLogPageHeaderData.info");
  return encodeXLogPageHeaderData({
    ...{ magic, timeline, pageAddress, remaining },
    info: long === undefined ? info & ~XLP_LONG_HEADER : info | XLP_LONG_HEADER,
    systemIdentifier: long?.systemIdentifier,
    segmentSize: long?.segmentSize,
    pageSize: long?.pageSize,
  });
}

/** The expected values of a page. */
export interface PageContext {
  readonly format: WalFormat;
  /** Where in WAL the page is. */
  readonly lsn: Lsn;
  readonly pageSize: number;
  readonly segmentSize: number;
  /** undefined accepts any. */
  readonly systemIdentifier: bigint | undefined;
  /** undefined accepts any. */
  readonly timelines?: readonly number[] | undefined;
  /** The timeline of the page before; 0 if there was none. */
  readonly latestTimeline: number;
  /** The one in the name of the segment's file, for messages. */
  readonly fileTimeline: number;
  /** Where the page begins in what was pushed. */
  readonly offset: number;
}

/**
 * Check a header as a server does.
 *
 * @throws WalError with the server's message.
 * @source xlogreader.c: XLogReaderValidatePageHeader; of `timelines` xlogrecovery.c: ReadRecord
 */
export function checkPageHeader(header: WalPageHeader, context: PageContext): void {
  const { format, lsn, pageSize, segmentSize, systemIdentifier, timelines, latestTimeline } = context;
  const inSegment = segmentOffset(lsn, segmentSize);
  const refuse = (field: string, message: string): never => {
    throw new WalError("BAD_VALUE", `XLogPageHeaderData.${field}`, context.offset, lsn, message);
  };
  const where = (): string => {
    const name = segmentName(context.fileTimeline, lsn, segmentSize);
    return format.has.walErrorsSayWhere
      ? `in WAL segment ${name}, LSN ${formatLsn(lsn, { server: format.server })}, offset ${inSegment}`
      : `in log segment ${name}, offset ${inSegment}`;
  };
  const hex = (number: number): string => number.toString(16).toUpperCase().padStart(4, "0");

  if (header.magic !== format.magic) refuse("xlp_magic", `invalid magic number ${hex(header.magic)} ${where()}`);
  if ((header.info & ~allFlags(format)) !== 0) refuse("xlp_info", `invalid info bits ${hex(header.info)} ${where()}`);
  if (header.long !== undefined) {
    const { long } = header;
    const other = "WAL file is from different database system: ";
    if (systemIdentifier && long.systemIdentifier !== systemIdentifier) {
      const [file, control] = ["WAL file database system identifier is", "pg_control database system identifier is"];
      refuse("xlp_sysid", `${other}${file} ${long.systemIdentifier}, ${control} ${systemIdentifier}`);
    }
    if (long.segmentSize !== segmentSize) {
      const what = format.has.segmentSizeOfCluster ? "segment size" : "XLOG_SEG_SIZE";
      refuse("xlp_seg_size", `${other}incorrect ${what} in page header`);
    }
    if (long.pageSize !== pageSize) refuse("xlp_xlog_blcksz", `${other}incorrect XLOG_BLCKSZ in page header`);
  } else if (inSegment === 0) {
    refuse("xlp_info", `invalid info bits ${hex(header.info)} ${where()}`);
  }
  if (header.pageAddress !== lsn) {
    refuse(
      "xlp_pageaddr",
      `unexpected pageaddr ${formatLsn(header.pageAddress, { server: format.server })} ${where()}`,
    );
  }
  if (header.timeline < latestTimeline) {
    refuse("xlp_tli", `out-of-sequence timeline ID ${header.timeline} (after ${latestTimeline}) ${where()}`);
  }
  if (timelines !== undefined && !timelines.includes(header.timeline)) {
    refuse("xlp_tli", `unexpected timeline ID ${header.timeline} ${where()}`);
  }
}

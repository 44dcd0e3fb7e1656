/**
 * WalWriter: lays records into pages and segments, as a server does.
 *
 * @source xlog.c: ReserveXLogInsertLocation, CopyXLogRecordToWAL, AdvanceXLInsertBuffer
 */

import { refuseArgument } from "../kernel/errors.ts";
import { formatLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { defaultSegmentSize } from "../kernel/wal-names.ts";
import { RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "./constants.ts";
import { align, DEFAULT_BLOCK_SIZE } from "./decode.ts";
import { encodeWalRecord, type WalRecordFields } from "./encode.ts";
import { type WalFormat, walFormat } from "./format.ts";
import {
  DEFAULT_PAGE_SIZE,
  encodeWalPageHeader,
  overwriteContrecordFlag,
  SHORT_HEADER,
  XLP_BKP_REMOVABLE,
  XLP_FIRST_IS_CONTRECORD,
} from "./page.ts";
import { checkSizes } from "./page-reader.ts";

/** How WAL is written. */
export interface WalWriterOptions {
  /** Whose format it is. The default is the newest that walwire's tests run. */
  readonly server?: Server | undefined;
  /** Where the first byte is to be: the beginning of a page, or behind a record. The default is that of the first segment, 0/1000000. */
  readonly start?: Lsn | undefined;
  /** Where the record before begins. */
  readonly prev?: Lsn | undefined;
  /** The timeline in the headers of pages. Default: 1. */
  readonly timeline?: number | undefined;
  /** The cluster's system identifier. Default: 0. */
  readonly systemIdentifier?: bigint | undefined;
  /** XLOG_BLCKSZ, in bytes. Default: 8192. */
  readonly pageSize?: number | undefined;
  /** wal_segment_size, in bytes. Default: 16 MiB. */
  readonly segmentSize?: number | undefined;
  /** BLCKSZ, of pages of relations. */
  readonly blockSize?: number | undefined;
  /** A base backup is running, so archivers must not remove page images: before 19, the header of each page says so. */
  readonly backupRuns?: boolean | undefined;
  /**
   * `start` is a page on which a record should have gone on that a crash cut short: the page says so. The record to write there is
   * XLOG_OVERWRITE_CONTRECORD.
   */
  readonly overwriteContrecord?: boolean | undefined;
}

/** Where a record was put. */
export interface WalRecordPlace {
  /** The position of its first byte. */
  readonly lsn: Lsn;
  /** One past its last byte, rounded up to 8. */
  readonly end: Lsn;
}

const optionNames = [
  ...["server", "start", "prev", "timeline", "systemIdentifier", "pageSize", "segmentSize", "blockSize"],
  ...["backupRuns", "overwriteContrecord"],
];

/**
 * Writes WAL: `write` records, then `take` the bytes.
 *
 * @example new WalWriter().write({ rmid: 0, info: 0x20 }).lsn // 16777256n
 */
export class WalWriter {
  /** The format that it writes. */
  readonly format: WalFormat;
  readonly #pageSize: number;
  readonly #segmentSize: number;
  readonly #blockSize: number;
  readonly #timeline: number;
  readonly #systemIdentifier: bigint;
  readonly #backupRuns: boolean;
  #overwrite: boolean;
  #prev: Lsn;
  #position: bigint;
  #parts: Uint8Array[] = [];

  /**
   * @throws UnsupportedError for a server whose WAL is not known.
   * @throws ArgumentError for an invalid size or start.
   */
  constructor(options: WalWriterOptions = {}) {
    checkOptions(options, optionNames);
    this.format = walFormat({ server: options.server });
    this.#pageSize = options.pageSize ?? DEFAULT_PAGE_SIZE;
    this.#segmentSize = options.segmentSize ?? defaultSegmentSize;
    checkSizes(options);
    this.#blockSize = options.blockSize ?? DEFAULT_BLOCK_SIZE;
    this.#timeline = options.timeline ?? 1;
    this.#systemIdentifier = options.systemIdentifier ?? 0n;
    this.#backupRuns = options.backupRuns ?? false;
    this.#overwrite = options.overwriteContrecord ?? false;
    this.#prev = options.prev ?? toLsn(0n);
    this.#position = toLsn(options.start ?? BigInt(this.#segmentSize));
    const offset = this.#pageOffset();
    if (offset !== 0 && (offset % 8 !== 0 || offset < SHORT_HEADER || this.#overwrite)) {
      refuseArgument("options.start", "the start of a page or of a record", formatLsn(this.#position as Lsn));
    }
  }

  /** Where the next byte will be. */
  get position(): Lsn {
    return this.#position as Lsn;
  }

  /**
   * Put a record behind what there is. Its `prev` is where the record before it was put, whatever it says. XLOG_SWITCH ends its
   * segment: zeros follow up to the next one.
   *
   * @throws EncodeError as encodeWalRecord; nothing was written then.
   */
  write(record: WalRecordFields): WalRecordPlace {
    const lsn = this.#put(
      encodeWalRecord({ ...record, prev: this.#prev }, { format: this.format, blockSize: this.#blockSize }),
    );
    if (record.rmid === RM_XLOG_ID && (record.info & RMGR_INFO_MASK) === XLOG_SWITCH) this.#fillSegment();
    return { lsn, end: this.position };
  }

  /** The bytes written since the last call, in a new array. */
  take(): Uint8Array {
    const whole = new Uint8Array(this.#parts.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const part of this.#parts) {
      whole.set(part, at);
      at += part.length;
    }
    this.#parts = [];
    return whole;
  }

  #fillSegment(): void {
    while (this.#position % BigInt(this.#segmentSize) !== 0n) {
      if (this.#pageOffset() === 0 && !this.format.has.switchZeroesPages) this.#startPage(0);
      this.#append(new Uint8Array(this.#pageSize - this.#pageOffset()));
    }
  }

  #put(bytes: Uint8Array): Lsn {
    if (this.#pageOffset() === 0) this.#startPage(0);
    const lsn = this.position;
    for (let at = 0; at < bytes.length; ) {
      if (this.#pageOffset() === 0) this.#startPage(bytes.length - at);
      const count = Math.min(bytes.length - at, this.#pageSize - this.#pageOffset());
      this.#append(bytes.subarray(at, at + count));
      at += count;
    }
    this.#append(new Uint8Array(align(this.#pageOffset()) - this.#pageOffset()));
    this.#prev = lsn;
    return lsn;
  }

  #append(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#position += BigInt(bytes.length);
  }

  #pageOffset(): number {
    return Number(this.#position & BigInt(this.#pageSize - 1));
  }

  /** @param remaining Bytes left of a record that began on an earlier page. */
  #startPage(remaining: number): void {
    const { format } = this;
    const isFirst = this.#position % BigInt(this.#segmentSize) === 0n;
    const info =
      (remaining > 0 ? XLP_FIRST_IS_CONTRECORD : 0) |
      (format.has.removableFlag && !this.#backupRuns ? XLP_BKP_REMOVABLE : 0) |
      (this.#overwrite ? overwriteContrecordFlag(format) : 0);
    this.#overwrite = false;
    const header = encodeWalPageHeader({
      magic: format.magic,
      info,
      timeline: this.#timeline,
      pageAddress: this.position,
      remaining,
      long: isFirst
        ? { systemIdentifier: this.#systemIdentifier, segmentSize: this.#segmentSize, pageSize: this.#pageSize }
        : undefined,
    });
    this.#append(header);
  }
}

/** PageReader: the headers of pages, in whatever parts they arrive, each held against what was given and what those before it said. */
import { refuseArgument } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import type { Server } from "../kernel/version.ts";
import { defaultSegmentSize, isSegmentSize } from "../kernel/wal-names.ts";
import { WalError } from "./error.ts";
import { type WalFormat, walFormat, walFormatOfMagic } from "./format.ts";
import {
  checkPageHeader,
  DEFAULT_PAGE_SIZE,
  decodeWalPageHeader,
  isPageSize,
  LONG_HEADER,
  SHORT_HEADER,
  type WalPageHeader,
  XLP_LONG_HEADER,
} from "./page.ts";

/** How pages are read. */
export interface WalPageOptions {
  /** The server that wrote it. The default is what the first page says. It must be given where reading begins in the middle of a page. */
  readonly server?: Server | undefined;
  /** XLOG_BLCKSZ, in bytes. Default: the size in the first long header, and 8192 until one comes. */
  readonly pageSize?: number | undefined;
  /** wal_segment_size, in bytes. Default: the size in the first long header, and 16 MiB until one comes. */
  readonly segmentSize?: number | undefined;
  /** The expected values of the first page of each segment. Default: those of the first one read. */
  readonly systemIdentifier?: bigint | undefined;
  /** The timelines of the history that is followed: recovery rejects pages of any other. The default is to accept any. */
  readonly timelines?: readonly number[] | undefined;
}

/** Where WAL ends, though bytes follow. */
export interface WalEnd {
  /** Where the record, or the page, would begin. */
  readonly lsn: Lsn;
  /** The bytes that are there instead: zeros, or pages of an older segment, whose file was recycled. */
  readonly found: "zeros" | "old pages";
  /** The message of a server that has replayed everything. */
  readonly message: string;
}

/** Check the sizes of pages and segments. @throws ArgumentError */
export function checkSizes({ pageSize, segmentSize }: Pick<WalPageOptions, "pageSize" | "segmentSize">): void {
  if (pageSize !== undefined && !isPageSize(pageSize)) {
    refuseArgument("options.pageSize", "a power of two from 1024 to 65536", pageSize);
  }
  if (segmentSize !== undefined && !isSegmentSize(segmentSize)) {
    refuseArgument("options.segmentSize", "a power of two from 1 MiB to 1 GiB", segmentSize);
  }
}

export class PageReader {
  /** Format and sizes: given, or read from the first page and the first long header. */
  format: WalFormat | undefined;
  pageSize: number;
  segmentSize: number;
  /** The values of the first long header. */
  systemIdentifier: bigint | undefined;
  /** Of the page that was read last; 0 before the first. */
  timeline = 0;
  /** The one in the name of the file, for messages. */
  fileTimeline: number | undefined;
  readonly #given: WalPageOptions;
  /** A header that has arrived in part. */
  readonly #bytes = new Uint8Array(LONG_HEADER);
  #got = 0;

  constructor(options: WalPageOptions) {
    checkSizes(options);
    const { server, pageSize, segmentSize } = options;
    this.#given = options;
    this.format = server === undefined ? undefined : walFormat({ server });
    this.pageSize = pageSize ?? DEFAULT_PAGE_SIZE;
    this.segmentSize = segmentSize ?? defaultSegmentSize;
  }

  /** Bytes that the header needs before something can be said of it. */
  get missing(): number {
    const isLong = this.#got >= SHORT_HEADER && (this.#bytes[2]! & XLP_LONG_HEADER) !== 0;
    return (isLong ? LONG_HEADER : SHORT_HEADER) - this.#got;
  }

  /** Add some of the missing bytes. */
  add(bytes: Uint8Array): void {
    this.#bytes.set(bytes, this.#got);
    this.#got += bytes.length;
  }

  /** The header, once nothing of it is missing. */
  take(): WalPageHeader {
    this.#got = 0;
    const header = decodeWalPageHeader(this.#bytes);
    this.#learn(header);
    return header;
  }

  /** Learn from the first page and the first long header what was not given. Later ones must agree. */
  #learn({ magic, long }: WalPageHeader): void {
    this.format ??= walFormatOfMagic(magic);
    if (long === undefined || magic !== this.format?.magic || this.systemIdentifier !== undefined) return;
    this.systemIdentifier = long.systemIdentifier;
    if (this.#given.segmentSize === undefined && isSegmentSize(long.segmentSize)) this.segmentSize = long.segmentSize;
    // Pages cannot change their size on the way.
    const isFirst = this.timeline === 0;
    if (this.#given.pageSize === undefined && isFirst && isPageSize(long.pageSize)) this.pageSize = long.pageSize;
  }

  /**
   * Check the header that was taken last.
   *
   * @param lsn Where its page is.
   * @param offset Where it is in what was pushed.
   * @returns undefined if a server accepts it, else where WAL ends.
   * @throws WalError if it is damaged.
   */
  check(header: WalPageHeader, lsn: Lsn, offset: number): WalEnd | undefined {
    const { systemIdentifier = this.systemIdentifier, timelines } = this.#given;
    try {
      checkPageHeader(header, {
        format: this.format ?? walFormat(),
        lsn,
        pageSize: this.pageSize,
        segmentSize: this.segmentSize,
        systemIdentifier,
        timelines,
        latestTimeline: this.timeline,
        fileTimeline: this.fileTimeline ?? (this.timeline || header.timeline),
        offset,
      });
    } catch (error) {
      const found = this.#endOf(header, lsn);
      if (!(error instanceof WalError) || found === undefined) throw error;
      return { lsn, found, message: error.message };
    }
    this.timeline = header.timeline;
    return undefined;
  }

  /** The end of WAL as a server finds it: pages that were never written to, or those of an older segment. */
  #endOf(header: WalPageHeader, lsn: Lsn): WalEnd["found"] | undefined {
    if (this.#bytes.subarray(0, SHORT_HEADER).every((byte) => byte === 0)) return "zeros";
    return walFormatOfMagic(header.magic) !== undefined && header.pageAddress < lsn ? "old pages" : undefined;
  }
}

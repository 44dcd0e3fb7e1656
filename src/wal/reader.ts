/**
 * WalReader: records from WAL, whatever chunks it arrives in: files one after another, or what a physical stream brings.
 *
 * A port of PostgreSQL's src/backend/access/transam/xlogreader.c, which pulls pages; bytes are pushed into this.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * All bytes are read once, forward. A record within one page of one chunk is handed out as a view. The bytes of any other record are
 * copied once or, while it grows, twice.
 */
import { wordsOf } from "../kernel/crc32c.ts";
import { ProtocolError, refuseArgument } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { givenBytes, lengthOf, MAX_ALLOC_SIZE } from "../wire/check.ts";
import { ChunkQueue } from "../wire/chunks.ts";
import { RECORD_HEADER, RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "./constants.ts";
import {
  align,
  checkContents,
  checkCrc,
  checkRecordHeader,
  DEFAULT_BLOCK_SIZE,
  FramedRecord,
  type RecordPlace,
  readRecord,
  refuseRecord,
  tooShort,
} from "./decode.ts";
import { WalError } from "./error.ts";
import { type WalFormat, walFormat } from "./format.ts";
import { Origin } from "./origin.ts";
import {
  overwriteContrecordFlag,
  pageHeaderSize,
  SHORT_HEADER,
  type WalPageHeader,
  XLP_FIRST_IS_CONTRECORD,
} from "./page.ts";
import { PageReader, type WalEnd, type WalPageOptions } from "./page-reader.ts";
import type { WalRecord, WalRecordHeader } from "./record.ts";
import { RecordBuffer } from "./record-buffer.ts";

/** How WAL is read. */
export interface WalReaderOptions extends WalPageOptions {
  /** BLCKSZ, of pages of relations, which WAL does not say. The default is 8192. */
  readonly blockSize?: number | undefined;
  /** The one in the segments' names, for messages: see `push` too. The default is the one that the pages say. */
  readonly timeline?: number | undefined;
  /** Compare checksums; without, damage can look like a record. The default is true. */
  readonly checkCrc?: boolean | undefined;
  /** The longest record to accept, in bytes. The default is PostgreSQL's own limit (memutils.h: MaxAllocSize). */
  readonly maxLength?: number | undefined;
}

/** The next part to read. */
const [PAGE, RECORD, PARTIAL, CONTINUATION, SKIP] = [0, 1, 2, 3, 4];

const nothing: Uint8Array = /* @__PURE__ */ new Uint8Array(0);
const noWords: Int32Array = /* @__PURE__ */ new Int32Array(0);

const optionNames = [
  ...["server", "pageSize", "segmentSize", "blockSize", "systemIdentifier", "timeline", "timelines"],
  ...["checkCrc", "maxLength"],
];

function checkReaderOptions(options: WalReaderOptions): void {
  checkOptions(options, optionNames);
  const { blockSize, systemIdentifier, timeline, timelines, checkCrc, maxLength } = options;
  if (blockSize !== undefined) checkWhole("options.blockSize", blockSize, 1, 0x10000);
  if (maxLength !== undefined) checkWhole("options.maxLength", maxLength, 0, Infinity);
  if (timeline !== undefined) checkWhole("options.timeline", timeline, 0, 0xffffffff);
  if (systemIdentifier !== undefined && BigInt.asUintN(64, systemIdentifier) !== systemIdentifier) {
    refuseArgument("options.systemIdentifier", "a bigint from 0 to 2^64 - 1", systemIdentifier);
  }
  if (timelines !== undefined && !Array.isArray(timelines)) refuseArgument("options.timelines", "an array", timelines);
  if (checkCrc !== undefined && typeof checkCrc !== "boolean")
    refuseArgument("options.checkCrc", "a boolean", checkCrc);
}

/**
 * Reads records: push WAL, then call `next` until it returns undefined.
 *
 * @source xlogreader.c: XLogReadRecord, XLogFindNextRecord
 * @example new WalReader().next() // undefined
 */
export class WalReader {
  readonly #pages: PageReader;
  readonly #blockSize: number;
  readonly #checkCrc: boolean;
  readonly #maxLength: number;

  /** Bytes that arrived: #chunk from #at on, then the chunks that wait. */
  #chunk: Uint8Array = nothing;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #words: Int32Array = noWords;
  #at = 0;
  readonly #waiting = new ChunkQueue();

  /** Positions count from here, which is known once bytes have come. #shift makes one of an index in #chunk. */
  readonly #origin = new Origin();
  #shift = 0;
  /** Positions: of the first byte of all, one past the last, and where the page ends that is being read. */
  #first = 0;
  #last = 0;
  #pageEnd = 0;

  #stage = PAGE;
  /** The position to skip to, and what comes there. */
  #skipTo = 0;
  #skipStage = RECORD;
  /** The first record was not found yet: the rest of a record before it is skipped. */
  #finding = true;
  /** Where the record before begins; -1 before the first. */
  #previous = -1;
  #previousLsn: Lsn = invalidLsn;
  #previousLow = 0;
  #previousHigh = 0;
  /** The record that arrives in parts, where it began, and its length, 0 if unknown. */
  readonly #partial = new RecordBuffer();
  #start = 0;
  #length = 0;
  #headerChecked = false;

  /** The record that is read: its bytes, where it is in them and in WAL; when it was found, how long it is and where it ends. */
  readonly #place: { -readonly [Field in keyof RecordPlace]: RecordPlace[Field] } = {
    format: walFormat(),
    bytes: nothing,
    view: new DataView(new ArrayBuffer(0)),
    words: noWords,
    at: 0,
    lsn: invalidLsn,
    prev: invalidLsn,
    prevLow: 0,
    prevHigh: 0,
    randomAccess: true,
    offset: 0,
  };
  #foundLength = 0;
  #foundEnd = -1;
  #foundEndLsn: Lsn = invalidLsn;

  #overwritten: Lsn | undefined;
  #end: WalEnd | undefined;
  #failure: WalError | undefined;

  /**
   * @throws UnsupportedError for a server whose WAL is not known.
   * @throws ArgumentError for an invalid option.
   */
  constructor(options: WalReaderOptions = {}) {
    checkReaderOptions(options);
    const { blockSize = DEFAULT_BLOCK_SIZE, timeline, checkCrc = true, maxLength = MAX_ALLOC_SIZE } = options;
    this.#pages = new PageReader(options);
    this.#pages.fileTimeline = timeline;
    this.#blockSize = blockSize;
    this.#checkCrc = checkCrc;
    this.#maxLength = maxLength;
  }

  /** The format of the pages; undefined before the first, if no server was named. */
  get format(): WalFormat | undefined {
    return this.#pages.format;
  }

  /** The timeline of the page that was read last; 0 before the first. */
  get timeline(): number {
    return this.#pages.timeline;
  }

  /** Bytes of a segment, and of a page, as far as is known. */
  get segmentSize(): number {
    return this.#pages.segmentSize;
  }

  /** XLOG_BLCKSZ, in bytes: as given or read. */
  get pageSize(): number {
    return this.#pages.pageSize;
  }

  /** The values of the first long header; undefined before one came. */
  get systemIdentifier(): bigint | undefined {
    return this.#pages.systemIdentifier;
  }

  /** Where the next byte to be pushed is in WAL; undefined before the first. */
  get position(): Lsn | undefined {
    return this.#origin.isKnown ? this.#origin.lsnOf(this.#last) : undefined;
  }

  /** Where a record begins that has arrived in part; undefined if there is none. Valid after `next` returned undefined. */
  get incomplete(): Lsn | undefined {
    const begun = this.#stage === PARTIAL || this.#stage === CONTINUATION;
    return begun ? this.#origin.lsnOf(this.#start) : undefined;
  }

  /** Where the last record begins that a crash cut short and that the restarted server overwrote. */
  get overwritten(): Lsn | undefined {
    return this.#overwritten;
  }

  /** Where WAL ended: no record follows, whatever is pushed. Damage is not an end: `next` throws it. */
  get end(): WalEnd | undefined {
    return this.#end;
  }

  /**
   * Add bytes of WAL that follow those pushed before. Do not write to them afterwards: records are views of them.
   *
   * @param lsn Where they begin. Without it the first must begin a page, whose header says where that is. If the first begin a
   *   page, the rest of an earlier record on it is skipped; else a record must begin with them.
   * @param timeline The one in the name of the file that they come from, for messages. The default is the one before.
   * @throws ProtocolError OUT_OF_ORDER if they do not follow.
   * @throws ArgumentError if the first begin where neither a page nor a record can, or in the middle of a page of an unknown server.
   */
  push(bytes: Uint8Array, lsn?: Lsn | undefined, timeline?: number | undefined): void {
    bytes = givenBytes(bytes);
    if (timeline !== undefined) {
      checkWhole("timeline", timeline, 0, 0xffffffff);
      this.#pages.fileTimeline = timeline;
    }
    if (lsn !== undefined) this.#mustFollow(toLsn(lsn));
    this.#last += bytes.length;
    if (this.#end === undefined && this.#failure === undefined) this.#waiting.push(bytes);
  }

  /**
   * The next record; undefined if more bytes must come first, or if WAL ends: see `end`.
   *
   * @throws WalError with the server's message if WAL is damaged; then on every further call.
   */
  next(): WalRecord | undefined {
    if (!this.#find()) return undefined;
    const place = this.#place;
    const [length, blockSize] = [this.#foundLength, this.#blockSize];
    try {
      const { decodedAhead, decodeErrorsNameRecord } = place.format.has;
      const named = decodedAhead && !decodeErrorsNameRecord ? this.#previousLsn : place.lsn;
      const contents = checkContents(place, length, blockSize, named);
      this.#pass();
      return readRecord(place, length, this.#foundEndLsn, contents, blockSize);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /**
   * The next record without its contents: half the work, to count records or cut WAL. Faults in the headers of its parts are not
   * found. Each field is read from the bytes when it is asked for.
   *
   * @throws WalError as `next`.
   */
  nextHeader(): WalRecordHeader | undefined {
    if (!this.#find()) return undefined;
    const { view, at, lsn } = this.#place;
    this.#pass();
    return new FramedRecord(view, at, this.#foundLength, lsn, this.#foundEndLsn);
  }

  // ---- Where things are ----

  #mustFollow(lsn: Lsn): void {
    if (this.#origin.isKnown) {
      const expected = this.#origin.lsnOf(this.#last);
      if (lsn === expected) return;
      throw new ProtocolError(`the bytes begin at ${formatLsn(lsn)}, expected ${formatLsn(expected)}`);
    }
    if (this.#last > 0)
      throw new ProtocolError("the first bytes were pushed without a position, and their page header is incomplete");
    const { format, pageSize } = this.#pages;
    const pageOffset = Number(lsn & BigInt(pageSize - 1));
    if (pageOffset % 8 !== 0) refuseArgument("lsn", "the start of a page or of a record, a multiple of 8", lsn);
    if (pageOffset !== 0 && format === undefined) {
      refuseArgument("options.server", `the version that wrote ${formatLsn(lsn)}, in the middle of a page`, undefined);
    }
    this.#setOrigin(lsn);
    if (pageOffset === 0) return;
    this.#stage = RECORD;
    this.#place.format = format!;
    this.#pages.timeline = this.#pages.fileTimeline ?? 0;
    if (pageOffset < SHORT_HEADER) {
      const { server, has } = format!;
      const expected = has.walErrorsSayWhere ? `: expected at least ${SHORT_HEADER}, got ${pageOffset}` : "";
      const text = `invalid record offset at ${formatLsn(lsn, { server })}${expected}`;
      this.#failure = new WalError("BAD_VALUE", "XLogRecord", 0, lsn, text);
    }
  }

  /** The first of all bytes is there. */
  #setOrigin(lsn: Lsn): void {
    const position = this.#origin.set(lsn);
    const { pageSize } = this.#pages;
    this.#first = position;
    this.#shift += position;
    this.#last += position;
    this.#pageEnd = position + pageSize - (position % pageSize);
  }

  get #position(): number {
    return this.#at + this.#shift;
  }

  /** If #chunk is at its end, go on to the one behind. Is there a byte? */
  #advance(): boolean {
    if (this.#at < this.#chunk.length) return true;
    lengthOf(this.#chunk, "bytes"); // it was detached, if it has none
    this.#shift += this.#at;
    this.#at = 0;
    const chunk = this.#waiting.shift();
    if (chunk === undefined) {
      // Nothing is kept while nothing comes.
      this.#chunk = nothing;
      return false;
    }
    this.#chunk = chunk;
    this.#view = new DataView(chunk.buffer, chunk.byteOffset, chunk.length);
    this.#words = wordsOf(chunk);
    return true;
  }

  // ---- From one record to the next ----

  /** Find the next record, as #place, #foundLength and #foundEnd, with its header and checksum checked. */
  #find(): boolean {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#end !== undefined) return false;
    try {
      while (this.#end === undefined) {
        switch (this.#stage) {
          case RECORD:
            if (!this.#advance()) return false;
            if (this.#position === this.#pageEnd) this.#stage = PAGE;
            else if (this.#wholeRecord()) return true;
            break;
          case PARTIAL:
            if (this.#partial.got < this.#wanted() && !this.#advance()) return false;
            if (this.#addPart()) return true;
            break;
          case SKIP:
            if (!this.#skip()) return false;
            break;
          default: {
            const header = this.#nextPage();
            if (header === undefined) return false;
            if (this.#stage === CONTINUATION) this.#continue(header);
            else this.#begin(header);
          }
        }
      }
      return false;
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /** The record that was found is handed out. */
  #pass(): void {
    this.#previous = this.#start;
    this.#previousLsn = this.#place.lsn;
    this.#previousLow = this.#origin.lowOf(this.#start);
    this.#previousHigh = this.#origin.highOf(this.#start);
  }

  /** After damage no record is read any more. */
  #failed(error: unknown): unknown {
    if (error instanceof WalError) this.#failure = error;
    return error;
  }

  #stop(end: WalEnd): void {
    this.#end = end;
    this.#chunk = nothing;
    this.#at = 0;
    this.#waiting.clear();
    this.#partial.drop();
  }

  /** A record begins at #at. Is all of it there, in this page and chunk? */
  #wholeRecord(): boolean {
    const at = this.#at;
    this.#start = at + this.#shift;
    this.#finding = false;
    const room = Math.min(this.#chunk.length - at, this.#pageEnd - this.#start);
    if (room >= RECORD_HEADER) {
      const length = this.#view.getUint32(at, true);
      if (length >= RECORD_HEADER && length <= room) {
        const place = this.#placeOf(this.#chunk, this.#view, this.#words, at);
        checkRecordHeader(place);
        this.#mustBeAllowed(place, length);
        this.#at += length;
        this.#found(place, length);
        return true;
      }
    }
    this.#partial.begin();
    this.#length = 0;
    this.#headerChecked = false;
    this.#stage = PARTIAL;
    return false;
  }

  /** The one RecordPlace of this reader, filled for the record that began at #start. */
  #placeOf(bytes: Uint8Array, view: DataView, words: Int32Array, at: number): RecordPlace {
    const place = this.#place;
    place.bytes = bytes;
    place.view = view;
    place.words = words;
    place.at = at;
    // Most begin where the one before ends. That LSN is known, and computing LSNs takes the most time.
    place.lsn = this.#start === this.#foundEnd ? this.#foundEndLsn : this.#origin.lsnOf(this.#start);
    place.prev = this.#previousLsn;
    place.prevLow = this.#previousLow;
    place.prevHigh = this.#previousHigh;
    place.randomAccess = this.#previous < 0;
    place.offset = this.#start - this.#first;
    return place;
  }

  /** All of a record has come, up to #at. */
  #found(place: RecordPlace, length: number): void {
    if (this.#checkCrc) checkCrc(place, length);
    this.#foundLength = length;
    const { bytes, at } = place;
    let end = align(this.#position);
    if (bytes[at + 17] === RM_XLOG_ID && (bytes[at + 16]! & RMGR_INFO_MASK) === XLOG_SWITCH) {
      // It extends to the end of its segment.
      const { segmentSize } = this.#pages;
      end += segmentSize - 1;
      end -= end % segmentSize;
      this.#skipTo = end;
      this.#skipStage = PAGE;
      this.#stage = SKIP;
    } else if (end <= this.#chunk.length + this.#shift) {
      this.#at = end - this.#shift;
      this.#stage = RECORD;
    } else {
      this.#skipTo = end;
      this.#skipStage = RECORD;
      this.#stage = SKIP;
    }
    this.#foundEnd = end;
    this.#foundEndLsn = this.#origin.lsnOf(end);
  }

  #skip(): boolean {
    while (this.#position < this.#skipTo) {
      if (!this.#advance()) return false;
      this.#at = Math.min(this.#chunk.length, this.#skipTo - this.#shift);
    }
    this.#stage = this.#skipStage;
    // Pages that are skipped whole are not read.
    if (this.#stage === PAGE) this.#pageEnd = this.#skipTo;
    return true;
  }

  // ---- Records in parts ----

  /** How many bytes of the record are to be there before something can be said of it. */
  #wanted(): number {
    return this.#length > 0 ? this.#length : Math.min(RECORD_HEADER, this.#pageEnd - this.#start);
  }

  /** Add what the chunk has of the record in this page. Is it all there? */
  #addPart(): boolean {
    const partial = this.#partial;
    const onPage = this.#pageEnd - this.#position;
    const count = Math.min(this.#wanted() - partial.got, this.#chunk.length - this.#at, onPage);
    this.#makeRoom(partial.got + count);
    partial.add(this.#chunk, this.#at, count);
    this.#at += count;
    let place = this.#partialPlace();
    if (this.#length === 0 && partial.got === this.#wanted()) {
      const length = place.view.getUint32(place.at, true);
      if (length === 0) {
        this.#stopAtZeros(place);
        return false;
      }
      if (length < RECORD_HEADER) tooShort(place, length);
      this.#length = length;
      if (partial.got < RECORD_HEADER) {
        // The rest of the header is on the next page.
        if (place.format.has.lengthBelieved) this.#mustBeAllowed(place, length);
        this.#makeRoom(partial.got);
        place = this.#partialPlace();
      }
    }
    if (!this.#headerChecked && partial.got >= RECORD_HEADER) {
      checkRecordHeader(place);
      this.#headerChecked = true;
      const onOnePage = this.#pageEnd - this.#start >= this.#length;
      // A server reads the header of the second page before it allocates memory for the record.
      if (onOnePage || place.format.has.lengthBelieved || this.#startedBefore())
        this.#mustBeAllowed(place, this.#length);
    }
    if (this.#length > 0 && partial.got === this.#length) {
      partial.drop();
      this.#found(place, this.#length);
      return true;
    }
    if (this.#position === this.#pageEnd) this.#stage = CONTINUATION;
    return false;
  }

  /** Did the record begin on a page before this one? */
  #startedBefore(): boolean {
    return this.#start < this.#pageEnd - this.#pages.pageSize;
  }

  #makeRoom(bytes: number): void {
    const partial = this.#partial;
    if (partial.hasRoom(bytes)) return;
    const there = partial.got + this.#chunk.length - this.#at + this.#waiting.length;
    let most = this.#length > 0 ? this.#length : RECORD_HEADER;
    if (partial.got === 0 && this.#chunk.length - this.#at >= RECORD_HEADER) {
      // Read the length before the header is checked: that takes one array, not two.
      const length = this.#view.getUint32(this.#at, true);
      if (length <= there) most = Math.max(most, length);
    }
    partial.makeRoom(bytes, most, there);
  }

  #partialPlace(): RecordPlace {
    const { into, at } = this.#partial;
    return this.#placeOf(into.bytes, into.view, into.words, at);
  }

  /** @source xlogreader.c: allocate_recordbuf; mcxt.c: MemoryContextAlloc */
  #mustBeAllowed(place: RecordPlace, length: number): void {
    const { pageSize } = this.#pages;
    const rounded = length + pageSize - (length % pageSize);
    if (rounded > MAX_ALLOC_SIZE) {
      const text = place.format.has.lengthBelieved
        ? `record length ${length} at @ too long`
        : `invalid memory alloc request size ${rounded}`;
      refuseRecord(place, "BAD_LENGTH", "xl_tot_len", text);
    }
    if (length > this.#maxLength) {
      const text = `XLogRecord.xl_tot_len is ${length} at @; the limit is ${this.#maxLength}`;
      refuseRecord(place, "BAD_LENGTH", "xl_tot_len", text);
    }
  }

  // ---- Pages ----

  /** The header of the page that begins here, checked, once all of it has come; or undefined, and perhaps #end. */
  #nextPage(): WalPageHeader | undefined {
    const pages = this.#pages;
    for (let missing = pages.missing; missing > 0; missing = pages.missing) {
      if (!this.#advance()) return undefined;
      const count = Math.min(missing, this.#chunk.length - this.#at);
      pages.add(this.#chunk.subarray(this.#at, this.#at + count));
      this.#at += count;
    }
    const header = pages.take();
    this.#place.format = pages.format ?? this.#place.format;
    if (!this.#origin.isKnown) {
      this.#setOrigin(toLsn(header.pageAddress - (header.pageAddress % BigInt(pages.pageSize))));
    }
    const position = this.#position - pageHeaderSize(header);
    const end = pages.check(header, this.#origin.lsnOf(position), position - this.#first);
    if (end !== undefined) {
      this.#stop(end);
      return undefined;
    }
    this.#pageEnd = position + pages.pageSize;
    return header;
  }

  /** A page begins on which a record is to begin. */
  #begin(header: WalPageHeader): void {
    const after = this.#position;
    const isContinued = (header.info & XLP_FIRST_IS_CONTRECORD) !== 0;
    if (isContinued && this.#finding) {
      const rest = align(header.remaining);
      // As XLogFindNextRecord does it: what fills the page goes on on the next one.
      const fills = rest >= this.#pages.pageSize - pageHeaderSize(header);
      this.#skipTo = fills ? this.#pageEnd : after + rest;
      this.#skipStage = fills ? PAGE : RECORD;
      this.#stage = SKIP;
      return;
    }
    if (isContinued) {
      const lsn = this.#origin.lsnOf(after);
      const text = `contrecord is requested by ${formatLsn(lsn, { server: this.#place.format.server })}`;
      throw new WalError("BAD_VALUE", "XLogPageHeaderData.xlp_info", after - this.#first, lsn, text);
    }
    this.#stage = RECORD;
  }

  /** A page begins on which the record goes on. */
  #continue(header: WalPageHeader): void {
    const { format } = this.#place;
    if ((header.info & overwriteContrecordFlag(format)) !== 0) {
      // The server crashed before it wrote the rest, and went on here with another record.
      this.#overwritten = this.#origin.lsnOf(this.#start);
      this.#partial.drop();
      this.#begin(header);
      return;
    }
    const refuse = (field: string, text: string): never => {
      const lsn = this.#origin.lsnOf(this.#start);
      const message = `${text} at ${formatLsn(lsn, { server: format.server })}`;
      throw new WalError(
        "BAD_VALUE",
        `XLogPageHeaderData.${field}`,
        this.#position - pageHeaderSize(header) - this.#first,
        lsn,
        message,
      );
    };
    if ((header.info & XLP_FIRST_IS_CONTRECORD) === 0) refuse("xlp_info", "there is no contrecord flag");
    const { remaining } = header;
    // The sum has 32 bits there.
    if (remaining === 0 || this.#length !== (remaining + this.#partial.got) >>> 0) {
      const expected = format.has.contrecordErrorSaysExpected ? ` (expected ${this.#length - this.#partial.got})` : "";
      refuse("xlp_rem_len", `invalid contrecord length ${remaining}${expected}`);
    }
    if (this.#headerChecked) this.#mustBeAllowed(this.#partialPlace(), this.#length);
    this.#stage = PARTIAL;
  }

  #stopAtZeros(place: RecordPlace): void {
    try {
      tooShort(place, 0);
    } catch (error) {
      this.#stop({ lsn: place.lsn, found: "zeros", message: (error as WalError).message });
    }
  }
}

/**
 * WalReader: records from WAL, whatever chunks it arrives in: files one after another, or what a physical stream brings.
 *
 * A port of PostgreSQL's src/backend/access/transam/xlogreader.c, which pulls pages where this is pushed bytes.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * All bytes are passed over once, forward. A record that lies in one page of one chunk is handed out as a view; of any other what
 * has arrived is copied, once or, while it grows, twice. Memory is taken for bytes that have arrived, never for a length that was
 * only read.
 */
import { wordsOf } from "../kernel/crc32c.ts";
import { ProtocolError } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import type { Server } from "../kernel/version.ts";
import { defaultSegmentSize, isSegmentSize } from "../kernel/wal-names.ts";
import { MAX_ALLOC_SIZE } from "../wire/check.ts";
import { CRC_OFFSET, RECORD_HEADER, RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "./constants.ts";
import {
  align,
  checkContents,
  checkCrc,
  checkRecordHeader,
  DEFAULT_BLOCK_SIZE,
  type RecordPlace,
  readRecord,
  refuseRecord,
  tooShort,
} from "./decode.ts";
import { WalError } from "./error.ts";
import { type WalFormat, walFormat, walFormatOfMagic } from "./format.ts";
import {
  checkPageHeader,
  DEFAULT_PAGE_SIZE,
  decodeWalPageHeader,
  isPageSize,
  LONG_HEADER,
  overwriteContrecordFlag,
  pageHeaderSize,
  SHORT_HEADER,
  type WalPageHeader,
  XLP_FIRST_IS_CONTRECORD,
  XLP_LONG_HEADER,
} from "./page.ts";
import type { WalRecord, WalRecordHeader } from "./record.ts";

export interface WalReaderOptions {
  /**
   * The server that wrote it. The default is to believe the first page. Who begins in the middle of a page must say it.
   */
  readonly server?: Server | undefined;
  /** XLOG_BLCKSZ, and wal_segment_size. The default is what the first long header says, and 8192 bytes and 16 MiB until one comes. */
  readonly pageSize?: number | undefined;
  readonly segmentSize?: number | undefined;
  /** BLCKSZ, of pages of relations, which WAL does not say. The default is 8192. */
  readonly blockSize?: number | undefined;
  /** What the first page of each segment must say. The default is to take any. */
  readonly systemIdentifier?: bigint | undefined;
  /** The one in the segments' names, for messages. The default is the one that the pages say. */
  readonly timeline?: number | undefined;
  /** Compare checksums; without, damage can look like a record. The default is true. */
  readonly checkCrc?: boolean | undefined;
  /** The longest record to take, in bytes. The default is PostgreSQL's own limit (memutils.h: MaxAllocSize). */
  readonly maxLength?: number | undefined;
}

/** Where WAL ends, though bytes follow. */
export interface WalEnd {
  /** Where the record, or the page, would begin. */
  readonly lsn: Lsn;
  /** What is there instead: nothing was ever written, or what an older segment had whose file was used again. */
  readonly found: "zeros" | "old pages";
  /** What a server says of it, when it has replayed all. */
  readonly message: string;
}

/** What comes next. */
const [PAGE, RECORD, PARTIAL, CONTINUATION, SKIP] = [0, 1, 2, 3, 4];

/** Positions are counted from a multiple of the largest segment, so that they are at the same place in page and segment. */
const ORIGIN_UNIT = 1n << 30n;

/** Chunks below this are put together while they wait, lest a peer that sends byte by byte cost 100 times. */
const SMALL = 512;
const OWN_BUFFER = 16384;

/** Short records in parts share arrays of so many bytes, or of as many as have come: one of 8 kB each would take 3 us, and so 1.2. */
const POOL = 65536;

const nothing: Uint8Array = /* @__PURE__ */ new Uint8Array(0);
const noWords: Int32Array = /* @__PURE__ */ new Int32Array(0);

/** Bytes, and views of the same. */
interface Readable {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
}

function readable(bytes: Uint8Array): Readable {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), words: wordsOf(bytes) };
}

const none: Readable = /* @__PURE__ */ readable(nothing);
const scratch = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8));

/**
 * Reads records: push WAL, and take records until there is none.
 *
 * @source xlogreader.c: XLogReadRecord, XLogFindNextRecord
 * @example new WalReader().next() // undefined
 */
export class WalReader {
  readonly #pageSizeGiven: number | undefined;
  readonly #segmentSizeGiven: number | undefined;
  readonly #blockSize: number;
  readonly #systemIdentifierGiven: bigint | undefined;
  readonly #fileTimeline: number | undefined;
  readonly #checkCrc: boolean;
  readonly #maxLength: number;
  #format: WalFormat | undefined;
  #pageSize: number;
  #segmentSize: number;
  #systemIdentifier: bigint | undefined;
  #timeline = 0;

  /** What has arrived: #chunk from #at on, then those that wait behind it from #head on, with #behind bytes. */
  #chunk: Uint8Array = nothing;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #words: Int32Array = noWords;
  #at = 0;
  #waiting: Uint8Array[] = [];
  #head = 0;
  #behind = 0;
  /** The last of all chunks, if it is a buffer of ours with room behind its first #filled bytes. */
  #own: Uint8Array | undefined;
  #filled = 0;

  /** A position is an LSN less #origin, which is undefined until bytes have come. #shift makes one of a place in #chunk. */
  #origin: bigint | undefined;
  #originHigh = 0;
  #originLow = 0;
  #shift = 0;
  /** Positions: of the first byte of all, one past the last, and where the page ends that is being read. */
  #first = 0;
  #last = 0;
  #pageEnd = 0;

  #stage = PAGE;
  /** The position to skip to, and what comes there. */
  #skipTo = 0;
  #skipStage = RECORD;
  /** Not even the first record was found: what begins before is passed over. */
  #finding = true;
  /** Where the record before begins; -1 before the first. */
  #previous = -1;
  #previousLsn: Lsn = invalidLsn;
  #previousLow = 0;
  #previousHigh = 0;
  /** The record that is being put together: what has come of it, where it began, its length if that is known, else 0. */
  #partial: Readable = none;
  /** Where in that it is, and for how many bytes there is room. */
  #partialAt = 0;
  #room = 0;
  #got = 0;
  /** Where it is put together, unless it is long: what is behind the first #pooled bytes is free. */
  #pool: Readable = none;
  #pooled = 0;
  #start = 0;
  #length = 0;
  #headerChecked = false;
  /** A header of a page of which not all has come. */
  readonly #pageHeader = new Uint8Array(LONG_HEADER);
  #pageHeaderGot = 0;

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
   * @throws RangeError for a size that cannot be.
   */
  constructor(options: WalReaderOptions = {}) {
    const { server, pageSize, segmentSize, blockSize, systemIdentifier, timeline, checkCrc, maxLength } = options;
    if (pageSize !== undefined && !isPageSize(pageSize)) {
      throw new RangeError(`a page of WAL has 1024 to 65536 bytes, a power of 2, not ${pageSize}`);
    }
    if (segmentSize !== undefined && !isSegmentSize(segmentSize)) {
      throw new RangeError(`a segment of WAL has 1 MiB to 1 GiB, a power of 2, not ${segmentSize}`);
    }
    this.#format = server === undefined ? undefined : walFormat({ server });
    this.#pageSizeGiven = pageSize;
    this.#segmentSizeGiven = segmentSize;
    this.#pageSize = pageSize ?? DEFAULT_PAGE_SIZE;
    this.#segmentSize = segmentSize ?? defaultSegmentSize;
    this.#blockSize = blockSize ?? DEFAULT_BLOCK_SIZE;
    this.#systemIdentifierGiven = systemIdentifier;
    this.#fileTimeline = timeline;
    this.#checkCrc = checkCrc ?? true;
    this.#maxLength = maxLength ?? MAX_ALLOC_SIZE;
  }

  /** The format of the pages; undefined before the first, if no server was named. */
  get format(): WalFormat | undefined {
    return this.#format;
  }

  /** The timeline of the page that was read last; 0 before the first. */
  get timeline(): number {
    return this.#timeline;
  }

  /** Bytes of a segment, and of a page, as far as is known. */
  get segmentSize(): number {
    return this.#segmentSize;
  }

  get pageSize(): number {
    return this.#pageSize;
  }

  /** What the last long header said; undefined before one came. */
  get systemIdentifier(): bigint | undefined {
    return this.#systemIdentifier;
  }

  /** Where the next byte to be pushed is in WAL; undefined before the first. */
  get position(): Lsn | undefined {
    return this.#origin === undefined ? undefined : this.#lsnOf(this.#last);
  }

  /** Where a record begins of which not all has come; undefined if there is none. Ask when `next` has given undefined. */
  get incomplete(): Lsn | undefined {
    const begun = this.#stage === PARTIAL || this.#stage === CONTINUATION;
    return begun ? this.#lsnOf(this.#start) : undefined;
  }

  /** Where the last record begins that a crash cut short and that a server, when it was up again, wrote over. */
  get overwritten(): Lsn | undefined {
    return this.#overwritten;
  }

  /** WAL ends, whatever is pushed: there is no record any more. Damage is not an end: `next` throws it. */
  get end(): WalEnd | undefined {
    return this.#end;
  }

  /**
   * Add bytes of WAL, which follow those that were pushed before. They must not be written to any more: records are views into
   * them.
   *
   * @param lsn Where they begin. Without it the first must begin a page, whose header says where that is. If the first begin a
   *   page, what is left there of a record before is passed over; else a record must begin with them.
   * @throws ProtocolError OUT_OF_ORDER if they do not follow.
   * @throws RangeError if the first begin where neither a page nor a record can, or in the middle of a page of nobody knows which
   *   server.
   */
  push(bytes: Uint8Array, lsn?: Lsn | undefined): void {
    if (lsn !== undefined) this.#mustFollow(toLsn(lsn));
    if (bytes.length === 0) return;
    this.#last += bytes.length;
    if (this.#end !== undefined || this.#failure !== undefined) return;
    const waits = this.#chunk.length - this.#at + this.#behind > 0;
    this.#behind += bytes.length;
    if (!waits || bytes.length >= SMALL) {
      this.#own = undefined;
      this.#waiting.push(bytes);
      return;
    }
    if (this.#own === undefined || this.#filled + bytes.length > this.#own.length) {
      this.#own = new Uint8Array(OWN_BUFFER);
      this.#filled = 0;
      this.#waiting.push(this.#own);
    }
    this.#own.set(bytes, this.#filled);
    this.#filled += bytes.length;
    this.#waiting[this.#waiting.length - 1] = this.#own.subarray(0, this.#filled);
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
      const { decodedAhead } = place.format.has;
      const named = decodedAhead ? this.#previousLsn : place.lsn;
      const contents = checkContents(place, length, blockSize, named);
      this.#pass();
      return readRecord(place, length, this.#foundEndLsn, contents, blockSize);
    } catch (error) {
      throw this.#failed(error);
    }
  }

  /**
   * The same without a look at what is in the record: half the work for who counts records or cuts WAL. What is wrong with the
   * headers of its parts is not found then. Each field is read from the bytes when it is asked for.
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
    if (this.#origin !== undefined) {
      if (lsn === this.#lsnOf(this.#last)) return;
      const [expected, got] = [formatLsn(this.#lsnOf(this.#last)), formatLsn(lsn)];
      throw new ProtocolError(`the bytes begin at ${got}, and those before them end at ${expected}`);
    }
    if (this.#last > 0) throw new ProtocolError("the first bytes were pushed without a position, and say none yet");
    const pageOffset = Number(lsn & BigInt(this.#pageSize - 1));
    if (pageOffset !== 0) {
      if (pageOffset % 8 !== 0)
        throw new RangeError(`no record begins at ${formatLsn(lsn)}: they begin at multiples of 8`);
      if (this.#format === undefined) {
        throw new RangeError(
          `${formatLsn(lsn)} is in the middle of a page, so nothing says which server wrote it: name it as options.server, or begin with a page`,
        );
      }
    }
    this.#setOrigin(lsn);
    if (pageOffset === 0) return;
    this.#stage = RECORD;
    this.#timeline = this.#fileTimeline ?? 0;
    if (pageOffset < SHORT_HEADER) {
      const { walErrorsSayWhere } = this.#format!.has;
      const expected = walErrorsSayWhere ? `: expected at least ${SHORT_HEADER}, got ${pageOffset}` : "";
      const text = `invalid record offset at ${formatLsn(lsn, { server: this.#format!.server })}${expected}`;
      this.#failure = new WalError("BAD_VALUE", "XLogRecord", 0, lsn, text);
    }
  }

  /** The first of all bytes is there. */
  #setOrigin(lsn: Lsn): void {
    this.#origin = lsn - (lsn % ORIGIN_UNIT);
    this.#originHigh = Number(this.#origin >> 32n);
    this.#originLow = Number(this.#origin & 0xffffffffn);
    const position = Number(lsn % ORIGIN_UNIT);
    this.#first = position;
    this.#shift += position;
    this.#last += position;
    this.#pageEnd = position + this.#pageSize - (position % this.#pageSize);
  }

  /** Two thirds of the time that `origin + BigInt(position)` takes. */
  #lsnOf(position: number): Lsn {
    const sum = this.#originLow + position;
    scratch.setInt32(0, sum | 0, true);
    scratch.setInt32(4, (this.#originHigh + Math.floor(sum / 0x100000000)) | 0, true);
    return scratch.getBigUint64(0, true) as Lsn;
  }

  get #position(): number {
    return this.#at + this.#shift;
  }

  /** If #chunk is at its end, go on to the one behind. Is there a byte? */
  #advance(): boolean {
    while (this.#at === this.#chunk.length) {
      if (this.#head === this.#waiting.length) {
        // Nothing is kept while nothing comes.
        this.#shift += this.#at;
        this.#chunk = nothing;
        this.#at = 0;
        return false;
      }
      this.#shift += this.#chunk.length;
      this.#chunk = this.#waiting[this.#head]!;
      this.#head++;
      if (this.#head === this.#waiting.length) {
        this.#waiting = [];
        this.#head = 0;
        this.#own = undefined;
      } else if (this.#head > 1000) {
        this.#waiting.splice(0, this.#head);
        this.#head = 0;
      }
      const { buffer, byteOffset, length } = this.#chunk;
      // No Buffer of Node's: code that meets one kind of array only is twice as fast.
      this.#chunk = new Uint8Array(buffer, byteOffset, length);
      this.#view = new DataView(buffer, byteOffset, length);
      this.#words = wordsOf(this.#chunk);
      this.#behind -= length;
      this.#at = 0;
    }
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
            if (this.#got < this.#wanted() && !this.#advance()) return false;
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
    const sum = this.#originLow + this.#start;
    this.#previousLow = sum | 0;
    this.#previousHigh = (this.#originHigh + Math.floor(sum / 0x100000000)) | 0;
  }

  /** Records are read no more. An end is no error, and gives undefined. */
  #failed(error: unknown): unknown {
    if (error instanceof WalError) this.#failure = error;
    return error;
  }

  #stop(lsn: Lsn, found: WalEnd["found"], message: string): void {
    this.#end = { lsn, found, message };
    this.#chunk = nothing;
    this.#waiting = [];
    this.#dropPartial();
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
    this.#dropPartial();
    this.#got = 0;
    this.#length = 0;
    this.#headerChecked = false;
    this.#stage = PARTIAL;
    return false;
  }

  /** The one place of this reader, as what is known of the record that began at #start. */
  #placeOf(bytes: Uint8Array, view: DataView, words: Int32Array, at: number): RecordPlace {
    const place = this.#place;
    place.format = this.#format!;
    place.bytes = bytes;
    place.view = view;
    place.words = words;
    place.at = at;
    // Most begin where the one before ends, which is known: LSNs are what takes most time.
    place.lsn = this.#start === this.#foundEnd ? this.#foundEndLsn : this.#lsnOf(this.#start);
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
      end += this.#segmentSize - 1;
      end -= end % this.#segmentSize;
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
    this.#foundEndLsn = this.#lsnOf(end);
  }

  #skip(): boolean {
    while (this.#position < this.#skipTo) {
      if (!this.#advance()) return false;
      this.#at = Math.min(this.#chunk.length, this.#skipTo - this.#shift);
    }
    this.#stage = this.#skipStage;
    // What is skipped whole has no pages that are read.
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
    const count = Math.min(this.#wanted() - this.#got, this.#chunk.length - this.#at, this.#pageEnd - this.#position);
    this.#makeRoom(this.#got + count);
    copy(this.#chunk, this.#at, count, this.#partial.bytes, this.#partialAt + this.#got);
    this.#got += count;
    this.#at += count;
    let place = this.#partialPlace();
    if (this.#length === 0 && this.#got === this.#wanted()) {
      const length = place.view.getUint32(place.at, true);
      if (length === 0) {
        this.#stopAtZeros(place);
        return false;
      }
      if (length < RECORD_HEADER) tooShort(place, length);
      this.#length = length;
      if (this.#got < RECORD_HEADER) {
        // The rest of the header is on the next page.
        if (place.format.has.lengthBelieved) this.#mustBeAllowed(place, length);
        this.#makeRoom(this.#got);
        place = this.#partialPlace();
      }
    }
    if (!this.#headerChecked && this.#got >= RECORD_HEADER) {
      checkRecordHeader(place);
      this.#headerChecked = true;
      const onOnePage = this.#pageEnd - this.#start >= this.#length;
      // On the pages behind, a server looks at the header of the second page before it takes memory for the record.
      if (onOnePage || place.format.has.lengthBelieved || this.#startedBefore())
        this.#mustBeAllowed(place, this.#length);
    }
    if (this.#length > 0 && this.#got === this.#length) {
      this.#dropPartial();
      this.#found(place, this.#length);
      return true;
    }
    if (this.#position === this.#pageEnd) this.#stage = CONTINUATION;
    return false;
  }

  /** Did the record begin on a page before this one? */
  #startedBefore(): boolean {
    return this.#start < this.#pageEnd - this.#pageSize;
  }

  /** Room for as many bytes of the record as have come, or for all of it once that many bytes have come. */
  #makeRoom(bytes: number): void {
    if (this.#room >= bytes) return;
    const there = this.#got + this.#chunk.length - this.#at + this.#behind;
    let most = this.#length > 0 ? this.#length : RECORD_HEADER;
    if (this.#got === 0 && this.#chunk.length - this.#at >= RECORD_HEADER) {
      // Its length can be seen before its header was looked at: one array is taken then, not two.
      const length = this.#view.getUint32(this.#at, true);
      if (length <= there) most = Math.max(most, length);
    }
    const size = there >= most ? most : Math.min(most, Math.max(bytes, 2 * this.#room, SMALL));
    const [old, from] = [this.#partial.bytes, this.#partialAt];
    if (size > POOL / 4) {
      this.#partial = readable(new Uint8Array(size));
      this.#partialAt = 0;
    } else {
      if (this.#pooled + size > this.#pool.bytes.length) {
        this.#pool = readable(new Uint8Array(Math.max(size, Math.min(POOL, there))));
        this.#pooled = 0;
      }
      this.#partial = this.#pool;
      this.#partialAt = this.#pooled;
      this.#pooled = align(this.#pooled + size);
    }
    this.#room = size;
    copy(old, from, this.#got, this.#partial.bytes, this.#partialAt);
  }

  #dropPartial(): void {
    this.#partial = none;
    this.#room = 0;
  }

  #partialPlace(): RecordPlace {
    const { bytes, view, words } = this.#partial;
    return this.#placeOf(bytes, view, words, this.#partialAt);
  }

  /** @source xlogreader.c: allocate_recordbuf; mcxt.c: MemoryContextAlloc */
  #mustBeAllowed(place: RecordPlace, length: number): void {
    const rounded = length + this.#pageSize - (length % this.#pageSize);
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
    const bytes = this.#pageHeader;
    for (;;) {
      const size =
        this.#pageHeaderGot >= SHORT_HEADER && (bytes[2]! & XLP_LONG_HEADER) !== 0 ? LONG_HEADER : SHORT_HEADER;
      const missing = size - this.#pageHeaderGot;
      if (missing === 0) break;
      if (!this.#advance()) return undefined;
      const count = Math.min(missing, this.#chunk.length - this.#at);
      bytes.set(this.#chunk.subarray(this.#at, this.#at + count), this.#pageHeaderGot);
      this.#pageHeaderGot += count;
      this.#at += count;
    }
    const header = decodeWalPageHeader(bytes);
    const read = this.#pageHeaderGot;
    this.#pageHeaderGot = 0;
    this.#learn(header);
    if (this.#origin === undefined)
      this.#setOrigin((header.pageAddress - (header.pageAddress % BigInt(this.#pageSize))) as Lsn);
    const position = this.#position - read;
    const lsn = this.#lsnOf(position);
    const format = this.#format ?? walFormat();
    try {
      checkPageHeader(header, {
        format,
        lsn,
        pageSize: this.#pageSize,
        segmentSize: this.#segmentSize,
        systemIdentifier: this.#systemIdentifierGiven,
        latestTimeline: this.#timeline,
        fileTimeline: this.#fileTimeline ?? (this.#timeline || header.timeline),
        offset: position - this.#first,
      });
    } catch (error) {
      const found = endOf(header, lsn, bytes);
      if (!(error instanceof WalError) || found === undefined) throw error;
      this.#stop(lsn, found, error.message);
      return undefined;
    }
    this.#timeline = header.timeline;
    this.#pageEnd = position + this.#pageSize;
    return header;
  }

  /** What nobody has told us, the pages say. */
  #learn({ magic, long }: WalPageHeader): void {
    this.#format ??= walFormatOfMagic(magic);
    if (long === undefined || magic !== this.#format?.magic) return;
    this.#systemIdentifier = long.systemIdentifier;
    if (this.#segmentSizeGiven === undefined && isSegmentSize(long.segmentSize)) this.#segmentSize = long.segmentSize;
    // Pages cannot change their size on the way.
    const first = this.#timeline === 0;
    if (this.#pageSizeGiven === undefined && first && isPageSize(long.pageSize)) this.#pageSize = long.pageSize;
  }

  /** A page begins on which a record is to begin. */
  #begin(header: WalPageHeader): void {
    const after = this.#position;
    const isContinued = (header.info & XLP_FIRST_IS_CONTRECORD) !== 0;
    if (isContinued && this.#finding) {
      const rest = align(header.remaining);
      // As XLogFindNextRecord does it: what fills the page goes on on the next one.
      const fills = rest >= this.#pageSize - pageHeaderSize(header);
      this.#skipTo = fills ? this.#pageEnd : after + rest;
      this.#skipStage = fills ? PAGE : RECORD;
      this.#stage = SKIP;
      return;
    }
    if (isContinued) {
      const lsn = this.#lsnOf(after);
      const text = `contrecord is requested by ${formatLsn(lsn, { server: this.#format!.server })}`;
      throw new WalError("BAD_VALUE", "XLogPageHeaderData.xlp_info", after - this.#first, lsn, text);
    }
    this.#stage = RECORD;
  }

  /** A page begins on which the record goes on. */
  #continue(header: WalPageHeader): void {
    const format = this.#format!;
    if ((header.info & overwriteContrecordFlag(format)) !== 0) {
      // The server crashed before it wrote the rest, and went on here with another record.
      this.#overwritten = this.#lsnOf(this.#start);
      this.#dropPartial();
      this.#begin(header);
      return;
    }
    const refuse = (field: string, text: string): never => {
      const lsn = this.#lsnOf(this.#start);
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
    if (remaining === 0 || this.#length !== (remaining + this.#got) >>> 0) {
      const expected = format.has.contrecordErrorSaysExpected ? ` (expected ${this.#length - this.#got})` : "";
      refuse("xlp_rem_len", `invalid contrecord length ${remaining}${expected}`);
    }
    if (this.#headerChecked) this.#mustBeAllowed(this.#partialPlace(), this.#length);
    this.#stage = PARTIAL;
  }

  #stopAtZeros(place: RecordPlace): void {
    try {
      tooShort(place, 0);
    } catch (error) {
      this.#stop(place.lsn, "zeros", (error as WalError).message);
    }
  }
}

/** Reads what is asked for: to make an array of the bytes of each record takes a quarter of all the time. */
class FramedRecord implements WalRecordHeader {
  readonly length: number;
  readonly lsn: Lsn;
  readonly end: Lsn;
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number, length: number, lsn: Lsn, end: Lsn) {
    this.#view = view;
    this.#at = at;
    this.length = length;
    this.lsn = lsn;
    this.end = end;
  }

  get prev(): Lsn {
    return this.#view.getBigUint64(this.#at + 8, true) as Lsn;
  }

  get xid(): number {
    return this.#view.getUint32(this.#at + 4, true);
  }

  get rmid(): number {
    return this.#view.getUint8(this.#at + 17);
  }

  get info(): number {
    return this.#view.getUint8(this.#at + 16);
  }

  get crc(): number {
    return this.#view.getUint32(this.#at + CRC_OFFSET, true);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at, this.length);
  }
}

/** Puts bytes into another array; few of them one by one, since a view of them costs more than they. */
function copy(source: Uint8Array, at: number, count: number, target: Uint8Array, to: number): void {
  if (count > 64) target.set(new Uint8Array(source.buffer, source.byteOffset + at, count), to);
  else for (let i = 0; i < count; i++) target[to + i] = source[at + i]!;
}

/** What a server finds behind the last record: pages that nobody has written to, or those of an older segment. */
function endOf(header: WalPageHeader, lsn: Lsn, bytes: Uint8Array): WalEnd["found"] | undefined {
  if (bytes.subarray(0, SHORT_HEADER).every((byte) => byte === 0)) return "zeros";
  return walFormatOfMagic(header.magic) !== undefined && header.pageAddress < lsn ? "old pages" : undefined;
}

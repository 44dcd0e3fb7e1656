/**
 * A file of WAL that is served.
 *
 * Where WAL ends, nothing is served before WalReader has read it, record by record, with checksums: a file may grow while it is read, by
 * appending or by overwriting zeros. What is certain of it ends with its last whole record; of a complete file, in which records lead to
 * the end, all of it is. Of a file behind which WAL goes on only the headers of pages are checked, as they are sent: records take the
 * processor 1.5 ms a MiB, sending 0.8. A walsender checks nothing, and whoever replays WAL checks all of it.
 */
import { type BigIntStats, close, constants, createReadStream, fstat, open, read } from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { promisify } from "node:util";
import { FileError } from "../../../kernel/errors.ts";
import { type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { RM_XLOG_ID, RMGR_INFO_MASK, XLOG_SWITCH } from "../../../wal/constants.ts";
import { WalError } from "../../../wal/error.ts";
import { type WalFormat, walFormat } from "../../../wal/format.ts";
import { checkPageHeader, decodeWalPageHeader } from "../../../wal/page.ts";
import { WalReader } from "../../../wal/reader.ts";
import { decompress, type ReadableCompression } from "../../decompress.ts";
import { strerror } from "../../strerror.ts";
import { temporaryFile } from "../../wal-archive.ts";
import { writeAll } from "../../write-all.ts";

/** Bytes that are read and checked at a time; then others have their turn. A MiB takes 1.5 ms of the processor. */
const PIECE = 1024 * 1024;

/** The precision of a file system's times, in nanoseconds: a file that changed so recently may have changed again. */
const RECENT = 1_000_000_000n;

const readAt = promisify(read);

/** What all WAL of a directory has in common. */
export interface WalIdentity {
  readonly systemIdentifier: bigint;
  /** Bytes. */
  readonly segmentSize: number;
  /** The server_version_num that the pages say. */
  readonly server: number;
  /** XLOG_BLCKSZ, in bytes. */
  readonly pageSize: number;
}

/** The name of a file of WAL. */
export interface SegmentName {
  readonly name: string;
  readonly timeline: number;
  readonly start: Lsn;
  readonly isPartial: boolean;
  readonly compression: ReadableCompression | undefined;
}

/**
 * The segment before in the history that is followed, if it is complete.
 *
 * @param checks Check it, if it was not. Else nothing is read.
 */
export type SegmentBefore = (checks: boolean) => Promise<SegmentFile | undefined>;

export class SegmentFile implements SegmentName {
  readonly timeline: number;
  readonly start: Lsn;
  name!: string;
  isPartial!: boolean;
  compression: ReadableCompression | undefined;
  readonly #directory: string;
  /** Everything before was checked. */
  certain: Lsn;
  /** Records lead to the end of the segment. */
  isComplete = false;
  /** Of a complete segment: where the record begins that goes on in the next one, in this segment or before it. */
  tail: Lsn | undefined;
  /** Why nothing is certain beyond `certain`, in the server's words; undefined if there is just no more. */
  problem: string | undefined;
  readonly #identity: WalIdentity;
  readonly #timelines: readonly number[];
  readonly #before: SegmentBefore;
  readonly #format: WalFormat;
  /** Where the next record begins; before `start` for one that began in an earlier segment. */
  #resume: Lsn | undefined;
  #checking: Promise<void> | undefined;
  /** The file as it was when it was checked last. */
  #checked: BigIntStats | undefined;
  #isRenamed = false;
  /** A page was not one that a server accepts: records must lead there. */
  #hasBadPage = false;

  constructor(
    name: SegmentName,
    directory: string,
    identity: WalIdentity,
    timelines: readonly number[],
    before: SegmentBefore,
  ) {
    this.timeline = name.timeline;
    this.start = name.start;
    this.certain = name.start;
    this.#directory = directory;
    this.#identity = identity;
    this.#timelines = timelines;
    this.#before = before;
    this.#format = walFormat({ server: identity.server });
    this.rename(name);
  }

  get path(): string {
    return join(this.#directory, this.name);
  }

  /** The file has another name now: the complete one, or that of a compressed copy. */
  rename({ name, isPartial, compression }: SegmentName): void {
    if (name === this.name) return;
    this.name = name;
    this.isPartial = isPartial;
    this.compression = compression;
    // What is certain need not be checked again, if the file is the same.
    this.#isRenamed = true;
  }

  /** One past its last byte. */
  get end(): Lsn {
    return toLsn(this.start + BigInt(this.#identity.segmentSize));
  }

  /**
   * Check what is new in the file.
   *
   * @throws FileError FILE_SYSTEM if it cannot be read; BAD_FILE if it is too long, or not a regular file.
   */
  check(): Promise<void> {
    this.#checking ??= this.#check().finally(() => {
      this.#checking = undefined;
    });
    return this.#checking;
  }

  /**
   * Open the file to read what is certain of it.
   *
   * @throws FileError FILE_SYSTEM; BAD_FILE if it is not the file that was checked.
   */
  async open(): Promise<OpenSegment> {
    const { fd, stat } = await this.#open();
    if (stat.ino === this.#checked?.ino)
      return this.compression === undefined ? new OpenSegment(fd, Number(stat.size)) : this.#unpacked(fd);
    await promisify(close)(fd);
    this.forget();
    throw this.#bad(`segment file "${this.name}" was replaced while it was served`);
  }

  /**
   * Open the file if it has all bytes of its segment, without a check of its records.
   *
   * @returns undefined if it has not, or a page of it was bad.
   * @throws FileError as `check`.
   */
  async openWhole(): Promise<OpenSegment | undefined> {
    if (this.isPartial || this.#hasBadPage) return undefined;
    const { fd, stat } = await this.#open();
    const file = this.compression === undefined ? new OpenSegment(fd, Number(stat.size)) : await this.#unpacked(fd);
    if (file.size === this.#identity.segmentSize) return file;
    await file.close();
    return undefined;
  }

  /**
   * How many bytes of the file come before the first page with a header that a server rejects. Behind a switch there may be zeros: after
   * such a page `openWhole` does not open the file any more, and `check` says what it is.
   *
   * @param start Where they begin.
   */
  goodPages(bytes: Uint8Array, start: Lsn): number {
    const { pageSize } = this.#identity;
    const inPage = Number(start % BigInt(pageSize));
    // One object for all pages: one for each takes 3 microseconds.
    const page = {
      ...this.#identity,
      format: this.#format,
      lsn: start,
      timelines: this.#timelines,
      latestTimeline: 0,
      fileTimeline: this.timeline,
      offset: 0,
    };
    for (let at = inPage === 0 ? 0 : pageSize - inPage; at < bytes.length; at += pageSize) {
      page.lsn = toLsn(start + BigInt(at));
      page.offset = at;
      try {
        checkPageHeader(decodeWalPageHeader(bytes, at), page);
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
        this.#hasBadPage = true;
        return at;
      }
    }
    return bytes.length;
  }

  /** Nothing is certain any more: the file is another one, or has less than it had. */
  forget(): void {
    this.certain = this.start;
    this.isComplete = false;
    this.tail = undefined;
    this.problem = undefined;
    this.#resume = undefined;
    this.#checked = undefined;
  }

  /** The bytes from a position on, which may be in an earlier segment, to the end. */
  async *bytesFrom(position: Lsn): AsyncGenerator<Uint8Array, void, undefined> {
    if (position < this.start) {
      const before = await this.#before(true);
      if (before === undefined) throw this.#bad(`the segment before "${this.name}" was removed while it was served`);
      yield* before.bytesFrom(position);
    }
    const file = await this.open();
    try {
      yield* file.pieces(Math.max(0, Number(position - this.start)), this.#identity.segmentSize);
    } finally {
      await file.close();
    }
  }

  async #open(): Promise<{ readonly fd: number; readonly stat: BigIntStats }> {
    let fd: number | undefined;
    try {
      // Opening a pipe would wait for its other end.
      fd = await promisify(open)(this.path, constants.O_RDONLY | constants.O_NONBLOCK);
      const stat = await promisify(fstat)(fd, { bigint: true });
      if (!stat.isFile()) throw this.#bad(`"${this.name}" is not a regular file`);
      if (this.compression === undefined && stat.size > this.#identity.segmentSize) throw this.#tooLong();
      return { fd, stat };
    } catch (error) {
      if (fd !== undefined) await promisify(close)(fd);
      if (error instanceof FileError) throw error;
      const message = `could not open file "${this.name}": ${strerror(error)}`;
      throw new FileError(this.path, message, "FILE_SYSTEM", { cause: error });
    }
  }

  /** The contents of a compressed file, in a file without a name. */
  async #unpacked(fd: number): Promise<OpenSegment> {
    const copy = temporaryFile();
    let size = 0;
    try {
      for await (const bytes of decompress(createReadStream("", { fd, start: 0 }), this.compression!)) {
        if (size + bytes.length > this.#identity.segmentSize) throw this.#tooLong();
        writeAll(copy, bytes, size);
        size += bytes.length;
      }
      return new OpenSegment(copy, size);
    } catch (error) {
      await promisify(close)(copy);
      if (error instanceof FileError) throw error;
      const message = `could not decompress file "${this.name}": ${(error as Error).message}`;
      throw new FileError(this.path, message, "BAD_FILE", { cause: error });
    }
  }

  #tooLong(): FileError {
    const { segmentSize } = this.#identity;
    return this.#bad(
      `segment file "${this.name}" has more than ${segmentSize} bytes, the size of its cluster's segments`,
    );
  }

  #bad(message: string): FileError {
    return new FileError(this.path, message, "BAD_FILE");
  }

  async #check(): Promise<void> {
    if (this.isComplete && !this.#isRenamed) return;
    const { fd, stat } = await this.#open();
    const last = this.#checked;
    const isSame = last !== undefined && last.ino === stat.ino && last.size === stat.size;
    const isRecent = BigInt(Date.now()) * 1_000_000n - stat.mtimeNs < RECENT;
    if (isSame && last.mtimeNs === stat.mtimeNs && !isRecent && !this.#isRenamed) return promisify(close)(fd);
    if (last !== undefined && (last.ino !== stat.ino || stat.size < last.size)) this.forget();
    this.#checked = stat;
    this.#isRenamed = false;
    const file = this.compression === undefined ? new OpenSegment(fd, Number(stat.size)) : await this.#unpacked(fd);
    try {
      await this.#read(file, !this.isPartial && file.size === this.#identity.segmentSize);
    } catch (error) {
      if (!(error instanceof WalError)) throw error;
      this.problem = error.message;
    } finally {
      await file.close();
    }
  }

  /** Read records from where the last whole one ended. @throws WalError */
  async #read(file: OpenSegment, isWhole: boolean): Promise<void> {
    const { systemIdentifier, segmentSize, server, pageSize } = this.#identity;
    // Of a file that grows, the record that began before it must be whole. Others are read as they come: else one leads to all before it.
    const before = await this.#before(!isWhole);
    const resume = this.#resume ?? before?.tail ?? this.start;
    this.#resume = resume;
    // With a whole page, whose header says the timeline.
    const from = toLsn(resume - (resume % BigInt(pageSize)));
    this.problem = undefined;
    const timelines = this.#timelines;
    const reader = new WalReader({
      systemIdentifier,
      segmentSize,
      server,
      pageSize,
      timelines,
      timeline: this.timeline,
    });
    if (from < this.start && before !== undefined) {
      for await (const bytes of before.bytesFrom(from)) reader.push(bytes, reader.position ?? from);
    }
    let offset = Math.max(0, Number(from - this.start));
    let isFirst = resume <= this.start;
    for await (const bytes of file.pieces(offset, segmentSize)) {
      reader.push(bytes, toLsn(this.start + BigInt(offset)));
      offset += bytes.length;
      for (let record = reader.nextHeader(); record !== undefined; record = reader.nextHeader()) {
        if (record.end > this.start) isFirst = false;
        // What is behind a switch may not be there yet.
        const isSwitch = record.rmid === RM_XLOG_ID && (record.info & RMGR_INFO_MASK) === XLOG_SWITCH;
        if (isSwitch && (this.isPartial || offset < segmentSize)) continue;
        if (record.end > this.certain) this.certain = record.end;
        if (record.end > this.#resume) this.#resume = record.end;
      }
      await setImmediate();
    }
    if (reader.end !== undefined) this.problem = reader.end.message;
    else if (offset === segmentSize && !this.isPartial) {
      this.isComplete = true;
      this.certain = this.end;
      // A segment that has nothing but the middle of a record has the tail of the one before.
      this.tail = reader.incomplete ?? (isFirst ? resume : undefined);
    }
  }
}

/** An open segment. */
export class OpenSegment {
  /** Bytes, when it was opened. */
  readonly size: number;
  readonly #fd: number;

  constructor(fd: number, size: number) {
    this.#fd = fd;
    this.size = size;
  }

  /** Read bytes, fewer if there are no more. */
  async read(into: Uint8Array, offset: number): Promise<number> {
    for (let done = 0; ; ) {
      const { bytesRead } = await readAt(this.#fd, into, done, into.length - done, offset + done);
      done += bytesRead;
      if (bytesRead === 0 || done === into.length) return done;
    }
  }

  /** The bytes from an offset on, in fresh memory. */
  async *pieces(offset: number, end: number): AsyncGenerator<Uint8Array, void, undefined> {
    while (offset < end) {
      const bytes = Buffer.allocUnsafeSlow(Math.min(PIECE, end - offset));
      const count = await this.read(bytes, offset);
      if (count > 0) yield bytes.subarray(0, count);
      if (count < bytes.length) return;
      offset += count;
    }
  }

  close(): Promise<void> {
    return promisify(close)(this.#fd);
  }
}

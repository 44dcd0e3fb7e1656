/**
 * Is the WAL of a range there, and can it be read from end to end? As pg_waldump --quiet finds it, which pg_verifybackup asks.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * @source pg_waldump.c: main, identify_target_directory, search_directory, WALDumpOpenSegment, WALDumpReadPage
 * @source archive_waldump.c: init_archive_reader, get_archive_wal_entry, read_archive_wal_page
 * @source xlogreader.c: XLogFindNextRecord, ReadPageInternal, WALRead
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import { basename } from "node:path";
import type { ManifestWalRange } from "../../files/manifest/types.ts";
import { formatLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { defaultServer, type Server } from "../../kernel/version.ts";
import { isSegmentSize, parseWalFileName, segmentName, segmentOffset } from "../../kernel/wal-names.ts";
import { WalError } from "../../wal/error.ts";
import { walFormat, walFormatOfMagic } from "../../wal/format.ts";
import { checkPageHeader, DEFAULT_PAGE_SIZE, decodeWalPageHeader, LONG_HEADER } from "../../wal/page.ts";
import { WalReader } from "../../wal/reader.ts";
import { verifyBackupCapabilities } from "../capabilities.ts";
import type { ReadableCompression } from "../decompress.ts";
import { strerror } from "../strerror.ts";
import { archiveCompression, WalArchive } from "../wal-archive.ts";
import { binaryPath } from "./paths.ts";
import { isDamage } from "./problems.ts";
import { systemPath } from "./system-path.ts";

/** What pg_waldump says, without its name before. */
export interface WalFault {
  readonly message: string;
  /** It is said of the call. */
  readonly hint?: string | undefined;
  /** The WAL could not be read: it may be good or damaged. */
  readonly isUnknown?: boolean | undefined;
}

export interface WalParsing {
  /** Whose WAL it must be, and whose words are said; undefined takes what the pages say, and the words of the newest. */
  readonly server: Server | undefined;
  readonly breathe: () => Promise<void>;
}

/** How much is read at once: whole pages. */
const BLOCK = 32 * DEFAULT_PAGE_SIZE;

class Fault extends Error implements WalFault {
  readonly hint: string | undefined;
  readonly isUnknown: boolean;

  constructor(message: string, hint?: string, isUnknown = false) {
    super(message);
    this.hint = hint;
    this.isUnknown = isUnknown;
  }
}

/**
 * An error of the file system.
 *
 * @param directory In which the file should be; undefined if the caller named it.
 * @param doing What pg_waldump says before the reason.
 */
function fileFault(error: unknown, directory: string | undefined, doing: string, hint?: string): Fault {
  const isUnknown = directory === undefined || !isDamage(error, directory);
  return new Fault(`${doing}: ${strerror(error)}`, hint, isUnknown);
}

/**
 * Read the WAL of a range. A segment that is missing is not waited for.
 *
 * @param path A directory, or an archive.
 * @param backup The backup that the path belongs to; undefined if the caller named the path.
 * @returns the fault; undefined if the WAL is good.
 */
export async function parseWalRange(
  range: ManifestWalRange,
  path: string,
  backup: string | undefined,
  parsing: WalParsing,
): Promise<WalFault | undefined> {
  try {
    await parse(range, path, backup, parsing);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error;
    throw error;
  }
}

const hint = 'Try "pg_waldump --help" for more information.';

async function parse(
  range: ManifestWalRange,
  path: string,
  backup: string | undefined,
  { server, breathe }: WalParsing,
): Promise<void> {
  const { timeline, startLsn, endLsn } = range;
  const words = server ?? defaultServer;
  const has = verifyBackupCapabilities.of(words);
  // To the program position 0 is none.
  const end: bigint = endLsn === 0n ? 1n << 64n : endLsn;
  const compression = server === undefined || has.verifyBackupWalInTar ? archiveCompression(path) : undefined;
  const file =
    compression === undefined
      ? findSegments(path, backup, range, has.waldumpMessagesOf17)
      : await findArchivedSegments(path, backup, range, compression, breathe);
  const { segmentSize } = file;
  const reader = new WalReader({ server, segmentSize, timeline, pageSize: DEFAULT_PAGE_SIZE });
  /** The last record that was read, once the first one has been found. */
  let last: Lsn | undefined;
  const drain = (): void => {
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      if (last !== undefined || record.lsn >= startLsn) last = record.lsn;
    }
    if (reader.end !== undefined) throw new WalEnded(reader.end.message);
  };
  try {
    let at: bigint = startLsn - (startLsn % BigInt(DEFAULT_PAGE_SIZE));
    const segmentStart = toLsn(startLsn - BigInt(segmentOffset(startLsn, segmentSize)));
    if (at !== segmentStart && end >= segmentStart + BigInt(DEFAULT_PAGE_SIZE)) {
      const { bytes, fault } = file.read(segmentStart, DEFAULT_PAGE_SIZE);
      if (fault !== undefined) throw fault;
      checkFirstPage(bytes, segmentStart, range, segmentSize, server);
    }
    while (at < end) {
      const lsn = toLsn(at);
      const left = end - at < BLOCK ? Number(end - at) : BLOCK;
      const { bytes, fault } = file.read(lsn, Math.min(left, segmentSize - segmentOffset(lsn, segmentSize)));
      reader.push(bytes, lsn);
      drain();
      if (fault !== undefined) throw fault;
      at += BigInt(bytes.length);
      await breathe();
    }
  } catch (error) {
    if (!(error instanceof WalError || error instanceof WalEnded)) throw error;
    if (last !== undefined)
      throw new Fault(`error in WAL record at ${formatLsn(last, { server: words })}: ${error.message}`);
    const reason = has.waldumpFindErrorSaysWhy ? `: ${error.message}` : "";
    throw new Fault(`could not find a valid record after ${formatLsn(startLsn, { server: words })}${reason}`);
  } finally {
    file.close();
  }
  if (last === undefined)
    throw new Fault(`could not find a valid record after ${formatLsn(startLsn, { server: words })}`);
}

/** WAL ends before its range does. */
class WalEnded extends Error {}

/** The segment's first page says whose it is, and is looked at before any other. */
function checkFirstPage(
  bytes: Uint8Array,
  lsn: Lsn,
  { timeline }: ManifestWalRange,
  segmentSize: number,
  server: Server | undefined,
): void {
  const header = decodeWalPageHeader(bytes);
  const format = server === undefined ? (walFormatOfMagic(header.magic) ?? walFormat()) : walFormat({ server });
  checkPageHeader(header, {
    format,
    lsn,
    pageSize: DEFAULT_PAGE_SIZE,
    segmentSize,
    systemIdentifier: undefined,
    latestTimeline: 0,
    fileTimeline: timeline,
    offset: 0,
  });
}

function attempt<T>(what: () => T, directory: string | undefined, doing: string, hint?: string): T {
  try {
    return what();
  } catch (error) {
    throw fileFault(error, directory, doing, hint);
  }
}

function isSegment(name: string): boolean {
  return parseWalFileName(name)?.type === "segment";
}

function filesOf(directory: string): string[] {
  return readdirSync(systemPath(binaryPath(directory)), { encoding: "latin1" });
}

/** Any segment says how large all of them are; if there is none, there may be some in a pg_wal below. */
function findSegments(
  given: string,
  backup: string | undefined,
  { timeline, startLsn }: ManifestWalRange,
  newMessages: boolean,
): Segments {
  const names = attempt(() => filesOf(given), backup, `could not open directory "${given}"`, hint);
  let directory = given;
  let name = names.find(isSegment);
  if (name === undefined) {
    directory = `${given}/pg_wal`;
    let isUnknown = false;
    try {
      name = filesOf(directory).find(isSegment);
    } catch (error) {
      isUnknown = !isDamage(error, given);
    }
    if (name === undefined) throw new Fault("could not find any WAL file", undefined, isUnknown);
  }
  const page = Buffer.alloc(DEFAULT_PAGE_SIZE);
  const open = () => openSync(systemPath(binaryPath(`${directory}/${name}`)), "r");
  const fd = attempt(open, directory, `could not open file "${name}"`);
  try {
    const read = attempt(() => readSync(fd, page, 0, page.length, 0), directory, `could not read file "${name}"`);
    if (read < page.length) throw new Fault(`could not read file "${name}": read ${read} of ${page.length}`);
  } finally {
    closeSync(fd);
  }
  const segmentSize = page.readInt32LE(32);
  if (!isSegmentSize(segmentSize)) {
    const bytes = `${segmentSize} byte${segmentSize === 1 ? "" : "s"}`;
    throw new Fault(
      newMessages
        ? `invalid WAL segment size in WAL file "${name}" (${bytes})`
        : `WAL segment size must be a power of two between 1 MB and 1 GB, but the WAL file "${name}" header specifies ${bytes}`,
    );
  }
  if (startLsn === 0n) throw noStart();
  return new Segments(directory, timeline, segmentSize, newMessages);
}

function noStart(): Fault {
  return new Fault("no start WAL location given", hint);
}

/** Where WAL is read from. */
interface WalSource {
  readonly segmentSize: number;
  /**
   * Read bytes of one segment, into a buffer of their own.
   *
   * @returns the whole pages that were read, and the fault if they are not all.
   */
  read(lsn: Lsn, length: number): { readonly bytes: Uint8Array; readonly fault: Fault | undefined };
  close(): void;
}

/** The segments of a timeline, of which one is open. */
class Segments implements WalSource {
  readonly #directory: string;
  readonly #timeline: number;
  readonly segmentSize: number;
  readonly #quotes: boolean;
  #name = "";
  #fd: number | undefined;

  constructor(directory: string, timeline: number, size: number, quotes: boolean) {
    this.#directory = directory;
    this.#timeline = timeline;
    this.segmentSize = size;
    this.#quotes = quotes;
  }

  read(lsn: Lsn, length: number): { bytes: Uint8Array; fault: Fault | undefined } {
    const fd = this.#open(segmentName(this.#timeline, lsn, this.segmentSize));
    const offset = segmentOffset(lsn, this.segmentSize);
    const bytes = new Uint8Array(length);
    const file = this.#quotes ? `"${this.#name}"` : this.#name;
    let have = 0;
    while (have < length) {
      const at = offset + have;
      const read = attempt(
        () => readSync(fd, bytes, have, length - have, at),
        this.#directory,
        `could not read from file ${file}, offset ${at}`,
      );
      if (read === 0) {
        // The program reads a page at a time, and needs all of it.
        const pages = have - (have % DEFAULT_PAGE_SIZE);
        const wanted = Math.min(DEFAULT_PAGE_SIZE, length - pages) - (have - pages);
        const fault = new Fault(`could not read from file ${file}, offset ${at}: read 0 of ${wanted}`);
        return { bytes: bytes.subarray(0, pages), fault };
      }
      have += read;
    }
    return { bytes, fault: undefined };
  }

  #open(name: string): number {
    if (this.#fd !== undefined && this.#name === name) return this.#fd;
    this.close();
    this.#name = name;
    try {
      this.#fd = openSync(systemPath(binaryPath(`${this.#directory}/${name}`)), "r");
    } catch (error) {
      const doing = (error as NodeJS.ErrnoException).code === "ENOENT" ? "find" : "open";
      throw fileFault(error, this.#directory, `could not ${doing} file "${name}"`);
    }
    return this.#fd;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

/** Find the segments of a range in an archive. */
async function findArchivedSegments(
  path: string,
  backup: string | undefined,
  { timeline, startLsn, endLsn }: ManifestWalRange,
  compression: "none" | ReadableCompression,
  breathe: () => Promise<void>,
): Promise<ArchivedSegments> {
  if (startLsn === 0n) throw noStart();
  let first: string | undefined;
  const last = endLsn === 0n ? (1n << 64n) - 1n : endLsn;
  /** The first segment says how large all are. Sizes are from 1 MB to 1 GB: these names can be in the range. */
  const wants = (name: string): boolean => {
    const file = parseWalFileName(name);
    if (file?.type !== "segment") return false;
    first ??= name;
    if (name === first) return true;
    if (file.timeline !== timeline) return false;
    const high = BigInt(file.log);
    return high >= startLsn >> 32n && high <= last >> 32n;
  };
  const archive = basename(path);
  let wal: WalArchive;
  try {
    wal = await WalArchive.open(path, compression, { wants, breathe });
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    const doing = `could not ${syscall === "open" ? "open" : "read"} file "${archive}"`;
    const fault = fileFault(error, backup, doing);
    throw code === "ENOENT" ? new Fault(doing, undefined, fault.isUnknown) : fault;
  }
  try {
    const long = [...wal.files.values()].find(({ length }) => length >= LONG_HEADER);
    if (long === undefined) throw new Fault(wal.damage ?? `could not find WAL in archive "${archive}"`);
    const header = Buffer.alloc(LONG_HEADER);
    attempt(() => readSync(wal.fd, header, 0, LONG_HEADER, long.offset), undefined, `could not read file "${archive}"`);
    const segmentSize = header.readUInt32LE(32);
    if (!isSegmentSize(segmentSize)) {
      const bytes = `${segmentSize} byte${segmentSize === 1 ? "" : "s"}`;
      throw new Fault(`invalid WAL segment size in WAL file from archive "${archive}" (${bytes})`);
    }
    return new ArchivedSegments(wal, archive, timeline, segmentSize);
  } catch (error) {
    wal.close();
    throw error;
  }
}

class ArchivedSegments implements WalSource {
  readonly #wal: WalArchive;
  readonly #archive: string;
  readonly #timeline: number;
  readonly segmentSize: number;

  constructor(wal: WalArchive, archive: string, timeline: number, segmentSize: number) {
    this.#wal = wal;
    this.#archive = archive;
    this.#timeline = timeline;
    this.segmentSize = segmentSize;
  }

  read(lsn: Lsn, length: number): { bytes: Uint8Array; fault: Fault | undefined } {
    const name = segmentName(this.#timeline, lsn, this.segmentSize);
    const where = `in archive "${this.#archive}"`;
    const file = this.#wal.files.get(name);
    if (file === undefined) throw new Fault(this.#wal.damage ?? `could not find WAL "${name}" ${where}`);
    const at = segmentOffset(lsn, this.segmentSize);
    const there = Math.max(0, Math.min(length, file.length - at));
    const bytes = new Uint8Array(there);
    const doing = `could not read file "${this.#archive}"`;
    if (attempt(() => readSync(this.#wal.fd, bytes, 0, there, file.offset + at), undefined, doing) !== there)
      throw new Fault(doing);
    if (there === length) return { bytes, fault: undefined };
    // The program reads a page at a time, and needs all of it.
    const pages = there - (there % DEFAULT_PAGE_SIZE);
    const wanted = Math.min(DEFAULT_PAGE_SIZE, length - pages);
    const read = `read ${there - pages} of ${wanted} bytes`;
    const fault = new Fault(this.#wal.damage ?? `WAL segment "${name}" ${where} is too short: ${read}`);
    return { bytes: bytes.subarray(0, pages), fault };
  }

  close(): void {
    this.#wal.close();
  }
}

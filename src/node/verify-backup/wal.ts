/**
 * Is the WAL of a range there, and can it be read from end to end? As pg_waldump --quiet finds it, which pg_verifybackup asks.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * @source pg_waldump.c: main, identify_target_directory, search_directory, WALDumpOpenSegment, WALDumpReadPage
 * @source xlogreader.c: XLogFindNextRecord, ReadPageInternal, WALRead
 */
import { closeSync, openSync, readdirSync, readSync } from "node:fs";
import type { ManifestWalRange } from "../../files/manifest/types.ts";
import { formatLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { defaultServer, type Server } from "../../kernel/version.ts";
import { isSegmentSize, segmentName, segmentOffset } from "../../kernel/wal-names.ts";
import { WalError } from "../../wal/error.ts";
import { walFormat, walFormatOfMagic } from "../../wal/format.ts";
import { checkPageHeader, DEFAULT_PAGE_SIZE, decodeWalPageHeader } from "../../wal/page.ts";
import { WalReader } from "../../wal/reader.ts";
import { verifyBackupCapabilities } from "../capabilities.ts";
import { binaryPath, systemPath } from "./paths.ts";
import { strerror } from "./problems.ts";

/** What pg_waldump says, without its name before. */
export interface WalFault {
  readonly message: string;
  /** It is said of the call. */
  readonly hint?: string | undefined;
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

  constructor(message: string, hint?: string) {
    super(message);
    this.hint = hint;
  }
}

/** What is wrong with the WAL of a range; undefined if it is good. A segment that is not there is not waited for. */
export async function parseWalRange(
  range: ManifestWalRange,
  directory: string,
  parsing: WalParsing,
): Promise<WalFault | undefined> {
  try {
    await parse(range, directory, parsing);
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return { message: error.message, hint: error.hint };
    throw error;
  }
}

const hint = 'Try "pg_waldump --help" for more information.';

async function parse(range: ManifestWalRange, given: string, { server, breathe }: WalParsing): Promise<void> {
  const { timeline, startLsn, endLsn } = range;
  const words = server ?? defaultServer;
  const has = verifyBackupCapabilities.of(words);
  const names = attempt(
    () => filesOf(given),
    (why) => new Fault(`could not open directory "${given}": ${why}`, hint),
  );
  const { directory, segmentSize } = findWal(given, names, has.waldumpMessagesOf17);
  if (startLsn === 0n) throw new Fault("no start WAL location given", hint);

  // To the program position 0 is none.
  const end: bigint = endLsn === 0n ? 1n << 64n : endLsn;
  const file = new Segments(directory, timeline, segmentSize, has.waldumpMessagesOf17);
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

function attempt<T>(what: () => T, fault: (why: string) => Fault): T {
  try {
    return what();
  } catch (error) {
    throw fault(strerror(error));
  }
}

function filesOf(directory: string): string[] {
  return readdirSync(systemPath(binaryPath(directory)), { encoding: "latin1" });
}

/** Any segment says how large all of them are; if there is none, there may be some in a pg_wal below. */
function findWal(given: string, names: readonly string[], newMessages: boolean) {
  const isSegment = (name: string): boolean => /^[0-9A-F]{24}$/.test(name);
  let directory = given;
  let name = names.find(isSegment);
  if (name === undefined) {
    directory = `${given}/pg_wal`;
    try {
      name = filesOf(directory).find(isSegment);
    } catch (error) {
      // Without that directory there is no segment; what is no error of the file system goes on.
      strerror(error);
    }
  }
  if (name === undefined) throw new Fault("could not find any WAL file");
  const page = Buffer.alloc(DEFAULT_PAGE_SIZE);
  const fd = attempt(
    () => openSync(systemPath(binaryPath(`${directory}/${name}`)), "r"),
    (why) => new Fault(`could not open file "${name}": ${why}`),
  );
  try {
    const read = attempt(
      () => readSync(fd, page, 0, page.length, 0),
      (why) => new Fault(`could not read file "${name}": ${why}`),
    );
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
  return { directory, segmentSize };
}

/** The segments of a timeline, of which one is open. */
class Segments {
  readonly #directory: string;
  readonly #timeline: number;
  readonly #size: number;
  readonly #quotes: boolean;
  #name = "";
  #fd: number | undefined;

  constructor(directory: string, timeline: number, size: number, quotes: boolean) {
    this.#directory = directory;
    this.#timeline = timeline;
    this.#size = size;
    this.#quotes = quotes;
  }

  /**
   * So many bytes, in one segment, in a buffer of their own.
   *
   * @returns whole pages of what is there, and what is wrong if that is not all.
   */
  read(lsn: Lsn, length: number): { bytes: Uint8Array; fault: Fault | undefined } {
    const fd = this.#open(segmentName(this.#timeline, lsn, this.#size));
    const offset = segmentOffset(lsn, this.#size);
    const bytes = new Uint8Array(length);
    const file = this.#quotes ? `"${this.#name}"` : this.#name;
    let have = 0;
    while (have < length) {
      const at = offset + have;
      const read = attempt(
        () => readSync(fd, bytes, have, length - have, at),
        (why) => new Fault(`could not read from file ${file}, offset ${at}: ${why}`),
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
      throw new Fault(`could not ${doing} file "${name}": ${strerror(error)}`);
    }
    return this.#fd;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}

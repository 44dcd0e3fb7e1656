/**
 * Where the WAL in a directory ends, so that receiving goes on from there.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_receivewal.c: FindStreamingStart
 */
import { createReadStream } from "node:fs";
import { open, readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../../kernel/errors.ts";
import { formatLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { isSegmentSize, parseSegmentName } from "../../kernel/wal-names.ts";
import { decodeWalPageHeader } from "../../wal/page.ts";
import { decompress } from "../decompress.ts";
import { strerror } from "../strerror.ts";

/** The bytes of a long page header, which each segment begins with. */
const LONG_HEADER = 40;

/** A file of WAL, by its name. */
interface Candidate {
  readonly name: string;
  readonly timeline: number;
  readonly number: bigint;
  readonly start: Lsn | undefined;
  readonly compression: "none" | "gzip" | "lz4";
  readonly isPartial: boolean;
}

/** What the files have to be of. */
export interface ExpectedWal {
  /** The cluster. */
  readonly systemIdentifier: bigint;
  /** The size of its segments, in bytes. */
  readonly segmentSize: number;
}

/** Where to go on. */
export interface StreamingStart {
  /** The beginning of a segment. */
  readonly lsn: Lsn;
  /** The timeline of the last segment. */
  readonly timeline: number;
}

/**
 * Find the end of the last segment of a directory: of the highest number, and of the highest timeline among those. A segment that is
 * not complete begins anew. Segments of the wrong size are passed over.
 *
 * @param onSkipped Called with pg_receivewal's warning.
 * @returns undefined if there is no segment.
 * @throws FileError FILE_SYSTEM if the directory or a file cannot be read; BAD_FILE for a file of another cluster or segment size.
 */
export async function findStreamingStart(
  directory: string,
  expected: ExpectedWal,
  onSkipped: (message: string) => void,
): Promise<StreamingStart | undefined> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw failure(directory, `could not open directory "${directory}"`, error);
  }
  const candidates = names.flatMap((name) => candidateOf(name, expected.segmentSize)).sort(lastFirst);
  for (const candidate of candidates) {
    const path = join(directory, candidate.name);
    await mustNotBlock(path, candidate);
    const problem = candidate.isPartial ? undefined : await sizeProblem(path, candidate, expected.segmentSize);
    const header = await headerOf(path, candidate);
    checkHeader(candidate, header, expected, problem !== undefined);
    if (problem !== undefined) {
      onSkipped(problem);
      continue;
    }
    const { start, timeline, isPartial } = candidate;
    if (candidate.number === 0n) break;
    const lsn = start === undefined ? undefined : isPartial ? start : start + BigInt(expected.segmentSize);
    if (lsn === undefined || lsn >= 2n ** 64n) {
      throw badFile(candidate, `segment file "${candidate.name}" is behind the last position that there is`);
    }
    return { lsn: toLsn(lsn), timeline };
  }
  return undefined;
}

function candidateOf(name: string, segmentSize: number): Candidate[] {
  const [, digits, suffix, partial] = /^([0-9A-F]{24})(\.gz|\.lz4)?(\.partial)?$/.exec(name) ?? [];
  const segment = digits === undefined ? undefined : parseSegmentName(digits, segmentSize);
  if (segment === undefined) return [];
  const compression = suffix === ".gz" ? "gzip" : suffix === ".lz4" ? "lz4" : "none";
  return [{ name, ...segment, compression, isPartial: partial !== undefined }];
}

function lastFirst(a: Candidate, b: Candidate): number {
  if (a.number !== b.number) return a.number < b.number ? 1 : -1;
  if (a.timeline !== b.timeline) return b.timeline - a.timeline;
  return Number(a.isPartial) - Number(b.isPartial);
}

/** Why a complete segment is passed over. */
async function sizeProblem(
  path: string,
  { name, compression }: Candidate,
  segmentSize: number,
): Promise<string | undefined> {
  const size = await uncompressedSize(path, compression, segmentSize);
  if (size === segmentSize) return undefined;
  return compression === "none"
    ? `segment file "${name}" has incorrect size ${size}, skipping`
    : `compressed segment file "${name}" has incorrect uncompressed size ${size}, skipping`;
}

/** Opening a pipe waits for its other end. */
async function mustNotBlock(path: string, candidate: Candidate): Promise<void> {
  try {
    const file = await stat(path);
    if (file.isFile() || file.isDirectory()) return;
  } catch (error) {
    throw failure(path, `could not stat file "${path}"`, error);
  }
  throw badFile(candidate, `"${candidate.name}" is not a regular file: remove it, or use another directory`);
}

async function uncompressedSize(path: string, compression: Candidate["compression"], limit: number): Promise<number> {
  try {
    if (compression === "none") return (await stat(path)).size;
  } catch (error) {
    throw failure(path, `could not stat file "${path}"`, error);
  }
  if (compression === "gzip") return gzipSize(path);
  let size = 0;
  try {
    for await (const bytes of decompress(createReadStream(path), compression)) {
      size += bytes.length;
      if (size > limit) break;
    }
  } catch (error) {
    throw unreadable(path, error);
  }
  return size;
}

/** The last four bytes of a gzip file have the size of what was compressed. RFC 1952, section 2.3.1 */
async function gzipSize(path: string): Promise<number> {
  try {
    const handle = await open(path, "r");
    try {
      const { size } = await handle.stat();
      if (size < 4)
        throw new FileError(path, `could not seek in compressed file "${path}": Invalid argument`, "BAD_FILE");
      const { buffer } = await handle.read(Buffer.alloc(4), 0, 4, size - 4);
      return buffer.readUInt32LE();
    } finally {
      await handle.close();
    }
  } catch (error) {
    throw failure(path, `could not open compressed file "${path}"`, error);
  }
}

/** The first bytes of a segment: fewer than a header if there are no more. */
async function headerOf(path: string, { compression }: Candidate): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  try {
    // As much as a compressed file needs for its first block.
    const file = createReadStream(path);
    for await (const bytes of compression === "none" ? file : decompress(file, compression)) {
      parts.push(bytes.subarray(0, LONG_HEADER - length));
      length += parts.at(-1)!.length;
      if (length === LONG_HEADER) break;
    }
  } catch (error) {
    // The end of an incomplete file that is compressed; what came before it is there.
    if (compression === "none") throw failure(path, `could not read file "${path}"`, error);
  }
  return Buffer.concat(parts);
}

/**
 * What the first page of a segment says of the cluster. An incomplete segment of zeros says nothing: nothing was received for it. A complete
 * one has lost what was received, as a crash of the machine does to files that are not flushed; pg_receivewal takes it for WAL.
 */
function checkHeader(
  candidate: Candidate,
  bytes: Uint8Array,
  { systemIdentifier, segmentSize }: ExpectedWal,
  isSkipped: boolean,
): void {
  const { name, start, isPartial } = candidate;
  const isEmpty = bytes.every((byte) => byte === 0);
  if (bytes.length === LONG_HEADER && isEmpty && !isPartial && !isSkipped) {
    throw badFile(
      candidate,
      `segment file "${name}" has only zeros where WAL begins: remove it, or use another directory`,
    );
  }
  if (bytes.length < LONG_HEADER || isEmpty) return;
  const { long, pageAddress } = decodeWalPageHeader(bytes);
  if (long !== undefined && long.segmentSize !== segmentSize && isSegmentSize(long.segmentSize)) {
    throw badFile(
      candidate,
      `segment file "${name}" is of a cluster whose segments have ${long.segmentSize} bytes, and those of the server have ${segmentSize}: use another directory`,
    );
  }
  if (isSkipped) return;
  if (long === undefined || pageAddress !== start) {
    const found = long === undefined ? "no header of a segment" : `the header of position ${formatLsn(pageAddress)}`;
    throw badFile(candidate, `segment file "${name}" begins with ${found}: remove it, or use another directory`);
  }
  if (long.systemIdentifier !== systemIdentifier) {
    throw badFile(
      candidate,
      `segment file "${name}" is of the cluster with system identifier ${long.systemIdentifier}, and the server is of ${systemIdentifier}: use another directory`,
    );
  }
}

function badFile({ name }: Candidate, message: string): FileError {
  return new FileError(name, message, "BAD_FILE");
}

function unreadable(path: string, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).syscall !== undefined)
    return failure(path, `could not open file "${path}"`, cause);
  return new FileError(path, `could not decompress file "${path}": ${(cause as Error).message}`, "BAD_FILE", { cause });
}

function failure(path: string, what: string, cause: unknown): unknown {
  if ((cause as NodeJS.ErrnoException).syscall === undefined) return cause;
  return new FileError(path, `${what}: ${strerror(cause)}`, "FILE_SYSTEM", { cause });
}

/** The files of a directory of WAL, by their names and first bytes. */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { FileError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { entryOf } from "../../../kernel/maps.ts";
import { isSegmentSize, parseSegmentName, parseWalFileName } from "../../../kernel/wal-names.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { decodeWalPageHeader, isPageSize, LONG_HEADER } from "../../../wal/page.ts";
import { decompress, type ReadableCompression } from "../../decompress.ts";
import { strerror } from "../../strerror.ts";
import type { SegmentName, WalIdentity } from "./segment-file.ts";

const suffixes: Readonly<Record<string, ReadableCompression>> = { ".gz": "gzip", ".lz4": "lz4", ".zst": "zstd" };

/** Bytes of a history file, of which no more are read. */
const SMALL = 1024 * 1024;

interface Split {
  readonly base: string;
  readonly compression: ReadableCompression | undefined;
}

function split(name: string): Split {
  const suffix = /\.(?:gz|lz4|zst)$/.exec(name)?.[0] ?? "";
  return { base: name.slice(0, name.length - suffix.length), compression: suffixes[suffix] };
}

/** What the names of a directory say: one file for each segment of a timeline, the best, and the histories. */
export function walNames(
  names: readonly string[],
  segmentSize: number,
): {
  readonly segments: Map<bigint, Map<number, SegmentName>>;
  readonly histories: ReadonlyMap<number, string>;
} {
  const segments = new Map<bigint, Map<number, SegmentName>>();
  const histories = new Map<number, string>();
  for (const name of names) {
    const { base, compression } = split(name);
    const file = parseWalFileName(base);
    if (file?.type === "history" && file.timeline > 0) {
      if (compression === undefined || !histories.has(file.timeline)) histories.set(file.timeline, name);
    }
    // A compressed file in the making is `.gz.partial`, and not read.
    const isPartial = file?.type === "partial";
    if (file?.type !== "segment" && (!isPartial || compression !== undefined)) continue;
    const segment = parseSegmentName(base.slice(0, 24), segmentSize);
    if (segment?.start === undefined || segment.timeline === 0) continue;
    const { timeline, number, start } = segment;
    const byTimeline = entryOf(segments, number, () => new Map<number, SegmentName>());
    const rank = (each: Pick<SegmentName, "isPartial" | "compression">): number =>
      each.isPartial ? 2 : each.compression === undefined ? 0 : 1;
    const one: SegmentName = { name, timeline, start, isPartial, compression };
    const other = byTimeline.get(timeline);
    if (other === undefined || rank(one) < rank(other)) byTimeline.set(timeline, one);
  }
  return { segments, histories };
}

/**
 * What the newest segment says that is one.
 *
 * @throws FileError FILE_SYSTEM; BAD_FILE if there is none
 */
export async function readIdentity(directory: string): Promise<WalIdentity> {
  let names: string[];
  try {
    names = await readdir(directory);
  } catch (error) {
    throw failure(directory, `could not open directory "${directory}"`, error);
  }
  let problem: FileError | undefined;
  const files = names.filter((name) => /^[0-9A-F]{24}(?:\.partial|\.gz|\.lz4|\.zst)?$/.test(name));
  // By position, then by timeline.
  const order = (name: string): string => name.slice(8, 24) + name.slice(0, 8);
  for (const name of files.sort((a, b) => (order(a) < order(b) ? 1 : -1))) {
    const head = await readHead(directory, name, LONG_HEADER);
    if (head.every((byte) => byte === 0)) continue;
    const found = identityOf(name, head);
    if (typeof found !== "string") return found;
    problem ??= new FileError(join(directory, name), `segment file "${name}" ${found}`, "BAD_FILE");
  }
  throw problem ?? new FileError(directory, `directory "${directory}" has no WAL`, "BAD_FILE");
}

/** @returns why it is not a segment's header */
function identityOf(name: string, head: Uint8Array): WalIdentity | string {
  if (head.length < LONG_HEADER) return `has ${head.length} bytes, expected a header of ${LONG_HEADER}`;
  const { magic, long, pageAddress } = decodeWalPageHeader(head);
  const format = walFormatOfMagic(magic);
  if (format === undefined || long === undefined) return "does not begin with the header of a segment";
  const { systemIdentifier, segmentSize, pageSize } = long;
  if (!isSegmentSize(segmentSize)) return `says that segments have ${segmentSize} bytes`;
  if (!isPageSize(pageSize)) return `says that pages have ${pageSize} bytes`;
  if (parseSegmentName(name.slice(0, 24), segmentSize)?.start !== pageAddress) {
    return `begins with the header of position ${formatLsn(pageAddress)}`;
  }
  return { systemIdentifier, segmentSize, pageSize, server: format.server };
}

/** The contents of a small file, unpacked. @throws FileError */
export async function readSmall(directory: string, name: string): Promise<Uint8Array> {
  const bytes = await readHead(directory, name, SMALL + 1);
  if (bytes.length <= SMALL) return bytes;
  throw new FileError(join(directory, name), `file "${name}" has more than ${SMALL} bytes`, "BAD_FILE");
}

/** The first bytes of a file, unpacked: fewer if it has no more. @throws FileError */
async function readHead(directory: string, name: string, length: number): Promise<Uint8Array> {
  const path = join(directory, name);
  const { compression } = split(name);
  const parts: Uint8Array[] = [];
  let got = 0;
  try {
    // Opening a pipe would wait for its other end.
    if (!(await stat(path)).isFile()) throw new FileError(path, `"${name}" is not a regular file`, "BAD_FILE");
    const file = createReadStream(path);
    for await (const bytes of compression === undefined ? file : decompress(file, compression)) {
      parts.push(bytes.subarray(0, length - got));
      got += parts.at(-1)!.length;
      if (got === length) break;
    }
  } catch (error) {
    if (error instanceof FileError) throw error;
    if ((error as NodeJS.ErrnoException).syscall !== undefined)
      throw failure(path, `could not open file "${name}"`, error);
    const message = `could not decompress file "${name}": ${(error as Error).message}`;
    throw new FileError(path, message, "BAD_FILE", { cause: error });
  }
  return Buffer.concat(parts);
}

function failure(path: string, what: string, cause: unknown): FileError {
  return new FileError(path, `${what}: ${strerror(cause)}`, "FILE_SYSTEM", { cause });
}

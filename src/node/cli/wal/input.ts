/**
 * The input of `walwire wal`: segments, alone or in a directory such as pg_wal, and recorded physical streams, as pieces of WAL with their
 * positions.
 */
import { createReadStream } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";
import { decodeWalSenderMessage } from "../../../generated/physical.ts";
import { ArgumentError, DecodeError, ParseError } from "../../../kernel/errors.ts";
import { type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { defaultSegmentSize, isSegmentSize, parseWalFileName } from "../../../kernel/wal-names.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { DEFAULT_PAGE_SIZE, decodeWalPageHeader, isPageSize, LONG_HEADER } from "../../../wal/page.ts";
import {
  type SelectedWalSegment,
  selectWalSegments,
  unpackedName,
  type WalFile,
  type WalSelection,
  type WalTimeline,
} from "../../../wal/timeline.ts";
import { archiveCompression, WalArchive } from "../../wal-archive.ts";
import { type FilePart, name, openSource, partOf, payloadsOf } from "../decode/input.ts";
import { fileError } from "../shared/file-error.ts";
import { InputError, UsageError } from "../shared/usage.ts";
import { type Contents, contentsOf } from "./contents.ts";

/** Bytes of WAL that follow each other. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Where they begin; undefined if that is where those before them end. */
  readonly lsn: Lsn | undefined;
  /** They begin with the header of a page, which says where it is. */
  readonly beginsPage: boolean;
}

export interface WalInput {
  /** Its name for people. */
  readonly name: string;
  /** The kind of the file, by its first bytes. A file that is not WAL has no pieces. */
  readonly contents: Contents;
  /** Where the pieces begin in WAL, by the name of the file or, without one, by its first page. */
  readonly lsn: Lsn;
  readonly pieces: AsyncIterable<Piece>;
  /** The part of the file that was read, 0 to 1; undefined if that is unknown. */
  readonly progress: () => number | undefined;
  /** The file is not read, or not to its end. */
  readonly close: () => void;
}

/** A file whose name says that it belongs to pg_wal. */
export interface NamedFile extends WalFile {
  readonly path: string;
  /** Its bytes, if it is in an archive. */
  readonly part?: FilePart | undefined;
}

/** A file that is not read, and why. */
export interface PassedOver {
  readonly path: string;
  readonly message: string;
  /** It is an archive that is damaged; segments before the damage are read. */
  readonly isDamaged?: boolean;
}

/** All that is to be read, in order. */
export interface WalInputs {
  readonly segments: readonly SelectedWalSegment<NamedFile>[];
  readonly segmentSize: number;
  /** The timelines of the history that is followed. */
  readonly timelines: readonly number[];
  /** Streams, pages and standard input, in the order in which they were given; they come after the segments. */
  readonly others: readonly string[];
  readonly passedOver: readonly PassedOver[];
}

/** Where to look for WAL: paths, or, as pg_waldump has it, a directory and in it perhaps the first and the last segment. */
export interface WalPlaces {
  readonly paths: readonly string[];
  readonly range: readonly [first: string, last: string] | undefined;
}

/** @throws UsageError for names that are not segments of the directory. */
export function placesOf(paths: readonly string[], directory: string | undefined): WalPlaces {
  if (directory === undefined) return { paths, range: undefined };
  const [first, last = first, ...more] = paths;
  if (more.length > 0) throw new UsageError("--path: expected the first and the last segment, got more FILEs");
  if (first === undefined) return { paths: [directory], range: undefined };
  for (const each of [first, last!]) {
    if (parseWalFileName(each)?.type !== "segment") {
      throw new UsageError(`--path: expected the name of a segment in it, got ${JSON.stringify(each)}`);
    }
  }
  if (last!.slice(8) < first.slice(8)) throw new UsageError(`ENDSEG ${last} is before STARTSEG ${first}`);
  return { paths: [directory], range: [first, last!] };
}

/**
 * Find the WAL that these paths lead to: files, and directories of files.
 *
 * @throws InputError if one of them is missing, or there is no WAL at all.
 */
export async function findWal(
  { paths, range }: WalPlaces,
  options: {
    readonly server: number | undefined;
    readonly timeline: WalTimeline | undefined;
    readonly start: Lsn | undefined;
    readonly partial: boolean;
    /** The next segment is not there yet: find nothing instead of throwing. */
    readonly mayBeMissing?: boolean;
  },
): Promise<WalInputs> {
  const { named: all, others, passedOver } = await collect(paths);
  const named = range === undefined ? all : inRange(all, range);
  const { segmentSize, server } = await firstHeader(named);
  const files = await Promise.all(named.map(withContent));
  let selection: WalSelection<NamedFile>;
  try {
    // pg_waldump follows the timeline in the name of the first segment.
    const { timeline = range === undefined ? undefined : Number.parseInt(range[0].slice(0, 8), 16) } = options;
    selection = selectWalSegments(files, { ...options, timeline, server: options.server ?? server, segmentSize });
  } catch (error) {
    if (error instanceof ArgumentError || error instanceof ParseError) throw new InputError(error.message);
    throw error;
  }
  const { segments, history } = selection;
  for (const { file, message } of selection.passedOver) passedOver.push({ path: file.path, message });
  if (segments.length === 0 && others.length === 0 && options.mayBeMissing !== true) {
    const [first] = passedOver;
    const more = passedOver.length > 1 ? `, and ${passedOver.length - 1} more` : "";
    const why = first === undefined ? "" : `: passed over ${name(first.path)} (${first.message})${more}`;
    throw new InputError(`there is no WAL to read${why}`);
  }
  return { segments, segmentSize, timelines: history.map(({ tli }) => tli), others, passedOver };
}

/** @throws InputError with pg_waldump's words if the first or the last is not there. */
function inRange(files: readonly NamedFile[], range: readonly [string, string]): NamedFile[] {
  const [first, last] = range;
  for (const each of range) {
    if (!files.some((file) => unpackedName(file.name) === each)) {
      throw new InputError(`could not locate WAL file "${each}"`);
    }
  }
  return files.filter(({ name: file }) => {
    const segment = file.slice(8, 24);
    return unpackedName(file).endsWith(".history") || (segment >= first.slice(8) && segment <= last.slice(8));
  });
}

interface Collected {
  readonly named: NamedFile[];
  readonly others: string[];
  readonly passedOver: PassedOver[];
}

async function collect(paths: readonly string[]): Promise<Collected> {
  const all: Collected = { named: [], others: [], passedOver: [] };
  for (const path of paths) {
    if (path === "-") {
      all.others.push(path);
    } else if (await isDirectory(path)) {
      await collectDirectory(path, all);
    } else if (isWalName(basename(path))) {
      all.named.push({ name: basename(path), path });
    } else if (isArchive(path)) {
      await collectArchive(path, all);
    } else {
      all.others.push(path);
    }
  }
  return all;
}

export function isArchive(path: string): boolean {
  return archiveCompression(path) !== undefined;
}

/** pg_wal.tar or base.tar of a base backup, or another archive of segments. */
async function collectArchive(path: string, all: Collected): Promise<void> {
  let archive: WalArchive;
  try {
    archive = await WalArchive.open(path, archiveCompression(path)!, { wants: isWalName, breathe: async () => {} });
  } catch (error) {
    throw fileError(path, error);
  }
  const { fd, files, damage } = archive;
  for (const [name, { offset, length }] of files) {
    all.named.push({ name, path: join(path, name), part: { fd, offset, length } });
  }
  if (damage !== undefined) all.passedOver.push({ path, message: damage, isDamaged: true });
  else if (files.size === 0) all.passedOver.push({ path, message: "an archive without WAL segments" });
}

async function isDirectory(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch (error) {
    throw fileError(path, error);
  }
}

function isWalName(file: string): boolean {
  return parseWalFileName(unpackedName(file)) !== undefined;
}

/** A directory of segments, or, as pg_waldump has it, one whose pg_wal has them. */
async function collectDirectory(path: string, all: Collected): Promise<void> {
  const entries = await listed(path);
  if (!entries.some((entry) => isWalName(entry.name))) {
    const inside = entries.find((entry) => entry.name === "pg_wal" || entry.name === "pg_xlog");
    if (inside !== undefined) return collectDirectory(join(path, inside.name), all);
    all.passedOver.push({ path, message: "a directory without WAL segments" });
    return;
  }
  for (const entry of entries) {
    const file = join(path, entry.name);
    if (entry.isDirectory()) all.passedOver.push({ path: file, message: "a directory" });
    // Opening a FIFO would wait for a writer.
    else if (!(await isRegular(file))) all.passedOver.push({ path: file, message: "not a regular file" });
    else if (isWalName(entry.name)) all.named.push({ name: entry.name, path: file });
    else all.passedOver.push({ path: file, message: "its name is not that of a WAL segment" });
  }
}

async function isRegular(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    // A symbolic link that leads nowhere.
    return false;
  }
}

async function listed(path: string) {
  try {
    const entries = await readdir(path, { withFileTypes: true });
    return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
  } catch (error) {
    throw fileError(path, error);
  }
}

/** No server writes a longer history. */
const MAX_HISTORY = 1024 * 1024;

async function withContent(file: NamedFile): Promise<NamedFile> {
  if (parseWalFileName(unpackedName(file.name))?.type !== "history") return file;
  const { chunks } = await openSource(file.path, "wal", file.part);
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    length += chunk.length;
    if (length > MAX_HISTORY)
      throw new InputError(`${name(file.path)} is too long for a timeline history: more than 1 MB`);
  }
  return { ...file, content: Buffer.concat(pieces) };
}

/** The segment size and the server, from the first segment with a long header. */
async function firstHeader(
  files: readonly NamedFile[],
): Promise<{ readonly segmentSize: number; readonly server: number | undefined }> {
  for (const file of files) {
    const type = parseWalFileName(unpackedName(file.name))?.type;
    if (type !== "segment" && type !== "partial") continue;
    const { chunks, close } = await openSource(file.path, "wal", file.part);
    const { head } = await headOf(chunks, LONG_HEADER);
    close();
    const format = head.length < LONG_HEADER ? undefined : walFormatOfMagic(head[0]! | (head[1]! << 8));
    const long = format === undefined ? undefined : decodeWalPageHeader(head).long;
    if (long !== undefined && isSegmentSize(long.segmentSize) && isPageSize(long.pageSize)) {
      return { segmentSize: long.segmentSize, server: format!.server };
    }
  }
  // A segment whose header is damaged may still have its length.
  for (const file of files) {
    if (parseWalFileName(file.name)?.type !== "segment") continue;
    const size = file.part?.length ?? (await stat(file.path)).size;
    if (isSegmentSize(size)) return { segmentSize: size, server: undefined };
  }
  return { segmentSize: defaultSegmentSize, server: undefined };
}

/** The first bytes of a stream, fewer only if it ends before, and all of it. */
async function headOf(
  chunks: AsyncIterable<Uint8Array>,
  length: number,
): Promise<{ readonly head: Uint8Array; readonly rest: AsyncIterable<Uint8Array> }> {
  const iterator = chunks[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  while (head.length < length) {
    const { done, value } = await iterator.next();
    if (done) break;
    head = head.length === 0 ? value : Buffer.concat([head, value]);
  }
  async function* rest(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      yield* { [Symbol.asyncIterator]: () => iterator };
    } finally {
      await iterator.return?.();
    }
  }
  return { head: head.subarray(0, length), rest: rest() };
}

/**
 * Open a segment: its position is the one in its name, and bytes behind its end are not read.
 *
 * @param resume Begin with the page that holds this position, if the file is not compressed.
 */
export async function openSegment(
  { file, start }: SelectedWalSegment<NamedFile>,
  size: number,
  resume: Lsn | undefined,
): Promise<WalInput> {
  const skipped = resume === undefined || resume <= start ? 0n : resume - start - (resume % BigInt(DEFAULT_PAGE_SIZE));
  if (skipped > 0n && unpackedName(file.name) === file.name) {
    const from = Number(skipped);
    const raw = file.part === undefined ? createReadStream(file.path, { start: from }) : partOf(file.part, from);
    const { head, rest } = await headOf(raw, LONG_HEADER);
    const lsn = toLsn(start + skipped);
    const pieces = segment(rest, lsn, size - Number(skipped));
    const opened = { progress: () => undefined, close: () => raw.destroy() };
    return { name: name(file.path), contents: contentsOf(head), lsn, pieces, ...opened };
  }
  const { chunks, progress, close } = await openSource(file.path, "wal", file.part);
  const { head, rest } = await headOf(chunks, LONG_HEADER);
  const pieces = segment(rest, start, size);
  return { name: name(file.path), contents: contentsOf(head), lsn: start, pieces, progress, close };
}

/**
 * Open a file whose name says nothing: pages of WAL, or payloads of CopyData, each after its length. Either may be packed.
 *
 * @param path - for standard input.
 * @throws InputError if it cannot be opened.
 */
export async function openWal(path: string): Promise<WalInput> {
  const { chunks, progress, close } = await openSource(path, "wal");
  const { head, rest } = await headOf(chunks, LONG_HEADER);
  const contents = contentsOf(head);
  const lsn = contents.kind === "pages" ? contents.pageAddress : toLsn(0n);
  const pieces = contents.kind === "stream" ? stream(rest) : segment(rest, lsn, undefined);
  return { name: name(path), contents, lsn, pieces, progress, close };
}

async function* segment(chunks: AsyncIterable<Uint8Array>, lsn: Lsn, size: number | undefined): AsyncGenerator<Piece> {
  let at = 0;
  for await (const bytes of chunks) {
    const left = size === undefined ? bytes.length : size - at;
    if (left <= 0) return;
    yield { bytes: bytes.subarray(0, left), lsn: at === 0 ? lsn : undefined, beginsPage: at === 0 };
    at += bytes.length;
  }
}

async function* stream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  for await (const batch of payloadsOf(chunks)) {
    for (const item of batch) {
      if ("unreadable" in item) throw new InputError(item.unreadable.message);
      const where = `message ${item.number.toLocaleString("en")}, which begins at byte ${item.offset.toLocaleString("en")}`;
      try {
        const message = decodeWalSenderMessage(item.bytes);
        if (message.type === "XLogData") yield { bytes: message.data, lsn: message.dataStart, beginsPage: false };
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        throw new InputError(`${where}: ${error.message}`);
      }
    }
  }
}

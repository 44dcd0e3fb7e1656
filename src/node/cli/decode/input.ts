/**
 * The input of `walwire decode`: a file as a stream, unpacked, and cut into messages. Only the message that is being put together is kept
 * in memory.
 *
 * A file holds payloads of CopyData, each after its length, or lines as psql prints what pg_logical_slot_get_binary_changes gives.
 */
import { createReadStream, open, type ReadStream, read, type Stats } from "node:fs";
import { stat } from "node:fs/promises";
import { Readable } from "node:stream";
import { DecodeError } from "../../../kernel/errors.ts";
import { type Lsn, parseLsn } from "../../../kernel/lsn.ts";
import { MAX_ALLOC_SIZE } from "../../../wire/check.ts";
import { bytesOf } from "../../../wire/reader.ts";
import {
  compressionOf,
  decompress,
  decompressCommand,
  isReadable,
  type ReadableCompression,
} from "../../decompress.ts";
import { fileError } from "../shared/file-error.ts";
import { printable } from "../shared/people.ts";
import { InputError, UnseenError } from "../shared/usage.ts";

/** One message of a file. */
export interface Item {
  /** 1 for the first message of the file. */
  readonly number: number;
  /** Where it begins in the file, unpacked, in bytes: its length, or its line. */
  readonly offset: number;
  /** The payload of CopyData; of a row of a slot function, the message of the output plugin alone. */
  readonly bytes: Uint8Array;
  /** The other columns of the row, if it is one. */
  readonly row?: Readonly<Row>;
}

/** A place from which the file, or this line of it, cannot be read. */
export interface Unreadable {
  /** Where; or, if that is unknown, where the last message before it begins. */
  readonly offset: number;
  readonly unreadable: DecodeError;
}

/** The form of the messages in a file. */
export type Form = "payloads" | "rows";

export interface Input {
  readonly form: Form;
  /** The messages that each chunk of the file completes, in order. */
  readonly batches: AsyncIterable<readonly (Item | Unreadable)[]>;
  /** The part of the file that was read, 0 to 1; undefined if that is unknown. */
  readonly progress: () => number | undefined;
}

/** A file that has been opened, unpacked if it is packed. */
export interface Source {
  /** The file's name; - is standard input. */
  readonly path: string;
  /** Its first bytes, enough to recognize the kind of file. */
  readonly head: Uint8Array;
  /** All of it, these too. It can be read once. */
  readonly chunks: AsyncIterable<Uint8Array>;
  /** The part of the file that was read, 0 to 1; undefined if that is unknown. */
  readonly progress: () => number | undefined;
  /** The file is not read, or not to its end. */
  readonly close: () => void;
}

/**
 * Open a file.
 *
 * @param path - for standard input.
 * @param subcommand The subcommand that reads it, for the advice.
 * @param part The file's bytes, if it is in an archive.
 * @throws UnseenError if it cannot be opened, or is compressed in a way that is not read.
 */
export async function openSource(path: string, subcommand: "decode" | "wal", part?: FilePart): Promise<Source> {
  const stats = part === undefined && path !== "-" ? await statsOf(path) : undefined;
  if (stats?.isDirectory()) {
    const advice = subcommand === "decode" ? ": walwire wal reads the WAL of a directory" : "";
    throw new UnseenError(`${name(path)} is a directory, expected a file${advice}`);
  }
  const size = part?.length ?? (stats?.isFile() ? stats.size : undefined);
  const raw = part === undefined ? rawFile(path) : partOf(part);
  const { head, rest } = await withNote(stats?.isFIFO() ? path : undefined, headOf(raw, HEAD, path));
  const compression = compressionOf(head);
  if (compression !== undefined && !isReadable(compression)) {
    raw.destroy();
    const file = path === "-" ? "FILE" : printable(path);
    throw new UnseenError(
      `${name(path)} is compressed by ${compression}, which walwire does not read. Decompress it first: ${decompressCommand(compression)} ${file} | walwire ${subcommand} -`,
    );
  }
  let start = compression === undefined ? { head, rest } : await headOf(unpacked(rest, compression, path), HEAD, path);
  if (TEXT.test(latin1(start.head))) start = await headOf(start.rest, TEXT_HEAD, path);
  return {
    path,
    head: start.head,
    chunks: start.rest,
    progress: () => (size === undefined || size === 0 ? undefined : (raw as ReadStream).bytesRead / size),
    close: () => raw.destroy(),
  };
}

/**
 * Open a file of messages.
 *
 * @param path - for standard input.
 * @param tags The type bytes that a payload can begin with.
 * @throws InputError if it cannot be opened, or holds none.
 */
export async function openInput(path: string, tags: string): Promise<Input> {
  return inputOf(await openSource(path, "decode"), tags);
}

/**
 * Find the form of the messages in a file.
 *
 * @param also Other accepted contents, in words.
 * @throws InputError if there are none.
 */
export function inputOf({ path, head, chunks, progress, close }: Source, tags: string, also = ""): Input {
  const start = head.subarray(0, HEAD);
  const form = formOf(start, tags);
  if (form === undefined) {
    close();
    throw neither(path, start, also);
  }
  return {
    form,
    batches: upToDamage(form === "payloads" ? payloadsOf(chunks) : rowsOf(chunks, path, start, also)),
    progress,
  };
}

/** How much is read at a time. */
const CHUNK = 1 << 20;

/** Bytes that show the kind of a file: the length and the fixed part of the first payload. A stream may hold no more for now. */
const HEAD = 32;

/** The kind of some texts shows in their first lines. */
const TEXT_HEAD = 512;
const TEXT = /^(?:START WAL|\s*[{#]|\s*\d+[ \t])/;

/** Bytes of an open file. */
export interface FilePart {
  readonly fd: number;
  readonly offset: number;
  readonly length: number;
}

function rawFile(path: string): Readable {
  return path === "-" ? process.stdin : createReadStream(path, { highWaterMark: CHUNK });
}

/** @param from Bytes to skip. */
export function partOf({ fd, offset, length }: FilePart, from = 0): Readable {
  const [start, end] = [offset + from, offset + length - 1];
  if (start > end) return Readable.from([], { objectMode: false });
  // The archive stays open for its other files.
  const fs = { open, read, close: (_: number, done: () => void) => done() };
  return createReadStream("", { fd, fs, start, end, highWaterMark: CHUNK });
}

export function name(path: string): string {
  return path === "-" ? "standard input" : printable(path);
}

async function statsOf(path: string): Promise<Stats> {
  try {
    return await stat(path);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Say so if a FIFO gives nothing for a second: opening it waits for a writer, perhaps for ever. */
async function withNote<T>(fifo: string | undefined, bytes: Promise<T>): Promise<T> {
  if (fifo === undefined) return bytes;
  const note = `walwire: ${name(fifo)} is a FIFO: waiting for a program to write to it\n`;
  const timer = setTimeout(() => process.stderr.write(note), 1000);
  return bytes.finally(() => clearTimeout(timer));
}

/** The first bytes of a stream, fewer only if it ends before, and all of it. */
async function headOf(
  stream: AsyncIterable<Uint8Array>,
  length: number,
  path: string,
): Promise<{ readonly head: Uint8Array; readonly rest: AsyncIterable<Uint8Array> }> {
  const chunks = stream[Symbol.asyncIterator]();
  let head: Uint8Array = new Uint8Array();
  const next = async (): Promise<Uint8Array | undefined> => {
    try {
      const { done, value } = await chunks.next();
      return done ? undefined : value;
    } catch (error) {
      throw fileError(path, error);
    }
  };
  /** The reason why there is no more. The bytes before it are good. */
  let damage: unknown;
  while (head.length < length) {
    try {
      const chunk = await next();
      if (chunk === undefined) break;
      head = head.length === 0 ? chunk : Buffer.concat([head, chunk]);
    } catch (error) {
      if (head.length === 0) throw error;
      damage = error;
      break;
    }
  }
  async function* all(): AsyncGenerator<Uint8Array> {
    try {
      if (head.length > 0) yield head;
      if (damage !== undefined) throw damage;
      for (let chunk = await next(); chunk !== undefined; chunk = await next()) yield chunk;
    } finally {
      // A caller that stops early wants no more: the program must not wait for the end of standard input.
      await chunks.return?.();
    }
  }
  return { head: head.subarray(0, length), rest: all() };
}

async function* unpacked(
  packed: AsyncIterable<Uint8Array>,
  compression: ReadableCompression,
  path: string,
): AsyncGenerator<Uint8Array> {
  try {
    yield* decompress(packed, compression);
  } catch (error) {
    throw error instanceof DecodeError ? new DamagedError(`${name(path)}: ${error.message}`) : error;
  }
}

/** The bytes before it are good. */
class DamagedError extends InputError {}

/** All that can be read, then why there is no more. */
async function* upToDamage(
  batches: AsyncIterable<readonly (Item | Unreadable)[]>,
): AsyncGenerator<readonly (Item | Unreadable)[]> {
  let offset = 0;
  try {
    for await (const batch of batches) {
      offset = batch.at(-1)?.offset ?? offset;
      yield batch;
    }
  } catch (error) {
    if (!(error instanceof DamagedError)) throw error;
    yield [unreadable(offset, "BAD_VALUE", error.message)];
  }
}

/** A payload has bytes that no text has, from its positions on: an LSN begins with zeros for the next petabytes. */
function formOf(start: Uint8Array, tags: string): Form | undefined {
  if (start.length === 0) return "payloads";
  if (isText(start.subarray(hasByteOrderMark(start) ? 3 : 0))) return "rows";
  if (start.length < LENGTH) return undefined;
  const length = lengthAt(start, 0);
  if (length > MAX_ALLOC_SIZE) return undefined;
  // A short length is one even where the type byte is damaged.
  return start[0] === 0 || tags.includes(String.fromCharCode(start[LENGTH] ?? 0)) ? "payloads" : undefined;
}

/** Printable characters only; the last one may be cut. */
function isText(bytes: Uint8Array): boolean {
  return /^[\t-\r -~|]+\u00e2?[\u0094\u0095]?$/.test(plain(latin1(bytes)));
}

function hasByteOrderMark(bytes: Uint8Array): boolean {
  return bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf;
}

/** The error of a file that holds no messages: what it looks like, and which files are accepted. */
function neither(path: string, start: Uint8Array, also: string): InputError {
  const accepted = `Accepted: CopyData payloads, each after its length in 4 bytes; rows of pg_logical_slot_get_binary_changes from psql${also}.`;
  return new InputError(`${name(path)} holds no messages: ${looksLike(start)}.\n${accepted}`);
}

/** The beginning of a file, and the program that prints such a text if it is known. */
function looksLike(start: Uint8Array): string {
  if (!isText(start)) {
    const digits = Array.from(start.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    return `it begins with the bytes ${digits}`;
  }
  const text = latin1(start);
  const [, likely] = textsOfOthers.find(([pattern]) => pattern.test(text)) ?? [];
  return `it begins with ${JSON.stringify(text)}${likely === undefined ? "" : `, which looks like ${likely}`}`;
}

/** Texts that are often given instead of pgoutput's bytes. */
const textsOfOthers: readonly (readonly [pattern: RegExp, name: string])[] = [
  [/^\s*table \S+: /, "test_decoding"],
  [/^\s*[[{]/, "JSON, such as wal2json prints"],
  [/^\s*(?:START|CREATE|DROP|ALTER|READ)_REPLICATION|^\s*BASE_BACKUP/i, "a replication command: see walwire command"],
  [/^rmgr: /, "the output of pg_waldump"],
];

function latin1({ buffer, byteOffset, length }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, length).toString("latin1");
}

// ---- Payloads, each after its length ----

const LENGTH = 4;

function lengthAt(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

export async function* payloadsOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<(Item | Unreadable)[]> {
  let number = 0;
  /** Where `pieces` begin in the file, how many bytes they are, and how many make a payload, or its length. */
  let offset = 0;
  let pieces: Uint8Array[] = [];
  let available = 0;
  let needed = LENGTH;
  for await (const chunk of chunks) {
    pieces.push(chunk);
    available += chunk.length;
    if (available < needed) continue;
    const bytes = pieces.length === 1 ? chunk : Buffer.concat(pieces);
    const batch: (Item | Unreadable)[] = [];
    let at = 0;
    needed = LENGTH;
    while (bytes.length - at >= LENGTH) {
      const length = lengthAt(bytes, at);
      if (length > MAX_ALLOC_SIZE) {
        batch.push(unreadable(offset + at, "BAD_LENGTH", `${length} bytes are more than a message can have`));
        yield batch;
        return;
      }
      needed = LENGTH + length;
      if (bytes.length - at < needed) break;
      batch.push({ number: ++number, offset: offset + at, bytes: bytes.subarray(at + LENGTH, at + needed) });
      at += needed;
      needed = LENGTH;
    }
    offset += at;
    pieces = at < bytes.length ? [bytes.subarray(at)] : [];
    available -= at;
    yield batch;
  }
  if (available > 0) {
    yield [unreadable(offset, "TRUNCATED", `the file ends after ${available} of the ${bytesOf(needed)} of a payload`)];
  }
}

function unreadable(offset: number, code: "BAD_LENGTH" | "TRUNCATED" | "BAD_VALUE", message: string): Unreadable {
  return { offset, unreadable: new DecodeError(code, "CopyData", offset, message) };
}

// ---- Lines of psql ----

/** The longest line that is read, near the longest string that there can be: messages of a quarter of a gigabyte. */
const MAX_LINE = 0x1fff_0000;

const NEWLINE = 0x0a;

async function* rowsOf(
  chunks: AsyncIterable<Uint8Array>,
  path: string,
  start: Uint8Array,
  also: string,
): AsyncGenerator<(Item | Unreadable)[]> {
  let number = 0;
  let offset = 0;
  let found = false;
  let above: Row = {};
  for await (const lines of linesOf(chunks)) {
    const batch: (Item | Unreadable)[] = [];
    for (const line of lines) {
      const text = plain(offset === 0 && hasByteOrderMark(start) ? line.slice(3) : line);
      const cells = cellsOf(text);
      const row = rowOf(cells);
      if (row !== undefined) {
        batch.push({ number: ++number, offset, bytes: row.bytes, row: { ...above, ...row.row } });
        above = {};
      } else if (cells.length === 2 && ["lsn", "xid"].includes(cells[0]!) && readCell(cells[1]!, above)) {
        // A row on its own, with a line for each column.
      } else if (!isAroundRows(text, cells)) {
        if (!found) throw neither(path, start, also);
        const shown = printable(text.slice(0, 60));
        batch.push(unreadable(offset, "BAD_VALUE", `a line at ${offset} of the file holds no message: ${shown}`));
      }
      if (text.trim() !== "") found = true;
      offset += line.length + 1;
    }
    yield batch;
  }
}

/** What draws lines in a table, U+2500 to U+257F, in the bytes of UTF-8. */
const LINES = /\u00e2[\u0094\u0095][\u0080-\u00bf]/g;

/** A line in which psql has drawn with the characters of ASCII only. */
function plain(line: string): string {
  return line.includes("\u00e2") ? line.replace(LINES, "|") : line;
}

/** The lines of a stream, one character a byte, as many at a time as a chunk completes. */
async function* linesOf(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<string[]> {
  let pieces: Uint8Array[] = [];
  let length = 0;
  for await (const chunk of chunks) {
    const end = chunk.lastIndexOf(NEWLINE);
    pieces.push(chunk);
    length += chunk.length;
    if (length > MAX_LINE) throw new InputError(`a line is longer than ${MAX_LINE} bytes`);
    if (end === -1) continue;
    pieces.splice(-1, 1, chunk.subarray(0, end));
    yield latin1(Buffer.concat(pieces)).split("\n");
    pieces = [chunk.subarray(end + 1)];
    length = pieces[0]!.length;
  }
  if (length > 0) yield [latin1(Buffer.concat(pieces))];
}

/** What stands before a message: `lsn | xid | data`. */
interface Row {
  lsn?: Lsn;
  xid?: number;
}

/** Three columns and, in a border, nothing on either side of them: a line of more holds none of it. */
const MAX_CELLS = 5;

/** The cells of a line, in whatever way psql separates them. */
function cellsOf(line: string): string[] {
  const cells = line.split(/[|,\t]/, MAX_CELLS + 1).map((cell) => cell.trim());
  // Of a table with a border.
  if (cells.length > 2 && cells[0] === "" && cells.at(-1) === "") return cells.slice(1, -1);
  return cells;
}

/** The message of a line, and what stands before it. */
function rowOf(cells: readonly string[]): Pick<Item, "bytes" | "row"> | undefined {
  const bytes = cells.length > MAX_CELLS ? undefined : bytesOfHex(cells.at(-1)!);
  if (bytes === undefined) return undefined;
  const row: Row = {};
  for (const cell of cells.slice(0, -1)) {
    if (!readCell(cell, row) && cell !== "data") return undefined;
  }
  return { bytes, row };
}

function readCell(cell: string, row: Row): boolean {
  if (/^\d{1,10}$/.test(cell)) row.xid = Number(cell);
  else if (/^[\dA-F]{1,8}\/[\dA-F]{1,8}$/i.test(cell)) row.lsn = parseLsn(cell);
  else return false;
  return true;
}

/** The bytes of what bytea prints, of what COPY makes of it, or of what encode(data, 'hex') gives. */
function bytesOfHex(cell: string): Uint8Array | undefined {
  const quoted = cell.startsWith('"') && cell.endsWith('"') ? cell.slice(1, -1) : cell;
  const digits = quoted.replace(/^\\{1,2}x/, "");
  if (digits === "" || digits.length % 2 !== 0) return undefined;
  const bytes = Buffer.from(digits, "hex");
  return bytes.length === digits.length / 2 ? bytes : undefined;
}

/** What psql prints around rows: names of columns, rules, the number of rows, the time that it took, tags of commands. */
function isAroundRows(line: string, cells: readonly string[]): boolean {
  const text = line.trim();
  return (
    /^[-+|\s]*$/.test(text) ||
    /^\(\d+ \S+\)$/.test(text) ||
    /^[-+|]*(\[ |\* )RECORD \d+/.test(text) ||
    /^(Time: |Timing is )/.test(text) ||
    isCommandTag(text) ||
    cells.every((cell) => ["lsn", "xid", "data", "encode"].includes(cell))
  );
}

/** Words, then numbers. There is no repeated group, which would take of the stack in each round: a line can be any text. */
function isCommandTag(text: string): boolean {
  return !text.includes("  ") && /^[A-Z][A-Z ]*(?: [\d ]*\d)?$/.test(text);
}

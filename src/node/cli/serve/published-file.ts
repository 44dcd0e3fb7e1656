/** PublishedFile: the lines of a file while it grows, and how far they have been published. */
import { isUtf8 } from "node:buffer";
import { type FileHandle, open, stat } from "node:fs/promises";
import { crc32cOf } from "../../../kernel/crc32c.ts";
import { ParseError } from "../../../kernel/errors.ts";
import { stateSizeOf } from "../../tail/outputs.ts";
import { fileError } from "../shared/file-error.ts";
import { InputError } from "../shared/usage.ts";

/** A line without its newline. */
export interface FileLine {
  /** The text. */
  readonly text: string;
  /** Its number, from 1. */
  readonly number: number;
  /** What says, in a later run, that everything up to its end has been published. */
  readonly mark: FileMark;
}

/** The end of a line. */
export interface FileMark {
  /** Bytes up to there. */
  readonly offset: number;
  /** The number of the line. */
  readonly line: number;
  /** The CRC-32C of these bytes: another file has another one. */
  readonly crc32c: number;
}

/** Bytes that are read at once. */
const READ = 1_048_576;
/** The longest line, in bytes: as of other lines of JSON that are read. */
const MAX_LINE = 67_108_864;
/** Bytes of a line that is too long, to show. */
const SHOWN = 200;
const NEWLINE = 0x0a;

/** A file of lines, which other programs append to. What has been read is not read again: its bytes must stay as they are. */
export class PublishedFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** The end of the last line that was given. */
  #mark: FileMark;
  /** What was read of the line that is not complete. */
  #rest: Buffer[] = [];
  #restLength = 0;

  private constructor(path: string, handle: FileHandle, mark: FileMark) {
    this.#path = path;
    this.#handle = handle;
    this.#mark = mark;
  }

  /**
   * Open a file. Up to the mark it is read, for its checksum: a gigabyte takes about a second.
   *
   * @param mark The mark of the last line that has been published.
   * @throws UnseenError; InputError for a file that is not regular, or not the one that has this mark
   */
  static async open(path: string, mark: FileMark | undefined): Promise<PublishedFile> {
    const handle = await open(path, "r").catch((error: unknown) => Promise.reject(fileError(path, error)));
    try {
      if (!(await handle.stat()).isFile()) {
        throw new InputError(
          `${path} is not a regular file: what comes from a pipe cannot be read again after a restart`,
        );
      }
      const { offset = 0, line = 0, crc32c = 0 } = mark ?? {};
      if ((await crc32cOfFile(handle, offset)) !== crc32c) throw anotherFile(path, offset);
      return new PublishedFile(path, handle, { offset, line, crc32c });
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Lines that were given, those of earlier runs too. */
  get lines(): number {
    return this.#mark.line;
  }

  /**
   * The next complete lines; none if there are none yet.
   *
   * What `walwire tail` appends is complete as far as FILE.state says: what is behind is cut off if tail is killed.
   *
   * @throws InputError for a file that has become shorter; ParseError for a line that is too long or not text
   */
  async next(): Promise<readonly FileLine[]> {
    for (;;) {
      const from = this.#mark.offset + this.#restLength;
      const { size, ino } = await this.#handle.stat();
      const end = Math.min(size, (await stateSizeOf(this.#path)) ?? size);
      if (size < from) throw anotherFile(this.#path, from);
      if (end <= from) {
        if (size === from) await this.#mustBeThere(ino);
        return [];
      }
      const room = Buffer.allocUnsafe(Math.min(READ, end - from));
      const { bytesRead } = await this.#handle.read(room, 0, room.length, from);
      const bytes = room.subarray(0, bytesRead);
      this.#rest.push(bytes);
      this.#restLength += bytesRead;
      if (bytes.includes(NEWLINE)) return this.#lines();
      if (this.#restLength > MAX_LINE) throw this.#tooLong();
    }
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  #lines(): readonly FileLine[] {
    const bytes = Buffer.concat(this.#rest);
    const lines: FileLine[] = [];
    let start = 0;
    for (let at = bytes.indexOf(NEWLINE); at !== -1; at = bytes.indexOf(NEWLINE, start)) {
      lines.push(this.#lineOf(bytes, start, at));
      start = at + 1;
    }
    this.#rest = [bytes.subarray(start)];
    this.#restLength = bytes.length - start;
    return lines;
  }

  #lineOf(bytes: Buffer, start: number, end: number): FileLine {
    const mark: FileMark = {
      offset: this.#mark.offset + end + 1 - start,
      line: this.#mark.line + 1,
      crc32c: crc32cOf(bytes, start, end + 1, this.#mark.crc32c),
    };
    this.#mark = mark;
    const { line } = mark;
    const contents = bytes.subarray(start, end);
    const decoded = contents.toString("utf8");
    if (!isUtf8(contents)) throw badLine(decoded, line, "the line is not UTF-8", firstInvalid(contents, decoded));
    // Windows programs may begin with a byte order mark.
    const text = line === 1 ? decoded.replace(/^\ufeff/, "") : decoded;
    return { text, number: line, mark };
  }

  #tooLong(): ParseError {
    const start = this.#rest[0]!.toString("utf8", 0, SHOWN);
    const advice = "a line can have 64 MiB: keep large values elsewhere, and publish where they are";
    return badLine(start, this.#mark.line + 1, `the line is longer than ${MAX_LINE} bytes`, 0, advice);
  }

  /** @throws InputError if another file has its name now */
  async #mustBeThere(ino: number): Promise<void> {
    const there = await stat(this.#path).catch(() => undefined);
    if (there?.ino !== ino)
      throw new InputError(`${this.#path} was moved away: append to it, or publish the new one with another --state`);
  }
}

/** The CRC-32C of the first `length` bytes; undefined if there are not so many. */
async function crc32cOfFile(handle: FileHandle, length: number): Promise<number | undefined> {
  const room = Buffer.allocUnsafe(Math.min(READ, length));
  let crc32c = 0;
  for (let at = 0; at < length; ) {
    const { bytesRead } = await handle.read(room, 0, Math.min(READ, length - at), at);
    if (bytesRead === 0) return undefined;
    crc32c = crc32cOf(room, 0, bytesRead, crc32c);
    at += bytesRead;
  }
  return crc32c;
}

/** Where the first U+FFFD is that stands for bytes that are not UTF-8. */
function firstInvalid(bytes: Buffer, decoded: string): number {
  let start = 0;
  let at = 0;
  for (;;) {
    const found = decoded.indexOf("\ufffd", start);
    at += Buffer.byteLength(decoded.slice(start, found));
    if (bytes.toString("hex", at, at + 3) !== "efbfbd") return found;
    at += 3;
    start = found + 1;
  }
}

function anotherFile(path: string, offset: number): InputError {
  return new InputError(
    `${path} is not the file of which ${offset} bytes have been published: choose another directory for --state to publish it from its beginning`,
  );
}

/** The error of a line. */
export function badLine(text: string, line: number, message: string, offset = 0, advice?: string): ParseError {
  return new ParseError({ code: "INVALID_VALUE", sqlstate: "22023", message, text, firstLine: line, offset, advice });
}

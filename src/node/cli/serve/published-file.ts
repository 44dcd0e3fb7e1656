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
  readonly mark: string;
}

/** What a mark says. */
interface Mark {
  /** Bytes up to the end of the line. */
  readonly offset: number;
  /** Its number. */
  readonly line: number;
  /** The CRC-32C of its last bytes, and how many these are: another file has others there. */
  readonly length: number;
  readonly crc32c: number;
}

/** Bytes that are read at once. */
const READ = 1_048_576;
/** The longest line, in bytes: as of other lines of JSON that are read. */
const MAX_LINE = 67_108_864;
/** The most bytes of a line that its mark is made of. */
const MARKED = 4096;
const NEWLINE = 0x0a;

/** A file of lines, which other programs append to. What has been read is not read again: its bytes must stay as they are. */
export class PublishedFile {
  readonly #path: string;
  readonly #handle: FileHandle;
  /** Bytes and lines that were given. */
  #offset: number;
  #line: number;
  /** What was read of the line that is not complete. */
  #rest: Buffer[] = [];
  #restLength = 0;

  private constructor(path: string, handle: FileHandle, offset: number, line: number) {
    this.#path = path;
    this.#handle = handle;
    this.#offset = offset;
    this.#line = line;
  }

  /**
   * @param mark The mark of the last line that has been published.
   * @throws UnseenError; InputError for a file that is not regular, or not the one that has this mark
   */
  static async open(path: string, mark: string | undefined): Promise<PublishedFile> {
    const handle = await open(path, "r").catch((error: unknown) => Promise.reject(fileError(path, error)));
    try {
      if (!(await handle.stat()).isFile()) {
        throw new InputError(
          `${path} is not a regular file: what comes from a pipe cannot be read again after a restart`,
        );
      }
      const { offset, line, length, crc32c }: Mark =
        mark === undefined ? { offset: 0, line: 0, length: 0, crc32c: 0 } : JSON.parse(mark);
      const { bytesRead, buffer } = await handle.read(Buffer.alloc(length), 0, length, offset - length);
      if (bytesRead !== length || crc32cOf(buffer, 0, length, 0) !== crc32c) throw anotherFile(path, offset);
      return new PublishedFile(path, handle, offset, line);
    } catch (error) {
      await handle.close();
      throw error;
    }
  }

  /** Lines that were given, those of earlier runs too. */
  get lines(): number {
    return this.#line;
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
      const from = this.#offset + this.#restLength;
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
      if (this.#restLength > MAX_LINE) throw badLine("", this.#line + 1, `the line is longer than ${MAX_LINE} bytes`);
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
    const line = ++this.#line;
    this.#offset += end + 1 - start;
    const contents = bytes.subarray(start, end);
    if (!isUtf8(contents)) throw badLine("", line, "the line is not UTF-8");
    // Windows programs may begin with a byte order mark.
    const text = contents.toString("utf8").replace(line === 1 ? /^\ufeff/ : "", "");
    const from = Math.max(start, end + 1 - MARKED);
    const mark: Mark = {
      ...{ offset: this.#offset, line, length: end + 1 - from },
      crc32c: crc32cOf(bytes, from, end + 1, 0),
    };
    return { text, number: line, mark: JSON.stringify(mark) };
  }

  /** @throws InputError if another file has its name now */
  async #mustBeThere(ino: number): Promise<void> {
    const there = await stat(this.#path).catch(() => undefined);
    if (there?.ino !== ino)
      throw new InputError(`${this.#path} was moved away: append to it, or publish the new one with another --state`);
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

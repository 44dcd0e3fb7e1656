/**
 * DirectoryStore: the store of a publisher in a directory. What it has acknowledged survives a crash of the machine.
 *
 * The log is in files named by the position of their first byte, in 16 hexadecimal digits. A file begins where an append began, so only the
 * last one can have an append that a crash has left unfinished. Documents are replaced by renaming.
 */
import { constants } from "node:fs";
import { type FileHandle, open, readdir, rm, stat, unlink } from "node:fs/promises";
import { join } from "node:path";
import { FileError, refuseArgument, StateError } from "../../kernel/errors.ts";
import { type Lsn, toLsn } from "../../kernel/lsn.ts";
import { checkOptions, checkType, checkWhole } from "../../kernel/options.ts";
import { FIRST_LSN, type LogExtent, type PublisherStore } from "../../publisher/store.ts";
import { durableRename, fsyncParent, fsyncPath } from "../durable.ts";
import { makeDirectories } from "../make-directories.ts";
import { takeOwnerFile } from "../owner-file.ts";
import { strerror } from "../strerror.ts";

/** Options of a DirectoryStore. */
export interface DirectoryStoreOptions {
  /** Bytes from which on the next append goes to another file; what is no longer needed is removed by whole files. Default: 16 MB. */
  readonly segmentSize?: number | undefined;
}

/** A file of the log. */
interface Segment {
  readonly path: string;
  readonly start: bigint;
  size: number;
}

const NAME = /^([0-9A-F]{16})\.log$/;
const DOCUMENT_NAME = /^[a-z]+\.document$/;
/** What is in the directory of a store before it has a document. */
const FIRST_NAME = /^(log|owner\.pid|[a-z]+\.document\.tmp)$/;
/** Small pieces are joined up to this size before they are written. */
const WRITE = 1_048_576;
/** Bytes of a document that are read at once. */
const READ = 262_144;

/** A store in a directory, for one process at a time. */
export class DirectoryStore implements PublisherStore {
  /** The directory. */
  readonly directory: string;
  readonly #segmentSize: number;
  readonly #log: string;
  #segments: Segment[] = [];
  #handle: FileHandle | undefined;
  #isOpen = false;
  /** Why nothing more can be appended: it is not known what the file has. */
  #broken: FileError | undefined;

  /** @param directory It is made if it does not exist; its parent must. If it exists, it is empty or has a store. @throws ArgumentError for an invalid argument. */
  constructor(directory: string, options: DirectoryStoreOptions = {}) {
    if (typeof directory !== "string" || directory === "") refuseArgument("directory", "a path", directory);
    checkOptions(options, ["segmentSize"]);
    const { segmentSize = 16_777_216 } = options;
    checkWhole("options.segmentSize", segmentSize, 1, Number.MAX_SAFE_INTEGER);
    checkType("directory", directory, "string");
    this.directory = directory;
    this.#segmentSize = segmentSize;
    this.#log = join(directory, "log");
  }

  /**
   * Open it.
   *
   * @throws FileError if the system fails, the directory has other files and no store, another process uses it, or files of the log are
   *   missing.
   */
  async open(): Promise<LogExtent> {
    if (this.#isOpen) throw new StateError("the store is open");
    await this.#mustBeStore();
    await this.#try("create directory", this.#log, async () => {
      makeDirectories(this.#log);
      await fsyncPath(this.directory, true);
      await fsyncParent(this.directory);
    });
    await this.#lock();
    this.#isOpen = true;
    this.#broken = undefined;
    try {
      return await this.#openLog();
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  async #openLog(): Promise<LogExtent> {
    const names = await this.#try("read directory", this.#log, () => readdir(this.#log));
    const starts = names.flatMap((name) => NAME.exec(name)?.[1] ?? []).sort();
    this.#segments = [];
    for (const start of starts) {
      const path = join(this.#log, `${start}.log`);
      const { size } = await this.#try("stat file", path, () => stat(path));
      const segment = { path, start: BigInt(`0x${start}`), size };
      const before = this.#segments.at(-1);
      if (before !== undefined && endOf(before) !== segment.start) {
        throw new FileError(path, `the log in "${this.#log}" has a gap before "${path}"`, "BAD_FILE");
      }
      this.#segments.push(segment);
    }
    if (this.#segments.length === 0) await this.#add(FIRST_LSN);
    else await this.#openLast();
    const last = this.#segments.at(-1)!;
    return { start: toLsn(this.#segments[0]!.start), tail: toLsn(last.start), end: toLsn(endOf(last)) };
  }

  /** Cut the log off, in its last file. @throws FileError */
  async cut(end: Lsn): Promise<void> {
    const last = this.#mustBeOpen();
    if (end < last.start || end > endOf(last)) refuseArgument("end", "a position in the last file of the log", end);
    await this.#try("truncate file", last.path, async () => {
      await this.#handle!.truncate(Number(end - last.start));
      await this.#handle!.sync();
    });
    last.size = Number(end - last.start);
  }

  /** Append bytes, and flush them. @throws FileError: FILE_SYSTEM, also for a disk that is full. */
  async append(chunks: readonly Uint8Array[]): Promise<void> {
    let last = this.#mustBeOpen();
    if (this.#broken !== undefined) throw this.#broken;
    if (last.size >= this.#segmentSize) {
      await this.#add(endOf(last));
      last = this.#segments.at(-1)!;
    }
    const handle = this.#handle!;
    let at = last.size;
    try {
      for (const bytes of joined(chunks)) {
        for (let written = 0; written < bytes.length; ) {
          const { bytesWritten } = await handle.write(bytes, written, bytes.length - written, at);
          written += bytesWritten;
          at += bytesWritten;
        }
      }
    } catch (error) {
      const failure = fileError("write to file", last.path, error);
      try {
        await handle.truncate(last.size);
      } catch {
        this.#broken = failure;
      }
      throw failure;
    }
    try {
      await handle.datasync();
    } catch (error) {
      // The system may have dropped what it could not write, and would not say so again.
      this.#broken = fileError("fsync file", last.path, error);
      throw this.#broken;
    }
    last.size = at;
  }

  /** Bytes of the log. @throws FileError */
  async read(from: Lsn, length: number): Promise<Uint8Array> {
    this.#mustBeOpen();
    const segment = this.#segments.findLast(({ start }) => start <= from);
    if (segment === undefined || from >= endOf(segment)) refuseArgument("from", "a position in the log", from);
    const offset = Number(from - segment.start);
    return this.#try("read file", segment.path, async () => {
      const handle = await open(segment.path, "r");
      try {
        const bytes = new Uint8Array(Math.min(length, segment.size - offset));
        const { bytesRead } = await handle.read(bytes, 0, bytes.length, offset);
        return bytes.subarray(0, bytesRead);
      } finally {
        await handle.close();
      }
    });
  }

  /** Remove the files that end at or before a position. @throws FileError */
  async trim(start: Lsn): Promise<void> {
    this.#mustBeOpen();
    while (this.#segments.length > 1 && endOf(this.#segments[0]!) <= start) {
      const { path } = this.#segments.shift()!;
      await this.#try("remove file", path, async () => {
        await unlink(path);
        // One after the other also after a crash, so that there is never a gap.
        await fsyncParent(path);
      });
    }
  }

  /** A document. @throws FileError */
  async load(name: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const path = this.#documentPath(name);
    let handle: FileHandle;
    try {
      handle = await open(path, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw fileError("open file", path, error);
    }
    return (async function* () {
      try {
        for (;;) {
          const bytes = new Uint8Array(READ);
          const { bytesRead } = await handle.read(bytes, 0, READ, null);
          if (bytesRead === 0) return;
          yield bytes.subarray(0, bytesRead);
        }
      } catch (error) {
        throw fileError("read file", path, error);
      } finally {
        await handle.close();
      }
    })();
  }

  /** Save a document. @throws FileError */
  async save(name: string, chunks: Iterable<Uint8Array>): Promise<void> {
    this.#mustBeOpen();
    const path = this.#documentPath(name);
    const temporary = `${path}.tmp`;
    await this.#try("write file", temporary, async () => {
      const handle = await open(temporary, "w", 0o600);
      try {
        for (const bytes of joined(chunks)) await handle.writeFile(bytes);
      } finally {
        await handle.close();
      }
      await durableRename(temporary, path);
    });
  }

  /** Close its files, so that another process can open it. @throws FileError */
  async close(): Promise<void> {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    const handle = this.#handle;
    this.#handle = undefined;
    try {
      await this.#try("close file", this.#log, async () => handle?.close());
    } finally {
      await this.#try("remove file", this.#lockPath, () => rm(this.#lockPath, { force: true }));
    }
  }

  /** A directory of other files, which may be named by mistake, is left as it is. */
  async #mustBeStore(): Promise<void> {
    const { directory } = this;
    const names = await this.#try("read directory", directory, () => namesIn(directory));
    if (names.some((name) => DOCUMENT_NAME.test(name))) return;
    const log = await this.#try("read directory", this.#log, () => namesIn(this.#log));
    const foreign = names.find((name) => !FIRST_NAME.test(name)) ?? log.find((name) => !NAME.test(name));
    if (foreign === undefined) return;
    throw new FileError(
      directory,
      `"${directory}" has other files, such as "${foreign}", and no store of a publisher: use a new or an empty directory`,
      "BAD_FILE",
    );
  }

  #documentPath(name: string): string {
    if (!/^[a-z]+$/.test(name)) refuseArgument("name", "letters a to z", name);
    return join(this.directory, `${name}.document`);
  }

  get #lockPath(): string {
    return join(this.directory, "owner.pid");
  }

  /** One process at a time, as postmaster.pid has it. */
  async #lock(): Promise<void> {
    const path = this.#lockPath;
    const owner = await this.#try("create file", path, () => takeOwnerFile(path));
    if (owner === undefined) return;
    throw new FileError(
      path,
      `"${this.directory}" is in use by process ${owner}: stop it, or remove "${path}" if that process is another program`,
      "BAD_FILE",
    );
  }

  #mustBeOpen(): Segment {
    if (!this.#isOpen) throw new StateError("the store is not open");
    return this.#segments.at(-1)!;
  }

  async #add(start: bigint): Promise<void> {
    const path = join(this.#log, `${start.toString(16).toUpperCase().padStart(16, "0")}.log`);
    await this.#try("create file", path, async () => {
      const handle = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o600);
      try {
        await fsyncParent(path);
      } catch (error) {
        await handle.close();
        throw error;
      }
      const before = this.#handle;
      this.#handle = handle;
      this.#segments.push({ path, start, size: 0 });
      await before?.close();
    });
  }

  async #openLast(): Promise<void> {
    const { path } = this.#segments.at(-1)!;
    this.#handle = await this.#try("open file", path, () => open(path, "r+"));
  }

  async #try<T>(what: string, path: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run();
    } catch (error) {
      throw fileError(what, path, error);
    }
  }
}

/** The names in a directory; none if it does not exist. */
async function namesIn(directory: string): Promise<readonly string[]> {
  return readdir(directory).catch((error: NodeJS.ErrnoException) =>
    error.code === "ENOENT" ? [] : Promise.reject(error),
  );
}

function endOf({ start, size }: Segment): bigint {
  return start + BigInt(size);
}

/** Pieces, of which small ones are joined. */
function* joined(chunks: Iterable<Uint8Array>): Generator<Uint8Array> {
  let waiting: Uint8Array[] = [];
  let size = 0;
  for (const chunk of chunks) {
    waiting.push(chunk);
    size += chunk.length;
    if (size < WRITE) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

function fileError(what: string, path: string, error: unknown): FileError {
  if (error instanceof FileError) return error;
  return new FileError(path, `could not ${what} "${path}": ${strerror(error)}`, "FILE_SYSTEM", { cause: error });
}

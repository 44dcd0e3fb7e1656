/**
 * walwire/spill-directory: `SpillDirectory`: files for what an assembler cannot keep in memory (Node).
 *
 * All chunks are in one file. On POSIX systems the file loses its name as soon as it is open, so no end of the process, not even SIGKILL,
 * leaves rows of a database behind. On others, the next `create` in the same directory removes the files of dead processes.
 */

import { rmSync } from "node:fs";
import { type FileHandle, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refuseArgument } from "../kernel/errors.ts";
import type { SpillStore } from "../logical/transactions.ts";
import { lengthOf, mustBeBytes } from "../wire/check.ts";
import { processExists } from "./owner-file.ts";

/** A part of the file. */
interface Part {
  readonly start: number;
  readonly length: number;
}

/** The start of the directory's name; the ID of the process that owns it follows. */
const PREFIX = "walwire-spill-";

/** Milliseconds before a directory may be removed: its owner may not have opened its file yet. */
const YOUNG = 60_000;

/** A SpillStore in a temporary file that only this user may read. `close` removes it, and so does the end of the process. */
export class SpillDirectory implements SpillStore {
  readonly #file: FileHandle;
  /** The directory, while it exists. */
  readonly #path: string | undefined;
  readonly #parts = new Map<string, Part>();
  /** Free parts, and the end of the file. */
  #free: Part[] = [];
  #end = 0;
  readonly #atExit = (): void => {
    if (this.#path !== undefined) rmSync(this.#path, { recursive: true, force: true });
  };

  private constructor(file: FileHandle, path: string | undefined) {
    this.#file = file;
    this.#path = path;
    if (path !== undefined) process.once("exit", this.#atExit);
  }

  /**
   * Create one, and remove the files of dead processes in the same directory.
   *
   * @param parent The directory in which to create it. Default: the system's directory for temporary files.
   * @throws errors of the file system as Node names them; so do the other methods. ArgumentError if `parent` is not a path.
   */
  static async create(parent: string = tmpdir()): Promise<SpillDirectory> {
    if (typeof parent !== "string") refuseArgument("parent", "a path", parent);
    await sweep(parent);
    const path = await mkdtemp(join(parent, `${PREFIX}${process.pid}-`));
    try {
      const file = await open(join(path, "chunks"), "wx+", 0o600);
      try {
        await rm(path, { recursive: true });
        return new SpillDirectory(file, undefined);
      } catch {
        // This system does not remove open files.
        return new SpillDirectory(file, path);
      }
    } catch (error) {
      await rm(path, { recursive: true, force: true });
      throw error;
    }
  }

  /** Calls of `set` that are under way. */
  #writes = 0;
  #truncating: Promise<void> | undefined;

  /** Bytes that chunks take in the file now. */
  get size(): number {
    let size = 0;
    for (const { length } of this.#parts.values()) size += length;
    return size;
  }

  /** Keep a chunk. */
  async set(key: string, chunk: Uint8Array): Promise<void> {
    mustBeBytes(chunk, "chunk");
    this.#release(key);
    this.#writes++;
    const part = this.#take(lengthOf(chunk));
    try {
      await this.#truncating;
      for (let done = 0; done < part.length; ) {
        const { bytesWritten } = await this.#file.write(chunk, done, part.length - done, part.start + done);
        done += bytesWritten;
      }
      this.#parts.set(key, part);
    } catch (error) {
      this.#give(part);
      throw error;
    } finally {
      this.#writes--;
    }
  }

  /** The chunk; undefined if the key is unknown. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const part = this.#parts.get(key);
    if (part === undefined) return undefined;
    const chunk = new Uint8Array(part.length);
    for (let done = 0; done < part.length; ) {
      const { bytesRead } = await this.#file.read(chunk, done, part.length - done, part.start + done);
      // Another process has truncated the file: the assembler reports the missing bytes.
      if (bytesRead === 0) return chunk.subarray(0, done);
      done += bytesRead;
    }
    return chunk;
  }

  /** Delete a chunk. After the last one, the file is truncated to 0 bytes. */
  async delete(key: string): Promise<void> {
    this.#release(key);
    if (this.#parts.size > 0 || this.#writes > 0 || this.#end === 0) return;
    this.#free = [];
    this.#end = 0;
    // A chunk that comes meanwhile is written afterwards.
    this.#truncating = this.#file.truncate(0);
    await this.#truncating;
  }

  /** Remove the file with its contents. A second call does nothing. */
  async close(): Promise<void> {
    process.off("exit", this.#atExit);
    this.#parts.clear();
    await this.#file.close();
    if (this.#path !== undefined) await rm(this.#path, { recursive: true, force: true });
  }

  #release(key: string): void {
    const part = this.#parts.get(key);
    if (part === undefined) return;
    this.#parts.delete(key);
    this.#give(part);
  }

  /** A free part of the file: the first that is long enough, or one at the end. */
  #take(length: number): Part {
    const i = this.#free.findIndex((part) => part.length >= length);
    if (i < 0) {
      this.#end += length;
      return { start: this.#end - length, length };
    }
    const { start, length: room } = this.#free[i]!;
    if (room === length) this.#free.splice(i, 1);
    else this.#free[i] = { start: start + length, length: room - length };
    return { start, length };
  }

  /** Free a part, and join it with its neighbours. */
  #give(part: Part): void {
    const { start, length } = part;
    const i = this.#free.findIndex((each) => each.start > start);
    const at = i < 0 ? this.#free.length : i;
    const [before, behind] = [this.#free[at - 1], this.#free[at]];
    const joinsBefore = before !== undefined && before.start + before.length === start;
    const joinsBehind = behind !== undefined && start + length === behind.start;
    const from = joinsBefore ? before.start : start;
    const to = joinsBehind ? behind.start + behind.length : start + length;
    this.#free.splice(at - (joinsBefore ? 1 : 0), (joinsBefore ? 1 : 0) + (joinsBehind ? 1 : 0), {
      start: from,
      length: to - from,
    });
  }
}

/** Remove the directories of dead processes. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = /^walwire-spill-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || processExists(Number(pid))) continue;
    const path = join(parent, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > YOUNG) await rm(path, { recursive: true, force: true });
    } catch {
      // It belongs to another user, or another process has just removed it.
    }
  }
}

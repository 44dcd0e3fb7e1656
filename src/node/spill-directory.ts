/**
 * walwire/spill-directory: `SpillDirectory`: files for what an assembler cannot keep in memory (Node).
 *
 * All chunks are in one file. Where the system allows it, as POSIX does, the file loses its name as soon as it is open: rows of
 * a database are left behind by no end of the process, not even by SIGKILL. Elsewhere, what a dead process left is removed by the next
 * `create` in the same directory.
 */

import { rmSync } from "node:fs";
import { type FileHandle, mkdtemp, open, readdir, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { refuseArgument } from "../kernel/errors.ts";
import type { SpillStore } from "../logical/transactions.ts";
import { lengthOf, mustBeBytes } from "../wire/check.ts";

/** A part of the file. */
interface Part {
  readonly start: number;
  readonly length: number;
}

/** What the name of the directory begins with; the process that owns it follows. */
const PREFIX = "walwire-spill-";

/** How long a directory is left alone, in milliseconds: its owner may not have opened its file yet. */
const YOUNG = 60_000;

/** A SpillStore in a temporary file that only this user may read. `close` removes it, and so does the end of the process. */
export class SpillDirectory implements SpillStore {
  readonly #file: FileHandle;
  /** The directory, as long as it is there. */
  readonly #path: string | undefined;
  readonly #parts = new Map<string, Part>();
  /** Parts that are free, and where the file ends. */
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
   * Make one, and remove what dead processes have left in the same place.
   *
   * @param parent The directory in which it is made. Default: the system's directory for temporary files.
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
        // This system does not remove what is open.
        return new SpillDirectory(file, path);
      }
    } catch (error) {
      await rm(path, { recursive: true, force: true });
      throw error;
    }
  }

  /** Bytes that chunks take in the file at present. */
  get size(): number {
    let size = 0;
    for (const { length } of this.#parts.values()) size += length;
    return size;
  }

  /** Keep a chunk. */
  async set(key: string, chunk: Uint8Array): Promise<void> {
    mustBeBytes(chunk, "chunk");
    this.#release(key);
    const part = this.#take(lengthOf(chunk));
    try {
      for (let done = 0; done < part.length; ) {
        const { bytesWritten } = await this.#file.write(chunk, done, part.length - done, part.start + done);
        done += bytesWritten;
      }
      this.#parts.set(key, part);
    } catch (error) {
      this.#give(part);
      throw error;
    }
  }

  /** The chunk; undefined if there is no such chunk. */
  async get(key: string): Promise<Uint8Array | undefined> {
    const part = this.#parts.get(key);
    if (part === undefined) return undefined;
    const chunk = new Uint8Array(part.length);
    for (let done = 0; done < part.length; ) {
      const { bytesRead } = await this.#file.read(chunk, done, part.length - done, part.start + done);
      // Somebody else has cut the file: the assembler says what is missing.
      if (bytesRead === 0) return chunk.subarray(0, done);
      done += bytesRead;
    }
    return chunk;
  }

  /** The chunk is not needed any more. When none is left, the file is empty again. */
  async delete(key: string): Promise<void> {
    this.#release(key);
    if (this.#parts.size > 0 || this.#end === 0) return;
    this.#free = [];
    this.#end = 0;
    await this.#file.truncate(0);
  }

  /** Remove the file with all that is in it. Doing so twice is fine. */
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

  /** A part of the file that is free: the first that is long enough, or more at the end. */
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

  /** A part is free: one with those beside it. */
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

/** Remove the directories of processes that are not there any more. What cannot be removed is not ours. */
async function sweep(parent: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = /^walwire-spill-(\d+)-/.exec(name)?.[1];
    if (pid === undefined || isAlive(Number(pid))) continue;
    const path = join(parent, name);
    try {
      if (Date.now() - (await stat(path)).mtimeMs > YOUNG) await rm(path, { recursive: true, force: true });
    } catch {
      // Another user's, or another process has just removed it.
    }
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}

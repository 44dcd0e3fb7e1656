/**
 * walwire/spill-directory: `SpillDirectory`: files for what an assembler cannot keep in memory (Node).
 */
import { rmSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SpillStore } from "../logical/transactions.ts";

/** A SpillStore in a temporary directory. It is removed by `close`, or else when the process exits, unless it is killed. */
export class SpillDirectory implements SpillStore {
  /** Where it is. */
  readonly path: string;
  readonly #atExit = (): void => rmSync(this.path, { recursive: true, force: true });

  private constructor(path: string) {
    this.path = path;
    process.once("exit", this.#atExit);
  }

  /**
   * Make one.
   *
   * @param parent The directory that it is made in. Default: the system's for temporary files.
   * @throws errors of the file system as Node names them; so do the other methods.
   */
  static async create(parent: string = tmpdir()): Promise<SpillDirectory> {
    return new SpillDirectory(await mkdtemp(join(parent, "walwire-spill-")));
  }

  /** Only this user may read it: there are rows in it. */
  async set(key: string, chunk: Uint8Array): Promise<void> {
    await writeFile(this.#file(key), chunk, { mode: 0o600 });
  }

  /** Undefined if there is no such chunk. */
  async get(key: string): Promise<Uint8Array | undefined> {
    try {
      return await readFile(this.#file(key));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async delete(key: string): Promise<void> {
    await rm(this.#file(key), { force: true });
  }

  /** Remove the directory with all that is in it. Doing so twice is fine. */
  async close(): Promise<void> {
    process.off("exit", this.#atExit);
    await rm(this.path, { recursive: true, force: true });
  }

  #file(key: string): string {
    return join(this.path, key);
  }
}

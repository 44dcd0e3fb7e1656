/** Outputs of `walwire tail`: what it writes is acknowledged to the server once the output has it. */
import { rmSync } from "node:fs";
import { type FileHandle, open, readFile, writeFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { formatLsn, invalidLsn, type Lsn, parseLsn } from "../../kernel/lsn.ts";
import { durableRename, fsyncParent } from "../durable.ts";
import { takeOwnerFile } from "../owner-file.ts";
import type { CopiedTable, SubscriptionState, SubscriptionStore } from "../subscribe/index.ts";
import { TailError } from "../tail-error.ts";

/** Where lines go. */
export interface Output {
  /** Whether `flush` takes time, so that one should serve many events. */
  readonly mustFlush: boolean;
  /** Write all of it. The bytes must not change until the promise is fulfilled. */
  write(bytes: Uint8Array): Promise<void>;
  /** What was written so far is complete. */
  mark(): void;
  /** Cut off what was written since the last `mark`, if the output can do that. */
  cut(): Promise<void>;
  /** Everything that was written stays, even after a crash of the machine, as far as the output can do that. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

/** A stream such as standard output: what it has taken is written. */
export class StreamOutput implements Output {
  readonly mustFlush = false;
  readonly #stream: NodeJS.WritableStream;

  constructor(stream: NodeJS.WritableStream) {
    this.#stream = stream;
  }

  write(bytes: Uint8Array): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#stream.write(bytes, (error) => (error ? reject(error) : resolve()));
    });
  }

  mark(): void {}
  async cut(): Promise<void> {}
  async flush(): Promise<void> {}
  async close(): Promise<void> {}
}

/** Milliseconds between two writes of the state. */
const STATE_INTERVAL = 100;

/** What the file of the state has, as JSON. */
interface State {
  readonly slot: string;
  /** Bytes of the file up to this position. */
  readonly size: number;
  /** Undefined before the first. */
  readonly lsn: Lsn | undefined;
  readonly copied: readonly CopiedTable[];
}

/**
 * A file, and beside it FILE.state: the position up to which the file has everything, and its size then. After a crash, what is behind
 * that size is cut off, and comes again.
 */
export class FileOutput implements Output {
  readonly mustFlush = true;
  readonly #path: string;
  readonly #handle: FileHandle;
  #size: number;
  /** Its size when it was marked last, and that which was flushed then. */
  #marked: number;
  #flushed: number;
  readonly #slot: string | undefined;
  #state: State | undefined;
  #hasBegun = false;
  #savedAt = 0;
  readonly #lock: Lock;

  private constructor(
    path: string,
    handle: FileHandle,
    size: number,
    slot: string | undefined,
    state: State | undefined,
    lock: Lock,
  ) {
    this.#path = path;
    this.#handle = handle;
    this.#size = size;
    this.#marked = size;
    this.#flushed = size;
    this.#slot = slot;
    this.#state = state;
    this.#lock = lock;
  }

  /**
   * Open the file to append to it. Nothing in it changes before `begin`.
   *
   * @param slot The slot that it follows; undefined for a temporary one, which has no state.
   * @throws TailError if file and state do not belong together; errors of the file system
   */
  static async open(path: string, slot: string | undefined): Promise<FileOutput> {
    const handle = await open(path, "a");
    let lock: Lock | undefined;
    try {
      const { size, isRegular } = await handle.stat().then((stat) => ({ size: stat.size, isRegular: stat.isFile() }));
      if (!isRegular) {
        throw new TailError(`${path} is not a regular file: to write to a pipe or a device, use > instead of --output`);
      }
      lock = await Lock.take(path);
      const state = slot === undefined ? undefined : await readState(path, slot);
      const kept = slot === undefined ? size : sizeOf(path, size, state);
      await fsyncParent(path);
      return new FileOutput(path, handle, kept, slot, state, lock);
    } catch (error) {
      lock?.release();
      await handle.close();
      throw error;
    }
  }

  /** Cut off what is not complete. The slot is held by now, so the server sends that again. */
  async begin(): Promise<void> {
    if ((await this.#handle.stat()).size > this.#size) {
      await this.#handle.truncate(this.#size);
      await this.#handle.sync();
    }
    this.#hasBegun = true;
    const { lsn, copied = [] } = this.#state ?? {};
    if (this.#slot !== undefined) await this.#write({ slot: this.#slot, size: this.#size, lsn, copied });
  }

  /** The position of the file; undefined if it is new. */
  get position(): Lsn | undefined {
    return this.#state?.lsn;
  }

  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; ) {
      const { bytesWritten } = await this.#handle.write(bytes, at, bytes.length - at);
      at += bytesWritten;
    }
    this.#size += bytes.length;
  }

  mark(): void {
    this.#marked = this.#size;
  }

  async cut(): Promise<void> {
    await this.#handle.truncate(this.#marked);
    this.#size = this.#marked;
  }

  async flush(): Promise<void> {
    const marked = this.#marked;
    await this.#handle.datasync();
    const { size } = await this.#handle.stat();
    if (size !== this.#size) {
      throw new Error(`another process writes to it: it has ${size} bytes, expected ${this.#size}`);
    }
    this.#flushed = marked;
  }

  async close(): Promise<void> {
    await this.#handle.close();
    this.#lock.release();
  }

  /** The store of the subscription. @param start The position of a new file. */
  store(start: Lsn | undefined): SubscriptionStore {
    return {
      load: (): SubscriptionState | undefined => {
        const lsn = this.#state?.lsn ?? start;
        return lsn === undefined ? undefined : { lsn, copied: this.#state?.copied ?? [] };
      },
      save: async ({ lsn, copied }: SubscriptionState): Promise<void> => {
        // The size belongs to the position: more may be flushed while this waits.
        const size = this.#flushed;
        if (!this.#hasBegun) {
          // Where the slot is as the stream opens.
          this.#state = { slot: this.#slot!, size, lsn, copied };
          return;
        }
        const wait = this.#savedAt + STATE_INTERVAL - Date.now();
        if (wait > 0) await sleep(wait);
        await this.#write({ slot: this.#slot!, size, lsn: lsn === invalidLsn ? undefined : lsn, copied });
        this.#savedAt = Date.now();
      },
    };
  }

  async #write(state: State): Promise<void> {
    const path = statePath(this.#path);
    const { slot, size, lsn, copied } = state;
    const tables = copied.map((table) => ({ ...table, lsn: formatLsn(table.lsn) }));
    const json = { slot, size, lsn: lsn === undefined ? null : formatLsn(lsn), copied: tables };
    await writeFile(`${path}.new`, `${JSON.stringify(json)}\n`);
    await durableRename(`${path}.new`, path);
    this.#state = state;
  }
}

function statePath(path: string): string {
  return `${path}.state`;
}

/** The size up to which a file is complete, as its state says. @throws TailError */
function sizeOf(path: string, size: number, state: State | undefined): number {
  if (state === undefined) {
    if (size === 0) return 0;
    throw new TailError(
      `${path} exists, but ${statePath(path)} does not: move the file away, or choose another one for --output`,
    );
  }
  // It was moved away, and a new one begins.
  if (size === 0) return 0;
  if (size < state.size) {
    const where = state.lsn === undefined ? "the slot" : formatLsn(state.lsn);
    throw new TailError(
      `${path} has ${size} bytes, but ${statePath(path)} says ${state.size}, and the server does not send again what is missing: move the file away to go on at ${where} without it`,
    );
  }
  return state.size;
}

/** FILE.lock, which says which process writes FILE. */
class Lock {
  readonly #path: string;
  readonly #onExit = (): void => rmSync(this.#path, { force: true });

  private constructor(path: string) {
    this.#path = path;
    process.once("exit", this.#onExit);
  }

  /** @throws TailError if another process has it */
  static async take(file: string): Promise<Lock> {
    const path = `${file}.lock`;
    const owner = await takeOwnerFile(path);
    if (owner === undefined) return new Lock(path);
    throw new TailError(
      `${file} is written by the process ${owner}: stop it, choose another --output, or remove ${path} if that process is another program`,
    );
  }

  release(): void {
    process.off("exit", this.#onExit);
    this.#onExit();
  }
}

/** The size up to which a file that tail has written is complete; undefined if there is no state of tail beside it. */
export async function stateSizeOf(path: string): Promise<number | undefined> {
  const text = await readFile(statePath(path), "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseState(text)?.size;
}

async function readState(path: string, slot: string): Promise<State | undefined> {
  const file = statePath(path);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const state = parseState(text);
  if (state === undefined) {
    throw new TailError(
      `${file} is not a state of walwire tail: move ${path} and ${file} away, and copy the tables again`,
    );
  }
  if (state.slot !== slot) {
    throw new TailError(`${path} follows the slot ${state.slot}: add --slot ${state.slot}, or choose another --output`);
  }
  return state;
}

function parseState(text: string): State | undefined {
  try {
    const { slot, size, lsn, copied } = JSON.parse(text);
    if (typeof slot !== "string" || !Number.isSafeInteger(size) || size < 0 || !Array.isArray(copied)) return undefined;
    const tables = copied.map(({ relationId, namespace, name, lsn }) => {
      if (!Number.isSafeInteger(relationId) || typeof namespace !== "string" || typeof name !== "string")
        throw new Error();
      return { relationId, namespace, name, lsn: parseLsn(lsn) };
    });
    return { slot, size, lsn: lsn === null ? undefined : parseLsn(lsn), copied: tables };
  } catch {
    return undefined;
  }
}

/** AppendQueue: what several transactions append goes to the store together, in the order in which it came. */
import { StateError } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import type { Stop } from "../kernel/stop.ts";
import type { PublisherStore } from "./store.ts";

interface Work {
  /** The bytes at a position. */
  readonly make: (at: Lsn) => readonly Uint8Array[];
  /** Called once they are stored, before anyone else sees them. */
  readonly stored: () => void | Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** Appends to a store, and tells who waits for the log to grow. */
export class AppendQueue {
  readonly #store: PublisherStore;
  #end: Lsn;
  #work: Work[] = [];
  /** What must happen between two appends. */
  #between: (() => void)[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  readonly #waiting = new Set<() => void>();

  constructor(store: PublisherStore, end: Lsn) {
    this.#store = store;
    this.#end = end;
  }

  /** The end of what is stored. */
  get end(): Lsn {
    return this.#end;
  }

  /**
   * Append. It resolves when the bytes are stored.
   *
   * @param make Makes the bytes for a position. What it throws is thrown, and nothing of it is appended.
   * @param stored Called when they are stored, before readers see them and before anything of `between`.
   * @throws what the store throws: then nothing was appended.
   */
  append(make: (at: Lsn) => readonly Uint8Array[], stored: () => void | Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError());
      this.#work.push({ make, stored, resolve, reject });
      this.#start();
    });
  }

  /** Run a function between two appends: what is stored then is before `end`, and nothing else is. @returns what it returns. */
  between<T>(run: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      if (this.#closed) return reject(closedError());
      this.#between.push(() => {
        try {
          resolve(run());
        } catch (error) {
          reject(error);
        }
      });
      this.#start();
    });
  }

  /** Resolves when the log ends behind this position, `signal` is aborted, or the queue is closed. */
  async grown(position: Lsn, signal: Stop): Promise<void> {
    if (this.#end > position || signal.aborted || this.#closed) return;
    await new Promise<void>((resolve) => {
      const done = () => {
        this.#waiting.delete(done);
        signal.removeEventListener("abort", done);
        resolve();
      };
      this.#waiting.add(done);
      signal.addEventListener("abort", done);
    });
  }

  /** Append nothing more. It resolves when everything before has been. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#running;
    this.#wake();
  }

  #start(): void {
    this.#running ??= this.#run();
  }

  async #run(): Promise<void> {
    // Whoever commits in the same turn is stored together.
    await undefined;
    while (this.#work.length > 0 || this.#between.length > 0) {
      for (const run of this.#between.splice(0)) run();
      await this.#append(this.#work.splice(0));
    }
    // Here, and not later: what comes in the meantime would wait for ever.
    this.#running = undefined;
  }

  async #append(given: readonly Work[]): Promise<void> {
    const chunks: Uint8Array[] = [];
    const works: Work[] = [];
    let at: bigint = this.#end;
    for (const work of given) {
      try {
        for (const chunk of work.make(toLsn(at))) {
          chunks.push(chunk);
          at += BigInt(chunk.length);
        }
        works.push(work);
      } catch (error) {
        work.reject(error);
      }
    }
    if (works.length === 0) return;
    try {
      await this.#store.append(chunks);
    } catch (error) {
      for (const { reject } of works) reject(error);
      return;
    }
    for (const { stored, reject } of works) {
      try {
        await stored();
      } catch (error) {
        reject(error);
      }
    }
    this.#end = toLsn(at);
    for (const { resolve } of works) resolve();
    this.#wake();
  }

  #wake(): void {
    for (const done of [...this.#waiting]) done();
  }
}

function closedError(): StateError {
  return new StateError("the publisher is closed");
}

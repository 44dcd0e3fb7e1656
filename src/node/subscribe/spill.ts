/** The spill of a subscription: a SpillDirectory that is made when it is needed, or a store of the caller; counts its bytes. */

import { StateError } from "../../kernel/errors.ts";
import type { SpillStore } from "../../logical/transactions.ts";
import { lengthOf } from "../../wire/check.ts";
import { SpillDirectory } from "../spill-directory.ts";

export class Spill implements SpillStore {
  readonly #given: SpillStore | undefined;
  #own: Promise<SpillDirectory> | undefined;
  readonly #lengths = new Map<string, number>();
  #bytes = 0;
  #isClosed = false;

  constructor(given: SpillStore | undefined) {
    this.#given = given;
  }

  /** Bytes in it now. */
  get bytes(): number {
    return this.#bytes;
  }

  async set(key: string, chunk: Uint8Array): Promise<void> {
    await (await this.#store()).set(key, chunk);
    const length = lengthOf(chunk);
    this.#lengths.set(key, length);
    this.#bytes += length;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    return (await this.#store()).get(key);
  }

  async delete(key: string): Promise<void> {
    // What is confirmed after the end was in a directory that is gone.
    if (this.#isClosed && this.#given === undefined) return;
    await (await this.#store()).delete(key);
    this.#bytes -= this.#lengths.get(key) ?? 0;
    this.#lengths.delete(key);
  }

  /** Remove the directory, if there is one. */
  async close(): Promise<void> {
    const own = this.#own;
    this.#own = undefined;
    this.#isClosed = true;
    if (own !== undefined) await (await own).close();
  }

  #store(): SpillStore | Promise<SpillStore> {
    if (this.#given !== undefined) return this.#given;
    if (this.#isClosed) throw new StateError("the subscription has ended, and its spill is gone");
    this.#own ??= SpillDirectory.create();
    return this.#own;
  }
}

/** What a caller gives to be sent in pieces: taken one by one, and left without waiting for it. */

import { refuseArgument } from "../kernel/errors.ts";
import { isBytes } from "../wire/check.ts";

/** Chunks of bytes from a caller, at once or as they come. */
export type Chunks = Iterable<Uint8Array> | AsyncIterable<Uint8Array>;

export class ChunkSource {
  /** What the source has thrown, or what was thrown because of a chunk. */
  thrown: { readonly error: unknown } | undefined;
  readonly #chunks: Chunks;
  #iterator: Iterator<Uint8Array> | AsyncIterator<Uint8Array> | undefined;
  #isOver = false;

  constructor(chunks: Chunks) {
    this.#chunks = chunks;
  }

  /** The next chunk, or that there is none. @throws what the source throws; ArgumentError for a chunk that is not bytes */
  async next(): Promise<IteratorResult<Uint8Array>> {
    let bad: { readonly value: unknown } | undefined;
    try {
      this.#iterator ??=
        (this.#chunks as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]?.() ??
        (this.#chunks as Iterable<Uint8Array>)[Symbol.iterator]();
      const result = await this.#iterator.next();
      if (result.done) this.#isOver = true;
      else if (!isBytes(result.value)) bad = { value: result.value };
      if (bad === undefined) return result;
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
    refuseArgument("chunk", "a Uint8Array", bad.value);
  }

  /** Tell the source that no more is wanted. It may never answer, and nobody waits for that. */
  leave(): void {
    const iterator = this.#iterator;
    if (this.#isOver || iterator === undefined) return;
    this.#isOver = true;
    Promise.resolve()
      .then(() => iterator.return?.())
      .catch(() => {});
  }
}

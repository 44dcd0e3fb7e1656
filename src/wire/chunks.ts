/**
 * ChunkQueue: chunks of a byte stream that wait to be read, in order.
 *
 * A chunk is kept as it is, as a view, unless it is small and others wait already: then it is copied into a buffer of ours.
 * Otherwise a peer that sends single bytes would cost 100 times the memory: an array and its buffer take about 300 bytes
 * besides their contents. No buffer that `shift` gave out is written to again.
 */

import { lengthOf, plainBytes } from "./check.ts";

/** Chunks below this many bytes are copied while others wait. */
const SMALL = 512;
/** The largest buffer of ours. */
const OWN_BUFFER = 16384;

export class ChunkQueue {
  /** Bytes that wait. Only the queue itself sets it. */
  length = 0;
  /** The chunks, from #head on. */
  #chunks: Uint8Array[] = [];
  #head = 0;
  /** The last of them, if it is a buffer of ours with room behind its first #filled bytes. */
  #own: Uint8Array | undefined;
  #filled = 0;

  /** Add a chunk. It must not be written to afterwards. */
  push(chunk: Uint8Array): void {
    const length = lengthOf(chunk, "chunk");
    if (length === 0) return;
    if (length >= SMALL || this.length === 0) {
      this.#seal();
      this.#chunks.push(plainBytes(chunk));
    } else {
      this.#gather(chunk, length);
    }
    this.length += length;
  }

  /**
   * Take the oldest chunk, as a plain Uint8Array whatever class it was; undefined if none waits.
   *
   * @throws ArgumentError if it was detached since.
   */
  shift(): Uint8Array | undefined {
    if (this.length === 0) return undefined;
    if (this.#head === this.#chunks.length - 1) this.#seal();
    const chunk = this.#chunks[this.#head]!;
    lengthOf(chunk, "chunk");
    this.#head++;
    this.length -= chunk.length;
    // Dropping chunks half the array at a time moves each chunk once; dropping them one by one would take quadratic time.
    if (this.#head * 2 >= this.#chunks.length) {
      this.#chunks.splice(0, this.#head);
      this.#head = 0;
    }
    return chunk;
  }

  /** Take this many bytes: a view if one chunk holds them, else a copy; undefined if fewer wait. */
  take(length: number): Uint8Array | undefined {
    if (length > this.length) return undefined;
    if (this.#head === this.#chunks.length - 1) this.#seal();
    const first = this.#chunks[this.#head];
    if (first === undefined || first.length === length) return this.shift();
    if (first.length > length) {
      this.#chunks[this.#head] = first.subarray(length);
      this.length -= length;
      return first.subarray(0, length);
    }
    const bytes = new Uint8Array(length);
    for (let filled = 0; filled < length; ) {
      if (this.#head === this.#chunks.length - 1) this.#seal();
      const part = this.take(Math.min(length - filled, this.#chunks[this.#head]!.length))!;
      bytes.set(part, filled);
      filled += part.length;
    }
    return bytes;
  }

  /** Drop everything that waits. */
  clear(): void {
    this.length = this.#head = 0;
    this.#chunks = [];
    this.#own = undefined;
  }

  /** Copy a small chunk behind what waits. A new buffer for it has at least as many bytes as wait already, within limits. */
  #gather(chunk: Uint8Array, length: number): void {
    for (let from = 0; from < length; ) {
      if (this.#own === undefined) {
        this.#own = new Uint8Array(Math.min(OWN_BUFFER, Math.max(SMALL, 2 * this.length)));
        this.#filled = 0;
        this.#chunks.push(this.#own);
      }
      const own = this.#own;
      const count = Math.min(length - from, own.length - this.#filled);
      own.set(count === length ? chunk : chunk.subarray(from, from + count), this.#filled);
      from += count;
      this.#filled += count;
      if (this.#filled === own.length) this.#own = undefined;
    }
  }

  /** Nothing more is written behind the last chunk. */
  #seal(): void {
    if (this.#own === undefined) return;
    this.#chunks[this.#chunks.length - 1] = this.#own.subarray(0, this.#filled);
    this.#own = undefined;
  }
}

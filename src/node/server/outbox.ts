/** Bytes on their way to a socket: what is short is collected, and everything of a turn leaves together. */
import type { Socket } from "node:net";

/** Bytes from here on are not copied: a write of their own costs as much as copying 4 KiB. */
const LONG = 4096;
/** Bytes that are collected: most turns have few, a stream many. */
const FIRST = 2 * LONG;
const NEXT = 65_536;

const nothing = new Uint8Array(0);

export class Outbox {
  readonly #socket: Socket;
  /** What is collected, up to #used; nothing between turns. */
  #buffer = nothing;
  #used = 0;
  #isCorked = false;

  constructor(socket: Socket) {
    this.#socket = socket;
  }

  /** Send bytes. @returns a promise that resolves when they may be written to; undefined if they may be now. */
  write(bytes: Uint8Array): Promise<void> | undefined {
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) return undefined;
    if (!this.#isCorked) {
      this.#isCorked = true;
      socket.cork();
      process.nextTick(() => this.flush());
    }
    const { length } = bytes;
    if (length >= LONG) {
      this.#pass();
      return new Promise((resolve) => socket.write(bytes, () => setImmediate(resolve)));
    }
    if (this.#used + length > this.#buffer.length) {
      const isFirst = this.#buffer.length === 0;
      this.#pass();
      this.#buffer = Buffer.allocUnsafeSlow(isFirst ? FIRST : NEXT);
    }
    this.#buffer.set(bytes, this.#used);
    this.#used += length;
    return undefined;
  }

  /** Let everything leave now. */
  flush(): void {
    if (!this.#isCorked) return;
    this.#pass();
    this.#buffer = nothing;
    this.#isCorked = false;
    this.#socket.uncork();
  }

  /** Give the socket what is collected. */
  #pass(): void {
    if (this.#used === 0) return;
    const { destroyed, writableEnded } = this.#socket;
    if (!destroyed && !writableEnded) this.#socket.write(this.#buffer.subarray(0, this.#used));
    this.#buffer = this.#buffer.subarray(this.#used);
    this.#used = 0;
  }
}

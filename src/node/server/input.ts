/** What a client sends: bytes on demand, with a bound on what is read ahead. */
import type { Socket } from "node:net";
import { ChunkQueue } from "../../wire/chunks.ts";

/** Bytes that are read before somebody wants them: so that the end of the connection is noticed, and memory stays small. */
const READ_AHEAD = 65_536;

interface Waiter {
  readonly length: number;
  readonly resolve: (bytes: Uint8Array | undefined) => void;
}

export class Input {
  readonly #socket: Socket;
  readonly #queue = new ChunkQueue();
  readonly #onData = (chunk: Uint8Array): void => {
    this.#queue.push(chunk);
    this.#settle();
  };
  readonly #onEnd = (): void => {
    this.#ended = true;
    this.#sayEnded();
    this.#settle();
  };
  #ended = false;
  #sayEnded!: () => void;
  /** Resolves when the client has closed its side, or is gone; not while more waits than is read ahead. */
  readonly end = new Promise<void>((resolve) => {
    this.#sayEnded = resolve;
  });
  #waiter: Waiter | undefined;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", this.#onData);
    for (const event of ["end", "close", "error"]) socket.on(event, this.#onEnd);
  }

  /** Bytes that have arrived and were not taken. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** The client has closed its side, or is gone. */
  get ended(): boolean {
    return this.#ended;
  }

  /** The next bytes; undefined if the connection ends before there are so many. One call at a time. */
  take(length: number): Promise<Uint8Array | undefined> {
    return new Promise((resolve) => {
      this.#waiter = { length, resolve };
      this.#settle();
    });
  }

  /** Stop reading. @returns what has arrived and was not taken. */
  detach(): Uint8Array | undefined {
    this.#socket.pause();
    this.#socket.off("data", this.#onData);
    for (const event of ["end", "close", "error"]) this.#socket.off(event, this.#onEnd);
    return this.#queue.take(this.#queue.length);
  }

  /** Drop what comes from now on. */
  discard(): void {
    this.#socket.off("data", this.#onData);
    this.#queue.clear();
    this.#socket.resume();
  }

  #settle(): void {
    const waiter = this.#waiter;
    if (waiter !== undefined && (this.#queue.length >= waiter.length || this.#ended)) {
      this.#waiter = undefined;
      waiter.resolve(waiter.length === 0 ? new Uint8Array(0) : this.#queue.take(waiter.length));
    }
    const wanted = Math.max(READ_AHEAD, this.#waiter?.length ?? 0);
    if (this.#queue.length >= wanted) this.#socket.pause();
    else if (this.#socket.isPaused()) this.#socket.resume();
  }
}

/**
 * Memory for what a socket reads, which is used again as soon as nothing in it is needed.
 *
 * Otherwise Node allocates 64 KiB for each read and frees them later, and each frame of 128 KiB is put together in memory of its own: then
 * 1 GB of WAL takes 1 s of the processor besides system calls, and 0.4 s this way (Node 20).
 */
import { Socket, type TcpSocketConnectOpts } from "node:net";

/** What is read one after the other is one piece of memory, so that few frames of 128 KiB are cut. */
const SIZE = 1024 * 1024;
/** The least that a read has room for. */
const LEAST = 64 * 1024;

interface ReadMemoryOptions {
  /** How many of the bytes that were read last are still needed, besides the payload that is lent. */
  readonly unread: () => number;
  /** Bytes of each of the two pieces of memory. */
  readonly size?: number;
  /** Bytes that a read has room for, at least. */
  readonly least?: number;
}

/** An option of net.Socket that Node's types have for `connect` only. */
type OnRead = Pick<TcpSocketConnectOpts, "onread">;

export class ReadMemory {
  readonly #unread: () => number;
  readonly #size: number;
  readonly #least: number;
  /** Reads go into this one, behind its first #filled bytes. */
  #current: Uint8Array<ArrayBuffer>;
  #filled = 0;
  /** The one before, which comes next if nothing in it is needed. */
  #other: Uint8Array<ArrayBuffer> | undefined;
  /** For a frame that is in both. */
  #frame = new Uint8Array(0);
  /** The memory of the payload that the caller has. */
  #lent: ArrayBufferLike | undefined;

  constructor({ unread, size = SIZE, least = LEAST }: ReadMemoryOptions) {
    this.#unread = unread;
    this.#size = size;
    this.#least = least;
    this.#current = new Uint8Array(size);
  }

  /** A socket of Node's, for pg, that reads into this memory: its "data" events have views. */
  socket(): object {
    const options: OnRead = {
      onread: {
        buffer: () => this.room(),
        callback: (count) => {
          socket.emit("data", this.taken(count));
          return true;
        },
      },
    };
    const socket = new Socket(options as ConstructorParameters<typeof Socket>[0]);
    return socket;
  }

  /** Where the next read goes to. */
  room(): Uint8Array {
    if (this.#size - this.#filled < this.#least) {
      const next = this.#other;
      const isFree = next !== undefined && next.buffer !== this.#lent && this.#unread() <= this.#filled;
      this.#other = this.#current;
      this.#current = isFree ? next : new Uint8Array(this.#size);
      this.#filled = 0;
    }
    return this.#current.subarray(this.#filled);
  }

  /** What was read: the first bytes of the room. */
  taken(count: number): Uint8Array {
    const from = this.#filled;
    this.#filled += count;
    return this.#current.subarray(from, this.#filled);
  }

  /** Memory for a frame that is in several pieces. */
  readonly allocate = (length: number): Uint8Array => {
    if (length > this.#frame.length || this.#lent === this.#frame.buffer) this.#frame = new Uint8Array(length);
    return this.#frame;
  };

  /** The caller has this payload until `release`. */
  lend({ buffer }: Uint8Array): void {
    this.#lent = buffer;
  }

  release(): void {
    this.#lent = undefined;
  }
}

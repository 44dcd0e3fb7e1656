/** RecordBuffer: the bytes of a record that arrives in parts. Memory is allocated for bytes that have arrived, never for a length alone. */
import { wordsOf } from "../kernel/crc32c.ts";
import { align } from "./decode.ts";

/** The least that is allocated for a record, unless it is shorter. */
const LEAST = 512;

/** Short records share arrays of up to this size: one array for each record of 8 kB takes 3 us, a shared one 1.2. */
const POOL = 65536;

/** Bytes, and views of the same. */
export interface Readable {
  readonly bytes: Uint8Array;
  readonly view: DataView;
  readonly words: Int32Array;
}

export function readable(bytes: Uint8Array): Readable {
  return { bytes, view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length), words: wordsOf(bytes) };
}

const none: Readable = /* @__PURE__ */ readable(/* @__PURE__ */ new Uint8Array(0));

export class RecordBuffer {
  /** The array that the record is copied into, and where it begins there. */
  into: Readable = none;
  at = 0;
  /** How many bytes of it there are. */
  got = 0;
  /** For how many there is room. */
  #room = 0;
  /** Free after the first #pooled bytes. */
  #pool: Readable = none;
  #pooled = 0;

  /** Another record begins. Nothing of the one before is written to again. */
  begin(): void {
    this.drop();
    this.got = 0;
  }

  drop(): void {
    this.into = none;
    this.#room = 0;
  }

  /** Add bytes of the chunk. */
  add(chunk: Uint8Array, at: number, count: number): void {
    copy(chunk, at, count, this.into.bytes, this.at + this.got);
    this.got += count;
  }

  /**
   * Make room.
   *
   * @param bytes Bytes of the record to make room for, at least.
   * @param most Bytes that the record can have.
   * @param there Bytes that have arrived: if that is all of it, there is room for all of it.
   */
  makeRoom(bytes: number, most: number, there: number): void {
    if (this.#room >= bytes) return;
    const size = there >= most ? most : Math.min(most, Math.max(bytes, 2 * this.#room, LEAST));
    const [old, from] = [this.into.bytes, this.at];
    if (size > POOL / 4) {
      this.into = readable(new Uint8Array(size));
      this.at = 0;
    } else {
      if (this.#pooled + size > this.#pool.bytes.length) {
        this.#pool = readable(new Uint8Array(Math.max(size, Math.min(POOL, there))));
        this.#pooled = 0;
      }
      this.into = this.#pool;
      this.at = this.#pooled;
      this.#pooled = align(this.#pooled + size);
    }
    this.#room = size;
    copy(old, from, this.got, this.into.bytes, this.at);
  }

  hasRoom(bytes: number): boolean {
    return this.#room >= bytes;
  }
}

/** Puts bytes into another array; few of them one by one, since a view of them costs more than they. */
function copy(source: Uint8Array, at: number, count: number, target: Uint8Array, to: number): void {
  if (count > 64) target.set(new Uint8Array(source.buffer, source.byteOffset + at, count), to);
  else for (let i = 0; i < count; i++) target[to + i] = source[at + i]!;
}

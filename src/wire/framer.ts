/**
 * Framer: cuts a byte stream into the frames of protocol 3, whatever chunks it arrives in.
 *
 * A frame is a type byte, a 32-bit length that counts itself, and a body. Bodies are views into the chunks that were
 * pushed where that is possible, else one copy; memory is taken for bytes that have arrived, never for a length that was
 * only read. No buffer that was handed out is written to again, so a view stays good as long as the chunk it came in does.
 */
import { DecodeError } from "../errors.ts";
import { MAX_ALLOC_SIZE } from "./check.ts";
import { bytesOf } from "./reader.ts";

/** A frame; or, for a body that is longer than `wholeUpTo`, a piece of one. */
export interface Frame {
  /** The type byte. */
  readonly tag: number;
  /** Bytes of the whole body, whether or not they are all in `bytes`. */
  readonly length: number;
  /** Where `bytes` begins in the body: 0 for a whole frame and a first piece. */
  readonly start: number;
  /** The body, or this piece of it. */
  readonly bytes: Uint8Array;
}

/** Is this the whole frame, or the last piece of it? */
export function isLast(frame: Frame): boolean {
  return frame.start + frame.bytes.length === frame.length;
}

export interface FramerOptions {
  /**
   * The longest frame to accept, in bytes of its body. A peer that announces more gets a DecodeError before anything is
   * stored. The default is PostgreSQL's own limit of a message (memutils.h: MaxAllocSize).
   */
  readonly maxLength?: number;
  /**
   * Bodies up to this many bytes come whole; of longer ones each piece is handed out as it arrives, and nothing of them is
   * kept. The default is to hand out whole frames only.
   */
  readonly wholeUpTo?: number;
}

/** The type byte and the length. */
const HEADER = 5;

/** Chunks below this are copied into a buffer of ours while they wait, lest a peer that sends byte by byte cost 100 times. */
const SMALL = 2048;
const OWN_BUFFER = 16384;

/**
 * Cuts a byte stream into frames: push what arrives, and take frames until there is none.
 *
 * @example [...framesOf(new Framer(), hex("5a 00000005 49"))].map((frame) => frame.bytes.length) // [1]
 * @source pqcomm.c: pq_getmessage; fe-protocol3.c: pqParseInput3
 */
export class Framer {
  readonly #maxLength: number;
  readonly #wholeUpTo: number;
  /** What has arrived and was not handed out: the chunk at #head from #position on, then the others. */
  #chunks: Uint8Array[] = [];
  #head = 0;
  #position = 0;
  #available = 0;
  /** The last chunk, if it is a buffer of ours that has room behind its first #filled bytes. */
  #own: Uint8Array | undefined;
  #filled = 0;
  /** Bytes of the stream before what is in #chunks. */
  #consumed = 0;
  /** The frame whose header was taken and whose body was not, with the part of the body that was handed out. */
  #open: { readonly tag: number; readonly length: number; start: number } | undefined;
  #failure: DecodeError | undefined;

  constructor(options: FramerOptions = {}) {
    this.#maxLength = options.maxLength ?? MAX_ALLOC_SIZE;
    this.#wholeUpTo = options.wholeUpTo ?? this.#maxLength;
  }

  /** Add bytes of the stream. The chunk must not be written to any more: frames are views into it. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#available += chunk.length;
    if (chunk.length >= SMALL || this.#head === this.#chunks.length) {
      this.#seal();
      this.#chunks.push(chunk);
      return;
    }
    for (let from = 0; from < chunk.length; ) {
      if (this.#own === undefined) {
        this.#own = new Uint8Array(OWN_BUFFER);
        this.#filled = 0;
        this.#chunks.push(this.#own);
      }
      const length = Math.min(chunk.length - from, OWN_BUFFER - this.#filled);
      this.#own.set(length === chunk.length ? chunk : chunk.subarray(from, from + length), this.#filled);
      this.#filled += length;
      from += length;
      if (this.#filled === OWN_BUFFER) this.#seal();
    }
  }

  /** Nothing more is written behind the last chunk. */
  #seal(): void {
    if (this.#own === undefined) return;
    this.#chunks[this.#chunks.length - 1] = this.#own.subarray(0, this.#filled);
    this.#own = undefined;
  }

  /**
   * The next frame, or the next piece of one; undefined if more bytes must come first.
   *
   * @throws DecodeError BAD_LENGTH for a length below 4 or above the limit; then on every further call. The offset is the
   *   one of the length in the stream.
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#open === undefined) {
      if (this.#available < HEADER) return undefined;
      this.#open = this.#header();
    }
    const frame = this.#open;
    const { tag, length, start } = frame;
    if (length <= this.#wholeUpTo) {
      if (this.#available < length) return undefined;
      this.#open = undefined;
      return { tag, length, start, bytes: this.#take(length) };
    }
    if (this.#available === 0) return undefined;
    const bytes = this.#takeFromChunk(length - start);
    frame.start += bytes.length;
    if (frame.start === length) this.#open = undefined;
    return { tag, length, start, bytes };
  }

  /**
   * The stream has ended.
   *
   * @throws DecodeError TRUNCATED if that is in the middle of a frame.
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#open === undefined && this.#available === 0) return;
    const open = this.#open;
    const [path, short] =
      open === undefined
        ? ["Frame", `${bytesOf(HEADER - this.#available)} short of a frame's header`]
        : [
            "Frame.bytes",
            `${bytesOf(open.length - open.start - this.#available)} short of the body of ${named(open.tag)}`,
          ];
    const offset = this.#consumed + this.#available;
    this.#failure = new DecodeError("TRUNCATED", path, offset, `the stream ends at offset ${offset}, ${short}`);
    throw this.#failure;
  }

  #header(): { tag: number; length: number; start: number } {
    const offset = this.#consumed + 1;
    const header = this.#take(HEADER);
    const total = header[1]! * 0x1000000 + header[2]! * 0x10000 + header[3]! * 0x100 + header[4]!;
    if (total < 4 || total - 4 > this.#maxLength) {
      const limit = total < 4 ? "a length counts itself, so it is 4 at least" : `the limit is ${this.#maxLength + 4}`;
      this.#failure = new DecodeError(
        "BAD_LENGTH",
        "Frame.length",
        offset,
        `Frame.length is ${total} at offset ${offset}; ${limit}`,
      );
      throw this.#failure;
    }
    return { tag: header[0]!, length: total - 4, start: 0 };
  }

  /** Take `length` bytes, which are there: a view if one chunk holds them, else a copy. */
  #take(length: number): Uint8Array {
    if (length === 0) return new Uint8Array(0);
    const first = this.#takeFromChunk(length);
    if (first.length === length) return first;
    const copy = new Uint8Array(length);
    copy.set(first);
    for (let filled = first.length; filled < length; ) {
      const part = this.#takeFromChunk(length - filled);
      copy.set(part, filled);
      filled += part.length;
    }
    return copy;
  }

  /** A view of the next bytes: as many as asked for, or what the first chunk has left. */
  #takeFromChunk(length: number): Uint8Array {
    const chunk = this.#chunks[this.#head]!;
    const end = chunk === this.#own ? this.#filled : chunk.length;
    const view = chunk.subarray(this.#position, Math.min(this.#position + length, end));
    this.#position += view.length;
    this.#consumed += view.length;
    this.#available -= view.length;
    if (this.#position === end) {
      if (chunk === this.#own) this.#own = undefined;
      this.#position = 0;
      this.#head++;
      // Forgetting chunks half the array at a time costs one move a chunk; one by one it would be quadratic.
      if (this.#head * 2 >= this.#chunks.length) {
        this.#chunks.splice(0, this.#head);
        this.#head = 0;
      }
    }
    return view;
  }
}

function named(tag: number): string {
  return `frame ${JSON.stringify(String.fromCharCode(tag))}`;
}

/** Push a chunk and take every frame that is complete. */
export function* framesOf(framer: Framer, chunk: Uint8Array): Generator<Frame> {
  framer.push(chunk);
  for (let frame = framer.next(); frame !== undefined; frame = framer.next()) yield frame;
}

/**
 * A frame around a body, as a fresh array.
 *
 * @param tag The type byte, as its ASCII character.
 * @throws RangeError if the body is longer than PostgreSQL takes.
 */
export function encodeFrame(tag: string, body: Uint8Array): Uint8Array {
  if (body.length > MAX_ALLOC_SIZE) throw new RangeError(`a frame's body has at most ${MAX_ALLOC_SIZE} bytes`);
  const frame = new Uint8Array(HEADER + body.length);
  frame[0] = tag.charCodeAt(0);
  new DataView(frame.buffer).setUint32(1, 4 + body.length);
  frame.set(body, HEADER);
  return frame;
}

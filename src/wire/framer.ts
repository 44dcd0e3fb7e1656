/**
 * Framer: cuts a byte stream into the frames of protocol 3, whatever chunks it arrives in.
 *
 * A frame is a type byte, a 32-bit length that counts itself, and a body. Bodies are views into the chunks that were
 * pushed where that is possible, else one copy; memory is taken for bytes that have arrived, never for a length that was
 * only read. No buffer that was handed out is written to again, so a view stays good as long as the chunk it came in does.
 */
import { DecodeError, EncodeError, refuseArgument } from "../kernel/errors.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { isBytes, lengthOf, MAX_ALLOC_SIZE, mustBeBytes, plainBytes } from "./check.ts";
import { ChunkQueue } from "./chunks.ts";
import { newBytes } from "./parts.ts";
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

/** Is this the whole frame, or the last piece of it? @throws ArgumentError for what is not a frame */
export function isLast(frame: Frame): boolean {
  if (!isBytes((frame as Frame | null | undefined)?.bytes)) refuseArgument("frame", "a Frame", frame);
  return frame.start + lengthOf(frame.bytes) === frame.length;
}

export interface FramerOptions {
  /**
   * The longest frame to accept, in bytes of its body. A peer that announces more gets a DecodeError before anything is
   * stored. The default is PostgreSQL's own limit of a message (memutils.h: MaxAllocSize).
   */
  readonly maxLength?: number;
  /**
   * Bodies up to this many bytes come whole. A longer one comes in pieces as they arrive, as views, and nothing of it is kept or
   * copied. The default is to hand out whole frames only.
   */
  readonly wholeUpTo?: number;
  /**
   * Memory for a whole body of more than 512 bytes that has arrived in several chunks: at least as many bytes. The default
   * is fresh memory, which is most of the cost of a long body. If each frame is consumed before the next, the same memory can be used
   * every time: frames of 128 KiB then come more than twice as fast.
   */
  readonly allocate?: (length: number) => Uint8Array;
}

/** The type byte and the length. */
const HEADER = 5;

/** The longest body that a length can say. */
const MAX_LENGTH = 0xffffffff - 4;

/** Bodies up to this many bytes that arrived in several chunks are parts of a shared buffer. */
const SMALL = 512;

/** Up to here a loop copies faster than `set`, which takes a view of what is to be copied. */
const LOOP = 64;

const nothing = new Uint8Array(0);
const fresh = (length: number): Uint8Array => new Uint8Array(length);

/**
 * Cuts a byte stream into frames: push what arrives, and take frames until there is none.
 *
 * @example [...framesOf(new Framer(), hex("5a 00000005 49"))].map((frame) => frame.bytes.length) // [1]
 * @source pqcomm.c: pq_getmessage; fe-protocol3.c: pqParseInput3
 */
export class Framer {
  #maxLength: number;
  #wholeUpTo: number;
  readonly #allocate: (length: number) => Uint8Array;
  /** What has arrived and was not handed out: #chunk from #position up to #end, then the chunks that wait behind it. */
  #chunk: Uint8Array = nothing;
  #position = 0;
  #end = 0;
  /** The buffer of #chunk and where it begins in it: a view made of these takes 18 ns, and `subarray` 33 (Node 20). */
  #buffer: ArrayBufferLike = nothing.buffer;
  #base = 0;
  /** The chunks behind it. */
  readonly #queue = new ChunkQueue();
  /** Bytes of the stream before #chunk. */
  #before = 0;
  /** The frame whose header was taken and whose body was not; #length is -1 if there is none. */
  #tag = 0;
  #length = -1;
  /** How much of its body was handed out. */
  #start = 0;
  #failure: DecodeError | undefined;

  /** @throws ArgumentError for an option that it does not take */
  constructor(options: FramerOptions = {}) {
    checkOptions(options, ["maxLength", "wholeUpTo", "allocate"]);
    const { maxLength = MAX_ALLOC_SIZE, wholeUpTo = maxLength, allocate = fresh } = options;
    checkWhole("options.maxLength", maxLength, 0, MAX_LENGTH);
    checkWhole("options.wholeUpTo", wholeUpTo, 0, Infinity);
    if (typeof allocate !== "function") refuseArgument("options.allocate", "a function", allocate);
    this.#maxLength = maxLength;
    this.#wholeUpTo = wholeUpTo;
    this.#allocate = allocate;
  }

  /** Change the limit, for frames whose header was not read yet. In bytes of the body, as the option. @throws ArgumentError */
  set maxLength(maxLength: number) {
    checkWhole("maxLength", maxLength, 0, MAX_LENGTH);
    // `wholeUpTo` follows unless it was set on its own.
    if (this.#wholeUpTo === this.#maxLength) this.#wholeUpTo = maxLength;
    this.#maxLength = maxLength;
  }

  /**
   * Add bytes of the stream. The chunk must not be written to any more: frames are views into it.
   *
   * @throws ArgumentError if it is not a Uint8Array.
   */
  push(chunk: Uint8Array): void {
    mustBeBytes(chunk, "chunk");
    if (this.#goesOn(chunk)) {
      this.#end += chunk.length;
      this.#chunk = new Uint8Array(this.#buffer, this.#base, this.#end);
      return;
    }
    this.#queue.push(chunk);
    if (this.#position === this.#end) this.#advance();
  }

  /** Add bytes that are not of the stream: offsets do not count them. @internal */
  insert(bytes: Uint8Array): void {
    this.push(bytes);
    this.#before -= bytes.length;
  }

  /**
   * The next frame, or the next piece of one; undefined if more bytes must come first.
   *
   * @throws DecodeError BAD_LENGTH for a length below 4 or above the limit; then on every further call. The offset is the
   *   one of the length in the stream.
   * @throws ArgumentError if `allocate` gave too little, and no byte is lost by it; or if the buffer of a chunk was detached.
   */
  next(): Frame | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    if (this.#length < 0 && !this.#header()) return undefined;
    const tag = this.#tag;
    const length = this.#length;
    if (length > this.#wholeUpTo) return this.#piece(tag, length);
    const end = this.#position + length;
    let bytes: Uint8Array;
    if (end <= this.#end) {
      bytes = new Uint8Array(this.#buffer, this.#base + this.#position, length);
      this.#position = end;
    } else if (this.#available() >= length) {
      bytes = this.#take(length);
    } else {
      return undefined;
    }
    this.#length = -1;
    return { tag, length, start: 0, bytes };
  }

  /**
   * The stream has ended.
   *
   * @throws DecodeError TRUNCATED if that is in the middle of a frame.
   */
  end(): void {
    if (this.#failure !== undefined) throw this.#failure;
    const available = this.#available();
    if (this.#length < 0 && available === 0) return;
    const inHeader = this.#length < 0;
    const path = inHeader ? "Frame" : "Frame.bytes";
    const missing = (inHeader ? HEADER : this.#length - this.#start) - available;
    const of = inHeader ? "a frame's header" : `the body of ${named(this.#tag)}`;
    const short = missing > 0 ? `${bytesOf(missing)} short of ${of}` : `before ${bytesOf(available)} were read`;
    const offset = this.#before + this.#position + available;
    this.#failure = new DecodeError("TRUNCATED", path, offset, `the stream ends at offset ${offset}, ${short}`);
    throw this.#failure;
  }

  /** Are these the bytes of the same memory that follow what waits? Then a frame that is in both need not be copied. */
  #goesOn(chunk: Uint8Array): boolean {
    return (
      chunk.buffer === this.#buffer &&
      chunk.byteOffset === this.#base + this.#end &&
      this.#position < this.#end &&
      this.#queue.length === 0 &&
      lengthOf(chunk) > 0
    );
  }

  #available(): number {
    return this.#end - this.#position + this.#queue.length;
  }

  /** Take a header into #tag and #length, if all of it is there. */
  #header(): boolean {
    let from = this.#position;
    let header = this.#chunk;
    if (from + HEADER <= this.#end) {
      if (header.length === 0) lengthOf(header, "chunk"); // it was detached
      this.#position += HEADER;
    } else if (this.#available() >= HEADER) {
      header = this.#take(HEADER);
      from = 0;
    } else {
      if (this.#available() === 0) this.#enter(nothing); // the last chunk is not kept while nothing comes
      return false;
    }
    const total =
      header[from + 1]! * 0x1000000 + ((header[from + 2]! << 16) | (header[from + 3]! << 8) | header[from + 4]!);
    if (total < 4 || total - 4 > this.#maxLength) {
      const offset = this.#before + this.#position - HEADER + 1;
      const limit = total < 4 ? "a length counts itself, so it is 4 at least" : `the limit is ${this.#maxLength + 4}`;
      this.#failure = new DecodeError(
        "BAD_LENGTH",
        "Frame.length",
        offset,
        `Frame.length is ${total} at offset ${offset}; ${limit}`,
      );
      throw this.#failure;
    }
    this.#tag = header[from]!;
    this.#length = total - 4;
    this.#start = 0;
    return true;
  }

  /** What has arrived of a body in one chunk. */
  #piece(tag: number, length: number): Frame | undefined {
    if (this.#available() === 0) return undefined;
    const start = this.#start;
    const bytes = this.#view(length - start);
    this.#start += bytes.length;
    if (this.#start === length) this.#length = -1;
    return { tag, length, start, bytes };
  }

  /** Take `length` bytes, which are there: a view if one chunk holds them, else a copy. */
  #take(length: number): Uint8Array {
    if (this.#position === this.#end) this.#advance();
    if (this.#position + length <= this.#end) return this.#view(length);
    const copy = length <= SMALL ? newBytes(length) : this.#allocated(length);
    for (let filled = 0; filled < length; ) {
      if (this.#position === this.#end) this.#advance();
      const count = Math.min(length - filled, this.#end - this.#position);
      const from = this.#chunk;
      if (from.length === 0) lengthOf(from, "chunk"); // it was detached
      if (count === from.length) {
        copy.set(from, filled);
        filled += count;
        this.#position = count;
      } else if (count > LOOP) {
        copy.set(this.#view(count), filled);
        filled += count;
      } else {
        const limit = filled + count;
        while (filled < limit) copy[filled++] = from[this.#position++]!;
      }
    }
    return copy;
  }

  /** Take a view of the next bytes, of which there are some: as many as asked for, or what one chunk has. */
  #view(length: number): Uint8Array {
    if (this.#position === this.#end) this.#advance();
    const start = this.#position;
    this.#position = Math.min(start + length, this.#end);
    return new Uint8Array(this.#buffer, this.#base + start, this.#position - start);
  }

  /** Memory of the caller's for a body. */
  #allocated(length: number): Uint8Array {
    const memory: unknown = this.#allocate(length);
    if (!isBytes(memory)) refuseArgument("options.allocate", "a function that returns a Uint8Array", memory);
    if (lengthOf(memory) < length) {
      refuseArgument("options.allocate", `a function that returns at least ${bytesOf(length)}`, lengthOf(memory));
    }
    return plainBytes(memory).subarray(0, length);
  }

  /** The chunk is used up: go on to the first of those that wait, if one does. */
  #advance(): void {
    const chunk = this.#queue.shift();
    if (chunk !== undefined) this.#enter(chunk);
  }

  #enter(chunk: Uint8Array): void {
    this.#before += this.#end;
    this.#chunk = chunk;
    this.#buffer = chunk.buffer;
    this.#base = chunk.byteOffset;
    this.#position = 0;
    this.#end = chunk.length;
  }
}

function named(tag: number): string {
  return `frame ${JSON.stringify(String.fromCharCode(tag))}`;
}

/** Push a chunk and take every frame that is complete. @throws ArgumentError, and DecodeError as `Framer.next` */
export function* framesOf(framer: Framer, chunk: Uint8Array): Generator<Frame> {
  if (!(framer instanceof Framer)) refuseArgument("framer", "a Framer", framer);
  framer.push(chunk);
  for (let frame = framer.next(); frame !== undefined; frame = framer.next()) yield frame;
}

/**
 * A frame around a body, as a fresh array.
 *
 * @param tag The type byte, as one character up to U+00FF.
 * @throws ArgumentError if `tag` is not one such character or `body` is not a Uint8Array; EncodeError if the body is longer
 *   than PostgreSQL accepts.
 */
export function encodeFrame(tag: string, body: Uint8Array): Uint8Array {
  if (typeof tag !== "string" || tag.length !== 1 || tag > "\u00ff") refuseArgument("tag", "one character", tag);
  const length = checkBody(body);
  const frame = new Uint8Array(HEADER + length);
  frame[0] = tag.charCodeAt(0);
  new DataView(frame.buffer).setUint32(1, 4 + length);
  frame.set(body, HEADER);
  return frame;
}

/** @returns the length of a frame's body. @throws ArgumentError for anything but bytes; EncodeError for too many */
export function checkBody(body: Uint8Array): number {
  mustBeBytes(body, "body");
  const length = lengthOf(body);
  if (length > MAX_ALLOC_SIZE) {
    throw new EncodeError("Frame.bytes", `Frame.bytes.length is ${length}, expected at most ${MAX_ALLOC_SIZE}`);
  }
  return length;
}

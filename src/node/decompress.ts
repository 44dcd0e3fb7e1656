/**
 * Compressed files: gzip, zstd and LZ4 frames are read, xz and bzip2 are recognised.
 *
 * Node has gzip, and zstd from 22.15 on; before that, zstddec (libzstd as WebAssembly) replaces it. None of lz4js, lz4-wasm, lz4-napi
 * and lz4 reads LZ4 frames block by block with checks, so the frame format is read here; xxhash-wasm computes its checksums.
 *
 * @source RFC 8878, section 3.1
 * @source lz4_Frame_format.md, lz4_Block_format.md
 */
import { Readable, type Transform } from "node:stream";
import * as zlib from "node:zlib";
import { DecodeError } from "../kernel/errors.ts";

/** How a file can be compressed. */
export type Compression = "gzip" | "zstd" | "lz4" | "xz" | "bzip2";

/** A compression that `decompress` reads. */
export type ReadableCompression = "gzip" | "zstd" | "lz4";

/** The number of bytes from the start of a file that `compressionOf` needs; fewer if the file is shorter. */
export const COMPRESSION_HEAD = 10;

const magics: readonly (readonly [Compression, RegExp])[] = [
  ["gzip", /^\x1f\x8b\x08/],
  ["zstd", /^\x28\xb5\x2f\xfd/],
  ["lz4", /^\x04\x22\x4d\x18/],
  ["xz", /^\xfd7zXZ\0/],
  ["bzip2", /^BZh[1-9](?:1AY&SY|\x17rE8P\x90)/],
];

/** The compression of a file that begins with these bytes; undefined if it is not one of these. */
export function compressionOf(head: Uint8Array): Compression | undefined {
  const start = Buffer.from(head.subarray(0, COMPRESSION_HEAD)).toString("latin1");
  return magics.find(([, magic]) => magic.test(start))?.[0];
}

/** Whether `decompress` can read it. */
export function isReadable(compression: Compression): compression is ReadableCompression {
  return compression === "gzip" || compression === "zstd" || compression === "lz4";
}

/** The program that writes a file's contents to standard output, with its option: `xz -dc`. */
export function decompressCommand(compression: Compression): string {
  return `${compression} -dc`;
}

/**
 * The contents of a compressed stream, in pieces of at most 4 MB. Nothing is decompressed ahead of reading. Concatenated gzip
 * members, zstd frames and LZ4 frames are read as one.
 *
 * @param source The compressed bytes, in chunks of any size.
 * @throws DecodeError after everything that could be decompressed: code TRUNCATED if the stream ends early, BAD_VALUE if it is damaged;
 * `offset` is the number of compressed bytes read so far, `path` the compression, `cause` the error of the library.
 * Errors of `source` pass unchanged.
 */
export function decompress(
  source: AsyncIterable<Uint8Array>,
  compression: ReadableCompression,
): AsyncGenerator<Uint8Array, void, undefined> {
  switch (compression) {
    case "gzip":
      return throughZlib(
        source,
        compression,
        zlib.createGunzip({ chunkSize: CHUNK, readableHighWaterMark: 1 } as object),
      );
    case "zstd":
      return readZstd(source);
    case "lz4":
      return readLz4(source);
  }
}

const CHUNK = 256 * 1024;

function damaged(compression: Compression, offset: number, what: string, said?: string): DecodeError {
  const error = new DecodeError(
    "BAD_VALUE",
    compression,
    offset,
    `the ${compression} data is damaged at byte ${offset}: ${what}`,
  );
  if (said !== undefined) error.cause = new Error(said);
  return error;
}

function truncated(compression: Compression, offset: number): DecodeError {
  return new DecodeError("TRUNCATED", compression, offset, `the ${compression} data ends early, at byte ${offset}`);
}

// ---- Formats that Node reads ----

/**
 * The readable side of `stream` must buffer one chunk at most: buffered chunks are lost when it fails.
 *
 * @param position The offset of the source, if it is a part of another.
 */
async function* throughZlib(
  source: AsyncIterable<Uint8Array>,
  compression: Compression,
  stream: Transform,
  position?: { readonly offset: number },
): AsyncGenerator<Uint8Array> {
  /** Why the source ended; thrown after everything before it was returned. */
  let failure: unknown;
  let read = 0;
  async function* upToFailure(): AsyncGenerator<Uint8Array> {
    try {
      for await (const chunk of source) {
        read += chunk.length;
        yield chunk;
      }
    } catch (error) {
      failure = error;
    }
  }
  const input = Readable.from(upToFailure(), { objectMode: false });
  try {
    yield* input.pipe(stream);
  } catch (error) {
    const { code = "", message } = error as NodeJS.ErrnoException;
    const offset = position?.offset ?? read;
    const isTruncated = code === "Z_BUF_ERROR" || /unexpected end/i.test(message);
    if (!isTruncated && /^(?:Z_|ZSTD_|ERR_)/.test(code)) throw damaged(compression, offset, message, message);
    if (!isTruncated) throw error;
    failure ??= truncated(compression, offset);
  } finally {
    input.destroy();
    stream.destroy();
  }
  if (failure !== undefined) throw failure;
}

// ---- A stream of bytes, read in given lengths ----

/** Chunks as a sequence of bytes, read in given lengths. */
class Bytes {
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #compression: Compression;
  #chunk: Uint8Array = new Uint8Array();
  #at = 0;
  /** The number of bytes that were read. */
  offset = 0;

  constructor(source: AsyncIterable<Uint8Array>, compression: Compression) {
    this.#chunks = source[Symbol.asyncIterator]();
    this.#compression = compression;
  }

  /** Whether all bytes were read. */
  async ended(): Promise<boolean> {
    while (this.#at === this.#chunk.length) {
      const { done, value } = await this.#chunks.next();
      if (done) return true;
      this.#chunk = value;
      this.#at = 0;
    }
    return false;
  }

  /**
   * The next `length` bytes, at most a few megabytes. They must not be changed.
   *
   * @throws DecodeError if there are fewer.
   */
  async take(length: number): Promise<Uint8Array> {
    if (this.#chunk.length - this.#at >= length) return this.#next(length);
    const pieces: Uint8Array[] = [];
    let left = length;
    while (left > 0) {
      if (await this.ended()) throw truncated(this.#compression, this.offset);
      const piece = this.#next(Math.min(left, this.#chunk.length - this.#at));
      pieces.push(piece);
      left -= piece.length;
    }
    return Buffer.concat(pieces);
  }

  /** Skip the next `length` bytes. */
  async skip(length: number): Promise<void> {
    for (let left = length; left > 0; ) {
      if (await this.ended()) throw truncated(this.#compression, this.offset);
      left -= this.#next(Math.min(left, this.#chunk.length - this.#at)).length;
    }
  }

  #next(length: number): Uint8Array {
    const bytes = this.#chunk.subarray(this.#at, this.#at + length);
    this.#at += length;
    this.offset += length;
    return bytes;
  }

  async close(): Promise<void> {
    await this.#chunks.return?.();
  }
}

function u32(bytes: Uint8Array, at = 0): number {
  return (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0;
}

/** Both formats have frames to skip. */
function isSkippable(magic: number): boolean {
  return (magic & 0xfffffff0) >>> 0 === 0x184d2a50;
}

// ---- zstd ----

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_BLOCK_MAX = 128 * 1024;
/** libzstd's own limit, 128 MB: otherwise a header alone could cause an allocation of gigabytes. */
const ZSTD_WINDOW_LOG_MAX = 27;

/** Frame by frame: Node 22 silently stops at the end of the first one. */
async function* readZstd(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const create = (zlib as { createZstdDecompress?: (options: object) => Transform }).createZstdDecompress;
  const decoder = create === undefined ? await zstdDecoder() : undefined;
  const bytes = new Bytes(source, "zstd");
  try {
    while (!(await bytes.ended())) {
      const magic = await bytes.take(4);
      if (isSkippable(u32(magic))) await bytes.skip(u32(await bytes.take(4)));
      else if (u32(magic) !== ZSTD_MAGIC) {
        throw damaged("zstd", bytes.offset - 4, "no frame begins here", "Unknown frame descriptor");
      } else if (decoder !== undefined) yield* decodeZstdFrame(zstdFrame(bytes, magic), bytes, decoder);
      else
        yield* throughZlib(
          zstdFrame(bytes, magic),
          "zstd",
          create!({ chunkSize: CHUNK, readableHighWaterMark: 1 }),
          bytes,
        );
    }
  } finally {
    await bytes.close();
  }
}

/** The bytes of one frame: its header, each block, its checksum. */
async function* zstdFrame(bytes: Bytes, magic: Uint8Array): AsyncGenerator<Uint8Array> {
  const [descriptor] = (await bytes.take(1)) as unknown as [number];
  const isSingleSegment = (descriptor & 0x20) !== 0;
  const dictionaryLength = [0, 1, 2, 4][descriptor & 3]!;
  const sizeLength = [isSingleSegment ? 1 : 0, 2, 4, 8][descriptor >> 6]!;
  const rest = await bytes.take((isSingleSegment ? 0 : 1) + dictionaryLength + sizeLength);
  const windowLog = isSingleSegment ? Math.log2(sizeOf(rest.subarray(dictionaryLength))) : 10 + (rest[0]! >> 3);
  if (windowLog > ZSTD_WINDOW_LOG_MAX) {
    const what = `its frame needs a window of more than ${2 ** (ZSTD_WINDOW_LOG_MAX - 20)} MB`;
    throw damaged("zstd", bytes.offset, what, "Frame requires too much memory for decoding");
  }
  yield Buffer.concat([magic, Uint8Array.of(descriptor), rest]);
  for (let isLast = false; !isLast; ) {
    const header = await bytes.take(3);
    const word = header[0]! | (header[1]! << 8) | (header[2]! << 16);
    isLast = (word & 1) === 1;
    const isRunLength = ((word >> 1) & 3) === 1;
    const size = word >> 3;
    if (size > ZSTD_BLOCK_MAX) {
      throw damaged("zstd", bytes.offset - 3, "a block is too large", "Data corruption detected");
    }
    yield Buffer.concat([header, await bytes.take(isRunLength ? 1 : size)]);
  }
  if ((descriptor & 4) !== 0) yield await bytes.take(4);
}

interface ZstdDecoder {
  decodeStreaming(arrays: Iterable<Uint8Array>): Generator<Uint8Array, void>;
}

async function zstdDecoder(): Promise<ZstdDecoder> {
  const { ZSTDDecoder } = await import("zstddec/stream");
  const decoder = new ZSTDDecoder();
  await decoder.init();
  return decoder;
}

/**
 * Decompress a frame with zstddec. At damage its generator returns empty chunks for ever, and a chunk of several blocks could expand to
 * gigabytes. So each block is given alone, and asking for the next one means that it was accepted.
 */
async function* decodeZstdFrame(
  frame: AsyncIterable<Uint8Array>,
  bytes: Bytes,
  decoder: ZstdDecoder,
): AsyncGenerator<Uint8Array> {
  const waiting: Uint8Array[] = [];
  const plain = decoder.decodeStreaming({
    [Symbol.iterator]: () => ({
      next: () => {
        const value = waiting.pop();
        return value === undefined ? { done: true, value } : { done: false, value };
      },
    }),
  });
  const step = (part?: Uint8Array): Uint8Array => {
    if (part !== undefined) waiting.push(part);
    try {
      const { done, value } = plain.next();
      if (waiting.length === 0 && done === (part === undefined)) return value || new Uint8Array();
    } catch {
      // The frame has ended, but the library expects more.
    }
    throw damaged("zstd", bytes.offset, "a block cannot be decompressed", "Data corruption detected");
  };
  try {
    for await (const part of frame) {
      const piece = step(part);
      if (piece.length > 0) yield piece;
    }
    step();
  } finally {
    // Without more parts it frees its memory.
    waiting.length = 0;
    try {
      plain.next();
    } catch {
      // The frame was not read to its end.
    }
  }
}

function sizeOf(bytes: Uint8Array): number {
  const size = bytes.reduceRight((sum, byte) => sum * 256 + byte, 0);
  return bytes.length === 2 ? size + 256 : size;
}

// ---- LZ4 ----

const LZ4_MAGIC = 0x184d2204;
const LZ4_WINDOW = 64 * 1024;
/** Of the block sizes 4 to 7. */
const LZ4_BLOCK_MAX = [64, 256, 1024, 4096].map((kB) => kB * 1024);

async function* readLz4(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
  const { default: xxhash } = await import("xxhash-wasm");
  const hashes = await xxhash();
  const bytes = new Bytes(source, "lz4");
  try {
    while (!(await bytes.ended())) {
      const magic = u32(await bytes.take(4));
      if (isSkippable(magic)) await bytes.skip(u32(await bytes.take(4)));
      else if (magic === LZ4_MAGIC) yield* readLz4Frame(bytes, hashes);
      else throw damaged("lz4", bytes.offset - 4, "no frame begins here", "ERROR_frameType_unknown");
    }
  } finally {
    await bytes.close();
  }
}

interface Hashes {
  h32Raw(input: Uint8Array): number;
  create32(): { update(input: Uint8Array): unknown; digest(): number };
}

async function* readLz4Frame(bytes: Bytes, hashes: Hashes): AsyncGenerator<Uint8Array> {
  const bad = (what: string, said: string) => damaged("lz4", bytes.offset, what, said);
  const flags = await bytes.take(2);
  const [flag, blocks] = flags as unknown as [number, number];
  if (flag >> 6 !== 1) throw bad("its version is unknown", "ERROR_headerVersion_wrong");
  if ((flag & 2) !== 0 || (blocks & 0x8f) !== 0) throw bad("a reserved bit is set", "ERROR_reservedFlag_set");
  const blockMax = LZ4_BLOCK_MAX[((blocks >> 4) & 7) - 4];
  if (blockMax === undefined) throw bad("its block size is unknown", "ERROR_maxBlockSize_invalid");
  const areBlocksLinked = (flag & 0x20) === 0;
  const [hasBlockChecksums, hasSize, hasChecksum, hasDictionary] = [0x10, 8, 4, 1].map((bit) => (flag & bit) !== 0);
  const rest = await bytes.take((hasSize ? 8 : 0) + (hasDictionary ? 4 : 0));
  const [headerChecksum] = (await bytes.take(1)) as unknown as [number];
  if (((hashes.h32Raw(Buffer.concat([flags, rest])) >> 8) & 0xff) !== headerChecksum) {
    throw bad("the checksum of its header is wrong", "ERROR_headerChecksum_invalid");
  }
  if (hasDictionary) throw bad("it needs a dictionary", "ERROR_decompressionFailed");
  const size = hasSize ? Buffer.from(rest).readBigUInt64LE(0) : undefined;

  const whole = hasChecksum ? hashes.create32() : undefined;
  /** The last bytes before this block, then the block. */
  const window = new Uint8Array(LZ4_WINDOW + blockMax);
  let history = 0;
  let total = 0n;
  for (;;) {
    const word = u32(await bytes.take(4));
    if (word === 0) break;
    const length = word & 0x7fffffff;
    if (length > blockMax) throw bad("a block is too large", "ERROR_maxBlockSize_invalid");
    const packed = await bytes.take(length);
    if (hasBlockChecksums && hashes.h32Raw(packed) !== u32(await bytes.take(4))) {
      throw bad("the checksum of a block is wrong", "ERROR_blockChecksum_invalid");
    }
    let end = LZ4_WINDOW + length;
    if (word >>> 31 === 1) window.set(packed, LZ4_WINDOW);
    else end = decodeLz4Block(packed, window, LZ4_WINDOW - history);
    if (end === -1) throw bad("a block cannot be decompressed", "ERROR_decompressionFailed");
    const plain = window.slice(LZ4_WINDOW, end);
    whole?.update(plain);
    total += BigInt(plain.length);
    if (areBlocksLinked) {
      history = Math.min(LZ4_WINDOW, history + plain.length);
      window.copyWithin(LZ4_WINDOW - history, end - history, end);
    }
    if (plain.length > 0) yield plain;
  }
  if (whole !== undefined && whole.digest() !== u32(await bytes.take(4))) {
    throw bad("the checksum of its contents is wrong", "ERROR_contentChecksum_invalid");
  }
  if (size !== undefined && size !== total) {
    throw bad(`its header says ${size} bytes, its blocks have ${total}`, "ERROR_frameSize_wrong");
  }
}

/**
 * Decompress one LZ4 block without a frame.
 *
 * @param most The length of the result at most.
 * @returns undefined if it is damaged or longer.
 */
export function decompressLz4Block(block: Uint8Array, most: number): Uint8Array | undefined {
  const window = new Uint8Array(LZ4_WINDOW + most);
  const end = decodeLz4Block(block, window, LZ4_WINDOW);
  return end === -1 ? undefined : window.subarray(LZ4_WINDOW, end);
}

/** Runs up to this length are copied byte by byte: measured, a call of copyWithin costs as much as 24 bytes. */
const SHORT_RUN = 24;

/**
 * Decompress a block to LZ4_WINDOW in `window`; matches may reach back to `from`.
 *
 * @returns where it ends; -1 if it is damaged.
 */
function decodeLz4Block(block: Uint8Array, window: Uint8Array, from: number): number {
  const length = block.length;
  let at = 0;
  let to = LZ4_WINDOW;
  for (;;) {
    if (at >= length) return -1;
    const token = block[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let byte = 255; byte === 255; literals += byte) {
        if (at >= length) return -1;
        byte = block[at++]!;
      }
    }
    if (literals > length - at || literals > window.length - to) return -1;
    if (literals <= SHORT_RUN) for (const end = to + literals; to < end; ) window[to++] = block[at++]!;
    else {
      window.set(block.subarray(at, at + literals), to);
      to += literals;
      at += literals;
    }
    // The last sequence has no match.
    if (at === length) return to;
    if (length - at < 2) return -1;
    const distance = block[at]! | (block[at + 1]! << 8);
    at += 2;
    let match = (token & 15) + 4;
    if (match === 19) {
      for (let byte = 255; byte === 255; match += byte) {
        if (at >= length) return -1;
        byte = block[at++]!;
      }
    }
    if (distance === 0 || distance > to - from || match > window.length - to) return -1;
    if (match <= SHORT_RUN) for (const end = to + match; to < end; to++) window[to] = window[to - distance]!;
    else {
      // A match that overlaps itself repeats: the copied length doubles.
      for (let left = match, known = distance; left > 0; known *= 2) {
        const part = Math.min(left, known);
        window.copyWithin(to, to - known, to - known + part);
        to += part;
        left -= part;
      }
    }
  }
}

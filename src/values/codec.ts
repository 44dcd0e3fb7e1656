/**
 * What reads and writes the values of a type, and what all of these share: how they say what is wrong, also of a part of a value.
 */
import { DecodeError, EncodeError, refuseArgument, WalwireError } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";
import { isBytes, refuse } from "../wire/check.ts";
import { bytesOf } from "../wire/reader.ts";
import { decodeText, encodeText, TEXT_WANTED } from "../wire/text.ts";

/**
 * Reads and writes the values of one type, in PostgreSQL's text and binary format.
 *
 * Both formats of a value read as equal values, `readText(writeText(value))` is the value, and `writeBinary(readBinary(bytes))` are
 * the bytes, for all that a server sends. SQL's NULL is no value of a type: it is known before any of these is called.
 *
 * Every read throws DecodeError for what no server sends, its offset counted in the value: bytes, or UTF-16 units of a text. Every
 * write throws EncodeError for what is no value of the type. Errors name the type, and a part such as `_int4[2]` or `pair.first`.
 */
export interface Codec<T = unknown> {
  /** The type's name in pg_type, such as `int4`, `_int4`. */
  readonly name: string;
  /** Its values are JavaScript arrays themselves, so an array of them cannot say its dimensions by nesting. */
  readonly listLike?: boolean;
  /** Its values are strings in text, and something else in binary: each is written in the format that it came in. */
  readonly twofold?: boolean;
  /** The value of a text as a server sends it. */
  readText(text: string): T;
  /** The text of a value as a server reads it. */
  writeText(value: T): string;
  /** Byte arrays in the result are views into `bytes`, not copies. */
  readBinary(bytes: Uint8Array): T;
  /** @returns a fresh array that belongs to the caller; for bytea and types that are not known, the value itself. */
  writeBinary(value: T): Uint8Array;
}

/** Throw the DecodeError of a text. `wanted` is what was expected: "a whole number from 0 to 255". */
export function badText(name: string, text: string, wanted: string, offset = 0): never {
  const excerpt = shown(text);
  throw new DecodeError("BAD_VALUE", name, offset, `${name} is ${excerpt}, expected ${wanted}, at offset ${offset}`);
}

/** Throw the DecodeError of bytes whose value no server sends: `what` goes between the name and "at offset N". */
export function badBytes(name: string, what: string, offset = 0): never {
  throw new DecodeError("BAD_VALUE", name, offset, `${name} ${what} at offset ${offset}`);
}

/** Throw the DecodeError of bytes that end early, or go on after the value. */
export function mustHaveLength(bytes: Uint8Array, length: number, name: string): void {
  if (bytes.length === length) return;
  const short = bytes.length < length;
  const offset = short ? bytes.length : length;
  const message = `${name} has ${bytesOf(bytes.length)}, expected ${length}, at offset ${offset}`;
  throw new DecodeError(short ? "TRUNCATED" : "TRAILING_BYTES", name, offset, message);
}

/** Numbers are read from here: a DataView over each value would cost several times what copying its bytes does. */
const scratch = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(16));

/**
 * Bytes that must be as many, up to 16, to read numbers from at once: the next call changes them.
 *
 * @throws DecodeError TRUNCATED or TRAILING_BYTES
 */
export function viewOf(bytes: Uint8Array, length: number, name: string): DataView {
  mustHaveLength(bytes, length, name);
  for (let i = 0; i < length; i++) scratch.setUint8(i, bytes[i]!);
  return scratch;
}

/** A text of the server's from its bytes. @throws DecodeError BAD_VALUE if there is a zero byte in it */
export function textOf(bytes: Uint8Array, name: string, start = 0): string {
  return mustBeText(decodeText(bytes, start, bytes.length), name);
}

/** @throws DecodeError BAD_VALUE for a text with U+0000 in it: no server can store that */
export function mustBeText(text: string, name: string): string {
  const zero = text.indexOf("\0");
  if (zero !== -1) badText(name, text, "text without U+0000", zero);
  return text;
}

/** A string as it can be sent. @throws EncodeError if it is none, or holds U+0000 */
export function mustBeString(value: string, name: string): string {
  if (typeof value !== "string") refuse("a string", value, name);
  if (value.includes("\0")) refuse("a string without U+0000", value, name);
  return value;
}

/** The bytes of a text, behind `prefix` bytes of zero. @throws EncodeError for what has no bytes */
export function bytesOfText(text: string, name: string, prefix = 0): Uint8Array {
  const room = new Uint8Array(prefix + mustBeString(text, name).length * 3);
  const length = encodeText(text, room, prefix);
  if (length < 0) refuse(TEXT_WANTED, text, name);
  return room.slice(0, prefix + length);
}

/** @throws EncodeError if it is not bytes */
export function mustBeBytes(value: Uint8Array, name: string): Uint8Array {
  if (!isBytes(value)) refuse("a Uint8Array", value, name);
  return value;
}

/**
 * A type with a text format only, or whose binary format is another thing: that is given as it is.
 *
 * A string is written as text, bytes as binary.
 */
export function opaque(name: string): Codec<string | Uint8Array> {
  return {
    name,
    twofold: true,
    readText: (text) => mustBeText(text, name),
    writeText: (value) => mustBeString(value as string, name),
    readBinary: (bytes) => bytes,
    writeBinary: (value) => mustBeBytes(value as Uint8Array, name),
  };
}

// ---- Parts of values ----

/** How deep values may be nested within values: what lies deeper is read as a string from text, and as bytes from binary. */
const MAX_DEPTH = 32;

/** How many values the read or write in progress is inside of. */
let depth = 0;

/** Go into a part: its codec. Who calls it takes one from `depth` afterwards, in the catch that there is anyway. */
function enter(codec: Codec): Codec {
  return ++depth <= MAX_DEPTH ? codec : opaque(codec.name);
}

/** Read a part of a value, which begins at `offset` of it: an error in the part is reported as one of the whole. */
export function readTextPart(codec: Codec, text: string, offset: number, path: string, index?: number): unknown {
  try {
    const value = enter(codec).readText(text);
    depth--;
    return value;
  } catch (error) {
    depth--;
    throw ofWhole(readError(error, codec.name), codec, path, index, offset);
  }
}

export function readBinaryPart(codec: Codec, bytes: Uint8Array, offset: number, path: string, index?: number): unknown {
  try {
    const value = enter(codec).readBinary(bytes);
    depth--;
    return value;
  } catch (error) {
    depth--;
    throw ofWhole(readError(error, codec.name), codec, path, index, offset);
  }
}

export function writeTextPart(codec: Codec, value: unknown, path: string, index?: number): string {
  try {
    const text = enter(codec).writeText(value);
    depth--;
    return text;
  } catch (error) {
    depth--;
    throw ofWhole(writeError(error, codec.name), codec, path, index, 0);
  }
}

export function writeBinaryPart(codec: Codec, value: unknown, path: string, index?: number): Uint8Array {
  try {
    const bytes = enter(codec).writeBinary(value);
    depth--;
    return bytes;
  } catch (error) {
    depth--;
    throw ofWhole(writeError(error, codec.name), codec, path, index, 0);
  }
}

/** The error of a part as one of the whole: `int4` at 0 becomes `_int4[2]` at 20. Errors that are not ours stay what they are. */
function ofWhole(error: unknown, codec: Codec, path: string, index: number | undefined, offset: number): unknown {
  if (!(error instanceof DecodeError || error instanceof EncodeError)) return error;
  const part = index === undefined ? path : `${path}[${index}]`;
  const rest = error.path.startsWith(codec.name) ? error.path.slice(codec.name.length) : "";
  if (error instanceof EncodeError) return new EncodeError(part + rest, `${part}: ${error.message}`);
  const message = `${part} at offset ${offset}: ${error.message}`;
  return new DecodeError(error.code, part + rest, offset + error.offset, message);
}

/** Did a string or a buffer become longer than the platform allows? (A stack that is too deep is a RangeError too.) */
export function isTooLong(error: unknown): error is Error {
  if (!(error instanceof Error)) return false;
  if ((error as { readonly code?: unknown }).code === "ERR_STRING_TOO_LONG") return true;
  return error.name === "RangeError" && !/stack/i.test(error.message);
}

function readError(error: unknown, name: string): unknown {
  if (!isTooLong(error)) return error;
  return new DecodeError("BAD_LENGTH", name, 0, `${name} is longer than a string can be, at offset 0`);
}

function writeError(error: unknown, name: string): unknown {
  return isTooLong(error)
    ? new EncodeError(name, `${name}: the value is longer than a string or buffer can be`)
    : error;
}

export function isCodec(value: unknown): value is Codec {
  if (typeof value !== "object" || value === null) return false;
  const codec = value as Codec;
  const { name, readText, writeText, readBinary, writeBinary } = codec;
  return (
    typeof name === "string" &&
    [readText, writeText, readBinary, writeBinary].every((each) => typeof each === "function")
  );
}

/** A codec for callers, who may give it anything: inside, codecs are given strings and bytes only. */
export function checkedCodec(codec: Codec): Codec {
  return wrapped(codec, readError, writeError);
}

/** A codec that is not ours: what it throws becomes an error of ours. */
export function foreignCodec(codec: Codec): Codec {
  const told = (error: unknown): string => (error instanceof Error ? error.message : shown(error));
  return wrapped(
    codec,
    (error, name) => {
      const known = readError(error, name);
      if (known instanceof WalwireError) return known;
      const ours = new DecodeError("BAD_VALUE", name, 0, `${name} cannot be read: ${told(error)}`);
      ours.cause = error;
      return ours;
    },
    (error, name) => {
      const known = writeError(error, name);
      if (known instanceof WalwireError) return known;
      const ours = new EncodeError(name, `${name} cannot be written: ${told(error)}`);
      ours.cause = error;
      return ours;
    },
  );
}

type Convert = (error: unknown, name: string) => unknown;

function wrapped(codec: Codec, onRead: Convert, onWrite: Convert): Codec {
  return {
    get name() {
      return codec.name;
    },
    get listLike() {
      return codec.listLike === true;
    },
    get twofold() {
      return codec.twofold === true;
    },
    readText(text) {
      if (typeof text !== "string") refuseArgument("text", "a string", text);
      try {
        return enter(codec).readText(text);
      } catch (error) {
        throw onRead(error, codec.name);
      } finally {
        depth--;
      }
    },
    writeText(value) {
      try {
        return enter(codec).writeText(value);
      } catch (error) {
        throw onWrite(error, codec.name);
      } finally {
        depth--;
      }
    },
    readBinary(bytes) {
      if (!isBytes(bytes)) refuseArgument("bytes", "a Uint8Array", bytes);
      try {
        return enter(codec).readBinary(bytes);
      } catch (error) {
        throw onRead(error, codec.name);
      } finally {
        depth--;
      }
    },
    writeBinary(value) {
      try {
        return enter(codec).writeBinary(value);
      } catch (error) {
        throw onWrite(error, codec.name);
      } finally {
        depth--;
      }
    },
  };
}

/**
 * Codec, the reader and writer of a type's values, and the error handling that all codecs share, for parts of values too.
 */
import { DecodeError, EncodeError, refuseArgument, WalwireError } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";
import { givenBytes, isBytes, refuse } from "../wire/check.ts";
import { bytesJson, type Json } from "../wire/json.ts";
import { bytesOf } from "../wire/reader.ts";
import { decodeText, encodeText, TEXT_WANTED } from "../wire/text.ts";

/**
 * Reads and writes the values of one type, in PostgreSQL's text and binary format.
 *
 * For everything that a server sends, both formats of a value read as equal values, `readText(writeText(value))` returns the value,
 * and `writeBinary(readBinary(bytes))` returns the bytes. SQL's NULL never reaches a codec: its caller handles it.
 *
 * Every read throws DecodeError for input that no server sends; its offset counts from the start of the value, in bytes or in UTF-16
 * units of a text. Every write throws EncodeError for a value that is not of the type. Errors name the type, and the part if there is
 * one, such as `_int4[2]` or `pair.first`.
 */
export interface Codec<T = unknown> {
  /** The type's name in pg_type, such as `int4`, `_int4`. */
  readonly name: string;
  /** Its values are JavaScript arrays, so nesting cannot express the dimensions of an array of them. */
  readonly listLike?: boolean;
  /** Its values are strings from text and something else from binary: each is written in the format that it came in. */
  readonly twofold?: boolean;
  /** Read the text format. @throws DecodeError for a text that no server sends */
  readText(text: string): T;
  /** Write the text format. @throws EncodeError for a value that is not of the type */
  writeText(value: T): string;
  /** Read the binary format. Byte arrays in the result are views into `bytes`, not copies. @throws DecodeError as `readText` */
  readBinary(bytes: Uint8Array): T;
  /**
   * Write the binary format.
   *
   * @returns a fresh array that belongs to the caller; for bytea and unknown types, the value itself.
   * @throws EncodeError as `writeText`
   */
  writeBinary(value: T): Uint8Array;
  /**
   * Convert a value to one that JSON can hold, for `jsonOfValue`. Without it, strings and booleans stay as they are, numbers too if JSON
   * has them, and everything else becomes its text.
   *
   * @throws EncodeError for a value that is not of the type
   */
  toJson?(value: T): Json;
  /**
   * Convert what `toJson` made back to a value, for `valueOfJson`. Without it, strings, numbers and booleans are read as the text format.
   *
   * @throws EncodeError for JSON that is not of the type; DecodeError for text in it that is not
   */
  fromJson?(json: unknown): T;
}

/** Throw the DecodeError of a text. `wanted` says what was expected: "a whole number from 0 to 255". */
export function badText(name: string, text: string, wanted: string, offset = 0): never {
  const excerpt = shown(text);
  throw new DecodeError("BAD_VALUE", name, offset, `${name} is ${excerpt}, expected ${wanted}, at offset ${offset}`);
}

/** Throw the DecodeError of bytes that no server sends. `what` goes between the name and "at offset N". */
export function badBytes(name: string, what: string, offset = 0): never {
  throw new DecodeError("BAD_VALUE", name, offset, `${name} ${what} at offset ${offset}`);
}

/** Throw the DecodeError of bytes that end early or continue after the value. */
export function mustHaveLength(bytes: Uint8Array, length: number, name: string): void {
  if (bytes.length === length) return;
  const short = bytes.length < length;
  const offset = short ? bytes.length : length;
  const message = `${name} has ${bytesOf(bytes.length)}, expected ${length}, at offset ${offset}`;
  throw new DecodeError(short ? "TRUNCATED" : "TRAILING_BYTES", name, offset, message);
}

/** Numbers are read from here: a DataView over each value costs several times as much as copying its bytes. */
const scratch = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(16));

/**
 * A view of `bytes`, which must have the expected length, at most 16. The view is shared: read from it before the next call.
 *
 * @throws DecodeError TRUNCATED or TRAILING_BYTES
 */
export function viewOf(bytes: Uint8Array, length: number, name: string): DataView {
  mustHaveLength(bytes, length, name);
  for (let i = 0; i < length; i++) scratch.setUint8(i, bytes[i]!);
  return scratch;
}

/** Decode a text that the server sent. @throws DecodeError BAD_VALUE if it contains a zero byte */
export function textOf(bytes: Uint8Array, name: string, start = 0): string {
  return mustBeText(decodeText(bytes, start, bytes.length), name);
}

/** @throws DecodeError BAD_VALUE for a text that contains U+0000, which no server can store */
export function mustBeText(text: string, name: string): string {
  const zero = text.indexOf("\0");
  if (zero !== -1) badText(name, text, "text without U+0000", zero);
  return text;
}

/** A string that can be sent. @throws EncodeError if it is not a string, or contains U+0000 */
export function mustBeString(value: string, name: string): string {
  if (typeof value !== "string") refuse("a string", value, name);
  if (value.includes("\0")) refuse("a string without U+0000", value, name);
  return value;
}

/** The bytes of a text, after `prefix` zero bytes. @throws EncodeError for text that cannot be encoded */
export function bytesOfText(text: string, name: string, prefix = 0): Uint8Array {
  const room = new Uint8Array(prefix + mustBeString(text, name).length * 3);
  const length = encodeText(text, room, prefix);
  if (length < 0) refuse(TEXT_WANTED, text, name);
  return room.slice(0, prefix + length);
}

/** @throws EncodeError if it is not a Uint8Array */
export function mustBeBytes(value: Uint8Array, name: string): Uint8Array {
  if (!isBytes(value)) refuse("a Uint8Array", value, name);
  return value;
}

/**
 * A type that is not interpreted: one that is unknown, that has only a text format, or whose binary format has another meaning.
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

/** How deep values may be nested. Deeper ones are read as a string from text and as bytes from binary. */
const MAX_DEPTH = 32;

/** The nesting depth of the read or write in progress. */
let depth = 0;

/** Enter a part: the codec to use there. The caller decrements `depth` afterwards, also if an error is thrown. */
function enter(codec: Codec): Codec {
  return ++depth <= MAX_DEPTH ? codec : opaque(codec.name);
}

/** Read the part of a value that begins at `offset`. An error in the part is reported as an error of the whole value. */
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

/** The error of a part as an error of the whole: `int4` at 0 becomes `_int4[2]` at 20. Errors of other classes are not changed. */
function ofWhole(error: unknown, codec: Codec, path: string, index: number | undefined, offset: number): unknown {
  if (!(error instanceof DecodeError || error instanceof EncodeError)) return error;
  const part = index === undefined ? path : `${path}[${index}]`;
  const rest = error.path.startsWith(codec.name) ? error.path.slice(codec.name.length) : "";
  if (error instanceof EncodeError) return new EncodeError(part + rest, `${part}: ${error.message}`);
  const message = `${part} at offset ${offset}: ${error.message}`;
  return new DecodeError(error.code, part + rest, offset + error.offset, message);
}

/** Whether the platform failed because a string or a buffer became too long. (A stack overflow is a RangeError too.) */
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

/** The JSON of a part of a value that is not NULL, or of a whole one. */
export function jsonOfPart(codec: Codec, value: unknown): Json {
  try {
    const { name, twofold, toJson } = enter(codec);
    if (toJson !== undefined) return toJson(value);
    if (typeof value === "string" || typeof value === "boolean") return value;
    if (typeof value === "number") return jsonOfNumber(value);
    // Of an unknown type, or of one whose binary format has another meaning than its text.
    if (isBytes(value)) return { binary: bytesJson(value) };
    if (twofold === true)
      return typeof value === "bigint" ? String(value) : refuse("a string or a number", value, name);
    return writeTextPart(codec, value, name);
  } finally {
    depth--;
  }
}

/** The value of a type whose JSON this is, for a part of a value that is not NULL, or a whole one. */
export function partOfJson(codec: Codec, json: unknown, path?: string, index?: number): unknown {
  try {
    const entered = enter(codec);
    return entered.fromJson === undefined ? plainOfJson(entered, json) : entered.fromJson(json);
  } catch (error) {
    throw path === undefined ? error : ofWhole(error, codec, path, index, 0);
  } finally {
    depth--;
  }
}

/** Values whose JSON is their text, or looks like it; and the bytes of types that are not known. */
function plainOfJson({ name, twofold, readText, readBinary }: Codec, json: unknown): unknown {
  if (typeof json === "string") return readText(json);
  if (typeof json === "number") {
    const value = readText(String(json));
    if (typeof value !== "number" && !Number.isSafeInteger(json)) {
      refuse(`text such as "${json}", since numbers of JSON lose digits`, json, name);
    }
    return value;
  }
  if (typeof json === "boolean") {
    const value = readText(json ? "t" : "f");
    return typeof value === "boolean" || twofold === true ? value : refuse("text", json, name);
  }
  const { binary } = (json ?? {}) as { readonly binary?: unknown };
  if (typeof binary !== "string" || !/^\\x(?:[\da-f]{2})*$/i.test(binary))
    return refuse("text or a number", json, name);
  return readBinary(Uint8Array.from(binary.slice(2).match(/../g) ?? [], (digits) => Number.parseInt(digits, 16)));
}

/** JSON has no infinities, no NaN and, for most readers, no -0. */
function jsonOfNumber(value: number): Json {
  return Number.isFinite(value) && !Object.is(value, -0) ? value : Object.is(value, -0) ? "-0" : String(value);
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

/** A codec for users, which checks its arguments. Codecs that walwire calls itself get only strings and bytes. */
export function checkedCodec(codec: Codec): Codec {
  return wrapped(codec, readError, writeError);
}

/** A codec that the user brought: whatever it throws becomes a DecodeError or an EncodeError. */
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
    toJson: (value) => jsonOfPart(codec, value),
    fromJson: (json) => partOfJson(codec, json),
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
      const given = givenBytes(bytes);
      try {
        return enter(codec).readBinary(given);
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

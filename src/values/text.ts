/**
 * Types whose values are text or bytes: text and similar types, json and jsonb, "char", bytea.
 */

import type { Server } from "../kernel/version.ts";
import { refuse } from "../wire/check.ts";
import { hexOf } from "../wire/text.ts";
import { valueCapabilities } from "./capabilities.ts";
import {
  badBytes,
  badText,
  bytesOfText,
  type Codec,
  mustBeBytes,
  mustBeString,
  mustBeText,
  mustHaveLength,
  partOfJson,
  textOf,
} from "./codec.ts";

/** A type whose binary format is its text. */
export function textCodec(name: string): Codec<string> {
  return {
    name,
    readText: (text) => mustBeText(text, name),
    writeText: (value) => mustBeString(value, name),
    readBinary: (bytes) => textOf(bytes, name),
    writeBinary: (value) => bytesOfText(value, name),
  };
}

/** A type whose binary format is a version byte, 1, and its text. */
export function versioned(name: string): Codec<string> {
  return {
    ...textCodec(name),
    readBinary(bytes) {
      if (bytes.length === 0) mustHaveLength(bytes, 1, name);
      if (bytes[0] !== 1) badBytes(name, `is of version ${bytes[0]}, expected 1,`);
      return textOf(bytes, name, 1);
    },
    writeBinary(value) {
      const bytes = bytesOfText(value, name, 1);
      bytes[0] = 1;
      return bytes;
    },
  };
}

/**
 * json or jsonb, of which a value that is written must be valid. What a server sends is, so reading does not look: for a value of 106
 * bytes that would take 1,350 ns instead of 140.
 */
function jsonOf(codec: Codec<string>, isAllowed: (json: string) => boolean): Codec<string> {
  const { name, writeText, writeBinary } = codec;
  const checked = (value: string): string => {
    try {
      JSON.parse(writeText(value));
    } catch (error) {
      if (error instanceof SyntaxError) refuse("JSON text", value, name);
      throw error;
    }
    return isAllowed(value) ? value : refuse("JSON text without \\u0000 and half a surrogate pair", value, name);
  };
  return {
    ...codec,
    writeText: checked,
    writeBinary: (value) => writeBinary(checked(value)),
    fromJson: (json) => checked(partOfJson(codec, json) as string),
  };
}

/** Escapes that jsonb has no character for. @source jsonapi.c: json_lex_string */
function hasCharacters(json: string): boolean {
  if (!json.includes("\\u")) return true;
  for (const [, lone] of json.matchAll(/\\(?:ud[89ab]..\\ud[c-f]..|(u0000|ud[89a-f]..)|.)/gi)) {
    if (lone !== undefined) return false;
  }
  return true;
}

export const json = /* @__PURE__ */ jsonOf(/* @__PURE__ */ textCodec("json"), () => true);
export const jsonb = /* @__PURE__ */ jsonOf(/* @__PURE__ */ versioned("jsonb"), hasCharacters);
export const jsonpath = /* @__PURE__ */ versioned("jsonpath");

/** A type whose text and binary values differ: the text is a name or an amount, the binary value a number (an oid, a count). */
export function named<T>(name: string, number: Codec<T>): Codec<string | T> {
  return {
    name,
    twofold: true,
    readText: (text) => mustBeText(text, name),
    writeText: (value) => mustBeString(value as string, name),
    readBinary: (bytes) => number.readBinary(bytes),
    writeBinary: (value) => number.writeBinary(value as T),
  };
}

/**
 * "char", one byte: "" for zero; a byte above 127 becomes a character as in src/wire/text.ts. Servers before 15 print such a byte as it
 * is, later ones as `\ooo`, which the earlier ones read as a backslash. Both forms are read.
 *
 * @source char.c: charout
 */
export const charOf = (server: Server): Codec<string> => ({
  name: "char",
  readText(text) {
    const octal = /^\\([2-3][0-7]{2})$/.exec(text);
    return octal === null
      ? charOfByte(byteOfChar(text) ?? badText("char", text, "one byte"))
      : charOfByte(parseInt(octal[1]!, 8));
  },
  writeText(value) {
    const byte = mustBeChar(value);
    return byte >= 0x80 && valueCapabilities.supports(server, "charAboveAsciiIsOctal")
      ? `\\${byte.toString(8)}`
      : value;
  },
  readBinary(bytes) {
    mustHaveLength(bytes, 1, "char");
    return charOfByte(bytes[0]!);
  },
  writeBinary: (value) => Uint8Array.of(mustBeChar(value)),
});

function charOfByte(byte: number): string {
  return byte === 0 ? "" : String.fromCharCode(byte < 0x80 ? byte : 0xdc00 + byte);
}

function byteOfChar(text: string): number | undefined {
  if (text === "") return 0;
  const code = text.charCodeAt(0);
  const byte = code < 0x80 ? code : code - 0xdc00;
  return text.length === 1 && byte > 0 && byte <= 0xff && charOfByte(byte) === text ? byte : undefined;
}

function mustBeChar(value: string): number {
  return byteOfChar(mustBeString(value, "char")) ?? refuse("a string of at most one byte", value, "char");
}

/** The value of a hexadecimal digit by its character code; -1 for other characters. */
const digitOfCode = /* @__PURE__ */ Int8Array.from({ length: 128 }, (_, code) =>
  "0123456789abcdef".indexOf(String.fromCharCode(code).toLowerCase()),
);

/** The bytes of the hexadecimal digits from `start` on, or the offset of the first invalid pair. */
export function parseHex(text: string, start: number): Uint8Array | number {
  const length = (text.length - start) >> 1;
  const bytes = new Uint8Array(length);
  for (let i = 0; i < length; i++) {
    const at = start + 2 * i;
    const [high, low] = [digitOfCode[text.charCodeAt(at)] ?? -1, digitOfCode[text.charCodeAt(at + 1)] ?? -1];
    if (high < 0 || low < 0) return at;
    bytes[i] = (high << 4) | low;
  }
  return start + 2 * length === text.length ? bytes : text.length - 1;
}

/**
 * bytea: reads the text of either bytea_output, and writes hex.
 *
 * @source bytea.c: byteaout
 */
export const bytea: Codec<Uint8Array> = {
  name: "bytea",
  readText(text) {
    if (!text.startsWith("\\x")) return parseEscapes(text);
    const bytes = parseHex(text, 2);
    return typeof bytes === "number" ? badText("bytea", text, "pairs of hexadecimal digits after \\x", bytes) : bytes;
  },
  writeText: (value) => `\\x${hexOf(mustBeBytes(value, "bytea"))}`,
  toJson: (value) => bytea.writeText(value),
  readBinary: (bytes) => bytes,
  writeBinary: (value) => mustBeBytes(value, "bytea"),
};

/** Parse the text of bytea_output = escape: printable ASCII as it is, `\\` for a backslash, `\ooo` for other bytes. */
function parseEscapes(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  let length = 0;
  const sequence = /\\(?:\\|([0-3][0-7]{2}))/y;
  for (let at = 0; at < text.length; ) {
    const code = text.charCodeAt(at);
    if (code !== 0x5c) {
      if (code < 0x20 || code > 0x7e) badText("bytea", text, "printable ASCII and escapes", at);
      bytes[length++] = code;
      at++;
      continue;
    }
    sequence.lastIndex = at;
    const match = sequence.exec(text);
    if (match === null) return badText("bytea", text, "a backslash followed by another or three octal digits", at);
    bytes[length++] = match[1] === undefined ? 0x5c : Number.parseInt(match[1], 8);
    at = sequence.lastIndex;
  }
  return bytes.slice(0, length);
}

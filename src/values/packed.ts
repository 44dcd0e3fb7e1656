/**
 * Types whose value is the text that the server prints, and whose binary format is different. Each has a printer, from bytes to text,
 * and a parser, from text to bytes. A text is valid if its bytes print as the same text.
 */

import { EncodeError } from "../kernel/errors.ts";
import { refuse } from "../wire/check.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { Reader } from "../wire/reader.ts";
import { hexOf } from "../wire/text.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";
import { badText, type Codec, mustBeString, mustHaveLength } from "./codec.ts";
import { floatPattern, formatFloat8, parseFloat8 } from "./float.ts";
import { parseHex } from "./text.ts";

/** A printer and its parser. */
interface Packed {
  /** The expected text, for errors. */
  readonly wanted: string;
  /** Read the value. The caller rejects trailing bytes. */
  print(r: Reader, name: string): string;
  /** Write the value of a text; false if the text is invalid. */
  parse(text: string, w: Writer, name: string): boolean;
  /** Server versions print the numbers in different ways, so every text that can be parsed is valid. */
  readonly manyTexts?: boolean;
}

function packed(name: string, { wanted, print, parse, manyTexts = false }: Packed): Codec<string> {
  const printAll = (bytes: Uint8Array): string => {
    const r = new Reader(bytes);
    const text = print(r, name);
    r.end(name);
    return text;
  };
  const parseAll = (text: string): Uint8Array | undefined => {
    let good = false;
    try {
      const bytes = encodeWith((w) => {
        good = parse(text, w, name);
      }, undefined);
      return good ? bytes : undefined;
    } catch (error) {
      if (error instanceof EncodeError) return undefined;
      throw error;
    }
  };
  const toBytes = (value: string): Uint8Array => {
    const bytes = parseAll(mustBeString(value, name));
    return bytes !== undefined && printAll(bytes) === value
      ? bytes
      : refuse(`${wanted}, as the server prints it`, value, name);
  };
  return {
    name,
    readText(text) {
      const bytes = parseAll(text);
      const printed = bytes === undefined ? undefined : printAll(bytes);
      return printed !== undefined && (manyTexts || printed === text) ? printed : badText(name, text, wanted);
    },
    writeText(value) {
      toBytes(value);
      return value;
    },
    readBinary: printAll,
    writeBinary: toBytes,
  };
}

function writeBytes(w: Writer, bytes: Iterable<number>, name: string): void {
  w.rest(Uint8Array.from(bytes), name);
}

function take(r: Reader, length: number, name: string): Uint8Array {
  const start = r.offset;
  r.skip(length, name);
  return r.bytes.subarray(start, r.offset);
}

/** Hexadecimal digits in groups of `lengths` bytes, with a separator between groups. */
function hexGroups(name: string, wanted: string, lengths: readonly number[], separator: string): Codec<string> {
  const pattern = new RegExp(`^${lengths.map((length) => `[0-9a-f]{${length * 2}}`).join(separator)}$`);
  const size = lengths.reduce((sum, length) => sum + length, 0);
  const checked = (value: string): string =>
    pattern.test(mustBeString(value, name)) ? value : refuse(`${wanted}, as the server prints it`, value, name);
  return {
    name,
    // The pattern alone decides, so there is no need to convert to bytes.
    readText: (text) => (pattern.test(text) ? text : badText(name, text, wanted)),
    writeText: checked,
    readBinary(bytes) {
      mustHaveLength(bytes, size, name);
      const digits = hexOf(bytes);
      let text = digits.slice(0, lengths[0]! * 2);
      for (let i = 1, at = text.length; i < lengths.length; at += lengths[i]! * 2, i++) {
        text += separator + digits.slice(at, at + lengths[i]! * 2);
      }
      return text;
    },
    writeBinary: (value) => parseHex(checked(value).replaceAll(separator, ""), 0) as Uint8Array,
  };
}

/** @source uuid.c: uuid_out */
export const uuid = /* @__PURE__ */ hexGroups("uuid", "a uuid", [4, 2, 2, 2, 6], "-");
/** @source mac.c: macaddr_out */
export const macaddr = /* @__PURE__ */ hexGroups("macaddr", "a MAC address of 6 bytes", [1, 1, 1, 1, 1, 1], ":");
/** @source mac8.c: macaddr8_out */
export const macaddr8 = /* @__PURE__ */ hexGroups(
  "macaddr8",
  "a MAC address of 8 bytes",
  [1, 1, 1, 1, 1, 1, 1, 1],
  ":",
);

// ---- bit, varbit ----

function bits(name: string): Codec<string> {
  return packed(name, {
    wanted: "digits 0 and 1",
    print(r) {
      const length = r.i32(name);
      if (length < 0) r.fail("BAD_VALUE", 0, `has ${length} bits`, name);
      const bytes = take(r, Math.ceil(length / 8), name);
      const unused = bytes.length * 8 - length;
      if (unused > 0 && (bytes[bytes.length - 1]! & ((1 << unused) - 1)) !== 0) {
        r.fail("BAD_VALUE", r.offset - 1, `has bits beyond its length of ${length}`, name);
      }
      return Array.from(bytes, (byte) => byte.toString(2).padStart(8, "0"))
        .join("")
        .slice(0, length);
    },
    parse(text, w) {
      if (!/^[01]*$/.test(text)) return false;
      w.i32(text.length, name);
      for (let i = 0; i < text.length; i += 8) w.u8(Number.parseInt(text.slice(i, i + 8).padEnd(8, "0"), 2), name);
      return true;
    },
  });
}

/** @source varbit.c: bit_out, bit_send */
export const bit = /* @__PURE__ */ bits("bit");
export const varbit = /* @__PURE__ */ bits("varbit");

// ---- inet, cidr ----

/** inet.h: PGSQL_AF_INET and PGSQL_AF_INET6. */
const [IPV4, IPV6] = [2, 3];

function network(name: "inet" | "cidr"): Codec<string> {
  const isCidr = name === "cidr";
  return packed(name, {
    wanted: isCidr ? "a network, with its length and no bits beyond it" : "an address of IPv4 or IPv6",
    print(r) {
      const family = r.u8(name);
      if (family !== IPV4 && family !== IPV6) r.fail("BAD_VALUE", 0, `is of family ${family}, expected 2 or 3,`, name);
      const size = family === IPV4 ? 4 : 16;
      const length = r.u8(name);
      if (length > size * 8) r.fail("BAD_VALUE", 1, `has a mask of ${length} bits`, name);
      if (r.u8(name) !== (isCidr ? 1 : 0)) r.fail("BAD_VALUE", 2, "is of the other of inet and cidr", name);
      if (r.u8(name) !== size) r.fail("BAD_VALUE", 3, `has another length than ${size}`, name);
      const address = take(r, size, name);
      if (isCidr && hasBitsBeyond(address, length))
        r.fail("BAD_VALUE", 4, `has bits beyond its mask of ${length}`, name);
      const shown = family === IPV4 ? address.join(".") : formatIpv6(address);
      return length === size * 8 && !isCidr ? shown : `${shown}/${length}`;
    },
    parse(text, w) {
      const [, shown, mask] = /^([0-9a-f.:]{2,45})(?:\/(\d{1,3}))?$/.exec(text) ?? [];
      if (shown === undefined) return false;
      const address = shown.includes(":") ? parseIpv6(shown) : parseIpv4(shown);
      if (address === undefined) return false;
      const length = mask === undefined ? address.length * 8 : Number(mask);
      if (length > address.length * 8 || (isCidr && hasBitsBeyond(address, length))) return false;
      writeBytes(w, [address.length === 4 ? IPV4 : IPV6, length, isCidr ? 1 : 0, address.length, ...address], name);
      return true;
    },
  });
}

function hasBitsBeyond(address: ArrayLike<number>, length: number): boolean {
  for (let i = 0; i < address.length; i++) {
    if ((address[i]! & (0xff >> Math.min(8, Math.max(0, length - i * 8)))) !== 0) return true;
  }
  return false;
}

/** The longest run of zero words is omitted; an embedded IPv4 address is printed with dots. @source inet_net_ntop.c */
function formatIpv6(address: Uint8Array): string {
  const words = Array.from({ length: 8 }, (_, i) => address[2 * i]! * 256 + address[2 * i + 1]!);
  let [base, length] = [-1, 1];
  for (let i = 0, run = 0; i < 8; i++) {
    run = words[i] === 0 ? run + 1 : 0;
    if (run > length) [base, length] = [i - run + 1, run];
  }
  const holdsIpv4 =
    base === 0 && (length === 6 || (length === 7 && words[7] !== 1) || (length === 5 && words[5] === 0xffff));
  const shown = words.map((word) => word.toString(16));
  if (holdsIpv4) shown.splice(6, 2, address.subarray(12).join("."));
  if (base === -1) return shown.join(":");
  return `${shown.slice(0, base).join(":")}::${shown.slice(base + Math.min(length, shown.length - base)).join(":")}`;
}

function parseIpv4(text: string): number[] | undefined {
  const parts = text.split(".");
  return parts.length === 4 && parts.every((part) => /^\d{1,3}$/.test(part) && Number(part) < 256)
    ? parts.map(Number)
    : undefined;
}

function parseIpv6(text: string): number[] | undefined {
  const ipv4 = /[\d.]+$/.exec(text)?.[0];
  const tail = ipv4?.includes(".") ? parseIpv4(ipv4) : [];
  if (tail === undefined) return undefined;
  const words = (
    tail.length === 0
      ? text
      : text.slice(0, -ipv4!.length) +
        `${(tail[0]! * 256 + tail[1]!).toString(16)}:${(tail[2]! * 256 + tail[3]!).toString(16)}`
  ).split("::");
  if (words.length > 2) return undefined;
  const [head, rest] = words.map((half) => (half === "" ? [] : half.split(":")));
  const zeros = 8 - head!.length - (rest?.length ?? 0);
  if (rest === undefined ? zeros !== 0 : zeros < 1) return undefined;
  const all = rest === undefined ? head! : [...head!, ...new Array<string>(zeros).fill("0"), ...rest];
  return all.every((word) => /^[0-9a-f]{1,4}$/.test(word))
    ? all.flatMap((word) => [Number.parseInt(word, 16) >> 8, Number.parseInt(word, 16) & 0xff])
    : undefined;
}

export const inet = /* @__PURE__ */ network("inet");
export const cidr = /* @__PURE__ */ network("cidr");

// ---- tid, snapshots ----

/** The position of a row: block and item. @source tid.c: tidout */
export const tid = /* @__PURE__ */ packed("tid", {
  wanted: "a block and an item in parentheses",
  print: (r, name) => `(${r.u32(name)},${r.u16(name)})`,
  parse(text, w, name) {
    const [, block, item] = /^\((\d{1,10}),(\d{1,5})\)$/.exec(text) ?? [];
    if (Number(block) > 0xffffffff || !(Number(item) <= 0xffff)) return false;
    w.u32(Number(block), name);
    w.u16(Number(item), name);
    return true;
  },
});

/** @source xid8funcs.c: pg_snapshot_out, pg_snapshot_send */
export function snapshot(name: string): Codec<string> {
  return packed(name, {
    wanted: "xmin:xmax: and the transactions in between",
    print(r) {
      const count = r.u32(name);
      const [xmin, xmax] = [r.u64(name), r.u64(name)];
      const xip: bigint[] = [];
      for (let i = 0; i < count; i++) xip.push(r.u64(name));
      return `${xmin}:${xmax}:${xip.join(",")}`;
    },
    parse(text, w) {
      const [xmin = "", xmax = "", list, more] = text.split(":");
      if (list === undefined || more !== undefined) return false;
      const xip = list === "" ? [] : list.split(",");
      w.u32(xip.length, name);
      for (const xid of [xmin, xmax].concat(xip)) {
        if (!/^\d{1,20}$/.test(xid) || BigInt.asUintN(64, BigInt(xid)) !== BigInt(xid)) return false;
        w.u64(BigInt(xid), name);
      }
      return true;
    },
  });
}

// ---- tsvector ----

const weights = ["", "C", "B", "A"];

/** Lexemes in quotes, with their positions and weights. @source tsvector.c: tsvectorout, tsvectorsend */
export const tsvector = /* @__PURE__ */ packed("tsvector", {
  wanted: "lexemes in single quotes, with positions",
  print(r, name) {
    const count = r.u32(name);
    const lexemes: string[] = [];
    for (let i = 0; i < count; i++) {
      const lexeme = readCString(r, name).replace(/['\\]/g, "$&$&");
      const positions: string[] = [];
      for (let n = r.u16(name); n > 0; n--) {
        const position = r.u16(name);
        positions.push(`${position & 0x3fff}${weights[position >> 14]}`);
      }
      lexemes.push(`'${lexeme}'${positions.length > 0 ? ":" : ""}${positions.join(",")}`);
    }
    return lexemes.join(" ");
  },
  parse(text, w, name) {
    const lexemes: { readonly lexeme: string; readonly positions: readonly number[] }[] = [];
    const position = /[:,](\d{1,5})([A-C]?)/y;
    for (let at = 0; at < text.length; ) {
      if (at > 0 && text[at++] !== " ") return false;
      if (text[at] !== "'") return false;
      const start = ++at;
      // A doubled quote is part of the lexeme. Wrong escapes are found when the value is printed again.
      while (at < text.length && (text[at] !== "'" || text[++at] === "'")) at++;
      if (text[at - 1] !== "'" || at - 1 < start) return false;
      const lexeme = text.slice(start, at - 1).replace(/''|\\\\/g, (pair) => pair[0]!);
      const positions: number[] = [];
      for (;;) {
        position.lastIndex = at;
        const [all, n, weight] = position.exec(text) ?? [];
        if (all === undefined) break;
        if (all.startsWith(":") !== (positions.length === 0) || Number(n) > 0x3fff) return false;
        positions.push((weights.indexOf(weight!) << 14) | Number(n));
        at = position.lastIndex;
      }
      lexemes.push({ lexeme, positions });
    }
    if (lexemes.some(({ lexeme, positions }) => lexeme.includes("\0") || positions.length > 0xffff)) return false;
    w.u32(lexemes.length, name);
    for (const { lexeme, positions } of lexemes) {
      writeCString(w, lexeme, name);
      w.u16(positions.length, name);
      for (const position of positions) w.u16(position, name);
    }
    return true;
  },
});

// ---- Geometry ----

/**
 * A geometric type: floats in brackets. `open` and `close` are the outer brackets, `count` the number of floats. Without `count` the
 * number of points varies, and precedes them in binary.
 *
 * @source geo_ops.c
 */
interface Frame {
  readonly open: string;
  readonly close: string;
  readonly count?: number;
  /** How many of the floats are coordinates of points, printed in parentheses: all but those of lines and the radius of a circle. */
  readonly points?: number;
  /** The byte before the count of points: whether a path is closed. */
  readonly closed?: number;
}

function geometry(name: string, ...frames: readonly Frame[]): Codec<string> {
  return packed(name, {
    wanted: `a ${name} as the server prints it`,
    manyTexts: true,
    print(r) {
      const closed = frames[0]!.closed === undefined ? undefined : r.u8(name);
      const frame = frames.find((each) => each.closed === closed);
      if (frame === undefined)
        return r.fail("BAD_VALUE", 0, `begins with ${closed}, expected 0 (open) or 1 (closed),`, name);
      let count = frame.count;
      if (count === undefined) {
        count = 2 * r.u32(name);
        if (count === 0) r.fail("BAD_VALUE", r.offset - 4, "has no points", name);
      }
      const floats: string[] = [];
      for (let i = 0; i < count; i++) floats.push(formatFloat8(readFloat8(r, name)));
      const points = frame.points ?? count;
      const parts: string[] = [];
      for (let i = 0; i < points; i += 2) parts.push(`(${floats[i]},${floats[i + 1]})`);
      return frame.open + [...parts, ...floats.slice(points)].join(",") + frame.close;
    },
    parse(text, w) {
      const frame = frames.find(({ open, close }) => text.startsWith(open) && text.endsWith(close));
      if (frame === undefined) return false;
      const end = text.length - frame.close.length;
      const next = new RegExp(`(\\()?(${floatPattern})(\\))?(,|$)`, "y");
      const values: number[] = [];
      // Servers up to 9.6 print "inf" and "nan" here.
      const inside = text
        .slice(frame.open.length, end)
        .replace(/\b(?:inf|nan)\b/g, (special) => (special === "inf" ? "Infinity" : "NaN"));
      for (let at = 0; at < inside.length; at = next.lastIndex) {
        next.lastIndex = at;
        const [, open, float, close, comma] = next.exec(inside) ?? [];
        const value = float === undefined ? undefined : parseFloat8(float);
        if (value === undefined) return false;
        const ofPoint = values.length < (frame.points ?? frame.count ?? Number.POSITIVE_INFINITY);
        const second = values.length % 2 === 1;
        if ((open !== undefined) !== (ofPoint && !second) || (close !== undefined) !== (ofPoint && second))
          return false;
        if (comma === "" && next.lastIndex !== inside.length) return false;
        if (comma === "," && next.lastIndex === inside.length) return false;
        values.push(value);
      }
      if (frame.count === undefined ? values.length === 0 || values.length % 2 !== 0 : values.length !== frame.count)
        return false;
      if (frame.closed !== undefined) w.u8(frame.closed, name);
      if (frame.count === undefined) w.u32(values.length / 2, name);
      for (const value of values) w.u64(bitsOf(value), name);
      return true;
    },
  });
}

const float = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(8));

function readFloat8(r: Reader, name: string): number {
  float.setBigUint64(0, r.u64(name));
  return float.getFloat64(0);
}

function bitsOf(value: number): bigint {
  float.setFloat64(0, value);
  return float.getBigUint64(0);
}

export const point = /* @__PURE__ */ geometry("point", { open: "", close: "", count: 2 });
export const lseg = /* @__PURE__ */ geometry("lseg", { open: "[", close: "]", count: 4 });
export const box = /* @__PURE__ */ geometry("box", { open: "", close: "", count: 4 });
export const line = /* @__PURE__ */ geometry("line", { open: "{", close: "}", count: 3, points: 0 });
export const circle = /* @__PURE__ */ geometry("circle", { open: "<", close: ">", count: 3, points: 2 });
export const polygon = /* @__PURE__ */ geometry("polygon", { open: "(", close: ")" });
export const path = /* @__PURE__ */ geometry(
  "path",
  { open: "(", close: ")", closed: 1 },
  { open: "[", close: "]", closed: 0 },
);

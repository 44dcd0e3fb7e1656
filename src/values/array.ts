/**
 * Arrays of any type, with their dimensions, lower bounds and NULLs.
 *
 * @source arrayfuncs.c: array_out, array_send
 */
import { isBytes, refuse } from "../wire/check.ts";
import { writeCounted } from "../wire/counted.ts";
import type { Json } from "../wire/json.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith } from "../wire/writer.ts";
import {
  badText,
  type Codec,
  jsonOfPart,
  partOfJson,
  readBinaryPart,
  readTextPart,
  writeBinaryPart,
  writeTextPart,
} from "./codec.ts";
import type { int2 } from "./number.ts";
import { quoting, readPart, writePart } from "./quote.ts";

/** One dimension of an array. */
export interface ArrayDimension {
  /** The number of elements, at least 1. */
  readonly length: number;
  /** The SQL subscript of the first element. */
  readonly lowerBound: number;
}

/** An array that plain JavaScript arrays cannot express: one with a lower bound other than 1. */
export interface ArrayWithBounds<T = unknown> {
  /** From the outermost to the innermost. */
  readonly dimensions: readonly ArrayDimension[];
  /** The elements of all dimensions, the last subscript varying fastest. */
  readonly elements: readonly (T | null)[];
}

/**
 * An array: a plain, nested JavaScript array if all lower bounds are 1, else an ArrayWithBounds.
 *
 * If the elements are JavaScript arrays themselves (int2vector, multiranges, domains over arrays), a plain array has one dimension.
 */
export type ArrayValue<T = unknown> = readonly (T | null)[] | readonly ArrayValue<T>[] | ArrayWithBounds<T>;

/** c.h: MAXDIM */
const MAX_DIMENSIONS = 6;
const MAX_INT32 = 2 ** 31 - 1;
const [OPEN, CLOSE] = [0x7b, 0x7d];

/** The codec of arrays. `delimiter` is typdelim of the element type: a comma for all built-in types but box. */
export function arrayOf(name: string, element: Codec, elementOid: number, delimiter = ","): Codec<ArrayValue> {
  const quotes = quoting(`{}${delimiter}`, false);
  const separator = delimiter.charCodeAt(0);
  // Evaluated on each call: the element type may be described later.
  const isNestable = (): boolean => element.listLike !== true;

  /** A plain array if possible, else an ArrayWithBounds. */
  const asValue = (
    lengths: readonly number[],
    lowerBounds: readonly number[],
    elements: readonly unknown[],
  ): ArrayValue => {
    if (lowerBounds.some((bound) => bound !== 1) || (lengths.length > 1 && !isNestable())) {
      return { dimensions: lengths.map((length, i) => ({ length, lowerBound: lowerBounds[i]! })), elements };
    }
    let level = elements;
    for (let d = lengths.length - 1; d > 0; d--) {
      const groups: unknown[] = [];
      for (let i = 0; i < level.length; i += lengths[d]!) groups.push(level.slice(i, i + lengths[d]!));
      level = groups;
    }
    return level as ArrayValue;
  };

  /** The dimensions and elements of a value to be written. */
  const partsOf = (value: ArrayValue): ArrayWithBounds => {
    if (!Array.isArray(value)) return mustHaveBounds(value as ArrayWithBounds, name);
    if (value.length === 0) return { dimensions: [], elements: [] };
    const nestable = isNestable();
    const dimensions: ArrayDimension[] = [];
    let level: readonly unknown[] = value;
    for (;;) {
      dimensions.push({ length: level.length, lowerBound: 1 });
      const first: unknown = level[0];
      if (!nestable || !Array.isArray(first)) break;
      level = first;
    }
    if (dimensions.length > MAX_DIMENSIONS) refuse(`at most ${MAX_DIMENSIONS} dimensions`, dimensions.length, name);
    let elements: readonly unknown[] = value;
    for (const { length } of dimensions.slice(1)) {
      const next: unknown[] = [];
      for (const part of elements) {
        if (!Array.isArray(part) || part.length !== length || length === 0) {
          refuse("arrays of one length, not empty, in each dimension", part, name);
        }
        for (const each of part) next.push(each);
      }
      elements = next;
    }
    return { dimensions, elements };
  };

  /** The JSON of nested arrays, or of their elements. */
  const nested = (value: unknown, depth: number): Json => {
    if (value === null) return null;
    if (!Array.isArray(value) || (depth > 0 && !isNestable())) return jsonOfPart(element, value);
    if (depth === MAX_DIMENSIONS) refuse(`at most ${MAX_DIMENSIONS} dimensions`, value, name);
    // Not `map`, which passes over holes, of which there may be 2^32.
    return Array.from(value.values(), (each) => nested(each, depth + 1));
  };

  /** The values of what `nested` made. */
  const ofNested = (json: unknown, depth: number, index?: number): unknown => {
    if (json === null) return null;
    if (!Array.isArray(json) || (depth > 0 && !isNestable())) return partOfJson(element, json, name, index);
    if (depth === MAX_DIMENSIONS) refuse(`at most ${MAX_DIMENSIONS} dimensions`, json, name);
    return json.map((each, i) => ofNested(each, depth + 1, i));
  };

  return {
    name,

    toJson(value) {
      if (Array.isArray(value)) return nested(value, 0);
      const { dimensions, elements } = mustHaveBounds(value as ArrayWithBounds, name);
      return {
        dimensions: dimensions.map(({ length, lowerBound }) => ({ length, lowerBound })),
        elements: elements.map((each) => (each === null ? null : jsonOfPart(element, each))),
      };
    },
    fromJson(json) {
      if (Array.isArray(json)) {
        const value = ofNested(json, 0) as ArrayValue;
        const uneven = isNestable() ? partsOf(value).elements.find(Array.isArray) : undefined;
        return uneven === undefined ? value : refuse("arrays in each place of a dimension, or in none", uneven, name);
      }
      const { dimensions, elements } = mustHaveBounds(json as ArrayWithBounds, name);
      const values = elements.map((each, i) => (each === null ? null : partOfJson(element, each, name, i)));
      return { dimensions: dimensions.map(({ length, lowerBound }) => ({ length, lowerBound })), elements: values };
    },
    listLike: true,

    readText(text) {
      if (text === "{}") return [];
      const wrong = (wanted: string, at: number): never => badText(name, text, wanted, at);
      const { bounds, end } = readBounds(text, wrong);
      const elements: unknown[] = [];
      /** The length of each dimension, known once one of its braces has closed; and the count so far of each open brace. */
      const lengths: number[] = [];
      const open: number[] = [];
      let dimensions = 0;
      let at = end;
      do {
        // An element is next, or a brace of the next dimension.
        while (text.charCodeAt(at) === OPEN) {
          if (open.length >= (dimensions === 0 ? MAX_DIMENSIONS : dimensions)) wrong("an element", at);
          open.push(0);
          at++;
        }
        if (dimensions === 0) dimensions = open.length;
        if (open.length === 0 || open.length !== dimensions) wrong("an opening brace", at);
        const part = readPart(text, at, quotes, name);
        if (part.end === at) wrong("an element", at);
        const isNull = !part.quoted && part.text.length === 4 && part.text.toUpperCase() === "NULL";
        elements.push(isNull ? null : readTextPart(element, part.text, part.start, name, elements.length));
        at = part.end;
        open[dimensions - 1]!++;
        while (text.charCodeAt(at) === CLOSE && open.length > 0) {
          const count = open.pop()!;
          lengths[open.length] ??= count;
          if (lengths[open.length] !== count) wrong(`${lengths[open.length]} elements, as in the one before`, at);
          if (open.length > 0) open[open.length - 1]!++;
          at++;
        }
        if (open.length > 0 && text.charCodeAt(at) !== separator)
          wrong(`${JSON.stringify(delimiter)} or a closing brace`, at);
      } while (open.length > 0 && ++at);
      if (at !== text.length) wrong("nothing after the last brace", at);
      if (bounds !== undefined) {
        const same = bounds.length === dimensions && bounds.every(({ length }, i) => length === lengths[i]);
        if (!same) wrong("as many elements as its bounds say", 0);
      }
      return asValue(lengths, bounds?.map(({ lowerBound }) => lowerBound) ?? [], elements);
    },

    writeText(value) {
      const { dimensions, elements } = partsOf(value);
      if (elements.length === 0) return "{}";
      let level = elements.map((each, i) => {
        if (each === null) return "NULL";
        const text = writeTextPart(element, each, name, i);
        return writePart(text, quotes, text.length === 4 && text.toUpperCase() === "NULL");
      });
      for (const { length } of [...dimensions].reverse()) {
        const groups: string[] = [];
        for (let i = 0; i < level.length; i += length) groups.push(`{${level.slice(i, i + length).join(delimiter)}}`);
        level = groups;
      }
      if (dimensions.every(({ lowerBound }) => lowerBound === 1)) return level[0]!;
      const bounds = dimensions.map(({ length, lowerBound }) => `[${lowerBound}:${lowerBound + length - 1}]`);
      return `${bounds.join("")}=${level[0]}`;
    },

    readBinary(bytes) {
      const r = new Reader(bytes);
      const count = r.u32(name);
      if (count > MAX_DIMENSIONS)
        r.fail("BAD_VALUE", 0, `has ${count} dimensions, expected at most ${MAX_DIMENSIONS},`, name);
      const hasNull = r.u32(name);
      if (hasNull > 1) r.fail("BAD_VALUE", 4, `has invalid flags ${hasNull}`, name);
      const oid = r.u32(name);
      if (oid !== elementOid) r.fail("BAD_VALUE", 8, `has elements of type ${oid}, expected ${elementOid},`, name);
      const [lengths, lowerBounds]: [number[], number[]] = [[], []];
      let total = count === 0 ? 0 : 1;
      for (let d = 0; d < count; d++) {
        const length = r.u32(name);
        const lowerBound = r.i32(name);
        if (length === 0 || !(lowerBound + length - 1 <= MAX_INT32)) {
          r.fail("BAD_VALUE", r.offset - 8, `has ${length} elements from ${lowerBound} on in a dimension`, name);
        }
        lengths.push(length);
        lowerBounds.push(lowerBound);
        total *= length;
      }
      const elements: unknown[] = [];
      for (let i = 0; i < total; i++) {
        const length = r.i32(name, i);
        if (length === -1) {
          if (hasNull === 0) r.fail("BAD_VALUE", r.offset - 4, "is NULL where there should be none", name, i);
          elements.push(null);
          continue;
        }
        if (length < 0) r.fail("BAD_LENGTH", r.offset - 4, `has a length of ${length}`, name, i);
        const start = r.offset;
        r.skip(length, name, i);
        elements.push(readBinaryPart(element, bytes.subarray(start, r.offset), start, name, i));
      }
      r.end(name);
      return asValue(lengths, lowerBounds, elements);
    },

    writeBinary(value) {
      const { dimensions, elements } = partsOf(value);
      return encodeWith((w) => {
        w.u32(dimensions.length, name);
        w.u32(elements.includes(null) ? 1 : 0, name);
        w.u32(elementOid, name);
        for (const { length, lowerBound } of dimensions) {
          w.i32(length, name);
          w.i32(lowerBound, name);
        }
        for (let i = 0; i < elements.length; i++) {
          if (elements[i] === null) w.i32(-1, name);
          else writeCounted(w, writeBinaryPart(element, elements[i], name, i), name, i);
        }
      }, undefined);
    },
  };
}

/** The prefix that gives the bounds if a lower bound is not 1: `[0:2][-1:0]=`. */
function readBounds(
  text: string,
  wrong: (wanted: string, at: number) => never,
): { bounds: readonly ArrayDimension[] | undefined; end: number } {
  if (!text.startsWith("[")) return { bounds: undefined, end: 0 };
  const pattern = /\[(-?\d{1,10}):(-?\d{1,10})\](=)?/y;
  const bounds: ArrayDimension[] = [];
  for (;;) {
    const at = pattern.lastIndex;
    const [all, lower, upper, last] = pattern.exec(text) ?? [];
    const [lowerBound, upperBound] = [Number(lower), Number(upper)];
    const isGood = lowerBound >= -MAX_INT32 - 1 && upperBound <= MAX_INT32 && upperBound >= lowerBound;
    if (all === undefined || !isGood || bounds.length === MAX_DIMENSIONS)
      return wrong("bounds of at most 6 dimensions, then =", at);
    bounds.push({ lowerBound, length: upperBound - lowerBound + 1 });
    if (last !== undefined) return { bounds, end: pattern.lastIndex };
  }
}

function mustHaveBounds(value: ArrayWithBounds, name: string): ArrayWithBounds {
  const wanted = "an array, or its dimensions and elements,";
  if (typeof value !== "object" || value === null || isBytes(value)) return refuse(wanted, value, name);
  const { dimensions, elements } = value;
  if (!Array.isArray(dimensions) || !Array.isArray(elements)) return refuse(wanted, value, name);
  if (dimensions.length > MAX_DIMENSIONS) refuse(`at most ${MAX_DIMENSIONS} dimensions`, dimensions.length, name);
  let total = dimensions.length === 0 ? 0 : 1;
  for (const [i, dimension] of dimensions.entries()) {
    const { length, lowerBound } = (dimension ?? {}) as ArrayDimension;
    const isGood =
      Number.isInteger(length) && length > 0 && Number.isInteger(lowerBound) && lowerBound >= -MAX_INT32 - 1;
    if (!isGood || lowerBound + length - 1 > MAX_INT32) {
      refuse("a length above 0 and a lowerBound, subscripts of 32 bits", dimension, `${name}.dimensions`, i);
    }
    total *= length;
  }
  if (total !== elements.length) refuse(`${total} elements, as its dimensions say`, elements.length, name);
  return value;
}

/** int2vector and oidvector: one dimension from subscript 0, without NULLs; the text is numbers separated by blanks. @source int.c, oid.c */
export function vectorOf(name: string, element: typeof int2, elementOid: number): Codec<readonly number[]> {
  const array = arrayOf(name, element, elementOid);
  // An empty vector has one dimension of length 0. No other array has that.
  const empty = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, elementOid, 0, 0, 0, 0, 0, 0, 0, 0);
  const checked = (value: readonly number[]): readonly number[] =>
    Array.isArray(value) ? value : refuse("an array", value, name);
  return {
    name,
    listLike: true,
    toJson: (value) => checked(value).map((each) => jsonOfPart(element, each)),
    fromJson: (json) =>
      checked(json as readonly number[]).map((each, i) => partOfJson(element, each, name, i) as number),
    readText: (text) =>
      text === "" ? [] : text.split(" ").map((part, i) => readTextPart(element, part, 0, name, i) as number),
    writeText: (value) =>
      checked(value)
        .map((each, i) => writeTextPart(element, each, name, i))
        .join(" "),
    readBinary(bytes) {
      const r = new Reader(bytes);
      if (isSame(bytes, empty)) return [];
      const value = array.readBinary(bytes);
      const isVector = "dimensions" in value && value.dimensions.length === 1 && value.dimensions[0]!.lowerBound === 0;
      const hasFlags = bytes[7] !== 0;
      if (!isVector || hasFlags) return r.fail("BAD_VALUE", 0, "has other bounds or flags than a vector", name);
      return value.elements as number[];
    },
    writeBinary(value) {
      const elements = checked(value);
      if (elements.length > 0)
        return array.writeBinary({ dimensions: [{ length: elements.length, lowerBound: 0 }], elements });
      return empty.slice();
    },
  };
}

function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && a.every((byte, i) => byte === b[i]);
}

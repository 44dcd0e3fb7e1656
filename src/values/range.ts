/**
 * Ranges and multiranges.
 *
 * @source rangetypes.c: range_out, range_send, range_deparse; multirangetypes.c: multirange_out, multirange_send
 */
import { mustBeObject, refuse } from "../wire/check.ts";
import { readCounted, writeCounted } from "../wire/counted.ts";
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
import { quoting, readPart, writePart } from "./quote.ts";

/** A range: its two bounds, or "empty". */
export type RangeValue<T = unknown> =
  | "empty"
  | {
      /** null if there is no lower bound: the range is infinite on this side, and its bracket is `(`. */
      readonly lower: T | null;
      /** null if there is no upper bound: the range is infinite on this side, and its bracket is `)`. */
      readonly upper: T | null;
      /** The brackets: `[` and `]` for an inclusive bound, `(` and `)` for an exclusive one. */
      readonly bounds: "[]" | "[)" | "(]" | "()";
    };

type Bounds = Exclude<RangeValue, "empty">["bounds"];

/** Non-empty ranges, in order. */
export type MultirangeValue<T = unknown> = readonly Exclude<RangeValue<T>, "empty">[];

const FLAG = {
  empty: 0x01,
  lowerInclusive: 0x02,
  upperInclusive: 0x04,
  lowerInfinite: 0x08,
  upperInfinite: 0x10,
} as const;
const quotes = /* @__PURE__ */ quoting("()[],", true);
const brackets: readonly string[] = ["[]", "[)", "(]", "()"];

export function rangeOf(name: string, subtype: Codec): Codec<RangeValue> {
  const checked = (value: RangeValue): RangeValue => {
    if (value === "empty") return value;
    mustBeObject(value, name);
    if (!brackets.includes(value.bounds)) refuse("[], [), (] or () as its bounds", value.bounds, name);
    if (value.lower === null && value.bounds[0] === "[") refuse("( where there is no lower bound", value.bounds, name);
    if (value.upper === null && value.bounds[1] === "]") refuse(") where there is no upper bound", value.bounds, name);
    return value;
  };
  return {
    name,

    toJson(value) {
      const range = checked(value);
      if (range === "empty") return range;
      const bound = (side: unknown): Json => (side === null ? null : jsonOfPart(subtype, side));
      return { lower: bound(range.lower), upper: bound(range.upper), bounds: range.bounds };
    },
    fromJson(json) {
      const range = checked(json as RangeValue);
      if (range === "empty") return range;
      const bound = (side: "lower" | "upper"): unknown =>
        (range[side] ?? null) === null ? null : partOfJson(subtype, range[side], `${name}.${side}`);
      return checked({ lower: bound("lower"), upper: bound("upper"), bounds: range.bounds });
    },

    readText(text) {
      if (text === "empty") return "empty";
      const { value, end } = readRange(text, 0, name, subtype);
      return end === text.length ? value : badText(name, text, "nothing after a range", end);
    },

    writeText(value) {
      const range = checked(value);
      if (range === "empty") return "empty";
      const bound = (side: "lower" | "upper"): string =>
        range[side] === null ? "" : writePart(writeTextPart(subtype, range[side], `${name}.${side}`), quotes);
      return `${range.bounds[0]}${bound("lower")},${bound("upper")}${range.bounds[1]}`;
    },

    readBinary(bytes) {
      const r = new Reader(bytes);
      const flags = r.u8(name);
      const has = (flag: keyof typeof FLAG): boolean => (flags & FLAG[flag]) !== 0;
      const isGood = has("empty")
        ? flags === FLAG.empty
        : flags < 0x20 &&
          !(has("lowerInclusive") && has("lowerInfinite")) &&
          !(has("upperInclusive") && has("upperInfinite"));
      if (!isGood) r.fail("BAD_VALUE", 0, `has invalid flags 0x${flags.toString(16)}`, name);
      if (has("empty")) {
        r.end(name);
        return "empty";
      }
      const bound = (side: "lower" | "upper"): unknown => {
        const part = readCounted(r, `${name}.${side}`);
        return readBinaryPart(subtype, part, r.offset - part.length, `${name}.${side}`);
      };
      const lower = has("lowerInfinite") ? null : bound("lower");
      const upper = has("upperInfinite") ? null : bound("upper");
      r.end(name);
      const bounds = `${has("lowerInclusive") ? "[" : "("}${has("upperInclusive") ? "]" : ")"}` as Bounds;
      return { lower, upper, bounds };
    },

    writeBinary(value) {
      const range = checked(value);
      if (range === "empty") return Uint8Array.of(FLAG.empty);
      const { lower, upper, bounds } = range;
      return encodeWith((w) => {
        const lowerFlag = lower === null ? FLAG.lowerInfinite : bounds[0] === "[" ? FLAG.lowerInclusive : 0;
        const upperFlag = upper === null ? FLAG.upperInfinite : bounds[1] === "]" ? FLAG.upperInclusive : 0;
        w.u8(lowerFlag | upperFlag, name);
        if (lower !== null) writeCounted(w, writeBinaryPart(subtype, lower, `${name}.lower`), name);
        if (upper !== null) writeCounted(w, writeBinaryPart(subtype, upper, `${name}.upper`), name);
      }, undefined);
    },
  };
}

/** The range that begins at `at`, and the offset of its end. */
function readRange(
  text: string,
  at: number,
  name: string,
  subtype: Codec,
): { value: Exclude<RangeValue, "empty">; end: number } {
  const wrong = (wanted: string, where: number): never => badText(name, text, wanted, where);
  const opening = text[at];
  if (opening !== "[" && opening !== "(") wrong("a range, which begins with [ or (,", at);
  const bound = (from: number, side: string): { value: unknown; end: number } => {
    const part = readPart(text, from, quotes, name);
    if (part.end === from) return { value: null, end: from };
    return { value: readTextPart(subtype, part.text, part.start, `${name}.${side}`), end: part.end };
  };
  const lower = bound(at + 1, "lower");
  if (text[lower.end] !== ",") wrong("a comma between the bounds", lower.end);
  const upper = bound(lower.end + 1, "upper");
  const closing = text[upper.end];
  if (closing !== "]" && closing !== ")") wrong("] or ) after the bounds", upper.end);
  if ((lower.value === null && opening === "[") || (upper.value === null && closing === "]")) {
    wrong("( or ) where there is no bound", at);
  }
  const value = { lower: lower.value, upper: upper.value, bounds: `${opening}${closing}` as Bounds };
  return { value, end: upper.end + 1 };
}

export function multirangeOf(name: string, subtype: Codec): Codec<MultirangeValue> {
  // An error in a range is reported as an error of the multirange.
  const range = rangeOf(name, subtype);
  const checked = (value: MultirangeValue): MultirangeValue => {
    if (!Array.isArray(value) || (value as readonly RangeValue[]).includes("empty")) {
      refuse("an array of ranges that are not empty", value, name);
    }
    return value;
  };
  return {
    name,
    listLike: true,

    toJson: (value) => checked(value).map((each) => jsonOfPart(range, each)),
    fromJson: (json) =>
      checked(json as MultirangeValue).map((each, i) => partOfJson(range, each, name, i)) as unknown as MultirangeValue,

    readText(text) {
      if (text === "{}") return [];
      const ranges: Exclude<RangeValue, "empty">[] = [];
      let at = 0;
      do {
        if (text[at] !== (at === 0 ? "{" : ","))
          badText(name, text, at === 0 ? "ranges in braces" : "a comma or a brace", at);
        const { value, end } = readRange(text, at + 1, name, subtype);
        ranges.push(value);
        at = end;
      } while (text[at] !== "}");
      return at === text.length - 1 ? ranges : badText(name, text, "nothing after the brace", at + 1);
    },

    writeText: (value) =>
      `{${checked(value)
        .map((each, i) => writeTextPart(range, each, name, i))
        .join(",")}}`,

    readBinary(bytes) {
      const r = new Reader(bytes);
      const count = r.u32(name);
      const ranges: Exclude<RangeValue, "empty">[] = [];
      for (let i = 0; i < count; i++) {
        const part = readCounted(r, name, i);
        const value = readBinaryPart(range, part, r.offset - part.length, name, i) as RangeValue;
        if (value === "empty") return r.fail("BAD_VALUE", r.offset - 1, "is an empty range", name, i);
        ranges.push(value);
      }
      r.end(name);
      return ranges;
    },

    writeBinary(value) {
      const ranges = checked(value);
      return encodeWith((w) => {
        w.u32(ranges.length, name);
        for (let i = 0; i < ranges.length; i++) writeCounted(w, writeBinaryPart(range, ranges[i], name, i), name, i);
      }, undefined);
    },
  };
}

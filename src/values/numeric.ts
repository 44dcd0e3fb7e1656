/**
 * numeric: a string in the server's own format, so that nothing is lost, not even trailing zeros after the point.
 *
 * @source numeric.c: numeric_out, numeric_recv, numeric_send, make_result
 */
import { refuse } from "../wire/check.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith } from "../wire/writer.ts";
import { badText, type Codec } from "./codec.ts";

const NEGATIVE = 0x4000;
const MAX_SCALE = 0x3fff;
/** Digits before the point: 32768 groups of four. */
const MAX_WHOLE = 131_072;

/** Values that are not numbers: the sign, and the scale, which numeric_send takes from bits with another meaning. */
const specials: Readonly<Record<string, { readonly sign: number; readonly scale: number }>> = {
  NaN: { sign: 0xc000, scale: 0 },
  Infinity: { sign: 0xd000, scale: 0x20 },
  "-Infinity": { sign: 0xf000, scale: 0x20 },
};

const wanted = "a decimal number as the server prints it, NaN or Infinity";

/** A number has one text for each scale: no leading zeros, no negative zero, no exponent. */
function isNumeric(text: string): boolean {
  return /^-?(?:0|[1-9]\d*)(?:\.\d+)?$/.test(text) ? !/^-[0.]*$/.test(text) : Object.hasOwn(specials, text);
}

function mustBeNumeric(value: string): string {
  if (typeof value !== "string" || !isNumeric(value)) refuse(`${wanted}, in a string`, value, "numeric");
  // Shorter than this it is within both.
  if (value.length > MAX_SCALE) mustFit(value);
  return value;
}

/** @source numeric.c: make_result */
function mustFit(value: string): void {
  const [whole = "", fraction = ""] = value.replace("-", "").split(".");
  if (whole.length > MAX_WHOLE) refuse(`at most ${MAX_WHOLE} digits before the point`, value, "numeric");
  if (fraction.length > MAX_SCALE) refuse(`at most ${MAX_SCALE} digits after the point`, value, "numeric");
}

export const numeric: Codec<string> = {
  name: "numeric",
  readText: (text) => (isNumeric(text) ? text : badText("numeric", text, wanted)),
  writeText: mustBeNumeric,

  readBinary(bytes) {
    const r = new Reader(bytes);
    const count = r.u16("numeric");
    const weight = (r.u16("numeric") << 16) >> 16;
    const sign = r.u16("numeric");
    const scale = r.u16("numeric");
    if (sign !== 0 && sign !== NEGATIVE) return readSpecial(r, count, weight, sign, scale);
    if (scale > MAX_SCALE) r.fail("BAD_VALUE", 6, `has a scale of ${scale}, expected at most ${MAX_SCALE},`, "numeric");

    const groups: string[] = [];
    for (let i = 0; i < count; i++) {
      const group = r.u16("numeric");
      if (group > 9999) r.fail("BAD_VALUE", r.offset - 2, `has a digit of ${group}, expected at most 9999,`, "numeric");
      if (group === 0 && (i === 0 || i === count - 1)) {
        r.fail("BAD_VALUE", r.offset - 2, "has a zero that the server does not store", "numeric");
      }
      groups.push(String(group).padStart(4, "0"));
    }
    r.end("numeric");
    if (count === 0 && (weight !== 0 || sign !== 0))
      r.fail("BAD_VALUE", 2, "is a zero with a sign or weight", "numeric");

    // A few bytes can denote long runs of zeros. V8 keeps the results of repeat() and + as ropes; slicing would flatten them.
    const before = Math.max(0, Math.min(count, weight + 1));
    const zerosBehind = count === 0 ? 0 : Math.max(0, weight + 1 - before);
    const whole = groups.slice(0, before).join("").replace(/^0+/, "") + "0000".repeat(zerosBehind);
    const zeros = count === 0 ? 0 : Math.max(0, -1 - weight) * 4;
    const after = groups.slice(before).join("");
    const shown = Math.max(0, scale - zeros);
    if (/[1-9]/.test(after.slice(shown)))
      r.fail("BAD_VALUE", 6, `has more digits than its scale, ${scale},`, "numeric");
    const rest = "0".repeat(Math.max(0, shown - after.length));
    const fraction = scale === 0 ? "" : `.${"0".repeat(Math.min(scale, zeros))}${after.slice(0, shown)}${rest}`;
    const number = whole === "" ? "0" : whole;
    return (sign === NEGATIVE ? "-" : "") + number + fraction;
  },

  writeBinary(value) {
    const text = mustBeNumeric(value);
    const special = specials[text];
    if (special !== undefined) return encodeNumeric([], 0, special.sign, special.scale);
    const negative = text.startsWith("-");
    const point = text.indexOf(".");
    const whole = text.slice(negative ? 1 : 0, point === -1 ? undefined : point);
    const fraction = point === -1 ? "" : text.slice(point + 1);

    const digits = "0".repeat(-whole.length & 3) + whole + fraction + "0".repeat(-fraction.length & 3);
    const groups: number[] = [];
    for (let i = 0; i < digits.length; i += 4) groups.push(Number(digits.slice(i, i + 4)));
    const first = groups.findIndex((group) => group !== 0);
    if (first === -1) return encodeNumeric([], 0, 0, fraction.length);
    const last = groups.findLastIndex((group) => group !== 0);
    const weight = Math.ceil(whole.length / 4) - 1 - first;
    return encodeNumeric(groups.slice(first, last + 1), weight, negative ? NEGATIVE : 0, fraction.length);
  },
};

function readSpecial(r: Reader, count: number, weight: number, sign: number, scale: number): string {
  for (const [text, special] of Object.entries(specials)) {
    if (special.sign !== sign) continue;
    if (count !== 0 || weight !== 0 || scale !== special.scale) {
      r.fail("BAD_VALUE", 0, `is ${text} with digits or another scale than ${special.scale}`, "numeric");
    }
    r.end("numeric");
    return text;
  }
  return r.fail("BAD_VALUE", 4, `has an invalid sign 0x${sign.toString(16)}`, "numeric");
}

function encodeNumeric(groups: readonly number[], weight: number, sign: number, scale: number): Uint8Array {
  return encodeWith((w) => {
    for (const word of [groups.length, weight & 0xffff, sign, scale]) w.u16(word, "numeric");
    for (const group of groups) w.u16(group, "numeric");
  }, undefined);
}

/**
 * float4 and float8: text as the server prints it from 12 on with extra_float_digits above 0, the shortest that means this number
 * and no other. JavaScript's own shortest text is nearly that: PostgreSQL's does not count on a reader that rounds a number
 * halfway between two floats to the even one, so there it takes a digit more.
 *
 * @source d2s.c, f2s.c
 */
import { refuse } from "../wire/check.ts";
import { badText, type Codec, viewOf } from "./codec.ts";

/** A float as float8out writes it; the grammar of all that hold floats. */
export const floatPattern = String.raw`-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Infinity)|NaN`;
const wholeFloat = new RegExp(`^(?:${floatPattern})$`);

/** How the two differ: bits of the mantissa, the exponent of the smallest subnormal, and where the notation with exponent begins. */
interface Format {
  readonly bits: number;
  readonly lowest: number;
  readonly fixedBelow: number;
}
export const double: Format = { bits: 53, lowest: -1074, fixedBelow: 15 };
const single: Format = { bits: 24, lowest: -149, fixedBelow: 6 };

/** The number that a text means: undefined if it means none, or one beyond the range, as the server refuses it. */
export function parseFloat8(text: string): number | undefined {
  if (!wholeFloat.test(text)) return undefined;
  const value = Number(text);
  return isOutOfRange(text, value) ? undefined : value;
}

/** Too large, or so small that nothing is left of it. */
function isOutOfRange(text: string, value: number): boolean {
  if (value === 0) return /[1-9]/.test(text.replace(/e.*/, ""));
  return !Number.isFinite(value) && !text.endsWith("y") && text !== "NaN";
}

function parseFloat4(text: string): number | undefined {
  const near = parseFloat8(text);
  if (near === undefined) return undefined;
  const value = nearestSingle(text, near);
  return isOutOfRange(text, value) ? undefined : value;
}

/** The float4 nearest to the text, whose nearest float8 is `near`: rounding twice goes wrong where the first lands between two. */
function nearestSingle(text: string, near: number): number {
  const value = Math.fround(near);
  const other = 2 * near - value;
  const isBetween = value !== near && Number.isFinite(value) && Math.fround(other) === other;
  if (!isBetween) return value;
  const side = compareDecimal(text, near);
  if (side === 0) return value;
  return side > 0 ? Math.max(value, other) : Math.min(value, other);
}

/** Is the decimal number above (1), equal to (0) or below (-1) the float? Exact. */
function compareDecimal(text: string, value: number): number {
  const [, sign = "", whole = "", fraction = "", exponent = "0"] = /^(-?)(\d+)(?:\.(\d+))?(?:e([+-]\d+))?$/.exec(text)!;
  const digits = BigInt(sign + whole + fraction);
  const ten = Number(exponent) - fraction.length;
  const { mantissa, exponent: two } = partsOf(Math.abs(value), double);
  const left = digits * 10n ** BigInt(Math.max(0, ten)) * 2n ** BigInt(Math.max(0, -two));
  const magnitude = mantissa * 10n ** BigInt(Math.max(0, -ten)) * 2n ** BigInt(Math.max(0, two));
  const right = value < 0 ? -magnitude : magnitude;
  return left > right ? 1 : left < right ? -1 : 0;
}

/** A number as float8out prints it. */
export function formatFloat8(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  const size = Math.abs(value);
  const [digits, exponent] = splitExponential(size.toExponential());
  // A decimal of 17 digits can lie halfway between two floats only where those are whole numbers, below 5^23 * 2^54.
  const mayBeHalfway = size >= 2 ** 53 && size < 1e41 && isHalfway(digits, exponent, size);
  return print(value < 0, mayBeHalfway ? shortest(size, double) : [digits, exponent], double);
}

/** A number that a float4 can hold as float4out prints it. */
export function formatFloat4(value: number): string {
  const special = formatSpecial(value);
  if (special !== undefined) return special;
  return print(value < 0, shortestSingle(Math.abs(value)), single);
}

function formatSpecial(value: number): string | undefined {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "Infinity" : "-Infinity";
  return value === 0 ? (Object.is(value, -0) ? "-0" : "0") : undefined;
}

type Digits = [digits: string, exponent: number];

/** `1.25e+3` is 1, 2, 5 times ten to the third. */
function splitExponential(text: string): Digits {
  const e = text.indexOf("e");
  return [text.slice(0, e).replace(".", ""), Number(text.slice(e + 1))];
}

/** Digits, of which the first stands for as many tens, in the notation of the server. */
function print(negative: boolean, [digits, exponent]: Digits, { fixedBelow }: Format): string {
  const sign = negative ? "-" : "";
  if (exponent < -4 || exponent >= fixedBelow) {
    const fraction = digits.length > 1 ? `.${digits.slice(1)}` : "";
    return `${sign}${digits[0]}${fraction}e${exponent < 0 ? "-" : "+"}${String(Math.abs(exponent)).padStart(2, "0")}`;
  }
  if (exponent < 0) return `${sign}0.${"0".repeat(-exponent - 1)}${digits}`;
  if (digits.length <= exponent + 1) return sign + digits.padEnd(exponent + 1, "0");
  return `${sign}${digits.slice(0, exponent + 1)}.${digits.slice(exponent + 1)}`;
}

/** The mantissa and exponent of two of a positive number. */
function partsOf(value: number, { bits, lowest }: Format): { mantissa: bigint; exponent: number } {
  let exponent = lowest;
  // Scaling by powers of two is exact, and Math.log2 right to within one.
  exponent = Math.max(exponent, Math.floor(Math.log2(value)) - bits);
  let scaled = value / 2 ** Math.trunc(exponent / 2) / 2 ** (exponent - Math.trunc(exponent / 2));
  while (scaled >= 2 ** bits) {
    scaled /= 2;
    exponent++;
  }
  return { mantissa: BigInt(scaled), exponent };
}

/** Four times the number and the bounds of what rounds to it, as integers over a common denominator. */
function neighbourhood(value: number, format: Format): { x: bigint; low: bigint; high: bigint; denominator: bigint } {
  const { mantissa, exponent } = partsOf(value, format);
  const unit = 2n ** BigInt(Math.max(0, exponent));
  const x = 4n * mantissa * unit;
  // Below a power of two the floats lie twice as close.
  const isPower = mantissa === 2n ** BigInt(format.bits - 1) && exponent > format.lowest;
  const denominator = 2n ** BigInt(Math.max(0, -exponent));
  return { x, low: x - (isPower ? unit : 2n * unit), high: x + 2n * unit, denominator };
}

/** Does the decimal lie on a bound of what rounds to this whole number? */
function isHalfway(digits: string, exponent: number, value: number): boolean {
  const { low, high } = neighbourhood(value, double);
  if (exponent < digits.length - 1) return false;
  const decimal = 4n * BigInt(digits) * 10n ** BigInt(exponent - digits.length + 1);
  return decimal === low || decimal === high;
}

/** The shortest decimal strictly between the bounds, of those the nearest. Exact and slow: 5 to 40 microseconds. */
export function shortest(value: number, format: Format): Digits {
  const { x, low, high, denominator } = neighbourhood(value, format);
  const exponent = splitExponential(value.toExponential(20))[1];
  for (let length = 1; ; length++) {
    const tens = exponent - length + 1;
    const up = 10n ** BigInt(Math.max(0, -tens));
    const unit = 4n * denominator * 10n ** BigInt(Math.max(0, tens));
    const below = (x * up) / unit;
    const fits = [below, below + 1n].filter((n) => n * unit > low * up && n * unit < high * up);
    if (fits.length === 0) continue;
    const distance = (n: bigint): bigint => (n * unit > x * up ? n * unit - x * up : x * up - n * unit);
    const order = fits.length === 2 ? distance(below) - distance(below + 1n) : 0n;
    const nearest = order > 0n || (order === 0n && fits[0]! % 2n !== 0n) ? fits[fits.length - 1]! : fits[0]!;
    const digits = String(nearest);
    // A carry may have made it one digit longer: 9.99 rounds to 10.
    return [digits.replace(/0+$/, ""), digits.length - 1 + tens];
  }
}

const singleBits = /* @__PURE__ */ new DataView(/* @__PURE__ */ new ArrayBuffer(4));

/** The shortest decimal of a positive float4. */
function shortestSingle(value: number): Digits {
  if (value < 2 ** single.bits && Number.isInteger(value)) return splitExponential(value.toExponential());
  singleBits.setFloat32(0, value);
  const bits = singleBits.getUint32(0);
  const exponent = bits >>> 23;
  if (exponent > 0 && (bits & 0x7fffff) !== 0) {
    const half = 2 ** (exponent - 151);
    // Six digits always tell: where fewer do, these end in zeros.
    for (let length = 6; length <= 9; length++) {
      const text = value.toExponential(length - 1);
      const distance = Math.abs(Number(text) - value);
      if (distance > half) continue;
      if (distance === half) break; // on the bound, or as near to it as a float8 can tell
      const longer = value.toExponential(length);
      if (Number(longer) === value && longer[length + 1] === "5") break; // between two decimals
      const [digits, tens] = splitExponential(text);
      return [digits.replace(/0+$/, ""), tens];
    }
  }
  return shortest(value, single);
}

function mustBeNumber(value: number, name: string): number {
  if (typeof value !== "number") refuse("a number", value, name);
  return value;
}

export const float8: Codec<number> = {
  name: "float8",
  readText: (text) => parseFloat8(text) ?? badText("float8", text, "a number that 64 bits hold, NaN or Infinity"),
  writeText: (value) => formatFloat8(mustBeNumber(value, "float8")),
  readBinary: (bytes) => viewOf(bytes, 8, "float8").getFloat64(0),
  writeBinary(value) {
    const bytes = new Uint8Array(8);
    new DataView(bytes.buffer).setFloat64(0, mustBeNumber(value, "float8"));
    return bytes;
  },
};

function mustBeSingle(value: number): number {
  if (!Object.is(Math.fround(mustBeNumber(value, "float4")), value)) {
    refuse("a number that 32 bits hold, which Math.fround gives", value, "float4");
  }
  return value;
}

export const float4: Codec<number> = {
  name: "float4",
  readText: (text) => parseFloat4(text) ?? badText("float4", text, "a number that 32 bits hold, NaN or Infinity"),
  writeText: (value) => formatFloat4(mustBeSingle(value)),
  readBinary: (bytes) => viewOf(bytes, 4, "float4").getFloat32(0),
  writeBinary(value) {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setFloat32(0, mustBeSingle(value));
    return bytes;
  },
};

/**
 * float4 and float8: text as servers from 12 on print it with extra_float_digits above 0, the shortest that identifies the number.
 * JavaScript's shortest text is the same but for one case: PostgreSQL does not rely on readers that round half to even, so where the
 * shortest text lies halfway between two floats it prints one digit more.
 *
 * @source d2s.c, f2s.c
 */
import { refuse } from "../wire/check.ts";
import { badText, type Codec, viewOf } from "./codec.ts";

/** A float as float8out writes it, as a pattern for all types that contain floats. */
export const floatPattern = String.raw`-?(?:\d+(?:\.\d+)?(?:e[+-]\d+)?|Infinity)|NaN`;
const wholeFloat = new RegExp(`^(?:${floatPattern})$`);

/** How the two differ: bits of the mantissa, the exponent of the smallest subnormal, and the first exponent printed as such. */
interface Format {
  readonly bits: number;
  readonly lowest: number;
  readonly fixedBelow: number;
}
export const double: Format = { bits: 53, lowest: -1074, fixedBelow: 15 };
const single: Format = { bits: 24, lowest: -149, fixedBelow: 6 };

/** The number that a text denotes; undefined if it is not a number, or is out of range as the server judges it. */
export function parseFloat8(text: string): number | undefined {
  if (!wholeFloat.test(text)) return undefined;
  const value = Number(text);
  return isOutOfRange(text, value) ? undefined : value;
}

/** Whether the number overflows, or underflows to zero. */
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

/** The float4 nearest to the text; `near` is the nearest float8. Rounding twice is wrong if `near` is halfway between two float4. */
function nearestSingle(text: string, near: number): number {
  const value = Math.fround(near);
  const other = 2 * near - value;
  const isBetween = value !== near && Number.isFinite(value) && Math.fround(other) === other;
  if (!isBetween) return value;
  const side = compareDecimal(text, near);
  if (side === 0) return value;
  return side > 0 ? Math.max(value, other) : Math.min(value, other);
}

/** 1 if the decimal number is above the float, 0 if it is equal, -1 if it is below. Exact. */
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
  // A decimal of 17 digits can lie halfway between two floats only if those are whole numbers below 5^23 * 2^54.
  const mayBeHalfway = size >= 2 ** 53 && size < 1e41 && isHalfway(digits, exponent, size);
  return print(value < 0, mayBeHalfway ? shortest(size, double) : [digits, exponent], double);
}

/** A number that fits a float4, as float4out prints it. */
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

/** The digits and the exponent of ten: `1.25e+3` gives "125" and 3. */
function splitExponential(text: string): Digits {
  const e = text.indexOf("e");
  return [text.slice(0, e).replace(".", ""), Number(text.slice(e + 1))];
}

/** Digits and the exponent of ten of the first one, in the server's notation. */
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

/** The mantissa and the binary exponent of a positive number. */
function partsOf(value: number, { bits, lowest }: Format): { mantissa: bigint; exponent: number } {
  let exponent = lowest;
  // Scaling by powers of two is exact; Math.log2 is off by at most one.
  exponent = Math.max(exponent, Math.floor(Math.log2(value)) - bits);
  let scaled = value / 2 ** Math.trunc(exponent / 2) / 2 ** (exponent - Math.trunc(exponent / 2));
  while (scaled >= 2 ** bits) {
    scaled /= 2;
    exponent++;
  }
  return { mantissa: BigInt(scaled), exponent };
}

/** Four times the number and the bounds of the interval that rounds to it, as integers over a common denominator. */
function neighbourhood(value: number, format: Format): { x: bigint; low: bigint; high: bigint; denominator: bigint } {
  const { mantissa, exponent } = partsOf(value, format);
  const unit = 2n ** BigInt(Math.max(0, exponent));
  const x = 4n * mantissa * unit;
  // Below a power of two, floats are twice as dense.
  const isPower = mantissa === 2n ** BigInt(format.bits - 1) && exponent > format.lowest;
  const denominator = 2n ** BigInt(Math.max(0, -exponent));
  return { x, low: x - (isPower ? unit : 2n * unit), high: x + 2n * unit, denominator };
}

/** Whether the decimal is on a bound of the interval that rounds to this whole number. */
function isHalfway(digits: string, exponent: number, value: number): boolean {
  const { low, high } = neighbourhood(value, double);
  if (exponent < digits.length - 1) return false;
  const decimal = 4n * BigInt(digits) * 10n ** BigInt(exponent - digits.length + 1);
  return decimal === low || decimal === high;
}

/** The shortest decimal strictly between the bounds; of several, the nearest. Exact and slow: 5 to 40 microseconds. */
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
    // A carry may have added a digit: 9.99 rounds to 10.
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
    // Start at six digits: if fewer suffice, the rest are zeros.
    for (let length = 6; length <= 9; length++) {
      const text = value.toExponential(length - 1);
      const distance = Math.abs(Number(text) - value);
      if (distance > half) continue;
      if (distance === half) break; // on the bound, as far as a float8 can tell
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

/** Numbers in text as the C library reads them, on 64-bit Linux. */
import { clamped } from "../../text/scan.ts";

interface Digits {
  readonly negative: boolean;
  /** No more than 2^64, whatever the digits say. */
  readonly magnitude: bigint;
  /** Where the digits end; 0 if there are none. */
  readonly end: number;
}

/** White space, a sign, digits: each of them may be missing, and the last makes it no number. */
function digitsOf(text: string): Digits {
  const [all, sign, digits] = /^[ \t\n\v\f\r]*([+-]?)([0-9]*)/.exec(text)!;
  if (digits === "") return { negative: false, magnitude: 0n, end: 0 };
  return { negative: sign === "-", magnitude: clamped(digits!, 10, 2n ** 64n), end: all.length };
}

/**
 * `(int) strtol(text, &endp, 10)` if something was read and nothing is left; undefined otherwise.
 *
 * @source ISO C: strtol, which stops at the ends of a long; what it gives is cut to 32 bits
 */
export function intOf(text: string): number | undefined {
  const { negative, magnitude, end } = digitsOf(text);
  if (end === 0 || end < text.length) return undefined;
  const limit = negative ? 2n ** 63n : 2n ** 63n - 1n;
  const value = magnitude < limit ? magnitude : limit;
  return Number(BigInt.asIntN(32, negative ? -value : value));
}

/**
 * strtoul() with errno and endptr looked at: undefined if the number is too large or something is left. Text without any digit
 * leaves all of it, so that only empty text is zero. A sign is taken, and a negative number wraps.
 */
export function unsignedLongOf(text: string): bigint | undefined {
  const { negative, magnitude, end } = digitsOf(text);
  if (end < text.length || magnitude === 2n ** 64n) return undefined;
  return BigInt.asUintN(64, negative ? -magnitude : magnitude);
}

/** @source int8.c: scanint8 */
export function int8Of(text: string): bigint | undefined {
  const { negative, magnitude, end } = digitsOf(text);
  if (end === 0 || !/^[ \t\n\v\f\r]*$/.test(text.slice(end))) return undefined;
  if (magnitude > (negative ? 2n ** 63n : 2n ** 63n - 1n)) return undefined;
  return negative ? -magnitude : magnitude;
}

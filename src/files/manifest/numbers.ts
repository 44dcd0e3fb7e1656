/** Numbers as C reads them from what a manifest says, on 64-bit Linux. */
import { type Lsn, toLsn } from "../../kernel/lsn.ts";
import { ScanInput } from "../scanf.ts";

const SPACE = "[ \\t\\n\\v\\f\\r]*";
const integer = new RegExp(`^${SPACE}([-+]?)0*(\\d+)$`);

/** Digits beyond which a number is more than 64 bits hold, without the zeros before them. */
const MOST_DIGITS = 20;

/**
 * strtoul() of a whole text: blanks, a sign, digits. A negative number wraps; one that is too large is 2^64 - 1.
 *
 * @returns undefined if something else is there; of an empty text 0, as for C.
 */
export function strtoul(text: string): bigint | undefined {
  if (text === "") return 0n;
  // Nearly all are plain digits that a double holds: 25 ns, where the rest takes 300.
  if (text.length <= 15 && isDigits(text)) return BigInt(Number(text));
  const match = integer.exec(text);
  if (match === null) return undefined;
  const [, sign, digits] = match as unknown as [string, string, string];
  const value = digits.length > MOST_DIGITS ? 1n << 64n : BigInt(digits);
  if (value >> 64n !== 0n) return (1n << 64n) - 1n;
  return sign === "-" ? BigInt.asUintN(64, -value) : value;
}

function isDigits(text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code < 0x30 || code > 0x39) return false;
  }
  return true;
}

/** strtol() of a whole text, cut to an int. */
export function strtolInt(text: string): number | undefined {
  if (text === "") return 0;
  const match = integer.exec(text);
  if (match === null) return undefined;
  const [, sign, digits] = match as unknown as [string, string, string];
  const most = 1n << 63n;
  let value = digits.length > MOST_DIGITS ? most : BigInt(digits);
  if (sign === "-") value = value > most ? -most : -value;
  else if (value >= most) value = most - 1n;
  return Number(BigInt.asIntN(32, value));
}

/**
 * Two hexadecimal numbers with a slash between, and whatever behind them.
 *
 * @param eightDigits Does the low half end after eight characters, as from 19 on?
 * @returns undefined if sscanf does not find both.
 * @source parse_manifest.c: parse_xlogrecptr
 */
export function parseXlogrecptr(text: string, eightDigits: boolean): Lsn | undefined {
  const [high, low] = new ScanInput(text).scanf(eightDigits ? "%X/%08X" : "%X/%X");
  return low === undefined ? undefined : toLsn((BigInt(high!) << 32n) | BigInt(low));
}

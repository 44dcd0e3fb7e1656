/**
 * What every parser and printer of text needs around its generated grammar: refuse what no server could receive, read
 * numbers as C does, and name what was expected.
 */
import { EncodeError, ParseError, type ParseErrorInit } from "../kernel/errors.ts";

/**
 * Insist on text that can reach a server: a string, without a NUL character and without half a surrogate pair.
 *
 * @param nul The server's message and SQLSTATE for a NUL character, which depend on the way that the text would take.
 * @throws ParseError NOT_TEXT.
 * @source mbutils.c: report_invalid_encoding
 */
export function requireText(
  value: unknown,
  nul: { readonly message: string; readonly sqlstate: string },
): asserts value is string {
  if (typeof value !== "string") {
    throw new ParseError({
      code: "NOT_TEXT",
      message: `expected a string, not ${value === null ? "null" : typeof value}`,
      sqlstate: "22021",
      text: "",
      offset: 0,
    });
  }
  if (!/[\0\ud800-\udfff]/.test(value)) return;
  const offset = value.indexOf("\0");
  const surrogate = value.search(/\p{Surrogate}/u);
  if (offset !== -1 && (surrogate === -1 || offset < surrogate)) {
    throw new ParseError({ code: "NOT_TEXT", ...nul, text: value, offset, advice: "A NUL character ends a C string." });
  }
  if (surrogate !== -1) {
    // The three bytes that UTF-8 would need for it, which no server accepts.
    const half = value.charCodeAt(surrogate);
    const bytes = [0xe0 | (half >> 12), 0x80 | ((half >> 6) & 0x3f), 0x80 | (half & 0x3f)];
    throw new ParseError({
      code: "NOT_TEXT",
      message: `invalid byte sequence for encoding "UTF8": ${bytes.map((byte) => `0x${byte.toString(16)}`).join(" ")}`,
      sqlstate: "22021",
      text: value,
      offset: surrogate,
      advice: "This is half a surrogate pair, which stands for no character.",
    });
  }
}

/**
 * Insist, before printing it, on a string that a C string in UTF-8 can hold.
 *
 * @throws EncodeError with the path.
 */
export function printableText(path: string, value: unknown): string {
  const refuse = (reason: string): never => {
    throw new EncodeError(path, `${path}: ${reason}`);
  };
  if (typeof value !== "string") return refuse("it must be a string");
  if (value.includes("\0")) return refuse("a NUL character would end the text");
  if (/\p{Surrogate}/u.test(value)) return refuse("half a surrogate pair stands for no character");
  return value;
}

/** How a grammar's action refuses text that Bison's grammar takes: as `ereport(ERROR)` does in C. */
export type Refuse = (init: Pick<ParseErrorInit, "code" | "message" | "sqlstate" | "offset">) => never;

/** What could have stood where a generated parser failed. Rules with display names are what people read. */
interface Expectation {
  readonly type: string;
  readonly description?: string;
  readonly text?: string;
}

/** The display names of what was expected, each once, in the grammar's order. */
export function displayNames(expected: readonly Expectation[]): string[] {
  return [...new Set(expected.map(({ type, description, text }) => description ?? (text ? `"${text}"` : type)))];
}

/**
 * Digits as strtoul(), or scanf's %X, read them into a uint32 on 64-bit Linux, where `unsigned long` has 64 bits: up to
 * 2^64 - 1 the low 32 bits, beyond that all ones. No error in any case.
 */
export function uint32(digits: string, radix: 10 | 16): number {
  // What is short cannot wrap, and is most of what there is.
  if (digits.length <= 8) return Number.parseInt(digits, radix);
  const value = clamped(digits, radix, 2n ** 64n - 1n);
  return Number(value & 0xffffffffn);
}

/** Digits as atoi() reads them into an int, which is strtol() cut to 32 bits: beyond 2^63 - 1 that is -1. */
export function atoi(digits: string): number {
  return Number(BigInt.asIntN(32, clamped(digits, 10, 2n ** 63n - 1n)));
}

/** Digits as a number, and `max` for all that are more. */
export function clamped(digits: string, radix: 10 | 16, max: bigint): bigint {
  const significant = digits.replace(/^0+(?=.)/, "");
  // BigInt takes more than linear time on long texts; what is longer than 2^64 is too much anyway.
  if (significant.length > 20) return max;
  const value = BigInt(radix === 16 ? `0x${significant}` : significant);
  return value > max ? max : value;
}

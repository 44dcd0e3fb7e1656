/**
 * What every parser and printer of text needs around its generated grammar: reject text that no server could receive, and read
 * numbers as C does.
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
  const refuse = (
    init: Pick<ParseErrorInit, "message" | "sqlstate" | "advice">,
    text: string,
    offset: number,
  ): never => {
    throw new ParseError({ code: "NOT_TEXT", ...init, text, offset });
  };
  if (typeof value !== "string") {
    return refuse(
      { message: `expected a string, not ${value === null ? "null" : typeof value}`, sqlstate: "22021" },
      "",
      0,
    );
  }
  if (!/[\0\ud800-\udfff]/.test(value)) return;
  const offset = value.search(/[\0\p{Surrogate}]/u);
  if (offset === -1) return;
  const unit = value.charCodeAt(offset);
  if (unit === 0) return refuse({ ...nul, advice: "A NUL character ends a C string." }, value, offset);
  // The three bytes that UTF-8 would need for it, which no server accepts.
  const bytes = [0xe0 | (unit >> 12), 0x80 | ((unit >> 6) & 0x3f), 0x80 | (unit & 0x3f)];
  refuse(
    {
      message: `invalid byte sequence for encoding "UTF8": ${bytes.map((byte) => `0x${byte.toString(16)}`).join(" ")}`,
      sqlstate: "22021",
      advice: "An unpaired surrogate is not a character.",
    },
    value,
    offset,
  );
}

/**
 * Insist, before printing it, on a string that a C string in UTF-8 can hold.
 *
 * @throws EncodeError with the path.
 */
export function printableText(path: string, value: unknown): string {
  const reason =
    typeof value !== "string"
      ? "expected a string"
      : value.includes("\0")
        ? "a NUL character would end the text"
        : /\p{Surrogate}/u.test(value)
          ? "an unpaired surrogate is not a character"
          : undefined;
  if (reason !== undefined) throw new EncodeError(path, `${path}: ${reason}`);
  return value as string;
}

/** How a grammar's action refuses text that Bison's grammar takes: as `ereport(ERROR)` does in C. */
export type Refuse = (init: Pick<ParseErrorInit, "code" | "message" | "sqlstate" | "offset">) => never;

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

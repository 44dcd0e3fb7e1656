/**
 * The part of C's scanf with which PostgreSQL reads its small files, as glibc does it.
 *
 * It is surprisingly lenient: blanks in a format stand for any white space and for none, a number can have a sign
 * or 0x before it, and what was read before a mismatch stays read.
 *
 * @source glibc: stdio-common/vfscanf-internal.c
 */
import { clamped } from "../text/scan.ts";

/** isspace() in every locale that a server can have, for bytes. */
export const isSpace = (char: string | undefined): boolean => char !== undefined && /^[ \t\n\v\f\r]$/.test(char);

/** A format in parts: white space, a conversion, a character. */
type Directive = { readonly type: "space" } | { readonly type: "char"; readonly char: string } | Conversion;

interface Conversion {
  /** `%[^\n]` is "line". */
  readonly type: "u" | "X" | "s" | "c" | "line";
  /** Characters at most; -1 if there is no limit. */
  readonly width: number;
}

const formats = new Map<string, readonly Directive[]>();

/** There is a handful of formats, and each is read once. */
function directivesOf(format: string): readonly Directive[] {
  let directives = formats.get(format);
  if (directives === undefined) {
    directives = [...format.matchAll(/\s+|%(\d*)([uXsc]|\[\^\n\])|./gs)].map(([text, width, type]): Directive => {
      if (type !== undefined) {
        return { type: type === "[^\n]" ? "line" : (type as "u"), width: width === "" ? -1 : Number(width) };
      }
      return isSpace(text[0]) ? { type: "space" } : { type: "char", char: text };
    });
    formats.set(format, directives);
  }
  return directives;
}

/** A FILE, or a string, one character a byte, of which a part has been read. */
export class ScanInput {
  readonly chars: string;
  at: number;

  constructor(chars: string, at = 0) {
    this.chars = chars;
    this.at = at;
  }

  /**
   * fscanf(): reads up to where the input does not fit the format any more, and stays there.
   *
   * @returns the values of the conversions that were made: uint32 of %u and %X, strings of the others.
   */
  scanf(format: string): readonly (number | string)[] {
    const values: (number | string)[] = [];
    for (const directive of directivesOf(format)) {
      if (directive.type === "space") {
        this.#skipSpace();
        continue;
      }
      if (directive.type === "char") {
        if (this.chars[this.at] !== directive.char) return values;
        this.at++;
        continue;
      }
      const { type, width } = directive;
      const value = type === "u" || type === "X" ? this.#number(type, width) : this.#text(type, width);
      if (value === undefined) return values;
      values.push(value);
    }
    return values;
  }

  #skipSpace(): void {
    while (isSpace(this.chars[this.at])) this.at++;
  }

  #text(type: "s" | "c" | "line", width: number): string | undefined {
    if (type === "s") this.#skipSpace();
    const { chars, at: start } = this;
    const limit = type === "c" ? start + 1 : Math.min(chars.length, width < 0 ? chars.length : start + width);
    let end = start;
    while (end < limit && end < chars.length) {
      if (type === "s" ? isSpace(chars[end]) : type === "line" && chars[end] === "\n") break;
      end++;
    }
    this.at = end;
    return end === start ? undefined : chars.slice(start, end);
  }

  /** The characters that glibc hands to strtoul(), which it cuts to 32 bits. */
  #number(type: "u" | "X", width: number): number | undefined {
    this.#skipSpace();
    const { chars } = this;
    let left = width < 0 ? Number.POSITIVE_INFINITY : width;
    let at = this.at;
    const sign = chars[at] === "-" || chars[at] === "+" ? chars[at]! : "";
    if (sign !== "") {
      at++;
      left--;
    }
    let digits = "";
    if (left > 0 && chars[at] === "0") {
      digits = "0";
      at++;
      left--;
      if (left > 0 && type === "X" && chars[at]?.toLowerCase() === "x") {
        at++;
        left--;
      }
    }
    const start = at;
    const digit = type === "X" ? /[0-9A-Fa-f]/ : /[0-9]/;
    while (at - start < left && at < chars.length && digit.test(chars[at]!)) at++;
    digits += chars.slice(start, at);
    this.at = at;
    return digits === "" ? undefined : Number(strtoul(sign, digits, type === "X" ? 16 : 10) & 0xffffffffn);
  }
}

const TOO_MUCH = 1n << 64n;

/** strtoul() of digits, where unsigned long has 64 bits: what is too much is ULONG_MAX, whatever its sign. */
function strtoul(sign: string, digits: string, radix: 10 | 16): bigint {
  const value = clamped(digits, radix, TOO_MUCH);
  if (value === TOO_MUCH) return TOO_MUCH - 1n;
  return sign === "-" ? BigInt.asUintN(64, -value) : value;
}

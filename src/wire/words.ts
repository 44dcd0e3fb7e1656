/**
 * Bytes that stand for words, and bytes with a word for each bit.
 */
import { quoted, refuse } from "./check.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** One byte that stands for a word. */
export function readWord<W extends string>(
  r: Reader,
  words: Readonly<Record<string, W>>,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): W {
  const tag = String.fromCharCode(r.u8(path, index, field));
  if (!Object.hasOwn(words, tag)) r.notOneOf("BAD_VALUE", Object.keys(words).join(""), path, index, field);
  return words[tag]!;
}

/** The byte that always stands here. */
export function readLiteral(
  r: Reader,
  byte: string,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  if (r.u8(path, index, field) !== byte.charCodeAt(0)) r.notOneOf("BAD_VALUE", byte, path, index, field);
}

/** The byte that stands for a word. */
export function writeWord(
  w: Writer,
  words: Readonly<Record<string, string>>,
  value: string,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  for (const [tag, word] of Object.entries(words)) {
    if (word === value) return w.literal(tag);
  }
  refuse(quoted(Object.values(words)), value, path, index, field);
}

/** One byte with no bits outside `mask`. */
export function readBits(
  r: Reader,
  mask: number,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): number {
  const value = r.u8(path, index, field);
  if ((value & ~mask) !== 0) {
    const expected = mask === 0 ? "0" : `only bits of ${mask}`;
    r.fail("BAD_VALUE", r.offset - 1, `is ${value}, expected ${expected},`, path, index, field);
  }
  return value;
}

/** The bit if its flag is set, else 0. */
export function bitOf(
  value: boolean,
  bit: number,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): number {
  if (typeof value !== "boolean") refuse("true or false", value, path, index, field);
  return value ? bit : 0;
}

/** Damage by number: the same bytes for the same seed and case, at the speed of a loop. */

import { applyDamage, type Damage, EXTREMES } from "../../src/arbitraries/damage.ts";

/** A small fast generator of 32-bit numbers (mulberry32). */
export function numbersOf(seed: number, number: number): () => number {
  let state = (Math.imul(seed, 0x9e3779b1) ^ Math.imul(number + 1, 0x85ebca6b)) >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/**
 * One input of the corpus, damaged once, or up to three times: bytes changed, a bit flipped, a part cut out, the end cut off, bytes inserted, a
 * part repeated or moved, a part, the first bytes or the end of another input, random bytes after the first ones, or a number in either
 * byte order that is extreme or near the number of remaining bytes.
 *
 * @returns fresh bytes.
 */
export function damage(corpus: readonly Uint8Array[], seed: number, number: number): Uint8Array {
  const next = numbersOf(seed, number);
  const below = (limit: number): number => (limit === 0 ? 0 : next() % limit);
  const another = (): Uint8Array => corpus[below(corpus.length)]!;
  const random = (length: number): Uint8Array => Uint8Array.from({ length }, next);
  const splice = (at: number, removed: number, bytes: Uint8Array): Damage => ({ type: "splice", at, removed, bytes });
  const damageTo = (bytes: Uint8Array): Damage => {
    // The first bytes have most of the structure.
    const at = below(next() % 2 === 0 ? bytes.length : Math.min(bytes.length, 32));
    const length = 1 + below(next() % 4 === 0 ? 64 : 8);
    switch (next() % 11) {
      case 0:
        return splice(at, length, random(Math.min(length, bytes.length - at)));
      case 1:
        return { type: "flip", at, bit: below(8) };
      case 2:
        return splice(at, length, nothing);
      case 3:
        return splice(below(bytes.length), bytes.length, nothing);
      case 4:
        return splice(below(bytes.length + 1), 0, random(length));
      case 5:
        return { type: "repeat", from: below(bytes.length), length, at, removed: next() % 2 === 0 ? 0 : length };
      case 6: {
        const other = another();
        const from = below(other.length);
        return splice(at, length, other.subarray(from, from + length));
      }
      case 7: {
        const head = another().subarray(0, 1 + below(4));
        return splice(0, head.length, head);
      }
      case 8: {
        const other = another();
        return splice(below(bytes.length + 1), bytes.length, other.subarray(below(other.length)));
      }
      case 9:
        return splice(below(4), bytes.length, random(below(64)));
      default: {
        const width = ([1, 2, 4, 8] as const)[below(4)]!;
        const from = next() % 2 === 0 ? at : lengthAfter(bytes, at);
        const near = Math.max(0, bytes.length - from - width + below(5) - 2);
        const value = next() % 2 === 0 ? EXTREMES[below(EXTREMES.length)]! : near;
        return { type: "number", at: from, width, value, littleEndian: next() % 2 === 0 };
      }
    }
  };
  let bytes = another();
  for (let left = next() % 2 === 0 ? 1 : 1 + below(3); left > 0; left--) bytes = applyDamage(bytes, damageTo(bytes));
  return bytes;
}

const nothing = new Uint8Array(0);

/** The next offset of a number of 4 bytes that could be a length; `at` if there is none nearby. */
function lengthAfter(bytes: Uint8Array, at: number): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const isLength = (number: number): boolean => number > 0 && number <= bytes.length;
  for (let i = at; i < Math.min(at + 64, bytes.length - 3); i++) {
    if (isLength(view.getUint32(i)) || isLength(view.getUint32(i, true))) return i;
  }
  return at;
}

/** Damage by number: the same bytes for the same seed and case, at the speed of a loop. */

/** Numbers at the limits of what lengths and counts can say. */
const EXTREMES = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000],
  ...[0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];

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
  let bytes: Uint8Array = another().slice();
  for (let left = next() % 2 === 0 ? 1 : 1 + below(3); left > 0; left--) {
    // The first bytes have most of the structure.
    const at = below(next() % 2 === 0 ? bytes.length : Math.min(bytes.length, 32));
    const length = 1 + below(next() % 4 === 0 ? 64 : 8);
    switch (next() % 11) {
      case 0:
        for (let i = at; i < Math.min(bytes.length, at + length); i++) bytes[i] = next();
        break;
      case 1:
        if (bytes.length > 0) bytes[at]! ^= 1 << below(8);
        break;
      case 2:
        bytes = splice(bytes, at, length, nothing);
        break;
      case 3:
        bytes = bytes.slice(0, below(bytes.length));
        break;
      case 4:
        bytes = splice(bytes, below(bytes.length + 1), 0, random(length));
        break;
      case 5: {
        const from = below(bytes.length);
        bytes = splice(bytes, at, next() % 2 === 0 ? 0 : length, bytes.slice(from, from + length));
        break;
      }
      case 6: {
        const other = another();
        const from = below(other.length);
        bytes = splice(bytes, at, length, other.subarray(from, from + length));
        break;
      }
      case 7: {
        const head = another().subarray(0, 1 + below(4));
        bytes = splice(bytes, 0, head.length, head);
        break;
      }
      case 8: {
        const other = another();
        bytes = splice(bytes, below(bytes.length + 1), bytes.length, other.subarray(below(other.length)));
        break;
      }
      case 9:
        bytes = splice(bytes, below(4), bytes.length, random(below(64)));
        break;
      default: {
        const width = [1, 2, 4, 8][below(4)]!;
        const from = next() % 2 === 0 ? at : lengthAfter(bytes, at);
        const near = bytes.length - from - width + below(5) - 2;
        const value = BigInt(next() % 2 === 0 ? EXTREMES[below(EXTREMES.length)]! : Math.max(0, near));
        const written = new Uint8Array(8);
        const view = new DataView(written.buffer);
        if (next() % 2 === 0) view.setBigUint64(0, value, true);
        else view.setBigUint64(0, value << BigInt(64 - 8 * width));
        bytes = splice(bytes, from, width, written.subarray(0, width));
      }
    }
  }
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

/** Bytes with some of them, as far as there are any, replaced by others. */
function splice(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const start = Math.min(at, bytes.length);
  const result = new Uint8Array(start + put.length + rest.length);
  result.set(bytes.subarray(0, start));
  result.set(put, start);
  result.set(rest, start + put.length);
  return result;
}

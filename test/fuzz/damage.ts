/** Damage by number: the same bytes for the same seed and case, at the speed of a loop. */

/** Numbers at the limits of what lengths and counts can say. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

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
 * One input of the corpus with one to three of: bytes changed, a bit flipped, a part cut out, the end cut off, bytes put in, a part
 * doubled or moved, a part of another input, an extreme number of one to eight bytes in either byte order.
 *
 * @returns fresh bytes.
 */
export function damage(corpus: readonly Uint8Array[], seed: number, number: number): Uint8Array {
  const next = numbersOf(seed, number);
  let bytes: Uint8Array = corpus[next() % corpus.length]!.slice();
  for (let left = 1 + (next() % 3); left > 0; left--) {
    const at = bytes.length === 0 ? 0 : next() % bytes.length;
    const length = 1 + (next() % (next() % 4 === 0 ? 64 : 8));
    switch (next() % 8) {
      case 0:
        for (let i = at; i < Math.min(bytes.length, at + length); i++) bytes[i] = next();
        break;
      case 1:
        if (bytes.length > 0) bytes[at]! ^= 1 << (next() % 8);
        break;
      case 2:
        bytes = splice(bytes, at, length, bytes.subarray(0, 0));
        break;
      case 3:
        bytes = bytes.slice(0, at);
        break;
      case 4:
        bytes = splice(bytes, at, 0, Uint8Array.from({ length }, next));
        break;
      case 5: {
        const from = bytes.length === 0 ? 0 : next() % bytes.length;
        bytes = splice(bytes, at, next() % 2 === 0 ? 0 : length, bytes.slice(from, from + length));
        break;
      }
      case 6: {
        const other = corpus[next() % corpus.length]!;
        const from = other.length === 0 ? 0 : next() % other.length;
        bytes = splice(bytes, at, length, other.subarray(from, from + length));
        break;
      }
      default: {
        const value = BigInt(EXTREMES[next() % EXTREMES.length]!);
        const width = [1, 2, 4, 8][next() % 4]!;
        const written = new Uint8Array(8);
        const view = new DataView(written.buffer);
        if (next() % 2 === 0) view.setBigUint64(0, value, true);
        else view.setBigUint64(0, value << BigInt(64 - 8 * width));
        bytes = splice(bytes, at, width, written.subarray(0, width));
      }
    }
  }
  return bytes;
}

function splice(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const rest = bytes.subarray(Math.min(bytes.length, at + removed));
  const result = new Uint8Array(at + put.length + rest.length);
  result.set(bytes.subarray(0, at));
  result.set(put, at);
  result.set(rest, at + put.length);
  return result;
}

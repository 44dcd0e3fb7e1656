/**
 * fast-check arbitraries of bytes in transit: damage, and chunks cut anywhere.
 */
import * as fc from "fast-check";

/** Numbers at the limits of lengths and counts. */
const EXTREMES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x7fffffff, 0x80000000, 0xffffffff];

/**
 * Bytes with one to three damages: a byte changed, a bit flipped, a part removed, the end cut off, bytes inserted, a part repeated, or
 * overwritten with an extreme number of two or four bytes.
 *
 * @example fc.sample(damaged(fc.constant(Uint8Array.of(1, 2, 3))), 9).every((bytes) => bytes instanceof Uint8Array) // true
 */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  const damage = fc.record({
    kind: fc.constantFrom("change", "flip", "cut", "end", "insert", "double", "number"),
    at: fc.nat(),
    length: fc.nat(16),
    bytes: fc.uint8Array({ minLength: 1, maxLength: 8 }),
    number: fc.constantFrom(...EXTREMES),
  });
  return fc
    .tuple(bytes, fc.array(damage, { minLength: 1, maxLength: 3 }))
    .map(([original, damages]) => damages.reduce(apply, original));
}

interface Damage {
  readonly kind: string;
  readonly at: number;
  readonly length: number;
  readonly bytes: Uint8Array;
  readonly number: number;
}

function apply(bytes: Uint8Array, damage: Damage): Uint8Array {
  const at = bytes.length === 0 ? 0 : damage.at % bytes.length;
  const head = bytes.subarray(0, at);
  switch (damage.kind) {
    case "change":
      return concat(head, damage.bytes.subarray(0, 1), bytes.subarray(at + 1));
    case "flip":
      return concat(head, Uint8Array.of((bytes[at] ?? 0) ^ (1 << (damage.length % 8))), bytes.subarray(at + 1));
    case "cut":
      return concat(head, bytes.subarray(at + damage.length));
    case "end":
      return head.slice();
    case "number": {
      const big = Uint8Array.of(...[24, 16, 8, 0].map((shift) => damage.number >>> shift));
      const width = damage.length % 2 === 0 ? 4 : 2;
      return concat(head, big.subarray(4 - width), bytes.subarray(at + width));
    }
    case "insert":
      return concat(head, damage.bytes, bytes.subarray(at));
    default:
      return concat(bytes.subarray(0, at + damage.length), bytes.subarray(at));
  }
}

/**
 * The same bytes in chunks, cut anywhere; some chunks are empty. Each chunk has its own memory.
 *
 * @example fc.sample(splits(fc.constant(Uint8Array.of(1, 2))), 1)[0].flatMap((chunk) => [...chunk]) // [1, 2]
 */
export function splits(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array[]> {
  return fc.tuple(bytes, fc.array(fc.nat(), { maxLength: 20 })).map(([whole, cuts]) => {
    const places = [0, ...cuts.map((cut) => cut % (whole.length + 1)), whole.length].sort((a, b) => a - b);
    return places.slice(1).map((end, i) => whole.slice(places[i], end));
  });
}

/** Byte strings one after the other, in one fresh array. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/**
 * fast-check arbitraries of bytes in transit: chunks cut anywhere.
 */
import * as fc from "fast-check";

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

/**
 * fast-check arbitraries of damage: to bytes, wherever it falls, and to messages, where it hurts: lengths, counts, types, order.
 *
 * A damage is plain data, so that fast-check reduces it, and a loop that is faster than fast-check can make it from numbers.
 */
import * as fc from "fast-check";
import { concat } from "./bytes.ts";

/** Numbers at the limits of lengths and counts. */
export const EXTREMES: readonly number[] = [
  ...[0, 1, 2, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0x10000],
  ...[0x7fffffff, 0x80000000, 0xfffffffe, 0xffffffff],
];

/** One damage. Offsets and lengths that reach beyond the bytes end with them. */
export type Damage =
  | {
      readonly type: "flip";
      readonly at: number;
      /** 0 to 7. */
      readonly bit: number;
    }
  | {
      /** Bytes are removed, and others come in their place: either may be none. */
      readonly type: "splice";
      readonly at: number;
      readonly removed: number;
      readonly bytes: Uint8Array;
    }
  | {
      /** A part of the bytes is there once more. */
      readonly type: "repeat";
      readonly from: number;
      readonly length: number;
      readonly at: number;
      /** How many bytes it replaces. */
      readonly removed: number;
    }
  | {
      /** A number is written over bytes. */
      readonly type: "number";
      readonly at: number;
      /** Its bytes. */
      readonly width: 1 | 2 | 4 | 8;
      readonly value: number;
      readonly littleEndian: boolean;
    };

/** @returns fresh bytes. */
export function applyDamage(bytes: Uint8Array, damage: Damage): Uint8Array {
  switch (damage.type) {
    case "flip": {
      const result = bytes.slice();
      if (damage.at < bytes.length) result[damage.at]! ^= 1 << damage.bit;
      return result;
    }
    case "splice":
      return splice(bytes, damage.at, damage.removed, damage.bytes);
    case "repeat":
      return splice(
        bytes,
        damage.at,
        damage.removed,
        bytes.subarray(Math.min(bytes.length, damage.from), damage.from + damage.length),
      );
    case "number": {
      const written = new Uint8Array(8);
      const view = new DataView(written.buffer);
      const value = BigInt(damage.value);
      if (damage.littleEndian) view.setBigUint64(0, value, true);
      else view.setBigUint64(0, value << BigInt(64 - 8 * damage.width));
      return splice(bytes, damage.at, damage.width, written.subarray(0, damage.width));
    }
  }
}

/** Bytes with some of them, as far as there are any, replaced by others. */
function splice(bytes: Uint8Array, at: number, removed: number, put: Uint8Array): Uint8Array {
  const start = Math.min(at, bytes.length);
  return concat(bytes.subarray(0, start), put, bytes.subarray(Math.min(bytes.length, start + removed)));
}

/** Damage to bytes of this length: most of the structure is in the first of them. */
function damageTo(length: number): fc.Arbitrary<Damage> {
  const at = fc.oneof(fc.nat(Math.min(length, 32)), fc.nat(length));
  const some = fc.uint8Array({ minLength: 1, maxLength: 8 });
  const few = fc.integer({ min: 1, max: 16 });
  const none = fc.constant(new Uint8Array(0));
  const spliced = (removed: fc.Arbitrary<number>, bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Damage> =>
    fc.record({ type: fc.constant("splice"), at, removed, bytes }, { noNullPrototype: true });
  return fc.oneof(
    fc.record({ type: fc.constant("flip"), at, bit: fc.nat(7) }, { noNullPrototype: true }),
    // A byte changed, bytes cut out, the end cut off, bytes put in.
    spliced(fc.constant(1), fc.uint8Array({ minLength: 1, maxLength: 1 })),
    spliced(few, none),
    spliced(fc.constant(length), none),
    spliced(fc.constant(0), some),
    fc.tuple(at, few, fc.boolean()).map(
      ([from, count, next]): Damage => ({
        type: "repeat",
        from,
        length: count,
        at: next ? from + count : 0,
        removed: 0,
      }),
    ),
    fc.record(
      {
        type: fc.constant("number"),
        at,
        width: fc.constantFrom(1, 2, 4, 8),
        // Extreme, or near the number of bytes.
        value: fc.oneof(fc.constantFrom(...EXTREMES), fc.integer({ min: Math.max(0, length - 5), max: length + 1 })),
        littleEndian: fc.boolean(),
      },
      { noNullPrototype: true },
    ) as fc.Arbitrary<Damage>,
  );
}

/**
 * Bytes with one to three damages: a byte changed, a bit flipped, a part removed, the end cut off, bytes inserted, a part repeated, or
 * overwritten with a number that is extreme or near the number of bytes.
 *
 * @example fc.sample(damaged(fc.constant(Uint8Array.of(1, 2, 3))), 9).every((bytes) => bytes instanceof Uint8Array) // true
 */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return bytes.chain((original) =>
    fc
      .array(damageTo(original.length), { minLength: 1, maxLength: 3 })
      .map((damages) => damages.reduce(applyDamage, original)),
  );
}

/** Bytes that begin connections of other protocols, or of this one. */
const foreign: readonly Uint8Array[] = [
  Uint8Array.of(0, 0, 0, 8, 4, 210, 22, 47),
  Uint8Array.of(0x16, 3, 1, 0, 5, 1, 0, 0, 1, 3),
  new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"),
  new TextEncoder().encode("EFATAL:  protocol 2\n\0"),
];

/** The type byte and the length. */
const HEADER = 5;

/**
 * Messages of protocol 3 (type byte, length, body) with one damage to their structure: a length, a count or a type byte is wrong, two
 * messages change places, one is lost, comes twice, is cut off and the rest with it, is replaced by one of the other direction or by bytes
 * of another protocol; or its body is damaged while its length stays right.
 *
 * @param frames The messages, whole.
 * @param other Messages of the other direction, whole. Default: CopyDone and an empty Query.
 * @example fc.sample(damagedFrames(fc.constant([Uint8Array.of(90, 0, 0, 0, 5, 73)])), 1)[0].length < 3 // true
 */
export function damagedFrames(
  frames: fc.Arbitrary<readonly Uint8Array[]>,
  other: fc.Arbitrary<Uint8Array> = fc.constantFrom(Uint8Array.of(99, 0, 0, 0, 4), Uint8Array.of(81, 0, 0, 0, 5, 0)),
): fc.Arbitrary<Uint8Array[]> {
  return frames.chain((all) => {
    if (all.length === 0) return fc.constant([]);
    return fc.nat(all.length - 1).chain((n) => {
      const frame = all[n]!;
      const withFrame = (...put: readonly Uint8Array[]): Uint8Array[] => all.toSpliced(n, 1, ...put);
      const number = (at: number, width: 2 | 4, value: number): Uint8Array[] =>
        withFrame(applyDamage(frame, { type: "number", at, width, value, littleEndian: false }));
      const length = frame.length - 1;
      const count = frame.length >= HEADER + 2 ? new DataView(frame.buffer, frame.byteOffset).getUint16(HEADER) : 0;
      return fc.oneof(
        fc.constantFrom(length + 1, Math.max(0, length - 1), 3, ...EXTREMES).map((value) => number(1, 4, value)),
        fc
          .constantFrom((count + 1) & 0xffff, (count - 1) & 0xffff, 0, 0x7fff, 0xffff)
          .map((value) => number(HEADER, 2, value)),
        fc.nat(0xff).map((tag) => withFrame(concat(Uint8Array.of(tag), frame.subarray(1)))),
        fc.constant(all.toSpliced(n, 2, ...all.slice(n, n + 2).reverse())),
        fc.constant(withFrame()),
        fc.constant(withFrame(frame, frame)),
        fc.nat(frame.length).map((end) => [...all.slice(0, n), frame.slice(0, end)]),
        other.map((message) => withFrame(message)),
        fc.constantFrom(...foreign).map((bytes) => withFrame(bytes)),
        damaged(fc.constant(frame.subarray(HEADER))).map((body) => withFrame(framed(frame[0]!, body))),
      );
    });
  });
}

function framed(tag: number, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER);
  header[0] = tag;
  new DataView(header.buffer).setUint32(1, body.length + 4);
  return concat(header, body);
}

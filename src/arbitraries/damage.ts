/**
 * fast-check arbitraries of damage: to bytes, wherever it falls, and to messages, where it hurts: lengths, counts, types, order.
 *
 * A damage is plain data, so that fast-check reduces it, and a loop that is faster than fast-check can make it from numbers.
 */
import * as fc from "fast-check";
import { crc32c } from "../kernel/crc32c.ts";
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

/** Damage to bytes of any length. It is chosen before they are, so that it stays the same while they get smaller. */
function damageTo(): fc.Arbitrary<(length: number) => Damage> {
  // Most of the structure is in the first bytes.
  const at = fc.oneof(
    fc.nat(32).map((near) => (length: number) => Math.min(near, length)),
    fc.nat(0xffff).map((share) => (length: number) => Math.floor((share / 0x10000) * (length + 1))),
  );
  const few = fc.integer({ min: 1, max: 16 });
  const none = fc.constant(new Uint8Array(0));
  const spliced = (
    removed: fc.Arbitrary<number>,
    bytes: fc.Arbitrary<Uint8Array>,
  ): fc.Arbitrary<(length: number) => Damage> =>
    fc.tuple(at, removed, bytes).map(([place, count, put]) => (length) => ({
      type: "splice",
      at: place(length),
      removed: count,
      bytes: put,
    }));
  return fc.oneof(
    fc.tuple(at, fc.nat(7)).map(
      ([place, bit]) =>
        (length: number): Damage => ({ type: "flip", at: place(length), bit }),
    ),
    // A byte changed, bytes cut out, the end cut off, bytes put in.
    spliced(fc.constant(1), fc.uint8Array({ minLength: 1, maxLength: 1 })),
    spliced(few, none),
    spliced(fc.constant(Number.MAX_SAFE_INTEGER), none),
    spliced(fc.constant(0), fc.uint8Array({ minLength: 1, maxLength: 8 })),
    fc.tuple(at, few, fc.boolean()).map(([place, count, next]) => (length: number): Damage => {
      const from = place(length);
      return { type: "repeat", from, length: count, at: next ? from + count : 0, removed: 0 };
    }),
    fc
      .tuple(
        at,
        fc.constantFrom(1 as const, 2 as const, 4 as const, 8 as const),
        // Extreme, or near the number of bytes.
        fc.oneof(
          fc.constantFrom(...EXTREMES).map((value) => () => value),
          fc.integer({ min: -5, max: 1 }).map((more) => (length: number) => Math.max(0, length + more)),
        ),
        fc.boolean(),
      )
      .map(
        ([place, width, value, littleEndian]) =>
          (length: number): Damage => ({
            type: "number",
            at: place(length),
            width,
            value: value(length),
            littleEndian,
          }),
      ),
  );
}

const damages = (): fc.Arbitrary<readonly ((length: number) => Damage)[]> =>
  fc.array(damageTo(), { minLength: 1, maxLength: 3 });

function applyAll(bytes: Uint8Array, all: readonly ((length: number) => Damage)[]): Uint8Array {
  return all.reduce((damaged, each) => applyDamage(damaged, each(bytes.length)), bytes);
}

/**
 * Bytes with one to three damages: a byte changed, a bit flipped, a part removed, the end cut off, bytes inserted, a part repeated, or
 * overwritten with a number that is extreme or near the number of bytes. A failing example gets smaller with its damage.
 *
 * @example fc.sample(damaged(fc.constant(Uint8Array.of(1, 2, 3))), 9).every((bytes) => bytes instanceof Uint8Array) // true
 */
export function damaged(bytes: fc.Arbitrary<Uint8Array>): fc.Arbitrary<Uint8Array> {
  return fc.tuple(bytes, damages()).map(([original, all]) => applyAll(original, all));
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
 * The damage is bound to the bytes of its message: a failing example loses the others, and those that follow from them.
 *
 * @param frames The messages, whole.
 * @param other Messages of the other direction, whole. Default: CopyDone and an empty Query.
 * @example fc.sample(damagedFrames(fc.constant([Uint8Array.of(90, 0, 0, 0, 5, 73)])), 1)[0].length < 3 // true
 */
export function damagedFrames(
  frames: fc.Arbitrary<readonly Uint8Array[]>,
  other: fc.Arbitrary<Uint8Array> = fc.constantFrom(Uint8Array.of(99, 0, 0, 0, 4), Uint8Array.of(81, 0, 0, 0, 5, 0)),
): fc.Arbitrary<Uint8Array[]> {
  return fc.tuple(frames, fc.nat(0xffff), damageToFrame(other)).map(([all, pick, damage]) => {
    if (all.length === 0) return [];
    const n = chosen(all, pick);
    return damage(all[n]!, all, n);
  });
}

/**
 * One message of a list: of a type, and then of its messages, each as likely as any other. Which it is follows from its own bytes, first of
 * all from its type, so that it is the same one in a list that has lost others.
 */
function chosen(all: readonly Uint8Array[], pick: number): number {
  let at = 0;
  let least: readonly [number, number] = [Number.POSITIVE_INFINITY, 0];
  for (const [n, frame] of all.entries()) {
    const rank = [rankOf(frame.subarray(0, 1), pick), rankOf(frame, pick)] as const;
    if (rank[0] < least[0] || (rank[0] === least[0] && rank[1] < least[1])) [at, least] = [n, rank];
  }
  return at;
}

/** CRCs of two seeds differ by the same bits for all bytes of a length: a product mixes them. */
function rankOf(bytes: Uint8Array, pick: number): number {
  return Math.imul(crc32c(bytes, pick) ^ pick, 0x9e3779b1) >>> 0;
}

/** What is done to a message of a list. */
type FrameDamage = (frame: Uint8Array, all: readonly Uint8Array[], n: number) => Uint8Array[];

function damageToFrame(other: fc.Arbitrary<Uint8Array>): fc.Arbitrary<FrameDamage> {
  const number = (at: number, width: 2 | 4, value: (frame: Uint8Array) => number): FrameDamage => {
    return (frame, all, n) =>
      all.with(n, applyDamage(frame, { type: "number", at, width, value: value(frame), littleEndian: false }));
  };
  const put = (bytes: Uint8Array): FrameDamage => {
    return (_, all, n) => all.with(n, bytes);
  };
  return fc.oneof(
    fc.constantFrom<FrameDamage>(
      number(1, 4, ({ length }) => length),
      number(1, 4, ({ length }) => Math.max(0, length - 2)),
      ...[3, ...EXTREMES].map((value) => number(1, 4, () => value)),
    ),
    fc.constantFrom<FrameDamage>(
      number(HEADER, 2, (frame) => (countIn(frame) + 1) & 0xffff),
      number(HEADER, 2, (frame) => (countIn(frame) - 1) & 0xffff),
      ...[0, 0x7fff, 0xffff].map((value) => number(HEADER, 2, () => value)),
    ),
    fc.nat(0xff).map((tag): FrameDamage => {
      return (frame, all, n) => all.with(n, concat(Uint8Array.of(tag), frame.subarray(1)));
    }),
    fc.constant<FrameDamage>((_, all, n) => all.toSpliced(n, 2, ...all.slice(n, n + 2).reverse())),
    fc.constant<FrameDamage>((_, all, n) => all.toSpliced(n, 1)),
    fc.constant<FrameDamage>((frame, all, n) => all.toSpliced(n, 0, frame)),
    fc.nat(0xffff).map((share): FrameDamage => {
      return (frame, all, n) => [
        ...all.slice(0, n),
        frame.slice(0, Math.floor((share / 0x10000) * (frame.length + 1))),
      ];
    }),
    other.map(put),
    fc.constantFrom(...foreign).map(put),
    damages().map((each): FrameDamage => {
      return (frame, all, n) => all.with(n, framed(frame[0]!, applyAll(frame.subarray(HEADER), each)));
    }),
  );
}

/** The number behind the length, if there is one. */
function countIn(frame: Uint8Array): number {
  return frame.length >= HEADER + 2 ? new DataView(frame.buffer, frame.byteOffset).getUint16(HEADER) : 0;
}

function framed(tag: number, body: Uint8Array): Uint8Array {
  const header = new Uint8Array(HEADER);
  header[0] = tag;
  new DataView(header.buffer).setUint32(1, body.length + 4);
  return concat(header, body);
}

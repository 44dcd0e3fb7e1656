/** Laws of the memory that a socket reads into: nothing that is still needed is written over, and what is not needed is used again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ReadMemory } from "../../src/node/read-memory.ts";
import { encodeFrame, Framer } from "../../src/wire/framer.ts";
import { law } from "./law.ts";

const [SIZE, LEAST] = [1000, 100];

interface Step {
  /** How many bytes are read, at most as many as there is room for. */
  readonly read: number;
  /** How many frames are taken then. */
  readonly take: number;
}

/** A stream of frames of these lengths. Its bytes repeat after so many that what was written over is not the same. */
function streamOf(lengths: readonly number[]): Uint8Array {
  let byte = 0;
  const body = (length: number): Uint8Array => Uint8Array.from({ length }, () => byte++ % 251);
  return Buffer.concat(lengths.map((length) => encodeFrame("d", body(length))));
}

/** Reads a stream by steps, and compares each payload with what was sent just before the next one is asked for. */
function run(stream: Uint8Array, steps: readonly Step[], maxUnread: number): Set<ArrayBufferLike> {
  let [sent, received, unread] = [0, 0, 0];
  const memory = new ReadMemory({ unread: () => unread, size: SIZE, least: LEAST });
  const framer = new Framer({ allocate: memory.allocate });
  const buffers = new Set<ArrayBufferLike>();
  let held: { readonly bytes: Uint8Array; readonly expected: Uint8Array } | undefined;
  const take = (): boolean => {
    if (held !== undefined) expect(Buffer.compare(held.bytes, held.expected)).toBe(0);
    memory.release();
    held = undefined;
    const frame = framer.next();
    if (frame === undefined) return false;
    unread -= 5 + frame.length;
    held = { bytes: frame.bytes, expected: stream.subarray(received + 5, received + 5 + frame.length) };
    received += 5 + frame.length;
    memory.lend(frame.bytes);
    return true;
  };
  for (let i = 0; sent < stream.length; i++) {
    const step = steps[i % steps.length]!;
    if (unread < maxUnread) {
      const room = memory.room();
      expect(room.length).toBeGreaterThanOrEqual(LEAST);
      buffers.add(room.buffer);
      const count = Math.min(step.read, room.length, stream.length - sent);
      room.set(stream.subarray(sent, sent + count));
      sent += count;
      unread += count;
      framer.push(memory.taken(count));
    }
    for (let taken = 0; (taken < step.take || unread >= maxUnread) && take(); taken++);
  }
  while (take());
  expect(received).toBe(stream.length);
  return buffers;
}

const lengths = fc.array(fc.oneof(fc.nat(20), fc.nat(300), fc.nat(3000)), { minLength: 1, maxLength: 60 });
const step = fc.record({
  read: fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 1000 })),
  take: fc.nat(5),
});

describe("ReadMemory", () => {
  law(
    "a payload is what was sent until the next one is asked for, however it is read and however late it is taken",
    fc.property(
      lengths,
      fc.array(step, { minLength: 1, maxLength: 20 }),
      fc.constantFrom(1e9, 2000, 500),
      (each, steps, unread) => {
        run(streamOf(each), steps, unread < 1e9 ? unread + 3005 : unread);
      },
    ),
    2000,
  );

  test("who takes frames as they arrive needs two pieces of memory for any stream", () => {
    const stream = streamOf(Array.from({ length: 200 }, (_, i) => (i * 37) % 400));
    expect(
      run(
        stream,
        [
          { read: 300, take: 100 },
          { read: 7, take: 100 },
        ],
        1e9,
      ).size,
    ).toBe(2);
  });

  test("memory of a payload that is lent is not used for a frame in pieces", () => {
    const memory = new ReadMemory({ unread: () => 0 });
    const first = memory.allocate(10);
    memory.lend(first);
    expect(memory.allocate(5).buffer).not.toBe(first.buffer);
  });

  test("memory of a payload that is lent is not read into, also if nothing is unread", () => {
    const memory = new ReadMemory({ unread: () => 0, size: SIZE, least: LEAST });
    const [first] = [memory.room()];
    memory.lend(memory.taken(950));
    for (let i = 0; i < 5; i++) {
      expect(memory.room().buffer).not.toBe(first.buffer);
      memory.taken(950);
    }
    memory.release();
    const later = [0, 1].map(() => {
      const { buffer } = memory.room();
      memory.taken(950);
      return buffer;
    });
    expect(memory.room().buffer).toBe(later[0]);
  });
});

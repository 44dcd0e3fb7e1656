/** Laws of the framer: any split of a stream gives the same frames, and nothing that was handed out changes again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import { damaged } from "../../src/arbitraries/damage.ts";
import { ArgumentError, DecodeError } from "../../src/kernel/errors.ts";
import { encodeFrame, type Frame, Framer, type FramerOptions, framesOf, isLast } from "../../src/wire/framer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

const frame = fc.record({
  tag: fc.constantFrom("d", "Z", "w", "\u00ff"),
  body: fc.oneof(fc.uint8Array({ maxLength: 30 }), fc.uint8Array({ minLength: 5000, maxLength: 40_000, size: "max" })),
});
const frames = fc.array(frame, { maxLength: 6 });
const stream = frames.map((each) => concat(...each.map(({ tag, body }) => encodeFrame(tag, body))));

/** What a framer makes of chunks: each frame in digits, and the error that ends them, if one does. */
function run(chunks: readonly Uint8Array[], options?: FramerOptions): string[] {
  const framer = new Framer(options);
  const seen: string[] = [];
  let body = "";
  const add = (part: Frame): void => {
    body += toHex(part.bytes);
    expect(body.length / 2).toBe(part.start + part.bytes.length);
    if (!isLast(part)) return;
    seen.push(`${part.tag} ${part.length} ${body}`);
    body = "";
  };
  try {
    for (const chunk of chunks) for (const part of framesOf(framer, chunk)) add(part);
    framer.end();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    seen.push(JSON.stringify(error));
  }
  return seen;
}

describe("Framer", () => {
  law(
    "frames come out as they were encoded",
    fc.property(frames, (each) => {
      const whole = concat(...each.map(({ tag, body }) => encodeFrame(tag, body)));
      expect(run([whole])).toEqual(each.map(({ tag, body }) => `${tag.charCodeAt(0)} ${body.length} ${toHex(body)}`));
    }),
    300,
  );

  law(
    "any split of a stream gives the same frames and the same error, whole or in pieces",
    fc.property(
      splits(fc.oneof(stream, damaged(stream))),
      fc.constantFrom(0, 10, 6000, undefined),
      (chunks, wholeUpTo) => {
        const options = { maxLength: 100_000, ...(wholeUpTo !== undefined && { wholeUpTo }) };
        expect(run(chunks, options)).toEqual(run([concat(...chunks)], { maxLength: 100_000 }));
      },
    ),
    500,
  );

  law(
    "a stream that comes byte by byte gives the same frames",
    fc.property(fc.oneof(stream, damaged(stream)), (whole) => {
      const bytes = Array.from(whole, (byte) => Uint8Array.of(byte));
      expect(run(bytes, { maxLength: 100_000 })).toEqual(run([whole], { maxLength: 100_000 }));
    }),
    100,
  );

  law(
    "frames are the same whether they are taken after each chunk, after some, or after all",
    fc.property(
      splits(stream),
      fc.infiniteStream(fc.nat(3)),
      fc.constantFrom(0, 10, 6000, undefined),
      (chunks, taken, wholeUpTo) => {
        const framer = new Framer(wholeUpTo === undefined ? {} : { wholeUpTo });
        const bodies: string[] = [];
        const take = (most: number): void => {
          for (let i = 0; i < most; i++) {
            const part = framer.next();
            if (part === undefined) return;
            if (part.start === 0) bodies.push("");
            bodies[bodies.length - 1] += toHex(part.bytes);
          }
        };
        for (const chunk of chunks) {
          framer.push(chunk);
          take(taken.next().value);
        }
        take(Number.POSITIVE_INFINITY);
        framer.end();
        expect(bodies).toEqual(run(chunks).map((each) => each.split(" ")[2]));
      },
    ),
    500,
  );

  law(
    "memory that is the caller's is asked for long bodies in several chunks only, and written before they are handed out only",
    fc.property(splits(stream), (chunks) => {
      const memory = new Uint8Array(50_000);
      const asked: number[] = [];
      const framer = new Framer({
        allocate: (length) => {
          asked.push(length);
          return memory;
        },
      });
      const seen: string[] = [];
      const copied: number[] = [];
      for (const chunk of chunks) {
        for (const { tag, length, bytes } of framesOf(framer, chunk)) {
          seen.push(`${tag} ${length} ${toHex(bytes)}`);
          if (bytes.buffer === memory.buffer) copied.push(length);
        }
      }
      expect(seen).toEqual(run(chunks));
      expect(asked).toEqual(copied);
      for (const length of asked) expect(length).toBeGreaterThan(512);
    }),
    300,
  );

  law(
    "nothing that was handed out changes again",
    fc.property(splits(stream), (chunks) => {
      const framer = new Framer();
      const kept: { bytes: Uint8Array; digits: string }[] = [];
      for (const chunk of chunks) {
        for (const { bytes } of framesOf(framer, chunk)) kept.push({ bytes, digits: toHex(bytes) });
      }
      for (const { bytes, digits } of kept) expect(toHex(bytes)).toBe(digits);
    }),
    300,
  );

  test("memory of the caller that is too short is an ArgumentError, and the frame is still there", () => {
    let memory = new Uint8Array(599);
    const framer = new Framer({ allocate: () => memory });
    const whole = encodeFrame("d", new Uint8Array(600).fill(7));
    framer.push(whole.slice(0, 604));
    expect(framer.next()).toBeUndefined();
    framer.push(whole.slice(604));
    const message = "options.allocate: expected a function that returns at least 600 bytes, got 599";
    expect(() => framer.next()).toThrow(new ArgumentError("options.allocate", message));
    memory = new Uint8Array(700);
    expect(framer.next()?.bytes).toEqual(new Uint8Array(600).fill(7));
  });

  test("a whole frame in one chunk is a view of it, not a copy", () => {
    const chunk = encodeFrame("d", Uint8Array.of(1, 2, 3));
    const [only] = [...framesOf(new Framer(), chunk)];
    expect(only?.bytes.buffer).toBe(chunk.buffer);
  });

  test("a frame in chunks that follow one another in memory is a view of them, not a copy", () => {
    const memory = concat(encodeFrame("d", new Uint8Array(600).fill(7)), encodeFrame("d", Uint8Array.of(1, 2, 3)));
    const framer = new Framer();
    for (const [start, end] of [
      [0, 300],
      [300, 607],
      [607, memory.length],
    ]) {
      framer.push(memory.subarray(start, end));
      if (start === 0) expect(framer.next()).toBeUndefined();
    }
    expect([framer.next(), framer.next()].map((each) => [each?.bytes.buffer, each?.bytes.byteOffset])).toEqual([
      [memory.buffer, 5],
      [memory.buffer, 610],
    ]);
  });

  test.each([
    ["below 4", "64 00000003", "Frame.length is 3 at offset 1; a length counts itself, so it is 4 at least"],
    ["of 0", "64 00000000", "Frame.length is 0 at offset 1; a length counts itself, so it is 4 at least"],
    ["above the limit", "64 00000015", "Frame.length is 21 at offset 1; the limit is 20"],
    ["with the sign bit", "64 ffffffff", "Frame.length is 4294967295 at offset 1; the limit is 20"],
  ])("a length %s is refused before anything is stored, and the framer stays failed", (_, digits, message) => {
    const framer = new Framer({ maxLength: 16 });
    framer.push(hex(digits));
    for (let i = 0; i < 2; i++) {
      expect(() => framer.next()).toThrow(
        expect.objectContaining({ code: "BAD_LENGTH", offset: 1, path: "Frame.length", message }),
      );
    }
  });

  test.each([0, 1, 16])("a body of exactly %i bytes, the limit, is accepted, and one more is not", (maxLength) => {
    const [frame] = framesOf(new Framer({ maxLength }), encodeFrame("d", new Uint8Array(maxLength)));
    expect(frame).toMatchObject({ length: maxLength, start: 0 });
    const longer = encodeFrame("d", new Uint8Array(maxLength + 1));
    expect(() => [...framesOf(new Framer({ maxLength }), longer)]).toThrow(
      expect.objectContaining({ code: "BAD_LENGTH", offset: 1 }),
    );
  });

  test.each([
    [{ maxLength: -1 }, "options.maxLength: expected a whole number from 0 to 4294967291, got -1"],
    [{ maxLength: "9" }, 'options.maxLength: expected a whole number from 0 to 4294967291, got "9"'],
    [{ wholeUpTo: Number.NaN }, "options.wholeUpTo: expected a whole number from 0 on, or Infinity, got NaN"],
    [{ allocate: 5 }, "options.allocate: expected a function, got 5"],
    [{ maxlength: 5 }, 'options: expected maxLength, wholeUpTo or allocate, got "maxlength"'],
    [null, "options: expected an object, got null"],
    [7, "options: expected an object, got 7"],
  ])("options %o are rejected", (options, message) => {
    expect(() => new Framer(options as never)).toThrow(expect.objectContaining({ code: "BAD_ARGUMENT", message }));
  });

  test.each([undefined, "d", new ArrayBuffer(5), [1], new DataView(new ArrayBuffer(5))])(
    "what is not a Uint8Array is rejected as a chunk and as a body: %o",
    (bytes) => {
      expect(() => new Framer().push(bytes as never)).toThrow(ArgumentError);
      expect(() => encodeFrame("d", bytes as never)).toThrow(ArgumentError);
    },
  );

  test.each(["", "dd", "\u0100", 5, undefined])("a frame has no type byte %o", (tag) => {
    expect(() => encodeFrame(tag as never, new Uint8Array(0))).toThrow(ArgumentError);
  });

  test("a small chunk that waits is copied once, whatever its array says of itself", () => {
    class Lie extends Uint8Array {
      override get length(): number {
        return 3000;
      }
    }
    expect(encodeFrame("d", new Lie(1))).toEqual(hex("64 00000005 00"));
    const framer = new Framer();
    framer.push(new Lie(hex("64 0000")));
    framer.push(new Lie(hex("0005")));
    framer.push(new Lie(hex("07")));
    expect(framer.next()?.bytes).toEqual(Uint8Array.of(7));
    expect(framer.next()).toBeUndefined();
  });

  test("the offset of a bad length counts from the start of the stream", () => {
    const framer = new Framer();
    framer.push(hex("5a 00000005 49  64 00000001"));
    expect(framer.next()?.length).toBe(1);
    expect(() => framer.next()).toThrow(expect.objectContaining({ code: "BAD_LENGTH", offset: 7 }));
  });

  test("a body above the limit of whole frames comes in pieces as it arrives, and is not kept", () => {
    const framer = new Framer({ wholeUpTo: 4 });
    framer.push(hex("64 00000010 0102"));
    expect(framer.next()).toEqual({ tag: 0x64, length: 12, start: 0, bytes: hex("0102") });
    expect(framer.next()).toBeUndefined();
    framer.push(hex("030405060708090a0b0c 5a 00000005 49"));
    const last = framer.next()!;
    expect(last).toEqual({ tag: 0x64, length: 12, start: 2, bytes: hex("030405060708090a0b0c") });
    expect(isLast(last)).toBe(true);
    expect(framer.next()).toEqual({ tag: 0x5a, length: 1, start: 0, bytes: hex("49") });
    expect(() => framer.end()).not.toThrow();
  });

  test.each([
    ["64", "Frame", 1, "the stream ends at offset 1, 4 bytes short of a frame's header"],
    ["64 00000008 01", "Frame.bytes", 6, 'the stream ends at offset 6, 3 bytes short of the body of frame "d"'],
  ])("a stream that ends inside a frame is TRUNCATED: %s", (digits, path, offset, message) => {
    const framer = new Framer();
    framer.push(hex(digits));
    expect(framer.next()).toBeUndefined();
    expect(() => framer.end()).toThrow(expect.objectContaining({ code: "TRUNCATED", path, offset, message }));
  });

  test("a frame announced but not sent takes no memory: only what arrives is kept", () => {
    const before = process.memoryUsage().arrayBuffers;
    const framers = Array.from({ length: 100 }, () => {
      const framer = new Framer();
      framer.push(hex("64 3fffffff 00"));
      expect(framer.next()).toBeUndefined();
      return framer;
    });
    expect(framers.length).toBe(100);
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(10_000_000);
  });

  test("4 MB in chunks of one byte are kept in about 4 MB", () => {
    const framer = new Framer();
    const before = process.memoryUsage();
    framer.push(hex("64 00400004"));
    // One array each, as a socket would give them: 4 million of them at once would take 400 MB.
    for (let i = 0; i < 0x400000; i++) framer.push(Uint8Array.of(i & 0xff));
    const after = process.memoryUsage();
    expect(after.rss - before.rss).toBeLessThan(200_000_000);
    expect(framer.next()?.bytes[0x123456]).toBe(0x56);
  });

  test("130 MB of small frames, all pushed before the first is taken, come out in linear time", () => {
    const chunk = concat(...Array.from({ length: 4000 }, () => encodeFrame("d", new Uint8Array(11))));
    const framer = new Framer();
    for (let i = 0; i < 2000; i++) framer.push(chunk);
    let count = 0;
    while (framer.next() !== undefined) count++;
    expect(count).toBe(8_000_000);
  });
});

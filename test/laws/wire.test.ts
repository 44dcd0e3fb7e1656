/** Laws of reader and writer: every primitive comes back, none is written outside of its range, none read past the end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn, pgTime, wireText } from "../../src/arbitraries/messages.ts";
import { DecodeError, EncodeError } from "../../src/errors.ts";
import { Reader } from "../../src/wire/reader.ts";
import { Writer } from "../../src/wire/writer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

type Primitive = "u8" | "u16" | "u32" | "i32" | "lsn" | "time" | "bool" | "cstring" | "counted";

/** Each primitive: its values, its width in bytes (of what is counted or ended, the least), and what it must refuse. */
const primitives: Readonly<
  Record<Primitive, { values: fc.Arbitrary<unknown>; width: number; refused: readonly unknown[] }>
> = {
  u8: { values: fc.nat(0xff), width: 1, refused: [-1, 256, 0.5, Number.NaN, 1n, "1", undefined, null] },
  u16: { values: fc.nat(0xffff), width: 2, refused: [-1, 65536, 0.5, Number.POSITIVE_INFINITY, 1n, "1", undefined] },
  u32: { values: fc.integer({ min: 0, max: 0xffffffff }), width: 4, refused: [-1, 2 ** 32, 0.5, 1n, "1", undefined] },
  i32: { values: fc.integer(), width: 4, refused: [-(2 ** 31) - 1, 2 ** 31, 0.5, Number.NaN, 1n, "1", undefined] },
  lsn: { values: lsn(), width: 8, refused: [-1n, 2n ** 64n, 1, "1", undefined] },
  time: { values: pgTime(), width: 8, refused: [-(2n ** 63n) - 1n, 2n ** 63n, 1, undefined] },
  bool: { values: fc.boolean(), width: 1, refused: [0, 1, "true", undefined, null] },
  cstring: { values: wireText(), width: 1, refused: ["a\0b", "\ud800", "\udcc3\udca9", 1, undefined, null] },
  counted: {
    values: fc.uint8Array(),
    width: 4,
    refused: [[1, 2], "ab", new Uint16Array(1), new ArrayBuffer(1), undefined],
  },
};

function write(name: Primitive, value: unknown): Uint8Array {
  const w = new Writer();
  w[name](value as never, "Test.field");
  return w.finish();
}

describe.each(Object.entries(primitives) as [Primitive, (typeof primitives)[Primitive]][])("%s", (name, primitive) => {
  law(
    "what is written is read back, and nothing else is taken",
    fc.property(primitive.values, fc.uint8Array(), (value, rest) => {
      const bytes = write(name, value);
      const r = new Reader(Uint8Array.of(...bytes, ...rest));
      expect(r[name]("Test.field")).toEqual(value);
      expect(r.offset).toBe(bytes.length);
      expect(toHex(r.rest())).toBe(toHex(rest));
      expect(() => r.end("Test")).not.toThrow();
    }),
    500,
  );

  law(
    "bytes that end too early are TRUNCATED, with the place of the field",
    fc.property(primitive.values, fc.nat(), (value, cut) => {
      const bytes = write(name, value);
      const r = new Reader(bytes.subarray(0, cut % bytes.length));
      expect(() => r[name]("Test.list", 3, ".field")).toThrow(
        expect.objectContaining({ constructor: DecodeError, code: "TRUNCATED", path: "Test.list[3].field" }),
      );
    }),
    500,
  );

  test.each(primitive.refused)("%s is refused, with the place of the field", (value) => {
    expect(() => write(name, value)).toThrow(
      expect.objectContaining({ constructor: EncodeError, code: "OUT_OF_RANGE", path: "Test.field" }),
    );
  });

  test(`it takes ${primitive.width} bytes at least`, () => {
    expect(fc.sample(primitive.values, 50).every((value) => write(name, value).length >= primitive.width)).toBe(true);
    expect(() => new Reader(new Uint8Array(primitive.width - 1))[name]("Test.field")).toThrow(DecodeError);
  });
});

describe("Reader", () => {
  test("numbers are big-endian, and unsigned where PostgreSQL's are", () => {
    const r = new Reader(hex("ff fffe fffffffd fffffffc fffffffffffffffb fffffffffffffffa"));
    expect([r.u8(""), r.u16(""), r.u32(""), r.i32(""), r.lsn(""), r.time("")]).toEqual([
      255,
      65534,
      4294967293,
      -4,
      2n ** 64n - 5n,
      -6n,
    ]);
  });

  test("it reads a part of a larger buffer, and never beyond that part", () => {
    const whole = hex("00 01 02 03 04 05");
    const r = new Reader(whole.subarray(1, 4));
    expect(r.u16("")).toBe(0x0102);
    expect(() => r.u16("X.y")).toThrow("X.y needs 2 bytes at offset 2; 1 is left");
  });

  test("bytes that it hands out are views", () => {
    const whole = hex("00000002 0102 0304");
    const r = new Reader(whole);
    expect(r.counted("").buffer).toBe(whole.buffer);
    expect(r.rest().buffer).toBe(whole.buffer);
  });

  test("a count of 4 GB with nothing behind it takes no memory", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => new Reader(hex("ffffffff 00")).counted("M.content")).toThrow(
      "M.content needs 4294967295 bytes at offset 4; 1 is left",
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});

describe("Writer", () => {
  test("what it gave stays as it is when it is used again, also after it has grown", () => {
    const w = new Writer();
    const given: Uint8Array[] = [];
    for (const size of [10, 2000, 10, 100_000, 10]) {
      w.rest(new Uint8Array(size).fill(size & 0xff), "Test.data");
      given.push(w.finish());
    }
    expect(given.map((bytes) => [bytes.length, new Set(bytes).size])).toEqual([
      [10, 1],
      [2000, 1],
      [10, 1],
      [100_000, 1],
      [10, 1],
    ]);
  });

  test("a message that PostgreSQL could not take is refused before memory is taken for it", () => {
    const w = new Writer();
    const half = new Uint8Array(0x20000000);
    w.rest(half, "Test.data");
    expect(() => w.rest(half, "Test.data")).toThrow("Test.data makes the message longer than 1073741823 bytes");
  });
});

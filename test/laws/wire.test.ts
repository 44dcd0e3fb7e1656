/** Laws of reader and writer: every primitive comes back, none is written outside of its range, none read past the end. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { lsn, pgTime, tupleData, wireText } from "../../src/arbitraries/messages.ts";
import { ArgumentError, DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { readCounted, writeCounted } from "../../src/wire/counted.ts";
import { readCString, writeCString } from "../../src/wire/cstring.ts";
import type { Place } from "../../src/wire/place.ts";
import { Reader } from "../../src/wire/reader.ts";
import { readTuple, TupleData, type TupleValue, unchanged, writeTuple } from "../../src/wire/tuple.ts";
import { Writer } from "../../src/wire/writer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

type Primitive = "u8" | "u16" | "u32" | "i32" | "u64" | "lsn" | "time" | "bool" | "cstring" | "counted" | "tuple";

/** Each primitive: its values, its width in bytes (of what is counted or ended, the least), and what it must refuse. */
const primitives: Readonly<
  Record<Primitive, { values: fc.Arbitrary<unknown>; width: number; refused: readonly unknown[] }>
> = {
  u8: { values: fc.nat(0xff), width: 1, refused: [-1, 256, 0.5, Number.NaN, 1n, "1", undefined, null] },
  u16: { values: fc.nat(0xffff), width: 2, refused: [-1, 65536, 0.5, Number.POSITIVE_INFINITY, 1n, "1", undefined] },
  u32: { values: fc.integer({ min: 0, max: 0xffffffff }), width: 4, refused: [-1, 2 ** 32, 0.5, 1n, "1", undefined] },
  i32: { values: fc.integer(), width: 4, refused: [-(2 ** 31) - 1, 2 ** 31, 0.5, Number.NaN, 1n, "1", undefined] },
  u64: { values: lsn(), width: 8, refused: [-1n, 2n ** 64n, 1, "1", undefined] },
  lsn: { values: lsn(), width: 8, refused: [-1n, 2n ** 64n, 1, "1", undefined] },
  time: { values: pgTime(), width: 8, refused: [-(2n ** 63n) - 1n, 2n ** 63n, 1, undefined] },
  bool: { values: fc.boolean(), width: 1, refused: [0, 1, "true", undefined, null] },
  cstring: { values: wireText(), width: 1, refused: ["a\0b", "\ud800", "\udcc3\udca9", 1, undefined, null] },
  counted: {
    values: fc.uint8Array(),
    width: 4,
    refused: [[1, 2], "ab", new Uint16Array(1), new ArrayBuffer(1), undefined],
  },
  tuple: { values: tupleData(), width: 2, refused: [[], hex("0000"), { bytes: hex("0000"), length: 0 }, undefined] },
};

function write(name: Primitive, value: unknown): Uint8Array {
  const w = new Writer();
  if (name === "cstring") writeCString(w, value as never, "Test.field");
  else if (name === "counted") writeCounted(w, value as never, "Test.field");
  else if (name === "tuple") writeTuple(w, value as never, "Test.field");
  else w[name](value as never, "Test.field");
  return w.finish();
}

function read(name: Primitive, r: Reader, ...place: Place): unknown {
  if (name === "cstring") return readCString(r, ...place);
  if (name === "counted") return readCounted(r, ...place);
  return name === "tuple" ? readTuple(r, place[0]) : r[name](...place);
}

describe.each(Object.entries(primitives) as [Primitive, (typeof primitives)[Primitive]][])("%s", (name, primitive) => {
  law(
    "what is written is read back, and nothing else is taken",
    fc.property(primitive.values, fc.uint8Array(), (value, rest) => {
      const bytes = write(name, value);
      const r = new Reader(Uint8Array.of(...bytes, ...rest));
      expect(read(name, r, "Test.field")).toEqual(value);
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
      const path = expect.stringMatching(name === "tuple" ? /^Test\.list/ : /^Test\.list\[3\]\.field$/);
      expect(() => read(name, r, "Test.list", 3, ".field")).toThrow(
        expect.objectContaining({ constructor: DecodeError, code: "TRUNCATED", path }),
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
    expect(() => read(name, new Reader(new Uint8Array(primitive.width - 1)), "Test.field")).toThrow(DecodeError);
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
    expect(readCounted(r, "").buffer).toBe(whole.buffer);
    expect(r.rest().buffer).toBe(whole.buffer);
  });

  test("a count of 4 GB with nothing behind it takes no memory", () => {
    const before = process.memoryUsage().arrayBuffers;
    expect(() => readCounted(new Reader(hex("ffffffff 00")), "M.content")).toThrow(
      "M.content needs 4294967295 bytes at offset 4; 1 is left",
    );
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(1_000_000);
  });
});

describe("TupleData", () => {
  test("a row is not cloned without its values: cloning throws, whether it was made or decoded", () => {
    const made = TupleData.of(["a", null, hex("01")]);
    const decoded = readTuple(new Reader(made.bytes), "Test");
    for (const row of [made, decoded, { type: "Insert", newTuple: decoded }, [decoded]]) {
      expect(() => structuredClone(row)).toThrow(expect.objectContaining({ name: "DataCloneError" }));
    }
    expect(JSON.stringify(decoded)).toBe('["a",null,{"binary":"\\\\x01"}]');
  });

  const values = fc.array(fc.oneof(fc.constantFrom(null, unchanged), wireText(), fc.uint8Array()), { maxLength: 12 });

  law(
    "has the values that it was made of, one by one in any order, and all at once",
    fc.property(values, fc.infiniteStream(fc.nat()), (given, picks) => {
      const row = TupleData.of(given);
      expect(row.length).toBe(given.length);
      expect(row.toArray()).toEqual(given);
      expect([...row]).toEqual(given);
      for (const pick of [...picks.take(given.length)]) {
        const i = pick % given.length;
        expect(row.get(i)).toEqual(given[i]);
        const bytes = row.valueBytes(i);
        const kind = row.kind(i);
        expect([kind, bytes === undefined]).toEqual(kindOf(given[i]!));
      }
      for (const i of [-1, 0.5, given.length]) expect(() => row.get(i)).toThrow(ArgumentError);
    }),
  );

  test("long rows and short ones, of ASCII and of other text, have the same values at once and one by one", () => {
    for (const letter of ["a", "\u00e9", "\u20ac", "\ud83d\ude00", "\udcff"]) {
      for (const size of [
        0, 1, 7, 8, 9, 10, 11, 26, 30, 60, 64, 65, 127, 128, 255, 256, 257, 2020, 2030, 2040, 2050, 3000, 70_000,
      ]) {
        const given = [
          letter,
          "ascii",
          "a".repeat(size),
          null,
          "a".repeat(size) + letter,
          letter.repeat(size),
          unchanged,
        ];
        for (const values of [given, given.slice(2, 4), given.slice(2, 5), given.slice(5)]) {
          const row = TupleData.of(values);
          expect(row.toArray()).toEqual(values);
          expect(values.map((_, i) => row.get(i))).toEqual(values);
        }
      }
    }
  });

  test.each([[undefined], [1], [{ unchanged: true }], [["a"]], [new Uint16Array(1)], ["\ud800"]])(
    "%j is no value, and its place is told",
    (value) => {
      expect(() => TupleData.of([null, value as never])).toThrow(
        expect.objectContaining({ constructor: EncodeError, path: "TupleData[1]" }),
      );
    },
  );

  test("65,535 columns are the most", () => {
    expect(TupleData.of(new Array(65535).fill(null)).length).toBe(65535);
    expect(() => TupleData.of(new Array(65536).fill(null))).toThrow(
      new EncodeError("TupleData.length", "TupleData.length is 65536, expected at most 65535"),
    );
  });

  test("rows are equal if their bytes are, and JSON keeps what is not there apart", () => {
    expect(TupleData.of(["a", null])).toEqual(TupleData.of(["a", null]));
    expect(TupleData.of(["a", null])).not.toEqual(TupleData.of(["b", null]));
    expect(JSON.stringify(TupleData.of(["a", null, unchanged, hex("00ff")]))).toBe(
      '["a",null,{"unchanged":true},{"binary":"\\\\x00ff"}]',
    );
  });

  function kindOf(value: TupleValue): [string, boolean] {
    if (value === null) return ["null", true];
    if (value === unchanged) return ["unchanged", true];
    return [typeof value === "string" ? "text" : "binary", false];
  }
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

  law(
    "what it gave is what was written, and stays so, whatever it writes later",
    fc.property(fc.array(fc.array(fc.nat({ max: 3000 }), { maxLength: 4 }), { maxLength: 20 }), (messages) => {
      const w = new Writer();
      const given = messages.map((sizes, i) => {
        for (const size of sizes) w.rest(new Uint8Array(size).fill(i + 1), "Test.data");
        return w.finish();
      });
      expect(given.map((bytes) => bytes.length)).toEqual(messages.map((sizes) => sizes.reduce((sum, n) => sum + n, 0)));
      for (const [i, bytes] of given.entries()) expect(bytes.every((byte) => byte === i + 1)).toBe(true);
    }),
  );

  test("a message that PostgreSQL could not take is refused before memory is taken for it", () => {
    const w = new Writer();
    const half = new Uint8Array(0x20000000);
    w.rest(half, "Test.data");
    expect(() => w.rest(half, "Test.data")).toThrow("Test.data makes the message longer than 1073741823 bytes");
  });
});

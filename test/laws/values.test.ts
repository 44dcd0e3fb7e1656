/** Laws of values: what is written reads back, and what is damaged is refused or is another value, in time that grows with its size. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/bytes.ts";
import { typeValue } from "../../src/arbitraries/values.ts";
import { DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { builtinTypes } from "../../src/values/builtin.ts";
import { double, float4, float8, formatFloat8, shortest } from "../../src/values/float.ts";
import { absent, fillUnchanged, rowReader, rowWriter, type TypeDefinition, TypeMap } from "../../src/values/index.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";
import { toHex } from "../hex.ts";
import { hostileValue } from "./grammar.ts";
import { law } from "./law.ts";

const own: readonly TypeDefinition[] = [
  { kind: "enum", oid: 20000, name: "mood", labels: ["sad", "NULL", '"{},', ""] },
  { kind: "domain", oid: 20001, name: "count", base: 20 },
  { kind: "domain", oid: 20002, name: "many", base: 1009 },
  {
    kind: "composite",
    oid: 20003,
    name: "pair",
    fields: [
      { name: "first", type: 23 },
      { name: "__proto__", type: 25 },
      { name: "mood", type: 20000 },
    ],
  },
  { kind: "array", oid: 20004, name: "_pair", element: 20003 },
  {
    kind: "composite",
    oid: 20005,
    name: "deep",
    fields: [
      { name: "pairs", type: 20004 },
      { name: "span", type: 20006 },
      { name: "grid", type: 20007 },
    ],
  },
  { kind: "range", oid: 20006, name: "textrange", subtype: 25 },
  { kind: "array", oid: 20007, name: "_many", element: 20002, delimiter: ";" },
  { kind: "base", oid: 20008, name: "hstore" },
  { kind: "composite", oid: 20009, name: "nothing", fields: [] },
];
const typeMap = new TypeMap().add(...own);

const all = [
  ...builtinTypes().flatMap(([oid, arrayOid, { name }]) => [
    { oid, name },
    { oid: arrayOid, name: `_${name}` },
  ]),
  ...own,
];
const types = all.map(({ oid, name }) => ({ name, oid, codec: typeMap.codec(oid) }));

/** Types whose values are texts in one format, and other things in the other. */
const twofold = /^_?(reg.*|money|tsquery|aclitem|hstore)$/;

const runs = 300;

/** A text that is nearly the one given. */
function damagedText(text: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const piece = fc.oneof(
    fc.constantFrom(..."\"\\{}()[],;: '=-+.0123456789eE\0é\ud800", "NULL", "infinity", " BC", "''", '""'),
    fc.string({ maxLength: 3 }),
  );
  return fc
    .tuple(text, fc.array(fc.tuple(fc.nat(), fc.nat(3), piece), { minLength: 1, maxLength: 3 }))
    .map(([whole, changes]) =>
      changes.reduce((now, [at, length, put]) => {
        const start = at % (now.length + 1);
        return now.slice(0, start) + put + now.slice(start + length);
      }, whole),
    );
}

/** The value that a reader gives, if it does not refuse. */
function readOr<T>(read: () => T): { value: T } | undefined {
  try {
    return { value: read() };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    expect(error.offset).toBeGreaterThanOrEqual(0);
    return undefined;
  }
}

describe.each(types)("$name", ({ name, oid, codec }) => {
  const value = typeValue(oid, typeMap);

  law(
    "a value reads back from its text, and from its bytes",
    fc.property(value, (each) => {
      const text = codec.writeText(each);
      expect(isDeepStrictEqual(codec.readText(text), each), text).toBe(true);
      if (twofold.test(name)) return;
      const bytes = codec.writeBinary(each);
      expect(isDeepStrictEqual(codec.readBinary(bytes), each), toHex(bytes)).toBe(true);
      expect(toHex(codec.writeBinary(codec.readBinary(bytes)))).toBe(toHex(bytes));
    }),
    runs,
  );

  law(
    "damaged text is refused, or is the text of a value",
    fc.property(
      fc.oneof({ weight: 4, arbitrary: damagedText(value.map((each) => codec.writeText(each))) }, fc.string()),
      (text) => {
        const read = readOr(() => codec.readText(text));
        if (read === undefined) return;
        // A string may have no bytes; readers are given only what does.
        if (/\p{Cs}/u.test(text)) return;
        const again = codec.readText(codec.writeText(read.value));
        expect(isDeepStrictEqual(again, read.value), text).toBe(true);
      },
    ),
    runs,
  );

  if (!twofold.test(name)) {
    // A value does not say which NaN it was, nor whether an array once held a NULL.
    const isExact = !/^_|float|point|lseg|path|box|polygon|line|circle|deep|many/.test(name);
    law(
      "damaged bytes are refused, or are the bytes of a value",
      fc.property(
        fc.oneof(damaged(value.map((each) => codec.writeBinary(each))), fc.uint8Array({ maxLength: 40 })),
        (bytes) => {
          const read = readOr(() => codec.readBinary(bytes));
          if (read === undefined) return;
          const again = codec.writeBinary(read.value);
          if (isExact) expect(toHex(again)).toBe(toHex(bytes));
          expect(isDeepStrictEqual(codec.readBinary(again), read.value), toHex(bytes)).toBe(true);
        },
      ),
      runs,
    );
  }

  law(
    "anything else from JavaScript is refused",
    fc.property(
      fc.oneof(hostileValue(), fc.anything({ withBigInt: true, withDate: true, withTypedArray: true }), value),
      (each) => {
        for (const write of [codec.writeText, codec.writeBinary]) {
          try {
            write(each);
          } catch (error) {
            if (!(error instanceof EncodeError)) throw error;
          }
        }
      },
    ),
    runs,
  );

  // Arrays differ by their elements only.
  if (name.startsWith("_") && name !== "_text" && name !== "_pair") return;

  test("much of anything takes time as it is long", { timeout: 60_000 }, () => {
    const n = 50_000;
    const texts = [
      "{",
      "[",
      "(",
      '"',
      '""',
      "\\",
      "0",
      "{0,",
      "0,",
      "(0,0),",
      "'",
      "'' ",
      "'a' ",
      "((((",
      "[1:1]",
      "9e9",
      ":",
      "1 ",
      "f:",
    ].flatMap((piece) => {
      const text = piece.repeat(n);
      return [text, `{${text}}`, `(${text})`, `"${text}"`, `[${text}0`, `{"${text}"}`, `0.${text}`, `'${text}'`];
    });
    const start = performance.now();
    for (const text of texts) readOr(() => codec.readText(text));
    const bytes = [0x00, 0x01, 0x7f, 0xff].map((byte) => new Uint8Array(n).fill(byte));
    for (const each of bytes) readOr(() => codec.readBinary(each));
    // Some 20 megabytes; what is quadratic would take minutes.
    expect(performance.now() - start).toBeLessThan(10_000);
  });
});

describe("floats", () => {
  law(
    "the fast way to the shortest decimal is the slow one",
    fc.property(typeValue(701) as fc.Arbitrary<number>, (value) => {
      const size = Math.abs(value);
      if (size === 0 || !Number.isFinite(size)) return;
      const [digits] = shortest(size, double);
      expect(Number(formatFloat8(size)), "it is another number").toBe(size);
      const shown = formatFloat8(size).replace(/e.*/, "").replace(".", "");
      expect(shown.replace(/^0+|0+$/g, "")).toBe(digits);
    }),
    5000,
  );

  law(
    "a float4 is the nearest to its text, and has no shorter one",
    fc.property(typeValue(700) as fc.Arbitrary<number>, (value) => {
      const text = float4.writeText(value);
      expect(Object.is(float4.readText(text), value)).toBe(true);
      if (!Number.isFinite(value) || value === 0) return;
      const digits = text.replace(/e.*|[-.]/g, "").replace(/^0+|0+$/g, "").length;
      const shorter = digits === 1 ? undefined : Number(value.toExponential(digits - 2));
      if (shorter !== undefined && Math.fround(shorter) === value) {
        // Only what lies halfway rounds to it and is not taken.
        const other = 2 * shorter - value;
        expect(Math.fround(other) === other || Math.abs(shorter - value) > Math.abs(value) * 2 ** -25).toBe(true);
      }
    }),
    5000,
  );

  law(
    "a float8 is what JavaScript reads",
    fc.property(fc.double(), (value) => {
      expect(Object.is(float8.readText(float8.writeText(value)), value)).toBe(true);
    }),
  );
});

describe("types within types", () => {
  test("any number of them is described without recursion, and what lies too deep is text", () => {
    const count = 100_000;
    const map = new TypeMap().add(
      ...Array.from(
        { length: count },
        (_, i): TypeDefinition => ({
          ...{ kind: "composite", oid: 30000 + i, name: `c${i}` },
          fields: [{ name: "f", type: i + 1 < count ? 30001 + i : 23 }],
        }),
      ),
    );
    expect(map.codec(30000).readText('("()")')).toBeDefined();
    expect(map.codec(30000 + count - 1).readText("(1)")).toEqual(Object.assign(Object.create(null), { f: 1 }));
  });

  test("types within themselves end, and take no more time than they are many", () => {
    const map = new TypeMap().add(
      ...Array.from(
        { length: 1000 },
        (_, i): TypeDefinition => ({
          ...{ kind: "composite", oid: 30000 + i, name: `c${i}` },
          fields: Array.from({ length: 3 }, (_, f) => ({ name: `f${f}`, type: 30000 + ((i + f) % 1000) })),
        }),
      ),
    );
    const start = performance.now();
    expect(map.codec(30000).readText("(,,)")).toBeDefined();
    expect(performance.now() - start).toBeLessThan(2000);
  });
});

describe("rows", () => {
  const columns = types
    .filter(({ name }) => !(name.startsWith("_") && twofold.test(name)))
    .slice(0, 40)
    .map(({ oid, name }, i) => ({ name, typeId: oid, typeModifier: -1, key: i % 3 === 0 }));
  const relation = { namespace: "public", name: "wide", columns };
  const reader = rowReader(relation, typeMap);
  const cell = (oid: number): fc.Arbitrary<unknown> =>
    fc.oneof({ weight: 4, arbitrary: typeValue(oid) }, fc.constantFrom(null, unchanged));
  const row = fc.tuple(...columns.map(({ typeId }) => cell(typeId)));

  law(
    "a row reads back from what was written, in both formats, column by column too",
    fc.property(row, fc.constantFrom("text" as const, "binary" as const), (values, format) => {
      const tuple = rowWriter(relation, typeMap, { format })(values);
      expect(isDeepStrictEqual(reader.read(tuple), values)).toBe(true);
      for (const i of [0, 7, columns.length - 1]) expect(reader.readColumn(tuple, i)).toEqual(values[i]);
      const key = reader.readKey(tuple);
      for (const [i, column] of columns.entries()) expect(key[i]).toEqual(column.key ? values[i] : absent);
    }),
    500,
  );

  law(
    "filling leaves nothing unchanged but what the old row does not know, and changes nothing else",
    fc.property(row, row, fc.boolean(), (values, old, isKey) => {
      const known = old.map((value, i) => (isKey && !columns[i]!.key ? absent : value));
      const { row: filled, unchanged: left } = fillUnchanged<unknown>(values, known);
      for (const [i, value] of values.entries()) {
        const stays = value === unchanged && (known[i] === unchanged || known[i] === absent);
        expect(left.includes(i)).toBe(stays);
        expect(filled[i]).toBe(value === unchanged && !stays ? known[i] : value);
      }
    }),
    500,
  );

  law(
    "so it is of TupleData",
    fc.property(row, row, (values, old) => {
      const write = rowWriter(relation, typeMap);
      const { row: filled } = fillUnchanged(write(values).toArray(), write(old).toArray());
      expect(reader.read(TupleData.of(filled))).toEqual(fillUnchanged<unknown>(values, old).row);
    }),
    200,
  );
});

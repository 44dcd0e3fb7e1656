/** Laws of values: what is written reads back, and what is damaged is refused or is another value, in time that grows with its size. */
import { isDeepStrictEqual } from "node:util";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { typeValue } from "../../src/arbitraries/values.ts";
import { DecodeError, EncodeError, WalwireError } from "../../src/kernel/errors.ts";
import { builtinTypes } from "../../src/values/builtin.ts";
import type { Codec } from "../../src/values/codec.ts";
import { double, float4, float8, formatFloat8, shortest } from "../../src/values/float.ts";
import * as values from "../../src/values/index.ts";
import { absent, fillUnchanged, rowReader, rowWriter, type TypeDefinition, TypeMap } from "../../src/values/index.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";
import { toHex } from "../hex.ts";
import { typeGraph } from "../type-graphs.ts";
import { hostileValue, withChange } from "./grammar.ts";
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
  { kind: "base", oid: 20008, name: "unknown" },
  { kind: "composite", oid: 20009, name: "nothing", fields: [] },
  { kind: "multirange", oid: 20010, name: "textmultirange", subtype: 25 },
  { kind: "base", oid: 20011, name: "hstore", extension: "hstore" },
  { kind: "base", oid: 20012, name: "ltree", extension: "ltree" },
  { kind: "base", oid: 20013, name: "citext", extension: "citext" },
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
const twofold = /^_?(reg.*|money|tsquery|aclitem|unknown)$/;

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

/** What is written; undefined for what is not JSON: json and jsonb are read as they come, and checked when they are written. */
function writeOr<T>(write: () => T, name: string): T | undefined {
  try {
    return write();
  } catch (error) {
    if (!/^_?jsonb?$/.test(name) || !(error instanceof EncodeError)) throw error;
    return undefined;
  }
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
    "a value reads back from its JSON",
    fc.property(value, (each) => {
      const json = JSON.stringify(values.jsonOfValue(each, oid, typeMap));
      const read = values.valueOfJson(JSON.parse(json), oid, typeMap);
      // A number that stands for a name is the text of it.
      if (twofold.test(name))
        expect(JSON.stringify(values.jsonOfValue(read, oid, typeMap)).replaceAll('"', "")).toBe(
          json.replaceAll('"', ""),
        );
      else expect(isDeepStrictEqual(read, each), json).toBe(true);
    }),
    runs,
  );

  law(
    "any JSON is refused, or is that of a value",
    fc.property(fc.jsonValue(), (json) => {
      let read: unknown;
      try {
        read = values.valueOfJson(json, oid, typeMap);
      } catch (error) {
        if (!(error instanceof DecodeError || error instanceof EncodeError)) throw error;
        return;
      }
      if (read !== null)
        expect(
          isDeepStrictEqual(
            values.valueOfJson(JSON.parse(JSON.stringify(values.jsonOfValue(read, oid, typeMap))), oid, typeMap),
            read,
          ),
        ).toBe(true);
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
        const written = writeOr(() => codec.writeText(read.value), name);
        if (written === undefined) return;
        expect(isDeepStrictEqual(codec.readText(written), read.value), text).toBe(true);
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
          const again = writeOr(() => codec.writeBinary(read.value), name);
          if (again === undefined) return;
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
  /** What is done before a type is looked at: descriptions are added, some outdated ones first, and codecs and rows are asked for. */
  const step = fc.record({ pick: fc.nat(999), what: fc.constantFrom("add", "outdated", "codec", "read", "reader") });

  law(
    "the order of descriptions does not matter",
    fc.property(
      typeGraph(),
      fc.array(step, { maxLength: 40 }),
      fc.nat(),
      fc.nat(),
      (definitions, steps, seed, which) => {
        const map = new TypeMap();
        const early = new Map<number, Codec>();
        const relation = {
          namespace: "",
          name: "t",
          columns: definitions.map(({ oid, name }) => ({ name, typeId: oid, key: false, typeModifier: -1 })),
        };
        const readers = [rowReader(relation, map)];
        for (const { pick, what } of steps) {
          const definition = definitions[pick % definitions.length]!;
          const { oid } = definition;
          if (what === "add") map.add(definition);
          else if (what === "outdated") map.add({ ...definitions[(pick * 7) % definitions.length]!, oid });
          else if (what === "reader") readers.push(rowReader(relation, map));
          else {
            early.set(oid, map.codec(oid));
            if (what === "read") readOr(() => map.codec(oid).readText('("{}",)'));
          }
        }
        map.add(
          ...fc.sample(fc.shuffledSubarray([...definitions], { minLength: definitions.length }), {
            numRuns: 1,
            seed,
          })[0]!,
        );
        const fresh = new TypeMap().add(...definitions);
        for (const { oid } of [definitions[which % definitions.length]!, definitions.at(-1)!]) {
          const value = fc.sample(typeValue(oid, fresh), { numRuns: 1, seed })[0];
          const text = fresh.codec(oid).writeText(value);
          const bytes = fresh.codec(oid).writeBinary(value);
          for (const codec of [fresh.codec(oid), map.codec(oid), early.get(oid) ?? map.codec(oid)]) {
            expect(codec.writeText(value)).toBe(text);
            expect(toHex(codec.writeBinary(value))).toBe(toHex(bytes));
            expect(isDeepStrictEqual(codec.readText(text), value), text).toBe(true);
            expect(isDeepStrictEqual(codec.readBinary(bytes), value), text).toBe(true);
          }
          const tuple = TupleData.of(definitions.map((each) => (each.oid === oid ? text : null)));
          for (const reader of readers) {
            const i = definitions.findIndex((each) => each.oid === oid);
            expect(isDeepStrictEqual(reader.read(tuple)[i], value), text).toBe(true);
          }
        }
      },
    ),
    1000,
  );

  test("reads a type that contains itself, up to the limit of nesting", () => {
    const definitions: readonly TypeDefinition[] = [
      {
        kind: "composite",
        oid: 30000,
        name: "node",
        fields: [
          { name: "n", type: 23 },
          { name: "kids", type: 30001 },
          { name: "span", type: 30002 },
        ],
      },
      { kind: "array", oid: 30001, name: "_node", element: 30000 },
      { kind: "range", oid: 30002, name: "span", subtype: 30000 },
    ];
    const node = (n: number, kids: unknown, span: unknown = null): unknown =>
      Object.assign(Object.create(null), { n, kids, span });
    const value = node(1, [
      node(2, [node(3, []), null]),
      node(4, null, { lower: node(5, null), upper: null, bounds: "[)" }),
    ]);
    for (const each of [definitions, definitions.toReversed()]) {
      const codec = new TypeMap().add(...each).codec(30000);
      expect(isDeepStrictEqual(codec.readText(codec.writeText(value)), value)).toBe(true);
      expect(isDeepStrictEqual(codec.readBinary(codec.writeBinary(value)), value)).toBe(true);
    }
    // 32 levels: 16 nodes and as many arrays. What is below them are its bytes.
    let deep: unknown = node(0, null);
    const codec = new TypeMap().add(...definitions).codec(30000);
    const innermost = codec.writeBinary(deep);
    deep = innermost;
    for (let i = 0; i < 16; i++) deep = node(i, [deep]);
    expect(isDeepStrictEqual(codec.readBinary(codec.writeBinary(deep)), deep)).toBe(true);
    // Afterwards, also after an error, as deep as before.
    expect(() => codec.readBinary(innermost.subarray(1))).toThrow(DecodeError);
    expect(isDeepStrictEqual(codec.readBinary(codec.writeBinary(deep)), deep)).toBe(true);
  });

  test("domains over each other and arrays of themselves end", () => {
    const map = new TypeMap().add(
      { kind: "domain", oid: 30000, name: "a", base: 30001 },
      { kind: "domain", oid: 30001, name: "b", base: 30000 },
      { kind: "array", oid: 30002, name: "c", element: 30002 },
      { kind: "multirange", oid: 30003, name: "d", subtype: 30003 },
    );
    expect(map.codec(30000).readText("x")).toBe("x");
    expect(map.codec(30000).listLike).toBe(false);
    expect(map.codec(30002).readText('{"{}"}')).toEqual([[]]);
    expect(map.codec(30003).readText('{["{}",)}')).toEqual([{ lower: [], upper: null, bounds: "[)" }]);
    expect(map.addFromTypeMessage({ typeId: 30000, namespace: "", name: "a" })).toBe(false);
  });

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
      for (const i of columns.keys()) expect(key[i]).toEqual(values[i] === null ? absent : values[i]);
    }),
    500,
  );

  law(
    "filling leaves nothing unchanged but what the old row does not know, and changes nothing else",
    fc.property(row, row, fc.boolean(), (values, old, isKey) => {
      const known = old.map((value, i) => (isKey && !columns[i]!.key ? absent : value));
      const { row: filled, unchanged: left } = fillUnchanged<unknown>(values, known);
      for (const [i, value] of values.entries()) {
        const stays = value === unchanged && [null, unchanged, absent].includes(known[i] as null);
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

describe("arguments of any kind", () => {
  const { catalogQuery, readRow, rowObject, TypeMap } = values;
  const column = { name: "a", typeId: 20003, key: true, typeModifier: -1 };
  const relation = { namespace: "public", name: "t", columns: [column, { ...column, name: "b", typeId: 23 }] };
  const tuple = TupleData.of(["(1,a,sad)", null]);
  const row = [Object.assign(Object.create(null), { first: 1, ["__proto__"]: "a", mood: "sad" }), null];
  const catalogRow = ["16600", "public", "m", "e", null, null, "{a}", "{}", "{}", null];
  const codec = typeMap.codec(20003);

  /** Calls of every function and method that walwire/values exports, with good arguments. */
  const calls: Readonly<
    Record<string, { readonly args: readonly unknown[]; readonly call: (...args: never[]) => unknown }>
  > = {
    catalogQuery: { args: [], call: catalogQuery },
    TypeMap: { args: [{ server: 18, codecs: { a: codec } }], call: (options: object) => new TypeMap(options) },
    add: { args: own, call: (...all: TypeDefinition[]) => new TypeMap().add(...all) },
    addFromCatalog: { args: [[catalogRow]], call: (rows: never) => new TypeMap().addFromCatalog(rows) },
    addFromTypeMessage: {
      args: [{ typeId: 16600, namespace: "", name: "int4" }],
      call: (message: never) => new TypeMap().addFromTypeMessage(message),
    },
    has: { args: [23], call: (oid: never) => typeMap.has(oid) },
    definition: { args: [20003], call: (oid: never) => typeMap.definition(oid) },
    codec: { args: [20003], call: (oid: never) => typeMap.codec(oid) },
    readText: { args: ["(1,a,sad)"], call: codec.readText as never },
    readBinary: { args: [codec.writeBinary(row[0])], call: codec.readBinary as never },
    writeText: { args: [row[0]], call: codec.writeText as never },
    writeBinary: { args: [row[0]], call: codec.writeBinary as never },
    readRow: { args: [relation, tuple, typeMap, { key: true }], call: readRow as never },
    rowObject: { args: [relation, row], call: rowObject as never },
    rowReader: { args: [relation, typeMap, { onUnreadable: () => null }], call: rowReader as never },
    read: { args: [tuple], call: rowReader(relation, typeMap).read as never },
    readKey: { args: [tuple], call: rowReader(relation, typeMap).readKey as never },
    readOld: { args: [{ type: "key", tuple }], call: rowReader(relation, typeMap).readOld as never },
    readColumn: { args: [tuple, 1], call: rowReader(relation, typeMap).readColumn as never },
    rowWriter: { args: [relation, typeMap, { format: "binary" }], call: rowWriter as never },
    writeRow: { args: [row], call: rowWriter(relation, typeMap) as never },
    fillUnchanged: { args: [row, row], call: fillUnchanged as never },
    jsonOfValue: { args: [row[0], 20003, typeMap], call: values.jsonOfValue as never },
    valueOfJson: {
      args: [values.jsonOfValue(row[0], 20003, typeMap), 20003, typeMap],
      call: values.valueOfJson as never,
    },
    jsonOfRow: { args: [relation, rowObject(relation, row), typeMap], call: values.jsonOfRow as never },
  };

  test("every exported function is among the calls", () => {
    const functions = Object.entries(values).filter(([, value]) => typeof value === "function");
    const methods = Object.getOwnPropertyNames(TypeMap.prototype).filter(
      (name) => !["constructor", "revision"].includes(name),
    );
    const names = [...functions.map(([name]) => name), ...methods, ...Object.keys(rowReader(relation, typeMap))];
    expect(Object.keys(calls)).toEqual(expect.arrayContaining(names.filter((name) => name !== "TupleData")));
    for (const [name, { args, call }] of Object.entries(calls))
      expect(() => call(...(args as never[])), name).not.toThrow();
  });

  law(
    "give a value or an error of ours",
    fc.property(
      fc.constantFrom(...Object.keys(calls)),
      fc.array(hostileValue(), { maxLength: 4 }),
      fc.nat(),
      fc.constantFrom("all", "one", "within"),
      (name, hostile, pick, where) => {
        const { args, call } = calls[name]!;
        const given = [...args];
        if (where === "one" && args.length > 0) given[pick % args.length] = hostile[0];
        if (where === "within" && args.length > 0) {
          const i = pick % args.length;
          const whole = args[i];
          // What has private parts cannot be changed within.
          if (!(whole instanceof TypeMap || whole instanceof TupleData))
            given[i] = withChange({ whole }, pick, hostile[0]).whole;
        }
        try {
          call(...((where === "all" ? hostile : given) as never[]));
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error;
        }
      },
    ),
    10_000,
  );
});

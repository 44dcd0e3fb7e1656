/** Values one by one: the documented table, and errors with where and why. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { DecodeError, EncodeError, UnsupportedError } from "../../src/kernel/errors.ts";
import { builtins, builtinTypes } from "../../src/values/builtin.ts";
import {
  absent,
  type CatalogRow,
  catalogQuery,
  fillUnchanged,
  readRow,
  rowObject,
  rowReader,
  rowWriter,
  TypeMap,
} from "../../src/values/index.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";

const codecOf = (name: string) => new TypeMap().codec(builtins().oids.get(name)!);

describe("the table of docs/values.md", () => {
  const text = readFileSync(new URL("../../docs/values.md", import.meta.url), "utf8");
  const rows = [...text.matchAll(/^\| (\w+) \| (.*) \| `(.*)` \| `(.*)` \|$/gm)].map(([, name, , shown, value]) => ({
    ...{ name: name!, shown: shown!.replaceAll("\\|", "|"), value: value! },
  }));

  test("has every built-in type, once", () => {
    expect(rows.map(({ name }) => name).sort()).toEqual(
      builtinTypes()
        .map(([, , { name }]) => name)
        .sort(),
    );
  });

  test.each(rows)("$name: $shown", ({ name, shown, value }) => {
    const codec = codecOf(name);
    const expected: unknown = new Function(`return (${value})`)();
    expect(codec.readText(shown)).toEqual(expected);
    if (codec.twofold !== true) expect(codec.readBinary(codec.writeBinary(expected))).toEqual(expected);
    // The zone is not kept, the moment is.
    if (name !== "timestamptz") expect(codec.writeText(expected)).toBe(shown);
  });
});

describe("text that no server sends", () => {
  test.each([
    ["bool", "true", 0],
    ["int2", "32768", 0],
    ["int4", "007", 0],
    ["int4", "-0", 0],
    ["int4", "1.0", 0],
    ["int4", "", 0],
    ["int8", "0x10", 0],
    ["int8", "9223372036854775808", 0],
    ["oid", "-1", 0],
    ["float4", "1e39", 0],
    ["float4", "1e-50", 0],
    ["float8", "1e400", 0],
    ["float8", "inf", 0],
    ["float8", "0x10", 0],
    ["float8", "1.", 0],
    ["numeric", "1e5", 0],
    ["numeric", "-0.0", 0],
    ["numeric", "01", 0],
    ["numeric", "+1", 0],
    ["pg_lsn", "0", 0],
    ["char", "ab", 0],
    ["text", "a\0b", 1],
    ["bytea", "\\x0", 2],
    ["bytea", "\\x00zz", 4],
    ["bytea", "ab\\9", 2],
    ["bytea", "é", 0],
    ["date", "2023-02-29", 0],
    ["date", "1900-02-29", 0],
    ["date", "0000-01-01", 0],
    ["date", "5874898-01-01", 0],
    ["date", "4714-11-23 BC", 0],
    ["date", "01-02-2024", 0],
    ["timestamp", "2024-01-01 24:00:00", 0],
    ["timestamp", "2024-01-01 00:00:60", 0],
    ["timestamp", "2024-01-01 00:00:00+00", 0],
    ["timestamp", "294277-01-01 00:00:00", 0],
    ["timestamptz", "2024-01-01 00:00:00", 0],
    ["timestamptz", "2024-01-01 00:00:00+16", 0],
    ["time", "24:00:00.000001", 0],
    ["timetz", "12:00:00", 0],
    ["interval", "", 0],
    ["interval", " 1 day", 0],
    ["interval", "P1Y", 0],
    ["interval", "@ 1 year", 0],
    ["interval", "178956971 years", 0],
    ["uuid", "A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11", 0],
    ["inet", "1.2.3", 0],
    ["inet", "1.2.3.4/32", 0],
    ["inet", "1:2:3:4:5:6:7:8:9", 0],
    ["inet", "0:0::1", 0],
    ["cidr", "10.0.0.1/8", 0],
    ["bit", "102", 0],
    ["tsvector", "a", 0],
    ["tsvector", "'a':1D", 0],
    ["point", "1,2", 0],
    ["polygon", "()", 0],
    ["_int4", "{1,,2}", 3],
    ["_int4", "{1,2", 4],
    ["_int4", "{1,2}}", 5],
    ["_int4", "{{1},{2,3}}", 9],
    ["_int4", "{{1},2}", 5],
    ["_int4", "{{}}", 2],
    ["_int4", "{1,x}", 3],
    ["_int4", "[1:3]={1,2}", 0],
    ["_int4", "[2:1]={}", 0],
    ["_int4", "{{{{{{{1}}}}}}}", 6],
    ["_int4", "", 0],
    ["_text", '{"a}', 1],
    ["_text", '{"a"b}', 4],
    ["_text", "{a b}", 2],
    ["_int4", '{"1x"}', 2],
    ["int4range", "[1,2", 4],
    ["int4range", "[1;2)", 1],
    ["int4range", "[,2)", 0],
    ["int4range", "[1,2)x", 5],
    ["int4range", "[1,x)", 3],
    ["int4multirange", "{[1,2)", 6],
    ["int4multirange", "{empty}", 1],
    ["int2vector", "1  2", 0],
  ])("%s: %j", (name, text, offset) => {
    expect(() => codecOf(name).readText(text)).toThrow(
      expect.objectContaining({
        constructor: DecodeError,
        code: "BAD_VALUE",
        offset,
        path: expect.stringMatching(`^${name}`),
      }),
    );
  });
});

describe("bytes that no server sends", () => {
  test.each([
    ["bool", "02", "BAD_VALUE", 0],
    ["bool", "", "TRUNCATED", 0],
    ["int4", "000001", "TRUNCATED", 3],
    ["int4", "0000000100", "TRAILING_BYTES", 4],
    ["text", "6100", "BAD_VALUE", 1],
    ["jsonb", "", "TRUNCATED", 0],
    ["jsonb", "027b7d", "BAD_VALUE", 0],
    ["numeric", "0001 0000 0000 0000 2710", "BAD_VALUE", 8],
    ["numeric", "0001 0000 0001 0000 0001", "BAD_VALUE", 4],
    ["numeric", "0001 0000 0000 4000 0001", "BAD_VALUE", 6],
    ["numeric", "0001 ffff 0000 0002 0001", "BAD_VALUE", 6],
    ["numeric", "0000 0000 4000 0000", "BAD_VALUE", 2],
    ["numeric", "0001 0000 0000 0000 0000", "BAD_VALUE", 8],
    ["numeric", "0002 0000 0000 0000 0001", "TRUNCATED", 10],
    ["date", "7ffffffe", "BAD_VALUE", 0],
    ["timestamp", "7ffffffffffffffe", "BAD_VALUE", 0],
    ["time", "ffffffffffffffff", "BAD_VALUE", 0],
    ["timetz", "0000000000000000 0000e100", "BAD_VALUE", 8],
    ["inet", "04 20 00 04 01020304", "BAD_VALUE", 0],
    ["inet", "02 21 00 04 01020304", "BAD_VALUE", 1],
    ["cidr", "02 08 01 04 0a000001", "BAD_VALUE", 4],
    ["bit", "00000001 40", "BAD_VALUE", 4],
    ["bit", "00000009 ff", "TRUNCATED", 4],
    ["path", "02 00000001", "BAD_VALUE", 0],
    ["polygon", "00000000", "BAD_VALUE", 0],
    ["_int4", "00000007 00000000 00000017", "BAD_VALUE", 0],
    ["_int4", "00000000 00000002 00000017", "BAD_VALUE", 4],
    ["_int4", "00000000 00000000 00000014", "BAD_VALUE", 8],
    ["_int4", "00000001 00000000 00000017 00000000 00000001", "BAD_VALUE", 12],
    ["_int4", "00000001 00000000 00000017 7fffffff 00000001", "TRUNCATED", 20],
    ["_int4", "00000001 00000000 00000017 00000001 00000001 ffffffff", "BAD_VALUE", 20],
    ["_int4", "00000001 00000000 00000017 00000001 00000001 fffffffe", "BAD_LENGTH", 20],
    ["_int4", "00000001 00000000 00000017 00000001 00000001 00000003 000001", "TRUNCATED", 27],
    ["int4range", "03", "BAD_VALUE", 0],
    ["int4range", "0a", "BAD_VALUE", 0],
    ["int4range", "20", "BAD_VALUE", 0],
    ["int4multirange", "00000001 00000001 01", "BAD_VALUE", 8],
  ])("%s: %s", (name, bytes, code, offset) => {
    expect(() => codecOf(name).readBinary(hex(bytes))).toThrow(
      expect.objectContaining({ constructor: DecodeError, code, offset }),
    );
  });
});

describe("values of another type", () => {
  test.each([
    ["bool", 1],
    ["int4", "1"],
    ["int4", 1.5],
    ["int4", -0],
    ["int8", 1],
    ["float4", 0.1],
    ["numeric", 1],
    ["numeric", "1e5"],
    ["text", 1],
    ["text", "\0"],
    ["bytea", "00"],
    ["date", 0.5],
    ["timestamp", 0],
    ["timestamp", 2n ** 63n - 2n],
    ["timetz", { microseconds: 0n }],
    ["interval", { months: 1, days: 0, microseconds: 0 }],
    ["uuid", "x"],
    ["inet", "1.2.3.4/32"],
    ["_int4", "{1}"],
    ["_int4", [1, [2]]],
    ["_int4", [[]]],
    ["_int4", [[1], [2, 3]]],
    ["_int4", [[[[[[[1]]]]]]]],
    ["_int4", { dimensions: [{ length: 2, lowerBound: 1 }], elements: [1] }],
    ["_int4", { dimensions: [{ length: 1, lowerBound: 2 ** 31 }], elements: [1] }],
    ["_int4", [undefined]],
    ["int4range", { lower: 1, upper: 2, bounds: "[[" }],
    ["int4range", { lower: null, upper: 2, bounds: "[)" }],
    ["int4multirange", ["empty"]],
  ])("%s does not take %o", (name, value) => {
    for (const write of ["writeText", "writeBinary"] as const) {
      expect(() => codecOf(name)[write](value as never)).toThrow(EncodeError);
    }
  });
});

test("a string that no bytes have is refused where it becomes bytes", () => {
  expect(() => codecOf("text").writeBinary("\ud800")).toThrow(EncodeError);
  expect(toHex(codecOf("text").writeBinary("n\udce4"))).toBe("6ee4");
});

test("an error of a part says where it is in the whole, and what it is", () => {
  const read = (): unknown => codecOf("_int4range").readText('{"[1,2)","[1,x)"}');
  expect(read).toThrow(expect.objectContaining({ path: "_int4range[1].upper", offset: 13 }));
  expect(read).toThrow(
    '_int4range[1] at offset 10: int4range.upper at offset 3: int4 is "x", but can be a whole number of -2147483648 to 2147483647 only, at offset 0',
  );
});

describe("numeric", () => {
  test("of few bytes may be long, and costs nothing until it is looked at", () => {
    const elements = Array.from({ length: 20_000 }, () => "0000000a 0001 7fff 0000 0000 0001").join("");
    const bytes = hex(`00000001 00000000 000006a4 00004e20 00000001 ${elements}`);
    const start = performance.now();
    const value = codecOf("_numeric").readBinary(bytes) as string[];
    expect(performance.now() - start).toBeLessThan(1000);
    expect(value.length).toBe(20_000);
    // Each of them has 131,069 digits: 2.6 GB in all.
    expect(value[0]!.length).toBe(131_069);
  });
});

describe("TypeMap", () => {
  const composite = {
    kind: "composite",
    oid: 20001,
    name: "pair",
    fields: [
      { name: "a", type: 23 },
      { name: "__proto__", type: 20000 },
    ],
  } as const;

  test("a type that nobody has described is a string in text, and bytes in binary", () => {
    const codec = new TypeMap().codec(99999);
    expect(codec.readText("{a,b}")).toBe("{a,b}");
    expect(codec.readBinary(hex("0001"))).toEqual(hex("0001"));
    expect(new TypeMap().has(99999)).toBe(false);
  });

  test("types are described in any order, and again", () => {
    const map = new TypeMap().add(composite);
    expect(Object.entries(map.codec(20001).readText("(1,x)") as object)).toEqual([
      ["a", 1],
      ["__proto__", "x"],
    ]);
    map.add({ kind: "domain", oid: 20000, name: "count", base: 20 });
    const value = map.codec(20001).readText("(1,7)") as Record<string, unknown>;
    expect(Object.getPrototypeOf(value)).toBeNull();
    expect(Object.entries(value)).toEqual([
      ["a", 1],
      ["__proto__", 7n],
    ]);
    expect(toHex(map.codec(20001).writeBinary(value))).toBe(
      "00000002" + "00000017" + "00000004" + "00000001" + "00004e20" + "00000008" + "0000000000000007",
    );
    expect(() => map.codec(20001).readText("(1,x)")).toThrow(
      expect.objectContaining({ path: "pair.__proto__", offset: 3 }),
    );
    expect(() => map.codec(20001).writeText({ a: 1 })).toThrow(EncodeError);
  });

  test("a Type message tells a domain's base type, and nothing of others", () => {
    const map = new TypeMap();
    expect(map.addFromTypeMessage({ typeId: 16400, namespace: "", name: "int4" })).toBe(true);
    expect(map.codec(16400).readText("7")).toBe(7);
    expect(map.addFromTypeMessage({ typeId: 16401, namespace: "", name: "_int4" })).toBe(true);
    expect(map.codec(16401).readText("{7}")).toEqual([7]);
    expect(map.addFromTypeMessage({ typeId: 16402, namespace: "public", name: "mood" })).toBe(false);
    expect(map.codec(16402).readText("sad")).toBe("sad");
    expect(map.addFromTypeMessage({ typeId: 16403, namespace: "public", name: "int4" })).toBe(false);
    map.add({ kind: "enum", oid: 16402, name: "mood", namespace: "public" });
    expect(map.addFromTypeMessage({ typeId: 16402, namespace: "public", name: "mood" })).toBe(true);
    expect(map.addFromTypeMessage({ typeId: 16404, namespace: "public", name: "mood" })).toBe(true);
    expect(map.definition(16404)).toMatchObject({ kind: "domain", base: 16402 });
    expect(new TypeMap().addFromTypeMessage({ typeId: 23, namespace: "", name: "int4" })).toBe(true);
  });

  test("the catalog's rows come as arrays or objects, and not otherwise", () => {
    const columns = [...catalogQuery().matchAll(/AS "(\w+)"/g)].map(([, name]) => name!);
    const row = ["16500", "public", "mood", "e", null, null, '{sad,"a b"}', "{}", "{}"];
    const object = Object.fromEntries(columns.map((name, i) => [name, row[i]!])) as CatalogRow;
    for (const each of [row, object]) {
      expect(new TypeMap().addFromCatalog([each]).definition(16500)).toEqual({
        ...{ kind: "enum", oid: 16500, name: "mood", namespace: "public", labels: ["sad", "a b"] },
      });
    }
    expect(() => new TypeMap().addFromCatalog([["x"]])).toThrow(DecodeError);
    expect(() => new TypeMap().addFromCatalog([[...row.slice(0, 3), "d", null]])).toThrow(
      expect.objectContaining({ path: "catalog[0].of", code: "BAD_VALUE" }),
    );
  });

  test.each([
    [{ kind: "enum", oid: 0, name: "a" }],
    [{ kind: "enum", oid: 23, name: "a" }],
    [{ kind: "domain", oid: 20000, name: "a" }],
    [{ kind: "composite", oid: 20000, name: "a" }],
    [{ kind: "other", oid: 20000, name: "a" }],
    [{ kind: "enum", oid: 20000 }],
    [null],
  ])("%j is no definition", (definition) => {
    expect(() => new TypeMap().add(definition as never)).toThrow(EncodeError);
  });
});

describe("rows", () => {
  const column = (name: string, typeId: number, key = false) => ({ name, typeId, key, typeModifier: -1 });
  const relation = {
    namespace: "public",
    name: "fruit",
    columns: [column("id", 23, true), column("__proto__", 25), column("price", 1700)],
  };
  const typeMap = new TypeMap();

  test("null, unchanged and absent are three things", () => {
    const tuple = TupleData.of(["7", null, unchanged]);
    expect(readRow(relation, tuple, typeMap)).toEqual([7, null, unchanged]);
    expect(readRow(relation, tuple, typeMap, { key: true })).toEqual([7, absent, absent]);
    expect(rowReader(relation, typeMap).readOld({ type: "key", tuple })).toEqual([7, absent, absent]);
    expect(rowReader(relation, typeMap).readColumn(tuple, 1)).toBeNull();
    expect(Object.isFrozen(absent)).toBe(true);
  });

  test("an error names the column", () => {
    expect(() => readRow(relation, TupleData.of(["7", "a", "1,5"]), typeMap)).toThrow(
      expect.objectContaining({ path: "public.fruit.price", offset: 0, code: "BAD_VALUE" }),
    );
    expect(() => readRow(relation, TupleData.of([hex("00"), null, null]), typeMap)).toThrow(
      expect.objectContaining({ path: "public.fruit.id", code: "TRUNCATED" }),
    );
    expect(() => rowWriter(relation, typeMap)(["7", null, null])).toThrow(
      expect.objectContaining({ path: "public.fruit.id" }),
    );
    expect(() => rowWriter(relation, typeMap)([7])).toThrow(EncodeError);
  });

  test("a row of another number of columns is refused", () => {
    for (const read of ["read", "readKey"] as const) {
      expect(() => rowReader(relation, typeMap)[read](TupleData.of(["7"]))).toThrow(
        expect.objectContaining({ constructor: DecodeError, code: "BAD_LENGTH" }),
      );
    }
  });

  test("names are those of the columns, whatever they are, and each once", () => {
    const object = rowObject(relation, [7, "a", absent]);
    expect(Object.entries(object)).toEqual([
      ["id", 7],
      ["__proto__", "a"],
    ]);
    expect(Object.getPrototypeOf(object)).toBeNull();
    const doubled = { ...relation, columns: [column("a", 23), column("a", 23)] };
    expect(readRow(doubled, TupleData.of(["1", "2"]), typeMap)).toEqual([1, 2]);
    expect(() => rowObject(doubled, [1, 2])).toThrow(expect.objectContaining({ path: "Relation.columns[1].name" }));
  });

  test("what is unchanged is filled from the old row, NULL included", () => {
    expect(fillUnchanged<unknown>([1, unchanged, unchanged], [0, null, "a"])).toEqual({
      row: [1, null, "a"],
      unchanged: [],
    });
    expect(fillUnchanged<unknown>([1, unchanged], undefined)).toEqual({ row: [1, unchanged], unchanged: [1] });
    expect(fillUnchanged<unknown>([1, unchanged], [1, absent])).toEqual({ row: [1, unchanged], unchanged: [1] });
  });

  test("a value goes in the format asked for, and one that has none there as it is", () => {
    const types = { namespace: "", name: "t", columns: [column("a", 23), column("b", 99999), column("c", 99999)] };
    const write = rowWriter(types, typeMap, { format: "binary" });
    const tuple = write([1, "x", hex("ff")]);
    expect([0, 1, 2].map((i) => tuple.kind(i))).toEqual(["binary", "text", "binary"]);
    expect(write([absent, unchanged, null]).toArray()).toEqual([null, unchanged, null]);
  });
});

test("pg_lsn is written as the server's version does, in what holds it too", () => {
  const lsn = codecOf("pg_lsn").readText("1/00000002");
  const texts = ["18", "19"].map((server) =>
    [3220, 3221].map((oid) => new TypeMap({ server }).codec(oid).writeText(oid === 3220 ? lsn : [lsn])),
  );
  expect(texts).toEqual([
    ["1/2", "{1/2}"],
    ["1/00000002", "{1/00000002}"],
  ]);
  for (const server of ["8.4", "", 0]) expect(() => new TypeMap({ server })).toThrow(UnsupportedError);
});

test("points of old servers read too", () => {
  expect(codecOf("point").readText("(inf,nan)")).toBe("(Infinity,NaN)");
});

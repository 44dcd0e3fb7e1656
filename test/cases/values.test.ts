/** Values one by one: the documented table, and errors with where and why. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { ArgumentError, DecodeError, EncodeError, UnsupportedError } from "../../src/kernel/errors.ts";
import { builtins, builtinTypes } from "../../src/values/builtin.ts";
import type { Codec } from "../../src/values/codec.ts";
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

const docs = readFileSync(new URL("../../docs/values.md", import.meta.url), "utf8");

describe("the table of docs/values.md", () => {
  const rows = [...docs.matchAll(/^\| (\w+) \| (.*) \| `(.*)` \| `(.*)` \|$/gm)].map(([, name, , shown, value]) => ({
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
    '_int4range[1] at offset 10: int4range.upper at offset 3: int4 is "x", expected a whole number from -2147483648 to 2147483647, at offset 0',
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

describe("numeric", () => {
  test("has as many digits before the point as the server keeps, and not one more", () => {
    const most = `1${"0".repeat(131_071)}`;
    expect(codecOf("numeric").readBinary(codecOf("numeric").writeBinary(most))).toBe(most);
    expect(() => codecOf("numeric").writeBinary(`${most}0`)).toThrow(EncodeError);
    expect(() => codecOf("numeric").writeBinary(`-${most}0.5`)).toThrow(EncodeError);
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
    expect(new TypeMap().addFromTypeMessage({ typeId: 23, namespace: "", name: "int4" })).toBe(true);
    expect(new TypeMap().addFromTypeMessage({ typeId: 0, namespace: "", name: "int4" })).toBe(false);
  });

  test("a type that was dropped and created again is not a domain over the old one", () => {
    const map = new TypeMap().add({ ...composite, namespace: "public" });
    expect(map.addFromTypeMessage({ typeId: 20005, namespace: "public", name: "pair" })).toBe(false);
    expect(map.has(20005)).toBe(false);
    expect(map.codec(20005).readText("(x,1)")).toBe("(x,1)");
  });

  test("a Type message that contradicts what is known says so, and a built-in name is believed", () => {
    const map = new TypeMap().add(
      { kind: "enum", oid: 16402, name: "mood", namespace: "public" },
      { kind: "domain", oid: 16403, name: "feeling", namespace: "other", base: 16402 },
      { kind: "domain", oid: 16404, name: "deep", namespace: "other", base: 16403 },
    );
    for (const typeId of [16403, 16404]) {
      expect(map.addFromTypeMessage({ typeId, namespace: "public", name: "mood" })).toBe(true);
      expect(map.addFromTypeMessage({ typeId, namespace: "public", name: "moods" })).toBe(false);
      expect(map.addFromTypeMessage({ typeId, namespace: "other", name: "mood" })).toBe(false);
    }
    const early = map.codec(16403);
    expect(map.addFromTypeMessage({ typeId: 16403, namespace: "", name: "int8" })).toBe(true);
    expect([map.codec(16403).readText("7"), early.readText("7"), map.codec(16404).readText("7")]).toEqual([7n, 7n, 7n]);
  });

  /** Types with parts that are asked for before and after each other. */
  const nested = [
    { kind: "composite", oid: 20010, name: "addr", fields: [{ name: "street", type: 25 }] },
    { kind: "array", oid: 20011, name: "_addr", element: 20010 },
    {
      kind: "composite",
      oid: 20012,
      name: "who",
      fields: [
        { name: "home", type: 20010 },
        { name: "others", type: 20011 },
      ],
    },
    {
      kind: "composite",
      oid: 20013,
      name: "ohw",
      fields: [
        { name: "others", type: 20011 },
        { name: "home", type: 20010 },
      ],
    },
    { kind: "domain", oid: 20014, name: "place", base: 20010 },
    {
      kind: "composite",
      oid: 20015,
      name: "two",
      fields: [
        { name: "a", type: 20010 },
        { name: "b", type: 20014 },
      ],
    },
  ] as const;

  test("a type is read the same wherever its parts were asked for before", () => {
    const home = { street: "a" };
    const who = { home, others: [home, { street: "b" }] };
    for (const definitions of [nested, nested.toReversed()]) {
      const map = new TypeMap().add(...definitions);
      expect(map.codec(20012).readText('("(a)","{(a),(b)}")')).toEqual(who);
      expect(map.codec(20013).readText('("{(a),(b)}","(a)")')).toEqual(who);
      expect(map.codec(20015).readText('("(a)","(b)")')).toEqual({ a: home, b: { street: "b" } });
      expect(map.codec(20011).readText("{(a)}")).toEqual([home]);
      const bytes = map.codec(20012).writeBinary(who);
      expect(map.codec(20012).readBinary(bytes)).toEqual(who);
    }
  });

  test("existing codecs, readers and writers use new descriptions", () => {
    const map = new TypeMap();
    const relation = { namespace: "", name: "t", columns: [{ name: "a", typeId: 20011, key: true, typeModifier: -1 }] };
    const [codec, reader, write] = [map.codec(20011), rowReader(relation, map), rowWriter(relation, map)];
    const tuple = TupleData.of(['{"(a,1)"}']);
    expect([codec.readText("{}"), reader.read(tuple)]).toEqual(["{}", ['{"(a,1)"}']]);
    map.add(nested[1]);
    expect(reader.read(tuple)).toEqual([["(a,1)"]]);
    map.add({
      ...nested[0],
      fields: [
        { name: "street", type: 25 },
        { name: "number", type: 23 },
      ],
    });
    expect(codec.readText('{"(a,1)"}')).toEqual([{ street: "a", number: 1 }]);
    expect(reader.read(tuple)).toEqual([[{ street: "a", number: 1 }]]);
    expect(write([[{ street: "a", number: 1 }]]).toArray()).toEqual(['{"(a,1)"}']);
    map.add({
      ...nested[0],
      fields: [
        { name: "name", type: 25 },
        { name: "number", type: 23 },
      ],
    });
    expect(reader.read(tuple)).toEqual([[{ name: "a", number: 1 }]]);
  });

  test("revision grows with each description that is new or another, and only then", () => {
    const map = new TypeMap();
    const codec = codecOf("int4");
    const revisions = [
      map.revision,
      map.add(...nested).revision,
      map.add(...nested).revision,
      map.add({ ...nested[0], name: "address" }).revision,
      map.add({ kind: "base", oid: 20020, name: "b" }).revision,
      map.add({ kind: "base", oid: 20020, name: "b", codec }).revision,
      map.add({ kind: "base", oid: 20020, name: "b", codec }).revision,
    ];
    expect(revisions).toEqual([0, 6, 6, 7, 8, 9, 9]);
  });

  test("what was added is not changed by changes to the argument", () => {
    const fields = [{ name: "a", type: 23 }];
    const map = new TypeMap().add({ kind: "composite", oid: 20010, name: "t", fields });
    fields.push({ name: "b", type: 25 });
    expect(map.codec(20010).readText("(1)")).toEqual({ a: 1 });
  });

  test("a codec is brought by a definition, or by the name of a base type", () => {
    // As docs/values.md has it.
    const [, code] = /^(const vector = [\s\S]*?^};)$/m.exec(docs)!;
    const vector = new Function(`${code}; return vector`)() as Codec;
    const row = ["16600", "public", "vector", "b", "0", null, "{}", "{}", "{}", "vector"];
    const map = new TypeMap({ codecs: { vector } }).addFromCatalog([row]);
    expect(map.codec(16600).readText("[1,2.5]")).toEqual([1, 2.5]);
    expect(toHex(map.codec(16600).writeBinary([1, 2.5]))).toBe("00020000" + "3f800000" + "40200000");
    expect(map.codec(16600).readBinary(map.codec(16600).writeBinary([1, 2.5]))).toEqual([1, 2.5]);
    const foreign = { constructor: DecodeError, path: "t.a", cause: expect.any(SyntaxError) };
    const relation = { namespace: "", name: "t", columns: [{ name: "a", typeId: 16600, key: true, typeModifier: -1 }] };
    expect(() => map.codec(16600).readText("[1,")).toThrow(expect.objectContaining({ ...foreign, path: "vector" }));
    expect(() => readRow(relation, TupleData.of(["[1,"]), map)).toThrow(expect.objectContaining({ path: "t.a" }));
    expect(() => map.codec(16600).writeBinary(null)).toThrow(EncodeError);
    expect(new TypeMap().addFromCatalog([row]).codec(16600).readText("[1,2.5]")).toBe("[1,2.5]");
    const added = new TypeMap().add(
      { kind: "base", oid: 16600, name: "any", codec: vector },
      { kind: "array", oid: 16601, name: "_any", element: 16600 },
    );
    expect(added.codec(16601).readText('{"[1]"}')).toEqual([[1]]);
    for (const name of ["constructor", "__proto__"]) {
      expect(new TypeMap({ codecs: {} }).add({ kind: "base", oid: 16600, name }).codec(16600).readText("x")).toBe("x");
    }
    expect(() => new TypeMap({ codecs: { a: {} as never } })).toThrow(
      expect.objectContaining({ constructor: ArgumentError, path: "options.codecs.a" }),
    );
  });

  test("types of citext, hstore and ltree have codecs if they are those of the extension", () => {
    const row = (extension: string | null, name: string): CatalogRow => [
      ...["16600", "public", name, "b", "0", null, "{}", "{}", "{}"],
      extension,
    ];
    const codec = (extension: string | null, name: string) =>
      new TypeMap().addFromCatalog([row(extension, name)]).codec(16600);
    expect(codec("citext", "citext").readBinary(hex("6141"))).toBe("aA");
    expect(codec("ltree", "ltree").readBinary(hex("01612e62"))).toBe("a.b");
    expect(codec("hstore", "hstore").readText('"b"=>"1", "a1"=>NULL')).toEqual({ b: "1", a1: null });
    expect(codec("hstore", "hstore").writeText({ a1: null, b: "1", 1: "" })).toBe('"1"=>"", "b"=>"1", "a1"=>NULL');
    const text = String.raw`"\"\\"=>"x, =>"`;
    expect(codec("hstore", "hstore").readText(text)).toEqual({ '"\\': "x, =>" });
    expect(codec("hstore", "hstore").writeText({ '"\\': "x, =>" })).toBe(text);
    expect(toHex(codec("hstore", "hstore").writeBinary({ a1: null, b: "1" }))).toBe(
      "00000002" + "00000001" + "62" + "00000001" + "31" + "00000002" + "6131" + "ffffffff",
    );
    expect(codec(null, "hstore").readText('"a"=>"b"')).toBe('"a"=>"b"');
    expect(codec("other", "hstore").readText('"a"=>"b"')).toBe('"a"=>"b"');
    for (const bad of [
      "x",
      '"a"',
      '"a"=>',
      '"a"=>x',
      '"a"=>"1","b"=>"2"',
      '"a"=>"1", ',
      '"a"=>"1", "a"=>"2"',
      '"a"=>NULLx',
      '"\0"=>NULL',
      '"a"=>"\0"',
    ]) {
      expect(() => codec("hstore", "hstore").readText(bad), bad).toThrow(DecodeError);
    }
    for (const bad of [
      "00000001",
      "00000001 00000001 61 fffffffe",
      "00000002 00000001 62 ffffffff 00000001 61 ffffffff",
      "00000002 00000001 61 ffffffff 00000001 61 ffffffff",
      "00000000 00",
    ]) {
      expect(() => codec("hstore", "hstore").readBinary(hex(bad)), bad).toThrow(DecodeError);
    }
    for (const bad of [null, [], { a: 1 }, { a: undefined }, "x"]) {
      expect(() => codec("hstore", "hstore").writeText(bad), String(bad)).toThrow(EncodeError);
    }
  });

  test("an array whose delimiter no text could have is read as it is", () => {
    const row = ["16600", "public", "_odd", "a", "16601", '"', "{}", "{}", "{}", null];
    expect(new TypeMap().addFromCatalog([row]).codec(16600).readText('{"a"""}')).toBe('{"a"""}');
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
    [{ kind: "enum", oid: 20000, name: "a", labels: [1] }],
    [{ kind: "enum", oid: 20000, name: "a", namespace: 1 }],
    [{ kind: "enum", oid: 2 ** 32, name: "a" }],
    [{ kind: "array", oid: 20000, name: "a", element: 23, delimiter: "" }],
    [{ kind: "array", oid: 20000, name: "a", element: 23, delimiter: ", " }],
    [{ kind: "array", oid: 20000, name: "a", element: 23, delimiter: "{" }],
    [{ kind: "array", oid: 20000, name: "a", element: 23, delimiter: "é" }],
    [{ kind: "composite", oid: 20000, name: "a", fields: [null] }],
    [
      {
        kind: "composite",
        oid: 20000,
        name: "a",
        fields: [
          { name: "b", type: 23 },
          { name: "b", type: 25 },
        ],
      },
    ],
    [{ kind: "base", oid: 20000, name: "a", codec: { readText: null } }],
    [null],
  ])("%j is no definition", (definition) => {
    expect(() => new TypeMap().add(definition as never)).toThrow(ArgumentError);
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
    expect(readRow(relation, tuple, typeMap, { key: true })).toEqual([7, absent, unchanged]);
    expect(rowReader(relation, typeMap).readOld({ type: "key", tuple })).toEqual([7, absent, unchanged]);
    // A key whose other columns were sent, too: that of a partition with REPLICA IDENTITY FULL.
    expect(rowReader(relation, typeMap).readKey(TupleData.of(["7", "a", null]))).toEqual([7, "a", absent]);
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

  test("what is unchanged is filled from the old row, but not by NULL, which it is not", () => {
    expect(fillUnchanged<unknown>([1, unchanged, unchanged], [0, null, "a"])).toEqual({
      row: [1, unchanged, "a"],
      unchanged: [1],
    });
    expect(fillUnchanged<unknown>([1, unchanged], undefined)).toEqual({ row: [1, unchanged], unchanged: [1] });
    expect(fillUnchanged<unknown>([1, unchanged], [1, absent])).toEqual({ row: [1, unchanged], unchanged: [1] });
  });

  test("what cannot be read goes to onUnreadable, with its error, as it was sent", () => {
    const map = new TypeMap().add({ kind: "composite", oid: 20001, name: "pair", fields: [{ name: "a", type: 23 }] });
    const types = { namespace: "", name: "t", columns: [column("a", 23), column("b", 20001), column("c", 20001)] };
    const seen: unknown[] = [];
    const reader = rowReader(types, map, {
      onUnreadable(error, value, i) {
        seen.push([error.path, i]);
        return value;
      },
    });
    const tuple = TupleData.of(["1", "(1,2)", hex("00")]);
    expect(reader.read(tuple)).toEqual([1, "(1,2)", hex("00")]);
    expect(seen).toEqual([
      ["t.b", 1],
      ["t.c", 2],
    ]);
    expect(reader.readColumn(tuple, 1)).toBe("(1,2)");
    expect(() => rowReader(types, map).read(tuple)).toThrow(/t\.b .*load the catalogs again/);
    const throws = rowReader(types, map, {
      onUnreadable() {
        throw new Error("mine");
      },
    });
    expect(() => throws.read(tuple)).toThrow("mine");
  });

  test("text longer than a string can be is a DecodeError, or bytes for onUnreadable", () => {
    const tuple = TupleData.of(["1", "x", null]);
    // Bytes of such a length take a gigabyte: the row says of two that they are as many.
    const tooLong = (): never => {
      throw Object.assign(new Error("Cannot create a string longer than 0x1fffffe8 characters"), {
        code: "ERR_STRING_TOO_LONG",
      });
    };
    Object.defineProperties(tuple, {
      toArray: { value: tooLong },
      get: { value: (i: number) => (i === 1 ? tooLong() : TupleData.prototype.get.call(tuple, i)) },
    });
    expect(() => rowReader(relation, typeMap).read(tuple)).toThrow(
      expect.objectContaining({ constructor: DecodeError, code: "BAD_LENGTH", path: "public.fruit.__proto__" }),
    );
    const lenient = rowReader(relation, typeMap, { onUnreadable: (_, value) => value });
    expect(lenient.read(tuple)).toEqual([1, hex("78"), null]);
    const long = {
      ...codecOf("text"),
      readText: (text: string) => text.repeat(2 ** 30),
      writeText: (text: string) => text.repeat(2 ** 30),
    };
    const map = new TypeMap().add({ kind: "base", oid: 20000, name: "long", codec: long });
    for (const read of [
      () => map.codec(20000).readText("x"),
      () => readRow({ ...relation, columns: [column("a", 20000)] }, TupleData.of(["x"]), map),
    ]) {
      expect(read).toThrow(expect.objectContaining({ constructor: DecodeError, code: "BAD_LENGTH" }));
    }
    expect(() => map.codec(20000).writeText("x")).toThrow(EncodeError);
    expect(() => rowWriter({ ...relation, columns: [column("a", 20000)] }, map)(["x"])).toThrow(EncodeError);
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

test('"char" above 127 is written as the version does: by itself before 15, in octal from then on', () => {
  const value = codecOf("char").readBinary(hex("c8"));
  const texts = ["10", "14", "15", "18"].map((server) =>
    [18, 1002].map((oid) => new TypeMap({ server }).codec(oid).writeText(oid === 18 ? value : [value])),
  );
  expect(texts).toEqual([
    ["\udcc8", "{\udcc8}"],
    ["\udcc8", "{\udcc8}"],
    ["\\310", '{"\\\\310"}'],
    ["\\310", '{"\\\\310"}'],
  ]);
  for (const [text] of texts) expect(codecOf("char").readText(text!)).toBe(value);
  // Before 15 it goes as the byte that it is.
  const relation = { namespace: "", name: "t", columns: [{ name: "a", typeId: 18, key: true, typeModifier: -1 }] };
  expect(toHex(rowWriter(relation, new TypeMap({ server: 14 }))([value]).valueBytes(0)!)).toBe("c8");
});

test("points of old servers read too", () => {
  expect(codecOf("point").readText("(inf,nan)")).toBe("(Infinity,NaN)");
});

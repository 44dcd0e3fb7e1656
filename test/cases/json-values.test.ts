/** Values as JSON: the form of each type, as docs/values.md has it. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { EncodeError } from "../../src/kernel/errors.ts";
import { builtins } from "../../src/values/builtin.ts";
import { jsonOfRow, jsonOfValue, rowObject, rowReader, TypeMap, valueOfJson } from "../../src/values/index.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";

const types = new TypeMap().add(
  {
    oid: 20_000,
    name: "pair",
    kind: "composite",
    fields: [
      { name: "x", type: 20 },
      { name: "__proto__", type: 1114 },
    ],
  },
  { oid: 20_001, name: "_pair", kind: "array", element: 20_000 },
  { oid: 20_002, name: "day", kind: "domain", base: 1082 },
  { oid: 20_003, name: "hstore", kind: "base", extension: "hstore" },
);
const docs = readFileSync(new URL("../../docs/values.md", import.meta.url), "utf8");

const oidOf = (name: string): number =>
  ({ pair: 20_000, _pair: 20_001, day: 20_002, hstore: 20_003, other: 20_009 })[name] ?? builtins().oids.get(name)!;
const json = (name: string, text: string): string => {
  const oid = oidOf(name);
  return JSON.stringify(jsonOfValue(types.codec(oid).readText(text), oid, types));
};

describe("the form of each type", () => {
  test.each([
    ["bool", "t", "true"],
    ["int4", "-7", "-7"],
    ["int8", "9223372036854775807", '"9223372036854775807"'],
    ["numeric", "1.50", '"1.50"'],
    ["numeric", "NaN", '"NaN"'],
    ["float8", "1.5", "1.5"],
    ["float8", "-0", '"-0"'],
    ["float8", "-Infinity", '"-Infinity"'],
    ["float8", "NaN", '"NaN"'],
    ["text", 'a"b', '"a\\"b"'],
    ["jsonb", '{"a": 1.0}', '"{\\"a\\": 1.0}"'],
    ["bytea", "\\x00ff", '"\\\\x00ff"'],
    ["pg_lsn", "1/2", '"1/2"'],
    ["date", "2026-01-31", '"2026-01-31"'],
    ["date", "infinity", '"infinity"'],
    ["date", "0044-03-15 BC", '"0044-03-15 BC"'],
    ["timestamp", "2026-01-31 12:00:00.5", '"2026-01-31T12:00:00.5"'],
    ["timestamp", "-infinity", '"-infinity"'],
    ["timestamptz", "2026-01-31 12:00:00+02", '"2026-01-31T10:00:00Z"'],
    ["time", "24:00:00", '"24:00:00"'],
    ["timetz", "00:00:01-08", '"00:00:01-08"'],
    ["interval", "1 year -1 days", '"1 year -1 days"'],
    ["_int8", "{{1,2},{3,NULL}}", '[["1","2"],["3",null]]'],
    ["_int4", "[0:1]={1,2}", '{"dimensions":[{"length":2,"lowerBound":0}],"elements":[1,2]}'],
    ["int2vector", "1 2", "[1,2]"],
    ["daterange", "[2000-01-01,2000-01-02)", '{"lower":"2000-01-01","upper":"2000-01-02","bounds":"[)"}'],
    ["int8range", "empty", '"empty"'],
    ["int8range", "(,5)", '{"lower":null,"upper":"5","bounds":"()"}'],
    ["int8multirange", "{[1,2)}", '[{"lower":"1","upper":"2","bounds":"[)"}]'],
    ["_int4multirange", '{"{[1,2)}"}', '[[{"lower":1,"upper":2,"bounds":"[)"}]]'],
    ["pair", '(5,"2000-01-01 00:00:00")', '{"x":"5","__proto__":"2000-01-01T00:00:00"}'],
    ["_pair", '{"(5,)"}', '[{"x":"5","__proto__":null}]'],
    ["day", "2000-01-02", '"2000-01-02"'],
    ["hstore", '"a"=>"1", "b"=>NULL', '{"a":"1","b":null}'],
    ["money", "$1.50", '"$1.50"'],
    ["other", "anything", '"anything"'],
  ])("%s: %s", (name, text, expected) => {
    expect(json(name, text)).toBe(expected);
    const oid = oidOf(name);
    expect(valueOfJson(JSON.parse(expected), oid, types)).toEqual(types.codec(oid).readText(text));
  });

  test.each([
    ["int8", "7", 7n],
    ["text", "7", "7"],
    ["float4", "0.1", Math.fround(0.1)],
    ["timestamptz", '"2000-01-01 02:00:00+02"', 0n],
    ["other", '{"binary":"\\\\x01ff"}', Uint8Array.of(1, 255)],
  ])("%s can also be %s", (name, text, value) => {
    expect(valueOfJson(JSON.parse(text), oidOf(name), types)).toEqual(value);
  });

  test.each([
    [
      "int8",
      "9007199254740993",
      'int8 is 9007199254740992, expected text such as "9007199254740992", since numbers of JSON lose digits',
    ],
    ["numeric", "9.5", 'numeric is 9.5, expected text such as "9.5", since numbers of JSON lose digits'],
    ["int4", '"x"', 'int4 is "x", expected a whole number from -2147483648 to 2147483647, at offset 0'],
    ["text", "true", "text is true, expected text"],
    ["_int4", "[1,[2]]", "_int4 is an array, expected arrays in each place of a dimension, or in none"],
    ["pair", '{"x":1}', "pair.__proto__ is undefined, expected a value or null"],
    ["date", "5", 'date is "5", expected'],
  ])("%s is not %s", (name, text, words) => {
    expect(() => valueOfJson(JSON.parse(text), oidOf(name), types)).toThrow(words);
  });

  test("text and binary of each documented value have the same", () => {
    const rows = [...docs.matchAll(/^\| (\w+) \| (.*) \| `(.*)` \| `(.*)` \|$/gm)];
    expect(rows.length).toBeGreaterThan(60);
    for (const [, name, , shown] of rows) {
      const oid = builtins().oids.get(name!)!;
      const codec = types.codec(oid);
      const value = codec.readText(shown!.replaceAll("\\|", "|"));
      const form = jsonOfValue(value, oid, types);
      expect(JSON.parse(JSON.stringify(form)), name).toEqual(form);
      if (codec.twofold !== true) {
        expect(jsonOfValue(codec.readBinary(codec.writeBinary(value)), oid, types)).toEqual(form);
      }
    }
  });

  test("bytes of a type that is not known are not taken for a text", () => {
    expect(jsonOfValue(Uint8Array.of(1, 255), oidOf("other"), types)).toEqual({ binary: "\\x01ff" });
    expect(jsonOfValue(150n, oidOf("money"), types)).toBe("150");
    expect(jsonOfValue(1259, oidOf("regclass"), types)).toBe(1259);
  });

  test("a value that is not of the type is an EncodeError, however deep it is", () => {
    for (const [name, value] of [
      ["bytea", 5],
      ["date", 1.5],
      ["timestamp", 5],
      ["int8", {}],
      ["pair", { x: 1n }],
      ["int8range", { lower: 1n }],
      ["interval", Symbol("a")],
    ] as const) {
      expect(() => jsonOfValue(value, oidOf(name), types), name).toThrow(EncodeError);
    }
    let deep: unknown = 1;
    for (let i = 0; i < 100_000; i++) deep = [deep];
    expect(() => jsonOfValue(deep, oidOf("_int4"), types)).toThrow(EncodeError);
  });
});

test("a row without what was not sent", () => {
  const column = { key: true, typeModifier: -1 };
  const columns = [
    { ...column, name: "id", typeId: 20 },
    { ...column, name: "long", typeId: 25 },
    { ...column, name: "null", typeId: 25 },
  ];
  const relation = { namespace: "public", name: "t", columns };
  const row = rowReader(relation, types).read(TupleData.of(["7", unchanged, null]));
  expect(jsonOfRow(relation, rowObject(relation, row), types)).toEqual({ id: "7", null: null });
});

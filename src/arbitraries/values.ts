/**
 * fast-check arbitraries of the values of types, for tests of programs that read rows.
 */
import * as fc from "fast-check";
import { type PgTime, pgTimeInfinity, pgTimeMinusInfinity } from "../kernel/time.ts";
import type { ArrayValue } from "../values/array.ts";
import { builtins } from "../values/builtin.ts";
import type { RangeValue } from "../values/range.ts";
import { dateInfinity, dateMinusInfinity, intervalInfinity, intervalMinusInfinity } from "../values/time.ts";
import { TypeMap } from "../values/type-map.ts";

/**
 * Any value of a type, as a server stores it: jsonb, ranges and other types that servers normalize are in the normalized form.
 *
 * @param oid The oid of a built-in type or of one in the map. Values of other types are text.
 * @example fc.sample(typeValue(16), 9).every((value) => typeof value === "boolean") // true
 */
export function typeValue(oid: number, typeMap: TypeMap = new TypeMap()): fc.Arbitrary<unknown> {
  const builtin = builtins().byOid.get(oid);
  if (builtin?.name.startsWith("_")) return arrayValue(builtins().oids.get(builtin.name.slice(1))!, typeMap);
  if (builtin !== undefined) return values[builtin.name]?.() ?? plainText();
  const definition = typeMap.definition(oid);
  switch (definition?.kind) {
    case "array":
      return arrayValue(definition.element, typeMap);
    case "enum":
      return definition.labels?.length ? fc.constantFrom(...definition.labels) : plainText();
    case "domain":
      return typeValue(definition.base, typeMap);
    case "composite":
      return fc.tuple(...definition.fields.map(({ type }) => fc.option(typeValue(type, typeMap)))).map((parts) => {
        const value: Record<string, unknown> = Object.create(null);
        for (const [i, { name }] of definition.fields.entries()) value[name] = parts[i];
        return value;
      });
    case "range":
      return rangeValue(typeValue(definition.subtype, typeMap), compare);
    case "multirange":
      return multirange(typeValue(definition.subtype, typeMap));
    case "base":
      return extensionTypes[`${definition.extension}.${definition.name}`]?.() ?? plainText();
    default:
      return plainText();
  }
}

/** Values of the types of extensions that have a codec. */
const extensionTypes: Readonly<Record<string, () => fc.Arbitrary<unknown>>> = {
  "hstore.hstore": () =>
    fc.dictionary(plainText(), fc.option(plainText()), { maxKeys: 5, noNullPrototype: false }).map(ownObject),
  "ltree.ltree": () =>
    fc
      .array(fc.string({ unit: fc.constantFrom(..."ab1_Z"), minLength: 1, maxLength: 5 }), { maxLength: 4 })
      .map((all) => all.join(".")),
  "ltree.lquery": () => fc.constantFrom("a.b", "*.a", "a|b.*{1,2}", "!a.b@*"),
  "ltree.ltxtquery": () => fc.constantFrom("a", "a & b", "a & !( b@* | c )"),
};

/** An object without a prototype, as readers return it. */
function ownObject<T>(object: Readonly<Record<string, T>>): Readonly<Record<string, T>> {
  return Object.assign(Object.create(null), object);
}

/** Text with characters that have a meaning in arrays, ranges and composites. */
function plainText(): fc.Arbitrary<string> {
  return fc.oneof(
    fc.string({ unit: fc.constantFrom(..."\"\\{}()[],; \t\n\v'NULLnull\u00e9\u{1f600}a1"), maxLength: 12 }),
    fc.string({ unit: "binary" }).map((text) => text.replaceAll("\0", "")),
  );
}

/** Whole numbers, often the limits and numbers near a power of two or ten. */
function whole(min: bigint, max: bigint): fc.Arbitrary<bigint> {
  const edges = [0n, 1n, -1n, 10n ** 6n, 2n ** 31n, 2n ** 53n].flatMap((n) => [n - 1n, n, n + 1n, -n]);
  return fc.oneof(
    fc.bigInt({ min, max }),
    fc.constantFrom(min, max, ...edges.filter((n) => n >= min && n <= max)),
    fc.bigInt({ min: min < -9999n ? -9999n : min, max: 9999n }),
  );
}

/** An object like those that readers give. */
function plain<T>(properties: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record(properties, { noNullPrototype: true }) as fc.Arbitrary<T>;
}

const small = (min: number, max: number): fc.Arbitrary<number> => whole(BigInt(min), BigInt(max)).map(Number);

const bytes = (length: number): fc.Arbitrary<Uint8Array> => fc.uint8Array({ minLength: length, maxLength: length });

/** Any double, often one with a short decimal text. */
function float8(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.double(),
    fc.tuple(fc.maxSafeInteger(), fc.integer({ min: -340, max: 300 })).map(([n, e]) => Number(`${n}e${e}`)),
    // Powers of two, and whole numbers above 2^53, whose decimals may lie halfway between two floats.
    fc.integer({ min: -1074, max: 1023 }).map((e) => 2 ** e),
    fc.tuple(fc.integer({ min: 1, max: 99999 }), fc.integer({ min: 10, max: 30 })).map(([n, e]) => Number(`${n}e${e}`)),
  );
}

function float4(): fc.Arbitrary<number> {
  return fc.oneof(
    fc.float(),
    fc
      .tuple(fc.integer({ min: -9999999, max: 9999999 }), fc.integer({ min: -52, max: 31 }))
      .map(([n, e]) => Math.fround(Number(`${n}e${e}`))),
    fc.integer({ min: -149, max: 127 }).map((e) => 2 ** e),
  );
}

function numeric(): fc.Arbitrary<string> {
  const digits = (min: number, max: number): fc.Arbitrary<string> =>
    fc.string({ unit: fc.constantFrom(..."00001234567899"), minLength: min, maxLength: max });
  const number = fc
    .tuple(fc.boolean(), digits(0, 30), fc.oneof(fc.constant(""), digits(1, 30)))
    .map(([negative, whole, fraction]) => {
      const number = (whole.replace(/^0+/, "") || "0") + (fraction === "" ? "" : `.${fraction}`);
      return (negative && /[1-9]/.test(number) ? "-" : "") + number;
    });
  // Few bytes in binary format, and thousands of digits as text.
  const great = fc
    .tuple(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 1000, max: 20_000 }))
    .map(([first, zeros]) => `${first}${"0".repeat(zeros)}`);
  return fc.oneof(
    { weight: 120, arbitrary: number },
    { weight: 4, arbitrary: fc.constantFrom("NaN", "Infinity", "-Infinity") },
    { weight: 1, arbitrary: great },
  );
}

/** Values of a type, made by reading random bytes. */
function printed(name: string, all: fc.Arbitrary<Uint8Array>): fc.Arbitrary<unknown> {
  const codec = builtins().byOid.get(builtins().oids.get(name)!)!;
  return all.map((each) => codec.readBinary(each));
}

function network(name: string): fc.Arbitrary<unknown> {
  const isCidr = name === "cidr" ? 1 : 0;
  const byte = fc.oneof(fc.constant(0), fc.nat(255), fc.constant(255));
  const address = (family: number, size: number): fc.Arbitrary<Uint8Array> =>
    fc
      .tuple(fc.array(byte, { minLength: size, maxLength: size }), fc.oneof(fc.nat(size * 8), fc.constant(size * 8)))
      .map(([all, mask]) => {
        const kept = isCidr ? all.map((each, i) => each & ~(0xff >> Math.min(8, Math.max(0, mask - 8 * i)))) : all;
        return Uint8Array.of(family, mask, isCidr, size, ...kept);
      });
  return printed(name, fc.oneof(address(2, 4), address(3, 16)));
}

function bits(): fc.Arbitrary<string> {
  return fc.string({ unit: fc.constantFrom("0", "1"), maxLength: 40 });
}

const dates = (): fc.Arbitrary<number> =>
  fc.oneof(
    small(-2451545, 2145031948),
    fc.constantFrom(dateInfinity, dateMinusInfinity),
    fc.integer({ min: -800000, max: 9999 }),
  );
const timestamps = (): fc.Arbitrary<PgTime> =>
  fc.oneof(
    whole(-211813488000000000n, 9223371331199999999n),
    fc.constantFrom(pgTimeInfinity, pgTimeMinusInfinity),
    fc.bigInt({ min: -80_000_000_000_000_000n, max: 800_000_000_000_000n }),
    fc.integer({ min: -800000, max: 9999 }).map((days) => BigInt(days) * 86_400_000_000n),
  ) as fc.Arbitrary<PgTime>;
const times = (): fc.Arbitrary<bigint> => whole(0n, 86_400_000_000n);

function points(min: number): fc.Arbitrary<number[]> {
  return fc.array(fc.tuple(float8(), float8()), { minLength: min, maxLength: 4 }).map((all) => all.flat());
}

/** Bytes of a geometric type: a prefix, then floats. */
function geometric(
  name: string,
  floats: fc.Arbitrary<number[]>,
  head: (floats: number[]) => number[] = () => [],
): fc.Arbitrary<unknown> {
  const codec = builtins().byOid.get(701)!;
  return printed(
    name,
    floats.map((all) => Uint8Array.from([...head(all), ...all.flatMap((each) => [...codec.writeBinary(each)])])),
  );
}

const count = (floats: number[]): number[] => [0, 0, 0, floats.length / 2];
const fixed = (length: number): fc.Arbitrary<number[]> => fc.array(float8(), { minLength: length, maxLength: length });

/** Arbitraries by type name; types that are missing have any text. */
const values: Readonly<Record<string, () => fc.Arbitrary<unknown>>> = {
  bool: () => fc.boolean(),
  bytea: () => fc.uint8Array(),
  char: () => fc.nat(127).map((byte) => (byte === 0 ? "" : String.fromCharCode(byte))),
  name: () => fc.string({ unit: "grapheme-ascii", maxLength: 63 }),
  int2: () => small(-(2 ** 15), 2 ** 15 - 1),
  int4: () => small(-(2 ** 31), 2 ** 31 - 1),
  int8: () => whole(-(2n ** 63n), 2n ** 63n - 1n),
  oid: () => small(0, 2 ** 32 - 1),
  xid: () => small(0, 2 ** 32 - 1),
  cid: () => small(0, 2 ** 32 - 1),
  oid8: () => whole(0n, 2n ** 64n - 1n),
  xid8: () => whole(0n, 2n ** 64n - 1n),
  pg_lsn: () => whole(0n, 2n ** 64n - 1n),
  int2vector: () => fc.array(small(-(2 ** 15), 2 ** 15 - 1), { maxLength: 9 }),
  oidvector: () => fc.array(small(0, 2 ** 32 - 1), { maxLength: 9 }),
  float4,
  float8,
  numeric,
  json: () => fc.json(),
  jsonb: () => fc.oneof(fc.constantFrom("null", "true", "[]", "{}"), whole(-(10n ** 30n), 10n ** 30n).map(String)),
  jsonpath: () => fc.constantFrom('$."a"', "$", "strict $[*]", '$."a"[0]."b"?(@ > 1)'),
  xml: () => fc.constantFrom("<a/>", "text", '<a b="c">\u00e9</a>'),
  date: dates,
  timestamp: timestamps,
  timestamptz: timestamps,
  time: times,
  timetz: () => plain({ microseconds: times(), offset: small(-57_599, 57_599) }),
  interval: () =>
    fc.oneof(
      {
        weight: 30,
        arbitrary: plain({
          months: small(-(2 ** 31), 2 ** 31 - 1),
          days: small(-(2 ** 31), 2 ** 31 - 1),
          microseconds: whole(-(2n ** 63n), 2n ** 63n - 1n),
        }),
      },
      fc.constantFrom(intervalInfinity, intervalMinusInfinity),
    ),
  uuid: () => printed("uuid", bytes(16)),
  macaddr: () => printed("macaddr", bytes(6)),
  macaddr8: () => printed("macaddr8", bytes(8)),
  inet: () => network("inet"),
  cidr: () => network("cidr"),
  bit: bits,
  varbit: bits,
  tid: () => printed("tid", bytes(6)),
  money: () => fc.constantFrom("$0.00", "$1,234.50", "-$0.01"),
  aclitem: () => fc.constantFrom("=r/postgres", "postgres=arwdDxt/postgres"),
  pg_snapshot: () => fc.constantFrom("10:20:10,14,15", "1:1:", "100:9223372036854775807:"),
  txid_snapshot: () => fc.constantFrom("10:20:10,14,15", "1:1:"),
  tsvector: () => fc.constantFrom("", "'a'", "'a':1A,2B,16383 'bb':3C 'it''s':7", "'\\\\' 'caf\u00e9':5", "' ' ''''"),
  tsquery: () => fc.constantFrom("'a'", "'a' & !( 'b':*A | 'c' )", "'a' <3> 'b'"),
  point: () => geometric("point", fixed(2)),
  lseg: () => geometric("lseg", fixed(4)),
  line: () =>
    geometric(
      "line",
      fixed(2).map(([b, c]) => [1, b!, c!]),
    ),
  box: () =>
    geometric(
      "box",
      fixed(4).map((all) => {
        const [a, b, c, d] = all.map((each) => (Number.isNaN(each) ? 0 : each + 0)) as [number, number, number, number];
        return [Math.max(a, c), Math.max(b, d), Math.min(a, c), Math.min(b, d)];
      }),
    ),
  circle: () =>
    geometric(
      "circle",
      fixed(3).map(([x, y, r]) => [x!, y!, Math.abs(r!)]),
    ),
  polygon: () => geometric("polygon", points(1), count),
  path: () =>
    fc.oneof(
      geometric("path", points(1), (all) => [1, ...count(all)]),
      geometric("path", points(1), (all) => [0, ...count(all)]),
    ),
  int4range: () => discreteRange(small(-(2 ** 31), 2 ** 31 - 1)),
  int8range: () => discreteRange(whole(-(2n ** 63n), 2n ** 63n - 1n)),
  daterange: () => discreteRange(small(-2451545, 2145031948)),
  numrange: () => rangeValue(whole(-(10n ** 20n), 10n ** 20n).map(String), (a, b) => compare(BigInt(a), BigInt(b))),
  tsrange: () => rangeValue(timestamps(), compare),
  tstzrange: () => rangeValue(timestamps(), compare),
  int4multirange: () => multirange(small(-(2 ** 31), 2 ** 31 - 1)),
  int8multirange: () => multirange(whole(-(2n ** 63n), 2n ** 63n - 1n)),
  datemultirange: () => multirange(small(-2451545, 2145031948)),
  nummultirange: () => multirange(small(-(2 ** 31), 2 ** 31 - 1), String),
  tsmultirange: () => multirange(timestamps()),
  tstzmultirange: () => multirange(timestamps()),
};

/** Order numbers by value and text by its bytes, which is the order of code points and of the collation "C". Others are not ordered. */
function compare(a: unknown, b: unknown): number {
  if (typeof a === "object" || typeof b === "object") return 0;
  if (typeof a === "string" && typeof b === "string") {
    const [x, y] = [Array.from(a), Array.from(b)];
    const i = x.findIndex((character, at) => character !== y[at]);
    if (i === -1) return x.length === y.length ? 0 : -1;
    return i >= y.length ? 1 : x[i]!.codePointAt(0)! - y[i]!.codePointAt(0)!;
  }
  const [x, y] = [a as number, b as number];
  return x < y ? -1 : x > y ? 1 : 0;
}

/** A range in the server's normalized form, of a continuous type. */
function rangeValue<T>(value: fc.Arbitrary<T>, order: (a: T, b: T) => number): fc.Arbitrary<RangeValue<T>> {
  const bound = fc.option(value, { freq: 4 });
  const range = fc.tuple(bound, bound, fc.boolean(), fc.boolean()).map(([a, b, c, d]): RangeValue<T> => {
    const difference = a === null || b === null ? -1 : order(a, b);
    if (difference === 0) return { lower: a, upper: b, bounds: "[]" };
    const [lower, upper] = difference > 0 ? [b, a] : [a, b];
    const left = c && lower !== null ? "[" : "(";
    return { lower, upper, bounds: `${left}${d && upper !== null ? "]" : ")"}` };
  });
  return fc.oneof({ weight: 20, arbitrary: range }, fc.constant<RangeValue<T>>("empty"));
}

/** A range of a discrete type, in the normalized form: inclusive lower bound, exclusive upper bound. */
function discreteRange<T>(value: fc.Arbitrary<T>): fc.Arbitrary<RangeValue<T>> {
  return rangeValue(value, compare).map((range) => {
    if (range === "empty" || (range.lower !== null && range.lower === range.upper)) return "empty";
    return { ...range, bounds: range.lower === null ? "()" : "[)" };
  });
}

/** Ranges with gaps between them. */
function multirange<T>(value: fc.Arbitrary<T>, show: (bound: T) => unknown = (bound) => bound): fc.Arbitrary<unknown> {
  return fc.uniqueArray(value, { maxLength: 6 }).map((all) => {
    const sorted = all.sort(compare);
    const ranges: RangeValue[] = [];
    for (let i = 0; i + 1 < sorted.length; i += 2) {
      ranges.push({ lower: show(sorted[i]!), upper: show(sorted[i + 1]!), bounds: "[)" });
    }
    return ranges;
  });
}

function arrayValue(element: number, typeMap: TypeMap): fc.Arbitrary<ArrayValue> {
  const one = fc.option(typeValue(element, typeMap));
  const nestable = typeMap.codec(element).listLike !== true;
  const shapes = fc.array(
    plain({
      length: fc.integer({ min: 1, max: 3 }),
      lowerBound: fc.oneof(fc.constant(1), small(-(2 ** 31), 2 ** 31 - 5)),
    }),
    { minLength: 1, maxLength: 3 },
  );
  const bounded = shapes
    .filter((all) => all.some(({ lowerBound }) => lowerBound !== 1))
    .chain((dimensions) => {
      const total = dimensions.reduce((product, { length }) => product * length, 1);
      return fc.array(one, { minLength: total, maxLength: total }).map((elements) => ({ dimensions, elements }));
    });
  const square = fc
    .integer({ min: 1, max: 3 })
    .chain((n) => fc.array(fc.array(one, { minLength: n, maxLength: n }), { minLength: 1, maxLength: 3 }));
  const flat = fc.array(one, { maxLength: 5 });
  return (nestable ? fc.oneof(flat, square, bounded) : fc.oneof(flat, bounded)) as fc.Arbitrary<ArrayValue>;
}

/** Rows as text of JSON, the fast way, are what the readers of values and `jsonOfRow` make of them. */
import fc from "fast-check";
import { expect, test } from "vitest";
import type { OldTuple } from "../../src/generated/logical.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { LineBuffer, part } from "../../src/node/tail/line-buffer.ts";
import { RowText } from "../../src/node/tail/row-text.ts";
import { jsonOfRow } from "../../src/values/json.ts";
import { rowObject, rowReader } from "../../src/values/row.ts";
import { TypeMap } from "../../src/values/type-map.ts";
import { TupleData, unchanged } from "../../src/wire/tuple.ts";
import { law } from "./law.ts";

/** The types that are copied, some that are not, and one that is not known. */
const typeIds = [
  16, 17, 19, 20, 21, 23, 25, 26, 114, 700, 701, 1042, 1043, 1082, 1114, 1184, 1700, 2950, 3802, 1007, 99_999,
];
const number = fc.tuple(
  fc.constantFrom("", "-", "+", "0", "-0"),
  fc.bigInt({ min: 0n, max: 10n ** 20n }),
  fc.constantFrom("", ".5", ".50", ".", "e5"),
);
const text = fc.oneof(
  fc.string(),
  fc
    .string({ unit: fc.constantFrom("a", '"', "\\", "\n", "\u0000", "\u007f", "é", "\u2028", "😀", "\ud800") })
    .filter((each) => !/\p{Surrogate}/u.test(each)),
  number.map((parts) => parts.join("")),
  fc.integer().map(String),
  fc.string({ unit: fc.constantFrom("0", "1", "-", "."), maxLength: 6 }),
  fc.string({ unit: fc.constantFrom("a", "b", " ", "é", '"'), minLength: 60, maxLength: 200 }),
  fc.string({ unit: "grapheme-ascii", minLength: 60, maxLength: 200 }),
  fc.uuid(),
  fc.constantFrom("t", "f", "NaN", "Infinity", "-0", "2147483648", "9223372036854775808", "-9223372036854775808"),
  fc.constantFrom(
    "2026-02-31 00:00:00",
    "2026-01-02 24:00:00",
    "2026-01-02 29:00:00",
    "0001-01-01 00:00:00",
    "9999-12-31 23:59:59.999999",
    "10000-01-01 00:00:00",
  ),
  fc.constantFrom(
    ...["2026-02-28", "2026-02-29", "2024-02-29", "2026-04-31", "0999-01-01", "2026-01-01 BC", "2026-1-01"],
    ...["2026-01-02 03:04:05+00", "2026-01-02 03:04:05.12+00", "2026-01-02 03:04:05+01", "2026-01-02 03:04:05.+00"],
    ...[
      "2026-02-29 03:04:05",
      "2024-02-29 03:04:05",
      "02026-02-03",
      "02026-02-03 03:04:05",
      "2026-01-02 03:04:60",
      "2026-01-02 03:60:05",
      "2026-01-02T03:04:05",
      "2026-01-02 03:04:05.1234567",
    ],
    ...[
      "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "A0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      "a0eebc999c0b4ef8bb6d6bb9bd380a11",
    ],
    "2026-19-02 00:00:00",
    "2026-00-10 00:00:00",
    "2026-01-39 00:00:00",
    "2026-01-02 03:04:05.100",
    "2026-01-02 03:04:05.1 BC",
    "infinity",
  ),
  fc.date({ noInvalidDate: true, min: new Date("1000-01-01"), max: new Date("9999-12-31") }).map((date) =>
    date
      .toISOString()
      .replace("T", " ")
      .replace(/\.?0*Z$/, ""),
  ),
);

/** The text that is written. */
function written(write: (to: LineBuffer) => unknown): string {
  write(buffer);
  const text = buffer.toString();
  buffer.reuse(buffer.take());
  return text;
}
const buffer = new LineBuffer();

function slow(typeId: number, value: string): unknown {
  const relation = { namespace: "public", name: "t", columns: [{ name: "a", typeId, key: false, typeModifier: -1 }] };
  const typeMap = new TypeMap();
  try {
    const row = rowReader(relation, typeMap).read(TupleData.of([value]));
    return jsonOfRow(relation, rowObject(relation, row), typeMap);
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { a: value };
  }
}

const writers = new Map(
  typeIds.map((typeId) => [
    typeId,
    new RowText({ columns: [{ name: "a", typeId, key: false, typeModifier: -1 }] }, new TypeMap()),
  ]),
);

law(
  "a value is copied only if that is its JSON",
  fc.property(text, (value) => {
    for (const [typeId, rows] of writers) {
      expect(written((to) => rows.row(to, TupleData.of([value])))).toBe(JSON.stringify(slow(typeId, value)));
    }
  }),
  1000,
);

test("columns that were not sent are missing, and filled from an old row that has them", () => {
  const columns = ["a", "b", "__proto__"].map((name) => ({ name, typeId: 25, key: true, typeModifier: -1 }));
  const rows = new RowText({ columns }, new TypeMap());
  expect(written((to) => rows.row(to, TupleData.of(["1", null, "x"])))).toBe('{"a":"1","b":null,"__proto__":"x"}');
  const newRow = (values: Parameters<typeof TupleData.of>[0], old?: OldTuple) => {
    let missing: readonly string[] = [];
    const text = written((to) => {
      missing = rows.newRow(to, TupleData.of(values), old);
    });
    return { text, missing };
  };
  expect(newRow(["1", unchanged, "x"])).toEqual({ text: '{"a":"1","__proto__":"x"}', missing: ["b"] });
  const old = { type: "full", tuple: TupleData.of(["0", "2", null]) } as const;
  expect(newRow(["1", unchanged, unchanged], old)).toEqual({ text: '{"a":"1","b":"2"}', missing: ["__proto__"] });
  const key = { type: "key", tuple: TupleData.of([null, "2", null]) } as const;
  expect(written((to) => rows.oldRow(to, key))).toBe('{"b":"2"}');
  expect(written((to) => rows.oldRow(to, old))).toBe('{"a":"0","b":"2","__proto__":null}');
  expect(written((to) => rows.values(to, { b: null, a: "1" }))).toBe('{"a":"1","b":null}');
  expect(written((to) => rows.values(to, {}))).toBe("{}");
});

const strings = fc.array(
  fc.oneof(
    fc.string({ unit: "grapheme" }),
    fc.nat({ max: 100_000 }).map((n) => "é€x".repeat(n)),
  ),
  { maxLength: 6 },
);

law(
  "lines of any length and number are the text that was added",
  fc.property(fc.array(strings, { maxLength: 4 }), (blocks) => {
    const to = new LineBuffer();
    for (const block of blocks) {
      for (const [i, each] of block.entries()) {
        if (i % 2 === 0) to.text(each);
        else to.put(part(each));
      }
      expect(to.toString()).toBe(block.join(""));
      const taken = to.take();
      // What is added now does not touch what was taken.
      to.text("x");
      expect(Buffer.from(taken).toString()).toBe(block.join(""));
      to.take();
      to.reuse(taken);
    }
  }),
  100,
);

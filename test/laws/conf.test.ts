/** Laws of the reader of configuration files. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { confFiles } from "../../src/arbitraries/conf.ts";
import { parsePostgresqlConf, placeInFile, readPostgresqlConf } from "../../src/conf/index.ts";
import { reader } from "../conf-files.ts";
import { expectErrorForPeople, expectLinear } from "./grammar.ts";
import { law } from "./law.ts";

const anyText = fc.oneof(
  confFiles().map((files) => files["postgresql.conf"]!),
  fc.string({ unit: fc.constantFrom(..."a'\\\n=# \t.1e-0é\0".split("")), maxLength: 40 }),
  fc.string({ unit: "binary" }),
);

law(
  "any text is entries and errors, each at its place",
  fc.property(anyText, (text) => {
    const { entries, errors } = parsePostgresqlConf(text);
    let last = -1;
    for (const { offset, end, raw, quoted, value, line, column } of entries) {
      expect(offset).toBeGreaterThan(last);
      expect(text.slice(offset, end)).toBe(raw);
      expect(quoted).toBe(raw.startsWith("'"));
      if (!quoted) expect(value).toBe(raw);
      const before = text.slice(0, offset).split("\n");
      expect([line, column]).toEqual([before.length, [...before.at(-1)!].length + 1]);
      last = end;
    }
    for (const error of errors) {
      if (error.near === undefined) expect(text[error.offset] ?? "\n").toBe("\n");
      else {
        expectErrorForPeople(error, text);
        expect(text.startsWith(error.near, error.offset)).toBe(true);
      }
    }
  }),
);

law(
  "what ALTER SYSTEM writes is read as what was set",
  fc.property(fc.string({ unit: "grapheme" }), (value) => {
    fc.pre(!/[\n\0]/.test(value));
    const text = `synchronous_standby_names = '${value.replace(/['\\]/g, "$&$&")}'\n`;
    const { entries, errors } = parsePostgresqlConf(text);
    expect(errors).toEqual([]);
    expect(entries[0]!.value).toBe(value);
    for (let i = 0; i < value.length; i++) {
      expect(text[placeInFile(entries[0]!, i).offset]).toBe(value[i]);
    }
    expect(text[placeInFile(entries[0]!, value.length).offset]).toBe("'");
  }),
);

law(
  "a place in the value is one in the value's file, and later ones are not before it",
  fc.property(anyText, (text) => {
    // Each place is looked for from the value's beginning.
    fc.pre(text.length < 2000);
    for (const entry of parsePostgresqlConf(text).entries) {
      let last = entry.offset;
      for (let i = 0; i <= entry.value.length; i++) {
        const { offset, line, column } = placeInFile(entry, i);
        expect(offset).toBeGreaterThanOrEqual(last);
        expect(offset).toBeLessThanOrEqual(entry.end);
        expect([line, column]).toEqual([entry.line, entry.column + [...text.slice(entry.offset, offset)].length]);
        last = offset;
      }
    }
  }),
);

law(
  "files are read in order, and a wrong one makes problems",
  fc.property(confFiles(), (files) => {
    const { entries, problems, paths } = readPostgresqlConf("/d/postgresql.conf", reader("/d", files));
    for (const { path, offset, raw } of entries) expect(files[path.slice(3)]!.startsWith(raw, offset)).toBe(true);
    for (const { path, error } of problems) expect(error.text).toBe(files[path.slice(3)]);
    const wrong = paths.some((path) => parsePostgresqlConf(files[path.slice(3)]!).errors.length > 0);
    expect(problems.length > 0).toBe(wrong);
    if (!wrong) expect(paths.at(-1)).toBe("/d/postgresql.auto.conf");
  }),
  500,
);

describe("cost grows as the text does", () => {
  test.each<[string, (n: number) => string]>([
    ["entries", (n) => "a=b\n".repeat(n)],
    ["a value", (n) => `a='${"b".repeat(n)}'`],
    ["doubled quotes", (n) => `a='${"''".repeat(n)}'`],
    ["escapes", (n) => `a='${"\\1".repeat(n)}'`],
    ["quotes without an end", (n) => `a='${"\\'".repeat(n)}`],
    ["an odd number of quotes", (n) => `a=${"'".repeat(2 * n + 1)}`],
    ["errors", (n) => "'\n".repeat(n)],
    ["a long line that is wrong", (n) => `? ${"' ".repeat(n)}`],
    ["blanks", (n) => `${" ".repeat(n)}a${"\t".repeat(n)}=${"\r".repeat(n)}1`],
    ["dots and digits", (n) => `a = ${"1".repeat(n)}${".".repeat(n)}`],
    ["a word", (n) => `a = ${"b.".repeat(n)}`],
  ])("%s", (_, text) => expectLinear((n) => parsePostgresqlConf(text(n))));
});

/** The rows of conformance/: walwire says of each what the server said, and the set covers what it claims. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { isDeepStrictEqual } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import {
  coverageOf,
  coverGrammars,
  coversCapability,
  otherTables,
  tables,
} from "../../scripts/conformance/coverage.ts";
import { checksums, folder, readDataset, readRows, version } from "../../scripts/conformance/dataset.ts";
import { agrees } from "../../scripts/conformance/kind.ts";
import { kinds } from "../../scripts/conformance/kinds.ts";
import { violation } from "../../scripts/conformance/schema.ts";
import { CapabilityTable } from "../../src/kernel/version.ts";

const source = fileURLToPath(new URL("../../src", import.meta.url));

afterAll(async () => {
  for (const kind of kinds) await kind.close?.();
});

const { servers, files } = readDataset();
const text = (file: string): string => readFileSync(`${folder}${file}`, "utf8");
const schema = JSON.parse(text("schema.json")) as object;

describe.each(kinds)("$name", (kind) => {
  const rows = readRows(kind);

  test("walwire says what the servers said, and adds what the rows have of it", async () => {
    const different: unknown[] = [];
    let seen = 0;
    for (const { input, versions, said, walwire } of rows) {
      for (const major of versions) {
        const ours = await kind.ours(input, servers.find((server) => server.major === major)!);
        if (ours === undefined) continue;
        seen++;
        if (agrees(ours, said) && isDeepStrictEqual(JSON.parse(JSON.stringify(ours.walwire ?? null)), walwire ?? null))
          continue;
        different.push({ input, major, said, walwire, ours });
      }
    }
    expect(different.slice(0, 10)).toEqual([]);
    // README says of what it knows nothing.
    expect(seen).toBeGreaterThan(rows.length * 0.6);
  });

  test("each row is what the schema says", () => {
    const violations = rows.flatMap((row) => violation(schema, kind.name, row) ?? []).slice(0, 10);
    expect(violations).toEqual([]);
    expect(rows.length).toBeGreaterThan(0);
  });

  test("README and schema describe it", () => {
    expect(text("README.md")).toContain(`\`data/${kind.name}.jsonl\``);
    expect(violation(schema, kind.name, {})).toMatch(/missing/);
  });
});

test("the checksums, the counts and the version are those of the files", () => {
  expect(text("SHA256SUMS")).toBe(checksums());
  for (const { file, rows, sha256 } of files) {
    expect(text("SHA256SUMS")).toContain(`${sha256}  ${file}\n`);
    if (file.endsWith(".jsonl")) expect([file, text(file).split("\n").length - 1]).toEqual([file, rows]);
  }
  expect(files.map(({ file }) => file)).toEqual(expect.arrayContaining(kinds.map(({ name }) => `data/${name}.jsonl`)));
  expect([readDataset().version, JSON.parse(text("package.json")).version]).toEqual([version, version]);
});

describe("coverage.md", () => {
  const covered = coverageOf(text("coverage.md"));

  test("names every capability in which the servers differ", () => {
    expect(covered.unnamed).toEqual([]);
    expect(covered.needless).toEqual([]);
    expect(covered.capabilities.length).toBeGreaterThan(20);
  });

  test("has the tables of all folders but those of programs, the publisher and the models", async () => {
    const paths = readdirSync(source, { recursive: true, encoding: "utf8" }).filter(
      (path) => /(?:^|\/)capabilities\.ts$/.test(path) && !otherTables.includes(path.split("/")[0]!),
    );
    const all = await Promise.all(paths.map((path) => import(join(source, path)) as Promise<Record<string, unknown>>));
    const found = all.flatMap(Object.values).filter((each) => each instanceof CapabilityTable);
    expect(found.length).toBeGreaterThan(15);
    for (const table of found) {
      const rows = Object.values((table as CapabilityTable<string>).rows);
      const isThere = Object.values(tables).some((each) => rows.every((row) => Object.values(each.rows).includes(row)));
      expect([Object.keys((table as CapabilityTable<string>).rows), isThere]).toEqual([expect.anything(), true]);
    }
  });

  test.each(covered.capabilities)(
    "$name: the named rows fail on the other side of it",
    async ({ table, name, places }) => {
      for (const place of places)
        expect([place, await coversCapability(kinds, name, table, place)]).toEqual([place, true]);
    },
  );

  test("the named rows have every production of both grammars, of each version", () => {
    for (const { grammar, major, productions, missing } of coverGrammars(kinds, covered.linesOf)) {
      expect([grammar, major, missing]).toEqual([grammar, major, []]);
      expect(productions).toBeGreaterThan(8);
    }
  });
});

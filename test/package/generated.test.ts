/** What is committed under src/generated, and docs/{messages,structs}.md, is what its sources make. */
import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { grammars } from "../../grammars/peggy.config.ts";
import { generatedFiles } from "../../scripts/generated.ts";
import { capabilities } from "../../src/capabilities.ts";
import { keywords } from "../../src/command/keywords.ts";

const root = new URL("../../", import.meta.url);

test("the generated files are those of their sources: run `npm run generate` after a change", async () => {
  const files = await generatedFiles();
  for (const [path, text] of files) expect(await readFile(new URL(path, root), "utf8"), path).toBe(text);
  const committed = await readdir(new URL("src/generated/", root));
  const made = [...files.keys()].filter((path) => path.startsWith("src/"));
  expect(committed.map((name) => `src/generated/${name}`).sort()).toEqual(made.sort());
});

test("grammars ask for capabilities by names that the table has, and name no version", async () => {
  const files = new Set(grammars.flatMap(({ inputs }) => inputs));
  const texts = [...files].map((file) => readFile(new URL(`grammars/${file}`, root), "utf8"));
  for (const grammar of [...(await Promise.all(texts)), ...grammars.flatMap(({ rules = "" }) => rules)]) {
    for (const [, name] of grammar.matchAll(/\bhas\.(\w+)/g)) expect(Object.keys(capabilities)).toContain(name);
    expect(grammar).not.toMatch(/\b(9\d{4}|1[0-9]0000)\b/);
  }
});

test.each(["replication.peggy", "lalr/replication.jison"])("%s uses each keyword, and no other", async (file) => {
  const grammar = await readFile(new URL(`grammars/${file}`, root), "utf8");
  const used = new Set(Array.from(grammar.matchAll(/\bK_(\w+)/g), ([, word]) => word));
  expect([...used].sort()).toEqual([...keywords.keys()].sort());
});

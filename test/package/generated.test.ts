/** What is committed under src/generated is what its sources make. */
import { readFile } from "node:fs/promises";
import { expect, test } from "vitest";
import { grammars } from "../../grammars/peggy.config.ts";
import { generatedGrammars } from "../../scripts/grammars.ts";
import { capabilities } from "../../src/server-version.ts";

const root = new URL("../../", import.meta.url);

test("the parsers are those of the grammars: run `npm run generate` after a change", async () => {
  for (const [path, text] of await generatedGrammars()) {
    expect(await readFile(new URL(path, root), "utf8"), path).toBe(text);
  }
});

test("grammars ask for capabilities by names that the table has, and name no version", async () => {
  for (const input of new Set(grammars.flatMap(({ inputs }) => inputs))) {
    const grammar = await readFile(new URL(`grammars/${input}`, root), "utf8");
    for (const [, name] of grammar.matchAll(/\bhas\("(\w+)"\)/g)) expect(Object.keys(capabilities)).toContain(name);
    expect(grammar).not.toMatch(/\b(9\d{4}|1[0-9]0000)\b/);
  }
});

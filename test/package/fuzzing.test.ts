/** The examples in docs/fuzzing.md and docs/arbitraries.md run, and print what these say. */
import { execFile } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import * as arbitraries from "../../src/arbitraries/index.ts";
import { compile } from "../compiled.ts";

const pages = { fuzzing: 3, arbitraries: 6 };

describe.each(Object.entries(pages))("docs/%s.md", (name, count) => {
  const page = readFileSync(fileURLToPath(new URL(`../../docs/${name}.md`, import.meta.url)), "utf8");
  const examples = [...page.matchAll(/^```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```$/gm)].map(([, code, output]) => ({
    code: code!,
    output: output!,
  }));
  const compiled = compile();
  afterAll(() => compiled.remove());

  test("every block of JavaScript is followed by what it prints", () => {
    expect(examples.length).toBe(page.match(/^```js$/gm)?.length);
    expect(examples.length).toBe(count);
  });

  test.each(examples.map((example, i) => ({ ...example, i: i + 1 })))("example $i", async ({ code, output, i }) => {
    // Beside the package's own package.json, whose exports give `walwire/…`.
    const file = join(dirname(compiled.dist), `${name}-${i}.mjs`);
    writeFileSync(file, code);
    try {
      const { stdout } = await promisify(execFile)(process.execPath, [file]);
      expect(stdout).toBe(output);
    } finally {
      rmSync(file);
    }
  });

  test("it names the arbitraries that there are", () => {
    const table = page.split("\n").filter((line) => line.startsWith("| "));
    const named = table.flatMap((line) => [...line.matchAll(/`(\w+)\(/g)].map(([, name]) => name!));
    expect(named.length).toBeGreaterThan(4);
    expect(Object.keys(arbitraries)).toEqual(expect.arrayContaining(named));
  });
});

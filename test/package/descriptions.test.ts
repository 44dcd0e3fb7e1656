/** What is committed under descriptions/ is what its sources make. */
import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { descriptionFiles } from "../../scripts/descriptions/files.ts";

const root = new URL("../../", import.meta.url);

test("the descriptions are those of their sources: run `npm run descriptions` after a change", async () => {
  const files = await descriptionFiles();
  for (const [path, text] of files) expect(readFileSync(new URL(path, root), "utf8"), path).toBe(text);
  const committed = readdirSync(new URL("descriptions/", root), { recursive: true, encoding: "utf8" })
    .map((name) => `descriptions/${name}`)
    .filter((path) => /\.\w+$/.test(path));
  expect(committed.sort()).toEqual([...files.keys()].sort());
});

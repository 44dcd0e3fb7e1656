/**
 * Generates the parsers from grammars/*.peggy with Peggy's command line, which also writes their types.
 */
import { execFile } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { grammars } from "../grammars/peggy.config.ts";
import { hoisted, hoistedTypes } from "./hoist.ts";

const plugin = fileURLToPath(new URL("sticky.js", import.meta.url));
const folder = fileURLToPath(new URL("../grammars/", import.meta.url));
const peggy = createRequire(import.meta.url).resolve("peggy/bin/peggy.js");

/** Every generated parser: its path from the root of the repository, and its text. */
export async function generatedGrammars(): Promise<Map<string, string>> {
  const files = new Map<string, string>();
  const out = await mkdtemp(join(tmpdir(), "walwire-grammars-"));
  try {
    for (const { name, inputs, rules, returnTypes } of grammars) {
      const sources = inputs.map((input) => join(folder, input));
      if (rules !== undefined) {
        sources.push(join(out, `${name}.peggy`));
        await writeFile(sources.at(-1)!, rules);
      }
      const args = [
        ...["--plugin", plugin, "--format", "es", "--dts", "--return-types", JSON.stringify(returnTypes)],
        ...["--allowed-start-rules", Object.keys(returnTypes).join(","), "--output", join(out, `${name}.js`)],
      ];
      await promisify(execFile)(process.execPath, [peggy, ...args, ...sources]);
      for (const file of [`${name}.js`, `${name}.d.ts`]) {
        const text = await readFile(join(out, file), "utf8");
        files.set(`src/generated/${file}`, file.endsWith(".js") ? hoisted(text) : hoistedTypes(text));
      }
    }
  } finally {
    await rm(out, { recursive: true });
  }
  return files;
}

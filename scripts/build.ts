/**
 * `npm run build`: TypeScript's own compiler writes dist, one file a source file, so that a stack names the file that a
 * reader finds in the repository. It passes over the parsers, which are JavaScript with declarations: they are copied, and
 * their imports of our sources made imports of what those became.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";

rmSync("dist", { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
for (const file of readdirSync("src/generated")) {
  if (!/\.(js|d\.ts)$/.test(file)) continue;
  const text = readFileSync(`src/generated/${file}`, "utf8");
  writeFileSync(`dist/generated/${file}`, text.replace(/^(import .* from "\.\.?\/.*)\.ts";$/gm, '$1.js";'));
}

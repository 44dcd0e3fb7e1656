/**
 * `npm run build`: TypeScript's own compiler writes dist, one file per source file, so that a stack names the file that a reader
 * finds in the repository. There are no maps: the code in dist is the source without its types.
 *
 * The compiler leaves out the parsers, which are JavaScript with declarations: they are copied, and their imports rewritten. In
 * declarations it leaves imports of `./x.ts` as they are, and writes types that it inferred as `Uint8Array<ArrayBufferLike>`, which TypeScript before 5.7
 * does not know; NoInfer came with 5.4. All are rewritten: consumers need TypeScript 5.0.
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
for (const file of readdirSync("dist", { recursive: true, encoding: "utf8" })) {
  if (!file.endsWith(".d.ts")) continue;
  const text = readFileSync(`dist/${file}`, "utf8");
  const portable = text
    .replace(/(\b(?:from|import)\s*\(?\s*"\.{1,2}\/[^"]*)\.ts"/g, '$1.js"')
    .replaceAll("Uint8Array<ArrayBufferLike>", "Uint8Array")
    .replace(/\bNoInfer<(\w+)>/g, "$1");
  if (portable !== text) writeFileSync(`dist/${file}`, portable);
}

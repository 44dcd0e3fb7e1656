/**
 * `npm run build`: TypeScript's own compiler writes dist, one file a source file, so that a stack names the file that a
 * reader finds in the repository. It passes over the parsers, which are JavaScript with declarations; they are copied.
 */
import { spawnSync } from "node:child_process";
import { copyFileSync, readdirSync, rmSync } from "node:fs";
import { createRequire } from "node:module";

rmSync("dist", { recursive: true, force: true });
const tsc = createRequire(import.meta.url).resolve("typescript/bin/tsc");
const { status } = spawnSync(process.execPath, [tsc, "-p", "tsconfig.build.json"], { stdio: "inherit" });
if (status !== 0) process.exit(status ?? 1);
for (const file of readdirSync("src/generated")) {
  if (/\.(js|d\.ts)$/.test(file)) copyFileSync(`src/generated/${file}`, `dist/generated/${file}`);
}

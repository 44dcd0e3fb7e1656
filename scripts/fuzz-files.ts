/**
 * `npm run fuzz:files -- [--runs N] [--seed S] [--case N] [--only NAME]`: damage files of every format, WAL and base backups, and check
 * the results. Each target in test/fuzz describes its checks.
 *
 * A case depends only on the seed and its number, so `--case` repeats one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild"; // tsx and vite bring it
import { damage } from "../test/fuzz/damage.ts";
import type { FuzzTarget } from "../test/fuzz/target.ts";
import { toHex } from "../test/hex.ts";

const { values: options } = parseArgs({
  options: {
    runs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    case: { type: "string" },
    only: { type: "string" },
  },
});
const runs = Number(options.runs);
const seed = Number(options.seed);

// Most damaged input is rejected, and the stacks of these errors are never shown.
if (options.case === undefined) Error.stackTraceLimit = 0;

const targets = (await load()).filter(({ name }) => options.only === undefined || name === options.only);
if (targets.length === 0) throw new Error(`there is no target ${options.only}`);
const corpora = targets.map((target) => target.corpus());
const counts = targets.map(() => ({ value: 0, error: 0 }));

/** Bundled first, since the loader that runs scripts makes functions about five times slower. */
async function load(): Promise<readonly FuzzTarget[]> {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const folder = mkdtempSync(join(root, "node_modules/.walwire-fuzz-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, "targets.mjs");
  await build({
    entryPoints: [join(root, "test/fuzz/targets.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    // Files next to a source file are found relative to it.
    define: { "import.meta.url": JSON.stringify(pathToFileURL(join(root, "test/fuzz/targets.ts")).href) },
    logLevel: "warning",
  });
  return (await import(pathToFileURL(outfile).href)).targets;
}

function run(number: number): void {
  const which = number % targets.length;
  const corpus = corpora[which]!;
  const bytes = damage(corpus, seed, number);
  try {
    counts[which]![targets[which]!.check(bytes)]++;
  } catch (error) {
    process.stderr.write(
      `\n${targets[which]!.name}: case ${number} of seed ${seed}\nnpm run fuzz:files -- --seed ${seed} --case ${number}${options.only === undefined ? "" : ` --only ${options.only}`}\n`,
    );
    process.stderr.write(`${toHex(bytes.subarray(0, 4096))}${bytes.length > 4096 ? "…" : ""}\n`);
    throw error;
  }
}

const started = Date.now();
if (options.case !== undefined) {
  run(Number(options.case));
} else {
  let said = started;
  for (let number = 0; number < runs; number++) {
    run(number);
    if ((number & 0x3ff) === 0 && Date.now() - said > 1000) {
      said = Date.now();
      process.stderr.write(`\r${number.toLocaleString("en")} of ${runs.toLocaleString("en")}, seed ${seed}`);
    }
  }
  process.stderr.write("\r\x1b[K");
}
for (const [i, { name }] of targets.entries()) {
  const { value, error } = counts[i]!;
  console.log(
    `${name}: ${(value + error).toLocaleString("en")} inputs, ${value.toLocaleString("en")} read, ${error.toLocaleString("en")} refused`,
  );
}
const seconds = (Date.now() - started) / 1000;
console.log(`seed ${seed}, ${seconds.toFixed(0)} s, 0 failures`);

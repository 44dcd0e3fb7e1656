/**
 * `npm run fuzz:messages`, `fuzz:files` and `fuzz:clients`, `-- [--runs N] [--seed S] [--case N] [--only NAME] [--minutes N]`:
 * damage messages of every family, files of every format, WAL and base backups, or what clients send a server, and check the results. Each target in test/fuzz describes its checks.
 *
 * A case depends only on the seed, its number and the options, so `--case` repeats one.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { build } from "esbuild";
import { damage } from "../test/fuzz/damage.ts";
import type { FuzzTarget } from "../test/fuzz/target.ts";
import { toHex } from "../test/hex.ts";

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: "string", default: "1000000" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    case: { type: "string" },
    only: { type: "string" },
    minutes: { type: "string", default: "Infinity" },
  },
});
const [group = ""] = positionals;
const runs = Number(options.runs);
const seed = Number(options.seed);

// Most damaged input is rejected, and the stacks of these errors are never shown.
if (options.case === undefined) Error.stackTraceLimit = 0;

const targets = (await load()).filter(({ name }) => options.only === undefined || name === options.only);
if (targets.length === 0) throw new Error(`there is no target ${options.only ?? group}`);
const corpora = targets.map((target) => target.corpus());
const counts = targets.map(() => ({ value: 0, error: 0 }));

/** Bundled, since the loader that runs scripts makes functions about five times slower; with the package instead of src, if that is tested. */
async function load(): Promise<readonly FuzzTarget[]> {
  const root = fileURLToPath(new URL("../", import.meta.url));
  const folder = mkdtempSync(join(root, "node_modules/.walwire-fuzz-"));
  process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
  const outfile = join(folder, "targets.mjs");
  const unpacked = process.env.WALWIRE_PACKAGE;
  await build({
    entryPoints: [join(root, "test/fuzz/targets.ts")],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    packages: "external",
    // Files next to a source file are found relative to it.
    define: { "import.meta.url": JSON.stringify(pathToFileURL(join(root, "test/fuzz/targets.ts")).href) },
    plugins: [
      {
        name: "package",
        setup: ({ onResolve }) => {
          if (unpacked === undefined) return;
          onResolve({ filter: /^(\.\.\/)+src\/.*\.ts$/ }, ({ path }) => ({
            path: join(unpacked, "dist", path.replace(/^(\.\.\/)+src\//, "").replace(/\.ts$/, ".js")),
          }));
        },
      },
    ],
    logLevel: "warning",
  });
  return (await import(pathToFileURL(outfile).href)).targets[group] ?? [];
}

async function run(number: number): Promise<void> {
  const which = number % targets.length;
  await check(
    which,
    damage(corpora[which]!, seed, number),
    `case ${number} of seed ${seed}`,
    `--seed ${seed} --case ${number}`,
  );
}

async function check(which: number, bytes: Uint8Array, what: string, again = "", sound = false): Promise<void> {
  const { name } = targets[which]!;
  try {
    const outcome = await targets[which]!.check(bytes);
    if (sound && outcome === "error") throw new Error("it is rejected");
    counts[which]![outcome]++;
  } catch (error) {
    const only = options.only === undefined ? "" : ` --only ${options.only}`;
    process.stderr.write(`\n${name}: ${what}\nnpm run fuzz:${group} -- ${again}${only}\n`);
    process.stderr.write(`${toHex(bytes.subarray(0, 4096))}${bytes.length > 4096 ? "…" : ""}\n`);
    throw error;
  }
}

const started = Date.now();
let done = 0;
if (options.case !== undefined) {
  await run(Number(options.case));
  done = 1;
} else {
  for (const [which, { sound }] of targets.entries()) {
    if (!sound) continue;
    for (const bytes of corpora[which]!) await check(which, bytes, "an input that is not damaged", "", true);
    counts[which]!.value = 0;
  }
  const limit = started + Number(options.minutes) * 60_000;
  for (let said = started; done < runs && said < limit; done++) {
    await run(done);
    if ((done & 0x3ff) !== 0 || Date.now() - said < 1000) continue;
    said = Date.now();
    process.stderr.write(`\r${done.toLocaleString("en")} of ${runs.toLocaleString("en")}, seed ${seed}`);
  }
  process.stderr.write("\r\x1b[K");
}
for (const [i, { name, summary }] of targets.entries()) {
  const { value, error } = counts[i]!;
  const [all, read, rejected] = [value + error, value, error].map((count) => count.toLocaleString("en"));
  console.log(`${name}: ${all} inputs, ${read} read, ${rejected} rejected`);
  if (summary !== undefined) console.log(`${name}: ${summary()}`);
}
const good = corpora.reduce((sum, { length }) => sum + length, 0);
const seconds = (Date.now() - started) / 1000;
console.log(
  `seed ${seed}: ${done.toLocaleString("en")} damaged inputs, 0 failures, made of ${good.toLocaleString("en")}, ${seconds.toFixed(0)} s`,
);

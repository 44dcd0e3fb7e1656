/**
 * `npm run fuzz -- [--minutes N] [--seed S] [--only PART-OF-A-NAME]`: check the laws of all test files with new seeds until the time is
 * over. A case that fails is kept in test/vectors/regressions, and checked by `npm test` from then on.
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { startVitest } from "vitest/node";
import type { FuzzOptions } from "../test/fuzz/options.ts";

const { values: options } = parseArgs({
  options: {
    minutes: { type: "string", default: "10" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    only: { type: "string" },
  },
});
const minutes = Number(options.minutes);
const seed = Number(options.seed);
if (!(minutes > 0)) throw new Error(`--minutes is "${options.minutes}", expected a positive number`);
if (!Number.isInteger(seed)) throw new Error(`--seed is "${options.seed}", expected an integer`);
const fuzz: FuzzOptions = { minutes, seed, ...(options.only !== undefined && { only: options.only }) };

await startVitest("test", [], {
  config: false,
  root: fileURLToPath(new URL("../", import.meta.url)),
  watch: false,
  include: ["test/fuzz/laws.ts"],
  tags: [{ name: "law" }],
  tagsFilter: ["law"],
  pool: "forks",
  isolate: false,
  teardownTimeout: 1000,
  disableConsoleIntercept: true,
  env: { WALWIRE_FUZZ: JSON.stringify(fuzz) },
  reporters: [
    {
      onTestRunEnd(modules, unhandled) {
        const errors = modules.flatMap((module) => [
          ...module.errors(),
          ...[...module.children.allSuites()].flatMap((suite) => suite.errors()),
          ...[...module.children.allTests("failed")].flatMap((test) => test.result().errors ?? []),
        ]);
        for (const { stack, message } of [...errors, ...unhandled]) process.stderr.write(`${stack ?? message}\n`);
      },
    },
  ],
});

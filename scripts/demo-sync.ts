/** `npm run demo:sync`: the output of `walwire sync` for an invalid value, and for a valid one with three standbys. Needs no server. */
import { fileURLToPath } from "node:url";
import { main } from "../src/node/cli/main.ts";
import { watchOutput } from "../src/node/cli/shared/output.ts";

watchOutput();

// Paths are relative to the folder of the examples.
process.chdir(fileURLToPath(new URL("../docs/examples/", import.meta.url)));

const calls = [
  ["check", "ANY 2 (node-1, s2, s3)"],
  ["explain", 'ANY 2 ("node-1", s2, s3)', "--standbys", "standbys.json"],
];

for (const [i, args] of calls.entries()) {
  const words = args.map((word) => (/^[\w./-]+$/.test(word) ? word : `'${word}'`));
  process.stdout.write(`${i > 0 ? "\n" : ""}$ walwire sync ${words.join(" ")}\n`);
  await main(["sync", ...args]);
}

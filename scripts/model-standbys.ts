/**
 * `npm run model:standbys -- [--nodes N] [--depth N] [--commits N] [--takeovers N] [--changes N] [--most N] [--walks N] [--from N] [--any]
 * [--seed S]`: follow
 * all histories of clusters whose control plane follows the plans of walwire/syncrep/plan, from every cluster at rest of up to `--nodes`
 * nodes (from `--from` on), until `--most` states are reached; with `--any` ANY alone is wanted, and commits always wait; then `--walks` random histories of 9 nodes.
 */
import { parseArgs } from "node:util";
import { allWanted, atRest, explore, walk } from "../test/models/standby-plans.ts";

const number = (text: string) => ({ type: "string", default: text }) as const;
const { values } = parseArgs({
  options: {
    nodes: number("5"),
    depth: number("40"),
    commits: number("2"),
    takeovers: number("2"),
    changes: number("2"),
    most: number("3000000"),
    walks: number("2000"),
    from: number("2"),
    any: { type: "boolean", default: false },
    seed: number(String(Date.now() & 0x7fffffff)),
  },
});
const [nodes, depth, most] = [Number(values.nodes), Number(values.depth), Number(values.most)];
const counts = {
  commits: Number(values.commits),
  takeovers: Number(values.takeovers),
  changes: Number(values.changes),
};
let failed = false;

function report(what: string, history: readonly string[] | undefined, started: number): void {
  console.log(`${what}, ${((performance.now() - started) / 1000).toFixed(1)} s`);
  if (history === undefined) return;
  console.log(`A commit is lost:\n  ${history.join("\n  ")}`);
  failed = true;
}

for (let n = Number(values.from); n <= nodes; n++) {
  const limits = { nodes: n, ...counts };
  const starts = [];
  for (let copies = 0; copies < n; copies++)
    for (let members = copies + 1; members <= n; members++) starts.push(atRest(limits, members, copies));
  const started = performance.now();
  const wanted = values.any ? allWanted(n) : allWanted(n, ["QUORUM", "PRIORITY"], ["wait", "lower"]);
  const explored = explore(starts, limits, wanted, { depth, most });
  const { states, transitions, complete } = explored;
  const end = complete ? "all there are" : `all histories of ${explored.depth} events`;
  report(`${n} nodes: ${states} states, ${transitions} transitions, ${end}`, explored.history, started);
}

const started = performance.now();
let events = 0;
for (let n = 0; n < Number(values.walks) && !failed; n++) {
  const { history, length } = walk(Number(values.seed) + n, 9, 150);
  events += length;
  if (history !== undefined) report(`seed ${Number(values.seed) + n}`, history, started);
}
report(`${values.walks} random histories of 9 nodes, ${events} events, seed ${values.seed}`, undefined, started);
process.exit(failed ? 1 : 0);

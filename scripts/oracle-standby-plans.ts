/**
 * `npm run oracle:standby-plans -- [--changes N] [--server V] [--seed S]`: follow plans of walwire/syncrep/plan on servers with fake
 * standbys, one server at a time, through N changes of the nodes that are wanted.
 */
import { parseArgs } from "node:util";
import { formatServerVersion } from "../src/kernel/version.ts";
import { followPlans } from "../test/oracle/standby-plans.ts";
import { settingsForStandbys } from "../test/oracle/standbys.ts";
import { startServer } from "../test/servers/index.ts";

const { values } = parseArgs({
  options: {
    changes: { type: "string", default: "2000" },
    server: { type: "string", default: "10,12,14,16,18" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
  },
});
let failed = false;
for (const major of values.server.split(",").map(Number)) {
  const server = await startServer({ major, settings: settingsForStandbys });
  try {
    const started = performance.now();
    let last = started;
    const counts = { changes: Number(values.changes), seed: Number(values.seed) };
    const outcome = await followPlans(server, counts, (done) => {
      if (performance.now() - last < 10_000) return;
      last = performance.now();
      process.stderr.write(`PostgreSQL ${major}: ${done}\n`);
    });
    const { changes, finished, steps, returned, checks, waited, faults } = outcome;
    console.log(
      `PostgreSQL ${formatServerVersion(server.versionNum)}, seed ${values.seed}: ${changes} changes, ${finished} plans done, ${steps.rule} rules and ${steps.value} values set, ${steps.wait} looks at a wait, ${returned} commits returned, ${waited} times one waited as it must, ${checks} checks, ${faults.length} faults, ${((performance.now() - started) / 1000).toFixed(1)} s`,
    );
    for (const fault of faults) console.log(`  ${fault}`);
    if (faults.length > 0) failed = true;
  } finally {
    await server.stop();
  }
}
process.exit(failed ? 1 : 0);

/**
 * `npm run oracle:standbys -- --runs N [--schedules N] [--server V] [--seed S] [--socket DIRECTORY]`: ask servers which
 * standbys are synchronous, and when commits return, for N random settings and sets of fake standbys; one server at a time.
 *
 * `--socket` names the socket directory of your own running server, of any version. It must have been started with
 * `settingsForStandbys` in test/oracle/standbys.ts, and must have no other users, since its settings are changed.
 */
import { parseArgs } from "node:util";
import { formatServerVersion } from "../src/kernel/version.ts";
import { askAboutStandbys, settingsForStandbys } from "../test/oracle/standbys.ts";
import { attach, majors, type Server, startServer } from "../test/servers/index.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "500" },
    schedules: { type: "string" },
    server: { type: "string" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    socket: { type: "string" },
  },
});
const runs = Number(values.runs);
const schedules = Number(values.schedules ?? Math.ceil(runs / 20));
const seed = Number(values.seed);
let failed = false;

async function ask(server: Server): Promise<void> {
  const name = `PostgreSQL ${formatServerVersion(server.versionNum)}`;
  const started = performance.now();
  let last = started;
  const outcome = await askAboutStandbys(server, { settings: runs, schedules, seed }, (done) => {
    if (performance.now() - last < 5000) return;
    last = performance.now();
    process.stderr.write(`${name}: ${done}\n`);
  });
  const { disagreements, settings, seen, returned, waited, disturbed } = outcome;
  console.log(
    `${name}, seed ${seed}: ${settings} settings (${Object.entries(seen)
      .map(([state, count]) => `${count} ${state}`)
      .join(
        ", ",
      )}), ${outcome.schedules} schedules (${returned} commits returned, ${waited} times one still waited, ${disturbed} disturbed), ${disagreements.length} disagreements, ${((performance.now() - started) / 1000).toFixed(1)} s`,
  );
  for (const each of disagreements.slice(0, 5)) {
    console.log(JSON.stringify(each, (_, value) => (typeof value === "bigint" ? String(value) : value)));
  }
  if (disagreements.length > 0) failed = true;
}

if (values.socket !== undefined) {
  const address = { host: values.socket, port: 5432, user: "postgres", database: "postgres", major: 0, pid: 0 };
  const { rows } = await attach({ ...address, versionNum: 0 }).sql("SHOW server_version_num");
  await ask(attach({ ...address, versionNum: Number(rows[0]![0]) }));
} else {
  for (const major of values.server === undefined ? majors : [Number(values.server)]) {
    const server = await startServer({ major, settings: settingsForStandbys });
    try {
      await ask(server);
    } finally {
      await server.stop();
    }
  }
}
process.exit(failed ? 1 : 0);

/**
 * `tsx bench/base-backup.ts`, after `npm run build`: a base backup of 1 GB, next to pg_basebackup 15 of the same server in the same run. The
 * two alternate; rates are the best of several rounds. Files are not flushed, since that measures the disk.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pathOf } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { machine, type Run, runProgram, verdict } from "./measure.ts";

/** The least acceptable ratio of our rate to pg_basebackup's. */
const goal = 0.9;
const rounds = Number(process.env.ROUNDS ?? 5);
const megabytes = Number(process.env.MEGABYTES ?? 1024);
const folder = mkdtempSync(join(tmpdir(), "walwire-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const server = await startServer({ major: 15, settings: { shared_buffers: "64MB", max_wal_size: "4GB" } });
try {
  await server.sql("CREATE UNLOGGED TABLE n (i int); DROP TABLE n");
  await server.sql(
    `CREATE TABLE t AS SELECT i, repeat(md5(i::text), 30) AS filler FROM generate_series(1, ${megabytes * 950}) i`,
  );
  await server.sql("CHECKPOINT");
  await server.sql("SELECT pg_switch_wal()");
  await server.sql("CHECKPOINT");
  const size = Number((await server.sql("SELECT sum(pg_database_size(oid)) FROM pg_database")).rows[0]![0]);
  const target = join(folder, "backup");
  const address = ["-h", server.host, "-p", String(server.port), "-U", server.user];
  const ours = fileURLToPath(new URL("../dist/node/base-backup/index.js", import.meta.url));
  const connection = { host: server.host, port: server.port, user: server.user };
  const script = `import { takeBaseBackup } from ${JSON.stringify(ours)};
    await takeBaseBackup(${JSON.stringify(target)}, { connect: ${JSON.stringify(connection)}, walMethod: "fetch", checkpoint: "fast", sync: false });`;
  const subjects = {
    pg_basebackup: () =>
      runProgram(pathOf("pg_basebackup"), [...address, "-D", target, "-X", "fetch", "-c", "fast", "--no-sync"]),
    walwire: () => runProgram(process.execPath, ["--input-type=module", "-e", script]),
  };
  const best: Partial<Record<keyof typeof subjects, Run>> = {};
  for (let round = 0; round < rounds; round++) {
    for (const name of Object.keys(subjects) as (keyof typeof subjects)[]) {
      rmSync(target, { recursive: true, force: true });
      const result = await subjects[name]();
      if (best[name] === undefined || result.elapsed < best[name].elapsed) best[name] = result;
    }
  }
  console.log(
    `${machine}\n\n| a base backup of ${(size / 1e9).toFixed(2)} GB | time | rate | processor | memory |\n|---|--:|--:|--:|--:|`,
  );
  for (const [name, { elapsed, user, system, memory }] of Object.entries(best)) {
    const rate = size / 1e6 / elapsed;
    console.log(
      `| ${name} | ${elapsed.toFixed(2)} s | ${rate.toFixed(0)} MB/s | ${(user + system).toFixed(2)} s | ${memory.toFixed(0)} MB |`,
    );
  }
  console.log(`\n${verdict(best.pg_basebackup!.elapsed / best.walwire!.elapsed, "≥", goal, "pg_basebackup")}`);
} finally {
  await server.stop();
}

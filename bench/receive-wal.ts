/**
 * `npx tsx bench/receive-wal.ts [DIRECTORY [MEGABYTES]]`, after `npm run build`: how fast WAL is received, next to pg_receivewal 15 from
 * the same server in the same run, with the processor time and the memory of each. Rates are the best of several rounds, in which the two
 * alternate.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pathOf } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { machine, type Run, runProgram, verdict } from "./measure.ts";

const goal = 0.9;
const rounds = 4;
const [parent = tmpdir(), megabytes = "1024"] = process.argv.slice(2);
const folder = mkdtempSync(join(parent, "walwire-bench-"));
chmodSync(folder, 0o755);
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

const server = await startServer({
  major: 15,
  settings: { max_wal_size: "100GB", wal_keep_size: "100GB", max_replication_slots: "10" },
});
try {
  const one = async (sql: string) => (await server.sql(sql)).rows[0]![0]!;
  await server.sql("SELECT pg_switch_wal()");
  const first = await one("SELECT pg_walfile_name(pg_current_wal_lsn())");
  const from = await one("SELECT pg_current_wal_lsn()");
  for (let i = 0; i < Number(megabytes); i += 16) {
    await server.sql(
      "SELECT pg_logical_emit_message(false, 'b', repeat(md5(random()::text), 32768)) FROM generate_series(1, 16)",
    );
  }
  await server.sql("SELECT pg_switch_wal()");
  // A position within the last segment: it ends when that is complete.
  const end = await one("SELECT pg_current_wal_lsn() - 1");
  const bytes = Number(await one(`SELECT pg_current_wal_lsn() - '${from}'::pg_lsn`));
  const cli = fileURLToPath(new URL("../dist/node/cli.js", import.meta.url));
  /** A directory in which receiving starts with the first segment. */
  const fresh = (): string => {
    const directory = join(folder, "wal");
    rmSync(directory, { recursive: true, force: true });
    mkdirSync(directory);
    writeFileSync(join(directory, `${first}.partial`), "");
    return directory;
  };
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(server.host)}`;
  console.log(
    `${machine}; ${(bytes / 1e6).toFixed(0)} MB of WAL, PostgreSQL 15, files on ${parent} (type ${statfsSync(folder).type.toString(16)})\n`,
  );
  console.log("| | | MB/s | user | system | memory | goal |");
  console.log("|---|---|--:|--:|--:|--:|---|");
  for (const [title, more] of [
    ["flushed", []],
    ["--no-sync", ["--no-sync"]],
    ["--synchronous", ["--synchronous"]],
  ] as const) {
    const best: Record<string, Run> = {};
    for (let round = 0; round < rounds; round++) {
      const common = ["--endpos", end, "--no-loop", ...more];
      const subjects = {
        pg_receivewal: () =>
          runProgram(pathOf("pg_receivewal"), ["-h", server.host, "-U", "postgres", "-D", fresh(), ...common]),
        walwire: () => runProgram(process.execPath, [cli, "receive-wal", fresh(), "--dbname", url, ...common]),
      };
      for (const [name, subject] of Object.entries(subjects)) {
        const each = await subject();
        if (best[name] === undefined || each.elapsed < best[name].elapsed) best[name] = each;
      }
    }
    const rate = ({ elapsed }: Run): number => bytes / 1e6 / elapsed;
    for (const [name, each] of Object.entries(best)) {
      const ratio = rate(best.walwire!) / rate(best.pg_receivewal!);
      const judged = name === "walwire" ? verdict(ratio, "≥", goal, "pg_receivewal") : "";
      console.log(
        `| ${title} | ${name} | ${rate(each).toFixed(0)} | ${each.user.toFixed(2)} s | ${each.system.toFixed(2)} s | ${each.memory.toFixed(0)} MB | ${judged} |`,
      );
    }
  }
} finally {
  await server.stop();
}

/**
 * `npx tsx bench/server.ts [DIRECTORY [MEGABYTES]]`, after `npm run build`: how fast WalDirectory sends WAL to pg_receivewal 15, next to
 * PostgreSQL 15, the newest that it speaks to, in the same run. Both send the same segments from the page cache. Rates are the best of several rounds, in which the two
 * alternate. On two cores under load of others: 0.23 and 0.44 of PostgreSQL, short of the goal. "first" is a directory that nobody has read yet, so that all of it is checked while it is sent.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { pathOf } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { machine, runProgram, verdict } from "./measure.ts";

const goal = 0.7;
const rounds = 4;
const [parent = tmpdir(), megabytes = "512"] = process.argv.slice(2);
const folder = mkdtempSync(join(parent, "walwire-bench-"));
chmodSync(folder, 0o755);
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** A server of ours in a process of its own. @returns the directory of its socket, and how to end it */
async function serve(archive: string) {
  const host = mkdtempSync(join(folder, "host-"));
  const code = `
    import { listen, WalDirectory } from ${JSON.stringify(fileURLToPath(new URL("../dist/node/server/index.js", import.meta.url)))};
    const directory = await WalDirectory.open(${JSON.stringify(archive)});
    await listen({ server: directory.server, path: ${JSON.stringify(join(host, ".s.PGSQL.5432"))}, handlers: directory.handlers });
    console.log("up");
    process.stdin.on("end", () => process.exit()).resume();
  `;
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { stdio: ["pipe", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return {
    host,
    async end() {
      child.stdin.end();
      await once(child, "close");
    },
  };
}

const server = await startServer({ major: 15, settings: { max_wal_size: "100GB", wal_keep_size: "100GB" } });
try {
  const one = async (sql: string) => (await server.sql(sql)).rows[0]![0]!;
  await server.sql("CREATE TABLE t (id int, v text); SELECT pg_switch_wal()");
  const from = await one("SELECT pg_current_wal_lsn()");
  const first = await one("SELECT pg_walfile_name(pg_current_wal_lsn())");
  const written = async () => Number(await one(`SELECT pg_current_wal_lsn() - '${from}'::pg_lsn`));
  while ((await written()) < Number(megabytes) * 1e6) {
    await server.sql("INSERT INTO t SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 50000) g");
  }
  await server.sql("SELECT pg_switch_wal()");
  // A position within the last segment: it ends when that is complete.
  const end = await one("SELECT pg_current_wal_lsn() - 1");
  const last = await one("SELECT pg_walfile_name(pg_current_wal_lsn() - 1)");
  const bytes = await written();
  const archive = join(folder, "archive");
  mkdirSync(archive);
  const wal = join(server.dataDirectory, "pg_wal");
  for (const name of readdirSync(wal)) {
    if (/^[0-9A-F]{24}$/.test(name) && name >= first && name <= last)
      copyFileSync(join(wal, name), join(archive, name));
  }
  const receive = async (host: string): Promise<number> => {
    const target = join(folder, "wal");
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    writeFileSync(join(target, `${first}.partial`), "");
    const options = ["--endpos", end, "--no-loop", "--no-sync"];
    const { elapsed } = await runProgram(pathOf("pg_receivewal"), [
      "-h",
      host,
      "-U",
      "postgres",
      "-D",
      target,
      ...options,
    ]);
    return bytes / 1e6 / elapsed;
  };
  const best = { "PostgreSQL 15": 0, "walwire, first": 0, "walwire, again": 0 };
  for (let round = 0; round < rounds; round++) {
    best["PostgreSQL 15"] = Math.max(best["PostgreSQL 15"], await receive(server.host));
    const ours = await serve(archive);
    best["walwire, first"] = Math.max(best["walwire, first"], await receive(ours.host));
    best["walwire, again"] = Math.max(best["walwire, again"], await receive(ours.host));
    await ours.end();
  }
  console.log(`${machine}; ${(bytes / 1e6).toFixed(0)} MB of WAL\n\n| | MB/s | goal |\n|---|--:|---|`);
  for (const [name, rate] of Object.entries(best)) {
    const judged = name.startsWith("walwire") ? verdict(rate / best["PostgreSQL 15"], "≥", goal, "PostgreSQL") : "";
    console.log(`| ${name} | ${rate.toFixed(0)} | ${judged} |`);
  }
} finally {
  await server.stop();
}

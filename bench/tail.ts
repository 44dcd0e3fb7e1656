/**
 * `npx tsx bench/tail.ts [ROWS [TRANSACTIONS]]`: rows a second of `walwire tail --jsonl` to a null sink, next to pg_recvlogical 15 to
 * /dev/null, which writes what the server sends as it is. Both follow copies of one slot of one server, so they get the same changes;
 * rates are the best of several rounds, in which they alternate. With the processor time and the memory of each.
 *
 * Bulk is ROWS inserted rows of four columns, in 100 transactions and in one, whose lines can be written only once it has committed;
 * small is TRANSACTIONS transactions as those of pgbench: three updates and an insert.
 */
import { join } from "node:path";
import { compile } from "../test/compiled.ts";
import { pathOf } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { machine, type Run, runProgram, thousands, verdict } from "./measure.ts";

const goal = 0.9;
const rounds = Number(process.env.BENCH_ROUNDS ?? 3);
const [rows = "1000000", transactions = "50000"] = process.argv.slice(2);
const compiled = compile();
process.on("exit", () => compiled.remove());

/** Inserts of so many rows in each transaction. */
const bulk = (size: number): string => `DO $$ BEGIN FOR i IN 0..${Math.ceil(Number(rows) / size) - 1} LOOP
    INSERT INTO bulk SELECT g, 'name of row ' || g, g * 1.25, '2026-01-01'::timestamp + g * interval '1 second'
      FROM generate_series(i * ${size} + 1, least(i * ${size} + ${size}, ${rows})) g;
    COMMIT; END LOOP; END $$`;

const server = await startServer({ major: 18, settings: { max_wal_size: "20GB", max_replication_slots: "10" } });
try {
  const one = async (sql: string) => (await server.sql(sql)).rows[0]?.[0] ?? "";
  for (const sql of [
    "CREATE TABLE bulk (id bigint PRIMARY KEY, name text, amount numeric, at timestamp)",
    "CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84))",
    "CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84))",
    "CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88))",
    "CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22))",
    "INSERT INTO accounts SELECT g, 1, 0, '' FROM generate_series(1, 10000) g",
    "INSERT INTO tellers SELECT g, 1, 0, '' FROM generate_series(1, 10) g",
    "INSERT INTO branches VALUES (1, 0, '')",
    "CREATE PUBLICATION p FOR ALL TABLES",
  ]) {
    await server.sql(sql);
  }
  const workloads = {
    bulk: { rows: Number(rows), sql: bulk(Math.ceil(Number(rows) / 100)) },
    "one transaction": { rows: Number(rows), sql: bulk(Number(rows)) },
    small: {
      rows: 4 * Number(transactions),
      sql: `DO $$ BEGIN FOR i IN 1..${transactions} LOOP
        UPDATE accounts SET abalance = abalance + i WHERE aid = 1 + i % 10000;
        UPDATE tellers SET tbalance = tbalance + i WHERE tid = 1 + i % 10;
        UPDATE branches SET bbalance = bbalance + 1;
        INSERT INTO history VALUES (1 + i % 10, 1, 1 + i % 10000, i, clock_timestamp(), '');
        COMMIT; END LOOP; END $$`,
    },
  };
  const url = `postgres://postgres@localhost/postgres?host=${encodeURIComponent(server.host)}`;
  console.log(`${machine}; PostgreSQL 18\n`);
  console.log("| | | rows/s | user | system | memory | goal |");
  console.log("|---|---|--:|--:|--:|--:|---|");
  for (const [title, workload] of Object.entries(workloads)) {
    await server.sql("TRUNCATE bulk");
    await server.sql("SELECT pg_create_logical_replication_slot('base', 'pgoutput')");
    await server.sql(workload.sql);
    const end = await one("SELECT pg_current_wal_lsn()");
    // A record behind the last commit, for the one that ends with the first message at or after the position.
    await server.sql("SELECT pg_logical_emit_message(true, '', '')");
    const best: Record<string, Run> = {};
    const options = ["proto_version=4", "streaming=parallel", "publication_names=p"].flatMap((each) => ["-o", each]);
    const subjects: Record<string, (slot: string) => Promise<Run>> = {
      pg_recvlogical: (slot) =>
        runProgram(pathOf("pg_recvlogical"), [
          ...["-h", server.host, "-U", "postgres", "-d", "postgres", "--slot", slot, "--start", "--no-loop"],
          ...["-f", "/dev/null", "--endpos", end, ...options],
        ]),
      walwire: (slot) =>
        runProgram(process.execPath, [
          ...(process.env.BENCH_NODE_OPTIONS?.split(" ") ?? []),
          join(compiled.dist, "node/cli.js"),
          ...["tail", url, "--jsonl", "--slot", slot, "--until", end],
        ]),
    };
    for (let round = 0; round < rounds; round++) {
      for (const [name, subject] of Object.entries(subjects)) {
        await server.sql("SELECT pg_copy_logical_replication_slot('base', 'copy')");
        const each = await subject("copy");
        if (best[name] === undefined || each.elapsed < best[name].elapsed) best[name] = each;
        while ((await one("SELECT 1 FROM pg_replication_slots WHERE active")) !== "");
        await server.sql("SELECT pg_drop_replication_slot('copy')");
      }
    }
    await server.sql("SELECT pg_drop_replication_slot('base')");
    const rate = ({ elapsed }: Run): number => workload.rows / elapsed;
    for (const [name, each] of Object.entries(best)) {
      const ratio = rate(best.walwire!) / rate(best.pg_recvlogical!);
      const judged = name === "walwire" ? verdict(ratio, "≥", goal, "pg_recvlogical") : "";
      console.log(
        `| ${title} | ${name} | ${thousands(rate(each))} | ${each.user.toFixed(2)} s | ${each.system.toFixed(2)} s | ${each.memory.toFixed(0)} MB | ${judged} |`,
      );
    }
  }
} finally {
  await server.stop();
}

/**
 * `npm run bench`: the speed of reading WAL records, with checksums, next to a loop that only follows pages and lengths with the same
 * checksum, and to PostgreSQL 15's pg_waldump --quiet, all in one run on the segments of one live server.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { inTurns, machine, thousands, verdict } from "./measure.ts";
import { plain } from "./plain.ts";

const SEGMENT = 16 * 1024 * 1024;
const BYTES = 8 * SEGMENT;

/** The statements to run, and how often between two checks of the amount of WAL. */
const workloads = {
  "small transactions; hardly an image": {
    rounds: 100,
    sql: `
  CREATE TABLE account (id bigint PRIMARY KEY, owner text, balance numeric(12,2), changed timestamptz);
  CREATE INDEX ON account (owner);
  CREATE PROCEDURE work(rounds int) LANGUAGE plpgsql AS $$
  DECLARE first bigint;
  BEGIN
    FOR round IN 1..rounds LOOP
      first := (SELECT coalesce(max(id), 0) FROM account);
      INSERT INTO account SELECT i, 'customer ' || i, i, now() FROM generate_series(first + 1, first + 200) i;
      COMMIT;
      FOR i IN 1..20 LOOP
        UPDATE account SET balance = balance + 1, changed = now() WHERE id = first + i * 7;
        COMMIT;
      END LOOP;
      DELETE FROM account WHERE id BETWEEN first + 50 AND first + 60;
      COMMIT;
    END LOOP;
  END $$`,
  },
  "as pgbench does it, checkpoints now and then: six bytes of seven are of images of pages": {
    rounds: 5000,
    sql: `
  CREATE TABLE branches (bid int PRIMARY KEY, bbalance int, filler char(88));
  CREATE TABLE tellers (tid int PRIMARY KEY, bid int, tbalance int, filler char(84));
  CREATE TABLE accounts (aid int PRIMARY KEY, bid int, abalance int, filler char(84));
  CREATE TABLE history (tid int, bid int, aid int, delta int, mtime timestamp, filler char(22));
  INSERT INTO branches SELECT i, 0, '' FROM generate_series(1, 5) i;
  INSERT INTO tellers SELECT i, i / 10, 0, '' FROM generate_series(1, 50) i;
  INSERT INTO accounts SELECT i, i / 100000, 0, '' FROM generate_series(1, 500000) i;
  CREATE PROCEDURE work(rounds int) LANGUAGE plpgsql AS $$
  DECLARE a int; t int; b int; d int;
  BEGIN
    FOR round IN 1..rounds LOOP
      a := 1 + floor(random() * 500000);
      t := 1 + floor(random() * 50);
      b := 1 + floor(random() * 5);
      d := floor(random() * 10000) - 5000;
      UPDATE accounts SET abalance = abalance + d WHERE aid = a;
      UPDATE tellers SET tbalance = tbalance + d WHERE tid = t;
      UPDATE branches SET bbalance = bbalance + d WHERE bid = b;
      INSERT INTO history VALUES (t, b, a, d, now(), '');
      COMMIT;
    END LOOP;
  END $$`,
  },
} as const;

/** Full segments, at least BYTES in total. */
async function makeSegments({ sql, rounds }: { sql: string; rounds: number }): Promise<{
  directory: string;
  names: string[];
  stop: () => Promise<void>;
}> {
  const server = await startServer({
    major: 15,
    settings: {
      full_page_writes: "on",
      wal_level: "replica",
      max_wal_size: "8GB",
      wal_keep_size: "4GB",
      shared_buffers: "256MB",
    },
  });
  const directory = join(server.dataDirectory, "pg_wal");
  try {
    await server.sql(sql);
    await server.sql("CHECKPOINT; SELECT pg_switch_wal()");
    const position = async (): Promise<number> =>
      Number((await server.sql("SELECT pg_current_wal_lsn() - '0/0'")).rows[0]![0]);
    const start = await position();
    for (let written = 0, round = 0; written < BYTES + 2 * SEGMENT; round++) {
      await server.sql(`CALL work(${rounds})`);
      if (round % 8 === 7) await server.sql("CHECKPOINT");
      written = (await position()) - start;
      process.stderr.write(`\r${thousands(written / 1e6)} of ${thousands((BYTES + 2 * SEGMENT) / 1e6)} MB of WAL`);
    }
    process.stderr.write("\r\x1b[K");
    // What stands before is of the making of the tables, and the last is not full.
    const first = Math.ceil(start / SEGMENT);
    const names = readdirSync(directory)
      .filter((name) => /^[0-9A-F]{24}$/.test(name))
      .sort()
      .filter((name) => Number.parseInt(name.slice(16), 16) >= first)
      .slice(0, BYTES / SEGMENT);
    return { directory, names, stop: server.stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

for (const [name, workload] of Object.entries(workloads)) await measure(name, workload);

async function measure(workload: string, how: { sql: string; rounds: number }): Promise<void> {
  const { directory, names, stop } = await makeSegments(how);

  /** The result of wal-read.mjs: records, and MB per second. */
  async function read(subject: string): Promise<{ records: number; speed: number }> {
    return (await plain("wal-read.mjs", directory, names.join(), subject)) as { records: number; speed: number };
  }

  async function waldump(): Promise<void> {
    const { status, stderr } = await runProgram("pg_waldump", ["--quiet", "-p", directory, names[0]!, names.at(-1)!]);
    // The last record goes on behind the last segment: that is not said, and is no error.
    if (status !== 0) throw new Error(`pg_waldump: ${stderr}`);
  }

  try {
    const subjects = ["walk", "whole", "headers", "bare"] as const;
    const counts: number[] = [];
    for (const subject of subjects) counts.push((await read(subject)).records);
    const records = counts[1]!;
    console.log(
      `\n${machine}, PostgreSQL 15. WAL of ${workload}: ${thousands(BYTES / 1e6)} MB, ${thousands(records)} records of ${thousands(BYTES / records)} bytes on average.\n`,
    );
    if (Math.max(...counts) - Math.min(...counts) > 1)
      throw new Error(`the readers count ${counts.join(", ")} records`);
    const best = await inTurns({
      walk: async () => (await read("walk")).speed,
      whole: async () => (await read("whole")).speed,
      headers: async () => (await read("headers")).speed,
      bare: async () => (await read("bare")).speed,
      waldump: async () => {
        const start = performance.now();
        await waldump();
        return BYTES / (performance.now() - start) / 1000;
      },
    });
    console.log("| | MB/s | 1,000 records a second | times pg_waldump | goal |");
    console.log("|---|--:|--:|--:|---|");
    const line = (label: string, speed: number, goal?: string): void => {
      const each = (speed * 1e6 * records) / BYTES / 1000;
      console.log(
        `| ${label} | ${thousands(speed)} | ${thousands(each)} | ${(speed / best.waldump).toFixed(2)} | ${goal ?? ""} |`,
      );
    };
    line("pg_waldump --quiet", best.waldump);
    line("walk over pages and lengths, with checksums", best.walk);
    line("walwire, whole records", best.whole, verdict(best.whole / best.waldump, "≥", 0.5, "pg_waldump"));
    line("walwire, headers of records", best.headers, verdict(best.headers / best.waldump, "≥", 0.5, "pg_waldump"));
    line("walwire, headers without checksums", best.bare);
  } finally {
    await stop();
  }
}

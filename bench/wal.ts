/**
 * `npm run bench`: how fast WAL is framed, with checksums, next to a walk that only passes over pages and lengths with the same
 * checksum, and to PostgreSQL 15's pg_waldump --quiet, all in one run on the segments that one live server wrote.
 */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { inTurns, machine, thousands, verdict } from "./measure.ts";
import { plain } from "./plain.ts";

const SEGMENT = 16 * 1024 * 1024;
const BYTES = 16 * SEGMENT;

/** Rows that come, change and go in small transactions, and images of pages after checkpoints. */
const workload = `
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
  END $$`;

/** Segments, full ones, at least BYTES of them. */
async function makeSegments(): Promise<{
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
    await server.sql(workload);
    for (let written = 0, round = 0; written < BYTES + 2 * SEGMENT; round++) {
      await server.sql(`CALL work(100)`);
      if (round % 8 === 7) await server.sql("CHECKPOINT");
      written = Number((await server.sql("SELECT pg_current_wal_lsn() - '0/1000000'")).rows[0]![0]);
      process.stderr.write(`\r${thousands(written / 1e6)} of ${thousands((BYTES + 2 * SEGMENT) / 1e6)} MB of WAL`);
    }
    process.stderr.write("\r\x1b[K");
    // The first has what initdb wrote, and the last is not full.
    const names = readdirSync(directory)
      .filter((name) => /^[0-9A-F]{24}$/.test(name))
      .sort()
      .slice(1, 1 + BYTES / SEGMENT);
    return { directory, names, stop: server.stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

const { directory, names, stop } = await makeSegments();

/** What wal-read.mjs measures: records, and MB a second. */
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
    `\n${machine}, PostgreSQL 15. WAL: ${thousands(BYTES / 1e6)} MB, ${thousands(records)} records of ${thousands(BYTES / records)} bytes on average.\n`,
  );
  if (Math.max(...counts) - Math.min(...counts) > 1) throw new Error(`the readers count ${counts.join(", ")} records`);
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

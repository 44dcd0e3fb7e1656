/**
 * `npm run bench`: how fast WAL is framed, with checksums, next to a walk that only passes over pages and lengths with the same
 * checksum, and to PostgreSQL 15's pg_waldump --quiet, all in one run on the segments that one live server wrote.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { runProgram } from "../test/programs/programs.ts";
import { startServer } from "../test/servers/index.ts";
import { inTurns, machine, thousands, verdict } from "./measure.ts";

// What is published, and not the sources through a loader, which makes functions slower.
const { WalReader } = (await import(
  new URL("../dist/wal/index.js", import.meta.url).href
)) as typeof import("../src/wal/index.ts");
const { crc32cOf } = (await import(
  new URL("../dist/crc32c.js", import.meta.url).href
)) as typeof import("../src/crc32c.ts");

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
  version: string;
  directory: string;
  files: Buffer[];
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
    const files = names.map((name) => readFileSync(join(directory, name)));
    return { version: String(server.versionNum), directory, files, names, stop: server.stop };
  } catch (error) {
    await server.stop();
    throw error;
  }
}

const { directory, files, names, stop } = await makeSegments();

// ---- The readers. Each gives the number of records. ----

let looked = 0;

/** What no reader can do without: pages, lengths, and a checksum over every byte. */
function walk(): number {
  let records = 0;
  let crc = 0;
  let left = 0; // of the record
  let header = 0;
  for (const file of files) {
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    for (let page = 0; page < file.length; page += 8192) {
      let at = page + (page === 0 ? 40 : 24);
      const end = page + 8192;
      if (header === 0 && records === 0 && (file[page + 2]! & 1) !== 0) {
        at += (view.getUint32(page + 16, true) + 7) & ~7;
      }
      while (at < end) {
        if (left === 0) {
          left = view.getUint32(at, true);
          if (left === 0) return records;
          records++;
          crc = 0;
        }
        const count = Math.min(left, end - at);
        crc = crc32cOf(file, at, at + count, crc);
        at += count;
        left -= count;
        if (left === 0) {
          at = (at + 7) & ~7;
          looked += crc & 1;
        }
      }
    }
  }
  header = left;
  return records + (header > 0 ? 0 : 0);
}

function read(headers: boolean, checkCrc = true): number {
  const reader = new WalReader({ checkCrc });
  let records = 0;
  for (const file of files) {
    reader.push(file);
    for (;;) {
      const record = headers ? reader.nextHeader() : reader.next();
      if (record === undefined) break;
      records++;
      looked += record.xid & 1;
    }
  }
  return records;
}

async function waldump(): Promise<void> {
  const { status, stderr } = await runProgram("pg_waldump", ["--quiet", "-p", directory, names[0]!, names.at(-1)!]);
  // The last record goes on behind the last segment: that is not said, and is no error.
  if (status !== 0) throw new Error(`pg_waldump: ${stderr}`);
}

/** MB a second, once over everything. */
function once(run: () => number): number {
  const start = performance.now();
  if (run() === 0) throw new Error("no record was read");
  return BYTES / (performance.now() - start) / 1000;
}

try {
  const counts = [walk(), read(false), read(true), read(true, false)];
  console.log(
    `\n${machine}, PostgreSQL 15. WAL: ${thousands(BYTES / 1e6)} MB, ${thousands(counts[1]!)} records of ${thousands(BYTES / counts[1]!)} bytes on average.\n`,
  );
  if (Math.max(...counts) - Math.min(...counts) > 1) throw new Error(`the readers count ${counts.join(", ")} records`);
  const best = await inTurns({
    walk: () => once(walk),
    whole: () => once(() => read(false)),
    headers: () => once(() => read(true)),
    bare: () => once(() => read(true, false)),
    waldump: async () => {
      const start = performance.now();
      await waldump();
      return BYTES / (performance.now() - start) / 1000;
    },
  });
  console.log("| | MB/s | 1,000 records a second | times pg_waldump | goal |");
  console.log("|---|--:|--:|--:|---|");
  const line = (label: string, speed: number, goal?: string): void => {
    const records = (speed * 1e6 * counts[1]!) / BYTES / 1000;
    console.log(
      `| ${label} | ${thousands(speed)} | ${thousands(records)} | ${(speed / best.waldump).toFixed(2)} | ${goal ?? ""} |`,
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
if (looked === 0) throw new Error("nobody looked at a record");

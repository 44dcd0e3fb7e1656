/**
 * `npm run capture:wal [-- MAJOR…]`: the first pages of a segment of each major's WAL, as vectors in test/vectors/wal: an image of a page
 * with a hole, one that is compressed, rows, a message longer than a page, a replication origin, a savepoint.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { segmentName, segmentStart } from "../src/kernel/wal-names.ts";
import { WalReader } from "../src/wal/index.ts";
import { majors, startServer } from "../test/servers/index.ts";

const folder = fileURLToPath(new URL("../test/vectors/wal/", import.meta.url));
const PAGE = 8192;

const asked = process.argv.slice(2).map(Number);
for (const major of asked.length > 0 ? asked : majors) {
  const server = await startServer({ major, settings: { full_page_writes: "on" } });
  try {
    await server.sql("CREATE TABLE t (id int PRIMARY KEY, value text); INSERT INTO t VALUES (1, 'one'), (2, 'two')");
    await server.sql("SELECT pg_replication_origin_create('far')");
    await server.sql("CHECKPOINT");
    await server.sql("SELECT pg_switch_wal()");
    const connection = await server.connect();
    for (const statement of [
      "UPDATE t SET value = 'eins' WHERE id = 1",
      "CHECKPOINT",
      "SET wal_compression = on",
      "UPDATE t SET value = repeat('2', 500) WHERE id = 2",
      "SELECT pg_logical_emit_message(true, 'vector', repeat('long', 5000))",
      "BEGIN; SAVEPOINT a; INSERT INTO t VALUES (3, 'three'); RELEASE a; COMMIT",
      "SELECT pg_replication_origin_session_setup('far')",
      "INSERT INTO t VALUES (4, 'four')",
      "SELECT pg_create_restore_point('vector')",
      "SELECT pg_switch_wal()",
    ]) {
      const failed = (await connection.query(statement)).find(({ type }) => type === "E");
      if (failed) throw new Error(`${statement}: ${failed.body.toString()}`);
    }
    await connection.close();
    // The second segment: the file after it may be a recycled first one.
    const name = segmentName(1, segmentStart(2n));
    const bytes = readFileSync(join(server.dataDirectory, "pg_wal", name));
    const reader = new WalReader();
    reader.push(bytes);
    let last = reader.next();
    for (let next = last; next !== undefined; next = reader.next())
      if (next.length > 24 || next.rmid !== 0) last = next;
    const pages = Math.ceil(Number(last!.end % BigInt(bytes.length)) / PAGE);
    const packed = gzipSync(bytes.subarray(0, pages * PAGE), { level: 9 });
    writeFileSync(join(folder, `${major}.bin.gz`), packed);
    console.log(`${major}: ${pages} pages of ${name}, ${packed.length} bytes`);
  } finally {
    await server.stop();
  }
}

/** What WAL records say, on every major: held to what the server says of what it did, and from 15 on to its own pg_walinspect. */
import { describe, expect, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { pgTimeToDate } from "../../src/kernel/time.ts";
import { describeWalRecord, type WalContents } from "../../src/wal/contents.ts";
import { formatWalContents, relationPath } from "../../src/wal/desc.ts";
import { findRecoveryStop, walCheckpoint, walTransactionEnd } from "../../src/wal/questions.ts";
import { WalReader } from "../../src/wal/reader.ts";
import type { WalRecord } from "../../src/wal/record.ts";
import { checkpointColumns } from "../control-files.ts";
import { checked, type RawConnection, type Server } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { asServerSays } from "../wal-samples.ts";

const PAGE = 8192n;
const SEGMENT = 16n * 1024n * 1024n;

/** The records from a position up to another, which the server reads for us from its files. */
async function recordsBetween(server: Server, from: Lsn, to: Lsn): Promise<WalRecord[]> {
  const reader = new WalReader();
  const records: WalRecord[] = [];
  for (let at = from - (from % PAGE); at < to; at = (at / SEGMENT + 1n) * SEGMENT) {
    const length = (at / SEGMENT + 1n) * SEGMENT < to ? SEGMENT - (at % SEGMENT) : to - at;
    const file = `pg_wal/' || pg_walfile_name('${formatLsn(toLsn(at + 1n))}'::pg_lsn)`;
    const hex = await one(server, `SELECT encode(pg_read_binary_file('${file}, ${at % SEGMENT}, ${length}), 'hex')`);
    reader.push(Buffer.from(hex, "hex"));
    for (let record = reader.next(); record !== undefined; record = reader.next()) {
      if (record.lsn >= from) records.push(record);
    }
  }
  return records;
}

async function one(server: Server, sql: string, database = "postgres"): Promise<string> {
  return (await server.sql(sql, { database })).rows[0]![0]!;
}

async function cellOf(session: RawConnection, sql: string): Promise<string> {
  const row = checked(await session.query(sql)).findLast(({ type }) => type === "D")!.body;
  return row.toString("utf8", 6);
}

describe.for(liveMajors)("the WAL of PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const database = `wal_records_${major}`;

  test("says what the server did", { timeout: 60_000 }, async () => {
    // From 15 on a new database is thousands of images of pages, which are a test of their own (test/programs/waldump.test.ts).
    const before = await one(server, "SELECT pg_current_wal_insert_lsn()");
    await server.sql(`CREATE DATABASE ${database}`);
    const created = major < 15 ? before : await one(server, "SELECT pg_current_wal_insert_lsn()");
    const session = await server.connect({ database });
    const run = async (sql: string) => checked(await session.query(sql));
    const value = (sql: string) => cellOf(session, sql);
    const running = await server.connect({ database });
    try {
      const databaseOid = Number(await value(`SELECT oid FROM pg_database WHERE datname = '${database}'`));
      const slot = `${database}_slot`;
      await run(`SELECT pg_create_logical_replication_slot('${slot}', 'test_decoding')`);

      // Transactions: with subtransactions of which one fails, prepared ones, one of a replication origin, one that is rolled back.
      await run("CREATE TABLE t (id serial PRIMARY KEY, a int)");
      await run("BEGIN");
      await run("INSERT INTO t (a) VALUES (1)");
      const xid = Number(await value("SELECT txid_current()"));
      for (const sql of [
        "SAVEPOINT a",
        "INSERT INTO t (a) VALUES (2)",
        "SAVEPOINT b",
        "INSERT INTO t (a) VALUES (3)",
      ]) {
        await run(sql);
      }
      await run("ROLLBACK TO b");
      await run("COMMIT");
      const gid = `${database} gid`;
      await run("BEGIN");
      await run("CREATE TABLE prepared (id int)");
      await run("INSERT INTO prepared VALUES (1)");
      const preparedPath = await value("SELECT pg_relation_filepath('prepared')");
      await run(`PREPARE TRANSACTION '${gid}'`);
      const ofPrepared = `FROM pg_prepared_xacts WHERE gid = '${gid}'`;
      const preparedXid = Number(await value(`SELECT transaction ${ofPrepared}`));
      const preparedAt = Number(await value(`SELECT round(extract(epoch FROM prepared) * 1000) ${ofPrepared}`));
      const ownerOid = Number(await value("SELECT oid FROM pg_roles WHERE rolname = current_user"));
      await run(`COMMIT PREPARED '${gid}'`);
      await run("BEGIN");
      await run("INSERT INTO t (a) VALUES (4)");
      await run(`PREPARE TRANSACTION '${gid}'`);
      const abortedXid = Number(await value(`SELECT transaction ${ofPrepared}`));
      await run(`ROLLBACK PREPARED '${gid}'`);
      const originId = Number(await value(`SELECT pg_replication_origin_create('${database}')`));
      await run(`SELECT pg_replication_origin_session_setup('${database}')`);
      await run("BEGIN");
      await run("SELECT pg_replication_origin_xact_setup('1/AB', '2019-03-04 05:06:07.000089+00')");
      await run("INSERT INTO t (a) VALUES (5)");
      const originXid = Number(await value("SELECT txid_current()"));
      await run("COMMIT");
      await run("SELECT pg_replication_origin_session_reset()");
      await run(`SELECT pg_replication_origin_advance('${database}', '2/CD')`);
      await run(`SELECT pg_replication_origin_drop('${database}')`);
      await run("BEGIN");
      await run("CREATE TABLE never (id int)");
      const neverPath = await value("SELECT pg_relation_filepath('never')");
      await run("INSERT INTO never VALUES (1)");
      await run("ROLLBACK");

      // Messages, files, sequences, locks.
      const messageEnd = await value("SELECT pg_logical_emit_message(false, 'wal records', 'payload')");
      await run("CREATE SEQUENCE s");
      const sequenceNode = Number(await value("SELECT pg_relation_filenode('s')"));
      await value("SELECT nextval('s')");
      const tOid = Number(await value("SELECT 't'::regclass::oid"));
      await run("TRUNCATE t");
      await run("DROP TABLE prepared");

      // A restore point, a checkpoint while a transaction is running.
      const point = `${database} point`;
      const pointEnd = await value(`SELECT pg_create_restore_point('${point}')`);
      checked(await running.query("BEGIN"));
      const runningXid = Number(await cellOf(running, "SELECT txid_current()"));
      await run("CHECKPOINT");
      const control = (await server.sql("SELECT * FROM pg_control_checkpoint()")) as {
        columns: readonly string[];
        rows: readonly (readonly (string | null)[])[];
      };
      const checkpoint = Object.fromEntries(control.columns.map((name, i) => [name, control.rows[0]![i]!]));
      await run("SELECT pg_logical_emit_message(true, 'the', 'end')");
      const decoded = (
        await server.sql(
          `SELECT lsn, xid, data FROM pg_logical_slot_get_changes('${slot}', NULL, NULL, 'include-timestamp', 'on')`,
          { database },
        )
      ).rows;
      await run(`SELECT pg_drop_replication_slot('${slot}')`);
      const end = parseLsn(await one(server, "SELECT pg_current_wal_flush_lsn()"));
      const records = await recordsBetween(server, parseLsn(created), end);
      const all = records.map((record) => ({ record, ...describeWalRecord(record, { server: major }) }));
      expect(all.filter(({ operation }) => operation.startsWith("UNKNOWN"))).toEqual([]);
      const find = <T extends WalContents["type"]>(
        type: T,
        which: (contents: Extract<WalContents, { type: T }>, record: WalRecord) => boolean,
      ) => {
        const found = all.filter(({ record, contents }) => contents?.type === type && which(contents as never, record));
        expect(found.length, `${type}s`).toBe(1);
        return { record: found[0]!.record, contents: found[0]!.contents as Extract<WalContents, { type: T }> };
      };

      // Each transaction that was decoded: its commit's position and time.
      const ends = new Map(
        records.flatMap((record) => {
          const ended = walTransactionEnd(record, { server: major });
          return ended === undefined ? [] : [[ended.xid, ended] as const];
        }),
      );
      const commits = decoded.filter(([, , data]) => /^COMMIT/.test(data!));
      expect(commits.length).toBeGreaterThan(5);
      for (const [lsn, id, data] of commits) {
        const ended = ends.get(Number(id))!;
        expect(ended.outcome).toBe("commit");
        // Up to 13 the position is the end of the record for changes, and that of the commit itself for COMMIT.
        expect([formatLsn(ended.lsn), formatLsn(ended.end)]).toContain(lsn);
        const at = /\(at (.*)\)/.exec(data!)![1]!;
        // Where there is an origin, decoding takes the time there.
        expect(pgTimeToDate(ended.originTimestamp ?? ended.time).getTime()).toBe(
          Math.floor(new Date(at.replace(" ", "T").replace(/\+00$/, "Z")).getTime()),
        );
      }
      const commit = find("XlXactCommit", (_, record) => record.xid === xid);
      expect(commit.contents.subxacts).toEqual([xid + 1]);
      const prepare = find("XlXactPrepare", (contents) => contents.xid === preparedXid);
      expect(prepare.contents).toMatchObject({ gid, database: databaseOid, owner: ownerOid });
      expect(Math.abs(pgTimeToDate(prepare.contents.preparedAt).getTime() - preparedAt)).toBeLessThanOrEqual(1);
      expect(prepare.contents.abortrels.map((each) => relationPath(each, "main", { server: major }))).toEqual([
        preparedPath,
      ]);
      const committed = find("XlXactCommit", (contents) => contents.twophaseXid === preparedXid);
      expect(committed.contents).toMatchObject({ dbId: databaseOid });
      expect(committed.contents.twophaseGid).toBe(supports(major, "publishTruncate") ? gid : undefined);
      expect(ends.get(preparedXid)).toMatchObject({ outcome: "commit", lsn: committed.record.lsn });
      expect(ends.get(abortedXid)).toMatchObject({ outcome: "abort" });
      const replicated = find("XlXactCommit", (_, record) => record.xid === originXid);
      expect(replicated.record.origin).toBe(originId);
      expect(formatLsn(replicated.contents.originLsn!)).toBe("1/AB");
      expect(pgTimeToDate(replicated.contents.originTimestamp!).toISOString()).toBe("2019-03-04T05:06:07.000Z");
      expect(find("XlReploriginSet", () => true).contents).toMatchObject({
        remoteLsn: parseLsn("2/CD"),
        nodeId: originId,
        force: true,
      });
      expect(find("XlReploriginDrop", () => true).contents.nodeId).toBe(originId);
      const paths = all.flatMap(({ contents }) =>
        contents?.type === "XlXactAbort"
          ? contents.rels.map((each) => relationPath(each, "main", { server: major }))
          : [],
      );
      expect(paths).toContain(neverPath);
      const dropped = all.flatMap(({ contents }) =>
        contents?.type === "XlXactCommit"
          ? contents.rels.map((each) => relationPath(each, "main", { server: major }))
          : [],
      );
      expect(dropped).toContain(preparedPath);

      const message = find("XlLogicalMessage", ({ prefix }) => prefix === "wal records");
      expect(formatLsn(message.record.end)).toBe(messageEnd);
      expect(message.contents).toMatchObject({ dbId: databaseOid, transactional: false });
      expect(Buffer.from(message.contents.message).toString()).toBe("payload");
      const sequences = all.filter(
        ({ contents }) => contents?.type === "XlSeqRec" && contents.locator.relNumber === sequenceNode,
      );
      expect(sequences.length).toBeGreaterThan(0);
      const locks = all.flatMap(({ contents }) => (contents?.type === "XlStandbyLocks" ? contents.locks : []));
      expect(locks.some(({ relOid, dbOid }) => relOid === tOid && dbOid === databaseOid)).toBe(true);
      const makes = all.flatMap(({ contents }) =>
        contents?.type === "XlDbaseCreateFileCopyRec" || contents?.type === "XlDbaseCreateWalLogRec"
          ? [contents.dbId]
          : [],
      );
      if (major < 15) expect(makes).toContain(databaseOid);

      const restore = find("XlRestorePoint", ({ rpName }) => rpName === point);
      expect(formatLsn(restore.record.end)).toBe(pointEnd);
      const { stop } = findRecoveryStop(records, { type: "name", name: point }, { server: major });
      expect(stop).toMatchObject({ side: "after", position: parseLsn(pointEnd), name: point });

      const shown = records
        .flatMap((record) => walCheckpoint(record, { server: major }) ?? [])
        .find(({ lsn }) => lsn === parseLsn(checkpoint.checkpoint_lsn!))!;
      expect(checkpointColumns(shown.checkPoint, major)).toEqual(
        Object.fromEntries(
          Object.entries(checkpoint).filter(([name]) => !["checkpoint_lsn", "prior_lsn"].includes(name)),
        ),
      );
      const snapshots = all.flatMap(({ contents }) => (contents?.type === "XlRunningXacts" ? [contents] : []));
      expect(snapshots.some(({ xids, xcnt }) => xids.slice(0, xcnt).includes(runningXid))).toBe(true);

      if (major < 15) return;
      await run("CREATE EXTENSION pg_walinspect");
      const { rows } = await server.sql(
        `SELECT start_lsn, end_lsn, prev_lsn, xid, resource_manager, record_type, record_length, main_data_length, fpi_length, description FROM pg_get_wal_records_info('${created}', '${formatLsn(end)}')`,
        { database },
      );
      const decodedToo = new Map(rows.map((row) => [row[0], row[9]]));
      expect(
        all.map(({ record, resourceManager, operation, contents, rest }) => {
          const theirs = decodedToo.get(formatLsn(record.lsn)) ?? "";
          const ours = formatWalContents(record, { resourceManager, operation, contents, rest }, { server: major });
          return [
            ...[record.lsn, record.end, record.prev].map((lsn) => formatLsn(lsn)),
            String(record.xid),
            resourceManager,
            operation,
            String(record.length),
            String(record.mainData.length),
            String(record.blocks.reduce((sum, { image }) => sum + (image?.bytes.length ?? 0), 0)),
            contents === undefined ? theirs : asServerSays(ours),
          ];
        }),
      ).toEqual(rows.map((row) => [...row.slice(0, 9), row[9] ?? ""]));
    } finally {
      checked(await running.query("ROLLBACK"));
      await running.close();
      await session.close();
      await server.sql(`DROP DATABASE ${database}`);
    }
  });
});

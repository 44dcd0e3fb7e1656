/**
 * What makes a server write nearly every kind of WAL record: for tests that hold what we say of records against what PostgreSQL says.
 */
import { dirname } from "node:path";
import { checked, type OwnServer, startServer } from "./servers/index.ts";

/** What the workload wants of a server beside the usual: images of pages, commit timestamps, locks of standbys. */
const settings = {
  full_page_writes: "on",
  track_commit_timestamp: "on",
  wal_level: "logical",
  wal_keep_size: "1GB",
  max_prepared_transactions: "10",
};

/** A server of its own for the workload. */
export function startWalServer(major: number, more: Readonly<Record<string, string>> = {}): Promise<OwnServer> {
  const { wal_keep_size, ...old } = settings;
  const kept: Record<string, string> = major >= 13 ? settings : { ...old, wal_keep_segments: "64" };
  return startServer({ major, settings: { ...kept, ...more } });
}

/** Where what was written begins. */
export interface Written {
  readonly start: string;
  readonly restorePoints: ReadonlyMap<string, string>;
}

/** Statements in one session, in which a transaction may span several. */
const statements: readonly string[] = [
  "CREATE TABLE heap (id serial PRIMARY KEY, a int, t text, p point, r int4range, j jsonb)",
  "INSERT INTO heap (a, t, p, r, j) SELECT i, repeat(md5(i::text), 3), point(i, -i), int4range(i, i + 10), jsonb_build_object('k', i) FROM generate_series(1, 600) i",
  "CREATE INDEX heap_hash ON heap USING hash (a)",
  "CREATE INDEX heap_gin ON heap USING gin (j)",
  "CREATE INDEX heap_gin_fast ON heap USING gin (to_tsvector('simple', t)) WITH (fastupdate = on)",
  "CREATE INDEX heap_gist ON heap USING gist (p)",
  "CREATE INDEX heap_spgist ON heap USING spgist (p)",
  "CREATE INDEX heap_spgist_text ON heap USING spgist (t)",
  "CREATE INDEX heap_brin ON heap USING brin (a) WITH (pages_per_range = 1)",
  "CHECKPOINT",
  "INSERT INTO heap (a, t, p, r, j) SELECT i % 50, repeat(md5(i::text), 2), point(random() * 100, random() * 100), NULL, jsonb_build_object('k', i, 'l', i % 7) FROM generate_series(1, 1500) i",
  "UPDATE heap SET a = a + 1 WHERE id % 3 = 0",
  "UPDATE heap SET t = t || 'x' WHERE id % 5 = 0",
  "DELETE FROM heap WHERE id % 4 = 0",
  "VACUUM heap",
  "VACUUM FREEZE heap",
  "DELETE FROM heap WHERE id > 300",
  "VACUUM heap",
  "SELECT brin_summarize_new_values('heap_brin'::regclass)",
  "SELECT brin_desummarize_range('heap_brin'::regclass, 0)",
  "REINDEX TABLE heap",
  // Images that are compressed.
  "SET wal_compression = on",
  "CHECKPOINT",
  "UPDATE heap SET a = a + 1 WHERE id % 2 = 0",
  "RESET wal_compression",
  // A large value: toast, and a record of more than a page.
  "CREATE TABLE toast (id int PRIMARY KEY, t text)",
  "ALTER TABLE toast ALTER t SET STORAGE EXTERNAL",
  "INSERT INTO toast SELECT 1, string_agg(md5(i::text), '') FROM generate_series(1, 5000) i",
  "CREATE TABLE truncated (id int)",
  "INSERT INTO truncated SELECT generate_series(1, 1000)",
  "BEGIN",
  "TRUNCATE truncated",
  "COMMIT",
  // What is cut off at the end of a relation.
  "INSERT INTO truncated SELECT generate_series(1, 20000)",
  "DELETE FROM truncated WHERE id > 100",
  "VACUUM truncated",
  "INSERT INTO truncated VALUES (1)",
  "CREATE UNLOGGED TABLE unlogged (id int PRIMARY KEY)",
  "CREATE SEQUENCE s",
  "SELECT nextval('s') FROM generate_series(1, 100)",
  // Subtransactions, of which some fail: more than 64 are told by records of their own.
  "BEGIN",
  "INSERT INTO truncated VALUES (2)",
  "SAVEPOINT a",
  "INSERT INTO truncated VALUES (3)",
  "SAVEPOINT b",
  "INSERT INTO truncated VALUES (4)",
  "ROLLBACK TO a",
  "INSERT INTO truncated VALUES (5)",
  "COMMIT",
  "DO $$ BEGIN FOR i IN 1..70 LOOP BEGIN INSERT INTO truncated VALUES (i); EXCEPTION WHEN division_by_zero THEN NULL; END; END LOOP; END $$",
  "BEGIN",
  "CREATE TABLE never (id serial PRIMARY KEY)",
  "SAVEPOINT a",
  "INSERT INTO never DEFAULT VALUES",
  "ROLLBACK",
  // Two-phase commit, with everything that a prepared transaction can carry.
  "BEGIN",
  "CREATE TABLE prepared (id serial PRIMARY KEY)",
  "DROP TABLE truncated",
  "SAVEPOINT a",
  "INSERT INTO prepared DEFAULT VALUES",
  "PREPARE TRANSACTION 'wal one'",
  "COMMIT PREPARED 'wal one'",
  "BEGIN",
  "CREATE TABLE rolled_back (id int)",
  "INSERT INTO rolled_back VALUES (1)",
  "PREPARE TRANSACTION 'wal two'",
  "ROLLBACK PREPARED 'wal two'",
  "SELECT pg_logical_emit_message(true, 'walwire', 'with a transaction')",
  "SELECT pg_logical_emit_message(false, 'wal wire', 'without \u00e9')",
  "SELECT pg_logical_emit_message(false, '', '\\x00ff'::bytea)",
  "SELECT pg_replication_origin_create('wal_origin')",
  "SELECT pg_replication_origin_session_setup('wal_origin')",
  "BEGIN",
  "SELECT pg_replication_origin_xact_setup('1/AB', '2019-03-04 05:06:07.000089+00')",
  "INSERT INTO prepared DEFAULT VALUES",
  "COMMIT",
  "BEGIN",
  "SELECT pg_replication_origin_xact_setup('1/AC', '2019-03-04 05:06:08+00')",
  "INSERT INTO prepared DEFAULT VALUES",
  "PREPARE TRANSACTION 'wal three'",
  "COMMIT PREPARED 'wal three'",
  "SELECT pg_replication_origin_session_reset()",
  "SELECT pg_replication_origin_advance('wal_origin', '2/CD')",
  "SELECT pg_replication_origin_drop('wal_origin')",
  // Locks that a standby must know, and files that go.
  "BEGIN",
  "LOCK TABLE prepared IN ACCESS EXCLUSIVE MODE",
  "INSERT INTO prepared DEFAULT VALUES",
  "COMMIT",
  "DROP TABLE prepared, toast",
  "CREATE DATABASE wal_database",
  "DROP DATABASE wal_database",
  "CREATE TABLE rewritten (id int PRIMARY KEY, a int)",
  "INSERT INTO rewritten SELECT i, i FROM generate_series(1, 100) i",
  "CLUSTER rewritten USING rewritten_pkey",
  "VACUUM FULL rewritten",
  "VACUUM FULL pg_class",
  // What stands in the way: speculative insertion.
  "INSERT INTO rewritten VALUES (1, 1), (200, 1) ON CONFLICT (id) DO UPDATE SET a = 5",
  // Records of an extension's pages.
  "CREATE EXTENSION bloom",
  "CREATE INDEX heap_bloom ON heap USING bloom (a)",
  "INSERT INTO heap (a, t) SELECT i, 'bloom' FROM generate_series(1, 20) i",
  "SET synchronous_commit = remote_apply",
  "INSERT INTO rewritten VALUES (300, 1)",
  "RESET synchronous_commit",
  "ALTER SYSTEM SET full_page_writes = off",
  "SELECT pg_reload_conf()",
  "SELECT pg_sleep(0.05)",
];

/**
 * Makes the server write it, some 5 MB.
 *
 * @returns the position before the first, and what pg_create_restore_point said.
 */
export async function writeWal(server: OwnServer): Promise<Written> {
  const start = await one(server, "SELECT pg_current_wal_insert_lsn()");
  const session = await server.connect();
  const other = await server.connect();
  const run = async (sql: string, on = session) => checked(await on.query(sql));
  try {
    for (const sql of statements) await run(sql);
    // Made by the server, so that it is its own.
    const space = `${dirname(server.dataDirectory)}/space`;
    await run(`COPY (SELECT 1) TO PROGRAM 'cat > /dev/null; mkdir -p "${space}"'`);
    await run(`CREATE TABLESPACE wal_space LOCATION '${space}'`);
    await run("CREATE TABLE elsewhere (id int) TABLESPACE wal_space");
    await run("CREATE DATABASE wal_elsewhere TEMPLATE template0 TABLESPACE wal_space");
    await run("DROP DATABASE wal_elsewhere");
    await run("DROP TABLE elsewhere");
    await run("DROP TABLESPACE wal_space");
    // Several transactions hold one row: a multixact.
    await run("BEGIN");
    await run("SELECT * FROM rewritten WHERE id = 1 FOR KEY SHARE");
    await run("BEGIN", other);
    await run("SELECT * FROM rewritten WHERE id = 1 FOR NO KEY UPDATE", other);
    await run("SELECT pg_log_standby_snapshot()", other).catch(() => run("ROLLBACK", other));
    await run("COMMIT", other).catch(() => {});
    await run("COMMIT");
    const restorePoints = new Map<string, string>();
    for (const name of ["before the storm", "na\u00efve", "before the storm"]) {
      restorePoints.set(name, await one(server, `SELECT pg_create_restore_point('${name}')`));
    }
    if (server.major >= 15) await run("SELECT pg_backup_start('b', true)");
    else await run("SELECT pg_start_backup('b', true, false)");
    await run(server.major >= 15 ? "SELECT pg_backup_stop()" : "SELECT pg_stop_backup(false)");
    await run("SELECT pg_switch_wal()");
    await run("CHECKPOINT");
    await run("INSERT INTO rewritten VALUES (1000, 1)");
    return { start, restorePoints };
  } finally {
    await session.close();
    await other.close();
  }
}

async function one(server: OwnServer, sql: string): Promise<string> {
  return (await server.sql(sql)).rows[0]![0]!;
}

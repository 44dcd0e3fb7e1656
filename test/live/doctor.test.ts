/**
 * `walwire doctor` against live servers: each finding is provoked, its statements are run, and it is gone.
 */
import { appendFileSync, cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { decodeSlotState, encodeSlotState } from "../../src/files/index.ts";
import { connect, type QueryResult, type ReplicationConnection } from "../../src/node/client.ts";
import { type DoctorCapability, doctorCapabilities } from "../../src/node/doctor/capabilities.ts";
import {
  type DiagnoseOptions,
  type Diagnosis,
  type DoctorCode,
  diagnose,
  doctorCodes,
} from "../../src/node/doctor/index.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { baseBackupCommand, takeBackup, temporaryDirectory } from "../basebackup.ts";
import { seed, times } from "../seed.ts";
import { type OwnServer, type Server, startServer } from "../servers/index.ts";
import { liveMajors, liveServer, longTestMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

/** What was provoked, so that the last test knows what was not. */
const provoked = new Set<DoctorCode>();

interface Patient {
  readonly server: Server;
  readonly database: string;
  readonly user?: string;
}

const at = ({ server, database, user = server.user }: Patient) => ({
  host: server.host,
  port: server.port,
  user,
  database,
});

const look = (patient: Patient, options: DiagnoseOptions = {}): Promise<Diagnosis> => diagnose(at(patient), options);

const found = ({ findings }: Diagnosis, code: DoctorCode, subject?: string) =>
  findings.find((each) => each.code === code && (subject === undefined || each.subject === subject));

/** Run what a finding says. */
async function cure({ server, database }: Patient, { fix }: Diagnosis["findings"][number]): Promise<void> {
  for (const sql of fix!.sql) {
    if (fix!.command) {
      const connection = await connect({ ...at({ server, database }), replication: "database" });
      await connection.query(sql).finally(() => connection.disconnect());
    } else await server.sql(sql, { database });
  }
}

/** The finding is there, and after its statements it is not. */
async function expectCured(
  patient: Patient,
  code: DoctorCode,
  subject?: string,
  options: DiagnoseOptions = {},
): Promise<void> {
  const before = await look(patient, options);
  const finding = found(before, code, subject);
  expect(finding, `${code} ${subject} in ${JSON.stringify(before)}`).toBeDefined();
  provoked.add(code);
  expect(finding).toMatchObject({ severity: doctorCodes[code].severity, area: doctorCodes[code].area });
  await cure(patient, finding!);
  await expect
    .poll(async () => found(await look(patient, options), code, finding!.subject), { interval: 400 })
    .toBeUndefined();
}

async function expectFound(
  patient: Patient,
  code: DoctorCode,
  subject?: string,
  options: DiagnoseOptions = {},
): Promise<void> {
  await expect
    .poll(async () => found(await look(patient, options), code, subject), { interval: 400 })
    .toMatchObject({ severity: doctorCodes[code].severity });
  provoked.add(code);
}

/** SQL on one connection, which takes a tenth of the time of a new one for each. */
async function sessionOf(patient: Patient): Promise<(text: string) => Promise<QueryResult>> {
  const connection = await connect({ ...at(patient), replication: "false" });
  onTestFinished(() => connection.disconnect());
  return (text) => connection.query(text);
}

async function ownDatabase(server: Server, name: string): Promise<Patient> {
  await server.sql(`CREATE DATABASE ${name}`);
  onTestFinished(async () => {
    for (const [slot] of (await server.sql(`SELECT slot_name FROM pg_replication_slots WHERE database = '${name}'`))
      .rows) {
      await server.sql(`SELECT pg_drop_replication_slot('${slot}')`);
    }
    await server.sql(`DROP DATABASE IF EXISTS ${name}`).catch(() => {});
  });
  return { server, database: name };
}

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);
  const has = (name: DoctorCapability) => doctorCapabilities.supports(server.versionNum, name);

  test("publications and their tables", { timeout: 60_000 }, async () => {
    const patient = await ownDatabase(server, `doctor_pub_${major}`);
    const sql = await sessionOf(patient);
    await expectCured(patient, "PUBLICATION_MISSING", 'Wanted "one"', { publications: ['Wanted "one"'] });
    await sql('DROP PUBLICATION "Wanted ""one"""');
    await expectCured(patient, "NO_PUBLICATION", patient.database);
    await sql("DROP PUBLICATION walwire; CREATE TABLE t (a int PRIMARY KEY, b int); CREATE PUBLICATION empty");
    await expectFound(patient, "PUBLICATION_EMPTY", "empty");
    // Which table belongs there is not known: no statement that could be pasted.
    expect(found(await look(patient), "PUBLICATION_EMPTY")?.fix).toBeUndefined();
    await sql("DROP PUBLICATION empty");
    await sql('CREATE SCHEMA "S"; CREATE TABLE "S".bare (a int); CREATE TABLE "S".uniq (a int NOT NULL UNIQUE)');
    await sql('CREATE PUBLICATION p FOR TABLE "S".bare, "S".uniq');
    await expectCured(patient, "TABLE_WITHOUT_IDENTITY", '"S".uniq');
    await expectCured(patient, "TABLE_WITHOUT_IDENTITY", '"S".bare');
    await expectFound(patient, "IDENTITY_FULL", '"S".bare');
    await sql('UPDATE "S".bare SET a = 1; DELETE FROM "S".uniq');
    await sql("CREATE UNLOGGED TABLE u (a int PRIMARY KEY); CREATE PUBLICATION everything FOR ALL TABLES");
    await expectCured(patient, "UNLOGGED_NOT_PUBLISHED", "public.u");
    await sql("DROP PUBLICATION everything");
    if (has("publishViaRoot")) {
      await sql("CREATE TABLE r (a int) PARTITION BY LIST (a); CREATE TABLE r1 PARTITION OF r FOR VALUES IN (1)");
      await sql("CREATE PUBLICATION r FOR TABLE r");
      await expectCured(patient, "PARTITIONS_PUBLISHED", "public.r");
      await expectCured(patient, "TABLE_WITHOUT_IDENTITY", "public.r1");
      await sql("UPDATE r SET a = 1");
    }
    if (has("publicationLists")) {
      await sql("CREATE TABLE l (a int PRIMARY KEY, b int, c int); CREATE PUBLICATION l FOR TABLE l (b) WHERE (a > 1)");
      await expectCured(patient, "COLUMN_LIST_WITHOUT_IDENTITY", "public.l");
      await sql("DROP PUBLICATION l; CREATE PUBLICATION l FOR TABLE l WHERE (b > 1 AND a > 2)");
      await expectCured(patient, "ROW_FILTER_OUTSIDE_IDENTITY", "public.l");
      await sql("UPDATE l SET a = 1");
    }
    if (has("generatedColumns")) {
      await sql(
        "CREATE TABLE g (a int, b int GENERATED ALWAYS AS (a + 1) STORED PRIMARY KEY); CREATE PUBLICATION g FOR TABLE g",
      );
      await expectCured(patient, "GENERATED_IDENTITY", "public.g");
      await sql("UPDATE g SET a = 1");
    }
  });

  test("updates and deletes fail where the findings say so, and nowhere else", { timeout: 60_000 }, async () => {
    const patient = await ownDatabase(server, `doctor_oracle_${major}`);
    const sql = await sessionOf(patient);
    const kinds = [
      "b int",
      "b int PRIMARY KEY",
      "b int NOT NULL UNIQUE",
      "b int PRIMARY KEY DEFERRABLE",
      "b int, PRIMARY KEY (a, b)",
    ];
    if (has("generatedColumns"))
      kinds.push("b int GENERATED ALWAYS AS (a) STORED PRIMARY KEY", "b int GENERATED ALWAYS AS (a) STORED");
    const identities = ["DEFAULT", "FULL", "NOTHING", "USING INDEX"];
    const operations = ["insert, update, delete, truncate", "insert, update", "delete", "insert"].slice(
      0,
      has("publishViaRoot") ? 4 : 0,
    );
    const lists = has("publicationLists") ? ["", " (a)", " (b)", " WHERE (a > 1)", " (a, b) WHERE (b > 1)"] : [""];
    let random = seed >>> 0;
    const pick = <T>(all: readonly T[]): T => {
      random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
      return all[Math.floor((random / 2 ** 32) * all.length)]!;
    };
    const tables: string[] = [];
    for (let i = 0; i < (times < 1 ? 14 : 30); i++) {
      const [table, kind, identity] = [`t${i}`, pick(kinds), pick(identities)];
      const partitioned = has("publishViaRoot") && pick([true, false, false]);
      const leaf = partitioned ? `leaf${i}` : table;
      if (partitioned) {
        await sql(`CREATE TABLE ${table} (a int NOT NULL, b int) PARTITION BY LIST (a)`);
        await sql(`CREATE TABLE ${leaf} (a int NOT NULL, ${kind.replace(/ GENERATED.* STORED/, "")})`);
        await sql(`ALTER TABLE ${table} ATTACH PARTITION ${leaf} FOR VALUES IN (1)`).catch(() => {});
      } else await sql(`CREATE TABLE ${table} (a int NOT NULL, ${kind})`);
      const index = `(SELECT indexrelid::regclass::text FROM pg_index WHERE indrelid = '${leaf}'::regclass)`;
      const [row] = (await sql(`SELECT ${index}`)).rows;
      const using = identity === "USING INDEX" ? `USING INDEX ${row![0]}` : identity;
      // Not every index can be one.
      await sql(`ALTER TABLE ${leaf} REPLICA IDENTITY ${using}`).catch(() => {});
      const viaRoot = has("publishViaRoot") ? `, publish_via_partition_root = ${pick(["true", "false"])}` : "";
      const publish = `publish = '${pick(operations.length > 0 ? operations : ["insert, update, delete", "insert, update", "delete", "insert"])}'`;
      const list = pick(lists);
      // A list or filter of a partitioned table needs publish_via_partition_root.
      await sql(`CREATE PUBLICATION p${i} FOR TABLE ${table}${list} WITH (${publish}${viaRoot})`).catch(() =>
        sql(`CREATE PUBLICATION p${i} FOR TABLE ${table} WITH (${publish})`),
      );
      tables.push(leaf);
    }
    const { findings } = await look(patient);
    const identityCodes: readonly DoctorCode[] = [
      ...([
        "TABLE_WITHOUT_IDENTITY",
        "COLUMN_LIST_WITHOUT_IDENTITY",
        "ROW_FILTER_OUTSIDE_IDENTITY",
        "GENERATED_IDENTITY",
      ] as const),
    ];
    const failing = new Set<string>();
    const reasons: string[] = [];
    for (const table of tables) {
      // EXPLAIN checks the identity, and changes nothing.
      for (const statement of [`UPDATE ${table} SET a = a`, `DELETE FROM ${table}`]) {
        await sql(`EXPLAIN ${statement}`).catch((error) => {
          failing.add(`public.${table}`);
          reasons.push(`${table}: ${error.message}`);
        });
      }
    }
    const said = findings.filter(({ code }) => identityCodes.includes(code)).map(({ subject }) => subject);
    expect([...new Set(said)].sort(), reasons.join("\n")).toEqual([...failing].sort());
    expect(failing.size).toBeGreaterThan(0);
    expect(failing.size).toBeLessThan(tables.length);
    for (let round = 0; round < 3; round++) {
      for (const finding of (await look(patient)).findings.filter(({ code }) => identityCodes.includes(code)))
        await cure(patient, finding).catch(() => {});
    }
    expect((await look(patient)).findings.filter(({ code }) => identityCodes.includes(code))).toEqual([]);
    for (const table of tables) await sql(`EXPLAIN UPDATE ${table} SET a = a`);
  });

  test("after each statement that is advised about publications, writes still succeed", {
    timeout: 120_000,
  }, async () => {
    const patient = await ownDatabase(server, `doctor_writes_${major}`);
    const sql = await sessionOf(patient);
    const tables = ["bare", '"S".uniq', "keyed", "nothing", "fast", "leaf"];
    await sql('CREATE TABLE bare (a int, b int); CREATE SCHEMA "S"; CREATE TABLE "S".uniq (a int NOT NULL UNIQUE)');
    await sql("CREATE TABLE keyed (a int PRIMARY KEY); CREATE UNLOGGED TABLE fast (a int)");
    await sql("CREATE TABLE nothing (a int PRIMARY KEY); ALTER TABLE nothing REPLICA IDENTITY NOTHING");
    await sql("CREATE TABLE parent (a int) PARTITION BY LIST (a)");
    await sql("CREATE TABLE leaf PARTITION OF parent FOR VALUES IN (1)");
    if (has("generatedColumns")) {
      await sql("CREATE TABLE made (a int, b int GENERATED ALWAYS AS (a + 1) STORED)");
      tables.push("made");
    }
    const identities = `SELECT string_agg(relname || ' ' || relreplident::text, ', ' ORDER BY oid) FROM pg_class WHERE relkind = 'r' AND oid >= 16384`;
    const [before] = (await sql(identities)).rows[0]!;
    const failures = async () => {
      const failed: string[] = [];
      for (const table of tables) {
        for (const statement of [`UPDATE ${table} SET a = a`, `DELETE FROM ${table}`]) {
          await sql(`EXPLAIN ${statement}`).catch((error) => failed.push(`${statement}: ${error.message}`));
        }
      }
      return failed;
    };
    /** Follow every finding, one statement at a time, until none advises any. */
    const follow = async (options: DiagnoseOptions): Promise<DoctorCode[]> => {
      const followed: DoctorCode[] = [];
      for (let i = 0; i < 30; i++) {
        const { findings } = await look(patient, options);
        const next = findings.find(({ area, fix }) => area === "publications" && fix !== undefined);
        if (next === undefined) return followed;
        followed.push(next.code);
        for (const statement of next.fix!.sql) {
          await sql(statement);
          expect(await failures(), statement).toEqual([]);
        }
      }
      throw new Error(`no end: ${followed}`);
    };
    expect(await follow({ publications: ["nix"] })).toEqual(expect.arrayContaining(["PUBLICATION_MISSING"]));
    await sql("DROP PUBLICATION nix");
    for (const table of tables) await sql(`ALTER TABLE ${table} REPLICA IDENTITY DEFAULT`);
    await sql("ALTER TABLE nothing REPLICA IDENTITY NOTHING; ALTER TABLE fast SET UNLOGGED");
    expect((await sql(identities)).rows[0]![0]).toBe(before);
    const { message, fix } = found(await look(patient), "NO_PUBLICATION")!;
    expect(message).toMatch(/ has no publication, and \d tables without a replica identity$/);
    expect(fix!.sql).toContain('ALTER TABLE "S".uniq REPLICA IDENTITY USING INDEX uniq_a_key');
    expect(await follow({})).toEqual(expect.arrayContaining(["NO_PUBLICATION", "UNLOGGED_NOT_PUBLISHED"]));
    await sql("CREATE PUBLICATION empty");
    expect(await follow({ publications: ["empty"] })).toEqual([]);
  });

  test("a role without privileges", async () => {
    const patient = await ownDatabase(server, `doctor_role_${major}`);
    const role = `Doctor ${major}`;
    await server.sql(`CREATE ROLE "${role}" LOGIN`);
    const sql = (text: string) => server.sql(text, { database: patient.database });
    onTestFinished(async () => {
      await sql(`DROP OWNED BY "${role}"`);
      await server.sql(`DROP ROLE "${role}"`);
    });
    await sql("CREATE SCHEMA s; CREATE TABLE s.t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE s.t");
    await sql("ALTER TABLE s.t ENABLE ROW LEVEL SECURITY");
    const poor = { ...patient, user: role };
    await expectCured(poor, "REPLICATION_REFUSED", role);
    await expectCured(poor, "TABLE_NOT_READABLE", "s.t");
    await expectCured(poor, "ROW_SECURITY", "s.t");
    const before = await look(poor);
    expect(before.unseen.map(({ area }) => area)).toEqual(["role", "transactions", "standbys"]);
    for (const { fix } of before.unseen) for (const each of fix?.sql ?? []) await server.sql(each);
    expect((await look(poor)).unseen.map(({ message }) => message)).toEqual([
      "pg_hba.conf is not checked for errors: only a superuser may read pg_hba_file_rules",
    ]);
  });

  test("slots, transactions and settings of a database", { timeout: 60_000 }, async () => {
    const patient = await ownDatabase(server, `doctor_slot_${major}`);
    const { database } = patient;
    const sql = (text: string) => server.sql(text, { database });
    const slot = `doctor_${major}`;
    await sql(`ALTER DATABASE ${database} SET synchronous_commit = off`);
    await expectCured(patient, "SYNCHRONOUS_COMMIT_OFF");
    await expectCured(patient, "SLOT_MISSING", slot, { slots: [slot] });
    await sql("CREATE TABLE t (a int); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1); INSERT INTO t VALUES (1)");
    await sql(`ALTER DATABASE ${database} SET vacuum_freeze_min_age = 0`);
    await expectCured(patient, "SLOT_HOLDS_XMIN", slot);
    await sql(`ALTER DATABASE ${database} RESET vacuum_freeze_min_age`);
    await sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`);
    expect(found(await look(patient), "SLOT_INACTIVE", slot)).toBeUndefined();
    if (has("slotStatistics")) {
      await sql(
        `ALTER DATABASE ${database} SET logical_decoding_work_mem = '64kB'; CREATE PUBLICATION p FOR ALL TABLES`,
      );
      await sql("INSERT INTO t SELECT 1 FROM generate_series(1, 20000)");
      const changes = `pg_logical_slot_peek_binary_changes('${slot}', NULL, NULL, 'proto_version', '1', 'publication_names', 'p')`;
      await sql(`SELECT count(*) FROM ${changes}`);
      await expectFound(patient, "SLOT_SPILLS", slot);
      await expectCured(patient, "SLOT_SPILLS", slot);
    }
    await sql("SELECT pg_switch_wal(); INSERT INTO t VALUES (1); SELECT pg_switch_wal()");
    await expectCured(patient, "SLOT_INACTIVE", slot);

    await sql("BEGIN; INSERT INTO t VALUES (2); PREPARE TRANSACTION 'it''s \\old'");
    await expectCured(patient, "PREPARED_TRANSACTION_OLD", "it's \\old", { oldAfter: 0 });
    const session = await server.connect({ database });
    await session.query("BEGIN; INSERT INTO t VALUES (3)");
    const pid = (
      await sql(`SELECT pid FROM pg_stat_activity WHERE datname = '${database}' AND state = 'idle in transaction'`)
    ).rows[0]![0]!;
    expect(found(await look(patient), "TRANSACTION_LONG", pid)).toBeUndefined();
    await expectCured(patient, "TRANSACTION_LONG", pid, { oldAfter: 0 });
  });

  test("subscriptions", { timeout: 60_000 }, async () => {
    const patient = await ownDatabase(server, `doctor_sub_${major}`);
    const publisher = await ownDatabase(server, `doctor_subp_${major}`);
    const sql = (text: string) => server.sql(text, { database: patient.database });
    onTestFinished(async () => {
      await sql("ALTER SUBSCRIPTION s DISABLE");
      await sql("ALTER SUBSCRIPTION s SET (slot_name = NONE); DROP SUBSCRIPTION s");
    });
    await server.sql("CREATE TABLE t (a int PRIMARY KEY, b int); CREATE PUBLICATION p FOR TABLE t", {
      database: publisher.database,
    });
    await sql("CREATE TABLE t (a int PRIMARY KEY)");
    const slot = `doctor_sub_${major}`;
    const conninfo = `host=${server.host} port=${server.port} user=${server.user} dbname=${publisher.database}`;
    await sql(
      `CREATE SUBSCRIPTION s CONNECTION '${conninfo}' PUBLICATION p WITH (enabled = false, create_slot = false, slot_name = '${slot}')`,
    );
    await expectFound(patient, "TABLE_NOT_READY", "public.t");
    if (has("generatedColumns")) await expectFound(patient, "COMMIT_TIMESTAMPS_OFF", "track_commit_timestamp");
    await expectCured(patient, "SUBSCRIPTION_DISABLED", "s");
    // There is no such slot on the publisher.
    await expectFound(patient, "SUBSCRIPTION_NOT_RUNNING", "s");
    if (has("subscriptionStatistics")) {
      await server.sql(`SELECT pg_create_logical_replication_slot('${slot}', 'pgoutput')`, {
        database: publisher.database,
      });
      // The subscriber's table lacks a column.
      await expectFound(patient, "SUBSCRIPTION_ERRORS", "s");
      await sql("ALTER SUBSCRIPTION s DISABLE");
      await expect
        .poll(async () => (await sql("SELECT 1 FROM pg_stat_subscription WHERE pid IS NOT NULL")).rows, {
          timeout: 10_000,
        })
        .toEqual([]);
      await expectCured(patient, "SUBSCRIPTION_ERRORS", "s");
    } else await expectCured(patient, "SUBSCRIPTION_NOT_RUNNING", "s");
  });
});

/** Each of these tests starts servers. */
const newest = liveMajors.at(-1)!;
const ownMajors = times < 1 ? [...new Set([liveMajors[seed % liveMajors.length]!, newest])] : liveMajors;

describe.each(ownMajors)("PostgreSQL %d of its own", (major) => {
  const start = async (conf: Readonly<Record<string, string>>): Promise<OwnServer & Patient> => {
    const server = await startServer({ major, conf });
    onTestFinished(() => server.stop());
    return { ...server, server, database: "postgres" };
  };
  const healthy = { fsync: "on", full_page_writes: "on", max_wal_senders: "10", max_replication_slots: "10" };

  test("a healthy server has nothing to say", { timeout: 60_000 }, async () => {
    const server = await start(healthy);
    await server.sql("CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    const connection = await connect({ ...at(server), replication: "database" });
    onTestFinished(() => connection.disconnect());
    await connection.createSlot("s", { plugin: "pgoutput" });
    await connection.startLogical({ slotname: "s", publicationNames: ["p"], feedback: new Feedback({}) });
    const options = { publications: ["p"], slots: ["s"] };
    const { findings, unseen, good } = await look(server, options);
    expect([findings, unseen]).toEqual([[], []]);
    expect(new Set(good.map(({ area }) => area))).toEqual(
      new Set(["role", "settings", "publications", "slots", "transactions", "standbys"]),
    );
    // The same over a connection that is there.
    const other = await connect({ ...at(server), replication: "database" });
    expect((await diagnose(other, options)).findings).toEqual([]);
    expect((await other.identifySystem()).dbname).toBe("postgres");
    await other.disconnect();

    const url = `postgres://${server.user}@/postgres?host=${encodeURIComponent(server.host)}`;
    const { status, stdout } = await runWalwire(["doctor", url, "--strict", "--publication", "p", "--slot", "s"]);
    const [title, ...lines] = stdout.trimEnd().split("\n");
    expect(title).toMatch(/^PostgreSQL [\d.]+, a primary, database postgres$/);
    expect([status, lines.filter((line) => !line.startsWith("✔ "))]).toEqual([0, []]);
    await server.sql("CREATE PUBLICATION empty");
    const run = async (...args: string[]) => (await runWalwire(["doctor", url, ...args])).status;
    expect([await run(), await run("--strict"), await run("--slot", "t"), await run("--publication", "p")]).toEqual([
      0, 1, 1, 0,
    ]);
    const json = JSON.parse((await runWalwire(["doctor", url, "--json"])).stdout);
    expect(json).toMatchObject({
      ok: true,
      findings: [{ code: "PUBLICATION_EMPTY", subject: "empty", severity: "warning" }],
    });
    expect((await runWalwire(["doctor", `${url}&port=1`])).status).toBe(3);

    writeFileSync(join(server.dataDirectory, "pg_hba.conf"), "local all all trust\n");
    await server.sql("SELECT pg_reload_conf()");
    await expectFound(server, "PHYSICAL_REFUSED");
    const { fix } = found(await look(server), "PHYSICAL_REFUSED")!;
    expect(fix).toEqual({
      sql: ["SELECT pg_reload_conf()"],
      restart: false,
      hba: [expect.stringMatching(/^local replication postgres (md5|scram-sha-256)$/)],
    });
    appendFileSync(join(server.dataDirectory, "pg_hba.conf"), `${fix!.hba![0]!.replace(/\S+$/, "trust")}\n`);
    for (const sql of fix!.sql) await server.sql(sql);
    await expect.poll(async () => found(await look(server), "PHYSICAL_REFUSED")).toBeUndefined();
  });

  test.runIf(times >= 1 || major === newest)(
    "bad settings, and a server with the settings that the findings ask for",
    { timeout: 90_000 },
    async () => {
      const bad = await start({
        ...{
          fsync: "off",
          full_page_writes: "off",
          wal_level: "replica",
          max_wal_senders: "0",
          max_replication_slots: "0",
        },
        ...{ wal_sender_timeout: "0", archive_mode: "on", archive_command: "false" },
      });
      await bad.sql("CREATE PUBLICATION p FOR ALL TABLES; SELECT pg_switch_wal()");
      await expectFound(bad, "ARCHIVE_FAILING");
      appendFileSync(join(bad.dataDirectory, "pg_hba.conf"), "local nonsense\n");
      const codes = ["FSYNC_OFF", "FULL_PAGE_WRITES_OFF", "SENDER_TIMEOUT_OFF"] as const;
      for (const code of codes) await expectCured(bad, code);
      await bad.sql("ALTER SYSTEM SET wal_sender_timeout = '1s'; SELECT pg_reload_conf()".split(";")[0]!);
      await bad.sql("SELECT pg_reload_conf()");
      await expectFound(bad, "SENDER_TIMEOUT_LOW");
      await expectCured(bad, "SENDER_TIMEOUT_LOW");
      const restarts = ["WAL_LEVEL_NOT_LOGICAL", "NO_WAL_SENDER_LEFT", "NO_SLOT_LEFT"] as const;
      const diagnosis = await look(bad);
      expect(found(diagnosis, "HBA_ERROR")?.message).toMatch(/^line \d+ of pg_hba.conf: /);
      provoked.add("HBA_ERROR");
      for (const code of restarts) {
        const finding = found(diagnosis, code)!;
        expect(finding.fix).toMatchObject({ restart: true });
        provoked.add(code);
        await cure(bad, finding);
      }
      const cured = await bad.sql("SELECT name, setting FROM pg_file_settings WHERE sourcefile ~ 'auto.conf$'");
      const good = await start(Object.fromEntries(cured.rows) as Record<string, string>);
      await good.sql("CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION p FOR ALL TABLES");
      expect((await look(good)).findings).toEqual([]);
    },
  );

  test.runIf(times >= 1)("wal_level minimal, and settings of the command line", { timeout: 60_000 }, async () => {
    const server = await start({ ...healthy, wal_level: "minimal", max_wal_senders: "0" });
    const { findings } = await look(server);
    expect(findings.map(({ code }) => code)).toEqual(["WAL_LEVEL_MINIMAL", "NO_WAL_SENDER_LEFT"]);
    expect(found({ findings } as Diagnosis, "WAL_LEVEL_MINIMAL")?.fix?.sql).toEqual([
      "ALTER SYSTEM SET wal_level = 'replica'",
    ]);
    provoked.add("WAL_LEVEL_MINIMAL");
    const given = liveServer(major);
    const fsync = found(await look({ server: given, database: "postgres" }), "FSYNC_OFF")!;
    expect([fsync.fix, fsync.values.source]).toEqual([undefined, "command line"]);
  });

  test("receivers and slots", { timeout: 90_000 }, async () => {
    const server = await start({
      ...healthy,
      max_wal_size: "32MB",
      min_wal_size: "32MB",
      max_prepared_transactions: "0",
    });
    const has = (name: DoctorCapability) => doctorCapabilities.supports(server.versionNum, name);
    const set = async (text: string) => {
      const [[before]] = (await server.sql("SELECT pg_conf_load_time()")).rows as [[string]];
      await server.sql(`ALTER SYSTEM SET ${text}`);
      await server.sql("SELECT pg_reload_conf()");
      const isLoaded = async () => (await server.sql(`SELECT pg_conf_load_time() > '${before}'`)).rows[0]![0];
      await expect.poll(isLoaded).toBe("t");
    };
    const fill = async () => {
      for (let i = 0; i < 4; i++) await server.sql(`SELECT txid_current(); SELECT pg_switch_wal()`);
    };
    const physical = async (slotname?: string): Promise<ReplicationConnection> => {
      const connection = await connect({ ...at(server), replication: "true", application_name: "receiver" });
      onTestFinished(() => connection.disconnect());
      const { xlogpos } = await connection.identifySystem();
      const feedback = new Feedback({});
      feedback.flushed(xlogpos);
      await connection.startPhysical({ startpoint: xlogpos, slotname, feedback });
      return connection;
    };
    await set("synchronous_standby_names = 'nobody'");
    await expectCured(server, "SYNC_BLOCKED");
    const receiver = await physical();
    await expectCured(server, "STANDBY_WITHOUT_SLOT", "receiver");
    await fill();
    // It does not confirm what it does not read.
    await expectFound(server, "STANDBY_LAGS", "receiver");
    await receiver.disconnect();

    await server.sql("SELECT pg_create_physical_replication_slot('ph', true)");
    await server.sql("SELECT pg_create_logical_replication_slot('lo', 'pgoutput')");
    const second = await physical("ph");
    if (has("failoverSlots")) {
      await expectCured(server, "SLOT_NOT_FAILOVER", "lo");
      await set("synchronized_standby_slots = 'ph, missing'");
      await expectCured(server, "SYNCHRONIZED_SLOT_MISSING", "missing");
    }
    await second.disconnect();
    if (has("failoverSlots")) {
      await expect
        .poll(
          async () => (await server.sql("SELECT active FROM pg_replication_slots WHERE slot_name = 'ph'")).rows[0]![0],
        )
        .toBe("f");
      await expectCured(server, "SYNCHRONIZED_SLOT_MISSING", "ph");
    }
    if (has("slotTwoPhase")) {
      await server.sql("SELECT pg_create_logical_replication_slot('tp', 'pgoutput', false, true)");
      const finding = found(await look(server), "SLOT_TWO_PHASE_UNUSED", "tp");
      expect(finding?.fix).toMatchObject({
        restart: true,
        sql: ["ALTER SYSTEM SET max_prepared_transactions = '100'"],
      });
      provoked.add("SLOT_TWO_PHASE_UNUSED");
      await server.sql("SELECT pg_drop_replication_slot('tp')");
    }
    await fill();
    await expectFound(server, "SLOT_INACTIVE", "ph");
    if (has("slotWalStatus")) {
      await expectCured(server, "SLOT_WITHOUT_LIMIT");
      await expectInvalidated();
    }

    async function expectInvalidated(): Promise<void> {
      const third = await connect({ ...at(server), replication: "true" });
      const { restart_lsn } = {
        restart_lsn: (await server.sql("SELECT restart_lsn FROM pg_replication_slots WHERE slot_name = 'ph'"))
          .rows[0]![0],
      };
      await third.startReplication(`START_REPLICATION SLOT ph PHYSICAL ${restart_lsn}`);
      await expectFound(server, "SLOT_EXTENDED", "ph");
      await third.disconnect();
      // That keeps WAL for slots too.
      await set("wal_keep_size = '0'");
      // None is under way when the limit comes.
      await server.sql("CHECKPOINT");
      await set("max_slot_wal_keep_size = '16MB'");
      await expectFound(server, "SLOT_UNRESERVED", "ph");
      await expectCured(server, "SLOT_UNRESERVED", "ph");
      await set("max_slot_wal_keep_size = '16MB'");
      // The checkpointer may read the setting later than other processes do: then only the next checkpoint invalidates the slots.
      const isLost = async () => {
        await server.sql("CHECKPOINT");
        return found(await look(server), "SLOT_LOST", "ph") !== undefined;
      };
      await expect.poll(isLost, { timeout: 60_000, interval: 400 }).toBe(true);
      await expectCured(server, "SLOT_LOST", "ph");
      await expectCured(server, "SLOT_LOST", "lo");
    }
  });

  test.runIf(times >= 1)("the plugin of a slot is not installed", { timeout: 60_000 }, async () => {
    const server = await start(healthy);
    await server.sql("SELECT pg_create_logical_replication_slot('s', 'pgoutput')");
    await server.sql("CHECKPOINT");
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const copy = join(path, "data");
    cpSync(server.dataDirectory, copy, { recursive: true });
    const state = join(copy, "pg_replslot", "s", "state");
    const slot = decodeSlotState(new Uint8Array(readFileSync(state))).slotdata;
    writeFileSync(state, encodeSlotState({ ...slot, plugin: "no_such_plugin" }, { server: major }));
    const other = await startServer({ major, from: copy });
    onTestFinished(() => other.stop());
    const patient = { server: other, database: "postgres" };
    expect(found(await look({ server, database: "postgres" }), "SLOT_PLUGIN_MISSING")).toBeUndefined();
    if (!doctorCapabilities.supports(server.versionNum, "absolutePaths")) {
      expect((await look(patient)).unseen).toEqual([]);
      return;
    }
    await expectCured(patient, "SLOT_PLUGIN_MISSING", "s");
  });

  test.runIf(doctorCapabilities.supports(major, "failoverSlots") && (times >= 1 || major === newest))(
    "a standby that synchronizes slots",
    { timeout: 90_000 },
    async () => {
      const primary = await start(healthy);
      await primary.sql("SELECT pg_create_physical_replication_slot('ph', true)");
      const logical = await connect({ ...at(primary), replication: "database" });
      await logical.createSlot("fo", { plugin: "pgoutput", failover: true });
      await logical.disconnect();
      for (let i = 0; i < 2; i++) await primary.sql("SELECT txid_current(); SELECT pg_switch_wal()");
      const { path, remove } = temporaryDirectory();
      onTestFinished(remove);
      const directory = join(path, "data");
      const connection = await primary.connect({ replication: "true" });
      await takeBackup(connection, primary.versionNum, baseBackupCommand(primary.versionNum, { WAL: true }), {
        directory,
      });
      await connection.close();
      writeFileSync(join(directory, "standby.signal"), "");
      const standby = await startServer({
        ...{ major, from: directory },
        conf: {
          ...{
            ...healthy,
            primary_conninfo: `host=${primary.host} user=${primary.user} dbname=postgres`,
            primary_slot_name: "ph",
          },
          ...{ sync_replication_slots: "on", hot_standby_feedback: "off" },
        },
      });
      onTestFinished(() => standby.stop());
      const patient = { server: standby, database: "postgres" };
      const set = async (text: string) => {
        await standby.sql(`ALTER SYSTEM SET ${text}`);
        await standby.sql("SELECT pg_reload_conf()");
      };
      expect((await look(patient)).inRecovery).toBe(true);
      await expectCured(patient, "SLOT_SYNC_IMPOSSIBLE");
      await set("hot_standby_feedback = on");
      await set("sync_replication_slots = on");
      // The slot on the primary needs WAL from before the backup.
      await expectFound(patient, "SLOT_NOT_SYNCED", "fo");
      // The worker's pauses grow; the function does the same at once.
      await set("sync_replication_slots = off");
      const synced = async () => {
        await primary.sql("SELECT pg_log_standby_snapshot()");
        await primary.sql("SELECT pg_replication_slot_advance('fo', pg_current_wal_lsn())");
        await standby.sql("SELECT pg_sync_replication_slots()").catch(() => {});
        return (await standby.sql("SELECT temporary FROM pg_replication_slots WHERE slot_name = 'fo'")).rows;
      };
      await expect.poll(synced, { timeout: 30_000, interval: 300 }).toEqual([["f"]]);
      expect(found(await look(patient), "SLOT_NOT_SYNCED")).toBeUndefined();
      await set("hot_standby_feedback = off");
      await expectFound(patient, "FEEDBACK_OFF");
      await expectCured(patient, "FEEDBACK_OFF");
      expect(found(await look(patient), "RECEIVER_DOWN")).toBeUndefined();
      await primary.stop();
      await expectFound(patient, "RECEIVER_DOWN");
    },
  );
});

test("each finding was provoked on one of the servers", () => {
  // Of a long run with all servers; catchup and backup are passing states.
  const isWhole = liveMajors.length > 8 && times >= 1;
  const expected = Object.keys(doctorCodes).filter((code) => code !== "STANDBY_NOT_STREAMING");
  expect(expected.filter((code) => isWhole && !provoked.has(code as DoctorCode))).toEqual([]);
  expect(provoked.size).toBeGreaterThan(15);
});

/**
 * What commands answer with, to the last number of each column, and what each value means by the server's own catalogs.
 *
 * Each major has a server of its own here, with a history that is made up.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { type CapabilityName, supports } from "../../src/capabilities.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { type Answer, judgedAnswer } from "../oracle/answers.ts";
import { type OwnServer, type RawConnection, type Server, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

/** The timeline that recovery aims at, and of which there is no WAL; the server's own is the next. */
const aim = 9;

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  let server: OwnServer;
  /** Where timeline 1 ends. */
  let switchpoint: Lsn;

  beforeAll(async () => {
    // Since 12, recovery is set up with parameters; they do nothing until the server finds recovery.signal.
    const recovery = { restore_command: "false", recovery_target_timeline: String(aim) };
    server = await startServer({ major, settings: major >= 12 ? recovery : {} });
    switchpoint = await makeHistory(server, recovery);
  });
  afterAll(() => server.stop());

  const has = (name: CapabilityName) => supports(server.versionNum, name);
  const one = async (sql: string): Promise<readonly string[]> =>
    ((await server.sql(sql)).rows[0] ?? []).map((value) => String(value));

  async function connect(replication: "true" | "database" = "true"): Promise<RawConnection> {
    const connection = await server.connect({ replication });
    onTestFinished(() => connection.close());
    return connection;
  }

  const ask = (connection: RawConnection, text: string, more: object = {}): Promise<Answer> =>
    judgedAnswer(connection, text, { server: server.versionNum, ...more });

  async function flushLsn(): Promise<Lsn> {
    return parseLsn((await one("SELECT pg_current_wal_flush_lsn()"))[0]!);
  }

  test.each(["true", "database"] as const)("IDENTIFY_SYSTEM with replication=%s", async (replication) => {
    const connection = await connect(replication);
    const before = await flushLsn();
    const { systemid, timeline, xlogpos, dbname } = (await ask(connection, "IDENTIFY_SYSTEM")).result(
      "IDENTIFY_SYSTEM",
    );
    expect([String(systemid)]).toEqual(await one("SELECT system_identifier FROM pg_control_system()"));
    expect(timeline).toBe(aim + 1);
    expect(xlogpos).toBeGreaterThanOrEqual(before);
    expect(xlogpos).toBeLessThanOrEqual(await flushLsn());
    expect(dbname).toBe(replication === "database" ? "postgres" : undefined);
  });

  test("SHOW", async () => {
    const connection = await connect();
    const show = async (text: string, parameter: string) => (await ask(connection, text, { parameter })).result("SHOW");
    expect(await show("SHOW DATESTYLE", "DateStyle")).toEqual({ setting: "ISO, MDY" });
    expect(await show("SHOW wal_segment_size", "wal_segment_size")).toEqual({ setting: "16MB" });
    const all = (await ask(connection, 'SHOW "All"')).result("SHOW_ALL");
    const { rows } = await server.sql("SELECT name, short_desc FROM pg_settings");
    const known = new Map(rows as [string, string | null][]);
    for (const { name, description } of all) expect(description ?? null, name).toBe(known.get(name));
    expect(all.find(({ name }) => name === "shared_buffers")?.setting).toBe("16MB");
    expect(all.length).toBeGreaterThan(200);
  });

  test("TIMELINE_HISTORY", async () => {
    const connection = await connect();
    const { filename, content } = (await ask(connection, `TIMELINE_HISTORY ${aim + 1}`)).result("TIMELINE_HISTORY");
    expect(filename).toBe("0000000A.history");
    const [hex] = await one(`SELECT encode(pg_read_binary_file('pg_wal/${filename}'), 'hex')`);
    expect(Buffer.from(content as Uint8Array).toString("hex")).toBe(hex);
    // A backslash that a driver must not take for an escape.
    expect(Buffer.from(content as Uint8Array).toString()).toContain(`1\t${formatLsn(switchpoint)}\ta\\\\b\n`);

    // The error comes when the columns have been described.
    const types = (await connection.query("TIMELINE_HISTORY 99")).map(({ type }) => type);
    expect(types).toEqual(["T", "E", "Z"]);
  });

  test("slots: CREATE, READ, ALTER, DROP", async () => {
    const connection = await connect("database");
    const bySql = (name: string) =>
      one(`SELECT confirmed_flush_lsn, restart_lsn, plugin FROM pg_replication_slots WHERE slot_name = '${name}'`);

    const logical = await ask(connection, "CREATE_REPLICATION_SLOT l LOGICAL pgoutput");
    const { slot_name, consistent_point, snapshot_name, output_plugin } = logical.result("CREATE_REPLICATION_SLOT");
    expect([slot_name, output_plugin]).toEqual(["l", "pgoutput"]);
    expect(formatLsn(consistent_point, { server: server.versionNum })).toBe((await bySql("l"))[0]);
    await server.sql(`BEGIN ISOLATION LEVEL REPEATABLE READ; SET TRANSACTION SNAPSHOT '${snapshot_name}'; COMMIT`);

    const quiet = await ask(connection, "CREATE_REPLICATION_SLOT q TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    expect(quiet.result("CREATE_REPLICATION_SLOT")).toMatchObject({ slot_name: "q", snapshot_name: undefined });

    for (const [name, words] of [
      ["p", ""],
      ["r", " RESERVE_WAL"],
    ] as const) {
      const physical = await ask(connection, `CREATE_REPLICATION_SLOT ${name} PHYSICAL${words}`);
      expect(physical.result("CREATE_REPLICATION_SLOT")).toEqual({
        ...{ slot_name: name, consistent_point: 0n, snapshot_name: undefined, output_plugin: undefined },
      });
    }

    if (has("readReplicationSlot")) {
      const read = async (name: string) =>
        (await ask(connection, `READ_REPLICATION_SLOT ${name}`)).result("READ_REPLICATION_SLOT");
      const nothing = { slot_type: undefined, restart_lsn: undefined, restart_tli: undefined };
      expect(await read("nosuch")).toEqual(nothing);
      expect(await read("p")).toEqual({ ...nothing, slot_type: "physical" });
      const restart_lsn = parseLsn((await bySql("r"))[1]!);
      expect(await read("r")).toEqual({ slot_type: "physical", restart_lsn, restart_tli: aim + 1 });
    }
    if (has("alterReplicationSlot")) {
      expect((await ask(connection, "ALTER_REPLICATION_SLOT l (FAILOVER true)")).tags.length).toBe(1);
    }
    for (const name of ["l", "q", "p"]) await ask(connection, `DROP_REPLICATION_SLOT ${name}`);
    await ask(connection, "DROP_REPLICATION_SLOT r WAIT");
  });

  test("START_REPLICATION", async () => {
    const connection = await connect("database");
    // Up to 13, a connection must have asked this first.
    const { xlogpos } = (await ask(connection, "IDENTIFY_SYSTEM")).result("IDENTIFY_SYSTEM");
    const here = formatLsn(xlogpos);
    for (const text of [`START_REPLICATION ${here}`, `START_REPLICATION ${here} TIMELINE ${aim + 1}`]) {
      const answer = await ask(connection, text);
      expect(answer.copies.length).toBe(1);
      expect(answer.result("NEXT_TIMELINE")).toBe(undefined);
    }

    const next = { next_tli: aim, next_tli_startpos: switchpoint };
    const historic = await ask(connection, `START_REPLICATION ${formatLsn((switchpoint - 1000n) as Lsn)} TIMELINE 1`, {
      patient: true,
    });
    expect(historic.result("NEXT_TIMELINE")).toEqual(next);
    expect(historic.copies.length).toBe(1);
    // 25 bytes are XLogData's header.
    const wal = historic.copies[0]!.filter((data) => data[0] === 0x77).reduce((sum, data) => sum + data.length - 25, 0);
    expect(wal).toBe(1000);

    const atItsEnd = await ask(connection, `START_REPLICATION ${formatLsn(switchpoint)} TIMELINE 1`);
    expect(atItsEnd.result("NEXT_TIMELINE")).toEqual(next);
    expect(atItsEnd.copies.length).toBe(0);

    await server.sql("DROP PUBLICATION IF EXISTS p; CREATE PUBLICATION p FOR ALL TABLES");
    // On a connection that has streamed before, servers take a logical stream for ended when it begins.
    const fresh = await connect("database");
    await ask(fresh, "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    const options = "(proto_version '1', publication_names 'p')";
    const logical = await ask(fresh, `START_REPLICATION SLOT s LOGICAL 0/0 ${options}`);
    expect(logical.tags[0]).toBe("COPY 0");
  });

  test("BASE_BACKUP and UPLOAD_MANIFEST", { timeout: 60_000 }, async () => {
    await server.sql(`COPY (SELECT 1) TO PROGRAM 'cat >&2; mkdir ${server.host}/spc'`);
    await server.sql(`CREATE TABLESPACE spc LOCATION '${server.host}/spc'`);
    await server.sql("CREATE TABLE big TABLESPACE spc AS SELECT generate_series(1, 100000)");
    const [spcoid, kB] = await one(
      "SELECT oid, pg_tablespace_size(oid) / 1024 FROM pg_tablespace WHERE spcname = 'spc'",
    );
    const connection = await connect();
    const recent = has("genericOptions");
    const before = await flushLsn();

    for (const progress of [false, true]) {
      const manifest = has("baseBackupManifest") || recent;
      const words = ["FAST", progress && "PROGRESS", manifest && "MANIFEST 'yes'"].filter(Boolean);
      const text = recent
        ? `BASE_BACKUP (${words.join(", ").replace("FAST", "CHECKPOINT fast")})`
        : `BASE_BACKUP ${words.join(" ")}`;
      const answer = await ask(connection, text);
      const [start, end] = [answer.result("BACKUP_START"), answer.result("BACKUP_END")];
      expect([start.tli, end.tli]).toEqual([aim + 1, aim + 1]);
      expect(start.recptr).toBeGreaterThanOrEqual(before);
      expect(end.recptr).toBeGreaterThan(start.recptr);
      expect(end.recptr).toBeLessThanOrEqual(await flushLsn());
      const label = Buffer.concat(answer.copies.flat()).toString("latin1");
      expect(label).toContain(`START WAL LOCATION: ${formatLsn(start.recptr, { server: server.versionNum })} `);

      const spaces = answer.result("BACKUP_TABLESPACES");
      expect(spaces.map((each) => [each.spcoid, each.spclocation])).toEqual([
        [Number(spcoid), `${server.host}/spc`],
        [undefined, undefined],
      ]);
      const [spc, main] = spaces.map(({ size }) => size);
      if (progress) {
        // The directories themselves count on one side only.
        expect(Math.abs(Number(spc) - Number(kB))).toBeLessThan(100);
        expect(main).toBeGreaterThan(10_000n);
      } else expect([spc, main]).toEqual([undefined, undefined]);
      expect(answer.copies.length).toBe(recent ? 1 : 2 + Number(manifest));

      if (progress && has("uploadManifest")) {
        const [stream] = answer.copies;
        const begin = stream!.findIndex((data) => data.equals(Buffer.from("m")));
        const upload = Buffer.concat(
          stream!
            .slice(begin + 1)
            .filter((data) => data[0] === 0x64)
            .map((data) => data.subarray(1)),
        );
        expect((await ask(connection, "UPLOAD_MANIFEST", { upload })).tags).toEqual(["UPLOAD_MANIFEST"]);
        // What it does not like it says in place of the tag, and the connection goes on.
        for (const bad of [Buffer.alloc(0), upload.subarray(1)]) {
          const refused = ask(connection, "UPLOAD_MANIFEST", { upload: bad });
          await expect(refused).rejects.toThrow("could not parse backup manifest: ");
        }
        await ask(connection, "IDENTIFY_SYSTEM");
      }
    }
  });
});

/**
 * Makes the server recover from a crash towards a timeline of which there is only a history file, so that it ends on one
 * beyond it. No postmaster is started again: when one of its processes dies, it does this by itself.
 *
 * @returns where timeline 1 ends.
 */
async function makeHistory(server: Server, recovery: Readonly<Record<string, string>>): Promise<Lsn> {
  // Keeps the WAL of timeline 1.
  await server.sql("SELECT pg_create_physical_replication_slot('keep', true)");
  const { rows } = await server.sql(
    "SELECT pg_switch_wal(), current_setting('data_directory'), current_setting('data_directory')",
  );
  const [lsn, directory] = rows[0] as [string, string];
  // At the end of a segment, since a walsender looks for the last one of a timeline under the name of the next.
  const segment = 1n << 24n;
  const switchpoint = (((parseLsn(lsn) + segment - 1n) / segment) * segment) as Lsn;
  const history = `SELECT 1, '${formatLsn(switchpoint)}', 'a\\b'`;
  await server.sql(`COPY (${history}) TO '${directory}/pg_wal/00000009.history'`);
  const settings = Object.entries(recovery).map(([name, value]) => `($$${name} = '${value}'$$)`);
  await server.sql(
    server.major >= 12
      ? `COPY (SELECT '') TO '${directory}/recovery.signal'`
      : `COPY (VALUES ${settings.join(", ")}) TO '${directory}/recovery.conf'`,
  );

  const victim = await server.connect();
  const { rows: pids } = await server.sql(
    "SELECT pid FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND datname IS NOT NULL",
  );
  process.kill(Number(pids[0]![0]), "SIGKILL");
  await victim.close();
  for (const limit = Date.now() + 20_000; ; await sleep(20)) {
    try {
      const { rows } = await server.sql("SELECT pg_walfile_name(pg_current_wal_lsn())");
      if (rows[0]![0]!.startsWith("0000000A")) return switchpoint;
    } catch (error) {
      if (Date.now() > limit) throw error;
    }
  }
}

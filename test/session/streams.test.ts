/** Streams of live servers: how they are stopped, how servers stop, and that values come as they are. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { decodePgoutputMessage, type Insert } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import { type ConnectOptions, connect, type ReplicationConnection } from "../../src/node/client.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { startServer } from "../servers/index.ts";
import { liveMajors, liveServer, longTestMajors } from "../servers/live.ts";

type Address = Pick<ReturnType<typeof liveServer>, "host" | "port" | "user" | "database">;

async function open(
  { host, port, user, database }: Address,
  options: Partial<ConnectOptions> = {},
): Promise<ReplicationConnection> {
  const connection = await connect({ host, port, user, database, replication: "database", ...options });
  onTestFinished(() => connection.disconnect());
  return connection;
}

const START = "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p')";

/** Read a stream as the README does, until the server or an error ends it. */
async function follow(connection: ReplicationConnection, feedback: Feedback, onInsert?: (insert: Insert) => void) {
  const decoder = new PgoutputDecoder();
  for (let payload = await connection.receive(); payload !== undefined; payload = await connection.receive()) {
    const message = decodeWalSenderMessage(payload);
    const change = message.type === "XLogData" ? decoder.decode(message.data) : undefined;
    if (change?.type === "Insert") onInsert?.(change);
    if (change?.type === "Commit") feedback.flushed(change.endLsn);
  }
}

/** The end of the next transaction. */
async function nextCommit(connection: ReplicationConnection): Promise<Lsn> {
  for (;;) {
    const message = decodeWalSenderMessage((await connection.receive())!);
    const change = message.type === "XLogData" ? decodePgoutputMessage(message.data) : undefined;
    if (change?.type === "Commit") return change.endLsn;
  }
}

describe.each(longTestMajors)("PostgreSQL %d", (major) => {
  test("an idle receiver does not delay a fast shutdown", async () => {
    const server = await startServer({ major });
    onTestFinished(() => server.stop());
    await server.sql("CREATE TABLE t (a int); CREATE TABLE other (a int); CREATE PUBLICATION p FOR TABLE t");
    const connection = await open(server);
    await connection.query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    const feedback = new Feedback();
    await connection.startReplication(START, { feedback });
    let inserts = 0;
    const end = follow(connection, feedback, () => inserts++).catch((error: unknown) => error);
    await server.sql("INSERT INTO t VALUES (1)");
    await server.sql("INSERT INTO other SELECT generate_series(1, 10000)");
    await expect.poll(() => inserts).toBe(1);
    const started = Date.now();
    process.kill(server.pid, "SIGINT");
    expect(await end).toMatchObject({ name: "ConnectionError", code: "SERVER_SHUTDOWN" });
    expect(Date.now() - started).toBeLessThan(8000);
  });

  test("after a crash a confirmed transaction comes again, but not with its end as startpoint", async () => {
    const server = await startServer({ major });
    onTestFinished(() => server.stop());
    await server.sql("CREATE TABLE t (a int); CREATE PUBLICATION p FOR TABLE t");
    const connection = await open(server);
    await connection.query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    const feedback = new Feedback();
    await connection.startReplication(START, { feedback });
    const confirmed = async () =>
      parseLsn((await server.sql("SELECT confirmed_flush_lsn FROM pg_replication_slots")).rows[0]![0]!);
    await server.sql("INSERT INTO t VALUES (1)");
    const stored = await nextCommit(connection);
    feedback.flushed(stored);
    await expect.poll(confirmed).toBeGreaterThanOrEqual(stored);
    await connection.endReplication();
    // A copy of the files of a running server is what a crash leaves.
    const restarted = await startServer({ major, from: server.dataDirectory });
    onTestFinished(() => restarted.stop());
    await restarted.sql("INSERT INTO t VALUES (2)");
    const again = await open(restarted);
    await again.startReplication(START);
    expect(await nextCommit(again)).toBe(stored);
    await again.disconnect();
    const beyond = await open(restarted);
    await beyond.startReplication(START.replace("0/0", formatLsn(stored)));
    expect(await nextCommit(beyond)).toBeGreaterThan(stored);
  });

  test("endReplication stops an idle stream that is waited for", async () => {
    const connection = await open(liveServer(major), { replication: "true" });
    const { rows } = await connection.query("IDENTIFY_SYSTEM");
    for (let i = 0; i < 2; i++) {
      await connection.startReplication(`START_REPLICATION PHYSICAL ${rows[0]?.[2]}`);
      const received = (async () => {
        while ((await connection.receive()) !== undefined) {}
      })();
      await sleep(50);
      await connection.endReplication();
      await received;
    }
    expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
  });

  test("a command waits for the end of a stream that a timer ends", async () => {
    const connection = await open(liveServer(major), { replication: "true" });
    const { rows } = await connection.query("IDENTIFY_SYSTEM");
    for (let i = 0; i < 20; i++) {
      await connection.startReplication(`START_REPLICATION PHYSICAL ${rows[0]?.[2]}`);
      const ended = new Promise((resolve) => setTimeout(() => resolve(connection.endReplication()), 5));
      while ((await connection.receive()) !== undefined) {}
      expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
      await ended;
    }
  });

  test("endReplication after disconnect is rejected at once", async () => {
    const connection = await open(liveServer(major), { replication: "true" });
    const { rows } = await connection.query("IDENTIFY_SYSTEM");
    await connection.startReplication(`START_REPLICATION PHYSICAL ${rows[0]?.[2]}`);
    const disconnected = connection.disconnect();
    await expect(connection.endReplication()).rejects.toMatchObject({ code: "DISCONNECTED" });
    await disconnected;
  });

  test("a walsender that is stopped is noticed", async () => {
    const server = liveServer(major);
    const connection = await open(server);
    const pid = Number((await connection.query("SELECT pg_backend_pid()")).rows[0]?.[0]);
    const slot = `stopped_${major}`;
    await connection.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`);
    const feedback = new Feedback({ timeout: 1_500_000n });
    const start = `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (proto_version '1', publication_names 'none')`;
    await connection.startReplication(start, { feedback });
    // As long as it runs, it answers when it is asked.
    const idle = AbortSignal.timeout(3500);
    const ended = (async () => {
      for (;;) await connection.receive({ signal: idle });
    })();
    await expect(ended).rejects.toMatchObject({ name: "TimeoutError" });
    process.kill(pid, "SIGSTOP");
    try {
      const end = (async () => {
        for (;;) await connection.receive();
      })();
      await expect(end).rejects.toMatchObject({ name: "ConnectionError", code: "TIMEOUT" });
    } finally {
      process.kill(pid, "SIGCONT");
    }
  });
});

describe.each([liveMajors[0]!, liveMajors.at(-1)!])("PostgreSQL %d", (major) => {
  const database = `session_values_${major}`;
  const ascii = `session_ascii_${major}`;
  const server = { ...liveServer(major) };
  beforeAll(async () => {
    await server.sql(`CREATE DATABASE ${database}`);
    await server.sql(`ALTER DATABASE ${database} SET extra_float_digits = 0`);
    await server.sql(`ALTER DATABASE ${database} SET datestyle = 'German'`);
    await server.sql(`ALTER DATABASE ${database} SET intervalstyle = 'iso_8601'`);
    await server.sql(`CREATE DATABASE ${ascii} ENCODING 'SQL_ASCII' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'`);
    for (const each of [database, ascii]) await server.sql("CREATE PUBLICATION p FOR ALL TABLES", { database: each });
  });
  afterAll(async () => {
    for (const each of [database, ascii]) await server.sql(`DROP DATABASE ${each}`);
  });

  /** The first inserted row of a stream. */
  async function firstRow(where: string, sql: string, options: Partial<ConnectOptions> = {}): Promise<unknown[]> {
    const connection = await open({ ...server, database: where }, options);
    const slot = `${where}_${Date.now()}`;
    await connection.query(`CREATE_REPLICATION_SLOT ${slot} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT`);
    await server.sql(sql, { database: where });
    const feedback = new Feedback();
    await connection.startReplication(START.replace("SLOT s", `SLOT ${slot}`), { feedback });
    const found: unknown[][] = [];
    const end = follow(connection, feedback, (insert) => {
      found.push([...insert.newTuple]);
      void connection.endReplication();
    });
    await end;
    await expect.poll(() => connection.state).toBe("idle");
    await connection.disconnect();
    return found[0]!;
  }

  test("values have the formats of PostgreSQL's subscriber, whatever the database sets", async () => {
    const sql = `CREATE TABLE v (a float8, b date, c interval);
      INSERT INTO v VALUES (0.1::float8 + 0.2::float8, '2026-11-29', '1 day 02:03:04')`;
    const [sum, ...others] = await firstRow(database, sql);
    // Servers before 12 write more digits; with extra_float_digits = 0 it would be 0.3.
    expect(Number(sum)).toBe(0.1 + 0.2);
    expect(others).toEqual(["2026-11-29", "1 day 02:03:04"]);
    const german = "DROP TABLE v; CREATE TABLE v (a date); INSERT INTO v VALUES ('2026-11-29')";
    expect(await firstRow(database, german, { options: "-c datestyle=German" })).toEqual(["29.11.2026"]);
  });

  test("a SQL_ASCII database: bytes that are not UTF-8 come as they are", async () => {
    const sql = "CREATE TABLE v (a text); INSERT INTO v VALUES (E'a\\xff\\xfe')";
    expect(await firstRow(ascii, sql)).toEqual(["a\udcff\udcfe"]);
  });

  test("who asks for UTF8 there gets the server's error", async () => {
    const sql = "DROP TABLE v; CREATE TABLE v (a text); INSERT INTO v VALUES (E'a\\xff\\xfe')";
    const refused = firstRow(ascii, sql, { client_encoding: "UTF8" });
    await expect(refused).rejects.toMatchObject({ name: "ServerError", sqlstate: "22021" });
  });
});

test.runIf(liveMajors.at(-1)! >= 14)("150 logins that the server ends at once never escape", async () => {
  const uncaught: unknown[] = [];
  const note = (error: unknown): void => void uncaught.push(error);
  process.on("uncaughtException", note);
  process.on("unhandledRejection", note);
  onTestFinished(() => {
    process.off("uncaughtException", note);
    process.off("unhandledRejection", note);
  });
  const seen = new Map<string, number>();
  for (let i = 0; i < 150; i++) {
    const { host, port, user, database } = liveServer(liveMajors.at(-1)!);
    try {
      const opening = connect({
        host,
        port,
        user,
        database,
        replication: "database",
        options: "-c idle_session_timeout=1",
      });
      // Held up while the login's bytes arrive, the process reads them all in one chunk.
      for (let turn = 0; turn < 4; turn++) {
        await new Promise(setImmediate);
        const until = performance.now() + (i % 5);
        while (performance.now() < until) {}
      }
      const connection = await opening;
      await sleep(i % 3);
      const answer = await connection.query("IDENTIFY_SYSTEM").then(
        () => "answered",
        (error: { sqlstate?: string; code: string }) => error.sqlstate ?? error.code,
      );
      seen.set(answer, (seen.get(answer) ?? 0) + 1);
      await connection.disconnect();
    } catch (error) {
      const { sqlstate } = error as { sqlstate?: string };
      seen.set(`login ${sqlstate}`, (seen.get(`login ${sqlstate}`) ?? 0) + 1);
    }
  }
  expect(uncaught).toEqual([]);
  // 57P05: terminating connection due to idle-session timeout
  expect(seen.get("57P05")).toBeGreaterThan(0);
  for (const how of seen.keys()) expect(["answered", "57P05", "CONNECTION_LOST", "login 57P05"]).toContain(how);
});

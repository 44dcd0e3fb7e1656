/** The client against live servers: what it uses of pg, commands, streams, and how each of them ends. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../../src/generated/physical.ts";
import { StateError } from "../../src/kernel/errors.ts";
import { pgTimeFromDate, toPgTime } from "../../src/kernel/time.ts";
import { connect, type ReplicationConnection, ServerError } from "../../src/node/client.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { startServer } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

function open(major: number, replication: "database" | "true" = "database"): Promise<ReplicationConnection> {
  const { host, port, user, database } = liveServer(major);
  return connect({ host, port, user, database, replication });
}

/** Open a physical stream where the server's WAL ends now. */
async function startPhysical(connection: ReplicationConnection): Promise<void> {
  const { rows } = await connection.query("IDENTIFY_SYSTEM");
  expect(await connection.startReplication(`START_REPLICATION PHYSICAL ${rows[0]?.[2]}`)).toBeUndefined();
}

/** Read a stream until a message of a type comes. */
async function readUntil(connection: ReplicationConnection, type: string): Promise<void> {
  for (;;) {
    const payload = await connection.receive();
    if (payload === undefined) throw new Error(`the stream ended before a ${type}`);
    if (decodeWalSenderMessage(payload).type === type) return;
  }
}

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  test("commands answer with columns, rows and tags; an error leaves the connection good", async () => {
    const connection = await open(major);
    expect(connection.serverVersion).toBe(liveServer(major).versionNum);
    const system = await connection.query("IDENTIFY_SYSTEM");
    expect(system.columns).toEqual(["systemid", "timeline", "xlogpos", "dbname"]);
    expect(system.rows[0]?.[3]).toBe("postgres");
    expect(system.commandTags).toEqual([major < 13 ? "SELECT" : "IDENTIFY_SYSTEM"]);
    await expect(connection.query("IDENTIFY_SYSTEM x")).rejects.toThrow(
      expect.objectContaining({ constructor: ServerError, sqlstate: "42601", message: "syntax error" }),
    );
    expect((await connection.query("SELECT 1 AS a, NULL AS b")).rows).toEqual([["1", null]]);
    expect((await connection.query("")).rows).toEqual([]);
    await connection.disconnect();
  });

  test("a notice of the server is handed on", async () => {
    const connection = await open(major);
    const notices: string[] = [];
    connection.onNotice = (notice) => notices.push(notice.message ?? "");
    await expect(connection.query(`DROP_REPLICATION_SLOT ${"a".repeat(64)}`)).rejects.toThrow("does not exist");
    expect(notices).toEqual([`identifier "${"a".repeat(64)}" will be truncated to "${"a".repeat(63)}"`]);
    await connection.disconnect();
  });

  test("a physical stream delivers WAL and answers a status update", async () => {
    const connection = await open(major, "true");
    await startPhysical(connection);
    await liveServer(major).sql("SELECT pg_logical_emit_message(true, '', 'something to send')");
    await readUntil(connection, "XLogData");
    const none = { xmin: 0, xminEpoch: 0, catalogXmin: 0, catalogXminEpoch: 0 };
    connection.send(encodeWalReceiverMessage({ type: "HotStandbyFeedback", clientTime: toPgTime(0n), ...none }));
    connection.send(encodeWalReceiverMessage(new Feedback().update(pgTimeFromDate(new Date()), true)));
    await readUntil(connection, "Keepalive");
    const { commandTags } = await connection.endReplication();
    expect(commandTags[0]).toBe("START_STREAMING");
    expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
    await connection.disconnect();
  });

  test("a stream that the server rejects is a ServerError", async () => {
    const connection = await open(major, "true");
    const started = connection.startReplication("START_REPLICATION SLOT nosuch PHYSICAL 0/0");
    await expect(started).rejects.toThrow('replication slot "nosuch" does not exist');
    // Far ahead of what was written: the server opens the stream first, and then says so.
    await connection.startReplication("START_REPLICATION PHYSICAL FFFF/0");
    await expect(connection.receive()).rejects.toThrow("is ahead of the WAL flush position");
    await connection.endReplication();
    expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
    await connection.disconnect();
  });

  test("an error in a stream leaves the connection usable", async () => {
    const connection = await open(major, "true");
    await startPhysical(connection);
    connection.send(Uint8Array.of(0x72, 1, 2, 3));
    await expect(readUntil(connection, "none such")).rejects.toThrow("insufficient data left in message");
    await connection.endReplication();
    expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
    await connection.disconnect();
  });
});

describe.each([liveMajors[0]!, liveMajors.at(-1)!])("PostgreSQL %d", (major) => {
  test("a query that copies is declined, or closes the connection", async () => {
    const connection = await open(major);
    await connection.query("CREATE TEMPORARY TABLE copied (a int)");
    await expect(connection.query("COPY copied FROM STDIN")).rejects.toThrow(StateError);
    if (major >= 17) await expect(connection.query("UPLOAD_MANIFEST")).rejects.toThrow(StateError);
    expect((await connection.query("SELECT * FROM copied")).rows).toEqual([]);
    await expect(connection.query("COPY copied TO STDOUT")).rejects.toThrow(StateError);
    await expect(connection.query("SELECT 1")).rejects.toMatchObject({ code: "DISCONNECTED" });
    await connection.disconnect();
  });

  test("the encoding is UTF-8, whatever a role sets; one that a command sets ends the connection", async () => {
    const { host, port, database } = liveServer(major);
    const user = `latin_${major}`;
    await liveServer(major).sql(`CREATE ROLE ${user} SUPERUSER LOGIN`);
    onTestFinished(async () => void (await liveServer(major).sql(`DROP ROLE ${user}`)));
    await liveServer(major).sql(`ALTER ROLE ${user} SET client_encoding = 'LATIN1'`);
    for (const client_encoding of [undefined, "utf-8", "Unicode", "SQL-ASCII"]) {
      const connection = await connect({ host, port, user, database, replication: "database", client_encoding });
      const isAscii = client_encoding === "SQL-ASCII";
      expect(connection.parameters.get("client_encoding")).toBe(isAscii ? "SQL_ASCII" : "UTF8");
      expect((await connection.query("SELECT chr(233), length('é日')")).rows).toEqual([["é", "2"]]);
      await expect(connection.query("SET client_encoding = GBK")).rejects.toThrow('client_encoding to "GBK"');
      await connection.disconnect();
    }
  });

  test.runIf(major >= 17)("a server that ends an upload is heard while its source waits", async () => {
    const connection = await open(major);
    onTestFinished(() => connection.disconnect());
    const pid = (await connection.query("SELECT pg_backend_pid()")).rows[0]![0];
    const upload = connection.uploadManifest(
      (async function* () {
        yield Buffer.from("{");
        await liveServer(major).sql(`SELECT pg_terminate_backend(${pid})`);
        await new Promise(() => {});
      })(),
    );
    await expect(upload).rejects.toMatchObject({ name: "ServerError", sqlstate: "57P01" });
  });

  test("what arrives between tryReceive and readable is seen", async () => {
    const connection = await open(major, "true");
    await startPhysical(connection);
    while (connection.tryReceive() !== null) {}
    await liveServer(major).sql("SELECT pg_logical_emit_message(true, '', 'something to send')");
    await new Promise((resolve) => setTimeout(resolve, 300));
    const signal = AbortSignal.timeout(20_000);
    // A part of a large message wakes too: WAL of other tests comes as well.
    do await connection.readable({ signal });
    while (connection.tryReceive() === null);
    await connection.disconnect();
  });
});

test("a login that is refused says why", async () => {
  const { host, port } = liveServer(liveMajors[0]!);
  const refused = connect({ host, port, user: "nobody_here", database: "postgres", replication: "database" });
  await expect(refused).rejects.toThrow(expect.objectContaining({ constructor: ServerError, sqlstate: "28000" }));
});

test("a server that goes away is an error, never a hang, and saying good-bye to it works", async () => {
  const server = await startServer({ major: liveMajors.at(-1)! });
  const { host, port, user, database } = server;
  const streaming = await connect({ host, port, user, database, replication: "true" });
  const idle = await connect({ host, port, user, database, replication: "database" });
  await startPhysical(streaming);
  const end = (async () => {
    while ((await streaming.receive()) !== undefined) {}
    await streaming.endReplication();
  })();
  await Promise.all([server.stop(), expect(end).rejects.toThrow()]);
  await expect(idle.query("IDENTIFY_SYSTEM")).rejects.toThrow("terminating connection due to administrator command");
  await streaming.disconnect();
  await idle.disconnect();
});

test("good-bye is said and heard though something was left unread", async () => {
  const connection = await open(liveMajors.at(-1)!, "true");
  await startPhysical(connection);
  for (let i = 0; i < 10; i++) {
    await liveServer(liveMajors.at(-1)!).sql("SELECT pg_logical_emit_message(true, '', repeat('unread', 50000))");
  }
  await readUntil(connection, "XLogData");
  // Not by giving up on the server, which takes a timer.
  vi.useFakeTimers({ toFake: ["setTimeout"] });
  onTestFinished(() => void vi.useRealTimers());
  await connection.disconnect();
});

test("a command that opens a stream is no query; the stream can be ended all the same", async () => {
  const connection = await open(liveMajors.at(-1)!, "true");
  const { rows } = await connection.query("IDENTIFY_SYSTEM");
  await expect(connection.query(`START_REPLICATION ${rows[0]?.[2]}`)).rejects.toThrow("use startReplication");
  await connection.endReplication();
  expect((await connection.query("IDENTIFY_SYSTEM")).rows.length).toBe(1);
  await connection.disconnect();
});

test("a command while a stream is open is a StateError", async () => {
  const connection = await open(liveMajors.at(-1)!, "true");
  await startPhysical(connection);
  await expect(connection.query("IDENTIFY_SYSTEM")).rejects.toThrow(StateError);
  await connection.disconnect();
});

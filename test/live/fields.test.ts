/**
 * What each field means, by the server's own catalogs and views: two fields of one type that change places re-encode to the
 * same bytes, and nobody but a server notices.
 */
import { describe, expect, onTestFinished, test } from "vitest";
import { printCommand } from "../../src/command/index.ts";
import { decodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import {
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  type WalSenderMessage,
} from "../../src/generated/physical.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/lsn.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { supports } from "../../src/server-version.ts";
import { formatPgTime, type PgTime, pgTimeToDate, toPgTime } from "../../src/time.ts";
import { captureStream } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

/** Both clocks are this machine's. */
function expectNow(time: PgTime): void {
  expect(Math.abs(pgTimeToDate(time).getTime() - Date.now())).toBeLessThan(60_000);
}

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);
  const one = async (sql: string, database?: string): Promise<readonly (string | null)[]> =>
    (await server.sql(sql, database === undefined ? {} : { database })).rows[0] ?? [];

  /** A physical stream on a temporary slot, from where WAL ends. */
  async function startPhysical(slotname: string): Promise<{ connection: ReplicationConnection; start: Lsn }> {
    const { host, port, user, database } = server;
    const connection = await connect({ host, port, user, database, replication: "true", application_name: slotname });
    onTestFinished(() => connection.disconnect());
    const create = { kind: "PHYSICAL", slotname, plugin: undefined, temporary: true, options: [] } as const;
    await connection.query(
      printCommand({ type: "CreateReplicationSlotCmd", ...create }, { server: server.versionNum }),
    );
    const { rows } = await connection.query("IDENTIFY_SYSTEM");
    const start = parseLsn(rows[0]![2]!);
    const command = { kind: "PHYSICAL", slotname, timeline: 1, startpoint: start, options: [] } as const;
    await connection.startReplication(
      printCommand({ type: "StartReplicationCmd", ...command }, { server: server.versionNum }),
    );
    return { connection, start };
  }

  async function next<T extends WalSenderMessage["type"]>(
    connection: ReplicationConnection,
    type: T,
  ): Promise<Extract<WalSenderMessage, { type: T }>> {
    for (;;) {
      const message = decodeWalSenderMessage((await connection.receive())!);
      if (message.type === type) return message as Extract<WalSenderMessage, { type: T }>;
    }
  }

  test("a status update is what pg_stat_replication shows", async () => {
    const { connection, start } = await startPhysical("fields_status");
    const [write, flush, apply] = [start, toLsn(start - 16n), toLsn(start - 32n)];
    const clientTime = toPgTime(800_000_000_123_456n);
    connection.send(
      encodeWalReceiverMessage({ type: "StandbyStatusUpdate", write, flush, apply, clientTime, replyRequested: false }),
    );
    const shown = () =>
      one("SELECT write_lsn, flush_lsn, replay_lsn FROM pg_stat_replication WHERE application_name = 'fields_status'");
    await expect.poll(shown).toEqual([write, flush, apply].map((lsn) => formatLsn(lsn, server.versionNum)));
    if (major < 12) return;
    const [time] = await one(
      `SELECT to_char(reply_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
       FROM pg_stat_replication WHERE application_name = 'fields_status'`,
    );
    expect(time).toBe(formatPgTime(clientTime));
  });

  test("a hot standby feedback is what the slot holds back", async () => {
    const { connection } = await startPhysical("fields_feedback");
    const [xid] = await one("SELECT txid_current()");
    const [xmin, catalogXmin] = [Number(xid), Number(xid) - 1];
    const epochs = { xminEpoch: 0, catalogXminEpoch: 0 };
    connection.send(
      encodeWalReceiverMessage({ type: "HotStandbyFeedback", clientTime: toPgTime(0n), xmin, catalogXmin, ...epochs }),
    );
    const held = () => one("SELECT xmin, catalog_xmin FROM pg_replication_slots WHERE slot_name = 'fields_feedback'");
    await expect.poll(held).toEqual([String(xmin), String(catalogXmin)]);
  });

  test("XLogData is WAL from where it was asked for, and a Keepalive says how far the server has sent", async () => {
    const { connection, start } = await startPhysical("fields_data");
    await server.sql("SELECT pg_logical_emit_message(true, 'fields', 'needle in the WAL')");
    const data = await next(connection, "XLogData");
    expect(data.dataStart).toBe(start);
    expect(data.walEnd).toBeGreaterThanOrEqual(start + BigInt(data.data.length));
    expectNow(data.sendTime);
    expect(Buffer.from(data.data).includes("needle in the WAL")).toBe(true);

    connection.send(
      encodeWalReceiverMessage({
        type: "StandbyStatusUpdate",
        ...{ write: start, flush: start, apply: start, clientTime: toPgTime(0n), replyRequested: true },
      }),
    );
    const keepalive = await next(connection, "Keepalive");
    const [sent] = await one("SELECT sent_lsn FROM pg_stat_replication WHERE application_name = 'fields_data'");
    expect(keepalive.walEnd).toBeGreaterThanOrEqual(start + BigInt(data.data.length));
    expect(keepalive.walEnd).toBeLessThanOrEqual(parseLsn(sent!));
    expectNow(keepalive.sendTime);
  });

  test("pgoutput's fields are what the catalogs say", async () => {
    const database = "live_fields";
    await server.sql(`CREATE DATABASE ${database}`);
    onTestFinished(async () => void (await server.sql(`DROP DATABASE ${database}`)));
    const sql = (text: string) => server.sql(text, { database });
    await sql(`
      CREATE TYPE mood AS ENUM ('sad');
      CREATE SCHEMA other;
      CREATE TABLE other.a (n numeric(7,3), id int, m mood, v varchar(9), PRIMARY KEY (id, v));
      CREATE TABLE b (id int);
      CREATE PUBLICATION p FOR ALL TABLES`);
    const has = (name: "publishTruncate" | "logicalMessages") => supports(server.versionNum, name);
    const said: string[] = [];
    const capture = await captureStream(server, {
      database,
      options: {
        ...{ proto_version: "1", publication_names: "p" },
        ...(has("logicalMessages") && { messages: "true" }),
      },
      workload: async () => {
        const { rows } = await sql(
          `BEGIN; INSERT INTO other.a VALUES (1.5, 2, 'sad', 'x');
           SELECT txid_current(), pg_current_wal_insert_lsn(); COMMIT`,
        );
        said.push(...rows[0]!.map(String));
        if (has("logicalMessages")) {
          await sql("SELECT pg_logical_emit_message(false, 'alone', 'a')");
          await sql("SELECT pg_logical_emit_message(true, 'within', 'b')");
        }
        if (!has("publishTruncate")) return;
        for (const rest of ["b", "b RESTART IDENTITY", "b CASCADE", "b, other.a"]) await sql(`TRUNCATE ${rest}`);
      },
    });
    const messages = capture.payloads.flatMap((payload): PgoutputMessage[] => {
      const envelope = decodeWalSenderMessage(payload);
      return envelope.type === "XLogData" ? [decodePgoutputMessage(envelope.data)] : [];
    });
    const all = <T extends PgoutputMessage["type"]>(type: T) =>
      messages.filter((message): message is Extract<PgoutputMessage, { type: T }> => message.type === type);

    const [begin, commit] = [all("Begin")[0]!, all("Commit")[0]!];
    expect(String(begin.xid)).toBe(said[0]);
    expect(begin.finalLsn).toBe(commit.commitLsn);
    expect(commit.commitLsn).toBeGreaterThanOrEqual(parseLsn(said[1]!));
    expect(commit.endLsn).toBeGreaterThan(commit.commitLsn);
    expect(commit.endLsn - commit.commitLsn).toBeLessThan(1000n);
    expect(begin.commitTime).toBe(commit.commitTime);
    expectNow(commit.commitTime);

    const [a, b, mood] = await one(
      "SELECT 'other.a'::regclass::oid, 'b'::regclass::oid, 'mood'::regtype::oid",
      database,
    );
    expect(all("Type")[0]).toEqual({ type: "Type", typeId: Number(mood), namespace: "public", name: "mood" });
    const { rows: attributes } = await sql(`
      SELECT attname, atttypid, atttypmod, attname IN ('id', 'v') FROM pg_attribute
      WHERE attrelid = 'other.a'::regclass AND attnum > 0 ORDER BY attnum`);
    expect(all("Relation")[0]).toEqual({
      type: "Relation",
      ...{ relationId: Number(a), namespace: "other", name: "a", replicaIdentity: "default" },
      columns: attributes.map(([name, typeId, typeModifier, key]) => ({
        ...{ name, typeId: Number(typeId), typeModifier: Number(typeModifier), key: key === "t" },
      })),
    });
    expect(all("Insert")[0]?.relationId).toBe(Number(a));

    const texts = all("Message").map(({ transactional, prefix, content }) => [
      transactional,
      prefix,
      Buffer.from(content).toString(),
    ]);
    expect(texts).toEqual(
      has("logicalMessages")
        ? [
            [false, "alone", "a"],
            [true, "within", "b"],
          ]
        : [],
    );
    for (const { lsn } of all("Message")) expect(lsn).toBeGreaterThan(commit.commitLsn);

    const plain = { cascade: false, restartIdentity: false };
    expect(all("Truncate").map(({ options, relationIds }) => [options, [...relationIds].sort()])).toEqual(
      has("publishTruncate")
        ? [
            [plain, [Number(b)]],
            [{ ...plain, restartIdentity: true }, [Number(b)]],
            [{ ...plain, cascade: true }, [Number(b)]],
            [plain, [Number(a), Number(b)].sort()],
          ]
        : [],
    );
  });
});

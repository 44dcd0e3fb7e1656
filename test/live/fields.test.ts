/**
 * What each field means, by the server's own catalogs and views: two fields of one type that change places re-encode to the
 * same bytes, and nobody but a server notices.
 */
import { Client } from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { printCommand } from "../../src/command/index.ts";
import { decodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import {
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  type WalSenderMessage,
} from "../../src/generated/physical.ts";
import { formatLsn, type Lsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { formatPgTime, type PgTime, pgTimeToDate, toPgTime } from "../../src/kernel/time.ts";
import { PgoutputDecoder, type PgoutputStreaming } from "../../src/logical/decoder.ts";
import { PgoutputMessage as family } from "../../src/logical/messages.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import { valueFields } from "../../src/wire/shape.ts";
import { captureStream } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

/** Both clocks are this machine's. */
function expectNow(time: PgTime): void {
  expect(Math.abs(pgTimeToDate(time).getTime() - Date.now())).toBeLessThan(60_000);
}

/** A message of pgoutput that notes which of its fields a test reads, as `Insert.relationId`. */
function noting<M extends PgoutputMessage>(message: M, judged: Set<string>): M {
  return new Proxy(message, {
    get(target, name) {
      const value = target[name as keyof M];
      if (value !== undefined) judged.add(`${target.type}.${String(name)}`);
      return value;
    },
  });
}

describe.each(liveMajors)("PostgreSQL %d", (major) => {
  const judged = new Set<string>();
  const server = liveServer(major);
  const one = async (sql: string, database?: string): Promise<readonly (string | null)[]> =>
    (await server.sql(sql, database === undefined ? {} : { database })).rows[0] ?? [];

  /** The messages of a type, each of which notes what is read of it. */
  function allOf(messages: readonly PgoutputMessage[]) {
    return <T extends PgoutputMessage["type"]>(type: T) =>
      messages
        .filter((message): message is Extract<PgoutputMessage, { type: T }> => message.type === type)
        .map((message) => noting(message, judged));
  }

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
    await expect.poll(shown).toEqual([write, flush, apply].map((lsn) => formatLsn(lsn, { server: server.versionNum })));
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
    // Others write WAL too, and one after the other they make one whole.
    const wal = [data.data];
    let end = start + BigInt(data.data.length);
    while (!Buffer.concat(wal).includes("needle in the WAL")) {
      const more = await next(connection, "XLogData");
      expect(more.dataStart).toBe(end);
      end += BigInt(more.data.length);
      wal.push(more.data);
    }

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
    const all = allOf(messages);

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

  test("bytes behind a status update or a feedback are not looked at, and the short feedback is refused", async () => {
    const { connection, start } = await startPhysical("fields_extra");
    const feedback = { type: "HotStandbyFeedback", clientTime: toPgTime(0n), xmin: 0, xminEpoch: 0 } as const;
    const extra = Uint8Array.of(1, 2, 3, 4, 5);
    connection.send(encodeWalReceiverMessage({ ...feedback, catalogXmin: 0, catalogXminEpoch: 0, extra }));
    connection.send(
      encodeWalReceiverMessage({
        type: "StandbyStatusUpdate",
        ...{ write: start, flush: start, apply: start, clientTime: toPgTime(0n), replyRequested: true, extra },
      }),
    );
    await next(connection, "Keepalive");
    connection.send(encodeWalReceiverMessage(feedback));
    const refused = (async () => {
      while ((await connection.receive()) !== undefined);
    })();
    await expect(refused).rejects.toMatchObject({ sqlstate: "08P01", message: "insufficient data left in message" });
  });

  /** A table t(id, filler) in a database of its own; what a stream says of a workload on it, in a session that stays open. */
  async function streamOf(
    name: string,
    options: Readonly<Record<string, string>>,
    workload: (session: Client, sent: () => Promise<void>) => Promise<unknown>,
  ) {
    const database = `fields_${name}`;
    await server.sql(`CREATE DATABASE ${database}`);
    onTestFinished(async () => void (await server.sql(`DROP DATABASE ${database}`)));
    if (supports(server.versionNum, "streamingOfTransactions")) {
      await server.sql(`ALTER DATABASE ${database} SET logical_decoding_work_mem = '64kB'`);
    }
    await server.sql("CREATE TABLE t (id int, filler text); CREATE PUBLICATION p FOR ALL TABLES", { database });
    const { host, port, user } = server;
    const session = new Client({ host, port, user, database });
    await session.connect();
    try {
      const { payloads } = await captureStream(server, {
        database,
        options: { publication_names: "p", ...options },
        workload: ({ sent }) => workload(session, sent),
      });
      const streaming = (options.streaming ?? "off") as PgoutputStreaming;
      const decoder = new PgoutputDecoder({ protocol: Number(options.proto_version) as 1, streaming });
      const messages = payloads.flatMap((payload): PgoutputMessage[] => {
        const envelope = decodeWalSenderMessage(payload);
        return envelope.type === "XLogData" ? [decoder.decode(envelope.data)] : [];
      });
      return allOf(messages);
    } finally {
      await session.end();
    }
  }

  async function row(session: Client, sql: string): Promise<readonly string[]> {
    return (await session.query({ text: sql, rowMode: "array" })).rows[0] ?? [];
  }

  /** Where WAL ends now. */
  async function position(session: Client): Promise<Lsn> {
    return parseLsn((await row(session, "SELECT pg_current_wal_insert_lsn()"))[0]!);
  }

  test("an origin is what was set up", async () => {
    const all = await streamOf("origin", { proto_version: "1" }, async (session) => {
      await session.query("SELECT pg_replication_origin_create('fields_elsewhere')");
      await session.query("SELECT pg_replication_origin_session_setup('fields_elsewhere')");
      await session.query("BEGIN");
      await session.query("SELECT pg_replication_origin_xact_setup('1/ABCDEF', '2026-01-01')");
      await session.query("INSERT INTO t VALUES (1)");
      await session.query("COMMIT");
      await session.query("SELECT pg_replication_origin_session_reset()");
    });
    await server.sql("SELECT pg_replication_origin_drop('fields_elsewhere')");
    expect(all("Origin")).toEqual([{ type: "Origin", commitLsn: 0x1_00ab_cdefn, name: "fields_elsewhere" }]);
  });

  test("rows are those of the table before and after a change", async () => {
    const seen: (readonly string[])[] = [];
    let table = 0;
    const all = await streamOf("rows", { proto_version: "1" }, async (session) => {
      await session.query("CREATE TABLE k (id int PRIMARY KEY, v text)");
      table = Number((await row(session, "SELECT 'k'::regclass::oid::text"))[0]);
      for (const change of [
        "INSERT INTO k VALUES (1, 'a')",
        "UPDATE k SET v = 'b'",
        "UPDATE k SET id = 2",
        "ALTER TABLE k REPLICA IDENTITY FULL",
        "UPDATE k SET v = 'c'",
      ]) {
        await session.query(change);
        seen.push(await row(session, "SELECT id::text, v FROM k"));
      }
      await session.query("DELETE FROM k");
    });
    const [inserted, updated, moved, , full] = seen;
    expect(all("Insert").map(({ relationId, newTuple }) => [relationId, newTuple.toArray()])).toEqual([
      [table, inserted],
    ]);
    const updates = all("Update").map(({ relationId, oldTuple, newTuple }) => {
      return [relationId, oldTuple?.type, oldTuple?.tuple.toArray(), newTuple.toArray()];
    });
    expect(updates).toEqual([
      [table, undefined, undefined, updated],
      // Of an old key the other columns are NULL.
      [table, "key", [updated![0], null], moved],
      [table, "full", moved, full],
    ]);
    const deletes = all("Delete").map(({ relationId, oldTuple }) => [
      relationId,
      oldTuple.type,
      oldTuple.tuple.toArray(),
    ]);
    expect(deletes).toEqual([[table, "full", full]]);
  });

  const modes = [
    ...(supports(server.versionNum, "streamingOfTransactions") ? ["on"] : []),
    ...(supports(server.versionNum, "parallelStreaming") ? ["parallel"] : []),
  ];
  test.each(modes)("with streaming %s, xids are those of the rows, and LSNs those of WAL", async (streaming) => {
    const said = { xid: 0, aborted: 0, kept: 0, other: 0 };
    const lsns: Lsn[] = [];
    const fill = "INSERT INTO t SELECT $1::int, repeat('x', 200) FROM generate_series(1, 1000)";
    const xmin = async (session: Client, id: number) =>
      Number((await row(session, `SELECT xmin::text FROM t WHERE id = ${id} LIMIT 1`))[0]);
    const all = await streamOf(
      `stream_${streaming}`,
      { proto_version: streaming === "parallel" ? "4" : "2", streaming, messages: "true" },
      async (session, sent) => {
        await session.query("BEGIN");
        said.xid = Number((await row(session, "SELECT txid_current()"))[0]);
        await session.query("SAVEPOINT a");
        await session.query(fill, [1]);
        said.aborted = await xmin(session, 1);
        await session.query("SELECT pg_logical_emit_message(true, 'in', 'a block')");
        await session.query(fill, [1]);
        lsns.push(await position(session));
        await sent(); // of what is rolled back before that, a server may send nothing
        await session.query("ROLLBACK TO a");
        lsns.push(await position(session));
        await session.query("SAVEPOINT b");
        await session.query(fill, [2]);
        said.kept = await xmin(session, 2);
        await session.query("RELEASE b");
        lsns.push(await position(session));
        await session.query("COMMIT");
        lsns.push(await position(session));
        await session.query("BEGIN");
        said.other = Number((await row(session, "SELECT txid_current()"))[0]);
        await session.query(fill, [3]);
        await session.query("ROLLBACK");
      },
    );

    const starts = all("StreamStart").filter(({ xid }) => xid === said.xid);
    expect(starts.map(({ firstSegment }) => firstSegment)).toEqual([true, ...Array(starts.length - 1).fill(false)]);
    expect(all("StreamStop").length).toBe(all("StreamStart").length);
    const idOf = (xid: number) =>
      new Set(
        all("Insert")
          .filter((m) => m.xid === xid)
          .map((m) => m.newTuple.get(0)),
      );
    expect(idOf(said.aborted)).toEqual(new Set(["1"]));
    expect(idOf(said.kept)).toEqual(new Set(["2"]));
    // The server names the whole transaction here, although the message was written in the subtransaction.
    expect(all("Message").map(({ xid, prefix }) => [xid, prefix])).toEqual([[said.xid, "in"]]);

    const parallel = streaming === "parallel";
    const aborts = all("StreamAbort");
    expect(aborts.map(({ xid, subxid }) => [xid, subxid])).toEqual([
      [said.xid, said.aborted],
      ...(aborts.length > 1 ? [[said.other, said.other]] : []),
    ]);
    for (const { abortLsn, abortTime } of aborts) {
      expect([abortLsn !== undefined, abortTime !== undefined]).toEqual([parallel, parallel]);
      if (abortTime !== undefined) expectNow(abortTime);
    }
    if (parallel) {
      expect(aborts[0]!.abortLsn).toBeGreaterThanOrEqual(lsns[0]!);
      expect(aborts[0]!.abortLsn).toBeLessThanOrEqual(lsns[1]!);
    }

    const [commit] = all("StreamCommit");
    expect(commit!.xid).toBe(said.xid);
    expect(commit!.commitLsn).toBeGreaterThanOrEqual(lsns[2]!);
    expect(commit!.endLsn).toBeGreaterThan(commit!.commitLsn);
    expect(commit!.endLsn).toBeLessThanOrEqual(lsns[3]!);
    expectNow(commit!.commitTime);
  });

  test.each(modes)(
    "with streaming %s, every change has the xid of the rows of its subtransaction",
    async (streaming) => {
      const said = { top: 0, sub: 0 };
      const all = await streamOf(
        `xids_${streaming}`,
        { proto_version: streaming === "parallel" ? "4" : "2", streaming },
        async (session) => {
          await session.query("CREATE TYPE mood AS ENUM ('sad')");
          await session.query("CREATE TABLE m (id int PRIMARY KEY, mood mood, filler text)");
          const fill = "INSERT INTO m SELECT i, 'sad', repeat('x', 200) FROM generate_series(1, 1000) i";
          await session.query("BEGIN");
          said.top = Number((await row(session, "SELECT txid_current()"))[0]);
          await session.query("SAVEPOINT a");
          await session.query(fill);
          said.sub = Number((await row(session, "SELECT xmin::text FROM m WHERE id = 3"))[0]);
          await session.query("UPDATE m SET filler = 'y' WHERE id = 1");
          await session.query("DELETE FROM m WHERE id = 2");
          await session.query("TRUNCATE m");
          await session.query(fill);
          await session.query("COMMIT");
        },
      );
      expect(said.sub).toBeGreaterThan(said.top);
      for (const type of ["Type", "Relation", "Update", "Delete", "Truncate"] as const) {
        // A server may announce types and relations several times.
        expect(new Set(all(type).map(({ xid }) => xid)), type).toEqual(new Set([said.sub]));
      }
    },
  );

  test.each(supports(server.versionNum, "twoPhaseOption") ? [{ two_phase: "on" }] : [])(
    "a prepared transaction is what pg_prepared_xacts shows, with %o",
    async (option) => {
      const said = new Map<string, readonly string[]>();
      const lsns: Lsn[] = [];
      const all = await streamOf("two_phase", { proto_version: "3", streaming: "on", ...option }, async (session) => {
        for (const [gid, rows, end] of [
          ["fields_kept", 1, "COMMIT"],
          ["fields_gone", 1, "ROLLBACK"],
          ["fields_large", 1000, "COMMIT"],
        ] as const) {
          await session.query("BEGIN");
          await session.query(`INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, ${rows}) i`);
          lsns.push(await position(session));
          await session.query(`PREPARE TRANSACTION '${gid}'`);
          lsns.push(await position(session));
          const prepared = `SELECT transaction::text, to_char(prepared AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
              FROM pg_prepared_xacts WHERE gid = '${gid}'`;
          said.set(gid, await row(session, prepared));
          await session.query(`${end} PREPARED '${gid}'`);
          lsns.push(await position(session));
        }
      });
      const within = (lsn: Lsn, endLsn: Lsn, from: number): void => {
        expect(lsn).toBeGreaterThanOrEqual(lsns[from]!);
        expect(endLsn).toBeGreaterThan(lsn);
        expect(endLsn).toBeLessThanOrEqual(lsns[from + 1]!);
      };
      const gids = ["fields_kept", "fields_gone", "fields_large"];
      const begins = all("BeginPrepare");
      expect(all("Prepare")).toEqual(begins.map((begin) => ({ ...begin, type: "Prepare" })));
      const prepares = [...begins, ...all("StreamPrepare")];
      expect(prepares.map(({ gid }) => gid)).toEqual(gids);
      prepares.forEach(({ gid, xid, prepareLsn, endLsn, prepareTime }, i) => {
        expect([String(xid), formatPgTime(prepareTime)]).toEqual(said.get(gid));
        within(prepareLsn, endLsn, i * 3);
      });

      const commits = all("CommitPrepared");
      expect(commits.map(({ gid, xid }) => [gid, String(xid)])).toEqual(
        ["fields_kept", "fields_large"].map((gid) => [gid, said.get(gid)![0]]),
      );
      commits.forEach(({ commitLsn, endLsn, commitTime }, i) => {
        within(commitLsn, endLsn, [1, 7][i]!);
        expectNow(commitTime);
      });

      const [rollback, ...others] = all("RollbackPrepared");
      expect(others).toEqual([]);
      const gone = prepares[1]!;
      expect(rollback).toMatchObject({
        ...{ gid: gone.gid, xid: gone.xid, prepareEndLsn: gone.endLsn, prepareTime: gone.prepareTime },
      });
      expect(rollback!.rollbackEndLsn).toBeGreaterThan(lsns[4]!);
      expect(rollback!.rollbackEndLsn).toBeLessThanOrEqual(lsns[5]!);
      expect(rollback!.rollbackTime).toBeGreaterThan(gone.prepareTime);
      expectNow(rollback!.rollbackTime);
    },
  );

  test("every field of a message of pgoutput was judged by one of these tests", () => {
    const has = (name: string) => family.capabilities.supports(server.versionNum, name);
    const occurs: Readonly<Record<string, boolean>> = {
      inStream: has("streamingOfTransactions"),
      parallel: has("parallelStreaming"),
    };
    const missing = family.messages
      .filter(({ since }) => since === undefined || has(since))
      .flatMap(({ name, fields }) =>
        valueFields(fields)
          .filter(([, field]) => field.form !== "when" || occurs[field.condition])
          .map(([field]) => `${name}.${field}`),
      )
      .filter((field) => !judged.has(field));
    expect(missing).toEqual([]);
  });
});

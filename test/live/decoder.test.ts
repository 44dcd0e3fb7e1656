/**
 * A PgoutputDecoder refuses nothing that a server sends: workloads that are random, but for their seed, from several sessions at a
 * time, with everything that makes streams hard: subtransactions that are rolled back, tables altered in them, prepared
 * transactions, truncates, partitions, origins, column lists that change.
 */
import { describe, expect, test } from "vitest";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "../../src/logical/decoder.ts";
import { hex, toHex } from "../hex.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { type Capture, captureStream, checked, type Server } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

const SESSIONS = 4;
const TRANSACTIONS = Math.ceil(12 * times);

/** From 0 up to below `limit`. */
type Random = (limit: number) => number;

/** xorshift32 */
function randomFrom(start: number): Random {
  let state = start | 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

const tables = ["plain", "whole", "tree", "leaf", "typed"];

/** A statement of a transaction; some fail, which rolls the transaction back. */
function statement(random: Random, major: number): string {
  const table = tables[random(tables.length)]!;
  const id = random(1000);
  switch (random(12)) {
    case 0:
    case 1:
      // More than logical_decoding_work_mem.
      return `INSERT INTO ${table} (id, v) SELECT i % 1000, repeat(md5(i::text), 8) FROM generate_series(1, ${200 + random(600)}) i ON CONFLICT DO NOTHING`;
    case 2:
    case 3:
      return `INSERT INTO ${table} (id, v) VALUES (${id}, '${id}') ON CONFLICT DO NOTHING`;
    case 4:
      return `UPDATE ${table} SET v = v || 'u' WHERE id < ${id}`;
    case 5:
      return `UPDATE ${table} SET id = (id + 1) % 1000 WHERE id = ${id}`;
    case 6:
      return `DELETE FROM ${table} WHERE id < ${random(100)}`;
    case 7:
      return `TRUNCATE ${tables[random(2)]}, ${table} ${random(2) ? "CASCADE" : "RESTART IDENTITY"}`;
    case 8:
      return `ALTER TABLE ${table} ADD COLUMN c${random(3)} int DEFAULT 1`;
    case 9:
      return `ALTER TABLE ${table} DROP COLUMN IF EXISTS c${random(3)}`;
    case 10:
      return `SELECT pg_logical_emit_message(${random(2) === 0}, 'p', repeat('m', ${random(300)}))`;
    default: {
      if (random(3) || major < 15) return `SELECT * FROM ${table} FOR UPDATE`;
      return `ALTER PUBLICATION live_decoder SET TABLE plain${random(2) ? " (id, v)" : ""}, whole, typed, tree`;
    }
  }
}

/** A transaction of a session, statement by statement. */
function transaction(random: Random, major: number, gid: string): string[] {
  const all = ["BEGIN", "SET LOCAL lock_timeout = '50ms'"];
  if (random(4) === 0) all.push("SELECT pg_replication_origin_xact_setup('0/AA', now())");
  for (let count = 1 + random(5); count > 0; count--) {
    if (random(3) > 0) {
      all.push(statement(random, major));
      continue;
    }
    all.push("SAVEPOINT s", statement(random, major), statement(random, major));
    all.push(random(2) ? "ROLLBACK TO s" : "RELEASE s");
  }
  if (random(4) === 0) {
    all.push(`PREPARE TRANSACTION '${gid}'`, `${random(2) ? "COMMIT" : "ROLLBACK"} PREPARED '${gid}'`);
  } else {
    all.push(random(3) > 0 ? "COMMIT" : "ROLLBACK");
  }
  return all;
}

/** Errors are part of it. In the end no transaction is open, and none prepared. */
async function workload(server: Server, database: string, start: number): Promise<void> {
  const session = async (number: number) => {
    const random = randomFrom(start * SESSIONS + number + 1);
    const connection = await server.connect({ database });
    try {
      // An origin has one session at a time.
      if (number === 0) await connection.query(`SELECT pg_replication_origin_session_setup('${database}')`);
      for (let i = 0; i < TRANSACTIONS; i++) {
        for (const text of transaction(random, server.major, `live_decoder_${number}`)) await connection.query(text);
        await connection.query("ROLLBACK");
        await connection.query(`ROLLBACK PREPARED 'live_decoder_${number}'`);
      }
      await connection.query("SELECT pg_replication_origin_session_reset()");
    } finally {
      await connection.close();
    }
  };
  await Promise.all(Array.from({ length: SESSIONS }, (_, number) => session(number)));
}

/** The ways to stream that a major has, each as the plugin's options. */
function requests(major: number): Record<string, string>[] {
  const all: [since: number, options: Record<string, string>][] = [
    [10, { proto_version: "1" }],
    [14, { proto_version: "2", streaming: "on", messages: "true", binary: "true" }],
    [15, { proto_version: "3", streaming: "on", two_phase: "on", messages: "true" }],
    [16, { proto_version: "4", streaming: "parallel", two_phase: "on", messages: "true" }],
  ];
  return all.filter(([since]) => major >= since).map(([, options]) => options);
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test.for(requests(major))("sends nothing that is refused: %j", { timeout: 120_000 }, async (asked) => {
    const database = `live_decoder_${asked.proto_version}`;
    const sql = (text: string) => server.sql(text, { database });
    await server.sql(`CREATE DATABASE ${database}`);
    if (major >= 13) await server.sql(`ALTER DATABASE ${database} SET logical_decoding_work_mem = '64kB'`);
    if (asked.streaming === "parallel") {
      // Not when memory is short, but every change in a block of its own.
      await server.sql(`ALTER DATABASE ${database} SET debug_logical_replication_streaming = 'immediate'`);
    }
    await sql("CREATE TABLE plain (id int PRIMARY KEY, v text)");
    await sql("CREATE TABLE whole (id int, v text); ALTER TABLE whole REPLICA IDENTITY FULL");
    await sql("CREATE DOMAIN words AS text; CREATE TABLE typed (id int PRIMARY KEY, v words)");
    await sql("CREATE TABLE leaf (v text, gone int, id int NOT NULL); ALTER TABLE leaf DROP COLUMN gone");
    if (major >= 13) {
      await sql(
        "CREATE TABLE tree (id int NOT NULL, v text) PARTITION BY RANGE (id); ALTER TABLE tree REPLICA IDENTITY FULL",
      );
      await sql(
        "ALTER TABLE leaf REPLICA IDENTITY FULL; ALTER TABLE tree ATTACH PARTITION leaf FOR VALUES FROM (0) TO (2000)",
      );
    } else {
      await sql("CREATE TABLE tree (id int, v text)");
    }
    const viaRoot = major >= 13 ? "WITH (publish_via_partition_root)" : "";
    await sql(`CREATE PUBLICATION live_decoder FOR TABLE plain, whole, typed, tree ${viaRoot}`);
    await server.sql(`SELECT pg_replication_origin_create('${database}')`);
    let working: Promise<void> | undefined;
    const capture = async (attempt: number): Promise<Capture> => {
      try {
        return await captureStream(server, {
          database,
          options: { ...asked, publication_names: "live_decoder" },
          workload: () => {
            working = workload(server, database, seed + attempt);
            return working;
          },
        });
      } catch (error) {
        // If the stream fails, the sessions go on.
        await working?.catch(() => {});
        // The server's own fault: it decodes rows of a table that was truncated, which is rolled back meanwhile (seen on 17 and 18).
        if (attempt === 3 || !/could not map file(?:node|number)/.test((error as Error).message)) throw error;
        return capture(attempt + 1);
      }
    };
    try {
      const { payloads } = await capture(0);
      const decoder = new PgoutputDecoder({
        protocol: Number(asked.proto_version) as 1,
        streaming: (asked.streaming ?? "off") as NonNullable<PgoutputDecoderOptions["streaming"]>,
      });
      const seen = new Set<string>();
      for (const payload of payloads) {
        const envelope = decodeWalSenderMessage(payload);
        if (envelope.type !== "XLogData") continue;
        const message = decoder.decode(envelope.data);
        seen.add(message.type);
        expect(toHex(encodePgoutputMessage(message)), `seed ${seed}`).toBe(toHex(envelope.data));
      }
      expect([...seen]).toContain("Insert");
      if (asked.streaming !== undefined) expect([...seen]).toContain("StreamStart");
    } finally {
      await server.sql(`SELECT pg_replication_origin_drop('${database}')`);
      await server.sql(`DROP DATABASE ${database}`);
    }
  });

  /** What a slot gives by SQL after some statements, as messages. */
  async function decoded(statements: readonly string[], options: string, twoPhase = false): Promise<PgoutputMessage[]> {
    const database = "live_decoder_sql";
    await server.sql(`CREATE DATABASE ${database}`);
    try {
      const connection = await server.connect({ database });
      const run = async (text: string) => checked(await connection.query(text));
      await run("SET logical_decoding_work_mem = '64kB'");
      await run("CREATE TABLE t (id int, v text); INSERT INTO t VALUES (0)");
      await run("CREATE PUBLICATION p FOR TABLE t");
      await run(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput', false, ${twoPhase})`);
      // A rollback flushes nothing, and what is not flushed is not decoded.
      for (const statement of [...statements, "CHECKPOINT"]) await run(statement);
      const answer = await run(
        `SELECT data FROM pg_logical_slot_get_binary_changes('${database}', NULL, NULL, 'publication_names', 'p', ${options})`,
      );
      await run(`SELECT pg_drop_replication_slot('${database}')`);
      await connection.close();
      const decoder = new PgoutputDecoder({ protocol: 2, streaming: "on" });
      // DataRow: the number of columns, a length, and `\\x` with hexadecimal digits.
      return answer
        .filter(({ type }) => type === "D")
        .map(({ body }) => decoder.decode(hex(body.toString("latin1", 8))));
    } finally {
      await server.sql(`DROP DATABASE ${database}`);
    }
  }

  /** From which minor on nothing is sent of a prepared transaction without changes: commit b563fc6bd9. */
  const emptyNotSent: Readonly<Record<number, number>> = { 15: 150019, 16: 160015, 17: 170011, 18: 180006 };

  const typesOf = (messages: readonly PgoutputMessage[]): string[] => messages.map(({ type }) => type);
  const prepare = (statement: string) => ["BEGIN", statement, "PREPARE TRANSACTION 'live_decoder'"];
  const finish = "COMMIT PREPARED 'live_decoder'";

  if (major >= 15)
    test("sends prepared transactions in protocol 1, if the slot was made for them", async () => {
      const messages = await decoded([...prepare("INSERT INTO t VALUES (1)"), finish], "'proto_version', '1'", true);
      expect(typesOf(messages)).toEqual(["BeginPrepare", "Relation", "Insert", "Prepare", "CommitPrepared"]);
    });

  if (major >= 15)
    test("sends only the end of an empty prepared transaction, 18 also a Prepare; newer minors nothing", async () => {
      const options = "'proto_version', '3', 'two_phase', 'on'";
      const messages = await decoded([...prepare("SELECT FROM t FOR UPDATE"), finish], options, true);
      const before = major === 18 ? ["Prepare", "CommitPrepared"] : ["CommitPrepared"];
      expect(typesOf(messages)).toEqual(server.versionNum < (emptyNotSent[major] ?? 0) ? before : []);
    });

  const rolledBack = [
    ...["BEGIN", "SAVEPOINT s", "INSERT INTO t VALUES (1)", "RELEASE s"],
    ...["INSERT INTO t SELECT i, repeat('v', 200) FROM generate_series(1, 1000) i", "ROLLBACK"],
  ];

  if (major >= 14)
    test.each([
      ["'proto_version', '1'", []],
      ["'proto_version', '2', 'streaming', 'on'", ["StreamStart", "StreamStop", "StreamStart", "StreamStop"]],
    ])(
      "sends a transaction that was rolled back before decoding; 18.4 only its aborts, 18.7 nothing: %s",
      async (options, blocks) => {
        const messages = await decoded(rolledBack, options);
        const before18 = blocks.length === 0 ? [] : [...blocks, "StreamAbort", "StreamAbort"];
        // Commits 072ee847ad and caa463e3f8.
        const since18 = server.versionNum < 180007 ? ["StreamAbort"] : [];
        expect(typesOf(messages)).toEqual(major >= 18 ? since18 : before18);
      },
    );
});

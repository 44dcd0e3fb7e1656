/**
 * The same tables and transactions on live servers and in a Publisher: subscribers are sent the same messages. Compared is everything but
 * positions, times, and the numbers of transactions, tables and types, which are compared by what they name.
 */

import { describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import type { PgoutputMessage, RelationColumn } from "../../src/generated/logical.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import type { PgoutputProtocol, PgoutputStreaming } from "../../src/logical/protocol.ts";
import { PgoutputEncoder } from "../../src/publisher/encoder.ts";
import { Publisher, type TransactionOptions } from "../../src/publisher/publisher.ts";
import { streamSteps } from "../../src/publisher/stream.ts";
import type { Table } from "../../src/publisher/tables.ts";
import type { PublisherTransaction } from "../../src/publisher/transaction.ts";
import { TypeMap } from "../../src/values/type-map.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { oneByOne } from "../publisher-streams.ts";
import { captureStream, checked, type RawConnection, type Server } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

interface Options {
  readonly protocol: PgoutputProtocol;
  readonly streaming: PgoutputStreaming;
  readonly binary: boolean;
  readonly messages: boolean;
  readonly twoPhase: boolean;
  readonly origin: "any" | "none";
}

const plain: Options = {
  protocol: 1,
  streaming: "off",
  binary: false,
  messages: false,
  twoPhase: false,
  origin: "any",
};

/** The streams that a server of this version can be asked for. */
function optionsOf(version: number): readonly Options[] {
  const has = (name: Parameters<typeof supports>[1]) => supports(version, name);
  return [
    plain,
    ...(has("pgoutputBinary") ? [{ ...plain, binary: true, messages: true }] : []),
    ...(has("streamingOfTransactions") ? [{ ...plain, protocol: 2, streaming: "on", messages: true } as const] : []),
    ...(has("twoPhaseOption")
      ? [{ ...plain, protocol: 3, twoPhase: true, streaming: "on", messages: true } as const]
      : []),
    ...(has("originOption")
      ? [{ ...plain, protocol: 4, twoPhase: true, streaming: "parallel", origin: "none" } as const]
      : []),
  ];
}

/** The oids of the types, as they are in the server's database: arrays in binary format have that of their elements. */
interface Oids {
  readonly mood: number;
  readonly positive: number;
  readonly moods: number;
}

/** More than the memory of decoding, 64 kB, in a table that is not published. */
const FILLER = "x".repeat(7000);

interface Tables {
  readonly item: Table;
  readonly whole: Table;
  readonly typed: Table;
  readonly inserts: Table;
  readonly narrow: Table;
  readonly filler: Table;
}

const setup = (lists: boolean): readonly string[] => [
  "CREATE TYPE mood AS ENUM ('sad', 'ok')",
  "CREATE DOMAIN positive AS int4 CHECK (value > 0)",
  "CREATE TABLE item (id int4 PRIMARY KEY, name text, price numeric(6,2))",
  "CREATE TABLE whole (a int4, b text)",
  "ALTER TABLE whole REPLICA IDENTITY FULL",
  `CREATE TABLE typed (k1 int8, k2 varchar(20), mood mood, positive positive, moods mood[], bytes bytea, at timestamptz, day date,
     doc jsonb, list int4[], number numeric, flag bool, float float8, id uuid, span interval, range int4range, PRIMARY KEY (k2, k1))`,
  "CREATE TABLE inserts (a int4)",
  "CREATE TABLE narrow (id int4 PRIMARY KEY, a text, b text)",
  "CREATE TABLE filler (value text)",
  "ALTER TABLE filler ALTER value SET STORAGE PLAIN",
  "CREATE PUBLICATION pub FOR TABLE item, whole, typed",
  `CREATE PUBLICATION "Some inserts" FOR TABLE inserts, item WITH (publish = 'insert')`,
  lists
    ? "CREATE PUBLICATION narrow FOR TABLE narrow (id, b) WHERE (id > 10)"
    : "CREATE PUBLICATION narrow FOR TABLE narrow",
];

async function declare(publisher: Publisher, lists: boolean, oids: Oids): Promise<Tables> {
  const tables = {
    item: await publisher.table({
      name: "item",
      columns: [
        { name: "id", type: "int4", key: true },
        { name: "name", type: "text" },
        { name: "price", type: "numeric", typeModifier: ((6 << 16) | 2) + 4 },
      ],
    }),
    whole: await publisher.table({
      name: "whole",
      replicaIdentity: "full",
      columns: [
        { name: "a", type: "int4" },
        { name: "b", type: "text" },
      ],
    }),
    typed: await publisher.table({
      name: "typed",
      columns: [
        { name: "k1", type: "int8", key: true },
        { name: "k2", type: "varchar", key: true, typeModifier: 24 },
        { name: "mood", type: oids.mood },
        { name: "positive", type: oids.positive },
        { name: "moods", type: oids.moods },
        { name: "bytes", type: "bytea" },
        { name: "at", type: "timestamptz" },
        { name: "day", type: "date" },
        { name: "doc", type: "jsonb" },
        { name: "list", type: "_int4" },
        { name: "number", type: "numeric" },
        { name: "flag", type: "bool" },
        { name: "float", type: "float8" },
        { name: "id", type: "uuid" },
        { name: "span", type: "interval" },
        { name: "range", type: "int4range" },
      ],
    }),
    inserts: await publisher.table({ name: "inserts", columns: [{ name: "a", type: "int4" }] }),
    narrow: await publisher.table({
      name: "narrow",
      columns: [
        { name: "id", type: "int4", key: true },
        { name: "a", type: "text" },
        { name: "b", type: "text" },
      ],
    }),
    filler: await publisher.table({ name: "filler", columns: [{ name: "value", type: "text" }] }),
  };
  publisher.publication("pub", { tables: [tables.item, tables.whole, tables.typed] });
  publisher.publication("Some inserts", { tables: [tables.inserts, tables.item], operations: ["insert"] });
  const rowFilter = { columns: ["id"], test: ({ id }: Readonly<Record<string, unknown>>) => (id as number) > 10 };
  publisher.publication("narrow", {
    tables: [lists ? { table: tables.narrow, columns: ["id", "b"], rowFilter } : tables.narrow],
  });
  return tables;
}

/** One step on both: SQL, and what the publisher is told. */
interface Step {
  readonly sql: readonly string[];
  readonly needs?: Parameters<typeof supports>[1];
  /** Only in streams of prepared transactions, or of transactions in progress. */
  readonly only?: "twoPhase" | "streaming";
  readonly publish: (publisher: Publisher, tables: Tables) => Promise<unknown>;
}

function transaction(
  sql: readonly string[],
  write: (t: PublisherTransaction, tables: Tables) => void,
  more: Pick<Step, "needs" | "only"> & { readonly options?: TransactionOptions } = {},
): Step {
  const { options, ...rest } = more;
  return {
    sql: ["BEGIN", ...sql, "COMMIT"],
    publish: (publisher, tables) => publisher.transaction((t) => write(t, tables), options),
    ...rest,
  };
}

const fill = `INSERT INTO filler SELECT repeat('x', 7000) FROM generate_series(1, 12)`;
const filled = (t: PublisherTransaction, { filler }: Tables) => {
  for (let i = 0; i < 12; i++) t.insert(filler, [FILLER]);
};

const typedRow = {
  k1: 9223372036854775807n,
  k2: "key ü",
  mood: "sad",
  positive: 7,
  moods: ["ok", null],
  bytes: Uint8Array.of(0, 255, 92),
  at: 1n,
  day: 1,
  doc: { a: [1, null] },
};

const typedColumns = "k1, k2, mood, positive, moods, bytes, list, number, flag, float, id, range";
const typedSql = `INSERT INTO typed (${typedColumns}) VALUES (9223372036854775807, 'key ü', 'sad', 7, '{ok,NULL}', '\\x00ff5c', '{1,NULL,3}', '-12.50', true,
  'NaN', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '[1,5)')`;

const steps = (origin: string): readonly Step[] => [
  transaction(
    ["INSERT INTO item VALUES (1, 'apple', 0.5), (2, '', NULL)", "INSERT INTO item VALUES (3, NULL, 12)"],
    (t, { item }) => {
      t.insert(item, [1, "apple", "0.50"]);
      t.insert(item, { id: 2, name: "" });
      t.insert(item, { price: "12.00", id: 3 });
    },
  ),
  transaction(
    ["UPDATE item SET price = 1 WHERE id = 1", "UPDATE item SET id = 20 WHERE id = 2", "DELETE FROM item WHERE id = 3"],
    (t, { item }) => {
      t.update(item, [1, "apple", "1.00"]);
      t.update(item, [20, "", null], [2, "", null]);
      t.delete(item, { id: 3 });
    },
  ),
  transaction(
    ["INSERT INTO whole VALUES (1, 'a'), (NULL, NULL)", "UPDATE whole SET b = 'b' WHERE a = 1", "DELETE FROM whole"],
    (t, { whole }) => {
      t.insert(whole, [1, "a"]);
      t.insert(whole, [null, null]);
      t.update(whole, [1, "b"], [1, "a"]);
      t.delete(whole, [null, null]);
      t.delete(whole, [1, "b"]);
    },
  ),
  // Nothing of it is published.
  transaction(["INSERT INTO filler VALUES ('x')"], (t, { filler }) => t.insert(filler, ["x"])),
  transaction(
    ["INSERT INTO inserts VALUES (1)", "INSERT INTO narrow VALUES (1, 'a', 'b'), (11, 'c', 'd'), (12, 'e', NULL)"],
    (t, { inserts, narrow }) => {
      t.insert(inserts, [1]);
      t.insert(narrow, [1, "a", "b"]);
      t.insert(narrow, [11, "c", "d"]);
      t.insert(narrow, [12, "e", null]);
    },
  ),
  transaction(
    [
      "UPDATE narrow SET b = 'x' WHERE id = 1",
      "UPDATE narrow SET b = 'x' WHERE id = 11",
      "UPDATE narrow SET id = 21 WHERE id = 1",
      "UPDATE narrow SET id = 2 WHERE id = 11",
      "UPDATE narrow SET id = 13 WHERE id = 12",
      "DELETE FROM narrow WHERE id = 2",
      "DELETE FROM narrow WHERE id = 13",
    ],
    (t, { narrow }) => {
      t.update(narrow, [1, "a", "x"]);
      t.update(narrow, [11, "c", "x"]);
      t.update(narrow, [21, "a", "x"], { id: 1 });
      t.update(narrow, [2, "c", "x"], { id: 11 });
      t.update(narrow, [13, "e", null], { id: 12 });
      t.delete(narrow, { id: 2 });
      t.delete(narrow, { id: 13 });
    },
  ),
  transaction([typedSql, "UPDATE typed SET mood = 'ok'"], (t, { typed }) => {
    const { at: _, day: __, doc: ___, ...row } = typedRow;
    const whole = {
      ...row,
      list: [1, null, 3],
      number: "-12.50",
      flag: true,
      float: Number.NaN,
      id: "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
      range: { lower: 1, upper: 5, bounds: "[)" },
    };
    t.insert(typed, whole);
    const nulls = Object.fromEntries(typed.columns.map(({ name }) => [name, null]));
    t.update(typed, { ...nulls, ...whole, mood: "ok" });
  }),
  transaction(
    [
      "INSERT INTO item VALUES (4, 'kept', 1)",
      "SAVEPOINT s",
      "INSERT INTO item VALUES (5, 'undone', 1)",
      "ROLLBACK TO s",
      "INSERT INTO item VALUES (5, 'kept', 1)",
      "RELEASE s",
      "DELETE FROM item WHERE id = 4",
    ],
    (t, { item }) => {
      t.insert(item, [4, "kept", "1.00"]);
      const s = t.savepoint();
      t.insert(item, [5, "undone", "1.00"]);
      t.rollbackTo(s);
      t.insert(item, [5, "kept", "1.00"]);
      t.release(s);
      t.delete(item, [4, "kept", "1.00"]);
    },
  ),
  transaction(
    ["TRUNCATE item, inserts", "TRUNCATE whole RESTART IDENTITY CASCADE", "TRUNCATE filler, inserts"],
    (t, { item, inserts, whole, filler }) => {
      t.truncate([item, inserts]);
      t.truncate(whole, { restartIdentity: true, cascade: true });
      t.truncate([filler, inserts]);
    },
  ),
  {
    needs: "logicalMessages",
    sql: ["SELECT pg_logical_emit_message(false, 'alone', 'content')"],
    publish: (publisher) => publisher.message("alone", "content"),
  },
  transaction(
    ["SELECT pg_logical_emit_message(true, 'p', 'in it')", "INSERT INTO whole VALUES (5, 'e')"],
    (t, { whole }) => {
      t.message("p", "in it");
      t.insert(whole, [5, "e"]);
    },
    { needs: "logicalMessages" },
  ),
  transaction(
    [`SELECT pg_replication_origin_xact_setup('0/AABBCC', now())`, "INSERT INTO whole VALUES (6, 'from elsewhere')"],
    (t, { whole }) => t.insert(whole, [6, "from elsewhere"]),
    { options: { origin: { name: origin, commitLsn: toLsn(0xaabbccn) } } },
  ),
  // Streamed: what comes before each filling is sent before what follows it happens.
  transaction(
    [
      "INSERT INTO whole VALUES (7, 'streamed')",
      "SELECT pg_logical_emit_message(true, 'p', 'streamed')",
      fill,
      "SAVEPOINT a",
      "INSERT INTO whole VALUES (8, 'undone')",
      "SAVEPOINT b",
      "INSERT INTO item VALUES (8, 'undone', 1)",
      fill,
      "ROLLBACK TO a",
      "INSERT INTO item VALUES (9, 'kept', 1)",
      "RELEASE a",
      "INSERT INTO whole VALUES (10, 'last')",
      fill,
    ],
    (t, tables) => {
      const { whole, item } = tables;
      t.insert(whole, [7, "streamed"]);
      t.message("p", "streamed");
      filled(t, tables);
      const a = t.savepoint();
      t.insert(whole, [8, "undone"]);
      t.savepoint();
      t.insert(item, [8, "undone", "1.00"]);
      filled(t, tables);
      t.rollbackTo(a);
      t.insert(item, [9, "kept", "1.00"]);
      t.release(a);
      t.insert(whole, [10, "last"]);
      filled(t, tables);
    },
    { only: "streaming", needs: "logicalMessages" },
  ),
  transaction(["INSERT INTO whole VALUES (11, 'after a stream')"], (t, { whole }) =>
    t.insert(whole, [11, "after a stream"]),
  ),
  {
    only: "twoPhase",
    sql: [
      "BEGIN",
      "INSERT INTO whole VALUES (12, 'prepared')",
      "PREPARE TRANSACTION 'GID 1'",
      "BEGIN",
      "INSERT INTO whole VALUES (13, 'between')",
      "COMMIT",
      "COMMIT PREPARED 'GID 1'",
      "BEGIN",
      "INSERT INTO whole VALUES (14, 'no')",
      "PREPARE TRANSACTION 'GID 2'",
      "ROLLBACK PREPARED 'GID 2'",
    ],
    publish: async (publisher, { whole }) => {
      await publisher.prepare("GID 1", (t) => t.insert(whole, [12, "prepared"]));
      await publisher.transaction((t) => t.insert(whole, [13, "between"]));
      await publisher.commitPrepared("GID 1");
      await publisher.prepare("GID 2", (t) => t.insert(whole, [14, "no"]));
      await publisher.rollbackPrepared("GID 2");
    },
  },
  {
    only: "twoPhase",
    sql: [
      "BEGIN",
      "INSERT INTO whole VALUES (15, 'large')",
      fill,
      "PREPARE TRANSACTION 'GID 3'",
      "COMMIT PREPARED 'GID 3'",
    ],
    publish: async (publisher, tables) => {
      await publisher.prepare("GID 3", (t) => {
        t.insert(tables.whole, [15, "large"]);
        filled(t, tables);
      });
      await publisher.commitPrepared("GID 3");
    },
  },
];

/** The steps that this server can do, for a stream with these options. */
function stepsFor(version: number, options: Options, origin: string): readonly Step[] {
  return steps(origin).filter(({ needs, only }) => {
    if (needs !== undefined && !supports(version, needs)) return false;
    if (only === "twoPhase") return options.twoPhase;
    return only !== "streaming" || options.streaming !== "off";
  });
}

const names = '"pub","Some inserts",narrow';

async function fromServer(
  server: Server,
  options: Options,
  lists: boolean,
): Promise<{ readonly messages: readonly PgoutputMessage[]; readonly oids: Oids }> {
  const database = `publisher_${process.pid}_${Math.random().toString(36).slice(2, 8)}`;
  const origin = `${database} origin`;
  await server.sql(`CREATE DATABASE ${database}`);
  let connection: RawConnection | undefined;
  onTestFinished(async () => {
    await connection?.close();
    const { rows } = await server.sql(`SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
    for (const [gid] of rows) await server.sql(`ROLLBACK PREPARED '${gid}'`, { database });
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    await expect
      .poll(() => server.sql(`SELECT pg_replication_origin_drop('${origin}')`).then(() => true, String), {
        timeout: 60_000,
      })
      .toBe(true);
    await expect
      .poll(() => server.sql(`DROP DATABASE ${database}`).then(() => true, String), { timeout: 60_000 })
      .toBe(true);
  });
  if (options.streaming !== "off")
    await server.sql(`ALTER DATABASE ${database} SET logical_decoding_work_mem = '64kB'`);
  for (const sql of setup(lists)) await server.sql(sql, { database });
  await server.sql(`SELECT pg_replication_origin_create('${origin}')`, { database });
  connection = await server.connect({ database });
  const on = connection;
  const capture = await captureStream(server, {
    database,
    twoPhase: options.twoPhase,
    options: {
      proto_version: String(options.protocol),
      publication_names: names,
      ...(options.binary && { binary: "on" }),
      ...(options.messages && { messages: "on" }),
      ...(options.streaming !== "off" && { streaming: options.streaming }),
      ...(options.twoPhase && { two_phase: "on" }),
      ...(options.origin === "none" && { origin: "none" }),
    },
    workload: async ({ sent }) => {
      for (const { sql, only } of stepsFor(server.versionNum, options, origin)) {
        const withOrigin = sql.some((each) => each.includes("xact_setup"));
        if (withOrigin) checked(await on.query(`SELECT pg_replication_origin_session_setup('${origin}')`));
        for (const each of sql) {
          checked(await on.query(each));
          if (only === "streaming") await sent();
        }
        if (withOrigin) checked(await on.query("SELECT pg_replication_origin_session_reset()"));
      }
    },
  });
  const payloads = capture.payloads.filter((each) => each[0] === 0x77).map((each) => each.subarray(25));
  const { rows } = await server.sql("SELECT 'mood'::regtype::oid, 'positive'::regtype::oid, '_mood'::regtype::oid", {
    database,
  });
  const [mood, positive, moods] = rows[0]!.map(Number) as [number, number, number];
  return { messages: normal(payloads, options, origin, server.versionNum), oids: { mood, positive, moods } };
}

async function fromPublisher(
  version: number,
  options: Options,
  lists: boolean,
  oids: Oids,
): Promise<readonly PgoutputMessage[]> {
  const typeMap = new TypeMap({ server: version }).add(
    { kind: "enum", oid: oids.mood, name: "mood", namespace: "public" },
    { kind: "domain", oid: oids.positive, name: "positive", namespace: "public", base: 23 },
    { kind: "array", oid: oids.moods, name: "_mood", namespace: "public", element: oids.mood },
  );
  const workMemory = options.streaming === "off" ? undefined : 65_536;
  const publisher = await Publisher.open({ typeMap, workMemory, streamRolledBack: true });
  const tables = await declare(publisher, lists, oids);
  const { slot } = await publisher.createSlot("s", { twoPhase: options.twoPhase });
  for (const { publish } of stepsFor(version, options, "origin")) await publish(publisher, tables);
  const publicationNames = ["pub", "Some inserts", "narrow"];
  const encoder = new PgoutputEncoder(publisher, { ...options, publicationNames, server: version, workMemory });
  const payloads: Uint8Array[] = [];
  const { restartLsn, confirmedFlush, twoPhaseAt } = slot;
  const signal = new AbortController().signal;
  for await (const step of oneByOne(
    streamSteps(publisher, encoder, {
      restartLsn,
      startpoint: confirmedFlush,
      twoPhaseAt,
      signal,
    }),
  )) {
    if (step.type === "send") payloads.push(...step.messages.map(({ data }) => data));
    else if (step.caughtUp) break;
  }
  await publisher.close();
  return normal(payloads, options, "origin");
}

/** The messages, decoded with the checks of a subscriber, without what differs from run to run. */
function normal(
  payloads: readonly Uint8Array[],
  options: Options,
  origin: string,
  version = 0,
): readonly PgoutputMessage[] {
  const decoder = new PgoutputDecoder({ protocol: options.protocol, streaming: options.streaming });
  const numbers = new Map<string, number>();
  const number = (kind: string, value: unknown) => {
    const key = `${kind} ${value}`;
    if (!numbers.has(key)) numbers.set(key, numbers.size);
    return numbers.get(key);
  };
  const seen: { readonly type?: unknown }[] = [];
  // What the subscriber has been told of tables, within the streamed transaction, and outside. A server tells it again after whatever
  // may have changed a table, such as TRUNCATE, and a rollback.
  const told = new Map<number | undefined, Map<string, string>>([[undefined, new Map()]]);
  let stream: number | undefined;
  const isToldAgain = (message: PgoutputMessage): boolean => {
    if (message.type === "StreamStart") {
      stream = message.xid;
      if (message.firstSegment) told.set(stream, new Map());
    } else if (message.type === "StreamStop") stream = undefined;
    else if (message.type === "StreamCommit" || message.type === "StreamPrepare") {
      for (const [key, text] of told.get(message.xid)!) told.get(undefined)!.set(key, text);
    } else if (message.type === "Relation" || message.type === "Type") {
      const key = message.type === "Type" ? `type ${message.typeId}` : `relation ${message.relationId}`;
      const text = JSON.stringify({ ...message, xid: 0 });
      if (told.get(stream)!.get(key) === text) return true;
      told.get(stream)!.set(key, text);
    }
    return false;
  };
  const clean = (value: unknown, key: string): unknown => {
    if (value instanceof TupleData) return value.toArray();
    if (value instanceof Uint8Array) return Buffer.from(value).toString("latin1");
    if (Array.isArray(value)) return value.map((each) => clean(each, key));
    if (typeof value === "bigint") return value === 0n ? 0 : key.endsWith("Time") ? "time" : "lsn";
    if (key === "xid" || key === "subxid") return value === undefined ? undefined : number("xid", value);
    if (key === "relationId" || key === "relationIds") return number("relation", value);
    if (key === "typeId") return (value as number) >= 16384 ? number("type", value) : value;
    if (key === "name" && value === origin) return "origin";
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(
        Object.entries(value as RelationColumn).map(([name, each]) => [name, clean(each, name)]),
      );
    }
    return value;
  };
  for (const payload of payloads) {
    let message: PgoutputMessage;
    try {
      message = decoder.decode(payload);
    } catch (error) {
      // StreamAbort: 18 before 18.7 sends it for what was never streamed.
      if (payload[0] === 0x41 && version >= 180000) continue;
      throw error;
    }
    if (isToldAgain(message)) continue;
    const last = seen.at(-1);
    const cleaned = clean(message, "") as { readonly type?: unknown };
    // Where segments end depends on how a server counts memory.
    if (message.type === "StreamStart" && last?.type === "StreamStop" && !message.firstSegment) seen.pop();
    else seen.push(cleaned);
  }
  return seen as never;
}

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const lists = supports(server.versionNum, "twoPhaseOption");
  test.for(optionsOf(server.versionNum).map((options) => [JSON.stringify(options), options] as const))(
    "sends the messages of a publisher: %s",
    { timeout: 120_000 },
    async ([, options]) => {
      const { messages, oids } = await fromServer(server, options, lists);
      expect(messages.length).toBeGreaterThan(30);
      expect(await fromPublisher(server.versionNum, options, lists, oids)).toEqual(messages);
    },
  );
});

/** `connect`, `startReplication`, `subscribe` and its copy against servers that lie, flood, or never end: each with its error. */
import { describe, expect, onTestFinished, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { connect } from "../../src/node/client.ts";
import { type SubscribeOptions, type SubscriptionEvent, subscribe } from "../../src/node/subscribe/index.ts";
import { Feedback } from "../../src/session/feedback.ts";
import type { BackendMessage } from "../../src/session/messages.ts";
import {
  columns,
  complete,
  copyBoth,
  copyDone,
  data,
  error,
  expectNothingUncaught,
  hostileServer,
  login,
  notice,
  ready,
  row,
  type Script,
  say,
  status,
} from "./hostile-server.ts";

expectNothingUncaught();

type Said = BackendMessage | Uint8Array;

/** Milliseconds for one server, and bytes that the process may take for it. */
const TIME = 8000;
const MEMORY = 256 * 1024 * 1024;

/** The error that this ends with, within the limits. */
async function endOf(run: () => Promise<unknown>): Promise<unknown> {
  const before = process.memoryUsage().rss;
  const began = Date.now();
  const ended = await run().then(
    (value) => ({ value }),
    (thrown: unknown) => thrown,
  );
  expect(Date.now() - began).toBeLessThan(TIME);
  expect(process.memoryUsage().rss - before).toBeLessThan(MEMORY);
  return ended;
}

/** Say something again and again, as long as the client reads and the connection is open. */
function flood(client: Parameters<Script>[0], bytes: Uint8Array): void {
  const { socket } = client;
  const more = (): void => {
    while (!socket.destroyed && socket.write(bytes));
  };
  socket.on("drain", more);
  more();
}

const authenticated = login[0]!;
const raw = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes);

describe("connect", () => {
  test.each<[string, Script, object]>([
    ["a length of 0", (client) => client.write(raw(0x52, 0, 0, 0, 0)), { name: "DecodeError", code: "BAD_LENGTH" }],
    ["a length of 3", (client) => client.write(raw(0x52, 0, 0, 0, 3)), { name: "DecodeError", code: "BAD_LENGTH" }],
    [
      "a length of 4 GB",
      (client) => client.write(raw(0x52, 255, 255, 255, 255)),
      { name: "DecodeError", code: "BAD_LENGTH" },
    ],
    [
      "1 GB announced, and nothing behind it",
      (client) => client.write(raw(0x53, 0x3f, 255, 255, 0, 65)),
      { name: "DecodeError", code: "BAD_LENGTH" },
    ],
    [
      "notices without end",
      (client) => flood(client, say(...Array.from({ length: 500 }, () => notice("x".repeat(100))))),
      { code: expect.stringMatching(/^(?:TIMEOUT|LIMIT_EXCEEDED)$/) },
    ],
    [
      "notices without end after the login",
      (client, { type }) => {
        if (type !== "startup") return;
        client.write(authenticated);
        flood(client, say(...Array.from({ length: 500 }, () => notice("x".repeat(100)))));
      },
      { code: expect.stringMatching(/^(?:TIMEOUT|LIMIT_EXCEEDED)$/) },
    ],
    [
      "SASL that never ends",
      (client, { type }) => {
        const step = type === "startup" ? "SASL" : "SASLContinue";
        client.write({
          ...{ type: "Authentication", method: step, mechanisms: step === "SASL" ? ["SCRAM-SHA-256"] : [] },
          data: new TextEncoder().encode(step === "SASL" ? "" : "r=x,s=c2FsdA==,i=4096"),
        } as BackendMessage);
      },
      { name: "ConnectionError", code: "AUTHENTICATION" },
    ],
    [
      "bytes that come slowly, and never to an end",
      (client) => {
        const timer = setInterval(() => client.socket.write(raw(0x53)), 20);
        client.socket.write(raw(0x53, 0, 1, 0, 0));
        client.socket.on("close", () => clearInterval(timer));
      },
      { name: "ConnectionError", code: "TIMEOUT" },
    ],
    [
      "parameters that have no end",
      (client) => client.write(authenticated, raw(0x53, 0, 0, 0, 6, 65, 66)),
      { name: "DecodeError", code: "TRUNCATED" },
    ],
    [
      "an error of a million fields",
      (client) => {
        const body = new Uint8Array(3_000_001).fill(0x44);
        for (let i = 2; i < body.length; i += 3) body[i] = 0;
        body[body.length - 1] = 0;
        client.write(concat(raw(0x45, 0, 0x2d, 0xc6, 0xc5), body));
      },
      { name: "DecodeError", code: "BAD_LENGTH" },
    ],
    [
      "a type byte that no message has",
      (client) => client.write(raw(0x01, 0, 0, 0, 4)),
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
    [
      "a CommandComplete",
      (client) => client.write(complete("SELECT 1")),
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
    ["data", (client) => client.write(data("x")), { name: "ProtocolError", code: "OUT_OF_ORDER" }],
    [
      "a key before the authentication",
      (client) => client.write(login[2]!, ready),
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
  ])("%s", async (_, script, expected) => {
    const { sockets: __, ...address } = await hostileServer(script);
    expect(await endOf(() => connect({ ...address, connectionTimeoutMillis: 400 }))).toMatchObject(expected);
  });
});

const XLogData = (message: PgoutputMessage | Uint8Array, dataStart = 0n): BackendMessage => ({
  type: "CopyData",
  data: encodeWalSenderMessage({
    type: "XLogData",
    dataStart: toLsn(dataStart),
    walEnd: toLsn(dataStart),
    sendTime: toPgTime(0n),
    data: message instanceof Uint8Array ? message : encodePgoutputMessage(message),
  }),
});

const keepalive = (walEnd: bigint, replyRequested = false): BackendMessage => ({
  type: "CopyData",
  data: encodeWalSenderMessage({ type: "Keepalive", walEnd: toLsn(walEnd), sendTime: toPgTime(0n), replyRequested }),
});

describe("a stream", () => {
  test.each<[string, (client: Parameters<Script>[0]) => void, object]>([
    ["a second CopyBothResponse", (client) => client.write(copyBoth, copyBoth), { name: "ProtocolError" }],
    ["rows", (client) => client.write(copyBoth, row("1")), { name: "ProtocolError" }],
    ["ReadyForQuery", (client) => client.write(copyBoth, ready), { name: "ProtocolError" }],
    [
      "the data of a COPY OUT",
      (client) => client.write({ type: "CopyOutResponse", format: "text", columnFormats: [] }),
      { name: "StateError" },
    ],
    [
      "data after the end",
      (client) => client.write(copyBoth, copyDone, data("x")),
      { name: "ConnectionError", code: "TIMEOUT" },
    ],
    ["two ends", (client) => client.write(copyBoth, copyDone, copyDone), { name: "ProtocolError" }],
    [
      "1 GB announced",
      (client) => client.write(copyBoth, raw(0x64, 0x3f, 255, 255, 0, 0x77)),
      { name: "ConnectionError", code: "TIMEOUT" },
    ],
    [
      "more than 1 GB announced",
      (client) => client.write(copyBoth, raw(0x64, 0x7f, 255, 255, 255, 0x77)),
      { name: "DecodeError", code: "BAD_LENGTH" },
    ],
    [
      "an encoding that cannot be read",
      (client) => client.write(copyBoth, status("client_encoding", "SJIS"), data("x")),
      { name: "ProtocolError" },
    ],
    [
      "an error and more",
      (client) => client.write(copyBoth, error("XX000", "bad"), data("x")),
      { name: "ServerError" },
    ],
  ])("%s", async (_, script, expected) => {
    const { sockets: __, ...address } = await hostileServer((client, message) => {
      if (message.type === "startup") client.write(...login);
      if (message.type === "Query") script(client);
    });
    const connection = await connect(address);
    onTestFinished(() => connection.disconnect());
    const ended = endOf(async () => {
      const feedback = new Feedback({ timeout: 400_000n });
      await connection.startReplication("START_REPLICATION 0/0", { feedback });
      while ((await connection.receive()) !== undefined);
      await connection.endReplication();
    });
    expect(await ended).toMatchObject(expected);
  });
});

/** The answer to a query that has these columns. */
const answer = (names: readonly string[], ...rows: readonly (readonly (string | null)[])[]): BackendMessage[] => [
  columns(...names),
  ...rows.map((values) => row(...values)),
  complete(`SELECT ${rows.length}`),
  ready,
];

const slot = { slot_type: "logical", plugin: "pgoutput", database: "d", temporary: false, active_pid: null };
const state = {
  slot: { ...slot, confirmed_flush_lsn: "0/100" },
  database: "d",
  wal_sender_timeout: "60000",
  missing: null,
};

/** What a server says to a subscription, by the beginning of the query, where it is not what a good server says. */
type Answers = Readonly<Record<string, readonly Said[] | ((client: Parameters<Script>[0]) => void)>>;

const goodAnswers: Answers = {
  IDENTIFY_SYSTEM: answer(["systemid", "timeline", "xlogpos", "dbname"], ["1", "1", "0/1000", "d"]),
  "SELECT pg_catalog.set_config('search_path', '', false);\n": answer(["a"], [JSON.stringify(state)]),
  CREATE_REPLICATION_SLOT: answer(
    ["slot_name", "consistent_point", "snapshot_name", "output_plugin"],
    ["s", "0/100", "snapshot", "pgoutput"],
  ),
  START_REPLICATION: [copyBoth],
  // The copy.
  "SELECT p.pubname": answer(["pubname"], ["p"]),
  "SELECT t.relid": answer(["relid", "attrs", "qual"], ["100", null, null]),
  "SELECT c.oid, a.relid": answer(["oid", "relid"]),
  "SELECT c.oid, n.nspname": answer(
    [..."abcdefghijklm"],
    ["100", "public", "t", "d", "r", "8192", "1", "id", "23", "-1", "t", "f", "t"],
  ),
  SAVEPOINT: answer(["a"], ["f"]),
  COPY: [
    { type: "CopyOutResponse", format: "text", columnFormats: ["text"] },
    data("1\n"),
    copyDone,
    complete("COPY 1"),
    ready,
  ],
  ROLLBACK: [complete("ROLLBACK"), ready],
  BEGIN: [complete("SET"), ready],
};

/** Subscribe to such a server, and confirm everything. @returns the error or the events */
async function subscribeTo(answers: Answers, options: Partial<SubscribeOptions> = {}): Promise<unknown> {
  const all: Answers = { ...goodAnswers, ...answers };
  const {
    sockets: _,
    replication: __,
    ...connection
  } = await hostileServer((client, message) => {
    if (message.type === "startup") client.write(...login);
    if (message.type === "Terminate") client.end();
    if (message.type !== "Query") return;
    const begins = Object.keys(all).find((begin) => message.query.startsWith(begin));
    const said = begins === undefined ? answer(["a"]) : all[begins]!;
    if (typeof said === "function") said(client);
    else client.write(...said);
  });
  const subscription = subscribe({
    ...{ connection, slotname: "s", publications: ["p"], reconnect: false, timeout: 600, stopTimeout: 0 },
    ...options,
  });
  onTestFinished(() => subscription.stop());
  const events: SubscriptionEvent[] = [];
  return endOf(async () => {
    for await (const event of subscription) {
      if ("changes" in event) for await (const change of event.changes) if (change.type === "Insert") void change.row;
      events.push(event);
      subscription.confirm(event);
    }
    return events;
  });
}

const question = (value: unknown): Answers => ({
  "SELECT pg_catalog.set_config('search_path', '', false);\n": answer(["a"], [JSON.stringify(value)]),
});
const stream = (...said: readonly Said[]): Answers => ({ START_REPLICATION: [copyBoth, ...said] });

const begin = (finalLsn: bigint): BackendMessage =>
  XLogData({ type: "Begin", finalLsn: finalLsn as Lsn, commitTime: toPgTime(0n), xid: 7 }, finalLsn);
const commit = (commitLsn: bigint, endLsn: bigint): BackendMessage =>
  XLogData(
    {
      type: "Commit",
      flags: 0,
      commitLsn: commitLsn as Lsn,
      endLsn: endLsn as Lsn,
      commitTime: toPgTime(0n),
    } as PgoutputMessage,
    endLsn,
  );
/** Insert into the relation 100 of one column. */
const insert = XLogData(raw(0x49, 0, 0, 0, 100, 0x4e, 0, 1, 0x74, 0, 0, 0, 1, 0x31), 0x200n);
const relation = XLogData(
  concat(
    raw(0x52, 0, 0, 0, 100),
    new TextEncoder().encode("public\0t\0d"),
    raw(0, 1, 1, 0x69, 0, 0, 0, 0, 23, 255, 255, 255, 255),
  ),
);

describe("subscribe", () => {
  test("the server of these tests is a good one, but for what they change", async () => {
    // It falls silent at the end.
    expect(await subscribeTo(stream(begin(0x200n), relation, insert, commit(0x200n, 0x240n)))).toMatchObject({
      name: "ConnectionError",
      code: "TIMEOUT",
    });
    expect(
      await subscribeTo({ COPY: [...(goodAnswers.COPY as Said[])] }, { copy: true, temporary: true }),
    ).toMatchObject({
      name: expect.stringMatching(/ConnectionError|SlotError/),
    });
  });

  test.each<[string, Answers, object]>([
    ["no row for a question", { IDENTIFY_SYSTEM: [complete("IDENTIFY_SYSTEM"), ready] }, { name: "DecodeError" }],
    [
      "a system identifier that is none",
      { IDENTIFY_SYSTEM: answer(["systemid", "timeline", "xlogpos", "dbname"], ["x", "1", "0/1000", "d"]) },
      { name: "DecodeError" },
    ],
    [
      "no row for the slot",
      { "SELECT pg_catalog.set_config('search_path', '', false);\n": answer(["a"]) },
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "NULL for the slot",
      { "SELECT pg_catalog.set_config('search_path', '', false);\n": answer(["a"], [null]) },
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "a slot that is not JSON",
      { "SELECT pg_catalog.set_config('search_path', '', false);\n": answer(["a"], ["{"]) },
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    ["a slot that is a number", question({ ...state, slot: 5 }), { name: "DecodeError", code: "BAD_VALUE" }],
    ["null instead of an object", question(null), { name: "DecodeError", code: "BAD_VALUE" }],
    [
      "a time that is none",
      question({ ...state, wal_sender_timeout: "soon" }),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "publications that are not a list",
      question({ ...state, missing: "p" }),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "a position that is none",
      question({ ...state, slot: { ...slot, confirmed_flush_lsn: "x" } }),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "a slot in use for ever",
      { START_REPLICATION: [error("55006", "slot is active"), ready] },
      { name: "SlotError", code: "SLOT_IN_USE" },
    ],
    [
      "no stream",
      { START_REPLICATION: [complete("START_REPLICATION"), ready] },
      { name: expect.stringMatching(/Error$/) },
    ],
    ["silence instead of a stream", { START_REPLICATION: [] }, { name: "ConnectionError", code: "TIMEOUT" }],
    ["a message that pgoutput does not have", stream(XLogData(raw(0x7a))), { name: "DecodeError", code: "BAD_TAG" }],
    ["an empty message", stream(XLogData(raw())), { name: "DecodeError" }],
    ["a change of an unknown relation", stream(begin(0x200n), insert), { name: "ProtocolError" }],
    ["a change outside of a transaction", stream(relation, insert), { name: "ProtocolError" }],
    ["a commit without a begin", stream(commit(0x200n, 0x240n)), { name: "ProtocolError" }],
    ["two begins", stream(begin(0x200n), begin(0x300n)), { name: "ProtocolError" }],
    [
      "a commit at another position than its begin",
      stream(begin(0x200n), commit(0x300n, 0x340n)),
      { name: "ProtocolError" },
    ],
    [
      "positions that go back",
      stream(begin(0x800n), relation, insert, commit(0x800n, 0x840n), begin(0x400n), insert, commit(0x400n, 0x440n)),
      { name: "ProtocolError" },
    ],
    [
      "50,000 keepalives that ask for a reply",
      {
        START_REPLICATION: (client) => {
          client.write(copyBoth);
          const many = say(...Array.from({ length: 5000 }, () => keepalive(0x200n, true)));
          for (let i = 0; i < 10; i++) client.socket.write(many);
          client.end(copyDone);
        },
      },
      { name: "ConnectionError" },
    ],
    [
      "a transaction that never ends",
      {
        START_REPLICATION: (client) => {
          client.write(copyBoth, begin(0x200n), relation);
          const many = say(...Array.from({ length: 1000 }, () => insert));
          for (let i = 0; i < 100; i++) client.socket.write(many);
        },
      },
      { name: "ConnectionError", code: "TIMEOUT" },
    ],
    [
      "relations without end",
      {
        START_REPLICATION: (client) => {
          client.write(copyBoth);
          const bytes = say(relation);
          for (let i = 0; i < 20_000; i++) client.socket.write(bytes);
          client.end(copyDone);
        },
      },
      { name: "ProtocolError", code: "OUT_OF_ORDER" },
    ],
    ["an error in the stream", stream(error("XX000", "broken")), { name: "ServerError", sqlstate: "XX000" }],
    ["its shutdown", stream(error("57P01", "bye", "FATAL")), { name: "ConnectionError", code: "CONNECTION_LOST" }],
  ])("%s", async (_, answers, expected) => {
    const ended = await subscribeTo(answers, { slotTimeout: 100, memoryLimit: 1024 * 1024 });
    expect(ended).toMatchObject(expected);
  });
});

const copyStart: BackendMessage = { type: "CopyOutResponse", format: "text", columnFormats: ["text"] };
const listed = (...values: (string | null)[]): Answers => ({
  "SELECT c.oid, n.nspname": answer([..."abcdefghijklm"].slice(0, values.length), values),
});

describe("the initial copy", () => {
  const created = question({ ...state, slot: null });

  test.each<[string, Answers, object]>([
    [
      "a row with too many columns",
      { COPY: [copyStart, data("1\t2\n"), copyDone, complete("COPY 1"), ready] },
      { name: "DecodeError" },
    ],
    [
      "a row that is not complete",
      { COPY: [copyStart, data("1"), copyDone, complete("COPY 1"), ready] },
      { name: "DecodeError" },
    ],
    [
      "a value that is not of its type",
      { COPY: [copyStart, data("x\n"), copyDone, complete("COPY 1"), ready] },
      { name: "DecodeError" },
    ],
    [
      "bytes that are not text",
      { COPY: [copyStart, { type: "CopyData", data: raw(255, 10) }, copyDone, complete("COPY 1"), ready] },
      { name: "DecodeError" },
    ],
    ["rows of a query", { COPY: answer(["id"], ["1"]) }, { name: expect.stringMatching(/^(?:State|Protocol)Error$/) }],
    ["a stream", { COPY: [copyBoth] }, { name: expect.stringMatching(/^(?:State|Protocol)Error$/) }],
    ["two ends", { COPY: [copyStart, copyDone, complete("COPY 0"), ready, ready] }, { name: "ProtocolError" }],
    ["data after the end", { COPY: [copyStart, copyDone, data("1\n")] }, { name: "ProtocolError" }],
    [
      "an error in the middle",
      { COPY: [copyStart, data("1\n"), error("22012", "division by zero"), ready] },
      { name: "ServerError", sqlstate: "22012" },
    ],
    [
      "the end in the middle",
      { COPY: (client) => client.end(copyStart, data("1\n")) },
      { name: "ConnectionError", code: "CONNECTION_LOST" },
    ],
    ...["22023", "42704"].map((sqlstate): [string, Answers, object] => [
      `a snapshot that is gone: ${sqlstate}`,
      { BEGIN: [error(sqlstate, "no such snapshot"), ready] },
      { name: "ConnectionError", code: "CONNECTION_LOST" },
    ]),
    [
      "a slot without a snapshot",
      {
        CREATE_REPLICATION_SLOT: answer(
          ["slot_name", "consistent_point", "snapshot_name", "output_plugin"],
          ["s", "0/100", null, "pgoutput"],
        ),
        BEGIN: [error("22023", "invalid snapshot identifier"), ready],
      },
      { name: expect.stringMatching(/^(?:Server|Decode)Error$/) },
    ],
    [
      "an oid that is none",
      listed("x", "public", "t", "d", "r", "8192", "1", "id", "23", "-1", "t", "f", "t"),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    [
      "an identity that is none",
      listed("100", "public", "t", "z", "r", "8192", "1", "id", "23", "-1", "t", "f", "t"),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
    ["too few columns of the catalogs", listed("100", "public"), { name: "DecodeError", code: "BAD_VALUE" }],
    [
      "a flag that is none",
      listed("100", "public", "t", "d", "r", "8192", "1", "id", "23", "-1", "yes", "f", "t"),
      { name: "DecodeError", code: "BAD_VALUE" },
    ],
  ])("%s", async (_, answers, expected) => {
    const ended = await subscribeTo({ ...created, ...answers }, { copy: { workers: 1 }, temporary: true });
    expect(ended).toMatchObject(expected);
  });
});

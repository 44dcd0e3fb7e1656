/** `listen` of walwire/server with walwire's own client: every command, streams in both directions, and how they end. */
import { randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createConnection } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { inspect } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { parseCommand } from "../../src/command/parse.ts";
import { decodeWalSenderMessage, type WalSenderMessage, type XLogData } from "../../src/generated/physical.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { connect, type ReplicationConnection } from "../../src/node/client.ts";
import {
  type ListenOptions,
  listen,
  ServerError,
  scramSecret,
  type WalsenderHandlers,
  type WalsenderServer,
  type WalsenderStream,
} from "../../src/node/server/index.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { expectNothingUncaught } from "./hostile-server.ts";
import { empty, frame, messagesOf, ourServer, query, startup, talk } from "./server-talk.ts";

expectNothingUncaught();

async function start(options: ListenOptions = {}): Promise<WalsenderServer> {
  const server = await listen(options);
  onTestFinished(() => server.close({ immediate: true }));
  return server;
}

async function clientOf(server: WalsenderServer, options: object = {}) {
  const { host, port } = server.address;
  const client = await connect({ host, port, user: "u", database: "d", replication: "database", ...options });
  onTestFinished(() => client.disconnect());
  return client;
}

const lsn = (position: bigint): Lsn => toLsn(position);
const xlogData = (dataStart: bigint, data: Uint8Array, walEnd = dataStart): XLogData => ({
  type: "XLogData",
  dataStart: lsn(dataStart),
  walEnd: lsn(walEnd),
  sendTime: toPgTime(0n),
  data,
});

/** The next message; undefined at the end. */
async function receive(client: ReplicationConnection): Promise<WalSenderMessage | undefined> {
  const payload = await client.receive();
  return payload === undefined ? undefined : decodeWalSenderMessage(payload);
}

/** Resolves when the stream has lost its purpose. */
const end = (stream: WalsenderStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.signal.aborted) resolve();
    stream.signal.addEventListener("abort", () => resolve());
  });

const pgoutput = { proto_version: "1", publication_names: "p" };

describe("commands", () => {
  test.each(["10", "12", "13", "15", "18"])("a server %s answers those of the client", async (version) => {
    const dropped: string[] = [];
    const server = await start({
      server: version,
      handlers: {
        identifySystem: ({ session }) => {
          expect(session).toMatchObject({ user: "u", database: "d", replication: "database", transaction: "I" });
          return { systemid: 5n, timeline: 3, xlogpos: lsn(0x1000028n) };
        },
        timelineHistory: ({ timeline }) => (timeline === 2 ? Uint8Array.of(0x31, 0xff) : undefined),
        createSlot: ({ slotname, kind }, options) => {
          expect(options.type).toBe("CreateReplicationSlotOptions");
          return kind === "LOGICAL"
            ? { slot_name: slotname, consistent_point: lsn(16n), snapshot_name: undefined, output_plugin: "pgoutput" }
            : { slot_name: slotname, consistent_point: lsn(0n), snapshot_name: undefined, output_plugin: undefined };
        },
        dropSlot: ({ slotname }) => void dropped.push(slotname),
        show: (name) => (name === "a.b" ? { name: "a.b", value: "c" } : undefined),
      },
    });
    const client = await clientOf(server);
    expect(server.connections.map(({ user }) => user)).toEqual(["u"]);
    expect(await client.identifySystem()).toEqual({ systemid: 5n, timeline: 3, xlogpos: 0x1000028n, dbname: "d" });
    expect(await client.timelineHistory(2)).toMatchObject({ filename: "00000002.history" });
    await expect(client.timelineHistory(9)).rejects.toMatchObject({ sqlstate: "58P01" });
    const created = await client.query("CREATE_REPLICATION_SLOT a LOGICAL pgoutput NOEXPORT_SNAPSHOT");
    expect(created.rows).toEqual([["a", "0/10", null, "pgoutput"]]);
    await client.dropSlot("a");
    expect(dropped).toEqual(["a"]);
    expect((await client.query("SHOW a.b")).rows).toEqual([["c"]]);
    expect((await client.query("SHOW ALL")).rows.length).toBeGreaterThan(20);
    await expect(client.query("SHOW nope")).rejects.toMatchObject({ sqlstate: "42704" });
  });

  test("an error of a handler is the answer, another one is told to the application only", async () => {
    const told: unknown[] = [];
    const [error, secret] = [
      new ServerError({ severity: "ERROR", sqlstate: "55006", message: "in use", detail: "d", hint: "h" }),
      new Error("secret"),
    ];
    const server = await start({
      handlers: {
        dropSlot: ({ slotname }) => {
          throw slotname === "a" ? error : secret;
        },
        // A row that cannot be written.
        createSlot: () => ({ slot_name: 1 }) as never,
      },
      onError: (each) => told.push(each),
    });
    const client = await clientOf(server);
    await expect(client.query("DROP_REPLICATION_SLOT a")).rejects.toMatchObject({
      ...{ sqlstate: "55006", message: "in use", detail: "d", hint: "h" },
    });
    await expect(client.query("DROP_REPLICATION_SLOT b")).rejects.toMatchObject({
      ...{ sqlstate: "XX000", message: "internal error" },
    });
    await expect(client.query("CREATE_REPLICATION_SLOT b PHYSICAL")).rejects.toMatchObject({
      ...{ sqlstate: "XX000", message: "internal error" },
    });
    expect(told).toEqual([secret, expect.objectContaining({ code: "OUT_OF_RANGE" })]);
  });

  const fields = { sqlstate: "55006", message: "busy" };
  test.each([
    ["no severity or SQLSTATE", () => new ServerError({ message: "busy" } as never), "sqlstate"],
    ["no message", () => new ServerError({ sqlstate: "55006" } as never), "message"],
    ["nothing", () => new ServerError(undefined as never), "sqlstate"],
    ["a short SQLSTATE", () => new ServerError({ ...fields, sqlstate: "5500" }), "sqlstate"],
    ["a SQLSTATE in small letters", () => new ServerError({ ...fields, sqlstate: "xx000" }), "sqlstate"],
    ["another severity", () => new ServerError({ ...fields, severity: "FEHLER" }), "severity"],
    ["NUL in the message", () => new ServerError({ ...fields, message: "a\0b" }), "message"],
    ["a number as its detail", () => new ServerError({ ...fields, detail: 1 as never }), "detail"],
    ["null as its hint", () => new ServerError({ ...fields, hint: null as never }), "hint"],
    ["a position of 0", () => new ServerError({ ...fields, position: 0 }), "position"],
  ])("an error with %s is an internal error, and the session goes on", async (_, make, field) => {
    const told: unknown[] = [];
    const server = await start({
      handlers: {
        dropSlot: () => {
          throw make();
        },
      },
      onError: (each) => told.push(each),
    });
    const client = await clientOf(server);
    await expect(client.query("DROP_REPLICATION_SLOT a")).rejects.toMatchObject({
      ...{ severity: "ERROR", sqlstate: "XX000", message: "internal error" },
    });
    expect(told).toEqual([expect.objectContaining({ code: "BAD_ARGUMENT", path: `fields.${field}` })]);
    expect(await client.identifySystem()).toMatchObject({ timeline: 1 });
  });

  test("an error is an ERROR unless it says more, and a PANIC ends the session", async () => {
    const server = await start({
      handlers: {
        dropSlot: ({ slotname }) => {
          throw new ServerError(slotname === "a" ? fields : { ...fields, severity: "PANIC" });
        },
      },
    });
    const client = await clientOf(server);
    await expect(client.query("DROP_REPLICATION_SLOT a")).rejects.toMatchObject({ ...fields, severity: "ERROR" });
    await expect(client.query("DROP_REPLICATION_SLOT b")).rejects.toMatchObject({ ...fields, severity: "PANIC" });
    await expect.poll(() => server.connections.length).toBe(0);
  });

  test("a ParseError of a handler is the answer", async () => {
    const server = await start({
      handlers: {
        dropSlot: () => {
          parseCommand("IDENTIFY_SYSTEM x");
        },
      },
    });
    const client = await clientOf(server);
    await expect(client.query("DROP_REPLICATION_SLOT a")).rejects.toMatchObject({
      ...{ severity: "ERROR", sqlstate: "42601", message: "syntax error" },
    });
  });

  test("details of rows that do not fit are told to the application only", async () => {
    const told: unknown[] = [];
    const server = await start({
      handlers: { query: () => ({ type: "rows", columns: [{ name: "x" }], rows: [["1", "2"]] }) },
      onError: (each) => told.push(each),
    });
    const client = await clientOf(server);
    await expect(client.query("SELECT x")).rejects.toMatchObject({ sqlstate: "XX000", message: "internal error" });
    expect(told).toEqual([expect.objectContaining({ path: "answer.rows[0]" })]);
  });

  test("no version before 10 is played", async () => {
    await expect(listen({ server: "9.6" })).rejects.toMatchObject({
      ...{ name: "UnsupportedError", message: "options.server: expected 10 or later, got 9.6.24" },
    });
    await start({ server: "10.0" });
    await start({ server: "19" });
  });

  test("SQL is the application's, with rows, copies and commands", async () => {
    const server = await start({
      handlers: {
        query: (sql) =>
          sql.startsWith("COPY")
            ? { type: "copyOut", columns: 2, data: [Buffer.from("1\ta\n"), Buffer.from("2\tb\n")] }
            : [
                { type: "rows", columns: [{ name: "x", typeId: 23, typeSize: 4 }], rows: [["1"], [null]] },
                { type: "command", tag: "VACUUM" },
              ],
      },
    });
    const client = await clientOf(server);
    expect((await client.query("SELECT x")).rows).toEqual([["1"], [null]]);
    const pieces: string[] = [];
    for await (const data of client.copyOut("COPY t TO STDOUT")) pieces.push(Buffer.from(data).toString());
    expect(pieces.join("")).toBe("1\ta\n2\tb\n");
  });
});

describe("a physical stream", () => {
  test("sends data at the receiver's speed, and ends with the next timeline", async () => {
    const block = new Uint8Array(128 * 1024).fill(7);
    const blocks = 200;
    let sent = 0;
    const server = await start({
      handlers: {
        startPhysical: async ({ startpoint, timeline }, stream) => {
          expect(timeline).toBe(1);
          for (let i = 0; i < blocks; i++) {
            await stream.send(xlogData(startpoint + BigInt(i * block.length), block));
            sent++;
          }
          return { next_tli: 2, next_tli_startpos: lsn(0x3000000n) };
        },
      },
    });
    const client = await clientOf(server, { replication: "true" });
    const feedback = new Feedback();
    await client.startReplication("START_REPLICATION 0/1000000 TIMELINE 1", { feedback });
    // Nothing is read: what is sent is what buffers hold.
    await expect.poll(() => sent).toBeGreaterThan(0);
    let received = 0;
    for (let message = await receive(client); message !== undefined; message = await receive(client)) {
      if (message.type === "XLogData") received += message.data.length;
    }
    expect(received).toBe(blocks * block.length);
    expect((await client.endReplication()).rows).toEqual([["2", "0/3000000"]]);
    expect(await client.identifySystem()).toMatchObject({ timeline: 1 });
  });

  test("has sent what it was given once send resolves: the bytes may be written to again", async () => {
    const lengths = Array.from({ length: 300 }, (_, i) => [1, 100, 4071, 4095, 4096, 20_000, 300_000][i % 7]!);
    const memory = new Uint8Array(300_000);
    const server = await start({
      handlers: {
        startPhysical: async (_, stream) => {
          for (const [i, length] of lengths.entries()) {
            await stream.send(xlogData(BigInt(i), memory.subarray(0, length).fill(i)));
          }
          memory.fill(255);
          return { next_tli: 2, next_tli_startpos: lsn(0x3000000n) };
        },
      },
    });
    const client = await clientOf(server, { replication: "true" });
    await client.startReplication("START_REPLICATION 0/1000000 TIMELINE 1", { feedback: new Feedback() });
    const received: number[] = [];
    for (let message = await receive(client); message !== undefined; message = await receive(client)) {
      if (message.type !== "XLogData") continue;
      const { data } = message;
      expect(data.every((byte) => byte === received.length % 256)).toBe(true);
      received.push(data.length);
    }
    expect(received).toEqual(lengths);
  });

  test("has no CopyBothResponse where there is nothing to stream", async () => {
    const { path } = await ourServer({
      handlers: { startPhysical: () => ({ next_tli: 2, next_tli_startpos: lsn(16n) }) },
    });
    const messages = messagesOf(
      await talk(path, [startup({ user: "u", replication: "true" }), query("START_REPLICATION 0/10 TIMELINE 1")]),
    );
    expect(messages.map(([type]) => type).join("")).toMatch(/ZTDCCZ$/);
  });

  test("an error before it opens is the answer, one after it comes in the stream", async () => {
    const { path } = await ourServer({
      handlers: {
        startPhysical: ({ startpoint }, stream) => {
          if (startpoint > 0n) stream.open();
          throw new ServerError({ severity: "ERROR", sqlstate: "58P01", message: "gone" });
        },
      },
    });
    const steps = [query("START_REPLICATION 0/0"), query("START_REPLICATION 0/1")];
    const messages = messagesOf(await talk(path, [startup({ user: "u", replication: "true" }), ...steps]));
    expect(messages.map(([type]) => type).join("")).toMatch(/ZEZWEZ$/);
  });
});

describe("a logical stream", () => {
  test("checks the options by the slot's plugin, tells feedback, and ends when the client wants", async () => {
    const confirmed: bigint[] = [];
    const reasons: unknown[] = [];
    const server = await start({
      handlers: {
        plugin: (slotname) => ({ a: "pgoutput", b: "test_decoding" })[slotname],
        startLogical: async ({ slotname }, options, stream) => {
          expect(options?.type).toBe(slotname === "a" ? "PGOutputOptions" : undefined);
          stream.onFeedback = (message) => {
            if (message.type === "StandbyStatusUpdate") confirmed.push(message.flush);
          };
          await stream.send(xlogData(0x20n, Uint8Array.of(1)));
          stream.caughtUp(lsn(0x20n));
          await end(stream);
          reasons.push(stream.signal.reason);
          await stream.send(xlogData(0x30n, Uint8Array.of(1)));
        },
      },
    });
    let client = await clientOf(server);
    const run = (slot: string, options: object) =>
      client.startReplication(
        `START_REPLICATION SLOT ${slot} LOGICAL 0/0 (${Object.entries(options)
          .map(([name, value]) => `"${name}" '${value}'`)
          .join(", ")})`,
        { feedback },
      );
    const feedback = new Feedback();
    await expect(run("c", pgoutput)).rejects.toMatchObject({ sqlstate: "42704" });
    await expect(run("a", { ...pgoutput, proto_version: "9" })).rejects.toMatchObject({ sqlstate: "0A000" });
    await run("a", pgoutput);
    expect(await receive(client)).toMatchObject({ type: "XLogData", dataStart: 0x20n });
    feedback.flushed(lsn(0x20n));
    await expect.poll(() => confirmed).toContain(0x20n);
    await client.endReplication();
    expect(reasons).toEqual([expect.objectContaining({ code: "DISCONNECTED" })]);
    // PostgreSQL sends nothing in a second logical stream of a connection, so the client does not ask.
    client = await clientOf(server);
    await run("b", { "include-xids": "0" });
    expect(await receive(client)).toMatchObject({ type: "XLogData" });
    await client.endReplication();
  });

  test("replies to a receiver that asks, and closes the connection of a silent one", async () => {
    const told: unknown[] = [];
    const { path } = await ourServer({
      limits: { walSenderTimeout: 400 },
      onError: (error) => told.push(error),
      handlers: {
        startPhysical: async (_, stream) => {
          stream.caughtUp(lsn(0x10n));
          await end(stream);
        },
      },
    });
    const asks = frame("d", Buffer.concat([Buffer.from("r"), Buffer.alloc(32), Buffer.of(1)]));
    const login = [startup({ user: "u", replication: "true" }), query("START_REPLICATION 0/10"), asks];
    // Our side stays open: only the time limit ends it.
    const bytes = await talk(path, login, false);
    const keepalives = bytes.toString("latin1").split("d\0\0\0\x16k").slice(1);
    expect(keepalives.map((each) => each.charCodeAt(16))).toEqual([0, 1]);
    expect(told).toEqual([expect.objectContaining({ code: "TIMEOUT" })]);
  });

  test("is cancelled by the key of its connection, and by no other", async () => {
    const { path, server } = await ourServer({
      handlers: {
        startPhysical: async (_, stream) => {
          stream.open();
          await end(stream);
        },
      },
    });
    const socket = createConnection(path);
    onTestFinished(() => void socket.destroy());
    const chunks: Buffer[] = [];
    const all = (): Buffer => Buffer.concat(chunks);
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.write(Buffer.concat([startup({ user: "u", replication: "true" }), query("START_REPLICATION 0/10")]));
    await expect.poll(() => all().includes(Buffer.from("W\0\0\0\x07\0\0\0"))).toBe(true);
    const key = all()
      .subarray(all().indexOf(Buffer.from("K\0\0\0\x0c")) + 5)
      .subarray(0, 8);
    const cancel = (bytes: Uint8Array) =>
      Buffer.concat([Buffer.from("00000010 04d2162e".replace(" ", ""), "hex"), bytes]);
    const wrong = Buffer.from(key);
    wrong[7]! ^= 1;
    await talk(path, [cancel(wrong)]);
    expect(server.connections.length).toBe(1);
    expect(messagesOf(all()).at(-1)).toMatch(/^W/);
    await talk(path, [cancel(key)]);
    await expect
      .poll(() => messagesOf(all()).slice(-2))
      .toEqual(["E ERROR ERROR 57014 canceling statement due to user request", 'Z "I"']);
  });
});

describe("close", () => {
  const streaming: WalsenderHandlers = {
    startLogical: async (_, __, stream) => {
      await stream.send(xlogData(0x20n, Uint8Array.of(1)));
      stream.caughtUp(lsn(0x20n));
      await new Promise<void>((resolve) => {
        stream.stopping.addEventListener("abort", () => resolve());
        stream.signal.addEventListener("abort", () => resolve());
      });
      if (stream.signal.aborted) return;
      await stream.send(xlogData(0x30n, Uint8Array.of(2)));
      stream.caughtUp(lsn(0x30n));
      await end(stream);
    },
  };

  test("sends everything first, waits until it is flushed, and says COPY 0", async () => {
    const server = await start({ handlers: streaming });
    const client = await clientOf(server);
    const feedback = new Feedback({ automatic: false });
    await client.startReplication("START_REPLICATION SLOT a LOGICAL 0/0 (proto_version '1', publication_names 'p')", {
      feedback,
    });
    expect(await receive(client)).toMatchObject({ dataStart: 0x20n });
    let isClosed = false;
    const closing = server.close().then(() => {
      isClosed = true;
    });
    let message = await receive(client);
    while (message?.type !== "XLogData") message = await receive(client);
    expect(message).toMatchObject({ dataStart: 0x30n });
    expect(isClosed).toBe(false);
    feedback.flushed(lsn(0x30n));
    await expect(
      (async () => {
        while ((await receive(client)) !== undefined);
        await client.endReplication();
      })(),
    ).rejects.toMatchObject({ code: "SERVER_SHUTDOWN" });
    await closing;
  });

  test("ends idle sessions with an error, and takes no others", async () => {
    const { path, server } = await ourServer({});
    const talked = talk(path, [startup({ user: "u", replication: "true" })], false);
    await expect.poll(() => server.connections.length).toBe(1);
    await server.close();
    expect(messagesOf(await talked).at(-1)).toBe(
      "E FATAL FATAL 57P01 terminating connection due to administrator command",
    );
  });

  const never = new Promise<never>(() => {});
  const shutDown = "E FATAL FATAL 57P01 terminating connection due to administrator command";

  /** A client that reads only when it is told to. */
  async function silent(server: WalsenderServer, bytes: Uint8Array, replication = "true") {
    const { host, port } = server.address;
    const socket = createConnection({ host: host!, port: port! });
    onTestFinished(() => void socket.destroy());
    socket.on("error", () => {});
    socket.pause();
    socket.write(Buffer.concat([startup({ user: "u", database: "d", replication }), bytes]));
    await expect.poll(() => server.connections.length, { timeout: 60_000 }).toBe(1);
    return socket;
  }

  const columns = [{ name: "x" }];
  const row = ["x".repeat(100_000)];
  const piece = new Uint8Array(100_000);
  let written = 0;
  function* endless<T>(each: T): Generator<T> {
    for (;;) {
      written++;
      yield each;
    }
  }
  const full: readonly (readonly [string, string, string, WalsenderHandlers])[] = [
    ["rows", "false", "SELECT x", { query: () => ({ type: "rows", columns, rows: endless(row) }) }],
    ["a copy", "false", "COPY t TO STDOUT", { query: () => ({ type: "copyOut", columns: 1, data: endless(piece) }) }],
    [
      "a base backup",
      "true",
      "BASE_BACKUP",
      {
        baseBackup: async (_, __, out) => {
          const none = { spcoid: undefined, spclocation: undefined, size: undefined };
          await out.begin({ recptr: lsn(16n), tli: 1 }, [none]);
          await out.openCopy();
          for (const each of endless(piece)) await out.send(each);
        },
      },
    ],
  ];
  test.each(full)("ends a session that does not read %s", { timeout: 60_000 }, async (_, mode, text, handlers) => {
    written = 0;
    const server = await start({ handlers });
    await silent(server, query(text), mode);
    let before = -1;
    const isStuck = (): boolean => {
      const is = written === before && written > 0;
      before = written;
      return is;
    };
    await expect.poll(isStuck, { interval: 300, timeout: 60_000 }).toBe(true);
    await server.close();
  });

  test("ends a session that does not read the answers of many commands", { timeout: 60_000 }, async () => {
    let count = 0;
    const server = await start({
      handlers: {
        show: (name) => {
          count++;
          return { name, value: "x".repeat(100_000) };
        },
      },
    });
    await silent(server, Buffer.concat(Array.from({ length: 1000 }, () => query("SHOW a.b"))));
    let before = -1;
    const isStuck = (): boolean => {
      const is = count === before && count > 0;
      before = count;
      return is;
    };
    await expect.poll(isStuck, { interval: 300, timeout: 60_000 }).toBe(true);
    expect(count).toBeLessThan(1000);
    await server.close();
  });

  test("ends a stream that its client has ended and its handler has not", { timeout: 60_000 }, async () => {
    const told: unknown[] = [];
    let aborted = false;
    const server = await start({
      onError: (error) => told.push(error),
      handlers: {
        startPhysical: (_, stream) => {
          stream.open();
          stream.signal.addEventListener("abort", () => {
            aborted = true;
          });
          return never;
        },
      },
    });
    const { host, port } = server.address;
    const socket = createConnection({ host: host!, port: port! });
    onTestFinished(() => void socket.destroy());
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    const replication = startup({ user: "u", replication: "true" });
    socket.write(Buffer.concat([replication, query("START_REPLICATION 0/10"), empty("c")]));
    await expect.poll(() => aborted, { timeout: 60_000 }).toBe(true);
    await server.close();
    expect(messagesOf(Buffer.concat(chunks)).at(-1)).toBe(shutDown);
    expect(told).toEqual([expect.objectContaining({ code: "TIMEOUT" })]);
  });

  const stuck: readonly (readonly [string, string, Uint8Array, (called: () => Promise<never>) => WalsenderHandlers])[] =
    [
      [
        "creates a slot",
        "true",
        query("CREATE_REPLICATION_SLOT a PHYSICAL"),
        (called) => ({ createSlot: () => called() }),
      ],
      [
        "waits for rows",
        "false",
        query("SELECT x"),
        (called) => ({
          query: () => ({
            type: "rows",
            columns,
            rows: { [Symbol.asyncIterator]: () => ({ next: () => called() }) },
          }),
        }),
      ],
      ["opens no stream", "true", query("START_REPLICATION 0/10"), (called) => ({ startPhysical: () => called() })],
    ];
  test.each(stuck)("does not wait for a handler that %s for ever", { timeout: 60_000 }, async (_, mode, text, make) => {
    const told: unknown[] = [];
    let isCalled = false;
    const handlers = make(() => {
      isCalled = true;
      return never;
    });
    const { path, server } = await ourServer({ handlers, onError: (error) => told.push(error) });
    const talked = talk(path, [startup({ user: "u", database: "d", replication: mode }), text], false);
    await expect.poll(() => isCalled, { timeout: 60_000 }).toBe(true);
    await server.close();
    expect(messagesOf(await talked).at(-1)).toBe(shutDown);
    expect(told).toEqual([expect.objectContaining({ name: "ConnectionError", code: "TIMEOUT" })]);
  });

  test("ends a stream whose receiver does not read by the time limit", { timeout: 60_000 }, async () => {
    const told: unknown[] = [];
    const reasons: unknown[] = [];
    let isOpen = false;
    const server = await start({
      limits: { walSenderTimeout: 2000 },
      onError: (error) => told.push(error),
      handlers: {
        startPhysical: async (_, stream) => {
          try {
            for (let at = 0n; ; at += 100_000n) {
              const sent = stream.send(xlogData(at, piece));
              isOpen = true;
              await sent;
            }
          } catch (error) {
            reasons.push(error);
            throw error;
          }
        },
      },
    });
    await silent(server, query("START_REPLICATION 0/0"));
    await expect.poll(() => isOpen, { timeout: 60_000 }).toBe(true);
    await server.close();
    expect(told).toEqual([expect.objectContaining({ code: "TIMEOUT" })]);
    expect(reasons.length).toBe(1);
  });

  test("ends a session whose manifest does not come", async () => {
    let isDone = false;
    const { path, server } = await ourServer({
      handlers: {
        uploadManifest: () => {
          isDone = true;
        },
      },
    });
    const steps = [startup({ user: "u", replication: "true" }), query("UPLOAD_MANIFEST")];
    const talked = talk(path, steps, false);
    await expect.poll(() => isDone, { timeout: 60_000 }).toBe(true);
    await server.close();
    expect(messagesOf(await talked).at(-1)).toBe(shutDown);
  });

  test("ends a login that waits for users", async () => {
    let isAsked = false;
    const { path, server } = await ourServer({
      users: () => {
        isAsked = true;
        return never;
      },
    });
    const talked = talk(path, [startup({ user: "u", replication: "true" })], false);
    await expect.poll(() => isAsked, { timeout: 60_000 }).toBe(true);
    await server.close();
    expect((await talked).length).toBe(0);
  });

  test("at once, without a word, and without waiting for handlers", async () => {
    const { path, server } = await ourServer({ handlers: { startPhysical: () => new Promise<void>(() => {}) } });
    const talked = talk(path, [startup({ user: "u", replication: "true" }), query("START_REPLICATION 0/10")], false);
    await expect.poll(() => server.connections.length).toBe(1);
    await server.close({ immediate: true });
    expect(messagesOf(await talked).at(-1)).toMatch(/^Z/);
  });
});

describe("base backups", () => {
  test.each(["14", "15"])("a server %s sends what the handler says", async (version) => {
    const server = await start({
      server: version,
      handlers: {
        baseBackup: async (_, options, out) => {
          expect(options.type).toBe("BaseBackupOptions");
          await out.begin({ recptr: lsn(16n), tli: 1 }, [
            { spcoid: undefined, spclocation: undefined, size: undefined },
          ]);
          await out.openCopy();
          await out.send(version === "14" ? new Uint8Array(1024) : Buffer.from("nbase.tar\0\0"));
          await out.closeCopy();
          await out.end({ recptr: lsn(32n), tli: 1 });
        },
      },
    });
    const { path } = await ourServer({ server: version, handlers: {} });
    expect(path).not.toBe("");
    const { host, port } = server.address;
    const socket = createConnection({ host: host!, port: port! });
    onTestFinished(() => void socket.destroy());
    const chunks: Buffer[] = [];
    socket.on("data", (chunk) => chunks.push(chunk));
    socket.write(Buffer.concat([startup({ user: "u", replication: "true" }), query("BASE_BACKUP"), empty("X")]));
    await new Promise((resolve) => socket.on("close", resolve));
    const types = messagesOf(Buffer.concat(chunks)).map(([type]) => type);
    expect(types.join("")).toMatch(/ZTDCTDCHcTDCCZ$/);
  });

  test("a handler that leaves something out is an internal error", async () => {
    const told: unknown[] = [];
    const { path } = await ourServer({ handlers: { baseBackup: () => {} }, onError: (error) => told.push(error) });
    const bytes = await talk(path, [startup({ user: "u", replication: "true" }), query("BASE_BACKUP")]);
    expect(messagesOf(bytes).at(-2)).toMatch(/^E ERROR ERROR XX000/);
    expect(told).toEqual([expect.objectContaining({ code: "NOT_NOW" })]);
  });

  test("a manifest comes in pieces, whether the handler reads it or not", async () => {
    const pieces: string[] = [];
    let reads = true;
    const { path } = await ourServer({
      handlers: {
        uploadManifest: async (given) => {
          if (reads) for await (const piece of given) pieces.push(Buffer.from(piece).toString());
          reads = false;
        },
      },
    });
    const upload = [query("UPLOAD_MANIFEST"), frame("d", Buffer.from("a")), frame("d", Buffer.from("b")), empty("c")];
    const bytes = await talk(path, [startup({ user: "u", replication: "true" }), ...upload, ...upload]);
    expect(
      messagesOf(bytes)
        .map(([type]) => type)
        .join(""),
    ).toMatch(/ZGCZGCZ$/);
    expect(pieces).toEqual(["a", "b"]);
  });
});

describe("the login", () => {
  const salt = Uint8Array.from({ length: 16 }, (_, i) => i);
  const users = { u: scramSecret("pässword", { salt }) };

  test("asks for the password, and answers an unknown user as a wrong password", async () => {
    const server = await start({ users });
    const client = await clientOf(server, { password: "pässword" });
    expect(await client.identifySystem()).toMatchObject({ timeline: 1 });
    for (const [user, password] of [
      ["u", "wrong"],
      ["nobody", "pässword"],
    ]) {
      await expect(clientOf(server, { user, password })).rejects.toMatchObject({
        ...{ sqlstate: "28P01", message: `password authentication failed for user "${user}"` },
      });
    }
  });

  test("goes through TLS, and nothing else where other machines can come", async () => {
    const key = readFileSync(new URL("tls/server.key", import.meta.url));
    const cert = readFileSync(new URL("tls/server.crt", import.meta.url));
    const server = await start({ host: "0.0.0.0", users, tls: { key, cert } });
    const { port } = server.address;
    const options = { host: "127.0.0.1", port, password: "pässword", ssl: { rejectUnauthorized: false } };
    const client = await clientOf(server, options);
    expect(await client.identifySystem()).toMatchObject({ timeline: 1 });
    const direct = await clientOf(server, { ...options, sslnegotiation: "direct" });
    expect(await direct.identifySystem()).toMatchObject({ timeline: 1 });
    await expect(clientOf(server, { ...options, ssl: false })).rejects.toMatchObject({ sqlstate: "28000" });
  });

  test("is not open to other machines without passwords and TLS", async () => {
    await expect(listen({ host: "0.0.0.0" })).rejects.toMatchObject({ code: "BAD_ARGUMENT", path: "options.host" });
    await expect(listen({ host: "0.0.0.0", users })).rejects.toMatchObject({ path: "options.host" });
    await start({ host: "0.0.0.0", insecure: true });
  });

  test("takes no password where a secret is wanted", async () => {
    await expect(listen({ users: { u: "md5a3556571e93b0d20722ba62be61e8c2d" } })).rejects.toThrow(/scramSecret/);
  });

  test("ends by the time limit when users does not settle, and its place is free again", {
    timeout: 60_000,
  }, async () => {
    let isFirst = true;
    const { path } = await ourServer({
      limits: { loginTimeout: 5000, connections: 1 },
      users: () => {
        const wait = isFirst;
        isFirst = false;
        return wait ? new Promise<never>(() => {}) : undefined;
      },
    });
    const login = startup({ user: "u", replication: "true" });
    const canceled = "E FATAL FATAL 57014 canceling authentication due to timeout";
    expect(messagesOf(await talk(path, [login], false))).toEqual([canceled]);
    // The next one is asked for its password, and does not give it.
    expect(messagesOf(await talk(path, [login]))).toEqual([expect.stringMatching(/^R/)]);
  });

  test("a client that is gone while users is asked has no place any more", async () => {
    let asked = 0;
    const { path } = await ourServer({
      limits: { connections: 1 },
      users: () => (++asked === 3 ? undefined : new Promise<never>(() => {})),
    });
    const login = startup({ user: "u", replication: "true" });
    // One closes its side, and one is gone.
    for (const leave of ["end", "destroy"] as const) {
      const socket = createConnection(path);
      socket.write(login);
      const before = asked;
      await expect.poll(() => asked).toBe(before + 1);
      socket[leave]();
      await new Promise((resolve) => socket.once("close", resolve));
    }
    // The next one is asked for its password, and does not give it.
    expect(messagesOf(await talk(path, [login]))).toEqual([expect.stringMatching(/^R/)]);
  });

  test("takes so many connections as it may", async () => {
    const server = await start({ server: "16", limits: { connections: 2 } });
    await clientOf(server);
    const second = await clientOf(server);
    await expect(clientOf(server)).rejects.toMatchObject({
      ...{
        sqlstate: "53300",
        message: "number of requested standby connections exceeds max_wal_senders (currently 2)",
      },
    });
    await second.disconnect();
    await expect.poll(() => server.connections.length).toBe(1);
    await clientOf(server);
  });
});

test("the path of a socket that is taken is an error", async () => {
  const folder = mkdtempSync(join(tmpdir(), "walwire-server-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, "s");
  const server = await start({ path });
  expect(server.address).toEqual({ host: undefined, port: undefined, path });
  await expect(listen({ path })).rejects.toMatchObject({ name: "ConnectionError" });
});

const text = readFileSync(new URL("../../docs/server.md", import.meta.url), "utf8");
const AsyncFunction = (async () => {}).constructor as new (
  ...args: string[]
) => (...args: unknown[]) => Promise<WalsenderServer>;

/** The server that an example of docs/server.md makes, the one with this word. */
async function exampleWith(word: string): Promise<WalsenderServer> {
  const codes = Array.from(text.matchAll(/```js\n([\s\S]*?)```/g), ([, code]) => code!);
  const body = codes.find((code) => code.includes(word))!.replace(/^import .*$/gm, "");
  const names = { listen, ServerError, scramSecret, randomBytes };
  const server = await new AsyncFunction(...Object.keys(names), `${body}\nreturn server;`)(...Object.values(names));
  onTestFinished(() => server.close({ immediate: true }));
  return server;
}

test("the examples of docs/server.md of a password and an error work", async () => {
  const locked = await exampleWith("scramSecret");
  const known = await clientOf(locked, { user: "me", password: "secret" });
  expect(await known.identifySystem()).toMatchObject({ timeline: 1 });
  await expect(clientOf(locked, { user: "me", password: "x" })).rejects.toMatchObject({ sqlstate: "28P01" });
  const client = await clientOf(await exampleWith("ServerError"));
  await expect(client.query("DROP_REPLICATION_SLOT a")).rejects.toMatchObject({
    ...{ severity: "ERROR", sqlstate: "55006", message: 'replication slot "a" is active for PID 4242' },
  });
});

test("the example of docs/server.md prints what it says", async () => {
  const [, code, output] = /```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(text)!;
  const lines: string[] = [];
  const body = code!.replace(/^import .*$/gm, "");
  const log = (value: unknown): void => void lines.push(typeof value === "string" ? value : inspect(value));
  await new AsyncFunction("listen", "connect", "console", body)(listen, connect, { log });
  expect(`${lines.join("\n")}\n`).toBe(output);
});

/** The proxy between real clients and servers: nothing changes by encoding it again, and faults happen where they are asked for. */
import { writeFileSync } from "node:fs";
import { type AddressInfo, createServer, connect as open, type Socket } from "node:net";
import { join } from "node:path";
import pg from "pg";
import { describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { connect } from "../../src/node/client.ts";
import { type PassingMessage, type ProxyOptions, startProxy } from "../../src/node/proxy/index.ts";
import { encodeFrontendMessage, encodeStartupPacket } from "../../src/session/messages.ts";
import { giveToServer, temporaryDirectory } from "../basebackup.ts";
import { hex, toHex } from "../hex.ts";
import { times } from "../seed.ts";
import { type Server, startServer } from "../servers/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";

/** A proxy to a server, and what has passed. */
async function between(server: Server, options: Partial<ProxyOptions> = {}) {
  /** How many messages of each kind have passed. */
  const passed = new Map<string, number>();
  const wrong: Pick<PassingMessage, "from" | "types" | "error" | "mismatch">[] = [];
  const { onMessage } = options;
  const proxy = await startProxy({
    to: { path: join(server.host, `.s.PGSQL.${server.port}`) },
    ...options,
    onMessage(message) {
      const { from, types, error, mismatch } = message;
      for (const type of types) passed.set(`${from} ${type}`, (passed.get(`${from} ${type}`) ?? 0) + 1);
      if (error !== undefined || mismatch !== undefined) wrong.push({ from, types, error, mismatch });
      return onMessage?.(message);
    },
  });
  onTestFinished(() => proxy.close());
  const { host, port } = proxy.address as { host: string; port: number };
  const { user } = server;
  return { proxy, passed, wrong, connection: { host, port, user }, conninfo: `host=${host} port=${port} user=${user}` };
}

async function retried<T>(run: () => Promise<T>): Promise<T | undefined> {
  try {
    return await run();
  } catch {
    return undefined;
  }
}

/** What a subscription may ask for, by the version of the subscriber and the publisher. */
const ways = [
  { options: "streaming = off", since: "pgoutput" },
  { options: "streaming = on", since: "streamingOfTransactions" },
  { options: "streaming = parallel", since: "parallelStreaming" },
  { options: "streaming = on, two_phase = on", since: "twoPhaseOption" },
  { options: "binary = on", since: "pgoutputBinary" },
] as const;

/** A major takes 20 s: short runs have the oldest and the newest. */
const majors = times < 1 ? [...new Set([liveMajors[0]!, liveMajors.at(-1)!])] : liveMajors;

describe.for(majors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test.for(ways.filter(({ since }) => supports(server.versionNum, since)))(
    "a subscription with $options gets the same rows, and no byte changes",
    { timeout: 120_000 },
    async ({ options, since }) => {
      const name = `proxy_${major}_${ways.findIndex((way) => way.options === options)}`;
      const [from, to] = [{ database: `${name}_p` }, { database: `${name}_s` }];
      for (const { database } of [from, to]) {
        await server.sql(`CREATE DATABASE ${database}`);
        await server.sql("CREATE TABLE t (i int PRIMARY KEY, v text, b bytea, n numeric)", { database });
      }
      const rows = (first: number, last: number) =>
        `INSERT INTO t SELECT i, repeat(md5(i::text), 5), decode(md5(i::text), 'hex'), i / 7.0 FROM generate_series(${first}, ${last}) i`;
      await server.sql(rows(1, 1000), from);
      await server.sql(`CREATE PUBLICATION ${name} FOR TABLE t`, from);
      if (since !== "pgoutput")
        await server.sql(`ALTER DATABASE ${from.database} SET logical_decoding_work_mem = '64kB'`);
      const { passed, wrong, conninfo } = await between(server);
      const isTwoPhase = options.includes("two_phase");
      // CREATE SUBSCRIPTION would make it within its transaction, for which a slot of the same cluster waits.
      const args = isTwoPhase ? `'${name}', 'pgoutput', false, true` : `'${name}', 'pgoutput'`;
      await server.sql(`SELECT pg_create_logical_replication_slot(${args})`, from);
      const withOptions = since === "pgoutput" ? "" : `, ${options}`;
      await server.sql(
        `CREATE SUBSCRIPTION ${name} CONNECTION '${conninfo} dbname=${from.database}' PUBLICATION ${name} WITH (create_slot = false${withOptions})`,
        to,
      );
      const sum = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY i)) FROM t";
      const equal = async () => {
        const [theirs, ours] = [await server.sql(sum, from), await server.sql(sum, to)];
        return JSON.stringify(theirs.rows) === JSON.stringify(ours.rows);
      };
      await expect.poll(equal, { timeout: 60_000, interval: 100 }).toBe(true);
      await server.sql(rows(1001, 6000), from);
      await server.sql(
        "BEGIN; UPDATE t SET v = 'u' WHERE i % 10 = 0; SAVEPOINT a; DELETE FROM t WHERE i < 100; ROLLBACK TO a; COMMIT",
        from,
      );
      await server.sql("DELETE FROM t WHERE i % 7 = 0; INSERT INTO t VALUES (0, repeat('x', 100000))", from);
      if (isTwoPhase) await server.sql(`BEGIN; ${rows(7001, 7010)}; PREPARE TRANSACTION '${name}'`, from);
      if (isTwoPhase) await server.sql(`COMMIT PREPARED '${name}'`, from);
      await expect.poll(equal, { timeout: 60_000, interval: 100 }).toBe(true);
      await server.sql(`DROP SUBSCRIPTION ${name}`, to);
      expect(wrong).toEqual([]);
      for (const type of ["Query", "StandbyStatusUpdate", "CopyData"])
        expect(passed.get(`client ${type}`)).toBeGreaterThan(0);
      for (const type of ["XLogData", "Relation", "Update", "Delete"])
        expect(passed.get(`server ${type}`)).toBeGreaterThan(0);
      if (options.startsWith("streaming = on") || options.includes("parallel")) {
        expect(passed.get("server StreamStart")).toBeGreaterThan(0);
      }
      if (isTwoPhase) expect(passed.get("server CommitPrepared")).toBeGreaterThan(0);
      for (const { database } of [from, to]) {
        await expect.poll(() => retried(() => server.sql(`DROP DATABASE ${database}`))).toBeDefined();
      }
    },
  );

  test("a base backup and a standby: the same data, and no byte changes", { timeout: 120_000 }, async () => {
    const primary = await startServer({ major });
    onTestFinished(() => primary.stop());
    const { passed, wrong, connection, conninfo } = await between(primary);
    const { path, remove } = temporaryDirectory();
    onTestFinished(remove);
    const directory = join(path, "data");
    await takeBaseBackup(directory, { connect: connection, checkpoint: "fast", sync: false });
    // Before 12 it is a file of its own.
    if (major < 12) {
      writeFileSync(join(directory, "recovery.conf"), `standby_mode = on\nprimary_conninfo = '${conninfo}'\n`);
    } else writeFileSync(join(directory, "standby.signal"), "");
    giveToServer(directory);
    const settings = { hot_standby: "on", ...(major < 12 ? {} : { primary_conninfo: conninfo }) };
    const standby = await startServer({ major, from: directory, settings });
    onTestFinished(() => standby.stop());
    await primary.sql("CREATE TABLE t AS SELECT i, md5(i::text) FROM generate_series(1, 50000) i");
    const sum = "SELECT count(*), md5(string_agg(t::text, ',' ORDER BY i)) FROM t";
    const { rows } = await primary.sql(sum);
    await expect
      .poll(() => retried(async () => (await standby.sql(sum)).rows), { timeout: 60_000, interval: 100 })
      .toEqual(rows);
    expect(wrong).toEqual([]);
    for (const type of ["CopyOutResponse", "XLogData", "CopyBothResponse"]) {
      expect(passed.get(`server ${type}`)).toBeGreaterThan(0);
    }
    expect(passed.get("client StandbyStatusUpdate")).toBeGreaterThan(0);
  });
});

describe("faults", () => {
  const server = liveServer(liveMajors.at(-1)!);
  const options = { replication: "true", connectionTimeoutMillis: 10_000 } as const;

  test("a message can be dropped, replaced, delayed and split", async () => {
    let action: (message: PassingMessage) => ReturnType<NonNullable<ProxyOptions["onMessage"]>> = () => {};
    const { connection } = await between(server, { onMessage: (message) => action(message) });
    const client = await connect({ ...options, ...connection });
    const { systemid } = await client.identifySystem();
    action = ({ types }) => (types[0] === "DataRow" ? { type: "split", size: 3 } : undefined);
    expect((await client.identifySystem()).systemid).toBe(systemid);
    const bytes = encodeFrontendMessage({ type: "Query", query: "SHOW server_version" });
    action = ({ types }) => (types[0] === "Query" ? { type: "replace", bytes } : undefined);
    expect((await client.query("SHOW wal_level")).columns).toEqual(["server_version"]);
    action = ({ types }) => (types[0] === "DataRow" ? { type: "drop" } : undefined);
    expect((await client.query("SHOW wal_level")).rows).toEqual([]);
    action = ({ types }) => (types[0] === "CommandComplete" ? { type: "delay", milliseconds: 30 } : undefined);
    expect((await client.query("SHOW wal_level")).rows).toEqual([["logical"]]);
    await client.disconnect();
  });

  test("a connection can be cut within a message, and stalled", async () => {
    let action: ReturnType<NonNullable<ProxyOptions["onMessage"]>> = { type: "cut", after: 4 };
    const { proxy, connection } = await between(server, {
      onMessage: ({ types }) => (types[0] === "DataRow" ? action : undefined),
    });
    const first = await connect({ ...options, ...connection });
    await expect(first.identifySystem()).rejects.toMatchObject({ name: "ConnectionError", code: "CONNECTION_LOST" });
    await expect.poll(() => proxy.open).toBe(0);
    action = { type: "stall" };
    const second = await connect({ ...options, ...connection });
    const waiting = second.identifySystem({ signal: AbortSignal.timeout(100) });
    await expect(waiting).rejects.toMatchObject({ name: "TimeoutError" });
    expect(proxy.open).toBe(1);
    proxy.cut();
    await expect.poll(() => proxy.open).toBe(0);
  });

  test("tells of a server that is not there, of an end within a message, and of a connection too many", async () => {
    const told: [string, number][] = [];
    const onError = (error: Error, connection: number): void => void told.push([error.message, connection]);
    const nowhere = await startProxy({ to: { path: join(server.host, "nobody") }, onError });
    onTestFinished(() => nowhere.close());
    const { port } = nowhere.address as { port: number };
    await answerTo(port, hex("0000000804d21630"));
    await expect.poll(() => told.length).toBe(1);
    expect(told[0]).toEqual([expect.stringMatching(/^cannot reach the server: connect ENOENT/), 1]);
    const login = encodeStartupPacket({
      type: "StartupMessage",
      protocolMajor: 3,
      protocolMinor: 0,
      parameters: [
        ["user", server.user],
        ["replication", "true"],
      ],
    });
    await nowhere.close();
    // A port that nobody listens on: the client's packet may come before the error.
    const refusing = await startProxy({ to: { port: 1 }, onError });
    const refused = refusing.address as { port: number };
    await Promise.all(Array.from({ length: 20 }, () => answerTo(refused.port, login)));
    await refusing.close();
    expect(told.splice(1).map(([message]) => message.replace(/\d+$/, ""))).toEqual(
      Array(20).fill("cannot reach the server: connect ECONNREFUSED 127.0.0.1:"),
    );

    const { proxy, connection } = await between(server, { onError, maxConnections: 1 });
    const socket = open(connection.port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(login);
    await new Promise((resolve) => socket.once("data", resolve));
    await answerTo(connection.port, hex("00"));
    socket.end(encodeFrontendMessage({ type: "Query", query: "IDENTIFY_SYSTEM" }).subarray(0, 9));
    await expect.poll(() => proxy.open).toBe(0);
    expect(told.slice(1)).toEqual([
      ["there are 1 connections already", 2],
      ["the client has closed the connection within a message, of which 9 bytes had come", 1],
    ]);
  });

  test.each([
    [{ type: "split", size: 0 }, "the result of onMessage.size: expected a whole number from 1"],
    [{ type: "zap" }, "the result of onMessage.type: expected drop, replace, delay, split, cut or stall"],
    [{ type: "cut", after: -1 }, "the result of onMessage.after: expected a whole number from 0"],
    [{ type: "replace" }, "the result of onMessage.bytes: expected a Uint8Array"],
    ["drop", "the result of onMessage: expected an object"],
  ])("the action %j is an error", async (action, words) => {
    const path = join(server.host, `.s.PGSQL.${server.port}`);
    const proxy = await startProxy({ to: { path }, onMessage: () => action as never });
    const { host, port } = proxy.address as { host: string; port: number };
    await expect(connect({ ...options, host, port, user: server.user })).rejects.toMatchObject({
      code: "CONNECTION_LOST",
    });
    await expect(proxy.close()).rejects.toThrow(words);
  });

  test("messages of the extended query protocol have their names, and pass as they are", async () => {
    const { connection, passed, wrong } = await between(server);
    const pool = new pg.Client({ ...connection, database: "postgres" });
    await pool.connect();
    expect((await pool.query("SELECT $1::int + 1 AS a", [41])).rows).toEqual([{ a: 42 }]);
    await pool.end();
    expect(wrong).toEqual([]);
    for (const type of ["ParseComplete", "BindComplete", "RowDescription", "DataRow"]) {
      expect(passed.get(`server ${type}`), type).toBe(1);
    }
    expect(passed.get("client Parse")).toBe(1);
  });

  test("an error of onMessage ends its connection, and close gives it", async () => {
    const error = new Error("looked too closely");
    const path = join(server.host, `.s.PGSQL.${server.port}`);
    const proxy = await startProxy({
      to: { path },
      onMessage: ({ types }) => {
        if (types[0] === "Query") throw error;
      },
    });
    const client = await connect({
      ...options,
      ...(proxy.address as { host: string; port: number }),
      user: server.user,
    });
    await expect(client.identifySystem()).rejects.toMatchObject({ code: "CONNECTION_LOST" });
    await expect(proxy.close()).rejects.toBe(error);
  });

  test("rejects an address beyond loopback, and wrong options", async () => {
    const to = { port: 5432 };
    await expect(startProxy({ to, listen: { host: "0.0.0.0", port: 0 } })).rejects.toThrow("set insecure: true");
    await expect(startProxy({ to: { port: 0 } })).rejects.toMatchObject({ path: "options.to.port" });
    await expect(startProxy({ to, maxConnections: 0 })).rejects.toMatchObject({ path: "options.maxConnections" });
    await expect(startProxy({ to, listen: { path: join(server.host, "no/such/folder") } })).rejects.toThrow("listen");
  });

  /** Bytes to the proxy, and what comes back until the end. */
  async function answerTo(port: number, bytes: Uint8Array): Promise<Buffer> {
    const socket: Socket = open(port, "127.0.0.1");
    onTestFinished(() => void socket.destroy());
    socket.write(bytes);
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of socket) chunks.push(chunk);
    } catch {
      // As good an end as any.
    }
    return Buffer.concat(chunks);
  }

  const startup = "0000001d 00030000 7573657200 706f73746772657300 6100 6200 00".replaceAll(" ", "");

  test.for([
    ["TLS without a request", "160301020001000001fc0303", ""],
    ["a length of 4", "00000004", ""],
    ["a length beyond any", "7fffffff00030000", ""],
    ["a startup packet that ends too early", "0000000a000300007573", "E"],
    ["protocol 2, whose answer is no message", "0000000800020000", ""],
    ["a message with a length of 3 after it", `${startup}5100000003`, undefined],
    ["an unknown message after it", `${startup}2a00000004`, undefined],
  ] as const)("$0 is answered or closed", async ([, bytes, answer]) => {
    const { proxy } = await between(server);
    const { port } = proxy.address as { port: number };
    const said = (await answerTo(port, hex(bytes))).toString("latin1");
    if (answer !== undefined) expect(said.slice(0, 1)).toBe(answer);
    await expect.poll(() => proxy.open).toBe(0);
    // Others are served.
    const client = await connect({ ...options, host: "127.0.0.1", port, user: server.user });
    await client.identifySystem();
    await client.disconnect();
  });

  test("who says nothing is not waited for, and connections are bounded", async () => {
    const { proxy, connection } = await between(server, { startupTimeout: 200, maxConnections: 2 });
    const { port } = connection;
    const silent = [answerTo(port, hex("00")), answerTo(port, hex("00"))];
    await expect.poll(() => proxy.open).toBe(2);
    expect(await answerTo(port, hex("00"))).toHaveLength(0);
    await Promise.all(silent);
    await expect.poll(() => proxy.open).toBe(0);
  });
});

describe("what is no message", () => {
  /** A server that sends back what comes, and a client of a proxy to it. */
  const echo = async (options: Partial<ProxyOptions>) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.on("error", () => {}).pipe(socket));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => void server.close());
    const errors: string[] = [];
    const { port } = server.address() as AddressInfo;
    const proxy = await startProxy({ to: { port }, onError: (error) => errors.push(error.message), ...options });
    onTestFinished(() => proxy.close());
    const socket = open({ ...(proxy.address as { port: number }), allowHalfOpen: true });
    socket.on("error", () => {});
    const sendAll = async (bytes: Uint8Array, size: number): Promise<string> => {
      const came: Uint8Array[] = [];
      socket.on("data", (chunk) => came.push(chunk));
      for (let i = 0; i < bytes.length; i += size) socket.write(bytes.subarray(i, i + size));
      socket.end();
      await new Promise((resolve) => socket.once("close", resolve));
      return toHex(Buffer.concat(came));
    };
    return { errors, sendAll };
  };
  const startup = encodeStartupPacket({
    type: "StartupMessage",
    protocolMajor: 3,
    protocolMinor: 0,
    parameters: [["user", "u"]],
  });
  const query = encodeFrontendMessage({ type: "Query", query: "SELECT" });
  const inputs = [
    Buffer.from("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
    Buffer.concat([startup, query, hex("51 ffffffff 0102"), query]),
    Buffer.concat([startup, hex("51 00000003"), Buffer.alloc(300_000, 7)]),
    Buffer.concat([startup, query, query.subarray(0, 8)]),
  ];

  test.each(inputs.flatMap((input, i) => [1_000_000, 7].map((size) => [i, size, input] as const)))(
    "input %i in pieces of %i passes as it is, if that is asked for",
    async (_, size, input) => {
      const { errors, sendAll } = await echo({ passThrough: true });
      expect(await sendAll(input, size)).toBe(toHex(input));
      expect(errors.length).toBeGreaterThan(0);
    },
  );

  test("closes the connection otherwise", async () => {
    const { errors, sendAll } = await echo({});
    expect(await sendAll(inputs[0]!, 100)).toBe("");
    expect(errors).toEqual(["a startup packet cannot have 1195725856 bytes"]);
  });
});

/** `subscribe` when a server crashes, forgets, falls silent or breaks the protocol: servers and proxies of the test's own. */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, connect as open, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import type { SubscribeOptions } from "../../src/node/subscribe/index.ts";
import { FaultProxy } from "../faults/proxy.ts";
import { type Server, startServer } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import {
  changesOf,
  confirmedOf,
  connectionTo,
  databaseOf,
  dropDatabases,
  endOf,
  eventsOf,
  idsOf,
  to,
} from "../subscribe.ts";

afterAll(dropDatabases);

/** A proxy to a server, on a socket of its own. */
class Relay {
  readonly host = mkdtempSync(join(tmpdir(), "walwire-proxy-"));
  readonly #clients = new Set<Socket>();
  readonly #servers = new Set<Socket>();
  /** Nothing passes any more, in either direction, and new connections are not answered. */
  isSilent = false;

  async start(server: Server): Promise<this> {
    const listener = createServer((client) => {
      const upstream = open(`${server.host}/.s.PGSQL.${server.port}`);
      this.#clients.add(client);
      this.#servers.add(upstream);
      client.on("data", (bytes) => this.isSilent || upstream.write(bytes));
      upstream.on("data", (bytes) => this.isSilent || client.write(bytes));
      client.on("close", () => upstream.destroy());
      upstream.on("close", () => this.isSilent || client.destroy());
      for (const socket of [client, upstream]) socket.on("error", () => {});
    });
    await new Promise<void>((resolve) => listener.listen(`${this.host}/.s.PGSQL.${server.port}`, resolve));
    onTestFinished(() => {
      for (const socket of [...this.#clients, ...this.#servers]) socket.destroy();
      listener.close();
      rmSync(this.host, { recursive: true, force: true });
    });
    return this;
  }

  /** Send bytes to the clients. */
  inject(bytes: Uint8Array): void {
    for (const client of this.#clients) client.write(bytes);
  }
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("a silent server is a lost connection, and the slot is waited for", async () => {
    const database = await databaseOf(server);
    const proxy = await new Relay().start(server);
    const { port, user } = server;
    const connection = { host: proxy.host, port, user, database };
    const once = to(server, database, { connection, timeout: 200, reconnect: false });
    const next = eventsOf(once);
    await once.start();
    const waiting = expect(next()).rejects.toMatchObject({ name: "ConnectionError", code: "TIMEOUT" });
    proxy.isSilent = true;
    await waiting;
    // Nor is there an answer to a new connection.
    await expect(to(server, database, { connection, timeout: 200 }).start()).rejects.toMatchObject({
      name: "ConnectionError",
      code: "TIMEOUT",
    });
  });

  test("a server that breaks the protocol ends the subscription at once", async () => {
    const database = await databaseOf(server);
    const proxy = await new Relay().start(server);
    const { port, user } = server;
    const subscription = to(server, database, { connection: { host: proxy.host, port, user, database } });
    const next = eventsOf(subscription);
    await subscription.start();
    const waiting = expect(next()).rejects.toMatchObject({ name: "DecodeError" });
    await sleep(20);
    // A CopyData with a message that does not exist.
    proxy.inject(Uint8Array.of(0x64, 0, 0, 0, 5, 0x7a));
    await waiting;
    expect(subscription.status()).toMatchObject({ state: "failed", reconnects: 0 });
  });
});

describe.for(longTestMajors)("PostgreSQL %i, a publication that is dropped", (major) => {
  const server = liveServer(major);

  /** A subscription to two publications, of which one is gone when its table changes. */
  async function follow(options: Partial<SubscribeOptions>) {
    const database = await databaseOf(server, "CREATE TABLE other (id int PRIMARY KEY)");
    const run = (sql: string) => server.sql(sql, { database });
    await run("DROP PUBLICATION p; CREATE PUBLICATION p FOR TABLE t; CREATE PUBLICATION fruits FOR TABLE other");
    // A role that wants to hear errors only.
    const connection = { ...connectionTo(server, database, "-c client_min_messages=error"), ...options.connection };
    const subscription = to(server, database, { publications: ["p", "fruits"], ...options, connection });
    const next = eventsOf(subscription);
    await subscription.start();
    await run("INSERT INTO t VALUES (1)");
    const one = await next();
    expect(await idsOf(one)).toEqual([1]);
    subscription.confirm(one);
    await run("DROP PUBLICATION fruits");
    await run("INSERT INTO other VALUES (2)");
    const { rows } = await run("SELECT pg_current_wal_insert_lsn()");
    await run("INSERT INTO t VALUES (3)");
    return { database, subscription, next, missing: parseLsn(rows[0]![0]!) };
  }

  test("ends the subscription, and nothing after it is confirmed", async () => {
    const { database, next, missing, subscription } = await follow({});
    await expect(next()).rejects.toMatchObject({
      name: "SlotError",
      code: "PUBLICATION_MISSING",
      slotname: database,
      message: expect.stringMatching(/^the publication fruits does not exist at this point of the WAL/),
    });
    expect(subscription.status()).toMatchObject({ state: "failed", reconnects: 0 });
    expect(subscription.status().confirmed).toBeLessThan(missing);
    // Making it again does not bring the changes back.
    await server.sql("CREATE PUBLICATION fruits FOR TABLE other", { database });
    await expect(eventsOf(to(server, database, { publications: ["p", "fruits"] }))()).rejects.toMatchObject({
      code: "PUBLICATION_MISSING",
    });
  });

  test("is left out with skipMissing, from 18 on", async () => {
    if (major < 18) {
      const database = await databaseOf(server);
      await expect(to(server, database, { skipMissing: true }).start()).rejects.toMatchObject({
        name: "UnsupportedError",
      });
      return;
    }
    const notices: string[] = [];
    const { next } = await follow({
      skipMissing: true,
      connection: { onNotice: ({ message }) => notices.push(message) },
    });
    expect(await idsOf(await next())).toEqual([3]);
    expect(new Set(notices)).toEqual(new Set(['skipped loading publication "fruits"']));
  });
});

describe.for(longTestMajors)("PostgreSQL %i, a type that is altered", (major) => {
  const server = liveServer(major);

  test("is read by its new definition once its table is announced again, and a label at once", async () => {
    const database = await databaseOf(
      server,
      "CREATE TYPE label AS ENUM ('a'); CREATE TYPE pair AS (x int)",
      "CREATE TABLE typed (id int PRIMARY KEY, l label, p pair)",
    );
    const run = (sql: string) => server.sql(sql, { database });
    const subscription = to(server, database, { reconnect: { first: 10, longest: 100 } });
    const next = eventsOf(subscription);
    const row = async () => {
      const event = await next();
      const changes = await changesOf(event);
      subscription.confirm(event);
      return changes.flatMap((change) => (change.type === "Insert" ? [{ ...change.row }] : []))[0];
    };
    await subscription.start();
    await run("INSERT INTO typed VALUES (1, 'a', '(1)')");
    expect(await row()).toEqual({ id: 1, l: "a", p: { x: 1 } });
    await run("ALTER TYPE label ADD VALUE 'b'");
    await run("INSERT INTO typed VALUES (2, 'b', '(2)')");
    expect(await row()).toEqual({ id: 2, l: "b", p: { x: 2 } });
    await run("ALTER TYPE pair ADD ATTRIBUTE y text");
    await run("INSERT INTO typed VALUES (3, 'b', '(3,z)')");
    await expect(row()).rejects.toThrow("if the type was altered, load the catalogs again");
    await run("ALTER TABLE typed REPLICA IDENTITY FULL");
    await run("INSERT INTO typed VALUES (4, 'b', '(4,z)')");
    expect(await row()).toEqual({ id: 4, l: "b", p: { x: 4, y: "z" } });
  });
});

// Each of these servers takes a second or two.
const [oldest, newest] = [longTestMajors[0]!, longTestMajors.at(-1)!];

describe.for([...new Set([oldest, newest])])("PostgreSQL %i, a crash", (major) => {
  test("what the slot has forgotten in the crash is not given again", { timeout: 60_000 }, async () => {
    const server = await startServer({ major });
    onTestFinished(() => server.stop());
    await server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); CREATE PUBLICATION p FOR ALL TABLES");
    const subscription = to(server, "postgres", { reconnect: { first: 20, longest: 100 } });
    const next = eventsOf(subscription);
    await subscription.start();
    await server.sql("CHECKPOINT");
    const before = await confirmedOf(server, "postgres");
    for (const id of [1, 2]) await server.sql(`INSERT INTO t VALUES (${id})`);
    const one = await next();
    subscription.confirm(one);
    const two = await next();
    await expect.poll(() => confirmedOf(server, "postgres")).toBe(endOf(one));
    const waiting = next();
    const backend = await server.connect({ database: "postgres" });
    const [, row] = (await backend.query("SELECT pg_backend_pid()")).map(({ body }) => body.toString("latin1"));
    process.kill(Number(/\d+$/.exec(row!)![0]), "SIGKILL");
    await expect
      .poll(() => subscription.status(), { timeout: 40_000 })
      .toMatchObject({ state: "streaming", reconnects: 1 });
    expect(before).toBeLessThan(endOf(one));
    await expect
      .poll(() =>
        server.sql("INSERT INTO t VALUES (3)").then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    const three = await waiting;
    expect(await idsOf(two)).toEqual([2]);
    expect(await idsOf(three)).toEqual([3]);
    subscription.confirm(two);
    subscription.confirm(three);
    await expect.poll(() => confirmedOf(server, "postgres")).toBeGreaterThanOrEqual(endOf(three));
    await subscription.stop();
    // The server may shut down while it waits for nothing.
  });
});

describe.for([...new Set([oldest, newest])])("PostgreSQL %i, a handler that takes long", (major) => {
  test("keeps its connection for three times wal_sender_timeout, also while much waits to be read", {
    timeout: 60_000,
  }, async () => {
    // Fault rounds do this with 1 s.
    const server = await startServer({ major, settings: { wal_sender_timeout: "3s" } });
    onTestFinished(() => server.stop());
    await server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); CREATE PUBLICATION p FOR ALL TABLES");
    const proxy = await FaultProxy.start(server);
    onTestFinished(() => proxy.close());
    const { port, user, database } = server;
    const subscription = to(server, database, { connection: { host: proxy.host, port, user, database } });
    const next = eventsOf(subscription);
    await subscription.start();
    // More than sockets hold: 20 MB.
    for (let i = 0; i < 20; i++) {
      await server.sql(`INSERT INTO t SELECT ${i * 1000} + i, repeat('x', 1000) FROM generate_series(1, 1000) i`);
    }
    const sender = () => server.sql("SELECT active_pid FROM pg_replication_slots").then(({ rows }) => rows);
    const before = await sender();
    const first = await next();
    // Status updates go out by timer: the server hears of us, though nothing is read, and has no need to ask.
    for (let updates = 0; updates < 12; updates++) {
      proxy.arm({ from: "client", kind: "StandbyStatusUpdate", after: 0, does: "pass", part: 1 });
      await expect.poll(() => proxy.isArmed, { timeout: 3000 }).toBe(false);
    }
    subscription.confirm(first);
    for (let i = 1; i < 20; i++) subscription.confirm(await next());
    expect(subscription.status().reconnects).toBe(0);
    expect(await sender()).toEqual(before);
  });
});

describe.for([newest].filter((major) => major >= 13))("PostgreSQL %i, a slot that falls behind", (major) => {
  test("is an error that says so", { timeout: 60_000 }, async () => {
    const server = await startServer({
      major,
      settings: { max_slot_wal_keep_size: "1MB", min_wal_size: "32MB", max_wal_size: "32MB" },
    });
    onTestFinished(() => server.stop());
    await server.sql("CREATE TABLE t (id int PRIMARY KEY, a text); CREATE PUBLICATION p FOR ALL TABLES");
    const subscription = to(server, "postgres", { reconnect: { first: 20, longest: 100 }, stopTimeout: 0 });
    const next = eventsOf(subscription);
    await subscription.start();
    await server.sql("INSERT INTO t VALUES (1)");
    await next();
    const waiting = expect(next()).rejects.toMatchObject({
      name: "SlotError",
      code: "SLOT_LOST",
      message: expect.stringContaining("was invalidated (wal_removed): changes are lost"),
    });
    for (let i = 0; i < 4; i++) {
      await server.sql("CREATE TABLE more (); DROP TABLE more; SELECT pg_switch_wal()");
      await server.sql("CHECKPOINT");
    }
    await waiting;
    await expect(to(server, "postgres").start()).rejects.toMatchObject({ code: "SLOT_LOST" });
  });
});

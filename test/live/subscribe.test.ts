/** `subscribe` against live servers: what the consumer gets, and what the server is told. */
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import { afterAll, describe, expect, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { SlotError } from "../../src/kernel/errors.ts";
import { parseLsn } from "../../src/kernel/lsn.ts";
import type { SubscribeOptions, SubscriptionState } from "../../src/node/subscribe/index.ts";
import { liveMajors, liveServer, longTestMajors } from "../servers/live.ts";
import {
  changesOf,
  confirmedOf,
  connectionTo,
  cut,
  databaseOf,
  dropDatabases,
  endOf,
  eventsOf,
  hurried,
  idsOf,
  to,
} from "../subscribe.ts";

afterAll(dropDatabases);

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("creates the slot, and goes on from it", async () => {
    const database = await databaseOf(server);
    const run = (sql: string) => server.sql(sql, { database });
    const first = to(server, database);
    await first.start();
    await run("INSERT INTO t VALUES (1, 'one')");
    await run("UPDATE t SET a = 'two' WHERE id = 1");
    const rows: unknown[] = [];
    for await (const event of first) {
      for (const change of await changesOf(event)) {
        if (!("row" in change)) continue;
        rows.push({ ...change.row });
        // console.log shows it as any object.
        expect(inspect(change.row)).toBe(inspect({ ...change.row }));
      }
      first.confirm(event);
      if (rows.length === 2) break;
    }
    expect(rows).toEqual([
      { id: 1, a: "one" },
      { id: 1, a: "two" },
    ]);
    expect(first.status()).toMatchObject({ state: "stopped", pending: { events: 0 } });
    await run("DELETE FROM t");
    const second = to(server, database, { create: false });
    for await (const event of second) {
      expect(await changesOf(event)).toMatchObject([{ type: "Delete", old: { id: 1 } }]);
      second.confirm(event);
      break;
    }
    expect(await confirmedOf(server, database)).toBe(second.status().confirmed);
  });
});

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("tells the server only the end of what is confirmed without a gap", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database);
    const next = eventsOf(subscription);
    await subscription.start();
    for (let id = 1; id <= 3; id++) await server.sql(`INSERT INTO t VALUES (${id})`, { database });
    const events = [await next(), await next(), await next()];
    expect(await Promise.all(events.map(idsOf))).toEqual([[1], [2], [3]]);
    subscription.confirm(events[2]!);
    subscription.confirm(events[1]!);
    await sleep(50);
    // The server has the last update once it has answered a question. WAL of others may have moved it up to the first event.
    expect(await confirmedOf(server, database)).toBeLessThan(endOf(events[0]!));
    expect(subscription.status().pending.events).toBe(1);
    expect(subscription.status().confirmed).toBeLessThan(endOf(events[0]!));
    subscription.confirm(events[0]!);
    await expect.poll(() => confirmedOf(server, database)).toBeGreaterThanOrEqual(endOf(events[2]!));
  });

  test("connects again, and repeats nothing that the consumer has", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { reconnect: { first: 1, longest: 20 } });
    const next = eventsOf(subscription);
    await subscription.start();
    for (let id = 1; id <= 2; id++) await server.sql(`INSERT INTO t VALUES (${id})`, { database });
    const [one, two] = [await next(), await next()];
    subscription.confirm(two);
    await cut(server, database);
    await server.sql("INSERT INTO t VALUES (3)", { database });
    expect(await idsOf(await next())).toEqual([3]);
    // It is still readable, and the same one.
    expect(await idsOf(one)).toEqual([1]);
    expect(subscription.status()).toMatchObject({ reconnects: 1, pending: { events: 2 } });
    await cut(server, database);
    await server.sql("INSERT INTO t VALUES (4)", { database });
    const four = await next();
    expect(await idsOf(four)).toEqual([4]);
    expect(await confirmedOf(server, database)).toBeLessThan(endOf(one));
    subscription.confirm(one);
    await expect.poll(() => confirmedOf(server, database)).toBe(endOf(two));
  });

  test("stops at once while idle, within a handler, and by a signal", async () => {
    const database = await databaseOf(server);
    const idle = to(server, database);
    await idle.start();
    const waiting = eventsOf(idle)();
    const failed = expect(waiting).rejects.toThrow("the subscription has ended");
    await sleep(20);
    let begun = performance.now();
    await idle.stop();
    expect(performance.now() - begun).toBeLessThan(2000);
    await failed;
    // The slot is free when stop returns.
    const controller = new AbortController();
    const signalled = to(server, database, { signal: controller.signal, stopTimeout: 5000 });
    await signalled.start();
    await server.sql("INSERT INTO t VALUES (1)", { database });
    begun = performance.now();
    for await (const event of signalled) {
      controller.abort();
      expect(signalled.status().state).toBe("stopping");
      await sleep(20);
      signalled.confirm(event);
    }
    expect(performance.now() - begun).toBeLessThan(2000);
    await signalled.stop();
    expect(await confirmedOf(server, database)).toBe(signalled.status().confirmed);
    expect(signalled.status().confirmed).toBeGreaterThan(0n);
    const aborted = to(server, database, { signal: AbortSignal.abort() });
    for await (const _ of aborted) expect.unreachable();
    const unstarted = to(server, database);
    await unstarted.stop();
  });

  test("a handler that fails ends the loop at once, and its event comes again", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { stopTimeout: 60_000 });
    await subscription.start();
    await server.sql("INSERT INTO t VALUES (1)", { database });
    await expect(async () => {
      for await (const event of subscription) throw new Error(`cannot store ${await idsOf(event)}`);
    }).rejects.toThrow("cannot store 1");
    const again = to(server, database);
    expect(await idsOf(await eventsOf(again)())).toEqual([1]);
  });

  test("types that are not built in are looked up, also those of a table that comes later", async () => {
    const database = await databaseOf(
      server,
      "CREATE TYPE mood AS ENUM ('sad', 'happy')",
      "CREATE TABLE m (id int PRIMARY KEY, mood mood)",
    );
    const run = (sql: string) => server.sql(sql, { database });
    const subscription = to(server, database);
    const next = eventsOf(subscription);
    await subscription.start();
    await run("INSERT INTO m VALUES (1, 'happy')");
    expect(await changesOf(await next())).toMatchObject([{ row: { id: 1, mood: "happy" } }]);
    await run("CREATE TYPE pair AS (x int, y int8)");
    await run("CREATE DOMAIN small AS int CHECK (VALUE < 10)");
    await run("CREATE TABLE c (id int PRIMARY KEY, pair pair, pairs pair[], small small)");
    await run("INSERT INTO c VALUES (1, (1, 2), ARRAY[(3, 4)]::pair[], 5)");
    let event = await next();
    while (!("changes" in event) || event.changes.count === 0) event = await next();
    const [change] = await changesOf(event);
    const { row } = change as { row: Record<string, unknown> };
    expect({ ...row }).toEqual({ id: 1, pair: { x: 1, y: 2n }, pairs: [{ x: 3, y: 4n }], small: 5 });
  });

  test("a change of the schema stands before the first row of the new form", async () => {
    const database = await databaseOf(server);
    const run = (sql: string) => server.sql(sql, { database });
    const subscription = to(server, database);
    const next = eventsOf(subscription);
    await subscription.start();
    await run("INSERT INTO t VALUES (1, 'a')");
    expect((await changesOf(await next())).map(({ type }) => type)).toEqual(["Insert"]);
    await run(
      "BEGIN; INSERT INTO t VALUES (2, 'b'); ALTER TABLE t ADD c int8; INSERT INTO t VALUES (3, 'c', 7); ALTER TABLE t RENAME a TO b; INSERT INTO t VALUES (4, 'd', 8); COMMIT",
    );
    const changes = await changesOf(await next());
    expect(changes).toMatchObject([
      { type: "Insert", row: { id: 2, a: "b" } },
      { type: "SchemaChange", added: [{ name: "c", typeId: 20 }], dropped: [], renamed: [] },
      { type: "Insert", row: { id: 3, a: "c", c: 7n } },
      { type: "SchemaChange", renamed: [{ before: { name: "a" }, after: { name: "b" } }], added: [] },
      { type: "Insert", row: { id: 4, b: "d", c: 8n } },
    ]);
    const [, altered, insert] = changes as { lsn: bigint }[];
    expect(altered!.lsn).toBe(insert!.lsn);
    await run("ALTER TABLE t DROP c");
    await run("ALTER TABLE t REPLICA IDENTITY FULL");
    await run("INSERT INTO t VALUES (5, 'e')");
    let event = await next();
    while ((event as { changes: { count: number } }).changes.count === 0) event = await next();
    expect(await changesOf(event)).toMatchObject([
      { type: "SchemaChange", dropped: [{ name: "c" }], identity: true, moved: false },
      { type: "Insert", row: { id: 5, b: "e" } },
    ]);
    // Another connection announces the relation again: that is no change.
    await cut(server, database);
    await run("INSERT INTO t VALUES (6, 'f')");
    let last = await next();
    while ((await idsOf(last))[0] !== 6) last = await next();
    expect((await changesOf(last)).map(({ type }) => type)).toEqual(["Insert"]);
  });

  test("unchanged TOASTed values are taken from the old row, or named", async () => {
    const database = await databaseOf(server, "ALTER TABLE t ALTER a SET STORAGE EXTERNAL");
    const run = (sql: string) => server.sql(sql, { database });
    const subscription = to(server, database);
    const next = eventsOf(subscription);
    await subscription.start();
    await run("INSERT INTO t VALUES (1, repeat('x', 3000))");
    await next();
    await run("UPDATE t SET id = 2");
    const [update] = await changesOf(await next());
    expect(update).toMatchObject({ type: "Update", unchanged: ["a"], row: { id: 2 }, old: { id: 1 } });
    expect(Object.keys((update as { row: object }).row)).toEqual(["id"]);
    await run("ALTER TABLE t REPLICA IDENTITY FULL");
    await run("UPDATE t SET id = 3");
    let event = await next();
    while ((event as { changes: { count: number } }).changes.count === 0) event = await next();
    const full = (await changesOf(event)).find(({ type }) => type === "Update");
    expect(full).toMatchObject({ unchanged: [], row: { id: 3, a: "x".repeat(3000) } });
  });

  test("a slot that cannot be used is an error that says why", async () => {
    const database = await databaseOf(server);
    const other = await databaseOf(server);
    const start = async (options: Partial<SubscribeOptions>, of = database) => {
      const error = await to(server, of, options)
        .start()
        .catch((thrown: unknown) => thrown);
      return error instanceof SlotError ? [error.code, error.message] : error;
    };
    const name = (suffix: string) => `${database}_${suffix}`;
    expect(await start({ slotname: name("no"), create: false })).toEqual([
      "SLOT_MISSING",
      `the slot ${name("no")} does not exist: create it, or pass create: true`,
    ]);
    const store = { load: () => ({ lsn: parseLsn("0/1000"), copied: [] }) };
    expect(await start({ slotname: name("no"), store })).toEqual([
      "SLOT_MISSING",
      expect.stringContaining("changes since 0/1000 are lost"),
    ]);
    await server.sql(`SELECT pg_create_logical_replication_slot('${name("td")}', 'test_decoding')`, { database });
    expect(await start({ slotname: name("td") })).toEqual([
      "SLOT_MISMATCH",
      expect.stringContaining("has the plugin test_decoding, expected pgoutput"),
    ]);
    await server.sql(`SELECT pg_create_logical_replication_slot('${name("db")}', 'pgoutput')`, { database });
    expect(await start({ slotname: name("db") }, other)).toEqual([
      "SLOT_MISMATCH",
      `the slot ${name("db")} is of the database ${database}, not of ${other}`,
    ]);
    await server.sql(`SELECT pg_create_physical_replication_slot('${name("ph")}')`);
    expect(await start({ slotname: name("ph") })).toEqual([
      "SLOT_MISMATCH",
      `the slot ${name("ph")} is physical, expected logical`,
    ]);
    await server.sql(`SELECT pg_drop_replication_slot('${name("ph")}')`);
    expect(await start({ slotname: name("db"), store })).toEqual([
      "POSITION_LOST",
      expect.stringContaining("but only what ended before 0/1000 is stored"),
    ]);
    const ahead = { load: () => ({ lsn: parseLsn("FFFFFF/0"), copied: [] }) };
    expect(await start({ slotname: name("db"), store: ahead })).toEqual([
      "POSITION_LOST",
      expect.stringContaining("before the stored position FFFFFF/0"),
    ]);
    expect(await start({ slotname: name("db"), publications: ["p", "it's"] })).toMatchObject({
      name: "ArgumentError",
      message: expect.stringContaining("it's"),
    });
    // The slot is not made before that is known.
    await start({ slotname: name("new"), publications: ["q"] });
    expect((await server.sql(`SELECT 1 FROM pg_replication_slots WHERE slot_name = '${name("new")}'`)).rows).toEqual(
      [],
    );
    if (supports(server.versionNum, "twoPhaseOption")) {
      expect(await start({ slotname: name("db"), twoPhase: true })).toEqual([
        "SLOT_MISMATCH",
        expect.stringContaining("was created without two_phase"),
      ]);
    } else {
      expect(await start({ slotname: name("db"), twoPhase: true })).toMatchObject({ name: "UnsupportedError" });
    }
  });

  test("a slot in use is waited for, up to a limit", async () => {
    const database = await databaseOf(server);
    const first = to(server, database);
    await first.start();
    const begun = performance.now();
    await expect(to(server, database, { slotTimeout: 100 }).start()).rejects.toMatchObject({
      code: "SLOT_IN_USE",
      message: expect.stringMatching(/has been in use by the server process \d+ for/),
    });
    expect(performance.now() - begun).toBeGreaterThan(100);
    const second = to(server, database, { slotTimeout: 10_000 });
    const started = second.start();
    await sleep(50);
    await first.stop();
    await started;
    expect(second.status().state).toBe("streaming");
  });

  test("a slot that is dropped while the connection is lost is not created again", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { reconnect: { first: 300 } });
    const next = eventsOf(subscription);
    await subscription.start();
    const waiting = next();
    const ended = expect(waiting).rejects.toMatchObject({ name: "SlotError", code: "SLOT_MISSING" });
    await cut(server, database);
    await expect
      .poll(() =>
        server.sql(`SELECT pg_drop_replication_slot('${database}')`).then(
          () => true,
          () => false,
        ),
      )
      .toBe(true);
    await ended;
    expect(subscription.status().state).toBe("failed");
    await expect(next()).rejects.toThrow("has ended");
  });

  test("a temporary slot ends with its connection", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { slotname: undefined, temporary: true });
    const next = eventsOf(subscription);
    await subscription.start();
    await server.sql("INSERT INTO t VALUES (1)", { database });
    subscription.confirm(await next());
    const waiting = expect(next()).rejects.toMatchObject({ name: "ConnectionError", code: "CONNECTION_LOST" });
    await cut(server, subscription.status().slotname);
    await waiting;
    const { rows } = await server.sql(`SELECT 1 FROM pg_replication_slots WHERE database = '${database}'`);
    expect(rows).toEqual([]);
  });

  test("a handler may take longer than wal_sender_timeout", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, {
      connection: await hurried(server, database),
    });
    const next = eventsOf(subscription);
    await subscription.start();
    await server.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1, 1000) i", { database });
    await server.sql("INSERT INTO t SELECT i, repeat('x', 1000) FROM generate_series(1001, 2000) i", { database });
    const event = await next();
    await sleep(800);
    expect((await idsOf(event)).length).toBe(1000);
    subscription.confirm(event);
    subscription.confirm(await next());
    expect(subscription.status().reconnects).toBe(0);
  });

  test("with a store, the server is told only what the store has", async () => {
    const database = await databaseOf(server);
    const saved: SubscriptionState[] = [];
    let release: () => void = () => {};
    const store = {
      load: () => saved.at(-1),
      async save(state: SubscriptionState) {
        await new Promise<void>((resolve) => {
          release = resolve;
        });
        saved.push(state);
      },
    };
    const subscription = to(server, database, { store });
    const next = eventsOf(subscription);
    await subscription.start();
    const { confirmed } = subscription.status();
    // The position of a new slot is stored at once.
    release();
    await expect.poll(() => saved).toEqual([{ lsn: confirmed, copied: [] }]);
    await server.sql("INSERT INTO t VALUES (1)", { database });
    const event = await next();
    subscription.confirm(event);
    await sleep(50);
    expect(await confirmedOf(server, database)).toBe(confirmed);
    // WAL of others moves it, too.
    await expect
      .poll(() => {
        release();
        return confirmedOf(server, database);
      })
      .toBeGreaterThanOrEqual(endOf(event));
    expect(saved.at(-1)!.lsn).toBeGreaterThanOrEqual(endOf(event));
    expect(saved.every(({ copied }) => copied.length === 0)).toBe(true);
    await subscription.stop();
    await server.sql("INSERT INTO t VALUES (2)", { database });
    const again = to(server, database, { store });
    expect(await idsOf(await eventsOf(again)())).toEqual([2]);
  });

  test("with a store, a slot that is gone is an error even if nothing had come", async () => {
    const database = await databaseOf(server);
    let saved: SubscriptionState | undefined;
    const store = {
      load: () => saved,
      save: (state: SubscriptionState) => {
        saved = state;
      },
    };
    const first = to(server, database, { store });
    await first.start();
    await first.stop();
    await server.sql(`SELECT pg_drop_replication_slot('${database}')`);
    await expect(to(server, database, { store }).start()).rejects.toMatchObject({ code: "SLOT_MISSING" });
  });

  test("a consumer that stores positions itself gets them also while nothing happens, and each row once", async () => {
    const database = await databaseOf(server);
    let stored: SubscriptionState | undefined;
    const store = { load: () => stored };
    const ids: unknown[] = [];
    const options = {
      store,
      progressInterval: 0,
      connection: await hurried(server, database),
    };
    const subscription = to(server, database, options);
    const next = eventsOf(subscription);
    await subscription.start();
    await server.sql("INSERT INTO t VALUES (1)", { database });
    for (let progress = 0; progress < 1; ) {
      const event = await next();
      ids.push(...(await idsOf(event)));
      // One may come before the row.
      if (event.type !== "Progress") await server.sql("CREATE TABLE other (); DROP TABLE other");
      else if (ids.length > 0) progress++;
      stored = { lsn: endOf(event), copied: [] };
      subscription.confirm(event);
      await expect.poll(() => confirmedOf(server, database)).toBe(endOf(event));
    }
    // Stored, and not confirmed: as when the process ends in between.
    await server.sql("INSERT INTO t VALUES (2)", { database });
    let event = await next();
    while (event.type === "Progress") {
      stored = { lsn: endOf(event), copied: [] };
      subscription.confirm(event);
      event = await next();
    }
    ids.push(...(await idsOf(event)));
    stored = { lsn: endOf(event), copied: [] };
    await subscription.stop();
    await server.sql("INSERT INTO t VALUES (3)", { database });
    const again = eventsOf(to(server, database, options));
    event = await again();
    while (event.type === "Progress") event = await again();
    ids.push(...(await idsOf(event)));
    expect(ids).toEqual([1, 2, 3]);
  });

  test("memory is bounded by events that are not confirmed", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { memoryLimit: 4_000_000 });
    const next = eventsOf(subscription);
    await subscription.start();
    for (let i = 0; i < 4; i++) {
      await server.sql(`INSERT INTO t SELECT 1000 * ${i} + g, repeat('x', 1000) FROM generate_series(1, 1000) g`, {
        database,
      });
    }
    const events = [await next(), await next()];
    const third = next();
    let isThere = false;
    void third.then(() => {
      isThere = true;
    });
    await sleep(100);
    expect(isThere).toBe(false);
    expect(subscription.status()).toMatchObject({ state: "full", pending: { events: 2 } });
    expect(subscription.status().pending.bytes).toBeLessThan(4_000_000);
    subscription.confirm(events[0]!);
    subscription.confirm(await third);
    expect(subscription.status().state).toBe("streaming");
  });
});

// From 12 on, a session can have a wal_sender_timeout of its own.
describe.for(longTestMajors.filter((major) => major >= 12))("PostgreSQL %i, idle", (major) => {
  const server = liveServer(major);

  test("moves a quiet slot on, but not past what is not confirmed", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, {
      connection: await hurried(server, database),
    });
    const next = eventsOf(subscription);
    await subscription.start();
    const before = await confirmedOf(server, database);
    const waiting = next();
    // WAL that the publication does not have.
    await server.sql("CREATE TABLE other (); DROP TABLE other");
    await expect.poll(() => confirmedOf(server, database)).toBeGreaterThan(before);
    await server.sql("INSERT INTO t VALUES (1)", { database });
    const event = await waiting;
    const after = next();
    await server.sql("CREATE TABLE other (); DROP TABLE other");
    await sleep(600);
    expect(await confirmedOf(server, database)).toBeLessThan(endOf(event));
    subscription.confirm(event);
    await expect.poll(() => confirmedOf(server, database)).toBeGreaterThanOrEqual(endOf(event));
    await server.sql("INSERT INTO t VALUES (2)", { database });
    subscription.confirm(await after);
  });
});

const streaming = longTestMajors.filter((major) => supports(liveServer(major).versionNum, "streamingOfTransactions"));

describe.for(streaming)("PostgreSQL %i, streaming", (major) => {
  const server = liveServer(major);

  test("a transaction that is larger than the memory goes through the spill, also across a lost connection", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, {
      memoryLimit: 600_000,
      reconnect: { first: 1 },
      connection: connectionTo(server, database, "-c logical_decoding_work_mem=64kB"),
    });
    const next = eventsOf(subscription);
    await subscription.start();
    const rows = 5000;
    await server.sql(`INSERT INTO t SELECT i, repeat('x', 500) FROM generate_series(1, ${rows}) i`, { database });
    const event = await next();
    expect(subscription.status().spilledBytes).toBeGreaterThan(1_000_000);
    expect(subscription.status().memory).toBeLessThan(300_000);
    await cut(server, database);
    await server.sql("INSERT INTO t VALUES (0)", { database });
    const after = await next();
    expect(await idsOf(after)).toEqual([0]);
    // It was sent again, and is still the event that the consumer works on.
    expect(await idsOf(event)).toEqual(Array.from({ length: rows }, (_, i) => i + 1));
    subscription.confirm(event);
    subscription.confirm(after);
    await expect.poll(() => subscription.status().spilledBytes).toBe(0);
    await expect.poll(() => confirmedOf(server, database)).toBeGreaterThanOrEqual(endOf(after));
  });

  test("messages come at once, and are not lost between connections", async () => {
    const database = await databaseOf(server);
    const subscription = to(server, database, { messages: true, reconnect: { first: 1 } });
    const next = eventsOf(subscription);
    await subscription.start();
    const emit = (text: string) => server.sql(`SELECT pg_logical_emit_message(false, 'a', '${text}')`, { database });
    const texts: string[] = [];
    let waiting = next();
    const take = async () => {
      const event = await waiting;
      waiting = next();
      waiting.catch(() => {});
      if (event.type === "Message") texts.push(new TextDecoder().decode(event.content));
      subscription.confirm(event);
      await expect.poll(() => confirmedOf(server, database)).toBeGreaterThanOrEqual(endOf(event));
    };
    await emit("one");
    await take();
    await cut(server, database);
    await emit("two");
    await emit("three");
    await take();
    await cut(server, database);
    await take();
    expect(texts).toEqual(["one", "two", "three"]);
  });
});

const preparing = longTestMajors.filter((major) => supports(liveServer(major).versionNum, "twoPhaseOption"));

describe.for(preparing)("PostgreSQL %i, two-phase", (major) => {
  const server = liveServer(major);
  const prepare = (id: number) => `BEGIN; INSERT INTO t VALUES (${id}); PREPARE TRANSACTION '%'`;

  test("prepared transactions are given when they are prepared", async () => {
    const database = await databaseOf(server);
    const run = (sql: string) => server.sql(sql.replaceAll("%", `${database}`), { database });
    const subscription = to(server, database, { twoPhase: true });
    const next = eventsOf(subscription);
    await subscription.start();
    await run(prepare(1));
    const prepared = await next();
    expect(prepared).toMatchObject({ type: "PreparedTransaction", gid: database });
    expect(await idsOf(prepared)).toEqual([1]);
    await run("COMMIT PREPARED '%'");
    const committed = await next();
    expect(committed).toMatchObject({ type: "CommitPrepared", gid: database });
    await run(prepare(2));
    expect(await next()).toMatchObject({ type: "PreparedTransaction" });
    await run("ROLLBACK PREPARED '%'");
    const rolledBack = await next();
    expect(rolledBack).toMatchObject({ type: "RollbackPrepared" });
    expect(endOf(rolledBack)).toBeGreaterThan(endOf(committed));
  });

  test("or when they commit, also if the connection was lost in between and others have committed", async () => {
    const database = await databaseOf(server);
    const run = (sql: string) => server.sql(sql.replaceAll("%", `${database}`), { database });
    const subscription = to(server, database, { twoPhase: true, prepared: "hold", reconnect: { first: 1 } });
    const next = eventsOf(subscription);
    await subscription.start();
    await run(prepare(1));
    await run("INSERT INTO t VALUES (2)");
    const two = await next();
    expect(await idsOf(two)).toEqual([2]);
    subscription.confirm(two);
    await sleep(50);
    expect(await confirmedOf(server, database)).toBeLessThan(endOf(two));
    await cut(server, database);
    await run("INSERT INTO t VALUES (3)");
    const three = await next();
    expect(await idsOf(three)).toEqual([3]);
    await run("COMMIT PREPARED '%'");
    const one = await next();
    expect(one).toMatchObject({ type: "Transaction", gid: database });
    expect(await idsOf(one)).toEqual([1]);
    subscription.confirm(three);
    subscription.confirm(one);
    await expect.poll(() => confirmedOf(server, database)).toBeGreaterThanOrEqual(endOf(one));
  });

  test("a slot that sends them must be asked for", async () => {
    const database = await databaseOf(server);
    await to(server, database, { twoPhase: true }).start();
    await expect(to(server, database, { slotTimeout: 0 }).start()).rejects.toMatchObject({
      code: "SLOT_MISMATCH",
      message: expect.stringContaining("was created with two_phase"),
    });
  });
});

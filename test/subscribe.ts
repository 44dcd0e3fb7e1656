/** Subscriptions in tests: databases of their own, and what the server says of the slot. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { type Lsn, parseLsn } from "../src/kernel/lsn.ts";
import {
  type SubscribedChange,
  type SubscribeOptions,
  type Subscription,
  type SubscriptionEvent,
  subscribe,
} from "../src/node/subscribe/index.ts";
import type { Server } from "./servers/index.ts";

/** Databases that tests have left empty, by the socket of their server: making one takes as long as a test. */
const free = new Map<string, { readonly server: Server; readonly names: string[] }>();
let made = 0;

/** A database with a table and a publication of all tables, which is this test's until it ends. So is the slot of its name. */
export async function databaseOf(server: Server, ...setup: readonly string[]): Promise<string> {
  const names = free.get(server.host)?.names ?? [];
  free.set(server.host, { server, names });
  const database = names.pop() ?? (await make(server));
  const run = (sql: string) => server.sql(sql, { database });
  onTestFinished(async () => {
    const { rows } = await server.sql(`SELECT gid FROM pg_prepared_xacts WHERE database = '${database}'`);
    for (const [gid] of rows) await run(`ROLLBACK PREPARED '${gid}'`);
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    const slots = `FROM pg_replication_slots WHERE database = '${database}'`;
    await expect.poll(() => server.sql(`SELECT 1 ${slots} AND active`)).toMatchObject({ rows: [] });
    await server.sql(`SELECT pg_drop_replication_slot(slot_name) ${slots}`);
    await run("DROP PUBLICATION IF EXISTS p, fruits; DROP SCHEMA public CASCADE; CREATE SCHEMA public");
    names.push(database);
  });
  for (const sql of ["CREATE TABLE t (id int PRIMARY KEY, a text)", ...setup, "CREATE PUBLICATION p FOR ALL TABLES"]) {
    await run(sql);
  }
  return database;
}

export async function make(server: Server): Promise<string> {
  const database = `subscribe_${process.pid}_${++made}`;
  await server.sql(`CREATE DATABASE ${database}`);
  return database;
}

/** For afterAll. */
export async function dropDatabases(): Promise<void> {
  for (const { server, names } of free.values()) {
    for (const name of names) {
      // The last connection may not have left yet.
      for (let tries = 0; ; tries++) {
        try {
          await server.sql(`DROP DATABASE ${name}`);
          break;
        } catch (error) {
          if (tries === 50) throw error;
          await sleep(50);
        }
      }
    }
  }
  free.clear();
}

/** A subscription to it. */
export function to(server: Server, database: string, options: Partial<SubscribeOptions> = {}): Subscription {
  const { host, port, user } = server;
  const subscription = subscribe({
    connection: { host, port, user, database },
    slotname: database,
    publications: ["p"],
    stopTimeout: 500,
    ...options,
  });
  onTestFinished(() => subscription.stop());
  return subscription;
}

/** The events as they come, for tests that take them one by one. */
export function eventsOf(subscription: Subscription): () => Promise<SubscriptionEvent> {
  const iterator = subscription[Symbol.asyncIterator]();
  return async () => {
    const { done, value } = await iterator.next();
    if (done) throw new Error("the subscription has ended");
    return value;
  };
}

export async function changesOf(event: SubscriptionEvent): Promise<SubscribedChange[]> {
  const changes: SubscribedChange[] = [];
  if (!("changes" in event)) return changes;
  for await (const change of event.changes) changes.push(change);
  const now = event.changes.batchesNow();
  if (now !== undefined) expect([...now].flat()).toEqual(changes);
  return changes;
}

/** The ids of the rows that a transaction inserted. */
export async function idsOf(event: SubscriptionEvent): Promise<unknown[]> {
  return (await changesOf(event)).map((change) => (change.type === "Insert" ? change.row.id : change.type));
}

export function endOf(event: SubscriptionEvent): Lsn {
  return (event as { endLsn: Lsn }).endLsn;
}

export async function confirmedOf(server: Server, slotname: string): Promise<Lsn> {
  const query = `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${slotname}'`;
  const { rows } = await server.sql(query);
  return parseLsn(rows[0]![0]!);
}

/** End the walsender of a slot. */
export async function cut(server: Server, slotname: string): Promise<void> {
  const { rows } = await server.sql(
    `SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE slot_name = '${slotname}' AND active`,
  );
  expect(rows).toEqual([["t"]]);
}

export function connectionTo(server: Server, database: string, options: string): SubscribeOptions["connection"] {
  return { host: server.host, port: server.port, user: server.user, database, options };
}

/** A session with a short wal_sender_timeout, where a session can have its own: from 12 on. */
export async function hurried(server: Server, database: string): Promise<SubscribeOptions["connection"]> {
  const { rows } = await server.sql("SELECT context FROM pg_settings WHERE name = 'wal_sender_timeout'");
  return connectionTo(server, database, rows[0]![0] === "user" ? "-c wal_sender_timeout=400" : "");
}

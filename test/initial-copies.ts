/** What tests of the initial copy share: databases, and a small reader of streams that knows nothing of subscriptions. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished } from "vitest";
import { supports } from "../src/capabilities.ts";
import type { Relation } from "../src/generated/logical.ts";
import { decodeWalSenderMessage } from "../src/generated/physical.ts";
import { type Transaction, TransactionAssembler } from "../src/logical/transactions.ts";
import { type ConnectOptions, connect, type ReplicationConnection } from "../src/node/client.ts";
import type { CopyEvent } from "../src/node/subscribe/copy-events.ts";
import type { RowObject } from "../src/node/subscribe/rows.ts";
import { Feedback } from "../src/session/feedback.ts";
import { TypeMap } from "../src/values/type-map.ts";
import type { Server } from "./servers/index.ts";

let databases = 0;

/** A database of its own, which goes with its slots when the test ends. */
export async function newDatabase(server: Server, setup: readonly string[]): Promise<string> {
  const database = `copy_${process.pid}_${++databases}`;
  await server.sql(`CREATE DATABASE ${database} TEMPLATE template0 ENCODING 'UTF8'`);
  onTestFinished(() => dropDatabase(server, database));
  for (const sql of setup) await server.sql(sql, { database });
  return database;
}

/** Drops a database with its slots. What still uses it is ended. */
export async function dropDatabase(server: Server, database: string): Promise<void> {
  const slots = `FROM pg_replication_slots WHERE database = '${database}'`;
  const limit = Date.now() + 10_000;
  for (;;) {
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    try {
      await server.sql(`SELECT pg_drop_replication_slot(slot_name) ${slots}`);
      await server.sql(`DROP DATABASE ${database}`);
      return;
    } catch (error) {
      // The backends take a moment to end.
      if (Date.now() > limit) throw error;
      await sleep(20);
    }
  }
}

/** Opens connections to a database; those that a test leaves open are closed. */
export function opener(
  server: Server,
  database: string,
  more: Partial<ConnectOptions> = {},
): () => Promise<ReplicationConnection> {
  const { host, port, user } = server;
  return async () => {
    const connection = await connect({ host, port, user, database, replication: "database", ...more });
    onTestFinished(() => connection.disconnect());
    return connection;
  };
}

/** Reads a slot until the transaction that writes into the table `marker`. */
export async function* transactionsOf(
  connection: ReplicationConnection,
  slotname: string,
  publications: readonly string[],
  { binary }: { readonly binary?: boolean } = {},
): AsyncGenerator<Transaction, void> {
  // Names in values, as the copy has them.
  await connection.query("SELECT pg_catalog.set_config('search_path', '', false)");
  const streaming = supports(connection.serverVersion, "streamingOfTransactions") ? { streaming: "on" as const } : {};
  const feedback = new Feedback();
  const options = {
    slotname,
    publicationNames: [...publications],
    feedback,
    ...streaming,
    ...(binary ? { binary } : {}),
  };
  const { protocol, streaming: inUse } = await connection.startLogical(options);
  const assembler = new TransactionAssembler({ protocol, streaming: inUse });
  for (;;) {
    const message = decodeWalSenderMessage((await connection.receive())!);
    if (message.type !== "XLogData") continue;
    const event = await assembler.receive(message.data, message.dataStart);
    if (event?.type !== "Transaction") continue;
    yield event;
    for await (const change of event.changes) {
      if (change.type === "Insert" && change.relation.name === "marker") {
        await connection.endReplication();
        return;
      }
    }
    assembler.confirm(event);
    feedback.flushed(assembler.confirmable);
  }
}

/** A table that was copied. */
export interface Copy {
  readonly relation: Relation;
  readonly rows: RowObject[];
  readonly again: boolean;
  ended: boolean;
}

/** All tables of a copy, by name. The order of events is checked. */
export async function collect(events: AsyncIterable<CopyEvent>): Promise<Map<string, Copy>> {
  const copies = new Map<string, Copy>();
  for await (const event of events) {
    const { namespace, name } = event.relation;
    const key = `${namespace}.${name}`;
    const copy = copies.get(key);
    switch (event.type) {
      case "CopyBegin":
        expect(copy).toBeUndefined();
        copies.set(key, { relation: event.relation, rows: [], again: event.again, ended: false });
        break;
      case "CopyRows":
        expect(event.relation).toBe(copy?.relation);
        expect(copy?.ended).toBe(false);
        copy!.rows.push(...event.rows);
        break;
      case "CopyEnd":
        expect(event.relation).toBe(copy?.relation);
        expect(copy?.ended).toBe(false);
        expect(event.count).toBe(copy?.rows.length);
        copy!.ended = true;
    }
  }
  return copies;
}

/** A map with the types of a server of this version. */
export function newTypeMap(server: Server): TypeMap {
  return new TypeMap({ server: server.versionNum });
}

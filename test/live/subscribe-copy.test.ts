/** The initial copy and the stream after it: together they are the tables. */
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import type { SubscribeOptions, Subscription, SubscriptionState } from "../../src/node/subscribe/index.ts";
import type { Server } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { changesOf, cut, databaseOf, dropDatabases, endOf, eventsOf, idsOf, to } from "../subscribe.ts";

afterAll(dropDatabases);

/** A consumer with tables of its own: rows by their key. A row that comes twice is an error, unless its table is copied again. */
class Replica {
  readonly tables = new Map<string, Map<unknown, Record<string, unknown>>>();

  table(name: string): Map<unknown, Record<string, unknown>> {
    const table = this.tables.get(name) ?? new Map<unknown, Record<string, unknown>>();
    this.tables.set(name, table);
    return table;
  }

  insert(name: string, row: Readonly<Record<string, unknown>>): void {
    const table = this.table(name);
    expect(table.has(row.id), `${name} ${row.id} comes twice`).toBe(false);
    table.set(row.id, { ...row });
  }

  /** Follow until a row of the table `stop` comes. */
  async follow(subscription: Subscription): Promise<void> {
    for await (const event of subscription) {
      if (event.type === "CopyBegin" && event.again) this.table(event.relation.name).clear();
      else if (event.type === "CopyRows") for (const row of event.rows) this.insert(event.relation.name, row);
      let isEnd = false;
      for (const change of await changesOf(event)) {
        if (change.type === "Insert") {
          if (change.relation.name === "stop") isEnd = true;
          else this.insert(change.relation.name, change.row);
        } else if (change.type === "Update") {
          expect(this.table(change.relation.name).delete((change.old ?? change.row).id)).toBe(true);
          this.insert(change.relation.name, change.row);
        } else if (change.type === "Delete") {
          expect(this.table(change.relation.name).delete(change.old.id)).toBe(true);
        }
      }
      subscription.confirm(event);
      if (isEnd) break;
    }
  }
}

async function rowsOf(server: Server, database: string, table: string): Promise<unknown[]> {
  const { rows } = await server.sql(`SELECT id, a FROM ${table} ORDER BY id`, { database });
  return rows.map(([id, a]) => ({ id: Number(id), a }));
}

const sorted = (table: Map<unknown, Record<string, unknown>>): unknown[] =>
  [...table.values()].sort((x, y) => Number(x.id) - Number(y.id));

/** A store in memory, with what it was given. */
function storeOf(): NonNullable<SubscribeOptions["store"]> & { state: SubscriptionState | undefined } {
  return {
    state: undefined,
    load() {
      return this.state;
    },
    save(state) {
      this.state = state;
    },
  };
}

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);
  const setup = ["CREATE TABLE u (id int PRIMARY KEY, a text)", "CREATE TABLE stop (id int)"];

  /** Writers, until the result is called. */
  function write(database: string): () => Promise<void> {
    let goesOn = true;
    const writing = (async () => {
      for (let i = 0; goesOn; i++) {
        await server.sql(
          `BEGIN; INSERT INTO t VALUES (${10_000 + i}, 'new'); UPDATE u SET a = 'now ${i}' WHERE id = ${i % 50};
            DELETE FROM t WHERE id = ${i * 7}; INSERT INTO u VALUES (${10_000 + i}, 'new'); COMMIT`,
          { database },
        );
      }
    })();
    return async () => {
      goesOn = false;
      await writing;
    };
  }

  test("copy and stream are the tables, without a gap or an overlap, while they are written", async () => {
    const database = await databaseOf(server, ...setup);
    for (const table of ["t", "u"]) {
      await server.sql(`INSERT INTO ${table} SELECT i, 'old ' || i FROM generate_series(1, 3000) i`, { database });
    }
    const stop = write(database);
    const subscription = to(server, database, { copy: { workers: 2 }, store: storeOf() });
    const replica = new Replica();
    const following = replica.follow(subscription);
    await sleep(300);
    await stop();
    await server.sql("INSERT INTO stop VALUES (1)", { database });
    await following;
    for (const table of ["t", "u"]) {
      expect(sorted(replica.table(table)), table).toEqual(await rowsOf(server, database, table));
    }
  });

  test("a copy that was broken off goes on with the tables that are missing", async () => {
    const database = await databaseOf(server, ...setup);
    for (const table of ["t", "u"]) {
      await server.sql(`INSERT INTO ${table} SELECT i, repeat('x', 1000) FROM generate_series(1, 2000) i`, {
        database,
      });
    }
    const store = storeOf();
    const options = { copy: { workers: 1 }, store, stopTimeout: 0 };
    const replica = new Replica();
    // One table, and a part of the next.
    const first = to(server, database, options);
    let ends = 0;
    let rows = 0;
    for await (const event of first) {
      if (event.type === "CopyRows") {
        for (const row of event.rows) replica.insert(event.relation.name, row);
        if (ends > 0 && event.relation.name !== "stop" && ++rows === 2) break;
      }
      first.confirm(event);
      if (event.type === "CopyEnd" && event.relation.name !== "stop") ends++;
    }
    expect(store.state?.copied.length).toBeGreaterThanOrEqual(1);
    const copied = new Set(store.state!.copied.map(({ name }) => name));
    const stop = write(database);
    const again: [string, boolean][] = [];
    const second = to(server, database, options);
    const next = eventsOf(second);
    const done = replica.follow({
      [Symbol.asyncIterator]: () => ({
        async next() {
          const event = await next();
          if (event.type === "CopyBegin") again.push([event.relation.name, event.again]);
          return { done: false, value: event };
        },
      }),
      confirm: (event: Parameters<Subscription["confirm"]>[0]) => second.confirm(event),
    } as unknown as Subscription);
    await sleep(200);
    await stop();
    await server.sql("INSERT INTO stop VALUES (1)", { database });
    await done;
    expect(again.every(([name, isAgain]) => isAgain && !copied.has(name))).toBe(true);
    for (const table of ["t", "u"]) {
      expect(sorted(replica.table(table)), table).toEqual(await rowsOf(server, database, table));
    }
  });

  test("a table whose copy is stored is not copied again, and only its newer changes come", async () => {
    const database = await databaseOf(server, ...setup);
    await server.sql("INSERT INTO t VALUES (1, 'a')", { database });
    const store = storeOf();
    const first = to(server, database, { copy: true, store, reconnect: { first: 1 } });
    const next = eventsOf(first);
    let copies = 0;
    while (copies < 3) {
      const event = await next();
      if (event.type === "CopyEnd") copies++;
      first.confirm(event);
    }
    expect(store.state?.copied.map(({ name }) => name).sort()).toEqual(["stop", "t", "u"]);
    await server.sql("INSERT INTO t VALUES (2, 'b')", { database });
    const two = await next();
    expect(await idsOf(two)).toEqual([2]);
    first.confirm(two);
    await cut(server, database);
    await server.sql("INSERT INTO t VALUES (3, 'c')", { database });
    const three = await next();
    expect(await idsOf(three)).toEqual([3]);
    first.confirm(three);
    await first.stop();
    expect(store.state?.lsn).toBeGreaterThanOrEqual(endOf(three));
    await server.sql("INSERT INTO u VALUES (4, 'd')", { database });
    const second = eventsOf(to(server, database, { copy: true, store }));
    expect(await idsOf(await second())).toEqual([4]);
  });
});

/** A server that says nothing while tables are copied: one that is dead is given up, one that is slow is waited for. */
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { type CopyTablesOptions, copyTables } from "../../src/node/subscribe/copy.ts";
import { subscribe } from "../../src/node/subscribe/index.ts";
import { type Fault, FaultProxy } from "../faults/proxy.ts";
import { collect, newDatabase, newTypeMap, opener } from "../initial-copies.ts";
import { times } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { databaseOf, dropDatabases } from "../subscribe.ts";

afterAll(dropDatabases);

/** A major waits for 25 s: short runs have the newest. */
const majors = times < 1 ? longTestMajors.slice(-1) : longTestMajors;

const faults: readonly (readonly [string, Omit<Fault, "does">])[] = [
  ["in a row", { from: "server", kind: "CopyData", after: 100, part: 0.5 }],
  ["before the end of the rows", { from: "server", kind: "CopyDone", after: 0, part: 0 }],
  ["in a command that has not arrived", { from: "client", kind: "Query", after: 3, part: 0.5 }],
  ["in an answer", { from: "server", kind: "CommandComplete", after: 4, part: 0 }],
];

describe.each(majors)("PostgreSQL %d", (major) => {
  const server = liveServer(major);

  test.each(faults)(
    "a connection that dies %s is a TIMEOUT, and the copy is tried again",
    { timeout: 60_000 },
    async (_, fault) => {
      const database = await databaseOf(
        server,
        "INSERT INTO t SELECT i, repeat('x', 200) FROM generate_series(1, 500) i",
      );
      const proxy = await FaultProxy.start(server);
      onTestFinished(() => proxy.close());
      const { port, user } = server;
      let rows = new Set<unknown>();
      const store = { load: () => undefined, save: () => {} };
      const subscription = subscribe({
        connection: { host: proxy.host, port, user, database },
        ...{ slotname: database, publications: ["p"], copy: { workers: 1 }, store },
        ...{ timeout: 1000, slotTimeout: 60_000, reconnect: { first: 10, longest: 100 } },
      });
      onTestFinished(() => subscription.stop());
      await subscription.start();
      proxy.arm({ ...fault, does: "stall" });
      for await (const event of subscription) {
        if (event.type === "CopyBegin") rows = new Set();
        if (event.type === "CopyRows") for (const row of event.rows) rows.add(row.id);
        subscription.confirm(event);
        if (event.type === "CopyEnd") break;
      }
      expect(proxy.hit).toEqual([fault.kind]);
      expect(rows.size).toBe(500);
    },
  );

  test.each([
    ["a transaction", "INSERT INTO t VALUES (1)"],
    ["a lock", "LOCK TABLE t; INSERT INTO t VALUES (1)"],
  ])("a server that waits for %s is alive", { timeout: 60_000 }, async (_, sql) => {
    const database = await newDatabase(server, ["CREATE TABLE t (id int); CREATE PUBLICATION p FOR TABLE t"]);
    const other = await server.connect({ database });
    onTestFinished(() => other.close());
    await other.query(`BEGIN; ${sql}`);
    const open = opener(server, database);
    let questions = 0;
    const counted: CopyTablesOptions["open"] = async () => {
      const connection = await open();
      const { query } = connection;
      connection.query = (text, options) => {
        if (text.includes("wait_event")) questions++;
        return query.call(connection, text, options);
      };
      return connection;
    };
    const rows = collect(
      copyTables({ open: counted, publications: ["p"], typeMap: newTypeMap(server), timeout: 2000 }),
    );
    await expect.poll(() => questions, { timeout: 40_000 }).toBe(3);
    await other.query("COMMIT");
    expect((await rows).get("public.t")?.rows).toEqual([{ id: 1 }]);
  });
});

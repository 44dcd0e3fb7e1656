/**
 * `npx tsx bench/publisher-clients.ts [TRANSACTIONS] [SERVER]`: clients of npm as subscribers of `walwire/publisher`: pg-logical-replication,
 * pgwire, postgres.js and walwire/subscribe follow one publisher at the same time. Each rebuilds the table from what it is sent, which must
 * be equal at the end; the time is that until it has the last transaction. SERVER is 14 or later: pg-logical-replication sends an option that
 * servers before do not have.
 *
 * The peers are loaded by their names, so that nobody else needs them: `npm install` in the workspace has them.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { Publisher, publisherHandlers } from "../src/node/publisher/index.ts";
import { listen } from "../src/node/server/index.ts";
import { subscribe } from "../src/node/subscribe/index.ts";
import { machine, thousands } from "./measure.ts";

const [transactions = "20000", version = "18"] = process.argv.slice(2);
const count = Number(transactions);
/** Milliseconds that a client may take. */
const LIMIT = 60_000;

type Row = readonly [id: number, name: string | null, amount: string, ok: boolean];

/** A table as a client rebuilds it. */
class Table {
  readonly rows = new Map<number, string>();
  finished: number | undefined;

  set(row: Readonly<Record<string, unknown>>): void {
    const { id, name, amount, ok } = row;
    if (id === 0) this.finished = performance.now();
    this.rows.set(Number(id), JSON.stringify([Number(id), name, String(amount), ok]));
  }

  delete(id: unknown): void {
    this.rows.delete(Number(id));
  }
}

interface Peer {
  readonly table: Table;
  stop(): Promise<unknown>;
}

// biome-ignore lint/suspicious/noExplicitAny: whoever does not run this need not have their types
type Untyped = any;
const load = (name: string): Promise<Untyped> => import(name);

/** What each client does to follow a slot of its own. */
const peers: Readonly<Record<string, (port: number) => Promise<Peer>>> = {
  async "pg-logical-replication"(port) {
    const { LogicalReplicationService, PgoutputPlugin } = await load("pg-logical-replication");
    const service = new LogicalReplicationService(
      { host: "127.0.0.1", port, user: "u", database: "d" },
      { acknowledge: { auto: true, timeoutSeconds: 1 } },
    );
    const table = new Table();
    service.on("data", (_: string, message: Untyped) => {
      if (message.tag === "insert" || message.tag === "update") table.set(message.new);
      else if (message.tag === "delete") table.delete((message.key ?? message.old).id);
    });
    service.on("error", (error: Error) => console.log(`pg-logical-replication: ${error.message}`));
    const plugin = new PgoutputPlugin({ protoVersion: 1, publicationNames: ["all"] });
    void service.subscribe(plugin, "pg_logical_replication").catch((error: Error) => {
      if (table.finished === undefined) console.log(`pg-logical-replication: ${error.message}`);
    });
    return { table, stop: () => service.stop() };
  },

  async pgwire(port) {
    const { pgconnection } = await load("pgwire");
    const client = pgconnection({ replication: "database" }, `postgres://u@127.0.0.1:${port}/d`);
    const table = new Table();
    const stream = client.logicalReplication({
      slot: "pgwire",
      options: { proto_version: 1, publication_names: "all" },
    });
    const follow = async (): Promise<void> => {
      for await (const { lastLsn, messages } of stream.pgoutputDecode()) {
        for (const message of messages) {
          if (message.tag === "insert" || message.tag === "update") table.set(message.after);
          else if (message.tag === "delete") table.delete((message.before ?? message.key).id);
        }
        stream.ack(lastLsn);
      }
    };
    const following = follow().catch((error: Error) => {
      if (table.finished === undefined) console.log(`pgwire: ${error.message}`);
    });
    return {
      table,
      async stop() {
        client.destroy();
        await following;
      },
    };
  },

  async "postgres.js"(port) {
    const { default: postgres } = await load("postgres");
    const sql = postgres({
      host: "127.0.0.1",
      port,
      user: "u",
      database: "d",
      publications: "all",
      fetch_types: false,
    });
    const table = new Table();
    await sql.subscribe("*", (row: Untyped, { command }: { command: string }) => {
      if (command === "delete") table.delete(row.id);
      else table.set(row);
    });
    return { table, stop: () => sql.end({ timeout: 1 }) };
  },

  async "walwire/subscribe"(port) {
    const table = new Table();
    const subscription = subscribe({
      connection: { host: "127.0.0.1", port, user: "u", database: "d" },
      ...{ slotname: "walwire", publications: ["all"] },
    });
    const follow = async (): Promise<void> => {
      for await (const event of subscription) {
        if (event.type !== "Transaction") continue;
        for await (const change of event.changes) {
          if (change.type === "Delete") table.delete(change.old?.["id" as never]);
          else if (change.row !== undefined) table.set(change.row as never);
        }
        subscription.confirm(event);
      }
    };
    const following = follow();
    return {
      table,
      async stop() {
        await subscription.stop();
        await following;
      },
    };
  },
};

const publisher = await Publisher.open();
const item = await publisher.table({
  name: "item",
  columns: [
    { name: "id", type: "int4", key: true },
    { name: "name", type: "text" },
    { name: "amount", type: "numeric" },
    { name: "ok", type: "bool" },
  ],
});
publisher.publication("all", { tables: "all" });
for (const slot of ["pg_logical_replication", "pgwire", "walwire"]) await publisher.createSlot(slot);
const server = await listen({
  server: version,
  handlers: publisherHandlers(publisher, { onError: (error) => console.log("publisher:", error) }),
  onError: (error) => console.log("server:", error),
});
const { port } = server.address;

const following: Record<string, Peer> = {};
for (const [name, start] of Object.entries(peers)) following[name] = await start(port!);
// postgres.js has a temporary slot of its own, from now on.
const inUse = (): string[] => publisher.slots.flatMap((slot) => (slot.activePid === undefined ? [] : slot.slotname));
for (const limit = Date.now() + LIMIT; inUse().length < 4; await sleep(10)) {
  if (Date.now() > limit) throw new Error(`only ${inUse().join(", ")} are in use`);
}

const expected = new Map<number, string>();
const rowOf = (id: number, generation: number): Row => [
  id,
  id % 7 === 0 ? null : `name ${id} \\ "é" ${generation}`,
  `${id}.${generation}0`,
  id % 2 === 0,
];
const started = performance.now();
for (let i = 1; i <= count; i++) {
  await publisher.transaction((t) => {
    const put = (row: Row) => expected.set(row[0], JSON.stringify(row));
    const row = rowOf(i, 0);
    t.insert(item, row);
    put(row);
    if (i > 10) {
      const changed = rowOf(i - 10, 1);
      t.update(item, changed);
      put(changed);
    }
    if (i % 3 === 0 && i > 30) {
      t.delete(item, { id: i - 30 });
      expected.delete(i - 30);
    }
  });
}
await publisher.transaction((t) => t.insert(item, rowOf(0, 0)));
expected.set(0, JSON.stringify(rowOf(0, 0)));
const written = performance.now();
console.log(
  `\n${thousands(count)} transactions to PostgreSQL ${version}'s walsender as walwire plays it (${machine})\n`,
);
console.log(`written in ${thousands(written - started)} ms\n`);
console.log("| client | rows equal | all after ms |\n|---|--:|--:|");
const all = [...expected].sort(([a], [b]) => a - b);
for (const [name, { table, stop }] of Object.entries(following)) {
  for (const limit = Date.now() + LIMIT; table.finished === undefined && Date.now() < limit; ) await sleep(10);
  const theirs = [...table.rows].sort(([a], [b]) => a - b);
  const wrong = all.findIndex((row, i) => JSON.stringify(row) !== JSON.stringify(theirs[i]));
  const isEqual = wrong < 0 && theirs.length === all.length;
  if (!isEqual) {
    process.exitCode = 1;
    console.log(`${name}: expected ${all[wrong]}, got ${theirs[wrong]}; ${theirs.length} of ${all.length} rows`);
  }
  const time = table.finished === undefined ? "never" : thousands(table.finished - started);
  console.log(`| ${name} | ${isEqual ? thousands(all.length) : "no"} | ${time} |`);
  await Promise.race([stop(), sleep(5000)]);
}
await server.close({ immediate: true });
await publisher.close();
process.exit();

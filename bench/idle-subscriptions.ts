/**
 * `npx tsx bench/idle-subscriptions.ts [COUNT]`: the memory of a process with many idle subscriptions, before and with them. The goal:
 * 1,000 within 300 MB. The server is another process, which has one of its own for each.
 */

import { subscribe } from "../src/node/subscribe/index.ts";
import { startServer } from "../test/servers/index.ts";
import { machine, verdict } from "./measure.ts";

const goal = 300;
const count = Number(process.argv[2] ?? 1000);
/** Subscriptions that connect at the same time. */
const atOnce = 100;

const rss = (): number => process.memoryUsage.rss() / 1e6;
const most = String(count + 100);

const server = await startServer({
  major: 18,
  settings: { max_wal_senders: most, max_replication_slots: most, max_connections: most, shared_buffers: "64MB" },
});
try {
  await server.sql("CREATE TABLE t (id int PRIMARY KEY)");
  await server.sql("CREATE PUBLICATION p FOR ALL TABLES");
  const { host, port, user } = server;
  const open = async () => {
    const subscription = subscribe({
      connection: { host, port, user, database: "postgres" },
      temporary: true,
      publications: ["p"],
    });
    await subscription.start();
    const iterator = subscription[Symbol.asyncIterator]();
    return { subscription, next: iterator.next() };
  };
  // What the first one loads is not counted.
  const all = [await open()];
  globalThis.gc?.();
  const before = rss();
  while (all.length < count) {
    const group = Array.from({ length: Math.min(atOnce, count - all.length) }, open);
    all.push(...(await Promise.all(group)));
  }
  globalThis.gc?.();
  const after = rss();
  await server.sql("INSERT INTO t VALUES (1)");
  const events = await Promise.all(all.map(({ next }) => next));
  if (events.some(({ value }) => value?.type !== "Transaction")) throw new Error("a subscription has got nothing");
  const end = rss();
  console.log(`${machine}\n`);
  console.log("| subscriptions | before | with them | after a transaction to each | goal |\n|--:|--:|--:|--:|---|");
  console.log(
    `| ${count} | ${before.toFixed(0)} MB | ${after.toFixed(0)} MB | ${end.toFixed(0)} MB | ${verdict(after, "≤", goal, "MB")} |`,
  );
  for (const [i, { subscription }] of all.entries()) subscription.confirm(events[i]!.value!);
  await Promise.all(all.map(({ subscription }) => subscription.stop()));
} finally {
  await server.stop();
}

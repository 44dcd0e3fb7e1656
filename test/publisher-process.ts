/**
 * A publisher in a process of its own, to be killed: `{ directory, port?, server? }` as JSON is its argument.
 *
 * It says `listening PORT` if it listens. Each line of standard input is an order: `run` writes one transaction after the other, saying
 * `stored N` once the Nth is; `stop` says `stopped N` after the last. An error is said as `failed CODE`.
 *
 * The Nth transaction inserts row N, updates row N - 1 and deletes row N - 3. Every fifth is prepared before, every seventh is large and
 * has rolled a savepoint back.
 */
import { createInterface } from "node:readline";
import { DirectoryStore } from "../src/node/publisher/directory-store.ts";
import { Publisher } from "../src/publisher/publisher.ts";
import type { PublisherTransaction } from "../src/publisher/transaction.ts";

/** What the process is told. */
export interface PublisherTask {
  readonly directory: string;
  readonly port?: number;
  readonly server?: number;
}

const task = JSON.parse(process.argv[2]!) as PublisherTask;
const say = (text: string) => process.stdout.write(`${text}\n`);

const store = new DirectoryStore(task.directory, { segmentSize: 50_000 });
const publisher = await Publisher.open({ store, keepRows: true, workMemory: 65_536, streamRolledBack: true });
const item = await publisher.table({
  name: "item",
  columns: [
    { name: "id", type: "int4", key: true },
    { name: "value", type: "text" },
  ],
});
publisher.publication("all", { tables: "all" });

let next = Number(publisher.mark ?? -1) + 1;

function write(t: PublisherTransaction, n: number): void {
  t.insert(item, [n, `value ${n}`]);
  if (n > 0) t.update(item, [n - 1, "updated"]);
  if (n > 2) t.delete(item, [n - 3, null]);
  if (n % 7 !== 6) return;
  for (let i = 0; i < 40; i++) {
    t.insert(item, [-1 - i, "x".repeat(2000)]);
    t.delete(item, [-1 - i, null]);
  }
  const savepoint = t.savepoint();
  t.insert(item, [-100, "undone"]);
  t.rollbackTo(savepoint);
}

let running = false;

async function run(): Promise<void> {
  running = true;
  while (running) {
    const n = next;
    const mark = String(n);
    if (n % 5 === 4) {
      const gid = `number ${n}`;
      // A process before this one may have prepared it.
      if (!publisher.prepared.some((each) => each.gid === gid)) await publisher.prepare(gid, (t) => write(t, n));
      await publisher.commitPrepared(gid, { mark });
    } else await publisher.transaction((t) => write(t, n), { mark });
    next++;
    say(`stored ${n}`);
  }
  say(`stopped ${next - 1}`);
}

const failed = (error: unknown) => say(`failed ${(error as { code?: string }).code ?? error}`);

if (task.port !== undefined) {
  const { listen } = await import("../src/node/server/index.ts");
  const { publisherHandlers } = await import("../src/node/publisher/handlers.ts");
  const handlers = publisherHandlers(publisher, { onError: failed });
  const server = await listen({ server: task.server, port: task.port, handlers });
  const { address } = server;
  say(`listening ${"port" in address ? address.port : ""}`);
} else say("open");

for await (const order of createInterface({ input: process.stdin })) {
  if (order === "run") void run().catch(failed);
  else if (order === "stop") running = false;
}
// Whoever started it is gone.
process.exit();

/**
 * A consumer of a subscription as a process of its own, which can be killed at any time.
 *
 * It writes each event to a journal, a line of JSON with fsync, before it confirms it. With the store "journal" the journal is also the
 * store: rows and position are written together, so nothing may come twice. With the store "file" the position is in a file of its own,
 * and what was not saved comes again. With the store "database" rows and position are written in a transaction of another database, as
 * docs/subscribe.md shows it, and the journal's lines too.
 */
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, truncateSync, writeSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { SpillDirectory } from "../../src/node/spill-directory.ts";
import {
  type CopiedTable,
  type SubscribeOptions,
  type SubscriptionEvent,
  type SubscriptionState,
  type SubscriptionStore,
  subscribe,
} from "../../src/node/subscribe/index.ts";
import type { JournalLine } from "./journal.ts";
import { lineOf, textOf } from "./lines.ts";

/** What the process gets as its argument, as JSON. */
export interface ConsumerTask {
  readonly options: SubscribeOptions;
  readonly directory: string;
  readonly store: "file" | "journal" | "database";
  /** The database of the store "database": tables of `targetSetup`. */
  readonly target: { readonly host: string; readonly port: number; readonly user: string; readonly database: string };
  /** Milliseconds for which an event blocks the process, at each of these events. */
  readonly blocked: Waits;
  /** Milliseconds that the handler awaits something, at each of these events. */
  readonly busy: Waits;
  /** The spill fails as a full disk does, once this many bytes are in it; 0 is no limit. */
  readonly spillLimit: number;
  /** The spill is here, on a disk that may be small. */
  readonly disk: string | undefined;
}

interface Waits {
  readonly milliseconds: number;
  readonly at: readonly number[];
}

const task = JSON.parse(process.argv[2]!) as ConsumerTask;
let target: pg.Client | undefined;
const journal = join(task.directory, "journal");
const stateFile = join(task.directory, "state");

const say = (line: object): void => void process.stdout.write(`${JSON.stringify(line)}\n`);

const stateOf = (value: { readonly lsn: string; readonly copied: readonly CopiedTable[] }): SubscriptionState => ({
  lsn: BigInt(value.lsn) as Lsn,
  copied: value.copied.map((table) => ({ ...table, lsn: BigInt(table.lsn) as Lsn })),
});

const copiedOf = (lines: readonly JournalLine[]): CopiedTable[] =>
  lines.flatMap((line) =>
    line.type === "CopyEnd"
      ? [{ relationId: line.relationId, namespace: "public", name: line.table, lsn: BigInt(line.lsn) as Lsn }]
      : [],
  );

/** Journal lines, without one that was broken off; then that is cut off. */
function linesOf(): JournalLine[] {
  if (!existsSync(journal)) return [];
  const bytes = readFileSync(journal);
  const end = bytes.lastIndexOf(10) + 1;
  if (end < bytes.length) truncateSync(journal, end);
  return bytes
    .toString("utf8", 0, end)
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as JournalLine);
}

const file = (() => {
  linesOf();
  return openSync(journal, "a");
})();

function append(line: JournalLine): void {
  writeSync(file, `${textOf(line)}\n`);
  fsyncSync(file);
}

const stores: Readonly<Record<ConsumerTask["store"], SubscriptionStore>> = {
  file: {
    load: () => (existsSync(stateFile) ? stateOf(JSON.parse(readFileSync(stateFile, "utf8"))) : undefined),
    save(state) {
      const next = openSync(`${stateFile}.new`, "w");
      writeSync(next, textOf(state));
      fsyncSync(next);
      closeSync(next);
      renameSync(`${stateFile}.new`, stateFile);
    },
  },
  journal: {
    load() {
      const lines = linesOf();
      let lsn = 0n;
      for (const line of lines) if ("endLsn" in line) lsn = BigInt(line.endLsn);
      const copied = copiedOf(lines);
      return lsn === 0n && copied.length === 0 ? undefined : { lsn: lsn as Lsn, copied };
    },
  },
  database: {
    async load() {
      const ends = await target!.query(`SELECT line FROM events WHERE line LIKE '{"type":"CopyEnd"%' ORDER BY n`);
      const copied = copiedOf(ends.rows.map(({ line }) => JSON.parse(line)));
      const { rows } = await target!.query("SELECT lsn FROM position");
      const lsn = rows.length === 0 ? (0n as Lsn) : parseLsn(rows[0].lsn);
      return lsn === 0n && copied.length === 0 ? undefined : { lsn, copied };
    },
  },
};

/** Store an event in a transaction with the position. */
async function storeInDatabase(event: SubscriptionEvent, line: JournalLine): Promise<void> {
  const query = (sql: string, values: unknown[] = []) => target!.query(sql, values);
  await query("BEGIN");
  if (event.type === "CopyBegin" && event.again && event.relation.name === "ledger") await query("DELETE FROM ledger");
  if (event.type === "CopyRows" && event.relation.name === "ledger") {
    for (const row of event.rows) await query("INSERT INTO ledger VALUES ($1, $2)", [row.id, row.a]);
  }
  if (event.type === "Transaction") {
    for await (const change of event.changes) {
      const { type, row, old } = change;
      if (type === "Truncate" || change.relation?.name !== "ledger") continue;
      const gone = old ?? (type === "Update" ? row : undefined);
      if (gone) await query("DELETE FROM ledger WHERE id = $1", [gone.id]);
      if (row) await query("INSERT INTO ledger VALUES ($1, $2)", [row.id, row.a]);
    }
  }
  await query("INSERT INTO events (line) VALUES ($1)", [textOf(line)]);
  if ("endLsn" in event) {
    await query("DELETE FROM position");
    await query("INSERT INTO position VALUES ($1)", [formatLsn(event.endLsn)]);
  }
  await query("COMMIT");
}

/** A disk that is full at some point. */
function spillOf(limit: number): SubscribeOptions["spill"] {
  if (limit === 0) return undefined;
  const chunks = new Map<string, Uint8Array>();
  let bytes = 0;
  return {
    async set(key, chunk) {
      bytes += chunk.length;
      if (bytes > limit) throw Object.assign(new Error("ENOSPC: no space left on device, write"), { code: "ENOSPC" });
      chunks.set(key, new Uint8Array(chunk));
    },
    async get(key) {
      return chunks.get(key);
    },
    async delete(key) {
      bytes -= chunks.get(key)?.length ?? 0;
      chunks.delete(key);
    },
  };
}

const spill = task.disk === undefined ? spillOf(task.spillLimit) : await SpillDirectory.create(task.disk);
const subscription = subscribe({
  ...task.options,
  store: stores[task.store],
  ...(spill === undefined ? {} : { spill }),
});
// Nobody is there any more.
process.stdin.on("end", () => process.exit(1)).resume();
process.stdin.unref();
process.on("SIGTERM", () => void subscription.stop());
let memory = 0;
const watch = setInterval(() => {
  const { memory: receiving, pending } = subscription.status();
  memory = Math.max(memory, receiving + pending.bytes);
}, 20);
try {
  if (task.store === "database") {
    target = new pg.Client(task.target);
    // The query that is under way rejects.
    target.on("error", () => {});
    await target.connect();
  }
  const start = { type: "Start", lsn: `${(await stores[task.store].load())?.lsn ?? 0n}` } as const;
  if (target === undefined) append(start);
  else await target.query("INSERT INTO events (line) VALUES ($1)", [textOf(start)]);
  await subscription.start();
  say({ said: "started" });
  let events = 0;
  for await (const event of subscription) {
    const line = await lineOf(event);
    if (target === undefined) append(line);
    else await storeInDatabase(event, line);
    if (task.busy.at.includes(events)) await sleep(task.busy.milliseconds);
    if (task.blocked.at.includes(events++)) {
      // The process does nothing at all, and then the handler waits.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, task.blocked.milliseconds);
      await sleep(task.blocked.milliseconds);
      say({ said: "blocked" });
    }
    subscription.confirm(event);
  }
} catch (error) {
  const { name, code, message, sqlstate, cause } = error as Error & Record<"code" | "sqlstate", string | undefined>;
  say({ said: "failed", name, code, message, sqlstate, cause: String(cause) });
  process.exitCode = 1;
}
clearInterval(watch);
await target?.end().catch(() => {});
const { reconnects } = subscription.status();
// The most there was; that of resourceUsage may be the parent's, from before the program was loaded.
const peak = /^VmHWM:\s*(\d+) kB/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
say({ said: "ended", memory, reconnects, resident: Number(peak) * 1024 });

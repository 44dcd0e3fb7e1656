/**
 * `npm run faults:publisher -- [--rounds N] [--seed S] [--majors 10,18] [--only "store full"] [--parallel N] [--minutes N]`: a publisher in a
 * process of its own, and a subscription of PostgreSQL to it through the proxy, while one of them is killed, the store is full, or the
 * connection is cut; every third round has two faults.
 *
 * After each round the subscriber has every transaction that was acknowledged, once and in order: a trigger notes what is applied. Through
 * the proxy nothing comes that was confirmed before. The rounds of a major share the publisher and the subscription.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { parseArgs } from "node:util";
import { supports } from "../../src/capabilities.ts";
import { parseCommand } from "../../src/command/parse.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { formatLsn } from "../../src/kernel/lsn.ts";
import { type PassingMessage, type ProxyAction, startProxy } from "../../src/node/proxy/index.ts";
import { bundlePublisher, Child } from "../publisher-child.ts";
import { majors, type OwnServer, startServer } from "../servers/index.ts";
import { Random } from "./random.ts";
import { again, crash, killPostmaster } from "./round.ts";

const faults = [
  "kill publisher",
  "kill subscriber",
  "kill postmaster",
  "kill both",
  "terminate worker",
  "store full",
  "cut message",
] as const;
type Fault = (typeof faults)[number];

/** Milliseconds until the subscriber must have everything. */
const DELIVERY = 120_000;
/** The files of the log are of 50,000 bytes and one transaction, of which the largest has 80,000: kilobytes that some do not get. */
const [SMALLEST, LARGEST] = [55, 120];

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    majors: { type: "string", default: majors.join(",") },
    only: { type: "string" },
    parallel: { type: "string", default: "2" },
    minutes: { type: "string", default: "Infinity" },
  },
});
const wanted = values.majors.split(",").map(Number);
const seed = Number(values.seed);
const chosen = faults.filter((fault) => values.only === undefined || values.only === fault);
if (chosen.length === 0) throw new Error(`--only: expected one of ${faults.join(", ")}`);

const folder = mkdtempSync(join(tmpdir(), "walwire-publisher-faults-"));
const program = join(folder, "publisher-process.mjs");
await bundlePublisher(program);

const counts = new Map<string, number>();
const totals = { rounds: 0, failed: 0, transactions: 0, starts: 0, full: 0, cuts: 0, messages: 0 };

/** The position of a transaction in the message that says where it ends, or before. */
function positionOf({ change }: PassingMessage): bigint | undefined {
  switch (change?.type) {
    case "Begin":
      return change.finalLsn;
    case "BeginPrepare":
    case "StreamPrepare":
      return change.prepareLsn;
    case "StreamCommit":
    case "CommitPrepared":
      return change.commitLsn;
    default:
      return undefined;
  }
}

/** What passes: what a subscription has confirmed, and that nothing of it comes again. */
class Watch {
  problem: string | undefined;
  /** Cut the connection in the message of this number from now on, after this share of it. */
  cut: { left: number; readonly part: number } | undefined;
  #slot = new Map<number, string>();
  #confirmed = new Map<string, bigint>();

  see(message: PassingMessage): ProxyAction | undefined {
    const { connection, from, message: decoded, payload, mismatch } = message;
    if (mismatch !== undefined) this.problem ??= `a byte of ${message.types.join(" ")} would have changed`;
    if (decoded?.type === "Query" && decoded.query.startsWith("START_REPLICATION")) {
      const command = parseCommand(decoded.query, { database: true });
      if (command.type === "StartReplicationCmd") this.#slot.set(connection, command.slotname!);
    }
    const slot = this.#slot.get(connection);
    if (slot === undefined) return undefined;
    const confirmed = this.#confirmed.get(slot) ?? 0n;
    if (payload?.type === "StandbyStatusUpdate" && payload.flush > confirmed) this.#confirmed.set(slot, payload.flush);
    const position = positionOf(message);
    if (position === undefined) return undefined;
    totals.messages++;
    if (position < confirmed) {
      this.problem ??= `${message.types.at(-1)} of ${formatLsn(position as never)} came after ${formatLsn(confirmed as never)} was confirmed`;
    }
    if (from !== "server" || this.cut === undefined || this.cut.left-- > 0) return undefined;
    const after = Math.floor(this.cut.part * message.bytes.length);
    this.cut = undefined;
    totals.cuts++;
    return { type: "cut", after };
  }
}

/** All options that a server of this version has: each kind of stream in one. */
function options(version: number): string {
  const streaming = supports(version, "parallelStreaming") ? "parallel" : "on";
  return [
    // Else a new worker reports as flushed what the one before has applied and not flushed, and loses it if the server crashes then.
    "synchronous_commit = on",
    ...(supports(version, "pgoutputBinary") ? ["binary = true"] : []),
    ...(supports(version, "streamingOfTransactions") ? [`streaming = ${streaming}`] : []),
    ...(supports(version, "twoPhaseOption") ? ["two_phase = true"] : []),
  ].join(", ");
}

/** A publisher, and a subscription to it. */
class Pair {
  readonly #server: OwnServer;
  readonly #directory: string;
  readonly #random: Random;
  readonly #watch = new Watch();
  #proxy: Awaited<ReturnType<typeof startProxy>> | undefined;
  #child!: Child;
  #port = 0;
  /** The last transaction that the subscriber is known to have, and where the notes of it end. */
  #last = -1;
  #noted = 0;

  constructor(server: OwnServer, directory: string, random: Random) {
    this.#server = server;
    this.#directory = directory;
    this.#random = random;
  }

  async begin(): Promise<void> {
    await this.#start();
    this.#proxy = await startProxy({
      to: { port: this.#port },
      onMessage: (message) => {
        try {
          return this.#watch.see(message);
        } catch (error) {
          if (!(error instanceof WalwireError)) throw error;
          this.#watch.problem ??= error.message;
          return undefined;
        }
      },
    });
    this.#child.order("run");
    await this.#child.writes(10);
    const server = this.#server;
    for (const text of [
      "CREATE TABLE item (id int PRIMARY KEY, value text)",
      "CREATE TABLE noted (at bigserial, id int)",
      `CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN IF new.id >= 0 THEN INSERT INTO public.noted (id) VALUES (new.id); END IF; RETURN NULL; END'`,
      "CREATE TRIGGER note AFTER INSERT ON item FOR EACH ROW EXECUTE PROCEDURE note()",
      "ALTER TABLE item ENABLE ALWAYS TRIGGER note",
      `CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=${(this.#proxy.address as { port: number }).port} user=u dbname=d'
        PUBLICATION "all" WITH (${options(server.versionNum)})`,
    ]) {
      await server.sql(text);
    }
    await this.#until(async () => {
      const { rows } = await server.sql("SELECT count(*), bool_and(srsubstate = 'r') FROM pg_subscription_rel");
      return rows[0]![0] === "1" && rows[0]![1] === "t";
    }, "the table is not copied");
    await this.#settle(true);
  }

  async round(names: readonly Fault[]): Promise<void> {
    this.#child.order("run");
    for (const name of names) {
      await this.#child.writes(1 + this.#random.below(30));
      await this.#inject(name);
    }
    await this.#child.writes(1 + this.#random.below(20));
    await this.#settle(false);
  }

  async end(): Promise<void> {
    await this.#child?.kill();
    await this.#proxy?.close();
  }

  async #start(limit?: number): Promise<void> {
    totals.starts++;
    const task = { directory: this.#directory, port: this.#port, server: this.#server.versionNum };
    this.#child = new Child(program, task, limit);
    const said = await this.#child.until((line) => line.startsWith("listening"));
    if (said === undefined) throw new Error("the publisher does not start");
    this.#port = Number(said.split(" ")[1]);
  }

  async #restart(limit?: number): Promise<void> {
    const { stored } = this.#child;
    await this.#start(limit);
    if (stored >= 0) this.#acknowledged = Math.max(this.#acknowledged, stored);
    this.#child.order("run");
  }

  /** The last transaction that a publisher which is gone has acknowledged. */
  #acknowledged = -1;

  async #inject(name: Fault): Promise<void> {
    const server = this.#server;
    switch (name) {
      case "kill publisher":
        await this.#child.kill();
        return this.#restart();
      case "kill subscriber":
        return crash(server, "postgres");
      case "kill postmaster":
        return killPostmaster(server);
      case "kill both":
        await Promise.all([this.#child.kill(), killPostmaster(server)]);
        return this.#restart();
      case "terminate worker":
        await again(() =>
          server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_subscription WHERE pid IS NOT NULL"),
        );
        return;
      case "store full": {
        await this.#child.kill();
        await this.#restart(SMALLEST + this.#random.below(LARGEST - SMALLEST));
        // Some limits no file reaches.
        let lines = 0;
        const failed = await this.#child.until((line) => line.startsWith("failed") || ++lines === 60);
        if (failed === "failed FILE_SYSTEM") totals.full++;
        else if (failed?.startsWith("failed") !== false) throw new Error(`the publisher said ${failed}`);
        await this.#child.kill();
        return this.#restart();
      }
      case "cut message":
        this.#watch.cut = { left: this.#random.below(10), part: this.#random.next() };
        return;
    }
  }

  /** Write no more, wait until the subscriber has everything, and judge. */
  async #settle(isFirst: boolean): Promise<void> {
    this.#child.order("stop");
    const said = await this.#child.until((line) => /^(?:stopped|failed)/.test(line));
    const last = Number(/^stopped (\d+)$/.exec(said ?? "")?.[1] ?? Number.NaN);
    if (Number.isNaN(last)) throw new Error(`the publisher said ${said}`);
    if (last < this.#acknowledged) throw new Error(`the publisher has lost ${last + 1} to ${this.#acknowledged}`);
    const rows = async (text: string) => (await again(() => this.#server.sql(text))).rows;
    await this.#until(
      async () => (await rows(`SELECT 1 FROM item WHERE id = ${last}`)).length > 0,
      `transaction ${last} has not come`,
    );
    const expected = [last - 2, last - 1, last]
      .filter((id) => id >= 0)
      .map((id) => `${id} ${id === last ? `value ${id}` : "updated"}`);
    const items = (await rows("SELECT id, value FROM item ORDER BY id")).map((row) => row.join(" "));
    if (items.join() !== expected.join()) throw new Error(`the table has ${items.join(", ")}`);
    const noted = await rows(`SELECT at, id FROM noted WHERE at > ${this.#noted} ORDER BY at`);
    if (!isFirst) {
      const ids = noted.map(([, id]) => Number(id));
      const wrong = ids.findIndex((id, i) => id !== this.#last + 1 + i);
      if (wrong >= 0) throw new Error(`after ${ids[wrong - 1] ?? this.#last} came ${ids[wrong]}`);
      if (ids.length !== last - this.#last)
        throw new Error(`${ids.length} transactions came, and ${last - this.#last} were stored`);
      totals.transactions += ids.length;
    }
    if (this.#watch.problem !== undefined) throw new Error(this.#watch.problem);
    this.#last = last;
    this.#noted = Number(noted.at(-1)?.[0] ?? this.#noted);
  }

  async #until(isSo: () => Promise<boolean>, otherwise: string): Promise<void> {
    for (const limit = Date.now() + DELIVERY; !(await again(isSo)); await sleep(20)) {
      if (Date.now() > limit) throw new Error(otherwise);
    }
  }
}

const limit = Date.now() + Number(values.minutes) * 60_000;

/** The rounds of one major. After one that fails there is nothing to go on from. */
async function roundsOf(index: number): Promise<void> {
  const major = wanted[index]!;
  const settings = {
    wal_retrieve_retry_interval: "100",
    max_logical_replication_workers: "8",
    restart_after_crash: "on",
  };
  const server = await startServer({ major, settings, restarts: true });
  const random = new Random(seed + major);
  const pair = new Pair(server, join(folder, `${major}`), random);
  try {
    await pair.begin();
    for (let i = index; i < Number(values.rounds) && Date.now() < limit; i += wanted.length) {
      const turn = Math.floor(i / wanted.length);
      const names = [chosen[(turn + index) % chosen.length]!];
      if (turn % 3 === 2 && values.only === undefined) names.push(random.pick(faults));
      for (const name of names) counts.set(`${major} ${name}`, (counts.get(`${major} ${name}`) ?? 0) + 1);
      totals.rounds++;
      try {
        await pair.round(names);
      } catch (error) {
        throw new Error(`round ${i}, ${names.join(" and ")}: ${(error as Error).message}`, { cause: error });
      }
    }
  } catch (error) {
    totals.failed++;
    console.log(`PostgreSQL ${major}, seed ${seed}: ${(error as Error).message}`);
  } finally {
    await pair.end();
    await server.stop();
  }
}

try {
  const left = wanted.keys();
  const worker = async (): Promise<void> => {
    for (const index of left) await roundsOf(index);
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, worker));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
for (const fault of chosen) {
  console.log(fault.padEnd(18), wanted.map((major) => `${major}: ${counts.get(`${major} ${fault}`) ?? 0}`).join("  "));
}
console.log(`seed ${seed}, ${totals.rounds} rounds, ${totals.failed} failed`, JSON.stringify(totals));
process.exitCode = totals.failed === 0 ? 0 : 1;

/** A round: writers, a consumer in a process of its own, faults, and the judgement. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { type LogicalCapability, logicalCapabilities } from "../../src/logical/capabilities.ts";
import type { OwnServer } from "../servers/index.ts";
import type { ConsumerTask } from "./consumer.ts";
import { canMount, onDisk } from "./disk.ts";
import { compare, Judgement, replay, type Sample } from "./journal.ts";
import { type Fault, FaultProxy } from "./proxy.ts";
import { Random } from "./random.ts";
import { END, StoredInDatabase, StoredInFile, targetSetup } from "./stored.ts";
import { finishPrepared, setup, tables, Writers } from "./writers.ts";

/** What can happen in a round. */
export const faults = [
  "none",
  "kill consumer",
  "stop consumer",
  "block consumer",
  "busy consumer",
  "crash server",
  "kill postmaster",
  "terminate walsender",
  "cut connection",
  "cut message",
  "half-open",
  "slow bytes",
  "full disk",
] as const;

export type FaultName = (typeof faults)[number];

const throughProxy: readonly FaultName[] = ["cut connection", "cut message", "half-open", "slow bytes"];

/** The settings of the servers: faults must be noticed soon, and transactions be large early. */
export const serverSettings: Readonly<Record<string, string>> = {
  wal_sender_timeout: "1000",
  restart_after_crash: "on",
  max_wal_size: "64MB",
};

/** Bytes that a consumer may take altogether, of which Node itself takes most. */
const RESIDENT = 180 * 1024 * 1024;
/** Bytes for the transactions of a subscription. */
const MEMORY = 512 * 1024;
/** Beyond it: one message, and what an event takes besides its changes. */
const BEYOND = 128 * 1024;
/** Milliseconds until everything must have been delivered. */
const DELIVERY = 40_000;

/** Messages at which a fault of the proxy aims, one after the other. */
const AIMS = 3;
/** Milliseconds that each of them is waited for. */
const AIM = 1500;

export interface RoundOptions {
  readonly server: OwnServer;
  readonly seed: number;
  readonly faults: readonly FaultName[];
  /** The consumer as JavaScript: `bundleConsumer`. */
  readonly consumer: string;
  /** Milliseconds of writing. */
  readonly duration: number;
  /** How the consumer stores. Default: it depends on the seed. */
  readonly store?: ConsumerTask["store"];
}

/** What a round had in it. */
export interface RoundResult {
  readonly configuration: string;
  readonly transactions: number;
  readonly changes: number;
  readonly repeated: number;
  readonly starts: number;
  readonly reconnects: number;
  /** Bytes. */
  readonly resident: number;
  /** Bytes. */
  readonly memory: number;
  readonly samples: number;
  /** Kinds of messages at which faults of the proxy aimed, with what was done, and whether one came. */
  readonly aims: readonly Aim[];
  /** How often the disk was full. */
  readonly full: number;
}

export interface Aim {
  readonly does: string;
  readonly kind: string;
  readonly hit: boolean;
}

/** The consumer in one file. @returns its path, and what removes it */
export async function bundleConsumer(): Promise<{ readonly path: string; remove(): void }> {
  const root = fileURLToPath(new URL("../../", import.meta.url));
  const folder = mkdtempSync(join(root, "node_modules/.walwire-faults-"));
  const path = join(folder, "consumer.mjs");
  await build({
    entryPoints: [join(root, "test/faults/consumer.ts")],
    ...{ outfile: path, bundle: true, platform: "node", format: "esm", packages: "external", logLevel: "error" },
  });
  return { path, remove: () => rmSync(folder, { recursive: true, force: true }) };
}

/** No event. */
const NEVER = { milliseconds: 0, at: [] };

interface Said {
  readonly said: "started" | "blocked" | "failed" | "ended";
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly sqlstate?: string;
  readonly memory?: number;
  readonly reconnects?: number;
  readonly resident?: number;
}

/** Keeps a consumer running: one that was killed, or that failed for a reason that passes, is started again. */
class Supervisor {
  starts = 0;
  reconnects = 0;
  memory = 0;
  resident = 0;
  full = 0;
  failure: string | undefined;
  child: ChildProcess | undefined;
  readonly #path: string;
  readonly #task: ConsumerTask;
  #isEnding = false;
  #started: () => void = () => {};
  readonly started = new Promise<void>((resolve) => {
    this.#started = resolve;
  });
  #over: Promise<void> = Promise.resolve();
  #spillLimit: number;

  constructor(path: string, task: ConsumerTask) {
    this.#path = path;
    this.#task = task;
    this.#spillLimit = task.spillLimit;
    this.#start();
  }

  #start(): void {
    this.starts++;
    // A disk has room again after it was full once.
    const task = {
      ...this.#task,
      spillLimit: this.#spillLimit,
      ...(this.starts > 1 && { blocked: NEVER, busy: NEVER }),
    };
    const program = [process.execPath, this.#path, JSON.stringify(task)];
    const [command, ...args] = task.disk === undefined ? program : onDisk(task.disk, this.#spillLimit, program);
    const child = spawn(command!, args, { stdio: ["pipe", "pipe", "pipe"] });
    this.child = child;
    let failed: Said | undefined;
    let errors = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      errors = (errors + text).slice(-2000);
    });
    createInterface(child.stdout).on("line", (line) => {
      const said = JSON.parse(line) as Said;
      if (said.said === "started") this.#started();
      if (said.said === "failed") failed = said;
      if (said.said === "ended") {
        this.reconnects += said.reconnects ?? 0;
        this.memory = Math.max(this.memory, said.memory ?? 0);
        this.resident = Math.max(this.resident, said.resident ?? 0);
      }
    });
    this.#over = new Promise((resolve) => {
      child.on("close", (code, signal) => {
        this.child = undefined;
        if (errors !== "") this.failure ??= `the consumer said ${errors}`;
        if (failed !== undefined && !this.#passes(failed)) this.failure ??= JSON.stringify(failed);
        else if (code !== 0 && failed === undefined && signal !== "SIGKILL")
          this.failure ??= `the consumer ended with ${code ?? signal}`;
        resolve();
        if (!this.#isEnding && this.failure === undefined) setTimeout(() => this.#isEnding || this.#start(), 30);
      });
    });
  }

  /** Whether it is worth another start. */
  #passes({ name, code, sqlstate, message }: Said): boolean {
    // The database of its store has crashed: an error of pg's.
    if (this.#task.store === "database" && /^57|^ECONN|^ENOENT|^EPIPE/.test(code ?? "")) return true;
    if (
      this.#task.store === "database" &&
      /^Connection terminated|^Client has encountered a connection error/.test(message ?? "")
    )
      return true;
    if (message?.startsWith("ENOSPC") && this.#spillLimit > 0) {
      this.#spillLimit = 0;
      this.full++;
      return true;
    }
    return (name === "ConnectionError" && code !== "AUTHENTICATION") || sqlstate?.startsWith("57") === true;
  }

  /** Stop it in order. */
  async stop(): Promise<void> {
    this.#isEnding = true;
    this.child?.kill("SIGCONT");
    this.child?.kill("SIGTERM");
    await Promise.race([this.#over, sleep(15_000)]);
    if (this.child !== undefined) {
      this.child.kill("SIGKILL");
      this.failure ??= "the consumer does not stop";
      await this.#over;
    }
  }
}

let rounds = 0;

/** Run a round. @throws Judgement, which says what is wrong */
export async function runRound({
  server,
  seed,
  faults,
  consumer,
  duration,
  ...given
}: RoundOptions): Promise<RoundResult> {
  const random = new Random(seed);
  const supports = (name: LogicalCapability) => logicalCapabilities.supports(server.versionNum, name);
  const database = `faults_${process.pid}_${++rounds}`;
  const target = `${database}_target`;
  const copy = random.chance(0.4);
  const twoPhase = supports("twoPhaseOption") && random.chance(0.4);
  const { store = random.pick(["journal", "file", "database"] as const) } = given;
  const prepared = twoPhase && (copy || store === "database" || random.chance(0.5)) ? "hold" : "emit";
  const ways = (["off", "on", "parallel"] as const).filter(
    (way) => way === "off" || supports(way === "on" ? "streamingOfTransactions" : "parallelStreaming"),
  );
  const streaming = random.pick(ways);
  const binary = supports("pgoutputBinary") && random.chance(0.3);
  const messages = supports("logicalMessages") && random.chance(0.3);
  const truncates = supports("publishTruncate");
  const kinds = kindsOf({ twoPhase, streaming, messages, truncates });
  const configuration = `seed ${seed}, ${faults.join(" + ")}, store ${store}${copy ? ", copy" : ""}${twoPhase ? `, twoPhase ${prepared}` : ""}, streaming ${streaming}${binary ? ", binary" : ""}${messages ? ", messages" : ""}`;
  const run = (sql: string) => server.sql(sql, { database });
  const disk = faults.includes("full disk") && canMount();
  const directory = mkdtempSync(join(tmpdir(), "walwire-faults-"));
  await again(() => server.sql(`CREATE DATABASE ${database}`));
  const proxy = await FaultProxy.start(server);
  const samples: Sample[] = [];
  const aims: Aim[] = [];
  let supervisor: Supervisor | undefined;
  let writers: Writers | undefined;
  let isOver = false;
  let watching: Promise<void> | undefined;
  try {
    for (const sql of setup) await run(sql);
    for (const table of ["plain", "whole", "wide"]) {
      if (copy) await run(`INSERT INTO ${table} SELECT i, repeat('y', 300), 0 FROM generate_series(0, 600) i`);
    }
    await run("CREATE PUBLICATION p FOR ALL TABLES");
    // From 13 on: large transactions are streamed, or spilled by the server, early.
    await run(
      `DO $$ BEGIN IF current_setting('server_version_num')::int >= 130000 THEN EXECUTE 'ALTER DATABASE ${database} SET logical_decoding_work_mem = 64'; END IF; END $$`,
    );
    if (store === "database") {
      await server.sql(`CREATE DATABASE ${target}`);
      for (const sql of targetSetup) await server.sql(sql, { database: target });
    }
    const stored =
      store === "database" ? new StoredInDatabase(server, target) : new StoredInFile(directory, store === "file");
    let first: bigint | undefined;
    const watch = async (): Promise<void> => {
      while (!isOver) {
        try {
          const { rows } = await server.sql(
            `SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '${database}'`,
          );
          const confirmed = rows[0]?.[0] == null ? undefined : parseLsn(rows[0][0]);
          if (confirmed !== undefined) {
            first ??= confirmed;
            samples.push({ confirmed, length: stored.length() });
            if (store !== "journal" && confirmed > first) {
              const position = await stored.position();
              if (position === undefined || position < confirmed) {
                problem ??= `the server was told ${confirmed}, and the store has ${position}`;
              }
            }
          }
        } catch {
          // It has crashed.
        }
        await sleep(15);
      }
    };
    let problem: string | undefined;
    const { host } = proxy;
    const { port, user } = server;
    const write = () => {
      writers = new Writers({
        server,
        database,
        random,
        writers: 3,
        prepares: twoPhase,
        ...{ truncates, messages },
      });
    };
    supervisor = new Supervisor(consumer, {
      options: {
        connection: { host, port, user, database },
        ...{ slotname: database, publications: ["p"], streaming, binary, twoPhase, prepared, messages },
        copy: copy && { workers: 2 },
        // So small that every large transaction needs the spill.
        memoryLimit: faults.includes("full disk") ? 128 * 1024 : MEMORY,
        reconnect: { first: 10, longest: 200 },
        ...{ timeout: 1200, stopTimeout: 5000, slotTimeout: 15_000, progressInterval: 100 },
      },
      directory,
      store,
      target: { host: server.host, port, user, database: target },
      blocked: faults.includes("block consumer") ? { milliseconds: 1300, at: [2 + random.below(10)] } : NEVER,
      // More than three times wal_sender_timeout.
      busy: faults.includes("busy consumer") ? { milliseconds: 3500, at: [2 + random.below(10)] } : NEVER,
      spillLimit: faults.includes("full disk") ? 8192 + random.below(60_000) : 0,
      disk: disk ? mkdtempSync(join(directory, "disk-")) : undefined,
    });
    watching = watch();
    if (copy) write();
    const scene = { server, database, proxy, supervisor, random, kinds, aims };
    const begins = copy && throughProxy.includes(faults[0]!);
    if (!begins) await Promise.race([supervisor.started, sleep(DELIVERY)]);
    if (!copy) write();
    for (const [i, fault] of faults.entries()) {
      if (!begins || i > 0) await sleep(random.below(duration / 2));
      await inject(fault, { ...scene, copies: begins && i === 0 });
    }
    await sleep(duration / 2);
    await writers?.stop();
    proxy.arm(undefined);
    await again(() => finishPrepared(server, database));
    const limit = Date.now() + DELIVERY;
    const until = async (isSo: () => Promise<boolean>): Promise<void> => {
      while (supervisor!.failure === undefined && problem === undefined) {
        if (await again(isSo)) return;
        if (Date.now() > limit) throw new Judgement("not everything was delivered");
        await sleep(30);
      }
    };
    // The row that ends the round must come in the stream, not in the copy.
    if (copy) await until(async () => (await stored.copied()) >= tables.length);
    await again(() => run(END));
    await until(() => stored.isOver());
    await supervisor.stop();
    isOver = true;
    await watching;
    if (supervisor.failure !== undefined) throw new Judgement(supervisor.failure);
    if (problem !== undefined) throw new Judgement(problem);
    const { tables: rebuilt, ...counts } = replay(await stored.lines(), store !== "file", samples);
    for (const table of tables) {
      const { columns, rows } = await run(`SELECT * FROM ${table}`);
      compare(table, rebuilt.get(table), columns, rows);
    }
    if (store === "database") {
      const { columns, rows } = await server.sql("SELECT * FROM ledger", { database: target });
      compare("the target's ledger", rebuilt.get("ledger"), columns, rows);
    }
    const { starts, reconnects, resident, memory } = supervisor;
    if (faults.every((fault) => fault === "busy consumer" || fault === "none") && reconnects > 0) {
      throw new Judgement(`${reconnects} connections were lost, though the server has heard of the consumer`);
    }
    if (memory > MEMORY + BEYOND) throw new Judgement(`transactions took ${memory} bytes of memory`);
    if (resident > RESIDENT) throw new Judgement(`the consumer took ${resident} bytes`);
    return {
      configuration,
      ...counts,
      starts,
      reconnects,
      resident,
      memory,
      samples: samples.length,
      aims,
      full: supervisor.full,
    };
  } catch (error) {
    if (process.env.WALWIRE_KEEP !== undefined) {
      cpSync(directory, join(process.env.WALWIRE_KEEP, `${seed}`), { recursive: true });
    }
    throw new Judgement(`${configuration}: ${(error as Error).message}`, { cause: error });
  } finally {
    isOver = true;
    await writers?.stop();
    await supervisor?.stop();
    await watching;
    await proxy.close();
    rmSync(directory, { recursive: true, force: true });
    await drop(server, database);
    await drop(server, target);
  }
}

/** The kinds of messages that come in a round, as the proxy names them. */
function kindsOf(has: Readonly<Record<"twoPhase" | "messages" | "truncates", boolean>> & { streaming: string }) {
  const isStreamed = has.streaming !== "off";
  return [
    ...["Begin", "Commit", "Insert", "Update", "Delete", "Relation", "Type", "Keepalive", "StandbyStatusUpdate"],
    ...(has.truncates ? ["Truncate"] : []),
    ...(has.messages ? ["Message"] : []),
    ...(isStreamed ? ["StreamStart", "StreamStop", "StreamCommit", "StreamAbort"] : []),
    ...(has.twoPhase ? ["BeginPrepare", "Prepare", "CommitPrepared", "RollbackPrepared"] : []),
    ...(has.twoPhase && isStreamed ? ["StreamPrepare"] : []),
    ...BEGINNING,
  ];
}

/** Of the login and the questions; of the start of the stream. */
const BEGINNING = [
  ...["Query", "Authentication", "ReadyForQuery", "RowDescription", "DataRow", "CommandComplete", "CopyBothResponse"],
];

/** Those of an initial copy: the questions and answers, the response to COPY, its rows, and its end. */
const COPY_KINDS = [
  ...["Query", "RowDescription", "DataRow", "CommandComplete", "CopyOutResponse"],
  ...["CopyData", "CopyData", "CopyData", "CopyDone"],
];

/** Kinds of which there are many. */
const common = new Set(["Keepalive", "Begin", "Commit", "Insert", "Update", "Delete", "Relation"]);

interface Scene {
  readonly server: OwnServer;
  readonly database: string;
  readonly proxy: FaultProxy;
  readonly supervisor: Supervisor;
  readonly random: Random;
  readonly kinds: readonly string[];
  readonly aims: Aim[];
  /** Tables are copied first: faults of the proxy begin there. */
  readonly copies: boolean;
}

async function inject(fault: FaultName, scene: Scene): Promise<void> {
  const { server, database, supervisor } = scene;
  switch (fault) {
    case "kill consumer": {
      const { child } = supervisor;
      if (child === undefined) return;
      const gone = once(child, "close");
      child.kill("SIGKILL");
      await gone;
      return;
    }
    case "stop consumer": {
      const { child } = supervisor;
      child?.kill("SIGSTOP");
      // Longer than wal_sender_timeout.
      await sleep(1300);
      child?.kill("SIGCONT");
      return;
    }
    case "crash server":
      return crash(server, database);
    case "kill postmaster":
      return killPostmaster(server);
    case "terminate walsender":
      await again(() => server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_replication"));
      return;
    case "cut connection":
      return aim({ does: "cut", part: () => 1 }, scene);
    case "cut message":
      return aim({ does: "cut", part: () => scene.random.next() }, scene);
    case "half-open":
      return aim({ does: "stall", part: () => scene.random.next() }, scene);
    case "slow bytes":
      return aim({ does: "slow", part: () => 1 }, scene);
  }
}

/** Break what passes, at messages of several kinds. */
async function aim(
  { does, part }: Pick<Fault, "does"> & { readonly part: () => number },
  { proxy, random, kinds, aims, copies }: Scene,
): Promise<void> {
  for (let i = 0; i < AIMS; i++) {
    const isCopy = copies && i === 0;
    const kind = random.pick(isCopy ? COPY_KINDS : kinds);
    const from = ["StandbyStatusUpdate", "Query"].includes(kind) ? "client" : "server";
    const after = random.below(kind === "CopyData" ? 1000 : common.has(kind) ? 3 : 1);
    proxy.arm({ from, kind, after, does, part: part() });
    // A message of a connection's beginning: let there be one.
    if (!isCopy && BEGINNING.includes(kind)) proxy.cut();
    for (const end = Date.now() + AIM; proxy.isArmed && Date.now() < end; ) await sleep(10);
    aims.push({ does, kind, hit: !proxy.isArmed });
    proxy.arm(undefined);
  }
}

/** Kill a server process without a word: the postmaster ends the others at once, and recovers from the WAL. */
export async function crash(server: OwnServer, database: string): Promise<void> {
  const { rows } = await again(() =>
    server.sql(
      `SELECT pid, pg_backend_pid() FROM pg_stat_activity WHERE datname = '${database}' ORDER BY random() LIMIT 1`,
    ),
  );
  const pid = Number(rows[0]?.[0]);
  if (pid > 0) process.kill(pid, "SIGKILL");
  await sleep(50);
  await again(() => server.sql("SELECT 1"));
}

/** Kill the postmaster. Its processes end when they notice; then the keeper starts it again, and it recovers. */
export async function killPostmaster(server: OwnServer): Promise<void> {
  const pid = () => Number(readFileSync(join(server.dataDirectory, "postmaster.pid"), "utf8").split("\n")[0]);
  const before = pid();
  process.kill(before, "SIGKILL");
  await again(async () => {
    if (pid() === before) throw new Error("it has not started again");
    await server.sql("SELECT 1");
  });
}

/** Something that a server which recovers does not do yet. */
export async function again<T>(run: () => Promise<T>): Promise<T> {
  for (let tries = 0; ; tries++) {
    try {
      return await run();
    } catch (error) {
      if (tries === 1000) throw error;
      await sleep(30);
    }
  }
}

async function drop(server: OwnServer, database: string): Promise<void> {
  await again(async () => {
    await finishPrepared(server, database);
    await server.sql(`SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '${database}'`);
    await server.sql(
      `SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE database = '${database}'`,
    );
    await server.sql(`DROP DATABASE IF EXISTS ${database}`);
  });
}

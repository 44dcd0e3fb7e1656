/**
 * `npx tsx bench/server.ts [DIRECTORY [MEGABYTES [ROWS [CONNECTIONS]]]]`, after `npm run build`: walwire/server next to PostgreSQL.
 *
 * - WAL: WalDirectory to pg_receivewal 15, and PostgreSQL 15, the newest that it speaks to. Both send the same segments from the page
 *   cache. "First" is a directory that nobody has read yet.
 * - Rows: a Publisher on a DirectoryStore to pg_recvlogical 15, and PostgreSQL 18. Both send the same rows of four columns.
 * - Connections: streams that wait, and what each takes of the memory of the process.
 * - The first byte: from the start of the process, and from the start of a connection, to the first WAL that a client has.
 *
 * Rates are the best of several rounds, in which the subjects alternate. The processor time is that of the process that sends, in the
 * same round: other work on the machine hardly changes it.
 */
import { spawn } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseLsn } from "../src/kernel/lsn.ts";
import { connect } from "../src/node/client.ts";
import { listen, WalDirectory } from "../src/node/server/index.ts";
import { type Program, pathOf } from "../test/programs/programs.ts";
import { type OwnServer, startServer } from "../test/servers/index.ts";
import { machine, runProgram, thousands, verdict } from "./measure.ts";

const goal = 0.7;
const rounds = Number(process.env.BENCH_ROUNDS ?? 4);
const [parent = tmpdir(), megabytes = "512", rows = "400000", connections = "1000"] = process.argv.slice(2);
const folder = mkdtempSync(join(parent, "walwire-bench-"));
chmodSync(folder, 0o755);
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));

/** A program that serves: it prints a line when it is ready, and one for each line that it is sent. */
interface Served {
  readonly pid: number;
  /** The directory of its socket. */
  readonly host: string;
  readonly ready: string;
  ask(): Promise<string>;
  end(): Promise<void>;
}

/** Run code with `listen`, `path`, WalDirectory, Publisher, publisherHandlers and DirectoryStore, which gives what it prints. */
async function serve(code: string): Promise<Served> {
  const host = mkdtempSync(join(folder, "host-"));
  const module = (name: string) =>
    JSON.stringify(fileURLToPath(new URL(`../dist/node/${name}/index.js`, import.meta.url)));
  const program = `
    import { listen, WalDirectory } from ${module("server")};
    import { createInterface } from "node:readline";
    const { DirectoryStore, Publisher, publisherHandlers } = await import(${module("publisher")});
    const path = ${JSON.stringify(join(host, ".s.PGSQL.5432"))};
    ${code}
    for await (const line of createInterface({ input: process.stdin })) {
      globalThis.gc();
      console.log(process.memoryUsage.rss());
    }
    process.exit();
  `;
  const child = spawn(process.execPath, ["--expose-gc", "--input-type=module", "-e", program], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const line = async () => (await lines.next()).value as string;
  return {
    pid: child.pid!,
    host,
    ready: await line(),
    ask() {
      child.stdin.write("\n");
      return line();
    },
    end() {
      child.stdin.end();
      return new Promise((resolve) => child.on("close", () => resolve()));
    },
  };
}

const directoryOf = (path: string): string => `
  const directory = await WalDirectory.open(${JSON.stringify(path)});
  const limits = { connections: 100_000 };
  await listen({ server: directory.server, path, handlers: directory.handlers, limits });
  console.log("up");
`;

/** Seconds of the processor that a process has taken, and those of its children that have ended. */
function processorTime(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, "latin1").split(") ")[1]!.split(" ");
  return [11, 12, 13, 14].reduce((sum, i) => sum + Number(fields[i]), 0) / 100;
}

/** Who sends, and what receives it. */
type Subject = [Served | OwnServer, Program, string[]];

interface Result {
  readonly rate: number;
  /** Seconds of the processor for `unit` of what is counted. */
  readonly processor: number;
}

/** Run subjects in turns. @param amount How many units each sends. */
async function compare(
  title: string,
  unit: string,
  amount: number,
  subjects: Record<string, (round: number) => Promise<Subject>>,
) {
  const best = new Map<string, Result>();
  for (let round = 0; round < rounds; round++) {
    for (const [name, subject] of Object.entries(subjects)) {
      const [{ pid }, program, args] = await subject(round);
      const before = processorTime(pid);
      const { elapsed } = await runProgram(pathOf(program), args);
      // The process of a walsender counts once it has ended.
      await new Promise((resolve) => setTimeout(resolve, 500));
      const result = { rate: amount / elapsed, processor: (processorTime(pid) - before) / amount };
      const known = best.get(name);
      best.set(name, {
        rate: Math.max(result.rate, known?.rate ?? 0),
        processor: Math.min(result.processor, known?.processor ?? Number.POSITIVE_INFINITY),
      });
    }
  }
  const [first] = best.values();
  for (const [name, { rate, processor }] of best) {
    const judged = name.startsWith("walwire") ? verdict(rate / first!.rate, "≥", goal, "PostgreSQL") : "";
    console.log(
      `| ${title} | ${name} | ${thousands(rate)} ${unit}/s | ${(processor * 1e6).toFixed(processor < 1e-5 ? 2 : 0)} µs | ${judged} |`,
    );
  }
}

async function walToReceivewal(server: OwnServer): Promise<string> {
  const one = async (sql: string) => (await server.sql(sql)).rows[0]![0]!;
  await server.sql("CREATE TABLE t (id int, v text)");
  await server.sql("SELECT pg_switch_wal()");
  const from = await one("SELECT pg_current_wal_lsn()");
  const first = await one("SELECT pg_walfile_name(pg_current_wal_lsn())");
  const written = async () => Number(await one(`SELECT pg_current_wal_lsn() - '${from}'::pg_lsn`));
  while ((await written()) < Number(megabytes) * 1e6) {
    await server.sql("INSERT INTO t SELECT g, repeat(md5(g::text), 8) FROM generate_series(1, 50000) g");
  }
  await server.sql("SELECT pg_switch_wal()");
  // A position within the last segment: it ends when that is complete.
  const end = await one("SELECT pg_current_wal_lsn() - 1");
  const last = await one("SELECT pg_walfile_name(pg_current_wal_lsn() - 1)");
  const archive = join(folder, "archive");
  mkdirSync(archive);
  const wal = join(server.dataDirectory, "pg_wal");
  for (const name of readdirSync(wal)) {
    if (/^[0-9A-F]{24}$/.test(name) && name >= first && name <= last)
      copyFileSync(join(wal, name), join(archive, name));
  }
  const receive = (from: Served | OwnServer): Subject => {
    const target = join(folder, "wal");
    rmSync(target, { recursive: true, force: true });
    mkdirSync(target);
    writeFileSync(join(target, `${first}.partial`), "");
    return [
      from,
      "pg_receivewal",
      ["-h", from.host, "-U", "postgres", "-D", target, "--endpos", end, "--no-loop", "--no-sync"],
    ];
  };
  let ours: Served;
  await compare("WAL", "MB", (await written()) / 1e6, {
    "PostgreSQL 15": async () => receive(server),
    "walwire, first": async () => {
      await ours?.end();
      ours = await serve(directoryOf(archive));
      return receive(ours);
    },
    "walwire, again": async () => receive(ours),
  });
  await ours!.end();
  return archive;
}

/** The same rows in transactions of so many, from both. */
async function rowsToRecvlogical(server: OwnServer, size: number): Promise<void> {
  const one = async (sql: string) => (await server.sql(sql)).rows[0]?.[0] ?? "";
  await server.sql("TRUNCATE rows");
  await server.sql("SELECT pg_create_logical_replication_slot('base', 'pgoutput')");
  await server.sql(`DO $$ BEGIN FOR i IN 0..${Math.ceil(Number(rows) / size) - 1} LOOP
    INSERT INTO rows SELECT g, 'name of row ' || g, g * 1.25, '2026-01-01'::timestamp + g * interval '1 second'
      FROM generate_series(i * ${size} + 1, i * ${size} + ${size}) g;
    COMMIT; END LOOP; END $$`);
  const end = await one("SELECT pg_current_wal_lsn()");
  // A record behind the last commit, for the one that ends with the first message at or after the position.
  await server.sql("SELECT pg_logical_emit_message(true, '', '')");
  const ours = await serve(`
    const store = new DirectoryStore(${JSON.stringify(mkdtempSync(join(folder, "store-")))});
    const publisher = await Publisher.open({ store });
    const columns = [["id", "int8"], ["name", "text"], ["amount", "numeric"], ["at", "timestamp"]];
    const table = await publisher.table({ name: "rows", columns: columns.map(([name, type], i) => ({ name, type, key: i === 0 })) });
    publisher.publication("p", { tables: "all" });
    for (let i = 0; i < ${rounds}; i++) await publisher.createSlot("copy" + i);
    const start = 820_454_400_000_000n;
    for (let id = 1; id <= ${rows}; ) {
      const group = [];
      for (let i = 0; i < 1000 && id <= ${rows}; i++) {
        const first = id;
        id += ${size};
        group.push(publisher.transaction((t) => {
          for (let g = first; g < id && g < first + ${size}; g++) {
            t.insert(table, [BigInt(g), "name of row " + g, (g * 1.25).toFixed(2), start + BigInt(g) * 1_000_000n]);
          }
        }));
        if (${size} > 100) await group.pop();
      }
      await Promise.all(group);
    }
    await listen({ path, handlers: publisherHandlers(publisher) });
    console.log((publisher.end >> 32n).toString(16) + "/" + (publisher.end & 0xffffffffn).toString(16));
  `);
  const receive = (from: Served | OwnServer, slot: string, endpos: string): Subject => [
    from,
    "pg_recvlogical",
    [
      ...["-h", from.host, "-U", "postgres", "-d", "postgres", "--slot", slot, "--start", "--no-loop"],
      ...["-f", "/dev/null", "--endpos", endpos, "-o", "proto_version=4", "-o", "publication_names=p"],
    ],
  ];
  await compare(`transactions of ${thousands(size)}`, "rows", Number(rows), {
    "PostgreSQL 18": async (round) => {
      await server.sql(`SELECT pg_copy_logical_replication_slot('base', 'copy${round}')`);
      return receive(server, `copy${round}`, end);
    },
    walwire: async (round) => receive(ours, `copy${round}`, ours.ready),
  });
  await ours.end();
  for (const slot of ["base", ...Array.from({ length: rounds }, (_, i) => `copy${i}`)]) {
    await server.sql(`SELECT pg_drop_replication_slot('${slot}')`);
  }
}

/** A stream of WAL from a position on, once its first message has come. */
async function stream(host: string, startpoint = parseLsn("0/0")) {
  const client = await connect({ host, port: 5432, user: "postgres", replication: "true" });
  await client.startPhysical({ startpoint });
  await client.receive();
  return client;
}

async function connectionsHeld(archive: string): Promise<void> {
  const ours = await serve(directoryOf(archive));
  const client = await connect({ host: ours.host, port: 5432, user: "postgres", replication: "true" });
  const { xlogpos } = await client.identifySystem();
  await client.disconnect();
  const held = [];
  // What the first ones load is not counted.
  for (let i = 0; i < 10; i++) held.push(await waiting(ours.host));
  const before = Number(await ours.ask());
  const started = performance.now();
  while (held.length < Number(connections) + 10) {
    held.push(...(await Promise.all(Array.from({ length: 50 }, () => waiting(ours.host)))));
  }
  const elapsed = (performance.now() - started) / 1000;
  const memory = Number(await ours.ask()) - before;
  const perStream = memory / (held.length - 10) / 1000;
  const idle = processorTime(ours.pid);
  await new Promise((resolve) => setTimeout(resolve, 5000));
  const load = ((processorTime(ours.pid) - idle) / 5) * 100;
  console.log(
    `\n${held.length - 10} streams that wait at the end of WAL: opened in ${elapsed.toFixed(1)} s, ${perStream.toFixed(0)} kB each, ` +
      `${load.toFixed(1)} % of a processor`,
  );
  await Promise.all(held.map((each) => each.disconnect()));
  await ours.end();

  async function waiting(host: string) {
    const client = await connect({ host, port: 5432, user: "postgres", replication: "true" });
    await client.startPhysical({ startpoint: xlogpos });
    return client;
  }
}

async function firstByte(server: OwnServer, archive: string): Promise<void> {
  const least = async (run: () => Promise<void>): Promise<string> => {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < 10; i++) {
      const start = performance.now();
      await run();
      best = Math.min(best, performance.now() - start);
    }
    return `${best.toFixed(1)} ms`;
  };
  const [name] = readdirSync(archive).sort();
  const start = parseLsn(`${name!.slice(8, 16)}/${name!.slice(22)}000000`);
  const once = async (host: string): Promise<void> => void (await stream(host, start)).disconnect().catch(() => {});
  const ours = await serve(directoryOf(archive));
  console.log(`\n| to the first WAL that a client has | |\n|---|--:|`);
  console.log(`| PostgreSQL 15, from the start of a connection | ${await least(() => once(server.host))} |`);
  console.log(`| walwire, from the start of a connection | ${await least(() => once(ours.host))} |`);
  await ours.end();
  const directory = await WalDirectory.open(archive);
  const { server: played, handlers } = directory;
  const fromListen = await least(async () => {
    const host = mkdtempSync(join(folder, "host-"));
    const fresh = await listen({ server: played, path: join(host, ".s.PGSQL.5432"), handlers });
    await once(host);
    void fresh.close({ immediate: true });
  });
  console.log(`| walwire, from \`listen\` in a process that runs | ${fromListen} |`);
  const ended: Promise<void>[] = [];
  const fromStart = await least(async () => {
    const fresh = await serve(directoryOf(archive));
    await once(fresh.host);
    ended.push(fresh.end());
  });
  await Promise.all(ended);
  console.log(`| walwire, from the start of its process | ${fromStart} |`);
}

console.log(`${machine}\n\n| | | rate | processor, each MB or row | goal |\n|---|---|--:|--:|---|`);
const settings = { autovacuum: "off", max_wal_size: "100GB", wal_keep_size: "100GB", max_replication_slots: "20" };
const rowServer = await startServer({ major: 18, settings });
try {
  await rowServer.sql("CREATE TABLE rows (id bigint PRIMARY KEY, name text, amount numeric, at timestamp)");
  await rowServer.sql("CREATE PUBLICATION p FOR ALL TABLES");
  for (const size of [10_000, 4]) await rowsToRecvlogical(rowServer, size);
} finally {
  await rowServer.stop();
}
const walServer = await startServer({ major: 15, settings });
try {
  const archive = await walToReceivewal(walServer);
  await firstByte(walServer, archive);
  await connectionsHeld(archive);
} finally {
  await walServer.stop();
}

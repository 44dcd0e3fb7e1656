/** `walwire tail` as a consumer: what it writes for programs, and that nothing is lost or written twice whatever ends it. */
import { type ChildProcess, spawn } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { compile } from "../compiled.ts";
import { times } from "../seed.ts";
import type { Server } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { confirmedOf, databaseOf, dropDatabases } from "../subscribe.ts";

const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-tail-"));
afterAll(async () => {
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
  await dropDatabases();
});

interface Run {
  readonly process: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
}

function tail(server: Server, database: string, args: readonly string[], read = true): Run {
  const url = `postgres://postgres@/${database}?host=${encodeURIComponent(server.host)}&port=${server.port}`;
  const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), "tail", url, ...args]);
  const output = { stdout: "", stderr: "" };
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
  });
  child.stdout.setEncoding("utf8");
  if (read) {
    child.stdout.on("data", (text) => {
      output.stdout += text;
    });
  }
  const ended = new Promise<number | string>((resolve) => child.on("exit", (code, signal) => resolve(code ?? signal!)));
  onTestFinished(() => {
    child.kill("SIGKILL");
  });
  return { process: child, output, ended };
}

/** Run to the end. */
async function run(server: Server, database: string, ...args: readonly string[]) {
  const it = tail(server, database, args);
  const code = await it.ended;
  await sleep(10);
  return { status: code, ...it.output };
}

// biome-ignore lint/suspicious/noExplicitAny: lines of JSON
const parsed = (text: string): any[] =>
  text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));

const idsIn = (text: string): number[] =>
  parsed(text).flatMap(({ type, row }) => (type === "Insert" || type === "CopyRow" ? [row.id] : []));

const oneTo = (count: number): number[] => Array.from({ length: count }, (_, i) => i + 1);

const currentLsn = "SELECT pg_current_wal_lsn()";

/** Lines without what differs in each run. */
function same(text: string, database: string): string {
  return text
    .replace(/"(xid|txId|ts_ms|lsn|nextlsn|time|timestamp|id)":("[^"]{5,}"|\d{3,})/g, '"$1":0')
    .replaceAll(`"${database}"`, '"db"');
}

let files = 0;
const fresh = (): string => join(folder, `out-${++files}`);

async function slot(server: Server, database: string): Promise<void> {
  await server.sql(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`, { database });
}

/** The subscription is tested on all of them: this is about what is around it. */
const some = times < 1 ? longTestMajors.slice(-1) : longTestMajors;

describe.for(some)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("writes changes in each format, and acknowledges them", async () => {
    const database = await databaseOf(server);
    await slot(server, database);
    for (const name of ["w", "d"]) {
      await server.sql(`SELECT pg_create_logical_replication_slot('${database}_${name}', 'pgoutput')`, { database });
    }
    const sql = (text: string) => server.sql(text, { database });
    await sql("INSERT INTO t VALUES (1, 'a\"b'), (2, NULL)");
    await sql("UPDATE t SET id = 3 WHERE id = 1");
    await sql("DELETE FROM t WHERE id = 2");
    const common = ["--until", "now", "--slot"];
    const { status, stdout, stderr } = await run(server, database, "--jsonl", ...common, database);
    expect(stderr).toBe("");
    expect(status).toBe(0);
    const lines = parsed(stdout);
    const table = { schema: "public", table: "t" };
    expect(lines).toMatchObject([
      { type: "Insert", ...table, row: { id: 1, a: 'a"b' } },
      { type: "Insert", ...table, row: { id: 2, a: null } },
      { type: "Commit", changes: 2 },
      { type: "Update", ...table, row: { id: 3, a: 'a"b' }, old: { id: 1 } },
      { type: "Commit", changes: 1 },
      { type: "Delete", ...table, old: { id: 2 } },
      { type: "Commit", changes: 1 },
    ]);
    expect(new Set(lines.map(({ xid }) => xid)).size).toBe(3);
    for (const [i, { lsn }] of lines.entries()) expect(lsn).toBe(lines[[2, 2, 2, 4, 4, 6, 6][i]!].lsn);
    expect(await confirmedOf(server, database)).toBeGreaterThanOrEqual(parseLsn(lines[6].lsn));
    // What was acknowledged does not come again.
    expect(await run(server, database, "--jsonl", ...common, database)).toMatchObject({ status: 0, stdout: "" });

    const wal2json = parsed((await run(server, database, "--format", "wal2json", ...common, `${database}_w`)).stdout);
    expect(wal2json.map(({ action }) => action).join("")).toBe("BIICBUCBDC");
    expect(wal2json[1]).toMatchObject({
      ...table,
      columns: [
        { name: "id", value: 1 },
        { name: "a", value: 'a"b' },
      ],
    });
    expect(wal2json[5]).toMatchObject({ identity: [{ name: "id", value: 1 }] });
    const debezium = parsed((await run(server, database, "--format", "debezium", ...common, `${database}_d`)).stdout);
    expect(debezium.filter(({ op }) => op !== undefined)).toMatchObject([
      { op: "c", before: null, after: { id: 1, a: 'a"b' }, source: { db: database, ...table, txId: lines[0].xid } },
      { op: "c", before: null, after: { id: 2, a: null } },
      { op: "u", before: { id: 1 }, after: { id: 3, a: 'a"b' } },
      { op: "d", before: { id: 2 }, after: null },
    ]);
  });

  test("writes what docs/tail.md shows", async () => {
    const database = await databaseOf(server, "CREATE TABLE orders (id int PRIMARY KEY, price numeric)");
    const changes = "INSERT INTO orders VALUES (1, 9.50); UPDATE orders SET id = 2; DELETE FROM orders";
    const page = readFileSync(new URL("../../docs/tail.md", import.meta.url), "utf8");
    for (const format of ["jsonl", "wal2json", "debezium"]) {
      const slotname = `${database}_${format}`;
      await server.sql(`SELECT pg_create_logical_replication_slot('${slotname}', 'pgoutput')`, { database });
      await server.sql(`BEGIN; ${changes}; COMMIT`, { database });
      const { stdout } = await run(server, database, "--format", format, "--slot", slotname, "--until", "now");
      const shown = new RegExp(`<!-- lines: ${format} -->\n\`\`\`json\n([^\`]*)`).exec(page)![1]!;
      expect(same(stdout, database)).toBe(same(shown, "shop"));
    }
  });

  test("a file has each change once, whenever the process is killed", { timeout: 60_000 }, async () => {
    const database = await databaseOf(server);
    const file = fresh();
    const args = ["--jsonl", "--slot", database, "--output", file];
    let id = 0;
    const insert = async (count: number): Promise<void> => {
      await server.sql(`INSERT INTO t SELECT g, repeat('x', 200) FROM generate_series(${id + 1}, ${id + count}) g`, {
        database,
      });
      id += count;
    };
    await slot(server, database);
    for (let round = 0; round < Math.max(2, Math.round(3 * times)); round++) {
      const it = tail(server, database, args);
      const started = Date.now();
      const before = existsSync(file) ? statSync(file).size : 0;
      // A large transaction, which takes several blocks, and small ones.
      await insert(5000);
      while (Date.now() - started < 5000 && (!existsSync(file) || statSync(file).size <= before)) await insert(1);
      for (let i = 0; i < (round * 37) % 50; i++) await insert(1);
      it.process.kill("SIGKILL");
      expect(await it.ended).toBe("SIGKILL");
      // As if it had been writing.
      if (existsSync(`${file}.state`) && round % 2 === 0) appendFileSync(file, '{"type":"Insert","xid":1,"ls');
    }
    const last = await run(server, database, ...args, "--until", "now");
    expect(last).toMatchObject({ status: 0, stdout: "", stderr: "" });
    const text = readFileSync(file, "utf8");
    expect(idsIn(text)).toEqual(oneTo(id));
    const ends = parsed(text).filter(({ type }) => type === "Commit");
    expect(ends.reduce((sum, { changes }) => sum + changes, 0)).toBe(id);
    for (let i = 1; i < ends.length; i++) expect(parseLsn(ends[i].lsn)).toBeGreaterThan(parseLsn(ends[i - 1].lsn));
    expect(await confirmedOf(server, database)).toBeGreaterThanOrEqual(parseLsn(ends.at(-1).lsn));

    // A file that was moved away goes on in a new one.
    renameSync(file, `${file}.1`);
    await insert(1);
    expect(await run(server, database, ...args, "--until", "now")).toMatchObject({ status: 0 });
    expect(idsIn(readFileSync(file, "utf8"))).toEqual([id]);
  });

  test("a pipe that is full holds it back, and one that is closed ends it", { timeout: 60_000 }, async () => {
    const database = await databaseOf(server);
    await slot(server, database);
    let half = "";
    for (let i = 0; i < 10; i++) {
      const values = `SELECT g, repeat('y', 500) FROM generate_series(${i * 500 + 1}, ${i * 500 + 500}) g`;
      await server.sql(`INSERT INTO t ${values}`, { database });
      if (i === 4) half = (await server.sql(currentLsn, { database })).rows[0]![0]!;
    }
    const it = tail(server, database, ["--jsonl", "--slot", database], false);
    const stdout = it.process.stdout!;
    await new Promise((resolve) => stdout.once("data", resolve));
    stdout.pause();
    await sleep(300);
    const held = await confirmedOf(server, database);
    stdout.destroy();
    expect(await it.ended).toBe(141);
    expect(it.output.stderr).toBe("");
    expect(held).toBeLessThan(parseLsn(half));
    await expect
      .poll(() => server.sql("SELECT 1 FROM pg_replication_slots WHERE active", { database }))
      .toMatchObject({ rows: [] });
    // All transactions that the pipe has not taken come again.
    const ids = idsIn((await run(server, database, "--jsonl", "--slot", database, "--until", "now")).stdout);
    expect(ids).toEqual(oneTo(5000).slice(-ids.length));
    expect(ids[0]! % 500).toBe(1);
    expect(ids[0]).toBeLessThan(2500);
  });

  test("Ctrl-C ends it after what is under way", async () => {
    const database = await databaseOf(server);
    const it = tail(server, database, ["--jsonl", "--slot", database, "--create-slot"]);
    await expect
      // It is active while it is created, too; it has a position once that is done.
      .poll(() =>
        server.sql(
          `SELECT 1 FROM pg_replication_slots WHERE slot_name = '${database}' AND active AND confirmed_flush_lsn > '0/0'`,
        ),
      )
      .toMatchObject({ rows: [["1"]] });
    await server.sql("INSERT INTO t VALUES (1)", { database });
    await expect.poll(() => it.output.stdout).toContain('"Commit"');
    it.process.kill("SIGINT");
    expect(await it.ended).toBe(0);
    expect(it.output.stderr).toBe("");
    expect(await confirmedOf(server, database)).toBeGreaterThanOrEqual(parseLsn(parsed(it.output.stdout)[0].lsn));
  });

  test("a second Ctrl-C ends it at once", async () => {
    const database = await databaseOf(server);
    await slot(server, database);
    await server.sql("INSERT INTO t SELECT g, repeat('y', 500) FROM generate_series(1, 5000) g", { database });
    // Nobody reads what it writes, so what is under way does not end.
    const it = tail(server, database, ["--jsonl", "--slot", database], false);
    await new Promise((resolve) => it.process.stdout!.once("readable", resolve));
    it.process.kill("SIGINT");
    expect(await Promise.race([it.ended, sleep(300, "goes on")])).toBe("goes on");
    it.process.kill("SIGINT");
    expect(await it.ended).toBe(130);
  });

  test("--binary, --streaming and --messages", async () => {
    const database = await databaseOf(
      server,
      "ALTER TABLE t ADD n numeric, ADD at timestamptz, ADD b bytea, ADD i int8[]",
    );
    const names = ["text", "binary", "streamed"].map((way) => `${database}_${way}`) as [string, string, string];
    for (const name of names) {
      await server.sql(`SELECT pg_create_logical_replication_slot('${name}', 'pgoutput')`, { database });
    }
    const many = `INSERT INTO t SELECT g, 'a' || g, g / 7.0, timestamptz 'epoch' + g * interval '1.5 hours', decode(md5(g::text), 'hex'), ARRAY[g, NULL]
      FROM generate_series(1, 1000) g`;
    await server.sql(`BEGIN; SELECT pg_logical_emit_message(true, 'note', 'with it'); ${many}; COMMIT`, { database });
    await server.sql("SELECT pg_logical_emit_message(false, 'note', 'by itself')", { database });
    await server.sql("SELECT pg_switch_wal()", { database });
    const lines = async (name: string, ...args: readonly string[]) => {
      const { status, stdout, stderr } = await run(
        server,
        database,
        "--jsonl",
        "--slot",
        name,
        ...args,
        "--until",
        "now",
      );
      expect(stderr).toBe("");
      expect(status).toBe(0);
      return parsed(stdout);
    };
    const plain = await lines(names[0]);
    expect(plain.length).toBe(1001);
    expect(await lines(names[1], "--binary")).toEqual(plain);
    await server.sql(`ALTER DATABASE ${database} SET logical_decoding_work_mem = '64kB'`);
    const all = await lines(names[2], "--streaming", "on", "--messages");
    const [messages, others] = [true, false].map((is) => all.filter(({ type }) => (type === "Message") === is));
    // The message counts as a change of its transaction.
    expect(others).toEqual([...plain.slice(0, -1), { ...plain.at(-1), changes: 1001 }]);
    expect(messages).toMatchObject([
      { transactional: true, prefix: "note", content: "with it", xid: plain[0].xid },
      { transactional: false, prefix: "note", content: "by itself" },
    ]);
  });

  test("--two-phase writes transactions when they are prepared", async () => {
    const database = await databaseOf(server);
    await server.sql(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput', false, true)`, { database });
    for (const [id, end] of [
      [1, "COMMIT"],
      [2, "ROLLBACK"],
    ] as const) {
      const gid = `${database} ${id}`;
      await server.sql(`BEGIN; INSERT INTO t VALUES (${id}); PREPARE TRANSACTION '${gid}'`, { database });
      await server.sql(`${end} PREPARED '${gid}'`, { database });
    }
    const { status, stdout } = await run(
      server,
      database,
      "--jsonl",
      "--slot",
      database,
      "--two-phase",
      "--until",
      "now",
    );
    expect(status).toBe(0);
    expect(parsed(stdout)).toMatchObject([
      { type: "Insert", gid: `${database} 1`, row: { id: 1 } },
      { type: "Prepare", gid: `${database} 1`, changes: 1 },
      { type: "CommitPrepared", gid: `${database} 1` },
      { type: "Insert", gid: `${database} 2`, row: { id: 2 } },
      { type: "Prepare", gid: `${database} 2`, changes: 1 },
      { type: "RollbackPrepared", gid: `${database} 2` },
    ]);
  });

  test("--skip-missing leaves out the changes before the publication existed", async () => {
    const database = await databaseOf(server);
    const call = ["--jsonl", "--slot", database, "--until", "now"];
    await server.sql("DROP PUBLICATION p", { database });
    await server.sql(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`, { database });
    await server.sql("INSERT INTO t VALUES (1); CREATE PUBLICATION p FOR TABLE t", { database });
    await server.sql("INSERT INTO t VALUES (2)", { database });
    const without = await run(server, database, ...call);
    expect(without).toMatchObject({ status: 1, stdout: "" });
    expect(without.stderr).toMatch(
      /publication p does not exist .*SELECT pg_drop.*'\) and add --create-slot; or.*--skip-missing/,
    );
    const { status, stdout, stderr } = await run(server, database, ...call, "--skip-missing");
    if (server.major < 18) return expect([status, stderr]).toEqual([3, expect.stringMatching(/skipMissing.* 18/)]);
    expect([status, idsIn(stdout)]).toEqual([0, [2]]);
  });

  test("copies the tables first, and goes on after a kill", { timeout: 60_000 }, async () => {
    const setup = "INSERT INTO t SELECT g, repeat('z', 100) FROM generate_series(1, 20000) g";
    const database = await databaseOf(
      server,
      setup,
      "CREATE TABLE u AS SELECT g AS id FROM generate_series(20001, 20010) g",
      "ALTER TABLE u REPLICA IDENTITY FULL",
    );
    const snapshot = await run(server, database, "--jsonl", "--copy", "--until", "now");
    expect(snapshot).toMatchObject({ status: 0, stderr: "" });
    expect(idsIn(snapshot.stdout).sort((a, b) => a - b)).toEqual(oneTo(20_010));

    const file = fresh();
    const args = ["--jsonl", "--slot", database, "--create-slot", "--copy", "--output", file];
    const it = tail(server, database, args);
    await expect.poll(() => existsSync(file) && statSync(file).size > 0, { interval: 1 }).toBe(true);
    it.process.kill("SIGKILL");
    await it.ended;
    await server.sql("INSERT INTO t VALUES (20011)", { database });
    expect(await run(server, database, ...args, "--until", "now")).toMatchObject({ status: 0, stderr: "" });
    expect(idsIn(readFileSync(file, "utf8")).sort((a, b) => a - b)).toEqual(oneTo(20_011));
  });

  test("a second run changes nothing, and nothing is cut before the slot is held", { timeout: 60_000 }, async () => {
    const database = await databaseOf(server);
    const file = fresh();
    const args = ["--jsonl", "--slot", database, "--create-slot", "--output", file];
    const first = tail(server, database, args);
    await expect.poll(() => existsSync(`${file}.state`)).toBe(true);
    const second = await run(server, database, ...args);
    expect(second).toMatchObject({ status: 1, stdout: "" });
    expect(second.stderr).toContain(`${file} is written by the process ${first.process.pid}: stop it`);
    await server.sql("INSERT INTO t SELECT g FROM generate_series(1, 100) g", { database });
    await expect.poll(() => idsIn(readFileSync(file, "utf8")).length).toBe(100);
    // A lock that a killed process leaves behind is not in the way.
    first.process.kill("SIGKILL");
    await first.ended;
    expect(existsSync(`${file}.lock`)).toBe(true);
    await server.sql("INSERT INTO t VALUES (101)", { database });
    expect(await run(server, database, ...args, "--until", "now")).toMatchObject({ status: 0, stderr: "" });
    expect(idsIn(readFileSync(file, "utf8"))).toEqual(oneTo(101));
    expect(existsSync(`${file}.lock`)).toBe(false);
    await server.sql(`SELECT pg_drop_replication_slot('${database}')`);
    appendFileSync(file, "not complete");
    expect(await run(server, database, ...args)).toMatchObject({ status: 1 });
    expect(readFileSync(file, "utf8")).toMatch(/not complete$/);
  });

  test("says what to type instead", async () => {
    const database = await databaseOf(server);
    const file = fresh();
    writeFileSync(file, "x\n");
    const expectSentence = async (args: readonly string[], code: number, sentence: string): Promise<void> => {
      const result = await run(server, database, "--jsonl", ...args);
      expect(result.stderr).toContain(sentence);
      expect(result).toMatchObject({ status: code, stdout: "" });
    };
    await expectSentence(["--slot", database], 1, `the slot ${database} does not exist: add --create-slot`);
    await expectSentence(
      ["--slot", database, "--output", file],
      1,
      `${file} exists, but ${file}.state does not: move the file away`,
    );
    await expectSentence(["--slot", database, "--output", "/dev/null"], 1, "/dev/null is not a regular file");
    await expectSentence(["--slot", database, "--copy"], 2, "--copy with --slot requires --output");
    await expectSentence(["--slot", "Big"], 2, "--slot: expected lower-case letters");
    await expectSentence(["--until", "soon"], 2, "--until: expected a position such as 0/16B3748, or now");
    await expectSentence(["--publication", "q"], 1, 'publication "q" does not exist in the database');
    writeFileSync(`${file}.state`, '{"slot":"other","size":2,"lsn":"0/1","copied":[]}');
    await expectSentence(["--slot", database, "--output", file], 1, `${file} follows the slot other: add --slot other`);
    writeFileSync(`${file}.state`, `{"slot":"${database}","size":3,"lsn":"0/1","copied":[]}`);
    await expectSentence(["--slot", database, "--output", file], 1, `${file} has 2 bytes, but ${file}.state says 3`);
    writeFileSync(`${file}.state`, "{");
    await expectSentence(["--slot", database, "--output", file], 1, `${file}.state is not a state of walwire tail`);
    writeFileSync(`${file}.state`, `{"slot":"${database}","size":2,"lsn":"0/1","copied":[]}`);
    await expectSentence(["--slot", database, "--create-slot", "--output", file], 1, "changes since 0/1 are lost");
    expect(readFileSync(file, "utf8")).toBe("x\n");
  });
});

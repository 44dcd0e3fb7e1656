/** `walwire serve --publish`: real subscriptions to a file that grows, while serve is killed; and what tail writes, published again. */
import { type ChildProcess, spawn } from "node:child_process";
import { appendFileSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { connect } from "../../src/node/client.ts";
import { scramSecret } from "../../src/node/server/index.ts";
import { compile } from "../compiled.ts";
import { times } from "../seed.ts";
import { type Server, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { spawnWalwire } from "../walwire.ts";

const compiled = compile();
afterAll(() => compiled.remove());

/** What takes long on a loaded machine. */
const patient = { timeout: 60_000, interval: 50 };

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "walwire-publish-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

interface Running {
  readonly child: ChildProcess;
  readonly said: () => string;
  readonly closed: Promise<number | null>;
}

function start(...args: readonly string[]): Running {
  const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), ...args]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  child.stdout!.resume();
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  return { child, said: () => said, closed };
}

/** A serve that listens, and where. */
async function serve(file: string, port = 0, ...args: readonly string[]): Promise<Running & { readonly port: number }> {
  const running = start("serve", "--publish", file, "--listen", `127.0.0.1:${port}`, ...args);
  await expect.poll(running.said, patient).toMatch(/listening on 127.0.0.1:\d+\n/);
  return { ...running, port: Number(/listening on .*:(\d+)\n/.exec(running.said())![1]) };
}

async function isReady(server: Server, database: string): Promise<unknown> {
  const sql = "SELECT count(*), bool_and(srsubstate = 'r') FROM pg_subscription_rel";
  return (await server.sql(sql, { database })).rows[0]![1];
}

const declared = [
  `{"type":"Table","table":"item","columns":[{"name":"id","type":"int4","key":true},{"name":"value","type":"text"}]}`,
  `{"type":"Table","table":"log","columns":[{"name":"line","type":"text"}],"replicaIdentity":"nothing"}`,
];

/** The Nth transaction inserts row N, updates row N - 1, deletes row N - 3 and logs its number. */
function transaction(n: number): string {
  const changes = [
    { type: "Insert", xid: n + 1, table: "item", row: { id: n, value: `value ${n}` } },
    ...(n < 1 ? [] : [{ type: "Update", xid: n + 1, table: "item", row: { id: n - 1, value: "updated" } }]),
    ...(n < 3 ? [] : [{ type: "Delete", xid: n + 1, table: "item", old: { id: n - 3 } }]),
    { type: "Insert", xid: n + 1, table: "log", row: { line: `${n}` } },
  ];
  const end = { type: "Commit", xid: n + 1, changes: changes.length };
  return [...changes, end].map((each) => `${JSON.stringify(each)}\n`).join("");
}

/** Each takes some ten seconds of a major: in CI, the oldest and the newest. */
const someMajors = times < 1 ? longTestMajors.filter((_, i, all) => i === 0 || i === all.length - 1) : longTestMajors;

describe.for(someMajors)("PostgreSQL %i", (major) => {
  test("a subscription gets the copy, and each change once, while serve is killed", { timeout: 180_000 }, async () => {
    const settings = { wal_retrieve_retry_interval: "100", max_logical_replication_workers: "8" };
    const server = await startServer({ major, settings });
    onTestFinished(() => server.stop());
    const file = join(folder(), "changes.jsonl");
    let next = 0;
    const append = (count: number): void => {
      for (const last = next + count; next < last; next++) {
        const text = transaction(next);
        // A writer may stop anywhere in a line.
        const middle = (next * 37) % text.length;
        appendFileSync(file, text.slice(0, middle));
        appendFileSync(file, text.slice(middle));
      }
    };
    writeFileSync(file, declared.map((line) => `${line}\n`).join(""));
    append(30);
    let running = await serve(file);
    const { port } = running;
    expect(running.said()).toContain(`publication walwire: 2 tables, ${declared.length + 30 * 5 - 4} lines of ${file}`);
    await server.sql("CREATE TABLE item (id int PRIMARY KEY, value text); CREATE TABLE log (line text)");
    const conninfo = `host=127.0.0.1 port=${port} user=u dbname=d`;
    const options = "synchronous_commit = on";
    await server.sql(`CREATE SUBSCRIPTION s CONNECTION '${conninfo}' PUBLICATION walwire WITH (${options})`);
    await expect.poll(() => isReady(server, "postgres"), patient).toBe("t");
    for (let round = 0; round < 3; round++) {
      append(40);
      await expect
        .poll(async () => Number((await server.sql("SELECT max(id) FROM item")).rows[0]![0]), patient)
        .toBeGreaterThanOrEqual(next - 40 + round * 13);
      append(40);
      running.child.kill("SIGKILL");
      await running.closed;
      append(5);
      running = await serve(file, port);
    }
    append(20);
    const count = async () => (await server.sql("SELECT count(*) FROM log")).rows[0]![0];
    await expect.poll(count, patient).toBe(String(next));
    const { rows } = await server.sql("SELECT id, value FROM item ORDER BY id");
    expect(rows).toEqual([
      [`${next - 3}`, "updated"],
      [`${next - 2}`, "updated"],
      [`${next - 1}`, `value ${next - 1}`],
    ]);
    const logged = (await server.sql("SELECT count(DISTINCT line), min(line::int), max(line::int) FROM log")).rows[0];
    expect(logged).toEqual([`${next}`, "0", `${next - 1}`]);
    await server.sql("DROP SUBSCRIPTION s");
    running.child.kill("SIGINT");
    expect(await running.closed).toBe(0);
  });

  test.runIf(times >= 1 || major === someMajors.at(-1))(
    "publishes what tail has written: copy, changes, and tables that change",
    { timeout: 180_000 },
    async () => {
      const server = await startServer({
        major,
        settings: { wal_level: "logical", wal_retrieve_retry_interval: "100", max_logical_replication_workers: "8" },
      });
      onTestFinished(() => server.stop());
      await server.sql("CREATE DATABASE origin");
      await server.sql("CREATE DATABASE target");
      const both = async (sql: string) => {
        for (const database of ["origin", "target"]) await server.sql(sql, { database });
      };
      const sql = async (text: string, database = "origin") => (await server.sql(text, { database })).rows;
      await both(`CREATE TYPE mood AS ENUM ('sad', 'happy');
      CREATE DOMAIN small AS int CHECK (value < 1000);
      CREATE SCHEMA "Other";
      CREATE TABLE thing (id bigint PRIMARY KEY, n numeric, f float8, b bytea, t timestamptz, l text[], j jsonb, r int4range,
        m mood, s small, d date, big text);
      CREATE TABLE "Other"."whole row" (a int, b text);
      ALTER TABLE "Other"."whole row" REPLICA IDENTITY FULL;
      CREATE TABLE parent (id int PRIMARY KEY);
      CREATE TABLE child (id int PRIMARY KEY, parent int REFERENCES parent)`);
      await sql(`CREATE PUBLICATION p FOR ALL TABLES;
      INSERT INTO thing VALUES (1, 1.50, '-0', '\\x00ff', '2026-01-31 12:00:00.5+02', '{a,NULL,"b c"}', '{"a": 1.0}', '[1,5)', 'happy', 7,
        'infinity', repeat('x', 3000));
      INSERT INTO "Other"."whole row" VALUES (1, 'one'), (2, NULL)`);
      const file = join(folder(), "changes.jsonl");
      const url = `postgres://${server.user}@/origin?host=${encodeURIComponent(server.host)}&port=${server.port}`;
      const tail = start(
        ...["tail", url, "--jsonl", "--tables", "--copy", "--slot", "s", "--create-slot", "--output", file],
      );
      await expect.poll(() => existsSync(`${file}.state`), patient).toBe(true);
      const running = await serve(file);
      // It may have begun before the copy was complete.
      await expect
        .poll(async () => {
          const { host, port } = { host: "127.0.0.1", port: running.port };
          const client = await connect({ host, port, user: "u", database: "d", replication: "database" });
          const list =
            "SELECT DISTINCT t.schemaname, t.tablename FROM pg_catalog.pg_publication_tables t WHERE t.pubname IN ('walwire')";
          const { rows } = await client.query(list);
          await client.disconnect();
          return rows.length;
        }, patient)
        .toBe(4);
      const conninfo = `host=127.0.0.1 port=${running.port} user=u dbname=d`;
      await sql(
        `CREATE SUBSCRIPTION s CONNECTION '${conninfo}' PUBLICATION walwire WITH (slot_name = again)`,
        "target",
      );
      await expect.poll(() => isReady(server, "target"), patient).toBe("t");
      await sql(`INSERT INTO thing (id, n, m) VALUES (2, 'NaN', 'sad'), (3, 1e20, NULL)`);
      await sql("UPDATE thing SET n = 2 WHERE id = 1");
      await sql("UPDATE thing SET id = 30, j = '[1]' WHERE id = 3");
      await sql("DELETE FROM thing WHERE id = 2");
      await sql(`UPDATE "Other"."whole row" SET b = 'two' WHERE a = 2; DELETE FROM "Other"."whole row" WHERE a = 1`);
      await sql("INSERT INTO parent VALUES (1); INSERT INTO child VALUES (1, 1)");
      if (supports(server.versionNum, "publishTruncate")) {
        await sql("TRUNCATE parent, child");
        await sql("INSERT INTO parent VALUES (2); INSERT INTO child VALUES (2, 2)");
      }
      await both("ALTER TABLE parent ADD COLUMN more text");
      await sql("BEGIN; INSERT INTO parent VALUES (3, 'new'); UPDATE child SET parent = 3; COMMIT");
      const contents = async (database: string) => [
        await sql("SELECT * FROM thing ORDER BY id", database),
        await sql(`SELECT * FROM "Other"."whole row" ORDER BY a`, database),
        await sql("SELECT * FROM parent ORDER BY id", database),
        await sql("SELECT * FROM child ORDER BY id", database),
      ];
      const expected = await contents("origin");
      expect(expected.map((rows) => rows.length)).not.toContain(0);
      await expect.poll(() => contents("target"), patient).toEqual(expected);
      await sql("DROP SUBSCRIPTION s", "target");
      running.child.kill("SIGINT");
      expect(await running.closed).toBe(0);
      tail.child.kill("SIGINT");
      expect(await tail.closed).toBe(0);
    },
  );
});

test("asks for passwords, and ends at a line that cannot be published", { timeout: 60_000 }, async () => {
  const directory = folder();
  const file = join(directory, "changes.jsonl");
  writeFileSync(file, declared.map((line) => `${line}\n`).join(""));
  const users = join(directory, "users");
  writeFileSync(users, `me:${scramSecret("secret", { salt: new Uint8Array(16) })}\n`);
  const state = join(directory, "state");
  const running = await serve(file, 0, "--users", users, "--state", state, "--publication", "mine", "--server", "15");
  expect(running.said()).toContain(`publication mine: 2 tables, 2 lines of ${file}, state in ${state}`);
  const connection = {
    host: "127.0.0.1",
    port: running.port,
    user: "me",
    database: "d",
    replication: "database" as const,
  };
  await expect(connect({ ...connection, password: "other" })).rejects.toMatchObject({ sqlstate: "28P01" });
  const client = await connect({ ...connection, password: "secret" });
  expect(client.serverVersion).toBeGreaterThanOrEqual(150000);
  await client.disconnect();
  const second = await spawnWalwire(compiled.dist, ["serve", "--publish", file, "--state", state, "--listen", "0"]);
  expect(second.stderr).toContain(`"${state}" is in use by process ${running.child.pid}`);
  expect(second.status).toBe(1);
  appendFileSync(file, `{"type":"Insert","table":"item","row":{"id":1,"vale":"x"}}\n`);
  expect(await running.closed).toBe(1);
  expect(running.said()).toContain(
    [
      `walwire: ${file}: line 3: column "vale" of relation "item" does not exist`,
      `LINE 3: {"type":"Insert","table":"item","row":{"id":1,"vale":"x"}}`,
      `${" ".repeat(61)}^`,
    ].join("\n"),
  );
});

test.each<[args: readonly string[], status: number, words: string]>([
  [[], 2, "missing --wal or --publish"],
  [["--publish", "f", "--wal", "d"], 2, "--wal and --publish are mutually exclusive"],
  [["--wal", "d", "--state", "s"], 2, "--state requires --publish"],
  [["--publish", "/no/such/file", "--state", "STATE"], 3, "/no/such/file: no such file or directory"],
  [["--publish", "/dev/null", "--state", "STATE"], 1, "/dev/null is not a regular file"],
])("%j is an error", async (args, code, words) => {
  const call = ["serve", ...args.map((each) => (each === "STATE" ? folder() : each))];
  const { status, stderr } = await spawnWalwire(compiled.dist, call);
  expect(stderr).toContain(words);
  expect(status).toBe(code);
});

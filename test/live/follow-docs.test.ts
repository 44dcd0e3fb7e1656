/** The statements and programs of docs/follow-a-server.md, as they stand there; the second program is killed in the middle. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { type Compiled, compile } from "../compiled.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { spawnWalwire } from "../walwire.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const page = readFileSync(join(root, "docs/follow-a-server.md"), "utf8");
const blocks = (language: string): string[] =>
  [...page.matchAll(new RegExp(`\`\`\`${language}\n([\\s\\S]*?)\`\`\``, "g"))].map(([, code]) => code!);
const [print, keep] = blocks("js");
const [prepare, drop] = blocks("sql").map((sql) => sql.replace(/--.*$/gm, "").split(/;\s*/).filter(Boolean));

test("the README has the first program too", () => {
  expect(readFileSync(join(root, "README.md"), "utf8")).toContain(print);
});

let compiled: Compiled;
beforeAll(() => {
  compiled = compile();
});
afterAll(() => compiled.remove());

// One server will do: what differs between them is elsewhere.
const server = liveServer(liveMajors.at(-1)!);
const [database, target] = ["shop", "shop_copy"];
const url = (name: string, user: string): string =>
  `postgres://${user}@/${name}?host=${server.host}&port=${server.port}`;

/** Others use the machine as well. */
const patience = { timeout: 20_000 };

/** Run a program of the page. */
function start(program: string): { child: ChildProcess; said: () => string; ended: Promise<unknown> } {
  const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    exports: Record<string, string>;
  };
  const code = program.replace(/from "walwire(\/[^"]+)?"/g, (_, path = "") => {
    const file = exports[`.${path}`]!.replace("./dist/", "");
    return `from ${JSON.stringify(pathToFileURL(join(compiled.dist, file)).href)}`;
  });
  const env = { ...process.env, DATABASE_URL: url(database, "follower"), TARGET_URL: url(target, server.user) };
  const child = spawn(process.execPath, ["--input-type=module", "-e", code], { cwd: root, env });
  let text = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (text += chunk));
  onTestFinished(() => void child.kill("SIGKILL"));
  return { child, said: () => text, ended: once(child, "close") };
}

test("the page takes a reader from nothing to a copy that survives kill -9", { timeout: 60_000 }, async () => {
  const run = (sql: string) => server.sql(sql, { database });
  await server.sql(`CREATE DATABASE ${database}`);
  await server.sql(`CREATE DATABASE ${target}`);
  onTestFinished(async () => {
    await server.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'shop%'");
    const slots = "FROM pg_replication_slots WHERE slot_name = 'shop_slot'";
    await expect.poll(() => server.sql(`SELECT 1 ${slots} AND active`), patience).toMatchObject({ rows: [] });
    await server.sql(`SELECT pg_drop_replication_slot(slot_name) ${slots}`);
    for (const name of [database, target]) await server.sql(`DROP DATABASE ${name} WITH (FORCE)`);
    for (const sql of ["DROP ROLE follower", "ALTER SYSTEM RESET wal_level"]) await server.sql(sql);
  });
  for (const sql of prepare!) await run(sql);
  const doctor = await spawnWalwire(compiled.dist, ["doctor", "--publication", "shop", url(database, "follower")]);
  expect(doctor.stdout).toContain("✔ wal_level is logical");
  // The servers of the tests run without these two.
  const errors = doctor.stdout.split("\n").filter((line) => line.startsWith("✘ error"));
  for (const line of errors) expect(line).toMatch(/^✘ error (FSYNC_OFF|FULL_PAGE_WRITES_OFF)/);

  const printing = start(print!);
  await expect
    .poll(
      // A slot is active while it is created, too; it has a position once that is done.
      async () =>
        (
          await server.sql(
            "SELECT active FROM pg_replication_slots WHERE confirmed_flush_lsn > '0/0' AND slot_name = 'shop_slot'",
          )
        ).rows,
      patience,
    )
    .toEqual([["t"]]);
  await run("INSERT INTO fruit VALUES (1, 'apple', 0.50), (2, 'pear', 0.70)");
  await expect.poll(printing.said, patience).toContain("pear");
  printing.child.kill("SIGINT");
  expect(await printing.ended).toEqual([0, null]);

  let writing = true;
  const writer = (async () => {
    for (let id = 3; writing; id++) {
      await run(`INSERT INTO fruit VALUES (${id}, 'fruit ${id}', ${id / 4})`);
      await run(`UPDATE fruit SET name = name || '!', id = -id WHERE id = ${id - 2}`);
      if (id % 3 === 0) await run(`DELETE FROM fruit WHERE id = ${4 - id}`);
      await sleep(2);
    }
  })();
  const position = async () =>
    (await server.sql("SELECT lsn FROM position", { database: target }).catch(() => ({ rows: [] }))).rows[0]?.[0];
  for (let kills = 0; kills < 3; kills++) {
    const before = await position();
    const killed = start(keep!);
    await expect.poll(position, { ...patience, interval: 10 }).not.toBe(before);
    await sleep(20 * kills);
    killed.child.kill("SIGKILL");
    await killed.ended;
  }
  const keeping = start(keep!);
  await sleep(500);
  writing = false;
  await writer;
  const { rows } = await run("SELECT * FROM fruit ORDER BY id");
  const copy = async () => {
    const all = await server.sql("SELECT * FROM fruit ORDER BY id", { database: target }).catch(() => ({ rows: [] }));
    return { rows: all.rows, said: keeping.said() };
  };
  await expect.poll(copy, patience).toEqual({ rows, said: "" });
  expect(rows.length).toBeGreaterThan(10);
  keeping.child.kill("SIGTERM");
  expect(await keeping.ended).toEqual([0, null]);
  for (const sql of drop!) await run(sql);
});

/** A disk that is full: what was not written is not acknowledged, and goes on once there is room again. */
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { compile } from "../compiled.ts";
import { canMount, onDisk } from "../faults/disk.ts";
import { bundleConsumer, runRound, serverSettings } from "../faults/round.ts";
import { seed } from "../seed.ts";
import { startServer } from "../servers/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { confirmedOf, databaseOf, dropDatabases } from "../subscribe.ts";

const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-disk-"));
afterAll(async () => {
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
  await dropDatabases();
});

const [oldest, newest] = [longTestMajors[0]!, longTestMajors.at(-1)!];

/** Runs `tail` on a disk of 1 MB, and once more on a larger one. Where no disk may be mounted, the limit of a file's size stands for it. */
const script = canMount()
  ? '"$@"; echo "status $?"; cat out.state; read line; mount -o remount,size=64m .; "$@"; echo "status $?"; cat out; echo "end"'
  : '(ulimit -S -f 1024; "$@"); echo "status $?"; cat out.state; read line; "$@"; echo "status $?"; cat out; echo "end"';
const said = canMount() ? "no space left on device" : "file too large";

test.for([...new Set([oldest, newest])])("PostgreSQL %i: tail --output", { timeout: 60_000 }, async (major) => {
  const server = liveServer(major);
  const database = await databaseOf(server);
  const run = (sql: string) => server.sql(sql, { database });
  await run(`SELECT pg_create_logical_replication_slot('${database}', 'pgoutput')`);
  for (let i = 0; i < 30; i++) {
    await run(`INSERT INTO t SELECT ${i * 100} + i, repeat('x', 1000) FROM generate_series(1, 100) i`);
  }
  const directory = join(folder, `${major}`);
  mkdirSync(directory);
  const url = `postgres://postgres@/${database}?host=${encodeURIComponent(server.host)}&port=${server.port}`;
  const tail = [process.execPath, join(compiled.dist, "node/cli.js"), "tail", url, "--jsonl", "--publication", "p"];
  const args = [...tail, "--slot", database, "--output", "out", "--until", "now"];
  // The directory is entered again, now that something is mounted on it.
  const program = ["bash", "-c", `cd "$0" && ${script}`, directory, ...args];
  const [command, ...all] = canMount() ? onDisk(directory, 1024 * 1024, program) : program;
  const child = spawn(command!, all);
  onTestFinished(() => void child.kill("SIGKILL"));
  let errors = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    errors += text;
  });
  const lines = createInterface(child.stdout)[Symbol.asyncIterator]();
  const next = async (): Promise<string> => (await lines.next()).value;
  expect(await next()).toBe("status 3");
  await expect.poll(() => errors).toContain(`walwire: out: ${said}`);
  const state = JSON.parse(await next()) as { lsn: string };
  const confirmed = await confirmedOf(server, database);
  expect(confirmed).toBeLessThanOrEqual(parseLsn(state.lsn));
  child.stdin.write("go on\n");
  expect(await next()).toBe("status 0");
  const ids: unknown[] = [];
  for (let line = await next(); line !== "end"; line = await next()) {
    const { type, row } = JSON.parse(line) as { type: string; row?: { id: number } };
    if (type === "Insert") ids.push(row?.id);
  }
  expect(ids).toEqual(Array.from({ length: 3000 }, (_, i) => i + 1));
  expect(await confirmedOf(server, database)).toBeGreaterThan(confirmed);
});

test("a subscription ends with the error of its spill, and goes on when it is started again", {
  timeout: 120_000,
}, async () => {
  const consumer = await bundleConsumer();
  onTestFinished(() => consumer.remove());
  const server = await startServer({ major: newest, settings: serverSettings });
  onTestFinished(() => server.stop());
  let full = 0;
  for (let i = 0; i < 5 && full === 0; i++) {
    ({ full } = await runRound({
      server,
      seed: seed + i,
      faults: ["full disk"],
      consumer: consumer.path,
      duration: 600,
    }));
  }
  expect(full).toBeGreaterThan(0);
});

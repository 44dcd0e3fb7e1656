/** `walwire serve`: what a receiver gets from a directory, and how it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { connect } from "../../src/node/client.ts";
import { receiveWal } from "../../src/node/receive-wal/index.ts";
import { scramSecret } from "../../src/node/server/index.ts";
import { compile } from "../compiled.ts";
import { emit, one } from "../receiving.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { spawnWalwire } from "../walwire.ts";

const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-serve-"));
const archive = join(folder, "archive");
let server: OwnServer;
let end: string;

beforeAll(async () => {
  server = await startServer({ major: liveMajors.at(-1)! });
  await emit(server, 300);
  end = await one(server, "SELECT pg_current_wal_flush_lsn()");
  // Receiving ends behind it, so there must be something.
  await emit(server, 10);
  mkdirSync(archive);
  const { host, port, user } = server;
  await receiveWal({ connect: { host, port, user }, directory: archive, endpos: parseLsn(end), loop: false });
});
afterAll(async () => {
  await server?.stop();
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
});

async function serve(...args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [
    join(compiled.dist, "node/cli.js"),
    ...["serve", "--wal", archive, "--listen", "127.0.0.1:0", ...args],
  ]);
  onTestFinished(() => void child.kill("SIGKILL"));
  let said = "";
  child.stderr!.setEncoding("utf8").on("data", (text) => {
    said += text;
  });
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  await expect.poll(() => said).toMatch(/listening on .*\n/);
  const [, host, port] = /listening on (.*):(\d+)\n/.exec(said)!;
  return {
    child,
    said: () => said,
    connection: { host: host!, port: Number(port), connectionTimeoutMillis: 10_000 },
    closed,
  };
}

test("serves the same bytes, keeps slots, and ends once receivers have everything", async () => {
  const slots = join(folder, "slots");
  const { child, said, connection, closed } = await serve("--slots", slots);
  expect(said()).toMatch(/^walwire: PostgreSQL \d+\.\d+, system \d+, timeline 1, WAL up to 0\//);
  const client = await connect({ ...connection, user: "u", replication: "true" });
  expect((await client.identifySystem()).timeline).toBe(1);
  await client.createSlot("kept");
  await client.disconnect();
  const copy = join(folder, "copy");
  mkdirSync(copy);
  await receiveWal({
    ...{ connect: { ...connection, user: "u" }, directory: copy, slotname: "kept" },
    ...{ endpos: parseLsn(end), loop: false },
  });
  // As pg_receivewal, it begins with the segment in which WAL ends.
  const names = readdirSync(copy);
  expect(names).toEqual([expect.stringMatching(/^[0-9A-F]{24}\.partial$/)]);
  const length = Number(parseLsn(end) % 0x1000000n);
  const [ours, theirs] = [copy, archive].map((path) => readFileSync(join(path, names[0]!)).subarray(0, length));
  expect(length).toBeGreaterThan(1000);
  expect(ours!.equals(theirs!)).toBe(true);
  child.kill("SIGINT");
  expect(await closed).toBe(0);
  expect(readdirSync(slots)).toEqual(["kept"]);
});

test("asks for passwords where there are users", async () => {
  const users = join(folder, "users");
  writeFileSync(users, `# roles\nme:${scramSecret("secret", { salt: new Uint8Array(16) })}\n`);
  const { connection, child, closed } = await serve("--users", users);
  const client = await connect({ ...connection, user: "me", password: "secret", replication: "true" });
  await client.disconnect();
  await expect(connect({ ...connection, user: "me", password: "other", replication: "true" })).rejects.toMatchObject({
    sqlstate: "28P01",
  });
  child.kill("SIGTERM");
  expect(await closed).toBe(0);
});

test("gives a base backup if it has one, and says how if it has none", async () => {
  const backup = join(folder, "backup");
  const { host, port, user } = server;
  const url = `postgres://${user}@/?host=${encodeURIComponent(host)}&port=${port}`;
  const made = await spawnWalwire(compiled.dist, ["base-backup", "-d", url, "-D", backup, "--checkpoint", "fast"]);
  expect(made.status, made.stderr).toBe(0);
  const without = await serve();
  const address = ({ connection }: typeof without) => `postgres://u@${connection.host}:${connection.port}/`;
  const none = await spawnWalwire(compiled.dist, ["base-backup", "-d", address(without), "-D", join(folder, "none")]);
  expect(none.stderr).toContain("this server has WAL only, and no base backup");
  expect(none.status).not.toBe(0);
  const copy = join(folder, "backup-copy");
  const call = ["base-backup", "-d", address(await serve("--base-backup", backup)), "-D", copy, "--wal-method", "none"];
  const given = await spawnWalwire(compiled.dist, call);
  expect(given.status, given.stderr).toBe(0);
  const manifest = (of: string) => readFileSync(join(of, "backup_manifest"));
  expect(manifest(copy).equals(manifest(backup))).toBe(true);
});

test.each<[args: readonly string[], status: number, words: string]>([
  [[], 2, "missing --wal or --publish"],
  [["--wal", "/no/such/folder"], 3, "/no/such/folder"],
  [
    ["--wal", "d", "--slots", "s", "--listen", "x"],
    2,
    '--listen: expected HOST:PORT, PORT or the path of a Unix socket, got "x"',
  ],
  [["--publish", "a", "--publish", "b"], 2, "--publish is given twice"],
  [["--publish", "a", "--base-backup", "b"], 2, "--base-backup requires --wal"],
  [["--wal", "d", "--tls-key", "k"], 2, "--tls-key requires --tls-cert"],
])("%j is an error", async (args, code, words) => {
  const { status, stdout, stderr } = await spawnWalwire(compiled.dist, ["serve", ...args]);
  expect(stdout).toBe("");
  expect(stderr).toContain(words);
  expect(stderr.split("\n").length).toBeLessThan(4);
  expect(status).toBe(code);
});

// Node's recursive mkdir never returns there.
test("reports a directory for --slots that the system does not make", async () => {
  const call = ["serve", "--wal", archive, "--listen", "127.0.0.1:0", "--slots", "/proc/walwire/s"];
  const { status, stderr } = await spawnWalwire(compiled.dist, call);
  expect(stderr).toContain('could not read directory "/proc/walwire/s": No such file or directory');
  expect(status).toBe(3);
});

test("listens beyond this machine only with users and TLS, or if it must", async () => {
  const { status, stderr } = await spawnWalwire(compiled.dist, ["serve", "--wal", archive, "--listen", "0.0.0.0:0"]);
  expect(stderr).toContain("--listen: 0.0.0.0:0 is beyond this machine: add --users and --tls-cert, or --insecure");
  expect(status).toBe(2);
});

/** receive-wal beside pg_receivewal 15: the same files, byte for byte, from the same server. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { lstatSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { emit, one, promote, Receiving, standbyOf, switchWal } from "../receiving.ts";
import { type OwnServer, type Server, startServer } from "../servers/index.ts";
import { runWalwire } from "../walwire.ts";
import { pathOf, runProgram } from "./programs.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-receive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const fresh = (): string => mkdtempSync(join(folder, "wal-"));

async function start(options: Partial<Parameters<typeof startServer>[0]> = {}): Promise<OwnServer> {
  const server = await startServer({ major: 15, initdb: ["--wal-segsize=1"], ...options });
  onTestFinished(() => server.stop());
  return server;
}

/** pg_receivewal in the background. */
function theirs(server: Server, directory: string, ...args: readonly string[]) {
  const child = spawn(
    pathOf("pg_receivewal"),
    ["-h", server.host, "-U", server.user, "-D", directory, "-v", "-s", "1", ...args],
    {
      env: { PATH: process.env.PATH, LC_ALL: "C", PGAPPNAME: "theirs" },
      stdio: ["ignore", "ignore", "pipe"],
    },
  );
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const end = once(child, "close");
  return {
    said: () => stderr,
    async stop(): Promise<string> {
      child.kill("SIGINT");
      const [status] = await end;
      expect(status, stderr).toBe(0);
      return stderr;
    },
  };
}

const ours = (server: Server, directory: string, options = {}) =>
  new Receiving(server, directory, {
    connect: { host: server.host, user: server.user, application_name: "ours" },
    statusInterval: 1000,
    ...options,
  });

/** Wait until both have written everything. */
async function bothAreThere(server: Server): Promise<void> {
  const lsn = "CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn() END";
  for (;;) {
    const count = await one(
      server,
      `SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND write_lsn >= ${lsn}`,
    );
    if (count === "2") return;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** Files by name, decompressed. */
function contents(directory: string): Map<string, Buffer> {
  const read = (name: string): Buffer => {
    const bytes = readFileSync(join(directory, name));
    return name.includes(".gz") ? gunzipSync(bytes) : bytes;
  };
  return new Map(
    readdirSync(directory)
      .sort()
      .map((name) => [name, read(name)]),
  );
}

function expectSame(our: string, their: string): string[] {
  const [a, b] = [contents(our), contents(their)];
  expect([...a.keys()]).toEqual([...b.keys()]);
  for (const [name, bytes] of a) expect(bytes.equals(b.get(name)!), `the bytes of ${name}`).toBe(true);
  return [...a.keys()];
}

/** What pg_receivewal says, without its name. It says twice why it ends: before and after its last file is closed. */
const lines = (stderr: string): string[] => [
  ...new Set(
    stderr
      .trimEnd()
      .split("\n")
      .map((line) => line.replace(/^pg_receivewal: /, "")),
  ),
];

test.for([
  { title: "as they are", args: [], options: {} },
  { title: "flushed at once", args: ["--synchronous"], options: { synchronous: true } },
  { title: "compressed", args: ["-Z", "gzip:2"], options: { compress: "gzip", level: 2 } as const },
])("writes segments $title like pg_receivewal, and says the same", { timeout: 60_000 }, async ({ args, options }) => {
  const server = await start();
  const [our, their] = [fresh(), fresh()];
  const receiving = ours(server, our, options);
  const peer = theirs(server, their, ...args);
  await receiving.started();
  await emit(server, 2500);
  await switchWal(server);
  await emit(server, 300);
  await bothAreThere(server);
  await receiving.stop();
  const said = lines(await peer.stop());
  expect(receiving.events.map(({ message }) => message)).toEqual(said);
  const names = expectSame(our, their);
  expect(names.length).toBeGreaterThanOrEqual(4);
  expect(names.filter((name) => name.endsWith(".partial"))).toHaveLength(1);

  // Each goes on from the files of the other.
  const again = { our: ours(server, their, options), their: theirs(server, our, ...args) };
  await again.our.started();
  await emit(server, 1200);
  await bothAreThere(server);
  await again.our.stop();
  expect(again.our.events.map(({ message }) => message)).toEqual(lines(await again.their.stop()));
  expectSame(our, their);
});

test("follows a new timeline like pg_receivewal", { timeout: 60_000 }, async () => {
  const primary = await start();
  await emit(primary, 1500);
  const standby = await start({ ...(await standbyOf(primary, join(fresh(), "data"))) });
  const [our, their] = [fresh(), fresh()];
  const receiving = ours(standby, our);
  const peer = theirs(standby, their);
  await receiving.started();
  await bothAreThere(standby);
  await promote(standby);
  await receiving.until(() => receiving.events.some(({ type }) => type === "switched"));
  await emit(standby, 1500);
  await bothAreThere(standby);
  await receiving.stop();
  expect(receiving.events.map(({ message }) => message)).toEqual(lines(await peer.stop()));
  const names = expectSame(our, their);
  expect(names).toContain("00000002.history");
  expect(names.some((name) => /^00000001.*partial$/.test(name))).toBe(true);
  expect(names.some((name) => /^00000002\w{16}$/.test(name))).toBe(true);
});

test("ends at once at a position that is behind, like pg_receivewal", { timeout: 60_000 }, async () => {
  const server = await start();
  const url = `postgres://${server.user}@localhost/?host=${encodeURIComponent(server.host)}`;
  await switchWal(server);
  const [our, their] = [fresh(), fresh()];
  for (const verbose of [[], ["-v"]]) {
    const args = ["--endpos", "0/100028", "--no-loop", ...verbose];
    const peer = await runProgram("pg_receivewal", ["-h", server.host, "-U", server.user, "-D", their, ...args]);
    const { status, stdout, stderr } = await runWalwire(["receive-wal", our, "--dbname", url, ...args]);
    expect([status, stdout, lines(stderr.replaceAll("walwire: ", ""))]).toEqual([0, "", lines(peer.stderr)]);
    expect(peer.status).toBe(0);
    expect(stderr === "").toBe(verbose.length === 0);
  }
  expect([readdirSync(our), readdirSync(their)]).toEqual([[], []]);
});

test("writes where a symbolic link points to, like pg_receivewal", { timeout: 60_000 }, async () => {
  const server = await start();
  const url = `postgres://${server.user}@localhost/?host=${encodeURIComponent(server.host)}`;
  const name = await one(server, "SELECT pg_walfile_name(pg_current_wal_lsn())");
  await emit(server, 300);
  const end = await switchWal(server);
  const args = ["--endpos", await one(server, `SELECT '0/0'::pg_lsn + ${end - 1n}`), "--no-loop"];
  const [our, their] = [fresh(), fresh()].map((directory) => {
    const there = join(fresh(), "there");
    writeFileSync(there, "");
    symlinkSync(there, join(directory, `${name}.partial`));
    return { directory, there };
  }) as [{ directory: string; there: string }, { directory: string; there: string }];
  const peer = await runProgram("pg_receivewal", [
    ...["-h", server.host, "-U", server.user, "-D", their.directory],
    ...args,
  ]);
  expect(peer.status, peer.stderr).toBe(0);
  const { status, stderr } = await runWalwire(["receive-wal", our.directory, "--dbname", url, "-q", ...args]);
  expect([status, stderr]).toEqual([0, ""]);
  const links = (directory: string): string[] =>
    readdirSync(directory).filter((each) => lstatSync(join(directory, each)).isSymbolicLink());
  expect([links(our.directory), links(their.directory)]).toEqual([[name], [name]]);
  expect(expectSame(our.directory, their.directory)).toContain(name);
  expect(readFileSync(our.there).equals(readFileSync(their.there))).toBe(true);
});

test("starts where the slot is, and ends at a position, like pg_receivewal", { timeout: 60_000 }, async () => {
  const server = await start();
  const url = `postgres://${server.user}@localhost/?host=${encodeURIComponent(server.host)}`;
  const [our, their] = [fresh(), fresh()];
  for (const slot of ["our", "their"]) {
    const call = ["receive-wal", "--dbname", url, "--slot", slot, "--create-slot"];
    expect(await runWalwire(call)).toEqual({ status: 0, stdout: "", stderr: "" });
    const again = await runWalwire(call);
    expect(again.status).toBe(3);
    expect(again.stderr).toContain(`replication slot "${slot}" already exists`);
    expect((await runWalwire([...call, "--if-not-exists"])).status).toBe(0);
  }
  await emit(server, 2500);
  const end = await switchWal(server);
  const endpos = await one(server, `SELECT '0/0'::pg_lsn + ${end - 1n}`);
  const args = ["--endpos", endpos, "--no-loop", "--slot"];
  const peer = await runProgram("pg_receivewal", ["-h", server.host, "-U", server.user, "-D", their, ...args, "their"]);
  expect(peer.status, peer.stderr).toBe(0);
  const { status, stderr } = await runWalwire(["receive-wal", our, "--dbname", url, "-q", ...args, "our"]);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(expectSame(our, their).length).toBeGreaterThanOrEqual(3);
  expect((await runWalwire(["receive-wal", "--dbname", url, "--slot", "our", "--drop-slot"])).status).toBe(0);
  expect(await one(server, "SELECT string_agg(slot_name, ' ') FROM pg_replication_slots")).toBe("their");
});

/** `walwire base-backup`: the examples of docs/base-backup.md, and calls that are wrong. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { maxRateOf, tablespaceMappingOf } from "../../src/node/cli/base-backup/values.ts";
import { connect } from "../../src/node/client.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { compile } from "../compiled.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { runWalwire, spawnWalwire } from "../walwire.ts";

const page = readFileSync(fileURLToPath(new URL("../../docs/base-backup.md", import.meta.url)), "utf8");
const examples = [...page.matchAll(/```sh\nwalwire (.*)\n```\n\n```text\n([\s\S]*?)```/g)].map(([, call, output]) => ({
  call: call!,
  output: output!,
}));

const major = liveMajors.at(-1)!;
const compiled = compile();
afterAll(() => compiled.remove());

function place(): string {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  return path;
}

function serverInEnvironment(): void {
  const { host, port, user } = liveServer(major);
  for (const [name, value] of Object.entries({ PGHOST: host, PGPORT: String(port), PGUSER: user })) {
    vi.stubEnv(name, value);
  }
  onTestFinished(() => void vi.unstubAllEnvs());
}

test("the examples of docs/base-backup.md", { timeout: 60_000 }, async () => {
  expect(examples.length).toBe(page.match(/```sh/g)!.length);
  expect(examples.length).toBe(4);
  serverInEnvironment();
  const cwd = place();
  for (const { call, output } of examples) {
    const args = call.split(" ").map((word) => (/^(today|archives|standby)$/.test(word) ? join(cwd, word) : word));
    const { status, stdout, stderr } = await runWalwire(args.includes("verify-backup") ? args : [...args, "--no-sync"]);
    const steady = stdout
      .replace(/[\d.]+ MB in [\d.]+ s/, "… in … s")
      .replace(/[0-9A-F]+\/[0-9A-F]+ to [0-9A-F]+\/[0-9A-F]+/, "… to …");
    expect([status, steady, stderr]).toEqual([0, output, ""]);
  }
  expect(readdirSync(join(cwd, "archives")).sort()).toEqual(["backup_manifest", "base.tar.gz", "pg_wal.tar.gz"]);
  expect(existsSync(join(cwd, "standby/standby.signal"))).toBe(true);
});

test("progress, notices and JSON", { timeout: 60_000 }, async () => {
  serverInEnvironment();
  const cwd = place();
  const call = ["base-backup", join(cwd, "b"), "-c", "fast", "-X", "none", "-N", "-P", "-v", "--json", "--no-manifest"];
  const { status, stdout, stderr } = await runWalwire(call);
  expect(status).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({
    serverVersion: liveServer(major).versionNum,
    timeline: 1,
    tablespaces: [],
  });
  expect(stderr).toMatch(/^walwire: checkpoint completed$/m);
  expect(stderr).toMatch(/^\d+\/\d+ kB \(100%\), 1\/1 tablespace, [\d.]+ \w+\/s, 0:00 left$/m);
  // WAL is not archived there, which the server says.
  expect(stderr).toMatch(/^NOTICE: {2}WAL archiving is not enabled/m);
});

test.each(["SIGINT", "SIGTERM", "SIGHUP"] as const)("%s leaves nothing behind", { timeout: 60_000 }, async (signal) => {
  const { host, port, user } = liveServer(major);
  const directory = join(place(), "b");
  const url = `postgres://${user}@/?host=${encodeURIComponent(host)}&port=${port}`;
  const slow = ["base-backup", directory, "-d", url, "-c", "fast", "--max-rate", "32k"];
  const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), ...slow]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const ended = once(child, "close");
  // Files have come, and WAL streams.
  await vi.waitFor(() => expect(existsSync(join(directory, "pg_wal/archive_status"))).toBe(true), 20_000);
  child.kill(signal);
  // The shell and the kernel each send SIGHUP when a terminal is closed; a second Ctrl-C ends at once.
  const again = signal === "SIGHUP" ? setInterval(() => child.kill(signal), 1) : undefined;
  const [status] = await ended;
  clearInterval(again);
  expect(stderr).toBe("walwire: interrupted\n");
  // The last of many may find a process that has done everything and handles no signals any more.
  expect(again === undefined ? [130] : [130, null]).toContain(status);
  expect(existsSync(directory)).toBe(false);
});

test("a slot that was created is left, and named", { timeout: 60_000 }, async () => {
  const { host, port, user } = liveServer(major);
  const directory = join(place(), "b");
  const slot = `walwire_left_${process.pid}`;
  const url = `postgres://${user}@/?host=${encodeURIComponent(host)}&port=${port}`;
  const slow = ["-d", url, "-c", "fast", "--max-rate", "32k", "-q", "-C", "-S", slot];
  const child = spawn(process.execPath, [join(compiled.dist, "node/cli.js"), "base-backup", "-D", directory, ...slow]);
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const ended = once(child, "close");
  await vi.waitFor(() => expect(existsSync(join(directory, "pg_wal/archive_status"))).toBe(true), 20_000);
  child.kill("SIGINT");
  const [status] = await ended;
  const drop = `SELECT pg_drop_replication_slot('${slot}')`;
  const left = `walwire: replication slot "${slot}" was created and is left; drop it with ${drop}\n`;
  expect([status, stderr]).toEqual([130, `${left}walwire: interrupted\n`]);
  // The advice works, as soon as the server has seen that the connection is closed.
  const client = await connect({ host, port, user, database: "postgres", replication: "database" });
  onTestFinished(() => client.disconnect());
  await vi.waitFor(() => client.query(drop), 20_000);
});

test("options are written as for pg_basebackup", { timeout: 60_000 }, async () => {
  serverInEnvironment();
  const directory = join(place(), "b");
  const call = ["base-backup", `--pgdata=${directory}`, "-Xnone", "-cFAST", "-NqFt", "--manifest-checksums", "none"];
  const { status, stderr } = await runWalwire(call);
  expect([status, stderr]).toEqual([0, ""]);
  const manifest = JSON.parse(readFileSync(join(directory, "backup_manifest"), "utf8"));
  expect(manifest.Files[0]).not.toHaveProperty("Checksum-Algorithm");
});

// Node's recursive mkdir never returns there.
test.each([["/proc/walwire/b"], ["/proc/walwire/b", "--format", "tar"], ["DIRECTORY", "--waldir", "/proc/walwire/b"]])(
  "a directory that the system does not make: %j",
  { timeout: 60_000 },
  async (...args) => {
    serverInEnvironment();
    const directory = join(place(), "b");
    const call = args.map((word) => (word === "DIRECTORY" ? directory : word));
    const { status, stderr } = await spawnWalwire(compiled.dist, ["base-backup", ...call, "--quiet"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining('could not create directory "/proc')]);
    expect(existsSync(directory)).toBe(false);
  },
);

describe("a call that is wrong", () => {
  test.each([
    [["base-backup"], "missing DIRECTORY"],
    [["base-backup", "b", "-D", "c"], "--pgdata and DIRECTORY are mutually exclusive"],
    [["base-backup", "-", "-F", "t"], "archives are not written to standard output: name a directory"],
    [["base-backup", "-D", "-", "-Ft"], "archives are not written to standard output: name a directory"],
    [["base-backup", "b", "-F", "TAR"], '-F: expected plain or tar, got "TAR"'],
    [["base-backup", "/no/b", "-T", "/srv=/no/b/x"], 'directory "/no/b/x" is inside the backup directory "/no/b"'],
    [["base-backup", "b", "--gzip"], "only tar mode backups can be compressed"],
    [["base-backup", "b", "-F", "t", "-Z", "lz4"], "walwire compresses with gzip only: write server-lz4"],
    [["base-backup", "b", "-F", "t", "-Z", "gzip:10"], "the level of gzip is 1 to 9"],
    [["base-backup", "b", "-Z", "turkey"], 'unrecognized compression algorithm: "turkey"'],
    [["base-backup", "b", "-X", "fetch", "-S", "s"], "replication slots can only be used with WAL streaming"],
    [["base-backup", "b", "-C"], "--create-slot requires --slot"],
    [["base-backup", "b", "-F", "t", "--waldir", "/w"], "WAL directory location can only be specified in plain mode"],
    [["base-backup", "b", "--waldir", "w"], "WAL directory location must be an absolute path"],
    [["base-backup", "b", "-T", "a=/b"], "old directory is not an absolute path in tablespace mapping: a"],
    [["base-backup", "b", "-T", "/a=b"], "new directory is not an absolute path in tablespace mapping: b"],
    [["base-backup", "b", "-d", "host=x"], "expected a URL such as"],
    [["base-backup", "b", "-r", "1"], 'transfer rate "1" is out of range'],
  ])("%j", async (args, message) => {
    const { status, stderr } = await runWalwire(args);
    expect([status, stderr]).toEqual([2, expect.stringContaining(message)]);
  });

  test("a directory that is not empty", async () => {
    serverInEnvironment();
    const directory = place();
    mkdirSync(join(directory, "lost+found"));
    writeFileSync(join(directory, "x"), "");
    const { status, stderr } = await runWalwire(["base-backup", directory]);
    expect([status, stderr]).toEqual([2, expect.stringContaining(`directory "${directory}" exists but is not empty`)]);
  });

  test("a server that is not there", async () => {
    const { status } = await runWalwire(["base-backup", join(place(), "b"), "-d", "postgres://me@127.0.0.1:1"]);
    expect(status).toBe(3);
  });
});

test.each<[string, number]>([
  ["32", 32],
  ["100k", 100],
  [" 1.5 M ", 1536],
  ["1024M", 1048576],
  ["1e3", 1000],
  ["99.9", 99],
])("the rate %j", (text, rate) => expect(maxRateOf(text)).toBe(rate));

test.each(["", "x", "0", "-1", "31", "1025M", "100 K", "100kB", "1e400"])("%j is not a rate", (text) => {
  expect(() => maxRateOf(text)).toThrow();
});

test("the mapping of tablespaces: = in a directory is \\=", () => {
  expect(tablespaceMappingOf(["/a\\=b=/c\\=d", "/e=/f", "/e=/g"])).toEqual({ "/a=b": "/c=d", "/e": "/f" });
  for (const bad of ["", "/a", "=/b", "/a=", "/a=/b=/c"]) expect(() => tablespaceMappingOf([bad])).toThrow();
});

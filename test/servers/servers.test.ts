/** The harness: servers start, answer, stream, and leave nothing behind however their owner ends. */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath, pathToFileURL } from "node:url";
import { gunzipSync, gzipSync } from "node:zlib";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  attach,
  captureStream,
  frame,
  majors,
  readCapture,
  type ServerAddress,
  ServerError,
  startServer,
  writeCapture,
} from "./index.ts";
import { liveMajors, liveServer } from "./live.ts";
import { packageDirectory } from "./locate.ts";

const here = dirname(fileURLToPath(import.meta.url));
const newest = liveMajors.at(-1)!;
const linux = process.platform === "linux";
const root = process.getuid?.() === 0;

describe.for(liveMajors)("PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("answers its version", async () => {
    const { columns, rows } = await server.sql("SHOW server_version_num");
    expect(columns).toEqual(["server_version_num"]);
    expect(rows).toEqual([[String(server.versionNum)]]);
    expect(Math.trunc(server.versionNum / 10000)).toBe(major);
  });

  test("has the settings of the harness", async () => {
    const { rows } = await server.sql(`
      SELECT name, setting FROM pg_settings
      WHERE name IN ('wal_level', 'lc_messages', 'dynamic_shared_memory_type', 'synchronous_commit', 'lc_collate')
        AND source <> 'default' OR name = 'synchronous_commit' ORDER BY name`);
    expect(Object.fromEntries(rows)).toMatchObject({
      wal_level: "logical",
      lc_messages: "C",
      dynamic_shared_memory_type: "mmap",
      synchronous_commit: "on",
    });
  });

  test("answers both kinds of walsender, with its fields in errors", async () => {
    for (const replication of ["true", "database"]) {
      const connection = await server.connect({ replication });
      const types = (await connection.query("IDENTIFY_SYSTEM")).map(({ type }) => type);
      expect(types.join("")).toBe("TDCZ");
      await connection.close();
    }
    await expect(server.connect({ replication: "maybe" })).rejects.toMatchObject({
      fields: { S: "FATAL", C: "22023" },
    });
    const error = await server.sql("SELECT * FROM nowhere").catch((e) => e);
    expect(error).toBeInstanceOf(ServerError);
    expect(error.fields).toMatchObject({ C: "42P01", M: 'relation "nowhere" does not exist', R: "parserOpenTable" });
  });

  test("streams an insert", async () => {
    const database = "servers_capture";
    await server.sql(`CREATE DATABASE ${database}`);
    onTestFinished(async () => void (await server.sql(`DROP DATABASE ${database}`)));
    await server.sql("CREATE TABLE t (a int PRIMARY KEY, b text); CREATE PUBLICATION p FOR TABLE t", { database });
    const big = "x".repeat(3_000_000); // many reads, one payload
    const capture = await captureStream(server, {
      database,
      options: { proto_version: "1", publication_names: "p" },
      workload: async () => {
        await server.sql("INSERT INTO t VALUES (1, 'a')", { database });
        await server.sql(`INSERT INTO t VALUES (2, '${big}')`, { database });
      },
    });
    expect(capture.versionNum).toBe(server.versionNum);
    expect(capture.command).toMatch(
      /^START_REPLICATION SLOT capture_\d+_\d+ LOGICAL 0\/0 \(proto_version '1', publication_names 'p'\)$/,
    );
    const letters = capture.payloads.map((payload) => String.fromCharCode(payload[0]!));
    expect(new Set(letters)).toEqual(new Set(["w", "k"]));
    const messages = capture.payloads.filter((payload) => payload[0] === 0x77).map((payload) => payload.subarray(25));
    expect(messages.map((message) => String.fromCharCode(message[0]!)).join("")).toBe("BRICBIC");
    expect(Buffer.from(messages[5]!).includes(big)).toBe(true);

    const directory = temporaryDirectory();
    const file = join(directory, "insert.gz");
    writeCapture(file, capture.payloads);
    expect(readCapture(file).map(String)).toEqual(capture.payloads.map(String));
  });
});

describe("a connection", () => {
  const server = liveServer(newest);

  test("pipelines, and takes messages one by one or up to a type", async () => {
    const connection = await server.connect();
    onTestFinished(() => connection.close());
    const texts = Array.from({ length: 100 }, (_, i) => `SELECT ${i}`);
    const answers = await Promise.all(texts.map((text) => connection.query(text)));
    expect(answers.map((messages) => messages[1]!.body.subarray(6).toString())).toEqual(
      texts.map((text) => text.slice(7)),
    );
    connection.write(Buffer.concat([frame("Q", "SELECT 1"), frame("Q", "x")]));
    expect((await connection.next()).type).toBe("T");
    expect((await connection.until("Z")).map(({ type }) => type).join("")).toBe("DCZ");
    expect((await connection.until("Z")).map(({ type }) => type).join("")).toBe("EZ");
  });

  test("takes linear time for a big message", async () => {
    const connection = await server.connect();
    onTestFinished(() => connection.close());
    const length = 50_000_000;
    const [, row] = await connection.query(`SELECT repeat('x', ${length})`);
    expect(row!.body.length).toBe(2 + 4 + length);
  });

  test("says so when the server ends it", async () => {
    const connection = await server.connect();
    await expect(connection.query("SELECT pg_terminate_backend(pg_backend_pid())")).rejects.toThrow(
      "The server closed the connection. Its last error was 57P01: terminating connection due to administrator command",
    );
    await expect(connection.next()).rejects.toThrow("The server closed the connection.");
    await connection.close();
  });

  test("fails in a sentence where there is no server", async () => {
    const nowhere = attach({ ...server.address, host: "/nonexistent" });
    await expect(nowhere.sql("SELECT 1")).rejects.toThrow(
      "The connection broke: connect ENOENT /nonexistent/.s.PGSQL.5432.",
    );
  });
});

describe("a capture", () => {
  const server = liveServer(newest);

  test("throws what the server says of the options, and leaves no slot", async () => {
    const request = { options: { proto_version: "1", publication_names: "p", bogus: "1" }, workload: async () => {} };
    await expect(captureStream(server, request)).rejects.toThrow("unrecognized pgoutput option: bogus");
    const slots = await server.sql(
      `SELECT FROM pg_replication_slots WHERE slot_name LIKE 'capture\\_${process.pid}\\_%'`,
    );
    expect(slots.rows).toEqual([]);
  });

  test("throws what the workload throws", async () => {
    const workload = () => Promise.reject(new Error("of the workload"));
    await expect(
      captureStream(server, { options: { proto_version: "1", publication_names: "p" }, workload }),
    ).rejects.toThrow("of the workload");
  });

  test("file keeps payloads, and is refused when it is cut short", () => {
    const file = join(temporaryDirectory(), "capture.gz");
    writeCapture(file, [Buffer.from("abc"), Buffer.alloc(0)]);
    expect(readCapture(file).map(String)).toEqual(["abc", ""]);
    const bytes = gunzipSync(readFileSync(file));
    expect(bytes.toString("latin1")).toBe("\0\0\0\x03abc\0\0\0\0");
    for (const length of [2, 6, 9]) {
      writeFileSync(file, gzipSync(bytes.subarray(0, length)));
      expect(() => readCapture(file)).toThrow(`of its ${length} bytes`);
    }
  });
});

describe("starting and stopping", () => {
  test("two servers of one major live side by side, with settings of their own", async () => {
    const servers = await Promise.all(
      ["64", "65"].map((max_connections) => startServer({ major: newest, settings: { max_connections } })),
    );
    const answers = await Promise.all(servers.map((server) => server.sql("SHOW max_connections")));
    expect(answers.map(({ rows }) => rows)).toEqual([[["64"]], [["65"]]]);
    const traces = servers.map(({ address }) => trace(address));
    await Promise.all(servers.map((server) => server.stop()));
    expect(traces.map(({ left }) => left())).toEqual([[], []]); // at once: stop() waits for it
    await servers[0]!.stop(); // again
  });

  test("a server stops even with a walsender that waits for its client", async () => {
    const server = await startServer({ major: newest });
    const { left } = trace(server.address);
    const connection = await server.connect({ replication: "true" });
    connection.send("Q", "START_REPLICATION 0/1000000");
    expect((await connection.next()).type).toBe("W");
    await server.stop();
    expect(left()).toEqual([]);
    await connection.close();
  });

  test("a failure to start says what the server said", async () => {
    await expect(startServer({ major: newest, settings: { wal_level: "bogus" } })).rejects.toThrow(
      'invalid value for parameter "wal_level": "bogus"',
    );
  });

  test("a major that there is not is refused in a sentence", async () => {
    await expect(startServer({ major: 9 })).rejects.toThrow(
      /^PostgreSQL 9 is not packaged for .*; (10, 11, .*|15, 16, .*)18 are\.$/,
    );
    expect(majors).toContain(18);
  });
});

describe("nothing is left", () => {
  test.for([
    ["is killed", "return", "SIGKILL"],
    ["is interrupted", "return", "SIGINT"],
    ["is terminated", "return", "SIGTERM"],
    ["throws", "throw", undefined],
    ["returns without stopping its server", "return", undefined],
    ["stops its server and returns", "stop", undefined],
  ] as const)("when the owner %s", async ([, ending, signal]) => {
    const { address, process: owner, exited } = await startOwner(here, ending);
    const { left } = trace(address);
    if (signal) owner.kill(signal);
    else owner.stdin!.end();
    expect(await exited).toBe(signal ?? (ending === "throw" ? 1 : 0));
    await expect.poll(left).toEqual([]);
  });

  test.runIf(linux)("while it runs, nothing of it is in /dev/shm", async () => {
    const { pid } = liveServer(newest);
    const maps = readFileSync(`/proc/${pid}/maps`, "utf8");
    expect(maps).toContain("/native/");
    expect(maps).not.toContain("/dev/shm");
  });
});

describe("where the repository is", () => {
  /** A copy of the harness and of one server, to be changed. */
  const clone = () => {
    const directory = temporaryDirectory();
    const servers = join(directory, "test/servers");
    mkdirSync(servers, { recursive: true });
    for (const file of [
      "package.json",
      "index.ts",
      "raw.ts",
      "capture.ts",
      "locate.ts",
      "keeper.mjs",
      "owner.fixture.ts",
    ]) {
      cpSync(join(here, file), join(servers, file));
    }
    const name = `pg${newest}-${process.platform}-${process.arch}`;
    const modules = join(directory, "node_modules");
    return { directory, servers, modules, package: join(modules, name), original: packageDirectory(newest) };
  };

  test("a server that nobody can reach is copied (as root), and a clone without links gets them", async () => {
    const { directory, servers, modules, package: copy, original } = clone();
    // Without the links, as npm leaves it.
    mkdirSync(modules);
    const links: { target: string }[] = JSON.parse(readFileSync(join(original, "native/pg-symlinks.json"), "utf8"));
    const targets = new Set(links.map(({ target }) => join(original, target)));
    cpSync(original, copy, { recursive: true, filter: (path) => !targets.has(path) });
    chmodSync(directory, 0o700);

    const { address, process: owner } = await startOwner(servers, "return");
    const { left } = trace(address);
    expect(existsSync(join(address.host, "native"))).toBe(root);
    if (!root) expect(existsSync(join(copy, links[0]!.target))).toBe(true);
    expect((await attach(address).sql("SELECT 1")).rows).toEqual([["1"]]);
    owner.kill("SIGKILL");
    await expect.poll(left).toEqual([]);
  });

  test("a package that is not installed is a sentence", async () => {
    const { servers, modules } = clone();
    mkdirSync(modules);
    const { stderr } = await startOwner(servers, "return").catch((error) => error);
    expect(stderr).toContain(
      `The package pg${newest}-${process.platform}-${process.arch} is not installed; run "npm ci"`,
    );
  });
});

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "walwire-test-"));
  onTestFinished(() => rmSync(directory, { recursive: true, maxRetries: 10 }));
  return directory;
}

/** Runs owner.fixture.ts in a process, and resolves when its server is up. */
async function startOwner(directory: string, ending: string) {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve("tsx")).href;
  const args = ["--import", tsx, join(directory, "owner.fixture.ts"), ending, String(newest)];
  const owner: ChildProcess = spawn(process.execPath, args, { stdio: "pipe" });
  onTestFinished(() => void owner.kill("SIGKILL"));
  let stderr = "";
  owner.stderr!.on("data", (text) => {
    stderr += text;
  });
  const exited = new Promise<number | string>((resolve) =>
    owner.on("close", (code, signal) => resolve(code ?? signal!)),
  );
  const address = await new Promise<ServerAddress>((resolve, reject) => {
    createInterface(owner.stdout!).on("line", (line) => resolve(JSON.parse(line)));
    exited.then(() => reject(Object.assign(new Error(`The owner ended early: ${stderr}`), { stderr })));
  });
  return { address, process: owner, exited };
}

/** What there is of a running server, to see later what is left of it: postmaster, keeper, directory, shared memory. */
function trace({ pid, host }: ServerAddress) {
  const keeper = processStatus(pid).parent;
  expect(isRunning(pid) && isRunning(keeper) && statSync(host).isDirectory()).toBe(true);
  if (linux) expect(sharedMemoryOf(pid)).toHaveLength(1); // PostgreSQL's interlock is a System V segment
  return {
    left: () => [
      ...[pid, keeper].filter(isRunning),
      ...(existsSync(host) ? [host] : []),
      ...(linux ? sharedMemoryOf(pid) : []),
    ],
  };
}

/** A process that has ended and waits for its parent to notice (Z) is not running; init may take seconds to notice. */
function isRunning(pid: number): boolean {
  const { state } = processStatus(pid);
  return state !== "" && !state.startsWith("Z");
}

/** Linux has a /proc and, in small containers, no ps. */
function processStatus(pid: number): { state: string; parent: number } {
  try {
    const words = linux
      ? readFileSync(`/proc/${pid}/stat`, "utf8").replace(/^.*\) /s, "") // pid (name) state parent …
      : execFileSync("ps", ["-o", "stat=,ppid=", "-p", String(pid)], { encoding: "utf8" });
    const [state, parent] = words.trim().split(/ +/);
    return { state: state!, parent: Number(parent) };
  } catch {
    return { state: "", parent: 0 };
  }
}

/** System V segments that a process has made, as lines of /proc/sysvipc/shm. */
function sharedMemoryOf(pid: number): string[] {
  const lines = readFileSync("/proc/sysvipc/shm", "utf8").trim().split("\n").slice(1);
  return lines.filter((line) => line.trim().split(/ +/)[4] === String(pid)); // key shmid perms size cpid …
}

/** `walwire proxy`: what it shows, records and breaks. */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, onTestFinished, test } from "vitest";
import { connect } from "../../src/node/client.ts";
import { subscribe } from "../../src/node/subscribe/index.ts";
import { compile } from "../compiled.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { databaseOf, dropDatabases } from "../subscribe.ts";
import { runWalwire, spawnWalwire } from "../walwire.ts";

const compiled = compile();
const folder = mkdtempSync(join(tmpdir(), "walwire-proxy-cli-"));
afterAll(async () => {
  compiled.remove();
  rmSync(folder, { recursive: true, force: true });
  await dropDatabases();
});

const server = liveServer(liveMajors.at(-1)!);
const socket = join(server.host, `.s.PGSQL.${server.port}`);

/** `walwire proxy` in front of the server. */
async function start(...args: readonly string[]) {
  const child: ChildProcess = spawn(process.execPath, [
    join(compiled.dist, "node/cli.js"),
    ...["proxy", "--to", socket, ...args],
  ]);
  onTestFinished(() => void child.kill("SIGKILL"));
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]!.setEncoding("utf8").on("data", (text) => {
      output[name] += text;
    });
  }
  const closed = new Promise<number | null>((resolve) => child.on("close", resolve));
  const address = /^walwire: listening on (.*):(\d+)\n/;
  await expect.poll(() => output.stderr).toMatch(address);
  const [, host, port] = address.exec(output.stderr)!;
  return {
    output,
    connection: { host: host!, port: Number(port), user: server.user, connectionTimeoutMillis: 10_000 },
    async stop() {
      child.kill("SIGINT");
      return closed;
    },
  };
}

test("prints the conversation, without what is in a password message", async () => {
  const proxy = await start();
  const client = await connect({ replication: "true", ...proxy.connection });
  await client.identifySystem();
  await expect(client.query("SHOW nothing_of_this_name")).rejects.toMatchObject({ name: "ServerError" });
  await client.disconnect();
  expect(await proxy.stop()).toBe(0);
  const lines = proxy.output.stdout.split("\n");
  expect(lines[0]).toMatch(/^1 → StartupMessage protocolMajor=3 protocolMinor=0 parameters=\[\["user","postgres"\]/);
  expect(lines).toContain('1 → Query query="IDENTIFY_SYSTEM"');
  expect(lines).toContain('1 ← CommandComplete tag="IDENTIFY_SYSTEM"');
  expect(proxy.output.stdout).toMatch(/1 ← ErrorResponse fields=\{"S":"ERROR",/);
  expect(lines.at(-2)).toMatch(/^\d+ messages, 0 mismatches, 0 errors$/);
});

test("records what walwire decode reads, and writes lines of JSON", async () => {
  const database = await databaseOf(server);
  const directory = join(folder, "record");
  const proxy = await start("--record", directory, "--jsonl");
  const subscription = subscribe({
    connection: { ...proxy.connection, database },
    ...{ slotname: database, publications: ["p"], stopTimeout: 500 },
  });
  await subscription.start();
  await server.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two')", { database });
  for await (const event of subscription) {
    subscription.confirm(event);
    break;
  }
  expect(await proxy.stop()).toBe(0);
  const lines = proxy.output.stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
  const inserts = lines.filter(({ types }) => types?.includes("Insert"));
  expect(inserts).toMatchObject([
    { connection: 1, from: "server", types: ["CopyData", "XLogData", "Insert"], message: { newTuple: ["1", "one"] } },
    { connection: 1, from: "server", types: ["CopyData", "XLogData", "Insert"], message: { newTuple: ["2", "two"] } },
  ]);
  expect(lines.at(-1)).toMatchObject({ mismatches: 0, errors: 0 });
  const files = readdirSync(directory).sort();
  expect(files).toEqual(["1.1-client", "1.1-server"]);
  for (const name of files) {
    const args = ["decode", join(directory, name), "--verify", "--jsonl", "--from", name.split("-")[1]!];
    const { status, stdout } = await runWalwire(args);
    expect(status).toBe(0);
    expect(stdout.split("\n").at(-2)).toMatch(/"mismatches":0,"errors":0/);
    expect(readFileSync(join(directory, name)).length).toBeGreaterThan(10);
  }
});

test("cuts a connection within the message that is asked for", async () => {
  const database = await databaseOf(server);
  const proxy = await start("--at", "server:Insert:2", "--do", "cut=10", "--quiet");
  const subscription = subscribe({
    connection: { ...proxy.connection, database },
    ...{ slotname: database, publications: ["p"], stopTimeout: 500, reconnect: { first: 1 } },
  });
  await subscription.start();
  await server.sql("INSERT INTO t VALUES (1, 'one'), (2, 'two')", { database });
  for await (const event of subscription) {
    expect(event).toMatchObject({ type: "Transaction" });
    subscription.confirm(event);
    break;
  }
  expect(subscription.status().reconnects).toBe(1);
  await proxy.stop();
  expect(proxy.output.stdout).toContain("→ 1: cut=10\n");
});

// Node's recursive mkdir never returns there.
test("reports a directory for --record that the system does not make", async () => {
  const { status, stderr } = await spawnWalwire(compiled.dist, [
    "proxy",
    "--to",
    socket,
    "--record",
    "/proc/walwire/r",
  ]);
  expect(stderr).toContain("walwire: /proc/walwire/r: ");
  expect(status).toBe(3);
});

test("says what did not come, and what could not be reached, and keeps a record that is there", async () => {
  const proxy = await start("--at", "server:Insert", "--do", "cut");
  expect(await proxy.stop()).toBe(1);
  expect(proxy.output.stderr).toContain("walwire: server:Insert did not come\n");
  const { status, stderr } = await spawnWalwire(compiled.dist, ["proxy", "--to", socket, "--record", compiled.dist]);
  expect(stderr).toContain(`${compiled.dist} is not empty: choose another directory`);
  expect(status).toBe(1);
});

test("records rows of COPY as they are", async () => {
  const directory = join(folder, "rows");
  const proxy = await start("--record", directory, "--quiet");
  const client = await connect({ replication: "database", database: "postgres", ...proxy.connection });
  for await (const _ of client.copyOut("COPY (SELECT generate_series(1, 3)) TO STDOUT")) {
    // They are in the file.
  }
  await client.disconnect();
  expect(await proxy.stop()).toBe(0);
  expect(readdirSync(directory)).toEqual(["1.1-server.raw"]);
  expect(readFileSync(join(directory, "1.1-server.raw"), "utf8")).toBe("1\n2\n3\n");
});

test.each<[args: readonly string[], words: string]>([
  [[], "missing --to: the address of the server, such as 127.0.0.1:5432"],
  [["--to", "host"], '--to: expected HOST:PORT, PORT or the path of a Unix socket, got "host"'],
  [["--to", "0"], '--to: expected HOST:PORT, PORT or the path of a Unix socket, got "0"'],
  [["--to", "5432", "--at", "server:Insert"], "--at requires --do"],
  [
    ["--to", "5432", "--at", "x:Insert", "--do", "cut"],
    '--at: expected FROM:TYPE[:N], such as server:Insert:3, got "x:Insert"',
  ],
  [
    ["--to", "5432", "--at", "server:Insert", "--do", "burn"],
    '--do: expected cut, stall, drop, delay=MILLISECONDS, cut=BYTES or stall=BYTES, got "burn"',
  ],
  [
    ["--to", "5432", "--listen", "0.0.0.0:0"],
    "--listen: 0.0.0.0:0 is beyond this machine: add --tls-cert, or --insecure",
  ],
])("%j is a wrong call", async (args, words) => {
  const { status, stdout, stderr } = await spawnWalwire(compiled.dist, ["proxy", ...args]);
  expect(stdout).toBe("");
  expect(stderr.replace(/^walwire proxy: /, "").split("\n")[0]).toBe(words);
  expect(status).toBe(2);
});

/** `walwire tail` as people run it: what it prints, how it ends, and what it says when something is missing. */
import { type ChildProcess, spawn } from "node:child_process";
import { createServer, type Server as Listener } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { compile } from "../compiled.ts";
import { majors, type OwnServer, startServer } from "../servers/index.ts";

const root = fileURLToPath(new URL("../../", import.meta.url));
const newest = majors.at(-1)!;

interface Run {
  readonly process: ChildProcess;
  readonly output: { stdout: string; stderr: string };
  /** Exit status, or the signal that ended it. */
  readonly ended: Promise<number | string>;
  /** Resolves when standard output has this text. */
  says(text: string): Promise<void>;
}

const compiled = compile();

afterAll(() => compiled.remove());

function walwire(...args: string[]): Run {
  // The demo needs test/servers, which is TypeScript.
  const isDemo = args.length === 0;
  const program = isDemo ? ["--import", "tsx", "scripts/demo/index.ts"] : [join(compiled.dist, "node/cli.js")];
  const child = spawn(process.execPath, [...program, ...args], { cwd: root });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (text) => {
    output.stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text) => {
    output.stderr += text;
  });
  const ended = new Promise<number | string>((resolve) =>
    child.on("close", (code, signal) => resolve(code ?? signal!)),
  );
  onTestFinished(() => {
    child.kill("SIGTERM");
  });
  const says = async (text: string): Promise<void> => {
    while (!output.stdout.includes(text)) {
      if (child.exitCode !== null) throw new Error(`it ended before it said ${text}: ${output.stdout}${output.stderr}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  return { process: child, output, ended, says };
}

/** Run to the end. */
async function run(...args: string[]): Promise<{ status: number | string; stdout: string; stderr: string }> {
  const it = walwire(...args);
  return { status: await it.ended, ...it.output };
}

function url(server: OwnServer, { user = "postgres", database = "postgres" } = {}): string {
  return `postgres://${user}@/${database}?host=${encodeURIComponent(server.host)}&port=${server.port}`;
}

/** One sentence or two on standard error, no stack trace, exit status 1. */
function expectSentence(
  result: { status: number | string; stderr: string },
  sentence: string | RegExp,
  code = 3,
): void {
  expect(result.stderr).toMatch(/^walwire: [^\n]+\n$/);
  expect(result.stderr).toMatch(sentence);
  expect(result.stderr).not.toMatch(/\n\s+at |node:internal/);
  expect(result.status).toBe(code);
}

describe("npm start", () => {
  test("the demo prints the conversation, shows that nothing was lost, and ends with 0", async () => {
    const { status, stdout, stderr } = await run();
    expect(stderr).toBe("");
    expect(status).toBe(0);
    expect(stdout).toContain("→ START_REPLICATION SLOT walwire_demo_slot LOGICAL 0/0 (proto_version '1',");
    expect(stdout).toMatch(/^✔ (\S+) of \1 payloads encode back to the same bytes$/m);
    expect(stdout).toMatch(/^✔ public\.measurement: 10,000 rows from the stream, 10,000 by SELECT, all the same$/m);
    expect(stdout.endsWith("Server stopped; its data directory was removed.\n")).toBe(true);
  });

  test("Ctrl-C ends it, and its server with it", async () => {
    const it = walwire();
    await it.says("# A replication connection");
    it.process.kill("SIGINT");
    expect(await it.ended).toBe(130);
  });

  test("output that nobody reads any more ends it quietly", async () => {
    const it = walwire();
    await it.says("# The tables");
    it.process.stdout?.destroy();
    expect(await it.ended).toBe(141);
    expect(it.output.stderr).toBe("");
  });
});

describe("with a URL", () => {
  let server: OwnServer;

  beforeAll(async () => {
    server = await startServer({ major: newest });
    await server.sql("CREATE DATABASE bare");
    await server.sql("CREATE DATABASE two");
    await server.sql("CREATE PUBLICATION one FOR ALL TABLES", { database: "two" });
    await server.sql('CREATE PUBLICATION "Two, ""quoted""" FOR ALL TABLES', { database: "two" });
    await server.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    await server.sql("CREATE PUBLICATION p FOR TABLE t");
    await server.sql("CREATE ROLE weak LOGIN");
  });

  afterAll(() => server.stop());

  test("it shows what others do until Ctrl-C, and leaves nothing behind", async () => {
    const it = walwire("tail", url(server));
    await it.says("CopyBothResponse");
    expect((await server.sql("SELECT temporary FROM pg_replication_slots")).rows).toEqual([["t"]]);
    await server.sql("INSERT INTO t VALUES (1, 'one\ttwo\u001b[31m\u009b')");
    await it.says("Commit");
    expect(it.output.stdout).toContain(String.raw`Insert   public.t id=1 v="one\ttwo\u001b[31m\u{9b}"`);
    it.process.kill("SIGINT");
    expect(await it.ended).toBe(0);
    expect(it.output.stdout).toMatch(/# Received\n\d+ payloads of \d+ bytes: 1 Begin, 1 Relation, 1 Insert, 1 Commit/);
    expect(it.output.stderr).toBe("");
    expect((await server.sql("SELECT slot_name FROM pg_replication_slots")).rows).toEqual([]);
  });

  test("a slot that must wait says what for", async () => {
    const other = await server.connect({ database: "postgres" });
    await other.query("BEGIN; INSERT INTO t VALUES (2, 'under way')");
    const it = walwire("tail", url(server));
    await it.says("(creating the slot waits for running transactions of the server to end)");
    await other.query("ROLLBACK");
    await it.says("CopyBothResponse");
    it.process.kill("SIGINT");
    expect(await it.ended).toBe(0);
    await other.close();
  });

  test("a publication is chosen by name, whatever the name", async () => {
    const it = walwire(
      "tail",
      url(server, { database: "two" }),
      "--publication",
      'Two, "quoted"',
      "--publication",
      "one",
    );
    await it.says("CopyBothResponse");
    expect(it.output.stdout).toContain(`publication_names '"Two, ""quoted""","one"'`);
    await server.sql("CREATE TABLE u (a int)", { database: "two" });
    await server.sql("INSERT INTO u VALUES (1)", { database: "two" });
    await it.says("Insert");
    it.process.kill("SIGTERM");
    expect(await it.ended).toBe(0);
  });

  test("a database without a publication", async () => {
    const result = await run("tail", url(server, { database: "bare" }));
    expectSentence(
      result,
      "the database has no publication: create one with CREATE PUBLICATION name FOR ALL TABLES",
      1,
    );
  });

  test("a publication that is not there", async () => {
    const result = await run("tail", url(server), "--publication", "nope");
    expectSentence(result, 'publication "nope" does not exist in the database: expected p', 1);
  });

  test("more than one publication, and none chosen", async () => {
    expectSentence(await run("tail", url(server, { database: "two" })), "add --publication", 1);
  });

  test("a role that may not replicate", async () => {
    expectSentence(await run("tail", url(server, { user: "weak" })), /ALTER ROLE name REPLICATION/);
  });

  test("a role and a database that are not there", async () => {
    expectSentence(await run("tail", url(server, { user: "nobody_here" })), 'role "nobody_here" does not exist');
    expectSentence(await run("tail", url(server, { database: "nowhere" })), 'database "nowhere" does not exist');
  });

  test("a server whose wal_level is not logical", async () => {
    const replica = await startServer({ major: newest, settings: { wal_level: "replica" } });
    onTestFinished(() => replica.stop());
    expectSentence(
      await run("tail", url(replica)),
      "the server has wal_level = replica, expected logical: set wal_level",
      1,
    );
  });

  test("a server without a free slot", async () => {
    const full = await startServer({ major: newest, settings: { max_replication_slots: "1" } });
    onTestFinished(() => full.stop());
    await full.sql("CREATE PUBLICATION p FOR ALL TABLES");
    await full.sql("SELECT pg_create_physical_replication_slot('taken')");
    expectSentence(await run("tail", url(full)), "all replication slots are in use");
  });

  test("a server that stops", async () => {
    const gone = await startServer({ major: newest });
    await gone.sql("CREATE PUBLICATION p FOR ALL TABLES");
    const it = walwire("tail", url(gone));
    await it.says("CopyBothResponse");
    await gone.stop();
    expectSentence({ status: await it.ended, stderr: it.output.stderr }, "the server");
  });
});

describe("what is no PostgreSQL server", () => {
  /** Listen on a port of 127.0.0.1 and say something to whoever comes. */
  async function listen(greet: (socket: import("node:net").Socket) => void): Promise<string> {
    const listener: Listener = createServer((socket) => {
      socket.on("error", () => {});
      greet(socket);
    });
    await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
    onTestFinished(() => {
      listener.close();
    });
    return `postgres://a@127.0.0.1:${(listener.address() as { port: number }).port}/b`;
  }

  test("nobody listens there", async () => {
    expectSentence(await run("tail", "postgres://a@127.0.0.1:1/b"), /cannot reach the server: .*ECONNREFUSED/);
    expectSentence(await run("tail", "postgres://a@localhost:1/b"), /cannot reach the server: .*ECONNREFUSED/);
    expectSentence(
      await run("tail", "postgres://a@no-such-host.invalid/b"),
      /cannot reach the server: .*no-such-host\.invalid/,
    );
    expectSentence(await run("tail", "postgres://a@/b?host=/nowhere"), /cannot reach the server: .*ENOENT/);
  });

  test("somebody who hangs up", async () => {
    expectSentence(await run("tail", await listen((socket) => socket.destroy())), "the server");
  });

  test("somebody who speaks HTTP", async () => {
    const http = await listen((socket) => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
    expectSentence(await run("tail", http), "the server");
  });
});

describe("a call that is wrong", () => {
  test.each([
    [["tail"], "missing URL: the server and database, such as postgres://user@host/database"],
    [["watch"], 'unknown command "watch"'],
    [["tail", "postgres://a", "postgres://b"], "expected one URL, got 2"],
    [["tail", "localhost"], 'expected a URL such as postgres://user@host/database, got "localhost"'],
    [["tail", "--nothing"], "--nothing"],
  ])("%j is explained, with exit status 2", async (args, sentence) => {
    const { status, stderr } = await run(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(sentence);
    expect(stderr).toMatch(/^walwire.*\nSee walwire.* --help\.\n$/);
  });
});

/** PostgreSQL 15's pg_receivewal against a directory that receive-wal writes, while it grows. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import {
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import { takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { giveToServer, temporaryDirectory } from "../basebackup.ts";
import { lz4Frame, zstdFrame } from "../compress.ts";
import { address, compareWithServer, emit, one, Receiving, switchWal } from "../receiving.ts";
import { startServer } from "../servers/index.ts";
import { freshDirectory, served } from "../wal-directories.ts";
import { pathOf, runProgram } from "./programs.ts";

const waitMs = 60_000;

async function start() {
  const server = await startServer({ major: 15, initdb: ["--wal-segsize=1"], settings: { wal_keep_size: "1GB" } });
  onTestFinished(() => server.stop());
  return server;
}

/** pg_receivewal up to a position. @returns what it wrote to standard error */
async function receiveUpTo(host: string, directory: string, end: string, ...args: readonly string[]): Promise<string> {
  const child = spawn(
    pathOf("pg_receivewal"),
    ["-h", host, "-U", "me", "-D", directory, "-v", "-s", "1", "--no-loop", "--endpos", end, ...args],
    { env: { PATH: process.env.PATH, LC_ALL: "C" }, stdio: ["ignore", "ignore", "pipe"] },
  );
  onTestFinished(() => void child.kill("SIGKILL"));
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    stderr += text;
  });
  const [status] = await once(child, "close");
  expect(status, stderr).toBe(0);
  return stderr;
}

test("pg_receivewal gets what receive-wal writes, and goes on while it grows", { timeout: 2 * waitMs }, async () => {
  const server = await start();
  const [upstream, downstream] = [freshDirectory(), freshDirectory()];
  const receiving = new Receiving(server, upstream, { statusInterval: 1000 });
  await receiving.started();
  await emit(server, 300);
  await switchWal(server);
  await receiving.reached(await emit(server, 700));
  const { host, directory } = await served(upstream);
  expect(directory.systemid).toBe(
    BigInt((await server.sql("SELECT system_identifier FROM pg_control_system()")).rows[0]![0]!),
  );
  expect(directory.segmentSize).toBe(1024 * 1024);
  const running = receiveUpTo(host, downstream, "0/7000000");
  // It has what there is, and the rest comes as it is written.
  for (let end = directory.end; end < 0x7100000n; ) end = await emit(server, 900);
  await running;
  await receiving.stop();
  const names = await compareWithServer(server, downstream, 0x7000000n as never);
  expect(names.length).toBeGreaterThan(50);
});

test.for([
  { format: "plain", wal: "stream" },
  { format: "plain", wal: "fetch" },
  { format: "tar", wal: "fetch" },
])("pg_basebackup takes a stored backup: $format, WAL by $wal", { timeout: 2 * waitMs }, async ({ format, wal }) => {
  const server = await start();
  await server.sql("CREATE TABLE t AS SELECT g AS id, md5(g::text) AS v FROM generate_series(1, 5000) g");
  const [archive, stored, taken] = [
    freshDirectory(),
    join(freshDirectory(), "stored"),
    join(freshDirectory(), "taken"),
  ];
  const receiving = new Receiving(server, archive, { statusInterval: 1000 });
  await receiving.started();
  await takeBaseBackup(stored, { connect: address(server), walMethod: "none", checkpoint: "fast" });
  await server.sql("CREATE TABLE later AS SELECT 7 AS id");
  await receiving.reached(await switchWal(server));
  await receiving.stop();
  const { host, errors } = await served(archive, { backup: stored });
  const args = ["-h", host, "-U", "me", "-D", taken, "-X", wal, "-F", format, "-c", "fast"];
  const { status, stderr } = await runProgram("pg_basebackup", args);
  expect(stderr).toBe("");
  expect(status).toBe(0);
  expect(errors).toEqual([]);
  if (format === "tar") return;
  const verified = await runProgram("pg_verifybackup", [taken]);
  expect(verified.stderr + verified.stdout).toContain("backup successfully verified");
  const restored = await startServer({ major: 15, from: taken });
  onTestFinished(() => restored.stop());
  expect(await one(restored, "SELECT count(*) || md5(string_agg(v, ',' ORDER BY id)) FROM t")).toBe(
    await one(server, "SELECT count(*) || md5(string_agg(v, ',' ORDER BY id)) FROM t"),
  );
});

test.for([
  { format: "plain", wal: "stream" },
  { format: "tar", wal: "fetch" },
])(
  "pg_basebackup takes a stored backup with tablespaces: $format",
  { timeout: 2 * waitMs },
  async ({ format, wal }) => {
    const server = await startServer({
      ...{ major: 15, initdb: ["--wal-segsize=1"] },
      settings: { wal_keep_size: "1GB", allow_in_place_tablespaces: "on" },
    });
    onTestFinished(() => server.stop());
    // What servers read must be theirs.
    const root = temporaryDirectory();
    onTestFinished(root.remove);
    const at = (name: string): string => join(root.path, name);
    mkdirSync(at("original"));
    giveToServer(root.path);
    await server.sql(`CREATE TABLESPACE there LOCATION '${at("original")}'`);
    await server.sql("CREATE TABLESPACE in_place LOCATION ''");
    for (const space of ["there", "in_place"]) {
      await server.sql(`CREATE TABLE ${space} TABLESPACE ${space} AS SELECT g FROM generate_series(1, 20000) g`);
    }
    const archive = freshDirectory();
    const receiving = new Receiving(server, archive, { statusInterval: 1000 });
    await receiving.started();
    await takeBaseBackup(at("stored"), {
      ...{ connect: address(server), walMethod: "none", checkpoint: "fast" },
      tablespaceMapping: { [at("original")]: at("mapped") },
    });
    await receiving.reached(await switchWal(server));
    await receiving.stop();
    // Segments may be compressed in any way.
    const compressors = { ".gz": gzipSync, ".zst": zstdFrame, ".lz4": lz4Frame };
    for (const [i, name] of readdirSync(archive).sort().entries()) {
      const [suffix, compress] = Object.entries(compressors)[i % 3]!;
      if (!/^[0-9A-F]{24}$/.test(name)) continue;
      writeFileSync(join(archive, `${name}${suffix}`), compress(readFileSync(join(archive, name))));
      rmSync(join(archive, name));
    }

    const { host, errors } = await served(archive, { backup: at("stored") });
    const mapping = format === "plain" ? ["-T", `${at("mapped")}=${at("new")}`] : [];
    const args = ["-h", host, "-U", "me", "-D", at("taken"), "-X", wal, "-F", format, ...mapping];
    const rate = 32;
    const before = performance.now();
    const took = await runProgram("pg_basebackup", [...args, "--max-rate", `${rate}M`]);
    const seconds = (performance.now() - before) / 1000;
    expect(took).toMatchObject({ status: 0, stderr: "" });
    expect(errors).toEqual([]);
    if (format === "tar") {
      const extract = (tar: string, into: string): void => {
        mkdirSync(at(into), { mode: 0o700, recursive: true });
        execFileSync("tar", ["xf", join(at("taken"), tar), "-C", at(into)]);
      };
      const tars = readdirSync(at("taken")).filter((name) => name.endsWith(".tar"));
      const size = tars.reduce((sum, name) => sum + statSync(join(at("taken"), name)).size, 0);
      // A busy machine takes longer, never less.
      expect(seconds).toBeGreaterThan((size / (rate * 1024 * 1024)) * 0.5);
      extract("base.tar", "restored");
      extract(tars.find((name) => name !== "base.tar")!, "new");
      renameSync(join(at("taken"), "backup_manifest"), join(at("restored"), "backup_manifest"));
      // pg_verifybackup follows the link, which a server would make from the map.
      const oid = await one(server, "SELECT oid FROM pg_tablespace WHERE spcname = 'there'");
      expect(readFileSync(join(at("restored"), "tablespace_map"), "utf8")).toBe(`${oid} ${at("mapped")}\n`);
      symlinkSync(at("new"), join(at("restored"), "pg_tblspc", oid));
    } else renameSync(at("taken"), at("restored"));
    const verified = await runProgram("pg_verifybackup", [at("restored")]);
    expect(verified.stderr + verified.stdout).toContain("backup successfully verified");
    if (format === "tar") {
      // Where it is restored, which is not where it was.
      const map = join(at("restored"), "tablespace_map");
      writeFileSync(map, readFileSync(map, "utf8").replace(at("mapped"), at("new")));
      for (const name of readdirSync(join(at("restored"), "pg_tblspc"))) {
        const link = join(at("restored"), "pg_tblspc", name);
        if (lstatSync(link).isSymbolicLink()) rmSync(link);
      }
    }
    giveToServer(root.path);
    const restored = await startServer({
      major: 15,
      from: at("restored"),
      settings: { allow_in_place_tablespaces: "on" },
    });
    onTestFinished(() => restored.stop());
    for (const space of ["there", "in_place"])
      expect(await one(restored, `SELECT sum(g) FROM ${space}`)).toBe("200010000");
    expect(await one(restored, "SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'there'")).toBe(
      at("new"),
    );
  },
);

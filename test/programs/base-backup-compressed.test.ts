/** Base backups of a server that compresses with every method: those of the other tests are built without lz4 and zstd. */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { verifyBackup } from "../../src/node/verify-backup.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { serverUser, temporaryRoot } from "../servers/locate.ts";
import { pathOf, runProgram } from "./programs.ts";

const user = serverUser();
let directory: string;
let stop: () => Promise<void> = async () => {};

/** Debian's PostgreSQL 15. */
beforeAll(async () => {
  directory = mkdtempSync(join(temporaryRoot(user !== undefined), "walwire-15-"));
  if (user !== undefined) chownSync(directory, user.uid, user.gid);
  const data = join(directory, "data");
  const options = { ...user, cwd: directory, env: { PATH: process.env.PATH, LC_ALL: "C" }, stdio: "ignore" } as const;
  execFileSync(pathOf("initdb"), ["-D", data, "-U", "postgres", "-A", "trust", "-N", "--wal-segsize=1"], options);
  const settings = { listen_addresses: "", unix_socket_directories: directory, fsync: "off", shared_buffers: "16MB" };
  const args = Object.entries(settings).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const postgres = spawn(pathOf("postgres"), ["-D", data, ...args], options);
  const closed = once(postgres, "close");
  stop = async () => {
    postgres.kill("SIGINT");
    await closed;
  };
  // The postmaster writes "ready" into the last line of its file, and leaves it there.
  const file = join(data, "postmaster.pid");
  while (!existsSync(file) || !/^ready/m.test(readFileSync(file, "utf8"))) {
    expect(postgres.exitCode, "postgres has ended").toBeNull();
    await setTimeout(50);
  }
}, 120_000);

afterAll(async () => {
  await stop();
  rmSync(directory, { recursive: true, force: true });
}, 60_000);

test.each([
  ["gzip", "gz"],
  ["lz4", "lz4"],
  ["zstd", "zst"],
])("archives that the server compresses with %s become files", { timeout: 120_000 }, async (method, suffix) => {
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const take = (name: string, options: object) =>
    takeBaseBackup(join(path, name), {
      connect: { host: directory, user: "postgres" },
      ...{ checkpoint: "fast", walMethod: "fetch", sync: false, compress: `server-${method}` },
      ...options,
    });
  await take("plain", {});
  expect(await verifyBackup(join(path, "plain"), { server: 15 })).toMatchObject({
    verdict: "intact",
    walChecked: true,
  });
  const judge = await runProgram("pg_verifybackup", ["-n", join(path, "plain")]);
  expect(judge).toMatchObject({ status: 0, stdout: "backup successfully verified\n" });
  await take("tar", { format: "tar" });
  expect(readdirSync(join(path, "tar")).sort()).toEqual(["backup_manifest", `base.tar.${suffix}`]);
  expect(await verifyBackup(join(path, "tar"), { format: "tar", server: 18, parseWal: false })).toMatchObject({
    verdict: "intact",
  });
});

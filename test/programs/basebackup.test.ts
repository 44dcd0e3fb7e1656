/** PostgreSQL 15's pg_basebackup takes what we receive, and its pg_verifybackup believes what we have written. */
import { createReadStream, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { expect, onTestFinished, test } from "vitest";
import { tarEntries } from "../../src/basebackup/tar.ts";
import { baseBackupCommand, eventsOf, takeBackup, temporaryDirectory } from "../basebackup.ts";
import { startServer } from "../servers/index.ts";
import { runProgram } from "./programs.ts";

test("pg_basebackup has the same members as we do, and pg_verifybackup accepts what we have written", {
  timeout: 60_000,
}, async () => {
  const server = await startServer({ major: 15, initdb: ["--wal-segsize=1"] });
  onTestFinished(() => server.stop());
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);

  const connection = await server.connect({ replication: "true" });
  onTestFinished(() => connection.close());
  const directory = join(path, "ours");
  // What it asks for itself.
  const command = baseBackupCommand(server.versionNum, {
    LABEL: "pg_basebackup base backup",
    MANIFEST: "yes",
    MANIFEST_CHECKSUMS: "SHA224",
    WAL: true,
    TABLESPACE_MAP: true,
  });
  await server.sql("UPDATE pg_database SET datistemplate = false WHERE datname = 'template0'");
  await server.sql("DROP DATABASE template0");
  const backup = await takeBackup(connection, server.versionNum, command, { directory });
  expect(eventsOf(backup, "Complete")).toHaveLength(1);

  const theirs = join(path, "theirs");
  const taken = await runProgram("pg_basebackup", [
    ...[
      "-D",
      theirs,
      "-Ft",
      "-X",
      "fetch",
      "-c",
      "fast",
      "-h",
      server.host,
      "-p",
      String(server.port),
      "-U",
      server.user,
    ],
  ]);
  expect(taken).toMatchObject({ status: 0 });
  expect(readdirSync(theirs).sort()).toEqual(["backup_manifest", "base.tar"]);

  const described = ({ name, type, size, mode, target }: Awaited<ReturnType<typeof membersOf>>[number]) =>
    `${type} ${mode.toString(8)} ${name} ${size} ${target}`;
  // WAL went on between the two, and what it is called tells where.
  const comparable = (members: readonly Parameters<typeof described>[0][]) =>
    members.filter(({ name }) => !/^pg_wal\/(archive_status\/)?[0-9A-F]{24}/.test(name)).map(described);
  const members = await membersOf(join(theirs, "base.tar"));
  expect(comparable(members)).toEqual(comparable(backup.archives[0]!.members));
  expect(members.length).toBeGreaterThan(600);

  writeFileSync(join(directory, "backup_manifest"), backup.manifest!);
  // It looks at WAL with pg_waldump, too.
  const verified = await runProgram("pg_verifybackup", [directory]);
  expect(verified).toEqual({ status: 0, stdout: "backup successfully verified\n", stderr: "" });
  writeFileSync(join(directory, "PG_VERSION"), "16\n");
  expect((await runProgram("pg_verifybackup", [directory])).status).toBe(1);
});

async function membersOf(archive: string) {
  const { writable, readable } = tarEntries();
  const written = (Readable.toWeb(createReadStream(archive)) as ReadableStream<Uint8Array>).pipeTo(writable);
  written.catch(() => {});
  const members = [];
  const reader = readable.getReader();
  for (let { done, value } = await reader.read(); !done; { done, value } = await reader.read()) {
    const { body, ...member } = value!;
    members.push(member);
    await body.cancel();
  }
  await written;
  return members;
}

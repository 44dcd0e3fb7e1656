/** PostgreSQL 15's programs talk to servers while both ends are watched by the state machines. */
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { temporaryDirectory } from "../basebackup.ts";
import { observe } from "../observed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { type Program, runProgram } from "./programs.ts";

/** Run a program against a server through the observer, and return the types of the messages of each connection. */
async function watch(server: OwnServer, program: Program, ...args: readonly string[]): Promise<string[][]> {
  const observer = await observe(server);
  onTestFinished(() => observer.close());
  const address = ["-h", "127.0.0.1", "-p", String(observer.port), "-U", server.user];
  const { status, stderr } = await runProgram(program, [...address, ...args]);
  expect(status, stderr).toBe(0);
  for (const { fault } of observer.connections) if (fault !== undefined) throw fault;
  return observer.connections.map(({ types }) => types);
}

test.for([10, 15])("pg_receivewal, pg_recvlogical and pg_basebackup against %i", { timeout: 60_000 }, async (major) => {
  const server = await startServer({ major, initdb: major < 11 ? [] : ["--wal-segsize=1"] });
  onTestFinished(() => server.stop());
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  await server.sql("SELECT pg_create_logical_replication_slot('s', 'test_decoding')").catch(() => {});
  await server.sql("CREATE TABLE t AS SELECT i FROM generate_series(1, 1000) i");
  const end = (await server.sql("SELECT pg_current_wal_lsn()")).rows[0]![0]!;
  // It looks at the position when something arrives.
  await server.sql("INSERT INTO t VALUES (0)");

  const [wal] = await watch(server, "pg_receivewal", "-D", path, "--no-loop", `--endpos=${end}`);
  expect(wal!.slice(0, 4)).toEqual([">SSLRequest", "EncryptionResponse", ">StartupMessage", "Authentication"]);
  // Both sides end the stream.
  const ends = wal!.filter((type) => type.endsWith("CopyDone"));
  expect(ends).toEqual([">CopyDone", "CopyDone"]);
  expect(wal!.at(-1)).toBe(">Terminate");

  const changes = ["--slot=pgoutput", "-d", "postgres", "-f", "/dev/null", "--no-loop", "-P", "pgoutput"];
  await server.sql("CREATE PUBLICATION p FOR ALL TABLES");
  await watch(server, "pg_recvlogical", ...changes, "--create-slot");
  await server.sql("INSERT INTO t SELECT i FROM generate_series(1, 5000) i");
  const last = (await server.sql("SELECT pg_current_wal_lsn()")).rows[0]![0]!;
  const options = ["-o", "proto_version=1", "-o", "publication_names=p", `--endpos=${last}`, "--start"];
  const [logical] = await watch(server, "pg_recvlogical", ...changes, ...options);
  expect(logical).toContain("CopyBothResponse");
  expect(logical!.filter((type) => type === "CopyData").length).toBeGreaterThan(5000);

  // Two connections: the backup, and the WAL beside it.
  const backup = await watch(server, "pg_basebackup", "-D", join(path, "backup"), "-X", "stream", "-c", "fast");
  expect(backup).toHaveLength(2);
  expect(backup[0]).toContain("CopyOutResponse");
  expect(backup[1]).toContain("CopyBothResponse");
});

/** PostgreSQL 15's programs through the proxy, which encodes every message again: they get the same, and no byte changes. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { type PassingMessage, startProxy } from "../../src/node/proxy/index.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { emit, one, pgWal } from "../receiving.ts";
import { startServer } from "../servers/index.ts";
import { runProgram } from "./programs.ts";

test("pg_basebackup, pg_receivewal and pg_recvlogical", { timeout: 120_000 }, async () => {
  const server = await startServer({ major: 15, initdb: ["--wal-segsize=1"] });
  onTestFinished(() => server.stop());
  const { path, remove } = temporaryDirectory();
  onTestFinished(remove);
  const wrong: Pick<PassingMessage, "from" | "types" | "error" | "mismatch">[] = [];
  const types = new Set<string>();
  const proxy = await startProxy({
    to: { path: join(server.host, `.s.PGSQL.${server.port}`) },
    onMessage({ from, types: each, error, mismatch }) {
      for (const type of each) types.add(type);
      if (error !== undefined || mismatch !== undefined) wrong.push({ from, types: each, error, mismatch });
    },
  });
  onTestFinished(() => proxy.close());
  const { port } = proxy.address as { port: number };
  const to = ["-h", "127.0.0.1", "-p", String(port), "-U", server.user];

  const backup = join(path, "backup");
  const took = await runProgram("pg_basebackup", [...to, "-D", backup, "-c", "fast", "-X", "stream", "-P"]);
  expect(took).toMatchObject({ status: 0 });
  expect(await runProgram("pg_verifybackup", [backup])).toMatchObject({ status: 0 });

  const slot = "SELECT pg_create_logical_replication_slot('l', 'pgoutput')";
  await server.sql("CREATE TABLE t (i int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
  await server.sql(slot);
  await server.sql("SELECT pg_create_physical_replication_slot('s', true)");
  await server.sql("INSERT INTO t SELECT generate_series(1, 1000)");
  await emit(server, 300);
  const end = await one(server, "SELECT pg_current_wal_flush_lsn()");
  const wal = join(path, "wal");
  mkdirSync(wal);
  const received = await runProgram("pg_receivewal", [...to, "-D", wal, "-S", "s", "-E", end, "-n"]);
  expect(received).toMatchObject({ status: 0 });
  const names = readdirSync(wal).filter((name) => !name.endsWith(".partial"));
  expect(names.length).toBeGreaterThan(0);
  for (const name of names) {
    expect(readFileSync(join(wal, name)).equals(readFileSync(join(await pgWal(server), name))), name).toBe(true);
  }
  const out = `${wal}.pgoutput`;
  const options = ["-o", "proto_version=1", "-o", "publication_names=p"];
  expect(
    await runProgram("pg_recvlogical", [
      ...to,
      "-d",
      "postgres",
      "--start",
      "-S",
      "l",
      "-f",
      out,
      "-E",
      end,
      "-n",
      ...options,
    ]),
  ).toMatchObject({ status: 0 });
  expect(readFileSync(out).length).toBeGreaterThan(10_000);
  expect(wrong).toEqual([]);
  for (const type of ["XLogData", "Insert", "NewArchive", "Data", "StandbyStatusUpdate", "CopyBothResponse"]) {
    expect(types, type).toContain(type);
  }
});

/** PostgreSQL 15's programs through the proxy, which encodes every message again: they get the same, and no byte changes. */
import { mkdirSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, onTestFinished, test } from "vitest";
import { formatLsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import { type PassingMessage, startProxy } from "../../src/node/proxy/index.ts";
import { temporaryDirectory } from "../basebackup.ts";
import { emit, one, pgWal, switchWal } from "../receiving.ts";
import { seed, times } from "../seed.ts";
import { startServer } from "../servers/index.ts";
import { runProgram } from "./programs.ts";

const active = "SELECT active FROM pg_replication_slots WHERE slot_name = 's'";

/** With WALWIRE_RUNS above 1, all. Of others than their own, the programs of 15 take older servers; pg_recvlogical takes newer ones as well. */
const others = [10, 12, 14, 16, 17, 18];
const majors = [15, ...(times > 1 ? others : [others[seed % others.length]!])];

test.each(majors)(
  "pg_basebackup, pg_receivewal and pg_recvlogical with PostgreSQL %i",
  { timeout: 120_000 },
  async (major) => {
    const initdb = major < 11 ? [] : ["--wal-segsize=1"];
    const server = await startServer({ major, initdb });
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
    if (major > 15) expect(took.stderr).toContain("incompatible server version");
    else expect(took).toMatchObject({ status: 0 });
    if (major >= 13 && major <= 15) {
      const parse = major === 15 ? [] : ["--no-parse-wal"];
      expect(await runProgram("pg_verifybackup", [...parse, backup])).toMatchObject({ status: 0 });
    }

    const slot = "SELECT pg_create_logical_replication_slot('l', 'pgoutput')";
    await server.sql("CREATE TABLE t (i int PRIMARY KEY); CREATE PUBLICATION p FOR TABLE t");
    await server.sql(slot);
    await server.sql("SELECT pg_create_physical_replication_slot('s', true)");
    await server.sql("INSERT INTO t SELECT generate_series(1, 1000)");
    await emit(server, 300);
    const end = await one(server, "SELECT pg_current_wal_flush_lsn()");
    const wal = join(path, "wal");
    mkdirSync(wal);
    // Before 15 it begins where the server is, whatever the slot keeps.
    const two = 2n * BigInt(initdb.length > 0 ? 1024 ** 2 : 16 * 1024 ** 2);
    const later = formatLsn(toLsn(parseLsn(end) + two));
    const receiving = runProgram("pg_receivewal", [...to, "-D", wal, "-S", "s", "-E", later, "-n", "-s", "1"]);
    let isOver = major > 15;
    void receiving.then(() => {
      isOver = true;
    });
    const isActive = async (): Promise<boolean> => (await one(server, active)) === "t";
    while (!isOver && !(await isActive())) await sleep(20);
    for (let i = 0; i < 3; i++) await switchWal(server);
    const received = await receiving;
    if (major > 15) expect(received.stderr).toContain("incompatible server version");
    else expect(received).toMatchObject({ status: 0 });
    const names = readdirSync(wal).filter((name) => !name.endsWith(".partial"));
    expect(names.length > 0).toBe(major <= 15);
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
    const inBackup = major === 15 ? ["NewArchive", "Data"] : [];
    for (const type of ["XLogData", "Insert", "StandbyStatusUpdate", "CopyBothResponse", ...inBackup]) {
      expect(types, type).toContain(type);
    }
  },
);

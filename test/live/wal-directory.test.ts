/**
 * Standbys that follow a directory of WAL, through a change of the timeline, and others that follow what is received from it:
 *
 *     primary → standby, later promoted → receive-wal → directory → standby → standby
 *                                                                 → receive-wal → directory → standby
 */
import { appendFileSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { decodeSlotState } from "../../src/files/slot-state.ts";
import { formatLsn, type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { takeBaseBackup } from "../../src/node/base-backup/index.ts";
import { connect } from "../../src/node/client.ts";
import { address, emit, one, promote, Receiving, standbyOf, switchWal } from "../receiving.ts";
import { seed, times } from "../seed.ts";
import { type OwnServer, type Server, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { freshDirectory, served } from "../wal-directories.ts";

/** The others write the same WAL as their neighbours. */
const possible = liveMajors.filter((major) => ![11, 13].includes(major));
const between = possible.slice(0, -1);
const majors = times < 1 ? [...new Set([between[seed % between.length], possible.at(-1)])] : possible;

const limit = 300_000;

/** Wait for a state that stays. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  while (!(await isSo())) await new Promise((resolve) => setTimeout(resolve, 50));
}

const replayed = async (standby: Server, lsn: Lsn): Promise<boolean> =>
  parseLsn((await one(standby, "SELECT coalesce(pg_last_wal_replay_lsn(), '0/0')"))!) >= lsn;

const contents = (server: Server): Promise<string> =>
  one(server, "SELECT count(*) || ' ' || md5(string_agg(id || v, ',' ORDER BY id)) FROM t");

/** A standby of whatever listens on a socket in a directory. */
async function follow(primary: OwnServer, host: string, slot: string | undefined): Promise<OwnServer> {
  const base = join(freshDirectory(), "base");
  const { from, settings } = await standbyOf(primary, base);
  const recovery: Record<string, string> = {
    primary_conninfo: `host=${host} port=5432 user=postgres`,
    recovery_target_timeline: "latest",
    ...(slot !== undefined && { primary_slot_name: slot }),
  };
  if (primary.major < 12) {
    const lines = Object.entries(recovery).map(([name, value]) => `${name} = '${value}'\n`);
    appendFileSync(join(base, "recovery.conf"), lines.join(""));
  }
  const standby = await startServer({
    major: primary.major,
    from,
    settings: { ...settings, ...(primary.major < 12 ? {} : recovery), wal_retrieve_retry_interval: "100ms" },
  });
  onTestFinished(() => standby.stop());
  return standby;
}

test.for(majors)(
  "PostgreSQL %i: standbys follow directories to the last byte, and to a new timeline",
  { timeout: limit },
  async (major) => {
    const initdb = major! < 11 ? [] : ["--wal-segsize=1"];
    const primary = await startServer({
      major: major!,
      initdb,
      settings: major! < 13 ? { wal_keep_segments: "100" } : { wal_keep_size: "1GB" },
    });
    onTestFinished(() => primary.stop());
    await primary.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    const upstream = await follow(primary, primary.host, undefined);
    await until(() => replayed(upstream, (parseLsn("0/0") + 1n) as Lsn));

    const [first, second, slots] = [freshDirectory(), freshDirectory(), freshDirectory()];
    const receiving = new Receiving(upstream, first, { statusInterval: 1000 });
    onTestFinished(async () => void (await receiving.stop()));
    await receiving.reached(1n as Lsn);
    const one1 = await served(first, { slots });
    const client = await connect({ host: one1.host, port: 5432, user: "me", replication: "true" });
    await client.createSlot("s1");
    await client.disconnect();
    const again = new Receiving({ ...upstream, host: one1.host }, second, {
      connect: { host: one1.host, port: 5432, user: "me" },
      statusInterval: 1000,
    });
    onTestFinished(async () => void (await again.stop()));
    await again.reached(1n as Lsn);
    const two = await served(second);
    const direct = [await follow(primary, one1.host, "s1"), await follow(primary, two.host, undefined)];
    // It follows one that follows a directory, which sends what it has received.
    const standbys = [...direct, await follow(primary, direct[0]!.host, undefined)];

    const write = async (server: Server, from: number): Promise<Lsn> => {
      await server.sql(`INSERT INTO t SELECT g, md5(g::text) FROM generate_series(${from}, ${from + 4999}) g`);
      await emit(server, 700);
      await server.sql(`UPDATE t SET v = v || 'x' WHERE id % 7 = 0`);
      return parseLsn(await one(server, "SELECT pg_current_wal_flush_lsn()"));
    };
    const all = async (lsn: Lsn): Promise<void> => {
      for (const standby of standbys) await until(() => replayed(standby, lsn));
    };
    await all(await write(primary, 0));
    await switchWal(primary);
    await all(await write(primary, 5000));
    for (const standby of standbys) expect(await contents(standby)).toBe(await contents(primary));

    await promote(upstream);
    await until(async () => (await one(upstream, "SELECT pg_is_in_recovery()")) === "f");
    await all(await write(upstream, 10_000));
    await switchWal(upstream);
    const end = await write(upstream, 20_000);
    await all(end);
    expect([one1.directory.timeline, two.directory.timeline]).toEqual([2, 2]);
    const expected = await contents(upstream);

    // What they received is what was sent. What is behind the end of a segment that was switched, a standby before 11 does not send another.
    const [segments] = await Promise.all([upstream].map(async ({ dataDirectory }) => join(dataDirectory, "pg_wal")));
    const size = major! < 11 ? 16 * 1024 ** 2 : 1024 ** 2;
    for (const { dataDirectory } of direct) {
      const theirs = join(dataDirectory, "pg_wal");
      let compared = 0;
      for (const name of readdirSync(theirs)
        .filter((each) => /^00000002[0-9A-F]{16}$/.test(each))
        .sort()) {
        const start = BigInt(Number.parseInt(name.slice(16), 16)) * BigInt(size);
        if (start >= end) continue;
        const length = Math.min(size, Number(end - start));
        const [a, b] = [readFileSync(join(segments!, name)), readFileSync(join(theirs, name))];
        expect(a.subarray(0, length).equals(b.subarray(0, length)), `${name} up to ${formatLsn(end)}`).toBe(true);
        compared++;
      }
      expect(compared).toBeGreaterThan(0);
    }
    for (const standby of standbys) {
      await promote(standby);
      await until(async () => (await one(standby, "SELECT pg_is_in_recovery()")) === "f");
      expect(await contents(standby)).toBe(expected);
    }
    // The slot is free, and on the disk is what the standby had flushed.
    await one1.directory.close();
    const { slotdata } = decodeSlotState(readFileSync(join(slots, "s1", "state")));
    expect(slotdata.restartLsn).toBeGreaterThanOrEqual(end - BigInt(size));
    expect([...one1.errors, ...two.errors]).toEqual([]);
  },
);

test.for(majors)(
  "PostgreSQL %i: base-backup takes a stored backup that has no manifest",
  { timeout: limit },
  async (major) => {
    const primary = await startServer({
      major: major!,
      initdb: major! < 11 ? [] : ["--wal-segsize=1"],
      settings: major! < 13 ? { wal_keep_segments: "100" } : { wal_keep_size: "1GB" },
    });
    onTestFinished(() => primary.stop());
    await primary.sql("CREATE TABLE t (id int PRIMARY KEY, v text)");
    await primary.sql("INSERT INTO t SELECT g, md5(g::text) FROM generate_series(1, 5000) g");
    const [archive, folder] = [freshDirectory(), freshDirectory()];
    const [stored, taken] = [join(folder, "stored"), join(folder, "taken")];
    const receiving = new Receiving(primary, archive, { statusInterval: 1000 });
    await receiving.started();
    // Without one, the end of the backup is found in the WAL. Before 13 there is none.
    const manifest = major! < 13 ? {} : { manifest: false };
    await takeBaseBackup(stored, { connect: address(primary), walMethod: "none", checkpoint: "fast", ...manifest });
    await receiving.reached(await switchWal(primary));
    await receiving.stop();
    const { host, errors } = await served(archive, { backup: stored });
    await takeBaseBackup(taken, { connect: { host, port: 5432, user: "me" }, walMethod: "stream", ...manifest });
    expect(errors).toEqual([]);
    const restored = await startServer({ major: major!, from: taken });
    onTestFinished(() => restored.stop());
    expect(await contents(restored)).toBe(await contents(primary));
  },
);

/** What we say of synchronous_standby_names and standbys, and what a server of each version does with fake ones. */
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { encodeWalReceiverMessage } from "../../src/physical/index.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { blockingLosses, type SynchronousCommit, type SyncRepStandby } from "../../src/syncrep/questions.ts";
import { askAboutStandbys, settingsForStandbys } from "../oracle/standbys.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { frame, majors, type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  test("sync_priority and sync_state are what we say, and commits return just when we say", {
    timeout: 60_000 * times,
  }, async () => {
    // Of its own, since every commit on it waits.
    const server = await startServer({ major, settings: settingsForStandbys });
    try {
      const counts = { settings: 40 * times, schedules: 6 * times, seed: seed + major };
      const { disagreements, returned, waited, seen } = await askAboutStandbys(server, counts);
      expect(disagreements, `seed ${seed}`).toEqual([]);
      expect(returned).toBeGreaterThan(counts.schedules / 2);
      expect(waited).toBeGreaterThan(counts.schedules);
      for (const state of ["async", "potential", "sync", "quorum", "streaming"]) {
        expect(seen[state] ?? 0, state).toBeGreaterThan(0);
      }
    } finally {
      await server.stop();
    }
  });
});

/** The oldest and the newest: what they do with these is the same.. */
describe.concurrent.each([majors[0]!, majors.at(-1)!])("losses on PostgreSQL %i", (major) => {
  let server: OwnServer;
  const standbys = new Map<string, RawConnection>();

  beforeAll(async () => {
    server = await startServer({ major, settings: { ...settingsForStandbys, synchronous_commit: "local" } });
    await server.sql("CREATE TABLE t (id int)");
  }, 60_000);
  afterAll(async () => {
    for (const connection of standbys.values()) await connection.close().catch(() => {});
    await server?.stop();
  });

  async function insertLsn(): Promise<Lsn> {
    return parseLsn((await server.sql("SELECT pg_current_wal_insert_lsn()")).rows[0]![0]!);
  }

  /** Everybody says that it has all there is; who never replays leaves that out. The answer to a report comes before the release. */
  async function report(): Promise<void> {
    const current = await insertLsn();
    for (const [name, connection] of standbys) {
      for (let n = 0; n < 2; n++) {
        const apply = (name.startsWith("never") ? 0n : current) as Lsn;
        const status = { write: current, flush: current, apply, clientTime: toPgTime(0n), replyRequested: true };
        connection.write(frame("d", encodeWalReceiverMessage({ type: "StandbyStatusUpdate", ...status })));
        for (let message = await connection.next(); ; message = await connection.next()) {
          if (message.type === "d" && message.body[0] === 0x6b) break;
        }
      }
    }
  }

  async function connectAll(names: readonly string[]): Promise<void> {
    for (const [name, connection] of standbys) {
      if (names.includes(name)) continue;
      await connection.close();
      standbys.delete(name);
    }
    const from = ((await insertLsn()) >> 24n) << 24n;
    for (const name of names) {
      if (standbys.has(name)) continue;
      const connection = await server.connect({ replication: "true", application_name: name });
      connection.send("Q", `START_REPLICATION PHYSICAL ${from >> 32n}/${(from & 0xffffffffn).toString(16)}`);
      expect((await connection.next()).type).toBe("W");
      standbys.set(name, connection);
    }
    await report();
    await vi.waitFor(async () => {
      const { rows } = await server.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'");
      expect(rows).toEqual([[String(names.length)]]);
    }, 10_000);
  }

  async function set(value: string): Promise<void> {
    await server.sql(`ALTER SYSTEM SET synchronous_standby_names = '${value}'`);
    await server.sql("SELECT pg_reload_conf()");
    await vi.waitFor(async () => {
      expect((await server.sql("SHOW synchronous_standby_names")).rows).toEqual([[value]]);
    }, 10_000);
  }

  /** Does a commit of this level return, when all that are there have got it? */
  async function returns(level: SynchronousCommit): Promise<boolean> {
    const session = await server.connect({ options: `-c synchronous_commit=${level}` });
    const insert = session.query("INSERT INTO t VALUES (1)").then(() => true);
    const waits = async (): Promise<boolean> => {
      const { rows } = await server.sql("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
      return rows.length > 0;
    };
    let done = false;
    insert.then(() => {
      done = true;
    });
    await vi.waitFor(async () => expect(done || (await waits())).toBe(true), 10_000);
    await report();
    const returned = await Promise.race([insert, new Promise<boolean>((resolve) => setTimeout(resolve, 400, false))]);
    await server.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'");
    await insert;
    await session.close();
    return returned;
  }

  const all = ["never", "s1", "s2"];
  const cases: readonly [string, SynchronousCommit][] = [
    ["never, s1", "on"],
    ["never, s1", "remote_apply"],
    ["s1, never, s2", "remote_apply"],
    ["ANY 1 (never, s1)", "remote_apply"],
    ["ANY 2 (*)", "remote_write"],
    ["ANY 2 (*)", "remote_apply"],
    ["FIRST 2 (s1, never, s2)", "on"],
    ["FIRST 2 (s1, s2, never)", "remote_apply"],
    ["FIRST 1 (nowhere)", "local"],
    ["FIRST 1 (nowhere)", "on"],
  ];

  test("a commit of each level hangs after the losses that are said to block it, and after no smaller ones", {
    timeout: 120_000,
  }, async () => {
    // Until the checkpointer has seen a first setting, commits wait for nothing.
    await set("nowhere");
    await vi.waitFor(async () => expect(await returns("on")).toBe(false), 10_000);
    for (const [value, level] of cases) {
      await set(value);
      const lsn = 1n as Lsn;
      const rows: SyncRepStandby[] = all.map((applicationName) => ({
        ...{ applicationName, state: "streaming", writeLsn: lsn, flushLsn: lsn },
        replayLsn: applicationName === "never" ? undefined : lsn,
      }));
      const config = parseSynchronousStandbyNames(value, { server: major });
      const { sets, size } = blockingLosses(config, rows, { server: major, level });
      const returnsAfter = async (lost: readonly number[]): Promise<boolean> => {
        await connectAll([]);
        await connectAll(all.filter((_, i) => !lost.includes(i)));
        return returns(level);
      };
      for (const lost of sets) {
        expect([value, level, lost, await returnsAfter(lost)]).toEqual([value, level, lost, false]);
        if (lost.length > 0) expect([value, level, await returnsAfter(lost.slice(1))]).toEqual([value, level, true]);
      }
      if (size === undefined) expect(await returnsAfter([0, 1, 2])).toBe(true);
    }
  });
});

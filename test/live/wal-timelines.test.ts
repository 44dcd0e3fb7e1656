/**
 * Recovery along timelines and over gaps: what `walwire wal` says of an archive with a fork, and what servers do that restore from it.
 */
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { parseWalFileName } from "../../src/kernel/wal-names.ts";
import { times } from "../seed.ts";
import { checked, type OwnServer, startServer } from "../servers/index.ts";
import { liveMajors } from "../servers/live.ts";
import { runWalwire } from "../walwire.ts";

/** The oldest and the newest; in a long run also those between which the outcome changed: the default timeline in 12, the error in 13. */
const majors = liveMajors.filter((major) => (times < 1 ? [10, 18] : [10, 11, 12, 13, 18]).includes(major));

type Settings = Readonly<Record<string, string>>;

/** Settings of recovery are in a file of their own before 12. */
function recoverySettings(major: number, base: string, settings: Settings): Settings {
  rmSync(join(base, "recovery.conf"), { force: true });
  rmSync(join(base, "recovery.signal"), { force: true });
  if (major >= 12) {
    writeFileSync(join(base, "recovery.signal"), "");
    return settings;
  }
  const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value.replaceAll("'", "''")}'\n`);
  writeFileSync(join(base, "recovery.conf"), lines.join(""));
  return {};
}

interface Outcome {
  readonly rows: readonly number[];
  /** Where the new timeline begins, and why, by its history. */
  readonly position: string;
  readonly reason: string;
}

describe.for(majors)("PostgreSQL %i", (major) => {
  test("stops on the branch, and at the gap, where we say", { timeout: 300_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "walwire-timelines-"));
    chmodSync(folder, 0o755);
    const base = join(folder, "base");
    const archive = join(folder, "archive");
    mkdirSync(archive);
    const one = async (server: OwnServer, sql: string) => (await server.sql(sql)).rows[0]![0]!;
    /** Copy what a server has of its timeline into the archive, but for what it has not written to. */
    const collect = (server: OwnServer, wanted: (name: string) => boolean) => {
      const wal = join(server.dataDirectory, "pg_wal");
      for (const name of readdirSync(wal).filter((each) => parseWalFileName(each) !== undefined && wanted(each))) {
        cpSync(join(wal, name), join(archive, name));
        chmodSync(join(archive, name), 0o644);
      }
    };
    /** A transaction of its own; its xid. */
    const commit = (server: OwnServer, id: number) =>
      one(server, `INSERT INTO t VALUES (${id}) RETURNING pg_catalog.txid_current()`);
    const restore = { restore_command: `cp "${archive}/%f" "%p"`, recovery_target_action: "promote" };
    /** What a server does: the rows that it has when it is up, and how it says that recovery ended; or why it did not come up. */
    const recover = async (settings: Settings): Promise<Outcome | string> => {
      const config = recoverySettings(major, base, { ...restore, ...settings });
      let server: OwnServer;
      try {
        server = await startServer({ major, from: base, settings: { hot_standby: "off", ...config } });
      } catch (error) {
        return String(error);
      }
      try {
        const rows = (await server.sql("SELECT id FROM t ORDER BY id")).rows.map(([id]) => Number(id));
        const wal = join(server.dataDirectory, "pg_wal");
        const history = readdirSync(wal)
          .filter((name) => /^[0-9A-F]{8}\.history$/.test(name))
          .sort()
          .at(-1)!;
        const [, position, reason] = readFileSync(join(wal, history), "latin1")
          .trimEnd()
          .split("\n")
          .at(-1)!
          .split("\t");
        return { rows, position: position!, reason: reason! };
      } finally {
        await server.stop();
      }
    };

    const primary = await startServer({ major, settings: { wal_level: "replica" } });
    try {
      await primary.sql("CREATE TABLE t (id int)");
      const session = await primary.connect();
      const start = checked(
        await session.query(
          major < 15 ? "SELECT pg_start_backup('b', true, false)" : "SELECT pg_backup_start('b', true)",
        ),
      )
        .find(({ type }) => type === "D")!
        .body.toString("latin1", 6);
      cpSync(primary.dataDirectory, base, { recursive: true });
      rmSync(join(base, "postmaster.pid"));
      for (const name of readdirSync(join(base, "pg_wal"))) rmSync(join(base, "pg_wal", name), { recursive: true });
      mkdirSync(join(base, "pg_wal"), { recursive: true });
      const ended = major < 15 ? "pg_stop_backup(false)" : "pg_backup_stop()";
      const label = checked(await session.query(`SELECT labelfile FROM ${ended}`)).find(({ type }) => type === "D")!;
      writeFileSync(join(base, "backup_label"), label.body.toString("utf8", 6));
      await session.close();

      // Timeline 1: a segment for each of 1, 2 and 3; timeline 2 begins behind the first commit of the second.
      const before = await commit(primary, 1);
      await primary.sql("SELECT pg_switch_wal()");
      const shared = await commit(primary, 2);
      const left = await commit(primary, 3);
      await primary.sql("SELECT pg_switch_wal()");
      const later = await commit(primary, 4);
      const laterLsn = await one(primary, "SELECT pg_current_wal_insert_lsn()");
      await primary.sql("SELECT pg_switch_wal()");
      const last = await one(primary, "SELECT pg_walfile_name(pg_current_wal_lsn())");
      collect(primary, (name) => name <= last);
      const config = recoverySettings(major, base, { ...restore, recovery_target_xid: shared });
      const promoted = await startServer({ major, from: base, settings: { hot_standby: "off", ...config } });
      const own = await commit(promoted, 5);
      const written = await one(promoted, "SELECT pg_walfile_name(pg_current_wal_lsn())");
      await promoted.sql("SELECT pg_switch_wal()");
      collect(promoted, (name) => (name.startsWith("00000002") && name <= written) || name === "00000002.history");
      await promoted.stop();

      /** The server recovers to the target, and we say where: both must agree, and the server has these rows. */
      const compare = async (target: Settings, args: readonly string[], reached: boolean, rows: readonly number[]) => {
        const what = JSON.stringify(target);
        const said = await runWalwire([
          "wal",
          archive,
          "--server",
          String(major),
          "--start",
          start,
          ...args,
          "--jsonl",
        ]);
        const { stop } = JSON.parse(said.stdout.trimEnd().split("\n").at(-1)!);
        expect([said.status, stop !== null], `${what}\n${said.stdout}${said.stderr}`).toEqual([
          reached ? 0 : 1,
          reached,
        ]);
        const outcome = await recover(target);
        if (!reached && major >= 13) {
          expect(outcome, what).toContain("recovery ended before configured recovery target was reached");
          return;
        }
        if (typeof outcome === "string") throw new Error(`${what}: ${outcome}`);
        expect(outcome.rows, what).toEqual(rows);
        if (!reached) expect(outcome.reason, what).toMatch(/^before (transaction 0|LSN 0\/0)$/);
        else
          expect([outcome.reason, parseLsn(outcome.position)], what).toEqual([
            stop.at === "location" ? `after LSN ${stop.lsn}` : `after transaction ${stop.xid}`,
            parseLsn(stop.position),
          ]);
      };
      const toXid = (xid: string, timeline?: string): [Settings, string[]] => [
        { recovery_target_xid: xid, ...(timeline !== undefined && { recovery_target_timeline: timeline }) },
        ["--target-xid", xid, ...(timeline === undefined ? [] : ["--timeline", timeline])],
      ];
      // Both timelines count on from the same transaction, so one number is two commits.
      expect(own).toBe(left);
      // The default timeline changed in 12.
      if (major >= 12) {
        await compare(...toXid(later), false, [1, 2, 5]);
        await compare(...toXid(own), true, [1, 2, 5]);
      } else {
        await compare(...toXid(later), true, [1, 2, 3, 4]);
        await compare(...toXid(own), true, [1, 2, 3]);
      }
      await compare(...toXid(later, "1"), true, [1, 2, 3, 4]);
      await compare(...toXid(later, "latest"), false, [1, 2, 5]);
      await compare(...toXid(own, "2"), true, [1, 2, 5]);

      // A gap: the segment in which timeline 2 begins.
      const forkSegment = readdirSync(archive)
        .find((name) => /^00000002[0-9A-F]{16}$/.test(name))!
        .slice(8);
      const toLsn = (lsn: string, timeline: string): [Settings, string[]] => [
        { recovery_target_lsn: lsn, recovery_target_timeline: timeline },
        ["--target-lsn", lsn, "--timeline", timeline],
      ];
      // Without timeline 2's own file of it, a server reads timeline 1's, and goes on beyond the fork.
      rmSync(join(archive, `00000002${forkSegment}`));
      await compare(...toXid(later, "latest"), true, [1, 2, 3, 4]);
      rmSync(join(archive, `00000001${forkSegment}`));
      await compare(...toLsn(laterLsn, "1"), false, [1]);
      await compare(...toXid(before, "1"), true, [1]);
    } finally {
      await primary.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

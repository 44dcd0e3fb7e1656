/** Where recovery stops: what we say of the WAL, and where servers stop that recover to the same target. */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { formatLsn, parseLsn } from "../../src/kernel/lsn.ts";
import { formatPgTime, type PgTime } from "../../src/kernel/time.ts";
import { committedTransactions, findRecoveryStop, type RecoveryTarget } from "../../src/wal/questions.ts";
import { WalReader } from "../../src/wal/reader.ts";
import type { WalRecord } from "../../src/wal/record.ts";
import { checked, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

/** With recovery.signal, which came in 12; the rules have not changed. */
const majors = longTestMajors.filter((major) => major === 13 || major === 18);

describe.for(majors)("PostgreSQL %i", (major) => {
  test("stops where we say, whatever the target", { timeout: 60_000 }, async () => {
    const folder = mkdtempSync(join(tmpdir(), "walwire-recovery-"));
    const base = join(folder, "base");
    const server = await startServer({ major });
    try {
      await server.sql("CREATE TABLE t (id int)");
      const session = await server.connect();
      checked(
        await session.query(
          major < 15 ? "SELECT pg_start_backup('b', true, false)" : "SELECT pg_backup_start('b', true)",
        ),
      );
      cpSync(server.dataDirectory, base, { recursive: true });
      rmSync(join(base, "postmaster.pid"));
      const ended = major < 15 ? "pg_stop_backup(false)" : "pg_backup_stop()";
      const label = checked(await session.query(`SELECT labelfile FROM ${ended}`)).find(({ type }) => type === "D")!;
      writeFileSync(join(base, "backup_label"), label.body.toString("utf8", 6));
      await session.close();
      for (let id = 1; id <= 3; id++) await server.sql(`INSERT INTO t VALUES (${id})`);
      await server.sql("SELECT pg_create_restore_point('a point')");
      await server.sql("BEGIN; INSERT INTO t VALUES (4); PREPARE TRANSACTION 'p'");
      await server.sql("COMMIT PREPARED 'p'");
      await server.sql("BEGIN; INSERT INTO t VALUES (5); ROLLBACK");
      await server.sql("SELECT pg_create_restore_point('a point')");
      await server.sql("INSERT INTO t VALUES (6)");
      // No checkpoint until the segments are copied: it would use the one again that the backup begins in.
      const wal = join(server.dataDirectory, "pg_wal");
      const segments = readdirSync(wal)
        .filter((name) => /^[0-9A-F]{24}$/.test(name))
        .sort();
      const reader = new WalReader();
      const records: WalRecord[] = [];
      for (const segment of segments) {
        cpSync(join(wal, segment), join(base, "pg_wal", segment));
        reader.push(readFileSync(join(wal, segment)));
        for (let record = reader.next(); record !== undefined; record = reader.next()) records.push(record);
      }
      writeFileSync(join(base, "recovery.signal"), "");
      // The last five: 1, 2, 3, 4 (prepared), 6.
      const commits = [...committedTransactions(records, { server: major })].slice(-5);
      const targets: readonly (readonly [RecoveryTarget, readonly number[]])[] = [
        [{ type: "name", name: "a point" }, [1, 2, 3]],
        [{ type: "xid", xid: commits[3]!.xid }, [1, 2, 3, 4]],
        [{ type: "xid", xid: commits[3]!.xid, inclusive: false }, [1, 2, 3]],
        [{ type: "time", time: commits[1]!.time }, [1, 2]],
        [{ type: "time", time: commits[1]!.time, inclusive: false }, [1]],
        [{ type: "lsn", lsn: commits[2]!.lsn }, [1, 2, 3]],
        [{ type: "lsn", lsn: commits[2]!.lsn, inclusive: false }, [1, 2]],
      ];
      for (const [target, rows] of targets) {
        const { stop } = findRecoveryStop(records, target, { server: major });
        const recovered = await startServer({ major, from: base, settings: settingsOf(target) });
        try {
          // Until then it is a hot standby, and there is no history.
          const inRecovery = async () => (await recovered.sql("SELECT pg_is_in_recovery()")).rows[0]![0];
          await expect.poll(inRecovery).toBe("f");
          expect((await recovered.sql("SELECT id FROM t ORDER BY id")).rows.map(([id]) => Number(id))).toEqual(rows);
          const history = readFileSync(join(recovered.dataDirectory, "pg_wal/00000002.history"), "latin1");
          const [, position, reason] = history.trim().split("\t");
          expect(formatLsn(stop!.position)).toBe(formatLsn(parseLsn(position!)));
          const { side, at, xid, time, name, lsn } = stop!;
          if (at === "restore point") expect(reason).toBe(`at restore point "${name}"`);
          else if (at === "location") expect(reason).toBe(`${side} LSN ${formatLsn(lsn)}`);
          else if (target.type === "xid") expect(reason).toBe(`${side} transaction ${xid}`);
          else
            expect(reason).toBe(
              `${side} ${settingOf(time!)
                .replace("T", " ")
                .replace(/(?:\.0*|(\.\d*?[1-9])0*)\+/, "$1+")}`,
            );
        } finally {
          await recovered.stop();
        }
      }
    } finally {
      await server.stop();
      rmSync(folder, { recursive: true });
    }
  });
});

function settingsOf(target: RecoveryTarget): Record<string, string> {
  const inclusive = !("inclusive" in target) || target.inclusive !== false;
  return {
    restore_command: "false",
    recovery_target_action: "promote",
    recovery_target_inclusive: inclusive ? "on" : "off",
    ...(target.type === "name" && { recovery_target_name: target.name }),
    ...(target.type === "xid" && { recovery_target_xid: String(target.xid) }),
    ...(target.type === "time" && { recovery_target_time: settingOf(target.time) }),
    ...(target.type === "immediate" && { recovery_target: "immediate" }),
    ...(target.type === "lsn" && { recovery_target_lsn: formatLsn(target.lsn) }),
  };
}

/** A server that starts has not loaded its abbreviations of time zones yet, of which Z is one. */
function settingOf(time: PgTime): string {
  return formatPgTime(time).replace("Z", "+00");
}

/** Standbys and other receivers of this server, and this server as a standby. */
import { ProtocolError } from "../../kernel/errors.ts";
import { counted, formatBytes } from "../../kernel/words.ts";
import { parseSynchronousStandbyNames } from "../../syncrep/index.ts";
import { blockingLosses } from "../../syncrep/questions.ts";
import { askPrimary } from "../standbys.ts";
import { change, type Examination, literal } from "./examination.ts";
import { WAL_END } from "./slots.ts";

/** Do commits wait for standbys that are not there? As `walwire sync check --from` answers it. */
export async function checkSynchronous(examination: Examination): Promise<string | undefined> {
  const { server, inRecovery } = examination.facts;
  const listed = examination.setting("synchronous_standby_names")?.setting ?? "";
  if (inRecovery || listed === "") return undefined;
  const primary = await askPrimary(examination.query, (problem) => {
    throw new ProtocolError(`pg_stat_replication: ${problem}`);
  });
  if (primary.standbys === undefined) {
    examination.needsMonitor("standbys", "it is not known whether commits wait for standbys that are not there");
    return undefined;
  }
  const config = parseSynchronousStandbyNames(primary.setting, { server });
  const options = { server, cascading: false, level: primary.synchronousCommit };
  const { size, sentence } = blockingLosses(config, primary.standbys.rows, options);
  if (size === 0) {
    const fix = change(examination, "synchronous_standby_names", "");
    const values = { synchronous_standby_names: primary.setting, synchronous_commit: primary.synchronousCommit };
    examination.find("SYNC_BLOCKED", "synchronous_standby_names", sentence.replace(/\.$/, ""), values, fix);
  }
  return `synchronous_standby_names is ${literal(primary.setting)}, and its standbys are there`;
}

export async function checkReceivers(examination: Examination): Promise<string | undefined> {
  const { seesAll } = examination.facts;
  if (!seesAll) {
    examination.needsMonitor("standbys", "the states of standbys and other receivers are not seen");
    return undefined;
  }
  const rows =
    await examination.query(`SELECT w.pid::text AS pid, application_name, state, sent_lsn::text AS sent_lsn, flush_lsn::text AS flush_lsn,
      pg_wal_lsn_diff(${WAL_END}, flush_lsn)::text AS behind, s.slot_name, s.slot_type
    FROM pg_stat_replication w LEFT JOIN pg_replication_slots s ON s.active_pid = w.pid
    WHERE NOT (state = 'startup' AND backend_start > now() - interval '10 s') AND w.pid <> pg_backend_pid() ORDER BY application_name, w.pid`);
  const limit = BigInt(examination.number("max_wal_size") ?? 0);
  const keeps = [examination.setting("wal_keep_size"), examination.setting("wal_keep_segments")].some(
    (each) => Number(each?.setting ?? 0) > 0,
  );
  const archives = (examination.setting("archive_mode")?.setting ?? "off") !== "off";
  for (const row of rows) {
    const { application_name: name, state, behind, pid } = row;
    const values = { pid: pid!, state, flush_lsn: row.flush_lsn, behind, slot_name: row.slot_name };
    if (state !== "streaming")
      examination.find("STANDBY_NOT_STREAMING", name!, `${name} is in the state ${state}`, values);
    if (behind != null && BigInt(behind) > limit) {
      const message = `${name} has not flushed ${formatBytes(BigInt(behind))} of WAL`;
      examination.find("STANDBY_LAGS", name!, message, values);
    }
    // A base backup has no slot, and no stream.
    if (row.slot_name === null && state !== "backup" && state !== "startup" && !keeps && !archives) {
      const message = `${name} streams without a slot, and wal_keep_size is 0: after a pause the WAL that it needs may be gone`;
      const setting = examination.setting("wal_keep_size") === undefined ? "wal_keep_segments" : "wal_keep_size";
      const fix = change(examination, setting, setting === "wal_keep_size" ? "1GB" : "64");
      examination.find("STANDBY_WITHOUT_SLOT", name!, message, values, fix);
    }
  }
  return rows.length === 0 ? undefined : `${counted(rows.length, "receiver")} can follow`;
}

export async function checkStandby(examination: Examination): Promise<string | undefined> {
  const { inRecovery, seesAll } = examination.facts;
  if (!inRecovery) return undefined;
  const conninfo = examination.setting("primary_conninfo")?.setting ?? "";
  const slotname = examination.setting("primary_slot_name")?.setting ?? "";
  const feedback = examination.setting("hot_standby_feedback")?.setting === "on";
  const [row] = await examination.query(`SELECT (SELECT status FROM pg_stat_wal_receiver LIMIT 1) AS status,
    (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical')::text AS logical`);
  // Who may not see the status sees no row, or NULL.
  if (conninfo !== "" && seesAll && row!.status !== "streaming") {
    const message = `this standby does not stream from its primary${row!.status === null ? "" : `: its WAL receiver is ${row!.status}`}`;
    examination.find("RECEIVER_DOWN", "primary_conninfo", message, { status: row!.status });
  }
  if (!seesAll) examination.needsMonitor("standby", "the state of the WAL receiver is not seen");
  if (examination.has("slotConflicting") && Number(row!.logical) > 0 && !feedback) {
    const message = "this standby has logical slots, but hot_standby_feedback is off";
    examination.find(
      "FEEDBACK_OFF",
      "hot_standby_feedback",
      message,
      { logical_slots: row!.logical! },
      change(examination, "hot_standby_feedback", "on"),
    );
  }
  if (examination.setting("sync_replication_slots")?.setting === "on") {
    const missing = [
      ...(slotname === "" ? ["primary_slot_name"] : []),
      ...(feedback ? [] : ["hot_standby_feedback = on"]),
      ...(conninfo === "" || /\bdbname\b/.test(conninfo) ? [] : ["dbname in primary_conninfo"]),
    ];
    if (missing.length > 0) {
      const message = `sync_replication_slots is on, but needs ${missing.join(", ")}`;
      const fix = change(examination, "sync_replication_slots", "off");
      examination.find("SLOT_SYNC_IMPOSSIBLE", "sync_replication_slots", message, { missing: missing.join(", ") }, fix);
    }
  }
  return "this standby follows its primary";
}

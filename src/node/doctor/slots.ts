/** Replication slots of the whole cluster: what they keep, and whether their consumers can go on. */
import { counted, formatBytes } from "../../kernel/words.ts";
import type { Row } from "../standbys.ts";
import { change, type Examination, literal, run } from "./examination.ts";

/** The end of WAL. A standby may not know what it has received, if it never did. */
export const WAL_END =
  "CASE WHEN pg_is_in_recovery() THEN COALESCE(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()) ELSE pg_current_wal_lsn() END";

export async function checkSlots(examination: Examination): Promise<string | undefined> {
  const { facts } = examination;
  const has = (name: Parameters<Examination["has"]>[0], column: string, otherwise = "NULL") =>
    examination.has(name) ? column : `${otherwise} AS ${column.replace(/^.* AS /, "")}`;
  const rows =
    await examination.query(`SELECT slot_name, plugin, slot_type, database, temporary::text, active::text, active_pid::text,
      restart_lsn::text, confirmed_flush_lsn::text, pg_wal_lsn_diff(${WAL_END}, restart_lsn)::text AS held,
      GREATEST(age(xmin), age(catalog_xmin))::text AS age,
      ${has("slotWalStatus", "wal_status")}, ${has("slotWalStatus", "safe_wal_size::text AS safe_wal_size")},
      ${has("slotTwoPhase", "two_phase::text AS two_phase")}, ${has("slotConflicting", "conflicting::text AS conflicting")},
      ${has("failoverSlots", "failover::text AS failover")}, ${has("failoverSlots", "synced::text AS synced")},
      ${has("failoverSlots", "inactive_since::text AS inactive_since")}, ${has("failoverSlots", "invalidation_reason")},
      ${has("failoverSlots", "EXTRACT(epoch FROM now() - inactive_since)::bigint::text AS inactive_for")}
    FROM pg_replication_slots ORDER BY slot_name`);
  for (const wanted of facts.slots) {
    if (rows.some(({ slot_name }) => slot_name === wanted)) continue;
    const fix = run(`SELECT pg_create_logical_replication_slot(${literal(wanted)}, 'pgoutput')`);
    examination.find("SLOT_MISSING", wanted, `there is no slot ${wanted}`, {}, fix);
  }
  let unlimited = 0n;
  for (const row of rows) {
    checkUse(examination, row);
    if (row.active === "false" && row.held != null) unlimited += BigInt(row.held);
    checkKind(examination, row);
  }
  const limit = examination.number("max_slot_wal_keep_size");
  if (limit === -1 && examination.findings.some(({ code }) => code === "SLOT_INACTIVE")) {
    const message = "max_slot_wal_keep_size is -1: an inactive slot may fill the disk";
    const fix = change(examination, "max_slot_wal_keep_size", "100GB");
    examination.find(
      "SLOT_WITHOUT_LIMIT",
      "max_slot_wal_keep_size",
      message,
      { max_slot_wal_keep_size: "-1", held: String(unlimited) },
      fix,
    );
  }
  return rows.length === 0
    ? "there are no replication slots"
    : `${counted(rows.length, "replication slot")} can be used, and keep little WAL`;
}

function drop(slot: Row) {
  return run(`SELECT pg_drop_replication_slot(${literal(slot.slot_name!)})`);
}

/** What a slot keeps, and whether it still can. */
function checkUse(examination: Examination, slot: Row): void {
  const {
    slot_name: slotname,
    wal_status,
    held,
    restart_lsn,
    safe_wal_size,
    invalidation_reason,
    inactive_since,
  } = slot;
  const kept = held == null ? "no WAL" : formatBytes(BigInt(held));
  const values = { restart_lsn, held, wal_status, active: slot.active!, inactive_since: inactive_since ?? null };
  const reason = invalidation_reason ?? (slot.conflicting === "true" ? "a conflict with recovery" : undefined);
  if (wal_status === "lost" || reason !== undefined) {
    const why = reason === undefined ? "the WAL that it needs is removed" : `by ${reason}`;
    const seen = { ...values, invalidation_reason: invalidation_reason ?? null, conflicting: slot.conflicting ?? null };
    examination.find("SLOT_LOST", slotname!, `the slot ${slotname} is invalidated: ${why}`, seen, drop(slot));
    return;
  }
  if (wal_status === "unreserved") {
    const message = `the slot ${slotname} keeps ${kept}: the next checkpoint may remove what it needs`;
    const fix = change(examination, "max_slot_wal_keep_size", "-1");
    examination.find("SLOT_UNRESERVED", slotname!, message, { ...values, safe_wal_size: safe_wal_size ?? null }, fix);
    return;
  }
  const segment = BigInt(examination.number("wal_segment_size") ?? 0);
  const idleFor = Number(slot.inactive_for ?? 0);
  const keeps = held != null && (BigInt(held) >= segment || idleFor >= examination.facts.oldAfter);
  if (slot.active === "false" && slot.temporary === "false" && slot.synced !== "true" && keeps) {
    const since = inactive_since == null ? "" : `, since ${inactive_since}`;
    const message = `the slot ${slotname} is inactive${since}, and keeps ${kept} of WAL`;
    examination.find("SLOT_INACTIVE", slotname!, message, values, drop(slot));
  } else if (wal_status === "extended") {
    const message = `the slot ${slotname} keeps ${kept} of WAL, more than max_wal_size`;
    examination.find("SLOT_EXTENDED", slotname!, message, values);
  }
  const oldest = examination.number("vacuum_freeze_min_age");
  if (slot.age != null && oldest !== undefined && Number(slot.age) > oldest) {
    const message = `the slot ${slotname} keeps rows of the last ${counted(Number(slot.age), "transaction")}`;
    const fix = slot.active === "false" ? drop(slot) : undefined;
    examination.find(
      "SLOT_HOLDS_XMIN",
      slotname!,
      message,
      { age: slot.age, vacuum_freeze_min_age: String(oldest) },
      fix,
    );
  }
}

/** What a slot is, on this server. */
function checkKind(examination: Examination, slot: Row): void {
  const { slot_name: slotname } = slot;
  if (slot.synced === "true" && slot.temporary === "true" && examination.facts.inRecovery) {
    const message = `the slot ${slotname} is synchronized, but not ready for a failover`;
    examination.find("SLOT_NOT_SYNCED", slotname!, message, { synced: "true", temporary: "true" });
  }
  const prepared = examination.number("max_prepared_transactions");
  if (slot.two_phase === "true" && prepared === 0) {
    const message = `the slot ${slotname} has two_phase, but max_prepared_transactions is 0`;
    const fix = change(examination, "max_prepared_transactions", "100");
    examination.find(
      "SLOT_TWO_PHASE_UNUSED",
      slotname!,
      message,
      { two_phase: "true", max_prepared_transactions: "0" },
      fix,
    );
  }
}

/** Whether logical slots would survive a failover; only where there is something to fail over to. */
export async function checkFailover(examination: Examination): Promise<undefined> {
  if (!examination.has("failoverSlots") || examination.facts.inRecovery) return;
  const rows = await examination.query(`SELECT slot_name FROM pg_replication_slots
    WHERE slot_type = 'logical' AND NOT failover AND NOT temporary AND database = current_database() AND invalidation_reason IS NULL
      AND EXISTS (SELECT FROM pg_replication_slots p JOIN pg_stat_get_wal_senders() w ON w.pid = p.active_pid WHERE p.slot_type = 'physical' AND NOT p.temporary)
    ORDER BY 1`);
  for (const { slot_name: slotname } of rows) {
    const fix = { sql: [`ALTER_REPLICATION_SLOT ${slotname} (FAILOVER true)`], restart: false, command: true } as const;
    examination.find(
      "SLOT_NOT_FAILOVER",
      slotname!,
      `the slot ${slotname} is not a failover slot: a failover loses it`,
      { failover: "false" },
      fix,
    );
  }
}

/** Slots that logical streams of failover slots wait for. @source slot.c: StandbySlotsHaveCaughtup */
export async function checkSynchronized(examination: Examination): Promise<undefined> {
  const listed = examination.setting("synchronized_standby_slots")?.setting ?? "";
  if (listed === "" || examination.facts.inRecovery) return;
  const rows = await examination.query(`SELECT listed.name, slot_type, active::text, invalidation_reason
    FROM unnest(regexp_split_to_array(${literal(listed)}, '\\s*,\\s*')) AS listed (name) LEFT JOIN pg_replication_slots ON slot_name = listed.name`);
  const isUsable = ({ slot_type, active, invalidation_reason }: Row) =>
    slot_type === "physical" && active === "true" && invalidation_reason === null;
  const usable = rows.filter(isUsable).map((row) => row.name);
  for (const row of rows.filter((each) => !isUsable(each))) {
    const state =
      row.slot_type === null
        ? "is missing"
        : row.slot_type !== "physical"
          ? "is not physical"
          : row.invalidation_reason !== null
            ? "is invalidated"
            : "is inactive";
    const message = `the slot ${row.name} in synchronized_standby_slots ${state}: logical streams of failover slots wait for it`;
    const fix = change(examination, "synchronized_standby_slots", usable.join(", "));
    const values = { synchronized_standby_slots: listed, active: row.active, slot_type: row.slot_type };
    examination.find("SYNCHRONIZED_SLOT_MISSING", row.name!, message, values, fix);
  }
}

/** Transactions that decoding wrote to disk. */
export async function checkSpills(examination: Examination): Promise<undefined> {
  const memory = examination.number("logical_decoding_work_mem");
  if (!examination.has("slotStatistics") || memory === undefined) return;
  const limit = memory * 10;
  const rows = await examination.query(`SELECT s.slot_name, spill_txns::text, spill_bytes::text, stats_reset::text
    FROM pg_stat_replication_slots s JOIN pg_replication_slots USING (slot_name) WHERE spill_bytes > ${limit} ORDER BY 1`);
  for (const row of rows) {
    const { slot_name: slotname, spill_bytes } = row;
    const shown = examination.setting("logical_decoding_work_mem")!.shown;
    const message = `decoding for the slot ${slotname} has written ${formatBytes(BigInt(spill_bytes!))} to disk, with logical_decoding_work_mem = ${shown}`;
    const fix = run(`SELECT pg_stat_reset_replication_slot(${literal(slotname!)})`);
    examination.find(
      "SLOT_SPILLS",
      slotname!,
      message,
      { spill_txns: row.spill_txns!, spill_bytes: spill_bytes!, stats_reset: row.stats_reset! },
      fix,
    );
  }
}

/** Are the libraries of the output plugins there? Only a superuser may see that. */
export async function checkPlugins(examination: Examination): Promise<undefined> {
  if (!examination.facts.isSuperuser || !examination.has("absolutePaths")) return;
  if (examination.setting("dynamic_library_path")?.setting !== "$libdir") return;
  const rows = await examination.query(`SELECT slot_name, plugin FROM pg_replication_slots, pg_config
    WHERE pg_config.name = 'PKGLIBDIR' AND plugin !~ '/'
      AND NOT EXISTS (SELECT FROM unnest(ARRAY['so', 'dylib', 'dll', 'sl']) AS suffix
        WHERE (pg_stat_file(pg_config.setting || '/' || plugin || '.' || suffix, true)).size IS NOT NULL) ORDER BY 1`);
  for (const row of rows) {
    const { slot_name: slotname, plugin } = row;
    examination.find(
      "SLOT_PLUGIN_MISSING",
      slotname!,
      `the output plugin ${plugin} of the slot ${slotname} is not installed`,
      { plugin: plugin! },
      drop(row),
    );
  }
}

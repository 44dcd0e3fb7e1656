/** Old transactions, the archiver, and subscriptions of this database. */
import { change, type Examination, literal, run } from "./examination.ts";

export async function checkTransactions(examination: Examination): Promise<string | undefined> {
  const { oldAfter, seesAll, database, inRecovery } = examination.facts;
  if (inRecovery) return undefined;
  const prepared =
    await examination.query(`SELECT gid, database, prepared::text AS prepared, age(transaction)::text AS age
    FROM pg_prepared_xacts WHERE prepared < now() - interval '${oldAfter} s' ORDER BY 3`);
  for (const row of prepared) {
    const message = `the transaction prepared as ${literal(row.gid!)} in the database ${row.database} is pending since ${row.prepared}`;
    const fix = row.database === database ? run(`ROLLBACK PREPARED ${literal(row.gid!)}`) : undefined;
    const { gid: _, ...values } = row;
    examination.find("PREPARED_TRANSACTION_OLD", row.gid!, message, values, fix);
  }
  // A session that only reads has no transaction ID, and holds up no slot.
  const long =
    await examination.query(`SELECT pid::text AS pid, usename, datname, state, xact_start::text AS xact_start, age(backend_xid)::text AS age
    FROM pg_stat_activity WHERE backend_xid IS NOT NULL AND xact_start < now() - interval '${oldAfter} s' AND pid <> pg_backend_pid() ORDER BY 5`);
  for (const row of long) {
    const message = `a transaction of the role ${row.usename}, process ${row.pid}, runs since ${row.xact_start}`;
    examination.find("TRANSACTION_LONG", row.pid!, message, row, run(`SELECT pg_terminate_backend(${row.pid})`));
  }
  if (!seesAll) examination.needsMonitor("transactions", "old transactions of other roles are not seen");
  return "no old transactions hold up slots";
}

export async function checkArchiver(examination: Examination): Promise<string | undefined> {
  const mode = examination.setting("archive_mode")?.setting ?? "off";
  if (mode === "off" || (mode === "on" && examination.facts.inRecovery)) return undefined;
  const [row] =
    await examination.query(`SELECT last_failed_wal, last_failed_time::text AS last_failed_time, last_archived_wal, failed_count::text AS failed_count,
    (last_failed_time > COALESCE(last_archived_time, '-infinity'))::text AS failing FROM pg_stat_archiver`);
  if (row?.failing === "true") {
    const { failing: _, ...values } = row;
    const message = `archiving of ${row.last_failed_wal} failed at ${row.last_failed_time}, and nothing was archived since`;
    examination.find("ARCHIVE_FAILING", row.last_failed_wal!, message, values);
  }
  return "WAL is archived";
}

export async function checkSubscriptions(examination: Examination): Promise<string | undefined> {
  const rows =
    await examination.query(`SELECT subname, quote_ident(subname) AS name, subenabled::text AS enabled, subslotname::text AS slot
    FROM pg_subscription JOIN pg_database d ON d.oid = subdbid WHERE d.datname = current_database() ORDER BY 1`);
  if (rows.length === 0) return undefined;
  const leader = examination.has("parallelApply") ? "AND leader_pid IS NULL" : "";
  const running = await examination.query(
    `SELECT subname, pid::text AS pid FROM pg_stat_subscription WHERE relid IS NULL AND pid IS NOT NULL ${leader}`,
  );
  for (const row of rows) {
    const { subname, name } = row;
    if (row.enabled === "false") {
      const fix = row.slot === null ? undefined : run(`ALTER SUBSCRIPTION ${name} ENABLE`);
      examination.find(
        "SUBSCRIPTION_DISABLED",
        subname!,
        `the subscription ${subname} is disabled`,
        { subslotname: row.slot },
        fix,
      );
    } else if (!running.some((each) => each.subname === subname)) {
      const message = `the subscription ${subname} is enabled, but has no apply worker`;
      examination.find(
        "SUBSCRIPTION_NOT_RUNNING",
        subname!,
        message,
        { subslotname: row.slot },
        run(`ALTER SUBSCRIPTION ${name} DISABLE`),
      );
    }
  }
  await checkApply(examination);
  const commitTimestamps = examination.setting("track_commit_timestamp")?.setting;
  if (examination.has("generatedColumns") && commitTimestamps === "off") {
    const message = "track_commit_timestamp is off: changes of other origins are overwritten without a word";
    const fix = change(examination, "track_commit_timestamp", "on");
    examination.find(
      "COMMIT_TIMESTAMPS_OFF",
      "track_commit_timestamp",
      message,
      { track_commit_timestamp: "off" },
      fix,
    );
  }
  return "the subscriptions of this database run";
}

async function checkApply(examination: Examination): Promise<void> {
  if (examination.has("subscriptionStatistics")) {
    const failed =
      await examination.query(`SELECT s.subname, s.subid::text AS oid, apply_error_count::text AS apply_errors, sync_error_count::text AS sync_errors
      FROM pg_stat_subscription_stats s JOIN pg_subscription o ON o.oid = s.subid JOIN pg_database d ON d.oid = o.subdbid
      WHERE d.datname = current_database() AND apply_error_count + sync_error_count > 0 ORDER BY 1`);
    for (const { subname, oid, apply_errors, sync_errors } of failed) {
      const message = `the subscription ${subname} has failed ${Number(apply_errors) + Number(sync_errors)} times`;
      const values = { apply_error_count: apply_errors!, sync_error_count: sync_errors! };
      examination.find(
        "SUBSCRIPTION_ERRORS",
        subname!,
        message,
        values,
        run(`SELECT pg_stat_reset_subscription_stats(${oid})`),
      );
    }
  }
  const tables =
    await examination.query(`SELECT subname, srrelid::regclass::text AS name, srsubstate::text AS srsubstate
    FROM pg_subscription_rel JOIN pg_subscription s ON s.oid = srsubid JOIN pg_database d ON d.oid = s.subdbid
    WHERE d.datname = current_database() AND srsubstate <> 'r' ORDER BY 1, 2`);
  for (const { subname, name, srsubstate } of tables) {
    const message = `the table ${name} of the subscription ${subname} is not copied yet`;
    examination.find("TABLE_NOT_READY", name!, message, { subscription: subname!, srsubstate: srsubstate! });
  }
}

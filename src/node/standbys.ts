/** A primary and its standbys, as its views show them. Nothing is changed there. */
import { ParseError } from "../kernel/errors.ts";
import { type Lsn, parseLsn } from "../kernel/lsn.ts";
import { serverVersionNum } from "../kernel/version.ts";
import type { ObservedPrimary, ObservedStandby } from "../syncrep/plan/index.ts";
import { parseSynchronousCommit, type SynchronousCommit } from "../syncrep/questions.ts";
import { sqlCapabilities } from "./capabilities.ts";

export interface Standbys {
  /** In the order of the walsenders. */
  readonly rows: readonly ObservedStandby[];
  /** How far the primary's log is, or the furthest that it has sent; undefined if nothing tells. */
  readonly position: Lsn | undefined;
  /** Is the server that they are connected to a standby itself? */
  readonly cascading: boolean;
}

/** A running primary. */
export interface Primary {
  readonly server: number;
  /** The value that it runs with. */
  readonly setting: string;
  /** What a session of this role waits for, unless it sets it. */
  readonly synchronousCommit: SynchronousCommit;
  readonly clusterName: string | undefined;
  /** undefined if the role may not see them. */
  readonly standbys: Standbys | undefined;
}

/** A row of a result, by the names of its columns. */
export type Row = Readonly<Record<string, string | null>>;

/**
 * Ask a server which standbys it has and which it waits for.
 *
 * @param query Runs SQL and returns the rows; each value is text or null.
 * @param refuse Throws for rows that no server has, with a sentence that names the place.
 */
export async function askPrimary(
  query: (sql: string) => Promise<readonly Row[]>,
  refuse: (problem: string) => never,
): Promise<Primary> {
  const [row] = await query(`SELECT current_setting('server_version_num') AS server,
    current_setting('synchronous_standby_names') AS setting, current_setting('synchronous_commit') AS commit,
    (SELECT setting FROM pg_settings WHERE name = 'cluster_name') AS cluster, pg_is_in_recovery()::text AS cascading`);
  const server = serverVersionNum(Number(row?.server));
  const cascading = row!.cascading === "true";
  const [wal, lsn] = sqlCapabilities.supports(server, "walFunctionNames") ? ["wal", "lsn"] : ["xlog", "location"];
  const end = cascading ? `pg_last_${wal}_receive_${lsn}()` : `pg_current_${wal}_${lsn}()`;
  const [position] = await query(`SELECT ${end}::text AS position`);
  // In the order of the walsenders, which pg_stat_replication need not have.
  const rows = await query(`SELECT a.application_name, w.*
    FROM pg_stat_get_wal_senders() WITH ORDINALITY AS w JOIN pg_stat_activity AS a USING (pid) ORDER BY w.ordinality`);
  const seen = rows.every(({ state }) => state !== null);
  const standbys = seen ? standbysOf(rows, refuse) : undefined;
  const known = position?.position == null ? standbys?.position : parseLsn(position.position);
  return {
    server,
    setting: row!.setting!,
    synchronousCommit: parseSynchronousCommit(row!.commit!, { server }),
    clusterName: row!.cluster || undefined,
    standbys: standbys && { rows: standbys.rows, position: known, cascading },
  };
}

/**
 * What a plan needs to know of a primary. The session must have begun after the setting was last changed.
 *
 * @param query, refuse as of askPrimary.
 */
export async function observePrimary(
  query: (sql: string) => Promise<readonly Row[]>,
  refuse: (problem: string) => never,
): Promise<{ readonly server: number; readonly clusterName: string | undefined; readonly observed: ObservedPrimary }> {
  const { server, setting, synchronousCommit, clusterName, standbys } = await askPrimary(query, refuse);
  if (standbys === undefined) refuse("this role may not see the standbys: it needs pg_monitor, or to be superuser");
  if (standbys!.cascading)
    return { server, clusterName, observed: { value: setting, standbys: standbys!.rows, cascading: true } };
  const has = sqlCapabilities.of(server);
  const insert = has.walFunctionNames ? "pg_current_wal_insert_lsn()" : "pg_current_xlog_insert_location()";
  const [position] = await query(`SELECT ${insert}::text AS position`);
  const waits = has.walFunctionNames ? ", a.wait_event" : "";
  const rows = await query(`SELECT a.application_name${waits}, w.*
    FROM pg_stat_get_wal_senders() WITH ORDINALITY AS w JOIN pg_stat_activity AS a USING (pid) ORDER BY w.ordinality`);
  const waiting = has.walFunctionNames
    ? await query("SELECT 1 FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
    : [];
  const observed = {
    ...{ value: setting, position: parseLsn(position!.position!), standbys: standbysOf(rows, refuse).rows },
    commitsWait: waiting.length > 0,
    synchronousCommit,
  };
  return { server, clusterName, observed };
}

/** Names of columns, as they are and as they were before 10. */
const positions = {
  writeLsn: ["write_lsn", "write_location"],
  flushLsn: ["flush_lsn", "flush_location"],
  replayLsn: ["replay_lsn", "replay_location"],
} as const;
const sent = ["sent_lsn", "sent_location"] as const;

const states = ["startup", "backup", "catchup", "streaming", "stopping"] as const;

/**
 * Read rows of pg_stat_replication.
 *
 * @param refuse Throws for what is not one, with a sentence that names the place.
 */
export function standbysOf(value: unknown, refuse: (problem: string) => never): Standbys {
  const fail = (place: string, what: string): never => refuse(`${place} ${what}`);
  if (!Array.isArray(value)) return fail("it", "must be an array of rows of pg_stat_replication");
  let furthest: Lsn | undefined;
  const rows = value.map((row: unknown, i): ObservedStandby => {
    if (typeof row !== "object" || row === null || Array.isArray(row)) fail(`[${i}]`, "must be an object");
    const columns = row as Readonly<Record<string, unknown>>;
    const lsn = (names: readonly string[]): Lsn | undefined => {
      const name = names.find((each) => Object.hasOwn(columns, each)) ?? names[0]!;
      const text = columns[name];
      if (text === undefined || text === null) return undefined;
      try {
        return parseLsn(text as string);
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        return fail(`[${i}].${name}`, `must be an LSN such as "0/16B3748", or null, not ${JSON.stringify(text)}`);
      }
    };
    const { application_name: name, state } = columns;
    // To other roles the server shows that a walsender is there, and nothing more.
    if (state === null) fail(`[${i}].state`, "is null: the role needs pg_monitor, or to be superuser, to see it");
    if (typeof name !== "string") fail(`[${i}].application_name`, "must be a string");
    const known = states.find((each) => each === state);
    if (known === undefined) {
      fail(`[${i}].state`, `must be one of ${states.join(", ")}, not ${JSON.stringify(state) ?? "missing"}`);
    }
    const sentLsn = lsn(sent);
    const standby = {
      applicationName: name as string,
      state: known!,
      writeLsn: lsn(positions.writeLsn),
      flushLsn: lsn(positions.flushLsn),
      replayLsn: lsn(positions.replayLsn),
      ...(columns.sync_priority == null ? {} : { syncPriority: Number(columns.sync_priority) }),
      ...(sentLsn === undefined ? {} : { sentLsn }),
      ...(typeof columns.wait_event === "string" ? { isWaiting: columns.wait_event.startsWith("WalSender") } : {}),
    };
    for (const each of [sentLsn, standby.writeLsn]) {
      if (each !== undefined && (furthest === undefined || each > furthest)) furthest = each;
    }
    return standby;
  });
  return { rows, position: furthest, cascading: false };
}

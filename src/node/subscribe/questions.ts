/** The SQL that a subscription asks its server, besides that of the initial copy in tables.ts. */
import { formatLsn, type Lsn } from "../../kernel/lsn.ts";
import { quoteLiteral } from "../../text/literal.ts";

/** Asks for nothing: whether the server is there. It also ends what belongs to the last command, such as an exported snapshot. */
export const ALIVE = "SELECT";

/**
 * The state of the slot, the database, wal_sender_timeout and the publications that are missing: a row with an object of JSON. Rows as JSON
 * have whatever columns the version has.
 */
export function stateQuery(slotname: string, publications: readonly string[]): string {
  const names = publications.map(quoteLiteral).join(", ");
  // Names in values are qualified, as in the initial copy. @source libpqwalreceiver.c: libpqrcv_connect
  // A role that wants errors only would not get the warning of `watchPublications`.
  return `SELECT pg_catalog.set_config('search_path', '', false);
    SELECT pg_catalog.set_config('client_min_messages', 'warning', false)
      WHERE pg_catalog.current_setting('client_min_messages') IN ('error', 'fatal', 'panic');
    SELECT pg_catalog.row_to_json(a) FROM (SELECT
      (SELECT pg_catalog.row_to_json(s) FROM pg_catalog.pg_replication_slots s WHERE s.slot_name = ${quoteLiteral(slotname)}) AS slot,
      pg_catalog.current_database() AS database,
      (SELECT s.setting FROM pg_catalog.pg_settings s WHERE s.name = 'wal_sender_timeout') AS wal_sender_timeout,
      (SELECT pg_catalog.json_agg(p) FROM pg_catalog.unnest(ARRAY[${names}]::text[]) p
        WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_publication b WHERE b.pubname = p)) AS missing) a`;
}

/** What is left of several statements for the handler of a server: the first needs no catalog, and walwire/server answers it. */
export function afterFirst(statements: string): string {
  return statements.slice(statements.indexOf(";") + 1);
}

/** A slot, as far as a subscription asks for it. */
export interface StateOfSlot {
  readonly slotname: string;
  readonly temporary: boolean;
  readonly activePid: number | undefined;
  readonly restartLsn: Lsn;
  readonly confirmedFlush: Lsn;
  readonly twoPhaseAt: Lsn | undefined;
}

/** The answer to `stateQuery`, for a server that is played. */
export function stateAnswer(slot: StateOfSlot | undefined, database: string, missing: readonly string[]): string {
  return JSON.stringify({
    slot: slot === undefined ? null : slotRow(slot, database),
    database,
    wal_sender_timeout: "60000",
    missing: missing.length === 0 ? null : missing,
  });
}

/** A slot as pg_replication_slots has it. */
function slotRow(slot: StateOfSlot, database: string): Readonly<Record<string, unknown>> {
  return {
    slot_name: slot.slotname,
    plugin: "pgoutput",
    slot_type: "logical",
    database,
    temporary: slot.temporary,
    active: slot.activePid !== undefined,
    active_pid: slot.activePid ?? null,
    restart_lsn: formatLsn(slot.restartLsn),
    confirmed_flush_lsn: formatLsn(slot.confirmedFlush),
    wal_status: "reserved",
    two_phase: slot.twoPhaseAt !== undefined,
  };
}

/** Which process serves the connection, and since when. */
export const WHO =
  "SELECT a.pid, a.backend_start FROM pg_catalog.pg_stat_activity a WHERE a.pid = pg_catalog.pg_backend_pid()";

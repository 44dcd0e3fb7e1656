/** The slots of a primary, as pg_replication_slots shows them. Nothing is changed there. */
import { ParseError } from "../kernel/errors.ts";
import { type Lsn, parseLsn } from "../kernel/lsn.ts";
import { serverVersionNum } from "../kernel/version.ts";
import type { ReplicationSlotRow } from "../syncrep/standby-slots.ts";
import type { Row } from "./standbys.ts";

/** A primary whose logical failover slots wait for others. */
export interface SlotPrimary {
  readonly server: number;
  /** The value that it runs with; undefined if it has no such parameter. */
  readonly setting: string | undefined;
  readonly cascading: boolean;
  /** Up to where it has flushed WAL. */
  readonly position: Lsn | undefined;
  readonly slots: readonly ReplicationSlotRow[];
}

/**
 * @param query Runs SQL and returns the rows; each value is text, or a boolean, or null.
 * @param refuse Throws for rows that no server has, with a sentence that names the place.
 */
export async function askSlots(
  query: (sql: string) => Promise<readonly Row[]>,
  refuse: (problem: string) => never,
): Promise<SlotPrimary> {
  const [row] =
    await query(`SELECT current_setting('server_version_num') AS server, pg_is_in_recovery()::text AS cascading,
    (SELECT setting FROM pg_settings WHERE name = 'synchronized_standby_slots') AS setting`);
  const cascading = row!.cascading === "true";
  // All columns: which there are depends on the version.
  const slots = await query("SELECT * FROM pg_replication_slots");
  const [position] = cascading ? [] : await query("SELECT pg_current_wal_flush_lsn()::text AS position");
  return {
    server: serverVersionNum(Number(row!.server)),
    setting: row!.setting ?? undefined,
    cascading,
    position: position === undefined ? undefined : parseLsn(position.position!),
    slots: slotsOf(slots, refuse),
  };
}

/**
 * Read rows of pg_replication_slots, from a client or as JSON.
 *
 * @param refuse Throws for what is not one, with a sentence that names the place.
 */
export function slotsOf(value: unknown, refuse: (problem: string) => never): readonly ReplicationSlotRow[] {
  if (!Array.isArray(value)) return refuse("it must be an array of rows of pg_replication_slots");
  return value.map((row: unknown, i): ReplicationSlotRow => {
    const fail = (what: string): never => refuse(`[${i}]${what}`);
    if (typeof row !== "object" || row === null || Array.isArray(row)) return fail(" must be an object");
    const { slot_name, slot_type, active, restart_lsn, invalidation_reason, failover, synced } = row as Record<
      string,
      unknown
    >;
    if (typeof slot_name !== "string") return fail(".slot_name must be a string");
    if (slot_type !== "physical" && slot_type !== "logical") return fail(".slot_type must be physical or logical");
    if (typeof active !== "boolean") return fail(".active must be true or false");
    const restartLsn = (): Lsn | undefined => {
      if (restart_lsn == null) return undefined;
      try {
        return parseLsn(restart_lsn as string);
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        return fail(`.restart_lsn must be an LSN such as "0/16B3748", or null, not ${JSON.stringify(restart_lsn)}`);
      }
    };
    return {
      ...{ slotName: slot_name, slotType: slot_type, active, restartLsn: restartLsn() },
      ...(typeof invalidation_reason === "string" ? { invalidationReason: invalidation_reason } : {}),
      ...{ failover: failover === true, synced: synced === true },
    };
  });
}

/**
 * The state of a slot before a stream: can it go on where the consumer stopped? All decisions are here, without I/O.
 *
 * A server itself forwards a stream that begins before the slot's confirmed_flush_lsn, without an error: so this is checked first.
 *
 * @source slotfuncs.c: pg_get_replication_slots; slot.c: ReplicationSlotAcquire; logical.c: CreateDecodingContext
 */
import { SlotError } from "../../kernel/errors.ts";
import { formatLsn, type Lsn, parseLsn } from "../../kernel/lsn.ts";

/** A row of pg_replication_slots as JSON: which columns there are depends on the version. */
export interface SlotRow {
  readonly slot_type: string;
  readonly plugin: string | null;
  readonly database: string | null;
  readonly temporary: boolean;
  readonly active_pid: number | null;
  readonly confirmed_flush_lsn: string | null;
  /** From 13 on. */
  readonly wal_status?: string | null;
  /** From 14 on. */
  readonly two_phase?: boolean | null;
  /** From 16 on. */
  readonly conflicting?: boolean | null;
  /** From 17 on. */
  readonly invalidation_reason?: string | null;
}

/** What is known on this side. */
export interface Wanted {
  readonly slotname: string;
  readonly database: string;
  readonly twoPhase: boolean;
  /** Whether the slot may be created if it is missing: at the first start only. */
  readonly create: boolean;
  /** Everything up to here is stored; undefined if that is unknown. */
  readonly position: Lsn | undefined;
  /** Whether this subscription was connected before. */
  readonly again: boolean;
  /** The end of the server's WAL. */
  readonly walEnd: Lsn;
}

/**
 * What is to be done with a slot.
 *
 * @param row Its row; undefined if there is none.
 * @returns "create" or "start".
 * @throws SlotError if changes would be lost, or if the slot cannot be used.
 */
export function judgeSlot(row: SlotRow | undefined, wanted: Wanted): "create" | "start" {
  const { slotname, database, twoPhase, create, position, again, walEnd } = wanted;
  const refuse = (code: SlotError["code"], message: string): never => {
    throw new SlotError(code as ConstructorParameters<typeof SlotError>[0], slotname, message);
  };
  const slot = `the slot ${slotname}`;
  if (row === undefined) {
    if (again || position !== undefined) {
      const since = position === undefined ? "" : `: changes since ${formatLsn(position)} are lost`;
      return refuse(
        "SLOT_MISSING",
        `${slot} existed before and is missing${since}. It was dropped, or this is a promoted standby without it. To begin anew, empty the store and copy the tables again`,
      );
    }
    if (!create) return refuse("SLOT_MISSING", `${slot} does not exist: create it, or pass create: true`);
    return "create";
  }
  const plugin = row.plugin ?? "none";
  if (row.slot_type !== "logical") return refuse("SLOT_MISMATCH", `${slot} is ${row.slot_type}, expected logical`);
  if (plugin !== "pgoutput") {
    return refuse("SLOT_MISMATCH", `${slot} has the plugin ${plugin}, expected pgoutput: choose another name`);
  }
  if (row.database !== database) {
    return refuse("SLOT_MISMATCH", `${slot} is of the database ${row.database}, not of ${database}`);
  }
  const reason = row.invalidation_reason ?? (row.conflicting ? "conflict with recovery" : undefined);
  if (reason !== undefined || row.wal_status === "lost") {
    const why = reason ?? "wal_removed";
    return refuse(
      "SLOT_LOST",
      `${slot} was invalidated (${why}): changes are lost. Drop the slot, empty the store and copy the tables again`,
    );
  }
  // A server without the column has no prepared transactions in streams.
  if (row.two_phase !== undefined && row.two_phase !== null && row.two_phase !== twoPhase) {
    return refuse(
      "SLOT_MISMATCH",
      row.two_phase
        ? `${slot} was created with two_phase, so it sends prepared transactions: pass twoPhase: true`
        : `${slot} was created without two_phase: create another one with twoPhase: true, or leave twoPhase out`,
    );
  }
  if (position !== undefined) {
    const confirmed = row.confirmed_flush_lsn === null ? undefined : parseLsn(row.confirmed_flush_lsn);
    if (confirmed !== undefined && confirmed > position) {
      return refuse(
        "POSITION_LOST",
        `${slot} is at ${formatLsn(confirmed)}, but only what ended before ${formatLsn(position)} is stored: the changes between were confirmed by another client, or the store is older than the slot`,
      );
    }
    if (walEnd < position) {
      return refuse(
        "POSITION_LOST",
        `the server's WAL ends at ${formatLsn(walEnd)}, before the stored position ${formatLsn(position)}: it is another server, or one that was restored or promoted with less WAL`,
      );
    }
  }
  return "start";
}

/** What pg_replication_slots shows of a slot, by its state file. */
import { type ReplicationSlotPersistentData, slotInvalidation } from "../src/files/index.ts";
import { formatLsn } from "../src/kernel/lsn.ts";

/** What the view of a major says of such a slot while nobody uses it, in as many of its columns as depend on the file alone. */
export function viewOf(slot: ReplicationSlotPersistentData, major: number): Record<string, string | null> {
  const logical = slot.database !== 0;
  const yes = (is: boolean): string => (is ? "t" : "f");
  const position = (lsn: bigint): string | null =>
    lsn === 0n ? null : formatLsn(lsn as never, { server: String(major) });
  const xid = (each: number): string | null => (each === 0 ? null : String(each));
  const cause = slotInvalidation(slot);
  const conflict = major === 16 ? cause !== "none" : cause === "rows_removed" || cause === "wal_level_insufficient";
  return {
    slot_name: slot.name,
    plugin: logical ? slot.plugin : null,
    slot_type: logical ? "logical" : "physical",
    datoid: logical ? String(slot.database) : null,
    temporary: yes(slot.persistency === "temporary"),
    xmin: xid(slot.xmin),
    catalog_xmin: xid(slot.catalogXmin),
    restart_lsn: position(slot.restartLsn),
    confirmed_flush_lsn: position(slot.confirmedFlush),
    ...(major >= 14 && { two_phase: yes(slot.twoPhase!) }),
    ...(major >= 16 && { conflicting: logical ? yes(conflict) : null }),
    ...(major >= 17 && {
      invalidation_reason: cause === "none" ? null : String(cause),
      synced: yes(slot.synced!),
      failover: yes(slot.failover!),
    }),
    ...(major >= 18 && { two_phase_at: slot.twoPhase ? position(slot.twoPhaseAt!) : null }),
  };
}

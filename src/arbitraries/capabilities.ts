/** Differences between versions in replication slots, as the model of a server has them. */
import { CapabilityTable } from "../kernel/version.ts";

export const modelCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** slotfuncs.c: pg_replication_slot_advance, commit 9c7d06d606 */
  slotAdvance: { since: [110000] },
  /** test_decoding.c: pg_decode_startup, commit 325f2ec555 */
  includeRewrites: { since: [110000] },
  /** slotfuncs.c: pg_replication_slot_advance: "WAL LSN", commit 887248e97e */
  invalidLsnInCapitals: { since: [120000] },
  /** slotfuncs.c: copy_replication_slot, commit 9f06d79ef8 */
  slotCopy: { since: [120000] },
  /** slot.c: InvalidateObsoleteReplicationSlots, commit c655077639; system_views.sql: wal_status */
  maxSlotWalKeepSize: { since: [130000] },
  /** walsender.c: StartLogicalReplication: restart_lsn, commits c655077639 and 15f8203a59 */
  logicalStreamNeedsRestartLsn: { since: [130000], until: 160000 },
  /** slotfuncs.c: pg_create_logical_replication_slot, commit 19890a064e */
  twoPhaseSlots: { since: [140000] },
  /** pgoutput.c: parse_output_parameters: two_phase, commit a8fd13cab0 */
  twoPhaseOption: { since: [150000] },
  /** system_views.sql: conflicting, commit be87200efd */
  slotConflicts: { since: [160000] },
  /** slot.c: InvalidatePossiblyObsoleteSlot: invalidated instead of invalidated_at, commit 15f8203a59 */
  invalidationLasts: { since: [160000] },
  /** slotfuncs.c: copy_replication_slot, commit fd09c1316b */
  invalidSlotsAreNotCopied: { since: [160009, 170005, 180000] },
  /** logical.c: CreateDecodingContext: invalidated, commit be87200efd */
  invalidSlotsAreNotDecoded: { since: [160000] },
  /** logical.c: CreateDecodingContext: fast_forward of a slot of another database */
  slotAdvanceInAnyDatabase: { since: [170000] },
  /** system_views.sql: failover, invalidation_reason, commit 6ae701b437 */
  slotInvalidationReason: { since: [170000] },
  /** slotfuncs.c: pg_replication_slot_advance: ERRCODE_INVALID_PARAMETER_VALUE */
  invalidLsnHasCode: { since: [180000] },
  /** slot.c: CanInvalidateIdleSlot, commit ac0e33136a */
  idleReplicationSlotTimeout: { since: [180000] },
  /** reorderbuffer.c, pgoutput.c: a Prepare alone until 18.6, StreamAborts of what was not streamed until 18.7 */
  strayMessages: { since: [180000], until: 180006 },
  /** slot.c: ReplicationSlotAcquire: error_if_invalid, commit f41d8468dd */
  invalidSlotsAreNotAcquired: { since: [180000] },
});

/** Differences between versions in the views that the doctor reads. */
import { CapabilityTable } from "../../kernel/version.ts";

export const doctorCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** pg_publication.h */
  publications: { since: [100000] },
  /** genfile.c: convert_and_check_filename, commit 0fdc8495bf */
  absolutePaths: { since: [110000] },
  /** pg_publication.h: pubviaroot, commit 83fd4532a7 */
  publishViaRoot: { since: [130000] },
  /** system_views.sql: pg_replication_slots.wal_status; guc.c: wal_keep_size, max_slot_wal_keep_size, commits c655077639 and c3fe108c02 */
  slotWalStatus: { since: [130000] },
  /** system_views.sql: pg_stat_replication_slots, commit 9868167500 */
  slotStatistics: { since: [140000] },
  /** pg_replication_slots.two_phase, commit a8fd13cab0 */
  slotTwoPhase: { since: [140000] },
  /** pg_publication_rel.h: prqual, prattrs, commits 52e4f0cd47 and 923def9a53; pg_publication_namespace.h */
  publicationLists: { since: [150000] },
  /** pg_stat_subscription_stats, commit 8d74fc96db */
  subscriptionStatistics: { since: [150000] },
  /** pg_subscription.h: a parallel apply worker has a leader_pid, commit d540a02a72 */
  parallelApply: { since: [160000] },
  /** logical decoding on standbys: pg_replication_slots.conflicting, commit be87200efd */
  slotConflicting: { since: [160000] },
  /** pg_replication_slots: failover, synced, inactive_since, invalidation_reason; synchronized_standby_slots */
  failoverSlots: { since: [170000] },
  /** pg_publication.h: pubgencols; conflict detection that needs commit timestamps, commits 7054186c4e and 9758174e2e */
  generatedColumns: { since: [180000] },
  /** xlog.c: wal_level replica decodes where a logical slot is, commit 67c20979ce */
  replicaDecodes: { since: [190000] },
});

export type DoctorCapability = keyof typeof doctorCapabilities.rows;

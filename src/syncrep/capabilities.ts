/** What differs between versions in synchronous_standby_names and in who is synchronous. */
import { CapabilityTable } from "../kernel/version.ts";

/** The value, and the names that standbys can have. */
export const syncrepRows = {
  /** syncrep.c: SplitIdentifierString */
  standbyIdentifierList: { since: [90100], until: 90600 },
  /** syncrep_gram.y, commit 989be0810d */
  syncrepGrammar: { since: [90600] },
  /** syncrep.c: check_synchronous_standby_names, commit 93eb619cd3 */
  numSyncIsChecked: { since: [90602] },
  /** syncrep_gram.y: standby_config */
  quorumCommit: { since: [100000] },
  /** string.c: pg_clean_ascii, commit 45b1a67a0f */
  applicationNameEscapes: { since: [160000] },
} as const;

/** Which standbys are synchronous, and what commits wait for. */
export const syncStandbyRows = {
  /** syncrep.c: SyncRepGetSyncStandbys */
  multipleSyncStandbys: { since: [90600] },
  /** xact.h: SYNCHRONOUS_COMMIT_REMOTE_WRITE, commit 443b4821f1 */
  remoteWrite: { since: [90200] },
  /** xact.h: SYNCHRONOUS_COMMIT_REMOTE_APPLY */
  remoteApply: { since: [90600] },
  /** syncrep.c: SyncRepGetCandidateStandbys, commit 4c703369af */
  stoppingIsSynchronous: { since: [90421, 90516, 90612, 100007, 110002, 120000] },
  /** syncrep.c: SyncRepGetCandidateStandbys, commit f332241a60 */
  candidatesInArrayOrder: { since: [100013, 110008, 120003, 130000] },
} as const;

/** What a primary's views show of its walsenders. */
export const planCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** guc.c: AlterSystemSetConfigFile, commit 65d6e4cb5c; pg_lsn.h, commit 7d03a83f4d */
  alterSystem: { since: [90400] },
  /** pg_proc.h: pg_current_wal_insert_lsn, commits 806091c96f and d10c626de4 */
  walFunctionNames: { since: [100000] },
  /** pgstat.c: pgstat_bestart, commit fc70a4b0df */
  walSenderWaits: { since: [100000] },
  /** syncrep.c: SyncRepWaitForLSN, commit 2e57790836 */
  waitsFromTheStart: { since: [130021, 140018, 150013, 160009, 170005, 180000] },
});

/** synchronized_standby_slots. */
export const standbySlotCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** guc_tables.c: synchronized_standby_slots, commits bf279ddd1c and 2357c9223b */
  synchronizedStandbySlots: { since: [170000] },
  /** slot.c: validate_sync_standby_slots, commit e0dc4bbfb8 */
  standbySlotNamesAreChecked: { since: [170007, 180001] },
});

export const syncrepCapabilities = /* @__PURE__ */ new CapabilityTable(syncrepRows);
export const syncStandbyCapabilities = /* @__PURE__ */ new CapabilityTable(syncStandbyRows);
export type SyncrepCapabilities = ReturnType<typeof syncrepCapabilities.of>;

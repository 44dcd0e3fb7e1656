/** Differences between versions in the output of PostgreSQL's programs, and in the SQL that is sent. */
import { manifestRows } from "../files/capabilities.ts";
import { CapabilityTable } from "../kernel/version.ts";

/** pg_verifybackup. */
export const verifyBackupCapabilities = /* @__PURE__ */ new CapabilityTable({
  ...manifestRows,
  /** logging.c: pg_log_fatal is gone, commit 9a374b77fb */
  noFatalPrefix: { since: [150000] },
  /** basebackup_incremental.c and pg_combinebackup.c, commit dc21234005 */
  incrementalBackups: { since: [170000] },
  /** copy_file.c: copy_file_link, commit 99aeb84703 */
  combineBackupLink: { since: [180000] },
  /** pg_combinebackup.c: main, commit e4775e42ca */
  versionFileInFrontend: { since: [190000] },
  /** pg_verifybackup.c, commits d94cf5ca7f, 8dfd312902 and ef1811ac9a */
  verifyBackupMessagesOf18: { since: [180000] },
  /** pg_verifybackup.c: main, commit d07c2948bf */
  verifyBackupProgress: { since: [160000] },
  /** pg_verifybackup.c: verify_tar_backup, commit 8dfd312902 */
  verifyBackupTar: { since: [180000] },
  /** astreamer_tar.c: astreamer_tar_header, commits 5868372bbf, bc30c704ad and a1063eeced */
  tarHeadersChecked: { since: [180004, 190000] },
  /** pg_waldump.c: search_directory, WALDumpReadPage, commits 36e4419d1f and b0ec61c9c2 */
  waldumpMessagesOf17: { since: [170000] },
  /** pg_waldump.c: main, commit 1c162c965a */
  waldumpFindErrorSaysWhy: { since: [190000] },
  /** pg_verifybackup.c: main, commit b3cf461b3c */
  verifyBackupWalInTar: { since: [190000] },
});

/** SQL that is sent to a server. */
export const sqlCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** pg_proc.h: pg_current_wal_lsn, commits 806091c96f and d10c626de4 */
  walFunctionNames: { since: [100000] },
});

/** pg_basebackup: what it does with a server, by the server's version. */
export const baseBackupProgramCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** recovery_gen.h: MINIMUM_VERSION_FOR_RECOVERY_GUC */
  recoveryParameters: { since: [120000] },
  /** pg_basebackup.c: MINIMUM_VERSION_FOR_PG_WAL */
  walDirectoryIsPgWal: { since: [100000] },
  /** pg_basebackup.c: MINIMUM_VERSION_FOR_TEMP_SLOTS */
  temporarySlots: { since: [100000] },
  /** pg_basebackup.c: MINIMUM_VERSION_FOR_MANIFESTS */
  manifests: { since: [130000] },
  /** pg_basebackup.c: MINIMUM_VERSION_FOR_WAL_SUMMARIES */
  walSummaries: { since: [170000] },
});

/** The catalogs and streams of publications, for the initial copy. */
export const copyCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** pg_attribute.h: attgenerated, commit fc22b6623b */
  generatedColumns: { since: [120000] },
  /** pg_publication.h: pubviaroot, commit 83fd4532a7 */
  partitionRoots: { since: [130000] },
  /** pg_publication.c: pg_get_publication_tables, commits 923def9a53 and 52e4f0cd47 */
  columnListsAndRowFilters: { since: [150000] },
  /** guc_tables.c: transaction_timeout, commit 51efe38cb9 */
  transactionTimeout: { since: [170000] },
});

/** Parameters that a program asks a server for. */
export const settingCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** guc.c: data_directory_mode, commit c37b3d08ca */
  dataDirectoryMode: { since: [110000] },
});

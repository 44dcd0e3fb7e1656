/** What differs between versions in what PostgreSQL's programs say, and in the SQL that is sent. */
import { manifestRows } from "../files/capabilities.ts";
import { CapabilityTable } from "../kernel/version.ts";

/** pg_verifybackup. */
export const verifyBackupCapabilities = /* @__PURE__ */ new CapabilityTable({
  ...manifestRows,
  /** logging.c: pg_log_fatal is gone, commit 9a374b77fb */
  noFatalPrefix: { since: [150000] },
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

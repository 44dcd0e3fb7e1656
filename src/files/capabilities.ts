/** What differs between versions in the files of replication. */
import { CapabilityTable, lsnRows } from "../kernel/version.ts";
import { slotRows } from "../text/capabilities.ts";

/** Timeline histories, backup_label and tablespace_map. */
export const textFileCapabilities = /* @__PURE__ */ new CapabilityTable({
  lsnLowHalfIsEightDigits: lsnRows.lsnLowHalfIsEightDigits,
  /** xlog.c: do_pg_start_backup, commit 72d422a522 */
  tablespaceMap: { since: [90500] },
  /** xlog.c: read_backup_label, do_pg_start_backup, commit 6271fceb8a */
  backupLabelTimeline: { since: [110000] },
  /** xlog.c: read_backup_label, commit 887248e97e */
  backupLabelDetailIsSentence: { since: [120000] },
  /** xlog_internal.h: XLOGDIR, commit f82ec32ac3; timeline.c: readTimeLineHistory, commit c1a7f64b4a */
  walIsNotXlog: { since: [100000] },
  /** xlog.c: do_pg_start_backup, commit 5e7bbb5286 */
  backupFromPrimary: { since: [140000] },
  /** xlog.c: read_tablespace_map, commit 8620a7f6db */
  tablespaceMapEscapes: { since: [140000] },
  /** xlogrecovery.c: read_tablespace_map, commit 5b36e8f078 */
  tablespaceMapOids: { since: [170000] },
  /** xlogrecovery.c: read_backup_label, commit dc21234005 */
  backupLabelIncremental: { since: [170000] },
  /** xlogrecovery.c: InitWalRecovery, commit adc6032fa8 */
  checkpointDetailNamesFile: { since: [180000] },
});

/** The rows of backup manifests, for the table of pg_verifybackup too. */
export const manifestRows = {
  lsnLowHalfIsEightDigits: lsnRows.lsnLowHalfIsEightDigits,
  /** backup_manifest.c, commit 0d8c9c1210 */
  backupManifest: { since: [130000] },
  /** parse_manifest.c: json_parse_manifest, commits b44669b2ca and d6607016c7 */
  manifestSyntaxUnexplained: { since: [150000], until: 170000 },
  /** backup_manifest.c: InitializeBackupManifest, commit 2041bc4276 */
  manifestVersion2: { since: [170000] },
  /** parse_manifest.c: json_parse_manifest_incremental_chunk, commits ea7b4e9a2a and 222e11a10a */
  manifestInPieces: { since: [170000] },
  /** jsonapi.c: json_lex, commit 2478bd5db0 */
  jsonNumbersInPieces: { since: [170010, 180004, 190000] },
} as const;

export const manifestCapabilities = /* @__PURE__ */ new CapabilityTable(manifestRows);

/** The rows of checkpoints, for the tables of WAL and of pg_control. */
export const checkPointRows = {
  /** pg_control.h: CheckPoint.nextXidEpoch */
  nextXidEpoch: { since: [90100], until: 120000 },
  /** pg_control.h: CheckPoint.nextFullXid, commit 2fc7af5e96 */
  fullNextXid: { since: [120000] },
  /** pg_control.h: CheckPoint.wal_level, xl_end_of_recovery.wal_level, commit 402b586d0a, which came to 17 before its release */
  walLevelInCheckpoints: { since: [170000] },
  /** pg_control.h: CheckPoint.logicalDecodingEnabled, XLOG_LOGICAL_DECODING_STATUS_CHANGE */
  logicalDecodingStatus: { since: [190000] },
  /** multixact.h: MultiXactOffset of 32 bits */
  multixactOffset32: { since: [90300], until: 190000 },
  /** multixact.h: MultiXactOffset of 64 bits */
  multixactOffset64: { since: [190000] },
  /** pg_control.h: CheckPoint.oldestCommitTs, ControlFileData.track_commit_timestamp, commit 73c986adde */
  commitTimestamps: { since: [90500] },
} as const;

/** The files that servers keep their state in: how they are laid out, and what servers say of bad ones. */
export const stateFileCapabilities = /* @__PURE__ */ new CapabilityTable({
  replicationSlots: slotRows.replicationSlots,
  /** pg_crc.h: COMP_CRC32, commit 5028f22f6e */
  slotChecksumCrc32c: { since: [90500] },
  /** slot.h: ReplicationSlotPersistentData, commits 0188bb8253 and 15f8203a59 */
  slotInvalidatedAt: { since: [130000], until: 160000 },
  /** slot.h: ReplicationSlotPersistentData, commit 19890a064e */
  slotTwoPhase: { since: [140000] },
  /** slot.h: ReplicationSlotPersistentData, commit 15f8203a59 */
  slotInvalidationCause: { since: [160000] },
  /** slot.h: ReplicationSlotPersistentData, commits c393308b69 and ddd5f4f54a */
  slotFailover: { since: [170000] },
  /** slot.h: ReplicationSlotInvalidationCause, commit ac0e33136a */
  slotInvalidationBits: { since: [180000] },
  /** snapbuild.c: SnapBuild, commit a975ff4980 */
  snapshotWasRunning: { since: [90400], until: 140000 },
  /** snapbuild.c: SnapBuild, commits a975ff4980 and 8bdb1332eb */
  snapshotTwoPhase: { since: [140000] },
  /** snapbuild.c: SnapBuild, commit 7f13ac8123 */
  snapshotCatchange: { since: [160000] },
  /** snapbuild.c: SnapBuild, commit bb19b70081 */
  snapshotInSlotCreation: { since: [170000] },
  /** slot.c, origin.c, snapbuild.c, commit a8d585c091 */
  stateMessagesReworded: { since: [90600] },
  /** slot.c, origin.c, snapbuild.c, commit 811b6e36a9 */
  stateShortReadSaysSize: { since: [120000] },
  /** slot.c: RestoreSlotFromDisk, commit 691d79a079; the messages of 9.4 and 9.5 were not checked */
  slotNeedsWalLevel: { since: [90611, 100006, 110001, 120000] },
  /** slot.c: RestoreSlotFromDisk, commit 6286efb524 */
  tooManySlotsIsFatal: { since: [120000] },
  /** slot.c, origin.c, commit 17974ec259 */
  stateMessagesQuoteSettings: { since: [170000] },
  /** slot.c: RestoreSlotFromDisk, commit 48796a98d5 */
  logicalSlotNeedsHotStandby: { since: [160009, 170005, 180000] },
  /** slot.c: RestoreSlotFromDisk, commit 67c20979ce */
  logicalSlotNeedsReplicaOnly: { since: [190000] },
  /** origin.c, commit 04ff636cbc */
  maxActiveReplicationOrigins: { since: [180000] },
  /** snapbuild.c: SnapBuildRestore, commit 232a8e233f */
  snapshotErrorsAreCorruption: { since: [90422, 90517, 90613, 100008, 110003, 120000] },
  /** origin.c: StartupReplicationOrigin, commit bad6cef32c */
  originChecksumIsCorruption: { since: [90624, 100019, 110014, 120009, 130005, 140000] },
  ...checkPointRows,
  /** pg_control.h: ControlFileData */
  controlFile: { since: [90400] },
  /** xlog.h: WalLevel, commit b555ed8102 */
  controlFileReplicaLevel: { since: [90600] },
  controlFileArchiveLevel: { since: [90400], until: 90600 },
  /** pg_control.h: ControlFileData.enableIntTimes, commit d28aafb6dd */
  controlFileIntTimes: { since: [90400], until: 100000 },
  /** pg_control.h: ControlFileData.mock_authentication_nonce, commit 818fd4a67d */
  controlFileNonce: { since: [100000] },
  /** pg_control.h: ControlFileData.prevCheckPoint, commit 4b0d28de06 */
  controlFilePrevCheckPoint: { since: [90400], until: 110000 },
  /** pg_control.h: ControlFileData.max_wal_senders, commit ea92368cd1 */
  controlFileMaxWalSenders: { since: [120000] },
  /** pg_control.h: ControlFileData.float4ByVal, commit 2e4db241bf */
  controlFileFloat4ByVal: { since: [90400], until: 130000 },
  /** pg_control.h: ControlFileData.default_char_signedness, commit 44fe30fdab */
  controlFileCharSignedness: { since: [180000] },
  /** pg_control.h: ControlFileData.slru_pages_per_segment, commit 3e0ae46d90 */
  controlFileSlruPages: { since: [190000] },
  /** pg_control.h: ControlFileData.data_checksum_version_init, commit 514fb08f51, which came to 19 before its release */
  controlFileChecksumInit: { since: [190000] },
});
export type StateFileCapabilities = ReturnType<typeof stateFileCapabilities.of>;

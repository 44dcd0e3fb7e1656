/**
 * What each PostgreSQL version can do: the only file in which version numbers are written.
 *
 * Everything else asks for a capability by name. A version is a `server_version_num` (150018 is 15.18, 90624 is 9.6.24).
 * Two behaviours changed in minor releases, so minors count; a major alone means its newest minor known here.
 */
import { UnsupportedError } from "./errors.ts";

/**
 * A server version: a `server_version_num` (180004), or text as people and servers write it ("18", "15.18", "9.6",
 * "19beta1", "15.18 (Debian 15.18-0+deb12u1)"). A major alone, also as a small number (18), means its newest known minor.
 */
export type Server = number | string;

/** What is assumed when nobody names a server: the newest major that our tests run. */
export const defaultServer: Server = "18";

/** The oldest version that walwire knows anything about. */
const oldest = 90100;

/** After 9.6 came 10: between the two there is nothing. */
const [afterNine, ten] = [90700, 100000];

/** Newest minor known of each major (major as in `majorOf`). A major that is not here has no release that we know. */
const newestMinor: Readonly<Record<number, number>> = {
  90100: 24,
  90200: 24,
  90300: 25,
  90400: 26,
  90500: 25,
  90600: 24,
  100000: 23,
  110000: 22,
  120000: 22,
  130000: 23,
  140000: 24,
  150000: 20,
  160000: 15,
  170000: 11,
  180000: 6,
};

interface Capability {
  /**
   * The first version that has it, per major if it came by minor releases: in ascending order, one entry per major from
   * the first that has it; a major after the last entry has it, one before the first does not.
   */
  readonly since: readonly number[];
  /** The first version that has it no more. */
  readonly until?: number;
}

/** The minor releases of January 2022, which changed the replication scanner: commits 6aa5186146 and 3c06ec6d14. */
const scannerOf2022 = [100020, 110015, 120010, 130006, 140002, 150000];

/**
 * What synchronous_standby_names and positions need, apart: who uses these alone, in a browser, is to carry no other capabilities. Nothing
 * that is in the tables refers to another table or is computed, so that bundlers can tell what is not used.
 */
/** syncrep.c: SplitIdentifierString */
const standbyIdentifierList = { since: [90100], until: 90600 } as const;
/** syncrep_gram.y, commit 989be0810d */
const syncrepGrammar = { since: [90600] } as const;
/** syncrep.c: check_synchronous_standby_names, commit 93eb619cd3 */
const numSyncIsChecked = { since: [90602] } as const;
/** syncrep_gram.y: standby_config */
const quorumCommit = { since: [100000] } as const;
/** syncrep_gram.y: standby_config */
const multipleSyncStandbys = { since: [90600] } as const;
/** xact.h: SYNCHRONOUS_COMMIT_REMOTE_APPLY */
const remoteApply = { since: [90600] } as const;
/** xact.h: SYNCHRONOUS_COMMIT_REMOTE_WRITE, commit 443b4821f1 */
const remoteWrite = { since: [90200] } as const;
/** syncrep.c: SyncRepGetCandidateStandbys, commit 4c703369af */
const stoppingIsSynchronous = { since: [90421, 90516, 90612, 100007, 110002, 120000] } as const;
/** syncrep.c: SyncRepGetCandidateStandbys, commit f332241a60 */
const candidatesInArrayOrder = { since: [100013, 110008, 120003, 130000] } as const;
/** walsender.c: ProcessStandbyHSFeedbackMessage, commit 5737c12df0 */
const feedbackCatalogXmin = { since: [100000] } as const;
/** walsender.c: ProcessStandbyPSRequestMessage, commit 228c370868 */
const primaryStatus = { since: [190000] } as const;
/** xlogdefs.h: LSN_FORMAT_ARGS used with %X/%08X, commit 2633dae2e4 */
const lsnZeroPadded = { since: [190000] } as const;
/** string.c: pg_clean_ascii, commit 45b1a67a0f */
const applicationNameEscapes = { since: [160000] } as const;

/**
 * XLOG_PAGE_MAGIC of each major's releases, which minors do not change (xlog_internal.h). Those of 10 to 18 were read in the WAL of their
 * servers: what the sources had when a branch was made is not always what was released.
 */
const walPageMagics: Readonly<Record<number, number>> = {
  90600: 0xd093,
  100000: 0xd097,
  110000: 0xd098,
  120000: 0xd101,
  130000: 0xd106,
  140000: 0xd10d,
  150000: 0xd110,
  160000: 0xd113,
  170000: 0xd116,
  180000: 0xd118,
  190000: 0xd120,
};
/** backup_manifest.c, commit 0d8c9c1210 */
const backupManifest = { since: [130000] } as const;
/** logging.c: pg_log_fatal is gone, commit 9a374b77fb */
const noFatalPrefix = { since: [150000] } as const;
/** parse_manifest.c: json_parse_manifest, commits b44669b2ca and d6607016c7 */
const manifestSyntaxUnexplained = { since: [150000], until: 170000 } as const;
/** pg_verifybackup.c: progress_report, commit d07c2948bf */
const verifyBackupProgress = { since: [160000] } as const;
/** backup_manifest.c: InitializeBackupManifest, commit 2041bc4276 */
const manifestVersion2 = { since: [170000] } as const;
/** parse_manifest.c: json_parse_manifest_incremental_chunk, commits ea7b4e9a2a and 222e11a10a */
const manifestInPieces = { since: [170000] } as const;
/** pg_verifybackup.c, commits d94cf5ca7f, 8dfd312902 and ef1811ac9a */
const verifyBackupMessagesOf18 = { since: [180000] } as const;
/** pg_verifybackup.c: verify_tar_backup, commit 8dfd312902 */
const verifyBackupTar = { since: [180000] } as const;
/** jsonapi.c: json_lex, commit 2478bd5db0 */
const jsonNumbersInPieces = { since: [170010, 180004, 190000] } as const;
/** parse_manifest.c: parse_xlogrecptr; repl_scanner.l: sscanf of %X/%08X */
const lsnLowHalfIsEightDigits = { since: [190000] } as const;
/** astreamer_tar.c: astreamer_tar_header, commits 5868372bbf, bc30c704ad and a1063eeced */
const tarHeadersChecked = { since: [180004, 190000] } as const;
/** pg_control.h: PG_CONTROL_VERSION 1800, commit 44fe30fdab */
const controlFile1800 = { since: [180000] } as const;
/** pg_control.h: PG_CONTROL_VERSION 1902 */
const controlFile1902 = { since: [190000] } as const;
/** pg_waldump.c: search_directory, WALDumpReadPage, commits 36e4419d1f and b0ec61c9c2 */
const waldumpMessagesOf17 = { since: [170000] } as const;
/** pg_waldump.c: main, commit 1c162c965a */
const waldumpFindErrorSaysWhy = { since: [190000] } as const;
/** pg_verifybackup.c: main, commit b3cf461b3c */
const verifyBackupWalInTar = { since: [190000] } as const;

/** Capabilities by name, in the order in which they came, each with where PostgreSQL says so. */
export const capabilities = {
  standbyIdentifierList,
  /** repl_gram.y: create_replication_slot */
  replicationSlots: { since: [90400] },
  /** repl_gram.y: base_backup_opt */
  baseBackupKeywords: { since: [90400], until: 150000 },
  /** xlog.c: do_pg_start_backup, commit 72d422a522 */
  tablespaceMap: { since: [90500] },
  /** repl_gram.y: K_TABLESPACE_MAP */
  baseBackupTablespaceMap: { since: [90500], until: 150000 },
  /** repl_gram.y: K_RESERVE_WAL */
  reserveWal: { since: [90600] },
  syncrepGrammar,
  numSyncIsChecked,
  /** slot.c: ReplicationSlotValidateName, commit 920218cbc0 */
  slotNameHintSaysLowerCase: { since: [90405, 90500] },
  quorumCommit,
  multipleSyncStandbys,
  remoteWrite,
  remoteApply,
  /** pgoutput.c */
  pgoutput: { since: [100000] },
  /** repl_gram.y: create_slot_opt_list, opt_temporary, K_WAIT */
  createSlotOptions: { since: [100000] },
  /** repl_gram.y: show */
  showCommand: { since: [100000] },
  /** walsender.c: exec_replication_command */
  sqlCommands: { since: [100000] },
  /** repl_scanner.l: T_WORD */
  unknownCharacterIsToken: { since: [100000] },
  /** pg_proc.h: pg_current_wal_lsn, commits 806091c96f and d10c626de4 */
  walFunctionNames: { since: [100000] },
  /** walsender.c: begin_tup_output_tupdesc */
  walsenderTupleDesc: { since: [100000] },
  /** xlog_internal.h: XLOGDIR, commit f82ec32ac3; timeline.c: readTimeLineHistory, commit c1a7f64b4a */
  walIsNotXlog: { since: [100000] },
  stoppingIsSynchronous,
  /** xlog.c: read_backup_label, do_pg_start_backup, commit 6271fceb8a */
  backupLabelTimeline: { since: [110000] },
  /** pgoutput.c: pgoutput_truncate */
  publishTruncate: { since: [110000] },
  /** repl_gram.y: K_NOVERIFY_CHECKSUMS */
  baseBackupNoVerifyChecksums: { since: [110000], until: 150000 },
  candidatesInArrayOrder,
  /** repl_gram.y: K_MANIFEST */
  baseBackupManifest: { since: [130000], until: 150000 },
  /** xlog.c: read_backup_label, commit 887248e97e */
  backupLabelDetailIsSentence: { since: [130000] },
  /** walsender.c: EndReplicationCommand, commit 07082b08cc */
  ownCommandTag: { since: [130000] },
  /** walsender.c: exec_replication_command, commit 4e9821b6fa */
  startReplicationTagMissing: { since: [130000], until: 130001 },
  /** xlog.c: do_pg_start_backup, commit 5e7bbb5286 */
  backupFromPrimary: { since: [140000] },
  /** xlog.c: read_tablespace_map, commit 8620a7f6db */
  tablespaceMapEscapes: { since: [140000] },
  /** pgoutput.c: parse_output_parameters */
  logicalMessages: { since: [140000] },
  /** walsender.c: SendTimeLineHistory */
  timelineHistoryText: { since: [140000] },
  /** pgoutput.c: parse_output_parameters */
  pgoutputBinary: { since: [140000] },
  /** logicalproto.h: LOGICALREP_PROTO_STREAM_VERSION_NUM */
  streamingOfTransactions: { since: [140000] },
  /** repl_scanner.l: replication_scanner_is_replication_command */
  firstTokenRule: { since: scannerOf2022 },
  /** repl_scanner.l: space */
  carriageReturnIsSpace: { since: scannerOf2022 },
  /** repl_scanner.l: hexdigit */
  recptrIsHexadecimal: { since: scannerOf2022 },
  /** repl_scanner.l: the rule of any character */
  dotIsToken: { since: scannerOf2022 },
  /** walsender.c: exec_replication_command */
  sqlOnPhysicalIsUnsupported: { since: scannerOf2022 },
  /** repl_gram.y: generic_option_list */
  genericOptions: { since: [150000] },
  /** basebackup_copy.c: bbsink_copystream_begin_backup */
  baseBackupOneStream: { since: [150000] },
  /** basebackup.c: perform_base_backup, commit 5a1007a508 */
  baseBackupTerminatesTar: { since: [150000] },
  /** repl_gram.y: read_replication_slot */
  readReplicationSlot: { since: [150000] },
  /** basebackup_copy.c, walsender.c: SendTimeLineHistory */
  backupTupleDesc: { since: [160000] },
  /** walsender.c: IdentifySystem, commit ec40f34224 */
  identifySystemInt8: { since: [160000] },
  /** logicalproto.h: LOGICALREP_PROTO_TWOPHASE_VERSION_NUM */
  twoPhaseOption: { since: [150000] },
  /** pgoutput.c: parse_output_parameters, commit cfc7191dfe */
  protoVersionThroughStrtoul: { since: [150000] },
  /** compression.c: PG_COMPRESSION_OPTION_LONG_DISTANCE */
  compressionLong: { since: [160000] },
  /** logicalproto.h: LOGICALREP_PROTO_STREAM_PARALLEL_VERSION_NUM */
  parallelStreaming: { since: [160000] },
  /** pgoutput.c: parse_output_parameters */
  originOption: { since: [160000] },
  /** pgoutput.c: pgoutput_startup, commit 6971a839cc */
  protocolErrorNamesServer: { since: [160000] },
  applicationNameEscapes,
  /** repl_gram.y: alter_replication_slot */
  alterReplicationSlot: { since: [170000] },
  /** repl_gram.y: upload_manifest */
  uploadManifest: { since: [170000] },
  /** basebackup.c: parse_basebackup_options */
  incrementalBackup: { since: [170000] },
  /** xlogrecovery.c: read_tablespace_map, commit 5b36e8f078 */
  tablespaceMapOids: { since: [170000] },
  /** walsender.c: parseCreateReplSlotOptions */
  failoverSlots: { since: [170000] },
  /** pgoutput.c: parse_output_parameters, commits c8bc807cf8 and edee0c621d */
  pgoutputOptionsRequired: { since: [170000] },
  /** repl_scanner.l: space */
  verticalTabIsSpace: { since: [170000] },
  /** repl_scanner.l: xddouble, commit a75bd485b5 */
  doubledQuoteInIdentifier: { since: [140024, 150019, 160015, 170011, 180006] },
  /** xlogrecovery.c: InitWalRecovery, commit adc6032fa8 */
  checkpointDetailNamesFile: { since: [180000] },
  /** walsender.c: AlterReplicationSlot */
  alterTwoPhase: { since: [180000] },
  lsnZeroPadded,
  feedbackCatalogXmin,
  primaryStatus,
  lsnLowHalfIsEightDigits,
  /** pgoutput.c: parse_output_parameters, commits 290bb8afe6 and, in 15, c6cb792e8 */
  pgoutputValuesChecked: { since: [140025, 150020, 160016, 170012, 180007, 190001] },
  /** slot.c: IsSlotForConflictCheck */
  conflictDetectionSlot: { since: [190000] },
} as const satisfies Record<string, Capability>;

export type CapabilityName = keyof typeof capabilities;

/**
 * The `server_version_num` of a server.
 *
 * @throws UnsupportedError UNKNOWN_SERVER if it is no version, or one before 9.1.
 * @example serverVersionNum("15.18 (Debian 15.18-0+deb12u1)") // 150018
 */
export function serverVersionNum(server: Server = defaultServer): number {
  // Whoever parses many commands names the same server each time: a look at the text takes a tenth of a short parse.
  return numbers.get(server) ?? readServerVersion(server);
}

/** What servers were named, and are. */
const numbers = new Map<Server, number>();

function readServerVersion(server: Server): number {
  // A number such as 15.2 could mean 15.20: versions with a minor are text, or a server_version_num.
  const isMajor = typeof server === "number" && server < 100 && Number.isInteger(server);
  const num = typeof server === "string" || isMajor ? numFromText(String(server)) : server;
  if (
    typeof num !== "number" ||
    !Number.isSafeInteger(num) ||
    num < oldest ||
    (num >= afterNine && num < ten) ||
    num >= 1000000
  ) {
    const named =
      typeof server === "string" || typeof server === "number" ? JSON.stringify(server) : `a ${typeof server}`;
    throw new UnsupportedError(
      `${named} is not a server version that walwire knows: write "18", "15.18" or 150018, from 9.1 on`,
    );
  }
  // There are some hundred versions; whatever else a caller names must not pile up.
  if (numbers.size > 1000) numbers.clear();
  numbers.set(server, num);
  return num;
}

/** `server_version` as PostgreSQL prints it, "15.18" or "9.6.24". */
export function formatServerVersion(server: Server): string {
  const num = serverVersionNum(server);
  return num >= 100000
    ? `${Math.floor(num / 10000)}.${num % 10000}`
    : `${Math.floor(num / 10000)}.${Math.floor(num / 100) % 100}.${num % 100}`;
}

/** Capabilities by name, and what servers have of them. */
class CapabilityTable<Name extends string> {
  readonly #rows: Readonly<Record<Name, Capability>>;
  readonly #known = new Map<number, Readonly<Record<Name, boolean>>>();

  constructor(rows: Readonly<Record<Name, Capability>>) {
    this.#rows = rows;
  }

  supports(server: Server, name: Name): boolean {
    const num = serverVersionNum(server);
    const { since, until } = this.#rows[name];
    if (until !== undefined && num >= until) return false;
    const major = majorOf(num);
    for (const first of since) {
      if (majorOf(first) >= major) return num >= first;
    }
    return true;
  }

  of(server: Server): Readonly<Record<Name, boolean>> {
    const num = serverVersionNum(server);
    let has = this.#known.get(num);
    if (has === undefined) {
      const names = Object.keys(this.#rows) as Name[];
      has = Object.fromEntries(names.map((name) => [name, this.supports(num, name)])) as Record<Name, boolean>;
      if (this.#known.size > 1000) this.#known.clear();
      this.#known.set(num, has);
    }
    return has;
  }

  require(server: Server, name: Name, what: string): void {
    if (this.supports(server, name)) return;
    const { until } = this.#rows[name];
    const before = until === undefined ? "" : ` and before ${formatMajor(until)}`;
    const version = formatServerVersion(server);
    throw new UnsupportedError(
      `${what} is not in PostgreSQL ${version}, only since ${this.since(name)}${before}`,
      name,
    );
  }

  since(name: Name): string {
    const names = this.#rows[name].since.map((num) =>
      num === majorOf(num) ? formatMajor(num) : formatServerVersion(num),
    );
    const last = names.pop()!;
    return names.length > 0 ? `${names.join(", ")} or ${last}` : last;
  }
}

/**
 * What majors have of some capabilities together, each combination once, that of the oldest first. What came by minors comes with the
 * next major here.
 */
export function combinationsOf<Name extends string>(
  table: CapabilityTable<Name>,
  names: readonly Name[],
): Readonly<Record<Name, boolean>>[] {
  const all = new Map<string, Readonly<Record<Name, boolean>>>();
  for (const major of [...Object.keys(newestMinor).map(Number), afterAll]) {
    const has = Object.fromEntries(names.map((name) => [name, table.supports(major, name)])) as Record<Name, boolean>;
    all.set(JSON.stringify(has), has);
  }
  return [...all.values()];
}

/** A version that has all that came, and that is still there. */
const afterAll = 990000;

const table = /* @__PURE__ */ new CapabilityTable<CapabilityName>(capabilities);

/** How positions are written, for who needs nothing else of a version. */
export const lsnCapabilities = /* @__PURE__ */ new CapabilityTable({ lsnZeroPadded });

/** Those of backup manifests, and of what pg_verifybackup says, alone. */
export const manifestCapabilities = /* @__PURE__ */ new CapabilityTable({
  backupManifest,
  noFatalPrefix,
  manifestSyntaxUnexplained,
  verifyBackupProgress,
  manifestVersion2,
  manifestInPieces,
  verifyBackupMessagesOf18,
  verifyBackupTar,
  jsonNumbersInPieces,
  lsnLowHalfIsEightDigits,
  tarHeadersChecked,
  controlFile1800,
  controlFile1902,
  waldumpMessagesOf17,
  waldumpFindErrorSaysWhy,
  verifyBackupWalInTar,
});

/** Those of the messages inside CopyData alone. */
export const physicalCapabilities = /* @__PURE__ */ new CapabilityTable({ feedbackCatalogXmin, primaryStatus });

/** Those of the files that servers keep their state in: how they are laid out, and what servers say of bad ones. */
export const stateFileCapabilities = /* @__PURE__ */ new CapabilityTable({
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
  /** slot.c: RestoreSlotFromDisk, commit 691d79a079; what 9.4 and 9.5 say of it nobody has looked up */
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
});

export type StateFileCapabilities = ReturnType<typeof stateFileCapabilities.of>;
/** Those of what is in WAL records alone: which operations there are, and which fields their data has. */
export const walRecordCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** heapam_xlog.h: XLOG_HEAP_TRUNCATE */
  heapTruncate: { since: [110000] },
  /** nbtxlog.h: XLOG_BTREE_SPLIT_L_HIGHKEY, XLOG_BTREE_META_CLEANUP */
  btreeHighKey: { since: [110000] },
  /** xact.h: XACT_XINFO_HAS_GID, twophase.c: TwoPhaseFileHeader */
  prepareOrigin: { since: [110000] },
  /** pg_control.h: CheckPoint.nextXidEpoch */
  nextXidEpoch: { since: [90100], until: 120000 },
  /** pg_control.h: CheckPoint.nextFullXid, commit 2fc7af5e96 */
  fullNextXid: { since: [120000] },
  /** xlog_internal.h: xl_parameter_change.max_wal_senders, commit 6d3a9a1d1e */
  maxWalSendersChange: { since: [120000] },
  /** generic_xlog.c: log_newpage_range, commit 9155580fd5 */
  indexBuildInPages: { since: [120000] },
  /** gistxlog.h: XLOG_GIST_DELETE, XLOG_GIST_PAGE_REUSE, XLOG_GIST_PAGE_DELETE */
  gistDelete: { since: [120000] },
  /** nbtxlog.h: XLOG_BTREE_DEDUP, XLOG_BTREE_INSERT_POST */
  btreeDeduplication: { since: [130000] },
  /** gistxlog.h: XLOG_GIST_ASSIGN_LSN */
  gistAssignLsn: { since: [130000] },
  /** dbcommands_xlog.h: xl_dbase_drop_rec.ntablespaces */
  dropTablespaces: { since: [130000] },
  /** heapam_xlog.h: XLOG_HEAP2_PRUNE, XLOG_HEAP2_VACUUM */
  heapPrune: { since: [140000] },
  /** xact.h: XLOG_XACT_INVALIDATIONS */
  commandInvalidations: { since: [140000] },
  /** commit_ts.h: COMMIT_TS_SETTS is no more */
  commitTsFromCommits: { since: [140000] },
  /** dbcommands_xlog.h: XLOG_DBASE_CREATE_WAL_LOG */
  databaseWalLog: { since: [150000] },
  /** xact.h: XACT_XINFO_HAS_DROPPED_STATS */
  droppedStats: { since: [150000] },
  /** heapam_xlog.h: XLOG_HEAP2_PRUNE_ON_ACCESS */
  heapPruneReasons: { since: [170000] },
  /** pg_control.h: XLOG_CHECKPOINT_REDO */
  checkpointRedo: { since: [170000] },
  /** pg_control.h: CheckPoint.wal_level, xl_end_of_recovery.wal_level, commit 402b586d0a, which came to 17 before its release */
  walLevelInCheckpoints: { since: [170000] },
  /** slru.h: page numbers of 64 bits, commit 4ed8f0913b */
  slruPages64: { since: [170000] },
  /** xact.h: xl_xact_stats_item.objid_hi */
  statsObjectId64: { since: [180000] },
  /** rmgrlist.h: RM_XLOG2_ID */
  xlog2: { since: [190000] },
  /** pg_control.h: CheckPoint.logicalDecodingEnabled, XLOG_LOGICAL_DECODING_STATUS_CHANGE */
  logicalDecodingStatus: { since: [190000] },
  /** pg_control.h: XLOG_ASSIGN_LSN instead of XLOG_GIST_ASSIGN_LSN */
  assignLsn: { since: [190000] },
  /** heapam_xlog.h: XLOG_HEAP2_VISIBLE is no more */
  visibleWithPrune: { since: [190000] },
  /** multixact.h: MultiXactOffset of 32 bits */
  multixactOffset32: { since: [90300], until: 190000 },
  /** multixact.h: MultiXactOffset of 64 bits */
  multixactOffset64: { since: [190000] },
  /** dbasedesc.c: dbase_desc, commit 9e7a5a3c51 */
  describesTablespaceFirst: { since: [120000] },
  /** xactdesc.c: xact_desc_prepare */
  describesPrepare: { since: [130000] },
  /** logicalmsgdesc.c: logicalmsg_desc */
  describesMessage: { since: [140000] },
  /** xactdesc.c: xact_desc_abort, xact_desc_commit; relmapdesc.c: relmap_desc */
  describesOrigins: { since: [150000] },
  /** standbydesc.c: standby_desc_running_xacts */
  describesSubxacts: { since: [160000] },
});

export type WalRecordCapabilities = ReturnType<typeof walRecordCapabilities.of>;

/** Those of synchronous_standby_names alone, with the same functions as below. */
export const syncrepCapabilities = /* @__PURE__ */ new CapabilityTable({
  standbyIdentifierList,
  syncrepGrammar,
  numSyncIsChecked,
  quorumCommit,
  multipleSyncStandbys,
  remoteWrite,
  remoteApply,
  stoppingIsSynchronous,
  candidatesInArrayOrder,
  applicationNameEscapes,
});

/** Those of the frame of WAL alone: its pages, the headers of its records, and what is said when they are damaged. */
export const walCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** xlogrecord.h: BKPIMAGE_APPLY, commit a507b86900 */
  imageApply: { since: [100000] },
  /** xlogreader.c: ValidXLogPageHeader, XLogReaderValidatePageHeader, commit fc49e24fa6 */
  segmentSizeOfCluster: { since: [110000] },
  /** xlog.c: CopyXLogRecordToWAL, commit 4a33bb59df */
  switchZeroesPages: { since: [110000] },
  /** xlogreader.c: XLogReadRecord: the length of a record is believed, if it can be allocated, before the next page was seen; commit bae868caf2 */
  lengthBelieved: { since: [90600], until: 120000 },
  /** xlogrecord.h: XLR_BLOCK_ID_TOPLEVEL_XID, commit 0bead9af48 */
  toplevelXid: { since: [140000] },
  /** xlogreader.c: XLogReadRecord, commit f43e295f68 */
  contrecordErrorSaysExpected: { since: [140000] },
  /** xlog_internal.h: XLP_FIRST_IS_OVERWRITE_CONTRECORD, commit ff9f111bce */
  overwriteContrecord: { since: [90624, 100019, 110014, 120009, 130005, 140001, 150000] },
  /** xlogrecord.h: BKPIMAGE_COMPRESS_PGLZ, commits 4035cd5d4e and e9537321a7 */
  imageCompressionMethods: { since: [150000] },
  /** rmgr.h: RM_MIN_CUSTOM_ID, commit 5c279a6d35 */
  customRmgrs: { since: [150000] },
  /** xlogreader.c: DecodeXLogRecord reports ReadRecPtr, which is the record before since records are decoded ahead: commit 3f1ce97346 */
  decodedAhead: { since: [150000] },
  /** xlogreader.c, commits 71cb84ec69, 31dcfae83c and 4ac30ba4f2 */
  walErrorsSayWhere: { since: [160000] },
  /** xlog_internal.h: XLP_BKP_REMOVABLE, whose bit then means XLP_FIRST_IS_OVERWRITE_CONTRECORD: commit f68d7e7483 */
  removableFlag: { since: [90600], until: 190000 },
  /** rmgrlist.h: RM_XLOG2_ID */
  xlog2Rmgr: { since: [190000] },
  lsnZeroPadded,
});

export type WalCapabilities = ReturnType<typeof walCapabilities.of>;

/** The number that each page of this server's WAL begins with (XLOG_PAGE_MAGIC); undefined for one whose WAL is not known. */
export function walPageMagic(server?: Server): number | undefined {
  return walPageMagics[majorOf(serverVersionNum(server))];
}

/** The newest minor known of the major whose WAL has such pages; undefined if there is none. */
export function serverOfWalPageMagic(magic: number): number | undefined {
  for (const [major, each] of Object.entries(walPageMagics)) {
    if (each === magic) return Number(major) + (newestMinor[Number(major)] ?? 0);
  }
  return undefined;
}

export type SyncrepCapabilities = ReturnType<typeof syncrepCapabilities.of>;

/** Does this server have the capability? */
export function supports(server: Server, name: CapabilityName): boolean {
  return table.supports(server, name);
}

/** What one server can do, by the names of capabilities. */
export type Capabilities = Readonly<Record<CapabilityName, boolean>>;

/** All capabilities of a server, for code that asks for many of them. */
export function capabilitiesOf(server: Server): Capabilities {
  return table.of(server);
}

/**
 * Insist on a capability.
 *
 * @param what What needs it, as the subject of a sentence: "READ_REPLICATION_SLOT".
 * @throws UnsupportedError UNSUPPORTED, naming the capability, if this server lacks it.
 */
export function requireCapability(server: Server, name: CapabilityName, what: string): void {
  table.require(server, name, what);
}

/**
 * The first version that has the capability, as a person would name it: "17", or "14.24, 15.19, 16.15, 17.11 or 18.6".
 */
export function sinceVersion(name: CapabilityName): string {
  return table.since(name);
}

/** Versions that follow each other: those from `since` on, and before `until`; undefined means that there is no end. */
export interface VersionRange {
  readonly since: number;
  readonly until: number | undefined;
}

/**
 * All versions, or those with a capability, oldest first, as ranges within which nothing changes: to ask one version of each is to
 * ask them all.
 */
export function versionRanges(name?: CapabilityName): VersionRange[] {
  const starts = new Set([oldest]);
  for (const { since, until } of Object.values<Capability>(capabilities)) {
    // A major begins without what the one before it got in a minor.
    for (const first of since) starts.add(first).add(majorOf(first));
    if (until !== undefined) starts.add(until);
  }
  const sorted = [...starts].sort((a, b) => a - b);
  const ranges = sorted.map((since, i) => ({ since, until: sorted[i + 1] }));
  return name === undefined ? ranges : ranges.filter(({ since }) => supports(since, name));
}

/** Ranges in ascending order, with those that touch made one. */
export function joinRanges(ranges: readonly VersionRange[]): VersionRange[] {
  const joined: VersionRange[] = [];
  for (const range of ranges) {
    const touching = joined.at(-1)?.until === range.since ? joined.pop() : undefined;
    joined.push({ since: touching?.since ?? range.since, until: range.until });
  }
  return joined;
}

/**
 * Ranges as people name them: "15 and later", "10 to 14", "10.0 to 10.19", "14.24, 15.19, 16.15 and later", "no version".
 *
 * @param ranges As `joinRanges` gives them.
 */
export function formatVersions(ranges: readonly VersionRange[]): string {
  return ranges.map((range, i) => formatRange(range, ranges[i + 1])).join(", ") || "no version";
}

function formatRange({ since, until }: VersionRange, next: VersionRange | undefined): string {
  const wholeMajor = since === majorOf(since);
  const first = wholeMajor ? formatMajor(since) : formatServerVersion(since);
  if (until === undefined) return `${first} and later`;
  if (until !== majorOf(until)) {
    const last = formatServerVersion(until - 1);
    const from = majorOf(since) === majorOf(until) ? formatServerVersion(since) : first;
    return from === last ? last : `${from} to ${last}`;
  }
  const last = majorBefore(until);
  if (wholeMajor) return since === last ? first : `${first} to ${formatMajor(last)}`;
  if (majorOf(since) < last) return `${first} to ${formatMajor(last)}`;
  // What came by minors: "14.24, 15.19 and later" means from there on in each.
  const nextToo = next !== undefined && next.since !== majorOf(next.since);
  return nextToo ? first : `${first} and later minors`;
}

/** The major before this one. */
function majorBefore(major: number): number {
  if (major > 100000) return major - 10000;
  return major === 100000 ? 90600 : major - 100;
}

/** "18" or "9.6". */
function formatMajor(num: number): string {
  return num >= 100000 ? String(num / 10000) : `${Math.floor(num / 10000)}.${Math.floor(num / 100) % 100}`;
}

/** The version number of a major's first release: 150018 → 150000, 90624 → 90600. */
function majorOf(num: number): number {
  return num >= 100000 ? num - (num % 10000) : num - (num % 100);
}

/** catversion.h: CATALOG_VERSION_NO of each major's releases, which is in the names of tablespaces' directories. */
const catalogVersion: Readonly<Record<number, number>> = {
  90600: 201608131,
  100000: 201707211,
  110000: 201809051,
  120000: 201909212,
  130000: 202007201,
  140000: 202107181,
  150000: 202209061,
  160000: 202307071,
  170000: 202406281,
  180000: 202506291,
};

/**
 * The name of the directory that a server has in each tablespace, such as `PG_15_202209061`; undefined where it is not known.
 *
 * @source relpath.h: TABLESPACE_VERSION_DIRECTORY
 */
export function tablespaceVersionDirectory(server: Server): string | undefined {
  const major = majorOf(serverVersionNum(server));
  const version = catalogVersion[major];
  return version === undefined ? undefined : `PG_${formatMajor(major)}_${version}`;
}

function numFromText(text: string): number {
  // Servers before 10 have two-part majors. What follows a blank (Debian's package) says nothing more. Before its release a
  // major reports minor 0, whatever has been released of it since.
  const match = /^\s*(?:(9)\.(\d)|([1-9]\d))(?:\.(\d{1,2})|((?:devel|alpha|beta|rc)\d*))?(?:\s.*)?$/s.exec(text);
  if (match === null) return Number.NaN;
  const [, nine, second, ten, minor, early] = match;
  const major = nine !== undefined ? 90000 + Number(second) * 100 : Number(ten) * 10000;
  if (early !== undefined) return major;
  return major + (minor !== undefined ? Number(minor) : (newestMinor[major] ?? 0));
}

/** How WAL differs between versions: pages, records, and their contents. */
import { checkPointRows } from "../files/capabilities.ts";
import {
  CapabilityTable,
  formatMajor,
  lsnRows,
  majorOf,
  newestOf,
  type Server,
  serverVersionNum,
} from "../kernel/version.ts";

/** The frame of WAL: its pages, the headers of its records, and what is said when they are damaged. */
export const walCapabilities = /* @__PURE__ */ new CapabilityTable({
  lsnZeroPadded: lsnRows.lsnZeroPadded,
  /** xlogrecord.h: BKPIMAGE_APPLY, commit a507b86900 */
  imageApply: { since: [100000] },
  /** xlog.c: recoveryTargetTimeLineGoal, commit 0acb3bc33a */
  latestTimelineByDefault: { since: [120000] },
  /** xlog.c: StartupXLOG, commit dc788668bb: recovery that ends before its target is an error */
  targetMustBeReached: { since: [130000] },
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
  /** xlogreader.c: DecodeXLogRecord names the record it decodes, commit 5f472ab56 (3ec983535 in 15). 19rc1 does not have it. */
  decodeErrorsNameRecord: { since: [150020, 160016, 170012, 180007, 190001] },
  /** xlogreader.c, commits 71cb84ec69, 31dcfae83c and 4ac30ba4f2 */
  walErrorsSayWhere: { since: [160000] },
  /** xlog_internal.h: XLP_BKP_REMOVABLE, whose bit then means XLP_FIRST_IS_OVERWRITE_CONTRECORD: commit f68d7e7483 */
  removableFlag: { since: [90600], until: 190000 },
});
export type WalCapabilities = ReturnType<typeof walCapabilities.of>;

/** The contents of WAL records: which operations a version has, and which fields their data has. */
export const walRecordCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** heapam_xlog.h: XLOG_HEAP_TRUNCATE */
  heapTruncate: { since: [110000] },
  /** nbtxlog.h: XLOG_BTREE_SPLIT_L_HIGHKEY, XLOG_BTREE_META_CLEANUP */
  btreeHighKey: { since: [110000] },
  /** xact.h: XACT_XINFO_HAS_GID, twophase.c: TwoPhaseFileHeader */
  prepareOrigin: { since: [110000] },
  ...checkPointRows,
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
  /** slru.h: page numbers of 64 bits, commit 4ed8f0913b */
  slruPages64: { since: [170000] },
  /** xact.h: xl_xact_stats_item.objid_hi */
  statsObjectId64: { since: [180000] },
  /** pg_control.h: XLOG_ASSIGN_LSN instead of XLOG_GIST_ASSIGN_LSN */
  assignLsn: { since: [190000] },
  /** heapam_xlog.h: XLOG_HEAP2_VISIBLE is no more */
  visibleWithPrune: { since: [190000] },
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
  190000: 0xd122,
};

/** The number that each page of this server's WAL begins with (XLOG_PAGE_MAGIC); undefined for one whose WAL is not known. */
export function walPageMagic(server?: Server): number | undefined {
  return walPageMagics[majorOf(serverVersionNum(server))];
}

/** The newest minor known of the major whose WAL has such pages; undefined if there is none. */
export function serverOfWalPageMagic(magic: number): number | undefined {
  for (const [major, each] of Object.entries(walPageMagics)) {
    if (each === magic) return newestOf(Number(major));
  }
  return undefined;
}

interface KnownMagic {
  readonly magic: number;
  /** server_version_num of the major. */
  readonly server: number;
}

const knownMagics = (): KnownMagic[] =>
  Object.entries(walPageMagics).map(([major, magic]) => ({ magic, server: Number(major) }));

/** The magic numbers of the oldest and of the newest major whose WAL is known: they only ever grew. */
export function oldestWalPageMagic(): KnownMagic {
  return knownMagics()[0]!;
}

export function newestWalPageMagic(): KnownMagic {
  return knownMagics().at(-1)!;
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
  190000: 202610061,
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

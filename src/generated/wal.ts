// Generated from src/wal/structs.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { mustBeArray, mustBeContext, mustBeObject } from "../wire/check.ts";
import { NativeReader, NativeWriter, numberOf, wordOf } from "../wire/native.ts";
import { type CheckPointCopy, readCheckPointCopy, writeCheckPointCopy } from "./files.ts";

const walLevelWords = { "0": "minimal", "1": "replica", "2": "logical" } as const;

const statusWords = {
  "0": "ForKeyShare",
  "1": "ForShare",
  "2": "ForNoKeyUpdate",
  "3": "ForUpdate",
  "4": "NoKeyUpdate",
  "5": "Update",
} as const;

/** One. */
export interface MultiXactMember {
  /** The transaction. */
  readonly xid: number;
  /** How it holds the row. */
  readonly status: "ForKeyShare" | "ForShare" | "ForNoKeyUpdate" | "ForUpdate" | "NoKeyUpdate" | "Update" | number;
}

/** Where a relation's files are. */
export interface RelFileLocator {
  /** The tablespace. */
  readonly spcOid: number;
  /** The database, 0 for what all share. */
  readonly dbOid: number;
  /** The number of the file. */
  readonly relNumber: number;
}

const forkNumWords = { "0": "main", "1": "fsm", "2": "vm", "3": "init" } as const;

/** One. */
export interface StandbyLock {
  /** Who holds it. */
  readonly xid: number;
  /** The database, 0 for what all share. */
  readonly dbOid: number;
  /** The table. */
  readonly relOid: number;
}

/**
 * A base backup that began at a position is consistent from here on.
 *
 * @source xlog.c: do_pg_backup_stop
 */
export interface BackupEnd {
  /** Where it began. Bytes. */
  readonly startpoint: Lsn;
}

/**
 * A checkpoint: from where replay begins, and what the next of everything is.
 *
 * @source pg_control.h
 */
export interface CheckPoint extends CheckPointCopy {
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * The point from where the checkpoint that follows lets replay begin.
 *
 * @source xlog.c: CreateCheckPoint
 */
export interface CheckPointRedo {
  /** wal_level */
  readonly walLevel: "minimal" | "replica" | "logical" | number;
}

/**
 * full_page_writes has changed.
 *
 * @source xlog.c: UpdateFullPageWrites
 */
export interface FpwChange {
  /** The new value. */
  readonly fullPageWrites: boolean;
}

/**
 * Logical decoding has become possible, or no longer is.
 *
 * @source logicalctl.c
 */
export interface LogicalDecodingStatusChange {
  /** Is it? */
  readonly enabled: boolean;
}

/**
 * Oids up to this one may be used.
 *
 * @source xlog.c: XLogPutNextOid
 */
export interface NextOid {
  /** The first that may not. */
  readonly nextOid: number;
}

/**
 * The header of a page of WAL; on the first page of a segment XLogLongPageHeaderData.
 *
 * @source xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData
 */
export interface XLogPageHeaderData {
  /** xlp_magic: the server that wrote the page, by its major version. */
  readonly magic: number;
  /** xlp_info: flags. */
  readonly info: number;
  /** xlp_tli: the timeline of the first record that begins on the page. */
  readonly timeline: number;
  /** xlp_pageaddr: where the page is in WAL. Bytes. */
  readonly pageAddress: Lsn;
  /** xlp_rem_len: bytes that are left, at the start of the page, of a record that began on one before. */
  readonly remaining: number;
  /** xlp_sysid: the cluster's system identifier. */
  readonly systemIdentifier?: bigint | undefined;
  /** xlp_seg_size: wal_segment_size, in bytes. */
  readonly segmentSize?: number | undefined;
  /** xlp_xlog_blcksz: XLOG_BLCKSZ, in bytes. */
  readonly pageSize?: number | undefined;
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * The header of a record.
 *
 * @source xlogrecord.h
 */
export interface XLogRecord {
  /** xl_tot_len: bytes of the whole record, this header included. */
  readonly length: number;
  /** xl_xid: the transaction that wrote it; 0 for none. */
  readonly xid: number;
  /** xl_prev: where the record before it begins. Bytes. */
  readonly prev: Lsn;
  /** xl_info: the upper four bits belong to the resource manager. */
  readonly info: number;
  /** xl_rmid: the number of the resource manager. */
  readonly rmid: number;
  /** xl_crc: CRC-32C of all other bytes of the record. */
  readonly crc: number;
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * What a record says of a compressed image with a hole.
 *
 * @source xlogrecord.h
 */
export interface XLogRecordBlockCompressHeader {
  /** Bytes of the hole. */
  readonly holeLength: number;
}

/**
 * The beginning of what a record says of a page.
 *
 * @source xlogrecord.h
 */
export interface XLogRecordBlockHeader {
  /** The number by which the resource manager knows the page, 0 to 32. */
  readonly id: number;
  /** The fork in the lower four bits, then flags: 16 image, 32 data, 64 made anew, 128 the relation before. */
  readonly forkFlags: number;
  /** Bytes of the resource manager's data about the page, without the image. */
  readonly dataLength: number;
}

/**
 * What a record says of the full-page image of a page.
 *
 * @source xlogrecord.h
 */
export interface XLogRecordBlockImageHeader {
  /** Bytes of the image. */
  readonly length: number;
  /** Where the hole is in the page, in bytes; 0 without one. */
  readonly holeOffset: number;
  /** Flags: 1 for a hole; the others depend on the version. */
  readonly bimgInfo: number;
}

/**
 * The length of the main data of a record, up to 255 bytes.
 *
 * @source xlogrecord.h
 */
export interface XLogRecordDataHeaderShort {
  /** 255. */
  readonly id: number;
  /** Bytes of the main data. */
  readonly dataLength: number;
}

/**
 * A database is made as a copy of another one's files.
 *
 * @source dbcommands_xlog.h
 */
export interface XlDbaseCreateFileCopyRec {
  /** The new database. */
  readonly dbId: number;
  /** Its tablespace. */
  readonly tablespaceId: number;
  /** The database that is copied. */
  readonly srcDbId: number;
  /** Its tablespace. */
  readonly srcTablespaceId: number;
}

/**
 * A database is made page by page, through WAL.
 *
 * @source dbcommands_xlog.h
 */
export interface XlDbaseCreateWalLogRec {
  /** The new database. */
  readonly dbId: number;
  /** Its tablespace. */
  readonly tablespaceId: number;
}

/**
 * Recovery is over, and a timeline begins.
 *
 * @source xlog_internal.h
 */
export interface XlEndOfRecovery {
  /** When. Microseconds since 2000-01-01 UTC. */
  readonly endTime: PgTime;
  /** The new timeline. */
  readonly thisTimeLineID: number;
  /** The one that it forked off from. */
  readonly prevTimeLineID: number;
  /** wal_level */
  readonly walLevel?: "minimal" | "replica" | "logical" | number | undefined;
  /** Behind the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * Several transactions hold one row.
 *
 * @source multixact.h
 */
export interface XlMultixactCreate {
  /** The multixact. */
  readonly mid: number;
  /** Where its members are. */
  readonly moff?: number | undefined;
  /** Where its members are. */
  readonly moff64?: bigint | undefined;
  /** The transactions. */
  readonly members: readonly MultiXactMember[];
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * Multixacts that no row has any more are forgotten.
 *
 * @source multixact.h
 */
export interface XlMultixactTruncate {
  /** The database which has the oldest. */
  readonly oldestMultiDB: number;
  /** The first that goes. */
  readonly startTruncOff?: number | undefined;
  /** The first that stays. */
  readonly endTruncOff?: number | undefined;
  /** The first of their members. */
  readonly startTruncMemb?: number | undefined;
  /** The first member that stays. */
  readonly endTruncMemb?: number | undefined;
  /** The first that stays. */
  readonly oldestMulti?: number | undefined;
  /** The first of its members. */
  readonly oldestOffset?: bigint | undefined;
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * A record that was begun before a crash, and will not be completed.
 *
 * @source xlog_internal.h
 */
export interface XlOverwriteContrecord {
  /** Where it begins. Bytes. */
  readonly overwrittenLsn: Lsn;
  /** When that was noticed. Microseconds since 2000-01-01 UTC. */
  readonly overwriteTime: PgTime;
}

/**
 * Settings that a standby must match, when one has changed.
 *
 * @source xlog_internal.h
 */
export interface XlParameterChange {
  /** max_connections */
  readonly maxConnections: number;
  /** max_worker_processes */
  readonly maxWorkerProcesses: number;
  /** max_wal_senders */
  readonly maxWalSenders?: number | undefined;
  /** max_prepared_transactions */
  readonly maxPreparedXacts: number;
  /** max_locks_per_transaction */
  readonly maxLocksPerXact: number;
  /** wal_level */
  readonly walLevel: "minimal" | "replica" | "logical" | number;
  /** wal_log_hints */
  readonly walLogHints: boolean;
  /** track_commit_timestamp */
  readonly trackCommitTimestamp: boolean;
  /** Behind the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * The file of a catalog that has a fixed place has changed.
 *
 * @source relmapper.h
 */
export interface XlRelmapUpdate {
  /** The database, 0 for what all share. */
  readonly dbid: number;
  /** Its tablespace. */
  readonly tsid: number;
  /** The size of the map, in bytes. */
  readonly nbytes: number;
  /** The new pg_filenode.map. A view into the bytes that were decoded, not a copy. */
  readonly data: Uint8Array;
}

/**
 * A replication origin is dropped.
 *
 * @source origin.h
 */
export interface XlReploriginDrop {
  /** Which. */
  readonly nodeId: number;
}

/**
 * A replication origin is at a position.
 *
 * @source origin.h
 */
export interface XlReploriginSet {
  /** The position, there. Bytes. */
  readonly remoteLsn: Lsn;
  /** The origin. */
  readonly nodeId: number;
  /** Also if that is less than before. */
  readonly force: boolean;
  /** Behind the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * Which transactions are running.
 *
 * @source standbydefs.h
 */
export interface XlRunningXacts {
  /** How many transactions are in xids. */
  readonly xcnt: number;
  /** How many subtransactions, behind them. */
  readonly subxcnt: number;
  /** There are subtransactions that are not in xids. */
  readonly subxidOverflow: boolean;
  /** The next xid. */
  readonly nextXid: number;
  /** The oldest that is running. */
  readonly oldestRunningXid: number;
  /** The newest that is over. */
  readonly latestCompletedXid: number;
  /** Transactions, then subtransactions. */
  readonly xids: readonly number[];
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * A file of a relation is made.
 *
 * @source storage_xlog.h
 */
export interface XlSmgrCreate {
  /** Where a relation's files are. */
  readonly rlocator: RelFileLocator;
  /** Which file. */
  readonly forkNum: "main" | "fsm" | "vm" | "init" | number;
}

/**
 * A relation is cut off.
 *
 * @source storage_xlog.h
 */
export interface XlSmgrTruncate {
  /** How many pages are left. */
  readonly blkno: number;
  /** Where a relation's files are. */
  readonly rlocator: RelFileLocator;
  /** Which files: 1 the table's own, 2 its visibility map, 4 its free space map. */
  readonly flags: number;
}

/**
 * Tables with an exclusive lock, which standbys take too.
 *
 * @source standbydefs.h
 */
export interface XlStandbyLocks {
  /** The locks. */
  readonly locks: readonly StandbyLock[];
}

/**
 * A tablespace is dropped.
 *
 * @source tablespace.h
 */
export interface XlTblspcDropRec {
  /** Which. */
  readonly tsId: number;
}

/**
 * Subtransactions of a transaction: written for standbys after every 64.
 *
 * @source xact.h
 */
export interface XlXactAssignment {
  /** The transaction. */
  readonly xtop: number;
  /** Its subtransactions. */
  readonly xsub: readonly number[];
}

/**
 * The head of a prepared transaction.
 *
 * @source xact.h, twophase.c: TwoPhaseFileHeader
 */
export interface XlXactPrepare {
  /** The format of the file. */
  readonly magic: number;
  /** The size of the file, in bytes. */
  readonly totalLen: number;
  /** The transaction. */
  readonly xid: number;
  /** Its database. */
  readonly database: number;
  /** When. Microseconds since 2000-01-01 UTC. */
  readonly preparedAt: PgTime;
  /** Whose it is. */
  readonly owner: number;
  /** How many subtransactions follow. */
  readonly nsubxacts: number;
  /** How many relations that a commit drops. */
  readonly ncommitrels: number;
  /** How many relations that an abort drops. */
  readonly nabortrels: number;
  /** How many statistics that a commit drops. */
  readonly ncommitstats?: number | undefined;
  /** How many statistics that an abort drops. */
  readonly nabortstats?: number | undefined;
  /** How many invalidation messages. */
  readonly ninvalmsgs: number;
  /** Does the file of the relation cache go? */
  readonly initfileinval: boolean;
  /** The length of its name, its zero included, in bytes. */
  readonly gidlen: number;
  /** Where it is at its replication origin. Bytes. */
  readonly originLsn?: Lsn | undefined;
  /** When it was prepared there. Microseconds since 2000-01-01 UTC. */
  readonly originTimestamp?: PgTime | undefined;
  /** Between the fields. */
  readonly padding?: Uint8Array | undefined;
}

/** The fields of records that depend on the server that wrote the WAL. */
export interface WalContext {
  /** Checkpoints have the epoch of the next transaction apart (to 11). */
  readonly nextXidEpoch: boolean;
  /** Checkpoints have the next transaction with its epoch (12 and later). */
  readonly fullNextXid: boolean;
  /** Checkpoints and ends of recovery have wal_level (17 and later). */
  readonly walLevelInCheckpoints: boolean;
  /** Checkpoints have the state of logical decoding (19). */
  readonly logicalDecodingStatus: boolean;
  /** Offsets of multixact members are numbers of 32 bits (to 18). */
  readonly multixactOffset32: boolean;
  /** They have 64 bits (19). */
  readonly multixactOffset64: boolean;
  /** Checkpoints name the transactions with commit timestamps (9.5 and later). */
  readonly commitTimestamps: boolean;
  /** Changes of max_wal_senders are told (12 and later). */
  readonly maxWalSendersChange: boolean;
  /** Prepared transactions say their replication origin (11 and later). */
  readonly prepareOrigin: boolean;
  /** Prepared transactions have statistics to drop (15 and later). */
  readonly droppedStats: boolean;
}

/** The default context. */
const otherwiseWalContext: WalContext = {
  nextXidEpoch: false,
  fullNextXid: true,
  walLevelInCheckpoints: true,
  logicalDecodingStatus: false,
  multixactOffset32: true,
  multixactOffset64: false,
  commitTimestamps: true,
  maxWalSendersChange: true,
  prepareOrigin: true,
  droppedStats: true,
};

/** Which header a page of WAL has. */
export interface WalPageContext {
  /** The header is a long one: xlp_info has XLP_LONG_HEADER. */
  readonly longHeader: boolean;
}

/** The default context. */
const otherwiseWalPageContext: WalPageContext = { longHeader: false };

/**
 * Decode one BackupEnd: a base backup that began at a position is consistent from here on.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog.c: do_pg_backup_stop
 */
export function decodeBackupEnd(bytes: Uint8Array): BackupEnd {
  const r = new NativeReader(bytes);
  const struct = readBackupEnd(r);
  r.end("BackupEnd");
  return struct;
}

/**
 * Encode one BackupEnd: a base backup that began at a position is consistent from here on.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog.c: do_pg_backup_stop
 */
export function encodeBackupEnd(struct: BackupEnd): Uint8Array {
  const w = new NativeWriter();
  writeBackupEnd(w, struct);
  return w.finish();
}

/** Read one BackupEnd where the reader stands: more may follow. */
export function readBackupEnd(r: NativeReader): BackupEnd {
  r.begin();
  const startpoint = r.lsn("BackupEnd.startpoint");

  return { startpoint };
}

/** Write one BackupEnd behind what has been written. */
export function writeBackupEnd(w: NativeWriter, struct: BackupEnd): void {
  mustBeObject(struct, "BackupEnd");
  w.begin(undefined, "BackupEnd.padding");
  w.lsn(struct.startpoint, "BackupEnd.startpoint");
}

/**
 * Decode one CheckPoint: a checkpoint: from where replay begins, and what the next of everything is.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source pg_control.h
 */
export function decodeCheckPoint(bytes: Uint8Array, context: WalContext = otherwiseWalContext): CheckPoint {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readCheckPoint(r, context);
  r.end("CheckPoint");
  return struct;
}

/**
 * Encode one CheckPoint: a checkpoint: from where replay begins, and what the next of everything is.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source pg_control.h
 */
export function encodeCheckPoint(struct: CheckPoint): Uint8Array {
  const w = new NativeWriter();
  writeCheckPoint(w, struct);
  return w.finish();
}

/** Read one CheckPoint where the reader stands: more may follow. */
export function readCheckPoint(r: NativeReader, context: WalContext): CheckPoint {
  r.begin();
  const body = readCheckPointCopy(r, "CheckPoint", context);
  r.align(8, "CheckPoint.padding");
  const padding = r.padding();
  return { ...body, padding };
}

/** Write one CheckPoint behind what has been written. */
export function writeCheckPoint(w: NativeWriter, struct: CheckPoint): void {
  mustBeObject(struct, "CheckPoint");
  w.begin(struct.padding, "CheckPoint.padding");
  writeCheckPointCopy(w, struct, "CheckPoint");
  w.align(8);
  w.padding("CheckPoint.padding");
}

/**
 * Decode one CheckPointRedo: the point from where the checkpoint that follows lets replay begin.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog.c: CreateCheckPoint
 */
export function decodeCheckPointRedo(bytes: Uint8Array): CheckPointRedo {
  const r = new NativeReader(bytes);
  const struct = readCheckPointRedo(r);
  r.end("CheckPointRedo");
  return struct;
}

/**
 * Encode one CheckPointRedo: the point from where the checkpoint that follows lets replay begin.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog.c: CreateCheckPoint
 */
export function encodeCheckPointRedo(struct: CheckPointRedo): Uint8Array {
  const w = new NativeWriter();
  writeCheckPointRedo(w, struct);
  return w.finish();
}

/** Read one CheckPointRedo where the reader stands: more may follow. */
export function readCheckPointRedo(r: NativeReader): CheckPointRedo {
  r.begin();
  const walLevel = wordOf(walLevelWords, r.i32("CheckPointRedo.walLevel"));

  return { walLevel };
}

/** Write one CheckPointRedo behind what has been written. */
export function writeCheckPointRedo(w: NativeWriter, struct: CheckPointRedo): void {
  mustBeObject(struct, "CheckPointRedo");
  w.begin(undefined, "CheckPointRedo.padding");
  w.i32(numberOf(walLevelWords, struct.walLevel, "CheckPointRedo.walLevel"), "CheckPointRedo.walLevel");
}

/**
 * Decode one FpwChange: full_page_writes has changed.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog.c: UpdateFullPageWrites
 */
export function decodeFpwChange(bytes: Uint8Array): FpwChange {
  const r = new NativeReader(bytes);
  const struct = readFpwChange(r);
  r.end("FpwChange");
  return struct;
}

/**
 * Encode one FpwChange: full_page_writes has changed.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog.c: UpdateFullPageWrites
 */
export function encodeFpwChange(struct: FpwChange): Uint8Array {
  const w = new NativeWriter();
  writeFpwChange(w, struct);
  return w.finish();
}

/** Read one FpwChange where the reader stands: more may follow. */
export function readFpwChange(r: NativeReader): FpwChange {
  r.begin();
  const fullPageWrites = r.bool("FpwChange.fullPageWrites");

  return { fullPageWrites };
}

/** Write one FpwChange behind what has been written. */
export function writeFpwChange(w: NativeWriter, struct: FpwChange): void {
  mustBeObject(struct, "FpwChange");
  w.begin(undefined, "FpwChange.padding");
  w.bool(struct.fullPageWrites, "FpwChange.fullPageWrites");
}

/**
 * Decode one LogicalDecodingStatusChange: logical decoding has become possible, or no longer is.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source logicalctl.c
 */
export function decodeLogicalDecodingStatusChange(bytes: Uint8Array): LogicalDecodingStatusChange {
  const r = new NativeReader(bytes);
  const struct = readLogicalDecodingStatusChange(r);
  r.end("LogicalDecodingStatusChange");
  return struct;
}

/**
 * Encode one LogicalDecodingStatusChange: logical decoding has become possible, or no longer is.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source logicalctl.c
 */
export function encodeLogicalDecodingStatusChange(struct: LogicalDecodingStatusChange): Uint8Array {
  const w = new NativeWriter();
  writeLogicalDecodingStatusChange(w, struct);
  return w.finish();
}

/** Read one LogicalDecodingStatusChange where the reader stands: more may follow. */
export function readLogicalDecodingStatusChange(r: NativeReader): LogicalDecodingStatusChange {
  r.begin();
  const enabled = r.bool("LogicalDecodingStatusChange.enabled");

  return { enabled };
}

/** Write one LogicalDecodingStatusChange behind what has been written. */
export function writeLogicalDecodingStatusChange(w: NativeWriter, struct: LogicalDecodingStatusChange): void {
  mustBeObject(struct, "LogicalDecodingStatusChange");
  w.begin(undefined, "LogicalDecodingStatusChange.padding");
  w.bool(struct.enabled, "LogicalDecodingStatusChange.enabled");
}

/**
 * Decode one NextOid: oids up to this one may be used.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog.c: XLogPutNextOid
 */
export function decodeNextOid(bytes: Uint8Array): NextOid {
  const r = new NativeReader(bytes);
  const struct = readNextOid(r);
  r.end("NextOid");
  return struct;
}

/**
 * Encode one NextOid: oids up to this one may be used.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog.c: XLogPutNextOid
 */
export function encodeNextOid(struct: NextOid): Uint8Array {
  const w = new NativeWriter();
  writeNextOid(w, struct);
  return w.finish();
}

/** Read one NextOid where the reader stands: more may follow. */
export function readNextOid(r: NativeReader): NextOid {
  r.begin();
  const nextOid = r.u32("NextOid.nextOid");

  return { nextOid };
}

/** Write one NextOid behind what has been written. */
export function writeNextOid(w: NativeWriter, struct: NextOid): void {
  mustBeObject(struct, "NextOid");
  w.begin(undefined, "NextOid.padding");
  w.u32(struct.nextOid, "NextOid.nextOid");
}

/**
 * Decode one XLogPageHeaderData: the header of a page of WAL; on the first page of a segment XLogLongPageHeaderData.
 *
 * @param bytes The struct and nothing else.
 * @param context Which header a page of WAL has.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData
 */
export function decodeXLogPageHeaderData(
  bytes: Uint8Array,
  context: WalPageContext = otherwiseWalPageContext,
): XLogPageHeaderData {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXLogPageHeaderData(r, context);
  r.end("XLogPageHeaderData");
  return struct;
}

/**
 * Encode one XLogPageHeaderData: the header of a page of WAL; on the first page of a segment XLogLongPageHeaderData.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData
 */
export function encodeXLogPageHeaderData(struct: XLogPageHeaderData): Uint8Array {
  const w = new NativeWriter();
  writeXLogPageHeaderData(w, struct);
  return w.finish();
}

/** Read one XLogPageHeaderData where the reader stands: more may follow. */
export function readXLogPageHeaderData(r: NativeReader, context: WalPageContext): XLogPageHeaderData {
  r.begin();
  const magic = r.u16("XLogPageHeaderData.magic");
  const info = r.u16("XLogPageHeaderData.info");
  const timeline = r.u32("XLogPageHeaderData.timeline");
  const pageAddress = r.lsn("XLogPageHeaderData.pageAddress");
  const remaining = r.u32("XLogPageHeaderData.remaining");
  let systemIdentifier: bigint | undefined;
  if (context.longHeader) {
    const value = r.u64("XLogPageHeaderData.systemIdentifier");
    systemIdentifier = value;
  }
  let segmentSize: number | undefined;
  if (context.longHeader) {
    const value = r.u32("XLogPageHeaderData.segmentSize");
    segmentSize = value;
  }
  let pageSize: number | undefined;
  if (context.longHeader) {
    const value = r.u32("XLogPageHeaderData.pageSize");
    pageSize = value;
  }
  r.align(8, "XLogPageHeaderData.padding");
  const padding = r.padding();
  return { magic, info, timeline, pageAddress, remaining, systemIdentifier, segmentSize, pageSize, padding };
}

/** Write one XLogPageHeaderData behind what has been written. */
export function writeXLogPageHeaderData(w: NativeWriter, struct: XLogPageHeaderData): void {
  mustBeObject(struct, "XLogPageHeaderData");
  w.begin(struct.padding, "XLogPageHeaderData.padding");
  w.u16(struct.magic, "XLogPageHeaderData.magic");
  w.u16(struct.info, "XLogPageHeaderData.info");
  w.u32(struct.timeline, "XLogPageHeaderData.timeline");
  w.lsn(struct.pageAddress, "XLogPageHeaderData.pageAddress");
  w.u32(struct.remaining, "XLogPageHeaderData.remaining");
  if (struct.systemIdentifier !== undefined) {
    w.u64(struct.systemIdentifier, "XLogPageHeaderData.systemIdentifier");
  }
  if (struct.systemIdentifier !== undefined) {
    w.u32(struct.segmentSize!, "XLogPageHeaderData.segmentSize");
  } else w.absent(struct.segmentSize, "systemIdentifier", "XLogPageHeaderData.segmentSize");
  if (struct.systemIdentifier !== undefined) {
    w.u32(struct.pageSize!, "XLogPageHeaderData.pageSize");
  } else w.absent(struct.pageSize, "systemIdentifier", "XLogPageHeaderData.pageSize");
  w.align(8);
  w.padding("XLogPageHeaderData.padding");
}

/**
 * Decode one XLogRecord: the header of a record.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlogrecord.h
 */
export function decodeXLogRecord(bytes: Uint8Array): XLogRecord {
  const r = new NativeReader(bytes);
  const struct = readXLogRecord(r);
  r.end("XLogRecord");
  return struct;
}

/**
 * Encode one XLogRecord: the header of a record.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlogrecord.h
 */
export function encodeXLogRecord(struct: XLogRecord): Uint8Array {
  const w = new NativeWriter();
  writeXLogRecord(w, struct);
  return w.finish();
}

/** Read one XLogRecord where the reader stands: more may follow. */
export function readXLogRecord(r: NativeReader): XLogRecord {
  r.begin();
  const length = r.u32("XLogRecord.length");
  const xid = r.u32("XLogRecord.xid");
  const prev = r.lsn("XLogRecord.prev");
  const info = r.u8("XLogRecord.info");
  const rmid = r.u8("XLogRecord.rmid");
  const crc = r.u32("XLogRecord.crc");
  r.align(8, "XLogRecord.padding");
  const padding = r.padding();
  return { length, xid, prev, info, rmid, crc, padding };
}

/** Write one XLogRecord behind what has been written. */
export function writeXLogRecord(w: NativeWriter, struct: XLogRecord): void {
  mustBeObject(struct, "XLogRecord");
  w.begin(struct.padding, "XLogRecord.padding");
  w.u32(struct.length, "XLogRecord.length");
  w.u32(struct.xid, "XLogRecord.xid");
  w.lsn(struct.prev, "XLogRecord.prev");
  w.u8(struct.info, "XLogRecord.info");
  w.u8(struct.rmid, "XLogRecord.rmid");
  w.u32(struct.crc, "XLogRecord.crc");
  w.align(8);
  w.padding("XLogRecord.padding");
}

/**
 * Decode one XLogRecordBlockCompressHeader: what a record says of a compressed image with a hole.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlogrecord.h
 */
export function decodeXLogRecordBlockCompressHeader(bytes: Uint8Array): XLogRecordBlockCompressHeader {
  const r = new NativeReader(bytes);
  const struct = readXLogRecordBlockCompressHeader(r);
  r.end("XLogRecordBlockCompressHeader");
  return struct;
}

/**
 * Encode one XLogRecordBlockCompressHeader: what a record says of a compressed image with a hole.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlogrecord.h
 */
export function encodeXLogRecordBlockCompressHeader(struct: XLogRecordBlockCompressHeader): Uint8Array {
  const w = new NativeWriter();
  writeXLogRecordBlockCompressHeader(w, struct);
  return w.finish();
}

/** Read one XLogRecordBlockCompressHeader where the reader stands: more may follow. */
export function readXLogRecordBlockCompressHeader(r: NativeReader): XLogRecordBlockCompressHeader {
  r.begin();
  const holeLength = r.u16("XLogRecordBlockCompressHeader.holeLength");
  r.align(2, "XLogRecordBlockCompressHeader.padding");

  return { holeLength };
}

/** Write one XLogRecordBlockCompressHeader behind what has been written. */
export function writeXLogRecordBlockCompressHeader(w: NativeWriter, struct: XLogRecordBlockCompressHeader): void {
  mustBeObject(struct, "XLogRecordBlockCompressHeader");
  w.begin(undefined, "XLogRecordBlockCompressHeader.padding");
  w.u16(struct.holeLength, "XLogRecordBlockCompressHeader.holeLength");
  w.align(2);
}

/**
 * Decode one XLogRecordBlockHeader: the beginning of what a record says of a page.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlogrecord.h
 */
export function decodeXLogRecordBlockHeader(bytes: Uint8Array): XLogRecordBlockHeader {
  const r = new NativeReader(bytes);
  const struct = readXLogRecordBlockHeader(r);
  r.end("XLogRecordBlockHeader");
  return struct;
}

/**
 * Encode one XLogRecordBlockHeader: the beginning of what a record says of a page.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlogrecord.h
 */
export function encodeXLogRecordBlockHeader(struct: XLogRecordBlockHeader): Uint8Array {
  const w = new NativeWriter();
  writeXLogRecordBlockHeader(w, struct);
  return w.finish();
}

/** Read one XLogRecordBlockHeader where the reader stands: more may follow. */
export function readXLogRecordBlockHeader(r: NativeReader): XLogRecordBlockHeader {
  r.begin();
  const id = r.u8("XLogRecordBlockHeader.id");
  const forkFlags = r.u8("XLogRecordBlockHeader.forkFlags");
  const dataLength = r.u16("XLogRecordBlockHeader.dataLength");
  r.align(2, "XLogRecordBlockHeader.padding");

  return { id, forkFlags, dataLength };
}

/** Write one XLogRecordBlockHeader behind what has been written. */
export function writeXLogRecordBlockHeader(w: NativeWriter, struct: XLogRecordBlockHeader): void {
  mustBeObject(struct, "XLogRecordBlockHeader");
  w.begin(undefined, "XLogRecordBlockHeader.padding");
  w.u8(struct.id, "XLogRecordBlockHeader.id");
  w.u8(struct.forkFlags, "XLogRecordBlockHeader.forkFlags");
  w.u16(struct.dataLength, "XLogRecordBlockHeader.dataLength");
  w.align(2);
}

/**
 * Decode one XLogRecordBlockImageHeader: what a record says of the full-page image of a page.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlogrecord.h
 */
export function decodeXLogRecordBlockImageHeader(bytes: Uint8Array): XLogRecordBlockImageHeader {
  const r = new NativeReader(bytes);
  const struct = readXLogRecordBlockImageHeader(r);
  r.end("XLogRecordBlockImageHeader");
  return struct;
}

/**
 * Encode one XLogRecordBlockImageHeader: what a record says of the full-page image of a page.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlogrecord.h
 */
export function encodeXLogRecordBlockImageHeader(struct: XLogRecordBlockImageHeader): Uint8Array {
  const w = new NativeWriter();
  writeXLogRecordBlockImageHeader(w, struct);
  return w.finish();
}

/** Read one XLogRecordBlockImageHeader where the reader stands: more may follow. */
export function readXLogRecordBlockImageHeader(r: NativeReader): XLogRecordBlockImageHeader {
  r.begin();
  const length = r.u16("XLogRecordBlockImageHeader.length");
  const holeOffset = r.u16("XLogRecordBlockImageHeader.holeOffset");
  const bimgInfo = r.u8("XLogRecordBlockImageHeader.bimgInfo");

  return { length, holeOffset, bimgInfo };
}

/** Write one XLogRecordBlockImageHeader behind what has been written. */
export function writeXLogRecordBlockImageHeader(w: NativeWriter, struct: XLogRecordBlockImageHeader): void {
  mustBeObject(struct, "XLogRecordBlockImageHeader");
  w.begin(undefined, "XLogRecordBlockImageHeader.padding");
  w.u16(struct.length, "XLogRecordBlockImageHeader.length");
  w.u16(struct.holeOffset, "XLogRecordBlockImageHeader.holeOffset");
  w.u8(struct.bimgInfo, "XLogRecordBlockImageHeader.bimgInfo");
}

/**
 * Decode one XLogRecordDataHeaderShort: the length of the main data of a record, up to 255 bytes.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlogrecord.h
 */
export function decodeXLogRecordDataHeaderShort(bytes: Uint8Array): XLogRecordDataHeaderShort {
  const r = new NativeReader(bytes);
  const struct = readXLogRecordDataHeaderShort(r);
  r.end("XLogRecordDataHeaderShort");
  return struct;
}

/**
 * Encode one XLogRecordDataHeaderShort: the length of the main data of a record, up to 255 bytes.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlogrecord.h
 */
export function encodeXLogRecordDataHeaderShort(struct: XLogRecordDataHeaderShort): Uint8Array {
  const w = new NativeWriter();
  writeXLogRecordDataHeaderShort(w, struct);
  return w.finish();
}

/** Read one XLogRecordDataHeaderShort where the reader stands: more may follow. */
export function readXLogRecordDataHeaderShort(r: NativeReader): XLogRecordDataHeaderShort {
  r.begin();
  const id = r.u8("XLogRecordDataHeaderShort.id");
  const dataLength = r.u8("XLogRecordDataHeaderShort.dataLength");

  return { id, dataLength };
}

/** Write one XLogRecordDataHeaderShort behind what has been written. */
export function writeXLogRecordDataHeaderShort(w: NativeWriter, struct: XLogRecordDataHeaderShort): void {
  mustBeObject(struct, "XLogRecordDataHeaderShort");
  w.begin(undefined, "XLogRecordDataHeaderShort.padding");
  w.u8(struct.id, "XLogRecordDataHeaderShort.id");
  w.u8(struct.dataLength, "XLogRecordDataHeaderShort.dataLength");
}

/**
 * Decode one XlDbaseCreateFileCopyRec: a database is made as a copy of another one's files.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source dbcommands_xlog.h
 */
export function decodeXlDbaseCreateFileCopyRec(bytes: Uint8Array): XlDbaseCreateFileCopyRec {
  const r = new NativeReader(bytes);
  const struct = readXlDbaseCreateFileCopyRec(r);
  r.end("XlDbaseCreateFileCopyRec");
  return struct;
}

/**
 * Encode one XlDbaseCreateFileCopyRec: a database is made as a copy of another one's files.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source dbcommands_xlog.h
 */
export function encodeXlDbaseCreateFileCopyRec(struct: XlDbaseCreateFileCopyRec): Uint8Array {
  const w = new NativeWriter();
  writeXlDbaseCreateFileCopyRec(w, struct);
  return w.finish();
}

/** Read one XlDbaseCreateFileCopyRec where the reader stands: more may follow. */
export function readXlDbaseCreateFileCopyRec(r: NativeReader): XlDbaseCreateFileCopyRec {
  r.begin();
  const dbId = r.u32("XlDbaseCreateFileCopyRec.dbId");
  const tablespaceId = r.u32("XlDbaseCreateFileCopyRec.tablespaceId");
  const srcDbId = r.u32("XlDbaseCreateFileCopyRec.srcDbId");
  const srcTablespaceId = r.u32("XlDbaseCreateFileCopyRec.srcTablespaceId");
  r.align(4, "XlDbaseCreateFileCopyRec.padding");

  return { dbId, tablespaceId, srcDbId, srcTablespaceId };
}

/** Write one XlDbaseCreateFileCopyRec behind what has been written. */
export function writeXlDbaseCreateFileCopyRec(w: NativeWriter, struct: XlDbaseCreateFileCopyRec): void {
  mustBeObject(struct, "XlDbaseCreateFileCopyRec");
  w.begin(undefined, "XlDbaseCreateFileCopyRec.padding");
  w.u32(struct.dbId, "XlDbaseCreateFileCopyRec.dbId");
  w.u32(struct.tablespaceId, "XlDbaseCreateFileCopyRec.tablespaceId");
  w.u32(struct.srcDbId, "XlDbaseCreateFileCopyRec.srcDbId");
  w.u32(struct.srcTablespaceId, "XlDbaseCreateFileCopyRec.srcTablespaceId");
  w.align(4);
}

/**
 * Decode one XlDbaseCreateWalLogRec: a database is made page by page, through WAL.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source dbcommands_xlog.h
 */
export function decodeXlDbaseCreateWalLogRec(bytes: Uint8Array): XlDbaseCreateWalLogRec {
  const r = new NativeReader(bytes);
  const struct = readXlDbaseCreateWalLogRec(r);
  r.end("XlDbaseCreateWalLogRec");
  return struct;
}

/**
 * Encode one XlDbaseCreateWalLogRec: a database is made page by page, through WAL.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source dbcommands_xlog.h
 */
export function encodeXlDbaseCreateWalLogRec(struct: XlDbaseCreateWalLogRec): Uint8Array {
  const w = new NativeWriter();
  writeXlDbaseCreateWalLogRec(w, struct);
  return w.finish();
}

/** Read one XlDbaseCreateWalLogRec where the reader stands: more may follow. */
export function readXlDbaseCreateWalLogRec(r: NativeReader): XlDbaseCreateWalLogRec {
  r.begin();
  const dbId = r.u32("XlDbaseCreateWalLogRec.dbId");
  const tablespaceId = r.u32("XlDbaseCreateWalLogRec.tablespaceId");
  r.align(4, "XlDbaseCreateWalLogRec.padding");

  return { dbId, tablespaceId };
}

/** Write one XlDbaseCreateWalLogRec behind what has been written. */
export function writeXlDbaseCreateWalLogRec(w: NativeWriter, struct: XlDbaseCreateWalLogRec): void {
  mustBeObject(struct, "XlDbaseCreateWalLogRec");
  w.begin(undefined, "XlDbaseCreateWalLogRec.padding");
  w.u32(struct.dbId, "XlDbaseCreateWalLogRec.dbId");
  w.u32(struct.tablespaceId, "XlDbaseCreateWalLogRec.tablespaceId");
  w.align(4);
}

/**
 * Decode one XlEndOfRecovery: recovery is over, and a timeline begins.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog_internal.h
 */
export function decodeXlEndOfRecovery(bytes: Uint8Array, context: WalContext = otherwiseWalContext): XlEndOfRecovery {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXlEndOfRecovery(r, context);
  r.end("XlEndOfRecovery");
  return struct;
}

/**
 * Encode one XlEndOfRecovery: recovery is over, and a timeline begins.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog_internal.h
 */
export function encodeXlEndOfRecovery(struct: XlEndOfRecovery): Uint8Array {
  const w = new NativeWriter();
  writeXlEndOfRecovery(w, struct);
  return w.finish();
}

/** Read one XlEndOfRecovery where the reader stands: more may follow. */
export function readXlEndOfRecovery(r: NativeReader, context: WalContext): XlEndOfRecovery {
  r.begin();
  const endTime = r.time("XlEndOfRecovery.endTime");
  const thisTimeLineID = r.u32("XlEndOfRecovery.thisTimeLineID");
  const prevTimeLineID = r.u32("XlEndOfRecovery.prevTimeLineID");
  let walLevel: "minimal" | "replica" | "logical" | number | undefined;
  if (context.walLevelInCheckpoints) {
    const value = wordOf(walLevelWords, r.i32("XlEndOfRecovery.walLevel"));
    walLevel = value;
  }
  r.align(8, "XlEndOfRecovery.padding");
  const padding = r.padding();
  return { endTime, thisTimeLineID, prevTimeLineID, walLevel, padding };
}

/** Write one XlEndOfRecovery behind what has been written. */
export function writeXlEndOfRecovery(w: NativeWriter, struct: XlEndOfRecovery): void {
  mustBeObject(struct, "XlEndOfRecovery");
  w.begin(struct.padding, "XlEndOfRecovery.padding");
  w.time(struct.endTime, "XlEndOfRecovery.endTime");
  w.u32(struct.thisTimeLineID, "XlEndOfRecovery.thisTimeLineID");
  w.u32(struct.prevTimeLineID, "XlEndOfRecovery.prevTimeLineID");
  if (struct.walLevel !== undefined) {
    w.i32(numberOf(walLevelWords, struct.walLevel, "XlEndOfRecovery.walLevel"), "XlEndOfRecovery.walLevel");
  }
  w.align(8);
  w.padding("XlEndOfRecovery.padding");
}

/**
 * Decode one XlMultixactCreate: several transactions hold one row.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source multixact.h
 */
export function decodeXlMultixactCreate(
  bytes: Uint8Array,
  context: WalContext = otherwiseWalContext,
): XlMultixactCreate {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXlMultixactCreate(r, context);
  r.end("XlMultixactCreate");
  return struct;
}

/**
 * Encode one XlMultixactCreate: several transactions hold one row.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source multixact.h
 */
export function encodeXlMultixactCreate(struct: XlMultixactCreate): Uint8Array {
  const w = new NativeWriter();
  writeXlMultixactCreate(w, struct);
  return w.finish();
}

/** Read one XlMultixactCreate where the reader stands: more may follow. */
export function readXlMultixactCreate(r: NativeReader, context: WalContext): XlMultixactCreate {
  r.begin();
  const mid = r.u32("XlMultixactCreate.mid");
  let moff: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32("XlMultixactCreate.moff");
    moff = value;
  }
  let moff64: bigint | undefined;
  if (context.multixactOffset64) {
    const value = r.u64("XlMultixactCreate.moff64");
    moff64 = value;
  }
  const nmembers = r.u32("XlMultixactCreate.nmembers");
  const members = readMultiXactMembers(r, "XlMultixactCreate.members", nmembers);

  const padding = r.padding();
  return { mid, moff, moff64, members, padding };
}

/** Write one XlMultixactCreate behind what has been written. */
export function writeXlMultixactCreate(w: NativeWriter, struct: XlMultixactCreate): void {
  mustBeObject(struct, "XlMultixactCreate");
  w.begin(struct.padding, "XlMultixactCreate.padding");
  w.u32(struct.mid, "XlMultixactCreate.mid");
  if (struct.moff !== undefined) {
    w.u32(struct.moff, "XlMultixactCreate.moff");
  }
  if (struct.moff64 !== undefined) {
    w.u64(struct.moff64, "XlMultixactCreate.moff64");
  }
  mustBeArray(struct.members, "XlMultixactCreate.members");
  w.u32(struct.members.length, "XlMultixactCreate.nmembers");
  writeMultiXactMembers(w, struct.members, "XlMultixactCreate.members");

  w.padding("XlMultixactCreate.padding");
}

/**
 * Decode one XlMultixactTruncate: multixacts that no row has any more are forgotten.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source multixact.h
 */
export function decodeXlMultixactTruncate(
  bytes: Uint8Array,
  context: WalContext = otherwiseWalContext,
): XlMultixactTruncate {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXlMultixactTruncate(r, context);
  r.end("XlMultixactTruncate");
  return struct;
}

/**
 * Encode one XlMultixactTruncate: multixacts that no row has any more are forgotten.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source multixact.h
 */
export function encodeXlMultixactTruncate(struct: XlMultixactTruncate): Uint8Array {
  const w = new NativeWriter();
  writeXlMultixactTruncate(w, struct);
  return w.finish();
}

/** Read one XlMultixactTruncate where the reader stands: more may follow. */
export function readXlMultixactTruncate(r: NativeReader, context: WalContext): XlMultixactTruncate {
  r.begin();
  const oldestMultiDB = r.u32("XlMultixactTruncate.oldestMultiDB");
  let startTruncOff: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32("XlMultixactTruncate.startTruncOff");
    startTruncOff = value;
  }
  let endTruncOff: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32("XlMultixactTruncate.endTruncOff");
    endTruncOff = value;
  }
  let startTruncMemb: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32("XlMultixactTruncate.startTruncMemb");
    startTruncMemb = value;
  }
  let endTruncMemb: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32("XlMultixactTruncate.endTruncMemb");
    endTruncMemb = value;
  }
  let oldestMulti: number | undefined;
  if (context.multixactOffset64) {
    const value = r.u32("XlMultixactTruncate.oldestMulti");
    oldestMulti = value;
  }
  let oldestOffset: bigint | undefined;
  if (context.multixactOffset64) {
    const value = r.u64("XlMultixactTruncate.oldestOffset");
    oldestOffset = value;
  }

  const padding = r.padding();
  return {
    oldestMultiDB,
    startTruncOff,
    endTruncOff,
    startTruncMemb,
    endTruncMemb,
    oldestMulti,
    oldestOffset,
    padding,
  };
}

/** Write one XlMultixactTruncate behind what has been written. */
export function writeXlMultixactTruncate(w: NativeWriter, struct: XlMultixactTruncate): void {
  mustBeObject(struct, "XlMultixactTruncate");
  w.begin(struct.padding, "XlMultixactTruncate.padding");
  w.u32(struct.oldestMultiDB, "XlMultixactTruncate.oldestMultiDB");
  if (struct.startTruncOff !== undefined) {
    w.u32(struct.startTruncOff, "XlMultixactTruncate.startTruncOff");
  }
  if (struct.startTruncOff !== undefined) {
    w.u32(struct.endTruncOff!, "XlMultixactTruncate.endTruncOff");
  } else w.absent(struct.endTruncOff, "startTruncOff", "XlMultixactTruncate.endTruncOff");
  if (struct.startTruncOff !== undefined) {
    w.u32(struct.startTruncMemb!, "XlMultixactTruncate.startTruncMemb");
  } else w.absent(struct.startTruncMemb, "startTruncOff", "XlMultixactTruncate.startTruncMemb");
  if (struct.startTruncOff !== undefined) {
    w.u32(struct.endTruncMemb!, "XlMultixactTruncate.endTruncMemb");
  } else w.absent(struct.endTruncMemb, "startTruncOff", "XlMultixactTruncate.endTruncMemb");
  if (struct.oldestMulti !== undefined) {
    w.u32(struct.oldestMulti, "XlMultixactTruncate.oldestMulti");
  }
  if (struct.oldestMulti !== undefined) {
    w.u64(struct.oldestOffset!, "XlMultixactTruncate.oldestOffset");
  } else w.absent(struct.oldestOffset, "oldestMulti", "XlMultixactTruncate.oldestOffset");

  w.padding("XlMultixactTruncate.padding");
}

/**
 * Decode one XlOverwriteContrecord: a record that was begun before a crash, and will not be completed.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog_internal.h
 */
export function decodeXlOverwriteContrecord(bytes: Uint8Array): XlOverwriteContrecord {
  const r = new NativeReader(bytes);
  const struct = readXlOverwriteContrecord(r);
  r.end("XlOverwriteContrecord");
  return struct;
}

/**
 * Encode one XlOverwriteContrecord: a record that was begun before a crash, and will not be completed.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog_internal.h
 */
export function encodeXlOverwriteContrecord(struct: XlOverwriteContrecord): Uint8Array {
  const w = new NativeWriter();
  writeXlOverwriteContrecord(w, struct);
  return w.finish();
}

/** Read one XlOverwriteContrecord where the reader stands: more may follow. */
export function readXlOverwriteContrecord(r: NativeReader): XlOverwriteContrecord {
  r.begin();
  const overwrittenLsn = r.lsn("XlOverwriteContrecord.overwrittenLsn");
  const overwriteTime = r.time("XlOverwriteContrecord.overwriteTime");
  r.align(8, "XlOverwriteContrecord.padding");

  return { overwrittenLsn, overwriteTime };
}

/** Write one XlOverwriteContrecord behind what has been written. */
export function writeXlOverwriteContrecord(w: NativeWriter, struct: XlOverwriteContrecord): void {
  mustBeObject(struct, "XlOverwriteContrecord");
  w.begin(undefined, "XlOverwriteContrecord.padding");
  w.lsn(struct.overwrittenLsn, "XlOverwriteContrecord.overwrittenLsn");
  w.time(struct.overwriteTime, "XlOverwriteContrecord.overwriteTime");
  w.align(8);
}

/**
 * Decode one XlParameterChange: settings that a standby must match, when one has changed.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xlog_internal.h
 */
export function decodeXlParameterChange(
  bytes: Uint8Array,
  context: WalContext = otherwiseWalContext,
): XlParameterChange {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXlParameterChange(r, context);
  r.end("XlParameterChange");
  return struct;
}

/**
 * Encode one XlParameterChange: settings that a standby must match, when one has changed.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xlog_internal.h
 */
export function encodeXlParameterChange(struct: XlParameterChange): Uint8Array {
  const w = new NativeWriter();
  writeXlParameterChange(w, struct);
  return w.finish();
}

/** Read one XlParameterChange where the reader stands: more may follow. */
export function readXlParameterChange(r: NativeReader, context: WalContext): XlParameterChange {
  r.begin();
  const maxConnections = r.i32("XlParameterChange.maxConnections");
  const maxWorkerProcesses = r.i32("XlParameterChange.maxWorkerProcesses");
  let maxWalSenders: number | undefined;
  if (context.maxWalSendersChange) {
    const value = r.i32("XlParameterChange.maxWalSenders");
    maxWalSenders = value;
  }
  const maxPreparedXacts = r.i32("XlParameterChange.maxPreparedXacts");
  const maxLocksPerXact = r.i32("XlParameterChange.maxLocksPerXact");
  const walLevel = wordOf(walLevelWords, r.i32("XlParameterChange.walLevel"));
  const walLogHints = r.bool("XlParameterChange.walLogHints");
  const trackCommitTimestamp = r.bool("XlParameterChange.trackCommitTimestamp");
  r.align(4, "XlParameterChange.padding");
  const padding = r.padding();
  return {
    maxConnections,
    maxWorkerProcesses,
    maxWalSenders,
    maxPreparedXacts,
    maxLocksPerXact,
    walLevel,
    walLogHints,
    trackCommitTimestamp,
    padding,
  };
}

/** Write one XlParameterChange behind what has been written. */
export function writeXlParameterChange(w: NativeWriter, struct: XlParameterChange): void {
  mustBeObject(struct, "XlParameterChange");
  w.begin(struct.padding, "XlParameterChange.padding");
  w.i32(struct.maxConnections, "XlParameterChange.maxConnections");
  w.i32(struct.maxWorkerProcesses, "XlParameterChange.maxWorkerProcesses");
  if (struct.maxWalSenders !== undefined) {
    w.i32(struct.maxWalSenders, "XlParameterChange.maxWalSenders");
  }
  w.i32(struct.maxPreparedXacts, "XlParameterChange.maxPreparedXacts");
  w.i32(struct.maxLocksPerXact, "XlParameterChange.maxLocksPerXact");
  w.i32(numberOf(walLevelWords, struct.walLevel, "XlParameterChange.walLevel"), "XlParameterChange.walLevel");
  w.bool(struct.walLogHints, "XlParameterChange.walLogHints");
  w.bool(struct.trackCommitTimestamp, "XlParameterChange.trackCommitTimestamp");
  w.align(4);
  w.padding("XlParameterChange.padding");
}

/**
 * Decode one XlRelmapUpdate: the file of a catalog that has a fixed place has changed.
 *
 * @param bytes The struct and nothing else. Byte arrays in the result are views into it, not copies.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source relmapper.h
 */
export function decodeXlRelmapUpdate(bytes: Uint8Array): XlRelmapUpdate {
  const r = new NativeReader(bytes);
  const struct = readXlRelmapUpdate(r);
  r.end("XlRelmapUpdate");
  return struct;
}

/**
 * Encode one XlRelmapUpdate: the file of a catalog that has a fixed place has changed.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source relmapper.h
 */
export function encodeXlRelmapUpdate(struct: XlRelmapUpdate): Uint8Array {
  const w = new NativeWriter();
  writeXlRelmapUpdate(w, struct);
  return w.finish();
}

/** Read one XlRelmapUpdate where the reader stands: more may follow. */
export function readXlRelmapUpdate(r: NativeReader): XlRelmapUpdate {
  r.begin();
  const dbid = r.u32("XlRelmapUpdate.dbid");
  const tsid = r.u32("XlRelmapUpdate.tsid");
  const nbytes = r.i32("XlRelmapUpdate.nbytes");
  const data = r.rest();

  return { dbid, tsid, nbytes, data };
}

/** Write one XlRelmapUpdate behind what has been written. */
export function writeXlRelmapUpdate(w: NativeWriter, struct: XlRelmapUpdate): void {
  mustBeObject(struct, "XlRelmapUpdate");
  w.begin(undefined, "XlRelmapUpdate.padding");
  w.u32(struct.dbid, "XlRelmapUpdate.dbid");
  w.u32(struct.tsid, "XlRelmapUpdate.tsid");
  w.i32(struct.nbytes, "XlRelmapUpdate.nbytes");
  w.rest(struct.data, "XlRelmapUpdate.data");
}

/**
 * Decode one XlReploriginDrop: a replication origin is dropped.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source origin.h
 */
export function decodeXlReploriginDrop(bytes: Uint8Array): XlReploriginDrop {
  const r = new NativeReader(bytes);
  const struct = readXlReploriginDrop(r);
  r.end("XlReploriginDrop");
  return struct;
}

/**
 * Encode one XlReploriginDrop: a replication origin is dropped.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source origin.h
 */
export function encodeXlReploriginDrop(struct: XlReploriginDrop): Uint8Array {
  const w = new NativeWriter();
  writeXlReploriginDrop(w, struct);
  return w.finish();
}

/** Read one XlReploriginDrop where the reader stands: more may follow. */
export function readXlReploriginDrop(r: NativeReader): XlReploriginDrop {
  r.begin();
  const nodeId = r.u16("XlReploriginDrop.nodeId");
  r.align(2, "XlReploriginDrop.padding");

  return { nodeId };
}

/** Write one XlReploriginDrop behind what has been written. */
export function writeXlReploriginDrop(w: NativeWriter, struct: XlReploriginDrop): void {
  mustBeObject(struct, "XlReploriginDrop");
  w.begin(undefined, "XlReploriginDrop.padding");
  w.u16(struct.nodeId, "XlReploriginDrop.nodeId");
  w.align(2);
}

/**
 * Decode one XlReploriginSet: a replication origin is at a position.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source origin.h
 */
export function decodeXlReploriginSet(bytes: Uint8Array): XlReploriginSet {
  const r = new NativeReader(bytes);
  const struct = readXlReploriginSet(r);
  r.end("XlReploriginSet");
  return struct;
}

/**
 * Encode one XlReploriginSet: a replication origin is at a position.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source origin.h
 */
export function encodeXlReploriginSet(struct: XlReploriginSet): Uint8Array {
  const w = new NativeWriter();
  writeXlReploriginSet(w, struct);
  return w.finish();
}

/** Read one XlReploriginSet where the reader stands: more may follow. */
export function readXlReploriginSet(r: NativeReader): XlReploriginSet {
  r.begin();
  const remoteLsn = r.lsn("XlReploriginSet.remoteLsn");
  const nodeId = r.u16("XlReploriginSet.nodeId");
  const force = r.bool("XlReploriginSet.force");
  r.align(8, "XlReploriginSet.padding");
  const padding = r.padding();
  return { remoteLsn, nodeId, force, padding };
}

/** Write one XlReploriginSet behind what has been written. */
export function writeXlReploriginSet(w: NativeWriter, struct: XlReploriginSet): void {
  mustBeObject(struct, "XlReploriginSet");
  w.begin(struct.padding, "XlReploriginSet.padding");
  w.lsn(struct.remoteLsn, "XlReploriginSet.remoteLsn");
  w.u16(struct.nodeId, "XlReploriginSet.nodeId");
  w.bool(struct.force, "XlReploriginSet.force");
  w.align(8);
  w.padding("XlReploriginSet.padding");
}

/**
 * Decode one XlRunningXacts: which transactions are running.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source standbydefs.h
 */
export function decodeXlRunningXacts(bytes: Uint8Array): XlRunningXacts {
  const r = new NativeReader(bytes);
  const struct = readXlRunningXacts(r);
  r.end("XlRunningXacts");
  return struct;
}

/**
 * Encode one XlRunningXacts: which transactions are running.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source standbydefs.h
 */
export function encodeXlRunningXacts(struct: XlRunningXacts): Uint8Array {
  const w = new NativeWriter();
  writeXlRunningXacts(w, struct);
  return w.finish();
}

/** Read one XlRunningXacts where the reader stands: more may follow. */
export function readXlRunningXacts(r: NativeReader): XlRunningXacts {
  r.begin();
  const xcnt = r.i32("XlRunningXacts.xcnt");
  const subxcnt = r.i32("XlRunningXacts.subxcnt");
  const subxidOverflow = r.bool("XlRunningXacts.subxidOverflow");
  const nextXid = r.u32("XlRunningXacts.nextXid");
  const oldestRunningXid = r.u32("XlRunningXacts.oldestRunningXid");
  const latestCompletedXid = r.u32("XlRunningXacts.latestCompletedXid");
  const xids: number[] = [];
  for (let i = 0; r.offset < r.length; i++) {
    const element = r.u32("XlRunningXacts.xids", i);
    xids.push(element);
  }

  const padding = r.padding();
  return { xcnt, subxcnt, subxidOverflow, nextXid, oldestRunningXid, latestCompletedXid, xids, padding };
}

/** Write one XlRunningXacts behind what has been written. */
export function writeXlRunningXacts(w: NativeWriter, struct: XlRunningXacts): void {
  mustBeObject(struct, "XlRunningXacts");
  w.begin(struct.padding, "XlRunningXacts.padding");
  w.i32(struct.xcnt, "XlRunningXacts.xcnt");
  w.i32(struct.subxcnt, "XlRunningXacts.subxcnt");
  w.bool(struct.subxidOverflow, "XlRunningXacts.subxidOverflow");
  w.u32(struct.nextXid, "XlRunningXacts.nextXid");
  w.u32(struct.oldestRunningXid, "XlRunningXacts.oldestRunningXid");
  w.u32(struct.latestCompletedXid, "XlRunningXacts.latestCompletedXid");
  mustBeArray(struct.xids, "XlRunningXacts.xids");
  for (let i = 0; i < struct.xids.length; i++) {
    w.u32(struct.xids[i]!, "XlRunningXacts.xids", i);
  }

  w.padding("XlRunningXacts.padding");
}

/**
 * Decode one XlSmgrCreate: a file of a relation is made.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source storage_xlog.h
 */
export function decodeXlSmgrCreate(bytes: Uint8Array): XlSmgrCreate {
  const r = new NativeReader(bytes);
  const struct = readXlSmgrCreate(r);
  r.end("XlSmgrCreate");
  return struct;
}

/**
 * Encode one XlSmgrCreate: a file of a relation is made.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source storage_xlog.h
 */
export function encodeXlSmgrCreate(struct: XlSmgrCreate): Uint8Array {
  const w = new NativeWriter();
  writeXlSmgrCreate(w, struct);
  return w.finish();
}

/** Read one XlSmgrCreate where the reader stands: more may follow. */
export function readXlSmgrCreate(r: NativeReader): XlSmgrCreate {
  r.begin();
  let rlocator: RelFileLocator;
  {
    r.align(4, "XlSmgrCreate.rlocator");
    const spcOid = r.u32("XlSmgrCreate.rlocator.spcOid");
    const dbOid = r.u32("XlSmgrCreate.rlocator.dbOid");
    const relNumber = r.u32("XlSmgrCreate.rlocator.relNumber");
    r.align(4, "XlSmgrCreate.rlocator");
    rlocator = { spcOid, dbOid, relNumber };
  }
  const forkNum = wordOf(forkNumWords, r.i32("XlSmgrCreate.forkNum"));
  r.align(4, "XlSmgrCreate.padding");

  return { rlocator, forkNum };
}

/** Write one XlSmgrCreate behind what has been written. */
export function writeXlSmgrCreate(w: NativeWriter, struct: XlSmgrCreate): void {
  mustBeObject(struct, "XlSmgrCreate");
  w.begin(undefined, "XlSmgrCreate.padding");
  w.align(4);
  mustBeObject(struct.rlocator, "XlSmgrCreate.rlocator");
  w.u32(struct.rlocator.spcOid, "XlSmgrCreate.rlocator.spcOid");
  w.u32(struct.rlocator.dbOid, "XlSmgrCreate.rlocator.dbOid");
  w.u32(struct.rlocator.relNumber, "XlSmgrCreate.rlocator.relNumber");
  w.align(4);

  w.i32(numberOf(forkNumWords, struct.forkNum, "XlSmgrCreate.forkNum"), "XlSmgrCreate.forkNum");
  w.align(4);
}

/**
 * Decode one XlSmgrTruncate: a relation is cut off.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source storage_xlog.h
 */
export function decodeXlSmgrTruncate(bytes: Uint8Array): XlSmgrTruncate {
  const r = new NativeReader(bytes);
  const struct = readXlSmgrTruncate(r);
  r.end("XlSmgrTruncate");
  return struct;
}

/**
 * Encode one XlSmgrTruncate: a relation is cut off.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source storage_xlog.h
 */
export function encodeXlSmgrTruncate(struct: XlSmgrTruncate): Uint8Array {
  const w = new NativeWriter();
  writeXlSmgrTruncate(w, struct);
  return w.finish();
}

/** Read one XlSmgrTruncate where the reader stands: more may follow. */
export function readXlSmgrTruncate(r: NativeReader): XlSmgrTruncate {
  r.begin();
  const blkno = r.u32("XlSmgrTruncate.blkno");
  let rlocator: RelFileLocator;
  {
    r.align(4, "XlSmgrTruncate.rlocator");
    const spcOid = r.u32("XlSmgrTruncate.rlocator.spcOid");
    const dbOid = r.u32("XlSmgrTruncate.rlocator.dbOid");
    const relNumber = r.u32("XlSmgrTruncate.rlocator.relNumber");
    r.align(4, "XlSmgrTruncate.rlocator");
    rlocator = { spcOid, dbOid, relNumber };
  }
  const flags = r.i32("XlSmgrTruncate.flags");
  r.align(4, "XlSmgrTruncate.padding");

  return { blkno, rlocator, flags };
}

/** Write one XlSmgrTruncate behind what has been written. */
export function writeXlSmgrTruncate(w: NativeWriter, struct: XlSmgrTruncate): void {
  mustBeObject(struct, "XlSmgrTruncate");
  w.begin(undefined, "XlSmgrTruncate.padding");
  w.u32(struct.blkno, "XlSmgrTruncate.blkno");
  w.align(4);
  mustBeObject(struct.rlocator, "XlSmgrTruncate.rlocator");
  w.u32(struct.rlocator.spcOid, "XlSmgrTruncate.rlocator.spcOid");
  w.u32(struct.rlocator.dbOid, "XlSmgrTruncate.rlocator.dbOid");
  w.u32(struct.rlocator.relNumber, "XlSmgrTruncate.rlocator.relNumber");
  w.align(4);

  w.i32(struct.flags, "XlSmgrTruncate.flags");
  w.align(4);
}

/**
 * Decode one XlStandbyLocks: tables with an exclusive lock, which standbys take too.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source standbydefs.h
 */
export function decodeXlStandbyLocks(bytes: Uint8Array): XlStandbyLocks {
  const r = new NativeReader(bytes);
  const struct = readXlStandbyLocks(r);
  r.end("XlStandbyLocks");
  return struct;
}

/**
 * Encode one XlStandbyLocks: tables with an exclusive lock, which standbys take too.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source standbydefs.h
 */
export function encodeXlStandbyLocks(struct: XlStandbyLocks): Uint8Array {
  const w = new NativeWriter();
  writeXlStandbyLocks(w, struct);
  return w.finish();
}

/** Read one XlStandbyLocks where the reader stands: more may follow. */
export function readXlStandbyLocks(r: NativeReader): XlStandbyLocks {
  r.begin();
  const nlocks = r.u32("XlStandbyLocks.nlocks");
  const locks = readStandbyLocks(r, "XlStandbyLocks.locks", nlocks);

  return { locks };
}

/** Write one XlStandbyLocks behind what has been written. */
export function writeXlStandbyLocks(w: NativeWriter, struct: XlStandbyLocks): void {
  mustBeObject(struct, "XlStandbyLocks");
  w.begin(undefined, "XlStandbyLocks.padding");
  mustBeArray(struct.locks, "XlStandbyLocks.locks");
  w.u32(struct.locks.length, "XlStandbyLocks.nlocks");
  writeStandbyLocks(w, struct.locks, "XlStandbyLocks.locks");
}

/**
 * Decode one XlTblspcDropRec: a tablespace is dropped.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source tablespace.h
 */
export function decodeXlTblspcDropRec(bytes: Uint8Array): XlTblspcDropRec {
  const r = new NativeReader(bytes);
  const struct = readXlTblspcDropRec(r);
  r.end("XlTblspcDropRec");
  return struct;
}

/**
 * Encode one XlTblspcDropRec: a tablespace is dropped.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source tablespace.h
 */
export function encodeXlTblspcDropRec(struct: XlTblspcDropRec): Uint8Array {
  const w = new NativeWriter();
  writeXlTblspcDropRec(w, struct);
  return w.finish();
}

/** Read one XlTblspcDropRec where the reader stands: more may follow. */
export function readXlTblspcDropRec(r: NativeReader): XlTblspcDropRec {
  r.begin();
  const tsId = r.u32("XlTblspcDropRec.tsId");
  r.align(4, "XlTblspcDropRec.padding");

  return { tsId };
}

/** Write one XlTblspcDropRec behind what has been written. */
export function writeXlTblspcDropRec(w: NativeWriter, struct: XlTblspcDropRec): void {
  mustBeObject(struct, "XlTblspcDropRec");
  w.begin(undefined, "XlTblspcDropRec.padding");
  w.u32(struct.tsId, "XlTblspcDropRec.tsId");
  w.align(4);
}

/**
 * Decode one XlXactAssignment: subtransactions of a transaction: written for standbys after every 64.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xact.h
 */
export function decodeXlXactAssignment(bytes: Uint8Array): XlXactAssignment {
  const r = new NativeReader(bytes);
  const struct = readXlXactAssignment(r);
  r.end("XlXactAssignment");
  return struct;
}

/**
 * Encode one XlXactAssignment: subtransactions of a transaction: written for standbys after every 64.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xact.h
 */
export function encodeXlXactAssignment(struct: XlXactAssignment): Uint8Array {
  const w = new NativeWriter();
  writeXlXactAssignment(w, struct);
  return w.finish();
}

/** Read one XlXactAssignment where the reader stands: more may follow. */
export function readXlXactAssignment(r: NativeReader): XlXactAssignment {
  r.begin();
  const xtop = r.u32("XlXactAssignment.xtop");
  const nsubxacts = r.u32("XlXactAssignment.nsubxacts");
  const xsub: number[] = [];
  for (let i = 0; i < nsubxacts; i++) {
    const element = r.u32("XlXactAssignment.xsub", i);
    xsub.push(element);
  }

  return { xtop, xsub };
}

/** Write one XlXactAssignment behind what has been written. */
export function writeXlXactAssignment(w: NativeWriter, struct: XlXactAssignment): void {
  mustBeObject(struct, "XlXactAssignment");
  w.begin(undefined, "XlXactAssignment.padding");
  w.u32(struct.xtop, "XlXactAssignment.xtop");
  mustBeArray(struct.xsub, "XlXactAssignment.xsub");
  w.u32(struct.xsub.length, "XlXactAssignment.nsubxacts");
  mustBeArray(struct.xsub, "XlXactAssignment.xsub");
  for (let i = 0; i < struct.xsub.length; i++) {
    w.u32(struct.xsub[i]!, "XlXactAssignment.xsub", i);
  }
}

/**
 * Decode one XlXactPrepare: the head of a prepared transaction.
 *
 * @param bytes The struct and nothing else.
 * @param context The fields of records that depend on the server that wrote the WAL.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source xact.h, twophase.c: TwoPhaseFileHeader
 */
export function decodeXlXactPrepare(bytes: Uint8Array, context: WalContext = otherwiseWalContext): XlXactPrepare {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readXlXactPrepare(r, context);
  r.end("XlXactPrepare");
  return struct;
}

/**
 * Encode one XlXactPrepare: the head of a prepared transaction.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source xact.h, twophase.c: TwoPhaseFileHeader
 */
export function encodeXlXactPrepare(struct: XlXactPrepare): Uint8Array {
  const w = new NativeWriter();
  writeXlXactPrepare(w, struct);
  return w.finish();
}

/** Read one XlXactPrepare where the reader stands: more may follow. */
export function readXlXactPrepare(r: NativeReader, context: WalContext): XlXactPrepare {
  r.begin();
  const magic = r.u32("XlXactPrepare.magic");
  const totalLen = r.u32("XlXactPrepare.totalLen");
  const xid = r.u32("XlXactPrepare.xid");
  const database = r.u32("XlXactPrepare.database");
  const preparedAt = r.time("XlXactPrepare.preparedAt");
  const owner = r.u32("XlXactPrepare.owner");
  const nsubxacts = r.i32("XlXactPrepare.nsubxacts");
  const ncommitrels = r.i32("XlXactPrepare.ncommitrels");
  const nabortrels = r.i32("XlXactPrepare.nabortrels");
  let ncommitstats: number | undefined;
  if (context.droppedStats) {
    const value = r.i32("XlXactPrepare.ncommitstats");
    ncommitstats = value;
  }
  let nabortstats: number | undefined;
  if (context.droppedStats) {
    const value = r.i32("XlXactPrepare.nabortstats");
    nabortstats = value;
  }
  const ninvalmsgs = r.i32("XlXactPrepare.ninvalmsgs");
  const initfileinval = r.bool("XlXactPrepare.initfileinval");
  const gidlen = r.u16("XlXactPrepare.gidlen");
  let originLsn: Lsn | undefined;
  if (context.prepareOrigin) {
    const value = r.lsn("XlXactPrepare.originLsn");
    originLsn = value;
  }
  let originTimestamp: PgTime | undefined;
  if (context.prepareOrigin) {
    const value = r.time("XlXactPrepare.originTimestamp");
    originTimestamp = value;
  }
  r.align(8, "XlXactPrepare.padding");
  const padding = r.padding();
  return {
    magic,
    totalLen,
    xid,
    database,
    preparedAt,
    owner,
    nsubxacts,
    ncommitrels,
    nabortrels,
    ncommitstats,
    nabortstats,
    ninvalmsgs,
    initfileinval,
    gidlen,
    originLsn,
    originTimestamp,
    padding,
  };
}

/** Write one XlXactPrepare behind what has been written. */
export function writeXlXactPrepare(w: NativeWriter, struct: XlXactPrepare): void {
  mustBeObject(struct, "XlXactPrepare");
  w.begin(struct.padding, "XlXactPrepare.padding");
  w.u32(struct.magic, "XlXactPrepare.magic");
  w.u32(struct.totalLen, "XlXactPrepare.totalLen");
  w.u32(struct.xid, "XlXactPrepare.xid");
  w.u32(struct.database, "XlXactPrepare.database");
  w.time(struct.preparedAt, "XlXactPrepare.preparedAt");
  w.u32(struct.owner, "XlXactPrepare.owner");
  w.i32(struct.nsubxacts, "XlXactPrepare.nsubxacts");
  w.i32(struct.ncommitrels, "XlXactPrepare.ncommitrels");
  w.i32(struct.nabortrels, "XlXactPrepare.nabortrels");
  if (struct.ncommitstats !== undefined) {
    w.i32(struct.ncommitstats, "XlXactPrepare.ncommitstats");
  }
  if (struct.ncommitstats !== undefined) {
    w.i32(struct.nabortstats!, "XlXactPrepare.nabortstats");
  } else w.absent(struct.nabortstats, "ncommitstats", "XlXactPrepare.nabortstats");
  w.i32(struct.ninvalmsgs, "XlXactPrepare.ninvalmsgs");
  w.bool(struct.initfileinval, "XlXactPrepare.initfileinval");
  w.u16(struct.gidlen, "XlXactPrepare.gidlen");
  if (struct.originLsn !== undefined) {
    w.lsn(struct.originLsn, "XlXactPrepare.originLsn");
  }
  if (struct.originLsn !== undefined) {
    w.time(struct.originTimestamp!, "XlXactPrepare.originTimestamp");
  } else w.absent(struct.originTimestamp, "originLsn", "XlXactPrepare.originTimestamp");
  w.align(8);
  w.padding("XlXactPrepare.padding");
}

function readMultiXactMembers(r: NativeReader, path: string, length: number): readonly MultiXactMember[] {
  const elements: MultiXactMember[] = [];
  for (let i = 0; i < length; i++) {
    let element: MultiXactMember;
    {
      r.align(4, path, i);
      const xid = r.u32(path, i, ".xid");
      const status = wordOf(statusWords, r.u32(path, i, ".status"));
      r.align(4, path, i);
      element = { xid, status };
    }
    elements.push(element);
  }
  return elements;
}

function writeMultiXactMembers(w: NativeWriter, elements: readonly MultiXactMember[], path: string): void {
  mustBeArray(elements, path);

  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    w.align(4);
    mustBeObject(element, path, i);
    w.u32(element.xid, path, i, ".xid");
    w.u32(numberOf(statusWords, element.status, path, i, ".status"), path, i, ".status");
    w.align(4);
  }
}

function readStandbyLocks(r: NativeReader, path: string, length: number): readonly StandbyLock[] {
  const elements: StandbyLock[] = [];
  for (let i = 0; i < length; i++) {
    let element: StandbyLock;
    {
      r.align(4, path, i);
      const xid = r.u32(path, i, ".xid");
      const dbOid = r.u32(path, i, ".dbOid");
      const relOid = r.u32(path, i, ".relOid");
      r.align(4, path, i);
      element = { xid, dbOid, relOid };
    }
    elements.push(element);
  }
  return elements;
}

function writeStandbyLocks(w: NativeWriter, elements: readonly StandbyLock[], path: string): void {
  mustBeArray(elements, path);

  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    w.align(4);
    mustBeObject(element, path, i);
    w.u32(element.xid, path, i, ".xid");
    w.u32(element.dbOid, path, i, ".dbOid");
    w.u32(element.relOid, path, i, ".relOid");
    w.align(4);
  }
}

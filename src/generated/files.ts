// Generated from src/files/structs.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../kernel/lsn.ts";
import { mustBeContext, mustBeObject } from "../wire/check.ts";
import { NativeReader, NativeWriter, numberOf, wordOf } from "../wire/native.ts";

const forknumWords = { "0": "main", "1": "fsm", "2": "vm", "3": "init" } as const;

const dbStateWords = {
  "0": "starting up",
  "1": "shut down",
  "2": "shut down in recovery",
  "3": "shutting down",
  "4": "in crash recovery",
  "5": "in archive recovery",
  "6": "in production",
} as const;

const walLevelWords = { "0": "minimal", "1": "replica", "2": "logical" } as const;

/** What the record of the last checkpoint says. */
export interface CheckPointCopy {
  /** Where replay begins. Bytes. */
  readonly redo: Lsn;
  /** The timeline. */
  readonly thisTimeLineID: number;
  /** The timeline before, if this record begins one; else the same. */
  readonly prevTimeLineID: number;
  /** full_page_writes */
  readonly fullPageWrites: boolean;
  /** wal_level */
  readonly walLevel?: "minimal" | "replica" | "logical" | number | undefined;
  /** Can there be logical decoding? */
  readonly logicalDecodingEnabled?: boolean | undefined;
  /** How often xids have come round. */
  readonly nextXidEpoch?: number | undefined;
  /** The next xid. */
  readonly nextXid?: number | undefined;
  /** The next xid, its epoch in the upper 32 bits. */
  readonly nextFullXid?: bigint | undefined;
  /** The next oid. */
  readonly nextOid: number;
  /** The next multixact. */
  readonly nextMulti: number;
  /** The next offset of multixact members. */
  readonly nextMultiOffset?: number | undefined;
  /** The next offset of multixact members. */
  readonly nextMultiOffset64?: bigint | undefined;
  /** The oldest xid that may be in a table. */
  readonly oldestXid: number;
  /** The database which has it. */
  readonly oldestXidDB: number;
  /** The oldest multixact that may be in a table. */
  readonly oldestMulti: number;
  /** The database which has it. */
  readonly oldestMultiDB: number;
  /** Seconds since 1970. */
  readonly time: bigint;
  /** The oldest transaction with a commit timestamp, 0 if there is none. */
  readonly oldestCommitTsXid?: number | undefined;
  /** The newest, 0 if there is none. */
  readonly newestCommitTsXid?: number | undefined;
  /** The oldest that is running; 0 in checkpoints of a shutdown, and with wal_level=minimal. */
  readonly oldestActiveXid: number;
}

const archiveWalLevelWords = { "0": "minimal", "1": "archive", "2": "hot_standby", "3": "logical" } as const;

const dataChecksumVersionInitWords = { "0": "off", "1": "on" } as const;

const dataChecksumVersionWords = { "0": "off", "1": "on" } as const;

const persistencyWords = { "0": "persistent", "1": "ephemeral", "2": "temporary" } as const;

const invalidatedWords = {
  "0": "none",
  "1": "wal_removed",
  "2": "rows_removed",
  "4": "wal_level_insufficient",
  "8": "idle_timeout",
} as const;

/** What survives of a slot. */
export interface ReplicationSlotPersistentData {
  /** The slot's name. */
  readonly name: string;
  /** The database of a logical slot; 0 for a physical one. */
  readonly database: number;
  /** What becomes of the slot: a server drops all but persistent ones when it starts. */
  readonly persistency: "persistent" | "ephemeral" | "temporary" | number;
  /** The oldest transaction that the slot needs the rows of; 0 for none. */
  readonly xmin: number;
  /** The oldest transaction that the slot needs the rows of catalogs of; 0 for none. */
  readonly catalogXmin: number;
  /** From here on the slot needs WAL; 0 if it has reserved none. Bytes. */
  readonly restartLsn: Lsn;
  /** What restartLsn was when the slot lost its WAL; 0 while it has not. Bytes. */
  readonly invalidatedAt?: Lsn | undefined;
  /** Why the slot is good for nothing any more; 16 and 17 write 3 where 18 writes 4, wal_level_insufficient. */
  readonly invalidated?:
    | "none"
    | "wal_removed"
    | "rows_removed"
    | "wal_level_insufficient"
    | "idle_timeout"
    | number
    | undefined;
  /** Up to here the consumer of a logical slot has confirmed; 0 for a physical slot. Bytes. */
  readonly confirmedFlush: Lsn;
  /** Where two_phase was enabled, or decoding became consistent; 0 before. Bytes. */
  readonly twoPhaseAt?: Lsn | undefined;
  /** Transactions are decoded when they are prepared. */
  readonly twoPhase?: boolean | undefined;
  /** The output plugin of a logical slot; empty for a physical one. */
  readonly plugin: string;
  /** The slot is a copy of a primary's, kept by slot synchronization. */
  readonly synced?: boolean | undefined;
  /** Standbys are to keep a copy of the slot. */
  readonly failover?: boolean | undefined;
}

const stateWords = { "0": "building", "1": "full", "2": "consistent", "-1": "start" } as const;

/** What was the list of running transactions. */
export interface SnapBuildWasRunning {
  /** Used for the transaction at which the next phase begins. */
  readonly wasXmin: number;
  /** Unused. */
  readonly wasXmax: number;
  /** Unused. */
  readonly wasXcnt: bigint;
  /** Unused, but so many transactions follow the struct, before the others. */
  readonly wasXcntSpace: bigint;
  /** A pointer, which means nothing in a file: unused. */
  readonly wasXip: bigint;
}

/** Transactions between xmin and xmax that have committed. */
export interface SnapBuildCommitted {
  /** How many transactions follow the struct. */
  readonly xcnt: bigint;
  /** For how many there was room in memory. */
  readonly xcntSpace: bigint;
  /** Not only those that changed catalogs are there. */
  readonly includesAllTransactions: boolean;
  /** A pointer, which means nothing in a file: the list. */
  readonly xip: bigint;
}

/** Transactions that have changed catalogs. */
export interface SnapBuildCatchange {
  /** How many follow those. */
  readonly xcnt: bigint;
  /** A pointer, which means nothing in a file: the list. */
  readonly xip: bigint;
}

/** The state of a builder of snapshots. */
export interface SnapBuild {
  /** How far the building of the first snapshot is. */
  readonly state: "building" | "full" | "consistent" | "start" | number;
  /** A pointer, which means nothing in a file: the memory that it was built in. */
  readonly memoryContext: bigint;
  /** All transactions before this one have ended. */
  readonly xmin: number;
  /** All transactions from this one on count as running. */
  readonly xmax: number;
  /** Commits before this are not decoded. Bytes. */
  readonly startDecodingAt: Lsn;
  /** Where two_phase was enabled, or decoding became consistent. Bytes. */
  readonly twoPhaseAt?: Lsn | undefined;
  /** Decoding does not begin while an older transaction runs; 0 for none. */
  readonly initialXminHorizon: number;
  /** The snapshot is for all tables, not for catalogs alone. */
  readonly buildingFullSnapshot: boolean;
  /** A slot was being made with it. */
  readonly inSlotCreation?: boolean | undefined;
  /** A pointer, which means nothing in a file: the snapshot. */
  readonly snapshot: bigint;
  /** Where the last snapshot was written. Bytes. */
  readonly lastSerializedSnapshot: Lsn;
  /** A pointer, which means nothing in a file: the buffer of changes. */
  readonly reorder: bigint;
  /** The transaction at which the next phase begins; 0 for none. */
  readonly nextPhaseAt?: number | undefined;
  /** What was the list of running transactions, and is kept for its place. */
  readonly wasRunning?: SnapBuildWasRunning | undefined;
  /** Transactions between xmin and xmax that have committed. */
  readonly committed: SnapBuildCommitted;
  /** Transactions that have changed catalogs and were running. */
  readonly catchange?: SnapBuildCatchange | undefined;
}

/**
 * A fork of a relation in a WAL summary; the lengths of its chunks and these follow.
 *
 * @source blkreftable.c: BlockRefTableSerializedEntry, WriteBlockRefTable
 */
export interface BlockRefTableSerializedEntry {
  /** The tablespace. */
  readonly spcOid: number;
  /** The database, 0 for what all share. */
  readonly dbOid: number;
  /** The number of the file. */
  readonly relNumber: number;
  /** The fork. */
  readonly forknum: "main" | "fsm" | "vm" | "init" | number;
  /** How short it was at the shortest, in blocks; 4294967295 if it was not made, removed or truncated. */
  readonly limitBlock: number;
  /** How many chunks of 65536 blocks follow. */
  readonly nchunks: number;
}

/**
 * What a server knows of its data directory before it has read anything else of it, as global/pg_control has it.
 *
 * @source pg_control.h; xlog.c: UpdateControlFile, ReadControlFile; controldata_utils.c
 */
export interface ControlFileData {
  /** The cluster, the same as in its WAL and in its standbys. */
  readonly systemIdentifier: bigint;
  /** Of the layout: 942 in 9.4 and 9.5, 960 in 9.6, 1002 in 10, and so on. */
  readonly pgControlVersion: number;
  /** Of the system catalogs: a date and a number. */
  readonly catalogVersionNo: number;
  /** What the server did last, in the words of pg_controldata. */
  readonly dbState:
    | "starting up"
    | "shut down"
    | "shut down in recovery"
    | "shutting down"
    | "in crash recovery"
    | "in archive recovery"
    | "in production"
    | number;
  /** When the file was last written, in seconds since 1970. */
  readonly time: bigint;
  /** The record of the last checkpoint. Bytes. */
  readonly checkPoint: Lsn;
  /** The record of the checkpoint before it. Bytes. */
  readonly prevCheckPoint?: Lsn | undefined;
  /** What the record of the last checkpoint says. */
  readonly checkPointCopy: CheckPointCopy;
  /** The next position for pages of unlogged tables, which count on their own. Bytes. */
  readonly unloggedLSN: Lsn;
  /** Recovery from an archive must replay WAL up to here; 0 for none. Bytes. */
  readonly minRecoveryPoint: Lsn;
  /** The timeline of that position. */
  readonly minRecoveryPointTLI: number;
  /** Where the backup began that is being recovered; 0 if none is, or its end was reached. Bytes. */
  readonly backupStartPoint: Lsn;
  /** Where a backup of a standby ends; 0 for none. Bytes. */
  readonly backupEndPoint: Lsn;
  /** Recovery must see the record of the end of a backup. */
  readonly backupEndRequired: boolean;
  /** wal_level, from 9.6 on. */
  readonly walLevel?: "minimal" | "replica" | "logical" | number | undefined;
  /** wal_level of 9.4 and 9.5. */
  readonly archiveWalLevel?: "minimal" | "archive" | "hot_standby" | "logical" | number | undefined;
  /** wal_log_hints */
  readonly walLogHints: boolean;
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
  /** track_commit_timestamp, from 9.5 on. */
  readonly trackCommitTimestamp?: boolean | undefined;
  /** To how many bytes the machine aligns rows. */
  readonly maxAlign: number;
  /** The bits of 1234567.0 as the machine has them: 0x4132D68700000000. */
  readonly floatFormat: bigint;
  /** Bytes of a block of a table. */
  readonly blcksz: number;
  /** Blocks of a file of a table. */
  readonly relsegSize: number;
  /** Pages of a file of pg_xact and the like. */
  readonly slruPagesPerSegment?: number | undefined;
  /** Bytes of a page of WAL. */
  readonly xlogBlcksz: number;
  /** Bytes of a segment of WAL. */
  readonly xlogSegSize: number;
  /** Bytes of a name, the zero at its end included. */
  readonly nameDataLen: number;
  /** Columns of an index at most. */
  readonly indexMaxKeys: number;
  /** Bytes of a part of a TOASTed value. */
  readonly toastMaxChunkSize: number;
  /** Bytes of a part of a large object. */
  readonly loblksize: number;
  /** Times are numbers of 64 bits, not floating-point numbers. */
  readonly enableIntTimes?: boolean | undefined;
  /** float4 is passed by value. */
  readonly float4ByVal?: boolean | undefined;
  /** float8, int8 and so on are passed by value. */
  readonly float8ByVal: boolean;
  /** The state of data checksums when initdb was run. */
  readonly dataChecksumVersionInit?: "off" | "on" | number | undefined;
  /** The state of data checksums. */
  readonly dataChecksumVersion: "off" | "on" | number;
  /** char has a sign on the machine of initdb. */
  readonly defaultCharSignedness?: boolean | undefined;
  /** Random bytes, for answers to logins of roles that do not exist. A view into the bytes that were decoded, not a copy. */
  readonly mockAuthenticationNonce?: Uint8Array | undefined;
  /** CRC-32C of all before it; another sum in 9.4. */
  readonly crc: number;
  /** What stands between the fields, if it is not all zero. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * A replication slot, as pg_replslot/NAME/state has it.
 *
 * @source slot.c: ReplicationSlotOnDisk, SaveSlotToPath, RestoreSlotFromDisk; slot.h: ReplicationSlotPersistentData
 */
export interface ReplicationSlotOnDisk {
  /** 0x1051CA1. */
  readonly magic: number;
  /** CRC-32C of all that follows; another sum in 9.4. */
  readonly checksum: number;
  /** Of the layout: 1 in betas of 9.4, 2 up to 15, 3 in 16, 5 from 17 on. */
  readonly version: number;
  /** How many bytes follow. */
  readonly length: number;
  /** What survives of a slot. */
  readonly slotdata: ReplicationSlotPersistentData;
  /** What stands between the fields, if it is not all zero. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * How far an origin has been replayed: one of the entries of pg_logical/replorigin_checkpoint.
 *
 * @source origin.c: ReplicationStateOnDisk, CheckPointReplicationOrigin, StartupReplicationOrigin
 */
export interface ReplicationStateOnDisk {
  /** The origin's number in pg_replication_origin. */
  readonly roident: number;
  /** Up to here its commits have been replayed, in WAL of the origin. Bytes. */
  readonly remoteLsn: Lsn;
  /** What stands between the two, if it is not all zero. */
  readonly padding?: Uint8Array | undefined;
}

/**
 * A snapshot of logical decoding, as the head of pg_logical/snapshots/X-X.snap has it; lists of transactions follow.
 *
 * @source snapbuild.c: SnapBuildSerialize, SnapBuildRestoreSnapshot; snapbuild_internal.h: SnapBuild, SnapBuildOnDisk
 */
export interface SnapBuildOnDisk {
  /** 0x51A1E001. */
  readonly magic: number;
  /** CRC-32C of all that follows, the lists too. */
  readonly checksum: number;
  /** Of the layout. */
  readonly version: number;
  /** How many bytes the file has, all of it. */
  readonly length: number;
  /** The state of a builder of snapshots. */
  readonly builder: SnapBuild;
  /** What stands between the fields, if it is not all zero. */
  readonly padding?: Uint8Array | undefined;
}

/** What of pg_control depends on the server's version: `stateFileCapabilities` knows it. */
export interface ControlFileContext {
  /** There is the checkpoint before the last: servers up to 10. */
  readonly controlFilePrevCheckPoint: boolean;
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
  /** wal_level is minimal, replica or logical: servers from 9.6 on. */
  readonly controlFileReplicaLevel: boolean;
  /** wal_level is minimal, archive, hot_standby or logical: servers up to 9.5. */
  readonly controlFileArchiveLevel: boolean;
  /** There is max_wal_senders: servers from 12 on. */
  readonly controlFileMaxWalSenders: boolean;
  /** There is slruPagesPerSegment: servers from 19 on. */
  readonly controlFileSlruPages: boolean;
  /** There is enableIntTimes: servers up to 9.6. */
  readonly controlFileIntTimes: boolean;
  /** There is float4ByVal: servers up to 12. */
  readonly controlFileFloat4ByVal: boolean;
  /** There is dataChecksumVersionInit: servers from 19 on. */
  readonly controlFileChecksumInit: boolean;
  /** There is defaultCharSignedness: servers from 18 on. */
  readonly controlFileCharSignedness: boolean;
  /** There is mockAuthenticationNonce: servers from 10 on. */
  readonly controlFileNonce: boolean;
}

/** The default context. */
const otherwiseControlFileContext: ControlFileContext = {
  controlFilePrevCheckPoint: false,
  nextXidEpoch: false,
  fullNextXid: true,
  walLevelInCheckpoints: true,
  logicalDecodingStatus: false,
  multixactOffset32: true,
  multixactOffset64: false,
  commitTimestamps: true,
  controlFileReplicaLevel: true,
  controlFileArchiveLevel: false,
  controlFileMaxWalSenders: true,
  controlFileSlruPages: false,
  controlFileIntTimes: false,
  controlFileFloat4ByVal: false,
  controlFileChecksumInit: false,
  controlFileCharSignedness: true,
  controlFileNonce: true,
};

/** What of a slot's file depends on the server's version: `stateFileCapabilities` knows it. */
export interface SlotStateContext {
  /** The position of an invalidated slot is kept: servers of 13 to 15. */
  readonly slotInvalidatedAt: boolean;
  /** There is two_phase: servers from 14 on. */
  readonly slotTwoPhase: boolean;
  /** The cause of an invalidation is kept: servers from 16 on. */
  readonly slotInvalidationCause: boolean;
  /** There are synced and failover: servers from 17 on. */
  readonly slotFailover: boolean;
}

/** The default context. */
const otherwiseSlotStateContext: SlotStateContext = {
  slotInvalidatedAt: false,
  slotTwoPhase: true,
  slotInvalidationCause: true,
  slotFailover: true,
};

/** What of a snapshot's file depends on the server's version: `stateFileCapabilities` knows it. */
export interface SnapBuildContext {
  /** There is a list that is used no more: servers up to 13. */
  readonly snapshotWasRunning: boolean;
  /** There are twoPhaseAt and nextPhaseAt: servers from 14 on. */
  readonly snapshotTwoPhase: boolean;
  /** Running transactions that changed catalogs are kept: servers from 16 on. */
  readonly snapshotCatchange: boolean;
  /** There is inSlotCreation: servers from 17 on. */
  readonly snapshotInSlotCreation: boolean;
}

/** The default context. */
const otherwiseSnapBuildContext: SnapBuildContext = {
  snapshotWasRunning: false,
  snapshotTwoPhase: true,
  snapshotCatchange: true,
  snapshotInSlotCreation: true,
};

/**
 * Decode one BlockRefTableSerializedEntry: a fork of a relation in a WAL summary; the lengths of its chunks and these follow.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source blkreftable.c: BlockRefTableSerializedEntry, WriteBlockRefTable
 */
export function decodeBlockRefTableSerializedEntry(bytes: Uint8Array): BlockRefTableSerializedEntry {
  const r = new NativeReader(bytes);
  const struct = readBlockRefTableSerializedEntry(r);
  r.end("BlockRefTableSerializedEntry");
  return struct;
}

/**
 * Encode one BlockRefTableSerializedEntry: a fork of a relation in a WAL summary; the lengths of its chunks and these follow.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source blkreftable.c: BlockRefTableSerializedEntry, WriteBlockRefTable
 */
export function encodeBlockRefTableSerializedEntry(struct: BlockRefTableSerializedEntry): Uint8Array {
  const w = new NativeWriter();
  writeBlockRefTableSerializedEntry(w, struct);
  return w.finish();
}

/** Read one BlockRefTableSerializedEntry where the reader stands: more may follow. */
export function readBlockRefTableSerializedEntry(r: NativeReader): BlockRefTableSerializedEntry {
  r.begin();
  const spcOid = r.u32("BlockRefTableSerializedEntry.spcOid");
  const dbOid = r.u32("BlockRefTableSerializedEntry.dbOid");
  const relNumber = r.u32("BlockRefTableSerializedEntry.relNumber");
  const forknum = wordOf(forknumWords, r.i32("BlockRefTableSerializedEntry.forknum"));
  const limitBlock = r.u32("BlockRefTableSerializedEntry.limitBlock");
  const nchunks = r.u32("BlockRefTableSerializedEntry.nchunks");
  r.align(4, "BlockRefTableSerializedEntry.padding");

  return { spcOid, dbOid, relNumber, forknum, limitBlock, nchunks };
}

/** Write one BlockRefTableSerializedEntry behind what has been written. */
export function writeBlockRefTableSerializedEntry(w: NativeWriter, struct: BlockRefTableSerializedEntry): void {
  mustBeObject(struct, "BlockRefTableSerializedEntry");
  w.begin(undefined, "BlockRefTableSerializedEntry.padding");
  w.u32(struct.spcOid, "BlockRefTableSerializedEntry.spcOid");
  w.u32(struct.dbOid, "BlockRefTableSerializedEntry.dbOid");
  w.u32(struct.relNumber, "BlockRefTableSerializedEntry.relNumber");
  w.i32(
    numberOf(forknumWords, struct.forknum, "BlockRefTableSerializedEntry.forknum"),
    "BlockRefTableSerializedEntry.forknum",
  );
  w.u32(struct.limitBlock, "BlockRefTableSerializedEntry.limitBlock");
  w.u32(struct.nchunks, "BlockRefTableSerializedEntry.nchunks");
  w.align(4);
}

/**
 * Decode one ControlFileData: what a server knows of its data directory before it has read anything else of it, as global/pg_control has it.
 *
 * @param bytes The struct and nothing else.
 * @param context What of pg_control depends on the server's version: `stateFileCapabilities` knows it.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source pg_control.h; xlog.c: UpdateControlFile, ReadControlFile; controldata_utils.c
 */
export function decodeControlFileData(
  bytes: Uint8Array,
  context: ControlFileContext = otherwiseControlFileContext,
): ControlFileData {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readControlFileData(r, context);
  r.end("ControlFileData");
  return struct;
}

/**
 * Encode one ControlFileData: what a server knows of its data directory before it has read anything else of it, as global/pg_control has it.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source pg_control.h; xlog.c: UpdateControlFile, ReadControlFile; controldata_utils.c
 */
export function encodeControlFileData(struct: ControlFileData): Uint8Array {
  const w = new NativeWriter();
  writeControlFileData(w, struct);
  return w.finish();
}

/** Read one ControlFileData where the reader stands: more may follow. */
export function readControlFileData(r: NativeReader, context: ControlFileContext): ControlFileData {
  r.begin();
  const systemIdentifier = r.u64("ControlFileData.systemIdentifier");
  const pgControlVersion = r.u32("ControlFileData.pgControlVersion");
  const catalogVersionNo = r.u32("ControlFileData.catalogVersionNo");
  const dbState = wordOf(dbStateWords, r.u32("ControlFileData.dbState"));
  const time = r.i64("ControlFileData.time");
  const checkPoint = r.lsn("ControlFileData.checkPoint");
  let prevCheckPoint: Lsn | undefined;
  if (context.controlFilePrevCheckPoint) {
    const value = r.lsn("ControlFileData.prevCheckPoint");
    prevCheckPoint = value;
  }
  r.align(8, "ControlFileData.checkPointCopy");
  const checkPointCopy = readCheckPointCopy(r, "ControlFileData.checkPointCopy", context);
  r.align(8, "ControlFileData.checkPointCopy");

  const unloggedLSN = r.lsn("ControlFileData.unloggedLSN");
  const minRecoveryPoint = r.lsn("ControlFileData.minRecoveryPoint");
  const minRecoveryPointTLI = r.u32("ControlFileData.minRecoveryPointTLI");
  const backupStartPoint = r.lsn("ControlFileData.backupStartPoint");
  const backupEndPoint = r.lsn("ControlFileData.backupEndPoint");
  const backupEndRequired = r.bool("ControlFileData.backupEndRequired");
  let walLevel: "minimal" | "replica" | "logical" | number | undefined;
  if (context.controlFileReplicaLevel) {
    const value = wordOf(walLevelWords, r.i32("ControlFileData.walLevel"));
    walLevel = value;
  }
  let archiveWalLevel: "minimal" | "archive" | "hot_standby" | "logical" | number | undefined;
  if (context.controlFileArchiveLevel) {
    const value = wordOf(archiveWalLevelWords, r.i32("ControlFileData.archiveWalLevel"));
    archiveWalLevel = value;
  }
  const walLogHints = r.bool("ControlFileData.walLogHints");
  const maxConnections = r.i32("ControlFileData.maxConnections");
  const maxWorkerProcesses = r.i32("ControlFileData.maxWorkerProcesses");
  let maxWalSenders: number | undefined;
  if (context.controlFileMaxWalSenders) {
    const value = r.i32("ControlFileData.maxWalSenders");
    maxWalSenders = value;
  }
  const maxPreparedXacts = r.i32("ControlFileData.maxPreparedXacts");
  const maxLocksPerXact = r.i32("ControlFileData.maxLocksPerXact");
  let trackCommitTimestamp: boolean | undefined;
  if (context.commitTimestamps) {
    const value = r.bool("ControlFileData.trackCommitTimestamp");
    trackCommitTimestamp = value;
  }
  const maxAlign = r.u32("ControlFileData.maxAlign");
  const floatFormat = r.u64("ControlFileData.floatFormat");
  const blcksz = r.u32("ControlFileData.blcksz");
  const relsegSize = r.u32("ControlFileData.relsegSize");
  let slruPagesPerSegment: number | undefined;
  if (context.controlFileSlruPages) {
    const value = r.u32("ControlFileData.slruPagesPerSegment");
    slruPagesPerSegment = value;
  }
  const xlogBlcksz = r.u32("ControlFileData.xlogBlcksz");
  const xlogSegSize = r.u32("ControlFileData.xlogSegSize");
  const nameDataLen = r.u32("ControlFileData.nameDataLen");
  const indexMaxKeys = r.u32("ControlFileData.indexMaxKeys");
  const toastMaxChunkSize = r.u32("ControlFileData.toastMaxChunkSize");
  const loblksize = r.u32("ControlFileData.loblksize");
  let enableIntTimes: boolean | undefined;
  if (context.controlFileIntTimes) {
    const value = r.bool("ControlFileData.enableIntTimes");
    enableIntTimes = value;
  }
  let float4ByVal: boolean | undefined;
  if (context.controlFileFloat4ByVal) {
    const value = r.bool("ControlFileData.float4ByVal");
    float4ByVal = value;
  }
  const float8ByVal = r.bool("ControlFileData.float8ByVal");
  let dataChecksumVersionInit: "off" | "on" | number | undefined;
  if (context.controlFileChecksumInit) {
    const value = wordOf(dataChecksumVersionInitWords, r.u32("ControlFileData.dataChecksumVersionInit"));
    dataChecksumVersionInit = value;
  }
  const dataChecksumVersion = wordOf(dataChecksumVersionWords, r.u32("ControlFileData.dataChecksumVersion"));
  let defaultCharSignedness: boolean | undefined;
  if (context.controlFileCharSignedness) {
    const value = r.bool("ControlFileData.defaultCharSignedness");
    defaultCharSignedness = value;
  }
  let mockAuthenticationNonce: Uint8Array | undefined;
  if (context.controlFileNonce) {
    const value = r.chars(32, "ControlFileData.mockAuthenticationNonce");
    mockAuthenticationNonce = value;
  }
  const crc = r.u32("ControlFileData.crc");
  r.align(8, "ControlFileData.padding");
  const padding = r.padding();
  return {
    systemIdentifier,
    pgControlVersion,
    catalogVersionNo,
    dbState,
    time,
    checkPoint,
    prevCheckPoint,
    checkPointCopy,
    unloggedLSN,
    minRecoveryPoint,
    minRecoveryPointTLI,
    backupStartPoint,
    backupEndPoint,
    backupEndRequired,
    walLevel,
    archiveWalLevel,
    walLogHints,
    maxConnections,
    maxWorkerProcesses,
    maxWalSenders,
    maxPreparedXacts,
    maxLocksPerXact,
    trackCommitTimestamp,
    maxAlign,
    floatFormat,
    blcksz,
    relsegSize,
    slruPagesPerSegment,
    xlogBlcksz,
    xlogSegSize,
    nameDataLen,
    indexMaxKeys,
    toastMaxChunkSize,
    loblksize,
    enableIntTimes,
    float4ByVal,
    float8ByVal,
    dataChecksumVersionInit,
    dataChecksumVersion,
    defaultCharSignedness,
    mockAuthenticationNonce,
    crc,
    padding,
  };
}

/** Write one ControlFileData behind what has been written. */
export function writeControlFileData(w: NativeWriter, struct: ControlFileData): void {
  mustBeObject(struct, "ControlFileData");
  w.begin(struct.padding, "ControlFileData.padding");
  w.u64(struct.systemIdentifier, "ControlFileData.systemIdentifier");
  w.u32(struct.pgControlVersion, "ControlFileData.pgControlVersion");
  w.u32(struct.catalogVersionNo, "ControlFileData.catalogVersionNo");
  w.u32(numberOf(dbStateWords, struct.dbState, "ControlFileData.dbState"), "ControlFileData.dbState");
  w.i64(struct.time, "ControlFileData.time");
  w.lsn(struct.checkPoint, "ControlFileData.checkPoint");
  if (struct.prevCheckPoint !== undefined) {
    w.lsn(struct.prevCheckPoint, "ControlFileData.prevCheckPoint");
  }
  w.align(8);
  writeCheckPointCopy(w, struct.checkPointCopy, "ControlFileData.checkPointCopy");
  w.align(8);

  w.lsn(struct.unloggedLSN, "ControlFileData.unloggedLSN");
  w.lsn(struct.minRecoveryPoint, "ControlFileData.minRecoveryPoint");
  w.u32(struct.minRecoveryPointTLI, "ControlFileData.minRecoveryPointTLI");
  w.lsn(struct.backupStartPoint, "ControlFileData.backupStartPoint");
  w.lsn(struct.backupEndPoint, "ControlFileData.backupEndPoint");
  w.bool(struct.backupEndRequired, "ControlFileData.backupEndRequired");
  if (struct.walLevel !== undefined) {
    w.i32(numberOf(walLevelWords, struct.walLevel, "ControlFileData.walLevel"), "ControlFileData.walLevel");
  }
  if (struct.archiveWalLevel !== undefined) {
    w.i32(
      numberOf(archiveWalLevelWords, struct.archiveWalLevel, "ControlFileData.archiveWalLevel"),
      "ControlFileData.archiveWalLevel",
    );
  }
  w.bool(struct.walLogHints, "ControlFileData.walLogHints");
  w.i32(struct.maxConnections, "ControlFileData.maxConnections");
  w.i32(struct.maxWorkerProcesses, "ControlFileData.maxWorkerProcesses");
  if (struct.maxWalSenders !== undefined) {
    w.i32(struct.maxWalSenders, "ControlFileData.maxWalSenders");
  }
  w.i32(struct.maxPreparedXacts, "ControlFileData.maxPreparedXacts");
  w.i32(struct.maxLocksPerXact, "ControlFileData.maxLocksPerXact");
  if (struct.trackCommitTimestamp !== undefined) {
    w.bool(struct.trackCommitTimestamp, "ControlFileData.trackCommitTimestamp");
  }
  w.u32(struct.maxAlign, "ControlFileData.maxAlign");
  w.u64(struct.floatFormat, "ControlFileData.floatFormat");
  w.u32(struct.blcksz, "ControlFileData.blcksz");
  w.u32(struct.relsegSize, "ControlFileData.relsegSize");
  if (struct.slruPagesPerSegment !== undefined) {
    w.u32(struct.slruPagesPerSegment, "ControlFileData.slruPagesPerSegment");
  }
  w.u32(struct.xlogBlcksz, "ControlFileData.xlogBlcksz");
  w.u32(struct.xlogSegSize, "ControlFileData.xlogSegSize");
  w.u32(struct.nameDataLen, "ControlFileData.nameDataLen");
  w.u32(struct.indexMaxKeys, "ControlFileData.indexMaxKeys");
  w.u32(struct.toastMaxChunkSize, "ControlFileData.toastMaxChunkSize");
  w.u32(struct.loblksize, "ControlFileData.loblksize");
  if (struct.enableIntTimes !== undefined) {
    w.bool(struct.enableIntTimes, "ControlFileData.enableIntTimes");
  }
  if (struct.float4ByVal !== undefined) {
    w.bool(struct.float4ByVal, "ControlFileData.float4ByVal");
  }
  w.bool(struct.float8ByVal, "ControlFileData.float8ByVal");
  if (struct.dataChecksumVersionInit !== undefined) {
    w.u32(
      numberOf(dataChecksumVersionInitWords, struct.dataChecksumVersionInit, "ControlFileData.dataChecksumVersionInit"),
      "ControlFileData.dataChecksumVersionInit",
    );
  }
  w.u32(
    numberOf(dataChecksumVersionWords, struct.dataChecksumVersion, "ControlFileData.dataChecksumVersion"),
    "ControlFileData.dataChecksumVersion",
  );
  if (struct.defaultCharSignedness !== undefined) {
    w.bool(struct.defaultCharSignedness, "ControlFileData.defaultCharSignedness");
  }
  if (struct.mockAuthenticationNonce !== undefined) {
    w.chars(32, struct.mockAuthenticationNonce, "ControlFileData.mockAuthenticationNonce");
  }
  w.u32(struct.crc, "ControlFileData.crc");
  w.align(8);
  w.padding("ControlFileData.padding");
}

/**
 * Decode one ReplicationSlotOnDisk: a replication slot, as pg_replslot/NAME/state has it.
 *
 * @param bytes The struct and nothing else.
 * @param context What of a slot's file depends on the server's version: `stateFileCapabilities` knows it.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source slot.c: ReplicationSlotOnDisk, SaveSlotToPath, RestoreSlotFromDisk; slot.h: ReplicationSlotPersistentData
 */
export function decodeReplicationSlotOnDisk(
  bytes: Uint8Array,
  context: SlotStateContext = otherwiseSlotStateContext,
): ReplicationSlotOnDisk {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readReplicationSlotOnDisk(r, context);
  r.end("ReplicationSlotOnDisk");
  return struct;
}

/**
 * Encode one ReplicationSlotOnDisk: a replication slot, as pg_replslot/NAME/state has it.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source slot.c: ReplicationSlotOnDisk, SaveSlotToPath, RestoreSlotFromDisk; slot.h: ReplicationSlotPersistentData
 */
export function encodeReplicationSlotOnDisk(struct: ReplicationSlotOnDisk): Uint8Array {
  const w = new NativeWriter();
  writeReplicationSlotOnDisk(w, struct);
  return w.finish();
}

/** Read one ReplicationSlotOnDisk where the reader stands: more may follow. */
export function readReplicationSlotOnDisk(r: NativeReader, context: SlotStateContext): ReplicationSlotOnDisk {
  r.begin();
  const magic = r.u32("ReplicationSlotOnDisk.magic");
  const checksum = r.u32("ReplicationSlotOnDisk.checksum");
  const version = r.u32("ReplicationSlotOnDisk.version");
  const length = r.u32("ReplicationSlotOnDisk.length");
  let slotdata: ReplicationSlotPersistentData;
  {
    r.align(8, "ReplicationSlotOnDisk.slotdata");
    const name = r.name("ReplicationSlotOnDisk.slotdata.name");
    const database = r.u32("ReplicationSlotOnDisk.slotdata.database");
    const persistency = wordOf(persistencyWords, r.u32("ReplicationSlotOnDisk.slotdata.persistency"));
    const xmin = r.u32("ReplicationSlotOnDisk.slotdata.xmin");
    const catalogXmin = r.u32("ReplicationSlotOnDisk.slotdata.catalogXmin");
    const restartLsn = r.lsn("ReplicationSlotOnDisk.slotdata.restartLsn");
    let invalidatedAt: Lsn | undefined;
    if (context.slotInvalidatedAt) {
      const value = r.lsn("ReplicationSlotOnDisk.slotdata.invalidatedAt");
      invalidatedAt = value;
    }
    let invalidated:
      | "none"
      | "wal_removed"
      | "rows_removed"
      | "wal_level_insufficient"
      | "idle_timeout"
      | number
      | undefined;
    if (context.slotInvalidationCause) {
      const value = wordOf(invalidatedWords, r.u32("ReplicationSlotOnDisk.slotdata.invalidated"));
      invalidated = value;
    }
    const confirmedFlush = r.lsn("ReplicationSlotOnDisk.slotdata.confirmedFlush");
    let twoPhaseAt: Lsn | undefined;
    if (context.slotTwoPhase) {
      const value = r.lsn("ReplicationSlotOnDisk.slotdata.twoPhaseAt");
      twoPhaseAt = value;
    }
    let twoPhase: boolean | undefined;
    if (context.slotTwoPhase) {
      const value = r.bool("ReplicationSlotOnDisk.slotdata.twoPhase");
      twoPhase = value;
    }
    const plugin = r.name("ReplicationSlotOnDisk.slotdata.plugin");
    let synced: boolean | undefined;
    if (context.slotFailover) {
      const value = r.bool("ReplicationSlotOnDisk.slotdata.synced");
      synced = value;
    }
    let failover: boolean | undefined;
    if (context.slotFailover) {
      const value = r.bool("ReplicationSlotOnDisk.slotdata.failover");
      failover = value;
    }
    r.align(8, "ReplicationSlotOnDisk.slotdata");
    slotdata = {
      name,
      database,
      persistency,
      xmin,
      catalogXmin,
      restartLsn,
      invalidatedAt,
      invalidated,
      confirmedFlush,
      twoPhaseAt,
      twoPhase,
      plugin,
      synced,
      failover,
    };
  }
  r.align(8, "ReplicationSlotOnDisk.padding");
  const padding = r.padding();
  return { magic, checksum, version, length, slotdata, padding };
}

/** Write one ReplicationSlotOnDisk behind what has been written. */
export function writeReplicationSlotOnDisk(w: NativeWriter, struct: ReplicationSlotOnDisk): void {
  mustBeObject(struct, "ReplicationSlotOnDisk");
  w.begin(struct.padding, "ReplicationSlotOnDisk.padding");
  w.u32(struct.magic, "ReplicationSlotOnDisk.magic");
  w.u32(struct.checksum, "ReplicationSlotOnDisk.checksum");
  w.u32(struct.version, "ReplicationSlotOnDisk.version");
  w.u32(struct.length, "ReplicationSlotOnDisk.length");
  w.align(8);
  mustBeObject(struct.slotdata, "ReplicationSlotOnDisk.slotdata");
  w.name(struct.slotdata.name, "ReplicationSlotOnDisk.slotdata.name");
  w.u32(struct.slotdata.database, "ReplicationSlotOnDisk.slotdata.database");
  w.u32(
    numberOf(persistencyWords, struct.slotdata.persistency, "ReplicationSlotOnDisk.slotdata.persistency"),
    "ReplicationSlotOnDisk.slotdata.persistency",
  );
  w.u32(struct.slotdata.xmin, "ReplicationSlotOnDisk.slotdata.xmin");
  w.u32(struct.slotdata.catalogXmin, "ReplicationSlotOnDisk.slotdata.catalogXmin");
  w.lsn(struct.slotdata.restartLsn, "ReplicationSlotOnDisk.slotdata.restartLsn");
  if (struct.slotdata.invalidatedAt !== undefined) {
    w.lsn(struct.slotdata.invalidatedAt, "ReplicationSlotOnDisk.slotdata.invalidatedAt");
  }
  if (struct.slotdata.invalidated !== undefined) {
    w.u32(
      numberOf(invalidatedWords, struct.slotdata.invalidated, "ReplicationSlotOnDisk.slotdata.invalidated"),
      "ReplicationSlotOnDisk.slotdata.invalidated",
    );
  }
  w.lsn(struct.slotdata.confirmedFlush, "ReplicationSlotOnDisk.slotdata.confirmedFlush");
  if (struct.slotdata.twoPhaseAt !== undefined) {
    w.lsn(struct.slotdata.twoPhaseAt, "ReplicationSlotOnDisk.slotdata.twoPhaseAt");
  }
  if (struct.slotdata.twoPhaseAt !== undefined) {
    w.bool(struct.slotdata.twoPhase!, "ReplicationSlotOnDisk.slotdata.twoPhase");
  } else w.absent(struct.slotdata.twoPhase, "twoPhaseAt", "ReplicationSlotOnDisk.slotdata.twoPhase");
  w.name(struct.slotdata.plugin, "ReplicationSlotOnDisk.slotdata.plugin");
  if (struct.slotdata.synced !== undefined) {
    w.bool(struct.slotdata.synced, "ReplicationSlotOnDisk.slotdata.synced");
  }
  if (struct.slotdata.synced !== undefined) {
    w.bool(struct.slotdata.failover!, "ReplicationSlotOnDisk.slotdata.failover");
  } else w.absent(struct.slotdata.failover, "synced", "ReplicationSlotOnDisk.slotdata.failover");
  w.align(8);

  w.align(8);
  w.padding("ReplicationSlotOnDisk.padding");
}

/**
 * Decode one ReplicationStateOnDisk: how far an origin has been replayed: one of the entries of pg_logical/replorigin_checkpoint.
 *
 * @param bytes The struct and nothing else.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source origin.c: ReplicationStateOnDisk, CheckPointReplicationOrigin, StartupReplicationOrigin
 */
export function decodeReplicationStateOnDisk(bytes: Uint8Array): ReplicationStateOnDisk {
  const r = new NativeReader(bytes);
  const struct = readReplicationStateOnDisk(r);
  r.end("ReplicationStateOnDisk");
  return struct;
}

/**
 * Encode one ReplicationStateOnDisk: how far an origin has been replayed: one of the entries of pg_logical/replorigin_checkpoint.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source origin.c: ReplicationStateOnDisk, CheckPointReplicationOrigin, StartupReplicationOrigin
 */
export function encodeReplicationStateOnDisk(struct: ReplicationStateOnDisk): Uint8Array {
  const w = new NativeWriter();
  writeReplicationStateOnDisk(w, struct);
  return w.finish();
}

/** Read one ReplicationStateOnDisk where the reader stands: more may follow. */
export function readReplicationStateOnDisk(r: NativeReader): ReplicationStateOnDisk {
  r.begin();
  const roident = r.u16("ReplicationStateOnDisk.roident");
  const remoteLsn = r.lsn("ReplicationStateOnDisk.remoteLsn");
  r.align(8, "ReplicationStateOnDisk.padding");
  const padding = r.padding();
  return { roident, remoteLsn, padding };
}

/** Write one ReplicationStateOnDisk behind what has been written. */
export function writeReplicationStateOnDisk(w: NativeWriter, struct: ReplicationStateOnDisk): void {
  mustBeObject(struct, "ReplicationStateOnDisk");
  w.begin(struct.padding, "ReplicationStateOnDisk.padding");
  w.u16(struct.roident, "ReplicationStateOnDisk.roident");
  w.lsn(struct.remoteLsn, "ReplicationStateOnDisk.remoteLsn");
  w.align(8);
  w.padding("ReplicationStateOnDisk.padding");
}

/**
 * Decode one SnapBuildOnDisk: a snapshot of logical decoding, as the head of pg_logical/snapshots/X-X.snap has it; lists of transactions follow.
 *
 * @param bytes The struct and nothing else.
 * @param context What of a snapshot's file depends on the server's version: `stateFileCapabilities` knows it.
 * @throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source snapbuild.c: SnapBuildSerialize, SnapBuildRestoreSnapshot; snapbuild_internal.h: SnapBuild, SnapBuildOnDisk
 */
export function decodeSnapBuildOnDisk(
  bytes: Uint8Array,
  context: SnapBuildContext = otherwiseSnapBuildContext,
): SnapBuildOnDisk {
  mustBeContext(context);
  const r = new NativeReader(bytes);
  const struct = readSnapBuildOnDisk(r, context);
  r.end("SnapBuildOnDisk");
  return struct;
}

/**
 * Encode one SnapBuildOnDisk: a snapshot of logical decoding, as the head of pg_logical/snapshots/X-X.snap has it; lists of transactions follow.
 *
 * @returns a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source snapbuild.c: SnapBuildSerialize, SnapBuildRestoreSnapshot; snapbuild_internal.h: SnapBuild, SnapBuildOnDisk
 */
export function encodeSnapBuildOnDisk(struct: SnapBuildOnDisk): Uint8Array {
  const w = new NativeWriter();
  writeSnapBuildOnDisk(w, struct);
  return w.finish();
}

/** Read one SnapBuildOnDisk where the reader stands: more may follow. */
export function readSnapBuildOnDisk(r: NativeReader, context: SnapBuildContext): SnapBuildOnDisk {
  r.begin();
  const magic = r.u32("SnapBuildOnDisk.magic");
  const checksum = r.u32("SnapBuildOnDisk.checksum");
  const version = r.u32("SnapBuildOnDisk.version");
  const length = r.u32("SnapBuildOnDisk.length");
  let builder: SnapBuild;
  {
    r.align(8, "SnapBuildOnDisk.builder");
    const state = wordOf(stateWords, r.i32("SnapBuildOnDisk.builder.state"));
    const memoryContext = r.u64("SnapBuildOnDisk.builder.memoryContext");
    const xmin = r.u32("SnapBuildOnDisk.builder.xmin");
    const xmax = r.u32("SnapBuildOnDisk.builder.xmax");
    const startDecodingAt = r.lsn("SnapBuildOnDisk.builder.startDecodingAt");
    let twoPhaseAt: Lsn | undefined;
    if (context.snapshotTwoPhase) {
      const value = r.lsn("SnapBuildOnDisk.builder.twoPhaseAt");
      twoPhaseAt = value;
    }
    const initialXminHorizon = r.u32("SnapBuildOnDisk.builder.initialXminHorizon");
    const buildingFullSnapshot = r.bool("SnapBuildOnDisk.builder.buildingFullSnapshot");
    let inSlotCreation: boolean | undefined;
    if (context.snapshotInSlotCreation) {
      const value = r.bool("SnapBuildOnDisk.builder.inSlotCreation");
      inSlotCreation = value;
    }
    const snapshot = r.u64("SnapBuildOnDisk.builder.snapshot");
    const lastSerializedSnapshot = r.lsn("SnapBuildOnDisk.builder.lastSerializedSnapshot");
    const reorder = r.u64("SnapBuildOnDisk.builder.reorder");
    let nextPhaseAt: number | undefined;
    if (context.snapshotTwoPhase) {
      const value = r.u32("SnapBuildOnDisk.builder.nextPhaseAt");
      nextPhaseAt = value;
    }
    let wasRunning: SnapBuildWasRunning | undefined;
    if (context.snapshotWasRunning) {
      let value: SnapBuildWasRunning;
      {
        r.align(8, "SnapBuildOnDisk.builder.wasRunning");
        const wasXmin = r.u32("SnapBuildOnDisk.builder.wasRunning.wasXmin");
        const wasXmax = r.u32("SnapBuildOnDisk.builder.wasRunning.wasXmax");
        const wasXcnt = r.u64("SnapBuildOnDisk.builder.wasRunning.wasXcnt");
        const wasXcntSpace = r.u64("SnapBuildOnDisk.builder.wasRunning.wasXcntSpace");
        const wasXip = r.u64("SnapBuildOnDisk.builder.wasRunning.wasXip");
        r.align(8, "SnapBuildOnDisk.builder.wasRunning");
        value = { wasXmin, wasXmax, wasXcnt, wasXcntSpace, wasXip };
      }
      wasRunning = value;
    }
    let committed: SnapBuildCommitted;
    {
      r.align(8, "SnapBuildOnDisk.builder.committed");
      const xcnt = r.u64("SnapBuildOnDisk.builder.committed.xcnt");
      const xcntSpace = r.u64("SnapBuildOnDisk.builder.committed.xcntSpace");
      const includesAllTransactions = r.bool("SnapBuildOnDisk.builder.committed.includesAllTransactions");
      const xip = r.u64("SnapBuildOnDisk.builder.committed.xip");
      r.align(8, "SnapBuildOnDisk.builder.committed");
      committed = { xcnt, xcntSpace, includesAllTransactions, xip };
    }
    let catchange: SnapBuildCatchange | undefined;
    if (context.snapshotCatchange) {
      let value: SnapBuildCatchange;
      {
        r.align(8, "SnapBuildOnDisk.builder.catchange");
        const xcnt = r.u64("SnapBuildOnDisk.builder.catchange.xcnt");
        const xip = r.u64("SnapBuildOnDisk.builder.catchange.xip");
        r.align(8, "SnapBuildOnDisk.builder.catchange");
        value = { xcnt, xip };
      }
      catchange = value;
    }
    r.align(8, "SnapBuildOnDisk.builder");
    builder = {
      state,
      memoryContext,
      xmin,
      xmax,
      startDecodingAt,
      twoPhaseAt,
      initialXminHorizon,
      buildingFullSnapshot,
      inSlotCreation,
      snapshot,
      lastSerializedSnapshot,
      reorder,
      nextPhaseAt,
      wasRunning,
      committed,
      catchange,
    };
  }
  r.align(8, "SnapBuildOnDisk.padding");
  const padding = r.padding();
  return { magic, checksum, version, length, builder, padding };
}

/** Write one SnapBuildOnDisk behind what has been written. */
export function writeSnapBuildOnDisk(w: NativeWriter, struct: SnapBuildOnDisk): void {
  mustBeObject(struct, "SnapBuildOnDisk");
  w.begin(struct.padding, "SnapBuildOnDisk.padding");
  w.u32(struct.magic, "SnapBuildOnDisk.magic");
  w.u32(struct.checksum, "SnapBuildOnDisk.checksum");
  w.u32(struct.version, "SnapBuildOnDisk.version");
  w.u32(struct.length, "SnapBuildOnDisk.length");
  w.align(8);
  mustBeObject(struct.builder, "SnapBuildOnDisk.builder");
  w.i32(numberOf(stateWords, struct.builder.state, "SnapBuildOnDisk.builder.state"), "SnapBuildOnDisk.builder.state");
  w.u64(struct.builder.memoryContext, "SnapBuildOnDisk.builder.memoryContext");
  w.u32(struct.builder.xmin, "SnapBuildOnDisk.builder.xmin");
  w.u32(struct.builder.xmax, "SnapBuildOnDisk.builder.xmax");
  w.lsn(struct.builder.startDecodingAt, "SnapBuildOnDisk.builder.startDecodingAt");
  if (struct.builder.twoPhaseAt !== undefined) {
    w.lsn(struct.builder.twoPhaseAt, "SnapBuildOnDisk.builder.twoPhaseAt");
  }
  w.u32(struct.builder.initialXminHorizon, "SnapBuildOnDisk.builder.initialXminHorizon");
  w.bool(struct.builder.buildingFullSnapshot, "SnapBuildOnDisk.builder.buildingFullSnapshot");
  if (struct.builder.inSlotCreation !== undefined) {
    w.bool(struct.builder.inSlotCreation, "SnapBuildOnDisk.builder.inSlotCreation");
  }
  w.u64(struct.builder.snapshot, "SnapBuildOnDisk.builder.snapshot");
  w.lsn(struct.builder.lastSerializedSnapshot, "SnapBuildOnDisk.builder.lastSerializedSnapshot");
  w.u64(struct.builder.reorder, "SnapBuildOnDisk.builder.reorder");
  if (struct.builder.twoPhaseAt !== undefined) {
    w.u32(struct.builder.nextPhaseAt!, "SnapBuildOnDisk.builder.nextPhaseAt");
  } else w.absent(struct.builder.nextPhaseAt, "twoPhaseAt", "SnapBuildOnDisk.builder.nextPhaseAt");
  if (struct.builder.wasRunning !== undefined) {
    w.align(8);
    mustBeObject(struct.builder.wasRunning, "SnapBuildOnDisk.builder.wasRunning");
    w.u32(struct.builder.wasRunning.wasXmin, "SnapBuildOnDisk.builder.wasRunning.wasXmin");
    w.u32(struct.builder.wasRunning.wasXmax, "SnapBuildOnDisk.builder.wasRunning.wasXmax");
    w.u64(struct.builder.wasRunning.wasXcnt, "SnapBuildOnDisk.builder.wasRunning.wasXcnt");
    w.u64(struct.builder.wasRunning.wasXcntSpace, "SnapBuildOnDisk.builder.wasRunning.wasXcntSpace");
    w.u64(struct.builder.wasRunning.wasXip, "SnapBuildOnDisk.builder.wasRunning.wasXip");
    w.align(8);
  }
  w.align(8);
  mustBeObject(struct.builder.committed, "SnapBuildOnDisk.builder.committed");
  w.u64(struct.builder.committed.xcnt, "SnapBuildOnDisk.builder.committed.xcnt");
  w.u64(struct.builder.committed.xcntSpace, "SnapBuildOnDisk.builder.committed.xcntSpace");
  w.bool(struct.builder.committed.includesAllTransactions, "SnapBuildOnDisk.builder.committed.includesAllTransactions");
  w.u64(struct.builder.committed.xip, "SnapBuildOnDisk.builder.committed.xip");
  w.align(8);

  if (struct.builder.catchange !== undefined) {
    w.align(8);
    mustBeObject(struct.builder.catchange, "SnapBuildOnDisk.builder.catchange");
    w.u64(struct.builder.catchange.xcnt, "SnapBuildOnDisk.builder.catchange.xcnt");
    w.u64(struct.builder.catchange.xip, "SnapBuildOnDisk.builder.catchange.xip");
    w.align(8);
  }
  w.align(8);

  w.align(8);
  w.padding("SnapBuildOnDisk.padding");
}

export function readCheckPointCopy(
  r: NativeReader,
  path: string,
  context: Pick<
    ControlFileContext,
    | "nextXidEpoch"
    | "fullNextXid"
    | "walLevelInCheckpoints"
    | "logicalDecodingStatus"
    | "multixactOffset32"
    | "multixactOffset64"
    | "commitTimestamps"
  >,
): CheckPointCopy {
  const redo = r.lsn(path, undefined, ".redo");
  const thisTimeLineID = r.u32(path, undefined, ".thisTimeLineID");
  const prevTimeLineID = r.u32(path, undefined, ".prevTimeLineID");
  const fullPageWrites = r.bool(path, undefined, ".fullPageWrites");
  let walLevel: "minimal" | "replica" | "logical" | number | undefined;
  if (context.walLevelInCheckpoints) {
    const value = wordOf(walLevelWords, r.i32(path, undefined, ".walLevel"));
    walLevel = value;
  }
  let logicalDecodingEnabled: boolean | undefined;
  if (context.logicalDecodingStatus) {
    const value = r.bool(path, undefined, ".logicalDecodingEnabled");
    logicalDecodingEnabled = value;
  }
  let nextXidEpoch: number | undefined;
  if (context.nextXidEpoch) {
    const value = r.u32(path, undefined, ".nextXidEpoch");
    nextXidEpoch = value;
  }
  let nextXid: number | undefined;
  if (context.nextXidEpoch) {
    const value = r.u32(path, undefined, ".nextXid");
    nextXid = value;
  }
  let nextFullXid: bigint | undefined;
  if (context.fullNextXid) {
    const value = r.u64(path, undefined, ".nextFullXid");
    nextFullXid = value;
  }
  const nextOid = r.u32(path, undefined, ".nextOid");
  const nextMulti = r.u32(path, undefined, ".nextMulti");
  let nextMultiOffset: number | undefined;
  if (context.multixactOffset32) {
    const value = r.u32(path, undefined, ".nextMultiOffset");
    nextMultiOffset = value;
  }
  let nextMultiOffset64: bigint | undefined;
  if (context.multixactOffset64) {
    const value = r.u64(path, undefined, ".nextMultiOffset64");
    nextMultiOffset64 = value;
  }
  const oldestXid = r.u32(path, undefined, ".oldestXid");
  const oldestXidDB = r.u32(path, undefined, ".oldestXidDB");
  const oldestMulti = r.u32(path, undefined, ".oldestMulti");
  const oldestMultiDB = r.u32(path, undefined, ".oldestMultiDB");
  const time = r.i64(path, undefined, ".time");
  let oldestCommitTsXid: number | undefined;
  if (context.commitTimestamps) {
    const value = r.u32(path, undefined, ".oldestCommitTsXid");
    oldestCommitTsXid = value;
  }
  let newestCommitTsXid: number | undefined;
  if (context.commitTimestamps) {
    const value = r.u32(path, undefined, ".newestCommitTsXid");
    newestCommitTsXid = value;
  }
  const oldestActiveXid = r.u32(path, undefined, ".oldestActiveXid");
  return {
    redo,
    thisTimeLineID,
    prevTimeLineID,
    fullPageWrites,
    walLevel,
    logicalDecodingEnabled,
    nextXidEpoch,
    nextXid,
    nextFullXid,
    nextOid,
    nextMulti,
    nextMultiOffset,
    nextMultiOffset64,
    oldestXid,
    oldestXidDB,
    oldestMulti,
    oldestMultiDB,
    time,
    oldestCommitTsXid,
    newestCommitTsXid,
    oldestActiveXid,
  };
}

export function writeCheckPointCopy(w: NativeWriter, value: CheckPointCopy, path: string): void {
  mustBeObject(value, path);
  w.lsn(value.redo, path, undefined, ".redo");
  w.u32(value.thisTimeLineID, path, undefined, ".thisTimeLineID");
  w.u32(value.prevTimeLineID, path, undefined, ".prevTimeLineID");
  w.bool(value.fullPageWrites, path, undefined, ".fullPageWrites");
  if (value.walLevel !== undefined) {
    w.i32(numberOf(walLevelWords, value.walLevel, path, undefined, ".walLevel"), path, undefined, ".walLevel");
  }
  if (value.logicalDecodingEnabled !== undefined) {
    w.bool(value.logicalDecodingEnabled, path, undefined, ".logicalDecodingEnabled");
  }
  if (value.nextXidEpoch !== undefined) {
    w.u32(value.nextXidEpoch, path, undefined, ".nextXidEpoch");
  }
  if (value.nextXidEpoch !== undefined) {
    w.u32(value.nextXid!, path, undefined, ".nextXid");
  } else w.absent(value.nextXid, "nextXidEpoch", path, undefined, ".nextXid");
  if (value.nextFullXid !== undefined) {
    w.u64(value.nextFullXid, path, undefined, ".nextFullXid");
  }
  w.u32(value.nextOid, path, undefined, ".nextOid");
  w.u32(value.nextMulti, path, undefined, ".nextMulti");
  if (value.nextMultiOffset !== undefined) {
    w.u32(value.nextMultiOffset, path, undefined, ".nextMultiOffset");
  }
  if (value.nextMultiOffset64 !== undefined) {
    w.u64(value.nextMultiOffset64, path, undefined, ".nextMultiOffset64");
  }
  w.u32(value.oldestXid, path, undefined, ".oldestXid");
  w.u32(value.oldestXidDB, path, undefined, ".oldestXidDB");
  w.u32(value.oldestMulti, path, undefined, ".oldestMulti");
  w.u32(value.oldestMultiDB, path, undefined, ".oldestMultiDB");
  w.i64(value.time, path, undefined, ".time");
  if (value.oldestCommitTsXid !== undefined) {
    w.u32(value.oldestCommitTsXid, path, undefined, ".oldestCommitTsXid");
  }
  if (value.oldestCommitTsXid !== undefined) {
    w.u32(value.newestCommitTsXid!, path, undefined, ".newestCommitTsXid");
  } else w.absent(value.newestCommitTsXid, "oldestCommitTsXid", path, undefined, ".newestCommitTsXid");
  w.u32(value.oldestActiveXid, path, undefined, ".oldestActiveXid");
}

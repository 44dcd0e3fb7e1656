/**
 * What PostgreSQL writes to its state files as it lies in memory, described once: pg_control, slots, origins, entries of WAL summaries, and snapshots of
 * logical decoding.
 * The layouts are those of 64-bit machines with little-endian numbers.
 */
import { combinationsOf } from "../kernel/version.ts";
import {
  bool,
  bytes,
  type Context,
  i32,
  i64,
  lsn,
  name,
  numbered,
  oid,
  padding,
  record,
  struct,
  u16,
  u32,
  u64,
  when,
  xid,
} from "../wire/shape.ts";
import { type StateFileCapabilities, stateFileCapabilities } from "./capabilities.ts";
import { archiveWalLevels, checkPoint, checkPointConditions, walLevels } from "./check-point.ts";

/** Which conditions hold together: as some version has them. */
function combinations(names: readonly string[]): readonly Readonly<Record<string, boolean>>[] {
  return combinationsOf(stateFileCapabilities, names as (keyof StateFileCapabilities)[]);
}

/** What of a slot's file depends on the server that writes it. */
export const SlotStateContext: Context = {
  name: "SlotStateContext",
  doc: "What of a slot's file depends on the server's version: `stateFileCapabilities` knows it.",
  conditions: {
    slotInvalidatedAt: { doc: "The position of an invalidated slot is kept: servers of 13 to 15.", otherwise: false },
    slotTwoPhase: { doc: "There is two_phase: servers from 14 on.", otherwise: true },
    slotInvalidationCause: { doc: "The cause of an invalidation is kept: servers from 16 on.", otherwise: true },
    slotFailover: { doc: "There are synced and failover: servers from 17 on.", otherwise: true },
  },
  combinations,
};

export const ReplicationSlotOnDisk = struct("ReplicationSlotOnDisk", {
  doc: "A replication slot, as pg_replslot/NAME/state has it.",
  source: "slot.c: ReplicationSlotOnDisk, SaveSlotToPath, RestoreSlotFromDisk; slot.h: ReplicationSlotPersistentData",
  end: "sizeof",
  context: SlotStateContext,
  fields: {
    magic: u32("0x1051CA1."),
    checksum: u32("CRC-32C of all that follows; another sum in 9.4."),
    version: u32("Of the layout: 1 in betas of 9.4, 2 up to 15, 3 in 16, 5 from 17 on."),
    length: u32("How many bytes follow."),
    slotdata: record(
      "ReplicationSlotPersistentData",
      {
        name: name("The slot's name."),
        database: oid("The database of a logical slot; 0 for a physical one."),
        persistency: numbered(
          "u32",
          { 0: "persistent", 1: "ephemeral", 2: "temporary" },
          "What becomes of the slot: a server drops all but persistent ones when it starts.",
        ),
        xmin: xid("The oldest transaction that the slot needs the rows of; 0 for none."),
        catalogXmin: xid("The oldest transaction that the slot needs the rows of catalogs of; 0 for none."),
        restartLsn: lsn("From here on the slot needs WAL; 0 if it has reserved none."),
        invalidatedAt: when(
          "slotInvalidatedAt",
          lsn(""),
          "What restartLsn was when the slot lost its WAL; 0 while it has not.",
        ),
        invalidated: when(
          "slotInvalidationCause",
          // 16 and 17 have 3 for wal_level_insufficient, where 18 has 4.
          numbered(
            "u32",
            { 0: "none", 1: "wal_removed", 2: "rows_removed", 4: "wal_level_insufficient", 8: "idle_timeout" },
            "",
          ),
          "Why the slot is good for nothing any more; 16 and 17 write 3 where 18 writes 4, wal_level_insufficient.",
        ),
        confirmedFlush: lsn("Up to here the consumer of a logical slot has confirmed; 0 for a physical slot."),
        twoPhaseAt: when(
          "slotTwoPhase",
          lsn(""),
          "Where two_phase was enabled, or decoding became consistent; 0 before.",
        ),
        twoPhase: when("slotTwoPhase", bool(""), "Transactions are decoded when they are prepared."),
        plugin: name("The output plugin of a logical slot; empty for a physical one."),
        synced: when("slotFailover", bool(""), "The slot is a copy of a primary's, kept by slot synchronization."),
        failover: when("slotFailover", bool(""), "Standbys are to keep a copy of the slot."),
      },
      "What survives of a slot.",
    ),
    padding: padding("What stands between the fields, if it is not all zero."),
  },
});

export const ReplicationStateOnDisk = struct("ReplicationStateOnDisk", {
  doc: "How far an origin has been replayed: one of the entries of pg_logical/replorigin_checkpoint.",
  source: "origin.c: ReplicationStateOnDisk, CheckPointReplicationOrigin, StartupReplicationOrigin",
  end: "sizeof",
  fields: {
    roident: u16("The origin's number in pg_replication_origin."),
    remoteLsn: lsn("Up to here its commits have been replayed, in WAL of the origin."),
    padding: padding("What stands between the two, if it is not all zero."),
  },
});

/** What of a snapshot's file depends on the server that writes it. */
export const SnapBuildContext: Context = {
  name: "SnapBuildContext",
  doc: "What of a snapshot's file depends on the server's version: `stateFileCapabilities` knows it.",
  conditions: {
    snapshotWasRunning: { doc: "There is a list that is used no more: servers up to 13.", otherwise: false },
    snapshotTwoPhase: { doc: "There are twoPhaseAt and nextPhaseAt: servers from 14 on.", otherwise: true },
    snapshotCatchange: {
      doc: "Running transactions that changed catalogs are kept: servers from 16 on.",
      otherwise: true,
    },
    snapshotInSlotCreation: { doc: "There is inSlotCreation: servers from 17 on.", otherwise: true },
  },
  combinations,
};

const pointer = (doc: string) => u64(`A pointer, which means nothing in a file: ${doc}`);

export const SnapBuildOnDisk = struct("SnapBuildOnDisk", {
  doc: "A snapshot of logical decoding, as the head of pg_logical/snapshots/X-X.snap has it; lists of transactions follow.",
  source: "snapbuild.c: SnapBuildSerialize, SnapBuildRestoreSnapshot; snapbuild_internal.h: SnapBuild, SnapBuildOnDisk",
  end: "sizeof",
  context: SnapBuildContext,
  fields: {
    magic: u32("0x51A1E001."),
    checksum: u32("CRC-32C of all that follows, the lists too."),
    version: u32("Of the layout."),
    length: u32("How many bytes the file has, all of it."),
    builder: record(
      "SnapBuild",
      {
        state: numbered(
          "i32",
          { [-1]: "start", 0: "building", 1: "full", 2: "consistent" },
          "How far the building of the first snapshot is.",
        ),
        memoryContext: pointer("the memory that it was built in."),
        xmin: xid("All transactions before this one have ended."),
        xmax: xid("All transactions from this one on count as running."),
        startDecodingAt: lsn("Commits before this are not decoded."),
        twoPhaseAt: when("snapshotTwoPhase", lsn(""), "Where two_phase was enabled, or decoding became consistent."),
        initialXminHorizon: xid("Decoding does not begin while an older transaction runs; 0 for none."),
        buildingFullSnapshot: bool("The snapshot is for all tables, not for catalogs alone."),
        inSlotCreation: when("snapshotInSlotCreation", bool(""), "A slot was being made with it."),
        snapshot: pointer("the snapshot."),
        lastSerializedSnapshot: lsn("Where the last snapshot was written."),
        reorder: pointer("the buffer of changes."),
        nextPhaseAt: when("snapshotTwoPhase", xid(""), "The transaction at which the next phase begins; 0 for none."),
        wasRunning: when(
          "snapshotWasRunning",
          record(
            "SnapBuildWasRunning",
            {
              wasXmin: xid("Used for the transaction at which the next phase begins."),
              wasXmax: xid("Unused."),
              wasXcnt: u64("Unused."),
              wasXcntSpace: u64("Unused, but so many transactions follow the struct, before the others."),
              wasXip: pointer("unused."),
            },
            "What was the list of running transactions.",
          ),
          "What was the list of running transactions, and is kept for its place.",
        ),
        committed: record(
          "SnapBuildCommitted",
          {
            xcnt: u64("How many transactions follow the struct."),
            xcntSpace: u64("For how many there was room in memory."),
            includesAllTransactions: bool("Not only those that changed catalogs are there."),
            xip: pointer("the list."),
          },
          "Transactions between xmin and xmax that have committed.",
        ),
        catchange: when(
          "snapshotCatchange",
          record(
            "SnapBuildCatchange",
            { xcnt: u64("How many follow those."), xip: pointer("the list.") },
            "Transactions that have changed catalogs.",
          ),
          "Transactions that have changed catalogs and were running.",
        ),
      },
      "The state of a builder of snapshots.",
    ),
    padding: padding("What stands between the fields, if it is not all zero."),
  },
});

/** What of pg_control depends on the server that writes it. */
export const ControlFileContext: Context = {
  name: "ControlFileContext",
  doc: "What of pg_control depends on the server's version: `stateFileCapabilities` knows it.",
  conditions: {
    controlFilePrevCheckPoint: { doc: "There is the checkpoint before the last: servers up to 10.", otherwise: false },
    ...checkPointConditions,
    controlFileReplicaLevel: { doc: "wal_level is minimal, replica or logical: servers from 9.6 on.", otherwise: true },
    controlFileArchiveLevel: {
      doc: "wal_level is minimal, archive, hot_standby or logical: servers up to 9.5.",
      otherwise: false,
    },
    controlFileMaxWalSenders: { doc: "There is max_wal_senders: servers from 12 on.", otherwise: true },
    controlFileSlruPages: { doc: "There is slruPagesPerSegment: servers from 19 on.", otherwise: false },
    controlFileIntTimes: { doc: "There is enableIntTimes: servers up to 9.6.", otherwise: false },
    controlFileFloat4ByVal: { doc: "There is float4ByVal: servers up to 12.", otherwise: false },
    controlFileChecksumInit: { doc: "There is dataChecksumVersionInit: servers from 19 on.", otherwise: false },
    controlFileCharSignedness: { doc: "There is defaultCharSignedness: servers from 18 on.", otherwise: true },
    controlFileNonce: { doc: "There is mockAuthenticationNonce: servers from 10 on.", otherwise: true },
  },
  combinations,
};

/** @source checksum.h: ChecksumStateType */
const checksumStates = { 0: "off", 1: "on" } as const;

export const ControlFileData = struct("ControlFileData", {
  doc: "What a server knows of its data directory before it has read anything else of it, as global/pg_control has it.",
  source: "pg_control.h; xlog.c: UpdateControlFile, ReadControlFile; controldata_utils.c",
  end: "sizeof",
  context: ControlFileContext,
  fields: {
    systemIdentifier: u64("The cluster, the same as in its WAL and in its standbys."),
    pgControlVersion: u32("Of the layout: 942 in 9.4 and 9.5, 960 in 9.6, 1002 in 10, and so on."),
    catalogVersionNo: u32("Of the system catalogs: a date and a number."),
    dbState: numbered(
      "u32",
      {
        0: "starting up",
        1: "shut down",
        2: "shut down in recovery",
        3: "shutting down",
        4: "in crash recovery",
        5: "in archive recovery",
        6: "in production",
      },
      "What the server did last, in the words of pg_controldata.",
    ),
    time: i64("When the file was last written, in seconds since 1970."),
    checkPoint: lsn("The record of the last checkpoint."),
    prevCheckPoint: when("controlFilePrevCheckPoint", lsn(""), "The record of the checkpoint before it."),
    checkPointCopy: checkPoint,
    unloggedLSN: lsn("The next position for pages of unlogged tables, which count on their own."),
    minRecoveryPoint: lsn("Recovery from an archive must replay WAL up to here; 0 for none."),
    minRecoveryPointTLI: u32("The timeline of that position."),
    backupStartPoint: lsn("Where the backup began that is being recovered; 0 if none is, or its end was reached."),
    backupEndPoint: lsn("Where a backup of a standby ends; 0 for none."),
    backupEndRequired: bool("Recovery must see the record of the end of a backup."),
    walLevel: when("controlFileReplicaLevel", numbered("i32", walLevels, ""), "wal_level, from 9.6 on."),
    archiveWalLevel: when(
      "controlFileArchiveLevel",
      numbered("i32", archiveWalLevels, ""),
      "wal_level of 9.4 and 9.5.",
    ),
    walLogHints: bool("wal_log_hints"),
    maxConnections: i32("max_connections"),
    maxWorkerProcesses: i32("max_worker_processes"),
    maxWalSenders: when("controlFileMaxWalSenders", i32(""), "max_wal_senders"),
    maxPreparedXacts: i32("max_prepared_transactions"),
    maxLocksPerXact: i32("max_locks_per_transaction"),
    trackCommitTimestamp: when("commitTimestamps", bool(""), "track_commit_timestamp, from 9.5 on."),
    maxAlign: u32("To how many bytes the machine aligns rows."),
    floatFormat: u64("The bits of 1234567.0 as the machine has them: 0x4132D68700000000."),
    blcksz: u32("Bytes of a block of a table."),
    relsegSize: u32("Blocks of a file of a table."),
    slruPagesPerSegment: when("controlFileSlruPages", u32(""), "Pages of a file of pg_xact and the like."),
    xlogBlcksz: u32("Bytes of a page of WAL."),
    xlogSegSize: u32("Bytes of a segment of WAL."),
    nameDataLen: u32("Bytes of a name, the zero at its end included."),
    indexMaxKeys: u32("Columns of an index at most."),
    toastMaxChunkSize: u32("Bytes of a part of a TOASTed value."),
    loblksize: u32("Bytes of a part of a large object."),
    enableIntTimes: when("controlFileIntTimes", bool(""), "Times are numbers of 64 bits, not floating-point numbers."),
    float4ByVal: when("controlFileFloat4ByVal", bool(""), "float4 is passed by value."),
    float8ByVal: bool("float8, int8 and so on are passed by value."),
    dataChecksumVersionInit: when(
      "controlFileChecksumInit",
      numbered("u32", checksumStates, ""),
      "The state of data checksums when initdb was run.",
    ),
    dataChecksumVersion: numbered("u32", checksumStates, "The state of data checksums."),
    defaultCharSignedness: when("controlFileCharSignedness", bool(""), "char has a sign on the machine of initdb."),
    mockAuthenticationNonce: when(
      "controlFileNonce",
      bytes(32, ""),
      "Random bytes, for answers to logins of roles that do not exist.",
    ),
    crc: u32("CRC-32C of all before it; another sum in 9.4."),
    padding: padding("What stands between the fields, if it is not all zero."),
  },
});

export const BlockRefTableSerializedEntry = struct("BlockRefTableSerializedEntry", {
  doc: "A fork of a relation in a WAL summary; the lengths of its chunks and these follow.",
  source: "blkreftable.c: BlockRefTableSerializedEntry, WriteBlockRefTable",
  end: "sizeof",
  fields: {
    spcOid: oid("The tablespace."),
    dbOid: oid("The database, 0 for what all share."),
    relNumber: oid("The number of the file."),
    forknum: numbered("i32", { 0: "main", 1: "fsm", 2: "vm", 3: "init" }, "The fork."),
    limitBlock: u32(
      "How short it was at the shortest, in blocks; 4294967295 if it was not made, removed or truncated.",
    ),
    nchunks: u32("How many chunks of 65536 blocks follow."),
  },
});

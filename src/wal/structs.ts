/**
 * The main data of WAL records: the structs of PostgreSQL that a description can say. Those with parts that come and go with
 * bits of their own, or with more than one list, are in variable.ts.
 *
 * The names are PostgreSQL's, of 16 and later where they have changed; `xl_restore_point` is XlRestorePoint.
 */
import { checkPointConditions, checkPoint as checkPointCopy, walLevels } from "../files/check-point.ts";
import { combinationsOf } from "../kernel/version.ts";
import {
  bool,
  type Context,
  countOf,
  i32,
  list,
  lsn,
  numbered,
  oid,
  padding,
  record,
  rest,
  struct,
  time,
  u8,
  u16,
  u32,
  u64,
  when,
  xid,
} from "../wire/shape.ts";
import { type WalRecordCapabilities, walRecordCapabilities } from "./capabilities.ts";

/** Conditions are capabilities of the server that wrote the WAL: walRecordCapabilities in capabilities.ts. */
export const walContext: Context = {
  name: "WalContext",
  doc: "The fields of records that depend on the server that wrote the WAL.",
  conditions: {
    ...checkPointConditions,
    maxWalSendersChange: { doc: "Changes of max_wal_senders are told (12 and later).", otherwise: true },
    prepareOrigin: { doc: "Prepared transactions say their replication origin (11 and later).", otherwise: true },
    droppedStats: { doc: "Prepared transactions have statistics to drop (15 and later).", otherwise: true },
  },
  combinations: (names) => combinationsOf(walRecordCapabilities, names as (keyof WalRecordCapabilities)[]),
};

/** RelFileNode until 15: where a relation's files are. */
export const relFileLocator = record(
  "RelFileLocator",
  {
    spcOid: oid("The tablespace."),
    dbOid: oid("The database, 0 for what all share."),
    relNumber: oid("The number of the file."),
  },
  "Where a relation's files are.",
);

/** Which header a page has. */
export const walPageContext: Context = {
  name: "WalPageContext",
  doc: "Which header a page of WAL has.",
  conditions: { longHeader: { doc: "The header is a long one: xlp_info has XLP_LONG_HEADER.", otherwise: false } },
};

export const xLogPageHeaderData = struct("XLogPageHeaderData", {
  doc: "The header of a page of WAL; on the first page of a segment XLogLongPageHeaderData.",
  source: "xlog_internal.h: XLogPageHeaderData, XLogLongPageHeaderData",
  end: "sizeof",
  context: walPageContext,
  fields: {
    magic: u16("xlp_magic: the server that wrote the page, by its major version."),
    info: u16("xlp_info: flags."),
    timeline: u32("xlp_tli: the timeline of the first record that begins on the page."),
    pageAddress: lsn("xlp_pageaddr: where the page is in WAL."),
    remaining: u32("xlp_rem_len: bytes that are left, at the start of the page, of a record that began on one before."),
    systemIdentifier: when("longHeader", u64(""), "xlp_sysid: the cluster's system identifier."),
    segmentSize: when("longHeader", u32(""), "xlp_seg_size: wal_segment_size, in bytes."),
    pageSize: when("longHeader", u32(""), "xlp_xlog_blcksz: XLOG_BLCKSZ, in bytes."),
    padding: padding("Between the fields."),
  },
});

export const xLogRecord = struct("XLogRecord", {
  doc: "The header of a record.",
  source: "xlogrecord.h",
  end: "sizeof",
  fields: {
    length: u32("xl_tot_len: bytes of the whole record, this header included."),
    xid: xid("xl_xid: the transaction that wrote it; 0 for none."),
    prev: lsn("xl_prev: where the record before it begins."),
    info: u8("xl_info: the upper four bits belong to the resource manager."),
    rmid: u8("xl_rmid: the number of the resource manager."),
    crc: u32("xl_crc: CRC-32C of all other bytes of the record."),
    padding: padding("Between the fields."),
  },
});

export const xLogRecordBlockHeader = struct("XLogRecordBlockHeader", {
  doc: "The beginning of what a record says of a page.",
  source: "xlogrecord.h",
  end: "sizeof",
  fields: {
    id: u8("The number by which the resource manager knows the page, 0 to 32."),
    forkFlags: u8(
      "The fork in the lower four bits, then flags: 16 image, 32 data, 64 made anew, 128 the relation before.",
    ),
    dataLength: u16("Bytes of the resource manager's data about the page, without the image."),
  },
});

export const xLogRecordBlockImageHeader = struct("XLogRecordBlockImageHeader", {
  doc: "What a record says of the full-page image of a page.",
  source: "xlogrecord.h",
  end: "last field",
  fields: {
    length: u16("Bytes of the image."),
    holeOffset: u16("Where the hole is in the page, in bytes; 0 without one."),
    bimgInfo: u8("Flags: 1 for a hole; the others depend on the version."),
  },
});

export const xLogRecordBlockCompressHeader = struct("XLogRecordBlockCompressHeader", {
  doc: "What a record says of a compressed image with a hole.",
  source: "xlogrecord.h",
  end: "sizeof",
  fields: { holeLength: u16("Bytes of the hole.") },
});

export const xLogRecordDataHeaderShort = struct("XLogRecordDataHeaderShort", {
  doc: "The length of the main data of a record, up to 255 bytes.",
  source: "xlogrecord.h",
  end: "sizeof",
  fields: { id: u8("255."), dataLength: u8("Bytes of the main data.") },
});

export const checkPoint = struct("CheckPoint", {
  doc: "A checkpoint: from where replay begins, and what the next of everything is.",
  source: "pg_control.h",
  end: "sizeof",
  context: walContext,
  body: checkPointCopy,
  fields: {
    ...checkPointCopy.fields,
    padding: padding("Between the fields."),
  },
});

export const nextOid = struct("NextOid", {
  doc: "Oids up to this one may be used.",
  source: "xlog.c: XLogPutNextOid",
  end: "last field",
  fields: { nextOid: oid("The first that may not.") },
});

export const backupEnd = struct("BackupEnd", {
  doc: "A base backup that began at a position is consistent from here on.",
  source: "xlog.c: do_pg_backup_stop",
  end: "last field",
  fields: { startpoint: lsn("Where it began.") },
});

export const xlParameterChange = struct("XlParameterChange", {
  doc: "Settings that a standby must match, when one has changed.",
  source: "xlog_internal.h",
  end: "sizeof",
  context: walContext,
  fields: {
    maxConnections: i32("max_connections"),
    maxWorkerProcesses: i32("max_worker_processes"),
    maxWalSenders: when("maxWalSendersChange", i32(""), "max_wal_senders"),
    maxPreparedXacts: i32("max_prepared_transactions"),
    maxLocksPerXact: i32("max_locks_per_transaction"),
    walLevel: numbered("i32", walLevels, "wal_level"),
    walLogHints: bool("wal_log_hints"),
    trackCommitTimestamp: bool("track_commit_timestamp"),
    padding: padding("Behind the fields."),
  },
});

export const fpwChange = struct("FpwChange", {
  doc: "full_page_writes has changed.",
  source: "xlog.c: UpdateFullPageWrites",
  end: "last field",
  fields: { fullPageWrites: bool("The new value.") },
});

export const xlEndOfRecovery = struct("XlEndOfRecovery", {
  doc: "Recovery is over, and a timeline begins.",
  source: "xlog_internal.h",
  end: "sizeof",
  context: walContext,
  fields: {
    endTime: time("When."),
    thisTimeLineID: u32("The new timeline."),
    prevTimeLineID: u32("The one that it forked off from."),
    walLevel: when("walLevelInCheckpoints", numbered("i32", walLevels, ""), "wal_level"),
    padding: padding("Behind the fields."),
  },
});

export const xlOverwriteContrecord = struct("XlOverwriteContrecord", {
  doc: "A record that was begun before a crash, and will not be completed.",
  source: "xlog_internal.h",
  end: "sizeof",
  fields: {
    overwrittenLsn: lsn("Where it begins."),
    overwriteTime: time("When that was noticed."),
  },
});

export const checkPointRedo = struct("CheckPointRedo", {
  doc: "The point from where the checkpoint that follows lets replay begin.",
  source: "xlog.c: CreateCheckPoint",
  end: "last field",
  fields: {
    walLevel: numbered("i32", walLevels, "wal_level"),
  },
});

export const logicalDecodingStatusChange = struct("LogicalDecodingStatusChange", {
  doc: "Logical decoding has become possible, or no longer is.",
  source: "logicalctl.c",
  end: "last field",
  fields: { enabled: bool("Is it?") },
});

export const xlXactAssignment = struct("XlXactAssignment", {
  doc: "Subtransactions of a transaction: written for standbys after every 64.",
  source: "xact.h",
  end: "last field",
  fields: {
    xtop: xid("The transaction."),
    nsubxacts: countOf("xsub", "How many."),
    xsub: list("elsewhere", xid("One."), "Its subtransactions."),
  },
});

export const xlSmgrCreate = struct("XlSmgrCreate", {
  doc: "A file of a relation is made.",
  source: "storage_xlog.h",
  end: "sizeof",
  fields: {
    rlocator: relFileLocator,
    forkNum: numbered("i32", { 0: "main", 1: "fsm", 2: "vm", 3: "init" }, "Which file."),
  },
});

export const xlSmgrTruncate = struct("XlSmgrTruncate", {
  doc: "A relation is cut off.",
  source: "storage_xlog.h",
  end: "sizeof",
  fields: {
    blkno: u32("How many pages are left."),
    rlocator: relFileLocator,
    flags: i32("Which files: 1 the table's own, 2 its visibility map, 4 its free space map."),
  },
});

export const xlDbaseCreateFileCopyRec = struct("XlDbaseCreateFileCopyRec", {
  doc: "A database is made as a copy of another one's files.",
  source: "dbcommands_xlog.h",
  end: "sizeof",
  fields: {
    dbId: oid("The new database."),
    tablespaceId: oid("Its tablespace."),
    srcDbId: oid("The database that is copied."),
    srcTablespaceId: oid("Its tablespace."),
  },
});

export const xlDbaseCreateWalLogRec = struct("XlDbaseCreateWalLogRec", {
  doc: "A database is made page by page, through WAL.",
  source: "dbcommands_xlog.h",
  end: "sizeof",
  fields: { dbId: oid("The new database."), tablespaceId: oid("Its tablespace.") },
});

export const xlTblspcDropRec = struct("XlTblspcDropRec", {
  doc: "A tablespace is dropped.",
  source: "tablespace.h",
  end: "sizeof",
  fields: { tsId: oid("Which.") },
});

export const xlRelmapUpdate = struct("XlRelmapUpdate", {
  doc: "The file of a catalog that has a fixed place has changed.",
  source: "relmapper.h",
  end: "last field",
  fields: {
    dbid: oid("The database, 0 for what all share."),
    tsid: oid("Its tablespace."),
    nbytes: i32("The size of the map, in bytes."),
    data: rest("The new pg_filenode.map."),
  },
});

export const xlMultixactCreate = struct("XlMultixactCreate", {
  doc: "Several transactions hold one row.",
  source: "multixact.h",
  end: "last field",
  context: walContext,
  fields: {
    mid: u32("The multixact."),
    moff: when("multixactOffset32", u32(""), "Where its members are."),
    moff64: when("multixactOffset64", u64(""), "Where its members are."),
    nmembers: countOf("members", "How many."),
    members: list(
      "elsewhere",
      record(
        "MultiXactMember",
        {
          xid: xid("The transaction."),
          status: numbered(
            "u32",
            {
              0: "ForKeyShare",
              1: "ForShare",
              2: "ForNoKeyUpdate",
              3: "ForUpdate",
              4: "NoKeyUpdate",
              5: "Update",
            },
            "How it holds the row.",
          ),
        },
        "One.",
      ),
      "The transactions.",
    ),
    padding: padding("Between the fields."),
  },
});

export const xlMultixactTruncate = struct("XlMultixactTruncate", {
  doc: "Multixacts that no row has any more are forgotten.",
  source: "multixact.h",
  end: "last field",
  context: walContext,
  fields: {
    oldestMultiDB: oid("The database which has the oldest."),
    startTruncOff: when("multixactOffset32", u32(""), "The first that goes."),
    endTruncOff: when("multixactOffset32", u32(""), "The first that stays."),
    startTruncMemb: when("multixactOffset32", u32(""), "The first of their members."),
    endTruncMemb: when("multixactOffset32", u32(""), "The first member that stays."),
    oldestMulti: when("multixactOffset64", u32(""), "The first that stays."),
    oldestOffset: when("multixactOffset64", u64(""), "The first of its members."),
    padding: padding("Between the fields."),
  },
});

export const xlStandbyLocks = struct("XlStandbyLocks", {
  doc: "Tables with an exclusive lock, which standbys take too.",
  source: "standbydefs.h",
  end: "last field",
  fields: {
    nlocks: countOf("locks", "How many."),
    locks: list(
      "elsewhere",
      record(
        "StandbyLock",
        {
          xid: xid("Who holds it."),
          dbOid: oid("The database, 0 for what all share."),
          relOid: oid("The table."),
        },
        "One.",
      ),
      "The locks.",
    ),
  },
});

export const xlRunningXacts = struct("XlRunningXacts", {
  doc: "Which transactions are running.",
  source: "standbydefs.h",
  end: "last field",
  fields: {
    xcnt: i32("How many transactions are in xids."),
    subxcnt: i32("How many subtransactions, behind them."),
    subxidOverflow: bool("There are subtransactions that are not in xids."),
    nextXid: xid("The next xid."),
    oldestRunningXid: xid("The oldest that is running."),
    latestCompletedXid: xid("The newest that is over."),
    xids: list("end", xid("One."), "Transactions, then subtransactions."),
    padding: padding("Between the fields."),
  },
});

export const xlReploriginSet = struct("XlReploriginSet", {
  doc: "A replication origin is at a position.",
  source: "origin.h",
  end: "sizeof",
  fields: {
    remoteLsn: lsn("The position, there."),
    nodeId: u16("The origin."),
    force: bool("Also if that is less than before."),
    padding: padding("Behind the fields."),
  },
});

export const xlReploriginDrop = struct("XlReploriginDrop", {
  doc: "A replication origin is dropped.",
  source: "origin.h",
  end: "sizeof",
  fields: { nodeId: u16("Which.") },
});

/** The head of a prepared transaction, in WAL and in its file: TwoPhaseFileHeader. Lists follow it; variable.ts has them. */
export const xlXactPrepare = struct("XlXactPrepare", {
  doc: "The head of a prepared transaction.",
  source: "xact.h, twophase.c: TwoPhaseFileHeader",
  end: "sizeof",
  context: walContext,
  fields: {
    magic: u32("The format of the file."),
    totalLen: u32("The size of the file, in bytes."),
    xid: xid("The transaction."),
    database: oid("Its database."),
    preparedAt: time("When."),
    owner: oid("Whose it is."),
    nsubxacts: i32("How many subtransactions follow."),
    ncommitrels: i32("How many relations that a commit drops."),
    nabortrels: i32("How many relations that an abort drops."),
    ncommitstats: when("droppedStats", i32(""), "How many statistics that a commit drops."),
    nabortstats: when("droppedStats", i32(""), "How many statistics that an abort drops."),
    ninvalmsgs: i32("How many invalidation messages."),
    initfileinval: bool("Does the file of the relation cache go?"),
    gidlen: u16("The length of its name, its zero included, in bytes."),
    originLsn: when("prepareOrigin", lsn(""), "Where it is at its replication origin."),
    originTimestamp: when("prepareOrigin", time(""), "When it was prepared there."),
    padding: padding("Between the fields."),
  },
});

/** A checkpoint, which stands in WAL and in pg_control: described once, for the structs of both. */
import { bool, i64, lsn, numbered, oid, record, u32, u64, when, xid } from "../wire/shape.ts";

export const walLevels = { 0: "minimal", 1: "replica", 2: "logical" } as const;
/** wal_level before commit b555ed8102 */
export const archiveWalLevels = { 0: "minimal", 1: "archive", 2: "hot_standby", 3: "logical" } as const;

/** The parts of a checkpoint that depend on the server. */
export const checkPointConditions = {
  nextXidEpoch: { doc: "Checkpoints have the epoch of the next transaction apart (to 11).", otherwise: false },
  fullNextXid: { doc: "Checkpoints have the next transaction with its epoch (12 and later).", otherwise: true },
  walLevelInCheckpoints: { doc: "Checkpoints and ends of recovery have wal_level (17 and later).", otherwise: true },
  logicalDecodingStatus: { doc: "Checkpoints have the state of logical decoding (19).", otherwise: false },
  multixactOffset32: { doc: "Offsets of multixact members are numbers of 32 bits (to 18).", otherwise: true },
  multixactOffset64: { doc: "They have 64 bits (19).", otherwise: false },
  commitTimestamps: {
    doc: "Checkpoints name the transactions with commit timestamps (9.5 and later).",
    otherwise: true,
  },
} as const;

const fields = {
  redo: lsn("Where replay begins."),
  thisTimeLineID: u32("The timeline."),
  prevTimeLineID: u32("The timeline before, if this record begins one; else the same."),
  fullPageWrites: bool("full_page_writes"),
  walLevel: when("walLevelInCheckpoints", numbered("i32", walLevels, "wal_level"), "wal_level"),
  logicalDecodingEnabled: when("logicalDecodingStatus", bool(""), "Can there be logical decoding?"),
  nextXidEpoch: when("nextXidEpoch", u32(""), "How often xids have come round."),
  nextXid: when("nextXidEpoch", xid(""), "The next xid."),
  nextFullXid: when("fullNextXid", u64(""), "The next xid, its epoch in the upper 32 bits."),
  nextOid: oid("The next oid."),
  nextMulti: u32("The next multixact."),
  nextMultiOffset: when("multixactOffset32", u32(""), "The next offset of multixact members."),
  nextMultiOffset64: when("multixactOffset64", u64(""), "The next offset of multixact members."),
  oldestXid: xid("The oldest xid that may be in a table."),
  oldestXidDB: oid("The database which has it."),
  oldestMulti: u32("The oldest multixact that may be in a table."),
  oldestMultiDB: oid("The database which has it."),
  time: i64("Seconds since 1970."),
  oldestCommitTsXid: when(
    "commitTimestamps",
    xid(""),
    "The oldest transaction with a commit timestamp, 0 if there is none.",
  ),
  newestCommitTsXid: when("commitTimestamps", xid(""), "The newest, 0 if there is none."),
  oldestActiveXid: xid("The oldest that is running; 0 in checkpoints of a shutdown, and with wal_level=minimal."),
} as const;

/** @source pg_control.h: CheckPoint */
export const checkPoint = record("CheckPointCopy", fields, "What the record of the last checkpoint says.");

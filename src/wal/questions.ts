/**
 * Questions about WAL: where recovery stops, which transactions committed, where replay can begin.
 *
 * Each reads one record, or records in order, and keeps only its answer.
 *
 * @source xlogrecovery.c: recoveryStopsBefore, recoveryStopsAfter, getRecordTimestamp
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import type { CheckPoint } from "../generated/wal.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkObject, checkOneOf, iterableOf } from "../kernel/options.ts";
import { type PgTime, toPgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { describeWalRecord } from "./contents.ts";
import { serverOf, type WalServer } from "./format.ts";
import { checkRecord, type WalRecord } from "./record.ts";

/** rmgrlist.h: the resource managers whose records answer anything. */
const RM_XLOG_ID = 0;
const RM_XACT_ID = 1;

/** How a transaction ended. */
export interface WalTransactionEnd {
  /** Was it committed or rolled back? */
  readonly outcome: "commit" | "abort";
  /** The transaction; of one that was prepared not the one in the record's header, which is 0. */
  readonly xid: number;
  /** Those of its subtransactions that ended with it. */
  readonly subxacts: readonly number[];
  /** When, by the clock of the session that ended it: times of records that follow each other may go back. */
  readonly time: PgTime;
  /** The name under which it was prepared; undefined if it was not, and before 11. */
  readonly gid: string | undefined;
  /** The position of its commit record on its replication origin; undefined if it has no origin. */
  readonly originLsn: Lsn | undefined;
  /** The time of its commit on its replication origin; undefined if it has no origin. */
  readonly originTimestamp: PgTime | undefined;
  /** The position of the record. */
  readonly lsn: Lsn;
  /** The end of the record, exclusive. */
  readonly end: Lsn;
}

/**
 * The end of a transaction that this record is; undefined if it is another record.
 *
 * @throws DecodeError if its main data is damaged.
 * @source xact.h: XLOG_XACT_COMMIT, XLOG_XACT_COMMIT_PREPARED, XLOG_XACT_ABORT, XLOG_XACT_ABORT_PREPARED
 */
export function walTransactionEnd(record: WalRecord, options: WalServer): WalTransactionEnd | undefined {
  const server = serverOf(options);
  checkRecord(record);
  if (record.rmid !== RM_XACT_ID) return undefined;
  const { contents } = describeWalRecord(record, { server });
  if (contents?.type !== "XlXactCommit" && contents?.type !== "XlXactAbort") return undefined;
  const { xactTime: time, subxacts, twophaseXid, twophaseGid: gid, originLsn, originTimestamp } = contents;
  const outcome = contents.type === "XlXactCommit" ? "commit" : "abort";
  const xid = isOfPrepared(record) ? (twophaseXid ?? 0) : record.xid;
  const { lsn, end } = record;
  return { outcome, xid, subxacts, time, gid, originLsn, originTimestamp, lsn, end };
}

/** xact.h: XLOG_XACT_OPMASK, XLOG_XACT_COMMIT_PREPARED, XLOG_XACT_ABORT_PREPARED */
function isOfPrepared({ info }: WalRecord): boolean {
  return (info & 0x70) === 0x30 || (info & 0x70) === 0x40;
}

/**
 * How far recovery goes: the settings recovery_target_time, _xid, _name, _lsn and _inclusive, and recovery_target = immediate.
 */
export type RecoveryTarget =
  | ({
      readonly type: "time";
      /** recovery_target_time: the time of a commit or rollback. */
      readonly time: PgTime;
    } & InclusiveTarget)
  | ({
      readonly type: "xid";
      /** recovery_target_xid: a transaction. */
      readonly xid: number;
    } & InclusiveTarget)
  | {
      readonly type: "name";
      /** recovery_target_name: a restore point of pg_create_restore_point. */
      readonly name: string;
    }
  | ({
      readonly type: "lsn";
      /** recovery_target_lsn: a position. */
      readonly lsn: Lsn;
    } & InclusiveTarget)
  | {
      /** As soon as a base backup is consistent: at the record that says that it ended. */
      readonly type: "immediate";
      /** START WAL LOCATION of its backup_label. The default is any backup. */
      readonly backupStart?: Lsn | undefined;
    };

/** A target that recovery stops before or after. */
export interface InclusiveTarget {
  /** recovery_target_inclusive: stop after the target, not before it. Default: true. */
  readonly inclusive?: boolean | undefined;
}

/** Where recovery stops, and why. */
export interface RecoveryStop {
  /** Is the record replayed (`after`) or not (`before`)? */
  readonly side: "before" | "after";
  /** The end of replay: the beginning of the record, or one past it. */
  readonly position: Lsn;
  /** The position of the record. */
  readonly lsn: Lsn;
  /** The kind of record. */
  readonly at: "commit" | "abort" | "restore point" | "location" | "consistency";
  /** The transaction that the record ends; undefined for other records. */
  readonly xid: number | undefined;
  /** The time in a commit, rollback or restore point; undefined for other records. */
  readonly time: PgTime | undefined;
  /** The name of the restore point; undefined for other records. */
  readonly name: string | undefined;
}

/**
 * Does recovery stop at this record? It stops at the first record for which this returns a stop.
 *
 * @param target With `inclusive` left out, it is what the setting's default is: true.
 * @returns undefined if recovery goes on.
 * @throws DecodeError if the record's main data is damaged.
 * @source xlogrecovery.c: recoveryStopsBefore, recoveryStopsAfter
 */
export function recoveryStopsAt(
  record: WalRecord,
  target: RecoveryTarget,
  options: WalServer,
): RecoveryStop | undefined {
  const server = serverOf(options);
  checkRecord(record);
  checkTarget(target);
  if (target.type === "name") {
    const point = restorePointOf(record, server);
    if (point === undefined || point.rpName !== target.name) return undefined;
    return stop(record, "after", "restore point", { time: point.rpTime, name: point.rpName });
  }
  if (target.type === "immediate") {
    const startpoint = backupEndOf(record, server);
    if (startpoint === undefined) return undefined;
    const { backupStart = startpoint } = target;
    return startpoint === backupStart ? stop(record, "after", "consistency", {}) : undefined;
  }
  const inclusive = target.inclusive ?? true;
  if (target.type === "lsn") {
    return record.lsn >= target.lsn ? stop(record, inclusive ? "after" : "before", "location", {}) : undefined;
  }
  const ended = walTransactionEnd(record, { server });
  if (ended === undefined) return undefined;
  const { outcome, xid, time } = ended;
  if (target.type === "xid") {
    return xid === target.xid ? stop(record, inclusive ? "after" : "before", outcome, { xid, time }) : undefined;
  }
  // Many may have ended at the same time: after the last of them, or before the first.
  const stops = inclusive ? time > target.time : time >= target.time;
  return stops ? stop(record, "before", outcome, { xid, time }) : undefined;
}

const targetTypes = ["time", "xid", "name", "lsn", "immediate"] as const;

function checkTarget(target: RecoveryTarget): void {
  checkObject("target", target);
  checkOneOf("target.type", target.type, targetTypes);
  if (target.type === "time") toPgTime(target.time);
  if (target.type === "lsn") toLsn(target.lsn);
}

function stop(
  { lsn, end }: WalRecord,
  side: RecoveryStop["side"],
  at: RecoveryStop["at"],
  { xid, time, name }: Partial<Pick<RecoveryStop, "xid" | "time" | "name">>,
): RecoveryStop {
  return { side, position: side === "before" ? lsn : end, lsn, at, xid, time, name };
}

function restorePointOf(record: WalRecord, server: Server) {
  if (record.rmid !== RM_XLOG_ID) return undefined;
  const { contents } = describeWalRecord(record, { server });
  return contents?.type === "XlRestorePoint" ? contents : undefined;
}

/** Where the base backup began that ends with this record. @source xlog.c: XLOG_BACKUP_END */
function backupEndOf(record: WalRecord, server: Server): Lsn | undefined {
  if (record.rmid !== RM_XLOG_ID) return undefined;
  const { contents } = describeWalRecord(record, { server });
  return contents?.type === "BackupEnd" ? contents.startpoint : undefined;
}

/**
 * Where recovery stops, and the last transaction that is committed there.
 *
 * @param records In the order of WAL, of one branch (see `selectWalSegments`) and without a gap. Records after the stop are not read.
 * @returns `stop` is undefined if the records end before the target. Servers from 13 on then stop with an error; older ones end recovery
 *   at the end of WAL.
 * @throws DecodeError if the main data of a record is damaged.
 */
export function findRecoveryStop(
  records: Iterable<WalRecord>,
  target: RecoveryTarget,
  options: WalServer,
): {
  /** Where recovery stops; undefined if the records end before the target. */
  readonly stop: RecoveryStop | undefined;
  /** The last commit that is replayed; undefined if there is none. */
  readonly lastCommit: WalTransactionEnd | undefined;
} {
  const server = serverOf(options);
  checkTarget(target);
  let lastCommit: WalTransactionEnd | undefined;
  for (const record of iterableOf(records) ?? refuseArgument("records", "an iterable", records)) {
    const found = recoveryStopsAt(record, target, { server });
    if (found?.side === "before") return { stop: found, lastCommit };
    const ended = walTransactionEnd(record, { server });
    if (ended?.outcome === "commit") lastCommit = ended;
    if (found !== undefined) return { stop: found, lastCommit };
  }
  return { stop: undefined, lastCommit };
}

/**
 * The transactions that these records commit, in their order.
 *
 * @throws DecodeError if the main data of a record is damaged.
 */
export function* committedTransactions(records: Iterable<WalRecord>, options: WalServer): Generator<WalTransactionEnd> {
  const server = serverOf(options);
  for (const record of iterableOf(records) ?? refuseArgument("records", "an iterable", records)) {
    const ended = walTransactionEnd(record, { server });
    if (ended?.outcome === "commit") yield ended;
  }
}

/** A checkpoint: replay that begins at `redo` needs nothing before. */
export interface WalCheckpoint {
  /** Where its record begins: what backup_label calls CHECKPOINT LOCATION. */
  readonly lsn: Lsn;
  /** Where replay begins: START WAL LOCATION of a backup that began with it. */
  readonly redo: Lsn;
  /** Made by a server that shut down, or that ended recovery. */
  readonly shutdown: boolean;
  /** Its contents. */
  readonly checkPoint: CheckPoint;
}

/**
 * The checkpoint that this record is; undefined if it is another record.
 *
 * @throws DecodeError if its main data is damaged.
 */
export function walCheckpoint(record: WalRecord, options: WalServer): WalCheckpoint | undefined {
  const server = serverOf(options);
  checkRecord(record);
  if (record.rmid !== RM_XLOG_ID) return undefined;
  const { contents, operation } = describeWalRecord(record, { server });
  if (contents?.type !== "CheckPoint") return undefined;
  const { type: _, ...checkPoint } = contents;
  return { lsn: record.lsn, redo: contents.redo, shutdown: operation === "CHECKPOINT_SHUTDOWN", checkPoint };
}

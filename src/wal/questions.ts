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
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { describeWalRecord } from "./contents.ts";
import type { WalServer } from "./format.ts";
import type { WalRecord } from "./record.ts";

/** rmgrlist.h: the resource managers whose records answer anything. */
const RM_XLOG_ID = 0;
const RM_XACT_ID = 1;

/** How a transaction ended. */
export interface WalTransactionEnd {
  readonly outcome: "commit" | "abort";
  /** The transaction; of one that was prepared not the one in the record's header, which is 0. */
  readonly xid: number;
  /** Those of its subtransactions that ended with it. */
  readonly subxacts: readonly number[];
  /** When, by the clock of the session that ended it: times of records that follow each other may go back. */
  readonly time: PgTime;
  /** The name under which it was prepared; undefined if it was not, and before 11. */
  readonly gid: string | undefined;
  /** Where its commit is at its replication origin, and when it was committed there; undefined if it has none. */
  readonly originLsn: Lsn | undefined;
  readonly originTimestamp: PgTime | undefined;
  /** Where the record begins, and one past it: WAL from `end` on no longer includes the transaction. */
  readonly lsn: Lsn;
  readonly end: Lsn;
}

/**
 * The end of a transaction that this record is; undefined if it is another record.
 *
 * @throws DecodeError if its main data is damaged.
 * @source xact.h: XLOG_XACT_COMMIT, XLOG_XACT_COMMIT_PREPARED, XLOG_XACT_ABORT, XLOG_XACT_ABORT_PREPARED
 */
export function walTransactionEnd(record: WalRecord, { server }: WalServer): WalTransactionEnd | undefined {
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
  | { readonly type: "time"; readonly time: PgTime; readonly inclusive?: boolean | undefined }
  | { readonly type: "xid"; readonly xid: number; readonly inclusive?: boolean | undefined }
  | { readonly type: "name"; readonly name: string }
  | { readonly type: "lsn"; readonly lsn: Lsn; readonly inclusive?: boolean | undefined }
  | {
      /** As soon as a base backup is consistent: at the record that says that it ended. */
      readonly type: "immediate";
      /** START WAL LOCATION of its backup_label. The default is any backup. */
      readonly backupStart?: Lsn | undefined;
    };

/** Where recovery stops, and why. */
export interface RecoveryStop {
  /** Is the record replayed (`after`) or not (`before`)? */
  readonly side: "before" | "after";
  /** The end of replay: the beginning of the record, or one past it. */
  readonly position: Lsn;
  /** The record. */
  readonly lsn: Lsn;
  readonly at: "commit" | "abort" | "restore point" | "location" | "consistency";
  /** The transaction that it ends, when it ended or the restore point was made, and its name; undefined if that does not apply. */
  readonly xid: number | undefined;
  readonly time: PgTime | undefined;
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
  { server }: WalServer,
): RecoveryStop | undefined {
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
 * @returns `stop` is undefined if the records end before the target. A server then stops with an error since 13, and ends recovery at the
 *   end of WAL before.
 * @throws DecodeError if the main data of a record is damaged.
 */
export function findRecoveryStop(
  records: Iterable<WalRecord>,
  target: RecoveryTarget,
  { server }: WalServer,
): { readonly stop: RecoveryStop | undefined; readonly lastCommit: WalTransactionEnd | undefined } {
  let lastCommit: WalTransactionEnd | undefined;
  for (const record of records) {
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
export function* committedTransactions(
  records: Iterable<WalRecord>,
  { server }: WalServer,
): Generator<WalTransactionEnd> {
  for (const record of records) {
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
  readonly checkPoint: CheckPoint;
}

/**
 * The checkpoint that this record is; undefined if it is another record.
 *
 * @throws DecodeError if its main data is damaged.
 */
export function walCheckpoint(record: WalRecord, { server }: WalServer): WalCheckpoint | undefined {
  if (record.rmid !== RM_XLOG_ID) return undefined;
  const { contents, operation } = describeWalRecord(record, { server });
  if (contents?.type !== "CheckPoint") return undefined;
  const { type: _, ...checkPoint } = contents;
  return { lsn: record.lsn, redo: contents.redo, shutdown: operation === "CHECKPOINT_SHUTDOWN", checkPoint };
}

// Generated from src/files/structs.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../kernel/lsn.ts";
import { mustBeContext, mustBeObject } from "../wire/check.ts";
import { NativeReader, NativeWriter, numberOf, wordOf } from "../wire/native.ts";

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

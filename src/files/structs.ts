/**
 * What PostgreSQL writes to its state files as it lies in memory, described once: slots, origins, and snapshots of logical decoding.
 * The layouts are those of 64-bit machines with little-endian numbers; nobody has moved such a file to another kind.
 */
import { combinationsOf } from "../kernel/version.ts";
import {
  bool,
  type Context,
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

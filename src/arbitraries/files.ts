/** fast-check arbitraries of the binary files of a data directory, as servers write them: each has the checksum that belongs to it. */
import * as fc from "fast-check";
import { stateFileCapabilities } from "../files/capabilities.ts";
import { controlFileFormat, encodeControlFile } from "../files/control-file.ts";
import { encodeReplicationOrigins } from "../files/replication-origins.ts";
import { encodeSlotState } from "../files/slot-state.ts";
import { encodeSnapshot, SNAPBUILD_MAGIC, type SnapBuildSnapshot, snapshotFormat } from "../files/snapshot.ts";
import * as structs from "../files/structs.ts";
import { encodeWalSummary, INVALID_BLOCK_NUMBER, type WalSummaryRelation } from "../files/wal-summary.ts";
import type { ControlFileData, SnapBuildOnDisk } from "../generated/files.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import { structOf } from "./messages.ts";

/** The server that a file is of. */
export interface FileArbitraryOptions {
  /** Default: 18. */
  readonly server?: Server | undefined;
}

const contextOf = ({ server = defaultServer }: FileArbitraryOptions) => stateFileCapabilities.of(server);
const uint32 = fc.integer({ min: 0, max: 0xffffffff });

/**
 * global/pg_control of a server of this version.
 *
 * @throws UnsupportedError for an unknown server.
 * @example fc.sample(controlFile({ server: 10 }), 1)[0].length // 8192
 */
export function controlFile(options: FileArbitraryOptions = {}): fc.Arbitrary<Uint8Array> {
  const context = contextOf(options);
  const { version: pgControlVersion } = controlFileFormat(context);
  return (structOf(structs.ControlFileData, { ...context }) as fc.Arbitrary<ControlFileData>).map((data) =>
    encodeControlFile({ ...data, pgControlVersion }),
  );
}

/**
 * pg_replslot/NAME/state of a server of this version, of a slot that is not invalidated.
 *
 * @throws UnsupportedError for an unknown server.
 * @example fc.sample(slotState({ server: 16 }), 1)[0].length // 200
 */
export function slotState(options: FileArbitraryOptions = {}): fc.Arbitrary<Uint8Array> {
  return structOf(structs.ReplicationSlotOnDisk, { ...contextOf(options) }).map(({ slotdata }) =>
    encodeSlotState({ ...slotdata, invalidated: "none" }, options),
  );
}

/**
 * pg_logical/replorigin_checkpoint, the same in every version.
 *
 * @example fc.sample(replicationOrigins(), 1)[0].length % 16 // 8
 */
export function replicationOrigins(): fc.Arbitrary<Uint8Array> {
  return fc.array(structOf(structs.ReplicationStateOnDisk), { maxLength: 6 }).map(encodeReplicationOrigins);
}

/**
 * pg_logical/snapshots/X-X.snap of a server of this version, consistent as servers write it.
 *
 * @throws UnsupportedError for an unknown server.
 * @example fc.sample(logicalSnapshot({ server: 12 }), 1)[0].length % 4 // 0
 */
export function logicalSnapshot(options: FileArbitraryOptions = {}): fc.Arbitrary<Uint8Array> {
  const { version, context } = snapshotFormat(contextOf(options));
  const head = structOf(structs.SnapBuildOnDisk, { ...context }) as fc.Arbitrary<SnapBuildOnDisk>;
  const xids = fc.array(uint32, { maxLength: 5 });
  return fc.tuple(head, xids, xids, xids).map(([{ builder, ...rest }, first, committed, third]) => {
    const wasRunning = builder.wasRunning === undefined ? undefined : first;
    const catchange = builder.catchange === undefined ? undefined : third;
    const counted = {
      ...builder,
      state: "consistent" as const,
      committed: { ...builder.committed, xcnt: BigInt(committed.length) },
      ...(builder.wasRunning && { wasRunning: { ...builder.wasRunning, wasXcntSpace: BigInt(first.length) } }),
      ...(builder.catchange && { catchange: { ...builder.catchange, xcnt: BigInt(third.length) } }),
    };
    const snapshot = (length: number): SnapBuildSnapshot => ({
      head: { ...rest, magic: SNAPBUILD_MAGIC, checksum: 0, version, length, builder: counted },
      wasRunning,
      committed,
      catchange,
    });
    return encodeSnapshot(snapshot(encodeSnapshot(snapshot(0)).length));
  });
}

const chunk = fc.oneof(
  { weight: 4, arbitrary: fc.uniqueArray(fc.nat(0xffff), { maxLength: 6 }).map((offsets) => ({ offsets })) },
  { weight: 1, arbitrary: fc.nat(0xff).map((byte) => ({ bitmap: new Uint8Array(8192).fill(byte) })) },
);

/**
 * pg_wal/summaries/….summary, of a server from 17 on.
 *
 * @example fc.sample(walSummary(), 1)[0].length >= 32 // true
 */
export function walSummary(): fc.Arbitrary<Uint8Array> {
  const relation: fc.Arbitrary<WalSummaryRelation> = fc.record(
    {
      spcOid: fc.constantFrom(1663, 1664),
      dbOid: fc.constantFrom(0, 5),
      relNumber: uint32,
      forknum: fc.constantFrom("main", "fsm", "vm", "init"),
      limitBlock: fc.oneof(fc.constant(INVALID_BLOCK_NUMBER), uint32),
      chunks: fc.array(chunk, { maxLength: 3 }),
    },
    { noNullPrototype: true },
  );
  return fc
    .uniqueArray(relation, { maxLength: 4, selector: ({ relNumber }) => relNumber })
    .map((relations) => encodeWalSummary(relations));
}

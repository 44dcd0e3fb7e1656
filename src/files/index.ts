/** walwire/files: the files of replication. */
export type {
  ReplicationSlotOnDisk,
  ReplicationSlotPersistentData,
  ReplicationStateOnDisk,
  SnapBuild,
  SnapBuildCatchange,
  SnapBuildCommitted,
  SnapBuildOnDisk,
  SnapBuildWasRunning,
} from "../generated/files.ts";
export { decodeReplicationSlotOnDisk, encodeReplicationSlotOnDisk } from "../generated/files.ts";
export type { StateFileRefusal } from "./refusal.ts";
export {
  type CheckReplicationOriginsOptions,
  checkReplicationOrigins,
  decodeReplicationOrigins,
  encodeReplicationOrigins,
} from "./replication-origins.ts";
export {
  type CheckSlotStateOptions,
  checkSlotState,
  decodeSlotState,
  encodeSlotState,
  slotInvalidation,
  slotStateVersions,
} from "./slot-state.ts";
export {
  type CheckSnapshotOptions,
  checkSnapshot,
  decodeSnapshot,
  encodeSnapshot,
  parseSnapshotFileName,
  type SnapBuildSnapshot,
  snapshotFileName,
} from "./snapshot.ts";

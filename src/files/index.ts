/**
 * walwire/files: pg_control, WAL summaries, slot state, replication origins, snapshots, timeline histories, backup_label, tablespace_map.
 */
export type {
  BlockRefTableSerializedEntry,
  CheckPointCopy,
  ControlFileData,
  ReplicationSlotOnDisk,
  ReplicationSlotPersistentData,
  ReplicationStateOnDisk,
  SlotStateContext,
  SnapBuild,
  SnapBuildCatchange,
  SnapBuildCommitted,
  SnapBuildOnDisk,
  SnapBuildWasRunning,
} from "../generated/files.ts";
export { decodeReplicationSlotOnDisk, encodeReplicationSlotOnDisk } from "../generated/files.ts";
export { checkSlotName, judgeSlotName, type SlotNameRefusal } from "../text/slot-name.ts";
export {
  type BackupHistory,
  type BackupLabel,
  type BackupLabelOptions,
  checkBackupLabel,
  parseBackupHistory,
  parseBackupLabel,
  printBackupHistory,
  printBackupLabel,
  unreadBackupLabel,
} from "./backup-label.ts";
export { type ControlFileLayout, controlFileVersions, decodeControlFile, encodeControlFile } from "./control-file.ts";
export { explainControlFile } from "./explain-control-file.ts";
export { type ExplainSlotOptions, explainSlot } from "./explain-slot.ts";
export type { FileContent } from "./file-text.ts";
export type { StateFileRefusal } from "./refusal.ts";
export {
  decodeReplicationOrigins,
  encodeReplicationOrigins,
  type JudgeReplicationOriginsOptions,
  judgeReplicationOrigins,
} from "./replication-origins.ts";
export {
  decodeSlotState,
  encodeSlotState,
  type JudgeSlotStateOptions,
  judgeSlotState,
  slotInvalidation,
  slotStateVersions,
} from "./slot-state.ts";
export {
  decodeSnapshot,
  encodeSnapshot,
  type JudgeSnapshotOptions,
  judgeSnapshot,
  parseSnapshotFileName,
  type SnapBuildSnapshot,
  snapshotFileName,
} from "./snapshot.ts";
export {
  parseTablespaceMap,
  printTablespaceMap,
  type TablespaceMapEntry,
  type TablespaceMapOptions,
} from "./tablespace-map.ts";
export {
  parseTimeLineHistory,
  printTimeLineHistory,
  type TimeLineHistory,
  type TimeLineHistoryEntry,
  type TimeLineHistoryOptions,
} from "./timeline-history.ts";
export {
  explainTimeLineHistory,
  explainTimeLines,
  findCommonAncestorTimeline,
  isAncestorHistory,
  judgeNewTimeLine,
  judgeRecovery,
  judgeStartReplication,
  type TimeLinePoint,
  type TimeLineRefusal,
  tliInHistory,
  tliOfPointInHistory,
  tliSwitchPoint,
} from "./timeline-questions.ts";
export {
  encodeWalSummary,
  parseWalSummaryName,
  type WalSummaryChunk,
  type WalSummaryEvent,
  WalSummaryReader,
  type WalSummaryReaderOptions,
  type WalSummaryRelation,
  walSummaryBlocks,
} from "./wal-summary.ts";

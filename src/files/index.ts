/** walwire/files: the files of replication. */
export {
  defaultSegmentSize,
  isSegmentSize,
  parseArchiveStatusName,
  parseSegmentName,
  parseWalFileName,
  segmentName,
  segmentNumber,
  segmentOf,
  segmentOffset,
  segmentStart,
  type WalFileName,
  walFileName,
} from "../segment.ts";
export { checkSlotName, type SlotNameRefusal, slotNameRefusal } from "../slot-name.ts";
export {
  type BackupHistory,
  type BackupLabel,
  type BackupLabelOptions,
  checkBackupLabel,
  parseBackupHistory,
  parseBackupLabel,
  printBackupHistory,
  printBackupLabel,
} from "./backup-label.ts";
export type { FileContent } from "./file-text.ts";
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
  refuseNewTimeLine,
  refuseRecovery,
  refuseStartReplication,
  type TimeLinePoint,
  type TimeLineRefusal,
  tliInHistory,
  tliOfPointInHistory,
  tliSwitchPoint,
} from "./timeline-questions.ts";

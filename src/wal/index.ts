/**
 * walwire/wal: WAL pages and records: read, write, describe; where recovery stops.
 */

export type { CheckPoint } from "../generated/wal.ts";
export type { Json } from "../wire/json.ts";
export { describeWalRecord, type WalContents, type WalDescription } from "./contents.ts";
export { WalCutter, type WalPiece } from "./cutter.ts";
export { DEFAULT_BLOCK_SIZE, decodeWalRecord } from "./decode.ts";
export { formatWalBlocks, formatWalContents, formatWalRecord } from "./desc.ts";
export { encodeWalRecord, type WalRecordFields } from "./encode.ts";
export { WalError } from "./error.ts";
export { type WalFormat, type WalServer, walFormat, walFormatOfMagic } from "./format.ts";
export { jsonOfWalContents, jsonOfWalRecord } from "./json.ts";
export { decodeWalPageHeader, encodeWalPageHeader, type WalPageHeader } from "./page.ts";
export type { WalEnd, WalPageOptions } from "./page-reader.ts";
export {
  committedTransactions,
  findRecoveryStop,
  type InclusiveTarget,
  type RecoveryStop,
  type RecoveryTarget,
  recoveryStopsAt,
  type WalCheckpoint,
  type WalTransactionEnd,
  walCheckpoint,
  walTransactionEnd,
} from "./questions.ts";
export { WalReader, type WalReaderOptions } from "./reader.ts";
export type { WalBlock, WalFork, WalImage, WalRecord, WalRecordHeader } from "./record.ts";
export { walOperation, walResourceManager } from "./rmgr.ts";
export {
  type SelectedWalSegment,
  selectWalSegments,
  type WalFile,
  type WalFilePassedOver,
  type WalSelection,
  type WalSelectionOptions,
  type WalTimeline,
} from "./timeline.ts";
export { type WalRecordPlace, WalWriter, type WalWriterOptions } from "./writer.ts";

/**
 * walwire/basebackup: the stream of BASE_BACKUP and UPLOAD_MANIFEST; incremental files.
 */

export {
  type BaseBackupMessage,
  type Data,
  decodeBaseBackupMessage,
  encodeBaseBackupMessage,
  type ManifestStart,
  type NewArchive,
  type Progress,
} from "../generated/basebackup.ts";
export type { ServerFields, SessionFrame, TransactionStatus } from "../session/messages.ts";
export { type BackupFile, type BlockRange, type Reconstruction, reconstruct } from "./combine.ts";
export {
  type BackupCompression,
  type BackupTablespace,
  type BaseBackupEvent,
  type BaseBackupOptions,
  encodeBaseBackupEvent,
} from "./events.ts";
export {
  type BlockSizes,
  encodeIncrementalHeader,
  INCREMENTAL_PREFIX,
  type IncrementalEvent,
  type IncrementalHeader,
  type IncrementalOptions,
  IncrementalReader,
  incrementalHeaderLength,
} from "./incremental.ts";
export { BaseBackupReceiver, type BaseBackupReceiverOptions, type BaseBackupState } from "./receiver.ts";
export {
  ManifestReceiver,
  type ManifestReceiverEvent,
  ManifestUpload,
  type ManifestUploadEvent,
  type ManifestUploadState,
} from "./upload.ts";

/**
 * walwire/arbitraries: fast-check arbitraries: correct, almost correct and damaged traffic (needs `fast-check`).
 *
 * Install it too: `npm install walwire fast-check`. Without it the import fails with the error of the runtime, which names the package
 * (ERR_MODULE_NOT_FOUND in Node). An error of ours would need a dynamic import, and with it neither `require` nor bundles in CommonJS
 * could load this module.
 */
export { backupArchive } from "./archive.ts";
export { baseBackupEvents, baseBackupMessage } from "./basebackup.ts";
export { splits } from "./bytes.ts";
export type { CommandArbitraryOptions } from "./command.ts";
export { command, commandText } from "./command.ts";
export { resultSetValue } from "./command-results.ts";
export { confFiles } from "./conf.ts";
export { damaged, damagedFrames } from "./damage.ts";
export {
  controlFile,
  type FileArbitraryOptions,
  logicalSnapshot,
  replicationOrigins,
  slotState,
  walSummary,
} from "./files.ts";
export {
  type HistoryTransaction,
  type PgoutputHistory,
  type PgoutputHistoryOptions,
  pgoutputHistory,
} from "./histories.ts";
export { backupManifest, backupManifestText } from "./manifest.ts";
export { lsn, pgoutputMessage, pgTime, walReceiverMessage, walSenderMessage, wireText } from "./messages.ts";
export { type ServerCommand, type ServerCommandsOptions, type ServerPeer, serverCommands } from "./server-commands.ts";
export {
  type AnswerLines,
  answerLines,
  type ModelSession,
  type ModelSlot,
  type ServerEvent,
  ServerModel,
  type ServerModelOptions,
} from "./server-model.ts";
export { backendMessage, frontendMessage, startupPacket } from "./session.ts";
export { type SessionMessage, type WalsenderSessionOptions, walsenderSession } from "./sessions.ts";
export { almostPgoutputStream, type PgoutputStreamOptions, pgoutputStream } from "./streams.ts";
export type { StandbyNamesArbitraryOptions } from "./syncrep.ts";
export { synchronousStandbyNamesText, syncRepConfig } from "./syncrep.ts";
export {
  backupHistory,
  backupLabel,
  backupLabelText,
  tablespaceMap,
  tablespaceMapText,
  timeLineHistory,
  timeLineHistoryText,
} from "./texts.ts";
export { typeValue } from "./values.ts";
export { type WalStream, walRecordFields, walStream } from "./wal.ts";

/**
 * walwire/arbitraries: fast-check arbitraries for who tests or fuzzes a walsender, a walreceiver, a pooler or a proxy:
 * correct values, text that is correct, almost correct and hostile, and what happens to bytes on their way.
 */
export { baseBackupEvents, baseBackupMessage } from "./basebackup.ts";
export { damaged, splits } from "./bytes.ts";
export { command, commandText } from "./command.ts";
export { resultSetValue } from "./command-results.ts";
export { backupManifest, backupManifestText } from "./manifest.ts";
export { lsn, pgoutputMessage, pgTime, walReceiverMessage, walSenderMessage, wireText } from "./messages.ts";
export { almostPgoutputStream, type PgoutputStreamOptions, pgoutputStream } from "./streams.ts";
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

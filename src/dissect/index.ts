/**
 * walwire/dissect: messages, files, pages and records of WAL as trees of fields with the place of each byte.
 */

export type { DissectedField, DissectedForm, Dissection } from "../wire/dissect.ts";
export type { Json } from "../wire/json.ts";
export { dissectBackupManifest, dissectIncrementalFile, dissectWalSummary } from "./backup.ts";
export { dissectControlFile, dissectReplicationOrigins, dissectSlotState, dissectSnapshot } from "./files.ts";
export {
  dissectBaseBackupMessage,
  dissectPgoutputMessage,
  dissectWalReceiverMessage,
  dissectWalSenderMessage,
} from "./messages.ts";
export { dissectBackendMessage, dissectFrontendMessage, dissectStartupPacket } from "./session.ts";
export { formatDissectedField, jsonOfDissection } from "./show.ts";
export {
  type DissectTextOptions,
  dissectBackupHistory,
  dissectBackupLabel,
  dissectTablespaceMap,
  dissectTimeLineHistory,
} from "./texts.ts";
export { dissectWalPage, dissectWalRecord } from "./wal.ts";

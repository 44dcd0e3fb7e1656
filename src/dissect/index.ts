/**
 * walwire/dissect: messages, state files, pages and records of WAL as trees of fields with the place of each byte.
 */

export type { DissectedField, DissectedForm, Dissection } from "../wire/dissect.ts";
export type { Json } from "../wire/json.ts";
export { dissectControlFile, dissectReplicationOrigins, dissectSlotState, dissectSnapshot } from "./files.ts";
export {
  dissectBaseBackupMessage,
  dissectPgoutputMessage,
  dissectWalReceiverMessage,
  dissectWalSenderMessage,
} from "./messages.ts";
export { formatDissectedField, jsonOfDissection } from "./show.ts";
export { dissectWalPage, dissectWalRecord } from "./wal.ts";

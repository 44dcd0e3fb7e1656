/**
 * walwire/physical: the messages inside CopyData: XLogData, Keepalive, status updates, feedback.
 */
export {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
  type HotStandbyFeedback,
  type Keepalive,
  type PhysicalContext,
  type PrimaryStatusRequest,
  type PrimaryStatusUpdate,
  type StandbyStatusUpdate,
  type WalReceiverMessage,
  type WalSenderMessage,
  type XLogData,
} from "../generated/physical.ts";
export type { Json } from "../wire/json.ts";
export { physicalContext } from "./context.ts";
export { jsonOfWalReceiverMessage, jsonOfWalSenderMessage } from "./json.ts";

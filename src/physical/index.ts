/**
 * walwire/physical: what a walsender and a walreceiver say to each other inside CopyData, in both directions. The payload
 * of XLogData is WAL in a physical stream; in a logical one it is a message of an output plugin, see walwire/logical.
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
export { physicalContext } from "./context.ts";

/**
 * walwire/session: `WalReceiver`, a receiver as a state machine without I/O; `Feedback`; `Framer`; the messages of both ends.
 */
export { encodeFrame, type Frame, Framer, type FramerOptions, framesOf, isLast } from "../wire/framer.ts";
export { Feedback, type FeedbackOptions } from "./feedback.ts";
export type { CopyStart } from "./messages.ts";
export {
  type AuthenticationMethod,
  type BackendMessage,
  type ColumnFormat,
  type CopyData,
  type CopyDone,
  decodeBackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
  type RowColumn,
  type ServerFields,
  type SessionFrame,
  type StartupPacket,
  type TransactionStatus,
} from "./messages.ts";
export { WalReceiver, type WalReceiverState } from "./walreceiver.ts";

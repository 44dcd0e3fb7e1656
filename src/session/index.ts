/**
 * walwire/session: `WalReceiver` and `WalSender`, both ends of a connection as state machines without I/O; `Feedback` and `Keepalives`; `Recorder` and `replay`, logs of these; `Framer`; the messages of both ends.
 */
export { encodeFrame, type Frame, Framer, type FramerOptions, framesOf, isLast } from "../wire/framer.ts";
export type {
  Conversation,
  ConversationOptions,
  ConversationState,
  EncryptionResponse,
  Peer,
  Role,
  Sent,
} from "./conversation.ts";
export { Feedback, type FeedbackOptions } from "./feedback.ts";
export { Keepalives, type KeepalivesOptions } from "./keepalives.ts";
export { type Divergence, type Machines, Recorder, type RecorderOptions, replay } from "./log.ts";
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
  type ForbiddenMessage,
  type FrontendMessage,
  type RowColumn,
  type ServerFields,
  type SessionFrame,
  type StartupPacket,
  type TransactionStatus,
} from "./messages.ts";
export { WalReceiver } from "./walreceiver.ts";
export { WalSender } from "./walsender.ts";

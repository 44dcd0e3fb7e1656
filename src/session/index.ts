/**
 * walwire/session: `WalReceiver`, the receiver as a state machine without I/O; `Feedback`; `Framer`.
 */
export { encodeFrame, type Frame, Framer, type FramerOptions, framesOf, isLast } from "../wire/framer.ts";
export { Feedback } from "./feedback.ts";
export { WalReceiver, type WalReceiverEvent, type WalReceiverState } from "./walreceiver.ts";

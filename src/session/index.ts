/**
 * walwire/session: the two ends of a replication connection as state machines without I/O. So far the walreceiver.
 */
export { encodeFrame, type Frame, Framer, type FramerOptions, framesOf, isLast } from "../wire/framer.ts";
export { Feedback } from "./feedback.ts";
export { WalReceiver, type WalReceiverEvent, type WalReceiverState } from "./walreceiver.ts";

/** WalReceiver: the client's end of a walsender connection, without I/O. */
import { Conversation, type ConversationOptions } from "./conversation.ts";

/**
 * The client's end of one connection. It sends a FrontendMessage or StartupPacket, and receives a BackendMessage or
 * EncryptionResponse.
 *
 * @example
 * const receiver = new WalReceiver();
 * receiver.send({ type: "Query", query: "IDENTIFY_SYSTEM" }).length // 21
 * receiver.state // "busy"
 * @source libpqwalreceiver.c
 */
export class WalReceiver extends Conversation<"walreceiver"> {
  /**
   * @param options Where the conversation begins, and the longest message to accept.
   * @throws ArgumentError for an invalid option.
   */
  constructor(options: ConversationOptions = {}) {
    super("walreceiver", options);
  }
}

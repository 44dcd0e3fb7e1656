/** WalSender: the server's end of a walsender connection, without I/O. */
import { Conversation, type ConversationOptions } from "./conversation.ts";

/**
 * The server's end of one connection. It sends a BackendMessage or EncryptionResponse, and receives a FrontendMessage or
 * StartupPacket. What a client sends before an answer is complete waits: `next` returns it after ReadyForQuery.
 *
 * @example
 * const sender = new WalSender({ from: "startup" });
 * sender.receive(hex("00000008 04d2162f"));
 * sender.next() // { type: "SSLRequest" }
 * sender.send({ type: "EncryptionResponse", accepted: false }) // hex("4e")
 * @source walsender.c: exec_replication_command
 */
export class WalSender extends Conversation<"walsender"> {
  /**
   * @param options Where the conversation begins, and the longest message to accept.
   * @throws ArgumentError for an invalid option.
   */
  constructor(options: ConversationOptions = {}) {
    super("walsender", options);
  }
}

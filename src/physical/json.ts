/** The JSON views of the messages inside CopyData, for programs in any language. */
import type { WalReceiverMessage, WalSenderMessage } from "../generated/physical.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { type Json, jsonOf } from "../wire/json.ts";
import * as families from "./messages.ts";

/**
 * A message of a walsender as a plain value for JSON, as `walwire decode --jsonl` prints it, but with the data of XLogData: `type`, then its fields in wire order. LSNs are text as the server prints them, times are ISO 8601 with microseconds, other
 * numbers of 64 bits are decimal text, bytes are hexadecimal digits after `\x`.
 *
 * @param message A message from `decodeWalSenderMessage`.
 * @param options.server The version whose format of LSNs is used.
 * @throws EncodeError for anything but a message of a walsender; ArgumentError for an invalid LSN or time.
 * @example jsonOfWalSenderMessage({ type: "Keepalive", walEnd: 0n, sendTime: 0n, replyRequested: true }) // { type: "Keepalive", walEnd: "0/0", sendTime: "2000-01-01T00:00:00.000000Z", replyRequested: true }
 */
export function jsonOfWalSenderMessage(
  message: WalSenderMessage,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  checkOptions(options, ["server"]);
  return jsonOf(families.WalSenderMessage, message, options.server);
}

/**
 * A message of a walreceiver as a plain value for JSON, in the format of `jsonOfWalSenderMessage`.
 *
 * @param message A message from `decodeWalReceiverMessage`.
 * @param options.server The version whose format of LSNs is used.
 * @throws EncodeError for anything but a message of a walreceiver; ArgumentError for an invalid LSN or time.
 * @example jsonOfWalReceiverMessage({ type: "PrimaryStatusRequest", clientTime: 0n, extra: new Uint8Array(0) }) // { type: "PrimaryStatusRequest", clientTime: "2000-01-01T00:00:00.000000Z", extra: "\\x" }
 */
export function jsonOfWalReceiverMessage(
  message: WalReceiverMessage,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  checkOptions(options, ["server"]);
  return jsonOf(families.WalReceiverMessage, message, options.server);
}

/** The JSON view of pgoutput's messages, for programs in any language. */
import type { PgoutputMessage } from "../generated/logical.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { type Json, jsonOf } from "../wire/json.ts";
import { PgoutputMessage as family } from "./messages.ts";

/**
 * A message of pgoutput as a plain value that JSON can hold, as `walwire decode --jsonl` prints it: `type`, then its fields in wire
 * order.
 *
 * LSNs are text as the server prints them, times are ISO 8601 with microseconds, other numbers of 64 bits are decimal text, bytes
 * are hexadecimal digits after `\x`. A row is an array: text, null, `{"unchanged":true}`, `{"binary":"\\x…"}`. Two messages of
 * different bytes have different JSON.
 *
 * @param message A message from `decodePgoutputMessage` or a `PgoutputDecoder`.
 * @param options.server The version whose format of LSNs is used.
 * @throws EncodeError for anything but a message of pgoutput; ArgumentError for an invalid LSN or time.
 * @example jsonOfPgoutputMessage({ type: "StreamStart", xid: 756, firstSegment: true }) // { type: "StreamStart", xid: 756, firstSegment: true }
 */
export function jsonOfPgoutputMessage(
  message: PgoutputMessage,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  checkOptions(options, ["server"]);
  return jsonOf(family, message, options.server);
}

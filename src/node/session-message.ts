/**
 * The messages of the ordinary protocol that surround a stream, decoded by pg-protocol.
 *
 * pg-protocol trusts its input: an ErrorResponse without its end makes it loop for ever, a value that is cut short comes out
 * shorter. So each frame is first walked from end to end; what passes is sound, and decoded frame by frame.
 */
import type { DatabaseError } from "pg-protocol";
import type {
  BackendMessage,
  DataRowMessage,
  NoticeMessage,
  RowDescriptionMessage,
} from "pg-protocol/dist/messages.js";
import { Parser } from "pg-protocol/dist/parser.js";
import { readCString } from "../wire/cstring.ts";
import { encodeFrame } from "../wire/framer.ts";
import { Reader } from "../wire/reader.ts";

/** What a server says outside of a stream, as pg-protocol names it. */
export type SessionMessage =
  | (RowDescriptionMessage & { readonly name: "rowDescription" })
  | (DataRowMessage & { readonly name: "dataRow" })
  | (DatabaseError & { readonly name: "error" })
  | (NoticeMessage & { readonly name: "notice" })
  | { readonly name: "commandComplete"; readonly text: string }
  | { readonly name: "emptyQuery" }
  | { readonly name: "readyForQuery"; readonly status: string }
  | { readonly name: "parameterStatus"; readonly parameterName: string; readonly parameterValue: string }
  | { readonly name: "notification"; readonly channel: string; readonly payload: string };

/**
 * Decode one frame.
 *
 * @param tag Its type byte, as a character: one of those that a WalReceiver hands on.
 * @throws DecodeError if the body is not what it must be.
 */
export function decodeSessionMessage(tag: string, body: Uint8Array): SessionMessage {
  walk(tag, body);
  let message: BackendMessage | undefined;
  // A parser of its own for each frame: one that has thrown keeps the rest.
  new Parser().parse(Buffer.from(encodeFrame(tag, body).buffer), (each) => {
    message = each;
  });
  return message as unknown as SessionMessage;
}

/** Every string has its end, every count its elements, and nothing is left over. */
function walk(tag: string, body: Uint8Array): void {
  const r = new Reader(body);
  switch (tag) {
    case "T": {
      const count = r.u16("RowDescription.fields");
      for (let i = 0; i < count; i++) {
        readCString(r, "RowDescription.fields", i, ".name");
        r.skip(18, "RowDescription.fields", i);
      }
      return r.end("RowDescription");
    }
    case "D": {
      const count = r.u16("DataRow.values");
      for (let i = 0; i < count; i++) {
        const length = r.i32("DataRow.values", i);
        if (length < -1) r.fail("BAD_LENGTH", r.offset - 4, `has length ${length}`, "DataRow.values", i);
        if (length > 0) r.skip(length, "DataRow.values", i);
      }
      return r.end("DataRow");
    }
    case "E":
    case "N": {
      const name = tag === "E" ? "ErrorResponse" : "NoticeResponse";
      while (r.u8(`${name}.fields`) !== 0) readCString(r, `${name}.fields`);
      return r.end(name);
    }
    case "C":
      readCString(r, "CommandComplete.tag");
      return r.end("CommandComplete");
    case "S":
      readCString(r, "ParameterStatus.name");
      readCString(r, "ParameterStatus.value");
      return r.end("ParameterStatus");
    case "A":
      r.u32("NotificationResponse.processId");
      readCString(r, "NotificationResponse.channel");
      readCString(r, "NotificationResponse.payload");
      return r.end("NotificationResponse");
    case "Z":
      r.u8("ReadyForQuery.status");
      return r.end("ReadyForQuery");
    case "I":
      return r.end("EmptyQueryResponse");
    default:
      return r.fail(
        "BAD_TAG",
        0,
        `is ${JSON.stringify(tag)}, which is no message of a session,`,
        "SessionMessage.type",
      );
  }
}

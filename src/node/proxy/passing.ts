/** Messages that pass through the proxy, and what can be done with them. */
import type { BaseBackupMessage } from "../../basebackup/index.ts";
import type { DecodeError, ProtocolError } from "../../kernel/errors.ts";
import type { PgoutputMessage } from "../../logical/index.ts";
import type { WalReceiverMessage, WalSenderMessage } from "../../physical/index.ts";
import type { BackendMessage, FrontendMessage, StartupPacket } from "../../session/messages.ts";

/** Who sent a message. */
export type Sender = "client" | "server";

/** A server's message of the extended query protocol, which no walsender sends: its fields are not decoded. */
export interface ExtendedMessage {
  /** Which one. */
  readonly type:
    | "ParseComplete"
    | "BindComplete"
    | "CloseComplete"
    | "NoData"
    | "ParameterDescription"
    | "PortalSuspended"
    | "FunctionCallResponse";
  /** The whole body. */
  readonly body: Uint8Array;
}

/** A message that passes through the proxy. Its bytes are views of memory that is not used again. */
export interface PassingMessage {
  /** The number of the connection, from 1 on. */
  readonly connection: number;
  /** Who sent it. */
  readonly from: Sender;
  /**
   * Its type, then those of what it holds: `["CopyData", "XLogData", "Insert"]`. A message that cannot be decoded has its type byte,
   * such as `"v"`.
   */
  readonly types: readonly string[];
  /** The message as it came: type byte, length and body; a startup packet has no type byte. */
  readonly bytes: Uint8Array;
  /** The message, what CopyData holds, and the change in XLogData; undefined if that could not be decoded, or is not there. */
  readonly message: BackendMessage | FrontendMessage | ExtendedMessage | StartupPacket | undefined;
  /** What CopyData holds. */
  readonly payload: WalSenderMessage | WalReceiverMessage | BaseBackupMessage | undefined;
  /** The message of pgoutput in XLogData. */
  readonly change: PgoutputMessage | undefined;
  /** Why it could not be decoded, wholly or in part. Such a message passes as it came. */
  readonly error: DecodeError | ProtocolError | undefined;
  /** Where its encoded form differs from the bytes that came, from their start; undefined if it does not. */
  readonly mismatch: number | undefined;
}

/** A message in a conversation. */
export interface Place {
  /** Who sends it. Default: the server. */
  readonly from?: Sender | undefined;
  /** Its type, or that of what it holds: "Query", "XLogData", "Insert". */
  readonly type: string;
  /** Which one of those that come from now on: 1, the default, is the next. */
  readonly n?: number | undefined;
}

/** What is to be done with a message instead of passing it on. */
export type ProxyAction =
  /** Leave it out. */
  | { readonly type: "drop" }
  /** Send other bytes in its place. */
  | {
      readonly type: "replace";
      /** Any number of whole messages, or of anything else. */
      readonly bytes: Uint8Array;
    }
  /** Pass it on later, and what follows it from the same side after it. */
  | {
      readonly type: "delay";
      /** How much later. */
      readonly milliseconds: number;
    }
  /** Pass it on in pieces, with a millisecond between them. */
  | {
      readonly type: "split";
      /** Bytes of a piece. */
      readonly size: number;
    }
  /** Pass a part of it, and close both connections. */
  | {
      readonly type: "cut";
      /** Bytes that pass; 0 by default. */
      readonly after?: number | undefined;
    }
  /** Pass a part of it, then nothing more in either direction; both connections stay open. */
  | {
      readonly type: "stall";
      /** Bytes that pass; 0 by default. */
      readonly after?: number | undefined;
    };

/** Looks at a message, and says what is to be done instead of passing it on. What follows from the same side waits for a promise. */
export type OnMessage = (
  message: PassingMessage,
) => ProxyAction | undefined | void | Promise<ProxyAction | undefined> | Promise<void>;

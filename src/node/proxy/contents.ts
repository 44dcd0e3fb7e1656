/**
 * Contents: what the messages of one connection are, from its first packet on: each is decoded, down to the change inside XLogData, and
 * encoded again.
 *
 * What CopyData holds depends on the command that began the copy, and on the server's version.
 */

import { decodeBaseBackupMessage, encodeBaseBackupMessage } from "../../basebackup/index.ts";
import { BaseBackupMessage as BackupFamily } from "../../basebackup/messages.ts";
import { commandCapabilities } from "../../command/capabilities.ts";
import { checkCommand, type PGOutputOptions } from "../../command/check.ts";
import { parseCommand } from "../../command/parse.ts";
import { encodePgoutputMessage } from "../../generated/logical.ts";
import {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
} from "../../generated/physical.ts";
import { DecodeError, ParseError, ProtocolError, UnsupportedError } from "../../kernel/errors.ts";
import { serverVersionNum } from "../../kernel/version.ts";
import { PgoutputDecoder } from "../../logical/decoder.ts";
import { PgoutputMessage } from "../../logical/messages.ts";
import { physicalContext } from "../../physical/context.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../physical/messages.ts";
import {
  type BackendMessage,
  backendTypes,
  decodeBackendMessage,
  decodeFrontendMessage,
  encodeBackendMessage,
  encodeFrontendMessage,
  type FrontendMessage,
  frontendTypes,
  type SessionFrame,
} from "../../session/messages.ts";
import type { ExtendedMessage, PassingMessage, Sender } from "./passing.ts";

/** A message, as far as it could be decoded. */
export interface Contents extends Pick<PassingMessage, "payload" | "change" | "error"> {
  /** The message of the session. */
  readonly message: BackendMessage | FrontendMessage | ExtendedMessage | undefined;
  /** The whole frame, encoded again; what could not be decoded is as it came. */
  readonly encoded: Uint8Array;
}

/** What CopyData holds, by the command that was sent. */
type Holds =
  | { readonly type: "wal" | "backup" | "other" }
  | { readonly type: "pgoutput"; readonly options: PGOutputOptions };

const other: Holds = { type: "other" };

/** Commands that begin a copy which is decoded: no other text is parsed. */
const PARSED = /^\s*(?:START_REPLICATION|BASE_BACKUP)\b/i;

/** @source protocol.h */
const extended: ReadonlyMap<number, ExtendedMessage["type"]> = new Map(
  (
    [
      ["1", "ParseComplete"],
      ["2", "BindComplete"],
      ["3", "CloseComplete"],
      ["n", "NoData"],
      ["t", "ParameterDescription"],
      ["s", "PortalSuspended"],
      ["V", "FunctionCallResponse"],
    ] as const
  ).map(([tag, type]) => [tag.charCodeAt(0), type]),
);

const families = {
  client: [WalReceiverMessage],
  server: [WalSenderMessage, BackupFamily, PgoutputMessage],
} as const;

/** The types of the messages of each side, and of what they hold. */
export const typesOf: Readonly<Record<Sender, ReadonlySet<string>>> = {
  client: new Set([
    ...["StartupMessage", "CancelRequest", "StartupPacket"],
    ...frontendTypes.values(),
    ...families.client.flatMap(({ messages }) => messages.map(({ name }) => name)),
  ]),
  server: new Set([
    ...backendTypes.values(),
    ...extended.values(),
    ...families.server.flatMap(({ messages }) => messages.map(({ name }) => name)),
  ]),
};

/** Follows the messages of one connection. */
export class ContentsReader {
  #server: number | undefined;
  /** What the commands under way would send: the first one is being answered. */
  #commands: Holds[] = [];
  #holds: Holds = other;
  #decoder: PgoutputDecoder | undefined;
  /** The server has said once that it is ready: each further time ends a command. */
  #started = false;

  /** Decode the next message of one side, in the order in which they pass. @param wire The whole frame of it. */
  read(from: Sender, frame: SessionFrame, wire: Uint8Array): Contents {
    const type = from === "server" ? extended.get(frame.tag) : undefined;
    if (type !== undefined) {
      const message = { type, body: frame.bytes };
      return { message, payload: undefined, change: undefined, error: undefined, encoded: wire };
    }
    let message: BackendMessage | FrontendMessage;
    try {
      message = from === "client" ? decodeFrontendMessage(frame) : decodeBackendMessage(frame);
    } catch (error) {
      return { message: undefined, payload: undefined, change: undefined, error: known(error), encoded: wire };
    }
    if (message.type === "CopyData") return this.#copyData(from, message.data, wire);
    if (from === "client") this.#asked(message as FrontendMessage);
    else this.#answered(message as BackendMessage);
    const encoded =
      from === "client"
        ? encodeFrontendMessage(message as FrontendMessage)
        : encodeBackendMessage(message as BackendMessage);
    return { message, payload: undefined, change: undefined, error: undefined, encoded };
  }

  #asked(message: FrontendMessage): void {
    if (message.type === "Query") this.#commands.push(this.#holdsOf(message.query));
    else if (message.type === "Sync" || message.type === "FunctionCall") this.#commands.push(other);
  }

  #answered(message: BackendMessage): void {
    switch (message.type) {
      case "ParameterStatus":
        if (message.name === "server_version") this.#server = versionOf(message.value);
        break;
      case "ReadyForQuery":
        if (this.#started) this.#commands.shift();
        this.#started = true;
        break;
      case "CopyBothResponse":
      case "CopyOutResponse":
        this.#holds = this.#commands[0] ?? other;
        this.#decoder =
          this.#holds.type !== "pgoutput"
            ? undefined
            : new PgoutputDecoder({
                protocol: this.#holds.options.protocol,
                streaming: this.#holds.options.streaming,
              });
        break;
      case "CopyInResponse":
        this.#holds = other;
    }
  }

  /** What the copy of a command holds. */
  #holdsOf(query: string): Holds {
    if (!PARSED.test(query)) return other;
    const server = this.#server ?? serverVersionNum();
    try {
      const command = parseCommand(query, { server });
      if (command.type === "BaseBackupCmd") {
        return commandCapabilities.supports(server, "baseBackupOneStream") ? { type: "backup" } : other;
      }
      if (command.type !== "StartReplicationCmd") return other;
      if (command.kind === "PHYSICAL") return { type: "wal" };
      // The plugin is a matter of the slot. Options that pgoutput does not have are those of another one.
      return { type: "pgoutput", options: checkCommand(command, { server }) as PGOutputOptions };
    } catch (error) {
      if (error instanceof ParseError || error instanceof UnsupportedError) return { type: "wal" };
      throw error;
    }
  }

  #copyData(from: Sender, data: Uint8Array, wire: Uint8Array): Contents {
    const message = { type: "CopyData", data } as const;
    const as = { message, payload: undefined, change: undefined, error: undefined, encoded: wire };
    const holds = this.#holds;
    if (holds.type === "other") return as;
    const context = this.#server === undefined ? undefined : physicalContext(this.#server);
    try {
      if (from === "client") {
        const payload = decodeWalReceiverMessage(data, context);
        return { ...as, payload, encoded: frameOf(encodeWalReceiverMessage(payload)) };
      }
      if (holds.type === "backup") {
        const payload = decodeBaseBackupMessage(data);
        return { ...as, payload, encoded: frameOf(encodeBaseBackupMessage(payload)) };
      }
      const payload = decodeWalSenderMessage(data, context);
      if (payload.type !== "XLogData" || this.#decoder === undefined) {
        return { ...as, payload, encoded: frameOf(encodeWalSenderMessage(payload)) };
      }
      try {
        const change = this.#decoder.decode(payload.data);
        const again = { ...payload, data: encodePgoutputMessage(change) };
        return { ...as, payload, change, encoded: frameOf(encodeWalSenderMessage(again)) };
      } catch (error) {
        return { ...as, payload, error: known(error) };
      }
    } catch (error) {
      return { ...as, error: known(error) };
    }
  }
}

function frameOf(data: Uint8Array): Uint8Array {
  return encodeBackendMessage({ type: "CopyData", data });
}

/** @throws what is not a fault of the peer */
function known(error: unknown): DecodeError | ProtocolError {
  if (error instanceof DecodeError || error instanceof ProtocolError) return error;
  throw error;
}

/** Undefined for a server that walwire does not know. */
function versionOf(text: string): number | undefined {
  try {
    return serverVersionNum(text);
  } catch {
    return undefined;
  }
}

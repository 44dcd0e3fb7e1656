/**
 * The messages of a file, one after the other, or their errors; reading goes on after an error.
 */

import {
  type Dissection,
  dissectPgoutputMessage,
  dissectWalReceiverMessage,
  dissectWalSenderMessage,
} from "../../../dissect/index.ts";
import {
  decodePgoutputMessage,
  encodePgoutputMessage,
  type PgoutputMessage,
  type Relation,
} from "../../../generated/logical.ts";
import {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
  type PhysicalContext,
  type WalReceiverMessage,
  type WalSenderMessage,
} from "../../../generated/physical.ts";
import { DecodeError, ProtocolError } from "../../../kernel/errors.ts";
import type { Lsn } from "../../../kernel/lsn.ts";
import type { PgTime } from "../../../kernel/time.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "../../../logical/decoder.ts";
import { PgoutputMessage as PgoutputFamily } from "../../../logical/messages.ts";
import { STREAMING_SINCE } from "../../../logical/protocol.ts";
import { physicalCapabilities } from "../../../physical/capabilities.ts";
import { physicalContext } from "../../../physical/context.ts";
import * as physical from "../../../physical/messages.ts";
import type { Family } from "../../../wire/shape.ts";
import { firstDifference } from "../../first-difference.ts";
import type { Form, Item } from "./input.ts";

/** Who sent the payloads. */
export type Side = "server" | "client";

/** How a file is to be taken. */
export interface DecodeCall {
  readonly from: Side;
  /** The version of the server, if it was said. */
  readonly server: number | undefined;
  /** Is the payload of XLogData WAL? Undefined if the caller does not say. */
  readonly physical: boolean | undefined;
  /** The options of START_REPLICATION; undefined if they are unknown: then any message is read. */
  readonly pgoutput: PgoutputDecoderOptions | undefined;
  readonly verify: boolean;
}

/** What walsenders and walreceivers can say of what they send: the first bytes of payloads. */
export function tagsOf(side: Side): string {
  const { messages } = side === "server" ? physical.WalSenderMessage : physical.WalReceiverMessage;
  return messages.map(({ tag }) => tag).join("");
}

/** What stands around a message of pgoutput: XLogData, or a row of a slot function. */
export interface Around {
  readonly lsn?: Lsn | undefined;
  readonly walEnd?: Lsn | undefined;
  readonly sendTime?: PgTime | undefined;
  /** Of a row: its second column. */
  readonly xid?: number | undefined;
}

/** What a payload was found to be. */
export interface Decoded {
  readonly item: Item;
  /** The bytes of the message, and where they begin in the payload. */
  readonly bytes: Uint8Array;
  readonly start: number;
  /** The message around it, if it is one of pgoutput. */
  readonly around: Around | undefined;
  /** Undefined if the bytes are none; of what came out of order it is there beside the error. */
  readonly message: WalSenderMessage | WalReceiverMessage | PgoutputMessage | undefined;
  readonly family: Family;
  readonly error: DecodeError | ProtocolError | undefined;
  /** What may help against the error, the first time that it may. */
  readonly advice: string | undefined;
  /** Was the message inside a transaction, or a block of one? */
  readonly inside: boolean;
  /** With `verify`, where the bytes that are encoded differ from those that came first, from the start of the payload. */
  readonly mismatch: number | undefined;
  /** All of the payload as a tree of fields. */
  readonly dissect: () => Dissection;
}

/** After so many errors without a message between them, reading stops. */
export const MAX_ERRORS_IN_A_ROW = 100;

export const STOPPED = `stopped after ${MAX_ERRORS_IN_A_ROW} errors in a row`;

/** What is read where nobody says what was asked for. */
const anything: PgoutputDecoderOptions = { protocol: 4, streaming: "on" };

export class DecodeStream {
  /** Messages, those among them that encode to other bytes, and errors. */
  readonly totals = { messages: 0, mismatches: 0, errors: 0 };

  readonly #call: DecodeCall;
  readonly #rows: boolean;
  readonly #context: PhysicalContext | undefined;
  #physical: boolean | undefined;
  /** What was asked for in START_REPLICATION, as far as anybody said, or the messages do. */
  #options: PgoutputDecoderOptions;
  #decoder: PgoutputDecoder;
  /** Did reading stop before the end, because of too many errors? */
  stopped = false;
  #errorsInARow = 0;
  /** Messages since the decoder's state was last put right: to do so costs as much as it remembers. */
  #since = 0;
  readonly #advised = new Set<string>();

  /** @throws ArgumentError for streaming that the protocol version does not have */
  constructor(call: DecodeCall, form: Form) {
    this.#call = call;
    this.#rows = form === "rows";
    this.#physical = call.physical ?? (call.pgoutput === undefined ? undefined : false);
    this.#context = call.server === undefined ? undefined : physicalContext(call.server);
    this.#options = call.pgoutput ?? anything;
    this.#decoder = new PgoutputDecoder(this.#options);
  }

  /** The relations and types announced so far. */
  get decoder(): Pick<PgoutputDecoder, "relations" | "types"> {
    return this.#decoder;
  }

  /** The relation that a message speaks of, if it speaks of one that is known. */
  relationOf(message: Decoded["message"]): Relation | undefined {
    return message !== undefined && "relationId" in message
      ? this.#decoder.relations.get(message.relationId)
      : undefined;
  }

  decode(item: Item): Decoded {
    this.totals.messages++;
    const decoded = this.#rows ? this.#change(item, item.bytes, 0, item.row ?? {}) : this.#payload(item);
    if (decoded.error !== undefined) this.unreadable();
    else this.#errorsInARow = 0;
    if (decoded.mismatch !== undefined) this.totals.mismatches++;
    return decoded;
  }

  /** Counts an error. */
  unreadable(): void {
    this.totals.errors++;
    this.#errorsInARow++;
  }

  /** Is the next message worth reading? What has nothing but errors may have no end. */
  goesOn(): boolean {
    this.stopped = this.#errorsInARow >= MAX_ERRORS_IN_A_ROW;
    return !this.stopped;
  }

  #payload(item: Item): Decoded {
    const { bytes } = item;
    const side = this.#call.from;
    const dissect = () =>
      side === "server"
        ? dissectWalSenderMessage(bytes, this.#context)
        : dissectWalReceiverMessage(bytes, this.#context);
    const base = { item, bytes, start: 0, around: undefined, inside: this.#decoder.open !== undefined, dissect };
    const family = side === "server" ? physical.WalSenderMessage : physical.WalReceiverMessage;
    let message: WalSenderMessage | WalReceiverMessage;
    try {
      message =
        side === "server"
          ? decodeWalSenderMessage(bytes, this.#context)
          : decodeWalReceiverMessage(bytes, this.#context);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      const advice = this.#advise(adviceOnPayload(error, bytes, side));
      return { ...base, family, message: undefined, error, advice, mismatch: undefined };
    }
    const mismatch = this.#verify(bytes, () =>
      side === "server"
        ? encodeWalSenderMessage(message as WalSenderMessage)
        : encodeWalReceiverMessage(message as WalReceiverMessage),
    );
    if (message.type === "XLogData") {
      const { dataStart: lsn, walEnd, sendTime, data } = message;
      // A logical walsender sends the same position twice, a physical one never, as it has something to send.
      this.#physical ??= lsn !== walEnd;
      if (!this.#physical) {
        const change = this.#change(item, data, bytes.length - data.length, { lsn, walEnd, sendTime });
        return mismatch === undefined ? change : { ...change, mismatch };
      }
    }
    return { ...base, family, message, error: undefined, advice: undefined, mismatch };
  }

  /** A message of pgoutput. */
  #change(item: Item, bytes: Uint8Array, start: number, around: Around): Decoded {
    this.#since++;
    const { open } = this.#decoder;
    const before = open !== undefined;
    const result = this.#decode(bytes);
    const { message } = result;
    const mismatch =
      message === undefined ? undefined : this.#verify(bytes, () => encodePgoutputMessage(message), start);
    const inside = before && this.#decoder.open !== undefined;
    const dissect = () => {
      const context = { inStream: open?.type === "StreamStart", parallel: this.#options.streaming === "parallel" };
      return start === 0
        ? dissectPgoutputMessage(bytes, context)
        : dissectWalSenderMessage(item.bytes, this.#context, context);
    };
    return { item, bytes, start, around, family: PgoutputFamily, mismatch, inside, dissect, ...result };
  }

  #decode(bytes: Uint8Array): Pick<Decoded, "error" | "advice"> & { readonly message: PgoutputMessage | undefined } {
    try {
      return { message: this.#decodeAny(bytes), error: undefined, advice: undefined };
    } catch (error) {
      if (error instanceof DecodeError) {
        return { message: undefined, error, advice: this.#advise(adviceOnBytes(error, this.#call)) };
      }
      if (!(error instanceof ProtocolError)) throw error;
      // The bytes are good: what they say is shown.
      const { open } = this.#decoder;
      const parallel = this.#options.streaming === "parallel";
      const message = decodePgoutputMessage(bytes, { inStream: open?.type === "StreamStart", parallel });
      const advice = adviceOnProtocol(message, this.#options);
      if (advice !== undefined) this.#options = anything;
      this.#goOn(message, bytes, advice !== undefined);
      return { message, error, advice: this.#advise(advice) };
    }
  }

  #decodeAny(bytes: Uint8Array): PgoutputMessage {
    try {
      return this.#decoder.decode(bytes);
    } catch (error) {
      if (!(error instanceof DecodeError) || !this.#isParallel(error, bytes)) throw error;
    }
    this.#options = { ...this.#options, streaming: "parallel" };
    this.#decoder = PgoutputDecoder.from({ ...this.#decoder.snapshot(), options: this.#options });
    return this.#decoder.decode(bytes);
  }

  /** A longer StreamAbort is the only sign of streaming 'parallel'. It is looked for if the options are unknown, until it is found. */
  #isParallel({ code, path }: DecodeError, bytes: Uint8Array): boolean {
    if (code !== "TRAILING_BYTES" || path !== "StreamAbort") return false;
    if (this.#call.pgoutput !== undefined || this.#options.streaming === "parallel") return false;
    try {
      decodePgoutputMessage(bytes, { inStream: false, parallel: true });
      return true;
    } catch (error) {
      if (error instanceof DecodeError) return false;
      throw error;
    }
  }

  /**
   * After what came out of order: one message that was lost, or a protocol that was not said, must not make all that follows
   * an error. Where a transaction, or a block of one, begins or ends, that is believed.
   */
  #goOn(message: PgoutputMessage, bytes: Uint8Array, adopt: boolean): void {
    const begin = begins.has(message.type);
    if (!adopt && !begin && !ends.has(message.type)) return;
    const { relations, types } = this.#decoder;
    // A snapshot copies the state, so it is made only after as much has been read.
    if (this.#since < relations.size + types.size) return;
    const snapshot = this.#decoder.snapshot();
    if (this.#since < snapshot.streamed.length) return;
    this.#since = 0;
    const streamed = new Set(snapshot.streamed);
    if (message.type === "StreamStart") streamed[message.firstSegment ? "delete" : "add"](message.xid);
    this.#decoder = PgoutputDecoder.from({
      options: this.#options,
      open: undefined,
      originMayFollow: false,
      streamed: [...streamed],
      relations: snapshot.relations,
      types: snapshot.types,
    });
    if (begin) this.#decoder.decode(bytes);
  }

  #verify(bytes: Uint8Array, encode: () => Uint8Array, start = 0): number | undefined {
    if (!this.#call.verify) return undefined;
    const at = firstDifference(bytes, encode());
    return at === undefined ? undefined : start + at;
  }

  /** Each advice is given once. */
  #advise(advice: string | undefined): string | undefined {
    if (advice === undefined || this.#advised.has(advice)) return undefined;
    this.#advised.add(advice);
    return advice;
  }
}

/** The messages after which others are inside something, and those that end that. */
const begins: ReadonlySet<string> = new Set(["Begin", "BeginPrepare", "StreamStart"]);
const ends: ReadonlySet<string> = new Set(["Commit", "Prepare", "StreamStop"]);

function adviceOnPayload(error: DecodeError, bytes: Uint8Array, side: Side): string | undefined {
  const tag = String.fromCharCode(bytes[0] ?? 0);
  if (error.code === "BAD_TAG") {
    if (side === "server" && tagsOf("client").includes(tag)) {
      return "This byte begins what a client sends: with --from client it is read as that.";
    }
    if (side === "client" && tagsOf("server").includes(tag)) {
      return "This byte begins what a server sends: without --from client it is read as that.";
    }
    if (tag === "s" || tag === "p")
      return `Only servers from ${physicalCapabilities.since("primaryStatus")} on have this message: is --server right?`;
    if (PgoutputFamily.messages.some((each) => each.tag === tag)) {
      return "This byte begins a message of pgoutput, without XLogData around it: these are read from lines of hexadecimal digits.";
    }
  }
  if (error.path === "HotStandbyFeedback.catalogXmin") {
    return `Servers before ${physicalCapabilities.since("feedbackCatalogXmin")} have a shorter form of it: --server says which one it is.`;
  }
  return undefined;
}

function adviceOnBytes({ code, path }: DecodeError, { pgoutput }: DecodeCall): string | undefined {
  if (path.startsWith("StreamAbort") && pgoutput !== undefined) {
    if (code === "TRAILING_BYTES") return "With streaming 'parallel' it is longer: is it --streaming parallel?";
    if (code === "TRUNCATED") return "Without streaming 'parallel' it is shorter: is it --streaming on?";
  }
  if (code === "BAD_TAG") {
    return pgoutput === undefined
      ? "If these are messages of another output plugin than pgoutput, --physical shows what is around them."
      : "If the stream is a physical one, --proto is wrong: --physical reads it.";
  }
  return undefined;
}

/** What was asked for instead, if the message is one of streaming, and nobody said that. */
function adviceOnProtocol({ type }: PgoutputMessage, options: PgoutputDecoderOptions): string | undefined {
  const { protocol = 1, streaming = "off" } = options;
  if (!type.startsWith("Stream") || streaming !== "off") return undefined;
  const call = `--proto ${Math.max(protocol, STREAMING_SINCE.on)} --streaming on`;
  return `The stream was asked for with more than that: ${call} reads it, or leave them out. What follows is read like that.`;
}

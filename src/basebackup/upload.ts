/**
 * UPLOAD_MANIFEST, both sides, without I/O: the client sends the manifest of an older backup, which the server needs for an incremental
 * BASE_BACKUP on the same connection.
 *
 * @source walsender.c: UploadManifest, HandleUploadManifestPacket; pg_basebackup.c: BaseBackup
 */
import { ProtocolError, refuseArgument } from "../kernel/errors.ts";
import {
  type BackendMessage,
  checkCopyStart,
  checkFrame,
  decodeBackendMessage,
  decodeFrontendMessage,
  encodeBackendMessage,
  encodeFrontendMessage,
  joined,
  type ServerFields,
  type SessionFrame,
  shownTag,
  type TransactionStatus,
} from "../session/messages.ts";
import { mustBeBytes, plainBytes } from "../wire/check.ts";
import { encodeFrame } from "../wire/framer.ts";
import { quoteText } from "../wire/trace.ts";

const COMMAND = "UPLOAD_MANIFEST";

const READY = /* @__PURE__ */ encodeBackendMessage({ type: "ReadyForQuery", status: "I" });

/** libpq.h: PQ_LARGE_MESSAGE_LIMIT and PQ_SMALL_MESSAGE_LIMIT, which include the 4 bytes of the length. */
const LARGE = 0x3ffffffe - 4;
const SMALL = 10000 - 4;

/**
 * The state of the client's side:
 * - `waiting`: CopyInResponse is next.
 * - `copying`: the manifest can be sent.
 * - `answer`: everything was sent; CommandComplete or ErrorResponse is next.
 * - `complete`, `failed`: ReadyForQuery is next.
 * - `done`: the conversation is over.
 */
export type ManifestUploadState = "waiting" | "copying" | "answer" | "complete" | "failed" | "done";

/** An event of the client's side: what the server answered. */
export type ManifestUploadEvent =
  /** The server is ready to receive the manifest. */
  | { readonly type: "CopyIn" }
  /** The server has accepted the manifest, and keeps it until the connection ends. Only BASE_BACKUP checks the WAL that it needs. */
  | { readonly type: "Complete" }
  | {
      readonly type: "Ready";
      /** The status in ReadyForQuery. */
      readonly status: TransactionStatus;
    }
  | {
      /** The severity of the message. */
      readonly type: "Notice" | "Error";
      /** The fields of the message. */
      readonly fields: ServerFields;
    }
  /** Messages of the session, which may come at any time. */
  | Extract<BackendMessage, { readonly type: "ParameterStatus" | "NotificationResponse" }>;

/**
 * The client's side, from the command UPLOAD_MANIFEST on. The command itself is sent like any other.
 *
 * @example new ManifestUpload().state // "waiting"
 * @source pg_basebackup.c: BaseBackup
 */
export class ManifestUpload {
  #state: ManifestUploadState = "waiting";

  /** The state of the conversation. */
  get state(): ManifestUploadState {
    return this.#state;
  }

  /**
   * Encode bytes of the manifest, in chunks of any size.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws ProtocolError unless the state is `copying`.
   */
  copyData(chunk: Uint8Array): Uint8Array {
    mustBeBytes(chunk, "chunk");
    this.#only("CopyData", "copying");
    return encodeFrame("d", chunk);
  }

  /** End the manifest. @returns the bytes to send @throws ProtocolError unless the state is `copying` */
  copyDone(): Uint8Array {
    this.#only("CopyDone", "copying");
    this.#state = "answer";
    return encodeFrontendMessage({ type: "CopyDone" });
  }

  /** Abort the upload; the server answers with an error. @returns the bytes to send @throws ProtocolError unless the state is `copying` */
  copyFail(reason: string): Uint8Array {
    if (typeof reason !== "string") refuseArgument("reason", "a string", reason);
    this.#only("CopyFail", "copying");
    this.#state = "answer";
    return encodeFrontendMessage({ type: "CopyFail", message: reason.replaceAll("\0", "") });
  }

  /**
   * Receive one message of the server. An error leaves the state as it was before the call.
   *
   * @throws DecodeError for bytes that are not a message.
   * @throws ProtocolError for a message that no server sends at this point.
   */
  receive(frame: SessionFrame): ManifestUploadEvent {
    checkFrame(frame);
    if (this.#state === "done") this.#refuse(frame.tag);
    const message = decodeBackendMessage(frame);
    switch (message.type) {
      case "CopyInResponse":
        if (this.#state !== "waiting") this.#refuse(frame.tag);
        checkCopyStart(message);
        this.#state = "copying";
        return { type: "CopyIn" };
      case "CommandComplete":
        if (this.#state !== "answer") this.#refuse(frame.tag);
        if (message.tag !== COMMAND) {
          throw new ProtocolError(`the server ended ${COMMAND} with ${quoteText(message.tag)}`);
        }
        this.#state = "complete";
        return { type: "Complete" };
      case "ReadyForQuery":
        if (this.#state !== "complete" && this.#state !== "failed") this.#refuse(frame.tag);
        this.#state = "done";
        return { type: "Ready", status: message.status };
      case "ErrorResponse":
        // A second ErrorResponse is FATAL: the server has lost synchronization with the client's messages.
        this.#state = "failed";
        return { type: "Error", fields: message.fields };
      case "NoticeResponse":
        return { type: "Notice", fields: message.fields };
      case "ParameterStatus":
      case "NotificationResponse":
        return message;
      default:
        return this.#refuse(frame.tag);
    }
  }

  #only(what: string, state: ManifestUploadState): void {
    if (this.#state !== state) {
      throw new ProtocolError(`${what} cannot be sent while the manifest upload is in state ${this.#state}`);
    }
  }

  #refuse(tag: number): never {
    throw new ProtocolError(
      `the server sent message ${shownTag(tag)} while the manifest upload is in state ${this.#state}`,
    );
  }
}

/** An event of the server's side: what the client did. */
export type ManifestReceiverEvent =
  | {
      readonly type: "Data";
      /** Bytes of the manifest; a view into the message. */
      readonly data: Uint8Array;
    }
  /** The manifest has ended. Check it, and answer with `complete` or `failed`. */
  | { readonly type: "End" }
  /** Flush or Sync, which have no effect here. */
  | { readonly type: "Ignored" }
  /** The client aborted the upload or violated the protocol. */
  | {
      readonly type: "Failed";
      /** The fields of the server's error. */
      readonly fields: ServerFields;
      /** The bytes to send. */
      readonly answer: Uint8Array;
      /** Close the connection after that, as a server does that has lost synchronization? */
      readonly closes: boolean;
    };

/**
 * The server's side, from the command on: call `start` first, then `receive` for each message of the client.
 *
 * @example new ManifestReceiver().start() // hex("47 00000007 00 0000")
 * @source walsender.c: UploadManifest, HandleUploadManifestPacket
 */
export class ManifestReceiver {
  #state: "waiting" | "copying" | "answer" | "done" = "waiting";

  /** Encode CopyInResponse. @returns the bytes to send @throws ProtocolError if it was called before */
  start(): Uint8Array {
    this.#only("waiting");
    this.#state = "copying";
    return encodeBackendMessage({ type: "CopyInResponse", format: "text", columnFormats: [] });
  }

  /**
   * Receive one message of the client.
   *
   * @throws ProtocolError before `start`, and after the manifest has ended.
   */
  receive(frame: SessionFrame): ManifestReceiverEvent {
    this.#only("copying");
    checkFrame(frame);
    const bytes = plainBytes(frame.bytes);
    const { length } = bytes;
    const tag = String.fromCharCode(frame.tag);
    if (!"dcfHS".includes(tag)) {
      const code = `0x${(frame.tag & 0xff).toString(16).toUpperCase().padStart(2, "0")}`;
      return this.#fail("08P01", `unexpected message type ${code} during COPY from stdin`, true);
    }
    if (length > (tag === "d" ? LARGE : SMALL)) {
      return this.#fail("08006", "unexpected EOF on client connection with an open transaction", true);
    }
    switch (tag) {
      case "d":
        return { type: "Data", data: bytes };
      case "c":
        this.#state = "answer";
        return { type: "End" };
      case "f":
        return this.#copyFail(frame);
      default:
        return { type: "Ignored" };
    }
  }

  /** Accept the manifest. @returns the bytes to send @throws ProtocolError unless the manifest has ended */
  complete(): Uint8Array {
    this.#only("answer");
    this.#state = "done";
    return joined([encodeBackendMessage({ type: "CommandComplete", tag: COMMAND }), READY]);
  }

  /** Reject the manifest. @returns the bytes to send @throws ProtocolError unless the manifest has ended */
  failed(fields: ServerFields): Uint8Array {
    this.#only("answer");
    this.#state = "done";
    return joined([encodeBackendMessage({ type: "ErrorResponse", fields }), READY]);
  }

  #copyFail(frame: SessionFrame): ManifestReceiverEvent {
    let reason = "";
    try {
      const message = decodeFrontendMessage(frame);
      if (message.type === "CopyFail") reason = message.message;
    } catch {
      // pqformat.c: pq_getmsgstring
      return this.#fail("08P01", "invalid string in message", false);
    }
    return this.#fail("57014", `COPY from stdin failed: ${reason}`, false);
  }

  #fail(sqlstate: string, message: string, closes: boolean): ManifestReceiverEvent {
    this.#state = "done";
    const fields = { S: "ERROR", V: "ERROR", C: sqlstate, M: message };
    const lost = "terminating connection because protocol synchronization was lost";
    const fatal = { S: "FATAL", V: "FATAL", C: "08P01", M: lost };
    const then = closes ? encodeBackendMessage({ type: "ErrorResponse", fields: fatal }) : READY;
    return {
      type: "Failed",
      fields,
      answer: joined([encodeBackendMessage({ type: "ErrorResponse", fields }), then]),
      closes,
    };
  }

  #only(state: string): void {
    if (this.#state !== state) {
      throw new ProtocolError(`the manifest upload is in state ${this.#state}, expected ${state}`);
    }
  }
}

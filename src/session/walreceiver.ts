/**
 * WalReceiver: the client's side of a walsender connection, after authentication, without I/O.
 *
 * Bytes from the server go in with `receive`, messages come out of `next`; what the client says comes back as bytes to send.
 * Nothing here knows a socket or a clock.
 *
 * @source walsender.c: exec_replication_command, WalSndLoop; libpqwalreceiver.c
 */
import { ProtocolError } from "../kernel/errors.ts";
import { encodeFrame, Framer, type FramerOptions } from "../wire/framer.ts";
import { type BackendMessage, decodeBackendMessage, encodeFrontendMessage, shownTag } from "./messages.ts";

/**
 * The state of the conversation:
 * - `idle`: the server waits for a command.
 * - `busy`: it works on a command; its ReadyForQuery is to come.
 * - `failed`: the command failed; its ReadyForQuery is to come.
 * - `streaming`: both sides send CopyData.
 * - `clientDone`: we have sent CopyDone; the server may still send messages that were under way.
 * - `serverDone`: the server has sent CopyDone and waits for ours.
 * - `ending`: both have sent CopyDone, and the server says how the stream ended. A logical walsender may still send a Keepalive.
 * - `shutdown`: the server shuts down: it ended the stream without CopyDone, and closes the connection.
 * - `closed`: the connection ended, or the server broke the protocol.
 */
export type WalReceiverState =
  | "idle"
  | "busy"
  | "failed"
  | "streaming"
  | "clientDone"
  | "serverDone"
  | "ending"
  | "shutdown"
  | "closed";

/**
 * The messages that the server may send in each state, and the state that follows; all others are out of order. N, S and A
 * (NoticeResponse, ParameterStatus, NotificationResponse) may come at any time and change nothing.
 */
const transitions: Readonly<Record<WalReceiverState, Readonly<Record<string, WalReceiverState>>>> = {
  idle: { E: "idle" },
  busy: { T: "busy", D: "busy", C: "busy", I: "busy", E: "failed", W: "streaming", Z: "idle" },
  failed: { E: "failed", Z: "idle" },
  streaming: { d: "streaming", c: "serverDone", C: "shutdown", E: "failed" },
  clientDone: { d: "clientDone", c: "ending", C: "shutdown", E: "failed" },
  serverDone: { E: "failed" },
  ending: { d: "ending", T: "ending", D: "ending", C: "busy", E: "failed" },
  shutdown: { E: "shutdown" },
  closed: {},
};

const ANY_TIME = "NSA";
const COPY_DATA = 0x64;

/**
 * The state of one connection, from the first ReadyForQuery on.
 *
 * @example new WalReceiver().query("IDENTIFY_SYSTEM").length // 21
 */
export class WalReceiver {
  readonly #framer: Framer;
  #state: WalReceiverState = "idle";
  /** Columns of the rows that are coming; undefined between result sets. */
  #columns: number | undefined;
  /** The command has had an answer besides ReadyForQuery. */
  #answered = false;
  #failure: Error | undefined;

  /**
   * @param options The limit of the framer. Frames come whole here, so `wholeUpTo` is not an option.
   * @throws ArgumentError for a limit that is not a number of bytes.
   */
  constructor(options: Pick<FramerOptions, "maxLength"> = {}) {
    this.#framer = new Framer(options);
  }

  /** The state of the conversation. */
  get state(): WalReceiverState {
    return this.#state;
  }

  /**
   * A command to the server.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws ProtocolError unless the state is `idle`.
   * @throws EncodeError for anything but text without NUL, which would end the command early.
   */
  query(text: string): Uint8Array {
    this.#only("a command", "idle");
    const bytes = encodeFrontendMessage({ type: "Query", query: text });
    this.#state = "busy";
    this.#answered = false;
    return bytes;
  }

  /**
   * A message to the walsender, such as a StandbyStatusUpdate, wrapped in CopyData.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws ProtocolError unless the stream is open on our side.
   */
  copyData(payload: Uint8Array): Uint8Array {
    this.#only("CopyData", "streaming", "serverDone");
    return encodeFrame("d", payload);
  }

  /**
   * The end of the stream from our side.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws ProtocolError unless the stream is open on our side.
   */
  copyDone(): Uint8Array {
    this.#only("CopyDone", "streaming", "serverDone");
    this.#state = this.#state === "streaming" ? "clientDone" : "ending";
    return encodeFrontendMessage({ type: "CopyDone" });
  }

  /** Terminate: the server closes the connection. Possible in every state; nothing else can be sent after it. */
  terminate(): Uint8Array {
    this.#state = "closed";
    return encodeFrontendMessage({ type: "Terminate" });
  }

  /** Bytes from the server, in any chunks. The chunk must not be written to any more. */
  receive(chunk: Uint8Array): void {
    this.#framer.push(chunk);
  }

  /**
   * The next message; undefined if more bytes must come first. CopyData is a view of what was received.
   *
   * @throws DecodeError for bytes that are not a message.
   * @throws ProtocolError for a message that may not come now. After either the state is `closed`, and each further call throws
   *   the same error.
   */
  next(): BackendMessage | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return this.#next();
    } catch (error) {
      this.#state = "closed";
      this.#failure = error as Error;
      throw error;
    }
  }

  /**
   * The server has closed the connection.
   *
   * @throws DecodeError TRUNCATED if that was in the middle of a message.
   */
  end(): void {
    this.#state = "closed";
    this.#framer.end();
  }

  #next(): BackendMessage | undefined {
    const frame = this.#framer.next();
    if (frame === undefined) return undefined;
    const tag = String.fromCharCode(frame.tag);
    const following = ANY_TIME.includes(tag) ? this.#state : transitions[this.#state][tag];
    if (following === undefined) this.#outOfOrder(frame.tag);
    // Nearly all of a stream is this.
    if (frame.tag === COPY_DATA) return { type: "CopyData", data: frame.bytes };
    const message = decodeBackendMessage(frame);
    this.#checkRows(message, frame.tag);
    this.#state = following;
    return message;
  }

  /** Check rows: they follow a RowDescription, have its number of columns, and end with CommandComplete. ReadyForQuery ends an answer. */
  #checkRows(message: BackendMessage, tag: number): void {
    const open = this.#columns;
    switch (message.type) {
      case "RowDescription":
        if (open !== undefined) this.#outOfOrder(tag);
        this.#columns = message.columns.length;
        return;
      case "DataRow":
        if (open === undefined) this.#outOfOrder(tag);
        if (message.values.length !== open) {
          throw new ProtocolError(`the server sent a row of ${message.values.length} values under ${open} columns`);
        }
        return;
      case "CommandComplete":
      case "ErrorResponse":
        this.#columns = undefined;
        this.#answered = true;
        return;
      case "EmptyQueryResponse":
        if (open !== undefined) this.#outOfOrder(tag);
        this.#answered = true;
        return;
      case "CopyBothResponse":
        if (open !== undefined) this.#outOfOrder(tag);
        return;
      case "ReadyForQuery":
        if (open !== undefined || !this.#answered) this.#outOfOrder(tag);
        return;
    }
  }

  #outOfOrder(tag: number): never {
    throw new ProtocolError(`the server sent message ${shownTag(tag)} while the connection is ${this.#state}`);
  }

  #only(what: string, ...states: readonly WalReceiverState[]): void {
    if (!states.includes(this.#state)) {
      throw new ProtocolError(`${what} cannot be sent while the connection is ${this.#state}`);
    }
  }
}

/**
 * WalReceiver: the client's side of a walsender connection, after authentication, without I/O.
 *
 * Bytes from the server go in with `receive`, events come out of `next`; what the client wants to say comes back as bytes to
 * send. Nothing here knows a socket, a clock or a query's rows: messages of the ordinary protocol are handed on as frames.
 *
 * @source walsender.c: exec_replication_command, WalSndLoop; libpqwalreceiver.c
 */
import { ProtocolError } from "../kernel/errors.ts";
import { encodeFrame, Framer, type FramerOptions } from "../wire/framer.ts";
import { Reader } from "../wire/reader.ts";

/**
 * Where the conversation stands:
 * - `idle`: the server waits for a command.
 * - `busy`: it works on one; its ReadyForQuery is to come.
 * - `streaming`: both sides send CopyData.
 * - `clientDone`: we have sent CopyDone; the server may still send what it had under way.
 * - `serverDone`: the server has sent CopyDone and waits for ours.
 * - `ending`: both have sent CopyDone, and the server says how the stream ended. A logical walsender may still send a Keepalive.
 */
export type WalReceiverState = "idle" | "busy" | "streaming" | "clientDone" | "serverDone" | "ending";

/**
 * What the server may say in each state, and the state that follows; what is not here is out of order. N, S and A
 * (NoticeResponse, ParameterStatus, NotificationResponse) may come at any time and change nothing.
 *
 * C ends a stream without CopyDone when the server shuts down, E when it fails; Z follows after E only.
 */
const transitions: Readonly<Record<WalReceiverState, Readonly<Record<string, WalReceiverState>>>> = {
  idle: { E: "idle" },
  busy: { T: "busy", D: "busy", C: "busy", I: "busy", E: "busy", W: "streaming", Z: "idle" },
  streaming: { d: "streaming", c: "serverDone", C: "busy", E: "busy" },
  clientDone: { d: "clientDone", c: "ending", C: "busy", E: "busy" },
  serverDone: { E: "busy" },
  ending: { d: "ending", T: "ending", D: "ending", C: "busy", E: "busy" },
};

const ANY_TIME = "NSA";

/** What happened. */
export type WalReceiverEvent =
  /** CopyBothResponse: the stream begins. */
  | { readonly type: "CopyBothResponse"; readonly binary: boolean; readonly columnFormats: readonly number[] }
  /** One CopyData payload; a view into what was received. */
  | { readonly type: "CopyData"; readonly payload: Uint8Array }
  /** The server ends the stream: answer with `copyDone` unless that was sent before. */
  | { readonly type: "CopyDone" }
  /** A message of the ordinary protocol: its type byte as a character, and its body. */
  | { readonly type: "SessionMessage"; readonly tag: string; readonly body: Uint8Array };

const nothing = new Uint8Array(0);
const textEncoder = new TextEncoder();

/**
 * The state of one connection, from the first ReadyForQuery on.
 *
 * @example new WalReceiver().query("IDENTIFY_SYSTEM").length // 21
 */
export class WalReceiver {
  readonly #framer: Framer;
  #state: WalReceiverState = "idle";

  /** @param options Limits of the framer. Frames come whole here, so `wholeUpTo` is not among them. */
  constructor(options: Pick<FramerOptions, "maxLength"> = {}) {
    this.#framer = new Framer(options);
  }

  get state(): WalReceiverState {
    return this.#state;
  }

  /**
   * A command to the server.
   *
   * @returns the bytes to send, as a fresh array.
   * @throws ProtocolError unless the state is `idle`.
   * @throws RangeError for text with a NUL, which would end the command early.
   */
  query(text: string): Uint8Array {
    this.#only("a command", "idle");
    if (text.includes("\0")) throw new RangeError("a command cannot hold a NUL character");
    this.#state = "busy";
    return encodeFrame("Q", textEncoder.encode(`${text}\0`));
  }

  /**
   * A message to the walsender, such as a StandbyStatusUpdate, wrapped in CopyData.
   *
   * @throws ProtocolError unless the stream is open on our side.
   */
  copyData(payload: Uint8Array): Uint8Array {
    this.#only("CopyData", "streaming", "serverDone");
    return encodeFrame("d", payload);
  }

  /** The end of the stream from our side. @throws ProtocolError if it has not begun, or we have ended it before. */
  copyDone(): Uint8Array {
    this.#only("CopyDone", "streaming", "serverDone");
    this.#state = this.#state === "streaming" ? "clientDone" : "ending";
    return encodeFrame("c", nothing);
  }

  /** Good-bye: the server closes the connection. Possible at any time. */
  terminate(): Uint8Array {
    return encodeFrame("X", nothing);
  }

  /** Bytes from the server, in any chunks. The chunk must not be written to any more. */
  receive(chunk: Uint8Array): void {
    this.#framer.push(chunk);
  }

  /**
   * The next thing that happened; undefined if more bytes must come first.
   *
   * @throws DecodeError for bytes that are no frame.
   * @throws ProtocolError for a frame that may not come now.
   */
  next(): WalReceiverEvent | undefined {
    const frame = this.#framer.next();
    if (frame === undefined) return undefined;
    const tag = String.fromCharCode(frame.tag);
    const { bytes } = frame;
    const following = ANY_TIME.includes(tag) ? this.#state : transitions[this.#state][tag];
    if (following === undefined) {
      throw new ProtocolError(`the server sent message ${JSON.stringify(tag)} while the connection is ${this.#state}`);
    }
    this.#state = following;
    switch (tag) {
      case "d":
        return { type: "CopyData", payload: bytes };
      case "c":
        return { type: "CopyDone" };
      case "W":
        return copyBothResponse(bytes);
      default:
        return { type: "SessionMessage", tag, body: bytes };
    }
  }

  /** The server has closed the connection. @throws DecodeError TRUNCATED if that was in the middle of a frame */
  end(): void {
    this.#framer.end();
  }

  #only(what: string, ...states: readonly WalReceiverState[]): void {
    if (!states.includes(this.#state)) {
      throw new ProtocolError(`${what} cannot be sent while the connection is ${this.#state}`);
    }
  }
}

/** CopyBothResponse: pg-protocol drops what is in it, so it is read here. */
function copyBothResponse(body: Uint8Array): WalReceiverEvent {
  const r = new Reader(body);
  const binary = r.bool("CopyBothResponse.format");
  const count = r.u16("CopyBothResponse.columnFormats");
  const columnFormats: number[] = [];
  for (let i = 0; i < count; i++) columnFormats.push(r.u16("CopyBothResponse.columnFormats", i));
  r.end("CopyBothResponse");
  return { type: "CopyBothResponse", binary, columnFormats };
}

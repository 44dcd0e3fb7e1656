/**
 * The server's end of a stream: CopyBothResponse, data one way and feedback the other, and the ends of both.
 *
 * @source walsender.c: WalSndLoop, ProcessRepliesIfAny, ProcessStandbyMessage
 */

import {
  decodeWalReceiverMessage,
  encodeWalSenderMessage,
  type WalReceiverMessage,
  type WalSenderMessage,
} from "../../generated/physical.ts";
import { ConnectionError, DecodeError } from "../../kernel/errors.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import { endOfWal } from "../../kernel/wal-end.ts";
import { physicalContext } from "../../physical/context.ts";
import { SendLoop } from "../../session/server/send-loop.ts";
import { errorOf, fatal, shutdownError } from "../../session/server/words.ts";
import { isBytes, MAX_ALLOC_SIZE, mustBeObject } from "../../wire/check.ts";
import { decodeText } from "../../wire/text.ts";
import { now } from "../now.ts";
import type { ReceiverPositions, WalsenderSession, WalsenderSignal, WalsenderStream } from "./handlers.ts";
import { gone, type Incoming, type Link, nothing } from "./link.ts";

/** The longest data that an XLogData can have, in bytes. */
const LONGEST = MAX_ALLOC_SIZE - 25;

/** How long a handler may take to return at a shutdown after the stream is over, in milliseconds. */
const LINGER = 1000;

/** Why `send` rejects after the client's CopyDone. */
const clientDone = new ConnectionError("the client has ended the stream", "DISCONNECTED");

/** The letters of the receiver's messages, and the length of the first with its last field, a boolean. */
const STATUS_UPDATE = 0x72;
const STATUS_UPDATE_LENGTH = 34;

export class ServerStream implements WalsenderStream {
  readonly session: WalsenderSession;
  readonly signal: WalsenderSignal;
  readonly stopping: WalsenderSignal;
  onFeedback: ((message: WalReceiverMessage) => void) | undefined;
  readonly #link: Link;
  readonly #kind: "PHYSICAL" | "LOGICAL";
  /** What ends the handler: the stream's own end, too. */
  readonly #controller = new AbortController();
  #loop: SendLoop | undefined;
  #timer: NodeJS.Timeout | undefined;
  #over = false;
  #waiting: ((message: WalReceiverMessage | undefined) => void)[] = [];
  #failed: (error: unknown) => void = () => {};
  #ended: () => void = () => {};

  constructor(link: Link, kind: "PHYSICAL" | "LOGICAL") {
    this.#link = link;
    this.#kind = kind;
    this.session = link.session;
    this.signal = this.#controller.signal;
    this.stopping = link.stopping;
  }

  get feedback(): ReceiverPositions {
    const { write = 0n as Lsn, flush = 0n as Lsn, apply = 0n as Lsn } = this.#loop?.positions ?? {};
    return { write, flush, apply };
  }

  /**
   * Run a handler, and the stream to its end.
   *
   * @param command Aborted when the command is: its reason ends the stream.
   * @param isOver What the handler's result says: there is nothing to stream, so the stream need not have been opened.
   * @throws the error that ends the command, or `gone`.
   */
  async run<T>(command: WalsenderSignal, handler: () => T | Promise<T>, isOver: (result: T) => boolean): Promise<T> {
    const failure = new Promise<never>((_, reject) => {
      this.#failed = reject;
    });
    failure.catch(() => {});
    const end = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    const onAbort = (): void => this.#fail(command.reason);
    if (command.aborted) throw command.reason;
    command.addEventListener("abort", onAbort);
    this.#link.onShutDown = () => this.#shutDown();
    try {
      const running = this.#link.run(new AbortController().signal, handler);
      running.catch(() => {});
      const result = await Promise.race([
        failure,
        running.catch((error: unknown) => {
          // The handler has only been told that the client is done.
          if (error !== clientDone) throw error;
          return undefined as T;
        }),
      ]);
      if (this.#loop === undefined && !isOver(result)) this.open();
      if (this.#loop !== undefined) {
        if (!this.#loop.isDone) {
          this.#link.say({ type: "CopyDone" });
          this.#loop.end();
        }
        this.#step();
        await Promise.race([failure, end]);
      }
      return result;
    } finally {
      this.#over = true;
      clearTimeout(this.#timer);
      command.removeEventListener("abort", onAbort);
      this.#link.onShutDown = undefined;
      this.#controller.abort(command.aborted ? command.reason : clientDone);
      this.#tell(undefined);
    }
  }

  open(): void {
    if (this.#loop !== undefined) return;
    this.signal.throwIfAborted();
    const timeout = BigInt(this.#link.settings.limits.walSenderTimeout) * 1000n;
    this.#loop = new SendLoop({ timeout }, now());
    this.#link.say({ type: "CopyBothResponse", format: "text", columnFormats: [] });
    if (this.stopping.aborted) this.#loop.shutDown();
    void this.#read();
    this.#step();
  }

  async send(message: WalSenderMessage): Promise<void> {
    this.signal.throwIfAborted();
    mustBeObject(message, "message");
    const data = dataOf(message);
    const head = encodeWalSenderMessage(message.type === "XLogData" ? { ...message, data: nothing } : message);
    this.open();
    this.#loop!.sent(this.#endOf(message));
    const room = this.#link.copyData(data, head);
    // Most messages need not wait: then a promise would take longer than all else.
    if (room === undefined) return;
    await room;
    this.signal.throwIfAborted();
  }

  caughtUp(walEnd: Lsn): void {
    this.signal.throwIfAborted();
    this.open();
    this.#loop!.caughtUp(walEnd);
    this.#step();
  }

  nextFeedback(): Promise<WalReceiverMessage | undefined> {
    if (this.signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** The end of what a message says; undefined if it moves nothing. */
  #endOf(message: WalSenderMessage): Lsn | undefined {
    if (message.type !== "XLogData") return message.type === "Keepalive" ? message.walEnd : undefined;
    if (this.#kind === "PHYSICAL") return endOfWal(message.dataStart, message.data.length);
    // In a logical stream 0 if more messages of the same callback follow.
    return message.walEnd === 0n ? undefined : message.walEnd;
  }

  #shutDown(): void {
    // Without a stream yet, it is a command as others are.
    if (this.#loop === undefined) this.#fail(shutdownError());
    else {
      this.#loop.shutDown();
      this.#step();
    }
  }

  #fail(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearTimeout(this.#timer);
    this.#controller.abort(error);
    this.#tell(undefined);
    this.#failed(error);
  }

  #tell(message: WalReceiverMessage | undefined): void {
    for (const resolve of this.#waiting.splice(0)) resolve(message);
  }

  /** Do what is due, and ask again when it will be. */
  #step(): void {
    const loop = this.#loop;
    if (this.#over || loop === undefined) return;
    clearTimeout(this.#timer);
    try {
      for (let step = loop.due(now()); step !== undefined; step = loop.due(now())) {
        switch (step.type) {
          case "keepalive":
            void this.#link.copyData(encodeWalSenderMessage(step.message));
            break;
          case "copyDone":
            this.#link.say({ type: "CopyDone" });
            this.#controller.abort(clientDone);
            this.#tell(undefined);
            break;
          case "over":
            this.#ended();
            // A handler that does not return must not hold the shutdown.
            if (this.stopping.aborted) this.#timer = setTimeout(() => this.#fail(shutdownError()), LINGER);
            return;
          case "shutDown":
            this.#link.say({ type: "CommandComplete", tag: "COPY 0" });
            this.#fail(gone);
            return;
        }
      }
    } catch (error) {
      // The receiver was silent: it is not told.
      this.#link.tell(error);
      this.#link.destroy();
      this.#fail(gone);
      return;
    }
    // Round up: a timer that fires early would find nothing due.
    const at = now();
    const milliseconds = Number((loop.deadline(at) - at + 999n) / 1000n);
    this.#timer = setTimeout(() => this.#step(), Math.max(milliseconds, 1));
  }

  async #read(): Promise<void> {
    const loop = this.#loop!;
    while (!this.#over && !loop.isClientDone) {
      const message = await this.#link.peek();
      // What comes after the end of the stream is for the next reader.
      if (this.#over) return;
      try {
        this.#note(message, loop);
      } catch (error) {
        this.#fail(error);
        return;
      }
      this.#step();
      // A client that asks for replies and does not read them is not read, either.
      await this.#link.turn();
    }
  }

  #note(message: Incoming | undefined, loop: SendLoop): void {
    const type = message === undefined ? "X" : String.fromCharCode(message.tag);
    switch (message?.isUnknown ? "" : type) {
      case "X":
        throw gone;
      case "c":
        this.#link.consume();
        loop.received({ type: "CopyDone" }, now());
        return;
      case "d": {
        this.#link.consume();
        const feedback = this.#decode(message!.body);
        loop.received(feedback, now());
        this.onFeedback?.(feedback);
        this.#tell(feedback);
        return;
      }
      default: {
        // If the stream has failed already, it is a message of what comes after it.
        const shown = decodeText(Uint8Array.of(message!.tag), 0, message!.tag === 0 ? 0 : 1);
        throw fatal("PROTOCOL_VIOLATION", `invalid standby message type "${shown}"`);
      }
    }
  }

  #decode(body: Uint8Array): WalReceiverMessage {
    if (body.length === 0) throw errorOf("PROTOCOL_VIOLATION", "no data left in message");
    let bytes = body;
    // Any byte but 0 is true.
    if (body[0] === STATUS_UPDATE && body.length >= STATUS_UPDATE_LENGTH && body[STATUS_UPDATE_LENGTH - 1]! > 1) {
      bytes = body.slice();
      bytes[STATUS_UPDATE_LENGTH - 1] = 1;
    }
    try {
      return decodeWalReceiverMessage(bytes, physicalContext(this.#link.settings.server));
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      if (error.code === "TRUNCATED") throw errorOf("PROTOCOL_VIOLATION", "insufficient data left in message");
      // An unknown letter: the server tells its log only.
      this.#link.tell(error);
      throw gone;
    }
  }
}

/** The data of an XLogData, which is not copied to encode it. @throws EncodeError */
function dataOf(message: WalSenderMessage): Uint8Array {
  if (message.type !== "XLogData") return nothing;
  const { data } = message;
  // What cannot be written throws.
  if (!isBytes(data) || data.length > LONGEST) encodeWalSenderMessage(message);
  return data;
}

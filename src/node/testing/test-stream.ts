/** TestStream: the server's end of a stream, in the hands of a test. */
import type { StartReplicationCmd } from "../../command/ast.ts";
import type { PGOutputOptions } from "../../command/check.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../generated/logical.ts";
import { decodeWalSenderMessage, type StandbyStatusUpdate, type WalSenderMessage } from "../../generated/physical.ts";
import { ConnectionError, ServerError, type ServerErrorFields } from "../../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, toLsn } from "../../kernel/lsn.ts";
import { pgTimeFromDate } from "../../kernel/time.ts";
import { mustBeObject } from "../../wire/check.ts";
import type { Place, ProxyAction } from "../proxy/index.ts";
import type { WalsenderSession, WalsenderStream } from "../server/handlers.ts";

/** A time limit. */
export interface WaitLimit {
  /** Milliseconds to wait. The default is 5000. */
  readonly timeout?: number | undefined;
}

/** Milliseconds that a test waits for its client. */
export const PATIENCE = 5000;

/** What a stream can do to its connection. */
export interface Wire {
  /** At the next message of this kind on the connection, do that. */
  breakAt(place: Place, action: ProxyAction): void;
  /** Close the connection. */
  cut(): void;
}

/** A stream that a client has started. It goes on until the test or the client ends it. */
export class TestStream {
  /** The command of the client. */
  readonly command: StartReplicationCmd;
  /** What pgoutput is asked for; undefined for a physical stream, and for another plugin. */
  readonly options: PGOutputOptions | undefined;
  /** The client. */
  readonly session: WalsenderSession;
  /** The status updates of the client, in order. */
  readonly updates: readonly StandbyStatusUpdate[];
  /** Resolves when the stream has ended, for whatever reason. */
  readonly ended: Promise<void>;
  readonly #stream: WalsenderStream;
  readonly #wire: Wire;
  #settle: (error?: ServerError) => void = () => {};
  #flushed: Lsn = invalidLsn;
  #waiters: (() => void)[] = [];

  /** @internal */
  constructor(command: StartReplicationCmd, options: PGOutputOptions | undefined, stream: WalsenderStream, wire: Wire) {
    this.command = command;
    this.options = options;
    this.session = stream.session;
    this.#stream = stream;
    this.#wire = wire;
    const updates: StandbyStatusUpdate[] = [];
    this.updates = updates;
    stream.onFeedback = (message) => {
      if (message.type !== "StandbyStatusUpdate") return;
      updates.push(message);
      if (message.flush > this.#flushed) this.#flushed = message.flush;
      this.#wake();
    };
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        resolve();
        this.#wake();
      };
      if (stream.signal.aborted) end();
      else stream.signal.addEventListener("abort", end);
    });
  }

  /** Until the test ends the stream. @internal */
  run(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#settle = (error) => (error === undefined ? resolve() : reject(error));
      void this.ended.then(resolve);
      this.#stream.open();
    });
  }

  /** The highest position that the client has reported as flushed. */
  get acknowledged(): Lsn {
    return this.#flushed;
  }

  /** Send a message. @throws the reason of the end, if the stream has ended; EncodeError */
  send(message: WalSenderMessage): Promise<void> {
    return this.#stream.send(message);
  }

  /**
   * Send messages of pgoutput, each in an XLogData.
   *
   * @param changes For example the Begin, Relation, Insert and Commit of a transaction.
   * @param lsn The position of all of them. The default is the position in the message, or that of the one before.
   * @throws as `send`.
   */
  async change(changes: PgoutputMessage | readonly PgoutputMessage[], lsn?: Lsn | undefined): Promise<void> {
    let position = lsn;
    const all = Array.isArray(changes) ? (changes as readonly PgoutputMessage[]) : [changes as PgoutputMessage];
    for (const change of all) {
      mustBeObject(change, "changes");
      const own = "endLsn" in change ? change.endLsn : "finalLsn" in change ? change.finalLsn : undefined;
      position = lsn ?? own ?? position ?? invalidLsn;
      const sendTime = pgTimeFromDate(new Date());
      await this.send({
        type: "XLogData",
        dataStart: position,
        walEnd: position,
        sendTime,
        data: encodePgoutputMessage(change),
      });
    }
  }

  /**
   * Send what was recorded: payloads of CopyData, as `walwire proxy --record` writes them.
   *
   * @throws DecodeError for a payload that no walsender sends; as `send`.
   */
  async play(payloads: Iterable<Uint8Array>): Promise<void> {
    for (const payload of payloads) await this.send(decodeWalSenderMessage(payload));
  }

  /** Send a Keepalive. @throws as `send` */
  keepalive(walEnd: Lsn, replyRequested = false): Promise<void> {
    return this.send({
      type: "Keepalive",
      walEnd: toLsn(walEnd),
      sendTime: pgTimeFromDate(new Date()),
      replyRequested,
    });
  }

  /**
   * Wait until the client has reported a position as flushed.
   *
   * @throws ConnectionError if it has not within the limit, or if the stream ends before: the message says what it has reported.
   */
  async untilAcknowledged(lsn: Lsn, { timeout = PATIENCE }: WaitLimit = {}): Promise<void> {
    toLsn(lsn);
    const end = Date.now() + timeout;
    while (this.#flushed < lsn) {
      const said = `the client has reported ${formatLsn(this.#flushed)} as flushed, expected ${formatLsn(lsn)}`;
      if (this.#stream.signal.aborted) throw new ConnectionError(`the stream has ended: ${said}`, "DISCONNECTED");
      const left = end - Date.now();
      if (left <= 0) throw new ConnectionError(`after ${timeout} ms ${said}`, "TIMEOUT");
      await this.#news(left);
    }
  }

  /** At the next message of this kind on the connection of this stream, do that. */
  breakAt(place: Place, action: ProxyAction): void {
    this.#wire.breakAt(place, action);
  }

  /** Close the connection, as a network or a server that is gone. */
  cut(): void {
    this.#wire.cut();
  }

  /** End the stream in order: by CopyDone. Resolves when the client has answered it. @throws ConnectionError if it does not. */
  async end({ timeout = PATIENCE }: WaitLimit = {}): Promise<void> {
    this.#settle();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, reject) => {
      const error = new ConnectionError(`the client has not answered CopyDone for ${timeout} ms`, "TIMEOUT");
      timer = setTimeout(() => reject(error), timeout);
    });
    await Promise.race([this.ended, late]).finally(() => clearTimeout(timer));
  }

  /** End the stream with an error of the server. Its severity is ERROR unless it is given. */
  async fail(error: Omit<ServerErrorFields, "severity"> & { readonly severity?: string }): Promise<void> {
    this.#settle(new ServerError(error));
    await this.ended;
  }

  #news(milliseconds: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#waiters.push(() => {
        clearTimeout(timer);
        resolve();
      });
    });
  }

  #wake(): void {
    for (const wake of this.#waiters.splice(0)) wake();
  }
}

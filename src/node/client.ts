/**
 * walwire/client: `connect`: a replication connection for Node (needs `pg`).
 *
 * pg parses connection strings, negotiates TLS and authenticates; from then on walwire owns the socket. `receive` and `send` are
 * the stream, `disconnect` ends it.
 *
 * @source src/backend/replication/README: walrcv_connect, walrcv_receive, walrcv_send, walrcv_disconnect
 */
import { decodeWalSenderMessage, encodeWalReceiverMessage } from "../generated/physical.ts";
import {
  ConnectionError,
  ProtocolError,
  refuseArgument,
  type ServerError,
  type ServerErrorFields,
} from "../kernel/errors.ts";
import { type PgTime, pgTimeFromDate } from "../kernel/time.ts";
import { serverVersionNum } from "../kernel/version.ts";
import { formatBytes } from "../kernel/words.ts";
import { Feedback } from "../session/feedback.ts";
import type { BackendMessage } from "../session/messages.ts";
import { WalReceiver, type WalReceiverState } from "../session/walreceiver.ts";
import { type AbortSignalLike, checkSignal } from "./abort-signal.ts";
import { loadPg, logIn } from "./pg.ts";
import { namedFields, serverErrorOf } from "./server-error.ts";

export { ConnectionError, PeerMissingError, ServerError, type ServerErrorFields } from "../kernel/errors.ts";
export type { WalReceiverState } from "../session/walreceiver.ts";
export type { AbortSignalLike } from "./abort-signal.ts";

/** How to connect. Missing options come from the connection string, else from libpq's environment variables, such as PGHOST. */
export interface ConnectOptions {
  /** `database` for logical replication and SQL in that database; `true` for physical replication. */
  readonly replication: "database" | "true";
  /** For example `postgres://me@host/db`. It overrides the other options. */
  readonly connectionString?: string | undefined;
  /** A host name, or the directory of a Unix socket. */
  readonly host?: string | undefined;
  readonly port?: number | undefined;
  readonly user?: string | undefined;
  /** The password, or a function that gives it when it is asked for. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  readonly database?: string | undefined;
  /** true for TLS with the server's certificate checked, false for none; or options of Node's tls.connect, such as `{ ca }`. */
  readonly ssl?: boolean | object | undefined;
  /** "direct" starts TLS without a request first, which servers support from 17 on. */
  readonly sslnegotiation?: "postgres" | "direct" | undefined;
  /** true for SCRAM-SHA-256-PLUS where the server offers it. */
  readonly enableChannelBinding?: boolean | undefined;
  readonly application_name?: string | undefined;
  /** The application_name where neither an option nor PGAPPNAME gives one. */
  readonly fallback_application_name?: string | undefined;
  /**
   * Command-line options for the session, such as `-c statement_timeout=0`. For `replication: "database"` they are appended to those
   * of PostgreSQL's own subscriber: `-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3`.
   */
  readonly options?: string | undefined;
  /**
   * The encoding of text in both directions. The default is UTF8; in a database of encoding SQL_ASCII it is SQL_ASCII, whose bytes
   * come as they are.
   */
  readonly client_encoding?: string | undefined;
  /** Milliseconds until the connection must be open; 0, the default, is no limit. */
  readonly connectionTimeoutMillis?: number | undefined;
  /** Use TCP keepalives. */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds without traffic before the first TCP keepalive. */
  readonly keepAliveInitialDelayMillis?: number | undefined;
  /** Called with each notice of the server, including those during the login. */
  readonly onNotice?: ((notice: ServerErrorFields) => void) | undefined;
  /** Ends the attempt to connect; the promise rejects with its reason. */
  readonly signal?: AbortSignalLike | undefined;
  /** The longest message to accept from the server, in bytes. The default is PostgreSQL's own limit, 1 GB less one byte. */
  readonly maxLength?: number | undefined;
  /** How much an answer of `query` may hold: characters of all values, and 16 for each value. The default is 256 Mi. */
  readonly maxResult?: number | undefined;
}

/** The result of one statement. */
export interface StatementResult {
  /** Names of the columns; empty if there are none. */
  readonly columns: readonly string[];
  /**
   * Values as text, by position; null is NULL. Bytes that are not UTF-8 are U+DC80 to U+DCFF, as in all text of walwire.
   */
  readonly rows: readonly (readonly (string | null)[])[];
  /** Such as "SELECT 1"; undefined for an empty statement. */
  readonly commandTag: string | undefined;
}

/** The result of a command. */
export interface QueryResult {
  /** Names of the columns of the last statement that returned any; empty if none did. */
  readonly columns: readonly string[];
  /** Rows of the same statement. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command tags in order: START_REPLICATION has two of them. */
  readonly commandTags: readonly string[];
  /** The result of each statement: SQL may contain several, separated by semicolons. */
  readonly results: readonly StatementResult[];
}

/** Options of everything that waits for the server. */
export interface WaitOptions {
  /**
   * Stops the waiting: the promise rejects with the signal's reason. An aborted `receive` leaves the stream as it is; all other
   * aborted calls close the connection, whose state would be unknown.
   */
  readonly signal?: AbortSignalLike | undefined;
}

/** Options of `startReplication`. */
export interface StreamOptions extends WaitOptions {
  /**
   * Takes note of all that is received, and has its status updates sent: when the server asks, every so often, and at the end of
   * the stream. Without one the caller sends them.
   */
  readonly feedback?: Feedback | undefined;
}

/** What a subscriber of PostgreSQL sets, so that values can be read: libpqwalreceiver.c, libpqrcv_connect. */
const OPTIONS = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3";

const RESULT_LIMIT = 256 * 1024 * 1024;
/** A server reports about 15 parameters. */
const PARAMETERS_LIMIT = 1024 * 1024;
/** Unread bytes beyond which the socket is paused. */
const UNREAD_LIMIT = 64 * 1024;
/** The most bytes that the server may leave unread before the connection is given up. A status update has 39. */
const UNSENT_LIMIT = 16 * 1024 * 1024;
/** Milliseconds that a server has to close its end after Terminate. */
const GOODBYE = 2000;

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;

/**
 * Open a replication connection.
 *
 * @param options For example `{ connectionString: "postgres://me@host/db", replication: "database" }`.
 * @throws ServerError if the server rejects the connection, with its SQLSTATE.
 * @throws ConnectionError if there is no connection, with Node's error in `cause`; TIMEOUT after connectionTimeoutMillis.
 * @throws DecodeError or ProtocolError for a server that breaks the protocol.
 * @throws ArgumentError for an invalid option.
 * @throws PeerMissingError if pg is not installed.
 * @source libpqwalreceiver.c: libpqrcv_connect
 */
export async function connect(options: ConnectOptions): Promise<ReplicationConnection> {
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  const { replication, onNotice, signal, maxLength, maxResult = RESULT_LIMIT, ...config } = options;
  if (replication !== "database" && replication !== "true") {
    refuseArgument("options.replication", '"database" or "true"', replication);
  }
  if (onNotice !== undefined && typeof onNotice !== "function")
    refuseArgument("options.onNotice", "a function", onNotice);
  if (!(maxResult >= 0)) refuseArgument("options.maxResult", "a number of 0 or more", maxResult);
  checkSignal(signal);
  const session = new WalReceiver(maxLength === undefined ? {} : { maxLength });
  const parameters = new Parameters();
  const pg = await loadPg();
  let encoding: string | undefined;
  let connection: ReplicationConnection | undefined;
  await logIn(pg, {
    config: { ...config, replication },
    signal,
    startup(given, encodingOfOptions) {
      encoding = encodingOfOptions;
      const all = { ...given, replication, client_encoding: encoding ?? "UTF8" };
      if (replication === "true") return all;
      return { ...all, options: given.options === undefined ? OPTIONS : `${OPTIONS} ${given.options}` };
    },
    onMessage(message) {
      if (message.type === "ParameterStatus") parameters.set(message.name, message.value);
      else if (message.type === "NoticeResponse") onNotice?.(namedFields(message.fields));
    },
    onReady({ socket, rest }) {
      connection = new ReplicationConnection({ socket, rest, session, parameters, maxResult });
      connection.onNotice = onNotice;
    },
  });
  const opened = connection as unknown as ReplicationConnection;
  // With UTF8 the server rejects all text there that is not UTF-8.
  if (replication === "database" && encoding === undefined && parameters.get("server_encoding") === "SQL_ASCII") {
    try {
      await opened.query("SET client_encoding = SQL_ASCII", { signal });
    } catch (error) {
      await opened.disconnect();
      throw error;
    }
  }
  return opened;
}

/** The part of net.Socket and tls.TLSSocket that a ReplicationConnection uses. */
export interface SocketLike {
  readonly destroyed: boolean;
  readonly writableLength: number;
  /** Send bytes. */
  write(bytes: Uint8Array): unknown;
  /** Send what is left, then end. */
  end(bytes: Uint8Array): unknown;
  /** Close at once. */
  destroy(): unknown;
  /** Stop handing out bytes. */
  pause(): unknown;
  /** Hand out bytes again. */
  resume(): unknown;
  /** Listen to an event. */
  on(event: string, listener: (...args: never[]) => void): unknown;
}

/** An open connection, handed over by `connect`. */
interface Opened {
  readonly socket: SocketLike;
  /** Bytes that have arrived already. */
  readonly rest: Uint8Array;
  readonly session: WalReceiver;
  readonly parameters: Parameters;
  readonly maxResult: number;
}

/** A connection to a walsender, made by `connect`. One thing at a time: a command, or a stream. */
export class ReplicationConnection {
  /** The server's run-time parameters as it reported them, such as `server_version`; kept up to date. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Called with each notice of the server. If it throws, the call that waits for the server rejects with that error once it is done. */
  onNotice: ((notice: ServerErrorFields) => void) | undefined;

  readonly #parameters: Parameters;
  readonly #socket: SocketLike;
  readonly #session: WalReceiver;
  readonly #maxResult: number;
  /** Bytes that came since everything was read. */
  #unread = 0;
  #paused = false;
  #waiter: { readonly resume: () => void } | undefined;
  /** The connection has ended; `#reason` is made when what had arrived before is read. */
  #ended = false;
  #cause: unknown;
  #reason: Error | undefined;
  #fatal: ServerError | undefined;
  #goodbye: Promise<void> | undefined;
  /** endReplication has ended the stream. */
  #stopped = false;
  #feedback: Feedback | undefined;
  #clock: NodeTimer | undefined;

  /** @internal */
  constructor({ socket, rest, session, parameters, maxResult }: Opened) {
    this.#socket = socket;
    this.#session = session;
    this.#maxResult = maxResult;
    this.#parameters = parameters;
    this.parameters = parameters.values;
    if (rest.length > 0) this.#take(rest);
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("error", (error: Error) => this.#end(error));
    socket.on("end", () => this.#end(undefined));
    socket.on("close", () => this.#end(undefined));
  }

  /** The state of the conversation. */
  get state(): WalReceiverState {
    return this.#session.state;
  }

  /**
   * The `server_version_num` of the server.
   *
   * @throws UnsupportedError for a server that names no version that walwire knows.
   */
  get serverVersion(): number {
    return serverVersionNum(this.parameters.get("server_version") ?? "");
  }

  /**
   * Run a replication command or SQL that returns rows or nothing.
   *
   * @throws ServerError if the command fails; the connection can still be used.
   * @throws ProtocolError if the command opens a stream (use startReplication), if another call is not done, or if the server breaks
   *   the protocol or sends more than `maxResult`.
   * @throws ConnectionError if the connection has ended.
   * @throws EncodeError for anything but text without NUL.
   */
  async query(text: string, options: WaitOptions = {}): Promise<QueryResult> {
    const result = await this.#run(text, options);
    if (this.#session.state !== "idle") throw new ProtocolError("the command opened a stream: use startReplication");
    return result;
  }

  /**
   * Run a START_REPLICATION.
   *
   * @param options With a `feedback` the server gets its status updates, also while the caller is busy.
   * @returns undefined once the stream is open; or the result if there is nothing to stream on that timeline.
   * @throws ServerError if the server rejects the command; otherwise as `query`.
   */
  async startReplication(text: string, options: StreamOptions = {}): Promise<QueryResult | undefined> {
    const { feedback } = options;
    if (feedback !== undefined && !(feedback instanceof Feedback)) {
      refuseArgument("options.feedback", "a Feedback of walwire/session", feedback);
    }
    const result = await this.#run(text, options);
    if (this.#session.state === "idle") return result;
    if (feedback !== undefined) this.#startFeedback(feedback);
    return undefined;
  }

  /**
   * The next CopyData payload; undefined once the stream is over: then call `endReplication`, unless that ended it.
   *
   * @returns a view into what was received; it is not written to again.
   * @throws ServerError if the server ends the stream with an error: then call `endReplication`.
   * @throws ConnectionError CONNECTION_LOST, DISCONNECTED after our `disconnect`, SERVER_SHUTDOWN when the server has sent
   *   everything and shut down, TIMEOUT if `feedback` has a time limit and the server was silent for that long.
   * @throws ProtocolError while another `receive` waits, which is the only one that gets the next payload.
   * @throws DecodeError or ProtocolError for a server that breaks the protocol; the connection is closed.
   */
  async receive({ signal }: WaitOptions = {}): Promise<Uint8Array | undefined> {
    checkSignal(signal);
    for (;;) {
      if (this.#stopped && this.#reason === undefined) return undefined;
      const payload = this.#poll();
      if (payload !== undefined) return payload;
      const { state } = this.#session;
      if (!isStreaming(state) && state !== "shutdown" && state !== "closed") return undefined;
      await this.#more(signal);
    }
  }

  /**
   * Send a message to the walsender, as encodeWalReceiverMessage returns it. If the connection is lost, nothing happens: `receive`
   * reports the loss after it has returned everything that had arrived.
   *
   * @throws ProtocolError unless a stream is open on our side, or if the server does not read what is sent.
   */
  send(payload: Uint8Array): void {
    if (this.#ended) return;
    this.#socket.write(this.#session.copyData(payload));
    if (this.#socket.writableLength > UNSENT_LIMIT) {
      throw this.#fail(
        new ProtocolError(
          `the server has not read ${formatBytes(this.#socket.writableLength)} of messages`,
          "LIMIT_EXCEEDED",
        ),
      );
    }
  }

  /**
   * End the stream from this side, if the server has not ended it already, and wait until the connection is free for the
   * next command. Data that was still under way is discarded. A `receive` that waits gets undefined.
   *
   * @returns the server's result at the end: after a historic timeline, the next timeline.
   * @throws ServerError if the stream failed otherwise than `receive` told; ConnectionError as `receive`.
   */
  async endReplication({ signal }: WaitOptions = {}): Promise<QueryResult> {
    return this.#closingOnAbort(signal, async () => {
      this.#stopFeedback();
      const open = this.#session.state === "streaming" || this.#session.state === "serverDone";
      if (open && !this.#ended) this.#socket.write(this.#session.copyDone());
      this.#stopped = true;
      this.#wake();
      for (;;) {
        while (this.#poll() !== undefined) {}
        if (!isStreaming(this.#session.state)) break;
        await this.#more(signal);
      }
      return this.#answer(signal);
    });
  }

  /** Send Terminate and close the connection. Never fails, even if the connection is lost. Pending calls are rejected. */
  disconnect(): Promise<void> {
    this.#goodbye ??= this.#sayGoodbye();
    return this.#goodbye;
  }

  async #sayGoodbye(): Promise<void> {
    try {
      this.#stopFeedback();
    } catch {
      // The connection is being closed.
    }
    const socket = this.#socket;
    if (socket.destroyed) return;
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    socket.end(this.#session.terminate());
    // Discard incoming data: the end of the socket comes only after it.
    socket.resume();
    // #goodbye is set by now, so pending calls see it.
    queueMicrotask(() => this.#wake());
    const timer = setTimeout(() => socket.destroy(), GOODBYE);
    await closed;
    clearTimeout(timer);
  }

  /** Send a command, and collect the answer until the server is ready for the next one or opens a stream. */
  #run(text: string, { signal }: WaitOptions): Promise<QueryResult> {
    return this.#closingOnAbort(signal, async () => {
      this.#readAhead();
      this.#stopped = false;
      this.#socket.write(this.#session.query(text));
      return this.#answer(signal);
    });
  }

  /** Read messages that arrived between commands. An ErrorResponse there is the reason why the server ends the connection. */
  #readAhead(): void {
    const { state } = this.#session;
    if (state !== "idle" && state !== "closed" && !this.#ended) return;
    for (let message = this.#next(); message !== undefined; message = this.#next()) this.#aside(message);
    if (this.#ended) throw this.#gone();
  }

  /** The next CopyData payload, if one has arrived; undefined if not, or if the stream is over. */
  #poll(): Uint8Array | undefined {
    while (isStreaming(this.#session.state) || this.#session.state === "closed") {
      const message = this.#next();
      if (message === undefined) return undefined;
      if (message.type === "CopyData") {
        if (this.#feedback !== undefined) this.#note(this.#feedback, message.data);
        return message.data;
      }
      this.#aside(message);
    }
    return undefined;
  }

  async #answer(signal: AbortSignalLike | undefined): Promise<QueryResult> {
    const collected = new Collector();
    let thrown: { readonly error: unknown } | undefined;
    while (!hasAnswered(this.#session.state)) {
      const message = this.#next();
      if (message === undefined) {
        // The server may send the reason before it closes the connection.
        if (this.#ended && collected.error !== undefined) throw collected.error;
        await this.#more(signal);
        continue;
      }
      // Errors, those of onNotice too, are thrown once the server is ready for the next command.
      if (message.type === "ErrorResponse") collected.error ??= this.#serverError(message);
      else if (!collected.add(message)) {
        try {
          this.#aside(message);
        } catch (error) {
          if (this.#ended) throw error;
          thrown ??= { error };
        }
      } else if (collected.size > this.#maxResult) {
        throw this.#fail(
          new ProtocolError(`the answer is larger than maxResult, which is ${this.#maxResult}`, "LIMIT_EXCEEDED"),
        );
      }
    }
    if (this.#session.state === "closed") throw this.#gone();
    if (thrown !== undefined) throw thrown.error;
    return collected.result();
  }

  /** Messages that may come at any time; an error outside of a command is thrown. */
  #aside(message: BackendMessage): void {
    switch (message.type) {
      case "ParameterStatus":
        try {
          this.#parameters.set(message.name, message.value);
        } catch (error) {
          throw this.#fail(error as Error);
        }
        return;
      case "NoticeResponse":
        this.onNotice?.(namedFields(message.fields));
        return;
      case "ErrorResponse":
        throw this.#serverError(message);
    }
  }

  #serverError({ fields }: Extract<BackendMessage, { type: "ErrorResponse" }>): ServerError {
    const error = serverErrorOf(fields);
    if (error.severity === "FATAL" || error.severity === "PANIC") this.#fatal = error;
    return error;
  }

  #next(): BackendMessage | undefined {
    if (this.#goodbye !== undefined || this.#reason !== undefined) throw this.#gone();
    let message: BackendMessage | undefined;
    try {
      message = this.#session.next();
    } catch (error) {
      throw this.#fail(error as Error);
    }
    if (message === undefined) {
      this.#unread = 0;
      if (this.#paused) this.#flow(true);
    }
    return message;
  }

  /** Wait for more from the server. */
  #more(signal: AbortSignalLike | undefined): Promise<void> {
    if (this.#ended || this.#goodbye !== undefined) return Promise.reject(this.#gone());
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#waiter !== undefined) {
      return Promise.reject(new ProtocolError("another call waits for the server: await it before calling again"));
    }
    return new Promise((resolve, reject) => {
      const done = (): void => {
        this.#waiter = undefined;
        signal?.removeEventListener("abort", abort);
      };
      const abort = (): void => {
        done();
        reject(signal?.reason);
      };
      this.#waiter = {
        resume: () => {
          done();
          resolve();
        },
      };
      signal?.addEventListener("abort", abort);
    });
  }

  #wake(): void {
    this.#waiter?.resume();
  }

  /** Bytes have come. */
  #take(chunk: Uint8Array): void {
    if (this.#goodbye !== undefined) return;
    this.#session.receive(chunk);
    this.#feedback?.heard(now());
    this.#unread += chunk.length;
    if (this.#waiter !== undefined) this.#wake();
    else if (this.#unread >= UNREAD_LIMIT) this.#flow(false);
  }

  /** Let the socket flow, or pause it while nothing is read. */
  #flow(flowing: boolean): void {
    this.#paused = !flowing;
    if (flowing) {
      this.#feedback?.heard(now());
      this.#socket.resume();
    } else {
      this.#socket.pause();
    }
  }

  /** The connection has ended, perhaps with an error of the socket. */
  #end(cause: unknown): void {
    this.#cause ??= cause;
    if (this.#ended) return;
    this.#ended = true;
    this.#stopClock();
    this.#wake();
  }

  /** Give up the connection, because of an error of ours or of the server. Every later call rejects with it. */
  #fail<E extends Error>(error: E): E {
    this.#reason ??= error;
    this.#end(undefined);
    this.#socket.destroy();
    return error;
  }

  /** The reason for the end of the connection, once everything that had arrived was read. */
  #gone(): Error {
    this.#reason ??= this.#reasonOfEnd();
    return this.#reason;
  }

  #reasonOfEnd(): Error {
    if (this.#goodbye !== undefined) return new ConnectionError("disconnect was called", "DISCONNECTED");
    if (this.#session.state === "shutdown") {
      this.#session.end();
      return new ConnectionError("the server has shut down, after it had sent everything", "SERVER_SHUTDOWN");
    }
    let cause = this.#fatal ?? this.#cause;
    let where = "";
    try {
      this.#session.end();
    } catch (error) {
      cause ??= error;
      where = " in the middle of a message";
    }
    const said = cause instanceof Error && cause !== this.#fatal && where === "" ? `: ${cause.message}` : "";
    const what =
      this.#cause === undefined ? `the server closed the connection${where}` : `the connection was lost${where}`;
    return new ConnectionError(`${what}${said}`, "CONNECTION_LOST", { cause });
  }

  /** Run a call that cannot be interrupted: an abort closes the connection. */
  async #closingOnAbort<T>(signal: AbortSignalLike | undefined, run: () => Promise<T>): Promise<T> {
    checkSignal(signal);
    try {
      return await run();
    } catch (error) {
      if (signal?.aborted && error === signal.reason) {
        this.#fail(
          new ConnectionError("a call was aborted before the server had answered", "DISCONNECTED", { cause: error }),
        );
      }
      throw error;
    }
  }

  #startFeedback(feedback: Feedback): void {
    this.#feedback = feedback;
    feedback.heard(now());
    const period = Math.min(1000, Math.max(10, Number(feedback.pace / 1000n)));
    this.#clock = setInterval(() => this.#tick(feedback), period);
    this.#clock.unref?.();
    this.#update(feedback);
  }

  /** Send the last positions to the server, if the connection is still open. */
  #stopFeedback(): void {
    const feedback = this.#feedback;
    this.#stopClock();
    this.#feedback = undefined;
    if (feedback !== undefined && !this.#ended && canSend(this.#session.state)) {
      this.send(encodeWalReceiverMessage(feedback.update(now())));
    }
  }

  #stopClock(): void {
    clearInterval(this.#clock);
    this.#clock = undefined;
  }

  #note(feedback: Feedback, payload: Uint8Array): void {
    try {
      if (payload[0] === XLOG_DATA || payload[0] === KEEPALIVE) feedback.note(decodeWalSenderMessage(payload));
    } catch (error) {
      throw this.#fail(error as Error);
    }
    this.#update(feedback);
  }

  /** Send the status update that is due, if one is. */
  #update(feedback: Feedback): void {
    if (this.#ended || !canSend(this.#session.state)) return;
    const due = feedback.due(now());
    if (due !== undefined) this.send(encodeWalReceiverMessage(due));
  }

  #tick(feedback: Feedback): void {
    // While nothing is read from the socket, the server's silence cannot be judged.
    if (this.#paused) feedback.heard(now());
    try {
      this.#update(feedback);
    } catch {
      // If the process was blocked, bytes may wait in the socket: read those first.
      setImmediate(() => setImmediate(() => this.#timeOut(feedback)));
    }
  }

  #timeOut(feedback: Feedback): void {
    try {
      if (this.#feedback === feedback) this.#update(feedback);
    } catch (error) {
      this.#fail(error as Error);
    }
  }
}

/** The result of setInterval: a number in browsers' types, an object in Node's. */
type NodeTimer = ReturnType<typeof setInterval> & { unref?: () => unknown };

function now(): PgTime {
  return pgTimeFromDate(new Date());
}

function isStreaming(state: WalReceiverState): boolean {
  return state === "streaming" || state === "clientDone";
}

function canSend(state: WalReceiverState): boolean {
  return state === "streaming" || state === "serverDone";
}

/** The server has answered a command in full: it is ready for the next one, or has opened a stream. */
function hasAnswered(state: WalReceiverState): boolean {
  return state === "idle" || state === "streaming" || state === "closed";
}

/** The parameters that a server reports, up to a limit. */
class Parameters {
  readonly values = new Map<string, string>();
  #size = 0;

  get(name: string): string | undefined {
    return this.values.get(name);
  }

  set(name: string, value: string): void {
    const before = this.values.get(name);
    this.#size += value.length - (before?.length ?? -name.length - 64);
    if (this.#size > PARAMETERS_LIMIT) {
      throw new ProtocolError("the server reports too many parameters", "LIMIT_EXCEEDED");
    }
    this.values.set(name, value);
  }
}

/** Collects the messages of an answer. */
class Collector {
  error: ServerError | undefined;
  readonly #results: StatementResult[] = [];
  /** The size so far, as `maxResult` counts it. */
  size = 0;
  #columns: readonly string[] | undefined;
  #rows: (readonly (string | null)[])[] = [];

  /** Add a message if it is part of an answer, else return false. */
  add(message: BackendMessage): boolean {
    switch (message.type) {
      case "RowDescription":
        this.#columns = message.columns.map(({ name }) => name);
        for (const name of this.#columns) this.size += 16 + name.length;
        return true;
      case "DataRow":
        this.size += 16;
        for (const value of message.values) this.size += 16 + (value?.length ?? 0);
        this.#rows.push(message.values);
        return true;
      case "CommandComplete":
        return this.#complete(message.tag);
      case "EmptyQueryResponse":
        return this.#complete(undefined);
      default:
        return message.type === "CopyBothResponse" || message.type === "CopyData" || message.type === "ReadyForQuery";
    }
  }

  result(): QueryResult {
    if (this.error !== undefined) throw this.error;
    const results = this.#results;
    const last = results.findLast(({ columns }) => columns.length > 0);
    const commandTags = results.flatMap(({ commandTag }) => (commandTag === undefined ? [] : [commandTag]));
    return { columns: last?.columns ?? [], rows: last?.rows ?? [], commandTags, results };
  }

  #complete(commandTag: string | undefined): true {
    this.size += 64 + (commandTag?.length ?? 0);
    this.#results.push({ columns: this.#columns ?? [], rows: this.#rows, commandTag });
    this.#columns = undefined;
    this.#rows = [];
    return true;
  }
}

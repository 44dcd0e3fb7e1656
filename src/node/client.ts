/**
 * walwire/client: `connect`: a replication connection for Node (needs `pg`).
 *
 * pg parses connection strings, negotiates TLS and authenticates; from then on walwire owns the socket. `receive` and `send` are
 * the stream, `disconnect` ends it.
 *
 * @source src/backend/replication/README: walrcv_connect, walrcv_receive, walrcv_send, walrcv_disconnect
 */
import { parseCommand } from "../command/parse.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage, type WalSenderMessage } from "../generated/physical.ts";
import {
  ConnectionError,
  ProtocolError,
  refuseArgument,
  ServerError,
  type ServerErrorFields,
  StateError,
} from "../kernel/errors.ts";
import { type PgTime, pgTimeFromDate } from "../kernel/time.ts";
import { Turns } from "../kernel/turns.ts";
import { serverVersionNum } from "../kernel/version.ts";
import { formatBytes } from "../kernel/words.ts";
import type { ConversationState } from "../session/conversation.ts";
import { Feedback } from "../session/feedback.ts";
import type { BackendMessage, FrontendMessage } from "../session/messages.ts";
import { WalReceiver } from "../session/walreceiver.ts";
import { type AbortSignalLike, checkSignal, orAborted } from "./abort-signal.ts";
import { ChunkSource, type Chunks } from "./chunk-source.ts";
import { checkReportedEncoding } from "./client-encoding.ts";
import {
  type QueryResult,
  ReplicationCommands,
  type StatementResult,
  type StreamOptions,
  type WaitOptions,
} from "./commands.ts";
import { type ConnectOptions, checkConnectOptions } from "./connect-options.ts";
import { loadPg, logIn } from "./pg.ts";
import { ReadMemory } from "./read-memory.ts";
import { serverErrorOf, tellNotice } from "./server-error.ts";

export { ConnectionError, PeerMissingError, ServerError, type ServerErrorFields } from "../kernel/errors.ts";
export type { ConversationState } from "../session/conversation.ts";
export type { AbortSignalLike } from "./abort-signal.ts";
export type {
  AlterSlotOptions,
  BaseBackupCommandOptions,
  CreateSlotOptions,
  DropSlotOptions,
  NextTimeline,
  QueryResult,
  StartLogicalOptions,
  StartPhysicalOptions,
  StartPluginOptions,
  StatementResult,
  StreamOptions,
  WaitOptions,
} from "./commands.ts";
export type { ConnectOptions } from "./connect-options.ts";

/** The settings of PostgreSQL's own subscriber, so that values can be read: libpqwalreceiver.c, libpqrcv_connect. */
const OPTIONS = "-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3";

const RESULT_LIMIT = 256 * 1024 * 1024;
/** A server reports about 15 parameters. */
const PARAMETERS_LIMIT = 1024 * 1024;
/** Unread bytes beyond which the socket is paused. */
const UNREAD_LIMIT = 64 * 1024;
/** The most bytes that the server may leave unread before the connection is given up. A status update has 39. */
const UNSENT_LIMIT = 16 * 1024 * 1024;
/** The longest time that setTimeout can wait, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;
/** Milliseconds that a server has to close its end after Terminate. */
const GOODBYE = 2000;

/** With one in this many messages of a stream, plus one, the client looks whether a status update is due; besides, a timer does. */
const LOOK = 15;

const XLOG_DATA = 0x77;
const KEEPALIVE = 0x6b;

/**
 * Open a replication connection.
 *
 * @param options For example `{ connectionString: "postgres://me@host/db", replication: "database" }`.
 * @throws ServerError if the server rejects the connection, with its SQLSTATE.
 * @throws ConnectionError if there is no connection, with Node's error in `cause`; TIMEOUT after connectionTimeoutMillis;
 *   AUTHENTICATION if either end cannot prove who it is, but for a password that the server rejects.
 * @throws DecodeError or ProtocolError for a server that breaks the protocol.
 * @throws ArgumentError for an invalid option.
 * @throws PeerMissingError if pg is not installed.
 * @source libpqwalreceiver.c: libpqrcv_connect
 */
export async function connect(options: ConnectOptions): Promise<ReplicationConnection> {
  checkConnectOptions(options);
  const { replication, onNotice, signal, maxLength, reuseMemory, maxResult = RESULT_LIMIT, ...config } = options;
  if (replication !== "database" && replication !== "true" && replication !== "false") {
    refuseArgument("options.replication", '"database", "true" or "false"', replication);
  }
  const memory = reuseMemory ? new ReadMemory({ unread: () => session.unread }) : undefined;
  const session: WalReceiver = new WalReceiver({
    from: "startup",
    ...(maxLength === undefined ? {} : { maxLength }),
    ...(memory === undefined ? {} : { allocate: memory.allocate }),
  });
  const parameters = new Parameters();
  const rejection = new Rejection();
  const pg = await loadPg();
  let encoding: string | undefined;
  let connection: ReplicationConnection | undefined;
  await logIn(pg, {
    config: replication === "false" ? config : { ...config, replication },
    signal,
    startup(given, encodingOfOptions) {
      encoding = encodingOfOptions;
      // Poolers may reject what they do not know.
      const walsender = replication === "false" ? {} : { replication };
      const all = { ...given, ...walsender, client_encoding: encoding ?? "UTF8" };
      if (replication === "true") return all;
      return { ...all, options: given.options === undefined ? OPTIONS : `${OPTIONS} ${given.options}` };
    },
    onParameter: (name, value) => parameters.set(name, value),
    onNotice(fields, fail) {
      tellNotice(onNotice, fields, (error) => {
        rejection.note(error);
        fail(error);
      });
    },
    session,
    memory,
    onReady(socket) {
      connection = new ReplicationConnection({
        socket,
        session,
        parameters,
        rejection,
        memory,
        maxResult,
        isToDatabase: replication !== "true",
      });
      connection.onNotice = onNotice;
    },
  });
  const opened = connection as unknown as ReplicationConnection;
  // With UTF8 the server rejects all text there that is not UTF-8.
  if (replication !== "true" && encoding === undefined && parameters.get("server_encoding") === "SQL_ASCII") {
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
  /** Whether it was closed. */
  readonly destroyed: boolean;
  /** Bytes that wait to be sent. */
  readonly writableLength: number;
  /** Send bytes. */
  write(bytes: Uint8Array): unknown;
  /** Send the rest, then end. */
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
  readonly session: WalReceiver;
  readonly parameters: Parameters;
  readonly rejection: Rejection;
  readonly memory: ReadMemory | undefined;
  readonly maxResult: number;
  readonly isToDatabase: boolean;
}

/** A connection to a walsender, made by `connect`. It runs one command or stream at a time. */
export class ReplicationConnection extends ReplicationCommands {
  /** The server's run-time parameters as it reported them, such as `server_version`; kept up to date. */
  readonly parameters: ReadonlyMap<string, string>;
  /**
   * Called with each notice of the server. If it throws, the call that waits for the server rejects with that error once it is done. A
   * promise is not awaited; if it rejects, that call or the next one does.
   */
  onNotice: ((notice: ServerErrorFields) => void) | undefined;

  protected readonly isToDatabase: boolean;
  readonly #parameters: Parameters;
  readonly #socket: SocketLike;
  readonly #session: WalReceiver;
  /** Undefined if what arrives has memory of its own. */
  readonly #memory: ReadMemory | undefined;
  readonly #maxResult: number;
  /** Bytes that arrived since everything was read. */
  #unread = 0;
  #chunks = 0;
  #paused = false;
  #drain: (() => void) | undefined;
  #waiter: { readonly resume: () => void } | undefined;
  /** The connection has ended. `#reason` is set once everything that had arrived is read. */
  #ended = false;
  #cause: unknown;
  #reason: Error | undefined;
  #fatal: ServerError | undefined;
  #goodbye: Promise<void> | undefined;
  /** A stream was open on this connection. */
  #hadStream = false;
  /** endReplication has ended the stream. */
  #stopped = false;
  /** endReplication, until it is complete. */
  #ending: Promise<QueryResult> | undefined;
  #feedback: Feedback | undefined;
  /** The last payload, if the Feedback was told of it. */
  #noted: WalSenderMessage | undefined;
  /** The Feedback of the last stream: its time limit holds until the server has said how the stream ended. */
  #watched: Feedback | undefined;
  readonly #rejection: Rejection;
  #clock: NodeTimer | undefined;
  /** When the clock rings. */
  #rings = 0n;
  /** The number of payloads that the Feedback was told of. */
  #noticed = 0;

  /** @internal */
  constructor({ socket, session, parameters, rejection, memory, maxResult, isToDatabase }: Opened) {
    super();
    this.isToDatabase = isToDatabase;
    this.#socket = socket;
    this.#session = session;
    this.#maxResult = maxResult;
    this.#parameters = parameters;
    this.#rejection = rejection;
    this.#memory = memory;
    this.parameters = parameters.values;
    socket.on("data", (chunk: Uint8Array) => this.#take(chunk));
    socket.on("drain", () => this.#drain?.());
    socket.on("error", (error: Error) => this.#end(error));
    socket.on("end", () => this.#end(undefined));
    socket.on("close", () => this.#end(undefined));
  }

  /** The state of the conversation. */
  get state(): ConversationState {
    return this.#reason === undefined ? this.#session.state : "closed";
  }

  /**
   * The `server_version_num` of the server.
   *
   * @throws UnsupportedError for a server version that walwire does not know.
   */
  get serverVersion(): number {
    return serverVersionNum(this.parameters.get("server_version") ?? "");
  }

  /** While a call waits for the server, the number of chunks that have arrived; undefined while none waits. @internal */
  get arrivals(): number | undefined {
    return this.#waiter === undefined ? undefined : this.#chunks;
  }

  /**
   * Run a replication command or SQL that returns rows or nothing. There is no time limit besides `signal`:
   * `{ signal: AbortSignal.timeout(milliseconds) }` sets one.
   *
   * @throws ServerError if the command fails; the connection can still be used.
   * @throws StateError if the command opens a stream (use startReplication), or if another call is pending. Also if it reads data, as
   *   UPLOAD_MANIFEST and COPY … FROM STDIN do, which is then declined. Also if it sends data, as BASE_BACKUP and COPY … TO STDOUT do:
   *   then the connection is closed, since all of it would have to be read.
   * @throws ProtocolError if the server breaks the protocol or sends more than `maxResult`.
   * @throws ConnectionError if the connection has ended.
   * @throws EncodeError for anything but text without NUL.
   */
  async query(text: string, options: WaitOptions = {}): Promise<QueryResult> {
    const result = await this.#run(text, options);
    if (this.#session.state !== "idle") throw new StateError("the command opened a stream: use startReplication");
    return result;
  }

  /**
   * Run a START_REPLICATION.
   *
   * @param options With a `feedback` the server gets its status updates, also while the caller is busy. Its time limit begins once the
   *   stream is open; until then there is `signal`.
   * @returns undefined once the stream is open; or the result if there is nothing to stream on that timeline.
   * @throws StateError for a logical stream after another stream: StartLogicalReplication does not reset what StartReplication does.
   * @throws ServerError if the server rejects the command; otherwise as `query`.
   */
  async startReplication(text: string, options: StreamOptions = {}): Promise<QueryResult | undefined> {
    const { feedback } = options;
    if (feedback !== undefined && !(feedback instanceof Feedback)) {
      refuseArgument("options.feedback", "a Feedback of walwire/session", feedback);
    }
    if (this.#hadStream && isLogical(text, this.serverVersion)) {
      throw new StateError("a server sends nothing in a logical stream after another stream: connect again");
    }
    const result = await this.#run(text, options);
    if (this.#session.state === "idle") return result;
    this.#hadStream = true;
    if (feedback !== undefined) this.#startFeedback(feedback);
    return undefined;
  }

  /**
   * The next CopyData payload; undefined once the stream is over: then call `endReplication`, unless that ended it.
   *
   * @returns a view into the received chunk, which does not change later; with `reuseMemory`, not before the next call of `receive` or
   *   `tryReceive`, or the next command.
   * @throws ServerError if the server ends the stream with an error: then call `endReplication`.
   * @throws ConnectionError CONNECTION_LOST, DISCONNECTED after our `disconnect`, SERVER_SHUTDOWN when the server has sent
   *   everything and shut down, TIMEOUT if `feedback` has a time limit and the server was silent for that long.
   * @throws StateError while another `receive` waits, which is the only one that gets the next payload.
   * @throws DecodeError or ProtocolError for a server that breaks the protocol; the connection is closed.
   */
  async receive({ signal }: WaitOptions = {}): Promise<Uint8Array | undefined> {
    checkSignal(signal);
    for (;;) {
      const payload = this.tryReceive();
      if (payload !== null) return payload;
      await this.#more(signal);
    }
  }

  /**
   * The next CopyData payload if it has arrived; null if nothing has yet: `readable` waits for more. Undefined and errors as `receive`.
   *
   * @source libpqwalreceiver.c: libpqrcv_receive
   */
  tryReceive(): Uint8Array | null | undefined {
    if (this.#stopped && this.#reason === undefined && this.#goodbye === undefined) return undefined;
    this.#memory?.release();
    const payload = this.#poll();
    if (payload !== undefined) {
      this.#memory?.lend(payload);
      return payload;
    }
    const { state } = this.#session;
    if (this.#reason === undefined && !isStreaming(state) && state !== "shutdown" && state !== "closed")
      return undefined;
    if (this.#ended || this.#goodbye !== undefined) throw this.#gone();
    return null;
  }

  /**
   * As `tryReceive`, and decodes it: once, where a Feedback has to look at it, too.
   *
   * @throws DecodeError also for a payload that is not a message of a walsender.
   * @internal
   */
  tryReceiveMessage(): WalSenderMessage | null | undefined {
    const payload = this.tryReceive();
    if (payload === null || payload === undefined) return payload;
    return this.#noted ?? decodeWalSenderMessage(payload);
  }

  /** Has anything arrived since `tryReceive` returned null? @internal */
  get hasArrived(): boolean {
    return this.#unread > 0 || this.#ended;
  }

  /**
   * Wait until more has arrived since `tryReceive` returned null. That may still be too little for a whole payload.
   *
   * @throws ConnectionError as `receive`; StateError while another call waits.
   */
  async readable({ signal }: WaitOptions = {}): Promise<void> {
    checkSignal(signal);
    if (isStreaming(this.#session.state) && !this.#stopped && this.#unread === 0) await this.#more(signal);
  }

  /**
   * Send a message to the walsender, as encodeWalReceiverMessage returns it. If the connection is lost, nothing happens: `receive`
   * reports the loss after it has returned everything that had arrived.
   *
   * @throws StateError unless a stream is open on our side.
   * @throws ProtocolError if the server does not read what is sent.
   */
  send(payload: Uint8Array): void {
    if (this.#ended) return;
    this.#socket.write(this.#session.send({ type: "CopyData", data: payload }));
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
   * A timer or a signal handler may call it: the next command waits until the end is complete, and so does another `endReplication`,
   * which gets the same result.
   *
   * @returns the server's result at the end: after a historic timeline, the next timeline.
   * @throws ServerError if the stream failed otherwise than `receive` told; ConnectionError as `receive`, also TIMEOUT.
   */
  async endReplication({ signal }: WaitOptions = {}): Promise<QueryResult> {
    return this.#closingOnAbort(signal, () => {
      if (this.#ending !== undefined) return orAborted(this.#ending, signal);
      const ending = this.#endStream(signal);
      this.#ending = ending;
      const over = (): void => {
        this.#ending = undefined;
      };
      ending.then(over, over);
      return ending;
    });
  }

  async #endStream(signal: AbortSignalLike | undefined): Promise<QueryResult> {
    this.#stopFeedback();
    const open = this.#session.state === "streaming" || this.#session.state === "serverDone";
    if (open && !this.#ended) this.#socket.write(this.#session.send({ type: "CopyDone" }));
    this.#stopped = true;
    this.#wake();
    let thrown: { readonly error: unknown } | undefined;
    for (;;) {
      try {
        while (this.#poll() !== undefined) {}
      } catch (error) {
        // Only what the server says of the stream leaves the connection as it is.
        if (this.#ended || this.#goodbye !== undefined || this.#reason !== undefined) throw error;
        thrown ??= { error };
        continue;
      }
      if (!isStreaming(this.#session.state)) break;
      await this.#more(signal);
    }
    const result = await this.#answer(signal);
    if (thrown !== undefined) throw thrown.error;
    return result;
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
    this.#unwatch();
    const socket = this.#socket;
    if (socket.destroyed) return;
    const closed = new Promise<void>((resolve) => socket.on("close", () => resolve()));
    // A conversation that is over has no end to say.
    if (this.#session.state === "closed") socket.destroy();
    else socket.end(this.#session.send({ type: "Terminate" }));
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
      await this.#command(text, signal);
      return this.#answer(signal);
    });
  }

  /** Send a command, once a stream that is being ended is over. */
  async #command(text: string, signal: AbortSignalLike | undefined): Promise<void> {
    // What went wrong there is for the caller of endReplication.
    if (this.#ending !== undefined) await orAborted(this.#ending.then(ignore, ignore), signal);
    this.#readAhead();
    this.#stopped = false;
    this.#unwatch();
    this.#socket.write(this.#session.send({ type: "Query", query: text }));
  }

  /** Read messages that arrived between commands. An ErrorResponse there is the reason why the server ends the connection. */
  #readAhead(): void {
    const { state } = this.#session;
    if (state !== "idle" && state !== "shutdown" && state !== "closed" && !this.#ended) return;
    for (let message = this.#next(); message !== undefined; message = this.#next()) this.#aside(message);
    if (this.#ended) throw this.#gone();
  }

  /** @internal */
  protected answerTo(text: string, { signal }: WaitOptions): AsyncGenerator<BackendMessage, void> {
    return this.#messages(signal, text);
  }

  /** @internal */
  protected copyIn(text: string, chunks: Chunks, { signal }: WaitOptions): Promise<void> {
    return this.#closingOnAbort(signal, async () => {
      const source = new ChunkSource(chunks);
      let copies = false;
      try {
        // What the server says is read all the time, so that an error of its own ends the source.
        for await (const message of this.answerTo(text, { signal })) {
          if (message.type !== "CopyInResponse") continue;
          copies = true;
          void this.#feed(source);
        }
      } catch (error) {
        // The server's error is then the answer to CopyFail.
        throw source.thrown === undefined ? error : source.thrown.error;
      } finally {
        source.leave();
      }
      if (!copies) throw this.#fail(new ProtocolError("the server has answered without reading what was to be sent"));
    });
  }

  /** Send the chunks of a source, and then CopyDone or CopyFail. Ends when the server reads no more, but does not wait for that. */
  async #feed(source: ChunkSource): Promise<void> {
    const turns = new Turns();
    const send = (message: FrontendMessage): void => void this.#socket.write(this.#session.send(message));
    const isRead = (): boolean => !this.#ended && this.#session.state === "copyIn";
    try {
      for (;;) {
        const { done, value: data } = await source.next();
        if (!isRead()) return;
        if (done) return send({ type: "CopyDone" });
        send({ type: "CopyData", data });
        while (this.#socket.writableLength > UNREAD_LIMIT && isRead()) {
          await new Promise<void>((resolve) => {
            this.#drain = resolve;
          });
        }
        if (turns.due) await turns.give();
      }
    } catch (error) {
      if (!isRead()) return;
      source.thrown = { error };
      send({ type: "CopyFail", message: "the client gave up" });
    }
  }

  /** The next CopyData payload, if one has arrived; undefined if not, or if the stream is over. */
  #poll(): Uint8Array | undefined {
    const rejected = this.#rejection.take();
    if (rejected !== undefined) throw rejected.error;
    while (isStreaming(this.#session.state) || this.#session.state === "closed") {
      const message = this.#next();
      if (message === undefined) return undefined;
      if (message.type === "CopyData") {
        this.#noted = undefined;
        if (this.#feedback !== undefined) this.#note(this.#feedback, message.data);
        return message.data;
      }
      this.#aside(message);
    }
    return undefined;
  }

  async #answer(signal: AbortSignalLike | undefined): Promise<QueryResult> {
    const collected = new Collector();
    let misuse: StateError | undefined;
    try {
      for await (const message of this.#messages(signal)) {
        if (message.type === "CopyInResponse") {
          misuse = new StateError(
            "the command reads data, which query does not send: use uploadManifest for a manifest",
          );
          this.#socket.write(this.#session.send({ type: "CopyFail", message: "the client sends no data" }));
        } else if (message.type === "CopyOutResponse") {
          this.#fail(new ConnectionError("the command sent data, which query does not read", "DISCONNECTED"));
          throw new StateError(
            "the command sends data, which query does not read: use baseBackup, or copyOut for COPY; the connection is closed",
          );
        } else if (collected.add(message) && collected.size > this.#maxResult) {
          throw this.#fail(
            new ProtocolError(`the answer is larger than maxResult, which is ${this.#maxResult}`, "LIMIT_EXCEEDED"),
          );
        }
      }
    } catch (error) {
      // The server's error is then the answer to CopyFail.
      throw misuse !== undefined && error instanceof ServerError ? misuse : error;
    }
    return collected.result();
  }

  /**
   * The messages of an answer, until the server is ready for the next command or has opened a stream. With `text`, that is sent first, and
   * the connection ends if not all of the answer is read.
   *
   * @throws then: the server's first error, else what onNotice threw.
   */
  async *#messages(signal: AbortSignalLike | undefined, text?: string): AsyncGenerator<BackendMessage, void> {
    if (text !== undefined) {
      checkSignal(signal);
      await this.#command(text, signal);
    }
    let refusal: ServerError | undefined;
    let thrown: { readonly error: unknown } | undefined;
    try {
      while (!hasAnswered(this.#session.state)) {
        const message = this.#next();
        if (message === undefined) {
          // The server may send the reason before it closes the connection.
          if (this.#ended && refusal !== undefined) throw refusal;
          await this.#more(signal);
          continue;
        }
        try {
          if (message.type === "ErrorResponse") refusal ??= this.#serverError(message);
          else this.#aside(message);
        } catch (error) {
          if (this.#ended) throw error;
          thrown ??= { error };
        }
        if (message.type === "CopyData") this.#memory?.lend(message.data);
        yield message;
        this.#memory?.release();
      }
      if (this.#session.state === "closed") throw this.#gone();
      thrown ??= this.#rejection.take();
      if (thrown !== undefined) throw thrown.error;
      if (refusal !== undefined) throw refusal;
    } finally {
      // Because of an error, or since the caller leaves.
      if (text !== undefined && this.#session.state !== "idle" && this.#reason === undefined) {
        this.#fail(new ConnectionError("the answer to a command was not read to its end", "DISCONNECTED"));
      }
    }
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
        tellNotice(this.onNotice, message.fields, (error) => {
          this.#rejection.note(error);
          this.#wake();
        });
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
      // The login is over: no EncryptionResponse comes.
      message = this.#session.next() as BackendMessage | undefined;
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
      return Promise.reject(new StateError("another call waits for the server: await it before calling again"));
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
    this.#watched?.heard(now());
    this.#unread += chunk.length;
    this.#chunks++;
    if (this.#waiter !== undefined) this.#wake();
    else if (this.#unread >= UNREAD_LIMIT) this.#flow(false);
  }

  /** Let the socket flow, or pause it while nothing is read. */
  #flow(flowing: boolean): void {
    this.#paused = !flowing;
    if (flowing) {
      this.#watched?.heard(now());
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
    this.#drain?.();
  }

  /** Close the connection because of an error of the client or the server. Every later call rejects with it. */
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
    if (this.#session.state === "shutdown" && this.#fatal === undefined) {
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
      // Nor is the answer complete where the signal itself throws.
      const isAborted = signal?.aborted && error === signal.reason;
      if (isAborted || (this.#session.state === "busy" && !(error instanceof StateError))) {
        this.#fail(
          new ConnectionError("a call was aborted before the server had answered", "DISCONNECTED", { cause: error }),
        );
      }
      throw error;
    }
  }

  #startFeedback(feedback: Feedback): void {
    this.#feedback = feedback;
    this.#watched = feedback;
    feedback.heard(now());
    feedback.onDue = () => this.#setClock(feedback);
    this.#update(feedback);
    this.#setClock(feedback);
  }

  /** Have the clock ring when the feedback is due; later is no use, and a bell that rings early is set again. */
  #setClock(feedback: Feedback): void {
    const { state } = this.#session;
    if (this.#watched !== feedback || this.#ended || state === "idle" || state === "closed") return;
    const time = now();
    const deadline = feedback.deadline(time);
    if (this.#clock !== undefined && this.#rings <= deadline) return;
    this.#stopClock();
    this.#rings = deadline;
    const milliseconds = Math.min(LONGEST_WAIT, Math.ceil(Number(deadline - time) / 1000));
    this.#clock = setTimeout(() => {
      this.#clock = undefined;
      this.#tick(feedback);
    }, milliseconds);
    this.#clock.unref?.();
  }

  /** Send the last positions to the server, if the connection is still open. The time limit goes on. */
  #stopFeedback(): void {
    const feedback = this.#feedback;
    this.#feedback = undefined;
    if (feedback !== undefined) feedback.onDue = undefined;
    if (feedback !== undefined && !this.#ended && canSend(this.#session.state)) {
      this.send(encodeWalReceiverMessage(feedback.update(now())));
    }
  }

  /** The server has said how the stream ended, or need not. */
  #unwatch(): void {
    this.#watched = undefined;
    this.#stopClock();
  }

  #stopClock(): void {
    clearTimeout(this.#clock);
    this.#clock = undefined;
  }

  #note(feedback: Feedback, payload: Uint8Array): void {
    try {
      if (payload[0] === XLOG_DATA || payload[0] === KEEPALIVE) {
        this.#noted = decodeWalSenderMessage(payload);
        feedback.note(this.#noted);
      }
    } catch (error) {
      throw this.#fail(error as Error);
    }
    // Reading the clock for each message takes 50 ns, as much as cutting it out of the stream (Node 20).
    if ((this.#noticed++ & LOOK) === 0 || payload[0] === KEEPALIVE) this.#update(feedback);
  }

  /** Send the status update that is due, if one is and the stream is open. @throws ConnectionError TIMEOUT */
  #update(feedback: Feedback): void {
    if (this.#ended) return;
    const due = feedback.due(now());
    if (due !== undefined && this.#feedback === feedback && canSend(this.#session.state)) {
      this.send(encodeWalReceiverMessage(due));
    }
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
    this.#setClock(feedback);
  }

  #timeOut(feedback: Feedback): void {
    try {
      if (this.#watched === feedback) this.#update(feedback);
    } catch (error) {
      this.#fail(error as Error);
    }
  }
}

/** The result of setTimeout: a number in browsers' types, an object in Node's. */
type NodeTimer = ReturnType<typeof setTimeout> & { unref?: () => unknown };

let clock: { readonly ms: number; readonly time: PgTime } | undefined;

/** The time. It is asked for with each message, of which a millisecond has hundreds: making it each time is 2 % of a subscription's work. */
function now(): PgTime {
  const ms = Date.now();
  if (clock?.ms !== ms) clock = { ms, time: pgTimeFromDate(new Date(ms)) };
  return clock.time;
}

function ignore(): void {}

function isStreaming(state: ConversationState): boolean {
  return state === "streaming" || state === "clientDone";
}

/** Whether a text starts a logical stream. What is not a command is for the server to reject. */
function isLogical(text: string, server: number): boolean {
  try {
    const command = parseCommand(text, { server });
    return command.type === "StartReplicationCmd" && command.kind === "LOGICAL";
  } catch {
    return false;
  }
}

function canSend(state: ConversationState): boolean {
  return state === "streaming" || state === "serverDone";
}

/** The server has answered a command in full: it is ready for the next one, or has opened a stream. */
function hasAnswered(state: ConversationState): boolean {
  return state === "idle" || state === "streaming" || state === "closed";
}

/** What a promise that onNotice has returned rejects with, until a call rejects with it. */
class Rejection {
  #first: { readonly error: unknown } | undefined;

  note(error: unknown): void {
    this.#first ??= { error };
  }

  take(): { readonly error: unknown } | undefined {
    const first = this.#first;
    this.#first = undefined;
    return first;
  }
}

/** The parameters that a server reports, up to a limit. */
class Parameters {
  readonly values = new Map<string, string>();
  #size = 0;

  get(name: string): string | undefined {
    return this.values.get(name);
  }

  set(name: string, value: string): void {
    if (name === "client_encoding") checkReportedEncoding(value);
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

/**
 * One connection of a server: the login, and the loop that reads messages and runs commands.
 *
 * A Conversation is dead after a message that is wrong; a walsender answers with an error and goes on. So this follows the C, and reads
 * messages one by one.
 *
 * @source backend_startup.c: BackendInitialize; auth.c: ClientAuthentication; postgres.c: PostgresMain, SocketBackend
 */
import { createHash, randomBytes } from "node:crypto";
import type { Socket } from "node:net";
import { type SecureContext, TLSSocket } from "node:tls";
import { ConnectionError, ParseError, ServerError } from "../../kernel/errors.ts";
import { sessionCapabilities } from "../../session/capabilities.ts";
import {
  type BackendMessage,
  encodeBackendMessage,
  frontendTypes,
  joined,
  type TransactionStatus,
} from "../../session/messages.ts";
import { certificateHashName } from "../../session/server/certificate.ts";
import { invalidUtf8 } from "../../session/server/encoding.ts";
import { encodingName, SessionParameters } from "../../session/server/parameters.ts";
import { SCRAM_NONCE_LENGTH, ScramExchange } from "../../session/server/scram.ts";
import { readOptions, readStartup, type StartupSession, startupPacketLength } from "../../session/server/startup.ts";
import { checkAnswer, errorOf, errorResponse, fatal, shutdownError } from "../../session/server/words.ts";
import { decodeText, encodeText } from "../../wire/text.ts";
import { runQuery } from "./commands.ts";
import type { WalsenderHandlers, WalsenderSession, WalsenderSignal } from "./handlers.ts";
import { Input } from "./input.ts";
import { gone, type Incoming, type Link, nothing } from "./link.ts";
import { Outbox } from "./outbox.ts";
import type { ServerSettings } from "./settings.ts";

/** What a connection needs of its server. */
export interface Host {
  readonly settings: ServerSettings;
  readonly handlers: WalsenderHandlers;
  readonly secureContext: SecureContext | undefined;
  /** Plain text is refused: the server listens beyond this machine. */
  readonly requiresTls: boolean;
  /** @returns whether there is room for another connection. */
  admit(connection: Connection): boolean;
  nextProcessId(): number;
  cancel(processId: number, secretKey: Uint8Array): void;
  tell(error: unknown, connection: Connection): void;
}

const PASSWORD = 0x70;
const DIRECT_TLS = 0x16;
/** Messages without a large body are no longer than this, with their length. @source libpq.h: PQ_SMALL_MESSAGE_LIMIT */
const SHORT = 10_000;
/** Likewise. @source auth-sasl.c: PG_MAX_SASL_MESSAGE_LENGTH */
const LONGEST_SASL = 1024;
/** Types whose body may be large: Query, FunctionCall, Bind, Parse, CopyData. */
const large: ReadonlySet<number> = new Set(Array.from("QFBPd", (tag) => tag.charCodeAt(0)));
/** How long a client may take to read the last message, in milliseconds. */
const LINGER = 1000;
/** How long messages that wait may be answered before other connections have their turn, in milliseconds. */
const TURN = 5;

/** Type and length of a CopyData: every one is copied at once. */
const header = Uint8Array.of(0x64, 0, 0, 0, 0);

/** Nothing but Sync ends it. @source postgres.c: ignore_till_sync */
const extended = "PBEDCH";

export class Connection implements Link {
  readonly host: Host;
  readonly #stopping = new AbortController();
  readonly stopping: AbortSignal = this.#stopping.signal;
  readonly #ending = new AbortController();
  #untilError = new AbortController();
  parameters!: SessionParameters;
  session!: WalsenderSession;
  secretKey: Uint8Array = new Uint8Array(0);
  processId = 0;
  transaction: TransactionStatus = "I";
  transactionNumber = 0;
  /** The command that runs. A stream leaves its shutdown to itself: see `onShutDown`. */
  command: AbortController | undefined;
  /** Called on an orderly shutdown while a stream runs, instead of ending the command. */
  onShutDown: (() => void) | undefined;
  /** Resolves when the connection is closed. Handlers may still run. */
  readonly closed: Promise<void>;
  /** Resolves when nothing of the connection is left, handlers included. */
  readonly ended: Promise<void>;
  /** Handlers that run although their command has ended. */
  readonly background = new Set<Promise<unknown>>();
  #socket: Socket;
  #input: Input;
  #stage: "startup" | "authentication" | "ready" | "over" = "startup";
  #pending: Promise<Incoming | undefined> | undefined;
  #interrupt: ((error: unknown) => void) | undefined;
  #drain: Promise<void> | undefined;
  /** Nothing waits any more until the client has read what was sent. */
  readonly #hurry = new AbortController();
  #outbox: Outbox;
  #isClosed = false;
  /** When its turn has begun. */
  #turn = 0;

  constructor(host: Host, socket: Socket) {
    this.host = host;
    this.#socket = socket;
    this.#outbox = new Outbox(socket);
    this.#input = this.#attach(socket);
    this.closed = this.#run();
    const over = async (): Promise<void> => {
      await Promise.all(this.background);
      this.#untilError.abort(gone);
      this.#ending.abort(gone);
    };
    this.ended = this.closed.then(over, over);
  }

  get settings(): ServerSettings {
    return this.host.settings;
  }

  get handlers(): WalsenderHandlers {
    return this.host.handlers;
  }

  /** Tell the application of an error. */
  tell(error: unknown): void {
    this.host.tell(error, this);
  }

  /** Send messages. They leave together at the end of the turn. */
  say(...messages: readonly BackendMessage[]): void {
    this.write(joined(messages.map(encodeBackendMessage)));
  }

  /** Send bytes, which must not be written to any more. They leave together at the end of the turn. */
  write(bytes: Uint8Array): void {
    void this.#outbox.write(bytes);
  }

  /**
   * Send a CopyData.
   *
   * @param head What comes before the data: it is short, and copied.
   * @returns a promise that resolves when the data may be written to, and more may be sent, or the client is gone; undefined if that is
   *   now.
   */
  copyData(data: Uint8Array, head: Uint8Array = nothing): Promise<void> | undefined {
    const length = head.length + data.length + 4;
    header[1] = length >>> 24;
    header[2] = length >>> 16;
    header[3] = length >>> 8;
    header[4] = length;
    this.write(header);
    this.write(head);
    return this.#outbox.write(data) ?? this.drained();
  }

  /** Resolves when more may be sent, the client is gone, or the session ends at a shutdown; undefined if it may be sent now. */
  drained(): Promise<void> | undefined {
    const socket = this.#socket;
    const { signal } = this.#hurry;
    // Between its destruction and its close nothing may be sent: a handler that goes on at once would never let the close come.
    if (!(socket.writableNeedDrain || (socket.destroyed && !this.#isClosed)) || signal.aborted) return undefined;
    this.#drain ??= new Promise((resolve) => {
      const settle = (): void => {
        socket.off("drain", settle).off("close", settle);
        signal.removeEventListener("abort", settle);
        this.#drain = undefined;
        // Not at once: a receiver that reads as fast as it comes would take the turns of all others.
        setImmediate(resolve);
      };
      socket.on("drain", settle).on("close", settle);
      signal.addEventListener("abort", settle);
    });
    return this.#drain;
  }

  turn(): Promise<void> | undefined {
    if (performance.now() - this.#turn < TURN) return this.drained();
    return new Promise((resolve) => {
      setImmediate(() => {
        this.#turn = performance.now();
        resolve(this.drained());
      });
    });
  }

  /** The next message, which stays the next until `consume`; undefined if there is none: the client is gone. */
  peek(): Promise<Incoming | undefined> {
    this.#pending ??= this.#receive();
    return this.#pending;
  }

  consume(): void {
    this.#pending = undefined;
  }

  /** Run what a handler does; it ends at once when the command is aborted. */
  async run<T>(signal: WalsenderSignal, handler: () => T | Promise<T>): Promise<T> {
    const running = Promise.resolve().then(handler);
    const forget = (): void => void this.background.delete(settled);
    const settled: Promise<void> = running.then(forget, forget);
    this.background.add(settled);
    return new Promise<T>((resolve, reject) => {
      if (signal.aborted) reject(signal.reason);
      signal.addEventListener("abort", () => reject(signal.reason));
      running.then(resolve, reject);
    });
  }

  /** Another connection has sent a CancelRequest with our key. */
  cancel(): void {
    this.command?.abort(errorOf("QUERY_CANCELED", "canceling statement due to user request"));
  }

  /** End the connection: a stream once the client has everything, all else at once. */
  shutDown(): void {
    this.#stopping.abort(new ConnectionError("the server shuts down", "SERVER_SHUTDOWN"));
    if (this.#stage !== "ready") return this.destroy();
    if (this.onShutDown !== undefined) return this.onShutDown();
    const error = shutdownError();
    this.command?.abort(error);
    this.#interrupt?.(error);
    // A client that does not read must not hold the session. @source postgres.c: ProcessClientWriteInterrupt
    this.#hurry.abort();
  }

  /** End the connection without a word. */
  destroy(): void {
    this.#stage = "over";
    this.#socket.destroy();
    this.#interrupt?.(gone);
  }

  #attach(socket: Socket): Input {
    socket.on("error", () => socket.destroy());
    socket.on("close", () => {
      // The socket under TLS closes, too.
      if (socket !== this.#socket) return;
      this.#isClosed = true;
      this.command?.abort(gone);
    });
    socket.setNoDelay?.(true);
    return new Input(socket);
  }

  async #run(): Promise<void> {
    const { loginTimeout } = this.host.settings.limits;
    const timer = setTimeout(() => {
      if (this.#stage === "startup") this.destroy();
      else this.#interrupt?.(fatal("QUERY_CANCELED", "canceling authentication due to timeout"));
    }, loginTimeout);
    try {
      const session = await this.#startup();
      if (session !== undefined) {
        await this.#authenticate(session);
        clearTimeout(timer);
        this.#greet(session);
        await this.#loop();
      }
    } catch (error) {
      if (error instanceof TextFarewell) await this.#farewell(bytesOf(error.text));
      else if (error !== gone) {
        const last = this.#asServerError(error);
        const severity = last.severity === "PANIC" ? "PANIC" : "FATAL";
        await this.#farewell(encodeBackendMessage(errorResponse({ ...fieldsOf(last), severity })));
      }
    } finally {
      clearTimeout(timer);
      await this.#farewell();
      this.command?.abort(gone);
    }
  }

  /** Send the last bytes, and close once the client has read them. */
  async #farewell(bytes?: Uint8Array): Promise<void> {
    const socket = this.#socket;
    this.#stage = "over";
    if (socket.destroyed) return;
    if (bytes !== undefined) this.write(bytes);
    this.#outbox.flush();
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, LINGER);
      const settle = (): void => {
        clearTimeout(timer);
        resolve();
      };
      socket.once("close", settle);
      // Closing while bytes of the client wait would reset the connection, and the client would lose ours.
      if (this.#input.ended) socket.once("finish", settle);
      else socket.once("end", settle);
      this.#input.discard();
      socket.end();
    });
    socket.destroy();
  }

  /** Wait for bytes of the client, unless the connection is interrupted. */
  async #take(length: number): Promise<Uint8Array> {
    const bytes = await this.#orInterrupted(this.#input.take(length));
    if (bytes === undefined) throw gone;
    return bytes;
  }

  #orInterrupted<T>(promise: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      this.#interrupt = reject;
      promise.then(resolve, reject);
    }).finally(() => {
      this.#interrupt = undefined;
    }) as Promise<T>;
  }

  async #startup(): Promise<StartupSession | undefined> {
    const { settings, secureContext } = this.host;
    const has = sessionCapabilities.of(settings.server);
    let [sslDone, gssDone] = [false, false];
    let header = await this.#take(1);
    if (header[0] === DIRECT_TLS && has.directTls && secureContext !== undefined) {
      await this.#startTls(secureContext, header, true);
      [sslDone, gssDone] = [true, true];
      header = await this.#take(1);
    }
    for (;;) {
      const rest = await this.#take(3);
      const length = new DataView(Uint8Array.of(...header, ...rest).buffer).getUint32(0) - 4;
      if (length < startupPacketLength.min || length > startupPacketLength.max) throw gone;
      const verdict = readStartup(await this.#take(length), { server: settings.server, sslDone, gssDone });
      switch (verdict.type) {
        case "CancelRequest":
          this.host.cancel(verdict.processId, verdict.secretKey);
          throw gone;
        case "refused":
          if (verdict.error === undefined) throw gone;
          if (verdict.negotiate !== undefined) this.say(verdict.negotiate);
          if (!verdict.asText) throw verdict.error;
          await this.#farewell(bytesOf(`EFATAL:  ${verdict.error.message}\n\0`));
          return undefined;
        case "SSLRequest":
        case "GSSENCRequest": {
          const isSsl = verdict.type === "SSLRequest";
          const accepts = isSsl && secureContext !== undefined && !(this.#socket instanceof TLSSocket);
          this.write(bytesOf(accepts ? "S" : "N"));
          if (this.#input.waiting > 0) throw unencrypted(isSsl ? "SSL request" : "GSSAPI encryption request", has);
          if (accepts) await this.#startTls(secureContext, undefined, false);
          sslDone ||= isSsl;
          gssDone ||= !isSsl || accepts;
          header = await this.#take(1);
          continue;
        }
        case "session":
          if (verdict.negotiate !== undefined) this.say(verdict.negotiate);
          return verdict.session;
      }
    }
  }

  async #startTls(secureContext: SecureContext, first: Uint8Array | undefined, isDirect: boolean): Promise<void> {
    const socket = this.#socket;
    const rest = this.#input.detach();
    // What was taken goes back, for TLS to read.
    const back = [first, rest].filter((each) => each !== undefined && each.length > 0) as Uint8Array[];
    if (back.length > 0) socket.unshift(joined(back));
    // The answer must be on its way before the handshake.
    this.#outbox.flush();
    const secure = new TLSSocket(socket, { isServer: true, secureContext, ALPNProtocols: ["postgresql"] });
    this.#socket = secure;
    this.#outbox = new Outbox(secure);
    this.#input = this.#attach(secure);
    await this.#orInterrupted(
      new Promise<void>((resolve, reject) => {
        secure.once("secure", resolve);
        // What fails in a handshake is no error of the socket, and does not close it: a tls.Server would. There is no other event for it.
        for (const event of ["_tlsError", "error", "end", "close"]) secure.once(event, () => reject(gone));
      }),
    );
    if (isDirect && secure.alpnProtocol !== "postgresql") throw gone;
  }

  /** Before 12 a walsender is one of all connections until it has logged in. */
  #isCountedFirst({ replication }: StartupSession): boolean {
    return replication === "false" || sessionCapabilities.supports(this.settings.server, "walsendersCountedFirst");
  }

  #admit({ replication }: StartupSession): void {
    const { settings } = this.host;
    if (this.host.admit(this)) return;
    const { connections } = settings.limits;
    const name = sessionCapabilities.supports(settings.server, "parameterNamesQuoted")
      ? '"max_wal_senders"'
      : "max_wal_senders";
    throw fatal(
      "TOO_MANY_CONNECTIONS",
      replication === "false"
        ? "sorry, too many clients already"
        : `number of requested standby connections exceeds ${name} (currently ${connections})`,
    );
  }

  async #authenticate(session: StartupSession): Promise<void> {
    this.#stage = "authentication";
    const { settings, requiresTls } = this.host;
    const { user } = session;
    if (this.#isCountedFirst(session)) this.#admit(session);
    if (requiresTls && !(this.#socket instanceof TLSSocket)) {
      const { remoteAddress = "" } = this.#socket;
      const message = `no pg_hba.conf entry for replication connection from host "${remoteAddress}", user "${user}", no encryption`;
      throw fatal("INVALID_AUTHORIZATION_SPECIFICATION", message);
    }
    if (settings.users === undefined) return;
    const { users } = settings;
    const secret =
      typeof users === "function"
        ? await this.#orInterrupted(Promise.race([Promise.resolve().then(() => users(user)), this.#clientGone()]))
        : Object.hasOwn(users, user)
          ? users[user]
          : undefined;
    const exchange = new ScramExchange({
      server: settings.server,
      user,
      secret,
      nonce: randomBytes(SCRAM_NONCE_LENGTH),
      mockNonce: settings.mockNonce,
      channelBinding: this.#channelBinding(),
    });
    const { mechanisms } = exchange;
    this.say({ type: "Authentication", method: "SASL", mechanisms, data: new Uint8Array(0) });
    for (;;) {
      const first = await this.#orInterrupted(this.#input.take(1));
      if (first === undefined) throw exchange.leave() ?? gone;
      const [tag] = first;
      if (tag !== PASSWORD) throw fatal("PROTOCOL_VIOLATION", `expected SASL response, got message type ${tag}`);
      // A message that is not whole is a proof that fails.
      const failed = fatal("INVALID_PASSWORD", `password authentication failed for user "${user}"`);
      const header = await this.#orInterrupted(this.#input.take(4));
      const length = header === undefined ? 0 : uint32(header);
      if (length < 4 || length > LONGEST_SASL) throw failed;
      const body = await this.#orInterrupted(this.#input.take(length - 4));
      if (body === undefined) throw failed;
      const step = exchange.receive(body);
      if (step.type === "failed") throw step.error;
      const method = step.type === "final" ? "SASLFinal" : "SASLContinue";
      this.say({ type: "Authentication", method, mechanisms: [], data: step.data });
      if (step.type === "final") return;
    }
  }

  /** Of an encrypted session: the hash of the certificate that the client was shown. @source be-secure-openssl.c: be_tls_get_certificate_hash */
  #channelBinding(): { readonly certificateHash: Uint8Array | undefined } | undefined {
    const socket = this.#socket;
    if (!(socket instanceof TLSSocket)) return undefined;
    if (!sessionCapabilities.supports(this.settings.server, "scramChannelBinding")) return undefined;
    const certificate = socket.getX509Certificate()?.raw ?? nothing;
    const name = certificateHashName(certificate);
    return { certificateHash: name === undefined ? undefined : createHash(name).update(certificate).digest() };
  }

  /** Rejects when the client has closed its side: nobody waits for its login any more. */
  async #clientGone(): Promise<never> {
    await this.#input.end;
    throw gone;
  }

  /** The end of the login: parameters and the key. */
  #greet(session: StartupSession): void {
    const { settings } = this.host;
    this.say({ type: "Authentication", method: "Ok", mechanisms: [], data: new Uint8Array(0) });
    const { database } = session;
    if (settings.databases !== undefined && session.replication !== "true" && !settings.databases.includes(database)) {
      throw fatal("INVALID_CATALOG_NAME", `database "${database}" does not exist`);
    }
    const options = readOptions(session.options);
    if (options instanceof ServerError) throw options;
    this.parameters = new SessionParameters(settings.server, session, settings.parameters);
    for (const [name, value] of [...options, ...session.parameters]) {
      if (name.toLowerCase() === "client_encoding" && encodingName(value) === undefined) {
        throw fatal("INVALID_PARAMETER_VALUE", `invalid value for parameter "client_encoding": "${value}"`);
      }
      this.parameters.set(name, value);
    }
    this.processId = this.host.nextProcessId();
    this.secretKey = randomBytes(session.protocolMinor >= 2 ? 32 : 4);
    const connection = this;
    this.session = {
      user: session.user,
      database: session.database,
      replication: session.replication,
      processId: this.processId,
      version: settings.server,
      parameter: (name) => connection.parameters.get(name)?.value,
      get transactionNumber() {
        return connection.transactionNumber;
      },
      get transaction() {
        return connection.transaction;
      },
      signal: this.#ending.signal,
      get untilError() {
        return connection.#untilError.signal;
      },
    };
    this.say(...this.#changedParameters());
    if (!this.#isCountedFirst(session)) this.#admit(session);
    this.say({ type: "BackendKeyData", processId: this.processId, secretKey: this.secretKey });
    this.#stage = "ready";
  }

  #changedParameters(): BackendMessage[] {
    return this.parameters.changed().map((each): BackendMessage => ({ type: "ParameterStatus", ...each }));
  }

  async #loop(): Promise<void> {
    let sendReady = true;
    let skipping = false;
    for (;;) {
      if (sendReady) {
        if (this.stopping.aborted) throw shutdownError();
        this.say(...this.#changedParameters(), { type: "ReadyForQuery", status: this.transaction });
        sendReady = false;
      }
      await this.turn();
      const message = this.stopping.aborted ? undefined : await this.#orInterrupted(this.peek());
      if (this.stopping.aborted) throw shutdownError();
      this.consume();
      if (message === undefined) throw gone;
      if (message.isUnknown) throw fatal("PROTOCOL_VIOLATION", `invalid frontend message type ${message.tag}`);
      const type = String.fromCharCode(message.tag);
      if (type === "X") throw gone;
      if (type === "S") skipping = false;
      if (skipping || type === "d" || type === "c" || type === "f") continue;
      try {
        sendReady = await this.#dispatch(type, message.body);
      } catch (error) {
        if (error === gone) throw error;
        const answer = this.#asServerError(error);
        if (answer.severity !== "ERROR") throw answer;
        this.say(errorResponse(answer));
        this.#untilError.abort(answer);
        this.#untilError = new AbortController();
        if (this.transaction === "T") this.transaction = "E";
        skipping = extended.includes(type);
        sendReady = !skipping;
      }
    }
  }

  /** @returns whether ReadyForQuery is next. */
  async #dispatch(type: string, body: Uint8Array): Promise<boolean> {
    switch (type) {
      case "Q":
        await this.#query(this.#textOf(body));
        return true;
      case "S":
        if (body.length > 0) throw errorOf("PROTOCOL_VIOLATION", "invalid message format");
        return true;
      case "H":
        if (body.length > 0) throw errorOf("PROTOCOL_VIOLATION", "invalid message format");
        return false;
      case "F":
        throw errorOf("PROTOCOL_VIOLATION", "fastpath function calls not supported in a replication connection");
      default:
        throw errorOf("PROTOCOL_VIOLATION", "extended query protocol not supported in a replication connection");
    }
  }

  /** The text of a Query. @source pqformat.c: pq_getmsgstring; mbutils.c: pg_any_to_server */
  #textOf(body: Uint8Array): string {
    const end = body.indexOf(0);
    if (end < 0) throw errorOf("PROTOCOL_VIOLATION", "invalid string in message");
    const invalid = this.session.replication === "true" ? undefined : invalidUtf8(body.subarray(0, end));
    if (invalid !== undefined) {
      throw errorOf("CHARACTER_NOT_IN_REPERTOIRE", `invalid byte sequence for encoding "UTF8": ${invalid}`);
    }
    if (end + 1 < body.length) throw errorOf("PROTOCOL_VIOLATION", "invalid message format");
    return decodeText(body, 0, end);
  }

  async #query(text: string): Promise<void> {
    const controller = new AbortController();
    this.command = controller;
    try {
      await runQuery(this, text, controller.signal);
    } finally {
      this.command = undefined;
      controller.abort(new ConnectionError("the command has ended", "DISCONNECTED"));
    }
  }

  async #receive(): Promise<Incoming | undefined> {
    const [tag] = (await this.#input.take(1)) ?? [];
    if (tag === undefined) return undefined;
    if (tag === PASSWORD || !frontendTypes.has(tag)) return { tag, body: new Uint8Array(0), isUnknown: true };
    const header = await this.#input.take(4);
    if (header === undefined) return undefined;
    const length = uint32(header) - 4;
    const { server, limits } = this.host.settings;
    const isShort = !large.has(tag) && sessionCapabilities.supports(server, "shortMessagesAreLimited");
    if (length < 0 || length > (isShort ? Math.min(SHORT - 4, limits.message) : limits.message)) return undefined;
    const body = await this.#input.take(length);
    return body === undefined ? undefined : { tag, body, isUnknown: false };
  }

  /** An error as the client gets it. What is not an answer in a server's words is told to the application only. */
  #asServerError(given: unknown): ServerError {
    let error = given;
    try {
      if (error instanceof ServerError) return checkAnswer(error);
    } catch (invalid) {
      error = invalid;
    }
    if (error instanceof ParseError) {
      const { sqlstate, message, detail, hint } = error;
      return new ServerError({ severity: "ERROR", sqlstate, message, detail, hint });
    }
    this.host.tell(error, this);
    return errorOf("INTERNAL_ERROR", "internal error");
  }
}

function fieldsOf({ severity, sqlstate, message, detail, hint, position, where }: ServerError) {
  return { severity, sqlstate, message, detail, hint, position, where };
}

function unencrypted(request: string, has: { readonly protocolTwoIsGone: boolean }): unknown {
  const message = `received unencrypted data after ${request}`;
  // Before 14 the server does not know the client's protocol yet, and speaks the oldest one.
  return has.protocolTwoIsGone
    ? fatal("PROTOCOL_VIOLATION", message, {
        detail: "This could be either a client-software bug or evidence of an attempted man-in-the-middle attack.",
      })
    : new TextFarewell(`EFATAL:  ${message}\n\0`);
}

/** The last words, as text of protocol 2. */
class TextFarewell {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

function uint32(bytes: Uint8Array): number {
  return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0);
}

function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  return bytes.subarray(0, encodeText(text, bytes, 0));
}

/**
 * The package pg, an optional peer: loading it, and logging in with it; then walwire owns the connection.
 *
 * pg parses connection strings, negotiates TLS and authenticates. Its parser would also read what follows the login's
 * ReadyForQuery in the same chunk, and drop it. So the bytes from the server are framed here: pg gets whole messages up to that
 * ReadyForQuery, each checked, and never a byte after it.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import {
  ArgumentError,
  ConnectionError,
  PeerMissingError,
  ProtocolError,
  type ServerError,
  WalwireError,
} from "../kernel/errors.ts";
import { listed } from "../kernel/words.ts";
import { type BackendMessage, encodeBackendMessage, type ServerFields } from "../session/messages.ts";
import type { WalReceiver } from "../session/walreceiver.ts";
import type { AbortSignalLike } from "./abort-signal.ts";
import { type ConnectionParameters, checkConnectionParameters } from "./connect-options.ts";
import type { ReadMemory } from "./read-memory.ts";
import { serverErrorOf } from "./server-error.ts";

type Pg = typeof import("pg").default;

/**
 * Load pg.
 *
 * @throws PeerMissingError if it is not installed or cannot be loaded; `cause` says why.
 */
export async function loadPg(): Promise<Pg> {
  try {
    return (await import("pg")).default;
  } catch (cause) {
    throw peerMissing(cause);
  }
}

/** The reason why pg cannot be loaded: it is not installed, or another error of the import. */
export function peerMissing(cause: unknown): PeerMissingError {
  const { code, message } = cause as { readonly code?: unknown; readonly message?: unknown };
  // Only if pg itself is missing, not a package that it needs. Node, bundlers and Yarn's PnP each have their own wording.
  const isMissing =
    (code === "ERR_MODULE_NOT_FOUND" || code === "MODULE_NOT_FOUND") &&
    /[\s'"`]pg(?:['"`,\s]|$)/m.test(String(message));
  return new PeerMissingError(
    isMissing
      ? "connections are opened with the package pg, which is not installed: npm install pg"
      : `connections are opened with the package pg, which cannot be loaded: ${String(message ?? cause)}`,
    { cause },
  );
}

/** An ErrorResponse as pg throws it. Recognized by its fields: an application may have several copies of pg. */
export function isDatabaseError(error: unknown): error is Error & {
  readonly severity: string;
  readonly code: string;
  readonly detail?: string;
  readonly hint?: string;
} {
  return error instanceof Error && "severity" in error && "code" in error && !(error instanceof WalwireError);
}

/** The part of pg's Connection used here, which its types omit. A test in test/session checks it against the installed pg. */
interface PgConnection extends EventEmitter {
  stream: Socket;
  readonly ssl: unknown;
  startup: (parameters: Readonly<Record<string, string>>) => void;
  attachListeners: (stream: EventEmitter) => void;
}

/** Options of a login. */
export interface LoginOptions {
  /** For pg's Client. */
  readonly config: {
    readonly password?: string | (() => string | Promise<string>) | undefined;
    readonly replication?: string;
  };
  /** Makes the parameters of the startup packet from those that pg would send and the encoding in its options. */
  readonly startup: (
    parameters: Readonly<Record<string, string>>,
    encoding: string | undefined,
  ) => Readonly<Record<string, string | undefined>>;
  /** Gets each parameter that the server reports. */
  readonly onParameter: (name: string, value: string) => void;
  /** Gets each notice; `fail` ends the login with an error. */
  readonly onNotice: (fields: ServerFields, fail: (error: unknown) => void) => void;
  /** Takes the socket at ReadyForQuery, before any other event of it can come. Bytes after it that have arrived are in the session. */
  readonly onReady: (socket: Socket) => void;
  /** The client's end of the connection, at its startup. */
  readonly session: WalReceiver;
  /** Where the socket reads to, unless what it reads is encrypted: then that is memory of its own. */
  readonly memory: ReadMemory | undefined;
  readonly signal: AbortSignalLike | undefined;
}

/** A login takes about 20 messages, plus notices. A server that sends more than these is cut off. */
const LONGEST_LOGIN = 1024 * 1024;
const MOST_MESSAGES = 1000;

/**
 * Log in.
 *
 * @throws ServerError if the server rejects the login.
 * @throws ConnectionError if there is no connection; `cause` is the error of the socket.
 * @throws DecodeError or ProtocolError for a server that breaks the protocol.
 * @throws ArgumentError for options that pg rejects.
 * @throws what onNotice and the function of the password throw.
 */
export async function logIn(pg: Pg, options: LoginOptions): Promise<void> {
  const { signal } = options;
  /** What a callback has thrown. */
  let thrown: { readonly error: unknown } | undefined;
  const {
    client,
    connection,
    parameters: found,
  } = newClient(pg, options.config, (error) => {
    thrown ??= { error };
  });
  let refusal: ServerError | undefined;
  // pg reports errors of the socket through the client at any time, even long after the login.
  client.on("error", () => {});
  const fail = (error: unknown): void => void connection.emit("error", error);
  if (options.memory !== undefined && !connection.ssl) connection.stream = options.memory.socket() as Socket;
  connection.startup = (parameters) => {
    try {
      const all = Object.entries(options.startup(parameters, found.client_encoding || undefined));
      const given = all.filter((each): each is [string, string] => each[1] !== undefined);
      const packet = { type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters: given } as const;
      connection.stream.write(options.session.send(packet));
    } catch (error) {
      fail(error);
    }
  };
  const failBy = (error: unknown): void => {
    thrown ??= { error };
    fail(error);
  };
  const tell = (fields: ServerFields): void => {
    try {
      options.onNotice(fields, failBy);
    } catch (error) {
      thrown ??= { error };
      throw error;
    }
  };
  const attach = connection.attachListeners;
  connection.attachListeners = (stream) => {
    const messages = new EventEmitter();
    attach.call(connection, messages);
    const gate = new Gate(stream as Socket, messages, {
      ...options,
      onMessage: (message) => {
        if (message.type === "ErrorResponse") refusal = serverErrorOf(message.fields);
        if (message.type === "ParameterStatus") options.onParameter(message.name, message.value);
        if (message.type === "NoticeResponse") tell(message.fields);
      },
      fail,
    });
    stream.on("data", gate.take);
  };
  const abort = (): void => fail(signal?.reason);
  signal?.addEventListener("abort", abort);
  try {
    await client.connect();
  } catch (error) {
    connection.stream.destroy();
    if (signal?.aborted) throw signal.reason;
    if (thrown !== undefined) throw thrown.error;
    throw refusal ?? loginError(error);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

/** @param onThrow Gets what the function of the password throws. */
function newClient(
  pg: Pg,
  config: LoginOptions["config"],
  onThrow: (error: unknown) => void,
): { client: InstanceType<Pg["Client"]>; connection: PgConnection; parameters: ConnectionParameters } {
  let client: InstanceType<Pg["Client"]>;
  const { password } = config;
  const ask = async (): Promise<string | undefined> => {
    try {
      const given: unknown = await (password as () => unknown)();
      if (given === undefined || typeof given === "string") return given;
    } catch (error) {
      onThrow(error);
      throw error;
    }
    // It is not shown.
    const error = new ArgumentError("options.password", "options.password: expected a function that returns a string");
    onThrow(error);
    throw error;
  };
  try {
    client = new pg.Client(
      typeof password === "function" ? { ...config, password: ask as () => Promise<string> } : config,
    );
  } catch (cause) {
    throw new ArgumentError("options", `options: ${(cause as Error).message}`);
  }
  const { connection } = client as unknown as { readonly connection?: Partial<PgConnection> };
  if (typeof connection?.attachListeners !== "function" || typeof connection.startup !== "function") {
    throw new PeerMissingError("the installed package pg is not one that walwire can use: npm install pg@8");
  }
  const { connectionParameters: parameters } = client as unknown as {
    readonly connectionParameters: ConnectionParameters;
  };
  checkConnectionParameters(parameters);
  return { client, connection: connection as PgConnection, parameters };
}

/** Errors of pg and of the socket as walwire's errors. */
function loginError(error: unknown): unknown {
  if (error instanceof WalwireError) return error;
  // A name with several addresses has an error for each of them.
  const [cause] = error instanceof AggregateError ? error.errors : [error];
  const { message } = cause as Error;
  if (message.startsWith("SASL: ")) {
    // An error of pg's reader and checker of the exchange.
    const said = /client password must be a/.test(message)
      ? "the server asks for a password, which was not given"
      : `the login failed: ${message}`;
    return new ConnectionError(said, "AUTHENTICATION", { cause });
  }
  if (/timeout expired/.test(message)) return new ConnectionError("the login took too long", "TIMEOUT", { cause });
  if (/terminated unexpectedly/.test(message)) {
    return new ConnectionError("the server closed the connection during the login", "CONNECTION_LOST", { cause });
  }
  return new ConnectionError(`cannot connect: ${message}`, "CONNECTION_LOST", { cause });
}

type GateOptions = Pick<LoginOptions, "onReady" | "session"> & {
  readonly onMessage: (message: BackendMessage) => void;
  readonly fail: (error: unknown) => void;
};

/** Hands whole messages to pg, each in its order, and at ReadyForQuery hands over the socket. */
class Gate {
  #bytes = 0;
  #messages = 0;

  readonly #socket: Socket;
  readonly #pg: EventEmitter;
  readonly #options: GateOptions;

  constructor(socket: Socket, pg: EventEmitter, options: GateOptions) {
    this.#socket = socket;
    this.#pg = pg;
    this.#options = options;
  }

  readonly take = (chunk: Uint8Array): void => {
    try {
      this.#options.session.receive(chunk);
      for (let message = this.#next(); message !== undefined; message = this.#next()) {
        if (this.#pass(message)) return;
      }
    } catch (error) {
      this.#detach();
      this.#options.fail(error);
    }
  };

  #next(): BackendMessage | undefined {
    const { session } = this.#options;
    // pg has sent its proof by itself.
    if (session.state === "proof") session.send({ type: "PasswordMessage", data: new Uint8Array(0) });
    // pg has encrypted the connection before: no EncryptionResponse comes.
    return session.next() as BackendMessage | undefined;
  }

  /** @returns whether the login is over */
  #pass(message: BackendMessage): boolean {
    const bytes = encodeBackendMessage(message);
    this.#bytes += bytes.length;
    if (message.type !== "NoticeResponse") this.#messages++;
    if (this.#bytes > LONGEST_LOGIN || this.#messages > MOST_MESSAGES) {
      throw new ProtocolError("the server sent too many messages during the login", "LIMIT_EXCEEDED");
    }
    // The oldest protocol was asked for.
    if (message.type === "NegotiateProtocolVersion") throw new ProtocolError(`the server sent ${message.type}`);
    if (message.type === "Authentication") checkMethod(message);
    this.#options.onMessage(message);
    const isReady = message.type === "ReadyForQuery";
    if (isReady) {
      this.#detach();
      this.#options.onReady(this.#socket);
    }
    this.#pg.emit("data", Buffer.from(bytes));
    return isReady;
  }

  #detach(): void {
    this.#socket.off("data", this.take);
  }
}

/** @throws ConnectionError AUTHENTICATION for a method that pg does not have */
function checkMethod({ method, mechanisms }: Extract<BackendMessage, { type: "Authentication" }>): void {
  const isUnknown = method === "SASL" && !mechanisms.some((name) => /^SCRAM-SHA-256(-PLUS)?$/.test(name));
  if (!isUnknown && !["KerberosV5", "GSS", "SSPI"].includes(method)) return;
  const names =
    mechanisms.length === 0 ? "SASL without a mechanism" : listed(mechanisms.map((name) => JSON.stringify(name)));
  const what = isUnknown ? names : method;
  throw new ConnectionError(
    `the server asks for authentication by ${what}, which pg does not have: let pg_hba.conf ask for scram-sha-256`,
    "AUTHENTICATION",
  );
}

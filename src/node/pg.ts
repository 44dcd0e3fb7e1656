/**
 * The package pg, an optional peer: loading it, and logging in through it so that the rest of the connection is ours.
 *
 * pg parses connection strings, negotiates TLS and authenticates. Its parser would also read what follows the login's
 * ReadyForQuery in the same chunk, and drop it. So the bytes from the server are framed here: pg gets whole messages up to that
 * ReadyForQuery, each checked, and never a byte behind it.
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
import { type BackendMessage, decodeBackendMessage, encodeStartupPacket, shownTag } from "../session/messages.ts";
import { Framer } from "../wire/framer.ts";
import type { AbortSignalLike } from "./abort-signal.ts";
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
  startup: (parameters: Readonly<Record<string, string>>) => void;
  attachListeners: (stream: EventEmitter) => void;
}

/** The result of a login. */
export interface LoggedIn {
  readonly socket: Socket;
  /** Bytes after ReadyForQuery that arrived in the same chunk. */
  readonly rest: Uint8Array;
}

/** Options of a login. */
export interface LoginOptions {
  /** For pg's Client. */
  readonly config: object;
  /** Makes the parameters of the startup packet from those that pg would send and the encoding in its options. */
  readonly startup: (
    parameters: Readonly<Record<string, string>>,
    encoding: string | undefined,
  ) => Readonly<Record<string, string | undefined>>;
  /** Gets each message up to ReadyForQuery. */
  readonly onMessage: (message: BackendMessage) => void;
  /** Takes the socket at ReadyForQuery, before any other event of it can come. */
  readonly onReady: (login: LoggedIn) => void;
  readonly signal: AbortSignalLike | undefined;
}

/** A login takes some hundred bytes in about 20 messages, plus notices. A server that sends more than this is cut off. */
const LONGEST_LOGIN = 1024 * 1024;
const MOST_MESSAGES = 1000;

/** The messages of a login. NegotiateProtocolVersion does not come, as the oldest protocol is asked for. */
const LOGIN = new Set<BackendMessage["type"]>([
  "Authentication",
  "BackendKeyData",
  "ErrorResponse",
  "NoticeResponse",
  "ParameterStatus",
  "ReadyForQuery",
]);

/**
 * Log in.
 *
 * @throws ServerError if the server rejects the login.
 * @throws ConnectionError if there is no connection; `cause` is the error of the socket.
 * @throws DecodeError or ProtocolError for a server that breaks the protocol.
 * @throws ArgumentError for options that pg rejects.
 */
export async function logIn(pg: Pg, options: LoginOptions): Promise<void> {
  const { signal } = options;
  const { client, connection } = newClient(pg, options.config);
  const { connectionParameters } = client as unknown as {
    readonly connectionParameters?: { readonly client_encoding?: string };
  };
  let refusal: ServerError | undefined;
  // pg reports errors of the socket through the client at any time, even long after the login.
  client.on("error", () => {});
  const fail = (error: unknown): void => void connection.emit("error", error);
  connection.startup = (parameters) => {
    try {
      const all = Object.entries(options.startup(parameters, connectionParameters?.client_encoding || undefined));
      const given = all.filter((each): each is [string, string] => each[1] !== undefined);
      const packet = { type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters: given } as const;
      connection.stream.write(encodeStartupPacket(packet));
    } catch (error) {
      fail(error);
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
        options.onMessage(message);
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
    throw refusal ?? loginError(error);
  } finally {
    signal?.removeEventListener("abort", abort);
  }
}

function newClient(pg: Pg, config: object): { client: InstanceType<Pg["Client"]>; connection: PgConnection } {
  let client: InstanceType<Pg["Client"]>;
  try {
    client = new pg.Client(config);
  } catch (cause) {
    throw new ArgumentError("options", `options: ${(cause as Error).message}`);
  }
  const { connection } = client as unknown as { readonly connection?: Partial<PgConnection> };
  if (typeof connection?.attachListeners !== "function" || typeof connection.startup !== "function") {
    throw new PeerMissingError("the installed package pg is not one that walwire can use: npm install pg@8");
  }
  return { client, connection: connection as PgConnection };
}

/** pg's own errors, and those of the socket, as ours. */
function loginError(error: unknown): unknown {
  if (error instanceof WalwireError) return error;
  // A name with several addresses has an error for each of them.
  const [cause] = error instanceof AggregateError ? error.errors : [error];
  const { message } = cause as Error;
  if (/timeout expired/.test(message)) return new ConnectionError("the login took too long", "TIMEOUT", { cause });
  if (/terminated unexpectedly/.test(message)) {
    return new ConnectionError("the server closed the connection during the login", "CONNECTION_LOST", { cause });
  }
  return new ConnectionError(`cannot connect: ${message}`, "CONNECTION_LOST", { cause });
}

type GateOptions = Pick<LoginOptions, "onMessage" | "onReady"> & { readonly fail: (error: unknown) => void };

/** Hands whole messages to pg, and with ReadyForQuery the socket to us. */
class Gate {
  readonly #framer = new Framer({ maxLength: LONGEST_LOGIN });
  #taken = 0;
  #passed = 0;
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
      this.#take(chunk);
    } catch (error) {
      this.#detach();
      this.#options.fail(error);
    }
  };

  #take(chunk: Uint8Array): void {
    const before = this.#taken;
    this.#taken += chunk.length;
    this.#framer.push(chunk);
    for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
      const header = Uint8Array.of(frame.tag, ...new Uint8Array(4));
      new DataView(header.buffer).setUint32(1, 4 + frame.length);
      this.#passed += header.length + frame.length;
      const message = decodeBackendMessage(frame);
      if (message.type !== "NoticeResponse") this.#messages++;
      if (this.#passed > LONGEST_LOGIN || this.#messages > MOST_MESSAGES) {
        throw new ProtocolError("the server sent too many messages during the login", "LIMIT_EXCEEDED");
      }
      if (!LOGIN.has(message.type))
        throw new ProtocolError(`the server sent message ${shownTag(frame.tag)} during the login`);
      this.#options.onMessage(message);
      const ready = message.type === "ReadyForQuery";
      if (ready) {
        this.#detach();
        this.#options.onReady({ socket: this.#socket, rest: chunk.subarray(this.#passed - before) });
      }
      this.#pg.emit("data", Buffer.concat([header, frame.bytes]));
      if (ready) return;
    }
  }

  #detach(): void {
    this.#socket.off("data", this.take);
  }
}

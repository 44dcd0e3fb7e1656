/**
 * walwire/server: `listen`: a walsender of any version, whose answers an application gives (Node).
 *
 * @source walsender.c, postmaster.c
 */
import { randomInt } from "node:crypto";
import { createServer, type Server as NetServer, type Socket } from "node:net";
import { ConnectionError } from "../../kernel/errors.ts";
import { checkOptions, checkType } from "../../kernel/options.ts";
import { equal } from "../../session/server/scram.ts";
import "../async-dispose.ts";
import { Connection, type Host } from "./connection.ts";
import type { WalsenderSession } from "./handlers.ts";
import type { ListenOptions } from "./options.ts";
import { checkSettings } from "./settings.ts";

export { ServerError } from "../../kernel/errors.ts";
export { type ScramSecretOptions, scramSecret } from "../../session/server/scram.ts";
export type { ReplicationMode } from "../../session/server/startup.ts";
export type * from "./handlers.ts";
export type { ListenLimits, ListenOptions } from "./options.ts";
export { WalDirectory, type WalDirectoryOptions } from "./wal-directory/index.ts";

/** Sockets beyond the limit of connections that may wait for their login, as a multiple of that limit. */
const WAITING = 4;

/** How long `close` waits for handlers after their connections are closed, in milliseconds. */
const HANDLERS = 5000;

/** Where a server listens. */
export interface WalsenderAddress {
  /** The IP address; undefined for a Unix socket. */
  readonly host: string | undefined;
  /** The TCP port; undefined for a Unix socket. */
  readonly port: number | undefined;
  /** The path of the Unix socket; undefined for TCP. */
  readonly path: string | undefined;
}

/** Options of `close`. */
export interface CloseOptions {
  /** Close all connections at once, without a word. Default: streams end when their receivers have everything. */
  readonly immediate?: boolean | undefined;
}

/** A server that listens. `await using` closes it. */
export interface WalsenderServer {
  /** Where it listens. */
  readonly address: WalsenderAddress;
  /** The clients that are logged in. */
  readonly connections: readonly WalsenderSession[];
  /**
   * Listen no more, and end all connections. A stream ends once the handler has said `caughtUp` and the receiver has flushed everything;
   * one whose receiver is silent ends by the time limit: without one it may last for ever. Other sessions end with the error of a server
   * that shuts down, which a client has a second to read; logins end without a word. A second call may be the immediate one.
   *
   * @returns a promise that resolves when all connections have ended, and the handlers with them. Of those that have not returned 5 s
   *   after their connections are closed `onError` is told, and they are not waited for. An immediate one does not wait for handlers.
   * @throws ArgumentError for an invalid option.
   */
  close(options?: CloseOptions): Promise<void>;
  /** `close()`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/**
 * Listen for replication connections, and answer them as a PostgreSQL of a version would: the login, every command parsed and checked in
 * the words of that version, SHOW, streams with keepalives and time limits. What the answers say comes from handlers.
 *
 * @throws ArgumentError for an invalid option, or for an address that other machines can reach without `users` and `tls`.
 * @throws UnsupportedError for an unknown version, or one before 10.
 * @throws ConnectionError if the address cannot be listened on.
 * @example
 * const server = await listen({ server: 15, systemid: 7n });
 * server.address.host // "127.0.0.1"
 * await server.close();
 *
 * @source postmaster.c: ServerLoop
 */
export async function listen(options: ListenOptions = {}): Promise<WalsenderServer> {
  const { settings, address } = checkSettings(options);
  const { handlers = {}, onError } = options;
  const all = new Set<Connection>();
  const sockets = new Set<Socket>();
  const admitted = new Set<Connection>();
  let lastProcessId = randomInt(1000, 100_000);
  const host: Host = {
    settings,
    handlers,
    secureContext: address.secureContext,
    requiresTls: address.requiresTls,
    admit(connection) {
      if (admitted.size >= settings.limits.connections) return false;
      admitted.add(connection);
      return true;
    },
    nextProcessId: () => ++lastProcessId,
    cancel(processId, secretKey) {
      for (const each of all) {
        if (each.processId === processId && equal(each.secretKey, secretKey)) each.cancel();
      }
    },
    tell: (error, { session }) => onError?.(error, session),
  };
  const net = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
    const connection = new Connection(host, socket);
    all.add(connection);
    const settle = (): void => {
      all.delete(connection);
      admitted.delete(connection);
    };
    connection.ended.then(settle, settle);
  });
  // Beyond these nobody is told anything.
  net.maxConnections = settings.limits.connections * (1 + WAITING);
  await new Promise<void>((resolve, reject) => {
    const { target } = address;
    const where = "path" in target ? target.path : `${target.host}:${target.port}`;
    net.once("error", (cause) => {
      reject(new ConnectionError(`cannot listen on ${where}: ${cause.message}`, "CONNECTION_LOST", { cause }));
    });
    net.listen(target, resolve);
  });
  net.removeAllListeners("error");
  net.on("error", (error) => onError?.(error, undefined));
  let closed: Promise<void> | undefined;
  const close = async (options: CloseOptions = {}): Promise<void> => {
    checkOptions(options, ["immediate"]);
    const { immediate = false } = options;
    checkType("options.immediate", immediate, "boolean");
    closed ??= new Promise((resolve) => net.close(() => resolve()));
    if (immediate) {
      for (const socket of sockets) socket.destroy();
      for (const connection of all) connection.destroy();
    } else {
      for (const connection of all) connection.shutDown();
      await settled([...all], (error, session) => onError?.(error, session));
    }
    await closed;
  };
  return {
    address: addressOf(net),
    get connections() {
      return [...all].flatMap(({ session }) => (session === undefined ? [] : [session]));
    },
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** Wait for the ends of connections, and for a while for the handlers that they leave. */
async function settled(
  connections: readonly Connection[],
  tell: (error: ConnectionError, session: WalsenderSession | undefined) => void,
): Promise<void> {
  const left = new Set(connections);
  const ends = connections.map(async (connection) => {
    await connection.ended;
    left.delete(connection);
  });
  await Promise.allSettled(connections.map(({ closed }) => closed));
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, HANDLERS);
  });
  await Promise.race([Promise.all(ends), limit]);
  clearTimeout(timer);
  for (const { session } of left) {
    const message = `a handler has not returned ${HANDLERS / 1000} s after its connection was closed`;
    tell(new ConnectionError(message, "TIMEOUT"), session);
  }
}

function addressOf(net: NetServer): WalsenderAddress {
  const bound = net.address();
  if (typeof bound === "string" || bound === null)
    return { host: undefined, port: undefined, path: bound ?? undefined };
  return { host: bound.address, port: bound.port, path: undefined };
}

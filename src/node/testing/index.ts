/**
 * walwire/testing: `startTestServer`: a walsender in a test's hands: streams that the test plays, connections that break on command
 * (Node).
 */

import type { StartReplicationCmd } from "../../command/ast.ts";
import type { PGOutputOptions } from "../../command/check.ts";
import { ConnectionError, ServerError, StateError } from "../../kernel/errors.ts";
import { type Lsn, toLsn } from "../../kernel/lsn.ts";
import { checkObject, checkOptions, checkWhole } from "../../kernel/options.ts";
import "../async-dispose.ts";
import { checkAction, checkPlace } from "../proxy/check.ts";
import {
  type PassingMessage,
  type Place,
  type ProxyAction,
  type ReplicationProxy,
  startProxy,
} from "../proxy/index.ts";
import {
  type ListenOptions,
  listen,
  type WalsenderHandlers,
  type WalsenderServer,
  type WalsenderStream,
} from "../server/index.ts";
import { answerSubscribe } from "./subscribe-sql.ts";
import { PATIENCE, TestStream, type WaitLimit } from "./test-stream.ts";

export type { Place, ProxyAction } from "../proxy/index.ts";
export type { TestStream, WaitLimit } from "./test-stream.ts";

/** Options of `startTestServer`: those of `listen` but for the address. */
export interface TestServerOptions extends Omit<ListenOptions, "host" | "path" | "insecure" | "tls"> {
  /** The end of the server's WAL: where new slots begin, and what IDENTIFY_SYSTEM gives until clients acknowledge more. Default: 0/1000000. */
  readonly position?: Lsn | undefined;
}

/** A server in a test's hands. */
export interface TestServer {
  /** The host that it listens on. */
  readonly host: string;
  /** Its port, which stays the same when it is started again. */
  readonly port: number;
  /** Its URL, for a role and a database that it takes as they come. */
  readonly url: string;
  /** The commands that clients have sent, in order. */
  readonly commands: readonly string[];
  /** The clients that are logged in. */
  readonly connections: number;
  /**
   * The next stream that a client starts, in the order in which they are started. A stream that a handler of the options plays is none.
   *
   * @throws ConnectionError if no client has started one within the limit: the message says what they have sent.
   * @throws StateError once the server is closed.
   */
  nextStream(limit?: WaitLimit): Promise<TestStream>;
  /** At a message of any connection, do that instead of passing it on. @throws ArgumentError for a message that there cannot be */
  breakAt(place: Place, action: ProxyAction): void;
  /** Close all connections, and go on to listen. */
  cut(): void;
  /** As a server that crashes: close all connections, and listen no more. */
  crash(): Promise<void>;
  /** Listen again, on the same port. @throws StateError once it is closed */
  restart(): Promise<void>;
  /** End. */
  close(): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

/** Where WAL ends by default. */
const POSITION = 0x1000000n;

const names = [
  ...["server", "port", "position", "users", "databases", "systemid", "parameters", "handlers", "limits", "onError"],
];

interface Armed {
  readonly place: Place;
  readonly action: ProxyAction;
  /** Only of this connection; undefined is any. */
  readonly connection: number | undefined;
  left: number;
}

/**
 * Start a server for a test. Every slot exists, unless a handler says otherwise; what clients ask is in `commands`, and their streams wait
 * for `nextStream`.
 *
 * @throws as `listen`.
 * @example
 * const server = await startTestServer({ server: 16 });
 * // start a client with server.url, then: const stream = await server.nextStream();
 * await server.close();
 */
export async function startTestServer(options: TestServerOptions = {}): Promise<TestServer> {
  checkOptions(options, names);
  const { handlers, port } = options;
  if (handlers !== undefined) checkObject("options.handlers", handlers);
  if (port !== undefined) checkWhole("options.port", port, 0, 65535);
  const server = new Testing(options);
  await server.restart();
  return server;
}

class Testing implements TestServer {
  readonly host = "127.0.0.1";
  readonly commands: string[] = [];
  readonly #options: Omit<TestServerOptions, "position">;
  readonly #handlers: WalsenderHandlers;
  #port: number;
  #server: WalsenderServer | undefined;
  #proxy: ReplicationProxy | undefined;
  #armed: Armed[] = [];
  /** Numbers of connections by the process IDs of their sessions. */
  readonly #connectionOf = new Map<number, number>();
  #streams: TestStream[] = [];
  /** All that have been started. */
  readonly #played: TestStream[] = [];
  #waiting: { readonly take: (stream: TestStream) => void; readonly reject: (error: Error) => void }[] = [];
  #isClosed = false;

  constructor({ position = toLsn(POSITION), port = 0, ...options }: TestServerOptions) {
    const xlogpos = toLsn(position);
    this.#options = options;
    this.#port = port;
    const systemid = options.systemid ?? 7_000_000_000_000_000_001n;
    const play = (command: StartReplicationCmd, played: PGOutputOptions | undefined, stream: WalsenderStream) =>
      this.#started(new TestStream(command, played, stream, this.#wireOf(stream.session.processId)));
    this.#handlers = {
      identifySystem: () => ({ systemid, timeline: 1, xlogpos: this.#end(xlogpos) }),
      createSlot: ({ slotname, kind, plugin }) => ({
        slot_name: slotname,
        consistent_point: kind === "LOGICAL" ? xlogpos : toLsn(0n),
        snapshot_name: undefined,
        output_plugin: plugin,
      }),
      dropSlot: () => {},
      alterSlot: () => {},
      startPhysical: (command, stream) => play(command, undefined, stream),
      startLogical: play,
      query(sql, { session }) {
        const answer = answerSubscribe(sql, session.database, xlogpos);
        if (answer !== undefined) return answer;
        throw new ServerError({ severity: "ERROR", sqlstate: "0A000", message: "this server does not execute SQL" });
      },
      ...options.handlers,
    };
  }

  get port(): number {
    return this.#port;
  }

  get url(): string {
    return `postgres://postgres@${this.host}:${this.#port}/postgres`;
  }

  get connections(): number {
    return this.#server?.connections.length ?? 0;
  }

  nextStream({ timeout = PATIENCE }: WaitLimit = {}): Promise<TestStream> {
    const ready = this.#streams.shift();
    if (ready !== undefined) return Promise.resolve(ready);
    if (this.#isClosed) return Promise.reject(new StateError("the test server was closed"));
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#waiting = this.#waiting.filter((each) => each !== waiting);
        const said = this.commands.length === 0 ? "nothing" : this.commands.slice(-5).join("; ");
        reject(
          new ConnectionError(
            `no client has started a stream for ${timeout} ms; the last commands: ${said}`,
            "TIMEOUT",
          ),
        );
      }, timeout);
      const waiting = {
        take(stream: TestStream): void {
          clearTimeout(timer);
          resolve(stream);
        },
        reject(error: Error): void {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#waiting.push(waiting);
    });
  }

  breakAt(place: Place, action: ProxyAction): void {
    this.#arm(place, action, undefined);
  }

  cut(): void {
    this.#proxy?.cut();
  }

  async crash(): Promise<void> {
    const [server, proxy] = [this.#server, this.#proxy];
    this.#server = undefined;
    this.#proxy = undefined;
    this.#streams = [];
    await proxy?.close();
    await server?.close({ immediate: true });
  }

  async restart(): Promise<void> {
    if (this.#isClosed) throw new StateError("the test server was closed");
    await this.crash();
    const server = await listen({ ...this.#options, handlers: this.#handlers });
    this.#server = server;
    const { port } = server.address;
    try {
      this.#proxy = await startProxy({
        to: { port: port! },
        listen: { host: this.host, port: this.#port },
        onMessage: (message) => this.#pass(message),
      });
    } catch (error) {
      await server.close({ immediate: true });
      throw error;
    }
    const { address } = this.#proxy;
    if ("port" in address) this.#port = address.port;
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    for (const { reject } of this.#waiting.splice(0)) reject(new StateError("the test server was closed"));
    await this.crash();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  /** The end of WAL: a server has what its clients have acknowledged. */
  #end(position: Lsn): Lsn {
    return this.#played.reduce((end, { acknowledged }) => (acknowledged > end ? acknowledged : end), position);
  }

  #started(stream: TestStream): Promise<void> {
    this.#played.push(stream);
    const next = this.#waiting.shift();
    if (next === undefined) this.#streams.push(stream);
    else next.take(stream);
    return stream.run();
  }

  #pass({ connection, from, types, message }: PassingMessage): ProxyAction | undefined {
    if (message?.type === "BackendKeyData") this.#connectionOf.set(message.processId, connection);
    if (message?.type === "Query") this.commands.push(message.query);
    const armed = this.#armed.find(
      ({ place, connection: only }) =>
        (place.from ?? "server") === from && types.includes(place.type) && (only ?? connection) === connection,
    );
    if (armed === undefined || --armed.left > 0) return undefined;
    this.#armed = this.#armed.filter((each) => each !== armed);
    return armed.action;
  }

  #arm(place: Place, action: ProxyAction, connection: number | undefined): void {
    checkPlace("place", place);
    checkAction("action", action);
    this.#armed.push({ place, action, connection, left: place.n ?? 1 });
  }

  #wireOf(processId: number) {
    const connection = (): number | undefined => this.#connectionOf.get(processId);
    return {
      breakAt: (place: Place, action: ProxyAction) => this.#arm(place, action, connection()),
      cut: () => this.#proxy?.cut(connection()),
    };
  }
}

/**
 * walwire/client: `connect`: a replication connection for Node (needs `pg`).
 *
 * @source src/backend/replication/README: walrcv_connect, walrcv_receive, walrcv_send, walrcv_disconnect
 */
import type { Socket } from "node:net";
import type { ClientConfig, Connection } from "pg";
import type { DatabaseError } from "pg-protocol";
import type { NoticeMessage } from "pg-protocol/dist/messages.js";
import { PeerMissingError, ProtocolError } from "../kernel/errors.ts";

export { PeerMissingError } from "../kernel/errors.ts";

import { serverVersionNum } from "../kernel/version.ts";
import { WalReceiver, type WalReceiverEvent, type WalReceiverState } from "../session/walreceiver.ts";
import { decodeSessionMessage, type SessionMessage } from "./session-message.ts";

export { DatabaseError } from "pg-protocol";

/**
 * Is this an ErrorResponse of a server? Asked by its looks, since pg may have a pg-protocol of its own, with a class of its
 * own.
 */
export function isDatabaseError(error: unknown): error is DatabaseError {
  return error instanceof Error && "severity" in error && "code" in error;
}

/** How to connect: what `pg.Client` takes, and the kind of walsender. */
export interface ConnectOptions extends ClientConfig {
  /** `database` for logical replication and SQL in that database; `true` for physical replication. */
  readonly replication: "database" | "true";
}

/** What a command answered. */
export interface QueryResult {
  /** Names of the columns; empty if there were none. */
  readonly columns: readonly string[];
  /** Values as text, by position. */
  readonly rows: readonly (readonly (string | null)[])[];
  /** The command tags in order: START_REPLICATION has two of them. */
  readonly commandTags: readonly string[];
}

/** pg, a peer that the user installs. @throws PeerMissingError if that was not done */
export async function loadPg(): Promise<typeof import("pg").default> {
  try {
    return (await import("pg")).default;
  } catch (cause) {
    throw new PeerMissingError("connections are opened with the package pg, which is not installed: npm install pg", {
      cause,
    });
  }
}

/**
 * Open a replication connection.
 *
 * @param options For example `{ connectionString: "postgres://me@host/db", replication: "database" }`.
 * @throws DatabaseError if the server refuses, with its SQLSTATE in `code`; errors of the socket as Node names them;
 *   PeerMissingError without pg.
 */
export async function connect(options: ConnectOptions): Promise<ReplicationConnection> {
  const { Client } = await loadPg();
  const client = new Client(options);
  // Neither `connection` nor its events are in pg's types; test/session holds what is used of them here.
  const { connection } = client as unknown as { readonly connection: Connection };
  const parameters = new Map<string, string>();
  connection.on("parameterStatus", (message: { parameterName: string; parameterValue: string }) => {
    parameters.set(message.parameterName, message.parameterValue);
  });
  await client.connect();
  const socket = connection.stream as Socket;
  // From here on the bytes are ours: this runs before the socket can hand out more of them. pg goes on listening for the end
  // of the connection, which is no news to anybody there.
  socket.pause();
  socket.removeAllListeners("data");
  client.on("error", () => {});
  return new ReplicationConnection(socket, parameters);
}

/** A connection to a walsender. One thing at a time: a command, or a stream. */
export class ReplicationConnection {
  /** The server's run-time parameters as it reported them, such as `server_version`; kept up to date. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Called with each NoticeResponse. */
  onNotice: ((notice: NoticeMessage) => void) | undefined;

  readonly #parameters: Map<string, string>;
  readonly #socket: Socket;
  readonly #chunks: AsyncIterator<Uint8Array>;
  readonly #session = new WalReceiver();

  constructor(socket: Socket, parameters: Map<string, string>) {
    this.#socket = socket;
    this.#parameters = parameters;
    this.parameters = parameters;
    this.#chunks = socket[Symbol.asyncIterator]();
  }

  /** Where the conversation stands. */
  get state(): WalReceiverState {
    return this.#session.state;
  }

  /** The `server_version_num` of the server. */
  get serverVersion(): number {
    return serverVersionNum(this.#parameters.get("server_version") ?? "");
  }

  /**
   * Run a command, of the replication grammar or SQL, that answers with rows or with nothing.
   *
   * @throws DatabaseError if the server refuses; the connection is still good.
   * @throws ProtocolError if the command opens a stream, which is what startReplication is for.
   */
  async query(text: string): Promise<QueryResult> {
    this.#socket.write(this.#session.query(text));
    const result = await this.#result();
    if (this.#session.state !== "idle") throw new ProtocolError("the command opened a stream: use startReplication");
    return result;
  }

  /**
   * Run a START_REPLICATION.
   *
   * @returns undefined once the stream is open; or the result if there is nothing to stream on that timeline.
   * @throws DatabaseError if the server refuses.
   */
  async startReplication(text: string): Promise<QueryResult | undefined> {
    this.#socket.write(this.#session.query(text));
    const result = await this.#result();
    return this.#session.state === "idle" ? result : undefined;
  }

  /**
   * The next CopyData payload; undefined once the server has ended the stream: then call `endReplication`.
   *
   * @returns a view into what was received; it is not written to again.
   * @throws DatabaseError if the server ends the stream with an error.
   * @throws ProtocolError if it closes the connection; errors of the socket as Node names them.
   */
  async receive(): Promise<Uint8Array | undefined> {
    for (;;) {
      const payload = this.#poll();
      if (payload !== undefined || !isStreaming(this.#session.state)) return payload;
      await this.#read();
    }
  }

  /** Send a message to the walsender: what encodeWalReceiverMessage gave. */
  send(payload: Uint8Array): void {
    this.#socket.write(this.#session.copyData(payload));
  }

  /**
   * End the stream from this side, if the server has not ended it already, and wait until the connection is free for the
   * next command. What the server still had under way is dropped.
   *
   * @returns what the server says at the end: after a historic timeline, which timeline comes next.
   */
  async endReplication(): Promise<QueryResult> {
    if (this.#session.state === "streaming" || this.#session.state === "serverDone") {
      this.#socket.write(this.#session.copyDone());
    }
    while ((await this.receive()) !== undefined) {}
    return this.#result();
  }

  /** Say good-bye and close the connection. Never fails, also when the connection is gone. */
  async disconnect(): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.on("error", () => {});
    const closed = new Promise((resolve) => this.#socket.once("close", resolve));
    this.#socket.end(this.#session.terminate());
    // What still comes is for nobody, and its end comes only to who has read it.
    this.#passOver().catch(() => {});
    // A server that does not close its end is not waited for.
    const timer = setTimeout(() => this.#socket.destroy(), 2000);
    await closed;
    clearTimeout(timer);
  }

  async #passOver(): Promise<void> {
    while ((await this.#chunks.next()).done !== true) {}
  }

  /** The next CopyData payload, if one has arrived; undefined if not, or if the stream is over. */
  #poll(): Uint8Array | undefined {
    while (isStreaming(this.#session.state)) {
      const event = this.#session.next();
      if (event === undefined) return undefined;
      if (event.type === "CopyData") return event.payload;
      if (event.type === "SessionMessage") this.#aside(decodeSessionMessage(event.tag, event.body));
    }
    return undefined;
  }

  /** What the server answers until it is ready for the next command, or opens a stream. */
  async #result(): Promise<QueryResult> {
    const collected = new Collector();
    while (this.#session.state === "busy" || this.#session.state === "ending") await this.#collect(collected);
    return collected.result();
  }

  async #collect(collected: Collector): Promise<void> {
    const event = await this.#event().catch((gone) => {
      // The server may say why before it closes the connection.
      throw collected.error ?? gone;
    });
    if (event.type !== "SessionMessage") return;
    const message = decodeSessionMessage(event.tag, event.body);
    // An error is thrown once the server is ready for the next command.
    if (message.name === "error") collected.error = message;
    else if (!this.#aside(message)) collected.add(message);
  }

  /** Messages that may come at any time; an error outside of a command is thrown. */
  #aside(message: SessionMessage): boolean {
    if (message.name === "parameterStatus") this.#parameters.set(message.parameterName, message.parameterValue);
    else if (message.name === "notice") this.onNotice?.(message);
    else if (message.name === "error") throw message;
    else return message.name === "notification";
    return true;
  }

  async #event(): Promise<WalReceiverEvent> {
    for (;;) {
      const event = this.#session.next();
      if (event !== undefined) return event;
      await this.#read();
    }
  }

  async #read(): Promise<void> {
    const { value, done } = await this.#chunks.next();
    if (done !== true) return this.#session.receive(value);
    this.#session.end();
    throw new ProtocolError("the server closed the connection");
  }
}

function isStreaming(state: WalReceiverState): boolean {
  return state === "streaming" || state === "clientDone";
}

/** Gathers the messages of an answer. */
class Collector {
  error: DatabaseError | undefined;
  #columns: readonly string[] = [];
  readonly #rows: (readonly (string | null)[])[] = [];
  readonly #commandTags: string[] = [];

  add(message: SessionMessage): void {
    if (message.name === "rowDescription") this.#columns = message.fields.map((field) => field.name);
    else if (message.name === "dataRow") this.#rows.push(message.fields);
    else if (message.name === "commandComplete") this.#commandTags.push(message.text);
  }

  result(): QueryResult {
    if (this.error !== undefined) throw this.error;
    return { columns: this.#columns, rows: this.#rows, commandTags: this.#commandTags };
  }
}

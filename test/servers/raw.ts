/**
 * A minimal client of protocol 3 for tests: what it sends and what it gets are messages as they are on the wire. It shares no
 * code with the package, since it is what the package is tested against.
 */
import { connect, type Socket } from "node:net";

/** A message of the server: its type byte as a letter, and what follows the length (a view; never reused). */
export interface Message {
  readonly type: string;
  readonly body: Buffer;
}

/** The server said ErrorResponse. `message` is its own, `fields` has all of them by letter, such as `fields.C`, the SQLSTATE. */
export class ServerError extends Error {
  override readonly name = "ServerError";
  readonly fields: Readonly<Record<string, string>>;

  constructor(body: Buffer) {
    const fields = errorFields(body);
    super([`${fields.C}: ${fields.M}`, fields.D, fields.H].filter(Boolean).join("\n"));
    this.fields = fields;
  }
}

/** The fields of the body of an ErrorResponse or a NoticeResponse, by letter (C SQLSTATE, M message, R routine, …). */
export function errorFields(body: Buffer): Record<string, string> {
  const fields: Record<string, string> = {};
  for (const field of body.toString("utf8").split("\0")) if (field !== "") fields[field[0]!] = field.slice(1);
  return fields;
}

/** The same messages, if none of them is an ErrorResponse. @throws ServerError for the first that is. */
export function checked(messages: Message[]): Message[] {
  const error = messages.find(({ type }) => type === "E");
  if (error) throw new ServerError(error.body);
  return messages;
}

/** Someone who waits for one message, or for all up to one of type `last`. */
interface Waiter {
  readonly last: string | undefined;
  readonly got: Message[];
  resolve(messages: Message[]): void;
  reject(error: Error): void;
}

/** One connection over a Unix socket. An ErrorResponse is a message like the others; only a connection that ends is an error. */
export class RawConnection {
  readonly #socket: Socket;
  readonly #closed: Promise<void>;

  /** What has come of the frame that is not complete yet, and how long it must be before looking at it again. */
  #chunks: Buffer[] = [];
  #size = 0;
  #needed = 5;

  /** Messages that nobody has waited for yet, after the first `taken` (shift() would move a long array each time). */
  #inbox: Message[] = [];
  #taken = 0;
  #waiters: Waiter[] = [];

  #end: Error | undefined;
  #processId = 0;

  /** Connects and sends nothing; {@link RawConnection.open} goes on from there. */
  private constructor(path: string) {
    this.#socket = connect(path);
    let reason = "The server closed the connection.";
    let lastError: Buffer | undefined;
    this.#socket.on("data", (chunk) => {
      for (const message of this.#split(chunk)) {
        if (message.type === "E") lastError = message.body;
        this.#inbox.push(message);
      }
      this.#deliver();
    });
    this.#socket.on("error", (error) => {
      reason = `The connection broke: ${error.message}.`;
    });
    this.#closed = new Promise((resolve) => {
      this.#socket.on("close", () => {
        this.#end = new Error(
          lastError ? `${reason} Its last error was ${new ServerError(lastError).message}` : reason,
        );
        for (const { reject } of this.#waiters.splice(0)) reject(this.#end);
        resolve();
      });
    });
  }

  /**
   * Connects, and resolves when the server is ready for a query.
   *
   * @param path The socket.
   * @param parameters Of the startup message, such as `{ user: "postgres", replication: "database" }`.
   * @throws ServerError if the server refuses; Error if there is none, or if it asks for a password (the servers here trust).
   */
  static async open(path: string, parameters: Readonly<Record<string, string>>): Promise<RawConnection> {
    const connection = new RawConnection(path);
    try {
      const strings = Object.entries(parameters).flat();
      const body = Buffer.from(`\0\x03\0\0${strings.map((text) => `${text}\0`).join("")}\0`); // 196608: version 3.0
      connection.write(Buffer.concat([uint32(body.length + 4), body]));
      for (;;) {
        const { type, body } = await connection.next();
        if (type === "E") throw new ServerError(body);
        if (type === "R" && body.readUInt32BE(0) !== 0) {
          throw new Error(
            `The server asks for authentication method ${body.readUInt32BE(0)}; this client knows trust only.`,
          );
        }
        if (type === "K") connection.#processId = body.readUInt32BE(0);
        if (type === "Z") return connection;
      }
    } catch (error) {
      connection.#socket.destroy();
      throw error;
    }
  }

  /** Sends one message: its type as a letter, and what comes after the length. Text is sent with a NUL after it. */
  send(type: string, body: string | Uint8Array): void {
    this.write(frame(type, body));
  }

  /** Sends bytes as they are: for several messages at once, or for what is no message. */
  write(bytes: Uint8Array): void {
    this.#socket.write(bytes);
  }

  /** The next message, of whatever type. @throws Error when the connection has ended. */
  async next(): Promise<Message> {
    return (await this.#wait(undefined))[0]!;
  }

  /** All messages up to the next of this type, which is the last of them. @throws Error when the connection has ended. */
  until(last: string): Promise<Message[]> {
    return this.#wait(last);
  }

  /** A simple query and its answer up to ReadyForQuery, ErrorResponse included. Further ones need not wait for it. */
  query(text: string | Uint8Array): Promise<Message[]> {
    this.send("Q", typeof text === "string" ? text : cString(text));
    return this.until("Z");
  }

  /** The process ID of the server process. */
  get processId(): number {
    return this.#processId;
  }

  /** Whether the server has ended it, or we have. */
  get ended(): boolean {
    return this.#end !== undefined;
  }

  /** After this, the process may end before the connection does; {@link RawConnection.ref} takes it back. */
  unref(): void {
    this.#socket.unref();
  }

  ref(): void {
    this.#socket.ref();
  }

  /** Says Terminate and waits for the end. Doing so twice is fine. */
  async close(): Promise<void> {
    if (this.#end === undefined && !this.#socket.writableEnded) this.#socket.end(frame("X", Buffer.alloc(0)));
    await this.#closed;
  }

  /** Cuts messages from the stream. A message that comes in many pieces is put together once, when it is whole. */
  #split(chunk: Buffer): Message[] {
    this.#chunks.push(chunk);
    this.#size += chunk.length;
    if (this.#size < this.#needed) return [];
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const messages: Message[] = [];
    let at = 0;
    this.#needed = 5;
    while (bytes.length - at >= 5) {
      const length = 1 + bytes.readUInt32BE(at + 1);
      if (bytes.length - at < length) {
        this.#needed = length;
        break;
      }
      messages.push({ type: String.fromCharCode(bytes[at]!), body: bytes.subarray(at + 5, at + length) });
      at += length;
    }
    this.#chunks = at < bytes.length ? [bytes.subarray(at)] : [];
    this.#size = bytes.length - at;
    return messages;
  }

  #wait(last: string | undefined): Promise<Message[]> {
    return new Promise((resolve, reject) => {
      this.#waiters.push({ last, got: [], resolve, reject });
      this.#deliver();
      if (this.#end) for (const waiter of this.#waiters.splice(0)) waiter.reject(this.#end);
    });
  }

  #deliver(): void {
    while (this.#waiters.length > 0 && this.#taken < this.#inbox.length) {
      const message = this.#inbox[this.#taken++]!;
      const { last, got, resolve } = this.#waiters[0]!;
      got.push(message);
      if (last === undefined || last === message.type) {
        this.#waiters.shift();
        resolve(got);
      }
    }
    if (this.#taken === this.#inbox.length) {
      this.#inbox = [];
      this.#taken = 0;
    }
  }
}

/** A message as bytes, for {@link RawConnection.write}. Text gets a NUL after it; bytes are taken as they are. */
export function frame(type: string, body: string | Uint8Array): Buffer {
  const bytes = typeof body === "string" ? cString(Buffer.from(body)) : body;
  return Buffer.concat([Buffer.from(type, "latin1"), uint32(bytes.length + 4), bytes]);
}

function cString(bytes: Uint8Array): Buffer {
  return Buffer.concat([bytes, Buffer.alloc(1)]);
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

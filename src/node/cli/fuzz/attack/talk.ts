/** Has a session with a server, and writes down what the server says. */
import { connect as connectSocket, type Socket } from "node:net";
import { DecodeError, ServerError, WalwireError } from "../../../../kernel/errors.ts";
import { type BackendMessage, decodeBackendMessage, encodeFrontendMessage } from "../../../../session/messages.ts";
import { WalReceiver } from "../../../../session/walreceiver.ts";
import { Framer } from "../../../../wire/framer.ts";
import { loadPg, logIn } from "../../../pg.ts";
import type { Login, Session, Step } from "./steps.ts";

/** The longest message of a server that is read. */
const LONGEST = 64 * 1024 * 1024;
/** The most bytes that are kept of a session: a server may stream without an end. */
const MOST = 16 * 1024 * 1024;

const KEEPALIVE = 0x6b;

/** A server: where it is, and how to log in. */
export interface Address {
  readonly url: string;
  /** For sessions without a login. */
  readonly target: { readonly host: string; readonly port: number } | { readonly path: string };
}

/** What a server has said. */
export interface Transcript {
  readonly messages: readonly BackendMessage[];
  /**
   * How it ended: the server closed the connection; it was silent though something was waited for; what it said could not be read; or it
   * said more than is kept.
   */
  readonly ending: "closed" | "silent" | "garbled" | "endless";
  /** What was waited for when the server was silent or closed the connection; undefined at the end of the session. */
  readonly missing: string | undefined;
  /** What was wrong with what could not be read. */
  readonly garbled: string | undefined;
  /** Other sessions held it up. */
  readonly isHeldUp: boolean;
  /** The position of START_REPLICATION. */
  readonly start: { readonly lsn: string; readonly timeline: string } | undefined;
  /** How many steps were taken. */
  readonly steps: number;
}

/** Parameters that the server reports at a login. */
export type Parameters = ReadonlyMap<string, string>;

/** @throws what `logIn` throws; errors of the socket */
export async function open(
  address: Address,
  login: Exclude<Login, "none">,
  timeout: number,
): Promise<{ readonly socket: Socket; readonly parameters: Parameters }> {
  const parameters = new Map<string, string>();
  const { promise, resolve } = withResolvers<Socket>();
  await logIn(await loadPg(), {
    config: { connectionString: address.url, replication: login, connectionTimeoutMillis: timeout } as object,
    startup: (given) => {
      const { user, database } = given;
      return { user, database, replication: login, client_encoding: "UTF8", application_name: "walwire fuzz" };
    },
    onParameter: (name, value) => parameters.set(name, value),
    onNotice: () => {},
    session: new WalReceiver({ from: "startup" }),
    memory: undefined,
    signal: undefined,
    onReady: resolve,
  });
  return { socket: await promise, parameters };
}

function withResolvers<T>(): { readonly promise: Promise<T>; readonly resolve: (value: T) => void } {
  let resolve: (value: T) => void = () => {};
  const promise = new Promise<T>((given) => {
    resolve = given;
  });
  return { promise, resolve };
}

/**
 * Have a session.
 *
 * @param timeout Milliseconds after which a server is silent.
 * @param slotname The name of the session's slot, if it makes one.
 * @throws as `open`.
 */
export async function talk(address: Address, session: Session, timeout: number, slotname: string): Promise<Transcript> {
  const socket =
    session.login === "none" ? await openSocket(address.target) : (await open(address, session.login, timeout)).socket;
  return new Talk(socket, timeout, slotname, session.login === "none").run(session.steps);
}

function openSocket(target: Address["target"]): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connectSocket({ ...target, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

class Talk {
  readonly #socket: Socket;
  readonly #timeout: number;
  readonly #slotname: string;
  readonly #isText: boolean;
  readonly #framer = new Framer({ maxLength: LONGEST });
  readonly #messages: BackendMessage[] = [];
  #received = 0;
  /** What was received before the first message was read, for an answer in protocol 2. */
  #first = "";
  #isOver = false;
  #garbled: string | undefined;
  #isEndless = false;
  #isHeldUp = false;
  #wake: () => void = () => {};
  /** Messages before this one were waited for. */
  #seen = 0;
  #start: Transcript["start"];

  constructor(socket: Socket, timeout: number, slotname: string, isText: boolean) {
    this.#socket = socket;
    this.#timeout = timeout;
    this.#slotname = slotname;
    this.#isText = isText;
    socket.on("data", (chunk) => this.#receive(chunk));
    socket.on("end", () => socket.end());
    // A server that closes while bytes of ours wait resets the connection.
    socket.on("error", () => {});
    socket.on("close", () => {
      this.#isOver = true;
      this.#wake();
    });
    if (socket.destroyed) this.#isOver = true;
    socket.resume();
  }

  async run(steps: readonly Step[]): Promise<Transcript> {
    let taken = 0;
    let missing: string | undefined;
    try {
      for (const step of steps) {
        missing = await this.#take(step);
        taken++;
        if (missing !== undefined || this.#garbled !== undefined) break;
      }
    } finally {
      this.#socket.destroy();
    }
    return {
      messages: this.#messages,
      ending:
        this.#garbled !== undefined ? "garbled" : this.#isEndless ? "endless" : this.#isOver ? "closed" : "silent",
      missing: missing === "" ? undefined : missing,
      garbled: this.#garbled,
      isHeldUp: this.#isHeldUp,
      start: this.#start,
      steps: taken,
    };
  }

  /** @returns what has not come; "" for a session that goes no further; undefined if it goes on. */
  async #take(step: Step): Promise<string | undefined> {
    switch (step.type) {
      case "send":
        this.#write(step.bytes);
        return undefined;
      case "start": {
        const row = this.#messages.findLast((message) => message.type === "DataRow");
        const [, timeline, lsn] = row?.values ?? [];
        if (!/^\d{1,10}$/.test(timeline ?? "") || !/^[\dA-Fa-f]+\/[\dA-Fa-f]+$/.test(lsn ?? "")) return "";
        this.#start = { timeline: timeline!, lsn: lsn! };
        this.#write(encodeFrontendMessage({ type: "Query", query: `START_REPLICATION ${lsn} TIMELINE ${timeline}` }));
        return undefined;
      }
      case "slot": {
        const query = step.query.replaceAll("SLOT $slot", `SLOT ${this.#slotname}`);
        this.#write(encodeFrontendMessage({ type: "Query", query }));
        return undefined;
      }
      case "made": {
        const message = await this.#until(({ type }) => type === "ReadyForQuery");
        this.#isHeldUp = message === undefined && !this.#isOver && this.#garbled === undefined;
        if (message === undefined) return this.#isHeldUp ? "" : "ReadyForQuery I";
        return message.type === "ReadyForQuery" && message.status === "I" ? undefined : "";
      }
      case "ready": {
        const message = await this.#until(({ type }) => type === "ReadyForQuery");
        if (message === undefined) return `ReadyForQuery ${step.status}`;
        return message.type === "ReadyForQuery" && message.status === step.status ? undefined : "";
      }
      case "until": {
        const isIt = (message: BackendMessage): boolean =>
          step.message === "Keepalive"
            ? message.type === "CopyData" && message.data[0] === KEEPALIVE
            : message.type === step.message;
        // An error instead of it is the end of the session.
        const message = await this.#until((each) => isIt(each) || each.type === "ReadyForQuery");
        if (message === undefined) return step.message;
        return isIt(message) ? undefined : "";
      }
      case "close":
        this.#socket.end();
        await this.#until(() => false);
        return this.#isOver ? undefined : "the end of the connection";
    }
  }

  #write(bytes: Uint8Array): void {
    if (!this.#isOver) this.#socket.write(bytes);
  }

  /** The next message that is it; undefined if the connection ends before, or the server is silent for the time limit. */
  async #until(isIt: (message: BackendMessage) => boolean): Promise<BackendMessage | undefined> {
    const started = Date.now();
    for (let heard = this.#received, last = started; ; ) {
      for (; this.#seen < this.#messages.length; this.#seen++) {
        if (isIt(this.#messages[this.#seen]!)) return this.#messages[this.#seen++];
      }
      if (this.#isOver || this.#garbled !== undefined) return undefined;
      if (this.#received !== heard) [heard, last] = [this.#received, Date.now()];
      // A stream that never falls silent has ten times as long.
      const left = Math.min(last + this.#timeout, started + 10 * this.#timeout) - Date.now();
      if (left <= 0) return undefined;
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  #receive(chunk: Uint8Array): void {
    if (this.#garbled !== undefined || this.#isEndless) return;
    this.#received += chunk.length;
    if (this.#received > MOST) {
      this.#isEndless = true;
      this.#socket.destroy();
      return this.#wake();
    }
    try {
      if (this.#isText) this.#first += Buffer.from(chunk).toString("latin1");
      this.#framer.push(chunk);
      for (let frame = this.#framer.next(); frame !== undefined; frame = this.#framer.next()) {
        this.#messages.push(decodeBackendMessage(frame));
      }
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error;
      const where = error instanceof DecodeError ? `${error.path}: ` : "";
      this.#garbled = this.#isText ? this.#first : `${where}${error.message}`;
    }
    this.#wake();
  }
}

/** Is it an error of the server, or of the connection to it, rather than of ours? */
export function isOfServer(error: unknown): error is Error {
  return error instanceof ServerError || (error instanceof WalwireError && error.code !== "BAD_ARGUMENT");
}

/**
 * Silence: tells a dead connection from a server that is slow to answer, such as one that waits for a lock or for a transaction.
 *
 * When a server has been silent, another connection asks what its process for the first one does. Working, or waiting for anything but
 * us, it is alive, however long that takes. If the process is gone, or waits for its client while we wait for it, nothing passes any more.
 */
import { ConnectionError, ServerError } from "../../kernel/errors.ts";
import { quoteLiteral } from "../../text/literal.ts";
import type { AbortSignalLike } from "../abort-signal.ts";
import type { ReplicationConnection } from "../client.ts";
import { WHO } from "./questions.ts";
import { within } from "./within.ts";

export interface SilenceOptions {
  /** Milliseconds of silence before the server is asked; 0 for never. A dead connection is given up after twice as long. */
  readonly timeout: number;
  /** Opens another connection to the same server. */
  readonly open: (options: { readonly signal: AbortSignalLike }) => Promise<ReplicationConnection>;
  /** Ends what waits, with its reason. */
  readonly signal: AbortSignalLike | undefined;
}

/** How often it is looked whether something came within `timeout`: this many looks without anything are a silence. */
const LOOKS = 4;

/** cannot_connect_now: the server starts, so every connection of before is gone. */
const CANNOT_CONNECT_NOW = "57P03";

/** A connection, and what was seen of it. */
interface Watched {
  readonly connection: ReplicationConnection;
  /** SQL that tells what its process waits for. */
  readonly question: string;
  arrivals: number | undefined;
  /** Looks since something arrived. */
  quiet: number;
  /** Its process can say nothing more: what it had said before is under way, or lost. */
  isMute: boolean;
  isAsked: boolean;
}

/** Watches connections while calls wait for them. */
export class Silence {
  readonly #options: SilenceOptions;
  readonly #controller = new AbortController();
  readonly #watched: Watched[] = [];
  readonly #abort = (): void => this.end(this.#options.signal?.reason);
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(options: SilenceOptions) {
    this.#options = options;
    if (options.signal?.aborted) this.#abort();
    else options.signal?.addEventListener("abort", this.#abort);
  }

  /** For all calls of the connections: aborted with a ConnectionError TIMEOUT if one of them is dead, with the options' signal, and at the end. */
  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Watch a connection, which is idle. @throws as its `query`; ConnectionError TIMEOUT */
  async watch(connection: ReplicationConnection): Promise<void> {
    const { timeout } = this.#options;
    if (timeout === 0) return;
    const { rows } = await within(timeout, this.signal, (signal) => connection.query(WHO, { signal }));
    const [pid, start] = rows[0] ?? [];
    if (!/^\d+$/.test(pid ?? "") || start == null) return;
    const question = `${WHAT} AND a.pid = ${pid} AND a.backend_start = ${quoteLiteral(start)}`;
    this.#watched.push({ connection, question, arrivals: undefined, quiet: 0, isMute: false, isAsked: false });
    if (this.signal.aborted) return;
    this.#timer ??= setInterval(() => this.#look(), Math.max(1, Math.ceil(timeout / LOOKS)));
    this.#timer.unref();
  }

  /** Stop watching, and abort the signal. */
  end(reason: unknown): void {
    clearInterval(this.#timer);
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#controller.abort(reason);
  }

  // Looks are counted, not time: after a process was stopped, a look comes first, and then what had arrived.
  #look(): void {
    for (const watched of this.#watched) {
      const { arrivals } = watched.connection;
      if (arrivals === undefined || arrivals !== watched.arrivals) {
        Object.assign(watched, { arrivals, quiet: 0, isMute: false });
      } else if (++watched.quiet >= LOOKS && !watched.isAsked) {
        watched.quiet = 0;
        if (!watched.isMute) void this.#ask(watched);
        else {
          const seconds = (2 * this.#options.timeout) / 1000;
          this.end(new ConnectionError(`nothing has arrived for ${seconds} s: the connection is dead`, "TIMEOUT"));
          return;
        }
      }
    }
  }

  async #ask(watched: Watched): Promise<void> {
    const { arrivals } = watched;
    watched.isAsked = true;
    const isMute = await this.#isMute(watched.question);
    watched.isAsked = false;
    // What came in the meantime decides.
    watched.isMute = isMute && watched.arrivals === arrivals;
  }

  /** Whether a process is gone or waits for its client. */
  async #isMute(question: string): Promise<boolean> {
    const { timeout, open } = this.#options;
    let connection: ReplicationConnection | undefined;
    try {
      return await within(timeout, this.signal, async (signal) => {
        connection = await open({ signal });
        const { rows } = await connection.query(question, { signal });
        return rows[0]?.[0] !== "f";
      });
    } catch (error) {
      // A server that has no room for another connection answers, too.
      return !(error instanceof ServerError) || error.sqlstate === CANNOT_CONNECT_NOW;
    } finally {
      void connection?.disconnect();
    }
  }
}

/** One row, "t" or "f"; none if the process is gone. @source pgstat.h: WAIT_EVENT_CLIENT_READ, WAIT_EVENT_CLIENT_WRITE */
const WHAT =
  "SELECT COALESCE(a.wait_event IN ('ClientRead', 'ClientWrite'), false) FROM pg_catalog.pg_stat_activity a WHERE true";

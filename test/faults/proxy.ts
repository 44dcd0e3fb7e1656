/** walwire/proxy before a server's Unix socket, with one fault at a time, which waits for its message. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type PassingMessage,
  type ProxyAction,
  type ReplicationProxy,
  type Sender,
  startProxy,
} from "../../src/node/proxy/index.ts";

/** What is to be done with one message, or from one on. */
export interface Fault {
  /** Who sends it. */
  readonly from: Sender;
  /** The type of the innermost message: "Insert" in XLogData in CopyData. A row of a COPY is "CopyData". */
  readonly kind: string;
  /** The number of such messages that pass before. */
  readonly after: number;
  /** Closes the connection, stops forwarding without closing it, forwards everything from here in small pieces, late, or does nothing. */
  readonly does: "cut" | "stall" | "slow" | "pass";
  /** How much of the message passes, from 0 to 1. */
  readonly part: number;
}

interface Address {
  readonly host: string;
  readonly port: number;
}

function socketOf({ host, port }: Address): string {
  return join(host, `.s.PGSQL.${port}`);
}

/** Bytes that pass slowly. */
const SLOW = 1500;
const PIECE = 7;

export class FaultProxy {
  /** What a client connects to, in place of the server's directory. */
  readonly host = mkdtempSync(join(tmpdir(), "walwire-proxy-"));
  /** The kinds of the messages at which a fault has happened. */
  readonly hit: string[] = [];
  readonly #port: number;
  #proxy!: ReplicationProxy;
  #fault: { readonly fault: Fault; left: number } | undefined;
  /** Bytes that are to pass slowly, by who sends them and the connection. */
  #slow = new Map<string, number>();

  private constructor({ port }: Address) {
    this.#port = port;
  }

  /** A proxy to a server's socket. */
  static async start(server: Address): Promise<FaultProxy> {
    const proxy = new FaultProxy(server);
    await proxy.#listen(server);
    return proxy;
  }

  /** Connect to another server from now on, and close the connections to the one before. */
  async switchTo(server: Address): Promise<void> {
    await this.#proxy.close();
    await this.#listen(server);
  }

  async #listen(server: Address): Promise<void> {
    this.#slow = new Map();
    this.#proxy = await startProxy({
      to: { path: socketOf(server) },
      listen: { path: socketOf({ host: this.host, port: this.#port }) },
      onMessage: (message) => this.#pass(message),
    });
  }

  /** Wait for this fault's message, on any connection. A fault that still waits is forgotten. */
  arm(fault: Fault | undefined): void {
    this.#fault = fault === undefined ? undefined : { fault, left: fault.after };
  }

  /** Whether the fault still waits. */
  get isArmed(): boolean {
    return this.#fault !== undefined;
  }

  /** Close all connections now. */
  cut(): void {
    this.#proxy.cut();
  }

  async close(): Promise<void> {
    await this.#proxy.close();
    rmSync(this.host, { recursive: true, force: true });
  }

  #pass({ connection, from, types, bytes }: PassingMessage): ProxyAction | undefined {
    const side = `${from} ${connection}`;
    const waiting = this.#fault;
    const isIts = waiting !== undefined && waiting.fault.from === from && waiting.fault.kind === types.at(-1);
    if (isIts && waiting.left-- === 0) {
      const { does, kind, part } = waiting.fault;
      this.#fault = undefined;
      this.hit.push(kind);
      if (does === "slow") this.#slow.set(side, SLOW);
      else if (does !== "pass") return { type: does, after: Math.floor(part * bytes.length) };
    }
    const slowly = this.#slow.get(side) ?? 0;
    if (slowly <= 0) return undefined;
    this.#slow.set(side, slowly - bytes.length);
    return { type: "split", size: Math.max(PIECE, Math.ceil((bytes.length * PIECE) / SLOW)) };
  }
}

/**
 * A proxy between a client and a PostgreSQL server that breaks what passes: on Unix sockets, one for each server.
 *
 * A fault waits for its message, which the package's framer finds in the bytes; the message itself passes whole, in part or not at all.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Server as Listener, connect as open, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Frame, Framer, framesOf } from "../../src/wire/framer.ts";

/** Which way the bytes go. */
export type Direction = "toClient" | "toServer";

/** What is to be done with one message, or from one on. */
export interface Fault {
  readonly direction: Direction;
  /** Only messages of this kind count: see `kindOf`. Default: any. */
  readonly kind?: string;
  /** The number of such messages that pass before. */
  readonly after: number;
  /** Closes the connection, stops forwarding without closing it, forwards everything from here in small pieces, late, or does nothing. */
  readonly does: "cut" | "halfOpen" | "slow" | "pass";
  /** How much of the message passes, from 0 to 1. */
  readonly part: number;
}

/** What a CopyData is in: a stream, or the answer to a COPY. */
type Copy = "stream" | "rows";

/**
 * What a message is: of a stream `x` and the letter of pgoutput's message, `k` for a keepalive, `r` for a status update; `row` of a COPY;
 * else its type byte between quotes.
 */
function kindOf({ tag, bytes }: Pick<Frame, "tag" | "bytes">, copy: Copy): string {
  if (tag !== 0x64) return `'${String.fromCharCode(tag)}'`;
  if (copy === "rows") return "row";
  const first = String.fromCharCode(bytes[0] ?? 0);
  return first === "w" ? `x${String.fromCharCode(bytes[25] ?? 0)}` : first;
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

export class FaultProxy {
  /** What a client connects to, in place of the server's directory. */
  readonly host = mkdtempSync(join(tmpdir(), "walwire-proxy-"));
  /** The kinds of the messages at which a fault has happened. */
  readonly hit: string[] = [];
  #target: string;
  readonly #listener: Listener;
  readonly #sockets = new Set<Socket>();
  #fault: { readonly fault: Fault; left: number } | undefined;

  private constructor(server: Address) {
    this.#target = socketOf(server);
    this.#listener = createServer({ allowHalfOpen: false }, (client) => this.#serve(client));
  }

  /** A proxy to a server's socket. */
  static async start(server: Address): Promise<FaultProxy> {
    const proxy = new FaultProxy(server);
    const path = socketOf({ host: proxy.host, port: server.port });
    await new Promise<void>((resolve) => proxy.#listener.listen(path, resolve));
    return proxy;
  }

  /** Connect to another server from now on, and close the connections to the one before. */
  switchTo(server: Address): void {
    this.#target = socketOf(server);
    this.cut();
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
    for (const socket of this.#sockets) socket.destroy();
  }

  async close(): Promise<void> {
    this.cut();
    await new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    rmSync(this.host, { recursive: true, force: true });
  }

  #serve(client: Socket): void {
    const server = open(this.#target);
    const both = [client, server];
    for (const socket of both) {
      this.#sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        this.#sockets.delete(socket);
        for (const other of both) other.destroy();
      });
    }
    this.#forward(server, client, "toClient", both);
    this.#forward(client, server, "toServer", both);
  }

  #forward(from: Socket, to: Socket, direction: Direction, both: readonly Socket[]): void {
    const framer = new Framer();
    // A startup packet has no type byte. On a Unix socket no request for TLS comes before it.
    let isStartup = direction === "toServer";
    let state: "whole" | "silent" | "slow" = "whole";
    let turn: Promise<void> = Promise.resolve();
    let slowly = 0;
    let copy: Copy = "stream";
    /** In pieces of 7 bytes at first, then as before: in order, behind what is under way. */
    const late = (bytes: Uint8Array): void => {
      const pieces = Math.min(bytes.length, Math.max(0, SLOW - slowly));
      slowly += pieces;
      turn = turn.then(async () => {
        for (let i = 0; i < pieces; i += 7) {
          to.write(bytes.subarray(i, Math.min(i + 7, pieces)));
          await sleep(1);
        }
        if (pieces < bytes.length) to.write(bytes.subarray(pieces));
      });
    };
    // Who reads slowly makes the other one wait.
    to.on("drain", () => from.resume());
    from.on("data", (chunk) => {
      if (state === "silent") return;
      if (isStartup) {
        isStartup = false;
        to.write(chunk);
        return;
      }
      to.cork();
      for (const frame of framesOf(framer, chunk)) {
        // CopyOutResponse, CopyBothResponse.
        if (frame.tag === 0x48) copy = "rows";
        if (frame.tag === 0x57) copy = "stream";
        const fault = state === "whole" ? this.#count(kindOf(frame, copy), direction) : undefined;
        const bytes = wireOf(frame);
        if (state === "slow" || fault?.does === "slow") {
          state = "slow";
          late(bytes);
        } else to.write(fault === undefined ? bytes : bytes.subarray(0, Math.floor(fault.part * bytes.length)));
        if (fault?.does === "cut") {
          for (const socket of both) socket.end();
          setImmediate(() => {
            for (const socket of both) socket.destroy();
          });
        }
        if (fault?.does === "cut" || fault?.does === "halfOpen") {
          state = "silent";
          break;
        }
      }
      to.uncork();
      if (to.writableNeedDrain) from.pause();
    });
  }

  /** The fault, if this is its message. */
  #count(kind: string, direction: Direction): Fault | undefined {
    const waiting = this.#fault;
    if (waiting === undefined) return undefined;
    const { fault } = waiting;
    if (fault.direction !== direction || (fault.kind !== undefined && fault.kind !== kind)) return undefined;
    if (waiting.left-- > 0) return undefined;
    this.#fault = undefined;
    this.hit.push(kind);
    return fault;
  }
}

/** A message as it is on the wire. */
function wireOf({ tag, bytes }: Frame): Uint8Array {
  const wire = new Uint8Array(5 + bytes.length);
  wire[0] = tag;
  new DataView(wire.buffer).setUint32(1, 4 + bytes.length);
  wire.set(bytes, 5);
  return wire;
}

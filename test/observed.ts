/**
 * A proxy between a server and its peers that watches both ends with the state machines: what either end says must be what the
 * machine of that end may send, byte for byte, and what the machine of the other end accepts.
 */
import { connect as connectTo, createServer, type Server as NetServer, type Socket } from "node:net";
import { StateError } from "../src/kernel/errors.ts";
import type { Conversation, Role, Sent } from "../src/session/conversation.ts";
import { Recorder } from "../src/session/log.ts";
import { WalReceiver } from "../src/session/walreceiver.ts";
import { WalSender } from "../src/session/walsender.ts";
import type { ServerAddress } from "./servers/index.ts";

/** A connection that was watched. */
export interface Observed {
  /** The types of all messages, in the order in which they passed, ">" before those of the client. */
  readonly types: string[];
  /** Messages that were under way when the other end changed the state, by their types. */
  readonly late: string[];
  /** What the machines of both ends did, for replay; empty unless it was to be recorded. */
  readonly log: readonly string[];
  /** The first thing that went wrong. */
  fault: unknown;
}

export interface Observer {
  /** A TCP port of 127.0.0.1 that leads to the server. */
  readonly port: number;
  readonly connections: readonly Observed[];
  close(): Promise<void>;
}

/**
 * Watch all that goes to a server and comes from it.
 *
 * @param options With `record`, the connections have logs.
 */
export async function observe(
  server: ServerAddress & { readonly versionNum: number },
  { record = false }: { readonly record?: boolean } = {},
): Promise<Observer> {
  const connections: Observed[] = [];
  const sockets = new Set<Socket>();
  const proxy: NetServer = createServer((client) => {
    const upstream = connectTo(`${server.host}/.s.PGSQL.${server.port}`);
    const watch = new Watch(server.versionNum, record);
    connections.push(watch.observed);
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", () => {});
      socket.on("close", () => {
        sockets.delete(socket);
        client.destroy();
        upstream.destroy();
      });
    }
    // Bytes pass after they were looked at, so the order of the two directions is that in which they were seen.
    client.on("data", (chunk) => {
      watch.fromClient(chunk);
      upstream.write(chunk);
    });
    upstream.on("data", (chunk) => {
      watch.fromServer(chunk);
      client.write(chunk);
    });
  });
  await new Promise<void>((resolve) => proxy.listen(0, "127.0.0.1", resolve));
  const { port } = proxy.address() as { port: number };
  return {
    port,
    connections,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => proxy.close(() => resolve()));
    },
  };
}

class Watch {
  readonly #log: string[] = [];
  readonly observed: Observed = { types: [], late: [], log: this.#log, fault: undefined };
  readonly #client: WalReceiver;
  readonly #server: WalSender;
  /** What each end said and its machine has not written yet. */
  readonly #said = { walreceiver: [] as Uint8Array[], walsender: [] as Uint8Array[] };

  constructor(server: number, record: boolean) {
    const options = { from: "startup", server } as const;
    const recorder = new Recorder({ write: (line) => this.#log.push(line) });
    this.#client = record ? recorder.create("WalReceiver", options) : new WalReceiver(options);
    this.#server = record ? recorder.create("WalSender", options) : new WalSender(options);
  }

  fromClient(chunk: Uint8Array): void {
    this.#look(() => {
      this.#said.walreceiver.push(chunk);
      this.#server.receive(Uint8Array.from(chunk));
    });
  }

  fromServer(chunk: Uint8Array): void {
    this.#look(() => {
      this.#said.walsender.push(chunk);
      this.#client.receive(Uint8Array.from(chunk));
    });
  }

  #look(take: () => void): void {
    if (this.observed.fault !== undefined) return;
    try {
      take();
      for (let more = true; more; ) {
        more = this.#pass(this.#server, this.#client, "walreceiver", ">");
        more = this.#pass(this.#client, this.#server, "walsender", "") || more;
      }
    } catch (error) {
      this.observed.fault = error;
    }
  }

  /** Take the messages that one end has received, and have the machine of the other send them. */
  #pass<R extends Role>(to: { next(): unknown }, from: Conversation<R>, role: R, mark: string): boolean {
    let any = false;
    for (let message = to.next(); message !== undefined; message = to.next()) {
      any = true;
      const { type } = message as { readonly type: string };
      this.observed.types.push(mark + type);
      let bytes: Uint8Array;
      try {
        bytes = from.send(message as Sent[R]);
      } catch (error) {
        if (!(error instanceof StateError && type === "CopyData")) throw error;
        this.observed.late.push(`${mark}${type} ${from.state}`);
        take(this.#said[role], 5 + (message as { data: Uint8Array }).data.length);
        continue;
      }
      const said = take(this.#said[role], bytes.length);
      if (!said.equals(bytes)) {
        throw new Error(`${mark}${type}: ${said.toString("hex")} is written as ${Buffer.from(bytes).toString("hex")}`);
      }
    }
    return any;
  }
}

/** Take so many bytes from the front of some chunks, or what there is. */
function take(chunks: Uint8Array[], length: number): Buffer {
  const parts: Uint8Array[] = [];
  for (let left = length; left > 0 && chunks.length > 0; ) {
    const chunk = chunks[0]!;
    const part = chunk.subarray(0, left);
    parts.push(part);
    left -= part.length;
    if (part.length === chunk.length) chunks.shift();
    else chunks[0] = chunk.subarray(part.length);
  }
  return Buffer.concat(parts);
}

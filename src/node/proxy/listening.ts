/** Listening: the proxy, from its first connection to its end. */
import { createConnection, isIP, type Server as Listener, type Socket } from "node:net";
import { ConnectionError } from "../../kernel/errors.ts";
import { MAX_ALLOC_SIZE } from "../../wire/check.ts";
import { Link, type LinkOptions } from "./link.ts";
import type { Address, ProxyOptions, ReplicationProxy } from "./options.ts";

/** A proxy that listens. */
export class Listening implements ReplicationProxy {
  readonly #listener: Listener;
  readonly #options: ProxyOptions;
  readonly #links = new Set<Link>();
  #running: Promise<void>[] = [];
  #connections = 0;
  #failure: { readonly error: unknown } | undefined;

  readonly #tls: Pick<LinkOptions, "secureContext" | "requiresTls">;

  constructor(listener: Listener, options: ProxyOptions, tls: Pick<LinkOptions, "secureContext" | "requiresTls">) {
    this.#tls = tls;
    this.#listener = listener;
    this.#options = options;
    listener.on("connection", (client) => void this.#serve(client));
  }

  get address(): Address {
    const address = this.#listener.address();
    if (typeof address === "string") return { path: address };
    return { host: address?.address ?? "", port: address?.port ?? 0 };
  }

  get open(): number {
    return this.#links.size;
  }

  cut(connection?: number): void {
    for (const link of this.#links) if (connection === undefined || link.connection === connection) link.close();
  }

  async close(): Promise<void> {
    const ended = new Promise<void>((resolve) => this.#listener.close(() => resolve()));
    this.cut();
    await ended;
    await Promise.all(this.#running);
    const failure = this.#failure;
    this.#failure = undefined;
    if (failure !== undefined) throw failure.error;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(client: Socket): Promise<void> {
    const { to, reencode = true, onMessage, maxConnections = 100, maxLength = MAX_ALLOC_SIZE } = this.#options;
    const connection = ++this.#connections;
    const onError = (error: Error): void => this.#options.onError?.(error, connection);
    if (this.#links.size >= maxConnections) {
      client.destroy();
      onError(new ConnectionError(`there are ${maxConnections} connections already`, "DISCONNECTED"));
      return;
    }
    // Small messages of the extended query protocol would wait for each other's acknowledgement.
    const server = createConnection({ ...to, allowHalfOpen: true, noDelay: true });
    const link = new Link({
      ...{ connection, client, server, reencode, maxLength, onMessage, onError },
      ...this.#tls,
      serverTls: this.#options.serverTls && { ...nameOf(to), ...this.#options.serverTls },
      passThrough: this.#options.passThrough ?? false,
      startupTimeout: this.#options.startupTimeout ?? 60_000,
    });
    this.#links.add(link);
    const running = link
      .run()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => {
        this.#links.delete(link);
        this.#running = this.#running.filter((each) => each !== running);
      });
    this.#running.push(running);
    await running;
  }
}

/** The host by which a certificate is checked. */
function nameOf(to: Address): { readonly host?: string; readonly servername?: string } {
  if (!("port" in to)) return {};
  const { host = "127.0.0.1" } = to;
  return isIP(host) === 0 ? { host, servername: host } : { host };
}

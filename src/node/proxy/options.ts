/** The options of `startProxy`, and the proxy that it gives. */
import "../async-dispose.ts";
import type { OnMessage } from "./passing.ts";

/** Where a server listens. */
export type Address =
  | {
      /** The host, 127.0.0.1 by default. */
      readonly host?: string | undefined;
      /** The TCP port. To listen, 0 is any that is free. */
      readonly port: number;
    }
  | {
      /** The path of a Unix socket. */
      readonly path: string;
    };

/** Options of `startProxy`. */
export interface ProxyOptions {
  /** The server. */
  readonly to: Address;
  /** Where to listen. The default is a free port of 127.0.0.1. */
  readonly listen?: Address | undefined;
  /** Send each message as walwire encodes it, true by default; false sends the bytes that came. */
  readonly reencode?: boolean | undefined;
  /**
   * Called with each message before it is passed on, in order; the result is done with it. If it throws, the connection is closed,
   * and `close` rejects with the error.
   */
  readonly onMessage?: OnMessage | undefined;
  /**
   * Told what goes wrong on a connection, by its number: a server that cannot be reached, bytes that are no messages, a message that ends
   * too early, a connection too many. It must not throw.
   */
  readonly onError?: ((error: Error, connection: number) => void) | undefined;
  /** The most connections at a time, 100 by default: others are closed at once. */
  readonly maxConnections?: number | undefined;
  /** The longest message, in bytes of its body. The default is PostgreSQL's own limit, 1 GB less one byte. */
  readonly maxLength?: number | undefined;
  /** Milliseconds that a client has for its startup packet: 60,000 by default, as authentication_timeout. */
  readonly startupTimeout?: number | undefined;
  /**
   * Key and certificate, and other options of Node's tls.createSecureContext: clients that ask for TLS get it. What passes is decrypted in
   * between. Beyond loopback the others are rejected, unless `insecure` is set. Default: TLS is declined.
   */
  readonly tls?: object | undefined;
  /**
   * Speak TLS with the server: options of Node's tls.connect, such as `{ ca }`. `{ rejectUnauthorized: false }` checks no certificate, as
   * sslmode=require. SCRAM-SHA-256-PLUS is then not offered to clients. Default: no TLS.
   */
  readonly serverTls?: object | undefined;
  /**
   * Pass on unread what is no startup packet, and everything from a length on that no message can have. Default: false; then the
   * connection is closed. `onError` is told in both cases.
   */
  readonly passThrough?: boolean | undefined;
  /** Listen beyond loopback. Without `tls` nothing is encrypted, so whoever can reach the proxy can read passwords and data that pass. */
  readonly insecure?: boolean | undefined;
}

/** A proxy that listens. */
export interface ReplicationProxy {
  /** Where it listens. */
  readonly address: Address;
  /** The number of connections that are open. */
  readonly open: number;
  /** Close all connections now, or the one of this number, and go on to listen. */
  cut(connection?: number): void;
  /** Close everything. @throws the first error of `onMessage` */
  close(): Promise<void>;
  /** As `close`. */
  [Symbol.asyncDispose](): Promise<void>;
}

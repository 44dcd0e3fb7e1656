/** The options of `listen`. */
import type { Server } from "../../kernel/version.ts";
import type { WalsenderHandlers, WalsenderSession } from "./handlers.ts";

/** What a client may take. */
export interface ListenLimits {
  /** Connections at a time, as of max_wal_senders. Default: 10. */
  readonly connections?: number | undefined;
  /** Bytes of a message of a client. A longer one ends the connection, as a length that is invalid. Default: 1 MiB. */
  readonly message?: number | undefined;
  /** Milliseconds until a client is logged in, as of authentication_timeout; `users` is not waited for longer. Default: 60,000. */
  readonly loginTimeout?: number | undefined;
  /**
   * Milliseconds that the receiver of a stream may be silent, as of wal_sender_timeout: after half of them it is asked for a reply, after all
   * of them the connection is closed. 0 is no limit. Default: 60,000.
   */
  readonly walSenderTimeout?: number | undefined;
}

/** How to listen, and as whom. */
export interface ListenOptions {
  /** The version of PostgreSQL that is played: 10 to 19. A major alone means its newest known minor. Default: "18". */
  readonly server?: Server | undefined;
  /** The address to listen on. Beyond this machine it needs `users` and `tls`, or `insecure`. Default: "127.0.0.1". */
  readonly host?: string | undefined;
  /** The TCP port; 0, the default, takes one that is free. */
  readonly port?: number | undefined;
  /** The path of a Unix socket, instead of host and port. libpq looks for `.s.PGSQL.PORT` in a directory. */
  readonly path?: string | undefined;
  /** Listen beyond this machine without passwords or without encryption. */
  readonly insecure?: boolean | undefined;
  /** The certificate and key of TLS, and other options of Node's tls.createSecureContext. Default: no TLS. */
  readonly tls?: object | undefined;
  /**
   * Secrets by role, as pg_authid.rolpassword has them: `scramSecret` makes them; or a function that gives a role's, undefined if
   * there is no such role. Clients then authenticate by SCRAM-SHA-256. Default: everybody is who they say.
   */
  readonly users?:
    | Readonly<Record<string, string>>
    | ((user: string) => string | undefined | Promise<string | undefined>)
    | undefined;
  /** The databases that there are. Default: any. */
  readonly databases?: readonly string[] | undefined;
  /** The system identifier that IDENTIFY_SYSTEM gives, if no handler does. Default: a random one. */
  readonly systemid?: bigint | undefined;
  /** Run-time parameters that SHOW and the login give, where they differ from PostgreSQL's defaults. */
  readonly parameters?: Readonly<Record<string, string>> | undefined;
  /** What answers commands. */
  readonly handlers?: WalsenderHandlers | undefined;
  /** What a client may take. */
  readonly limits?: ListenLimits | undefined;
  /** Called with what goes wrong without being a client's answer: an error of a handler, a client that was silent. It must not throw. */
  readonly onError?: ((error: unknown, session: WalsenderSession | undefined) => void) | undefined;
}

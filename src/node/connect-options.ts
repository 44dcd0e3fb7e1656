/** The options of `connect`, and their checks before anything is sent; and what pg has made of them. */
import { ArgumentError, refuseArgument, type ServerErrorFields } from "../kernel/errors.ts";
import { checkOneOf, checkOptions, checkType, checkWhole } from "../kernel/options.ts";
import { shown } from "../kernel/words.ts";
import { type AbortSignalLike, checkSignal } from "./abort-signal.ts";
import { checkClientEncoding, checkSessionOptions } from "./client-encoding.ts";

/** How to connect. Missing options come from the connection string, else from libpq's environment variables, such as PGHOST. */
export interface ConnectOptions {
  /**
   * `database` for logical replication and SQL in that database; `true` for physical replication; `false` for an ordinary session, which
   * takes SQL only and needs no privilege for replication.
   */
  readonly replication: "database" | "true" | "false";
  /** A URL, for example `postgres://me@host/db`. It overrides the other options. */
  readonly connectionString?: string | undefined;
  /** A host name, or the directory of a Unix socket. */
  readonly host?: string | undefined;
  /** The TCP port, or the number in the name of the Unix socket: 1 to 65535. */
  readonly port?: number | undefined;
  /** The role to log in as. */
  readonly user?: string | undefined;
  /** The password, or a function that gives it when it is asked for. If that throws, `connect` rejects with its error. */
  readonly password?: string | (() => string | Promise<string>) | undefined;
  /** The database; for physical replication it is not used. */
  readonly database?: string | undefined;
  /** true for TLS with the server's certificate checked, false for none; or options of Node's tls.connect, such as `{ ca }`. */
  readonly ssl?: boolean | object | undefined;
  /** "direct" starts TLS without a request first, which servers support from 17 on. */
  readonly sslnegotiation?: "postgres" | "direct" | undefined;
  /**
   * true for SCRAM-SHA-256-PLUS where the server offers it, over TLS from 11 on: the login is bound to the server's certificate. pg cannot
   * do so with a certificate whose signature uses SHA-224, or RSASSA-PSS with SHA-1.
   */
  readonly enableChannelBinding?: boolean | undefined;
  /** The name that pg_stat_replication shows, and that synchronous_standby_names is compared with. */
  readonly application_name?: string | undefined;
  /** The application_name if neither an option nor PGAPPNAME gives one. */
  readonly fallback_application_name?: string | undefined;
  /**
   * Command-line options for the session, such as `-c statement_timeout=0`. But for `replication: "true"` they are appended to those
   * of PostgreSQL's own subscriber: `-c datestyle=ISO -c intervalstyle=postgres -c extra_float_digits=3`.
   */
  readonly options?: string | undefined;
  /**
   * The encoding of text in both directions: UTF8 or SQL_ASCII, in the server's spellings. The default is UTF8; in a database of
   * encoding SQL_ASCII it is SQL_ASCII, whose bytes are not converted. PGCLIENTENCODING and settings of roles and databases have no
   * effect. A connection whose encoding becomes another one, by SET, ends with a ProtocolError.
   */
  readonly client_encoding?: string | undefined;
  /** Milliseconds until the connection must be open; 0, the default, disables the limit. */
  readonly connectionTimeoutMillis?: number | undefined;
  /** Use TCP keepalives. */
  readonly keepAlive?: boolean | undefined;
  /** Milliseconds without traffic before the first TCP keepalive. */
  readonly keepAliveInitialDelayMillis?: number | undefined;
  /** Called with each notice of the server, including those during the login. If it throws then, `connect` rejects with that error. */
  readonly onNotice?: ((notice: ServerErrorFields) => void) | undefined;
  /** Ends the attempt to connect; the promise rejects with its reason. */
  readonly signal?: AbortSignalLike | undefined;
  /** The longest message to accept from the server, in bytes. The default is PostgreSQL's own limit, 1 GB less one byte. */
  readonly maxLength?: number | undefined;
  /**
   * Use the memory of what arrives again: bytes that were received, as `receive`, `copyOut` or `baseBackup` give them, may change as soon
   * as the next are asked for or another command is run. That spares most of the processor time of a stream of WAL. Default: false.
   */
  readonly reuseMemory?: boolean | undefined;
  /** The largest answer of `query`: characters of all values, plus 16 for each value. The default is 256 Mi. */
  readonly maxResult?: number | undefined;
}

/** The longest time that setTimeout can wait, in milliseconds. */
const LONGEST_WAIT = 2 ** 31 - 1;

const names = [
  ...["replication", "connectionString", "host", "port", "user", "password", "database", "ssl", "sslnegotiation"],
  ...["enableChannelBinding", "application_name", "fallback_application_name", "options", "client_encoding"],
  ...[
    "connectionTimeoutMillis",
    "keepAlive",
    "keepAliveInitialDelayMillis",
    "onNotice",
    "signal",
    "maxLength",
    "reuseMemory",
    "maxResult",
  ],
];

/** Check all options but `replication` and `maxLength`. @throws ArgumentError; the signal's reason if it is aborted */
export function checkConnectOptions(options: ConnectOptions): void {
  checkOptions(options, names);
  const { connectionString, port, password, ssl, sslnegotiation, onNotice, maxResult = 0, signal } = options;
  for (const name of ["host", "user", "database", "application_name", "fallback_application_name"] as const) {
    checkType(`options.${name}`, options[name], "string");
  }
  for (const name of ["connectionString", "options", "client_encoding"] as const) {
    checkType(`options.${name}`, options[name], "string");
  }
  for (const name of ["enableChannelBinding", "keepAlive", "reuseMemory"] as const) {
    checkType(`options.${name}`, options[name], "boolean");
  }
  for (const name of ["connectionTimeoutMillis", "keepAliveInitialDelayMillis"] as const) {
    if (options[name] !== undefined) checkWhole(`options.${name}`, options[name], 0, LONGEST_WAIT);
  }
  // The string is not shown: it may have a password in it.
  if (connectionString && !/^(?:postgres(?:ql)?:\/\/|socket:|\/)/i.test(connectionString)) {
    throw new ArgumentError(
      "options.connectionString",
      "options.connectionString: expected a URL such as postgres://user@host:5432/database; what libpq writes as host=… port=… are options of their own, such as { host, port, user, database }",
    );
  }
  // As text it comes from the environment.
  if (port !== undefined && !isPort(/^\d{1,5}$/.test(String(port)) ? Number(port) : port)) {
    refuseArgument("options.port", "a whole number from 1 to 65535", port);
  }
  if (password !== undefined && typeof password !== "string" && typeof password !== "function") {
    throw new ArgumentError("options.password", "options.password: expected a string or a function");
  }
  if (ssl === null || !["undefined", "boolean", "object"].includes(typeof ssl)) {
    refuseArgument("options.ssl", "true, false, or an object", ssl);
  }
  checkOneOf("options.sslnegotiation", sslnegotiation, ["postgres", "direct", undefined]);
  checkType("options.onNotice", onNotice, "function");
  if (!(maxResult >= 0)) refuseArgument("options.maxResult", "a number, 0 or more", maxResult);
  checkSignal(signal);
}

/** What pg has made of options, of the connection string, and of the environment. */
export interface ConnectionParameters {
  readonly port?: unknown;
  readonly client_encoding?: string | undefined;
  readonly options?: string | undefined;
}

/** Check what did not come as an option. @throws ArgumentError */
export function checkConnectionParameters({ port, client_encoding, options }: ConnectionParameters): void {
  if (!isPort(port)) {
    const message = `the port of the connection string or of PGPORT: expected a whole number from 1 to 65535, got ${shown(port)}`;
    throw new ArgumentError("options", message);
  }
  if (client_encoding) checkClientEncoding(client_encoding);
  if (options) checkSessionOptions(options);
}

function isPort(port: unknown): boolean {
  return Number.isInteger(port) && (port as number) >= 1 && (port as number) <= 65535;
}

/**
 * The configuration with which a backup becomes a standby of its server.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 *
 * @source recovery_gen.c: GenerateRecoveryConfig, escape_quotes; string_utils.c: appendConnStrVal
 * @source fe-connect.c: PQconninfoOptions
 */
import type { ConnectOptions } from "../client.ts";
import { loadPg } from "../pg.ts";

/** Parameters of libpq that are written if the URL has them. pg knows others, with which a standby would not start. */
const libpqParameters = [
  ...["channel_binding", "connect_timeout", "hostaddr", "client_encoding", "options", "application_name"],
  ...["keepalives", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"],
  ...["sslmode", "sslnegotiation", "sslcert", "sslkey", "sslrootcert", "sslcrl", "sslcrldir", "sslsni"],
  ...["ssl_min_protocol_version", "ssl_max_protocol_version", "requirepeer", "gssencmode", "krbsrvname"],
  ...["target_session_attrs", "load_balance_hosts"],
];

/**
 * The value of primary_conninfo for a connection: what was given for it, in an option, the URL or libpq's environment variables. A
 * password is in it if it was given there as text; one that a function returns is not.
 *
 * @throws PeerMissingError
 */
export async function primaryConninfo(options: Omit<ConnectOptions, "replication">): Promise<string> {
  const pg = await loadPg();
  // It resolves the options as it does for a connection, and opens none.
  const { user, password, host, port } = new pg.Client(options as object);
  const url = urlParameters(options.connectionString);
  const given: Record<string, unknown> = {
    user,
    password: typeof password === "string" ? password : undefined,
    host,
    port,
    sslmode: options.ssl === undefined ? process.env.PGSSLMODE : options.ssl === false ? "disable" : "require",
    application_name: options.application_name ?? process.env.PGAPPNAME,
    options: options.options ?? process.env.PGOPTIONS,
  };
  for (const name of libpqParameters) given[name] = url?.searchParams.get(name) ?? given[name];
  // For logical slots that are synchronized to the standby; without them it has no effect.
  const database = decodeURIComponent(url?.pathname.slice(1) ?? "");
  given.dbname = database || (options.database ?? process.env.PGDATABASE);
  return Object.entries(given)
    .filter(([, value]) => value !== undefined && value !== null && value !== "")
    .map(([name, value]) => `${name}=${conninfoValue(String(value))}`)
    .join(" ");
}

/** The lines for postgresql.auto.conf, or recovery.conf before 12. */
export function recoveryConfig(conninfo: string, slot: string | undefined, isInParameters: boolean): Uint8Array {
  const lines = [
    ...(isInParameters ? [] : ["standby_mode = 'on'"]),
    `primary_conninfo = '${conninfo.replaceAll(/['\\]/g, "$&$&")}'`,
    ...(slot === undefined ? [] : [`primary_slot_name = '${slot}'`]),
  ];
  return Buffer.from(`${lines.join("\n")}\n`);
}

function urlParameters(connectionString: string | undefined): URL | undefined {
  // Node's URL has a host where there is a user.
  const text = connectionString?.replace("@/", "@host/");
  return text !== undefined && URL.canParse(text) ? new URL(text) : undefined;
}

function conninfoValue(value: string): string {
  return /^[\w.]+$/.test(value) ? value : `'${value.replaceAll(/['\\]/g, "\\$&")}'`;
}

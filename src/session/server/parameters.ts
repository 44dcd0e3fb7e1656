/** The run-time parameters of a session: what the login reports, and what SHOW answers. */
import { formatServerVersion, type Server, serverVersionNum } from "../../kernel/version.ts";
import { encodeText } from "../../wire/text.ts";
import { sessionCapabilities } from "../capabilities.ts";
import type { StartupSession } from "./startup.ts";

/** Parameters by their names in the server's spelling. */
export type ServerParameters = Readonly<Record<string, string>>;

/**
 * The parameters that the login reports, in the order in which a server reports them up to 15; later ones report them in no order.
 *
 * @source guc_tables.c: GUC_REPORT; guc.c: BeginReportingGUCOptions
 */
export function reportedParameters(server: Server): readonly string[] {
  const has = sessionCapabilities.of(serverVersionNum(server));
  return [
    "application_name",
    "client_encoding",
    "DateStyle",
    ...(has.standbyParametersReported ? ["default_transaction_read_only", "in_hot_standby"] : []),
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    ...(has.scramIterationsReported ? ["scram_iterations"] : []),
    ...(has.searchPathReported ? ["search_path"] : []),
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
  ];
}

/** Encodings whose text needs no conversion, by their names without case and punctuation. @source encnames.c */
const encodings: Readonly<Record<string, string>> = { utf8: "UTF8", unicode: "UTF8", sqlascii: "SQL_ASCII" };

/** The name of an encoding as a server spells it; undefined for those that need conversion, which walwire does not do. */
export function encodingName(given: string): string | undefined {
  const name = given.toLowerCase().replace(/[^a-z0-9]/g, "");
  return Object.hasOwn(encodings, name) ? encodings[name] : undefined;
}

/** @source string.c: pg_clean_ascii; guc.c: check_application_name */
function cleanAscii(text: string, server: Server): string {
  const escapes = sessionCapabilities.supports(serverVersionNum(server), "namesAreEscaped");
  const bytes = new Uint8Array(text.length * 3);
  const length = encodeText(text, bytes, 0);
  return Array.from(bytes.subarray(0, length), (byte) => {
    if (byte >= 32 && byte <= 126) return String.fromCharCode(byte);
    return escapes ? `\\x${byte.toString(16).padStart(2, "0")}` : "?";
  }).join("");
}

/** The parameters of one session. Their names have no case. */
export class SessionParameters {
  readonly #server: Server;
  /** The values that the client knows. */
  readonly #told = new Map<string, string>();
  /** By the name in lower case. */
  readonly #all = new Map<string, { readonly name: string; value: string }>();

  /**
   * @param server The version of the server.
   * @param session The client.
   * @param given Parameters of the server that differ from PostgreSQL's defaults.
   */
  constructor(server: Server, session: Pick<StartupSession, "user" | "replication">, given: ServerParameters = {}) {
    this.#server = server;
    const encoding = session.replication === "true" ? "SQL_ASCII" : "UTF8";
    const defaults: ServerParameters = {
      application_name: "",
      block_size: "8192",
      client_encoding: encoding,
      data_directory_mode: "0700",
      DateStyle: "ISO, MDY",
      default_transaction_read_only: "off",
      extra_float_digits: "1",
      hot_standby: "on",
      idle_in_transaction_session_timeout: "0",
      in_hot_standby: "off",
      integer_datetimes: "on",
      IntervalStyle: "postgres",
      is_superuser: "off",
      lock_timeout: "0",
      max_replication_slots: "10",
      max_wal_senders: "10",
      row_security: "on",
      scram_iterations: "4096",
      search_path: '"$user", public',
      server_encoding: encoding,
      server_version: formatServerVersion(server),
      server_version_num: String(serverVersionNum(server)),
      session_authorization: session.user,
      standard_conforming_strings: "on",
      statement_timeout: "0",
      TimeZone: "UTC",
      transaction_isolation: "read committed",
      ...(sessionCapabilities.supports(serverVersionNum(server), "transactionTimeoutSet") && {
        transaction_timeout: "0",
      }),
      wal_block_size: "8192",
      wal_level: "logical",
      wal_segment_size: "16MB",
      wal_sender_timeout: "1min",
    };
    for (const [name, value] of [...Object.entries(defaults), ...Object.entries(given)]) this.set(name, value);
  }

  /** A parameter in the server's spelling, and its value; undefined if there is none of this name. */
  get(name: string): { readonly name: string; readonly value: string } | undefined {
    return this.#all.get(name.toLowerCase());
  }

  /**
   * The parameters that a client must be told of, because they have changed since the last call.
   *
   * @source guc.c: ReportChangedGUCOptions
   */
  changed(): readonly { readonly name: string; readonly value: string }[] {
    return reportedParameters(this.#server).flatMap((name) => {
      const { value = "" } = this.get(name) ?? {};
      if (this.#told.get(name) === value) return [];
      this.#told.set(name, value);
      return [{ name, value }];
    });
  }

  /** Give a parameter a value. The first spelling of its name stays. @returns it, as it is now. */
  set(name: string, value: string): { readonly name: string; readonly value: string } {
    const key = name.toLowerCase();
    const known = this.#all.get(key);
    const entry = { name: known?.name ?? name, value: this.#canonical(key, value) };
    this.#all.set(key, entry);
    return entry;
  }

  /** A value as the server shows it. */
  #canonical(key: string, value: string): string {
    switch (key) {
      case "client_encoding":
        return encodingName(value) ?? value;
      case "application_name":
        return cleanAscii(value, this.#server);
      case "datestyle":
        return /^(?:iso|sql|german|postgres)$/i.test(value) ? `${value.toUpperCase()}, MDY` : value;
      default:
        return value;
    }
  }

  /** All of them, by name, as SHOW ALL gives them. */
  all(): readonly { readonly name: string; readonly value: string }[] {
    return [...this.#all.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, entry]) => entry);
  }
}

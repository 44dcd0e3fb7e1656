/**
 * What a server makes of the first packet of a connection: a request, a session, or an error in the words of its version.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source backend_startup.c: ProcessStartupPacket, before 17 in postmaster.c
 */
import type { ServerError } from "../../kernel/errors.ts";
import { checkOptions } from "../../kernel/options.ts";
import { type Server, serverVersionNum } from "../../kernel/version.ts";
import { mustBeBytes, plainBytes } from "../../wire/check.ts";
import { decodeText, encodeText } from "../../wire/text.ts";
import { sessionCapabilities } from "../capabilities.ts";
import type { BackendMessage } from "../messages.ts";
import { fatal } from "./words.ts";

/** The kind of a session: a walsender without a database, one in a database, or none at all. */
export type ReplicationMode = "true" | "database" | "false";

/** What a client has asked for in its startup packet. */
export interface StartupSession {
  /** The role, cut to 63 bytes. */
  readonly user: string;
  /** The database, cut to 63 bytes; empty for a walsender without one. */
  readonly database: string;
  /** Physical replication, logical replication, or an ordinary session. */
  readonly replication: ReplicationMode;
  /** The minor version of protocol 3 that both sides speak. */
  readonly protocolMinor: number;
  /** Run-time parameters by their names, as they were given. A later one replaces an earlier one. */
  readonly parameters: ReadonlyMap<string, string>;
  /** Command-line options for the session, such as `-c datestyle=ISO`; empty if none. `readOptions` reads them. */
  readonly options: string;
}

/** What a server makes of a startup packet. */
export type StartupVerdict =
  | {
      readonly type: "session";
      /** What the client has asked for. */
      readonly session: StartupSession;
      /** NegotiateProtocolVersion, if the client wants a protocol or options that the server does not have; else undefined. */
      readonly negotiate: BackendMessage | undefined;
    }
  | { readonly type: "SSLRequest" }
  | { readonly type: "GSSENCRequest" }
  | {
      readonly type: "CancelRequest";
      /** The process ID of the server process whose command is to be cancelled. */
      readonly processId: number;
      /** The key of its BackendKeyData. A view, not a copy. */
      readonly secretKey: Uint8Array;
    }
  | {
      readonly type: "refused";
      /** The FATAL error to send; undefined if the server closes the connection without a word. */
      readonly error: ServerError | undefined;
      /** Send the text of the error as in protocol 2, which the client speaks. */
      readonly asText: boolean;
      /** NegotiateProtocolVersion, if it comes before the error. */
      readonly negotiate: BackendMessage | undefined;
    };

/** Options of `readStartup`. */
export interface ReadStartupOptions {
  /** The version of the server. */
  readonly server?: Server | undefined;
  /** An SSLRequest was answered: another one is an unknown protocol. */
  readonly sslDone?: boolean | undefined;
  /** A GSSENCRequest was answered: likewise. */
  readonly gssDone?: boolean | undefined;
}

/** The shortest and the longest startup packet in bytes, without its length. @source pqcomm.h: MAX_STARTUP_PACKET_LENGTH */
export const startupPacketLength = { min: 4, max: 10_000 } as const;

const CANCEL_REQUEST = 80877102;
const SSL_REQUEST = 80877103;
const GSSENC_REQUEST = 80877104;

/** A name of PostgreSQL has at most so many bytes. @source pg_config_manual.h: NAMEDATALEN */
const LONGEST_NAME = 63;

/**
 * Read the first packet of a connection as a server of a version does.
 *
 * @param bytes What follows its length, which is within `startupPacketLength`.
 * @throws UnsupportedError for an unknown version; ArgumentError for options that it does not take.
 * @example readStartup(hex("04d2162f")) // { type: "SSLRequest" }
 * @example readStartup(hex("00040001"), { server: 15 }).error.message // "unsupported frontend protocol 4.1: server supports 3.0 to 3.0"
 */
export function readStartup(bytes: Uint8Array, options: ReadStartupOptions = {}): StartupVerdict {
  mustBeBytes(bytes);
  checkOptions(options, ["server", "sslDone", "gssDone"]);
  const { sslDone = false, gssDone = false } = options;
  const has = sessionCapabilities.of(serverVersionNum(options.server));
  const packet = plainBytes(bytes);
  if (packet.length < startupPacketLength.min) return refused(undefined);
  const view = new DataView(packet.buffer, packet.byteOffset, packet.length);
  const code = view.getUint32(0);
  if (code === CANCEL_REQUEST) {
    // Before 18 the key has four bytes, and another length is an error that nobody is told.
    const isOne = has.protocolThreeTwo ? packet.length > 8 && packet.length <= 8 + 256 : packet.length === 12;
    if (!isOne) return refused(undefined);
    return { type: "CancelRequest", processId: view.getUint32(4), secretKey: packet.subarray(8) };
  }
  if (code === SSL_REQUEST && !sslDone) return { type: "SSLRequest" };
  if (code === GSSENC_REQUEST && !gssDone && has.gssEncryption) return { type: "GSSENCRequest" };
  const [major, minor] = [code >>> 16, code & 0xffff];
  const [oldest, latest] = [has.protocolTwoIsGone ? 3 : 2, has.protocolThreeTwo ? 2 : 0];
  if (major < oldest || major > 3) {
    const message = `unsupported frontend protocol ${major}.${minor}: server supports ${oldest}.0 to 3.${latest}`;
    // Since 14 a protocol 0.0 is one that the server does not know yet, so that it speaks its own.
    const isUnknown = code === 0 && has.protocolTwoIsGone;
    return refused(fatal("FEATURE_NOT_SUPPORTED", message), major < 3 && !isUnknown);
  }
  // Protocol 2, which servers before 14 speak: walwire does not.
  if (major === 2) return refused(undefined);
  const session = readParameters(packet);
  if (!("user" in session)) return refused(session);
  const protocolMinor = Math.min(minor, latest);
  const { unrecognized, ...rest } = session;
  const negotiate: BackendMessage | undefined =
    minor > latest || unrecognized.length > 0
      ? { type: "NegotiateProtocolVersion", newestMinor: 3 * 0x10000 + protocolMinor, options: unrecognized }
      : undefined;
  if (session.user === "") {
    const message = "no PostgreSQL user name specified in startup packet";
    return { ...refused(fatal("INVALID_AUTHORIZATION_SPECIFICATION", message)), negotiate };
  }
  return { type: "session", session: { ...rest, protocolMinor }, negotiate };
}

function refused(
  error: ServerError | undefined,
  asText = false,
): Extract<StartupVerdict, { readonly type: "refused" }> {
  return { type: "refused", error, asText, negotiate: undefined };
}

type Parameters = Omit<StartupSession, "protocolMinor"> & { readonly unrecognized: readonly string[] };

/** Names and values, and the session that they make; or the error. */
function readParameters(packet: Uint8Array): Parameters | ServerError {
  let [user, database, options] = ["", "", ""];
  let [isWalsender, isOfDatabase] = [false, false];
  const parameters = new Map<string, string>();
  const unrecognized: string[] = [];
  let offset = 4;
  while (offset < packet.length) {
    if (packet[offset] === 0) break;
    const nameEnd = packet.indexOf(0, offset);
    if (nameEnd < 0 || nameEnd + 1 >= packet.length) break;
    // The server has a zero byte behind the packet.
    const found = packet.indexOf(0, nameEnd + 1);
    const valueEnd = found < 0 ? packet.length : found;
    const name = decodeText(packet, offset, nameEnd);
    const value = decodeText(packet, nameEnd + 1, valueEnd);
    offset = valueEnd + 1;
    if (name === "database") database = value;
    else if (name === "user") user = value;
    else if (name === "options") options = value;
    else if (name === "replication") {
      const asked = value === "database" || parseBool(value);
      if (asked === undefined) {
        return fatal("INVALID_PARAMETER_VALUE", `invalid value for parameter "replication": "${value}"`, {
          hint: 'Valid values are: "false", 0, "true", 1, "database".',
        });
      }
      isWalsender = asked;
      // A later true or false leaves it.
      isOfDatabase ||= value === "database";
    } else if (name.startsWith("_pq_.")) unrecognized.push(name);
    else setParameter(parameters, name, value);
  }
  if (offset !== packet.length - 1) {
    return fatal("PROTOCOL_VIOLATION", "invalid startup packet layout: expected terminator as last byte");
  }
  const replication = !isWalsender ? "false" : isOfDatabase ? "database" : "true";
  return {
    user: cutName(user),
    database: replication === "true" ? "" : cutName(database || user),
    replication,
    parameters,
    options,
    unrecognized,
  };
}

/** Names of parameters have no case: a later spelling replaces an earlier one. */
function setParameter(parameters: Map<string, string>, name: string, value: string): void {
  for (const each of parameters.keys()) if (each.toLowerCase() === name.toLowerCase()) parameters.delete(each);
  parameters.set(name, value);
}

/**
 * The parameters in command-line options for a session: `-c name=value`, `-cname=value` and `--name=value`.
 *
 * @returns them by name, or the FATAL error for other options.
 * @source postinit.c: process_startup_options, pg_split_opts; postgres.c: process_postgres_switches; guc.c: ParseLongOption
 */
export function readOptions(options: string): Map<string, string> | ServerError {
  const parameters = new Map<string, string>();
  const words = [...options.matchAll(/(?:\\[\s\S]|[^\s\\])+/g)].map(([word]) => word.replace(/\\([\s\S])/g, "$1"));
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    const isLong = word.startsWith("--");
    const setting = isLong ? word.slice(2) : word === "-c" ? words[++i] : word.startsWith("-c") ? word.slice(2) : "";
    if (setting === undefined || setting === "") {
      const message = `invalid command-line argument for server process: ${word}`;
      return fatal("SYNTAX_ERROR", message, { hint: 'Try "postgres --help" for more information.' });
    }
    const at = setting.indexOf("=");
    if (at < 0) return fatal("SYNTAX_ERROR", `${isLong ? "--" : "-c "}${setting} requires a value`);
    setParameter(parameters, setting.slice(0, at).replaceAll("-", "_"), setting.slice(at + 1));
  }
  return parameters;
}

/** @source bool.c: parse_bool_with_len */
function parseBool(text: string): boolean | undefined {
  const value = text.toLowerCase();
  if (value === "") return undefined;
  if (value === "1" || "true".startsWith(value) || "yes".startsWith(value) || value === "on") return true;
  if (
    value === "0" ||
    "false".startsWith(value) ||
    "no".startsWith(value) ||
    (value.length > 1 && "off".startsWith(value))
  )
    return false;
  return undefined;
}

/** Cut at a byte, as the server does before it knows an encoding. */
function cutName(name: string): string {
  const bytes = new Uint8Array(name.length * 3);
  const length = encodeText(name, bytes, 0);
  return length <= LONGEST_NAME ? name : decodeText(bytes, 0, LONGEST_NAME);
}

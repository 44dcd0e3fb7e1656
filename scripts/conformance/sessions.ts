/** The beginning of a connection: startup packets, requests for encryption, and a client's mistakes; what a server says to them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { listen } from "../../src/node/server/index.ts";
import { hex, toHex } from "../../test/hex.ts";
import { columnsOf, valuesOf } from "../../test/oracle/answers.ts";
import { errorFields, type OwnServer, RawConnection } from "../../test/servers/index.ts";
import { frame } from "../../test/servers/raw.ts";
import { gssRequest, packet, query, type Step, sslRequest, startup, talk } from "../../test/session/server-talk.ts";
import { type Kind, type Words, words } from "./kind.ts";

interface SessionInput {
  readonly about: string;
  /** Hexadecimal digits. The client sends one after the other, and waits between them for one byte of the server. */
  readonly sent: readonly string[];
  /** So many walsenders are connected, each of `postgres` without a database. */
  readonly walsenders?: number;
}

type SessionMessage =
  | { readonly type: "AuthenticationOk" }
  | { readonly type: "ParameterStatus"; readonly parameters: Readonly<Record<string, string>> }
  | { readonly type: "BackendKeyData"; readonly keyLength: number }
  | { readonly type: "ReadyForQuery"; readonly status: string }
  | { readonly type: "NegotiateProtocolVersion"; readonly newest: string; readonly options: readonly string[] }
  | ({ readonly type: "ErrorResponse" | "NoticeResponse"; readonly severity: string } & Words)
  | { readonly type: "CommandComplete"; readonly tag: string }
  | { readonly type: "RowDescription"; readonly columns: readonly string[] }
  | { readonly type: "DataRow"; readonly values: readonly (string | null)[] }
  | { readonly type: "Bytes"; readonly text: string };

interface SessionSaid {
  /** Until the server has closed the connection. */
  readonly messages: readonly SessionMessage[];
}

const superuser = { user: "postgres" };
const physical = { ...superuser, replication: "true" };
const logical = { ...superuser, database: "postgres", replication: "database" };

/** Roles and databases beside those that every server has. */
const prepared = [
  "CREATE ROLE replicator LOGIN REPLICATION",
  "CREATE ROLE plain LOGIN",
  "CREATE ROLE nologin REPLICATION",
  "CREATE ROLE limited LOGIN REPLICATION CONNECTION LIMIT 0",
  "CREATE DATABASE closed ALLOW_CONNECTIONS false",
  "CREATE DATABASE limited CONNECTION LIMIT 0",
];
/** walwire plays walsenders only, and has no such roles, databases or parameters. */
const onlyServers = /^(?:ordinary|role|database|parameter)\b/;
/** Of a long message walwire reads as much as `limits.message` says. */
const unlimited = "a Query of 2 GB";

const text = (value: string): Buffer => Buffer.from(value, "latin1");
const log_in = startup(physical);

const cases: Readonly<Record<string, readonly (Uint8Array | SessionInput["walsenders"])[]>> = {
  "replication=true": [log_in],
  "replication=database": [startup(logical)],
  ...Object.fromEntries(
    ["1", "on", "yes", "y", "t", "tr", "TRUE", "On", "o", "maybe", "", "2", "DATABASE", " true", "true "].map(
      (value) => [`replication=${value}`, [startup({ ...superuser, database: "postgres", replication: value })]],
    ),
  ),
  ...Object.fromEntries(
    ["0", "off", "of", "no", "f", "False"].map((value) => [
      `ordinary session: replication=${value}`,
      [startup({ ...superuser, database: "postgres", replication: value })],
    ]),
  ),
  "ordinary session: no replication": [startup({ ...superuser, database: "postgres" })],
  "replication twice": [startup({ ...logical, "replication\0false\0replication": "true" })],
  "replication=database without a database": [startup({ ...superuser, replication: "database" })],
  "replication=true, and a database": [startup({ ...physical, database: "nope" })],
  "replication=database, a database that does not exist": [startup({ ...logical, database: "nope" })],
  "a name of a database that is too long": [startup({ ...logical, database: "é".repeat(40) })],
  "role with REPLICATION, replication=true": [startup({ ...physical, user: "replicator" })],
  "role with REPLICATION, replication=database": [startup({ ...logical, user: "replicator" })],
  "role without REPLICATION, replication=true": [startup({ ...physical, user: "plain" })],
  "role without REPLICATION, replication=database": [startup({ ...logical, user: "plain" })],
  "role without LOGIN": [startup({ ...physical, user: "nologin" })],
  "role with a connection limit, replication=true": [startup({ ...physical, user: "limited" })],
  "role with a connection limit, replication=database": [startup({ ...logical, user: "limited" })],
  "role that does not exist, replication=true": [startup({ ...physical, user: "nobody" })],
  "role that does not exist, replication=database": [startup({ ...logical, user: "nobody" })],
  "role without REPLICATION, and a database that does not exist": [
    startup({ ...logical, user: "plain", database: "nope" }),
  ],
  "database without connections": [startup({ ...logical, database: "closed" })],
  "database with a connection limit": [startup({ ...logical, user: "replicator", database: "limited" })],
  "too many walsenders, replication=true": [log_in, 30],
  "ordinary session beside too many walsenders": [startup({ ...superuser, database: "postgres" }), 30],
  "no user": [startup({ replication: "true" })],
  "an empty user": [startup({ user: "", replication: "true" })],
  "protocol 3.9999 and no user": [startup({ replication: "true" }, 0x30000 + 9999)],

  "protocol 0.0": [startup(physical, 0)],
  "protocol 0.1": [startup(physical, 1)],
  "protocol 1.0": [packet(0x10000, Buffer.alloc(64))],
  "protocol 3.1": [startup(physical, 0x30001)],
  "protocol 3.2": [startup(physical, 0x30002)],
  "protocol 3.9999 and an option": [startup({ ...physical, "_pq_.a": "1" }, 0x30000 + 9999)],
  "protocol 3.1 and options": [startup({ ...physical, "_pq_.a": "1", "_pq_.b": "2" }, 0x30001)],
  "protocol 3.0 and an option": [startup({ ...physical, "_pq_.a": "1" })],
  "protocol 4.1": [startup(physical, 0x40001)],

  "a packet without terminator": [startup(physical, 0x30000, "")],
  "a packet with a name and no value": [startup(physical, 0x30000, "abc\0")],
  "a packet with bytes behind the terminator": [startup(physical, 0x30000, "\0\0")],
  "a packet without parameters": [packet(0x30000)],
  "an encoding that does not exist": [startup({ ...physical, client_encoding: "XX" })],
  "an encoding in another spelling": [startup({ ...physical, client_encoding: "utf-8" })],
  "names of parameters in other spellings": [
    startup({ ...physical, Application_Name: "walreceiver", datestyle: "ISO, MDY" }),
  ],
  "an application_name beyond ASCII": [startup({ ...physical, application_name: "é\t" })],
  "parameter that does not exist": [startup({ ...physical, nope: "1" })],
  options: [startup({ ...physical, options: "-c application_name=a\\ b --datestyle=ISO" })],
  "an option without argument": [startup({ ...physical, options: "-c" })],
  "an option without value": [startup({ ...physical, options: "-c application_name" })],
  "a long option without value": [startup({ ...physical, options: "--application-name" })],
  "an option that is a word": [startup({ ...physical, options: "hello" })],

  nothing: [],
  "a length of 3": [text("\0\0\0\x03")],
  "a length of 7": [text("\0\0\0\x07\0\x03\0")],
  "a length of 20000": [text("\0\0\x4e\x20\0\x03\0\0")],
  "half a length": [text("\0\0")],
  "half a packet": [log_in.subarray(0, 20)],
  HTTP: [text("GET / HTTP/1.0\r\n\r\n")],
  "TLS without being asked": [Buffer.from("16030100a5010000a10303", "hex")],
  SSLRequest: [sslRequest, log_in],
  "SSLRequest and data": [Buffer.concat([sslRequest, log_in])],
  "two SSLRequests": [sslRequest, sslRequest],
  GSSENCRequest: [gssRequest, log_in],
  "SSLRequest, GSSENCRequest": [sslRequest, gssRequest, log_in],
  "GSSENCRequest and data": [Buffer.concat([gssRequest, log_in])],
  CancelRequest: [packet(80877102, 1, 1)],
  "a long CancelRequest": [packet(80877102, 1, Buffer.alloc(300))],

  "CopyDone, CopyFail and CopyData without a stream": [
    Buffer.concat([log_in, frame("c", text("")), frame("f", text("why")), frame("d", text("x"))]),
  ],
  "an unknown message": [Buffer.concat([log_in, frame("!", text(""))])],
  "a Query without NUL": [Buffer.concat([log_in, frame("Q", text("SHOW a"))])],
  "a Query that is empty": [Buffer.concat([log_in, query("")])],
  "the extended protocol": [Buffer.concat([log_in, frame("P", text("\0\0\0\0")), frame("S", text(""))])],
  "Terminate with a body": [Buffer.concat([log_in, frame("X", text("abc"))])],
  "a message of length 3": [Buffer.concat([log_in, text("Q\0\0\0\x03")])],
  "a Sync of more than 10000 bytes": [
    Buffer.concat([log_in, frame("S", Buffer.alloc(9997))]).subarray(0, log_in.length + 5),
  ],
  [unlimited]: [Buffer.concat([log_in, text("Q\x7f\xff\xff\xff")])],
  "a setting since 17": [Buffer.concat([log_in, query("SHOW transaction_timeout")])],
  "a setting that is changed to what it is": [Buffer.concat([startup(logical), query("SET application_name TO ''")])],
  "a setting that is changed": [Buffer.concat([startup(logical), query("SET application_name TO 'x'")])],
};

export const sessions: Kind<SessionInput, SessionSaid> = {
  name: "sessions",

  inputs: () =>
    Object.entries(cases).map(([about, all]) => {
      const walsenders = all.find((each) => typeof each === "number");
      return {
        about,
        sent: all.flatMap((each) => (typeof each === "object" ? [toHex(each)] : [])),
        ...(walsenders !== undefined && { walsenders }),
      };
    }),

  async ask(server, inputs) {
    await prepare(server);
    const said: SessionSaid[] = [];
    for (const input of inputs) said.push(await answerOf(`${server.host}/.s.PGSQL.${server.port}`, input));
    return said;
  },

  async ours(input, { versionNum: server }) {
    if (onlyServers.test(input.about) || input.about === unlimited) return undefined;
    if (!servers.has(server)) servers.set(server, start(server));
    return { said: await answerOf((await servers.get(server)!).path, input) };
  },

  async close() {
    for (const each of servers.values()) await (await each).close();
    servers.clear();
  },
};

/** Servers of ours that play a version. */
const servers = new Map<number, Promise<{ readonly path: string; close(): Promise<void> }>>();

async function start(server: number) {
  const folder = mkdtempSync(join(tmpdir(), "walwire-sessions-"));
  const path = join(folder, "socket");
  const limits = { connections: 30 };
  const ours = await listen({ path, server, databases: ["postgres"], parameters: { is_superuser: "on" }, limits });
  const close = async (): Promise<void> => {
    await ours.close({ immediate: true });
    rmSync(folder, { recursive: true });
  };
  return { path, close };
}

async function prepare(server: OwnServer): Promise<void> {
  const { rows } = await server.sql("SELECT FROM pg_roles WHERE rolname = 'replicator'");
  if (rows.length === 0) for (const each of prepared) await server.sql(each);
}

/** What comes back, from our server or a real one. */
async function answerOf(path: string, { sent, walsenders = 0 }: SessionInput): Promise<SessionSaid> {
  const others: RawConnection[] = [];
  try {
    for (let i = 0; i < walsenders; i++) others.push(await RawConnection.open(path, physical));
    const steps = sent.flatMap((digits, i): Step[] => [...(i === 0 ? [] : [i]), hex(digits)]);
    return { messages: messagesIn(await talk(path, steps)) };
  } finally {
    for (const each of others) await each.close();
  }
}

function messagesIn(bytes: Buffer): SessionMessage[] {
  const messages: SessionMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    const length = at + 5 <= bytes.length ? bytes.readUInt32BE(at + 1) : 0;
    if (length < 4 || at + 1 + length > bytes.length) {
      // An answer to a request for encryption, or an error in protocol 2.
      const end = /[SNG]/.test(String.fromCharCode(bytes[at]!)) ? at + 1 : bytes.length;
      messages.push({ type: "Bytes", text: bytes.toString("latin1", at, end) });
      at = end;
      continue;
    }
    const message = messageOf(String.fromCharCode(bytes[at]!), bytes.subarray(at + 5, at + 1 + length));
    at += 1 + length;
    const last = messages.at(-1);
    if (message.type === "ParameterStatus" && last?.type === "ParameterStatus") {
      messages[messages.length - 1] = withParameters(last.parameters, message.parameters);
    } else if (message.type === "ParameterStatus") messages.push(withParameters({}, message.parameters));
    else messages.push(message);
  }
  return messages;
}

/** In alphabetical order: servers since 16 report them in no order. Without the version, which is that of the server. */
function withParameters(...all: readonly Readonly<Record<string, string>>[]): SessionMessage {
  const entries = all.flatMap((each) => Object.entries(each)).filter(([name]) => name !== "server_version");
  return { type: "ParameterStatus", parameters: Object.fromEntries(entries.sort(([a], [b]) => (a < b ? -1 : 1))) };
}

function messageOf(type: string, body: Buffer): SessionMessage {
  const strings = (from: number): string[] => body.toString("utf8", from).split("\0");
  switch (type) {
    case "R":
      if (body.readUInt32BE(0) !== 0) break;
      return { type: "AuthenticationOk" };
    case "S": {
      const [name, value] = strings(0) as [string, string];
      return { type: "ParameterStatus", parameters: { [name]: value } };
    }
    case "K":
      return { type: "BackendKeyData", keyLength: body.length - 4 };
    case "Z":
      return { type: "ReadyForQuery", status: body.toString("latin1") };
    case "C":
      return { type: "CommandComplete", tag: strings(0)[0]! };
    case "T":
      return { type: "RowDescription", columns: columnsOf(body).map(({ name }) => name) };
    case "D":
      return { type: "DataRow", values: valuesOf(body).map((value) => value?.toString() ?? null) };
    case "v": {
      const newest = `${body.readUInt16BE(0)}.${body.readUInt16BE(2)}`;
      return { type: "NegotiateProtocolVersion", newest, options: strings(8).slice(0, body.readUInt32BE(4)) };
    }
    case "E":
    case "N": {
      const { V, C, M, D, H } = errorFields(body);
      const said = words({ sqlstate: C!, message: M!, detail: D, hint: H });
      return { type: type === "E" ? "ErrorResponse" : "NoticeResponse", severity: V!, ...said };
    }
  }
  throw new Error(`The server said ${type}, which no row has.`);
}

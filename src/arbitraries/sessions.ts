/**
 * fast-check arbitraries of whole sessions with a walsender: what both ends send, from the first packet to the last.
 *
 * A session is made from a login and a list of exchanges, so a failing one gets smaller by losing exchanges. Both ends are played by
 * src/session, which sends nothing that may not be sent, and rejects what may not come.
 */
import * as fc from "fast-check";
import { encodeBaseBackupEvent } from "../basebackup/events.ts";
import type { Command, SQLCmd } from "../command/ast.ts";
import { printCommand } from "../command/print.ts";
import { type AnswerStep, commandAnswer } from "../command/results/answer.ts";
import type { RowValue } from "../command/results/columns.ts";
import type { ResultSetName } from "../command/results/result-sets.ts";
import { describeResultSet, encodeResultSet } from "../command/results/rows.ts";
import { encodePgoutputMessage } from "../generated/logical.ts";
import { encodeWalReceiverMessage, encodeWalSenderMessage, type WalReceiverMessage } from "../generated/physical.ts";
import { EncodeError, UnsupportedError } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { defaultServer, formatServerVersion, type Server, serverVersionNum } from "../kernel/version.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import { physicalContext } from "../physical/context.ts";
import { sessionCapabilities } from "../session/capabilities.ts";
import type { EncryptionResponse } from "../session/conversation.ts";
import {
  type AuthenticationMethod,
  type BackendMessage,
  decodeBackendMessage,
  type FrontendMessage,
  type StartupPacket,
} from "../session/messages.ts";
import { reportedParameters } from "../session/server/parameters.ts";
import { WalReceiver } from "../session/walreceiver.ts";
import { WalSender } from "../session/walsender.ts";
import { Framer, framesOf } from "../wire/framer.ts";
import { decodeText } from "../wire/text.ts";
import { baseBackupEvents } from "./basebackup.ts";
import { command } from "./command.ts";
import { resultSetValue } from "./command-results.ts";
import { newestPgoutput, pgoutputStream } from "./streams.ts";

/** A message of a session. */
export type SessionMessage = {
  /** All bytes of the message. */
  readonly bytes: Uint8Array;
} & (
  | {
      /** The end that sends it. */
      readonly from: "walreceiver";
      /** The message. */
      readonly message: FrontendMessage | StartupPacket;
    }
  | {
      /** The end that sends it. */
      readonly from: "walsender";
      /** The message. */
      readonly message: BackendMessage | EncryptionResponse;
    }
);

/** Options of {@link walsenderSession}. */
export interface WalsenderSessionOptions {
  /** The version of the server. Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/**
 * A whole session with a walsender: the messages of both ends, in the order in which they are sent.
 *
 * A login with or without a password, or a rejected one, or a CancelRequest; replication commands with the answers of this version, complete
 * or broken off by an error; base backups, physical and logical streams with feedback, which either end ends; SQL and the extended query
 * protocol; at the end Terminate, a server that shuts down, or a lost connection. A WalReceiver and a WalSender take all of it.
 *
 * @throws ArgumentError for an option that it does not take; UnsupportedError for an unknown version.
 * @example fc.sample(walsenderSession({ server: 12 }), 1)[0].at(0).from // "walreceiver"
 */
export function walsenderSession(options: WalsenderSessionOptions = {}): fc.Arbitrary<SessionMessage[]> {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  return fc
    .record({
      login: login(server),
      exchanges: fc.array(exchange(server), { maxLength: 5 }),
      end: fc.constantFrom("terminate", "cut", "shutdown"),
    })
    .map(({ login: begin, exchanges, end }) => {
      const talk = new Talk(server);
      talk.say(begin);
      for (const each of exchanges) talk.say(each);
      if (end === "terminate") talk.say([client({ type: "Terminate" })]);
      if (end === "shutdown") {
        talk.say([error("FATAL", "57P01", "terminating connection due to administrator command")]);
      }
      return talk.messages;
    });
}

/** A message without its bytes. */
type Said =
  | { readonly from: "walreceiver"; readonly message: FrontendMessage | StartupPacket }
  | { readonly from: "walsender"; readonly message: BackendMessage | EncryptionResponse };

const client = (message: FrontendMessage | StartupPacket): Said => ({ from: "walreceiver", message });
const sender = (message: BackendMessage | EncryptionResponse): Said => ({ from: "walsender", message });

function error(severity: "ERROR" | "FATAL", sqlstate: string, message: string): Said {
  return sender({ type: "ErrorResponse", fields: { S: severity, C: sqlstate, M: message } });
}

const ready = sender({ type: "ReadyForQuery", status: "I" });

/** Both ends: each message is sent by the one and received by the other. What comes when the session is over is not said. */
class Talk {
  readonly messages: SessionMessage[] = [];
  readonly #client: WalReceiver;
  readonly #server: WalSender;

  constructor(server: number) {
    this.#client = new WalReceiver({ from: "startup", server });
    this.#server = new WalSender({ from: "startup", server });
  }

  say(all: readonly Said[]): void {
    for (const said of all) {
      if (this.#server.state === "closed" || this.#server.state === "shutdown") return;
      const isClient = said.from === "walreceiver";
      const bytes = isClient ? this.#client.send(said.message) : this.#server.send(said.message);
      const to = isClient ? this.#server : this.#client;
      to.receive(bytes);
      while (to.next() !== undefined);
      this.messages.push({ ...said, bytes });
    }
  }
}

const nothing = new Uint8Array(0);
const utf8 = new TextEncoder();
const token = (text: string): Uint8Array => utf8.encode(text);

/** The requests of a login in order, each with what follows the method; the client answers all but the last one. */
const methods: Readonly<Record<string, readonly (readonly [AuthenticationMethod, Uint8Array])[]>> = {
  none: [],
  password: [["CleartextPassword", nothing]],
  md5: [["MD5Password", Uint8Array.of(1, 2, 3, 4)]],
  scram: [
    ["SASL", nothing],
    ["SASLContinue", token("r=ab,s=YQ==,i=4096")],
    ["SASLFinal", token("v=YQ==")],
  ],
};

/** What a login reports, but for server_version. */
const parameterValues: Readonly<Record<string, string>> = {
  application_name: "",
  client_encoding: "UTF8",
  DateStyle: "ISO, MDY",
  default_transaction_read_only: "off",
  in_hot_standby: "off",
  integer_datetimes: "on",
  IntervalStyle: "postgres",
  is_superuser: "off",
  scram_iterations: "4096",
  search_path: '"$user", public',
  server_encoding: "UTF8",
  session_authorization: "a",
  standard_conforming_strings: "on",
  TimeZone: "UTC",
};

function login(server: number): fc.Arbitrary<readonly Said[]> {
  const newest = sessionCapabilities.supports(server, "protocolThreeTwo") ? 2 : 0;
  return fc
    .record({
      kind: fc.constantFrom("login", "login", "login", "login", "rejected", "cancel"),
      encryption: fc.constantFrom(undefined, "SSLRequest", "GSSENCRequest"),
      protocolMinor: fc.constantFrom(0, 2),
      replication: fc.constantFrom("true", "database"),
      method: fc.constantFrom("none", "password", "md5", "scram"),
      processId: fc.integer({ min: 1, max: 0x7fffffff }),
      key: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    })
    .map(({ kind, encryption, protocolMinor, replication, method, processId, key }): Said[] => {
      const minor = Math.min(protocolMinor, newest);
      const secretKey = key.subarray(0, minor === 2 ? 32 : 4);
      const before: Said[] =
        encryption === undefined
          ? []
          : [client({ type: encryption }), sender({ type: "EncryptionResponse", accepted: false })];
      if (kind === "cancel") return [...before, client({ type: "CancelRequest", processId, secretKey })];
      const parameters = [["user", "a"] as const, ["replication", replication] as const];
      const packet = client({ type: "StartupMessage", protocolMajor: 3, protocolMinor, parameters });
      const negotiated: Said[] =
        minor === protocolMinor ? [] : [sender({ type: "NegotiateProtocolVersion", newestMinor: minor, options: [] })];
      const proofs = methods[method]!.flatMap(([name, data]): Said[] => [
        sender({ type: "Authentication", method: name, mechanisms: name === "SASL" ? ["SCRAM-SHA-256"] : [], data }),
        ...(name === "SASLFinal" ? [] : [client({ type: "PasswordMessage", data: token("secret\0") })]),
      ]);
      const accepted = { type: "Authentication", method: "Ok", mechanisms: [], data: nothing } as const;
      if (kind === "rejected") {
        return [...before, packet, ...negotiated, ...proofs, error("FATAL", "28P01", "password authentication failed")];
      }
      return [
        ...[...before, packet, ...negotiated, ...proofs, sender(accepted)],
        ...reportedParameters(server).map((name) =>
          sender({ type: "ParameterStatus", name, value: parameterValues[name] ?? formatServerVersion(server) }),
        ),
        sender({ type: "BackendKeyData", processId, secretKey }),
        ready,
      ];
    });
}

/** A command and its answer, or something else that a client says when the server is idle. */
function exchange(server: number): fc.Arbitrary<readonly Said[]> {
  const others: readonly (readonly Said[])[] = [
    [client({ type: "Query", query: "" }), sender({ type: "EmptyQueryResponse" }), ready],
    [
      client({ type: "Query", query: "SELECT 1" }),
      ...rows([{ name: "?column?", typeId: 23, typeSize: 4, typeModifier: -1 }], [["1"]]),
      sender({ type: "CommandComplete", tag: "SELECT 1" }),
      ready,
    ],
    [
      client({ type: "Parse", body: Uint8Array.of(0, 0, 0, 0) }),
      error("ERROR", "08P01", "extended query protocol not supported in a replication connection"),
      client({ type: "Sync" }),
      ready,
    ],
    [
      client({ type: "Query", query: "SELECT 1 AS a; SELECT 2 AS b, 3 AS c WHERE false" }),
      ...rows([{ name: "a", typeId: 23, typeSize: 4, typeModifier: -1 }], [["1"]]),
      sender({ type: "CommandComplete", tag: "SELECT 1" }),
      ...rows(
        ["b", "c"].map((name) => ({ name, typeId: 23, typeSize: 4, typeModifier: -1 })),
        [],
      ),
      sender({ type: "CommandComplete", tag: "SELECT 0" }),
      ready,
    ],
    [client({ type: "Flush" })],
    [sender({ type: "NoticeResponse", fields: { S: "NOTICE", C: "00000", M: "a" } })],
  ];
  return fc.oneof(
    { weight: 4, arbitrary: plainCommand(server) },
    { weight: 1, arbitrary: baseBackup(server) },
    { weight: 1, arbitrary: stream(server, "PHYSICAL") },
    { weight: 1, arbitrary: stream(server, "LOGICAL") },
    { weight: 2, arbitrary: fc.constantFrom(...others) },
  );
}

type Columns = ReturnType<typeof describeResultSet>;

function rows(columns: Columns, values: readonly (readonly RowValue[])[]): Said[] {
  const described = columns.map((each) => ({ ...each, tableId: 0, columnNumber: 0, format: "text" as const }));
  return [
    sender({ type: "RowDescription", columns: described }),
    ...values.map((row) => sender({ type: "DataRow", values: row.map(textOf) })),
  ];
}

function textOf(value: RowValue): string | null {
  return value instanceof Uint8Array ? decodeText(value, 0, value.length) : value;
}

/** The text of a command; undefined if this version has no way to say it. */
function printed(each: Command, server: number): string | undefined {
  try {
    return printCommand(each, { server });
  } catch (thrown) {
    if (thrown instanceof UnsupportedError || thrown instanceof EncodeError) return undefined;
    throw thrown;
  }
}

type Plain = Exclude<Command, SQLCmd | { readonly type: "BaseBackupCmd" | "StartReplicationCmd" }>;

/** A command that has one answer and no stream, or UPLOAD_MANIFEST. */
function plainCommand(server: number): fc.Arbitrary<readonly Said[]> {
  const isPlain = (each: Command): each is Plain =>
    !["BaseBackupCmd", "StartReplicationCmd", "SQLCmd"].includes(each.type) && printed(each, server) !== undefined;
  return command({ server })
    .filter(isPlain)
    .chain((each) => {
      const steps = commandAnswer(each, { server })!;
      return fc.tuple(fc.tuple(...steps.map((step) => answer(step, each, server))), fails()).map(([parts, failed]) => {
        const said = [client({ type: "Query", query: printed(each, server)! })];
        const good = failed ? parts.slice(0, -1) : parts;
        return [...said, ...good.flat(), ...(failed ? [error("ERROR", "XX000", "failed")] : []), ready];
      });
    });
}

const fails = (): fc.Arbitrary<boolean> => fc.nat(3).map((share) => share === 3);

function answer(step: AnswerStep, each: Command, server: number): fc.Arbitrary<readonly Said[]> {
  switch (step.type) {
    case "CommandComplete":
      return fc.constant([sender({ type: "CommandComplete", tag: step.tag })]);
    case "Rows":
      return resultSet(step.resultSet, server, each.type === "VariableShowStmt" ? each.name : undefined);
    default:
      return fc
        .array(fc.uint8Array({ maxLength: 9 }), { maxLength: 3 })
        .map((parts) => [
          sender({ type: "CopyInResponse", format: "text", columnFormats: [] }),
          ...parts.map((data) => client({ type: "CopyData", data })),
          client({ type: "CopyDone" }),
        ]);
  }
}

function resultSet(name: ResultSetName, server: number, parameter?: string): fc.Arbitrary<readonly Said[]> {
  const columns = describeResultSet(name, { server, parameter });
  return resultSetValue(name).map((value) => rows(columns, encodeResultSet(name, value as never, { server })));
}

function baseBackup(server: number): fc.Arbitrary<readonly Said[]> {
  const query = printCommand({ type: "BaseBackupCmd", options: [] }, { server });
  return baseBackupEvents(server).map((events) => [
    client({ type: "Query", query }),
    ...events.flatMap((event) =>
      [...framesOf(new Framer(), encodeBaseBackupEvent(event, { server }))].map((frame) =>
        sender(decodeBackendMessage(frame)),
      ),
    ),
  ]);
}

/** What happens in a stream beside its data. */
type Aside = "keepalive" | "question" | "status" | "feedback";

/** The length of what a physical stream carries at once, in bytes. */
const LENGTH = 20;

function stream(server: number, kind: "PHYSICAL" | "LOGICAL"): fc.Arbitrary<readonly Said[]> {
  const has = logicalCapabilities.of(server);
  const { protocol, streaming = "off" } = newestPgoutput(server);
  const isPgoutput = kind === "LOGICAL" && has.pgoutput;
  const data: fc.Arbitrary<readonly Uint8Array[]> = isPgoutput
    ? pgoutputStream({ protocol, streaming }).map((messages) =>
        messages.filter(({ type }) => type !== "Truncate" || has.publishTruncate).map(encodePgoutputMessage),
      )
    : fc.array(fc.uint8Array({ minLength: 1, maxLength: LENGTH }), { maxLength: 6 });
  const options = `(proto_version '${protocol}'${streaming === "off" ? "" : `, streaming '${streaming}'`}, publication_names 'p')`;
  const query =
    kind === "PHYSICAL"
      ? "START_REPLICATION 0/1000000"
      : `START_REPLICATION SLOT s LOGICAL 0/0${isPgoutput ? ` ${options}` : ""}`;
  const asides = fc.array(
    fc.record({
      /** Before this message. */
      before: fc.nat(8),
      what: fc.constantFrom<Aside>("keepalive", "question", "status", "feedback"),
    }),
    { maxLength: 5 },
  );
  return fc
    .record({ data, asides, end: fc.constantFrom("client", "server", "error", "shutdown", "late shutdown") })
    .map(({ data: payloads, asides: all, end }) => {
      let position = 0x1000000n as Lsn;
      let time = 800_000_000_000_000n as PgTime;
      const now = (): PgTime => {
        time = (time + 1000n) as PgTime;
        return time;
      };
      const aside = (what: Aside): Said[] => {
        const keepalive = (replyRequested: boolean): Said =>
          sender({
            type: "CopyData",
            data: encodeWalSenderMessage({ type: "Keepalive", walEnd: position, sendTime: now(), replyRequested }),
          });
        const reply = (message: WalReceiverMessage): Said =>
          client({ type: "CopyData", data: encodeWalReceiverMessage(message) });
        const status = (): Said => {
          const positions = { write: position, flush: position, apply: position };
          return reply({ type: "StandbyStatusUpdate", ...positions, clientTime: now(), replyRequested: false });
        };
        if (what === "keepalive") return [keepalive(false)];
        if (what === "question") return [keepalive(true), status()];
        if (what === "status") return [status()];
        const { feedbackCatalogXmin } = physicalContext(server);
        const catalog = feedbackCatalogXmin ? { catalogXmin: 0, catalogXminEpoch: 0 } : {};
        return [reply({ type: "HotStandbyFeedback", clientTime: now(), xmin: 700, xminEpoch: 0, ...catalog })];
      };
      const said = [
        client({ type: "Query", query }),
        sender({ type: "CopyBothResponse", format: "text", columnFormats: [] }),
      ];
      const until = Math.max(payloads.length, ...all.map(({ before }) => before + 1));
      for (let i = 0; i < until; i++) {
        for (const each of all) if (each.before === i) said.push(...aside(each.what));
        const payload = payloads[i];
        if (payload === undefined) continue;
        const dataStart = position;
        position = (position + BigInt(payload.length)) as Lsn;
        const walEnd = kind === "PHYSICAL" ? position : dataStart;
        const message = { type: "XLogData", dataStart, walEnd, sendTime: now(), data: payload } as const;
        said.push(sender({ type: "CopyData", data: encodeWalSenderMessage(message) }));
      }
      return [...said, ...endOf(kind, end, server)];
    });
}

function endOf(kind: "PHYSICAL" | "LOGICAL", end: string, server: number): Said[] {
  const done: Said[] = [client({ type: "CopyDone" }), sender({ type: "CopyDone" })];
  const tags = commandAnswer({ type: "StartReplicationCmd", kind, timeline: 0 } as Command, { server })!.flatMap(
    (step) => (step.type === "CommandComplete" ? [sender({ type: "CommandComplete", tag: step.tag })] : []),
  );
  switch (end) {
    case "client":
      return [...done, ...tags, ready];
    case "server":
      // Only a physical walsender ends by itself, where its timeline does.
      return kind === "LOGICAL" ? [...done, ...tags, ready] : [...done.reverse(), ...tags, ready];
    case "late shutdown":
      return [client({ type: "CopyDone" }), sender({ type: "CommandComplete", tag: "COPY 0" })];
    case "shutdown":
      return [sender({ type: "CommandComplete", tag: "COPY 0" })];
    default:
      return [error("ERROR", "58P01", "requested WAL segment has already been removed"), ready];
  }
}

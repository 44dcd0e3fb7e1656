/**
 * Damaged messages of clients to walwire/server, in memory: a connection in a state that a message can meet (before and in the login,
 * between commands, in a stream, while a manifest is uploaded), messages that are damaged, and a command after them.
 *
 * Whatever comes, the server says whole messages, and no internal error; the application is told of feedback that is not any, and of
 * nothing else; nothing of the connection is left; and a connection that is there all the time is answered as before.
 */
import { Duplex } from "node:stream";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import fc from "fast-check";
import { concat } from "../../src/arbitraries/bytes.ts";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { messageOf } from "../../src/arbitraries/messages.ts";
import { frontendMessage, startupPacket } from "../../src/arbitraries/session.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { Connection, type Host } from "../../src/node/server/connection.ts";
import { scramSecret, type WalsenderHandlers, type WalsenderStream } from "../../src/node/server/index.ts";
import { checkSettings } from "../../src/node/server/settings.ts";
import { WalReceiverMessage } from "../../src/physical/messages.ts";
import {
  type BackendMessage,
  decodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
} from "../../src/session/messages.ts";
import { Framer, framesOf } from "../../src/wire/framer.ts";
import { interpretEncode } from "../oracle/interpret.ts";
import { damage } from "./damage.ts";
import type { FuzzTarget, Outcome } from "./target.ts";

/** The versions that are played; those between have no other rules for what clients send. */
const versions = [100000, 130000, 140000, 150000, 170000, 180000];
/** Generated messages of each state. */
const GENERATED = 300;
/** Damaged messages of a connection: a connection takes 0.3 ms, and a message 0.02 ms. */
const MESSAGES = 60;
/** Connections between two looks at one that is there all the time. */
const LOOK = 500;
/** Connections between two looks at memory, and bytes by which it may grow from the first one on. */
const COLLECT = 5000;
const GROWTH = 32 * 1024 * 1024;

const say = (...messages: readonly FrontendMessage[]): Uint8Array => concat(...messages.map(encodeFrontendMessage));
const query = (text: string): FrontendMessage => ({ type: "Query", query: text });
const sync: FrontendMessage = { type: "Sync" };
const copyDone: FrontendMessage = { type: "CopyDone" };
const login = (parameters: Readonly<Record<string, string>>): Uint8Array =>
  encodeStartupPacket({
    ...{ type: "StartupMessage", protocolMajor: 3, protocolMinor: 0 },
    parameters: Object.entries({ user: "u", ...parameters }),
  });
const physical = login({ replication: "true" });
const logical = login({ replication: "database", database: "d" });

/** Where a connection is when the damaged message comes. */
interface State {
  readonly before: Uint8Array;
  /** Good messages. */
  messages(): readonly Uint8Array[];
  /** What the client says after it. */
  readonly after: Uint8Array;
  /** The types of messages that do not end the connection here; undefined for startup packets, which have no type. */
  readonly types?: string;
  /** Clients need a password. */
  readonly locked?: boolean;
}

const sampled = <T>(arbitrary: fc.Arbitrary<T>): readonly T[] => fc.sample(arbitrary, { numRuns: GENERATED, seed: 1 });

const anyMessage = (): readonly Uint8Array[] =>
  sampled(frontendMessage()).flatMap((message) => {
    try {
      return [encodeFrontendMessage(message)];
    } catch {
      return []; // Text that a C string cannot have.
    }
  });

const commands = (): readonly Uint8Array[] =>
  versions.flatMap((server) =>
    [...sampled(commandText({ server })), ...sampled(checkedCommand(server))]
      .filter((text) => !text.includes("\0"))
      .map((text) => say(query(text))),
  );

const sql = ["BEGIN", "COMMIT", "ROLLBACK", "SET datestyle = 'ISO'", "SELECT 1", "SHOW all", ""];

const feedback = (): readonly Uint8Array[] =>
  [false, true].flatMap((feedbackCatalogXmin) =>
    sampled(messageOf(WalReceiverMessage, { feedbackCatalogXmin, primaryStatus: false })).map((message) =>
      say({ type: "CopyData", data: interpretEncode(WalReceiverMessage, message) }),
    ),
  );

const between = { messages: () => [...commands(), ...sql.map((text) => say(query(text))), ...anyMessage()] };
const streaming = {
  messages: () => [...feedback(), ...anyMessage()],
  after: say(copyDone, query("IDENTIFY_SYSTEM")),
  types: "dddc",
};
const asked = { after: say(sync, query("IDENTIFY_SYSTEM")), types: "QQQQdcfPBDECFHS" };
const sasl = (text: string): Uint8Array => {
  const length = new Uint8Array(4);
  new DataView(length.buffer).setUint32(0, text.length);
  return concat(new TextEncoder().encode("SCRAM-SHA-256\0"), length, new TextEncoder().encode(text));
};
const passwords = ["c=biws,r=abcdefghij,p=AAAA", "p=x", "n,,n=,r=abc", "y,,n=u,r=abc", "c=biws,r=,p="].flatMap(
  (text) => [
    say({ type: "PasswordMessage", data: sasl(text) }),
    say({ type: "PasswordMessage", data: new TextEncoder().encode(text) }),
  ],
);

const states: readonly State[] = [
  {
    before: new Uint8Array(0),
    messages: () => [
      ...[physical, logical, login({ options: "-c datestyle=ISO --a.b=c", client_encoding: "UTF8" })],
      ...sampled(startupPacket()).map(encodeStartupPacket),
    ],
    after: say(query("IDENTIFY_SYSTEM")),
  },
  { before: physical, messages: () => passwords, after: say(query("IDENTIFY_SYSTEM")), types: "p", locked: true },
  {
    before: concat(physical, passwords[4]!),
    messages: () => passwords,
    after: say(query("IDENTIFY_SYSTEM")),
    types: "p",
    locked: true,
  },
  { before: physical, ...between, ...asked },
  { before: logical, ...between, ...asked },
  { before: concat(logical, say(query("BEGIN"))), ...between, ...asked },
  { before: concat(logical, say(query("BEGIN"), query("nonsense"))), ...between, ...asked },
  { before: concat(logical, encodeFrontendMessage({ type: "Parse", body: new Uint8Array(3) })), ...between, ...asked },
  { before: concat(physical, say(query("START_REPLICATION 0/10"))), ...streaming },
  { before: concat(physical, say(query("START_REPLICATION 0/10"), copyDone)), ...streaming },
  {
    before: concat(
      logical,
      say(query(`START_REPLICATION SLOT "s" LOGICAL 0/0 ("proto_version" '1', "publication_names" 'p')`)),
    ),
    ...streaming,
  },
  {
    before: concat(physical, say(query("UPLOAD_MANIFEST"))),
    messages: () => [
      say({ type: "CopyData", data: new Uint8Array(20) }),
      say(copyDone),
      say({ type: "CopyFail", message: "no" }),
      ...anyMessage(),
    ],
    after: streaming.after,
    types: "dddcfHS",
  },
];

const aborted = (stream: WalsenderStream): Promise<void> =>
  new Promise((resolve) => {
    if (stream.signal.aborted) resolve();
    else stream.signal.addEventListener("abort", () => resolve());
  });

/** A stream of one message, which goes on until the client ends it. */
async function stream(to: WalsenderStream): Promise<void> {
  const at = toLsn(16n);
  await to.send({ type: "XLogData", dataStart: at, walEnd: at, sendTime: toPgTime(0n), data: new Uint8Array(9) });
  to.caughtUp(at);
  await aborted(to);
}

const handlers: WalsenderHandlers = {
  createSlot: ({ slotname, plugin }) => ({
    ...{ slot_name: slotname, consistent_point: toLsn(16n), snapshot_name: undefined, output_plugin: plugin },
  }),
  startPhysical: async (_, to) => stream(to),
  startLogical: async (_, __, to) => stream(to),
  async baseBackup(_, __, out) {
    await out.begin({ recptr: toLsn(16n), tli: 1 }, []);
    await out.openCopy();
    await out.send(new Uint8Array(9));
    await out.closeCopy();
    await out.end({ recptr: toLsn(16n), tli: 1 });
  },
  async uploadManifest(pieces) {
    for await (const _ of pieces);
  },
  query: () => ({ type: "rows", columns: [{ name: "a" }], rows: [["b"]] }),
};

/** A socket in memory. */
class Pipe extends Duplex {
  readonly said: Uint8Array[] = [];

  constructor() {
    super({ allowHalfOpen: true });
  }

  /** Send bytes, and wait until ReadyForQuery is the last of what is said. @throws Error if it does not come. */
  async ask(bytes: Uint8Array): Promise<void> {
    this.said.length = 0;
    this.push(bytes);
    for (let turns = 0; messagesOf(concat(...this.said)).at(-1)?.type !== "ReadyForQuery"; turns++) {
      if (turns > 10_000) throw new Error("another connection is not answered any more");
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  override _read(): void {}

  override _write(chunk: Uint8Array, _: string, done: () => void): void {
    this.said.push(chunk);
    done();
  }

  override _writev(chunks: readonly { readonly chunk: Uint8Array }[], done: () => void): void {
    for (const { chunk } of chunks) this.said.push(chunk);
    done();
  }
}

/** A connection that counts the messages that it has read. */
class CountingConnection extends Connection {
  taken = 0;

  override consume(): void {
    this.taken++;
    super.consume();
  }
}

/** A server of a version, without a socket. */
class Target {
  readonly told: unknown[] = [];
  readonly #host: Host;
  #processId = 0;
  #other: Pipe | undefined;

  constructor(server: number, locked: boolean) {
    const users = locked ? { u: scramSecret("p", { salt: new Uint8Array(16), iterations: 1 }) } : undefined;
    const { settings } = checkSettings({ server, users, systemid: 7n, limits: { message: 100_000 } });
    this.#host = {
      ...{ settings, handlers, secureContext: undefined, requiresTls: false },
      admit: () => true,
      nextProcessId: () => ++this.#processId,
      cancel: () => {},
      tell: (error) => this.told.push(error),
    };
  }

  /** What the server says to bytes, which come in two pieces, until the connection has ended; and how many messages it has read. */
  async answer(bytes: Uint8Array, cut: number): Promise<{ said: Uint8Array; taken: number }> {
    const pipe = new Pipe();
    const connection = this.#connect(pipe);
    pipe.push(bytes.subarray(0, cut));
    if (cut < bytes.length) pipe.push(bytes.subarray(cut));
    pipe.push(null);
    await connection.ended;
    return { said: concat(...pipe.said), taken: connection.taken };
  }

  /** @throws Error if a connection that has been there from the beginning is not answered as at first. */
  async look(): Promise<void> {
    const other = this.#other ?? (await this.#begin());
    this.#other = other;
    await other.ask(say(query("IDENTIFY_SYSTEM")));
    const types = messagesOf(concat(...other.said)).map(({ type }) => type);
    if (types.join(" ") !== "RowDescription DataRow CommandComplete ReadyForQuery") {
      throw new Error(`another connection is answered by ${types.join(", ")}`);
    }
  }

  async #begin(): Promise<Pipe> {
    const pipe = new Pipe();
    this.#connect(pipe);
    await pipe.ask(physical);
    return pipe;
  }

  #connect(pipe: Pipe): CountingConnection {
    return new CountingConnection(this.#host, pipe as never);
  }
}

/** @throws DecodeError for what is not whole messages. */
function messagesOf(bytes: Uint8Array): BackendMessage[] {
  const framer = new Framer();
  const messages = Array.from(framesOf(framer, bytes), decodeBackendMessage);
  framer.end();
  return messages;
}

const targets = new Map<string, Target>();
/** The good messages of each state, once they are made. */
let corpora: readonly (readonly Uint8Array[])[] = [];
/** Connections, and the messages after the damage that they have read. */
const counts = { connections: 0, messages: 0 };

/** A number for the bytes: what else a case does depends on it. */
const numberOf = (bytes: Uint8Array): number => bytes.reduce((sum, byte) => (Math.imul(sum, 31) + byte) | 0, 7);

/** Make a message one that is whole and of a type that does not end the connection, so that its contents are looked at and what follows. */
function whole(message: Uint8Array, types: string | undefined): Uint8Array {
  const at = types === undefined ? 0 : 1;
  if (message.length < at + 4) return message;
  new DataView(message.buffer, message.byteOffset).setUint32(at, message.length - at);
  if (types !== undefined && !types.includes(String.fromCharCode(message[0]!))) {
    message[0] = types.charCodeAt(message[0]! % types.length);
  }
  return message;
}

async function check(input: Uint8Array): Promise<Outcome> {
  const [which = 0, how = 0] = input;
  const state = which % states.length;
  const { before, after, types, locked = false } = states[state]!;
  const server = versions[(how >> 1) % versions.length]!;
  const key = `${server} ${locked}`;
  const target = targets.get(key) ?? new Target(server, locked);
  targets.set(key, target);
  const number = numberOf(input);
  const first = input.slice(2);
  // The first one in half of the cases, nearly all of those behind it.
  const messages = [how % 2 === 0 ? whole(first, types) : first];
  for (let i = 1; i < MESSAGES && types !== undefined && !locked; i++) {
    const message = damage(corpora[state]!, number, i);
    messages.push((Math.imul(number, i) & 127) === 0 ? message : whole(message, types));
  }
  const bytes = concat(before, ...messages, after);
  const { said, taken } = await target.answer(bytes, Math.abs(number) % (bytes.length + 1));
  for (const error of target.told.splice(0)) {
    if (!(error instanceof DecodeError)) throw error;
  }
  const outcome = judged(said);
  // Startup packets and passwords are read elsewhere; of the others those before the damage are not counted, and those after it.
  counts.messages +=
    types !== undefined && !locked ? Math.min(Math.max(taken - messagesIn(before), 0), messages.length) : 1;
  if (++counts.connections % LOOK === 0 && !locked) await target.look();
  if (counts.connections % COLLECT === 0) mustNotGrow();
  return outcome;
}

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;
/** Bytes that were in use at the first look, and at the last one. */
const used: { first?: number; last: number } = { last: 0 };

/** @throws Error if the connections that have ended have left something. */
function mustNotGrow(): void {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  used.last = heapUsed + external;
  used.first ??= used.last;
  if (used.last > used.first + GROWTH) throw new Error(`memory has grown from ${used.first} bytes to ${used.last}`);
}

/** The messages after a startup packet. */
function messagesIn(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let count = 0;
  for (let at = view.getUint32(0); at < bytes.length; at += 1 + view.getUint32(at + 1)) count++;
  return count;
}

/** Whether the client was answered until the end, without an error. @throws Error for what no server says */
function judged(bytes: Uint8Array): Outcome {
  let said = bytes;
  // The answer to a request for encryption; an error for a client of protocol 2, to which walwire has nothing else to say.
  while (said[0] === 0x4e && (said[1] !== 0 || said.length === 1)) said = said.subarray(1);
  if (said[0] === 0x45 && said[1] === 0x46) return "error";
  let outcome: Outcome = "value";
  const messages = messagesOf(said);
  for (const each of messages) {
    if (each.type !== "ErrorResponse") continue;
    outcome = "error";
    const { S, V, C, M } = each.fields;
    if (S !== V || !/^[A-Z0-9]{5}$/.test(C ?? "") || !M) throw new Error(`not an error of a server: ${M}`);
    if (M === "internal error") throw new Error(M);
  }
  return messages.at(-1)?.type === "ReadyForQuery" ? outcome : "error";
}

export const clients: readonly FuzzTarget[] = [
  {
    name: "client messages",
    corpus() {
      corpora = states.map(({ messages }) => messages());
      return corpora.flatMap((messages, which) =>
        messages.map((message, i) => concat(Uint8Array.of(which, (i * 2) % (versions.length * 2)), message)),
      );
    },
    check,
    summary() {
      const [messages, connections] = [counts.messages, counts.connections].map((count) => count.toLocaleString("en"));
      const [first = 0, last] = [used.first, used.last].map((bytes) => Math.round((bytes ?? 0) / 1024 / 1024));
      return `${messages} damaged messages read of ${connections} connections; ${first} MB in use at first, ${last} MB at last`;
    },
  },
];

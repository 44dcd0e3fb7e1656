/** fast-check commands of a model of a server: what clients do with replication slots, in any order, and what must be answered. */
import fc from "fast-check";
import { commandCapabilities } from "../command/capabilities.ts";
import { encodeWalReceiverMessage } from "../generated/physical.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import type { BackendMessage, FrontendMessage } from "../session/messages.ts";
import { modelCapabilities } from "./capabilities.ts";
import {
  type AnswerLines,
  answerLines,
  type ModelSession,
  type ServerEvent,
  type ServerModel,
} from "./server-model.ts";

/** The server that is held to a model, as a client reaches it. Sessions have the numbers that they have in the model. */
export interface ServerPeer {
  /** Connect a session. @returns all that the server says, up to ReadyForQuery. */
  connect(session: number, parameters: ModelSession): Promise<readonly BackendMessage[]>;
  /**
   * Send a message, if there is one, and read.
   *
   * @returns all that the server says, up to the first message for which `isLast` holds, or to the end of the connection.
   */
  talk(
    session: number,
    message: FrontendMessage | undefined,
    isLast: (message: BackendMessage) => boolean,
  ): Promise<readonly BackendMessage[]>;
  /** Send Terminate, and wait until the server has closed the connection. */
  close(session: number): Promise<void>;
  /** A position up to which all WAL is flushed. The WAL from there on is not removed. */
  position(): Promise<Lsn>;
  /**
   * Let something happen to the server. For a restart, sessions in a copy stream end their connections: the server would wait for them.
   *
   * @returns all that has happened: this, and what others wanted.
   */
  happen?(event: ServerEvent): Promise<readonly ServerEvent[]>;
}

/** What `serverCommands` takes. */
export interface ServerCommandsOptions {
  /** The version. Default: 18. */
  readonly server?: Server | undefined;
  /** How many sessions the model has. Default: 3, as it has by default. */
  readonly sessions?: number | undefined;
  /** What may happen to the server. Default: nothing; else the peer needs `happen`. */
  readonly events?: readonly ServerEvent[] | undefined;
  /** Leave out texts that the peer does not have. `$` stands for the prefix of slots. Default: all are taken. */
  readonly accepts?: ((text: string) => boolean) | undefined;
  /** The most commands of a history. Default: 20. */
  readonly maxCommands?: number | undefined;
}

/** A command of a history, for `fc.asyncModelRun`. */
export type ServerCommand = fc.AsyncCommand<ServerModel, ServerPeer>;

/**
 * Histories of a server: commands of several sessions that create, use, alter, copy and drop replication slots, in transactions and
 * outside; streams that begin, confirm positions and end; connections that end; and events. Each command fails if the server answers
 * other than the model. `fc.asyncModelRun` runs a history.
 *
 * @throws ArgumentError for an option that it does not take; UnsupportedError for an unknown server.
 * @example [...fc.sample(serverCommands({ server: 12, maxCommands: 5 }), 1)[0]].length <= 5 // true
 */
export function serverCommands(options: ServerCommandsOptions = {}): fc.Arbitrary<Iterable<ServerCommand>> {
  checkOptions(options, ["server", "sessions", "events", "accepts", "maxCommands"]);
  const { server = defaultServer, sessions = 3, events = [], accepts = () => true, maxCommands = 20 } = options;
  const session = fc.nat(sessions - 1);
  const text = fc
    .oneof(
      { weight: 6, arbitrary: create(server) },
      { weight: 4, arbitrary: start(server) },
      { weight: 4, arbitrary: other(server) },
      { weight: 6, arbitrary: calls(server) },
      { weight: 3, arbitrary: transactions },
      { weight: 3, arbitrary: fc.constant("$slots") },
    )
    .filter(accepts);
  const one = fc.oneof<fc.WeightedArbitrary<ServerCommand>[]>(
    { weight: 26, arbitrary: fc.tuple(session, text).map(([of, query]) => new Query(of, query)) },
    { weight: 2, arbitrary: session.map((of) => new CopyDone(of)) },
    { weight: 2, arbitrary: session.map((of) => new Confirm(of)) },
    { weight: 2, arbitrary: session.map((of) => new Close(of)) },
    ...(events.length === 0
      ? []
      : [{ weight: 1, arbitrary: fc.constantFrom(...events).map((event) => new Happen(event)) }]),
  );
  return fc.commands<ServerModel, ServerPeer, false>([one], { maxCommands, size: "max" });
}

const names = ["$a", "$b", "$c"];

/** A name of a slot as commands have it: one of a few, so that commands meet, or rarely one that no slot can have. */
const name = fc.oneof(
  { weight: 30, arbitrary: fc.constantFrom(...names) },
  { weight: 1, arbitrary: fc.constant('"$a-b"') },
);
/** The same for SQL. */
const literal = name.map((text) => `'${text.replaceAll('"', "")}'`);

const plugin = fc.constantFrom("pgoutput", "pgoutput", "pgoutput", "test_decoding", "test_decoding", "nope");

function create(server: Server): fc.Arbitrary<string> {
  const has = commandCapabilities.of(server);
  const listed = (...options: readonly (string | false)[]) =>
    fc
      .subarray(options.filter((option) => option !== false))
      .map((some) => (some.length === 0 ? "" : ` (${some.join(", ")})`));
  const physical = fc.constantFrom("", " RESERVE_WAL", ...(has.genericOptions ? [" (RESERVE_WAL)"] : []));
  const legacy = fc.constantFrom("", " EXPORT_SNAPSHOT", " NOEXPORT_SNAPSHOT", " NOEXPORT_SNAPSHOT", " USE_SNAPSHOT");
  const generic = fc
    .constantFrom("'export'", "'nothing'", "'nothing'", "'use'")
    .chain((snapshot) => listed(`SNAPSHOT ${snapshot}`, "TWO_PHASE", has.failoverSlots && "FAILOVER"));
  const logical = has.genericOptions ? fc.oneof(legacy, generic) : legacy;
  const temporary = fc.constantFrom("", "", "", " TEMPORARY");
  return fc.oneof(
    fc.tuple(name, temporary, physical).map(([slot, t, end]) => `CREATE_REPLICATION_SLOT ${slot}${t} PHYSICAL${end}`),
    fc
      .tuple(name, temporary, plugin, logical)
      .map(([slot, t, output, end]) => `CREATE_REPLICATION_SLOT ${slot}${t} LOGICAL ${output}${end}`),
  );
}

function start(server: Server): fc.Arbitrary<string> {
  const twoPhase = modelCapabilities.supports(server, "twoPhaseOption");
  const options = fc.constantFrom(
    ...["", " (proto_version '1', publication_names 'p')", " (proto_version '1', publication_names 'p')"],
    ...(twoPhase ? [" (proto_version '3', two_phase 'on', publication_names 'p')"] : []),
  );
  const position = fc.constantFrom("0/0", "$lsn");
  return fc.oneof(
    { weight: 1, arbitrary: fc.constant("START_REPLICATION $lsn") },
    { weight: 4, arbitrary: name.map((slot) => `START_REPLICATION SLOT ${slot} PHYSICAL $lsn`) },
    {
      weight: 4,
      arbitrary: fc
        .tuple(name, position, options)
        .map(([slot, lsn, end]) => `START_REPLICATION SLOT ${slot} LOGICAL ${lsn}${end}`),
    },
  );
}

function other(server: Server): fc.Arbitrary<string> {
  const has = commandCapabilities.of(server);
  const altered = fc.constantFrom(
    ...["FAILOVER true", "FAILOVER false", "FAILOVER"],
    ...(has.alterTwoPhase ? ["TWO_PHASE true", "TWO_PHASE false, FAILOVER true"] : []),
  );
  return fc.oneof(
    fc.constant("IDENTIFY_SYSTEM"),
    name.map((slot) => `DROP_REPLICATION_SLOT ${slot}`),
    name.map((slot) => `DROP_REPLICATION_SLOT ${slot} WAIT`),
    ...(has.readReplicationSlot
      ? [name.map((slot) => `READ_REPLICATION_SLOT ${slot.replaceAll('"', "").replace("-", "_")}`)]
      : []),
    ...(has.alterReplicationSlot
      ? [fc.tuple(name, altered).map(([slot, list]) => `ALTER_REPLICATION_SLOT ${slot} (${list})`)]
      : []),
  );
}

const transactions = fc.constantFrom(
  ...["BEGIN", "BEGIN ISOLATION LEVEL REPEATABLE READ", "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"],
  ...["COMMIT", "ROLLBACK", "ROLLBACK", "SELECT 1", "SELECT 1/0"],
);

/** The functions of slots. */
function calls(server: Server): fc.Arbitrary<string> {
  const has = modelCapabilities.of(server);
  const yes = fc.constantFrom("true", "false");
  const call = (of: string, ...parts: readonly fc.Arbitrary<string>[]) =>
    fc.tuple(...parts).map((list) => `SELECT * FROM ${of}(${list.join(", ")})`);
  const output = plugin.map((text) => `'${text}'`);
  const rarely = fc.constantFrom("false", "false", "true");
  const more = [rarely, ...(has.twoPhaseSlots ? [rarely] : []), ...(has.slotInvalidationReason ? [rarely] : [])];
  return fc.oneof(
    call("pg_create_physical_replication_slot", literal, yes, rarely),
    call("pg_create_logical_replication_slot", literal, output, ...more),
    call("pg_drop_replication_slot", literal),
    fc
      .tuple(fc.constantFrom("get", "peek"), literal)
      .map(([what, slot]) => `SELECT count(*) FROM pg_logical_slot_${what}_changes(${slot}, NULL, NULL)`),
    ...(has.slotAdvance
      ? [
          call(
            "pg_replication_slot_advance",
            literal,
            fc.constantFrom("'0/0'", "'0/1'", "'FFFFFFFF/FFFFFFFF'", "'FFFFFFFF/FFFFFFFF'"),
          ),
        ]
      : []),
    ...(has.slotCopy
      ? [
          call("pg_copy_physical_replication_slot", literal, literal),
          call("pg_copy_physical_replication_slot", literal, literal, yes),
          call("pg_copy_logical_replication_slot", literal, literal),
          call("pg_copy_logical_replication_slot", literal, literal, yes),
          call("pg_copy_logical_replication_slot", literal, literal, yes, output),
        ]
      : []),
  );
}

/** The process IDs of a peer's sessions, by number. */
const pids = new WeakMap<ServerPeer, (number | undefined)[]>();

/** @throws Error if they differ */
function mustBe(what: string, actual: AnswerLines, expected: AnswerLines): void {
  if (JSON.stringify(actual) === JSON.stringify(expected)) return;
  throw new Error(`${what}\nserver:\n  ${actual.join("\n  ")}\nmodel:\n  ${expected.join("\n  ")}`);
}

/** Send a message, and read up to the end of the answer. */
async function answer(
  peer: ServerPeer,
  session: number,
  message: FrontendMessage | undefined,
  expected: AnswerLines,
): Promise<AnswerLines> {
  // An early server opens a stream and then finds an error.
  const opens = !expected.includes("copy both") || expected.at(-1) === "copy both";
  const isLast = ({ type }: BackendMessage) =>
    message !== undefined && (type === "ReadyForQuery" || (type === "CopyBothResponse" && opens));
  const messages = await peer.talk(session, message, isLast);
  const last = messages.at(-1);
  const lines = answerLines(messages, pids.get(peer));
  return last !== undefined && isLast(last) ? lines : [...lines, "closed"];
}

/** Connect a session, unless it is. */
async function connected(model: ServerModel, peer: ServerPeer, session: number): Promise<void> {
  if (model.isOpen(session)) return;
  const messages = await peer.connect(session, model.sessions[session]!);
  const known = pids.get(peer) ?? [];
  pids.set(peer, known);
  for (const message of messages) if (message.type === "BackendKeyData") known[session] = message.processId;
  mustBe(`connect ${session}`, answerLines(messages), model.connect(session));
}

/** A query: of a session that is not connected, after it is. */
class Query implements ServerCommand {
  readonly #session: number;
  readonly #text: string;

  constructor(session: number, text: string) {
    this.#session = session;
    this.#text = text;
  }

  #textFor(model: Pick<ServerModel, "slotsQuery" | "prefix">, position: string): string {
    return this.#text.replace("$slots", model.slotsQuery).replace("$lsn", position).replaceAll("$", model.prefix);
  }

  check(model: Readonly<ServerModel>): boolean {
    if (!model.isOpen(this.#session)) return true;
    if (model.isStreaming(this.#session)) return this.#text === "SELECT 1/0";
    // A transaction in a transaction would only be warned of.
    if (this.#text.startsWith("BEGIN") && model.transactionOf(this.#session) !== "I") return false;
    return !model.waits(this.#session, this.#textFor(model, "0/0"));
  }

  async run(model: ServerModel, peer: ServerPeer): Promise<void> {
    await connected(model, peer, this.#session);
    // What waits of a session that was not connected before.
    if (model.waits(this.#session, this.#textFor(model, "0/0"))) return;
    const { server } = model;
    const position = this.#text.includes("$lsn") ? formatLsn(await peer.position(), { server }) : "0/0";
    const text = this.#textFor(model, position);
    const expected = model.query(this.#session, text);
    mustBe(this.toString(), await answer(peer, this.#session, { type: "Query", query: text }, expected), expected);
  }

  toString(): string {
    return `${this.#session}: ${this.#text}`;
  }
}

/** What a client does in a copy stream: confirm a position. */
class Confirm implements ServerCommand {
  readonly #session: number;

  constructor(session: number) {
    this.#session = session;
  }

  check(model: Readonly<ServerModel>): boolean {
    return model.isStreaming(this.#session);
  }

  async run(model: ServerModel, peer: ServerPeer): Promise<void> {
    const lsn = await peer.position();
    const positions = { write: lsn, flush: lsn, apply: lsn };
    const status = {
      type: "StandbyStatusUpdate",
      ...positions,
      clientTime: 0n as PgTime,
      replyRequested: true,
    } as const;
    const data = encodeWalReceiverMessage(status);
    const isKeepalive = (message: BackendMessage) => message.type === "CopyData" && message.data[0] === KEEPALIVE;
    const messages = await peer.talk(this.#session, { type: "CopyData", data }, isKeepalive);
    mustBe(this.toString(), [...answerLines(messages), ...(messages.some(isKeepalive) ? [] : ["closed"])], []);
    model.confirm(this.#session);
  }

  toString(): string {
    return `${this.#session}: confirm`;
  }
}

const KEEPALIVE = "k".charCodeAt(0);

/** The client ends a copy stream. */
class CopyDone implements ServerCommand {
  readonly #session: number;

  constructor(session: number) {
    this.#session = session;
  }

  check(model: Readonly<ServerModel>): boolean {
    return model.isStreaming(this.#session);
  }

  async run(model: ServerModel, peer: ServerPeer): Promise<void> {
    const expected = model.copyDone(this.#session);
    mustBe(this.toString(), await answer(peer, this.#session, { type: "CopyDone" }, expected), expected);
  }

  toString(): string {
    return `${this.#session}: CopyDone`;
  }
}

/** The client ends a session. */
class Close implements ServerCommand {
  readonly #session: number;

  constructor(session: number) {
    this.#session = session;
  }

  check(model: Readonly<ServerModel>): boolean {
    return model.isOpen(this.#session);
  }

  async run(model: ServerModel, peer: ServerPeer): Promise<void> {
    await peer.close(this.#session);
    model.close(this.#session);
  }

  toString(): string {
    return `${this.#session}: Terminate`;
  }
}

/** Something happens to the server. */
class Happen implements ServerCommand {
  readonly #event: ServerEvent;

  constructor(event: ServerEvent) {
    this.#event = event;
  }

  check(): boolean {
    return true;
  }

  async run(model: ServerModel, peer: ServerPeer): Promise<void> {
    for (const session of model.sessions.keys()) {
      if (!model.isUnprotected(session)) continue;
      await peer.close(session);
      model.close(session);
    }
    for (const event of await peer.happen!(this.#event)) {
      for (const [session, expected] of model.happen(event)) {
        const actual = await answer(peer, session, undefined, expected);
        // Whoever need not be told anything may be told something.
        mustBe(`${event}, session ${session}`, expected.length === 1 ? actual.slice(-1) : actual, expected);
      }
    }
  }

  toString(): string {
    return this.#event;
  }
}

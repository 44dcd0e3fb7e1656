/** Link: an open stream of a slot, from the connection to the first message; and the questions and decisions before it. */

import { newestProtocol } from "../../command/options/kinds.ts";
import { DecodeError, refuseArgument, ServerError, type ServerErrorFields, SlotError } from "../../kernel/errors.ts";
import { invalidLsn, type Lsn, parseLsn } from "../../kernel/lsn.ts";
import { isArrayOf } from "../../kernel/options.ts";
import { requireCapability } from "../../kernel/version.ts";
import { shown } from "../../kernel/words.ts";
import { type LogicalCapability, logicalCapabilities } from "../../logical/capabilities.ts";
import { type PgoutputStreaming, STREAMING_SINCE } from "../../logical/protocol.ts";
import { Feedback } from "../../session/feedback.ts";

import type { AbortSignalLike } from "../abort-signal.ts";
import { connect, type ReplicationConnection } from "../client.ts";
import { BackOff } from "./back-off.ts";
import { isInUse } from "./errors.ts";
import { type Settings, slotTimeoutOf } from "./options.ts";
import { ALIVE, stateQuery } from "./questions.ts";
import { Silence } from "./silence.ts";
import { judgeSlot, type SlotRow } from "./slot.ts";
import { within } from "./within.ts";

/** What a subscription knows before it connects. */
export interface Knowledge {
  /** Everything up to here is stored; undefined if nothing is known. */
  readonly position: Lsn | undefined;
  /** What the server may be told as flushed. */
  readonly flushed: Lsn;
  /** The system identifier of the server of the connection before; undefined for the first. */
  readonly systemid: bigint | undefined;
}

/** Clocks and chance, which tests replace. */
export interface Surroundings {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** From 0 up to 1, but not 1. */
  readonly random: () => number;
  /** Wait. @throws the signal's reason */
  readonly sleep: (milliseconds: number, signal: AbortSignalLike) => Promise<void>;
}

/** A connection to a slot that exists and can go on from where the consumer is. */
export interface Prepared {
  readonly connection: ReplicationConnection;
  readonly protocol: 1 | 2 | 3 | 4;
  readonly streaming: PgoutputStreaming;
  readonly systemid: bigint;
  /** The position of the slot. */
  readonly slotPosition: Lsn;
  /** The server's wal_sender_timeout, in milliseconds; 0 is none. */
  readonly senderTimeout: number;
  /** Whether the slot was created. */
  readonly created: boolean;
  /** The snapshot of a slot that was created for an initial copy: it lasts until the connection runs a command. */
  readonly snapshot: string | undefined;
}

/** An open stream. */
export interface Link {
  readonly connection: ReplicationConnection;
  readonly feedback: Feedback;
}

/** What the server says before the stream. */
interface Answers {
  readonly slot: SlotRow | null;
  readonly database: string;
  /** In milliseconds; 0 is none. */
  readonly wal_sender_timeout: string;
  readonly missing: readonly string[] | null;
}

/** The options that not every server has. */
const NEEDS: readonly (readonly [keyof Settings, LogicalCapability])[] = [
  ["binary", "pgoutputBinary"],
  ["messages", "logicalMessages"],
  ["twoPhase", "twoPhaseOption"],
  ["origin", "originOption"],
  ["skipMissing", "missingPublicationsSkipped"],
];

/** Milliseconds between two attempts to get a slot that is in use: the first, and the longest. */
const [FIRST_TRY, LONGEST_TRY] = [20, 1000];

/**
 * Open another connection to the same database.
 *
 * @param reuseMemory What is received is not needed once the next message is asked for.
 */
export async function openConnection(
  settings: Settings,
  signal: AbortSignalLike,
  reuseMemory = false,
): Promise<ReplicationConnection> {
  const { connection } = settings;
  const { connectionTimeoutMillis = settings.timeout } = connection;
  // Its own limit is that of the login, after which a command may follow.
  return within(connectionTimeoutMillis, signal, (limited) =>
    connect({
      fallback_application_name: "walwire",
      ...connection,
      connectionTimeoutMillis,
      reuseMemory,
      replication: "database",
      signal: limited,
    }),
  );
}

/**
 * Connect, look at the slot, and create it if it may be created.
 *
 * @throws SlotError, ServerError, ConnectionError, UnsupportedError, ArgumentError; the signal's reason.
 */
export async function prepare(
  settings: Settings,
  knowledge: Knowledge,
  surroundings: Surroundings,
  signal: AbortSignalLike,
): Promise<Prepared> {
  const { slotname, temporary, twoPhase } = settings;
  // The assembler copies changes.
  const connection = await openConnection(settings, signal, true);
  try {
    const { protocol, streaming } = checkServer(settings, connection.serverVersion);
    const patience = new Patience(settings, surroundings, signal);
    let known = await look(connection, settings, knowledge, signal);
    // Two consumers must not both copy.
    while (settings.copy !== false && known.slot?.active_pid) {
      await patience.wait(known.slot, undefined);
      known = await look(connection, settings, knowledge, signal);
    }
    const { systemid, senderTimeout, slot } = known;
    const common = { connection, protocol, streaming, systemid, senderTimeout };
    if (slot !== undefined) {
      const slotPosition = parseLsn(slot.confirmed_flush_lsn ?? "0/0");
      return { ...common, slotPosition, created: false, snapshot: undefined };
    }
    // This waits for transactions that run now, however long they take.
    const { consistent_point, snapshot_name } = await patiently(connection, settings, signal, (limited) =>
      connection.createSlot(slotname, {
        ...{ plugin: "pgoutput", temporary, signal: limited },
        snapshot: settings.copy === false ? "nothing" : "export",
        ...(twoPhase && { twoPhase }),
        ...(settings.failover && { failover: true }),
      }),
    );
    return { ...common, slotPosition: consistent_point, created: true, snapshot: snapshot_name };
  } catch (error) {
    await connection.disconnect();
    throw error;
  }
}

/** End the transaction of an exported snapshot, which idle_in_transaction_session_timeout would end together with the connection. */
export async function endExport(
  connection: ReplicationConnection,
  { timeout }: Settings,
  signal: AbortSignalLike,
): Promise<void> {
  await within(timeout, signal, (limited) => connection.query(ALIVE, { signal: limited }));
}

/** Run a command that may take as long as others hold locks or transactions open, on a connection that may die meanwhile. */
async function patiently<T>(
  connection: ReplicationConnection,
  settings: Settings,
  signal: AbortSignalLike,
  run: (signal: AbortSignalLike) => Promise<T>,
): Promise<T> {
  const open = (options: { readonly signal: AbortSignalLike }) => openConnection(settings, options.signal);
  const silence = new Silence({ timeout: settings.timeout, open, signal });
  try {
    await silence.watch(connection);
    return await run(silence.signal);
  } finally {
    silence.end(undefined);
  }
}

/**
 * Start the stream of a slot.
 *
 * @throws as `prepare`, and then closes the connection.
 */
export async function startStream(
  prepared: Prepared,
  settings: Settings,
  knowledge: Knowledge,
  surroundings: Surroundings,
  signal: AbortSignalLike,
): Promise<Link> {
  const { connection, protocol, streaming, senderTimeout } = prepared;
  const { slotname, publications, twoPhase } = settings;
  const patience = new Patience(settings, surroundings, signal);
  const known = { ...knowledge, systemid: prepared.systemid };
  if (!settings.skipMissing) watchPublications(connection, settings);
  try {
    for (;;) {
      const feedback = feedbackFor(settings, senderTimeout);
      if (knowledge.flushed > invalidLsn) feedback.flushed(knowledge.flushed);
      try {
        await within(settings.timeout, signal, (limited) =>
          connection.startLogical({
            ...{ slotname, protocol, publicationNames: publications, feedback, signal: limited },
            startpoint: startpointOf(settings, knowledge),
            ...(streaming !== "off" && { streaming }),
            ...(settings.binary && { binary: true }),
            ...(settings.messages && { messages: true }),
            ...(twoPhase && { twoPhase }),
            ...(settings.origin === "none" && { origin: settings.origin }),
          }),
        );
        return { connection, feedback };
      } catch (error) {
        if (!(error instanceof ServerError)) throw error;
        if (!isInUse(error)) {
          await explain(connection, settings, error, signal);
          throw error;
        }
        const { slot } = await look(connection, settings, known, signal);
        await patience.wait(slot, error);
        // The other one may have moved it.
        await look(connection, settings, known, signal);
      }
    }
  } catch (error) {
    await connection.disconnect();
    throw error;
  }
}

/** object_not_in_prerequisite_state */
const NOT_IN_PREREQUISITE_STATE = "55000";
/** undefined_object */
const UNDEFINED_OBJECT = "42704";

/**
 * A server that leaves out a publication says so by a warning only: let that end the stream.
 *
 * @source pgoutput.c: LoadPublications
 */
function watchPublications(connection: ReplicationConnection, settings: Settings): void {
  const { onNotice } = settings.connection;
  connection.onNotice = (notice) => {
    const returned = onNotice?.(notice);
    const missing = missingPublication(notice, settings);
    if (missing !== undefined) throw missing;
    return returned;
  };
}

/** The error for a server's error or warning that a publication did not exist at a point of the WAL; undefined for anything else. */
export function missingPublication(
  { severity, sqlstate, message }: ServerErrorFields,
  { slotname, publications }: Settings,
): SlotError | undefined {
  if (sqlstate !== (severity === "WARNING" ? NOT_IN_PREREQUISITE_STATE : UNDEFINED_OBJECT)) return undefined;
  // The message may be in the server's language, but has the name, in quotes of that language.
  const [, name] = /["'“„«‹「](.+)["'”“»›」]/u.exec(message) ?? [];
  if (name === undefined || !publications.includes(name.trim())) return undefined;
  return new SlotError(
    "PUBLICATION_MISSING",
    slotname,
    `the publication ${name} does not exist at this point of the WAL, so changes are missing from here on. Create it, drop the slot, empty the store and copy the tables again; or, from PostgreSQL 18 on, go on without these changes with skipMissing: true`,
  );
}

/** Where a stream begins; 0 is where the slot is. Where transactions are held, the server must send earlier ones again. */
export function startpointOf({ prepared }: Settings, { position = invalidLsn }: Knowledge): Lsn {
  return prepared === "hold" ? invalidLsn : position;
}

/** Waits for a slot that another connection uses, up to a limit. */
class Patience {
  readonly #settings: Settings;
  readonly #surroundings: Surroundings;
  readonly #signal: AbortSignalLike;
  readonly #backOff: BackOff;
  readonly #begun: number;

  constructor(settings: Settings, surroundings: Surroundings, signal: AbortSignalLike) {
    this.#settings = settings;
    this.#surroundings = surroundings;
    this.#signal = signal;
    this.#backOff = new BackOff({ first: FIRST_TRY, longest: LONGEST_TRY, random: surroundings.random });
    this.#begun = surroundings.now();
  }

  /** @throws SlotError SLOT_IN_USE once the limit is over */
  async wait(slot: SlotRow | undefined, cause: ServerError | undefined): Promise<void> {
    const { slotname, timeout } = this.#settings;
    const waited = this.#surroundings.now() - this.#begun;
    if (waited >= slotTimeoutOf(this.#settings, timeout)) {
      const by = slot?.active_pid ? ` by the server process ${slot.active_pid}` : "";
      const message = `the slot ${slotname} has been in use${by} for ${Math.round(waited / 1000)} s: is this subscription running twice?`;
      throw new SlotError("SLOT_IN_USE", slotname, message, { cause });
    }
    await this.#surroundings.sleep(this.#backOff.next(), this.#signal);
  }
}

/** Ask for the state of the slot, and judge it. @returns the slot; undefined if it is to be created */
async function look(
  connection: ReplicationConnection,
  settings: Settings,
  knowledge: Knowledge,
  signal: AbortSignalLike,
): Promise<{ readonly slot: SlotRow | undefined; readonly systemid: bigint; readonly senderTimeout: number }> {
  const { slotname, twoPhase, create } = settings;
  const { position, systemid: before } = knowledge;
  const [system, answers] = await within(settings.timeout, signal, async (limited) => [
    await connection.identifySystem({ signal: limited }),
    await ask(connection, settings, limited),
  ]);
  const { systemid, xlogpos: walEnd } = system;
  mustBeSameSystem(slotname, before, systemid);
  const { database, missing } = answers;
  const slot = answers.slot ?? undefined;
  judgeSlot(slot, { slotname, database, twoPhase, create, position, walEnd, again: before !== undefined });
  if (missing !== null) {
    const wanted = "publications that exist: CREATE PUBLICATION … FOR ALL TABLES";
    refuseArgument("options.publications", wanted, missing.join(", "));
  }
  return { slot, systemid, senderTimeout: Number(answers.wal_sender_timeout) };
}

/** Whether the server has all that is asked for. @throws UnsupportedError */
function checkServer(
  settings: Settings,
  server: number,
): { readonly protocol: 1 | 2 | 3 | 4; readonly streaming: PgoutputStreaming } {
  requireCapability(logicalCapabilities, server, "pgoutput", "Logical replication with pgoutput");
  for (const [option, capability] of NEEDS) {
    const given = settings[option];
    if (given === undefined || given === false || given === "any") continue;
    requireCapability(logicalCapabilities, server, capability, `The option ${option}`);
  }
  const protocol = settings.protocol ?? newestProtocol(server);
  const ways = ["parallel", "on", "off"] as const;
  const streaming = settings.streaming ?? ways.find((way) => STREAMING_SINCE[way] <= protocol)!;
  return { protocol: protocol as 1 | 2 | 3 | 4, streaming };
}

/** One question for all. Rows as JSON have whatever columns the version has. */
async function ask(
  connection: ReplicationConnection,
  { slotname, publications }: Settings,
  signal: AbortSignalLike,
): Promise<Answers> {
  const { rows } = await connection.query(stateQuery(slotname, publications), { signal });
  return answersOf(rows[0]?.[0]);
}

/** A server's word, which is checked. @throws DecodeError */
function answersOf(text: string | null | undefined): Answers {
  const refuse = (what: string): never => {
    throw new DecodeError("BAD_VALUE", "answers", 0, `the server has not told the state of the slot: ${what}`);
  };
  const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
  if (text === null || text === undefined) return refuse("there is no row");
  let answers: unknown;
  try {
    answers = JSON.parse(text);
  } catch {
    return refuse("that is not JSON");
  }
  if (!isObject(answers)) return refuse("that is not an object");
  const { slot, missing, wal_sender_timeout } = answers as Answers;
  if (slot !== null && !isObject(slot)) return refuse(`the slot is ${shown(slot)}`);
  const position = slot?.confirmed_flush_lsn ?? "0/0";
  if (typeof position !== "string" || !isLsn(position)) return refuse(`confirmed_flush_lsn is ${shown(position)}`);
  if (typeof wal_sender_timeout !== "string" || !/^\d{1,10}$/.test(wal_sender_timeout)) {
    return refuse(`wal_sender_timeout is ${shown(wal_sender_timeout)}`);
  }
  if (missing !== null && !isArrayOf(missing, (name) => typeof name === "string")) {
    return refuse(`the missing publications are ${shown(missing)}`);
  }
  return answers as Answers;
}

/** Whether a text is a position. */
function isLsn(text: string): boolean {
  try {
    parseLsn(text);
    return true;
  } catch {
    return false;
  }
}

function mustBeSameSystem(slotname: string, before: bigint | undefined, now: bigint): void {
  if (before === undefined || before === now) return;
  const message = `this is another cluster than before (system identifier ${now}, it was ${before}), so its slot ${slotname} is another one`;
  throw new SlotError("SLOT_MISMATCH", slotname, message);
}

/** The server has rejected the start. If the slot's state is the reason, say so. @throws SlotError */
async function explain(
  connection: ReplicationConnection,
  settings: Settings,
  error: ServerError,
  signal: AbortSignalLike,
): Promise<void> {
  const { slot } = await within(settings.timeout, signal, (limited) => ask(connection, settings, limited));
  const { slotname } = settings;
  if (slot !== null && slot.wal_status !== "lost" && !isWalRemoved(error)) return;
  const code = slot === null ? "SLOT_MISSING" : "SLOT_LOST";
  const what = slot === null ? "was dropped" : "was invalidated";
  throw new SlotError(code, slotname, `the slot ${slotname} ${what}: ${error.message}`, { cause: error });
}

/** undefined_file: WAL that the slot needs, which a server before 13 or a person has removed. */
function isWalRemoved({ sqlstate, message }: ServerError): boolean {
  return sqlstate === "58P01" && message.includes("WAL segment");
}

/** The server's wal_sender_timeout decides how often it must hear of us, and how long it may be silent. Times in milliseconds. */
function feedbackFor({ timeout, isDefaultTimeout }: Settings, senderTimeout: number): Feedback {
  const interval = senderTimeout === 0 ? 10_000 : Math.max(1, Math.min(10_000, Math.floor(senderTimeout / 4)));
  const silence = isDefaultTimeout ? Math.max(timeout, senderTimeout) : timeout;
  return new Feedback({
    interval: BigInt(interval) * 1000n,
    timeout: BigInt(silence) * 1000n,
    automatic: false,
  });
}

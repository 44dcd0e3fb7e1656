/**
 * `walwire tail`: watch a logical replication stream as a conversation.
 *
 * It makes a temporary slot, which the server drops when the connection ends, and changes nothing else.
 */

import type { Command, DefElem } from "../command/index.ts";
import { parseCommand, printCommand } from "../command/index.ts";
import type { PgoutputMessage } from "../generated/logical.ts";
import { decodeWalSenderMessage, encodeWalReceiverMessage, type XLogData } from "../generated/physical.ts";
import { invalidLsn } from "../kernel/lsn.ts";
import { requireCapability } from "../kernel/version.ts";
import { listed } from "../kernel/words.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import { PgoutputDecoder } from "../logical/decoder.ts";
import { WalReceiverMessage, WalSenderMessage } from "../physical/messages.ts";
import { Feedback } from "../session/feedback.ts";
import { quoteIdentifier } from "../text/identifier.ts";
import { traceMessage } from "../wire/trace.ts";
import type { QueryResult, ReplicationConnection } from "./client.ts";
import type { Conversation, Names } from "./conversation.ts";
import { now } from "./now.ts";
import { TailError } from "./tail-error.ts";

export interface TailOptions {
  readonly connection: ReplicationConnection;
  readonly conversation: Conversation;
  /** The publications to subscribe to; if empty, the only one of the database. */
  readonly publications: readonly string[];
  /** Names of built-in types by oid. */
  readonly builtins: ReadonlyMap<number, string>;
}

/** Counts of received messages. */
export interface TailTotals {
  /** XLogData and Keepalive messages. */
  payloads: number;
  /** Bytes of their payloads. */
  bytes: number;
  /** Messages of pgoutput by type. */
  readonly messages: Map<PgoutputMessage["type"], number>;
  /** When the first and the last XLogData were read, in milliseconds of performance.now(). */
  readonly time: { first: number; last: number };
}

/** Follows a stream and prints it. */
export class Tail {
  readonly totals: TailTotals = { payloads: 0, bytes: 0, messages: new Map(), time: { first: 0, last: 0 } };
  /** Called with each payload, and with each message of pgoutput in it. */
  onPayload: ((payload: Uint8Array) => void) | undefined;
  onMessage: ((message: PgoutputMessage) => void) | undefined;

  readonly #connection: ReplicationConnection;
  readonly #conversation: Conversation;
  readonly #publications: readonly string[];
  readonly #decoder = new PgoutputDecoder();
  readonly #feedback = new Feedback({ plugin: "pgoutput" });
  readonly #names: Names;

  constructor({ connection, conversation, publications, builtins }: TailOptions) {
    this.#connection = connection;
    this.#conversation = conversation;
    this.#publications = publications;
    const { relations, types } = this.#decoder;
    this.#names = { relations, types, builtins, server: connection.serverVersion };
    connection.onNotice = (notice) => conversation.line(`← NOTICE ${notice.message}`);
  }

  /**
   * Check the server, create the slot and start the stream.
   *
   * @param slotname The name of the temporary slot.
   * @throws TailError if the server's settings or publications do not allow it.
   * @throws ServerError if the server rejects a command.
   */
  async start(slotname: string): Promise<void> {
    const server = this.#connection.serverVersion;
    requireCapability(logicalCapabilities, server, "pgoutput", "Logical replication with pgoutput");
    await this.#run({ type: "IdentifySystemCmd" });
    const { rows } = await this.#run({ type: "VariableShowStmt", name: "wal_level" });
    mustBeLogical(rows[0]?.[0]);
    const publications = await this.#choosePublications();
    const snapshot: DefElem = { defname: "snapshot", arg: { type: "String", sval: "nothing" } };
    const patience = setTimeout(() => {
      this.#conversation.line("  (creating the slot waits for running transactions of the server to end)");
    }, 2000);
    await this.#run({
      type: "CreateReplicationSlotCmd",
      kind: "LOGICAL",
      slotname,
      plugin: "pgoutput",
      temporary: true,
      options: [snapshot],
    }).finally(() => clearTimeout(patience));
    const start = this.#text({
      type: "StartReplicationCmd",
      kind: "LOGICAL",
      slotname,
      timeline: 0,
      startpoint: invalidLsn,
      options: startOptions(server, publications),
    });
    this.#conversation.command(start);
    await this.#connection.startReplication(start);
    this.#conversation.received("CopyBothResponse");
  }

  /**
   * Read, print and answer until the server ends the stream or `until` returns true.
   *
   * @param until Called before each message.
   */
  async read(until: () => boolean): Promise<void> {
    const clock = setInterval(() => this.#answer(), 250);
    try {
      while (!until()) {
        const payload = await this.#connection.receive();
        if (payload === undefined) return;
        this.#payload(payload);
      }
    } finally {
      clearInterval(clock);
    }
  }

  /** End the stream, and read up to its end. */
  async stop(): Promise<void> {
    this.#conversation.sent("CopyDone");
    const { commandTags } = await this.#connection.endReplication();
    this.#conversation.received(`CopyDone, ${commandTags.join(", ")}`);
  }

  /** Ask the server for a Keepalive, if the stream is open. */
  ask(): void {
    if (this.#connection.state === "streaming") this.#update(this.#feedback.update(now(), true));
  }

  #payload(payload: Uint8Array): void {
    this.totals.payloads++;
    this.totals.bytes += payload.length;
    this.onPayload?.(payload);
    const message = decodeWalSenderMessage(payload);
    this.#feedback.note(message);
    if (message.type === "XLogData") this.#change(message);
    else this.#conversation.received(traceMessage(WalSenderMessage, message, this.#names.server));
    this.#answer();
  }

  #change({ dataStart, data }: XLogData): void {
    const { totals } = this;
    totals.time.last = performance.now();
    if (totals.time.first === 0) totals.time.first = totals.time.last;
    const message = this.#decoder.decode(data);
    totals.messages.set(message.type, (totals.messages.get(message.type) ?? 0) + 1);
    if (message.type === "Commit") this.#feedback.flushed(message.endLsn);
    this.#conversation.change(dataStart, message, this.#names);
    this.onMessage?.(message);
  }

  /** Send a status update if one is due. */
  #answer(): void {
    const due = this.#feedback.due(now());
    if (due !== undefined) this.#update(due);
  }

  #update(update: ReturnType<Feedback["update"]>): void {
    this.#connection.send(encodeWalReceiverMessage(update));
    this.#conversation.sent(traceMessage(WalReceiverMessage, update, this.#names.server));
  }

  /** The text of a command, printed, parsed and printed again: the server parses exactly the text that is shown. */
  #text(command: Command): string {
    const server = this.#connection.serverVersion;
    return printCommand(parseCommand(printCommand(command, { server }), { server }), { server });
  }

  async #run(command: Command): Promise<QueryResult> {
    const text = this.#text(command);
    this.#conversation.command(text);
    const result = await this.#connection.query(text);
    this.#conversation.result(result);
    return result;
  }

  async #choosePublications(): Promise<readonly string[]> {
    const text = "SELECT pubname FROM pg_catalog.pg_publication ORDER BY pubname";
    const { rows } = await this.#run({ type: "SQLCmd", text });
    return choosePublications(
      rows.map(([name]) => String(name)),
      this.#publications,
    );
  }
}

/**
 * The publications to subscribe to.
 *
 * @param names Those of the database.
 * @param wanted Those that the user named; without any, there must be only one.
 * @throws TailError
 */
export function choosePublications(names: readonly string[], wanted: readonly string[]): readonly string[] {
  if (names.length === 0) {
    throw new TailError("the database has no publication: create one with CREATE PUBLICATION name FOR ALL TABLES");
  }
  const missing = wanted.find((name) => !names.includes(name));
  if (missing !== undefined) {
    throw new TailError(
      `publication ${JSON.stringify(missing)} does not exist in the database: expected ${listed(names)}`,
    );
  }
  if (wanted.length > 0) return wanted;
  if (names.length > 1) {
    throw new TailError(`the database has more than one publication: add --publication ${listed(names)}`);
  }
  return names;
}

/** @throws TailError unless wal_level is logical. */
export function mustBeLogical(walLevel: string | null | undefined): void {
  if (walLevel === "logical") return;
  throw new TailError(
    `the server has wal_level = ${walLevel}, expected logical: set wal_level = logical in postgresql.conf and restart it`,
  );
}

/** Plugin options of pgoutput: publication names are a list of identifiers, each in double quotes. */
function startOptions(server: number, publications: readonly string[]): DefElem[] {
  const names = publications.map(quoteIdentifier).join(",");
  const options = { proto_version: "1", publication_names: names };
  const all = logicalCapabilities.supports(server, "logicalMessages") ? { ...options, messages: "true" } : options;
  return Object.entries(all).map(([defname, sval]) => ({ defname, arg: { type: "String", sval } }));
}

/** The first line: the server's version, and the meaning of the arrows. */
export function introduction(connection: ReplicationConnection, more: string): string {
  const version = connection.parameters.get("server_version");
  return `PostgreSQL ${version}${more}. → walwire sends, ← the server sends.`;
}

/** Print the number of messages of each type, and the rate. */
export function summarise(tail: Tail, conversation: Conversation): void {
  const { payloads, bytes, messages, time } = tail.totals;
  const seconds = (time.last - time.first) / 1000;
  const changes = [...messages.values()].reduce((sum, each) => sum + each, 0);
  const each = [...messages].map(([type, number]) => `${count(number)} ${type}`).join(", ");
  conversation.heading("Received");
  conversation.line(`${count(payloads)} payloads of ${count(bytes)} bytes: ${each || "no changes"}`);
  if (seconds > 0) {
    conversation.line(
      `${count(changes)} messages of pgoutput in ${seconds.toFixed(2)} s, ${count(Math.round(changes / seconds))} a second, pauses included`,
    );
  }
}

/** Names of built-in types by OID, in lower case; pg has OIDs by names in capitals. */
export function builtinTypes(builtins: Readonly<Record<string, unknown>>): ReadonlyMap<number, string> {
  return new Map(Object.entries(builtins).map(([name, oid]) => [Number(oid), name.toLowerCase()]));
}

function count(n: number): string {
  return n.toLocaleString("en");
}

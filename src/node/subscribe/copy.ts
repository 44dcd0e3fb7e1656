/**
 * The initial copy: the tables of publications, several at a time, all as of one snapshot.
 *
 * What PostgreSQL's own subscriber does, but for its catch-up: each worker has a transaction with the snapshot of a slot's consistent
 * point, and copies one table after the other; the stream starts after all of them. A table that was truncated or rewritten between the
 * snapshot and its turn would look empty: it is copied from a fresh snapshot in another round, as are tables that were renamed or whose
 * columns changed. Tables that were dropped are passed over.
 *
 * A worker reads one batch ahead of the consumer. Then it leaves the rest in the socket, and the server waits, for as long as it takes:
 * a walsender that runs COPY does not observe wal_sender_timeout, and the limits of time that a role may have are taken off.
 *
 * @source tablesync.c: LogicalRepSyncTableStart, copy_table; pg_dump.c: setup_connection
 */
import { randomBytes } from "node:crypto";
import type { Relation } from "../../generated/logical.ts";
import { ConnectionError, DecodeError, refuseArgument, ServerError, StateError } from "../../kernel/errors.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import { checkWhole } from "../../kernel/options.ts";
import { logicalCapabilities } from "../../logical/capabilities.ts";
import { CopyDecoder } from "../../logical/copy.ts";
import { quoteLiteral } from "../../text/literal.ts";
import { catalogQuery } from "../../values/catalog.ts";
import type { OnUnreadable } from "../../values/row.ts";
import type { TypeMap } from "../../values/type-map.ts";
import type { AbortSignalLike } from "../abort-signal.ts";
import { checkSignal } from "../abort-signal.ts";
import { copyCapabilities } from "../capabilities.ts";
import type { ReplicationConnection } from "../client.ts";
import { CopiedTables } from "./copied-tables.ts";
import type { CopyEvent } from "./copy-events.ts";
import { interleaved } from "./interleaved.ts";
import { type RowObject, Rows } from "./rows.ts";
import { Silence } from "./silence.ts";
import type { CopiedTable } from "./state.ts";
import {
  copyQuery,
  existsQuery,
  lockQuery,
  type PublishedTable,
  publishedTables,
  RELEASE,
  tableName,
} from "./tables.ts";

/** A snapshot that a connection has exported and keeps until it runs the next command. */
export interface ExportedSnapshot {
  /** `snapshot_name` of CREATE_REPLICATION_SLOT. */
  readonly name: string;
  /** `consistent_point`. */
  readonly lsn: Lsn;
  /**
   * Called, and awaited, once every worker has the snapshot. The connection that exported it is in a transaction, which
   * idle_in_transaction_session_timeout may end: it should run its next command then.
   */
  imported?(): unknown;
}

/** Options of `copyTables`. */
export interface CopyTablesOptions {
  /** Opens a connection with `replication: "database"`. */
  open(options: { readonly signal: AbortSignalLike }): Promise<ReplicationConnection>;
  /** The names of the publications. */
  readonly publications: readonly string[];
  /** It is filled from the catalogs before the first row. */
  readonly typeMap: TypeMap;
  /** The snapshot of a slot that was just created. Without one, copyTables takes that of a temporary slot of its own. */
  readonly snapshot?: ExportedSnapshot | undefined;
  /** Tables that are not copied again. */
  readonly copied?: Iterable<CopiedTable> | undefined;
  /** Rows may have been delivered before, by a copy that was broken off: CopyBegin says so. The default is true without `snapshot`. */
  readonly again?: boolean | undefined;
  /** Copy in binary format, from 14 on, where streams have it too; columns of types without one are text. The default is text. */
  readonly binary?: boolean | undefined;
  /**
   * The number of tables to copy at the same time. Each takes a walsender; where the server has no more of them, fewer are copied at a
   * time. The default is 4.
   */
  readonly workers?: number | undefined;
  /** As for rowReader. */
  readonly onUnreadable?: OnUnreadable | undefined;
  /**
   * Milliseconds that a server may be silent; then another connection asks whether it still works for the copy, and if not, the copy
   * rejects with a ConnectionError TIMEOUT. 0, the default, is no limit.
   */
  readonly timeout?: number | undefined;
  /** Ends the copy: the iterator rejects with its reason. */
  readonly signal?: AbortSignalLike | undefined;
}

/** Bytes of COPY data that make a batch of rows. */
const BATCH = 256 * 1024;

const WORKERS = 4;

/**
 * How often a table may have changed between the snapshot and its turn. Where one is truncated or rewritten several times a second on a
 * loaded machine, four rounds in a row are common, and there were ten once: this is for errors that do not pass.
 */
const MOST_ROUNDS = 100;

const TOO_MANY_CONNECTIONS = "53300";
/** undefined_table, undefined_column, invalid_schema_name */
const MISSING = new Set(["42P01", "42703", "3F000"]);

/**
 * Copy the tables of publications.
 *
 * The connections are closed at the end, also if the loop is left. One that is in the middle of a COPY is cut off.
 *
 * @returns the tables that are copied, with those that were before.
 * @throws ServerError, with the table in `where`; ConnectionError for a connection that is lost, ArgumentError for publications that
 *   cannot be copied, DecodeError and ProtocolError for a server that breaks the protocol. Tables without a CopyEnd are not complete then.
 */
export async function* copyTables(options: CopyTablesOptions): AsyncGenerator<CopyEvent, CopiedTables> {
  const { snapshot, signal, workers = WORKERS, again = snapshot === undefined } = options;
  checkWhole("options.workers", workers, 1, 1000);
  checkSignal(signal);
  const copied = new CopiedTables(options.copied);
  const state = { copied, again, rounds: new Map<number, number>() };
  for (let next = snapshot; yield* copyRound(options, workers, next, state); next = undefined) {}
  return copied;
}

/** What lasts over the rounds. */
interface Progress {
  readonly copied: CopiedTables;
  readonly again: boolean;
  /** How often a table has been left for the next round. */
  readonly rounds: Map<number, number>;
}

/** Copy from one snapshot. @returns whether tables are left for the next one */
async function* copyRound(
  options: CopyTablesOptions,
  workers: number,
  given: ExportedSnapshot | undefined,
  progress: Progress,
): AsyncGenerator<CopyEvent, boolean> {
  const connections = new Connections(options);
  const { signal } = connections.silence;
  const sources: AsyncGenerator<CopyEvent, void>[] = [];
  try {
    const first = await connections.open();
    const left = async (): Promise<PublishedTable[]> => {
      const tables = await publishedTables(first, options.publications, { signal });
      return tables.filter(({ relation }) => !progress.copied.has(relation.relationId));
    };
    // Making a slot can take as long as the longest transaction.
    if (given === undefined && (await left()).length === 0) return false;
    const exporter = given === undefined ? await connections.open() : undefined;
    const snapshot = exporter === undefined ? given! : await exportSnapshot(exporter, signal);
    await importSnapshot(first, snapshot, signal);
    const tables = await left();
    options.typeMap.addFromCatalog((await first.query(catalogQuery(), { signal })).rows);
    const others = await connections.openMore(Math.min(workers, tables.length) - 1);
    await Promise.all(others.map((each) => importSnapshot(each, snapshot, signal)));
    await snapshot.imported?.();
    await exporter?.disconnect();

    const round = { options, progress, snapshot, signal, tables: tables.values(), left: false };
    for (const connection of [first, ...others]) sources.push(copySome(connection, round));
    yield* interleaved(sources);
    return round.left;
  } finally {
    await connections.close(sources);
  }
}

/** The connections of a round. */
class Connections {
  readonly #options: CopyTablesOptions;
  readonly #connections: ReplicationConnection[] = [];
  /** Its signal is aborted with that of the options, if one of the connections is dead, and at the end. */
  readonly silence: Silence;

  constructor(options: CopyTablesOptions) {
    const { timeout = 0, open, signal } = options;
    this.#options = options;
    this.silence = new Silence({ timeout, open, signal });
  }

  /** Open a connection that reads as the stream will. */
  async open(): Promise<ReplicationConnection> {
    const { signal } = this.silence;
    const connection = await this.#options.open({ signal });
    this.#connections.push(connection);
    const encoding = connection.parameters.get("client_encoding") ?? "";
    if (EMBEDS_ASCII.test(encoding)) {
      refuseArgument(
        "options.client_encoding",
        "an encoding without ASCII bytes in other characters, such as UTF8",
        encoding,
      );
    }
    await this.silence.watch(connection);
    await connection.query(settings(connection.serverVersion), { signal });
    return connection;
  }

  /** Open as many as the server allows, up to a number. */
  async openMore(count: number): Promise<ReplicationConnection[]> {
    const opened = await Promise.allSettled(Array.from({ length: Math.max(0, count) }, () => this.open()));
    const isFull = (reason: unknown): boolean =>
      reason instanceof ServerError && reason.sqlstate === TOO_MANY_CONNECTIONS;
    return opened.flatMap((each) => {
      if (each.status === "fulfilled") return [each.value];
      if (isFull(each.reason)) return [];
      throw each.reason;
    });
  }

  /** Stop the workers, wherever they are, and close all connections. */
  async close(workers: readonly AsyncGenerator<unknown, void>[]): Promise<void> {
    this.silence.end(new ConnectionError("the copy was ended", "DISCONNECTED"));
    await Promise.allSettled(workers.map((worker) => worker.return()));
    await Promise.all(this.#connections.map((connection) => connection.disconnect()));
  }
}

/** Client encodings in which a tab or a backslash may be the second byte of a character. @source pg_wchar.h: PG_ENCODING_IS_CLIENT_ONLY */
const EMBEDS_ASCII = /^(?:sjis|shift_?jis_?2004|big5|gbk|uhc|gb18030|johab)$/i;

/**
 * Names in values are as in a stream of PostgreSQL's own subscriber, which has the same search_path. Row security would hide rows that
 * the stream sends: with row_security off, it is an error instead.
 *
 * @source libpqwalreceiver.c: libpqrcv_connect; pg_dump.c: setup_connection
 */
function settings(server: number): string {
  const limits = ["statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"];
  if (copyCapabilities.supports(server, "transactionTimeout")) limits.push("transaction_timeout");
  return [
    "SELECT pg_catalog.set_config('search_path', '', false)",
    "SET row_security = off",
    ...limits.map((name) => `SET ${name} = 0`),
  ].join("; ");
}

/** Make a temporary slot for its snapshot. It goes with the connection. */
async function exportSnapshot(connection: ReplicationConnection, signal: AbortSignal): Promise<ExportedSnapshot> {
  const slotname = `walwire_copy_${randomBytes(8).toString("hex")}`;
  const options = { plugin: "pgoutput", temporary: true, snapshot: "export", signal } as const;
  const { snapshot_name: name, consistent_point: lsn } = await connection.createSlot(slotname, options);
  if (name === undefined)
    throw new DecodeError("BAD_VALUE", "snapshot_name", 0, "snapshot_name is NULL, expected a name");
  return { name, lsn };
}

/** invalid_parameter_value; undefined_object. @source snapmgr.c: ImportSnapshot */
const NO_SNAPSHOT = new Set(["22023", "42704"]);

/** @throws ConnectionError if the snapshot went with the connection that exported it */
async function importSnapshot(
  connection: ReplicationConnection,
  { name }: ExportedSnapshot,
  signal: AbortSignal,
): Promise<void> {
  const begin = "BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ";
  try {
    await connection.query(`${begin}; SET TRANSACTION SNAPSHOT ${quoteLiteral(name)}`, { signal });
  } catch (error) {
    if (!(error instanceof ServerError) || !NO_SNAPSHOT.has(error.sqlstate)) throw error;
    throw new ConnectionError(
      `the connection that exported the snapshot was lost: ${error.message}`,
      "CONNECTION_LOST",
    );
  }
}

/** What the workers of a round share. */
interface Round {
  readonly options: CopyTablesOptions;
  readonly progress: Progress;
  readonly snapshot: ExportedSnapshot;
  readonly signal: AbortSignal;
  /** The tables that have no worker yet. */
  readonly tables: Iterator<PublishedTable, undefined>;
  /** Some are left for the next round. */
  left: boolean;
}

/** A worker: copies one table after the other. */
async function* copySome(connection: ReplicationConnection, round: Round): AsyncGenerator<CopyEvent, void> {
  for (let next = round.tables.next(); next.done !== true; next = round.tables.next()) {
    const table = next.value;
    try {
      yield* copyTable(connection, table, round);
    } catch (error) {
      throw error instanceof ServerError ? inTable(error, table.relation) : error;
    }
  }
}

async function* copyTable(
  connection: ReplicationConnection,
  table: PublishedTable,
  round: Round,
): AsyncGenerator<CopyEvent, void> {
  const { options, progress, signal } = round;
  const { relation } = table;
  const { lsn } = round.snapshot;
  // In text as the stream: values of some types differ between the formats.
  const isBinary = options.binary === true && logicalCapabilities.supports(connection.serverVersion, "pgoutputBinary");
  const format = isBinary ? "binary" : "text";
  const reader = new Rows(relation, options.typeMap, options.onUnreadable);
  const decoder = new CopyDecoder({ format, columns: relation.columns.length, textOnly: table.textOnly });
  const chunks = connection.copyOut(copyQuery(table, format), { signal });
  let chunk: IteratorResult<Uint8Array, void>;
  try {
    const { rows } = await connection.query(lockQuery(table), { signal });
    if (rows[0]?.[0] === "t")
      throw new Changed(`table ${tableName(relation)} was truncated or rewritten after the snapshot`);
    chunk = await chunks.next();
  } catch (error) {
    if (!isOfAnotherTime(error)) throw error;
    await connection.query(RELEASE, { signal });
    const { rows } = await connection.query(existsQuery(table), { signal });
    if (rows[0]?.[0] === "t") leaveForNext(table, round, error);
    return;
  }
  try {
    yield { type: "CopyBegin", relation, lsn, again: progress.again };
    let batch: RowObject[] = [];
    let [count, size] = [0, 0];
    for (; chunk.done !== true; chunk = await chunks.next()) {
      for (const tuple of decoder.receive(chunk.value)) batch.push(reader.read(tuple));
      size += chunk.value.length;
      if (size < BATCH) continue;
      count += batch.length;
      yield { type: "CopyRows", relation, rows: batch };
      [batch, size] = [[], 0];
    }
    decoder.end();
    count += batch.length;
    if (batch.length > 0) yield { type: "CopyRows", relation, rows: batch };
    await connection.query(RELEASE, { signal });
    const { relationId, namespace, name } = relation;
    progress.copied.add({ relationId, namespace, name, lsn });
    yield { type: "CopyEnd", relation, lsn, count };
  } finally {
    // In the middle of a COPY this closes the connection.
    await chunks.return();
  }
}

/** Of each table: what it locks is unlocked at its end, so that ALTER TABLE need not wait for all other tables. */

/** A table is not what it was when the snapshot was taken. */
class Changed extends StateError {}

/** Errors of a table that was dropped, renamed or altered after the snapshot; perhaps of others too. */
function isOfAnotherTime(error: unknown): error is Error {
  if (error instanceof Changed) return true;
  return error instanceof ServerError && MISSING.has(error.sqlstate);
}

/** @throws the error if that has happened too often for chance. */
function leaveForNext({ relation: { relationId } }: PublishedTable, round: Round, error: Error): void {
  const { rounds } = round.progress;
  const count = (rounds.get(relationId) ?? 0) + 1;
  if (count > MOST_ROUNDS) throw error;
  rounds.set(relationId, count);
  round.left = true;
}

/** The error of a table says which: many errors do not. */
function inTable(error: ServerError, relation: Relation): ServerError {
  const { severity, sqlstate, message, detail, hint, position, where } = error;
  const table = `initial copy of table ${tableName(relation)}`;
  const fields = { severity, sqlstate, message, detail, hint, position };
  return new ServerError({ ...fields, where: where === undefined ? table : `${where}\n${table}` });
}

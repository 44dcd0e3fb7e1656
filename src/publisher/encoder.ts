/**
 * PgoutputEncoder: the messages that a server's pgoutput sends of a transaction, by the options of START_REPLICATION.
 *
 * Portions Copyright (c) 2012-2026, PostgreSQL Global Development Group
 *
 * @source pgoutput.c
 */
import {
  decodePgoutputMessage,
  encodePgoutputMessage,
  type OldTuple,
  type PgoutputMessage,
  type Relation,
  type RelationChange,
  type Truncate,
  type Type,
  type Update,
} from "../generated/logical.ts";
import { ServerError, StateError } from "../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import type { PgoutputProtocol, PgoutputStreaming } from "../logical/protocol.ts";
import { type RowReader, rowReader } from "../values/row.ts";
import { codecIn, type TypeMap } from "../values/type-map.ts";
import { newBytes } from "../wire/parts.ts";
import { TupleData, type TupleValue } from "../wire/tuple.ts";
import { publisherCapabilities } from "./capabilities.ts";
import type { ChangeRecord, PreparedOutcome, Sent, TransactionHeader, TransactionOrigin } from "./changes.ts";
import type { Operation, Publication, RowFilter } from "./publications.ts";
import { FIRST_NORMAL_OID, type Table } from "./tables.ts";

/** What a subscriber asks for: the options of pgoutput, as `checkCommand` gives them for START_REPLICATION. */
export interface EncoderOptions {
  /** The version of the protocol. */
  readonly protocol: PgoutputProtocol;
  /** The publications whose changes are sent. */
  readonly publicationNames: readonly string[];
  /** Send values in binary form where their type has one. */
  readonly binary: boolean;
  /** Send messages of pg_logical_emit_message. */
  readonly messages: boolean;
  /** Send transactions that are larger than `workMemory` in segments. */
  readonly streaming: PgoutputStreaming;
  /** Send prepared transactions when they are prepared. */
  readonly twoPhase: boolean;
  /** "none": send only transactions without an origin. */
  readonly origin: "any" | "none";
}

/** What a publisher publishes at present. */
export interface Catalog {
  /** A form of a table by its id. @throws for an id that was never used. */
  tableForm(id: number): Table;
  /** A publication by its name; undefined if there is none. */
  publicationOf(name: string): Publication | undefined;
  /** The types of the tables' columns. */
  readonly typeMap: TypeMap;
  /** Changes whenever a publication does. */
  readonly revision: number;
}

/** What is sent of a table. @source pgoutput.c: RelationSyncEntry */
interface Entry {
  readonly table: Table;
  readonly operations: ReadonlySet<Operation>;
  /** Positions of the published columns; undefined for all. */
  readonly columns: readonly number[] | undefined;
  /** By operation, of which one must hold; undefined if any row is published. */
  readonly filters: ReadonlyMap<Operation, readonly RowFilter[] | undefined>;
  readonly reader: RowReader;
  /** Whether a change is sent as it is kept, but for the oid of its table. */
  readonly plain: boolean;
}

/** The transaction that is being sent. */
interface Open {
  readonly header: TransactionHeader;
  readonly prepare: boolean;
  /** Begin was sent. */
  begun: boolean;
  /** It is sent in segments: "before" the first one, in one, or between two; undefined if it is not. */
  stream: "before" | "inside" | "between" | undefined;
  /** Bytes of changes in the segment. */
  segment: number;
  /** Position of the last change. */
  lastLsn: Lsn;
}

const TAG = { insert: 0x49, update: 0x55, delete: 0x44, truncate: 0x54, message: 0x4d } as const;
const OPERATION: Readonly<Record<number, Operation>> = {
  [TAG.insert]: "insert",
  [TAG.update]: "update",
  [TAG.delete]: "delete",
  [TAG.truncate]: "truncate",
};

/**
 * Makes the messages of one stream. It belongs to one connection: which tables a subscriber has been told of is its state.
 *
 * Per transaction: `begin`, `changes` for its records, `end`. Each returns what is to be sent, in order; memory is that of the records
 * given at once. What is sent may be a view of a record.
 */
export class PgoutputEncoder {
  readonly #catalog: Catalog;
  readonly #options: EncoderOptions;
  readonly #workMemory: number;
  readonly #skipsEmpty: boolean;
  readonly #skipsMissing: boolean;
  readonly #truncates: boolean;
  #revision: number;
  #publications: readonly Publication[] | undefined;
  /** By the id of the table's form. */
  readonly #entries = new Map<number, Entry>();
  /** The id of the form that the subscriber knows, by the table's oid. */
  readonly #known = new Map<number, number>();
  /** The same for what is known within the streamed transaction only. */
  #streamed = new Map<number, number>();
  #open: Open | undefined;
  #out: Sent[] = [];

  /**
   * @param options.server The server version that is played.
   * @param options.workMemory Bytes of changes from which on a transaction is sent in segments, if that was asked for: the parameter
   *   logical_decoding_work_mem. Default: 64 MB.
   */
  constructor(
    catalog: Catalog,
    options: EncoderOptions & { readonly server?: Server | undefined; readonly workMemory?: number | undefined },
  ) {
    const { server, workMemory = 67_108_864 } = options;
    this.#catalog = catalog;
    this.#options = options;
    this.#workMemory = workMemory;
    this.#revision = catalog.revision;
    const version = serverVersionNum(server);
    this.#skipsEmpty = publisherCapabilities.supports(version, "emptyTransactionsSkipped");
    this.#skipsMissing = publisherCapabilities.supports(version, "missingPublicationsSkipped");
    this.#truncates = logicalCapabilities.supports(version, "publishTruncate");
  }

  /** Whether a transaction of this origin is sent at all. @source pgoutput.c: pgoutput_origin_filter */
  wants(origin: TransactionOrigin | undefined): boolean {
    return origin === undefined || this.#options.origin !== "none";
  }

  /**
   * A transaction follows.
   *
   * @param prepare It is sent as prepared, and not as committed.
   * @source pgoutput.c: pgoutput_begin_txn, pgoutput_begin_prepare_txn
   */
  begin(header: TransactionHeader, lsn: Lsn, prepare = false): readonly Sent[] {
    if (this.#open !== undefined) throw new StateError(`transaction ${this.#open.header.xid} has not ended`);
    const streams = this.#options.streaming !== "off" && header.size > this.#workMemory;
    this.#open = { header, prepare, begun: false, stream: streams ? "before" : undefined, segment: 0, lastLsn: lsn };
    if (!streams && (prepare || !this.#skipsEmpty)) this.#begin(lsn);
    return this.#take();
  }

  /** Steps of the transaction. @source pgoutput.c: pgoutput_change, pgoutput_truncate, pgoutput_message, pgoutput_stream_abort */
  changes(records: Iterable<ChangeRecord>): readonly Sent[] {
    for (const record of records) this.#record(record);
    return this.#take();
  }

  #record(record: ChangeRecord): void {
    const open = this.#mustBeOpen();
    const { xid } = open.header;
    open.lastLsn = record.lsn;
    if (record.type === "abort") {
      if (open.stream === undefined) return;
      this.#stopSegment(record.lsn);
      const parallel = this.#options.streaming === "parallel";
      this.#send(record.lsn, {
        type: "StreamAbort",
        xid,
        subxid: xid + record.subtransaction,
        abortLsn: parallel ? record.lsn : undefined,
        abortTime: parallel ? record.time : undefined,
      });
      return;
    }
    const { message, lsn } = record;
    if (open.stream === undefined) {
      if (!record.rolledBack) this.#change(message, lsn, undefined);
    } else {
      if (open.segment >= this.#workMemory) this.#stopSegment(lsn);
      if (open.stream !== "inside") this.#startSegment(lsn);
      open.segment += message.length;
      this.#change(message, lsn, message[0] === TAG.message ? xid : xid + record.subtransaction);
    }
  }

  /** The transaction ends. @source pgoutput.c: pgoutput_commit_txn, pgoutput_prepare_txn, pgoutput_stream_commit, pgoutput_stream_prepare_txn */
  end(): readonly Sent[] {
    const { header, prepare, begun, stream, lastLsn } = this.#mustBeOpen();
    const { xid, finalLsn, endLsn, time } = header;
    const streamed = stream !== undefined;
    if (streamed) {
      // A subscriber may confirm whatever position it has seen: that of the end must not come before the end.
      this.#stopSegment(lastLsn);
      // Of a transaction that has streamed nothing there would be nothing to commit; only what was rolled back could leave it so.
      for (const [relationId, id] of this.#streamed) this.#known.set(relationId, id);
      this.#streamed = new Map();
    }
    if (prepare) {
      const of = { prepareLsn: finalLsn, endLsn, prepareTime: time, xid, gid: header.gid! } as const;
      this.#send(endLsn, { type: streamed ? "StreamPrepare" : "Prepare", ...of });
    } else if (streamed) {
      this.#send(endLsn, { type: "StreamCommit", xid, commitLsn: finalLsn, endLsn, commitTime: time });
    } else if (begun) {
      this.#send(endLsn, { type: "Commit", commitLsn: finalLsn, endLsn, commitTime: time });
    }
    this.#open = undefined;
    return this.#take();
  }

  /** A message outside of transactions. @source pgoutput.c: pgoutput_message */
  message(message: Uint8Array, lsn: Lsn): readonly Sent[] {
    if (this.#open !== undefined) throw new StateError(`transaction ${this.#open.header.xid} has not ended`);
    return this.#options.messages ? [{ lsn, data: withLsn(message, lsn, undefined) }] : [];
  }

  /** What became of a prepared transaction. @source pgoutput.c: pgoutput_commit_prepared_txn, pgoutput_rollback_prepared_txn */
  outcome({ committed, lsn, endLsn, time, prepared }: PreparedOutcome): readonly Sent[] {
    const { xid } = prepared;
    const gid = prepared.gid!;
    this.#send(
      endLsn,
      committed
        ? { type: "CommitPrepared", commitLsn: lsn, endLsn, commitTime: time, xid, gid }
        : {
            type: "RollbackPrepared",
            prepareEndLsn: prepared.endLsn,
            rollbackEndLsn: endLsn,
            prepareTime: prepared.time,
            rollbackTime: time,
            xid,
            gid,
          },
    );
    return this.#take();
  }

  #mustBeOpen(): Open {
    return this.#open ?? fail("no transaction has begun");
  }

  #take(): readonly Sent[] {
    const out = this.#out;
    this.#out = [];
    return out;
  }

  #send(lsn: Lsn, message: PgoutputMessage): void {
    this.#out.push({ lsn, data: encodePgoutputMessage(message) });
  }

  /** Begin, and the origin behind it. @source pgoutput.c: pgoutput_send_begin, send_repl_origin */
  #begin(lsn: Lsn): void {
    const open = this.#mustBeOpen();
    if (open.begun) return;
    open.begun = true;
    const { xid, finalLsn, endLsn, time, gid, origin } = open.header;
    const position = origin === undefined ? lsn : invalidLsn;
    if (open.prepare) {
      this.#send(position, { type: "BeginPrepare", prepareLsn: finalLsn, endLsn, prepareTime: time, xid, gid: gid! });
    } else {
      this.#send(position, { type: "Begin", finalLsn, commitTime: time, xid });
    }
    if (origin !== undefined) this.#send(lsn, { type: "Origin", commitLsn: origin.commitLsn, name: origin.name });
  }

  /** @source pgoutput.c: pgoutput_stream_start */
  #startSegment(lsn: Lsn): void {
    const open = this.#mustBeOpen();
    const { xid, origin } = open.header;
    const firstSegment = open.stream === "before";
    const withOrigin = firstSegment && origin !== undefined;
    open.stream = "inside";
    open.segment = 0;
    this.#send(withOrigin ? invalidLsn : lsn, { type: "StreamStart", xid, firstSegment });
    if (withOrigin) this.#send(lsn, { type: "Origin", commitLsn: invalidLsn, name: origin.name });
  }

  #stopSegment(lsn: Lsn): void {
    const open = this.#mustBeOpen();
    if (open.stream !== "inside") return;
    open.stream = "between";
    this.#send(lsn, { type: "StreamStop" });
  }

  #change(message: Uint8Array, lsn: Lsn, xid: number | undefined): void {
    const tag = message[0]!;
    if (tag === TAG.message) {
      if (!this.#options.messages) return;
      if (xid === undefined) this.#begin(lsn);
      this.#out.push({ lsn, data: withLsn(message, lsn, xid) });
      return;
    }
    const operation = OPERATION[tag] ?? fail(`a change cannot be a message of type ${tag}`);
    if (operation === "truncate") return this.#truncate(message, lsn, xid);
    const entry = this.#entry(u32(message, 1));
    if (!entry.operations.has(operation)) return;
    if (entry.plain) {
      this.#announce(entry, lsn, xid);
      this.#out.push({ lsn, data: withRelation(message, entry.table.relationId, xid) });
      return;
    }
    const change = this.#published(
      entry,
      decodePgoutputMessage(message) as Exclude<RelationChange, Truncate>,
      operation,
    );
    if (change === undefined) return;
    this.#announce(entry, lsn, xid);
    this.#send(lsn, { ...change, ...(xid !== undefined && { xid }), relationId: entry.table.relationId });
  }

  #truncate(message: Uint8Array, lsn: Lsn, xid: number | undefined): void {
    if (!this.#truncates) return;
    const truncate = decodePgoutputMessage(message) as Truncate;
    const entries = truncate.relationIds
      .map((id) => this.#entry(id))
      .filter(({ operations }) => operations.has("truncate"));
    if (entries.length === 0) return;
    for (const entry of entries) this.#announce(entry, lsn, xid);
    const relationIds = entries.map(({ table }) => table.relationId);
    this.#send(lsn, { ...truncate, ...(xid !== undefined && { xid }), relationIds });
  }

  /** Begin, and what a table is, before its first change. @source pgoutput.c: maybe_send_schema, send_relation_and_attrs */
  #announce({ table, columns }: Entry, lsn: Lsn, xid: number | undefined): void {
    if (xid === undefined) this.#begin(lsn);
    const known = xid === undefined ? this.#known : this.#streamed;
    if (known.get(table.relationId) === table.id) return;
    known.set(table.relationId, table.id);
    const of = xid !== undefined && { xid };
    const { typeMap } = this.#catalog;
    const published = columns === undefined ? table.columns : columns.map((i) => table.columns[i]!);
    for (const { typeId } of published) {
      if (typeId >= FIRST_NORMAL_OID) this.#send(invalidLsn, { type: "Type", ...of, ...typeOf(typeMap, typeId) });
    }
    const { relationId, name, replicaIdentity } = table;
    const namespace = table.namespace === "pg_catalog" ? "" : table.namespace;
    this.#send(invalidLsn, {
      type: "Relation",
      ...of,
      relationId,
      namespace,
      name,
      replicaIdentity,
      columns: published,
    } satisfies Relation);
  }

  /** The change as it is published; undefined if it is not. @source pgoutput.c: pgoutput_row_filter */
  #published(
    entry: Entry,
    change: Exclude<RelationChange, Truncate>,
    operation: Operation,
  ): Exclude<RelationChange, Truncate> | undefined {
    const filters = entry.filters.get(operation);
    const passes = (row: readonly unknown[]) => filters!.some((filter) => passesFilter(filter, entry.table, row));
    const tuple = (given: TupleData) => this.#tuple(entry, given);
    const old = (given: OldTuple): OldTuple => ({ type: given.type, tuple: tuple(given.tuple) });
    const { relationId } = change;
    switch (change.type) {
      case "Insert":
        if (filters !== undefined && !passes(entry.reader.read(change.newTuple))) return undefined;
        return { type: "Insert", relationId, newTuple: tuple(change.newTuple) };
      case "Delete":
        if (filters !== undefined && !passes(entry.reader.read(change.oldTuple.tuple))) return undefined;
        return { type: "Delete", relationId, oldTuple: old(change.oldTuple) };
      case "Update": {
        const { oldTuple, newTuple } = change;
        const whole: Update = {
          type: "Update",
          relationId,
          oldTuple: oldTuple && old(oldTuple),
          newTuple: tuple(newTuple),
        };
        if (filters === undefined) return whole;
        const is = passes(entry.reader.read(newTuple));
        // Without an old row the columns of the replica identity have not changed, and no others are looked at.
        const was = oldTuple === undefined ? is : passes(entry.reader.read(oldTuple.tuple));
        if (was && is) return whole;
        if (is) return { type: "Insert", relationId, newTuple: whole.newTuple };
        return was ? { type: "Delete", relationId, oldTuple: whole.oldTuple! } : undefined;
      }
    }
  }

  /** The published columns of a row, in the format that was asked for. */
  #tuple({ table, columns }: Entry, tuple: TupleData): TupleData {
    if (columns === undefined && !this.#options.binary) return tuple;
    const values = tuple.toArray();
    const positions = columns ?? values.keys();
    return TupleData.of(
      Array.from(positions, (i) =>
        this.#options.binary ? this.#binary(table.columns[i]!.typeId, values[i]!) : values[i]!,
      ),
    );
  }

  /** A value in binary format, if its type has one that can be had from the text. */
  #binary(typeId: number, value: TupleValue): TupleValue {
    if (typeof value !== "string") return value;
    const codec = codecIn(this.#catalog.typeMap, typeId);
    return codec.twofold === true ? value : codec.writeBinary(codec.readText(value));
  }

  /** @source pgoutput.c: get_rel_sync_entry */
  #entry(id: number): Entry {
    if (this.#revision !== this.#catalog.revision) {
      this.#revision = this.#catalog.revision;
      this.#publications = undefined;
      this.#entries.clear();
      this.#known.clear();
      this.#streamed.clear();
    }
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = this.#makeEntry(this.#catalog.tableForm(id));
      this.#entries.set(id, entry);
    }
    return entry;
  }

  #makeEntry(table: Table): Entry {
    this.#publications ??= this.#options.publicationNames.flatMap((name) => this.#load(name));
    const operations = new Set<Operation>();
    const filters = new Map<Operation, readonly RowFilter[] | undefined>();
    let columns: readonly number[] | undefined;
    let first = true;
    for (const { tables, operations: published } of this.#publications) {
      const one = tables === undefined ? { table } : tables.get(table.relationId);
      if (one === undefined) continue;
      // A form of before a column was dropped may lack columns that a publication names now.
      const list = one.columns && table.columns.flatMap(({ name }, i) => (one.columns!.includes(name) ? [i] : []));
      if (!first && String(list) !== String(columns)) {
        throw new ServerError({
          severity: "ERROR",
          sqlstate: "0A000",
          message: `cannot use different column lists for table "${table.namespace}.${table.name}" in different publications`,
        });
      }
      first = false;
      columns = list;
      for (const operation of published) {
        const before = operations.has(operation) ? filters.get(operation) : [];
        filters.set(operation, before && one.rowFilter && [...before, one.rowFilter]);
        operations.add(operation);
      }
    }
    const filtered = [...filters.values()].some((each) => each !== undefined);
    const plain = columns === undefined && !filtered && !this.#options.binary;
    return { table, operations, columns, filters, reader: rowReader(table, this.#catalog.typeMap), plain };
  }

  /** @source pgoutput.c: LoadPublications */
  #load(name: string): readonly Publication[] {
    const publication = this.#catalog.publicationOf(name);
    if (publication !== undefined) return [publication];
    if (this.#skipsMissing) return [];
    throw new ServerError({ severity: "ERROR", sqlstate: "42704", message: `publication "${name}" does not exist` });
  }
}

function fail(message: string): never {
  throw new StateError(message);
}

/** The type of a column as its Type message says it, a domain as its base type. @source proto.c: logicalrep_write_typ */
export function typeOf(typeMap: TypeMap, typeId: number): Pick<Type, "typeId" | "namespace" | "name"> {
  let base = typeId;
  let definition = typeMap.definition(base);
  // No chain of domains that a TypeMap follows is longer.
  for (let i = 0; i < 32 && definition?.kind === "domain"; i++) {
    base = definition.base;
    definition = typeMap.definition(base);
  }
  const name = definition?.name ?? codecIn(typeMap, base).name;
  const namespace = base < FIRST_NORMAL_OID ? "pg_catalog" : (definition?.namespace ?? "public");
  return { typeId, namespace: namespace === "pg_catalog" ? "" : namespace, name };
}

/** Whether a row filter holds for a row, given by position. */
export function passesFilter(filter: RowFilter, table: Table, row: readonly unknown[]): boolean {
  const values: Record<string, unknown> = Object.create(null);
  for (const name of filter.columns) values[name] = row[table.columns.findIndex((each) => each.name === name)];
  return filter.test(values) === true;
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function putU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}

/** A message as it is in a segment: the transaction stands behind the tag. */
function withXid(message: Uint8Array, xid: number): Uint8Array {
  const bytes = newBytes(message.length + 4);
  bytes[0] = message[0]!;
  putU32(bytes, 1, xid);
  bytes.set(message.subarray(1), 5);
  return bytes;
}

/** A Message with its position: behind tag and flags, 0 where it is kept. */
function withLsn(message: Uint8Array, lsn: Lsn, xid: number | undefined): Uint8Array {
  const bytes = xid === undefined ? message.slice() : withXid(message, xid);
  new DataView(bytes.buffer, bytes.byteOffset).setBigUint64(xid === undefined ? 2 : 6, lsn);
  return bytes;
}

/** A change of one table with its oid, which is the id of the table's first form: then nothing need be copied. */
function withRelation(message: Uint8Array, relationId: number, xid: number | undefined): Uint8Array {
  if (xid === undefined && u32(message, 1) === relationId) return message;
  const bytes = xid === undefined ? message.slice() : withXid(message, xid);
  putU32(bytes, xid === undefined ? 1 : 5, relationId);
  return bytes;
}

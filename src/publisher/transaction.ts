/** PublisherTransaction: what an application writes, until it commits. */
import { encodePgoutputMessage, type OldTuple } from "../generated/logical.ts";
import { ArgumentError, refuseArgument, StateError } from "../kernel/errors.ts";
import { invalidLsn } from "../kernel/lsn.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { type Row, rowWriter } from "../values/row.ts";
import type { TypeMap } from "../values/type-map.ts";
import { isBytes } from "../wire/check.ts";
import { bytesOf } from "../wire/reader.ts";
import { type TupleData, unchanged } from "../wire/tuple.ts";
import { type NewRecord, sizeOfRecord } from "./log.ts";
import { checkTable, type Table } from "./tables.ts";

/** A row: its values by position, or by the names of its columns. Columns that are not named are NULL. */
export type RowInput = Row | Readonly<Record<string, unknown>>;

declare const brand: unique symbol;
/** A point of a transaction to which it can be rolled back. */
export interface Savepoint {
  readonly [brand]: "Savepoint";
}

/** A subtransaction that is open, or the transaction itself. */
interface Level {
  readonly parent: Level | undefined;
  /** Its number, from its first write on: 0 is the transaction, as in PostgreSQL that of a parent comes first. */
  number: number | undefined;
  /** The numbers of the subtransactions that were released into it. */
  readonly released: number[];
  /** Its first record. */
  first: number;
}

/** What a transaction needs of its publisher. */
export interface TransactionContext {
  readonly typeMap: TypeMap;
  /** Bytes of changes that a transaction can have. */
  readonly limit: number;
  readonly now: () => PgTime;
}

/** For a publisher: the records of a transaction, which ends with this. */
export let recordsOfTransaction: (transaction: PublisherTransaction) => {
  readonly records: readonly NewRecord[];
  readonly subtransactions: number;
  readonly size: number;
};

/**
 * A transaction that is being written. It is over when the function that was given it has returned.
 *
 * Rows are checked and written at once, in the text format of their types, so that a value of another type is the error of this call.
 */
export class PublisherTransaction {
  readonly #context: TransactionContext;
  readonly #records: NewRecord[] = [];
  #size = 0;
  #numbers = 1;
  #level: Level = { parent: undefined, number: 0, released: [], first: 0 };
  #over = false;

  static {
    recordsOfTransaction = (transaction) => {
      transaction.#over = true;
      return { records: transaction.#records, subtransactions: transaction.#numbers - 1, size: transaction.#size };
    };
  }

  /** Made by a Publisher. */
  constructor(context: TransactionContext) {
    this.#context = context;
  }

  /** Insert a row. @throws EncodeError for a value that is not of its column's type; ArgumentError for anything but a row of the table */
  insert(table: Table, row: RowInput): void {
    checkTable("table", table);
    const newTuple = this.#row(table, "row", row);
    for (let i = 0; i < newTuple.length; i++) {
      if (newTuple.kind(i) === "unchanged") refuseArgument(`row.${table.columns[i]!.name}`, "a value", unchanged);
    }
    this.#change(encodePgoutputMessage({ type: "Insert", relationId: table.id, newTuple }));
  }

  /**
   * Update a row.
   *
   * @param row The new row, with all columns. `unchanged` of walwire/values is a value that stays as it is.
   * @param old The old row, if a column of the primary key changes or the replica identity is full: of a primary key its columns suffice.
   * @throws as `insert`; ArgumentError for a table without a replica identity, or without an old row where the replica identity is full.
   */
  update(table: Table, row: RowInput, old?: RowInput): void {
    checkTable("table", table);
    mustHaveIdentity(table, "update table", "updates");
    const newTuple = this.#row(table, "row", row);
    let oldTuple: OldTuple | undefined;
    if (table.replicaIdentity === "full") {
      if (old === undefined) refuseArgument("old", "the old row, as the replica identity is full", old);
      oldTuple = { type: "full", tuple: this.#row(table, "old", old) };
    } else if (old !== undefined) {
      const tuple = this.#key(table, old);
      if (table.primaryKey.some((i) => tuple.get(i) !== newTuple.get(i))) oldTuple = { type: "key", tuple };
    }
    this.#change(encodePgoutputMessage({ type: "Update", relationId: table.id, oldTuple, newTuple }));
  }

  /** Delete a row. @param old The row: of a primary key its columns suffice. @throws as `update` */
  delete(table: Table, old: RowInput): void {
    checkTable("table", table);
    mustHaveIdentity(table, "delete from table", "deletes");
    const full = table.replicaIdentity === "full";
    const oldTuple: OldTuple = full
      ? { type: "full", tuple: this.#row(table, "old", old) }
      : { type: "key", tuple: this.#key(table, old) };
    this.#change(encodePgoutputMessage({ type: "Delete", relationId: table.id, oldTuple }));
  }

  /** Truncate tables. @throws ArgumentError for anything but tables */
  truncate(
    tables: Table | readonly Table[],
    options: { readonly cascade?: boolean | undefined; readonly restartIdentity?: boolean | undefined } = {},
  ): void {
    checkOptions(options, ["cascade", "restartIdentity"]);
    const { cascade = false, restartIdentity = false } = options;
    checkType("options.cascade", cascade, "boolean");
    checkType("options.restartIdentity", restartIdentity, "boolean");
    const list = Array.isArray(tables) ? (tables as readonly Table[]) : [tables as Table];
    if (list.length === 0) refuseArgument("tables", "at least one table", tables);
    for (const [i, table] of list.entries()) checkTable(`tables[${i}]`, table);
    const relationIds = list.map(({ id }) => id);
    this.#change(encodePgoutputMessage({ type: "Truncate", options: { cascade, restartIdentity }, relationIds }));
  }

  /** Write a message that is part of the transaction, as pg_logical_emit_message(true, …). @param content Bytes, which are copied, or text. */
  message(prefix: string, content: Uint8Array | string): void {
    this.#change(messageOf(true, prefix, content));
  }

  /** Mark a point to which the transaction can be rolled back, as SAVEPOINT. */
  savepoint(): Savepoint {
    this.#mustBeOpen();
    this.#level = { parent: this.#level, number: undefined, released: [], first: this.#records.length };
    return this.#level as unknown as Savepoint;
  }

  /** Undo everything since this point, to which the transaction can be rolled back again. @throws StateError if it is no longer there */
  rollbackTo(savepoint: Savepoint): void {
    const { levels, last } = this.#from(savepoint);
    for (let i = last.first; i < this.#records.length; i++) {
      const record = this.#records[i]!;
      if (record.type === "change") this.#records[i] = { ...record, rolledBack: true };
    }
    // A subtransaction aborts after those in it.
    const aborted = levels.flatMap(({ number, released }) => (number === undefined ? [] : [...released, number]));
    const time = this.#context.now();
    for (const subtransaction of aborted) this.#add({ type: "abort", subtransaction, time });
    last.number = undefined;
    last.released.length = 0;
    last.first = this.#records.length;
    this.#level = last;
  }

  /** Keep what was written since this point, and forget the point, as RELEASE SAVEPOINT. @throws StateError if it is no longer there */
  release(savepoint: Savepoint): void {
    const { levels, last } = this.#from(savepoint);
    for (const { number, released } of levels)
      if (number !== undefined) last.parent!.released.push(...released, number);
    this.#level = last.parent!;
  }

  /** The levels from the innermost to that of a savepoint, which is the last. */
  #from(savepoint: Savepoint): { readonly levels: readonly Level[]; readonly last: Level } {
    this.#mustBeOpen();
    const levels: Level[] = [];
    for (let level: Level | undefined = this.#level; level?.parent !== undefined; level = level.parent) {
      levels.push(level);
      if ((level as unknown) === savepoint) return { levels, last: level };
    }
    throw new StateError("the savepoint does not exist");
  }

  #mustBeOpen(): void {
    if (this.#over) throw new StateError("the transaction is over");
  }

  #change(message: Uint8Array): void {
    this.#mustBeOpen();
    this.#add({ type: "change", subtransaction: this.#numberOf(this.#level), rolledBack: false, message });
  }

  #add(record: NewRecord): void {
    const size = this.#size + sizeOfRecord(record);
    if (size > this.#context.limit) {
      throw new ArgumentError(
        "transaction",
        `the transaction has more than ${bytesOf(this.#context.limit)}, which is transactionMemory`,
      );
    }
    this.#size = size;
    this.#records.push(record);
  }

  #numberOf(level: Level): number {
    const without: Level[] = [];
    for (let each = level; each.number === undefined; each = each.parent!) without.push(each);
    for (const each of without.reverse()) each.number = this.#numbers++;
    return level.number!;
  }

  #row(table: Table, path: string, row: RowInput): TupleData {
    return writerOf(table, this.#context.typeMap)(valuesOf(table, path, row));
  }

  /** The primary key of a row; everything else is NULL, as a server sends it. */
  #key(table: Table, old: RowInput): TupleData {
    const given = valuesOf(table, "old", old);
    const key = table.columns.map((_, i) => (table.primaryKey.includes(i) ? given[i] : null));
    for (const i of table.primaryKey) {
      if (key[i] === null || key[i] === undefined)
        refuseArgument(`old.${table.columns[i]!.name}`, "a value of the key", key[i]);
    }
    return this.#row(table, "old", key);
  }
}

/** The writers of tables' rows, which look up codecs once. */
const writers = new WeakMap<TypeMap, WeakMap<Table, (row: Row) => TupleData>>();

/** Writes the rows of a table. */
export function writerOf(table: Table, typeMap: TypeMap): (row: Row) => TupleData {
  const ofMap = writers.get(typeMap) ?? new WeakMap<Table, (row: Row) => TupleData>();
  const writer = ofMap.get(table) ?? rowWriter(table, typeMap);
  writers.set(typeMap, ofMap.set(table, writer));
  return writer;
}

/** The values of a row by position. @throws ArgumentError */
export function valuesOf(table: Table, path: string, row: RowInput): Row {
  if (Array.isArray(row)) {
    if (row.length !== table.columns.length) refuseArgument(path, `${table.columns.length} values`, row);
    return row as Row;
  }
  if (typeof row !== "object" || row === null)
    refuseArgument(path, "an array of values, or an object by name of column", row);
  const names = new Set(table.columns.map(({ name }) => name));
  for (const name of Object.keys(row)) if (!names.has(name)) refuseArgument(path, `columns of ${table.name}`, name);
  return table.columns.map(({ name }) => {
    const value = Object.hasOwn(row, name) ? (row as Readonly<Record<string, unknown>>)[name] : undefined;
    return value === undefined ? null : value;
  });
}

/** @throws ArgumentError in the server's words. @source execReplication.c: CheckCmdReplicaIdentity */
function mustHaveIdentity({ name, replicaIdentity, primaryKey }: Table, verb: string, what: string): void {
  if (replicaIdentity === "full" || (replicaIdentity === "default" && primaryKey.length > 0)) return;
  throw new ArgumentError(
    "table",
    `cannot ${verb} "${name}" because it does not have a replica identity and publishes ${what}`,
  );
}

const utf8 = new TextEncoder();

/** A message as it is kept, without its position. @throws EncodeError, ArgumentError */
export function messageOf(transactional: boolean, prefix: string, content: Uint8Array | string): Uint8Array {
  checkType("prefix", prefix, "string");
  const bytes = typeof content === "string" ? utf8.encode(content) : content;
  if (!isBytes(bytes)) refuseArgument("content", "a Uint8Array or a string", content);
  return encodePgoutputMessage({ type: "Message", transactional, lsn: invalidLsn, prefix, content: bytes });
}

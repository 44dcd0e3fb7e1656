/** PublisherTransaction: what an application writes, until it commits. */
import { encodePgoutputMessage, type OldTuple } from "../generated/logical.ts";
import { ArgumentError, refuseArgument, StateError } from "../kernel/errors.ts";
import { invalidLsn } from "../kernel/lsn.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { absent, type Row, rowWriter } from "../values/row.ts";
import type { TypeMap } from "../values/type-map.ts";
import { isBytes } from "../wire/check.ts";
import { bytesOf } from "../wire/reader.ts";
import { type TupleData, unchanged } from "../wire/tuple.ts";
import { type NewRecord, sizeOfRecord } from "./log.ts";
import type { Table } from "./tables.ts";

/** A row: its values by position, or by the names of its columns. What a column that is not named means, each use says. */
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
  /** Whether it is a table of the publisher. */
  readonly hasTable: (table: unknown) => boolean;
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

  /**
   * Insert a row.
   *
   * @param row The row. A column that is not named is NULL; those of the primary key must have a value.
   * @throws EncodeError for a value that is not of its column's type; ArgumentError for anything but a row of the table
   */
  insert(table: Table, row: RowInput): void {
    this.#mustBeOurs("table", table);
    const newTuple = wholeRow(table, this.#context.typeMap, row);
    this.#change(encodePgoutputMessage({ type: "Insert", relationId: table.id, newTuple }));
  }

  /**
   * Update a row.
   *
   * @param row The new row. A column that is not named, or is `unchanged` of walwire/values, stays as it is; a column of the primary key
   *   must have a value here or in `old`.
   * @param old The old row, if a column of the primary key changes or the replica identity is full: then all of it; otherwise the columns
   *   of the primary key suffice.
   * @throws as `insert`; ArgumentError for a table without a replica identity, or without an old row where the replica identity is full.
   */
  update(table: Table, row: RowInput, old?: RowInput): void {
    this.#mustBeOurs("table", table);
    mustHaveIdentity(table, "update table", "updates");
    const full = table.replicaIdentity === "full";
    if (full && old === undefined) refuseArgument("old", "the old row, as the replica identity is full", old);
    const before = old === undefined ? undefined : identityOf(table, old);
    const values = valuesOf(table, "row", row).map((value, i) => {
      if (value !== undefined && value !== unchanged) return value;
      return full || table.primaryKey.includes(i) ? before?.[i] : unchanged;
    });
    mustHaveKey(table, "row", values);
    const newTuple = this.#tuple(table, values);
    const tuple = before && this.#tuple(table, before);
    const isSent = full || table.primaryKey.some((i) => tuple?.get(i) !== newTuple.get(i));
    const oldTuple: OldTuple | undefined = tuple && isSent ? { type: full ? "full" : "key", tuple } : undefined;
    this.#change(encodePgoutputMessage({ type: "Update", relationId: table.id, oldTuple, newTuple }));
  }

  /** Delete a row. @param old The row: all of it if the replica identity is full, otherwise its primary key suffices. @throws as `update` */
  delete(table: Table, old: RowInput): void {
    this.#mustBeOurs("table", table);
    mustHaveIdentity(table, "delete from table", "deletes");
    const type = table.replicaIdentity === "full" ? "full" : "key";
    const oldTuple: OldTuple = { type, tuple: this.#tuple(table, identityOf(table, old)) };
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
    for (const [i, table] of list.entries()) this.#mustBeOurs(`tables[${i}]`, table);
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

  /** @throws ArgumentError. The log names tables by their ids, which another publisher gives to others. */
  #mustBeOurs(path: string, table: Table): void {
    if (!this.#context.hasTable(table)) refuseArgument(path, "a table that `table` of this publisher returned", table);
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

  #tuple(table: Table, values: Row): TupleData {
    return writerOf(table, this.#context.typeMap)(values);
  }
}

/** A row that is inserted or copied. @throws EncodeError, ArgumentError */
export function wholeRow(table: Table, typeMap: TypeMap, row: RowInput): TupleData {
  const given = valuesOf(table, "row", row);
  mustHaveKey(table, "row", given);
  const values = given.map((value) => (value === undefined ? null : value));
  mustHaveValues(table, "row", values);
  return writerOf(table, typeMap)(values);
}

/** What is sent of an old row: all of it, or its primary key, and then everything else is NULL, as a server has it. @throws ArgumentError */
function identityOf(table: Table, old: RowInput): Row {
  const given = valuesOf(table, "old", old);
  mustHaveKey(table, "old", given);
  if (table.replicaIdentity !== "full") {
    return table.columns.map((_, i) => (table.primaryKey.includes(i) ? given[i] : null));
  }
  mustHaveValues(table, "old", given);
  return given;
}

/** @throws ArgumentError */
function mustHaveKey({ columns, primaryKey }: Table, path: string, values: Row): void {
  for (const i of primaryKey) {
    const value = values[i];
    const name = `${path}.${columns[i]!.name}`;
    if (value === undefined || value === unchanged)
      throw new ArgumentError(name, `${name} is missing, a column of the key`);
    if (value === null || value === absent) refuseArgument(name, "a value, as the column is of the key", null);
  }
}

/** @throws ArgumentError */
function mustHaveValues({ columns }: Table, path: string, values: Row): void {
  for (const [i, value] of values.entries()) {
    if (value === undefined || value === unchanged)
      refuseArgument(`${path}.${columns[i]!.name}`, "a value, null for NULL", value);
  }
}

/** The writers of tables' rows, which look up codecs once. */
const writers = new WeakMap<TypeMap, WeakMap<Table, (row: Row) => TupleData>>();

/** Writes the rows of a table. */
function writerOf(table: Table, typeMap: TypeMap): (row: Row) => TupleData {
  const ofMap = writers.get(typeMap) ?? new WeakMap<Table, (row: Row) => TupleData>();
  const writer = ofMap.get(table) ?? rowWriter(table, typeMap);
  writers.set(typeMap, ofMap.set(table, writer));
  return writer;
}

/** The values of a row by position, undefined for a column that is not named. @throws ArgumentError */
function valuesOf(table: Table, path: string, row: RowInput): Row {
  if (Array.isArray(row)) {
    if (row.length !== table.columns.length) refuseArgument(path, `${table.columns.length} values`, row);
    const missing = row.indexOf(undefined);
    if (missing >= 0) refuseArgument(`${path}.${table.columns[missing]!.name}`, "a value, null for NULL", undefined);
    return row as Row;
  }
  if (typeof row !== "object" || row === null)
    refuseArgument(path, "an array of values, or an object by name of column", row);
  const names = new Set(table.columns.map(({ name }) => name));
  for (const name of Object.keys(row)) if (!names.has(name)) refuseArgument(path, `columns of ${table.name}`, name);
  return table.columns.map(({ name }) =>
    Object.hasOwn(row, name) ? (row as Readonly<Record<string, unknown>>)[name] : undefined,
  );
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

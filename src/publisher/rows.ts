/** KeptRows: the rows of the tables as of the end of the log, for the initial copies of subscribers. */
import { decodePgoutputMessage, encodePgoutputMessage } from "../generated/logical.ts";
import { TupleData, unchanged } from "../wire/tuple.ts";
import type { Table } from "./tables.ts";

/** The rows of one table in its present form. */
interface Kept {
  table: Table;
  rows: Map<string, Row>;
  /** A snapshot has the map: it is copied before the next change. */
  shared: boolean;
}

/** A row, and how often it is there: without a key, more than once. Snapshots share it, so it is replaced and never changed. */
interface Row {
  readonly tuple: TupleData;
  readonly count: number;
}

/** A snapshot: it does not change. */
export interface RowsSnapshot {
  /** The rows of a table, with the form that they are in; none if it never had any. */
  rows(relationId: number): Iterable<{ readonly table: Table; readonly row: TupleData }>;
}

/**
 * Rows are found by their primary key; those of a table without one by all of their values, and equal ones are counted.
 *
 * Memory: the bytes of each row, and its key as text.
 */
export class KeptRows {
  readonly #tables = new Map<number, Kept>();
  readonly #table: (id: number) => Table;
  /** Bytes of all rows, about. */
  size = 0;

  /** @param table A form of a table by its id. */
  constructor(table: (id: number) => Table) {
    this.#table = table;
  }

  /** A change of a committed transaction, in the order of the log. */
  apply(message: Uint8Array): void {
    const change = decodePgoutputMessage(message);
    switch (change.type) {
      case "Insert":
        return this.#put(this.#table(change.relationId), change.newTuple, undefined);
      case "Update":
        return this.#put(this.#table(change.relationId), change.newTuple, change.oldTuple?.tuple);
      case "Delete": {
        const table = this.#table(change.relationId);
        return this.#remove(this.#of(table), keyOf(table, change.oldTuple.tuple));
      }
      case "Truncate":
        for (const id of change.relationIds) {
          const kept = this.#of(this.#table(id));
          for (const row of kept.rows.values()) this.size -= sizeOf(row);
          kept.rows = new Map();
          kept.shared = false;
        }
    }
  }

  /** The rows as they are now. It takes no copy: a table is copied when it next changes. */
  snapshot(): RowsSnapshot {
    const tables = new Map(
      Array.from(this.#tables, ([relationId, kept]) => {
        kept.shared = true;
        return [relationId, { table: kept.table, rows: kept.rows }];
      }),
    );
    return {
      *rows(relationId) {
        const kept = tables.get(relationId);
        if (kept === undefined) return;
        for (const { tuple, count } of kept.rows.values()) {
          for (let i = 0; i < count; i++) yield { table: kept.table, row: tuple };
        }
      },
    };
  }

  /** The rows as they are at the call, as Insert messages that `apply` takes. */
  messages(): Iterable<Uint8Array> {
    return insertsOf(this.snapshot(), [...this.#tables.keys()]);
  }

  #of(table: Table): Kept {
    let kept = this.#tables.get(table.relationId);
    if (kept === undefined) {
      kept = { table, rows: new Map(), shared: false };
      this.#tables.set(table.relationId, kept);
    } else if (kept.table !== table) {
      this.#reform(kept, table);
    }
    if (kept.shared) {
      kept.rows = new Map(kept.rows);
      kept.shared = false;
    }
    return kept;
  }

  /** The table was declared otherwise: columns are found by their names, new ones are NULL. */
  #reform(kept: Kept, table: Table): void {
    const from = table.columns.map(({ name }) => kept.table.columns.findIndex((each) => each.name === name));
    const rows = new Map<string, Row>();
    this.size = 0;
    for (const { tuple: before, count } of kept.rows.values()) {
      const tuple = TupleData.of(from.map((i) => (i < 0 ? null : before.get(i))));
      const key = keyOf(table, tuple);
      rows.set(key, { tuple, count: isKeyed(table) ? 1 : count + (rows.get(key)?.count ?? 0) });
    }
    Object.assign(kept, { table, rows, shared: false });
    for (const { rows } of this.#tables.values()) for (const row of rows.values()) this.size += sizeOf(row);
  }

  #put(table: Table, given: TupleData, old: TupleData | undefined): void {
    const kept = this.#of(table);
    let key = keyOf(table, given);
    let tuple = given;
    const before = old === undefined ? key : keyOf(table, old);
    const values = given.toArray();
    if (values.includes(unchanged)) {
      const row = kept.rows.get(before)?.tuple;
      tuple = TupleData.of(values.map((value, i) => (value === unchanged ? (row?.get(i) ?? null) : value)));
      key = keyOf(table, tuple);
    }
    if (isKeyed(table) ? before !== key : old !== undefined) this.#remove(kept, before);
    const same = kept.rows.get(key);
    // The bytes of a message may be a view of a whole piece of the log.
    const row = { tuple: TupleData.of(tuple.toArray()), count: isKeyed(table) ? 1 : 1 + (same?.count ?? 0) };
    this.size += sizeOf(row) - sizeOf(same);
    kept.rows.set(key, row);
  }

  /** Remove a row: one of those that are equal. */
  #remove(kept: Kept, key: string): void {
    const row = kept.rows.get(key);
    if (row === undefined) return;
    this.size -= row.tuple.bytes.length;
    if (row.count === 1) kept.rows.delete(key);
    else kept.rows.set(key, { ...row, count: row.count - 1 });
  }
}

function* insertsOf(snapshot: RowsSnapshot, relationIds: readonly number[]): Generator<Uint8Array> {
  for (const relationId of relationIds) {
    for (const { table, row } of snapshot.rows(relationId)) {
      yield encodePgoutputMessage({ type: "Insert", relationId: table.id, newTuple: row });
    }
  }
}

function isKeyed({ primaryKey }: Table): boolean {
  return primaryKey.length > 0;
}

function sizeOf(row: Row | undefined): number {
  return row === undefined ? 0 : row.tuple.bytes.length * row.count;
}

/** What a row is found by: JSON, as no separator is safe in a text. */
function keyOf({ primaryKey }: Table, tuple: TupleData): string {
  if (primaryKey.length === 1) return String(tuple.get(primaryKey[0]!));
  const values = tuple.toArray();
  return JSON.stringify(primaryKey.length === 0 ? values : primaryKey.map((i) => values[i]));
}

/**
 * Replica: tables rebuilt from the changes of a logical stream, to be held against what SELECT says. Values are text, binary
 * ones as hexadecimal digits.
 */

import type { OldTuple, PgoutputMessage, Relation } from "../../src/generated/logical.ts";
import { ProtocolError } from "../../src/kernel/errors.ts";
import type { Change, Transaction } from "../../src/logical/transactions.ts";
import { hexOf } from "../../src/wire/text.ts";
import { type TupleValue, unchanged } from "../../src/wire/tuple.ts";

type Row = readonly (string | null)[];

/** A table: its newest description, and its rows by their identity; without a key there may be equal ones. */
interface Table {
  relation: Relation;
  rows: Map<string, Row[]>;
}

export class Replica {
  readonly #tables = new Map<number, Table>();

  /** The tables, each with its relation and its rows in no particular order. */
  *tables(): Generator<{ readonly relation: Relation; readonly rows: readonly Row[] }> {
    for (const { relation, rows } of this.#tables.values()) yield { relation, rows: [...rows.values()].flat() };
  }

  /**
   * Apply a message; those that change no table do nothing.
   *
   * @throws ProtocolError if the change does not fit the rows known: an update or delete of a row that is not there, or an
   *   insert of one whose key is.
   */
  apply(message: PgoutputMessage): void {
    switch (message.type) {
      case "Relation":
        return this.#describe(message);
      case "Insert": {
        const table = this.#table(message.relationId);
        const row = Array.from(message.newTuple, (column) => value(column, undefined));
        if (isKeyed(table) && table.rows.has(identity(table, row))) {
          throw new ProtocolError(`the inserted row is there already: ${row}`);
        }
        put(table, row);
        return;
      }
      case "Update": {
        const table = this.#table(message.relationId);
        const key =
          message.oldTuple === undefined
            ? identity(
                table,
                Array.from(message.newTuple, (column, i) =>
                  table.relation.columns[i]?.key ? value(column, undefined) : null,
                ),
              )
            : oldIdentity(table, message.oldTuple);
        const old = take(table, key);
        put(
          table,
          Array.from(message.newTuple, (column, i) => value(column, old[i])),
        );
        return;
      }
      case "Delete": {
        const table = this.#table(message.relationId);
        take(table, oldIdentity(table, message.oldTuple));
        return;
      }
      case "Truncate":
        for (const relationId of message.relationIds) this.#table(relationId).rows.clear();
        return;
      default:
    }
  }

  /** Apply all changes of a transaction. @throws ProtocolError as `apply` does; DecodeError as reading its changes does. */
  async applyTransaction({ changes }: Pick<Transaction, "changes">): Promise<void> {
    for await (const batch of changes.batches()) for (const change of batch) this.#applyChange(change);
  }

  /** Apply a change that brings its relation along. */
  #applyChange(change: Change): void {
    if (change.type === "Message") return;
    for (const relation of change.type === "Truncate" ? change.relations : [change.relation]) {
      if (this.#tables.get(relation.relationId)?.relation !== relation) this.#describe(relation);
    }
    this.apply(change);
  }

  /** A relation is announced, or has changed: columns are told apart by name, and a new one is NULL in all rows. */
  #describe(relation: Relation): void {
    const known = this.#tables.get(relation.relationId);
    const table: Table = { relation, rows: new Map() };
    this.#tables.set(relation.relationId, table);
    if (known === undefined) return;
    const from = relation.columns.map(({ name }) => known.relation.columns.findIndex((column) => column.name === name));
    for (const old of [...known.rows.values()].flat()) {
      put(
        table,
        from.map((i) => old[i] ?? null),
      );
    }
  }

  #table(relationId: number): Table {
    const table = this.#tables.get(relationId);
    if (table === undefined) throw new ProtocolError(`relation ${relationId} was never announced`);
    return table;
  }
}

/** Can rows be told apart? Not by a replica identity of all columns: a table may hold the same row twice. */
function isKeyed({ relation }: Table): boolean {
  return relation.replicaIdentity !== "full" && relation.columns.some(({ key }) => key);
}

/** What tells a row from others: its replica identity's columns, or all of them if it has none. */
function identity({ relation }: Table, row: Row): string {
  const keyed = relation.columns.some(({ key }) => key);
  return JSON.stringify(row.filter((_, i) => !keyed || relation.columns[i]?.key));
}

function put(table: Table, row: Row): void {
  const key = identity(table, row);
  const same = table.rows.get(key);
  if (same === undefined) table.rows.set(key, [row]);
  else same.push(row);
}

function oldIdentity(table: Table, { tuple }: OldTuple): string {
  return identity(
    table,
    Array.from(tuple, (column) => value(column, undefined)),
  );
}

function take(table: Table, key: string): Row {
  const same = table.rows.get(key);
  if (same === undefined)
    throw new ProtocolError(`a change of ${table.relation.name} names a row that is not there: ${key}`);
  const row = same.pop()!;
  if (same.length === 0) table.rows.delete(key);
  return row;
}

function value(column: TupleValue, old: string | null | undefined): string | null {
  if (column === unchanged) {
    if (old === undefined) throw new ProtocolError("an unchanged value of a row that is not known");
    return old;
  }
  return column instanceof Uint8Array ? hexOf(column) : (column as string | null);
}

/**
 * Replica: tables rebuilt from the changes of a logical stream, values as text, to be held against what SELECT says.
 */
import { ProtocolError } from "../errors.ts";
import type { OldTuple, PgoutputMessage, Relation } from "../generated/logical.ts";
import type { Change, Transaction } from "../logical/transactions.ts";
import { decodeText } from "../wire/text.ts";
import { type TupleValue, unchanged } from "../wire/tuple.ts";

type Row = readonly (string | null)[];

/** A table: its newest description, and its rows by their identity. */
interface Table {
  relation: Relation;
  rows: Map<string, Row>;
}

export class Replica {
  readonly #tables = new Map<number, Table>();

  /** The tables, each with its relation and its rows in no particular order. */
  *tables(): Generator<{ readonly relation: Relation; readonly rows: readonly Row[] }> {
    for (const { relation, rows } of this.#tables.values()) yield { relation, rows: [...rows.values()] };
  }

  /**
   * Apply a message; those that change no table do nothing.
   *
   * @throws ProtocolError if the change does not fit the rows known: an update or delete of a row that is not there, or an
   *   insert of one that is.
   */
  apply(message: PgoutputMessage): void {
    switch (message.type) {
      case "Relation":
        return this.#describe(message);
      case "Insert": {
        const table = this.#table(message.relationId);
        const row = Array.from(message.newTuple, (column) => value(column, undefined));
        if (table.rows.has(identity(table, row))) throw new ProtocolError(`the inserted row is there already: ${row}`);
        table.rows.set(identity(table, row), row);
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
        const row = Array.from(message.newTuple, (column, i) => value(column, old[i]));
        table.rows.set(identity(table, row), row);
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
    for (const old of known.rows.values()) {
      const row = from.map((i) => old[i] ?? null);
      table.rows.set(identity(table, row), row);
    }
  }

  #table(relationId: number): Table {
    const table = this.#tables.get(relationId);
    if (table === undefined) throw new ProtocolError(`relation ${relationId} was never announced`);
    return table;
  }
}

/** What tells a row from others: its replica identity's columns, or all of them if it has none. */
function identity({ relation }: Table, row: Row): string {
  const keyed = relation.columns.some(({ key }) => key);
  return JSON.stringify(row.filter((_, i) => !keyed || relation.columns[i]?.key));
}

function oldIdentity(table: Table, { tuple }: OldTuple): string {
  return identity(
    table,
    Array.from(tuple, (column) => value(column, undefined)),
  );
}

function take(table: Table, key: string): Row {
  const row = table.rows.get(key);
  if (row === undefined)
    throw new ProtocolError(`a change of ${table.relation.name} names a row that is not there: ${key}`);
  table.rows.delete(key);
  return row;
}

function value(column: TupleValue, old: string | null | undefined): string | null {
  if (column === unchanged) {
    if (old === undefined) throw new ProtocolError("an unchanged value of a row that is not known");
    return old;
  }
  return column instanceof Uint8Array ? decodeText(column, 0, column.length) : (column as string | null);
}

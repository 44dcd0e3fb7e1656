/** Rows as objects, made from the tuples of a relation. */
import type { OldTuple, Relation } from "../../generated/logical.ts";
import {
  absent,
  fillUnchanged,
  type OnUnreadable,
  type Row,
  type RowReader,
  rowObject,
  rowReader,
} from "../../values/row.ts";
import type { TypeMap } from "../../values/type-map.ts";
import type { TupleData } from "../../wire/tuple.ts";
import { unchanged } from "../../wire/tuple.ts";

/**
 * A row: a property for each column, with the value of its type. It inherits nothing. Columns whose value was not sent are missing:
 * those outside of an old key, and TOASTed values that did not change.
 */
export type RowObject = Readonly<Record<string, unknown>>;

/** The prototype of rows: V8 keeps objects without any as hash tables, and takes twice as long. */
class Columns {}
Object.setPrototypeOf(Columns.prototype, null);
Reflect.deleteProperty(Columns.prototype, "constructor");
// console.log shows a row as any object, without the name of its prototype.
Object.defineProperty(Columns.prototype, Symbol.for("nodejs.util.inspect.custom"), {
  value: function inspectRow(
    this: object,
    _depth: number,
    options: object,
    inspect: (value: object, options: object) => string,
  ) {
    return inspect({ ...this }, options);
  },
});
Object.freeze(Columns.prototype);

/** Reads the rows of one form of a relation. */
export class Rows {
  readonly #names: readonly string[];
  readonly #reader: RowReader;

  /** @throws DecodeError if two columns have the same name. */
  constructor(relation: Relation, typeMap: TypeMap, onUnreadable: OnUnreadable | undefined) {
    this.#names = relation.columns.map(({ name }) => name);
    // It checks that the names are different.
    rowObject(relation, relation.columns);
    this.#reader = rowReader(relation, typeMap, { onUnreadable });
  }

  /** The row of a whole tuple. */
  read(tuple: TupleData): RowObject {
    return this.#object(this.#reader.read(tuple));
  }

  /** The old row of an Update or Delete: whole, or the columns of its key. */
  readOld(old: OldTuple): RowObject {
    return this.#object(this.#reader.readOld(old));
  }

  /** The new row of an Update, with what the old one has of TOASTed values that did not change; and the names of the others. */
  readNew(
    tuple: TupleData,
    old: OldTuple | undefined,
  ): { readonly row: RowObject; readonly unchanged: readonly string[] } {
    const row = this.#reader.read(tuple);
    if (!row.includes(unchanged)) return { row: this.#object(row), unchanged: [] };
    const filled = fillUnchanged(row, old === undefined ? undefined : this.#reader.readOld(old));
    return { row: this.#object(filled.row), unchanged: filled.unchanged.map((i) => this.#names[i]!) };
  }

  #object(row: Row): RowObject {
    const object = new Columns() as Record<string, unknown>;
    const names = this.#names;
    for (let i = 0; i < names.length; i++) {
      const value = row[i];
      if (value !== absent && value !== unchanged) object[names[i]!] = value;
    }
    return object;
  }
}

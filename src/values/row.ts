/**
 * Rows: the columns of a TupleData as values by position, names on demand, and back.
 *
 * Three things are no value, and are kept apart: `null` is SQL's NULL, `unchanged` a TOASTed value that the server did not send, and
 * `absent` a column that an old key does not hold.
 */

import type { OldTuple, Relation } from "../generated/logical.ts";
import { DecodeError } from "../kernel/errors.ts";
import { refuse } from "../wire/check.ts";
import { TupleData, type TupleValue, unchanged } from "../wire/tuple.ts";
import { type Codec, readBinaryPart, readTextPart, writeBinaryPart, writeTextPart } from "./codec.ts";
import type { TypeMap } from "./type-map.ts";

/** A column that is not in an old key. One frozen object. */
export const absent: Absent = /* @__PURE__ */ Object.freeze({ absent: true });

export interface Absent {
  readonly absent: true;
}

/** The columns of a row by position: each a value of its type, null, `unchanged` or `absent`. */
export type Row = readonly unknown[];

/** What of a Relation message is needed to read and write its rows. */
export type RowType = Pick<Relation, "namespace" | "name" | "columns">;

/** Reads rows of one relation. Made once, used for each: what it needs of the types was looked up. */
export interface RowReader {
  /**
   * The whole row, as a new array.
   *
   * @throws DecodeError for a value that no server sends, with the column as path, such as `public.fruit.price`; BAD_LENGTH for
   *   another number of columns than the relation has.
   */
  read(tuple: TupleData): Row;
  /** The row of an old key: columns that are not part of it are `absent`. @throws DecodeError as `read` */
  readKey(tuple: TupleData): Row;
  /** The old row of an Update or Delete, whichever of the two it is. @throws DecodeError as `read` */
  readOld(old: OldTuple): Row;
  /** One column alone. @throws DecodeError as `read`; RangeError if there is no such column */
  readColumn(tuple: TupleData, i: number): unknown;
}

/**
 * What reads the rows of a relation.
 *
 * @param relation The Relation message. When another one comes for the same table, a new reader is needed.
 * @example rowReader({ namespace: "", name: "t", columns: [{ name: "a", typeId: 20, key: true, typeModifier: -1 }] }, new TypeMap()).read(TupleData.of(["7"])) // [7n]
 */
export function rowReader(relation: RowType, typeMap: TypeMap): RowReader {
  const codecs = relation.columns.map(({ typeId }) => typeMap.codec(typeId));
  const paths = columnPaths(relation);
  const readAll = (tuple: TupleData): unknown[] => {
    mustHaveColumns(tuple, relation);
    const row: unknown[] = tuple.toArray();
    for (let i = 0; i < row.length; i++) row[i] = readValue(row[i] as TupleValue, codecs[i]!, paths[i]!);
    return row;
  };
  const readKey = (tuple: TupleData): Row => {
    const row = readAll(tuple);
    for (let i = 0; i < row.length; i++) if (!relation.columns[i]!.key) row[i] = absent;
    return row;
  };
  return {
    read: readAll,
    readKey,
    readOld: ({ type, tuple }) => (type === "key" ? readKey(tuple) : readAll(tuple)),
    readColumn(tuple, i) {
      mustHaveColumns(tuple, relation);
      return readValue(tuple.get(i), codecs[i]!, paths[i]!);
    },
  };
}

function readValue(value: TupleValue, codec: Codec, path: string): unknown {
  if (typeof value === "string") return readTextPart(codec, value, 0, path);
  if (value === null || value === unchanged) return value;
  return readBinaryPart(codec, value as Uint8Array, 0, path);
}

function columnPaths({ namespace, name, columns }: RowType): string[] {
  const table = namespace === "" ? name : `${namespace}.${name}`;
  return columns.map((column) => `${table}.${column.name}`);
}

function mustHaveColumns(tuple: TupleData, { name, columns }: RowType): void {
  if (tuple.length === columns.length) return;
  const message = `a row of ${name} has ${tuple.length} columns, where the relation has ${columns.length}`;
  throw new DecodeError("BAD_LENGTH", name, 0, message);
}

/**
 * Read one row; for many of a relation make a reader once.
 *
 * @param options.key The row is an old key: columns that are not part of it become `absent`.
 * @throws DecodeError as RowReader.read
 */
export function readRow(relation: RowType, tuple: TupleData, typeMap: TypeMap, options: { key?: boolean } = {}): Row {
  const reader = rowReader(relation, typeMap);
  return options.key === true ? reader.readKey(tuple) : reader.read(tuple);
}

/**
 * The row by the names of its columns: an object without a prototype, so that a column may be called `__proto__`. What is `absent` in
 * the row is not in the object.
 *
 * @throws DecodeError BAD_VALUE if two columns have one name: no table has such, and one of the two values would be lost.
 */
export function rowObject(relation: RowType, row: Row): Readonly<Record<string, unknown>> {
  const object: Record<string, unknown> = Object.create(null);
  const names = new Set<string>();
  for (let i = 0; i < relation.columns.length; i++) {
    const { name } = relation.columns[i]!;
    if (names.size === names.add(name).size) {
      const path = `Relation.columns[${i}].name`;
      throw new DecodeError("BAD_VALUE", path, 0, `${path} is ${JSON.stringify(name)}, as of a column before it`);
    }
    if (row[i] !== absent) object[name] = row[i];
  }
  return object;
}

/**
 * A row whose `unchanged` columns are filled from the old row: all of them if that is a full one, those of the key if it is a key.
 *
 * @param row What `read` gave of an update's new row; as well the values of a TupleData (`toArray`), which TupleData.of makes a row again.
 * @param old The old row in the same form. Of TupleData only a full one: in the values of a key NULL and absent look the same.
 * @returns the row, filled, and the positions of columns that stay `unchanged`.
 * @example fillUnchanged([1, unchanged, unchanged], [1, "long", absent]) // { row: [1, "long", unchanged], unchanged: [2] }
 */
export function fillUnchanged<T>(row: readonly T[], old: readonly T[] | undefined): { row: T[]; unchanged: number[] } {
  const left: number[] = [];
  const filled = row.map((value, i) => {
    if (value !== unchanged) return value;
    const before = old?.[i];
    if (before !== undefined && before !== unchanged && before !== absent) return before;
    left.push(i);
    return value;
  });
  return { row: filled, unchanged: left };
}

/**
 * What writes rows of a relation: values by position to a TupleData. `absent` is written as NULL, as the server does in a key.
 *
 * @param options.format Text unless binary is asked for. A value of a type that is two things in its two formats (types that are not
 *   known, tsquery, money, regclass and its kin) goes as what it is: a string as text.
 * @returns a function that throws EncodeError for a value that is none of its column's type, or another number of values.
 * @example rowWriter({ namespace: "", name: "t", columns: [{ name: "a", typeId: 1007, key: true, typeModifier: -1 }] }, new TypeMap())([[1, null]]).toArray() // ["{1,NULL}"]
 */
export function rowWriter(
  relation: RowType,
  typeMap: TypeMap,
  options: { format?: "text" | "binary" } = {},
): (row: Row) => TupleData {
  const { format = "text" } = options;
  const codecs = relation.columns.map(({ typeId }) => typeMap.codec(typeId));
  const paths = columnPaths(relation);
  return (row) => {
    if (row.length !== codecs.length) refuse(`${codecs.length} values`, row.length, relation.name);
    return TupleData.of(
      row.map((value, i): TupleValue => {
        if (value === null || value === absent) return null;
        if (value === unchanged) return unchanged;
        const codec = codecs[i]!;
        const binary = codec.twofold === true ? typeof value !== "string" : format === "binary";
        return binary ? writeBinaryPart(codec, value, paths[i]!) : writeTextPart(codec, value, paths[i]!);
      }),
    );
  };
}

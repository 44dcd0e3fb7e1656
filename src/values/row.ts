/**
 * Rows: the columns of a TupleData as values by position, names on demand, and back.
 *
 * Three things are not values, and are kept apart: `null` is SQL's NULL, `unchanged` a TOASTed value that the server did not send, and
 * `absent` a column that an old key does not hold.
 */

import type { OldTuple, Relation } from "../generated/logical.ts";
import { DecodeError, refuseArgument } from "../kernel/errors.ts";
import { refuse } from "../wire/check.ts";
import { bytesOf } from "../wire/reader.ts";
import { TupleData, type TupleValue, unchanged } from "../wire/tuple.ts";
import { type Codec, isTooLong, readBinaryPart, readTextPart, writeBinaryPart, writeTextPart } from "./codec.ts";
import { isOid } from "./definition.ts";
import { codecIn, type TypeMap } from "./type-map.ts";

/** A column that is not in an old key. One frozen object. */
export const absent: Absent = /* @__PURE__ */ Object.freeze({ absent: true });

/** The type of `absent`. */
export interface Absent {
  readonly absent: true;
}

/** The columns of a row by position: each a value of its type, null, `unchanged` or `absent`. */
export type Row = readonly unknown[];

/** What of a Relation message is needed to read and write its rows. */
export type RowType = Pick<Relation, "namespace" | "name" | "columns">;

/**
 * What to put into a row in place of a value that cannot be read by its type. It may throw the error, or another.
 *
 * @param error The column and the reason.
 * @param value As the server sent it: a string of text format, a view of the bytes of binary format. Text that is longer than a string
 *   can be is bytes, too.
 * @param column The position of the column, from 0.
 */
export type OnUnreadable = (error: DecodeError, value: string | Uint8Array, column: number) => unknown;

/**
 * Reads the rows of one relation. It is made once for a relation, and looks up what it needs of the types only then.
 *
 * It can be kept as long as the relation is the same: when types are added to its TypeMap or described anew, it reads by the new
 * descriptions. A stream sends a new Relation message when a table changes, but nothing when a type does (ALTER TYPE).
 */
export interface RowReader {
  /**
   * The whole row, as a new array.
   *
   * @throws DecodeError for a value that no server sends, with the column as path, such as `public.fruit.price`; BAD_LENGTH for
   *   another number of columns than the relation has, and for text that is longer than a string can be. ArgumentError for what is
   *   not a TupleData.
   */
  read(tuple: TupleData): Row;
  /**
   * The row of an old key. What is NULL in it is `absent`: columns of a key are never NULL, and others are sent as NULL whatever they
   * hold. A partition with REPLICA IDENTITY FULL sends the other columns too, if the published root has another replica identity:
   * they are in the row, those that are NULL as `absent`.
   *
   * @throws DecodeError and ArgumentError as `read`
   */
  readKey(tuple: TupleData): Row;
  /** The old row of an Update or Delete, whichever of the two it is. @throws DecodeError and ArgumentError as `read` */
  readOld(old: OldTuple): Row;
  /** One column alone. @throws DecodeError as `read`; ArgumentError if there is no such column */
  readColumn(tuple: TupleData, i: number): unknown;
}

/**
 * A reader of the rows of a relation.
 *
 * @param relation The Relation message. When another one comes for the same table, make a new reader.
 * @param options.onUnreadable Called for each value that cannot be read by its type, as after an ALTER TYPE that the map has not been
 *   told of. Without it such a value is a DecodeError.
 * @throws ArgumentError for what is not a relation, a TypeMap, or an option.
 * @example rowReader({ namespace: "", name: "t", columns: [{ name: "a", typeId: 20, key: true, typeModifier: -1 }] }, new TypeMap()).read(TupleData.of(["7"])) // [7n]
 */
export function rowReader(
  relation: RowType,
  typeMap: TypeMap,
  options: { readonly onUnreadable?: OnUnreadable | undefined } = {},
): RowReader {
  const { paths, codecs } = columnsOf(relation, typeMap);
  const { name } = relation;
  const { onUnreadable } = mustBeOptions(options);
  if (onUnreadable !== undefined && typeof onUnreadable !== "function") {
    refuseArgument("options.onUnreadable", "a function", onUnreadable);
  }

  const readOr = (value: TupleValue, i: number, instead: OnUnreadable): unknown => {
    try {
      return readValue(value, codecs[i]!, paths[i]!);
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      return instead(error, value as string | Uint8Array, i);
    }
  };
  const readColumn = (tuple: TupleData, i: number): unknown => {
    let value: TupleValue;
    try {
      value = tuple.get(i);
    } catch (error) {
      if (!isTooLong(error)) throw error;
      const bytes = tuple.valueBytes(i)!;
      const message = `${paths[i]} is text of ${bytesOf(bytes.length)}, longer than a string can be: get its bytes by valueBytes(${i})`;
      const ours = new DecodeError("BAD_LENGTH", paths[i]!, 0, message);
      if (onUnreadable === undefined) throw ours;
      return onUnreadable(ours, bytes, i);
    }
    return onUnreadable === undefined ? readValue(value, codecs[i]!, paths[i]!) : readOr(value, i, onUnreadable);
  };
  const readAll = (tuple: TupleData): unknown[] => {
    mustHaveColumns(tuple, name, codecs.length);
    let row: unknown[];
    try {
      row = tuple.toArray();
    } catch (error) {
      if (!isTooLong(error)) throw error;
      return codecs.map((_, i) => readColumn(tuple, i));
    }
    for (let i = 0; i < row.length; i++) {
      const value = row[i] as TupleValue;
      row[i] = onUnreadable === undefined ? readValue(value, codecs[i]!, paths[i]!) : readOr(value, i, onUnreadable);
    }
    return row;
  };
  const readKey = (tuple: TupleData): Row => {
    const row = readAll(tuple);
    for (let i = 0; i < row.length; i++) if (row[i] === null && tuple.kind(i) === "null") row[i] = absent;
    return row;
  };
  return {
    read: readAll,
    readKey,
    readOld(old) {
      if (typeof old !== "object" || old === null) refuseArgument("old", "an OldTuple", old);
      const { type, tuple } = old;
      if (type !== "key" && type !== "full") refuseArgument("old.type", '"key" or "full"', type);
      return type === "key" ? readKey(tuple) : readAll(tuple);
    },
    readColumn(tuple, i) {
      mustHaveColumns(tuple, name, codecs.length);
      if (!Number.isInteger(i) || i < 0 || i >= codecs.length) {
        refuseArgument("i", `a column from 0 to ${codecs.length - 1}`, i);
      }
      return readColumn(tuple, i);
    },
  };
}

function readValue(value: TupleValue, codec: Codec, path: string): unknown {
  if (typeof value === "string") return readTextPart(codec, value, 0, path);
  if (value === null || value === unchanged) return value;
  return readBinaryPart(codec, value as Uint8Array, 0, path);
}

/** The columns of a relation: how errors name them, and their codecs. */
function columnsOf(relation: RowType, typeMap: TypeMap): { readonly paths: string[]; readonly codecs: Codec[] } {
  mustBeRelation(relation);
  const { namespace, name, columns } = relation;
  const table = namespace === "" ? name : `${namespace}.${name}`;
  return {
    paths: columns.map((column) => `${table}.${column.name}`),
    codecs: columns.map(({ typeId }) => codecIn(typeMap, typeId)),
  };
}

function mustBeRelation(relation: RowType): void {
  if (typeof relation !== "object" || relation === null) refuseArgument("relation", "a Relation message", relation);
  const { namespace, name, columns } = relation;
  if (typeof namespace !== "string") refuseArgument("relation.namespace", "a string", namespace);
  if (typeof name !== "string") refuseArgument("relation.name", "a string", name);
  if (!Array.isArray(columns)) refuseArgument("relation.columns", "an array", columns);
  for (let i = 0; i < columns.length; i++) {
    const column: unknown = columns[i];
    const { name, typeId } = (column ?? {}) as Partial<RowType["columns"][number]>;
    if (typeof name !== "string") refuseArgument(`relation.columns[${i}].name`, "a string", name);
    if (!isOid(typeId)) refuseArgument(`relation.columns[${i}].typeId`, "an oid", typeId);
  }
}

function mustBeOptions<T extends object>(options: T): T {
  return typeof options === "object" && options !== null ? options : refuseArgument("options", "an object", options);
}

function mustHaveColumns(tuple: TupleData, name: string, count: number): void {
  if (!TupleData.is(tuple)) refuseArgument("tuple", "a TupleData", tuple);
  if (tuple.length === count) return;
  const message = `a row of ${name} has ${tuple.length} columns, expected ${count}`;
  throw new DecodeError("BAD_LENGTH", name, 0, message);
}

/**
 * Read one row; for many rows of a relation make a reader once.
 *
 * @param options.key The row is an old key, which is read as RowReader.readKey does.
 * @throws DecodeError as RowReader.read; ArgumentError as rowReader
 * @example readRow({ namespace: "", name: "t", columns: [{ name: "a", typeId: 16, key: true, typeModifier: -1 }] }, TupleData.of(["t"]), new TypeMap()) // [true]
 */
export function readRow(
  relation: RowType,
  tuple: TupleData,
  typeMap: TypeMap,
  options: { readonly key?: boolean | undefined } = {},
): Row {
  const reader = rowReader(relation, typeMap);
  const { key = false } = mustBeOptions(options);
  if (typeof key !== "boolean") refuseArgument("options.key", "a boolean", key);
  return key ? reader.readKey(tuple) : reader.read(tuple);
}

/**
 * The row by the names of its columns: an object without a prototype, so that a column may be called `__proto__`. Columns that are
 * `absent` in the row are missing.
 *
 * The type parameter is the type that you expect. It is not checked: name `unchanged` and what may be missing in it, where a row can
 * have those.
 *
 * @throws DecodeError BAD_VALUE if two columns have one name: no table has such columns, and one of the two values would be lost.
 *   ArgumentError for what is not a relation, or not a row of as many columns.
 * @example rowObject({ namespace: "", name: "t", columns: [{ name: "a", typeId: 23, key: true, typeModifier: -1 }] }, [7]).a // 7
 */
export function rowObject<T extends object = Record<string, unknown>>(relation: RowType, row: Row): Readonly<T> {
  mustBeRelation(relation);
  const { columns } = relation;
  if (!Array.isArray(row) || row.length !== columns.length) {
    refuseArgument("row", `an array of ${columns.length} values`, Array.isArray(row) ? `${row.length} values` : row);
  }
  const object: Record<string, unknown> = Object.create(null);
  const names = new Set<string>();
  for (let i = 0; i < columns.length; i++) {
    const { name } = columns[i]!;
    if (names.size === names.add(name).size) {
      const path = `Relation.columns[${i}].name`;
      throw new DecodeError("BAD_VALUE", path, 0, `${path} is ${JSON.stringify(name)}, the name of an earlier column`);
    }
    if (row[i] !== absent) object[name] = row[i];
  }
  return object as T;
}

/**
 * A row whose `unchanged` columns are filled from the old row: all of them if it is a full one, those of the key if it is a key.
 *
 * A NULL in the old row fills nothing, since a value that is `unchanged` is not NULL: it stands for a value that was not sent. So it
 * is where a published root has REPLICA IDENTITY FULL and its partition has not: the old row looks full and is a key.
 *
 * @param row What `read` returned of an update's new row, or the values of a TupleData (`toArray`), which TupleData.of makes a row again.
 * @param old The old row in the same form.
 * @returns the row, filled, and the positions of columns that stay `unchanged`.
 * @throws ArgumentError for what is not a row.
 * @example fillUnchanged([1, unchanged, unchanged], [1, "long", absent]) // { row: [1, "long", unchanged], unchanged: [2] }
 */
export function fillUnchanged<T>(row: readonly T[], old: readonly T[] | undefined): { row: T[]; unchanged: number[] } {
  if (!Array.isArray(row)) refuseArgument("row", "an array", row);
  if (old !== undefined && !Array.isArray(old)) refuseArgument("old", "an array or undefined", old);
  const left: number[] = [];
  const filled = row.map((value: T, i) => {
    if (value !== unchanged) return value;
    const before = old?.[i];
    if (before !== undefined && before !== null && before !== unchanged && before !== absent) return before;
    left.push(i);
    return value;
  });
  return { row: filled, unchanged: left };
}

/**
 * A writer of the rows of a relation: values by position to a TupleData. `absent` is written as NULL, as the server does in a key.
 *
 * @param options.format Text by default. A value whose type has other values in text than in binary (types that are not described,
 *   tsquery, money, regclass and its kin) is written in the format that it came in: a string as text.
 * @returns a function that throws EncodeError for a value that is not of its column's type, or for another number of values.
 * @throws ArgumentError for what is not a relation, a TypeMap, or an option.
 * @example rowWriter({ namespace: "", name: "t", columns: [{ name: "a", typeId: 1007, key: true, typeModifier: -1 }] }, new TypeMap())([[1, null]]).toArray() // ["{1,NULL}"]
 */
export function rowWriter(
  relation: RowType,
  typeMap: TypeMap,
  options: { readonly format?: "text" | "binary" | undefined } = {},
): (row: Row) => TupleData {
  const { paths, codecs } = columnsOf(relation, typeMap);
  const { name } = relation;
  const { format = "text" } = mustBeOptions(options);
  if (format !== "text" && format !== "binary") refuseArgument("options.format", '"text" or "binary"', format);
  return (row) => {
    if (!Array.isArray(row)) refuse("an array of values", row, name);
    if (row.length !== codecs.length) refuse(`${codecs.length} values`, row.length, name);
    const values = new Array<TupleValue>(codecs.length);
    for (let i = 0; i < values.length; i++) values[i] = writeValue(row[i], codecs[i]!, paths[i]!, format);
    return TupleData.of(values);
  };
}

function writeValue(value: unknown, codec: Codec, path: string, format: "text" | "binary"): TupleValue {
  if (value === null || value === absent) return null;
  if (value === unchanged) return unchanged;
  const binary = codec.twofold === true ? typeof value !== "string" : format === "binary";
  return binary ? writeBinaryPart(codec, value, path) : writeTextPart(codec, value, path);
}

/**
 * Rows: reads the columns of a TupleData as values by position or by name, and writes them.
 *
 * Three markers are not values and stay distinct: `null` is SQL's NULL, `unchanged` a TOASTed value that the server did not send, and
 * `absent` a column that is not part of an old key.
 */

import type { OldTuple, Relation } from "../generated/logical.ts";
import { DecodeError, refuseArgument } from "../kernel/errors.ts";
import { refuse } from "../wire/check.ts";
import { bytesOf } from "../wire/reader.ts";
import { TupleData, type TupleValue, unchanged } from "../wire/tuple.ts";
import { type Codec, isTooLong, readBinaryPart, readTextPart, writeBinaryPart, writeTextPart } from "./codec.ts";
import { isOid } from "./definition.ts";
import { codecIn, type TypeMap } from "./type-map.ts";

/** A column that is not part of an old key. One frozen object. */
export const absent: Absent = /* @__PURE__ */ Object.freeze({ absent: true });

/** The type of `absent`. */
export interface Absent {
  /** Always true. */
  readonly absent: true;
}

/** The columns of a row by position: each a value of its type, null, `unchanged` or `absent`. */
export type Row = readonly unknown[];

/** The part of a Relation message that readers and writers of its rows need. */
export type RowType = Pick<Relation, "namespace" | "name" | "columns">;

/**
 * Returns a replacement for a value that cannot be read as its type. It may also throw `error`, or another one.
 *
 * @param error Names the column and the reason.
 * @param value The value as the server sent it: a string for text format, a view of the bytes for binary format and for text that is
 *   longer than a string can be.
 * @param column The position of the column, from 0.
 */
export type OnUnreadable = (error: DecodeError, value: string | Uint8Array, column: number) => unknown;

/**
 * Reads the rows of one relation. Make one for each Relation message and keep it: it looks up the columns' codecs only once.
 *
 * It follows changes of its TypeMap: when types are added or described again, it uses the new descriptions. A stream sends a new
 * Relation message when a table changes, but nothing when a type does (ALTER TYPE).
 */
export interface RowReader {
  /**
   * Read a whole row.
   *
   * @returns a new array.
   * @throws DecodeError for a value that no server sends, with the column as path, such as `public.fruit.price`; BAD_LENGTH if the
   *   number of columns is not the relation's, or a text is longer than a string can be. ArgumentError for anything but a TupleData.
   */
  read(tuple: TupleData): Row;
  /**
   * Read the row of an old key. NULLs become `absent`: key columns are never NULL, and all other columns are sent as NULL whatever
   * their value is. One case differs: a partition with REPLICA IDENTITY FULL under a published root with another replica identity sends
   * the other columns too. They are in the row, but their NULLs are `absent`.
   *
   * @throws DecodeError and ArgumentError as `read`
   */
  readKey(tuple: TupleData): Row;
  /** Read the old row of an Update or Delete: as `read` if it is a full row, as `readKey` if it is a key. @throws as `read` */
  readOld(old: OldTuple): Row;
  /** Read the column at position `i`, from 0. @throws DecodeError as `read`; ArgumentError if there is no such column */
  readColumn(tuple: TupleData, i: number): unknown;
}

/**
 * Make a reader of the rows of a relation.
 *
 * @param relation The Relation message. When another one arrives for the same table, make a new reader.
 * @param options.onUnreadable Called for each value that cannot be read as its type, for example after an ALTER TYPE that the map does
 *   not know of. Without it such a value causes a DecodeError.
 * @throws ArgumentError for an invalid relation, TypeMap or option.
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

/** The columns of a relation: their names for errors, and their codecs. */
function columnsOf(relation: RowType, typeMap: TypeMap): { readonly paths: string[]; readonly codecs: Codec[] } {
  mustBeRelation(relation);
  const { namespace, name, columns } = relation;
  const table = namespace === "" ? name : `${namespace}.${name}`;
  return {
    paths: columns.map((column) => `${table}.${column.name}`),
    codecs: columns.map(({ typeId }) => codecIn(typeMap, typeId)),
  };
}

/** @throws ArgumentError */
export function mustBeRelation(relation: RowType): void {
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
 * Read one row. For many rows of a relation, make a reader once.
 *
 * @param options.key The row is an old key: read it as RowReader.readKey does.
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
 * Convert a row to an object with a property for each column. It has no prototype, so a column may be called `__proto__`. Columns that
 * are `absent` in the row are missing.
 *
 * The type parameter is the type that you expect. It is not checked. Where a row can have `unchanged` or missing columns, include them
 * in it.
 *
 * @throws DecodeError BAD_VALUE if two columns have the same name: no table has such columns, and one of the values would be lost.
 *   ArgumentError for an invalid relation, or for a row with another number of columns.
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
 * Fill the `unchanged` columns of a row from the old row: all of them if that is a full row, those of the key if it is a key.
 *
 * A NULL in the old row fills nothing. An `unchanged` value is never NULL, so this NULL stands for a value that was not sent. It occurs
 * if a published root has REPLICA IDENTITY FULL and its partition has not: the old row is marked as full but is a key.
 *
 * @param row The new row of an Update as `read` returned it, or the values of its TupleData (`toArray`); TupleData.of turns the result
 *   of the latter back into a TupleData.
 * @param old The old row in the same form.
 * @returns the filled row, and the positions of columns that are still `unchanged`.
 * @throws ArgumentError for anything but rows.
 * @example fillUnchanged([1, unchanged, unchanged], [1, "long", absent]) // { row: [1, "long", unchanged], unchanged: [2] }
 */
export function fillUnchanged<T>(
  row: readonly T[],
  old: readonly T[] | undefined,
): {
  /** The filled row. */
  row: T[];
  /** Positions of columns that are still `unchanged`, from 0. */
  unchanged: number[];
} {
  if (!Array.isArray(row)) refuseArgument("row", "an array", row);
  if (row.length > 0xffff) refuseArgument("row", "an array of at most 65535 values", row.length);
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
 * Make a writer of the rows of a relation, from values by position to a TupleData. `absent` is written as NULL, as servers do in a key.
 *
 * @param options.format Text by default. If the values of a type differ between text and binary (types that are not described, tsquery,
 *   money, regclass and other reg types), they are written in the format that they came in: strings as text.
 * @returns a function that throws EncodeError for a value that is not of its column's type, or for a wrong number of values.
 * @throws ArgumentError for an invalid relation, TypeMap or option.
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

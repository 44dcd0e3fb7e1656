/** Values and rows as JSON, in one form for each type. */
import { refuseArgument } from "../kernel/errors.ts";
import type { Json } from "../wire/json.ts";
import { unchanged } from "../wire/tuple.ts";
import { type Codec, jsonOfPart, partOfJson } from "./codec.ts";
import { isOid } from "./definition.ts";
import { absent, mustBeRelation, type RowType } from "./row.ts";
import { codecIn, type TypeMap } from "./type-map.ts";

/**
 * A value as one that JSON can hold; nothing is lost. docs/values.md has the form for each type.
 *
 * - Numbers of up to 32 bits, oids and floats are numbers; what JSON's numbers are not is text: "NaN", "Infinity", "-Infinity", "-0".
 * - Integers of 64 bits, numeric and positions are text, as the server prints them.
 * - Dates and times are ISO 8601, for years 1 to 9999: `2026-01-31`, `2026-01-31T12:00:00.5`, with `Z` for a timestamptz. Infinities
 *   are "infinity" and "-infinity", years before 1 end in " BC".
 * - bytea is hexadecimal digits after `\\x`; bytes of a type that is not known are `{ "binary": "\\x…" }`.
 * - json and jsonb are text, since JSON.parse would lose digits.
 * - Arrays, composites, ranges and hstore have the structure that their values have, of JSON values.
 * - Everything else is the text of its value.
 *
 * @param value A value as a reader of rows returned it, null included.
 * @param typeId The oid of its type.
 * @param typeMap The map that it was read with.
 * @throws EncodeError for a value that is not of the type; ArgumentError for an invalid oid or TypeMap.
 * @example jsonOfValue([1n, null], 1016, new TypeMap()) // ["1", null]
 * @example jsonOfValue(0n, 1184, new TypeMap()) // "2000-01-01T00:00:00Z"
 */
export function jsonOfValue(value: unknown, typeId: number, typeMap: TypeMap): Json {
  if (!isOid(typeId)) refuseArgument("typeId", "an oid", typeId);
  const codec = codecIn(typeMap, typeId);
  return jsonOrNull(codec, value);
}

/**
 * A row as an object that JSON can hold, each value as jsonOfValue has it. Columns that are `absent` or `unchanged`, or that are
 * missing in the row, are missing.
 *
 * @param relation The relation whose row it is.
 * @param row An object by column name, as `rowObject` returns it.
 * @throws EncodeError for a value that is not of its type; ArgumentError for an invalid relation, row or TypeMap.
 * @example jsonOfRow({ namespace: "", name: "t", columns: [{ name: "a", typeId: 20, key: true, typeModifier: -1 }] }, { a: 7n }, new TypeMap()).a // "7"
 */
export function jsonOfRow(
  relation: RowType,
  row: Readonly<Record<string, unknown>>,
  typeMap: TypeMap,
): { readonly [name: string]: Json } {
  mustBeRelation(relation);
  if (typeof row !== "object" || row === null) refuseArgument("row", "an object", row);
  const object: Record<string, Json> = Object.create(null);
  for (const { name, typeId } of relation.columns) {
    const codec = codecIn(typeMap, typeId);
    if (!Object.hasOwn(row, name)) continue;
    const value = row[name];
    if (value !== absent && value !== unchanged) object[name] = jsonOrNull(codec, value);
  }
  return object;
}

/**
 * The value whose JSON this is: what `jsonOfValue` made, back.
 *
 * Numbers are also read where the form is text, as far as they cannot have lost digits: `7` for an int8, but not `9.5` for a numeric.
 *
 * @param json What JSON.parse returned, null included.
 * @param typeId The oid of its type.
 * @param typeMap The types.
 * @throws EncodeError for JSON that is not of the type; DecodeError for text in it that is not; ArgumentError for an invalid oid or TypeMap.
 * @example valueOfJson(["1", null], 1016, new TypeMap()) // [1n, null]
 * @example valueOfJson("2000-01-01T00:00:00Z", 1184, new TypeMap()) // 0n
 */
export function valueOfJson(json: unknown, typeId: number, typeMap: TypeMap): unknown {
  if (!isOid(typeId)) refuseArgument("typeId", "an oid", typeId);
  const codec = codecIn(typeMap, typeId);
  return json === null ? null : partOfJson(codec, json);
}

function jsonOrNull(codec: Codec, value: unknown): Json {
  return value === null ? null : jsonOfPart(codec, value);
}

/**
 * walwire/values: `TypeMap`, `rowReader`, `rowWriter`: values of types, in text and binary.
 */
export type { OldTuple, Relation, RelationColumn, Type } from "../generated/logical.ts";
export type { Lsn } from "../kernel/lsn.ts";
export type { PgTime } from "../kernel/time.ts";
export type { Server } from "../kernel/version.ts";
export type { Json } from "../wire/json.ts";
export { TupleData, type TupleKind, type TupleValue, type Unchanged, unchanged } from "../wire/tuple.ts";
export type { ArrayDimension, ArrayValue, ArrayWithBounds } from "./array.ts";
export { type CatalogColumn, type CatalogRow, catalogQuery } from "./catalog.ts";
export type { Codec } from "./codec.ts";
export type { CompositeValue } from "./composite.ts";
export type { TypeDefinition } from "./definition.ts";
export type { HstoreValue } from "./extensions.ts";
export { jsonOfRow, jsonOfValue, valueOfJson } from "./json.ts";
export type { MultirangeValue, RangeValue } from "./range.ts";
export {
  type Absent,
  absent,
  fillUnchanged,
  type OnUnreadable,
  type Row,
  type RowReader,
  type RowType,
  readRow,
  rowObject,
  rowReader,
  rowWriter,
} from "./row.ts";
export {
  dateInfinity,
  dateMinusInfinity,
  type Interval,
  intervalInfinity,
  intervalMinusInfinity,
  type TimeTz,
} from "./time.ts";
export { TypeMap } from "./type-map.ts";

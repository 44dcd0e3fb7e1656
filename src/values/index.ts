/**
 * walwire/values: `TypeMap`, `rowReader`, `rowWriter`: values of types, in text and binary.
 */
export type { ArrayDimension, ArrayValue, ArrayWithBounds } from "./array.ts";
export { type CatalogRow, catalogQuery } from "./catalog.ts";
export type { Codec } from "./codec.ts";
export type { CompositeValue } from "./composite.ts";
export type { TypeDefinition } from "./definition.ts";
export type { MultirangeValue, RangeValue } from "./range.ts";
export {
  type Absent,
  absent,
  fillUnchanged,
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

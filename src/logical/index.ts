/**
 * walwire/logical: the messages of pgoutput, protocol versions 1 to 4; `PgoutputDecoder`; `TupleData`, a row.
 */
export type * from "../generated/logical.ts";
export { decodePgoutputMessage, encodePgoutputMessage } from "../generated/logical.ts";
export type { Json } from "../wire/json.ts";
export { TupleData, type TupleKind, type TupleValue, type Unchanged, unchanged } from "../wire/tuple.ts";
export {
  type OpenTransaction,
  PgoutputDecoder,
  type PgoutputDecoderOptions,
  type PgoutputSnapshot,
  type PgoutputStreaming,
} from "./decoder.ts";
export { jsonOfPgoutputMessage } from "./json.ts";

/**
 * walwire/logical: the messages of pgoutput, protocol version 1, in both directions.
 */
export {
  type Begin,
  type Commit,
  type Delete,
  decodePgoutputMessage,
  encodePgoutputMessage,
  type Insert,
  type Message,
  type OldTuple,
  type Origin,
  type PgoutputMessage,
  type Relation,
  type RelationColumn,
  type Truncate,
  type TupleColumn,
  type Type,
  type Update,
} from "../generated/logical.ts";
export { PgoutputDecoder } from "./decoder.ts";

/**
 * walwire/logical: the messages of pgoutput, protocol versions 1 to 4; `PgoutputDecoder`; `TupleData`, a row.
 */
export {
  type Begin,
  type BeginPrepare,
  type Commit,
  type CommitPrepared,
  type Delete,
  decodePgoutputMessage,
  encodePgoutputMessage,
  type Insert,
  type Message,
  type OldTuple,
  type Origin,
  type PgoutputContext,
  type PgoutputMessage,
  type Prepare,
  type Relation,
  type RelationColumn,
  type RollbackPrepared,
  type StreamAbort,
  type StreamCommit,
  type StreamPrepare,
  type StreamStart,
  type StreamStop,
  type Truncate,
  type Type,
  type Update,
} from "../generated/logical.ts";
export { TupleData, type TupleKind, type TupleValue, type Unchanged, unchanged } from "../wire/tuple.ts";
export {
  type OpenTransaction,
  PgoutputDecoder,
  type PgoutputDecoderOptions,
  type PgoutputSnapshot,
  type PgoutputStreaming,
} from "./decoder.ts";

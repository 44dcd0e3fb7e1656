/**
 * The messages of pgoutput, protocol versions 1 to 4, described once, in the order of the manual ("Logical Replication
 * Message Formats").
 */

import {
  after,
  bool,
  type Context,
  counted,
  countOf,
  cstring,
  family,
  flags,
  i32,
  list,
  lsn,
  type Message as MessageEntry,
  message,
  oid,
  oneOf,
  optional,
  record,
  reserved,
  time,
  tuple,
  variants,
  type WireFields,
  when,
  xid,
} from "../wire/shape.ts";
import { logicalCapabilities } from "./capabilities.ts";
import type { PgoutputOption } from "./protocol.ts";

/** What a decoder must know beside the bytes of a message. */
export const PgoutputContext: Context = {
  name: "PgoutputContext",
  doc: "What a decoder must know beside the bytes of a message. PgoutputDecoder keeps track of it.",
  conditions: {
    inStream: { doc: "The message is between StreamStart and StreamStop.", otherwise: false },
    parallel: { doc: "The stream was asked for with streaming 'parallel'.", otherwise: false },
  },
};

const streamedXid = when(
  "inStream",
  xid(""),
  "In a stream segment, the transaction or subtransaction that it belongs to.",
);

const TupleColumn = variants(
  "TupleColumn",
  {
    n: { type: "null", doc: "NULL; in an old key also each column outside the key.", fields: {} },
    u: { type: "unchanged", doc: "A TOASTed value that did not change: the server does not send it.", fields: {} },
    t: {
      type: "text",
      doc: "A value in the text format of its type.",
      fields: { value: counted("The text, in the client's encoding.") },
    },
    b: {
      type: "binary",
      doc: "A value in the binary format of its type: servers from 14 on, with the option binary.",
      fields: { value: counted("The result of the type's send function.") },
    },
  },
  "One column of a row.",
);

const row = (doc: string) => tuple(TupleColumn, doc);

const OldTuple = variants(
  "OldTuple",
  {
    K: {
      type: "key",
      doc: "The columns of the replica identity; all others are null.",
      fields: { tuple: row("One per column of the relation.") },
    },
    O: {
      type: "full",
      doc: "The whole row: the table has REPLICA IDENTITY FULL.",
      fields: { tuple: row("One per column of the relation.") },
    },
  },
  "A row before it changed, as far as the server sends it.",
);

/**
 * The role of a message in the stream. Its allowed positions, whether the change log keeps it, and the lists of the command line
 * derive from this; a kind that needs its own code does not compile without it.
 */
export type PgoutputKind =
  /** A transaction begins. */
  | "begin"
  /** The open transaction ends. */
  | "end"
  /** Streaming of transactions in progress. */
  | "stream"
  /** The outcome of a prepared transaction, between transactions. */
  | "outcome"
  /** The origin of the transaction that has just begun. */
  | "origin"
  /** A description that later messages refer to by oid. */
  | "announcement"
  /** A change of one relation (`relationId`) or several (`relationIds`), inside a transaction. */
  | "change"
  /** A message of pg_logical_emit_message, inside a transaction or between transactions. */
  | "message";

/** An entry of this family: its kind, and the options of pgoutput that it needs, which the table of commands has too. */
function pgoutput<
  const N extends string,
  const K extends PgoutputKind,
  const F extends WireFields,
  const C extends string = never,
>(
  name: N,
  tag: string,
  kind: K,
  entry: Pick<MessageEntry<C>, "doc" | "source" | "since"> & {
    readonly options?: readonly PgoutputOption[];
    readonly fields: F;
  },
): ReturnType<typeof message<N, F, C>> & { readonly kind: K } {
  return { ...message(name, tag, entry), kind };
}

export const Begin = pgoutput("Begin", "B", "begin", {
  doc: "A transaction begins. It is sent after the commit.",
  source: "proto.c: logicalrep_write_begin",
  fields: {
    finalLsn: lsn("Start of its commit record."),
    commitTime: time("When it committed."),
    xid: xid("Its transaction id."),
  },
});

export const Message = pgoutput("Message", "M", "message", {
  doc: "A message that pg_logical_emit_message wrote.",
  since: "logicalMessages",
  options: ["messages"],
  source: "proto.c: logicalrep_write_message",
  fields: {
    xid: when(
      "inStream",
      xid(""),
      "In a stream segment, the toplevel transaction, even for a message of a subtransaction.",
    ),
    transactional: bool("Whether it is part of a transaction: true only inside one."),
    lsn: lsn("Its position in the WAL."),
    prefix: cstring("Its prefix."),
    content: counted("Its content."),
  },
});

export const Commit = pgoutput("Commit", "C", "end", {
  doc: "The transaction ends.",
  source: "proto.c: logicalrep_write_commit",
  fields: {
    flags: reserved("Unused."),
    commitLsn: lsn("Start of its commit record."),
    endLsn: lsn("End of its commit record: the position to confirm once the transaction is stored."),
    commitTime: time("When it committed."),
  },
});

export const Origin = pgoutput("Origin", "O", "origin", {
  doc: "The origin of a transaction that this server received by replication.",
  source: "proto.c: logicalrep_write_origin",
  fields: {
    commitLsn: lsn("Position of its commit on the origin's server; 0 in a stream segment."),
    name: cstring("The name of the origin."),
  },
});

export const Relation = pgoutput("Relation", "R", "announcement", {
  doc: "The description of a table from here on. Sent before its first change, and again after it has changed.",
  source: "proto.c: logicalrep_write_rel",
  fields: {
    xid: streamedXid,
    relationId: oid("Its oid, by which changes name it."),
    namespace: cstring("Its schema; empty for pg_catalog."),
    name: cstring("Its name."),
    replicaIdentity: oneOf(
      { d: "default", n: "nothing", f: "full", i: "index" },
      "Which columns of the old row an Update or Delete has.",
    ),
    columns: list(
      "u16",
      record(
        "RelationColumn",
        {
          key: bool("Part of the replica identity."),
          name: cstring("Its name."),
          typeId: oid("The oid of its type."),
          typeModifier: i32("atttypmod, such as the length of a varchar plus 4; -1 if none."),
        },
        "A column of a table.",
      ),
      "The published columns, by position.",
    ),
  },
});

export const Type = pgoutput("Type", "Y", "announcement", {
  doc: "A type that is not built in. Sent before the first relation that has a column of it.",
  source: "proto.c: logicalrep_write_typ",
  fields: {
    xid: streamedXid,
    typeId: oid("Its oid, by which relations name it."),
    namespace: cstring("Its schema, for a domain that of its base type; empty for pg_catalog."),
    name: cstring("Its name, for a domain that of its base type."),
  },
});

export const Insert = pgoutput("Insert", "I", "change", {
  doc: "A row was inserted.",
  source: "proto.c: logicalrep_write_insert",
  fields: {
    xid: streamedXid,
    relationId: oid("The relation's oid."),
    newTuple: after("N", row("The row."), "The row."),
  },
});

export const Update = pgoutput("Update", "U", "change", {
  doc: "A row was updated.",
  source: "proto.c: logicalrep_write_update",
  fields: {
    xid: streamedXid,
    relationId: oid("The relation's oid."),
    oldTuple: optional(OldTuple, "The old row, if the key changed or the replica identity is full."),
    newTuple: after("N", row("The new row."), "The new row."),
  },
});

export const Delete = pgoutput("Delete", "D", "change", {
  doc: "A row was deleted.",
  source: "proto.c: logicalrep_write_delete",
  fields: {
    xid: streamedXid,
    relationId: oid("The relation's oid."),
    oldTuple: OldTuple,
  },
});

export const Truncate = pgoutput("Truncate", "T", "change", {
  doc: "Tables were truncated.",
  since: "publishTruncate",
  source: "proto.c: logicalrep_write_truncate",
  fields: {
    xid: streamedXid,
    relationCount: countOf("relationIds", "The number of relations."),
    options: flags({ cascade: 1, restartIdentity: 2 }, "The options of TRUNCATE."),
    relationIds: list("elsewhere", oid("The relation's oid."), "The relations' oids."),
  },
});

export const StreamStart = pgoutput("StreamStart", "S", "stream", {
  doc: "A stream segment begins: a part of a transaction in progress.",
  since: "streamingOfTransactions",
  options: ["streaming"],
  source: "proto.c: logicalrep_write_stream_start",
  fields: {
    xid: xid("The transaction."),
    firstSegment: bool("Whether it is the first segment of this transaction."),
  },
});

export const StreamStop = pgoutput("StreamStop", "E", "stream", {
  doc: "The stream segment ends.",
  since: "streamingOfTransactions",
  options: ["streaming"],
  source: "proto.c: logicalrep_write_stream_stop",
  fields: {},
});

export const StreamCommit = pgoutput("StreamCommit", "c", "stream", {
  doc: "A streamed transaction has committed.",
  since: "streamingOfTransactions",
  options: ["streaming"],
  source: "proto.c: logicalrep_write_stream_commit",
  fields: {
    xid: xid("The transaction."),
    flags: reserved("Unused."),
    commitLsn: lsn("Start of its commit record."),
    endLsn: lsn("End of its commit record: the position to confirm once the transaction is stored."),
    commitTime: time("When it committed."),
  },
});

export const StreamAbort = pgoutput("StreamAbort", "A", "stream", {
  doc: "A streamed transaction or one of its subtransactions was rolled back. 18 before 18.7 also sends it for subtransactions that it never streamed, even without streaming.",
  since: "streamingOfTransactions",
  options: ["streaming"],
  source: "proto.c: logicalrep_write_stream_abort",
  fields: {
    xid: xid("The transaction."),
    subxid: xid("The subtransaction that was rolled back, or `xid` for the whole transaction."),
    abortLsn: when("parallel", lsn(""), "End of its abort record, with streaming 'parallel'."),
    abortTime: when("parallel", time(""), "When it was rolled back, with streaming 'parallel'."),
  },
});

/** The fields that all messages of a PREPARE TRANSACTION have. @source proto.c: logicalrep_write_prepare_common */
const prepared = {
  prepareLsn: lsn("Start of the record of PREPARE TRANSACTION."),
  endLsn: lsn("End of the record of PREPARE TRANSACTION."),
  prepareTime: time("When it was prepared."),
  xid: xid("The transaction."),
  gid: cstring("The identifier that PREPARE TRANSACTION gave it."),
};

export const BeginPrepare = pgoutput("BeginPrepare", "b", "begin", {
  doc: "A prepared transaction begins.",
  since: "twoPhaseOption",
  options: ["two_phase"],
  source: "proto.c: logicalrep_write_begin_prepare",
  fields: prepared,
});

export const Prepare = pgoutput("Prepare", "P", "end", {
  doc: "The prepared transaction ends. On 18 before 18.6, one without decoded changes has no BeginPrepare.",
  since: "twoPhaseOption",
  options: ["two_phase"],
  source: "proto.c: logicalrep_write_prepare",
  fields: { flags: reserved("Unused."), ...prepared },
});

export const CommitPrepared = pgoutput("CommitPrepared", "K", "outcome", {
  doc: "A prepared transaction has committed.",
  since: "twoPhaseOption",
  options: ["two_phase"],
  source: "proto.c: logicalrep_write_commit_prepared",
  fields: {
    flags: reserved("Unused."),
    commitLsn: lsn("Start of the record of COMMIT PREPARED."),
    endLsn: lsn("End of the record of COMMIT PREPARED."),
    commitTime: time("When it committed."),
    xid: xid("The transaction."),
    gid: cstring("The identifier that PREPARE TRANSACTION gave it."),
  },
});

export const RollbackPrepared = pgoutput("RollbackPrepared", "r", "outcome", {
  doc: "A prepared transaction was rolled back.",
  since: "twoPhaseOption",
  options: ["two_phase"],
  source: "proto.c: logicalrep_write_rollback_prepared",
  fields: {
    flags: reserved("Unused."),
    prepareEndLsn: lsn("End of the record of PREPARE TRANSACTION."),
    rollbackEndLsn: lsn("End of the record of ROLLBACK PREPARED."),
    prepareTime: time("When it was prepared."),
    rollbackTime: time("When it was rolled back."),
    xid: xid("The transaction."),
    gid: cstring("The identifier that PREPARE TRANSACTION gave it."),
  },
});

export const StreamPrepare = pgoutput("StreamPrepare", "p", "stream", {
  doc: "A streamed transaction is prepared.",
  since: "twoPhaseOption",
  options: ["streaming", "two_phase"],
  source: "proto.c: logicalrep_write_stream_prepare",
  fields: { flags: reserved("Unused."), ...prepared },
});

export const PgoutputMessage = family("PgoutputMessage", {
  doc: "The messages of pgoutput, in all of its protocol versions.",
  capabilities: logicalCapabilities,
  since: "pgoutput",
  example: { hex: "49 0000400b 4e 0003 74 00000001 32 6e 74 00000003 736164", type: "Insert" },
  context: PgoutputContext,
  unions: { RelationChange: { kind: "change", doc: "A change of one or more relations." } },
  messages: [
    Begin,
    Message,
    Commit,
    Origin,
    Relation,
    Type,
    Insert,
    Update,
    Delete,
    Truncate,
    StreamStart,
    StreamStop,
    StreamCommit,
    StreamAbort,
    BeginPrepare,
    Prepare,
    CommitPrepared,
    RollbackPrepared,
    StreamPrepare,
  ],
});

/** The names of the messages of some kinds. */
export function messagesOfKind(...kinds: readonly PgoutputKind[]): ReadonlySet<string> {
  const entries = PgoutputMessage.messages.filter(({ kind }) => kinds.includes(kind as PgoutputKind));
  return new Set(entries.map(({ name }) => name));
}

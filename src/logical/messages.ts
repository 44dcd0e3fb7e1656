/**
 * The messages of pgoutput, protocol version 1, described once, in the order of the manual ("Logical Replication Message
 * Formats").
 */
import {
  after,
  bool,
  counted,
  countOf,
  cstring,
  family,
  flags,
  i32,
  list,
  lsn,
  message,
  oid,
  oneOf,
  optional,
  record,
  reserved,
  time,
  variants,
  xid,
} from "../wire/shape.ts";

const TupleColumn = variants(
  "TupleColumn",
  {
    n: { type: "null", doc: "NULL; in an old key also every column that is not part of it.", fields: {} },
    u: { type: "unchanged", doc: "A TOASTed value that did not change, so the server does not know it.", fields: {} },
    t: {
      type: "text",
      doc: "A value in the text format of its type.",
      fields: { value: counted("The text, in the client's encoding.") },
    },
    b: {
      type: "binary",
      doc: "A value in the binary format of its type: servers from 14 on, with the option binary.",
      fields: { value: counted("What the type's send function gave.") },
    },
  },
  "One column of a row.",
);

/** TupleData: the columns by position, as in the relation. */
const columns = (doc: string) => list("u16", TupleColumn, doc);

const OldTuple = variants(
  "OldTuple",
  {
    K: {
      type: "key",
      doc: "The replica identity's columns; all others are null.",
      fields: { columns: columns("One per column of the relation.") },
    },
    O: {
      type: "full",
      doc: "The whole row: the table has REPLICA IDENTITY FULL.",
      fields: { columns: columns("One per column of the relation.") },
    },
  },
  "What is known of a row before it changed.",
);

export const Begin = message("Begin", "B", {
  doc: "A transaction begins. It is sent when the transaction has committed.",
  source: "proto.c: logicalrep_write_begin",
  fields: {
    finalLsn: lsn("Where its commit record begins."),
    commitTime: time("When it committed."),
    xid: xid("Its transaction id."),
  },
});

export const Message = message("Message", "M", {
  doc: "What pg_logical_emit_message wrote: servers from 14 on, with the option messages.",
  source: "proto.c: logicalrep_write_message",
  fields: {
    transactional: bool("Part of the transaction around it, or on its own."),
    lsn: lsn("Where it stands in WAL."),
    prefix: cstring("Its prefix."),
    content: counted("Its content."),
  },
});

export const Commit = message("Commit", "C", {
  doc: "The transaction ends.",
  source: "proto.c: logicalrep_write_commit",
  fields: {
    flags: reserved("Unused."),
    commitLsn: lsn("Where its commit record begins."),
    endLsn: lsn("Where its commit record ends: what to confirm once the transaction is safe."),
    commitTime: time("When it committed."),
  },
});

export const Origin = message("Origin", "O", {
  doc: "The transaction came to this server by replication from there.",
  source: "proto.c: logicalrep_write_origin",
  fields: {
    commitLsn: lsn("Where it committed on the origin's server."),
    name: cstring("The name of the origin."),
  },
});

export const Relation = message("Relation", "R", {
  doc: "What a table looks like from here on. Sent before the first change of it, and again when it has changed.",
  source: "proto.c: logicalrep_write_rel",
  fields: {
    relationId: oid("The oid by which changes name it."),
    namespace: cstring("Its schema; empty for pg_catalog."),
    name: cstring("Its name."),
    replicaIdentity: oneOf(
      { d: "default", n: "nothing", f: "full", i: "index" },
      "Which columns of the old row an update or delete brings.",
    ),
    columns: list(
      "u16",
      record(
        "RelationColumn",
        {
          key: bool("Part of the replica identity."),
          name: cstring("Its name."),
          typeId: oid("The oid of its type."),
          typeModifier: i32("atttypmod: such as the length of a varchar plus 4, or -1."),
        },
        "A column of a table.",
      ),
      "The columns that are published, by position.",
    ),
  },
});

export const Type = message("Type", "Y", {
  doc: "A type that is not built in. Sent before the first relation that has a column of it.",
  source: "proto.c: logicalrep_write_typ",
  fields: {
    typeId: oid("The oid by which relations name it."),
    namespace: cstring("Its schema, for a domain the one of its base type; empty for pg_catalog."),
    name: cstring("Its name, for a domain the one of its base type."),
  },
});

export const Insert = message("Insert", "I", {
  doc: "A row was inserted.",
  source: "proto.c: logicalrep_write_insert",
  fields: {
    relationId: oid("The relation's oid."),
    newTuple: after("N", columns("The row."), "The row."),
  },
});

export const Update = message("Update", "U", {
  doc: "A row was updated.",
  source: "proto.c: logicalrep_write_update",
  fields: {
    relationId: oid("The relation's oid."),
    oldTuple: optional(OldTuple, "The old row, if the key changed or the replica identity is full."),
    newTuple: after("N", columns("The new row."), "The new row."),
  },
});

export const Delete = message("Delete", "D", {
  doc: "A row was deleted.",
  source: "proto.c: logicalrep_write_delete",
  fields: {
    relationId: oid("The relation's oid."),
    oldTuple: OldTuple,
  },
});

export const Truncate = message("Truncate", "T", {
  doc: "Tables were truncated: servers from 11 on.",
  source: "proto.c: logicalrep_write_truncate",
  fields: {
    relationCount: countOf("relationIds", "How many relations."),
    options: flags({ cascade: 1, restartIdentity: 2 }, "The options of TRUNCATE."),
    relationIds: list("elsewhere", oid("The relation's oid."), "The relations' oids."),
  },
});

export const PgoutputMessage = family("PgoutputMessage", {
  doc: "What pgoutput says in protocol version 1.",
  example: { hex: "49 0000400b 4e 0003 74 00000001 32 6e 74 00000003 736164", type: "Insert" },
  messages: [Begin, Message, Commit, Origin, Relation, Type, Insert, Update, Delete, Truncate],
});

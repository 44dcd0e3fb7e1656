// Generated from src/logical/messages.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { mustBeArray, mustBeContext, mustBeObject, refuse } from "../wire/check.ts";
import { readCounted, writeCounted } from "../wire/counted.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { Reader } from "../wire/reader.ts";
import { readTuple, type TupleData, writeTuple } from "../wire/tuple.ts";
import { bitOf, readBits, readLiteral, readWord, writeWord } from "../wire/words.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";

const replicaIdentityWords = { d: "default", n: "nothing", f: "full", i: "index" } as const;

/** A column of a table. */
export interface RelationColumn {
  /** Part of the replica identity. */
  readonly key: boolean;
  /** Its name. */
  readonly name: string;
  /** The oid of its type. */
  readonly typeId: number;
  /** atttypmod, such as the length of a varchar plus 4; -1 if none. */
  readonly typeModifier: number;
}

/**
 * A row before it changed, as far as the server sends it.
 * - `key`: The columns of the replica identity; all others are null. `tuple`: One per column of the relation. A view into the bytes that were decoded, not a copy.
 * - `full`: The whole row: the table has REPLICA IDENTITY FULL. `tuple`: One per column of the relation. A view into the bytes that were decoded, not a copy.
 */
export type OldTuple =
  | {
      readonly type: "key";
      /** One per column of the relation. A view into the bytes that were decoded, not a copy. */
      readonly tuple: TupleData;
    }
  | {
      readonly type: "full";
      /** One per column of the relation. A view into the bytes that were decoded, not a copy. */
      readonly tuple: TupleData;
    };

/**
 * A transaction begins. It is sent after the commit.
 *
 * @source proto.c: logicalrep_write_begin
 */
export interface Begin {
  readonly type: "Begin";
  /** Start of its commit record. Bytes. */
  readonly finalLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
  /** Its transaction id. */
  readonly xid: number;
}

/**
 * A message that pg_logical_emit_message wrote. Servers from 14 on, with the option messages.
 *
 * @source proto.c: logicalrep_write_message
 */
export interface Message {
  readonly type: "Message";
  /** In a stream segment, the toplevel transaction, even for a message of a subtransaction. */
  readonly xid?: number | undefined;
  /** Whether it is part of a transaction: true only inside one. */
  readonly transactional: boolean;
  /** Its position in the WAL. Bytes. */
  readonly lsn: Lsn;
  /** Its prefix. */
  readonly prefix: string;
  /** Its content. A view into the bytes that were decoded, not a copy. */
  readonly content: Uint8Array;
}

/**
 * The transaction ends.
 *
 * @source proto.c: logicalrep_write_commit
 */
export interface Commit {
  readonly type: "Commit";
  /** Start of its commit record. Bytes. */
  readonly commitLsn: Lsn;
  /** End of its commit record: the position to confirm once the transaction is stored. Bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
}

/**
 * The origin of a transaction that this server received by replication.
 *
 * @source proto.c: logicalrep_write_origin
 */
export interface Origin {
  readonly type: "Origin";
  /** Position of its commit on the origin's server; 0 in a stream segment. Bytes. */
  readonly commitLsn: Lsn;
  /** The name of the origin. */
  readonly name: string;
}

/**
 * The description of a table from here on. Sent before its first change, and again after it has changed.
 *
 * @source proto.c: logicalrep_write_rel
 */
export interface Relation {
  readonly type: "Relation";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** Its oid, by which changes name it. */
  readonly relationId: number;
  /** Its schema; empty for pg_catalog. */
  readonly namespace: string;
  /** Its name. */
  readonly name: string;
  /** Which columns of the old row an Update or Delete has. */
  readonly replicaIdentity: "default" | "nothing" | "full" | "index";
  /** The published columns, by position. */
  readonly columns: readonly RelationColumn[];
}

/**
 * A type that is not built in. Sent before the first relation that has a column of it.
 *
 * @source proto.c: logicalrep_write_typ
 */
export interface Type {
  readonly type: "Type";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** Its oid, by which relations name it. */
  readonly typeId: number;
  /** Its schema, for a domain that of its base type; empty for pg_catalog. */
  readonly namespace: string;
  /** Its name, for a domain that of its base type. */
  readonly name: string;
}

/**
 * A row was inserted.
 *
 * @source proto.c: logicalrep_write_insert
 */
export interface Insert {
  readonly type: "Insert";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** The relation's oid. */
  readonly relationId: number;
  /** The row. */
  readonly newTuple: TupleData;
}

/**
 * A row was updated.
 *
 * @source proto.c: logicalrep_write_update
 */
export interface Update {
  readonly type: "Update";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** The relation's oid. */
  readonly relationId: number;
  /** The old row, if the key changed or the replica identity is full. */
  readonly oldTuple?: OldTuple | undefined;
  /** The new row. */
  readonly newTuple: TupleData;
}

/**
 * A row was deleted.
 *
 * @source proto.c: logicalrep_write_delete
 */
export interface Delete {
  readonly type: "Delete";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** The relation's oid. */
  readonly relationId: number;
  /** A row before it changed, as far as the server sends it. */
  readonly oldTuple: OldTuple;
}

/**
 * Tables were truncated. Servers from 11 on.
 *
 * @source proto.c: logicalrep_write_truncate
 */
export interface Truncate {
  readonly type: "Truncate";
  /** In a stream segment, the transaction or subtransaction that it belongs to. */
  readonly xid?: number | undefined;
  /** The options of TRUNCATE. */
  readonly options: {
    /** Bit 1. */ readonly cascade: boolean;
    /** Bit 2. */
    readonly restartIdentity: boolean;
  };
  /** The relations' oids. */
  readonly relationIds: readonly number[];
}

/**
 * A stream segment begins: a part of a transaction in progress. Servers from 14 on, with the option streaming.
 *
 * @source proto.c: logicalrep_write_stream_start
 */
export interface StreamStart {
  readonly type: "StreamStart";
  /** The transaction. */
  readonly xid: number;
  /** Whether it is the first segment of this transaction. */
  readonly firstSegment: boolean;
}

/**
 * The stream segment ends. Servers from 14 on, with the option streaming.
 *
 * @source proto.c: logicalrep_write_stream_stop
 */
export interface StreamStop {
  readonly type: "StreamStop";
}

/**
 * A streamed transaction has committed. Servers from 14 on, with the option streaming.
 *
 * @source proto.c: logicalrep_write_stream_commit
 */
export interface StreamCommit {
  readonly type: "StreamCommit";
  /** The transaction. */
  readonly xid: number;
  /** Start of its commit record. Bytes. */
  readonly commitLsn: Lsn;
  /** End of its commit record: the position to confirm once the transaction is stored. Bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
}

/**
 * A streamed transaction or one of its subtransactions was rolled back. 18 before 18.7 also sends it for subtransactions that it never streamed, even without streaming. Servers from 14 on, with the option streaming.
 *
 * @source proto.c: logicalrep_write_stream_abort
 */
export interface StreamAbort {
  readonly type: "StreamAbort";
  /** The transaction. */
  readonly xid: number;
  /** The subtransaction that was rolled back, or `xid` for the whole transaction. */
  readonly subxid: number;
  /** End of its abort record, with streaming 'parallel'. Bytes. */
  readonly abortLsn?: Lsn | undefined;
  /** When it was rolled back, with streaming 'parallel'. Microseconds since 2000-01-01 UTC. */
  readonly abortTime?: PgTime | undefined;
}

/**
 * A prepared transaction begins. Servers from 15 on, with the option two_phase.
 *
 * @source proto.c: logicalrep_write_begin_prepare
 */
export interface BeginPrepare {
  readonly type: "BeginPrepare";
  /** Start of the record of PREPARE TRANSACTION. Bytes. */
  readonly prepareLsn: Lsn;
  /** End of the record of PREPARE TRANSACTION. Bytes. */
  readonly endLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** The transaction. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
}

/**
 * The prepared transaction ends. On 18 before 18.6, one without decoded changes has no BeginPrepare. Servers from 15 on, with the option two_phase.
 *
 * @source proto.c: logicalrep_write_prepare
 */
export interface Prepare {
  readonly type: "Prepare";
  /** Start of the record of PREPARE TRANSACTION. Bytes. */
  readonly prepareLsn: Lsn;
  /** End of the record of PREPARE TRANSACTION. Bytes. */
  readonly endLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** The transaction. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
}

/**
 * A prepared transaction has committed. Servers from 15 on, with the option two_phase.
 *
 * @source proto.c: logicalrep_write_commit_prepared
 */
export interface CommitPrepared {
  readonly type: "CommitPrepared";
  /** Start of the record of COMMIT PREPARED. Bytes. */
  readonly commitLsn: Lsn;
  /** End of the record of COMMIT PREPARED. Bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
  /** The transaction. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
}

/**
 * A prepared transaction was rolled back. Servers from 15 on, with the option two_phase.
 *
 * @source proto.c: logicalrep_write_rollback_prepared
 */
export interface RollbackPrepared {
  readonly type: "RollbackPrepared";
  /** End of the record of PREPARE TRANSACTION. Bytes. */
  readonly prepareEndLsn: Lsn;
  /** End of the record of ROLLBACK PREPARED. Bytes. */
  readonly rollbackEndLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** When it was rolled back. Microseconds since 2000-01-01 UTC. */
  readonly rollbackTime: PgTime;
  /** The transaction. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
}

/**
 * A streamed transaction is prepared. Servers from 15 on, with the options streaming and two_phase.
 *
 * @source proto.c: logicalrep_write_stream_prepare
 */
export interface StreamPrepare {
  readonly type: "StreamPrepare";
  /** Start of the record of PREPARE TRANSACTION. Bytes. */
  readonly prepareLsn: Lsn;
  /** End of the record of PREPARE TRANSACTION. Bytes. */
  readonly endLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** The transaction. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
}

/** The messages of pgoutput, in all of its protocol versions. */
export type PgoutputMessage =
  | Begin
  | Message
  | Commit
  | Origin
  | Relation
  | Type
  | Insert
  | Update
  | Delete
  | Truncate
  | StreamStart
  | StreamStop
  | StreamCommit
  | StreamAbort
  | BeginPrepare
  | Prepare
  | CommitPrepared
  | RollbackPrepared
  | StreamPrepare;

/** A change of one or more relations. */
export type RelationChange = Insert | Update | Delete | Truncate;

/** What a decoder must know beside the bytes of a message. PgoutputDecoder keeps track of it. */
export interface PgoutputContext {
  /** The message is between StreamStart and StreamStop. */
  readonly inStream: boolean;
  /** The stream was asked for with streaming 'parallel'. */
  readonly parallel: boolean;
}

/** The default context. */
const otherwisePgoutputContext: PgoutputContext = { inStream: false, parallel: false };

/**
 * Decode one message: the messages of pgoutput, in all of its protocol versions.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @param context What a decoder must know beside the bytes of a message. PgoutputDecoder keeps track of it.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source proto.c
 * @example decodePgoutputMessage(hex("49 0000400b 4e 0003 74 00000001 32 6e 74 00000003 736164")).type // "Insert"
 */
export function decodePgoutputMessage(
  bytes: Uint8Array,
  context: PgoutputContext = otherwisePgoutputContext,
): PgoutputMessage {
  mustBeContext(context);
  return readPgoutputMessage(new Reader(bytes), context);
}

/** Read one PgoutputMessage, which is all that the reader has left. @internal */
export function readPgoutputMessage(r: Reader, context: PgoutputContext): PgoutputMessage {
  let message: PgoutputMessage;
  switch (r.u8("PgoutputMessage.type")) {
    case 0x42: // B
      message = readBegin(r);
      break;
    case 0x4d: // M
      message = readMessage(r, context);
      break;
    case 0x43: // C
      message = readCommit(r);
      break;
    case 0x4f: // O
      message = readOrigin(r);
      break;
    case 0x52: // R
      message = readRelation(r, context);
      break;
    case 0x59: // Y
      message = readType(r, context);
      break;
    case 0x49: // I
      message = readInsert(r, context);
      break;
    case 0x55: // U
      message = readUpdate(r, context);
      break;
    case 0x44: // D
      message = readDelete(r, context);
      break;
    case 0x54: // T
      message = readTruncate(r, context);
      break;
    case 0x53: // S
      message = readStreamStart(r);
      break;
    case 0x45: // E
      message = readStreamStop();
      break;
    case 0x63: // c
      message = readStreamCommit(r);
      break;
    case 0x41: // A
      message = readStreamAbort(r, context);
      break;
    case 0x62: // b
      message = readBeginPrepare(r);
      break;
    case 0x50: // P
      message = readPrepare(r);
      break;
    case 0x4b: // K
      message = readCommitPrepared(r);
      break;
    case 0x72: // r
      message = readRollbackPrepared(r);
      break;
    case 0x70: // p
      message = readStreamPrepare(r);
      break;
    default:
      return r.notOneOf("BAD_TAG", "BMCORYIUDTSEcAbPKrp", "PgoutputMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: the messages of pgoutput, in all of its protocol versions.
 *
 * @returns The type byte and the fields, in a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source proto.c
 */
export function encodePgoutputMessage(message: PgoutputMessage): Uint8Array {
  return encodeWith(writePgoutputMessage, message);
}

function writePgoutputMessage(w: Writer, message: PgoutputMessage): void {
  mustBeObject(message, "PgoutputMessage");
  switch (message.type) {
    case "Begin":
      return writeBegin(w, message);
    case "Message":
      return writeMessage(w, message);
    case "Commit":
      return writeCommit(w, message);
    case "Origin":
      return writeOrigin(w, message);
    case "Relation":
      return writeRelation(w, message);
    case "Type":
      return writeType(w, message);
    case "Insert":
      return writeInsert(w, message);
    case "Update":
      return writeUpdate(w, message);
    case "Delete":
      return writeDelete(w, message);
    case "Truncate":
      return writeTruncate(w, message);
    case "StreamStart":
      return writeStreamStart(w, message);
    case "StreamStop":
      return writeStreamStop(w);
    case "StreamCommit":
      return writeStreamCommit(w, message);
    case "StreamAbort":
      return writeStreamAbort(w, message);
    case "BeginPrepare":
      return writeBeginPrepare(w, message);
    case "Prepare":
      return writePrepare(w, message);
    case "CommitPrepared":
      return writeCommitPrepared(w, message);
    case "RollbackPrepared":
      return writeRollbackPrepared(w, message);
    case "StreamPrepare":
      return writeStreamPrepare(w, message);
    default:
      refuse(
        '"Begin", "Message", "Commit", "Origin", "Relation", "Type", "Insert", "Update", "Delete", "Truncate", "StreamStart", "StreamStop", "StreamCommit", "StreamAbort", "BeginPrepare", "Prepare", "CommitPrepared", "RollbackPrepared" or "StreamPrepare"',
        (message as { type: unknown }).type,
        "PgoutputMessage.type",
      );
  }
}

function readBegin(r: Reader): Begin {
  const finalLsn = r.lsn("Begin.finalLsn");
  const commitTime = r.time("Begin.commitTime");
  const xid = r.u32("Begin.xid");
  return { type: "Begin", finalLsn, commitTime, xid };
}

function writeBegin(w: Writer, message: Begin): void {
  w.literal("B");
  w.lsn(message.finalLsn, "Begin.finalLsn");
  w.time(message.commitTime, "Begin.commitTime");
  w.u32(message.xid, "Begin.xid");
}

function readMessage(r: Reader, context: PgoutputContext): Message {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Message.xid");
    xid = value;
  }
  const transactional = r.bool("Message.transactional");
  const lsn = r.lsn("Message.lsn");
  const prefix = readCString(r, "Message.prefix");
  const content = readCounted(r, "Message.content");
  return { type: "Message", xid, transactional, lsn, prefix, content };
}

function writeMessage(w: Writer, message: Message): void {
  w.literal("M");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Message.xid");
  }
  w.bool(message.transactional, "Message.transactional");
  w.lsn(message.lsn, "Message.lsn");
  writeCString(w, message.prefix, "Message.prefix");
  writeCounted(w, message.content, "Message.content");
}

function readCommit(r: Reader): Commit {
  readBits(r, 0, "Commit.flags");
  const commitLsn = r.lsn("Commit.commitLsn");
  const endLsn = r.lsn("Commit.endLsn");
  const commitTime = r.time("Commit.commitTime");
  return { type: "Commit", commitLsn, endLsn, commitTime };
}

function writeCommit(w: Writer, message: Commit): void {
  w.literal("C");
  w.u8(0, "Commit.flags");
  w.lsn(message.commitLsn, "Commit.commitLsn");
  w.lsn(message.endLsn, "Commit.endLsn");
  w.time(message.commitTime, "Commit.commitTime");
}

function readOrigin(r: Reader): Origin {
  const commitLsn = r.lsn("Origin.commitLsn");
  const name = readCString(r, "Origin.name");
  return { type: "Origin", commitLsn, name };
}

function writeOrigin(w: Writer, message: Origin): void {
  w.literal("O");
  w.lsn(message.commitLsn, "Origin.commitLsn");
  writeCString(w, message.name, "Origin.name");
}

function readRelation(r: Reader, context: PgoutputContext): Relation {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Relation.xid");
    xid = value;
  }
  const relationId = r.u32("Relation.relationId");
  const namespace = readCString(r, "Relation.namespace");
  const name = readCString(r, "Relation.name");
  const replicaIdentity = readWord(r, replicaIdentityWords, "Relation.replicaIdentity");
  const columns = readRelationColumns(r, "Relation.columns");
  return { type: "Relation", xid, relationId, namespace, name, replicaIdentity, columns };
}

function writeRelation(w: Writer, message: Relation): void {
  w.literal("R");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Relation.xid");
  }
  w.u32(message.relationId, "Relation.relationId");
  writeCString(w, message.namespace, "Relation.namespace");
  writeCString(w, message.name, "Relation.name");
  writeWord(w, replicaIdentityWords, message.replicaIdentity, "Relation.replicaIdentity");
  writeRelationColumns(w, message.columns, "Relation.columns");
}

function readType(r: Reader, context: PgoutputContext): Type {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Type.xid");
    xid = value;
  }
  const typeId = r.u32("Type.typeId");
  const namespace = readCString(r, "Type.namespace");
  const name = readCString(r, "Type.name");
  return { type: "Type", xid, typeId, namespace, name };
}

function writeType(w: Writer, message: Type): void {
  w.literal("Y");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Type.xid");
  }
  w.u32(message.typeId, "Type.typeId");
  writeCString(w, message.namespace, "Type.namespace");
  writeCString(w, message.name, "Type.name");
}

function readInsert(r: Reader, context: PgoutputContext): Insert {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Insert.xid");
    xid = value;
  }
  const relationId = r.u32("Insert.relationId");
  readLiteral(r, "N", "Insert.newTuple");
  const newTuple = readTuple(r, "Insert.newTuple");
  return { type: "Insert", xid, relationId, newTuple };
}

function writeInsert(w: Writer, message: Insert): void {
  w.literal("I");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Insert.xid");
  }
  w.u32(message.relationId, "Insert.relationId");
  w.literal("N");
  writeTuple(w, message.newTuple, "Insert.newTuple");
}

function readUpdate(r: Reader, context: PgoutputContext): Update {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Update.xid");
    xid = value;
  }
  const relationId = r.u32("Update.relationId");
  let oldTuple: OldTuple | undefined;
  if (r.bytes[r.offset] === 0x4b || r.bytes[r.offset] === 0x4f) {
    switch (r.u8("Update.oldTuple.type")) {
      case 0x4b: {
        // K
        const tuple = readTuple(r, "Update.oldTuple.tuple");
        oldTuple = { type: "key", tuple };
        break;
      }
      case 0x4f: {
        // O
        const tuple = readTuple(r, "Update.oldTuple.tuple");
        oldTuple = { type: "full", tuple };
        break;
      }
      default:
        return r.notOneOf("BAD_VALUE", "KO", "Update.oldTuple.type");
    }
  }
  readLiteral(r, "N", "Update.newTuple");
  const newTuple = readTuple(r, "Update.newTuple");
  return { type: "Update", xid, relationId, oldTuple, newTuple };
}

function writeUpdate(w: Writer, message: Update): void {
  w.literal("U");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Update.xid");
  }
  w.u32(message.relationId, "Update.relationId");
  if (message.oldTuple !== undefined) {
    mustBeObject(message.oldTuple, "Update.oldTuple");
    switch (message.oldTuple.type) {
      case "key":
        w.literal("K");
        writeTuple(w, message.oldTuple.tuple, "Update.oldTuple.tuple");
        break;
      case "full":
        w.literal("O");
        writeTuple(w, message.oldTuple.tuple, "Update.oldTuple.tuple");
        break;
      default:
        refuse('"key" or "full"', (message.oldTuple as { type: unknown }).type, "Update.oldTuple.type");
    }
  }
  w.literal("N");
  writeTuple(w, message.newTuple, "Update.newTuple");
}

function readDelete(r: Reader, context: PgoutputContext): Delete {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Delete.xid");
    xid = value;
  }
  const relationId = r.u32("Delete.relationId");
  let oldTuple: OldTuple;
  switch (r.u8("Delete.oldTuple.type")) {
    case 0x4b: {
      // K
      const tuple = readTuple(r, "Delete.oldTuple.tuple");
      oldTuple = { type: "key", tuple };
      break;
    }
    case 0x4f: {
      // O
      const tuple = readTuple(r, "Delete.oldTuple.tuple");
      oldTuple = { type: "full", tuple };
      break;
    }
    default:
      return r.notOneOf("BAD_VALUE", "KO", "Delete.oldTuple.type");
  }
  return { type: "Delete", xid, relationId, oldTuple };
}

function writeDelete(w: Writer, message: Delete): void {
  w.literal("D");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Delete.xid");
  }
  w.u32(message.relationId, "Delete.relationId");
  mustBeObject(message.oldTuple, "Delete.oldTuple");
  switch (message.oldTuple.type) {
    case "key":
      w.literal("K");
      writeTuple(w, message.oldTuple.tuple, "Delete.oldTuple.tuple");
      break;
    case "full":
      w.literal("O");
      writeTuple(w, message.oldTuple.tuple, "Delete.oldTuple.tuple");
      break;
    default:
      refuse('"key" or "full"', (message.oldTuple as { type: unknown }).type, "Delete.oldTuple.type");
  }
}

function readTruncate(r: Reader, context: PgoutputContext): Truncate {
  let xid: number | undefined;
  if (context.inStream) {
    const value = r.u32("Truncate.xid");
    xid = value;
  }
  const relationCount = r.u32("Truncate.relationCount");
  const optionsBits = readBits(r, 3, "Truncate.options");
  const options = { cascade: (optionsBits & 1) !== 0, restartIdentity: (optionsBits & 2) !== 0 };
  const relationIds: number[] = [];
  for (let i = 0; i < relationCount; i++) {
    const element = r.u32("Truncate.relationIds", i);
    relationIds.push(element);
  }
  return { type: "Truncate", xid, options, relationIds };
}

function writeTruncate(w: Writer, message: Truncate): void {
  w.literal("T");
  if (message.xid !== undefined) {
    w.u32(message.xid, "Truncate.xid");
  }
  mustBeArray(message.relationIds, "Truncate.relationIds");
  w.u32(message.relationIds.length, "Truncate.relationCount");
  mustBeObject(message.options, "Truncate.options");
  w.u8(
    bitOf(message.options.cascade, 1, "Truncate.options.cascade") |
      bitOf(message.options.restartIdentity, 2, "Truncate.options.restartIdentity"),
    "Truncate.options",
  );
  mustBeArray(message.relationIds, "Truncate.relationIds");
  for (let i = 0; i < message.relationIds.length; i++) {
    w.u32(message.relationIds[i]!, "Truncate.relationIds", i);
  }
}

function readStreamStart(r: Reader): StreamStart {
  const xid = r.u32("StreamStart.xid");
  const firstSegment = r.bool("StreamStart.firstSegment");
  return { type: "StreamStart", xid, firstSegment };
}

function writeStreamStart(w: Writer, message: StreamStart): void {
  w.literal("S");
  w.u32(message.xid, "StreamStart.xid");
  w.bool(message.firstSegment, "StreamStart.firstSegment");
}

function readStreamStop(): StreamStop {
  return { type: "StreamStop" };
}

function writeStreamStop(w: Writer): void {
  w.literal("E");
}

function readStreamCommit(r: Reader): StreamCommit {
  const xid = r.u32("StreamCommit.xid");
  readBits(r, 0, "StreamCommit.flags");
  const commitLsn = r.lsn("StreamCommit.commitLsn");
  const endLsn = r.lsn("StreamCommit.endLsn");
  const commitTime = r.time("StreamCommit.commitTime");
  return { type: "StreamCommit", xid, commitLsn, endLsn, commitTime };
}

function writeStreamCommit(w: Writer, message: StreamCommit): void {
  w.literal("c");
  w.u32(message.xid, "StreamCommit.xid");
  w.u8(0, "StreamCommit.flags");
  w.lsn(message.commitLsn, "StreamCommit.commitLsn");
  w.lsn(message.endLsn, "StreamCommit.endLsn");
  w.time(message.commitTime, "StreamCommit.commitTime");
}

function readStreamAbort(r: Reader, context: PgoutputContext): StreamAbort {
  const xid = r.u32("StreamAbort.xid");
  const subxid = r.u32("StreamAbort.subxid");
  let abortLsn: Lsn | undefined;
  if (context.parallel) {
    const value = r.lsn("StreamAbort.abortLsn");
    abortLsn = value;
  }
  let abortTime: PgTime | undefined;
  if (context.parallel) {
    const value = r.time("StreamAbort.abortTime");
    abortTime = value;
  }
  return { type: "StreamAbort", xid, subxid, abortLsn, abortTime };
}

function writeStreamAbort(w: Writer, message: StreamAbort): void {
  w.literal("A");
  w.u32(message.xid, "StreamAbort.xid");
  w.u32(message.subxid, "StreamAbort.subxid");
  if (message.abortLsn !== undefined) {
    w.lsn(message.abortLsn, "StreamAbort.abortLsn");
  }
  if (message.abortLsn !== undefined) {
    w.time(message.abortTime!, "StreamAbort.abortTime");
  } else w.absent(message.abortTime, "abortLsn", "StreamAbort.abortTime");
}

function readBeginPrepare(r: Reader): BeginPrepare {
  const prepareLsn = r.lsn("BeginPrepare.prepareLsn");
  const endLsn = r.lsn("BeginPrepare.endLsn");
  const prepareTime = r.time("BeginPrepare.prepareTime");
  const xid = r.u32("BeginPrepare.xid");
  const gid = readCString(r, "BeginPrepare.gid");
  return { type: "BeginPrepare", prepareLsn, endLsn, prepareTime, xid, gid };
}

function writeBeginPrepare(w: Writer, message: BeginPrepare): void {
  w.literal("b");
  w.lsn(message.prepareLsn, "BeginPrepare.prepareLsn");
  w.lsn(message.endLsn, "BeginPrepare.endLsn");
  w.time(message.prepareTime, "BeginPrepare.prepareTime");
  w.u32(message.xid, "BeginPrepare.xid");
  writeCString(w, message.gid, "BeginPrepare.gid");
}

function readPrepare(r: Reader): Prepare {
  readBits(r, 0, "Prepare.flags");
  const prepareLsn = r.lsn("Prepare.prepareLsn");
  const endLsn = r.lsn("Prepare.endLsn");
  const prepareTime = r.time("Prepare.prepareTime");
  const xid = r.u32("Prepare.xid");
  const gid = readCString(r, "Prepare.gid");
  return { type: "Prepare", prepareLsn, endLsn, prepareTime, xid, gid };
}

function writePrepare(w: Writer, message: Prepare): void {
  w.literal("P");
  w.u8(0, "Prepare.flags");
  w.lsn(message.prepareLsn, "Prepare.prepareLsn");
  w.lsn(message.endLsn, "Prepare.endLsn");
  w.time(message.prepareTime, "Prepare.prepareTime");
  w.u32(message.xid, "Prepare.xid");
  writeCString(w, message.gid, "Prepare.gid");
}

function readCommitPrepared(r: Reader): CommitPrepared {
  readBits(r, 0, "CommitPrepared.flags");
  const commitLsn = r.lsn("CommitPrepared.commitLsn");
  const endLsn = r.lsn("CommitPrepared.endLsn");
  const commitTime = r.time("CommitPrepared.commitTime");
  const xid = r.u32("CommitPrepared.xid");
  const gid = readCString(r, "CommitPrepared.gid");
  return { type: "CommitPrepared", commitLsn, endLsn, commitTime, xid, gid };
}

function writeCommitPrepared(w: Writer, message: CommitPrepared): void {
  w.literal("K");
  w.u8(0, "CommitPrepared.flags");
  w.lsn(message.commitLsn, "CommitPrepared.commitLsn");
  w.lsn(message.endLsn, "CommitPrepared.endLsn");
  w.time(message.commitTime, "CommitPrepared.commitTime");
  w.u32(message.xid, "CommitPrepared.xid");
  writeCString(w, message.gid, "CommitPrepared.gid");
}

function readRollbackPrepared(r: Reader): RollbackPrepared {
  readBits(r, 0, "RollbackPrepared.flags");
  const prepareEndLsn = r.lsn("RollbackPrepared.prepareEndLsn");
  const rollbackEndLsn = r.lsn("RollbackPrepared.rollbackEndLsn");
  const prepareTime = r.time("RollbackPrepared.prepareTime");
  const rollbackTime = r.time("RollbackPrepared.rollbackTime");
  const xid = r.u32("RollbackPrepared.xid");
  const gid = readCString(r, "RollbackPrepared.gid");
  return { type: "RollbackPrepared", prepareEndLsn, rollbackEndLsn, prepareTime, rollbackTime, xid, gid };
}

function writeRollbackPrepared(w: Writer, message: RollbackPrepared): void {
  w.literal("r");
  w.u8(0, "RollbackPrepared.flags");
  w.lsn(message.prepareEndLsn, "RollbackPrepared.prepareEndLsn");
  w.lsn(message.rollbackEndLsn, "RollbackPrepared.rollbackEndLsn");
  w.time(message.prepareTime, "RollbackPrepared.prepareTime");
  w.time(message.rollbackTime, "RollbackPrepared.rollbackTime");
  w.u32(message.xid, "RollbackPrepared.xid");
  writeCString(w, message.gid, "RollbackPrepared.gid");
}

function readStreamPrepare(r: Reader): StreamPrepare {
  readBits(r, 0, "StreamPrepare.flags");
  const prepareLsn = r.lsn("StreamPrepare.prepareLsn");
  const endLsn = r.lsn("StreamPrepare.endLsn");
  const prepareTime = r.time("StreamPrepare.prepareTime");
  const xid = r.u32("StreamPrepare.xid");
  const gid = readCString(r, "StreamPrepare.gid");
  return { type: "StreamPrepare", prepareLsn, endLsn, prepareTime, xid, gid };
}

function writeStreamPrepare(w: Writer, message: StreamPrepare): void {
  w.literal("p");
  w.u8(0, "StreamPrepare.flags");
  w.lsn(message.prepareLsn, "StreamPrepare.prepareLsn");
  w.lsn(message.endLsn, "StreamPrepare.endLsn");
  w.time(message.prepareTime, "StreamPrepare.prepareTime");
  w.u32(message.xid, "StreamPrepare.xid");
  writeCString(w, message.gid, "StreamPrepare.gid");
}

function readRelationColumns(r: Reader, path: string): readonly RelationColumn[] {
  const length = r.u16(path);
  const elements: RelationColumn[] = [];
  for (let i = 0; i < length; i++) {
    let element: RelationColumn;
    {
      const key = r.bool(path, i, ".key");
      const name = readCString(r, path, i, ".name");
      const typeId = r.u32(path, i, ".typeId");
      const typeModifier = r.i32(path, i, ".typeModifier");
      element = { key, name, typeId, typeModifier };
    }
    elements.push(element);
  }
  return elements;
}

function writeRelationColumns(w: Writer, elements: readonly RelationColumn[], path: string): void {
  mustBeArray(elements, path);
  w.u16(elements.length, path);
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    mustBeObject(element, path, i);
    w.bool(element.key, path, i, ".key");
    writeCString(w, element.name, path, i, ".name");
    w.u32(element.typeId, path, i, ".typeId");
    w.i32(element.typeModifier, path, i, ".typeModifier");
  }
}

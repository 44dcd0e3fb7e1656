// Generated from src/logical/messages.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../lsn.ts";
import type { PgTime } from "../time.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith, mustBeArray, mustBeObject, quoted, refuse, type Writer } from "../wire/writer.ts";

const replicaIdentityWords = { d: "default", n: "nothing", f: "full", i: "index" } as const;

/** A column of a table. */
export interface RelationColumn {
  /** Part of the replica identity. */
  readonly key: boolean;
  /** Its name. */
  readonly name: string;
  /** The oid of its type. */
  readonly typeId: number;
  /** atttypmod: such as the length of a varchar plus 4, or -1. */
  readonly typeModifier: number;
}

/**
 * One column of a row.
 * - `null`: NULL; in an old key also every column that is not part of it.
 * - `unchanged`: A TOASTed value that did not change, so the server does not know it.
 * - `text`: A value in the text format of its type. `value`: The text, in the client's encoding. A view into the bytes that were decoded, not a copy.
 * - `binary`: A value in the binary format of its type: servers from 14 on, with the option binary. `value`: What the type's send function gave. A view into the bytes that were decoded, not a copy.
 */
export type TupleColumn =
  | { readonly type: "null" }
  | { readonly type: "unchanged" }
  | { readonly type: "text"; readonly value: Uint8Array }
  | { readonly type: "binary"; readonly value: Uint8Array };

const tupleColumnNull: TupleColumn = /* @__PURE__ */ Object.freeze({ type: "null" });

const tupleColumnUnchanged: TupleColumn = /* @__PURE__ */ Object.freeze({ type: "unchanged" });

/**
 * What is known of a row before it changed.
 * - `key`: The replica identity's columns; all others are null. `columns`: One per column of the relation.
 * - `full`: The whole row: the table has REPLICA IDENTITY FULL. `columns`: One per column of the relation.
 */
export type OldTuple =
  | { readonly type: "key"; readonly columns: readonly TupleColumn[] }
  | { readonly type: "full"; readonly columns: readonly TupleColumn[] };

/**
 * A transaction begins. It is sent when the transaction has committed.
 *
 * @source proto.c: logicalrep_write_begin
 */
export interface Begin {
  readonly type: "Begin";
  /** Where its commit record begins. Bytes. */
  readonly finalLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
  /** Its transaction id. */
  readonly xid: number;
}

/**
 * What pg_logical_emit_message wrote: servers from 14 on, with the option messages.
 *
 * @source proto.c: logicalrep_write_message
 */
export interface Message {
  readonly type: "Message";
  /** Part of the transaction around it, or on its own. */
  readonly transactional: boolean;
  /** Where it stands in WAL. Bytes. */
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
  /** Where its commit record begins. Bytes. */
  readonly commitLsn: Lsn;
  /** Where its commit record ends: what to confirm once the transaction is safe. Bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
}

/**
 * The transaction came to this server by replication from there.
 *
 * @source proto.c: logicalrep_write_origin
 */
export interface Origin {
  readonly type: "Origin";
  /** Where it committed on the origin's server. Bytes. */
  readonly commitLsn: Lsn;
  /** The name of the origin. */
  readonly name: string;
}

/**
 * What a table looks like from here on. Sent before the first change of it, and again when it has changed.
 *
 * @source proto.c: logicalrep_write_rel
 */
export interface Relation {
  readonly type: "Relation";
  /** The oid by which changes name it. */
  readonly relationId: number;
  /** Its schema; empty for pg_catalog. */
  readonly namespace: string;
  /** Its name. */
  readonly name: string;
  /** Which columns of the old row an update or delete brings. */
  readonly replicaIdentity: "default" | "nothing" | "full" | "index";
  /** The columns that are published, by position. */
  readonly columns: readonly RelationColumn[];
}

/**
 * A type that is not built in. Sent before the first relation that has a column of it.
 *
 * @source proto.c: logicalrep_write_typ
 */
export interface Type {
  readonly type: "Type";
  /** The oid by which relations name it. */
  readonly typeId: number;
  /** Its schema, for a domain the one of its base type; empty for pg_catalog. */
  readonly namespace: string;
  /** Its name, for a domain the one of its base type. */
  readonly name: string;
}

/**
 * A row was inserted.
 *
 * @source proto.c: logicalrep_write_insert
 */
export interface Insert {
  readonly type: "Insert";
  /** The relation's oid. */
  readonly relationId: number;
  /** The row. */
  readonly newTuple: readonly TupleColumn[];
}

/**
 * A row was updated.
 *
 * @source proto.c: logicalrep_write_update
 */
export interface Update {
  readonly type: "Update";
  /** The relation's oid. */
  readonly relationId: number;
  /** The old row, if the key changed or the replica identity is full. */
  readonly oldTuple: OldTuple | undefined;
  /** The new row. */
  readonly newTuple: readonly TupleColumn[];
}

/**
 * A row was deleted.
 *
 * @source proto.c: logicalrep_write_delete
 */
export interface Delete {
  readonly type: "Delete";
  /** The relation's oid. */
  readonly relationId: number;
  /** What is known of a row before it changed. */
  readonly oldTuple: OldTuple;
}

/**
 * Tables were truncated: servers from 11 on.
 *
 * @source proto.c: logicalrep_write_truncate
 */
export interface Truncate {
  readonly type: "Truncate";
  /** The options of TRUNCATE. */
  readonly options: { readonly cascade: boolean; readonly restartIdentity: boolean };
  /** The relations' oids. */
  readonly relationIds: readonly number[];
}

/** What pgoutput says in protocol version 1. */
export type PgoutputMessage = Begin | Message | Commit | Origin | Relation | Type | Insert | Update | Delete | Truncate;

/**
 * Decode one message: what pgoutput says in protocol version 1.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path.
 * @source proto.c
 * @example decodePgoutputMessage(hex("49 0000400b 4e 0003 74 00000001 32 6e 74 00000003 736164")).type // "Insert"
 */
export function decodePgoutputMessage(bytes: Uint8Array): PgoutputMessage {
  const r = new Reader(bytes);
  let message: PgoutputMessage;
  switch (r.u8("PgoutputMessage.type")) {
    case 0x42:
      message = readBegin(r);
      break; // B
    case 0x4d:
      message = readMessage(r);
      break; // M
    case 0x43:
      message = readCommit(r);
      break; // C
    case 0x4f:
      message = readOrigin(r);
      break; // O
    case 0x52:
      message = readRelation(r);
      break; // R
    case 0x59:
      message = readType(r);
      break; // Y
    case 0x49:
      message = readInsert(r);
      break; // I
    case 0x55:
      message = readUpdate(r);
      break; // U
    case 0x44:
      message = readDelete(r);
      break; // D
    case 0x54:
      message = readTruncate(r);
      break; // T
    default:
      return r.badTag("BMCORYIUDT", "PgoutputMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: what pgoutput says in protocol version 1.
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
    default:
      refuse(
        quoted(["Begin", "Message", "Commit", "Origin", "Relation", "Type", "Insert", "Update", "Delete", "Truncate"]),
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

function readMessage(r: Reader): Message {
  const transactional = r.bool("Message.transactional");
  const lsn = r.lsn("Message.lsn");
  const prefix = r.cstring("Message.prefix");
  const content = r.counted("Message.content");
  return { type: "Message", transactional, lsn, prefix, content };
}

function writeMessage(w: Writer, message: Message): void {
  w.literal("M");
  w.bool(message.transactional, "Message.transactional");
  w.lsn(message.lsn, "Message.lsn");
  w.cstring(message.prefix, "Message.prefix");
  w.counted(message.content, "Message.content");
}

function readCommit(r: Reader): Commit {
  r.bits(0, "Commit.flags");
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
  const name = r.cstring("Origin.name");
  return { type: "Origin", commitLsn, name };
}

function writeOrigin(w: Writer, message: Origin): void {
  w.literal("O");
  w.lsn(message.commitLsn, "Origin.commitLsn");
  w.cstring(message.name, "Origin.name");
}

function readRelation(r: Reader): Relation {
  const relationId = r.u32("Relation.relationId");
  const namespace = r.cstring("Relation.namespace");
  const name = r.cstring("Relation.name");
  const replicaIdentity = r.word(replicaIdentityWords, "Relation.replicaIdentity");
  const columns = readRelationColumns(r, "Relation.columns");
  return { type: "Relation", relationId, namespace, name, replicaIdentity, columns };
}

function writeRelation(w: Writer, message: Relation): void {
  w.literal("R");
  w.u32(message.relationId, "Relation.relationId");
  w.cstring(message.namespace, "Relation.namespace");
  w.cstring(message.name, "Relation.name");
  w.word(replicaIdentityWords, message.replicaIdentity, "Relation.replicaIdentity");
  writeRelationColumns(w, message.columns, "Relation.columns");
}

function readType(r: Reader): Type {
  const typeId = r.u32("Type.typeId");
  const namespace = r.cstring("Type.namespace");
  const name = r.cstring("Type.name");
  return { type: "Type", typeId, namespace, name };
}

function writeType(w: Writer, message: Type): void {
  w.literal("Y");
  w.u32(message.typeId, "Type.typeId");
  w.cstring(message.namespace, "Type.namespace");
  w.cstring(message.name, "Type.name");
}

function readInsert(r: Reader): Insert {
  const relationId = r.u32("Insert.relationId");
  r.literal("N", "Insert.newTuple");
  const newTuple = readTupleColumns(r, "Insert.newTuple");
  return { type: "Insert", relationId, newTuple };
}

function writeInsert(w: Writer, message: Insert): void {
  w.literal("I");
  w.u32(message.relationId, "Insert.relationId");
  w.literal("N");
  writeTupleColumns(w, message.newTuple, "Insert.newTuple");
}

function readUpdate(r: Reader): Update {
  const relationId = r.u32("Update.relationId");
  let oldTuple: OldTuple | undefined;
  if (r.peek() === 0x4b || r.peek() === 0x4f) {
    switch (r.u8("Update.oldTuple.type")) {
      case 0x4b: {
        // K
        const columns = readTupleColumns(r, "Update.oldTuple.columns");
        oldTuple = { type: "key", columns };
        break;
      }
      case 0x4f: {
        // O
        const columns = readTupleColumns(r, "Update.oldTuple.columns");
        oldTuple = { type: "full", columns };
        break;
      }
      default:
        return r.notOneOf("KO", "Update.oldTuple.type");
    }
  }
  r.literal("N", "Update.newTuple");
  const newTuple = readTupleColumns(r, "Update.newTuple");
  return { type: "Update", relationId, oldTuple, newTuple };
}

function writeUpdate(w: Writer, message: Update): void {
  w.literal("U");
  w.u32(message.relationId, "Update.relationId");
  if (message.oldTuple !== undefined) {
    mustBeObject(message.oldTuple, "Update.oldTuple");
    switch (message.oldTuple.type) {
      case "key":
        w.literal("K");
        writeTupleColumns(w, message.oldTuple.columns, "Update.oldTuple.columns");
        break;
      case "full":
        w.literal("O");
        writeTupleColumns(w, message.oldTuple.columns, "Update.oldTuple.columns");
        break;
      default:
        refuse(quoted(["key", "full"]), (message.oldTuple as { type: unknown }).type, "Update.oldTuple.type");
    }
  }
  w.literal("N");
  writeTupleColumns(w, message.newTuple, "Update.newTuple");
}

function readDelete(r: Reader): Delete {
  const relationId = r.u32("Delete.relationId");
  let oldTuple: OldTuple;
  switch (r.u8("Delete.oldTuple.type")) {
    case 0x4b: {
      // K
      const columns = readTupleColumns(r, "Delete.oldTuple.columns");
      oldTuple = { type: "key", columns };
      break;
    }
    case 0x4f: {
      // O
      const columns = readTupleColumns(r, "Delete.oldTuple.columns");
      oldTuple = { type: "full", columns };
      break;
    }
    default:
      return r.notOneOf("KO", "Delete.oldTuple.type");
  }
  return { type: "Delete", relationId, oldTuple };
}

function writeDelete(w: Writer, message: Delete): void {
  w.literal("D");
  w.u32(message.relationId, "Delete.relationId");
  mustBeObject(message.oldTuple, "Delete.oldTuple");
  switch (message.oldTuple.type) {
    case "key":
      w.literal("K");
      writeTupleColumns(w, message.oldTuple.columns, "Delete.oldTuple.columns");
      break;
    case "full":
      w.literal("O");
      writeTupleColumns(w, message.oldTuple.columns, "Delete.oldTuple.columns");
      break;
    default:
      refuse(quoted(["key", "full"]), (message.oldTuple as { type: unknown }).type, "Delete.oldTuple.type");
  }
}

function readTruncate(r: Reader): Truncate {
  const relationCount = r.u32("Truncate.relationCount");
  const optionsBits = r.bits(3, "Truncate.options");
  const options = { cascade: (optionsBits & 1) !== 0, restartIdentity: (optionsBits & 2) !== 0 };
  const relationIds: number[] = [];
  for (let i = 0; i < relationCount; i++) {
    const element = r.u32("Truncate.relationIds", i);
    relationIds.push(element);
  }
  return { type: "Truncate", options, relationIds };
}

function writeTruncate(w: Writer, message: Truncate): void {
  w.literal("T");
  mustBeArray(message.relationIds, "Truncate.relationIds");
  w.u32(message.relationIds.length, "Truncate.relationCount");
  mustBeObject(message.options, "Truncate.options");
  w.u8(
    w.bit(message.options.cascade, 1, "Truncate.options.cascade") |
      w.bit(message.options.restartIdentity, 2, "Truncate.options.restartIdentity"),
    "Truncate.options",
  );
  mustBeArray(message.relationIds, "Truncate.relationIds");
  for (let i = 0; i < message.relationIds.length; i++) {
    w.u32(message.relationIds[i]!, "Truncate.relationIds", i);
  }
}

function readRelationColumns(r: Reader, path: string): readonly RelationColumn[] {
  const length = r.u16(path);
  const elements: RelationColumn[] = [];
  for (let i = 0; i < length; i++) {
    const key = r.bool(path, i, ".key");
    const name = r.cstring(path, i, ".name");
    const typeId = r.u32(path, i, ".typeId");
    const typeModifier = r.i32(path, i, ".typeModifier");
    const element: RelationColumn = { key, name, typeId, typeModifier };
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
    w.cstring(element.name, path, i, ".name");
    w.u32(element.typeId, path, i, ".typeId");
    w.i32(element.typeModifier, path, i, ".typeModifier");
  }
}

function readTupleColumns(r: Reader, path: string): readonly TupleColumn[] {
  const length = r.u16(path);
  const elements: TupleColumn[] = [];
  for (let i = 0; i < length; i++) {
    let element: TupleColumn;
    switch (r.u8(path, i, ".type")) {
      case 0x6e: {
        // n

        element = tupleColumnNull;
        break;
      }
      case 0x75: {
        // u

        element = tupleColumnUnchanged;
        break;
      }
      case 0x74: {
        // t
        const value = r.counted(path, i, ".value");
        element = { type: "text", value };
        break;
      }
      case 0x62: {
        // b
        const value = r.counted(path, i, ".value");
        element = { type: "binary", value };
        break;
      }
      default:
        return r.notOneOf("nutb", path, i, ".type");
    }
    elements.push(element);
  }
  return elements;
}

function writeTupleColumns(w: Writer, elements: readonly TupleColumn[], path: string): void {
  mustBeArray(elements, path);
  w.u16(elements.length, path);
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    mustBeObject(element, path, i);
    switch (element.type) {
      case "null":
        w.literal("n");
        break;
      case "unchanged":
        w.literal("u");
        break;
      case "text":
        w.literal("t");
        w.counted(element.value, path, i, ".value");
        break;
      case "binary":
        w.literal("b");
        w.counted(element.value, path, i, ".value");
        break;
      default:
        refuse(quoted(["null", "unchanged", "text", "binary"]), (element as { type: unknown }).type, path, i, ".type");
    }
  }
}

/**
 * The replication commands as values: the nodes of PostgreSQL's replnodes.h, with the server's own names.
 *
 * One union over all versions. `type` is the server's node tag; absence is `undefined`. Where versions build different
 * trees from the same text, the field says so.
 */
import type { Lsn } from "../kernel/lsn.ts";

/** Any replication command, or text that the server hands to SQL. */
export type Command =
  | IdentifySystemCmd
  | BaseBackupCmd
  | CreateReplicationSlotCmd
  | DropReplicationSlotCmd
  | AlterReplicationSlotCmd
  | StartReplicationCmd
  | ReadReplicationSlotCmd
  | TimeLineHistoryCmd
  | UploadManifestCmd
  | VariableShowStmt
  | SQLCmd;

/** ReplicationKind of replnodes.h, without its prefix. */
export type ReplicationKind = "PHYSICAL" | "LOGICAL";

/** `IDENTIFY_SYSTEM`: which cluster, timeline and position this is. */
export interface IdentifySystemCmd {
  readonly type: "IdentifySystemCmd";
}

/** `BASE_BACKUP`: stream the whole cluster. */
export interface BaseBackupCmd {
  readonly type: "BaseBackupCmd";
  /**
   * In the order given; repeated and unknown ones too. From 15 on any name. Before that `label`, `progress`, `fast`, `wal`,
   * `nowait`, `max_rate` (kB/s), `tablespace_map`, `noverify_checksums`, `manifest`, `manifest_checksums`, where words
   * without a value hold Integer 1.
   */
  readonly options: readonly DefElem[];
}

/** `CREATE_REPLICATION_SLOT`. */
export interface CreateReplicationSlotCmd {
  readonly type: "CreateReplicationSlotCmd";
  /** A physical slot reserves WAL; a logical slot decodes changes. */
  readonly kind: ReplicationKind;
  /** Cut to 63 bytes by the server. Which characters a slot name may have is checked after parsing. */
  readonly slotname: string;
  /** The output plugin of a logical slot; undefined for a physical one. */
  readonly plugin: string | undefined;
  /** The server drops the slot when the connection ends, or on an error. */
  readonly temporary: boolean;
  /**
   * In the order given. The old words become `snapshot` (String "export", "nothing" or "use"), `reserve_wal` and
   * `two_phase` (Boolean true) from 15 on; before that `export_snapshot` (Integer 1 or 0), `use_snapshot` and
   * `reserve_wal` (Integer 1).
   */
  readonly options: readonly DefElem[];
}

/** `DROP_REPLICATION_SLOT`. */
export interface DropReplicationSlotCmd {
  readonly type: "DropReplicationSlotCmd";
  /** The slot to drop. */
  readonly slotname: string;
  /** Wait until the slot is no longer in use instead of failing. */
  readonly wait: boolean;
}

/** `ALTER_REPLICATION_SLOT`, from 17 on. */
export interface AlterReplicationSlotCmd {
  readonly type: "AlterReplicationSlotCmd";
  /** The slot to change. */
  readonly slotname: string;
  /** In the order given, one at least. */
  readonly options: readonly DefElem[];
}

/** `START_REPLICATION`: stream WAL, or the changes that an output plugin decodes from it. */
export interface StartReplicationCmd {
  readonly type: "StartReplicationCmd";
  /** WAL as it is, or decoded changes. */
  readonly kind: ReplicationKind;
  /** A physical stream may do without. */
  readonly slotname: string | undefined;
  /** Timeline of a physical stream, a uint32; 0 if none was given, and for a logical stream. */
  readonly timeline: number;
  /** Position to start at, in bytes. */
  readonly startpoint: Lsn;
  /** Options for the output plugin, in the order given; each String or undefined. Empty for a physical stream. */
  readonly options: readonly DefElem[];
}

/** `READ_REPLICATION_SLOT`, from 15 on. */
export interface ReadReplicationSlotCmd {
  readonly type: "ReadReplicationSlotCmd";
  /** The grammar takes names joined with dots here. */
  readonly slotname: string;
}

/** `TIMELINE_HISTORY`: the history file of a timeline. */
export interface TimeLineHistoryCmd {
  readonly type: "TimeLineHistoryCmd";
  /** 1 to 2^32 - 1. */
  readonly timeline: number;
}

/** `UPLOAD_MANIFEST`, from 17 on: the client sends the manifest of an earlier backup. */
export interface UploadManifestCmd {
  readonly type: "UploadManifestCmd";
}

/** `SHOW`: the value of a configuration parameter. */
export interface VariableShowStmt {
  readonly type: "VariableShowStmt";
  /** Names joined with dots; `all` for all of them. */
  readonly name: string;
}

/** Text whose first token begins no replication command: the server gives it to SQL as it stands. */
export interface SQLCmd {
  readonly type: "SQLCmd";
  /** The whole text, not looked at any further. */
  readonly text: string;
}

/** One option: parsenodes.h: DefElem. */
export interface DefElem {
  /** In lower case unless it was quoted. */
  readonly defname: string;
  /** The value; undefined if there is none. */
  readonly arg: DefElemArg | undefined;
}

/** The value of an option. */
export type DefElemArg = StringValue | IntegerValue | BooleanValue;

/** value.h: String. An identifier or a quoted string; the tree does not tell which. */
export interface StringValue {
  readonly type: "String";
  /** Without quotes. */
  readonly sval: string;
}

/** value.h: Integer, a signed 32-bit number. Text has no sign: numbers from 2^31 on have turned negative. */
export interface IntegerValue {
  readonly type: "Integer";
  /** -2^31 to 2^31 - 1. */
  readonly ival: number;
}

/** value.h: Boolean. Only words without parentheses make it, from 15 on. */
export interface BooleanValue {
  readonly type: "Boolean";
  /** As the word says. */
  readonly boolval: boolean;
}

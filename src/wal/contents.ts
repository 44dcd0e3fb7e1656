/**
 * The contents of a WAL record: its resource manager and operation by name, and its main data as a value.
 *
 * Decoded is the main data of all resource managers but those of tables and indexes, which says how their pages change.
 */
import * as generated from "../generated/wal.ts";
import { NativeReader } from "../wire/native.ts";
import type { Fields } from "../wire/shape.ts";
import { type WalRecordCapabilities, walRecordCapabilities } from "./capabilities.ts";
import { serverOf, type WalServer } from "./format.ts";
import { checkRecord, type WalRecord } from "./record.ts";
import { walOperation, walResourceManager } from "./rmgr.ts";
import * as structs from "./structs.ts";
import * as variable from "./variable.ts";

/** How main data is read. */
interface Decoder<T> {
  readonly read: (r: NativeReader, has: WalRecordCapabilities, info: number) => T;
}

/** One that is generated: the value gets its `type`. */
function struct<const N extends string, T>(
  { name }: { readonly name: N },
  read: (r: NativeReader, has: WalRecordCapabilities) => T,
): Decoder<{ readonly type: N } & T> {
  return { read: (r, has) => ({ type: name, ...read(r, has) }) };
}

const checkPoint = struct(structs.checkPoint, generated.readCheckPoint);
const zeroPage = { read: variable.readZeroPage };
const dbaseDrop = { read: variable.readDbaseDrop };
const fileCopy = struct(structs.xlDbaseCreateFileCopyRec, generated.readXlDbaseCreateFileCopyRec);
const commit = { read: variable.readXactCommit };
const abort = { read: variable.readXactAbort };

/** By resource manager and operation; what is not here has no main data, or data of pages. */
const decoders = {
  "XLOG/CHECKPOINT_SHUTDOWN": checkPoint,
  "XLOG/CHECKPOINT_ONLINE": checkPoint,
  "XLOG/NEXTOID": struct(structs.nextOid, generated.readNextOid),
  "XLOG/BACKUP_END": struct(structs.backupEnd, generated.readBackupEnd),
  "XLOG/PARAMETER_CHANGE": struct(structs.xlParameterChange, generated.readXlParameterChange),
  "XLOG/RESTORE_POINT": { read: variable.readRestorePoint },
  "XLOG/FPW_CHANGE": struct(structs.fpwChange, generated.readFpwChange),
  "XLOG/END_OF_RECOVERY": struct(structs.xlEndOfRecovery, generated.readXlEndOfRecovery),
  "XLOG/OVERWRITE_CONTRECORD": struct(structs.xlOverwriteContrecord, generated.readXlOverwriteContrecord),
  "XLOG/CHECKPOINT_REDO": struct(structs.checkPointRedo, generated.readCheckPointRedo),
  "XLOG/LOGICAL_DECODING_STATUS_CHANGE": struct(
    structs.logicalDecodingStatusChange,
    generated.readLogicalDecodingStatusChange,
  ),
  "Transaction/COMMIT": commit,
  "Transaction/COMMIT_PREPARED": commit,
  "Transaction/ABORT": abort,
  "Transaction/ABORT_PREPARED": abort,
  "Transaction/PREPARE": { read: variable.readXactPrepare },
  "Transaction/ASSIGNMENT": struct(structs.xlXactAssignment, generated.readXlXactAssignment),
  "Transaction/INVALIDATION": { read: variable.readXactInvals },
  "Storage/CREATE": struct(structs.xlSmgrCreate, generated.readXlSmgrCreate),
  "Storage/TRUNCATE": struct(structs.xlSmgrTruncate, generated.readXlSmgrTruncate),
  "CLOG/ZEROPAGE": zeroPage,
  "CLOG/TRUNCATE": { read: variable.readClogTruncate },
  "Database/CREATE": fileCopy,
  "Database/CREATE_FILE_COPY": fileCopy,
  "Database/CREATE_WAL_LOG": struct(structs.xlDbaseCreateWalLogRec, generated.readXlDbaseCreateWalLogRec),
  "Database/DROP": dbaseDrop,
  "Tablespace/CREATE": { read: variable.readTblspcCreate },
  "Tablespace/DROP": struct(structs.xlTblspcDropRec, generated.readXlTblspcDropRec),
  "MultiXact/ZERO_OFF_PAGE": zeroPage,
  "MultiXact/ZERO_MEM_PAGE": zeroPage,
  "MultiXact/CREATE_ID": struct(structs.xlMultixactCreate, generated.readXlMultixactCreate),
  "MultiXact/TRUNCATE_ID": struct(structs.xlMultixactTruncate, generated.readXlMultixactTruncate),
  "RelMap/UPDATE": struct(structs.xlRelmapUpdate, generated.readXlRelmapUpdate),
  "Standby/LOCK": struct(structs.xlStandbyLocks, generated.readXlStandbyLocks),
  "Standby/RUNNING_XACTS": struct(structs.xlRunningXacts, generated.readXlRunningXacts),
  "Standby/INVALIDATIONS": { read: variable.readStandbyInvalidations },
  "Sequence/LOG": { read: variable.readSequence },
  "CommitTs/ZEROPAGE": zeroPage,
  "CommitTs/TRUNCATE": { read: variable.readCommitTsTruncate },
  "CommitTs/SETTS": { read: variable.readCommitTsSet },
  "ReplicationOrigin/SET": struct(structs.xlReploriginSet, generated.readXlReploriginSet),
  "ReplicationOrigin/DROP": struct(structs.xlReploriginDrop, generated.readXlReploriginDrop),
  "Generic/Generic": { read: variable.readGeneric },
  "LogicalMessage/MESSAGE": { read: variable.readLogicalMessage },
} as const;

const byName = new Map<string, Decoder<WalContents>>(Object.entries(decoders));

/** The main data of a record, by `type`, which is the name of PostgreSQL's struct where there is one. */
export type WalContents = ReturnType<(typeof decoders)[keyof typeof decoders]["read"]>;

const fieldsByType = new Map<string, Fields>([
  ...Object.values(structs).flatMap((each) => ("end" in each ? [[each.name, each.fields] as const] : [])),
  ...Object.entries(variable.variableValues).map(([type, { fields }]) => [type, fields] as const),
]);

/** The fields of contents, as descriptions have them. */
export function contentsFields(type: WalContents["type"]): Fields | undefined {
  return fieldsByType.get(type);
}

/** A record in words. */
export interface WalDescription {
  /** As pg_waldump calls it: `Heap`, `Transaction`, `custom128`. */
  readonly resourceManager: string;
  /** As pg_waldump calls it: `INSERT+INIT`, `COMMIT`, `UNKNOWN (f0)`. */
  readonly operation: string;
  /** Its main data; undefined if there is nothing in it, or if it says how a table's or an index's pages change. */
  readonly contents: WalContents | undefined;
  /** The rest of the main data, which is not in `contents`; undefined if there is none. A view. */
  readonly rest: Uint8Array | undefined;
}

/**
 * Say what a record is, and decode its main data.
 *
 * @param record As WalReader gives it. The result has views into it, not copies.
 * @param options `server` is the version that wrote it. With `decode: false` the main data stays as it is, and nothing is thrown.
 * @throws DecodeError TRUNCATED, BAD_LENGTH or BAD_VALUE if the main data is not what the operation has there; `offset` counts from
 *   the beginning of the main data. Further bytes are not an error, as in PostgreSQL.
 * @source the functions rm_identify and rm_desc in rmgrdesc
 */
export function describeWalRecord(
  record: WalRecord,
  options: WalServer & { readonly decode?: boolean | undefined },
): WalDescription {
  const server = serverOf(options);
  const { decode = true } = options;
  checkRecord(record);
  const resourceManager = walResourceManager(record.rmid, { server });
  const operation = walOperation(record, { server });
  const r = new NativeReader(record.mainData);
  const decoder = decode ? byName.get(`${resourceManager}/${operation}`) : undefined;
  const contents = decoder?.read(r, walRecordCapabilities.of(server), record.info);
  return { resourceManager, operation, contents, rest: r.extra() };
}

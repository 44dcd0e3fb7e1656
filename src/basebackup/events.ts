/**
 * The events of a base backup: the receiver makes them from a server's messages, the encoder makes the messages from them.
 *
 * An event stands for the same messages wherever it occurs, so decoding and encoding lose nothing.
 */

import { commandCapabilities } from "../command/capabilities.ts";
import { describeResultSet, encodeResultSet, type ResultSetRow, type ResultSetValue } from "../command/results/rows.ts";
import { encodeBaseBackupMessage } from "../generated/basebackup.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import {
  type BackendMessage,
  encodeBackendMessage,
  joined,
  type ServerFields,
  type TransactionStatus,
} from "../session/messages.ts";
import { isBytes, lengthOf, MAX_ALLOC_SIZE, mustBeObject, refuse } from "../wire/check.ts";
import { encodeFrame } from "../wire/framer.ts";

/** A tablespace as the server lists it. The main data directory has neither `spcoid` nor `spclocation`. `size` is in kB. */
export type BackupTablespace = ResultSetRow<"BACKUP_TABLESPACES">;

/** How the server compresses the archives. */
export type BackupCompression = "gzip" | "lz4" | "zstd";

/** The suffix after `.tar` in the name of a compressed archive. */
export const suffixes: Readonly<Record<BackupCompression, string>> = { gzip: ".gz", lz4: ".lz4", zstd: ".zst" };

/** An event of a base backup. */
export type BaseBackupEvent =
  /** The checkpoint is done, and the backup starts at this position. */
  | ({ readonly type: "BackupStart" } & ResultSetRow<"BACKUP_START">)
  /** The tablespaces, in the order of their archives. The last one is the main data directory. */
  | {
      readonly type: "Tablespaces";
      /** The tablespaces, in the order of their archives. */
      readonly tablespaces: readonly BackupTablespace[];
    }
  /** The copy stream of all archives and the manifest begins. Servers before 15 have none. */
  | { readonly type: "StreamStart" }
  /** An archive begins. */
  | {
      readonly type: "ArchiveStart";
      /** A name for its file, such as base.tar or 16384.tar.gz: the server's, or before 15 one made from the OID. */
      readonly archive: string;
      /** The compression of the archive; undefined for none. */
      readonly compression: BackupCompression | undefined;
      /** The tablespace that is in the archive. */
      readonly tablespace: BackupTablespace;
    }
  /** Bytes of the archive that is open, or of the manifest. */
  | {
      readonly type: "Data";
      /** The bytes; a view into the message that was received. */
      readonly data: Uint8Array;
    }
  /** How far the backup is. */
  | {
      readonly type: "Progress";
      /** Bytes of archives so far, before compression. */
      readonly bytesDone: bigint;
    }
  /** The archive has ended. */
  | { readonly type: "ArchiveEnd" }
  /** The manifest begins; Data follows. */
  | { readonly type: "ManifestStart" }
  | { readonly type: "ManifestEnd" }
  /** The one copy stream has ended. */
  | { readonly type: "StreamEnd" }
  /** WAL up to here is required. The server may still fail the backup; it is good once it is Complete. */
  | ({ readonly type: "BackupEnd" } & ResultSetRow<"BACKUP_END">)
  /** The backup is good. */
  | { readonly type: "Complete" }
  /** The conversation is over, and the server waits for the next command. */
  | {
      readonly type: "Ready";
      /** The status in ReadyForQuery. */
      readonly status: TransactionStatus;
    }
  /** A notice, such as a warning about a page with a wrong checksum. */
  | {
      readonly type: "Notice";
      /** The fields of the message. */
      readonly fields: ServerFields;
    }
  /** The backup has failed; discard what has arrived. */
  | {
      readonly type: "Error";
      /** The fields of the message. */
      readonly fields: ServerFields;
    }
  /** Messages of the session, which may come at any time. */
  | Extract<BackendMessage, { readonly type: "ParameterStatus" | "NotificationResponse" }>;

/** The server's version. */
export interface BaseBackupOptions {
  /** The server's version, which decides how archives are sent. Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/**
 * Encode an event of a base backup as a server of this version sends it: one message, several, or none if this version does not
 * send it.
 *
 * @returns frames, one after the other, in a fresh array.
 * @throws EncodeError with the path of a field that cannot be written.
 * @throws UnsupportedError for an event that this version does not have.
 * @source basebackup_copy.c; before 15 basebackup.c
 * @example encodeBaseBackupEvent({ type: "ManifestStart" }) // hex("64 00000005 6d")
 * @example encodeBaseBackupEvent({ type: "ManifestStart" }, { server: 14 }) // hex("48 00000007 00 0000")
 */
export function encodeBaseBackupEvent(event: BaseBackupEvent, options: BaseBackupOptions = {}): Uint8Array {
  mustBeObject(event, "BaseBackupEvent");
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  const oneStream = commandCapabilities.supports(server, "baseBackupOneStream");
  switch (event.type) {
    case "BackupStart":
      return resultSet("BACKUP_START", event, server);
    case "Tablespaces":
      return resultSet("BACKUP_TABLESPACES", event.tablespaces, server);
    case "StreamStart":
      requireCapability(commandCapabilities, server, "baseBackupOneStream", "One stream for all archives");
      return encodeBackendMessage(COPY_OUT);
    case "ArchiveStart": {
      if (!oneStream) return encodeBackendMessage(COPY_OUT);
      mustBeObject(event.tablespace, "ArchiveStart.tablespace");
      const tablespacePath = event.tablespace.spclocation ?? "";
      return copyData(encodeBaseBackupMessage({ type: "NewArchive", archive: event.archive, tablespacePath }));
    }
    case "Data":
      if (!isBytes(event.data)) refuse("a Uint8Array", event.data, "Data.data");
      return dataFrame(oneStream, event.data);
    case "Progress":
      requireCapability(commandCapabilities, server, "baseBackupOneStream", "Progress");
      return copyData(encodeBaseBackupMessage(event));
    case "ManifestStart":
      return oneStream ? copyData(encodeBaseBackupMessage(event)) : encodeBackendMessage(COPY_OUT);
    case "ArchiveEnd":
    case "ManifestEnd":
      return oneStream ? new Uint8Array(0) : encodeBackendMessage({ type: "CopyDone" });
    case "StreamEnd":
      requireCapability(commandCapabilities, server, "baseBackupOneStream", "One stream for all archives");
      return encodeBackendMessage({ type: "CopyDone" });
    case "BackupEnd":
      return resultSet("BACKUP_END", event, server);
    case "Complete":
      return encodeBackendMessage({ type: "CommandComplete", tag: commandTag(server) });
    case "Ready":
      return encodeBackendMessage({ type: "ReadyForQuery", status: event.status });
    case "Notice":
      return encodeBackendMessage({ type: "NoticeResponse", fields: event.fields });
    case "Error":
      return encodeBackendMessage({ type: "ErrorResponse", fields: event.fields });
    case "ParameterStatus":
    case "NotificationResponse":
      return encodeBackendMessage(event);
    default:
      return refuse("the type of an event", (event as { type: unknown }).type, "BaseBackupEvent.type");
  }
}

const COPY_OUT: BackendMessage = { type: "CopyOutResponse", format: "text", columnFormats: [] };

/** The columns of a walsender come from no table, and are text. */
const NO_TABLE = { tableId: 0, columnNumber: 0, format: "text" } as const;

/** The type byte of Data. */
const LETTER = Uint8Array.of(0x64);

/** The tag with which a result set ends. */
export const RESULT_TAG = "SELECT";

/** The tag with which the command ends. */
export function commandTag(server: number): string {
  return commandCapabilities.supports(server, "ownCommandTag") ? "BASE_BACKUP" : RESULT_TAG;
}

function resultSet<N extends "BACKUP_START" | "BACKUP_TABLESPACES" | "BACKUP_END">(
  name: N,
  value: ResultSetValue<N>,
  server: number,
): Uint8Array {
  const rows = encodeResultSet(name, value, { server });
  return joined([
    encodeBackendMessage({
      type: "RowDescription",
      columns: describeResultSet(name, { server }).map((column) => ({ ...column, ...NO_TABLE })),
    }),
    ...rows.map((row) => encodeBackendMessage({ type: "DataRow", values: row as (string | null)[] })),
    encodeBackendMessage({ type: "CommandComplete", tag: RESULT_TAG }),
  ]);
}

/** CopyData of an archive's bytes behind their type byte, made with one copy: nearly all of a backup is this. */
function dataFrame(withLetter: boolean, data: Uint8Array): Uint8Array {
  if (!withLetter) return encodeFrame("d", data);
  const length = lengthOf(data);
  if (length >= MAX_ALLOC_SIZE) refuse(`less than ${MAX_ALLOC_SIZE}`, length, "Data.data.length");
  const header = encodeFrame("d", LETTER);
  const bytes = new Uint8Array(header.length + length);
  bytes.set(header);
  new DataView(bytes.buffer).setUint32(1, 4 + LETTER.length + length);
  bytes.set(data, header.length);
  return bytes;
}

function copyData(payload: Uint8Array): Uint8Array {
  return encodeFrame("d", payload);
}

// Generated from src/basebackup/messages.ts by `npm run generate`. Do not edit.
import { mustBeObject, refuse } from "../wire/check.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";

/**
 * An archive begins; the one before it has ended.
 *
 * @source basebackup_copy.c: bbsink_copystream_begin_archive
 */
export interface NewArchive {
  readonly type: "NewArchive";
  /** The name of a file for it: base.tar or OID.tar, and .gz, .lz4 or .zst if the server compresses. */
  readonly archive: string;
  /** The tablespace's directory on the server; empty for the main data directory. */
  readonly tablespacePath: string;
}

/**
 * Bytes of the archive that is open, or of the manifest.
 *
 * @source basebackup_copy.c: bbsink_copystream_archive_contents, bbsink_copystream_manifest_contents
 */
export interface Data {
  readonly type: "Data";
  /** As many bytes as the server had: at most 32 KiB if the archive is not compressed. A view into the bytes that were decoded, not a copy. */
  readonly data: Uint8Array;
}

/**
 * How far the backup is: at the end of each archive, and at most once a second, whether or not PROGRESS was asked for.
 *
 * @source basebackup_copy.c: bbsink_copystream_archive_contents, bbsink_copystream_end_archive
 */
export interface Progress {
  readonly type: "Progress";
  /** Bytes of archives so far, before compression. */
  readonly bytesDone: bigint;
}

/**
 * The manifest begins; all archives have ended.
 *
 * @source basebackup_copy.c: bbsink_copystream_begin_manifest
 */
export interface ManifestStart {
  readonly type: "ManifestStart";
}

/** What a server says inside the CopyData of a base backup. */
export type BaseBackupMessage = NewArchive | Data | Progress | ManifestStart;

/**
 * Decode one message: what a server says inside the CopyData of a base backup.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source basebackup_copy.c
 * @example decodeBaseBackupMessage(hex("6e 626173652e74617200 00")).type // "NewArchive"
 */
export function decodeBaseBackupMessage(bytes: Uint8Array): BaseBackupMessage {
  return readBaseBackupMessage(new Reader(bytes));
}

/** Read one BaseBackupMessage, which is all that the reader has left. @internal */
export function readBaseBackupMessage(r: Reader): BaseBackupMessage {
  let message: BaseBackupMessage;
  switch (r.u8("BaseBackupMessage.type")) {
    case 0x6e: // n
      message = readNewArchive(r);
      break;
    case 0x64: // d
      message = readData(r);
      break;
    case 0x70: // p
      message = readProgress(r);
      break;
    case 0x6d: // m
      message = readManifestStart();
      break;
    default:
      return r.notOneOf("BAD_TAG", "ndpm", "BaseBackupMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: what a server says inside the CopyData of a base backup.
 *
 * @returns The type byte and the fields, in a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source basebackup_copy.c
 */
export function encodeBaseBackupMessage(message: BaseBackupMessage): Uint8Array {
  return encodeWith(writeBaseBackupMessage, message);
}

function writeBaseBackupMessage(w: Writer, message: BaseBackupMessage): void {
  mustBeObject(message, "BaseBackupMessage");
  switch (message.type) {
    case "NewArchive":
      return writeNewArchive(w, message);
    case "Data":
      return writeData(w, message);
    case "Progress":
      return writeProgress(w, message);
    case "ManifestStart":
      return writeManifestStart(w);
    default:
      refuse(
        '"NewArchive", "Data", "Progress" or "ManifestStart"',
        (message as { type: unknown }).type,
        "BaseBackupMessage.type",
      );
  }
}

function readNewArchive(r: Reader): NewArchive {
  const archive = readCString(r, "NewArchive.archive");
  const tablespacePath = readCString(r, "NewArchive.tablespacePath");
  return { type: "NewArchive", archive, tablespacePath };
}

function writeNewArchive(w: Writer, message: NewArchive): void {
  w.literal("n");
  writeCString(w, message.archive, "NewArchive.archive");
  writeCString(w, message.tablespacePath, "NewArchive.tablespacePath");
}

function readData(r: Reader): Data {
  const data = r.rest();
  return { type: "Data", data };
}

function writeData(w: Writer, message: Data): void {
  w.literal("d");
  w.rest(message.data, "Data.data");
}

function readProgress(r: Reader): Progress {
  const bytesDone = r.u64("Progress.bytesDone");
  return { type: "Progress", bytesDone };
}

function writeProgress(w: Writer, message: Progress): void {
  w.literal("p");
  w.u64(message.bytesDone, "Progress.bytesDone");
}

function readManifestStart(): ManifestStart {
  return { type: "ManifestStart" };
}

function writeManifestStart(w: Writer): void {
  w.literal("m");
}

/**
 * Does global/pg_control belong to the system that the manifest names?
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c: verify_control_file
 * @source controldata_utils.c: get_controlfile_by_exact_path
 */
import { closeSync, readSync } from "node:fs";
import { CONTROL_FILE_SIZE, type ControlFileFormat, controlFileFormatOf } from "../../files/control-file.ts";
import { crc32c } from "../../kernel/crc32c.ts";
import type { Lsn } from "../../kernel/lsn.ts";
import { strerror } from "../strerror.ts";
import type { VerifyContext } from "./context.ts";
import { type BackupProblemKind, FatalProblem, isDamage } from "./problems.ts";
import { openForReading } from "./system-path.ts";

export const CONTROL_FILE = "global/pg_control";

/** Check the control file of a plain backup. @throws FatalProblem */
export function verifyControlFile(context: VerifyContext): void {
  const { directory, controlFile } = context;
  checkControlFile(context, readControlFile(directory, controlFile), `${directory}/${CONTROL_FILE}`);
}

/**
 * Check the first bytes of a control file.
 *
 * @param name The file's name in messages.
 * @throws FatalProblem
 */
export function checkControlFile(
  { controlFile, systemIdentifier }: VerifyContext,
  bytes: Uint8Array,
  name: string,
): void {
  checkSystemIdentifier(systemIdentifier, decodeControl(bytes, name, controlFile).systemIdentifier, name);
}

/** @throws FatalProblem unless both are of the same system */
export function checkSystemIdentifier(manifest: bigint, control: bigint, name: string): void {
  if (manifest === control) return;
  throw fatal(name, `${name}: manifest system identifier is ${manifest}, but control file has ${control}`);
}

/** The fields of a control file that are compared. */
export interface Control {
  readonly systemIdentifier: bigint;
  /** 0 if data checksums are off. */
  readonly dataChecksumVersion: number;
  /** The position of the last checkpoint record. */
  readonly checkPoint: Lsn;
}

/** Where the position of the last checkpoint is in every version. @source pg_control.h: ControlFileData */
const CHECK_POINT_AT = 32;

/**
 * @param format How it must be written; undefined: as the version in it says.
 * @throws FatalProblem if the checksum is wrong, or another version wrote it
 */
export function decodeControl(
  bytes: Uint8Array,
  name: string,
  format: ControlFileFormat | undefined = controlFileFormatOf(bytes),
): Control {
  if (format === undefined) {
    const hint = "The version of its server cannot be found out, or is newer than this walwire.";
    throw fatal(name, `${name}: unexpected control file version`, undefined, hint);
  }
  const { version, crcAt, dataChecksumVersionAt } = format;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (crc32c(bytes.subarray(0, crcAt)) !== view.getUint32(crcAt, true)) throw fatal(name, `${name}: CRC is incorrect`);
  if (view.getUint32(8, true) !== version) throw fatal(name, `${name}: unexpected control file version`);
  return {
    systemIdentifier: view.getBigUint64(0, true),
    dataChecksumVersion: view.getUint32(dataChecksumVersionAt, true),
    checkPoint: view.getBigUint64(CHECK_POINT_AT, true) as Lsn,
  };
}

/** Read the struct of the control file of a backup; the whole file if its format is not known. @throws FatalProblem */
export function readControlFile(backup: string, format: ControlFileFormat | undefined): Uint8Array {
  const size = format?.size ?? CONTROL_FILE_SIZE;
  const fullPath = `${backup}/${CONTROL_FILE}`;
  const attempt = <T>(what: () => T, message: string): T => {
    try {
      return what();
    } catch (error) {
      throw fatal(fullPath, `${message}: ${strerror(error)}`, isDamage(error, backup) ? "control file" : "unreadable");
    }
  };
  const fd = attempt(() => openForReading(fullPath), `could not open file "${fullPath}" for reading`);
  try {
    const bytes = new Uint8Array(size);
    const read = attempt(() => readSync(fd, bytes, 0, size, null), `could not read file "${fullPath}"`);
    if (read !== size) throw fatal(fullPath, `could not read file "${fullPath}": read ${read} of ${size}`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

function fatal(
  file: string,
  message: string,
  kind: BackupProblemKind = "control file",
  hint?: string | undefined,
): FatalProblem {
  return new FatalProblem(kind, CONTROL_FILE, message, hint, { file });
}

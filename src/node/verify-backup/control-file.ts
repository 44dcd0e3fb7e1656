/**
 * Does global/pg_control belong to the system that the manifest names?
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c: verify_control_file
 * @source controldata_utils.c: get_controlfile_by_exact_path
 */
import { closeSync, openSync, readSync } from "node:fs";
import { crc32c } from "../../kernel/crc32c.ts";
import type { VerifyContext } from "./context.ts";
import { binaryPath, systemPath } from "./paths.ts";
import { FatalProblem, strerror } from "./problems.ts";

export const CONTROL_FILE = "global/pg_control";

/**
 * Checks the control file of a plain backup.
 *
 * @param fullPath Where it is, as it was given.
 * @throws FatalProblem
 */
export function verifyControlFile(context: VerifyContext, fullPath: string): void {
  checkControlFile(context, readStart(fullPath, context.controlFile.size), fullPath);
}

/**
 * Checks the first bytes of a control file.
 *
 * @param name What it is called in messages.
 * @throws FatalProblem
 */
export function checkControlFile(context: VerifyContext, bytes: Uint8Array, name: string): void {
  const { version, crcAt } = context.controlFile;
  const fatal = (message: string): never => {
    throw new FatalProblem("control file", CONTROL_FILE, `${name}: ${message}`);
  };
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (crc32c(bytes.subarray(0, crcAt)) !== view.getUint32(crcAt, true)) fatal("CRC is incorrect");
  if (view.getUint32(8, true) !== version) fatal("unexpected control file version");
  const own = view.getBigUint64(0, true);
  if (own !== context.systemIdentifier) {
    fatal(`manifest system identifier is ${context.systemIdentifier}, but control file has ${own}`);
  }
}

function readStart(fullPath: string, size: number): Uint8Array {
  const fatal = (message: string): never => {
    throw new FatalProblem("control file", CONTROL_FILE, message);
  };
  const attempt = <T>(what: () => T, message: string): T => {
    try {
      return what();
    } catch (error) {
      return fatal(`${message}: ${strerror(error)}`);
    }
  };
  const fd = attempt(
    () => openSync(systemPath(binaryPath(fullPath)), "r"),
    `could not open file "${fullPath}" for reading`,
  );
  try {
    const bytes = new Uint8Array(size);
    const read = attempt(() => readSync(fd, bytes, 0, size, null), `could not read file "${fullPath}"`);
    if (read !== size) fatal(`could not read file "${fullPath}": read ${read} of ${size}`);
    return bytes;
  } finally {
    closeSync(fd);
  }
}

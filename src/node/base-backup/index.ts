/**
 * walwire/base-backup: takes a base backup of a server into a directory, as pg_basebackup does (Node, needs `pg`).
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_basebackup.c
 */
import { asFileError } from "./file-errors.ts";
import { planOf, type TakeBaseBackupOptions } from "./options.ts";
import { BackupTaker, type BaseBackup, openBackupConnection } from "./take.ts";

export { FileError } from "../../kernel/errors.ts";
export type { AbortSignalLike, ConnectOptions } from "../client.ts";
export type { TakeBaseBackupOptions } from "./options.ts";
export type { BackupProgress } from "./progress.ts";
export type { BaseBackup } from "./take.ts";

/**
 * Take a base backup.
 *
 * The directory must be empty or absent, and is so again if the backup fails, unless `clean` is false or the server has found pages with
 * wrong checksums. Directories of tablespaces are left as they are then. While the backup is taken, the manifest is called
 * backup_manifest.tmp.
 *
 * Whatever the server sends, nothing is written outside of the directory and of those that the options name.
 *
 * @param directory Where the backup is written to.
 * @throws ServerError if the server reports an error: XX001 for wrong checksums.
 * @throws ConnectionError if a connection is lost or cannot be opened.
 * @throws DecodeError for an archive that is damaged, or has members that no server sends; ProtocolError for other messages of this kind.
 * @throws UnsupportedError for options that the server does not have.
 * @throws ArgumentError for an invalid option, a directory that is not empty, and a tablespace that is not mapped.
 * @throws PeerMissingError if pg is not installed.
 * @throws FileError if a file cannot be read, written or flushed; the reason of an aborted `signal`.
 * @source pg_basebackup.c: BaseBackup
 */
export async function takeBaseBackup(directory: string, options: TakeBaseBackupOptions): Promise<BaseBackup> {
  const plan = planOf(directory, options);
  const connection = await openBackupConnection(plan);
  try {
    return await new BackupTaker(plan, connection).run();
  } catch (error) {
    throw asFileError(error);
  } finally {
    await connection.disconnect();
  }
}

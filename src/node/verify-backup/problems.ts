/**
 * What is wrong with a backup, in pg_verifybackup's words.
 *
 * @source pg_verifybackup.c, astreamer_verify.c
 */

/** What a problem is about. */
export type BackupProblemKind =
  /** The manifest is refused. */
  | "manifest"
  /** A file or directory, the manifest among them, cannot be opened, looked at or read. */
  | "unreadable"
  /** It is neither a file nor a directory. */
  | "not a file"
  /** It is there, and the manifest does not know it. */
  | "extra"
  /** The manifest knows it, and it is not there. */
  | "missing"
  | "size"
  | "checksum"
  /** global/pg_control is not one, or belongs to another system. */
  | "control file"
  /** An archive is not one, or cannot be read. */
  | "archive"
  | "wal";

/** One problem of a backup. */
export interface BackupProblem {
  readonly kind: BackupProblemKind;
  /** Did verification end with it? */
  readonly fatal: boolean;
  /** The file, from the data directory, or from the directory of archives; undefined if it is about none. */
  readonly path: string | undefined;
  /** What pg_verifybackup says, word for word, without its name and `error:` before. */
  readonly message: string;
  /** What pg_waldump says, which pg_verifybackup asks about WAL: why it cannot be read. */
  readonly waldump?: string | undefined;
  readonly hint?: string | undefined;
}

/** Ends verification. */
export class FatalProblem extends Error {
  readonly problem: BackupProblem;

  constructor(kind: BackupProblemKind, path: string | undefined, message: string, hint?: string) {
    super(message);
    this.problem = { kind, fatal: true, path, message, hint };
  }
}

/** What strerror() says in the C locale of Linux. */
const messages: Readonly<Record<string, string>> = {
  EACCES: "Permission denied",
  EBUSY: "Device or resource busy",
  EINVAL: "Invalid argument",
  EIO: "Input/output error",
  EISDIR: "Is a directory",
  ELOOP: "Too many levels of symbolic links",
  EMFILE: "Too many open files",
  ENAMETOOLONG: "File name too long",
  ENFILE: "Too many open files in system",
  ENODEV: "No such device",
  ENOENT: "No such file or directory",
  ENOMEM: "Cannot allocate memory",
  ENOTCONN: "Transport endpoint is not connected",
  ENOTDIR: "Not a directory",
  ENXIO: "No such device or address",
  EOVERFLOW: "Value too large for defined data type",
  EPERM: "Operation not permitted",
  ESTALE: "Stale file handle",
  ETIMEDOUT: "Connection timed out",
};

/**
 * What `%m` is for an error of the file system.
 *
 * @throws the error, if it is no such thing.
 */
export function strerror(error: unknown): string {
  const { code, syscall, message } = error as NodeJS.ErrnoException;
  if (typeof code !== "string" || typeof syscall !== "string") throw error;
  return messages[code] ?? message;
}

/** The error that ends a combination of backups. */
import { WalwireError } from "../../kernel/errors.ts";
import { strerror } from "../strerror.ts";
import { type BackupProblemKind, FatalProblem } from "../verify-backup/problems.ts";

/** The subject of an error: a problem of a backup, or the output, which could not be written. */
export type CombineBackupErrorKind = BackupProblemKind | "output";

/** Backups cannot be combined: one of them is damaged or missing, they do not follow each other, or the output cannot be written. */
export class CombineBackupError extends WalwireError {
  /** The subject. */
  readonly kind: CombineBackupErrorKind;
  /** The file or directory; undefined if the error is about none. */
  readonly path: string | undefined;
  /** Bytes from the start of the file at `path`; undefined where no position is to blame. */
  readonly offset: number | undefined;
  /** The hint that the program prints after the message. */
  readonly hint: string | undefined;

  /** @param message That of pg_combinebackup, where it has one. */
  constructor(
    kind: CombineBackupErrorKind,
    message: string,
    where: { readonly path?: string | undefined; readonly offset?: number | undefined } = {},
    hint?: string,
  ) {
    super("CombineBackupError", kind === "output" || kind === "unreadable" ? "FILE_SYSTEM" : "BAD_FILE", message);
    this.kind = kind;
    this.path = where.path;
    this.offset = where.offset;
    this.hint = hint;
  }
}

/** An error of ours for a problem of a backup; any other is returned as it is. */
export function ownError(error: unknown): unknown {
  if (!(error instanceof FatalProblem)) return error;
  const { problem, place } = error;
  const where = { path: place?.file ?? problem.path, offset: place?.offset };
  return new CombineBackupError(problem.kind, problem.message, where, problem.hint);
}

/**
 * Call the file system to write.
 *
 * @param message What pg_combinebackup says before the reason.
 * @throws CombineBackupError
 */
export function writing<T>(what: () => T, message: string, path: string): T {
  try {
    return what();
  } catch (error) {
    throw new CombineBackupError("output", `${message}: ${strerror(error)}`, { path });
  }
}

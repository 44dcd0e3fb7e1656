/**
 * The problems of a backup, in pg_verifybackup's words.
 *
 * @source pg_verifybackup.c, astreamer_verify.c
 */
import { existsSync } from "node:fs";
import { strerror } from "../strerror.ts";
import { binaryPath } from "./paths.ts";
import { systemPath } from "./system-path.ts";

/** What a problem is about. */
export type BackupProblemKind =
  /** The manifest is rejected. */
  | "manifest"
  /** A file or directory cannot be opened or read, so its contents are unknown. Also of the manifest and of WAL. */
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
  | "wal"
  /** The backups of a chain do not follow each other. */
  | "chain"
  /** An incremental file, or the file that its blocks come from, is missing, damaged or too short. */
  | "incremental";

/** One problem of a backup. */
export interface BackupProblem {
  /** The subject of the problem. */
  readonly kind: BackupProblemKind;
  /** Did verification end with it? */
  readonly fatal: boolean;
  /** The file, from the data directory, or from the directory of archives; undefined if it is about none. */
  readonly path: string | undefined;
  /** What pg_verifybackup says, word for word, without its name and `error:` before. */
  readonly message: string;
  /** What pg_waldump says, which pg_verifybackup asks about WAL: why it cannot be read. */
  readonly waldump?: string | undefined;
  /** The hint that the program prints after `message`. */
  readonly hint?: string | undefined;
  /** The directory of the backup, for a problem of one backup of a chain that `message` does not name. */
  readonly backup?: string | undefined;
}

/** "unknown" if all problems are files that could not be read. */
export function verdictOf(problems: readonly BackupProblem[]): "intact" | "damaged" | "unknown" {
  if (problems.length === 0) return "intact";
  return problems.every(({ kind }) => kind === "unreadable") ? "unknown" : "damaged";
}

/** A place in a file, which the message names too. */
export interface Place {
  /** The path of the file or directory, as it can be opened. */
  readonly file: string;
  /** In bytes. */
  readonly offset?: number;
}

/** Ends verification. */
export class FatalProblem extends Error {
  readonly problem: BackupProblem;
  readonly place: Place | undefined;

  constructor(kind: BackupProblemKind, path: string | undefined, message: string, hint?: string, place?: Place) {
    super(message);
    this.problem = { kind, fatal: true, path, message, hint };
    this.place = place;
  }
}

/**
 * Call the file system.
 *
 * @param kind The kind of problem if the backup lacks the file; anything else leaves its contents unknown.
 * @throws FatalProblem
 */
export function attempt<T>(what: () => T, message: string, backup: string, kind: BackupProblemKind, file: string): T {
  try {
    return what();
  } catch (error) {
    const words = `${message}: ${strerror(error)}`;
    throw new FatalProblem(isDamage(error, backup) ? kind : "unreadable", undefined, words, undefined, { file });
  }
}

const otherwise: ReadonlySet<unknown> = new Set(["ENOENT", "ENOTDIR", "EISDIR"]);

/**
 * Does an error of the file system say that an existing directory lacks a file, or has something else in its place? Any other error
 * (no permission, no such directory, a bad disk) leaves its contents unknown.
 *
 * @param directory In which the file should be.
 */
export function isDamage(error: unknown, directory: string): boolean {
  return otherwise.has((error as NodeJS.ErrnoException).code) && existsSync(systemPath(binaryPath(directory)));
}

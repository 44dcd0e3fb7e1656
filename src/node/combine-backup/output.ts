/**
 * The directories of the output: made with the permissions of the last backup, and removed again if the combination fails.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_combinebackup.c: check_input_dir_permissions, create_output_directory, cleanup_directories_atexit
 * @source file_perm.c: SetDataDirectoryCreatePerm
 */
import { readdirSync, rmSync, statSync } from "node:fs";
import { makeDirectories, realPath } from "../make-directories.ts";
import { strerror } from "../strerror.ts";
import { binaryPath, textPath } from "../verify-backup/paths.ts";
import { attempt } from "../verify-backup/problems.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import { CombineBackupError, writing } from "./error.ts";

/** Permissions of what is made. */
export interface Modes {
  readonly directory: number;
  readonly file: number;
}

/** As those of the last backup: the group may read the output if it may read the backup. @throws FatalProblem */
export function modesOf(backup: string): Modes {
  const stat = () => statSync(systemPath(binaryPath(backup)));
  const { mode } = attempt(stat, `could not stat file "${backup}"`, backup, "chain", backup);
  return (mode & 0o050) === 0o050 ? { directory: 0o750, file: 0o640 } : { directory: 0o700, file: 0o600 };
}

export class OutputDirectories {
  readonly #modes: Modes;
  readonly #dryRun: boolean;
  /** Where the backups are: an output inside of them would be copied into itself. */
  readonly #inputs: readonly { readonly path: string; readonly real: string }[];
  /** Those to be removed, or to be emptied if they were there before. */
  readonly #made: { readonly path: string; readonly existed: boolean }[] = [];

  /** @param inputs The directories of all backups and of their tablespaces. */
  constructor(modes: Modes, dryRun: boolean, inputs: readonly string[]) {
    this.#modes = modes;
    this.#dryRun = dryRun;
    this.#inputs = inputs.flatMap((path) => {
      const real = realPath(path);
      return real === undefined ? [] : [{ path, real }];
    });
  }

  /** Make a directory that is not there or empty. @throws CombineBackupError */
  create(path: string): void {
    const entries = this.#entries(path);
    if (entries !== undefined && entries.length > 0) {
      throw new CombineBackupError("output", `directory "${path}" exists but is not empty`, { path });
    }
    this.#checkOutside(path);
    if (this.#dryRun) return;
    if (entries === undefined) {
      writing(() => makeDirectories(path, this.#modes.directory), `could not create directory "${path}"`, path);
    }
    this.#made.push({ path, existed: entries !== undefined });
  }

  /** @returns undefined if there is no such directory. */
  #entries(path: string): readonly string[] | undefined {
    try {
      return readdirSync(systemPath(binaryPath(path)), { encoding: "latin1" });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw new CombineBackupError("output", `could not access directory "${path}": ${strerror(error)}`, { path });
    }
  }

  /** pg_combinebackup copies the output into itself, until the path is too long. */
  #checkOutside(path: string): void {
    const real = realPath(path);
    const input = this.#inputs.find((each) => real?.startsWith(`${each.real}/`));
    if (input === undefined) return;
    const message = `output directory "${path}" is inside "${input.path}", which is an input; choose a directory outside of it`;
    throw new CombineBackupError("output", message, { path });
  }

  /**
   * Remove all that was written.
   *
   * @returns what went wrong with it.
   */
  remove(): string[] {
    const failures: string[] = [];
    for (const { path, existed } of this.#made.reverse()) {
      try {
        if (!existed) removeAll(path);
        else for (const name of this.#entries(path) ?? []) removeAll(`${path}/${textPath(name)}`);
      } catch (error) {
        const what = existed ? "contents of output directory" : "output directory";
        failures.push(`failed to remove ${what} "${path}": ${(error as Error).message}`);
      }
    }
    this.#made.length = 0;
    return failures;
  }
}

/** Symbolic links are removed, not what they lead to. */
function removeAll(path: string): void {
  rmSync(systemPath(binaryPath(path)), { recursive: true, force: true });
}

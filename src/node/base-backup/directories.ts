/**
 * The directories of a backup: empty or new, and as they were before if the backup fails.
 *
 * @source pg_basebackup.c: verify_dir_is_empty_or_create, cleanup_directories_atexit
 */
import { chmodSync, readdirSync } from "node:fs";
import { rm, rmdir } from "node:fs/promises";
import { join } from "node:path";
import { ArgumentError } from "../../kernel/errors.ts";
import { makeDirectories } from "../make-directories.ts";
import { strerror } from "../strerror.ts";
import { type BinaryPath, binaryPath } from "../verify-backup/paths.ts";
import { systemPath } from "../verify-backup/system-path.ts";

interface Claimed {
  readonly path: string;
  readonly what: string;
  readonly isNew: boolean;
  /** What this backup has made in the directory of a tablespace. */
  readonly made: BinaryPath[];
}

export class BackupDirectories {
  readonly #mode: number;
  readonly #claimed: Claimed[] = [];

  /** @param mode Permissions of new directories. */
  constructor(mode: number) {
    this.#mode = mode;
  }

  /**
   * Create a directory, unless it exists and is empty.
   *
   * @param argument The argument that names it.
   * @throws ArgumentError if it is not empty; errors of the file system.
   */
  claim(path: string, argument: string, what: string): void {
    const entries = entriesOf(path);
    if (entries !== undefined && entries.length > 0)
      throw new ArgumentError(argument, `directory "${path}" exists but is not empty`);
    const isNew = entries === undefined;
    if (isNew) {
      makeDirectories(path, 0o700);
      chmodSync(systemPath(binaryPath(path)), this.#mode);
    }
    this.#claimed.push({ path, what, isNew, made: [] });
  }

  /** A file or directory was made in the directory of a tablespace. */
  made(tablespace: string, path: BinaryPath): void {
    this.#claimed.find((claimed) => claimed.path === tablespace)?.made.push(path);
  }

  /**
   * Remove new directories and empty the others. In the directory of a tablespace, only what this backup has made is removed, where
   * pg_basebackup removes nothing: a server on this machine may use it too.
   *
   * @param warn Called with what cannot be removed.
   */
  async undo(say: (message: string) => void, warn: (message: string) => void): Promise<void> {
    for (const claimed of this.#claimed) {
      const { path, what, isNew } = claimed;
      const contents = isNew ? "" : "contents of ";
      try {
        // The directory of a tablespace may be inside of the data directory.
        const names = entriesOf(path);
        if (names === undefined) continue;
        say(`removing ${contents}${what} "${path}"`);
        if (what === TABLESPACE) await undoTablespace(claimed, warn);
        // A symbolic link is removed, not what it points to.
        else if (isNew) await rm(systemPath(binaryPath(path)), { recursive: true, force: true });
        else for (const name of names) await rm(within(path, name), { recursive: true, force: true });
      } catch (error) {
        warn(`failed to remove ${contents}${what} "${path}": ${strerror(error)}`);
      }
    }
  }

  /** Say that everything is left as it is. */
  keep(say: (message: string) => void): void {
    for (const { path, what } of this.#claimed) {
      if (what !== TABLESPACE) say(`${what} "${path}" not removed at user's request`);
    }
    if (this.#claimed.some(({ what }) => what === TABLESPACE))
      say("changes to tablespace directories will not be undone");
  }
}

async function undoTablespace({ path, isNew, made }: Claimed, warn: (message: string) => void): Promise<void> {
  for (const each of made) await rm(systemPath(each), { recursive: true, force: true });
  if ((entriesOf(path) ?? []).length > 0) {
    warn(`${TABLESPACE} "${path}" is left, with files that are not of this backup`);
  } else if (isNew) await rmdir(systemPath(binaryPath(path)));
}

/** What the directory of a tablespace is called. */
export const TABLESPACE = "tablespace directory";

/** The names in a directory; undefined if it does not exist. */
function entriesOf(path: string): readonly string[] | undefined {
  try {
    return readdirSync(systemPath(binaryPath(path)), { encoding: "latin1" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

function within(path: string, name: string): string | Buffer {
  return systemPath(join(binaryPath(path), name));
}

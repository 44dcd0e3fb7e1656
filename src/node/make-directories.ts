/**
 * Directories that are made level by level, and where a path leads.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pgmkdirp.c: pg_mkdir_p
 */
import { mkdirSync, realpathSync, statSync } from "node:fs";
import { dirname, posix } from "node:path";
import { binaryPath, textPath } from "./verify-backup/paths.ts";
import { systemPath } from "./verify-backup/system-path.ts";

/**
 * Make a directory, unless it exists, and those above it, which get the usual permissions.
 *
 * Works around `recursive: true` of Node 20, which never returns where a directory exists and the system reports ENOENT for one inside
 * of it, such as /proc/x.
 *
 * @param mode Permissions of the directory itself, before the umask.
 * @throws errors of the file system
 */
export function makeDirectories(path: string, mode = 0o777): void {
  if (kindOf(path) === "directory") return;
  const above = dirname(path);
  if (above !== path && kindOf(above) === undefined) makeDirectories(above);
  try {
    mkdirSync(systemPath(binaryPath(path)), mode);
  } catch (error) {
    // Another process may have made it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== "EEXIST" || kindOf(path) !== "directory") throw error;
  }
}

/** @returns undefined if there is no such file. */
function kindOf(path: string): "directory" | "other" | undefined {
  try {
    const stat = statSync(systemPath(binaryPath(path)), { throwIfNoEntry: false });
    return stat && (stat.isDirectory() ? "directory" : "other");
  } catch {
    // To make one there fails too, with an error that names the call.
    return "other";
  }
}

/** Without symbolic links; of a path that is not there, what is there of it. Undefined if that cannot be known. */
export function realPath(path: string): string | undefined {
  const absolute = posix.resolve(path);
  try {
    return textPath(realpathSync(systemPath(binaryPath(absolute)), { encoding: "latin1" }));
  } catch (error) {
    if (!["ENOENT", "ENOTDIR"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    const above = posix.dirname(absolute);
    if (above === absolute) return undefined;
    const real = realPath(above);
    return real && `${real === "/" ? "" : real}/${posix.basename(absolute)}`;
  }
}

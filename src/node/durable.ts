/**
 * Files and names that survive a crash of the machine.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source common/file_utils.c: fsync_fname, fsync_parent_path, durable_rename
 */
import { open, rename } from "node:fs/promises";
import { dirname } from "node:path";

/** Flush a file, or the names in a directory. Systems that cannot do so for a directory are passed over. */
export async function fsyncPath(path: string | Buffer, isDirectory = false): Promise<void> {
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    // Some systems flush only what is open for writing, and open no directory so.
    handle = await open(path, isDirectory ? "r" : "r+");
  } catch (error) {
    if (isDirectory && isOneOf(error, ["EISDIR", "EACCES", "EPERM"])) return;
    throw error;
  }
  try {
    await handle.sync();
  } catch (error) {
    if (!(isDirectory && isOneOf(error, ["EBADF", "EINVAL", "EPERM"]))) throw error;
  } finally {
    await handle.close();
  }
}

/** Flush the directory that a path is in. */
export function fsyncParent(path: string): Promise<void> {
  return fsyncPath(dirname(path), true);
}

/**
 * Rename a file so that after a crash one of the two names has it in full.
 *
 * The file is flushed before, since a system may write its new name first; the directory afterwards.
 */
export async function durableRename(from: string, to: string): Promise<void> {
  await fsyncPath(from);
  try {
    await fsyncPath(to);
  } catch (error) {
    if (!isOneOf(error, ["ENOENT"])) throw error;
  }
  await rename(from, to);
  await fsyncPath(to);
  await fsyncParent(to);
}

function isOneOf(error: unknown, codes: readonly string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}

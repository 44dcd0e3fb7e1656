/**
 * Flushes a backup to the disk, file by file.
 *
 * @source file_utils.c: sync_pgdata, sync_dir_recurse
 */
import { readdir } from "node:fs/promises";
import { fsyncPath } from "../durable.ts";
import { type BinaryPath, binaryPath } from "../verify-backup/paths.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import { withPath } from "./files.ts";

/** How many files are flushed at once. */
const AT_ONCE = 8;

/**
 * Flush all files below directories, then the directories.
 *
 * @param directories The backup's, and those that its symbolic links point to.
 * @param check Called between files; it throws to stop.
 */
export async function syncDirectories(directories: readonly string[], check: () => void): Promise<void> {
  for (const directory of directories) {
    const { files, folders } = await collect(binaryPath(directory));
    const iterator = files.values();
    const worker = async (): Promise<void> => {
      for (const path of iterator) {
        check();
        await sync(path, false);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    for (const path of folders.reverse()) await sync(path, true);
  }
}

/** Symbolic links are not followed. */
async function collect(
  directory: BinaryPath,
): Promise<{ readonly files: BinaryPath[]; readonly folders: BinaryPath[] }> {
  const files: BinaryPath[] = [];
  const folders: BinaryPath[] = [directory];
  for (const each of folders) {
    for (const entry of await readdir(systemPath(each), { withFileTypes: true, encoding: "latin1" })) {
      const path = `${each}/${entry.name}`;
      if (entry.isDirectory()) folders.push(path);
      else if (entry.isFile()) files.push(path);
    }
  }
  return { files, folders };
}

async function sync(path: BinaryPath, isDirectory: boolean): Promise<void> {
  try {
    await fsyncPath(systemPath(path), isDirectory);
  } catch (error) {
    throw withPath(error, path);
  }
}

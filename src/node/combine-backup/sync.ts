/**
 * Have the output written to disk.
 *
 * @source file_utils.c: sync_pgdata, fsync_fname
 */
import { readdirSync } from "node:fs";
import { fsyncPath } from "../durable.ts";
import { strerror } from "../strerror.ts";
import { binaryPath, textPath } from "../verify-backup/paths.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import { CombineBackupError, writing } from "./error.ts";

/** Files that are synchronized at once: Node has four threads for it. */
const AT_ONCE = 16;

/** @throws CombineBackupError */
export async function syncDirectory(top: string, breathe: () => Promise<void>): Promise<void> {
  const directories = [top];
  // A directory is done before those in it, which are files of other directories.
  for (let path = directories.pop(); path !== undefined; path = directories.pop()) {
    const files = [path];
    const full = systemPath(binaryPath(path));
    const read = () => readdirSync(full, { encoding: "latin1", withFileTypes: true });
    for (const entry of writing(read, `could not open directory "${path}"`, path)) {
      const inner = `${path}/${textPath(entry.name)}`;
      if (entry.isDirectory()) directories.push(inner);
      else if (entry.isFile()) files.push(inner);
    }
    for (let i = 0; i < files.length; i += AT_ONCE) {
      await Promise.all(files.slice(i, i + AT_ONCE).map((file) => sync(file, file === path)));
      await breathe();
    }
  }
}

async function sync(path: string, isDirectory: boolean): Promise<void> {
  try {
    await fsyncPath(systemPath(binaryPath(path)), isDirectory);
  } catch (error) {
    throw new CombineBackupError("output", `could not fsync file "${path}": ${strerror(error)}`, { path });
  }
}

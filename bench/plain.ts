/**
 * Measure in plain Node: the loader that runs scripts makes what it imports, published code too, two to three times slower, and code
 * that walks bytes most of all.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** What a script of this folder, an .mjs that imports from ../dist, says: one line of JSON. */
export async function plain(script: string, ...args: readonly string[]): Promise<unknown> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...args]);
  return JSON.parse(stdout);
}

/**
 * Measure in plain Node: the loader that runs scripts makes imported code, even compiled code, two to three times slower, most of all
 * loops over bytes.
 */
import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

/** The output of a script in this folder, an .mjs that imports from ../dist: one line of JSON. */
export async function plain(script: string, ...args: readonly string[]): Promise<unknown> {
  const path = fileURLToPath(new URL(script, import.meta.url));
  const { stdout } = await promisify(execFile)(process.execPath, [path, ...args]);
  return JSON.parse(stdout);
}

/** Standbys as pg_stat_replication shows them: rows as JSON, from a file. */
import { readFile } from "node:fs/promises";
import { type Standbys, standbysOf } from "../../standbys.ts";
import { fileError } from "../shared/file-error.ts";
import { readStandardInput } from "../shared/input.ts";
import { InputError, UnseenError } from "../shared/usage.ts";

/** The standbys, and why there are none. */
export interface ReadStandbys extends Standbys {
  /** Why there are no rows, if the input is not an array. */
  readonly noRows?: string;
}

/**
 * Read rows of pg_stat_replication as JSON: an array of objects, or one object a line, as `row_to_json` gives them. Without rows psql
 * writes nothing, or for json_agg, which is NULL, a blank line.
 *
 * @param path - for standard input.
 * @throws UnseenError with the position of the mistake.
 */
export async function readStandbys(path: string): Promise<ReadStandbys> {
  const name = nameOf(path);
  const text = await textOf(path);
  const value = jsonOf(text, name);
  const fail = (problem: string): never => {
    throw new UnseenError(`${name}: ${problem}`);
  };
  if (value !== null) return standbysOf(value, fail);
  return { ...standbysOf([], fail), noRows: `${name} is ${text.trim() === "" ? "empty" : "null"}` };
}

/** Read a file of JSON. @throws UnseenError */
export async function readJson(path: string): Promise<unknown> {
  return jsonOf(await textOf(path), nameOf(path));
}

function nameOf(path: string): string {
  return path === "-" ? "standard input" : path;
}

async function textOf(path: string): Promise<string> {
  try {
    return path === "-" ? await readStandardInput() : await readFile(path, "utf8");
  } catch (error) {
    throw error instanceof InputError ? new UnseenError(error.message) : fileError(path, error);
  }
}

/** null for a text of white space. */
function jsonOf(text: string, name: string): unknown {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  try {
    if (lines.length === 0) return null;
    return lines.every((line) => /^\s*\{.*\}\s*$/.test(line))
      ? lines.map((line) => JSON.parse(line))
      : JSON.parse(text);
  } catch (error) {
    throw new UnseenError(`${name} is not JSON: ${(error as Error).message}`);
  }
}

/** Standbys as pg_stat_replication shows them: rows as JSON, from a file or from a primary. */
import { readFile } from "node:fs/promises";
import { ParseError } from "../../../kernel/errors.ts";
import { type Lsn, parseLsn } from "../../../kernel/lsn.ts";
import type { SyncRepStandby } from "../../../syncrep/questions.ts";
import { fileError } from "../shared/file-error.ts";
import { readStandardInput } from "../shared/input.ts";
import { InputError } from "../shared/usage.ts";

export interface Standbys {
  /** In the order of the walsenders. */
  readonly rows: readonly SyncRepStandby[];
  /** How far the primary's log is, or the furthest that it has sent; undefined if nothing tells. */
  readonly position: Lsn | undefined;
  /** Is the server that they are connected to a standby itself? */
  readonly cascading: boolean;
}

/**
 * Read rows of pg_stat_replication as JSON: an array of objects, or one object a line, as `row_to_json` gives them.
 *
 * @param path - for standard input.
 * @throws InputError with the place of what is wrong.
 */
export async function readStandbys(path: string): Promise<Standbys> {
  const text = path === "-" ? await readStandardInput() : await textOfFile(path);
  return standbysOf(jsonOf(text, path), path);
}

async function textOfFile(path: string): Promise<string> {
  try {
    return await readFile(path, "utf8");
  } catch (error) {
    throw fileError(path, error);
  }
}

function jsonOf(text: string, path: string): unknown {
  const lines = text.split("\n").filter((line) => line.trim() !== "");
  try {
    return lines.length > 0 && lines.every((line) => /^\s*\{.*\}\s*$/.test(line))
      ? lines.map((line) => JSON.parse(line))
      : JSON.parse(text);
  } catch (error) {
    throw new InputError(`${path} is not JSON: ${(error as Error).message}`);
  }
}

/** Names of columns, as they are and as they were before 10. */
const positions = {
  writeLsn: ["write_lsn", "write_location"],
  flushLsn: ["flush_lsn", "flush_location"],
  replayLsn: ["replay_lsn", "replay_location"],
} as const;
const sent = ["sent_lsn", "sent_location"] as const;

const states = ["startup", "backup", "catchup", "streaming", "stopping"] as const;

/**
 * @param path What to call it in an error.
 * @throws InputError with the place of what is wrong.
 */
export function standbysOf(value: unknown, path: string): Standbys {
  const fail = (place: string, what: string): never => {
    throw new InputError(`${path}: ${place} ${what}`);
  };
  if (!Array.isArray(value)) return fail("it", "must be an array of rows of pg_stat_replication");
  let furthest: Lsn | undefined;
  const rows = value.map((row: unknown, i): SyncRepStandby => {
    if (typeof row !== "object" || row === null || Array.isArray(row)) fail(`[${i}]`, "must be an object");
    const columns = row as Readonly<Record<string, unknown>>;
    const lsn = (names: readonly string[]): Lsn | undefined => {
      const name = names.find((each) => Object.hasOwn(columns, each)) ?? names[0]!;
      const text = columns[name];
      if (text === undefined || text === null) return undefined;
      try {
        return parseLsn(text as string);
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        return fail(`[${i}].${name}`, `must be an LSN such as "0/16B3748", or null, not ${JSON.stringify(text)}`);
      }
    };
    const { application_name: name, state } = columns;
    // The server shows to everybody that somebody is there, and nothing more.
    if (state === null) fail(`[${i}].state`, "is null: the role needs pg_monitor, or to be superuser, to see it");
    if (typeof name !== "string") fail(`[${i}].application_name`, "must be a string");
    const known = states.find((each) => each === state);
    if (known === undefined) {
      fail(`[${i}].state`, `must be one of ${states.join(", ")}, not ${JSON.stringify(state) ?? "missing"}`);
    }
    const standby = {
      applicationName: name as string,
      state: known!,
      writeLsn: lsn(positions.writeLsn),
      flushLsn: lsn(positions.flushLsn),
      replayLsn: lsn(positions.replayLsn),
    };
    for (const each of [lsn(sent), standby.writeLsn]) {
      if (each !== undefined && (furthest === undefined || each > furthest)) furthest = each;
    }
    return standby;
  });
  return { rows, position: furthest, cascading: false };
}

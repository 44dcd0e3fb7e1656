/**
 * walwire/conf/disk: reads the configuration files of this machine for `readPostgresqlConf` (Node).
 */
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ConfFailure, ConfReader } from "../conf/index.ts";

/**
 * A reader of files on this machine. What the user of this process may not read is a failure like any other, which
 * `readPostgresqlConf` returns as `unread`.
 *
 * @example readPostgresqlConf("/nowhere/postgresql.conf", diskConfReader).problems[0].error.sqlstate // "58P01"
 */
export const diskConfReader: ConfReader = {
  readFile: (path) => orFailure(() => decodeConf(readFileSync(path))),
  readDir: (path) =>
    orFailure(() =>
      readdirSync(path, { withFileTypes: true }).flatMap((entry): (string | (ConfFailure & { name: string }))[] => {
        if (!entry.isSymbolicLink()) return entry.isDirectory() ? [] : [entry.name];
        const isDirectory = orFailure(() => statSync(join(path, entry.name)).isDirectory());
        if (typeof isDirectory === "object") return [{ name: entry.name, ...isDirectory }];
        return isDirectory ? [] : [entry.name];
      }),
    ),
};

/** The text of a configuration file. To the server a byte order mark is a letter. */
export function decodeConf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function orFailure<T>(get: () => T): T | ConfFailure {
  try {
    return get();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    return { code };
  }
}

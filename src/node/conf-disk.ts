/**
 * walwire/conf/disk: reads the configuration files of this machine for `readPostgresqlConf` (Node).
 */

import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import type { ConfEntryFailure, ConfFailure, ConfReader } from "../conf/index.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { givenBytes } from "../wire/check.ts";

/**
 * A reader of files on this machine. A file without read permission is a failure like any other, which `readPostgresqlConf` returns as
 * `unread`.
 *
 * @example readPostgresqlConf("/nowhere/postgresql.conf", diskConfReader).problems[0].error.sqlstate // "58P01"
 */
export const diskConfReader: ConfReader = {
  readFile: (path) => orFailure(path, () => decodeConf(readFileSync(path))),
  readDir: (path) =>
    orFailure(path, () =>
      readdirSync(path, { withFileTypes: true }).flatMap((entry): (string | ConfEntryFailure)[] => {
        if (!entry.isSymbolicLink()) return entry.isDirectory() ? [] : [entry.name];
        const isDirectory = orFailure(path, () => statSync(join(path, entry.name)).isDirectory());
        if (typeof isDirectory === "object") return [{ name: entry.name, ...isDirectory }];
        return isDirectory ? [] : [entry.name];
      }),
    ),
};

/** The text of a configuration file. To the server a byte order mark is a letter. */
export function decodeConf(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(givenBytes(bytes));
}

function orFailure<T>(path: string, get: () => T): T | ConfFailure {
  if (typeof path !== "string" || path.includes("\0")) refuseArgument("path", "a string without NUL characters", path);
  try {
    return get();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined || syscall === undefined) throw error;
    return { code };
  }
}

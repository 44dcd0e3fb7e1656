/** A synchronous_standby_names in configuration files: which of its values a server takes, where it stands, and how it is changed. */
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import {
  type ConfEntry,
  type ConfProblem,
  effectiveEntry,
  placeInFile,
  readPostgresqlConf,
  sameParameter,
} from "../../../conf/index.ts";
import { fileError } from "../shared/file-error.ts";
import { InputError } from "../shared/usage.ts";

export const parameter = "synchronous_standby_names";

export interface ConfValue {
  /** The file that everything begins with. */
  readonly path: string;
  /** Why a server takes nothing of all files. */
  readonly problems: readonly ConfProblem[];
  /** What the server takes; undefined if the parameter is in no file. */
  readonly entry: ConfEntry | undefined;
  /** What it would take, if there were not a later one. */
  readonly overridden: readonly ConfEntry[];
  /** The text of a file that was read. */
  readonly text: (path: string) => string;
}

/**
 * @param path A postgresql.conf, or the directory of one.
 * @throws InputError if it cannot be read.
 */
export function readConf(path: string): ConfValue {
  const texts = new Map<string, string>();
  const main = explained(path, () => {
    const file = statSync(path).isDirectory() ? join(path, "postgresql.conf") : path;
    texts.set(file, decode(readFileSync(file)));
    return file;
  });
  const readFile = (file: string): string | undefined => {
    const text = texts.get(file) ?? orNothing(() => decode(readFileSync(file)));
    if (text !== undefined) texts.set(file, text);
    return text;
  };
  const readDir = (directory: string): readonly string[] | undefined =>
    orNothing(() => readdirSync(directory).filter((name) => !isDirectory(join(directory, name))));
  const { entries, problems } = readPostgresqlConf(main, { readFile, readDir });
  const entry = effectiveEntry(entries, parameter);
  const overridden = entries.filter((each) => each !== entry && sameParameter(each.name, parameter));
  return { path: main, problems, entry, overridden, text: (file) => texts.get(file) ?? "" };
}

/** A byte order mark is a letter to the server. */
function decode(bytes: Uint8Array): string {
  return new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes);
}

function isDirectory(path: string): boolean {
  return orNothing(() => statSync(path).isDirectory()) ?? false;
}

/** What the file system gives, or undefined if it does not. */
function orNothing<T>(get: () => T): T | undefined {
  try {
    return get();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).syscall === undefined) throw error;
    return undefined;
  }
}

/** What the file system gives, or its reason in a sentence. */
function explained<T>(path: string, get: () => T): T {
  try {
    return get();
  } catch (error) {
    throw fileError(path, error);
  }
}

/** Where a character of the value stands in its file. */
export function placeInConf({ text }: ConfValue, entry: ConfEntry, offset: number): PlaceInConf {
  return { path: entry.path, text: text(entry.path), ...placeInFile(entry, offset) };
}

export interface PlaceInConf {
  readonly path: string;
  /** That of the file. */
  readonly text: string;
  /** In it, as ConfEntry has them. */
  readonly line: number;
  readonly column: number;
  readonly offset: number;
}

/** A value as configuration files have it. @source guc-file.l: DeescapeQuotedString, in reverse */
function quoted(value: string): string {
  const escapes: Readonly<Record<string, string>> = { "'": "''", "\\": "\\\\", "\n": "\\n", "\r": "\\r" };
  return `'${value.replace(/['\\\n\r]/g, (c) => escapes[c]!)}'`;
}

/** The change of one line, as `diff -U0` shows it, and `patch` takes it. */
export function diffOf({ text }: ConfValue, { path, line, offset, end }: ConfEntry, value: string): string {
  const file = text(path);
  const start = file.lastIndexOf("\n", offset) + 1;
  const newline = file.indexOf("\n", end);
  const before = file.slice(start, offset);
  const after = file.slice(end, newline === -1 ? file.length : newline);
  const last = newline === -1 ? "\n\\ No newline at end of file" : "";
  return [
    `--- ${path}`,
    `+++ ${path}`,
    `@@ -${line} +${line} @@`,
    `-${before}${file.slice(offset, end)}${after}${last}`,
    `+${before}${quoted(value)}${after}${last}`,
    "",
  ].join("\n");
}

/**
 * Put another value into the file: nothing else of it changes, and whoever reads it finds the old one or the new one.
 *
 * @throws InputError if it cannot be done.
 */
export function writeConf({ text }: ConfValue, { path, offset, end }: ConfEntry, value: string): void {
  explained(path, () => {
    // What a link points to is changed, not the link.
    const file = realpathSync(path);
    const bytes = readFileSync(file);
    const old = text(path);
    if (!bytes.equals(Buffer.from(old))) {
      throw new InputError(`${path} is not changed: it is not UTF-8, or it was changed meanwhile`);
    }
    const { mode, uid, gid } = statSync(file);
    const temporary = `${file}.${process.pid}.tmp`;
    const handle = openSync(temporary, "wx", 0o600);
    try {
      try {
        writeFileSync(handle, old.slice(0, offset) + quoted(value) + old.slice(end));
        const made = statSync(temporary);
        // A server must be able to read it as before: if it cannot be given back to its owner, it stays as it was.
        if (made.uid !== uid || made.gid !== gid) chownSync(temporary, uid, gid);
        fchmodSync(handle, mode);
        fsyncSync(handle);
      } finally {
        closeSync(handle);
      }
      renameSync(temporary, file);
    } catch (error) {
      rmSync(temporary, { force: true });
      throw error;
    }
  });
}

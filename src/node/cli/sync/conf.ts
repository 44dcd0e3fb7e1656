/** A synchronous_standby_names in configuration files: the value that a server takes, its place, and its change. */
import {
  chownSync,
  closeSync,
  fchmodSync,
  fsyncSync,
  openSync,
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
  type ConfReader,
  type ConfUnread,
  checkedEntries,
  commentsOf,
  effectiveEntry,
  placeInFile,
  readPostgresqlConf,
  sameParameter,
} from "../../../conf/index.ts";
import { ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { serverVersionNum } from "../../../kernel/version.ts";
import { type FindingCode, findingCodes, parseSynchronousStandbyNames } from "../../../syncrep/index.ts";
import { parseSynchronousCommit, type SynchronousCommit } from "../../../syncrep/questions.ts";
import { diskConfReader } from "../../conf-disk.ts";
import { fileError } from "../shared/file-error.ts";
import { InputError } from "../shared/usage.ts";

const parameter = "synchronous_standby_names";

export interface ConfValue {
  /** The main file. */
  readonly path: string;
  /** Why a server takes nothing from any of the files, and does not start with them. */
  readonly problems: readonly ConfProblem[];
  /** What this user may not read: a server may find another value there. */
  readonly unread: readonly ConfUnread[];
  /** A relative data_directory, which a server resolves against the directory that it is started in. */
  readonly assumedDataDirectory: string | undefined;
  /** The entry that a server takes; undefined if the parameter is in no file. */
  readonly entry: ConfEntry | undefined;
  /** The entries before it. */
  readonly overridden: readonly ConfEntry[];
  /** What the files set beside it, if they do. */
  readonly synchronousCommit: SynchronousCommit | undefined;
  readonly clusterName: string | undefined;
  /** The codes in comments of the entry: `# walwire: ignore DUPLICATE`. */
  readonly ignore: readonly FindingCode[];
  /** The text of a file that was read. */
  readonly text: (path: string) => string;
}

/** Reads each file once, so that the version and the value come from the same text. */
export function readingOnce(): ConfReader {
  const texts = new Map<string, ReturnType<ConfReader["readFile"]>>();
  const readFile = (file: string) => {
    if (!texts.has(file)) texts.set(file, diskConfReader.readFile(file));
    return texts.get(file);
  };
  return { ...diskConfReader, readFile };
}

/**
 * The version of the cluster that configuration files belong to, by the PG_VERSION of its data directory; undefined if there is none.
 *
 * @param path A postgresql.conf, or the directory of one.
 * @param reader One of readingOnce.
 * @throws InputError if it cannot be read.
 */
export function clusterVersion(path: string, reader: ConfReader): number | undefined {
  const main = mainFile(path);
  const { dataDirectory } = readPostgresqlConf(main, reader, { parameters: [parameter] });
  const text = reader.readFile(join(dataDirectory.path, "PG_VERSION"));
  try {
    return typeof text === "string" ? serverVersionNum(text.trim()) : undefined;
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}

function mainFile(path: string): string {
  const main = explained(path, () => (statSync(path).isDirectory() ? join(path, "postgresql.conf") : path));
  explained(main, () => closeSync(openSync(main, "r")));
  return main;
}

/**
 * @param path A postgresql.conf, or the directory of one.
 * @param reader One of readingOnce.
 * @throws InputError if it cannot be read.
 */
export function readConf(path: string, server: number, reader: ConfReader): ConfValue {
  const main = mainFile(path);
  const files = readPostgresqlConf(main, reader, { parameters: [parameter], server });
  const { entries, dataDirectory } = files;
  const text = (file: string): string => {
    const text = reader.readFile(file);
    return typeof text === "string" ? text : "";
  };
  const problems = [...files.problems];
  const entry = effectiveEntry(entries, parameter);
  const commit = effectiveEntry(entries, "synchronous_commit");
  let synchronousCommit: SynchronousCommit | undefined;
  // The value that counts is judged with all that can be said of it; of others only the server's error matters.
  if (files.problems.length === 0) {
    for (const each of checkedEntries(entries, parameter)) {
      if (each !== entry) check(each, () => parseSynchronousStandbyNames(each.value, { server }));
    }
    for (const each of checkedEntries(entries, "synchronous_commit")) {
      const level = check(each, () => parseSynchronousCommit(each.value, { server }));
      if (each === commit) synchronousCommit = level;
    }
  }
  return {
    path: main,
    problems,
    unread: files.unread,
    assumedDataDirectory: dataDirectory.assumed ? dataDirectory.path : undefined,
    entry,
    overridden: entries.filter((each) => each !== entry && sameParameter(each.name, parameter)),
    synchronousCommit,
    clusterName: effectiveEntry(entries, "cluster_name")?.value,
    ignore: entry === undefined ? [] : ignoredIn(commentsOf(text(entry.path), entry)),
    text,
  };

  /** A value that a server rejects is a problem of the files, and stands in one. */
  function check<T>(each: ConfEntry, read: () => T): T | undefined {
    try {
      return read();
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      const { code, message, sqlstate, detail, hint, advice } = error;
      const { offset } = placeInFile(each, error.offset);
      const inFile = { code, message, sqlstate, detail, hint, advice, text: text(each.path), offset };
      problems.push({ path: each.path, error: new ParseError(inFile) });
      return undefined;
    }
  }
}

/** Unknown codes are left alone: another version may know them. */
function ignoredIn(comments: readonly string[]): FindingCode[] {
  const codes = comments.flatMap((comment) => /^walwire: *ignore +(.*)$/.exec(comment)?.[1]?.split(/[, ]+/) ?? []);
  return codes.filter((code): code is FindingCode => Object.hasOwn(findingCodes, code));
}

/** What the file system gives, or its reason in a sentence. */
function explained<T>(path: string, get: () => T): T {
  try {
    return get();
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The place in its file of a character of the value. */
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

/** The change of one line, as `diff -U0` shows it and `patch` reads it. */
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
 * Put another value into the file. Nothing else in it changes, and a reader finds either the old file or the new one.
 *
 * @throws InputError if it cannot be done.
 */
export function writeConf({ text }: ConfValue, { path, offset, end }: ConfEntry, value: string): void {
  explained(path, () => {
    // The file is replaced, not a link to it.
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

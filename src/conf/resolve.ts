/**
 * What a server makes of its configuration files: postgresql.conf, what it includes, and postgresql.auto.conf.
 *
 * A port of guc-file.l: ParseConfigFile, ParseConfigDirectory; of conffiles.c: AbsoluteConfigLocation, GetConfFilesInDir; and of
 * the start of guc.c: ProcessConfigFileInternal. What is refused is what the newest minors refuse: before those of November 2019
 * a file that includes itself did so until the limit of nesting.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { ParseError } from "../kernel/errors.ts";
import { type ConfEntry, parsePostgresqlConf, sameParameter } from "./parse.ts";

/** How files are had. Both answer undefined for what is not there, or cannot be read. */
export interface ConfReader {
  /** The text of a file. */
  readFile(path: string): string | undefined;
  /** The names, without the directory, of what is in a directory and is no directory itself. */
  readDir(path: string): readonly string[] | undefined;
}

export interface ReadPostgresqlConfOptions {
  /**
   * The directory of postgresql.auto.conf. Without it, it is the one that the files name as `data_directory`, or else the one
   * of the main file.
   */
  readonly dataDirectory?: string | undefined;
}

/** Why a server would take nothing of all files, and at its start not start. */
export interface ConfProblem {
  readonly path: string;
  /** What the server logs, and the place in that file. */
  readonly error: ParseError;
}

export interface PostgresqlConf {
  /** The parameters of all files in the order in which the server reads them. Directives are not here: their files are. */
  readonly entries: readonly ConfEntry[];
  /** In the server's order. */
  readonly problems: readonly ConfProblem[];
  /** The files that were read, in order. One that was included twice is here twice. */
  readonly paths: readonly string[];
}

/** @source conffiles.h: CONF_FILE_MAX_DEPTH */
const MAX_DEPTH = 10;

/** Ten levels of files that each include others a hundred times would keep a server busy for ever, and us. */
const MAX_FILES = 10_000;

/**
 * Read a configuration file with all that it includes, and postgresql.auto.conf after it.
 *
 * @param path Of the main file. Paths in it are relative to the file that names them.
 * @returns entries and problems; nothing is thrown for bad files.
 * @source guc-file.l: ParseConfigFile, ParseConfigDirectory; guc.c: ProcessConfigFileInternal
 * @example readPostgresqlConf("a/x.conf", { readFile: (path) => ({ "a/x.conf": "include 'y.conf'", "a/y.conf": "port = 1" })[path], readDir: () => undefined }).entries[0].path // "a/y.conf"
 */
export function readPostgresqlConf(
  path: string,
  reader: ConfReader,
  options: ReadPostgresqlConfOptions = {},
): PostgresqlConf {
  const entries: ConfEntry[] = [];
  const problems: ConfProblem[] = [];
  const paths: string[] = [];

  readFile(path, true, undefined, 0);
  if (problems.length === 0) {
    const named = effectiveEntry(entries, "data_directory")?.value;
    const directory = options.dataDirectory ?? (named === undefined ? parentOf(path) : located(named, path));
    readFile(joined(directory, "postgresql.auto.conf"), false, undefined, 0);
  }
  return { entries, problems, paths };

  /** @returns false if something in it, or in what it includes, is refused. */
  function readFile(
    location: string,
    strict: boolean,
    calledBy: Caller | undefined,
    depth: number,
    file = calledBy === undefined ? location : located(location, calledBy.path),
  ): boolean {
    if (/^[ \t\r\n]*$/.test(location)) {
      return refused(calledBy, "22023", `empty configuration file name: "${location}"`);
    }
    const cannot = `could not open configuration file "${location}"`;
    if (depth > MAX_DEPTH) return refused(calledBy, "54000", `${cannot}: maximum nesting depth exceeded`);
    if (file === calledBy?.path) {
      return refused(calledBy, "22023", `configuration file recursion in "${file}"`);
    }
    if (paths.length >= MAX_FILES) return refused(calledBy, "54000", `${cannot}: more than ${MAX_FILES} files`);
    const text = reader.readFile(file);
    if (text === undefined) {
      if (!strict) return true;
      return refused(calledBy, "58P01", `could not open configuration file "${file}": No such file or directory`, file);
    }
    paths.push(file);

    const parsed = parsePostgresqlConf(text, { path: file });
    let ok = parsed.errors.length === 0;
    let next = 0;
    const errorsBefore = (offset: number): void => {
      for (; next < parsed.errors.length && parsed.errors[next]!.offset < offset; next++) {
        problems.push({ path: file, error: parsed.errors[next]! });
      }
    };
    for (const entry of parsed.entries) {
      errorsBefore(entry.offset);
      const { name, value } = entry;
      const caller = { path: file, text, entry };
      if (sameParameter(name, "include_dir")) ok = readDirectory(value, caller, depth + 1) && ok;
      else if (sameParameter(name, "include_if_exists")) ok = readFile(value, false, caller, depth + 1) && ok;
      else if (sameParameter(name, "include")) ok = readFile(value, true, caller, depth + 1) && ok;
      else entries.push(entry);
    }
    errorsBefore(Number.POSITIVE_INFINITY);
    return ok;
  }

  /** The first file that is refused ends it. */
  function readDirectory(location: string, calledBy: Caller, depth: number): boolean {
    if (/^[ \t\r\n]*$/.test(location)) {
      return refused(calledBy, "22023", `empty configuration directory name: "${location}"`);
    }
    const directory = located(location, calledBy.path);
    const names = reader.readDir(directory);
    if (names === undefined) {
      const message = `could not open configuration directory "${directory}": No such file or directory`;
      return refused(calledBy, "58P01", message);
    }
    const files = names.filter((name) => name.length > ".conf".length && /^[^.].*\.conf$/s.test(name));
    return files.sort(byCharacters).every((name) => {
      const file = canonical(joined(directory, name));
      return readFile(file, true, calledBy, depth, file);
    });
  }

  function refused(calledBy: Caller | undefined, sqlstate: string, message: string, file = path): false {
    const text = calledBy?.text ?? "";
    const offset = calledBy?.entry.offset ?? 0;
    const error = new ParseError({ code: "INVALID_VALUE", message, sqlstate, text, offset, near: calledBy?.entry.raw });
    problems.push({ path: calledBy?.path ?? file, error });
    return false;
  }
}

/** The directive that named a file, and the file that it stands in. */
interface Caller {
  readonly path: string;
  readonly text: string;
  readonly entry: ConfEntry;
}

/**
 * The entry of a parameter that a server takes, if the files have no problems: the last one.
 *
 * @example effectiveEntry(parsePostgresqlConf("port = 1\nPORT = 2").entries, "port").value // "2"
 */
export function effectiveEntry(entries: readonly ConfEntry[], name: string): ConfEntry | undefined {
  return entries.findLast((entry) => sameParameter(entry.name, name));
}

// ---- Paths ----

/** @source conffiles.c: AbsoluteConfigLocation */
function located(location: string, callingFile: string): string {
  return /^(?:[A-Za-z]:)?[\\/]/.test(location) ? location : canonical(joined(parentOf(callingFile), location));
}

function parentOf(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash === -1 ? "" : path.slice(0, slash) || "/";
}

function joined(directory: string, name: string): string {
  return directory === "" || directory.endsWith("/") ? directory + name : `${directory}/${name}`;
}

/** @source path.c: canonicalize_path, as from 16 on; before, a `..` could stay in the middle. */
function canonical(path: string): string {
  const root = path.startsWith("/") ? "/" : "";
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "" || part === ".") continue;
    if (part !== "..") parts.push(part);
    else if (parts.length > 0 && parts.at(-1) !== "..") parts.pop();
    else if (root === "") parts.push(part);
  }
  return root + parts.join("/") || ".";
}

/** The order of strcmp() on UTF-8, which is that of code points, and not that of UTF-16. */
function byCharacters(a: string, b: string): number {
  const [left, right] = [Array.from(a), Array.from(b)];
  for (let i = 0; i < left.length && i < right.length; i++) {
    const difference = left[i]!.codePointAt(0)! - right[i]!.codePointAt(0)!;
    if (difference !== 0) return difference;
  }
  return left.length - right.length;
}

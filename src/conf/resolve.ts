/**
 * What a server makes of its configuration files: postgresql.conf, what it includes, and postgresql.auto.conf.
 *
 * A port of guc-file.l: ParseConfigFile, ParseConfigDirectory; of conffiles.c: AbsoluteConfigLocation, GetConfFilesInDir; and of
 * the start of guc.c: ProcessConfigFileInternal. What is rejected is what the newest minors reject: before those of November 2019
 * a file that includes itself did so until the limit of nesting.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */
import { ParseError, refuseArgument } from "../kernel/errors.ts";
import { isArrayOf } from "../kernel/options.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import { downcaseIdentifier } from "../text/identifier.ts";
import { confCapabilities } from "./capabilities.ts";
import { type ConfEntry, parsePostgresqlConf, sameParameter } from "./parse.ts";

/** Why a file or directory cannot be read. */
export interface ConfFailure {
  /** The name of the errno, as Node gives it: "EACCES", "EISDIR". */
  readonly code: string;
}

/** An entry of a directory that cannot be looked at. */
export interface ConfEntryFailure extends ConfFailure {
  /** Its name, without the directory. */
  readonly name: string;
}

/** How files are read. The caller gives them: this module has no I/O. */
export interface ConfReader {
  /** The text of a file, decoded as UTF-8 with its byte order mark; undefined if there is no such file. */
  readFile(path: string): string | undefined | ConfFailure;
  /**
   * The names, without the directory, of the entries of a directory that are not directories themselves; for an entry that cannot be
   * looked at, such as a link that leads nowhere, its name with the reason. undefined if there is no such directory.
   */
  readDir(path: string): readonly (string | ConfEntryFailure)[] | undefined | ConfFailure;
}

/** How the files are read. */
export interface ReadPostgresqlConfOptions {
  /** The server that reads the files: the SQLSTATE of a problem depends on it. */
  readonly server?: Server | undefined;
  /**
   * The directory of postgresql.auto.conf. Without it, it is the one that the files name as `data_directory`, or else the one
   * of the main file.
   */
  readonly dataDirectory?: string | undefined;
  /**
   * Names of parameters that matter to the caller. An entry whose name is nearly one of these is a problem, since a server does not
   * start with a parameter that it does not know. Of other unknown names only those with characters beyond ASCII are reported.
   */
  readonly parameters?: readonly string[] | undefined;
}

/** Why a server would take nothing from any of the files, and would not start with them. */
export interface ConfProblem {
  /** The file that the error is in. */
  readonly path: string;
  /** What the server logs, and the place in that file. */
  readonly error: ParseError;
}

/** A file or directory that was not read, and that a server with other permissions may read. */
export interface ConfUnread extends ConfFailure {
  /** The file or directory. */
  readonly path: string;
}

/** The settings of the files, and what is wrong with them. */
export interface PostgresqlConf {
  /** The parameters of all files in the order in which the server reads them. Directives are not here: their files are. */
  readonly entries: readonly ConfEntry[];
  /** In the server's order. */
  readonly problems: readonly ConfProblem[];
  /** What could not be read here. If it is not empty, a server may find more than `entries` and `problems`. */
  readonly unread: readonly ConfUnread[];
  /** The files that were read, in order. One that was included twice is here twice. */
  readonly paths: readonly string[];
  /**
   * The directory in which postgresql.auto.conf was looked for.
   */
  readonly dataDirectory: {
    /** The directory. */
    readonly path: string;
    /**
     * Do the files give a relative `data_directory`? A server resolves it against the directory that it was started in, which no file
     * tells; here it was resolved against the directory of the main file.
     */
    readonly assumed: boolean;
  };
}

/** @source conffiles.h: CONF_FILE_MAX_DEPTH */
const MAX_DEPTH = 10;

/** Ten levels of files that each include others a hundred times would keep a server busy for ever, and us. */
const MAX_FILES = 10_000;

/** After so many problems nothing more is read: nobody reads on, and each of the files may add hundreds. */
const MAX_PROBLEMS = 1000;

/** @source pg_config_manual.h: MAXPGPATH, with the NUL byte at the end */
const MAX_PATH = 1024;

/**
 * Failures that any user has, with what C's strerror() says of them, and the SQLSTATE of fd.c's errcode_for_file_access. Whatever else
 * fails may work for the user that the server runs as.
 */
const failures: Readonly<Record<string, readonly [message: string, sqlstate: string]>> = {
  ENOENT: ["No such file or directory", "58P01"],
  ENOTDIR: ["Not a directory", "42809"],
  ENAMETOOLONG: ["File name too long", "58P03"],
  ELOOP: ["Too many levels of symbolic links", "XX000"],
};

/**
 * Read a configuration file with all that it includes, and postgresql.auto.conf after it.
 *
 * @param path Of the main file. Paths in it are relative to the file that names them.
 * @returns entries, problems and what could not be read; nothing is thrown for bad files.
 * @throws ArgumentError for arguments of another kind, and for a reader that gives something else.
 * @source guc-file.l: ParseConfigFile, ParseConfigDirectory; guc.c: ProcessConfigFileInternal, SelectConfigFiles
 * @example readPostgresqlConf("a/x.conf", { readFile: (path) => ({ "a/x.conf": "include 'y.conf'", "a/y.conf": "port = 1" })[path], readDir: () => undefined }).entries[0].path // "a/y.conf"
 */
export function readPostgresqlConf(
  path: string,
  reader: ConfReader,
  options: ReadPostgresqlConfOptions = {},
): PostgresqlConf {
  if (typeof path !== "string") refuseArgument("path", "a string", path);
  if (typeof reader?.readFile !== "function") refuseArgument("reader.readFile", "a function", reader?.readFile);
  if (typeof reader.readDir !== "function") refuseArgument("reader.readDir", "a function", reader.readDir);
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  const { parameters = [] } = options;
  const has = confCapabilities.of(options.server ?? defaultServer);
  if (options.dataDirectory !== undefined && typeof options.dataDirectory !== "string") {
    refuseArgument("options.dataDirectory", "a string", options.dataDirectory);
  }
  if (!isArrayOf(parameters, (each) => typeof each === "string")) {
    refuseArgument("options.parameters", "an array of strings", parameters);
  }

  const entries: ConfEntry[] = [];
  const problems: ConfProblem[] = [];
  const unread: ConfUnread[] = [];
  const paths: string[] = [];
  const texts = new Map<string, string>();
  let isFull = false;

  readFile(path, true, undefined, 0);
  // To find the directory, the server looks for this name as it stands here, and at no other case of it.
  const named = entries.findLast(({ name }) => name === "data_directory")?.value;
  const assumed = options.dataDirectory === undefined && named !== undefined && !isAbsolute(named);
  const dataDirectory = options.dataDirectory ?? (named === undefined ? parentOf(path) : located(named, path));
  if (problems.length === 0) readFile(joined(dataDirectory, "postgresql.auto.conf"), false, undefined, 0);
  if (problems.length === 0) problems.push(...unrecognized(entries, parameters, texts));
  return { entries, problems, unread, paths, dataDirectory: { path: dataDirectory, assumed } };

  /** @returns false if something in it, or in what it includes, is rejected. */
  function readFile(
    location: string,
    strict: boolean,
    calledBy: Caller | undefined,
    depth: number,
    file = calledBy === undefined ? location : located(location, calledBy.path),
  ): boolean {
    if (problems.length >= MAX_PROBLEMS || isFull) return false;
    if (/^[ \t\r\n]*$/.test(location)) {
      return refused(calledBy, "22023", `empty configuration file name: "${location}"`);
    }
    const cannot = `could not open configuration file "${location}"`;
    if (depth > MAX_DEPTH) return refused(calledBy, "54000", `${cannot}: maximum nesting depth exceeded`);
    if (file === calledBy?.path) {
      return refused(calledBy, "22023", `configuration file recursion in "${file}"`);
    }
    if (paths.length === MAX_FILES) {
      isFull = true;
      return refused(calledBy, "54000", `${cannot}: more than ${MAX_FILES} files`);
    }
    const text = reader.readFile(file) ?? { code: "ENOENT" };
    if (typeof text !== "string") {
      const code = codeOf(text, "reader.readFile()");
      // A directory can be opened like a file. That it cannot be read is an error of flex, which nothing makes up for; elog(LOG) gives it no SQLSTATE.
      if (code === "EISDIR") return refused(calledBy, "00000", `input in flex scanner failed at file "${file}" line 1`);
      return failed(calledBy, file, code, `could not open configuration file "${file}"`, strict);
    }
    paths.push(file);
    texts.set(file, text);

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

  /** The first file that is rejected ends it. */
  function readDirectory(location: string, calledBy: Caller, depth: number): boolean {
    if (/^[ \t\r\n]*$/.test(location)) {
      return refused(calledBy, "22023", `empty configuration directory name: "${location}"`);
    }
    const directory = located(location, calledBy.path);
    const listed = reader.readDir(directory) ?? { code: "ENOENT" };
    if (!Array.isArray(listed)) {
      const code = codeOf(listed as ConfFailure, "reader.readDir()");
      return failed(calledBy, directory, code, `could not open configuration directory "${directory}"`);
    }
    const files: string[] = [];
    for (const each of listed) {
      const name: unknown = typeof each === "string" ? each : each?.name;
      if (typeof name !== "string") return refuseArgument("reader.readDir()", "names", each);
      // At least one character before the suffix, in bytes, and none of the hidden files.
      if (!/^[^.].*\.conf$/s.test(name)) continue;
      const file = canonical(joined(directory, name));
      if (typeof each === "string") files.push(file);
      else if (!failed(calledBy, file, codeOf(each, "reader.readDir()"), `could not stat file "${file}"`)) return false;
    }
    return files.sort(byCharacters).every((file) => readFile(file, true, calledBy, depth, file));
  }

  /** A failure that any user has is the server's too. */
  function failed(calledBy: Caller | undefined, what: string, code: string, cannot: string, strict = true): boolean {
    const [why, sqlstate] = failures[code] ?? [];
    if (why === undefined) unread.push({ path: what, code });
    else if (strict) {
      const isOther = code === "ENAMETOOLONG" && !has.fileNameTooLongCode;
      return refused(calledBy, isOther ? "XX000" : sqlstate!, `${cannot}: ${why}`, what);
    }
    return true;
  }

  function refused(calledBy: Caller | undefined, sqlstate: string, message: string, file = path): false {
    const text = calledBy?.text ?? "";
    const offset = calledBy?.entry.offset ?? 0;
    const error = new ParseError({ code: "INVALID_VALUE", message, sqlstate, text, offset, near: calledBy?.entry.raw });
    problems.push({ path: calledBy?.path ?? file, error });
    return false;
  }
}

function codeOf(failure: unknown, from: string): string {
  const code: unknown = (failure as ConfFailure | null)?.code;
  return typeof code === "string" ? code : refuseArgument(from, "a text, undefined or { code }", failure);
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
  return entriesOf(entries).findLast((entry) => sameParameter(entry.name, name));
}

/**
 * The entries of a parameter whose values a server checks, the one that it takes last. A server forgets an earlier entry only if a later
 * one spells the name in the same case: with an earlier one in another case whose value is invalid it does not start.
 *
 * @source guc.c: ProcessConfigFileInternal
 * @example checkedEntries(parsePostgresqlConf("Port = 1\nport = 2\nport = 3").entries, "port").map(({ value }) => value) // ["1", "3"]
 */
export function checkedEntries(entries: readonly ConfEntry[], name: string): ConfEntry[] {
  const lastOf = new Map<string, ConfEntry>();
  for (const entry of entriesOf(entries)) if (sameParameter(entry.name, name)) lastOf.set(entry.name, entry);
  return entries.filter((entry) => lastOf.get(entry.name) === entry);
}

function entriesOf(entries: readonly ConfEntry[]): readonly ConfEntry[] {
  const areEntries = isArrayOf(entries, (entry) => typeof entry?.name === "string");
  return areEntries ? entries : refuseArgument("entries", "entries that parsePostgresqlConf returned", entries);
}

// ---- Names that no server knows ----

/** @source guc.c: ProcessConfigFileInternal */
function unrecognized(
  entries: readonly ConfEntry[],
  parameters: readonly string[],
  texts: ReadonlyMap<string, string>,
): ConfProblem[] {
  return entries.flatMap((entry) => {
    const { name, path, line } = entry;
    // A name with a dot is one of an extension, which may come later.
    if (name.includes(".") || parameters.some((each) => sameParameter(name, each))) return [];
    if (/^[\0-\x7f]*$/.test(name) && !parameters.some((each) => isNearly(name, each))) return [];
    const message = `unrecognized configuration parameter "${name}" in file "${path}" line ${line}`;
    const text = texts.get(path)!;
    const start = text.lastIndexOf("\n", entry.offset - 1) + 1;
    const offset = Math.max(start, text.indexOf(name, start));
    return [
      { path, error: new ParseError({ code: "INVALID_VALUE", message, sqlstate: "42704", text, offset, near: name }) },
    ];
  });
}

/** Was it meant for this parameter? Two letters wrong at most, or a few of its words, which may be cut short. */
function isNearly(name: string, parameter: string): boolean {
  const [given, meant] = [downcaseIdentifier(name), downcaseIdentifier(parameter)];
  if (Math.abs(given.length - meant.length) <= 2 && distance(given, meant) <= 2) return true;
  const words = given.split("_").map((word) => word.slice(0, 4));
  const of = meant.split("_").map((word) => word.slice(0, 4));
  return words.length > 1 && words.every((word) => word.length === 4 && of.includes(word));
}

/** How many letters have to be put in, left out or replaced. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)));
    }
    row = next;
  }
  return row[b.length]!;
}

// ---- Paths ----

function isAbsolute(location: string): boolean {
  return /^(?:[A-Za-z]:)?[\\/]/.test(location);
}

/** @source conffiles.c: AbsoluteConfigLocation */
function located(location: string, callingFile: string): string {
  if (isAbsolute(location)) return location;
  const path = joined(parentOf(callingFile), location);
  // C's buffer has no more room. A UTF-16 unit takes three bytes at most.
  if (path.length * 3 < MAX_PATH) return canonical(path);
  const bytes = new TextEncoder().encode(path).subarray(0, MAX_PATH - 1);
  return canonical(new TextDecoder("utf-8", { ignoreBOM: true }).decode(bytes, { stream: true }));
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

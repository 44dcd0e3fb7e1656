/**
 * tablespace_map, which says where the tablespaces of a base backup are to be, from 9.5 on.
 *
 * A port of PostgreSQL's xlogrecovery.c: read_tablespace_map and xlog.c: do_pg_backup_start, before 15 xlog.c.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 */

import { EncodeError, ParseError } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server, serverVersionNum } from "../kernel/version.ts";
import { clamped } from "../text/scan.ts";
import { mustBeArray, mustBeObject, refuse as refuseValue } from "../wire/check.ts";
import { textFileCapabilities } from "./capabilities.ts";
import { type FileContent, FileText, fileBytes, textOfChars } from "./file-text.ts";
import { isSpace } from "./scanf.ts";

/** A tablespace: the symbolic link `pg_tblspc/oid`, and where it leads. */
export interface TablespaceMapEntry {
  /** Servers before 17 take any word, and make a link of this name; what is not a number as they write it is a string. */
  readonly oid: number | string;
  /** The directory of the tablespace. */
  readonly path: string;
}

/** The server that reads the file. */
export interface TablespaceMapOptions {
  /** Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/** Bytes of a line that are read; the rest of it is passed over. @source pg_config_manual.h: MAXPGPATH */
const LINE = 1023;

/**
 * Read tablespace_map as a server does when it starts.
 *
 * From 14 on a backslash takes the character behind it as it is, and the last line must have its end. Before, it does so for `\n` and
 * `\r` only, blanks before the path are lost, and a last line without an end is not read.
 *
 * @param file Bytes, or text; see FileContent.
 * @throws ParseError SYNTAX | INVALID_VALUE, SQLSTATE 55000, with the server's message.
 * @throws UnsupportedError for a server before 9.5.
 * @source xlogrecovery.c: read_tablespace_map
 * @example parseTablespaceMap("16384 /srv/fast\n") // [{ oid: 16384, path: "/srv/fast" }]
 */
export function parseTablespaceMap(
  file: FileContent,
  options: TablespaceMapOptions = {},
): readonly TablespaceMapEntry[] {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  requireCapability(textFileCapabilities, server, "tablespaceMap", "tablespace_map");
  const text = new FileText(file);
  return textFileCapabilities.supports(server, "tablespaceMapEscapes") ? readMap(text, server) : readOldMap(text);
}

function refuse(text: FileText, at: number, code: "SYNTAX" | "INVALID_VALUE" = "SYNTAX"): never {
  return text.refuse(at, { code, message: 'invalid data in file "tablespace_map"', sqlstate: "55000" });
}

/** From 14 on. */
function readMap(text: FileText, server: number): TablespaceMapEntry[] {
  const { chars } = text;
  const entries: TablespaceMapEntry[] = [];
  let line = "";
  let start = 0;
  let wasBackslash = false;
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    if (!wasBackslash && (char === "\n" || char === "\r")) {
      // A line may end with both.
      if (line !== "") entries.push(entryOf(text, line, start, server));
      line = "";
      start = at + 1;
    } else if (!wasBackslash && char === "\\") {
      wasBackslash = true;
    } else {
      if (line.length < LINE) line += char;
      wasBackslash = false;
    }
  }
  if (line !== "" || wasBackslash) refuse(text, chars.length);
  return entries;
}

function entryOf(text: FileText, line: string, start: number, server: number): TablespaceMapEntry {
  // What a NUL character ends is the first word as well.
  const blank = line.search(/[ \0]/);
  const end = blank === -1 ? line.length : blank;
  if (end < 1 || end >= line.length - 1) refuse(text, start);
  const word = line.slice(0, end);
  const path = textOfChars(cString(line.slice(end + 1)));
  if (!textFileCapabilities.supports(server, "tablespaceMapOids")) return { oid: oidOf(word), path };
  const oid = strtoul(word);
  return oid === undefined ? refuse(text, start, "INVALID_VALUE") : { oid, path };
}

/** strtoul() of all of a word, cut to 32 bits; undefined if it is no number, or too much. */
function strtoul(word: string): number | undefined {
  const match = /^[ \t\n\v\f\r]*([+-]?)([0-9]+)$/.exec(word);
  if (match === null) return undefined;
  const value = clamped(match[2]!, 10, 1n << 64n);
  if (value === 1n << 64n) return undefined;
  return Number(BigInt.asUintN(32, match[1] === "-" ? -value : value));
}

/** Before 14. */
function readOldMap(text: FileText): TablespaceMapEntry[] {
  const { chars } = text;
  const entries: TablespaceMapEntry[] = [];
  let line: string[] = [];
  let start = 0;
  let before = "";
  for (let at = 0; at < chars.length; at++) {
    const char = chars[at]!;
    const ends = char === "\n" || char === "\r";
    if (ends && before !== "\\") {
      entries.push(oldEntryOf(text, cString(line.join("")), start));
      line = [];
      start = at + 1;
      continue;
    }
    if (ends) line[line.length - 1] = char;
    else if (line.length < LINE) line.push(char);
    before = char;
  }
  return entries;
}

/** sscanf() with `%s %n`. */
function oldEntryOf(text: FileText, line: string, start: number): TablespaceMapEntry {
  let at = 0;
  while (isSpace(line[at])) at++;
  const from = at;
  while (at < line.length && !isSpace(line[at])) at++;
  if (at === from) refuse(text, start);
  const word = line.slice(from, at);
  while (isSpace(line[at])) at++;
  return { oid: oidOf(word), path: textOfChars(line.slice(at)) };
}

function cString(chars: string): string {
  const end = chars.indexOf("\0");
  return end === -1 ? chars : chars.slice(0, end);
}

function oidOf(word: string): number | string {
  return /^(?:0|[1-9][0-9]{0,9})$/.test(word) && Number(word) <= 0xffffffff ? Number(word) : textOfChars(word);
}

/**
 * Write tablespace_map as a server does.
 *
 * @returns the bytes of the file.
 * @throws EncodeError for what that server would not read back as it is: before 14 that is also a path with blanks before it, or with a
 * backslash at its end or before a newline.
 * @throws UnsupportedError for a server before 9.5.
 * @source xlog.c: do_pg_backup_start
 * @example new TextDecoder().decode(printTablespaceMap([{ oid: 16384, path: "/srv/a\\b" }])) // "16384 /srv/a\\\\b\n"
 * @example new TextDecoder().decode(printTablespaceMap([{ oid: 16384, path: "/srv/a\\b" }], { server: "13" })) // "16384 /srv/a\\b\n"
 */
export function printTablespaceMap(
  entries: readonly TablespaceMapEntry[],
  options: TablespaceMapOptions = {},
): Uint8Array {
  checkOptions(options, ["server"]);
  const server = serverVersionNum(options.server ?? defaultServer);
  requireCapability(textFileCapabilities, server, "tablespaceMap", "tablespace_map");
  const special = textFileCapabilities.supports(server, "tablespaceMapEscapes") ? /[\n\r\\]/g : /[\n\r]/g;
  mustBeArray(entries, "TablespaceMap");
  for (const [i, entry] of entries.entries()) {
    mustBeObject(entry, "TablespaceMap", i);
    if (typeof entry.path !== "string") refuseValue("a string", entry.path, `TablespaceMap[${i}].path`);
    if (!["number", "string"].includes(typeof entry.oid))
      refuseValue("a number or a string", entry.oid, `TablespaceMap[${i}].oid`);
  }
  const lines = entries.map(({ oid, path }) => `${oid} ${path.replace(special, "\\$&")}\n`);
  const bytes = fileBytes("TablespaceMap", lines.join(""));
  const read = readBack(bytes, server);
  const wrong = entries.findIndex(({ oid, path }, i) => read?.[i]?.oid !== oid || read[i].path !== path);
  if (wrong !== -1 || read?.length !== entries.length) {
    const path = `TablespaceMap[${wrong === -1 ? entries.length : wrong}]`;
    throw new EncodeError(path, `${path}: a server would read it as something else, or refuse it`);
  }
  return bytes;
}

function readBack(bytes: Uint8Array, server: number): readonly TablespaceMapEntry[] | undefined {
  try {
    return parseTablespaceMap(bytes, { server });
  } catch (error) {
    if (error instanceof ParseError) return undefined;
    throw error;
  }
}

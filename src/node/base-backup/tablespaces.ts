/**
 * Where the tablespaces of a backup go.
 *
 * @source pg_basebackup.c: tablespace_list_append, get_tablespace_mapping
 */
import { isAbsolute } from "node:path";
import type { BackupTablespace } from "../../basebackup/events.ts";
import { ArgumentError, ProtocolError } from "../../kernel/errors.ts";
import { quoteText } from "../../wire/trace.ts";
import { canonicalPath } from "../verify-backup/paths.ts";
import type { TablespaceLink } from "./extract.ts";

/** A tablespace of the backup and its directory. */
export interface BackupTablespacePlace extends TablespaceLink {
  readonly oid: number;
  /** Is it a directory in pg_tblspc, without a symbolic link? */
  readonly isInPlace: boolean;
}

/**
 * Check the mapping, and bring its paths into the form in which they are compared.
 *
 * @throws ArgumentError
 */
export function tablespaceMapping(mapping: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  const paths = new Map<string, string>();
  for (const [from, to] of Object.entries(mapping)) {
    const path = `options.tablespaceMapping[${JSON.stringify(from)}]`;
    if (typeof to !== "string" || to.includes("\0") || from.includes("\0")) {
      throw new ArgumentError(path, `${path}: expected a path without NUL characters`);
    }
    if (!/^(?:[/\\]|[A-Za-z]:[/\\])/.test(from)) {
      throw new ArgumentError(path, `old directory is not an absolute path in tablespace mapping: ${from}`);
    }
    if (!isAbsolute(to)) {
      throw new ArgumentError(path, `new directory is not an absolute path in tablespace mapping: ${to}`);
    }
    paths.set(canonicalPath(from), canonicalPath(to));
  }
  return paths;
}

/**
 * The directories of all tablespaces. pg_basebackup uses the server's directory for one that is not mapped: here that is an error, so
 * that a server cannot choose which directories are written.
 *
 * @throws ArgumentError for one that is not mapped; ProtocolError for a list that no server sends
 */
export function placesOf(
  tablespaces: readonly BackupTablespace[],
  directory: string,
  mapping: ReadonlyMap<string, string>,
): readonly BackupTablespacePlace[] {
  const places: BackupTablespacePlace[] = [];
  for (const { spcoid, spclocation } of tablespaces) {
    if (spcoid === undefined || spclocation === undefined) continue;
    const isInPlace = !isAbsolute(spclocation);
    if (isInPlace && spclocation !== `pg_tblspc/${spcoid}`) {
      throw new ProtocolError(`tablespace ${spcoid} is in ${quoteText(spclocation)}, expected an absolute path`);
    }
    const to = isInPlace ? `${directory}/${spclocation}` : mapping.get(canonicalPath(spclocation));
    if (to === undefined) {
      throw new ArgumentError(
        "options.tablespaceMapping",
        `tablespace ${spcoid} is in ${quoteText(spclocation)} on the server: map this directory to one for the backup, or to itself`,
      );
    }
    places.push({ oid: spcoid, location: spclocation, directory: to, isInPlace });
  }
  return places;
}

/** @throws ProtocolError if two archives would have one name */
export function checkOids(tablespaces: readonly BackupTablespace[]): void {
  const oids = new Set(tablespaces.map(({ spcoid }) => spcoid));
  if (oids.size !== tablespaces.length) throw new ProtocolError("the server listed a tablespace twice");
}

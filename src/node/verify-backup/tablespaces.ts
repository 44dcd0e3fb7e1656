/**
 * The tablespaces of a backup, and the entries of its directories.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 *
 * @source pg_combinebackup.c: scan_for_existing_tablespaces, parse_oid
 */
import { type Dirent, readdirSync, readlinkSync } from "node:fs";
import { type BinaryPath, binaryPath, textPath } from "./paths.ts";
import { attempt, FatalProblem } from "./problems.ts";
import { systemPath } from "./system-path.ts";

/** A tablespace of a backup. */
export interface Tablespace {
  readonly oid: number;
  /** Its entry in pg_tblspc. */
  readonly path: string;
  /** The directory that its symbolic link leads to; undefined if it is in place. */
  readonly target: string | undefined;
}

/**
 * Find the tablespaces of a backup, in the order of their names.
 *
 * @throws FatalProblem
 */
export function scanTablespaces(backup: string): Tablespace[] {
  const tablespaces: Tablespace[] = [];
  for (const entry of entriesOf(backup, `${backup}/pg_tblspc`)) {
    const oid = parseOid(entry.name);
    if (oid === undefined || !(entry.isSymbolicLink() || entry.isDirectory())) continue;
    const path = `${backup}/pg_tblspc/${textPath(entry.name)}`;
    let target: string | undefined;
    if (entry.isSymbolicLink()) {
      const read = () => readlinkSync(systemPath(binaryPath(path)), { encoding: "latin1" });
      target = textPath(attempt(read, `could not read symbolic link "${path}"`, backup, "chain", path));
      if (!target.startsWith("/")) {
        const message = `target of symbolic link "${path}" is relative`;
        throw new FatalProblem("chain", undefined, message, undefined, { file: path });
      }
    }
    tablespaces.push({ oid, path, target });
  }
  return tablespaces;
}

/** The OID that a name is, as strtoul() reads it; undefined if it is not one. */
export function parseOid(name: string): number | undefined {
  const [, sign, digits] = /^[ \t\n\v\f\r]*([-+]?)0*(\d{1,20})$/.exec(name) ?? [];
  if (digits === undefined) return undefined;
  const value = BigInt(digits);
  if (value >> 64n !== 0n) return undefined;
  const oid = sign === "-" ? BigInt.asUintN(64, -value) : value;
  return oid >= 1n && oid <= 0xffffffffn ? Number(oid) : undefined;
}

/**
 * The entries of a directory of a backup, ordered by name. Names have a character per byte.
 *
 * @throws FatalProblem
 */
export function entriesOf(backup: string, path: string): Dirent[] {
  const full: BinaryPath = binaryPath(path);
  const read = () => readdirSync(systemPath(full), { encoding: "latin1", withFileTypes: true });
  const entries = attempt(read, `could not open directory "${path}"`, backup, "chain", path);
  return entries.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/**
 * Everything in a directory of the last backup goes to the output; incremental files become whole ones.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 *
 * @source pg_combinebackup.c: process_directory_recursively
 * @source reconstruct.c: reconstruct_from_incremental_file
 */
import { mkdirSync } from "node:fs";
import { INCREMENTAL_PREFIX } from "../../basebackup/incremental.ts";
import type { ManifestRecord } from "../verify-backup/context.ts";
import { binaryPath, textPath } from "../verify-backup/paths.ts";
import { withSources } from "../verify-backup/sources.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import { entriesOf, parseOid } from "../verify-backup/tablespaces.ts";
import type { CombineContext } from "./context.ts";
import { writing } from "./error.ts";
import { copyFile, writeBlocks } from "./files.ts";
import type { WrittenFile } from "./manifest-output.ts";

/** The directory of a backup, or of one of its tablespaces. */
export interface Top {
  readonly input: string;
  readonly output: string;
  /** Of a tablespace; undefined for the backup itself. */
  readonly oid: number | undefined;
}

/** @throws FatalProblem, CombineBackupError */
export async function combineDirectory(context: CombineContext, top: Top): Promise<void> {
  const open: (string | undefined)[] = [undefined];
  while (open.length > 0) {
    const relative = open.pop();
    const inner = await combineEntries(context, top, relative);
    // As if it called itself: the first is the next.
    for (const name of inner.reverse()) open.push(relative === undefined ? name : `${relative}/${name}`);
  }
}

/** @returns the names of the directories in it. */
async function combineEntries(context: CombineContext, top: Top, relative: string | undefined): Promise<string[]> {
  const input = relative === undefined ? top.input : `${top.input}/${relative}`;
  const output = relative === undefined ? top.output : `${top.output}/${relative}`;
  if (relative !== undefined && !context.dryRun) {
    const make = () => mkdirSync(systemPath(binaryPath(output)), context.modes.directory);
    writing(make, `could not create directory "${output}"`, output);
  }
  const place = placeOf(top, relative, input, output);
  const directories: string[] = [];
  for (const entry of entriesOf(top.input, input)) {
    const name = textPath(entry.name);
    const isDirectory = entry.isDirectory();
    const isTablespace = place.isTablespaces && parseOid(entry.name) !== undefined;
    if (isTablespace && (isDirectory || entry.isSymbolicLink())) continue;
    if (isDirectory) {
      directories.push(name);
    } else if (!entry.isFile()) {
      context.warn(`skipping ${entry.isSymbolicLink() ? "symbolic link" : "special file"} "${input}/${name}"`);
    } else if (relative !== undefined || (name !== "backup_label" && name !== "backup_manifest")) {
      await combineFile(context, place, name);
    }
  }
  return directories;
}

/** Where a directory is, and what it has. */
interface Directory {
  readonly top: Top;
  readonly input: string;
  readonly output: string;
  /** Its path from the top of a backup, as in a manifest; undefined for the top itself. */
  readonly path: string | undefined;
  /** Is it pg_tblspc? */
  readonly isTablespaces: boolean;
  /** Is it pg_wal, or in it? Its files are not compared, and have no checksums. */
  readonly isWal: boolean;
  /** Can files be incremental? A file elsewhere may have such a name. */
  readonly isIncremental: boolean;
}

function placeOf(top: Top, relative: string | undefined, input: string, output: string): Directory {
  if (top.oid !== undefined) {
    const path = `pg_tblspc/${top.oid}${relative === undefined ? "" : `/${relative}`}`;
    return { top, input, output, path, isTablespaces: false, isWal: false, isIncremental: true };
  }
  return {
    ...{ top, input, output, path: relative },
    isTablespaces: relative === "pg_tblspc",
    isWal: relative === "pg_wal" || relative?.startsWith("pg_wal/") === true,
    isIncremental: relative === "global" || /^(?:base|pg_tblspc)\//.test(relative ?? ""),
  };
}

async function combineFile(context: CombineContext, directory: Directory, name: string): Promise<void> {
  const isIncremental = directory.isIncremental && name.startsWith(INCREMENTAL_PREFIX);
  const bare = isIncremental ? name.slice(INCREMENTAL_PREFIX.length) : name;
  const target = `${directory.output}/${bare}`;
  const path = directory.path === undefined ? bare : `${directory.path}/${bare}`;
  const source = `${directory.input}/${name}`;
  const algorithm = directory.isWal ? "NONE" : context.algorithm;
  let file: WrittenFile | undefined;
  if (isIncremental) {
    const places = { directories: context.directories, newest: source, directory: directory.path!, name: bare };
    file = await withSources(places, (sources) => {
      const { copyOf } = sources.plan;
      if (copyOf === undefined) return writeBlocks(context, sources, target);
      const backup = context.directories.length - 1 - copyOf;
      return copyKnown(context, sources.files[copyOf]!.path, target, () =>
        known(context, backup, context.directories[backup]!, path),
      );
    });
  } else if (algorithm === "NONE") {
    file = await copyFile(context, source, target, false);
  } else {
    const last = context.directories.length - 1;
    file = await copyKnown(context, source, target, () => known(context, last, directory.top.input, path));
  }
  await context.progress.addFile();
  if (file !== undefined) context.manifest?.add(path, file, algorithm);
}

/** Copy a file whose checksum may be in a manifest already. */
async function copyKnown(
  context: CombineContext,
  source: string,
  target: string,
  record: () => ManifestRecord | undefined,
): Promise<WrittenFile | undefined> {
  if (context.algorithm === "NONE") return copyFile(context, source, target, false);
  const { checksumAlgorithm, checksum = new Uint8Array() } = record()?.file ?? {};
  if (checksumAlgorithm !== context.algorithm || checksum.length === 0) {
    return copyFile(context, source, target, true);
  }
  const file = await copyFile(context, source, target, false);
  return file && { ...file, checksum };
}

/** What the manifest of a backup says of a file, if there is a manifest. */
function known(context: CombineContext, backup: number, directory: string, path: string): ManifestRecord | undefined {
  const manifest = context.manifests[backup];
  const record = manifest?.files.get(path);
  if (manifest !== undefined && record === undefined) {
    context.warn(`manifest file "${directory}/backup_manifest" contains no entry for file "${path}"`);
  }
  return record;
}

/**
 * walwire/combine-backup: combines a full backup and incremental ones as pg_combinebackup does (Node).
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_combinebackup.c
 */
import { mkdirSync, statSync, symlinkSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { stateFileCapabilities } from "../files/capabilities.ts";
import { controlFileFormat } from "../files/control-file.ts";
import { type ChecksumAlgorithm, checksumLengths } from "../files/manifest/types.ts";
import { ArgumentError, refuseArgument } from "../kernel/errors.ts";
import { checkObject, checkOneOf, checkOptions, checkType } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server } from "../kernel/version.ts";
import { type AbortSignalLike, checkSignal } from "./abort-signal.ts";
import { verifyBackupCapabilities } from "./capabilities.ts";
import { type CombineContext, type CombineProgress, type CopyMethod, Progress } from "./combine-backup/context.ts";
import { combineDirectory } from "./combine-backup/directory.ts";
import { CombineBackupError, ownError, writing } from "./combine-backup/error.ts";
import { CHUNK, OutputFile } from "./combine-backup/files.ts";
import { ManifestOutput } from "./combine-backup/manifest-output.ts";
import { modesOf, OutputDirectories } from "./combine-backup/output.ts";
import { syncDirectory } from "./combine-backup/sync.ts";
import { type Chain, openChain } from "./verify-backup/chain.ts";
import { readManifest } from "./verify-backup/manifest.ts";
import { binaryPath, canonicalPath } from "./verify-backup/paths.ts";
import { summing } from "./verify-backup/sum.ts";
import { systemPath } from "./verify-backup/system-path.ts";
import { scanTablespaces, type Tablespace } from "./verify-backup/tablespaces.ts";
import { writerOf } from "./verify-backup/writer.ts";

export type { ChecksumAlgorithm } from "../files/manifest/types.ts";
export type { AbortSignalLike } from "./abort-signal.ts";
export type { CombineProgress, CopyMethod } from "./combine-backup/context.ts";
export { CombineBackupError, type CombineBackupErrorKind } from "./combine-backup/error.ts";
export type { BackupProblemKind } from "./verify-backup/problems.ts";

/** Options of `combineBackup`. */
export interface CombineBackupOptions {
  /** The version whose pg_combinebackup is followed, from 17 on. Default: that of the last backup. */
  readonly server?: Server | undefined;
  /** For each tablespace of the last backup its directory, and the directory in which it is to be: both absolute. */
  readonly tablespaces?: Readonly<Record<string, string>> | undefined;
  /** Write nothing: only check what can be checked without reading the blocks. */
  readonly dryRun?: boolean | undefined;
  /** Wait until the output is on disk. Default: true. */
  readonly sync?: boolean | undefined;
  /** The algorithm of the checksums in the new manifest. Default: CRC32C. */
  readonly manifestChecksums?: ChecksumAlgorithm | undefined;
  /** Write a manifest. Default: true. */
  readonly manifest?: boolean | undefined;
  /**
   * How files that are whole in one backup get into the output. `copy`, the default, copies them. `clone` has both share their blocks, which
   * needs a file system that can: Btrfs, XFS or APFS. `link` makes hard links, from 18 on: a change of the output is then a change of the
   * backup.
   */
  readonly copyMethod?: CopyMethod | undefined;
  /** Called with each warning of pg_combinebackup, and its hint. */
  readonly onWarning?: ((message: string, hint: string | undefined) => void) | undefined;
  /** Called with the progress, up to ten times a second, and at the end. */
  readonly onProgress?: ((progress: CombineProgress) => void) | undefined;
  /** Ends the combination and removes the output; the promise is then rejected with its reason. */
  readonly signal?: AbortSignalLike | undefined;
}

/** The result of a combination. */
export interface CombinedBackup {
  /** The system identifier of all backups. */
  readonly systemIdentifier: bigint;
  /** The number of files in the output, without its manifest. In a dry run, that there would be. */
  readonly files: number;
  /** How many of them were made of the blocks of several files. */
  readonly reconstructed: number;
  /** The size of these files, in bytes. */
  readonly bytes: number;
}

/**
 * Combine a full backup and the incremental backups that are based on it to a full backup, from which a server can start.
 *
 * All memory it takes is a buffer, the manifests, and what the largest of the incremental files says of its blocks. If it fails, the output
 * is removed; an output directory that was there before is emptied.
 *
 * @param directories The full backup, then the incremental ones, oldest first.
 * @param output A directory that does not exist, or is empty.
 * @throws CombineBackupError with the message of pg_combinebackup.
 * @throws UnsupportedError for a version before 17, or links before 18.
 * @throws the reason of an aborted `signal`.
 * @source pg_combinebackup.c: main
 */
export async function combineBackup(
  directories: readonly string[],
  output: string,
  options: CombineBackupOptions = {},
): Promise<CombinedBackup> {
  const call = checkedCall(directories, output, options);
  try {
    return await combine(call);
  } catch (error) {
    throw ownError(error);
  }
}

/** A call whose arguments are checked. */
interface Call extends Omit<CombineBackupOptions, "tablespaces" | "server"> {
  readonly directories: readonly string[];
  readonly output: string;
  readonly server: Server;
  readonly mappings: ReadonlyMap<string, string>;
  readonly algorithm: ChecksumAlgorithm;
  readonly copyMethod: CopyMethod;
  readonly dryRun: boolean;
}

async function combine(call: Call): Promise<CombinedBackup> {
  const { directories, output, server, algorithm, copyMethod, dryRun, onWarning, onProgress, signal } = call;
  let told = Date.now();
  const breathe = async (): Promise<void> => {
    await setImmediate();
    checkSignal(signal);
    if (Date.now() - told < 100) return;
    told = Date.now();
    tell();
  };
  const progress = new Progress(breathe);
  const tell = (): void => onProgress?.({ files: progress.files, bytes: progress.bytes });
  const warn = (message: string, hint?: string): void => onWarning?.(message, hint);
  checkSignal(signal);

  const { systemIdentifier, label, manifests } = await openBackups(call, warn, breathe);
  const last = directories.at(-1)!;
  const lastManifest = manifests.at(-1);
  const modes = modesOf(last);
  const tablespaces = placeTablespaces(call, scanTablespaces(last));
  const outside = tablespaces.filter(({ inPlace }) => !inPlace);
  const made = new OutputDirectories(modes, dryRun, [...directories, ...outside.map(({ input }) => input)]);
  let manifest: ManifestOutput | undefined;
  try {
    made.create(output);
    for (const tablespace of outside) made.create(tablespace.output);
    if (!dryRun && call.manifest !== false) {
      if (lastManifest === undefined) {
        const message = "cannot generate a manifest because no manifest is available for the final input backup";
        throw new CombineBackupError("manifest", message, { path: `${last}/backup_manifest` });
      }
      manifest = new ManifestOutput(`${output}/backup_manifest`, modes.file, systemIdentifier, server);
    }
    const buffer = new Uint8Array(CHUNK);
    const context: CombineContext = {
      ...{ directories, manifests, algorithm, copyMethod, dryRun, modes, manifest, progress, buffer, warn, breathe },
    };
    await writeLabel(context, output, label);
    await combineDirectory(context, { input: last, output, oid: undefined });
    for (const tablespace of tablespaces) {
      if (!dryRun) makeTablespace(tablespace, output, modes.directory);
      await combineDirectory(context, tablespace);
    }
    manifest?.end(lastManifest!.walRanges);
    if (call.sync !== false && !dryRun) {
      for (const path of [output, ...outside.map((tablespace) => tablespace.output)])
        await syncDirectory(path, breathe);
    }
    checkSignal(signal);
  } catch (error) {
    manifest?.abandon();
    for (const message of made.remove()) warn(message);
    throw error;
  }
  if (copyMethod === "link") {
    warn(
      "--link mode was used; any modifications to the output directory might destructively modify input directories",
    );
  }
  tell();
  const { files, reconstructed, bytes } = progress;
  return { systemIdentifier, files, reconstructed, bytes };
}

/** @source pg_combinebackup.c: main; load_manifest.c: load_backup_manifest */
function openBackups(
  { directories, server }: Call,
  warn: (message: string, hint?: string) => void,
  breathe: () => Promise<void>,
): Promise<Chain> {
  return openChain({
    server,
    controlFile: controlFileFormat(stateFileCapabilities.of(server)),
    directories,
    warn,
    async readManifest(i) {
      const path = `${directories[i]}/backup_manifest`;
      const exists = statSync(systemPath(binaryPath(path)), { throwIfNoEntry: false }) !== undefined;
      if (exists) return readManifest(directories[i]!, undefined, server, breathe);
      warn(`file "${path}" does not exist`);
      return undefined;
    },
  });
}

/** A tablespace of the last backup, and where it will be. */
interface PlacedTablespace {
  readonly oid: number;
  readonly input: string;
  readonly output: string;
  /** Is it a directory of the backup itself? */
  readonly inPlace: boolean;
}

/** @source pg_combinebackup.c: scan_for_existing_tablespaces */
function placeTablespaces({ output, mappings }: Call, tablespaces: readonly Tablespace[]): PlacedTablespace[] {
  const placed: PlacedTablespace[] = [];
  for (const { oid, path, target } of tablespaces) {
    const input = target === undefined ? path : canonicalPath(target);
    const inPlace = target === undefined;
    const to = inPlace ? `${output}/pg_tblspc/${path.slice(path.lastIndexOf("/") + 1)}` : mappings.get(input);
    if (to === undefined) {
      throw new CombineBackupError("chain", `tablespace at "${input}" has no tablespace mapping`, { path });
    }
    const other = placed.find((each) => each.output === to);
    if (other !== undefined) {
      const message = `tablespaces with OIDs ${other.oid} and ${oid} both point at directory "${to}"`;
      throw new CombineBackupError("output", message, { path: to });
    }
    placed.push({ oid, input, output: to, inPlace });
  }
  return placed;
}

/** The entry of a tablespace in pg_tblspc. */
function makeTablespace({ oid, output: directory, inPlace }: PlacedTablespace, output: string, mode: number): void {
  if (inPlace) {
    const make = () => mkdirSync(systemPath(binaryPath(directory)), mode);
    return writing(make, `could not create directory "${directory}"`, directory);
  }
  const path = `${output}/pg_tblspc/${oid}`;
  const link = () => symlinkSync(systemPath(binaryPath(directory)), systemPath(binaryPath(path)));
  const both = `"${path}" to "${directory}"`;
  writing(link, `could not create symbolic link from ${both}`, path);
}

/** The label of the last backup, as that of a full one. @source backup_label.c: write_backup_label */
async function writeLabel(context: CombineContext, output: string, label: string): Promise<void> {
  const lines = label.match(/[^\n]*\n|[^\n]+$/g) ?? [];
  const bytes = Buffer.from(lines.filter((line) => !/^INCREMENTAL FROM (?:LSN|TLI): /.test(line)).join(""), "latin1");
  await context.progress.addFile();
  if (context.dryRun) return context.progress.add(bytes.length);
  const sum = context.algorithm === "NONE" ? undefined : summing(context.algorithm);
  const file = new OutputFile(context, `${output}/backup_label`, sum, "write");
  try {
    file.room.set(bytes);
    file.fill(bytes.length);
    const written = await file.end();
    context.manifest?.add("backup_label", written, context.algorithm);
  } finally {
    file.close();
  }
}

const optionNames = [
  ...["server", "tablespaces", "dryRun", "sync", "manifestChecksums", "manifest", "copyMethod"],
  ...["onWarning", "onProgress", "signal"],
];

/** @throws ArgumentError, UnsupportedError */
function checkedCall(directories: readonly string[], output: string, options: CombineBackupOptions): Call {
  checkOptions(options, optionNames);
  const { manifestChecksums = "CRC32C", copyMethod = "copy", dryRun = false, manifest = true } = options;
  checkOneOf("options.manifestChecksums", manifestChecksums, Object.keys(checksumLengths));
  checkOneOf("options.copyMethod", copyMethod, ["copy", "clone", "link"]);
  for (const name of ["dryRun", "sync", "manifest"] as const) checkType(`options.${name}`, options[name], "boolean");
  for (const name of ["onWarning", "onProgress"] as const) checkType(`options.${name}`, options[name], "function");
  checkSignal(options.signal);
  if (!Array.isArray(directories)) refuseArgument("directories", "an array of paths", directories);
  const given = [...directories];
  for (const [i, directory] of given.entries()) checkPath(`directories[${i}]`, directory);
  const last = given.at(-1);
  if (last === undefined) throw new ArgumentError("directories", "directories is empty, expected at least one backup");
  checkPath("output", output);
  const server = options.server ?? writerOf(last, "incrementalBackups") ?? defaultServer;
  requireCapability(verifyBackupCapabilities, server, "incrementalBackups", "An incremental backup");
  if (copyMethod === "link") {
    requireCapability(verifyBackupCapabilities, server, "combineBackupLink", "pg_combinebackup --link");
  }
  return {
    ...options,
    directories: given,
    output,
    server,
    mappings: checkedMappings(options.tablespaces),
    // If no manifest is needed, no checksums are needed, either.
    algorithm: manifest ? manifestChecksums : "NONE",
    copyMethod,
    dryRun,
  };
}

function checkPath(path: string, value: string): void {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    refuseArgument(path, "a path without NUL characters", value);
  }
}

/** @source pg_combinebackup.c: add_tablespace_mapping */
function checkedMappings(tablespaces: CombineBackupOptions["tablespaces"]): Map<string, string> {
  const mappings = new Map<string, string>();
  if (tablespaces === undefined) return mappings;
  checkObject("options.tablespaces", tablespaces);
  for (const [from, to] of Object.entries(tablespaces)) {
    for (const path of [from, to]) {
      if (typeof path === "string" && path.startsWith("/") && !path.includes("\0")) continue;
      refuseArgument("options.tablespaces", "absolute paths", path);
    }
    mappings.set(canonicalPath(from), canonicalPath(to));
  }
  return mappings;
}

/**
 * walwire/verify-backup: verifies a base backup as pg_verifybackup does (Node).
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c
 */

import { closeSync, openSync, readdirSync, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { stateFileCapabilities } from "../files/capabilities.ts";
import { controlFileFormat } from "../files/control-file.ts";
import type { ManifestWalRange } from "../files/manifest/types.ts";
import { ArgumentError, refuseArgument } from "../kernel/errors.ts";
import { checkOneOf, checkOptions, checkType, checkWhole } from "../kernel/options.ts";
import { defaultServer, requireCapability, type Server } from "../kernel/version.ts";
import { type AbortSignalLike, checkSignal } from "./abort-signal.ts";
import { verifyBackupCapabilities } from "./capabilities.ts";
import { strerror } from "./strerror.ts";
import { verifyArchives } from "./verify-backup/archives.ts";
import { type ChainSource, checkChain } from "./verify-backup/chain.ts";
import { verifyChecksums } from "./verify-backup/checksums.ts";
import { Progress, Stop, type VerifyContext, type VerifyProgress } from "./verify-backup/context.ts";
import { verifyPlainDirectory } from "./verify-backup/directory.ts";
import { type Manifest, readManifest } from "./verify-backup/manifest.ts";
import { binaryPath, canonicalPath, IgnoreList } from "./verify-backup/paths.ts";
import { type BackupProblem, FatalProblem, verdictOf } from "./verify-backup/problems.ts";
import { systemPath } from "./verify-backup/system-path.ts";
import { parseWalRange, type WalFault } from "./verify-backup/wal.ts";
import { writerOf } from "./verify-backup/writer.ts";

export type { AbortSignalLike } from "./abort-signal.ts";
export type { VerifyProgress } from "./verify-backup/context.ts";
export type { BackupProblem, BackupProblemKind } from "./verify-backup/problems.ts";

/** Options of `verifyBackup`. */
export interface VerifyBackupOptions {
  /**
   * The version whose pg_verifybackup judges, and whose `global/pg_control` is expected. Default: the version in PG_VERSION of the
   * backup. Archives, and a backup without a known PG_VERSION, are read as by 18, and pg_control as its own version says.
   */
  readonly server?: Server | undefined;
  /** Files as they are in a data directory, or archives, which are read since 18. Undefined finds out as pg_verifybackup does. */
  readonly format?: "plain" | "tar" | undefined;
  /** Where the manifest is, if it is not `backup_manifest` in the directory. */
  readonly manifestPath?: string | undefined;
  /** Paths to ignore, relative to the data directory, each with everything below it. */
  readonly ignore?: readonly string[] | undefined;
  /** End at the first problem. */
  readonly exitOnError?: boolean | undefined;
  /** Do not compare checksums. */
  readonly skipChecksums?: boolean | undefined;
  /**
   * Whether to read the WAL of each range, from one position to the other, as pg_verifybackup does by pg_waldump. Default: read it where
   * pg_verifybackup can. Without `server` the WAL may be that of any version, and is read in archives too; the programs up to 18 do
   * not read archives, so there `true` is a problem. A function gives the answer instead.
   */
  readonly parseWal?: boolean | ((range: ManifestWalRange, path: string) => Promise<boolean> | boolean) | undefined;
  /** Where the WAL is, if it is not in `pg_wal` of the directory, or in pg_wal.tar or base.tar: a directory or an archive. */
  readonly walPath?: string | undefined;
  /** The number of worker threads for checksums. Default: one per processor, for large backups. */
  readonly workers?: number | undefined;
  /** Called with each problem as soon as it is found. */
  readonly onProblem?: ((problem: BackupProblem) => void) | undefined;
  /** Called with the progress, ten times a second. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
  /** Ends verification; the promise is then rejected with its reason. */
  readonly signal?: AbortSignalLike | undefined;
}

/** The result of a verification. */
export interface BackupVerification {
  /** Was no problem found in what was asked for? */
  readonly ok: boolean;
  /**
   * "intact" if no problem was found in what was asked for; "damaged" if the backup is not what its manifest says; "unknown" if
   * something could not be read (a file without permission, a directory or manifest that is not there), and all else is good.
   */
  readonly verdict: "intact" | "damaged" | "unknown";
  /** The problems, in the order in which they were found. */
  readonly problems: readonly BackupProblem[];
  /** Facts from the manifest; undefined if it was rejected. */
  readonly manifest:
    | {
        /** The format of the manifest. */
        readonly version: 1 | 2;
        /** The cluster's system identifier; undefined in version 1. */
        readonly systemIdentifier: bigint | undefined;
        /** The number of files. */
        readonly files: number;
        /** The size of all files, in bytes. */
        readonly bytes: bigint;
        /** Does the backup need an older one? See {@link verifyBackupChain}. */
        readonly isIncremental: boolean;
        /** The WAL that the backup needs. */
        readonly walRanges: readonly ManifestWalRange[];
      }
    | undefined;
  /** The format of the backup; undefined if it was not determined. */
  readonly format: "plain" | "tar" | undefined;
  /** How much was checked. */
  readonly checked: {
    /** Files of the manifest that were found. */
    readonly files: number;
    /** Checksums that were compared. */
    readonly checksums: number;
    /** Bytes that were read for checksums. */
    readonly bytes: number;
  };
  /** Was the WAL of every range read, as far as it goes? */
  readonly walChecked: boolean;
}

/**
 * Verify a base backup.
 *
 * @param directory Where it is.
 * @throws UnsupportedError for a version without pg_verifybackup, or archives for one that reads none.
 * @throws the reason of an aborted `signal`. Whatever is wrong with the backup is no error, but in the result.
 * @source pg_verifybackup.c: main
 */
export async function verifyBackup(directory: string, options: VerifyBackupOptions = {}): Promise<BackupVerification> {
  checkPath("directory", directory);
  checkVerifyOptions(options, [...optionNames, "format", "manifestPath"]);
  return verify(directory, options);
}

/** Options of `verifyBackupChain`. */
export interface BackupChainOptions extends Omit<VerifyBackupOptions, "format" | "manifestPath"> {
  /** The backups are files as they are in a data directory. Undefined finds out for each backup, to verify its archives at least. */
  readonly format?: "plain" | undefined;
}

/** The result of the verification of a chain of backups. */
export interface BackupChainVerification {
  /** No problem was found. */
  readonly ok: boolean;
  /** As in {@link BackupVerification}, for the chain as a whole. */
  readonly verdict: "intact" | "damaged" | "unknown";
  /** All problems: first those of the chain, then those of each backup. */
  readonly problems: readonly BackupProblem[];
  /** What pg_combinebackup warns of; also a pg_control that is older than its backup. */
  readonly warnings: readonly string[];
  /** The result for each backup, in the order of the chain. */
  readonly backups: readonly BackupVerification[];
}

/**
 * Verify a full backup and the incremental backups that are based on it, as PostgreSQL 17 and later take them.
 *
 * First comes what pg_combinebackup checks: the backups are of one system and follow each other, and each block that an incremental
 * file of the last backup takes from another file is there. A block that is in no file becomes zeros, as in pg_combinebackup. Then each
 * backup is verified as by {@link verifyBackup}. Only the WAL of the last one is read: recovery needs no other.
 *
 * @param directories The full backup, then the incremental ones, oldest first, as for pg_combinebackup.
 * @throws UnsupportedError for a version before 17.
 * @throws the reason of an aborted `signal`. Whatever is wrong with the backups is no error, but in the result.
 * @source pg_combinebackup.c: main
 */
export async function verifyBackupChain(
  directories: readonly string[],
  options: BackupChainOptions = {},
): Promise<BackupChainVerification> {
  checkVerifyOptions(options, [...optionNames, "format"]);
  const { exitOnError = false, parseWal, format, signal } = options;
  checkOneOf("options.format", format, ["plain", undefined]);
  if (options.server !== undefined) {
    requireCapability(verifyBackupCapabilities, options.server, "incrementalBackups", "An incremental backup");
  }
  checkPaths("directories", directories);
  for (const [i, each] of directories.entries()) if (each === "") refuseArgument(`directories[${i}]`, "a path", each);
  if (directories.length === 0)
    throw new ArgumentError("directories", "directories is empty, expected at least one backup");
  const problems: BackupProblem[] = [];
  const warnings: string[] = [];
  const manifests: Manifest[] = [];
  const backups: BackupVerification[] = [];
  const tops = directories.map(canonicalPath);
  const judge = judgeOf(options.server, writerOf(tops.at(-1)!, "incrementalBackups"));
  const { server } = judge;
  const note = (problem: BackupProblem): void => {
    problems.push(problem);
    options.onProblem?.(problem);
  };
  const breathe = async (): Promise<void> => {
    await setImmediate();
    checkSignal(signal);
  };
  checkSignal(signal);
  try {
    await checkChain({
      ...judge,
      directories: tops,
      async readManifest(i) {
        manifests[i] = await readManifest(tops[i]!, undefined, server, breathe);
        return manifests[i];
      },
      report(problem) {
        note(problem);
        if (exitOnError) throw new Stop(problem);
      },
      warn: (message) => warnings.push(message),
      breathe,
    });
  } catch (error) {
    if (error instanceof FatalProblem) {
      const packed = tops.find((top) => error.message.includes(`"${top}/`) && hasArchives(top));
      note(packed === undefined ? error.problem : { ...error.problem, hint: UNPACK });
    } else if (!(error instanceof Stop)) throw error;
  }
  const said = new Set(problems.map(({ message }) => message));
  // One that is in archives cannot be combined, which was said; its archives may be good.
  for (const [i, top] of tops.entries()) {
    if (exitOnError && problems.length > 0) break;
    const isLast = i === tops.length - 1;
    const onProblem = (problem: BackupProblem): void => {
      if (!said.has(problem.message)) note({ ...problem, backup: top });
    };
    backups.push(
      await verify(top, { ...options, format, parseWal: isLast ? parseWal : false, onProblem }, manifests[i]),
    );
  }
  return { ok: problems.length === 0, verdict: verdictOf(problems), problems, warnings, backups };
}

const optionNames = [
  ...["server", "ignore", "exitOnError", "skipChecksums", "parseWal", "walPath", "workers"],
  ...["onProblem", "onProgress", "signal"],
];

function checkVerifyOptions(options: VerifyBackupOptions, names: readonly string[]): void {
  checkOptions(options, names);
  const { format, manifestPath, ignore, exitOnError, skipChecksums, parseWal, walPath, workers, signal } = options;
  checkOneOf("options.format", format, ["plain", "tar", undefined]);
  if (manifestPath !== undefined) checkPath("options.manifestPath", manifestPath);
  if (walPath !== undefined) checkPath("options.walPath", walPath);
  if (ignore !== undefined) checkPaths("options.ignore", ignore);
  checkType("options.exitOnError", exitOnError, "boolean");
  checkType("options.skipChecksums", skipChecksums, "boolean");
  if (typeof parseWal !== "function") checkType("options.parseWal", parseWal, "boolean");
  if (workers !== undefined) checkWhole("options.workers", workers, 0, 999);
  checkType("options.onProblem", options.onProblem, "function");
  checkType("options.onProgress", options.onProgress, "function");
  checkSignal(signal);
}

function checkPath(path: string, value: string): void {
  if (typeof value !== "string" || value.includes("\0")) refuseArgument(path, "a string without NUL characters", value);
}

function checkPaths(path: string, values: readonly string[]): void {
  if (!Array.isArray(values)) refuseArgument(path, "an array of paths", values);
  for (const [i, value] of values.entries()) checkPath(`${path}[${i}]`, value);
}

/** @param known The manifest, if it has been read. */
async function verify(
  directory: string,
  options: VerifyBackupOptions,
  known?: Manifest | undefined,
): Promise<BackupVerification> {
  const { format: given, skipChecksums = false, exitOnError = false, parseWal, signal } = options;
  const top = canonicalPath(directory);
  const writer = given === "tar" ? undefined : writerOf(top, "backupManifest");
  const { server, controlFile } = judgeOf(options.server, writer);
  requireCapability(verifyBackupCapabilities, server, "backupManifest", "pg_verifybackup");
  const has = verifyBackupCapabilities.of(server);
  if (given === "tar")
    requireCapability(verifyBackupCapabilities, server, "verifyBackupTar", "A backup in archives for pg_verifybackup");

  const problems: BackupProblem[] = [];
  const note = (problem: BackupProblem): void => {
    problems.push(problem);
    options.onProblem?.(problem);
  };
  const report = (problem: BackupProblem): void => {
    note(problem);
    if (exitOnError) throw new Stop(problem);
  };
  const progress = new Progress(options.onProgress);
  const breathe = async (): Promise<void> => {
    progress.tell();
    await setImmediate();
    checkSignal(signal);
  };
  checkSignal(signal);

  const ignored = new IgnoreList();
  for (const path of options.ignore ?? []) ignored.add(canonicalPath(path));
  let manifest: Manifest | undefined;
  let format: "plain" | "tar" | undefined = given ?? (has.verifyBackupTar ? undefined : "plain");
  let walChecked = false;
  try {
    manifest = known ?? (await readManifest(top, options.manifestPath, server, breathe));
    const context: VerifyContext = {
      has,
      controlFile,
      directory: top,
      files: manifest.files,
      version: has.manifestVersion2 ? manifest.version : 1,
      systemIdentifier: manifest.systemIdentifier ?? 0n,
      ignored,
      skipChecksums,
      progress,
      breathe,
      report(kind, where, message) {
        report({ kind, fatal: false, path: where, message });
      },
    };
    if (has.verifyBackupTar) lookIntoDirectory(top);
    format ??= formatOf(top);
    const readsWalInTar = options.server === undefined || has.verifyBackupWalInTar;
    if (format === "tar" && parseWal && !readsWalInTar) {
      const hint = "You must use -n/--no-parse-wal when verifying a tar-format backup.";
      throw new FatalProblem("unreadable", undefined, "pg_waldump cannot read tar files", hint);
    }
    let wal: string | undefined = `${top}/pg_wal`;
    if (format === "plain") await verifyPlainDirectory(context);
    else wal = await verifyArchives(context);
    if (options.walPath !== undefined) wal = canonicalPath(options.walPath);
    for (const { file, matched } of manifest.files.values()) {
      if (matched || ignored.has(file.path)) continue;
      context.report("missing", file.path, `"${file.path}" is present in the manifest but not on disk`);
    }
    if (format === "plain" && !skipChecksums) await verifyChecksums(context, options.workers);
    if (wal === undefined && parseWal !== false && readsWalInTar) {
      const hint =
        "Specify the correct path using the option -w/--wal-path.  Or you must use -n/--no-parse-wal when verifying a tar-format backup.";
      throw new FatalProblem("wal", undefined, "WAL archive not found", hint);
    }
    const canRead = format === "plain" || readsWalInTar || typeof parseWal === "function";
    if (parseWal !== false && wal !== undefined && canRead) {
      const backup = options.walPath === undefined ? top : undefined;
      walChecked = true;
      for (const range of manifest.walRanges) {
        let fault: Partial<WalFault> | undefined;
        if (typeof parseWal === "function") fault = (await parseWal(range, wal)) ? undefined : {};
        else fault = await parseWalRange(range, wal, backup, { server: options.server, breathe });
        if (fault === undefined) continue;
        if (fault.isUnknown) walChecked = false;
        const kind = fault.isUnknown ? "unreadable" : "wal";
        const message = `WAL parsing failed for timeline ${range.timeline}`;
        report({ kind, fatal: false, path: undefined, message, waldump: fault.message, hint: fault.hint });
      }
    }
  } catch (error) {
    if (error instanceof FatalProblem) note(error.problem);
    else if (!(error instanceof Stop)) throw error;
  }
  progress.tell(true);
  return {
    ok: problems.length === 0,
    verdict: verdictOf(problems),
    problems,
    manifest: manifest && {
      version: manifest.version,
      systemIdentifier: manifest.systemIdentifier,
      files: manifest.files.size,
      bytes: manifest.bytes,
      isIncremental: manifest.isIncremental,
      walRanges: manifest.walRanges,
    },
    format,
    checked: { files: progress.files, checksums: progress.checksums, bytes: progress.doneBytes },
    walChecked,
  };
}

/**
 * Whose program judges, and how control files must be written.
 *
 * @param given What the caller says.
 * @param writer What the backup says.
 */
function judgeOf(given: Server | undefined, writer: Server | undefined): Pick<ChainSource, "server" | "controlFile"> {
  const server = given ?? writer;
  if (server === undefined) return { server: defaultServer, controlFile: undefined };
  return { server, controlFile: controlFileFormat(stateFileCapabilities.of(server)) };
}

/** The directory must be there before anything in it is looked for. */
function lookIntoDirectory(top: string): void {
  try {
    closeSync(openSync(systemPath(binaryPath(`${top}/.`)), "r"));
  } catch (error) {
    throw new FatalProblem("unreadable", undefined, `could not open directory "${top}": ${strerror(error)}`);
  }
}

const UNPACK = "Unpack its archives first: backups are combined as directories.";

/** Is there a backup in archives? */
function hasArchives(top: string): boolean {
  try {
    return readdirSync(systemPath(binaryPath(top))).some((name) => /^base\.tar(?:\.|$)/.test(name));
  } catch {
    return false;
  }
}

/** A data directory has its version in it. */
function formatOf(top: string): "plain" | "tar" {
  const path = `${top}/PG_VERSION`;
  try {
    statSync(systemPath(binaryPath(path)));
    return "plain";
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return "tar";
    throw new FatalProblem("unreadable", undefined, `could not stat file "${path}": ${strerror(error)}`);
  }
}

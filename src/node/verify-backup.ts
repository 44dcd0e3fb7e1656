/**
 * walwire/verify-backup: verifies a base backup as pg_verifybackup does (Node).
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c
 */

import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync, statSync } from "node:fs";
import { setImmediate } from "node:timers/promises";
import { stateFileCapabilities } from "../files/capabilities.ts";
import { controlFileFormat } from "../files/control-file.ts";
import { BackupManifestError } from "../files/manifest/error.ts";
import { BackupManifestReader } from "../files/manifest/reader.ts";
import type { ManifestWalRange } from "../files/manifest/types.ts";
import { defaultServer, requireCapability, type Server } from "../kernel/version.ts";
import { verifyBackupCapabilities } from "./capabilities.ts";
import { verifyArchives } from "./verify-backup/archives.ts";
import { verifyChecksums } from "./verify-backup/checksums.ts";
import {
  type ManifestRecord,
  Progress,
  Stop,
  type VerifyContext,
  type VerifyProgress,
} from "./verify-backup/context.ts";
import { verifyPlainDirectory } from "./verify-backup/directory.ts";
import { binaryPath, canonicalPath, IgnoreList, systemPath } from "./verify-backup/paths.ts";
import { type BackupProblem, FatalProblem, strerror } from "./verify-backup/problems.ts";
import { parseWalRange, type WalFault } from "./verify-backup/wal.ts";

export type { VerifyProgress } from "./verify-backup/context.ts";
export type { BackupProblem, BackupProblemKind } from "./verify-backup/problems.ts";

/** What is verified, and how. */
export interface VerifyBackupOptions {
  /** The version whose pg_verifybackup judges: 18 if nobody says. */
  readonly server?: Server | undefined;
  /** Files as they are in a data directory, or archives, which are read since 18. Undefined finds out as pg_verifybackup does. */
  readonly format?: "plain" | "tar" | undefined;
  /** Where the manifest is, if it is not `backup_manifest` in the directory. */
  readonly manifestPath?: string | undefined;
  /** Paths that are passed over, from the data directory, each with all that is below it. */
  readonly ignore?: readonly string[] | undefined;
  /** End at the first problem. */
  readonly exitOnError?: boolean | undefined;
  readonly skipChecksums?: boolean | undefined;
  /**
   * Is the WAL of each range there, and can it be read from one position to the other? True looks, as pg_verifybackup does by pg_waldump,
   * which in archives was impossible up to 18 and is an error there; we do not read it in them either. False leaves it unasked. If nobody
   * says, it is read where it can be. A function is asked instead. Without `server` the WAL may be that of any version.
   */
  readonly parseWal?:
    | boolean
    | ((range: ManifestWalRange, directory: string) => Promise<boolean> | boolean)
    | undefined;
  /** Where the WAL is, if it is not in `pg_wal` of the directory. */
  readonly walDirectory?: string | undefined;
  /** How many worker threads sum up files; if nobody says, as many as there are processors, for backups that are worth it. */
  readonly workers?: number | undefined;
  /** Hears of each problem as soon as it is found. */
  readonly onProblem?: ((problem: BackupProblem) => void) | undefined;
  /** Hears how far it is, ten times a second. */
  readonly onProgress?: ((progress: VerifyProgress) => void) | undefined;
  /** Ends verification; the promise is then rejected with its reason. */
  readonly signal?: AbortSignal | undefined;
}

/** The result of a verification. */
export interface BackupVerification {
  /** Was no problem found in what was asked for? */
  readonly ok: boolean;
  /**
   * "intact" if no problem was found in what was asked for; "damaged" if the backup is not what its manifest says; "unknown" if
   * something could not be looked at (a file that may not be read, a directory or manifest that is not there), and all else is good.
   */
  readonly verdict: "intact" | "damaged" | "unknown";
  readonly problems: readonly BackupProblem[];
  /** What the manifest says; undefined if it was refused. */
  readonly manifest:
    | {
        readonly version: 1 | 2;
        readonly systemIdentifier: bigint | undefined;
        readonly files: number;
        /** Of all files together. */
        readonly bytes: bigint;
        readonly walRanges: readonly ManifestWalRange[];
      }
    | undefined;
  readonly format: "plain" | "tar" | undefined;
  /** Files that the manifest knows and that were found, checksums compared, and the bytes read for that. */
  readonly checked: { readonly files: number; readonly checksums: number; readonly bytes: number };
  /** Was the WAL looked at? */
  readonly walChecked: boolean;
}

/**
 * Verify a base backup.
 *
 * @param directory Where it is.
 * @throws UnsupportedError for a version without pg_verifybackup, or archives for one that reads none.
 * @throws what `signal` is aborted with. Whatever is wrong with the backup is no error, but in the result.
 * @source pg_verifybackup.c: main
 */
export async function verifyBackup(directory: string, options: VerifyBackupOptions = {}): Promise<BackupVerification> {
  const {
    server = defaultServer,
    format: given,
    skipChecksums = false,
    exitOnError = false,
    parseWal,
    signal,
  } = options;
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
    signal?.throwIfAborted();
  };
  signal?.throwIfAborted();

  const top = canonicalPath(directory);
  const ignored = new IgnoreList();
  for (const path of options.ignore ?? []) ignored.add(canonicalPath(path));
  let manifest: Manifest | undefined;
  let format: "plain" | "tar" | undefined = given ?? (has.verifyBackupTar ? undefined : "plain");
  let walChecked = false;
  try {
    const path = options.manifestPath === undefined ? `${top}/backup_manifest` : canonicalPath(options.manifestPath);
    manifest = await readManifest(path, server, breathe);
    const context: VerifyContext = {
      has,
      controlFile: controlFileFormat(stateFileCapabilities.of(server)),
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
    if (format === "tar" && parseWal && !has.verifyBackupWalInTar) {
      const hint = "You must use -n/--no-parse-wal when verifying a tar-format backup.";
      throw new FatalProblem("wal", undefined, "pg_waldump cannot read tar files", hint);
    }
    if (format === "plain") await verifyPlainDirectory(context);
    else await verifyArchives(context);
    for (const { file, matched } of manifest.files.values()) {
      if (matched || ignored.has(file.path)) continue;
      context.report("missing", file.path, `"${file.path}" is present in the manifest but not on disk`);
    }
    if (format === "plain" && !skipChecksums) await verifyChecksums(context, options.workers);
    if (parseWal !== false && (format === "plain" || typeof parseWal === "function")) {
      walChecked = true;
      const walDirectory = options.walDirectory === undefined ? `${top}/pg_wal` : canonicalPath(options.walDirectory);
      for (const range of manifest.walRanges) {
        let fault: Partial<WalFault> | undefined;
        if (typeof parseWal === "function") fault = (await parseWal(range, walDirectory)) ? undefined : {};
        else fault = await parseWalRange(range, walDirectory, { server: options.server, breathe });
        if (fault === undefined) continue;
        const message = `WAL parsing failed for timeline ${range.timeline}`;
        report({ kind: "wal", fatal: false, path: undefined, message, waldump: fault.message, hint: fault.hint });
      }
    }
  } catch (error) {
    if (error instanceof FatalProblem) note(error.problem);
    else if (!(error instanceof Stop)) throw error;
  }
  progress.tell(true);
  return {
    ok: problems.length === 0,
    verdict:
      problems.length === 0 ? "intact" : problems.every(({ kind }) => kind === "unreadable") ? "unknown" : "damaged",
    problems,
    manifest: manifest && {
      version: manifest.version,
      systemIdentifier: manifest.systemIdentifier,
      files: manifest.files.size,
      bytes: manifest.bytes,
      walRanges: manifest.walRanges,
    },
    format,
    checked: { files: progress.files, checksums: progress.checksums, bytes: progress.doneBytes },
    walChecked,
  };
}

interface Manifest {
  readonly version: 1 | 2;
  readonly systemIdentifier: bigint | undefined;
  readonly files: Map<string, ManifestRecord>;
  readonly bytes: bigint;
  readonly walRanges: readonly ManifestWalRange[];
}

/** How much of a manifest is read at once: to parse 256 kB at once takes a tenth more, and all at once a fifth. */
const BLOCK = 64 * 1024;

/** @source pg_verifybackup.c: parse_manifest_file */
async function readManifest(path: string, server: Server, breathe: () => Promise<void>): Promise<Manifest> {
  const attempt = <T>(what: () => T, doing: string): T => {
    try {
      return what();
    } catch (error) {
      throw new FatalProblem("unreadable", undefined, `could not ${doing} file "${path}": ${strerror(error)}`);
    }
  };
  const fd = attempt(() => openSync(systemPath(binaryPath(path)), "r"), "open");
  let version: 1 | 2 = 1;
  let systemIdentifier: bigint | undefined;
  const files = new Map<string, ManifestRecord>();
  let bytes = 0n;
  const walRanges: ManifestWalRange[] = [];
  try {
    const { size } = attempt(() => fstatSync(fd), "stat");
    const reader = new BackupManifestReader({ server, sha256: () => createHash("sha256") });
    const take = (entries: ReturnType<BackupManifestReader["end"]>): void => {
      for (const entry of entries) {
        if (entry.type === "File") {
          const { file } = entry;
          files.set(file.path, { file, matched: false, bad: false });
          bytes += file.size;
        } else if (entry.type === "WalRange") walRanges.push(entry.walRange);
        else if (entry.type === "Version") version = entry.version;
        else systemIdentifier = entry.systemIdentifier;
      }
    };
    const buffer = new Uint8Array(BLOCK);
    let total = 0;
    for (;;) {
      const read = attempt(() => readSync(fd, buffer, 0, BLOCK, null), "read");
      if (read === 0) break;
      total += read;
      take(reader.push(buffer.subarray(0, read)));
      await breathe();
    }
    if (total < size)
      throw new FatalProblem("manifest", undefined, `could not read file "${path}": read ${total} of ${size}`);
    take(reader.end());
  } catch (error) {
    throw error instanceof BackupManifestError ? new FatalProblem("manifest", undefined, error.message) : error;
  } finally {
    closeSync(fd);
  }
  return { version, systemIdentifier, files, bytes, walRanges };
}

/** The directory must be there before anything in it is looked for. */
function lookIntoDirectory(top: string): void {
  try {
    closeSync(openSync(systemPath(binaryPath(`${top}/.`)), "r"));
  } catch (error) {
    throw new FatalProblem("unreadable", undefined, `could not open directory "${top}": ${strerror(error)}`);
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

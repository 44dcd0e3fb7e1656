/**
 * Reads the manifest of a backup.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c: parse_manifest_file
 */
import { createHash } from "node:crypto";
import { closeSync, fstatSync, openSync, readSync } from "node:fs";
import { BackupManifestError } from "../../files/manifest/error.ts";
import { BackupManifestReader } from "../../files/manifest/reader.ts";
import type { ManifestWalRange } from "../../files/manifest/types.ts";
import type { Server } from "../../kernel/version.ts";
import { strerror } from "../strerror.ts";
import type { ManifestRecord } from "./context.ts";
import { binaryPath, canonicalPath } from "./paths.ts";
import { FatalProblem } from "./problems.ts";
import { openForReading, systemPath } from "./system-path.ts";

/** The contents of a manifest. */
export interface Manifest {
  readonly version: 1 | 2;
  readonly systemIdentifier: bigint | undefined;
  readonly files: Map<string, ManifestRecord>;
  readonly bytes: bigint;
  /** Some files are incremental. */
  readonly isIncremental: boolean;
  readonly walRanges: readonly ManifestWalRange[];
}

/** How much of a manifest is read at once: to parse 256 kB at once takes a tenth more, and all at once a fifth. */
const BLOCK = 64 * 1024;

/**
 * Read the manifest of a backup.
 *
 * @param given Where it is, if it is not `backup_manifest` in the directory: this may be a pipe.
 * @throws FatalProblem
 * @source pg_verifybackup.c: parse_manifest_file
 */
export async function readManifest(
  directory: string,
  given: string | undefined,
  server: Server,
  breathe: () => Promise<void>,
): Promise<Manifest> {
  const path = given === undefined ? `${directory}/backup_manifest` : canonicalPath(given);
  const attempt = <T>(what: () => T, doing: string): T => {
    try {
      return what();
    } catch (error) {
      const message = `could not ${doing} file "${path}": ${strerror(error)}`;
      throw new FatalProblem("unreadable", undefined, message, undefined, { file: path });
    }
  };
  const fd = attempt(
    () => (given === undefined ? openForReading(path) : openSync(systemPath(binaryPath(path)), "r")),
    "open",
  );
  let version: 1 | 2 = 1;
  let systemIdentifier: bigint | undefined;
  const files = new Map<string, ManifestRecord>();
  let bytes = 0n;
  let isIncremental = false;
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
          isIncremental ||= /^(?:base|global|pg_tblspc)\/(?:.*\/)?INCREMENTAL\.\d/.test(file.path);
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
    if (total < size) {
      const message = `could not read file "${path}": read ${total} of ${size}`;
      throw new FatalProblem("manifest", undefined, message, undefined, { file: path });
    }
    take(reader.end());
  } catch (error) {
    if (!(error instanceof BackupManifestError)) throw error;
    throw new FatalProblem("manifest", undefined, error.message, undefined, { file: path, offset: error.position });
  } finally {
    closeSync(fd);
  }
  return { version, systemIdentifier, files, bytes, isIncremental, walRanges };
}

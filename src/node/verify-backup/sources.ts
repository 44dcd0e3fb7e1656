/**
 * The files of a chain of backups from which the blocks of one file of the last backup come.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source reconstruct.c: reconstruct_from_incremental_file, make_incremental_rfile, make_rfile
 */
import { closeSync, fstatSync, readSync } from "node:fs";
import { type BackupFile, type Reconstruction, reconstruct } from "../../basebackup/combine.ts";
import {
  BLOCK_SIZE,
  INCREMENTAL_PREFIX,
  type IncrementalHeader,
  IncrementalReader,
} from "../../basebackup/incremental.ts";
import { DecodeError } from "../../kernel/errors.ts";
import { attempt, FatalProblem } from "./problems.ts";
import { openForReading } from "./system-path.ts";

/** A file that blocks come from. */
export interface SourceFile {
  readonly path: string;
  readonly fd: number;
  /** In bytes. */
  readonly size: number;
  readonly file: BackupFile;
}

/** Where the sources of a file are. */
export interface SourcePlaces {
  /** The backups, the full one first. */
  readonly directories: readonly string[];
  /** The path of the last backup's incremental file. */
  readonly newest: string;
  /** The directory of the file, from the top of a backup. */
  readonly directory: string;
  /** The name of the file, without the prefix of incremental files. */
  readonly name: string;
}

export interface Sources {
  /** Open files, the newest first. */
  readonly files: readonly SourceFile[];
  readonly plan: Reconstruction;
}

/**
 * Find the source of each block of a file, use them, and close them.
 *
 * @throws FatalProblem if a source is missing or not what it should be.
 */
export async function withSources<T>(
  { directories, newest, directory, name }: SourcePlaces,
  use: (sources: Sources) => T | Promise<T>,
): Promise<T> {
  const files: SourceFile[] = [];
  try {
    const last = directories.length - 1;
    files.push(openSource(directories[last]!, newest, false)!);
    for (let i = last - 1; i >= 0; i--) {
      const backup = directories[i]!;
      const full = openSource(backup, `${backup}/${directory}/${name}`, true);
      files.push(full ?? openSource(backup, `${backup}/${directory}/${INCREMENTAL_PREFIX}${name}`, false)!);
      if (full !== undefined) break;
    }
    const [first, ...older] = files.map((source) => source.file) as [IncrementalHeader, ...BackupFile[]];
    const file = files.at(-1)!.path;
    return await use({ files, plan: decoded(file, () => reconstruct(first, older, { file })) });
  } finally {
    for (const { fd } of files) closeSync(fd);
  }
}

/** @throws FatalProblem: the file does not have a block, in the words of the read of it. */
export function failShortRead({ path, size }: Pick<SourceFile, "path" | "size">, offset: number): never {
  const whole = Math.max(0, Math.floor((size - offset) / BLOCK_SIZE));
  const at = offset + whole * BLOCK_SIZE;
  const message = `could not read from file "${path}", offset ${at}: read ${Math.max(0, size - at)} of ${BLOCK_SIZE}`;
  throw new FatalProblem("incremental", undefined, message, undefined, { file: path, offset: at });
}

/** @returns undefined if a full file is missing. */
function openSource(backup: string, path: string, isFull: boolean): SourceFile | undefined {
  const open = (): number | undefined => {
    try {
      return openForReading(path);
    } catch (error) {
      if (isFull && (error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  };
  const fd = attempt(open, `could not open file "${path}"`, backup, "incremental", path);
  if (fd === undefined) return undefined;
  try {
    const stats = attempt(() => fstatSync(fd), `could not stat file "${path}"`, backup, "incremental", path);
    const { size } = stats;
    if (!isFull) {
      const read = () => readHeader(fd, path);
      return { path, fd, size, file: attempt(read, `could not read file "${path}"`, backup, "incremental", path) };
    }
    // pg_combinebackup takes what is in the place of a file for one, and waits for ever for the writer of a pipe.
    if (!stats.isFile()) {
      throw new FatalProblem("incremental", undefined, `"${path}" is not a regular file`, undefined, { file: path });
    }
    return { path, fd, size, file: { size } };
  } catch (error) {
    closeSync(fd);
    throw error;
  }
}

function readHeader(fd: number, file: string): IncrementalHeader {
  const reader = new IncrementalReader({ file });
  const buffer = new Uint8Array(BLOCK_SIZE);
  return decoded(file, () => {
    while (reader.header === undefined) {
      const read = readSync(fd, buffer, 0, buffer.length, null);
      if (read === 0) reader.end();
      reader.receive(buffer.subarray(0, read));
    }
    return reader.header;
  });
}

function decoded<T>(file: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    throw new FatalProblem("incremental", undefined, error.message, undefined, { file, offset: error.offset });
  }
}

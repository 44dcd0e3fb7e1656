/**
 * Files of the output: copied, cloned or linked as a whole, or made of the blocks of several backups.
 *
 * Portions Copyright (c) 2017-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source copy_file.c
 * @source reconstruct.c: write_reconstructed_file
 */
import {
  chmodSync,
  closeSync,
  constants,
  copyFileSync,
  fstatSync,
  linkSync,
  lstatSync,
  openSync,
  readSync,
  statSync,
  writeSync,
} from "node:fs";
import { BLOCK_SIZE } from "../../basebackup/incremental.ts";
import { strerror } from "../strerror.ts";
import { binaryPath } from "../verify-backup/paths.ts";
import { FatalProblem } from "../verify-backup/problems.ts";
import { failShortRead, type Sources } from "../verify-backup/sources.ts";
import { type Summing, summing } from "../verify-backup/sum.ts";
import { openForReading, systemPath } from "../verify-backup/system-path.ts";
import type { CombineContext } from "./context.ts";
import { CombineBackupError, writing } from "./error.ts";
import type { WrittenFile } from "./manifest-output.ts";

/**
 * How much is read and written at once. For a chain of 1.8 GB in the page cache the system takes 1.2 to 2.5 s with 64 kB, and 3.7 to 4.7 s
 * with 1 MB, which is more than the processor's cache has room for (Node 20, a busy AMD EPYC).
 */
export const CHUNK = 64 * 1024;

/**
 * Copy a whole file by the method that was asked for.
 *
 * @param isSummed Is its checksum needed?
 * @returns undefined in a dry run.
 */
export async function copyFile(
  context: CombineContext,
  source: string,
  target: string,
  isSummed: boolean,
): Promise<WrittenFile | undefined> {
  const { copyMethod, dryRun, progress } = context;
  const sum = isSummed ? summing(context.algorithm) : undefined;
  if (dryRun) {
    const fd = openSource(source);
    try {
      await progress.add(fstatSync(fd).size);
    } finally {
      closeSync(fd);
    }
    return undefined;
  }
  if (copyMethod === "copy") return copyBytes(context, source, target, sum);
  if (copyMethod === "clone") clone(context, source, target);
  else link(source, target);
  if (sum !== undefined) readAll(context, source, (bytes) => sum.update(bytes));
  const stat = () => statSync(systemPath(binaryPath(target)));
  const { size, mtime } = writing(stat, `could not stat file "${target}"`, target);
  await progress.add(size);
  return { size, lastModified: mtime, checksum: sum?.digest() };
}

/** @source copy_file.c: copy_file_blocks */
async function copyBytes(
  context: CombineContext,
  source: string,
  target: string,
  sum: Summing | undefined,
): Promise<WrittenFile> {
  const fd = openSource(source);
  try {
    const file = new OutputFile(context, target, sum, "write to");
    try {
      for (;;) {
        const room = file.room;
        const read = reading(
          () => readSync(fd, room, 0, room.length, null),
          `could not read from file "${source}"`,
          source,
        );
        if (read === 0) break;
        if (file.fill(read)) await file.flush();
      }
      return await file.end();
    } finally {
      file.close();
    }
  } finally {
    closeSync(fd);
  }
}

/** @source copy_file.c: copy_file_clone */
function clone({ modes }: CombineContext, source: string, target: string): void {
  const [from, to] = [source, target].map((path) => systemPath(binaryPath(path))) as [string, string];
  closeSync(openSource(source));
  const words = `error while cloning file "${source}" to "${target}"`;
  writing(() => copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE_FORCE), words, target);
  writing(() => chmodSync(to, modes.file & ~process.umask()), words, target);
}

/** @source copy_file.c: copy_file_link */
function link(source: string, target: string): void {
  const [from, to] = [source, target].map((path) => systemPath(binaryPath(path))) as [string, string];
  const both = `"${source}" to "${target}"`;
  const words = `could not create link from ${both}`;
  // A link to a symbolic link would be one too, and lead out of the output.
  if (!writing(() => lstatSync(from), words, source).isFile()) {
    throw new CombineBackupError("not a file", `${words}: "${source}" is not a regular file`, { path: source });
  }
  writing(() => linkSync(from, to), words, target);
}

/**
 * Write a file of which each block comes from the newest backup that has it.
 *
 * @returns undefined in a dry run, which only looks whether the sources are long enough.
 * @throws FatalProblem if a source is too short; CombineBackupError if the file cannot be written.
 * @source reconstruct.c: write_reconstructed_file, debug_reconstruction
 */
export async function writeBlocks(
  context: CombineContext,
  sources: Sources,
  target: string,
): Promise<WrittenFile | undefined> {
  context.progress.reconstructed++;
  if (context.dryRun) {
    checkLengths(sources);
    await context.progress.add(sources.plan.length * BLOCK_SIZE);
    return undefined;
  }
  const sum = context.algorithm === "NONE" ? undefined : summing(context.algorithm);
  const file = new OutputFile(context, target, sum, "write");
  try {
    for (const { from, count } of sources.plan.ranges) {
      let offset = from?.offset ?? 0;
      for (let left = count * BLOCK_SIZE; left > 0; ) {
        const room = file.room.subarray(0, left);
        if (from === undefined) room.fill(0);
        else readBlocks(sources.files[from.file]!, room, offset);
        if (file.fill(room.length)) await file.flush();
        offset += room.length;
        left -= room.length;
      }
    }
    return await file.end();
  } finally {
    file.close();
  }
}

/** Read adjacent blocks. */
function readBlocks(source: Sources["files"][number], into: Uint8Array, offset: number): void {
  let done = 0;
  while (done < into.length) {
    const read = reading(
      () => readSync(source.fd, into, done, into.length - done, offset + done),
      `could not read from file "${source.path}"`,
      source.path,
    );
    if (read === 0) failShortRead({ path: source.path, size: offset + done }, offset);
    done += read;
  }
}

function checkLengths({ files, plan }: Sources): void {
  const needed = files.map(() => 0);
  for (const { from, count } of plan.ranges) {
    if (from !== undefined) needed[from.file] = Math.max(needed[from.file]!, from.offset + count * BLOCK_SIZE);
  }
  for (let i = files.length - 1; i >= 0; i--) {
    const { path, size } = files[i]!;
    if (size >= needed[i]!) continue;
    const message = `file "${path}" is too short: expected ${needed[i]}, found ${size}`;
    throw new CombineBackupError("incremental", message, { path, offset: size });
  }
}

/** A new file that is written from the start to the end. */
export class OutputFile {
  readonly #context: CombineContext;
  readonly #path: string;
  readonly #sum: Summing | undefined;
  readonly #doing: string;
  readonly #fd: number;
  #isOpen = true;
  /** Bytes in the buffer. */
  #used = 0;

  /** @param doing What pg_combinebackup cannot do to the file if the disk is full. @throws CombineBackupError */
  constructor(context: CombineContext, path: string, sum: Summing | undefined, doing: "write" | "write to") {
    this.#context = context;
    this.#path = path;
    this.#sum = sum;
    this.#doing = doing;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const open = () => openSync(systemPath(binaryPath(path)), flags, context.modes.file);
    this.#fd = writing(open, `could not open file "${path}"`, path);
  }

  /** The place for the next bytes: at least one. */
  get room(): Uint8Array {
    return this.#context.buffer.subarray(this.#used);
  }

  /** So many bytes are in the room. @returns whether it is full. */
  fill(bytes: number): boolean {
    this.#used += bytes;
    return this.#used === this.#context.buffer.length;
  }

  /** Write what is in the buffer. */
  async flush(): Promise<void> {
    const bytes = this.#context.buffer.subarray(0, this.#used);
    this.#used = 0;
    this.#sum?.update(bytes);
    const words = `could not ${this.#doing} file "${this.#path}"`;
    for (let at = 0; at < bytes.length; ) {
      at += writing(() => writeSync(this.#fd, bytes, at, bytes.length - at), words, this.#path);
    }
    await this.#context.progress.add(bytes.length);
  }

  /** The file is complete. */
  async end(): Promise<WrittenFile> {
    await this.flush();
    const { size, mtime } = writing(() => fstatSync(this.#fd), `could not stat file "${this.#path}"`, this.#path);
    this.#isOpen = false;
    writing(() => closeSync(this.#fd), `could not close file "${this.#path}"`, this.#path);
    return { size, lastModified: mtime, checksum: this.#sum?.digest() };
  }

  /** Close it if it has not ended. */
  close(): void {
    if (this.#isOpen) closeSync(this.#fd);
    this.#isOpen = false;
  }
}

function readAll({ buffer }: CombineContext, source: string, use: (bytes: Uint8Array) => void): void {
  const fd = openSource(source);
  try {
    for (;;) {
      const read = reading(
        () => readSync(fd, buffer, 0, buffer.length, null),
        `could not read file "${source}"`,
        source,
      );
      if (read === 0) return;
      use(buffer.subarray(0, read));
    }
  } finally {
    closeSync(fd);
  }
}

function openSource(path: string): number {
  return reading(() => openForReading(path), `could not open file "${path}"`, path);
}

/** Call the file system to read a file that was there a moment ago. @throws FatalProblem */
function reading<T>(what: () => T, message: string, path: string): T {
  try {
    return what();
  } catch (error) {
    throw new FatalProblem("unreadable", undefined, `${message}: ${strerror(error)}`, undefined, { file: path });
  }
}

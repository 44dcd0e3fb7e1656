/**
 * WAL in a directory that looks like pg_wal.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source walmethods.c: CreateWalDirectoryMethod
 */
import { fstatSync } from "node:fs";
import { constants, type FileHandle, open, rename, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";
import { createGzip, type Gzip, constants as zlibConstants } from "node:zlib";
import { durableRename, fsyncParent, fsyncPath } from "../durable.ts";
import { writeAll } from "../write-all.ts";
import type { WalCloseMethod, Walfile, WalWriteMethod } from "./method.ts";

/** How files of a directory are written. */
export interface WalDirectoryOptions {
  /** The compression of all files. Default: none. */
  readonly compress?: "none" | "gzip" | undefined;
  /** The level of the compression, -1 to 9; -1, the default, is zlib's own choice. */
  readonly level?: number | undefined;
  /** Flush files and names to the disk. Default: true. */
  readonly sync?: boolean | undefined;
  /** The permissions of new files. Default: 0o600. */
  readonly mode?: number | undefined;
}

/**
 * Zeros to pad with. A segment of 16 MB takes 3 ms of the processor in pieces of 256 KiB, 8 ms in those of 8 KiB, and 12 to 20 ms in those
 * of 1 MiB or more (ext4 of Linux 6.18).
 */
const zeros = new Uint8Array(256 * 1024);
/** Bytes of zeros after which others have their turn. */
const TURN = 16 * 1024 * 1024;

/** Write WAL into a directory. */
export class WalDirectory implements WalWriteMethod {
  readonly isPlain: boolean;
  readonly #directory: string;
  readonly #sync: boolean;
  readonly #level: number;
  readonly #mode: number;

  constructor(directory: string, options: WalDirectoryOptions = {}) {
    const { compress = "none", level = zlibConstants.Z_DEFAULT_COMPRESSION, sync = true, mode = 0o600 } = options;
    this.#directory = directory;
    this.isPlain = compress === "none";
    this.#level = level;
    this.#sync = sync;
    this.#mode = mode;
  }

  fileName(pathname: string, suffix: string): string {
    return `${pathname}${this.isPlain ? "" : ".gz"}${suffix}`;
  }

  async fileSize(name: string): Promise<number | undefined> {
    try {
      return (await stat(join(this.#directory, name))).size;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
      throw error;
    }
  }

  async isZero(name: string): Promise<boolean> {
    const handle = await open(join(this.#directory, name), "r");
    try {
      const buffer = Buffer.alloc(zeros.length);
      for (;;) {
        const { bytesRead } = await handle.read(buffer, 0, buffer.length, null);
        if (bytesRead === 0) return true;
        if (buffer.compare(zeros, 0, bytesRead, 0, bytesRead) !== 0) return false;
      }
    } finally {
      await handle.close();
    }
  }

  async open(pathname: string, suffix: string, padToSize: number): Promise<Walfile> {
    const path = join(this.#directory, this.fileName(pathname, suffix));
    const handle = await open(path, constants.O_WRONLY | constants.O_CREAT, this.#mode);
    try {
      // The process's umask may have taken the group's permission.
      if ((this.#mode & 0o077) !== 0) await handle.chmod(this.#mode);
      if (padToSize > 0 && this.isPlain) await pad(handle, padToSize);
      // So that later flushes need not care for the file's name and blocks.
      if (this.#sync) {
        await handle.sync();
        await fsyncParent(path);
      }
    } catch (error) {
      await handle.close().catch(ignore);
      // It has nothing but zeros, which would only fill the disk.
      if (padToSize > 0 && this.isPlain) await rm(path, { force: true }).catch(ignore);
      throw error;
    }
    const files = { path, final: join(this.#directory, this.fileName(pathname, "")), sync: this.#sync };
    return this.isPlain ? new PlainWalfile(handle, files) : new GzipWalfile(handle, files, this.#level);
  }

  async finish(): Promise<void> {
    if (this.#sync) await fsyncPath(this.#directory, true);
  }
}

interface Files {
  readonly path: string;
  /** Its name once it is complete. */
  readonly final: string;
  readonly sync: boolean;
}

class PlainWalfile implements Walfile {
  position = 0;
  readonly #handle: FileHandle;
  readonly #files: Files;

  constructor(handle: FileHandle, files: Files) {
    this.#handle = handle;
    this.#files = files;
  }

  async write(bytes: Uint8Array): Promise<void> {
    writeAll(this.#handle.fd, bytes, this.position);
    this.position += bytes.length;
  }

  sync(): Promise<void> {
    return syncFile(this.#handle, this.#files);
  }

  async close(method: WalCloseMethod): Promise<void> {
    await this.#handle.close();
    await settle(method, this.#files);
  }
}

class GzipWalfile implements Walfile {
  position = 0;
  readonly #handle: FileHandle;
  readonly #files: Files;
  readonly #gzip: Gzip;
  /** Compressed bytes that were written. */
  #written = 0;

  constructor(handle: FileHandle, files: Files, level: number) {
    this.#handle = handle;
    this.#files = files;
    // What was compressed is read after each write, so the stream never waits for a reader.
    const options = { level, readableHighWaterMark: Number.MAX_SAFE_INTEGER };
    this.#gzip = createGzip(options);
    // Its errors are those of the calls.
    this.#gzip.on("error", ignore);
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#run((done) => this.#gzip.write(bytes, done));
    this.position += bytes.length;
  }

  async sync(): Promise<void> {
    if (!this.#files.sync) return;
    await this.#run((done) => this.#gzip.flush(zlibConstants.Z_SYNC_FLUSH, done));
    await syncFile(this.#handle, this.#files);
  }

  async close(method: WalCloseMethod): Promise<void> {
    try {
      this.#gzip.end();
      for await (const chunk of this.#gzip) this.#append(chunk as Uint8Array);
      // A file of an earlier run may have been longer.
      await this.#handle.truncate(this.#written);
    } finally {
      this.#gzip.destroy();
      await this.#handle.close();
    }
    await settle(method, this.#files);
  }

  /** Run a step of the compression, and write what it gave. */
  async #run(step: (done: (error?: Error | null) => void) => void): Promise<void> {
    await new Promise<void>((resolve, reject) => step((error) => (error ? reject(error) : resolve())));
    // Without a size, it gives all that it has.
    const chunk: Uint8Array | null = this.#gzip.read();
    if (chunk !== null) this.#append(chunk);
  }

  #append(chunk: Uint8Array): void {
    writeAll(this.#handle.fd, chunk, this.#written);
    this.#written += chunk.length;
  }
}

/** Rename, flush or remove a file that was closed. @source walmethods.c: dir_close */
async function settle(method: WalCloseMethod, { path, final, sync }: Files): Promise<void> {
  if (method === "unlink") await rm(path);
  else if (method === "normal" && path !== final) await (sync ? durableRename(path, final) : rename(path, final));
  else if (sync) {
    await fsyncPath(path);
    await fsyncParent(path);
  }
}

async function syncFile(handle: FileHandle, { path, sync }: Files): Promise<void> {
  if (!sync) return;
  await handle.sync();
  // In this thread it takes 1.5 microseconds, and 25 to 80 by way of another, for each flush (Node 20).
  if (fstatSync(handle.fd).nlink > 0) return;
  // What is flushed there is gone with the descriptor.
  throw Object.assign(new Error(`the file was removed while it was written`), {
    code: "ENOENT",
    syscall: "fsync",
    path,
  });
}

/** Write zeros up to a size. Segments can have 1 GB, so others have their turn now and then. */
async function pad(handle: FileHandle, size: number): Promise<void> {
  for (let at = 0; at < size; at += zeros.length) {
    writeAll(handle.fd, zeros.subarray(0, size - at), at);
    if (at % TURN === 0) await setImmediate();
  }
}

function ignore(): void {}

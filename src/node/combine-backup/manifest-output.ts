/**
 * The manifest of the output, written to disk entry by entry.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source write_manifest.c
 */
import { createHash } from "node:crypto";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { BackupManifestWriter, formatLastModified } from "../../files/manifest/print.ts";
import type { ChecksumAlgorithm, ManifestWalRange } from "../../files/manifest/types.ts";
import { pgTimeFromDate } from "../../kernel/time.ts";
import type { Server } from "../../kernel/version.ts";
import { binaryPath } from "../verify-backup/paths.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import { writing } from "./error.ts";

/** A file of the output that was written. */
export interface WrittenFile {
  /** In bytes. */
  readonly size: number;
  readonly lastModified: Date;
  /** Undefined if none was asked for. */
  readonly checksum: Uint8Array | undefined;
}

/** Bytes that are collected before they are written. */
const BLOCK = 128 * 1024;

export class ManifestOutput {
  readonly #path: string;
  readonly #mode: number;
  readonly #writer: BackupManifestWriter;
  #parts: Uint8Array[] = [];
  #length = 0;
  #fd: number | undefined;

  constructor(path: string, mode: number, systemIdentifier: bigint, server: Server) {
    this.#path = path;
    this.#mode = mode;
    this.#writer = new BackupManifestWriter({
      version: 2,
      systemIdentifier,
      server,
      sha256: () => createHash("sha256"),
    });
  }

  /** Add a file. An empty checksum is left out. */
  add(path: string, { size, lastModified, checksum }: WrittenFile, algorithm: ChecksumAlgorithm): void {
    const isSummed = checksum !== undefined && checksum.length > 0;
    this.#write(
      this.#writer.file({
        path,
        encoded: false,
        size: BigInt(size),
        lastModified: formatLastModified(pgTimeFromDate(lastModified)),
        checksumAlgorithm: isSummed ? algorithm : "NONE",
        checksum: isSummed ? checksum : undefined,
      }),
    );
    if (this.#length > BLOCK) this.#flush();
  }

  end(walRanges: readonly ManifestWalRange[]): void {
    this.#write(this.#writer.end(walRanges));
    this.#flush();
    const fd = this.#fd!;
    this.#fd = undefined;
    writing(() => closeSync(fd), `could not close file "${this.#path}"`, this.#path);
  }

  /** Close it as it is: it is removed. */
  abandon(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }

  #write(bytes: Uint8Array): void {
    this.#parts.push(bytes);
    this.#length += bytes.length;
  }

  #flush(): void {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    this.#length = 0;
    const flags = constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL;
    const open = () => openSync(systemPath(binaryPath(this.#path)), flags, this.#mode);
    this.#fd ??= writing(open, `could not open file "${this.#path}"`, this.#path);
    const fd = this.#fd;
    for (let at = 0; at < bytes.length; ) {
      at += writing(
        () => writeSync(fd, bytes, at, bytes.length - at),
        `could not write file "${this.#path}"`,
        this.#path,
      );
    }
  }
}

/** Checksums of files. Used by workers, and without them. */
import { createHash, type Hash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import type { ChecksumAlgorithm } from "../../files/manifest/types.ts";
import { crc32c } from "../../kernel/crc32c.ts";
import { strerror } from "../strerror.ts";
import type { BinaryPath } from "./paths.ts";
import { systemPath } from "./system-path.ts";

/** A checksum in steps. @source checksum_helper.c */
export interface Summing {
  update(bytes: Uint8Array): void;
  /** As it stands in a manifest: of CRC-32C the number in little-endian order. */
  digest(): Uint8Array;
}

export function summing(algorithm: ChecksumAlgorithm): Summing {
  if (algorithm === "CRC32C" || algorithm === "NONE") return new Crc32cSumming();
  const hash: Hash = createHash(algorithm.toLowerCase());
  return { update: (bytes) => void hash.update(bytes), digest: () => hash.digest() };
}

class Crc32cSumming implements Summing {
  #crc = 0;

  update(bytes: Uint8Array): void {
    this.#crc = crc32c(bytes, this.#crc);
  }

  digest(): Uint8Array {
    const bytes = new Uint8Array(4);
    new DataView(bytes.buffer).setUint32(0, this.#crc, true);
    return bytes;
  }
}

/** A file that is to be summed up. */
export interface SumTask {
  readonly path: BinaryPath;
  readonly algorithm: ChecksumAlgorithm;
}

/** What came of it. */
export type SumResult =
  | { readonly digest: Uint8Array; readonly bytes: number }
  /** What strerror() says. */
  | { readonly failed: "open" | "read"; readonly reason: string };

/** How much is read at once. */
const BLOCK = 256 * 1024;
let buffer: Uint8Array | undefined;

/** @param tell Called with the number of bytes that have been read since the last call. */
export function sumFile({ path, algorithm }: SumTask, tell: (bytes: number) => void): SumResult {
  buffer ??= new Uint8Array(BLOCK);
  let fd: number;
  try {
    fd = openSync(systemPath(path), "r");
  } catch (error) {
    return { failed: "open", reason: strerror(error) };
  }
  try {
    const sum = summing(algorithm);
    let bytes = 0;
    for (;;) {
      const read = readSync(fd, buffer, 0, BLOCK, null);
      if (read === 0) break;
      sum.update(read === BLOCK ? buffer : buffer.subarray(0, read));
      bytes += read;
      tell(read);
    }
    return { digest: sum.digest(), bytes };
  } catch (error) {
    return { failed: "read", reason: strerror(error) };
  } finally {
    closeSync(fd);
  }
}

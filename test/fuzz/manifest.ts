/** Backup manifests that are damaged: read by every kind of version, whole and in pieces, and written again. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { backupManifest } from "../../src/arbitraries/manifest.ts";
import {
  type BackupManifest,
  BackupManifestError,
  type BackupManifestOptions,
  BackupManifestReader,
  collectManifest,
  manifestChecksum,
  parseBackupManifest,
  printBackupManifest,
} from "../../src/files/manifest/index.ts";
import { toHex } from "../hex.ts";
import type { FuzzTarget } from "./target.ts";

const sha256 = () => createHash("sha256");

const readers: readonly BackupManifestOptions[] = [
  { server: "14", sha256 },
  { server: "16", sha256 },
  { server: "18", sha256 },
  { server: "18", judge: "server", sha256 },
  { server: "19", sha256, duplicates: true },
];

export const backupManifestTarget: FuzzTarget = {
  name: "backup_manifest",
  corpus: () =>
    fc.sample(backupManifest({ maxFiles: 4 }), { seed: 1, numRuns: 200 }).map((value) => printBackupManifest(value)),
  check(damaged) {
    // The checksum would refuse nearly all: every other input has the right one.
    const bytes = damaged.length % 2 === 0 ? damaged : withRightChecksum(damaged);
    let isValue = false;
    for (const options of readers) {
      const whole = attempt(() => parseBackupManifest(bytes, options), bytes);
      const pieces = attempt(() => readInPieces(bytes, options), bytes);
      if (whole instanceof BackupManifestError || pieces instanceof BackupManifestError) {
        if (!(whole instanceof BackupManifestError && pieces instanceof BackupManifestError)) {
          throw new Error(`whole: ${whole}, in pieces: ${pieces}`);
        }
        if (whole.message !== pieces.message || whole.position !== pieces.position || whole.line !== pieces.line) {
          throw new Error(`whole: ${whole}, in pieces: ${pieces}`);
        }
        continue;
      }
      isValue = true;
      same(whole, pieces);
      if (whole.version === 2 && whole.systemIdentifier === undefined) continue;
      // What is read of a text that nobody printed is printed as servers do, and read as the same.
      const normal = { ...whole, files: whole.files.map(normalFile) };
      same(
        normal,
        parseBackupManifest(printBackupManifest(normal, { sha256 }), {
          ...options,
          judge: "pg_verifybackup",
          // A server takes the same path twice.
          duplicates: true,
        }),
      );
    }
    return isValue ? "value" : "error";
  },
};

function normalFile(file: BackupManifest["files"][number]): BackupManifest["files"][number] {
  return {
    ...file,
    encoded: file.encoded || /\p{Surrogate}/u.test(file.path),
    checksum: file.checksumAlgorithm === "NONE" ? undefined : file.checksum,
  };
}

function attempt<T>(read: () => T, bytes: Uint8Array): T | BackupManifestError {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof BackupManifestError)) throw error;
    const { position, offset, text } = error;
    if (position < 0 || position > bytes.length || offset < 0 || offset > text.length) throw error;
    return error;
  }
}

/** In pieces of lengths that depend on the bytes. */
function readInPieces(bytes: Uint8Array, options: BackupManifestOptions): BackupManifest {
  const reader = new BackupManifestReader(options);
  const entries = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const length = 1 + ((bytes[at]! * 7 + i * 13) % 97);
    entries.push(...reader.push(bytes.slice(at, at + length)));
    at += length;
  }
  entries.push(...reader.end());
  return collectManifest(entries);
}

function withRightChecksum(bytes: Uint8Array): Uint8Array {
  const sum = manifestChecksum(bytes, sha256);
  if (sum === undefined) return bytes;
  const text = Buffer.from(bytes).toString("latin1");
  return Buffer.from(text.replace(/[0-9a-f]{64}("\}\n)$/, `${toHex(sum)}$1`), "latin1");
}

function same(a: unknown, b: unknown): void {
  const [left, right] = [a, b].map((value) =>
    JSON.stringify(value, (_, v) => (typeof v === "bigint" ? `${v}n` : v instanceof Uint8Array ? toHex(v) : v)),
  );
  if (left !== right) throw new Error(`${left} is not ${right}`);
}

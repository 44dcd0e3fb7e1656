/** Laws of backup manifests. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { backupManifest, backupManifestText, splits } from "../../src/arbitraries/index.ts";
import {
  BackupManifestError,
  type BackupManifestOptions,
  BackupManifestReader,
  type ManifestEntry,
  parseBackupManifest,
  printBackupManifest,
} from "../../src/files/manifest/index.ts";
import { law } from "./law.ts";

const versions = ["13", "15", "16", "17", "18", "19"] as const;
const sha256 = () => createHash("sha256");

/** What reading in these pieces gives, and the error that ends it. */
function read(
  chunks: readonly Uint8Array[],
  options: BackupManifestOptions,
): { entries: ManifestEntry[]; error: unknown } {
  const entries: ManifestEntry[] = [];
  try {
    const reader = new BackupManifestReader(options);
    for (const chunk of chunks) {
      const copy = chunk.slice();
      entries.push(...reader.push(copy));
      // Nothing that was handed out, or is kept, may look into what was given.
      copy.fill(0x7a);
    }
    entries.push(...reader.end());
  } catch (error) {
    return { entries, error };
  }
  return { entries, error: undefined };
}

/** Of the line that an error shows there is as much as its piece has. */
function said(error: unknown): unknown {
  if (!(error instanceof BackupManifestError)) return error;
  const { message, code, position, line } = error;
  return { message, code, position, line };
}

describe("a manifest", () => {
  law(
    "is what was printed, for every version that knows it",
    fc.property(backupManifest(), fc.constantFrom(...versions), (manifest, server) => {
      fc.pre(manifest.version === 1 || Number(server) >= 17);
      const text = printBackupManifest(manifest, { server });
      expect(parseBackupManifest(text, { server, sha256 })).toEqual(manifest);
    }),
    1000,
  );

  law(
    "is printed as the text that it was read from, with either SHA-256",
    fc.property(backupManifest(), (manifest) => {
      const text = printBackupManifest(manifest);
      expect(printBackupManifest(parseBackupManifest(text), { sha256 })).toEqual(text);
    }),
    500,
  );

  law(
    "is the same in whatever pieces it comes",
    fc.property(splits(backupManifestText()), fc.constantFrom(...versions), (chunks, server) => {
      const whole = new Uint8Array(Buffer.concat(chunks));
      const expected = read([whole], { server, sha256 });
      const { entries, error } = read(chunks, { server, sha256 });
      expect(said(error)).toEqual(said(expected.error));
      // Of what is refused, more or less may have been handed out before.
      if (error === undefined) expect(entries).toEqual(expected.entries);
    }),
    1500,
  );

  law(
    "is read, or refused with a place inside it",
    fc.property(backupManifestText(), fc.constantFrom(...versions), (bytes, server) => {
      const { error } = read([bytes], { server, sha256 });
      if (error === undefined) return;
      expect(error).toBeInstanceOf(BackupManifestError);
      const { position, offset, text, line } = error as BackupManifestError;
      expect(position).toBeGreaterThanOrEqual(0);
      expect(position).toBeLessThanOrEqual(bytes.length);
      expect(offset).toBeLessThanOrEqual(text.length);
      const lines = Buffer.from(bytes.subarray(0, position)).toString("latin1").split("\n").length;
      expect(line).toBe(lines);
    }),
  );
});

test("a text without an end takes time in proportion to it, in however small pieces", () => {
  const reader = new BackupManifestReader({ server: "15", sha256 });
  reader.push(new TextEncoder().encode('{ "PostgreSQL-Backup-Manifest-Version": 1, "'));
  const started = performance.now();
  const piece = new TextEncoder().encode("x".repeat(16));
  for (let i = 0; i < 200_000; i++) reader.push(piece);
  expect(performance.now() - started).toBeLessThan(5000);
  expect(() => reader.end()).toThrow("could not parse backup manifest: parsing failed");
});

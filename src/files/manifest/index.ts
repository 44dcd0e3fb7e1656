/**
 * walwire/files/manifest: backup manifests: read, write, and what each version says of a bad one.
 */
export { BackupManifestError } from "./error.ts";
export {
  BackupManifestWriter,
  type BackupManifestWriterOptions,
  formatLastModified,
  manifestChecksum,
  printBackupManifest,
} from "./print.ts";
export { type BackupManifestOptions, BackupManifestReader, collectManifest, parseBackupManifest } from "./reader.ts";
export {
  type BackupManifest,
  type ChecksumAlgorithm,
  checksumLengths,
  type ManifestEntry,
  type ManifestFile,
  type ManifestWalRange,
  type Sha256,
} from "./types.ts";

/** walwire/files/manifest: backup manifests, read and written. */
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

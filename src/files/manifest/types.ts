/** The contents of a backup manifest: each file of a base backup, and the WAL that it needs. */
import type { Lsn } from "../../kernel/lsn.ts";

/** How a file's bytes are summed up. @source checksum_helper.h: pg_checksum_type */
export type ChecksumAlgorithm = "NONE" | "CRC32C" | "SHA224" | "SHA256" | "SHA384" | "SHA512";

/** Bytes that a checksum of each algorithm has. @source checksum_helper.c: pg_checksum_final */
export const checksumLengths: Readonly<Record<ChecksumAlgorithm, number>> = {
  NONE: 0,
  CRC32C: 4,
  SHA224: 28,
  SHA256: 32,
  SHA384: 48,
  SHA512: 64,
};

/** One file of a backup. */
export interface ManifestFile {
  /**
   * From the data directory, with slashes; files of a tablespace are below `pg_tblspc/OID/`. Each byte that is not part of valid UTF-8 is a
   * lone surrogate U+DC80 to U+DCFF, as everywhere in walwire.
   */
  readonly path: string;
  /** Is it written as `Encoded-Path`, in hexadecimal digits? A path that is not valid UTF-8 always is when it is printed. */
  readonly encoded: boolean;
  /** Bytes, 0 to 2^64 - 1. */
  readonly size: bigint;
  /** As it stands there: PostgreSQL writes `2026-11-27 03:54:00 GMT`, and reads anything. Undefined if it is not there. */
  readonly lastModified: string | undefined;
  /** The algorithm of `checksum`. */
  readonly checksumAlgorithm: ChecksumAlgorithm;
  /** Undefined if it is not there, or empty. Of CRC-32C it is the number in little-endian order. A view: others lie in the same buffer. */
  readonly checksum: Uint8Array | undefined;
}

/** WAL that the backup needs. */
export interface ManifestWalRange {
  /** The timeline. */
  readonly timeline: number;
  /** The first position. */
  readonly startLsn: Lsn;
  /** The end, exclusive. */
  readonly endLsn: Lsn;
}

/** A whole backup manifest. */
export interface BackupManifest {
  /** 1 of servers 13 to 16, 2 of those from 17 on. */
  readonly version: 1 | 2;
  /** Since version 2; undefined if it is not there. */
  readonly systemIdentifier: bigint | undefined;
  /** The files, in the order of the manifest. */
  readonly files: readonly ManifestFile[];
  /** The newest timeline first. */
  readonly walRanges: readonly ManifestWalRange[];
}

/** The parts of a manifest, in order. */
export type ManifestEntry =
  | {
      readonly type: "Version";
      /** 1 of servers 13 to 16, 2 of those from 17 on. */
      readonly version: 1 | 2;
    }
  | {
      readonly type: "SystemIdentifier";
      /** The cluster's system identifier. */
      readonly systemIdentifier: bigint;
    }
  | {
      readonly type: "File";
      /** A file of the backup. */
      readonly file: ManifestFile;
    }
  | {
      readonly type: "WalRange";
      /** WAL that the backup needs. */
      readonly walRange: ManifestWalRange;
    };

/** SHA-256 in steps: what `createHash("sha256")` of node:crypto gives, and `sha256.create()` of @noble/hashes. */
export interface Sha256 {
  /** Add bytes to the checksum. */
  update(bytes: Uint8Array): unknown;
  /** 32 bytes. */
  digest(): Uint8Array;
}

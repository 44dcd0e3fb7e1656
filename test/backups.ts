/** Small directories that are backups as far as a manifest tells. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { encodeIncrementalHeader } from "../src/basebackup/index.ts";
import {
  type ChecksumAlgorithm,
  type ManifestFile,
  type ManifestWalRange,
  printBackupManifest,
} from "../src/files/manifest/index.ts";
import { crc32c } from "../src/kernel/crc32c.ts";
import { toLsn } from "../src/kernel/lsn.ts";
import type { Server } from "../src/kernel/version.ts";
import { segmentName } from "../src/kernel/wal-names.ts";
import { summing } from "../src/node/verify-backup/sum.ts";
import { WalWriter } from "../src/wal/index.ts";

export const systemIdentifier = 7712700038425239164n;

/** A control file of PostgreSQL 18, as far as it is looked at. */
export function controlFile({
  identifier = systemIdentifier,
  version = 1800,
  checksums = 0,
  checkPoint = 0x7000028n,
} = {}): Buffer {
  const bytes = Buffer.alloc(8192);
  bytes.writeBigUInt64LE(identifier, 0);
  bytes.writeUInt32LE(version, 8);
  bytes.writeBigUInt64LE(checkPoint, 32);
  bytes.writeUInt32LE(checksums, 252);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 292)), 292);
  return bytes;
}

/** Files by their paths. */
export type Contents = Readonly<Record<string, string | Buffer>>;

/** What pg_verifybackup looks at, and no more. */
export const contents: Contents = {
  PG_VERSION: "18\n",
  "postgresql.conf": "# nothing\n",
  backup_label: "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n",
  "global/pg_control": controlFile(),
  "global/1262": "y".repeat(8192),
  "base/1/1259": "z".repeat(16384),
  "base/1/1259_fsm": "f".repeat(24576),
  "base/1/PG_VERSION": "18\n",
  "base/5/empty": "",
  "pg_xact/0000": "\0".repeat(8192),
  "pg_tblspc/16384/PG_15_202209061/5/16385": "t".repeat(8192),
};

export const walRanges = [{ timeline: 1, startLsn: toLsn(0x2000028n), endLsn: toLsn(0x2000100n) }];

function fileOf(path: string, content: string | Buffer, checksumAlgorithm: ChecksumAlgorithm): ManifestFile {
  const bytes = Buffer.from(content);
  const sum = summing(checksumAlgorithm);
  sum.update(bytes);
  return {
    path,
    encoded: false,
    size: BigInt(bytes.length),
    lastModified: "2026-11-27 03:54:00 GMT",
    checksumAlgorithm,
    checksum: checksumAlgorithm === "NONE" ? undefined : sum.digest(),
  };
}

/** The manifest of these contents. */
export function manifestOf(algorithm: ChecksumAlgorithm, version: 1 | 2, of: Contents = contents): Uint8Array {
  const files = Object.entries(of).map(([path, content]) => fileOf(path, content, algorithm));
  return printBackupManifest({
    version,
    systemIdentifier: version === 1 ? undefined : systemIdentifier,
    files,
    walRanges,
  });
}

/** Makes a directory that is a good backup. */
export function makeBackup(
  directory: string,
  {
    algorithm = "CRC32C",
    version = 1,
    of = contents,
  }: { algorithm?: ChecksumAlgorithm | undefined; version?: 1 | 2; of?: Contents } = {},
): void {
  for (const [path, content] of Object.entries(of)) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  writeFileSync(join(directory, "backup_manifest"), manifestOf(algorithm, version, of));
}

/** The WAL that the manifest names, up to the end of its page: records that do nothing. */
export function makeWal(directory: string, server?: Server): void {
  const [{ startLsn, endLsn }] = walRanges as [ManifestWalRange];
  const writer = new WalWriter({ server, start: toLsn(startLsn - (startLsn % 8192n)), systemIdentifier });
  while (writer.position < endLsn) writer.write({ rmid: 0, info: 0x20 });
  const page = Buffer.alloc(8192);
  page.set(writer.take());
  mkdirSync(join(directory, "pg_wal"), { recursive: true });
  writeFileSync(join(directory, "pg_wal", segmentName(1, startLsn)), page);
}

function label(start: string, previous?: string): string {
  const lines = [
    `START WAL LOCATION: ${start} (file 000000010000000000000002)`,
    `CHECKPOINT LOCATION: ${start}`,
    "LABEL: chain",
    "START TIMELINE: 1",
    ...(previous === undefined ? [] : [`INCREMENTAL FROM LSN: ${previous}`, "INCREMENTAL FROM TLI: 1"]),
  ];
  return `${lines.join("\n")}\n`;
}

/** An incremental file of a relation that has two blocks. */
export function incrementalFile(blocks: readonly number[]): Buffer {
  const header = encodeIncrementalHeader({ truncationBlockLength: 2, blocks });
  return Buffer.concat([header, ...blocks.map((block) => Buffer.alloc(8192, block + 1))]);
}

/** base/1/1259 has two blocks: the first changes before the first incremental backup, the second before the second. */
const { "base/1/1259": relation, ...others } = contents as Record<string, string | Buffer>;
export const chainContents: Readonly<Record<"full" | "first" | "second", Contents>> = {
  full: { ...others, "base/1/1259": relation!, backup_label: label("0/1000028") },
  first: { ...others, "base/1/INCREMENTAL.1259": incrementalFile([0]), backup_label: label("0/1800028", "0/1000028") },
  second: { ...others, "base/1/INCREMENTAL.1259": incrementalFile([1]), backup_label: label("0/2000028", "0/1800028") },
};

/** Makes the directories of a good chain: full, first, second. */
export function makeChain(directory: string): void {
  for (const [name, of] of Object.entries(chainContents)) makeBackup(join(directory, name), { version: 2, of });
  makeWal(join(directory, "second"));
}

/**
 * Writes a backup manifest byte for byte as the server does.
 *
 * Portions Copyright (c) 2010-2026, PostgreSQL Global Development Group
 *
 * @source backup_manifest.c
 */
import { sha256 } from "@noble/hashes/sha2.js";
import { formatLsn } from "../../kernel/lsn.ts";
import { checkOptions } from "../../kernel/options.ts";
import { formatPgTime, type PgTime } from "../../kernel/time.ts";
import { type Server, serverVersionNum } from "../../kernel/version.ts";
import { listed } from "../../kernel/words.ts";
import { givenBytes, isBytes, mustBeArray, mustBeObject, refuse } from "../../wire/check.ts";
import { encodeText, hexOf, TEXT_WANTED } from "../../wire/text.ts";
import { ManifestDigest, madeBy } from "./digest.ts";
import {
  type BackupManifest,
  checksumLengths,
  type ManifestFile,
  type ManifestWalRange,
  type Sha256,
} from "./types.ts";

/** How a manifest is written. */
export interface BackupManifestWriterOptions {
  /** 1 as servers 13 to 16 write it, 2 as those from 17 on. */
  readonly version: 1 | 2;
  /** For version 2, which is not written without. */
  readonly systemIdentifier: bigint | undefined;
  /** Decides how positions are written: from 19 on as `0/016B3748`, before as `0/16B3748`. Default: 18. */
  readonly server?: Server | undefined;
  /** As in BackupManifestOptions. */
  readonly sha256?: (() => Sha256) | undefined;
}

/**
 * Write a whole manifest.
 *
 * @returns the bytes of the file backup_manifest.
 * @throws EncodeError for a value that no manifest can hold.
 * @source backup_manifest.c: InitializeBackupManifest, AddFileToBackupManifest, AddWALInfoToBackupManifest, SendBackupManifest
 * @example printBackupManifest({ version: 1, systemIdentifier: undefined, files: [], walRanges: [] }).length // 166
 */
export function printBackupManifest(
  manifest: BackupManifest,
  options: Pick<BackupManifestWriterOptions, "server" | "sha256"> = {},
): Uint8Array {
  mustBeObject(manifest, "manifest");
  checkOptions(options, ["server", "sha256"]);
  const { version, systemIdentifier, files, walRanges } = manifest;
  mustBeArray(files, "files");
  mustBeArray(walRanges, "walRanges");
  const writer = new BackupManifestWriter({ ...options, version, systemIdentifier });
  const chunks: Uint8Array[] = [];
  for (const file of files) chunks.push(writer.file(file));
  chunks.push(writer.end(walRanges));
  const bytes = new Uint8Array(chunks.reduce((length, chunk) => length + chunk.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    bytes.set(chunk, at);
    at += chunk.length;
  }
  return bytes;
}

/**
 * The checksum that a manifest must have: SHA-256 of all but its last line.
 *
 * @param manifest The bytes of the file; what its last line says does not matter.
 * @returns 32 bytes; undefined if there are no two lines, or the last does not end.
 * @source parse_manifest.c: verify_manifest_checksum
 */
export function manifestChecksum(manifest: Uint8Array, make: () => Sha256 = sha256.create): Uint8Array | undefined {
  const digest = new ManifestDigest(madeBy(make));
  digest.tail(givenBytes(manifest, "manifest"));
  const sum = digest.end();
  return typeof sum === "string" ? undefined : sum;
}

/** Writes a manifest file by file; what each call returns, in order, is the manifest. */
export class BackupManifestWriter {
  readonly #sha256: Sha256;
  readonly #server: Server | undefined;
  /** The text before the next file. */
  #before: string;
  #count = 0;

  /** @throws EncodeError */
  constructor(options: BackupManifestWriterOptions) {
    checkOptions(options, ["version", "systemIdentifier", "server", "sha256"]);
    const { version, systemIdentifier, server, sha256: make } = options;
    if (server !== undefined) serverVersionNum(server);
    if (version !== 1 && version !== 2) refuse("1 or 2", version, "version");
    this.#sha256 = madeBy(make ?? sha256.create);
    this.#server = server;
    let text = `{ "PostgreSQL-Backup-Manifest-Version": ${version},\n`;
    if (version === 2) text += `"System-Identifier": ${uint64("systemIdentifier", systemIdentifier)},\n`;
    else if (systemIdentifier !== undefined) refuse("undefined in version 1", systemIdentifier, "systemIdentifier");
    this.#before = `${text}"Files": [\n`;
  }

  /**
   * Adds a file.
   *
   * @returns the next bytes of the manifest.
   * @throws EncodeError
   */
  file(file: ManifestFile): Uint8Array {
    const at = `files[${this.#count}]`;
    mustBeObject(file, at);
    this.#count++;
    const text = this.#before + fileText(at, file);
    this.#before = ",\n";
    return this.#take(at, text);
  }

  /**
   * Ends the manifest.
   *
   * @param walRanges The newest timeline first.
   * @returns the last bytes of the manifest.
   * @throws EncodeError
   */
  end(walRanges: readonly ManifestWalRange[]): Uint8Array {
    mustBeArray(walRanges, "walRanges");
    // Without a file the list's bracket is followed by the newline that ends it.
    const before = this.#count === 0 ? this.#before.slice(0, -1) : "";
    const ranges = Array.from(walRanges.entries(), ([i, range]) => this.#walRangeText(`walRanges[${i}]`, range));
    const body = this.#take("walRanges", `${before}\n],\n"WAL-Ranges": [\n${ranges.join(",\n")}\n],\n`);
    const line = new TextEncoder().encode(`"Manifest-Checksum": "${hexOf(this.#sha256.digest())}"}\n`);
    const bytes = new Uint8Array(body.length + line.length);
    bytes.set(body);
    bytes.set(line, body.length);
    return bytes;
  }

  #walRangeText(at: string, range: ManifestWalRange): string {
    mustBeObject(range, at);
    const { timeline, startLsn, endLsn } = range;
    if (!Number.isInteger(timeline) || timeline < 0 || timeline > 0xffffffff) {
      refuse("a whole number from 0 to 4294967295", timeline, `${at}.timeline`);
    }
    const lsn = (name: "startLsn" | "endLsn", value: ManifestWalRange[typeof name]): string => {
      uint64(`${at}.${name}`, value);
      return formatLsn(value, { server: this.#server });
    };
    const [start, end] = [lsn("startLsn", startLsn), lsn("endLsn", endLsn)];
    return `{ "Timeline": ${timeline}, "Start-LSN": "${start}", "End-LSN": "${end}" }`;
  }

  #take(path: string, text: string): Uint8Array {
    const bytes = encoded(path, text);
    this.#sha256.update(bytes);
    return bytes;
  }
}

/** The last modification of a file as a manifest has it. @source backup_manifest.c: AddFileToBackupManifest, pg_strftime */
export function formatLastModified(time: PgTime): string {
  return `${formatPgTime(time).slice(0, 19).replace("T", " ")} GMT`;
}

function fileText(at: string, file: ManifestFile): string {
  const { path, encoded: isEncoded, size, lastModified, checksumAlgorithm, checksum } = file;
  if (typeof path !== "string") refuse("a string", path, `${at}.path`);
  if (lastModified !== undefined && typeof lastModified !== "string") {
    refuse("a string", lastModified, `${at}.lastModified`);
  }
  if (!Object.hasOwn(checksumLengths, checksumAlgorithm)) {
    refuse(listed(Object.keys(checksumLengths)), checksumAlgorithm, `${at}.checksumAlgorithm`);
  }
  if (checksum !== undefined && !isBytes(checksum)) refuse("a Uint8Array", checksum, `${at}.checksum`);
  if (path.includes("\0")) refuse("text without NUL", path, `${at}.path`);
  const hexadecimal = isEncoded || /\p{Surrogate}/u.test(path);
  let text = hexadecimal
    ? `{ "Encoded-Path": "${hexOf(encoded(`${at}.path`, path))}", `
    : `{ "Path": ${escapeJson(path)}, `;
  text += `"Size": ${uint64(`${at}.size`, size)}`;
  if (lastModified !== undefined) {
    if (lastModified.includes("\0")) refuse("text without NUL", lastModified, `${at}.lastModified`);
    text += `, "Last-Modified": ${escapeJson(lastModified)}`;
  }
  if (checksumAlgorithm !== "NONE") {
    text += `, "Checksum-Algorithm": "${checksumAlgorithm}", "Checksum": "${hexOf(checksum ?? new Uint8Array())}"`;
  } else if (checksum !== undefined) {
    refuse("undefined with the algorithm NONE", checksum, `${at}.checksum`);
  }
  return `${text} }`;
}

/** @source json.c: escape_json */
function escapeJson(text: string): string {
  return `"${text.replace(/["\\\u0000-\u001f]/g, (c) => escapes[c] ?? `\\u${c.charCodeAt(0).toString(16).padStart(4, "0")}`)}"`;
}

const escapes: Readonly<Record<string, string | undefined>> = {
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  '"': '\\"',
  "\\": "\\\\",
};

function uint64(path: string, value: bigint | undefined): string {
  if (typeof value !== "bigint" || value < 0n || value >> 64n !== 0n) {
    refuse("a bigint from 0 to 2^64 - 1", value, path);
  }
  return String(value);
}

function encoded(path: string, text: string): Uint8Array {
  const target = new Uint8Array(3 * text.length);
  const length = encodeText(text, target, 0);
  if (length === -1) refuse(TEXT_WANTED, text, path);
  return target.slice(0, length);
}

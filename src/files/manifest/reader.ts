/**
 * Reads a backup manifest whole or in pieces, and rejects what PostgreSQL rejects, in its words: pg_verifybackup of any version, or the
 * server to which a client sends it with UPLOAD_MANIFEST.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source parse_manifest.c
 * @source pg_verifybackup.c: parse_manifest_file
 * @source basebackup_incremental.c: AppendIncrementalManifestData
 */

import { sha256 } from "@noble/hashes/sha2.js";
import { refuseArgument } from "../../kernel/errors.ts";
import { checkOneOf, checkOptions, iterableOf } from "../../kernel/options.ts";
import { defaultServer, requireCapability, type Server } from "../../kernel/version.ts";
import { givenBytes } from "../../wire/check.ts";
import { byteText, isAscii } from "../../wire/text.ts";
import { checkLsn } from "../arguments.ts";
import { manifestCapabilities } from "../capabilities.ts";
import { ManifestDigest, madeBy } from "./digest.ts";
import { bytesText } from "./error.ts";
import type { JsonRules } from "./json.ts";
import { IncrementalPieces, JoinedPieces } from "./json-pieces.ts";
import { hexadecimal, ManifestParser, type ManifestRules } from "./parser.ts";
import type { BackupManifest, ManifestEntry, ManifestFile, ManifestWalRange, Sha256 } from "./types.ts";

/** The server that reads the manifest. */
export interface BackupManifestOptions {
  /** The version that judges. Default: 18. There are manifests from 13 on. */
  readonly server?: Server | undefined;
  /**
   * The reader whose verdict is given. Default: `pg_verifybackup`, which rejects duplicate paths. `server` is one that receives
   * UPLOAD_MANIFEST, from 17 on: it rejects version 1, and a system identifier that is not its own; each call of `push` is a CopyData
   * message for it.
   */
  readonly judge?: "pg_verifybackup" | "server" | undefined;
  /** The server's own, for `judge: "server"`; undefined accepts any. */
  readonly systemIdentifier?: bigint | undefined;
  /**
   * The encoding in which a server reads: that of the database of the connection. Default: `SQL_ASCII`, as on a connection to no database,
   * such as pg_basebackup's. It rejects escapes such as \\u00e9.
   */
  readonly encoding?: "SQL_ASCII" | "UTF8" | undefined;
  /**
   * Creates the checksum of the manifest. Default: code that runs everywhere; in Node `() => createHash("sha256")` is five times faster.
   */
  readonly sha256?: (() => Sha256) | undefined;
  /** Accept duplicate paths? Then the paths, perhaps millions, are not kept in memory. */
  readonly duplicates?: boolean | undefined;
}

/**
 * Read a whole manifest.
 *
 * @param manifest The bytes of the file, or its text.
 * @throws BackupManifestError with the message of pg_verifybackup, or of the server.
 * @throws UnsupportedError for a judge that knows no manifests.
 * @source parse_manifest.c: json_parse_manifest
 * @example parseBackupManifest(printBackupManifest({ version: 1, systemIdentifier: undefined, files: [], walRanges: [] })).version // 1
 */
export function parseBackupManifest(
  manifest: Uint8Array | string,
  options: BackupManifestOptions = {},
): BackupManifest {
  const reader = new BackupManifestReader(options);
  const entries = reader.push(typeof manifest === "string" ? new TextEncoder().encode(manifest) : manifest);
  // Most manifests come with their end, and there may be a million entries before it.
  for (const entry of reader.end()) entries.push(entry);
  return collectManifest(entries);
}

/** All parts of a reader as one value. */
export function collectManifest(entries: Iterable<ManifestEntry>): BackupManifest {
  let version: 1 | 2 = 1;
  let systemIdentifier: bigint | undefined;
  const files: ManifestFile[] = [];
  const walRanges: ManifestWalRange[] = [];
  for (const entry of iterableOf(entries) ?? refuseArgument("entries", "an iterable", entries)) {
    if (typeof entry !== "object" || entry === null) refuseArgument("entries", "entries of a manifest", entry);
    if (entry.type === "File") files.push(entry.file);
    else if (entry.type === "WalRange") walRanges.push(entry.walRange);
    else if (entry.type === "Version") version = entry.version;
    else systemIdentifier = entry.systemIdentifier;
  }
  return { version, systemIdentifier, files, walRanges };
}

/** How much pg_verifybackup reads at once. @source pg_verifybackup.c: READ_CHUNK_SIZE */
const READ_CHUNK_SIZE = 128 * 1024;

/** How much a server keeps back for the end, and has at most. @source basebackup_incremental.c */
const MIN_CHUNK = 1024;
const MAX_CHUNK = 128 * 1024;

/**
 * A manifest in pieces: it may be larger than memory.
 *
 * Files are handed out as they come, before the manifest's own checksum has been seen: only when `end` has not thrown was the manifest whole.
 */
export class BackupManifestReader {
  readonly #cut: "none" | "program" | "server";
  readonly #rules: ManifestRules;
  readonly #digest: ManifestDigest;
  readonly #json: JsonRules;
  readonly #joinsNumbers: boolean;
  #parser: ManifestParser | undefined;
  /** Bytes that are not parsed yet: where the program cuts them depends on the end. */
  readonly #buffer = new Buffered();
  #total = 0;
  #failure: unknown;

  /** @throws UnsupportedError for a judge that knows no manifests. */
  constructor(options: BackupManifestOptions = {}) {
    checkOptions(options, ["server", "judge", "systemIdentifier", "encoding", "sha256", "duplicates"]);
    const { server = defaultServer, judge = "pg_verifybackup", duplicates = false } = options;
    checkOneOf("options.judge", judge, ["pg_verifybackup", "server"]);
    checkOneOf("options.encoding", options.encoding ?? "SQL_ASCII", ["SQL_ASCII", "UTF8"]);
    checkOneOf("options.duplicates", duplicates, [true, false]);
    if (options.systemIdentifier !== undefined) checkLsn("options.systemIdentifier", options.systemIdentifier);
    requireCapability(manifestCapabilities, server, "backupManifest", "A backup manifest");
    if (judge === "server") requireCapability(manifestCapabilities, server, "manifestInPieces", "UPLOAD_MANIFEST");
    const has = manifestCapabilities.of(server);
    this.#cut = judge === "server" ? "server" : has.manifestInPieces ? "program" : "none";
    this.#json = {
      controlFirst: !has.manifestInPieces,
      asciiEscapes: judge === "server" && options.encoding !== "UTF8",
    };
    this.#joinsNumbers = has.jsonNumbersInPieces;
    this.#rules = {
      version2: has.manifestVersion2,
      explains: !has.manifestSyntaxUnexplained,
      arrayFirst: false,
      lsnLowHalfIsEightDigits: has.lsnLowHalfIsEightDigits,
      check: judge === "server" ? serverCheck(options.systemIdentifier) : duplicates ? () => undefined : pathCheck(),
    };
    this.#digest = new ManifestDigest(madeBy(options.sha256 ?? sha256.create));
    if (this.#cut === "none") this.#parser = new ManifestParser(this.#rules, new JoinedPieces(this.#json));
    if (this.#cut === "server") this.#parser = this.#incremental();
  }

  #incremental(): ManifestParser {
    return new ManifestParser(
      { ...this.#rules, arrayFirst: true },
      new IncrementalPieces(this.#json, this.#joinsNumbers),
    );
  }

  /**
   * Reads more of the manifest.
   *
   * @param bytes Only read, and not needed any more when this returns.
   * @returns what has been read whole since the last call.
   * @throws BackupManifestError; then every later call throws it too.
   */
  push(bytes: Uint8Array): ManifestEntry[] {
    bytes = givenBytes(bytes);
    return this.#guarded(() => {
      this.#total += bytes.length;
      if (this.#cut === "none") {
        this.#digest.tail(bytes);
        this.#parser!.feed(binaryText(bytes), false);
      } else if (this.#cut === "server") {
        const { length } = this.#buffer;
        if (length > MIN_CHUNK && length + bytes.length > MAX_CHUNK) this.#piece(length - MIN_CHUNK);
        this.#buffer.push(bytes);
      } else {
        this.#buffer.push(bytes);
        while (this.#buffer.length >= 2 * READ_CHUNK_SIZE) this.#piece(READ_CHUNK_SIZE);
      }
      return this.#parser?.entries() ?? [];
    });
  }

  /**
   * There is no more.
   *
   * @returns what has been read since the last call of `push`.
   * @throws BackupManifestError if the manifest is not whole, or not what was written.
   */
  end(): ManifestEntry[] {
    return this.#guarded(() => {
      if (this.#cut === "none") {
        this.#parser!.feed("", true);
      } else if (this.#parser === undefined && this.#total <= READ_CHUNK_SIZE) {
        // A small manifest is read whole, by a parser with one other message.
        this.#parser = new ManifestParser(this.#rules, new JoinedPieces(this.#json));
        this.#last();
      } else {
        const { length } = this.#buffer;
        if (this.#cut === "program" && length >= READ_CHUNK_SIZE) this.#piece(Math.floor(length / 2));
        this.#last();
      }
      this.#verify();
      return this.#parser!.entries();
    });
  }

  /** Parse the first `length` bytes; the manifest does not end with them. */
  #piece(length: number): void {
    this.#parser ??= this.#incremental();
    const bytes = this.#buffer.take(length);
    this.#parser.feed(binaryText(bytes), false);
    this.#digest.piece(bytes);
  }

  #last(): void {
    const bytes = this.#buffer.take(this.#buffer.length);
    this.#digest.tail(bytes);
    this.#parser!.feed(binaryText(bytes), true);
  }

  #verify(): void {
    const parser = this.#parser!;
    const expected = parser.checksum;
    const digest = this.#digest.end();
    if (typeof digest === "string") {
      throw parser.error(`could not parse backup manifest: ${digest}`);
    }
    const bytes = expected.value.length === 2 * digest.length ? hexadecimal(expected.value) : undefined;
    if (bytes === undefined) {
      throw parser.error(`invalid manifest checksum: "${bytesText(expected.value)}"`, expected);
    }
    if (digest.some((byte, i) => byte !== bytes[i])) {
      throw parser.error("manifest checksum mismatch", expected);
    }
  }

  #guarded<T>(read: () => T): T {
    if (this.#failure !== undefined) throw this.#failure;
    try {
      return read();
    } catch (error) {
      this.#failure = error;
      throw error;
    }
  }
}

/** @source basebackup_incremental.c: manifest_process_version, manifest_process_system_identifier */
function serverCheck(own: bigint | undefined): ManifestRules["check"] {
  return (entry) => {
    if (entry.type === "Version" && entry.version === 1) {
      return "backup manifest version 1 does not support incremental backup";
    }
    if (entry.type === "SystemIdentifier" && own !== undefined && entry.systemIdentifier !== own) {
      return `system identifier in backup manifest is ${entry.systemIdentifier}, but database system identifier is ${own}`;
    }
    return undefined;
  };
}

/** @source pg_verifybackup.c: verifybackup_per_file_cb */
function pathCheck(): ManifestRules["check"] {
  const paths = new Set<string>();
  return (entry) => {
    if (entry.type !== "File") return undefined;
    const { path } = entry.file;
    // To ask whether it is there, and then to add it, would look for it twice.
    const { size } = paths;
    return paths.add(path).size > size ? undefined : `duplicate path name in backup manifest: "${path}"`;
  };
}

/** Bytes that wait. */
class Buffered {
  #parts: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.#parts.push(bytes.slice());
    this.#length += bytes.length;
  }

  /** The first bytes, in one piece. */
  take(length: number): Uint8Array {
    const taken = new Uint8Array(length);
    let at = 0;
    let used = 0;
    while (at < length) {
      const part = this.#parts[used]!;
      const needed = length - at;
      if (part.length > needed) {
        taken.set(part.subarray(0, needed), at);
        this.#parts[used] = part.subarray(needed);
        break;
      }
      taken.set(part, at);
      at += part.length;
      used++;
    }
    this.#parts.splice(0, used);
    this.#length -= length;
    return taken;
  }
}

/** How many characters are made by one call. */
const CHARACTERS = 8192;

/** A character a byte. */
function binaryText(bytes: Uint8Array): string {
  if (isAscii(bytes, 0, bytes.length)) return byteText(bytes, 0, bytes.length);
  let text = "";
  for (let i = 0; i < bytes.length; i += CHARACTERS) {
    text += String.fromCharCode(...bytes.subarray(i, i + CHARACTERS));
  }
  return text;
}

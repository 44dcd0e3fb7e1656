/** Dissections of what incremental backups are made from: WAL summaries, incremental files, and backup manifests. */
import { checkedSizes, type IncrementalOptions, IncrementalReader } from "../basebackup/incremental.ts";
import { BackupManifestError, bytesText } from "../files/manifest/error.ts";
import { JsonLexer, type JsonToken } from "../files/manifest/json.ts";
import { type BackupManifestOptions, parseBackupManifest } from "../files/manifest/reader.ts";
import type { BackupManifest } from "../files/manifest/types.ts";
import { BlockRefTableSerializedEntry } from "../files/structs.ts";
import { BITMAP_BYTES, BLOCKS_PER_CHUNK, ENTRY_BYTES, WalSummaryReader } from "../files/wal-summary.ts";
import { DecodeError } from "../kernel/errors.ts";
import { givenBytes } from "../wire/check.ts";
import { type DissectedForm, type Dissection, Dissector } from "../wire/dissect.ts";
import { NativeReader } from "../wire/native.ts";
import { Reader } from "../wire/reader.ts";
import { byteText } from "../wire/text.ts";

/**
 * Dissect a WAL summary: pg_wal/summaries/….summary.
 *
 * @param file The whole file.
 * @returns a tree up to the damage, if there is some. Its value is the events of a `WalSummaryReader`, its error is that of the reader.
 * @throws ArgumentError for anything but bytes.
 * @example dissectWalSummary(encodeWalSummary([])).fields.map(({ name, start, end }) => `${name} ${start}-${end}`) // ["magic 0-4", "relations 4-4", "end 4-28", "checksum 28-32"]
 */
export function dissectWalSummary(file: Uint8Array): Dissection {
  const bytes = givenBytes(file);
  const read = (): unknown => {
    const reader = new WalSummaryReader();
    const events = [...reader.receive(bytes)];
    reader.end();
    return events;
  };
  const doc = "Which blocks a range of WAL has changed: pg_wal/summaries/….summary.";
  return upToError(bytes, "WalSummary", doc, read, (d) => {
    const { r } = d;
    number(d, "magic", "0x652B137B.");
    d.node("relations", "list", "Forks of relations in which something has changed.", () => {
      for (let i = 0; ; i++) {
        if (isZero(bytes, r.offset, r.offset + ENTRY_BYTES)) return;
        d.node(`[${i}]`, "part", "A fork, and its chunks.", () => readRelation(d));
      }
    });
    d.bytes("end", ENTRY_BYTES, "An entry of zeros.");
    number(d, "checksum", "CRC-32C of all before it.");
  });
}

function readRelation(d: Dissector<NativeReader>): void {
  const { r } = d;
  const { nchunks } = d.struct("entry", BlockRefTableSerializedEntry) as { readonly nchunks: number };
  const sizes: number[] = [];
  d.node("sizes", "list", "How many words of 16 bits each chunk has.", () => {
    r.begin();
    for (let i = 0; i < nchunks; i++) {
      sizes.push(d.leaf(`[${i}]`, "count", "Words of a chunk.", () => r.u16("WalSummary.chunkSize")));
    }
  });
  d.node("chunks", "list", "The changed blocks among each 65536.", () => {
    for (const [i, size] of sizes.entries()) {
      if (size === 0) continue;
      const doc = `The changed blocks from block ${i * BLOCKS_PER_CHUNK} on`;
      if (2 * size === BITMAP_BYTES) {
        d.bytes(`[${i}]`, BITMAP_BYTES, `${doc}, a bit for each block.`);
        continue;
      }
      d.node(`[${i}]`, "list", `${doc}.`, () => {
        r.begin();
        for (let j = 0; j < size; j++) {
          d.leaf(`[${j}]`, "u16", "A block, counted from the first of the chunk.", () => r.u16("WalSummary.chunk"));
        }
      });
    }
  });
}

function isZero(bytes: Uint8Array, start: number, end: number): boolean {
  if (end > bytes.length) return false;
  for (let at = start; at < end; at++) if (bytes[at] !== 0) return false;
  return true;
}

/**
 * Dissect an incremental file of a base backup: INCREMENTAL.name.
 *
 * @param file The whole file.
 * @param options As for an `IncrementalReader`.
 * @returns a tree up to the damage, if there is some. Its value is the events of an `IncrementalReader`, its error is that of the reader.
 * @throws ArgumentError for anything but bytes and options.
 * @example dissectIncrementalFile(encodeIncrementalHeader({ truncationBlockLength: 2, blocks: [] })).fields[2]?.value // 2
 */
export function dissectIncrementalFile(file: Uint8Array, options: IncrementalOptions = {}): Dissection {
  const bytes = givenBytes(file);
  const { blockSize } = checkedSizes(options);
  const read = (): unknown => {
    const reader = new IncrementalReader(options);
    const events = reader.receive(bytes);
    reader.end();
    return events;
  };
  const doc = "The blocks of a relation's file that have changed: INCREMENTAL.name.";
  return upToError(bytes, "IncrementalFile", doc, read, (d) => {
    const { r } = d;
    number(d, "magic", "0xD3AE1F0D.");
    const count = d.leaf("count", "count", "How many blocks the file has.", () => r.u32("IncrementalFile.blocks"));
    number(d, "truncationBlockLength", "The least length of the reconstructed file, in blocks.");
    const blocks: number[] = [];
    d.node("blocks", "list", "The numbers of the blocks in the full file.", () => {
      for (let i = 0; i < count; i++) blocks.push(number(d, `[${i}]`, "The number of a block."));
    });
    if (count > 0 && r.offset % blockSize > 0) {
      d.bytes("padding", blockSize - (r.offset % blockSize), "Zeros up to a multiple of the block size.", "padding");
    }
    d.node("data", "list", "The blocks.", () => {
      for (const [i, block] of blocks.entries()) d.bytes(`[${i}]`, blockSize, `Block ${block} of the full file.`);
    });
    if (r.offset < r.length) d.bytes("rest", r.length - r.offset, "Bytes that are not read.");
  });
}

function number(d: Dissector<NativeReader>, name: string, doc: string): number {
  d.r.begin();
  return d.leaf(name, "u32", doc, () => d.r.u32(name));
}

/** A tree up to the reader's error. */
function upToError(
  bytes: Uint8Array,
  name: string,
  doc: string,
  read: () => unknown,
  walk: (d: Dissector<NativeReader>) => void,
): Dissection {
  let value: unknown;
  let error: DecodeError | undefined;
  try {
    value = read();
  } catch (thrown) {
    if (!(thrown instanceof DecodeError)) throw thrown;
    error = thrown;
  }
  const r = new NativeReader(bytes);
  // Where only the checksum is wrong, there is all of it.
  if (error !== undefined && !(error.path.endsWith(".crc") && error.code === "BAD_VALUE")) r.part(0, error.offset);
  return { ...new Dissector(r, {}).dissect(name, "part", doc, walk), value, error };
}

/**
 * Dissect a backup manifest.
 *
 * @param manifest The whole file.
 * @param options As for `parseBackupManifest`.
 * @returns the tree of its JSON up to the error, if there is one. Its value and its error are those of `parseBackupManifest`.
 * @throws ArgumentError for anything but bytes and options; UnsupportedError for a judge that knows no manifests.
 * @example dissectBackupManifest(printBackupManifest({ version: 1, systemIdentifier: undefined, files: [], walRanges: [] })).fields.slice(0, 2).map(({ name, start, end }) => `${name} ${start}-${end}`) // ["punctuation 0-2", "PostgreSQL-Backup-Manifest-Version 2-41"]
 */
export function dissectBackupManifest(manifest: Uint8Array, options: BackupManifestOptions = {}): Dissection {
  const bytes = givenBytes(manifest);
  let value: BackupManifest | undefined;
  let error: BackupManifestError | undefined;
  try {
    value = parseBackupManifest(bytes, options);
  } catch (thrown) {
    if (!(thrown instanceof BackupManifestError)) throw thrown;
    error = thrown;
  }
  const r = new Reader(bytes);
  r.part(0, error?.position ?? bytes.length);
  const doc = "The files of a base backup, and the WAL that it needs: backup_manifest.";
  return new Dissector(r, {}).dissect("BackupManifest", "record", doc, (d) => {
    readJson(d, error);
    return value;
  });
}

/** The tree of JSON that a parser has taken up to where the reader ends. It is nested as deeply as a manifest is. */
function readJson(d: Dissector<Reader>, error: BackupManifestError | undefined): void {
  const { r } = d;
  const lexer = new JsonLexer({ controlFirst: false, asciiEscapes: false }, false);
  lexer.text = byteText(r.bytes, 0, r.length);

  const next = (): JsonToken => {
    const status = lexer.next(true);
    if (error !== undefined && (status !== "SUCCESS" || lexer.type === "end")) throw error;
    return lexer.type;
  };
  /** What was passed over. */
  const punctuation = (end: number): void => {
    if (end === r.offset) return;
    d.leaf("punctuation", "text", "Punctuation and blanks.", () => {
      const start = r.skip(end - r.offset, "BackupManifest");
      return byteText(r.bytes, start, end);
    });
  };
  const scalar = (name: string, doc: string): void => {
    const isNumber = lexer.type === "number" && /^\d{1,18}$/.test(lexer.value);
    const form: DissectedForm = isNumber ? "i64" : "text";
    d.leaf(name, form, doc, () => {
      r.skip(lexer.at - lexer.start, "BackupManifest");
      return isNumber ? BigInt(lexer.value) : bytesText(lexer.value);
    });
  };
  const member = (): void => {
    const name = bytesText(lexer.value);
    const doc = members[name] ?? "A member that no manifest has.";
    d.node(members[name] === undefined ? "member" : name, "part", doc, () => {
      scalar("name", "The name of the member.");
      next();
      const type = next();
      punctuation(lexer.start);
      value(type, "value", doc);
    });
  };
  const value = (type: JsonToken, name: string, doc: string): void => {
    if (type === "{") d.node(name, "record", doc, () => elements("}"));
    else if (type === "[") d.node(name, "list", doc, () => elements("]"));
    else scalar(name, doc);
  };
  const elements = (end: "}" | "]"): void => {
    let i = 0;
    for (let type = next(); type !== end; type = next()) {
      if (type === ",") continue;
      punctuation(lexer.start);
      if (end === "}") member();
      else value(type, `[${i++}]`, "An element.");
    }
    punctuation(lexer.at);
  };

  next();
  elements("}");
  punctuation(r.length);
  if (error !== undefined) throw error;
}

const members: Readonly<Record<string, string>> = Object.assign(Object.create(null), {
  "PostgreSQL-Backup-Manifest-Version": "The version of the format.",
  "System-Identifier": "The cluster.",
  Files: "The files of the backup.",
  Path: "The path of the file.",
  "Encoded-Path": "The path of the file, whose bytes are not UTF-8, as hexadecimal digits.",
  Size: "The length of the file, in bytes.",
  "Last-Modified": "When the file was last changed.",
  "Checksum-Algorithm": "How the checksum of the file is made.",
  Checksum: "The checksum of the file.",
  "WAL-Ranges": "The WAL that is needed.",
  Timeline: "The timeline of the WAL.",
  "Start-LSN": "Where the WAL begins.",
  "End-LSN": "Where the WAL ends.",
  "Manifest-Checksum": "SHA-256 of all lines before it.",
});

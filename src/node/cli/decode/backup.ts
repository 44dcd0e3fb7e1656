/** `walwire decode` of what a base backup consists of: its manifest, incremental files, and the stream in which it comes. */
import { createHash } from "node:crypto";
import { INCREMENTAL_MAGIC } from "../../../basebackup/incremental.ts";
import {
  decodeBaseBackupMessage,
  encodeBaseBackupMessage,
  encodeIncrementalHeader,
  IncrementalReader,
} from "../../../basebackup/index.ts";
import { BaseBackupMessage } from "../../../basebackup/messages.ts";
import { dissectBackupManifest, dissectBaseBackupMessage, dissectIncrementalFile } from "../../../dissect/index.ts";
import {
  BackupManifestReader,
  collectManifest,
  type ManifestEntry,
  printBackupManifest,
} from "../../../files/manifest/index.ts";
import { DecodeError, ParseError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { type Json, jsonOf } from "../../../wire/json.ts";
import { hexOf } from "../../../wire/text.ts";
import { traceMessage } from "../../../wire/trace.ts";
import { firstDifference } from "../../first-difference.ts";
import { printable } from "../shared/people.ts";
import { InputError } from "../shared/usage.ts";
import { payloadsOf } from "./input.ts";
import { type FileError, type FileKind, type FilePart, magic, wholeTree } from "./kind.ts";

const manifest: FileKind = {
  name: "a backup manifest",
  recognise: ({ text, name }) =>
    /^\s*\{\s*"PostgreSQL-Backup-Manifest-Version"/.test(text) || name === "backup_manifest",
  dissect: wholeTree("a backup manifest", (bytes, { server }) =>
    dissectBackupManifest(bytes, { server, sha256: () => createHash("sha256") }),
  ),
  async *read(source, call): AsyncGenerator<FilePart | FileError> {
    const { server, verify } = call;
    const reader = new BackupManifestReader({ server, sha256: () => createHash("sha256") });
    const totals = { files: 0, bytes: 0n };
    // To compare it, all of it is needed; else no more than a part.
    const chunks: Uint8Array[] = [];
    const entries: ManifestEntry[] = [];
    try {
      for await (const chunk of source.chunks) {
        if (verify) chunks.push(chunk);
        for (const entry of reader.push(chunk)) yield partOf(entry);
      }
      for (const entry of reader.end()) yield partOf(entry);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      yield { error };
      return;
    }
    const bytes = new Uint8Array(Buffer.concat(chunks));
    yield {
      json: { type: "Totals", files: totals.files, bytes: String(totals.bytes) },
      say: (page) =>
        page.line(`  ${totals.files.toLocaleString("en")} files of ${totals.bytes.toLocaleString("en")} bytes`),
      mismatch: verify ? firstDifference(printBackupManifest(collectManifest(entries), { server }), bytes) : undefined,
    };

    function partOf(entry: ManifestEntry): FilePart {
      if (verify) entries.push(entry);
      switch (entry.type) {
        case "Version":
          return {
            json: { type: "Version", version: entry.version },
            say: (page) => page.line(page.style("bold", `Backup manifest, version ${entry.version}`)),
          };
        case "SystemIdentifier":
          return {
            json: { type: "SystemIdentifier", systemIdentifier: String(entry.systemIdentifier) },
            say: (page) => page.line(`  of the cluster ${entry.systemIdentifier}`),
          };
        case "File": {
          const { path, size, lastModified, checksumAlgorithm, checksum } = entry.file;
          totals.files++;
          totals.bytes += size;
          const json: Record<string, Json> = { type: "File", path, size: String(size) };
          if (lastModified !== undefined) json.lastModified = lastModified;
          json.checksumAlgorithm = checksumAlgorithm;
          if (checksum !== undefined) json.checksum = hexOf(checksum);
          return {
            json,
            say: (page) =>
              page.line(
                `  ${String(size).padStart(11)}  ${checksumAlgorithm} ${checksum === undefined ? "" : hexOf(checksum).slice(0, 16).padEnd(16)}  ${printable(path)}`,
              ),
          };
        }
        case "WalRange": {
          const { timeline, startLsn, endLsn } = entry.walRange;
          const [start, end] = [formatLsn(startLsn, { server }), formatLsn(endLsn, { server })];
          return {
            json: { type: "WalRange", timeline, startLsn: start, endLsn: end },
            say: (page) => page.line(`  needs WAL of timeline ${timeline} from ${start} to ${end}`),
          };
        }
      }
    }
  },
};

const incremental: FileKind = {
  name: "an incremental file of a backup",
  recognise: magic(INCREMENTAL_MAGIC),
  dissect: wholeTree("an incremental file", (bytes) => dissectIncrementalFile(bytes)),
  async *read(source, { verify }): AsyncGenerator<FilePart | FileError> {
    const reader = new IncrementalReader();
    const start: Uint8Array[] = [];
    try {
      for await (const chunk of source.chunks) {
        start.push(chunk);
        for (const event of reader.receive(chunk)) {
          if (event.type !== "Header") continue;
          const { header, length } = event;
          const encoded = verify ? encodeIncrementalHeader(header) : undefined;
          const bytes = verify ? new Uint8Array(Buffer.concat(start)).subarray(0, length) : undefined;
          yield {
            json: {
              type: "IncrementalHeader",
              truncationBlockLength: header.truncationBlockLength,
              blocks: header.blocks,
              length,
            },
            say(page) {
              page.line(page.style("bold", `Incremental file with ${header.blocks.length} blocks`));
              page.line(
                `  ${header.blocks.length === 0 ? "all is as in the backup before" : `blocks ${rangesOf(header.blocks)}`}`,
              );
              page.line(`  the whole file has ${header.truncationBlockLength} blocks or more`);
            },
            mismatch: encoded === undefined || bytes === undefined ? undefined : firstDifference(encoded, bytes),
          };
          start.length = 0;
        }
        if (!verify) start.length = 0;
      }
      reader.end();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      yield { error };
    }
  },
};

/** Numbers that follow each other as one range, and not too many of them. */
function rangesOf(blocks: readonly number[]): string {
  const ranges: [number, number][] = [];
  for (const block of blocks) {
    const last = ranges.at(-1);
    if (last !== undefined && block === last[1] + 1) last[1] = block;
    else ranges.push([block, block]);
  }
  const shown = ranges.slice(0, 20).map(([from, to]) => (from === to ? String(from) : `${from}-${to}`));
  return `${shown.join(" ")}${ranges.length > shown.length ? ` and ${ranges.length - shown.length} more ranges` : ""}`;
}

const stream: FileKind = {
  name: "the stream of a base backup from 15 on",
  // The length of a payload, then that of a new archive.
  recognise: ({ bytes, text }) => bytes[0] === 0 && bytes[1] === 0 && /^n[\w.]+\.tar[.\w]*\0/.test(text.slice(4)),
  async *dissect(source) {
    for await (const batch of payloadsOf(source.chunks)) {
      for (const item of batch) {
        if ("unreadable" in item) throw new InputError(item.unreadable.message);
        yield { tree: dissectBaseBackupMessage(item.bytes), bytes: item.bytes, offset: item.offset };
      }
    }
  },
  async *read(source, { verify, jsonl }): AsyncGenerator<FilePart | FileError> {
    /** The archive that is open, and how much of it has come in how many pieces. */
    let open: { name: string; bytes: number; pieces: number } | undefined;
    const ended = (): FilePart[] => {
      if (open === undefined || jsonl) return [];
      const { name, bytes, pieces } = open;
      const text = `${bytes.toLocaleString("en")} bytes in ${pieces.toLocaleString("en")} pieces`;
      return [{ json: {}, uncounted: true, say: (page) => page.line(`  ${printable(name)}: ${text}`) }];
    };
    for await (const batch of payloadsOf(source.chunks)) {
      for (const item of batch) {
        if ("unreadable" in item) {
          yield { error: item.unreadable };
          continue;
        }
        try {
          const message = decodeBaseBackupMessage(item.bytes);
          const mismatch = verify ? firstDifference(encodeBaseBackupMessage(message), item.bytes) : undefined;
          if (message.type === "Data") {
            if (open !== undefined) {
              open.bytes += message.data.length;
              open.pieces++;
            }
            const json = { offset: item.offset, type: "Data", length: message.data.length };
            yield { json, say: () => {}, mismatch };
            continue;
          }
          const begins = message.type === "NewArchive" || message.type === "ManifestStart";
          if (begins) yield* ended();
          if (message.type === "NewArchive") open = { name: message.archive, bytes: 0, pieces: 0 };
          if (message.type === "ManifestStart") open = { name: "backup_manifest", bytes: 0, pieces: 0 };
          yield {
            json: { offset: item.offset, ...jsonOf(BaseBackupMessage, message) },
            say: (page) => page.line(`← ${traceMessage(BaseBackupMessage, message)}`),
            mismatch,
          };
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          yield { error };
        }
      }
    }
    yield* ended();
  },
};

export const backupKinds: readonly FileKind[] = [manifest, incremental, stream];

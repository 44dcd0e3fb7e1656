/**
 * What `walwire wal` reads: segments, or recorded physical streams, as pieces of WAL that say where they are.
 */
import { basename } from "node:path";
import { decodeWalSenderMessage } from "../../../generated/physical.ts";
import { DecodeError } from "../../../kernel/errors.ts";
import type { Lsn } from "../../../kernel/lsn.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { decodeWalPageHeader, SHORT_HEADER, XLP_LONG_HEADER } from "../../../wal/page.ts";
import { name, openSource, payloadsOf } from "../decode/input.ts";
import { InputError } from "../shared/usage.ts";

/** Bytes of WAL that follow each other. */
export interface Piece {
  readonly bytes: Uint8Array;
  /** Where they begin; undefined if that is where those before them end. */
  readonly lsn: Lsn | undefined;
}

export interface WalInput {
  /** As people know it. */
  readonly name: string;
  readonly pieces: AsyncIterable<Piece>;
  /** The part of the file that was read, 0 to 1; undefined if nobody knows. */
  readonly progress: () => number | undefined;
}

/**
 * Open a file: a segment, which begins with the header of a page, or payloads of CopyData, each after its length; either may be packed
 * by gzip.
 *
 * @param path - for standard input.
 * @throws InputError if it cannot be opened, or holds neither.
 */
export async function openWal(path: string): Promise<WalInput> {
  const { head, chunks, progress, close } = await openSource(path, "wal");
  const start = head.subarray(0, SHORT_HEADER);
  if (isPage(start)) {
    return { name: name(path), pieces: segment(chunks, decodeWalPageHeader(shortened(start)).pageAddress), progress };
  }
  // A payload begins with its length, of which the first byte is 0, and WAL is in XLogData.
  if (start[0] === 0 && (start[4] === 0x77 || start[4] === 0x6b))
    return { name: name(path), pieces: stream(chunks), progress };
  close();
  throw new InputError(`${name(path)} holds no WAL: ${reason(start)}`);
}

function isPage(start: Uint8Array): boolean {
  return start.length === SHORT_HEADER && walFormatOfMagic(start[0]! | (start[1]! << 8)) !== undefined;
}

/** A long header of which only what a short one has is there: its flag would ask for more. */
function shortened(start: Uint8Array): Uint8Array {
  const header = Uint8Array.from(start);
  header[2]! &= ~XLP_LONG_HEADER;
  return header;
}

function reason(start: Uint8Array): string {
  if (start.length === 0) return "it is empty";
  const digits = Array.from(start.subarray(0, 16), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  const what = start.every((byte) => byte === 0)
    ? "it begins with zeros, as a segment does that was made and not yet written to"
    : `it begins with ${digits}`;
  return `${what}. Expected is a segment, whose first two bytes say which version of PostgreSQL wrote it, or what CopyData of a physical stream carried, each payload after its length in four bytes; either may be compressed by gzip, zstd or lz4`;
}

async function* segment(chunks: AsyncIterable<Uint8Array>, lsn: Lsn): AsyncGenerator<Piece> {
  let first = true;
  for await (const bytes of chunks) {
    yield { bytes, lsn: first ? lsn : undefined };
    first = false;
  }
}

async function* stream(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Piece> {
  for await (const batch of payloadsOf(chunks)) {
    for (const item of batch) {
      if ("unreadable" in item) throw new InputError(item.unreadable.message);
      const where = `message ${item.number.toLocaleString("en")}, which begins at byte ${item.offset.toLocaleString("en")}`;
      try {
        const message = decodeWalSenderMessage(item.bytes);
        if (message.type === "XLogData") yield { bytes: message.data, lsn: message.dataStart };
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
        throw new InputError(`${where}: ${error.message}`);
      }
    }
  }
}

/** In the order of WAL: the names of segments are their numbers. What is not named so keeps its place behind them. */
export function inOrder(paths: readonly string[]): string[] {
  const key = (path: string) => /^[0-9A-F]{24}/.exec(basename(path))?.[0] ?? "G";
  return [...paths].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
}

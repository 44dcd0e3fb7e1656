/**
 * The log of a publisher: pieces, each with its length, a CRC-32C and its own position, so that what a crash has left unfinished, and
 * what is damaged, is noticed.
 *
 * A transaction is a piece that says what it is, pieces of changes, and one that ends it. It counts once that one is there.
 */

import { crc32cOf } from "../kernel/crc32c.ts";
import { DecodeError } from "../kernel/errors.ts";
import { formatLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { viewOf } from "../wire/parts.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";
import type { ChangeRecord, TransactionHeader } from "./changes.ts";
import type { PublisherStore } from "./store.ts";

/** A piece of the log. */
export type Piece =
  | { readonly type: "begin"; readonly prepare: boolean; readonly header: TransactionHeader }
  | { readonly type: "changes"; readonly bytes: Uint8Array }
  | { readonly type: "end"; readonly beginLsn: Lsn }
  | { readonly type: "outcome"; readonly committed: boolean; readonly time: PgTime; readonly beginLsn: Lsn }
  | { readonly type: "message"; readonly message: Uint8Array }
  /** Before what it belongs to, and appended with it. */
  | { readonly type: "mark"; readonly mark: string };

/** A piece with its place in the log. */
export type PlacedPiece = Piece & { readonly lsn: Lsn; readonly endLsn: Lsn };

const KINDS = ["begin", "changes", "end", "outcome", "message", "mark"] as const satisfies readonly Piece["type"][];

/** Length and checksum, then the position, which the checksum covers. */
const CHECKED = 8;
const HEADER = 16;
/** Bytes up to which changes are put into one piece; a longer change has its own. */
export const PIECE = 65_536;
/** Bytes that are read at once. */
const READ = 262_144;

/** Bytes of a piece of changes in the log that hold so many. */
export const piecesOverhead = HEADER + 1;

/** A piece as bytes, to be appended at this position. */
export function encodePiece(piece: Piece, lsn: Lsn): Uint8Array {
  const bytes = encodeWith(writePiece, { piece, lsn });
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  view.setUint32(0, bytes.length - HEADER);
  view.setUint32(4, crc32cOf(bytes, CHECKED, bytes.length, 0));
  return bytes;
}

function writePiece(w: Writer, { piece, lsn }: { piece: Piece; lsn: Lsn }): void {
  w.u64(0n, "piece");
  w.lsn(lsn, "piece.lsn");
  w.u8(KINDS.indexOf(piece.type), "piece.type");
  switch (piece.type) {
    case "begin": {
      const { xid, subtransactions, time, finalLsn, endLsn, gid, origin, size } = piece.header;
      w.u32(xid, "xid");
      w.u32(subtransactions, "subtransactions");
      w.time(time, "time");
      w.lsn(finalLsn, "finalLsn");
      w.lsn(endLsn, "endLsn");
      w.u64(BigInt(size), "size");
      w.bool(piece.prepare, "prepare");
      writeText(w, gid);
      writeText(w, origin?.name);
      w.lsn(origin?.commitLsn ?? 0n, "origin.commitLsn");
      break;
    }
    case "changes":
      w.rest(piece.bytes, "changes");
      break;
    case "end":
      w.lsn(piece.beginLsn, "beginLsn");
      break;
    case "outcome":
      w.bool(piece.committed, "committed");
      w.time(piece.time, "time");
      w.lsn(piece.beginLsn, "beginLsn");
      break;
    case "message":
      w.rest(piece.message, "message");
      break;
    case "mark":
      writeCString(w, piece.mark, "mark");
      break;
  }
}

/** A text, or none, which is told apart from an empty one. */
function writeText(w: Writer, text: string | undefined): void {
  w.bool(text !== undefined, "text");
  if (text !== undefined) writeCString(w, text, "text");
}

/**
 * The pieces from a position, where one begins, up to another: as many at once as one read brings.
 *
 * @throws DecodeError for a piece that is damaged or unfinished, once those before it were given; its offset counts from the start of the
 *   log.
 */
export async function* readPieces(
  store: PublisherStore,
  from: Lsn,
  to: Lsn,
): AsyncGenerator<readonly PlacedPiece[], void, undefined> {
  let lsn: bigint = from;
  /** What was read from there on. */
  let bytes: Uint8Array = new Uint8Array(0);
  while (lsn < to) {
    const pieces: PlacedPiece[] = [];
    let at = 0;
    let missing = missingAt(bytes, at);
    for (; missing === 0; missing = missingAt(bytes, at)) {
      const length = lengthAt(bytes, at);
      try {
        pieces.push(decodePiece(viewOf(bytes, at, at + length), toLsn(lsn)));
      } catch (error) {
        // It is met again.
        if (pieces.length > 0) break;
        throw error;
      }
      at += length;
      lsn += BigInt(length);
    }
    bytes = viewOf(bytes, at, bytes.length);
    if (pieces.length > 0) {
      yield pieces;
      continue;
    }
    const next = lsn + BigInt(bytes.length);
    if (next + BigInt(missing) > to) damaged(lsn, "it ends early", "TRUNCATED");
    const chunk = await store.read(toLsn(next), Number(min(to - next, BigInt(Math.max(READ, missing)))));
    if (chunk.length === 0) damaged(lsn, "the store has no more of it", "TRUNCATED");
    bytes = bytes.length === 0 ? chunk : joined(bytes, chunk);
  }
}

/** Bytes of the piece there. */
function lengthAt(bytes: Uint8Array, at: number): number {
  return HEADER + u32(bytes, at);
}

/** How many bytes must come before it is known how long the piece there is, or before it is whole. */
function missingAt(bytes: Uint8Array, at: number): number {
  const left = bytes.length - at;
  return Math.max(0, (left < HEADER ? HEADER : lengthAt(bytes, at)) - left);
}

function u32(bytes: Uint8Array, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

/** A whole piece. @throws DecodeError */
export function decodePiece(bytes: Uint8Array, lsn: Lsn): PlacedPiece {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  if (view.getUint32(4) !== crc32cOf(bytes, CHECKED, bytes.length, 0)) damaged(lsn, "its checksum differs");
  if (view.getBigUint64(8) !== lsn) damaged(lsn, "it is of another position");
  const r = new Reader(bytes);
  r.offset = HEADER;
  const pieceEnd = toLsn(lsn + BigInt(bytes.length));
  const type = KINDS[r.u8("piece.type")];
  switch (type) {
    case "begin": {
      const xid = r.u32("xid");
      const subtransactions = r.u32("subtransactions");
      const time = r.time("time");
      const finalLsn = r.lsn("finalLsn");
      const endLsn = r.lsn("endLsn");
      const size = Number(r.u64("size"));
      const prepare = r.bool("prepare");
      const gid = readText(r);
      const name = readText(r);
      const commitLsn = r.lsn("origin.commitLsn");
      const origin = name === undefined ? undefined : { name, commitLsn };
      const header = { xid, subtransactions, time, finalLsn, endLsn, gid, origin, size };
      return { type, lsn, endLsn: pieceEnd, prepare, header };
    }
    case "changes":
      return { type, lsn, endLsn: pieceEnd, bytes: r.rest() };
    case "end":
      return { type, lsn, endLsn: pieceEnd, beginLsn: r.lsn("beginLsn") };
    case "outcome": {
      const committed = r.bool("committed");
      const time = r.time("time");
      return { type, lsn, endLsn: pieceEnd, committed, time, beginLsn: r.lsn("beginLsn") };
    }
    case "message":
      return { type, lsn, endLsn: pieceEnd, message: r.rest() };
    case "mark":
      return { type, lsn, endLsn: pieceEnd, mark: readCString(r, "mark") };
    default:
      return damaged(lsn, "it is of no kind that there is");
  }
}

function readText(r: Reader): string | undefined {
  return r.bool("text") ? readCString(r, "text") : undefined;
}

function damaged(lsn: bigint, what: string, code: "TRUNCATED" | "BAD_VALUE" = "BAD_VALUE"): never {
  const at = formatLsn(toLsn(lsn));
  throw new DecodeError(code, "log", Number(lsn), `the piece of the log at ${at} is damaged: ${what}`);
}

const CHANGE = 0;
const ROLLED_BACK = 1;
const ABORT = 2;
/** Kind, subtransaction, length or time. */
const RECORD = { change: 9, abort: 13 } as const;

/** A record without its position. */
export type NewRecord = ChangeRecord extends infer R ? (R extends { lsn: Lsn } ? Omit<R, "lsn"> : never) : never;

/** Bytes of a record in a piece. */
export function sizeOfRecord(record: NewRecord): number {
  return record.type === "abort" ? RECORD.abort : RECORD.change + record.message.length;
}

/** Records as the bytes of one piece. */
export function encodeRecords(records: readonly NewRecord[]): Uint8Array {
  const bytes = new Uint8Array(records.reduce((sum, record) => sum + sizeOfRecord(record), 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const record of records) {
    const kind = record.type === "abort" ? ABORT : record.rolledBack ? ROLLED_BACK : CHANGE;
    bytes[at] = kind;
    view.setUint32(at + 1, record.subtransaction);
    if (record.type === "abort") view.setBigInt64(at + 5, record.time);
    else {
      view.setUint32(at + 5, record.message.length);
      bytes.set(record.message, at + RECORD.change);
    }
    at += sizeOfRecord(record);
  }
  return bytes;
}

/** The records of a piece of changes, which was found good. */
export function* recordsOf({ bytes, lsn }: { readonly bytes: Uint8Array; readonly lsn: Lsn }): Generator<ChangeRecord> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const first = lsn + BigInt(piecesOverhead);
  for (let at = 0; at < bytes.length; ) {
    const kind = bytes[at]!;
    const position = { lsn: toLsn(first + BigInt(at)), subtransaction: view.getUint32(at + 1) };
    if (kind === ABORT) {
      yield { type: "abort", ...position, time: view.getBigInt64(at + 5) as PgTime };
      at += RECORD.abort;
      continue;
    }
    const start = at + RECORD.change;
    const end = start + view.getUint32(at + 5);
    yield { type: "change", ...position, rolledBack: kind === ROLLED_BACK, message: bytes.subarray(start, end) };
    at = end;
  }
}

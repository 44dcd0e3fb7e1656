/**
 * The records of files, one after the other, and what is said where they end: that WAL ends, that it is damaged, that a part is
 * missing.
 */
import { DecodeError, ProtocolError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { describeWalRecord, type WalDescription } from "../../../wal/contents.ts";
import { WalError } from "../../../wal/error.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { jsonOfWalRecord } from "../../../wal/json.ts";
import { DEFAULT_PAGE_SIZE } from "../../../wal/page.ts";
import { WalReader } from "../../../wal/reader.ts";
import type { WalRecord } from "../../../wal/record.ts";
import type { Json } from "../../../wire/json.ts";
import { InputError } from "../shared/usage.ts";
import { openWal, type Piece } from "./input.ts";

/** A record, and what it is. */
export interface Found {
  readonly record: WalRecord;
  /** The version that wrote it, a server_version_num. */
  readonly server: number;
  /** Without contents if they are damaged: then `error` says how. */
  readonly description: WalDescription;
  readonly error: DecodeError | undefined;
}

/** What is said between records, and at their end. */
export interface Notice {
  /** WAL ends here; it is damaged here; a part is missing before this place. */
  readonly notice: "end" | "damage" | "gap";
  readonly lsn: Lsn | undefined;
  readonly file: string;
  readonly message: string;
  /** Of damage: what it is, by its code and its place in what was read. */
  readonly error?: WalError | undefined;
}

/** What has been read so far. */
export interface Reading {
  progress: () => number | undefined;
}

/**
 * The records of files, in batches, and notices.
 *
 * @param server The version, if it was said: where a stream begins in the middle of a page only that can be known.
 * @param reading Told how far it is.
 */
export async function* recordsOf(
  paths: readonly string[],
  server: number | undefined,
  reading: Reading,
): AsyncGenerator<readonly (Found | Notice)[]> {
  let reader: WalReader | undefined;
  let file = "";
  for (const [i, path] of paths.entries()) {
    const input = await openWal(path);
    file = input.name;
    reading.progress = () => {
      const part = input.progress();
      return part === undefined ? undefined : (i + part) / paths.length;
    };
    const known = server ?? reader?.format?.server;
    for await (const { bytes, lsn, version } of withVersion(input.pieces, known)) {
      const gap = reader !== undefined && lsn !== undefined && lsn !== reader.position;
      if (gap) yield [gapBefore(reader!, lsn, file)];
      // What begins a page says its version itself.
      const inPage = lsn !== undefined && lsn % BigInt(DEFAULT_PAGE_SIZE) !== 0n;
      if (gap || reader === undefined) reader = new WalReader({ server: inPage ? version : server });
      const batch: (Found | Notice)[] = [];
      try {
        push(reader, bytes, lsn);
        for (let record = reader.next(); record !== undefined; record = reader.next())
          batch.push(describe(record, reader));
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
        yield [...batch, { notice: "damage", lsn: error.lsn, file, message: error.message, error }];
        return;
      }
      yield batch;
    }
  }
  if (reader !== undefined) yield [endOf(reader, file)];
}

/** What a record of this reader is. */
export function describe(record: WalRecord, reader: WalReader): Found {
  const { server } = reader.format!;
  try {
    return { record, server, description: describeWalRecord(record, { server }), error: undefined };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // Of what is damaged the name is good, and the main data is there as bytes.
    return { record, server, description: describeWalRecord(record, { server, decode: false }), error };
  }
}

/** A record for programs. */
export function recordLine({ record, description, server, error }: Found): { readonly [name: string]: Json } {
  const json = jsonOfWalRecord(record, description, { server });
  if (error === undefined) return json;
  const { code, message, path, offset } = error;
  return { ...json, error: { code, message, path, offset } };
}

function push(reader: WalReader, bytes: Uint8Array, lsn: Lsn | undefined): void {
  try {
    reader.push(bytes, lsn);
  } catch (error) {
    if (error instanceof ProtocolError) throw new InputError(error.message);
    if (!(error instanceof RangeError)) throw error;
    // No page says it: the stream ends before the next begins.
    throw new InputError(
      reader.format === undefined
        ? `WAL begins at ${formatLsn(lsn!)}, in the middle of a page, and ends before the next, so nothing in it says which version wrote it: say it with --server`
        : error.message,
    );
  }
}

/** What a place is said to be where the files do not go on. */
function gapBefore(reader: WalReader, lsn: Lsn, file: string): Notice {
  const version = reader.format?.server;
  const [from, to] = [formatLsn(reader.position!, { server: version }), formatLsn(lsn, { server: version })];
  const cut =
    reader.incomplete === undefined
      ? ""
      : `; the record at ${formatLsn(reader.incomplete, { server: version })} is cut off`;
  const message =
    lsn > reader.position!
      ? `no WAL from ${from} to ${to}${cut}`
      : `WAL goes back from ${from} to ${to}, as it does where a timeline begins${cut}`;
  return { notice: "gap", lsn, file, message };
}

function endOf(reader: WalReader, file: string): Notice {
  if (reader.end !== undefined) return { notice: "end", lsn: reader.end.lsn, file, message: reader.end.message };
  const { incomplete, position, format } = reader;
  if (incomplete !== undefined) {
    const message = `the record at ${formatLsn(incomplete, { server: format?.server })} is not whole: what is read ends at ${formatLsn(position!, { server: format?.server })}`;
    return { notice: "end", lsn: incomplete, file, message };
  }
  const message = `what is read ends at ${position === undefined ? "its beginning" : formatLsn(position, { server: format?.server })}`;
  return { notice: "end", lsn: position, file, message };
}

/**
 * The pieces, and the version that wrote them, where a reader must be told it: a stream may begin in the middle of a page, and only
 * the beginning of the next says it. What comes before is kept so long, less than a page.
 */
async function* withVersion(
  pieces: AsyncIterable<Piece>,
  server: number | undefined,
): AsyncGenerator<Piece & { readonly version: number | undefined }> {
  let version = server;
  let waiting: Piece[] = [];
  let length = 0;
  let toPage: number | undefined;
  for await (const piece of pieces) {
    toPage ??= piece.lsn === undefined ? 0 : Number(-piece.lsn & BigInt(DEFAULT_PAGE_SIZE - 1));
    if (version === undefined && toPage > 0) {
      waiting.push(piece);
      length += piece.bytes.length;
      if (length < toPage + 2) continue;
      const all = Buffer.concat(waiting.map(({ bytes }) => bytes));
      version = walFormatOfMagic(all.readUInt16LE(toPage))?.server;
      if (version === undefined) break;
      for (const each of waiting) yield { ...each, version };
      waiting = [];
    } else {
      yield { ...piece, version };
    }
  }
  for (const each of waiting) yield { ...each, version };
}

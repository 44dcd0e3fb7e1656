/**
 * The records of files, one after the other, and a notice where they end: that WAL ends, that it is damaged, that a part is
 * missing.
 */
import { ArgumentError, DecodeError, ProtocolError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { describeWalRecord, type WalDescription } from "../../../wal/contents.ts";
import { WalError } from "../../../wal/error.ts";
import { walFormatOfMagic } from "../../../wal/format.ts";
import { jsonOfWalRecord } from "../../../wal/json.ts";
import { DEFAULT_PAGE_SIZE } from "../../../wal/page.ts";
import { WalReader } from "../../../wal/reader.ts";
import type { WalRecord } from "../../../wal/record.ts";
import { unpackedName } from "../../../wal/timeline.ts";
import type { Json } from "../../../wire/json.ts";
import { name } from "../decode/input.ts";
import { InputError, UnseenError } from "../shared/usage.ts";
import type { Contents } from "./contents.ts";
import { openSegment, openWal, type Piece, type WalInput, type WalInputs } from "./input.ts";

/** A record, and what it is. */
export interface Found {
  readonly record: WalRecord;
  /** The version that wrote it, a server_version_num. */
  readonly server: number;
  /** The timeline of the segment; without a segment, of the page. */
  readonly timeline: number;
  /** Without contents if they are damaged: then `error` says how. */
  readonly description: WalDescription;
  readonly error: DecodeError | undefined;
}

/** What is said between records, and at their end. */
export interface Notice {
  /** WAL ends here; it is damaged here; a part is missing before this position; a file is not read. */
  readonly notice: "end" | "damage" | "gap" | "passed over";
  readonly lsn: Lsn | undefined;
  readonly file: string;
  readonly message: string;
  /** Of damage: what it is, by its code and its place in what was read. */
  readonly error?: WalError | undefined;
  /** The file could not be looked at. */
  readonly unseen?: boolean;
}

/** What has been read so far. */
export interface Reading {
  progress: () => number | undefined;
}

type Batch = readonly (Found | Notice)[];

interface WalkOptions {
  /** The version, if it was given: where a stream begins in the middle of a page only that can be known. */
  readonly server: number | undefined;
  /** Where reading is to begin, if it was given. */
  readonly start: Lsn | undefined;
  /** End where recovery does: at the first end, gap or damage. */
  readonly asRecovery: boolean;
  /** Records before this position were read already. */
  readonly resume: Lsn | undefined;
}

/** A stream of more parts that do not follow each other is not a stream. */
const MAX_GAPS = 100;

/**
 * The records of files, in batches, and notices.
 *
 * @param reading Told how far it is.
 */
export async function* recordsOf(inputs: WalInputs, options: WalkOptions, reading: Reading): AsyncGenerator<Batch> {
  for (const { path, message, isDamaged } of inputs.passedOver) {
    yield [isDamaged ? { ...passedOver(path, message), notice: "damage" } : passedOver(path, message)];
  }
  const walk = new Walk(inputs, options, reading);
  yield* walk.segments();
  if (!walk.over) yield* walk.others();
  yield* walk.end();
}

function passedOver(path: string, message: string, unseen = false): Notice {
  return { notice: "passed over", lsn: undefined, file: name(path), message, unseen };
}

/** From one file to the next. */
class Walk {
  readonly #inputs: WalInputs;
  readonly #server: number | undefined;
  readonly #start: Lsn | undefined;
  readonly #asRecovery: boolean;
  readonly #resume: Lsn | undefined;
  readonly #reading: Reading;
  readonly #total: number;
  #read = 0;
  #reader: WalReader | undefined;
  #file = "";
  /** Why the first segment holds no record. */
  #refused: string | undefined;
  /** Nothing more is to be read. */
  over = false;

  constructor(inputs: WalInputs, options: WalkOptions, reading: Reading) {
    this.#inputs = inputs;
    this.#server = options.server;
    this.#start = options.start;
    this.#asRecovery = options.asRecovery;
    this.#resume = options.resume;
    this.#reading = reading;
    this.#total = inputs.segments.length + inputs.others.length;
  }

  /** Segments, each held against the position in its name. */
  async *segments(): AsyncGenerator<Batch> {
    const { segments, segmentSize, timelines } = this.#inputs;
    const [first] = segments;
    if (this.#asRecovery && first !== undefined && this.#start !== undefined && first.start > this.#start) {
      yield [this.#notice("gap", first.start, `no WAL from ${this.#lsn(this.#start)} to ${this.#lsn(first.start)}`)];
      this.over = true;
      return;
    }
    for (const segment of segments) {
      if (this.over) return;
      const input = await this.#open(segment.file.path, () => openSegment(segment, segmentSize, this.#resume));
      if ("notice" in input) {
        this.#refused ??= input.message;
        yield [input];
        continue;
      }
      const follows = this.#reader?.end === undefined && this.#reader?.position === input.lsn;
      const fault = faultOf(input.contents, input.lsn);
      if (fault !== undefined && (!follows || fault.unseen)) {
        input.close();
        this.#refused ??= fault.message;
        yield [passedOver(segment.file.path, fault.message, fault.unseen)];
        continue;
      }
      // A segment that is not WAL of its position, right behind the last: the reader says so in the server's words.
      yield* this.#leave(input.lsn, input.name);
      if (this.over) return;
      const server = this.#server;
      this.#reader ??= new WalReader({ server, segmentSize, timelines });
      yield* this.#readInput(input, segment);
    }
  }

  /** Streams, and pages whose position is only in their headers. */
  async *others(): AsyncGenerator<Batch> {
    for (const path of this.#inputs.others) {
      if (this.over) return;
      const input = await this.#open(path, () => openWal(path));
      const { contents } = "notice" in input ? { contents: undefined } : input;
      if (contents === undefined || contents.kind === "zeros" || contents.kind === "other") {
        const said =
          "notice" in input
            ? input
            : passedOver(
                path,
                (contents as { message: string }).message,
                contents?.kind === "other" && contents.unseen,
              );
        if (!("notice" in input)) input.close();
        if (this.#total === 1) throw new (said.unseen ? UnseenError : InputError)(`${said.file}: ${said.message}`);
        yield [said];
        continue;
      }
      yield* this.#readInput(input as WalInput, undefined);
    }
  }

  /** The notices at the end. */
  *end(): Generator<Batch> {
    if (this.#reader !== undefined) {
      yield [endOf(this.#reader, this.#file)];
    } else if (!this.over && this.#inputs.segments.length > 0) {
      const [{ start, file }] = this.#inputs.segments as [WalInputs["segments"][number]];
      const message = `could not find a valid record after ${this.#lsn(start)}: ${this.#refused}`;
      yield [{ notice: "damage", lsn: start, file: name(file.path), message }];
    }
  }

  async #open(path: string, open: () => Promise<WalInput>): Promise<WalInput | Notice> {
    const before = this.#read++;
    try {
      const input = await open();
      this.#reading.progress = () => {
        const part = input.progress();
        return part === undefined ? undefined : (before + part) / this.#total;
      };
      return input;
    } catch (error) {
      if (!(error instanceof InputError)) throw error;
      const prefix = `${name(path)}: `;
      const message = error.message.startsWith(prefix) ? error.message.slice(prefix.length) : error.message;
      return passedOver(path, message, error instanceof UnseenError);
    }
  }

  /** WAL goes on at this position. If that is not where it was left, that is said, and another reader begins. */
  *#leave(lsn: Lsn, file: string): Generator<Batch> {
    const reader = this.#reader;
    if (reader === undefined || (reader.end === undefined && reader.position === lsn)) return;
    if (reader.end !== undefined) yield [endOf(reader, this.#file)];
    yield [this.#notice("gap", lsn, gapMessage(reader, lsn), file)];
    this.#reader = undefined;
    if (this.#asRecovery) this.over = true;
  }

  async *#readInput(input: WalInput, segment: WalInputs["segments"][number] | undefined): AsyncGenerator<Batch> {
    const timeline = segment?.timeline;
    this.#file = input.name;
    let gaps = 0;
    let end: bigint = input.lsn;
    const known = this.#server ?? this.#reader?.format?.server;
    for await (const { bytes, lsn, version, beginsPage } of withVersion(input.pieces, known)) {
      end += BigInt(bytes.length);
      // The rest of a segment only counts.
      if (this.#reader?.end !== undefined && segment !== undefined) continue;
      if (lsn !== undefined && timeline === undefined) {
        for (const said of this.#leave(lsn, input.name)) {
          yield said;
          if (++gaps > MAX_GAPS)
            throw new InputError(
              `${input.name} is not a physical stream: ${gaps} of its parts do not follow each other`,
            );
        }
        if (this.over) break;
      }
      const isNew = this.#reader === undefined;
      // What begins a page says its version itself.
      const inPage = lsn !== undefined && !beginsPage && lsn % BigInt(DEFAULT_PAGE_SIZE) !== 0n;
      this.#reader ??= new WalReader({ server: inPage ? version : this.#server });
      const batch: (Found | Notice)[] = [];
      try {
        // The header of a page whose name says nothing is believed, unless it cannot be right.
        push(this.#reader, bytes, isNew && beginsPage && timeline === undefined ? undefined : lsn, timeline);
        for (let record = this.#reader.next(); record !== undefined; record = this.#reader.next())
          batch.push(describe(record, this.#reader, timeline));
      } catch (error) {
        if (!(error instanceof WalError)) throw error;
        yield [...batch, { notice: "damage", lsn: error.lsn, file: this.#file, message: error.message, error }];
        this.over = true;
        this.#reader = undefined;
        break;
      }
      yield batch;
      if (this.#reader.end === undefined) continue;
      if (this.#asRecovery) this.over = true;
      // Other files than segments can go on without end.
      if (this.#asRecovery || segment === undefined) break;
    }
    input.close();
    if (segment !== undefined && !this.over) yield* this.#checkLength(segment, toLsn(end));
  }

  /** A segment has the length that its header says, unless it is partial. */
  *#checkLength({ start, file }: WalInputs["segments"][number], end: Lsn): Generator<Batch> {
    const message = truncatedSegment(Number(end - start), this.#inputs.segmentSize);
    if (message === undefined) return;
    if (unpackedName(file.name).endsWith(".partial")) {
      yield [this.#notice("end", end, `this segment is partial: ${message}`)];
      return;
    }
    const error = new WalError("TRUNCATED", "XLogLongPageHeaderData.xlp_seg_size", Number(end - start), end, message);
    yield [{ ...this.#notice("damage", end, message), error }];
    if (this.#asRecovery) this.over = true;
  }

  #notice(notice: Notice["notice"], lsn: Lsn, message: string, file = this.#file): Notice {
    return { notice, lsn, file, message };
  }

  #lsn(lsn: Lsn): string {
    return formatLsn(lsn, { server: this.#server ?? this.#reader?.format?.server });
  }
}

/** What is wrong with a file that has so many bytes of a segment; undefined if it has all of them. */
export function truncatedSegment(length: number, segmentSize: number): string | undefined {
  return length < segmentSize ? `the file ends after ${length} of the ${segmentSize} bytes of a segment` : undefined;
}

/** Why a file with these contents is not WAL of the position in its name; undefined if it can be. */
function faultOf(contents: Contents, start: Lsn): { readonly message: string; readonly unseen: boolean } | undefined {
  if (contents.kind === "pages") {
    if (contents.pageAddress === start) return undefined;
    const [said, expected] = [formatLsn(contents.pageAddress), formatLsn(start)];
    const recycled = contents.pageAddress < start ? ", so it was recycled and not yet written to" : "";
    return { message: `its name says ${expected} and its first page ${said}${recycled}`, unseen: false };
  }
  if (contents.kind === "stream") return { message: "it holds a recorded stream, not a segment", unseen: false };
  return { message: contents.message, unseen: contents.kind === "other" && contents.unseen };
}

/** What a record of this reader is. */
export function describe(record: WalRecord, reader: WalReader, timeline = reader.timeline): Found {
  const { server } = reader.format!;
  try {
    return { record, server, timeline, description: describeWalRecord(record, { server }), error: undefined };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    // A damaged record still has its name, and its main data as bytes.
    return { record, server, timeline, description: describeWalRecord(record, { server, decode: false }), error };
  }
}

/** A record for programs. */
export function recordLine({ record, description, server, error }: Found): { readonly [name: string]: Json } {
  const json = jsonOfWalRecord(record, description, { server });
  if (error === undefined) return json;
  const { code, message, path, offset } = error;
  return { ...json, error: { code, message, path, offset } };
}

function push(reader: WalReader, bytes: Uint8Array, lsn: Lsn | undefined, timeline: number | undefined): void {
  try {
    reader.push(bytes, lsn, timeline);
  } catch (error) {
    if (error instanceof ProtocolError) throw new InputError(error.message);
    if (!(error instanceof ArgumentError)) throw error;
    // No page says it: the stream ends before the next begins.
    throw new InputError(
      reader.format === undefined
        ? `WAL begins at ${formatLsn(lsn!)}, in the middle of a page, and ends before the next, so nothing in it says which version wrote it: pass --server`
        : error.message,
    );
  }
}

/** That WAL does not go on where it was left. */
function gapMessage(reader: WalReader, lsn: Lsn): string {
  const server = reader.format?.server;
  const left = reader.end?.lsn ?? reader.position!;
  const [from, to] = [formatLsn(left, { server }), formatLsn(lsn, { server })];
  const cut =
    reader.incomplete === undefined ? "" : `; the record at ${formatLsn(reader.incomplete, { server })} is cut off`;
  return lsn > left ? `no WAL from ${from} to ${to}${cut}` : `WAL goes back from ${from} to ${to}${cut}`;
}

function endOf(reader: WalReader, file: string): Notice {
  if (reader.end !== undefined) return { notice: "end", lsn: reader.end.lsn, file, message: reader.end.message };
  const { incomplete, position, format } = reader;
  if (incomplete !== undefined) {
    const message = `the record at ${formatLsn(incomplete, { server: format?.server })} is incomplete: the input ends at ${formatLsn(position!, { server: format?.server })}`;
    return { notice: "end", lsn: incomplete, file, message };
  }
  const message = `the input ends at ${position === undefined ? "its beginning" : formatLsn(position, { server: format?.server })}`;
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
    toPage ??= piece.lsn === undefined || piece.beginsPage ? 0 : Number(-piece.lsn & BigInt(DEFAULT_PAGE_SIZE - 1));
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

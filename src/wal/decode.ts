/**
 * Records of WAL from their bytes: what a server checks of a record before it replays it, and the parts of it.
 *
 * A port of PostgreSQL's src/backend/access/transam/xlogreader.c.
 *
 * Portions Copyright (c) 2013-2026, PostgreSQL Global Development Group
 *
 * By hand, since it is read a record at a time at hundreds of MB a second, and since the lengths of all parts stand before the first.
 */

import { crc32cOf, crc32cOfWords, wordsOf } from "../kernel/crc32c.ts";
import { formatLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { givenBytes } from "../wire/check.ts";
import {
  applyFlag,
  BKPBLOCK_FORK_MASK,
  BKPBLOCK_HAS_DATA,
  BKPBLOCK_HAS_IMAGE,
  BKPBLOCK_SAME_REL,
  BKPBLOCK_WILL_INIT,
  BKPIMAGE_HAS_HOLE,
  CRC_OFFSET,
  compressionFlags,
  forks,
  isRmid,
  RECORD_HEADER,
  XLR_BLOCK_ID_DATA_LONG,
  XLR_BLOCK_ID_DATA_SHORT,
  XLR_BLOCK_ID_ORIGIN,
  XLR_BLOCK_ID_TOPLEVEL_XID,
  XLR_MAX_BLOCK_ID,
} from "./constants.ts";
import { WalError } from "./error.ts";
import { checkFormat, type WalFormat } from "./format.ts";
import type { WalBlock, WalImage, WalRecord, WalRecordHeader } from "./record.ts";

/** The default size of a relation's page in bytes (BLCKSZ). */
export const DEFAULT_BLOCK_SIZE = 8192;

/** Where a record is: its bytes, and its place in WAL. */
export interface RecordPlace {
  readonly format: WalFormat;
  readonly bytes: Uint8Array;
  /** Of the same bytes. */
  readonly view: DataView;
  /** And these too, if they are not empty. */
  readonly words: Int32Array;
  /** Where it begins in them. */
  readonly at: number;
  readonly lsn: Lsn;
  /** Where the record before begins: with `randomAccess` it is only known to begin before this one. */
  readonly prev: Lsn;
  /** Its halves, signed: comparing two numbers takes a fifth of the time of reading and comparing a bigint. */
  readonly prevLow: number;
  readonly prevHigh: number;
  readonly randomAccess: boolean;
  /** Where it begins in what was pushed, or decoded. */
  readonly offset: number;
}

/**
 * The record whose bytes these are, without the headers of pages that may stand between them in WAL.
 *
 * @param bytes Views of them are in the record.
 * @param options.format How a server of that version writes it: walFormat({ server: "18" }).
 * @param options.lsn Where it begins in WAL; for messages and for `end`, which is that plus its length, rounded up to 8.
 * @param options.prev Where the record before it begins, if that is known, for the check of its prev-link.
 * @param options.blockSize Of pages of relations (BLCKSZ): 8192 unless the server was built otherwise.
 * @throws WalError with the message of a server that met it in WAL.
 * @source xlogreader.c: ValidXLogRecordHeader, ValidXLogRecord, DecodeXLogRecord
 * @example decodeWalRecord(encodeWalRecord({ rmid: 0, info: 0x40 }, { format: walFormat({ server: "18" }) }), { format: walFormat({ server: "18" }), lsn: toLsn(40n) }).length // 24
 */
export function decodeWalRecord(
  bytes: Uint8Array,
  options: {
    readonly format: WalFormat;
    readonly lsn: Lsn;
    readonly prev?: Lsn | undefined;
    readonly blockSize?: number | undefined;
  },
): WalRecord {
  bytes = givenBytes(bytes);
  checkOptions(options, ["format", "lsn", "prev", "blockSize"]);
  const { format, prev, blockSize = DEFAULT_BLOCK_SIZE } = options;
  const lsn = toLsn(options.lsn);
  checkFormat(format);
  if (prev !== undefined) toLsn(prev);
  checkWhole("options.blockSize", blockSize, 1, 0x10000);
  if (bytes.length < RECORD_HEADER) {
    const needs = `XLogRecord needs ${RECORD_HEADER} bytes; there are ${bytes.length}`;
    throw new WalError("TRUNCATED", "XLogRecord", 0, lsn, needs);
  }
  const place = placeOf(bytes, format, lsn, prev);
  checkRecordHeader(place);
  const length = place.view.getUint32(0, true);
  if (length !== bytes.length) {
    const what = `XLogRecord.xl_tot_len is ${length}; there are ${bytes.length} bytes`;
    throw new WalError("BAD_LENGTH", "XLogRecord.xl_tot_len", 0, lsn, what);
  }
  checkCrc(place, length);
  const contents = checkContents(place, length, blockSize, lsn);
  const end = BigInt.asUintN(64, lsn + BigInt(align(length))) as Lsn;
  return readRecord(place, length, end, contents, blockSize);
}

/** That of a record alone. */
export function placeOf(bytes: Uint8Array, format: WalFormat, lsn: Lsn, prev?: Lsn | undefined): RecordPlace {
  return {
    format,
    bytes,
    view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
    words: wordsOf(bytes),
    at: 0,
    lsn,
    prev: prev ?? lsn,
    prevLow: Number(BigInt.asIntN(32, prev ?? lsn)),
    prevHigh: Number(BigInt.asIntN(32, (prev ?? lsn) >> 32n)),
    randomAccess: prev === undefined,
    offset: 0,
  };
}

/** Rounded up to a multiple of 8, at which records begin (MAXALIGN). */
export function align(length: number): number {
  return length + (-length & 7);
}

/** Throw the error of a record. */
export function refuseRecord(
  { format, lsn, offset }: Pick<RecordPlace, "format" | "lsn" | "offset">,
  code: "BAD_VALUE" | "BAD_LENGTH",
  field: string,
  message: string,
  named = lsn,
): never {
  const text = message.replace("@", formatLsn(named, { server: format.server }));
  throw new WalError(code, field === "" ? "XLogRecord" : `XLogRecord.${field}`, offset, lsn, text);
}

/** @source xlogreader.c: ValidXLogRecordHeader */
export function checkRecordHeader(place: RecordPlace): void {
  const { view, at, format } = place;
  const length = view.getUint32(at, true);
  if (length < RECORD_HEADER) tooShort(place, length);
  const rmid = view.getUint8(at + 17);
  if (!isRmid(rmid, format.has)) {
    refuseRecord(place, "BAD_VALUE", "xl_rmid", `invalid resource manager ID ${rmid} at @`);
  }
  const isGood = place.randomAccess
    ? view.getBigUint64(at + 8, true) < place.lsn
    : view.getInt32(at + 8, true) === place.prevLow && view.getInt32(at + 12, true) === place.prevHigh;
  if (!isGood) {
    const link = formatLsn(view.getBigUint64(at + 8, true) as Lsn, { server: format.server });
    refuseRecord(place, "BAD_VALUE", "xl_prev", `record with incorrect prev-link ${link} at @`);
  }
}

/** The error of a length that leaves no room for a header. */
export function tooShort(place: Pick<RecordPlace, "format" | "lsn" | "offset">, length: number): never {
  const wanted = place.format.has.walErrorsSayWhere ? "expected at least" : "wanted";
  const message = `invalid record length at @: ${wanted} ${RECORD_HEADER}, got ${length}`;
  refuseRecord(place, "BAD_LENGTH", "xl_tot_len", message);
}

/** The checksum of a record is that of what follows its header, then of the header before the checksum. */
export function crcOfRecord(bytes: Uint8Array, at: number, length: number): number {
  const contents = crc32cOf(bytes, at + RECORD_HEADER, at + length, 0);
  return crc32cOf(bytes, at, at + CRC_OFFSET, contents);
}

/** @source xlogreader.c: ValidXLogRecord */
export function checkCrc(place: RecordPlace, length: number): void {
  const { bytes, words, view, at } = place;
  let crc: number;
  if (words.length > 0 && at % 4 === 0) {
    const contents = crc32cOfWords(words, bytes, at + RECORD_HEADER, at + length, 0);
    crc = crc32cOfWords(words, bytes, at, at + CRC_OFFSET, contents);
  } else {
    crc = crcOfRecord(bytes, at, length) | 0;
  }
  if (crc !== view.getInt32(at + CRC_OFFSET, true)) {
    refuseRecord(place, "BAD_VALUE", "xl_crc", "incorrect resource manager data checksum in record at @");
  }
}

/** How a record is divided: what checkContents has found. */
export interface Contents {
  readonly blocks: number;
  readonly origin: number | undefined;
  readonly toplevelXid: number | undefined;
  /** Where the headers of its parts end and the parts begin, in bytes from its beginning. */
  readonly headers: number;
  readonly mainLength: number;
}

/**
 * Go over the headers of a record's parts, which say how long each is.
 *
 * @param named The position in messages.
 * @source xlogreader.c: DecodeXLogRecord
 */
export function checkContents(place: RecordPlace, length: number, blockSize: number, named: Lsn): Contents {
  const { view, format, at: start } = place;
  const end = start + length;
  const { has } = format;
  let at = start + RECORD_HEADER;
  let total = 0;
  let blocks = 0;
  let last = -1;
  let hasRelation = false;
  let mainLength = 0;
  let origin: number | undefined;
  let toplevelXid: number | undefined;
  // As in C: stop where the bytes left are no more than the announced parts need.
  while (end - at > total) {
    const id = view.getUint8(at++);
    if (id === XLR_BLOCK_ID_DATA_SHORT) {
      if (at + 1 > end) short(place, named);
      mainLength = view.getUint8(at);
      at += 1;
      total += mainLength;
      break;
    }
    if (id === XLR_BLOCK_ID_DATA_LONG) {
      if (at + 4 > end) short(place, named);
      mainLength = view.getUint32(at, true);
      at += 4;
      total += mainLength;
      break;
    }
    if (id === XLR_BLOCK_ID_ORIGIN) {
      if (at + 2 > end) short(place, named);
      origin = view.getUint16(at, true);
      at += 2;
      continue;
    }
    if (id === XLR_BLOCK_ID_TOPLEVEL_XID && has.toplevelXid) {
      if (at + 4 > end) short(place, named);
      toplevelXid = view.getUint32(at, true);
      at += 4;
      continue;
    }
    if (id > XLR_MAX_BLOCK_ID) refuseRecord(place, "BAD_VALUE", "", `invalid block_id ${id} at @`, named);
    if (id <= last) refuseRecord(place, "BAD_VALUE", "", `out-of-order block_id ${id} at @`, named);
    last = id;
    blocks++;
    if (at + 3 > end) short(place, named);
    const flags = view.getUint8(at);
    const dataLength = view.getUint16(at + 1, true);
    at += 3;
    if (((flags & BKPBLOCK_HAS_DATA) !== 0) !== dataLength > 0) {
      const what =
        dataLength === 0
          ? "BKPBLOCK_HAS_DATA set, but no data included at @"
          : `BKPBLOCK_HAS_DATA not set, but data length is ${dataLength} at @`;
      refuseRecord(place, "BAD_LENGTH", `blocks[${blocks - 1}].data_length`, what, named);
    }
    total += dataLength;
    if ((flags & BKPBLOCK_HAS_IMAGE) !== 0) {
      if (at + 5 > end) short(place, named);
      const imageLength = view.getUint16(at, true);
      const info = view.getUint8(at + 4);
      const heldHole = isCompressed(info, has) && (info & BKPIMAGE_HAS_HOLE) !== 0;
      if (heldHole && at + 7 > end) short(place, named);
      checkImage(place, at, dataLength, blocks - 1, blockSize, named);
      at += heldHole ? 7 : 5;
      total += imageLength;
    }
    if ((flags & BKPBLOCK_SAME_REL) === 0) {
      if (at + 12 > end) short(place, named);
      at += 12;
      hasRelation = true;
    } else if (!hasRelation) {
      const what = "BKPBLOCK_SAME_REL set but no previous rel at @";
      refuseRecord(place, "BAD_VALUE", `blocks[${blocks - 1}].fork_flags`, what, named);
    }
    if (at + 4 > end) short(place, named);
    at += 4;
  }
  if (end - at !== total) short(place, named);
  return { blocks, origin, toplevelXid, headers: at - start, mainLength };
}

function short(place: RecordPlace, named: Lsn): never {
  refuseRecord(place, "BAD_LENGTH", "", "record with invalid length at @", named);
}

/** Do the flags of an image say that it is compressed? */
export function isCompressed(info: number, has: WalFormat["has"]): boolean {
  return (info & (has.imageCompressionMethods ? 0x1c : 0x02)) !== 0;
}

/** The hole of the image whose header is there: what is not compressed leaves it to be reckoned, in 16 bits. */
function holeLengthOf(view: DataView, at: number, has: WalFormat["has"], blockSize: number): number {
  const info = view.getUint8(at + 4);
  if (!isCompressed(info, has)) return (blockSize - view.getUint16(at, true)) & 0xffff;
  return (info & BKPIMAGE_HAS_HOLE) !== 0 ? view.getUint16(at + 5, true) : 0;
}

function checkImage(
  place: RecordPlace,
  at: number,
  dataLength: number,
  block: number,
  blockSize: number,
  named: Lsn,
): void {
  const { view, format } = place;
  const { has } = format;
  const length = view.getUint16(at, true);
  const holeOffset = view.getUint16(at + 2, true);
  const info = view.getUint8(at + 4);
  const holeLength = holeLengthOf(view, at, has, blockSize);
  const refuse = (what: string): never =>
    refuseRecord(place, "BAD_LENGTH", `blocks[${block}].image`, `${what} at @`, named);
  const hole = `hole offset ${holeOffset} length ${holeLength}`;
  const compressedFlag = has.imageCompressionMethods ? "BKPIMAGE_COMPRESSED" : "BKPIMAGE_IS_COMPRESSED";
  if ((info & BKPIMAGE_HAS_HOLE) !== 0) {
    if (holeOffset === 0 || holeLength === 0 || length === blockSize) {
      refuse(`BKPIMAGE_HAS_HOLE set, but ${hole} block image length ${length}`);
    }
  } else if (holeOffset !== 0 || holeLength !== 0) {
    refuse(`BKPIMAGE_HAS_HOLE not set, but ${hole}`);
  }
  if (isCompressed(info, has)) {
    if (length === blockSize) refuse(`${compressedFlag} set, but block image length ${length}`);
  } else if ((info & BKPIMAGE_HAS_HOLE) === 0 && length !== blockSize) {
    // PostgreSQL says the length of the block's data here, and not that of its image.
    refuse(`neither BKPIMAGE_HAS_HOLE nor ${compressedFlag} set, but block image length is ${dataLength}`);
  }
}

const nothing = /* @__PURE__ */ new Uint8Array(0);
const noBlocks: readonly WalBlock[] = /* @__PURE__ */ Object.freeze([]);

/** The prev-link of a record that was checked: if the one before is known, it is that. */
function prevOf({ view, at, prev, randomAccess }: RecordPlace): Lsn {
  return randomAccess ? (view.getBigUint64(at + 8, true) as Lsn) : prev;
}

/** The record, after all checks. */
export function readRecord(
  place: RecordPlace,
  length: number,
  end: Lsn,
  contents: Contents,
  blockSize: number,
): WalRecord {
  const { view, at, lsn, format } = place;
  // Of the view: of an array of bytes, V8 calls a function for it.
  const { buffer, byteOffset } = view;
  const { mainLength } = contents;
  return {
    lsn,
    end,
    prev: prevOf(place),
    xid: view.getUint32(at + 4, true),
    length,
    rmid: view.getUint8(at + 17),
    info: view.getUint8(at + 16),
    crc: view.getUint32(at + CRC_OFFSET, true),
    bytes: new Uint8Array(buffer, byteOffset + at, length),
    origin: contents.origin,
    toplevelXid: contents.toplevelXid,
    blocks: contents.blocks === 0 ? noBlocks : readBlocks(view, at, contents, format, blockSize),
    mainData: mainLength === 0 ? nothing : new Uint8Array(buffer, byteOffset + at + length - mainLength, mainLength),
  };
}

function readBlocks(
  view: DataView,
  start: number,
  contents: Contents,
  { has }: WalFormat,
  blockSize: number,
): WalBlock[] {
  const blocks: WalBlock[] = [];
  let at = start + RECORD_HEADER;
  let data = start + contents.headers;
  let [tablespace, database, relation] = [0, 0, 0];
  const { buffer, byteOffset } = view;
  while (blocks.length < contents.blocks) {
    const id = view.getUint8(at);
    if (id > XLR_MAX_BLOCK_ID) {
      // An origin, or a transaction, that stands before a block.
      at += id === XLR_BLOCK_ID_ORIGIN ? 3 : 5;
      continue;
    }
    const flags = view.getUint8(at + 1);
    const dataLength = view.getUint16(at + 2, true);
    at += 4;
    let image: WalImage | undefined;
    if ((flags & BKPBLOCK_HAS_IMAGE) !== 0) {
      const info = view.getUint8(at + 4);
      const compressed = isCompressed(info, has);
      const imageLength = view.getUint16(at, true);
      image = {
        bytes: new Uint8Array(buffer, byteOffset + data, imageLength),
        holeOffset: view.getUint16(at + 2, true),
        holeLength: holeLengthOf(view, at, has, blockSize),
        compression: compressed ? compressionFlags(has).find(([flag]) => (info & flag) !== 0)![1] : "none",
        apply: !has.imageApply || (info & applyFlag(has)) !== 0,
      };
      at += compressed && (info & BKPIMAGE_HAS_HOLE) !== 0 ? 7 : 5;
      data += imageLength;
    }
    if ((flags & BKPBLOCK_SAME_REL) === 0) {
      tablespace = view.getUint32(at, true);
      database = view.getUint32(at + 4, true);
      relation = view.getUint32(at + 8, true);
      at += 12;
    }
    const fork = flags & BKPBLOCK_FORK_MASK;
    blocks.push({
      id,
      tablespace,
      database,
      relation,
      fork: forks[fork] ?? fork,
      block: view.getUint32(at, true),
      willInit: (flags & BKPBLOCK_WILL_INIT) !== 0,
      image,
      data: dataLength > 0 ? new Uint8Array(buffer, byteOffset + data, dataLength) : undefined,
    });
    data += dataLength;
    at += 4;
  }
  return blocks;
}

/** Reads each field when it is asked for: an array of bytes for each record would take a quarter of all the time. */
export class FramedRecord implements WalRecordHeader {
  readonly length: number;
  readonly lsn: Lsn;
  readonly end: Lsn;
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number, length: number, lsn: Lsn, end: Lsn) {
    this.#view = view;
    this.#at = at;
    this.length = length;
    this.lsn = lsn;
    this.end = end;
  }

  get prev(): Lsn {
    return this.#view.getBigUint64(this.#at + 8, true) as Lsn;
  }

  get xid(): number {
    return this.#view.getUint32(this.#at + 4, true);
  }

  get rmid(): number {
    return this.#view.getUint8(this.#at + 17);
  }

  get info(): number {
    return this.#view.getUint8(this.#at + 16);
  }

  get crc(): number {
    return this.#view.getUint32(this.#at + CRC_OFFSET, true);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.#view.buffer, this.#view.byteOffset + this.#at, this.length);
  }
}

/** Dissections of pages and records of WAL. */

import { DecodeError, refuseArgument } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { type WalRecordCapabilities, walRecordCapabilities } from "../wal/capabilities.ts";
import {
  BKPBLOCK_HAS_IMAGE,
  BKPBLOCK_SAME_REL,
  BKPIMAGE_HAS_HOLE,
  RECORD_HEADER,
  RM_XLOG_ID,
  RMGR_INFO_MASK,
  XLOG_SWITCH,
  XLR_BLOCK_ID_DATA_LONG,
  XLR_BLOCK_ID_DATA_SHORT,
  XLR_BLOCK_ID_ORIGIN,
  XLR_MAX_BLOCK_ID,
} from "../wal/constants.ts";
import { describeWalRecord, type WalDescription } from "../wal/contents.ts";
import { align, checkRecordHeader, decodeWalRecord, isCompressed, placeOf } from "../wal/decode.ts";
import { WalError } from "../wal/error.ts";
import { checkFormat, type WalFormat, walFormat, walFormatOfMagic } from "../wal/format.ts";
import { decodeWalPageHeader, isPageSize, XLP_LONG_HEADER } from "../wal/page.ts";
import type { WalRecord } from "../wal/record.ts";
import * as structs from "../wal/structs.ts";
import { variableValues } from "../wal/variable.ts";
import { givenBytes } from "../wire/check.ts";
import { type Dissection, Dissector } from "../wire/dissect.ts";
import { NativeReader } from "../wire/native.ts";
import { type Struct, u16, u32 } from "../wire/shape.ts";

/**
 * Dissect a record of WAL, without the headers of pages that may stand between its bytes.
 *
 * @param bytes The whole record. Values have views into it.
 * @param options As for `decodeWalRecord`.
 * @returns its header, the headers of its parts, and the parts; where the record is damaged, as far as its header says something.
 *   The error is that of `decodeWalRecord`.
 * @throws ArgumentError for anything but bytes and options.
 * @example dissectWalRecord(encodeWalRecord({ rmid: 0, info: 0x40 }, { format: walFormat({ server: "18" }) }), { format: walFormat({ server: "18" }), lsn: toLsn(40n) }).end // 24
 */
export function dissectWalRecord(
  bytes: Uint8Array,
  options: { readonly format: WalFormat; readonly lsn: Lsn },
): Dissection {
  bytes = givenBytes(bytes);
  checkOptions(options, ["format", "lsn"]);
  const { format } = options;
  const lsn = toLsn(options.lsn);
  checkFormat(format);
  return dissector(bytes, format).dissect("XLogRecord", "struct", structs.xLogRecord.doc, (d) =>
    readRecord(d, bytes, format, lsn),
  );
}

/**
 * Dissect a page of WAL: its header, the rest of a record that began before, and the records that begin on it. The last one can go on
 * on the next page; then what there is of it is shown. A page of zeros is one to which no WAL was written.
 *
 * @param page One page, from its first byte to its last: its length is the page size.
 * @param options.server The version that wrote it. Default: the newest minor of the major that the page names.
 * @returns a tree up to the damage. A record's error is that of `decodeWalRecord`.
 * @throws ArgumentError if the bytes cannot be a page; UnsupportedError for a version whose WAL is not known.
 */
export function dissectWalPage(page: Uint8Array, options: { readonly server?: Server | undefined } = {}): Dissection {
  const bytes = givenBytes(page, "page");
  checkOptions(options, ["server"]);
  if (!isPageSize(bytes.length)) {
    refuseArgument("page", "a page of WAL, which has a power of two of bytes from 1024 to 65536", bytes);
  }
  const { magic, info, pageAddress, remaining } = decodeWalPageHeader(bytes);
  const format = options.server === undefined ? walFormatOfMagic(magic) : walFormat(options);
  return dissector(bytes, format, { longHeader: (info & XLP_LONG_HEADER) !== 0 }).dissect(
    "WalPage",
    "part",
    "A page of WAL.",
    (d) => {
      if (bytes.every((byte) => byte === 0)) {
        // As in a segment that was made ahead, or behind the end of one that was left early.
        d.bytes("unused", bytes.length, "No WAL was written here.");
        return;
      }
      d.struct("header", structs.xLogPageHeaderData);
      if (magic !== format?.magic) {
        const message = `invalid magic number ${magic.toString(16).toUpperCase().padStart(4, "0")}`;
        throw new WalError("BAD_VALUE", "XLogPageHeaderData.xlp_magic", 0, pageAddress, message);
      }
      readPage(d, bytes, format, pageAddress, remaining);
    },
  );
}

type WalDissector = Dissector<NativeReader>;

function dissector(
  bytes: Uint8Array,
  format: WalFormat | undefined,
  holds: Readonly<Record<string, boolean>> = {},
): WalDissector {
  const has: Partial<WalRecordCapabilities> = format === undefined ? {} : walRecordCapabilities.of(format.server);
  return new Dissector(new NativeReader(bytes), { ...has, ...holds });
}

function readPage(d: WalDissector, page: Uint8Array, format: WalFormat, address: Lsn, remaining: number): void {
  const { r } = d;
  if (remaining > 0) {
    const length = Math.min(remaining, page.length - r.offset);
    d.bytes("continuation", length, "The rest of a record that began on a page before, or a part of it.");
    pad(d, page.length);
  }
  for (let i = 0; r.offset < page.length; i++) {
    const left = page.length - r.offset;
    const length = new DataView(page.buffer, page.byteOffset + r.offset, 4).getUint32(0, true);
    if (length === 0) {
      d.bytes("unused", left, "No record begins here.");
      return;
    }
    const lsn = (address + BigInt(r.offset)) as Lsn;
    const start = r.offset;
    if (length > left) {
      d.node(`[${i}]`, "part", "The beginning of a record that goes on on the next page.", () =>
        readBeginning(d, page, format, lsn),
      );
      return;
    }
    const bytes = page.subarray(start, start + length);
    const record = d.node(`[${i}]`, "struct", "A record.", () => readRecord(d, bytes, format, lsn, start));
    pad(d, page.length);
    if (record.rmid === RM_XLOG_ID && (record.info & RMGR_INFO_MASK) === XLOG_SWITCH && r.offset < page.length) {
      d.bytes("unused", page.length - r.offset, "The segment ends with the record before.");
    }
  }
}

/** Records begin at multiples of 8. */
function pad(d: WalDissector, end: number): void {
  const { offset } = d.r;
  const length = Math.min(align(offset), end) - offset;
  if (length > 0) d.bytes("padding", length, "Bytes up to a multiple of 8.", "padding");
}

/** What is on the page of a record that goes on on the next. */
function readBeginning(d: WalDissector, page: Uint8Array, format: WalFormat, lsn: Lsn): void {
  const { r } = d;
  if (page.length - r.offset >= RECORD_HEADER) {
    checkRecordHeader(placeOf(page.subarray(r.offset), format, lsn));
    d.struct("header", structs.xLogRecord);
  } else {
    r.begin();
    d.field("length", u32(""), "Bytes of the whole record.", ["XLogRecord.length"]);
  }
  if (r.offset < page.length) d.bytes("beginning", page.length - r.offset, "As much of the record as the page has.");
}

/** The record that begins where the reader stands. @param start The offset of that in the page. */
function readRecord(d: WalDissector, bytes: Uint8Array, format: WalFormat, lsn: Lsn, start = 0): WalRecord {
  const { r } = d;
  let record: WalRecord;
  try {
    record = decodeWalRecord(bytes, { format, lsn });
  } catch (error) {
    if (error instanceof DecodeError && bytes.length >= RECORD_HEADER) d.struct("header", structs.xLogRecord);
    throw error;
  }
  d.struct("header", structs.xLogRecord);
  const end = start + bytes.length;
  const parts: (() => void)[] = [];
  let total = 0;
  let blocks = 0;
  // As decodeWalRecord goes over them, which has checked them.
  while (end - r.offset > total) {
    const id = r.bytes[r.offset]!;
    if (id === XLR_BLOCK_ID_DATA_SHORT) {
      d.struct("mainDataHeader", structs.xLogRecordDataHeaderShort);
    } else if (id === XLR_BLOCK_ID_DATA_LONG) {
      readHeader(d, "mainDataHeader", u32("Bytes of the main data."), "dataLength");
    } else if (id === XLR_BLOCK_ID_ORIGIN) {
      readHeader(d, "origin", u16("The replication origin that the record was replayed from."), "origin");
      continue;
    } else if (id > XLR_MAX_BLOCK_ID) {
      readHeader(d, "toplevelXid", u32("The transaction that xid is a subtransaction of."), "xid");
      continue;
    } else {
      const block = record.blocks[blocks]!;
      const name = `blocks[${blocks++}]`;
      d.node(`${name}.header`, "part", "What the record says of a page.", () => readBlockHeader(d, format));
      const { image, data } = block;
      if (image !== undefined) {
        total += image.bytes.length;
        parts.push(() => d.bytes(`${name}.image`, image.bytes.length, "The full-page image, perhaps compressed."));
      }
      if (data !== undefined) {
        total += data.length;
        parts.push(() => d.bytes(`${name}.data`, data.length, "The resource manager's data about the page."));
      }
      continue;
    }
    break;
  }
  for (const part of parts) part();
  if (record.mainData.length > 0) readMainData(d, record, format);
  return record;
}

/** The byte that says what follows, and a number that is not aligned. */
function readHeader(
  d: WalDissector,
  name: string,
  field: ReturnType<typeof u16> | ReturnType<typeof u32>,
  what: string,
): void {
  const { r } = d;
  d.node(name, "part", field.doc, () => {
    d.leaf("id", "u8", "Says what follows.", () => r.u8(`XLogRecord.${name}.id`));
    r.begin();
    d.field(what, field, field.doc, [`XLogRecord.${name}`]);
  });
}

function readBlockHeader(d: WalDissector, { has }: WalFormat): void {
  const { r } = d;
  const { forkFlags } = d.struct("header", structs.xLogRecordBlockHeader) as { forkFlags: number };
  if ((forkFlags & BKPBLOCK_HAS_IMAGE) !== 0) {
    const { bimgInfo } = d.struct("imageHeader", structs.xLogRecordBlockImageHeader) as { bimgInfo: number };
    if (isCompressed(bimgInfo, has) && (bimgInfo & BKPIMAGE_HAS_HOLE) !== 0) {
      d.struct("compressHeader", structs.xLogRecordBlockCompressHeader);
    }
  }
  r.begin();
  if ((forkFlags & BKPBLOCK_SAME_REL) === 0) {
    d.field("relation", structs.relFileLocator, structs.relFileLocator.doc, ["XLogRecord.relation"]);
  }
  d.field("block", u32(""), "The page, from the beginning of the relation's fork.", ["XLogRecord.block"]);
}

/** The structs that are the main data of a record by themselves: those of variable.ts have more after them. */
const structsByType: ReadonlyMap<string, Struct> = new Map(
  Object.values(structs).flatMap((each) =>
    "end" in each && !Object.hasOwn(variableValues, each.name) ? [[each.name, each]] : [],
  ),
);

/** The main data: the fields of its struct where a struct says all of it. */
function readMainData(d: WalDissector, record: WalRecord, { server }: WalFormat): void {
  const { mainData } = record;
  const { resourceManager, operation, contents } = describe(record, server);
  const doc = `The main data of ${resourceManager}/${operation}.`;
  const struct = contents === undefined ? undefined : structsByType.get(contents.type);
  if (struct === undefined) {
    d.bytes("mainData", mainData.length, doc);
    return;
  }
  const rest = d.structWithin("mainData", struct, doc, mainData);
  if (rest > 0) d.bytes("rest", rest, "Bytes after the main data, which a server does not look at.");
}

/** Main data that is damaged is bytes: the record around it is good. */
function describe(record: WalRecord, server: Server): WalDescription {
  try {
    return describeWalRecord(record, { server });
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return describeWalRecord(record, { server, decode: false });
  }
}

/**
 * Records of WAL to bytes, as a server assembles them.
 *
 * @source xloginsert.c: XLogRecordAssemble
 */

import { EncodeError } from "../kernel/errors.ts";
import type { Lsn } from "../kernel/lsn.ts";
import { checkOptions, checkWhole } from "../kernel/options.ts";
import { isBytes, isUnsigned, lengthOf, mustBeArray, mustBeObject, plainBytes, refuse } from "../wire/check.ts";
import {
  applyFlag,
  BKPBLOCK_HAS_DATA,
  BKPBLOCK_HAS_IMAGE,
  BKPBLOCK_SAME_REL,
  BKPBLOCK_WILL_INIT,
  BKPIMAGE_HAS_HOLE,
  CRC_OFFSET,
  compressionFlags,
  forks,
  isRmid,
  MAX_RECORD,
  RECORD_HEADER,
  XLR_BLOCK_ID_DATA_LONG,
  XLR_BLOCK_ID_DATA_SHORT,
  XLR_BLOCK_ID_ORIGIN,
  XLR_BLOCK_ID_TOPLEVEL_XID,
  XLR_MAX_BLOCK_ID,
} from "./constants.ts";
import { checkContents, crcOfRecord, DEFAULT_BLOCK_SIZE, placeOf } from "./decode.ts";
import { WalError } from "./error.ts";
import { checkFormat, type WalFormat } from "./format.ts";
import type { WalBlock, WalImage, WalRecord } from "./record.ts";

/** The parts of a record. A missing number is 0, a missing part empty. A WalRecord is one, too. */
export type WalRecordFields = Pick<WalRecord, "rmid" | "info"> &
  Partial<Pick<WalRecord, "prev" | "xid" | "origin" | "toplevelXid" | "blocks" | "mainData">>;

/**
 * The bytes of a record, checksum included, as a server of that format writes it: decoded, it has the same fields.
 *
 * @param record Its bytes are copied. Blocks must be in the order of their ids.
 * @param options.blockSize Of pages of relations (BLCKSZ).
 * @returns fresh bytes, without the headers of pages that WAL may need between them: WalWriter puts those.
 * @throws EncodeError for what does not fit a field, and for a record that no server of the format would read.
 * @example encodeWalRecord({ rmid: 0, info: 0x40 }, { format: walFormat({ server: "18" }) }).length // 24
 */
export function encodeWalRecord(
  record: WalRecordFields,
  options: { readonly format: WalFormat; readonly blockSize?: number | undefined },
): Uint8Array {
  checkOptions(options, ["format", "blockSize"]);
  checkFormat(options.format);
  mustBeObject(record, "WalRecord");
  const { rmid, info, prev = 0n, xid = 0, origin, toplevelXid, blocks = [] } = record;
  const mainData = plain(record.mainData, "WalRecord.mainData");
  const { format, blockSize = DEFAULT_BLOCK_SIZE } = options;
  checkWhole("options.blockSize", blockSize, 1, 0x10000);
  const { has } = format;
  unsigned("WalRecord.rmid", rmid, 0xff);
  if (!isRmid(rmid, has)) refuse("the number of a resource manager", rmid, "WalRecord.rmid");
  unsigned("WalRecord.info", info, 0xff);
  unsigned("WalRecord.xid", xid, 0xffffffff);
  if (typeof prev !== "bigint" || prev < 0n || prev >= 1n << 64n) refuse("an Lsn", prev, "WalRecord.prev");
  mustBeArray(blocks, "WalRecord.blocks");

  const header: number[] = [];
  const data: Uint8Array[] = [];
  let before: WalBlock | undefined;
  for (const [i, block] of blocks.entries()) {
    putBlock(header, data, block, before, `WalRecord.blocks[${i}]`, format, blockSize);
    before = block;
  }
  if (origin !== undefined) {
    unsigned("WalRecord.origin", origin, 0xffff);
    header.push(XLR_BLOCK_ID_ORIGIN, ...little(origin, 2));
  }
  if (toplevelXid !== undefined) {
    unsigned("WalRecord.toplevelXid", toplevelXid, 0xffffffff);
    if (!has.toplevelXid) refuse("undefined in this format", toplevelXid, "WalRecord.toplevelXid");
    header.push(XLR_BLOCK_ID_TOPLEVEL_XID, ...little(toplevelXid, 4));
  }
  if (mainData.length > 255) header.push(XLR_BLOCK_ID_DATA_LONG, ...little(mainData.length, 4));
  else if (mainData.length > 0) header.push(XLR_BLOCK_ID_DATA_SHORT, mainData.length);
  data.push(mainData);

  const length = data.reduce((sum, part) => sum + part.length, RECORD_HEADER + header.length);
  if (length > MAX_RECORD) {
    throw new EncodeError("WalRecord", `WalRecord has ${length} bytes; a server accepts at most ${MAX_RECORD}`);
  }
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, length, true);
  view.setUint32(4, xid, true);
  view.setBigUint64(8, prev, true);
  bytes[16] = info;
  bytes[17] = rmid;
  bytes.set(header, RECORD_HEADER);
  let at = RECORD_HEADER + header.length;
  for (const part of data) {
    bytes.set(part, at);
    at += part.length;
  }
  view.setUint32(CRC_OFFSET, crcOfRecord(bytes, 0, length), true);
  mustBeReadable(bytes, format, length, blockSize);
  return bytes;
}

function putBlock(
  header: number[],
  data: Uint8Array[],
  block: WalBlock,
  before: WalBlock | undefined,
  path: string,
  { has }: WalFormat,
  blockSize: number,
): void {
  mustBeObject(block, path);
  const { id, tablespace, database, relation, image } = block;
  unsigned(`${path}.id`, id, XLR_MAX_BLOCK_ID);
  for (const field of ["tablespace", "database", "relation", "block"] as const) {
    unsigned(`${path}.${field}`, block[field], 0xffffffff);
  }
  const fork = typeof block.fork === "string" ? forks.indexOf(block.fork) : block.fork;
  if (!isUnsigned(fork, 0x0f))
    refuse('"main", "fsm", "vm", "init" or a number from 0 to 15', block.fork, `${path}.fork`);
  const same =
    before !== undefined &&
    before.tablespace === tablespace &&
    before.database === database &&
    before.relation === relation;
  const bytes = plain(block.data, `${path}.data`, 0xffff);

  const flags =
    (image === undefined ? 0 : BKPBLOCK_HAS_IMAGE) |
    (bytes.length > 0 ? BKPBLOCK_HAS_DATA : 0) |
    (block.willInit ? BKPBLOCK_WILL_INIT : 0) |
    (same ? BKPBLOCK_SAME_REL : 0);
  header.push(id, fork | flags, ...little(bytes.length, 2));
  if (image !== undefined) {
    data.push(putImage(header, image, `${path}.image`, has, blockSize));
  }
  if (!same) header.push(...little(tablespace, 4), ...little(database, 4), ...little(relation, 4));
  header.push(...little(block.block, 4));
  data.push(bytes);
}

function putImage(
  header: number[],
  image: WalImage,
  path: string,
  has: WalFormat["has"],
  blockSize: number,
): Uint8Array {
  mustBeObject(image, path);
  const { holeOffset, holeLength, compression, apply } = image;
  const bytes = plain(image.bytes, `${path}.bytes`, 0xffff);
  unsigned(`${path}.holeOffset`, holeOffset, 0xffff);
  unsigned(`${path}.holeLength`, holeLength, 0xffff);
  const method = compressionFlags(has).find(([, name]) => name === compression);
  if (method === undefined && compression !== "none") {
    refuse("a compression that the format has", compression, `${path}.compression`);
  }
  // The hole of an uncompressed image is not written: it is computed, in 16 bits.
  const rest = (blockSize - bytes.length) & 0xffff;
  if (method === undefined && holeLength !== rest) {
    refuse(`${rest}, the rest of the page`, holeLength, `${path}.holeLength`);
  }
  if (!apply && !has.imageApply) refuse("true in this format", apply, `${path}.apply`);
  const info = (holeLength > 0 ? BKPIMAGE_HAS_HOLE : 0) | (apply ? applyFlag(has) : 0) | (method?.[0] ?? 0);
  header.push(...little(bytes.length, 2), ...little(holeOffset, 2), info);
  if (method !== undefined && holeLength > 0) header.push(...little(holeLength, 2));
  return bytes;
}

/** The bytes that a caller gave, as a plain array. @throws EncodeError */
function plain(bytes: Uint8Array = new Uint8Array(0), path: string, max = Number.POSITIVE_INFINITY): Uint8Array {
  if (!isBytes(bytes) || lengthOf(bytes) > max) {
    refuse(`a Uint8Array${max === 0xffff ? " of at most 65,535 bytes" : ""}`, bytes, path);
  }
  return plainBytes(bytes);
}

/** The server's errors about lengths, holes and the order of ids. */
function mustBeReadable(bytes: Uint8Array, format: WalFormat, length: number, blockSize: number): void {
  const lsn = 0n as Lsn;
  try {
    checkContents(placeOf(bytes, format, lsn), length, blockSize, lsn);
  } catch (error) {
    if (!(error instanceof WalError)) throw error;
    const path = error.path.replace("XLogRecord", "WalRecord");
    throw new EncodeError(path, `${path} is not what a server would read: ${error.message.replace(/ at \S+$/, "")}`);
  }
}

function unsigned(path: string, value: number, max: number): void {
  if (!isUnsigned(value, max)) refuse(`a whole number from 0 to ${max}`, value, path);
}

function little(value: number, bytes: number): number[] {
  return Array.from({ length: bytes }, (_, i) => (value >>> (8 * i)) & 0xff);
}

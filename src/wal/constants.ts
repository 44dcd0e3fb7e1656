/**
 * Numbers in records of WAL.
 *
 * @source xlogrecord.h
 */
import type { WalCapabilities } from "./capabilities.ts";
import type { WalFork, WalImage } from "./record.ts";

/** SizeOfXLogRecord: the header of a record, and where the checksum is in it. */
export const RECORD_HEADER = 24;
export const CRC_OFFSET = 20;

/** XLogRecordMaxSize: what servers from 16 on write at most. */
export const MAX_RECORD = 1020 * 1024 * 1024;

/** Which part of a record comes: the number of a block, or one of these. */
export const XLR_MAX_BLOCK_ID = 32;
export const XLR_BLOCK_ID_DATA_SHORT = 255;
export const XLR_BLOCK_ID_DATA_LONG = 254;
export const XLR_BLOCK_ID_ORIGIN = 253;
export const XLR_BLOCK_ID_TOPLEVEL_XID = 252;

/** Flags of a block, above the number of its fork. */
export const BKPBLOCK_FORK_MASK = 0x0f;
export const BKPBLOCK_HAS_IMAGE = 0x10;
export const BKPBLOCK_HAS_DATA = 0x20;
export const BKPBLOCK_WILL_INIT = 0x40;
export const BKPBLOCK_SAME_REL = 0x80;

export const forks: readonly WalFork[] = ["main", "fsm", "vm", "init"];

/** Flags of an image. 15 gave its bits other meanings. */
export const BKPIMAGE_HAS_HOLE = 0x01;

/** BKPIMAGE_APPLY; 0 where every image is to be applied. */
export function applyFlag(has: WalCapabilities): number {
  if (!has.imageApply) return 0;
  return has.imageCompressionMethods ? 0x02 : 0x04;
}

/** The flags by which an image says that it is compressed, the one that counts first. */
export function compressionFlags(has: WalCapabilities): readonly (readonly [number, WalImage["compression"]])[] {
  return has.imageCompressionMethods ? METHODS : ONE_METHOD;
}

const METHODS = [
  [0x04, "pglz"],
  [0x08, "lz4"],
  [0x10, "zstd"],
] as const;
const ONE_METHOD = [[0x02, "pglz"]] as const;

/** The resource manager of WAL itself, and its operation that ends a segment early. */
export const RM_XLOG_ID = 0;
export const XLOG_SWITCH = 0x40;
export const RMGR_INFO_MASK = 0xf0;

/** Is there, or can there be, a resource manager of this number? (rmgr.h: RmgrIdIsValid) */
export function isRmid(rmid: number, has: WalCapabilities): boolean {
  return rmid <= 21 || (has.customRmgrs && rmid >= 128);
}

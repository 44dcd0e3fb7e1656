/**
 * A record of WAL, as every version from 9.6 on frames it: a header, the blocks it refers to, and the data of its resource manager.
 *
 * @source xlogrecord.h, xlogreader.c: DecodeXLogRecord
 */
import { refuseArgument, WalwireError } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkObject } from "../kernel/options.ts";
import { isBytes } from "../wire/check.ts";

/** A full-page image, as it stands in the record. */
export interface WalImage {
  /** Its bytes: the page without its hole, perhaps compressed. A view. */
  readonly bytes: Uint8Array;
  /** The offset of the hole in the page, in bytes; 0 without a hole. */
  readonly holeOffset: number;
  /** The length of the hole, in bytes; 0 without a hole. */
  readonly holeLength: number;
  /** How the bytes are compressed. */
  readonly compression: "none" | "pglz" | "lz4" | "zstd";
  /** Replay puts the page back; without it the image is there for consistency checks only. */
  readonly apply: boolean;
}

/** @source relpath.c: forkNames */
export type WalFork = "main" | "fsm" | "vm" | "init";

/** A page that the record changes. */
export interface WalBlock {
  /** The number by which the resource manager knows it, 0 to 32. */
  readonly id: number;
  /** The OID of the tablespace. */
  readonly tablespace: number;
  /** The OID of the database; 0 for shared catalogs. */
  readonly database: number;
  /** The relation's file number (relfilenode). */
  readonly relation: number;
  /** A number for an unknown fork, which servers read too. */
  readonly fork: WalFork | number;
  /** In pages from the beginning of the relation's fork. */
  readonly block: number;
  /** The page is made anew by replay, so nothing of it need be read. */
  readonly willInit: boolean;
  /** The full-page image; undefined if the record has none of this page. */
  readonly image: WalImage | undefined;
  /** The resource manager's data about this page; undefined if there is none, or if the image suffices. A view. */
  readonly data: Uint8Array | undefined;
}

/** A record without its contents. */
export interface WalRecordHeader {
  /** The position of its first byte. */
  readonly lsn: Lsn;
  /** The position where the next record can begin: one past its last byte, rounded up to 8. */
  readonly end: Lsn;
  /** Where the record before it begins. */
  readonly prev: Lsn;
  /** The transaction that wrote it (xl_xid); 0 for none. */
  readonly xid: number;
  /** Bytes of the whole record, its header included (xl_tot_len). */
  readonly length: number;
  /** The number of its resource manager (xl_rmid). */
  readonly rmid: number;
  /** The info byte (xl_info); its upper four bits belong to the resource manager. */
  readonly info: number;
  /** The CRC-32C in its header (xl_crc). */
  readonly crc: number;
  /** The whole record, without what stands between its parts at the start of pages. */
  readonly bytes: Uint8Array;
}

/** A record with its contents. */
export interface WalRecord extends WalRecordHeader {
  /** The replication origin that it was replayed from; undefined if it names none. */
  readonly origin: number | undefined;
  /** The transaction that xid is a subtransaction of; undefined if the record names none. */
  readonly toplevelXid: number | undefined;
  /** The pages that it changes, in order of their IDs. */
  readonly blocks: readonly WalBlock[];
  /** The resource manager's data that belongs to no page. A view. */
  readonly mainData: Uint8Array;
}

/** Check what tells a record's operation. */
export function checkKind(record: Pick<WalRecord, "rmid" | "info">): void {
  checkObject("record", record);
  checkByte("record.rmid", record.rmid);
  checkByte("record.info", record.info);
}

/** Check the parts of a record that say what it does and where. */
export function checkRecord(record: WalRecord): void {
  checkKind(record);
  toLsn(record.lsn);
  toLsn(record.end);
  if (!isBytes(record.mainData)) refuseArgument("record.mainData", "a Uint8Array", record.mainData);
}

function checkByte(path: string, value: number): void {
  if (!Number.isInteger(value) || value < 0 || value > 0xff)
    refuseArgument(path, "a whole number from 0 to 255", value);
}

/**
 * Convert a record to another form.
 *
 * @throws ArgumentError if it is not a record, or the description not one: then a part of them is missing or of another type.
 */
export function converted<T>(record: unknown, convert: () => T): T {
  try {
    return convert();
  } catch (error) {
    if (error instanceof WalwireError) throw error;
    refuseArgument("record", "a record, and its description by describeWalRecord", record);
  }
}

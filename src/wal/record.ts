/**
 * A record of WAL, as every version from 9.6 on frames it: a header, the blocks it refers to, and the data of its resource manager.
 *
 * @source xlogrecord.h, xlogreader.c: DecodeXLogRecord
 */
import type { Lsn } from "../kernel/lsn.ts";

/** A full-page image, as it stands in the record. */
export interface WalImage {
  /** Its bytes: the page without its hole, perhaps compressed. A view. */
  readonly bytes: Uint8Array;
  /** Where the hole begins in the page, and how long it is, in bytes; both 0 if there is none. */
  readonly holeOffset: number;
  readonly holeLength: number;
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
  /** Oids of tablespace and database, and the number of the file. */
  readonly tablespace: number;
  readonly database: number;
  readonly relation: number;
  /** A number for an unknown fork, which servers read too. */
  readonly fork: WalFork | number;
  /** In pages from the beginning of the relation's fork. */
  readonly block: number;
  /** The page is made anew by replay, so nothing of it need be read. */
  readonly willInit: boolean;
  readonly image: WalImage | undefined;
  /** What the resource manager says about this page; undefined if nothing, or if the image says it all. A view. */
  readonly data: Uint8Array | undefined;
}

/** A record without its contents. */
export interface WalRecordHeader {
  /** Where its header begins, and where the next record can begin: one past its last byte, rounded up to 8. */
  readonly lsn: Lsn;
  readonly end: Lsn;
  /** Where the record before it begins. */
  readonly prev: Lsn;
  readonly xid: number;
  /** Bytes of the whole record, its header included (xl_tot_len). */
  readonly length: number;
  /** The resource manager's number, and the info byte, whose upper four bits belong to the resource manager. */
  readonly rmid: number;
  readonly info: number;
  readonly crc: number;
  /** The whole record, without what stands between its parts at the start of pages. */
  readonly bytes: Uint8Array;
}

export interface WalRecord extends WalRecordHeader {
  /** The replication origin that it was replayed from, and the transaction that xid is a part of; undefined if it does not say. */
  readonly origin: number | undefined;
  readonly toplevelXid: number | undefined;
  readonly blocks: readonly WalBlock[];
  /** What the resource manager says about no page in particular. A view. */
  readonly mainData: Uint8Array;
}

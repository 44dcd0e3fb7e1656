/**
 * A second reader of WAL, for tests: it has all bytes at once, and goes over them in the simplest way there is. It takes no care of
 * what is wrong: where something is, it stops.
 */
import { crc32c } from "../src/kernel/crc32c.ts";

/** Where a record is, and its bytes. */
export interface SimpleRecord {
  readonly lsn: bigint;
  readonly end: bigint;
  readonly bytes: Buffer;
}

/** The records in `bytes`, which begin a page at `start`. */
export function simpleRecords(
  bytes: Uint8Array,
  start: bigint,
  { pageSize = 8192, segmentSize = 16 * 1024 * 1024 } = {},
): SimpleRecord[] {
  const all = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  const magic = all.length >= 2 ? all.readUInt16LE(0) : 0;
  let at = 0;
  /** Pass the header of the page that begins at `at`: its xlp_rem_len, undefined if it is no page of this WAL. */
  const page = (): number | undefined => {
    if (at + 24 > all.length || all.readUInt16LE(at) !== magic) return undefined;
    if (all.readBigUInt64LE(at + 8) !== start + BigInt(at)) return undefined;
    const [isContinued, isLong] = [all[at + 2]! & 1, all[at + 2]! & 2];
    const remaining = all.readUInt32LE(at + 16);
    at += isLong ? 40 : 24;
    return isContinued ? remaining : 0;
  };
  /** Take `length` bytes from here, over pages. */
  const take = (length: number): Buffer | undefined => {
    const parts: Buffer[] = [];
    for (let left = length; left > 0; ) {
      if (at % pageSize === 0 && (at >= all.length || page() !== left)) return undefined;
      const count = Math.min(left, pageSize - (at % pageSize));
      if (at + count > all.length) return undefined;
      parts.push(all.subarray(at, at + count));
      at += count;
      left -= count;
    }
    return Buffer.concat(parts);
  };

  const rest = page();
  if (rest === undefined || (rest > 0 && skipFirst(rest) === undefined)) return [];
  function skipFirst(remaining: number): true | undefined {
    at = 0;
    for (let left = remaining; left > 0; ) {
      if (page() !== left) return undefined;
      const count = Math.min(left, pageSize - (at % pageSize));
      at += count;
      left -= count;
      if (left > 0 && at % pageSize !== 0) return undefined;
    }
    at += -at & 7;
    return true;
  }

  const records: SimpleRecord[] = [];
  for (let previous = -1n; ; ) {
    if (at % pageSize === 0 && page() !== 0) return records;
    if (at + 4 > all.length) return records;
    const lsn = start + BigInt(at);
    const length = all.readUInt32LE(at);
    if (length < 24) return records;
    const record = take(length);
    if (record === undefined) return records;
    if (previous >= 0n && record.readBigUInt64LE(8) !== previous) return records;
    if (crc32c(record.subarray(0, 20), crc32c(record.subarray(24))) !== record.readUInt32LE(20)) return records;
    at += -at & 7;
    // XLOG_SWITCH
    if (record[17] === 0 && (record[16]! & 0xf0) === 0x40) {
      const left = Number((start + BigInt(at)) % BigInt(segmentSize));
      if (left > 0) at += segmentSize - left;
    }
    records.push({ lsn, end: start + BigInt(at), bytes: record });
    previous = lsn;
  }
}

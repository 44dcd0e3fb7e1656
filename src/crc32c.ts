/**
 * CRC-32C, the Castagnoli polynomial: what PostgreSQL protects WAL records, slot files and the files of a backup with.
 *
 * @source pg_crc32c_sb8.c
 */

/** Of eight bytes at once, as in PostgreSQL's own slicing-by-8: table k is a byte with k zero bytes behind it. */
const tables = /* @__PURE__ */ makeTables();

function makeTables(): Uint32Array {
  const all = new Uint32Array(8 * 256);
  for (let byte = 0; byte < 256; byte++) {
    let crc = byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
    all[byte] = crc;
  }
  for (let i = 256; i < all.length; i++) all[i] = (all[i - 256]! >>> 8) ^ all[all[i - 256]! & 0xff]!;
  return all;
}

/**
 * The CRC-32C of bytes.
 *
 * @param bytes Only read.
 * @param previous The CRC-32C of what stands before them: 0 if nothing does.
 * @returns 0 to 2^32 - 1.
 * @source pg_crc32c.h: INIT_CRC32C, COMP_CRC32C, FIN_CRC32C
 * @example crc32c(new TextEncoder().encode("123456789")) // 0xe3069283
 */
export function crc32c(bytes: Uint8Array, previous = 0): number {
  return crc32cOf(bytes, 0, bytes.length, previous);
}

/** The same of the bytes from `start` up to `end`: a view of them takes as long as the CRC-32C of a short record of WAL. */
export function crc32cOf(bytes: Uint8Array, start: number, end: number, previous: number): number {
  const t = tables;
  let crc = ~previous;
  let at = start;
  for (const last = end - 7; at < last; at += 8) {
    const low = crc ^ (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24));
    crc =
      t[1792 + (low & 0xff)]! ^
      t[1536 + ((low >>> 8) & 0xff)]! ^
      t[1280 + ((low >>> 16) & 0xff)]! ^
      t[1024 + (low >>> 24)]! ^
      t[768 + bytes[at + 4]!]! ^
      t[512 + bytes[at + 5]!]! ^
      t[256 + bytes[at + 6]!]! ^
      t[bytes[at + 7]!]!;
  }
  for (; at < end; at++) crc = (crc >>> 8) ^ t[(crc ^ bytes[at]!) & 0xff]!;
  return ~crc >>> 0;
}

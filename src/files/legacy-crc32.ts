/**
 * The checksum of 9.4's state files: meant to be CRC-32, but with a table of reflected bytes and shifts of the other kind, which gives
 * a sum of its own.
 *
 * @source pg_crc.h: COMP_CRC32 in 9.4, COMP_LEGACY_CRC32 since
 */

/** pg_crc32_table: of CRC-32's polynomial, reflected. */
const table = /* @__PURE__ */ Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0xedb88320 : crc >>> 1;
  return crc;
});

/** The sum of bytes before its last step, which turns all bits over: betas of 9.4 left that out. */
export function legacyCrc32(bytes: Uint8Array): number {
  let crc = 0xffffffff;
  for (const byte of bytes) crc = table[((crc >>> 24) ^ byte) & 0xff]! ^ (crc << 8);
  return crc >>> 0;
}

/** CRC-32C: the check value of the catalogue of CRCs, the examples of RFC 3720, and that parts can follow each other. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c, crc32cOf } from "../../src/kernel/crc32c.ts";
import { law } from "../laws/law.ts";

test.each([
  ["nothing", new Uint8Array(0), 0],
  ["123456789", new TextEncoder().encode("123456789"), 0xe3069283],
  ["32 bytes of zeros", new Uint8Array(32), 0x8a9136aa],
  ["32 bytes of ones", new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ["0 to 31", Uint8Array.from({ length: 32 }, (_, i) => i), 0x46dd794e],
  ["31 to 0", Uint8Array.from({ length: 32 }, (_, i) => 31 - i), 0x113fdb5c],
])("%s", (_, bytes, crc) => {
  expect(crc32c(bytes)).toBe(crc);
});

law(
  "of parts, one after the other, it is that of the whole",
  fc.property(fc.uint8Array({ maxLength: 200 }), fc.nat(200), (bytes, at) => {
    expect(crc32c(bytes.subarray(at), crc32c(bytes.subarray(0, at)))).toBe(crc32c(bytes));
  }),
);

/** Bit by bit, as the polynomial is defined. */
function slowly(bytes: Uint8Array): number {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = crc & 1 ? (crc >>> 1) ^ 0x82f63b78 : crc >>> 1;
  }
  return ~crc >>> 0;
}

law(
  "of bytes of any length, wherever they lie in memory, it is what the polynomial says",
  fc.property(fc.nat(1300), fc.nat(20), fc.nat(), (length, start, seed) => {
    const memory = Uint8Array.from({ length: length + start + 5 }, (_, i) => Math.imul(i + seed, 0x9e3779b1) >>> 24);
    const bytes = memory.subarray(start, start + length);
    expect(crc32c(bytes)).toBe(slowly(bytes));
    expect(crc32cOf(memory, start, start + length, 0)).toBe(slowly(bytes));
  }),
  500,
);

/** CRC-32C: the check value of the catalogue of CRCs, the examples of RFC 3720, and that parts can follow each other. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { crc32c } from "../../src/crc32c.ts";
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

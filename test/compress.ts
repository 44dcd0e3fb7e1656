/** Frames of zstd and LZ4 around bytes that are stored as they are: Node 20 has no compressor for them. */
import xxhash from "xxhash-wasm";
import { concat } from "../src/arbitraries/bytes.ts";

const { h32Raw } = await xxhash();

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

function blocks(bytes: Uint8Array, size: number): Uint8Array[] {
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}

/** With checksums of the header, each block and the contents. */
export function lz4Frame(bytes: Uint8Array): Uint8Array {
  const flags = Uint8Array.of(0x74, 0x40);
  const stored = blocks(bytes, 65536).flatMap((block) => [u32(block.length | 0x80000000), block, u32(h32Raw(block))]);
  const checksum = Uint8Array.of((h32Raw(flags) >> 8) & 0xff);
  return concat(u32(0x184d2204), flags, checksum, ...stored, u32(0), u32(h32Raw(bytes)));
}

/** Without a checksum. */
export function zstdFrame(bytes: Uint8Array): Uint8Array {
  const pieces = blocks(bytes, 8192);
  const stored = pieces.flatMap((block, i) => [
    u32((block.length << 3) | (i === pieces.length - 1 ? 1 : 0)).subarray(0, 3),
    block,
  ]);
  return concat(u32(0xfd2fb528), Uint8Array.of(0, 7 << 3), ...stored);
}

/**
 * Bytes after their number, as pq_sendcountedtext writes it: 32 bits. Apart from Reader and Writer, since a message inside
 * CopyData has none.
 */
import { isBytes, lengthOf, refuse } from "./check.ts";
import { viewOf } from "./parts.ts";
import type { Reader } from "./reader.ts";
import type { Writer } from "./writer.ts";

/** A view of as many bytes as the count before them says. */
export function readCounted(
  r: Reader,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): Uint8Array {
  const length = r.u32(path, index, field);
  const start = r.skip(length, path, index, field);
  return viewOf(r.bytes, start, start + length);
}

/** The bytes behind their count. */
export function writeCounted(
  w: Writer,
  value: Uint8Array,
  path: string,
  index?: number | undefined,
  field?: string | undefined,
): void {
  if (!isBytes(value)) refuse("a Uint8Array", value, path, index, field);
  w.u32(lengthOf(value), path, index, field);
  w.rest(value, path, index, field);
}

/**
 * Memory for small arrays of bytes: parts of one buffer, as Node's Buffer has them.
 *
 * An array with a buffer of its own takes 300 ns, which is more than all that is written into it takes; a part takes 20 (Node 20,
 * 2 shared cores). No byte is handed out twice. Copy an array before its buffer is transferred to a worker.
 */

/** Longer ones get a buffer of their own, since a part keeps the whole buffer in memory. */
const LONGEST = 1024;
const BUFFER = 8192;

let buffer = new ArrayBuffer(0);
let used = 0;

/** Zeros that belong to the caller. */
export function newBytes(length: number): Uint8Array {
  if (length > LONGEST) return new Uint8Array(length);
  if (used + length > buffer.byteLength) {
    buffer = new ArrayBuffer(BUFFER);
    used = 0;
  }
  const part = new Uint8Array(buffer, used, length);
  used += length;
  return part;
}

/** A view of bytes from `start` up to `end`: a plain Uint8Array also for a Buffer, whose `subarray` returns a Buffer. */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

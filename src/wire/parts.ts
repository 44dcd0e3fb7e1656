/**
 * Memory for small arrays of bytes: parts of one buffer, as Node's Buffer has them.
 *
 * An array with a buffer of its own takes 300 ns, which is more than all that is written into it takes; a part takes 20 (Node 20,
 * 2 shared cores). No byte is handed out twice. Who transfers such a buffer to a worker must copy the array first.
 */

/** Longer ones get a buffer of their own: the part that somebody keeps keeps the whole buffer. */
const LONGEST = 1024;
const BUFFER = 8192;

let buffer = new ArrayBuffer(0);
let used = 0;

/** Zeros, which are nobody else's. */
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

/** A view of bytes from `start` up to `end`: a Uint8Array, also where they are a Buffer of Node's, of which \`subarray\` gives another. */
export function viewOf(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + start, end - start);
}

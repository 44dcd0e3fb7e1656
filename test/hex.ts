/** Bytes from hexadecimal digits, blanks allowed: `hex("6b 00")`. */
export function hex(digits: string): Uint8Array {
  const packed = digits.replace(/\s+/g, "");
  if (packed.length % 2 !== 0 || /[^0-9a-f]/i.test(packed)) throw new Error(`not hexadecimal digits: ${digits}`);
  return Uint8Array.from(packed.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

/** Hexadecimal digits of bytes. */
export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("hex");
}

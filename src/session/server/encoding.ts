/** Whether bytes are UTF-8, as PostgreSQL says it. */

/**
 * The bytes at the first place that is not valid UTF-8, as a server shows them in its error: `0xc3 0x28`; undefined if all is valid.
 *
 * @source wchar.c: pg_utf8_verifystr, pg_utf8_islegal, pg_utf_mblen; mbutils.c: report_invalid_encoding
 */
export function invalidUtf8(bytes: Uint8Array): string | undefined {
  for (let at = 0; at < bytes.length; ) {
    const length = lengthOf(bytes[at]!);
    if (!isLegal(bytes, at, length)) {
      const shown = bytes.subarray(at, at + Math.min(length, 8));
      return Array.from(shown, (byte) => `0x${byte.toString(16).padStart(2, "0")}`).join(" ");
    }
    at += length;
  }
  return undefined;
}

/** Bytes of a character by its first one. */
function lengthOf(first: number): number {
  if ((first & 0xe0) === 0xc0) return 2;
  if ((first & 0xf0) === 0xe0) return 3;
  if ((first & 0xf8) === 0xf0) return 4;
  return 1;
}

function isLegal(bytes: Uint8Array, at: number, length: number): boolean {
  const first = bytes[at]!;
  if (length === 1) return first < 0x80;
  if (at + length > bytes.length) return false;
  for (let i = at + 2; i < at + length; i++) if ((bytes[i]! & 0xc0) !== 0x80) return false;
  const second = bytes[at + 1]!;
  const least = first === 0xe0 ? 0xa0 : first === 0xf0 ? 0x90 : 0x80;
  const most = first === 0xed ? 0x9f : first === 0xf4 ? 0x8f : 0xbf;
  return second >= least && second <= most && first >= 0xc2 && first <= 0xf4;
}

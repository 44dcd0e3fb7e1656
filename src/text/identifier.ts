/**
 * Identifiers as PostgreSQL reads them: folded to lower case, and cut to 63 bytes.
 *
 * A port of src/backend/parser/scansup.c, for a server in UTF-8.
 */

/** NAMEDATALEN - 1: the bytes that an identifier can have. */
export const identifierBytes = 63;

/**
 * An unquoted identifier in lower case: A to Z only, since what is not ASCII stays as it is in a multi-byte encoding.
 *
 * @source scansup.c: downcase_identifier
 */
export function downcaseIdentifier(name: string): string {
  // toLowerCase alone is twice as fast, and would fold É too.
  if (/^[\0-\x7f]*$/.test(name)) return name.toLowerCase();
  return /[A-Z]/.test(name) ? name.replace(/[A-Z]+/g, (run) => run.toLowerCase()) : name;
}

/**
 * An identifier cut to 63 bytes of UTF-8, between characters.
 *
 * A connection without a database has no encoding, and there the server cuts after 63 bytes even inside a character. No
 * JavaScript string holds what that leaves, so it is not told apart here.
 *
 * @source scansup.c: truncate_identifier; mbutils.c: pg_mbcliplen
 */
export function truncateIdentifier(name: string, limit = identifierBytes): string {
  // A UTF-16 unit takes three bytes at most.
  if (name.length * 3 <= limit) return name;
  let bytes = 0;
  for (let i = 0; i < name.length; ) {
    const point = name.codePointAt(i)!;
    bytes += point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    if (bytes > limit) return name.slice(0, i);
    i += point < 0x10000 ? 1 : 2;
  }
  return name;
}

/** An identifier in double quotes. */
export function quoteIdentifier(name: string): string {
  return `"${name.replaceAll('"', '""')}"`;
}

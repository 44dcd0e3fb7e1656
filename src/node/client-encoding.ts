/** The encodings of a session that can be read and written as text: UTF-8, and SQL_ASCII, in which nothing is converted. */
import { ArgumentError, ProtocolError } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";

const why = "walwire reads and writes text as UTF-8";

/**
 * Is it the name of an encoding whose text is read without loss?
 *
 * @source encnames.c: clean_encoding_name, pg_char_to_encoding
 */
function isRead(name: string): boolean {
  return ["utf8", "unicode", "sqlascii"].includes(name.replace(/[^A-Za-z0-9]/g, "").toLowerCase());
}

/** Check an encoding that the caller asks for. @throws ArgumentError */
export function checkClientEncoding(name: string): void {
  if (isRead(name)) return;
  throw new ArgumentError(
    "options.client_encoding",
    `options.client_encoding: expected "UTF8" or "SQL_ASCII", got ${shown(name)}: ${why}`,
  );
}

/**
 * Check the command-line options of a session: the encoding of the startup packet overrides theirs.
 *
 * @throws ArgumentError
 * @source postinit.c: process_startup_options
 */
export function checkSessionOptions(options: string): void {
  if (!/(?:^|\s)(?:-c\s*|--)client[-_]encoding\s*=/i.test(options)) return;
  throw new ArgumentError(
    "options.options",
    "options.options: client_encoding has no effect there: leave it out, or use the option client_encoding",
  );
}

/** Check the encoding that the server reports. @throws ProtocolError */
export function checkReportedEncoding(name: string): void {
  if (!isRead(name)) throw new ProtocolError(`the server has set client_encoding to ${shown(name)}: ${why}`);
}

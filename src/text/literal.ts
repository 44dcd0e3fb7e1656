/** String constants of SQL. */
import { printableText } from "./scan.ts";

/**
 * A text as a string constant, whatever standard_conforming_strings is.
 *
 * @throws EncodeError for anything but text without NUL.
 * @source fe-exec.c: PQescapeLiteral
 */
export function quoteLiteral(text: string): string {
  const quoted = printableText("text", text).replaceAll("'", "''");
  return quoted.includes("\\") ? `E'${quoted.replaceAll("\\", "\\\\")}'` : `'${quoted}'`;
}

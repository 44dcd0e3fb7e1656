/** Advice for a value that a server rejects: what to type instead. Following it never leads to another error at the same place. */
import { type SyncrepCapabilities, syncrepCapabilities } from "./capabilities.ts";

/**
 * On a syntax error.
 *
 * @param near The token at `offset`; undefined at the end of the text.
 * @param expected Display names of the grammar.
 */
export function advise(
  text: string,
  offset: number,
  near: string | undefined,
  expected: readonly string[],
  has: SyncrepCapabilities,
): string | undefined {
  const may = (name: string): boolean => expected.includes(name);
  const before = text.slice(0, offset);
  const previous = before.at(-1) ?? "";

  if (/^[ \t\n\r\f\v]*$/.test(text))
    return "Write the empty string, without blanks, to turn synchronous replication off.";
  if (!has.quorumCommit && /^\s*(any|first)\s+\d+\s*\(/i.test(text)) {
    return `ANY and FIRST are new in PostgreSQL ${syncrepCapabilities.since("quorumCommit")}.`;
  }
  if (!has.syncrepGrammar && /^\s*\d+\s*\(/.test(text)) {
    return `A number of standbys is new in PostgreSQL ${syncrepCapabilities.since("syncrepGrammar")}. Write only the names.`;
  }
  // What stands there between blanks, commas and parentheses.
  const [start] = /[^\s,()]*$/.exec(before.slice(-200))!;
  const [rest] = /^[^\s,()]*/.exec(text.slice(offset, offset + 200))!;
  const word = start + rest;
  const number = has.quorumCommit ? /^\s*(?:(?:any|first)\s+)?\S*$/i : /^\s*\S*$/;
  if (/^[-+.\d]+$/.test(word) && number.test(before) && /^\S*\s*\(/.test(text.slice(offset, offset + 200))) {
    return "Write the number of standbys as digits alone, 1 or more.";
  }
  if (has.quorumCommit && /^\s*(?!any\b|first\b)[a-z]+\s*$/i.test(before) && /^\d+\s*\(/.test(text.slice(offset))) {
    return `Before a number and a list, write FIRST, ANY or nothing. ${before.trim()} is not a keyword.`;
  }
  if (/[*?$%{}<>[\]]/.test(word) && !/["']/.test(word)) {
    return "Names have no patterns and no variables. List each name, or write * for any standby.";
  }
  if (near === "(") {
    const forms = has.quorumCommit ? "FIRST 1 (a, b) or ANY 1 (a, b)" : "1 (a, b)";
    return `Write the number of standbys before the list: ${forms}.`;
  }
  // A keyword in place of a name: the error is at it, or after it if it is the first word.
  const meant = may("standby name") ? near : before.trim();
  if (has.quorumCommit && meant !== undefined && /^(any|first)$/i.test(meant)) {
    if (meant !== near && near !== undefined && near !== ",") {
      return `After ${meant}, write a number and the list in parentheses: ${meant} 1 (a, b).`;
    }
    return `${meant} is a keyword. Write "${meant}" if it is the name of a standby.`;
  }
  if (near === undefined) return undefined;
  if (near === "'") return "Write standby names in double quotes or without quotes.";
  if (/^[-.:/+@]$/.test(near) && /[\w$\u0080-\uffff]/.test(previous)) {
    return "Write a name with characters other than letters, digits, _ and $ in double quotes.";
  }
  if (/\d/.test(previous) && /^[A-Za-z_\u0080-\uffff]/.test(near)) {
    return "Write a name that begins with a digit in double quotes.";
  }
  if (may('","') && !may('")"') && /\s/.test(previous) && /^["\w*\u0080-\uffff]/.test(near)) {
    return "Separate names with commas.";
  }
  return undefined;
}

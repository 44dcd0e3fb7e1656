/** Advice for a value that a server rejects: what to type instead. Following it never leads to another error at the same place. */
import { quoteIdentifier } from "../text/identifier.ts";
import { type SyncrepCapabilities, syncrepCapabilities } from "./capabilities.ts";

/**
 * On a syntax error. What an advice leads to is tried.
 *
 * @param near The token at `offset`; undefined at the end of the text.
 * @param expected Display names of the grammar.
 * @param failsAt Where another text has its first syntax error; Infinity if it has none.
 */
export function advise(
  text: string,
  offset: number,
  near: string | undefined,
  expected: readonly string[],
  has: SyncrepCapabilities,
  failsAt: (text: string) => number,
): string | undefined {
  const may = (name: string): boolean => expected.includes(name);
  const before = text.slice(0, offset);
  const previous = before.at(-1) ?? "";
  /** Put `what` there. Is the first error then behind it, and behind as many characters that follow? */
  const leadsOn = (from: number, to: number, what: string, beyond = 0): boolean =>
    failsAt(text.slice(0, from) + what + text.slice(to, to + beyond + 200)) >= from + what.length + beyond;

  if (/^[ \t\n\r\f\v]*$/.test(text))
    return "Write the empty string, without blanks, to turn synchronous replication off.";
  if (!has.quorumCommit && /^\s*(any|first)\s+\d+\s*\(/i.test(text)) {
    return `ANY and FIRST are new in PostgreSQL ${syncrepCapabilities.since("quorumCommit")}.`;
  }
  if (!has.syncrepGrammar && /^\s*\d+\s*\(/.test(text)) {
    return `A number of standbys is new in PostgreSQL ${syncrepCapabilities.since("syncrepGrammar")}. Write only the names.`;
  }
  // What stands there between blanks, commas and parentheses.
  const [start] = /[^ \t\n\r\f\v,()]*$/.exec(before.slice(-200))!;
  const [rest] = /^[^ \t\n\r\f\v,()]*/.exec(text.slice(offset, offset + 200))!;
  const word = start + rest;
  const asWord = (what: string): boolean => leadsOn(offset - start.length, offset + rest.length, what);
  const number = has.quorumCommit ? /^\s*(?:(?:any|first)\s+)?\S*$/i : /^\s*\S*$/;
  const beforeList = /^\S*\s*\(/.test(text.slice(offset, offset + 200));
  if (/^[-+.\d]+$/.test(word) && number.test(before) && beforeList && asWord("1")) {
    return "Write the number of standbys as digits alone, 1 or more.";
  }
  if (
    has.quorumCommit &&
    /^\s*(?!any\b|first\b)[a-z]+\s*$/i.test(before) &&
    /^\d+\s*\(/.test(text.slice(offset)) &&
    leadsOn(0, offset, "")
  ) {
    return `Before a number and a list, write FIRST, ANY or nothing. ${before.trim()} is not a keyword.`;
  }
  if (word !== "*" && /[*?$%{}<>[\]]/.test(word) && !/["']/.test(word) && asWord("*")) {
    return "Names have no patterns and no variables. List each name, or write * for any standby.";
  }
  const head = before.trim();
  const isKeyword = (token: string | undefined): token is string =>
    has.quorumCommit && token !== undefined && /^(any|first)$/i.test(token);
  if (near === "(" && leadsOn(offset, offset, isKeyword(head) ? " 1 " : "1 ", 1)) {
    const forms = has.quorumCommit ? "FIRST 1 (a, b) or ANY 1 (a, b)" : "1 (a, b)";
    return `Write the number of standbys before the list: ${forms}.`;
  }
  // A keyword in place of a name: the error is at it, or after it if it is the first word.
  const quotes = (token: string, from: number): string | undefined =>
    leadsOn(from, from + token.length, `"${token}"`)
      ? `${token} is a keyword. Write "${token}" if it is the name of a standby.`
      : undefined;
  if (may("standby name") && isKeyword(near)) return quotes(near, offset);
  if (!may("standby name") && isKeyword(head) && near !== head) {
    if (near === undefined || near === ",") return quotes(head, before.indexOf(head));
    return leadsOn(offset, offset, " 1 (", near.length)
      ? `After ${head}, write a number and the list in parentheses: ${head} 1 (a, b).`
      : undefined;
  }
  if (near === undefined) return undefined;
  if (near === "'") {
    const [written, inside] = /^'([^']*)'?/.exec(text.slice(offset))!;
    return leadsOn(offset, offset + written.length, quoteIdentifier(inside!))
      ? "Write standby names in double quotes or without quotes."
      : undefined;
  }
  if (/^[-.:/+@]$/.test(near) && /[\w$\u0080-\uffff]/.test(previous) && asWord(quoteIdentifier(word))) {
    return "Write a name with characters other than letters, digits, _ and $ in double quotes.";
  }
  if (/\d/.test(previous) && /^[A-Za-z_\u0080-\uffff]/.test(near) && asWord(quoteIdentifier(word))) {
    return "Write a name that begins with a digit in double quotes.";
  }
  const isBetween = may('","') && !may('")"') && /\s/.test(previous) && /^["\w*\u0080-\uffff]/.test(near);
  return isBetween && leadsOn(offset, offset, ", ", near.length) ? "Separate names with commas." : undefined;
}

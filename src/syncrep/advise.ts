/** What a person can do about a value that a server refuses, for the mistakes that people make: a sentence of ours. */
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
    return "Write the empty string, without blanks, to switch synchronous replication off.";
  if (!has.quorumCommit && /^\s*(any|first)\s+\d+\s*\(/i.test(text)) {
    return `ANY and FIRST are known since PostgreSQL ${syncrepCapabilities.since("quorumCommit")}.`;
  }
  if (!has.syncrepGrammar && /^\s*\d+\s*\(/.test(text)) {
    return `A number of standbys is known since PostgreSQL ${syncrepCapabilities.since("syncrepGrammar")}: before, write the names alone.`;
  }
  if (near === "(") {
    const forms = has.quorumCommit ? "FIRST 1 (a, b) or ANY 1 (a, b)" : "1 (a, b)";
    return `Write how many standbys to wait for before the list: ${forms}.`;
  }
  // A keyword where a name was meant: the server stumbles at it, or at what follows the first word.
  const meant = may("standby name") ? near : before.trim();
  if (has.quorumCommit && meant !== undefined && /^(any|first)$/i.test(meant)) {
    return `${meant} is a keyword: write "${meant}" to name a standby so.`;
  }
  if (near === undefined) return undefined;
  if (near === "'") return "Standby names stand in double quotes, or in none.";
  if (/^[-.:/+@]$/.test(near) && /[\w$\u0080-\uffff]/.test(previous)) {
    return "Write a name with anything but letters, digits, _ and $ in double quotes.";
  }
  if (/\d/.test(previous) && /^[A-Za-z_\u0080-\uffff]/.test(near)) {
    return "Write a name that begins with a digit in double quotes.";
  }
  if (may('","') && !may('")"') && /\s/.test(previous) && /^["\w*\u0080-\uffff]/.test(near)) {
    return "Separate names with commas.";
  }
  return undefined;
}

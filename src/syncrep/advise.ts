/** What a person can do about a value that a server refuses, for the mistakes that people make: a sentence of ours. */

/**
 * On a syntax error.
 *
 * @param near The token at `offset`, as the server names it; undefined at the end of the text.
 * @param expected Display names of the grammar.
 */
export function advise(
  text: string,
  offset: number,
  near: string | undefined,
  expected: readonly string[],
): string | undefined {
  const may = (name: string): boolean => expected.includes(name);
  const previous = text[offset - 1] ?? "";

  if (text.trim() === "") return "Write the empty string, without blanks, to switch synchronous replication off.";
  if (near === undefined) {
    if (/^\s*(any|first)\s*$/i.test(text))
      return `${text.trim()} is a keyword: write "${text.trim()}" to name a standby so.`;
    return undefined;
  }
  if (may("standby name") && /^(any|first)$/i.test(near))
    return `${near} is a keyword: write "${near}" to name a standby so.`;
  if (near === "(") return "Write how many standbys to wait for before the list: FIRST 1 (a, b) or ANY 1 (a, b).";
  if (near === "'") return "Standby names stand in double quotes, or in none.";
  if (/^[-.:/+@]$/.test(near) && /[\w$\u0080-\uffff]/.test(previous)) {
    return "Write a name with anything but letters, digits, _ and $ in double quotes.";
  }
  if (/\d/.test(previous) && /^[A-Za-z_\u0080-\uffff]/.test(near))
    return "Write a name that begins with a digit in double quotes.";
  if (may('","') && !may('")"') && /\s/.test(previous) && /^["\w*\u0080-\uffff]/.test(near))
    return "Separate names with commas.";
  return undefined;
}

/**
 * The rules of the keywords, from their one list in src/command/keywords.ts: K_WORD for each, first_token_of_command, and
 * reserved_keyword. Peggy reads them as one more input.
 */
import { keywords } from "../src/command/keywords.ts";

export const keywordRules = [
  ...[...keywords].map(([word, { since }]) => {
    // A word of letters and digits alone may also begin an LSN, where that takes any letter: flex takes the longest match.
    const scanned = `"${word}" = "${word}" ${word.includes("_") ? "!ident_cont" : "end_of_word"} _`;
    // The capability comes first, so that a keyword that the server does not have is not among what it expected.
    return since === undefined
      ? `K_${word} ${scanned}`
      : `K_${word} = &{ return options.has.${since}; } ${word}\n${word} ${scanned}`;
  }),
  // Most SQL is in small letters.
  `first_token_of_command = &[A-Z] (${choice("command")})`,
  `reserved_keyword = ${choice("reserved")}`,
  "",
].join("\n");

function choice(flag: "command" | "reserved"): string {
  return [...keywords].flatMap(([word, row]) => (row[flag] ? [`K_${word}`] : [])).join(" / ");
}

/** Lists of names in words. */

/** More names, or more sets, than a person would read. */
export const MANY = 10;

/** "a and b", "a or b", "any 2 of a, b and c". */
export function someOf(number: number, names: readonly string[]): string {
  if (number > 1 && number < names.length) return `any ${number} of ${listed(names, "and")}`;
  return listed(names, number === 1 ? "or" : "and");
}

/** "a, b", or "a and b". */
export function listed(words: readonly string[], last?: string): string {
  if (words.length > MANY) return `${words.slice(0, MANY).join(", ")} and ${words.length - MANY} more`;
  if (last === undefined || words.length < 2) return words.join(", ");
  return `${words.slice(0, -1).join(", ")} ${last} ${words.at(-1)}`;
}

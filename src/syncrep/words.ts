/** Names of standbys in sentences. */
import { listed } from "../kernel/words.ts";

/** More names, or more sets of them, than anybody reads. */
export const MANY = 10;

/** "any 2 of a, b and c", "a or b", "a and b". */
export function someOf(number: number, names: readonly string[]): string {
  if (number > 1 && number < names.length) return `any ${number} of ${listedNames(names, "and")}`;
  return listedNames(names, number === 1 ? "or" : "and");
}

/** "a, b", or with a conjunction "a and b"; of many names the first, and how many more there are. */
export function listedNames(names: readonly string[], conjunction?: "and" | "or"): string {
  if (names.length > MANY) return `${names.slice(0, MANY).join(", ")} and ${names.length - MANY} more`;
  return conjunction === undefined ? names.join(", ") : listed(names, conjunction);
}

/** Sentences of ours about options that a server does not have, or has twice. */
import { downcaseIdentifier, identifierBytes } from "../../text/identifier.ts";
import { type CommandCapability, commandCapabilities } from "../capabilities.ts";
import type { Check } from "./refusal.ts";

/** Names, each with what a server needs for it. */
export type OptionNames = Readonly<Record<string, CommandCapability | undefined>>;

/**
 * On a name that this server does not know.
 *
 * @param why Why a name is of no use here, if it would be the next to be rejected: "is given already".
 */
export function adviseOnName(
  name: string,
  names: OptionNames,
  check: Check,
  why: (name: string) => string | undefined = () => undefined,
): string {
  const needs = Object.hasOwn(names, name) ? names[name] : undefined;
  if (needs !== undefined) return `The option ${name} is new in ${commandCapabilities.since(needs)}.`;
  const known = Object.keys(names).filter((each) => names[each] === undefined || check.supports(names[each]));
  const nearest = nearestName(downcaseIdentifier(name), known);
  if (nearest !== undefined) {
    const reason = why(nearest);
    return reason === undefined
      ? `Did you mean ${nearest}?`
      : `It looks like ${nearest}, which ${reason}: leave it out.`;
  }
  return known.length > 1 ? `The options are ${known.join(", ")}.` : `The only option is ${known[0]}.`;
}

/** The one that fewest changes lead to, if they are few. */
export function nearestName(name: string, known: readonly string[]): string | undefined {
  if (name.length > identifierBytes) return undefined;
  let [nearest, least]: [string | undefined, number] = [undefined, Math.min(2, Math.floor(name.length / 3)) + 1];
  for (const each of known) {
    const changes = distance(name, each);
    if (changes < least) [nearest, least] = [each, changes];
  }
  return nearest;
}

/** How many characters to insert, delete or replace to get from one to the other. */
function distance(from: string, to: string): number {
  let row = Array.from({ length: to.length + 1 }, (_, i) => i);
  for (let i = 1; i <= from.length; i++) {
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + (from[i - 1] === to[j - 1] ? 0 : 1);
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1));
    }
    row = next;
  }
  return row[to.length]!;
}

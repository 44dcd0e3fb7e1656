/** Sentences of ours that several checks need. */

import { downcaseIdentifier, identifierBytes } from "../../text/identifier.ts";
import { type CommandCapability, commandCapabilities } from "../capabilities.ts";

/** The names that an option may have, each with what a server needs for it beside the command. */
export type OptionNames = Readonly<Record<string, CommandCapability | undefined>>;

/** On an option that this server does not know. */
export function adviseOnName(name: string, names: OptionNames, server: number): string {
  if (Object.hasOwn(names, name)) return `The option ${name} is new in ${commandCapabilities.since(names[name]!)}.`;
  const known = Object.keys(names).filter(
    (each) => names[each] === undefined || commandCapabilities.supports(server, names[each]),
  );
  const nearest = nearestName(downcaseIdentifier(name), known);
  if (nearest !== undefined) return `Did you mean ${nearest}?`;
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

/** How many characters to put in, drop, or replace to get from one to the other. */
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

export function adviseOnRepetition(name: string): string {
  return `The option ${name} is given twice: leave one out.`;
}

/** Lists of names in the text of an option. */
import { downcaseIdentifier, truncateIdentifier } from "../../text/identifier.ts";
import type { Check } from "./refusal.ts";

/** What ends white space, and what ends a name without quotes. */
const withoutVerticalTab = [/[^ \t\n\r\f]/g, /[ \t\n\r\f,]/g] as const;
const withVerticalTab = [/[^ \t\n\r\f\v]/g, /[ \t\n\r\f\v,]/g] as const;

/**
 * Names with commas between and white space around; undefined if the text is no such list. Nothing but white space is no name.
 *
 * @source varlena.c: SplitIdentifierString
 */
export function splitIdentifierString(check: Check, text: string): string[] | undefined {
  const [noSpace, endOfBareName] = check.supports("verticalTabIsSpace") ? withVerticalTab : withoutVerticalTab;
  /** Where the next such character is, or the end. */
  const next = (what: RegExp, from: number): number => {
    what.lastIndex = from;
    return what.exec(text)?.index ?? text.length;
  };
  const found: string[] = [];
  let at = next(noSpace, 0);
  if (at === text.length) return found;
  for (;;) {
    const quoted = text[at] === '"';
    const start = quoted ? at + 1 : at;
    const end = quoted ? closingQuote(text, start) : next(endOfBareName, at);
    if (end === -1 || (end === at && !quoted)) return undefined;
    const name = text.slice(start, end);
    found.push(truncateIdentifier(quoted ? name.replaceAll('""', '"') : downcaseIdentifier(name)));
    at = next(noSpace, quoted ? end + 1 : end);
    if (at === text.length) return found;
    if (text[at] !== ",") return undefined;
    at = next(noSpace, at + 1);
  }
}

/** The first double quote that is not one of two; -1 if there is none. */
function closingQuote(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
  return end;
}

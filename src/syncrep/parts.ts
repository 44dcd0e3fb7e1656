/** Where tokens end, as the scanner finds them, and the parts of a text that is known to be a value. */
import type { SyncrepCapabilities } from "./capabilities.ts";

/** A piece of a text, in UTF-16 code units from its start; without the white space around it. */
export interface TextRange {
  /** Where it begins. */
  readonly offset: number;
  /** Where what follows begins. */
  readonly end: number;
}

/** Where the parts of a value stand. */
export interface Parts {
  /** The word FIRST or ANY; undefined where there is none. */
  readonly syncrepMethod: TextRange | undefined;
  /** The number; undefined for a list alone. */
  readonly numSync: TextRange | undefined;
}

export const blanks = /[ \t\n\r\f\v]*/y;
const identifierOrNumber = /[A-Za-z_\x80-\uffff][\w$\x80-\uffff]*|\d+/y;
const word = /[^, \t\n\r\f\v]+/y;

/**
 * The end of the token that begins here: a name, a number, `(`, `)`, `,`, or a character that is none of these. An open quote takes all
 * the rest.
 *
 * @source syncrep_scanner.l; before 9.6 varlena.c: SplitIdentifierString
 */
export function tokenEnd(text: string, offset: number, has: SyncrepCapabilities): number {
  if (text[offset] !== '"') return matchEnd(has.syncrepGrammar ? identifierOrNumber : word, text, offset) ?? offset + 1;
  for (let at = offset + 1; ; at += 2) {
    at = text.indexOf('"', at);
    if (at === -1) return text.length;
    if (text[at + 1] !== '"') return at + 1;
  }
}

/** Where a sticky pattern ends that matches here. */
export function matchEnd(pattern: RegExp, text: string, offset: number): number | undefined {
  pattern.lastIndex = offset;
  return pattern.test(text) ? pattern.lastIndex : undefined;
}

/** The range of a part by its index, in a list that has the offset and the end of each. */
export function rangeAt(places: readonly number[], i: number): TextRange | undefined {
  const offset = places[2 * i];
  return offset === undefined ? undefined : { offset, end: places[2 * i + 1]! };
}

/** The parts of a value. Of each name there are the offset and the end: objects of millions of names would take seconds. */
export function partsOf(text: string, has: SyncrepCapabilities): Parts & { readonly places: readonly number[] } {
  let places: number[] = [];
  let head: number[] = [];
  for (let end = 0; ; ) {
    const offset = matchEnd(blanks, text, end)!;
    if (offset === text.length) break;
    end = tokenEnd(text, offset, has);
    const first = text[offset];
    // Before 9.6 parentheses are letters.
    if (first === "(" && has.syncrepGrammar) [head, places] = [places, []];
    else if (first !== "," && !(first === ")" && has.syncrepGrammar)) places.push(offset, end);
  }
  const last = head.length / 2 - 1;
  return { syncrepMethod: last > 0 ? rangeAt(head, 0) : undefined, numSync: rangeAt(head, last), places };
}

/** Where things stand in a text that is known to be a value of `synchronous_standby_names`: the tokens alone tell. */
import { syncrepCapabilities } from "./capabilities.ts";
import { type Token, tokens } from "./parse.ts";

/** A piece of a text, in UTF-16 code units from its start; without the white space around it. */
export interface TextRange {
  readonly offset: number;
  /** Where what follows begins. */
  readonly end: number;
}

export interface Parts {
  /** The word FIRST or ANY; undefined where there is none. */
  readonly syncrepMethod: TextRange | undefined;
  /** The number; undefined for a list alone. */
  readonly numSync: TextRange | undefined;
  readonly memberNames: readonly TextRange[];
}

export function partsOf(text: string, server: number): Parts {
  const list = tokens(text, server);
  // Parentheses are around the names or nowhere, and a number is before them. Where there is no such grammar they are letters.
  const grammar = syncrepCapabilities.supports(server, "syncrepGrammar");
  const open = grammar ? list.findIndex((token) => token.text === "(") : -1;
  const memberNames: TextRange[] = [];
  for (let i = open + 1; i < list.length; i++) {
    const token = list[i]!;
    if (token.text !== "," && !(grammar && token.text === ")")) memberNames.push(rangeOf(token));
  }
  return {
    syncrepMethod: open > 1 ? rangeOf(list[0]!) : undefined,
    numSync: open > 0 ? rangeOf(list[open - 1]!) : undefined,
    memberNames,
  };
}

function rangeOf({ text, offset }: Token): TextRange {
  return { offset, end: offset + text.length };
}

/**
 * Text made of tokens, for arbitraries of languages: correct, almost correct and hostile.
 *
 * All of it can be sent to a server: no NUL character, no unpaired surrogate.
 */
import fc from "fast-check";

/** An object like those that parsers return, with every property and the usual prototype. */
export function record<T>(model: { [K in keyof T]: fc.Arbitrary<T[K]> }): fc.Arbitrary<T> {
  return fc.record<T>(model, { noNullPrototype: true });
}

/** A part of a production: a word, or an arbitrary of a token or of tokens. */
type Part = string | fc.Arbitrary<string> | fc.Arbitrary<readonly string[]>;

/** The parts in order, as one list of tokens. */
export function sequence(...parts: readonly Part[]): fc.Arbitrary<readonly string[]> {
  const arbitraries = parts.map(
    (part): fc.Arbitrary<string | readonly string[]> => (typeof part === "string" ? fc.constant(part) : part),
  );
  return fc.tuple(...arbitraries).map((tokens) => tokens.flat());
}

/** The parts in order, or nothing. */
export function optional(...parts: readonly Part[]): fc.Arbitrary<readonly string[]> {
  return fc.oneof(fc.constant([]), sequence(...parts));
}

/** One item or more, with commas between. */
export function commaList(item: fc.Arbitrary<readonly string[]>, maxLength = 4): fc.Arbitrary<readonly string[]> {
  return fc
    .array(item, { minLength: 1, maxLength })
    .map((items) => items.flatMap((tokens, i) => (i === 0 ? tokens : [",", ...tokens])));
}

/**
 * Split a text into pieces that a scanner could read as tokens: words, numbers, LSNs, quoted strings, single characters. White space
 * stays with the piece after it.
 */
export function pieces(text: string): readonly string[] {
  return text
    .match(/\s*(?:[\dA-Za-z]+\/[\dA-Za-z]+|[\w$\u0080-\uffff]+|'(?:[^']+|'')*'?|"(?:[^"]+|"")*"?|.|$)/gs)!
    .filter((piece) => piece !== "");
}

/** Characters that scanners treat differently: one of each class, and those with a meaning in other languages of PostgreSQL. */
const notableCharacters = [
  ..." \t\n\r\f\v'\"`\\();,.:*/-+=$_#@!?<>[]{}|&%^~aAfFgGzZ019éÄſKİ世😀\u00a0\u2028\ufeff\u0001\u007f\u0080",
];

// fc.string with such a unit builds a table of all characters, which takes longer than all texts of a test.
const anyCharacter = fc
  .integer({ min: 1, max: 0x10ffff })
  .filter((point) => point < 0xd800 || point > 0xdfff)
  .map((point) => String.fromCodePoint(point));

/** Any character that can be sent to a server, often one that scanners treat specially. */
export function character(): fc.Arbitrary<string> {
  return fc.oneof(
    { weight: 6, arbitrary: fc.constantFrom(...notableCharacters) },
    { weight: 1, arbitrary: anyCharacter },
  );
}

/** A string of these characters. */
export function characters(maxLength = 12): fc.Arbitrary<string> {
  return fc.string({ unit: character(), maxLength });
}

/** Usually one blank; sometimes nothing, so that tokens join, or characters that only some versions or none treat as white space. */
const separator = fc.oneof(
  { weight: 16, arbitrary: fc.constant(" ") },
  { weight: 2, arbitrary: fc.constant("") },
  { weight: 2, arbitrary: fc.constantFrom("  ", "\t", "\n", "\r\n", "\f") },
  { weight: 1, arbitrary: fc.constantFrom("\v", "\u00a0", "/* */", "--\n") },
);

/** White space in every version. */
const plainSeparator = fc.constantFrom(" ", " ", " ", "  ", "\n", "\t");

/**
 * Text of tokens, in equal parts unchanged, with tokens changed, and with characters changed; sometimes any text at all.
 *
 * @param tokens Correct texts.
 * @param token Another token of the language, to insert where it does not belong.
 */
export function almost(tokens: fc.Arbitrary<readonly string[]>, token: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const right = joined(tokens, plainSeparator);
  const wrongTokens = joined(
    fc
      .tuple(tokens, fc.array(tokenChange(token), { minLength: 1, maxLength: 3 }))
      .map(([list, changes]) => changes.reduce((changed: readonly string[], change) => change(changed), list)),
    separator,
  );
  const wrongCharacters = fc
    .tuple(joined(tokens, separator), fc.array(characterChange, { maxLength: 2 }))
    .map(([text, changes]) => changes.reduce((changed, change) => change(changed), [...text]).join(""));
  const anything = fc.oneof(characters(30), joined(fc.array(token, { maxLength: 8 }), separator));
  return fc.oneof(
    { weight: 3, arbitrary: right },
    { weight: 3, arbitrary: wrongTokens },
    { weight: 3, arbitrary: wrongCharacters },
    { weight: 1, arbitrary: anything },
  );
}

/** The tokens with something between each two, and perhaps around them. */
function joined(tokens: fc.Arbitrary<readonly string[]>, between: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const around = fc.oneof({ weight: 4, arbitrary: fc.constant("") }, between);
  return tokens.chain((list) =>
    fc
      .tuple(around, fc.array(between, { minLength: list.length, maxLength: list.length }), around)
      .map(([before, gaps, after]) => `${before}${list.map((t, i) => (i === 0 ? t : gaps[i] + t)).join("")}${after}`),
  );
}

/**
 * A position in a list of unknown length, as a fraction of the length. Late positions are more frequent, since a failure at the first
 * token tests little.
 */
const place = fc.nat(0xffff).map((share) => (length: number) => Math.floor(Math.sqrt(share / 0x10000) * length));

/** Remove, repeat, swap, insert or replace a token, change its case, or cut off the rest. */
function tokenChange(token: fc.Arbitrary<string>): fc.Arbitrary<(list: readonly string[]) => readonly string[]> {
  return fc.tuple(fc.nat(6), place, token).map(([what, where, other]) => (list) => {
    const at = where(list.length + (what === 0 ? 1 : 0));
    const here = list[at] ?? other;
    switch (what) {
      case 0:
        return list.toSpliced(at, 0, other);
      case 1:
        return list.toSpliced(at, 1);
      case 2:
        return list.toSpliced(at, 0, here);
      case 3:
        return list.toSpliced(at, 2, ...list.slice(at, at + 2).reverse());
      case 4:
        return list.toSpliced(at, 1, other);
      case 5:
        return list.toSpliced(at, 1, here === here.toLowerCase() ? here.toUpperCase() : here.toLowerCase());
      default:
        return list.slice(0, at);
    }
  });
}

/** Insert, remove or replace a character, or cut off the rest. */
const characterChange: fc.Arbitrary<(text: string[]) => string[]> = fc
  .tuple(fc.nat(3), place, character())
  .map(([what, where, other]) => (text) => {
    const at = where(text.length + (what === 0 ? 1 : 0));
    if (what === 3) return text.slice(0, at);
    return text.toSpliced(at, what === 0 ? 0 : 1, ...(what === 1 ? [] : [other]));
  });

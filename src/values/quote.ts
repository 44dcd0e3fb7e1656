/**
 * Parts of a value in its text: what arrays, ranges and composites have in common. A part stands in double quotes if it is empty or
 * holds a character that means something around it.
 */
import { badText } from "./codec.ts";

/** How a type's text quotes its parts. */
export interface Quoting {
  /** By ASCII code: characters that a part without quotes cannot hold. */
  readonly special: Uint8Array;
  /** A quote in a part is doubled, and so is a backslash; else each of them has a backslash before it. */
  readonly doubled: boolean;
}

/** Blanks as scanner_isspace has them, the quote and the backslash, and those that the type names. */
export function quoting(characters: string, doubled: boolean): Quoting {
  const special = new Uint8Array(128);
  for (const character of ` \t\n\r\v\f"\\${characters}`) special[character.charCodeAt(0)] = 1;
  return { special, doubled };
}

/** A part as it was found. */
export interface Part {
  readonly text: string;
  readonly quoted: boolean;
  /** Where it begins in the text around it: without quotes, or within them. */
  readonly start: number;
  /** Where the next character after it is. */
  readonly end: number;
}

/** The part that begins at `at`; an empty one if nothing stands there that could be one. */
export function readPart(text: string, at: number, { special, doubled }: Quoting, name: string): Part {
  if (text.charCodeAt(at) !== 0x22) {
    let end = at;
    while (end < text.length && special[text.charCodeAt(end)] !== 1) end++;
    return { text: text.slice(at, end), quoted: false, start: at, end };
  }
  let part = "";
  let from = at + 1;
  for (let i = from; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code === 0x5c) {
      part += text.slice(from, i);
      from = ++i;
    } else if (code === 0x22) {
      if (!doubled || text.charCodeAt(i + 1) !== 0x22) {
        return { text: part + text.slice(from, i), quoted: true, start: at + 1, end: i + 1 };
      }
      part += text.slice(from, i);
      from = ++i;
    }
  }
  return badText(name, text, "text whose quotes are closed", at);
}

/** A part as it is written, in quotes if it needs them, or if `force`. */
export function writePart(part: string, { special, doubled }: Quoting, force = false): string {
  let needed = force || part === "";
  for (let i = 0; i < part.length && !needed; i++) needed = special[part.charCodeAt(i)] === 1;
  return needed ? `"${part.replace(/["\\]/g, doubled ? "$&$&" : "\\$&")}"` : part;
}

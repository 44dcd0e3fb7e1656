/**
 * The quoting of parts in the text of arrays, ranges and composites. A part is in double quotes if it is empty or contains a character
 * with a meaning in the text around it.
 */
import { badText } from "./codec.ts";

/** How a type's text quotes its parts. */
export interface Quoting {
  /** By ASCII code: characters that an unquoted part cannot contain. */
  readonly special: Uint8Array;
  /** Quotes and backslashes in a part are doubled; otherwise each is preceded by a backslash. */
  readonly doubled: boolean;
}

/** Blanks as of scanner_isspace, the quote, the backslash, and the characters given. */
export function quoting(characters: string, doubled: boolean): Quoting {
  const special = new Uint8Array(128);
  for (const character of ` \t\n\r\v\f"\\${characters}`) special[character.charCodeAt(0)] = 1;
  return { special, doubled };
}

/** A part of a text. */
export interface Part {
  readonly text: string;
  readonly quoted: boolean;
  /** The offset of its first character, inside the quotes if there are any. */
  readonly start: number;
  /** The offset of the next character after it. */
  readonly end: number;
}

/** The part that begins at `at`; empty if there is none. */
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

/** The text of a part, in quotes if it needs them or if `force`. */
export function writePart(part: string, { special, doubled }: Quoting, force = false): string {
  let needed = force || part === "";
  for (let i = 0; i < part.length && !needed; i++) needed = special[part.charCodeAt(i)] === 1;
  return needed ? `"${part.replace(/["\\]/g, doubled ? "$&$&" : "\\$&")}"` : part;
}

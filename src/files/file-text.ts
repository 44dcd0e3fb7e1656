/**
 * The bytes of a small file of text, which PostgreSQL reads byte by byte in no encoding: a label or a path can be in any.
 */
import { EncodeError, ParseError, type ParseErrorInit } from "../kernel/errors.ts";
import { isBytes, plainBytes } from "../wire/check.ts";
import { decodeText, encodeText } from "../wire/text.ts";

/**
 * A file: its bytes, or its text. In text, ours and yours, U+DC80 to U+DCFF stand for bytes that are not UTF-8, so none is lost.
 */
export type FileContent = Uint8Array | string;

export class FileText {
  readonly bytes: Uint8Array;
  /** One character a byte, U+0000 to U+00FF: what the server's C code sees. */
  readonly chars: string;

  /** @throws ParseError NOT_TEXT if there are no bytes of which this is the text. */
  constructor(file: FileContent) {
    this.bytes = isBytes(file) ? plainBytes(file) : bytesOfText(file);
    this.chars = charsOf(this.bytes);
  }

  /** The text of some of the bytes. */
  text(start = 0, end = this.bytes.length): string {
    return decodeText(this.bytes, start, end);
  }

  /** @throws ParseError at a place, given in bytes. */
  refuse(at: number, init: Omit<ParseErrorInit, "text" | "offset">): never {
    const text = this.text();
    // Within a character that has several bytes these come out one by one.
    throw new ParseError({ ...init, text, offset: Math.min(text.length, this.text(0, at).length) });
  }
}

/** As many characters as a call of a function may have arguments, with room to spare. */
const ARGUMENTS = 8192;

// TextDecoder's "latin1" is Windows' own, in which bytes from 0x80 to 0x9f become other characters.
function charsOf(bytes: Uint8Array): string {
  let chars = "";
  for (let at = 0; at < bytes.length; at += ARGUMENTS) {
    chars += String.fromCharCode(...bytes.subarray(at, at + ARGUMENTS));
  }
  return chars;
}

/** The text of some of {@link FileText.chars}. */
export function textOfChars(chars: string): string {
  return decodeText(
    Uint8Array.from(chars, (char) => char.charCodeAt(0)),
    0,
    chars.length,
  );
}

function bytesOfText(text: string): Uint8Array {
  const bytes = encoded(text);
  if (bytes === undefined) {
    throw new ParseError({
      code: "NOT_TEXT",
      message: typeof text === "string" ? "there are no bytes of which this is the text" : "expected bytes or a string",
      sqlstate: "22021",
      text: typeof text === "string" ? text : "",
      offset: 0,
      advice: "Half a surrogate pair stands for no character, but U+DC80 to U+DCFF for bytes that are not UTF-8.",
    });
  }
  return bytes;
}

/**
 * The bytes of a file.
 *
 * @throws EncodeError if there are no bytes of which this is the text.
 */
export function fileBytes(path: string, text: string): Uint8Array {
  const bytes = encoded(text);
  if (bytes === undefined) throw new EncodeError(path, `${path}: half a surrogate pair stands for no character`);
  return bytes;
}

function encoded(text: string): Uint8Array | undefined {
  if (typeof text !== "string") return undefined;
  const target = new Uint8Array(text.length * 3);
  const length = encodeText(text, target, 0);
  return length < 0 ? undefined : target.slice(0, length);
}

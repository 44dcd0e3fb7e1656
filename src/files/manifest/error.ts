/** Why a manifest is refused. */
import { ParseError, type ParseErrorInit } from "../../kernel/errors.ts";
import { decodeText } from "../../wire/text.ts";

/**
 * A backup manifest that PostgreSQL rejects.
 *
 * `message` is PostgreSQL's, word for word. `text` is the line, or what of a long one is around the place; `offset` is in it.
 */
export class BackupManifestError extends ParseError {
  /** Where it goes wrong: bytes from the start of the manifest. */
  readonly position: number;

  constructor(init: ParseErrorInit & { readonly position: number }) {
    super(init);
    this.position = init.position;
  }

  /** The fields as a plain object, for JSON.stringify. */
  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), position: this.position };
  }
}

/** How much of a line is shown on either side of the place, in bytes. */
const EXCERPT = 200;

/** The line of `text`, which has a character a byte, around a place in it, as text for people. */
export function excerpt(text: string, at: number): { text: string; offset: number } {
  const lineStart = at === 0 ? 0 : text.lastIndexOf("\n", at - 1) + 1;
  const newline = text.indexOf("\n", at);
  const from = Math.max(lineStart, at - EXCERPT);
  const to = Math.min(newline === -1 ? text.length : newline, at + EXCERPT);
  const before = bytesText(text.slice(from, at));
  return { text: before + bytesText(text.slice(at, to)), offset: before.length };
}

/** The text of bytes that are given as a character each. */
export function bytesText(text: string): string {
  let all = 0;
  for (let i = 0; i < text.length; i++) all |= text.charCodeAt(i);
  if (all < 0x80) return text;
  return decodeText(bytesOf(text), 0, text.length);
}

/** Bytes that are given as a character each. */
export function bytesOf(text: string): Uint8Array {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

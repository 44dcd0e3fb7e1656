/**
 * Batches for programs in any language: one JSON value per line of input, one JSON object per line of output, in order.
 *
 * Each line is answered before more input is read, so that a program can wait for answers; memory does not grow with the number of
 * lines. Node's readline is unsuitable: it ends a line at U+2028, which JSON strings may contain.
 */
import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { ParseError } from "../../../kernel/errors.ts";
import { expectLongOutput } from "./output.ts";

/** The longest accepted line, in bytes: room for ten megabytes of text in which each character is an escape. */
const MAX_LINE = 64 * 1024 * 1024;

/** How many characters are collected before they are written. */
const BLOCK = 64 * 1024;

/** Answers a line by its value, or by the error that says why it has none. */
export interface Answerer {
  value(value: unknown): object;
  unreadable(error: ParseError): object;
}

/** Answer each line of the input on the output. The last line does not need a newline. */
export async function answerLines(
  input: AsyncIterable<Uint8Array>,
  output: Writable,
  answerer: Answerer,
): Promise<void> {
  expectLongOutput();
  let block = "";
  const write = async (): Promise<void> => {
    const text = block;
    block = "";
    if (!output.write(text)) await once(output, "drain");
  };
  let isFirst = true;
  for await (const lines of linesOf(input)) {
    for (const [i, each] of lines.entries()) {
      // Windows programs may begin with a byte order mark, which is not part of the line.
      const line = isFirst && i === 0 && typeof each === "string" ? each.replace(/^\ufeff/, "") : each;
      const answer = answerOf(line, answerer);
      if (block.length + answer.length > BLOCK) await write();
      block += answer;
    }
    isFirst = false;
    await write();
  }
}

/** The answer with its newline. */
function answerOf(line: Line, answerer: Answerer): string {
  const unreadable = (message: string): string => {
    const error = new ParseError({ code: "NOT_TEXT", message, sqlstate: "22021", text: "", offset: 0 });
    return `${JSON.stringify(answerer.unreadable(error))}\n`;
  };
  if (typeof line !== "string") return unreadable(line.unreadable);
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return unreadable("the line is not JSON");
  }
  const answer = answerer.value(value);
  try {
    return `${JSON.stringify(answer)}\n`;
  } catch (error) {
    // An error may repeat the text, with an escape for each character.
    if (!(error instanceof RangeError)) throw error;
    return unreadable("the answer is longer than a string can be");
  }
}

/** A line without its newline, or the reason why it cannot be read. */
type Line = string | { readonly unreadable: string };

/** The lines of a stream of bytes: at each chunk, those that it completes. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line[]> {
  /** The incomplete line, in pieces; if it is too long, only its length is kept. */
  let pieces: Uint8Array[] = [];
  let length = 0;
  const keep = (piece: Uint8Array): void => {
    length += piece.length;
    if (length > MAX_LINE) pieces = [];
    else pieces.push(piece);
  };
  /** The incomplete line with these bytes, and the lines after it. */
  const complete = (bytes: Uint8Array): Line[] => {
    const newline = bytes.indexOf(NEWLINE);
    const first = newline === -1 ? bytes : bytes.subarray(0, newline);
    keep(first);
    const line: Line =
      length > MAX_LINE ? { unreadable: `the line is longer than ${MAX_LINE} bytes` } : textOf(Buffer.concat(pieces));
    pieces = [];
    length = 0;
    return newline === -1 ? [line] : [line, ...textsOf(bytes.subarray(newline + 1))];
  };
  for await (const chunk of input) {
    const end = chunk.lastIndexOf(NEWLINE);
    if (end !== -1) yield complete(chunk.subarray(0, end));
    keep(chunk.subarray(end + 1));
  }
  if (length > 0) yield complete(new Uint8Array());
}

const NEWLINE = 0x0a;

/** The lines of a block. Decoding a whole block is faster than decoding each line. */
function textsOf(block: Uint8Array): Line[] {
  if (isUtf8(block)) return bytesToText(block).split("\n");
  const lines: Line[] = [];
  for (let start = 0, end = 0; end !== -1; start = end + 1) {
    end = block.indexOf(NEWLINE, start);
    lines.push(textOf(block.subarray(start, end === -1 ? undefined : end)));
  }
  return lines;
}

function textOf(bytes: Uint8Array): Line {
  return isUtf8(bytes) ? bytesToText(bytes) : { unreadable: "the line is not UTF-8" };
}

function bytesToText({ buffer, byteOffset, byteLength }: Uint8Array): string {
  return Buffer.from(buffer, byteOffset, byteLength).toString("utf8");
}

/**
 * Batches for programs in any language: one JSON value a line in, one JSON object a line out, in order.
 *
 * What has been read is answered before more is read, so that a program can ask, wait and ask again, and nothing grows with the
 * number of lines. Node's readline is not for this: it takes U+2028, which JSON has as it is, for the end of a line.
 */
import { isUtf8 } from "node:buffer";
import { once } from "node:events";
import type { Writable } from "node:stream";
import { expectLongOutput } from "./output.ts";

/** The longest line that is read, in bytes: ten megabytes of text fit, with each character written as an escape. */
const MAX_LINE = 64 * 1024 * 1024;

/** How much is put together before it is written. */
const BLOCK = 64 * 1024;

/** Answers a line: with the value that it holds, or with why it holds none. */
export interface Answerer {
  value(value: unknown): object;
  unreadable(reason: string): object;
}

/** Answer each line of the input on the output, until the input ends. A last line may do without its newline. */
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
      // A byte order mark, which Windows programs write at the beginning, is not part of the line.
      const line = isFirst && i === 0 && typeof each === "string" ? each.replace(/^\ufeff/, "") : each;
      const answer = answerOf(line, answerer);
      if (block.length + answer.length > BLOCK) await write();
      block += answer;
    }
    isFirst = false;
    await write();
  }
}

/** With its newline. */
function answerOf(line: Line, answerer: Answerer): string {
  if (typeof line !== "string") return `${JSON.stringify(answerer.unreadable(line.unreadable))}\n`;
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return `${JSON.stringify(answerer.unreadable("the line is not JSON"))}\n`;
  }
  const answer = answerer.value(value);
  try {
    return `${JSON.stringify(answer)}\n`;
  } catch (error) {
    // A message may quote the text more than once, with an escape for each character.
    if (!(error instanceof RangeError)) throw error;
    return `${JSON.stringify(answerer.unreadable("the answer is longer than a string can be"))}\n`;
  }
}

/** A line without its newline, or why there is no text of it. */
type Line = string | { readonly unreadable: string };

/** The lines of a stream of bytes, as many at a time as a chunk completes. */
async function* linesOf(input: AsyncIterable<Uint8Array>): AsyncGenerator<Line[]> {
  /** The line that has begun, in pieces; of one that is too long only the length. */
  let pieces: Uint8Array[] = [];
  let length = 0;
  const keep = (piece: Uint8Array): void => {
    length += piece.length;
    if (length > MAX_LINE) pieces = [];
    else pieces.push(piece);
  };
  /** What has begun, and the bytes up to a newline. */
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

/** All lines of a block at once: decoding it whole is faster than line by line. */
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

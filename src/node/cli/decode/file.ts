/**
 * `walwire decode` of a file of PostgreSQL itself: what it is, is seen by what it holds, then by its name.
 */
import { basename } from "node:path";
import { type DecodeError, ParseError } from "../../../kernel/errors.ts";
import { Blocks, Progress } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { sayError } from "../shared/say-error.ts";
import { type Status, status } from "../shared/status.ts";
import { backupKinds } from "./backup.ts";
import type { Source } from "./input.ts";
import type { FileCall, FileKind, Head } from "./kind.ts";
import { stateKinds } from "./state.ts";
import { MAX_ERRORS_IN_A_ROW, STOPPED } from "./stream.ts";
import { walSummary } from "./summary.ts";
import { textKinds } from "./texts.ts";
import { walSegment } from "./wal.ts";

/** In this order: what can only be one thing first. */
export const kinds: readonly FileKind[] = [...stateKinds, walSummary, walSegment, ...backupKinds, ...textKinds];

/** What a file can be beside messages, for the sentence that says it is neither: their list is in the help. */
export const alsoExpected = "; or a file of PostgreSQL (walwire help decode)";

/** The kind of file that this is; undefined if it is none of PostgreSQL's own. */
export function fileKindOf({ head, path }: Source): FileKind | undefined {
  const text = Buffer.from(head.buffer, head.byteOffset, head.length).toString("latin1");
  const start: Head = { bytes: head, text, name: basename(path).replace(/\.(?:gz|zst|lz4)$/, "") };
  return kinds.find((kind) => kind.recognise(start));
}

/** Shows a file. Gives the exit status. */
export async function decodeFile(kind: FileKind, source: Source, call: FileCall): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  const progress = new Progress("parts", source.progress);
  const totals = { messages: 0, mismatches: 0, errors: 0 };
  let errorsInARow = 0;
  for await (const part of kind.read(source, call)) {
    errorsInARow = "error" in part ? errorsInARow + 1 : 0;
    if (errorsInARow > MAX_ERRORS_IN_A_ROW) {
      if (call.jsonl) output.json({ stopped: STOPPED });
      else page.mark("bad", STOPPED);
      break;
    }
    if ("error" in part) {
      totals.errors++;
      if (call.jsonl) output.json({ error: part.error });
      else sayFileError(page, part.error);
    } else {
      if (!part.uncounted) totals.messages++;
      const { json, say, mismatch } = part;
      if (mismatch !== undefined) totals.mismatches++;
      if (call.jsonl) output.json(mismatch === undefined ? json : { ...json, mismatch });
      else {
        say(page);
        if (mismatch !== undefined) page.mark("bad", `it encodes to other bytes, from byte ${mismatch} on`);
      }
    }
    await output.flush(false);
    progress.show(totals.messages);
  }
  progress.end();
  if (call.verify) output.write(`${call.jsonl ? "" : "\n"}${JSON.stringify(totals)}\n`);
  await output.flush();
  return totals.errors === 0 && totals.mismatches === 0 ? status.good : status.bad;
}

function sayFileError(page: Page, error: ParseError | DecodeError): void {
  if (error instanceof ParseError) sayError(page, error);
  else page.mark("bad", `${page.style("red", error.code)} at byte ${error.offset}: ${printable(error.message)}`);
}

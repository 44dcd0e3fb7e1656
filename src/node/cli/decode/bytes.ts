/** `walwire decode --bytes`: the fields of each message, or of a file, as a tree beside their bytes. */
import { type DissectedField, formatDissectedField, jsonOfDissection } from "../../../dissect/index.ts";
import type { Server } from "../../../kernel/version.ts";
import { Blocks, Progress } from "../shared/output.ts";
import { bytes as countedBytes, Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import type { Source } from "./input.ts";
import type { DissectedPart, FileCall, FileKind } from "./kind.ts";

/** Bytes a line, and how many lines a field has at most. */
const LINE = 8;
const LINES = 4;

/** The width of a line, and of its offset and bytes. */
const WIDTH = 100;
const LEFT = 8 + LINE * 3 + 1;

/** Show a file of PostgreSQL. Gives the exit status. */
export async function dissectFile(
  dissect: FileKind["dissect"],
  source: Source,
  { server, jsonl }: FileCall,
): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  const progress = new Progress("parts", source.progress);
  let [parts, errors] = [0, 0];
  for await (const part of dissect(source, { server })) {
    parts++;
    if (part.tree.error !== undefined) errors++;
    if (jsonl) output.json(partLine(part, server));
    else sayPart(page, part, server);
    await output.flush(false);
    progress.show(parts);
  }
  progress.end();
  await output.flush();
  return errors === 0 ? status.good : status.bad;
}

/** The object of a line of --jsonl. */
export function partLine({ tree, offset }: DissectedPart, server: Server | undefined): object {
  return { offset, ...jsonOfDissection(tree, { server }) };
}

/** A tree: a line for each field, and more where it has many bytes. */
export function sayPart(page: Page, { tree, bytes, offset }: DissectedPart, server: Server | undefined): void {
  page.line(`${page.style("bold", tree.name)}, ${countedBytes(bytes.length)} at byte ${offset.toLocaleString("en")}`);
  for (const field of tree.fields) sayField(page, field, bytes, server, 0);
  const { error } = tree;
  if (error !== undefined) {
    page.mark("bad", `${page.style("red", error.code)} ${printable(error.message)}`);
    sayBytes(page, bytes.subarray(tree.end), tree.end, "");
  }
  page.line();
}

function sayField(
  page: Page,
  field: DissectedField,
  bytes: Uint8Array,
  server: Server | undefined,
  depth: number,
): void {
  const { name, start, end, fields } = field;
  const isLeaf = fields.length === 0;
  const room = WIDTH - LEFT - depth * 2 - name.length - 1;
  const text = isLeaf ? cut(formatDissectedField(field, { server }), room) : "";
  const label = `${"  ".repeat(depth)}${page.style("bold", name)}${text === "" ? "" : ` ${text}`}`;
  sayBytes(page, isLeaf ? bytes.subarray(start, end) : new Uint8Array(0), start, label);
  for (const each of fields) sayField(page, each, bytes, server, depth + 1);
}

/** Bytes, the first of them beside a text. */
function sayBytes(page: Page, bytes: Uint8Array, start: number, text: string): void {
  if (bytes.length === 0 && text !== "") page.line(`${" ".repeat(LEFT)}${text}`);
  for (let at = 0; at < Math.min(bytes.length, LINE * LINES); at += LINE) {
    const digits = Array.from(bytes.subarray(at, at + LINE), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    const left = `${(start + at).toString(16).padStart(6, "0")}  ${digits.padEnd(LINE * 3 + 1)}`;
    page.line(`${page.style("dim", left)}${at === 0 ? text : ""}`.trimEnd());
  }
  const more = bytes.length - LINE * LINES;
  if (more > 0) page.line(page.style("dim", `        and ${countedBytes(more)} more`));
}

/** Text of so many characters at most. */
function cut(text: string, most: number): string {
  const characters = [...text];
  return characters.length <= most ? text : `${characters.slice(0, Math.max(most - 1, 0)).join("")}…`;
}

/** What `walwire decode` says to people: a line a message, errors with their place, tables and bars. */

import type { PgoutputMessage } from "../../../generated/logical.ts";
import { DecodeError, EncodeError, type ProtocolError } from "../../../kernel/errors.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import type { Server } from "../../../kernel/version.ts";
import { counted } from "../../../kernel/words.ts";
import { builtins } from "../../../values/builtin.ts";
import { traceMessage } from "../../../wire/trace.ts";
import { type Conversation, type Names, qualifiedName } from "../../conversation.ts";
import { aligned, bytes, number, type Page, printable } from "../shared/people.ts";
import { barCells, showBars } from "../shared/shares.ts";
import type { Unreadable } from "./input.ts";
import { type DecodeStats, sorted } from "./stats.ts";
import type { Decoded, DecodeStream, Side } from "./stream.ts";

/** After so many errors no more bytes are shown: a file that is taken for what it is not has nothing but errors. */
const DUMPED = 10;

/** Lines for people. */
export class DecodePage {
  readonly #page: Page;
  readonly #conversation: Conversation;
  readonly #server: Server;
  readonly #from: Side;
  #dumped = 0;

  constructor(page: Page, conversation: Conversation, server: Server, from: Side) {
    this.#page = page;
    this.#conversation = conversation;
    this.#server = server;
    this.#from = from;
  }

  /** A message in a line, and its error. */
  message(decoded: Decoded, { relations, types }: Pick<Names, "relations" | "types">): void {
    const { message, around, family, inside } = decoded;
    if (message !== undefined && around !== undefined) {
      const names = { relations, types, builtins: builtinNames(), textOf, server: this.#server };
      this.#conversation.change(around.lsn, message as PgoutputMessage, names, inside ? 1 : 0);
    } else if (message !== undefined) {
      const trace = traceMessage(family, message, this.#server);
      this.#conversation[this.#from === "server" ? "received" : "sent"](trace);
    }
    this.errors(decoded);
  }

  errors({ item, bytes, start, error, advice, mismatch }: Decoded): void {
    const where = `message ${item.number.toLocaleString("en")}, which begins at byte ${item.offset.toLocaleString("en")}`;
    if (error !== undefined) {
      this.#error(where, error);
      if (error instanceof DecodeError && ++this.#dumped <= DUMPED) this.#dump(bytes, error.offset);
      if (advice !== undefined) this.#page.line(`  ${this.#page.style("cyan", advice)}`);
    }
    if (mismatch !== undefined) {
      this.#page.mark("bad", `${where}, encodes to other bytes, from byte ${mismatch} of it on`);
      if (++this.#dumped <= DUMPED) this.#dump(bytes, mismatch - start);
    }
  }

  unreadable({ unreadable }: Unreadable): void {
    this.#page.mark("bad", printable(unreadable.message));
  }

  #error(where: string, { code, message }: DecodeError | ProtocolError): void {
    this.#page.mark("bad", `${where}: ${this.#page.style("red", code)} ${printable(message)}`);
  }

  /** Bytes around a place, sixteen a line as hexdump has them, with the place marked below. */
  #dump(bytes: Uint8Array, offset: number): void {
    const marked = offset - (offset % LINE);
    // What is missing at the end has a line too.
    const last = Math.min(marked + LINE, Math.max(bytes.length - 1, offset));
    for (let at = Math.max(0, marked - LINE); at <= last; at += LINE) {
      const part = [...bytes.subarray(at, at + LINE)];
      const digits = part.map((byte) => byte.toString(16).padStart(2, "0")).join(" ");
      const text = part.map((byte) => (byte > 0x1f && byte < 0x7f ? String.fromCharCode(byte) : ".")).join("");
      const line = `  ${at.toString(16).padStart(6, "0")}  ${digits.padEnd(LINE * 3)} ${text}`.trimEnd();
      this.#page.line(this.#page.style("dim", line));
      if (at === marked) this.#page.line(this.#page.style("red", `${" ".repeat(10 + (offset % LINE) * 3)}^^`));
    }
  }
}

let names: ReadonlyMap<number, string> | undefined;

/** Names of built-in types by oid. */
function builtinNames(): ReadonlyMap<number, string> {
  names ??= new Map(Array.from(builtins().byOid, ([oid, { name }]) => [oid, name]));
  return names;
}

/** The text of a binary value of a built-in type; undefined for what is none, or what only a server has a text of. */
function textOf(typeId: number, value: Uint8Array): string | undefined {
  const codec = builtins().byOid.get(typeId);
  try {
    const read = codec?.readBinary(value);
    // A numeric is its text, 131,072 digits from ten bytes at most: to check them all again takes as long as all the rest.
    return codec?.name === "numeric" ? (read as string) : codec?.writeText(read);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof EncodeError) return undefined;
    throw error;
  }
}

/** Bytes a line. */
const LINE = 16;

/** The messages by type, most bytes first. */
export function sayTable(page: Page, stats: DecodeStats): void {
  if (stats.all.count === 0) return;
  page.line();
  const rows = [...sorted(stats.types), ["all", stats.all] as const];
  const cells = rows.map(([name, share]) => barCells({ name, ...share }, stats.all.bytes));
  page.table(aligned([["message", "count", "bytes", ""], ...cells]), ["bold"]);
}

/** How it all ended, in words. */
export function sayTotals(page: Page, totals: DecodeStream["totals"], verified: boolean): void {
  const { messages, mismatches, errors } = totals;
  const good = mismatches === 0 && errors === 0;
  const said = [
    counted(messages, "message"),
    ...(verified ? [counted(mismatches, "mismatch", "mismatches")] : []),
    counted(errors, "error"),
  ];
  page.mark(good ? "good" : "bad", said.join(", "));
}

/** The picture of what takes the bytes. */
export function sayStats(page: Page, stats: DecodeStats): void {
  const { all, types, tables, transactions, streamed } = stats;
  page.line(`${counted(all.count, "message")}, ${bytes(all.bytes)}${over(stats)}`);
  page.heading("Messages");
  showBars(
    page,
    sorted(types).map(([name, share]) => ({ name, ...share })),
    all.bytes,
  );
  if (tables.size > 0) {
    page.heading("Tables");
    showBars(
      page,
      sorted(tables).map(([, { changes, ...share }]) => {
        const { Insert, Update, Delete } = changes;
        const more = [`+${number(Insert)}`, `~${number(Update)}`, `-${number(Delete)}`];
        return { ...share, name: nameOf(share), more };
      }),
      all.bytes,
    );
  }
  const { whole, prepared, largest } = transactions;
  if (largest === undefined && streamed.blocks === 0) return;
  page.heading("Transactions");
  const rows: string[][] = [];
  if (whole > 0) rows.push(["whole", number(whole)]);
  if (prepared > 0) rows.push(["prepared", number(prepared)]);
  if (streamed.blocks > 0) {
    rows.push([
      "streamed",
      `${number(streamed.transactions)}, in ${counted(streamed.blocks, "block")} of ${bytes(streamed.bytes)}`,
    ]);
    rows.push(["in vain", `${bytes(streamed.abortedBytes)} of them, ${counted(streamed.aborts, "abort")}`]);
  }
  if (largest !== undefined) {
    rows.push(["largest", `xid ${largest.xid}: ${counted(largest.changes, "change")}, ${bytes(largest.bytes)}`]);
  }
  page.table(rows, ["bold"]);
}

function nameOf({ schema, table }: { readonly schema: string; readonly table: string }): string {
  return schema === "" ? table : qualifiedName({ namespace: schema, name: table });
}

/** From when to when, and how many a second. */
function over({ first, last, seconds, all }: DecodeStats): string {
  if (seconds === undefined || seconds <= 0) return "";
  const rate = `${number(Math.round(all.count / seconds))} messages and ${bytes(Math.round(all.bytes / seconds))} a second`;
  return `, sent in ${seconds.toFixed(seconds < 10 ? 3 : 0)} s from ${formatPgTime(first!)} to ${formatPgTime(last!)}: ${rate}`;
}

/**
 * Trace lines: a message as one readable line, from its description.
 *
 * Whatever a peer sent is safe to print: control characters, which could command a terminal, are escaped.
 */
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { formatPgTime, type PgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { bytesOf } from "./reader.ts";
import { type Family, type Fields, type Struct, type ValueField, type ValueShape, valueFields } from "./shape.ts";
import { decodeText, hexOf } from "./text.ts";
import type { TupleData } from "./tuple.ts";

/** How many characters of a text, bytes of a byte string and elements of a list a line shows. */
const SHOWN = 64;

/**
 * A message as one line: its name, then `field=value` in wire order. Long values are cut, marked by `…`.
 *
 * @param family The family whose message it is, such as WalSenderMessage.
 * @param server In whose form LSNs are written.
 * @example traceMessage(WalSenderMessage, decodeWalSenderMessage(hex("6b 0000000006033cc8 000303e6278429f8 00"))) // "Keepalive walEnd=0/6033CC8 sendTime=2026-11-23T01:19:30.466296Z replyRequested=false"
 */
export function traceMessage(family: Family, message: { readonly type: string }, server?: Server): string {
  const entry = family.messages.find((each) => each.name === message.type);
  return entry === undefined ? message.type : [entry.name, ...traceFields(entry.fields, message, server)].join(" ");
}

/** A struct as one line: `field=value` in their order. */
export function traceStruct(struct: Struct, value: object, server?: Server): string {
  return traceFields(struct.fields, value, server).join(" ");
}

/** pg_config_manual.h: the longest path, in bytes. Messages of PostgreSQL's programs have paths whole. */
export const MAXPGPATH = 1024;

/** A text in double quotes, cut to a length, with everything escaped that a terminal could take for a command. */
export function quoteText(text: string, max: number = SHOWN): string {
  // Not between the two halves of a character.
  const cut = text.length > max ? text.slice(0, max).replace(/[\ud800-\udbff]$/, "") : text;
  const escaped = JSON.stringify(cut).replace(/[\p{C}\p{Zl}\p{Zp}]/gu, (c) => `\\u{${c.codePointAt(0)!.toString(16)}}`);
  return text.length > max ? `${escaped}…` : escaped;
}

/** Bytes as quoted text if they are text, else as hexadecimal digits behind `\x`, cut to a length. */
export function quoteBytes(bytes: Uint8Array, max: number = SHOWN): string {
  const cut = bytes.subarray(0, max * 4);
  const text = decodeText(cut, 0, cut.length);
  if (!/[\p{Cc}\p{Cs}]/u.test(text.slice(0, max).replace(/[\t\n\r]/g, ""))) {
    return quoteText(text, bytes.length > cut.length ? Math.min(max, text.length - 1) : max);
  }
  return `\\x${hexOf(bytes.subarray(0, max))}${bytes.length > max ? "…" : ""}`;
}

function traceFields(fields: Fields, value: object, server: Server | undefined): string[] {
  const values = value as Record<string, unknown>;
  return valueFields(fields)
    .filter(([name]) => values[name] !== undefined)
    .map(([name, field]) => `${name}=${traceValue(field, values[name], server)}`);
}

/** Text in quotes, binary as hexadecimal digits, else the word. */
function traceColumn(row: TupleData, i: number): string {
  const kind = row.kind(i);
  const bytes = row.valueBytes(i);
  if (bytes === undefined) return kind;
  // A character has four bytes at most, and one more says that there is more.
  return kind === "text"
    ? quoteText(decodeText(bytes, 0, Math.min(bytes.length, (SHOWN + 1) * 4)))
    : `\\x${hexOf(bytes.subarray(0, SHOWN))}${bytes.length > SHOWN ? "…" : ""}`;
}

/** The value of a field. */
export function traceValue(shape: ValueField | ValueShape, value: unknown, server: Server | undefined): string {
  switch (shape.form) {
    case "u8":
    case "u16":
    case "u32":
    case "i32":
    case "u64":
    case "i64":
    case "bool":
    case "enum":
    case "numbered":
      return String(value);
    case "lsn":
      return formatLsn(value as Lsn, { server });
    case "time":
      return formatPgTime(value as PgTime);
    case "flags": {
      const set = Object.entries(value as Record<string, boolean>).filter(([, on]) => on);
      return set.length > 0 ? set.map(([name]) => name).join("+") : "none";
    }
    case "cstring":
    case "name":
      return quoteText(value as string);
    case "bytes":
    case "counted":
    case "padding":
      return quoteBytes(value as Uint8Array);
    case "rest":
    case "extra":
      return bytesOf((value as Uint8Array).length);
    case "list": {
      const elements = value as readonly unknown[];
      const shown = elements.slice(0, SHOWN).map((element) => traceValue(shape.element, element, server));
      return `[${shown.join(", ")}${elements.length > SHOWN ? `, … ${elements.length - SHOWN} more` : ""}]`;
    }
    case "record":
      return `(${traceFields(shape.fields, value as object, server).join(" ")})`;
    case "variants": {
      const { type } = value as { type: string };
      const variant = Object.values(shape.variants).find((each) => each.type === type);
      const fields = variant === undefined ? [] : traceFields(variant.fields, value as object, server);
      return fields.length > 0 ? `${type}(${fields.join(" ")})` : type;
    }
    case "optional":
    case "after":
    case "when":
      return traceValue(shape.shape, value, server);
    case "tuple": {
      const row = value as TupleData;
      const shown = Array.from({ length: Math.min(row.length, SHOWN) }, (_, i) => traceColumn(row, i));
      return `[${shown.join(", ")}${row.length > SHOWN ? `, … ${row.length - SHOWN} more` : ""}]`;
    }
    default:
      return shape satisfies never;
  }
}

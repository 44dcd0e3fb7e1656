/**
 * The messages of the ordinary protocol that a walsender uses around copy streams, as far as base backups need them: one reader and
 * one writer each.
 *
 * @source protocol.h; printsimple.c; elog.c: send_message_to_frontend
 */
import type { ColumnDescription } from "../command/results/rows.ts";
import { EncodeError } from "../kernel/errors.ts";
import { writeCounted } from "../wire/counted.ts";
import { readCString, writeCString } from "../wire/cstring.ts";
import { encodeFrame } from "../wire/framer.ts";
import { viewOf } from "../wire/parts.ts";
import { Reader } from "../wire/reader.ts";
import { decodeText, encodeText, TEXT_WANTED } from "../wire/text.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";

/** A message of protocol 3 as a Framer gives it: the type byte, and the whole body. */
export interface SessionFrame {
  readonly tag: number;
  readonly bytes: Uint8Array;
}

/**
 * The fields of an ErrorResponse or a NoticeResponse by their letters, in the order in which they came: S and V severity (V not
 * translated), C SQLSTATE, M message, D detail, H hint, and so on.
 */
export type ServerFields = Readonly<Record<string, string>>;

/** How a transaction stands: I idle, T in a transaction, E in one that has failed. */
export type TransactionStatus = "I" | "T" | "E";

const nothing = new Uint8Array(0);

/** The names of the columns. @throws DecodeError, also for a format that is not text */
export function readRowDescription(bytes: Uint8Array): string[] {
  const r = new Reader(bytes);
  const names: string[] = [];
  for (let count = r.u16("RowDescription.columns"), i = 0; i < count; i++) {
    names.push(readCString(r, "RowDescription.columns", i, ".name"));
    r.skip(4 + 2 + 4 + 2 + 4, "RowDescription.columns", i, ".type");
    const format = r.u16("RowDescription.columns", i, ".format");
    if (format !== 0) {
      r.fail("BAD_VALUE", r.offset - 2, `is ${format}, but can be 0 only,`, "RowDescription.columns", i, ".format");
    }
  }
  r.end("RowDescription");
  return names;
}

export function writeRowDescription(columns: readonly ColumnDescription[]): Uint8Array {
  return framed("T", (w) => {
    w.u16(columns.length, "RowDescription.columns");
    for (const [i, { name, typeId, typeSize, typeModifier }] of columns.entries()) {
      writeCString(w, name, "RowDescription.columns", i, ".name");
      w.u32(0, "RowDescription.columns"); // no table,
      w.u16(0, "RowDescription.columns"); // and no column of one
      w.u32(typeId, "RowDescription.columns", i, ".typeId");
      w.u16(typeSize & 0xffff, "RowDescription.columns", i, ".typeSize");
      w.i32(typeModifier, "RowDescription.columns", i, ".typeModifier");
      w.u16(0, "RowDescription.columns"); // text
    }
  });
}

/** The values, as text; null is NULL. */
export function readDataRow(bytes: Uint8Array): (string | null)[] {
  const r = new Reader(bytes);
  const values: (string | null)[] = [];
  for (let count = r.u16("DataRow.values"), i = 0; i < count; i++) {
    const length = r.i32("DataRow.values", i);
    if (length === -1) {
      values.push(null);
      continue;
    }
    if (length < 0) r.fail("BAD_LENGTH", r.offset - 4, `is ${length} bytes long`, "DataRow.values", i);
    const start = r.skip(length, "DataRow.values", i);
    values.push(decodeText(bytes, start, start + length));
  }
  r.end("DataRow");
  return values;
}

export function writeDataRow(values: readonly (string | null)[]): Uint8Array {
  return framed("D", (w) => {
    w.u16(values.length, "DataRow.values");
    for (const [i, value] of values.entries()) {
      if (value === null) {
        w.i32(-1, "DataRow.values", i);
        continue;
      }
      writeCounted(w, bytesOfText(value, `DataRow.values[${i}]`), "DataRow.values", i);
    }
  });
}

/** The command's tag. */
export function readCommandComplete(bytes: Uint8Array): string {
  return onlyText(bytes, "CommandComplete.tag");
}

export function writeCommandComplete(tag: string): Uint8Array {
  return framed("C", (w) => writeCString(w, tag, "CommandComplete.tag"));
}

/** CopyOutResponse and CopyInResponse: a walsender's say text, and no columns. */
export function readCopyResponse(bytes: Uint8Array, name: "CopyOutResponse" | "CopyInResponse"): void {
  const r = new Reader(bytes);
  const format = r.u8(`${name}.format`);
  if (format !== 0) r.fail("BAD_VALUE", 0, `is ${format}, but can be 0 only,`, `${name}.format`);
  const count = r.u16(`${name}.columns`);
  if (count !== 0) r.fail("BAD_VALUE", 1, `are ${count}, but can be 0 only,`, `${name}.columns`);
  r.end(name);
}

export function writeCopyResponse(tag: "H" | "G"): Uint8Array {
  return encodeFrame(tag, Uint8Array.of(0, 0, 0));
}

/** Messages without a body, such as CopyDone. */
export function readNothing(bytes: Uint8Array, name: string): void {
  new Reader(bytes).end(name);
}

export function writeNothing(tag: string): Uint8Array {
  return encodeFrame(tag, nothing);
}

export function readReadyForQuery(bytes: Uint8Array): TransactionStatus {
  const r = new Reader(bytes);
  const status = String.fromCharCode(r.u8("ReadyForQuery.status"));
  if (status !== "I" && status !== "T" && status !== "E") r.notOneOf("BAD_VALUE", "ITE", "ReadyForQuery.status");
  r.end("ReadyForQuery");
  return status as TransactionStatus;
}

export function writeReadyForQuery(status: TransactionStatus): Uint8Array {
  if (status !== "I" && status !== "T" && status !== "E") {
    throw new EncodeError("ReadyForQuery.status", 'ReadyForQuery.status takes "I", "T" or "E"');
  }
  return encodeFrame("Z", Uint8Array.of(status.charCodeAt(0)));
}

/** @throws DecodeError, also for a letter that comes twice */
export function readFields(bytes: Uint8Array, name: "ErrorResponse" | "NoticeResponse"): ServerFields {
  const r = new Reader(bytes);
  // Without a prototype: a letter may be anything.
  const fields: Record<string, string> = Object.create(null);
  for (let code = r.u8(`${name}.code`); code !== 0; code = r.u8(`${name}.code`)) {
    const letter = String.fromCharCode(code);
    if (letter in fields) {
      r.fail("BAD_VALUE", r.offset - 1, `is ${JSON.stringify(letter)} for the second time`, `${name}.code`);
    }
    fields[letter] = readCString(r, `${name}.${/\w/.test(letter) ? letter : "field"}`);
  }
  r.end(name);
  return { ...fields };
}

/** @param tag E for an ErrorResponse, N for a NoticeResponse. */
export function writeFields(tag: "E" | "N", fields: ServerFields): Uint8Array {
  const name = tag === "E" ? "ErrorResponse" : "NoticeResponse";
  return framed(tag, (w) => {
    for (const [letter, value] of Object.entries(fields)) {
      if (letter.length !== 1) {
        throw new EncodeError(`${name}.code`, `${name}.code is one letter, not ${JSON.stringify(letter.slice(0, 40))}`);
      }
      w.u8(letter.charCodeAt(0), `${name}.code`);
      writeCString(w, value, `${name}.${letter}`);
    }
    w.literal("\0");
  });
}

/** The text of a message that is one C-string. */
export function onlyText(bytes: Uint8Array, path: string): string {
  const r = new Reader(bytes);
  const text = readCString(r, path);
  r.end(path);
  return text;
}

/** A view as a plain Uint8Array, whatever it was. */
export function plain(bytes: Uint8Array): Uint8Array {
  return viewOf(bytes, 0, bytes.length);
}

/** Several messages, one after the other. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

/** A frame's type byte as a person would have it: `"T"` or `0x01`. */
export function shownTag(tag: number): string {
  return tag > 0x20 && tag < 0x7f
    ? JSON.stringify(String.fromCharCode(tag))
    : `0x${(tag & 0xff).toString(16).padStart(2, "0")}`;
}

function framed(tag: string, write: (w: Writer) => void): Uint8Array {
  return encodeFrame(tag, encodeWith(write, undefined));
}

function bytesOfText(text: string, path: string): Uint8Array {
  const bytes = new Uint8Array(text.length * 3);
  const length = encodeText(text, bytes, 0);
  if (length < 0) throw new EncodeError(path, `${path} takes ${TEXT_WANTED}`);
  return bytes.subarray(0, length);
}

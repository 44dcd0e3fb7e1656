/** The rows of COPY … TO STDOUT. @source copyto.c: CopyOneRowTo, CopyAttributeOutText, CopyToBinaryOutStart */

import { rowReader } from "../values/row.ts";
import { codecIn, type TypeMap } from "../values/type-map.ts";
import type { TupleData } from "../wire/tuple.ts";
import { passesFilter } from "./encoder.ts";
import type { CopySnapshot, Publisher } from "./publisher.ts";
import type { SqlCopy } from "./sql.ts";

const utf8 = new TextEncoder();

/** The signature, no flags, no extension. */
const BINARY_HEADER = Uint8Array.of(
  0x50,
  0x47,
  0x43,
  0x4f,
  0x50,
  0x59,
  0x0a,
  0xff,
  0x0d,
  0x0a,
  0x00,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
  0,
);
const BINARY_TRAILER = Uint8Array.of(0xff, 0xff);

/** The contents of each CopyData, in the order of the rows. */
export async function* copyRows(
  publisher: Publisher,
  snapshot: CopySnapshot,
  { table, columns, publications, format }: SqlCopy,
): AsyncGenerator<Uint8Array, void, undefined> {
  const filters = publications?.flatMap((name) => {
    const publication = publisher.publicationOf(name);
    return publication?.tables?.get(table.relationId)?.rowFilter ?? [];
  });
  const reader = rowReader(table, publisher.typeMap);
  // A binary copy has a beginning and an end, which go with the first row and the last, so that each CopyData is a row.
  let last: Uint8Array | undefined = format === "binary" ? BINARY_HEADER : undefined;
  let isFirst = true;
  for await (const row of snapshot.rows(table)) {
    if (filters !== undefined) {
      const values = reader.read(row);
      if (!filters.some((filter) => passesFilter(filter, table, values))) continue;
    }
    if (last === undefined) {
      yield textRow(row, columns);
      continue;
    }
    const next = binaryRow(row, columns, table.columns, publisher.typeMap);
    if (isFirst) last = joined(last, next);
    else {
      yield last;
      last = next;
    }
    isFirst = false;
  }
  if (last !== undefined) yield joined(last, BINARY_TRAILER);
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(a.length + b.length);
  bytes.set(a);
  bytes.set(b, a.length);
  return bytes;
}

const escapes: Readonly<Record<string, string>> = {
  "\\": "\\\\",
  "\b": "\\b",
  "\f": "\\f",
  "\n": "\\n",
  "\r": "\\r",
  "\t": "\\t",
  "\v": "\\v",
};

function textRow(row: TupleData, columns: readonly number[]): Uint8Array {
  const fields = columns.map((i) => {
    const value = row.get(i);
    return typeof value === "string" ? value.replace(/[\\\b\f\n\r\t\v]/g, (each) => escapes[each]!) : "\\N";
  });
  return utf8.encode(`${fields.join("\t")}\n`);
}

function binaryRow(
  row: TupleData,
  columns: readonly number[],
  described: readonly { readonly typeId: number }[],
  typeMap: TypeMap,
): Uint8Array {
  const values = columns.map((i) => {
    const value = row.get(i);
    if (typeof value !== "string") return undefined;
    const codec = codecIn(typeMap, described[i]!.typeId);
    return codec.writeBinary(codec.readText(value));
  });
  const length = values.reduce((sum, value) => sum + 4 + (value?.length ?? 0), 2);
  const bytes = new Uint8Array(length);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, values.length);
  let at = 2;
  for (const value of values) {
    view.setInt32(at, value?.length ?? -1);
    at += 4;
    if (value === undefined) continue;
    bytes.set(value, at);
    at += value.length;
  }
  return bytes;
}

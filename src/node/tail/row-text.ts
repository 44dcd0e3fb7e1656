/** RowText: the rows of a relation as text of JSON objects, straight from their tuples, in the form of `jsonOfRow`. */
import type { OldTuple, Relation } from "../../generated/logical.ts";
import { DecodeError, EncodeError } from "../../kernel/errors.ts";
import { type Codec, jsonOfPart } from "../../values/codec.ts";
import { codecIn, type TypeMap } from "../../values/type-map.ts";
import { bytesJson } from "../../wire/json.ts";
import { viewOf } from "../../wire/parts.ts";
import { decodeText } from "../../wire/text.ts";
import { TupleCursor, type TupleData } from "../../wire/tuple.ts";
import { type JsonCopy, jsonCopies, MORE } from "./json-copy.ts";
import { type LineBuffer, part } from "./line-buffer.ts";

/** A value as text of JSON; one that its type cannot read, such as after an ALTER TYPE, is the text or the bytes that the server sent. */
function textOf(value: string | Uint8Array, codec: Codec): string {
  try {
    const read = typeof value === "string" ? codec.readText(value) : codec.readBinary(value);
    return JSON.stringify(jsonOfPart(codec, read));
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof EncodeError)) throw error;
    return JSON.stringify(typeof value === "string" ? value : { binary: bytesJson(value) });
  }
}

interface Column {
  readonly name: string;
  /** The name as JSON with the colon, and with a comma before. */
  readonly key: Uint8Array;
  readonly nextKey: Uint8Array;
  readonly codec: Codec;
  readonly copy: JsonCopy | undefined;
}

const NONE: readonly string[] = [];
const NULL = part("null");
const [BRACE, END_BRACE] = [0x7b, 0x7d];

/** Rows are written one after the other, and none within another one. */
const cursor = new TupleCursor();
const oldCursor = new TupleCursor();

export class RowText {
  readonly #columns: readonly Column[];

  constructor({ columns }: Pick<Relation, "columns">, typeMap: TypeMap) {
    this.#columns = columns.map(({ name, typeId }) => {
      const key = `${JSON.stringify(name)}:`;
      const copy = jsonCopies.get(typeId);
      return { name, key: part(key), nextKey: part(`,${key}`), codec: codecIn(typeMap, typeId), copy };
    });
  }

  /** Add a whole row. */
  row(to: LineBuffer, tuple: TupleData): void {
    this.#object(to, tuple, undefined, false);
  }

  /**
   * Add the new row of an Update. What was not sent is that of the old row, if that has it.
   *
   * @returns the names of the columns that are missing, since their TOASTed values did not change and were not sent.
   */
  newRow(to: LineBuffer, tuple: TupleData, old: OldTuple | undefined): readonly string[] {
    return this.#object(to, tuple, old?.tuple, false);
  }

  /** Add the old row, or the columns of its key. */
  oldRow(to: LineBuffer, { type, tuple }: OldTuple): void {
    this.#object(to, tuple, undefined, type === "key");
  }

  /** Add a row of values that were read. */
  values(to: LineBuffer, row: Readonly<Record<string, unknown>>): void {
    let separator = "{";
    for (const { name, codec } of this.#columns) {
      if (!Object.hasOwn(row, name)) continue;
      const value = row[name];
      let json: string;
      try {
        json = value === null ? "null" : JSON.stringify(jsonOfPart(codec, value));
      } catch (error) {
        if (!(error instanceof EncodeError) || !(typeof value === "string" || value instanceof Uint8Array)) throw error;
        json = JSON.stringify(typeof value === "string" ? value : { binary: bytesJson(value) });
      }
      to.text(`${separator}${JSON.stringify(name)}:${json}`);
      separator = ",";
    }
    to.text(separator === "{" ? "{}" : "}");
  }

  #object(to: LineBuffer, tuple: TupleData, old: TupleData | undefined, isKey: boolean): readonly string[] {
    const columns = this.#columns;
    let missing: string[] | undefined;
    let isFirst = true;
    to.room(1)[to.length++] = BRACE;
    cursor.enter(tuple);
    if (old !== undefined) oldCursor.enter(old);
    for (let i = 0; i < columns.length && cursor.next(); i++) {
      const column = columns[i]!;
      let from = cursor;
      if (old !== undefined) {
        const hasOld = oldCursor.next() && oldCursor.kind !== "null";
        // A NULL there stands for a value that was not sent: `fillUnchanged`.
        if (cursor.kind === "unchanged" && hasOld) from = oldCursor;
      }
      const { kind } = from;
      if (kind === "unchanged") {
        missing ??= [];
        missing.push(column.name);
        continue;
      }
      if (kind === "null" && isKey) continue;
      to.put(isFirst ? column.key : column.nextKey);
      isFirst = false;
      if (kind === "null") to.put(NULL);
      else this.#value(to, from, column);
    }
    to.room(1)[to.length++] = END_BRACE;
    return missing ?? NONE;
  }

  #value(to: LineBuffer, { kind, bytes, start, end }: TupleCursor, { codec, copy }: Column): void {
    if (kind === "text" && copy !== undefined) {
      const at = copy(bytes, start, end, to.room(end - start + MORE), to.length);
      if (at >= 0) {
        to.length = at;
        return;
      }
    }
    const value = kind === "text" ? decodeText(bytes, start, end) : viewOf(bytes, start, end);
    to.text(textOf(value, codec));
  }
}

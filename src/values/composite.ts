/**
 * Composite types: objects without a prototype, one property for each field, in the order of the fields.
 *
 * @source rowtypes.c: record_out, record_send
 */
import { mustBeObject, refuse } from "../wire/check.ts";
import { writeCounted } from "../wire/counted.ts";
import type { Json } from "../wire/json.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith } from "../wire/writer.ts";
import {
  badText,
  type Codec,
  jsonOfPart,
  partOfJson,
  readBinaryPart,
  readTextPart,
  writeBinaryPart,
  writeTextPart,
} from "./codec.ts";
import { quoting, readPart, writePart } from "./quote.ts";

/** A value of a composite type, by the names of its fields. It has no prototype, so a field may be called `__proto__`. */
export type CompositeValue = Readonly<Record<string, unknown>>;

/** A field of a composite type. */
export interface Field {
  readonly name: string;
  /** The oid of its type. */
  readonly type: number;
  readonly codec: Codec;
}

/** The usual reason for a value that does not fit its type: a stream does not report ALTER TYPE. */
const OUTDATED = "if the type was altered, load the catalogs again";

const quotes = /* @__PURE__ */ quoting("(),", true);

export function compositeOf(name: string, fields: readonly Field[]): Codec<CompositeValue> {
  const paths = fields.map((field) => `${name}.${field.name}`);
  const get = (value: CompositeValue, i: number): unknown => {
    const field = fields[i]!.name;
    return Object.hasOwn(value, field) ? value[field] : refuse("a value or null", undefined, paths[i]!);
  };
  return {
    name,

    toJson(value) {
      mustBeObject(value, name);
      const object: Record<string, Json> = Object.create(null);
      for (const [i, { codec, name: field }] of fields.entries()) {
        const each = get(value, i);
        object[field] = each === null ? null : jsonOfPart(codec, each);
      }
      return object;
    },
    fromJson(json) {
      mustBeObject(json as CompositeValue, name);
      const value: Record<string, unknown> = Object.create(null);
      for (const [i, { codec, name: field }] of fields.entries()) {
        const each = get(json as CompositeValue, i);
        value[field] = each === null ? null : partOfJson(codec, each, paths[i]!);
      }
      return value;
    },

    readText(text) {
      if (text[0] !== "(") badText(name, text, "fields in parentheses");
      const value: Record<string, unknown> = Object.create(null);
      let at = 1;
      for (let i = 0; i < fields.length; i++) {
        if (i > 0 && text[at++] !== ",")
          badText(name, text, `${fields.length} fields with commas between (${OUTDATED})`, at - 1);
        const part = readPart(text, at, quotes, name);
        const { codec, name: field } = fields[i]!;
        value[field] = part.end === at ? null : readTextPart(codec, part.text, part.start, paths[i]!);
        at = part.end;
      }
      if (text[at] !== ")" || at !== text.length - 1)
        badText(name, text, `${fields.length} fields, then a parenthesis (${OUTDATED})`, at);
      return value;
    },

    writeText(value) {
      mustBeObject(value, name);
      const parts = fields.map(({ codec }, i) => {
        const each = get(value, i);
        return each === null ? "" : writePart(writeTextPart(codec, each, paths[i]!), quotes);
      });
      return `(${parts.join(",")})`;
    },

    readBinary(bytes) {
      const r = new Reader(bytes);
      const count = r.u32(name);
      if (count !== fields.length)
        r.fail("BAD_VALUE", 0, `has ${count} fields, expected ${fields.length} (${OUTDATED}),`, name);
      const value: Record<string, unknown> = Object.create(null);
      for (let i = 0; i < count; i++) {
        const path = paths[i]!;
        const { codec, name: field, type } = fields[i]!;
        const oid = r.u32(path);
        if (oid !== type) r.fail("BAD_VALUE", r.offset - 4, `is of type ${oid}, expected ${type} (${OUTDATED}),`, path);
        const length = r.i32(path);
        if (length === -1) {
          value[field] = null;
          continue;
        }
        if (length < 0) r.fail("BAD_LENGTH", r.offset - 4, `has a length of ${length}`, path);
        const start = r.offset;
        r.skip(length, path);
        value[field] = readBinaryPart(codec, bytes.subarray(start, r.offset), start, path);
      }
      r.end(name);
      return value;
    },

    writeBinary(value) {
      mustBeObject(value, name);
      return encodeWith((w) => {
        w.u32(fields.length, name);
        for (let i = 0; i < fields.length; i++) {
          const each = get(value, i);
          w.u32(fields[i]!.type, name);
          if (each === null) w.i32(-1, name);
          else writeCounted(w, writeBinaryPart(fields[i]!.codec, each, paths[i]!), paths[i]!);
        }
      }, undefined);
    },
  };
}

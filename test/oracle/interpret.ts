/**
 * A slow codec that interprets the descriptions: the oracle of the generated codecs, for values and errors. It decodes by dissection.
 * The documentation of messages decodes its examples with it.
 */
import { mustBeArray, mustBeObject, quoted, refuse } from "../../src/wire/check.ts";
import { writeCounted } from "../../src/wire/counted.ts";
import { writeCString } from "../../src/wire/cstring.ts";
import { type Dissection, dissectMessage, dissectStruct } from "../../src/wire/dissect.ts";
import { alignmentOfAll } from "../../src/wire/layout.ts";
import { NativeWriter, numberOf } from "../../src/wire/native.ts";
import { below, type Place } from "../../src/wire/place.ts";
import {
  type Conditions,
  type Family,
  type Fields,
  firstOf,
  type ListShape,
  type NativeFields,
  otherwise,
  type PaddingShape,
  type Struct,
  type TupleShape,
  type ValueField,
  type ValueShape,
  type WhenShape,
} from "../../src/wire/shape.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { bitOf, writeWord } from "../../src/wire/words.ts";
import { Writer } from "../../src/wire/writer.ts";

type Value = Record<string, unknown>;

/** Decode one message. @throws DecodeError as the generated decoder of the family does */
export function interpretDecode(
  family: Family,
  bytes: Uint8Array,
  holds: Conditions = otherwise(family.context),
): Value {
  return valueIn(dissectMessage(family, bytes, holds));
}

/** Encode one message. @throws EncodeError as the generated encoder of the family does */
export function interpretEncode(family: Family, value: unknown): Uint8Array {
  const w = new Writer();
  const object = objectOf(value, [family.name]);
  const message = family.messages.find((m) => m.name === object.type);
  if (message === undefined) {
    return refuse(quoted(family.messages.map((m) => m.name)), object.type, `${family.name}.type`);
  }
  w.literal(message.tag);
  writeFields(message.fields, w, object, [message.name]);
  return w.finish();
}

/** Decode one struct. @throws DecodeError as its generated decoder does */
export function interpretStructDecode(
  struct: Struct,
  bytes: Uint8Array,
  holds: Conditions = struct.context === undefined ? {} : otherwise(struct.context),
): Value {
  return valueIn(dissectStruct(struct, bytes, holds));
}

function valueIn({ value, error }: Dissection): Value {
  if (error !== undefined) throw error;
  return value as Value;
}

/** Encode one struct. @throws EncodeError as its generated encoder does */
export function interpretStructEncode(struct: Struct, value: unknown): Uint8Array {
  const w = new NativeWriter();
  const object = objectOf(value, [struct.name]);
  const { padding, ...fields } = struct.fields;
  w.begin(padding && (object.padding as Uint8Array), `${struct.name}.padding`);
  writeFields(fields, w, object, [struct.name]);
  if (struct.end === "sizeof") w.align(alignmentOfAll(struct.fields));
  w.padding(`${struct.name}.padding`);
  return w.finish();
}

/** What has a value: all but `count` and `reserved`, and `padding`, which a struct reads at its end. */
type ReadShape = ValueShape | Exclude<ValueField, PaddingShape>;

/** Forms of structs have methods of NativeWriter only, forms of messages of Writer only. */
type AnyWriter = Writer & NativeWriter;

function writeFields(fields: Fields, w: Writer | NativeWriter, value: Value, at: Place): void {
  for (const [name, shape] of Object.entries(fields)) {
    const place = below(at, name);
    if (shape.form === "count") w.u32(arrayOf(value[shape.list], below(at, shape.list)).length, ...place);
    else if (shape.form === "reserved") w.u8(0, ...place);
    else if (shape.form === "when") {
      const first = firstOf(fields, shape.condition);
      if (value[first] !== undefined) write(shape.shape, w, value[name], place);
      else w.absent(value[name], first, place[0]);
    } else if (shape.form !== "padding") write(shape, w, value[name], place);
  }
}

function write(shape: Exclude<ReadShape, WhenShape>, writer: Writer | NativeWriter, value: unknown, at: Place): void {
  const w = writer as AnyWriter;
  switch (shape.form) {
    case "u8":
    case "u16":
    case "u32":
    case "i32":
    case "u64":
    case "i64":
    case "lsn":
    case "time":
    case "bool":
    case "rest":
    case "extra":
    case "name":
      return w[shape.form](value as never, ...at);
    case "bytes":
      return w.chars(shape.length, value as Uint8Array, ...at);
    case "counted":
      return writeCounted(w, value as Uint8Array, ...at);
    case "numbered":
      return w[shape.as](numberOf(shape.words, value as string, ...at), ...at);
    case "cstring":
      return writeCString(w, value as string, ...at);
    case "enum":
      return writeWord(w, shape.words, value as string, ...at);
    case "flags": {
      const object = objectOf(value, at);
      let bits = 0;
      for (const [name, bit] of Object.entries(shape.bits))
        bits |= bitOf(object[name] as boolean, bit, ...below(at, name));
      return w.u8(bits, ...at);
    }
    case "list": {
      const elements = arrayOf(value, at);
      if (shape.count === "u16") w.u16(elements.length, ...at);
      for (let i = 0; i < elements.length; i++) write(shape.element, w, elements[i], [at[0], i]);
      return;
    }
    case "record": {
      const alignment = writer instanceof NativeWriter ? alignmentOfAll(shape.fields as NativeFields) : 1;
      if (alignment > 1) w.align(alignment);
      writeFields(shape.fields, w, objectOf(value, at), at);
      if (alignment > 1) w.align(alignment);
      return;
    }
    case "variants": {
      const object = objectOf(value, at);
      const found = Object.entries(shape.variants).find(([, variant]) => variant.type === object.type);
      if (found === undefined) {
        const types = Object.values(shape.variants).map((variant) => variant.type);
        return refuse(quoted(types), object.type, ...below(at, "type"));
      }
      w.literal(found[0]);
      return writeFields(found[1].fields, w, object, at);
    }
    case "optional":
      if (value !== undefined) write(shape.shape, w, value, at);
      return;
    case "after":
      w.literal(shape.byte);
      return write(shape.shape, w, value, at);
    case "tuple": {
      if (!TupleData.is(value)) return refuse("a TupleData", value, ...at);
      const columns = Array.from({ length: value.length }, (_, i) => columnOf(value, i));
      return write(columnsOf(shape), w, columns, at);
    }
    default:
      return shape satisfies never;
  }
}

function objectOf(value: unknown, at: Place): Value {
  mustBeObject(value as object, ...at);
  return value as Value;
}

function arrayOf(value: unknown, at: Place): readonly unknown[] {
  mustBeArray(value as unknown[], ...at);
  return value as unknown[];
}

/** A row as the list that it is. */
function columnsOf({ column }: TupleShape): ListShape<TupleShape["column"]> {
  return { form: "list", count: "u16", element: column };
}

function columnOf(row: TupleData, i: number): object {
  return { type: row.kind(i), value: row.valueBytes(i) };
}

/**
 * A slow codec straight from the descriptions: the oracle that the generated codecs are tested against, values and errors
 * alike. Nothing else uses it.
 */
import { type Place, Reader } from "./reader.ts";
import type { Family, Field, Fields, Shape } from "./shape.ts";
import { mustBeArray, mustBeObject, quoted, refuse, Writer } from "./writer.ts";

type Value = Record<string, unknown>;

/** Decode one message. @throws DecodeError as the generated decoder of the family does */
export function interpretDecode(family: Family, bytes: Uint8Array): Value {
  const r = new Reader(bytes);
  const tag = String.fromCharCode(r.u8(`${family.name}.type`));
  const message = family.messages.find((m) => m.tag === tag);
  if (message === undefined) {
    return r.badTag(family.messages.map((m) => m.tag).join(""), `${family.name}.type`);
  }
  const result = { type: message.name, ...readFields(message.fields, r, [message.name]) };
  r.end(message.name);
  return result;
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

/** The place of a field of what stands at `at`. */
function below([path, index, field = ""]: Place, name: string): Place {
  return index === undefined ? [`${path}.${name}`] : [path, index, `${field}.${name}`];
}

function readFields(fields: Fields, r: Reader, at: Place): Value {
  const result: Value = {};
  const counts = new Map<string, number>();
  for (const [name, shape] of Object.entries<Field>(fields)) {
    const place = below(at, name);
    if (shape.form === "count") counts.set(shape.list, r.u32(...place));
    else if (shape.form === "reserved") r.bits(0, ...place);
    else result[name] = read(shape, r, place, counts.get(name));
  }
  return result;
}

function read(shape: Shape, r: Reader, at: Place, count?: number): unknown {
  switch (shape.form) {
    case "u32":
    case "i32":
    case "lsn":
    case "time":
    case "bool":
    case "cstring":
    case "counted":
      return r[shape.form](...at);
    case "rest":
      return r.rest();
    case "enum":
      return r.word(shape.words, ...at);
    case "flags": {
      const entries = Object.entries(shape.bits);
      const bits = r.bits(
        entries.reduce((mask, [, bit]) => mask | bit, 0),
        ...at,
      );
      return Object.fromEntries(entries.map(([name, bit]) => [name, (bits & bit) !== 0]));
    }
    case "list": {
      const length = count ?? r.u16(...at);
      const elements: unknown[] = [];
      for (let i = 0; i < length; i++) elements.push(read(shape.element, r, [at[0], i]));
      return elements;
    }
    case "record":
      return readFields(shape.fields, r, at);
    case "variants": {
      const place = below(at, "type");
      const tag = String.fromCharCode(r.u8(...place));
      const variant = shape.variants[tag];
      if (variant === undefined) return r.notOneOf(Object.keys(shape.variants).join(""), ...place);
      return { type: variant.type, ...readFields(variant.fields, r, at) };
    }
    case "optional":
      return String.fromCharCode(r.peek()) in shape.shape.variants ? read(shape.shape, r, at) : undefined;
    case "after":
      r.literal(shape.byte, ...at);
      return read(shape.shape, r, at);
    case "count":
    case "reserved":
      throw new TypeError(`${shape.form} is no shape of a value`);
    default:
      return shape satisfies never;
  }
}

function writeFields(fields: Fields, w: Writer, value: Value, at: Place): void {
  for (const [name, shape] of Object.entries<Field>(fields)) {
    const place = below(at, name);
    if (shape.form === "count") w.u32(arrayOf(value[shape.list], below(at, shape.list)).length, ...place);
    else if (shape.form === "reserved") w.u8(0, ...place);
    else write(shape, w, value[name], place);
  }
}

function write(shape: Shape, w: Writer, value: unknown, at: Place): void {
  switch (shape.form) {
    case "u32":
    case "i32":
    case "lsn":
    case "time":
    case "bool":
    case "cstring":
    case "counted":
    case "rest":
      return w[shape.form](value as never, ...at);
    case "enum":
      return w.word(shape.words, value as string, ...at);
    case "flags": {
      const object = objectOf(value, at);
      let bits = 0;
      for (const [name, bit] of Object.entries(shape.bits))
        bits |= w.bit(object[name] as boolean, bit, ...below(at, name));
      return w.u8(bits, ...at);
    }
    case "list": {
      const elements = arrayOf(value, at);
      if (shape.count !== "elsewhere") w[shape.count](elements.length, ...at);
      for (let i = 0; i < elements.length; i++) write(shape.element, w, elements[i], [at[0], i]);
      return;
    }
    case "record":
      return writeFields(shape.fields, w, objectOf(value, at), at);
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
    case "count":
    case "reserved":
      throw new TypeError(`${shape.form} is no shape of a value`);
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

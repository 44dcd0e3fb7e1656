/**
 * JSON views: a message as a plain value that JSON can hold, from its description, for programs in any language.
 *
 * Nothing is lost: two messages of different bytes have different JSON. What JSON's numbers cannot hold is text.
 */
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { formatPgTime, type PgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import { isBytes, mustBeObject, refuse } from "./check.ts";
import { type Family, type Fields, type ValueField, type ValueShape, valueFields } from "./shape.ts";
import { hexOf } from "./text.ts";
import { TupleData } from "./tuple.ts";

/** What `JSON.stringify` takes and `JSON.parse` gives. */
export type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json };

/**
 * A message as JSON has it: `type`, then its fields in wire order.
 *
 * Positions are text as the server prints them, times ISO 8601 with microseconds, numbers of 64 bits decimal text, bytes
 * hexadecimal digits behind `\x` as bytea prints them. A row is an array: text, null, `{"unchanged":true}`,
 * `{"binary":"\\x…"}`. Bytes of text that are not UTF-8 are lone surrogates U+DC80 to U+DCFF. What is undefined is left out.
 *
 * @param family The family whose message it is, such as PgoutputMessage.
 * @param server In whose form LSNs are written.
 * @throws EncodeError for what is not a message of the family.
 * @example jsonOf(PgoutputMessage, decodePgoutputMessage(hex("49 0000400b 4e 0002 74 00000001 32 6e"))) // { type: "Insert", relationId: 16395, newTuple: ["2", null] }
 */
export function jsonOf(
  family: Family,
  message: { readonly type: string },
  server?: Server,
): { readonly [name: string]: Json } {
  mustBeObject(message, family.name);
  const entry = family.messages.find((each) => each.name === message.type);
  if (entry === undefined) return refuse("the name of a message", message.type, `${family.name}.type`);
  return { type: entry.name, ...fieldsJson(entry.fields, message, entry.name, server) };
}

/**
 * A struct as JSON has it: its fields in their order, written as jsonOf writes them. Padding is in it only where it is not all zero.
 *
 * @throws EncodeError for a field that does not have its type.
 */
export function jsonOfStruct(
  struct: { readonly fields: Fields },
  value: object,
  server?: Server,
): { readonly [name: string]: Json } {
  return fieldsJson(struct.fields, value, "", server);
}

/** Bytes as bytea prints them. */
export function bytesJson(bytes: Uint8Array): string {
  return `\\x${hexOf(bytes)}`;
}

function fieldsJson(fields: Fields, value: object, path: string, server: Server | undefined): Record<string, Json> {
  mustBeObject(value, path);
  const values = value as Record<string, unknown>;
  const result: Record<string, Json> = {};
  for (const [name, field] of valueFields(fields)) {
    if (values[name] === undefined) continue;
    result[name] = valueJson(field, values[name], path === "" ? name : `${path}.${name}`, server);
  }
  return result;
}

/** The value of a field. */
export function valueJson(
  shape: ValueField | ValueShape,
  value: unknown,
  path: string,
  server: Server | undefined,
): Json {
  switch (shape.form) {
    case "u8":
    case "u16":
    case "u32":
    case "i32":
    case "bool":
    case "enum":
    case "cstring":
    case "name":
    case "numbered":
      return isPlain(value) ? value : refuse("a number, a boolean or text", value, path);
    case "u64":
    case "i64":
      return typeof value === "bigint" ? String(value) : refuse("a bigint", value, path);
    case "lsn":
      return formatLsn(value as Lsn, { server });
    case "time":
      return formatPgTime(value as PgTime);
    case "flags":
      mustBeObject(value as object, path);
      return Object.fromEntries(
        Object.entries(value as object).map(([name, each]) => {
          return [name, typeof each === "boolean" ? each : refuse("true or false", each, `${path}.${name}`)];
        }),
      );
    case "bytes":
    case "counted":
    case "rest":
    case "extra":
    case "padding":
      return isBytes(value) ? bytesJson(value) : refuse("a Uint8Array", value, path);
    case "list":
      if (!Array.isArray(value)) return refuse("an array", value, path);
      return Array.from(value, (element, i) => valueJson(shape.element, element, `${path}[${i}]`, server));
    case "record":
      return fieldsJson(shape.fields, value as object, path, server);
    case "variants": {
      mustBeObject(value as object, path);
      const { type } = value as { type: string };
      const variant = Object.values(shape.variants).find((each) => each.type === type);
      if (variant === undefined) return refuse("the name of a variant", type, `${path}.type`);
      return { type: variant.type, ...fieldsJson(variant.fields, value as object, path, server) };
    }
    case "optional":
    case "after":
    case "when":
      return valueJson(shape.shape, value, path, server);
    case "tuple":
      return TupleData.is(value) ? (value.toJSON() as Json[]) : refuse("a TupleData", value, path);
    default:
      return shape satisfies never;
  }
}

function isPlain(value: unknown): value is number | boolean | string {
  return typeof value === "string" || typeof value === "boolean" || Number.isFinite(value);
}

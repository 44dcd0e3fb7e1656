/**
 * JSON views: a message as a plain value that JSON can hold, from its description, for programs in any language.
 *
 * Nothing is lost: two messages of different bytes have different JSON. What JSON's numbers cannot hold is text.
 */
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { formatPgTime, type PgTime } from "../kernel/time.ts";
import type { Server } from "../kernel/version.ts";
import type { Family, Field, Fields, Shape, Struct } from "./shape.ts";
import { hexOf } from "./text.ts";
import type { TupleData } from "./tuple.ts";

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
 * @example jsonOf(PgoutputMessage, decodePgoutputMessage(hex("49 0000400b 4e 0002 74 00000001 32 6e"))) // { type: "Insert", relationId: 16395, newTuple: ["2", null] }
 */
export function jsonOf(
  family: Family,
  message: { readonly type: string },
  server?: Server,
): { readonly [name: string]: Json } {
  const entry = family.messages.find((each) => each.name === message.type);
  if (entry === undefined) throw new TypeError(`${family.name} has no message ${JSON.stringify(message.type)}`);
  return { type: entry.name, ...fieldsJson(entry.fields, message, server) };
}

/**
 * A struct as JSON has it: its fields in their order, written as jsonOf writes them. Padding is in it only where it is not all zero.
 */
export function jsonOfStruct(
  struct: Pick<Struct, "fields">,
  value: object,
  server?: Server,
): { readonly [name: string]: Json } {
  return fieldsJson(struct.fields, value, server);
}

/** Bytes as bytea prints them. */
export function bytesJson(bytes: Uint8Array): string {
  return `\\x${hexOf(bytes)}`;
}

function fieldsJson(fields: Fields, value: object, server: Server | undefined): Record<string, Json> {
  const values = value as Record<string, unknown>;
  const result: Record<string, Json> = {};
  for (const [name, field] of Object.entries<Field>(fields)) {
    if (field.form === "count" || field.form === "reserved" || values[name] === undefined) continue;
    result[name] = valueJson(field, values[name], server);
  }
  return result;
}

function valueJson(shape: Shape, value: unknown, server: Server | undefined): Json {
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
      return value as number | boolean | string;
    case "u64":
    case "i64":
      return String(value);
    case "lsn":
      return formatLsn(value as Lsn, { server });
    case "time":
      return formatPgTime(value as PgTime);
    case "flags":
      return { ...(value as Record<string, boolean>) };
    case "bytes":
    case "counted":
    case "rest":
    case "extra":
    case "padding":
      return bytesJson(value as Uint8Array);
    case "list":
      return (value as readonly unknown[]).map((element) => valueJson(shape.element, element, server));
    case "record":
      return fieldsJson(shape.fields, value as object, server);
    case "variants": {
      const { type } = value as { type: string };
      const { fields } = Object.values(shape.variants).find((each) => each.type === type)!;
      return { type, ...fieldsJson(fields, value as object, server) };
    }
    case "optional":
    case "after":
    case "when":
      return valueJson(shape.shape, value, server);
    case "tuple":
      return (value as TupleData).toJSON() as Json[];
    case "count":
    case "reserved":
      throw new TypeError(`${shape.form} is no shape of a value`);
    default:
      return shape satisfies never;
  }
}

/**
 * fast-check arbitraries of messages, derived from their descriptions.
 */
import * as fc from "fast-check";
import type { PgoutputContext, PgoutputMessage } from "../generated/logical.ts";
import type { WalReceiverMessage, WalSenderMessage } from "../generated/physical.ts";
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import * as logical from "../logical/messages.ts";
import * as physical from "../physical/messages.ts";
import { layoutOf } from "../wire/layout.ts";
import { NAME_BYTES } from "../wire/native.ts";
import {
  type Conditions,
  type Family,
  type Fields,
  type Infer,
  type Of,
  otherwise,
  type PaddingShape,
  type Struct,
  type ValueField,
  type ValueShape,
  valueFields,
} from "../wire/shape.ts";
import { decodeText } from "../wire/text.ts";
import { TupleData, unchanged } from "../wire/tuple.ts";

/** Any message that a walsender puts inside CopyData. */
export const walSenderMessage = (): fc.Arbitrary<WalSenderMessage> => messageOf(physical.WalSenderMessage);

/** Any message that a walreceiver puts inside CopyData. */
export const walReceiverMessage = (): fc.Arbitrary<WalReceiverMessage> => messageOf(physical.WalReceiverMessage);

/** Any message of pgoutput, as a context has it. Each stands for itself: they do not make up transactions. */
export const pgoutputMessage = (context?: PgoutputContext): fc.Arbitrary<PgoutputMessage> =>
  messageOf(logical.PgoutputMessage, context && { ...context });

/** Which conditions of a context hold: any of them, or those that hold together. */
export function contextOf({ context }: Family | Struct): fc.Arbitrary<Conditions> {
  const names = Object.keys(context?.conditions ?? {});
  if (context?.combinations !== undefined) return fc.constantFrom(...context.combinations(names));
  return fc.record(Object.fromEntries(names.map((name) => [name, fc.boolean()])));
}

/** Any struct, as a context has it. */
export function structOf<S extends Struct>(
  struct: S,
  holds: Conditions = struct.context === undefined ? {} : otherwise(struct.context),
): fc.Arbitrary<S extends Of<infer T> ? T : never> {
  const { fields } = struct;
  const bytes = layoutOf(struct, holds).padding;
  const some = fc
    .uint8Array({ minLength: bytes, maxLength: bytes })
    .map((array) => (array.some((byte) => byte !== 0) ? array : undefined));
  return record(fields, holds, fields.padding && { padding: fc.option(some, { nil: undefined }) }) as never;
}

/** Any message of a family, as a context has it. */
export function messageOf<F extends Family>(
  family: F,
  holds: Conditions = otherwise(family.context),
): fc.Arbitrary<Infer<F>> {
  const each = family.messages
    .filter(({ condition }) => condition === undefined || holds[condition])
    .map((message) => record(message.fields, holds, { type: fc.constant(message.name) }));
  return fc.oneof(...each) as fc.Arbitrary<Infer<F>>;
}

/** Any LSN, small ones and the limits more often than chance would have it. */
export function lsn(): fc.Arbitrary<Lsn> {
  return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }) as fc.Arbitrary<bigint> as fc.Arbitrary<Lsn>;
}

/** Any time, the infinities included. */
export function pgTime(): fc.Arbitrary<PgTime> {
  return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }) as fc.Arbitrary<bigint> as fc.Arbitrary<PgTime>;
}

/** Any text that a server could send: what any bytes but NUL decode to. */
export function wireText(): fc.Arbitrary<string> {
  const bytes = fc.uint8Array({ min: 1, maxLength: 70 }).map((array) => decodeText(array, 0, array.length));
  const text = fc.string({ unit: "binary", maxLength: 70 }).map((each) => each.replaceAll("\0", ""));
  return fc.oneof(fc.constantFrom("", "public", "\ufeff", "\u{10ffff}"), text, bytes);
}

/** Any text that a NameData could hold: what any 64 bytes decode to, mostly a name. */
function nameText(): fc.Arbitrary<string> {
  const bytes = fc.uint8Array({ maxLength: NAME_BYTES }).map((array) => decodeText(array, 0, array.length));
  const any = bytes.map((text) => text.replace(/\0+$/, ""));
  return fc.oneof(fc.constantFrom("", "s", "pgoutput", "a_slot_1"), any);
}

function record(
  fields: Fields,
  holds: Conditions,
  more: Record<string, fc.Arbitrary<unknown>> = {},
): fc.Arbitrary<object> {
  const each = valueFields(fields).flatMap(([name, field]) =>
    field.form === "padding" ? [] : [[name, arbitraryOf(field, holds)] as const],
  );
  return fc.record({ ...more, ...Object.fromEntries(each) });
}

/** Any row. */
export function tupleData(): fc.Arbitrary<TupleData> {
  const value = fc.oneof(fc.constantFrom(null, unchanged), wireText(), someBytes(0));
  return fc.array(value, { maxLength: 8 }).map((values) => TupleData.of(values));
}

/** Bytes, now and then more than a writer's first buffer holds. */
function someBytes(minLength: number): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 30, arbitrary: fc.uint8Array({ minLength, maxLength: 40 }) },
    { weight: 1, arbitrary: fc.uint8Array({ minLength: 900, maxLength: 3000, size: "max" }) },
  );
}

function arbitraryOf(shape: ValueShape | Exclude<ValueField, PaddingShape>, holds: Conditions): fc.Arbitrary<unknown> {
  switch (shape.form) {
    case "u8":
      return fc.nat(0xff);
    case "u16":
      return fc.nat(0xffff);
    case "u32":
      return fc.oneof(fc.nat(100), fc.integer({ min: 0, max: 0xffffffff }));
    case "i32":
      return fc.integer();
    case "u64":
      return fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });
    case "i64":
      return fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n });
    case "lsn":
      return lsn();
    case "time":
      return pgTime();
    case "bool":
      return fc.boolean();
    case "enum":
      return fc.constantFrom(...Object.values(shape.words));
    case "flags":
      return fc.record(Object.fromEntries(Object.keys(shape.bits).map((name) => [name, fc.boolean()])));
    case "cstring":
      return wireText();
    case "name":
      return nameText();
    case "bytes":
      return fc.uint8Array({ minLength: shape.length, maxLength: shape.length });
    case "numbered": {
      const numbers = arbitraryOf({ form: shape.as } as ValueShape, holds).filter(
        (number) => !Object.hasOwn(shape.words, number as number),
      );
      return fc.oneof({ weight: 3, arbitrary: fc.constantFrom(...Object.values(shape.words)) }, numbers);
    }
    case "counted":
    case "rest":
      return someBytes(0);
    case "extra":
      return fc.option(someBytes(1), { nil: undefined, freq: 2 });
    case "tuple":
      return tupleData();
    case "list":
      return fc.array(arbitraryOf(shape.element, holds), { maxLength: 8 });
    case "record":
      return record(shape.fields, holds);
    case "variants":
      return fc.oneof(
        ...Object.values(shape.variants).map(({ type, fields }) => record(fields, holds, { type: fc.constant(type) })),
      );
    case "optional":
      return fc.option(arbitraryOf(shape.shape, holds), { nil: undefined });
    case "when":
      return holds[shape.condition] ? arbitraryOf(shape.shape, holds) : fc.constant(undefined);
    case "after":
      return arbitraryOf(shape.shape, holds);
    default:
      return shape satisfies never;
  }
}

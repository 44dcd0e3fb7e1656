/**
 * The shapes that messages and structs are described in.
 *
 * A message is one entry: its name, its type byte, and its fields in wire order. From the entry come the TypeScript type, the decoder
 * and the encoder (scripts/codecs.ts writes them), the interpreter that tests compare them with, the fast-check arbitrary, the trace
 * line, JSON and the documentation. The set of shapes is closed: a new form does not compile until each of those knows it. A list
 * never contains another list, so the path of a field has one index at most.
 *
 * Structs are what PostgreSQL writes to files and to WAL as C has it in memory. Their shapes differ in three ways: no byte says which
 * struct it is, numbers are in native byte order, which is little-endian on every supported machine, and each is aligned to its size
 * as on 64-bit machines, with padding before it. WireShape and NativeShape are the forms that each may have.
 */
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import type { CapabilityTable } from "../kernel/version.ts";
import type { TupleData } from "./tuple.ts";

declare const value: unique symbol;

/** Carries the type of the value that a shape stands for. The property exists for the compiler only. */
export interface Of<T> {
  readonly [value]?: T;
}

/** The value of a shape, message or family; never for bytes that are not part of the value. */
export type Infer<S> = S extends Of<infer T> ? T : never;

/** A number of 32 bits. */
export interface NumberShape {
  readonly form: "u32" | "i32";
}
/** An unsigned number of 64 bits. */
export interface BigNumberShape {
  readonly form: "u64";
}
/** XLogRecPtr, 64 bits. */
export interface LsnShape {
  readonly form: "lsn";
}
/** TimestampTz, 64 bits. */
export interface TimeShape {
  readonly form: "time";
}
/** One byte, 0 or 1. */
export interface BoolShape {
  readonly form: "bool";
}
/** All remaining bytes. */
export interface RestShape {
  readonly form: "rest";
}
/** The number of a list's elements, as u32, apart from the list; not part of the value. */
export interface CountShape {
  readonly form: "count";
  /** The field that holds the list. */
  readonly list: string;
}
/** Elements of one shape. `count` is the form of their number before them, "elsewhere" if a CountShape has it, or "end" if they fill the bytes. */
export interface ListShape<E extends ValueShape = ValueShape> {
  readonly form: "list";
  readonly count: "u16" | "elsewhere" | "end";
  readonly element: E;
}
/** Named fields in order. */
export interface RecordShape<F extends Fields = Fields> {
  readonly form: "record";
  readonly name: string;
  readonly fields: F;
}
/**
 * A shape that is present only while a condition of the conversation holds, which the bytes do not say; undefined otherwise.
 * All fields of a message with one condition are present, or none.
 */
export interface WhenShape<S extends ValueShape = ValueShape> {
  readonly form: "when";
  /** A name in the context of the family. */
  readonly condition: string;
  readonly shape: S;
}

// Forms of messages only.

/** One byte that stands for a word. */
export interface EnumShape {
  readonly form: "enum";
  readonly words: Readonly<Record<string, string>>;
}
/** One byte with a name for each bit; other bits must be 0. */
export interface FlagsShape {
  readonly form: "flags";
  readonly bits: Readonly<Record<string, number>>;
}
/** One byte that is always 0 and not part of the value: flags that PostgreSQL does not use yet. */
export interface ReservedShape {
  readonly form: "reserved";
}
/** Text that ends with a zero byte. */
export interface CStringShape {
  readonly form: "cstring";
}
/** Bytes, after their number as u32. */
export interface CountedShape {
  readonly form: "counted";
}
/** A byte that says which of several records follows. */
export interface VariantsShape<V extends Variants = Variants> {
  readonly form: "variants";
  readonly name: string;
  readonly variants: V;
}
/** Variants that are present only if the next byte is one of theirs. */
export interface OptionalShape {
  readonly form: "optional";
  readonly shape: VariantsShape<Variants<WireFields>>;
}
/** A shape after a byte that is always the same. */
export interface AfterShape<S extends ValueShape = ValueShape> {
  readonly form: "after";
  readonly byte: string;
  readonly shape: S;
}
/** A row: TupleData, a list that the codec only walks over. `column` describes its columns, for the interpreter and the documentation. */
export interface TupleShape {
  readonly form: "tuple";
  readonly column: VariantsShape<Variants<WireFields>>;
}
/** Bytes after the last field, which the reader in PostgreSQL ignores; undefined if there are none. */
export interface ExtraShape {
  readonly form: "extra";
}

// Forms of structs only.

/** A number that no message has. */
export interface NativeNumberShape {
  readonly form: "u8" | "u16";
}
/** A signed number of 64 bits that is not a time. */
export interface NativeBigNumberShape {
  readonly form: "i64";
}
/** NameData, 64 bytes: text without the zeros at its end. A zero before that stays in the text, so that no byte is lost. */
export interface NameShape {
  readonly form: "name";
}
/** An array of char of C, with this many bytes. */
export interface BytesShape {
  readonly form: "bytes";
  readonly length: number;
}
/** A number that stands for a word, as an enum of C does; the number itself if it has no word, so that none is lost. */
export interface NumberedShape {
  readonly form: "numbered";
  readonly as: NumberShape["form"] | NativeNumberShape["form"];
  readonly words: Readonly<Record<number, string>>;
}
/**
 * The last field: the bytes that C leaves between the fields and after them, one after the other; undefined if all are zero, as they
 * are wherever PostgreSQL clears a struct first. Their offsets follow from the other fields.
 */
export interface PaddingShape {
  readonly form: "padding";
}

type BothValue = NumberShape | BigNumberShape | LsnShape | TimeShape | BoolShape | RestShape;

/** What a message can contain and a value has, also as an element of a list. */
export type WireValue =
  | BothValue
  | ListShape<WireValue>
  | RecordShape<WireFields>
  | EnumShape
  | FlagsShape
  | CStringShape
  | CountedShape
  | VariantsShape<Variants<WireFields>>
  | OptionalShape
  | AfterShape<WireValue>
  | TupleShape;

/** The shape of a message's field. */
export type WireShape = WireValue | CountShape | WhenShape<WireValue> | ReservedShape | ExtraShape;

/** What a struct can contain and a value has, also as an element of a list. */
export type NativeValue =
  | BothValue
  | ListShape<NativeValue>
  | RecordShape<NativeFields>
  | NativeNumberShape
  | NativeBigNumberShape
  | NameShape
  | BytesShape
  | NumberedShape;

/** The shape of a struct's field. */
export type NativeShape = NativeValue | CountShape | WhenShape<NativeValue> | PaddingShape;

export type ValueShape = WireValue | NativeValue;
export type Shape = WireShape | NativeShape;

/** A field: its shape, and what it means, with its unit. */
export type Field<S extends Shape = Shape> = S & { readonly doc: string };
/** A field that is part of the value. */
export type ValueField = Exclude<Field, CountShape | ReservedShape>;
export type Fields = Readonly<Record<string, Field>>;
export type WireFields = Readonly<Record<string, Field<WireShape>>>;
export type NativeFields = Readonly<Record<string, Field<NativeShape>>>;

/** The variants of a VariantsShape by their byte: the name of each and its fields. */
export type Variants<F extends Fields = Fields> = Readonly<
  Record<string, { readonly type: string; readonly doc: string; readonly fields: F }>
>;

/** The fields that are part of the value: all but those that exist on the wire only. */
export function valueFields(fields: Fields): [string, ValueField][] {
  return Object.entries(fields).filter((entry): entry is [string, ValueField] => {
    const [, { form }] = entry;
    return form !== "count" && form !== "reserved";
  });
}

/** The unit of a form's values; undefined if they have none. */
export function unitOf(form: string): string | undefined {
  if (form === "lsn") return "bytes";
  return form === "time" ? "microseconds since 2000-01-01 UTC" : undefined;
}

/** One message: an entry of a family's messages.ts. */
export interface Message<Capability extends string = string> {
  readonly name: string;
  /** The type byte, as its ASCII character. */
  readonly tag: string;
  readonly doc: string;
  /** File and function in PostgreSQL. */
  readonly source: string;
  /** What a server must have that knows the message; undefined if all do that know the family. */
  readonly since?: Capability | undefined;
  /** The options of the output plugin without which there is no such message. */
  readonly options?: readonly string[] | undefined;
  /** The condition of the family's context without which there is no such message. */
  readonly condition?: string | undefined;
  /** What it is to the stream, in a family that tells kinds apart: its rules and lists derive from this. */
  readonly kind?: string | undefined;
  readonly fields: WireFields;
}

/** What a conversation has agreed on or stands at, as far as it decides which bytes a message has: booleans by name. */
export interface Context {
  readonly name: string;
  readonly doc: string;
  /** Each condition: its meaning, and its default. */
  readonly conditions: Readonly<Record<string, { readonly doc: string; readonly otherwise: boolean }>>;
  /** Which of them hold together; left out where any may. */
  readonly combinations?: (names: readonly string[]) => readonly Readonly<Record<string, boolean>>[];
}

/** Which conditions hold, by name. */
export type Conditions = Readonly<Record<string, boolean>>;

/** The default conditions. */
export function otherwise({ conditions }: Context): Conditions {
  return Object.fromEntries(Object.entries(conditions).map(([name, each]) => [name, each.otherwise]));
}

/** What a CapabilityTable answers, whatever its names. */
export type Capabilities = Pick<CapabilityTable<string>, "since" | "supports">;

/** The messages that one direction of a stream is made of; the first byte says which it is. */
export interface Family {
  readonly name: string;
  readonly doc: string;
  /** The table in which `since` is looked up, here and in its messages. */
  readonly capabilities: Capabilities;
  /** What a server must have that knows any of it. */
  readonly since: string;
  /** A message as a server sent it, in hexadecimal digits, and its type: the example in the docs, and a test. */
  readonly example: { readonly hex: string; readonly type: string };
  readonly context: Context;
  /** The unions of messages of one kind in the generated code, by name. */
  readonly unions?: Readonly<Record<string, { readonly kind: string; readonly doc: string }>>;
  readonly messages: readonly Message[];
}

/** A struct of C: one entry of a domain's structs.ts. */
export interface Struct {
  /** As in PostgreSQL: "xl_restore_point" is XlRestorePoint. */
  readonly name: string;
  readonly doc: string;
  /** File in PostgreSQL. */
  readonly source: string;
  /**
   * Does it end where C's sizeof says, or behind its last field? PostgreSQL writes both, and what has elements without number at its
   * end has no other end.
   */
  readonly end: "sizeof" | "last field";
  /** On what its layout depends; undefined if on nothing. */
  readonly context: Context | undefined;
  readonly fields: NativeFields;
  /** A record with the same fields except padding, of any domain: the struct uses its codec. */
  readonly body?: RecordShape<NativeFields>;
}

export type Documented<S, T> = S & { readonly doc: string } & Of<T>;
export type ValueOf<F> = {
  readonly [K in keyof F as undefined extends Infer<F[K]> ? never : [Infer<F[K]>] extends [never] ? never : K]: Infer<
    F[K]
  >;
} & { readonly [K in keyof F as undefined extends Infer<F[K]> ? K : never]?: Infer<F[K]> };
export type VariantOf<V> = {
  [K in keyof V]: V[K] extends { readonly type: infer T; readonly fields: infer F }
    ? { readonly type: T } & ValueOf<F>
    : never;
}[keyof V];

export function message<const N extends string, const F extends WireFields, const C extends string = never>(
  name: N,
  tag: string,
  entry: Pick<Message<C>, "doc" | "source" | "since" | "options" | "condition"> & { readonly fields: F },
): Message<C> & Of<{ readonly type: N } & ValueOf<F>> {
  return { name, tag, ...entry };
}

export function family<const M extends readonly Message<C>[], C extends string>(
  name: string,
  entry: Pick<Family, "doc" | "example" | "context" | "unions"> & {
    readonly capabilities: CapabilityTable<C>;
    readonly since: NoInfer<C>;
    readonly messages: M;
  },
): Family & Of<Infer<M[number]>> {
  return { name, ...entry };
}

export function struct<const N extends string, const F extends NativeFields>(
  name: N,
  entry: Pick<Struct, "doc" | "source" | "end" | "body"> & { readonly context?: Context; readonly fields: F },
): Struct & { readonly name: N } & Of<ValueOf<F>> {
  return { name, context: undefined, ...entry };
}

/** The first of the fields that hang on a condition: whether it is there says whether they all are. */
export function firstOf(fields: Fields, condition: string): string {
  return Object.keys(fields).find((name) => {
    const shape = fields[name]!;
    return shape.form === "when" && shape.condition === condition;
  })!;
}

// One function a form, in the order of the interfaces above. `doc` is a sentence that says what the field means.

export const u32 = (doc: string): Documented<NumberShape, number> => ({ form: "u32", doc });
export const i32 = (doc: string): Documented<NumberShape, number> => ({ form: "i32", doc });
// Oid and TransactionId.
export const oid = u32;
export const xid = u32;
export const u64 = (doc: string): Documented<BigNumberShape, bigint> => ({ form: "u64", doc });
// FullTransactionId
export const fullXid = u64;
export const lsn = (doc: string): Documented<LsnShape, Lsn> => ({ form: "lsn", doc });
export const time = (doc: string): Documented<TimeShape, PgTime> => ({ form: "time", doc });
export const bool = (doc: string): Documented<BoolShape, boolean> => ({ form: "bool", doc });
export const rest = (doc: string): Documented<RestShape, Uint8Array> => ({ form: "rest", doc });
export const countOf = (of: string, doc: string): Documented<CountShape, never> => ({ form: "count", list: of, doc });
export const list = <const E extends ValueShape>(
  count: ListShape["count"],
  element: E,
  doc: string,
): Documented<ListShape<E>, readonly Infer<E>[]> => ({ form: "list", count, element, doc });
export const record = <const F extends Fields>(
  name: string,
  fields: F,
  doc: string,
): Documented<RecordShape<F>, ValueOf<F>> => ({ form: "record", name, fields, doc });
export const when = <const S extends ValueShape>(
  condition: string,
  shape: S,
  doc: string,
): Documented<WhenShape<S>, Infer<S> | undefined> => ({ form: "when", condition, shape, doc });

export const oneOf = <const W extends string>(
  words: Readonly<Record<string, W>>,
  doc: string,
): Documented<EnumShape, W> => ({ form: "enum", words, doc });
export const flags = <const B extends string>(
  bits: Readonly<Record<B, number>>,
  doc: string,
): Documented<FlagsShape, { readonly [K in B]: boolean }> => ({ form: "flags", bits, doc });
export const reserved = (doc: string): Documented<ReservedShape, never> => ({ form: "reserved", doc });
export const cstring = (doc: string): Documented<CStringShape, string> => ({ form: "cstring", doc });
export const counted = (doc: string): Documented<CountedShape, Uint8Array> => ({ form: "counted", doc });
export const variants = <const V extends Variants>(
  name: string,
  byByte: V,
  doc: string,
): Documented<VariantsShape<V>, VariantOf<V>> => ({ form: "variants", name, variants: byByte, doc });
export const optional = <V extends OptionalShape["shape"]>(
  shape: V,
  doc: string,
): Documented<OptionalShape, Infer<V> | undefined> => ({ form: "optional", shape, doc });
export const after = <const S extends ValueShape>(
  byte: string,
  shape: S,
  doc: string,
): Documented<AfterShape<S>, Infer<S>> => ({ form: "after", byte, shape, doc });
export const tuple = (column: TupleShape["column"], doc: string): Documented<TupleShape, TupleData> => ({
  form: "tuple",
  column,
  doc,
});
export const extra = (doc: string): Documented<ExtraShape, Uint8Array | undefined> => ({ form: "extra", doc });

export const u8 = (doc: string): Documented<NativeNumberShape, number> => ({ form: "u8", doc });
export const u16 = (doc: string): Documented<NativeNumberShape, number> => ({ form: "u16", doc });
export const i64 = (doc: string): Documented<NativeBigNumberShape, bigint> => ({ form: "i64", doc });
export const name = (doc: string): Documented<NameShape, string> => ({ form: "name", doc });
export const bytes = (length: number, doc: string): Documented<BytesShape, Uint8Array> => ({
  form: "bytes",
  length,
  doc,
});
export const numbered = <const W extends string>(
  as: NumberedShape["as"],
  words: Readonly<Record<number, W>>,
  doc: string,
): Documented<NumberedShape, W | number> => ({ form: "numbered", as, words, doc });
export const padding = (doc: string): Documented<PaddingShape, Uint8Array | undefined> => ({ form: "padding", doc });

/**
 * The shapes that messages are described in.
 *
 * A message is one entry: its name, its type byte, and its fields in wire order. From the entry come the TypeScript type,
 * the decoder and the encoder (scripts/codecs.ts writes them), the oracle they are tested against (interpret.ts), the
 * fast-check arbitrary and the trace line. The set of shapes is closed: a new form does not compile until each of those
 * knows it. A list never stands inside another list, which keeps the name of every field a path with one index at most.
 *
 * Structs are what PostgreSQL writes to files and into WAL as it lies in memory. They are described in the same shapes, with
 * three differences that are C's: no byte says which struct it is, numbers are in native byte order, which is little-endian on
 * every machine that matters, and each stands at a multiple of its size (as 64-bit machines have it), with padding before it.
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

/** The value that a shape, message or family stands for; never for what is on the wire but not in the value. */
export type Infer<S> = S extends Of<infer T> ? T : never;

/** A number of up to 32 bits; those of 8 and 16 stand in structs only. */
export interface NumberShape {
  readonly form: "u8" | "u16" | "u32" | "i32";
}
/** A number of 64 bits; the signed one stands in structs only. */
export interface BigNumberShape {
  readonly form: "u64" | "i64";
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
/** One byte that stands for a word. */
export interface EnumShape {
  readonly form: "enum";
  readonly words: Readonly<Record<string, string>>;
}
/** One byte of which each bit has a name; a bit without one must be 0. */
export interface FlagsShape {
  readonly form: "flags";
  readonly bits: Readonly<Record<string, number>>;
}
/** One byte that is always 0 and not part of the value: flags for which PostgreSQL has no use yet. */
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
/** All bytes that are left. */
export interface RestShape {
  readonly form: "rest";
}
/** The number of a list's elements, as u32, where it does not stand right before them; not part of the value. */
export interface CountShape {
  readonly form: "count";
  /** The field that holds the list. */
  readonly list: string;
}
/**
 * Elements of one shape; `count` is how their number stands before them, "elsewhere" if a CountShape has it, or "end" if there are as
 * many as the bytes hold.
 */
export interface ListShape {
  readonly form: "list";
  readonly count: "u16" | "elsewhere" | "end";
  readonly element: Shape;
}
/** Named fields, one after the other. */
export interface RecordShape {
  readonly form: "record";
  readonly name: string;
  readonly fields: Fields;
}
/** A byte that says which of several records follows. */
export interface VariantsShape {
  readonly form: "variants";
  readonly name: string;
  readonly variants: Variants;
}
/** Variants that are there only if the next byte is one of theirs. */
export interface OptionalShape {
  readonly form: "optional";
  readonly shape: VariantsShape;
}
/** A shape behind a byte that is always the same. */
export interface AfterShape {
  readonly form: "after";
  readonly byte: string;
  readonly shape: Shape;
}

/** A row: TupleData, a list that the codec only walks over. `column` says what is in it, for the oracle and the docs. */
export interface TupleShape {
  readonly form: "tuple";
  readonly column: VariantsShape;
}
/**
 * A shape that is there only while a condition of the conversation holds, which the bytes do not say; undefined elsewhere.
 * All fields of a message that hang on one condition are there, or none.
 */
export interface WhenShape {
  readonly form: "when";
  /** A name in the context of the family. */
  readonly condition: string;
  readonly shape: Shape;
}
/** Bytes behind the last field that the reader in PostgreSQL leaves alone; undefined if there are none. */
export interface ExtraShape {
  readonly form: "extra";
}

/** In structs: NameData, 64 bytes. Text without the zeros at its end; a zero before that stays in the text, so that no byte is lost. */
export interface NameShape {
  readonly form: "name";
}
/** In structs: so many bytes, as an array of char of C. */
export interface BytesShape {
  readonly form: "bytes";
  readonly length: number;
}
/** In structs: a number that stands for a word, as an enum of C does; the number itself where it has none, so that none is lost. */
export interface NumberedShape {
  readonly form: "numbered";
  readonly as: NumberShape["form"];
  readonly words: Readonly<Record<number, string>>;
}
/**
 * In structs, the last field: the bytes that C leaves between the fields and behind them, one after the other; undefined if all are
 * zero, as they are wherever PostgreSQL clears a struct first. Where they stand follows from the other fields.
 */
export interface PaddingShape {
  readonly form: "padding";
}

export type Shape =
  | NumberShape
  | BigNumberShape
  | LsnShape
  | TimeShape
  | BoolShape
  | EnumShape
  | FlagsShape
  | ReservedShape
  | CStringShape
  | CountedShape
  | RestShape
  | CountShape
  | ListShape
  | RecordShape
  | VariantsShape
  | OptionalShape
  | AfterShape
  | TupleShape
  | WhenShape
  | ExtraShape
  | NameShape
  | BytesShape
  | NumberedShape
  | PaddingShape;

/** A field: its shape, and what it means, with its unit. */
export type Field = Shape & { readonly doc: string };
export type Fields = Readonly<Record<string, Field>>;

/** The variants of a VariantsShape by their byte: the name of each and its fields. */
export type Variants = Readonly<
  Record<string, { readonly type: string; readonly doc: string; readonly fields: Fields }>
>;

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
  readonly fields: Fields;
}

/** What a conversation has agreed on or stands at, as far as it decides which bytes a message has: booleans by name. */
export interface Context {
  readonly name: string;
  readonly doc: string;
  /** Each condition: what it means, and what it is taken for where nobody says. */
  readonly conditions: Readonly<Record<string, { readonly doc: string; readonly otherwise: boolean }>>;
  /** Which of them hold together; left out where any may. */
  readonly combinations?: (names: readonly string[]) => readonly Readonly<Record<string, boolean>>[];
}

/** Which conditions hold, by name. */
export type Conditions = Readonly<Record<string, boolean>>;

/** What holds where nobody says. */
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
  /** Kinds of which the generated code has a union of the messages, by its name. */
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
  readonly fields: Fields;
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

export function message<const N extends string, const F extends Fields, const C extends string = never>(
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

export function struct<const N extends string, const F extends Fields>(
  name: N,
  entry: Pick<Struct, "doc" | "source" | "end"> & { readonly context?: Context; readonly fields: F },
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
export const u8 = (doc: string): Documented<NumberShape, number> => ({ form: "u8", doc });
export const u16 = (doc: string): Documented<NumberShape, number> => ({ form: "u16", doc });
export const i32 = (doc: string): Documented<NumberShape, number> => ({ form: "i32", doc });
// Oid and TransactionId, for who reads a description.
export const oid = u32;
export const xid = u32;
export const u64 = (doc: string): Documented<BigNumberShape, bigint> => ({ form: "u64", doc });
// FullTransactionId
export const fullXid = u64;
export const i64 = (doc: string): Documented<BigNumberShape, bigint> => ({ form: "i64", doc });
export const lsn = (doc: string): Documented<LsnShape, Lsn> => ({ form: "lsn", doc });
export const time = (doc: string): Documented<TimeShape, PgTime> => ({ form: "time", doc });
export const bool = (doc: string): Documented<BoolShape, boolean> => ({ form: "bool", doc });
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
export const rest = (doc: string): Documented<RestShape, Uint8Array> => ({ form: "rest", doc });
export const countOf = (of: string, doc: string): Documented<CountShape, never> => ({ form: "count", list: of, doc });
export const list = <E extends Shape>(
  count: ListShape["count"],
  element: E,
  doc: string,
): Documented<ListShape, readonly Infer<E>[]> => ({ form: "list", count, element, doc });
export const record = <const F extends Fields>(
  name: string,
  fields: F,
  doc: string,
): Documented<RecordShape, ValueOf<F>> => ({ form: "record", name, fields, doc });
export const variants = <const V extends Variants>(
  name: string,
  byByte: V,
  doc: string,
): Documented<VariantsShape, VariantOf<V>> => ({ form: "variants", name, variants: byByte, doc });
export const optional = <V extends VariantsShape>(
  shape: V,
  doc: string,
): Documented<OptionalShape, Infer<V> | undefined> => ({ form: "optional", shape, doc });
export const after = <S extends Shape>(byte: string, shape: S, doc: string): Documented<AfterShape, Infer<S>> => ({
  form: "after",
  byte,
  shape,
  doc,
});
export const tuple = (column: VariantsShape, doc: string): Documented<TupleShape, TupleData> => ({
  form: "tuple",
  column,
  doc,
});
export const when = <S extends Shape>(
  condition: string,
  shape: S,
  doc: string,
): Documented<WhenShape, Infer<S> | undefined> => ({ form: "when", condition, shape, doc });
export const extra = (doc: string): Documented<ExtraShape, Uint8Array | undefined> => ({ form: "extra", doc });
export const name = (doc: string): Documented<NameShape, string> => ({ form: "name", doc });
export const bytes = (length: number, doc: string): Documented<BytesShape, Uint8Array> => ({
  form: "bytes",
  length,
  doc,
});
export const numbered = <const W extends string>(
  as: NumberShape["form"],
  words: Readonly<Record<number, W>>,
  doc: string,
): Documented<NumberedShape, W | number> => ({ form: "numbered", as, words, doc });
export const padding = (doc: string): Documented<PaddingShape, Uint8Array | undefined> => ({ form: "padding", doc });

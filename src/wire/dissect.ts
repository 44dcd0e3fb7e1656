/**
 * Dissections: bytes as a tree of fields with their values and places, from the descriptions of messages and structs.
 *
 * It interprets a description where a decoder is generated from it. The tests hold that both give the same values and the same
 * errors, so it is the oracle of the decoders, too.
 */
import { DecodeError, ParseError } from "../kernel/errors.ts";
import { readCString } from "./cstring.ts";
import { alignmentOf, alignmentOfAll } from "./layout.ts";
import { NativeReader, wordOf } from "./native.ts";
import { viewOf } from "./parts.ts";
import { below, type Place } from "./place.ts";
import { Reader } from "./reader.ts";
import type {
  Conditions,
  Family,
  Fields,
  NativeFields,
  NativeShape,
  PaddingShape,
  Shape,
  Struct,
  ValueField,
  ValueShape,
  VariantsShape,
} from "./shape.ts";
import { rowIn } from "./tuple.ts";
import { readBits, readLiteral, readWord } from "./words.ts";

/**
 * What a field is: the form of its description, `tag` for a byte that says what follows, `text` for text without a zero byte behind it,
 * `message` and `struct` for a whole, `part` for several fields that no struct of PostgreSQL holds together.
 */
export type DissectedForm = Shape["form"] | "tag" | "text" | "message" | "struct" | "part";

/** A field, or the whole: a leaf with bytes of its own, or a node of other fields. */
export interface DissectedField {
  /** As in the decoded value; `[0]` for an element of a list. */
  readonly name: string;
  /** What it is. */
  readonly form: DissectedForm;
  /** The offset of its first byte. */
  readonly start: number;
  /** The offset after its last byte: equal to `start` if it has none. */
  readonly end: number;
  /** The value, as the decoder gives it; undefined for a node that the damage cut short. Bytes are views. */
  readonly value: unknown;
  /** What it means, in a sentence. */
  readonly doc: string;
  /** Its fields in the order of their bytes; empty for a leaf. */
  readonly fields: readonly DissectedField[];
}

/** The whole of some bytes as a tree of fields. The leaves cover each byte from the first up to `end` once, in order. */
export interface Dissection extends DissectedField {
  /** What is wrong, as the decoder throws it: of bytes a DecodeError, of a file of text a ParseError; undefined if nothing is. */
  readonly error: DecodeError | ParseError | undefined;
}

/** Writable, while it is made. */
interface Node extends DissectedField {
  name: string;
  end: number;
  value: unknown;
  doc: string;
  readonly fields: Node[];
}

/** Dissect one message of a family. */
export function dissectMessage(family: Family, bytes: Uint8Array, holds: Conditions, base = 0): Dissection {
  const r = new Reader(bytes);
  return new Dissector(r, holds, base).dissect(family.name, "message", family.doc, (d, root) => {
    const possible = family.messages.filter(({ condition }) => condition === undefined || holds[condition]);
    const name = d.leaf("type", "tag", "Which message it is.", () => {
      const tag = String.fromCharCode(r.u8(`${family.name}.type`));
      const found = possible.find((each) => each.tag === tag);
      return found === undefined
        ? r.notOneOf("BAD_TAG", possible.map((each) => each.tag).join(""), `${family.name}.type`)
        : found.name;
    });
    const message = possible.find((each) => each.name === name)!;
    root.name = name;
    root.doc = message.doc;
    const value = { type: name, ...d.fields(message.fields, [name]) };
    r.end(name);
    return value;
  });
}

/** Dissect one struct. */
export function dissectStruct(struct: Struct, bytes: Uint8Array, holds: Conditions, base = 0): Dissection {
  const r = new NativeReader(bytes);
  return new Dissector(r, holds, base).dissect(struct.name, "struct", struct.doc, (d) => {
    const value = d.structFields(struct);
    r.end(struct.name);
    return value;
  });
}

/** Goes through bytes by descriptions and notes where each field is. */
export class Dissector<R extends Reader = Reader | NativeReader> {
  readonly r: R;
  readonly #holds: Conditions;
  readonly #base: number;
  /** The fields of the node that is being read. */
  #into: Node[] = [];

  /** @param base The offset of the reader's first byte in what is dissected. */
  constructor(r: R, holds: Conditions, base = 0) {
    this.r = r;
    this.#holds = holds;
    this.#base = base;
  }

  /** The whole. What `read` throws is the error of the tree. */
  dissect(
    name: string,
    form: DissectedForm,
    doc: string,
    read: (d: this, root: { name: string; doc: string }) => unknown,
  ): Dissection {
    const root = this.#nodeOf(name, form, doc);
    let error: DecodeError | ParseError | undefined;
    try {
      this.#inside(root, () => read(this, root));
    } catch (thrown) {
      if (!(thrown instanceof DecodeError || thrown instanceof ParseError)) throw thrown;
      error = thrown;
    }
    return { ...root, error };
  }

  /** A field with bytes of its own. */
  leaf<T>(name: string, form: DissectedForm, doc: string, read: () => T): T {
    const node = this.#nodeOf(name, form, doc);
    node.value = read();
    node.end = this.#base + this.r.offset;
    this.#into.push(node);
    return node.value as T;
  }

  /** A field that consists of what `read` reads. */
  node<T>(name: string, form: DissectedForm, doc: string, read: () => T): T {
    const node = this.#nodeOf(name, form, doc);
    this.#into.push(node);
    return this.#inside(node, read);
  }

  /** A struct that has the next bytes to itself, and may leave some of them. @returns how many it left */
  structWithin(name: string, struct: Struct, doc: string, bytes: Uint8Array): number {
    const inner = new Dissector(new NativeReader(bytes), this.#holds, this.#base + this.r.offset);
    const { error, ...tree } = inner.dissect(name, "struct", doc, (d) => d.structFields(struct));
    this.#into.push(tree as Node);
    this.r.offset += tree.end - tree.start;
    if (error !== undefined) throw error;
    return bytes.length - (tree.end - tree.start);
  }

  /** So many bytes as they are. */
  bytes(name: string, length: number, doc: string, form: DissectedForm = "bytes"): Uint8Array {
    return this.leaf(name, form, doc, () => {
      const start = this.r.skip(length, name);
      return viewOf(this.r.bytes, start, this.r.offset);
    });
  }

  /** A struct of C that begins here. */
  struct(name: string, struct: Struct): Record<string, unknown> {
    return this.node(name, "struct", struct.doc, () => this.structFields(struct));
  }

  /** The fields of a struct that begins here. */
  structFields(struct: Struct): Record<string, unknown> {
    const r = this.r as Reader as NativeReader;
    const { padding, ...fields } = struct.fields;
    r.begin();
    const value = this.fields(fields, [struct.name]);
    if (struct.end === "sizeof") this.#align(alignmentOfAll(struct.fields), [`${struct.name}.padding`]);
    if (padding !== undefined) value.padding = r.padding();
    return value;
  }

  /** Fields in order: their values by name. */
  fields(fields: Fields, at: Place): Record<string, unknown> {
    const value: Record<string, unknown> = {};
    const counts = new Map<string, number>();
    for (const [name, shape] of Object.entries(fields)) {
      const place = below(at, name);
      if (shape.form === "count") {
        counts.set(
          shape.list,
          this.leaf(name, "count", shape.doc, () => this.r.u32(...place)),
        );
      } else if (shape.form === "reserved") {
        this.leaf(name, "reserved", shape.doc, () => readBits(this.r, 0, ...place));
      } else if (shape.form !== "padding") {
        value[name] = this.field(name, shape, shape.doc, place, counts.get(name));
      }
    }
    return value;
  }

  /** One field, unless it is not there: its value. */
  field(name: string, shape: ReadShape, doc: string, at: Place, count?: number): unknown {
    switch (shape.form) {
      case "when":
        return this.#holds[shape.condition] ? this.field(name, shape.shape, doc, at) : undefined;
      case "optional": {
        const { r } = this;
        const isThere =
          r.offset < r.length && Object.hasOwn(shape.shape.variants, String.fromCharCode(r.bytes[r.offset]!));
        return isThere ? this.field(name, shape.shape, doc, at) : undefined;
      }
      case "extra":
        return this.r.offset < this.r.length ? this.leaf(name, shape.form, doc, () => this.r.extra()) : undefined;
      case "record": {
        const alignment = this.r instanceof NativeReader ? alignmentOfAll(shape.fields as NativeFields) : 1;
        if (alignment > 1) this.#align(alignment, at);
        return this.node(name, shape.form, doc, () => {
          const value = this.fields(shape.fields, at);
          if (alignment > 1) this.#align(alignment, at);
          return value;
        });
      }
      case "list":
      case "variants":
      case "after":
      case "tuple":
      case "counted":
        return this.node(name, shape.form, doc, () => this.#parts(shape, at, count));
      default:
        if (this.r instanceof NativeReader) this.#align(alignmentOf(shape as NativeShape), at);
        return this.leaf(name, shape.form, doc, () => this.#read(shape, at));
    }
  }

  /** What a node of a message consists of. */
  #parts(shape: Extract<ReadShape, { form: PartsForm }>, at: Place, count?: number): unknown {
    const { r } = this;
    switch (shape.form) {
      case "list": {
        const length =
          shape.count === "u16"
            ? this.leaf("count", "count", "How many there are.", () => r.u16(...at))
            : (count ?? Number.POSITIVE_INFINITY);
        const elements: unknown[] = [];
        const { doc = "" } = shape.element as { readonly doc?: string };
        for (let i = 0; shape.count === "end" ? r.offset < r.length : i < length; i++) {
          elements.push(this.field(`[${i}]`, shape.element, doc, [at[0], i]));
        }
        return elements;
      }
      case "variants": {
        const { type, fields } = this.#variant(shape, at);
        return { type, ...this.fields(fields, at) };
      }
      case "after":
        this.leaf("type", "tag", "Says what follows.", () => {
          readLiteral(r, shape.byte, ...at);
          return shape.byte;
        });
        return this.#isParts(shape.shape) ? this.#parts(shape.shape, at) : this.field("value", shape.shape, "", at);
      case "tuple": {
        const start = r.offset;
        const columns = this.#parts({ form: "list", count: "u16", element: shape.column }, at) as unknown[];
        return rowIn(r.bytes, start, r.offset, columns.length);
      }
      case "counted": {
        const length = this.leaf("length", "count", "How many bytes follow.", () => r.u32(...at));
        return this.leaf("content", "bytes", "The bytes.", () => {
          const start = r.skip(length, ...at);
          return viewOf(r.bytes, start, r.offset);
        });
      }
    }
  }

  #isParts(shape: ReadShape): shape is Extract<ReadShape, { form: PartsForm }> {
    return ["list", "variants", "after", "tuple", "counted"].includes(shape.form);
  }

  #variant(shape: VariantsShape, at: Place): VariantsShape["variants"][string] {
    const { r } = this;
    const place = below(at, "type");
    let tag = "";
    this.leaf("type", "tag", "Which of several it is.", () => {
      tag = String.fromCharCode(r.u8(...place));
      if (!Object.hasOwn(shape.variants, tag)) {
        r.notOneOf("BAD_VALUE", Object.keys(shape.variants).join(""), ...place);
      }
      return shape.variants[tag]!.type;
    });
    return shape.variants[tag]!;
  }

  /** A field without parts. */
  #read(shape: LeafShape, at: Place): unknown {
    const r = this.r as Reader as NativeReader;
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
      case "name":
        return r[shape.form](...at);
      case "bytes":
        return r.chars(shape.length, ...at);
      case "rest":
        return r.rest();
      case "cstring":
        return readCString(r, ...at);
      case "enum":
        return readWord(r, shape.words, ...at);
      case "numbered":
        return wordOf(shape.words, r[shape.as](...at));
      case "flags": {
        const names = Object.entries(shape.bits);
        const mask = names.reduce((all, [, bit]) => all | bit, 0);
        const bits = readBits(r, mask, ...at);
        return Object.fromEntries(names.map(([name, bit]) => [name, (bits & bit) !== 0]));
      }
      default:
        return shape satisfies never;
    }
  }

  /** Padding up to a multiple of a size. */
  #align(size: number, at: Place): void {
    const r = this.r as Reader as NativeReader;
    const start = r.offset;
    const node = this.#nodeOf("padding", "padding", "Bytes between fields, for their alignment.");
    r.align(size, ...at);
    if (r.offset === start) return;
    node.value = viewOf(r.bytes, start, r.offset);
    node.end = this.#base + r.offset;
    this.#into.push(node);
  }

  #nodeOf(name: string, form: DissectedForm, doc: string): Node {
    const start = this.#base + this.r.offset;
    return { name, form, start, end: start, value: undefined, doc, fields: [] };
  }

  /** What is read is part of a node, up to where it fails. */
  #inside<T>(node: Node, read: () => T): T {
    const outer = this.#into;
    this.#into = node.fields;
    try {
      const value = read();
      node.value = value;
      return value;
    } finally {
      node.end = node.fields.at(-1)?.end ?? node.start;
      this.#into = outer;
    }
  }
}

/** What has a value of its own. */
type ReadShape = ValueShape | Exclude<ValueField, PaddingShape>;
type PartsForm = "list" | "variants" | "after" | "tuple" | "counted";
/** What has bytes and no parts. */
export type LeafShape = Exclude<ReadShape, { form: PartsForm | "record" | "when" | "optional" | "extra" }>;

/** Does a field of this form consist of others? */
export function isWhole(form: DissectedForm): boolean {
  return WHOLE.has(form);
}

const WHOLE: ReadonlySet<DissectedForm> = new Set([
  ...(["message", "struct", "part", "list", "record", "variants", "after", "tuple", "counted"] as const),
]);

/** Is it in the bytes only, and not part of the decoded value? */
export function isWire(form: DissectedForm): boolean {
  return form === "tag" || form === "count" || form === "reserved";
}

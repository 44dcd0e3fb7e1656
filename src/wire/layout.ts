/**
 * The sizes of messages and the layouts of structs, from their descriptions: for documentation, for the readers of state files, and for
 * laws. The codecs need neither.
 */
import { NAME_BYTES } from "./native.ts";
import type { Conditions, Field, Message, NativeFields, NativeShape, Struct, WireFields, WireShape } from "./shape.ts";

/** The least and the greatest number of bytes; Infinity if only PostgreSQL's limit of a message applies. */
export interface Size {
  readonly min: number;
  readonly max: number;
}

/** Bytes of the forms whose length is always the same. */
const BYTES = {
  ...{
    u8: 1,
    bool: 1,
    enum: 1,
    flags: 1,
    reserved: 1,
    u16: 2,
    u32: 4,
    i32: 4,
    count: 4,
    u64: 8,
    i64: 8,
    lsn: 8,
    time: 8,
  },
  name: NAME_BYTES,
} as const;

/** Bytes of a message with its type byte, in a context. */
export function sizeOf({ fields }: Message, holds: Conditions): Size {
  return sizeWithTag(fields, holds);
}

/** Bytes of fields after a byte that says which they are. */
function sizeWithTag(fields: WireFields, holds: Conditions): Size {
  return Object.values(fields).reduce((sum, field) => add(sum, sizeOfShape(field, holds)), exactly(1));
}

function sizeOfShape(shape: WireShape, holds: Conditions): Size {
  switch (shape.form) {
    case "cstring":
      return atLeast(1);
    case "counted":
      return atLeast(4);
    case "rest":
    case "extra":
      return atLeast(0);
    case "list":
      return atLeast(shape.count === "u16" ? 2 : 0);
    case "tuple":
      return atLeast(2);
    case "record":
      return add(sizeWithTag(shape.fields, holds), exactly(-1));
    case "variants": {
      const sizes = Object.values(shape.variants).map(({ fields }) => sizeWithTag(fields, holds));
      return { min: Math.min(...sizes.map(({ min }) => min)), max: Math.max(...sizes.map(({ max }) => max)) };
    }
    case "optional":
      return { min: 0, max: sizeOfShape(shape.shape, holds).max };
    case "after":
      return add(exactly(1), sizeOfShape(shape.shape, holds));
    case "when":
      return holds[shape.condition] ? sizeOfShape(shape.shape, holds) : exactly(0);
    default:
      return exactly(BYTES[shape.form]);
  }
}

function exactly(bytes: number): Size {
  return { min: bytes, max: bytes };
}

function atLeast(bytes: number): Size {
  return { min: bytes, max: Number.POSITIVE_INFINITY };
}

function add(a: Size, b: Size): Size {
  return { min: a.min + b.min, max: a.max + b.max };
}

/** Where C has the fields of a struct, on 64-bit machines. */
export interface Layout {
  /** The offset of each field that is present, in bytes from the beginning of the struct; in a record, by `record.field`. */
  readonly offsets: ReadonlyMap<string, number>;
  /** Bytes of padding. */
  readonly padding: number;
  readonly size: Size;
}

/**
 * The layout of a struct in a context, by C's rules: each number is aligned to its size, a struct inside another to its largest number,
 * and sizeof is a multiple of that too.
 *
 * @throws TypeError for a description that no struct of C can have
 */
export function layoutOf(struct: Struct, holds: Conditions): Layout {
  const layout = new Walk(struct.name, holds);
  layout.fields(struct.fields, "");
  if (struct.end === "sizeof") layout.align(alignmentOfAll(struct.fields));
  const { offsets, padding, end, open } = layout;
  if (padding > 0 && !Object.values<Field>(struct.fields).some(({ form }) => form === "padding")) {
    throw new TypeError(`${struct.name} has ${padding} bytes of padding, but no field for them`);
  }
  return { offsets, padding, size: { min: end, max: open ? Number.POSITIVE_INFINITY : end } };
}

/** The alignment of a struct with these fields; the same in all contexts. */
export function alignmentOfAll(fields: NativeFields): number {
  return Math.max(1, ...Object.values(fields).map(alignmentOf));
}

class Walk {
  readonly offsets = new Map<string, number>();
  readonly #struct: string;
  readonly #holds: Conditions;
  padding = 0;
  end = 0;
  open = false;

  constructor(struct: string, holds: Conditions) {
    this.#struct = struct;
    this.#holds = holds;
  }

  align(size: number): void {
    const bytes = -this.end & (size - 1);
    this.padding += bytes;
    this.end += bytes;
  }

  fields(fields: NativeFields, prefix: string): void {
    for (const [name, field] of Object.entries(fields)) this.shape(`${prefix}${name}`, field);
  }

  shape(name: string, shape: NativeShape): void {
    if (shape.form === "padding") return;
    if (shape.form === "when") {
      if (this.#holds[shape.condition]) this.shape(name, shape.shape);
      return;
    }
    if (this.open) throw new TypeError(`${this.#struct}.${name} stands behind a field without an end`);
    this.align(alignmentOf(shape));
    this.offsets.set(name, this.end);
    if (shape.form === "record") {
      this.fields(shape.fields, `${name}.`);
      this.align(alignmentOfAll(shape.fields));
    } else if (shape.form === "list" || shape.form === "rest") {
      this.open = true;
    } else if (shape.form === "bytes") {
      this.end += shape.length;
    } else {
      this.end += BYTES[shape.form === "numbered" ? shape.as : shape.form];
    }
  }
}

/** The alignment of a field. */
export function alignmentOf(shape: NativeShape): number {
  switch (shape.form) {
    case "record":
      return alignmentOfAll(shape.fields);
    case "list":
      return alignmentOf(shape.element);
    case "when":
      return alignmentOf(shape.shape);
    case "numbered":
      return BYTES[shape.as];
    case "name":
    case "bytes":
    case "rest":
    case "padding":
      return 1;
    default:
      return BYTES[shape.form];
  }
}

/**
 * Where the fields of a struct stand, by C's rules on 64-bit machines: each number at a multiple of its size, a struct inside
 * another at a multiple of its largest number's, and sizeof a multiple of that too. For documentation, and for the law that holds
 * the codecs to it; the codecs find out as they go.
 */
import { NAME_BYTES } from "./native.ts";
import type { Conditions, Field, Fields, Shape, Struct } from "./shape.ts";
import type { Size } from "./size.ts";

export interface Layout {
  /** Of each field that is there, in bytes from where the struct begins; in a record, by `record.field`. */
  readonly offsets: ReadonlyMap<string, number>;
  /** How many bytes of it are padding. */
  readonly padding: number;
  readonly size: Size;
}

/** The layout of a struct where some conditions hold. @throws TypeError for a description that no struct of C can have */
export function layoutOf(struct: Struct, holds: Conditions): Layout {
  const layout = new Walk(holds);
  layout.fields(struct.fields, "");
  if (struct.end === "sizeof") layout.align(alignmentOfAll(struct.fields));
  const { offsets, padding, end, open } = layout;
  if (padding > 0 && !Object.values<Field>(struct.fields).some(({ form }) => form === "padding")) {
    throw new TypeError(`${struct.name} has ${padding} bytes of padding, but no field for them`);
  }
  return { offsets, padding, size: { min: end, max: open ? Number.POSITIVE_INFINITY : end } };
}

/** What a struct with these fields is aligned to; the same in all contexts. */
export function alignmentOfAll(fields: Fields): number {
  return Math.max(1, ...Object.values(fields).map(alignmentOf));
}

class Walk {
  readonly offsets = new Map<string, number>();
  readonly #holds: Conditions;
  padding = 0;
  end = 0;
  open = false;

  constructor(holds: Conditions) {
    this.#holds = holds;
  }

  align(size: number): void {
    const bytes = -this.end & (size - 1);
    this.padding += bytes;
    this.end += bytes;
  }

  fields(fields: Fields, prefix: string): void {
    for (const [name, field] of Object.entries<Field>(fields)) this.shape(`${prefix}${name}`, field);
  }

  shape(name: string, shape: Shape): void {
    if (shape.form === "padding") return;
    if (shape.form === "when") {
      if (this.#holds[shape.condition]) this.shape(name, shape.shape);
      return;
    }
    if (this.open) throw new TypeError(`${name} stands behind what has no end`);
    this.align(alignmentOf(shape));
    this.offsets.set(name, this.end);
    if (shape.form === "record") {
      this.fields(shape.fields, `${name}.`);
      this.align(alignmentOfAll(shape.fields));
    } else if (shape.form === "list" || shape.form === "rest" || shape.form === "extra") {
      this.open = true;
    } else {
      this.end += sizeOfNative(shape);
    }
  }
}

function alignmentOf(shape: Shape): number {
  switch (shape.form) {
    case "record":
      return alignmentOfAll(shape.fields);
    case "list":
      return alignmentOf(shape.element);
    case "when":
      return alignmentOf(shape.shape);
    case "name":
    case "bytes":
    case "rest":
    case "extra":
    case "padding":
      return 1;
    default:
      return sizeOfNative(shape);
  }
}

function sizeOfNative(shape: Shape): number {
  switch (shape.form) {
    case "u8":
    case "bool":
    case "flags":
    case "reserved":
      return 1;
    case "u16":
      return 2;
    case "u32":
    case "i32":
    case "count":
      return 4;
    case "u64":
    case "i64":
    case "lsn":
    case "time":
      return 8;
    case "name":
      return NAME_BYTES;
    case "bytes":
      return shape.length;
    case "numbered":
      return sizeOfNative({ form: shape.as });
    default:
      throw new TypeError(`${shape.form} stands in no struct`);
  }
}

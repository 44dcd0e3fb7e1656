/**
 * How many bytes a message can have, from its description: for documentation, and a law that holds encoders to it.
 */
import type { Conditions, Fields, Message, Shape, Variants } from "./shape.ts";

/** The fewest bytes, and the most; Infinity where only PostgreSQL's limit of a message holds. */
export interface Size {
  readonly min: number;
  readonly max: number;
}

/** Bytes of a message with its type byte, in a context. */
export function sizeOf(message: Message, holds: Conditions): Size {
  return add(exactly(1), sizeOfFields(message.fields, holds));
}

function sizeOfFields(fields: Fields, holds: Conditions): Size {
  return Object.values(fields)
    .map((field) => sizeOfShape(field, holds))
    .reduce(add, exactly(0));
}

function sizeOfShape(shape: Shape, holds: Conditions): Size {
  switch (shape.form) {
    case "u8":
    case "bool":
    case "enum":
    case "flags":
    case "reserved":
      return exactly(1);
    case "u16":
      return exactly(2);
    case "u32":
    case "i32":
    case "count":
      return exactly(4);
    case "u64":
    case "i64":
    case "lsn":
    case "time":
      return exactly(8);
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
      return sizeOfFields(shape.fields, holds);
    case "variants":
      return sizeOfVariants(shape.variants, holds);
    case "optional":
      return { min: 0, max: sizeOfVariants(shape.shape.variants, holds).max };
    case "after":
      return add(exactly(1), sizeOfShape(shape.shape, holds));
    case "when":
      return holds[shape.condition] ? sizeOfShape(shape.shape, holds) : exactly(0);
    case "name":
    case "bytes":
    case "numbered":
    case "padding":
      throw new TypeError(`${shape.form} stands in structs only: layoutOf says how long they are`);
    default:
      return shape satisfies never;
  }
}

function sizeOfVariants(variants: Variants, holds: Conditions): Size {
  const sizes = Object.values(variants).map(({ fields }) => add(exactly(1), sizeOfFields(fields, holds)));
  return { min: Math.min(...sizes.map(({ min }) => min)), max: Math.max(...sizes.map(({ max }) => max)) };
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

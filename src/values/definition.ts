/** TypeDefinition: the description of a type of a database. */
import { refuseArgument } from "../kernel/errors.ts";
import { isUnsigned } from "../wire/check.ts";
import { type Codec, isCodec } from "./codec.ts";

/** A type that is not built in. It refers to other types by oid; those may be added later. */
export type TypeDefinition = {
  /** pg_type.oid. */
  readonly oid: number;
  /** Its name, for errors. */
  readonly name: string;
  /** Its schema. */
  readonly namespace?: string | undefined;
} & (
  | {
      /** A base type, such as one of an extension. Without a codec, text is a string and binary is bytes. */
      readonly kind: "base";
      /** Reads and writes its values. By default the codec of that name in the TypeMap's options, or of the extension. */
      readonly codec?: Codec | undefined;
      /** The extension that it belongs to. The types of citext, hstore and ltree have codecs. */
      readonly extension?: string | undefined;
    }
  | {
      readonly kind: "array";
      /** The oid of the elements' type. */
      readonly element: number;
      /** typdelim of the element's type, one ASCII character: a comma if undefined. */
      readonly delimiter?: string | undefined;
    }
  | {
      readonly kind: "enum";
      /** For information only: any label is read and written, as labels can be added at any time. */
      readonly labels?: readonly string[] | undefined;
    }
  | {
      readonly kind: "domain";
      /** The oid of the type that it is based on. */
      readonly base: number;
    }
  | {
      readonly kind: "composite";
      /** The names of the fields and the oids of their types, in order. */
      readonly fields: readonly {
        /** The name of the field. */
        readonly name: string;
        /** The oid of its type. */
        readonly type: number;
      }[];
    }
  | {
      /** A range type, or the type of several ranges of one type. */
      readonly kind: "range" | "multirange";
      /** The oid of the type of the bounds, or for a multirange of its ranges. */
      readonly subtype: number;
    }
);

/** Rejects a part of a definition: an ArgumentError for an argument, a DecodeError for a catalog row. */
export type Refuse = (path: string, expected: string, value: unknown) => never;

const kinds: readonly string[] = [
  "base",
  "array",
  "enum",
  "domain",
  "composite",
  "range",
  "multirange",
] satisfies readonly TypeDefinition["kind"][];

export function isOid(value: unknown): value is number {
  return isUnsigned(value as number, 0xffffffff);
}

/** Whether a character can separate the elements of an array: it must have no other meaning there. */
export function isDelimiter(value: unknown): boolean {
  return typeof value === "string" && /^[!-~]$/.test(value) && !'{}"\\'.includes(value);
}

/** A checked copy of a definition. */
export function checkedDefinition(
  given: TypeDefinition,
  path: string,
  refuse: Refuse = refuseArgument,
): TypeDefinition {
  const string = (value: unknown, field: string): string =>
    typeof value === "string" ? value : refuse(`${path}.${field}`, "a string", value);
  const optional = (value: unknown, field: string): string | undefined =>
    value === undefined ? undefined : string(value, field);
  const other = (value: unknown, field: string): number =>
    isOid(value) && value !== 0 ? value : refuse(`${path}.${field}`, "the oid of a type", value);
  const list = <T>(value: unknown, field: string, read: (each: unknown, i: number) => T): T[] =>
    // Not `map`, which passes over holes, of which there may be 2^32.
    Array.isArray(value)
      ? Array.from(value.entries(), ([i, each]) => read(each, i))
      : refuse(`${path}.${field}`, "an array", value);

  if (typeof given !== "object" || given === null) refuse(path, "a TypeDefinition", given);
  const { kind } = given;
  const oid = other(given.oid, "oid");
  const name = string(given.name, "name");
  const namespace = optional(given.namespace, "namespace");
  const common = { oid, name, ...(namespace !== undefined && { namespace }) };
  switch (kind) {
    case "base": {
      const { codec } = given;
      const extension = optional(given.extension, "extension");
      if (codec !== undefined && !isCodec(codec)) refuse(`${path}.codec`, "a Codec", codec);
      return { ...common, kind, ...(codec && { codec }), ...(extension !== undefined && { extension }) };
    }
    case "array": {
      const { delimiter = "," } = given;
      if (!isDelimiter(delimiter))
        refuse(`${path}.delimiter`, "one ASCII character, not a brace, quote or backslash", delimiter);
      return { ...common, kind, element: other(given.element, "element"), delimiter };
    }
    case "enum": {
      if (given.labels === undefined) return { ...common, kind };
      const labels = list(given.labels, "labels", (label, i) => string(label, `labels[${i}]`));
      return { ...common, kind, labels };
    }
    case "domain":
      return { ...common, kind, base: other(given.base, "base") };
    case "composite": {
      const names = new Set<string>();
      const fields = list(given.fields, "fields", (each, i) => {
        if (typeof each !== "object" || each === null) refuse(`${path}.fields[${i}]`, "a name and a type", each);
        const field = each as { readonly name: unknown; readonly type: unknown };
        const fieldName = string(field.name, `fields[${i}].name`);
        if (names.size === names.add(fieldName).size)
          refuse(`${path}.fields[${i}].name`, "a name of its own", fieldName);
        return { name: fieldName, type: other(field.type, `fields[${i}].type`) };
      });
      return { ...common, kind, fields };
    }
    case "range":
    case "multirange":
      return { ...common, kind, subtype: other(given.subtype, "subtype") };
    default:
      kind satisfies never;
      return refuse(`${path}.kind`, `one of ${kinds.join(", ")}`, kind);
  }
}

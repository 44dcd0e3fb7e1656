/** How a type of a database is described. */
import type { Codec } from "./codec.ts";

/** A type that is not built in. Other types are named by their oids, and may be added later. */
export type TypeDefinition = {
  readonly oid: number;
  /** Its name, for errors, and to find it by a Type message. */
  readonly name: string;
  /** Its schema. */
  readonly namespace?: string | undefined;
} & (
  | {
      /** A base type, such as one of an extension: without a codec its text is a string, and its binary format bytes. */
      readonly kind: "base";
      readonly codec?: Codec | undefined;
    }
  | {
      readonly kind: "array";
      readonly element: number;
      /** typdelim of the element's type: a comma if undefined. */
      readonly delimiter?: string | undefined;
    }
  | {
      readonly kind: "enum";
      /** For your information: any label is read and written, since one may have been added meanwhile. */
      readonly labels?: readonly string[] | undefined;
    }
  | { readonly kind: "domain"; readonly base: number }
  | { readonly kind: "composite"; readonly fields: readonly { readonly name: string; readonly type: number }[] }
  | { readonly kind: "range" | "multirange"; readonly subtype: number }
);

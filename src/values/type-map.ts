/**
 * TypeMap: from a type's oid to what reads and writes its values. It knows the built-in types; those of a database are added, one by one
 * or from its catalogs.
 */
import type { Type } from "../generated/logical.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { mustBeArray, refuse } from "../wire/check.ts";
import { arrayOf } from "./array.ts";
import { type Builtins, builtins } from "./builtin.ts";
import { type CatalogRow, definitionsOf } from "./catalog.ts";
import type { Codec } from "./codec.ts";
import { compositeOf } from "./composite.ts";
import type { TypeDefinition } from "./definition.ts";
import { multirangeOf, rangeOf } from "./range.ts";
import { opaque, textCodec } from "./text.ts";

/** How deep types may lie within types, below a string is read: what reads a value goes down a level for each. */
const MAX_DEPTH = 32;

/**
 * Codecs by the oid of the type. A type that nobody has described reads as a string from text, as bytes from binary.
 *
 * @example new TypeMap().codec(1007).readText("{1,NULL}") // [1, null]
 */
export class TypeMap {
  readonly #builtins: Builtins;
  readonly #definitions = new Map<number, TypeDefinition>();
  /** Codecs made from definitions. */
  readonly #codecs = new Map<number, Codec>();
  /** How deep types lie within each of them. */
  readonly #depths = new Map<number, number>();

  /**
   * @param options.server Whose texts are written: from 19 on, pg_lsn is another. All are read.
   * @throws UnsupportedError for a version that walwire does not know.
   */
  constructor(options: { readonly server?: Server | undefined } = {}) {
    this.#builtins = builtins(options.server === undefined ? undefined : serverVersionNum(options.server));
  }

  /**
   * Describe a type; once more if it has changed. Readers and writers of rows that were made before keep what they had.
   *
   * @throws EncodeError if it is no definition.
   */
  add(...definitions: readonly TypeDefinition[]): this {
    for (const definition of definitions) {
      mustBeDefinition(definition);
      this.#definitions.set(definition.oid, definition);
    }
    this.#codecs.clear();
    this.#depths.clear();
    return this;
  }

  /**
   * Describe the types that the rows of `catalogQuery` say.
   *
   * @param rows As arrays in the order of the columns, or as objects by their names; all values are text or null.
   * @throws DecodeError BAD_VALUE for a row that the query does not give.
   */
  addFromCatalog(rows: Iterable<CatalogRow>): this {
    return this.add(...definitionsOf(rows));
  }

  /**
   * Learn what a Type message of pgoutput says, which is not much: of a domain the name of its base type, of others their own name.
   *
   * @returns whether the type is known now: that is so for a domain over a type that is, and for what has been added before.
   */
  addFromTypeMessage({ typeId, namespace, name }: Pick<Type, "typeId" | "namespace" | "name">): boolean {
    if (this.has(typeId)) return true;
    const base =
      namespace === "" || namespace === "pg_catalog"
        ? this.#builtins.oids.get(name)
        : this.#find(namespace, name, typeId);
    if (base === undefined) return false;
    // Its name is not told: errors will call it by its base type's.
    this.add({ oid: typeId, name, kind: "domain", base });
    return true;
  }

  /** Is the type built in, or has it been added? */
  has(oid: number): boolean {
    return this.#builtins.byOid.has(oid) || this.#definitions.has(oid);
  }

  /** What was added of a type; undefined also for built-in ones. */
  definition(oid: number): TypeDefinition | undefined {
    return this.#definitions.get(oid);
  }

  /** What reads and writes values of the type. */
  codec(oid: number): Codec {
    const codec = this.#builtins.byOid.get(oid) ?? this.#codecs.get(oid);
    if (codec !== undefined) return codec;
    if (!this.#definitions.has(oid)) return opaque(`type ${oid}`);
    this.#make(oid);
    return this.#codecs.get(oid)!;
  }

  #find(namespace: string, name: string, not: number): number | undefined {
    for (const definition of this.#definitions.values()) {
      const same = definition.namespace === namespace && definition.name === name;
      if (same && definition.oid !== not && definition.kind !== "domain") return definition.oid;
    }
    return undefined;
  }

  /** Make the codec of a type that was added, those of the types in it first: without recursion, since there may be any number. */
  #make(oid: number): void {
    const stack = [oid];
    const seen = new Set(stack);
    while (stack.length > 0) {
      const definition = this.#definitions.get(stack[stack.length - 1]!)!;
      const parts = partsOf(definition);
      const missing = parts.filter((part) => !seen.has(part) && this.#definitions.has(part) && !this.#codecs.has(part));
      for (const part of missing) {
        seen.add(part);
        stack.push(part);
      }
      if (missing.length > 0) continue;
      stack.pop();
      // Servers refuse types within themselves: what says so here is a string where it comes to itself.
      const codec = (part: number): Codec =>
        this.#builtins.byOid.get(part) ??
        this.#codecs.get(part) ??
        opaque(this.#definitions.get(part)?.name ?? `type ${part}`);
      const depth = 1 + Math.max(0, ...parts.map((part) => this.#depths.get(part) ?? 0));
      const tooDeep = depth > MAX_DEPTH;
      this.#depths.set(definition.oid, tooDeep ? 0 : depth);
      this.#codecs.set(definition.oid, tooDeep ? opaque(definition.name) : this.#codecOf(definition, codec));
    }
  }

  #codecOf(definition: TypeDefinition, codec: (oid: number) => Codec): Codec {
    const { name } = definition;
    switch (definition.kind) {
      case "base":
        return definition.codec ?? opaque(name);
      case "array":
        return arrayOf(name, codec(definition.element), definition.element, definition.delimiter);
      case "enum":
        return textCodec(name);
      case "domain":
        return codec(definition.base);
      case "composite":
        return compositeOf(
          name,
          definition.fields.map((field) => ({ ...field, codec: codec(field.type) })),
        );
      case "range":
        return rangeOf(name, codec(definition.subtype));
      case "multirange":
        return multirangeOf(name, codec(definition.subtype));
      default:
        return definition satisfies never;
    }
  }
}

function mustBeDefinition(definition: TypeDefinition): void {
  const isOid = (value: unknown): boolean =>
    Number.isInteger(value) && (value as number) > 0 && (value as number) <= 0xffffffff;
  const path = "TypeDefinition";
  if (typeof definition !== "object" || definition === null) refuse("an object", definition, path);
  if (!isOid(definition.oid)) refuse("an oid", definition.oid, `${path}.oid`);
  if (builtins().byOid.has(definition.oid))
    refuse("an oid that is not of a built-in type", definition.oid, `${path}.oid`);
  if (typeof definition.name !== "string") refuse("a string", definition.name, `${path}.name`);
  if (!["base", "array", "enum", "domain", "composite", "range", "multirange"].includes(definition.kind)) {
    refuse("a kind of type", definition.kind, `${path}.kind`);
  }
  if (definition.kind === "composite") mustBeArray(definition.fields, `${path}.fields`);
  for (const part of partsOf(definition)) if (!isOid(part)) refuse("oids of other types", part, path);
}

/** The types that a type is made of. */
function partsOf(definition: TypeDefinition): readonly number[] {
  switch (definition.kind) {
    case "array":
      return [definition.element];
    case "domain":
      return [definition.base];
    case "composite":
      return definition.fields.map(({ type }) => type);
    case "range":
    case "multirange":
      return [definition.subtype];
    default:
      return [];
  }
}

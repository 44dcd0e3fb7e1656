/**
 * TypeMap: from a type's oid to its codec. It knows the built-in types; the types of a database are added one by one or from its
 * catalogs.
 */
import type { Type } from "../generated/logical.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { type Server, serverVersionNum } from "../kernel/version.ts";
import { arrayOf } from "./array.ts";
import { type Builtins, builtins } from "./builtin.ts";
import { type CatalogRow, definitionOf, refuseRow } from "./catalog.ts";
import { type Codec, checkedCodec, foreignCodec, isCodec, jsonOfPart, opaque, partOfJson } from "./codec.ts";
import { compositeOf } from "./composite.ts";
import { checkedDefinition, isOid, type TypeDefinition } from "./definition.ts";
import { extensionCodec } from "./extensions.ts";
import { multirangeOf, rangeOf } from "./range.ts";
import { textCodec } from "./text.ts";

/** The longest chain of domains over domains. */
const MAX_DOMAINS = 32;

/** The codec of a type in a map, for readers and writers of rows. It does not check arguments, and follows changes of the map. */
export let codecIn: (typeMap: TypeMap, oid: number) => Codec;

/**
 * Codecs by type oid. Values of a type that has not been described are strings from text and bytes from binary.
 *
 * The order of descriptions does not matter. A codec, RowReader or writer that was made before a type in it was described, or described
 * again, uses the new description from then on.
 *
 * @example new TypeMap().codec(1007).readText("{1,NULL}") // [1, null]
 */
export class TypeMap {
  readonly #builtins: Builtins;
  readonly #named: Readonly<Record<string, Codec>>;
  readonly #definitions = new Map<number, TypeDefinition>();
  /** The codecs of types that are described. */
  readonly #codecs = new Map<number, Codec>();
  /** The codecs that users were given, which check their arguments. */
  readonly #checked = new Map<number, Codec>();
  #revision = 0;

  static {
    codecIn = (typeMap, oid) => {
      if (typeof typeMap !== "object" || typeMap === null || !(#codecs in typeMap)) {
        refuseArgument("typeMap", "a TypeMap", typeMap);
      }
      return typeMap.#codec(oid);
    };
  }

  /**
   * @param options.server The version to write text for: pg_lsn changed in 19, "char" in 15. The texts of all versions are read.
   * @param options.codecs Codecs of base types by type name, such as `vector`. They are used for types that are described without a
   *   codec, as all types from the catalogs are.
   * @throws UnsupportedError for an unknown version; ArgumentError for other invalid options.
   */
  constructor(
    options: {
      readonly server?: Server | undefined;
      readonly codecs?: Readonly<Record<string, Codec>> | undefined;
    } = {},
  ) {
    if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
    const { server, codecs = {} } = options;
    if (typeof codecs !== "object" || codecs === null) refuseArgument("options.codecs", "an object", codecs);
    for (const [name, codec] of Object.entries(codecs)) {
      if (!isCodec(codec)) refuseArgument(`options.codecs.${name}`, "a Codec", codec);
    }
    this.#builtins = builtins(server === undefined ? undefined : serverVersionNum(server));
    this.#named = { ...codecs };
  }

  /** A count of the descriptions that were added or changed. Values read before a change may be of an outdated description. */
  get revision(): number {
    return this.#revision;
  }

  /**
   * Describe types, or describe them again if they have changed.
   *
   * @throws ArgumentError for an invalid definition. Then nothing is added.
   * @example new TypeMap().add({ kind: "enum", oid: 16389, name: "mood" }).codec(16389).readText("happy") // "happy"
   */
  add(...definitions: readonly TypeDefinition[]): this {
    return this.#add(
      definitions.map((each, i) => checkedDefinition(each, `definitions[${i}]`)),
      (i, oid) => refuseArgument(`definitions[${i}].oid`, "an oid that is not of a built-in type", oid),
    );
  }

  /**
   * Describe the types listed in the rows of `catalogQuery`. Repeat it when types may have changed: a stream does not report
   * ALTER TYPE. Earlier descriptions of types that are not among the rows stay.
   *
   * @param rows Arrays in column order, or objects by column name; all values are text or null.
   * @throws DecodeError BAD_VALUE for a row that the query cannot return; ArgumentError if `rows` is not an array. Then nothing is
   *   added.
   * @example new TypeMap().addFromCatalog([]).revision // 0
   */
  addFromCatalog(rows: readonly CatalogRow[]): this {
    if (!Array.isArray(rows)) refuseArgument("rows", "an array", rows);
    return this.#add(Array.from(rows, definitionOf), (i, oid) =>
      refuseRow(`catalog[${i}].oid`, "an oid that is not of a built-in type", oid),
    );
  }

  #add(definitions: readonly TypeDefinition[], refuseBuiltin: (i: number, oid: number) => never): this {
    for (const [i, { oid }] of definitions.entries()) if (this.#builtins.byOid.has(oid)) refuseBuiltin(i, oid);
    for (const definition of definitions) {
      if (isSame(this.#definitions.get(definition.oid), definition)) continue;
      this.#definitions.set(definition.oid, definition);
      this.#revision++;
    }
    return this;
  }

  /**
   * Learn from a Type message of pgoutput. It says little: for a domain it names the base type, for other types the type itself. Only
   * the name of a built-in type identifies a type; any other name may belong to a type that was dropped and created again.
   *
   * @returns whether the map describes the type. If false, the type is unknown or has another name: load the catalogs.
   * @throws ArgumentError for anything but a Type message.
   * @example new TypeMap().addFromTypeMessage({ typeId: 16390, namespace: "", name: "int4" }) // true
   */
  addFromTypeMessage(message: Pick<Type, "typeId" | "namespace" | "name">): boolean {
    if (typeof message !== "object" || message === null) refuseArgument("message", "a Type message", message);
    const { typeId, namespace, name } = message;
    if (!isOid(typeId)) refuseArgument("message.typeId", "an oid", typeId);
    if (typeof namespace !== "string") refuseArgument("message.namespace", "a string", namespace);
    if (typeof name !== "string") refuseArgument("message.name", "a string", name);
    if (this.#builtins.byOid.has(typeId)) return true;
    const base = this.#baseOf(typeId);
    const builtin = namespace === "" || namespace === "pg_catalog" ? this.#builtins.oids.get(name) : undefined;
    if (builtin !== undefined && typeId !== 0) {
      // The domain's own name is not in the message: it gets that of its base type.
      if (base !== builtin) this.add({ oid: typeId, name, kind: "domain", base: builtin });
      return true;
    }
    const known = base === undefined ? undefined : this.#definitions.get(base);
    return known?.name === name && (known.namespace ?? namespace) === namespace;
  }

  /** Whether the type is built in or has been added. */
  has(oid: number): boolean {
    return this.#builtins.byOid.has(oid) || this.#definitions.has(oid);
  }

  /** The description of a type that was added; undefined for built-in and unknown types. */
  definition(oid: number): TypeDefinition | undefined {
    return this.#definitions.get(oid);
  }

  /**
   * The codec of a type, whether it has been described yet or not. If the type or a part of it is described later, the codec uses that
   * description from then on.
   *
   * Its reads throw ArgumentError for anything but a string or a Uint8Array.
   *
   * @throws ArgumentError for an invalid oid.
   */
  codec(oid: number): Codec {
    if (!isOid(oid)) refuseArgument("oid", "a whole number from 0 to 4294967295", oid);
    let codec = this.#checked.get(oid);
    if (codec === undefined) {
      codec = checkedCodec(this.#codec(oid));
      if (this.has(oid)) this.#checked.set(oid, codec);
    }
    return codec;
  }

  #codec(oid: number): Codec {
    const codec = this.#builtins.byOid.get(oid) ?? this.#codecs.get(oid);
    if (codec !== undefined) return codec;
    const made = this.#live(oid);
    // Unknown types are not cached: a peer may name any number of them.
    if (this.#definitions.has(oid)) this.#codecs.set(oid, made);
    return made;
  }

  /**
   * A codec that is rebuilt whenever descriptions have changed. It rebuilds its own layer only: the types in it have codecs like this
   * one, so a type may contain itself, and the order of descriptions does not matter.
   */
  #live(oid: number): Codec {
    let made: Codec = opaque("");
    let revision = -1;
    const now = (): Codec => {
      if (revision !== this.#revision) {
        made = this.#make(oid);
        revision = this.#revision;
      }
      return made;
    };
    return {
      get name() {
        return now().name;
      },
      get listLike() {
        return now().listLike === true;
      },
      get twofold() {
        return now().twofold === true;
      },
      toJson: (value) => jsonOfPart(now(), value),
      fromJson: (json) => partOfJson(now(), json),
      readText: (text) => now().readText(text),
      writeText: (value) => now().writeText(value),
      readBinary: (bytes) => now().readBinary(bytes),
      writeBinary: (value) => now().writeBinary(value),
    };
  }

  #make(oid: number): Codec {
    const definition = this.#definitions.get(oid);
    if (definition === undefined) return opaque(`type ${oid}`);
    const { name } = definition;
    switch (definition.kind) {
      case "base": {
        const brought = definition.codec ?? (Object.hasOwn(this.#named, name) ? this.#named[name] : undefined);
        if (brought !== undefined) return foreignCodec(brought);
        return extensionCodec(definition.extension, name) ?? opaque(name);
      }
      case "array":
        return arrayOf(name, this.#part(definition.element), definition.element, definition.delimiter);
      case "enum":
        return textCodec(name);
      case "domain": {
        const base = this.#baseOf(oid);
        return base === undefined ? opaque(name) : this.#codec(base);
      }
      case "composite":
        return compositeOf(
          name,
          definition.fields.map((field) => ({ ...field, codec: this.#part(field.type) })),
        );
      case "range":
        return rangeOf(name, this.#part(definition.subtype));
      case "multirange":
        return multirangeOf(name, this.#part(definition.subtype));
      default:
        return definition satisfies never;
    }
  }

  /** The codec of a type within another. A layer is rebuilt with each change, so only types that contain others need a live codec. */
  #part(oid: number): Codec {
    const base = this.#baseOf(oid) ?? oid;
    const kind = this.#definitions.get(base)?.kind;
    const ends = kind === undefined || kind === "base" || kind === "enum" || kind === "domain";
    return this.#builtins.byOid.get(base) ?? (ends ? this.#make(base) : this.#codec(base));
  }

  /** The type itself, or the base type at the end of a chain of domains; undefined if the chain is too long or a circle. */
  #baseOf(oid: number): number | undefined {
    let base = oid;
    for (let i = 0; i <= MAX_DOMAINS; i++) {
      const definition = this.#definitions.get(base);
      if (definition?.kind !== "domain") return base;
      base = definition.base;
    }
    return undefined;
  }
}

function isSame(a: TypeDefinition | undefined, b: TypeDefinition): boolean {
  if (a === undefined) return false;
  if (a.kind === "base" && b.kind === "base" && a.codec !== b.codec) return false;
  return JSON.stringify(a) === JSON.stringify(b);
}

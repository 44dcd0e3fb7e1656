/**
 * JSON Schemas (2020-12) of the JSON views of messages and state files, from the descriptions that the codecs are made of; and of commands
 * and values of synchronous_standby_names, from the types of their trees.
 */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import ts from "typescript";
import {
  ControlFileData,
  ReplicationSlotOnDisk,
  ReplicationStateOnDisk,
  SnapBuildOnDisk,
} from "../../src/files/structs.ts";
import {
  type Family,
  type Fields,
  type Struct,
  type ValueField,
  type ValueShape,
  valueFields,
} from "../../src/wire/shape.ts";
import { families } from "./kaitai.ts";

type Json = { readonly [name: string]: unknown };

const DIALECT = "https://json-schema.org/draft/2020-12/schema";

const structs: readonly Struct[] = [ReplicationSlotOnDisk, ReplicationStateOnDisk, SnapBuildOnDisk, ControlFileData];

/** Texts that stand for what JSON's numbers cannot hold. */
const texts = {
  Lsn: {
    type: "string",
    pattern: "^[0-9A-F]{1,8}/[0-9A-F]{1,8}$",
    description: "A position in WAL, as the server prints it.",
  },
  Time: {
    type: "string",
    pattern: "^(-?infinity|[+-]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\\.[0-9]{6}Z|-?[0-9]+us)$",
    description:
      "A time in UTC, ISO 8601 with microseconds; infinity and -infinity as PostgreSQL has them; microseconds since 2000 beyond the year 275760.",
  },
  Unsigned64: { type: "string", pattern: "^[0-9]{1,20}$", description: "A number of 64 bits in decimal digits." },
  Signed64: {
    type: "string",
    pattern: "^-?[0-9]{1,19}$",
    description: "A signed number of 64 bits in decimal digits.",
  },
  Bytes: { type: "string", pattern: "^\\\\x([0-9a-f]{2})*$", description: "Bytes as bytea prints them." },
} as const;

/** The schema of each view, by its path. */
export function jsonSchemaFiles(): Map<string, string> {
  const schemas = [...families.map(familySchema), ...structs.map(structSchema), ...treeSchemas()];
  return new Map(
    schemas.map((schema) => [
      `descriptions/json-schema/${schema.title}.schema.json`,
      `${JSON.stringify(schema, undefined, 2)}\n`,
    ]),
  );
}

function familySchema({ name, doc, messages }: Family): Json {
  const definitions = new Definitions();
  for (const message of messages) definitions.add(message.name, message.doc, message.fields, message.name);
  return {
    $schema: DIALECT,
    title: name,
    description: doc,
    oneOf: messages.map((message) => ({ $ref: `#/$defs/${message.name}` })),
    $defs: definitions.all,
  };
}

function structSchema({ name, doc, fields }: Struct): Json {
  const definitions = new Definitions();
  definitions.add(name, doc, fields);
  const { [name]: root, ...others } = definitions.all;
  return { $schema: DIALECT, title: name, ...(root as Json), description: doc, $defs: others };
}

class Definitions {
  readonly all: Record<string, unknown> = {};

  /** @param type The value of the property `type`, if it has one. */
  add(name: string, doc: string, fields: Fields, type?: string): Json {
    this.all[name] ??= this.#object(doc, fields, type);
    return { $ref: `#/$defs/${name}` };
  }

  #object(doc: string, fields: Fields, type?: string): Json {
    const given = valueFields(fields);
    const properties = given.map(([name, field]) => [name, { ...this.#of(field), description: field.doc }]);
    const required = given.filter(([, { form }]) => !OPTIONAL.has(form)).map(([name]) => name);
    return {
      type: "object",
      description: doc,
      properties: { ...(type !== undefined && { type: { const: type } }), ...Object.fromEntries(properties) },
      required: [...(type === undefined ? [] : ["type"]), ...required],
      additionalProperties: false,
    };
  }

  #text(name: keyof typeof texts): Json {
    this.all[name] = texts[name];
    return { $ref: `#/$defs/${name}` };
  }

  #of(shape: ValueField | ValueShape): Json {
    switch (shape.form) {
      case "u8":
        return { type: "integer", minimum: 0, maximum: 0xff };
      case "u16":
        return { type: "integer", minimum: 0, maximum: 0xffff };
      case "u32":
        return { type: "integer", minimum: 0, maximum: 0xffffffff };
      case "i32":
        return { type: "integer", minimum: -0x80000000, maximum: 0x7fffffff };
      case "u64":
        return this.#text("Unsigned64");
      case "i64":
        return this.#text("Signed64");
      case "lsn":
        return this.#text("Lsn");
      case "time":
        return this.#text("Time");
      case "bool":
        return { type: "boolean" };
      case "enum":
        return { enum: Object.values(shape.words) };
      case "numbered":
        return { anyOf: [{ enum: Object.values(shape.words) }, { type: "integer" }] };
      case "flags": {
        const names = Object.keys(shape.bits);
        const properties = Object.fromEntries(names.map((name) => [name, { type: "boolean" }]));
        return { type: "object", properties, required: names, additionalProperties: false };
      }
      case "cstring":
      case "name":
        return { type: "string" };
      case "bytes":
      case "counted":
      case "rest":
      case "extra":
      case "padding":
        return this.#text("Bytes");
      case "list":
        return { type: "array", items: this.#of(shape.element) };
      case "record":
        return this.add(shape.name, (shape as { doc?: string }).doc ?? "", shape.fields);
      case "variants": {
        const each = Object.values(shape.variants).map(({ type, doc, fields }) => this.#object(doc, fields, type));
        this.all[shape.name] ??= { oneOf: each };
        return { $ref: `#/$defs/${shape.name}` };
      }
      case "optional":
      case "after":
      case "when":
        return this.#of(shape.shape);
      case "tuple":
        this.all.TupleData ??= {
          type: "array",
          description: "The columns of a row: text, null for NULL, an object for what is neither.",
          items: {
            anyOf: [
              { type: ["string", "null"] },
              only({ unchanged: { const: true } }, "A TOASTed value that did not change."),
              only({ binary: this.#text("Bytes") }, "A value in binary format."),
            ],
          },
        };
        return { $ref: "#/$defs/TupleData" };
      default:
        return shape satisfies never;
    }
  }
}

const OPTIONAL: ReadonlySet<string> = new Set(["optional", "when", "extra", "padding"]);

function only(properties: Json, description: string): Json {
  return { type: "object", description, properties, required: Object.keys(properties), additionalProperties: false };
}

// ---- Trees ----

/** The types in a file of trees, by name. */
function typesIn(path: string): Map<string, ts.InterfaceDeclaration | ts.TypeAliasDeclaration> {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  const source = ts.createSourceFile(file, readFileSync(file, "utf8"), ts.ScriptTarget.Latest, true);
  const types = source.statements.filter((each) => ts.isInterfaceDeclaration(each) || ts.isTypeAliasDeclaration(each));
  return new Map(types.map((each) => [each.name.text, each]));
}

function treeSchemas(): Json[] {
  return [
    treeSchema("Command", "src/command/ast.ts", "A replication command, as `walwire command` prints it with --jsonl."),
    treeSchema(
      "SyncRepConfig",
      "src/syncrep/ast.ts",
      "A value of synchronous_standby_names, as `walwire sync` prints it with --jsonl.",
    ),
  ];
}

/** Converts the forms of types that trees have. @throws TypeError for another one */
function treeSchema(name: string, path: string, description: string): Json {
  const types = typesIn(path);
  const defs: Record<string, unknown> = {};
  const refer = (type: string): Json => {
    if (type === "Lsn") defs.Lsn = texts.Lsn;
    if (defs[type] === undefined) {
      defs[type] = {}; // in the order in which they are met
      const declaration = types.get(type);
      if (declaration === undefined) throw new TypeError(`${path} has no ${type}`);
      defs[type] = { description: docOf(declaration), ...schemaOf(declaration) };
    }
    return { $ref: `#/$defs/${type}` };
  };
  const schemaOf = (node: ts.Node): Json => {
    if (ts.isTypeAliasDeclaration(node)) return schemaOf(node.type);
    if (ts.isInterfaceDeclaration(node)) {
      const members = node.members.filter(ts.isPropertySignature);
      const isOptional = (member: ts.PropertySignature): boolean => alternatives(member.type!).some(isUndefined);
      return {
        type: "object",
        properties: Object.fromEntries(
          members.map((member) => [
            member.name.getText(),
            { ...schemaOf(member.type!), ...(docOf(member) && { description: docOf(member) }) },
          ]),
        ),
        required: members.filter((member) => !isOptional(member)).map((member) => member.name.getText()),
        additionalProperties: false,
      };
    }
    const given = alternatives(node).filter((each) => !isUndefined(each));
    if (given.length > 1) {
      const constants = given.map((each) => schemaOf(each).const);
      return constants.every((each) => each !== undefined) ? { enum: constants } : { oneOf: given.map(schemaOf) };
    }
    const [type] = given as [ts.Node];
    if (ts.isLiteralTypeNode(type) && ts.isStringLiteral(type.literal)) return { const: type.literal.text };
    if (ts.isTypeOperatorNode(type)) return schemaOf(type.type);
    if (ts.isArrayTypeNode(type)) return { type: "array", items: schemaOf(type.elementType) };
    if (ts.isTypeReferenceNode(type)) return refer(type.typeName.getText());
    if (type.kind === ts.SyntaxKind.StringKeyword) return { type: "string" };
    if (type.kind === ts.SyntaxKind.NumberKeyword) return { type: "integer" };
    if (type.kind === ts.SyntaxKind.BooleanKeyword) return { type: "boolean" };
    throw new TypeError(`${path}: no schema for ${type.getText()}`);
  };
  refer(name);
  const { [name]: root, ...others } = defs;
  return { $schema: DIALECT, title: name, ...(root as Json), description, $defs: others };
}

function alternatives(type: ts.Node): readonly ts.Node[] {
  return ts.isUnionTypeNode(type) ? type.types : [type];
}

function isUndefined(type: ts.Node): boolean {
  return type.kind === ts.SyntaxKind.UndefinedKeyword;
}

function docOf(node: ts.Node): string {
  return ts
    .getJSDocCommentsAndTags(node)
    .map((each) => ts.getTextOfJSDocComment(each.comment) ?? "")
    .join(" ")
    .replace(/\s*\n\s*/g, " ");
}

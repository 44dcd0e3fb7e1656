/** The part of JSON Schema that conformance/schema.json uses, so that rows are held against it without a dependency. */

interface Schema {
  readonly $ref?: string;
  readonly type?: string;
  readonly enum?: readonly unknown[];
  readonly pattern?: string;
  readonly properties?: Readonly<Record<string, Schema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | Schema;
  readonly items?: Schema;
  readonly minItems?: number;
  readonly anyOf?: readonly Schema[];
  readonly $defs?: Readonly<Record<string, Schema>>;
  readonly $schema?: string;
  readonly $id?: string;
  readonly title?: string;
  readonly description?: string;
}

const known = [
  ...[
    "$ref",
    "type",
    "enum",
    "pattern",
    "properties",
    "required",
    "additionalProperties",
    "items",
    "minItems",
    "anyOf",
  ],
  ...["$defs", "$schema", "$id", "title", "description"],
];

/** @returns where the value is not what the definition of this name says; undefined if it is. */
export function violation(root: object, name: string, value: unknown): string | undefined {
  return check(root as Schema, { $ref: `#/$defs/${name}` }, value, name);
}

function check(root: Schema, schema: Schema, value: unknown, path: string): string | undefined {
  for (const keyword of Object.keys(schema)) {
    if (!known.includes(keyword)) throw new Error(`${path}: the keyword ${keyword} is not read here.`);
  }
  if (schema.$ref !== undefined) {
    const definition = root.$defs?.[schema.$ref.replace("#/$defs/", "")];
    if (definition === undefined) throw new Error(`${path}: ${schema.$ref} is not defined.`);
    return check(root, definition, value, path);
  }
  if (schema.anyOf !== undefined) {
    const violations = schema.anyOf.map((each) => check(root, each, value, path));
    return violations.includes(undefined) ? undefined : violations.join("; ");
  }
  if (
    schema.type !== undefined &&
    typeOf(value) !== schema.type &&
    !(schema.type === "number" && typeOf(value) === "integer")
  )
    return `${path} is ${typeOf(value)}, expected ${schema.type}`;
  if (schema.enum !== undefined && !schema.enum.includes(value)) return `${path} is ${JSON.stringify(value)}`;
  if (schema.pattern !== undefined && !new RegExp(schema.pattern, "u").test(value as string))
    return `${path} is ${JSON.stringify(value)}, expected ${schema.pattern}`;
  if (Array.isArray(value)) {
    if (value.length < (schema.minItems ?? 0)) return `${path} has ${value.length} items`;
    if (schema.items === undefined) return undefined;
    return first(value.map((item, i) => () => check(root, schema.items!, item, `${path}[${i}]`)));
  }
  if (typeof value !== "object" || value === null) return undefined;
  const missing = schema.required?.find((name) => !Object.hasOwn(value, name));
  if (missing !== undefined) return `${path}.${missing} is missing`;
  const { properties = {}, additionalProperties = true } = schema;
  return first(
    Object.entries(value).map(([name, each]) => () => {
      const property = Object.hasOwn(properties, name) ? properties[name]! : additionalProperties;
      if (property === false) return `${path}.${name} is not in the schema`;
      return property === true ? undefined : check(root, property, each, `${path}.${name}`);
    }),
  );
}

function first(checks: readonly (() => string | undefined)[]): string | undefined {
  for (const each of checks) {
    const violated = each();
    if (violated !== undefined) return violated;
  }
  return undefined;
}

function typeOf(value: unknown): string {
  if (value === null) return "null";
  if (Array.isArray(value)) return "array";
  return Number.isInteger(value) ? "integer" : typeof value;
}

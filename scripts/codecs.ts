/**
 * Generates the codecs of messages and structs from the descriptions in a domain's messages.ts or structs.ts: types, decoders, encoders
 * and the dispatch by type byte, in plain TypeScript like handwritten code. The tests compare them with an interpreter.
 *
 * Records and variants inside a list get functions of their own; everything else is inlined, so that the name of every field is a
 * constant.
 */
import { execFileSync } from "node:child_process";
import { createRequire } from "node:module";
import { fileURLToPath } from "node:url";
import { BaseBackupMessage } from "../src/basebackup/messages.ts";
import * as files from "../src/files/structs.ts";
import { PgoutputMessage } from "../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../src/physical/messages.ts";
import * as wal from "../src/wal/structs.ts";
import { quoted } from "../src/wire/check.ts";
import { alignmentOfAll, layoutOf } from "../src/wire/layout.ts";
import {
  type Context,
  type Family,
  type Fields,
  firstOf,
  type ListShape,
  type Message,
  type NativeFields,
  type PaddingShape,
  type RecordShape,
  type Shape,
  type Struct,
  unitOf,
  type ValueField,
  type ValueShape,
  type VariantsShape,
  valueFields,
  type WhenShape,
} from "../src/wire/shape.ts";

const root = fileURLToPath(new URL("../", import.meta.url));

/** The families of each domain in the order of output, or all structs of its structs.ts. */
const domains: Readonly<Record<string, readonly (Family | Struct)[]>> = {
  physical: [WalSenderMessage, WalReceiverMessage],
  logical: [PgoutputMessage],
  files: structsOf(files),
  basebackup: [BaseBackupMessage],
  wal: structsOf(wal),
};

/** The structs among the exports of a structs.ts, in alphabetical order. */
export function structsOf(module: object): Struct[] {
  const structs = Object.values(module).filter((each): each is Struct => "end" in each);
  // The order of a module's exports depends on its loader.
  return structs.sort((a, b) => (a.name < b.name ? -1 : 1));
}

/** The records that structs of other domains have as their body, by name: each has a codec of its own, in the file of the domain given here. */
const bodies: ReadonlyMap<string, string> = new Map(
  Object.values(domains)
    .flat()
    .flatMap((entry) => ("body" in entry && entry.body !== undefined ? [entry.body.name] : []))
    .map((name) => [name, domainOf(name)]),
);

/** The domain with a struct that has a field of this record. */
function domainOf(record: string): string {
  const is = (field: Shape): boolean => field.form === "record" && field.name === record;
  const [domain] = Object.entries(domains).find(([, entries]) =>
    entries.some((entry) => "end" in entry && Object.values(entry.fields).some(is)),
  )!;
  return domain;
}

/** Every generated codec: its path from the root of the repository, and its text. */
export async function generatedCodecs(): Promise<Map<string, string>> {
  const files = Object.entries(domains).map(([domain, entries]): [string, string] => {
    const path = `src/generated/${domain}.ts`;
    return [path, format(path, codecs(domain, entries))];
  });
  return new Map(files);
}

/** Format with Biome, so that diffs of generated files show only real changes. */
function format(path: string, text: string): string {
  const biome = createRequire(import.meta.url).resolve("@biomejs/biome/bin/biome");
  const args = [biome, "format", "--colors=off", `--stdin-file-path=${path}`];
  return execFileSync(process.execPath, args, { cwd: root, input: text, encoding: "utf8" });
}

function codecs(domain: string, entries: readonly (Family | Struct)[]): string {
  const families = entries.filter((entry) => "messages" in entry);
  const structs = entries.filter((entry) => "end" in entry);
  const messages = families.flatMap((family) => family.messages);
  const named = namedShapes([...messages, ...structs]);
  const contexts = new Set([...families.filter(hasContext), ...structs].flatMap(({ context }) => context ?? []));
  const native = structs.length > 0;
  const body = [
    ...named.types,
    ...families.flatMap((family) => family.messages.map((message) => messageType(message, family))),
    ...families.map(familyType),
    ...structs.map(structType),
    ...[...contexts].map(contextType),
    ...families.flatMap(familyCodec),
    ...structs.flatMap(structCodec),
    ...families.flatMap(({ messages: each, context }) =>
      each.flatMap((message) => [reader(message, context), writer(message)]),
    ),
    ...structs.flatMap((struct) => Object.values(struct.fields).flatMap((field) => bodyCodec(field, struct))),
    ...[...named.lists.values()].flatMap((shape) => [listReader(shape, native), listWriter(shape, native)]),
  ].join("\n\n");
  const used = (name: string): boolean => new RegExp(`\\b${name}\\b`).test(body);
  const imports: readonly [string, readonly string[]][] = [
    ["../kernel/lsn.ts", ["type Lsn"]],
    ["../kernel/time.ts", ["type PgTime"]],
    ["../wire/check.ts", ["mustBeArray", "mustBeContext", "mustBeObject", "refuse"]],
    ["../wire/counted.ts", ["readCounted", "writeCounted"]],
    ["../wire/cstring.ts", ["readCString", "writeCString"]],
    ["../wire/native.ts", ["NativeReader", "NativeWriter", "numberOf", "wordOf"]],
    ["../wire/reader.ts", ["Reader"]],
    ["../wire/tuple.ts", ["readTuple", "type TupleData", "writeTuple"]],
    ["../wire/words.ts", ["bitOf", "readBits", "readLiteral", "readWord", "writeWord"]],
    ["../wire/writer.ts", ["encodeWith", "type Writer"]],
    ...[...bodies].map(([name, owner]): [string, string[]] => [
      `./${owner}.ts`,
      owner === domain ? [] : [`type ${name}`, `read${name}`, `write${name}`],
    ]),
  ];
  const lines = imports.flatMap(([from, names]) => {
    const needed = names.filter((name) => used(name.replace("type ", "")));
    if (needed.length === 0) return [];
    const types = needed.every((name) => name.startsWith("type "));
    return `import ${types ? "type " : ""}{ ${needed.map((name) => (types ? name.replace("type ", "") : name)).join(", ")} } from "${from}";`;
  });
  return `// Generated from src/${domain}/${native ? "structs" : "messages"}.ts by \`npm run generate\`. Do not edit.
${lines.join("\n")}

${body}
`;
}

// ---- Types ----

function doc(...lines: (string | undefined)[]): string {
  const text = lines.filter((line) => line !== undefined);
  return text.length === 1 ? `/** ${text[0]} */` : `/**\n${text.map((line) => ` * ${line}`.trimEnd()).join("\n")}\n */`;
}

function messageType(message: Message, family: Family): string {
  return `${doc(message.doc + needs(message, family), "", `@source ${message.source}`)}
export interface ${message.name} {
  readonly type: ${JSON.stringify(message.name)};
${properties(message.fields)}
}`;
}

/** A sentence that says which servers send the message and which options it needs. */
function needs({ since, options = [] }: Message, { capabilities }: Family): string {
  const servers = since === undefined ? "" : ` Servers from ${capabilities.since(since)} on`;
  if (options.length === 0) return servers && `${servers}.`;
  return `${servers}, with the option${options.length > 1 ? "s" : ""} ${options.join(" and ")}.`;
}

function familyType({ name, doc: text, unions = {}, messages }: Family): string {
  const union = (of: string, about: string, members: readonly Message[]): string =>
    `${doc(about)}\nexport type ${of} = ${members.map((message) => message.name).join(" | ")};`;
  return [
    union(name, text, messages),
    ...Object.entries(unions).map(([of, { kind, doc: about }]) =>
      union(
        of,
        about,
        messages.filter((message) => message.kind === kind),
      ),
    ),
  ].join("\n\n");
}

/** Whether decoding depends on a context besides the bytes. */
function hasContext({ context }: Family): boolean {
  return Object.keys(context.conditions).length > 0;
}

function contextType({ name, doc: text, conditions }: Context): string {
  const entries = Object.entries(conditions);
  return `${doc(text)}
export interface ${name} {
${entries.map(([key, each]) => `${doc(each.doc)}\nreadonly ${key}: boolean;`).join("\n")}
}

/** The default context. */
const ${otherwiseName({ name })}: ${name} = { ${entries.map(([key, each]) => `${key}: ${each.otherwise}`)} };`;
}

/** The expected type in an error message, as a constant that only errors use. */
function quotedWords(words: readonly string[]): string {
  return JSON.stringify(quoted(words));
}

/** The constant of the default context. */
function otherwiseName({ name }: Pick<Context, "name">): string {
  return `otherwise${name}`;
}

function structType(struct: Struct): string {
  const { name, fields, body } = struct;
  return `${doc(struct.doc, "", `@source ${struct.source}`)}
export interface ${name} ${body === undefined ? "" : `extends ${body.name} `}{
${properties(ownFields({ fields, body }))}
}`;
}

/** The fields that a struct has besides its body. */
function ownFields({ fields, body }: Pick<Struct, "fields"> & { readonly body?: Struct["body"] | undefined }): Fields {
  return Object.fromEntries(Object.entries(fields).filter(([name]) => body === undefined || !(name in body.fields)));
}

function properties(fields: Fields): string {
  return valueFields(fields)
    .map(([name, field]) => `${doc(field.doc + unit(field))}\nreadonly ${property(name, field)};`)
    .join("\n");
}

function property(name: string, field: ValueField): string {
  return `${name}${OPTIONAL.has(field.form) ? "?" : ""}: ${typeOf(field)}`;
}

/** The forms whose value may be undefined. */
const OPTIONAL: ReadonlySet<Shape["form"]> = new Set(["optional", "when", "extra", "padding"]);

function unit(shape: Shape): string {
  switch (shape.form) {
    case "lsn":
    case "time": {
      const [first, ...more] = unitOf(shape.form)!;
      return ` ${first!.toUpperCase()}${more.join("")}.`;
    }
    case "when":
      return unit(shape.shape);
    case "bytes":
    case "counted":
    case "rest":
    case "extra":
    case "tuple":
      return " A view into the bytes that were decoded, not a copy.";
    default:
      return "";
  }
}

function typeOf(shape: ValueField | ValueShape): string {
  switch (shape.form) {
    case "u8":
    case "u16":
    case "u32":
    case "i32":
      return "number";
    case "u64":
    case "i64":
      return "bigint";
    case "lsn":
      return "Lsn";
    case "time":
      return "PgTime";
    case "bool":
      return "boolean";
    case "enum":
      return Object.values(shape.words)
        .map((word) => JSON.stringify(word))
        .join(" | ");
    case "flags":
      return `{ ${Object.entries(shape.bits)
        .map(([name, bit]) => `/** Bit ${bit}. */\nreadonly ${name}: boolean`)
        .join(";\n")} }`;
    case "numbered":
      return `${Object.values(shape.words)
        .map((word) => JSON.stringify(word))
        .join(" | ")} | number`;
    case "cstring":
    case "name":
      return "string";
    case "bytes":
    case "counted":
    case "rest":
      return "Uint8Array";
    case "list":
      return `readonly ${typeOf(shape.element)}[]`;
    case "record":
    case "variants":
      return shape.name;
    case "optional":
    case "when":
      return `${typeOf(shape.shape)} | undefined`;
    case "extra":
    case "padding":
      return "Uint8Array | undefined";
    case "tuple":
      return "TupleData";
    case "after":
      return typeOf(shape.shape);
    default:
      return shape satisfies never;
  }
}

/** The types of records and variants, the tables of words, and the lists with functions of their own, each once. */
function namedShapes(messages: readonly (Message | Struct)[]): { types: string[]; lists: Map<string, ListShape> } {
  const types = new Map<string, string>();
  const lists = new Map<string, ListShape>();
  const words = (name: string, of: Readonly<Record<string, string>>): void => {
    const text = `const ${name}Words = ${JSON.stringify(of)} as const;`;
    if ((types.get(name) ?? text) !== text) throw new TypeError(`${name} stands for words of two kinds`);
    types.set(name, text);
  };
  const visit = (shape: Shape & { readonly doc?: string }, field: string): void => {
    switch (shape.form) {
      case "enum":
      case "numbered":
        return words(field, shape.words);
      case "list":
        visit(shape.element, field);
        if (isNamed(shape.element)) lists.set(shape.element.name, shape);
        return;
      case "optional":
      case "after":
      case "when":
        return visit(shape.shape, field);
      case "record":
        visitAll(shape.fields);
        types.set(
          shape.name,
          `${doc(shape.doc ?? "")}\nexport interface ${shape.name} {\n${properties(shape.fields)}\n}`,
        );
        return;
      case "variants":
        for (const { fields } of Object.values(shape.variants)) visitAll(fields);
        types.set(shape.name, variantsType(shape));
        return;
      default:
    }
  };
  const visitAll = (fields: Fields): void => {
    for (const [name, field] of Object.entries(fields)) visit(field, name);
  };
  for (const each of messages) visitAll("body" in each ? ownFields(each) : each.fields);
  return { types: [...types.values()], lists };
}

function variantsType(shape: VariantsShape & { readonly doc?: string }): string {
  const variants = Object.values(shape.variants);
  const docs = variants.map(({ type, doc: text, fields }) => {
    const each = valueFields(fields).map(([name, field]) => ` \`${name}\`: ${field.doc}${unit(field)}`);
    return `- \`${type}\`: ${text}${each.join("")}`;
  });
  const each = variants.map(({ type, fields }) => {
    const members = valueFields(fields).map(
      ([name, field]) => `${doc(field.doc + unit(field))}\nreadonly ${property(name, field)}`,
    );
    return `{ ${[`readonly type: ${JSON.stringify(type)}`, ...members].join(";\n")} }`;
  });
  const constants = variants
    .filter((variant) => valueFields(variant.fields).length === 0)
    .map((variant) => {
      const value = `Object.freeze({ type: ${JSON.stringify(variant.type)} })`;
      return `const ${constantName(shape, variant.type)}: ${shape.name} = /* @__PURE__ */ ${value};`;
    });
  return [`${doc(shape.doc, ...docs)}\nexport type ${shape.name} = ${each.join(" | ")};`, ...constants].join("\n\n");
}

/** A variant without fields is one shared frozen object. */
function constantName(shape: VariantsShape, type: string): string {
  return `${shape.name[0]!.toLowerCase()}${shape.name.slice(1)}${type[0]!.toUpperCase()}${type.slice(1)}`;
}

function isNamed(shape: Shape): shape is Extract<Shape, { name: string }> {
  return shape.form === "record" || shape.form === "variants";
}

// ---- Dispatch ----

function familyCodec(family: Family): string[] {
  const { name, messages, example, context } = family;
  const conditional = messages.filter(({ condition }) => condition !== undefined);
  const always = messages.filter(({ condition }) => condition === undefined);
  const alwaysTags = always.map(({ tag }) => tag).join("");
  const conditionalTags = conditional.map(({ tag, condition }) => `\${context.${condition} ? "${tag}" : ""}`);
  const tags = conditional.length === 0 ? `"${alwaysTags}"` : `\`${alwaysTags}${conditionalTags.join("")}\``;
  const sources = `@source ${[...new Set(messages.map((message) => message.source.split(":")[0]))].join(", ")}`;
  return [
    `${doc(
      `Decode one message: ${family.doc[0]!.toLowerCase()}${family.doc.slice(1)}`,
      "",
      "@param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.",
      ...(hasContext(family) ? [`@param context ${context.doc}`] : []),
      "@throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;",
      "  ArgumentError for what is not a Uint8Array.",
      sources,
      `@example decode${name}(hex(${JSON.stringify(example.hex)})).type // ${JSON.stringify(example.type)}`,
    )}
export function decode${name}(bytes: Uint8Array${hasContext(family) ? `, context: ${context.name} = ${otherwiseName(context)}` : ""}): ${name} {
  ${hasContext(family) ? "mustBeContext(context);" : ""}
  return read${name}(new Reader(bytes)${hasContext(family) ? ", context" : ""});
}`,
    `/** Read one ${name}, which is all that the reader has left. @internal */
export function read${name}(r: Reader${hasContext(family) ? `, context: ${context.name}` : ""}): ${name} {
  let message: ${name};
  switch (r.u8("${name}.type")) {
    ${messages
      .map((message) => {
        const { tag, condition } = message;
        const is = condition === undefined ? code(tag) : `context.${condition} ? ${code(tag)} : -1`;
        return `case ${is}: // ${tag}
          message = read${message.name}(${parameters(message, "r", "context")});
          break;`;
      })
      .join("\n")}
    default: return r.notOneOf("BAD_TAG", ${tags}, "${name}.type");
  }
  r.end(message.type);
  return message;
}`,
    `${doc(
      `Encode one message: ${family.doc[0]!.toLowerCase()}${family.doc.slice(1)}`,
      "",
      "@returns The type byte and the fields, in a fresh array that is the caller's.",
      "@throws EncodeError with the path of the field that does not fit.",
      sources,
    )}
export function encode${name}(message: ${name}): Uint8Array {
  return encodeWith(write${name}, message);
}`,
    `function write${name}(w: Writer, message: ${name}): void {
  mustBeObject(message, "${name}");
  switch (message.type) {
    ${messages.map((message) => `case "${message.name}": return write${message.name}(${isEmpty(message) ? "w" : "w, message"});`).join("\n")}
    default: refuse(${quotedWords(messages.map((message) => message.name))}, (message as { type: unknown }).type, "${name}.type");
  }
}`,
  ];
}

function structCodec(struct: Struct): string[] {
  const { name, doc: text, source, context, fields, end, body } = struct;
  for (const holds of contextsOf(struct)) layoutOf(struct, holds); // throws for a layout that is impossible in C
  const { padding } = fields;
  const place = new Place(JSON.stringify(name), undefined, true);
  const lower = `${text[0]!.toLowerCase()}${text.slice(1)}`;
  const [parameter, argument] = context === undefined ? ["", ""] : [`, context: ${context.name}`, ", context"];
  const alignment = alignmentOfAll(fields);
  const align = end === "sizeof" && alignment > 1;
  const views = valueFields(fields).some(([, field]) => field.form === "rest" || field.form === "extra");
  return [
    `${doc(
      `Decode one ${name}: ${lower}`,
      "",
      `@param bytes The struct and nothing else.${views ? " Byte arrays in the result are views into it, not copies." : ""}`,
      context && `@param context ${context.doc}`,
      "@throws DecodeError TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;",
      "  ArgumentError for what is not a Uint8Array.",
      `@source ${source}`,
    )}
export function decode${name}(bytes: Uint8Array${parameter}${context ? ` = ${otherwiseName(context)}` : ""}): ${name} {
  ${context ? "mustBeContext(context);" : ""}
  const r = new NativeReader(bytes);
  const struct = read${name}(r${argument});
  r.end("${name}");
  return struct;
}`,
    `${doc(
      `Encode one ${name}: ${lower}`,
      "",
      "@returns a fresh array that is the caller's.",
      "@throws EncodeError with the path of the field that does not fit.",
      `@source ${source}`,
    )}
export function encode${name}(struct: ${name}): Uint8Array {
  const w = new NativeWriter();
  write${name}(w, struct);
  return w.finish();
}`,
    `/** Read one ${name} where the reader stands: more may follow. */
export function read${name}(r: NativeReader${parameter}): ${name} {
  r.begin();
  ${body === undefined ? readFields(fields, place) : `const body = ${readBody(body, place)};`}
  ${align ? `r.align(${alignment}, ${place.below("padding")});` : ""}
  ${padding ? "const padding = r.padding();" : ""}
  return { ${[...(body === undefined ? [] : ["...body"]), ...valueFields(ownFields(struct)).map(([field]) => field)]} };
}`,
    `/** Write one ${name} behind what has been written. */
export function write${name}(w: NativeWriter, struct: ${name}): void {
  mustBeObject(struct, "${name}");
  w.begin(${padding ? "struct.padding" : "undefined"}, ${place.below("padding")});
  ${body === undefined ? writeFields(fields, "struct", place) : `write${body.name}(w, struct, ${place});`}
  ${align ? `w.align(${alignment});` : ""}
  ${padding ? `w.padding(${place.below("padding")});` : ""}
}`,
  ];
}

/** The codec of a record that other structs have as their body: at any path, without the padding before and after it. */
function bodyCodec(field: Shape, { context }: Struct): string[] {
  if (field.form !== "record" || !bodies.has(field.name)) return [];
  const { name, fields } = field;
  const conditions = conditionsOf({ context, fields: fields as NativeFields }).map((each) => JSON.stringify(each));
  const at = new Place("path", "", true, "undefined");
  return [
    `export function read${name}(r: NativeReader, path: string, context: Pick<${context!.name}, ${conditions.join(" | ")}>): ${name} {
  ${readFields(fields, at)}
  return { ${valueFields(fields).map(([each]) => each)} };
}`,
    `export function write${name}(w: NativeWriter, value: ${name}, path: string): void {
  mustBeObject(value, path);
  ${writeFields(fields, "value", at)}
}`,
  ];
}

function readBody({ name }: RecordShape, at: Place): string {
  return `read${name}(r, ${at}, context)`;
}

/** All possible contexts. */
export function contextsOf({ context, fields }: Struct): readonly Readonly<Record<string, boolean>>[] {
  const names = conditionsOf({ context, fields });
  if (context?.combinations !== undefined) return context.combinations(names);
  return Array.from({ length: 2 ** names.length }, (_, bits) =>
    Object.fromEntries(names.map((name, i) => [name, (bits & (1 << i)) !== 0])),
  );
}

/** The conditions of the fields of a struct and of the records in it. */
export function conditionsOf({ context, fields }: Pick<Struct, "context" | "fields">): string[] {
  const used = new Set<string>();
  const visit = (shape: Shape): void => {
    if (shape.form === "when") {
      used.add(shape.condition);
      visit(shape.shape);
    } else if (shape.form === "record") {
      for (const field of Object.values(shape.fields)) visit(field);
    }
  };
  for (const field of Object.values(fields)) visit(field);
  return Object.keys(context?.conditions ?? {}).filter((name) => used.has(name));
}

// ---- Decoders ----

/** The path of a field, as arguments of a method of Reader or Writer. */
class Place {
  /** An expression: the path in quotes, or `path` in a list's function. */
  readonly #path: string;
  /** The path after the index for an element of a list; undefined elsewhere. */
  readonly #field: string | undefined;
  /** In a struct. */
  readonly native: boolean;
  /** The index, an expression. */
  readonly #index: string;

  constructor(path: string, field?: string, native = false, index = "i") {
    this.#path = path;
    this.#field = field;
    this.native = native;
    this.#index = index;
  }

  below(name: string): Place {
    const { native } = this;
    if (this.#field === undefined)
      return new Place(JSON.stringify(`${JSON.parse(this.#path)}.${name}`), undefined, native);
    return new Place(this.#path, `${this.#field}.${name}`, native, this.#index);
  }

  element(): Place {
    return new Place(this.#path, "", this.native);
  }

  /** The name of the field itself. */
  name(): string {
    return (this.#field ?? (JSON.parse(this.#path) as string)).split(".").at(-1)!;
  }

  toString(): string {
    if (this.#field === undefined) return this.#path;
    return [this.#path, this.#index, ...(this.#field === "" ? [] : [JSON.stringify(this.#field)])].join(", ");
  }
}

function code(tag: string): string {
  return `0x${tag.charCodeAt(0).toString(16)}`;
}

function isEmpty({ fields }: Message): boolean {
  return Object.keys(fields).length === 0;
}

/** The parameters of a message's reader: only those that it needs. */
function parameters({ fields }: Message, reader: string, context: string): string {
  const forms = Object.values(fields).map(({ form }) => form);
  return [...(forms.length > 0 ? [reader] : []), ...(forms.includes("when") ? [context] : [])].join(", ");
}

function reader(message: Message, context: Context): string {
  return `function read${message.name}(${parameters(message, "r: Reader", `context: ${context.name}`)}): ${message.name} {
  ${readFields(message.fields, new Place(JSON.stringify(message.name)))}
  return { type: "${message.name}", ${valueFields(message.fields).map(([name]) => name)} };
}`;
}

function readFields(fields: Fields, at: Place): string {
  return Object.entries(fields)
    .flatMap(([name, field]) => {
      const place = at.below(name);
      if (field.form === "count") return `const ${name} = r.u32(${place});`;
      if (field.form === "reserved") return `readBits(r, 0, ${place});`;
      if (field.form === "padding") return [];
      const count = Object.entries(fields).find(([, other]) => other.form === "count" && other.list === name);
      return read(field, name, place, count?.[0]);
    })
    .join("\n");
}

/** A shape with a value that is read where it stands; padding is read at the end of its struct. */
type ReadShape = ValueShape | Exclude<ValueField, PaddingShape>;

/** Statements that read `shape` into a new variable. */
function read(shape: ReadShape, variable: string, at: Place, count?: string): string {
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
      return `const ${variable} = r.${shape.form}(${at});`;
    case "bytes":
      return `const ${variable} = r.chars(${shape.length}, ${at});`;
    case "counted":
      return `const ${variable} = readCounted(r, ${at});`;
    case "numbered":
      return `const ${variable} = wordOf(${at.name()}Words, r.${shape.as}(${at}));`;
    case "cstring":
      return `const ${variable} = readCString(r, ${at});`;
    case "tuple":
      return `const ${variable} = readTuple(r, ${at});`;
    case "rest":
    case "extra":
      return `const ${variable} = r.${shape.form}();`;
    case "when":
      return `let ${variable}: ${typeOf(shape)};
if (context.${shape.condition}) {
  ${read(shape.shape, "value", at)}
  ${variable} = value;
}`;
    case "enum":
      return `const ${variable} = readWord(r, ${at.name()}Words, ${at});`;
    case "flags": {
      const bits = Object.entries(shape.bits);
      const mask = bits.reduce((sum, [, bit]) => sum | bit, 0);
      return `const ${variable}Bits = readBits(r, ${mask}, ${at});
const ${variable} = { ${bits.map(([name, bit]) => `${name}: (${variable}Bits & ${bit}) !== 0`)} };`;
    }
    case "list":
      if (isNamed(shape.element)) {
        return `const ${variable} = read${shape.element.name}s(r, ${at}${shape.count === "elsewhere" ? `, ${count}` : ""});`;
      }
      return `const ${variable}: ${typeOf(shape.element)}[] = [];
for (let i = 0; ${shape.count === "end" ? "r.offset < r.length" : `i < ${count}`}; i++) {
  ${read(shape.element, "element", at.element())}
  ${variable}.push(element);
}`;
    case "record": {
      // In its own block, since names of its fields may occur elsewhere.
      const align = alignRecord(shape.fields, at, (size) => `r.align(${size}, ${at});\n`);
      if (bodies.has(shape.name)) return `${align}const ${variable} = ${readBody(shape, at)};\n${align}`;
      return `let ${variable}: ${shape.name};
{
  ${align}${readFields(shape.fields, at)}
  ${align}${variable} = { ${valueFields(shape.fields).map(([name]) => name)} };
}`;
    }
    case "variants":
      return `let ${variable}: ${shape.name};\n${readVariants(shape, variable, at)}`;
    case "optional": {
      const tags = Object.keys(shape.shape.variants).map((tag) => `r.bytes[r.offset] === ${code(tag)}`);
      return `let ${variable}: ${typeOf(shape)};
if (${tags.join(" || ")}) {
  ${readVariants(shape.shape, variable, at)}
}`;
    }
    case "after":
      return `readLiteral(r, ${JSON.stringify(shape.byte)}, ${at});\n${read(shape.shape, variable, at)}`;
    default:
      return shape satisfies never;
  }
}

/** A statement that aligns a record, if it is in a struct and needs that. */
function alignRecord(fields: Fields, { native }: Place, statement: (size: number) => string): string {
  const alignment = native ? alignmentOfAll(fields as NativeFields) : 1;
  return alignment > 1 ? statement(alignment) : "";
}

/** A switch that assigns `variable`. */
function readVariants(shape: VariantsShape, variable: string, at: Place): string {
  const cases = Object.entries(shape.variants).map(([tag, variant]) => {
    const names = valueFields(variant.fields).map(([name]) => name);
    const value =
      names.length > 0 ? `{ type: ${JSON.stringify(variant.type)}, ${names} }` : constantName(shape, variant.type);
    return `case ${code(tag)}: {
  // ${tag}
  ${readFields(variant.fields, at)}
  ${variable} = ${value};
  break;
}`;
  });
  return `switch (r.u8(${at.below("type")})) {
  ${cases.join("\n")}
  default: return r.notOneOf("BAD_VALUE", ${JSON.stringify(Object.keys(shape.variants).join(""))}, ${at.below("type")});
}`;
}

function listReader(shape: ListShape, native: boolean): string {
  const element = shape.element as Extract<Shape, { name: string }>;
  const [length, more] = {
    u16: [", path: string", "i < length"],
    elsewhere: [", path: string, length: number", "i < length"],
    end: [", path: string", "r.offset < r.length"],
  }[shape.count] as [string, string];
  return `function read${element.name}s(r: ${native ? "NativeReader" : "Reader"}${length}): readonly ${element.name}[] {
  ${shape.count === "u16" ? "const length = r.u16(path);" : ""}
  const elements: ${element.name}[] = [];
  for (let i = 0; ${more}; i++) {
    ${read(element, "element", new Place("path", "", native))}
    elements.push(element);
  }
  return elements;
}`;
}

// ---- Encoders ----

function writer(message: Message): string {
  return `function write${message.name}(w: Writer${isEmpty(message) ? "" : `, message: ${message.name}`}): void {
  w.literal(${JSON.stringify(message.tag)});
  ${writeFields(message.fields, "message", new Place(JSON.stringify(message.name)))}
}`;
}

function writeFields(fields: Fields, object: string, at: Place): string {
  return Object.entries(fields)
    .flatMap(([name, field]) => {
      const place = at.below(name);
      if (field.form === "count") {
        const list = `${object}.${field.list}`;
        return `mustBeArray(${list}, ${at.below(field.list)});\nw.u32(${list}.length, ${place});`;
      }
      if (field.form === "reserved") return `w.u8(0, ${place});`;
      if (field.form === "padding") return [];
      if (field.form !== "when") return write(field, `${object}.${name}`, place);
      const first = firstOf(fields, field.condition);
      const absent = first === name ? "" : `else w.absent(${object}.${name}, ${JSON.stringify(first)}, ${place});`;
      return `if (${object}.${first} !== undefined) {\n${write(field.shape, `${object}.${name}${first === name ? "" : "!"}`, place)}\n} ${absent}`;
    })
    .join("\n");
}

/** Statements that write the value of an expression. */
function write(shape: Exclude<ReadShape, WhenShape>, value: string, at: Place): string {
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
    case "rest":
    case "extra":
    case "name":
      return `w.${shape.form}(${value}, ${at});`;
    case "bytes":
      return `w.chars(${shape.length}, ${value}, ${at});`;
    case "counted":
      return `writeCounted(w, ${value}, ${at});`;
    case "cstring":
      return `writeCString(w, ${value}, ${at});`;
    case "tuple":
      return `writeTuple(w, ${value}, ${at});`;
    case "numbered":
      return `w.${shape.as}(numberOf(${at.name()}Words, ${value}, ${at}), ${at});`;
    case "enum":
      return `writeWord(w, ${at.name()}Words, ${value}, ${at});`;
    case "flags": {
      const bits = Object.entries(shape.bits);
      const set = bits.map(([name, bit]) => `bitOf(${value}.${name}, ${bit}, ${at.below(name)})`);
      return `mustBeObject(${value}, ${at});\nw.u8(${set.join(" | ")}, ${at});`;
    }
    case "list":
      if (isNamed(shape.element)) return `write${shape.element.name}s(w, ${value}, ${at});`;
      return `mustBeArray(${value}, ${at});
for (let i = 0; i < ${value}.length; i++) {
  ${write(shape.element, `${value}[i]!`, at.element())}
}`;
    case "record": {
      const align = alignRecord(shape.fields, at, (size) => `w.align(${size});\n`);
      if (bodies.has(shape.name)) return `${align}write${shape.name}(w, ${value}, ${at});\n${align}`;
      return `${align}mustBeObject(${value}, ${at});\n${writeFields(shape.fields, value, at)}\n${align}`;
    }
    case "variants":
      return `mustBeObject(${value}, ${at});
switch (${value}.type) {
  ${Object.entries(shape.variants)
    .map(
      ([tag, variant]) => `case ${JSON.stringify(variant.type)}:
    ${[`w.literal(${JSON.stringify(tag)});`, writeFields(variant.fields, value, at), "break;"].filter((line) => line !== "").join("\n")}`,
    )
    .join("\n")}
  default:
    refuse(${quotedWords(Object.values(shape.variants).map((variant) => variant.type))}, (${value} as { type: unknown }).type, ${at.below("type")});
}`;
    case "optional":
      return `if (${value} !== undefined) {\n${write(shape.shape, value, at)}\n}`;
    case "after":
      return `w.literal(${JSON.stringify(shape.byte)});\n${write(shape.shape, value, at)}`;
    default:
      return shape satisfies never;
  }
}

function listWriter(shape: ListShape, native: boolean): string {
  const element = shape.element as Extract<Shape, { name: string }>;
  return `function write${element.name}s(w: ${native ? "NativeWriter" : "Writer"}, elements: readonly ${element.name}[], path: string): void {
  mustBeArray(elements, path);
  ${shape.count === "u16" ? "w.u16(elements.length, path);" : ""}
  for (let i = 0; i < elements.length; i++) {
    const element = elements[i]!;
    ${write(element, "element", new Place("path", "", native))}
  }
}`;
}

/**
 * Generates docs/messages.md: every message, byte by byte, from the same descriptions as the codecs.
 */

import { BaseBackupMessage } from "../src/basebackup/messages.ts";
import { sinceVersion } from "../src/capabilities.ts";
import * as files from "../src/files/structs.ts";
import { PgoutputMessage } from "../src/logical/messages.ts";
import { STREAMING_SINCE, TWO_PHASE_SINCE } from "../src/logical/protocol.ts";
import { WalReceiverMessage, WalSenderMessage } from "../src/physical/messages.ts";
import * as wal from "../src/wal/structs.ts";
import { jsonOf } from "../src/wire/json.ts";
import { layoutOf, type Size, sizeOf } from "../src/wire/layout.ts";
import { NAME_BYTES } from "../src/wire/native.ts";
import {
  type Conditions,
  type Family,
  type Field,
  type Fields,
  type Message,
  otherwise,
  type Shape,
  type Struct,
  type VariantsShape,
  type WireFields,
  type WireShape,
} from "../src/wire/shape.ts";
import { hexOf } from "../src/wire/text.ts";
import { interpretDecode, interpretEncode } from "../test/oracle/interpret.ts";
import { conditionsOf, contextsOf, structsOf } from "./codecs.ts";

const families: readonly Family[] = [WalSenderMessage, WalReceiverMessage, PgoutputMessage, BaseBackupMessage];

interface Example {
  readonly of: string;
  readonly hex: string;
  /** Default: PgoutputMessage. */
  readonly family?: Family;
  readonly holds?: Conditions;
}

/** Messages from servers, for those that a picture does not explain. Each is decoded and encoded again. */
const examples: readonly Example[] = [
  { of: "a keepalive", family: WalSenderMessage, hex: WalSenderMessage.example.hex },
  { of: "a status update", family: WalReceiverMessage, hex: WalReceiverMessage.example.hex },
  { of: "a transaction begins", hex: "42 0000000006034b78 000303e62782f6fd 000002e7" },
  {
    of: "a table with a column of an enum",
    hex: "52 0000400b 7075626c696300 7400 64 0002 01 696400 00000017 ffffffff 00 6d00 00004005 ffffffff",
  },
  { of: "a row with a NULL", hex: "49 0000400b 4e 0003 74 00000001 32 6e 74 00000003 736164" },
  { of: "a row in binary", hex: "49 0000400b 4e 0002 62 00000004 00000002 6e" },
  {
    of: "an update of the key",
    hex: "55 0000400b 4b 0002 74 00000001 32 6e 4e 0002 74 00000001 33 6e",
  },
  { of: "an update that left a TOASTed value alone", hex: "55 0000400b 4e 0002 74 00000001 31 75" },
  {
    of: "an update of a table with replica identity full",
    hex: "55 00004012 4f 0002 74 00000001 31 74 00000001 61 4e 0002 74 00000001 31 74 00000001 62",
  },
  { of: "a delete", hex: "44 0000400b 4b 0002 74 00000001 33 6e" },
  { of: "two tables, with CASCADE and RESTART IDENTITY", hex: "54 00000002 03 0000400b 00004012" },
  { of: "a message", hex: "4d 01 0000000006036558 70667800 00000002 7478" },
  {
    of: "a message in a stream segment",
    hex: "4d 000002f4 01 00000000060d37c8 737400 00000001 6d",
    holds: { inStream: true, parallel: false },
  },
  { of: "a first block", hex: "53 000002f4 01" },
  { of: "a subtransaction is rolled back", hex: "41 000002f4 000002f5" },
  { of: "the main data directory, not compressed", family: BaseBackupMessage, hex: BaseBackupMessage.example.hex },
  {
    of: "a tablespace, compressed",
    family: BaseBackupMessage,
    hex: "6e 31363338342e7461722e677a00 2f7372762f7473 00",
  },
  { of: "an archive has ended", family: BaseBackupMessage, hex: "70 000000000175d600" },
  { of: "a prepared transaction", hex: "62 0000000006036608 0000000006036700 000303e627831c05 000002f0 673100" },
];

/** Each form: its bytes, its JavaScript type, and its JSON. A new form does not compile without them. */
const forms: Readonly<Record<Shape["form"], { bytes: string; value: string; json: string } | undefined>> = {
  u8: { bytes: "1", value: "number", json: "number" },
  u16: { bytes: "2", value: "number", json: "number" },
  u32: { bytes: "4", value: "number", json: "number" },
  i32: { bytes: "4, signed", value: "number", json: "number" },
  u64: { bytes: "8", value: "bigint", json: "text, decimal digits" },
  i64: { bytes: "8, signed", value: "bigint", json: "text, decimal digits" },
  lsn: { bytes: "8", value: "Lsn: a bigint of bytes", json: 'text, `"0/16B3748"`' },
  time: {
    bytes: "8, signed",
    value: "PgTime: a bigint of microseconds since 2000-01-01 UTC",
    json: "text, ISO 8601 with microseconds",
  },
  bool: { bytes: "1: 0 or 1", value: "boolean", json: "true or false" },
  enum: { bytes: "1: a letter", value: "one of several words", json: "text" },
  flags: { bytes: "1: a bit for each name", value: "object of booleans", json: "object of booleans" },
  reserved: { bytes: "1: 0", value: "–", json: "–" },
  cstring: {
    bytes: "as many as it has, then a 0",
    value: "string; a byte that is not UTF-8 is one of U+DC80 to U+DCFF",
    json: "text",
  },
  counted: {
    bytes: "4 for their number, then they",
    value: "Uint8Array, a view",
    json: "text, `\\x` and hexadecimal digits",
  },
  rest: { bytes: "all that is left", value: "Uint8Array, a view", json: "text, `\\x` and hexadecimal digits" },
  extra: {
    bytes: "all that is left, if there is something",
    value: "Uint8Array or undefined",
    json: "text as above, or not there",
  },
  count: { bytes: "4: the number of elements of a list", value: "–", json: "–" },
  list: { bytes: "2 for the number of elements, unless it stands before, then they", value: "array", json: "array" },
  record: { bytes: "those of its fields", value: "object", json: "object" },
  variants: {
    bytes: "1: a letter that says which, then its fields",
    value: "object with `type`",
    json: "object with `type`",
  },
  tuple: {
    bytes: "2 for the number of columns, then they: [TupleData](#tupledata)",
    value: "TupleData, a view",
    json: 'array: text, null, `{"unchanged":true}`, `{"binary":"\\x…"}`',
  },
  name: {
    bytes: `${NAME_BYTES}, zeros behind the text`,
    value: "string without the zeros at its end, else as cstring",
    json: "text",
  },
  bytes: { bytes: "so many", value: "Uint8Array, a view", json: "text, `\\x` and hexadecimal digits" },
  numbered: {
    bytes: "those of the number",
    value: "one of several words, or a number that stands for none",
    json: "text or number",
  },
  padding: {
    bytes: "those between the fields, up to a multiple of the next one's size, and at the end",
    value: "Uint8Array of them all, or undefined if they are all zero",
    json: "text, `\\x` and hexadecimal digits, or not there",
  },
  // Only containers of others.
  optional: undefined,
  after: undefined,
  when: undefined,
};

/** The text of each page, by its path from the root of the repository. */
export function generatedReference(): Map<string, string> {
  return new Map([
    ["docs/messages.md", page()],
    ["docs/structs.md", structsPage()],
  ]);
}

/** The structs of each domain that has any, under a heading. */
const structs: readonly { readonly heading: string; readonly structs: readonly Struct[] }[] = [
  { heading: "State files", structs: structsOf(files) },
  { heading: "What WAL records carry", structs: structsOf(wal) },
];

function structsPage(): string {
  const all = structs.flatMap((each) => each.structs);
  const parts = [
    "<!-- Generated from the descriptions in structs.ts of src/files and src/wal by `npm run generate`. Do not edit. -->",
    "# Structs, byte by byte",
    `What PostgreSQL writes to files and to WAL as it lies in memory, on 64-bit machines with little-endian numbers. Codecs, types, fast-check
arbitraries, JSON and this page are made of the same descriptions.`,
    "## How fields are written",
    "Each number stands at a multiple of its size, and what is passed over is padding.",
    table(["form", "bytes", "JavaScript", "JSON"], formRows(all)),
    ...structs.flatMap((each) => [`## ${each.heading}`, ...each.structs.flatMap(structParts)]),
  ];
  return `${parts.join("\n\n")}\n`;
}

function structParts(struct: Struct): string[] {
  const { name, doc, context, source } = struct;
  const conditions = conditionsOf(struct).map((condition) => [condition, context!.conditions[condition]!] as const);
  return [
    `### ${name}`,
    doc,
    ...(conditions.length === 0
      ? []
      : [context!.doc, conditions.map(([condition, each]) => `- \`${condition}\`: ${each.doc}`).join("\n")]),
    table(["field", "at", "form", "meaning"], structRows(struct)),
    `PostgreSQL: ${source}`,
  ];
}

/** The rows of its fields, each with all offsets that it can have, by condition. */
function structRows(struct: Struct): string[][] {
  const layouts = contextsOf(struct).map((holds) => layoutOf(struct, holds).offsets);
  return fieldRows(struct.fields).map(([path, ...others]) => {
    const at = new Set(layouts.flatMap((offsets) => offsets.get(path!.replaceAll("`", "")) ?? []));
    return [path!, [...at].sort((a, b) => a - b).join(", "), ...others];
  });
}

function page(): string {
  const parts = [
    `<!-- Generated from the descriptions in src/{physical,logical,basebackup}/messages.ts by \`npm run generate\`. Do not edit. -->`,
    "# Messages, byte by byte",
    `What a walsender and a walreceiver say to each other inside CopyData, what pgoutput says inside XLogData, and what a server says inside
the CopyData of a base backup. Codecs, types, fast-check arbitraries, trace lines, JSON and this page are made of the same descriptions.
All numbers are big-endian.`,
    table(
      ["family", "", "servers from", "messages"],
      families.map(({ name, doc, capabilities, since, messages }) => [
        link(name),
        doc,
        capabilities.since(since),
        messages.map((each) => `\`${each.tag}\``).join(" "),
      ]),
    ),
    "## How fields are written",
    "What JSON has is what `walwire decode --jsonl` prints. What is undefined is not in it.",
    table(["form", "bytes", "JavaScript", "JSON"], formRows(families.flatMap(({ messages }) => messages))),
    ...families.flatMap(familyParts),
    ...tupleParts(),
  ];
  return `${parts.join("\n\n")}\n`;
}

/** The rows of the forms that these contain. */
function formRows(entries: readonly { readonly fields: Fields }[]): string[][] {
  const used = new Set<string>();
  const visit = (shape: Shape): void => {
    used.add(shape.form);
    if (shape.form === "list") visit(shape.element);
    else if (shape.form === "record") Object.values<Field>(shape.fields).forEach(visit);
    else if (shape.form === "optional" || shape.form === "after" || shape.form === "when") visit(shape.shape);
    else if (shape.form === "variants") {
      for (const { fields } of Object.values(shape.variants)) Object.values<Field>(fields).forEach(visit);
    }
  };
  for (const { fields } of entries) Object.values<Field>(fields).forEach(visit);
  return Object.entries(forms).flatMap(([form, each]) =>
    each === undefined || !used.has(form) ? [] : [[form, each.bytes, each.value, each.json]],
  );
}

function familyParts(family: Family): string[] {
  const { name, doc, context, messages } = family;
  const conditions = Object.entries(context.conditions);
  return [
    `## ${name}`,
    doc,
    ...(family === PgoutputMessage ? [protocols()] : []),
    ...(conditions.length === 0
      ? []
      : [context.doc, conditions.map(([condition, each]) => `- \`${condition}\`: ${each.doc}`).join("\n")]),
    table(
      ["byte", "message", "servers from", "asked for with", "bytes"],
      messages.map((message) => [
        `\`${message.tag}\``,
        link(message.name),
        family.capabilities.since(message.since ?? family.since),
        askedFor(message),
        sizes(message, family),
      ]),
    ),
    ...messages.flatMap((message) => messageParts(message, family)),
  ];
}

/** What each version of the protocol adds. */
function protocols(): string {
  return table(
    ["proto_version", "allows", "servers from"],
    [
      [String(STREAMING_SINCE.off), "all else", sinceVersion("pgoutput")],
      [String(STREAMING_SINCE.on), "streaming 'on'", sinceVersion("streamingOfTransactions")],
      [String(TWO_PHASE_SINCE), "two_phase", sinceVersion("twoPhaseOption")],
      [String(STREAMING_SINCE.parallel), "streaming 'parallel'", sinceVersion("parallelStreaming")],
    ],
  );
}

/** The protocol version that an option needs, if any. */
const protocolOf: Readonly<Record<string, number | undefined>> = {
  streaming: STREAMING_SINCE.on,
  two_phase: TWO_PHASE_SINCE,
};

function askedFor({ options = [] }: Message): string {
  if (options.length === 0) return "";
  const protocol = Math.max(...options.map((option) => protocolOf[option] ?? 0));
  return `${options.join(", ")}${protocol > 0 ? `, proto_version ${protocol}` : ""}`;
}

/** The least and the greatest number of bytes, and the bytes that each condition adds. */
function sizes(message: Message, { context }: Family): string {
  const none = Object.fromEntries(Object.keys(context.conditions).map((name) => [name, false]));
  const base = sizeOf(message, none);
  const more = Object.keys(context.conditions).flatMap((name) => {
    const size = sizeOf(message, { ...none, [name]: true });
    return size.min === base.min ? [] : [`${inWords(size)} with \`${name}\``];
  });
  return [inWords(base), ...more].join("; ");
}

function inWords({ min, max }: Size): string {
  return min === max ? String(min) : `${min} or more`;
}

function messageParts(message: Message, family: Family): string[] {
  const shown = examples
    .filter((example) => (example.family ?? PgoutputMessage) === family && decoded(example).type === message.name)
    .flatMap((example) => [
      `For example, ${example.of}:`,
      fence("text", `${example.hex}\n${JSON.stringify(jsonOf(family, decoded(example)))}`),
    ]);
  const rows = fieldRows(message.fields);
  return [
    `### ${message.name}`,
    message.doc,
    fence("text", picture(message)),
    ...(rows.length === 0 ? [] : [table(["field", "form", "meaning"], rows)]),
    `PostgreSQL: ${message.source}`,
    ...shown,
  ];
}

/** The message of an example. @throws Error if it does not encode back */
function decoded({ family = PgoutputMessage, holds = otherwise(family.context), hex, of }: Example): {
  readonly type: string;
} {
  const bytes = bytesOf(hex);
  const message = interpretDecode(family, bytes, holds) as { type: string };
  if (hexOf(interpretEncode(family, message)) !== hexOf(bytes)) throw new Error(`${of} does not encode to ${hex}`);
  return message;
}

function bytesOf(digits: string): Uint8Array {
  return Uint8Array.from(digits.replaceAll(" ", "").match(/../g)!, (pair) => Number.parseInt(pair, 16));
}

function tupleParts(): string[] {
  const columns = new Map<string, VariantsShape & { readonly doc?: string }>();
  const visit = (shape: Shape): void => {
    if (shape.form === "tuple") columns.set(shape.column.name, shape.column);
    else if (shape.form === "optional" || shape.form === "after" || shape.form === "when") visit(shape.shape);
    else if (shape.form === "variants") {
      for (const { fields } of Object.values(shape.variants)) for (const field of Object.values(fields)) visit(field);
    }
  };
  for (const family of families)
    for (const { fields } of family.messages) for (const field of Object.values(fields)) visit(field);
  return [...columns.values()].flatMap(({ variants }) => [
    "## TupleData",
    "A row: the number of its columns in 2 bytes, then each column, which begins with a letter.",
    table(
      ["byte", "column", "then", "meaning"],
      Object.entries(variants).map(([tag, { type, doc, fields }]) => {
        const content = Object.values<Field>(fields).map((field) => `${forms[field.form]!.bytes}`);
        return [
          `\`${tag}\``,
          type,
          content.join(", "),
          [doc, ...Object.values<Field>(fields).map((field) => field.doc)].join(" "),
        ];
      }),
    ),
    "PostgreSQL: proto.c: logicalrep_write_tuple, logicalrep_read_tuple",
  ]);
}

// ---- Rows of fields ----

function fieldRows(fields: Fields, prefix = ""): string[][] {
  return Object.entries<Field>(fields).flatMap(([name, field]) => {
    const path = `${prefix}${name}`;
    return [[`\`${path}\``, formOf(field), field.doc + particulars(field)], ...innerRows(field, path)];
  });
}

/** The contents of a field. */
function innerRows(shape: Shape, path: string): string[][] {
  switch (shape.form) {
    case "list":
      return innerRows(shape.element, `${path}[]`);
    case "record":
      return fieldRows(shape.fields, `${path}.`);
    case "variants":
      return Object.entries(shape.variants).flatMap(([tag, { type, doc, fields }]) => [
        [`\`${path}\``, `'${tag}': ${type}`, doc],
        ...fieldRows(fields, `${path}.`),
      ]);
    case "optional":
    case "after":
    case "when":
      return innerRows(shape.shape, path);
    default:
      return [];
  }
}

function formOf(shape: Shape): string {
  switch (shape.form) {
    case "list":
      return `list of ${shape.element.form}`;
    case "optional":
      return `${formOf(shape.shape)}, or nothing`;
    case "after":
      return `'${shape.byte}', then ${formOf(shape.shape)}`;
    case "numbered":
      return `numbered ${shape.as}`;
    case "bytes":
      return `${shape.length} bytes`;
    case "when":
      return `${formOf(shape.shape)}, with \`${shape.condition}\``;
    default:
      return shape.form;
  }
}

/** The words of an enum, and the bits of flags. */
function particulars(shape: Shape): string {
  if (shape.form === "enum") {
    return ` ${Object.entries(shape.words)
      .map(([letter, word]) => `'${letter}': ${word}`)
      .join(", ")}.`;
  }
  if (shape.form === "when") return particulars(shape.shape);
  if (shape.form === "numbered") {
    return ` ${Object.entries(shape.words)
      .map(([number, word]) => `${number}: ${word}`)
      .join(", ")}.`;
  }
  if (shape.form === "flags") {
    return ` ${Object.entries(shape.bits)
      .map(([name, bit]) => `${bit}: ${name}`)
      .join(", ")}.`;
  }
  return "";
}

// ---- Pictures ----

/** A box of a picture: its label and its number of bytes. */
type Box = readonly [what: string, bytes: string];

/** The greatest width of a picture. */
const WIDTH = 100;

function picture(message: Message): string {
  const boxes: Box[] = [[`'${message.tag}'`, "1"], ...boxesOf(message.fields)];
  const lines: Box[][] = [[]];
  let width = 1;
  for (const box of boxes) {
    const boxWidth = widthOf(box) + 3;
    if (width + boxWidth > WIDTH) {
      lines.push([]);
      width = 1;
    }
    lines.at(-1)!.push(box);
    width += boxWidth;
  }
  return lines.map(drawn).join("\n");
}

function widthOf([what, bytes]: Box): number {
  return Math.max(what.length, bytes.length);
}

function drawn(boxes: readonly Box[]): string {
  const line = (left: string, between: string, right: string): string =>
    left + boxes.map((box) => "─".repeat(widthOf(box) + 2)).join(between) + right;
  const row = (i: 0 | 1): string => `│${boxes.map((box) => ` ${box[i].padEnd(widthOf(box))} `).join("│")}│`;
  return [line("┌", "┬", "┐"), row(0), row(1), line("└", "┴", "┘")].join("\n");
}

function boxesOf(fields: WireFields): Box[] {
  return Object.entries(fields).flatMap(([name, field]) => boxesOfShape(name, field));
}

function boxesOfShape(name: string, shape: WireShape): Box[] {
  switch (shape.form) {
    case "u32":
    case "i32":
    case "count":
      return [[name, "4"]];
    case "u64":
    case "lsn":
    case "time":
      return [[name, "8"]];
    case "bool":
    case "enum":
    case "flags":
    case "reserved":
      return [[name, "1"]];
    case "cstring":
      return [[name, "text, 0"]];
    case "counted":
      return [[name, "4 + n"]];
    case "rest":
    case "extra":
      return [[name, "to the end"]];
    case "tuple":
      return [[name, "2 + columns"]];
    case "list": {
      const each = shape.element.form === "record" ? boxesOf(shape.element.fields) : boxesOfShape(name, shape.element);
      const count: Box[] = shape.count === "u16" ? [["count", "2"]] : [];
      const [first, last] = [each[0]!, each.at(-1)!];
      const inner = each.map(([what, bytes]): Box => [what, bytes]);
      inner[0] = [`( ${first[0]}`, `  ${first[1]}`];
      inner[inner.length - 1] = each.length === 1 ? [`( ${first[0]} )…`, `  ${first[1]}`] : [`${last[0]} )…`, last[1]];
      return [...count, ...inner];
    }
    case "record":
      return boxesOf(shape.fields);
    case "variants": {
      const tags = Object.keys(shape.variants)
        .map((tag) => `'${tag}'`)
        .join(" or ");
      const { fields } = Object.values(shape.variants)[0]!;
      return [[tags, "1"], ...boxesOf(fields).map(([, bytes]): Box => [name, bytes])];
    }
    case "optional": {
      const boxes = boxesOfShape(name, shape.shape);
      return boxes.map(
        ([what, bytes], i): Box => [`${i === 0 ? "[ " : ""}${what}${i === boxes.length - 1 ? " ]" : ""}`, bytes],
      );
    }
    case "after":
      return [[`'${shape.byte}'`, "1"], ...boxesOfShape(name, shape.shape)];
    case "when":
      return boxesOfShape(name, shape.shape).map(([what, bytes]): Box => [`[ ${what} ]`, bytes]);
    default:
      return shape satisfies never;
  }
}

// ---- Markdown ----

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  return [line(head), `|${head.map(() => "---").join("|")}|`, ...rows.map(line)].join("\n");
}

function link(name: string): string {
  return `[${name}](#${name.toLowerCase()})`;
}

function fence(language: string, text: string): string {
  return `\`\`\`${language}\n${text}\n\`\`\``;
}

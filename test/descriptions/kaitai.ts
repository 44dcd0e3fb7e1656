/** Kaitai's own compiler and runtime on the descriptions, and their objects next to our values. */
import { createRequire } from "node:module";
import { Script } from "node:vm";
import { parse } from "yaml";
import type { Conditions, Fields, Shape } from "../../src/wire/shape.ts";
import { encodeText } from "../../src/wire/text.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { toHex } from "../hex.ts";

const require = createRequire(import.meta.url);

/** An object of a compiled parser. */
export type KaitaiObject = Readonly<Record<string, unknown>>;
type Parser = new (stream: object, parent: null, root: null, ...params: readonly unknown[]) => KaitaiObject;

interface Stream {
  ensureBytesLeft(count: number): void;
  readBytes(count: number): Uint8Array;
}
const KaitaiStream = require("kaitai-struct/KaitaiStream") as new (buffer: ArrayBuffer, offset: number) => Stream;
const compiler = require("kaitai-struct-compiler") as {
  compile(target: string, ksy: unknown, importer: null, debug: boolean): Promise<Record<string, string>>;
};

/** Numbers of 64 bits as bigints: those of Kaitai's runtime lose bits above 2^53, and negative ones are wrong. */
class ExactStream extends KaitaiStream {
  #view(): DataView {
    const { buffer, byteOffset } = this.readBytes(8);
    return new DataView(buffer, byteOffset, 8);
  }
  readU8be(): bigint {
    return this.#view().getBigUint64(0);
  }
  readS8be(): bigint {
    return this.#view().getBigInt64(0);
  }
  readU8le(): bigint {
    return this.#view().getBigUint64(0, true);
  }
  readS8le(): bigint {
    return this.#view().getBigInt64(0, true);
  }
}

/** Compile a description, and give its parser. */
export async function compileKsy(text: string): Promise<(bytes: Uint8Array, ...params: unknown[]) => KaitaiObject> {
  const files = await compiler.compile("javascript", parse(text), null, false);
  const [source] = Object.values(files);
  const module: Record<string, unknown> = {};
  const run = new Script(`(function (exports, require) {${source}\n})`).runInThisContext() as (
    exports: object,
    require: (name: string) => unknown,
  ) => void;
  run.call({}, module, (name) => require(name));
  const [found] = Object.values(module);
  const Parse = (typeof found === "function" ? found : (module as { default: unknown }).default) as Parser;
  return (bytes, ...params) => {
    const { buffer } = new Uint8Array(bytes);
    return new Parse(new ExactStream(buffer as ArrayBuffer, 0), null, null, ...params);
  };
}

/** Differences between an object of Kaitai and one of our values, by the path of the field. */
export function differences(fields: Fields, value: object, kaitai: KaitaiObject, holds: Conditions, at = ""): string[] {
  return Object.entries(fields).flatMap(([name, shape]) => {
    if (shape.form === "padding" || shape.form === "count" || shape.form === "reserved") return [];
    const ours = (value as Record<string, unknown>)[name];
    return differs(shape, ours, kaitai[name], holds, `${at}.${name}`);
  });
}

function differs(shape: Shape, ours: unknown, theirs: unknown, holds: Conditions, at: string): string[] {
  const same = (a: unknown, b: unknown): string[] =>
    Object.is(a, b) ? [] : [`${at}: ${String(a)} of ours, ${String(b)} of Kaitai's`];
  switch (shape.form) {
    case "when":
      if (!holds[shape.condition]) return same(undefined, theirs);
      return differs(shape.shape, ours, theirs, holds, at);
    case "optional":
      return ours === undefined ? same(undefined, theirs) : differs(shape.shape, ours, theirs, holds, at);
    case "after":
      return differs(shape.shape, ours, theirs, holds, at);
    case "bool":
      return same(Number(ours), theirs);
    case "enum":
      return same(ours, shape.words[String.fromCharCode(theirs as number)]);
    case "numbered":
      return same(ours, shape.words[theirs as number] ?? theirs);
    case "flags":
      return Object.keys(shape.bits).flatMap((name) =>
        same((ours as Record<string, boolean>)[name], (theirs as Record<string, boolean>)[name]),
      );
    case "cstring":
      return same(lossy(ours as string), theirs);
    case "name":
      return same(lossy((ours as string).split("\0")[0]!), theirs);
    case "extra":
      return same(toHex((ours as Uint8Array | undefined) ?? new Uint8Array(0)), toHex(theirs as Uint8Array));
    case "bytes":
    case "rest":
      return same(toHex(ours as Uint8Array), toHex(theirs as Uint8Array));
    case "counted":
      return same(toHex(ours as Uint8Array), toHex((theirs as { content: Uint8Array }).content));
    case "list": {
      const [a, b] = [ours as unknown[], theirs as unknown[]];
      return [
        ...same(a.length, b.length),
        ...a.flatMap((each, i) => differs(shape.element, each, b[i], holds, `${at}[${i}]`)),
      ];
    }
    case "record":
      return differences(shape.fields, ours as object, theirs as KaitaiObject, holds, at);
    case "variants": {
      const { type, body } = theirs as { type: number; body?: KaitaiObject };
      const variant = shape.variants[String.fromCharCode(type)]!;
      return [
        ...same((ours as { type: string }).type, variant.type),
        ...differences(variant.fields, ours as object, body ?? {}, holds, at),
      ];
    }
    case "tuple": {
      const row = ours as TupleData;
      const { columns } = theirs as { columns: unknown[] };
      if (!TupleData.is(row)) throw new TypeError(`${at} is not a row`);
      const values = Array.from(row, (_, i) => ({ type: row.kind(i), value: row.valueBytes(i) }));
      return [
        ...same(values.length, columns.length),
        ...values.flatMap((each, i) => differs(shape.column, each, columns[i], holds, `${at}[${i}]`)),
      ];
    }
    case "padding":
    case "count":
    case "reserved":
      return [];
    default:
      return same(ours, theirs);
  }
}

/** Text as Kaitai's runtime decodes it: bytes that are not UTF-8 are replaced, and a byte order mark is swallowed. */
function lossy(text: string): string {
  const bytes = new Uint8Array(text.length * 3);
  return new TextDecoder().decode(bytes.subarray(0, encodeText(text, bytes, 0)));
}

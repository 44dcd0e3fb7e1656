/** Types of extensions that come with PostgreSQL: citext, hstore, ltree, lquery and ltxtquery. */
import { mustBeObject, refuse } from "../wire/check.ts";
import { readCounted, writeCounted } from "../wire/counted.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith } from "../wire/writer.ts";
import { badText, bytesOfText, type Codec, mustBeString, mustBeText, textOf } from "./codec.ts";
import { quoting, readPart, writePart } from "./quote.ts";
import { textCodec, versioned } from "./text.ts";

/** The value of an hstore: an object without a prototype, `null` for NULL. */
export type HstoreValue = Readonly<Record<string, string | null>>;

const quotes = /* @__PURE__ */ quoting("=>,", false);

/**
 * Keys and values. They are written in the server's order of keys, whatever their order in the object.
 *
 * @source hstore_io.c: hstore_out, hstore_send, comparePairs
 */
const hstore: Codec<HstoreValue> = {
  name: "hstore",

  toJson(value) {
    const object: Record<string, string | null> = Object.create(null);
    for (const { key } of pairsOf(value)) object[key] = value[key]!;
    return object;
  },
  fromJson: (json) => hstore.toJson!(json as HstoreValue) as HstoreValue,

  readText(text) {
    mustBeText(text, "hstore");
    const value: Record<string, string | null> = Object.create(null);
    const part = (at: number, wanted: string): { readonly text: string; readonly end: number } =>
      text[at] === '"' ? readPart(text, at, quotes, "hstore") : badText("hstore", text, wanted, at);
    for (let at = 0; at < text.length; ) {
      if (at > 0) {
        if (!text.startsWith(", ", at)) badText("hstore", text, "a comma and a blank between pairs", at);
        at += 2;
      }
      const key = part(at, "a key in quotes");
      if (!text.startsWith("=>", key.end)) badText("hstore", text, "=> after a key", key.end);
      if (Object.hasOwn(value, key.text)) badText("hstore", text, "each key once", at);
      at = key.end + 2;
      if (text.startsWith("NULL", at)) {
        value[key.text] = null;
        at += 4;
        continue;
      }
      const { text: each, end } = part(at, "NULL or a value in quotes");
      value[key.text] = each;
      at = end;
    }
    return value;
  },

  writeText: (value) =>
    pairsOf(value)
      .map(({ key }) => {
        const each = value[key]!;
        return `${writePart(key, quotes, true)}=>${each === null ? "NULL" : writePart(each, quotes, true)}`;
      })
      .join(", "),

  readBinary(bytes) {
    const r = new Reader(bytes);
    const value: Record<string, string | null> = Object.create(null);
    let before: Uint8Array | undefined;
    for (let count = r.u32("hstore"); count > 0; count--) {
      const key = readCounted(r, "hstore");
      if (before !== undefined && compareKeys(before, key) >= 0) {
        r.fail("BAD_VALUE", r.offset - key.length, "has a key that is not after the one before it", "hstore");
      }
      before = key;
      const name = textOf(key, "hstore");
      const length = r.i32("hstore");
      if (length < -1) r.fail("BAD_LENGTH", r.offset - 4, `has a length of ${length}`, "hstore");
      const start = r.offset;
      if (length >= 0) r.skip(length, "hstore");
      value[name] = length === -1 ? null : textOf(bytes.subarray(start, r.offset), "hstore");
    }
    r.end("hstore");
    return value;
  },

  writeBinary(value) {
    const pairs = pairsOf(value);
    return encodeWith((w) => {
      w.u32(pairs.length, "hstore");
      for (const { key, bytes } of pairs) {
        const each = value[key]!;
        writeCounted(w, bytes, "hstore");
        if (each === null) w.i32(-1, "hstore");
        else writeCounted(w, bytesOfText(each, "hstore"), "hstore");
      }
    }, undefined);
  },
};

/** The keys in the server's order. Checks keys and values. */
function pairsOf(value: HstoreValue): { readonly key: string; readonly bytes: Uint8Array }[] {
  mustBeObject(value, "hstore");
  if (Array.isArray(value)) refuse("an object of strings and nulls", value, "hstore");
  const pairs = Object.keys(value).map((key) => ({ key, bytes: bytesOfText(key, "hstore") }));
  for (const { key } of pairs) if (value[key] !== null) mustBeString(value[key]!, "hstore");
  return pairs.sort((a, b) => compareKeys(a.bytes, b.bytes));
}

/** Shorter keys come first; keys of equal length are in byte order. */
function compareKeys(a: Uint8Array, b: Uint8Array): number {
  if (a.length !== b.length) return a.length - b.length;
  const i = a.findIndex((byte, at) => byte !== b[at]);
  return i === -1 ? 0 : a[i]! - b[i]!;
}

/**
 * The codec of an extension's type, if there is one here.
 *
 * @source citext.sql: citextsend is textsend; ltree_io.c, ltxtquery_io.c
 */
export function extensionCodec(extension: string | undefined, name: string): Codec | undefined {
  switch (`${extension}.${name}`) {
    case "citext.citext":
      return textCodec(name);
    case "hstore.hstore":
      return hstore;
    case "ltree.ltree":
    case "ltree.lquery":
    case "ltree.ltxtquery":
      return versioned(name);
    default:
      return undefined;
  }
}

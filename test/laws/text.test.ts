/** Laws of text on the wire: every byte string has exactly one text. */
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { wireText } from "../../src/arbitraries/messages.ts";
import { decodeText, encodeText } from "../../src/wire/text.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

function encode(text: string): string | undefined {
  const target = new Uint8Array(text.length * 3 + 5);
  const length = encodeText(text, target, 5);
  return length < 0 ? undefined : toHex(target.subarray(5, 5 + length));
}

function decode(bytes: Uint8Array): string {
  return decodeText(bytes, 0, bytes.length);
}

describe("text", () => {
  law(
    "any bytes come back from their text",
    fc.property(fc.uint8Array({ maxLength: 50 }), (bytes) => {
      expect(encode(decode(bytes))).toBe(toHex(bytes));
    }),
    20_000,
  );

  law(
    "nearly valid UTF-8 comes back from its text",
    fc.property(
      fc.array(
        fc.constantFrom(0x41, 0x80, 0xbf, 0xc1, 0xc3, 0xa9, 0xe0, 0xed, 0xa0, 0x9f, 0xef, 0xf0, 0x8f, 0x90, 0xf4, 0xf5),
      ),
      (array) => {
        const bytes = Uint8Array.from(array);
        expect(encode(decode(bytes))).toBe(toHex(bytes));
        // Node's own decoder is the judge of what is valid.
        const valid = Buffer.from(bytes).toString("utf8");
        if (!valid.includes("\ufffd")) expect(decode(bytes)).toBe(valid);
        else expect(decode(bytes)).toMatch(/\p{Cs}/u);
      },
    ),
    20_000,
  );

  test("every pair of bytes has the text that Node gives it, or escapes", () => {
    const bytes = Uint8Array.of(0x61, 0, 0, 0x7a);
    const wrong: string[] = [];
    for (let pair = 0; pair < 0x10000; pair++) {
      bytes[1] = pair >> 8;
      bytes[2] = pair & 0xff;
      const valid = Buffer.from(bytes).toString("utf8");
      const text = decode(bytes);
      if (valid.includes("\ufffd") ? !/\p{Cs}/u.test(text) || encode(text) !== toHex(bytes) : text !== valid)
        wrong.push(toHex(bytes));
    }
    expect(wrong).toEqual([]);
  });

  law(
    "any well-formed string comes back from its bytes, and any text that a server can send does too",
    fc.property(fc.oneof(fc.string({ unit: "binary" }), wireText()), (text) => {
      const digits = encode(text);
      expect(digits).toBeDefined();
      expect(decode(hex(digits!))).toBe(text);
    }),
    10_000,
  );

  law(
    "any string at all either has bytes that give it back, or has none",
    fc.property(fc.array(fc.integer({ min: 0, max: 0xffff })), (units) => {
      const text = String.fromCharCode(...units);
      const digits = encode(text);
      if (digits !== undefined) expect(decode(hex(digits))).toBe(text);
      else expect(text).toMatch(/\p{Cs}/u);
    }),
    10_000,
  );

  test("a browser, which has no Buffer, reads the same", async () => {
    const rows = [10, 11, 50, 255, 300, 3000].flatMap((size) =>
      ["a", "\u00e9", "\udce9"].map((letter) => ["ascii", "b".repeat(size), letter.repeat(size), null]),
    );
    vi.resetModules();
    vi.stubGlobal("Buffer", undefined);
    try {
      const { TupleData } = await import("../../src/wire/tuple.ts");
      for (const values of rows) {
        const row = TupleData.of(values);
        expect(row.toArray()).toEqual(values);
        expect(values.map((_, i) => row.get(i))).toEqual(values);
      }
    } finally {
      vi.unstubAllGlobals();
    }
  });

  test("a byte order mark is a character like any other", () => {
    expect(decode(hex("efbbbf 41 efbbbf 42 43 44 45 46 47 48 49 4a"))).toBe("\ufeffA\ufeffBCDEFGHIJ");
  });

  test("bytes that are not UTF-8 become lone surrogates, one a byte", () => {
    expect(decode(hex("6e e4 6d 65"))).toBe("n\udce4me");
    expect(encode("n\udce4me")).toBe("6ee46d65");
  });

  test("a lone surrogate that stands for no byte, and escapes that spell valid UTF-8, have no bytes", () => {
    expect(encode("\ud800")).toBeUndefined();
    expect(encode("\udc41")).toBeUndefined();
    expect(encode("\udcc3\udca9")).toBeUndefined();
  });
});

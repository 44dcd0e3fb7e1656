/** CopyDecoder reads what copyto.c writes, in chunks cut anywhere; anything else gives a DecodeError, in linear time. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { ArgumentError, DecodeError } from "../../src/kernel/errors.ts";
import { CopyDecoder } from "../../src/logical/copy.ts";
import type { TupleData } from "../../src/wire/tuple.ts";
import { type CopyRow, copyBinary, copyText, escapes } from "../copies.ts";
import { law } from "./law.ts";

type Format = "text" | "binary";
const formats: readonly Format[] = ["text", "binary"];

/** Bytes among which those with a meaning in COPY are frequent. */
function value(format: Format): fc.Arbitrary<Uint8Array | null> {
  const least = format === "text" ? 1 : 0;
  const byte = fc.oneof(
    fc.integer({ min: least, max: 255 }),
    fc.constantFrom(...[8, 9, 10, 11, 12, 13, 46, 48, 55, 78, 92, 110, 120, 255]),
  );
  return fc.option(
    fc.array(byte, { maxLength: 40 }).map((each) => Uint8Array.from(each)),
    { freq: 4 },
  );
}

function table(format: Format): fc.Arbitrary<{ columns: number; rows: CopyRow[] }> {
  return fc
    .nat(5)
    .chain((columns) =>
      fc
        .array(fc.array(value(format), { minLength: columns, maxLength: columns }), { maxLength: 6 })
        .map((rows) => ({ columns, rows })),
    );
}

const encoders = { text: copyText, binary: copyBinary };

/** The rows of a stream that arrives in such chunks. */
function read(format: Format, columns: number, chunks: Iterable<Uint8Array>): TupleData[] {
  const decoder = new CopyDecoder({ format, columns });
  const rows: TupleData[] = [];
  for (const chunk of chunks) rows.push(...decoder.receive(chunk));
  decoder.end();
  return rows;
}

function* cut(bytes: Uint8Array, sizes: readonly number[]): Generator<Uint8Array> {
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length]!;
    // Memory that is written to again afterwards.
    const chunk = bytes.slice(at, at + size);
    yield chunk;
    chunk.fill(0xee);
    at += size;
  }
}

/** Kinds and bytes of each column. */
function contents(rows: readonly TupleData[]): unknown[][] {
  return rows.map((row) => Array.from({ length: row.length }, (_, i) => [row.kind(i), row.valueBytes(i)]));
}

describe.each(formats)("%s", (format) => {
  const encode = encoders[format];
  const stream = table(format).map((it) => ({ ...it, bytes: encode(it.rows) }));

  law(
    "what is written is read, whatever chunks it comes in",
    fc.property(
      stream,
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      ({ columns, rows, bytes }, sizes) => {
        const wanted = rows.map((row) => row.map((each) => (each === null ? ["null", undefined] : [format, each])));
        expect(contents(read(format, columns, cut(bytes, sizes)))).toEqual(wanted);
        expect(contents(read(format, columns, [bytes]))).toEqual(wanted);
      },
    ),
  );

  law(
    "rows end where the chunk does that completes them",
    fc.property(stream, ({ columns, rows, bytes }) => {
      const decoder = new CopyDecoder({ format, columns });
      const counts: number[] = [];
      let count = 0;
      for (const byte of bytes) {
        count += decoder.receive(Uint8Array.of(byte)).length;
        counts.push(count);
      }
      const ends = rows.map((_, i) => encode(rows.slice(0, i + 1)).length - (format === "binary" ? 2 : 0));
      expect(ends.map((end, i) => counts[end - 1] === i + 1 && counts[end - 2] !== i + 1)).toEqual(
        ends.map(() => true),
      );
    }),
  );

  law(
    "data that is cut off is not read as complete",
    fc.property(stream, fc.double({ min: 0, max: 1, noNaN: true }), ({ columns, bytes }, part) => {
      const length = Math.floor(part * bytes.length);
      const whole = length === bytes.length || (format === "text" && (length === 0 || bytes[length - 1] === 10));
      const act = () => read(format, columns, [bytes.subarray(0, length)]);
      if (whole) act();
      else expect(act).toThrow(DecodeError);
    }),
  );

  law(
    "damage gives rows or a DecodeError, the same in whatever chunks, and again in later calls",
    fc.property(
      stream.chain((it) => damaged(fc.constant(it.bytes)).map((bytes) => ({ ...it, bytes }))),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      ({ columns, bytes }, sizes) => {
        const outcome = (chunks: Iterable<Uint8Array>): unknown => {
          const decoder = new CopyDecoder({ format, columns });
          const rows: TupleData[] = [];
          try {
            for (const chunk of chunks) rows.push(...decoder.receive(chunk));
            decoder.end();
            return contents(rows);
          } catch (error) {
            if (!(error instanceof DecodeError)) throw error;
            expect(() => decoder.receive(Uint8Array.of(10))).toThrow(error);
            expect(() => decoder.end()).toThrow(error);
            expect(error.offset).toBeLessThanOrEqual(bytes.length);
            return [error.code, error.path, error.message];
          }
        };
        expect(outcome(cut(bytes, sizes))).toEqual(outcome([bytes]));
      },
    ),
  );
});

/** Rows of text as strings. */
function lines(text: string, columns: number): unknown[][] {
  return read("text", columns, [Buffer.from(text, "latin1")]).map((row) => row.toArray());
}

describe("text", () => {
  test.each(escapes)("%j is %j", (text, wanted) => {
    expect(lines(text, 1)).toEqual([[wanted]]);
  });

  test("the end-of-copy marker ends it", () => {
    expect(lines("a\n\\.\n", 1)).toEqual([["a"]]);
    expect(() => lines("a\n\\.\nb\n", 1)).toThrow("Copy has data after its end marker, at offset 5");
    expect(() => lines("a\\.\n", 1)).toThrow("end-of-copy marker that is not alone on its line, at offset 1");
  });

  test.each([
    ["a\n", 2, "Copy has a row of fewer than 2 columns, at offset 1"],
    ["aa\tb\tc\n", 2, "Copy has a row of more than 2 columns, at offset 5"],
    ["a\n", 0, "Copy has a row of more than 0 columns, at offset 0"],
    ["a\rb\n", 1, "Copy.columns[0] has a literal carriage return, at offset 1"],
    ["a\t\0\n", 2, "Copy.columns[1] has a zero byte, at offset 2"],
    ["\\0\n", 1, "Copy.columns[0] has a zero byte, at offset 1"],
    ["\\x00\n", 1, "Copy.columns[0] has a zero byte, at offset 3"],
    ["a", 1, "Copy ends in the middle of a row, at offset 1"],
  ])("%j in %d columns is rejected", (text, columns, message) => {
    expect(() => lines(text, columns)).toThrow(message);
  });
});

describe("binary", () => {
  const one = copyBinary([[Uint8Array.of(1)]]);
  const changed = (at: number, ...bytes: number[]): Uint8Array => {
    const copy = one.slice();
    copy.set(bytes, at);
    return copy;
  };

  test("an extension of the header is skipped", () => {
    const bytes = copyBinary([[Uint8Array.of(1)]], Uint8Array.of(1, 2, 3));
    for (let size = 1; size < 40; size++) expect(read("binary", 1, cut(bytes, [size])).length).toBe(1);
  });

  test.each([
    [changed(0, 0x70), "Copy.signature is not that of binary data, at offset 0"],
    [changed(11, 0, 1, 0, 0), "Copy.flags has the bit of WITH OIDS, at offset 11"],
    [changed(11, 0x80, 0, 0, 0), "Copy.flags has critical bits that are unknown, at offset 11"],
    [changed(15, 0xff, 0xff, 0xff, 0xff), "Copy.extension has the length -1, at offset 15"],
    [changed(19, 0, 2), "Copy has a row of 2 columns, expected 1, at offset 19"],
    [changed(21, 0xff, 0xff, 0xff, 0xfe), "Copy.columns[0] has the length -2, at offset 21"],
    [changed(21, 0x7f, 0xff, 0xff, 0xff), "Copy has a row of more than 1073741823 bytes, at offset 19"],
    [Uint8Array.of(...one, 0), "Copy has data after its end marker, at offset 28"],
    [one.subarray(0, -2), "Copy ends without its end marker, at offset 26"],
    [one.subarray(0, -3), "Copy ends in the middle of a row, at offset 25"],
  ])("%j", (bytes, message) => {
    expect(() => read("binary", 1, [bytes])).toThrow(message);
  });

  test("columns that are text in binary data are read as text", () => {
    const decoder = new CopyDecoder({ format: "binary", columns: 3, textOnly: [1] });
    const [row] = decoder.receive(copyBinary([[Uint8Array.of(97), Uint8Array.of(97), null]]));
    expect(row?.toArray()).toEqual([Uint8Array.of(97), "a", null]);
    expect(() => new CopyDecoder({ format: "binary", columns: 1, textOnly: [1] })).toThrow("options.textOnly");
  });

  test("flags that are not critical are ignored", () => {
    expect(read("binary", 1, [changed(13, 0xff, 0xff)]).length).toBe(1);
  });
});

test("a row longer than maxRow is rejected before more of it is kept", () => {
  const text = new CopyDecoder({ format: "text", columns: 1, maxRow: 10 });
  expect(text.receive(Buffer.from("0123456789\n")).length).toBe(1);
  expect(() => text.receive(Buffer.from("0123456789a"))).toThrow(
    /^Copy has a row of more than 10 bytes, at offset 11$/,
  );
  const binary = new CopyDecoder({ format: "binary", columns: 1, maxRow: 10 });
  expect(() => binary.receive(copyBinary([[new Uint8Array(5)]]))).toThrow(/more than 10 bytes/);
});

test.each(formats)("the time for a long row in tiny chunks is linear: %s", (format) => {
  // 4 MB byte by byte: quadratic would be minutes.
  const bytes = encoders[format]([[new Uint8Array(1 << 21).fill(92), new Uint8Array(1 << 20).fill(10)]]);
  const decoder = new CopyDecoder({ format, columns: 2 });
  let rows = 0;
  for (let at = 0; at < bytes.length; at += 3) rows += decoder.receive(bytes.subarray(at, at + 3)).length;
  expect(rows).toBe(1);
});

test("options and chunks that are invalid are named", () => {
  expect(() => new CopyDecoder({ format: "csv" as "text", columns: 1 })).toThrow(ArgumentError);
  expect(() => new CopyDecoder({ format: "text", columns: -1 })).toThrow("options.columns");
  expect(() => new CopyDecoder({ format: "text", columns: 1 }).receive("a" as never)).toThrow(
    "chunk: expected a Uint8Array",
  );
});

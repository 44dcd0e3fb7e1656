/** What the parts of src/wire do at their edges, one case each: errors that laws seldom or never reach, and what is cut. */
import { describe, expect, test } from "vitest";
import { ArgumentError, DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { CopyDecoder } from "../../src/logical/copy.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { checkBody, Framer } from "../../src/wire/framer.ts";
import { jsonOf } from "../../src/wire/json.ts";
import { layoutOf } from "../../src/wire/layout.ts";
import { NativeWriter } from "../../src/wire/native.ts";
import { bytes, list, struct, u8, u32 } from "../../src/wire/shape.ts";
import { traceMessage, traceValue } from "../../src/wire/trace.ts";
import { TupleCursor, TupleData } from "../../src/wire/tuple.ts";
import { hex } from "../hex.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);

/** What a function throws. */
function thrown(act: () => unknown): Error {
  try {
    act();
  } catch (error) {
    return error as Error;
  }
  throw new Error("nothing was thrown");
}

describe("Framer", () => {
  test("says at the end what it said before", () => {
    const framer = new Framer();
    framer.push(hex("64 00000003"));
    const first = thrown(() => framer.next());
    expect(first).toBeInstanceOf(DecodeError);
    expect(thrown(() => framer.end())).toBe(first);
  });

  test("rejects memory that is not a Uint8Array", () => {
    const framer = new Framer({ allocate: (() => "memory") as never });
    framer.push(new Uint8Array([0x64, 0, 0, 4, 4]));
    framer.push(new Uint8Array(600));
    framer.push(new Uint8Array(600));
    const error = thrown(() => framer.next());
    expect(error).toBeInstanceOf(ArgumentError);
    expect(error.message).toBe('options.allocate: expected a function that returns a Uint8Array, got "memory"');
  });

  test("rejects a chunk that was detached before its bytes were read", () => {
    const framer = new Framer();
    const chunk = new Uint8Array(10);
    framer.push(hex("64 0000000e"));
    framer.push(chunk);
    structuredClone(chunk, { transfer: [chunk.buffer] });
    framer.push(new Uint8Array(10));
    expect(thrown(() => framer.next())).toMatchObject({ code: "BAD_ARGUMENT", path: "chunk" });
  });

  test("makes no frame that is longer than PostgreSQL accepts", () => {
    const error = thrown(() => checkBody(new Uint8Array(0x40000000)));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.message).toBe("Frame.bytes.length is 1073741824, expected at most 1073741823");
  });
});

describe("JSON", () => {
  const flags = { cascade: false, restartIdentity: false };
  test.each<[string, object]>([
    [
      "Truncate.options.cascade is 1, expected true or false",
      { type: "Truncate", options: { ...flags, cascade: 1 }, relationIds: [] },
    ],
    ["Truncate.relationIds is 3, expected an array", { type: "Truncate", options: flags, relationIds: 3 }],
    ["Insert.newTuple is an array, expected a TupleData", { type: "Insert", relationId: 3, newTuple: [1] }],
  ])("%s", (message, value) => {
    const error = thrown(() => jsonOf(PgoutputMessage, value as never));
    expect(error).toBeInstanceOf(EncodeError);
    expect(error.message).toBe(message);
  });
});

describe("trace lines", () => {
  const insert = (newTuple: TupleData) =>
    traceMessage(PgoutputMessage, { type: "Insert", relationId: 3, newTuple } as never);

  test("show 64 columns and count the others", () => {
    const row = (columns: number) => TupleData.of(Array.from({ length: columns }, () => null));
    const columns = Array.from({ length: 64 }, () => "null").join(", ");
    expect(insert(row(64))).toBe(`Insert relationId=3 newTuple=[${columns}]`);
    expect(insert(row(67))).toBe(`Insert relationId=3 newTuple=[${columns}, … 3 more]`);
  });

  test("show 64 elements and count the others", () => {
    const shape = list("end", u32("One."), "All.");
    const elements = Array.from({ length: 64 }, () => "7").join(", ");
    expect(traceValue(shape, new Array(64).fill(7), undefined)).toBe(`[${elements}]`);
    expect(traceValue(shape, new Array(66).fill(7), undefined)).toBe(`[${elements}, … 2 more]`);
  });

  test("show 64 bytes of a binary column", () => {
    const row = (length: number) => TupleData.of([new Uint8Array(length)]);
    expect(insert(row(64))).toBe(`Insert relationId=3 newTuple=[\\x${"00".repeat(64)}]`);
    expect(insert(row(65))).toBe(`Insert relationId=3 newTuple=[\\x${"00".repeat(64)}…]`);
  });
});

test("a cursor tells text from binary", () => {
  const cursor = new TupleCursor();
  cursor.enter(TupleData.of(["a", new Uint8Array(2), null]));
  const seen: [string, number][] = [];
  while (cursor.next()) seen.push([cursor.kind, cursor.end - cursor.start]);
  expect(seen).toEqual([
    ["text", 1],
    ["binary", 2],
    ["null", 0],
  ]);
  expect(cursor.next()).toBe(false);
});

describe("structs", () => {
  test("a name takes 64 bytes", () => {
    const write = (name: string) => {
      const w = new NativeWriter();
      w.begin(undefined, "S");
      w.name(name, "S.name");
      return w.finish();
    };
    expect(write("é".repeat(32))).toEqual(utf8("é".repeat(32)));
    for (const name of ["é".repeat(33), "x".repeat(65)]) {
      expect(thrown(() => write(name))).toMatchObject({
        name: "EncodeError",
        message: expect.stringMatching(/^S\.name is ".*", expected text of at most 64 bytes$/),
      });
    }
  });

  test("have a field for their padding, and none behind one without an end", () => {
    const padded = struct("Padded", {
      doc: "",
      source: "",
      end: "last",
      fields: { a: u8("A."), b: u32("B.") },
    } as never);
    expect(() => layoutOf(padded, {})).toThrow(new TypeError("Padded has 3 bytes of padding, but no field for them"));
    const open = struct("Open", {
      doc: "",
      source: "",
      end: "last",
      fields: { all: list("end", u8("One."), "All."), more: bytes(1, "More.") },
    } as never);
    expect(() => layoutOf(open, {})).toThrow(new TypeError("Open.more stands behind a field without an end"));
  });
});

describe("COPY", () => {
  const decoder = (maxRow?: number) => new CopyDecoder({ format: "text", columns: 1, ...(maxRow && { maxRow }) });

  test("has no data in a chunk after its end marker", () => {
    const copy = decoder();
    copy.receive(utf8("\\.\n"));
    expect(thrown(() => copy.receive(utf8("x\n")))).toMatchObject({
      code: "TRAILING_BYTES",
      path: "Copy",
      offset: 3,
      message: "Copy has data after its end marker, at offset 3",
    });
  });

  test("has no row of more bytes than maxRow", () => {
    expect(decoder(3).receive(utf8("abc\n"))).toHaveLength(1);
    expect(thrown(() => decoder(3).receive(utf8("a\nabcd\n")))).toMatchObject({
      code: "BAD_LENGTH",
      offset: 2,
      message: "Copy has a row of more than 3 bytes, at offset 2",
    });
  });

  test("reads hexadecimal digits of either case", () => {
    expect(decoder().receive(utf8("\\x6a\\x6A\\x7f\\xAg\n"))[0]!.toJSON()).toEqual(["jj\x7f\ng"]);
  });
});

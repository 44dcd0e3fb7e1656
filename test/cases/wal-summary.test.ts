/** WAL summaries: what is written is read in pieces of any size, and what no server writes has an error with its place. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import {
  encodeWalSummary,
  parseWalSummaryName,
  type WalSummaryChunk,
  type WalSummaryEvent,
  WalSummaryReader,
  type WalSummaryRelation,
  walSummaryBlocks,
} from "../../src/files/index.ts";
import { DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { toHex } from "../hex.ts";
import { law } from "../laws/law.ts";

const bitmap = new Uint8Array(8192).fill(0xff, 3, 5);
const table: WalSummaryRelation = {
  ...({ spcOid: 1663, dbOid: 5, relNumber: 16384, forknum: "main", limitBlock: 0xffffffff } as const),
  chunks: [{ offsets: [9, 2] }, { offsets: [] }, { bitmap }],
};
const good = encodeWalSummary([table]);

function read(bytes: Uint8Array, size = bytes.length): WalSummaryEvent[] {
  const reader = new WalSummaryReader({ file: "f" });
  const events: WalSummaryEvent[] = [];
  for (let at = 0; at < bytes.length; at += size) events.push(...reader.receive(bytes.subarray(at, at + size)));
  reader.end();
  return events;
}

/** The relations that events are of. */
function relationsOf(events: readonly WalSummaryEvent[]): WalSummaryRelation[] {
  const relations: { chunks: WalSummaryChunk[]; nchunks: number }[] = [];
  for (const event of events) {
    if (event.type === "Relation") relations.push({ ...event.entry, chunks: [] });
    if (event.type !== "Chunk") continue;
    const { chunks } = relations.at(-1)!;
    while (chunks.length < event.first / 65536) chunks.push({ offsets: [] });
    chunks.push(event.chunk);
  }
  return relations.map(({ nchunks, ...relation }) => {
    while (relation.chunks.length < nchunks) relation.chunks.push({ offsets: [] });
    return relation as unknown as WalSummaryRelation;
  });
}

/** One text: a comparison of arrays of bytes, element by element, takes 50 times as long. */
function shown(relations: readonly WalSummaryRelation[]): string {
  return JSON.stringify(relations, (_, value) => (value instanceof Uint8Array ? toHex(value) : value));
}

const uint32 = fc.integer({ min: 0, max: 0xffffffff });
const chunk = fc.oneof(
  fc.record({ offsets: fc.array(fc.nat(65535), { maxLength: 5 }) }),
  // Of 64 random bytes: 8192 of them would take 13 s.
  fc.uint8Array({ minLength: 64, maxLength: 64 }).map((part) => ({ bitmap: concat(...Array(128).fill(part)) })),
);
const relation: fc.Arbitrary<WalSummaryRelation> = fc.record({
  spcOid: uint32,
  dbOid: uint32,
  relNumber: fc.integer({ min: 1, max: 0xffffffff }),
  forknum: fc.constantFrom<("main" | "fsm" | "vm" | "init" | number)[]>("main", "fsm", "vm", "init", -1),
  limitBlock: uint32,
  chunks: fc.array(chunk, { maxLength: 3 }),
});

law(
  "what is written is read, in pieces of any size",
  fc.property(fc.array(relation, { maxLength: 3 }), fc.integer({ min: 1, max: 9000 }), (relations, size) => {
    const bytes = encodeWalSummary(relations);
    const events = read(bytes, size);
    expect(shown(relationsOf(events))).toBe(shown(relations));
    expect(events.at(-1)).toEqual({ type: "End" });
  }),
  100,
);

law(
  "any damage is an error with a place in the file",
  fc.property(fc.nat(good.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
    const damaged = good.with(at, good[at]! ^ bits);
    try {
      read(damaged, 100);
    } catch (error) {
      expect(error).toBeInstanceOf(DecodeError);
      expect((error as DecodeError).offset).toBeLessThanOrEqual(good.length);
      return;
    }
    throw new Error("it was read");
  }),
  200,
);

describe("what no server writes", () => {
  const withUint16 = (at: number, value: number): Uint8Array => {
    const bytes = good.slice();
    new DataView(bytes.buffer).setUint16(at, value, true);
    return bytes;
  };
  const end = good.length - 4;
  test.each([
    ["another magic", good.with(0, 0), "BAD_VALUE", 0, /^file "f" has wrong magic number: expected 1697321851, found /],
    ["another checksum", good.with(end, good[end]! ^ 1), "BAD_VALUE", end, /^file "f" has wrong checksum: expected /],
    ["an end too early", good.slice(0, -1), "TRUNCATED", good.length - 1, /^file "f" ends unexpectedly$/],
    ["nothing", new Uint8Array(), "TRUNCATED", 0, /^file "f" ends unexpectedly$/],
    ["more behind it", Uint8Array.from([...good, 0]), "TRAILING_BYTES", good.length, /goes on after its checksum$/],
    ["chunks for blocks beyond all", withUint16(26, 2), "BAD_LENGTH", 24, /^file "f" has 131075 chunks of a relation$/],
    ["a chunk longer than a bitmap", withUint16(28, 4097), "BAD_LENGTH", 28, /^file "f" has a chunk of 4097 words$/],
  ])("%s", (_, bytes, code, offset, message) => {
    for (const size of [1, 7, bytes.length || 1]) {
      expect(() => read(bytes, size)).toThrow(
        expect.objectContaining({ name: "DecodeError", code, offset, message: expect.stringMatching(message) }),
      );
    }
  });

  test("is not written", () => {
    const refused = (change: object): void => {
      expect(() => encodeWalSummary([{ ...table, ...change }])).toThrow(EncodeError);
    };
    refused({ spcOid: -1 });
    refused({ forknum: "x" });
    refused({ chunks: [{ offsets: [65536] }] });
    refused({ chunks: [{ offsets: Array.from({ length: 4096 }, (_, i) => i) }] });
    refused({ chunks: [{ bitmap: new Uint8Array(8191) }] });
    refused({ chunks: [null] });
    refused({ spcOid: 0, dbOid: 0, relNumber: 0, limitBlock: 0, chunks: [] });
    expect(() => encodeWalSummary(null as never)).toThrow(EncodeError);
  });
});

test("blocks of a chunk are numbers in order", () => {
  expect(walSummaryBlocks({ bitmap }, 131072)).toEqual(Array.from({ length: 16 }, (_, i) => 131072 + 24 + i));
  expect(walSummaryBlocks(table.chunks[0]!)).toEqual([2, 9]);
});

test("the name says of which WAL it is", () => {
  expect(parseWalSummaryName("000000010000000100000028FFFFFFFF00000000.summary")).toEqual({
    timeline: 1,
    start: 0x100000028n,
    end: 0xffffffff00000000n,
  });
  expect(parseWalSummaryName("000000010000000100000028.summary")).toBeUndefined();
});

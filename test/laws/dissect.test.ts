/** Laws of dissections: the leaves cover the bytes, values are the decoders', and damage gives the decoders' errors. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { contextOf, messageOf } from "../../src/arbitraries/messages.ts";
import { walRecordFields, walStream } from "../../src/arbitraries/wal.ts";
import { BaseBackupMessage } from "../../src/basebackup/messages.ts";
import {
  type DissectedField,
  type Dissection,
  dissectBaseBackupMessage,
  dissectControlFile,
  dissectPgoutputMessage,
  dissectReplicationOrigins,
  dissectSlotState,
  dissectSnapshot,
  dissectWalPage,
  dissectWalReceiverMessage,
  dissectWalRecord,
  dissectWalSenderMessage,
  formatDissectedField,
  jsonOfDissection,
} from "../../src/dissect/index.ts";
import { decodeControlFile, decodeReplicationOrigins, decodeSlotState, decodeSnapshot } from "../../src/files/index.ts";
import { decodeBaseBackupMessage } from "../../src/generated/basebackup.ts";
import { decodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalReceiverMessage, decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { DecodeError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../src/physical/messages.ts";
import {
  decodeWalRecord,
  encodeWalRecord,
  WalReader,
  type WalReaderOptions,
  type WalRecord,
  walFormat,
} from "../../src/wal/index.ts";
import { DEFAULT_PAGE_SIZE } from "../../src/wal/page.ts";
import type { Family } from "../../src/wire/shape.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";
import { interpretEncode } from "../oracle/interpret.ts";
import { law } from "./law.ts";

/** The fields that have no others, in order. */
function leavesOf(field: DissectedField): DissectedField[] {
  return field.fields.length === 0 ? [field] : field.fields.flatMap(leavesOf);
}

/** Every field, the outermost first. */
function allOf(field: DissectedField): DissectedField[] {
  return [field, ...field.fields.flatMap(allOf)];
}

/** The leaves follow each other from the first byte to the end of the tree; a node is as long as its fields; all of it can be shown. */
function expectCovered(tree: Dissection, length: number): void {
  let at = 0;
  for (const leaf of leavesOf(tree)) {
    expect(leaf.start).toBe(at);
    at = leaf.end;
  }
  expect(tree.end).toBe(at);
  if (tree.error === undefined) expect(at).toBe(length);
  else expect(at).toBeLessThanOrEqual(length);
  for (const field of allOf(tree)) {
    if (field.fields.length === 0) continue;
    expect([field.start, field.end]).toEqual([field.fields[0]!.start, field.fields.at(-1)!.end]);
  }
  for (const leaf of leavesOf(tree)) expect(formatDissectedField(leaf)).not.toMatch(/[\p{Cc}\p{Cf}\p{Cs}]/u);
  const json = jsonOfDissection(tree);
  expect(JSON.parse(JSON.stringify(json))).toEqual(json);
}

/** The value of each field of a message is that of the message's property; what bytes a row has are those of its columns. */
function expectValuesInTree(tree: Dissection): void {
  for (const field of allOf(tree)) {
    const { value, fields } = field;
    if (TupleData.is(value)) {
      const columns = fields.filter(({ name }) => name.startsWith("[")).map((column) => column.value as TupleColumn);
      expect(columns.map(({ value: bytes }) => bytes && toHex(bytes))).toEqual(
        Array.from({ length: value.length }, (_, i) => value.valueBytes(i)).map((bytes) => bytes && toHex(bytes)),
      );
    } else if (Array.isArray(value)) {
      const elements = fields.filter(({ name }) => name.startsWith("["));
      expect(elements.map((element) => element.value)).toEqual(value);
    } else if (field.form === "message" || field.form === "record" || field.form === "variants") {
      for (const [name, each] of Object.entries(value as object)) {
        expect(fields.find((inner) => inner.name === name)?.value).toEqual(each);
      }
    }
  }
}

type TupleColumn = { readonly value?: Uint8Array };

/** A value or a DecodeError. */
function outcome(run: () => unknown): { value?: unknown; error?: DecodeError } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return { error };
  }
}

function expectSameOutcome(tree: Dissection, run: () => unknown): void {
  const { value, error } = outcome(run);
  expect(tree.error?.toJSON()).toEqual(error?.toJSON());
  if (error === undefined) expect(tree.value).toEqual(value);
}

interface Target {
  readonly family: Family;
  readonly decode: (bytes: Uint8Array, holds: never) => unknown;
  readonly dissect: (bytes: Uint8Array, holds: never) => Dissection;
}

describe.each([
  { family: WalSenderMessage, decode: decodeWalSenderMessage, dissect: dissectWalSenderMessage },
  { family: WalReceiverMessage, decode: decodeWalReceiverMessage, dissect: dissectWalReceiverMessage },
  { family: PgoutputMessage, decode: decodePgoutputMessage, dissect: dissectPgoutputMessage },
  { family: BaseBackupMessage, decode: decodeBaseBackupMessage, dissect: dissectBaseBackupMessage },
] as readonly Target[])("$family.name", ({ family, decode, dissect }) => {
  const inContext = contextOf(family).chain((holds) =>
    fc.record({
      holds: fc.constant(holds as never),
      bytes: messageOf(family, holds).map((message) => interpretEncode(family, message)),
    }),
  );

  law(
    "the leaves cover a message, and the values are the decoder's",
    fc.property(inContext, ({ holds, bytes }) => {
      const tree = dissect(bytes, holds);
      expect(tree.error).toBeUndefined();
      expect(tree.value).toEqual(decode(bytes, holds));
      expectCovered(tree, bytes.length);
      expectValuesInTree(tree);
    }),
    500,
  );

  law(
    "a damaged message has a tree up to the damage, and the decoder's error",
    fc.property(damaged(inContext.map(({ bytes }) => bytes)), contextOf(family), (bytes, holds) => {
      const tree = dissect(bytes, holds as never);
      expectSameOutcome(tree, () => decode(bytes, holds as never));
      expectCovered(tree, bytes.length);
      // The tree ends where the field that failed begins, or a part of it.
      if (tree.error !== undefined) expect(tree.end).toBeLessThanOrEqual(tree.error.offset);
    }),
    1000,
  );
});

const file = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../vectors/files/${name}`, import.meta.url)));
const filesLike = (pattern: RegExp): string[] =>
  readdirSync(new URL("../vectors/files/", import.meta.url)).filter((name) => pattern.test(name));

describe.each([
  { kind: /^slot-state/, decode: decodeSlotState, dissect: dissectSlotState },
  { kind: /^replorigin/, decode: decodeReplicationOrigins, dissect: dissectReplicationOrigins },
  { kind: /\.snap$/, decode: decodeSnapshot, dissect: dissectSnapshot },
  { kind: /^pg_control/, decode: decodeControlFile, dissect: dissectControlFile },
])("files like $kind", ({ kind, decode, dissect }) => {
  const names = filesLike(kind);

  test.each(names)("%s", (name) => {
    const bytes = file(name);
    const tree = dissect(bytes);
    expect(tree.error).toBeUndefined();
    expect(tree.value).toEqual(decode(bytes));
    expectCovered(tree, bytes.length);
    // Each position stands where its bytes are.
    for (const leaf of leavesOf(tree).filter(({ form }) => form === "lsn")) {
      const view = new DataView(bytes.buffer, bytes.byteOffset);
      expect(view.getBigUint64(leaf.start, true)).toBe(leaf.value);
    }
  });

  law(
    "damage gives the decoder's error, and a tree of what comes before it",
    fc.property(damaged(fc.constantFrom(...names.map(file))), (bytes) => {
      const tree = dissect(bytes);
      expectSameOutcome(tree, () => decode(bytes));
      let at = 0;
      for (const leaf of leavesOf(tree)) {
        expect(leaf.start).toBe(at);
        at = leaf.end;
      }
      expect(at).toBeLessThanOrEqual(bytes.length);
    }),
    100,
  );
});

describe("WAL", () => {
  /** The whole records on the pages of a stream: each is one that the reader found, with the parts that it found in it. */
  function expectPages(stream: Uint8Array, pageSize: number, records: readonly WalRecord[], server?: string): number {
    const byBytes = new Map(records.map((record) => [toHex(record.bytes), record]));
    let found = 0;
    for (let at = 0; at + pageSize <= stream.length; at += pageSize) {
      const page = stream.subarray(at, at + pageSize);
      const tree = dissectWalPage(page, { server });
      expect(tree.error).toBeUndefined();
      expectCovered(tree, page.length);
      for (const part of tree.fields.filter(({ name, form }) => name.startsWith("[") && form === "struct")) {
        found++;
        const record = byBytes.get(toHex(page.subarray(part.start, part.end)));
        expect(part.value).toMatchObject({ rmid: record?.rmid, xid: record?.xid, crc: record?.crc });
        const header = part.fields[0]!.value as Record<string, unknown>;
        expect(header).toMatchObject({ length: record?.length, prev: record?.prev, info: record?.info });
        const bytesOf = (name: string): string | undefined => {
          const field = part.fields.find((each) => each.name === name);
          return field && toHex(page.subarray(field.start, field.end));
        };
        for (const [i, { image, data }] of record!.blocks.entries()) {
          expect(bytesOf(`blocks[${i}].image`)).toBe(image && toHex(image.bytes));
          expect(bytesOf(`blocks[${i}].data`)).toBe(data && toHex(data));
        }
        const main = `${bytesOf("mainData") ?? ""}${bytesOf("rest") ?? ""}`;
        expect(main).toBe(toHex(record!.mainData));
      }
    }
    return found;
  }

  function readAll(bytes: Uint8Array, options: WalReaderOptions, start?: Lsn): WalRecord[] {
    const reader = new WalReader(options);
    reader.push(bytes, start);
    const records: WalRecord[] = [];
    for (let next = reader.next(); next !== undefined; next = reader.next()) records.push(next);
    return records;
  }

  test.each(readdirSync(new URL("../vectors/wal/", import.meta.url)))("of a server: %s", (name) => {
    const bytes = new Uint8Array(gunzipSync(readFileSync(new URL(`../vectors/wal/${name}`, import.meta.url))));
    expect(expectPages(bytes, DEFAULT_PAGE_SIZE, readAll(bytes, {}))).toBeGreaterThan(5);
  });

  law(
    "the leaves cover each page of a stream, and its records are the reader's",
    fc.property(
      fc
        .constantFrom("9.6", "10", "14", "15", "18", "19")
        .chain((server) => walStream({ server }).map((each) => ({ server, ...each }))),
      ({ server, bytes, start, options: { pageSize, segmentSize } }) => {
        const options = { server, pageSize, segmentSize };
        expectPages(bytes, pageSize!, readAll(bytes, options, start), server);
      },
    ),
    60,
  );

  law(
    "a damaged page has a tree up to the damage, and an error with its place",
    fc.property(
      damaged(walStream({ server: "18" }).map(({ bytes, options }) => bytes.slice(0, options.pageSize))),
      (bytes) => {
        const page = new Uint8Array(1024);
        page.set(bytes.subarray(0, 1024));
        const tree = dissectWalPage(page, { server: "18" });
        expectCovered(tree, page.length);
      },
    ),
    200,
  );

  law(
    "a record, whole or damaged, has the decoder's value and error",
    fc.property(walRecordFields({ server: "18" }), fc.boolean(), fc.nat(), (fields, isDamaged, at) => {
      const format = walFormat({ server: "18" });
      const bytes = encodeWalRecord(fields, { format });
      if (isDamaged) bytes[at % bytes.length]! ^= 1;
      const lsn = toLsn(2n ** 60n);
      const tree = dissectWalRecord(bytes, { format, lsn });
      expectSameOutcome(tree, () => decodeWalRecord(bytes, { format, lsn }));
      expectCovered(tree, bytes.length);
    }),
    200,
  );
});

test("a message of pgoutput inside XLogData has its places in the payload", () => {
  const bytes = hex("77 0000000006033cc8 0000000006033cc8 000303e6278429f8 49 0000400b 4e 0001 74 00000001 32");
  const tree = dissectWalSenderMessage(bytes, undefined, { inStream: false, parallel: false });
  expectCovered(tree, bytes.length);
  expect(allOf(tree).map(({ name, start, end, form }) => `${name} ${start}-${end} ${form}`)).toEqual([
    "XLogData 0-39 message",
    "type 0-1 tag",
    "dataStart 1-9 lsn",
    "walEnd 9-17 lsn",
    "sendTime 17-25 time",
    "data 25-39 message",
    "type 25-26 tag",
    "relationId 26-30 u32",
    "newTuple 30-39 after",
    "type 30-31 tag",
    "count 31-33 count",
    "[0] 33-39 variants",
    "type 33-34 tag",
    "value 34-39 counted",
    "length 34-38 count",
    "content 38-39 bytes",
  ]);
});

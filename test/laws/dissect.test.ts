/** Laws of dissections: the leaves cover the bytes, values are the decoders', and damage gives the decoders' errors. */
import { readdirSync, readFileSync } from "node:fs";
import { gunzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { walSummary } from "../../src/arbitraries/files.ts";
import { backupManifest, backupManifestText } from "../../src/arbitraries/manifest.ts";
import { contextOf, messageOf } from "../../src/arbitraries/messages.ts";
import { backendMessage, frontendMessage, startupPacket } from "../../src/arbitraries/session.ts";
import { backupHistory, backupLabelText, tablespaceMapText, timeLineHistoryText } from "../../src/arbitraries/texts.ts";
import { walRecordFields, walStream } from "../../src/arbitraries/wal.ts";
import { encodeIncrementalHeader, IncrementalReader } from "../../src/basebackup/incremental.ts";
import { BaseBackupMessage } from "../../src/basebackup/messages.ts";
import {
  type DissectedField,
  type Dissection,
  dissectBackendMessage,
  dissectBackupHistory,
  dissectBackupLabel,
  dissectBackupManifest,
  dissectBaseBackupMessage,
  dissectControlFile,
  dissectFrontendMessage,
  dissectIncrementalFile,
  dissectPgoutputMessage,
  dissectReplicationOrigins,
  dissectSlotState,
  dissectSnapshot,
  dissectStartupPacket,
  dissectTablespaceMap,
  dissectTimeLineHistory,
  dissectWalPage,
  dissectWalReceiverMessage,
  dissectWalRecord,
  dissectWalSenderMessage,
  dissectWalSummary,
  formatDissectedField,
  jsonOfDissection,
} from "../../src/dissect/index.ts";
import {
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeWalSummary,
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
  WalSummaryReader,
} from "../../src/files/index.ts";
import { parseBackupManifest, printBackupManifest } from "../../src/files/manifest/index.ts";
import { decodeBaseBackupMessage } from "../../src/generated/basebackup.ts";
import { decodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalReceiverMessage, decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { DecodeError, ParseError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../src/physical/messages.ts";
import {
  decodeBackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type SessionFrame,
} from "../../src/session/messages.ts";
import {
  decodeWalRecord,
  encodeWalRecord,
  WalReader,
  type WalReaderOptions,
  type WalRecord,
  walFormat,
} from "../../src/wal/index.ts";
import { DEFAULT_PAGE_SIZE } from "../../src/wal/page.ts";
import { Framer } from "../../src/wire/framer.ts";
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
function outcome(run: () => unknown): { value?: unknown; error?: DecodeError | ParseError } {
  try {
    return { value: run() };
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof ParseError)) throw error;
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
      if (tree.error !== undefined) expect(tree.end).toBeLessThanOrEqual((tree.error as DecodeError).offset);
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

/** Values by the names of leaves: each that a decoded message has of its own is that of the message. */
function expectFieldsOf(message: object, tree: Dissection): void {
  for (const [name, value] of Object.entries(message)) {
    const field = tree.fields.find((each) => each.name === name);
    // The letters of an error are elements of a list; what is empty has no bytes.
    if (field !== undefined && name !== "fields") expect(field.value).toEqual(value);
    if (name !== "fields") continue;
    const letters = field!.fields.filter(({ form }) => form === "cstring").map((each) => each.value);
    expect(letters).toEqual(Object.values(value as object));
  }
}

describe("messages around copy streams", () => {
  const framer = (bytes: Uint8Array): SessionFrame => {
    const frames = new Framer();
    frames.push(bytes);
    const frame = frames.next();
    frames.end();
    if (frame === undefined || frame.length + 5 !== bytes.length) throw new DecodeError("TRUNCATED", "", 0, "");
    return frame;
  };
  const targets = [
    {
      name: "of a server",
      bytes: backendMessage().map(encodeBackendMessage),
      decode: (bytes: Uint8Array) => decodeBackendMessage(framer(bytes)),
      dissect: dissectBackendMessage,
    },
    {
      name: "of a client",
      bytes: frontendMessage().map(encodeFrontendMessage),
      decode: (bytes: Uint8Array) => decodeFrontendMessage(framer(bytes)),
      dissect: dissectFrontendMessage,
    },
    {
      name: "before the first one",
      bytes: startupPacket().map(encodeStartupPacket),
      decode: (bytes: Uint8Array) => decodeStartupPacket(bytes.subarray(4)),
      dissect: dissectStartupPacket,
    },
  ] as const;

  describe.each(targets)("$name", ({ bytes, decode, dissect }) => {
    law(
      "the leaves cover a message, and the values are the decoder's",
      fc.property(bytes, (each) => {
        const tree = dissect(each);
        const message = decode(each);
        expect(tree.error).toBeUndefined();
        expect(tree.name).toBe(message.type);
        expect(tree.value).toEqual(message);
        expectCovered(tree, each.length);
        expectFieldsOf(message, tree);
        for (const field of allOf(tree)) expect(field.doc).not.toBe("");
      }),
      300,
    );

    law(
      "a damaged body has a tree up to the damage, and the decoder's error",
      fc.property(damaged(bytes.map((each) => each.subarray(5))), bytes, (body, other) => {
        const whole = new Uint8Array(5 + body.length);
        whole.set(other.subarray(0, 5));
        whole.set(body, 5);
        const isStartup = dissect === dissectStartupPacket;
        new DataView(whole.buffer).setUint32(isStartup ? 0 : 1, isStartup ? whole.length : 4 + body.length);
        const tree = dissect(whole);
        expectSameOutcome(tree, () => decode(whole));
        expectCovered(tree, whole.length);
      }),
      300,
    );

    law(
      "damage anywhere is an error of the tree, or none",
      fc.property(damaged(bytes), (each) => {
        const tree = dissect(each);
        expectCovered(tree, each.length);
        if (tree.error === undefined) expect(tree.value).toEqual(decode(each));
      }),
      300,
    );
  });
});

describe("files of base backups, and texts", () => {
  const utf8 = new TextEncoder();
  const incremental = fc
    .tuple(fc.uniqueArray(fc.nat(100), { maxLength: 5 }), fc.nat(100), fc.uint8Array({ maxLength: 5 }))
    .map(([blocks, truncationBlockLength, more]) => {
      const header = encodeIncrementalHeader({ truncationBlockLength, blocks }, { blockSize: 16 });
      const file = new Uint8Array(header.length + 16 * blocks.length + more.length);
      file.set(header);
      file.set(more, file.length - more.length);
      return file;
    });
  const eventsOf = (bytes: Uint8Array) => {
    const reader = new IncrementalReader({ blockSize: 16 });
    const events = reader.receive(bytes);
    reader.end();
    return events;
  };
  const summaryEvents = (bytes: Uint8Array) => {
    const reader = new WalSummaryReader();
    const events = [...reader.receive(bytes)];
    reader.end();
    return events;
  };
  const text = (arbitrary: fc.Arbitrary<string>) => arbitrary.map((each) => utf8.encode(each));
  const targets: readonly {
    name: string;
    bytes: fc.Arbitrary<Uint8Array>;
    decode: (bytes: Uint8Array) => unknown;
    dissect: (bytes: Uint8Array) => Dissection;
  }[] = [
    { name: "WAL summaries", bytes: walSummary(), decode: summaryEvents, dissect: dissectWalSummary },
    {
      name: "incremental files",
      bytes: incremental,
      decode: eventsOf,
      dissect: (bytes) => dissectIncrementalFile(bytes, { blockSize: 16 }),
    },
    {
      name: "backup manifests",
      bytes: fc.oneof(
        backupManifest().map((each) => printBackupManifest(each)),
        backupManifestText(),
      ),
      decode: (bytes) => parseBackupManifest(bytes),
      dissect: (bytes) => dissectBackupManifest(bytes),
    },
    {
      name: "backup_label",
      bytes: text(backupLabelText()),
      decode: (bytes) => parseBackupLabel(bytes),
      dissect: (bytes) => dissectBackupLabel(bytes),
    },
    {
      name: "backup histories",
      bytes: backupHistory().map((each) => printBackupHistory(each)),
      decode: parseBackupHistory,
      dissect: dissectBackupHistory,
    },
    {
      name: "tablespace_map",
      bytes: text(tablespaceMapText()),
      decode: (bytes) => parseTablespaceMap(bytes),
      dissect: (bytes) => dissectTablespaceMap(bytes),
    },
    {
      name: "timeline histories",
      bytes: text(timeLineHistoryText()),
      decode: (bytes) => parseTimeLineHistory(bytes, 9),
      dissect: (bytes) => dissectTimeLineHistory(bytes, 9),
    },
  ];
  describe.each(targets)("$name", ({ bytes, decode, dissect }) => {
    law(
      "whole or damaged: the leaves cover the bytes, and the value and the error are the reader's",
      fc.property(fc.oneof(bytes, damaged(bytes)), (file) => {
        const tree = dissect(file);
        expectSameOutcome(tree, () => decode(file));
        expectCovered(tree, file.length);
        for (const field of allOf(tree)) expect(field.doc).not.toBe("");
      }),
      200,
    );
  });
});

test("a manifest: each value where its bytes are", () => {
  const file = new TextEncoder().encode(
    '{ "PostgreSQL-Backup-Manifest-Version": 1,\n"Files": [\n{ "Path": "a\\u0041", "Size": 7, "Last-Modified": "x" }\n],\n',
  );
  const tree = dissectBackupManifest(file);
  expect(tree.error?.message).toMatch(/could not parse backup manifest/);
  const files = tree.fields.find(({ name }) => name === "Files")!;
  const [path, size] = files.fields.at(-1)!.fields[1]!.fields.filter(({ form }) => form === "part");
  const shown = (field: DissectedField) => [
    field.value,
    new TextDecoder().decode(file.subarray(field.start, field.end)),
  ];
  expect(shown(path!.fields.at(-1)!)).toEqual(["aA", '"a\\u0041"']);
  expect(shown(size!.fields.at(-1)!)).toEqual([7n, "7"]);
});

test("an incremental file and a WAL summary: the names and places of their fields", () => {
  const header = encodeIncrementalHeader({ truncationBlockLength: 9, blocks: [3] }, { blockSize: 32 });
  const tree = dissectIncrementalFile(Uint8Array.from([...header, ...new Uint8Array(32), 1]), { blockSize: 32 });
  expect(leavesOf(tree).map(({ name, start, end }) => `${name} ${start}-${end}`)).toEqual([
    ...[
      "magic 0-4",
      "count 4-8",
      "truncationBlockLength 8-12",
      "[0] 12-16",
      "padding 16-32",
      "[0] 32-64",
      "rest 64-65",
    ],
  ]);
  const entry = { spcOid: 1663, dbOid: 5, relNumber: 16384, forknum: "main", limitBlock: 4294967295 } as const;
  const summary = dissectWalSummary(encodeWalSummary([{ ...entry, chunks: [{ offsets: [] }, { offsets: [7, 2] }] }]));
  const relation = summary.fields[1]!.fields[0]!;
  expect(relation.fields.map(({ name, start, end }) => `${name} ${start}-${end}`)).toEqual([
    ...["entry 4-28", "sizes 28-32", "chunks 32-36"],
  ]);
  expect(leavesOf(relation.fields[2]!).map(({ value }) => value)).toEqual([7, 2]);
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

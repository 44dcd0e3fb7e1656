/** What decoders, encoders and the pieces below them are given may be anything: each answers with an error of ours. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { concat } from "../../src/arbitraries/bytes.ts";
import {
  encodeBaseBackupEvent,
  encodeIncrementalHeader,
  IncrementalReader,
  ManifestReceiver,
  ManifestUpload,
} from "../../src/basebackup/index.ts";
import { checkedEntries, effectiveEntry } from "../../src/conf/index.ts";
import {
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeReplicationOrigins,
  encodeSlotState,
  encodeWalSummary,
  judgeReplicationOrigins,
  judgeSlotState,
  judgeSnapshot,
  parseTimeLineHistory,
  WalSummaryReader,
  walSummaryBlocks,
} from "../../src/files/index.ts";
import {
  collectManifest,
  manifestChecksum,
  parseBackupManifest,
  printBackupManifest,
} from "../../src/files/manifest/index.ts";
import * as basebackup from "../../src/generated/basebackup.ts";
import * as files from "../../src/generated/files.ts";
import * as logical from "../../src/generated/logical.ts";
import * as physical from "../../src/generated/physical.ts";
import * as wal from "../../src/generated/wal.ts";
import { ArgumentError, EncodeError, WalwireError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { formatVersions } from "../../src/kernel/version.ts";
import { jsonOfPgoutputMessage } from "../../src/logical/json.ts";
import { decodeBackendMessage, decodeStartupPacket } from "../../src/session/messages.ts";
import { applyFixes, lintSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { fillUnchanged, TypeMap } from "../../src/values/index.ts";
import {
  decodeWalPageHeader,
  decodeWalRecord,
  encodeWalPageHeader,
  encodeWalRecord,
  WalCutter,
  WalReader,
  walFormat,
} from "../../src/wal/index.ts";
import { encodeFrame, Framer, framesOf, isLast } from "../../src/wire/framer.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";

const utf8 = new TextEncoder();
const manifestFields = { version: 1, systemIdentifier: undefined, files: [], walRanges: [] } as const;
const format = walFormat({ server: "18" });
const walRecord = encodeWalRecord({ rmid: 10, info: 0, mainData: new Uint8Array(9) }, { format });
const page = encodeWalPageHeader({
  ...{ magic: 0xd118, info: 2, timeline: 1, pageAddress: toLsn(0n), remaining: 0 },
  long: { systemIdentifier: 1n, segmentSize: 1 << 24, pageSize: 8192 },
});
const incremental = concat(encodeIncrementalHeader({ truncationBlockLength: 2, blocks: [1] }), new Uint8Array(8192));
const summaryEntry = { spcOid: 1, dbOid: 1, relNumber: 1, forknum: "main", limitBlock: 0 } as const;
const summary = encodeWalSummary([{ ...summaryEntry, chunks: [{ offsets: [1] }] }]);
const manifest = printBackupManifest({ version: 1, systemIdentifier: undefined, files: [], walRanges: [] });
const slot = encodeSlotState({
  ...{ name: "s", database: 0, persistency: "persistent", xmin: 0, catalogXmin: 0, plugin: "" },
  ...{ restartLsn: toLsn(1n), confirmedFlush: toLsn(0n) },
});
const origins = encodeReplicationOrigins([{ roident: 1, remoteLsn: toLsn(1n) }]);
const vector = (name: string) => new Uint8Array(readFileSync(new URL(`../vectors/files/${name}`, import.meta.url)));
const controlFile = vector("pg_control-18");
const snapshot = vector("0-174DED0-18.snap");

const stateFiles: readonly [string, Uint8Array, ((file: Uint8Array) => unknown)[]][] = [
  ["slot state", slot, [decodeSlotState, (file) => judgeSlotState(file)]],
  ["origins", origins, [decodeReplicationOrigins, (file) => judgeReplicationOrigins(file)]],
  ["snapshot", snapshot, [decodeSnapshot, (file) => judgeSnapshot(file)]],
  ["pg_control", controlFile, [decodeControlFile]],
];

function readWal(bytes: Uint8Array): unknown {
  const reader = new WalReader();
  reader.push(bytes);
  return [reader.next(), reader.position];
}

/** An upload whose manifest can be sent. */
function copying(): ManifestUpload {
  const upload = new ManifestUpload();
  upload.receive({ tag: 0x47, bytes: hex("00 0000") });
  return upload;
}

function receiving(): ManifestReceiver {
  const receiver = new ManifestReceiver();
  receiver.start();
  return receiver;
}

function plain(value: unknown): string {
  return JSON.stringify(value, (_, each) =>
    typeof each === "bigint" ? `${each}n` : each instanceof Uint8Array ? toHex(each) : each,
  );
}

type Codec = (value: never, context?: never) => unknown;
const codecs = Object.entries<unknown>({ ...basebackup, ...files, ...logical, ...physical, ...wal });
const decoders = codecs.filter(([name]) => name.startsWith("decode")) as [string, Codec][];
const encoders = codecs.filter(([name]) => name.startsWith("encode")) as [string, Codec][];

const notBytes = [undefined, null, "k", 5, [107], {}, new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), () => 1];

describe("generated codecs", () => {
  test("there are some of each domain", () => {
    expect(decoders.length).toBeGreaterThan(30);
    expect(encoders.length).toBe(decoders.length);
  });

  test.each(decoders)("%s takes a Uint8Array and nothing else", (_, decode) => {
    for (const each of notBytes) {
      expect(() => decode(each as never)).toThrow(ArgumentError);
      expect(() => decode(each as never)).toThrow(/^bytes: expected a Uint8Array, got /);
    }
  });

  test.each(encoders)("%s takes an object and nothing else", (_, encode) => {
    for (const each of [undefined, null, "k", 5, () => 1, Symbol("k"), 1n]) {
      expect(() => encode(each as never)).toThrow(EncodeError);
    }
  });

  test.each(decoders.filter(([, decode]) => /context/.test(decode.toString())))(
    "%s checks its context",
    (_, decode) => {
      for (const each of [null, "parallel", 5]) {
        expect(() => decode(new Uint8Array(0) as never, each as never)).toThrow(ArgumentError);
      }
    },
  );
});

describe("an array that lies about its length", () => {
  class Lie extends Uint8Array {
    override get length(): number {
      return 3000;
    }
  }
  const secret = "SECRET".repeat(400);
  const message = { type: "Message", transactional: false, lsn: 0n, prefix: "", content: new Uint8Array(0) } as const;

  test("is written as long as it is: nothing of an earlier message comes out", () => {
    logical.encodePgoutputMessage({ ...message, prefix: secret } as never);
    const honest = logical.encodePgoutputMessage({ ...message, content: new Uint8Array(1) } as never);
    const lying = logical.encodePgoutputMessage({ ...message, content: new Lie(1) } as never);
    expect(toHex(lying)).toBe(toHex(honest));
    const ownProperty = Object.defineProperty(new Uint8Array(1), "length", { value: 3000 });
    expect(toHex(logical.encodePgoutputMessage({ ...message, content: ownProperty } as never))).toBe(toHex(honest));
  });

  test("is written as long as it is in a row, in WAL's envelope and in a struct", () => {
    expect(TupleData.of([new Lie(2)]).bytes.length).toBe(2 + 5 + 2);
    const data = { type: "XLogData", dataStart: 0n, walEnd: 0n, sendTime: 0n, data: new Lie(2) };
    expect(physical.encodeWalSenderMessage(data as never).length).toBe(25 + 2);
    const struct = { dbid: 1, tsid: 1, nbytes: 2, data: new Lie(2) };
    expect(wal.encodeXlRelmapUpdate(struct).length).toBe(12 + 2);
  });

  /** What reads or writes bytes of the caller's beside the codecs of messages, with bytes that it accepts. */
  const users: readonly [string, Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ...stateFiles.flatMap(([name, file, calls]) =>
      calls.map((call) => [name, file, call] as [string, Uint8Array, typeof call]),
    ),
    ["decodeWalRecord", walRecord, (bytes) => decodeWalRecord(bytes, { format, lsn: toLsn(40n) })],
    ["decodeWalPageHeader", page, (bytes) => decodeWalPageHeader(bytes)],
    ["WalCutter", page, (bytes) => new WalCutter({ timeline: 1 }).push(bytes, toLsn(0n))],
    ["WalReader", page, (bytes) => readWal(bytes)],
    ["encodeWalRecord", page, (mainData) => encodeWalRecord({ rmid: 10, info: 0, mainData }, { format })],
    ["IncrementalReader", incremental, (bytes) => new IncrementalReader().receive(bytes)],
    ["WalSummaryReader", summary, (bytes) => [...new WalSummaryReader().receive(bytes)]],
    [
      "encodeWalSummary",
      new Uint8Array(8192),
      (bitmap) => encodeWalSummary([{ ...summaryEntry, chunks: [{ bitmap }] }]),
    ],
    ["walSummaryBlocks", page, (bitmap) => walSummaryBlocks({ bitmap })],
    ["encodeBaseBackupEvent", page, (data) => encodeBaseBackupEvent({ type: "Data", data })],
    ["ManifestUpload", page, (chunk) => copying().copyData(chunk)],
    ["ManifestReceiver", page, (bytes) => receiving().receive({ tag: 0x64, bytes })],
    ["parseBackupManifest", manifest, (bytes) => parseBackupManifest(bytes)],
    ["manifestChecksum", manifest, (bytes) => manifestChecksum(bytes)],
    ["parseTimeLineHistory", utf8.encode("1\t0/1000\treason\n"), (bytes) => parseTimeLineHistory(bytes, 2)],
    ["jsonOfPgoutputMessage", page, (content) => jsonOfPgoutputMessage({ ...message, lsn: toLsn(0n), content })],
    ["encodeFrame", page, (bytes) => encodeFrame("d", bytes)],
    ["Framer", encodeFrame("d", page), (bytes) => [...framesOf(new Framer(), bytes)]],
    ["isLast", page, (bytes) => isLast({ tag: 1, start: 0, length: page.length, bytes })],
    ["readBinary", Uint8Array.of(0, 0, 0, 1), (bytes) => new TypeMap().codec(23).readBinary(bytes)],
    ["decodeBackendMessage", utf8.encode("BASE_BACKUP\0"), (bytes) => decodeBackendMessage({ tag: 0x43, bytes })],
    ["decodeStartupPacket", hex("04d2162f"), (bytes) => decodeStartupPacket(bytes)],
  ];

  test.each(users)("is for %s as long as it is", (_, bytes, use) => {
    const expected = plain(use(bytes));
    for (const length of [0, 1, 2 ** 40]) {
      class Liar extends Uint8Array {
        override get length(): number {
          return length;
        }
      }
      expect(plain(use(new Liar(bytes)))).toBe(expected);
    }
  });

  test.each(users)("is not for %s once its buffer is detached", (_, bytes, use) => {
    const gone = bytes.slice();
    structuredClone(gone, { transfer: [gone.buffer] });
    expect(() => use(gone)).toThrow(ArgumentError);
  });

  test("is not read once its buffer is detached, also if that was after push", () => {
    const detach = (bytes: Uint8Array<ArrayBuffer>): unknown => structuredClone(bytes, { transfer: [bytes.buffer] });
    const frames = concat(encodeFrame("d", new Uint8Array(600)), encodeFrame("d", new Uint8Array(600))).slice();
    const framer = new Framer();
    framer.push(frames);
    expect(framer.next()?.length).toBe(600);
    detach(frames);
    expect(() => framer.next()).toThrow(ArgumentError);
    expect(() => framer.end()).toThrow("the stream ends at offset 1210, before 605 bytes were read");
    const half = new Framer();
    const [first, second] = [encodeFrame("d", new Uint8Array(600)).slice(0, 300), new Uint8Array(305)];
    half.push(first);
    half.push(second);
    detach(first);
    expect(() => half.next()).toThrow(ArgumentError);
    const waits = new WalReader({ server: 18 });
    const [start, rest] = [page.slice(), new Uint8Array(8192)];
    waits.push(start, toLsn(0n));
    waits.push(rest);
    detach(rest);
    expect(() => waits.next()).toThrow(ArgumentError);
  });

  test("is read as long as it is", () => {
    const bytes = new Lie([0x6b, 0, 0]);
    expect(() => physical.decodeWalSenderMessage(bytes)).toThrow(
      expect.objectContaining({ code: "TRUNCATED", offset: 1 }),
    );
  });
});

describe("an array without elements, of the greatest length there is", () => {
  const holes = (): never[] => {
    const array: never[] = [];
    array.length = 2 ** 32 - 1;
    return array;
  };
  const enumType = { kind: "enum", oid: 16400, name: "mood" } as const;
  test.each<[string, () => unknown]>([
    ["fillUnchanged", () => fillUnchanged(holes(), undefined)],
    ["checkedEntries", () => checkedEntries(holes(), "port")],
    ["effectiveEntry", () => effectiveEntry(holes(), "port")],
    ["formatVersions", () => formatVersions(holes())],
    ["lintSynchronousStandbyNames", () => lintSynchronousStandbyNames("a", { also: holes() })],
    ["applyFixes", () => applyFixes("a", holes())],
    ["encodeReplicationOrigins", () => encodeReplicationOrigins(holes())],
    ["printBackupManifest: files", () => printBackupManifest({ ...manifestFields, files: holes() })],
    ["printBackupManifest: ranges", () => printBackupManifest({ ...manifestFields, walRanges: holes() })],
    ["TypeMap.add", () => new TypeMap().add({ ...enumType, labels: holes() })],
  ])("is rejected at once by %s", (_, call) => {
    const began = performance.now();
    expect(call).toThrow(WalwireError);
    expect(performance.now() - began).toBeLessThan(1000);
  });
});

describe("an iterable", () => {
  const broken = { [Symbol.iterator]: () => null } as never;
  test("must have an iterator", () => {
    expect(() => TupleData.of(broken)).toThrow(EncodeError);
    expect(() => collectManifest(broken)).toThrow(ArgumentError);
  });
});

test("a class is not a function that makes a checksum", () => {
  expect(() => manifestChecksum(utf8.encode("a\nb\n"), class {} as never)).toThrow(ArgumentError);
});

test("decodeWalRecord needs the position of the record, for errors too", () => {
  expect(() => decodeWalRecord(new Uint8Array(8), { format } as never)).toThrow(ArgumentError);
});

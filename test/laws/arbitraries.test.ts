/** Arbitraries of files give what servers read; and each arbitrary gives the same sample for the same seed. */
import { createHash } from "node:crypto";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import * as arbitraries from "../../src/arbitraries/index.ts";
import {
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeControlFile,
  encodeReplicationOrigins,
  encodeSlotState,
  encodeSnapshot,
  judgeSlotState,
  judgeSnapshot,
  WalSummaryReader,
} from "../../src/files/index.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { law } from "./law.ts";

describe.each([10, 11, 13, 14, 15, 16, 17, 18])("files of %i", (server) => {
  law(
    "pg_control",
    fc.property(arbitraries.controlFile({ server }), (file) => {
      expect(Buffer.compare(encodeControlFile(decodeControlFile(file)), file)).toBe(0);
    }),
    30,
  );
  law(
    "slot state",
    fc.property(arbitraries.slotState({ server }), (file) => {
      const { slotdata } = decodeSlotState(file);
      // Its name is that of the directory, and any bytes.
      expect(judgeSlotState(file, { server, directory: slotdata.name })?.message).toBeUndefined();
      expect(encodeSlotState(slotdata, { server })).toEqual(file);
    }),
    100,
  );
  law(
    "snapshot",
    fc.property(arbitraries.logicalSnapshot({ server }), (file) => {
      expect(judgeSnapshot(file, { server })).toBeUndefined();
      expect(encodeSnapshot(decodeSnapshot(file))).toEqual(file);
    }),
    100,
  );
});

describe("files of every version", () => {
  law(
    "replication origins",
    fc.property(arbitraries.replicationOrigins(), (file) => {
      expect(encodeReplicationOrigins(decodeReplicationOrigins(file))).toEqual(file);
    }),
    100,
  );
  law(
    "WAL summary",
    fc.property(arbitraries.walSummary(), (file) => {
      const reader = new WalSummaryReader();
      const relations = [...reader.receive(file)].filter(({ type }) => type === "Relation");
      reader.end();
      expect(relations.length > 0).toBe(file.length > 32);
    }),
    100,
  );
});

/** What once broke a reader, and how soon an arbitrary makes it. */
describe("makes", () => {
  const soon = <T>(name: string, arbitrary: fc.Arbitrary<T>, isIt: (value: T) => boolean) => {
    test(name, () => {
      expect(fc.sample(arbitrary, { seed: 1, numRuns: 1000 }).some(isIt)).toBe(true);
    });
  };
  soon(
    "streamed transactions without changes",
    arbitraries.pgoutputStream({ protocol: 2, streaming: "on" }),
    (messages) => messages.some(({ type }, i) => type === "StreamStart" && messages[i + 1]?.type === "StreamStop"),
  );
  soon(
    "errors without SQLSTATE",
    arbitraries.backendMessage(),
    (message) => message.type === "ErrorResponse" && message.fields.C === undefined,
  );
  soon(
    "numerics of few bytes and thousands of digits",
    arbitraries.typeValue(1700),
    (value) => String(value).length > 1000,
  );
  soon("manifests with NUL", arbitraries.backupManifestText(), (bytes) => bytes.includes(0));
  soon("repeated timelines", arbitraries.timeLineHistoryText(), (text) => /(?:^|\n)\s*(\d+)\s.*\n\s*\1\s/.test(text));
});

/** Arbitraries that need an argument; the others are called without one. */
const called: Readonly<Record<string, () => fc.Arbitrary<unknown>>> = {
  damaged: () => arbitraries.damaged(fc.uint8Array()),
  damagedFrames: () =>
    arbitraries.damagedFrames(fc.constant([Uint8Array.of(75, 0, 0, 0, 4), Uint8Array.of(90, 0, 0, 0, 5, 73)]) as never),
  splits: () => arbitraries.splits(fc.uint8Array()),
  resultSetValue: () => arbitraries.resultSetValue("READ_REPLICATION_SLOT"),
  typeValue: () =>
    fc.tuple(...[16, 17, 23, 25, 600, 1184, 1700, 1007, 3802, 3904].map((oid) => arbitraries.typeValue(oid))),
  serverCommands: () => arbitraries.serverCommands().map((commands) => [...commands].join()),
};
const notArbitraries = new Set(["answerLines", "ServerModel"]);

const plain = (value: unknown): unknown => {
  if (value instanceof TupleData) return [...value].map(plain);
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== "object" || value === null || ArrayBuffer.isView(value)) return value;
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, plain(each)]));
};

/** It changes with an arbitrary, and with fast-check: then `vitest -u` writes it anew. */
test("the same seed gives the same sample", async () => {
  const lines = Object.entries(arbitraries)
    .filter(([name]) => !notArbitraries.has(name))
    .map(([name, factory]) => {
      const arbitrary = called[name]?.() ?? (factory as () => fc.Arbitrary<unknown>)();
      const sample = fc.sample(arbitrary, { seed: 1, numRuns: 10 });
      const hash = createHash("sha256")
        .update(fc.stringify(plain(sample)))
        .digest("hex")
        .slice(0, 16);
      return `${hash} ${name}\n`;
    });
  await expect(lines.join("")).toMatchFileSnapshot("./arbitraries.hashes.txt");
});

/** Streams of the workload, recorded from real servers: see README.md, and scripts/capture.ts, which makes them. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gunzipSync } from "node:zlib";
import { describe, expect, test } from "vitest";
import { allTags, countTags, countTagsOfMessages, tagsOfServer } from "../../scripts/workload/tags.ts";
import type { PublishedTable, StreamOptions } from "../../scripts/workload/index.ts";
import { parseCommand, printCommand } from "../../src/command/index.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { PgoutputDecoder } from "../../src/logical/decoder.ts";
import { supports } from "../../src/capabilities.ts";
import type { TupleData } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";
import { expectSameBytes, expectSameTables } from "../replay.ts";
import { readCapture } from "../servers/capture.ts";

const folder = fileURLToPath(new URL("./", import.meta.url));

interface Recorded {
  readonly file: string;
  readonly server: string;
  readonly command: string;
  readonly options: StreamOptions;
  readonly scenarios: readonly string[];
  readonly tags: Readonly<Record<string, number>>;
}

const index = <Entry>(name: string) => JSON.parse(readFileSync(`${folder}${name}`, "utf8")) as readonly Entry[];
const vectors = index<Recorded & { readonly run: string; readonly payloads: number }>("workload/index.json");
const slotChanges = index<Recorded & { readonly messages: number }>("workload/slot-changes.json");
const physical = index<{ file: string; server: string; command: string; payloads: number }>("physical/index.json");

const majorOf = ({ server }: { readonly server: string }) => Number.parseInt(server, 10);
const majors = [...new Set(vectors.map(majorOf))];
const filesIn = (name: string, ending: string) => readdirSync(`${folder}${name}`).filter((each) => each.endsWith(ending));
const payloadsOf = ({ file }: { readonly file: string }) => readCapture(`${folder}workload/${file}`);
const decoderOf = ({ options: { protocol, streaming } }: Recorded) =>
  new PgoutputDecoder({ protocol, streaming: streaming ?? "off" });

const tablesOf = (major: number) =>
  JSON.parse(gunzipSync(readFileSync(`${folder}workload/${major}-tables.json.gz`)).toString("utf8")) as Record<
    string,
    readonly PublishedTable[]
  >;

/** The messages of a stream, in order. */
function* messagesOf(vector: Recorded): Generator<PgoutputMessage> {
  const decoder = decoderOf(vector);
  for (const payload of payloadsOf(vector)) {
    const envelope = decodeWalSenderMessage(payload);
    if (envelope.type === "XLogData") yield decoder.decode(envelope.data);
  }
}

describe.each(vectors)("$file", (vector) => {
  const payloads = payloadsOf(vector);

  test("every payload, and the message in it, encodes back to the same bytes", () => {
    expectSameBytes(payloads, vector.options);
  });

  test("the tables that its committed transactions make equal SELECT", async () => {
    await expectSameTables(payloads, vector.options, tablesOf(majorOf(vector))[vector.run]!);
  });
});

test("each recorded file is in its index, and each major from 10 to 18 has some", () => {
  expect(vectors.map(({ file }) => file).sort()).toEqual(filesIn("workload", ".bin.gz").sort());
  expect(majors.map((major) => `${major}-tables.json.gz`).sort()).toEqual(filesIn("workload", ".json.gz").sort());
  expect(slotChanges.map(({ file }) => file)).toEqual(filesIn("workload", ".hex"));
  expect(physical.map(({ file }) => file).sort()).toEqual(filesIn("physical", ".bin.gz").sort());
  expect(majors).toEqual([10, 11, 12, 13, 14, 15, 16, 17, 18]);
});

describe.each(vectors)("$file", (vector) => {
  const { server, command, options } = vector;
  const payloads = payloadsOf(vector);

  test("it is what the index says", () => {
    expect(payloads.length).toBe(vector.payloads);
    expect(countTags(payloads)).toEqual(vector.tags);
    expect(printCommand(parseCommand(command, { server }), { server })).toBe(command);
  });

  test("every payload, and the message in it, encodes back to the same bytes", () => {
    const decoder = decoderOf(vector);
    for (const payload of payloads) {
      const envelope = decodeWalSenderMessage(payload);
      expect(toHex(encodeWalSenderMessage(envelope))).toBe(toHex(payload));
      if (envelope.type !== "XLogData") continue;
      expect(toHex(encodePgoutputMessage(decoder.decode(envelope.data)))).toBe(toHex(envelope.data));
    }
  });

  test("what SELECT says has a relation in the stream, and values for each column", () => {
    const relations = decoderOf(vector);
    for (const payload of payloads) {
      const envelope = decodeWalSenderMessage(payload);
      if (envelope.type === "XLogData") relations.decode(envelope.data);
    }
    const tables = tablesOf(majorOf(vector))[vector.run]!;
    expect(tables.length).toBeGreaterThan(10);
    for (const { oid, schema, name, columns, rows, binary } of tables) {
      for (const row of rows) expect(row.length).toBe(columns.length);
      expect(binary?.rows.length).toBe(options.binary ? rows.length : undefined);
      if (rows.length === 0) continue;
      const relation = relations.relation(oid);
      expect([relation.namespace || "pg_catalog", relation.name]).toEqual([schema, name]);
      expect(relation.columns.map((column) => column.name)).toEqual(columns);
    }
  });

  test("aborts have their position where the stream is parallel, whatever the protocol", () => {
    for (const message of messagesOf(vector)) {
      if (message.type !== "StreamAbort") continue;
      expect(message.abortLsn !== undefined).toBe(options.streaming === "parallel");
    }
  });
});

describe.each(majors)("PostgreSQL %i", (major) => {
  const own = vectors.filter((vector) => majorOf(vector) === major);
  const { server } = own[0]!;

  test("its vectors have every message that it can send, and no other", () => {
    const seen = new Set(own.flatMap(({ tags }) => Object.keys(tags)));
    expect(allTags.filter((tag) => seen.has(tag))).toEqual(tagsOfServer(server));
    expect(seen.size).toBe(tagsOfServer(server).length);
  });

  test("its vectors have every form of a message and of a row", () => {
    const forms = new Set<string>();
    const tuple = (data: TupleData) => {
      if (data.length === 0) forms.add("a row without columns");
      for (let i = 0; i < data.length; i++) forms.add(`value: ${data.kind(i)}`);
    };
    for (const vector of own) {
      for (const message of messagesOf(vector)) {
        const { type } = message;
        if ("xid" in message && /^(Relation|Type|Insert|Update|Delete|Truncate|Message)$/.test(type)) {
          if (message.xid !== undefined) forms.add(`${type} in a block`);
        }
        switch (type) {
          case "Relation":
            forms.add(`identity: ${message.replicaIdentity}`);
            if (message.namespace === "") forms.add("relation in pg_catalog");
            break;
          case "Type":
            if (message.namespace === "") forms.add("type in pg_catalog");
            break;
          case "Insert":
            tuple(message.newTuple);
            break;
          case "Update":
          case "Delete":
            forms.add(`${type}, old row: ${message.oldTuple?.type}`);
            if (message.oldTuple !== undefined) tuple(message.oldTuple.tuple);
            if (type === "Update") tuple(message.newTuple);
            break;
          case "Truncate": {
            const { cascade, restartIdentity } = message.options;
            forms.add(`Truncate: ${cascade}, ${restartIdentity}`);
            if (message.relationIds.length > 1) forms.add("Truncate of several");
            break;
          }
          case "Message":
            forms.add(`Message, transactional: ${message.transactional}`);
            if (message.content.length === 0) forms.add("Message without content");
            if (message.prefix === "") forms.add("Message without prefix");
            break;
          case "StreamStart":
            forms.add(`StreamStart, first: ${message.firstSegment}`);
            break;
          case "StreamAbort":
            forms.add(`StreamAbort, of all: ${message.xid === message.subxid}, long: ${message.abortLsn !== undefined}`);
            break;
          case "Origin":
            forms.add(`Origin, with a position: ${message.commitLsn !== 0n}`);
            break;
          default:
        }
      }
    }
    const has = (...names: Parameters<typeof supports>[1][]) => names.every((name) => supports(server, name));
    const expected = [
      ...["default", "nothing", "full", "index"].map((each) => `identity: ${each}`),
      ...["null", "unchanged", "text", ...(has("pgoutputBinary") ? ["binary"] : [])].map((each) => `value: ${each}`),
      ...["undefined", "key", "full"].map((each) => `Update, old row: ${each}`),
      ...["key", "full"].map((each) => `Delete, old row: ${each}`),
      ...["a row without columns", "relation in pg_catalog", "type in pg_catalog"],
      ...[true, false].map((each) => `Origin, with a position: ${each}`),
      ...(has("publishTruncate")
        ? ["false, false", "false, true", "true, false", "true, true"].map((each) => `Truncate: ${each}`)
        : []),
      ...(has("publishTruncate") ? ["Truncate of several"] : []),
      ...(has("logicalMessages")
        ? [
            ...["Message, transactional: true", "Message, transactional: false"],
            ...["Message without content", "Message without prefix"],
          ]
        : []),
      ...(has("streamingOfTransactions")
        ? [
            ...["Relation", "Type", "Insert", "Update", "Delete", "Truncate", "Message"].map((each) => `${each} in a block`),
            ...["StreamStart, first: true", "StreamStart, first: false"],
            ...[true, false].map((each) => `StreamAbort, of all: ${each}, long: false`),
          ]
        : []),
      ...(has("parallelStreaming") ? [true, false].map((each) => `StreamAbort, of all: ${each}, long: true`) : []),
    ];
    expect([...forms].sort()).toEqual(expected.sort());
  });
});

describe.each(slotChanges)("$file", (recorded) => {
  const lines = readFileSync(`${folder}workload/${recorded.file}`, "utf8").trimEnd().split("\n");

  test("it is what the index says, and each line encodes back to itself", () => {
    const messages = lines.map(hex);
    expect(lines.length).toBe(recorded.messages);
    expect(countTagsOfMessages(messages)).toEqual(recorded.tags);
    expect(Object.keys(recorded.tags).sort()).toEqual([...tagsOfServer(recorded.server)].sort());
    const decoder = decoderOf(recorded);
    for (const line of lines) expect(toHex(encodePgoutputMessage(decoder.decode(hex(line))))).toBe(line);
  });
});

describe.each(physical)("physical/$file", ({ file, server, command, payloads: count }) => {
  const payloads = readCapture(`${folder}physical/${file}`);
  const envelopes = payloads.map((payload) => decodeWalSenderMessage(payload));

  test("it is what the index says, and encodes back to the same bytes", () => {
    expect(payloads.length).toBe(count);
    expect(envelopes.map((each) => toHex(encodeWalSenderMessage(each)))).toEqual(payloads.map(toHex));
    expect(printCommand(parseCommand(command, { server }), { server })).toBe(command);
  });

  test("it has keepalives, and WAL without a gap in pieces of up to 128 KiB", () => {
    expect(new Set(envelopes.map(({ type }) => type))).toEqual(new Set(["XLogData", "Keepalive"]));
    const wal = envelopes.filter((each) => each.type === "XLogData");
    for (const [i, { dataStart, data }] of wal.entries()) {
      if (i + 1 < wal.length) expect(wal[i + 1]!.dataStart).toBe(dataStart + BigInt(data.length));
    }
    expect(Math.max(...wal.map(({ data }) => data.length))).toBe(128 * 1024);
  });
});

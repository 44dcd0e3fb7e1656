/**
 * `npm run bench`: messages of pgoutput decoded and encoded per second, next to pg-logical-replication and to a loop that only follows
 * the lengths, all in one run on the bytes of one live server. Also the heap per message. Before anything is measured, every reader must
 * return the same rows.
 */
import { deepStrictEqual } from "node:assert";
import { getHeapStatistics, setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { types } from "pg";
import { PgoutputPlugin } from "pg-logical-replication";
import type { PgoutputMessage, TupleData } from "../src/logical/index.ts";
import { makeCorpus } from "./corpus.ts";
import { inTurns, machine, rate, thousands, verdict } from "./measure.ts";

// The compiled code: the loader of the sources would make functions slower.
const published = (path: string) => import(new URL(`../dist/${path}/index.js`, import.meta.url).href);
const logical = (await published("logical")) as typeof import("../src/logical/index.ts");
const { decodeWalSenderMessage } = (await published("physical")) as typeof import("../src/physical/index.ts");
const { PgoutputDecoder, TupleData: Tuple, encodePgoutputMessage, unchanged } = logical;

/** The type byte, start, end and time before the data of an XLogData. */
const XLOG_DATA = 25;

/** Messages, and the XLogData that contained them. */
interface Stream {
  readonly payloads: readonly Uint8Array[];
  readonly messages: readonly Uint8Array[];
}

function streamOf(payloads: readonly Uint8Array[]): Stream {
  const data = payloads.filter((payload) => payload[0] === 0x77); // "w"; others are keepalives
  return { payloads: data, messages: data.map((payload) => payload.subarray(XLOG_DATA)) };
}

function newPlugin(): PgoutputPlugin {
  return new PgoutputPlugin({ protoVersion: 1, publicationNames: [] });
}

/** The rows of a message: the old one, if any, and the new one. */
function rowsOf(message: PgoutputMessage): readonly (TupleData | undefined)[] {
  switch (message.type) {
    case "Insert":
      return [undefined, message.newTuple];
    case "Update":
      return [message.oldTuple?.tuple, message.newTuple];
    case "Delete":
      return [message.oldTuple.tuple, undefined];
    default:
      return [];
  }
}

// ---- The readers ----

/** Follow the lengths in a message's rows, without checks: the minimal work of a reader. Returns the number of columns. */
function walk(bytes: Uint8Array): number {
  let at = 5; // the type byte, and the relation
  let columns = 0;
  switch (bytes[0]) {
    case 0x49: // I
    case 0x55: // U
    case 0x44: // D
      break;
    default:
      return 0;
  }
  while (at < bytes.length) {
    at++; // K, O or N
    const count = (bytes[at]! << 8) | bytes[at + 1]!;
    at += 2;
    for (let i = 0; i < count; i++) {
      const kind = bytes[at++];
      if (kind === 0x6e || kind === 0x75) continue; // n, u
      at += 4 + ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!);
    }
    columns += count;
  }
  return columns;
}

function walkAll(messages: readonly Uint8Array[]): number {
  let columns = 0;
  for (const message of messages) columns += walk(message);
  return columns;
}

/** Returns values by name, converted by type; it has no lazy mode. */
function peerAll(messages: readonly Uint8Array[]): number {
  const plugin = newPlugin();
  let rows = 0;
  for (const message of messages) if (plugin.parse(message as Buffer).tag === "insert") rows++;
  return rows;
}

function unreadAll(messages: readonly Uint8Array[]): number {
  const decoder = new PgoutputDecoder();
  let rows = 0;
  for (const message of messages) if (decoder.decode(message).type === "Insert") rows++;
  return rows;
}

function fromXLogData(payloads: readonly Uint8Array[]): number {
  const decoder = new PgoutputDecoder();
  let rows = 0;
  for (const payload of payloads) {
    const envelope = decodeWalSenderMessage(payload);
    if (envelope.type === "XLogData" && decoder.decode(envelope.data).type === "Insert") rows++;
  }
  return rows;
}

function valuesAll(messages: readonly Uint8Array[]): number {
  const decoder = new PgoutputDecoder();
  let values = 0;
  for (const bytes of messages) {
    const message = decoder.decode(bytes);
    switch (message.type) {
      case "Insert":
        values += message.newTuple.toArray().length;
        break;
      case "Update":
        if (message.oldTuple !== undefined) values += message.oldTuple.tuple.toArray().length;
        values += message.newTuple.toArray().length;
        break;
      case "Delete":
        values += message.oldTuple.tuple.toArray().length;
        break;
      default:
    }
  }
  return values;
}

/** Each row as an object by column name, as pg-logical-replication returns it. */
function objectsAll(messages: readonly Uint8Array[]): number {
  const decoder = new PgoutputDecoder();
  let values = 0;
  const named = (relationId: number, row: TupleData): Record<string, unknown> => {
    const { columns } = decoder.relation(relationId);
    const object: Record<string, unknown> = {};
    const each = row.toArray();
    for (let i = 0; i < columns.length; i++) object[columns[i]!.name] = each[i];
    values += columns.length;
    return object;
  };
  for (const bytes of messages) {
    const message = decoder.decode(bytes);
    switch (message.type) {
      case "Insert":
        named(message.relationId, message.newTuple);
        break;
      case "Update":
        if (message.oldTuple !== undefined) named(message.relationId, message.oldTuple.tuple);
        named(message.relationId, message.newTuple);
        break;
      case "Delete":
        named(message.relationId, message.oldTuple.tuple);
        break;
      default:
    }
  }
  return values;
}

// ---- The writers ----

function decodeAll(messages: readonly Uint8Array[]): PgoutputMessage[] {
  const decoder = new PgoutputDecoder();
  return messages.map((message) => decoder.decode(message));
}

function encodeAll(messages: readonly PgoutputMessage[]): number {
  let length = 0;
  for (const message of messages) length += encodePgoutputMessage(message).length;
  return length;
}

type Row = ReturnType<TupleData["toArray"]>;

/** A message and the values of its rows, from which it is encoded again. */
interface Made {
  readonly message: PgoutputMessage;
  readonly oldRow: Row | undefined;
  readonly newRow: Row | undefined;
}

function encodeFromText(made: readonly Made[]): number {
  let length = 0;
  for (const each of made) length += encodeMade(each).length;
  return length;
}

function encodeMade({ message, oldRow, newRow }: Made): Uint8Array {
  switch (message.type) {
    case "Insert":
      return encodePgoutputMessage({
        type: "Insert",
        xid: undefined,
        relationId: message.relationId,
        newTuple: Tuple.of(newRow!),
      });
    case "Update": {
      const oldTuple = message.oldTuple && { type: message.oldTuple.type, tuple: Tuple.of(oldRow!) };
      const newTuple = Tuple.of(newRow!);
      return encodePgoutputMessage({
        type: "Update",
        xid: undefined,
        relationId: message.relationId,
        oldTuple,
        newTuple,
      });
    }
    case "Delete": {
      const oldTuple = { type: message.oldTuple.type, tuple: Tuple.of(oldRow!) };
      return encodePgoutputMessage({ type: "Delete", xid: undefined, relationId: message.relationId, oldTuple });
    }
    default:
      return encodePgoutputMessage(message);
  }
}

// ---- All readers return the same rows ----

/** The value that pg-logical-replication makes of a text, by the type's oid: it uses the parsers of pg. */
function converted(value: Row[number], typeId: number, wholeOldRow: boolean): unknown {
  if (value === null) return wholeOldRow ? null : undefined; // of a key, a column that is not part of it
  if (value === unchanged) return undefined;
  return types.getTypeParser(typeId)(value as string);
}

function checkEqual({ messages, payloads }: Stream): void {
  const plugin = newPlugin();
  const decoder = new PgoutputDecoder();
  let columns = 0;
  for (const [i, bytes] of messages.entries()) {
    const message = decoder.decode(bytes);
    const theirs = plugin.parse(bytes as Buffer);
    const envelope = decodeWalSenderMessage(payloads[i]!);
    if (envelope.type !== "XLogData") throw new Error("the payload is no XLogData");
    deepStrictEqual(new Uint8Array(envelope.data), new Uint8Array(bytes));
    deepStrictEqual(theirs.tag, message.type.toLowerCase());
    deepStrictEqual(new Uint8Array(bytes), encodePgoutputMessage(message));
    const [oldRow, newRow] = rowsOf(message).map((row) => row?.toArray());
    deepStrictEqual(new Uint8Array(bytes), encodeMade({ message, oldRow, newRow }));
    columns += (oldRow?.length ?? 0) + (newRow?.length ?? 0);
    if (oldRow === undefined && newRow === undefined) continue;

    const relation = decoder.relation((message as { relationId: number }).relationId);
    const named = (row: Row | undefined, whole: boolean) =>
      row &&
      Object.fromEntries(
        row.flatMap((value, c) => {
          const { name, typeId, key } = relation.columns[c]!;
          return whole || key ? [[name, converted(value, typeId, whole)]] : [];
        }),
      );
    const { key, old, new: row } = theirs as { key?: object; old?: object; new?: object };
    deepStrictEqual({ ...row }, { ...named(newRow, true) });
    const type = "oldTuple" in message ? message.oldTuple?.type : undefined;
    deepStrictEqual({ ...key }, { ...(type === "key" && named(oldRow, false)) });
    deepStrictEqual({ ...old }, { ...(type === "full" && named(oldRow, true)) });
  }
  deepStrictEqual(walkAll(messages), columns);
  deepStrictEqual(valuesAll(messages), columns);
  deepStrictEqual(objectsAll(messages), columns);
}

// ---- Heap ----

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/**
 * Bytes of heap and of external buffers allocated per call, whether they are kept or not: the rise of used memory from batch to batch. A
 * batch with a fall, because of a garbage collection, does not count.
 */
function allocated(count: number, run: (i: number) => unknown): number {
  const batch = 64;
  const used = () => {
    const { used_heap_size, external_memory } = getHeapStatistics();
    return used_heap_size + external_memory;
  };
  const perBatch = (each: (i: number) => unknown): number => {
    collectGarbage();
    let rises = 0;
    let batches = 0;
    for (let i = 0; i + batch <= count; i += batch) {
      const before = used();
      for (let k = i; k < i + batch; k++) each(k);
      const rise = used() - before;
      if (rise < 0) continue;
      rises += rise;
      batches++;
    }
    return rises / batches;
  };
  for (let i = 0; i < count; i++) run(i); // compiled before it is measured
  return (perBatch(run) - perBatch(() => 0)) / batch;
}

function printHeap({ messages }: Stream): void {
  const decoder = () => {
    const each = new PgoutputDecoder();
    for (const message of messages) each.decode(message); // it knows all relations
    return logical.PgoutputDecoder.from({ ...each.snapshot(), open: { type: "Begin", xid: 1, lsn: undefined } });
  };
  const changes = messages.filter((message) => "IUD".includes(String.fromCharCode(message[0]!)));
  const [unread, read] = [decoder(), decoder()];
  const plugin = newPlugin();
  for (const message of messages) plugin.parse(message as Buffer);
  const decoded = changes.map((bytes) => unread.decode(bytes));
  const size = changes.reduce((sum, { length }) => sum + length, 0) / changes.length;
  const subjects: Readonly<Record<string, (i: number) => unknown>> = {
    "pg-logical-replication": (i) => plugin.parse(changes[i] as Buffer),
    "walwire, values unread": (i) => unread.decode(changes[i]!),
    "walwire, every value read as text": (i) => rowsOf(read.decode(changes[i]!)).map((row) => row?.toArray()),
    "walwire, encode": (i) => encodePgoutputMessage(decoded[i]!),
  };
  console.log(`\nBytes of heap allocated for a change, of ${Math.round(size)} bytes on the wire, garbage included:\n`);
  console.log("| | bytes |\n|---|--:|");
  for (const [name, run] of Object.entries(subjects)) {
    console.log(`| ${name} | ${thousands(allocated(changes.length, run))} |`);
  }
}

// ---- The table ----

async function measure(name: string, stream: Stream): Promise<void> {
  checkEqual(stream);
  const { messages, payloads } = stream;
  const decoded = decodeAll(messages);
  const made = decoded.map((message): Made => {
    const [oldRow, newRow] = rowsOf(message).map((row) => row?.toArray());
    return { message, oldRow, newRow };
  });
  const each = (run: () => unknown) => () => rate(run) * messages.length;
  const best = await inTurns({
    walk: each(() => walkAll(messages)),
    peer: each(() => peerAll(messages)),
    unread: each(() => unreadAll(messages)),
    envelope: each(() => fromXLogData(payloads)),
    values: each(() => valuesAll(messages)),
    objects: each(() => objectsAll(messages)),
    encode: each(() => encodeAll(decoded)),
    encodeText: each(() => encodeFromText(made)),
  });
  const bytes = messages.reduce((sum, { length }) => sum + length, 0) / messages.length;
  const line = (label: string, figure: number, goals = "") => {
    const times = (other: number) => (other >= 10 ? other.toFixed(0) : other.toFixed(1));
    const figures = [thousands(figure / 1000), thousands((figure * bytes) / 1e6)];
    console.log(`| ${[label, ...figures, times(figure / best.peer), times(best.walk / figure), goals].join(" | ")} |`);
  };
  console.log(`\n${name}: ${thousands(messages.length)} messages of ${Math.round(bytes)} bytes on average.\n`);
  console.log("| | 1,000 messages a second | MB/s | times pg-logical-replication | cost in walks | goals |");
  console.log("|---|--:|--:|--:|--:|---|");
  line("walk over the lengths", best.walk);
  line("pg-logical-replication", best.peer);
  line(
    "walwire, values unread",
    best.unread,
    [
      verdict(best.unread / best.peer, "≥", 12, "pg-logical-replication"),
      verdict(best.walk / best.unread, "≤", 6, "walk"),
    ].join(", "),
  );
  line("walwire, values unread, from XLogData", best.envelope);
  line(
    "walwire, every value read as text",
    best.values,
    verdict(best.values / best.peer, "≥", 5, "pg-logical-replication"),
  );
  line("walwire, the same as objects by name", best.objects);
  line("walwire, encode what was decoded", best.encode, verdict(best.unread / best.encode, "≤", 2, "decode unread"));
  line(
    "walwire, encode from text",
    best.encodeText,
    verdict(best.values / best.encodeText, "≤", 2, "decode with every value read"),
  );
}

const corpus = await makeCorpus();
console.log(`${machine}, PostgreSQL ${corpus.version}, pgoutput protocol 1.`);
const [texts, usual] = [streamOf(corpus.texts), streamOf(corpus.usual)];
await measure("Columns of type text, which nobody converts", texts);
await measure("Columns of usual types, which pg-logical-replication converts", usual);
printHeap(texts);

/** Laws of PgoutputDecoder: it takes what a server sends and nothing else, and its state can be carried away at any point. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import { damaged } from "../../src/arbitraries/damage.ts";
import { almostPgoutputStream, pgoutputMessage, pgoutputStream } from "../../src/arbitraries/index.ts";
import { decodePgoutputMessage, encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalSenderMessage, encodeWalSenderMessage } from "../../src/generated/physical.ts";
import { DecodeError, ProtocolError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import type { PgTime } from "../../src/kernel/time.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "../../src/logical/decoder.ts";
import { encodeFrame, Framer, framesOf } from "../../src/wire/framer.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

const options = fc.record({
  protocol: fc.constant(4 as const),
  streaming: fc.constantFrom("off", "on", "parallel"),
  twoPhase: fc.boolean(),
  messages: fc.boolean(),
  binary: fc.boolean(),
});

/** Those of them that a decoder takes. */
const decoding = ({ protocol, streaming }: PgoutputDecoderOptions): PgoutputDecoderOptions => ({
  ...(protocol !== undefined && { protocol }),
  ...(streaming !== undefined && { streaming }),
});

/** A stream with the options that it was asked for with. */
const stream = options.chain((each) => fc.record({ options: fc.constant(each), messages: pgoutputStream(each) }));
const almostStream = options.chain((each) =>
  fc.record({ options: fc.constant(each), messages: almostPgoutputStream(each) }),
);

/**
 * The order of messages, as the manual and pgoutput.c have it, written once more: where each message may stand, and where the
 * stream is after it. What hangs on values is in `Model` below.
 *
 * @source protocol.sgml: Logical Streaming Replication Protocol; pgoutput.c; reorderbuffer.c
 */
type Place = "between" | "transaction" | "prepared" | "block";
const INSIDE: readonly Place[] = ["transaction", "prepared", "block"];
const order: Readonly<Record<PgoutputMessage["type"], readonly [may: readonly Place[], then?: Place]>> = {
  Begin: [["between"], "transaction"],
  Commit: [["transaction"], "between"],
  BeginPrepare: [["between"], "prepared"],
  Prepare: [["prepared", "between"], "between"],
  CommitPrepared: [["between"]],
  RollbackPrepared: [["between"]],
  StreamStart: [["between"], "block"],
  StreamStop: [["block"], "between"],
  StreamAbort: [["between"]],
  StreamCommit: [["between"]],
  StreamPrepare: [["between"]],
  Origin: [INSIDE],
  Relation: [INSIDE],
  Type: [INSIDE],
  Insert: [INSIDE],
  Update: [INSIDE],
  Delete: [INSIDE],
  Truncate: [INSIDE],
  Message: [["between", ...INSIDE]],
};

/** Says of each message whether a server would send it. */
class Model {
  readonly #streaming: boolean;
  place: Place = "between";
  #last: PgoutputMessage | undefined;
  #lsn: Lsn | undefined;
  #streamed: number[] = [];
  #columns: Record<number, number> = {};

  constructor({ streaming }: PgoutputDecoderOptions) {
    this.#streaming = streaming !== "off";
  }

  /** Take the message, or say no and stay as it was. */
  takes(message: PgoutputMessage): boolean {
    const [may, then] = order[message.type];
    if (!may.includes(this.place) || !this.#values(message)) return false;
    this.place = then ?? this.place;
    this.#last = message;
    if (message.type === "Begin") this.#lsn = message.finalLsn;
    if (message.type === "BeginPrepare") this.#lsn = message.prepareLsn;
    if (message.type === "Relation") this.#columns[message.relationId] = message.columns.length;
    if (message.type === "StreamStart" && message.firstSegment) this.#streamed.push(message.xid);
    const ends =
      message.type === "StreamCommit" ||
      message.type === "StreamPrepare" ||
      (message.type === "StreamAbort" && message.xid === message.subxid);
    if (ends) this.#streamed = this.#streamed.filter((xid) => xid !== message.xid);
    return true;
  }

  #values(message: PgoutputMessage): boolean {
    // 18 sends the aborts of subtransactions of which it has sent nothing, without streaming too.
    if (message.type === "StreamAbort" && message.subxid !== message.xid) return true;
    if (message.type.startsWith("Stream") && !this.#streaming) return false;
    switch (message.type) {
      case "Origin": {
        const { type } = this.#last!;
        const first = this.#last!.type === "StreamStart" && this.#last!.firstSegment;
        return type === "Begin" || type === "BeginPrepare" || first;
      }
      case "Commit":
        return message.commitLsn === this.#lsn;
      case "Prepare":
        return this.place === "between" || message.prepareLsn === this.#lsn;
      case "StreamStart":
        return this.#streamed.includes(message.xid) !== message.firstSegment;
      case "StreamAbort":
      case "StreamCommit":
      case "StreamPrepare":
        return this.#streamed.includes(message.xid);
      case "Message":
        return message.transactional === (this.place !== "between");
      case "Insert":
        return this.#columns[message.relationId] === message.newTuple.length;
      case "Update": {
        const rows = [message.newTuple, ...(message.oldTuple === undefined ? [] : [message.oldTuple.tuple])];
        return rows.every(({ length }) => this.#columns[message.relationId] === length);
      }
      case "Delete":
        return this.#columns[message.relationId] === message.oldTuple.tuple.length;
      case "Truncate":
        return message.relationIds.every((id) => this.#columns[id] !== undefined);
      default:
        return true;
    }
  }
}

/** What decoding gives, or the class of the error; any other error is a bug. */
function outcome(decoder: Pick<PgoutputDecoder, "decode">, bytes: Uint8Array): PgoutputMessage | string {
  try {
    return decoder.decode(bytes);
  } catch (error) {
    if (error instanceof DecodeError || error instanceof ProtocolError) return error.name;
    throw error;
  }
}

describe("PgoutputDecoder", () => {
  law(
    "takes every stream that a server sends, message by message, and each encodes to the same bytes",
    fc.property(stream, ({ options: asked, messages }) => {
      const decoder = new PgoutputDecoder(decoding(asked));
      for (const message of messages) {
        const bytes = encodePgoutputMessage(message);
        const decoded = decoder.decode(bytes);
        expect(decoded).toEqual(message);
        expect(toHex(encodePgoutputMessage(decoded))).toBe(toHex(bytes));
      }
    }),
    800,
  );

  test("these streams have every message, and those with a fault are good often, and bad often", () => {
    const types = new Set(
      fc.sample(stream, { numRuns: 300, seed: 1 }).flatMap(({ messages }) => messages.map(({ type }) => type)),
    );
    expect([...types].sort()).toEqual(Object.keys(order).sort());
    const verdicts = fc.sample(almostStream, { numRuns: 300, seed: 1 }).map(({ options: asked, messages }) => {
      const decoder = new PgoutputDecoder(decoding(asked));
      return messages.every((message) => typeof outcome(decoder, encodePgoutputMessage(message)) !== "string");
    });
    const good = verdicts.filter(Boolean).length;
    expect(good).toBeGreaterThan(60);
    expect(good).toBeLessThan(240);
  });

  law(
    "says of a stream with a fault, message by message, what a table of the order says",
    fc.property(almostStream, ({ options: asked, messages }) => {
      const decoder = new PgoutputDecoder(decoding(asked));
      const model = new Model(asked);
      for (const bytes of messages.map(encodePgoutputMessage)) {
        const context = { inStream: model.place === "block", parallel: asked.streaming === "parallel" };
        const alone = outcome({ decode: (each) => decodePgoutputMessage(each, context) }, bytes);
        const expected = typeof alone === "string" || model.takes(alone) ? alone : "ProtocolError";
        expect(outcome(decoder, bytes)).toEqual(expected);
      }
    }),
    1500,
  );

  law(
    "says of any messages in any order what the table says",
    fc.property(
      options,
      fc.array(
        fc.boolean().chain((inStream) => pgoutputMessage({ inStream, parallel: false })),
        { maxLength: 30 },
      ),
      (asked, messages) => {
        const off = { ...asked, streaming: asked.streaming === "off" ? ("off" as const) : ("on" as const) };
        const decoder = new PgoutputDecoder(decoding(off));
        const model = new Model(off);
        for (const bytes of messages.map(encodePgoutputMessage)) {
          const context = { inStream: model.place === "block", parallel: false };
          const alone = outcome({ decode: (each) => decodePgoutputMessage(each, context) }, bytes);
          const expected = typeof alone === "string" || model.takes(alone) ? alone : "ProtocolError";
          expect(outcome(decoder, bytes)).toEqual(expected);
        }
      },
    ),
    500,
  );

  law(
    "goes on from a snapshot, taken anywhere and carried by structuredClone, as it would have itself",
    fc.property(fc.oneof(stream, almostStream), fc.nat(), ({ options: asked, messages }, pick) => {
      const encoded = messages.map(encodePgoutputMessage);
      const at = pick % (encoded.length + 1);
      const decoder = new PgoutputDecoder(decoding(asked));
      for (const bytes of encoded.slice(0, at)) outcome(decoder, bytes);
      const snapshot = decoder.snapshot();
      const others = [PgoutputDecoder.from(snapshot), PgoutputDecoder.from(structuredClone(snapshot))];
      for (const bytes of encoded.slice(at)) {
        const expected = outcome(decoder, bytes);
        for (const other of others) expect(outcome(other, bytes)).toEqual(expected);
      }
      for (const other of others) expect(other.snapshot()).toEqual(decoder.snapshot());
    }),
    500,
  );

  law(
    "is after an error what it was before, and after reset what it was at first",
    fc.property(
      stream,
      fc.infiniteStream(pgoutputMessage({ inStream: false, parallel: false })),
      fc.infiniteStream(damaged(pgoutputMessage().map(encodePgoutputMessage))),
      ({ options: asked, messages }, wrong, broken) => {
        const decoder = new PgoutputDecoder(decoding(asked));
        for (const message of messages) {
          for (const bytes of [encodePgoutputMessage(wrong.next().value!), broken.next().value!]) {
            const before = decoder.snapshot();
            if (typeof outcome(PgoutputDecoder.from(before), bytes) !== "string") continue;
            expect(typeof outcome(decoder, bytes)).toBe("string");
            expect(decoder.snapshot()).toEqual(before);
          }
          expect(decoder.decode(encodePgoutputMessage(message))).toEqual(message);
        }
        decoder.reset();
        expect(decoder.snapshot()).toEqual(new PgoutputDecoder(decoding(asked)).snapshot());
        for (const message of messages) expect(decoder.decode(encodePgoutputMessage(message))).toEqual(message);
      },
    ),
    200,
  );

  law(
    "remembers as much as the limit says, and the first that would be more is LIMIT_EXCEEDED",
    fc.property(stream, fc.nat(4), ({ options: asked, messages }, limit) => {
      const decoder = new PgoutputDecoder({ ...decoding(asked), limit });
      const known = { Relation: new Set<number>(), Type: new Set<number>(), StreamStart: new Set<number>() };
      for (const message of messages) {
        const bytes = encodePgoutputMessage(message);
        const set = known[message.type as keyof typeof known];
        set?.add(idOf(message));
        if (set !== undefined && set.size > limit) {
          expect(() => decoder.decode(bytes)).toThrow(expect.objectContaining({ code: "LIMIT_EXCEEDED" }));
          return;
        }
        decoder.decode(bytes);
        const ends =
          message.type === "StreamAbort" ? message.xid === message.subxid : /^Stream(C|P)/.test(message.type);
        if (ends) known.StreamStart.delete((message as { xid: number }).xid);
        const { relations, types, streamed } = decoder.snapshot();
        expect(Math.max(relations.length, types.length, streamed.length)).toBeLessThanOrEqual(limit);
      }
    }),
    500,
  );

  function idOf(message: PgoutputMessage): number {
    if (message.type === "Relation") return message.relationId;
    return message.type === "Type" ? message.typeId : (message as { xid: number }).xid;
  }
});

describe("a stream on the wire", () => {
  /** What a receiver makes of chunks: each event, and the error that ends it all, if one does. */
  function receive(chunks: readonly Uint8Array[], asked: PgoutputDecoderOptions): unknown[] {
    const framer = new Framer({ maxLength: 100_000 });
    const decoder = new PgoutputDecoder(decoding(asked));
    const events: unknown[] = [];
    try {
      for (const chunk of chunks) {
        for (const { bytes } of framesOf(framer, chunk)) {
          const message = decodeWalSenderMessage(bytes);
          events.push(message.type === "XLogData" ? { ...message, data: decoder.decode(message.data) } : message);
        }
      }
      framer.end();
    } catch (error) {
      if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
      events.push({ ...error, message: error.message });
    }
    return events;
  }

  /** A stream as a walsender puts it on the wire, with a keepalive now and then. */
  const wire = stream.map(({ options: asked, messages }) => ({
    asked,
    bytes: concat(
      ...messages.flatMap((message, i) => {
        const [lsn, time] = [BigInt(i) as Lsn, BigInt(i) as PgTime];
        const data = encodePgoutputMessage(message);
        return [
          encodeWalSenderMessage({ type: "XLogData", dataStart: lsn, walEnd: lsn, sendTime: time, data }),
          ...(i % 5 === 0
            ? [encodeWalSenderMessage({ type: "Keepalive", walEnd: lsn, sendTime: time, replyRequested: false })]
            : []),
        ].map((body) => encodeFrame("d", body));
      }),
    ),
  }));

  law(
    "gives the same events however it is cut, damaged or not",
    fc.property(
      wire.chain(({ asked, bytes }) =>
        fc.record({
          asked: fc.constant(asked),
          chunks: splits(fc.oneof(fc.constant(bytes), damaged(fc.constant(bytes)))),
        }),
      ),
      ({ asked, chunks }) => {
        expect(receive(chunks, asked)).toEqual(receive([concat(...chunks)], asked));
      },
    ),
    500,
  );
});

/**
 * Memory is what is measured, since time is not to be relied on: bytes of the heap that one call takes. It is the median of some
 * calls, since a garbage collection within a call, or the first compilation of what it runs, would say nothing of it.
 */
describe("memory", () => {
  function heapOf(run: () => unknown): number {
    const taken = Array.from({ length: 21 }, () => {
      const before = heap();
      run();
      return heap() - before;
    });
    return taken.sort((one, other) => one - other)[10]!;
  }

  function heap(): number {
    const { heapUsed, arrayBuffers } = process.memoryUsage();
    return heapUsed + arrayBuffers;
  }

  const announced: readonly [string, Uint8Array, string][] = [
    ["65,535 columns of a relation", hex("52 00000001 00 00 64 ffff"), "Relation.columns[0].key needs 1 byte"],
    ["65,535 columns of a row", hex("49 00000001 4e ffff"), "Insert.newTuple[0].type needs 1 byte"],
    ["65,535 columns of an old row", hex("44 00000001 4b ffff 6e"), "Delete.oldTuple.tuple[1].type needs 1 byte"],
    ["2^32 - 1 truncated relations", hex("54 ffffffff 00"), "Truncate.relationIds[0] needs 4 bytes"],
    ["text of 2^31 bytes", hex("49 00000001 4e 0001 74 80000000"), "Insert.newTuple[0].value needs 2147483648 bytes"],
    ["a value of 4 GiB", hex("49 00000001 4e 0001 62 ffffffff 00"), "Insert.newTuple[0].value needs 4294967295 bytes"],
    ["a message of 4 GiB", hex("4d 00 0000000000000000 00 ffffffff"), "Message.content needs 4294967295 bytes"],
  ];

  test.each(announced)("is not taken for what is only announced: %s", (_, bytes, words) => {
    expect(() => decodePgoutputMessage(bytes)).toThrow(words);
    const taken = heapOf(() => {
      try {
        decodePgoutputMessage(bytes);
      } catch {}
    });
    // An array of 65,535 columns would have 262,140 bytes at least.
    expect(taken).toBeLessThan(50_000);
  });

  test("is not taken for a row that nobody reads, whatever its size", () => {
    for (const columns of [1, 65_535]) {
      const newTuple = TupleData.of([..."x".repeat(columns - 1), "y".repeat(1_000_000)]);
      const bytes = encodePgoutputMessage({ type: "Insert", relationId: 1, newTuple });
      expect(heapOf(() => decodePgoutputMessage(bytes))).toBeLessThan(10_000);
    }
  });

  test("of what is read grows as the message does", () => {
    const relation = (count: number) =>
      encodePgoutputMessage({
        type: "Relation",
        relationId: 1,
        namespace: "",
        name: "t",
        replicaIdentity: "default",
        columns: new Array(count).fill({ key: false, name: "column", typeId: 25, typeModifier: -1 }),
      });
    const truncate = (count: number) =>
      encodePgoutputMessage({
        type: "Truncate",
        options: { cascade: false, restartIdentity: false },
        relationIds: new Array(count).fill(0x80000000),
      });
    const row = (count: number) =>
      encodePgoutputMessage({ type: "Insert", relationId: 1, newTuple: TupleData.of(new Array(count).fill("value")) });
    for (const make of [relation, truncate, row]) {
      const [small, large] = [30_000, 60_000].map((count) => {
        const bytes = make(count);
        return heapOf(() => {
          const message = decodePgoutputMessage(bytes);
          return message.type === "Insert" ? [message.newTuple.toArray(), message.newTuple.get(count - 1)] : message;
        });
      });
      expect(small).toBeGreaterThan(100_000);
      expect(large! / small!).toBeLessThan(3);
    }
  });

  test("of a decoder is that of what it must know, however long the stream", () => {
    const decoder = new PgoutputDecoder({ protocol: 2, streaming: "on" });
    const relation = hex("52 00000009 0000400b 00 7400 64 0001 01 696400 00000017 ffffffff");
    for (let xid = 10; xid < 10_010; xid++) {
      const of = xid.toString(16).padStart(8, "0");
      decoder.decode(hex(`53 ${of} 01`));
      decoder.decode(relation);
      decoder.decode(hex(`49 ${of} 0000400b 4e 0001 6e`));
      decoder.decode(hex("45"));
      decoder.decode(hex(`41 ${of} ${of}`));
    }
    expect(decoder.snapshot()).toMatchObject({ streamed: [], relations: [{ name: "t" }], types: [], open: undefined });
  });
});

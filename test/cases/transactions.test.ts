/** The TransactionAssembler fact by fact: limits, spills that go wrong, confirmations, relations that change. */
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { encodePgoutputMessage, type PgoutputMessage, type RelationColumn } from "../../src/generated/logical.ts";
import { ArgumentError, DecodeError, ProtocolError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import type { PgTime } from "../../src/kernel/time.ts";
import { Confirmations } from "../../src/logical/confirmations.ts";
import {
  type Change,
  type SpillStore,
  type Transaction,
  TransactionAssembler,
  type TransactionAssemblerOptions,
  type TransactionEvent,
} from "../../src/logical/transactions.ts";
import { SpillDirectory } from "../../src/node/spill-directory.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { seed } from "../seed.ts";

const time = 0n as PgTime;
const column: RelationColumn = { key: true, name: "id", typeId: 23, typeModifier: -1 };

function lsn(value: number): Lsn {
  return toLsn(BigInt(value));
}

function relation(
  xid: number | undefined,
  name: string,
  columns: readonly RelationColumn[] = [column],
): PgoutputMessage {
  return {
    ...{ type: "Relation", xid, relationId: 7, namespace: "public", name, replicaIdentity: "default", columns },
  };
}

function insert(xid: number | undefined, ...values: readonly string[]): PgoutputMessage {
  return { type: "Insert", xid, relationId: 7, newTuple: TupleData.of(values) };
}

const begin = (xid: number, at: number): PgoutputMessage => ({
  ...{ type: "Begin", finalLsn: lsn(at), commitTime: time, xid },
});
const commit = (at: number): PgoutputMessage => ({
  ...{ type: "Commit", commitLsn: lsn(at), endLsn: lsn(at + 8), commitTime: time },
});
const start = (xid: number, firstSegment: boolean): PgoutputMessage => ({ type: "StreamStart", xid, firstSegment });
const stop: PgoutputMessage = { type: "StreamStop" };
const streamCommit = (xid: number, at: number): PgoutputMessage => ({
  ...{ type: "StreamCommit", xid, commitLsn: lsn(at), endLsn: lsn(at + 8), commitTime: time },
});
const abort = (xid: number, subxid: number): PgoutputMessage => ({ type: "StreamAbort", xid, subxid });
const aside = (at: number): PgoutputMessage => ({
  ...{ type: "Message", transactional: false, lsn: lsn(at), prefix: "p", content: new Uint8Array(1) },
});
const preparedAt = (xid: number, at: number) => ({
  ...{ prepareLsn: lsn(at), endLsn: lsn(at + 8), prepareTime: time, xid, gid: `gid ${xid}` },
});
const beginPrepare = (xid: number, at: number): PgoutputMessage => ({ type: "BeginPrepare", ...preparedAt(xid, at) });
const prepare = (xid: number, at: number): PgoutputMessage => ({ type: "Prepare", ...preparedAt(xid, at) });
const commitPrepared = (xid: number, at: number): PgoutputMessage => ({
  ...{ type: "CommitPrepared", commitLsn: lsn(at), endLsn: lsn(at + 8), commitTime: time, xid, gid: `gid ${xid}` },
});
const rollbackPrepared = (xid: number, at: number): PgoutputMessage => ({
  ...{ type: "RollbackPrepared", prepareEndLsn: lsn(0), rollbackEndLsn: lsn(at + 8) },
  ...{ prepareTime: time, rollbackTime: time, xid, gid: `gid ${xid}` },
});

function assembler(options: TransactionAssemblerOptions = {}): TransactionAssembler {
  return new TransactionAssembler({ protocol: 3, streaming: "on", ...options });
}

async function feed(
  to: TransactionAssembler,
  ...messages: readonly (PgoutputMessage | readonly PgoutputMessage[])[]
): Promise<TransactionEvent[]> {
  const events: TransactionEvent[] = [];
  for (const message of messages.flat() as PgoutputMessage[]) {
    const event = await to.receive(encodePgoutputMessage(message));
    if (event !== undefined) events.push(event);
  }
  return events;
}

async function changesOf(event: TransactionEvent | undefined): Promise<Change[]> {
  const changes: Change[] = [];
  for await (const change of (event as Transaction).changes) changes.push(change);
  return changes;
}

async function idsOf(event: TransactionEvent | undefined): Promise<unknown[]> {
  return (await changesOf(event)).map((change) => (change.type === "Insert" ? change.newTuple.get(0) : change.type));
}

const some = Array.from({ length: 100 }, (_, i) => insert(1, `${i} ${"x".repeat(100)}`));

test("after a reset that keeps them, changes in the spill are read until they are confirmed", async () => {
  const store = new Map<string, Uint8Array>();
  const to = assembler({ memoryLimit: 8000, spill: store });
  const [event] = await feed(to, [start(1, true), relation(1, "t"), ...some, stop, streamCommit(1, 50)]);
  await feed(to, [start(2, true), relation(2, "t"), ...some.map(() => insert(2, "x".repeat(100)))]);
  const all = store.size;
  await to.reset({ keep: true });
  expect(store.size).toBeGreaterThan(0);
  expect(store.size).toBeLessThan(all);
  expect(await idsOf(event)).toHaveLength(100);
  await to.confirm(event!);
  expect(store.size).toBe(0);
  expect(to.confirmable).toBe(0n);
  await expect(to.reset({ keep: 1 as never })).rejects.toThrow(ArgumentError);
});

describe("subtransactions", () => {
  test("cuts off a rolled-back subtransaction with its released ones", async () => {
    const to = assembler();
    const [event] = await feed(to, [
      ...[start(1, true), relation(1, "t"), insert(1, "a"), insert(3, "b"), insert(2, "c"), insert(4, "d"), stop],
      // 3 was released into 2, which changed something only later; the server says 3 and 4 before 2.
      ...[abort(1, 3), abort(1, 4), abort(1, 2), abort(1, 99)],
      ...[start(1, false), relation(1, "t"), insert(5, "e"), insert(1, "f"), stop, streamCommit(1, 50)],
    ]);
    expect(await idsOf(event)).toEqual(["a", "e", "f"]);
    expect((event as Transaction).changes.count).toBe(3);
  });

  test("a cut goes through what is in the spill, in memory and both", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 7000, spill });
    await feed(to, [
      start(1, true),
      relation(1, "t"),
      insert(1, "first"),
      ...some,
      insert(2, "gone"),
      ...some.slice(1),
    ]);
    const before = spill.size;
    expect(before).toBeGreaterThan(3);
    await feed(to, stop, abort(1, 2));
    expect(spill.size).toBeLessThan(before);
    const [event] = await feed(to, start(1, false), insert(1, "last"), stop, streamCommit(1, 50));
    expect((await idsOf(event)).map((id) => String(id).split(" ")[0])).toEqual([
      ...["first", ...some.map((_, i) => String(i)), "last"],
    ]);
    await to.confirm(event!);
    expect(spill.size).toBe(0);
  });

  test("keeps the committed ones of ten thousand subtransactions", async () => {
    const to = assembler();
    await feed(to, start(1, true), relation(1, "t"), stop);
    for (let i = 0; i < 10_000; i++) {
      const xid = 10 + i;
      const changes = Array.from({ length: 10 }, () => insert(xid, String(i)));
      await feed(to, start(1, false), changes, stop, i % 2 === 0 ? [abort(1, xid)] : []);
    }
    const [event] = await feed(to, streamCommit(1, 50));
    expect((event as Transaction).changes.count).toBe(50_000);
    expect((await idsOf(event)).every((id) => Number(id) % 2 === 1)).toBe(true);
  });

  test("ignores a StreamAbort of a subtransaction that was never streamed", async () => {
    for (const streaming of ["on", "off"] as const) {
      const to = new TransactionAssembler({ protocol: streaming === "on" ? 2 : 1, streaming });
      expect(await feed(to, abort(8, 9), begin(1, 10), commit(10))).toEqual([]);
      await expect(async () => to.receive(encodePgoutputMessage(abort(8, 8)))).rejects.toThrow(ProtocolError);
    }
  });
});

describe("relations", () => {
  test("a transaction lists the forms that its changes have, without those of what was rolled back", async () => {
    const to = assembler();
    const altered = [column, { ...column, key: false, name: "a" }];
    const [, event, last] = await feed(to, [
      ...[start(1, true), relation(1, "t"), insert(1, "a"), relation(2, "t", altered), insert(2, "b", "c"), stop],
      ...[abort(1, 2), start(1, false), relation(1, "t"), insert(1, "d"), stop],
      ...[begin(3, 10), insert(undefined, "e"), commit(10), streamCommit(1, 50)],
      ...[begin(4, 60), insert(undefined, "f"), commit(60)],
    ]);
    const { relations, memory } = (event as Transaction).changes;
    expect(relations.map(({ columns }) => columns.length)).toEqual([1, 1]);
    expect(memory).toBeGreaterThan(0);
    expect(await idsOf(event)).toEqual(["a", "d"]);
    expect((last as Transaction).changes.relations).toEqual([relations[1]]);
  });

  test("a change keeps the relation that it was sent with, and the types of it", async () => {
    const named = (typeId: number): PgoutputMessage => ({
      ...{ type: "Type", xid: 1, typeId, namespace: "public", name: "mood" },
    });
    const more = [column, { ...column, key: false, name: "mood", typeId: 20_000 }];
    const [, event] = await feed(assembler(), [
      ...[start(1, true), relation(1, "old"), insert(1, "a"), named(20_000), relation(1, "new", more)],
      ...[
        insert(1, "b", "happy"),
        stop,
        begin(2, 10),
        relation(undefined, "newer"),
        insert(undefined, "c"),
        commit(10),
      ],
      ...[streamCommit(1, 50)],
    ]);
    const changes = (await changesOf(event)) as Extract<Change, { type: "Insert" }>[];
    expect(changes.map((change) => change.relation.name)).toEqual(["old", "new"]);
    expect(changes.map((change) => change.relation.types.map((type) => type?.name))).toEqual([
      [undefined],
      [undefined, "mood"],
    ]);
  });

  test("returns the same relation object until the relation changes", async () => {
    const events = await feed(assembler(), [
      ...[begin(1, 10), relation(undefined, "t"), insert(undefined, "a"), commit(10)],
      ...[start(2, true), relation(2, "t"), insert(2, "b"), stop, streamCommit(2, 20)],
    ]);
    const [a, b] = (await Promise.all(events.map(changesOf))).flat() as Extract<Change, { type: "Insert" }>[];
    expect(a!.relation).toBe(b!.relation);
  });

  test("each relation of a truncate is there", async () => {
    const other = { ...(relation(undefined, "u") as Extract<PgoutputMessage, { type: "Relation" }>), relationId: 8 };
    const options = { cascade: false, restartIdentity: false };
    const [event] = await feed(assembler(), [
      ...[begin(1, 10), relation(undefined, "t"), other],
      ...[{ type: "Truncate", options, relationIds: [8, 7] } as const, commit(10)],
    ]);
    const [change] = (await changesOf(event)) as Extract<Change, { type: "Truncate" }>[];
    expect(change!.relations.map(({ name }) => name)).toEqual(["u", "t"]);
  });
});

describe("arguments", () => {
  const spill = new Map<string, Uint8Array>();
  test.each([
    [{ streaming: "PARALLEL", protocol: 4 }, 'options.streaming: expected "off", "on" or "parallel", got "PARALLEL"'],
    [{ protocol: 9 }, "options.protocol: expected 1, 2, 3 or 4, got 9"],
    [{ protocol: "2" }, 'options.protocol: expected 1, 2, 3 or 4, got "2"'],
    [{ streaming: "on" }, 'options.protocol: expected 2 or more with streaming "on", got 1'],
    [{ limit: -1 }, "options.limit: expected a whole number from 0 on, or Infinity, got -1"],
    [{ memoryLimit: Number.NaN }, "options.memoryLimit: expected a whole number from 0 on, or Infinity, got NaN"],
    [{ prepared: "keep" }, 'options.prepared: expected "emit" or "hold", got "keep"'],
    [{ empty: 1 }, "options.empty: expected true or false, got 1"],
    [{ spill: {} }, "options.spill.set: expected a function, got undefined"],
    [{ spill: null }, "options.spill: expected an object, got null"],
    [
      { memorylimit: 5, spill },
      'options: expected protocol, streaming, limit, memoryLimit, spill, prepared or empty, got "memorylimit"',
    ],
    [undefined, undefined],
  ])("the options %o", (options, message) => {
    const make = () => new TransactionAssembler(options as never);
    if (message === undefined) expect(make).not.toThrow();
    else expect(make).toThrow(expect.objectContaining({ constructor: ArgumentError, message }));
  });

  test("what is no message, no LSN and no event is rejected, and the stream goes on", async () => {
    const to = assembler();
    for (const each of [undefined, "B", new ArrayBuffer(21), [66]]) {
      expect(() => to.receive(each as never)).toThrow(ArgumentError);
    }
    for (const each of [1, -1n, 2n ** 64n, "0/1"]) {
      expect(() => to.receive(encodePgoutputMessage(begin(1, 10)), each as never)).toThrow(ArgumentError);
      expect(() => to.keepalive(each as never)).toThrow(ArgumentError);
    }
    const [event] = await feed(to, begin(1, 10), relation(undefined, "t"), insert(undefined, "a"), commit(10));
    for (const each of [undefined, null, {}, { ...event! }, "event"]) {
      expect(() => to.confirm(each as never)).toThrow(ArgumentError);
    }
    expect(to.confirmable).toBe(0n);
    expect(await idsOf(event)).toEqual(["a"]);
    to.confirm(event!);
    to.confirm(event!);
    expect(to.confirmable).toBe((event as Transaction).endLsn);
  });
});

describe("changes", () => {
  test("say where they are in WAL, if that was said", async () => {
    const to = assembler();
    const messages = [start(1, true), relation(1, "t"), insert(1, "a"), insert(1, "b"), stop];
    messages.forEach((message, i) => {
      to.receive(encodePgoutputMessage(message), i === 3 ? undefined : (BigInt(0x1_0000_0000 + i) as Lsn));
    });
    const [event] = await feed(to, streamCommit(1, 50));
    const changes = (await changesOf(event)) as Extract<Change, { type: "Insert" }>[];
    expect(changes.map(({ lsn }) => lsn)).toEqual([0x1_0000_0002n, undefined]);
  });

  test("of a column whose type modifier alone has changed are of another relation", async () => {
    const events = await feed(assembler(), [
      ...[begin(1, 10), relation(undefined, "t"), insert(undefined, "a")],
      ...[relation(undefined, "t", [{ ...column, typeModifier: 14 }]), insert(undefined, "b"), commit(10)],
    ]);
    const [a, b] = (await Promise.all(events.map(changesOf))).flat() as Extract<Change, { type: "Insert" }>[];
    expect([a, b].map((change) => change!.relation.columns[0]!.typeModifier)).toEqual([-1, 14]);
  });

  test.each(["one by one", "in batches"])("are read %s, and timers run meanwhile", async (how) => {
    const to = assembler();
    const [event] = await feed(to, start(1, true), relation(1, "t"), Array(60_000).fill(insert(1, "a")), stop, [
      streamCommit(1, 50),
    ]);
    const { changes } = event as Transaction;
    let ran = 0;
    const timer = setInterval(() => ran++, 5);
    onTestFinished(() => clearInterval(timer));
    let count = 0;
    const work = (): void => {
      // Some work for each row.
      const until = performance.now() + 0.01;
      while (performance.now() < until);
      count++;
    };
    if (how === "one by one") for await (const _ of changes) work();
    else for await (const batch of changes.batches()) batch.forEach(work);
    expect(count).toBe(60_000);
    // Of the 120 times of a timer that nothing holds up.
    expect(ran).toBeGreaterThan(3);
  });

  test("come in order whether or not each call of next is awaited", async () => {
    const ids = Array.from({ length: 9000 }, (_, i) => String(i));
    const [event] = await feed(assembler(), [
      ...[start(1, true), relation(1, "t"), ...ids.map((id) => insert(1, `${id} ${"x".repeat(100)}`)), stop],
      streamCommit(1, 50),
    ]);
    const iterator = (event as Transaction).changes[Symbol.asyncIterator]();
    const results = await Promise.all(Array.from({ length: 9001 }, () => iterator.next()));
    const read = results.map(({ value }) => (value as Extract<Change, { type: "Insert" }>)?.newTuple.get(0));
    expect(read.map((text) => (text === undefined ? undefined : String(text).split(" ")[0]))).toEqual([
      ...ids,
      undefined,
    ]);
  });
});

describe("confirmable", () => {
  test("is found at once, however many transactions are held", async () => {
    const to = assembler({ prepared: "hold" });
    for (let xid = 1; xid <= 20_000; xid++) await feed(to, beginPrepare(xid, xid), prepare(xid, xid));
    const began = performance.now();
    for (let i = 0; i < 20_000; i++) to.confirmable;
    // 20,000 times 20,000 would take 2 seconds and more.
    expect(performance.now() - began).toBeLessThan(300);
  });

  test("is what a plain search finds, in whatever order transactions are held and end", () => {
    fc.assert(
      fc.property(
        fc.array(fc.record({ pick: fc.nat(), lsn: fc.bigInt({ min: 1n, max: 50n }), ends: fc.boolean() })),
        (steps) => {
          const confirmations = new Confirmations();
          const held = new Map<object, bigint>();
          /** Those that have ended after what is safe, which is 40. */
          const ended: bigint[] = [];
          let confirmed = 0n;
          confirmations.reached(40n as Lsn);
          for (const { pick, lsn, ends } of steps) {
            const of = [...held.keys()][pick % Math.max(1, held.size)];
            if (ends && of !== undefined) {
              if (lsn > 40n) ended.push(held.get(of)!);
              held.delete(of);
              confirmations.ended(of, lsn as Lsn);
            } else {
              const key = {};
              held.set(key, lsn);
              confirmations.hold(key, lsn as Lsn);
            }
            const floor = [...held.values(), ...ended, 40n].reduce((a, b) => (a < b ? a : b));
            if (floor > confirmed) confirmed = floor;
            expect(confirmations.confirmable).toBe(confirmed);
          }
        },
      ),
    );
  });

  test("lets a server that begins there again send each prepared transaction before its end", async () => {
    const step = fc.record({
      what: fc.constantFrom("prepare", "finish", "finish", "commit", "keepalive", "confirm", "confirm", "cut", "kill"),
      pick: fc.nat(),
      flag: fc.boolean(),
    });
    let finished = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 60 }), async (steps) => {
        const wal: { readonly at: number; readonly messages: readonly PgoutputMessage[] }[] = [];
        const prepared: number[] = [];
        const given = new Map<Lsn, TransactionEvent>();
        /** Those that need not come again. */
        const done = new Set<number>();
        let to = assembler({ prepared: "hold" });
        let pending: TransactionEvent[] = [];
        const take = (events: readonly TransactionEvent[]): void => {
          for (const event of events) {
            pending.push(event);
            if (event.type === "Transaction") given.set(event.endLsn, event);
            // Its PREPARE did not come, and need not.
            else expect(event.type === "CommitPrepared" && done.has(event.xid)).toBe(true);
          }
        };
        const confirm = (event: TransactionEvent): void => {
          to.confirm(event);
          if (event.type === "Transaction") done.add(event.xid);
        };
        const write = async (...messages: readonly PgoutputMessage[]): Promise<void> => {
          wal.push({ at: 10 * (wal.length + 1), messages });
          take(await feed(to, messages));
        };
        let expected = 0;
        for (const { what, pick, flag } of steps) {
          const at = 10 * (wal.length + 1);
          const changes = flag ? [relation(undefined, "t"), insert(undefined, "a")] : [];
          if (what === "prepare") {
            prepared.push(flag ? at : -at);
            if (!flag) done.add(at);
            await write(beginPrepare(at, at), ...changes, prepare(at, at));
          } else if (what === "finish" && prepared.length > 0) {
            const [xid] = prepared.splice(pick % prepared.length, 1);
            if (flag && xid! > 0) expected++;
            await write((flag ? commitPrepared : rollbackPrepared)(Math.abs(xid!), at));
            finished++;
          } else if (what === "commit") {
            if (flag) expected++;
            await write(begin(at, at), ...changes, commit(at));
          } else if (what === "keepalive") to.keepalive(lsn(at));
          else if (what === "confirm" && pending.length > 0) confirm(pending.splice(pick % pending.length, 1)[0]!);
          else if (what === "cut" || what === "kill") {
            const from = to.confirmable;
            pending = [];
            if (what === "cut") await to.reset();
            else to = assembler({ prepared: "hold" });
            // In the same process, what was safe before must not count again.
            if (what === "cut") expect(to.confirmable).toBe(from);
            for (const each of wal) if (BigInt(each.at) >= from) take(await feed(to, each.messages));
          }
        }
        expect(given.size).toBe(expected);
      }),
      { numRuns: 1000, seed },
    );
    expect(finished).toBeGreaterThan(1000);
  });

  test("takes no memory for empty transactions after an unconfirmed one", async () => {
    const to = assembler();
    const [event] = await feed(to, begin(1, 10), relation(undefined, "t"), insert(undefined, "a"), commit(10));
    for (let i = 2; i < 100; i++) await feed(to, begin(i, i * 10), commit(i * 10));
    expect(to.confirmable).toBe(0n);
    to.confirm(event!);
    expect(to.confirmable).toBe(BigInt(990 + 8));
  });
});

describe("beyond the limit of memory", () => {
  test("without a spill it is an error, and nothing goes on until reset", async () => {
    const to = assembler({ memoryLimit: 4000 });
    const error = await feed(to, start(1, true), relation(1, "t"), some).catch((caught) => caught);
    expect(error).toBeInstanceOf(ProtocolError);
    expect(error.code).toBe("LIMIT_EXCEEDED");
    expect(error.message).toMatch(/relations and types take \d+ bytes of memory; memoryLimit is 4000$/);
    // A stream with a hole would give a transaction with a hole.
    expect(() => to.receive(encodePgoutputMessage(stop))).toThrow(error);
    await to.reset();
    expect(to.memory).toBe(0);
    const [event] = await feed(to, begin(2, 10), relation(undefined, "t"), insert(undefined, "a"), commit(10));
    expect(await idsOf(event)).toEqual(["a"]);
  });

  test("the largest transaction goes to the spill, the others stay in memory", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 20_000, spill });
    const small = [start(2, true), relation(2, "t"), insert(2, "small"), stop];
    await feed(to, small, start(1, true), relation(1, "t"), some, some, some, stop);
    expect(spill.size).toBeGreaterThan(0);
    const text = Buffer.concat([...spill.values()]).toString("latin1");
    expect(text).not.toContain("small");
    expect(to.memory).toBeLessThanOrEqual(20_000);
  });

  test("spills transactions that are not streamed, and held ones", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 8000, spill, prepared: "hold" });
    const all = [relation(undefined, "t"), ...some.map((_, i) => insert(undefined, `${i} ${"x".repeat(100)}`))];
    const [first] = await feed(to, begin(1, 10), all, commit(10));
    expect(spill.size).toBeGreaterThan(0);
    expect((await changesOf(first)).length).toBe(100);
    await to.confirm(first!);
    expect(spill.size).toBe(0);
    await feed(to, beginPrepare(2, 20), all, prepare(2, 20));
    const [, second] = await feed(to, begin(3, 30), all, commit(30), commitPrepared(2, 40));
    expect(second).toMatchObject({ type: "Transaction", xid: 2, gid: "gid 2", commitLsn: 40n, endLsn: 48n });
    expect((await changesOf(second)).length).toBe(100);
  });

  test("what a spill of a subtransaction's book-keeping cannot free counts too", async () => {
    const to = assembler({ memoryLimit: 60_000, spill: new Map() });
    await feed(to, start(1, true), relation(1, "t"));
    const many = async (): Promise<void> => {
      for (let xid = 2; xid < 2000; xid++) await feed(to, insert(xid, "a"));
    };
    await expect(many()).rejects.toThrow(/cannot be spilled, more than half of the limit; memoryLimit is 60000$/);
  });
});

describe("what is counted", () => {
  const empty = (xid: number): PgoutputMessage[] => [start(xid, true), stop];

  test.each([
    ["without a spill", {}],
    ["with one", { spill: new Map<string, Uint8Array>() }],
  ])("streamed transactions without changes, %s", async (_, more) => {
    const to = assembler({ memoryLimit: 100_000, ...more });
    await feed(to, empty(1), empty(2));
    const each = to.memory / 2;
    expect(each).toBeGreaterThan(200);
    const many = async (): Promise<void> => {
      for (let xid = 3; xid < 1000; xid++) await feed(to, empty(xid));
    };
    await expect(many()).rejects.toMatchObject({ code: "LIMIT_EXCEEDED" });
    expect(to.memory).toBeLessThanOrEqual(100_000 + each);
    await to.reset();
    expect(to.memory).toBe(0);
  });

  test("counts relations, types, origins and gids with their names", async () => {
    const long = "x".repeat(10_000);
    const measure = async (...messages: PgoutputMessage[]): Promise<number> => {
      const to = assembler({ prepared: "hold" });
      await feed(to, messages);
      return to.memory;
    };
    const opened = [begin(1, 10)];
    const base = await measure(...opened);
    const type = { type: "Type", typeId: 20_000, namespace: "public", name: long } as const;
    const origin = { type: "Origin", commitLsn: 1n, name: long } as unknown as PgoutputMessage;
    expect(await measure(...opened, relation(undefined, long))).toBeGreaterThan(base + 10_000);
    expect(await measure(...opened, type)).toBeGreaterThan(base + 10_000);
    expect(await measure(...opened, origin)).toBeGreaterThan(base + 10_000);
    const held = [beginPrepare(2, 20), prepare(2, 20)].map((each) => ({ ...each, gid: long }) as PgoutputMessage);
    expect(await measure(...held)).toBeGreaterThan(10_000);
  });

  test("frees the memory of ended transactions and keeps relations", async () => {
    const to = assembler();
    await feed(to, begin(1, 10), relation(undefined, "t"), insert(undefined, "a"), commit(10));
    const known = to.memory;
    expect(known).toBeGreaterThan(0);
    await feed(to, start(2, true), relation(2, "t"), insert(2, "b"), insert(3, "c"), stop, start(4, true));
    await feed(to, relation(4, "t"), insert(4, "d"), stop, abort(2, 3), streamCommit(2, 50), abort(4, 4));
    // Announced once more, so that the version that changes share has columns of its own.
    await feed(to, begin(5, 60), relation(undefined, "other"), commit(60), begin(6, 70), relation(undefined, "t"));
    await feed(to, commit(70));
    expect(to.memory).toBe(known);
  });

  test("an old version of a relation, as long as a transaction that has not ended names it", async () => {
    const to = assembler();
    const wide = Array.from({ length: 100 }, (_, i) => ({ ...column, name: `column ${i}` }));
    await feed(to, start(1, true), relation(1, "t", wide), stop);
    const announced = to.memory;
    await feed(to, start(1, false), insert(1, ...wide.map(() => "a")), relation(1, "t"), stop);
    expect(to.memory).toBeGreaterThan(announced);
    await feed(to, streamCommit(1, 50));
    expect(to.memory).toBeLessThan(announced / 4);
  });

  test("after a spill half of the limit is free", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 40_000, spill });
    await feed(to, start(1, true), relation(1, "t"), stop, start(2, true), stop);
    let spills = 0;
    for (let i = 0; i < 400; i++) {
      const xid = 1 + (i % 2);
      await feed(to, start(xid, false));
      const before = spill.size;
      const result = to.receive(encodePgoutputMessage(insert(xid, "x".repeat(150))));
      await result;
      if (spill.size > before) {
        spills++;
        expect(to.memory).toBeLessThanOrEqual(20_000);
      }
      await feed(to, stop);
    }
    expect(spills).toBeGreaterThan(2);
  });

  test("replaces a transaction that is prepared again", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 5000, spill, prepared: "hold" });
    const all = some.map((_, i) => insert(undefined, `${i} ${"x".repeat(100)}`));
    await feed(to, beginPrepare(2, 20), relation(undefined, "t"), all, prepare(2, 20));
    const [keys, bytes] = [[...spill.keys()], to.memory];
    expect(keys.length).toBeGreaterThan(0);
    await feed(to, beginPrepare(2, 20), prepare(2, 20), begin(9, 90), commit(90));
    expect(keys.filter((key) => spill.has(key))).toEqual([]);
    expect(to.memory).toBeLessThan(bytes);
  });

  test("a chunk that holds nothing but what was rolled back leaves the spill at once", async () => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 5000, spill });
    await feed(to, start(1, true), relation(1, "t"), insert(1, "x".repeat(300_000)));
    const before = spill.size;
    await feed(to, insert(2, "y".repeat(300_000)));
    expect(spill.size).toBe(before + 1);
    await feed(to, stop, abort(1, 2));
    expect(spill.size).toBe(before);
  });
});

describe("a spill that goes wrong", () => {
  const kinds: readonly [string, (chunk: Uint8Array) => Uint8Array | undefined, string][] = [
    ["is gone", () => undefined, "TRUNCATED"],
    ["is cut short", (chunk) => chunk.subarray(0, chunk.length - 1), "TRUNCATED"],
    ["has a byte too many", (chunk) => Uint8Array.of(...chunk, 0), "TRAILING_BYTES"],
    ["has a bit that is wrong", (chunk) => chunk.map((byte, i) => (i === 77 ? byte ^ 4 : byte)), "BAD_VALUE"],
    [
      "has a last byte that is wrong",
      (chunk) => chunk.map((byte, i) => (i === chunk.length - 1 ? 1 : byte)),
      "BAD_VALUE",
    ],
    ["is another one", (chunk) => new Uint8Array(chunk.length), "BAD_VALUE"],
  ];
  test.each(kinds)("a chunk that %s is a DecodeError, never a change", async (_, damage, code) => {
    const spill = new Map<string, Uint8Array>();
    const to = assembler({ memoryLimit: 5000, spill });
    const [event] = await feed(to, start(1, true), relation(1, "t"), some, stop, streamCommit(1, 50));
    const damaged = damage(spill.get("2")!);
    if (damaged === undefined) spill.delete("2");
    else spill.set("2", damaged);
    const read: Change[] = [];
    const error = await (async () => {
      for await (const change of (event as Transaction).changes) read.push(change);
    })().catch((caught) => caught);
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ code, path: "spill[2]" });
    expect(error.message).toContain("spill[2]");
    expect(read.length).toBeGreaterThan(0);
    expect(read.length).toBeLessThan(100);
  });

  test("what it throws while writing comes out of receive, and again until reset", async () => {
    const full = new Error("no space left on device");
    const spill: SpillStore = { set: () => Promise.reject(full), get: () => undefined, delete: () => undefined };
    const to = assembler({ memoryLimit: 5000, spill });
    await expect(feed(to, start(1, true), relation(1, "t"), some)).rejects.toBe(full);
    await expect(feed(to, stop)).rejects.toBe(full);
  });

  test("a reset empties it, and what is confirmed later is not deleted again", async () => {
    const spill = new Map<string, Uint8Array>();
    const deleted: string[] = [];
    const store: SpillStore = {
      set: (key, chunk) => spill.set(key, chunk),
      get: (key) => spill.get(key),
      delete: (key) => spill.delete(key) && deleted.push(key),
    };
    const to = assembler({ memoryLimit: 5000, spill: store });
    const [event] = await feed(to, start(1, true), relation(1, "t"), some, stop, streamCommit(1, 50));
    await feed(to, start(2, true), insert(2, "a"));
    await to.reset();
    expect(spill.size).toBe(0);
    const count = deleted.length;
    await to.confirm(event!);
    expect(deleted).toHaveLength(count);
  });

  test("throws its error from confirm; a later call deletes the rest", async () => {
    const chunks = new Map<string, Uint8Array>();
    let fails = true;
    const spill: SpillStore = {
      set: (key, chunk) => chunks.set(key, chunk),
      get: (key) => chunks.get(key),
      delete: (key) => (fails && key === "2" ? Promise.reject(new Error("busy")) : chunks.delete(key)),
    };
    const to = assembler({ memoryLimit: 7000, spill });
    const [event] = await feed(to, start(1, true), relation(1, "t"), some, some, stop, streamCommit(1, 50));
    expect(chunks.size).toBeGreaterThan(2);
    await expect(to.confirm(event!)).rejects.toThrow("busy");
    expect(to.confirmable).toBe((event as Transaction).endLsn);
    fails = false;
    await feed(to, begin(9, 90));
    expect([...chunks.keys()]).toEqual([]);
  });

  test("a call before it is done is refused", async () => {
    const to = assembler({ memoryLimit: 5000, spill: new Map() });
    await feed(to, start(1, true), relation(1, "t"));
    const large = to.receive(encodePgoutputMessage(insert(1, "x".repeat(5000))));
    expect(large).toBeInstanceOf(Promise);
    expect(() => to.receive(encodePgoutputMessage(stop))).toThrow(ArgumentError);
    await expect(to.reset()).rejects.toThrow(ArgumentError);
    await large;
    expect(await feed(to, stop, streamCommit(1, 50))).toHaveLength(1);
  });
});

describe("a SpillDirectory", () => {
  test("keeps the chunks of an assembler, and is empty when all is confirmed", async () => {
    const spill = await SpillDirectory.create();
    onTestFinished(() => spill.close());
    const to = assembler({ memoryLimit: 5000, spill });
    const [event] = await feed(to, start(1, true), relation(1, "t"), some, stop, streamCommit(1, 50));
    expect(spill.size).toBeGreaterThan(4000);
    expect(await changesOf(event)).toHaveLength(100);
    await to.confirm(event!);
    expect(spill.size).toBe(0);
    expect(await spill.get("1")).toBeUndefined();
  });
});

describe("empty transactions", () => {
  const messages = [begin(1, 10), commit(10), start(2, true), stop, streamCommit(2, 20)];

  test("are left out, and need no confirmation", async () => {
    const to = assembler();
    expect(await feed(to, messages)).toEqual([]);
    expect(to.confirmable).toBe(28n);
  });

  test("come by choice", async () => {
    const events = await feed(assembler({ empty: true }), messages);
    expect(events.map((event) => (event as Transaction).xid)).toEqual([1, 2]);
    expect(await idsOf(events[0])).toEqual([]);
  });
});

describe("prepared transactions", () => {
  test.each(["emit", "hold"] as const)("may have no BeginPrepare if they changed nothing: %s", async (prepared) => {
    const events = await feed(assembler({ prepared, empty: true }), [prepare(1, 10), commitPrepared(1, 20)]);
    const types = events.map(({ type }) => type);
    expect(types).toEqual(prepared === "emit" ? ["PreparedTransaction", "CommitPrepared"] : ["Transaction"]);
    expect(await idsOf(events[0])).toEqual([]);
  });

  test("emits them at PREPARE, and their outcome later", async () => {
    const events = await feed(assembler(), [
      ...[beginPrepare(1, 10), relation(undefined, "t"), insert(undefined, "a"), prepare(1, 10)],
      ...[beginPrepare(2, 20), prepare(2, 20), commitPrepared(1, 30), rollbackPrepared(2, 40)],
    ]);
    expect(events.map(({ type }) => type)).toEqual([
      ...["PreparedTransaction", "PreparedTransaction", "CommitPrepared", "RollbackPrepared"],
    ]);
    expect(await idsOf(events[0])).toEqual(["a"]);
    expect(events[0]).toMatchObject({ xid: 1, gid: "gid 1", prepareLsn: 10n, endLsn: 18n });
  });

  test("holds them until they commit; an unseen one is a CommitPrepared", async () => {
    const to = assembler({ prepared: "hold" });
    const events = await feed(to, [
      ...[beginPrepare(1, 10), relation(undefined, "t"), insert(undefined, "a"), prepare(1, 10)],
      ...[
        beginPrepare(2, 20),
        insert(undefined, "b"),
        prepare(2, 20),
        rollbackPrepared(2, 30),
        rollbackPrepared(9, 35),
      ],
      ...[commitPrepared(1, 40), commitPrepared(3, 50)],
    ]);
    expect(events.map(({ type }) => type)).toEqual(["Transaction", "CommitPrepared"]);
    expect(await idsOf(events[0])).toEqual(["a"]);
    const relationAlone = assembler();
    await feed(relationAlone, begin(1, 10), relation(undefined, "t"), commit(10));
    expect(to.memory).toBe(relationAlone.memory);
  });
});

describe("what may be confirmed", () => {
  const one = (xid: number, at: number): PgoutputMessage[] => [
    ...[begin(xid, at), relation(undefined, "t"), insert(undefined, "a"), commit(at)],
  ];

  test("is the end of the last event before which all are confirmed", async () => {
    const to = assembler();
    const [a, b, c] = await feed(to, one(1, 10), aside(20), one(2, 30));
    expect(to.confirmable).toBe(0n);
    await to.confirm(c!);
    expect(to.confirmable).toBe(0n);
    await to.confirm(a!);
    expect(to.confirmable).toBe(18n);
    await to.confirm(a!);
    await to.confirm(b!);
    expect(to.confirmable).toBe(38n);
  });

  test("is what a keepalive says once nothing before it is to be waited for", async () => {
    const to = assembler();
    to.keepalive(lsn(5));
    expect(to.confirmable).toBe(5n);
    const [a] = await feed(to, one(1, 10));
    to.keepalive(lsn(100));
    expect(to.confirmable).toBe(5n);
    const [b] = await feed(to, one(2, 110));
    await to.confirm(a!);
    expect(to.confirmable).toBe(100n);
    to.keepalive(lsn(150));
    to.keepalive(lsn(160));
    expect(to.confirmable).toBe(100n);
    await to.confirm(b!);
    expect(to.confirmable).toBe(160n);
    // Within a transaction it says nothing.
    await feed(to, begin(2, 200));
    to.keepalive(lsn(250));
    expect(to.confirmable).toBe(160n);
    await feed(to, commit(200));
    to.keepalive(lsn(300));
    expect(to.confirmable).toBe(300n);
    to.keepalive(lsn(1));
    expect(to.confirmable).toBe(300n);
  });

  test("stays before the PREPARE of a held transaction", async () => {
    const to = assembler({ prepared: "hold" });
    const [a] = await feed(to, one(1, 10), beginPrepare(2, 50), insert(undefined, "b"), prepare(2, 50));
    await to.confirm(a!);
    expect(to.confirmable).toBe(18n);
    to.keepalive(lsn(80));
    expect(to.confirmable).toBe(50n);
    const [b] = await feed(to, one(3, 90));
    await to.confirm(b!);
    expect(to.confirmable).toBe(50n);
    const [held] = await feed(to, commitPrepared(2, 110));
    expect(to.confirmable).toBe(50n);
    await to.confirm(held!);
    expect(to.confirmable).toBe(118n);
    await feed(to, beginPrepare(4, 120), insert(undefined, "c"), prepare(4, 120), rollbackPrepared(4, 130));
    expect(to.confirmable).toBe(138n);
    // Held without changes, and committed: nobody hears of it.
    await feed(to, beginPrepare(5, 140), prepare(5, 140));
    to.keepalive(lsn(145));
    expect(to.confirmable).toBe(140n);
    await feed(to, commitPrepared(5, 150));
    expect(to.confirmable).toBe(158n);
  });

  test("stays what it was after a reset, and what was given before counts no more", async () => {
    const to = assembler();
    const [a, b] = await feed(to, one(1, 10), one(2, 20));
    await to.confirm(a!);
    await to.reset();
    expect(to.confirmable).toBe(18n);
    await to.confirm(b!);
    expect(to.confirmable).toBe(18n);
    const [again] = await feed(to, one(2, 20));
    await to.confirm(again!);
    expect(to.confirmable).toBe(28n);
  });

  test("changes cannot be read after it, and can as often as one likes before", async () => {
    const to = assembler();
    const [a] = await feed(to, one(1, 10));
    expect(await idsOf(a)).toEqual(await idsOf(a));
    await to.confirm(a!);
    await expect(idsOf(a)).rejects.toThrow(ArgumentError);
  });
});

test("an origin comes with its transaction", async () => {
  const origin = { type: "Origin", commitLsn: lsn(3), name: "elsewhere" } as const;
  const events = await feed(assembler({ empty: true }), [
    ...[start(2, true), origin, stop, begin(1, 10), origin, commit(10), begin(3, 20), commit(20), streamCommit(2, 30)],
  ]);
  expect(events.map((event) => (event as Transaction).origin?.name)).toEqual(["elsewhere", undefined, "elsewhere"]);
});

test("a loop over changes may be left early", async () => {
  const [event] = await feed(assembler(), start(1, true), relation(1, "t"), some, stop, streamCommit(1, 50));
  for await (const change of (event as Transaction).changes) {
    expect(change.type).toBe("Insert");
    break;
  }
  expect(await changesOf(event)).toHaveLength(100);
});

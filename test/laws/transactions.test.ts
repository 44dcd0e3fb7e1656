/** Laws of the TransactionAssembler: what it gives is what a server's committed transactions are, whatever was streamed how. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Replica } from "../../scripts/demo/replica.ts";
import {
  type HistoryTransaction,
  labelOf,
  type PgoutputHistory,
  type PgoutputHistoryOptions,
  runHistory,
  steps,
  TABLES,
} from "../../src/arbitraries/histories.ts";
import { encodePgoutputMessage, type PgoutputMessage } from "../../src/generated/logical.ts";
import { DecodeError, ProtocolError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import type { PgTime } from "../../src/kernel/time.ts";
import { PgoutputMessage as family } from "../../src/logical/messages.ts";
import {
  type Change,
  type Changes,
  type DescribedRelation,
  type PreparedTransaction,
  type SpillStore,
  TransactionAssembler,
  type TransactionAssemblerOptions,
  type TransactionEvent,
} from "../../src/logical/transactions.ts";
import { TupleData } from "../../src/wire/tuple.ts";
import { seed } from "../seed.ts";
import { law } from "./law.ts";

/** A store that answers later, as a disk does, and knows what is in it. */
class Slow implements SpillStore {
  readonly chunks = new Map<string, Uint8Array>();
  written = 0;

  async set(key: string, chunk: Uint8Array): Promise<void> {
    await null;
    if (this.chunks.has(key)) throw new Error(`${key} is written twice`);
    this.chunks.set(key, chunk.slice());
    this.written++;
  }

  async get(key: string): Promise<Uint8Array | undefined> {
    await null;
    return this.chunks.get(key);
  }

  async delete(key: string): Promise<void> {
    await null;
    if (!this.chunks.delete(key)) throw new Error(`${key} is not there to be deleted`);
  }
}

type Options = Required<{ [K in keyof PgoutputHistoryOptions]: NonNullable<PgoutputHistoryOptions[K]> }>;

const options: fc.Arbitrary<Options> = fc.record({
  streaming: fc.constantFrom("off", "on", "parallel"),
  twoPhase: fc.boolean(),
  empty: fc.boolean(),
});

test("histories have every message of pgoutput", () => {
  const made = new Set<number>();
  for (const [script, option] of fc.sample(fc.tuple(steps(), options), { seed: 1, numRuns: 300 })) {
    for (const message of runHistory(script, option).messages) made.add(message[0]!);
  }
  const missing = family.messages.filter(({ tag }) => !made.has(tag.charCodeAt(0)));
  expect(missing.map(({ name }) => name)).toEqual([]);
});

const settings = fc.record({
  // Relations and bookkeeping take up to 9,000 bytes, which no spill frees.
  memoryLimit: fc.constantFrom(22_000, 40_000, 1_000_000),
  prepared: fc.constantFrom("emit", "hold") as fc.Arbitrary<"emit" | "hold">,
  empty: fc.boolean(),
});

function assemblerFor(history: Options, more: TransactionAssemblerOptions): TransactionAssembler {
  return new TransactionAssembler({ protocol: 4, streaming: history.streaming, ...more });
}

function label(change: Change): string {
  switch (change.type) {
    case "Message":
      return `Message ${Buffer.from(change.content)}`;
    case "Truncate":
      return labelOf("Truncate", change.relations.map(shape), "");
    case "Delete":
      return labelOf("Delete", [shape(change.relation)], String(change.oldTuple.tuple.get(0)));
    default: {
      const { relation, newTuple, type } = change;
      expect(newTuple.length).toBe(relation.columns.length);
      return labelOf(type, [shape(relation)], newTuple.toArray().slice(0, 2).join());
    }
  }
}

function shape({ name, columns, types }: DescribedRelation): { name: string; columns: number } {
  expect(types[0]).toBeUndefined();
  for (const type of types.slice(1)) expect(type!.name).toBe(`state${columns.length}`);
  return { name, columns: columns.length };
}

/** Each change, read one by one and in batches. */
async function labelsOf(changes: Changes): Promise<string[]> {
  const labels: string[] = [];
  for await (const change of changes) labels.push(label(change));
  const inBatches: Change[] = [];
  for await (const batch of changes.batches()) inBatches.push(...batch);
  expect(inBatches.map(label)).toEqual(labels);
  const now = changes.batchesNow();
  if (now !== undefined) expect([...now].flat().map(label)).toEqual(labels);
  expect(labels).toHaveLength(changes.count);
  return labels;
}

/** What a consumer makes of it: it keeps prepared transactions itself, if it is given them. */
class Consumer {
  readonly committed: HistoryTransaction[] = [];
  readonly aside: string[] = [];
  readonly replica = new Replica();
  readonly #prepared = new Map<string, PreparedTransaction>();

  async take(event: TransactionEvent): Promise<void> {
    switch (event.type) {
      case "Message":
        this.aside.push(Buffer.from(event.content).toString());
        return;
      case "PreparedTransaction":
        this.#prepared.set(event.gid, event);
        return;
      case "RollbackPrepared":
        expect(this.#prepared.delete(event.gid)).toBe(true);
        return;
      case "CommitPrepared": {
        const prepared = this.#prepared.get(event.gid)!;
        this.#prepared.delete(event.gid);
        const { xid, gid, endLsn } = event;
        return this.#commit({ xid, gid, endLsn, changes: await labelsOf(prepared.changes) }, prepared);
      }
      case "Transaction": {
        const { xid, gid, endLsn } = event;
        return this.#commit({ xid, gid, endLsn, changes: await labelsOf(event.changes) }, event);
      }
      default:
        event satisfies never;
    }
  }

  async #commit(committed: HistoryTransaction, source: { readonly changes: Changes }): Promise<void> {
    this.committed.push(committed);
    await this.replica.applyTransaction(source);
  }

  rows(): Record<string, string[]> {
    const tables = [...this.replica.tables()];
    return Object.fromEntries(
      tables.map(({ relation, rows }) => [relation.name, rows.map(([id, text]) => `${id},${text}`).sort()]),
    );
  }
}

/** Empty transactions are said or not, as servers do and as was chosen. */
function without(empty: boolean, committed: readonly HistoryTransaction[]): readonly HistoryTransaction[] {
  return empty ? committed : committed.filter(({ changes }) => changes.length > 0);
}

describe("a random history of sessions with savepoints, streamed in random blocks", () => {
  law(
    "returns committed transactions in commit order, without rolled-back changes",
    fc.asyncProperty(steps(), options, settings, async (script, how, { memoryLimit, prepared, empty }) => {
      const history = runHistory(script, how);
      const spill = new Slow();
      const assembler = assemblerFor(how, { memoryLimit, spill, prepared, empty });
      const consumer = new Consumer();
      const events: TransactionEvent[] = [];
      for (const message of history.messages) {
        const given = message.slice();
        const event = await assembler.receive(given);
        if (event?.type !== "Message") given.fill(0xff); // It was copied.
        expect(assembler.memory).toBeLessThanOrEqual(memoryLimit);
        if (event === undefined) continue;
        events.push(event);
        await consumer.take(event);
      }
      // With "emit" a prepared transaction is given whether it has changes or not.
      const wanted =
        prepared === "emit" && !empty ? keepPrepared(history.committed) : without(empty, history.committed);
      expect(consumer.committed).toEqual(wanted);
      expect(consumer.aside).toEqual(history.aside);
      expect(consumer.rows()).toEqual(rowsOfTouched(history, consumer));
      for (const event of events) await assembler.confirm(event);
      await assembler.reset();
      expect(spill.chunks.size).toBe(0);
      expect(assembler.memory).toBe(0);
    }),
    1000,
  );

  test("the streams have segments, rollbacks, spills, altered tables and prepared transactions", async () => {
    const counts = {
      inMemory: 0,
      inSpill: 0,
      aborted: 0,
      dropped: 0,
      spilled: 0,
      reshaped: 0,
      prepared: 0,
      changes: 0,
    };
    const how = { streaming: "on", twoPhase: true, empty: false } as const;
    for (const script of fc.sample(steps(), { numRuns: 500, seed })) {
      const history = runHistory(script, how);
      const spill = new Slow();
      const assembler = assemblerFor(how, { memoryLimit: 20_000, spill, prepared: "hold" });
      const relations = new Set<DescribedRelation>();
      for (const message of history.messages) {
        const event = await assembler.receive(message);
        if (event?.type !== "Transaction") continue;
        if (event.gid !== undefined) counts.prepared++;
        counts[event.changes.batchesNow() === undefined ? "inSpill" : "inMemory"]++;
        for await (const change of event.changes) {
          counts.changes++;
          if ("relation" in change) relations.add(change.relation);
        }
      }
      const begun = new Set<number>();
      for (const message of history.messages) {
        const xid = message.length < 5 ? 0 : Buffer.from(message).readUInt32BE(1);
        if (message[0] === "S".charCodeAt(0)) begun.add(xid);
        else if (message[0] === "A".charCodeAt(0)) counts[begun.has(xid) ? "aborted" : "dropped"]++;
      }
      if (relations.size > TABLES.length) counts.reshaped++;
      counts.spilled += spill.written;
    }
    expect(counts.aborted).toBeGreaterThan(200);
    expect(counts.inMemory).toBeGreaterThan(100);
    expect(counts.inSpill).toBeGreaterThan(5);
    expect(counts.prepared).toBeGreaterThan(20);
    expect(counts.changes).toBeGreaterThan(2000);
    expect(counts.reshaped).toBeGreaterThan(20);
    expect(counts.spilled).toBeGreaterThan(20);
    expect(counts.dropped).toBeGreaterThan(0);
  });

  law(
    "damaged, lost or swapped messages give events or typed errors",
    fc.asyncProperty(
      steps(60),
      options,
      settings,
      fc.array(fc.record({ at: fc.nat(), kind: fc.constantFrom("damage", "lose", "swap", "repeat"), pick: fc.nat() }), {
        minLength: 1,
        maxLength: 3,
      }),
      async (script, how, { memoryLimit, prepared, empty }, faults) => {
        const messages = runHistory(script, how).messages.map((message) => message.slice());
        for (const { at, kind, pick } of faults) {
          if (messages.length < 2) return;
          const i = at % (messages.length - 1);
          const message = messages[i]!;
          if (kind === "damage") message[pick % message.length]! ^= 1 << (pick % 8);
          else if (kind === "lose") messages.splice(i, 1);
          else if (kind === "repeat") messages.splice(i, 0, message.slice());
          else messages.splice(i, 2, messages[i + 1]!, message);
        }
        const assembler = assemblerFor(how, { memoryLimit, prepared, empty, spill: new Map() });
        let failure: unknown;
        for (const message of messages) {
          const failed: unknown = failure;
          try {
            const event = await assembler.receive(message);
            expect(failed).toBeUndefined();
            if (event?.type === "Transaction")
              for await (const change of event.changes) expect(change.type).toBeDefined();
          } catch (error) {
            if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
            if (failed !== undefined) expect(error).toBe(failed);
            failure = error;
          }
        }
      },
    ),
    1000,
  );

  law(
    "never gives a change of a subtransaction behind its StreamAbort, in whatever order messages come",
    fc.asyncProperty(fc.array(loose(), { maxLength: 60 }), async (messages) => {
      const assembler = new TransactionAssembler({ protocol: 2, streaming: "on" });
      /** Rolled back at which message: changes have their number as value. */
      const rolledBack = new Map<number, number>();
      await assembler.receive(encodePgoutputMessage(startOf(true)));
      await assembler.receive(encodePgoutputMessage(relationOf()));
      await assembler.receive(encodePgoutputMessage({ type: "StreamStop" }));
      for (const [i, { xid, aborts }] of messages.entries()) {
        if (aborts) {
          await assembler.receive(encodePgoutputMessage({ type: "StreamAbort", xid: 1, subxid: xid }));
          rolledBack.set(xid, i);
          continue;
        }
        await assembler.receive(encodePgoutputMessage(startOf(false)));
        const newTuple = TupleData.of([String(i)]);
        await assembler.receive(encodePgoutputMessage({ type: "Insert", xid, relationId: 16384, newTuple }));
        await assembler.receive(encodePgoutputMessage({ type: "StreamStop" }));
      }
      const end = {
        type: "StreamCommit",
        xid: 1,
        commitLsn: 8n as Lsn,
        endLsn: 9n as Lsn,
        commitTime: 0n as PgTime,
      } as const;
      const event = await assembler.receive(encodePgoutputMessage(end));
      if (event?.type !== "Transaction") return;
      for await (const change of event.changes) {
        if (change.type !== "Insert") throw new Error(change.type);
        expect(Number(change.newTuple.get(0))).toBeGreaterThan(rolledBack.get(change.xid!) ?? -1);
      }
    }),
  );
});

/** A change of a subtransaction, or its rollback. */
function loose(): fc.Arbitrary<{ xid: number; aborts: boolean }> {
  return fc.record({ xid: fc.integer({ min: 2, max: 6 }), aborts: fc.integer({ max: 3, min: 0 }).map((n) => n === 0) });
}

function startOf(firstSegment: boolean): PgoutputMessage {
  return { type: "StreamStart", xid: 1, firstSegment };
}

function relationOf(): PgoutputMessage {
  const columns = [{ key: true, name: "id", typeId: 23, typeModifier: -1 }];
  return {
    ...{
      type: "Relation",
      xid: 1,
      relationId: 16384,
      namespace: "public",
      name: "t",
      replicaIdentity: "default",
      columns,
    },
  };
}

function keepPrepared(committed: readonly HistoryTransaction[]): readonly HistoryTransaction[] {
  return committed.filter(({ gid, changes }) => gid !== undefined || changes.length > 0);
}

/** A table of which no change has come is not known to the replica. */
function rowsOfTouched({ rows }: PgoutputHistory, consumer: Consumer): Record<string, readonly string[]> {
  const known = new Set([...consumer.replica.tables()].map(({ relation }) => relation.name));
  for (const [name, each] of Object.entries(rows)) if (!known.has(name)) expect(each).toEqual([]);
  return Object.fromEntries(Object.entries(rows).filter(([name]) => known.has(name)));
}

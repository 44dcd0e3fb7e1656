/** Laws of the TransactionAssembler: what it gives is what a server's committed transactions are, whatever was streamed how. */
import fc from "fast-check";
import { describe, expect } from "vitest";
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
import { Replica } from "../../src/node/replica.ts";
import { type Expected, type History, type HistoryOptions, labelOf, runHistory, steps } from "../histories.ts";
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

const options = fc.record({
  streaming: fc.constantFrom("off", "on", "parallel") as fc.Arbitrary<HistoryOptions["streaming"]>,
  twoPhase: fc.boolean(),
  empty: fc.boolean(),
});

const settings = fc.record({
  // Relations alone take some 1,500 bytes per transaction, which no spill frees.
  memoryLimit: fc.constantFrom(12_000, 20_000, 1_000_000),
  prepared: fc.constantFrom("emit", "hold") as fc.Arbitrary<"emit" | "hold">,
  empty: fc.boolean(),
});

function assemblerFor(history: HistoryOptions, more: TransactionAssemblerOptions): TransactionAssembler {
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
  expect(labels).toHaveLength(changes.count);
  return labels;
}

/** What a consumer makes of it: it keeps prepared transactions itself, if it is given them. */
class Consumer {
  readonly committed: Expected[] = [];
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

  async #commit(committed: Expected, source: { readonly changes: Changes }): Promise<void> {
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
function without(empty: boolean, committed: readonly Expected[]): readonly Expected[] {
  return empty ? committed : committed.filter(({ changes }) => changes.length > 0);
}

describe("a random history of sessions with savepoints, streamed in random blocks", () => {
  law(
    "gives the transactions that committed, in commit order, with each change that was not rolled back and its table's shape",
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
});

function keepPrepared(committed: readonly Expected[]): readonly Expected[] {
  return committed.filter(({ gid, changes }) => gid !== undefined || changes.length > 0).map((each) => each);
}

/** A table of which no change has come is not known to the replica. */
function rowsOfTouched({ rows }: History, consumer: Consumer): Record<string, readonly string[]> {
  const known = new Set([...consumer.replica.tables()].map(({ relation }) => relation.name));
  for (const [name, each] of Object.entries(rows)) if (!known.has(name)) expect(each).toEqual([]);
  return Object.fromEntries(Object.entries(rows).filter(([name]) => known.has(name)));
}

/**
 * Statistics of a stream: numbers of messages and bytes by type and table, transactions, and the time that they span.
 *
 * Memory grows with the number of tables and of subtransactions in progress, not with the number of messages.
 */
import type { PgoutputMessage, Relation } from "../../../generated/logical.ts";
import { entryOf } from "../../../kernel/maps.ts";
import type { PgTime } from "../../../kernel/time.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import { messagesOfKind } from "../../../logical/messages.ts";
import type { Json } from "../../../wire/json.ts";
import { largestFirst } from "../shared/shares.ts";
import type { Decoded } from "./stream.ts";

/** How many there were, and their bytes: those of the payloads in which they came. */
export interface Share {
  count: number;
  bytes: number;
}

export interface TableShare extends Share {
  readonly schema: string;
  readonly table: string;
  readonly changes: Record<"Insert" | "Update" | "Delete", number>;
}

interface Transaction {
  readonly xid: number;
  changes: number;
  bytes: number;
}

interface UnderWay {
  readonly all: Transaction;
  readonly bySubxid: Map<number, Transaction>;
}

export class DecodeStats {
  readonly all: Share = { count: 0, bytes: 0 };
  /** By type of message; "XLogData" is WAL, as logical messages count under their own names. */
  readonly types = new Map<string, Share>();
  /** By schema and name. */
  readonly tables = new Map<string, TableShare>();
  readonly transactions = { whole: 0, prepared: 0, largest: undefined as Transaction | undefined };
  /** Transactions that came in blocks: those that committed or were prepared, blocks, bytes in them, and those that were in vain. */
  readonly streamed = { transactions: 0, blocks: 0, bytes: 0, abortedBytes: 0, aborts: 0 };
  first: PgTime | undefined;
  last: PgTime | undefined;

  #open: Transaction | undefined;
  #blockOf: number | undefined;
  /** Of streamed transactions that are under way: all that may still commit, and what of it came of each subtransaction. */
  readonly #underWay = new Map<number, UnderWay>();

  note({ item, message, around, error }: Decoded, relation: Relation | undefined): void {
    const bytes = item.bytes.length;
    add(this.all, bytes);
    this.#time(around?.sendTime ?? (message !== undefined && "sendTime" in message ? message.sendTime : undefined));
    add(entryOf(this.types, message?.type ?? "damaged", newShare), bytes);
    if (message === undefined || around === undefined) return;
    const change = message as PgoutputMessage;
    if (change.type === "Insert" || change.type === "Update" || change.type === "Delete") {
      const schema = relation?.namespace || (relation === undefined ? "" : "pg_catalog");
      const table = relation?.name ?? `relation ${change.relationId}`;
      const share = entryOf(this.tables, `${schema}.${table}`, () => newTable(schema, table));
      add(share, bytes);
      share.changes[change.type]++;
    }
    // What came out of order says nothing of transactions.
    if (error === undefined) this.#transaction(change, bytes);
  }

  #time(time: PgTime | undefined): void {
    if (time === undefined) return;
    this.first ??= time;
    this.last = time;
  }

  #transaction(message: PgoutputMessage, bytes: number): void {
    const changes = CHANGES.has(message.type) ? 1 : 0;
    if (this.#open !== undefined) count(this.#open, changes, bytes);
    if (this.#blockOf !== undefined) {
      this.streamed.bytes += bytes;
      const { all, bySubxid } = this.#under(this.#blockOf);
      count(all, changes, bytes);
      if ("xid" in message && message.xid !== undefined) {
        count(
          entryOf(bySubxid, message.xid, () => newTransaction(message.xid!)),
          changes,
          bytes,
        );
      }
    }
    switch (message.type) {
      case "Begin":
      case "BeginPrepare":
        this.#open = newTransaction(message.xid);
        count(this.#open, 0, bytes);
        return;
      case "Commit":
      case "Prepare":
        this.transactions[message.type === "Commit" ? "whole" : "prepared"]++;
        this.#largest(this.#open);
        this.#open = undefined;
        return;
      case "StreamStart":
        this.streamed.blocks++;
        this.#blockOf = message.xid;
        count(this.#under(message.xid).all, 0, bytes);
        this.streamed.bytes += bytes;
        return;
      case "StreamStop":
        this.#blockOf = undefined;
        return;
      case "StreamAbort":
        this.streamed.aborts++;
        this.#abort(message.xid, message.subxid);
        return;
      case "StreamCommit":
      case "StreamPrepare":
        this.streamed.transactions++;
        this.#largest(this.#underWay.get(message.xid)?.all);
        this.#underWay.delete(message.xid);
        return;
      default:
    }
  }

  #under(xid: number): UnderWay {
    return entryOf(this.#underWay, xid, () => ({ all: newTransaction(xid), bySubxid: new Map() }));
  }

  /** A subtransaction was rolled back, or all of it: then what is left of each. */
  #abort(xid: number, subxid: number): void {
    const under = this.#underWay.get(xid);
    if (under === undefined) return;
    const { all, bySubxid } = under;
    for (const each of subxid === xid ? bySubxid.values() : [bySubxid.get(subxid)]) {
      if (each === undefined) continue;
      this.streamed.abortedBytes += each.bytes;
      count(all, -each.changes, -each.bytes);
    }
    bySubxid.delete(subxid);
    if (subxid === xid) this.#underWay.delete(xid);
  }

  #largest(transaction: Transaction | undefined): void {
    if (transaction === undefined) return;
    if (transaction.bytes > (this.transactions.largest?.bytes ?? -1)) this.transactions.largest = transaction;
  }

  /** Seconds from the first to the last clock of the sender; undefined if there were not two. */
  get seconds(): number | undefined {
    if (this.first === undefined || this.last === undefined) return undefined;
    return Number(this.last - this.first) / 1e6;
  }

  toJSON(): Json {
    const { whole, prepared, largest } = this.transactions;
    return {
      ...this.all,
      types: Object.fromEntries(sorted(this.types).map(([name, share]) => [name, { ...share }])),
      tables: sorted(this.tables).map(([, { schema, table, changes, count, bytes }]) => {
        return { schema, table, ...changes, count, bytes };
      }),
      transactions: { whole, prepared, largest: largest === undefined ? null : { ...largest } },
      streamed: { ...this.streamed },
      time: {
        first: this.first === undefined ? null : formatPgTime(this.first),
        last: this.last === undefined ? null : formatPgTime(this.last),
        seconds: this.seconds ?? null,
      },
    };
  }
}

/** The messages that a transaction is there for. */
const CHANGES = messagesOfKind("change", "message");

function newShare(): Share {
  return { count: 0, bytes: 0 };
}

function newTransaction(xid: number): Transaction {
  return { xid, changes: 0, bytes: 0 };
}

function newTable(schema: string, table: string): TableShare {
  return { schema, table, changes: { Insert: 0, Update: 0, Delete: 0 }, count: 0, bytes: 0 };
}

function add(share: Share, bytes: number): void {
  share.count++;
  share.bytes += bytes;
}

function count(transaction: Transaction, changes: number, bytes: number): void {
  transaction.changes += changes;
  transaction.bytes += bytes;
}

/** Those with the most bytes first. */
export function sorted<V extends Share>(shares: ReadonlyMap<string, V>): [string, V][] {
  return largestFirst(shares, ({ bytes }) => bytes);
}

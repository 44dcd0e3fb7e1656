/**
 * walwire/logical/transactions: `TransactionAssembler`: committed transactions in commit order, from streamed, prepared and rolled-back pieces.
 *
 * With streaming, a server sends a large transaction in blocks while it is in progress, between those of others, and says
 * later that it has committed, or that it or a subtransaction of it was rolled back. The assembler keeps the pieces and gives
 * whole transactions in the order in which they committed, without any change that was rolled back. See docs/transactions.md.
 *
 * @source reorderbuffer.c, pgoutput.c: what is sent; worker.c: what the server's own subscriber makes of it
 */
import type {
  CommitPrepared,
  Message,
  Origin,
  PgoutputContext,
  PgoutputMessage,
  Relation,
  RollbackPrepared,
} from "../generated/logical.ts";
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import {
  type Account,
  type Change,
  ChangeLog,
  type DescribedRelation,
  type SpillStore,
  sameRelation,
  tooLarge,
} from "./change-log.ts";
import { Confirmations } from "./confirmations.ts";
import { PgoutputDecoder, type PgoutputDecoderOptions } from "./decoder.ts";

export type { Change, DescribedRelation, SpillStore } from "./change-log.ts";

export interface TransactionAssemblerOptions extends PgoutputDecoderOptions {
  /** Bytes that transactions which have not ended may take in memory. Default: 64 MiB, as logical_decoding_work_mem. */
  readonly memoryLimit?: number;
  /** Where the largest of them go beyond that limit. Without it, beyond the limit is an error. */
  readonly spill?: SpillStore;
  /**
   * What to do at PREPARE TRANSACTION: give the transaction as a PreparedTransaction, and later the CommitPrepared or
   * RollbackPrepared ("emit", the default); or keep it, and give it as a Transaction if it commits ("hold").
   */
  readonly prepared?: "emit" | "hold";
  /** Give transactions without changes too: servers before 15 send many. Default: false. */
  readonly empty?: boolean;
}

/** A transaction that has committed. */
export interface Transaction {
  readonly type: "Transaction";
  readonly xid: number;
  /** Where its commit record begins. Bytes. */
  readonly commitLsn: Lsn;
  /** Where its commit record ends. Bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
  /** Where it came from, if it came to the server by replication. */
  readonly origin: Origin | undefined;
  /** The identifier that PREPARE TRANSACTION gave it, if it was prepared and held. */
  readonly gid: string | undefined;
  readonly changes: Changes;
}

/** A transaction that is prepared: whether it commits is said later, perhaps in another connection. */
export interface PreparedTransaction {
  readonly type: "PreparedTransaction";
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
  /** Where the record of PREPARE TRANSACTION begins. Bytes. */
  readonly prepareLsn: Lsn;
  /** Where the record of PREPARE TRANSACTION ends. Bytes. */
  readonly endLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** Where it came from, if it came to the server by replication. */
  readonly origin: Origin | undefined;
  readonly changes: Changes;
}

/**
 * What has happened, in the order in which the server wrote it to its log.
 *
 * - A Message is one that is not transactional: it counts whatever becomes of the transaction that wrote it.
 * - A CommitPrepared tells what became of a PreparedTransaction that was given before, perhaps in another connection. With
 *   `prepared: "hold"` it comes only if that PREPARE has not come to this assembler: its changes were sent and confirmed
 *   before, and the server does not send them again.
 * - A RollbackPrepared may be of a transaction whose PREPARE never came. With `prepared: "hold"` it never comes.
 */
export type TransactionEvent = Transaction | PreparedTransaction | CommitPrepared | RollbackPrepared | Message;

/** What `receive` returns: something to await only if the spill is at work. */
type Now<T> = T | Promise<T>;

/** 64 MiB, PostgreSQL's default of logical_decoding_work_mem. */
const MEMORY_LIMIT = 67_108_864;

/** A transaction that is being collected. */
interface Collected {
  readonly xid: number;
  readonly log: ChangeLog;
  origin: Origin | undefined;
}

/**
 * Makes transactions of the messages of one pgoutput stream, in order.
 *
 * @example new TransactionAssembler().receive(hex("42 0000000006034b78 000303e62782f6fd 000002e7")) // undefined
 */
export class TransactionAssembler {
  readonly #decoder: PgoutputDecoder;
  readonly #parallel: boolean;
  readonly #memoryLimit: number;
  readonly #spill: SpillStore | undefined;
  readonly #holds: boolean;
  readonly #empty: boolean;

  readonly #account: Account = { bytes: 0 };
  /** The one that messages belong to at present. */
  #open: Collected | undefined;
  /** Those that come in blocks, by xid. */
  readonly #streamed = new Map<number, Collected>();
  /** Those that are prepared and held, by xid. */
  readonly #held = new Map<number, Collected & { readonly gid: string }>();
  /** The newest version of each relation, as a list: a change names one. */
  readonly #relations = new Map<number, readonly [DescribedRelation]>();
  readonly #confirmations = new Confirmations();

  #lastKey = 0;
  /** Keys that are in the spill, and those of them that nobody needs any more. */
  readonly #keys = new Set<string>();
  #garbage: string[] = [];

  #busy = false;
  #failure: { readonly error: unknown } | undefined;

  /** @throws RangeError for streaming that the protocol version has not */
  constructor(options: TransactionAssemblerOptions = {}) {
    const { memoryLimit = MEMORY_LIMIT, spill, prepared = "emit", empty = false, ...rest } = options;
    this.#decoder = new PgoutputDecoder(rest);
    this.#parallel = rest.streaming === "parallel";
    this.#memoryLimit = memoryLimit;
    this.#spill = spill;
    this.#holds = prepared === "hold";
    this.#empty = empty;
  }

  /** Bytes of memory that transactions which have not ended take at present. */
  get memory(): number {
    return this.#account.bytes;
  }

  /**
   * The next message: the payload of an XLogData, or what pg_logical_slot_get_binary_changes gives.
   *
   * Await what it returns before the next call; there is a promise only if the spill is at work.
   *
   * @param message One whole message. It is copied, but for the content of a Message that is not transactional.
   * @returns what has happened with this message, if something has.
   * @throws DecodeError, ProtocolError as PgoutputDecoder does; ProtocolError LIMIT_EXCEEDED beyond the limit of memory;
   *   whatever the spill throws. Since a stream with a hole is none, each later call throws the same until `reset`.
   */
  receive(message: Uint8Array): Now<TransactionEvent | undefined> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#notBusy();
    try {
      const event = this.#take(message, this.#decoder.decode(message));
      if (this.#account.bytes <= this.#memoryLimit && this.#garbage.length === 0) return event;
      if (this.#spill === undefined) tooLarge(this.#account.bytes, this.#memoryLimit);
      return this.#relieve(this.#spill, event);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /**
   * All of this is safe, or it is known that it is not needed: the server need not send it again. In any order.
   *
   * Its changes cannot be read after that.
   *
   * @returns something to await if it was in the spill.
   */
  confirm(event: TransactionEvent): Now<void> {
    this.#confirmations.safe(event);
    if (event.type !== "Transaction" && event.type !== "PreparedTransaction") return;
    const keys = event.changes.discard();
    if (keys.length > 0) return this.#delete(keys);
  }

  /**
   * A Keepalive came.
   *
   * @param walEnd What it says: the server has sent all that ended before there.
   */
  keepalive(walEnd: Lsn): void {
    if (this.#decoder.open === undefined) this.#confirmations.reached(walEnd);
  }

  /**
   * What the server may be told as flushed, so that it sends nothing again that is safe and all that is not: where the last
   * event ended before which all is confirmed; beyond that as far as a keepalive said if there is nothing else; but not beyond
   * the PREPARE of a transaction that is held. It never goes back. 0 as long as nothing is known.
   */
  get confirmable(): Lsn {
    return this.#confirmations.confirmable;
  }

  /**
   * Forget all that has not ended or is not confirmed, as the server does when a connection ends: it sends that again.
   *
   * What is still read should be read before, since the spill is emptied.
   *
   * @throws RangeError before what `receive` returned is done; whatever the spill throws
   */
  async reset(): Promise<void> {
    this.#notBusy();
    this.#decoder.reset();
    for (const { log } of this.#collected()) log.clear();
    this.#open = undefined;
    this.#streamed.clear();
    this.#held.clear();
    this.#relations.clear();
    this.#confirmations.reset();
    this.#garbage = [];
    this.#failure = undefined;
    await this.#delete([...this.#keys]);
  }

  #notBusy(): void {
    if (this.#busy) throw new RangeError("the message before is still being worked on: await what receive returned");
  }

  #take(bytes: Uint8Array, message: PgoutputMessage): TransactionEvent | undefined {
    switch (message.type) {
      case "Insert":
      case "Update":
      case "Delete":
        this.#add(bytes, message.xid, this.#relations.get(message.relationId)!);
        return;
      case "Truncate":
        this.#add(
          bytes,
          message.xid,
          message.relationIds.map((relationId) => this.#relations.get(relationId)![0]),
        );
        return;
      case "Message":
        if (!message.transactional) return this.#give(message, message.lsn);
        this.#add(bytes, message.xid, []);
        return;
      case "Relation":
        this.#describe(message);
        return;
      case "Type":
        return;
      case "Origin":
        this.#open!.origin = message;
        return;
      case "Begin":
      case "BeginPrepare":
        this.#open = this.#collect(message.xid, false);
        return;
      case "Commit":
        return this.#commit(this.#close(), message, undefined);
      case "Prepare":
        // One that changed nothing which is decoded has no BeginPrepare on 18.
        return this.#prepare(this.#open === undefined ? this.#collect(message.xid, false) : this.#close(), message);
      case "StreamStart": {
        const known = this.#streamed.get(message.xid);
        this.#open = known ?? this.#collect(message.xid, true);
        this.#streamed.set(message.xid, this.#open);
        return;
      }
      case "StreamStop":
        this.#open = undefined;
        return;
      case "StreamAbort":
        if (message.subxid === message.xid) this.#drop(this.#end(message.xid).log);
        // Servers from 18 on say it of transactions of which they have sent nothing, too.
        else this.#discard(this.#streamed.get(message.xid)?.log.cutFrom(message.subxid) ?? []);
        return;
      case "StreamCommit":
        return this.#commit(this.#end(message.xid), message, undefined);
      case "StreamPrepare":
        return this.#prepare(this.#end(message.xid), message);
      case "CommitPrepared": {
        if (!this.#holds) return this.#give(message, message.endLsn);
        const held = this.#held.get(message.xid);
        if (held === undefined) return this.#give(message, message.endLsn);
        this.#held.delete(message.xid);
        return this.#commit(held, message, held.gid);
      }
      case "RollbackPrepared": {
        if (!this.#holds) return this.#give(message, message.rollbackEndLsn);
        const held = this.#held.get(message.xid);
        this.#held.delete(message.xid);
        if (held !== undefined) {
          this.#drop(held.log);
          this.#confirmations.safe(held);
        }
        this.#confirmations.nothing(message.rollbackEndLsn);
        return;
      }
      default:
        return message satisfies never;
    }
  }

  /** A change of the open transaction, or of this subtransaction of it. */
  #add(bytes: Uint8Array, xid: number | undefined, relations: readonly DescribedRelation[]): void {
    const { log, xid: toplevel } = this.#open!;
    if (xid !== undefined && xid !== toplevel) log.mark(xid);
    log.append(bytes, relations);
  }

  /**
   * What a relation looks like from here on, for changes of whatever transaction: a server that means something else by a
   * later one sends the relation again before it.
   *
   * @source pgoutput.c: maybe_send_schema; get_rel_sync_entry forgets to whom it was sent when anything about it changes
   */
  #describe(message: Relation): void {
    const types = message.columns.map(({ typeId }) => this.#decoder.types.get(typeId));
    const relation: DescribedRelation = { ...message, xid: undefined, types };
    const known = this.#relations.get(message.relationId);
    if (known === undefined || !sameRelation(known[0], relation)) this.#relations.set(message.relationId, [relation]);
  }

  #collect(xid: number, inStream: boolean): Collected {
    const context: PgoutputContext = { inStream, parallel: this.#parallel };
    return { xid, log: new ChangeLog(context, this.#account), origin: undefined };
  }

  #close(): Collected {
    const open = this.#open!;
    this.#open = undefined;
    return open;
  }

  /** One that came in blocks has ended. */
  #end(xid: number): Collected {
    const ended = this.#streamed.get(xid)!;
    this.#streamed.delete(xid);
    return ended;
  }

  #commit(
    ended: Collected,
    { commitLsn, endLsn, commitTime }: { commitLsn: Lsn; endLsn: Lsn; commitTime: PgTime },
    gid: string | undefined,
  ): Transaction | undefined {
    const { xid, log, origin } = ended;
    if (log.count === 0 && !this.#empty) {
      this.#drop(log);
      this.#confirmations.safe(ended);
      this.#confirmations.nothing(endLsn);
      return undefined;
    }
    log.release();
    const changes = new Changes(log, this.#spill);
    const event = { type: "Transaction", xid, commitLsn, endLsn, commitTime, origin, gid, changes } as const;
    // It was held from its PREPARE on, and is until it is confirmed.
    this.#confirmations.rename(ended, event);
    return this.#give(event, endLsn);
  }

  #prepare(
    ended: Collected,
    message: { prepareLsn: Lsn; endLsn: Lsn; prepareTime: PgTime; gid: string },
  ): PreparedTransaction | undefined {
    const { xid, log, origin } = ended;
    const { prepareLsn, endLsn, prepareTime, gid } = message;
    if (this.#holds) {
      const before = this.#held.get(xid);
      if (before !== undefined) {
        this.#drop(before.log);
        this.#confirmations.safe(before);
      }
      const held = { ...ended, gid };
      this.#held.set(xid, held);
      this.#confirmations.hold(held, prepareLsn);
      return undefined;
    }
    log.release();
    const changes = new Changes(log, this.#spill);
    return this.#give(
      { type: "PreparedTransaction", xid, gid, prepareLsn, endLsn, prepareTime, origin, changes },
      endLsn,
    );
  }

  #give<E extends TransactionEvent>(event: E, endLsn: Lsn): E {
    this.#confirmations.pending(event, endLsn);
    return event;
  }

  *#collected(): Generator<Collected> {
    const open = this.#open;
    if (open !== undefined && this.#streamed.get(open.xid) !== open) yield open;
    yield* this.#streamed.values();
    yield* this.#held.values();
  }

  #drop(log: ChangeLog): void {
    this.#discard(log.clear());
  }

  /** These keys are to be deleted at the end of this call. */
  #discard(keys: readonly string[]): void {
    for (const key of keys) this.#garbage.push(key);
  }

  /** Delete what is not needed; then spill the largest, until half of the memory is free again. */
  async #relieve(store: SpillStore, event: TransactionEvent | undefined): Promise<TransactionEvent | undefined> {
    this.#busy = true;
    try {
      const garbage = this.#garbage;
      this.#garbage = [];
      await this.#delete(garbage);
      if (this.#account.bytes > this.#memoryLimit) {
        const logs = Array.from(this.#collected(), ({ log }) => log);
        logs.sort((a, b) => b.spillable - a.spillable);
        for (const log of logs) {
          if (this.#account.bytes <= this.#memoryLimit / 2) break;
          await log.spill(store, () => this.#newKey());
        }
        if (this.#account.bytes > this.#memoryLimit) tooLarge(this.#account.bytes, this.#memoryLimit);
      }
      return event;
    } catch (error) {
      this.#failure = { error };
      throw error;
    } finally {
      this.#busy = false;
    }
  }

  #newKey(): string {
    const key = String(++this.#lastKey);
    this.#keys.add(key);
    return key;
  }

  async #delete(keys: readonly string[]): Promise<void> {
    for (const key of keys) if (this.#keys.delete(key)) await this.#spill!.delete(key);
  }
}

/** The changes of a transaction, in order. They can be read as often as one likes until the transaction is confirmed. */
export class Changes implements AsyncIterable<Change> {
  /** How many there are. */
  readonly count: number;
  #log: ChangeLog | undefined;
  readonly #store: SpillStore | undefined;

  constructor(log: ChangeLog, store: SpillStore | undefined) {
    this.count = log.count;
    this.#log = log;
    this.#store = store;
  }

  /**
   * As many at a time as are read at once, some thousands at most: the fast way.
   *
   * @throws RangeError if the transaction was confirmed
   * @throws DecodeError if the spill gives something else than it was given
   */
  batches(): AsyncIterableIterator<readonly Change[]> {
    if (this.#log === undefined)
      throw new RangeError("the transaction was confirmed: its changes are not kept any more");
    return this.#log.read(this.#store);
  }

  /** One after the other. @throws as `batches` does */
  [Symbol.asyncIterator](): AsyncIterableIterator<Change> {
    return new OneByOne(this.batches());
  }

  /** Not needed any more. @returns what is to be deleted from the spill */
  discard(): readonly string[] {
    const keys = this.#log?.clear() ?? [];
    this.#log = undefined;
    return keys;
  }
}

/** By hand, since an async generator takes three times as long. */
class OneByOne implements AsyncIterableIterator<Change> {
  readonly #batches: AsyncIterator<readonly Change[]>;
  #batch: readonly Change[] = [];
  #next = 0;

  constructor(batches: AsyncIterator<readonly Change[]>) {
    this.#batches = batches;
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    if (this.#next < this.#batch.length) return Promise.resolve({ done: false, value: this.#batch[this.#next++]! });
    return this.#more();
  }

  async #more(): Promise<IteratorResult<Change, undefined>> {
    const batch = await this.#batches.next();
    if (batch.done === true) return { done: true, value: undefined };
    this.#batch = batch.value;
    this.#next = 0;
    return this.next();
  }

  async return(): Promise<IteratorResult<Change, undefined>> {
    this.#batch = [];
    await this.#batches.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

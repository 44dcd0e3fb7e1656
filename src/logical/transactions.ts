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
  RelationChange,
  RollbackPrepared,
} from "../generated/logical.ts";
import { ArgumentError, ProtocolError, refuseArgument } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";
import { checkOneOf, checkOptions } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { Turns } from "../kernel/turns.ts";
import { mustBeBytes } from "../wire/check.ts";
import { type Change, ChangeLog, type SpillStore } from "./change-log.ts";
import { Confirmations } from "./confirmations.ts";
import { DECODER_OPTIONS, PgoutputDecoder, type PgoutputDecoderOptions, relationIdsOf } from "./decoder.ts";
import { type DescribedRelation, sameRelation } from "./described.ts";
import { Account, HELD, MEMORY_LIMIT, ORIGIN, RelationVersion, sizeOfText } from "./memory.ts";

export type { RelationChange } from "../generated/logical.ts";
export type { Change, SpillStore } from "./change-log.ts";
export type { DescribedRelation } from "./described.ts";

export interface TransactionAssemblerOptions extends PgoutputDecoderOptions {
  /**
   * How many bytes of memory transactions that have not ended may take, together with the relations and types that were announced.
   * Default: 128 MiB.
   */
  readonly memoryLimit?: number;
  /**
   * Where the changes of the largest transactions go beyond that limit. Without it, beyond the limit is an error; with it, as
   * soon as what cannot go there takes more than half of the limit.
   */
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

  readonly #account = new Account();
  /** The one that messages belong to at present. */
  #open: Collected | undefined;
  /** Those that come in blocks, by xid. */
  readonly #streamed = new Map<number, Collected>();
  /** Those that are prepared and held, by xid. */
  readonly #held = new Map<number, Collected & { readonly gid: string }>();
  /** The newest version of each relation, as a list: most changes name one. */
  readonly #relations = new Map<number, readonly [RelationVersion]>();
  readonly #confirmations = new Confirmations();

  #lastKey = 0;
  /** Keys that are in the spill, and those of them that nobody needs any more. */
  readonly #keys = new Set<string>();
  #garbage: string[] = [];

  /** What was given, so that it can be confirmed, and no copy of it. */
  readonly #given = new WeakSet<object>();
  #busy = false;
  #failure: { readonly error: unknown } | undefined;

  /** @throws ArgumentError for an option that it does not take, or streaming that the protocol version does not have */
  constructor(options: TransactionAssemblerOptions = {}) {
    checkOptions(options, [...DECODER_OPTIONS, "spill", "prepared", "empty"]);
    const { spill, prepared = "emit", empty = false, ...rest } = options;
    this.#decoder = new PgoutputDecoder(rest);
    checkOneOf("options.prepared", prepared, ["emit", "hold"]);
    checkOneOf("options.empty", empty, [true, false]);
    if (spill !== undefined) mustBeStore(spill);
    this.#parallel = rest.streaming === "parallel";
    this.#memoryLimit = rest.memoryLimit ?? MEMORY_LIMIT;
    this.#spill = spill;
    this.#holds = prepared === "hold";
    this.#empty = empty;
  }

  /** Bytes of memory that transactions which have not ended take at present, with the relations and types that were announced. */
  get memory(): number {
    return this.#account.bytes + this.#decoder.memory;
  }

  /**
   * The next message: the payload of an XLogData, or what pg_logical_slot_get_binary_changes gives.
   *
   * Await what it returns before the next call; there is a promise only if the spill is at work.
   *
   * @param message One whole message. It is copied, but for the content of a Message that is not transactional.
   * @param lsn Where it is in WAL: `dataStart` of the XLogData. Each change says it again.
   * @returns what has happened with this message, if something has.
   * @throws DecodeError, ProtocolError as PgoutputDecoder does; ProtocolError LIMIT_EXCEEDED beyond the limit of memory;
   *   whatever the spill throws. A stream with a hole cannot be used, so each later call throws the same until `reset`.
   * @throws ArgumentError for what is not a Uint8Array or not an LSN, and while what the call before returned is awaited.
   */
  receive(message: Uint8Array, lsn?: Lsn): Now<TransactionEvent | undefined> {
    if (this.#failure !== undefined) throw this.#failure.error;
    this.#notBusy();
    mustBeBytes(message, "message");
    if (lsn !== undefined) toLsn(lsn);
    try {
      const event = this.#take(message, this.#decoder.decode(message), lsn);
      if (this.memory <= this.#memoryLimit && this.#garbage.length === 0) return event;
      if (this.#spill === undefined) tooLarge(this.memory, this.#memoryLimit);
      return this.#relieve(this.#spill, event);
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /**
   * All of this is safe, or it is known that it is not needed: the server need not send it again. In any order.
   *
   * Its changes cannot be read after that. Confirming it once more does nothing.
   *
   * @param event What `receive` returned, and not a copy of it.
   * @returns something to await if it was in the spill. If the spill throws, what is left is deleted by a later call.
   * @throws ArgumentError for anything that `receive` did not return.
   */
  confirm(event: TransactionEvent): Now<void> {
    if (!this.#given.has(event)) refuseArgument("event", "an event as receive returned it, not a copy", event);
    this.#confirmations.safe(event);
    if (event.type !== "Transaction" && event.type !== "PreparedTransaction") return;
    const keys = discard(event.changes);
    if (keys.length > 0) return this.#delete(keys);
  }

  /**
   * A Keepalive came.
   *
   * @param walEnd What it says: the server has sent all that ended before there.
   * @throws ArgumentError for what is not an LSN.
   */
  keepalive(walEnd: Lsn): void {
    toLsn(walEnd);
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
   * @throws ArgumentError while what `receive` returned is awaited; whatever the spill throws
   */
  async reset(): Promise<void> {
    this.#notBusy();
    this.#decoder.reset();
    for (const { log } of this.#collected()) log.clear();
    for (const [version] of this.#relations.values()) this.#account.release(version);
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
    if (this.#busy)
      throw new ArgumentError("receive", "receive: await what the call before returned before the next call");
  }

  #take(bytes: Uint8Array, message: PgoutputMessage, lsn: Lsn | undefined): TransactionEvent | undefined {
    switch (message.type) {
      case "Message":
        if (!message.transactional) return this.#give(message, message.lsn);
        this.#add(bytes, message.xid, [], lsn);
        return;
      case "Relation":
        this.#describe(message);
        return;
      case "Type":
        return;
      case "Origin":
        this.#open!.origin = message;
        this.#open!.log.keep(ORIGIN + sizeOfText(message.name));
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
      default: {
        const ids = relationIdsOf(message satisfies RelationChange);
        // The decoder has seen that each was announced.
        const relations =
          ids.length === 1 ? this.#relations.get(ids[0]!)! : ids.map((id) => this.#relations.get(id)![0]);
        this.#add(bytes, message.xid, relations, lsn);
      }
    }
  }

  /** A change of the open transaction, or of this subtransaction of it. */
  #add(bytes: Uint8Array, xid: number | undefined, relations: readonly RelationVersion[], lsn: Lsn | undefined): void {
    const { log, xid: toplevel } = this.#open!;
    if (xid !== undefined && xid !== toplevel) log.mark(xid);
    log.append(bytes, relations, lsn);
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
    const [known] = this.#relations.get(message.relationId) ?? [];
    if (known !== undefined) {
      this.#account.detach(known);
      if (sameRelation(known.relation, relation)) return;
      this.#account.release(known);
    }
    const version = new RelationVersion(relation);
    this.#account.retain(version);
    this.#relations.set(message.relationId, [version]);
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
      log.keep(HELD + sizeOfText(gid));
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
    this.#given.add(event);
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
      if (this.memory > this.#memoryLimit) {
        // Otherwise each message could make all transactions be looked at again, with little to spill.
        const fixed = this.#account.fixed + this.#decoder.memory;
        if (fixed > this.#memoryLimit / 2) tooLarge(this.memory, this.#memoryLimit, fixed);
        const logs = Array.from(this.#collected(), ({ log }) => log);
        logs.sort((a, b) => b.spillable - a.spillable);
        for (const log of logs) {
          if (this.memory <= this.#memoryLimit / 2) break;
          await log.spill(store, () => this.#newKey());
        }
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

  /** Delete from the spill. What it fails to delete is tried again by a later call. */
  async #delete(keys: readonly string[]): Promise<void> {
    for (const [i, key] of keys.entries()) {
      if (!this.#keys.delete(key)) continue;
      try {
        await this.#spill!.delete(key);
      } catch (error) {
        this.#keys.add(key);
        this.#discard(keys.slice(i));
        throw error;
      }
    }
  }
}

function mustBeStore(spill: unknown): void {
  if (typeof spill !== "object" || spill === null) refuseArgument("options.spill", "an object", spill);
  for (const name of ["set", "get", "delete"] as const) {
    const method = (spill as Partial<SpillStore>)[name];
    if (typeof method !== "function") refuseArgument(`options.spill.${name}`, "a function", method);
  }
}

/** Throw the error of what does not fit into memory. */
function tooLarge(bytes: number, limit: number, fixed?: number): never {
  const what =
    fixed === undefined
      ? `transactions that have not ended, relations and types take ${bytes} bytes of memory`
      : `${fixed} of ${bytes} bytes of memory cannot be spilled, more than half of the limit`;
  throw new ProtocolError(`${what}; memoryLimit is ${limit}`, "LIMIT_EXCEEDED");
}

/** The changes are not needed any more. Gives what is to be deleted from the spill. */
let discard: (changes: Changes) => readonly string[];

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

  static {
    discard = (changes) => {
      const keys = changes.#log?.clear() ?? [];
      changes.#log = undefined;
      return keys;
    };
  }

  /**
   * As many at a time as are read at once, some thousands at most: the fast way. Timers and I/O run between batches if 10
   * milliseconds have passed.
   *
   * @throws ArgumentError if the transaction was confirmed
   * @throws DecodeError if the spill gives something else than it was given
   */
  batches(): AsyncIterableIterator<readonly Change[]> {
    if (this.#log === undefined) {
      throw new ArgumentError(
        "changes",
        "changes: the transaction was confirmed, so its changes are not kept any more",
      );
    }
    return this.#log.read(this.#store);
  }

  /** One after the other; timers and I/O run at least every 10 milliseconds or 32 changes. @throws as `batches` does */
  [Symbol.asyncIterator](): AsyncIterableIterator<Change> {
    return new OneByOne(this.batches());
  }
}

/** After how many changes the clock is looked at, less one: to do so for each would take as long as all the rest. */
const LOOK = 31;

/** By hand, since an async generator takes three times as long. */
class OneByOne implements AsyncIterableIterator<Change> {
  readonly #batches: AsyncIterator<readonly Change[]>;
  readonly #turns = new Turns();
  #batch: readonly Change[] = [];
  #next = 0;
  /** What a call that takes longer waits for: a later one waits for that too. */
  #waiting: Promise<unknown> | undefined;

  constructor(batches: AsyncIterator<readonly Change[]>) {
    this.#batches = batches;
  }

  next(): Promise<IteratorResult<Change, undefined>> {
    if (this.#waiting !== undefined) return this.#waiting.then(() => this.next());
    const i = this.#next;
    if (i < this.#batch.length && ((i & LOOK) !== LOOK || !this.#turns.due)) {
      this.#next++;
      return Promise.resolve({ done: false, value: this.#batch[i]! });
    }
    const result = this.#more();
    const done = (): void => {
      this.#waiting = undefined;
    };
    this.#waiting = result.then(done, done);
    return result;
  }

  async #more(): Promise<IteratorResult<Change, undefined>> {
    if (this.#turns.due) await this.#turns.give();
    if (this.#next === this.#batch.length) {
      const batch = await this.#batches.next();
      if (batch.done === true) return { done: true, value: undefined };
      this.#batch = batch.value;
      this.#next = 0;
    }
    return { done: false, value: this.#batch[this.#next++]! };
  }

  async return(): Promise<IteratorResult<Change, undefined>> {
    this.#batch = [];
    this.#next = 0;
    await this.#batches.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

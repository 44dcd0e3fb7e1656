/**
 * walwire/logical/transactions: `TransactionAssembler`: committed transactions in commit order, from streamed, prepared and rolled-back pieces.
 *
 * With streaming, a server sends a large transaction in segments while it is in progress, interleaved with others, and reports later
 * that it committed, or that it or a subtransaction was rolled back. The assembler keeps the pieces and returns whole transactions in
 * commit order, without changes that were rolled back. See docs/transactions.md.
 *
 * @source reorderbuffer.c, pgoutput.c: the sender; worker.c: the server's own subscriber
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
import { checkOneOf, checkOptions, checkType } from "../kernel/options.ts";
import type { PgTime } from "../kernel/time.ts";
import { mustBeBytes } from "../wire/check.ts";
import { type Change, ChangeLog, type ChangesWith, type MakeRow, Scratch, type SpillStore } from "./change-log.ts";
import { Confirmations } from "./confirmations.ts";
import { DECODER_OPTIONS, PgoutputDecoder, type PgoutputDecoderOptions, relationIdsOf } from "./decoder.ts";
import { type DescribedRelation, sameRelation } from "./described.ts";
import { Account, HELD, MEMORY_LIMIT, ORIGIN, RelationVersion, sizeOfText } from "./memory.ts";
import { OneByOne } from "./one-by-one.ts";

export type { RelationChange } from "../generated/logical.ts";
export type { Change, SpillStore } from "./change-log.ts";
export type { DescribedRelation } from "./described.ts";

/** Options of a TransactionAssembler. */
export interface TransactionAssemblerOptions extends PgoutputDecoderOptions {
  /**
   * The most bytes of memory for unfinished transactions and the announced relations and types together. Default: 128 MiB.
   */
  readonly memoryLimit?: number;
  /**
   * The store for changes of the largest transactions beyond that limit. Without it, exceeding the limit is an error; with it, only if
   * memory that cannot be spilled exceeds half of the limit.
   */
  readonly spill?: SpillStore;
  /**
   * At PREPARE TRANSACTION, return the transaction as a PreparedTransaction, and later the CommitPrepared or RollbackPrepared
   * ("emit", the default); or keep it, and return it as a Transaction if it commits ("hold").
   */
  readonly prepared?: "emit" | "hold";
  /** Return transactions without changes too: servers before 15 send many. Default: false. */
  readonly empty?: boolean;
}

/** A transaction that has committed. */
export interface Transaction {
  readonly type: "Transaction";
  /** Its toplevel transaction ID. */
  readonly xid: number;
  /** Start of its commit record, in bytes. */
  readonly commitLsn: Lsn;
  /** End of its commit record, in bytes. */
  readonly endLsn: Lsn;
  /** When it committed. Microseconds since 2000-01-01 UTC. */
  readonly commitTime: PgTime;
  /** Its origin, if the server received it by replication. */
  readonly origin: Origin | undefined;
  /** The identifier that PREPARE TRANSACTION gave it, if it was prepared and held. */
  readonly gid: string | undefined;
  /** Its changes, in order, without any that was rolled back. */
  readonly changes: Changes;
}

/** A prepared transaction. Its CommitPrepared or RollbackPrepared follows, perhaps in another connection. */
export interface PreparedTransaction {
  readonly type: "PreparedTransaction";
  /** Its toplevel transaction ID. */
  readonly xid: number;
  /** The identifier that PREPARE TRANSACTION gave it. */
  readonly gid: string;
  /** Start of the record of PREPARE TRANSACTION, in bytes. */
  readonly prepareLsn: Lsn;
  /** End of the record of PREPARE TRANSACTION, in bytes. */
  readonly endLsn: Lsn;
  /** When it was prepared. Microseconds since 2000-01-01 UTC. */
  readonly prepareTime: PgTime;
  /** Its origin, if the server received it by replication. */
  readonly origin: Origin | undefined;
  /** Its changes, in order, without any that was rolled back. */
  readonly changes: Changes;
}

/**
 * An event of the stream, in WAL order.
 *
 * - A Message is non-transactional: it does not depend on the transaction that wrote it.
 * - A CommitPrepared belongs to an earlier PreparedTransaction, perhaps of another connection. With `prepared: "hold"` it is returned
 *   only if this assembler has not received that PREPARE, as the stream began after it: its changes were confirmed earlier, and the server
 *   does not send them again.
 * - A RollbackPrepared may belong to a transaction whose PREPARE was never sent. With `prepared: "hold"` it is never returned.
 */
export type TransactionEvent = Transaction | PreparedTransaction | CommitPrepared | RollbackPrepared | Message;

/** A result that is a promise only while the spill is in use. */
type Now<T> = T | Promise<T>;

/** A transaction that is being collected. */
interface Collected {
  readonly xid: number;
  readonly log: ChangeLog;
  origin: Origin | undefined;
}

/**
 * Assembles the messages of one pgoutput stream, in order, into transactions.
 *
 * @example new TransactionAssembler().receive(hex("42 0000000006034b78 000303e62782f6fd 000002e7")) // undefined
 */
export class TransactionAssembler {
  readonly #decoder: PgoutputDecoder;
  readonly #inSegment: PgoutputContext;
  readonly #outside: PgoutputContext;
  readonly #memoryLimit: number;
  readonly #spill: SpillStore | undefined;
  readonly #holds: boolean;
  readonly #empty: boolean;

  readonly #account = new Account();
  /** The one that messages belong to now. */
  #open: Collected | undefined;
  /** Streamed ones, by xid. */
  readonly #streamed = new Map<number, Collected>();
  /** Prepared and held ones, by xid. */
  readonly #held = new Map<number, Collected & { readonly gid: string }>();
  /** The newest version of each relation, as a list: most changes name one. */
  readonly #relations = new Map<number, readonly [RelationVersion]>();
  readonly #confirmations = new Confirmations();
  /** Where the one open transaction is collected that is not in segments. */
  readonly #scratch = new Scratch();

  #lastKey = 0;
  /** Keys in the spill, and those of them that are no longer needed. */
  readonly #keys = new Set<string>();
  #garbage: string[] = [];

  #busy = false;
  #failure: { readonly error: unknown } | undefined;

  /** @throws ArgumentError for an invalid option, or streaming that the protocol version does not have. */
  constructor(options: TransactionAssemblerOptions = {}) {
    checkOptions(options, [...DECODER_OPTIONS, "spill", "prepared", "empty"]);
    const { spill, prepared = "emit", empty = false, ...rest } = options;
    this.#decoder = new PgoutputDecoder(rest);
    checkOneOf("options.prepared", prepared, ["emit", "hold"]);
    checkOneOf("options.empty", empty, [true, false]);
    if (spill !== undefined) mustBeStore(spill);
    const parallel = rest.streaming === "parallel";
    this.#inSegment = { inStream: true, parallel };
    this.#outside = { inStream: false, parallel };
    this.#memoryLimit = rest.memoryLimit ?? MEMORY_LIMIT;
    this.#spill = spill;
    this.#holds = prepared === "hold";
    this.#empty = empty;
  }

  /** Bytes of memory that unfinished transactions and the announced relations and types take now. */
  get memory(): number {
    return this.#account.bytes + this.#decoder.memory;
  }

  /** Whether a transaction, or a segment of one, is open. @internal */
  get isCollecting(): boolean {
    return this.#open !== undefined;
  }

  /**
   * Receive the next message: the data of an XLogData, or a row of pg_logical_slot_get_binary_changes.
   *
   * Await the result before the next call; it is a promise only while the spill is in use.
   *
   * @param message One whole message. It is copied, except for the content of a non-transactional Message.
   * @param lsn Its position in the WAL: `dataStart` of the XLogData. Each change has it as `lsn`.
   * @returns the event that this message completes, if any.
   * @throws DecodeError, ProtocolError as PgoutputDecoder does; ProtocolError LIMIT_EXCEEDED beyond the memory limit;
   *   errors of the spill. A stream with a gap is useless, so each later call throws the same error until `reset`.
   * @throws ArgumentError for anything but a Uint8Array or an LSN, and while the previous result is awaited.
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
   * Confirm an event, in any order: it is stored or not needed, and the server need not send it again.
   *
   * Its changes cannot be read afterwards. Confirming it again does nothing.
   *
   * @param event An event that `receive` returned, not a copy of it.
   * @returns a promise if its changes were in the spill. If the spill throws, a later call deletes the rest.
   * @throws ArgumentError for anything that `receive` did not return.
   */
  confirm(event: TransactionEvent): Now<void> {
    if (!this.#confirmations.has(event)) refuseArgument("event", "an event as receive returned it, not a copy", event);
    this.#confirmations.safe(event);
    if (event.type !== "Transaction" && event.type !== "PreparedTransaction") return;
    const keys = discard(event.changes);
    if (keys.length > 0) return this.#delete(keys);
  }

  /**
   * Receive a Keepalive.
   *
   * @param walEnd Its `walEnd`: the server has sent everything that ended before it.
   * @throws ArgumentError for anything but an LSN.
   */
  keepalive(walEnd: Lsn): void {
    toLsn(walEnd);
    if (this.#decoder.open === undefined) this.#confirmations.reached(walEnd);
  }

  /**
   * The LSN to report to the server as flushed: the end of the last event, or the position of the last Keepalive, before which everything
   * is confirmed; never after the PREPARE of a held transaction. It never goes back, and begins at 0.
   */
  get confirmable(): Lsn {
    return this.#confirmations.confirmable;
  }

  /**
   * Forget everything unfinished or unconfirmed, as the server does when a connection ends: it sends that again.
   *
   * Changes in the spill cannot be read afterwards.
   *
   * @param options.keep Changes of events that were returned can be read until they are confirmed, also from the spill. Default: false.
   * @throws ArgumentError while a result of `receive` is awaited; errors of the spill.
   */
  async reset(options: { readonly keep?: boolean | undefined } = {}): Promise<void> {
    this.#notBusy();
    checkOptions(options, ["keep"]);
    checkType("options.keep", options.keep, "boolean");
    this.#decoder.reset();
    const gone = options.keep ? this.#garbage : [];
    for (const { log } of this.#collected()) for (const key of log.clear()) gone.push(key);
    for (const [version] of this.#relations.values()) this.#account.release(version);
    this.#open = undefined;
    this.#streamed.clear();
    this.#held.clear();
    this.#relations.clear();
    this.#confirmations.reset();
    this.#garbage = [];
    this.#failure = undefined;
    await this.#delete(options.keep ? gone : [...this.#keys]);
  }

  #notBusy(): void {
    if (this.#busy) throw new ArgumentError("receive", "receive: await the previous result before the next call");
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
        // On 18 before 18.6, a transaction without decoded changes has no BeginPrepare.
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
        // 18 before 18.7 also sends it for transactions that it never streamed.
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
          this.#confirmations.ended(held, message.rollbackEndLsn);
        }
        this.#confirmations.nothing(message.rollbackEndLsn);
        return;
      }
      default: {
        const ids = relationIdsOf(message satisfies RelationChange);
        // The decoder has checked that each was announced.
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
   * A relation from here on, for changes of any transaction: before a change with another form, the server sends it again.
   *
   * @source pgoutput.c: maybe_send_schema; get_rel_sync_entry forgets where it was sent when anything about it changes
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
    const context = inStream ? this.#inSegment : this.#outside;
    const log = new ChangeLog(context, this.#account, inStream ? undefined : this.#scratch);
    return { xid, log, origin: undefined };
  }

  #close(): Collected {
    const open = this.#open!;
    this.#open = undefined;
    open.log.seal();
    return open;
  }

  /** A streamed transaction has ended. */
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
    this.#confirmations.ended(ended, endLsn);
    if (log.count === 0 && !this.#empty) {
      this.#drop(log);
      this.#confirmations.nothing(endLsn);
      return undefined;
    }
    const changes = new Changes(log, this.#spill);
    const event = { type: "Transaction", xid, commitLsn, endLsn, commitTime, origin, gid, changes } as const;
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
        this.#confirmations.ended(before, prepareLsn);
      }
      const held = { ...ended, gid };
      log.keep(HELD + sizeOfText(gid));
      this.#held.set(xid, held);
      this.#confirmations.hold(held, prepareLsn);
      return undefined;
    }
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

  /** Delete these keys at the end of this call. */
  #discard(keys: readonly string[]): void {
    for (const key of keys) this.#garbage.push(key);
  }

  /** Delete garbage; then spill the largest logs until half of the memory is free. */
  async #relieve(store: SpillStore, event: TransactionEvent | undefined): Promise<TransactionEvent | undefined> {
    this.#busy = true;
    try {
      const garbage = this.#garbage;
      this.#garbage = [];
      await this.#delete(garbage);
      if (this.memory > this.#memoryLimit) {
        // Otherwise each message could cost a pass over all transactions, with little to spill.
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

  /** Delete from the spill. A later call tries again after a failure. */
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

/** Throw the error of an exceeded memory limit. */
function tooLarge(bytes: number, limit: number, fixed?: number): never {
  const what =
    fixed === undefined
      ? `unfinished transactions, relations and types take ${bytes} bytes of memory`
      : `${fixed} of ${bytes} bytes of memory cannot be spilled, more than half of the limit`;
  throw new ProtocolError(`${what}; memoryLimit is ${limit}`, "LIMIT_EXCEEDED");
}

type DescribedRow = Extract<Change, { readonly relation: unknown }>;

/** Discard the changes. @returns keys to delete from the spill */
let discard: (changes: Changes) => readonly string[];

/** The changes of a transaction, in order. They can be read any number of times until the transaction is confirmed. */
export class Changes implements AsyncIterable<Change> {
  /** The number of changes. */
  readonly count: number;
  /** Bytes of memory that they take until the transaction is confirmed, without those in the spill. */
  readonly memory: number;
  /** The relations of the changes, each form of each once; the forms of one relation in the order in which the changes have them. */
  readonly relations: readonly DescribedRelation[];
  #log: ChangeLog | undefined;
  readonly #store: SpillStore | undefined;

  /** @internal */
  constructor(log: ChangeLog, store: SpillStore | undefined) {
    this.count = log.count;
    this.memory = log.memory;
    this.relations = log.relations;
    log.release();
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
   * The changes in batches of up to some thousands: the fast way. Timers and I/O run between batches if 10 milliseconds have passed.
   *
   * @throws ArgumentError if the transaction was confirmed.
   * @throws DecodeError if the spill returns other bytes than it was given.
   */
  batches(): AsyncIterableIterator<readonly Change[]> {
    return this.batchesWith(described);
  }

  /**
   * As `batches`, without promises, which for a transaction of a few rows take longer than the rows; undefined if some of the changes are
   * in the spill. Timers and I/O do not run meanwhile.
   *
   * @throws ArgumentError if the transaction was confirmed.
   */
  batchesNow(): IterableIterator<readonly Change[]> | undefined {
    return this.batchesNowWith(described);
  }

  /** As `batches`, with other objects for changes of rows. @internal */
  batchesWith<R>(row: MakeRow<R>): AsyncIterableIterator<ChangesWith<R>> {
    return this.#logOf().read(this.#store, row);
  }

  /** As `batchesNow`, with other objects for changes of rows. @internal */
  batchesNowWith<R>(row: MakeRow<R>): IterableIterator<ChangesWith<R>> | undefined {
    return this.#logOf().readNow(row);
  }

  /** The changes one by one; timers and I/O run at least every 10 milliseconds or 32 changes. @throws as `batches` does */
  [Symbol.asyncIterator](): AsyncIterableIterator<Change> {
    return new OneByOne(this.batchesNow() ?? this.batches());
  }

  #logOf(): ChangeLog {
    if (this.#log === undefined) {
      throw new ArgumentError("changes", "changes: the transaction was confirmed, so its changes were discarded");
    }
    return this.#log;
  }
}

/** A change of rows as Changes has it: the message was made for it, so its relation and position can be added. */
const described: MakeRow<DescribedRow> = (message, relation, lsn) => {
  const change = message as { relation?: DescribedRelation; lsn?: Lsn | undefined };
  change.relation = relation;
  change.lsn = lsn;
  return message as DescribedRow;
};

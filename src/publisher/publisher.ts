/** Publisher: an application's tables and transactions, for subscribers that speak PostgreSQL's logical replication. */
import { ArgumentError, DecodeError, refuseArgument, StateError } from "../kernel/errors.ts";
import { formatLsn, invalidLsn, type Lsn, parseLsn, toLsn } from "../kernel/lsn.ts";
import { checkObject, checkOptions, checkType, checkWhole } from "../kernel/options.ts";
import type { Stop } from "../kernel/stop.ts";
import { type PgTime, pgTimeFromDate } from "../kernel/time.ts";
import { freeSlot, SlotUse, type SlotUser, type SlotWaitOptions } from "../session/server/slot-use.ts";
import { errorOf } from "../session/server/words.ts";
import { TypeMap } from "../values/type-map.ts";
import { TupleData } from "../wire/tuple.ts";
import { AppendQueue } from "./append-queue.ts";
import type { TransactionHeader, TransactionOrigin } from "./changes.ts";
import {
  encodePiece,
  encodeRecords,
  type NewRecord,
  PIECE,
  type PlacedPiece,
  piecesOverhead,
  readPieces,
  recordsOf,
  sizeOfRecord,
} from "./log.ts";
import { checkedPublication, type Publication, type PublicationDeclaration } from "./publications.ts";
import { KeptRows } from "./rows.ts";
import { FIRST_LSN, MemoryStore, type PublisherStore } from "./store.ts";
import { checkedTable, FIRST_NORMAL_OID, isSameTable, type Table, type TableDeclaration } from "./tables.ts";
import {
  messageOf,
  PublisherTransaction,
  type RowInput,
  recordsOfTransaction,
  type TransactionContext,
  wholeRow,
} from "./transaction.ts";

/** What a publisher takes. */
export interface PublisherOptions {
  /** Where it keeps what it has acknowledged. Default: a MemoryStore. */
  readonly store?: PublisherStore | undefined;
  /** The types of the tables' columns that are not built in. */
  readonly typeMap?: TypeMap | undefined;
  /**
   * Keep the rows of all tables in memory and their changes in the store, so that a new subscriber gets them as its initial copy.
   * Default: false; then an initial copy has the rows of `snapshot`.
   */
  readonly keepRows?: boolean | undefined;
  /**
   * The rows as of now, for the initial copy of a new subscriber. It is called between two commits, and must return at once: the rows
   * that it gives later must have every transaction that has been acknowledged or whose `committed` was called, and no other.
   * Without it and `keepRows`, initial copies are empty.
   */
  readonly snapshot?: (() => PublisherSnapshot) | undefined;
  /** Bytes of changes that one transaction can have. They are in memory until it commits. Default: 256 MB. */
  readonly transactionMemory?: number | undefined;
  /** Bytes of changes from which on a transaction is streamed in segments to subscribers that ask for it. Default: 64 MB. */
  readonly workMemory?: number | undefined;
  /**
   * Of transactions that are streamed in segments, also send what was rolled back to a savepoint, and that it was: servers do so, since
   * they stream before they know. For tests of subscribers: such a change can be one that no table could have. Default: false.
   */
  readonly streamRolledBack?: boolean | undefined;
  /** The time. Default: that of the machine. */
  readonly now?: (() => PgTime) | undefined;
}

/** The rows of tables at one moment. */
export interface PublisherSnapshot {
  /** The rows of a table, each as `insert` takes it. */
  rows(table: Table): Iterable<RowInput> | AsyncIterable<RowInput>;
  /** Called once, when they are no longer needed. */
  close?(): unknown;
}

/** The rows of tables at one position, as they are sent. */
export interface CopySnapshot {
  /** The rows have everything that ended at or before it. */
  readonly lsn: Lsn;
  /** The rows of a table. */
  rows(table: Table): AsyncIterable<TupleData>;
  /** They are no longer needed. */
  close(): Promise<void>;
}

/** A transaction that is stored. */
export interface Committed {
  /** Its transaction id. */
  readonly xid: number;
  /** Start of its commit record. */
  readonly commitLsn: Lsn;
  /** End of its commit record: a subscriber that confirms this position has it. */
  readonly endLsn: Lsn;
}

/** What everything that is stored takes. */
export interface MarkOptions {
  /**
   * Stored with it: `mark` of the publisher is that of what was stored last, also after a restart. An application whose changes come from
   * elsewhere stores here how far it has read, and so publishes each of them once.
   */
  readonly mark?: string | undefined;
}

/** What a transaction takes. */
export interface TransactionOptions extends MarkOptions {
  /** Where it comes from, if the application itself had it by replication. */
  readonly origin?: TransactionOrigin | undefined;
  /** Called when it is stored, before any other transaction is and before a snapshot is taken. It must not throw. */
  readonly committed?: ((result: Committed) => void) | undefined;
}

/** A prepared transaction that has neither committed nor been rolled back. */
export interface PreparedTransaction {
  /** Its identifier. */
  readonly gid: string;
  /** Its transaction id. */
  readonly xid: number;
  /** When it was prepared. */
  readonly prepared: PgTime;
}

/** What a slot takes. */
export interface SlotOptions {
  /** It is not in the store, and of `user` alone: dropped with the next error or the end of that. Default: false. */
  readonly temporary?: boolean | undefined;
  /** Who creates it. */
  readonly user?: SlotUser | undefined;
  /** Prepared transactions are sent when they are prepared. Default: false. */
  readonly twoPhase?: boolean | undefined;
  /** Kept, and of no consequence here. Default: false. */
  readonly failover?: boolean | undefined;
  /** Also give the rows as of its beginning. Default: false. */
  readonly snapshot?: boolean | undefined;
}

/** A slot, and the rows as of its beginning if they were asked for. */
export interface CreatedSlot {
  /** The slot. */
  readonly slot: PublisherSlot;
  /** The rows. */
  readonly snapshot: CopySnapshot | undefined;
}

/** A slot that one connection uses. */
export interface AcquiredSlot {
  /** The slot, as it is at any time. */
  readonly slot: PublisherSlot;
  /** From this position on prepared transactions are sent when they are prepared. */
  enableTwoPhase(at: Lsn): Promise<void>;
  /**
   * The subscriber has everything that ended at or before a position. It resolves when that is in the store; a position that is not
   * behind the last one changes nothing.
   *
   * @param restart A position at or before it where a transaction begins or ended.
   */
  confirm(flushed: Lsn, restart: Lsn): Promise<void>;
  /** Use it no more. */
  release(): void;
}

/** A slot: what a subscriber has confirmed. */
export interface PublisherSlot {
  /** Its name. */
  readonly slotname: string;
  /** Everything that ended at or before has been confirmed. */
  readonly confirmedFlush: Lsn;
  /** From where on the log is kept for it. */
  readonly restartLsn: Lsn;
  /** Transactions that were prepared from here on are sent when they are prepared; undefined if none are. */
  readonly twoPhaseAt: Lsn | undefined;
  /** Set by CREATE_REPLICATION_SLOT or ALTER_REPLICATION_SLOT; nothing here depends on it. */
  readonly failover: boolean;
  /** It is not in the store, and ends with the next error or the end of its session. */
  readonly temporary: boolean;
  /** Who uses it. */
  readonly activePid: number | undefined;
}

/** What a transaction takes that is written with `begin` and `commit`. */
export interface CommitOptions extends TransactionOptions {
  /** It is prepared, with this identifier. */
  readonly gid?: string | undefined;
  /** When it committed. Default: now. */
  readonly time?: PgTime | undefined;
}

/** A slot as it is kept here. */
interface SlotState extends Omit<{ -readonly [K in keyof PublisherSlot]: PublisherSlot[K] }, "activePid"> {
  readonly use: SlotUse;
  readonly activePid: number | undefined;
}

/** A prepared transaction, from its first piece in the log to its outcome. */
interface Prepared {
  readonly header: TransactionHeader;
  readonly beginLsn: Lsn;
  outcomeLsn: Lsn | undefined;
}

const DOCUMENT = { tables: "tables", slots: "slots", rows: "rows" } as const;
/** Bytes of log between two copies of the kept rows in the store, at least. */
const CHECKPOINT = 16_777_216n;
/** The first id of a normal transaction. @source transam.h: FirstNormalTransactionId */
const FIRST_XID = 3;
const MAX_GID = 199;
const utf8 = new TextEncoder();

/**
 * A publisher of changes. What `transaction` has resolved for is in the store, and every slot gets it exactly once in the order of commits.
 *
 * @example
 * const publisher = await Publisher.open();
 * const fruit = await publisher.table({ name: "fruit", columns: [{ name: "name", type: "text", key: true }] });
 * publisher.publication("all_fruit", { tables: [fruit] });
 * (await publisher.transaction((t) => t.insert(fruit, ["apple"]))).xid // 3
 */
export class Publisher {
  /** The types of the tables' columns. */
  readonly typeMap: TypeMap;
  /** Identifies it, as IDENTIFY_SYSTEM does a cluster: made with the store. */
  readonly systemid: bigint;
  /** Bytes of changes from which on a transaction is streamed in segments. */
  readonly workMemory: number;
  /** A count of the changes of publications. */
  revision = 0;

  readonly #store: PublisherStore;
  readonly #snapshot: (() => PublisherSnapshot) | undefined;
  readonly #streamRolledBack: boolean;
  readonly #context: TransactionContext;
  readonly #queue: AppendQueue;
  readonly #tables: Table[];
  readonly #byName = new Map<string, Table>();
  readonly #publications = new Map<string, Publication>();
  readonly #slots = new Map<string, SlotState>();
  /** Those without an outcome, by gid. */
  readonly #prepared = new Map<string, Prepared>();
  /** Those with an outcome that a slot may not have read yet, in the order of their outcomes. */
  readonly #resolved: Prepared[] = [];
  readonly #rows: KeptRows | undefined;
  /** The kept rows are in the store as of here. */
  #rowsLsn: Lsn = invalidLsn;
  #savingRows: Promise<void> | undefined;
  #nextXid = FIRST_XID;
  #mark: string | undefined;
  #saving: Promise<void> | undefined;
  #saveAgain: Promise<void> | undefined;
  #closed = false;

  private constructor(options: PublisherOptions, store: PublisherStore, end: Lsn, { systemid, tables }: StoredTables) {
    const { typeMap = new TypeMap(), keepRows = false, snapshot, now = () => pgTimeFromDate(new Date()) } = options;
    const { transactionMemory: limit = 268_435_456, workMemory = 67_108_864 } = options;
    this.typeMap = typeMap;
    this.systemid = BigInt(systemid);
    this.workMemory = workMemory;
    this.#store = store;
    this.#queue = new AppendQueue(store, end);
    this.#snapshot = snapshot;
    this.#streamRolledBack = options.streamRolledBack ?? false;
    this.#tables = [...tables];
    const hasTable = (table: unknown) =>
      typeof table === "object" && table !== null && this.#tables[(table as Table).id - FIRST_NORMAL_OID] === table;
    this.#context = { typeMap, limit, now, hasTable };
    for (const table of tables) this.#byName.set(nameOf(table), table);
    if (keepRows) this.#rows = new KeptRows((id) => this.tableForm(id));
  }

  /**
   * Open a publisher on a store. What a crash has left unfinished there was never acknowledged, and is removed.
   *
   * @throws DecodeError for a store that is damaged; ArgumentError for an invalid option; what the store throws.
   */
  static async open(options: PublisherOptions = {}): Promise<Publisher> {
    checkOptions(options, [
      "store",
      "typeMap",
      "keepRows",
      "snapshot",
      "transactionMemory",
      "workMemory",
      "streamRolledBack",
      "now",
    ]);
    const { store = new MemoryStore(), keepRows, snapshot, transactionMemory, workMemory, now } = options;
    checkType("options.keepRows", keepRows, "boolean");
    checkType("options.streamRolledBack", options.streamRolledBack, "boolean");
    checkType("options.snapshot", snapshot, "function");
    checkType("options.now", now, "function");
    checkWhole("options.transactionMemory", transactionMemory ?? 0, 0, Number.MAX_SAFE_INTEGER);
    checkWhole("options.workMemory", workMemory ?? 0, 0, Number.MAX_SAFE_INTEGER);
    const { start, tail, end } = await store.open();
    try {
      const stored = (await loadJson(store, DOCUMENT.tables)) as StoredTables | undefined;
      // A log without tables is one that has just been made.
      const tables = stored ?? { systemid: String(newSystemId(now ?? (() => pgTimeFromDate(new Date())))), tables: [] };
      const whole = await wholeEnd(store, start, tail, end);
      if (whole !== end) await store.cut(whole);
      const publisher = new Publisher(options, store, whole, tables);
      if (stored === undefined) await publisher.#saveTables();
      await publisher.#recover(start);
      return publisher;
    } catch (error) {
      // What is wrong with the store is the error, not what closing it may throw.
      await store.close().catch(() => {});
      throw error;
    }
  }

  /** The end of the log: everything that is stored is before it. */
  get end(): Lsn {
    return this.#queue.end;
  }

  /** The mark of what was stored last with one; undefined if nothing was. */
  get mark(): string | undefined {
    return this.#mark;
  }

  /** The tables in their present form. */
  get tables(): readonly Table[] {
    return [...this.#byName.values()];
  }

  /** The publications. */
  get publications(): readonly Publication[] {
    return [...this.#publications.values()];
  }

  /** The slots. */
  get slots(): readonly PublisherSlot[] {
    return Array.from(this.#slots.values(), slotOf);
  }

  /** The prepared transactions. */
  get prepared(): readonly PreparedTransaction[] {
    return Array.from(this.#prepared, ([gid, { header }]) => ({ gid, xid: header.xid, prepared: header.time }));
  }

  /**
   * Declare a table, or declare it otherwise: transactions from then on have its new form. Do so at each start, before publications.
   *
   * @throws ArgumentError for an invalid declaration; what the store throws.
   */
  async table(declaration: TableDeclaration): Promise<Table> {
    this.#mustBeOpen();
    const checked = checkedTable(declaration);
    const known = this.#byName.get(nameOf(checked));
    if (known !== undefined && isSameTable(known, checked)) return known;
    const id = FIRST_NORMAL_OID + this.#tables.length;
    const table: Table = { id, relationId: known?.relationId ?? id, ...checked };
    this.#tables.push(table);
    this.#byName.set(nameOf(table), table);
    await this.#saveTables();
    return table;
  }

  /** @internal A form of a table by its id. @throws DecodeError for an id that the store does not know */
  tableForm(id: number): Table {
    const table = this.#tables[id - FIRST_NORMAL_OID];
    if (table === undefined)
      throw new DecodeError("BAD_VALUE", "log", 0, `the log names table ${id}, which the store does not have`);
    return table;
  }

  /** Declare a publication, or declare it otherwise. Publications are not in the store: declare them at each start. @throws ArgumentError */
  publication(name: string, declaration: PublicationDeclaration): Publication {
    this.#mustBeOpen();
    const publication = checkedPublication(name, declaration);
    this.#publications.set(name, publication);
    this.revision++;
    return publication;
  }

  /** A publication by its name; undefined if there is none. */
  publicationOf(name: string): Publication | undefined {
    return this.#publications.get(name);
  }

  /** Forget a publication. @returns whether there was one. */
  dropPublication(name: string): boolean {
    const known = this.#publications.delete(name);
    if (known) this.revision++;
    return known;
  }

  /**
   * Write a transaction. When it resolves, the transaction is stored: no crash loses it.
   *
   * @param write Makes the changes. If it throws, nothing is stored. It may be asynchronous; transactions are in the order in which
   *   these functions end.
   * @throws what `write` throws, and what the store throws: then nothing of the transaction is stored.
   */
  async transaction(
    write: (transaction: PublisherTransaction) => unknown,
    options: TransactionOptions = {},
  ): Promise<Committed> {
    checkOptions(options, ["origin", "committed", "mark"]);
    return this.#write(write, options);
  }

  /**
   * Write a transaction and prepare it, as PREPARE TRANSACTION: it is stored, and waits for `commitPrepared` or `rollbackPrepared`.
   *
   * @param gid Its identifier, at most 199 bytes.
   * @throws as `transaction`; ArgumentError if a transaction with this identifier is prepared.
   */
  async prepare(
    gid: string,
    write: (transaction: PublisherTransaction) => unknown,
    options: TransactionOptions = {},
  ): Promise<Committed> {
    checkOptions(options, ["origin", "committed", "mark"]);
    mustBeGid(gid);
    return this.#write(write, { ...options, gid });
  }

  /** Commit a prepared transaction. @throws ArgumentError if there is none of this identifier; what the store throws */
  commitPrepared(gid: string, options: MarkOptions = {}): Promise<Committed> {
    return this.#resolve(gid, true, options);
  }

  /** Roll back a prepared transaction. @throws as `commitPrepared` */
  rollbackPrepared(gid: string, options: MarkOptions = {}): Promise<Committed> {
    return this.#resolve(gid, false, options);
  }

  /**
   * Write a message outside of transactions, as pg_logical_emit_message(false, …).
   *
   * @param content Bytes, or text.
   * @returns the position behind it.
   * @throws what the store throws.
   */
  async message(prefix: string, content: Uint8Array | string, options: MarkOptions = {}): Promise<Lsn> {
    const mark = markOf(options);
    const message = messageOf(false, prefix, content);
    let endLsn = invalidLsn;
    await this.#append(
      mark,
      (at) => {
        const piece = encodePiece({ type: "message", message }, at);
        endLsn = after(at, piece);
        return [piece];
      },
      () => {},
    );
    return endLsn;
  }

  /** Store what is being written, save the slots, and close the store, in every case. @throws what the store throws */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#queue.close();
    await this.#savingRows;
    try {
      await this.#saveSlots();
    } finally {
      await this.#store.close();
    }
  }

  async #write(write: (transaction: PublisherTransaction) => unknown, options: CommitOptions): Promise<Committed> {
    if (typeof write !== "function") refuseArgument("write", "a function that writes the transaction", write);
    const transaction = this.begin();
    try {
      await write(transaction);
    } catch (error) {
      recordsOfTransaction(transaction);
      throw error;
    }
    return this.commit(transaction, options);
  }

  /** @internal A transaction to write, for `commit`. */
  begin(): PublisherTransaction {
    this.#mustBeOpen();
    return new PublisherTransaction(this.#context);
  }

  /** @internal Store a transaction, which is over. Transactions are in the order of the calls. @throws as `transaction` */
  async commit(transaction: PublisherTransaction, options: CommitOptions = {}): Promise<Committed> {
    const { origin, committed, gid, time } = options;
    if (gid !== undefined) mustBeGid(gid);
    const mark = markOf(options);
    const written = recordsOfTransaction(transaction);
    this.#mustBeOpen();
    const { subtransactions } = written;
    // Only streams of transactions in progress would have what was rolled back.
    const streams = this.#streamRolledBack && written.size > this.workMemory;
    const records = streams ? written.records : written.records.filter(isKept);
    let result!: Committed;
    let prepared!: Prepared;
    await this.#append(
      mark,
      (at) => {
        if (gid !== undefined && this.#prepared.has(gid))
          refuseArgument("gid", "one that is not prepared already", gid);
        const xid = this.#takeXids(subtransactions + 1);
        const size = records.reduce((sum, record) => sum + sizeOfRecord(record), 0);
        const header = { xid, subtransactions, time: time ?? this.#context.now(), gid, origin, size };
        const { pieces, finalLsn, endLsn } = encodeTransaction(at, header, records);
        result = { xid, commitLsn: finalLsn, endLsn };
        prepared = { header: { ...header, finalLsn, endLsn }, beginLsn: at, outcomeLsn: undefined };
        if (gid !== undefined) this.#prepared.set(gid, prepared);
        return pieces;
      },
      () => {
        if (gid === undefined) this.#apply(records);
        committed?.(result);
      },
    ).catch((error: unknown) => {
      if (gid !== undefined && this.#prepared.get(gid) === prepared) this.#prepared.delete(gid);
      throw error;
    });
    this.#checkpoint();
    return result;
  }

  /** Append, with a mark before it if there is one. */
  #append(
    mark: string | undefined,
    make: (at: Lsn) => readonly Uint8Array[],
    stored: () => void | Promise<void>,
  ): Promise<void> {
    if (mark === undefined) return this.#queue.append(make, stored);
    return this.#queue.append(
      (at) => {
        const piece = encodePiece({ type: "mark", mark }, at);
        return [piece, ...make(after(at, piece))];
      },
      () => {
        this.#mark = mark;
        return stored();
      },
    );
  }

  async #resolve(gid: string, committed: boolean, options: MarkOptions): Promise<Committed> {
    mustBeGid(gid);
    const mark = markOf(options);
    this.#mustBeOpen();
    let result!: Committed;
    let prepared: Prepared | undefined;
    await this.#append(
      mark,
      (at) => {
        prepared = this.#prepared.get(gid);
        if (prepared === undefined || prepared.outcomeLsn !== undefined) {
          throw new ArgumentError("gid", `prepared transaction with identifier "${gid}" does not exist`);
        }
        const { beginLsn, header } = prepared;
        const piece = encodePiece({ type: "outcome", committed, time: this.#context.now(), beginLsn }, at);
        result = { xid: header.xid, commitLsn: at, endLsn: after(at, piece) };
        prepared.outcomeLsn = at;
        return [piece];
      },
      async () => {
        this.#prepared.delete(gid);
        this.#resolved.push(prepared!);
        if (committed && this.#rows !== undefined) await this.#applyPrepared(prepared!);
      },
    ).catch((error: unknown) => {
      if (prepared !== undefined && this.#prepared.get(gid) === prepared) prepared.outcomeLsn = undefined;
      throw error;
    });
    this.#checkpoint();
    return result;
  }

  /** Transaction ids wrap around, past those that are not normal. */
  #takeXids(count: number): number {
    const xid = this.#nextXid + count > 0xffffffff ? FIRST_XID : this.#nextXid;
    this.#nextXid = xid + count;
    return xid;
  }

  #apply(records: Iterable<NewRecord>): void {
    if (this.#rows === undefined) return;
    for (const record of records) {
      if (record.type === "change" && !record.rolledBack) this.#rows.apply(record.message);
    }
  }

  async #applyPrepared({ beginLsn, header }: Prepared): Promise<void> {
    for await (const pieces of readPieces(this.#store, beginLsn, header.endLsn)) {
      for (const piece of pieces) if (piece.type === "changes") this.#apply(recordsOf(piece));
    }
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new StateError("the publisher is closed");
  }

  /**
   * Create a slot: it gets every transaction that commits from now on.
   *
   * @param options.snapshot Also give the rows as they are at this position.
   * @throws ServerError 42710 if there is one of this name; what the store throws.
   */
  async createSlot(slotname: string, options: SlotOptions = {}): Promise<CreatedSlot> {
    mustBeSlotName(slotname);
    checkOptions(options, ["temporary", "user", "twoPhase", "failover", "snapshot"]);
    const { user, ...flags } = options;
    const { temporary = false, twoPhase = false, failover = false, snapshot = false } = flags;
    checkUser(user);
    for (const [name, value] of Object.entries(flags)) checkType(`options.${name}`, value, "boolean");
    if (failover && temporary) throw noFailover();
    const untilError = user?.untilError;
    const created = await this.#queue.between(() => {
      if (this.#slots.has(slotname)) throw errorOf("DUPLICATE_OBJECT", `replication slot "${slotname}" already exists`);
      if (untilError?.aborted === true) throw new StateError("the session that creates the slot has failed or ended");
      const at = this.#queue.end;
      const positions = { confirmedFlush: at, restartLsn: at, twoPhaseAt: twoPhase ? at : undefined };
      const owner = temporary ? user : undefined;
      // What cannot be trimmed now is trimmed with the next save.
      const use = new SlotUse(slotname, owner, () => void this.#drop(slot).catch(() => {}));
      const slot = newSlot({ slotname, ...positions, failover, temporary }, use);
      this.#slots.set(slotname, slot);
      return { slot, snapshot: snapshot ? this.#takeSnapshot(at) : undefined };
    });
    if (!temporary) await this.#saveSlots();
    return { slot: slotOf(created.slot), snapshot: created.snapshot };
  }

  /** A slot by its name. @throws ServerError 42704 */
  slot(slotname: string): PublisherSlot {
    return slotOf(this.#slot(slotname));
  }

  /** @internal Check that a slot is there and that nobody else uses it. @throws ServerError 42704, 55006 */
  mustBeFree(slotname: string, user?: SlotUser): void {
    this.#slot(slotname).use.mustBeFree(user);
  }

  /**
   * Drop a slot.
   *
   * @throws ServerError 42704 if there is none, 55006 if it is in use; what the store throws.
   */
  async dropSlot(slotname: string, options: SlotWaitOptions = {}): Promise<void> {
    checkWait(options);
    await this.#drop(await freeSlot(() => this.#slot(slotname), options));
  }

  /** Change a slot. @throws as `dropSlot`; ServerError 0A000 for `failover` of a temporary one */
  async alterSlot(
    slotname: string,
    changes: { readonly failover?: boolean | undefined; readonly twoPhase?: boolean | undefined },
    options: SlotWaitOptions = {},
  ): Promise<void> {
    checkOptions(changes, ["failover", "twoPhase"], "changes");
    for (const [name, value] of Object.entries(changes)) checkType(`changes.${name}`, value, "boolean");
    checkWait(options);
    const slot = await freeSlot(() => this.#slot(slotname), options);
    const { failover = slot.failover, twoPhase } = changes;
    if (failover && slot.temporary) throw noFailover();
    slot.failover = failover;
    if (twoPhase === false) slot.twoPhaseAt = undefined;
    else if (twoPhase === true) slot.twoPhaseAt ??= slot.confirmedFlush;
    await this.#saveSlots();
  }

  /**
   * Use a slot, alone.
   *
   * @param user Who uses it: others get an error until it is released.
   * @throws ServerError 42704, 55006
   */
  acquireSlot(slotname: string, user: SlotUser): AcquiredSlot {
    const slot = this.#slot(slotname);
    checkUser(user, "user");
    slot.use.acquire(user);
    return {
      slot,
      enableTwoPhase: (at) => {
        slot.twoPhaseAt ??= at;
        return this.#saveSlots();
      },
      confirm: (flushed, restart) => {
        if (flushed <= slot.confirmedFlush) return Promise.resolve();
        slot.confirmedFlush = flushed;
        if (restart > slot.restartLsn) slot.restartLsn = restart;
        return this.#saveSlots();
      },
      release: () => slot.use.release(),
    };
  }

  /** @internal The pieces of the log from one position, where a transaction begins or ended, up to another. @throws DecodeError */
  pieces(from: Lsn, to: Lsn): AsyncGenerator<readonly PlacedPiece[], void, undefined> {
    return readPieces(this.#store, from, to);
  }

  /** @internal Resolves when the log ends behind this position, `signal` is aborted, or the publisher is closed. */
  grown(position: Lsn, signal: Stop): Promise<void> {
    return this.#queue.grown(position, signal);
  }

  /** The rows as they are now, for a copy that belongs to no slot. */
  snapshot(): Promise<CopySnapshot> {
    return this.#queue.between(() => this.#takeSnapshot(this.#queue.end));
  }

  /** A temporary one still holds the log, which saving trims. */
  #drop(slot: SlotState): Promise<void> {
    if (this.#slots.get(slot.slotname) === slot) this.#slots.delete(slot.slotname);
    slot.use.end();
    return this.#saveSlots();
  }

  #slot(slotname: string): SlotState {
    mustBeSlotName(slotname);
    const slot = this.#slots.get(slotname);
    if (slot === undefined) throw errorOf("UNDEFINED_OBJECT", `replication slot "${slotname}" does not exist`);
    return slot;
  }

  /** The rows as of the end of the log, in which nothing is appended meanwhile. */
  #takeSnapshot(lsn: Lsn): CopySnapshot {
    const { typeMap } = this;
    if (this.#rows !== undefined) {
      const kept = this.#rows.snapshot();
      return {
        lsn,
        async *rows(table) {
          for (const { table: form, row } of kept.rows(table.relationId)) yield reformed(row, form, table);
        },
        async close() {},
      };
    }
    const given = this.#snapshot?.();
    return {
      lsn,
      async *rows(table) {
        if (given === undefined) return;
        for await (const row of given.rows(table)) yield wholeRow(table, typeMap, row);
      },
      async close() {
        await given?.close?.();
      },
    };
  }

  /** Save the slots; calls that come meanwhile share the next one. */
  #saveSlots(): Promise<void> {
    if (this.#saving === undefined) {
      this.#saving = this.#saveSlotsNow().finally(() => {
        this.#saving = undefined;
      });
      return this.#saving;
    }
    this.#saveAgain ??= this.#saving
      .catch(() => {})
      .then(() => {
        this.#saveAgain = undefined;
        return this.#saveSlots();
      });
    return this.#saveAgain;
  }

  async #saveSlotsNow(): Promise<void> {
    const slots = [...this.#slots.values()];
    const kept = slots.filter(({ temporary }) => !temporary);
    const lowest = slots.map(({ restartLsn }) => restartLsn).reduce(lower, this.#queue.end);
    // Prepared transactions are read again when they commit.
    while (this.#resolved[0] !== undefined && this.#resolved[0].outcomeLsn! < lowest) this.#resolved.shift();
    const prepared = [...this.#prepared.values(), ...this.#resolved].map(({ beginLsn }) => beginLsn);
    const trim = [...prepared, ...(this.#rows === undefined ? [] : [this.#rowsLsn])].reduce(lower, lowest);
    await saveJson(this.#store, DOCUMENT.slots, {
      nextXid: this.#nextXid,
      mark: this.#mark,
      slots: kept.map(({ slotname, confirmedFlush, restartLsn, twoPhaseAt, failover }) => ({
        slotname,
        confirmedFlush: formatLsn(confirmedFlush),
        restartLsn: formatLsn(restartLsn),
        twoPhaseAt: twoPhaseAt && formatLsn(twoPhaseAt),
        failover,
      })),
    } satisfies StoredSlots);
    await this.#store.trim(trim);
  }

  #saveTables(): Promise<void> {
    const tables: StoredTables = { systemid: String(this.systemid), tables: this.#tables };
    return saveJson(this.#store, DOCUMENT.tables, tables);
  }

  /** Save the kept rows, if the log has grown so much since that reading it at the next start would take longer. */
  #checkpoint(): void {
    const rows = this.#rows;
    if (rows === undefined || this.#savingRows !== undefined || this.#closed) return;
    const grown = this.#queue.end - this.#rowsLsn;
    if (grown < CHECKPOINT || grown < BigInt(2 * rows.size)) return;
    this.#savingRows = this.#queue
      .between(() => ({ lsn: this.#queue.end, messages: rows.messages() }))
      .then(async ({ lsn, messages }) => {
        await this.#store.save(DOCUMENT.rows, rowsDocument(lsn, messages));
        this.#rowsLsn = lsn;
        await this.#saveSlots();
      })
      // The next transaction tries again; until then the log is kept.
      .catch(() => {})
      .finally(() => {
        this.#savingRows = undefined;
      });
  }

  /** Read what the store has. */
  async #recover(start: Lsn): Promise<void> {
    const stored = (await loadJson(this.#store, DOCUMENT.slots)) as StoredSlots | undefined;
    this.#nextXid = stored?.nextXid ?? FIRST_XID;
    this.#mark = stored?.mark;
    for (const { confirmedFlush, restartLsn, twoPhaseAt, ...slot } of stored?.slots ?? []) {
      const positions = {
        confirmedFlush: parseLsn(confirmedFlush),
        restartLsn: parseLsn(restartLsn),
        twoPhaseAt: twoPhaseAt === undefined ? undefined : parseLsn(twoPhaseAt),
      };
      this.#slots.set(slot.slotname, newSlot({ ...slot, ...positions, temporary: false }, new SlotUse(slot.slotname)));
    }
    if (this.#rows !== undefined) await this.#loadRows(start, this.#rows);
    const byBegin = new Map<Lsn, Prepared>();
    let open: Extract<PlacedPiece, { type: "begin" }> | undefined;
    for await (const pieces of this.pieces(start, this.#queue.end)) {
      for (const piece of pieces) {
        const isNew = piece.lsn >= this.#rowsLsn;
        switch (piece.type) {
          case "begin":
            open = piece;
            this.#nextXid = Math.max(FIRST_XID, piece.header.xid + piece.header.subtransactions + 1);
            if (piece.prepare) {
              const prepared = { header: piece.header, beginLsn: piece.lsn, outcomeLsn: undefined };
              byBegin.set(piece.lsn, prepared);
              this.#prepared.set(piece.header.gid!, prepared);
            }
            break;
          case "changes":
            if (isNew && open?.prepare === false) this.#apply(recordsOf(piece));
            break;
          case "mark":
            this.#mark = piece.mark;
            break;
          case "outcome": {
            const prepared = byBegin.get(piece.beginLsn);
            // It was prepared before the log begins, so every slot has it.
            if (prepared === undefined) break;
            prepared.outcomeLsn = piece.lsn;
            this.#prepared.delete(prepared.header.gid!);
            this.#resolved.push(prepared);
            if (isNew && piece.committed && this.#rows !== undefined) await this.#applyPrepared(prepared);
            break;
          }
        }
      }
    }
  }

  async #loadRows(start: Lsn, rows: KeptRows): Promise<void> {
    const chunks = await this.#store.load(DOCUMENT.rows);
    this.#rowsLsn = FIRST_LSN;
    if (chunks !== undefined) this.#rowsLsn = await readRowsDocument(chunks, (message) => rows.apply(message));
    if (start > this.#rowsLsn)
      refuseArgument("options.keepRows", "false, as the store was used without kept rows before", true);
  }
}

/** The document of the tables, which also says which store it is. */
interface StoredTables {
  readonly systemid: string;
  readonly tables: readonly Table[];
}

/** The document of the slots. */
interface StoredSlots {
  /** The log may no longer have the last transaction. */
  readonly nextXid: number;
  readonly mark?: string | undefined;
  readonly slots: readonly {
    readonly slotname: string;
    readonly confirmedFlush: string;
    readonly restartLsn: string;
    readonly twoPhaseAt: string | undefined;
    readonly failover: boolean;
  }[];
}

/** As initdb makes one: the seconds since 1970 in the high half. @source xlog.c: BootStrapXLOG */
function newSystemId(now: () => PgTime): bigint {
  const seconds = (now() - pgTimeFromDate(new Date(0))) / 1_000_000n;
  return (BigInt.asUintN(32, seconds) << 32n) | BigInt(Math.floor(Math.random() * 2 ** 32));
}

async function loadJson(store: PublisherStore, name: string): Promise<unknown> {
  const chunks = await store.load(name);
  if (chunks === undefined) return undefined;
  const text = new TextDecoder();
  let json = "";
  for await (const chunk of chunks) json += text.decode(chunk, { stream: true });
  try {
    return JSON.parse(json + text.decode());
  } catch {
    throw new DecodeError("BAD_VALUE", name, 0, `the document ${name} of the store is not JSON`);
  }
}

function saveJson(store: PublisherStore, name: string, value: unknown): Promise<void> {
  return store.save(name, [utf8.encode(JSON.stringify(value))]);
}

/** The end of the last whole transaction. @throws DecodeError if what is damaged cannot be what a crash has left unfinished */
async function wholeEnd(store: PublisherStore, start: Lsn, tail: Lsn, end: Lsn): Promise<Lsn> {
  let whole = start;
  let inside = false;
  try {
    for await (const pieces of readPieces(store, start, end)) {
      for (const { type, endLsn } of pieces) {
        inside = type === "begin" || type === "changes" || type === "mark";
        if (!inside) whole = endLsn;
      }
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    if (whole < tail) throw error;
  }
  return whole;
}

/** @throws ArgumentError */
function mustBeGid(gid: unknown): void {
  if (typeof gid === "string" && gid !== "" && !gid.includes("\0") && utf8.encode(gid).length <= MAX_GID) return;
  refuseArgument("gid", `text of 1 to ${MAX_GID} bytes`, gid);
}

/** @throws ArgumentError. What a name may be the walsender looks at. */
function mustBeSlotName(slotname: unknown): void {
  if (typeof slotname !== "string") refuseArgument("slotname", "a string", slotname);
}

/** @throws ArgumentError */
function markOf(options: MarkOptions): string | undefined {
  checkObject("options", options);
  const { mark } = options;
  checkType("options.mark", mark, "string");
  return mark;
}

function isKept(record: NewRecord): boolean {
  return record.type === "change" && !record.rolledBack;
}

function after(at: Lsn, piece: Uint8Array): Lsn {
  return toLsn(at + BigInt(piece.length));
}

function lower(a: Lsn, b: Lsn): Lsn {
  return a < b ? a : b;
}

/** The pieces of a transaction from a position on. */
function encodeTransaction(
  at: Lsn,
  header: Omit<TransactionHeader, "finalLsn" | "endLsn">,
  records: readonly NewRecord[],
): { readonly pieces: readonly Uint8Array[]; readonly finalLsn: Lsn; readonly endLsn: Lsn } {
  const groups: NewRecord[][] = [];
  let room = 0;
  for (const record of records) {
    const size = sizeOfRecord(record);
    if (size > room) {
      groups.push([]);
      room = PIECE;
    }
    groups.at(-1)!.push(record);
    room -= size;
  }
  const prepare = header.gid !== undefined;
  const begin = (finalLsn: Lsn, endLsn: Lsn) =>
    encodePiece({ type: "begin", prepare, header: { ...header, finalLsn, endLsn } }, at);
  const first = after(at, begin(at, at));
  const finalLsn = toLsn(first + BigInt(header.size + groups.length * piecesOverhead));
  const end = encodePiece({ type: "end", beginLsn: at }, finalLsn);
  const endLsn = after(finalLsn, end);
  const pieces = [begin(finalLsn, endLsn)];
  let lsn = first;
  for (const group of groups) {
    const piece = encodePiece({ type: "changes", bytes: encodeRecords(group) }, lsn);
    pieces.push(piece);
    lsn = after(lsn, piece);
  }
  return { pieces: [...pieces, end], finalLsn, endLsn };
}

/** The kept rows in the store: their position, then messages, each after its length. */
function* rowsDocument(lsn: Lsn, messages: Iterable<Uint8Array>): Generator<Uint8Array> {
  const head = new Uint8Array(8);
  new DataView(head.buffer).setBigUint64(0, lsn);
  yield head;
  for (const message of messages) {
    const bytes = new Uint8Array(4 + message.length);
    new DataView(bytes.buffer).setUint32(0, message.length);
    bytes.set(message, 4);
    yield bytes;
  }
}

async function readRowsDocument(chunks: AsyncIterable<Uint8Array>, each: (message: Uint8Array) => void): Promise<Lsn> {
  let left = new Uint8Array(0);
  let lsn: Lsn | undefined;
  for await (const chunk of chunks) {
    const bytes = new Uint8Array(left.length + chunk.length);
    bytes.set(left);
    bytes.set(chunk, left.length);
    const view = new DataView(bytes.buffer);
    let at = 0;
    if (lsn === undefined && bytes.length >= 8) {
      lsn = toLsn(view.getBigUint64(0));
      at = 8;
    }
    while (lsn !== undefined && at + 4 <= bytes.length && at + 4 + view.getUint32(at) <= bytes.length) {
      const end = at + 4 + view.getUint32(at);
      each(bytes.subarray(at + 4, end));
      at = end;
    }
    left = bytes.slice(at);
  }
  if (lsn === undefined || left.length > 0) {
    throw new DecodeError("TRUNCATED", DOCUMENT.rows, 0, "the document rows of the store ends early");
  }
  return lsn;
}

/** A row of an earlier form of a table in a later one: columns by their names, new ones NULL. */
function reformed(row: TupleData, from: Table, to: Table): TupleData {
  if (from.id === to.id) return row;
  const position = to.columns.map(({ name }) => from.columns.findIndex((each) => each.name === name));
  return TupleData.of(position.map((i) => (i < 0 ? null : row.get(i))));
}

function newSlot(of: Omit<SlotState, "use" | "activePid">, use: SlotUse): SlotState {
  return {
    ...of,
    use,
    get activePid() {
      return use.activePid;
    },
  };
}

/** A slot as others see it, as it is now. */
function slotOf({ use: _, ...slot }: SlotState): PublisherSlot {
  return slot;
}

/** @throws ArgumentError */
function checkUser(user: unknown, name = "options.user"): void {
  if (user === undefined && name.startsWith("options.")) return;
  checkObject(name, user);
  checkWhole(`${name}.processId`, (user as SlotUser).processId, 0, 2 ** 31 - 1);
}

/** @throws ArgumentError */
function checkWait(options: SlotWaitOptions): void {
  checkOptions(options, ["wait", "signal", "user"]);
  checkType("options.wait", options.wait, "boolean");
  checkUser(options.user);
}

/** @source slot.c: ReplicationSlotCreate, ReplicationSlotAlter */
function noFailover(): Error {
  return errorOf("FEATURE_NOT_SUPPORTED", "cannot enable failover for a temporary replication slot");
}

function nameOf({ namespace, name }: Pick<Table, "namespace" | "name">): string {
  return `${namespace}\0${name}`;
}

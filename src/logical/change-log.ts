/**
 * ChangeLog: the changes of one unfinished transaction, in order, as bytes.
 *
 * Bytes are copied: a view would keep the whole received chunk alive, with changes of other transactions in it, and objects take
 * several times the memory (a row of two short columns: 56 bytes here; as objects 218, and the 39 bytes that they refer to; Node 20).
 * So memory is counted exactly, a chunk is spilled as it is, and reading is the same for spilled chunks.
 *
 * A record has the length of the message, its position in the WAL, the message, and the version of each relation that it names.
 * Numbers are in the byte order of the machine, an LSN in eight bytes and all others in four.
 */

import { type Message, type PgoutputContext, type RelationChange, readPgoutputMessage } from "../generated/logical.ts";
import { DecodeError } from "../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { Turns } from "../kernel/turns.ts";
import { lengthOf } from "../wire/check.ts";
import { newBytes, viewOf } from "../wire/parts.ts";
import { Reader } from "../wire/reader.ts";
import type { DescribedRelation } from "./described.ts";
import type { Account, RelationVersion } from "./memory.ts";

/**
 * A store for chunks that do not fit into memory. Keys are strings of digits, each written once. Each assembler needs its own store.
 * Results may be promises. `new Map()` is such a store, and so is a Keyv.
 */
export interface SpillStore {
  /** Keep a chunk. It never changes afterwards, so it need not be copied. */
  set(key: string, chunk: Uint8Array): unknown;
  /** The chunk of this key. */
  get(key: string): Uint8Array | undefined | PromiseLike<Uint8Array | undefined>;
  /** Delete a chunk. */
  delete(key: string): unknown;
}

/** A change of rows of one table. */
export type RowChange = Exclude<RelationChange, { readonly relationIds: unknown }>;

/** A change with its relations as they were when it was sent. */
type Described<C> = C extends { readonly relationIds: unknown }
  ? C & { readonly relations: readonly DescribedRelation[]; readonly lsn: Lsn | undefined }
  : C & { readonly relation: DescribedRelation; readonly lsn: Lsn | undefined };

/** What is returned for a RowChange. */
export type MakeRow<R> = (message: RowChange, relation: DescribedRelation, lsn: Lsn | undefined) => R;

/** Changes as they are returned, with R for those of rows. */
export type ChangesWith<R> = readonly (R | Described<Exclude<RelationChange, RowChange>> | Message)[];

/**
 * A change of a table, with its relation as it was when the change was sent, and its position in the WAL if `receive` was given it;
 * or a transactional message.
 */
export type Change = Described<RelationChange> | Message;

interface Chunk {
  /** Its offset in the log, in bytes. */
  readonly start: number;
  /** Undefined once it is in the spill. */
  bytes: Uint8Array | undefined;
  view: DataView | undefined;
  /** The number of its bytes in use. A rollback only shortens this. */
  length: number;
  /** Its key, length and checksum in the spill. */
  key: string;
  written: number;
  checksum: number;
}

/** Bytes that grow at their end. */
interface Growing {
  readonly bytes: Uint8Array | undefined;
  readonly view: DataView | undefined;
  length: number;
}

/**
 * Memory in which one log after the other grows, instead of in a chunk: only one transaction at a time is collected outside of segments.
 * A chunk is made when it ends, as long as it must be, and as a part of a shared buffer if it is small: a transaction of four rows then
 * takes 1.8 microseconds; 4.6 with a buffer of its own, and more with one that grows (Node 20).
 *
 * What a log has in it is counted as the memory of that log. It is as large as the largest one was, at most a chunk.
 */
export class Scratch implements Growing {
  bytes: Uint8Array = new Uint8Array(0);
  view: DataView = new DataView(this.bytes.buffer);
  length = 0;

  /** Make room for so many bytes. */
  room(size: number): void {
    const needed = this.length + size;
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.min(CHUNK, Math.max(FIRST, 2 * needed)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }
}

/** The first change of a subtransaction: its position in the log. */
interface Mark {
  readonly xid: number;
  readonly offset: number;
  readonly count: number;
  /** The number of relation versions before it. */
  readonly relations: number;
}

/** The first chunk of a log, in bytes. */
const FIRST = 256;
/** The size up to which chunks grow, in bytes. A larger message has its own chunk. */
const CHUNK = 262_144;
const NUMBER = 4;
const LSN = 8;
/** So many versions of relations are searched; of more, there is a Map. */
const FEW = 8;

/** Bytes of memory of an empty log with its owner, and of a subtransaction: measured (Node 20). */
const EMPTY = 330;
const MARK = 120;
/** Bytes of memory of a reference to a relation. */
const NAMED = 60;
/** Bytes of memory of a chunk without its contents, as after a spill. */
const CHUNK_ENTRY = 250;

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

export class ChangeLog {
  /** The number of changes in it. */
  count = 0;

  readonly #context: PgoutputContext;
  readonly #account: Account;
  #chunks: Chunk[] = [];
  #length = 0;
  /** The part of `#account` that this log takes, and how much of that a spill does not free. */
  #memory = 0;
  #fixed = 0;
  /** Subtransactions in the order of their first changes, without those that were rolled back. */
  readonly #marks: Mark[] = [];
  #markOf: Map<number, Mark> | undefined;
  /** The versions of relations that changes name, which are retained until it is released. */
  readonly #relations: RelationVersion[] = [];
  #numbers: Map<RelationVersion, number> | undefined;
  #isReleased = false;
  #scratch: Scratch | undefined;

  /**
   * @param context The context for decoding its messages.
   * @param scratch Its memory until `seal`, before which nothing is read; no other log has it until then.
   */
  constructor(context: PgoutputContext, account: Account, scratch: Scratch | undefined) {
    this.#context = context;
    this.#account = account;
    this.#scratch = scratch;
    // The log before may not have been sealed.
    if (scratch !== undefined) scratch.length = 0;
    this.keep(EMPTY);
  }

  /** Nothing more is added. */
  seal(): void {
    this.#save();
    this.#scratch = undefined;
  }

  /** Count memory that stays in use as long as this log exists. */
  keep(bytes: number): void {
    this.#fixed += bytes;
    this.#account.fixed += bytes;
    this.#grow(bytes);
  }

  /** Bytes in memory. */
  get memory(): number {
    return this.#memory;
  }

  /** The versions of relations that its changes name, each once; those of one relation in the order in which they came. */
  get relations(): readonly DescribedRelation[] {
    return this.#relations.map(({ relation }) => relation);
  }

  /** Bytes in memory that `spill` would free. */
  get spillable(): number {
    return this.#memory - this.#fixed;
  }

  /** A change of this subtransaction follows. */
  mark(xid: number): void {
    if (this.#marks.at(-1)?.xid === xid || this.#markOf?.has(xid)) return;
    const mark: Mark = { xid, offset: this.#length, count: this.count, relations: this.#relations.length };
    this.#marks.push(mark);
    this.#markOf ??= new Map();
    this.#markOf.set(xid, mark);
    this.keep(MARK);
  }

  /**
   * Add a message: its bytes are copied.
   *
   * @param lsn Its position in the WAL; undefined if unknown.
   */
  append(message: Uint8Array, relations: readonly RelationVersion[], lsn: Lsn | undefined): void {
    const length = lengthOf(message);
    const size = NUMBER + LSN + length + NUMBER * relations.length;
    const chunk = this.#room(size);
    const view = chunk.view!;
    let at = chunk.length;
    view.setUint32(at, length, littleEndian);
    view.setBigUint64(at + NUMBER, lsn ?? invalidLsn, littleEndian);
    at += NUMBER + LSN;
    chunk.bytes!.set(message, at);
    at += length;
    for (const relation of relations) {
      view.setUint32(at, this.#number(relation), littleEndian);
      at += NUMBER;
    }
    chunk.length = at;
    this.#length += size;
    this.count++;
  }

  /**
   * A subtransaction was rolled back: cut off everything from its first change on.
   *
   * After that change there are only its own changes, those of subtransactions inside it, and those of its parent if it was released
   * and the parent is rolled back too: nothing else writes until it ends. So everything cut off was rolled back, whatever its xid.
   * That matters for messages: servers send those of a subtransaction with the xid of the toplevel transaction.
   *
   * @returns keys of the spill that are no longer needed
   * @source worker.c: stream_abort_internal
   */
  cutFrom(xid: number): string[] {
    const mark = this.#markOf?.get(xid);
    // It has no change here, or it was cut off with its parent.
    if (mark === undefined) return [];
    let last: Mark;
    do {
      last = this.#marks.pop()!;
      this.#markOf!.delete(last.xid);
      this.keep(-MARK);
    } while (last !== mark);
    const gone: string[] = [];
    while ((this.#chunks.at(-1)?.start ?? -1) >= mark.offset) this.#forget(this.#chunks.pop()!, gone);
    const cut = this.#chunks.at(-1);
    if (cut !== undefined) cut.length = mark.offset - cut.start;
    this.#length = mark.offset;
    this.count = mark.count;
    for (const relation of this.#relations.splice(mark.relations)) {
      this.#numbers?.delete(relation);
      this.keep(-NAMED);
      this.#account.release(relation);
    }
    return gone;
  }

  /** Move everything in memory to the store. */
  async spill(store: SpillStore, newKey: () => string): Promise<void> {
    this.#save();
    for (const chunk of this.#chunks) {
      const { bytes } = chunk;
      if (bytes === undefined) continue;
      const written = bytes.subarray(0, chunk.length);
      chunk.key = newKey();
      chunk.written = written.length;
      chunk.checksum = checksumOf(written);
      await store.set(chunk.key, written);
      chunk.bytes = undefined;
      chunk.view = undefined;
      this.#grow(-bytes.length);
    }
  }

  /** The log is complete, and its memory no longer counts: it is the reader's. */
  release(): void {
    this.#account.bytes -= this.#memory;
    this.#account.fixed -= this.#fixed;
    this.#memory = this.#fixed = 0;
    this.#marks.length = 0;
    this.#markOf = undefined;
    if (!this.#isReleased) for (const relation of this.#relations) this.#account.release(relation);
    this.#isReleased = true;
    this.#numbers = undefined;
  }

  /** Forget everything. @returns keys of the spill that are no longer needed */
  clear(): string[] {
    const gone: string[] = [];
    for (const chunk of this.#chunks) if (chunk.bytes === undefined) gone.push(chunk.key);
    this.#chunks = [];
    this.#length = this.count = 0;
    this.release();
    return gone;
  }

  /**
   * The changes in order, a chunk at a time. They can be read again, and by several readers at once, until `clear`.
   *
   * @throws DecodeError if the store returns other bytes than it was given
   */
  async *read<R>(store: SpillStore | undefined, row: MakeRow<R>): AsyncGenerator<ChangesWith<R>, void, undefined> {
    const turns = new Turns();
    for (const chunk of this.#chunks) {
      if (chunk.length === 0) continue;
      if (turns.due) await turns.give();
      const bytes = chunk.bytes ?? checked(await store!.get(chunk.key), chunk);
      yield this.#changes(bytes, chunk.length, row);
    }
  }

  /** As `read`, at once; undefined if some of them are in the store. */
  readNow<R>(row: MakeRow<R>): Generator<ChangesWith<R>, void, undefined> | undefined {
    return this.#chunks.every(({ bytes }) => bytes !== undefined) ? this.#now(row) : undefined;
  }

  *#now<R>(row: MakeRow<R>): Generator<ChangesWith<R>, void, undefined> {
    for (const { bytes, length } of this.#chunks) if (length > 0) yield this.#changes(bytes!, length, row);
  }

  #changes<R>(bytes: Uint8Array, length: number, row: MakeRow<R>): ChangesWith<R> {
    const view = new DataView(bytes.buffer, bytes.byteOffset, length);
    const reader = new Reader(bytes);
    const changes: ChangesWith<R>[number][] = [];
    let at = 0;
    const relation = (): DescribedRelation => {
      const number = view.getUint32(at, littleEndian);
      at += NUMBER;
      return this.#relations[number]!.relation;
    };
    while (at < length) {
      const position = view.getBigUint64(at + NUMBER, littleEndian) as Lsn;
      const lsn = position === invalidLsn ? undefined : position;
      const start = at + NUMBER + LSN;
      at = start + view.getUint32(at, littleEndian);
      reader.part(start, at);
      const message = readPgoutputMessage(reader, this.#context) as RelationChange | Message;
      if (message.type === "Message") changes.push(message);
      else if ("relationIds" in message)
        changes.push({ ...message, relations: message.relationIds.map(relation), lsn });
      else changes.push(row(message, relation(), lsn));
    }
    return changes;
  }

  /** The number of a relation version in this log. */
  #number(relation: RelationVersion): number {
    const relations = this.#relations;
    const known = this.#numbers === undefined ? relations.indexOf(relation) : (this.#numbers.get(relation) ?? -1);
    if (known >= 0) return known;
    const number = relations.push(relation) - 1;
    if (relations.length > FEW) {
      this.#numbers ??= new Map(relations.map((each, i) => [each, i]));
      this.#numbers.set(relation, number);
    }
    this.keep(NAMED);
    this.#account.retain(relation);
    return number;
  }

  /** Where there is room for that many bytes. */
  #room(size: number): Growing {
    const scratch = this.#scratch;
    if (scratch !== undefined) {
      if (scratch.length + size > CHUNK) this.#save();
      if (size > CHUNK) return this.#add(size);
      scratch.room(size);
      this.#grow(size);
      return scratch;
    }
    const last = this.#chunks.at(-1);
    const bytes = last?.bytes;
    if (last === undefined || bytes === undefined) return this.#add(Math.max(FIRST, size));
    if (last.length + size <= bytes.length) return last;
    if (bytes.length >= CHUNK || last.length + size > CHUNK) return this.#add(Math.max(CHUNK, size));
    const larger = new Uint8Array(Math.min(CHUNK, Math.max(2 * bytes.length, last.length + size)));
    larger.set(bytes.subarray(0, last.length));
    last.bytes = larger;
    last.view = new DataView(larger.buffer);
    this.#grow(larger.length - bytes.length);
    return last;
  }

  #add(capacity: number): Chunk {
    const bytes = new Uint8Array(capacity);
    this.#grow(capacity);
    return this.#push(this.#length, bytes, new DataView(bytes.buffer), 0);
  }

  /** Make a chunk of what is in the scratch memory. */
  #save(): void {
    const scratch = this.#scratch;
    if (scratch === undefined || scratch.length === 0) return;
    const { length } = scratch;
    const bytes = newBytes(length);
    bytes.set(viewOf(scratch.bytes, 0, length));
    this.#push(this.#length - length, bytes, undefined, length);
    scratch.length = 0;
  }

  #push(start: number, bytes: Uint8Array, view: DataView | undefined, length: number): Chunk {
    const chunk: Chunk = { start, bytes, view, length, key: "", written: 0, checksum: 0 };
    this.#chunks.push(chunk);
    this.keep(CHUNK_ENTRY);
    return chunk;
  }

  #forget(chunk: Chunk, gone: string[]): void {
    this.keep(-CHUNK_ENTRY);
    if (chunk.bytes === undefined) gone.push(chunk.key);
    else this.#grow(-chunk.bytes.length);
  }

  #grow(bytes: number): void {
    this.#memory += bytes;
    this.#account.bytes += bytes;
  }
}

/** Check a chunk that the store returned. @throws DecodeError if its bytes changed */
function checked(bytes: Uint8Array | undefined, { key, written, checksum }: Chunk): Uint8Array {
  const path = `spill[${key}]`;
  if (bytes === undefined) throw new DecodeError("TRUNCATED", path, 0, `${path} is missing in the store`);
  if (bytes.length !== written) {
    const code = bytes.length < written ? "TRUNCATED" : "TRAILING_BYTES";
    const at = Math.min(bytes.length, written);
    throw new DecodeError(code, path, at, `${path} has ${bytes.length} bytes, expected ${written}`);
  }
  if (checksumOf(bytes) !== checksum) {
    throw new DecodeError("BAD_VALUE", path, 0, `${path} has changed in the store: its checksum differs`);
  }
  return bytes;
}

/**
 * A checksum of 32 bits, FNV-1a by words: it finds any change of a single word. 256 KiB take 80 microseconds, and 132
 * with words put together from bytes (Node 20).
 */
function checksumOf(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let sum = 0x811c9dc5;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) sum = Math.imul(sum ^ view.getInt32(i, true), 0x01000193);
  for (; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193);
  return sum >>> 0;
}

/**
 * ChangeLog: the changes of one transaction, as bytes, in order, until it is known what becomes of it.
 *
 * Bytes are copied: a view would keep alive the whole chunk that was received, with changes of other transactions in it, and
 * objects take several times the memory (a row of two short columns: 56 bytes here, and as objects 218 beside the 39 that they
 * look into; Node 20). So what is counted is what is held, a chunk goes to the spill as it is, and what is read is the same whether it was there or not.
 *
 * A record is the length of a message, where it is in WAL, the message, and for each relation it names which version of it
 * was meant. Numbers are in the byte order of the machine, an LSN in eight bytes and all others in four.
 */

import {
  decodePgoutputMessage,
  type Message,
  type PgoutputContext,
  type RelationChange,
} from "../generated/logical.ts";
import { DecodeError } from "../kernel/errors.ts";
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { Turns } from "../kernel/turns.ts";
import { lengthOf } from "../wire/check.ts";
import type { DescribedRelation } from "./described.ts";
import type { Account, RelationVersion } from "./memory.ts";

/**
 * Where chunks go that are too much for memory. Keys are strings of digits, each written once, and of one assembler: two of
 * them need a store each. What is returned may be a promise. `new Map()` is such a store, and so is a Keyv.
 */
export interface SpillStore {
  /** Keep a chunk. It is not written to afterwards, so it need not be copied. */
  set(key: string, chunk: Uint8Array): unknown;
  /** The chunk, as it was given. */
  get(key: string): Uint8Array | undefined | PromiseLike<Uint8Array | undefined>;
  /** The chunk is not needed any more. */
  delete(key: string): unknown;
}

/** A change of relations, with what each looked like then. */
type Described<C> = C extends { readonly relationIds: unknown }
  ? C & { readonly relations: readonly DescribedRelation[]; readonly lsn: Lsn | undefined }
  : C & { readonly relation: DescribedRelation; readonly lsn: Lsn | undefined };

/**
 * A change of a table, with what its relation looked like then and where it is in WAL, if that was said; or a transactional
 * message.
 */
export type Change = Described<RelationChange> | Message;

interface Chunk {
  /** Where it begins, in bytes from the start of the log. */
  readonly start: number;
  /** Undefined once it is in the spill. */
  bytes: Uint8Array | undefined;
  view: DataView | undefined;
  /** How many of its bytes count. What was rolled back is cut off here only. */
  length: number;
  /** Where and what it is in the spill. */
  key: string;
  written: number;
  checksum: number;
}

/** What is known of a place in the log. */
interface Mark {
  readonly xid: number;
  readonly offset: number;
  readonly count: number;
}

/** The first chunk of a log, in bytes: most transactions are small. */
const FIRST = 256;
/** What chunks grow to. A message that is larger has one of its own. */
const CHUNK = 262_144;
const NUMBER = 4;
const LSN = 8;

/** What an empty log takes in memory with what its owner keeps beside it, and what a subtransaction takes: measured (Node 20). */
const EMPTY = 330;
const MARK = 120;
/** What it takes that a log names a relation. */
const NAMED = 60;
/** A chunk, beside its bytes: what stays of one that was spilled. */
const CHUNK_ENTRY = 250;

const littleEndian = new Uint8Array(Uint32Array.of(1).buffer)[0] === 1;

export class ChangeLog {
  /** How many changes are in it. */
  count = 0;

  readonly #context: PgoutputContext;
  readonly #account: Account;
  #chunks: Chunk[] = [];
  #length = 0;
  /** What of `#account` is ours, and how much of that a spill does not free. */
  #memory = 0;
  #fixed = 0;
  /** Subtransactions by their first change, in that order. Those that were rolled back are gone. */
  readonly #marks: Mark[] = [];
  #markOf: Map<number, Mark> | undefined;
  /** The versions of relations that changes name. */
  readonly #relations: RelationVersion[] = [];
  #numbers: Map<RelationVersion, number> | undefined;

  /** @param context How its messages are to be decoded. */
  constructor(context: PgoutputContext, account: Account) {
    this.#context = context;
    this.#account = account;
    this.keep(EMPTY);
  }

  /** Count memory that is needed as long as this log is. */
  keep(bytes: number): void {
    this.#fixed += bytes;
    this.#account.fixed += bytes;
    this.#grow(bytes);
  }

  /** Bytes in memory that `spill` would free. */
  get spillable(): number {
    return this.#memory - this.#fixed;
  }

  /** A change of this subtransaction follows. */
  mark(xid: number): void {
    if (this.#marks.at(-1)?.xid === xid || this.#markOf?.has(xid)) return;
    const mark: Mark = { xid, offset: this.#length, count: this.count };
    this.#marks.push(mark);
    this.#markOf ??= new Map();
    this.#markOf.set(xid, mark);
    this.keep(MARK);
  }

  /**
   * Add a message: its bytes are copied.
   *
   * @param lsn Where it is in WAL; undefined if that is not known.
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
   * A subtransaction was rolled back: cut off all from its first change on.
   *
   * Behind that change stand only its own, those of subtransactions within it, and of the one around it if that has taken it
   * in and is rolled back too: nobody else writes until it ends. So what is cut off was rolled back, whatever its xid says.
   * That matters for messages: servers send those of a subtransaction with the xid of the toplevel transaction.
   *
   * @returns keys of the spill that are not needed any more
   * @source worker.c: stream_abort_internal
   */
  cutFrom(xid: number): string[] {
    const mark = this.#markOf?.get(xid);
    // Nothing of it has come, or it was cut off with the one it was in.
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
    return gone;
  }

  /** Bring all that is in memory to the store. */
  async spill(store: SpillStore, newKey: () => string): Promise<void> {
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

  /** Nothing more will come, and what is in memory is the reader's. */
  release(): void {
    this.#account.bytes -= this.#memory;
    this.#account.fixed -= this.#fixed;
    this.#memory = this.#fixed = 0;
    this.#marks.length = 0;
    this.#markOf = undefined;
    if (this.#numbers !== undefined) for (const relation of this.#relations) this.#account.release(relation);
    this.#numbers = undefined;
  }

  /** Forget all. @returns keys of the spill that are not needed any more */
  clear(): string[] {
    const gone: string[] = [];
    for (const chunk of this.#chunks) if (chunk.bytes === undefined) gone.push(chunk.key);
    this.#chunks = [];
    this.#length = this.count = 0;
    this.release();
    return gone;
  }

  /**
   * The changes in order, as many at a time as lie in a chunk. Can be read again, and by several at once, until `clear`.
   *
   * @throws DecodeError if what the store gives is not what it was given
   */
  async *read(store: SpillStore | undefined): AsyncGenerator<readonly Change[], void, undefined> {
    const turns = new Turns();
    for (const chunk of this.#chunks) {
      if (chunk.length === 0) continue;
      if (turns.due) await turns.give();
      const bytes = chunk.bytes ?? checked(await store!.get(chunk.key), chunk);
      yield this.#changes(bytes.subarray(0, chunk.length));
    }
  }

  #changes(bytes: Uint8Array): readonly Change[] {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const changes: Change[] = [];
    let at = 0;
    const relation = (): DescribedRelation => {
      const number = view.getUint32(at, littleEndian);
      at += NUMBER;
      return this.#relations[number]!.relation;
    };
    while (at < bytes.length) {
      const lsn = view.getBigUint64(at + NUMBER, littleEndian) as Lsn;
      const start = at + NUMBER + LSN;
      at = start + view.getUint32(at, littleEndian);
      const message = decodePgoutputMessage(bytes.subarray(start, at), this.#context) as RelationChange | Message;
      // The message is ours: it was made here and is complete with its relation and position.
      if (message.type !== "Message") {
        const change = message as { relation?: unknown; relations?: unknown; lsn?: Lsn | undefined };
        if ("relationIds" in message) change.relations = message.relationIds.map(relation);
        else change.relation = relation();
        change.lsn = lsn === invalidLsn ? undefined : lsn;
      }
      changes.push(message as Change);
    }
    return changes;
  }

  /** The number that a version of a relation has here. */
  #number(relation: RelationVersion): number {
    this.#numbers ??= new Map();
    let number = this.#numbers.get(relation);
    if (number === undefined) {
      number = this.#relations.push(relation) - 1;
      this.#numbers.set(relation, number);
      this.keep(NAMED);
      this.#account.retain(relation);
    }
    return number;
  }

  /** A chunk with room for as many bytes. */
  #room(size: number): Chunk {
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
    const view = new DataView(bytes.buffer);
    const chunk: Chunk = { start: this.#length, bytes, view, length: 0, key: "", written: 0, checksum: 0 };
    this.#chunks.push(chunk);
    this.keep(CHUNK_ENTRY);
    this.#grow(capacity);
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

/** What the store gave, if it is what it was given. @throws DecodeError */
function checked(bytes: Uint8Array | undefined, { key, written, checksum }: Chunk): Uint8Array {
  const path = `spill[${key}]`;
  if (bytes === undefined) throw new DecodeError("TRUNCATED", path, 0, `${path} is not in the store any more`);
  if (bytes.length !== written) {
    const code = bytes.length < written ? "TRUNCATED" : "TRAILING_BYTES";
    const at = Math.min(bytes.length, written);
    throw new DecodeError(code, path, at, `${path} has ${bytes.length} bytes, but was given with ${written}`);
  }
  if (checksumOf(bytes) !== checksum) {
    throw new DecodeError("BAD_VALUE", path, 0, `${path} is not what it was when it was given: its checksum differs`);
  }
  return bytes;
}

/**
 * 32 bits over all bytes, FNV-1a by words: any single word that changed is found for certain.
 */
function checksumOf(bytes: Uint8Array): number {
  let sum = 0x811c9dc5;
  let i = 0;
  for (; i + 4 <= bytes.length; i += 4) {
    const word = bytes[i]! | (bytes[i + 1]! << 8) | (bytes[i + 2]! << 16) | (bytes[i + 3]! << 24);
    sum = Math.imul(sum ^ word, 0x01000193);
  }
  for (; i < bytes.length; i++) sum = Math.imul(sum ^ bytes[i]!, 0x01000193);
  return sum >>> 0;
}

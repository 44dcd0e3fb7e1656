/** PublisherStore: where a publisher keeps what it has acknowledged; and one in memory. */
import { ArgumentError } from "../kernel/errors.ts";
import { type Lsn, toLsn } from "../kernel/lsn.ts";

/** Where a log begins and ends. */
export interface LogExtent {
  /** Its beginning: a position where an append began. */
  readonly start: Lsn;
  /** From here on a crash may have left an append unfinished: a position where an append began. */
  readonly tail: Lsn;
  /** Its end. */
  readonly end: Lsn;
}

/**
 * A log of bytes, and a few named documents. A publisher uses it from one process at a time, and calls `append`, `trim` and `save` one
 * after the other.
 *
 * Positions are offsets in the log. They only grow, and stay the same when it is opened again.
 */
export interface PublisherStore {
  /** Open it. */
  open(): Promise<LogExtent>;
  /** Cut the log off at a position. Called only after `open`, to remove what a crash has left unfinished. */
  cut(end: Lsn): Promise<void>;
  /**
   * Append bytes. When it resolves they survive a crash of the machine.
   *
   * @throws a typed error if that fails. Then the log is unchanged, or the store rejects everything until it is opened again.
   */
  append(chunks: readonly Uint8Array[]): Promise<void>;
  /** At least one byte and at most `length` from a position before the end. They belong to the caller, who does not write to them. */
  read(from: Lsn, length: number): Promise<Uint8Array>;
  /** Bytes before this position are no longer needed. It may keep some; what it keeps begins where an append began. */
  trim(start: Lsn): Promise<void>;
  /** A document as it was last saved, in pieces; undefined if it never was. */
  load(name: string): Promise<AsyncIterable<Uint8Array> | undefined>;
  /** Save a document. When it resolves it survives a crash; until then the earlier one does. */
  save(name: string, chunks: Iterable<Uint8Array>): Promise<void>;
  /** Release what it holds. */
  close(): Promise<void>;
}

/** Where logs begin: like the first segment of WAL that a cluster has, so that 0 is never a position. */
export const FIRST_LSN = toLsn(0x1000000n);

/** A store in memory: it ends with the process. Another publisher can open it, as after a restart. */
export class MemoryStore implements PublisherStore {
  #start: Lsn = FIRST_LSN;
  #end: Lsn = FIRST_LSN;
  /** Appends in order, each with its position. */
  #appends: { readonly at: Lsn; readonly bytes: Uint8Array }[] = [];
  readonly #documents = new Map<string, Uint8Array[]>();

  /** Open it. */
  async open(): Promise<LogExtent> {
    return { start: this.#start, tail: this.#end, end: this.#end };
  }

  /** Cut the log off. @throws ArgumentError: in memory no append is unfinished */
  async cut(end: Lsn): Promise<void> {
    if (end !== this.#end) throw new ArgumentError("end", "a log in memory has no unfinished end");
  }

  /** Append bytes, which are copied. */
  async append(chunks: readonly Uint8Array[]): Promise<void> {
    const bytes = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
    let at = 0;
    for (const chunk of chunks) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    if (at === 0) return;
    this.#appends.push({ at: this.#end, bytes });
    this.#end = toLsn(this.#end + BigInt(at));
  }

  /** Bytes from a position: a view. @throws ArgumentError for a position outside of the log */
  async read(from: Lsn, length: number): Promise<Uint8Array> {
    if (from < this.#start || from >= this.#end) throw new ArgumentError("from", `${from} is not in the log`);
    let low = 0;
    let high = this.#appends.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.#appends[middle]!.at <= from) low = middle;
      else high = middle - 1;
    }
    const { at, bytes } = this.#appends[low]!;
    const offset = Number(from - at);
    return bytes.subarray(offset, offset + length);
  }

  /** Forget what is before this position, by whole appends. */
  async trim(start: Lsn): Promise<void> {
    let count = 0;
    while (count < this.#appends.length && this.#endOf(count) <= start) count++;
    this.#appends.splice(0, count);
    this.#start = this.#appends[0]?.at ?? this.#end;
  }

  /** A document. */
  async load(name: string): Promise<AsyncIterable<Uint8Array> | undefined> {
    const chunks = this.#documents.get(name);
    return (
      chunks &&
      (async function* () {
        yield* chunks;
      })()
    );
  }

  /** Save a document. */
  async save(name: string, chunks: Iterable<Uint8Array>): Promise<void> {
    this.#documents.set(
      name,
      Array.from(chunks, (chunk) => chunk.slice()),
    );
  }

  /** Nothing is held. */
  async close(): Promise<void> {}

  #endOf(i: number): bigint {
    return this.#appends[i + 1]?.at ?? this.#end;
  }
}

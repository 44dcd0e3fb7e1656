/**
 * follow: writes the events of a subscription as lines, and confirms them once the output has them.
 *
 * Lines are written as soon as nothing more has arrived, or in blocks. A file is flushed at most every 100 milliseconds, and after every
 * 16 MB; then the events in it are confirmed, so one flush serves many transactions.
 */
import type { Lsn } from "../../kernel/lsn.ts";
import { Turns } from "../../kernel/turns.ts";
import type { SubscribedChange, Subscription, SubscriptionEvent } from "../subscribe/index.ts";
import type { Lines, WithChanges } from "./format.ts";
import { LineBuffer } from "./line-buffer.ts";
import type { Output } from "./outputs.ts";

/** Bytes after which a block is written. */
const BLOCK = 256 * 1024;
/** Bytes after which a file is flushed. */
const FLUSH = 16 * 1024 * 1024;
/** Milliseconds between two flushes. */
const INTERVAL = 100;
/** Milliseconds between two looks whether the end is reached. */
const LOOK = 10;

export interface FollowOptions {
  readonly subscription: Subscription;
  readonly lines: Lines;
  readonly output: Output;
  /** End once everything that committed before this position is written. */
  readonly until: Lsn | undefined;
}

/**
 * Write until the subscription ends or `until` is reached.
 *
 * @throws OutputError for an output that cannot be written; everything else as the subscription does
 */
export async function follow(options: FollowOptions): Promise<void> {
  await new Follower(options).run();
}

/** The output cannot be written. Nothing of what it does not have is confirmed. */
export class OutputError extends Error {
  override readonly name = "OutputError";
}

class Follower {
  readonly #subscription: Subscription;
  readonly #lines: Lines;
  readonly #output: Output;
  readonly #until: Lsn | undefined;
  /** What is not written yet, and how much of it belongs to events that are complete. */
  readonly #buffer = new LineBuffer();
  #complete = 0;
  /** Complete events in `#buffer`; then those that are written, but not flushed. */
  #events: SubscriptionEvent[] = [];
  #unflushed: SubscriptionEvent[] = [];
  #unflushedLength = 0;
  #flushedAt = 0;
  readonly #turns = new Turns();
  /** The write that is under way. */
  #writing: Promise<void> | undefined;
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #failure: OutputError | undefined;
  #fail: (error: OutputError) => void = () => {};

  constructor({ subscription, lines, output, until }: FollowOptions) {
    this.#subscription = subscription;
    this.#lines = lines;
    this.#output = output;
    this.#until = until;
  }

  async run(): Promise<void> {
    const failed = new Promise<never>((_, reject) => {
      this.#fail = reject;
    });
    const clock = this.#until === undefined ? undefined : setInterval(() => this.#look(), LOOK);
    try {
      await Promise.race([this.#iterate(), failed]);
    } finally {
      clearInterval(clock);
      clearImmediate(this.#scheduled);
      clearTimeout(this.#timer);
    }
  }

  async #iterate(): Promise<void> {
    try {
      for await (const event of this.#subscription) {
        if (this.#isPast(event)) {
          await this.#finish();
          break;
        }
        if (event.type === "CopyBegin" && event.again) await this.#rewind();
        if (this.#turns.due) await this.#turns.give();
        const rest = "changes" in event ? this.#changes(event) : this.#lines.other(this.#buffer, event);
        if (rest !== undefined) await rest;
        this.#events.push(event);
        // A table that is copied in part is copied again.
        if (event.type !== "CopyBegin" && event.type !== "CopyRows") this.#complete = this.#buffer.length;
        if (this.#buffer.length >= BLOCK || this.#events.length >= BLOCK / 64) await this.#block();
        else this.#scheduled ??= setImmediate(() => this.#soon());
      }
    } finally {
      if (this.#failure === undefined) await this.#finish();
    }
    await this.#subscription.stop();
  }

  /** Without promises as long as a block has room: those of a transaction of four rows take one of 14 microseconds (Node 20). */
  #changes(event: WithChanges): Promise<void> | undefined {
    const batches = event.changes.batchesNow();
    if (batches === undefined) return this.#rest(event, event.changes.batches(), 0, []);
    let count = 0;
    for (let next = batches.next(); !next.done; next = batches.next()) {
      const batch = next.value;
      if (count === 0) this.#lines.begin(this.#buffer, event);
      const isDue = count > 0 && this.#turns.due;
      count += batch.length;
      const put = isDue ? 0 : this.#put(batch, 0);
      if (put < batch.length) return this.#rest(event, batches, count, batch.slice(put));
    }
    if (count > 0) this.#lines.end(this.#buffer, event, count);
    return undefined;
  }

  /**
   * The changes from somewhere on, as the output has room for them.
   *
   * @param count The number of changes before.
   * @param begun Some of these that are not written yet.
   */
  async #rest(
    event: WithChanges,
    batches: Iterable<readonly SubscribedChange[]> | AsyncIterable<readonly SubscribedChange[]>,
    count: number,
    begun: readonly SubscribedChange[],
  ): Promise<void> {
    let before = count;
    await this.#batch(begun);
    for await (const batch of batches) {
      if (before === 0) this.#lines.begin(this.#buffer, event);
      before += batch.length;
      await this.#batch(batch);
    }
    if (before > 0) this.#lines.end(this.#buffer, event, before);
  }

  async #batch(batch: readonly SubscribedChange[]): Promise<void> {
    if (this.#turns.due) await this.#turns.give();
    for (let at = 0; at < batch.length; ) {
      if (this.#buffer.length >= BLOCK) await this.#block();
      at = this.#put(batch, at);
    }
  }

  /** Put changes from this one on, until there is enough for a block. @returns the first one that is left */
  #put(batch: readonly SubscribedChange[], from: number): number {
    const lines = this.#lines;
    const buffer = this.#buffer;
    let at = from;
    while (at < batch.length) {
      lines.change(buffer, batch[at++]!);
      if (buffer.length >= BLOCK) break;
    }
    return at;
  }

  #isPast(event: SubscriptionEvent): boolean {
    if (this.#until === undefined) return false;
    switch (event.type) {
      case "Transaction":
      case "CommitPrepared":
        return event.commitLsn >= this.#until;
      case "PreparedTransaction":
        return event.prepareLsn >= this.#until;
      case "RollbackPrepared":
      case "Message":
      case "Progress":
        return event.endLsn > this.#until;
      default:
        return false;
    }
  }

  /** Has the server sent everything before `until`? */
  #look(): void {
    if (this.#until === undefined || this.#buffer.length > 0 || this.#writing !== undefined) return;
    const { state, confirmed, pending } = this.#subscription.status();
    if (pending.events > 0 || (state !== "streaming" && state !== "full")) return;
    if (confirmed >= this.#until) void this.#subscription.stop();
  }

  /** Write a block while the next one is made. */
  async #block(): Promise<void> {
    await this.#writing;
    if (this.#failure !== undefined) throw this.#failure;
    void this.#write(false);
  }

  /** Nothing more has arrived. */
  #soon(): void {
    this.#scheduled = undefined;
    if (this.#writing !== undefined) {
      // What has come meanwhile is written after it.
      void this.#writing.then(() => {
        if (this.#buffer.length > 0 || this.#events.length > 0) this.#scheduled ??= setImmediate(() => this.#soon());
      });
      return;
    }
    void this.#write(false);
  }

  /** Write and flush everything. */
  async #finish(): Promise<void> {
    await this.#writing;
    if (this.#failure === undefined) await this.#write(true);
    if (this.#failure !== undefined) throw this.#failure;
  }

  /** A table is copied again: cut off what there is of it. */
  async #rewind(): Promise<void> {
    await this.#finish();
    await this.#output.cut();
  }

  #write(all: boolean): Promise<void> {
    const before = this.#writing ?? Promise.resolve();
    const writing: Promise<void> = before
      .then(() => (this.#failure === undefined ? this.#writeNow(all) : undefined))
      .catch((error: unknown) => {
        this.#failure ??= new OutputError(error instanceof Error ? error.message : String(error), { cause: error });
        this.#fail(this.#failure);
      })
      .finally(() => {
        if (this.#writing === writing) this.#writing = undefined;
      });
    this.#writing = writing;
    return writing;
  }

  async #writeNow(all: boolean): Promise<void> {
    const output = this.#output;
    const bytes = this.#buffer.take();
    const complete = this.#complete;
    for (const event of this.#events) this.#unflushed.push(event);
    this.#complete = 0;
    this.#events = [];
    this.#unflushedLength += bytes.length;
    if (complete > 0) {
      await output.write(bytes.subarray(0, complete));
      output.mark();
    }
    if (complete < bytes.length) await output.write(bytes.subarray(complete));
    this.#buffer.reuse(bytes);
    if (this.#unflushed.length === 0) return;
    const wait = this.#flushedAt + INTERVAL - Date.now();
    if (all || wait <= 0 || this.#unflushedLength >= FLUSH || !output.mustFlush) return this.#flush();
    this.#timer ??= setTimeout(() => void this.#write(true), wait);
  }

  async #flush(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const events = this.#unflushed;
    this.#unflushed = [];
    if (this.#unflushedLength > 0) await this.#output.flush();
    this.#unflushedLength = 0;
    this.#flushedAt = Date.now();
    // The last one first: only with the first one does the position move, and it is stored once for all.
    for (let i = events.length - 1; i >= 0; i--) this.#subscription.confirm(events[i]!);
  }
}

/** OneByOne: the elements of batches, one by one; timers and I/O run at least every 10 milliseconds or 32 elements. */
import { Turns } from "../kernel/turns.ts";

/** The clock is read once in this many elements, plus one: reading it for each would double the time. */
const LOOK = 31;

/** By hand: an async generator takes three times as long. */
export class OneByOne<T> implements AsyncIterableIterator<T> {
  readonly #batches: AsyncIterator<readonly T[]> | Iterator<readonly T[]>;
  readonly #isNow: boolean;
  readonly #turns = new Turns();
  #batch: readonly T[] = [];
  #next = 0;
  /** The pending call, which later calls wait for. */
  #waiting: Promise<unknown> | undefined;

  constructor(batches: AsyncIterableIterator<readonly T[]> | IterableIterator<readonly T[]>) {
    this.#batches = batches;
    this.#isNow = Symbol.iterator in batches;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.#waiting !== undefined) return this.#waiting.then(() => this.next());
    const i = this.#next;
    if ((i & LOOK) !== LOOK || !this.#turns.due) {
      if (i < this.#batch.length) {
        this.#next++;
        return Promise.resolve({ done: false, value: this.#batch[i]! });
      }
      if (this.#isNow) return Promise.resolve(this.#enter(this.#batches.next() as IteratorResult<readonly T[]>));
    }
    const result = this.#more();
    const done = (): void => {
      this.#waiting = undefined;
    };
    this.#waiting = result.then(done, done);
    return result;
  }

  async #more(): Promise<IteratorResult<T, undefined>> {
    if (this.#turns.due) await this.#turns.give();
    if (this.#next === this.#batch.length) return this.#enter(await this.#batches.next());
    return { done: false, value: this.#batch[this.#next++]! };
  }

  /** The first of a batch, none of which is empty. */
  #enter({ done, value }: IteratorResult<readonly T[]>): IteratorResult<T, undefined> {
    if (done === true) return { done: true, value: undefined };
    this.#batch = value;
    this.#next = 1;
    return { done: false, value: value[0]! };
  }

  async return(): Promise<IteratorResult<T, undefined>> {
    this.#batch = [];
    this.#next = 0;
    await this.#batches.return?.();
    return { done: true, value: undefined };
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

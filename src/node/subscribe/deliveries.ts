/**
 * Deliveries: which events the consumer was given, and which of them it has confirmed, across connections.
 *
 * After a lost connection the server sends again what was not acknowledged. Of that, the consumer gets only what it was not given yet:
 * an event that it still works on stays the same event, and one that it has confirmed is left out.
 */
import { invalidLsn, type Lsn } from "../../kernel/lsn.ts";
import type { PgTime } from "../../kernel/time.ts";

/** An event that was given to the consumer. `T` is the assembler's event, one for each connection that sent it. */
export interface Delivery<T> {
  readonly endLsn: Lsn;
  /** Bytes of memory that it takes. */
  readonly bytes: number;
  /** When it committed or was prepared; undefined if that is not known. */
  readonly time: PgTime | undefined;
  readonly sources: T[];
  confirmed: boolean;
}

export class Deliveries<T> {
  /** In WAL order; those before `#first` are confirmed. */
  #order: Delivery<T>[] = [];
  #first = 0;
  #position: Lsn = invalidLsn;
  #pending = 0;
  #bytes = 0;

  /** Everything that ended up to here is stored: the end of the last event before which all are confirmed. */
  get position(): Lsn {
    return this.#position;
  }

  /** The number of events that are not confirmed. */
  get pending(): number {
    return this.#pending;
  }

  /** Bytes of memory that these take. */
  get bytes(): number {
    return this.#bytes;
  }

  /** The first event that is not confirmed. */
  get oldest(): Delivery<T> | undefined {
    return this.#order[this.#first];
  }

  /** The store says that everything up to here is stored. */
  stored(lsn: Lsn): void {
    if (lsn > this.#position) this.#position = lsn;
  }

  /**
   * An event has come.
   *
   * @returns "new", and then `add` it; "stored" if the consumer has it already; or the delivery that it still works on or has confirmed.
   */
  find(endLsn: Lsn): Delivery<T> | "new" | "stored" {
    const order = this.#order;
    const last = order.at(-1);
    // Nearly all come for the first time. A Map by their ends, which are bigints, takes 700 ns for each event (Node 20).
    if (last === undefined || endLsn > last.endLsn) return endLsn <= this.#position ? "stored" : "new";
    let [from, to] = [this.#first, order.length - 1];
    while (from < to) {
      const middle = (from + to) >> 1;
      if (order[middle]!.endLsn < endLsn) from = middle + 1;
      else to = middle;
    }
    const found = order[from];
    if (found?.endLsn === endLsn) return found;
    return endLsn <= this.#position ? "stored" : "new";
  }

  /** An event is given to the consumer. Events come in the order of their ends. */
  add(delivery: Delivery<T>): void {
    this.#order.push(delivery);
    this.#pending++;
    this.#bytes += delivery.bytes;
  }

  /** The consumer has stored it. */
  confirm(delivery: Delivery<T>): void {
    if (delivery.confirmed) return;
    delivery.confirmed = true;
    this.#pending--;
    this.#bytes -= delivery.bytes;
    const order = this.#order;
    for (; order[this.#first]?.confirmed; this.#first++) {
      const { endLsn } = order[this.#first]!;
      if (endLsn > this.#position) this.#position = endLsn;
    }
    // Each is moved at most once for each that is dropped.
    if (2 * this.#first >= order.length) {
      this.#order = order.slice(this.#first);
      this.#first = 0;
    }
  }
}

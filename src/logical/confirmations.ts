/**
 * Confirmations: the LSN up to which everything is safe, while events become safe in any order.
 *
 * After a broken connection a server sends again everything that ended after the last confirmed LSN, and nothing before it. So the
 * LSN may not pass the end of anything that is not safe yet, nor the PREPARE of a transaction whose changes are held: they are sent
 * there and not again, though its COMMIT PREPARED is.
 */
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";
import { notes } from "../kernel/notes.ts";

interface Entry {
  /** Undefined for what need not become safe. */
  readonly owner?: Confirmations;
  /** The LSN to confirm once this and everything before it is safe. */
  endLsn: Lsn;
  safe: boolean;
}

const entries = notes<Entry>();

interface Floor {
  readonly lsn: Lsn;
  /** Once everything up to here is safe, the floor is gone; undefined while the transaction is prepared. */
  endLsn: Lsn | undefined;
}

/** Floors that are kept before it is worth looking for some that are gone. */
const FEW_FLOORS = 16;

export class Confirmations {
  /** In the order of their ends; those before `#first` are safe. */
  #entries: Entry[] = [];
  #first = 0;
  /** By LSN, including some that are gone; those before `#lowest` are. */
  #floors: Floor[] = [];
  #lowest = 0;
  /** How many there may be until those that are gone are dropped. */
  #floorLimit = FEW_FLOORS;
  readonly #floorOf = new Map<object, Floor>();
  #safe: Lsn = invalidLsn;
  #confirmed: Lsn = invalidLsn;

  /** Something ended that must become safe: `safe` is called later with `of`. */
  pending(of: object, endLsn: Lsn): void {
    const entry: Entry = { owner: this, endLsn, safe: false };
    this.#entries.push(entry);
    entries.add(of, entry);
  }

  /** Whether `pending` was called with it, also before a `reset`. */
  has(of: unknown): boolean {
    return entries.of(of)?.owner === this;
  }

  /** Something ended that need not become safe. */
  nothing(endLsn: Lsn): void {
    const last = this.#entries.at(-1);
    // After an unsafe entry, one entry stands for any number of these.
    if (last === undefined || this.#first === this.#entries.length || !last.safe) {
      this.#entries.push({ endLsn, safe: true });
    } else if (endLsn > last.endLsn) {
      last.endLsn = endLsn;
    }
    this.#advance();
  }

  safe(of: object): void {
    const entry = entries.of(of);
    // One of before a `reset` is in no order any more.
    if (entry !== undefined) entry.safe = true;
    this.#advance();
  }

  /** Nothing from `lsn` on may be confirmed until everything is safe up to the end that `ended` tells of `of`. */
  hold(of: object, lsn: Lsn): void {
    if (this.#floors.length >= this.#floorLimit) {
      // Each is moved at most once for each that was added.
      this.#floors = this.#floors.filter((floor) => !this.#isGone(floor));
      this.#lowest = 0;
      this.#floorLimit = Math.max(FEW_FLOORS, 2 * this.#floors.length);
    }
    const floor: Floor = { lsn, endLsn: undefined };
    this.#floorOf.set(of, floor);
    // They come in WAL order, except from a server that goes back.
    let at = this.#floors.length;
    while (at > this.#lowest && this.#floors[at - 1]!.lsn > lsn) at--;
    this.#floors.splice(at, 0, floor);
  }

  /** What is held has ended here; for anything else this does nothing. */
  ended(of: object, endLsn: Lsn): void {
    const floor = this.#floorOf.get(of);
    if (floor === undefined) return;
    this.#floorOf.delete(of);
    floor.endLsn = endLsn;
  }

  /** The server has sent everything that ended before this LSN: it is safe once that is. @source worker.c: send_feedback */
  reached(lsn: Lsn): void {
    if (this.#entries.length > 0) this.nothing(lsn);
    else if (lsn > this.#safe) this.#safe = lsn;
  }

  /** The LSN to confirm; it never goes back. */
  get confirmable(): Lsn {
    while (this.#lowest < this.#floors.length && this.#isGone(this.#floors[this.#lowest]!)) this.#lowest++;
    const floor = this.#floors[this.#lowest];
    const lsn = floor !== undefined && floor.lsn < this.#safe ? floor.lsn : this.#safe;
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    return this.#confirmed;
  }

  /** Forget everything after the confirmed LSN: the server sends it again. */
  reset(): void {
    // What is safe beyond a floor waits for it, which comes again.
    this.#safe = this.confirmable;
    this.#entries = [];
    this.#first = 0;
    this.#floors = [];
    this.#lowest = 0;
    this.#floorLimit = FEW_FLOORS;
    this.#floorOf.clear();
  }

  #isGone({ endLsn }: Floor): boolean {
    return endLsn !== undefined && endLsn <= this.#safe;
  }

  #advance(): void {
    const entries = this.#entries;
    for (; entries[this.#first]?.safe; this.#first++) {
      const { endLsn } = entries[this.#first]!;
      if (endLsn > this.#safe) this.#safe = endLsn;
    }
    // Each entry is moved at most once for each that is dropped.
    if (2 * this.#first >= entries.length) {
      this.#entries = entries.slice(this.#first);
      this.#first = 0;
    }
  }
}

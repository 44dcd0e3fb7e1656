/**
 * Confirmations: up to which LSN the server may be told that everything is safe, while what was received becomes safe in any order.
 *
 * After a broken connection a server sends again what ended behind the LSN that was confirmed last, and nothing before it. So
 * a confirmation may not reach beyond the end of anything that is not safe yet, nor beyond the PREPARE of a transaction whose
 * changes are held back: its changes are sent there and not again.
 */
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";

interface Entry {
  /** What the server may be told once this, and all before it, is safe. */
  endLsn: Lsn;
  safe: boolean;
}

interface Floor {
  readonly lsn: Lsn;
  held: boolean;
}

export class Confirmations {
  /** In the order in which they ended; those before `#first` are safe. */
  #entries: Entry[] = [];
  #first = 0;
  #entryOf = new WeakMap<object, Entry>();
  /** By LSN, those that are not held any more among them; `#lowest` is the first that is held. */
  #floors: Floor[] = [];
  #lowest = 0;
  readonly #floorOf = new Map<object, Floor>();
  #safe: Lsn = invalidLsn;
  #confirmed: Lsn = invalidLsn;

  /** Something ended that must become safe: `safe` will be called with `of`. */
  pending(of: object, endLsn: Lsn): void {
    const entry: Entry = { endLsn, safe: false };
    this.#entries.push(entry);
    this.#entryOf.set(of, entry);
  }

  /** Something ended that nobody has to make safe. */
  nothing(endLsn: Lsn): void {
    const last = this.#entries.at(-1);
    // Behind what is not safe, one entry stands for any number of these.
    if (last === undefined || this.#first === this.#entries.length || !last.safe) {
      this.#entries.push({ endLsn, safe: true });
    } else if (endLsn > last.endLsn) {
      last.endLsn = endLsn;
    }
    this.#advance();
  }

  safe(of: object): void {
    this.#release(of);
    const entry = this.#entryOf.get(of);
    if (entry !== undefined) entry.safe = true;
    this.#advance();
  }

  /** Until `safe` is called with `of`, nothing from `lsn` on may be confirmed. */
  hold(of: object, lsn: Lsn): void {
    const floor: Floor = { lsn, held: true };
    this.#floorOf.set(of, floor);
    // They come in the order of WAL, but for a server that goes back.
    let at = this.#floors.length;
    while (at > this.#lowest && this.#floors[at - 1]!.lsn > lsn) at--;
    this.#floors.splice(at, 0, floor);
  }

  /** What was held under one name is held under another. */
  rename(from: object, to: object): void {
    const floor = this.#floorOf.get(from);
    if (floor === undefined) return;
    this.#floorOf.delete(from);
    this.#floorOf.set(to, floor);
  }

  /** The server has sent all that ended before here. */
  reached(lsn: Lsn): void {
    if (this.#entries.length === 0 && lsn > this.#safe) this.#safe = lsn;
  }

  /** What may be confirmed; it never goes back. */
  get confirmable(): Lsn {
    const floor = this.#floors[this.#lowest];
    const lsn = floor !== undefined && floor.lsn < this.#safe ? floor.lsn : this.#safe;
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    return this.#confirmed;
  }

  /** Forget what is not safe yet: the server will send it again. */
  reset(): void {
    this.#entries = [];
    this.#first = 0;
    this.#entryOf = new WeakMap();
    this.#floors = [];
    this.#lowest = 0;
    this.#floorOf.clear();
  }

  #release(of: object): void {
    const floor = this.#floorOf.get(of);
    if (floor === undefined) return;
    this.#floorOf.delete(of);
    floor.held = false;
    while (this.#floors[this.#lowest]?.held === false) this.#lowest++;
    if (this.#floors.length <= 2 * this.#floorOf.size) return;
    // At least half of them are not held any more: each is moved once for each that is dropped.
    this.#floors = this.#floors.filter(({ held }) => held);
    this.#lowest = 0;
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

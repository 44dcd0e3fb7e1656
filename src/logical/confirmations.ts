/**
 * Confirmations: up to which LSN the server may be told that all is safe, while what was received becomes safe in any order.
 *
 * After a broken connection a server sends again what ended behind the LSN that was confirmed last, and nothing before it. So
 * a confirmation may not reach beyond the end of anything that is not safe yet, nor beyond the PREPARE of a transaction whose
 * changes are held back: its changes are sent there and not again.
 */
import { invalidLsn, type Lsn } from "../kernel/lsn.ts";

interface Entry {
  /** What the server may be told once this, and all before it, is safe. */
  readonly endLsn: Lsn;
  safe: boolean;
}

export class Confirmations {
  /** In the order in which they ended; those before `#first` are safe. */
  #entries: Entry[] = [];
  #first = 0;
  #entryOf = new WeakMap<object, Entry>();
  #floors = new Map<object, Lsn>();
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
    this.#entries.push({ endLsn, safe: true });
    this.#advance();
  }

  safe(of: object): void {
    this.#floors.delete(of);
    const entry = this.#entryOf.get(of);
    if (entry !== undefined) entry.safe = true;
    this.#advance();
  }

  /** Until `safe` is called with `of`, nothing from `lsn` on may be confirmed. */
  hold(of: object, lsn: Lsn): void {
    this.#floors.set(of, lsn);
  }

  /** What was held under one name is held under another. */
  rename(from: object, to: object): void {
    const floor = this.#floors.get(from);
    if (floor === undefined) return;
    this.#floors.delete(from);
    this.#floors.set(to, floor);
  }

  /** The server has sent all that ended before here. */
  reached(lsn: Lsn): void {
    if (this.#entries.length === 0 && lsn > this.#safe) this.#safe = lsn;
  }

  /** What may be confirmed; it never goes back. */
  get confirmable(): Lsn {
    let lsn = this.#safe;
    for (const floor of this.#floors.values()) if (floor < lsn) lsn = floor;
    if (lsn > this.#confirmed) this.#confirmed = lsn;
    return this.#confirmed;
  }

  /** Forget what is not safe yet: the server will send it again. */
  reset(): void {
    this.#entries = [];
    this.#first = 0;
    this.#entryOf = new WeakMap();
    this.#floors.clear();
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

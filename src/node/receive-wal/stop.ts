/** When a stream of WAL ends. */
import type { Lsn } from "../../kernel/lsn.ts";
import type { AbortSignalLike } from "../abort-signal.ts";

/** Where or when a stream of WAL ends. Both may be said while it runs. */
export class WalStop {
  #position: Lsn | undefined;
  #isNow = false;
  #wake: (() => void) | undefined;

  /** @param position End once everything up to here is written. Undefined: do not end by a position. */
  constructor(position?: Lsn) {
    this.#position = position;
  }

  /** End once everything up to a position is written: at once if it is. */
  at(position: Lsn): void {
    this.#position = position;
    this.#wake?.();
  }

  /** End at once. */
  now(): void {
    this.#isNow = true;
    this.#wake?.();
  }

  /** Was the end asked for, whatever the position? */
  get isNow(): boolean {
    return this.#isNow;
  }

  /** Does the stream end, with everything up to here written? */
  isReached(position: Lsn): boolean {
    return this.#isNow || (this.#position !== undefined && position >= this.#position);
  }

  /**
   * As the signal of one wait after the other: the wait ends when more is said of the end.
   *
   * @internal
   */
  readonly signal: AbortSignalLike = {
    aborted: false,
    reason: woken,
    addEventListener: (_, listener) => {
      this.#wake = listener;
    },
    removeEventListener: () => {
      this.#wake = undefined;
    },
  };
}

/** The reason with which a wait ends. */
export const woken: unique symbol = Symbol("woken");

/** BackOff: how long to wait before the next attempt to connect. */

/** Times in milliseconds. */
export interface BackOffOptions {
  /** The first wait. */
  readonly first: number;
  /** The longest wait. */
  readonly longest: number;
  /** A number from 0 up to 1, but not 1, as Math.random gives. */
  readonly random: () => number;
}

/** Doubles the wait with each attempt, up to a limit. Each is cut by up to a half at random, so that many clients do not come at once. */
export class BackOff {
  readonly #options: BackOffOptions;
  #attempts = 0;

  constructor(options: BackOffOptions) {
    this.#options = options;
  }

  /** Milliseconds to wait now. */
  next(): number {
    const { first, longest, random } = this.#options;
    const whole = Math.min(longest, first * 2 ** Math.min(this.#attempts++, 52));
    return whole * (1 - random() / 2);
  }

  /** An attempt has succeeded: begin again. */
  reset(): void {
    this.#attempts = 0;
  }
}

/**
 * Turns: lets timers and I/O run now and then in a loop that otherwise awaits only promises that are settled already.
 *
 * Such a loop never leaves the microtask queue: keepalives are not answered and sockets are not read until it ends.
 */

/** How long a loop may go on, in milliseconds. One turn takes about 5 microseconds (Node 20), so it costs nothing at this rate. */
const LONGEST = 10;

/** Between microtasks and timers. Where there is no setImmediate, as in browsers, a timer takes 1 to 4 milliseconds. */
const later: (callback: () => void) => void =
  (globalThis as { setImmediate?: (callback: () => void) => void }).setImmediate ??
  ((callback) => setTimeout(callback, 0));

export class Turns {
  #last = performance.now();

  /** Has the loop gone on for so long that it should let others run? */
  get due(): boolean {
    return performance.now() - this.#last >= LONGEST;
  }

  /** Let timers and I/O run. */
  async give(): Promise<void> {
    await new Promise<void>((resolve) => later(resolve));
    this.#last = performance.now();
  }
}

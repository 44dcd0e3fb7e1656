/**
 * Ends a backup: a signal with which all its calls end.
 *
 * Each wait for the server listens to it and stops listening, some thousand times a second: measured, the platform's AbortSignal takes a
 * tenth of the processor's time of a backup for that.
 */
import type { AbortSignalLike } from "../abort-signal.ts";

export class Ending implements AbortSignalLike {
  aborted = false;
  reason: unknown;
  readonly #listeners = new Set<() => void>();

  /** End everything. The first reason counts. */
  abort(reason: unknown): void {
    if (this.aborted) return;
    this.aborted = true;
    this.reason = reason;
    for (const listener of [...this.#listeners]) listener();
    this.#listeners.clear();
  }

  addEventListener(_: "abort", listener: () => void): void {
    this.#listeners.add(listener);
  }

  removeEventListener(_: "abort", listener: () => void): void {
    this.#listeners.delete(listener);
  }
}

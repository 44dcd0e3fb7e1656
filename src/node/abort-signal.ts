/** An AbortSignal, without the types of a platform. */
import { refuseArgument } from "../kernel/errors.ts";
import type { Stop } from "../kernel/stop.ts";

/** The part of an AbortSignal that walwire uses. */
export interface AbortSignalLike extends Stop {
  /** The error that calls reject with. */
  readonly reason: unknown;
}

/** @throws the signal's reason if it is aborted; ArgumentError if it is not a signal */
export function checkSignal(signal: AbortSignalLike | undefined): void {
  if (signal === undefined) return;
  if (typeof signal?.addEventListener !== "function") refuseArgument("options.signal", "an AbortSignal", signal);
  if (signal.aborted) throw signal.reason;
}

/** @throws the signal's reason if it is aborted before the promise settles */
export function orAborted<T>(promise: Promise<T>, signal: AbortSignalLike | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

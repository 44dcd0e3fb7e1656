/** An AbortSignal, without the types of a platform. */
import { refuseArgument } from "../kernel/errors.ts";

/** What is used of an AbortSignal. */
export interface AbortSignalLike {
  readonly aborted: boolean;
  readonly reason: unknown;
  /** Listen to `abort`. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Stop listening. */
  removeEventListener(type: "abort", listener: () => void): void;
}

/** @throws the signal's reason if it is aborted; ArgumentError if it is not a signal */
export function checkSignal(signal: AbortSignalLike | undefined): void {
  if (signal === undefined) return;
  if (typeof signal?.addEventListener !== "function") refuseArgument("options.signal", "an AbortSignal", signal);
  if (signal.aborted) throw signal.reason;
}

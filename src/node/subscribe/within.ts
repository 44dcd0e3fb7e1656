/** A limit of time for calls of a connection. */
import { ConnectionError } from "../../kernel/errors.ts";
import type { AbortSignalLike } from "../abort-signal.ts";

/** Run something with a limit in milliseconds; 0 is none. @throws ConnectionError TIMEOUT */
export async function within<T>(
  milliseconds: number,
  signal: AbortSignalLike,
  run: (limited: AbortSignalLike) => Promise<T>,
): Promise<T> {
  if (milliseconds === 0) return run(signal);
  const controller = new AbortController();
  const abort = (): void => controller.abort(signal.reason);
  if (signal.aborted) abort();
  signal.addEventListener("abort", abort);
  const timer = setTimeout(() => {
    controller.abort(new ConnectionError(`the server has not answered for ${milliseconds / 1000} s`, "TIMEOUT"));
  }, milliseconds);
  try {
    return await run(controller.signal);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", abort);
  }
}

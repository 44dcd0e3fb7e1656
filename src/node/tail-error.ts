/** TailError: why `walwire tail` cannot follow a server. */

/** A problem that the user can fix. The message says how. */
export class TailError extends Error {
  override readonly name = "TailError";
}

/** Which errors of a connection may pass by themselves, so that it is worth to connect again. */
import { ConnectionError, ServerError } from "../../kernel/errors.ts";

/** SQLSTATE classes: connection exceptions, transaction rollback, insufficient resources, operator intervention. */
const PASSING = /^(?:08|40|53|57)/;
/** database_dropped, in the class of operator intervention. */
const DROPPED = "57P04";
/** object_in_use: the slot, mostly. */
const IN_USE = "55006";

/** Whether the same attempt may succeed later. What the peer did wrong, what was rejected, and slots that are lost stay as they are. */
export function isPassing(error: unknown): boolean {
  if (error instanceof ServerError) return PASSING.test(error.sqlstate) && error.sqlstate !== DROPPED;
  if (!(error instanceof ConnectionError)) return false;
  if (error.code === "AUTHENTICATION" || error.code === "DISCONNECTED") return false;
  // A server that ends the connection for a reason of its own.
  return error.cause instanceof ServerError ? isPassing(error.cause) : true;
}

/** Whether a server says that the slot is in use. */
export function isInUse(error: unknown): error is ServerError {
  return error instanceof ServerError && error.sqlstate === IN_USE;
}

/** The connections of programs that take options of `connect`, or a function that opens a connection. */
import { refuseArgument } from "../kernel/errors.ts";
import { type AbortSignalLike, orAborted } from "./abort-signal.ts";
import { type ConnectOptions, connect, ReplicationConnection } from "./client.ts";

/** The longest message to accept: a walsender sends 128 kB of WAL at once, and 32 kB of an archive. */
const MAX_LENGTH = 16 * 1024 * 1024;

/**
 * Open a connection for physical replication, whose payloads may change when the next is asked for.
 *
 * @param program The application_name, unless one is given.
 * @throws what `connect` or the function throws; the signal's reason; ArgumentError if the function returns anything else.
 */
export async function openConnection(
  how: Omit<ConnectOptions, "replication" | "signal"> | (() => Promise<ReplicationConnection>),
  program: string,
  signal: AbortSignalLike | undefined,
): Promise<ReplicationConnection> {
  if (typeof how !== "function") {
    const defaults = { keepAlive: true, maxLength: MAX_LENGTH, reuseMemory: true, fallback_application_name: program };
    return connect({ ...defaults, ...how, replication: "true", signal });
  }
  const opening = Promise.resolve(how());
  try {
    const connection = await orAborted(opening, signal);
    if (connection instanceof ReplicationConnection) return connection;
  } catch (error) {
    // One that opens too late.
    opening.then(
      (late) => late.disconnect(),
      () => {},
    );
    throw error;
  }
  return refuseArgument("options.connect", "a function that returns a ReplicationConnection", await opening);
}

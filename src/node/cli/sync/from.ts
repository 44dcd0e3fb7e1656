/** A running primary: its version, its setting, its standbys. Nothing is changed there. */
import { loadPg } from "../../pg.ts";
import { askSlots, type SlotPrimary } from "../../standby-slots.ts";
import { askPrimary, observePrimary, type Primary } from "../../standbys.ts";
import { UnseenError } from "../shared/usage.ts";

/**
 * @throws DatabaseError if the server refuses; errors of the socket as Node names them; PeerMissingError without pg;
 *   UnseenError for rows that no server has.
 */
export function readPrimary(url: string): Promise<Primary> {
  return asking(url, askPrimary);
}

/** The same for a plan. @throws as readPrimary; UnseenError if the role may not see the standbys. */
export function readObserved(url: string): ReturnType<typeof observePrimary> {
  return asking(url, observePrimary);
}

/** The same for slots. @throws as readPrimary. */
export function readSlotPrimary(url: string): Promise<SlotPrimary> {
  return asking(url, askSlots, "pg_replication_slots");
}

async function asking<T>(
  url: string,
  ask: (...args: Parameters<typeof askPrimary>) => Promise<T>,
  view = "pg_stat_replication",
): Promise<T> {
  const { Client } = await loadPg();
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
    fallback_application_name: "walwire sync",
  });
  // That the connection ends is said by whatever waits for it.
  client.on("error", () => {});
  await client.connect();
  try {
    return await ask(
      async (sql) => (await client.query(sql)).rows,
      (problem) => {
        throw new UnseenError(`${view}: ${problem}`);
      },
    );
  } finally {
    await client.end().catch(() => {});
  }
}

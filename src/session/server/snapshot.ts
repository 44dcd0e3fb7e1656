/** When a session may use or export the snapshot of a new slot. */
import { commandCapabilities } from "../../command/capabilities.ts";
import { sessionCapabilities } from "../capabilities.ts";
import type { TransactionStatus } from "../messages.ts";
import { errorOf } from "./words.ts";

/** What a transaction has begun with, and whether it has a snapshot. @source xact.c: XactIsoLevel, XactReadOnly; snapmgr.c: FirstSnapshotSet */
export interface TransactionSnapshot {
  /** In lower case. */
  readonly isolation: string;
  readonly isReadOnly: boolean;
  isSet: boolean;
}

/**
 * Check the snapshot action of a new logical slot; after it, a transaction that uses the slot's has a snapshot.
 *
 * @throws ServerError
 * @source walsender.c: CreateReplicationSlot
 */
export function takeSlotSnapshot(
  server: number,
  action: string,
  transaction: TransactionStatus,
  snapshot: TransactionSnapshot,
): void {
  const isGeneric = commandCapabilities.supports(server, "genericOptions");
  const option = isGeneric ? `(SNAPSHOT '${action}')` : `${action.toUpperCase()}_SNAPSHOT`;
  const refuse = (why: string) => errorOf("INTERNAL_ERROR", `CREATE_REPLICATION_SLOT ... ${option} must ${why}`);
  if (action === "export" && transaction !== "I") throw refuse("not be called inside a transaction");
  if (action !== "use") return;
  if (transaction === "I") throw refuse("be called inside a transaction");
  if (snapshot.isolation !== "repeatable read") {
    throw refuse("be called in REPEATABLE READ isolation mode transaction");
  }
  if (!snapshot.isReadOnly && sessionCapabilities.supports(server, "usedSnapshotIsReadOnly")) {
    throw refuse("be called in a read-only transaction");
  }
  if (snapshot.isSet) throw refuse("be called before any query");
  snapshot.isSet = true;
}

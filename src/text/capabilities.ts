/** What differs between versions in the names of replication slots, which commands and files share. */
import { CapabilityTable } from "../kernel/version.ts";

/** The rows, for the tables of the domains that name slots. */
export const slotRows = {
  /** repl_gram.y: create_replication_slot */
  replicationSlots: { since: [90400] },
  /** slot.c: ReplicationSlotValidateName, commit 920218cbc0 */
  slotNameHintSaysLowerCase: { since: [90405, 90500] },
  /** slot.c: IsSlotForConflictCheck */
  conflictDetectionSlot: { since: [190000] },
} as const;

export const slotCapabilities = /* @__PURE__ */ new CapabilityTable(slotRows);

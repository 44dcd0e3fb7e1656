/** Differences of what a publisher sends and answers between server versions. */
import { CapabilityTable } from "../kernel/version.ts";

const publisherRows = {
  /** pgoutput.c: pgoutput_commit_txn, commit d5a9d86d8f */
  emptyTransactionsSkipped: { since: [150000] },
  /** pgoutput.c: LoadPublications, commit 7c99dc587a: a warning, where it was an error */
  missingPublicationsSkipped: { since: [180000] },
  /** snapmgr.c: ImportSnapshot: an error of its own; before, that of an invalid identifier */
  missingSnapshotSaid: { since: [170000] },
} as const;

export const publisherCapabilities = /* @__PURE__ */ new CapabilityTable(publisherRows);

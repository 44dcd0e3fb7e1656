/** Differences between versions in the messages inside CopyData. */

import { CapabilityTable } from "../kernel/version.ts";

export const physicalRows = {
  /** walsender.c: ProcessStandbyHSFeedbackMessage, commit 5737c12df0 */
  feedbackCatalogXmin: { since: [100000] },
  /** walsender.c: ProcessStandbyPSRequestMessage, commit 228c370868 */
  primaryStatus: { since: [190000] },
} as const;

export const physicalCapabilities = /* @__PURE__ */ new CapabilityTable(physicalRows);

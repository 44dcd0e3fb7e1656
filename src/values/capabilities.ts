/** Differences between versions in the text format of values. */
import { CapabilityTable, lsnRows } from "../kernel/version.ts";

export const valueRows = {
  ...lsnRows,
  /** char.c: charout, commit ec62ce55a8 */
  charAboveAsciiIsOctal: { since: [150000] },
} as const;

export const valueCapabilities = /* @__PURE__ */ new CapabilityTable(valueRows);

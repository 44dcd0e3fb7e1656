/** What servers can do, of all domains at once, for programs that ask. The domains ask their own tables, each in its capabilities.ts. */

import { commandRows } from "./command/capabilities.ts";
import { refuseArgument } from "./kernel/errors.ts";
import { type Capability, CapabilityTable, rangesOf, type Server, type VersionRange } from "./kernel/version.ts";
import { physicalRows } from "./physical/capabilities.ts";
import { syncrepRows, syncStandbyRows } from "./syncrep/capabilities.ts";

/** Capabilities by name, each with where PostgreSQL says so. */
export const capabilities = {
  ...commandRows,
  ...physicalRows,
  ...syncrepRows,
  ...syncStandbyRows,
} as const satisfies Record<string, Capability>;

export type CapabilityName = keyof typeof capabilities;

const table = /* @__PURE__ */ new CapabilityTable<CapabilityName>(capabilities);

/** Does this server have the capability? */
export function supports(server: Server, name: CapabilityName): boolean {
  return table.supports(server, requireName(name));
}

/** The first version that has the capability, as a person would name it: "17", or "14.24, 15.19, 16.15, 17.11 or 18.6". */
export function sinceVersion(name: CapabilityName): string {
  return table.since(requireName(name));
}

function requireName(name: CapabilityName): CapabilityName {
  if (typeof name === "string" && Object.hasOwn(capabilities, name)) return name;
  return refuseArgument("name", "the name of a capability", name);
}

/**
 * All versions, or those with a capability, oldest first, as ranges within which nothing changes: to ask one version of each is to
 * ask them all.
 */
export function versionRanges(name?: CapabilityName): VersionRange[] {
  return rangesOf(table, name);
}

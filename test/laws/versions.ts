/** The versions that matter: those at which the table of capabilities says that something changes. */
import { type CapabilityName, capabilities, supports } from "../../src/capabilities.ts";

/** Each version at which a capability comes or goes, lowest first, of those that have the one named. */
export function versionsWith(name?: CapabilityName): number[] {
  const changes = Object.values<{ since: readonly number[]; until?: number }>(capabilities).flatMap((row) =>
    row.until === undefined ? row.since : [...row.since, row.until],
  );
  return [...new Set(changes)].filter((version) => name === undefined || supports(version, name)).sort((a, b) => a - b);
}

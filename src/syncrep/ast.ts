/**
 * The value of `synchronous_standby_names` as a value: SyncRepConfigData of PostgreSQL's syncrep.h, for the servers before 9.6 too,
 * which have a list of names alone.
 */

import { downcaseIdentifier } from "../text/identifier.ts";

/** Which standbys a commit waits for. */
export interface SyncRepConfig {
  readonly type: "SyncRepConfig";
  /**
   * PRIORITY (`FIRST`, a number alone, or a list alone): for the first `numSync` of the list that are there. QUORUM (`ANY`, from
   * 10 on): for any `numSync` of them.
   */
  readonly syncrepMethod: "PRIORITY" | "QUORUM";
  /**
   * How many standbys a commit waits for: 1 to 2^31 - 1, and 1 for a list alone. May be more than there are names. 9.6.0 and 9.6.1
   * (without `numSyncIsChecked`) take any 32-bit integer.
   */
  readonly numSync: number;
  /**
   * In order of priority. They are matched with application_name without regard to case; `*` matches any, whether it was quoted
   * or not. Names may repeat, and be empty.
   *
   * From 9.6 on one at least, as written and not cut. Before (`standbyIdentifierList`) they are identifiers: in lower case unless
   * quoted, and cut to 63 bytes; and white space alone is a list of none, for which every commit waits for ever.
   */
  readonly memberNames: readonly string[];
}

/** A text that is equal for two values that mean the same: names are compared without regard to the case of ASCII letters. */
export function meaningOf(config: SyncRepConfig | undefined): string {
  if (config === undefined) return "";
  const { syncrepMethod, numSync, memberNames } = config;
  return JSON.stringify([syncrepMethod, numSync, memberNames.map(downcaseIdentifier)]);
}

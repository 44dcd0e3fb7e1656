/**
 * The value of `synchronous_standby_names` as a value: SyncRepConfigData of PostgreSQL's syncrep.h.
 */

/** Which standbys a commit waits for. */
export interface SyncRepConfig {
  readonly type: "SyncRepConfig";
  /**
   * PRIORITY (`FIRST`, a number alone, or a list alone): for the first `numSync` of the list that are there. QUORUM (`ANY`):
   * for any `numSync` of them.
   */
  readonly syncrepMethod: "PRIORITY" | "QUORUM";
  /** How many standbys a commit waits for: 1 to 2^31 - 1, and 1 for a list alone. May be more than there are names. */
  readonly numSync: number;
  /**
   * One at least, in order of priority, as written and not cut. They are matched with application_name without regard to
   * case; `*` matches any, whether it was quoted or not. Names may repeat, and be empty.
   */
  readonly memberNames: readonly string[];
}

/** Generated settings and sets of standbys that have to do with each other: the names are few, and often differ by case only. */
import fc from "fast-check";
import { supports } from "../src/capabilities.ts";
import type { Lsn } from "../src/kernel/lsn.ts";
import type { Server } from "../src/kernel/version.ts";
import type { SyncRepConfig } from "../src/syncrep/index.ts";
import type { SyncRepStandby } from "../src/syncrep/questions.ts";

/** What standbys call themselves; the last two cannot be said in an application_name. */
export const standbyNames = [
  "a",
  "A",
  "b",
  "B-1",
  "b-1",
  "c d",
  "N1",
  "walreceiver",
  "*",
  "[",
  "{",
  "",
  "é",
  "É",
] as const;

/** What a server makes of a name that a standby gives itself. */
const listedNames = [...standbyNames, "a", "b", "c", "n1", "WALRECEIVER", "??", "\\xc3\\xa9", "\\XC3\\xa9", "@", "K"];

/** Settings that a server of this version can have. */
export function setting(server: Server): fc.Arbitrary<SyncRepConfig> {
  const many = supports(server, "multipleSyncStandbys");
  const quorum = supports(server, "quorumCommit");
  return fc.record({
    type: fc.constant("SyncRepConfig"),
    syncrepMethod: quorum ? fc.constantFrom("PRIORITY", "QUORUM") : fc.constant("PRIORITY"),
    numSync: many
      ? fc.oneof(
          { weight: 12, arbitrary: fc.integer({ min: 1, max: 4 }) },
          fc.constantFrom(5, 255, 256, 257, 2 ** 31 - 1),
        )
      : fc.constant(1),
    memberNames: fc.oneof(
      { weight: 6, arbitrary: fc.array(fc.constantFrom(...listedNames), { minLength: 1, maxLength: 10 }) },
      { weight: 1, arbitrary: fc.constant(["*"]) },
      { weight: 1, arbitrary: fc.constant(["*", "a"]) },
    ),
  });
}

const position = fc.oneof(
  { weight: 8, arbitrary: fc.integer({ min: 1, max: 5 }).map((n) => (BigInt(n) << 24n) as Lsn) },
  { weight: 1, arbitrary: fc.constantFrom(undefined, 0n as Lsn, (2n ** 64n - 1n) as Lsn) },
);

/** A standby as pg_stat_replication shows it. Mostly it streams and flushes. */
export function standby(): fc.Arbitrary<SyncRepStandby> {
  return fc.record({
    applicationName: fc.constantFrom(...standbyNames),
    state: fc.oneof(
      { weight: 8, arbitrary: fc.constant("streaming" as const) },
      { weight: 2, arbitrary: fc.constantFrom("startup", "backup", "catchup", "stopping") },
    ),
    writeLsn: position,
    flushLsn: position,
    replayLsn: position,
  });
}

export function standbys(maxLength = 8): fc.Arbitrary<SyncRepStandby[]> {
  return fc.array(standby(), { maxLength });
}

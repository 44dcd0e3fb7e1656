/** What we say of synchronous_standby_names and standbys, and what a server of each version does with fake ones. */
import { describe, expect, test } from "vitest";
import { askAboutStandbys, settingsForStandbys } from "../oracle/standbys.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  test("sync_priority and sync_state are what we say, and commits return just when we say", {
    timeout: 60_000 * times,
  }, async () => {
    // Of its own, since every commit on it waits.
    const server = await startServer({ major, settings: settingsForStandbys });
    try {
      const counts = { settings: 40 * times, schedules: 6 * times, seed: seed + major };
      const { disagreements, returned, waited, seen } = await askAboutStandbys(server, counts);
      expect(disagreements, `seed ${seed}`).toEqual([]);
      expect(returned).toBeGreaterThan(counts.schedules / 2);
      expect(waited).toBeGreaterThan(counts.schedules);
      for (const state of ["async", "potential", "sync", "quorum", "streaming"]) {
        expect(seen[state] ?? 0, state).toBeGreaterThan(0);
      }
    } finally {
      await server.stop();
    }
  });
});

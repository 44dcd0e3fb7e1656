/** Random sessions, damaged ones too, with PostgreSQL and with walwire/server: the same messages, SQLSTATEs, tags, in the same order. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { seed, times } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import { damagedSession, session, sessions } from "./server-sessions.ts";

expectNothingUncaught();

describe.each(longTestMajors)("PostgreSQL %i", (major) => {
  test.each([
    ["sessions", session, 300],
    ["damaged sessions", damagedSession, 100],
  ] as const)("%s", { timeout: Math.max(300_000, 30_000 * times) }, async (_, arbitrary, runs) => {
    const live = liveServer(major);
    const compare = await sessions(live);
    await fc.assert(
      fc.asyncProperty(arbitrary(live.versionNum), async (each) => {
        const disagreement = await compare(each);
        expect(disagreement?.ours, each.shown).toEqual(disagreement?.theirs);
      }),
      { seed, numRuns: Math.ceil(runs * times) },
    );
  });
});

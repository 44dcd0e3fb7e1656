/** Random sessions with PostgreSQL and with walwire/server: the same messages, SQLSTATEs, tags, in the same order. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { seed, times } from "../seed.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import { session, sessions } from "./server-sessions.ts";

expectNothingUncaught();

test.each(longTestMajors)("PostgreSQL %i", { timeout: 300_000 }, async (major) => {
  const live = liveServer(major);
  const compare = await sessions(live);
  await fc.assert(
    fc.asyncProperty(session(live.versionNum), async (each) => {
      const disagreement = await compare(each);
      expect(disagreement?.ours, each.shown).toEqual(disagreement?.theirs);
    }),
    { seed, numRuns: Math.ceil(300 * times) },
  );
});

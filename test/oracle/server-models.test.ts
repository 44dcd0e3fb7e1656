/** Random histories of sessions and replication slots: PostgreSQL answers what the model says. */
import fc from "fast-check";
import { onTestFinished, test } from "vitest";
import { seed, times } from "../seed.ts";
import { startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { eventsOf, Histories, settings } from "./server-models.ts";

/** Histories side by side. */
const WIDTH = 12;

test.each(longTestMajors)("PostgreSQL %i", { timeout: 300_000 }, async (major) => {
  const server = await startServer({ major, settings, restarts: true });
  onTestFinished(() => server.stop());
  const histories = new Histories(server, eventsOf(major));
  await histories.prepare();
  await fc.assert(
    fc.asyncProperty(histories.arbitrary(WIDTH), (each) => histories.run(each)),
    { seed, numRuns: Math.ceil(5 * times), endOnFailure: times < 1 },
  );
});

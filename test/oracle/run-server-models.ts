/** Histories of sessions and replication slots against live servers, as many as one asks: `npm run oracle:server-models -- --runs 20000`. */
import { parseArgs } from "node:util";
import fc from "fast-check";
import { majors, startServer } from "../servers/index.ts";
import { eventsOf, Histories, settings } from "./server-models.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    majors: { type: "string", default: majors.join() },
    seconds: { type: "string", default: "Infinity" },
    width: { type: "string", default: "20" },
    events: { type: "string" },
  },
});
const [runs, seed, width] = [Number(values.runs), Number(values.seed), Number(values.width)];
/** At most so many seconds for each major. */
const limit = Number(values.seconds);

for (const major of values.majors.split(",").map(Number)) {
  const events = eventsOf(major).filter((event) => values.events?.split(",").includes(event) ?? true);
  const server = await startServer({ major, settings, restarts: true });
  const histories = new Histories(server, events);
  await histories.prepare();
  const started = performance.now();
  const seconds = () => (performance.now() - started) / 1000;
  let count = 0;
  // A few at a time, so that the limit ends none of them in the middle.
  for (let each = seed; count < runs && seconds() < limit; each++) {
    const numRuns = Math.min(5, Math.ceil((runs - count) / width));
    await fc.assert(
      fc.asyncProperty(histories.arbitrary(width), (all) => histories.run(all)),
      { seed: each, numRuns, endOnFailure: true },
    );
    count += numRuns * width;
  }
  console.log(`PostgreSQL ${major}: ${count} histories, seed ${seed}, ${seconds().toFixed(1)} s`);
  await server.stop();
}

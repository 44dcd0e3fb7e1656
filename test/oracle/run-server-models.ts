/** Histories of sessions and replication slots against live servers, as many as one asks: `npm run oracle:server-models -- --runs 20000`. */
import { parseArgs } from "node:util";
import fc from "fast-check";
import type { ServerEvent } from "../../src/arbitraries/index.ts";
import { majors, startServer } from "../servers/index.ts";
import { Histories, settings } from "./server-models.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "1000" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    majors: { type: "string", default: majors.join() },
    width: { type: "string", default: "20" },
    events: { type: "string", default: "crash,checkpoint,remove WAL" },
  },
});
const [runs, seed, width] = [Number(values.runs), Number(values.seed), Number(values.width)];

for (const major of values.majors.split(",").map(Number)) {
  const events = values.events.split(",").filter((event) => event !== "" && (major >= 13 || event !== "remove WAL"));
  const server = await startServer({ major, settings });
  const histories = new Histories(server, events as ServerEvent[]);
  await histories.prepare();
  const started = performance.now();
  await fc.assert(
    fc.asyncProperty(histories.arbitrary(width), (each) => histories.run(each)),
    { seed, numRuns: Math.ceil(runs / width), endOnFailure: true },
  );
  const seconds = ((performance.now() - started) / 1000).toFixed(1);
  console.log(`PostgreSQL ${major}: ${Math.ceil(runs / width) * width} histories, seed ${seed}, ${seconds} s`);
  await server.stop();
}

/** A handful of the rounds of `npm run faults`: a consumer that is killed, a server that crashes, connections that are cut. */
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { bundleConsumer, type FaultName, runRound, serverSettings } from "../faults/round.ts";
import { seed } from "../seed.ts";
import { startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";

let consumer: Awaited<ReturnType<typeof bundleConsumer>>;
beforeAll(async () => {
  consumer = await bundleConsumer();
});
afterAll(() => consumer.remove());

const rounds: readonly (readonly FaultName[])[] = [
  ["kill consumer", "cut message"],
  ["crash server", "terminate walsender"],
  ["kill postmaster"],
];

describe.for([...new Set([longTestMajors[0]!, longTestMajors.at(-1)!])])("PostgreSQL %i", (major) => {
  test("what is committed is delivered, in order, and the tables are equal", { timeout: 120_000 }, async () => {
    const server = await startServer({ major, settings: serverSettings, restarts: true });
    onTestFinished(() => server.stop());
    for (const [i, faults] of rounds.entries()) {
      // One consumer stores rows and position in a transaction: nothing may come twice.
      const store = i === 0 ? { store: "database" as const } : {};
      const options = { server, seed: seed + i, faults, consumer: consumer.path, duration: 300, ...store };
      const round = await runRound(options);
      expect(round.transactions).toBeGreaterThan(0);
      expect(round.samples).toBeGreaterThan(0);
    }
  });
});

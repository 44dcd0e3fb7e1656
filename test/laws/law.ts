/**
 * Laws: properties named as sentences, checked on a fixed number of generated cases.
 *
 * A run's seed is printed with each failure, and taken from WALWIRE_SEED if that is set, so a failure can be had again.
 * WALWIRE_RUNS multiplies the number of cases, for as long as one asks. `npm run fuzz` finds the laws of all files, and checks
 * them with other seeds until its time is over; the cases that it found are checked first from then on.
 */
import fc from "fast-check";
import { test } from "vitest";
import { seed, times } from "../seed.ts";
import { replayKept } from "./kept.ts";

/** How long a law may take, in ms: finding the smallest case of a failure could otherwise take an hour. */
const limit = 20_000 * Math.max(1, times);

export interface Law {
  /** The file, the suites and the sentence: "test/laws/framer.test.ts > any split gives the same frames". */
  readonly name: string;
  readonly property: fc.IRawProperty<unknown>;
}

/** The laws that `npm run fuzz` has collected; undefined in other runs, which check them. */
export const collected: Law[] | undefined = process.env.WALWIRE_FUZZ === undefined ? undefined : [];

/** A test that checks a property on `runs` cases; on fewer than that it fails. */
export function law<T>(sentence: string, property: fc.IRawProperty<T>, runs = 2000): void {
  test(sentence, { timeout: 2 * limit, tags: ["law"] }, async ({ task }) => {
    // In `npm run fuzz`, the file is a suite of the file that collects.
    if (collected !== undefined) {
      const name = (task.fullTestName ?? task.name).trim();
      collected.push({ name, property: property as fc.IRawProperty<unknown> });
      return;
    }
    await replayKept(task.fullName, property);
    await fc.assert(property, {
      seed,
      numRuns: Math.ceil(runs * times),
      interruptAfterTimeLimit: limit,
      markInterruptAsFailure: true,
    });
  });
}

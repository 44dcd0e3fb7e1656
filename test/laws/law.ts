/**
 * Laws: properties named as sentences, checked on a fixed number of generated cases.
 *
 * A run's seed is printed with each failure, and taken from WALWIRE_SEED if that is set, so a failure can be had again.
 * WALWIRE_RUNS multiplies the number of cases, for as long as one asks.
 */
import fc from "fast-check";
import { test } from "vitest";
import { seed, times } from "../seed.ts";

/** How long a law may take, in ms: finding the smallest case of a failure could otherwise take an hour. */
const limit = 20_000 * Math.max(1, times);

/** A test that checks a property on `runs` cases; on fewer than that it fails. */
export function law<T>(sentence: string, property: fc.IRawProperty<T>, runs = 2000): void {
  test(sentence, { timeout: 2 * limit }, () =>
    fc.assert(property, {
      seed,
      numRuns: Math.ceil(runs * times),
      interruptAfterTimeLimit: limit,
      markInterruptAsFailure: true,
    }),
  );
}

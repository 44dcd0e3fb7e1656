/** Damage to messages: what it does to their structure, and how small its examples become. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { damaged, damagedFrames } from "../../src/arbitraries/damage.ts";
import { backendMessage, frontendMessage } from "../../src/arbitraries/session.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import { decodeBackendMessage, encodeBackendMessage, encodeFrontendMessage } from "../../src/session/messages.ts";
import { Framer } from "../../src/wire/framer.ts";
import { seed } from "../seed.ts";

const frames = fc.array(backendMessage().map(encodeBackendMessage), { minLength: 1, maxLength: 5 });
const hostile = damagedFrames(frames, frontendMessage().map(encodeFrontendMessage));

/** How the reading of a stream ends: "none", or the code of its error. */
function problemIn(list: readonly Uint8Array[]): string {
  const framer = new Framer({ maxLength: 1 << 20 });
  try {
    for (const frame of list) framer.push(frame);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) decodeBackendMessage(frame);
    framer.end();
    return "none";
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error;
    return error.code;
  }
}

test("a reader finds each kind of fault", () => {
  const problems = new Set(fc.sample(hostile, { numRuns: 2000, seed }).map((list) => problemIn(list)));
  expect([...problems]).toEqual(
    expect.arrayContaining(["none", "TRUNCATED", "BAD_TAG", "BAD_LENGTH", "TRAILING_BYTES"]),
  );
});

test("nearly all examples are reduced to one message", () => {
  const lengths = Array.from({ length: 20 }, (_, i) => {
    const { counterexample } = fc.check(
      fc.property(hostile, (list) => problemIn(list) !== "TRUNCATED"),
      { seed: seed + i, numRuns: 5000 },
    );
    return counterexample![0].length;
  });
  // Some 19 of 20.
  expect(lengths.filter((length) => length === 1).length).toBeGreaterThan(12);
  expect(Math.max(...lengths)).toBeLessThanOrEqual(2);
});

test("the original stays as it is", () => {
  fc.assert(
    fc.property(frames, fc.integer(), (list, start) => {
      const before = list.map((frame) => frame.slice());
      fc.sample(damagedFrames(fc.constant(list)), { numRuns: 20, seed: start });
      fc.sample(damaged(fc.constant(list[0]!)), { numRuns: 20, seed: start });
      expect(list).toEqual(before);
    }),
    { seed, numRuns: 50 },
  );
});

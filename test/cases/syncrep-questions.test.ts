/** Sentences about many standbys, and arguments that the questions reject. */
import { expect, test } from "vitest";
import { ArgumentError, EncodeError } from "../../src/kernel/errors.ts";
import { evaluateSynchronousStandbys } from "../../src/syncrep/evaluate.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { judgeSynchronousStandbyNames } from "../../src/syncrep/judge.ts";
import {
  explainSynchronousStandbys,
  satisfiableWith,
  streamingStandby,
  whatIfStandbysChange,
} from "../../src/syncrep/questions.ts";

const names = (count: number) => Array.from({ length: count }, (_, i) => `s${i}`);
const list = (count: number) => parseSynchronousStandbyNames(names(count).join(", "))!;
/** Without a fifth, so that each of the first ten is named. */
const spoken = "s0, s1, s2, s3, s4, s5, s6, s7, s8, s9";

test("ten names are listed, and of more the number", () => {
  const sentence = (count: number) => satisfiableWith(list(count), names(count)).sentence;
  expect(sentence(10)).toBe(
    "It can be met: 1 standby is asked for, and of these names s0, s1, s2, s3, s4, s5, s6, s7, s8 and s9 count.",
  );
  expect(sentence(11)).toBe(`It can be met: 1 standby is asked for, and of these names ${spoken} and 1 more count.`);
  expect(explainSynchronousStandbys(list(12))).toEqual([
    `A commit waits for the first of these that streams: ${spoken} and 2 more.`,
    expect.any(String),
  ]);
});

test("ten changes are said, and of more the number", () => {
  const without = (count: number) =>
    whatIfStandbysChange(list(12), names(12).map(streamingStandby), { type: "leave", names: names(count) }).sentence;
  // The next one becomes synchronous, which is a change too.
  expect(without(9)).toContain("s9: potential to sync. Commits go on.");
  expect(without(9)).not.toContain("more");
  expect(without(10)).toContain("s9: potential to gone. And 1 more. Commits go on.");
});

test("names of a change are texts", () => {
  const rename = (from: unknown, to: unknown) => () =>
    whatIfStandbysChange(list(1), [streamingStandby("s0")], { type: "rename", from, to } as never);
  expect(rename("s0", "b")).not.toThrow();
  expect(rename(1, "b")).toThrow(new EncodeError("change[0]", "change[0]: it must be a string"));
  expect(rename("s0", 1)).toThrow(new EncodeError("change[1]", "change[1]: it must be a string"));
});

test("standbys and options are checked, one by one", () => {
  const evaluate = (standby: object, options: object = {}) =>
    evaluateSynchronousStandbys(list(1), [standby] as never, options);
  const good = streamingStandby("s0");
  expect(() => evaluate(good, { cascading: 1 })).toThrow(
    new ArgumentError("options.cascading", "options.cascading: expected a boolean, got 1"),
  );
  expect(() => evaluate({ ...good, state: "walking" })).toThrow(
    new EncodeError(
      "standbys[0].state",
      "standbys[0].state: it is one of startup, backup, catchup, streaming, stopping",
    ),
  );
  const lsn = "standbys[0].flushLsn: an LSN is a bigint from 0 to 2^64 - 1, or undefined";
  for (const flushLsn of [-1n, 1n << 64n, 1]) {
    expect(() => evaluate({ ...good, flushLsn })).toThrow(new EncodeError("standbys[0].flushLsn", lsn));
  }
});

test("a value that is not text has a verdict and no findings", () => {
  expect(judgeSynchronousStandbyNames(7 as never)).toMatchObject({ verdict: { type: "refused" }, findings: [] });
});

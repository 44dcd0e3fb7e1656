/** Plans for the cases that people ask about, by kind. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import type { Lsn } from "../../src/kernel/lsn.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import {
  type CurrentStandbys,
  canTakeOver,
  compareStandbyNames,
  type ObservedPrimary,
  planSynchronousStandbys,
  type StandbyPlan,
  type StandbyWait,
  settingAfterTakeover,
  type WantedStandbys,
  waitSql,
} from "../../src/syncrep/plan/index.ts";
import { streamingStandby } from "../../src/syncrep/questions.ts";

const at = (n: number) => BigInt(n) as Lsn;

/** The steps in short: "2 of abc", "ANY 1 (b, c)", "wait for 1 of bc". */
function steps({ steps }: StandbyPlan): string[] {
  return steps.map((step) => {
    if (step.type === "value") return step.value === "" ? "''" : step.value;
    if (step.type === "wait") return `wait for ${step.wait.number} of ${step.wait.names.join("")}`;
    return step.rule === undefined ? "none" : `${step.rule.quorum} of ${step.rule.voters.join("")}`;
  });
}

function plan(
  value: string,
  rule: string,
  nodes: string,
  copies: number,
  more: Partial<WantedStandbys & { primary: string; observed: ObservedPrimary }> = {},
): string[] {
  const { primary = "a", observed, ...wanted } = more;
  const [quorum, voters] = rule.split(" of ");
  const current: CurrentStandbys = {
    primary,
    value,
    rule: voters === undefined ? undefined : { voters: [...voters], quorum: Number(quorum) },
  };
  return steps(planSynchronousStandbys(current, { nodes: [...nodes], copies, ...wanted }, observed));
}

describe("steps", () => {
  test.each([
    // [value, rule, nodes, copies, steps]
    ["nothing to do", "ANY 1 (b, c)", "2 of abc", "abc", 1, []],
    ["a node joins", "ANY 1 (b)", "1 of ab", "abc", 1, ["2 of abc", "ANY 1 (b, c)"]],
    [
      "nodes join, and more copies",
      "ANY 1 (b)",
      "1 of ab",
      "abcde",
      2,
      ["4 of abcde", "ANY 2 (b, c, d, e)", "wait for 2 of bcde", "3 of abcde"],
    ],
    ["a node leaves", "ANY 1 (b, c)", "2 of abc", "ab", 1, ["ANY 1 (b)", "wait for 1 of b", "1 of ab"]],
    ["a node is exchanged", "ANY 1 (b)", "1 of ab", "ac", 1, ["2 of abc", "ANY 1 (c)", "wait for 1 of c", "1 of ac"]],
    [
      "all others are exchanged",
      "ANY 2 (b, c)",
      "1 of abc",
      "ade",
      2,
      ["3 of abcde", "ANY 2 (d, e)", "wait for 2 of de", "1 of ade"],
    ],
    ["more copies", "ANY 1 (b, c)", "2 of abc", "abc", 2, ["ANY 2 (b, c)", "wait for 2 of bc", "1 of abc"]],
    ["fewer copies", "ANY 2 (b, c)", "1 of abc", "abc", 1, ["2 of abc", "ANY 1 (b, c)"]],
    [
      "fewer nodes and fewer copies",
      "ANY 2 (b, c, d, e)",
      "3 of abcde",
      "abc",
      1,
      ["4 of abcde", "ANY 1 (b, c)", "wait for 1 of bc", "2 of abc"],
    ],
    ["replication is turned off", "ANY 1 (b, c)", "2 of abc", "abc", 0, ["3 of abc", "''"]],
    ["and on again", "", "3 of abc", "abc", 1, ["ANY 1 (b, c)", "wait for 1 of bc", "2 of abc"]],
    [
      "replication is turned on for a primary that was alone",
      "",
      "1 of a",
      "ab",
      1,
      ["ANY 1 (b)", "wait for 1 of b", "1 of ab"],
    ],
    ["no node could take over", "", "none", "ab", 1, ["ANY 1 (b)", "wait for 1 of b", "1 of ab"]],
    ["the last standby leaves", "ANY 1 (b)", "1 of ab", "a", 0, ["1 of a", "''"]],
    [
      "the planner died after the joint rule",
      "ANY 1 (b)",
      "2 of abc",
      "ac",
      1,
      ["ANY 1 (c)", "wait for 1 of c", "1 of ac"],
    ],
    ["the planner died before the wait was over", "ANY 1 (c)", "2 of abc", "ac", 1, ["wait for 1 of c", "1 of ac"]],
    ["a plan is given up half-way", "ANY 1 (c)", "2 of abc", "ab", 1, ["ANY 1 (b)", "wait for 1 of b", "1 of ab"]],
    ["* was set", "ANY 1 (*)", "2 of abc", "abc", 1, ["3 of abc", "ANY 1 (b, c)", "wait for 1 of bc", "2 of abc"]],
    ["the primary's own name was in the list", "ANY 1 (a, b)", "1 of ab", "ab", 1, ["ANY 1 (b)"]],
    ["the case of a name differs", "ANY 1 (B, c)", "2 of abc", "abc", 1, []],
    ["FIRST becomes ANY", "FIRST 1 (b, c)", "2 of abc", "abc", 1, ["ANY 1 (b, c)"]],
  ])("%s", (_, value, rule, nodes, copies, expected) => {
    expect(plan(value, rule, nodes, copies)).toEqual(expected);
  });

  test("a new primary plans from the rule it was chosen by", () => {
    const rule = { voters: ["a", "b", "c"], quorum: 2 };
    expect(canTakeOver(rule, [node("b", 8), node("c", 9)])).toMatchObject({ type: "promote", candidates: ["c"] });
    expect(settingAfterTakeover(rule, "c")).toMatchObject({ numSync: 1, memberNames: ["a", "b"] });
    expect(plan("ANY 1 (a, b)", "2 of abc", "abc", 1, { primary: "c" })).toEqual([]);
    // The old primary is lost for good.
    expect(plan("ANY 1 (a, b)", "2 of abc", "bc", 1, { primary: "c" })).toEqual([
      "ANY 1 (b)",
      "wait for 1 of b",
      "1 of bc",
    ]);
  });

  test("FIRST has the nodes in order, for each version", () => {
    const wanted = { nodes: ["c", "a", "b"], copies: 1, syncrepMethod: "PRIORITY" } as const;
    const value = (server: string) =>
      planSynchronousStandbys({ primary: "a", value: "", rule: undefined }, wanted, undefined, { server }).steps[0];
    expect(value("18")).toMatchObject({ value: "FIRST 1 (c, b)" });
    expect(value("9.6")).toMatchObject({ value: "1 (c, b)" });
    expect(value("9.5")).toMatchObject({ value: "c, b" });
    expect(() => value("9.3")).toThrow("ALTER SYSTEM is not in PostgreSQL 9.3");
    const any = { ...wanted, syncrepMethod: "QUORUM" } as const;
    expect(() =>
      planSynchronousStandbys({ primary: "a", value: "", rule: undefined }, any, undefined, { server: "9.6" }),
    ).toThrow("ANY");
  });
});

const node = (name: string, flushed: number, timeline = 1) => ({ name, timeline, flushLsn: at(flushed) });

describe("takeover", () => {
  const rule = { voters: ["a", "b", "c"], quorum: 2 };
  test.each([
    ["the newer timeline before the longer WAL", [node("b", 5, 2), node("c", 9)], "b may take over."],
    ["either of two that are equal", [node("b", 9), node("c", 9)], "b or c may take over."],
    ["no node that is not a voter", [node("b", 5), node("c", 4), node("d", 9)], "b may take over."],
    [
      "none if too few are seen",
      [node("d", 5), node("c", 4)],
      "No node may take over: 2 of a, b and c must be seen, and only c is.",
    ],
    ["none if none is seen", [], "No node may take over: 2 of a, b and c must be seen, and none is."],
  ])("%s", (_, seen, sentence) => {
    expect(canTakeOver(rule, seen).sentence).toBe(sentence);
  });
});

describe("the number of copies when standbys are missing", () => {
  const standbys = [{ ...streamingStandby("b"), syncPriority: 1, isWaiting: true }];
  const observed = { value: "ANY 2 (b, c)", position: at(9), standbys };

  test("stays, and commits wait", () => {
    const { steps: all, findings } = planSynchronousStandbys(
      { primary: "a", value: "ANY 2 (b, c)", rule: { voters: ["a", "b", "c"], quorum: 1 } },
      { nodes: ["a", "b", "c"], copies: 2 },
      observed,
    );
    expect(all).toEqual([]);
    expect(findings.map(({ message }) => message)).toEqual([
      "c does not stream: start it, or leave it out of the nodes.",
      "Commits wait until 1 more of c streams.",
    ]);
  });

  test("is lowered so that commits go on, and raised again", () => {
    expect(plan("ANY 2 (b, c)", "1 of abc", "abc", 2, { whenMissing: "lower", observed })).toEqual([
      "2 of abc",
      "ANY 1 (b, c)",
    ]);
    const none = { ...observed, standbys: [] };
    expect(plan("ANY 2 (b, c)", "1 of abc", "abc", 2, { whenMissing: "lower", observed: none })).toEqual([
      "3 of abc",
      "''",
    ]);
    expect(plan("ANY 2 (b, c)", "1 of abc", "abc", 2, { whenMissing: "lower", atLeast: 1, observed: none })).toEqual([
      "2 of abc",
      "ANY 1 (b, c)",
    ]);
    const both = { ...observed, standbys: ["b", "c"].map(streamingStandby) };
    expect(plan("ANY 1 (b, c)", "2 of abc", "abc", 2, { whenMissing: "lower", observed: both })).toEqual([
      "ANY 2 (b, c)",
      "wait for 2 of bc",
      "1 of abc",
    ]);
  });
});

describe("the wait", () => {
  const current = { primary: "a", value: "ANY 1 (c)", rule: { voters: ["a", "b", "c"], quorum: 2 } };
  const wanted = { nodes: ["a", "c"], copies: 1 };
  const look = (position: number, c: object, more: object = {}): ObservedPrimary => ({
    ...{ value: "ANY 1 (c)", position: at(position) },
    standbys: [{ ...streamingStandby("c"), syncPriority: 1, isWaiting: true, ...c }],
    ...more,
  });
  const next = (observed: ObservedPrimary, wait?: StandbyWait) =>
    planSynchronousStandbys(current, wanted, observed, { wait });

  test("is for what is written when each walsender has read the value", () => {
    const first = next(look(5, { flushLsn: at(5) }));
    expect(first.wait).toMatchObject({ since: "0/5", inEffect: true, lsn: undefined });
    const second = next(look(9, { flushLsn: at(5) }), first.wait);
    expect(second.wait).toMatchObject({ lsn: "0/9", satisfied: false });
    const third = next(look(12, { flushLsn: at(9) }), second.wait);
    expect(third.wait?.satisfied).toBe(true);
    expect(steps(third)).toEqual(["1 of ac"]);
  });

  test.each([
    ["a walsender with the old priority", { syncPriority: 0 }, {}],
    ["a walsender that is at work", { isWaiting: false, sentLsn: at(5) }, {}],
    ["a walsender of which nothing is known", { isWaiting: undefined }, {}],
    ["a session with the old value", {}, { value: "ANY 1 (b, c)" }],
  ])("does not begin with %s", (_, row, more) => {
    expect(next(look(5, { flushLsn: at(5), ...row }, more)).wait?.inEffect).toBe(false);
  });

  test("takes a walsender that has sent newer WAL since", () => {
    const busy = { isWaiting: false, flushLsn: at(5) };
    const first = next(look(5, { ...busy, sentLsn: at(5) }));
    expect(first.wait?.inEffect).toBe(false);
    expect(next(look(9, { ...busy, sentLsn: at(6) }), first.wait).wait?.inEffect).toBe(true);
  });

  test("also asks whether commits wait, where the value may have been empty", () => {
    const empty = { ...current, rule: { voters: ["a", "c"], quorum: 2 } };
    const seen = (commitsWait: boolean) =>
      planSynchronousStandbys(empty, wanted, look(5, { flushLsn: at(5) }, { commitsWait }));
    expect([false, true].map((each) => seen(each).wait?.inEffect)).toEqual([false, true]);
    expect(waitSql(seen(false).wait!).before).toEqual(["CHECKPOINT", "CHECKPOINT"]);
  });

  test("begins anew if another value is planned", () => {
    const { wait } = next(look(5, { flushLsn: at(5) }));
    const other = planSynchronousStandbys(current, { nodes: ["a", "b"], copies: 1 }, look(9, {}), { wait });
    expect(other.wait).toBeUndefined();
  });
});

test("findings name what makes a plan void", () => {
  const rows = ["b", "B", "c"].map(streamingStandby);
  const { findings } = planSynchronousStandbys(
    { primary: "a", value: "ANY 1 (*)", rule: { voters: ["a", "b"], quorum: 1 } },
    { nodes: ["a", "b", "Zürich", "x".repeat(64)], copies: 1 },
    { value: "ANY 1 (*)", standbys: rows, cascading: true, synchronousCommit: "remote_write" },
    { server: "17.4" },
  );
  expect(findings.map(({ code }) => code)).toEqual([
    ...["UNSAFE_NOW", "ANY_STANDBY", "NEVER_MATCHES", "START", "CASCADING", "LEVEL", "SHARED_NAME", "NOT_STREAMING"],
  ]);
});

describe("comparison", () => {
  const words = (before: string, after: string) =>
    compareStandbyNames(parseSynchronousStandbyNames(before), parseSynchronousStandbyNames(after)).words;

  test("says what returned before and may be missed after", () => {
    expect(words("ANY 1 (a, b)", "ANY 1 (b, c)")).toEqual([
      "Before, a commit waits for a or b.",
      "After, a commit waits for b or c.",
      "Counted in addition: c.",
      "No longer counted: a.",
      "A commit that returned before may be on the primary and a only, which is 1 standby too few for the new value.",
      "Before a takeover counts on the new value, wait until what was written before it was in effect is flushed on b or c.",
      "After, a commit may return that is on the primary and c only: a takeover that counts on the old value can lose it.",
    ]);
  });

  test.each([
    ["ANY 2 (a, b)", "ANY 1 (a, b)", false, true],
    ["ANY 1 (a, b)", "FIRST 1 (b, a)", false, false],
    ["", "ANY 1 (a)", true, false],
    ["ANY 1 (a)", "", false, true],
    ["ANY 2 (*)", "ANY 1 (a, b)", true, true],
    ["ANY 1 (a, b)", "ANY 2 (*)", true, true],
    ["ANY 2 (a, b)", "ANY 2 (*)", false, true],
    ["ANY 257 (a, b)", "ANY 1 (a, b)", false, false],
  ])("%s and %s", (before, after, isBefore, isAfter) => {
    const { onlyBefore, onlyAfter } = compareStandbyNames(
      parseSynchronousStandbyNames(before),
      parseSynchronousStandbyNames(after),
    );
    expect([onlyBefore.exist, onlyAfter.exist]).toEqual([isBefore, isAfter]);
  });
});

test("the example of the guide prints what it says", () => {
  const page = readFileSync(new URL("../../docs/synchronous-standby-names.md", import.meta.url), "utf8");
  const [, code, output] = /^```js\nimport .*\n\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```$/m.exec(page)!;
  const lines: string[] = [];
  const run = new Function("planSynchronousStandbys", "console", code!);
  run(planSynchronousStandbys, { log: (line: string) => lines.push(`${line}\n`) });
  expect(lines.join("")).toBe(output);
});

/** Rules and values against all sets of nodes, one by one: what the formulas of walwire/syncrep/plan say is what the sets say. */
import fc from "fast-check";
import { expect } from "vitest";
import type { SyncRepConfig } from "../../src/syncrep/index.ts";
import {
  compareStandbyNames,
  isTakeoverSafe,
  planSynchronousStandbys,
  settingAfterTakeover,
} from "../../src/syncrep/plan/index.ts";
import { law } from "./law.ts";

const names = ["a", "b", "c", "d", "e"];

const some = (minLength: number) => fc.subarray(names, { minLength });
const config = fc.option(
  some(1).chain((memberNames) =>
    fc.record({
      type: fc.constant("SyncRepConfig" as const),
      syncrepMethod: fc.constantFrom("QUORUM" as const, "PRIORITY" as const),
      numSync: fc.integer({ min: 1, max: memberNames.length }),
      memberNames: fc.constant(memberNames),
    }),
  ),
  { nil: undefined },
);
const rule = some(1).chain((voters) =>
  fc.integer({ min: 1, max: voters.length }).map((quorum) => ({ voters, quorum })),
);

function subsets(of: readonly string[]): string[][] {
  return Array.from({ length: 2 ** of.length }, (_, bits) => of.filter((_, i) => (bits >> i) & 1));
}

/** Sets of standbys that let a commit return. */
function acknowledging(value: SyncRepConfig | undefined, primary: string): string[][] {
  const { numSync = 0, memberNames = [] } = value ?? {};
  return subsets(memberNames.filter((name) => name !== primary)).filter((set) => set.length === numSync);
}

law(
  "a takeover is safe if each set that is seen meets each set that has a commit",
  fc.property(config, rule, fc.constantFrom(...names), (value, { voters, quorum }, primary) => {
    const sets = acknowledging(value, primary);
    // No commit returns.
    fc.pre(sets.length > 0);
    const seen = subsets(voters).filter((set) => set.length >= quorum);
    const meets = sets.every((set) =>
      seen.every((some) => some.includes(primary) || some.some((name) => set.includes(name))),
    );
    expect(isTakeoverSafe(value, primary, { voters, quorum }).safe).toBe(meets);
  }),
);

law(
  "the value after a takeover is safe with the rule, and one standby fewer is not",
  fc.property(rule, fc.nat(4), (known, place) => {
    const primary = known.voters[place % known.voters.length]!;
    const value = settingAfterTakeover(known, primary);
    expect(isTakeoverSafe(value, primary, known).safe).toBe(true);
    if (value === undefined) return;
    const fewer = value.numSync === 1 ? undefined : { ...value, numSync: value.numSync - 1 };
    expect(isTakeoverSafe(fewer, primary, known).safe).toBe(false);
  }),
);

law(
  "a comparison names sets that are enough for one value and not for the other, if there are any",
  fc.property(config, config, (before, after) => {
    const isEnough = (set: readonly string[], value: SyncRepConfig | undefined) =>
      set.filter((name) => value?.memberNames.includes(name)).length >= (value?.numSync ?? 0);
    const { onlyBefore, onlyAfter } = compareStandbyNames(before, after);
    for (const [found, one, other] of [
      [onlyBefore, before, after],
      [onlyAfter, after, before],
    ] as const) {
      const sets = acknowledging(one, "").filter((set) => !isEnough(set, other));
      const key = (set: readonly string[]) => [...set].sort().join();
      expect(found.exist).toBe(sets.length > 0);
      expect(found.sets.map(key).sort()).toEqual(
        sets.length <= 10 ? sets.map(key).sort() : expect.arrayContaining([expect.any(String)]),
      );
      for (const set of found.sets) expect([one?.numSync ?? 0, isEnough(set, other)]).toEqual([set.length, false]);
    }
  }),
);

law(
  "a plan is safe after each of its steps if the start is, ends with what is wanted, and survives JSON",
  fc.property(config, rule, some(1), fc.nat(4), fc.nat(4), (value, known, nodes, place, some) => {
    const primary = nodes[place % nodes.length]!;
    const copies = some % nodes.length;
    const text =
      value === undefined
        ? ""
        : `${value.syncrepMethod === "QUORUM" ? "ANY" : "FIRST"} ${value.numSync} (${value.memberNames})`;
    const current = { primary, value: text, rule: known };
    const plan = planSynchronousStandbys(current, { nodes, copies }, undefined);
    expect(JSON.parse(JSON.stringify(plan))).toEqual(plan);
    const last = plan.steps.at(-1)?.after ?? plan.now;
    expect(last.rule).toEqual({ voters: expect.arrayContaining(nodes), quorum: nodes.length - copies });
    expect(last.rule?.voters).toHaveLength(nodes.length);
    expect(last.waitsFor).toBe(copies);
    for (const { after } of plan.steps) expect(after.safety.safe).toBe(true);
    expect(plan.findings.some(({ code }) => code === "UNSAFE_NOW")).toBe(!plan.now.safety.safe);
  }),
);

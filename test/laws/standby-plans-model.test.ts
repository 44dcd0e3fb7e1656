/** Clusters whose control plane follows the plans lose no commit that returned, and those of broken planners do. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { brokenPlanners } from "../models/broken-planners.ts";
import { allWanted, atRest, explore, type Limits, walk } from "../models/standby-plans.ts";
import { law } from "./law.ts";

function starts(limits: Limits) {
  return Array.from({ length: limits.nodes }, (_, copies) =>
    Array.from({ length: limits.nodes - copies }, (_, more) => atRest(limits, copies + 1 + more, copies)),
  ).flat();
}

/** `npm run model:standbys` goes on to 5 nodes, and to millions of states. */
test.each([
  [2, 5],
  [3, 3],
  [4, 2],
])("no history of %i nodes and %i events loses a commit", (nodes, depth) => {
  const limits = { nodes, commits: 2, takeovers: 2, changes: 2 };
  const wanted = allWanted(nodes, ["QUORUM", "PRIORITY"], ["wait", "lower"]);
  const { history, ...explored } = explore(starts(limits), limits, wanted, { depth, most: 10 ** 6 });
  expect(history).toBeUndefined();
  expect(explored.depth).toBe(depth);
  expect(explored.states).toBeGreaterThan(1000);
});

law(
  "no random history of 5 to 9 nodes loses a commit",
  fc.property(fc.nat(), fc.integer({ min: 5, max: 9 }), (seed, nodes) => {
    expect(walk(seed, nodes, 80).history).toBeUndefined();
  }),
  500,
);

describe("the model finds the commit that is lost if the planner", () => {
  test.each(brokenPlanners)("%s", (_, planner) => {
    // What a plan that was cut off left behind.
    const four = { nodes: 4, commits: 1, takeovers: 0, changes: 2 };
    const wanted = [
      { nodes: ["a", "b", "c"], copies: 2 },
      { nodes: ["a", "b", "c", "d"], copies: 2 },
      { nodes: ["a", "b", "d"], copies: 2 },
    ];
    const { history } = explore([atRest(four, 3, 1)], four, wanted, { depth: 8, most: 5000 }, planner);
    if (history !== undefined) return;
    const three = { nodes: 3, commits: 1, takeovers: 1, changes: 1 };
    const few = [atRest(three, 1, 0), atRest(three, 2, 1), atRest(three, 3, 1)];
    expect(explore(few, three, allWanted(3), { depth: 8, most: 40_000 }, planner).history).toBeDefined();
  });
});

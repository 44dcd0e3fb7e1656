/** Planners with one rule of theirs broken: the model must find the commit that each loses. */
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import {
  isTakeoverSafe,
  type ObservedPrimary,
  type PlanStep,
  planSynchronousStandbys,
  type TakeoverRule,
} from "../../src/syncrep/plan/index.ts";
import { evaluateSynchronousStandbys } from "../../src/syncrep/questions.ts";
import { type Planner, planner } from "./standby-plans.ts";

type Args = Parameters<typeof planSynchronousStandbys>;

/** Changes the steps. */
const steps = (change: (steps: readonly PlanStep[], args: Args) => readonly PlanStep[]): Partial<Planner> => ({
  plan: (...args) => {
    const plan = planSynchronousStandbys(...args);
    return { ...plan, steps: change(plan.steps, args) };
  },
});

/** Changes rules that are written. */
const rules = (
  change: (rule: TakeoverRule, args: Args, steps: readonly PlanStep[]) => TakeoverRule,
): Partial<Planner> =>
  steps((all, args) =>
    all.map((step) =>
      step.type === "rule" && step.rule !== undefined ? { ...step, rule: change(step.rule, args, all) } : step,
    ),
  );

/** Changes what is seen. */
const seen = (change: (observed: ObservedPrimary, args: Args) => ObservedPrimary): Partial<Planner> => ({
  plan: (current, wanted, observed, options) =>
    planSynchronousStandbys(
      current,
      wanted,
      observed && change(observed, [current, wanted, observed, options]),
      options,
    ),
});

const broken: Readonly<Record<string, Partial<Planner>>> = {
  "does not wait before it relaxes the rule": steps((all) => all.filter(({ type }) => type !== "wait")),
  "leaves out the joint rule": steps((all) =>
    all.some(({ type }) => type === "value") ? all.filter(({ type }) => type === "value") : all,
  ),
  "sets the value before the joint rule": steps((all) =>
    [...all].sort((a, b) => Number(b.type === "value") - Number(a.type === "value")),
  ),
  "sees one voter too few": rules((rule) => ({ ...rule, quorum: Math.max(1, rule.quorum - 1) })),
  "writes the new rule before the value": rules((rule, [, { nodes, copies }]) => ({
    ...rule,
    voters: nodes,
    quorum: nodes.length - copies,
  })),
  "forgets how strict the rule was": rules((rule, [current, wanted], all) => {
    if (!all.some(({ type }) => type === "value")) return rule;
    const number = Math.min(parseSynchronousStandbyNames(current.value)?.numSync ?? 0, wanted.copies);
    return { ...rule, quorum: Math.max(1, rule.voters.length - number) };
  }),
  "names a node that the rule lacks": steps((all, [current]) => {
    const [first, second] = all;
    const isSafeWith = (value: string) =>
      isTakeoverSafe(parseSynchronousStandbyNames(value), current.primary, current.rule).safe;
    return first?.type === "rule" && second?.type === "value" && isSafeWith(second.value) ? all.slice(1) : all;
  }),
  "believes what a session shows": seen((observed) => {
    const { standbys } = evaluateSynchronousStandbys(parseSynchronousStandbyNames(observed.value), observed.standbys);
    const read = (each: (typeof observed.standbys)[number], i: number) => ({
      ...each,
      syncPriority: standbys[i]!.syncPriority,
      isWaiting: true,
    });
    return { ...observed, standbys: observed.standbys.map(read) };
  }),
  "forgets the checkpointer": seen((observed) => ({ ...observed, commitsWait: true })),
  "waits for what was written when the value was first seen": {
    plan: (current, wanted, observed, options) => {
      const { wait } = options ?? {};
      const early = wait && { ...wait, lsn: wait.lsn ?? wait.since };
      return planSynchronousStandbys(current, wanted, observed, { ...options, wait: early });
    },
  },
  "sets no value when a node takes over": { valueAfterTakeover: () => "" },
  "lets a seen voter go on with the old primary": { fences: false },
};

export const brokenPlanners: readonly (readonly [what: string, planner: Planner])[] = Object.entries(broken).map(
  ([what, part]) => [what, { ...planner, ...part }],
);

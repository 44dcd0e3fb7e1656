/**
 * walwire/syncrep/plan: the next value of `synchronous_standby_names`, in steps that lose no commit; who may take over; what differs between two values.
 */

export { type AcknowledgingSets, compareStandbyNames, type StandbyNamesComparison } from "./compare.ts";
export { type PlanFinding, type PlanFindingCode, planFindingCodes } from "./findings.ts";
export {
  type CurrentStandbys,
  type PlanOptions,
  type PlanState,
  type PlanStep,
  planSynchronousStandbys,
  type RuleStep,
  type StandbyPlan,
  type ValueStep,
  type WaitStep,
  type WantedStandbys,
} from "./plan.ts";
export {
  canTakeOver,
  isTakeoverSafe,
  type SeenNode,
  settingAfterTakeover,
  type Takeover,
  type TakeoverRule,
  type TakeoverSafety,
} from "./rules.ts";
export {
  advanceWait,
  type ObservedPrimary,
  type ObservedStandby,
  type StandbyWait,
  type WaitSql,
  waitSql,
} from "./wait.ts";

/**
 * From one value of `synchronous_standby_names` and one takeover rule to others, in steps between which nothing is lost: the planner may
 * die after each, and a failover may come.
 *
 * The value lies on the server and the rule in a store: only one of them changes at a time. As in Raft's joint consensus, the rule first
 * becomes one that is safe with both values; then the value changes; and when all that was acknowledged is where the new rule looks for
 * it, the rule becomes the new one. A plan needs no memory of the plans before: as long as something of them may be under way, the rule
 * that they left is a strict one, and the rule is relaxed only after a wait.
 */
import { refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkOneOf, checkWhole } from "../../kernel/options.ts";
import { requireCapability } from "../../kernel/version.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import { quoteLiteral } from "../../text/literal.ts";
import { meaningOf, type SyncRepConfig } from "../ast.ts";
import { planCapabilities } from "../capabilities.ts";
import { evaluateSynchronousStandbys } from "../evaluate.ts";
import { parseSynchronousStandbyNames, type SynchronousStandbyNamesOptions, serverOf } from "../parse.ts";
import { printSynchronousStandbyNames } from "../print.ts";
import { findingsOf, type PlanFinding } from "./findings.ts";
import {
  acknowledgementOf,
  checkMethod,
  isSafe,
  isStricter,
  jointRule,
  mixtureOf,
  type Names,
  nobody,
  nodeNames,
  outside,
  plainRule,
  type Rule,
  required,
  requireNode,
  ruleOf,
  safetyOf,
  sameRule,
  settingOf,
  type TakeoverRule,
  type TakeoverSafety,
} from "./rules.ts";
import {
  advanceWait,
  checkObserved,
  checkWait,
  type ObservedPrimary,
  type StandbyWait,
  type WaitSql,
  waitInWords,
  waitSql,
} from "./wait.ts";

/** What is in force. */
export interface CurrentStandbys {
  /** The name that the primary has as a node. */
  readonly primary: string;
  /**
   * The value that the server's files set, and that a session shows which began after a reload. Reload before you look: a planner may have
   * died between ALTER SYSTEM and the reload.
   */
  readonly value: string;
  /** undefined: no node may take over. */
  readonly rule: TakeoverRule | undefined;
}

/** What should be. */
export interface WantedStandbys {
  /** All nodes that may be primary, the present one among them; with FIRST the first come first. */
  readonly nodes: readonly string[];
  /**
   * How many standbys must have a commit when it returns, besides the primary: as many nodes may be lost, with their disks, and no
   * commit is. 0 to all others.
   */
  readonly copies: number;
  /** QUORUM (ANY), from 10 on and the default, or PRIORITY (FIRST). */
  readonly syncrepMethod?: SyncRepConfig["syncrepMethod"] | undefined;
  /**
   * When fewer than `copies` standbys stream: "wait", the default, lets commits wait until there are enough; "lower" lowers the number
   * to those that stream, so that commits go on and nodes lost together may take commits with them.
   */
  readonly whenMissing?: "wait" | "lower" | undefined;
  /** Where "lower" ends; 0 if it is not given. */
  readonly atLeast?: number | undefined;
}

/** The server, and what an earlier call left. */
export interface PlanOptions extends SynchronousStandbyNamesOptions {
  /** The `wait` of the last plan. Without it the wait begins anew. */
  readonly wait?: StandbyWait | undefined;
}

/** What is in force after a step. */
export interface PlanState {
  /** The value of the setting. */
  readonly value: string;
  /** undefined: no node may take over. */
  readonly rule: TakeoverRule | undefined;
  /** Does each takeover that the rule allows keep each commit that has returned? With the reason. */
  readonly safety: Pick<TakeoverSafety, "safe" | "mayBeAway" | "sentence">;
  /** How many standbys a commit waits for. */
  readonly waitsFor: number;
  /** How many more must stream before commits return; undefined if the standbys were not seen. */
  readonly missing: number | undefined;
}

interface Step {
  /** What to do, in a sentence. */
  readonly sentence: string;
  /** What is in force when it is done. */
  readonly after: PlanState;
}

/** A new takeover rule. */
export interface RuleStep extends Step {
  /** The kind of step. */
  readonly type: "rule";
  /** What to write to the store, by compare-and-set; undefined: no node may take over. */
  readonly rule: TakeoverRule | undefined;
}

/** A new value. */
export interface ValueStep extends Step {
  /** The kind of step. */
  readonly type: "value";
  /** What to set. */
  readonly value: string;
  /** Statements that set it. */
  readonly sql: readonly string[];
}

/** A wait. */
export interface WaitStep extends Step {
  /** The kind of step. */
  readonly type: "wait";
  /** What to wait for, and how far it is. */
  readonly wait: StandbyWait;
  /** The same as SQL. */
  readonly sql: WaitSql;
}

/** One change, or one wait. */
export type PlanStep = RuleStep | ValueStep | WaitStep;

/** Steps to what is wanted: plain values, which JSON can hold. */
export interface StandbyPlan {
  /** What is in force now. */
  readonly now: PlanState;
  /**
   * In order; none if all is as wanted. Do the first, look again, and plan again. A wait that is over is left out.
   */
  readonly steps: readonly PlanStep[];
  /** How far the wait is, for the next call; undefined if there is none, or the value is not set yet. */
  readonly wait: StandbyWait | undefined;
  /** What makes the plan less than it looks, with what to do. */
  readonly findings: readonly PlanFinding[];
}

/**
 * Plan the way from what is in force to what is wanted. At every moment, whatever the planner or a node does, each node that may take
 * over has every commit that returned.
 *
 * Only one planner may be at work, on the node that the store calls the primary. A node whose data was lost, or made anew, must leave
 * and join: it is not the voter that it was.
 *
 * @param current What is in force.
 * @param wanted What should be.
 * @param observed The primary and its standbys, as a new session sees them; undefined if nothing is known of them: then no wait is over.
 * @throws ArgumentError for what is none of these, with its path; ParseError for a value that the server rejects; EncodeError,
 *   UnsupportedError for what the server does not have: ANY before 10, more than one standby before 9.6, ALTER SYSTEM before 9.4.
 * @example planSynchronousStandbys({ primary: "a", value: "ANY 1 (b)", rule: { voters: ["a", "b"], quorum: 1 } }, { nodes: ["a", "b", "c"], copies: 1 }, undefined).steps.map(({ sentence }) => sentence) // ["Let a node take over when 2 of a, b and c were seen.", "Set ANY 1 (b, c)."]
 * @example planSynchronousStandbys({ primary: "a", value: "ANY 1 (b, c)", rule: { voters: ["a", "b", "c"], quorum: 2 } }, { nodes: ["a", "b"], copies: 1 }, undefined).steps.map(({ type }) => type) // ["value", "wait", "rule"]
 */
export function planSynchronousStandbys(
  current: CurrentStandbys,
  wanted: WantedStandbys,
  observed: ObservedPrimary | undefined,
  options: PlanOptions = {},
): StandbyPlan {
  const server = serverOf(options);
  requireCapability(planCapabilities, server, "alterSystem", "ALTER SYSTEM");
  if (options.wait !== undefined) checkWait(options.wait);
  const { primary, config, rule } = checkCurrent(current, server);
  const target = checkWanted(wanted, primary, server, observed);
  const { nodes, copies } = target;
  const final: Rule = { voters: nodes, quorum: nodes.size - copies };
  const next = settingOf(target.syncrepMethod, copies, nodes, primary);
  const value = printSynchronousStandbyNames(next, { server });

  const before = acknowledgementOf(config, primary);
  const after = acknowledgementOf(next, primary);
  const mixture = mixtureOf(before, after);
  const isSet = meaningOf(config) === meaningOf(next);
  // An earlier plan that was cut off may have left walsenders with a value of which nothing is known, but that its number is safe with
  // the rule and its names are voters. So that all mixtures with it are safe, no voter goes yet, and new names become voters first.
  const covers = (each: Rule | undefined): boolean =>
    isSafe(each, primary, nobody) ||
    (isSafe(each, primary, mixture) && outside(nodes, each!.voters) === 0 && outside(rule!.voters, each!.voters) === 0);
  const joint =
    [rule, final].find((each) => covers(each) && isStricter(each, rule)) ?? jointRule(rule, nodes, primary, mixture);

  const state = (inForce: string, ruled: Rule | undefined, acknowledgement = mixture): PlanState => ({
    value: inForce,
    rule: plainRule(ruled),
    safety: withoutCopies(safetyOf(ruled, primary, acknowledgement)),
    ...waiting(inForce, observed, server),
  });
  const steps: PlanStep[] = [];
  if (!sameRule(joint, rule)) steps.push(ruleStep(joint, state(current.value, joint)));
  if (!isSet) {
    const sql = [`ALTER SYSTEM SET synchronous_standby_names = ${quoteLiteral(value)}`, "SELECT pg_reload_conf()"];
    const sentence = `Set ${value === "" ? "the empty value" : value}.`;
    steps.push({ type: "value", value, sql, sentence, after: state(value, joint) });
  }
  let wait: StandbyWait | undefined;
  if (!sameRule(final, joint)) {
    // A rule that finds what the one before found needs no wait, nor does one that requires the primary itself.
    if (!isStricter(final, joint) && copies > 0) {
      const names = next!.memberNames;
      // Only under a rule that is safe with the empty value can that have been in force, a moment ago.
      const mustWait = isSafe(joint, primary, nobody);
      const fresh = { value, names, number: copies, mustWait, since: undefined, inEffect: false, lsn: undefined };
      const begun: StandbyWait = { ...fresh, satisfied: false };
      const known = isSame(options.wait, begun) ? options.wait! : begun;
      const advanced = isSet && observed !== undefined ? advanceWait(known, observed, { server }) : begun;
      if (isSet) wait = advanced;
      if (!advanced.satisfied || steps.length > 0) {
        const sentence = waitInWords(advanced);
        steps.push({
          type: "wait",
          wait: advanced,
          sql: waitSql(advanced, { server }),
          sentence,
          after: state(value, joint, after),
        });
      }
    }
    steps.push(ruleStep(final, state(value, final, after)));
  }
  return {
    now: state(current.value, rule, before),
    steps,
    wait,
    findings: findingsOf({ primary, config, next, rule, nodes, copies, wanted, observed, server }),
  };
}

function ruleStep(rule: Rule | undefined, after: PlanState): RuleStep {
  const sentence =
    rule === undefined
      ? "Let no node take over."
      : `Let a node take over when ${required(rule)} ${rule.quorum === 1 ? "was" : "were"} seen.`;
  return { type: "rule", rule: plainRule(rule), sentence, after };
}

function withoutCopies({ safe, mayBeAway, sentence }: TakeoverSafety): PlanState["safety"] {
  return { safe, mayBeAway, sentence };
}

function waiting(
  value: string,
  observed: ObservedPrimary | undefined,
  server: number,
): Pick<PlanState, "waitsFor" | "missing"> {
  const config = parseSynchronousStandbyNames(value, { server });
  const rows = observed?.standbys ?? [];
  const { numSync, missing } = evaluateSynchronousStandbys(config, rows, { server, cascading: observed?.cascading });
  return { waitsFor: numSync, missing: observed === undefined ? undefined : missing };
}

/** Is it the wait that this plan has, begun by an earlier one? */
function isSame(wait: StandbyWait | undefined, begun: StandbyWait): boolean {
  const { value, names, number, mustWait } = begun;
  return (
    wait !== undefined &&
    wait.value === value &&
    wait.number === number &&
    wait.mustWait === mustWait &&
    JSON.stringify(wait.names) === JSON.stringify(names)
  );
}

function checkCurrent(
  current: CurrentStandbys,
  server: number,
): { readonly primary: string; readonly config: SyncRepConfig | undefined; readonly rule: Rule | undefined } {
  checkObject("current", current);
  const { primary, value, rule } = current;
  requireNode("current.primary", primary);
  if (typeof value !== "string") refuseArgument("current.value", "a string", value);
  const config = parseSynchronousStandbyNames(value, { server });
  return { primary, config, rule: ruleOf("current.rule", rule) };
}

function checkWanted(
  wanted: WantedStandbys,
  primary: string,
  server: number,
  observed: ObservedPrimary | undefined,
): { readonly nodes: Names; readonly copies: number; readonly syncrepMethod: SyncRepConfig["syncrepMethod"] } {
  checkObject("wanted", wanted);
  const { copies, syncrepMethod = "QUORUM", whenMissing = "wait", atLeast = 0 } = wanted;
  const nodes = nodeNames("wanted.nodes", wanted.nodes);
  if (!nodes.has(downcaseIdentifier(primary))) {
    refuseArgument(
      "wanted.nodes",
      `names with that of the primary, ${JSON.stringify(primary)}; switch over before it leaves`,
      wanted.nodes,
    );
  }
  checkWhole("wanted.copies", copies, 0, nodes.size - 1);
  checkMethod("wanted.syncrepMethod", syncrepMethod);
  checkOneOf("wanted.whenMissing", whenMissing, ["wait", "lower"]);
  checkWhole("wanted.atLeast", atLeast, 0, copies);
  if (observed !== undefined) checkObserved(observed, server);
  if (whenMissing === "wait" || observed === undefined || copies === 0) return { nodes, copies, syncrepMethod };
  const all = settingOf(syncrepMethod, copies, nodes, primary);
  const { standbys } = evaluateSynchronousStandbys(all, observed.standbys, { server });
  // Standbys that share a name are one node.
  const streaming = new Set(
    standbys.filter(({ candidate }) => candidate).map(({ applicationName }) => downcaseIdentifier(applicationName)),
  );
  return { nodes, copies: Math.min(copies, Math.max(atLeast, streaming.size)), syncrepMethod };
}

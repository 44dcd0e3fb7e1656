/** What makes a plan less than it looks: of the names, the standbys and the server. */
import { downcaseIdentifier, identifierBytes, truncateIdentifier } from "../../text/identifier.ts";
import type { SyncRepConfig } from "../ast.ts";
import { planCapabilities } from "../capabilities.ts";
import { evaluateSynchronousStandbys } from "../evaluate.ts";
import { listedNames } from "../words.ts";
import { acknowledgementOf, type Names, namesOf, type Rule, safetyOf } from "./rules.ts";
import type { ObservedPrimary } from "./wait.ts";

/** The codes of findings: those of errors make the promise of the plan void. */
export const planFindingCodes = {
  /** A takeover by the present rule can lose commits that returned. */
  UNSAFE_NOW: "error",
  /** The value in force has `*`: which standbys have a commit is not known. */
  ANY_STANDBY: "warning",
  /** Standbys share a name, and count as many. */
  SHARED_NAME: "error",
  /** No standby can have the name. */
  NEVER_MATCHES: "error",
  /** A standby that is waited for does not stream. */
  NOT_STREAMING: "warning",
  /** Commits wait: too few standbys stream. */
  BLOCKS: "warning",
  /** Fewer copies than wanted, so that commits go on. */
  LOWERED: "warning",
  /** Commits do not wait until standbys have flushed them. */
  LEVEL: "error",
  /** The server is a standby itself. */
  CASCADING: "error",
  /** A commit right after a start of the server may not wait. */
  START: "info",
} as const;

/** The code of a finding. */
export type PlanFindingCode = keyof typeof planFindingCodes;

/** Something to know of a plan. */
export interface PlanFinding {
  /** The kind. */
  readonly code: PlanFindingCode;
  /** That of the code: after an error the plan does not keep its promise. */
  readonly severity: "error" | "warning" | "info";
  /** What it is, and what to do. */
  readonly message: string;
  /** The names that it is about. */
  readonly names: readonly string[];
}

/** What findings are about. */
interface Planned {
  readonly primary: string;
  readonly config: SyncRepConfig | undefined;
  readonly next: SyncRepConfig | undefined;
  readonly rule: Rule | undefined;
  readonly nodes: Names;
  readonly copies: number;
  readonly wanted: { readonly copies: number };
  readonly observed: ObservedPrimary | undefined;
  readonly server: number;
}

export function findingsOf(planned: Planned): PlanFinding[] {
  const { primary, config, next, rule, nodes, copies, wanted, observed, server } = planned;
  const found: PlanFinding[] = [];
  const say = (code: PlanFindingCode, message: string, names: readonly string[] = []): void => {
    found.push({ code, severity: planFindingCodes[code], message, names });
  };
  const { safe, sentence } = safetyOf(rule, primary, acknowledgementOf(config, primary));
  if (!safe) say("UNSAFE_NOW", `${sentence} Do not fail over before the plan is done.`);
  if (config?.memberNames.includes("*") === true) {
    say("ANY_STANDBY", "The value has *: any client can acknowledge a commit, so no standby is certain to have it.", [
      "*",
    ]);
  }
  const impossible = [...nodes.values()].filter(
    (name) => name.trim() === "" || truncateIdentifier(name, identifierBytes) !== name || /[^\x20-\x7e]/.test(name),
  );
  if (impossible.length > 0) {
    const what = `no application_name is blank, longer than ${identifierBytes} bytes or beyond printable ASCII`;
    say("NEVER_MATCHES", `No standby can be called ${listedNames(impossible, "or")}: ${what}. Rename it.`, impossible);
  }
  // A standby that keeps its slot cannot connect a second time before its first walsender has ended.
  if (!planCapabilities.supports(server, "waitsFromTheStart") && copies > 0) {
    const fixed = planCapabilities.since("waitsFromTheStart");
    say("START", `Right after a start of this server, commits may return without waiting; fixed in ${fixed}.`);
  }
  if (observed === undefined) return found;
  if (observed.cascading)
    say("CASCADING", "This server is a standby: no standby of it is synchronous. Plan on the primary.");
  const { synchronousCommit: level } = observed;
  if (level !== undefined && level !== "on" && level !== "remote_apply" && copies > 0) {
    const what = "a commit that returned may be flushed on the primary only";
    say("LEVEL", `synchronous_commit is ${level}: ${what}. Set it to on or remote_apply.`);
  }
  const counts = new Map<string, number>();
  for (const { applicationName } of observed.standbys) {
    const folded = downcaseIdentifier(applicationName);
    counts.set(folded, (counts.get(folded) ?? 0) + 1);
  }
  const listed = [...namesOf([...nodes.values(), ...(config?.memberNames ?? [])])];
  const shared = listed.filter(([folded]) => (counts.get(folded) ?? 0) > 1).map(([, name]) => name);
  if (shared.length > 0) {
    const why = "each connection counts, so a commit may be on fewer nodes than the value says";
    const fix = "Give each standby a name, and a slot, of its own";
    say("SHARED_NAME", `Several connections are called ${listedNames(shared, "and")}: ${why}. ${fix}.`, shared);
  }
  const { standbys } = evaluateSynchronousStandbys(next, observed.standbys, { server });
  const streaming = new Set(
    standbys.filter(({ candidate }) => candidate).map(({ applicationName }) => downcaseIdentifier(applicationName)),
  );
  const away = (next?.memberNames ?? []).filter((name) => !streaming.has(downcaseIdentifier(name)));
  if (away.length > 0) {
    const [verb, those] = away.length === 1 ? ["does", "it"] : ["do", "them"];
    const fix = `start ${those}, or leave ${those} out of the nodes`;
    say("NOT_STREAMING", `${listedNames(away, "and")} ${verb} not stream: ${fix}.`, away);
  }
  const blocked = copies - streaming.size;
  if (blocked > 0) {
    say(
      "BLOCKS",
      `Commits wait until ${blocked} more of ${listedNames(away, "and")} stream${blocked === 1 ? "s" : ""}.`,
      away,
    );
  }
  if (copies < wanted.copies) {
    const those = copies === 0 ? "on the primary only" : `on ${copies} of the wanted ${wanted.copies} standbys`;
    say("LOWERED", `Commits return when they are ${those}, since no more stream.`);
  }
  return found;
}

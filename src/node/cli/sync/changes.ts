/** `walwire sync diff` and `walwire sync plan`: from one value to another. */
import { ArgumentError, ParseError } from "../../../kernel/errors.ts";
import { defaultServer, serverVersionNum } from "../../../kernel/version.ts";
import type { Judged } from "../../../syncrep/judge.ts";
import { judgeSynchronousStandbyNames } from "../../../syncrep/judge.ts";
import {
  compareStandbyNames,
  type ObservedPrimary,
  type PlanStep,
  planSynchronousStandbys,
  type StandbyPlan,
  type StandbyWait,
  type TakeoverRule,
} from "../../../syncrep/plan/index.ts";
import { downcaseIdentifier } from "../../../text/identifier.ts";
import { textOf, urlOf } from "../shared/input.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { SyncCall } from "./declaration.ts";
import { judgedJson, writeJson } from "./json.ts";
import { sayVerdict } from "./page.ts";
import { readJson, readStandbys } from "./standbys.ts";

/** Compares two values. It is bad if one is rejected, or if what returned under the old one may be missed under the new one. */
export function answerDiff({ argument, second, options }: SyncCall): Status {
  const { server = serverVersionNum(defaultServer), json } = options;
  const judged = [argument!, second!].map((text) => judgeSynchronousStandbyNames(text, { server }));
  const rejected = judged.find(({ verdict }) => verdict.type === "refused");
  if (rejected !== undefined) return answerRejected(rejected, json);
  const [before, after] = judged.map(({ verdict }) => (verdict.type === "accepted" ? verdict.config : undefined));
  const comparison = compareStandbyNames(before, after, { server });
  const result = comparison.onlyBefore.exist ? status.bad : status.good;
  if (json) writeJson({ before: before ?? null, after: after ?? null, ...comparison }, result);
  else {
    const page = new Page(process.stdout);
    for (const line of comparison.words) {
      if (line.startsWith("A commit that returned")) page.mark("bad", printable(line));
      else if (line.startsWith("What returned")) page.mark("good", printable(line));
      else page.line(printable(line));
    }
  }
  return result;
}

function answerRejected(judged: Judged, json: boolean): Status {
  if (json) writeJson(judgedJson(judged), status.bad);
  else sayVerdict(new Page(process.stdout), judged, { text: judged.text });
  return status.bad;
}

/** Plans a change. It is bad if the value is rejected, or if a finding makes the plan void. */
export async function answerPlan({ argument, options }: SyncCall): Promise<Status> {
  const { from, standbys: file, json, nodes: list, copies, method, missing, atLeast } = options;
  if (list === undefined) throw new UsageError("missing --nodes NAMES, such as --nodes a,b,c");
  if (file === "-" && (argument ?? "-") === "-")
    throw new UsageError("standard input cannot be both VALUE and --standbys");
  const rule = ruleOf(options.rule);
  const seen = from === undefined ? undefined : await observedOf(from);
  const server = options.server ?? seen?.server ?? serverVersionNum(defaultServer);
  const value = argument === undefined && seen !== undefined ? seen.observed.value : await textOf(argument, "VALUE");
  const nodes = namesOf(list);
  const primary = options.primary ?? seen?.clusterName;
  if (primary === undefined) throw new UsageError("missing --primary NAME");
  if (!nodes.some((name) => downcaseIdentifier(name) === downcaseIdentifier(primary))) {
    throw new UsageError(`the primary ${JSON.stringify(primary)} is not among --nodes: switch over before it leaves`);
  }
  const judged = judgeSynchronousStandbyNames(value, { server });
  if (judged.verdict.type === "refused") return answerRejected(judged, json);
  const observed: ObservedPrimary | undefined =
    file === undefined ? seen?.observed : { value, standbys: (await readStandbys(file)).rows };
  const wait = options.wait === undefined ? undefined : await waitOf(options.wait);
  const wanted = {
    ...{ nodes, copies, atLeast, whenMissing: missing },
    syncrepMethod: method === "any" ? ("QUORUM" as const) : ("PRIORITY" as const),
  };
  const plan = inWordsOf(() => planSynchronousStandbys({ primary, value, rule }, wanted, observed, { server, wait }));
  const result = plan.findings.some(({ severity }) => severity === "error") ? status.bad : status.good;
  if (json) writeJson(plan, result);
  else sayPlan(new Page(process.stdout), plan);
  return result;
}

async function observedOf(url: string) {
  urlOf(url);
  const { readObserved } = await import("./from.ts");
  return readObserved(url);
}

function namesOf(list: string): string[] {
  return list.split(",").map((name) => name.trim());
}

/** "2 of a,b,c", or "none". */
function ruleOf(text: string | undefined): TakeoverRule | undefined {
  if (text === undefined || text.trim().toLowerCase() === "none") return undefined;
  const [, quorum, voters] = /^\s*(\d{1,5})\s+of\s+(.*)$/is.exec(text) ?? [];
  if (quorum === undefined) throw new UsageError(`--rule: expected '2 of a,b,c' or none, got ${JSON.stringify(text)}`);
  return { voters: namesOf(voters!), quorum: Number(quorum) };
}

async function waitOf(path: string): Promise<StandbyWait | undefined> {
  const value = await readJson(path);
  // One line with an object is read as rows are.
  return ((Array.isArray(value) ? value[0] : value) ?? undefined) as StandbyWait | undefined;
}

/** Errors about arguments name the options that they came from. */
function inWordsOf(plan: () => StandbyPlan): StandbyPlan {
  try {
    return plan();
  } catch (error) {
    if (!(error instanceof ArgumentError) && !(error instanceof ParseError)) throw error;
    const option = error.message
      .replace(/^wanted\.nodes/, "--nodes")
      .replace(/^wanted\.copies/, "--copies")
      .replace(/^wanted\.atLeast/, "--at-least")
      .replace(/^current\.rule(\.\w+)?/, "--rule")
      .replace(/^wait/, "--wait");
    throw new UsageError(option);
  }
}

function sayPlan(page: Page, { now, steps, findings, wait }: StandbyPlan): void {
  page.mark(now.safety.safe ? "good" : "bad", printable(now.safety.sentence));
  if (now.missing !== undefined && now.missing > 0) {
    page.mark("bad", `Commits wait: ${now.missing} more of the ${now.waitsFor} standbys must stream.`);
  }
  for (const { severity, code, message } of findings) page.line(`${severity} ${code}: ${printable(message)}`);
  page.heading(steps.length === 0 ? "Nothing is left to do." : "Steps");
  if (wait?.satisfied) page.mark("good", "The wait is over.");
  for (const [i, step] of steps.entries()) {
    const after = step.after.safety.safe ? "" : ` ${printable(step.after.safety.sentence)}`;
    page.line(`${i + 1}. ${printable(step.sentence)}${after}`);
    for (const sql of sqlOf(step)) page.line(`   ${whole(sql)}`);
  }
}

/** A statement is not truncated. */
function whole(sql: string): string {
  return (sql.match(/.{1,500}/gsu) ?? []).map(printable).join("");
}

/** As psql takes it. */
function sqlOf(step: PlanStep): readonly string[] {
  if (step.type === "rule") return [];
  if (step.type === "value") return step.sql.map((sql) => `${sql};`);
  const { before, inEffect, position, flushed } = step.sql;
  const parameter = flushed.lastIndexOf("$1");
  return [
    ...before.map((sql) => `${sql};`),
    ...(step.wait.inEffect ? [] : [`${inEffect};`]),
    ...(step.wait.lsn === undefined
      ? [`${position} \\gset`, `${flushed.slice(0, parameter)}:'lsn'${flushed.slice(parameter + 2)};`]
      : [`${flushed};`]),
  ];
}

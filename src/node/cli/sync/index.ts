/** `walwire sync`: how a server reads a value of synchronous_standby_names, its fix, and what it does. */
import type { ParseError } from "../../../kernel/errors.ts";
import { defaultServer, serverVersionNum } from "../../../kernel/version.ts";
import { type FindingCode, findingCodes } from "../../../syncrep/index.ts";
import {
  fixAndJudge,
  isGood,
  type Judged,
  judgeSynchronousStandbyNames,
  judgeSynchronousStandbyNamesByVersion,
  offeredFix,
} from "../../../syncrep/judge.ts";
import type { Primary } from "../../standbys.ts";
import { textOf, urlOf } from "../shared/input.ts";
import type { Answer } from "../shared/json.ts";
import { answerLines } from "../shared/jsonl.ts";
import { nearest } from "../shared/nearest.ts";
import { Page, printable } from "../shared/people.ts";
import { didYouMean } from "../shared/read-call.ts";
import { type Status, status } from "../shared/status.ts";
import { UnseenError, UsageError } from "../shared/usage.ts";
import { clusterVersion, diffOf, placeInConf, readConf, readingOnce, writeConf } from "./conf.ts";
import type { SyncCall } from "./declaration.ts";
import { annotations, confAnnotations } from "./github.ts";
import { confJson, explanationJson, fixedJson, judgedJson, versionsOf, writeJson } from "./json.ts";
import type { Call, Explained, Subject } from "./model.ts";
import { sayAcceptedBy, sayConf, sayExplanation, sayFindings, sayFixed, sayNotSet, sayVerdict } from "./page.ts";
import { readStandbys } from "./standbys.ts";
import { blockedNow } from "./words.ts";

interface Verb {
  /** The answer to one of many values, which may be of any type. */
  readonly batch: (text: string, call: Call) => object;
  /** The answer to one value, which may take longer. */
  readonly json: (subject: Subject, call: Call) => readonly [answer: Answer, status: Status];
  /** For people. */
  readonly say: (subject: Subject, call: Call) => Status;
}

const verbs: Readonly<Record<Call["verb"], Verb>> = {
  check: {
    batch: (text, call) => judgedJson(judgeSynchronousStandbyNames(text, call)),
    json: (subject, call) => {
      const judged = judgeSynchronousStandbyNames(subject.text, call);
      const answer = {
        ...judgedJson(judged, subject),
        ...versionsOf(judged, judgeSynchronousStandbyNamesByVersion(subject.text)),
      };
      return [answer, statusOf(judged, isGood(judged, call), subject, call)];
    },
    say: (subject, call) => {
      const page = new Page(process.stdout);
      const judged = judgeSynchronousStandbyNames(subject.text, call);
      sayVerdict(page, judged, subject);
      sayFindings(page, judged, subject);
      if (judged.findings.some((finding) => finding.fix !== undefined)) sayOffer(page, subject.text, call);
      sayAcceptedBy(page, judged, judgeSynchronousStandbyNamesByVersion(subject.text));
      const blocked = subject.isRunning ? blockedNow(judged, subject, call) : undefined;
      if (blocked !== undefined) page.mark("bad", printable(blocked));
      if (subject.isRunning && call.standbys === undefined && subject.text !== "") {
        page.line("This role may not see the standbys (pg_monitor may): not checked whether commits are blocked now.");
      }
      return statusOf(judged, isGood(judged, call), subject, call);
    },
  },
  fix: {
    batch: (text, call) =>
      typeof text === "string" ? fixJson({ text }, call)[0] : judgedJson(judgeSynchronousStandbyNames(text, call)),
    json: fixJson,
    say: sayFix,
  },
  explain: {
    batch: (text, call) => explanationJson(explain(text, call), { text }, call),
    json: (subject, call) => {
      const explained = explain(subject.text, call);
      return [
        explanationJson(explained, subject, call),
        statusOf(explained.judged, isGood(explained.judged), subject, call),
      ];
    },
    say: (subject, call) => {
      const explained = explain(subject.text, call);
      sayExplanation(new Page(process.stdout), explained, subject, call);
      return statusOf(explained.judged, isGood(explained.judged), subject, call);
    },
  },
};

/** What is bad comes before what is unknown, and this before what is blocked. */
function statusOf(judged: Judged, good: boolean, subject: Subject, call: Call): Status {
  const { conf } = subject;
  if (!good || (conf?.problems.length ?? 0) > 0) return status.bad;
  if ((conf?.unread.length ?? 0) > 0) return status.unseen;
  const isNow = call.verb === "explain" || (call.verb === "check" && subject.isRunning);
  return isNow && blockedNow(judged, subject, call) !== undefined ? status.blocked : status.good;
}

function explain(text: string, call: Call): Explained {
  const byVersion = typeof text === "string" ? judgeSynchronousStandbyNamesByVersion(text) : [];
  return { judged: judgeSynchronousStandbyNames(text, call), byVersion };
}

/** What walwire sync fix would print, if it fixes the value. */
function sayOffer(page: Page, text: string, call: Call): void {
  const offer = offeredFix(text, call);
  if (offer === undefined) return;
  const made = offer.text === "" ? "the empty value" : printable(offer.text);
  page.line(`walwire sync fix ${offer.unsafe ? "--unsafe " : ""}prints: ${made}`);
}

/** The new value on standard output, or the change of the file; what was fixed and what is left on standard error. */
function sayFix(subject: Subject, call: Call): Status {
  const page = new Page(process.stderr);
  const { judged, fixed } = fixAndJudge(subject.text, call);
  sayFixed(page, fixed);
  // Positions of what is left are those in the new value.
  const left = fixed.length === 0 ? subject : { text: judged.text };
  if (judged.verdict.type === "refused") sayVerdict(page, judged, left);
  sayFindings(page, judged, left);
  if (!call.unsafe && judged.findings.some((finding) => finding.fix !== undefined)) sayOffer(page, subject.text, call);
  const good = isGood(judged);
  const { conf } = subject;
  if (good) {
    if (fixed.length === 0) page.line("There is nothing to fix.");
    if (conf?.entry === undefined) process.stdout.write(`${judged.text}\n`);
    else if (fixed.length > 0) {
      process.stdout.write(diffOf(conf, conf.entry, judged.text));
      if (call.write) {
        writeConf(conf, conf.entry, judged.text);
        page.line(`${printable(conf.entry.path)} is written.`);
      }
    }
  }
  return statusOf(judged, good, subject, call);
}

function fixJson(subject: Subject, call: Call): readonly [Answer, Status] {
  const done = fixAndJudge(subject.text, call);
  const good = isGood(done.judged);
  if (good && call.write && subject.conf?.entry !== undefined && done.fixed.length > 0) {
    writeConf(subject.conf, subject.conf.entry, done.judged.text);
  }
  return [fixedJson(done, good), statusOf(done.judged, good, subject, call)];
}

/** `walwire sync`. */
export async function run(call: SyncCall): Promise<Status> {
  try {
    return await runCall(call);
  } catch (error) {
    if (call.options.json && !(error instanceof UsageError)) await answerError(error);
    throw error;
  }
}

/** The answer to programs where there is none to the value: a file, standbys or a server cannot be read. */
async function answerError(error: unknown): Promise<void> {
  const { explain } = await import("../shared/explain-error.ts");
  const explained = explain(error);
  if (explained !== undefined) writeJson({ ok: false, error: { message: explained.sentence } }, explained.status);
}

async function runCall(syncCall: SyncCall): Promise<Status> {
  const { verb: name, argument, options } = syncCall;
  if (name === "diff" || name === "plan") {
    const { answerDiff, answerPlan } = await import("./changes.ts");
    return name === "diff" ? answerDiff(syncCall) : answerPlan(syncCall);
  }
  if (options.setting === "synchronized_standby_slots") {
    const { answerSlots } = await import("./slots.ts");
    return answerSlots(syncCall);
  }
  const verb = verbs[name];
  const { conf, from, standbys, also, strict, unsafe, write, format, json, jsonl } = options;
  const fromInput = jsonl || (conf === undefined && (argument ?? (from === undefined ? "-" : "")) === "-");
  if (standbys === "-" && fromInput) {
    throw new UsageError("standard input cannot be both VALUE and --standbys");
  }
  const ignore = codesOf(options.ignore);
  const primary = from === undefined ? undefined : await primaryOf(from);
  if (name === "explain" && primary !== undefined && primary.standbys === undefined) {
    throw new UnseenError("this role may not see the standbys: it needs pg_monitor, or to be superuser");
  }
  const given = options.server ?? primary?.server;
  const reader = readingOnce();
  const server =
    given ?? (conf === undefined ? undefined : clusterVersion(conf, reader)) ?? serverVersionNum(defaultServer);
  const subject: Subject = jsonl ? { text: "" } : await subjectOf(server);
  const call: Call = {
    ...{ verb: name, server, also, strict, unsafe, write, primary },
    ignore: [...ignore, ...(subject.conf?.ignore ?? [])],
    clusterName: subject.conf?.clusterName ?? primary?.clusterName,
    standbys: primary?.standbys ?? (standbys === undefined ? undefined : await readStandbys(standbys)),
  };
  if (jsonl) {
    // The stacks of errors that are answers are not shown.
    Error.stackTraceLimit = 0;
    // The parser rejects what is not a string.
    const value = (text: unknown) => verb.batch(text as string, call);
    const unreadable = (error: ParseError) => ({ ok: false, error: error.toJSON() });
    await answerLines(process.stdin, process.stdout, { value, unreadable });
    return status.good;
  }
  if (json) {
    const [answer, result] = verb.json(subject, call);
    const files = subject.conf === undefined ? {} : confJson(subject.conf);
    writeJson({ ...answer, ...files }, result);
    return result;
  }
  if (format === "github") {
    const judged = judgeSynchronousStandbyNames(subject.text, call);
    const lines = [
      ...(subject.conf === undefined ? [] : confAnnotations(subject.conf)),
      ...annotations(judged, subject),
    ];
    process.stdout.write(lines.map((line) => `${line}\n`).join(""));
    return statusOf(judged, isGood(judged, call), subject, call);
  }
  if (subject.conf !== undefined) {
    const page = new Page(name === "fix" ? process.stderr : process.stdout);
    sayConf(page, subject.conf);
    const isSet = subject.conf.entry !== undefined;
    if (!isSet && subject.conf.problems.length === 0) sayNotSet(page, subject.conf);
    if (!isSet && name !== "explain") {
      return statusOf(judgeSynchronousStandbyNames("", call), true, subject, call);
    }
  }
  return verb.say(subject, call);

  async function subjectOf(version: number): Promise<Subject> {
    if (conf !== undefined) {
      const value = readConf(conf, version, reader);
      const { entry } = value;
      if (entry === undefined) return { text: "", conf: value };
      return { text: entry.value, conf: value, place: (offset) => placeInConf(value, entry, offset) };
    }
    if (primary !== undefined && argument === undefined) return { text: primary.setting, isRunning: true };
    return { text: await textOf(argument, "VALUE") };
  }
}

function codesOf(given: readonly string[]): FindingCode[] {
  const known = Object.keys(findingCodes);
  return given.map((code) => {
    if (Object.hasOwn(findingCodes, code)) return code as FindingCode;
    throw new UsageError(`unknown code ${JSON.stringify(code)}${didYouMean(nearest(code, known))}`);
  });
}

async function primaryOf(url: string): Promise<Primary> {
  urlOf(url);
  const { readPrimary } = await import("./from.ts");
  return readPrimary(url);
}

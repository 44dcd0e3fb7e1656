/**
 * `walwire sync`: what a server says to a value of synchronous_standby_names, how it is mended, and what it does. For people, for
 * programs, and for pull requests.
 */
import { defaultServer, serverVersionNum } from "../../../kernel/version.ts";
import { textOf, urlOf } from "../shared/input.ts";
import type { Answer } from "../shared/json.ts";
import { answerLines } from "../shared/jsonl.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import { diffOf, placeInConf, readConf, writeConf } from "./conf.ts";
import type { SyncCall } from "./declaration.ts";
import type { Primary } from "./from.ts";
import { annotations, confAnnotations } from "./github.ts";
import { confJson, explanationJson, fixedJson, judgedJson, unreadableJson, versionsOf } from "./json.ts";
import { fix, isGood, judge, judgeByVersion } from "./judge.ts";
import type { Call, Explained, Subject } from "./model.ts";
import { sayAcceptedBy, sayConf, sayExplanation, sayFindings, sayFixed, sayNotSet, sayVerdict } from "./page.ts";
import { readStandbys } from "./standbys.ts";

interface Verb {
  /** The answer to one of many values, of which nobody knows that it is text. */
  readonly batch: (text: string, call: Call) => object;
  /** The answer to one value, which may take its time; is it good? */
  readonly json: (subject: Subject, call: Call) => readonly [answer: Answer, good: boolean];
  /** For people; is it good? */
  readonly say: (subject: Subject, call: Call) => boolean;
}

const verbs: Readonly<Record<SyncCall["verb"], Verb>> = {
  check: {
    batch: (text, call) => judgedJson(judge(text, call)),
    json: (subject, call) => {
      const judged = judge(subject.text, call);
      const answer = { ...judgedJson(judged, subject), ...versionsOf(judged, judgeByVersion(subject.text)) };
      return [answer, isGood(judged, call.strict)];
    },
    say: (subject, call) => {
      const page = new Page(process.stdout);
      const judged = judge(subject.text, call);
      sayVerdict(page, judged, subject);
      sayFindings(page, judged, subject);
      if (judged.findings.some((finding) => finding.fix !== undefined)) sayMended(page, subject.text, call);
      sayAcceptedBy(page, judged, judgeByVersion(subject.text));
      return isGood(judged, call.strict);
    },
  },
  fix: {
    batch: (text, call) => (typeof text === "string" ? fixJson({ text }, call) : judgedJson(judge(text, call))),
    json: (subject, call) => {
      const answer = fixJson(subject, call);
      return [answer, answer.ok];
    },
    say: sayFix,
  },
  explain: {
    batch: (text, call) => explanationJson(explain(text, call)),
    json: (subject, call) => {
      const explained = explain(subject.text, call);
      return [explanationJson(explained, subject), explained.judged.verdict.ok];
    },
    say: (subject, call) => {
      const explained = explain(subject.text, call);
      sayExplanation(new Page(process.stdout), explained, subject);
      return explained.judged.verdict.ok;
    },
  },
};

function explain(text: string, call: Call): Explained {
  const byVersion = typeof text === "string" ? judgeByVersion(text) : [];
  return { judged: judge(text, call), byVersion, standbys: call.standbys, primary: call.primary };
}

/** What walwire sync fix would give, if it gives anything. */
function sayMended(page: Page, text: string, call: Call): void {
  for (const unsafe of [false, true]) {
    const { judged } = fix(text, call, unsafe);
    if (!isGood(judged)) continue;
    const made = judged.text === "" ? " empty" : `: ${printable(judged.text)}`;
    page.line(`walwire sync fix ${unsafe ? "--unsafe " : ""}makes it${made}`);
    return;
  }
}

/** The value as it should be on standard output, or the change of the file; what was done, and what is left, on standard error. */
function sayFix(subject: Subject, call: Call): boolean {
  const page = new Page(process.stderr);
  const { judged, fixed } = fix(subject.text, call, call.unsafe);
  sayFixed(page, fixed);
  // Of what is left the places are those in the new value.
  const left = fixed.length === 0 ? subject : { text: judged.text };
  if (!judged.verdict.ok) sayVerdict(page, judged, left);
  sayFindings(page, judged, left);
  const good = isGood(judged);
  if (!good && !call.unsafe) sayMended(page, subject.text, call);
  if (!good) return false;
  const { conf } = subject;
  if (fixed.length === 0) page.line("There is nothing to fix.");
  if (conf?.entry === undefined) process.stdout.write(`${judged.text}\n`);
  else if (fixed.length > 0) {
    process.stdout.write(diffOf(conf, conf.entry, judged.text));
    if (call.write) {
      writeConf(conf, conf.entry, judged.text);
      page.line(`${printable(conf.entry.path)} is written.`);
    }
  }
  return true;
}

function fixJson(subject: Subject, call: Call): Answer {
  const done = fix(subject.text, call, call.unsafe);
  const good = isGood(done.judged);
  if (good && call.write && subject.conf?.entry !== undefined && done.fixed.length > 0) {
    writeConf(subject.conf, subject.conf.entry, done.judged.text);
  }
  return fixedJson(done, good);
}

/** `walwire sync`. */
export async function run({ verb: name, argument, options }: SyncCall): Promise<Status> {
  const verb = verbs[name];
  const { conf, from, standbys, also, strict, unsafe, write, format, json, jsonl } = options;
  const fromInput = jsonl || (conf === undefined && (argument ?? (from === undefined ? "-" : "")) === "-");
  if (standbys === "-" && fromInput) {
    throw new UsageError("standard input cannot be both VALUE and --standbys");
  }
  const primary = from === undefined ? undefined : await primaryOf(from);
  const call = {
    server: options.server ?? primary?.server ?? serverVersionNum(defaultServer),
    also,
    strict,
    unsafe,
    write,
    standbys: primary?.standbys ?? (standbys === undefined ? undefined : await readStandbys(standbys)),
    primary,
  };
  if (jsonl) {
    // Nobody sees the stacks of the errors that are answers.
    Error.stackTraceLimit = 0;
    // What is no string is the parser's to refuse.
    const value = (text: unknown) => verb.batch(text as string, call);
    await answerLines(process.stdin, process.stdout, { value, unreadable: unreadableJson });
    return status.good;
  }
  const subject = await subjectOf();
  const filesAreGood = (subject.conf?.problems.length ?? 0) === 0;
  if (json) {
    const [answer, good] = verb.json(subject, call);
    const files = subject.conf === undefined ? {} : confJson(subject.conf);
    process.stdout.write(`${JSON.stringify({ ...answer, ...files }, undefined, 2)}\n`);
    return good && filesAreGood ? status.good : status.bad;
  }
  if (format === "github") {
    const judged = judge(subject.text, call);
    const lines = [
      ...(subject.conf === undefined ? [] : confAnnotations(subject.conf)),
      ...annotations(judged, subject),
    ];
    process.stdout.write(lines.map((line) => `${line}\n`).join(""));
    return isGood(judged, strict) && filesAreGood ? status.good : status.bad;
  }
  if (subject.conf !== undefined) {
    const page = new Page(name === "fix" ? process.stderr : process.stdout);
    sayConf(page, subject.conf);
    if (subject.conf.entry === undefined && filesAreGood) sayNotSet(page, subject.conf);
    if (subject.conf.entry === undefined && name !== "explain") return filesAreGood ? status.good : status.bad;
  }
  return verb.say(subject, call) && filesAreGood ? status.good : status.bad;

  async function subjectOf(): Promise<Subject> {
    if (conf !== undefined) {
      const value = readConf(conf);
      const { entry } = value;
      if (entry === undefined) return { text: "", conf: value };
      return { text: entry.value, conf: value, place: (offset) => placeInConf(value, entry, offset) };
    }
    if (primary !== undefined && argument === undefined) return { text: primary.setting };
    return { text: await textOf(argument, "VALUE") };
  }
}

async function primaryOf(url: string): Promise<Primary> {
  urlOf(url);
  const { readPrimary } = await import("./from.ts");
  return readPrimary(url);
}

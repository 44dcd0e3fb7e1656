/**
 * `walwire command`: what a server says to a replication command, its normal form, and what it means. For people, or as JSON.
 */

import { commandCapabilities } from "../../../command/capabilities.ts";
import { type Notice, parseCommand, printCommand } from "../../../command/index.ts";
import { type CommandVerdict, judgeByVersion, judgeCommand, judgeForVersion } from "../../../command/judge.ts";
import { EncodeError, ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { rangesOf, requireCapability, type VersionVerdict, verdictsByVersion } from "../../../kernel/version.ts";
import { textOf } from "../shared/input.ts";
import type { Answer } from "../shared/json.ts";
import { answerLines } from "../shared/jsonl.ts";
import { Page } from "../shared/people.ts";
import { sayError } from "../shared/say-error.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UsageError } from "../shared/usage.ts";
import type { CommandCall } from "./declaration.ts";
import { acceptedByJson, explanationJson, judgedJson, refusalJson } from "./json.ts";
import type { Call, Explanation, Judged } from "./model.ts";
import { sayAcceptedBy, sayExplanation, sayNotice, sayVerdict } from "./page.ts";

interface Verb {
  /** The answer to one line, which may be anything. */
  readonly batch: (text: string, call: Call) => object;
  /** The answer to one text, which may take its time. */
  readonly json: (text: string, call: Call) => Answer;
  /** For people; is it good? */
  readonly say: (text: string, call: Call) => boolean;
}

const verbs: Readonly<Record<CommandCall["verb"], Verb>> = {
  check: {
    batch: (text, call) => judgedJson(judge(text, call)),
    json: (text, call) => ({
      ...judgedJson(judge(text, call)),
      acceptedBy: acceptedByJson(byVersion(text, call)),
    }),
    say: (text, call) => {
      const page = new Page(process.stdout);
      const judged = judge(text, call);
      sayVerdict(page, judged);
      sayAcceptedBy(page, byVersion(text, call));
      return judged.verdict.type !== "refused";
    },
  },
  print: {
    batch: printedJson,
    json: printedJson,
    say: (text, call) => {
      const page = new Page(process.stderr);
      try {
        process.stdout.write(`${printed(text, call, (notice) => sayNotice(page, notice))}\n`);
        return true;
      } catch (error) {
        if (isUnprintable(error)) throw new InputError(error.message);
        if (!(error instanceof ParseError)) throw error;
        sayError(page, error);
        return false;
      }
    },
  },
  explain: {
    batch: (text, call) => explanationJson(explain(text, call)),
    json: (text, call) => explanationJson(explain(text, call)),
    say: (text, call) => {
      const explanation = explain(text, call);
      sayExplanation(new Page(process.stdout), explanation);
      return explanation.judged.verdict.type !== "refused";
    },
  },
};

/** `walwire command`. */
export async function run({ verb: name, argument, options }: CommandCall): Promise<Status> {
  const verb = verbs[name];
  const { server } = options;
  requireLanguage("--server", server);
  if (options.for !== undefined) requireLanguage("--for", options.for);
  const call = { server, database: !options.physical, plugin: options.plugin, for: options.for ?? server };
  if (options.jsonl) {
    // The stack of an error takes a third of the time of a rejection, and is not printed.
    Error.stackTraceLimit = 0;
    // The parser rejects a value that is not a string.
    const value = (text: unknown) => verb.batch(text as string, call);
    await answerLines(process.stdin, process.stdout, { value, unreadable: (error) => refusalJson("parse", error) });
    return status.good;
  }
  const text = await textOf(argument, "TEXT");
  if (!options.json) return verb.say(text, call) ? status.good : status.bad;
  const answer = verb.json(text, call);
  process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
  return answer.ok ? status.good : status.bad;
}

/** @throws UsageError for a server without the replication language that walwire knows. */
function requireLanguage(option: string, server: number): void {
  try {
    requireCapability(commandCapabilities, server, "replicationSlots", "The replication language with slots");
  } catch (error) {
    throw error instanceof UnsupportedError ? new UsageError(`${option}: ${error.message}`) : error;
  }
}

function judge(text: string, call: Call): Judged {
  const notices: Notice[] = [];
  const { server, database, plugin } = call;
  const verdict = judgeCommand(text, { server, database, plugin, onNotice: (notice) => notices.push(notice) });
  return { text, call, verdict, notices };
}

function byVersion(text: string, { database, plugin }: Call): VersionVerdict<CommandVerdict>[] {
  return judgeByVersion(text, { database, plugin });
}

/** The normal form of a command of one server, for another. */
function printed(text: string, call: Call, onNotice?: (notice: Notice) => void): string {
  const { server, database } = call;
  return printCommand(parseCommand(text, { server, database, onNotice }), { server: call.for, from: server });
}

/** The other version cannot say it, or no version can. */
function isUnprintable(error: unknown): error is UnsupportedError | EncodeError {
  return error instanceof UnsupportedError || error instanceof EncodeError;
}

function printedJson(text: string, call: Call): Answer {
  try {
    return { ok: true, text: printed(text, call) };
  } catch (error) {
    if (error instanceof ParseError) return refusalJson("parse", error);
    if (isUnprintable(error)) return refusalJson("print", error);
    throw error;
  }
}

function explain(text: string, call: Call): Explanation {
  const judged = judge(text, call);
  return { judged, byVersion: byVersion(text, call), printed: printedByVersion(judged) };
}

/** Only what the version accepts. */
function printedByVersion({ verdict, call }: Judged): Explanation["printed"] {
  if (verdict.type !== "command") return [];
  const printed = (server: number): string | undefined => {
    try {
      const text = printCommand(verdict.command, { server, from: call.server });
      return judgeForVersion(text, server, call)?.type === "command" ? text : undefined;
    } catch (error) {
      if (isUnprintable(error)) return undefined;
      throw error;
    }
  };
  return verdictsByVersion(rangesOf(commandCapabilities, "replicationSlots"), printed, (text) => text).map(
    ({ versions, verdict: text }) => ({ versions, text }),
  );
}

/**
 * The answers of `walwire command` as JSON. A position is text, as the server prints it, since most readers of JSON make doubles of
 * numbers; undefined values are left out.
 */
import { type Command, commandAnswer, locateCommand } from "../../../command/index.ts";
import { type CommandVerdict, versionsThat } from "../../../command/judge.ts";
import { type EncodeError, type ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import type { VersionVerdict } from "../../../kernel/version.ts";
import { type Answer, versionsJson } from "../shared/json.ts";
import type { Explanation, Judged } from "./model.ts";

/** The answer to one text. */
export function judgedJson({ verdict, notices, call }: Judged): Answer {
  const said = notices.length > 0 ? { notices } : {};
  switch (verdict.type) {
    case "command": {
      const { command, warnings } = verdict;
      const warned = warnings.length > 0 ? { warnings } : {};
      return { ok: true, command: commandJson(command, call.server), ...warned, ...said };
    }
    case "sql":
      return { ok: true, sql: true, ...said };
    case "refused":
      return { ...refusalJson(verdict.stage, verdict.error), ...said };
  }
}

/** A command with its position as text: "0/16B3748". */
export function commandJson(command: Command, server: number): object {
  return command.type === "StartReplicationCmd"
    ? { ...command, startpoint: formatLsn(command.startpoint, { server }) }
    : command;
}

/** Refused by the grammar, by the checks after it, or by the printer, as the other version has no way to say it. */
export function refusalJson(
  stage: "parse" | "check" | "print",
  error: ParseError | EncodeError | UnsupportedError,
): Answer {
  const said =
    error instanceof UnsupportedError
      ? { code: error.code, message: error.message, capability: error.capability }
      : error.toJSON();
  return { ok: false, error: { stage, ...said } };
}

/** The versions that take the text as a replication command. */
export function acceptedByJson(byVersion: readonly VersionVerdict<CommandVerdict>[]): object {
  return versionsJson(versionsThat("command", byVersion));
}

export function explanationJson({ judged, byVersion, printed }: Explanation): Answer {
  const { verdict, call } = judged;
  const known =
    verdict.type === "command"
      ? {
          offsets: Object.fromEntries(locateCommand(verdict.command).offsets),
          options: verdict.options,
          answer: commandAnswer(verdict.command, { server: call.server }),
        }
      : {};
  return {
    ...judgedJson(judged),
    ...known,
    acceptedBy: acceptedByJson(byVersion),
    byVersion: byVersion.map(({ versions, verdict }) => ({
      versions: versionsJson(versions),
      ...judgedJson({ ...judged, verdict, notices: [] }),
    })),
    printed: printed.map(({ versions, text }) => ({ versions: versionsJson(versions), text })),
  };
}

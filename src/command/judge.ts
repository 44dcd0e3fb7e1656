/**
 * What a server makes of a text before it does anything, and what each version makes of it: a command that it takes, text that
 * it hands to SQL, or an error.
 */

import { ParseError } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import {
  rangesOf,
  serverVersionNum,
  type VersionRange,
  type VersionVerdict,
  verdictsByVersion,
} from "../kernel/version.ts";
import { judgeSlotName } from "../text/slot-name.ts";
import type { Command, SQLCmd } from "./ast.ts";
import { commandCapabilities } from "./capabilities.ts";
import { type CheckCommandOptions, type CommandOptions, checkCommand } from "./check.ts";
import { locateCommand } from "./locate.ts";
import { type ParseCommandOptions, parseCommand } from "./parse.ts";

/** What a server makes of a text. */
export type CommandVerdict =
  | {
      readonly type: "command";
      /** The parsed command. */
      readonly command: Exclude<Command, SQLCmd>;
      /** As `checkCommand` gives them. */
      readonly options: CommandOptions | undefined;
      /** Empty for most commands. */
      readonly warnings: readonly CommandWarning[];
    }
  | {
      readonly type: "sql";
      /** The text for SQL. */
      readonly command: SQLCmd;
    }
  | {
      readonly type: "refused";
      /** Rejected by the grammar, or by the checks after it. */
      readonly stage: "parse" | "check";
      /** The server's error, with the position and advice. */
      readonly error: ParseError;
    };

/** About something that the server accepts, but that cannot be meant: the name of a slot that cannot exist. */
export interface CommandWarning {
  /** A sentence of ours. */
  readonly message: string;
  /** What to write instead, in a sentence. */
  readonly advice: string | undefined;
  /** The part of the command: "slotname". */
  readonly path: string;
  /** Where it is in the text, in UTF-16 code units. */
  readonly offset: number;
}

/** The connection that a command is judged for. */
export interface JudgeOptions extends ParseCommandOptions, CheckCommandOptions {}

/** The names of VersionOptions. */
const versionOptions = ["database", "plugin", "build"] as const satisfies readonly (keyof VersionOptions)[];

/** What all versions are asked with. */
export type VersionOptions = Omit<JudgeOptions, "server" | "onNotice">;

/**
 * Parse a text and check what it says, as a server of this version does.
 *
 * @throws UnsupportedError for an unknown server; ArgumentError for options that it does not take.
 * @example judgeCommand("TIMELINE_HISTORY 0").stage // "parse"
 */
export function judgeCommand(text: string, options: JudgeOptions = {}): CommandVerdict {
  checkOptions(options, ["server", "onNotice", ...versionOptions]);
  const { database, plugin, build, onNotice } = options;
  const server = serverVersionNum(options.server);
  let stage: "parse" | "check" = "parse";
  try {
    const command = parseCommand(text, { server, database, onNotice });
    if (command.type === "SQLCmd") return { type: "sql", command };
    stage = "check";
    const checked = checkCommand(command, { server, database, plugin, build });
    return { type: "command", command, options: checked, warnings: warningsOn(command, server) };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return { type: "refused", stage, error };
  }
}

function warningsOn(command: Command, server: number): readonly CommandWarning[] {
  if (!("slotname" in command) || command.slotname === undefined || command.type === "CreateReplicationSlotCmd")
    return [];
  const refusal = judgeSlotName(command.slotname, { server });
  // A reserved name may be that of a slot which the server itself has created.
  if (refusal === undefined || refusal.sqlstate === "42939") return [];
  const path = "slotname";
  const offset = locateCommand(command).offsets.get(path)!;
  return [{ message: `No slot can have this name: ${refusal.message}.`, advice: refusal.advice, path, offset }];
}

/**
 * What each version makes of a text: the different verdicts, that of the newest version first. Errors differ by stage, SQLSTATE
 * and message; commands do not differ here, though versions make different trees of them.
 */
export function judgeByVersion(text: string, options: VersionOptions = {}): VersionVerdict<CommandVerdict>[] {
  checkOptions(options, versionOptions);
  return verdictsByVersion(
    rangesOf(commandCapabilities, "replicationSlots"),
    (server) => judgeForVersion(text, server, options),
    (verdict) =>
      verdict.type === "refused"
        ? JSON.stringify([verdict.stage, verdict.error.sqlstate, verdict.error.message])
        : verdict.type,
  );
}

/** The verdict of one version; undefined for a stream of pgoutput where there is no pgoutput, since no slot has it there. */
export function judgeForVersion(text: string, server: number, options: VersionOptions): CommandVerdict | undefined {
  const { plugin = "pgoutput", database, build } = options;
  const verdict = judgeCommand(text, { server, database, plugin, build });
  const isUnchecked = verdict.type === "command" && verdict.options === undefined;
  const isLogical = isUnchecked && verdict.command.type === "StartReplicationCmd" && verdict.command.kind === "LOGICAL";
  return isLogical && plugin === "pgoutput" ? undefined : verdict;
}

/** The versions that take the text, or hand it to SQL. */
export function versionsThat(
  type: "command" | "sql",
  byVersion: readonly VersionVerdict<CommandVerdict>[],
): readonly VersionRange[] {
  return byVersion.find(({ verdict }) => verdict.type === type)?.versions ?? [];
}

/**
 * The versions that take a text as a replication command; `formatVersions` puts them in words. Text that a server would hand to
 * SQL is none.
 *
 * @example formatVersions(acceptedBy("READ_REPLICATION_SLOT s")) // "15 and later"
 * @example formatVersions(acceptedBy('DROP_REPLICATION_SLOT "a""b"')) // "14.24, 15.19, 16.15, 17.11, 18.6 and later"
 */
export function acceptedBy(text: string, options: VersionOptions = {}): readonly VersionRange[] {
  return versionsThat("command", judgeByVersion(text, options));
}

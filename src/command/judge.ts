/**
 * What a server makes of a text before it does anything, and what each version makes of it: a command that it takes, text that
 * it hands to SQL, or an error.
 */

import { ParseError } from "../kernel/errors.ts";
import { joinRanges, rangesOf, type VersionRange } from "../kernel/version.ts";
import type { Command, SQLCmd } from "./ast.ts";
import { commandCapabilities } from "./capabilities.ts";
import { type CheckCommandOptions, type CommandOptions, checkCommand } from "./check.ts";
import { type ParseCommandOptions, parseCommand } from "./parse.ts";

/** What a server makes of a text. */
export type Verdict =
  | {
      readonly type: "command";
      readonly command: Exclude<Command, SQLCmd>;
      /** As `checkCommand` gives them. */
      readonly options: CommandOptions | undefined;
    }
  | { readonly type: "sql"; readonly command: SQLCmd }
  | { readonly type: "refused"; readonly stage: "parse" | "check"; readonly error: ParseError };

/** The connection that a command is judged for. */
export interface JudgeOptions extends ParseCommandOptions, CheckCommandOptions {}

/** What all versions are asked with. */
export type VersionOptions = Omit<JudgeOptions, "server" | "onNotice">;

/**
 * Parse a text and check what it says, as a server of this version does.
 *
 * @throws UnsupportedError for an unknown server.
 * @example judgeCommand("TIMELINE_HISTORY 0").stage // "parse"
 */
export function judgeCommand(text: string, options: JudgeOptions = {}): Verdict {
  let stage: "parse" | "check" = "parse";
  try {
    const command = parseCommand(text, options);
    if (command.type === "SQLCmd") return { type: "sql", command };
    stage = "check";
    return { type: "command", command, options: checkCommand(command, options) };
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return { type: "refused", stage, error };
  }
}

/** A verdict, and the versions that give it. */
export interface VersionVerdict {
  /** In ascending order. */
  readonly versions: readonly VersionRange[];
  /** That of the newest of them. */
  readonly verdict: Verdict;
}

/**
 * What each version makes of a text: the different verdicts, that of the newest version first. Errors differ by stage, SQLSTATE
 * and message; commands do not differ here, though versions make different trees of them.
 */
export function judgeByVersion(text: string, options: VersionOptions = {}): VersionVerdict[] {
  const groups = new Map<string, { versions: VersionRange[]; verdict: Verdict }>();
  for (const range of rangesOf(commandCapabilities, "replicationSlots").reverse()) {
    const verdict = judgeForVersion(text, range.since, options);
    if (verdict === undefined) continue;
    const key =
      verdict.type === "refused"
        ? JSON.stringify([verdict.stage, verdict.error.sqlstate, verdict.error.message])
        : verdict.type;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { versions: [range], verdict });
    else group.versions = joinRanges([range, ...group.versions]);
  }
  return [...groups.values()];
}

/** The verdict of one version; undefined for a stream of pgoutput where there is no pgoutput, since there no slot has it. */
export function judgeForVersion(text: string, server: number, options: VersionOptions): Verdict | undefined {
  const { plugin = "pgoutput" } = options;
  const verdict = judgeCommand(text, { ...options, server, onNotice: undefined });
  const isUnchecked = verdict.type === "command" && verdict.options === undefined;
  const isLogical = isUnchecked && verdict.command.type === "StartReplicationCmd" && verdict.command.kind === "LOGICAL";
  return isLogical && plugin === "pgoutput" ? undefined : verdict;
}

/** The versions that take the text, or hand it to SQL. */
export function versionsThat(type: "command" | "sql", byVersion: readonly VersionVerdict[]): readonly VersionRange[] {
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

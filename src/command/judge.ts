/**
 * What a server makes of a text before it does anything, and what each version makes of it: a command that it takes, text that
 * it hands to SQL, or an error.
 */
import { ParseError } from "../errors.ts";
import { joinRanges, type VersionRange, versionRanges } from "../server-version.ts";
import type { Command, SQLCmd } from "./ast.ts";
import { type ParseCommandOptions, parseCommand } from "./parse.ts";

/** What a server makes of a text. */
export type Verdict =
  | { readonly type: "command"; readonly command: Exclude<Command, SQLCmd>; readonly options: CheckedOptions }
  | { readonly type: "sql"; readonly command: SQLCmd }
  | { readonly type: "refused"; readonly stage: "parse" | "check"; readonly error: ParseError };

type CheckedOptions = Readonly<Record<string, unknown>>;

/**
 * Parse a text and check what it says, as a server of this version does.
 *
 * @throws UnsupportedError for an unknown server.
 * @example judgeCommand("TIMELINE_HISTORY 0").type // "refused"
 */
export function judgeCommand(text: string, options: ParseCommandOptions = {}): Verdict {
  let stage: "parse" | "check" = "parse";
  try {
    const command = parseCommand(text, options);
    if (command.type === "SQLCmd") return { type: "sql", command };
    stage = "check";
    return { type: "command", command, options: {} };
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
export function judgeByVersion(
  text: string,
  { database }: { readonly database?: boolean | undefined } = {},
): VersionVerdict[] {
  const groups = new Map<string, { versions: VersionRange[]; verdict: Verdict }>();
  for (const range of versionRanges().reverse()) {
    const verdict = judgeCommand(text, { server: range.since, database });
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

/** The versions that give a verdict of this type. */
export function versionsThat(type: Verdict["type"], byVersion: readonly VersionVerdict[]): readonly VersionRange[] {
  return joinRanges(
    byVersion
      .filter(({ verdict }) => verdict.type === type)
      .flatMap(({ versions }) => versions)
      .sort((a, b) => a.since - b.since),
  );
}

/**
 * The versions that take a text as a replication command; `formatVersions` puts them in words. Text that a server would hand to
 * SQL is none.
 *
 * @example formatVersions(acceptedBy("READ_REPLICATION_SLOT s")) // "15 and later"
 * @example formatVersions(acceptedBy("BASE_BACKUP FAST EXCLUSIVE")) // "no version"
 */
export function acceptedBy(
  text: string,
  options: { readonly database?: boolean | undefined } = {},
): readonly VersionRange[] {
  return versionsThat("command", judgeByVersion(text, options));
}

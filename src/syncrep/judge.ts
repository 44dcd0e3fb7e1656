/**
 * walwire/syncrep/judge: what each server version makes of a `synchronous_standby_names`, how each has to write it, and fixes.
 */
import { EncodeError, ParseError, refuseArgument, UnsupportedError } from "../kernel/errors.ts";
import { isArrayOf } from "../kernel/options.ts";
import { joinRanges, rangesOf, type VersionRange, type VersionVerdict, verdictsByVersion } from "../kernel/version.ts";
import { meaningOf, type SyncRepConfig } from "./ast.ts";
import { syncrepCapabilities } from "./capabilities.ts";
import { applyFixes, type Finding } from "./lint/findings.ts";
import {
  fixSynchronousStandbyNames,
  type LintSynchronousStandbyNamesOptions,
  lintSynchronousStandbyNames,
} from "./lint/index.ts";
import { parseSynchronousStandbyNames, serverOf } from "./parse.ts";
import { printSynchronousStandbyNames } from "./print.ts";

export type { VersionVerdict };

/** A server's verdict on a value. */
export type SynchronousStandbyNamesVerdict =
  | {
      readonly type: "accepted";
      /** What the server reads; undefined for the empty value. */
      readonly config: SyncRepConfig | undefined;
    }
  | {
      readonly type: "refused";
      /** The error with which the server rejects the value. */
      readonly error: ParseError;
    };

/** The verdicts of all versions, that of the newest first. */
export type Verdicts = readonly VersionVerdict<SynchronousStandbyNamesVerdict>[];

/** A value, and what a server says to it. */
export interface Judged {
  /** The value. */
  readonly text: string;
  /** server_version_num */
  readonly server: number;
  /** The server's verdict. */
  readonly verdict: SynchronousStandbyNamesVerdict;
  /** The findings of the lint. */
  readonly findings: readonly Finding[];
}

/**
 * The verdict of a server on a value, and the findings of the lint.
 *
 * @throws UnsupportedError for an unknown version; ArgumentError for options of another kind.
 * @example judgeSynchronousStandbyNames("a b").verdict.type // "refused"
 */
export function judgeSynchronousStandbyNames(text: string, options: LintSynchronousStandbyNamesOptions = {}): Judged {
  const server = serverOf(options);
  const verdict = verdictOf(text, server);
  // A value of another type was rejected, and the lint has no more to say.
  const findings = typeof text === "string" ? lintSynchronousStandbyNames(text, options) : [];
  return { text, server, verdict, findings };
}

function verdictOf(text: string, server: number): SynchronousStandbyNamesVerdict {
  try {
    return { type: "accepted", config: parseSynchronousStandbyNames(text, { server }) };
  } catch (error) {
    if (error instanceof ParseError) return { type: "refused", error };
    throw error;
  }
}

/**
 * Is a value good? The server accepts it, and no finding is an error, nor a warning if `strict`.
 *
 * @example isGood(judgeSynchronousStandbyNames("a, a"), { strict: true }) // false
 */
export function isGood(judged: Judged, options: { readonly strict?: boolean | undefined } = {}): boolean {
  const { verdict, findings } = requireJudged(judged);
  const bad = options?.strict ? ["error", "warning"] : ["error"];
  return verdict.type === "accepted" && !findings.some(({ severity }) => bad.includes(severity));
}

/** A value after fixes, and the fixes that were made. */
export interface Fixed {
  /** The new value, judged. */
  readonly judged: Judged;
  /** The findings that were fixed, in order. */
  readonly fixed: readonly Finding[];
}

/** How a value is fixed. */
export interface FixOptions extends LintSynchronousStandbyNamesOptions {
  /** Make also fixes after which the value may mean something else. */
  readonly unsafe?: boolean | undefined;
}

/**
 * Fix a value, and judge what it has become. Whether that is good is for the caller to see.
 *
 * @throws as judgeSynchronousStandbyNames.
 * @example fixAndJudge("2 a, b", { unsafe: true }).judged.text // "2 (a, b)"
 */
export function fixAndJudge(text: string, options: FixOptions = {}): Fixed {
  if (typeof text !== "string") refuseArgument("text", "a string", text);
  const fixed: Finding[] = [];
  let result = text;
  // One fix may overlap another, or what that hides. There are no more than a few such layers.
  for (let round = 0; ; round++) {
    const safe = fixSynchronousStandbyNames(result, options);
    fixed.push(...safe.fixed);
    const judged = judgeSynchronousStandbyNames(safe.text, options);
    const done = applyFixes(safe.text, options.unsafe && round < 5 ? judged.findings : []);
    if (done.fixed.length === 0) return { judged, fixed };
    fixed.push(...done.fixed);
    result = done.text;
  }
}

/**
 * The fix to offer for a value: one that changes it and makes it good. The safe fixes alone come before all fixes, and what leaves no
 * warning comes first.
 *
 * @returns undefined if there is none.
 * @throws as judgeSynchronousStandbyNames.
 * @example offeredFix("2 a, b") // { text: "2 (a, b)", unsafe: true }
 */
export function offeredFix(
  text: string,
  options: LintSynchronousStandbyNamesOptions = {},
):
  | {
      /** The new value. */
      readonly text: string;
      /** May it mean something else to the server? */
      readonly unsafe: boolean;
    }
  | undefined {
  const fixes = [false, true]
    .map((unsafe) => ({ unsafe, judged: fixAndJudge(text, { ...options, unsafe }).judged }))
    .filter(({ judged }) => judged.text !== text && isGood(judged));
  const best = fixes.find(({ judged }) => isGood(judged, { strict: true })) ?? fixes[0];
  return best && { text: best.judged.text, unsafe: best.unsafe };
}

/**
 * What each version makes of a value: the different verdicts, that of the newest version first. Errors differ by SQLSTATE and what the
 * server says beside the value, values by what they mean.
 *
 * @example judgeSynchronousStandbyNamesByVersion("first").map(({ verdict }) => verdict.type) // ["refused", "accepted"]
 */
export function judgeSynchronousStandbyNamesByVersion(text: string): VersionVerdict<SynchronousStandbyNamesVerdict>[] {
  return verdictsByVersion(
    rangesOf(syncrepCapabilities),
    (server) => verdictOf(text, server),
    (verdict) =>
      verdict.type === "accepted"
        ? meaningOf(verdict.config)
        : JSON.stringify([verdict.error.sqlstate, said(verdict.error)]),
  );
}

/**
 * The versions that accept a value, whatever they read in it; `formatVersions` puts them in words.
 *
 * @param verdicts Those of `judgeSynchronousStandbyNamesByVersion`.
 * @example formatVersions(versionsThatAccept(judgeSynchronousStandbyNamesByVersion("2 (a, b)"))) // "9.6 and later"
 */
export function versionsThatAccept(verdicts: Verdicts): readonly VersionRange[] {
  const ranges = requireVerdicts(verdicts)
    .filter(({ verdict }) => verdict.type === "accepted")
    .flatMap(({ versions }) => versions);
  return joinRanges(ranges.sort((a, b) => a.since - b.since));
}

/** The verdicts of versions that accept the value too, and read something else in it. */
export function differingVerdicts(verdicts: Verdicts, judged: Judged): Verdicts {
  const { verdict } = requireJudged(judged);
  if (verdict.type === "refused") return [];
  const here = meaningOf(verdict.config);
  return requireVerdicts(verdicts).filter(
    ({ verdict: other }) => other.type === "accepted" && meaningOf(other.config) !== here,
  );
}

/**
 * How a value is written for each version that can say it, the newest first.
 *
 * @example printSynchronousStandbyNamesByVersion(parseSynchronousStandbyNames("a, b")).map(({ text }) => text) // ["FIRST 1 (a, b)", "1 (a, b)", "a, b"]
 */
export function printSynchronousStandbyNamesByVersion(config: SyncRepConfig | undefined): {
  /** The versions that accept the text. */
  readonly versions: readonly VersionRange[];
  /** The value as these versions write it. */
  readonly text: string;
}[] {
  if (config === undefined) return [];
  const printed = (server: number): string | undefined => {
    try {
      return printSynchronousStandbyNames(config, { server });
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof EncodeError) return undefined;
      throw error;
    }
  };
  return verdictsByVersion(rangesOf(syncrepCapabilities), printed, (text) => text).map(
    ({ versions, verdict: text }) => ({ versions, text }),
  );
}

/** The part of a server's error that does not repeat the value. */
function said({ detail, message }: ParseError): string {
  return detail ?? message;
}

function isVerdict(verdict: SynchronousStandbyNamesVerdict): boolean {
  if (verdict?.type === "refused") return verdict.error instanceof ParseError;
  const config = verdict?.type === "accepted" ? verdict.config : null;
  const isConfig = config != null && isArrayOf(config.memberNames, (name) => typeof name === "string");
  return config === undefined || isConfig;
}

function requireJudged(judged: Judged): Judged {
  const isJudged = isVerdict(judged?.verdict) && isArrayOf(judged.findings, Boolean);
  return isJudged ? judged : refuseArgument("judged", "what judgeSynchronousStandbyNames returned", judged);
}

function requireVerdicts(verdicts: Verdicts): Verdicts {
  const isRange = (range: VersionRange): boolean => typeof range?.since === "number";
  const isGiven = (each: Verdicts[number]): boolean => isVerdict(each?.verdict) && isArrayOf(each.versions, isRange);
  if (isArrayOf(verdicts, isGiven)) return verdicts;
  return refuseArgument("verdicts", "what judgeSynchronousStandbyNamesByVersion returned", verdicts);
}

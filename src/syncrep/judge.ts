/**
 * walwire/syncrep/judge: what each server version makes of a `synchronous_standby_names`, how each has to write it, and fixes.
 */
import { EncodeError, ParseError, refuseArgument, UnsupportedError } from "../kernel/errors.ts";
import { joinRanges, rangesOf, type VersionRange } from "../kernel/version.ts";
import { downcaseIdentifier } from "../text/identifier.ts";
import type { SyncRepConfig } from "./ast.ts";
import { syncrepCapabilities } from "./capabilities.ts";
import { applyFixes, type Finding } from "./lint/findings.ts";
import {
  fixSynchronousStandbyNames,
  type LintSynchronousStandbyNamesOptions,
  lintSynchronousStandbyNames,
} from "./lint/index.ts";
import { parseSynchronousStandbyNames, serverOf } from "./parse.ts";
import { printSynchronousStandbyNames } from "./print.ts";

/** What a server makes of a value: what it reads, undefined for the empty value, or the error with which it rejects it. */
export type Verdict =
  | { readonly type: "accepted"; readonly config: SyncRepConfig | undefined }
  | { readonly type: "refused"; readonly error: ParseError };

/** A value, and what a server says to it. */
export interface Judged {
  readonly text: string;
  /** server_version_num */
  readonly server: number;
  readonly verdict: Verdict;
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

function verdictOf(text: string, server: number): Verdict {
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
  const safe = fixSynchronousStandbyNames(text, options);
  const fixed = [...safe.fixed];
  let judged = judgeSynchronousStandbyNames(safe.text, options);
  // One fix may overlap another, or what that hides. There are no more than a few such layers.
  for (let round = 0; options.unsafe && round < 5; round++) {
    const done = applyFixes(judged.text, judged.findings);
    if (done.fixed.length === 0) break;
    fixed.push(...done.fixed);
    judged = judgeSynchronousStandbyNames(done.text, options);
  }
  return { judged, fixed };
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
): { readonly text: string; readonly unsafe: boolean } | undefined {
  const fixes = [false, true]
    .map((unsafe) => ({ unsafe, judged: fixAndJudge(text, { ...options, unsafe }).judged }))
    .filter(({ judged }) => judged.text !== text && isGood(judged));
  const best = fixes.find(({ judged }) => isGood(judged, { strict: true })) ?? fixes[0];
  return best && { text: best.judged.text, unsafe: best.unsafe };
}

/** A verdict, and the versions that give it. */
export interface VersionVerdict {
  /** In ascending order. */
  readonly versions: readonly VersionRange[];
  /** That of the newest of them. */
  readonly verdict: Verdict;
}

/**
 * What each version makes of a value: the different verdicts, that of the newest version first. Errors differ by SQLSTATE and what the
 * server says beside the value, values by what they mean.
 *
 * @example judgeSynchronousStandbyNamesByVersion("first").map(({ verdict }) => verdict.type) // ["refused", "accepted"]
 */
export function judgeSynchronousStandbyNamesByVersion(text: string): VersionVerdict[] {
  return byVersion(
    (server) => verdictOf(text, server),
    (verdict) =>
      verdict.type === "accepted"
        ? meaning(verdict.config)
        : JSON.stringify([verdict.error.sqlstate, said(verdict.error)]),
  ).map(({ versions, value }) => ({ versions, verdict: value }));
}

/**
 * The versions that accept a value, whatever they read in it; `formatVersions` puts them in words.
 *
 * @param verdicts Those of `judgeSynchronousStandbyNamesByVersion`.
 * @example formatVersions(versionsThatAccept(judgeSynchronousStandbyNamesByVersion("2 (a, b)"))) // "9.6 and later"
 */
export function versionsThatAccept(verdicts: readonly VersionVerdict[]): readonly VersionRange[] {
  const ranges = requireVerdicts(verdicts)
    .filter(({ verdict }) => verdict.type === "accepted")
    .flatMap(({ versions }) => versions);
  return joinRanges(ranges.sort((a, b) => a.since - b.since));
}

/** The verdicts of versions that accept the value too, and read something else in it. */
export function differingVerdicts(verdicts: readonly VersionVerdict[], judged: Judged): readonly VersionVerdict[] {
  const { verdict } = requireJudged(judged);
  if (verdict.type === "refused") return [];
  const here = meaning(verdict.config);
  return requireVerdicts(verdicts).filter(
    ({ verdict: other }) => other.type === "accepted" && meaning(other.config) !== here,
  );
}

/**
 * How a value is written for each version that can say it, the newest first.
 *
 * @example printSynchronousStandbyNamesByVersion(parseSynchronousStandbyNames("a, b")).map(({ text }) => text) // ["FIRST 1 (a, b)", "1 (a, b)", "a, b"]
 */
export function printSynchronousStandbyNamesByVersion(
  config: SyncRepConfig | undefined,
): { readonly versions: readonly VersionRange[]; readonly text: string }[] {
  if (config === undefined) return [];
  const printed = (server: number): string | undefined => {
    try {
      return printSynchronousStandbyNames(config, { server });
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof EncodeError) return undefined;
      throw error;
    }
  };
  return byVersion(printed, (text) => text ?? "").flatMap(({ versions, value }) =>
    value === undefined ? [] : [{ versions, text: value }],
  );
}

/** Ask one version of each language, and put those together whose answers have the same key; that of the newest comes first. */
function byVersion<T>(
  ask: (server: number) => T,
  keyOf: (value: T) => string,
): { versions: VersionRange[]; value: T }[] {
  const answers = new Map<string, T>();
  const groups = new Map<string, { versions: VersionRange[]; value: T }>();
  for (const range of rangesOf(syncrepCapabilities).reverse()) {
    const { standbyIdentifierList, syncrepGrammar, numSyncIsChecked, quorumCommit } = syncrepCapabilities.of(
      range.since,
    );
    const language = JSON.stringify([standbyIdentifierList, syncrepGrammar, numSyncIsChecked, quorumCommit]);
    if (!answers.has(language)) answers.set(language, ask(range.since));
    const value = answers.get(language)!;
    const key = keyOf(value);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { versions: [range], value });
    else group.versions = joinRanges([range, ...group.versions]);
  }
  return [...groups.values()];
}

/** The part of a server's error that does not repeat the value. */
function said({ detail, message }: ParseError): string {
  return detail ?? message;
}

/** Two values that mean the same are equal here: names are compared without regard to the case of ASCII letters. */
function meaning(config: SyncRepConfig | undefined): string {
  if (config === undefined) return "";
  const { syncrepMethod, numSync, memberNames } = config;
  return JSON.stringify([syncrepMethod, numSync, memberNames.map(downcaseIdentifier)]);
}

function isVerdict(verdict: Verdict): boolean {
  if (verdict?.type === "refused") return verdict.error instanceof ParseError;
  const config = verdict?.type === "accepted" ? verdict.config : null;
  const isConfig = Array.isArray(config?.memberNames) && config.memberNames.every((name) => typeof name === "string");
  return config === undefined || (config !== null && isConfig);
}

function requireJudged(judged: Judged): Judged {
  const isJudged = isVerdict(judged?.verdict) && Array.isArray(judged.findings) && judged.findings.every(Boolean);
  return isJudged ? judged : refuseArgument("judged", "what judgeSynchronousStandbyNames returned", judged);
}

function requireVerdicts(verdicts: readonly VersionVerdict[]): readonly VersionVerdict[] {
  const isRange = (range: VersionRange): boolean => typeof range?.since === "number";
  const isGiven = (each: VersionVerdict): boolean =>
    isVerdict(each?.verdict) && Array.isArray(each.versions) && each.versions.every(isRange);
  if (Array.isArray(verdicts) && Array.from(verdicts).every(isGiven)) return verdicts;
  return refuseArgument("verdicts", "what judgeSynchronousStandbyNamesByVersion returned", verdicts);
}

/** What is known of a value of synchronous_standby_names: the server's verdict, what is found in it, what each version makes of it. */

import { EncodeError, ParseError, UnsupportedError } from "../../../kernel/errors.ts";
import { formatServerVersion, joinRanges, rangesOf, type VersionRange } from "../../../kernel/version.ts";
import { syncrepCapabilities } from "../../../syncrep/capabilities.ts";
import {
  applyFixes,
  type Finding,
  fixSynchronousStandbyNames,
  lintSynchronousStandbyNames,
  parseSynchronousStandbyNames,
  printSynchronousStandbyNames,
  type SyncRepConfig,
} from "../../../syncrep/index.ts";
import { explainSynchronousStandbys } from "../../../syncrep/questions.ts";

/** What a value is for. */
export interface Servers {
  readonly server: number;
  /** Others that it is to mean the same to. */
  readonly also: readonly number[];
}

/** What a server makes of a value: what it reads, undefined being "off", or why it refuses it. */
export type Verdict =
  | { readonly ok: true; readonly config: SyncRepConfig | undefined }
  | { readonly ok: false; readonly error: ParseError };

export interface Judged {
  readonly text: string;
  readonly server: number;
  readonly verdict: Verdict;
  readonly findings: readonly Finding[];
}

export function judge(text: string, servers: Servers): Judged {
  const verdict = read(text, servers.server);
  // What is no text was refused, and is not the lint's to look at.
  const findings = typeof text === "string" ? lintSynchronousStandbyNames(text, servers) : [];
  return { text, server: servers.server, verdict, findings };
}

function read(text: string, server: number): Verdict {
  try {
    return { ok: true, config: parseSynchronousStandbyNames(text, { server }) };
  } catch (error) {
    if (error instanceof ParseError) return { ok: false, error };
    throw error;
  }
}

/** Is it good? A server takes it, and nothing was found that is an error; nor, if it is strict, a warning. */
export function isGood({ verdict, findings }: Judged, strict = false): boolean {
  return verdict.ok && !findings.some(({ severity }) => severity === "error" || (strict && severity === "warning"));
}

/** A finding that only repeats what the server says is nothing to show beside it. */
export function findingsBeside({ verdict, findings }: Judged): readonly Finding[] {
  return findings.filter(({ error, fix }) => verdict.ok || error === undefined || fix !== undefined);
}

export interface Fixed {
  /** What it has become. */
  readonly judged: Judged;
  /** What was mended on the way, in order. */
  readonly fixed: readonly Finding[];
}

/** @param unsafe Make also those fixes after which the value may not say what was meant. */
export function fix(text: string, servers: Servers, unsafe: boolean): Fixed {
  const safe = fixSynchronousStandbyNames(text, servers);
  const fixed = [...safe.fixed];
  let judged = judge(safe.text, servers);
  // One fix may have been in the way of another, or what it hides. No more than a few are.
  for (let round = 0; unsafe && round < 5; round++) {
    const done = applyFixes(judged.text, judged.findings);
    if (done.fixed.length === 0) break;
    fixed.push(...done.fixed);
    judged = judge(done.text, servers);
  }
  return { judged, fixed };
}

/** A verdict, and the versions that give it. */
export interface VersionVerdict {
  /** In ascending order. */
  readonly versions: readonly VersionRange[];
  /** That of the newest of them. */
  readonly verdict: Verdict;
}

/** What each version makes of a value: the different verdicts, that of the newest version first. */
export function judgeByVersion(text: string): VersionVerdict[] {
  const groups = new Map<string, { versions: VersionRange[]; verdict: Verdict }>();
  const verdictOf = oncePerLanguage((server) => read(text, server));
  for (const range of rangesOf(syncrepCapabilities).reverse()) {
    const verdict = verdictOf(range.since);
    const key = verdict.ok ? meaning(verdict.config) : JSON.stringify([verdict.error.sqlstate, saying(verdict.error)]);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { versions: [range], verdict });
    else group.versions = joinRanges([range, ...group.versions]);
  }
  return [...groups.values()];
}

/** Most versions differ in what has nothing to do with this language: of those that are the same to it one is asked. */
function oncePerLanguage<T>(ask: (server: number) => T): (server: number) => T {
  const answers = new Map<string, T>();
  return (server) => {
    const has = JSON.stringify(syncrepCapabilities.of(server));
    if (!answers.has(has)) answers.set(has, ask(server));
    return answers.get(has)!;
  };
}

/** Two values that mean the same are equal here: names are matched without regard to case. */
function meaning(config: SyncRepConfig | undefined): string {
  if (config === undefined) return "";
  const { syncrepMethod, numSync, memberNames } = config;
  return JSON.stringify([syncrepMethod, numSync, memberNames.map((name) => name.toLowerCase())]);
}

/** The versions that take a value, whatever they read in it. */
export function acceptedBy(byVersion: readonly VersionVerdict[]): readonly VersionRange[] {
  const ranges = byVersion.filter(({ verdict }) => verdict.ok).flatMap(({ versions }) => versions);
  return joinRanges(ranges.sort((a, b) => a.since - b.since));
}

/** Those verdicts by which a value that this server takes is taken too, and means something else. */
export function differing(byVersion: readonly VersionVerdict[], { verdict }: Judged): readonly VersionVerdict[] {
  if (!verdict.ok) return [];
  const here = meaning(verdict.config);
  return byVersion.filter(({ verdict: other }) => other.ok && meaning(other.config) !== here);
}

/** The part of an error that does not repeat the value. */
export function saying({ detail, message }: ParseError): string {
  return detail ?? message;
}

/** What a value does, in a sentence. */
export function inWords(config: SyncRepConfig | undefined, server: number): string {
  if (config !== undefined && config.numSync < 1) {
    return `PostgreSQL ${formatServerVersion(server)} does not check the number, which is ${config.numSync}.`;
  }
  if (config?.memberNames.length === 0) return "A commit waits for ever: no standby is listed.";
  return explainSynchronousStandbys(config, undefined, { server })[0]!;
}

/** How a value is written for each version that can say it, the newest first. */
export function printedByVersion({ verdict }: Judged): { versions: readonly VersionRange[]; text: string }[] {
  if (!verdict.ok || verdict.config === undefined) return [];
  const { config } = verdict;
  const groups = new Map<string, VersionRange[]>();
  const printed = oncePerLanguage((server) => {
    try {
      return { text: printSynchronousStandbyNames(config, { server }) };
    } catch (error) {
      if (!(error instanceof UnsupportedError || error instanceof EncodeError)) throw error;
      return {};
    }
  });
  for (const range of rangesOf(syncrepCapabilities).reverse()) {
    const { text } = printed(range.since);
    if (text !== undefined) groups.set(text, joinRanges([range, ...(groups.get(text) ?? [])]));
  }
  return [...groups].map(([text, versions]) => ({ text, versions }));
}

/**
 * walwire/syncrep/questions: which losses block commits, how many copies are certain, what a change would do, in values and sentences.
 */
import { EncodeError } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { defaultServer } from "../kernel/version.ts";
import type { SyncRepConfig } from "./ast.ts";
import {
  checkNames,
  type EvaluatedStandby,
  type EvaluateOptions,
  evaluateSynchronousStandbys,
  foldName,
  positionAt,
  type SyncLevel,
  type SyncRepEvaluation,
  type SyncRepStandby,
} from "./evaluate.ts";
import { listed, MANY, someOf } from "./words.ts";

/** What a standby has done with what a commit of each level waited for. */
const done = { remote_write: "written", on: "flushed", remote_apply: "replayed" } as const;

export interface BlockingLosses {
  /** How many of `of` have to go, whichever, before commits block: 0 if they are blocked now; undefined if nothing blocks them. */
  readonly size: number | undefined;
  /** The candidates, as indices of the standbys. Each `size` of them are a smallest set whose loss blocks. */
  readonly of: readonly number[];
  /** The first ten of them, in order. */
  readonly sets: readonly (readonly number[])[];
  readonly sentence: string;
}

/**
 * Which standbys may not go away together: commits block when fewer candidates are left than the setting asks for, with
 * FIRST as with ANY, since one that was not chosen takes the place of one that was.
 *
 * A candidate that never replays, as pg_receivewal, keeps commits going up to `on` but not with `remote_apply`.
 *
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example blockingLosses(parseSynchronousStandbyNames("ANY 1 (a, b)"), ["a", "b"].map(streamingStandby)).sentence // "Losing a and b together blocks commits."
 */
export function blockingLosses(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  options: EvaluateOptions = {},
): BlockingLosses {
  return lossesOf(evaluateSynchronousStandbys(config, standbys, options));
}

function lossesOf({ standbys, numSync, missing }: SyncRepEvaluation): BlockingLosses {
  const of = indicesOf(standbys, ({ candidate }) => candidate);
  if (numSync === 0) {
    const sentence = "Commits wait for no standby: no loss blocks them.";
    return { size: undefined, of, sets: [], sentence };
  }
  const size = missing > 0 ? 0 : of.length - numSync + 1;
  return { size, of, sets: firstSets(of, size), sentence: sentence() };

  function sentence(): string {
    const names = of.map((i) => nameOf(standbys[i]!));
    if (missing > 0) {
      return `Commits are blocked: ${missing} more standby${missing > 1 ? "s" : ""} of the list must stream.`;
    }
    if (of.length === 1) return `Losing ${names[0]} blocks commits.`;
    if (size === of.length) return `Losing ${listed(names, "and")} together blocks commits.`;
    return `Losing any ${size === 1 ? "one" : size} of ${listed(names, "and")} blocks commits.`;
  }
}

/** The first sets of `size` of these, in lexicographic order. */
function firstSets(of: readonly number[], size: number): number[][] {
  const at = of.slice(0, size).map((_, i) => i);
  const sets = [at.map((i) => of[i]!)];
  while (sets.length < MANY) {
    // The last place that can still move on; those after it follow directly.
    let place = size - 1;
    while (place >= 0 && at[place] === of.length - size + place) place--;
    if (place < 0) break;
    for (let next = at[place]! + 1; place < size; place++, next++) at[place] = next;
    sets.push(at.map((i) => of[i]!));
  }
  return sets;
}

export interface CertainCopies {
  /** On how many standbys at least, besides the primary, if each is a node of its own. */
  readonly copies: number;
  /** What these have done with it. Flushed outlives the loss of power there, written only that of PostgreSQL. */
  readonly done: (typeof done)[SyncLevel] | undefined;
  readonly sentence: string;
}

/**
 * How many standbys are certain to have a transaction whose commit has returned.
 *
 * Of a commit whose wait was cancelled, or that returned while the setting was another, nothing is certain.
 *
 * @param level The `synchronous_commit` of the transaction.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does; EncodeError for another level.
 * @example certainCopies(parseSynchronousStandbyNames("ANY 2 (a, b, c)"), [], "on").copies // 2
 */
export function certainCopies(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  level: SyncLevel | "local" | "off",
  options: EvaluateOptions = {},
): CertainCopies {
  return copiesOf(evaluateSynchronousStandbys(config, standbys, options), level);
}

function copiesOf({ numSync, released }: SyncRepEvaluation, level: SyncLevel | "local" | "off"): CertainCopies {
  const none = level === "local" || level === "off";
  const release = typeof level === "string" && !none && Object.hasOwn(released, level) ? released[level] : undefined;
  if (release === undefined && !none) {
    throw new EncodeError("level", "level: it is no synchronous_commit that this server has");
  }
  const head = `A transaction that returned with synchronous_commit = ${level}`;
  if (release === undefined || none || numSync === 0) {
    return { copies: 0, done: undefined, sentence: `${head} need not be on any standby.` };
  }
  const { copies } = release;
  return {
    copies,
    done: done[level],
    sentence: `${head} is ${done[level]} on ${copies} standby${copies === 1 ? "" : "s"} at least, besides the primary.`,
  };
}

/** What may happen to standbys. Names are compared as the server compares them; all standbys of a name are meant. */
export type StandbyChange =
  | { readonly type: "leave"; readonly names: readonly string[] }
  | { readonly type: "rename"; readonly from: string; readonly to: string }
  /** Its walsender comes last here; in truth it takes the first place that is free, which matters among equals with FIRST. */
  | { readonly type: "join"; readonly standby: SyncRepStandby };

export interface ChangeOutcome {
  readonly before: SyncRepEvaluation;
  readonly after: SyncRepEvaluation;
  /** The standbys after it. */
  readonly standbys: readonly SyncRepStandby[];
  /** Those whose state or priority is another, or that came or went (undefined). */
  readonly changed: readonly {
    readonly before: EvaluatedStandby | undefined;
    readonly after: EvaluatedStandby | undefined;
  }[];
  readonly sentence: string;
}

/**
 * What happens if standbys go away, if one gets another name, or if one more comes.
 *
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does; EncodeError for what is no change.
 * @example whatIfStandbysChange(parseSynchronousStandbyNames("a, b"), ["a", "b"].map(streamingStandby), { type: "leave", names: ["a"] }).sentence // "a: sync to gone. b: potential to sync. Commits go on."
 */
export function whatIfStandbysChange(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  change: StandbyChange,
  options: EvaluateOptions = {},
): ChangeOutcome {
  const before = evaluateSynchronousStandbys(config, standbys, options);
  // What each becomes, and at the end what is new.
  const now = changed(standbys, change);
  const there = indicesOf(now, (standby) => standby !== undefined);
  const remaining = there.map((i) => now[i]!);
  const after = evaluateSynchronousStandbys(config, remaining, options);
  const afterOf = new Map(there.map((i, place) => [i, after.standbys[place]!]));
  const pairs = now.map((_, i) => ({ before: before.standbys[i], after: afterOf.get(i) }));
  const differing = pairs.filter(
    ({ before: a, after: b }) =>
      a?.applicationName !== b?.applicationName || a?.syncState !== b?.syncState || a?.syncPriority !== b?.syncPriority,
  );
  const words = differing.slice(0, MANY).map(({ before: a, after: b }) => {
    const renamed = a !== undefined && b !== undefined && a.applicationName !== b.applicationName;
    const name = renamed ? `${nameOf(a)}, now ${nameOf(b)}` : nameOf((a ?? b)!);
    return `${name}: ${a?.syncState ?? "not there"} to ${b?.syncState ?? "gone"}.`;
  });
  if (differing.length === 0) words.push("Nobody's state changes.");
  if (differing.length > MANY) words.push(`And ${differing.length - MANY} more.`);
  words.push(commits(before.missing > 0, after.missing > 0));
  return { before, after, standbys: remaining, changed: differing, sentence: words.join(" ") };
}

function commits(before: boolean, after: boolean): string {
  if (after) return before ? "Commits stay blocked." : "Commits block.";
  return before ? "Commits are released." : "Commits go on.";
}

function changed(standbys: readonly SyncRepStandby[], change: StandbyChange): (SyncRepStandby | undefined)[] {
  switch (change?.type) {
    case "leave": {
      checkNames("change.names", change.names);
      const gone = new Set(change.names.map(foldName));
      return standbys.map((standby) => (gone.has(foldName(standby.applicationName)) ? undefined : standby));
    }
    case "rename": {
      const { from, to } = change;
      checkNames("change", [from, to]);
      return standbys.map((standby) =>
        foldName(standby.applicationName) === foldName(from) ? { ...standby, applicationName: to } : standby,
      );
    }
    case "join":
      // What is no standby is refused by the evaluation, under the number that it gets here.
      return [...standbys, change.standby ?? (null as never)];
    default:
      throw new EncodeError("change.type", "change.type: it is leave, rename or join");
  }
}

export interface Satisfiability {
  /** Can commits return when all of these names are connected and streaming? */
  readonly satisfiable: boolean;
  /** The names that count, in the order given. */
  readonly counting: readonly string[];
  readonly missing: number;
  readonly sentence: string;
}

/**
 * Can the setting be met with standbys of these names, if each streams?
 *
 * @param names One for each standby there is: a name that two of them have stands twice.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example satisfiableWith(parseSynchronousStandbyNames("2 (a, b)"), ["a", "c"]).sentence // "It cannot be met: 2 standbys are asked for, and of these names only a counts."
 */
export function satisfiableWith(
  config: SyncRepConfig | undefined,
  names: readonly string[],
  options: EvaluateOptions = {},
): Satisfiability {
  checkNames("names", names);
  const { standbys, numSync, missing } = evaluateSynchronousStandbys(config, names.map(streamingStandby), options);
  const counting = names.filter((_, i) => standbys[i]!.candidate);
  const asked = `${numSync} ${numSync === 1 ? "standby is" : "standbys are"} asked for`;
  const who =
    counting.length === 0 ? "none counts" : `only ${listed(counting, "and")} count${counting.length === 1 ? "s" : ""}`;
  const sentence =
    numSync === 0
      ? "Commits wait for no standby."
      : missing > 0
        ? `It cannot be met: ${asked}, and of these names ${who}.`
        : `It can be met: ${asked}, and of these names ${listed(counting, "and")} count.`;
  return { satisfiable: missing === 0, counting, missing, sentence };
}

/**
 * A standby of this name that streams and has reported a position: for questions about standbys that need not be there.
 *
 * @example streamingStandby("a").flushLsn // 1n
 */
export function streamingStandby(applicationName: string): SyncRepStandby {
  const lsn = 1n as Lsn;
  return { applicationName, state: "streaming", writeLsn: lsn, flushLsn: lsn, replayLsn: lsn };
}

/**
 * What a setting means, and with standbys what it leads to, in lines for a person.
 *
 * @param standbys undefined: explain the setting alone.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example explainSynchronousStandbys(parseSynchronousStandbyNames("2 (a, b, c)"))[0] // "A commit waits for the first 2 of these that stream: a, b, c."
 */
export function explainSynchronousStandbys(
  config: SyncRepConfig | undefined,
  standbys?: readonly SyncRepStandby[],
  options: EvaluateOptions = {},
): string[] {
  const { server = defaultServer, cascading = false } = options;
  const evaluation = evaluateSynchronousStandbys(config, standbys ?? [], options);
  if (cascading)
    return ["This server is a standby itself: no standby of it is synchronous, whatever the setting says."];
  if (config === undefined) return ["A commit waits for no standby."];
  const { syncrepMethod, numSync, memberNames } = config;
  const names = memberNames.map((name) => (name === "*" ? "* (any standby)" : nameOf({ applicationName: name })));
  const lines = [
    syncrepMethod === "QUORUM"
      ? `A commit waits for any ${numSync} of these, whichever are first to have it: ${listed(names)}.`
      : `A commit waits for the first ${numSync > 1 ? `${numSync} ` : ""}of these that stream${numSync > 1 ? "" : "s"}: ${listed(names)}.`,
    copiesOf(evaluation, "on").sentence,
  ];
  if (standbys === undefined) return lines;

  const chosen = ({ chosen }: EvaluatedStandby): boolean => chosen;
  const roles: readonly [string, (standby: EvaluatedStandby) => boolean][] = [
    [syncrepMethod === "QUORUM" ? "Quorum" : "Synchronous", chosen],
    ["Potential", ({ syncState }) => syncState === "potential"],
    ["Asynchronous", ({ syncState }) => syncState === "async"],
  ];
  for (const [role, has] of roles) {
    const those = evaluation.standbys.filter(has).map(nameOf);
    if (those.length > 0) lines.push(`${role}: ${listed(those)}.`);
  }
  lines.push(lossesOf(evaluation).sentence);
  if (evaluation.missing > 0) return lines;
  for (const level of Object.keys(positionAt) as SyncLevel[]) {
    const release = evaluation.released[level];
    if (release === undefined) continue;
    const { lsn, heldBy, needed } = release;
    const holders = heldBy.map((i) => nameOf(evaluation.standbys[i]!));
    lines.push(
      lsn === undefined
        ? `With ${level} nobody is released: ${holders.length > 0 ? `${listed(holders, "and")} has ${done[level]} nothing` : "the server cannot count to this number"}.`
        : `With ${level} commits up to ${formatLsn(lsn, { server })} are released; the next wait for ${someOf(needed, holders)}.`,
    );
  }
  return lines;
}

function indicesOf<T>(items: readonly T[], has: (item: T) => boolean): number[] {
  return [...items.keys()].filter((i) => has(items[i]!));
}

/** A name as people read it: in quotes if it would not look like one, and without what a terminal would obey. */
function nameOf({ applicationName }: Pick<EvaluatedStandby, "applicationName">): string {
  return /^[\w.:/@+-]+$/.test(applicationName)
    ? applicationName
    : JSON.stringify(applicationName).replace(/\p{C}/gu, " ");
}

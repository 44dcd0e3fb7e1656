/**
 * walwire/syncrep/questions: who is synchronous, which losses block commits, how many copies are certain, what a change would do.
 */
import { EncodeError, ParseError, refuseArgument } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { defaultServer, requireCapability, type Server } from "../kernel/version.ts";
import { downcaseIdentifier } from "../text/identifier.ts";
import type { SyncRepConfig } from "./ast.ts";
import { syncStandbyCapabilities } from "./capabilities.ts";
import {
  checkNames,
  type EvaluatedStandby,
  type EvaluateOptions,
  evaluateSynchronousStandbys,
  positionAt,
  type SyncLevel,
  type SyncRepEvaluation,
  type SyncRepStandby,
} from "./evaluate.ts";
import { listedNames, MANY, someOf } from "./words.ts";

export {
  type EvaluatedStandby,
  type EvaluateOptions,
  evaluateSynchronousStandbys,
  type SyncLevel,
  type SyncRepEvaluation,
  type SyncRepRelease,
  type SyncRepStandby,
} from "./evaluate.ts";

/** What a standby has done with a commit that a level waited for. */
const done = { remote_write: "written", on: "flushed", remote_apply: "replayed" } as const;

/** A value of `synchronous_commit`. `local` and `off` wait for no standby. */
export type SynchronousCommit = SyncLevel | "local" | "off";

const spellings: Readonly<Record<string, SynchronousCommit>> = {
  ...{ local: "local", remote_write: "remote_write", remote_apply: "remote_apply", on: "on", off: "off" },
  ...{ true: "on", yes: "on", 1: "on", false: "off", no: "off", 0: "off" },
};

/**
 * Read a value of `synchronous_commit` as the server does.
 *
 * @throws ParseError INVALID_VALUE with the server's message and hint.
 * @throws UnsupportedError for an unknown version.
 * @source guc_tables.c (guc.c before 16): synchronous_commit_options; guc.c: config_enum_lookup_by_name
 * @example parseSynchronousCommit("TRUE") // "on"
 */
export function parseSynchronousCommit(
  text: string,
  options: { readonly server?: Server | undefined } = {},
): SynchronousCommit {
  if (typeof options !== "object" || options === null) refuseArgument("options", "an object", options);
  const has = syncStandbyCapabilities.of(options.server ?? defaultServer);
  const folded = typeof text === "string" ? downcaseIdentifier(text) : refuseArgument("text", "a string", text);
  const level = Object.hasOwn(spellings, folded) ? spellings[folded] : undefined;
  const known = ["local", ...(has.remoteWrite ? ["remote_write"] : []), ...(has.remoteApply ? ["remote_apply"] : [])];
  if (level === undefined || !["on", "off", ...known].includes(level)) {
    throw new ParseError({
      code: "INVALID_VALUE",
      message: `invalid value for parameter "synchronous_commit": "${text}"`,
      sqlstate: "22023",
      hint: `Available values: ${[...known, "on", "off"].join(", ")}.`,
      text,
      offset: 0,
    });
  }
  return level;
}

function checkLevel(level: SynchronousCommit, server: Server = defaultServer): void {
  if (typeof level !== "string" || !Object.hasOwn(spellings, level) || spellings[level] !== level) {
    refuseArgument("level", "local, remote_write, remote_apply, on or off", level);
  }
  if (level === "remote_write") requireCapability(syncStandbyCapabilities, server, "remoteWrite", level);
  if (level === "remote_apply") requireCapability(syncStandbyCapabilities, server, "remoteApply", level);
}

/** The synchronous_commit that a question is about. */
export interface LevelOptions extends EvaluateOptions {
  /** The `synchronous_commit` of the commits; `on` if it is not given. */
  readonly level?: SynchronousCommit | undefined;
}

/** Which losses of standbys block commits. */
export interface BlockingLosses {
  /** How many have to go before commits block: 0 if they are blocked now; undefined if no loss blocks them. */
  readonly size: number | undefined;
  /** The candidates that belong to one of the smallest sets, as indices of the standbys; all candidates if `size` is 0 or undefined. */
  readonly of: readonly number[];
  /** Smallest sets whose loss blocks commits, each in ascending order: all, or ten of them. */
  readonly sets: readonly (readonly number[])[];
  /** The answer in a sentence. */
  readonly sentence: string;
}

/**
 * Which standbys may not go away together: commits block when fewer candidates are left than the setting requires, with FIRST as with
 * ANY, since a candidate that was not chosen takes the place of one that was.
 *
 * A candidate whose position at the level is unknown is taken for one that never reports it: pg_receivewal keeps commits going up to
 * `on`, and with `remote_apply` counts without ever releasing one.
 *
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does; UnsupportedError for a level that the server does not have.
 * @example blockingLosses(parseSynchronousStandbyNames("ANY 1 (a, b)"), ["a", "b"].map(streamingStandby)).sentence // "Losing a and b together blocks commits."
 */
export function blockingLosses(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  options: LevelOptions = {},
): BlockingLosses {
  const evaluation = evaluateSynchronousStandbys(config, standbys, options);
  checkLevel(options.level ?? "on", options.server);
  return lossesOf(config, standbys, evaluation, options.level ?? "on", options.server);
}

/** Does every commit of this level wait for something that is not there? */
function isBlocked({ numSync, missing, released }: SyncRepEvaluation, level: SynchronousCommit): boolean {
  if (numSync === 0 || level === "local" || level === "off") return false;
  const release = released[level];
  // Of a number that the server cannot count to nothing is known.
  return missing > 0 || (release?.lsn === undefined && (release?.needed ?? 0) > 0);
}

interface Losses {
  readonly size: number;
  /** Any `size` of these. */
  readonly of: readonly number[];
  /** The sets, if not any of them does. */
  readonly sets?: readonly (readonly number[])[];
}

function lossesOf(
  config: SyncRepConfig | undefined,
  rows: readonly SyncRepStandby[],
  evaluation: SyncRepEvaluation,
  level: SynchronousCommit,
  server: Server = defaultServer,
): BlockingLosses {
  const { standbys, numSync, missing } = evaluation;
  const of = indicesOf(standbys, ({ candidate }) => candidate);
  const name = (i: number): string => nameOf(standbys[i]!);
  const at = level === "on" ? "" : ` with synchronous_commit = ${level}`;
  if (numSync === 0 || config === undefined || level === "local" || level === "off") {
    return { size: undefined, of, sets: [], sentence: `Commits${at} wait for no standby: no loss blocks them.` };
  }
  if (isBlocked(evaluation, level)) {
    const { heldBy } = evaluation.released[level]!;
    const why =
      missing > 0
        ? `${missing} more standby${missing > 1 ? "s" : ""} of the list must stream`
        : haveDoneNothing(heldBy.map(name), level);
    return { size: 0, of, sets: [[]], sentence: `Commits${at} are blocked: ${why}.` };
  }
  const found = smallestLosses(config, rows, evaluation, of, level, server);
  const sets = found.sets ?? firstSets(found.of, found.size);
  const sentence = (): string => {
    if (found.sets !== undefined || found.size === found.of.length) {
      const names = listedNames(sets[0]!.map(name), "and");
      const example = sets.length > 1 ? ", for example," : "";
      return `Losing ${names}${sets[0]!.length > 1 ? " together" : ""}${example} blocks commits${at}.`;
    }
    const names = listedNames(found.of.map(name), "and");
    return `Losing any ${found.size === 1 ? "one" : found.size} of ${names} blocks commits${at}.`;
  };
  return { size: found.size, of: found.of, sets, sentence: sentence() };
}

function haveDoneNothing(names: readonly string[], level: SyncLevel): string {
  return `${listedNames(names, "and")} ${names.length === 1 ? "has" : "have"} ${done[level]} nothing`;
}

/** Of candidates that are enough: how few of them have to go. */
function smallestLosses(
  { syncrepMethod, numSync }: SyncRepConfig,
  rows: readonly SyncRepStandby[],
  { standbys }: SyncRepEvaluation,
  of: readonly number[],
  level: SyncLevel,
  server: Server,
): Losses {
  const isKnown = (i: number): boolean => (rows[i]![positionAt[level]] ?? 0n) !== 0n;
  const tooFew: Losses = { size: of.length - numSync + 1, of };
  if (syncrepMethod === "QUORUM") {
    // The server keeps the number in a byte here.
    const nth = numSync & 0xff;
    const known = of.filter(isKnown);
    return nth > 0 && known.length - nth + 1 <= tooFew.size ? { size: known.length - nth + 1, of: known } : tooFew;
  }
  // With FIRST a position that is unknown holds up commits if it is the last one that the server looks at. As long as there are
  // more than enough candidates it looks at them in order of priority,
  const byPriority = [...of].sort((a, b) => standbys[a]!.syncPriority - standbys[b]!.syncPriority);
  const last = byPriority.findIndex((i, place) => place >= numSync - 1 && place < of.length - 1 && !isKnown(i));
  if (last !== -1) return { size: last + 1 - numSync, of: byPriority.slice(0, last).sort((a, b) => a - b) };
  // and when just enough are left in the order of the walsenders, in older minors with those of priority 1 first.
  const inOrder = syncStandbyCapabilities.supports(server, "candidatesInArrayOrder")
    ? of
    : [...of].sort((a, b) => Math.min(standbys[a]!.syncPriority, 2) - Math.min(standbys[b]!.syncPriority, 2));
  const size = of.length - numSync;
  const sets: number[][] = [];
  const members = new Set<number>();
  for (let place = numSync - 1; place < inOrder.length && (sets.length < MANY || members.size < of.length); place++) {
    if (isKnown(inOrder[place]!)) continue;
    const [before, after] = [inOrder.slice(0, place), inOrder.slice(place + 1)];
    // All after it go, and as many of those before it as are not needed.
    const more = firstSets(before, place + 1 - numSync);
    for (const set of more.slice(0, MANY - sets.length)) sets.push([...set, ...after].sort((a, b) => a - b));
    for (const i of place + 1 > numSync ? [...before, ...after] : after) members.add(i);
  }
  return sets.length === 0 ? tooFew : { size, of: [...members].sort((a, b) => a - b), sets };
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

/** How many copies of a commit are certain. */
export interface CertainCopies {
  /** On how many standbys at least, besides the primary, if each is a node of its own. */
  readonly copies: number;
  /** What these have done with it. Flushed outlives the loss of power there, written only that of PostgreSQL. */
  readonly done: (typeof done)[SyncLevel] | undefined;
  /** The answer in a sentence. */
  readonly sentence: string;
}

/**
 * How many standbys are certain to have a transaction whose commit has returned.
 *
 * Of a commit whose wait was cancelled, or that returned while the setting was another, nothing is certain.
 *
 * @param level The `synchronous_commit` of the transaction.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does; UnsupportedError for a level that the server does not have.
 * @example certainCopies(parseSynchronousStandbyNames("ANY 2 (a, b, c)"), [], "on").copies // 2
 */
export function certainCopies(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  level: SynchronousCommit,
  options: EvaluateOptions = {},
): CertainCopies {
  const evaluation = evaluateSynchronousStandbys(config, standbys, options);
  checkLevel(level, options.server);
  return copiesOf(evaluation, level);
}

function copiesOf({ numSync, released }: SyncRepEvaluation, level: SynchronousCommit): CertainCopies {
  const none = level === "local" || level === "off";
  const release = none ? undefined : released[level];
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

/** A change of the standbys. Names are compared as the server compares them; it concerns every standby of a name. */
export type StandbyChange =
  | {
      readonly type: "leave";
      /** The standbys that go away. */
      readonly names: readonly string[];
    }
  | {
      readonly type: "rename";
      /** The name before. */
      readonly from: string;
      /** The name after. */
      readonly to: string;
    }
  /** Its walsender comes last here; in a server it takes the first free place, which matters among equals with FIRST. */
  | {
      readonly type: "join";
      /** The new standby. */
      readonly standby: SyncRepStandby;
    };

/** What a change of the standbys does to waiting commits. */
export interface ChangeOutcome {
  /** The evaluation before the change. */
  readonly before: SyncRepEvaluation;
  /** The evaluation after the change. */
  readonly after: SyncRepEvaluation;
  /** The standbys after it. */
  readonly standbys: readonly SyncRepStandby[];
  /** The standbys that came, left, or have another state or priority. */
  readonly changed: readonly {
    /** Before the change; undefined for a standby that came. */
    readonly before: EvaluatedStandby | undefined;
    /** After the change; undefined for a standby that left. */
    readonly after: EvaluatedStandby | undefined;
  }[];
  /** The change and its effect, in sentences. */
  readonly sentence: string;
}

/**
 * What happens if standbys go away, if one gets another name, or if one more comes.
 *
 * @param options.level Without it the sentence is about `on`, and about `remote_apply` where that differs.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does; EncodeError for an invalid change.
 * @example whatIfStandbysChange(parseSynchronousStandbyNames("a, b"), ["a", "b"].map(streamingStandby), { type: "leave", names: ["a"] }).sentence // "a: sync to gone. b: potential to sync. Commits go on."
 */
export function whatIfStandbysChange(
  config: SyncRepConfig | undefined,
  standbys: readonly SyncRepStandby[],
  change: StandbyChange,
  options: LevelOptions = {},
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
  if (differing.length === 0) words.push("No state changes.");
  if (differing.length > MANY) words.push(`And ${differing.length - MANY} more.`);
  const { level = "on" } = options;
  checkLevel(level, options.server);
  const outcome = (each: SynchronousCommit): string => outcomeOf(isBlocked(before, each), isBlocked(after, each));
  words.push(`Commits ${outcome(level)}.`);
  if (options.level === undefined && after.released.remote_apply && outcome("remote_apply") !== outcome("on")) {
    words.push(`With synchronous_commit = remote_apply they ${outcome("remote_apply")}.`);
  }
  return { before, after, standbys: remaining, changed: differing, sentence: words.join(" ") };
}

function outcomeOf(before: boolean, after: boolean): string {
  if (after) return before ? "stay blocked" : "block";
  return before ? "are released" : "go on";
}

function changed(standbys: readonly SyncRepStandby[], change: StandbyChange): (SyncRepStandby | undefined)[] {
  switch (change?.type) {
    case "leave": {
      checkNames("change.names", change.names);
      const gone = new Set(change.names.map(downcaseIdentifier));
      return standbys.map((standby) => (gone.has(downcaseIdentifier(standby.applicationName)) ? undefined : standby));
    }
    case "rename": {
      const { from, to } = change;
      checkNames("change", [from, to]);
      return standbys.map((standby) =>
        downcaseIdentifier(standby.applicationName) === downcaseIdentifier(from)
          ? { ...standby, applicationName: to }
          : standby,
      );
    }
    case "join":
      // An invalid standby is rejected by the evaluation, under the number that it gets here.
      return [...standbys, change.standby ?? (null as never)];
    default:
      throw new EncodeError("change.type", "change.type: it is leave, rename or join");
  }
}

/** Whether commits can be released with these standbys. */
export interface Satisfiability {
  /** Can commits return when all of these names are connected and streaming? */
  readonly satisfiable: boolean;
  /** The names that count, in the order given. */
  readonly counting: readonly string[];
  /** How many standbys are missing. */
  readonly missing: number;
  /** The answer in a sentence. */
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
    counting.length === 0
      ? "none counts"
      : `only ${listedNames(counting, "and")} count${counting.length === 1 ? "s" : ""}`;
  const sentence =
    numSync === 0
      ? "Commits wait for no standby."
      : missing > 0
        ? `It cannot be met: ${asked}, and of these names ${who}.`
        : `It can be met: ${asked}, and of these names ${listedNames(counting, "and")} count${counting.length === 1 ? "s" : ""}.`;
  return { satisfiable: missing === 0, counting, missing, sentence };
}

/**
 * A standby of this name that streams and has reported a position: for questions about standbys that need not be there.
 *
 * @example streamingStandby("a").flushLsn // 1n
 */
export function streamingStandby(applicationName: string): SyncRepStandby {
  if (typeof applicationName !== "string") refuseArgument("applicationName", "a string", applicationName);
  const lsn = 1n as Lsn;
  return { applicationName, state: "streaming", writeLsn: lsn, flushLsn: lsn, replayLsn: lsn };
}

/**
 * What a setting means, and with standbys what it leads to, in lines for a person.
 *
 * @param standbys undefined: explain the setting alone.
 * @param options.level Without it, the losses are those of `on`, and those of `remote_apply` where they differ.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example explainSynchronousStandbys(parseSynchronousStandbyNames("2 (a, b, c)"))[0] // "A commit waits for the first 2 of these that stream: a, b, c."
 */
export function explainSynchronousStandbys(
  config: SyncRepConfig | undefined,
  standbys?: readonly SyncRepStandby[],
  options: LevelOptions = {},
): string[] {
  const evaluation = evaluateSynchronousStandbys(config, standbys ?? [], options);
  const { server = defaultServer, cascading = false } = options;
  checkLevel(options.level ?? "on", server);
  if (cascading)
    return ["This server is a standby itself: no standby of it is synchronous, whatever the setting says."];
  if (config === undefined) return ["A commit waits for no standby."];
  const { syncrepMethod, numSync, memberNames } = config;
  const names = memberNames.map((name) => (name === "*" ? "* (any standby)" : nameOf({ applicationName: name })));
  const lines = [
    syncrepMethod === "QUORUM"
      ? `A commit waits for any ${numSync} of these, whichever are first to have it: ${listedNames(names)}.`
      : `A commit waits for the first ${numSync > 1 ? `${numSync} ` : ""}of these that stream${numSync > 1 ? "" : "s"}: ${listedNames(names)}.`,
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
    if (those.length > 0) lines.push(`${role}: ${listedNames(those)}.`);
  }
  const losses = (level: SynchronousCommit): BlockingLosses => lossesOf(config, standbys, evaluation, level, server);
  lines.push(losses(options.level ?? "on").sentence);
  if (evaluation.missing > 0) return lines;
  if (options.level === undefined && evaluation.released.remote_apply !== undefined) {
    const [on, apply] = [losses("on"), losses("remote_apply")];
    if (JSON.stringify([on.size, on.sets]) !== JSON.stringify([apply.size, apply.sets])) lines.push(apply.sentence);
  }
  for (const level of Object.keys(positionAt) as SyncLevel[]) {
    const release = evaluation.released[level];
    if (release === undefined) continue;
    const { lsn, heldBy, needed } = release;
    const holders = heldBy.map((i) => nameOf(evaluation.standbys[i]!));
    lines.push(
      lsn === undefined
        ? `With ${level} no commit is released: ${holders.length > 0 ? haveDoneNothing(holders, level) : "the server cannot count to this number"}.`
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

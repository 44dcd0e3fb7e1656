/** What differs between two values of `synchronous_standby_names`: who is waited for, and what a commit that returned is certain to be on. */
import { checkObject } from "../../kernel/options.ts";
import type { Server } from "../../kernel/version.ts";
import { counted } from "../../kernel/words.ts";
import type { SyncRepConfig } from "../ast.ts";
import { checkConfig } from "../evaluate.ts";
import { listedNames, MANY, someOf } from "../words.ts";
import { acknowledgementOf, namesOf } from "./rules.ts";

/** Sets of standbys that let a commit return under one value and are not enough under the other. */
export interface AcknowledgingSets {
  /** Are there any? */
  readonly exist: boolean;
  /** Some of them, ten at most, those that lack most first. `*` is any client; without standbys, the primary alone. */
  readonly sets: readonly (readonly string[])[];
  /** How many more standbys the other value requires of such a set at most. */
  readonly missing: number;
}

/** What differs between two values. */
export interface StandbyNamesComparison {
  /** Names that only the new value has. */
  readonly joined: readonly string[];
  /** Names that only the old value has. */
  readonly left: readonly string[];
  /** How many standbys a commit waits for. */
  readonly number: {
    /** Under the old value. */
    readonly before: number;
    /** Under the new value. */
    readonly after: number;
  };
  /** Enough under the old value and not under the new one: what is acknowledged before the change may be only there. */
  readonly onlyBefore: AcknowledgingSets;
  /** Enough under the new value and not under the old one. */
  readonly onlyAfter: AcknowledgingSets;
  /** The answer in sentences. */
  readonly words: readonly string[];
}

interface Side {
  readonly number: number;
  readonly names: ReadonlyMap<string, string>;
  /** Does it have `*`? */
  readonly any: boolean;
  readonly isOrdered: boolean;
}

/**
 * Compare two values: who is waited for, and which commits can be acknowledged under the old one and be missing where a takeover that
 * counts on the new one looks.
 *
 * @param before undefined: the setting is empty.
 * @throws EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example compareStandbyNames(parseSynchronousStandbyNames("ANY 1 (a, b)"), parseSynchronousStandbyNames("ANY 1 (b, c)")).onlyBefore.sets // [["a"]]
 * @example compareStandbyNames(parseSynchronousStandbyNames("ANY 2 (a, b)"), parseSynchronousStandbyNames("ANY 1 (a, b)")).onlyBefore.exist // false
 */
export function compareStandbyNames(
  before: SyncRepConfig | undefined,
  after: SyncRepConfig | undefined,
  options: { readonly server?: Server | undefined } = {},
): StandbyNamesComparison {
  checkObject("options", options);
  checkConfig(before, options.server);
  checkConfig(after, options.server);
  const [a, b] = [sideOf(before), sideOf(after)];
  const joined = [...b.names].filter(([folded]) => !a.names.has(folded)).map(([, name]) => name);
  const left = [...a.names].filter(([folded]) => !b.names.has(folded)).map(([, name]) => name);
  const onlyBefore = setsOf(a, b);
  const onlyAfter = setsOf(b, a);
  const number = { before: a.number, after: b.number };
  return { joined, left, number, onlyBefore, onlyAfter, words: words(a, b, joined, left, onlyBefore, onlyAfter) };
}

function sideOf(config: SyncRepConfig | undefined): Side {
  const { names } = acknowledgementOf(config, "*");
  const any = config?.memberNames.includes("*") ?? false;
  const isQuorum = config?.syncrepMethod === "QUORUM";
  const number = config === undefined ? 0 : isQuorum ? config.numSync & 0xff : config.numSync;
  return { number, names: namesOf(names.values()), any, isOrdered: config !== undefined && !isQuorum };
}

/** Sets of the one's number that have too few of the other's names. */
function setsOf(one: Side, other: Side): AcknowledgingSets {
  const none = { exist: false, sets: [], missing: 0 };
  // More than there are: no commit returns.
  if (!one.any && one.number > one.names.size) return none;
  if (other.any) {
    if (one.number >= other.number) return none;
    const sets = [[...one.names.values(), ...(one.any ? ["*"] : [])].slice(0, one.number)];
    return { exist: true, sets, missing: other.number - one.number };
  }
  if (one.any) {
    return other.number === 0 ? none : { exist: true, sets: [["*"]], missing: other.number };
  }
  const common = [...one.names].filter(([folded]) => other.names.has(folded)).map(([, name]) => name);
  const own = [...one.names].filter(([folded]) => !other.names.has(folded)).map(([, name]) => name);
  const least = Math.max(0, one.number - own.length);
  if (least >= other.number) return none;
  const sets: string[][] = [];
  for (let shared = least; shared < other.number && shared <= Math.min(one.number, common.length); shared++) {
    for (const few of subsets(common, shared, MANY - sets.length)) {
      for (const rest of subsets(own, one.number - shared, MANY - sets.length)) sets.push([...few, ...rest]);
    }
  }
  return { exist: true, sets: sets.slice(0, MANY), missing: other.number - least };
}

/** The first subsets of a size, at most so many. */
function subsets(names: readonly string[], size: number, most: number): string[][] {
  const found: string[][] = [];
  const chosen = Array.from({ length: size }, (_, i) => i);
  while (found.length < most) {
    found.push(chosen.map((i) => names[i]!));
    let last = size - 1;
    while (last >= 0 && chosen[last] === names.length - size + last) last--;
    if (last < 0) break;
    chosen[last]!++;
    for (let i = last + 1; i < size; i++) chosen[i] = chosen[i - 1]! + 1;
  }
  return found;
}

function words(
  a: Side,
  b: Side,
  joined: readonly string[],
  left: readonly string[],
  onlyBefore: AcknowledgingSets,
  onlyAfter: AcknowledgingSets,
): string[] {
  const lines = [`Before, ${waits(a)}.`, `After, ${waits(b)}.`];
  if (joined.length > 0) lines.push(`Counted in addition: ${listedNames(joined, "and")}.`);
  if (left.length > 0) lines.push(`No longer counted: ${listedNames(left, "and")}.`);
  if (onlyBefore.exist) {
    const { sets, missing } = onlyBefore;
    const enough = b.any ? `${b.number} of the standbys` : some(b);
    lines.push(
      `A commit that returned before may be on ${where(sets[0]!)} only, which is ${counted(missing, "standby", "standbys")} too few for the new value.`,
      `Before a takeover counts on the new value, wait until what was written before it was in effect is flushed on ${enough}.`,
    );
  } else lines.push("What returned before is on enough standbys for the new value: the change loses nothing.");
  if (onlyAfter.exist)
    lines.push(
      `After, a commit may return that is on ${where(onlyAfter.sets[0]!)} only: a takeover that counts on the old value can lose it.`,
    );
  return lines;
}

function waits(side: Side): string {
  if (side.number === 0) return "a commit waits for no standby";
  return `a commit waits for ${some(side)}`;
}

/** "any 2 of a, b and c", "a or b", "the first of a and b that streams". */
function some({ number, names, any, isOrdered }: Side): string {
  const all = [...names.values(), ...(any ? ["any standby"] : [])];
  if (!isOrdered || number >= all.length) return someOf(number, all);
  const listed = listedNames(all, "and");
  return number === 1 ? `the first of ${listed} that streams` : `the first ${number} of ${listed} that stream`;
}

function where(set: readonly string[]): string {
  if (set.length === 0) return "the primary";
  return `the primary and ${set.includes("*") && set.length === 1 ? "any client" : listedNames(set, "and")}`;
}

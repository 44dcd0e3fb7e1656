/**
 * The rule by which a control plane promotes a node, and when it is safe with a value of `synchronous_standby_names`.
 *
 * A commit is acknowledged when the primary and a set of standbys have it. A node is promoted when a set of voters was seen. Each set
 * of one kind must meet each set of the other: then the furthest of the voters seen has every acknowledged commit.
 */
import { EncodeError, refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkWhole, isArrayOf } from "../../kernel/options.ts";
import { counted } from "../../kernel/words.ts";
import { downcaseIdentifier } from "../../text/identifier.ts";
import type { SyncRepConfig } from "../ast.ts";
import { checkConfig, type EvaluateOptions } from "../evaluate.ts";
import { listedNames } from "../words.ts";

/**
 * Who may take over: of `quorum` voters that were seen, the one with the greatest position. It lies in the store of the control plane,
 * beside the name of the primary, and both are changed by compare-and-set: a takeover counts only if the rule is still the one that it
 * was decided by.
 */
export interface TakeoverRule {
  /** Nodes by name, the primary among them. Case does not matter. */
  readonly voters: readonly string[];
  /** How many of them must be seen: 1 to all. */
  readonly quorum: number;
}

/** A node that answers. */
export interface SeenNode {
  /** The name that it has as a standby. */
  readonly name: string;
  /** The timeline of its last WAL. Each promotion must have made a timeline of its own, with a greater number. */
  readonly timeline: number;
  /**
   * Up to where it has flushed WAL. It must have stopped receiving before this was read: a node that is read, and then receives more
   * from the old primary, may acknowledge a commit that the new primary does not have.
   */
  readonly flushLsn: bigint;
}

/** Who may be promoted, or why no node may. */
export type Takeover =
  | {
      readonly type: "promote";
      /** Voters with the greatest position: each of them has every acknowledged commit. */
      readonly candidates: readonly string[];
      /** The answer in a sentence. */
      readonly sentence: string;
    }
  | {
      readonly type: "wait";
      /** How many more voters must be seen. */
      readonly missing: number;
      /** Voters that were not seen. */
      readonly unseen: readonly string[];
      /** The answer in a sentence. */
      readonly sentence: string;
    };

/** Whether each takeover that a rule allows keeps each commit that a value lets return. */
export interface TakeoverSafety {
  /** Is no commit that returned lost? */
  readonly safe: boolean;
  /** How many voters have a commit at least when it returns, the primary included. */
  readonly copies: number;
  /** How many voters can be out of reach, and another still takes over. */
  readonly mayBeAway: number;
  /** The answer in a sentence. */
  readonly sentence: string;
}

/** Names without regard to case, each as it is written first. */
export type Names = ReadonlyMap<string, string>;

export function namesOf(names: Iterable<string>): Names {
  const map = new Map<string, string>();
  for (const name of names) {
    const folded = downcaseIdentifier(name);
    if (!map.has(folded)) map.set(folded, name);
  }
  return map;
}

/** All of these names, as they are written first. */
export function unionOf(...sets: readonly Names[]): Names {
  return namesOf(sets.flatMap((names) => [...names.values()]));
}

/** How many of these are not among the others. */
export function outside(names: Names, others: Names): number {
  let count = 0;
  for (const name of names.keys()) if (!others.has(name)) count++;
  return count;
}

/** Of which standbys how many have a commit when it returns, at least. */
export interface Acknowledgement {
  readonly number: number;
  readonly names: Names;
}

/**
 * With FIRST as with ANY, `numSync` of the names: those that stream decide which. `*` lets any client acknowledge, so that none of the
 * names is certain.
 */
export function acknowledgementOf(config: SyncRepConfig | undefined, primary: string): Acknowledgement {
  if (config === undefined) return nobody;
  const { syncrepMethod, numSync, memberNames } = config;
  const names = new Map(namesOf(memberNames));
  const any = names.delete("*");
  names.delete(downcaseIdentifier(primary));
  // The server keeps the number of ANY in a byte.
  const number = syncrepMethod === "QUORUM" ? numSync & 0xff : numSync;
  return { number: any ? 0 : Math.min(number, names.size), names };
}

/** What holds while walsenders read a new value one after the other: the smaller number, of the names of both. */
export function mixtureOf(a: Acknowledgement, b: Acknowledgement): Acknowledgement {
  return { number: Math.min(a.number, b.number), names: unionOf(a.names, b.names) };
}

/** A commit is on the primary. */
export const nobody: Acknowledgement = { number: 0, names: new Map() };

/** A rule with its names folded. */
export interface Rule {
  readonly voters: Names;
  readonly quorum: number;
}

/** How many voters have each commit that returned, at least. */
export function copiesAmong(voters: Names, primary: string, { number, names }: Acknowledgement): number {
  const own = voters.has(downcaseIdentifier(primary)) ? 1 : 0;
  return own + Math.max(0, number - outside(names, voters));
}

/** Does each set of `quorum` voters meet each set that lets a commit return? undefined: no node may take over. */
export function isSafe(rule: Rule | undefined, primary: string, acknowledgement: Acknowledgement): boolean {
  return rule === undefined || copiesAmong(rule.voters, primary, acknowledgement) + rule.quorum > rule.voters.size;
}

/** Does each set that the new rule takes satisfy the old rule too? Then what the old one finds, the new one finds. */
export function isStricter(rule: Rule | undefined, old: Rule | undefined): boolean {
  if (rule === undefined) return true;
  return old !== undefined && rule.quorum - outside(rule.voters, old.voters) >= old.quorum;
}

/**
 * The rule for the time between two values, or before all is known: over the voters of both, safe with what is acknowledged, and so
 * strict that it finds what the old rule found. undefined if no node may take over.
 */
export function jointRule(
  old: Rule | undefined,
  voters: Names,
  primary: string,
  acknowledgement: Acknowledgement,
): Rule | undefined {
  if (old === undefined) return undefined;
  const all = unionOf(old.voters, voters);
  const copies = copiesAmong(all, primary, acknowledgement);
  const quorum = Math.max(1, all.size - copies + 1, old.quorum + all.size - old.voters.size);
  return quorum > all.size ? undefined : { voters: all, quorum };
}

export function sameRule(a: Rule | undefined, b: Rule | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.quorum === b.quorum && a.voters.size === b.voters.size && outside(a.voters, b.voters) === 0;
}

export function plainRule(rule: Rule | undefined): TakeoverRule | undefined {
  return rule && { voters: [...rule.voters.values()], quorum: rule.quorum };
}

/** @throws ArgumentError */
export function ruleOf(path: string, rule: TakeoverRule | undefined): Rule | undefined {
  if (rule === undefined) return undefined;
  checkObject(path, rule);
  const { voters: given, quorum } = rule;
  const voters = nodeNames(`${path}.voters`, given);
  checkWhole(`${path}.quorum`, quorum, 1, voters.size);
  return { voters, quorum };
}

/** @throws ArgumentError for anything but different names of nodes. */
export function nodeNames(path: string, given: readonly string[]): Names {
  if (!isArrayOf(given, (name) => typeof name === "string") || given.length === 0) {
    refuseArgument(path, "an array of names, one at least", given);
  }
  const names = namesOf(given);
  if (names.size < given.length) refuseArgument(path, "names that differ in more than case", given);
  if (names.has("*")) refuseArgument(path, "names of nodes, and * is any", "*");
  return names;
}

/** @throws ArgumentError */
export function requireNode(path: string, name: unknown): asserts name is string {
  if (typeof name !== "string" || name === "*") refuseArgument(path, "the name of a node", name);
}

/**
 * Who may be promoted, of the nodes that answer.
 *
 * @param rule undefined: no node may be.
 * @param seen Nodes that have stopped receiving from the old primary. One that lost its data, or is being rebuilt, is not seen.
 * @throws ArgumentError for what is not a rule or not a node.
 * @example canTakeOver({ voters: ["a", "b", "c"], quorum: 2 }, [{ name: "b", timeline: 1, flushLsn: 8n }, { name: "c", timeline: 1, flushLsn: 9n }]).type // "promote"
 * @example canTakeOver({ voters: ["a", "b", "c"], quorum: 2 }, [{ name: "b", timeline: 1, flushLsn: 8n }]).sentence // "No node may take over: 2 of a, b and c must be seen, and only b is."
 */
export function canTakeOver(rule: TakeoverRule | undefined, seen: readonly SeenNode[]): Takeover {
  const known = ruleOf("rule", rule);
  if (!isArrayOf(seen, (node) => typeof node === "object" && node !== null)) {
    refuseArgument("seen", "an array of nodes", seen);
  }
  const nodes = Array.from(seen, ({ name, timeline, flushLsn }, i) => {
    requireNode(`seen[${i}].name`, name);
    checkWhole(`seen[${i}].timeline`, timeline, 1, 2 ** 32 - 1);
    if (typeof flushLsn !== "bigint") refuseArgument(`seen[${i}].flushLsn`, "a bigint", flushLsn);
    return { name, timeline, flushLsn };
  });
  nodeNames("seen", nodes.length > 0 ? nodes.map(({ name }) => name) : [""]);
  if (known === undefined) {
    return { type: "wait", missing: 1, unseen: [], sentence: "No node may take over: there is no rule." };
  }
  const voters = nodes.filter(({ name }) => known.voters.has(downcaseIdentifier(name)));
  const all = [...known.voters.values()];
  if (voters.length < known.quorum) {
    const names = namesOf(voters.map(({ name }) => name));
    const unseen = all.filter((name) => !names.has(downcaseIdentifier(name)));
    const who =
      voters.length === 0 ? "none is" : `only ${listedNames([...names.values()], "and")} ${isOrAre(names.size)}`;
    return {
      type: "wait",
      missing: known.quorum - voters.length,
      unseen,
      sentence: `No node may take over: ${required(known)} must be seen, and ${who}.`,
    };
  }
  const best = voters.reduce((a, b) => (isFurther(b, a) ? b : a));
  const candidates = voters.filter((node) => !isFurther(best, node)).map(({ name }) => name);
  return { type: "promote", candidates, sentence: `${listedNames(candidates, "or")} may take over.` };
}

function isFurther(a: SeenNode, b: SeenNode): boolean {
  return a.timeline === b.timeline ? a.flushLsn > b.flushLsn : a.timeline > b.timeline;
}

function isOrAre(count: number): string {
  return count === 1 ? "is" : "are";
}

/** "2 of a, b and c", "all of a and b", "a". */
export function required({ voters, quorum }: Rule): string {
  const names = listedNames([...voters.values()], "and");
  if (voters.size === 1) return names;
  return quorum === voters.size ? `all of ${names}` : `${quorum} of ${names}`;
}

/**
 * Does a takeover by this rule keep each commit that returned under this value? Of commits with `synchronous_commit` = `on` or
 * `remote_apply`, if no two standbys share a name.
 *
 * @param config undefined: the setting is empty.
 * @param primary The name that the primary has as a voter.
 * @throws ArgumentError for what is not a rule; EncodeError, UnsupportedError as evaluateSynchronousStandbys does.
 * @example isTakeoverSafe(parseSynchronousStandbyNames("ANY 1 (b, c)"), "a", { voters: ["a", "b", "c"], quorum: 2 }).safe // true
 * @example isTakeoverSafe(parseSynchronousStandbyNames("ANY 1 (b, c)"), "a", { voters: ["a", "b", "c"], quorum: 1 }).sentence // "Not safe: a commit that returned may be on 2 of the voters a, b and c only, and 1 other can take over."
 */
export function isTakeoverSafe(
  config: SyncRepConfig | undefined,
  primary: string,
  rule: TakeoverRule | undefined,
  options: Pick<EvaluateOptions, "server"> = {},
): TakeoverSafety {
  checkObject("options", options);
  checkConfig(config, options.server);
  requireNode("primary", primary);
  return safetyOf(ruleOf("rule", rule), primary, acknowledgementOf(config, primary));
}

export function safetyOf(rule: Rule | undefined, primary: string, acknowledgement: Acknowledgement): TakeoverSafety {
  if (rule === undefined) {
    return { safe: true, copies: 0, mayBeAway: 0, sentence: "Safe: no node may take over." };
  }
  const { voters, quorum } = rule;
  const copies = copiesAmong(voters, primary, acknowledgement);
  const safe = copies + quorum > voters.size;
  const mayBeAway = voters.size - quorum;
  const among =
    voters.size === 1
      ? `the voter ${[...voters.values()][0]}`
      : `the voters ${listedNames([...voters.values()], "and")}`;
  const sentence = safe
    ? `Safe: a commit that returned is on ${counted(copies, "voter")} at least, and ${required(rule)} must be seen before one takes over.`
    : `Not safe: a commit that returned may be on ${copies === 0 ? "none" : copies} of ${among}${copies === 0 ? "" : " only"}, and ${quorum} other${quorum === 1 ? "" : "s"} can take over.`;
  return { safe, copies, mayBeAway, sentence };
}

/**
 * The value that a node must have before it accepts writes, when it takes over by this rule: its own name is not in it, and what returns
 * under it is safe with the same rule.
 *
 * Set it on each standby ahead of time: a standby does not use it, and as a primary it must not be without it for a moment.
 *
 * @param primary A voter.
 * @returns undefined for the empty value: the rule requires all voters.
 * @throws ArgumentError for what is not a rule, and for a name that is not a voter.
 * @example settingAfterTakeover({ voters: ["a", "b", "c"], quorum: 2 }, "b") // { type: "SyncRepConfig", syncrepMethod: "QUORUM", numSync: 1, memberNames: ["a", "c"] }
 */
export function settingAfterTakeover(
  rule: TakeoverRule,
  primary: string,
  options: { readonly syncrepMethod?: SyncRepConfig["syncrepMethod"] | undefined } = {},
): SyncRepConfig | undefined {
  const known = ruleOf("rule", rule) ?? refuseArgument("rule", "a rule", rule);
  requireNode("primary", primary);
  checkObject("options", options);
  const { syncrepMethod = "QUORUM" } = options;
  checkMethod("options.syncrepMethod", syncrepMethod);
  const { voters, quorum } = known;
  const own = downcaseIdentifier(primary);
  if (!voters.has(own)) refuseArgument("primary", "one of the voters", primary);
  return settingOf(syncrepMethod, voters.size - quorum, voters, own);
}

/** `number` of all nodes but the primary. */
export function settingOf(
  syncrepMethod: SyncRepConfig["syncrepMethod"],
  numSync: number,
  nodes: Names,
  primary: string,
): SyncRepConfig | undefined {
  if (numSync === 0) return undefined;
  if (syncrepMethod === "QUORUM" && numSync > MAX_QUORUM) {
    throw new EncodeError("numSync", `numSync: the server counts to ${MAX_QUORUM} with ANY, not to ${numSync}`);
  }
  const memberNames = [...nodes].filter(([folded]) => folded !== downcaseIdentifier(primary)).map(([, name]) => name);
  return { type: "SyncRepConfig", syncrepMethod, numSync, memberNames };
}

/** The server keeps the number of ANY in a byte. */
const MAX_QUORUM = 255;

/** @throws ArgumentError */
export function checkMethod(path: string, method: unknown): void {
  if (method !== "QUORUM" && method !== "PRIORITY") refuseArgument(path, "QUORUM or PRIORITY", method);
}

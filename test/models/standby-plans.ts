/**
 * A model of a cluster whose control plane follows the plans of walwire/syncrep/plan: nodes that write, receive, disconnect, come back
 * and take over; walsenders and a checkpointer that read a new value late; an old primary that does not know that it is one; a planner
 * that dies between any two steps, and to whom other nodes are named at any time. In each state, each takeover that the rule allows must
 * find each commit that returned.
 *
 * The plans are those of the real functions. Of the server it has what releases commits: SyncRepReleaseWaiters in each walsender, by the
 * number that this one has read and the priorities that the others have.
 */
import type { Lsn } from "../../src/kernel/lsn.ts";
import { parseSynchronousStandbyNames, printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import {
  type ObservedPrimary,
  type PlanStep,
  planSynchronousStandbys,
  type StandbyPlan,
  type StandbyWait,
  settingAfterTakeover,
  type TakeoverRule,
  type WantedStandbys,
} from "../../src/syncrep/plan/index.ts";
import { randomNumbers } from "../random.ts";

/** What the control plane does, so that tests can break it. */
export interface Planner {
  readonly plan: (...args: Parameters<typeof planSynchronousStandbys>) => Pick<StandbyPlan, "steps" | "wait">;
  readonly valueAfterTakeover: (rule: TakeoverRule, primary: string) => string;
  /** Does a voter that was seen stop to follow the old primary? */
  readonly fences: boolean;
}

export const planner: Planner = {
  plan: planSynchronousStandbys,
  valueAfterTakeover: (rule, primary) => printSynchronousStandbyNames(settingAfterTakeover(rule, primary)),
  fences: true,
};

export interface Limits {
  readonly nodes: number;
  /** Commits and takeovers in a history. */
  readonly commits: number;
  readonly takeovers: number;
  /** How often other nodes are named. */
  readonly changes: number;
}

interface Node {
  /** The timeline and the length of its WAL. */
  readonly timeline: number;
  readonly length: number;
  /** The node that it receives from; its own number for a primary; -1 if it does not receive. */
  readonly follows: number;
  /** What its walsender has read, or for a primary what its files say. */
  readonly value: string;
}

export interface State {
  readonly nodes: readonly Node[];
  /** Do commits wait on this node, if it is a primary? The checkpointer says so, later. */
  readonly waits: readonly boolean[];
  /** What the store says. */
  readonly leader: number;
  readonly rule: TakeoverRule | undefined;
  /** Where each timeline branched off, and up to which length its commits returned. */
  readonly timelines: readonly { readonly parent: number; readonly at: number; readonly returned: number }[];
  readonly commits: number;
  readonly takeovers: number;
  readonly changes: number;
  readonly wanted: WantedStandbys;
  readonly wait: StandbyWait | undefined;
}

export const names = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];
const indexOf = (name: string): number => names.indexOf(name);

interface Value {
  readonly quorum: boolean;
  readonly number: number;
  /** Priorities by node; 0 is none. */
  readonly priorities: readonly number[];
}

const values = new Map<string, Value>();
function valueNamed(text: string): Value {
  let value = values.get(text);
  if (value === undefined) {
    const config = parseSynchronousStandbyNames(text);
    const quorum = config?.syncrepMethod === "QUORUM";
    const priorities = names.map((name) => {
      const place = (config?.memberNames.indexOf(name) ?? -1) + 1;
      return quorum ? Math.min(place, 1) : place;
    });
    value = { quorum, number: config?.numSync ?? 0, priorities };
    values.set(text, value);
  }
  return value;
}

/** A cluster at rest: the first node is primary, and these are its nodes. */
export function atRest(limits: Limits, members: number, copies: number): State {
  const nodes = names.slice(0, members);
  const rule = { voters: nodes, quorum: members - copies };
  const value = planner.valueAfterTakeover(rule, "a");
  return {
    nodes: Array.from({ length: limits.nodes }, (_, i) => ({
      ...{ timeline: 0, length: 0, follows: i < members ? 0 : -1 },
      value: i < members ? value : "",
    })),
    waits: Array.from({ length: limits.nodes }, (_, i) => i === 0 && value !== ""),
    leader: 0,
    rule,
    timelines: [{ parent: -1, at: 0, returned: 0 }],
    ...{ commits: 0, takeovers: 0, changes: 0 },
    wanted: { nodes, copies },
    wait: undefined,
  };
}

/** How much of a timeline's WAL is in WAL that ends there. */
function lengthOn(state: State, { timeline, length }: Node, wanted: number): number {
  let [at, upTo] = [timeline, length];
  while (at !== wanted) {
    const { parent, at: from } = state.timelines[at]!;
    if (parent === -1) return 0;
    [at, upTo] = [parent, Math.min(upTo, from)];
  }
  return upTo;
}

function has(state: State, node: Node): boolean {
  return state.timelines.every(({ returned }, t) => returned === 0 || lengthOn(state, node, t) >= returned);
}

const setsOf = new WeakMap<TakeoverRule, readonly number[]>();

/** Sets of voters that the rule takes, as bits. */
function takeoverSets({ rule }: State): readonly number[] {
  if (rule === undefined) return [];
  let sets = setsOf.get(rule);
  if (sets === undefined) {
    sets = setsOfVoters(rule);
    setsOf.set(rule, sets);
  }
  return sets;
}

function setsOfVoters(rule: TakeoverRule): readonly number[] {
  const voters = rule.voters.map(indexOf);
  const sets: number[] = [];
  for (let bits = 1; bits < 1 << voters.length; bits++) {
    let [set, size] = [0, 0];
    for (let i = 0; i < voters.length; i++) if ((bits >> i) & 1) [set, size] = [set | (1 << voters[i]!), size + 1];
    if (size >= rule.quorum) sets.push(set);
  }
  return sets;
}

function furthest(state: State, set: number): number {
  let best = -1;
  for (let i = 0; i < state.nodes.length; i++) {
    if (!((set >> i) & 1)) continue;
    const [node, other] = [state.nodes[i]!, state.nodes[best]];
    if (
      other === undefined ||
      node.timeline > other.timeline ||
      (node.timeline === other.timeline && node.length > other.length)
    )
      best = i;
  }
  return best;
}

/** The nodes that were seen when a commit was lost; undefined if every takeover is good. */
export function lost(state: State): number | undefined {
  if (state.nodes.every((node) => has(state, node))) return undefined;
  return takeoverSets(state).find((set) => !has(state, state.nodes[furthest(state, set)]!));
}

/** Lets return all that may return now. */
function release(state: State): State {
  let timelines = state.timelines;
  state.nodes.forEach((primary, p) => {
    if (primary.follows !== p) return;
    const released = state.waits[p] ? releasedBy(state, p) : primary.length;
    const { timeline } = primary;
    const own = timelines[timeline]!;
    // What is older than the timeline returned on the one before, or never did.
    if (released <= Math.max(own.returned, own.at)) return;
    timelines = timelines.map((each, t) => (t === timeline ? { ...each, returned: released } : each));
  });
  return timelines === state.timelines ? state : { ...state, timelines };
}

/** @source syncrep.c: SyncRepReleaseWaiters, SyncRepGetSyncRecPtr */
function releasedBy({ nodes }: State, p: number): number {
  const priorityOf = (i: number): number => valueNamed(nodes[i]!.value).priorities[i]!;
  const candidates = [...nodes.keys()].filter((i) => i !== p && nodes[i]!.follows === p && priorityOf(i) > 0);
  let most = 0;
  for (const walsender of candidates) {
    const { quorum, number } = valueNamed(nodes[walsender]!.value);
    if (number === 0 || candidates.length < number) continue;
    const chosen = quorum ? candidates : [...candidates].sort((a, b) => priorityOf(a) - priorityOf(b)).slice(0, number);
    if (!chosen.includes(walsender)) continue;
    const lengths = chosen.map((i) => nodes[i]!.length).sort((a, b) => b - a);
    most = Math.max(most, lengths[number - 1]!);
  }
  return most;
}

const put = <T>(items: readonly T[], i: number, item: T): T[] => items.map((each, at) => (at === i ? item : each));

/** What the planner sees of the primary. */
function look(state: State): ObservedPrimary {
  const { nodes, leader } = state;
  const { value, length } = nodes[leader]!;
  const lsn = (n: number) => BigInt(n + 1) as Lsn;
  const standbys = [...nodes.keys()]
    .filter((i) => i !== leader && nodes[i]!.follows === leader)
    .map((i) => ({
      ...{ applicationName: names[i]!, state: "streaming" as const },
      ...{ writeLsn: lsn(nodes[i]!.length), flushLsn: lsn(nodes[i]!.length), replayLsn: lsn(nodes[i]!.length) },
      syncPriority: valueNamed(nodes[i]!.value).priorities[i]!,
      isWaiting: nodes[i]!.value === value,
    }));
  return { value, position: lsn(length), standbys, commitsWait: state.waits[leader]! };
}

const plans = new WeakMap<Planner, Map<string, Pick<StandbyPlan, "steps" | "wait">>>();

/** The planner looks, and does the first thing of its plan. */
function planned(state: State, by: Planner): State {
  const { nodes, leader, rule, wanted, wait } = state;
  const primary = names[leader]!;
  // Whoever names the nodes names the primary with them.
  if (!wanted.nodes.includes(primary)) return state;
  const { value, length } = nodes[leader]!;
  let key = `${leader},${numberOfPlain(rule)},${numberOfPlain(wanted)},${numberOfPlain(wait)},${numberOf(value)},${length},${state.waits[leader]}`;
  nodes.forEach((node, i) => {
    if (i !== leader && node.follows === leader) key += `;${i},${node.length},${numberOf(node.value)}`;
  });
  const made = plans.get(by) ?? new Map<string, Pick<StandbyPlan, "steps" | "wait">>();
  plans.set(by, made);
  let plan = made.get(key);
  if (plan === undefined) {
    if (made.size > 500_000) made.clear();
    plan = by.plan({ primary, value, rule }, wanted, look(state), { wait });
    made.set(key, plan);
  }
  const [step] = plan.steps as readonly (PlanStep | undefined)[];
  const looked = { ...state, wait: plan.wait };
  if (step === undefined || step.type === "wait") return looked;
  if (step.type === "rule") return { ...looked, rule: step.rule };
  return { ...looked, nodes: put(nodes, leader, { ...nodes[leader]!, value: step.value }) };
}

function takenOver(state: State, set: number, by: Planner): State {
  const q = furthest(state, set);
  const timeline = state.timelines.length;
  const { timeline: parent, length } = state.nodes[q]!;
  const value = by.valueAfterTakeover(state.rule!, names[q]!);
  const seen = (i: number): boolean => ((set >> i) & 1) === 1 && by.fences;
  return {
    ...state,
    nodes: state.nodes.map((node, i) =>
      i === q ? { timeline, length, follows: q, value } : seen(i) ? { ...node, follows: -1, value: "" } : node,
    ),
    waits: put(state.waits, q, value !== ""),
    leader: q,
    timelines: [...state.timelines, { parent, at: length, returned: 0 }],
    takeovers: state.takeovers + 1,
    // What the planner remembers stays: the new primary begins with another value, for which it does not count.
  };
}

/** Follows the primary; what it has beyond that is removed, as pg_rewind does it. */
function joined(state: State, i: number): State {
  const { nodes, leader } = state;
  const { timeline, length, value } = nodes[leader]!;
  const own = nodes[i]!;
  const isPrefix = lengthOn(state, nodes[leader]!, own.timeline) >= own.length;
  // It keeps what it has, and then receives.
  const node = isPrefix ? { ...own, follows: leader, value } : { timeline, length, follows: leader, value };
  // Who received from it must connect again, and a server refuses to send to one that has other WAL than its own.
  const left = nodes.map((each) =>
    own.follows === i && each.follows === i ? { ...each, follows: -1, value: "" } : each,
  );
  return { ...state, nodes: put(left, i, node), waits: put(state.waits, i, false) };
}

/** Everything that can happen next, with what it is. */
export function successors(
  state: State,
  limits: Limits,
  wanteds: readonly WantedStandbys[],
  by: Planner = planner,
): (readonly [what: string, next: State])[] {
  const next: (readonly [string, State])[] = [];
  const add = (what: string, made: State): void => {
    if (made !== state) next.push([what, release(made)]);
  };
  const { nodes, leader } = state;
  nodes.forEach((node, i) => {
    const name = names[i]!;
    const from = nodes[node.follows];
    if (node.follows === i) {
      if (state.commits < limits.commits) {
        const longer = { ...node, length: node.length + 1 };
        add(`${name} writes`, { ...state, nodes: put(nodes, i, longer), commits: state.commits + 1 });
      }
      const waits = node.value !== "";
      if (waits !== state.waits[i])
        add(`the checkpointer of ${name} reads the value`, { ...state, waits: put(state.waits, i, waits) });
    } else if (from !== undefined) {
      const { timeline, length, value } = from;
      if (timeline !== node.timeline || length !== node.length) {
        add(`${name} receives`, { ...state, nodes: put(nodes, i, { ...node, timeline, length }) });
      }
      if (value !== node.value)
        add(`the walsender of ${name} reads the value`, { ...state, nodes: put(nodes, i, { ...node, value }) });
      add(`${name} disconnects`, { ...state, nodes: put(nodes, i, { ...node, follows: -1, value: "" }) });
    }
    if (i !== leader && node.follows !== leader) add(`${name} joins`, joined(state, i));
  });
  add("the planner acts", planned(state, by));
  if (state.wait !== undefined) add("the planner dies", { ...state, wait: undefined });
  if (state.changes < limits.changes) {
    for (const wanted of wanteds) {
      if (wanted === state.wanted || !wanted.nodes.includes(names[leader]!)) continue;
      add(`wanted: ${JSON.stringify(wanted)}`, { ...state, wanted, changes: state.changes + 1 });
    }
  }
  if (state.takeovers < limits.takeovers) {
    for (const set of takeoverSets(state)) {
      add(
        `${names[furthest(state, set)]} takes over, seen ${names.filter((_, i) => (set >> i) & 1)}`,
        takenOver(state, set, by),
      );
    }
  }
  return next;
}

const numbers = new Map<string, number>();

/** A number for each text, since keys of states are kept by the million. */
function numberOf(text: string): number {
  const number = numbers.get(text) ?? numbers.size;
  numbers.set(text, number);
  return number;
}

const known = new WeakMap<object, number>();

/** The number of a plain object, which does not change. */
function numberOfPlain(value: object | undefined): number {
  if (value === undefined) return -1;
  let number = known.get(value);
  if (number === undefined) {
    number = numberOf(JSON.stringify(value));
    known.set(value, number);
  }
  return number;
}

/** The same text for the same state. */
function keyOf(state: State): string {
  const { nodes, waits, leader, rule, timelines, commits, takeovers, changes, wanted, wait } = state;
  let key = `${leader},${numberOfPlain(rule)},${commits},${takeovers},${changes},${numberOfPlain(wanted)},${numberOfPlain(wait)}`;
  for (const { timeline, length, follows, value } of nodes)
    key += `;${timeline},${length},${follows},${numberOf(value)}`;
  for (const each of waits) key += each ? "+" : "-";
  for (const { parent, at, returned } of timelines) key += `;${parent},${at},${returned}`;
  return key;
}

export interface Explored {
  readonly states: number;
  readonly transitions: number;
  /** How far all histories were followed; less than asked for if `most` states were reached. */
  readonly depth: number;
  /** Were there no states beyond the depth? */
  readonly complete: boolean;
  /** A history that loses a commit. */
  readonly history: readonly string[] | undefined;
}

/** Follow all histories, breadth first, to a depth, or until there are so many states. */
export function explore(
  starts: readonly State[],
  limits: Limits,
  wanteds: readonly WantedStandbys[],
  bounds: { readonly depth: number; readonly most: number },
  by: Planner = planner,
): Explored {
  type Entry = { readonly state: State; readonly what: string; readonly before: Entry | undefined };
  const seen = new Set(starts.map(keyOf));
  let level: Entry[] = starts.map((state) => ({ state, what: "start", before: undefined }));
  let transitions = 0;
  for (let depth = 0; ; depth++) {
    const done = { states: seen.size, transitions, depth };
    if (level.length === 0 || depth === bounds.depth)
      return { ...done, complete: level.length === 0, history: undefined };
    const following: Entry[] = [];
    for (const entry of level) {
      for (const [what, state] of successors(entry.state, limits, wanteds, by)) {
        transitions++;
        const key = keyOf(state);
        if (seen.has(key)) continue;
        seen.add(key);
        const next = { state, what, before: entry };
        if (lost(state) !== undefined) {
          const history: string[] = [];
          for (let each: Entry | undefined = next; each !== undefined; each = each.before) history.unshift(each.what);
          return { states: seen.size, transitions, depth: depth + 1, complete: false, history };
        }
        following.push(next);
      }
      if (seen.size > bounds.most)
        return { ...done, states: seen.size, transitions, complete: false, history: undefined };
    }
    level = following;
  }
}

/** All that can be wanted of so many nodes. */
export function allWanted(
  nodes: number,
  syncrepMethods: readonly WantedStandbys["syncrepMethod"][] = ["QUORUM"],
  whenMissing: readonly WantedStandbys["whenMissing"][] = ["wait"],
): WantedStandbys[] {
  const wanteds: WantedStandbys[] = [];
  for (let bits = 1; bits < 1 << nodes; bits++) {
    const members = names.slice(0, nodes).filter((_, i) => (bits >> i) & 1);
    wanteds.push({ nodes: members, copies: 0 });
    for (let copies = 1; copies < members.length; copies++) {
      for (const method of syncrepMethods) {
        for (const when of whenMissing)
          wanteds.push({ nodes: members, copies, syncrepMethod: method, whenMissing: when });
      }
    }
  }
  return wanteds;
}

/** One random history, without limits. The number is its seed. */
export function walk(
  seed: number,
  nodes: number,
  length: number,
  by: Planner = planner,
  onEvent: (what: string, state: State) => void = () => {},
): { readonly length: number; readonly history: readonly string[] | undefined } {
  const random = randomNumbers(seed);
  const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)]!;
  const none = { nodes, commits: length, takeovers: 0, changes: 0 };
  const members = 1 + Math.floor(random() * nodes);
  let state = release(atRest(none, members, Math.floor(random() * members)));
  const history = ["start"];
  for (let n = 0; n < length; n++) {
    let next: readonly [string, State] | undefined;
    const chance = random();
    if (chance < 0.08) {
      const others = names.slice(0, nodes).filter((_, i) => i !== state.leader && random() < 0.6);
      const wanted: WantedStandbys = {
        nodes: [names[state.leader]!, ...others],
        copies: Math.floor(random() * (others.length + 1)),
        syncrepMethod: pick(["QUORUM", "PRIORITY"] as const),
        whenMissing: pick(["wait", "lower"] as const),
      };
      next = [`wanted: ${JSON.stringify(wanted)}`, { ...state, wanted }];
    } else if (chance < 0.11) {
      const sets = takeoverSets(state);
      // Those with few nodes are the hard ones.
      const least = Math.min(...sets.map((set) => set.toString(2).replaceAll("0", "").length));
      const small = sets.filter((set) => set.toString(2).replaceAll("0", "").length === least);
      if (small.length > 0) {
        const set = pick(small);
        next = [
          `${names[furthest(state, set)]} takes over, seen ${names.filter((_, i) => (set >> i) & 1)}`,
          release(takenOver(state, set, by)),
        ];
      }
    } else if (chance < 0.35) next = ["the planner acts", release(planned(state, by))];
    else next = pick(successors(state, none, [], by));
    if (next === undefined) continue;
    history.push(next[0]);
    state = next[1];
    onEvent(...next);
    if (lost(state) !== undefined) return { length: n + 1, history };
  }
  return { length, history: undefined };
}

/** Laws of what a server makes of synchronous_standby_names. The servers themselves are asked in test/live/syncrep-meaning.test.ts. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { type ParseError, type UnsupportedError, WalwireError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import type { Server } from "../../src/kernel/version.ts";
import type { SyncRepConfig } from "../../src/syncrep/index.ts";
import {
  blockingLosses,
  certainCopies,
  evaluateSynchronousStandbys,
  explainSynchronousStandbys,
  parseSynchronousCommit,
  type SynchronousCommit,
  type SyncLevel,
  type SyncRepStandby,
  satisfiableWith,
  streamingStandby,
  whatIfStandbysChange,
} from "../../src/syncrep/questions.ts";
import { setting, standby, standbys } from "../standbys.ts";
import { hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const levels: readonly SyncLevel[] = ["remote_write", "on", "remote_apply"];
const positions = ["writeLsn", "flushLsn", "replayLsn"] as const;

/** A server, a setting that it can have, and standbys. */
const scene = fc
  .constantFrom<Server>(...versionsWith())
  .chain((server) => fc.record({ server: fc.constant(server), config: setting(server), rows: standbys() }));

// ---- A second reader of syncrep.c: slow and obvious, loop by loop. ----

interface Reading {
  readonly rows: readonly { priority: number; state: string }[];
  /** write, flush, apply; undefined if SyncRepGetSyncRecPtr returns false. */
  readonly released: readonly bigint[] | undefined;
}

/** pg_strcasecmp, for bytes of UTF-8 in a locale that has no letters above 127. */
function strcasecmp(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(`${a}\0`), Buffer.from(`${b}\0`)];
  for (let i = 0; ; i++) {
    let [ch1, ch2] = [x[i]!, y[i]!];
    if (ch1 !== ch2) {
      if (ch1 >= 65 && ch1 <= 90) ch1 += 32;
      if (ch2 >= 65 && ch2 <= 90) ch2 += 32;
      if (ch1 !== ch2) return false;
    }
    if (ch1 === 0) return true;
  }
}

function readC(config: SyncRepConfig, walsnds: readonly SyncRepStandby[], server: Server, cascading = false): Reading {
  const quorum = config.syncrepMethod === "QUORUM";
  const lsn = (i: number, field: (typeof positions)[number]) => walsnds[i]![field] ?? 0n;

  // SyncRepGetStandbyPriority
  const priorities = walsnds.map(({ applicationName }) => {
    if (cascading) return 0;
    for (let priority = 1; priority <= config.memberNames.length; priority++) {
      const name = config.memberNames[priority - 1]!;
      if (strcasecmp(name, applicationName) || name === "*") return quorum ? 1 : priority;
    }
    return 0;
  });

  // Those that SyncRepGetCandidateStandbys collects.
  let candidates: number[] = [];
  for (let i = 0; i < walsnds.length; i++) {
    const { state } = walsnds[i]!;
    if (state !== "streaming" && !(state === "stopping" && supports(server, "stoppingIsSynchronous"))) continue;
    if (priorities[i] === 0) continue;
    if (lsn(i, "flushLsn") === 0n) continue;
    candidates.push(i);
  }
  if (!quorum && !supports(server, "multipleSyncStandbys")) {
    // SyncRepGetSynchronousStandby of 9.5: one.
    let result = -1;
    for (const i of candidates) if (result === -1 || priorities[i]! < priorities[result]!) result = i;
    candidates = result === -1 ? [] : [result];
  } else if (!quorum && supports(server, "candidatesInArrayOrder")) {
    if (candidates.length > config.numSync) {
      candidates.sort((a, b) => (priorities[a] === priorities[b] ? a - b : priorities[a]! - priorities[b]!));
      candidates.length = config.numSync;
    }
  } else if (!quorum) {
    // SyncRepGetSyncStandbys of 9.6, SyncRepGetSyncStandbysPriority of 10: first those of priority 1, then the pending.
    const result: number[] = [];
    let pending: number[] = [];
    for (const i of candidates) {
      if (priorities[i] !== 1) pending.push(i);
      else if (result.length < config.numSync) result.push(i);
    }
    if (result.length + pending.length <= config.numSync) result.push(...pending);
    else {
      for (let priority = 2; priority <= config.memberNames.length; priority++) {
        for (const i of pending) if (priorities[i] === priority && result.length < config.numSync) result.push(i);
        pending = pending.filter((i) => priorities[i] !== priority);
      }
    }
    candidates = result;
  }

  const rows = walsnds.map((_, i) => {
    const priority = lsn(i, "flushLsn") === 0n ? 0 : priorities[i]!;
    const state = priority === 0 ? "async" : !candidates.includes(i) ? "potential" : quorum ? "quorum" : "sync";
    return { priority, state };
  });

  if (candidates.length === 0 || candidates.length < config.numSync) return { rows, released: undefined };
  const released = positions.map((field) => {
    if (quorum) {
      const array = candidates.map((i) => lsn(i, field)).sort((a, b) => (a > b ? -1 : a < b ? 1 : 0));
      return array[(config.numSync % 256) - 1] ?? 0n;
    }
    let pointer = 0n;
    for (const i of candidates) if (pointer === 0n || pointer > lsn(i, field)) pointer = lsn(i, field);
    return pointer;
  });
  return { rows, released };
}

// ---- Laws ----

law(
  "priority, state and released positions are those of a second reading of syncrep.c",
  fc.property(scene, fc.boolean(), ({ server, config, rows }, cascading) => {
    const ours = evaluateSynchronousStandbys(config, rows, { server, cascading });
    const theirs = readC(config, rows, server, cascading);
    expect(ours.standbys.map((row) => ({ priority: row.syncPriority, state: row.syncState }))).toEqual(theirs.rows);
    levels.forEach((level, i) => {
      const release = ours.released[level];
      const needs = level === "remote_apply" ? "remoteApply" : level === "remote_write" ? "remoteWrite" : undefined;
      if (needs !== undefined && !supports(server, needs)) expect(release).toBeUndefined();
      else expect(release!.lsn ?? 0n).toBe(theirs.released?.[i] ?? 0n);
    });
  }),
  8000,
);

law(
  "the chosen are candidates, as many as are asked for or all there are, and with ANY all",
  fc.property(scene, ({ server, config, rows }) => {
    const { standbys, numSync, missing } = evaluateSynchronousStandbys(config, rows, { server });
    const candidates = standbys.filter(({ candidate }) => candidate).length;
    const chosen = standbys.filter((row) => row.chosen);
    expect(chosen.every(({ candidate, syncPriority }) => candidate && syncPriority > 0)).toBe(true);
    expect(chosen.length).toBe(config.syncrepMethod === "QUORUM" ? candidates : Math.min(candidates, numSync));
    expect(missing).toBe(Math.max(0, numSync - candidates));
    for (const row of standbys) expect(row.chosen).toBe(row.syncState === "sync" || row.syncState === "quorum");
  }),
);

/** Rows whose positions are known, all of them: what is said of unknown ones stands apart. */
const known = (rows: readonly SyncRepStandby[]): SyncRepStandby[] =>
  rows.map((row) => ({
    ...row,
    writeLsn: row.writeLsn || (1n as Lsn),
    flushLsn: row.flushLsn || (1n as Lsn),
    replayLsn: row.replayLsn || (1n as Lsn),
  }));

law(
  "what is released never goes back when a standby goes on",
  fc.property(scene, fc.nat(), fc.nat(2), fc.bigInt({ min: 0n, max: 2n ** 30n }), (it, pick, field, more) => {
    const { server, config } = it;
    const rows = known(it.rows);
    if (rows.length === 0) return;
    const moved = rows.map((row, i) => {
      const name = positions[field]!;
      const lsn = row[name]! + more;
      return i === pick % rows.length && lsn < 2n ** 64n ? { ...row, [name]: lsn } : row;
    });
    const [before, after] = [rows, moved].map((each) => evaluateSynchronousStandbys(config, each, { server }).released);
    for (const level of levels) {
      expect(after![level]?.lsn ?? 0n).toBeGreaterThanOrEqual(before![level]?.lsn ?? 0n);
    }
  }),
);

law(
  "what is released is had by as many standbys as are said to have it, and those who hold it back hold it back",
  fc.property(scene, ({ server, config, rows }) => {
    const { released, standbys } = evaluateSynchronousStandbys(config, rows, { server });
    levels.forEach((level, k) => {
      const release = released[level];
      if (release?.lsn === undefined) return;
      const { lsn, heldBy, copies } = release;
      const field = positions[k]!;
      expect(rows.filter((row, i) => standbys[i]!.chosen && (row[field] ?? 0n) >= lsn).length).toBeGreaterThanOrEqual(
        copies,
      );
      expect(copies).toBeGreaterThan(0);
      expect(heldBy.length).toBeGreaterThan(0);
      // Once all of them go on it goes on; if none of them does, nobody else can make it.
      const bump = (who: (i: number) => boolean) =>
        rows.map((row, i) => ({
          ...row,
          [field]: row[field] && who(i) && row[field] < 2n ** 60n ? row[field] + 1n : row[field],
        }));
      const others = bump((i) => !heldBy.includes(i) && (rows[i]![field] ?? 0n) !== 0n && rows[i]![field]! > lsn);
      expect(evaluateSynchronousStandbys(config, others as SyncRepStandby[], { server }).released[level]!.lsn).toBe(
        lsn,
      );
      if (lsn < 2n ** 60n) {
        const all = bump((i) => heldBy.includes(i));
        expect(evaluateSynchronousStandbys(config, all as SyncRepStandby[], { server }).released[level]!.lsn).toBe(
          lsn + 1n,
        );
      }
    });
  }),
);

law(
  "with ANY, one more standby takes nothing back, and who goes gives nothing",
  fc.property(scene, standby(), ({ config, rows }, one) => {
    const any: SyncRepConfig = { ...config, syncrepMethod: "QUORUM" };
    const [before, after] = [rows, [...rows, one]].map((each) => evaluateSynchronousStandbys(any, each));
    expect(after!.missing).toBeLessThanOrEqual(before!.missing);
    for (const level of levels) {
      expect(after!.released[level]!.lsn ?? 0n).toBeGreaterThanOrEqual(before!.released[level]!.lsn ?? 0n);
    }
  }),
);

law(
  "the order of names matters with FIRST only, that of standbys among equals only, and case nowhere",
  fc.property(scene, fc.nat(), ({ config, rows }, turn) => {
    const rotated = <T>(items: readonly T[]): T[] => {
      const at = items.length === 0 ? 0 : turn % items.length;
      return [...items.slice(at), ...items.slice(0, at)];
    };
    const any: SyncRepConfig = { ...config, syncrepMethod: "QUORUM" };
    const result = evaluateSynchronousStandbys(any, rows);
    expect(evaluateSynchronousStandbys({ ...any, memberNames: rotated(any.memberNames) }, rows)).toEqual(result);
    const turned = evaluateSynchronousStandbys(any, rotated(rows));
    expect(turned.standbys).toEqual(rotated(result.standbys));
    for (const level of levels) expect(turned.released[level]!.lsn).toBe(result.released[level]!.lsn);

    const upper = (name: string) => name.replace(/[a-z]/g, (letter) => letter.toUpperCase());
    const shouted = { ...config, memberNames: config.memberNames.map(upper) };
    expect(evaluateSynchronousStandbys(shouted, rows)).toEqual(evaluateSynchronousStandbys(config, rows));

    const first: SyncRepConfig = { ...config, syncrepMethod: "PRIORITY" };
    const sorted = rows.map((row, i) => ({ ...row, applicationName: `n${i}` }));
    const names = { ...first, memberNames: sorted.map(({ applicationName }) => applicationName) };
    if (sorted.length === 0) return;
    const inOrder = evaluateSynchronousStandbys(names, sorted).standbys;
    expect(rotated(inOrder)).toEqual(evaluateSynchronousStandbys(names, rotated(sorted)).standbys);
  }),
);

law(
  "the smallest losses that block at a level are those that trying every set finds",
  fc.property(
    scene,
    fc.constantFrom(...levels, "local" as const, "off" as const),
    ({ server, config, rows: all }, level) => {
      const rows = all.slice(0, 6);
      if (level === "remote_write" && !supports(server, "remoteWrite")) return;
      if (level === "remote_apply" && !supports(server, "remoteApply")) return;
      const blocks = (lost: number) => {
        if (level === "local" || level === "off") return false;
        const left = rows.filter((_, i) => (lost & (1 << i)) === 0);
        const { missing, released } = evaluateSynchronousStandbys(config, left, { server });
        return missing > 0 || released[level]!.lsn === undefined;
      };
      const blocking = [...Array(1 << rows.length).keys()].filter(blocks);
      const members = (lost: number) => [...rows.keys()].filter((i) => (lost & (1 << i)) !== 0);
      const least = Math.min(...blocking.map((lost) => members(lost).length));
      const smallest = blocking.map(members).filter(({ length }) => length === least);
      const { sets, of, size } = blockingLosses(config, rows, { server, level });
      expect(size).toBe(blocking.length === 0 ? undefined : least);
      if (size !== undefined && size > 0) {
        const inOrder = (sets: readonly (readonly number[])[]) => sets.map((set) => set.join()).sort();
        expect(of).toEqual([...new Set(smallest.flat())].sort((a, b) => a - b));
        expect(inOrder(smallest)).toEqual(expect.arrayContaining(inOrder(sets)));
        expect(new Set(inOrder(sets)).size).toBe(Math.min(10, smallest.length));
      }
    },
  ),
  3000,
);

law(
  "a change has the outcome of evaluating what it leaves, and names each standby that it makes another",
  fc.property(scene, standby(), fc.nat(2), ({ server, config, rows }, one, kind) => {
    const names = [one.applicationName, "B"];
    const same = (name: string, other: string) => strcasecmp(name, other);
    const change = [
      { type: "leave", names } as const,
      { type: "rename", from: one.applicationName, to: "N1" } as const,
      { type: "join", standby: one } as const,
    ][kind]!;
    const left = [
      rows.filter(({ applicationName }) => !names.some((name) => same(name, applicationName))),
      rows.map((row) => (same(row.applicationName, one.applicationName) ? { ...row, applicationName: "N1" } : row)),
      [...rows, one],
    ][kind]!;
    const outcome = whatIfStandbysChange(config, rows, change, { server });
    expect(outcome.standbys).toEqual(left);
    expect(outcome.before).toEqual(evaluateSynchronousStandbys(config, rows, { server }));
    expect(outcome.after).toEqual(evaluateSynchronousStandbys(config, left, { server }));
    const unchanged = rows.length - outcome.changed.filter(({ before }) => before !== undefined).length;
    expect(unchanged + outcome.changed.filter(({ after }) => after !== undefined).length).toBe(left.length);
    for (const { before, after } of outcome.changed) expect(before).not.toEqual(after);
    expect(outcome.sentence).toMatch(
      /^("|\S).*\. Commits (block|go on|stay blocked|are released)\.( With synchronous_commit = remote_apply they (block|go on|stay blocked|are released)\.)?$/,
    );
  }),
);

law(
  "a setting can be met with some names just if commits return when all of them stream",
  fc.property(scene, ({ server, config, rows }) => {
    const names = rows.map(({ applicationName }) => applicationName);
    const { satisfiable, counting, missing, sentence } = satisfiableWith(config, names, { server });
    const read = readC(config, names.map(streamingStandby), server);
    expect(counting).toEqual(names.filter((_, i) => read.rows[i]!.state !== "async"));
    // 256 at once is more than there are here.
    expect(satisfiable).toBe(read.released !== undefined);
    expect(missing).toBe(Math.max(0, config.numSync - counting.length));
    expect(sentence).toMatch(satisfiable ? /^It can be met: / : /^It cannot be met: /);
  }),
);

law(
  "an explanation is lines without control characters, whatever the names, and not long",
  fc.property(scene, ({ server, config, rows }) => {
    for (const lines of [
      explainSynchronousStandbys(config, undefined, { server }),
      explainSynchronousStandbys(config, rows, { server }),
      explainSynchronousStandbys({ ...config, memberNames: ["\n\x1b[31m", "\u202e", "x".repeat(70)] }, rows, {
        server,
      }),
    ]) {
      expect(lines.length).toBeGreaterThan(0);
      for (const line of lines) expect(line).toMatch(/^[A-Z][^\p{C}]*\.$/u);
    }
  }),
);

const everything = (config: SyncRepConfig, rows: readonly SyncRepStandby[], server: Server, level: SyncLevel) => {
  evaluateSynchronousStandbys(config, rows, { server });
  blockingLosses(config, rows, { server });
  certainCopies(config, rows, level, { server });
  explainSynchronousStandbys(config, rows, { server });
  satisfiableWith(
    config,
    rows.map(({ applicationName }) => applicationName),
    { server },
  );
};

law(
  "what is no setting, no standby, no level, no change and no server is refused with an error of walwire's",
  fc.property(scene, fc.nat(), hostileValue(), ({ server, config, rows }, pick, value) => {
    const change = { type: "rename", from: "a", to: "b" } as const;
    const tree = { config, rows, server, level: "on" as SyncLevel, change };
    const bad = withChange(tree, pick, value);
    try {
      everything(bad.config, bad.rows, bad.server, bad.level);
      whatIfStandbysChange(bad.config, bad.rows, bad.change, { server: bad.server });
    } catch (error) {
      expect(error).toBeInstanceOf(WalwireError);
    }
  }),
  10_000,
);

// ---- Facts, one by one ----

const streaming = (applicationName: string, ...[write, flush, apply]: number[]): SyncRepStandby => ({
  applicationName,
  state: "streaming",
  writeLsn: BigInt(write!) as Lsn,
  flushLsn: BigInt(flush!) as Lsn,
  replayLsn: BigInt(apply!) as Lsn,
});
const first = (numSync: number, ...memberNames: string[]): SyncRepConfig => ({
  type: "SyncRepConfig",
  syncrepMethod: "PRIORITY",
  numSync,
  memberNames,
});
const any = (numSync: number, ...memberNames: string[]): SyncRepConfig => ({
  ...first(numSync, ...memberNames),
  syncrepMethod: "QUORUM",
});

test("a level is released by servers that know it", () => {
  const levelsOf = (server: Server) => {
    const { released } = evaluateSynchronousStandbys(first(1, "a"), [streaming("a", 3, 2, 1)], { server });
    return Object.entries(released).flatMap(([level, release]) => (release === undefined ? [] : [level]));
  };
  expect(levelsOf("9.1")).toEqual(["on"]);
  expect(levelsOf("9.5")).toEqual(["remote_write", "on"]);
  expect(levelsOf("9.6")).toEqual(["remote_write", "on", "remote_apply"]);
});

describe("numbers that do not fit the server's byte", () => {
  const many = Array.from({ length: 300 }, (_, i) => streaming("a", i + 1, i + 1, i + 1));

  test("with ANY 257 of 300 the latest position releases: one copy is certain", () => {
    expect(evaluateSynchronousStandbys(any(257, "*"), many).released.on).toEqual({
      lsn: 300n,
      heldBy: [...many.keys()],
      needed: 1,
      copies: 1,
    });
    expect(certainCopies(any(257, "*"), many, "on").sentence).toBe(
      "A transaction that returned with synchronous_commit = on is flushed on 1 standby at least, besides the primary.",
    );
  });

  test("of ANY 256 nothing is said", () => {
    expect(evaluateSynchronousStandbys(any(256, "*"), many).released.on).toEqual({
      lsn: undefined,
      heldBy: [],
      needed: 0,
      copies: 0,
    });
    expect(explainSynchronousStandbys(any(256, "*"), many).join("\n")).toContain("cannot count to this number");
  });

  test("FIRST counts to any number", () => {
    expect(evaluateSynchronousStandbys(first(257, "*"), many).released.on).toEqual({
      lsn: 1n,
      heldBy: [0],
      needed: 1,
      copies: 257,
    });
  });
});

describe("a standby that never replays, with FIRST 2", () => {
  const [recv, node] = [streaming("recv", 9, 9, 0), streaming("node", 9, 9, 7)];
  const applied = (rows: SyncRepStandby[], server?: Server) =>
    evaluateSynchronousStandbys(first(2, "recv", "node"), rows, { server }).released.remote_apply;

  test("is passed over if its walsender comes first, and blocks remote_apply if it comes last", () => {
    expect(applied([recv, node])).toEqual({ lsn: 7n, heldBy: [1], needed: 1, copies: 1 });
    expect(applied([node, recv])).toEqual({ lsn: undefined, heldBy: [1], needed: 1, copies: 0 });
  });

  test.each([
    ["9.6", "10.13"],
    ["10.12", "10.13"],
    ["11.7", "11.8"],
    ["12.2", "12.3"],
    ["12.2", "13.0"],
  ])("in %s the one that comes first in the list is looked at first, in %s no longer", (before, after) => {
    expect(applied([node, recv], before)).toEqual({ lsn: 7n, heldBy: [0], needed: 1, copies: 1 });
    expect(applied([node, recv], after)?.lsn).toBeUndefined();
  });
});

describe("what a version cannot do", () => {
  test.each<[SyncRepConfig, Server, string]>([
    [any(1, "a"), "9.6", "quorumCommit"],
    [first(2, "a"), "9.5", "multipleSyncStandbys"],
  ])("%j on %s", (config, server, capability) => {
    expect(() => evaluateSynchronousStandbys(config, [], { server })).toThrow(
      expect.objectContaining({ capability }) as UnsupportedError,
    );
  });

  test("remote_apply before 9.6 is no level", () => {
    expect(() => certainCopies(first(1, "a"), [], "remote_apply", { server: "9.5" })).toThrow(
      expect.objectContaining({ capability: "remoteApply" }) as UnsupportedError,
    );
    expect(certainCopies(first(1, "a"), [], "remote_write", { server: "9.5" })).toMatchObject({
      copies: 1,
      done: "written",
    });
  });
});

test.each<[string, SyncRepConfig | undefined, SyncRepStandby[] | undefined, string[]]>([
  ["off", undefined, [], ["A commit waits for no standby."]],
  [
    "ANY, without standbys",
    any(2, "node-1", "node 2", "*"),
    undefined,
    [
      'A commit waits for any 2 of these, whichever are first to have it: node-1, "node 2", * (any standby).',
      "A transaction that returned with synchronous_commit = on is flushed on 2 standbys at least, besides the primary.",
    ],
  ],
  [
    "ANY, with standbys",
    any(2, "node-1", "node-2", "node-3"),
    [
      streaming("node-1", 48, 48, 32),
      streaming("Node-2", 48, 32, 0),
      streaming("node-3", 16, 16, 16),
      streaming("other", 1, 1, 1),
    ],
    [
      "A commit waits for any 2 of these, whichever are first to have it: node-1, node-2, node-3.",
      "A transaction that returned with synchronous_commit = on is flushed on 2 standbys at least, besides the primary.",
      "Quorum: node-1, Node-2, node-3.",
      "Asynchronous: other.",
      "Losing any 2 of node-1, Node-2 and node-3 blocks commits.",
      "Losing any one of node-1 and node-3 blocks commits with synchronous_commit = remote_apply.",
      "With remote_write commits up to 0/30 are released; the next wait for any 2 of node-1, Node-2 and node-3.",
      "With on commits up to 0/20 are released; the next wait for Node-2 or node-3.",
      "With remote_apply commits up to 0/10 are released; the next wait for Node-2 or node-3.",
    ],
  ],
  [
    "FIRST, with too few",
    first(2, "a", "b"),
    [streaming("b", 1, 1, 1)],
    [
      "A commit waits for the first 2 of these that stream: a, b.",
      "A transaction that returned with synchronous_commit = on is flushed on 2 standbys at least, besides the primary.",
      "Synchronous: b.",
      "Commits are blocked: 1 more standby of the list must stream.",
    ],
  ],
])("in words: %s", (_, config, rows, lines) => {
  expect(explainSynchronousStandbys(config, rows)).toEqual(lines);
});

describe("a standby that never replays, at each level", () => {
  const [barman, s2, s3] = [streaming("barman", 9, 9, 0), streaming("s2", 9, 9, 9), streaming("s3", 9, 9, 9)];
  const rows = [barman, s2, s3];
  const says = (config: SyncRepConfig, level: SynchronousCommit) => blockingLosses(config, rows, { level }).sentence;

  test.each<[SyncRepConfig, SynchronousCommit, string]>([
    [first(1, "barman", "s2"), "on", "Losing barman and s2 together blocks commits."],
    [
      first(1, "barman", "s2"),
      "remote_write",
      "Losing barman and s2 together blocks commits with synchronous_commit = remote_write.",
    ],
    [
      first(1, "barman", "s2"),
      "remote_apply",
      "Commits with synchronous_commit = remote_apply are blocked: barman has replayed nothing.",
    ],
    [
      first(1, "s2", "barman", "s3"),
      "remote_apply",
      "Losing s2 blocks commits with synchronous_commit = remote_apply.",
    ],
    [
      any(1, "barman", "s2", "s3"),
      "remote_apply",
      "Losing s2 and s3 together blocks commits with synchronous_commit = remote_apply.",
    ],
    [
      any(3, "*"),
      "remote_apply",
      "Commits with synchronous_commit = remote_apply are blocked: barman has replayed nothing.",
    ],
    [first(1, "a"), "local", "Commits with synchronous_commit = local wait for no standby: no loss blocks them."],
    [first(1, "a"), "off", "Commits with synchronous_commit = off wait for no standby: no loss blocks them."],
  ])("%j %s", (config, level, sentence) => {
    expect(says(config, level)).toBe(sentence);
  });

  test("a change says what it does to remote_apply", () => {
    const leave = { type: "leave", names: ["s2"] } as const;
    const outcome = (level?: SynchronousCommit) =>
      whatIfStandbysChange(first(1, "s2", "barman"), rows, leave, { level }).sentence.replace(/^.*?(?=Commits)/, "");
    expect(outcome()).toBe("Commits go on. With synchronous_commit = remote_apply they block.");
    expect(outcome("on")).toBe("Commits go on.");
    expect(outcome("remote_apply")).toBe("Commits block.");
    expect(outcome("local")).toBe("Commits go on.");
  });

  test("one has, two have replayed nothing", () => {
    const two = [barman, { ...barman, applicationName: "recv" }];
    const line = (n: number) => explainSynchronousStandbys(any(n, "*"), two.slice(0, n)).at(-1);
    expect(line(1)).toBe("With remote_apply no commit is released: barman has replayed nothing.");
    expect(line(2)).toBe("With remote_apply no commit is released: barman and recv have replayed nothing.");
    const { sentence } = blockingLosses(any(2, "*"), two, { level: "remote_apply" });
    expect(sentence).toBe(
      "Commits with synchronous_commit = remote_apply are blocked: barman and recv have replayed nothing.",
    );
  });
});

test.each([
  ["on", "on"],
  ["TRUE", "on"],
  ["1", "on"],
  ["Remote_Apply", "remote_apply"],
  ["no", "off"],
  ["local", "local"],
])("synchronous_commit = %s", (text, level) => {
  expect(parseSynchronousCommit(text)).toBe(level);
});

test.each<[string, Server, string]>([
  ["remote_apply", "9.5", "Available values: local, remote_write, on, off."],
  ["remote_write", "9.1", "Available values: local, on, off."],
  ["t", "18", "Available values: local, remote_write, remote_apply, on, off."],
  ["", "18", "Available values: local, remote_write, remote_apply, on, off."],
])("synchronous_commit = %j on %s is rejected", (text, server, hint) => {
  const message = `invalid value for parameter "synchronous_commit": "${text}"`;
  expect(() => parseSynchronousCommit(text, { server })).toThrow(
    expect.objectContaining({ sqlstate: "22023", message, hint }) as ParseError,
  );
});

test("on a standby nobody is synchronous, and commits wait for nobody", () => {
  const options = { cascading: true };
  const rows = [streaming("a", 1, 1, 1)];
  expect(evaluateSynchronousStandbys(first(1, "a"), rows, options)).toMatchObject({
    numSync: 0,
    missing: 0,
    standbys: [{ syncPriority: 0, syncState: "async" }],
  });
  expect(explainSynchronousStandbys(first(1, "a"), rows, options)).toEqual([
    "This server is a standby itself: no standby of it is synchronous, whatever the setting says.",
  ]);
});

test("the cost is that of sorting: 20,000 standbys and as many names take no time", () => {
  const n = 20_000;
  const rows = Array.from({ length: n }, (_, i) =>
    streaming(`n${i % (n / 2)}`, 1 + ((i * 7919) % n), 1 + i, 1 + n - i),
  );
  const names = rows.map(({ applicationName }) => applicationName.toUpperCase()).reverse();
  const start = performance.now();
  for (const config of [first(n / 2), any(n / 2), any(77)]) {
    everything({ ...config, memberNames: names }, rows, "18", "on");
    whatIfStandbysChange({ ...config, memberNames: names }, rows, { type: "leave", names: names.slice(0, n / 4) });
  }
  // It takes a second; loops of standbys over names would take a hundred.
  expect(performance.now() - start).toBeLessThan(20_000);
}, 60_000);

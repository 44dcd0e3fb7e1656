/** synchronized_standby_slots: what servers said, and findings. */
import { describe, expect, test } from "vitest";
import { ParseError } from "../../src/kernel/errors.ts";
import type { Lsn } from "../../src/kernel/lsn.ts";
import {
  lintSynchronizedStandbySlots,
  parseSynchronizedStandbySlots,
  type ReplicationSlotRow,
  standbySlotsHaveCaughtUp,
} from "../../src/syncrep/standby-slots.ts";

function refusal(text: string, server: string | number = 18): ParseError {
  try {
    parseSynchronizedStandbySlots(text, { server });
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error(`${text} is accepted.`);
}

test.each([
  ["", []],
  [" ", []],
  ['a,B , "c"', ["a", "b", "c"]],
  ["1, 2_x", ["1", "2_x"]],
  [`${"x".repeat(70)}`, ["x".repeat(63)]],
])("%j is a list", (text, names) => {
  expect(parseSynchronizedStandbySlots(text)).toEqual(names);
});

const letters = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";

test.each([
  ["a,", "22023", "List syntax is invalid.", undefined, "Write names of slots with commas between them."],
  [
    ...["ANY 1 (a, b)", "22023", "List syntax is invalid.", undefined],
    "Write names of slots with commas between them: all of them must have caught up.",
  ],
  [
    "*",
    "42602",
    'replication slot name "*" contains invalid character',
    letters,
    "Write the name of each slot: all of them must have caught up.",
  ],
  [
    'a, "B"',
    "42602",
    'replication slot name "B" contains invalid character',
    letters,
    "Write the slot name in lower case: b.",
  ],
  ['""', "42602", 'replication slot name "" is too short', undefined, "A slot needs a name."],
] as const)("%j is rejected", (text, sqlstate, detail, hint, advice) => {
  const message = `invalid value for parameter "synchronized_standby_slots": "${text}"`;
  expect(refusal(text).toJSON()).toMatchObject({ message, sqlstate, detail, hint, advice });
});

test("versions differ in names that are not slots, and in the parameter", () => {
  expect(parseSynchronizedStandbySlots("node-1", { server: "17.6" })).toEqual(["node-1"]);
  expect(refusal("node-1", "17.7").offset).toBe(0);
  expect(parseSynchronizedStandbySlots("node-1", { server: "18.0" })).toEqual(["node-1"]);
  expect(refusal("a, node-1", "18.1").offset).toBe(3);
  expect(parseSynchronizedStandbySlots("pg_conflict_detection", { server: 18 })).toHaveLength(1);
  expect(refusal("pg_conflict_detection", 19).sqlstate).toBe("42939");
  expect(() => parseSynchronizedStandbySlots("a", { server: 16 })).toThrow(
    "synchronized_standby_slots is not in PostgreSQL 16",
  );
});

test.each([
  ["a, b", []],
  ["a, A", ["DUPLICATE", "FOLDED"]],
  ["off", ["LOOKS_LIKE_OFF"]],
  ["x".repeat(64), ["TRUNCATED"]],
  ["a-b", []],
])("findings of %j", (text, codes) => {
  expect(lintSynchronizedStandbySlots(text).map(({ code }) => code)).toEqual(codes);
});

describe("what holds logical failover slots back", () => {
  const at = (n: number) => BigInt(n) as Lsn;
  const slot = (slotName: string, more: Partial<ReplicationSlotRow> = {}): ReplicationSlotRow => ({
    ...{ slotName, slotType: "physical", active: true, restartLsn: at(9) },
    ...more,
  });
  const slots = [
    ...[slot("a"), slot("late", { restartLsn: at(3) }), slot("idle", { restartLsn: at(5), active: false })],
    ...[
      slot("new", { restartLsn: undefined }),
      slot("lost", { restartLsn: undefined, invalidationReason: "wal_removed" }),
    ],
    ...[
      slot("sub", { slotType: "logical", failover: true }),
      slot("copy", { slotType: "logical", failover: true, synced: true }),
    ],
  ];
  const ask = (names: string[]) => standbySlotsHaveCaughtUp(names, slots, at(9));

  test("nothing, if all have caught up", () => {
    expect(ask(["a"])).toEqual({ caughtUp: true, blockers: [], warning: undefined, oldest: 9n, waiting: ["sub"] });
    expect(ask([])).toMatchObject({ caughtUp: true, oldest: undefined });
    expect(standbySlotsHaveCaughtUp(["none"], slots, at(9), { cascading: true }).caughtUp).toBe(true);
    // One that is idle counts as long as it has the position.
    expect(standbySlotsHaveCaughtUp(["idle"], slots, at(5)).caughtUp).toBe(true);
  });

  test("each slot that has not, with what to do; the server warns of the first", () => {
    const { blockers, warning, oldest } = ask(["a", "late", "idle", "new", "lost", "sub", "none"]);
    expect(blockers.map(({ reason, sentence }) => [reason, sentence])).toEqual([
      ["behind", "late is 6 bytes behind, at 0/3."],
      ["inactive", "idle is 4 bytes behind, at 0/5, and no standby uses it: start the standby, or leave it out."],
      ["behind", "new has no position yet."],
      ["invalidated", "lost has been invalidated (wal_removed): drop and create it, or leave it out."],
      ["logical", "sub is a logical slot: leave it out."],
      ["missing", "There is no slot none: create it, or leave it out."],
    ]);
    expect([warning, oldest]).toEqual([undefined, undefined]);
    expect(ask(["a", "late"]).oldest).toBe(3n);
  });
});

/** The decisions of subscriptions, without a server: which events are repeats, what becomes of a slot, when to connect again. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { ConnectionError, ProtocolError, ServerError, SlotError } from "../../src/kernel/errors.ts";
import { formatLsn, type Lsn } from "../../src/kernel/lsn.ts";
import type { DescribedRelation } from "../../src/logical/described.ts";
import { compareRelations } from "../../src/logical/schema-change.ts";
import { BackOff } from "../../src/node/subscribe/back-off.ts";
import type { CopyEvent } from "../../src/node/subscribe/copy-events.ts";
import { CopyProgress } from "../../src/node/subscribe/copy-progress.ts";
import { Deliveries, type Delivery } from "../../src/node/subscribe/deliveries.ts";
import { isPassing } from "../../src/node/subscribe/errors.ts";
import { judgeSlot, type SlotRow, type Wanted } from "../../src/node/subscribe/slot.ts";
import { law } from "./law.ts";

describe("BackOff", () => {
  law(
    "doubles up to the longest wait, each cut by up to a half",
    fc.property(
      fc.nat(1000),
      fc.nat(100_000),
      fc.array(fc.double({ min: 0, max: 0.999, noNaN: true })),
      (first, longest, chances) => {
        let i = 0;
        const backOff = new BackOff({ first, longest, random: () => chances[i]! });
        for (; i < chances.length; i++) {
          const whole = Math.min(longest, first * 2 ** i);
          const wait = backOff.next();
          expect(wait).toBeLessThanOrEqual(whole);
          expect(wait).toBeGreaterThanOrEqual(whole / 2);
        }
        backOff.reset();
        i = 0;
        if (chances.length > 0) expect(backOff.next()).toBeLessThanOrEqual(first);
      },
    ),
  );
});

describe("Deliveries", () => {
  /** Events end at 10, 20, …; the server sends them in order, from any position that it was told or an earlier one. */
  law(
    "each event is given once, whatever is confirmed and however often the server begins again",
    fc.property(
      fc.array(
        fc.oneof(
          fc.constant({ type: "send" } as const),
          fc.record({ type: fc.constant("confirm" as const), which: fc.nat() }),
          fc.record({ type: fc.constant("again" as const), back: fc.nat(5) }),
        ),
        { maxLength: 60 },
      ),
      (steps) => {
        const deliveries = new Deliveries<number>();
        const given: Delivery<number>[] = [];
        let next = 1;
        for (const step of steps) {
          if (step.type === "send") {
            const endLsn = BigInt(10 * next) as Lsn;
            const found = deliveries.find(endLsn);
            if (found === "new") {
              expect(next).toBe(given.length + 1);
              const delivery = { endLsn, bytes: next, time: undefined, sources: [next], confirmed: false };
              deliveries.add(delivery);
              given.push(delivery);
            } else if (found === "stored") expect(given[next - 1]!.confirmed).toBe(true);
            else expect(found).toBe(given[next - 1]);
            next++;
          } else if (step.type === "confirm" && given.length > 0) {
            deliveries.confirm(given[step.which % given.length]!);
          } else if (step.type === "again") {
            next = Math.max(1, Number(deliveries.position / 10n) + 1 - step.back);
          }
          const open = given.findIndex(({ confirmed }) => !confirmed);
          expect(deliveries.position).toBe(BigInt(10 * (open < 0 ? given.length : open)));
          expect(deliveries.oldest).toBe(given[open]);
          const pending = given.filter(({ confirmed }) => !confirmed);
          expect(deliveries.pending).toBe(pending.length);
          expect(deliveries.bytes).toBe(pending.reduce((sum, { bytes }) => sum + bytes, 0));
        }
      },
    ),
  );
});

describe("judgeSlot", () => {
  const lsn = fc.bigInt({ min: 1n, max: 5n }).map((n) => n as Lsn);
  const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined, freq: 2 });
  const row: fc.Arbitrary<SlotRow> = fc.record(
    {
      slot_type: fc.constantFrom("logical", "logical", "logical", "physical"),
      plugin: fc.constantFrom("pgoutput", "pgoutput", "pgoutput", "test_decoding", null),
      database: fc.constantFrom("a", "a", "a", "b", null),
      temporary: fc.boolean(),
      active_pid: fc.constantFrom(null, 5),
      confirmed_flush_lsn: fc.option(lsn.map((each) => formatLsn(each))),
      wal_status: fc.constantFrom("reserved", "extended", "unreserved", "lost", null),
      two_phase: fc.option(fc.boolean()),
      conflicting: fc.constantFrom(false, false, true, null),
      invalidation_reason: fc.constantFrom(null, null, null, "rows_removed", "idle_timeout"),
    },
    { requiredKeys: ["slot_type", "plugin", "database", "temporary", "active_pid", "confirmed_flush_lsn"] },
  );
  const wanted: fc.Arbitrary<Wanted> = fc.record({
    slotname: fc.constant("s"),
    database: fc.constant("a"),
    twoPhase: fc.boolean(),
    create: fc.boolean(),
    position: maybe(lsn),
    again: fc.boolean(),
    walEnd: lsn,
  });

  law(
    "a slot is created only at the first start, and a stream starts only where nothing is lost",
    fc.property(maybe(row), wanted, (slot, given) => {
      let verdict: string;
      try {
        verdict = judgeSlot(slot, given);
      } catch (error) {
        expect(error).toBeInstanceOf(SlotError);
        verdict = (error as SlotError).code;
      }
      const { position, walEnd } = given;
      if (slot === undefined) {
        const mayCreate = given.create && !given.again && position === undefined;
        expect(verdict).toBe(mayCreate ? "create" : "SLOT_MISSING");
        return;
      }
      const fits = slot.slot_type === "logical" && slot.plugin === "pgoutput" && slot.database === "a";
      const isLost =
        slot.wal_status === "lost" || slot.conflicting === true || typeof slot.invalidation_reason === "string";
      const phases = slot.two_phase ?? given.twoPhase;
      const confirmed = slot.confirmed_flush_lsn === null ? 0n : BigInt(`0x${slot.confirmed_flush_lsn.slice(2)}`);
      const goesOn = position === undefined || (confirmed <= position && position <= walEnd);
      expect(verdict).toBe(
        !fits
          ? "SLOT_MISMATCH"
          : isLost
            ? "SLOT_LOST"
            : phases !== given.twoPhase
              ? "SLOT_MISMATCH"
              : goesOn
                ? "start"
                : "POSITION_LOST",
      );
    }),
    500,
  );
});

describe("compareRelations", () => {
  const column = (name: string, typeId: number) => ({ key: false, name, typeId, typeModifier: -1 });
  const relation = (columns: readonly ReturnType<typeof column>[]): DescribedRelation => ({
    ...{ type: "Relation", xid: undefined, relationId: 1, namespace: "public", name: "t", replicaIdentity: "default" },
    columns,
    types: columns.map(() => undefined),
  });
  const columns = fc
    .uniqueArray(fc.constantFrom(..."abcdefgh"), { maxLength: 8 })
    .chain((names) => fc.tuple(...names.map((name) => fc.constantFrom(23, 25).map((typeId) => column(name, typeId)))));

  law(
    "what was dropped and renamed is gone from the old form, and what was added and renamed has come into the new one",
    fc.property(columns, columns, (old, now) => {
      const difference = compareRelations(relation(old), relation(now));
      const { added = [], dropped = [], renamed = [], altered = [] } = difference ?? {};
      const left = old.filter((each) => !dropped.includes(each) && !renamed.some(({ before }) => before === each));
      const stayed = now.filter((each) => !added.includes(each) && !renamed.some(({ after }) => after === each));
      expect(stayed.map(({ name }) => name)).toEqual(left.map(({ name }) => name));
      expect(altered.map(({ after }) => after)).toEqual(stayed.filter((each, i) => each.typeId !== left[i]!.typeId));
      for (const { before, after } of renamed) expect(before.typeId).toBe(after.typeId);
      if (difference === undefined) expect(now).toEqual(old);
    }),
    500,
  );

  test("a rename is one where the place of the column says so", () => {
    const before = relation([column("a", 23), column("b", 25), column("c", 23)]);
    const renamed = compareRelations(
      before,
      relation([column("a", 23), column("x", 25), column("c", 23), column("d", 20)]),
    );
    expect(renamed).toMatchObject({
      renamed: [{ before: { name: "b" }, after: { name: "x" } }],
      added: [{ name: "d" }],
    });
    // The last one may have been dropped, and another one added.
    const last = compareRelations(before, relation([column("a", 23), column("b", 25), column("x", 23)]));
    expect(last).toMatchObject({ renamed: [], dropped: [{ name: "c" }], added: [{ name: "x" }] });
    const other = compareRelations(before, relation([column("a", 23), column("x", 20), column("c", 23)]));
    expect(other).toMatchObject({ renamed: [], dropped: [{ name: "b" }], added: [{ name: "x" }] });
    expect(compareRelations(before, { ...before, name: "u" })).toMatchObject({ moved: true, identity: false });
    expect(compareRelations(before, { ...before })).toBeUndefined();
  });
});

test("only errors that pass are worth another attempt", () => {
  const server = (sqlstate: string, severity = "FATAL") => new ServerError({ sqlstate, severity, message: "" });
  const lost = (cause?: unknown) => new ConnectionError("", "CONNECTION_LOST", { cause });
  for (const error of [server("57P01"), server("53300"), lost(), lost(new Error()), lost(server("57P03"))]) {
    expect(isPassing(error)).toBe(true);
  }
  const others = [server("28P01"), server("42704"), server("57P04"), lost(server("XX001")), new ProtocolError(""), 5];
  for (const error of others) expect(isPassing(error)).toBe(false);
  expect(isPassing(new ConnectionError("", "AUTHENTICATION"))).toBe(false);
});

test("a table is stored once all of its events are confirmed, in any order", () => {
  const relation = { relationId: 7, namespace: "public", name: "t" } as CopyEvent["relation"];
  const lsn = 5n as Lsn;
  const rows: CopyEvent = { type: "CopyRows", relation, rows: [] };
  const events: CopyEvent[] = [
    { type: "CopyBegin", relation, lsn, again: false },
    rows,
    { type: "CopyEnd", relation, lsn, count: 0 },
  ];
  const progress = new CopyProgress();
  for (const event of events) progress.add(event);
  expect(progress.given.has(7)).toBe(true);
  expect(progress.pending).toBe(3);
  expect([events[2]!, events[0]!, events[0]!, rows].map((each) => progress.confirm(each))).toEqual([
    false,
    false,
    undefined,
    true,
  ]);
  expect(progress.stored.tables).toEqual([{ relationId: 7, namespace: "public", name: "t", lsn }]);
  expect([progress.pending, progress.bytes]).toEqual([0, 0]);
});

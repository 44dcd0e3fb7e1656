/** Laws and cases of what a walsender owes its receiver. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { StandbyStatusUpdate } from "../../src/generated/physical.ts";
import { ArgumentError, ConnectionError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { type PgTime, toPgTime } from "../../src/kernel/time.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { Keepalives } from "../../src/session/keepalives.ts";
import { law } from "./law.ts";

const at = (microseconds: bigint): PgTime => toPgTime(microseconds);
const status = (position: bigint, replyRequested = false): StandbyStatusUpdate => {
  const lsn = toLsn(position);
  return { type: "StandbyStatusUpdate", write: lsn, flush: lsn, apply: lsn, clientTime: at(0n), replyRequested };
};

describe("Keepalives", () => {
  test("a silent receiver is asked after half of the time limit, once, and given up after all of it", () => {
    const keepalives = new Keepalives({ timeout: 100n }, at(1000n));
    keepalives.advance(toLsn(7n));
    expect(keepalives.deadline(at(1000n))).toBe(1050n);
    expect(keepalives.due(at(1049n))).toBeUndefined();
    const asked = { type: "Keepalive", walEnd: 7n, sendTime: 1050n, replyRequested: true };
    expect(keepalives.due(at(1050n))).toEqual(asked);
    expect(keepalives.due(at(1099n))).toBeUndefined();
    expect(keepalives.deadline(at(1099n))).toBe(1100n);
    expect(() => keepalives.due(at(1100n))).toThrow(
      expect.objectContaining({ constructor: ConnectionError, code: "TIMEOUT" }),
    );
    keepalives.note(status(7n), at(1100n));
    expect(keepalives.due(at(1149n))).toBeUndefined();
    expect(keepalives.due(at(1150n))).toMatchObject({ replyRequested: true });
  });

  test("positions that are not LSNs are rejected, and change nothing", () => {
    const keepalives = new Keepalives({ timeout: 100n }, at(0n));
    expect(() => keepalives.note({ ...status(7n), flush: (2n ** 64n) as Lsn }, at(50n))).toThrow(ArgumentError);
    expect([keepalives.write, keepalives.deadline(at(50n))]).toEqual([0n, 50n]);
  });

  test("a reply that is asked for comes at once, and does not ask back", () => {
    const keepalives = new Keepalives({}, at(0n));
    keepalives.note(status(0n, true), at(5n));
    expect(keepalives.deadline(at(5n))).toBe(5n);
    expect(keepalives.due(at(5n))).toMatchObject({ replyRequested: false });
    expect(keepalives.due(at(5n))).toBeUndefined();
  });

  test("a shutdown asks at once, until the receiver has everything", () => {
    const keepalives = new Keepalives({}, at(0n));
    keepalives.advance(toLsn(7n));
    expect(keepalives.due(at(1n))).toBeUndefined();
    keepalives.shutDown();
    expect(keepalives.deadline(at(1n))).toBe(1n);
    expect(keepalives.due(at(1n))).toMatchObject({ replyRequested: true });
    expect(keepalives.due(at(1n))).toBeUndefined();
    keepalives.note(status(6n), at(2n));
    expect([keepalives.isReplicated, keepalives.due(at(2n)) !== undefined]).toEqual([false, true]);
    keepalives.note(status(7n), at(3n));
    expect([keepalives.isReplicated, keepalives.due(at(3n))]).toEqual([true, undefined]);
  });

  test("a receiver that flushes nothing has what it has written, as pg_receivewal without a slot may", () => {
    const keepalives = new Keepalives({}, at(0n));
    keepalives.advance(toLsn(7n));
    keepalives.note({ ...status(7n), flush: toLsn(0n) }, at(0n));
    expect(keepalives.isReplicated).toBe(true);
    keepalives.note({ ...status(7n), flush: toLsn(5n) }, at(0n));
    expect(keepalives.isReplicated).toBe(false);
  });

  law(
    "a receiver that follows its Feedback is never given up, nor its server",
    fc.property(
      fc.bigInt({ min: 4_000n, max: 1_000_000n }),
      fc.bigInt({ min: 4_000n, max: 1_000_000n }),
      fc.array(fc.bigInt({ min: 0n, max: 3n }), { maxLength: 200 }),
      (senderTimeout, receiverTimeout, data) => {
        let now = at(0n);
        const keepalives = new Keepalives({ timeout: senderTimeout }, now);
        const feedback = new Feedback({ timeout: receiverTimeout });
        feedback.heard(now);
        for (const length of data) {
          if (length > 0n) keepalives.advance((keepalives.sent + length) as Lsn);
          const first =
            keepalives.deadline(now) < feedback.deadline(now) ? keepalives.deadline(now) : feedback.deadline(now);
          if (first > now) now = first;
          const keepalive = keepalives.due(now);
          if (keepalive !== undefined) {
            feedback.heard(now);
            feedback.note(keepalive);
          }
          const update = feedback.due(now);
          if (update !== undefined) keepalives.note(update, now);
          // The server's answer to a question of the receiver.
          const answer = keepalives.due(now);
          if (answer !== undefined) {
            feedback.heard(now);
            feedback.note(answer);
          }
        }
      },
    ),
  );

  test.each<[string, () => unknown]>([
    ["a negative time limit", () => new Keepalives({ timeout: -1n }, at(0n))],
    ["a time limit that is a number", () => new Keepalives({ timeout: 1 as unknown as bigint }, at(0n))],
    ["an unknown option", () => new Keepalives({ limit: 1n } as object, at(0n))],
    ["no clock", () => new Keepalives({}, undefined as unknown as PgTime)],
    ["a position that is a number", () => new Keepalives({}, at(0n)).advance(1 as unknown as Lsn)],
  ])("%s is an ArgumentError", (_, call) => {
    expect(call).toThrow(ArgumentError);
  });
});

/** Laws and cases of the receiver's state machine, of feedback, and of the messages around a stream. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import { lsn, walSenderMessage } from "../../src/arbitraries/messages.ts";
import type { WalSenderMessage } from "../../src/generated/physical.ts";
import {
  ArgumentError,
  ConnectionError,
  DecodeError,
  EncodeError,
  ProtocolError,
  StateError,
} from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { type PgTime, toPgTime } from "../../src/kernel/time.ts";
import type { EncryptionResponse } from "../../src/session/conversation.ts";
import { Feedback } from "../../src/session/feedback.ts";
import type { BackendMessage } from "../../src/session/messages.ts";
import { encodeBackendMessage } from "../../src/session/messages.ts";
import { WalReceiver } from "../../src/session/walreceiver.ts";
import { encodeFrame } from "../../src/wire/framer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

const ready = encodeFrame("Z", hex("49"));
const copyBoth = encodeFrame("W", hex("00 0000"));
const copyDone = encodeFrame("c", hex(""));
const complete = encodeBackendMessage({ type: "CommandComplete", tag: "SHOW" });
const failed = encodeBackendMessage({ type: "ErrorResponse", fields: { C: "XX000" } });
const none = { tableId: 0, columnNumber: 0, typeId: 25, typeSize: -1, typeModifier: -1, format: "text" } as const;
const oneColumn = encodeBackendMessage({ type: "RowDescription", columns: [{ name: "a", ...none }] });
const row = (...values: (string | null)[]): Uint8Array => encodeBackendMessage({ type: "DataRow", values });
const nothing = new Uint8Array(0);

/** All events that the bytes give, with the state after each, and the error that ends them. */
function events(session: WalReceiver, ...chunks: readonly Uint8Array[]): string[] {
  const seen: string[] = [];
  const show = (event: BackendMessage | EncryptionResponse): string =>
    event.type === "CopyData" ? `CopyData ${toHex(event.data)}` : event.type;
  try {
    for (const chunk of chunks) {
      session.receive(chunk);
      for (let event = session.next(); event !== undefined; event = session.next()) {
        seen.push(`${show(event)} -> ${session.state}`);
      }
    }
  } catch (error) {
    if (!(error instanceof DecodeError || error instanceof ProtocolError)) throw error;
    seen.push(`${error.name}: ${error.message}`);
  }
  return seen;
}

/** A session in which a stream is open. */
function streaming(): WalReceiver {
  const session = new WalReceiver();
  session.send({ type: "Query", query: "START_REPLICATION 0/0" });
  expect(events(session, copyBoth)).toEqual(["CopyBothResponse -> streaming"]);
  return session;
}

describe("WalReceiver", () => {
  test("a command, its rows, and ready again", () => {
    const session = new WalReceiver();
    expect(toHex(session.send({ type: "Query", query: "SHOW a" }))).toBe(toHex(hex("51 0000000b 53484f572061 00")));
    expect(session.state).toBe("busy");
    expect(events(session, oneColumn, row("1"), row(null), complete, ready)).toEqual([
      "RowDescription -> busy",
      "DataRow -> busy",
      "DataRow -> busy",
      "CommandComplete -> busy",
      "ReadyForQuery -> idle",
    ]);
  });

  test("a stream that we end still delivers queued messages, then the tags", () => {
    const session = streaming();
    expect(events(session, encodeFrame("d", hex("6b")))).toEqual(["CopyData 6b -> streaming"]);
    expect(toHex(session.send({ type: "CopyData", data: hex("72") }))).toBe("640000000572");
    expect(toHex(session.send({ type: "CopyDone" }))).toBe("6300000004");
    expect(session.state).toBe("clientDone");
    expect(() => session.send({ type: "CopyData", data: hex("72") })).toThrow(StateError);
    expect(() => session.send({ type: "CopyDone" })).toThrow(StateError);
    expect(events(session, encodeFrame("d", hex("77")), copyDone, complete, ready)).toEqual([
      "CopyData 77 -> clientDone",
      "CopyDone -> ending",
      "CommandComplete -> busy",
      "ReadyForQuery -> idle",
    ]);
  });

  test("a stream that the server ends waits for our end; then comes the next timeline", () => {
    const session = streaming();
    expect(events(session, copyDone)).toEqual(["CopyDone -> serverDone"]);
    session.send({ type: "CopyData", data: hex("72") });
    session.send({ type: "CopyDone" });
    expect(events(session, oneColumn, row("2"), complete, ready)).toEqual([
      "RowDescription -> ending",
      "DataRow -> ending",
      "CommandComplete -> busy",
      "ReadyForQuery -> idle",
    ]);
  });

  test("a keepalive may come after the server's CopyDone", () => {
    const session = streaming();
    session.send({ type: "CopyDone" });
    expect(events(session, copyDone, encodeFrame("d", hex("6b")), complete, ready)).toEqual([
      "CopyDone -> ending",
      "CopyData 6b -> ending",
      "CommandComplete -> busy",
      "ReadyForQuery -> idle",
    ]);
  });

  test("a stream that fails is over with the ErrorResponse, without CopyDone", () => {
    expect(events(streaming(), failed, ready)).toEqual(["ErrorResponse -> failed", "ReadyForQuery -> idle"]);
  });

  test.each([false, true])(
    "a server that shuts down ends the stream with CommandComplete; we were done: %s",
    (done) => {
      const session = streaming();
      if (done) session.send({ type: "CopyDone" });
      expect(events(session, complete)).toEqual(["CommandComplete -> shutdown"]);
      session.end();
      expect(session.state).toBe("closed");
    },
  );

  test("notices, parameters and notifications come at any time", () => {
    const messages: BackendMessage[] = [
      { type: "NoticeResponse", fields: { M: "a" } },
      { type: "ParameterStatus", name: "a", value: "b" },
      { type: "NotificationResponse", processId: 1, channel: "a", payload: "" },
    ];
    for (const message of messages) {
      const bytes = encodeBackendMessage(message);
      expect(events(new WalReceiver(), bytes)).toEqual([`${message.type} -> idle`]);
      expect(events(streaming(), bytes)).toEqual([`${message.type} -> streaming`]);
      const inRows = new WalReceiver();
      inRows.send({ type: "Query", query: "SHOW a" });
      expect(events(inRows, oneColumn, bytes, row("1"), complete).at(-1)).toBe("CommandComplete -> busy");
    }
  });

  test.each([
    ["data outside of a stream", new WalReceiver(), "d", "idle"],
    ["ready when nothing was asked", new WalReceiver(), "Z", "idle"],
    ["rows in a stream", streaming(), "D", "streaming"],
    ["a stream in a stream", streaming(), "W", "streaming"],
    ["a message that there is not", streaming(), "?", "streaming"],
  ])("%s is out of order", (_, session, tag, state) => {
    const message = `the server sent message ${JSON.stringify(tag)} while the connection is ${state}`;
    expect(events(session, encodeFrame(tag, nothing))).toEqual([`ProtocolError: ${message}`]);
    expect(session.state).toBe("closed");
    // It stays so, whatever else comes.
    expect(events(session, ready)).toEqual([`ProtocolError: ${message}`]);
    expect(() => session.send({ type: "Query", query: "SHOW a" })).toThrow(
      "Query cannot be sent while the connection is closed",
    );
  });

  test.each<[string, Uint8Array[], RegExp]>([
    ["a row before its columns", [row("1")], /DataRow without RowDescription while/],
    ["a row that is too wide", [oneColumn, row("1", "2")], /a row of 2 values under 1 columns/],
    ["a row that is too narrow", [oneColumn, row()], /a row of 0 values under 1 columns/],
    ["a row after its end", [oneColumn, complete, row("1")], /DataRow without RowDescription while/],
    ["columns under columns", [oneColumn, oneColumn], /RowDescription among rows while/],
    ["an empty query in rows", [oneColumn, encodeFrame("I", nothing)], /EmptyQueryResponse among rows while/],
    ["a stream in rows", [oneColumn, copyBoth], /CopyBothResponse among rows while/],
    ["the end in rows", [oneColumn, ready], /ReadyForQuery among rows while/],
    ["the end without an answer", [ready], /ReadyForQuery without an answer while/],
    ["a row after an error", [oneColumn, failed, row("1")], /message "D" while the connection is failed/],
    [
      "an unknown transaction status",
      [complete, encodeFrame("Z", hex("21"))],
      /^DecodeError: ReadyForQuery.status is "!"/,
    ],
  ])("%s is refused", (_, frames, message) => {
    const session = new WalReceiver();
    session.send({ type: "Query", query: "SHOW a" });
    expect(events(session, ...frames).at(-1)).toMatch(message);
    expect(session.state).toBe("closed");
  });

  test("each answer ends with its own ReadyForQuery", () => {
    const session = new WalReceiver();
    session.send({ type: "Query", query: "SHOW a" });
    expect(events(session, complete, ready).at(-1)).toBe("ReadyForQuery -> idle");
    session.send({ type: "Query", query: "SHOW b" });
    expect(events(session, ready)).toEqual([
      "ProtocolError: the server sent ReadyForQuery without an answer while the connection is busy",
    ]);
  });

  test("we cannot do what is out of order either", () => {
    const session = new WalReceiver();
    expect(() => session.send({ type: "CopyData", data: nothing })).toThrow(StateError);
    expect(() => session.send({ type: "CopyDone" })).toThrow(StateError);
    session.send({ type: "Query", query: "SHOW a" });
    expect(() => session.send({ type: "Query", query: "SHOW a" })).toThrow(
      "Query cannot be sent while the connection is busy",
    );
    expect(toHex(session.send({ type: "Terminate" }))).toBe("5800000004");
    expect(session.state).toBe("closed");
  });

  test.each<[unknown]>([["a\0b"], [undefined], [1], [{}], ["\ud800"]])("%j is not a command", (text) => {
    const session = new WalReceiver();
    expect(() => session.send({ type: "Query", query: text as string })).toThrow(EncodeError);
    expect(session.state).toBe("idle");
  });

  test.each(["", "00", "00 0001", "02 0000", "00 0000 00"])(
    "CopyBothResponse with body [%s] is no message",
    (digits) => {
      const session = new WalReceiver();
      session.send({ type: "Query", query: "START_REPLICATION 0/0" });
      expect(events(session, encodeFrame("W", hex(digits)))[0]).toMatch(/^DecodeError: CopyBothResponse/);
    },
  );

  law(
    "any split of any frames gives the same events",
    fc.property(
      splits(
        fc
          .array(
            fc.oneof(
              fc.constantFrom(complete, ready, copyBoth, copyDone, failed, oneColumn, row("1"), row()),
              fc
                .record({ tag: fc.constantFrom(..."dcWTDCEZNSAI?"), body: fc.uint8Array({ maxLength: 9 }) })
                .map(({ tag, body }) => encodeFrame(tag, body)),
            ),
          )
          .map((frames) => concat(...frames)),
      ),
      fc.constantFrom("idle", "busy", "streaming"),
      (chunks, state) => {
        const start = (): WalReceiver => {
          const session = state === "streaming" ? streaming() : new WalReceiver();
          if (state === "busy") session.send({ type: "Query", query: "SHOW a" });
          return session;
        };
        expect(events(start(), ...chunks)).toEqual(events(start(), concat(...chunks)));
      },
    ),
  );
});

describe("Feedback", () => {
  const at = (microseconds: bigint): PgTime => toPgTime(microseconds);
  const keepalive = (walEnd: bigint, replyRequested = false): WalSenderMessage => ({
    type: "Keepalive",
    walEnd: toLsn(walEnd),
    sendTime: at(0n),
    replyRequested,
  });
  /** What a logical walsender sends: the same position twice. */
  const change = (position: bigint, data: string): WalSenderMessage => ({
    type: "XLogData",
    dataStart: toLsn(position),
    walEnd: toLsn(position),
    sendTime: at(0n),
    data: new TextEncoder().encode(data),
  });
  /** What a physical one sends: where the bytes begin, and where all of its WAL ends. */
  const wal = (dataStart: bigint, walEnd: bigint, length: number): WalSenderMessage => ({
    type: "XLogData",
    dataStart: toLsn(dataStart),
    walEnd: toLsn(walEnd),
    sendTime: at(0n),
    data: new Uint8Array(length),
  });
  const positions = (feedback: Feedback): bigint[] => {
    const { write, flush, apply } = feedback.update(at(0n));
    return [write, flush, apply];
  };

  law(
    "positions never go back, and what is flushed has been received",
    fc.property(
      fc.array(fc.oneof(walSenderMessage(), lsn())),
      fc.constantFrom(undefined, "pgoutput" as const),
      (steps, plugin) => {
        const feedback = new Feedback({ plugin });
        let last = feedback.update(at(0n));
        for (const step of steps) {
          try {
            if (typeof step === "bigint") feedback.flushed(step);
            else feedback.note(step);
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError);
            expect(step).toMatchObject({ type: "XLogData" });
          }
          const next = feedback.update(at(0n));
          expect(next.write >= last.write && next.flush >= last.flush && next.write >= next.flush).toBe(true);
          last = next;
        }
      },
    ),
  );

  law(
    "changes count as flushed only once the caller has flushed them",
    fc.property(
      fc.array(fc.tuple(fc.constantFrom("keepalive", "change", "flush"), fc.bigInt({ min: 0n, max: 9n }))),
      (steps) => {
        const feedback = new Feedback();
        let position = 1n;
        let data = 0n;
        let pending = false;
        feedback.note(keepalive(position));
        for (const [what, distance] of steps) {
          if (what === "flush") {
            pending = false;
            feedback.flushed(toLsn(data));
          } else {
            position += distance;
            if (what === "change") {
              data = position;
              pending = true;
            }
            feedback.note(what === "change" ? change(position, "I") : keepalive(position));
          }
          const [write, flush] = positions(feedback);
          expect(write).toBe(position);
          if (pending) expect(flush).toBeLessThanOrEqual(data);
          else expect(flush).toBe(position);
        }
      },
    ),
  );

  test.each([undefined, "pgoutput"] as const)(
    "WAL beyond the last position is rejected, and changes nothing (%s)",
    (plugin) => {
      const feedback = new Feedback({ plugin });
      feedback.note(wal(2n ** 64n - 9n, 0n, 8));
      expect(feedback.received).toBe(2n ** 64n - 1n);
      const before = positions(feedback);
      expect(() => feedback.note(wal(2n ** 64n - 16n, 2n ** 64n - 1n, 50))).toThrow(
        new ProtocolError("the server sent 50 bytes of WAL from FFFFFFFF/FFFFFFF0, beyond the last position"),
      );
      expect(positions(feedback)).toEqual(before);
      expect(() => feedback.note({ ...keepalive(0n), walEnd: -1n as Lsn } as WalSenderMessage)).toThrow(ArgumentError);
    },
  );

  test("a keepalive counts as flushed while nothing is pending", () => {
    const feedback = new Feedback();
    feedback.note(keepalive(50n));
    expect(positions(feedback)).toEqual([50n, 50n, 50n]);
    feedback.note(change(60n, "I"));
    feedback.note(change(70n, "C"));
    feedback.note(keepalive(80n));
    expect(positions(feedback)).toEqual([80n, 50n, 50n]);
    feedback.flushed(toLsn(70n));
    expect(positions(feedback)).toEqual([80n, 80n, 80n]);
    feedback.note(keepalive(90n));
    expect(positions(feedback)).toEqual([90n, 90n, 90n]);
  });

  // A walsender sends a message that is not transactional with the position where its record begins, and that is where the WAL of a
  // Keepalive before it ended: logicalmsg_decode.
  test("a change that begins at the position of a keepalive waits for flushed", () => {
    const feedback = new Feedback();
    feedback.note(keepalive(50n));
    feedback.note(change(50n, "M"));
    feedback.note(keepalive(80n));
    expect(positions(feedback)).toEqual([80n, 50n, 50n]);
    feedback.flushed(toLsn(50n));
    expect(positions(feedback)).toEqual([80n, 80n, 80n]);
  });

  test("with pgoutput only ends of transactions wait for flushed", () => {
    const [any, pgoutput] = [new Feedback(), new Feedback({ plugin: "pgoutput" })];
    for (const feedback of [any, pgoutput]) {
      feedback.note(keepalive(50n));
      feedback.note(change(60n, "M")); // not transactional
      feedback.note(change(70n, "A")); // StreamAbort
      feedback.note(keepalive(80n));
    }
    expect(positions(any)).toEqual([80n, 50n, 50n]);
    expect(positions(pgoutput)).toEqual([80n, 80n, 80n]);
    for (const tag of "CcPpKr") {
      const feedback = new Feedback({ plugin: "pgoutput" });
      feedback.note(change(60n, tag));
      feedback.note(keepalive(80n));
      expect(positions(feedback)).toEqual([80n, 0n, 0n]);
    }
  });

  test("a physical receiver has what has come, and not all that the server has", () => {
    const feedback = new Feedback();
    feedback.note(wal(100n, 1000n, 50));
    expect(positions(feedback)).toEqual([150n, 0n, 0n]);
    feedback.flushed(toLsn(150n));
    expect(positions(feedback)).toEqual([150n, 150n, 150n]);
  });

  test("an update is due at first, at every interval, and when the server asks", () => {
    const feedback = new Feedback({ interval: 10n });
    const due = (time: bigint): boolean => feedback.due(at(time)) !== undefined;
    expect([due(0n), due(9n), due(10n), due(11n)]).toEqual([true, false, true, false]);
    feedback.note(keepalive(5n, true));
    expect([due(12n), due(13n)]).toEqual([true, false]);
    expect(feedback.received).toBe(5n);
    // A clock that was set back does not silence us.
    expect([due(1n), due(2n), due(11n)]).toEqual([true, false, true]);
  });

  test("a silent server is asked after half of the time limit, and given up after all of it", () => {
    const feedback = new Feedback({ interval: 1000n, timeout: 100n });
    expect(feedback.due(at(0n))).toMatchObject({ replyRequested: false });
    expect(feedback.due(at(500n))).toBeUndefined(); // Nobody has listened yet.
    feedback.heard(at(500n));
    expect(feedback.due(at(549n))).toBeUndefined();
    expect(feedback.due(at(550n))).toMatchObject({ replyRequested: true });
    expect(feedback.due(at(599n))).toBeUndefined();
    expect(() => feedback.due(at(600n))).toThrow(
      expect.objectContaining({ constructor: ConnectionError, code: "TIMEOUT" }),
    );
    feedback.heard(at(600n));
    expect(feedback.due(at(649n))).toBeUndefined();
    expect(feedback.due(at(650n))).toMatchObject({ replyRequested: true });
    const patient = new Feedback({ interval: 1000n, timeout: 0n });
    patient.heard(at(0n));
    patient.due(at(0n));
    expect(patient.due(at(999n))).toBeUndefined();
  });

  test("a flush position that has advanced is due at once, and then at most every 10 ms", () => {
    const feedback = new Feedback();
    let rung = 0;
    feedback.onDue = () => rung++;
    expect(feedback.due(at(0n))).toBeDefined();
    feedback.note(change(60n, "C"));
    expect(feedback.due(at(20_000n))).toBeUndefined();
    feedback.flushed(toLsn(60n));
    expect(rung).toBe(1);
    expect(feedback.deadline(at(20_000n))).toBe(10_000n);
    expect(feedback.due(at(20_000n))).toMatchObject({ flush: 60n });
    feedback.note(change(70n, "C"));
    feedback.flushed(toLsn(70n));
    expect(feedback.due(at(29_999n))).toBeUndefined();
    expect(feedback.deadline(at(29_999n))).toBe(30_000n);
    expect(feedback.due(at(30_000n))).toMatchObject({ flush: 70n });
    feedback.flushed(toLsn(70n));
    expect([rung, feedback.due(at(50_000n))]).toEqual([2, undefined]);
  });

  law(
    "the deadline is the first time at which something is due",
    fc.property(
      fc.bigInt({ min: 1n, max: 40n }),
      fc.bigInt({ min: 0n, max: 40n }),
      fc.array(fc.constantFrom("heard", "flushed", "asked", "due", "tick"), { maxLength: 30 }),
      (interval, timeout, steps) => {
        const feedback = new Feedback({ interval, timeout });
        const isDue = (time: bigint): boolean => {
          try {
            return feedback.due(at(time)) !== undefined;
          } catch (error) {
            expect(error).toBeInstanceOf(ConnectionError);
            return true;
          }
        };
        let time = 0n;
        for (const step of steps) {
          if (step === "heard") feedback.heard(at(time));
          else if (step === "flushed") feedback.flushed(toLsn(feedback.received + 1n));
          else if (step === "asked") feedback.note(keepalive(time, true));
          else if (step === "tick") time++;
          else {
            const deadline = feedback.deadline(at(time));
            // What is not due before the deadline is due then.
            if (deadline > time) expect(isDue(deadline - 1n)).toBe(false);
            time = deadline > time ? deadline : time;
            expect(isDue(time)).toBe(true);
          }
        }
      },
    ),
  );

  test.each<[string, () => unknown]>([
    ["an interval of 0", () => new Feedback({ interval: 0n })],
    ["an interval that is a number", () => new Feedback({ interval: 10 as unknown as bigint })],
    ["a negative timeout", () => new Feedback({ timeout: -1n })],
    ["an unknown plugin", () => new Feedback({ plugin: "wal2json" as "pgoutput" })],
    ["a position that is a number", () => new Feedback().flushed(1 as unknown as Lsn)],
    ["a time that is a number", () => new Feedback().due(1 as unknown as PgTime)],
  ])("%s is an ArgumentError", (_, call) => {
    expect(call).toThrow(ArgumentError);
  });
});

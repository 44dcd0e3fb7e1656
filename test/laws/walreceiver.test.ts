/** Laws and cases of the receiver's state machine, of feedback, and of the messages around a stream. */
import fc from "fast-check";
import { DatabaseError } from "pg-protocol";
import { describe, expect, test } from "vitest";
import { concat, splits } from "../../src/arbitraries/bytes.ts";
import { lsn, walSenderMessage } from "../../src/arbitraries/messages.ts";
import { DecodeError, ProtocolError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import { decodeSessionMessage } from "../../src/node/session-message.ts";
import { Feedback } from "../../src/session/feedback.ts";
import { WalReceiver, type WalReceiverEvent } from "../../src/session/walreceiver.ts";
import { encodeFrame } from "../../src/wire/framer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

const ready = encodeFrame("Z", hex("49"));
const copyBoth = encodeFrame("W", hex("00 0000"));
const nothing = new Uint8Array(0);

/** All events that the bytes give, with the state after each, and the error that ends them. */
function events(session: WalReceiver, ...chunks: readonly Uint8Array[]): string[] {
  const seen: string[] = [];
  const show = (event: WalReceiverEvent): string => {
    if (event.type === "CopyData") return `CopyData ${toHex(event.payload)}`;
    return event.type === "SessionMessage" ? event.tag : event.type;
  };
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
  session.query("START_REPLICATION 0/0");
  expect(events(session, copyBoth)).toEqual(["CopyBothResponse -> streaming"]);
  return session;
}

describe("WalReceiver", () => {
  test("a command, its rows, and ready again", () => {
    const session = new WalReceiver();
    expect(toHex(session.query("SHOW a"))).toBe(toHex(hex("51 0000000b 53484f572061 00")));
    expect(session.state).toBe("busy");
    const answer = ["T", "D", "C"].map((tag) => encodeFrame(tag, nothing));
    expect(events(session, ...answer, ready)).toEqual(["T -> busy", "D -> busy", "C -> busy", "Z -> idle"]);
  });

  test("a stream that we end: what is under way still comes, then the server's end, the tags, and ready", () => {
    const session = streaming();
    expect(events(session, encodeFrame("d", hex("6b")))).toEqual(["CopyData 6b -> streaming"]);
    expect(toHex(session.copyData(hex("72")))).toBe("640000000572");
    expect(toHex(session.copyDone())).toBe("6300000004");
    expect(session.state).toBe("clientDone");
    expect(() => session.copyData(hex("72"))).toThrow(ProtocolError);
    const frames = [encodeFrame("d", hex("77")), encodeFrame("c", nothing), encodeFrame("C", nothing), ready];
    expect(events(session, ...frames)).toEqual([
      "CopyData 77 -> clientDone",
      "CopyDone -> ending",
      "C -> busy",
      "Z -> idle",
    ]);
  });

  test("a stream that the server ends waits for our end; then comes the next timeline", () => {
    const session = streaming();
    expect(events(session, encodeFrame("c", nothing))).toEqual(["CopyDone -> serverDone"]);
    session.copyData(hex("72"));
    session.copyDone();
    const row = [encodeFrame("T", nothing), encodeFrame("D", nothing), encodeFrame("C", nothing), ready];
    expect(events(session, ...row)).toEqual(["T -> ending", "D -> ending", "C -> busy", "Z -> idle"]);
  });

  test("a keepalive may come after the server's CopyDone", () => {
    const session = streaming();
    session.copyDone();
    const frames = [encodeFrame("c", nothing), encodeFrame("d", hex("6b")), encodeFrame("C", nothing), ready];
    expect(events(session, ...frames)).toEqual([
      "CopyDone -> ending",
      "CopyData 6b -> ending",
      "C -> busy",
      "Z -> idle",
    ]);
  });

  test("a stream that fails is over with the ErrorResponse, without CopyDone", () => {
    expect(events(streaming(), encodeFrame("E", nothing), ready)).toEqual(["E -> busy", "Z -> idle"]);
  });

  test("a server that shuts down ends the stream with CommandComplete", () => {
    expect(events(streaming(), encodeFrame("C", nothing))).toEqual(["C -> busy"]);
  });

  test("notices, parameters and notifications come at any time", () => {
    for (const tag of ["N", "S", "A"]) {
      expect(events(new WalReceiver(), encodeFrame(tag, nothing))).toEqual([`${tag} -> idle`]);
      expect(events(streaming(), encodeFrame(tag, nothing))).toEqual([`${tag} -> streaming`]);
    }
  });

  test.each([
    ["data outside of a stream", new WalReceiver(), "d", "idle"],
    ["ready when nothing was asked", new WalReceiver(), "Z", "idle"],
    ["rows in a stream", streaming(), "D", "streaming"],
    ["a stream in a stream", streaming(), "W", "streaming"],
    ["a message that there is not", streaming(), "?", "streaming"],
  ])("%s is out of order", (_, session, tag, state) => {
    const message = `ProtocolError: the server sent message ${JSON.stringify(tag)} while the connection is ${state}`;
    expect(events(session, encodeFrame(tag, nothing))).toEqual([message]);
  });

  test("we cannot do what is out of order either", () => {
    const session = new WalReceiver();
    expect(() => session.copyData(nothing)).toThrow(ProtocolError);
    expect(() => session.copyDone()).toThrow(ProtocolError);
    session.query("SHOW a");
    expect(() => session.query("SHOW a")).toThrow("a command cannot be sent while the connection is busy");
    expect(() => new WalReceiver().query("a\0b")).toThrow(RangeError);
    expect(toHex(session.terminate())).toBe("5800000004");
  });

  test.each(["", "00", "00 0001", "02 0000", "00 0000 00"])(
    "CopyBothResponse with body [%s] is no message",
    (digits) => {
      const session = new WalReceiver();
      session.query("START_REPLICATION 0/0");
      expect(events(session, encodeFrame("W", hex(digits)))[0]).toMatch(/^DecodeError: CopyBothResponse/);
    },
  );

  law(
    "any split of any frames gives the same events",
    fc.property(
      splits(
        fc
          .array(fc.record({ tag: fc.constantFrom(..."dcWTDCEZNSA?"), body: fc.uint8Array({ maxLength: 9 }) }))
          .map((frames) =>
            concat(...frames.map(({ tag, body }) => encodeFrame(tag, tag === "W" ? hex("00 0000") : body))),
          ),
      ),
      fc.constantFrom("idle", "busy", "streaming"),
      (chunks, state) => {
        const start = (): WalReceiver => {
          const session = state === "streaming" ? streaming() : new WalReceiver();
          if (state === "busy") session.query("SHOW a");
          return session;
        };
        expect(events(start(), ...chunks)).toEqual(events(start(), concat(...chunks)));
      },
    ),
  );
});

describe("Feedback", () => {
  law(
    "positions never go back, and what is flushed has been received",
    fc.property(fc.array(fc.oneof(walSenderMessage(), lsn())), (steps) => {
      const feedback = new Feedback();
      let last = feedback.update(toPgTime(0n));
      for (const step of steps) {
        if (typeof step === "bigint") feedback.flushed(step);
        else feedback.note(step);
        const next = feedback.update(toPgTime(0n));
        expect(next.write >= last.write && next.flush >= last.flush && next.write >= next.flush).toBe(true);
        last = next;
      }
    }),
  );

  test("an update is due at first, at every interval, and when the server asks", () => {
    const feedback = new Feedback(10n);
    const due = (time: bigint): boolean => feedback.due(toPgTime(time)) !== undefined;
    expect([due(0n), due(9n), due(10n), due(11n)]).toEqual([true, false, true, false]);
    feedback.note({ type: "Keepalive", walEnd: toLsn(5n), sendTime: toPgTime(0n), replyRequested: true });
    expect([due(12n), due(13n)]).toEqual([true, false]);
    expect(feedback.received).toBe(5n);
  });
});

describe("session messages", () => {
  law(
    "any body of any message is decoded or refused, and never hangs",
    fc.property(
      fc.constantFrom(..."TDECNSAZI?d"),
      fc.oneof(
        fc.uint8Array({ maxLength: 40 }),
        fc.array(fc.constantFrom(0, 0, 1, 77, 255)).map((bytes) => Uint8Array.from(bytes)),
      ),
      (tag, body) => {
        try {
          expect(decodeSessionMessage(tag, body)).toHaveProperty("name");
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
        }
      },
    ),
    10_000,
  );

  test("an ErrorResponse becomes a DatabaseError with its fields", () => {
    const error = decodeSessionMessage(
      "E",
      new TextEncoder().encode("SERROR\0C42601\0Msyntax error\0Rreplication_yyerror\0\0"),
    );
    expect(error).toBeInstanceOf(DatabaseError);
    expect(error).toMatchObject({
      name: "error",
      code: "42601",
      message: "syntax error",
      routine: "replication_yyerror",
    });
  });

  test.each([
    ["E", "53 4552524f52 00", "an ErrorResponse without its end"],
    ["D", "0001 00000005 61", "a value that is cut short"],
    ["D", "0001 fffffffe", "a negative length"],
    ["T", "0001 61", "a name without its end"],
    ["C", "53", "a tag without its end"],
    ["Z", "", "no status"],
    ["Z", "49 49", "a byte too many"],
  ])("%s [%s] is refused: %s", (tag, digits) => {
    expect(() => decodeSessionMessage(tag, hex(digits))).toThrow(DecodeError);
  });
});

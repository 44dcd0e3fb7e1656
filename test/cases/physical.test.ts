/** What hangs on the server's version inside CopyData: recorded bytes of servers that do not run here, and what each refuses. */
import { describe, expect, test } from "vitest";
import { DecodeError } from "../../src/kernel/errors.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
  physicalContext,
} from "../../src/physical/index.ts";
import { hex, toHex } from "../hex.ts";

describe("a PrimaryStatusUpdate", () => {
  // 19beta1, when its next transaction was 696 and none was committing.
  const bytes = hex("73 000000000170cdc0 00000000000002b8 00000000000002b8 0003040e32c03e80");

  test("says what the server said", () => {
    const message = decodeWalSenderMessage(bytes, physicalContext("19"));
    expect(message).toEqual({
      type: "PrimaryStatusUpdate",
      ...{ walWrite: 0x170cdc0n, oldestXidInCommit: 696n, nextXid: 696n, sendTime: 848883957644928n },
    });
    expect(toHex(encodeWalSenderMessage(message))).toBe(toHex(bytes));
  });

  test("is no message before 19", () => {
    expect(() => decodeWalSenderMessage(bytes, physicalContext("18"))).toThrow(
      expect.objectContaining({
        constructor: DecodeError,
        code: "BAD_TAG",
        message: expect.stringContaining('expected "w" or "k"'),
      }),
    );
  });
});

describe("a PrimaryStatusRequest", () => {
  const bytes = hex("70 0003040e32c03e80");

  test("is a message from 19 on", () => {
    expect(decodeWalReceiverMessage(bytes, physicalContext("19")).type).toBe("PrimaryStatusRequest");
    expect(() => decodeWalReceiverMessage(bytes, physicalContext("18"))).toThrow('expected "r" or "h"');
  });
});

describe("a HotStandbyFeedback", () => {
  const short = hex("68 0003040e32c03e80 00000007 00000001");
  const long = hex("68 0003040e32c03e80 00000007 00000001 00000005 00000002");

  test("has 17 bytes before 10, and what stands behind them is not looked at", () => {
    const before = physicalContext("9.6");
    const message = decodeWalReceiverMessage(short, before);
    expect(message).toMatchObject({ xmin: 7, xminEpoch: 1, catalogXmin: undefined, extra: undefined });
    expect(toHex(encodeWalReceiverMessage(message))).toBe(toHex(short));
    expect(decodeWalReceiverMessage(long, before)).toMatchObject({ xmin: 7, extra: hex("00000005 00000002") });
  });

  test("has 25 bytes from 10 on", () => {
    expect(decodeWalReceiverMessage(long, physicalContext("10"))).toMatchObject({
      ...{ xmin: 7, xminEpoch: 1, catalogXmin: 5, catalogXminEpoch: 2, extra: undefined },
    });
    expect(() => decodeWalReceiverMessage(short, physicalContext("10"))).toThrow("catalogXmin needs 4 bytes");
  });

  test("has both fields of the catalogs' xmin, or none", () => {
    const feedback = { type: "HotStandbyFeedback", clientTime: toPgTime(0n) } as const;
    expect(() => encodeWalReceiverMessage({ ...feedback, xmin: 1, xminEpoch: 0, catalogXmin: 1 })).toThrow(
      "HotStandbyFeedback.catalogXminEpoch is undefined, expected a whole number from 0 to 4294967295",
    );
    expect(() => encodeWalReceiverMessage({ ...feedback, xmin: 1, xminEpoch: 0, catalogXminEpoch: 1 })).toThrow(
      "HotStandbyFeedback.catalogXminEpoch is 1, expected nothing without catalogXmin",
    );
  });
});

test("a Keepalive has no bytes behind it, a StandbyStatusUpdate may", () => {
  const lsn = "0000000006033cc8";
  expect(() => decodeWalSenderMessage(hex(`6b ${lsn} ${lsn} 00 01`))).toThrow("Keepalive has 1 byte too many");
  const update = hex(`72 ${lsn} ${lsn} ${lsn} ${lsn} 01 0102030405`);
  const message = decodeWalReceiverMessage(update);
  expect(message).toMatchObject({ type: "StandbyStatusUpdate", extra: hex("0102030405") });
  expect(toHex(encodeWalReceiverMessage(message))).toBe(toHex(update));
});

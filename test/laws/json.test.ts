/** Laws of the JSON views of messages: they are JSON, say everything, and write positions as servers do. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { contextOf, messageOf } from "../../src/arbitraries/messages.ts";
import { DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../src/physical/messages.ts";
import { jsonOf } from "../../src/wire/json.ts";
import { hex, toHex } from "../hex.ts";
import { interpretDecode, interpretEncode } from "../oracle/interpret.ts";
import { law } from "./law.ts";

describe.each([WalSenderMessage, WalReceiverMessage, PgoutputMessage])("$name", (family) => {
  const view = (message: object): string => JSON.stringify(jsonOf(family, message as { type: string }));
  const inContext = contextOf(family).chain((holds) =>
    fc.record({ holds: fc.constant(holds), message: messageOf(family, holds) as fc.Arbitrary<object> }),
  );
  /** Two messages of one context, the second one often the first with a byte changed. */
  const two = inContext.chain(({ holds, message }) => {
    const bytes = interpretEncode(family, message);
    const near = damaged(fc.constant(bytes)).map((each) => {
      try {
        return interpretDecode(family, each, holds);
      } catch (error) {
        if (error instanceof DecodeError) return message;
        throw error;
      }
    });
    return fc.tuple(fc.constant(message), fc.oneof(near, messageOf(family, holds) as fc.Arbitrary<object>));
  });

  law(
    "a view is what JSON gives back of it",
    fc.property(inContext, ({ message }) => {
      const json = jsonOf(family, message as { type: string });
      expect(JSON.parse(JSON.stringify(json))).toEqual(json);
      expect(Object.values(json)).not.toContain(undefined);
    }),
  );

  law(
    "two messages have the same view exactly if they have the same bytes",
    fc.property(two, ([a, b]) => {
      const same = toHex(interpretEncode(family, a)) === toHex(interpretEncode(family, b));
      expect(view(a) === view(b)).toBe(same);
    }),
    5000,
  );

  test("rejects what is not a message of the family", () => {
    expect(() => jsonOf(family, { type: "Nothing" })).toThrow(EncodeError);
  });
});

test("each form of a field", () => {
  const decoded = (digits: string, holds?: Record<string, boolean>): object =>
    jsonOf(PgoutputMessage, interpretDecode(PgoutputMessage, hex(digits), holds) as never);
  expect(
    decoded("52 000002f4 0000400b 7075626c696300 7400 64 0002 01 696400 00000017 ffffffff 00 ff00 00000019 00000004", {
      inStream: true,
      parallel: false,
    }),
  ).toEqual({
    type: "Relation",
    xid: 756,
    relationId: 16395,
    namespace: "public",
    name: "t",
    replicaIdentity: "default",
    columns: [
      { key: true, name: "id", typeId: 23, typeModifier: -1 },
      { key: false, name: "\udcff", typeId: 25, typeModifier: 4 },
    ],
  });
  expect(decoded("55 0000400b 4b 0002 74 00000001 32 6e 4e 0002 62 00000002 00ff 75")).toEqual({
    type: "Update",
    relationId: 16395,
    oldTuple: { type: "key", tuple: ["2", null] },
    newTuple: [{ binary: "\\x00ff" }, { unchanged: true }],
  });
  expect(decoded("54 00000001 02 0000400b")).toEqual({
    type: "Truncate",
    options: { cascade: false, restartIdentity: true },
    relationIds: [16395],
  });
  expect(decoded("4d 00 0000000106036558 7000 00000002 00ff")).toEqual({
    type: "Message",
    transactional: false,
    lsn: "1/6036558",
    prefix: "p",
    content: "\\x00ff",
  });
  const status = hex("73 0000000000000001 0000000300000002 ffffffffffffffff 000303e6278429f8");
  const update = interpretDecode(WalSenderMessage, status) as never;
  expect(jsonOf(WalSenderMessage, update, "19")).toEqual({
    type: "PrimaryStatusUpdate",
    walWrite: "0/00000001",
    oldestXidInCommit: "12884901890",
    nextXid: "18446744073709551615",
    sendTime: "2026-11-23T01:19:30.466296Z",
  });
});

/** What is said of bytes that are no message: code, offset, field and sentence, one case each. */
import { describe, expect, test } from "vitest";
import { decodePgoutputMessage } from "../../src/generated/logical.ts";
import { decodeWalReceiverMessage, decodeWalSenderMessage } from "../../src/generated/physical.ts";
import { DecodeError, errorCodes } from "../../src/kernel/errors.ts";
import { hex } from "../hex.ts";

const time = "000303e6278429f8";
const lsn = "0000000006033cc8";

describe.each([
  [
    "an empty payload",
    decodeWalSenderMessage,
    "",
    "TRUNCATED",
    0,
    "WalSenderMessage.type",
    "needs 1 byte at offset 0; 0 are left",
  ],
  [
    "a wrong tag",
    decodeWalSenderMessage,
    "78",
    "BAD_TAG",
    0,
    "WalSenderMessage.type",
    'is "x", expected "w", "k" or "s", at offset 0',
  ],
  [
    "a receiver's message from the server",
    decodeWalSenderMessage,
    "72",
    "BAD_TAG",
    0,
    "WalSenderMessage.type",
    'is "r", expected "w", "k" or "s", at offset 0',
  ],
  [
    "a tag that is no character",
    decodeWalReceiverMessage,
    "00",
    "BAD_TAG",
    0,
    "WalReceiverMessage.type",
    'is 0x00, expected "r", "h" or "p", at offset 0',
  ],
  [
    "a truncated XLogData",
    decodeWalSenderMessage,
    `77 ${lsn} 00`,
    "TRUNCATED",
    9,
    "XLogData.walEnd",
    "needs 8 bytes at offset 9; 1 is left",
  ],
  [
    "a Keepalive with a byte too many",
    decodeWalSenderMessage,
    `6b ${lsn} ${time} 00 00`,
    "TRAILING_BYTES",
    18,
    "Keepalive",
    "has 1 byte too many at offset 18",
  ],
  [
    "a bool that is neither",
    decodeWalSenderMessage,
    `6b ${lsn} ${time} 02`,
    "BAD_VALUE",
    17,
    "Keepalive.replyRequested",
    "is 2, expected 0 or 1, at offset 17",
  ],
  [
    "the short feedback of servers before 10",
    decodeWalReceiverMessage,
    `68 ${time} 00000001 00000000`,
    "TRUNCATED",
    17,
    "HotStandbyFeedback.catalogXmin",
    "needs 4 bytes at offset 17; 0 are left",
  ],
  [
    "a name without its end",
    decodePgoutputMessage,
    `4f ${lsn} 6f31`,
    "TRUNCATED",
    9,
    "Origin.name",
    "has no zero byte at its end; it begins at offset 9",
  ],
  [
    "a replica identity that is none",
    decodePgoutputMessage,
    "52 00000001 00 00 78 0000",
    "BAD_VALUE",
    7,
    "Relation.replicaIdentity",
    'is "x", expected "d", "n", "f" or "i", at offset 7',
  ],
  [
    "a column of a list",
    decodePgoutputMessage,
    "52 00000001 00 00 64 0002 00 6100 00000017 ffffffff 02",
    "BAD_VALUE",
    21,
    "Relation.columns[1].key",
    "is 2, expected 0 or 1, at offset 21",
  ],
  [
    "a kind of column that is none",
    decodePgoutputMessage,
    "49 00000001 4e 0002 6e 7a",
    "BAD_VALUE",
    9,
    "Insert.newTuple[1].type",
    'is "z", expected "n", "u", "t" or "b", at offset 9',
  ],
  [
    "a value longer than the message",
    decodePgoutputMessage,
    "49 00000001 4e 0001 74 ffffffff 61",
    "TRUNCATED",
    13,
    "Insert.newTuple[0].value",
    "needs 4294967295 bytes at offset 13; 1 is left",
  ],
  [
    "an old tuple where the new one must be",
    decodePgoutputMessage,
    "49 00000001 4b",
    "BAD_VALUE",
    5,
    "Insert.newTuple",
    'is "K", expected "N", at offset 5',
  ],
  [
    "a delete without an old tuple",
    decodePgoutputMessage,
    "44 00000001 4e 0000",
    "BAD_VALUE",
    5,
    "Delete.oldTuple.type",
    'is "N", expected "K" or "O", at offset 5',
  ],
  [
    "four billion truncated tables in nine bytes",
    decodePgoutputMessage,
    "54 ffffffff 00 00000001",
    "TRUNCATED",
    10,
    "Truncate.relationIds[1]",
    "needs 4 bytes at offset 10; 0 are left",
  ],
  [
    "an option of truncate that is none",
    decodePgoutputMessage,
    "54 00000001 04 00000001",
    "BAD_VALUE",
    5,
    "Truncate.options",
    "is 4, expected only bits of 3, at offset 5",
  ],
  [
    "flags of a commit",
    decodePgoutputMessage,
    `43 01 ${lsn} ${lsn} ${time}`,
    "BAD_VALUE",
    1,
    "Commit.flags",
    "is 1, expected 0, at offset 1",
  ],
] as const)("%s", (_, decode, digits, code, offset, path, sentence) => {
  test(`is ${code} at ${path}`, () => {
    expect(() => decode(hex(digits))).toThrow(
      expect.objectContaining({
        constructor: DecodeError,
        name: "DecodeError",
        code,
        offset,
        path,
        message: `${path} ${sentence}`,
      }),
    );
    expect(errorCodes[code]).toMatch(/^[A-Z].*\.$/);
  });
});

/** Both readers of replication commands agree on every text, on every version at which something changed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { clientTexts, clientTextsFor } from "../../src/arbitraries/clients.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { serverVersionNum } from "../../src/kernel/version.ts";
import { grammarFor, makeParser, readCommand } from "../oracle/lalr.ts";
import { parsedCommand } from "../oracle/readers.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

const newest = serverVersionNum("19");

describe.each(versionsWith("replicationSlots"))("%s", (server) => {
  law(
    "both readers make the same of any text: a tree, SQL, or an error; and notices",
    fc.property(commandText({ server }), (text) => {
      expect(parsedCommand(text, server)).toStrictEqual(readCommand(text, server));
    }),
    1000,
  );

  test("both read what clients send", () => {
    for (const { text } of clientTextsFor(server)) {
      expect([text, readCommand(text, server)]).toMatchObject([text, { outcome: "command", notices: [] }]);
      expect(parsedCommand(text, server)).toStrictEqual(readCommand(text, server));
    }
  });

  test("its grammar has no conflicts", () => {
    expect(() => makeParser(grammarFor(server))).not.toThrow();
  });
});

test("every command of a client is sent to some version", () => {
  const sent = new Set(versionsWith("replicationSlots").flatMap((server) => clientTextsFor(server)));
  expect(clientTexts.filter((each) => !sent.has(each))).toEqual([]);
});

test("a grammar with conflicts is no second reader", () => {
  const grammar = "%lex\n%%\na return 'a';\n/lex\n%%\nstart : list ;\nlist : list list | a ;\n";
  expect(() => makeParser(grammar)).toThrow("conflict");
});

describe("the second reader", () => {
  test.each<[string, string, number, object]>([
    // What a C program on 64-bit Linux makes of them.
    ["9.4", "TIMELINE_HISTORY 4294967297", 0, { timeline: 1 }],
    ["19", "TIMELINE_HISTORY 18446744073709551615", 0, { timeline: 0xffffffff }],
    ["19", "TIMELINE_HISTORY 99999999999999999999999", 0, { timeline: 0xffffffff }],
    ["18", "START_REPLICATION 1/123456789", 0, { startpoint: 0x1_2345_6789n }],
    ["19", "START_REPLICATION 1/123456789", 0, { startpoint: 0x1_1234_5678n }],
    ["18", "START_REPLICATION 123456789/10000000000000000", 0, { startpoint: 0x23456789_ffffffffn }],
    ["9.6", "START_REPLICATION 0x1F/0X2", 0, { startpoint: 0x1f_0000_0002n }],
    ["9.6", "START_REPLICATION 1/0xyz", 0, { startpoint: 0x1_0000_0000n }],
    ["18", "BASE_BACKUP (a 4294967295)", 0, { options: [{ defname: "a", arg: { type: "Integer", ival: -1 } }] }],
    ["18", `SHOW "${"é".repeat(40)}"`, 1, { name: "é".repeat(31) }],
    ["18", `SHOW ${"A".repeat(63)}É`, 1, { name: "a".repeat(63) }],
    ["18", `SHOW ${"A".repeat(62)}É`, 1, { name: "a".repeat(62) }],
    ["18", `SHOW ${"A".repeat(61)}É`, 0, { name: `${"a".repeat(61)}É` }],
  ])("%s reads %s", (server, text, notices, tree) => {
    const reading = readCommand(text, serverVersionNum(server));
    expect(reading).toMatchObject({ outcome: "command", command: tree });
    expect(reading.notices).toHaveLength(notices);
  });

  test.each([
    ["18", "TIMELINE_HISTORY 0 'open", "invalid timeline 0"],
    ["18", "START_REPLICATION 0/0 TIMELINE 0 'open", "invalid timeline 0"],
    ["18", "IDENTIFY_SYSTEM x 'open", "syntax error"],
    ["18", "IDENTIFY_SYSTEM 'open", "unterminated quoted string"],
    ["14.1", "select x/1", "invalid streaming start location"],
    ["14.1", "START_REPLICATION xyz/0", "invalid streaming start location"],
    ["14.1", "select 1; select 2", "syntax error"],
    ["9.6", "IDENTIFY_SYSTEM .", 'syntax error: unexpected character "."'],
    ["9.6", "select 1", "syntax error"],
  ])("%s refuses %s in the order in which the server reads", (server, text, message) => {
    expect(readCommand(text, serverVersionNum(server))).toMatchObject({ outcome: "error", sqlstate: "42601", message });
  });

  test.each<[string, (n: number) => string]>([
    ["options", (n) => `BASE_BACKUP (${"a 1, ".repeat(n)}b)`],
    ["words", (n) => `CREATE_REPLICATION_SLOT x PHYSICAL ${"RESERVE_WAL ".repeat(n)}`],
    ["names joined with dots", (n) => `SHOW a${".a".repeat(n)}`],
    ["quotes", (n) => `BASE_BACKUP (a ${"'".repeat(2 * n)})`],
    ["digits", (n) => `TIMELINE_HISTORY ${"0".repeat(n)}${"1".repeat(n)}`],
  ])("reads a hundred thousand %s", (_, text) => {
    expect(readCommand(text(100_000), newest).outcome).toBe("command");
  });
});

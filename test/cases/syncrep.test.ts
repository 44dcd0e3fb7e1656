/** Values of synchronous_standby_names, one by one. What servers say of them is the same from 10 to 18, as was asked of them. */
import { describe, expect, test } from "vitest";
import { EncodeError, ParseError, UnsupportedError } from "../../src/errors.ts";
import {
  parseSynchronousStandbyNames,
  printSynchronousStandbyNames,
  type SyncRepConfig,
} from "../../src/syncrep/index.ts";

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

test.each<[string, SyncRepConfig | undefined]>([
  ["", undefined],
  ["a,b", first(1, "a", "b")],
  ["*", first(1, "*")],
  ['"*"', first(1, "*")],
  ["1", first(1, "1")],
  ["2,3", first(1, "2", "3")],
  ["2 (a,b)", first(2, "a", "b")],
  ["2(a)", first(2, "a")],
  ["00001 (a)", first(1, "a")],
  ["4294967297 (a)", first(1, "a")],
  ["99999999999 (a)", first(1215752191, "a")],
  ["FIRST 1 (1, 2)", first(1, "1", "2")],
  ["fIrSt 1(*)", first(1, "*")],
  ["ANY 300 (a)", any(300, "a")],
  ["any\t1\n(\r*\f,\va)", any(1, "*", "a")],
  ["ANY 2 (a, a)", any(2, "a", "a")],
  ['ANY 1 ("any","first")', any(1, "any", "first")],
  ["any1, first_, anyé", first(1, "any1", "first_", "anyé")],
  ['""', first(1, "")],
  ['"a""b", """"', first(1, 'a"b', '"')],
  ['"a\\", "n\n"', first(1, "a\\", "n\n")],
  ["Node_1, a1$, _a, é", first(1, "Node_1", "a1$", "_a", "é")],
  ["x".repeat(100), first(1, "x".repeat(100))],
  ["1(1)", first(1, "1")],
])("%j", (text, config) => {
  for (const server of [10, 14, 18, 19]) expect(parseSynchronousStandbyNames(text, { server })).toStrictEqual(config);
  expect(parseSynchronousStandbyNames(printSynchronousStandbyNames(config))).toStrictEqual(config);
});

describe("the server's errors", () => {
  const refused = (text: string): ParseError => {
    try {
      parseSynchronousStandbyNames(text);
    } catch (error) {
      if (error instanceof ParseError) return error;
      throw error;
    }
    throw new Error(`${text} is accepted`);
  };

  test.each<[string, string, number]>([
    [" ", "syntax error at end of input", 1],
    ["FIRST", "syntax error at end of input", 5],
    ["any 1", "syntax error at end of input", 5],
    ["2 (a", "syntax error at end of input", 4],
    ["a,", "syntax error at end of input", 2],
    ["a b", 'syntax error at or near "b"', 2],
    ["a,,b", 'syntax error at or near ","', 2],
    [",a", 'syntax error at or near ","', 0],
    ["(a,b)", 'syntax error at or near "("', 0],
    ["FIRST (a)", 'syntax error at or near "("', 6],
    ["first1 (a)", 'syntax error at or near "("', 7],
    ["3 ()", 'syntax error at or near ")"', 3],
    ["-1 (a)", 'syntax error at or near "-"', 0],
    ["node-1", 'syntax error at or near "-"', 4],
    ["1.5 (a)", 'syntax error at or near "."', 1],
    ["1a", 'syntax error at or near "a"', 1],
    ["1e3 (a)", 'syntax error at or near "e3"', 1],
    ["0x10 (a)", 'syntax error at or near "x10"', 1],
    ["1é\u00a0", 'syntax error at or near "é\u00a0"', 1],
    ["first 1 (Any)", 'syntax error at or near "Any"', 9],
    ["ANY * (a)", 'syntax error at or near "*"', 4],
    ["1 1 (a)", 'syntax error at or near "1"', 2],
    ["a;", 'syntax error at or near ";"', 1],
    ["'a'", 'syntax error at or near "\'"', 0],
    ["ANY 1 (a), b", 'syntax error at or near ","', 9],
    ["/* c */ a", 'syntax error at or near "/"', 0],
    ["-- x", 'syntax error at or near "-"', 0],
    // Of a quoted name flex holds the closing quote only.
    ['a "b c"', 'syntax error at or near """', 2],
    ['ANY "1" (a)', 'syntax error at or near """', 4],
    ['"', "unterminated quoted identifier at end of input", 0],
    ['a "b""', "unterminated quoted identifier at end of input", 2],
    ['a b "c', 'syntax error at or near "b"', 2],
    ["0 (a) b", 'syntax error at or near "b"', 6],
  ])("%j", (text, detail, offset) => {
    const error = refused(text);
    expect(error).toMatchObject({ sqlstate: "42601", detail, offset });
    expect(error.message).toBe(`invalid value for parameter "synchronous_standby_names": "${text}"`);
  });

  test.each([
    ["0 (a)", 0, 0],
    [" ANY 0 (a)", 0, 5],
    ["2147483648 (a)", -2147483648, 0],
    ["4294967295 (a)", -1, 0],
    ["4294967296 (a)", 0, 0],
    ["99999999999999999999999 (a)", -1, 0],
  ])("%j is too few", (text, numSync, offset) => {
    const message = `number of synchronous standbys (${numSync}) must be greater than zero`;
    expect(refused(text)).toMatchObject({
      code: "INVALID_VALUE",
      sqlstate: "22023",
      message,
      detail: undefined,
      offset,
    });
  });

  test.each<[unknown, string, number]>([
    ["a\0", 'invalid byte sequence for encoding "UTF8": 0x00', 1],
    ["a, \udc00", 'invalid byte sequence for encoding "UTF8": 0xed 0xb0 0x80', 3],
    [1, "expected a string, not number", 0],
  ])("%j is no text for a server", (value, message, offset) => {
    expect(() => parseSynchronousStandbyNames(value as string)).toThrow(
      expect.objectContaining({ code: "NOT_TEXT", sqlstate: "22021", message, offset }),
    );
  });

  test.each([
    ["node-1, b", "Write a name with anything but letters, digits, _ and $ in double quotes."],
    ["1a", "Write a name that begins with a digit in double quotes."],
    ["first, any", 'first is a keyword: write "first" to name a standby so.'],
    ["any", 'any is a keyword: write "any" to name a standby so.'],
    ["(a, b)", "Write how many standbys to wait for before the list: FIRST 1 (a, b) or ANY 1 (a, b)."],
    ["'a'", "Standby names stand in double quotes, or in none."],
    ["a b", "Separate names with commas."],
    [" ", "Write the empty string, without blanks, to switch synchronous replication off."],
  ])("%j comes with advice", (text, advice) => expect(refused(text).advice).toBe(advice));

  test("drawn with a caret", () => {
    expect(
      String(refused("FIRST 2 (node-1, node-2)")),
    ).toBe(`ParseError: invalid value for parameter "synchronous_standby_names": "FIRST 2 (node-1, node-2)"
DETAIL:  syntax error at or near "-"
LINE 1: FIRST 2 (node-1, node-2)
                     ^
expected "," or ")"
Write a name with anything but letters, digits, _ and $ in double quotes.`);
  });
});

test.each([
  [undefined, ""],
  [first(1, "a"), "FIRST 1 (a)"],
  [any(2, "A", "b", "*", "1", "12"), "ANY 2 (A, b, *, 1, 12)"],
  [
    first(1, "", " ", "a b", "1a", "Any", "first", 'q"', "a-b", "é"),
    'FIRST 1 ("", " ", "a b", "1a", "Any", "first", "q""", "a-b", é)',
  ],
])("prints %j", (config, text) => expect(printSynchronousStandbyNames(config)).toBe(text));

test.each<[object | null, string]>([
  [first(0, "a"), "SyncRepConfig.numSync"],
  [first(2 ** 31, "a"), "SyncRepConfig.numSync"],
  [first(1.5, "a"), "SyncRepConfig.numSync"],
  [first(1), "SyncRepConfig.memberNames"],
  [first(1, "a", "b\0"), "SyncRepConfig.memberNames[1]"],
  [first(1, "\ud800"), "SyncRepConfig.memberNames[0]"],
  [{ ...first(1, "a"), syncrepMethod: "toString" }, "SyncRepConfig.syncrepMethod"],
])("%j has no text", (config, path) => {
  expect(() => printSynchronousStandbyNames(config as SyncRepConfig)).toThrow(EncodeError);
  expect(() => printSynchronousStandbyNames(config as SyncRepConfig)).toThrow(expect.objectContaining({ path }));
});

test("before 10 the language was another", () => {
  for (const server of ["9.4", "9.6"]) {
    expect(() => parseSynchronousStandbyNames("a", { server })).toThrow(UnsupportedError);
    expect(() => printSynchronousStandbyNames(undefined, { server })).toThrow(
      expect.objectContaining({ capability: "quorumCommit" }),
    );
  }
});

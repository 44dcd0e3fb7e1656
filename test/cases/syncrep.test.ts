/** Values of synchronous_standby_names, one by one. What servers say of them is the same from 10 to 18, as was asked of them. */
import { describe, expect, test } from "vitest";
import { EncodeError, ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import {
  editSynchronousStandbyNames,
  locateSynchronousStandbyNames,
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
    ["node-1, b", "Write a name with characters other than letters, digits, _ and $ in double quotes."],
    ["1a", "Write a name that begins with a digit in double quotes."],
    ["first, any", 'first is a keyword. Write "first" if it is the name of a standby.'],
    ["any", 'any is a keyword. Write "any" if it is the name of a standby.'],
    ["first a, b", "After first, write a number and the list in parentheses: first 1 (a, b)."],
    ["(a, b)", "Write the number of standbys before the list: FIRST 1 (a, b) or ANY 1 (a, b)."],
    ["ANY -1 (a)", "Write the number of standbys as digits alone, 1 or more."],
    ["ANY 1.5 (a)", "Write the number of standbys as digits alone, 1 or more."],
    ["-2 (a)", "Write the number of standbys as digits alone, 1 or more."],
    ["2.5 (a, b)", "Write the number of standbys as digits alone, 1 or more."],
    ["priority 1 (a)", "Before a number and a list, write FIRST, ANY or nothing. priority is not a keyword."],
    ["ANY 1 (pg-*)", "Names have no patterns and no variables. List each name, or write * for any standby."],
    ["$PRIMARY", "Names have no patterns and no variables. List each name, or write * for any standby."],
    ["'a'", "Write standby names in double quotes or without quotes."],
    ["a b", "Separate names with commas."],
    [" ", "Write the empty string, without blanks, to turn synchronous replication off."],
  ])("%j comes with advice", (text, advice) => expect(refused(text).advice).toBe(advice));

  test("drawn with a caret", () => {
    expect(
      String(refused("FIRST 2 (node-1, node-2)")),
    ).toBe(`ParseError: invalid value for parameter "synchronous_standby_names": "FIRST 2 (node-1, node-2)"
DETAIL:  syntax error at or near "-"
LINE 1: FIRST 2 (node-1, node-2)
                     ^
expected "," or ")"
Write a name with characters other than letters, digits, _ and $ in double quotes.`);
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
  [{ ...first(1), memberNames: "a" }, "SyncRepConfig.memberNames"],
  [null, "SyncRepConfig"],
  [first(1, "a", "b\0"), "SyncRepConfig.memberNames[1]"],
  [first(1, "\ud800"), "SyncRepConfig.memberNames[0]"],
  [{ ...first(1, "a"), syncrepMethod: "toString" }, "SyncRepConfig.syncrepMethod"],
])("%j has no text", (config, path) => {
  expect(() => printSynchronousStandbyNames(config as SyncRepConfig)).toThrow(EncodeError);
  expect(() => printSynchronousStandbyNames(config as SyncRepConfig)).toThrow(expect.objectContaining({ path }));
});

/** Texts of servers before 10: their value and how it is printed there, or the server's detail and the place. */
describe("before 10", () => {
  test.each<[string, string, SyncRepConfig, string]>([
    ["9.6", "a, B", first(1, "a", "B"), "1 (a, B)"],
    ["9.6", ' 2\n(a , "b-c")', first(2, "a", "b-c"), '2 (a, "b-c")'],
    ["9.6", "first, Any", first(1, "first", "Any"), "1 (first, Any)"],
    ["9.6", "2 (any)", first(2, "any"), "2 (any)"],
    ["9.6.1", "0 (a)", first(0, "a"), "0 (a)"],
    ["9.6.1", "99999999999999999999 (a)", first(-1, "a"), "4294967295 (a)"],
    ["9.6.1", "2147483648 (a)", first(-(2 ** 31), "a"), "2147483648 (a)"],
    ["9.5", "node-1, Node.2\v,*", first(1, "node-1", "node.2", "*"), "node-1, node.2, *"],
    [
      "9.5",
      "FIRST,any, 1a, (b), \u00c9A",
      first(1, "first", "any", "1a", "(b)", "\u00c9a"),
      "first, any, 1a, (b), \u00c9a",
    ],
    ["9.5", '"Node", "a""b", "", a"b', first(1, "Node", 'a"b', "", 'a"b'), '"Node", a"b, "", a"b'],
    ["9.5", "'a', a;", first(1, "'a'", "a;"), "'a', a;"],
    ["9.5", " \t\v", first(1), " "],
    ["9.1", "x".repeat(70), first(1, "x".repeat(63)), "x".repeat(63)],
    ["9.4", `"${"\u00e9".repeat(40)}"`, first(1, "\u00e9".repeat(31)), "\u00e9".repeat(31)],
  ])("%s: %j", (server, text, config, printed) => {
    expect(parseSynchronousStandbyNames(text, { server })).toStrictEqual(config);
    expect(printSynchronousStandbyNames(config, { server })).toBe(printed);
    expect(parseSynchronousStandbyNames(printed, { server })).toStrictEqual(config);
  });

  test.each<[string, string, string, string, number]>([
    ["9.6", "FIRST 1 (a)", "42601", 'syntax error at or near "1"', 6],
    ["9.6", " ", "42601", "syntax error at end of input", 1],
    ["9.5", "a b", "22023", "List syntax is invalid.", 2],
    ["9.5", '"a"b', "22023", "List syntax is invalid.", 3],
    ["9.5", "a,", "22023", "List syntax is invalid.", 2],
    ["9.5", ",a", "22023", "List syntax is invalid.", 0],
    ["9.1", 'a, "b', "22023", "List syntax is invalid.", 3],
    ["9.1", "2 (a, b)", "22023", "List syntax is invalid.", 2],
  ])("%s: %j is refused", (server, text, sqlstate, detail, offset) => {
    const message = `invalid value for parameter "synchronous_standby_names": "${text}"`;
    expect(() => parseSynchronousStandbyNames(text, { server })).toThrow(
      expect.objectContaining({ sqlstate, message, detail, offset }),
    );
  });

  test.each<[string, SyncRepConfig, string]>([
    ["9.6", any(1, "a"), "quorumCommit"],
    ["9.5", first(2, "a"), "syncrepGrammar"],
    ["9.5", first(1, "x".repeat(64)), "syncrepGrammar"],
    ["9.6", first(1), "standbyIdentifierList"],
    ["18", first(1), "standbyIdentifierList"],
  ])("%s cannot say %j", (server, config, capability) => {
    expect(() => printSynchronousStandbyNames(config, { server })).toThrow(UnsupportedError);
    expect(() => printSynchronousStandbyNames(config, { server })).toThrow(expect.objectContaining({ capability }));
  });
});

describe("edits as little as need be", () => {
  test.each<[string, SyncRepConfig, string]>([
    ["a , b", first(1, "a", "b"), "a , b"],
    ["a , b", first(1, "a", "b", "c-d"), 'a , b , "c-d"'],
    ["a,\n  b,\n  c\n", first(1, "a", "c"), "a,\n  c\n"],
    ["a,\n  b,\n  c\n", first(1, "a", "x", "b", "c"), "a,\n  x,\n  b,\n  c\n"],
    [" a, b ", any(2, "a", "b"), " ANY 2 (a, b) "],
    ['1 ("a")', first(1, "b"), "1 (b)"],
    ["007 (a)", first(7, "a", "b"), "007 (a, b)"],
    ["2 (a, b)", any(2, "b", "a"), "ANY 2 (b, a)"],
    ['First  2("a",b) ', any(1, "b"), "ANY  1(b) "],
    ["any 2 (a)", any(3, "a"), "any 3 (a)"],
    ['"a", a', first(1, "a", "a"), '"a", a'],
    ["", first(1, "a"), "FIRST 1 (a)"],
    ["a", { ...first(1, "a"), memberNames: ["b", "c"] }, "b, c"],
  ])("%j becomes %j", (like, config, printed) => {
    expect(editSynchronousStandbyNames(like, config)).toBe(printed);
  });

  test.each<[string, string, string, string]>([
    ["9.5", 'node-1 ,"b", C', "18", '"node-1" ,"b", c'],
    ["9.6", '2 (any , "b")', "18", '2 ("any" , "b")'],
    ["18", 'First 2 ( "a", B )', "9.6", '2 ( "a", B )'],
    ["18", 'First 1 ( "a", B )\n', "9.5", '"a", "B"\n'],
  ])("of %s, %j, for %s", (from, like, server, printed) => {
    const config = parseSynchronousStandbyNames(like, { server: from });
    expect(editSynchronousStandbyNames(like, config, { server, from })).toBe(printed);
    expect(parseSynchronousStandbyNames(printed, { server })).toStrictEqual(config);
  });

  test("a value, and nothing else", () => {
    expect(() => editSynchronousStandbyNames("a b", first(1, "a"))).toThrow(ParseError);
  });
});

describe("where the parts stand", () => {
  test("in the text that it was parsed from", () => {
    const text = ' any 2\n("a""b",c , *)';
    const { memberNames, ...head } = locateSynchronousStandbyNames(parseSynchronousStandbyNames(text)!);
    expect(head).toEqual({ text, syncrepMethod: { offset: 1, end: 4 }, numSync: { offset: 5, end: 6 } });
    expect(memberNames).toEqual([
      { name: 'a"b', quoted: true, offset: 8, end: 14 },
      { name: "c", quoted: false, offset: 15, end: 16 },
      { name: "*", quoted: false, offset: 19, end: 20 },
    ]);
  });

  test("in the text that is printed, if it was made by hand", () => {
    expect(locateSynchronousStandbyNames(first(1, "a"), { server: "9.5" })).toEqual({
      text: "a",
      syncrepMethod: undefined,
      numSync: undefined,
      memberNames: [{ name: "a", quoted: false, offset: 0, end: 1 }],
    });
  });

  test("where parentheses are letters", () => {
    const { memberNames } = locateSynchronousStandbyNames(
      parseSynchronousStandbyNames("2, (, ), b)", { server: "9.4" })!,
    );
    expect(memberNames.map(({ name, offset }) => [name, offset])).toEqual([
      ["2", 0],
      ["(", 3],
      [")", 6],
      ["b)", 9],
    ]);
  });
});

test("what is left of two equal names keeps the blanks before it", () => {
  expect(editSynchronousStandbyNames("a,  a, b", first(1, "a", "b"))).toBe("a,  b");
});

/** What the lint of synchronous_standby_names finds: value, code, place, message, fix. test/live holds what it claims against servers. */
import { describe, expect, onTestFinished, test, vi } from "vitest";
import { formatServerVersion } from "../../src/kernel/version.ts";
import {
  applyFixes,
  type FindingCode,
  findingCodes,
  fixSynchronousStandbyNames,
  type LintSynchronousStandbyNamesOptions,
  lintSynchronousStandbyNames,
} from "../../src/syncrep/index.ts";

/** The version that 18, the default, means. */
const newest = formatServerVersion(18);

/** Code, the place by what stands there (or an offset), message, and the value with this fix alone: `!` safe, `?` not. */
type Expected = [code: FindingCode, at: string | number, message: string, fixed?: string];

const noPatterns = "Names have no patterns and no variables. List each name, or write * for any standby.";
const isOff = (name: string) => `"${name}" is a name here: commits wait until a standby with it streams.`;
const isAny = (name: string) => `"${name}" is a name here. Only * matches any standby.`;
const isLiteral = (name: string) => `"${name}" is matched as written: names have no patterns and no variables.`;
const isOwn = (name: string) =>
  `"${name}" is the cluster_name of this server, and the other names are too few without it.`;

const cases: [text: string, options: LintSynchronousStandbyNamesOptions, ...Expected[]][] = [
  ["", {}],
  ["a", {}],
  ["FIRST 1 (a, b)", {}],
  ["ANY 2 (a, b, c)", {}],
  ["1, 2", {}],
  ['"1"', {}],
  ["node-1.x", { server: "9.5" }],
  ["first, any", { server: "9.6" }],

  // Refused
  [
    "node-1, b, a.b",
    {},
    ["NAME_NEEDS_QUOTES", "node-1", "The name node-1 needs double quotes.", '! "node-1", b, a.b'],
    ["NAME_NEEDS_QUOTES", "a.b", "The name a.b needs double quotes.", '! node-1, b, "a.b"'],
  ],
  ["ANY 1 (1a)", {}, ["NAME_NEEDS_QUOTES", "1a", "The name 1a needs double quotes.", '! ANY 1 ("1a")']],
  [
    "a, host:5432",
    {},
    ["NAME_NEEDS_QUOTES", "host:5432", "The name host:5432 needs double quotes.", '! a, "host:5432"'],
  ],
  ["Any", {}, ["KEYWORD_NEEDS_QUOTES", "Any", "Any is a keyword; as a name it needs double quotes.", '! "Any"']],
  [
    "first 1 (first)",
    {},
    ["KEYWORD_NEEDS_QUOTES", 9, "first is a keyword; as a name it needs double quotes.", '! first 1 ("first")'],
  ],
  ["'a'", {}, ["SINGLE_QUOTES", 0, "The value is in single quotes.", "! a"]],
  // Letters to the server: only the - is in its way.
  [
    "“node-1”, b",
    {},
    ["TYPOGRAPHIC_QUOTES", 0, 'The typographic quotes of "“node-1”" are part of the name.', '? "node-1", b'],
  ],
  [" 'ANY 1 (a, b)' ", {}, ["SINGLE_QUOTES", 0, "The value is in single quotes.", "! ANY 1 (a, b)"]],
  [
    "'a', 'b c'",
    {},
    ["SINGLE_QUOTES", "'a'", "'a' is in single quotes.", "! \"a\", 'b c'"],
    ["SINGLE_QUOTES", "'b c'", "'b c' is in single quotes.", "! 'a', \"b c\""],
  ],
  // What is in quotes was meant as a name.
  ["'1', a", {}, ["SINGLE_QUOTES", "'1'", "'1' is in single quotes.", '! "1", a']],
  ["'a\"b'", {}, ["SINGLE_QUOTES", 0, `'a"b' is in single quotes.`, '! "a""b"']],
  ["(a, b)", {}, ["NUMBER_MISSING", 0, "The number of standbys is missing.", "? FIRST 1 (a, b)"]],
  ["(a)", { server: "9.6" }, ["NUMBER_MISSING", 0, "The number of standbys is missing.", "? 1 (a)"]],
  ["ANY(a, b)", {}, ["NUMBER_MISSING", 3, "The number of standbys is missing.", "? ANY 1 (a, b)"]],
  ["first (a)", {}, ["NUMBER_MISSING", 6, "The number of standbys is missing.", "? first 1 (a)"]],
  ["ANY (2, a, a)", {}, ["NUMBER_MISSING", 4, "The number of standbys is missing.", "? ANY 1 (2, a, a)"]],
  ["ANY 2 (a, b", {}, ["PARENTHESIS_MISSING", 11, "A parenthesis is missing.", "? ANY 2 (a, b)"]],
  ["ANY 2 a, b", {}, ["PARENTHESIS_MISSING", 5, "A parenthesis is missing.", "? ANY 2 (a, b)"]],
  ["ANY 2 a, b)", {}, ["PARENTHESIS_MISSING", 5, "A parenthesis is missing.", "? ANY 2 (a, b)"]],
  ["a b", {}, ["COMMA_MISSING", 1, 'A comma is missing between "a" and "b".', "? a, b"]],
  [
    ",a,,b,",
    {},
    ["NAME_MISSING", 0, "A name is missing next to this comma."],
    ["NAME_MISSING", 3, "A name is missing next to this comma."],
    ["NAME_MISSING", 5, "A name is missing next to this comma."],
  ],
  [" \t", {}, ["BLANK", 0, "The value is only white space.", "! "]],
  ["{{node}}, b", {}, ["SYNTAX", 0, `The server says: syntax error at or near "{". ${noPatterns}`]],
  ["ANY 1 (pg-*, $b)", {}, ["SYNTAX", 9, `The server says: syntax error at or near "-". ${noPatterns}`]],
  ["first a, b", {}, ["NUMBER_MISSING", 5, "The number of standbys is missing.", "? first 1 (a, b)"]],
  [
    "ANY node-1, b)",
    {},
    ["NUMBER_MISSING", 3, "The number of standbys is missing.", "? ANY 1 (node-1, b)"],
    ["NAME_NEEDS_QUOTES", "node-1", "The name node-1 needs double quotes.", '! ANY "node-1", b)'],
  ],
  [
    "1 (none",
    {},
    ["PARENTHESIS_MISSING", 7, "A parenthesis is missing.", "? 1 (none)"],
    ["LOOKS_LIKE_OFF", "none", isOff("none")],
  ],
  ["first 1, b", {}, ["SYNTAX", 7, 'The server says: syntax error at or near ",".']],
  ['a, "b', {}, ["SYNTAX", 3, "The server says: unterminated quoted identifier at end of input."]],
  ['a"b"', {}, ["SYNTAX", 1, 'The server says: syntax error at or near """.']],
  ["ANY 1 (a), b", {}, ["SYNTAX", 9, 'The server says: syntax error at or near ",".']],
  [
    "a\0",
    {},
    ["SYNTAX", 1, 'The server says: invalid byte sequence for encoding "UTF8": 0x00. A NUL character ends a C string.'],
  ],
  ["ANY 0 (a)", {}, ["NUMBER_NOT_POSITIVE", "0", "The server reads the number as 0. Expected 1 or more."]],
  [
    "2147483648 (a)",
    {},
    ["NUMBER_NOT_POSITIVE", "2147483648", "The server reads the number as -2147483648. Expected 1 or more."],
  ],
  ["0 (a)", { server: "9.6.1" }, ["NUMBER_NOT_POSITIVE", "0", "The server reads the number as 0. Expected 1 or more."]],
  [
    "first 2 (a, b)",
    { server: "9.6" },
    [
      "TOO_NEW",
      0,
      'The server says: syntax error at or near "2". ANY and FIRST are new in PostgreSQL 10.',
      "! 2 (a, b)",
    ],
  ],
  [
    "ANY 1 (a, b)",
    { server: "9.6" },
    ["TOO_NEW", 0, 'The server says: syntax error at or near "1". ANY and FIRST are new in PostgreSQL 10.'],
  ],
  [
    '1 ("a")',
    { server: "9.5" },
    [
      "TOO_NEW",
      0,
      "The server says: List syntax is invalid. A number of standbys is new in PostgreSQL 9.6. Write only the names.",
      "! a",
    ],
  ],
  ["a b", { server: "9.5" }, ["SYNTAX", 2, "The server says: List syntax is invalid. Separate names with commas."]],

  // Refused, and more than that
  [
    "FIRST 3 (node-1, node-2, Node-1)",
    {},
    ["NAME_NEEDS_QUOTES", "node-1", "The name node-1 needs double quotes.", '! FIRST 3 ("node-1", node-2, Node-1)'],
    ["NAME_NEEDS_QUOTES", "node-2", "The name node-2 needs double quotes.", '! FIRST 3 (node-1, "node-2", Node-1)'],
    ["NAME_NEEDS_QUOTES", "Node-1", "The name Node-1 needs double quotes.", '! FIRST 3 (node-1, node-2, "Node-1")'],
    [
      "NEEDS_SHARED_NAMES",
      "3",
      "Commits wait forever unless standbys share a name: 3 are required, and only 2 of the names count.",
      "? FIRST 2 (node-1, node-2, Node-1)",
    ],
    ["DUPLICATE", "Node-1", '"Node-1" repeats "node-1" and has no effect.', "! FIRST 3 (node-1, node-2)"],
  ],

  // Taken
  [
    "ANY 2 (a)",
    {},
    [
      "NEEDS_SHARED_NAMES",
      "2",
      "Commits wait forever unless standbys share a name: 2 are required, and only 1 of the names count.",
      "? ANY 1 (a)",
    ],
  ],
  // Fewer are not required while the fix of a name may make it one that a standby can have.
  [
    "ANY 2 (é, b)",
    {},
    [
      "NEEDS_SHARED_NAMES",
      "2",
      "Commits wait forever unless standbys share a name: 2 are required, and only 1 of the names count.",
    ],
    [
      "NEVER_MATCHES",
      "é",
      'No standby can have the name "é": the server changes it to "\\xc3\\xa9".',
      '? ANY 2 ("\\xc3\\xa9", b)',
    ],
  ],
  [
    "ANY 2 (é, b)",
    { ignore: ["NEVER_MATCHES"] },
    [
      "NEEDS_SHARED_NAMES",
      "2",
      "Commits wait forever unless standbys share a name: 2 are required, and only 1 of the names count.",
      "? ANY 1 (é, b)",
    ],
  ],
  [" ", { server: "9.5" }, ["WAITS_FOR_EVER", 0, "Commits wait forever: no standby can have one of these names."]],
  [
    "ANY 2 (a, B , A,b)",
    {},
    ["DUPLICATE", 14, '"A" repeats "a" and has no effect.', "! ANY 2 (a, B,b)"],
    ["DUPLICATE", 16, '"b" repeats "B" and has no effect.', "! ANY 2 (a, B , A)"],
  ],
  [
    "a, *, b",
    {},
    ["ANY_STANDBY", "*", "* matches every client that streams and confirms, such as pg_receivewal."],
    ["NEVER_MATTERS", "b", '"b" has no effect: * matches it too.', "! a, *"],
  ],
  [
    "ANY 1 (a, *, b)",
    {},
    ["NEVER_MATTERS", "a", '"a" has no effect: * matches it too.', "! ANY 1 (*, b)"],
    ["ANY_STANDBY", "*", "* matches every client that streams and confirms, such as pg_receivewal."],
    ["NEVER_MATTERS", "b", '"b" has no effect: * matches it too.', "! ANY 1 (a, *)"],
  ],
  [
    'FIRST 3 ("*")',
    {},
    ["ANY_STANDBY", '"*"', "* matches every client that streams and confirms, such as pg_receivewal."],
    ["QUOTED_STAR", '"*"', "In double quotes, too, * matches any standby.", "! FIRST 3 (*)"],
  ],
  [
    "a, é",
    {},
    [
      "NEVER_MATCHES",
      "é",
      'No standby can have the name "é": the server changes it to "\\xc3\\xa9".',
      '? a, "\\xc3\\xa9"',
    ],
  ],
  ["“a”, b", {}, ["TYPOGRAPHIC_QUOTES", 0, 'The typographic quotes of "“a”" are part of the name.', '? "a", b']],
  [
    "b, ‘A’",
    { server: "9.5" },
    ["TYPOGRAPHIC_QUOTES", "‘A’", 'The typographic quotes of "‘a’" are part of the name.', '? b, "a"'],
  ],
  ["a, é", { server: 15 }, ["NEVER_MATCHES", "é", 'No standby can have the name "é": the server changes it to "??".']],
  [
    'a, "b\t"',
    { server: "9.4" },
    ["NEVER_MATCHES", '"b\t"', 'No standby can have the name "b\\u{9}": the server changes it to "b?".'],
  ],
  [
    `a, ${"x".repeat(64)}`,
    {},
    [
      "TOO_LONG",
      "x".repeat(64),
      `No standby can have the name "${"x".repeat(64)}": the server cuts its 64 bytes to 63.`,
    ],
  ],
  [`a, ${"x".repeat(63)}`, {}],
  // It is cut by the list itself.
  [`a, ${"x".repeat(64)}`, { server: "9.5" }],
  // What is a byte before it is an escape is no more than a byte.
  [`"${"\\xe9".repeat(63)}"`, { server: 16 }],
  [
    `a, "${"\\xe9".repeat(63)}"`,
    { server: 15 },
    [
      "TOO_LONG",
      `"${"\\xe9".repeat(63)}"`,
      `No standby can have the name "${"\\xe9".repeat(20)}…": the server cuts its 252 bytes to 63.`,
    ],
  ],
  ['a, "", " "', {}, ["EMPTY_NAME", '""', 'The name "" is blank.'], ["EMPTY_NAME", '" "', 'The name " " is blank.']],
  ['" a", b', {}, ["BLANKS_IN_NAME", '" a"', 'The blanks around "a" are part of the name.', '? "a", b']],
  ['"s1, s2"', {}, ["LIST_IN_QUOTES", '"s1, s2"', 'In double quotes, "s1, s2" is one name.', "? s1, s2"]],
  [
    'ANY 1 ("s1, s2")',
    {},
    ["LIST_IN_QUOTES", '"s1, s2"', 'In double quotes, "s1, s2" is one name.', "? ANY 1 (s1, s2)"],
  ],
  ['1 ("2 (a, b)")', {}, ["LIST_IN_QUOTES", '"2 (a, b)"', 'In double quotes, "2 (a, b)" is one name.']],
  ['"s-1,s2"', {}, ["LIST_IN_QUOTES", '"s-1,s2"', 'In double quotes, "s-1,s2" is one name.']],
  ["4294967298 (a, b)", {}, ["NUMBER_WRAPPED", "4294967298", "The server reads 4294967298 as 2.", "! 2 (a, b)"]],
  ["00002 (a, b)", {}],
  ["2", {}, ["NUMBER_IS_NAME", "2", "2 is a name here."]],
  ["2, a, b", {}, ["NUMBER_IS_NAME", "2", "2 is a name here.", "? FIRST 2 (a, b)"]],
  ["2, a", { server: "9.6" }, ["NUMBER_IS_NAME", "2", "2 is a name here.", "? 2 (a)"]],
  ["2, a", { server: "9.5" }, ["NUMBER_IS_NAME", "2", "2 is a name here."]],

  // Accepted, and commits hang
  ["none", {}, ["LOOKS_LIKE_OFF", 0, isOff("none"), "? "]],
  ["1 (OFF)", {}, ["LOOKS_LIKE_OFF", 3, isOff("OFF"), "? "]],
  ['"NULL"', { server: "9.5" }, ["LOOKS_LIKE_OFF", 0, isOff("NULL"), "? "]],
  ['""', {}, ["LOOKS_LIKE_OFF", 0, isOff(""), "? "]],
  ["none, b", {}],
  ["office", {}],
  ["ALL", {}, ["LOOKS_LIKE_ANY", 0, isAny("ALL"), "? *"]],
  ['ANY 1 (a, "all")', {}, ["LOOKS_LIKE_ANY", '"all"', isAny("all"), "? ANY 1 (a, *)"]],
  ["small, alle", {}],
  ['"ANY 1 (a)"', {}, ["LIST_IN_QUOTES", 0, 'In double quotes, "ANY 1 (a)" is one name.', "? ANY 1 (a)"]],
  ['"2 (a)"', {}, ["LIST_IN_QUOTES", 0, 'In double quotes, "2 (a)" is one name.', "? 2 (a)"]],
  ['"ANY (a)", b', {}, ["LIST_IN_QUOTES", 0, 'In double quotes, "ANY (a)" is one name.']],
  ['"a (b)"', {}],
  ['ANY 1 ("pg-node-*")', {}, ["LOOKS_LIKE_PATTERN", '"pg-node-*"', isLiteral("pg-node-*")]],
  ['a, "${NODE}"', {}, ["LOOKS_LIKE_PATTERN", '"${NODE}"', isLiteral("${NODE}")]],
  ["a$b, c", {}, ["LOOKS_LIKE_PATTERN", "a$b", isLiteral("a$b")]],
  ['"n?"', { server: 16 }, ["LOOKS_LIKE_PATTERN", 0, isLiteral("n?")]],
  // A byte that is not ASCII becomes a question mark there.
  ['"n?"', { server: 15 }],
  ["a$, a$1", {}],
  ["n1", { clusterName: "N1" }, ["OWN_NAME", 0, isOwn("n1")]],
  ["ANY 2 (n1, n2)", { clusterName: "n1" }, ["OWN_NAME", "n1", isOwn("n1")]],
  ["ANY 1 (n1, n2)", { clusterName: "n1" }],
  [
    "n1, *",
    { clusterName: "n1" },
    ["ANY_STANDBY", "*", "* matches every client that streams and confirms, such as pg_receivewal."],
  ],
  [
    "M\ufffdller",
    {},
    ["NEVER_MATCHES", 0, 'No standby can have the name "M\ufffdller": the server changes it to ASCII.'],
    ["WAITS_FOR_EVER", 0, "Commits wait forever: no standby can have one of these names."],
  ],
  // Ignored
  ["none", { ignore: ["LOOKS_LIKE_OFF"] }],
  [
    "a, a, *",
    { ignore: ["DUPLICATE"] },
    ["ANY_STANDBY", "*", "* matches every client that streams and confirms, such as pg_receivewal."],
  ],
  [
    "a b",
    { server: "9.5", ignore: ["SYNTAX"] },
    ["SYNTAX", 2, "The server says: List syntax is invalid. Separate names with commas."],
  ],

  // Other servers
  ["a, b", { also: [10, "9.6", "9.1"] }],
  ["Node1", { server: "9.5", also: [18] }],
  [
    "node-1, b",
    { server: "9.5", also: ["9.6", 18] },
    [
      "REFUSED_ELSEWHERE",
      4,
      'PostgreSQL 9.6.24 says: syntax error at or near "-". Write a name with characters other than letters, digits, _ and $ in double quotes.',
      '! "node-1", b',
    ],
    [
      "REFUSED_ELSEWHERE",
      4,
      `PostgreSQL ${newest} says: syntax error at or near "-". Write a name with characters other than letters, digits, _ and $ in double quotes.`,
      '! "node-1", b',
    ],
  ],
  [
    "first",
    { server: "9.6", also: [10] },
    [
      "REFUSED_ELSEWHERE",
      5,
      'PostgreSQL 10.23 says: syntax error at end of input. first is a keyword. Write "first" if it is the name of a standby.',
      '! "first"',
    ],
  ],
  [
    "ANY 1 (a)",
    { also: ["9.6"] },
    [
      "REFUSED_ELSEWHERE",
      4,
      'PostgreSQL 9.6.24 says: syntax error at or near "1". ANY and FIRST are new in PostgreSQL 10.',
    ],
  ],
  [
    "2(a,b)",
    { also: ["9.5"] },
    [
      "DIFFERENT_ELSEWHERE",
      0,
      `PostgreSQL 9.5.25 reads 1 of "2(a", "b)" here, and PostgreSQL ${newest} 2 of "a", "b".`,
    ],
  ],
];

test.each(cases)("%j %o", (text, options, ...expected) => {
  const findings = lintSynchronousStandbyNames(text, options);
  expect(
    findings.map(({ code, offset, message, fix }) => ({
      ...{ code, offset, message },
      fix: fix && `${fix.safe ? "!" : "?"} ${applyFixes(text, [{ ...findings[0]!, fix }]).text}`,
    })),
  ).toEqual(
    expected.map(([code, at, message, fix]) => ({
      ...{ code, offset: typeof at === "number" ? at : text.indexOf(at), message },
      fix: fix ?? (code === "NAME_MISSING" ? expect.any(String) : undefined),
    })),
  );
  for (const [i, [, at]] of expected.entries()) {
    if (typeof at === "string" && at.length > 1) expect(text.slice(findings[i]!.offset, findings[i]!.end)).toBe(at);
  }
});

test("there is a case of each code", () => {
  const codes = cases.flatMap(([, , ...expected]) => expected.map(([code]) => code));
  expect(new Set(codes)).toEqual(new Set(Object.keys(findingCodes)));
});

test("what a server refuses has its error", () => {
  const [first, second] = lintSynchronousStandbyNames("FIRST 2 (node-1)");
  expect(first!.error).toMatchObject({ sqlstate: "42601", detail: 'syntax error at or near "-"', offset: 13 });
  expect(second).toMatchObject({ code: "NEEDS_SHARED_NAMES", error: undefined });
});

describe("fixes without asking", () => {
  test.each<[string, LintSynchronousStandbyNamesOptions, string]>([
    ["ANY 2 (node-1, node-2, Node-1)", {}, 'ANY 2 ("node-1", "node-2")'],
    ['a, "*", b, "*"', {}, "a, *"],
    ["ANY 2 (a, node-1", {}, 'ANY 2 (a, "node-1"'],
    ["FIRST 3 (a, a, b)", {}, "FIRST 3 (a, b)"],
    ["2, a, b", {}, "2, a, b"],
    ["any, node-1, first", { server: "9.5", also: [18] }, '"any", "node-1", "first"'],
    ["\n'node-1'\n", {}, '\n"node-1"\n'],
  ])("%j %o: %j", (text, options, fixed) => {
    expect(fixSynchronousStandbyNames(text, options).text).toBe(fixed);
  });

  test("say what was done", () => {
    const { text, fixed } = fixSynchronousStandbyNames("node-1, a, Node-1");
    expect(text).toBe('"node-1", a');
    expect(fixed.map(({ code, fix }) => [code, fix!.message])).toEqual([
      ["NAME_NEEDS_QUOTES", 'Write "node-1".'],
      ["NAME_NEEDS_QUOTES", 'Write "Node-1".'],
      ["DUPLICATE", "Remove it."],
    ]);
  });
});

test("a finding whose fix is null, as JSON may have it, has none", () => {
  const [found] = lintSynchronousStandbyNames("a b");
  const without = { ...found!, fix: null as unknown as undefined };
  expect(applyFixes("a b", [without])).toEqual({ text: "a b", fixed: [] });
});

describe("a value of many mistakes", () => {
  test("has a thousand fixed, and is looked at once more only where fewer were found", () => {
    expect(fixSynchronousStandbyNames(Array(3000).fill("*").join(",")).fixed.length).toBe(999);
    expect(fixSynchronousStandbyNames(Array(900).fill("*").join(",")).text).toBe("*");
  });

  test("has what a name becomes worked out only for those that are told", () => {
    const encode = vi.spyOn(TextEncoder.prototype, "encode");
    onTestFinished(() => encode.mockRestore());
    const names = Array.from({ length: 5000 }, (_, i) => `é${i}`);
    expect(lintSynchronousStandbyNames(names.join(",")).length).toBe(1001);
    expect(encode.mock.calls.length).toBeLessThan(1010);
  });
});

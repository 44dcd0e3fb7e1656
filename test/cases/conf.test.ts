/** postgresql.conf, fact by fact: text, and what a server reads in it. test/live/conf.test.ts holds the same against servers. */
import { describe, expect, test } from "vitest";
import { effectiveEntry, parsePostgresqlConf, placeInFile, readPostgresqlConf } from "../../src/conf/index.ts";
import { reader } from "../conf-files.ts";

describe("what a value may look like", () => {
  test.each<[string, string]>([
    ["a = b", "b"],
    ["a b", "b"],
    ["a=b#c", "b"],
    ["a = 'b'#c", "b"],
    ["a = ''", ""],
    ["a = 'it''s'", "it's"],
    ["a = 'it\\'s'", "it's"],
    ["a = 'b''", "'b'' has no end"],
    ["a = '\\\\'", "\\"],
    ["a = '\\b\\f\\n\\r\\t\\v\\x'", "\b\f\n\r\tvx"],
    ["a = '\\101\\60\\0601\\8'", "A0018"],
    ["a = '\\501'", "A"],
    ["a = 'b\\0c'", "b"],
    ["a = '\\303\\251\\342\\202\\254'", "é€"],
    ["a = '\\351'", "\ufffd"],
    ["a = 12MB", "12MB"],
    ["a = 0x1F", "0x1F"],
    ["a = -1", "-1"],
    ["a = .", "."],
    ["a = 1.5e-3", "1.5e-3"],
    ["a = b-c.d:e/f", "b-c.d:e/f"],
    ["a = b.c", "near b.c"],
    ["a = 1.5kB", "near kB"],
    ["a = 1e5", "near 5"],
    ["a = = b", "near ="],
    ["a = b c", "near c"],
    ["a = 'b' c", "near c"],
    ["a = b, c", "near ,"],
    ["a = *", "near *"],
    ['a = "b"', 'near "'],
    ["1a = b", "near 1a"],
    ["a-b = c", "near a-b"],
    ["a.b.c = d", "near a.b.c"],
    ["a", "end of line 0"],
    ["\n\na =", "end of line 2"],
    ["\n\na =\n", "end of line 3"],
  ])("%j: %s", (text, said) => {
    const { entries, errors } = parsePostgresqlConf(text);
    const error = errors[0];
    if (error === undefined) expect(entries.map(({ value }) => value)).toEqual([said]);
    else if (said.startsWith("near ")) expect(error.message).toContain(`near token "${said.slice(5)}"`);
    else if (said.startsWith("end of ")) expect(error.message).toContain(` ${said.slice(7)}, near end of line`);
    else expect(error.message).toContain(`near token "'"`);
  });
});

test("an entry has its places", () => {
  const text = "# x\n\té = 'a''\\t\\303\\251b' # y\n";
  const [entry] = parsePostgresqlConf(text, { path: "p.conf" }).entries;
  expect(entry).toEqual({
    ...{ name: "é", value: "a'\téb", raw: "'a''\\t\\303\\251b'", quoted: true },
    ...{ path: "p.conf", line: 2, column: 6, offset: 9, end: 25 },
  });
  expect(text.slice(entry!.offset, entry!.end)).toBe(entry!.raw);
  // a, ', tab, é, b, the end
  expect([0, 1, 2, 3, 4, 5].map((i) => placeInFile(entry!, i).offset - 9)).toEqual([1, 2, 4, 6, 14, 15]);
  expect(placeInFile(entry!, 4)).toEqual({ line: 2, column: 20, offset: 23 });
});

test("an error draws its place", () => {
  const [error] = parsePostgresqlConf("port = 1\nsynchronous_standby_names = node-1, b\n").errors;
  expect(String(error)).toBe(
    [
      'ParseError: syntax error in file "postgresql.conf" line 2, near token ","',
      "LINE 2: synchronous_standby_names = node-1, b",
      "                                          ^",
    ].join("\n"),
  );
  expect(error).toMatchObject({ code: "SYNTAX", sqlstate: "42601", near: ",", line: 2, column: 35 });
});

describe("files", () => {
  const main = "/etc/postgresql.conf";
  const read = (files: Record<string, string>, dataDirectory?: string) =>
    readPostgresqlConf(main, reader("", Object.fromEntries(Object.entries(files).map(([k, v]) => [k.slice(1), v]))), {
      dataDirectory,
    });

  test("the last entry wins, wherever it stands", () => {
    const { entries, problems, paths } = read({
      [main]: "a = 1\ninclude '../x/y.conf'\ninclude_dir = 'conf.d'\nb = 1",
      "/x/y.conf": "A = 2",
      "/etc/conf.d/2.conf": "\na = 4",
      "/etc/conf.d/10.conf": "a = 3",
      "/etc/postgresql.auto.conf": "b = 2",
    });
    expect(problems).toEqual([]);
    expect(paths).toEqual([
      main,
      "/x/y.conf",
      "/etc/conf.d/10.conf",
      "/etc/conf.d/2.conf",
      "/etc/postgresql.auto.conf",
    ]);
    expect(entries.map(({ value }) => value)).toEqual(["1", "2", "3", "4", "1", "2"]);
    expect(effectiveEntry(entries, "a")).toMatchObject({ value: "4", path: "/etc/conf.d/2.conf", line: 2, column: 5 });
    expect(effectiveEntry(entries, "c")).toBeUndefined();
  });

  test("postgresql.auto.conf stands where data_directory says", () => {
    const files = {
      [main]: "data_directory = '/data'",
      "/data/postgresql.auto.conf": "a = 1",
      "/d/postgresql.auto.conf": "a = 2",
    };
    expect(effectiveEntry(read(files).entries, "a")?.value).toBe("1");
    expect(effectiveEntry(read(files, "/d").entries, "a")?.value).toBe("2");
  });

  test("a problem stands at the directive", () => {
    const { problems } = read({ [main]: "x = 1\n include 'nothing' # here" });
    expect(problems).toHaveLength(1);
    expect(problems[0]!.path).toBe(main);
    expect(String(problems[0]!.error)).toBe(
      [
        'ParseError: could not open configuration file "/etc/nothing": No such file or directory',
        "LINE 2:  include 'nothing' # here",
        "                 ^",
      ].join("\n"),
    );
  });

  test("no main file is a problem", () => {
    expect(read({}).problems.map(({ path, error }) => [path, error.message])).toEqual([
      [main, `could not open configuration file "${main}": No such file or directory`],
    ]);
  });

  test("files that include each other over and over come to an end", () => {
    const again = "include 'a.conf'\ninclude 'b.conf'\n".repeat(10);
    const { paths, problems } = read({ [main]: again, "/etc/a.conf": again, "/etc/b.conf": again });
    expect(paths.length).toBe(10_000);
    expect(problems.some(({ error }) => error.message.endsWith("more than 10000 files"))).toBe(true);
  });
});

/** postgresql.conf, fact by fact: text, and what a server reads in it. test/live/conf.test.ts holds the same against servers. */
import { describe, expect, test } from "vitest";
import {
  type ConfFailure,
  checkedEntries,
  commentsOf,
  effectiveEntry,
  parsePostgresqlConf,
  placeInFile,
  type ReadPostgresqlConfOptions,
  readPostgresqlConf,
} from "../../src/conf/index.ts";
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
    // The server takes the last byte for the quote that it does not see.
    ["a = 'bc\0d'", "b"],
    ["a = 'bé\0d'", "b\ufffd"],
    ["a = '\0d'", ""],
    ["a = 'b\\101\0'", "b"],
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

test("a value of any number of escapes has its places", () => {
  const count = 2_500_000;
  const text = `a = '${"\\101".repeat(count)}'\n`;
  const [entry] = parsePostgresqlConf(text).entries;
  expect(entry!.value.length).toBe(count);
  expect(/[^A]/.test(entry!.value)).toBe(false);
  expect(placeInFile(entry!, count).offset).toBe(text.length - 2);
});

test("the comments of an entry are those above it and behind it", () => {
  const text = "# far\n\n#near \n\t# nearer\na = 'b#c' # behind\n# below\nb = 1\n#last";
  const { entries } = parsePostgresqlConf(text);
  expect(entries.map((entry) => commentsOf(text, entry))).toEqual([["near", "nearer", "behind"], ["below"]]);
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
  const read = (files: Record<string, string | ConfFailure>, options?: ReadPostgresqlConfOptions) =>
    readPostgresqlConf(
      main,
      reader("", Object.fromEntries(Object.entries(files).map(([k, v]) => [k.slice(1), v]))),
      options,
    );

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
    expect(effectiveEntry(read(files, { dataDirectory: "/d" }).entries, "a")?.value).toBe("2");
  });

  test("data_directory counts in lower case only, and a relative one is assumed to be beside the file", () => {
    const auto = { "/etc/postgresql.auto.conf": "a = 1", "/etc/d/postgresql.auto.conf": "a = 2" };
    const upper = read({ [main]: "Data_Directory = '/etc/d'", ...auto });
    expect([upper.entries.at(-1)!.value, upper.dataDirectory]).toEqual(["1", { path: "/etc", assumed: false }]);
    const relative = read({ [main]: "data_directory = 'd'", ...auto });
    expect([relative.entries.at(-1)!.value, relative.dataDirectory]).toEqual(["2", { path: "/etc/d", assumed: true }]);
  });

  test("an earlier entry in another case is checked too", () => {
    const { entries } = read({ [main]: "A = 1\na = 2\nA = 3\nb = 4\na = 5\n" });
    expect(checkedEntries(entries, "a").map(({ name, value }) => name + value)).toEqual(["A3", "a5"]);
    expect(checkedEntries(entries, "c")).toEqual([]);
  });

  test.each<[string, Record<string, string | ConfFailure>, string[]]>([
    [
      "include 'sub'",
      { "/etc/sub": { code: "EISDIR" } },
      ['00000 input in flex scanner failed at file "/etc/sub" line 1'],
    ],
    [
      "include_if_exists 'sub'",
      { "/etc/sub": { code: "EISDIR" } },
      ['00000 input in flex scanner failed at file "/etc/sub" line 1'],
    ],
    [
      "include_dir 'sub'",
      { "/etc/sub": "port = 1" },
      ['42809 could not open configuration directory "/etc/sub": Not a directory'],
    ],
    [
      "include 'sub/x'",
      { "/etc/sub/x": { code: "ENOTDIR" } },
      ['42809 could not open configuration file "/etc/sub/x": Not a directory'],
    ],
    ["include_if_exists 'x'", { "/etc/x": { code: "ENOTDIR" } }, []],
    [
      "include 'x'",
      { "/etc/x": { code: "ENAMETOOLONG" } },
      ['58P03 could not open configuration file "/etc/x": File name too long'],
    ],
  ])("%s: %j", (text, files, said) => {
    const { problems, unread } = read({ [main]: text, ...files });
    expect(problems.map(({ error }) => `${error.sqlstate} ${error.message}`)).toEqual(said);
    expect(unread).toEqual([]);
  });

  test("a name that is too long has a SQLSTATE of its own from 18 on", () => {
    const files = { [main]: "include 'x'", "/etc/x": { code: "ENAMETOOLONG" } };
    const sqlstate = (server: number) => read(files, { server }).problems.map(({ error }) => error.sqlstate);
    expect([sqlstate(17), sqlstate(18)]).toEqual([["XX000"], ["58P03"]]);
  });

  test("a relative path is cut where the server's buffer ends", () => {
    const asked: string[] = [];
    const readFile = (path: string) => {
      asked.push(path);
      return path === main ? `include_if_exists '${"é/".repeat(600)}x'` : undefined;
    };
    readPostgresqlConf(main, { readFile, readDir: () => undefined });
    expect(new TextEncoder().encode(asked[1]).length).toBeLessThanOrEqual(1023);
    expect(asked[1]).toMatch(/^\/etc\/(é\/)+é?$/);
  });

  test("what may not be read here is neither missing nor a problem", () => {
    const denied = { code: "EACCES" };
    const { problems, unread, entries } = read({
      [main]: "include 'a'\ninclude_if_exists 'b'\ninclude_dir 'c'\nport = 1",
      ...{ "/etc/a": denied, "/etc/b": denied, "/etc/c": denied, "/etc/postgresql.auto.conf": denied },
    });
    expect(problems).toEqual([]);
    expect(unread.map(({ path, code }) => `${path} ${code}`)).toEqual([
      ...["/etc/a EACCES", "/etc/b EACCES", "/etc/c EACCES", "/etc/postgresql.auto.conf EACCES"],
    ]);
    expect(entries.map(({ name }) => name)).toEqual(["port"]);
  });

  test("an entry of a directory that cannot be looked at ends the directory", () => {
    const readFile = (path: string) => (path === main ? "include_dir 'd'" : "port = 1");
    const from = (code: string) =>
      readPostgresqlConf(main, { readFile, readDir: () => ["b.conf", { name: "a.conf", code }, { name: "x", code }] });
    expect(from("ENOENT").problems.map(({ error }) => error.message)).toEqual([
      'could not stat file "/etc/d/a.conf": No such file or directory',
    ]);
    expect(from("EACCES").unread).toEqual([{ path: "/etc/d/a.conf", code: "EACCES" }]);
    expect(from("EACCES").paths).toContain("/etc/d/b.conf");
  });

  test.each([
    ["\ufeffport = 1\n", '"\ufeffport" in file "/etc/postgresql.conf" line 1', 0],
    [
      "\n\u00a0synchronous_standby_names 'a'",
      '"\u00a0synchronous_standby_names" in file "/etc/postgresql.conf" line 2',
      1,
    ],
    ["Synchronous_Standby_Name = 'm'", '"Synchronous_Standby_Name" in file "/etc/postgresql.conf" line 1', 0],
    ["  sync_standby_names = 'm'", '"sync_standby_names" in file "/etc/postgresql.conf" line 1', 2],
    ["synchronuos_stanby_names = 'm'", '"synchronuos_stanby_names" in file "/etc/postgresql.conf" line 1', 0],
    ["synchronous_standby = ''", '"synchronous_standby" in file "/etc/postgresql.conf" line 1', 0],
  ])("an unknown parameter: %j", (text, said, offset) => {
    const { problems } = read({ [main]: text }, { parameters: ["synchronous_standby_names"] });
    expect(problems.map(({ error }) => [error.sqlstate, error.message, error.offset])).toEqual([
      ["42704", `unrecognized configuration parameter ${said}`, offset],
    ]);
  });

  test.each([
    ...["synchronous_commit = on", "synchronized_standby_slots = ''", "sync_replication_slots = on", "é.x = 1"],
    ...["no_such_parameter = 1", "SYNCHRONOUS_STANDBY_NAMES = 'a'", "my.synchronous_standby_name = 1", "name = 1"],
  ])("no unknown parameter: %s", (text) => {
    expect(read({ [main]: text }, { parameters: ["synchronous_standby_names"] }).problems).toEqual([]);
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
    expect(paths.length).toBeLessThanOrEqual(10_000);
    // Those of depth, which each of the deepest files has twenty of.
    expect(problems.length).toBe(1000);
    const wide = { [main]: "include 'a.conf'\n".repeat(20_000), "/etc/a.conf": "" };
    expect(read(wide).problems.map(({ error }) => error.message)).toEqual([
      'could not open configuration file "a.conf": more than 10000 files',
    ]);
  });
});

/** Our reader of configuration files and a server's say the same: entries with their places, errors, and who wins. */
import { chmodSync, chownSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { confFiles } from "../../src/arbitraries/conf.ts";
import { checkedEntries, effectiveEntry, readPostgresqlConf } from "../../src/conf/index.ts";
import type { ParseError } from "../../src/kernel/errors.ts";
import { diskConfReader } from "../../src/node/conf-disk.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { seed, fullTimes as times } from "../seed.ts";
import { type OwnServer, startServer } from "../servers/index.ts";
import { longTestMajors } from "../servers/live.ts";
import { Image } from "../start-alone.ts";

const parameters = ["synchronous_standby_names"];

describe.for(longTestMajors)("PostgreSQL %i", (major) => {
  let server: OwnServer;
  let data: string;
  let owner: { uid: number; gid: number };

  beforeAll(async () => {
    // What the files say about these does not count, since they are given on the command line.
    const settings = {
      logging_collector: "on",
      log_filename: "server.log",
      log_min_messages: "log",
      log_line_prefix: "%e ",
    };
    server = await startServer({ major, settings: { ...settings, log_directory: "log", log_destination: "stderr" } });
    data = join(server.host, "data");
    owner = statSync(data);
  });
  afterAll(() => server.stop());

  /** Makes these, by their paths in the data directory, the configuration files. */
  function write(files: Readonly<Record<string, string>>): void {
    for (const path of readdirSync(data)) {
      if (/^(inc|d)\b/.test(path)) rmSync(join(data, path), { recursive: true });
    }
    const own = (path: string, mode: number): void => {
      chmodSync(path, mode);
      if (process.getuid?.() === 0) chownSync(path, owner.uid, owner.gid);
    };
    for (const [path, text] of Object.entries(files)) {
      const file = join(data, path);
      if (dirname(file) !== data) {
        mkdirSync(dirname(file), { recursive: true });
        own(dirname(file), 0o700);
      }
      writeFileSync(file, text);
      own(file, 0o600);
    }
  }

  /** SQLSTATE and message of the errors that the server logs when it is told to read the files. */
  async function logged(): Promise<string[]> {
    const log = join(data, "log", "server.log");
    const before = readFileSync(log, "utf8").length;
    await server.sql("SELECT pg_reload_conf()");
    for (const limit = Date.now() + 10_000; Date.now() < limit; await sleep(2)) {
      const text = readFileSync(log, "utf8").slice(before);
      if (!/ contains errors; .*\n/.test(text)) continue;
      const errors =
        /^(\w{5}) LOG: {2}((?:syntax error|too many|could not|empty|configuration file rec|unrec|input)[^\n]*)$/gm;
      return [...text.matchAll(errors)].map(([, sqlstate, message]) => `${sqlstate} ${message}`);
    }
    throw new Error("The server does not complain of the files.");
  }

  async function expectAgreement(files: Readonly<Record<string, string>>): Promise<"errors" | "entries" | "winner"> {
    write(files);
    const ours = readPostgresqlConf(join(data, "postgresql.conf"), diskConfReader, { parameters, server: major });
    // A row without a file says that what initdb's file had set needs a restart.
    const { rows } = await server.sql(
      `SELECT name, setting, sourcefile, sourceline, applied FROM pg_file_settings
        WHERE sourcefile IS NOT NULL ORDER BY seqno`,
    );
    // For this view each file is given up at its first error: what follows that is had from the log.
    const nameless = rows.findIndex(([name]) => name === null);
    const theirs = nameless === -1 ? rows : rows.slice(0, nameless);
    const entries = ours.entries.map(({ name, value, path, line }) => [name, value, path, String(line)]);
    expect(entries.slice(0, theirs.length)).toEqual(theirs.map((row) => row.slice(0, 4)));
    if (nameless !== -1) {
      expect(ours.problems.map(({ error }) => `${error.sqlstate} ${error.message}`)).toEqual(await logged());
      const [, , sourcefile] = rows[nameless]!;
      // Of a directory in place of a file the server names the directory, and we the line that names it.
      if (!/flex scanner/.test(ours.problems[0]!.error.message)) expect(ours.problems[0]!.path).toBe(sourcefile);
      return "errors";
    }
    expect(ours.problems).toEqual([]);
    expect(ours.entries.length).toBe(theirs.length);
    const winner = effectiveEntry(ours.entries, "MY.VAR");
    if (winner !== undefined && theirs[ours.entries.indexOf(winner)]![4] === "t") {
      const loadTime = async () => (await server.sql("SELECT pg_conf_load_time()")).rows[0]![0];
      const before = await loadTime();
      await server.sql("SELECT pg_reload_conf()");
      // Not only until the value is right, which it may have been before: the files must not be others when they are read.
      await expect.poll(loadTime, { interval: 2 }).not.toBe(before);
      expect((await server.sql("SHOW my.var")).rows[0]![0]).toBe(winner.value);
      return "winner";
    }
    return "entries";
  }

  test("reads files of any spelling alike, and refuses the same in the same words", {
    timeout: 60_000 * times,
  }, async () => {
    const outcomes = [];
    // A name that is nearly a parameter's is told together with syntax errors, after which a server looks at no names: see the cases below.
    const nearly = (files: Readonly<Record<string, string>>): boolean =>
      Object.values(files).some((text) => /synchronous_standby_name\b|[\ufeff\u00a0\u2028]/.test(text));
    const samples = confFiles().filter((files) => !nearly(files));
    for (const files of fc.sample(samples, { seed: seed + major, numRuns: 60 * times })) {
      try {
        outcomes.push(await expectAgreement(files));
      } catch (error) {
        throw new Error(`seed ${seed}: ${JSON.stringify(files)}`, { cause: error });
      }
    }
    for (const outcome of ["errors", "entries", "winner"]) {
      expect(outcomes.filter((each) => each === outcome).length).toBeGreaterThan(outcomes.length / 30);
    }
  });

  const main = (text: string): Record<string, string> => ({ "postgresql.conf": text, "postgresql.auto.conf": "" });
  test.each<[string, Record<string, string>, "errors" | "entries"]>([
    ["a file that includes itself", main("include 'postgresql.conf'"), "errors"],
    ["its directory", { ...main("include 'd/x.conf'"), "d/x.conf": "work_mem = 1MB\ninclude_dir '.'" }, "errors"],
    ["an empty name", main("include ''\ninclude_if_exists ' '\ninclude_dir '\\t'"), "errors"],
    ["a carriage return in an unexpected token", main("my.var = 1 'a\rb'\n"), "errors"],
    ["what is not there", main("include 'inc'\ninclude_if_exists 'inc'\ninclude_dir inc"), "errors"],
    [
      "files that include each other",
      { ...main("include inc1"), inc1: "\n\ninclude inc2", inc2: "include inc1" },
      "errors",
    ],
    ["a chain of ten", { ...main("include inc1"), ...chain(10), inc10: "work_mem = 5MB" }, "entries"],
    ["a chain of eleven", { ...main("include inc1"), ...chain(11), inc11: "work_mem = 5MB" }, "errors"],
    [
      "a directory",
      {
        ...main("include_dir d # all of it"),
        ...{ "d/b.conf": "my.b = 1", "d/a.conf": "my.a = 1", "d/B.conf": "my.c = 1", "d/.a.conf": "my.d = 1" },
        ...{ "d/a.txt": "my.e = 1", "d/x.conf/f.conf": "my.f = 1", "d/10.conf": "my.g = 1", "d/9.conf": "my.h = 1" },
        ...{ "d/.conf": "my.i = 1", "d/é.conf": "my.j = 1", "d/\u{ff5e}.conf": "my.l = 1", "d/😀.conf": "my.k = 1" },
      },
      "entries",
    ],
    ["a directory in place of a file", { ...main("a = 1\ninclude 'd'"), "d/x": "" }, "errors"],
    ["a directory that may be missing", { ...main("include_if_exists 'd'\nport = = 2"), "d/x": "" }, "errors"],
    ["a file in place of a directory", { ...main("include_dir 'inc1'\ninclude 'inc1/x'"), inc1: "" }, "errors"],
    ["a file below a file that may be missing", { ...main("include_if_exists 'inc1/x'"), inc1: "" }, "entries"],
    ["a name that is too long", main(`include '${"inc".repeat(90)}'`), "errors"],
    ["a path that is too long", main(`include '${"inc/".repeat(300)}'`), "errors"],
    ["a name that is too long, and may be missing", main(`include_if_exists '${"inc".repeat(90)}'`), "entries"],
    ["NUL bytes in quotes", main("my.a = 'bc\0d'\nmy.b = 'b\\101\0x'\nmy.c = 'a''\0'\n"), "entries"],
    [
      "a directory whose first file is wrong",
      { ...main("include_dir 'd'"), "d/a.conf": "1", "d/b.conf": "2" },
      "errors",
    ],
    ["a hundred errors", main("1\n".repeat(101)), "errors"],
    ["errors around an included file with one", { ...main("a b c\ninclude inc\n= 1"), inc: "\nx" }, "errors"],
    ["a wrong auto.conf", { "postgresql.conf": "work_mem = 1MB", "postgresql.auto.conf": "work_mem = " }, "errors"],
    ["no auto.conf's errors after the main file's", { "postgresql.conf": "?", "postgresql.auto.conf": "?" }, "errors"],
    [
      "auto.conf after the main file",
      { "postgresql.conf": "work_mem 1MB", "postgresql.auto.conf": "WORK_MEM = 2MB" },
      "entries",
    ],
  ])("%s", async (_, files, outcome) => {
    expect(await expectAgreement(files)).toBe(outcome);
  });
});

describe.for(longTestMajors)("whether PostgreSQL %i starts", (major) => {
  let server: OwnServer;
  let image: Image;

  beforeAll(async () => {
    server = await startServer({ major });
    image = new Image(server, { tables: false });
  });
  afterAll(async () => {
    image?.remove();
    await server?.stop();
  });

  const value = (text: string): Record<string, string> => ({ "postgresql.conf": text, "postgresql.auto.conf": "" });
  const name = "synchronous_standby_names";
  test.each<[string, Record<string, string>]>([
    ["a good value", value(`${name} = 'ANY 1 (a)'`)],
    ["a bad value", value(`${name} = 'a b'`)],
    ["a bad value that another overrides", value(`${name} = 'a b'\n${name} = 'x'`)],
    ["a bad value that another in other case overrides", value(`Synchronous_Standby_Names = 'a b'\n${name} = 'x'`)],
    [
      "a bad value that postgresql.auto.conf overrides in other case",
      { "postgresql.conf": `SYNCHRONOUS_STANDBY_NAMES = 'a b'\n`, "postgresql.auto.conf": `${name} = 'x'\n` },
    ],
    ["a byte order mark", value(`\ufeff${name} = 'x'`)],
    ["a no-break space", value(`work_mem = 1MB\n\u00a0${name} = 'x'`)],
    ["a letter too few", value("synchronous_standby_name = 'm'")],
    ["a word too few", value("synchronous_standby = 'm'\nsync_standby_names = 'n'")],
    ["a name of two words", value("my.synchronous_standby_name = 'm'")],
    ["a directory in place of a file", value("include_if_exists 'base'")],
  ])("%s", async (_, files) => {
    for (const [path, text] of Object.entries(files)) writeFileSync(join(image.directory, path), text);
    const { output: bytes } = await image.start({ log_min_messages: "log" });
    const output = Buffer.from(bytes, "latin1").toString("utf8");
    const { problems, entries } = readPostgresqlConf(join(image.directory, "postgresql.conf"), diskConfReader, {
      parameters,
      server: major,
    });
    const refusals = checkedEntries(entries, name).flatMap((entry) => {
      try {
        parseSynchronousStandbyNames(entry.value, { server: major });
        return [];
      } catch (error) {
        return [(error as ParseError).message];
      }
    });
    const ours = problems.length > 0 ? problems.map(({ error }) => error.message) : refusals;
    const said = [...output.matchAll(/^LOG: {2}((?:unrec|input|invalid value).*)$/gm)].map(([, message]) => message);
    expect(new Set(ours)).toEqual(new Set(said));
    expect(/^FATAL: .*contains errors$/m.test(output)).toBe(ours.length > 0);
  });
});

/** inc1 includes inc2, and so on up to inc`length`. */
function chain(length: number): Record<string, string> {
  return Object.fromEntries(Array.from({ length: length - 1 }, (_, i) => [`inc${i + 1}`, `include 'inc${i + 2}'`]));
}

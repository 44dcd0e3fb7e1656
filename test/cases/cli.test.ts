/** The frame of the command line: what its declarations give, calls that are wrong, and output that cannot be written. */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test, vi } from "vitest";
import { type CallOf, type Declaration, defineSubcommand } from "../../src/node/cli/shared/declare.ts";
import { help, optionTable } from "../../src/node/cli/shared/help.ts";
import { nearest } from "../../src/node/cli/shared/nearest.ts";
import { readCall } from "../../src/node/cli/shared/read-call.ts";
import { declarations } from "../../src/node/cli/subcommands.ts";
import { compile } from "../compiled.ts";
import { runWalwire } from "../walwire.ts";

const sample = defineSubcommand({
  name: "sample",
  summary: "Try the frame",
  description: "A subcommand that exists in tests only.\n  an indented line stays as it is",
  verbs: { look: "look at it", mend: "mend it" },
  argument: { name: "FILE", count: "optional", help: "the file" },
  options: {
    quick: { type: "boolean", short: "q", help: "be quick" },
    slow: { type: "boolean", help: "be slow", conflicts: ["quick", "FILE"] },
    mode: {
      type: "choice",
      short: "m",
      choices: ["on", "off"],
      aliases: { "1": "on" },
      default: "off",
      help: "the mode",
    },
    "from-lsn": { type: "lsn", value: "LSN", help: "begin here" },
    name: { type: "string", value: "NAME", help: "its name", only: ["mend"], requires: ["from-lsn", "jobs"] },
    jobs: { type: "integer", value: "N", min: 1, max: 8, help: "so many threads" },
    also: { type: "server", value: "V", help: "one more version", many: true },
  },
});

const read = (...args: string[]): CallOf<typeof sample> => readCall(sample, args);

describe("a declaration", () => {
  test("gives typed values", () => {
    const call = read("look", "-qm1", "--from-lsn=0/10", "--jobs", "3", "--also", "15.2", "--also=16.1", "--", "-x");
    // These assignments are the test of the types.
    const verb: "look" | "mend" = call.verb;
    const mode: "on" | "off" = call.options.mode;
    const also: readonly number[] = call.options.also;
    const {
      quick,
      fromLsn,
      jobs,
      name,
    }: { quick: boolean; fromLsn: bigint | undefined; jobs: number | undefined; name: string | undefined } =
      call.options;
    expect([verb, mode, also, quick, fromLsn, jobs, name, call.argument]).toEqual([
      ...["look", "on", [150002, 160001], true, 16n, 3, undefined, "-x"],
    ]);
  });

  test("without options gives the defaults", () => {
    expect(read("mend")).toEqual({
      verb: "mend",
      argument: undefined,
      options: {
        ...{ quick: false, slow: false, mode: "off", fromLsn: undefined, name: undefined, jobs: undefined },
        also: [],
      },
    });
  });

  test.each([
    [[], "missing verb: walwire sample look or mend"],
    [["loko"], 'unknown verb "loko", did you mean look?'],
    [["xyz"], 'unknown verb "xyz": expected look or mend'],
    [["look", "--quik"], "unknown option --quik, did you mean --quick?"],
    [["look", "-z"], "unknown option -z"],
    [["look", "--constructor"], "unknown option --constructor"],
    [["look", "--quick=1"], "--quick does not take a value"],
    [["look", "--jobs"], "missing value: --jobs N"],
    [["look", "--jobs", "-q"], "missing value: --jobs N, or --jobs=-q if that is the value"],
    [["look", "--jobs", "9"], '--jobs: expected a number from 1 to 8, got "9"'],
    [["look", "--mode", "toString"], '--mode: expected on or off, got "toString"'],
    [
      ["look", "--from-lsn", "x"],
      '--from-lsn: invalid input syntax for type pg_lsn: "x": expected a position such as 0/16B3748',
    ],
    [["look", "--also", "8"], /^--also: unknown server version "8"/],
    [["look", "--slow", "-q"], "--slow and --quick are mutually exclusive"],
    [["look", "--slow", "x"], "--slow and FILE are mutually exclusive"],
    [["look", "--name", "x", "--jobs", "1"], "--name is an option of walwire sample mend only"],
    [["mend", "--name", "x"], "--name requires --from-lsn or --jobs"],
    [["look", "a", "b"], "expected one FILE, got 2"],
  ])("%j is a wrong call", (args, message) => {
    expect(() => read(...args)).toThrow(expect.objectContaining({ message: expect.stringMatching(message) }));
    if (typeof message === "string") expect(() => read(...args)).toThrow(message);
  });

  test("gives the help and the table of the docs", () => {
    expect(help(sample)).toBe(`\
Usage:
  walwire sample look [OPTION]… [FILE]
  walwire sample mend [OPTION]… [FILE]

A subcommand that exists in tests only.
  an indented line stays as it is

Verbs:
  look  look at it
  mend  mend it

Arguments:
  FILE  the file

Options:
  -q, --quick        be quick
  --slow             be slow
  -m, --mode on|off  the mode (default off)
  --from-lsn LSN     begin here
  --name NAME        its name (mend only)
  --jobs N           so many threads
  --also V           one more version (can be repeated)
  -h, --help         print this help
`);
    expect(optionTable(sample).split("\n").slice(0, 5)).toEqual([
      "| option | meaning |",
      "|---|---|",
      "| `-q, --quick` | be quick |",
      "| `--slow` | be slow |",
      "| `-m, --mode on\\|off` | the mode (default off) |",
    ]);
  });
});

describe("declarations", () => {
  test.each(declarations)("$name is complete", (declaration: Declaration) => {
    const { options, argument, description, summary } = declaration;
    const names = [...Object.keys(options), argument?.name];
    for (const [name, option] of Object.entries(options)) {
      expect(option.help, name).toMatch(/^[^A-Z].*[^.]$|^(JSON|WAL|XLogData) /);
      for (const other of [...(option.conflicts ?? []), ...(option.requires ?? [])]) expect(names).toContain(other);
      for (const verb of option.only ?? []) expect(Object.keys(declaration.verbs ?? {})).toContain(verb);
    }
    const shorts = Object.values(options).flatMap(({ short }) => short ?? []);
    expect(new Set(shorts).size).toBe(shorts.length);
    expect(shorts).not.toContain("h");
    expect(summary).toMatch(/^[A-Z].*[^.]$/);
    expect(description).toMatch(/^[A-Z]/);
    for (const line of help(declaration).split("\n")) expect(line.length, line).toBeLessThanOrEqual(95);
  });

  test("load no code of a subcommand", () => {
    // The files that a start of the program loads, by their imports.
    const cli = fileURLToPath(new URL("../../src/node/cli/", import.meta.url));
    const seen = new Set<string>();
    const load = (path: string): void => {
      if (seen.has(path)) return;
      seen.add(path);
      const text = readFileSync(path, "utf8");
      for (const [, from] of text.matchAll(/^(?:import|export) (?!type )[^;]*?from "(\.[^"]*)";/gms))
        load(join(path, "..", from!));
    };
    load(join(cli, "main.ts"));
    const loaded = [...seen].map((path) => path.replace(/.*\/src\/(node\/cli\/)?/, "")).sort();
    for (const path of loaded)
      expect(path).toMatch(/(^main|^subcommands|\/declaration|shared\/[\w-]+|kernel\/[\w-]+)\.ts$/);
  });
});

describe("walwire", () => {
  test.each([
    [[], "walwire: missing command"],
    [["wla"], 'walwire: unknown command "wla", did you mean wal?'],
    [["check"], 'walwire: unknown command "check", did you mean walwire command check or walwire sync check?'],
    [["help", "snyc"], 'walwire: unknown command "snyc", did you mean sync?'],
    [["sync", "chekc", "a"], 'walwire sync: unknown verb "chekc", did you mean check?'],
  ])("%j is answered in two lines", async (args, line) => {
    const { status, stdout, stderr } = await runWalwire(args);
    const [first, second, ...rest] = stderr.split("\n");
    expect([status, stdout, first, rest]).toEqual([2, "", line, [""]]);
    expect(second).toMatch(/^See walwire( sync)? --help\.$/);
  });

  test.each([
    [["--help"], ["-h"]],
    [["help"], ["--help"]],
    [
      ["help", "sync"],
      ["sync", "--help"],
    ],
    [
      ["help", "wal"],
      ["wal", "x", "-h"],
    ],
    [["-V"], ["--version"]],
  ])("%j is %j", async (one, other) => {
    const run = await runWalwire(one);
    expect(run.status).toBe(0);
    expect(run.stdout.length).toBeGreaterThan(3);
    expect(run).toEqual(await runWalwire(other));
  });

  test("a value that is missing on a terminal is not waited for", async () => {
    const isTTY = Object.getOwnPropertyDescriptor(process.stdin, "isTTY");
    Object.defineProperty(process.stdin, "isTTY", { value: true, configurable: true });
    try {
      const { main } = await import("../../src/node/cli/main.ts");
      const write = vi.spyOn(process.stderr, "write").mockReturnValue(true);
      expect(await main(["sync", "check"])).toBe(2);
      expect(write.mock.calls.join("")).toContain("missing VALUE: give it in quotes, or - to type it");
      write.mockRestore();
    } finally {
      if (isTTY === undefined) Reflect.deleteProperty(process.stdin, "isTTY");
      else Object.defineProperty(process.stdin, "isTTY", isTTY);
    }
  });

  test("a file that is not there is a file, and a socket that is not there a server", async () => {
    for (const args of [
      ["decode", "/no/such"],
      ["wal", "/no/such"],
      ["sync", "check", "--conf", "/no/such"],
    ]) {
      const { status, stderr } = await runWalwire(args);
      expect([status, stderr]).toEqual([3, "walwire: /no/such: no such file or directory\n"]);
    }
    const { status, stderr } = await runWalwire(["sync", "check", "--from", "postgres://a@/b?host=/no/such"]);
    expect([status, stderr]).toEqual([3, expect.stringContaining("cannot reach the server")]);
  });
});

test("what may have been meant", () => {
  const words = ["check", "fix", "explain"];
  expect(nearest("chekc", words)).toEqual(["check"]);
  expect(nearest("fxi", words)).toEqual(["fix"]);
  expect(nearest("expl", words)).toEqual(["explain"]);
  expect(nearest("verify", words)).toEqual([]);
  expect(nearest("x".repeat(1e6), words)).toEqual([]);
  expect(nearest("ab", ["ax", "bb"])).toEqual(["ax", "bb"]);
});

describe("completion", () => {
  test("bash", async () => {
    const { stdout } = await runWalwire(["completion", "bash"]);
    const complete = (...words: string[]): string[] => {
      const script = `${stdout}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _walwire; printf '%s\\n' "\${COMPREPLY[@]}"`;
      return execFileSync("bash", ["-c", script, "bash", ...words], { encoding: "utf8" })
        .trim()
        .split("\n")
        .sort();
    };
    expect(complete("walwire", "")).toEqual(
      [...declarations.map(({ name }) => name), "help", "--help", "--version"].sort(),
    );
    expect(complete("walwire", "sync", "")).toEqual(["check", "diff", "explain", "fix", "plan"]);
    expect(complete("walwire", "sync", "check", "--form")).toEqual(["--format"]);
    expect(complete("walwire", "sync", "check", "--format", "")).toEqual(["github", "text"]);
    expect(complete("walwire", "wal", "pack")).toEqual(["package-lock.json", "package.json"]);
  });

  // These shells are not everywhere; what is compared is that every option and verb is there.
  test.each(["zsh", "fish"])("%s knows every verb and option", async (shell) => {
    const { stdout } = await runWalwire(["completion", shell]);
    for (const { name, verbs = {}, options } of declarations) {
      expect(stdout).toContain(name);
      for (const verb of Object.keys(verbs)) expect(stdout).toContain(verb);
      for (const option of Object.keys(options))
        expect(stdout).toContain(shell === "zsh" ? `--${option}` : `-l ${option}`);
    }
  });
});

describe("standard output", () => {
  const compiled = compile();
  afterAll(() => compiled.remove());
  const program = join(compiled.dist, "node/cli.js");
  const shell = (script: string) =>
    spawnSync("bash", ["-o", "pipefail", "-c", script.replaceAll("walwire ", `${process.execPath} ${program} `)], {
      encoding: "utf8",
      cwd: fileURLToPath(new URL("../../", import.meta.url)),
    });

  test.each([
    ["sync check 'ANY 1 (a'", 1],
    ["sync check 'ANY 1 (a)'", 0],
    ["command check 'x'", 0],
    ["command check 'BASE_BACKUP x'", 1],
  ])("whose reader has gone leaves the verdict: %s", (call, status) => {
    // The reader has closed its end before anything is written.
    const { status: got, stderr } = shell(`{ sleep 0.3; walwire ${call}; } | exec true`);
    expect([got, stderr]).toEqual([status, ""]);
  });

  test("whose reader goes away in the middle of a long output ends as others do", () => {
    const run = shell("walwire wal docs/examples/wal-18.gz docs/examples/wal-18.gz --jsonl | head -n 1 > /dev/null");
    expect(run.stderr).toBe("");
    expect([0, 141]).toContain(run.status);
    expect(shell("{ sleep 0.3; walwire wal docs/examples/wal-18.gz; } | exec true").status).toBe(141);
  });

  test.each([
    ["sync check a", 3],
    ["sync check 'ANY 1 (a'", 1],
    ["command explain IDENTIFY_SYSTEM --json", 3],
    ["wal docs/examples/wal-18.gz", 3],
    ["wal docs/examples/wal-18.gz --stats", 3],
    ["--help", 3],
  ])("on a full device: %s", (call, status) => {
    const run = shell(`walwire ${call} > /dev/full`);
    expect([run.status, run.stderr]).toEqual([
      status,
      "walwire: cannot write to standard output: no space left on device\n",
    ]);
  });

  test("standard error on a full device leaves the verdict", () => {
    expect(shell("walwire sync chekc 2> /dev/full").status).toBe(2);
  });

  test("NO_COLOR and FORCE_COLOR", () => {
    expect(shell("FORCE_COLOR=1 walwire sync check a").stdout).toContain("\u001b[");
    expect(shell("NO_COLOR=1 walwire sync check a").stdout).not.toContain("\u001b[");
  });

  test("lines of JSON may begin with a byte order mark", async () => {
    const child = spawn(process.execPath, [program, "command", "check", "--jsonl"]);
    child.stdin.write(Uint8Array.of(0xef, 0xbb));
    await new Promise((resolve) => setTimeout(resolve, 50));
    child.stdin.end(Buffer.concat([Uint8Array.of(0xbf), Buffer.from('"IDENTIFY_SYSTEM"\n\ufeff"IDENTIFY_SYSTEM"\n')]));
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text) => (output += text));
    await once(child, "close");
    expect(output.split("\n").map((line) => line.slice(0, 11))).toEqual(['{"ok":true,', '{"ok":false', ""]);
  });
});

test("an unknown version is answered with versions that work", async () => {
  const { stderr } = await runWalwire(["command", "check", "IDENTIFY_SYSTEM", "--server", "20"]);
  const [, oldest, newest] = /expected (\S+) to (\S+),/.exec(stderr)!;
  for (const server of [oldest!, newest!]) {
    const { status } = await runWalwire(["command", "check", "IDENTIFY_SYSTEM", "--server", server]);
    expect(status, server).toBe(0);
  }
  expect((await runWalwire(["sync", "check", "a", "--server", "9.1"])).status).toBe(0);
});

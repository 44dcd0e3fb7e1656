/** `walwire sync` as people, programs and pull requests run it: whole outputs, exit statuses, files, and lines that are no JSON. */
import { execFile, spawnSync } from "node:child_process";
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { parsePostgresqlConf } from "../../src/conf/index.ts";
import { formatServerVersion } from "../../src/kernel/version.ts";
import {
  type Finding,
  lintSynchronousStandbyNames,
  parseSynchronousStandbyNames,
  type SyncRepConfig,
} from "../../src/syncrep/index.ts";
import { compile } from "../compiled.ts";
import { seed } from "../seed.ts";
import { type Run, runWalwire } from "../walwire.ts";

/** The version that 18, the default, means. */
const newest = formatServerVersion(18);

const root = fileURLToPath(new URL("../../", import.meta.url));
const compiled = compile();
const program = join(compiled.dist, "node/cli.js");

afterAll(() => compiled.remove());

/** Run `walwire sync` with this on standard input. */
const walwire = (args: readonly string[], options?: { input?: string | Uint8Array; cwd?: string }): Promise<Run> =>
  runWalwire(["sync", ...args], options);

/** Files in a new directory, which is gone after the test. */
function directoryOf(files: Readonly<Record<string, string | Uint8Array>>): string {
  const directory = mkdtempSync(join(tmpdir(), "walwire-conf-"));
  onTestFinished(() => rmSync(directory, { recursive: true }));
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(directory, name)), { recursive: true });
    writeFileSync(join(directory, name), content);
  }
  return directory;
}

const lines = (...values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

describe("docs/synchronous-standby-names.md", () => {
  const page = readFileSync(join(root, "docs/synchronous-standby-names.md"), "utf8");
  const examples = [...page.matchAll(/^```sh\n((?:(?!```)[\s\S])*?)```\n\n```text\n([\s\S]*?)```$/gm)].map(
    ([, call, output]) => ({ call: call!, output: output! }),
  );
  let bin: string;

  beforeAll(() => {
    bin = mkdtempSync(join(tmpdir(), "walwire-bin-"));
    const scripts = { walwire: `exec '${process.execPath}' '${program}' "$@"`, npx: 'exec "$@"' };
    for (const [name, script] of Object.entries(scripts)) {
      writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    }
  });

  afterAll(() => rmSync(bin, { recursive: true }));

  /** Run in a copy of docs/examples. */
  async function shell(call: string): Promise<Run> {
    const cwd = directoryOf({});
    cpSync(join(root, "docs/examples"), cwd, { recursive: true });
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
    return new Promise((resolve) =>
      execFile("sh", ["-c", call], { cwd, env }, (error, stdout, stderr) =>
        resolve({ status: error === null ? 0 : Number(error.code), stdout, stderr }),
      ),
    );
  }

  test("it has examples of each verb", () => {
    expect(examples.length).toBeGreaterThan(9);
    for (const verb of ["check", "fix", "explain"]) {
      expect(examples.some(({ call }) => call.includes(`walwire sync ${verb} `))).toBe(true);
    }
  });

  test.each(examples)("$call", async ({ call, output }) => {
    const { stdout, stderr } = await shell(call);
    expect(stdout + stderr).toBe(output);
  });

  const traps = [...page.matchAll(/^\| (`.+?`) \| (rejected|accepted).*? \| (.+?) \|$/gm)].map(
    ([, values, verdict, meant]) => ({ values: codeOf(values!), verdict: verdict!, meant: codeOf(meant!)[0] }),
  );

  function codeOf(text: string): string[] {
    return [...text.matchAll(/`(.+?)`/g)].map(([, code]) => code!);
  }

  test("lint finds each trap, and nothing in the intended value", () => {
    expect(traps.length).toBeGreaterThan(10);
    for (const { values, verdict, meant } of traps) {
      for (const value of values) {
        const accepted = !lintSynchronousStandbyNames(value).some(({ error }) => error !== undefined);
        expect([value, accepted ? "accepted" : "rejected"]).toEqual([value, verdict]);
        expect(lintSynchronousStandbyNames(value), value).not.toEqual([]);
      }
      const found = meant === undefined ? [] : lintSynchronousStandbyNames(meant).filter((f) => f.severity !== "info");
      expect(found, meant).toEqual([]);
    }
  });

  test("each value of the language is taken by the versions that it is of", () => {
    const rows = [...page.matchAll(/^\| (all|[\d.]+) (?:and later )?\| `(.+?)` \|/gm)];
    expect(rows.length).toBeGreaterThan(4);
    for (const [, since, value] of rows) {
      const servers = ["9.1", "9.6", "10", "19"].filter((server) => since === "all" || Number(server) >= Number(since));
      for (const server of ["9.1", "9.6", "10", "19"]) {
        const parse = () => parseSynchronousStandbyNames(value!, { server });
        if (servers.includes(server)) expect(parse, server).not.toThrow();
        else expect(parse, server).toThrow();
      }
    }
  });

  const snippets = [...page.matchAll(/^```yaml\n([\s\S]*?)```$/gm)].map(([, yaml]) => yaml!);

  test("what is to be copied into YAML is YAML: lists and mappings by indentation, one key or value a line", () => {
    expect(snippets).toHaveLength(2);
    for (const yaml of snippets) {
      const indents = [-1];
      for (const line of yaml.trimEnd().split("\n")) {
        const [, blanks, dashes, value] = /^( *)((?:- )*)[a-z_]+:(?: (\S.*))?$/.exec(line)!;
        while (indents.at(-1)! > blanks!.length) indents.pop();
        // A key is in line with another of its mapping, or opens one.
        expect(blanks!.length, line).toBeGreaterThanOrEqual(indents.at(-1)!);
        indents.push(blanks!.length + dashes!.length);
        // Nothing in it that would need quotes.
        expect(value ?? "", line).toMatch(/^(\[.*\]|[^[\]{}&*!|>'"%@`#]*)$/);
        expect(value ?? "", line).not.toContain(": ");
      }
    }
  });

  test("the step of a workflow finds what is wrong, and says where", async () => {
    const [, call] = /run: (.*)/.exec(snippets[0]!)!;
    const { status, stdout, stderr } = await shell(call!);
    expect([status, stderr]).toEqual([1, ""]);
    const place = "file=conf.d/replication.conf,line=2,col=";
    expect(stdout.split("\n").map((line) => line.replace(/,title.*/, ""))).toEqual([
      `::error ${place}41`,
      `::error ${place}37`,
      `::error ${place}45`,
      "",
    ]);
  });

  test("the hook finds it too, and is run for the files that it reads", async () => {
    const [, call] = /entry: (.*)/.exec(snippets[1]!)!;
    const [, files] = /files: (.*)/.exec(snippets[1]!)!;
    expect((await shell(call!)).status).toBe(1);
    expect((await shell(`walwire sync fix --conf postgresql.conf --write && ${call}`)).status).toBe(0);
    for (const name of ["postgresql.conf", "postgresql.auto.conf", "conf.d/replication.conf"]) {
      expect(name).toMatch(new RegExp(files!));
    }
  });
});

test("the demo fits a screen", async () => {
  const output = await new Promise<string>((resolve, reject) =>
    execFile(process.execPath, ["--import", "tsx", "scripts/demo-sync.ts"], { cwd: root }, (error, stdout) =>
      // The bad value gives the exit status of a check.
      error === null || error.code === 1 ? resolve(stdout) : reject(error),
    ),
  );
  const shown = output.trimEnd().split("\n");
  expect(shown.length).toBeLessThanOrEqual(40);
  for (const line of shown) expect(line.length).toBeLessThanOrEqual(110);
  expect(shown.filter((line) => line.startsWith("$ "))).toEqual([
    "$ walwire sync check 'ANY 2 (node-1, s2, s3)'",
    `$ walwire sync explain 'ANY 2 ("node-1", s2, s3)' --standbys standbys.json`,
  ]);
  expect(output).toContain('\nwalwire sync fix prints: ANY 2 ("node-1", s2, s3)\n');
  expect(output).toContain("\nLosing any one of node-1 and s2 blocks commits.\n");
});

describe("check, for people", () => {
  test("a good value, with what standard input has at its end", async () => {
    for (const input of ["ANY 1 (a, b)", "ANY 1 (a, b)\n", "ANY 1 (a, b)\r\n"]) {
      expect(await walwire(["check"], { input })).toEqual({
        status: 0,
        stdout: `✔ ANY 1 (a, b) is accepted by PostgreSQL ${newest}\naccepted by 10 and later\n`,
        stderr: "",
      });
    }
  });

  test("the empty value, and a blank one", async () => {
    expect((await walwire(["check", ""])).stdout).toBe(
      `✔ The empty value is accepted by PostgreSQL ${newest}\naccepted by 9.1 and later\n`,
    );
    const { status, stdout } = await walwire(["check", " "]);
    expect(status).toBe(1);
    expect(stdout).toContain("DETAIL:  syntax error at end of input\n");
    expect(stdout).toMatch(/\nwalwire sync fix prints: the empty value\naccepted by 9\.1 to 9\.5\n$/);
  });

  test("what some versions read otherwise", async () => {
    const { status, stdout } = await walwire(["check", "first, b", "--server", "9.6"]);
    expect([status, stdout]).toEqual([0, "✔ first, b is accepted by PostgreSQL 9.6.24\naccepted by 9.1 to 9.6\n"]);
    const name = "a".repeat(64);
    expect((await walwire(["check", name])).stdout).toContain(
      `\nmeans something else to 9.1 to 9.5: A commit waits for the first of these that streams: ${"a".repeat(63)}.\n`,
    );
    expect((await walwire(["check", "0 (a)", "--server", "9.6.1"])).stdout).toContain(
      "✔ 0 (a) is accepted by PostgreSQL 9.6.1\n",
    );
  });

  test("warnings count with --strict only, and commits that wait forever always", async () => {
    expect((await walwire(["check", "a, a"])).status).toBe(0);
    expect((await walwire(["check", "a, a", "--strict"])).status).toBe(1);
    expect((await walwire(["check", "FIRST 1 (*)", "--strict"])).status).toBe(0);
    expect((await walwire(["check", "FIRST 2 (a)"])).status).toBe(0);
    expect((await walwire(["check", "FIRST 2 (a)", "--strict"])).status).toBe(1);
    for (const value of ["none", "OFF", '""', "é"]) expect((await walwire(["check", value])).status).toBe(1);
  });

  test("what a terminal would obey is shown as an escape, and what is long is cut", async () => {
    const { stdout } = await walwire(["check"], { input: `"\u001b[31m\u009b\u2028" x` });
    expect(stdout).toContain('✘ "\\u{1b}[31m\\u{9b}\\u{2028}" x is rejected');
    expect(stdout).not.toMatch(/[^\n\P{C}]/u);
    const long = await walwire(["check"], { input: `${"x-".repeat(1e5)}, "y" z` });
    expect(long.stdout.length).toBeLessThan(5000);
    expect(long.status).toBe(1);
  });

  test("a NUL character, and bytes that are no text", async () => {
    const { status, stdout } = await walwire(["check"], { input: "a\0b" });
    expect(status).toBe(1);
    expect(stdout).toContain('ERROR:  22021: invalid byte sequence for encoding "UTF8": 0x00\n');
    expect(await walwire(["check"], { input: new Uint8Array([0x61, 0xff]) })).toEqual({
      status: 1,
      stdout: "",
      stderr: "walwire: standard input is not UTF-8\n",
    });
  });
});

describe("what check offers, fix prints", () => {
  const values = [
    ...[
      '"a "',
      'a, "b c "',
      "a, a",
      "node-1, b, b",
      "FIRST 3 (a, B, b)",
      "FIRST 2 (a)",
      "2 a, b",
      "first a, b",
      " ",
      "none",
      "ALL",
    ],
    ...[
      '"ANY 1 (a)"',
      "ANY 1 (a",
      '"*"',
      "a, é",
      "ANY 2 (é, b)",
      'FIRST 2 (ü, "x y", ü)',
      "FIRST 2 (“a”, b)",
      'ANY 2 ("a, b")',
      "ANY 3 (all, b)",
      "4294967297 (a)",
      "a b",
      "'a'",
      "2, a",
      'ANY 1 ("x*")',
      "a,,b",
      "a, b",
      '"',
    ],
  ];

  test.each(values)("%j", async (value) => {
    const { stdout } = await walwire(["check", value]);
    const [, unsafe, offer] = /^walwire sync fix (--unsafe )?prints: (.*)$/m.exec(stdout) ?? [];
    const safe = await walwire(["fix", value]);
    if (offer === undefined) {
      expect(["", `${value}\n`]).toContain(safe.stdout);
      return;
    }
    expect(offer).not.toBe(value);
    const fixed = await walwire(["fix", value, ...(unsafe === undefined ? [] : ["--unsafe"])]);
    expect(fixed).toMatchObject({ status: 0, stdout: offer === "the empty value" ? "\n" : `${offer}\n` });
    // And what fix offers in its turn is the same.
    if (unsafe !== undefined) expect(safe.stderr).toContain(`walwire sync fix --unsafe prints: ${offer}\n`);
  });
});

describe("fix", () => {
  test("the value alone is on standard output", async () => {
    expect(await walwire(["fix", "node-1, b, B"])).toEqual({
      status: 0,
      stdout: '"node-1", b\n',
      stderr: 'fixed NAME_NEEDS_QUOTES: Write "node-1".\nfixed DUPLICATE: Remove it.\n',
    });
    expect(await walwire(["fix", "ANY 1 (a, b)"])).toEqual({
      status: 0,
      stdout: "ANY 1 (a, b)\n",
      stderr: "There is nothing to fix.\n",
    });
  });

  test("nothing is where it does not become good", async () => {
    for (const value of ['a, "b', "a b", "none"]) {
      const { status, stdout, stderr } = await walwire(["fix", value]);
      expect([value, status, stdout]).toEqual([value, 1, ""]);
      expect(stderr).toMatch(/^(✘|error) /m);
    }
    for (const [value, fixed] of [
      ["FIRST 3 (a, b)", "FIRST 2 (a, b)"],
      ["ANY 2 (é, b)", 'ANY 2 ("\\xc3\\xa9", b)'],
      ['FIRST 2 (ü, "x y", ü)', 'FIRST 2 ("\\xc3\\xbc", "x y")'],
      ['ANY 2 ("a, b")', "ANY 2 (a, b)"],
      ["ANY 3 (all, b)", "ANY 3 (*)"],
    ]) {
      expect((await walwire(["fix", value!, "--unsafe"])).stdout).toBe(`${fixed}\n`);
    }
    expect((await walwire(["fix", 'a, "b', "--unsafe"])).status).toBe(1);
  });

  test("as JSON", async () => {
    const { status, stdout } = await walwire(["fix", "a-b", "--json"]);
    expect(status).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      ok: true,
      text: '"a-b"',
      config: { memberNames: ["a-b"] },
      fixed: [{ code: "NAME_NEEDS_QUOTES" }],
    });
    expect(JSON.parse((await walwire(["fix", "a b", "--json"])).stdout)).toMatchObject({
      ok: false,
      error: { sqlstate: "42601" },
      fixed: [],
    });
  });
});

describe("explain", () => {
  test("names that differ in a letter beyond ASCII are different", async () => {
    const { stdout } = await walwire(["explain", '"É", "é", a']);
    expect(stdout).toMatch(/\n {2}1 +É\n {2}2 +é\n {2}3 +a\n/);
  });

  test("blocked commits have an exit status of their own", async () => {
    const run = (value: string, ...args: string[]) =>
      walwire(["explain", value, "--standbys", "-", ...args], { input: "[]" });
    expect((await run("a")).status).toBe(4);
    expect((await run("")).status).toBe(0);
    expect((await run("a b")).status).toBe(1);
    const answer = JSON.parse((await run("a", "--json")).stdout);
    expect(answer).toMatchObject({ ok: false, verdict: "blocked", level: "on", blockingLosses: { size: 0 } });
  });

  test("a value alone", async () => {
    expect((await walwire(["explain", "ANY 2 (a, A, b)"])).stdout).toBe(`\
✔ ANY 2 (a, A, b) is accepted by PostgreSQL ${newest}
warning DUPLICATE: "A" repeats "a" and has no effect.
LINE 1: ANY 2 (a, A, b)
                  ^
fix: Remove it.
A commit waits for any 2 of these, whichever are first to have it: a, A, b.

  sync_priority  application_name
  1              a
  1              b

When all of them stream: Losing any one of a and b blocks commits.
A transaction that returned with synchronous_commit = on is flushed on 2 standbys at least, besides the primary.

What each version says
✔ 10 and later: accepted
✘ 9.6: 42601 syntax error at or near "2"
✘ 9.1 to 9.5: 22023 List syntax is invalid.
`);
  });

  test.each([
    ["18", "", /^A commit waits for no standby\.$/m],
    ["9.5", " ", /^A commit waits forever: no standby is listed\.$/m],
    ["9.6.1", "0 (a)", /^PostgreSQL 9\.6\.1 does not check the number, which is 0\.$/m],
    ["9.5", "2(a)", /^ {2}1 +2\(a\)$/m],
    ["18", `${"a".repeat(64)}`, /^→ 9\.1 to 9\.5: accepted, and means something else\. A commit waits/m],
    ["18", "FIRST 2 (a, *, b)", /^ {2}2 +\* +any standby\n\nCommits block while fewer than 2 stream\.$/m],
    ["18", Array.from({ length: 30 }, (_, i) => `n${i}`).join(), /^ {2}20 +n19\n {2}and 10 more$/m],
  ])("on %s, %j", async (server, value, line) => {
    expect((await walwire(["explain", value, "--server", server])).stdout).toMatch(line);
  });

  test("with standbys: nobody is there, one is missing, FIRST takes the first", async () => {
    const row = (application_name: string, lsn: string | null, state = "streaming") => {
      return { application_name, state, sent_lsn: "0/A0", write_lsn: lsn, flush_lsn: lsn, replay_lsn: null };
    };
    const explain = async (value: string, rows: unknown, server = "18") =>
      (await walwire(["explain", value, "--standbys", "-", "--server", server], { input: JSON.stringify(rows) }))
        .stdout;
    expect(await explain("a", [])).toContain("\nStandbys\n  none is connected\n\nCommits\n");
    expect(await explain("a", [])).toContain("\nCommits are blocked: 1 more standby of the list must stream.\n");
    const output = await explain("FIRST 2 (a, b, c)", [
      row("C", "0/90"),
      row("b", "0/80"),
      row("A", "0/A0"),
      row("x", null),
    ]);
    expect(output).toContain(`
Standbys
  application_name  state      sync_priority  sync_state  write_lsn  flush_lsn  replay_lsn  behind
  C                 streaming  3              potential   0/90       0/90                   16 bytes
  b                 streaming  2              sync        0/80       0/80                   32 bytes
  A                 streaming  1              sync        0/A0       0/A0                   0 bytes
  x                 streaming  0              async

Commits
  synchronous_commit  released up to  the next wait for  a commit that returned is
  remote_write        0/80            b                  written on 2 standbys
  on                  0/80            b                  flushed on 2 standbys
  remote_apply        nothing         `);
    // 9.5 has neither remote_apply nor these names of columns.
    const old = { application_name: "b", state: "streaming", write_location: "0/2", flush_location: "0/1" };
    expect(await explain("b", [old], "9.5")).toMatch(
      /b +streaming +1 +sync +0\/2 +0\/1 +1 bytes\n\nCommits\n.*\n.*\n {2}on .*\n\n/,
    );
  });

  test("with ANY, whoever has not passed what is released is waited for", async () => {
    const at = (application_name: string, lsn: string) => {
      return { application_name, state: "streaming", write_lsn: lsn, flush_lsn: lsn, replay_lsn: lsn };
    };
    const rows = [at("a", "0/9"), at("b", "0/5"), at("c", "0/5"), at("d", "0/1"), at("e", "0/9")];
    const waits = async (value: string): Promise<string> => {
      const { stdout } = await walwire(["explain", value, "--standbys", "-"], { input: lines(...rows) });
      return /^ {2}on +\S+ +(.*?) {2}/m.exec(stdout)![1]!;
    };
    expect(await waits("ANY 3 (*)")).toBe("b, c or d");
    expect(await waits("ANY 4 (*)")).toBe("any 2 of b, c and d");
    expect(await waits("ANY 5 (*)")).toBe("d");
    expect(await waits("ANY 2 (*)")).toBe("any 2 of a, b, c, d and e");
    expect(await waits("FIRST 5 (*)")).toBe("d");
    expect(await waits("FIRST 2 (b, c)")).toBe("b and c");
  });

  test("as JSON", async () => {
    const { stdout, status } = await walwire([
      "explain",
      'ANY 2 ("node-1", s2, s3)',
      "--standbys",
      "docs/examples/standbys.json",
      "--json",
    ]);
    expect(status).toBe(0);
    const answer = JSON.parse(stdout);
    expect(answer).toMatchObject({
      ok: true,
      config: { syncrepMethod: "QUORUM", numSync: 2, memberNames: ["node-1", "s2", "s3"] },
      words: "A commit waits for any 2 of these, whichever are first to have it: node-1, s2, s3.",
      locations: { syncrepMethod: { offset: 0, end: 3 }, numSync: { offset: 4, end: 5 } },
      numSync: 2,
      missing: 0,
      released: {
        remote_write: { lsn: "0/5000148", waitsFor: { number: 2, of: [0, 1] }, certainCopies: 2 },
        on: { lsn: "0/50000E8", waitsFor: { number: 1, of: [1] }, certainCopies: 2 },
        remote_apply: { lsn: "0/5000060", waitsFor: { number: 1, of: [0] }, certainCopies: 2 },
      },
      blockingLosses: { size: 1, of: [0, 1], sets: [[0], [1]] },
      acceptedBy: { text: "10 and later", ranges: [{ since: 100000, until: null }] },
      printed: [{ versions: { text: "10 and later" }, text: 'ANY 2 ("node-1", s2, s3)' }],
    });
    expect(answer.standbys[1]).toEqual({
      applicationName: "s2",
      syncPriority: 1,
      syncState: "quorum",
      candidate: true,
      chosen: true,
      state: "streaming",
      writeLsn: "0/5000148",
      flushLsn: "0/50000E8",
      replayLsn: "0/50000E8",
      behind: 96,
    });
    expect(answer.byVersion.map(({ versions }: { versions: { text: string } }) => versions.text)).toEqual([
      "10 and later",
      "9.6",
      "9.1 to 9.5",
    ]);
  });

  test.each([
    ["[1", /^s\.json is not JSON: /],
    ['{"application_name": "a"', /^s\.json is not JSON: /],
    ["1", /^s\.json: it must be an array of rows of pg_stat_replication$/],
    ["[[]]", /^s\.json: \[0\] must be an object$/],
    ["[null]", /^s\.json: \[0\] must be an object$/],
    ['[{"state": "streaming"}]', /^s\.json: \[0\]\.application_name must be a string$/],
    ['[{"application_name": "a"}]', /^s\.json: \[0\]\.state must be one of startup, .*, not missing$/],
    ['[{"application_name": "a", "state": "sync"}]', /^s\.json: \[0\]\.state must be one of .*, not "sync"$/],
    ['[{"application_name": null, "state": null}]', /^s\.json: \[0\]\.state is null: the role needs pg_monitor/],
    [
      '{"application_name": "a", "state": "backup"}\n{"application_name": "b", "state": "backup", "flush_lsn": 7}\n',
      /^s\.json: \[1\]\.flush_lsn must be an LSN such as "0\/16B3748", or null, not 7$/,
    ],
    [
      '[{"application_name": "a", "state": "backup", "write_location": "0/x"}]',
      /^s\.json: \[0\]\.write_location must be an LSN .* not "0\/x"$/,
    ],
  ])("standbys that are %j", async (text, sentence) => {
    const { status, stdout, stderr } = await walwire(["explain", "a", "--standbys", "s.json"], {
      cwd: directoryOf({ "s.json": text }),
    });
    expect([status, stdout]).toEqual([3, ""]);
    expect(stderr.replace(/^walwire: /, "").trimEnd()).toMatch(sentence);
  });

  // psql writes a blank line for json_agg, which is NULL, and nothing for row_to_json.
  test.each([
    ["", "empty"],
    ["\n", "empty"],
    ["null\n", "null"],
  ])("no standbys are %j", async (text, said) => {
    const cwd = directoryOf({ "s.json": text });
    const { status, stdout, stderr } = await walwire(["explain", "ANY 1 (a)", "--standbys", "s.json"], { cwd });
    expect([status, stderr]).toEqual([4, ""]);
    expect(stdout).toContain(`\nStandbys\n  none is connected: s.json is ${said}\n`);
    expect(stdout).toContain("\nCommits are blocked: 1 more standby of the list must stream.\n");
    const json = await walwire(["explain", "ANY 1 (a)", "--standbys", "-", "--json"], { input: text });
    expect([json.status, JSON.parse(json.stdout)]).toMatchObject([4, { ok: false, verdict: "blocked", standbys: [] }]);
  });

  test("with --json, what cannot be read is an object too", async () => {
    const cwd = directoryOf({ "s.json": "[1" });
    for (const [args, input, verdict, message] of [
      [["explain", "a", "--standbys", "s.json"], "", "unknown", /^s\.json is not JSON: /],
      [["explain", "a", "--standbys", "-"], "{", "unknown", /^standard input is not JSON: /],
      [["explain", "a", "--standbys", "-"], "\xff", "unknown", /^standard input is not UTF-8$/],
      [["explain", "a", "--standbys", "none.json"], "", "unknown", /^none\.json: no such file or directory$/],
      [["check", "--conf", "none.conf"], "", "unknown", /^none\.conf: no such file or directory$/],
      [["check", "--from", "postgres:///x?host=/nowhere"], "", "unknown", /^cannot reach the server: /],
      [["check"], "\xff", "bad", /^standard input is not UTF-8$/],
    ] as const) {
      const run = await walwire([...args, "--json"], { cwd, input: Buffer.from(input, "latin1") });
      const error = { message: expect.stringMatching(message) };
      expect([args, run.status, JSON.parse(run.stdout)]).toEqual([
        args,
        verdict === "bad" ? 1 : 3,
        { ok: false, verdict, error },
      ]);
      expect(run.stderr).toMatch(/^walwire: /);
    }
    expect(await walwire(["explain", "a", "--json", "--conf", "x"], { cwd })).toMatchObject({ status: 2, stdout: "" });
  });

  test("standbys that are not there", async () => {
    const { status, stderr } = await walwire(["explain", "a", "--standbys", "/nowhere.json"]);
    expect([status, stderr]).toEqual([3, "walwire: /nowhere.json: no such file or directory\n"]);
  });
});

describe("--conf", () => {
  test("the version is that of the data directory, unless --server says otherwise", async () => {
    const cwd = directoryOf({
      "etc/postgresql.conf": `data_directory = '../data'\nsynchronous_standby_names = 'ANY 1 (a, b)'\n`,
      "etc/PG_VERSION": "12\n",
      "data/PG_VERSION": "9.6\n",
      "odd/postgresql.conf": "synchronous_standby_names = a\n",
      "odd/PG_VERSION": "seventeen\n",
    });
    const check = async (...args: string[]) => (await walwire(["check", ...args], { cwd })).stdout;
    expect(await check("--conf", "etc")).toContain("rejected by PostgreSQL 9.6.24");
    expect(await check("--conf", "etc/postgresql.conf", "--server", "10")).toContain("accepted by PostgreSQL 10.23");
    expect(await check("--conf", "odd")).toContain(`accepted by PostgreSQL ${newest}`);
  });

  test("the last value counts, of files that are included and of postgresql.auto.conf", async () => {
    const cwd = directoryOf({
      "postgresql.conf": "synchronous_standby_names = 'a'\ninclude_dir = 'd'\ninclude_if_exists = 'none.conf'\n",
      "d/1.conf": "include '../more.conf'\nsynchronous_standby_names = c # last here\n",
      "d/1.txt": "synchronous_standby_names = 'no-conf'\n",
      "more.conf": "Synchronous_Standby_Names 'b'\n",
      "postgresql.auto.conf": "# Do not edit this file manually!\nsynchronous_standby_names = 'ANY 1 (d, e)'\n",
    });
    expect(await walwire(["check", "--conf", "postgresql.conf"], { cwd })).toEqual({
      status: 0,
      stdout: `\
→ postgresql.conf:1: 'a' is overridden by postgresql.auto.conf:2
→ more.conf:1: 'b' is overridden by postgresql.auto.conf:2
→ d/1.conf:2: 'c' is overridden by postgresql.auto.conf:2
ALTER SYSTEM RESET synchronous_standby_names removes it; if the server does not start, delete line 2 of postgresql.auto.conf.
✔ postgresql.auto.conf:2:30: ANY 1 (d, e) is accepted by PostgreSQL ${newest}
accepted by 10 and later
`,
      stderr: "",
    });
  });

  test("places are those in the file, through its escapes", async () => {
    const cwd = directoryOf({ "postgresql.conf": `# é\n  synchronous_standby_names='"it''s", \\142-1, c' # x\r\n` });
    const { status, stdout } = await walwire(["check", "--conf", "."], { cwd });
    expect(status).toBe(1);
    expect(stdout).toBe(`\
✘ postgresql.conf:2:43: "it's", b-1, c is rejected by PostgreSQL ${newest}
ERROR:  42601: invalid value for parameter "synchronous_standby_names": ""it's", b-1, c"
DETAIL:  syntax error at or near "-"
LINE 2:   synchronous_standby_names='"it''s", \\142-1, c' # x${" "}
                                                  ^
expected "," or end of input
Write a name with characters other than letters, digits, _ and $ in double quotes.
error NAME_NEEDS_QUOTES: The name b-1 needs double quotes.
LINE 2:   synchronous_standby_names='"it''s", \\142-1, c' # x${" "}
                                              ^^^^^^
fix: Write "b-1".
walwire sync fix prints: "it's", "b-1", c
accepted by 9.1 to 9.5
`);
    const answer = JSON.parse((await walwire(["check", "--conf", ".", "--json"], { cwd })).stdout);
    expect(answer.findings[0]).toMatchObject({
      offset: 8,
      file: { path: "postgresql.conf", line: 2, column: 39 },
    });
    expect(answer.conf).toEqual({
      path: "postgresql.conf",
      entry: { path: "postgresql.conf", line: 2, column: 29 },
      overridden: [],
      problems: [],
      unread: [],
    });
  });

  test("a file that does not set it", async () => {
    const cwd = directoryOf({ "postgresql.conf": "port = 1\n" });
    for (const verb of ["check", "explain"]) {
      const { status, stdout } = await walwire([verb, "--conf", "."], { cwd });
      expect(status).toBe(0);
      expect(stdout).toMatch(
        /^✔ postgresql\.conf does not set synchronous_standby_names: commits wait for no standby\n/,
      );
    }
    expect(await walwire(["fix", "--conf", ".", "--write"], { cwd })).toMatchObject({ status: 0, stdout: "" });
    expect(await walwire(["check", "--conf", ".", "--format", "github"], { cwd })).toMatchObject({
      status: 0,
      stdout: "",
    });
  });

  test("files of which a server takes nothing", async () => {
    const cwd = directoryOf({
      "postgresql.conf": "synchronous_standby_names = 'a'\ninclude 'missing.conf'\nport = = 1\n",
    });
    const { status, stdout } = await walwire(["check", "--conf", "."], { cwd });
    expect(status).toBe(1);
    expect(stdout).toBe(`\
✘ postgresql.conf:2:9: the server does not start, and ignores all files on a reload
ERROR:  58P01: could not open configuration file "missing.conf": No such file or directory
LINE 2: include 'missing.conf'
                ^
✘ postgresql.conf:3:8: the server does not start, and ignores all files on a reload
ERROR:  42601: syntax error in file "postgresql.conf" line 3, near token "="
LINE 3: port = = 1
               ^
✔ postgresql.conf:1:30: a is accepted by PostgreSQL ${newest}
accepted by 9.1 and later
`);
    const annotated = await walwire(["check", "--conf", ".", "--format", "github"], { cwd });
    expect(annotated.status).toBe(1);
    expect(annotated.stdout.match(/^::error file=postgresql\.conf,line=[23],col=[98],/gm)).toHaveLength(2);
    const answer = JSON.parse((await walwire(["check", "--conf", ".", "--json"], { cwd })).stdout);
    expect(
      answer.conf.problems.map(({ sqlstate, line }: { sqlstate: string; line: number }) => [sqlstate, line]),
    ).toEqual([
      ["58P01", 2],
      ["42601", 3],
    ]);
  });

  test("--json is ok if and only if the exit status is 0", async () => {
    const good = "synchronous_standby_names = 'a'\n";
    for (const [text, verdict, status] of [
      [good, "good", 0],
      ["synchronous_standby_names = 'a b'\n", "bad", 1],
      [`${good}port = = 1\n`, "bad", 1],
      [`${good}synchronous_commit = 'maybe'\n`, "bad", 1],
      ["synchronous_standby_names = 'none'\n", "bad", 1],
      [`${good}include_if_exists '/proc/self/mem'\n`, "unknown", 3],
    ] as const) {
      const run = await walwire(["check", "--conf", ".", "--json"], { cwd: directoryOf({ "postgresql.conf": text }) });
      expect([text, run.status, JSON.parse(run.stdout).ok]).toEqual([text, status, status === 0]);
      expect(JSON.parse(run.stdout).verdict).toBe(verdict);
    }
    const answer = JSON.parse((await walwire(["check", "none", "--json"])).stdout);
    expect([answer.ok, answer.verdict]).toEqual([false, "bad"]);
  });

  test("a file that may not be read makes the verdict unknown", async () => {
    const cwd = directoryOf({
      "postgresql.conf": "data_directory = 'data'\ninclude_if_exists 'secret.conf'\n",
      "secret.conf": "",
      "data/postgresql.auto.conf": "synchronous_standby_names = 'FIRST 2 (a)'\n",
    });
    for (const [path, mode] of Object.entries({ "secret.conf": 0, data: 0, ".": 0o755 }))
      chmodSync(join(cwd, path), mode);
    // Nothing is closed to root: another user looks, who must get to the program.
    const user = process.getuid?.() === 0 ? { uid: 65534, gid: 65534 } : {};
    if (process.env.WALWIRE_PACKAGE === undefined) chmodSync(dirname(compiled.dist), 0o755);
    const run = (...args: string[]) =>
      spawnSync(process.execPath, [program, "sync", ...args, "--conf", cwd], { ...user, encoding: "utf8" });
    const { status, stdout } = run("check");
    expect(stdout).toBe(`\
✘ ${cwd}/secret.conf cannot be read (permission denied): a server may find another value there
✘ ${cwd}/data/postgresql.auto.conf cannot be read (permission denied): a server may find another value there
→ data_directory is relative to where the server starts; read ${cwd}/data/postgresql.auto.conf, next to the file
→ ${cwd}/postgresql.conf does not set synchronous_standby_names in the files that can be read
`);
    expect(status).toBe(3);
    expect(run("explain").status).toBe(3);
    const answer = JSON.parse(run("check", "--json").stdout);
    expect(answer).toMatchObject({ ok: false, verdict: "unknown" });
    expect(answer.conf.unread).toEqual([
      { path: `${cwd}/secret.conf`, code: "EACCES" },
      { path: `${cwd}/data/postgresql.auto.conf`, code: "EACCES" },
    ]);
    chmodSync(join(cwd, "data"), 0o700);
  });

  test("an overridden entry in another case is checked as a server checks it", async () => {
    const cwd = directoryOf({
      "postgresql.conf": "Synchronous_Standby_Names = 'a b'\nsynchronous_standby_names = 'x'\n",
    });
    const { status, stdout } = await walwire(["check", "--conf", "."], { cwd });
    expect(status).toBe(1);
    expect(stdout).toContain(`\
✘ postgresql.conf:1:32: the server does not start, and ignores all files on a reload
ERROR:  42601: invalid value for parameter "synchronous_standby_names": "a b"
DETAIL:  syntax error at or near "b"
LINE 1: Synchronous_Standby_Names = 'a b'
                                       ^
`);
  });

  test.each([
    ["\ufeffsynchronous_standby_names = 'm'\n", "unrecognized configuration parameter"],
    ["\u00a0synchronous_standby_names = 'm'\n", "unrecognized configuration parameter"],
    ["synchronous_standby_name = 'm'\n", "unrecognized configuration parameter"],
    ["include_if_exists '.'\n", "input in flex scanner failed"],
    ["synchronous_commit = maybe\n", 'HINT:  Available values: "?local, remote_write'],
  ])("%j keeps a server from starting", async (text, said) => {
    const { status, stdout } = await walwire(["check", "--conf", "."], {
      cwd: directoryOf({ "postgresql.conf": text }),
    });
    expect([status, stdout]).toEqual([1, expect.stringMatching(said)]);
  });

  test("the cluster_name of the file is not a standby of itself", async () => {
    const cwd = directoryOf({
      "postgresql.conf": "cluster_name = 'n1'\nsynchronous_standby_names = 'ANY 2 (n1, n2)'\n",
    });
    const { status, stdout } = await walwire(["check", "--conf", ".", "--strict"], { cwd });
    expect([status, stdout]).toEqual([1, expect.stringContaining('warning OWN_NAME: "n1" is the cluster_name')]);
  });

  test("findings are left out by --ignore, and by a comment at the entry", async () => {
    const value = "synchronous_standby_names = 'none'";
    const status = async (text: string, ...args: string[]) => {
      return (await walwire(["check", "--conf", ".", ...args], { cwd: directoryOf({ "postgresql.conf": text }) }))
        .status;
    };
    expect(await status(value)).toBe(1);
    expect(await status(value, "--ignore", "LOOKS_LIKE_OFF")).toBe(0);
    expect(await status(`${value} # walwire: ignore DUPLICATE, LOOKS_LIKE_OFF`)).toBe(0);
    expect(await status(`# walwire: ignore LOOKS_LIKE_OFF\n${value}\n`)).toBe(0);
    expect(await status(`# walwire: ignore LOOKS_LIKE_OFF\n\n${value}\n`)).toBe(1);
    expect((await walwire(["check", "a, a", "--strict", "--ignore", "DUPLICATE"])).status).toBe(0);
  });

  test("a byte that is not UTF-8 is not taken for three others", async () => {
    const cwd = directoryOf({
      "postgresql.conf": Buffer.from("synchronous_standby_names = 'a, \"M\xfcller\"'\n", "latin1"),
    });
    const { stdout } = await walwire(["check", "--conf", "."], { cwd });
    expect(stdout).toContain('No standby can have the name "M\ufffdller": the server changes it to ASCII.');
  });

  test("synchronous_commit of the files decides what blocks", async () => {
    const rows = JSON.stringify([
      { application_name: "barman", state: "streaming", write_lsn: "0/9", flush_lsn: "0/9", replay_lsn: null },
      { application_name: "s2", state: "streaming", write_lsn: "0/9", flush_lsn: "0/9", replay_lsn: "0/9" },
    ]);
    const explain = (level: string) =>
      walwire(["explain", "--conf", ".", "--standbys", "s.json"], {
        cwd: directoryOf({
          "s.json": rows,
          "postgresql.conf": `synchronous_standby_names = 'barman, s2'\nsynchronous_commit = ${level}\n`,
        }),
      });
    const on = await explain("on");
    expect([on.status, on.stdout]).toEqual([
      0,
      expect.stringContaining("\nLosing barman and s2 together blocks commits.\n"),
    ]);
    expect(on.stdout).toContain(
      "\nCommits with synchronous_commit = remote_apply are blocked: barman has replayed nothing.\n",
    );
    const apply = await explain("remote_apply");
    expect(apply.status).toBe(4);
    expect(apply.stdout).toContain(
      "\nCommits with synchronous_commit = remote_apply are blocked: barman has replayed nothing.\n",
    );
    const local = await explain("local");
    expect([local.status, local.stdout]).toEqual([
      0,
      expect.stringContaining("wait for no standby: no loss blocks them"),
    ]);
  });

  test("a file that cannot be read", async () => {
    const cwd = directoryOf({ "d/postgresql.conf": "", "e/x": "" });
    for (const [path, said] of [
      ["none.conf", "none.conf: no such file or directory"],
      ["e", "e/postgresql.conf: no such file or directory"],
      ["e/x/y", "e/x/y: not a directory"],
    ]) {
      expect(await walwire(["check", "--conf", path!], { cwd })).toEqual({
        status: 3,
        stdout: "",
        stderr: `walwire: ${said}\n`,
      });
    }
  });
});

describe("fix --conf", () => {
  const before = "# é\r\nport = 1\nsynchronous_standby_names = node-1\t# it was so\nwork_mem = '4MB'";
  const after = before.replace("node-1", `'"node-1"'`);

  test("the change is shown, and patch makes it", async () => {
    const cwd = directoryOf({ "postgresql.conf": before });
    const { status, stdout, stderr } = await walwire(["fix", "--conf", "."], { cwd });
    expect([status, stderr]).toEqual([0, 'fixed NAME_NEEDS_QUOTES: Write "node-1".\n']);
    expect(stdout).toBe(`\
--- postgresql.conf
+++ postgresql.conf
@@ -3 +3 @@
-synchronous_standby_names = node-1\t# it was so
+synchronous_standby_names = '"node-1"'\t# it was so
`);
    expect(readFileSync(join(cwd, "postgresql.conf"), "utf8")).toBe(before);
    await new Promise<void>((resolve, reject) => {
      const args = ["apply", "--unidiff-zero", "-p0", "-"];
      const child = execFile("git", args, { cwd }, (error) => (error === null ? resolve() : reject(error)));
      child.stdin!.end(stdout);
    });
    expect(readFileSync(join(cwd, "postgresql.conf"), "utf8")).toBe(after);
  });

  test("the last line of a file without a newline", async () => {
    const cwd = directoryOf({ "postgresql.conf": "synchronous_standby_names = 'a-b'" });
    expect((await walwire(["fix", "--conf", "."], { cwd })).stdout).toBe(`\
--- postgresql.conf
+++ postgresql.conf
@@ -1 +1 @@
-synchronous_standby_names = 'a-b'
\\ No newline at end of file
+synchronous_standby_names = '"a-b"'
\\ No newline at end of file
`);
  });

  test("--write changes the value and nothing else: not the mode, not a link, not other files", async () => {
    const cwd = directoryOf({
      "real/x.conf": before,
      "postgresql.conf": "synchronous_standby_names = 'b-c'\ninclude 'link.conf'\n",
    });
    symlinkSync("real/x.conf", join(cwd, "link.conf"));
    chmodSync(join(cwd, "real/x.conf"), 0o640);
    const { status, stderr } = await walwire(["fix", "--conf", "postgresql.conf", "--write"], { cwd });
    expect([status, stderr]).toEqual([
      0,
      `→ postgresql.conf:1: 'b-c' is overridden by link.conf:3\nfixed NAME_NEEDS_QUOTES: Write "node-1".\nlink.conf is written.\n`,
    ]);
    expect(readFileSync(join(cwd, "real/x.conf"), "utf8")).toBe(after);
    expect(statSync(join(cwd, "real/x.conf")).mode & 0o777).toBe(0o640);
    expect(readdirSync(cwd).sort()).toEqual(["link.conf", "postgresql.conf", "real"]);
    expect(readdirSync(join(cwd, "real"))).toEqual(["x.conf"]);
    expect(readFileSync(join(cwd, "postgresql.conf"), "utf8")).toContain("'b-c'");
    const again = await walwire(["fix", "--conf", "postgresql.conf", "--write", "--json"], { cwd });
    expect(JSON.parse(again.stdout)).toMatchObject({ ok: true, text: '"node-1"', fixed: [] });
  });

  test("--write leaves alone what does not become good, and what is not UTF-8", async () => {
    const bad = "synchronous_standby_names = 'a b'\n";
    const cwd = directoryOf({ "postgresql.conf": bad });
    expect((await walwire(["fix", "--conf", ".", "--write"], { cwd })).status).toBe(1);
    expect(readFileSync(join(cwd, "postgresql.conf"), "utf8")).toBe(bad);

    const latin1 = Buffer.from("# \xe9\nsynchronous_standby_names = 'a-b'\n", "latin1");
    const other = directoryOf({ "postgresql.conf": latin1 });
    const { status, stderr } = await walwire(["fix", "--conf", ".", "--write"], { cwd: other });
    expect(status).toBe(1);
    expect(stderr).toContain("walwire: postgresql.conf is not changed: it is not UTF-8, or it was changed meanwhile\n");
    expect(readFileSync(join(other, "postgresql.conf")).equals(latin1)).toBe(true);
    expect(readdirSync(other)).toEqual(["postgresql.conf"]);
  });

  test("whatever a value holds, the file says it", async () => {
    // Names with what files escape, and a number that is mended.
    const unit = fc.constantFrom("a", "'", "\\", "\n", "\r", "\t", " ", "#", '""', "é", "😀");
    for (const name of fc.sample(fc.string({ unit, minLength: 1 }), { seed, numRuns: 8 })) {
      const value = `4294967297 ("${name}x", ok)`;
      const escapes: Record<string, string> = { "'": "\\'", "\\": "\\134", "\n": "\\n", "\r": "\\r" };
      const raw = `'${value.replace(/['\\\n\r]/g, (c) => escapes[c]!)}'`;
      const cwd = directoryOf({ "postgresql.conf": `synchronous_standby_names = ${raw} # '\n` });
      expect((await walwire(["fix", "--conf", ".", "--write"], { cwd })).status).toBe(0);
      const { entries, errors } = parsePostgresqlConf(readFileSync(join(cwd, "postgresql.conf"), "utf8"));
      expect(errors).toEqual([]);
      expect(entries[0]!.value).toBe(`1 ("${name}x", ok)`);
    }
  });
});

describe("--format github", () => {
  test("what GitHub would take for something else is escaped", async () => {
    const cwd = directoryOf({ "100%,a:b.conf": `synchronous_standby_names = 'a%25\\nb'\n` });
    const { status, stdout } = await walwire(["check", "--conf", "100%,a:b.conf", "--format", "github"], { cwd });
    expect(status).toBe(1);
    expect(stdout).toBe(
      "::error file=100%25%2Ca%3Ab.conf,line=1,col=31,title=synchronous_standby_names%3A 42601::" +
        'invalid value for parameter "synchronous_standby_names": "a%2525\\u{a}b"%0Asyntax error at or near "%25"%0A' +
        "Names have no patterns and no variables. List each name, or write * for any standby.\n",
    );
  });

  test("warnings and notices; without a file, without a place", async () => {
    const { status, stdout } = await walwire(["check", "FIRST 1 (a, A, *)", "--format", "github"]);
    expect(status).toBe(0);
    expect(stdout.split("\n").map((line) => line.slice(0, line.indexOf("::", 2)))).toEqual([
      "::warning title=synchronous_standby_names%3A DUPLICATE",
      "::notice title=synchronous_standby_names%3A ANY_STANDBY",
      "",
    ]);
    expect((await walwire(["check", "FIRST 1 (a, A, *)", "--format", "github", "--strict"])).status).toBe(1);
  });
});

describe("--jsonl", () => {
  async function answers(args: readonly string[], input: string | Uint8Array): Promise<unknown[]> {
    const { status, stdout, stderr } = await walwire([...args, "--jsonl"], { input });
    expect([status, stderr]).toEqual([0, ""]);
    expect(stdout).toMatch(/\n$/);
    return stdout
      .slice(0, -1)
      .split("\n")
      .map((line) => JSON.parse(line));
  }

  test("a line that is no JSON string is answered with an error, and the next one as ever", async () => {
    const bad: readonly (string | Uint8Array)[] = [
      ...["", " ", "a", '"a', '"a" "b"', "\ufeff", "[".repeat(100_000)],
      ...[new Uint8Array([0x22, 0xff, 0x22]), new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22])],
      ...["null", "1e999", '{"value":"a"}', '["a"]', "true", '"\\u0000"', '"\\ud800"'],
    ];
    const input = Buffer.concat(bad.flatMap((line) => [Buffer.from(line), Buffer.from('\n"a"\r\n')]));
    for (const verb of ["check", "fix", "explain"]) {
      const all = await answers([verb], input);
      expect(all).toHaveLength(2 * bad.length);
      for (const [i, answer] of all.entries()) {
        if (i % 2 === 1) expect(answer).toMatchObject({ ok: true, config: { numSync: 1, memberNames: ["a"] } });
        else expect(answer).toMatchObject({ ok: false, error: { code: "NOT_TEXT" } });
      }
    }
  });

  test("good, off, refused, and what is found", async () => {
    expect(await answers(["check", "--server", "9.6"], lines("2 (a, b)", "", "ANY 1 (a)", "a, A"))).toEqual([
      { ok: true, config: { type: "SyncRepConfig", syncrepMethod: "PRIORITY", numSync: 2, memberNames: ["a", "b"] } },
      { ok: true, config: null },
      expect.objectContaining({
        ok: false,
        error: expect.objectContaining({ sqlstate: "42601", detail: 'syntax error at or near "1"', offset: 4 }),
      }),
      {
        ok: true,
        config: { type: "SyncRepConfig", syncrepMethod: "PRIORITY", numSync: 1, memberNames: ["a", "A"] },
        findings: [expect.objectContaining({ code: "DUPLICATE", severity: "warning", offset: 3, end: 4 })],
      },
    ]);
  });

  test("fix, and explain with the standbys of a file", async () => {
    expect(await answers(["fix"], lines("a-b", "a b", ""))).toMatchObject([
      { ok: true, text: '"a-b"' },
      { ok: false, error: {}, fixed: [] },
      { ok: true, text: "", config: null },
    ]);
    const explained = await answers(
      ["explain", "--standbys", join(root, "docs/examples/standbys.json")],
      lines("s2", "S3", "'"),
    );
    expect(explained).toMatchObject([
      { ok: true, missing: 0, released: { on: { lsn: "0/50000E8" } } },
      { ok: true, missing: 1, released: { on: { lsn: null } } },
      { ok: false, acceptedBy: { text: "9.1 to 9.5" } },
    ]);
  });

  test("no input, no newline at the end, and a value of a megabyte", async () => {
    expect((await walwire(["check", "--jsonl"])).stdout).toBe("");
    const [long, off] = await answers(["check"], `${JSON.stringify(Array(100_000).fill("é").join())}\n""`);
    const { ok, config, findings } = long as { ok: true; config: SyncRepConfig; findings: Finding[] };
    expect([ok, config.memberNames.length]).toEqual([true, 100_000]);
    expect(findings.length).toBeGreaterThan(100);
    expect(off).toEqual({ ok: true, config: null });
  });
});

describe("calls", () => {
  test.each([
    [[], "missing verb: walwire sync check, fix, explain, diff or plan"],
    [["chekc", "a"], 'unknown verb "chekc", did you mean check?'],
    [["check", "a", "b"], "expected one VALUE, got 2: quote it"],
    [["check", "a", "--server", "9.0"], '--server: unknown server version "9.0"'],
    [["check", "a", "--also", "x"], '--also: unknown server version "x"'],
    [["check", "a", "--unsafe"], "--unsafe is an option of walwire sync fix only"],
    [["fix", "a", "--strict"], "--strict is an option of walwire sync check only"],
    [["check", "a", "--standbys", "x"], "--standbys is an option of walwire sync explain and plan only"],
    [["fix", "a", "--format", "github"], "--format is an option of walwire sync check only"],
    [["check", "a", "--format", "gitlab"], '--format: expected text or github, got "gitlab"'],
    [["check", "a", "--format", "github", "--json"], "--format and --json are mutually exclusive"],
    [["check", "a", "--json", "--jsonl"], "--json and --jsonl are mutually exclusive"],
    [["fix", "a", "--write"], "--write requires --conf"],
    [["check", "a", "--conf", "x"], "--conf and VALUE are mutually exclusive"],
    [["explain", "a", "--from", "postgres://x", "--standbys", "x"], "--from and --standbys are mutually exclusive"],
    [["explain", "--standbys", "-"], "standard input cannot be both VALUE and --standbys"],
    [["check", "a", "--jsonl"], "--jsonl and VALUE are mutually exclusive"],
    [["check", "--conf", "x", "--jsonl"], "--conf and --jsonl are mutually exclusive"],
    [["check", "--from", "localhost"], 'expected a URL such as postgres://user@host/database, got "localhost"'],
    [["check", "--verbose"], "unknown option --verbose"],
  ])("%j is wrong", async (args, sentence) => {
    const { status, stdout, stderr } = await walwire(args);
    expect(stdout).toBe("");
    expect(stderr).toContain(`walwire sync: ${sentence}`);
    expect(stderr).toMatch(/^.*\nSee walwire sync --help\.\n$/);
    expect(status).toBe(2);
  });

  test("a value that begins with a hyphen stands behind --", async () => {
    expect((await walwire(["fix", "--", "-a"])).stderr).toContain('near "-"');
  });

  test.each([[["--help"]], [["check", "--help"]], [["fix", "x", "-h"]]])("sync %j", async (args) => {
    const { status, stdout } = await walwire(args);
    expect(status).toBe(0);
    expect(stdout).toContain("  walwire sync check [OPTION]… [VALUE]\n");
    expect(stdout).not.toContain("walwire tail");
  });
});

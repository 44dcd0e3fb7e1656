/** `walwire command` as people and programs run it: whole outputs, exit statuses, and lines that are no JSON. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { formatServerVersion } from "../../src/kernel/version.ts";
import { Page } from "../../src/node/cli/shared/people.ts";
import { compile } from "../compiled.ts";
import { type Run, runWalwire } from "../walwire.ts";

/** The version that 18, the default, means. */
const newest = formatServerVersion(18);

const root = fileURLToPath(new URL("../../", import.meta.url));
const compiled = compile();
const program = join(compiled.dist, "node/cli.js");

afterAll(() => compiled.remove());

/** Run `walwire` with this on standard input. */
const walwire = (args: readonly string[], input?: string | Uint8Array): Promise<Run> =>
  runWalwire(args, input === undefined ? {} : { input });

/** What `walwire command` prints where nothing is wrong with the call. */
async function says(status: number, args: readonly string[], input?: string | Uint8Array): Promise<string> {
  const result = await walwire(["command", ...args], input);
  expect(result.stderr).toBe("");
  expect(result.status).toBe(status);
  return result.stdout;
}

/** What `walwire command … --jsonl` answers to lines. */
async function answers(args: readonly string[], input: string | Uint8Array): Promise<unknown[]> {
  const output = await says(0, [...args, "--jsonl"], input);
  expect(output).toMatch(/\n$/);
  return output
    .slice(0, -1)
    .split("\n")
    .map((line) => JSON.parse(line));
}

const lines = (...values: readonly unknown[]) => values.map((value) => `${JSON.stringify(value)}\n`).join("");

describe("docs/command-line.md", () => {
  const examples = [
    ...readFileSync(join(root, "docs/command-line.md"), "utf8").matchAll(
      /^```sh\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```$/gm,
    ),
  ].map(([, call, output]) => ({ call: call!, output: output! }));
  let bin: string;

  beforeAll(() => {
    bin = mkdtempSync(join(tmpdir(), "walwire-bin-"));
    const script = `#!/bin/sh\nexec '${process.execPath}' '${program}' "$@"\n`;
    writeFileSync(join(bin, "walwire"), script, { mode: 0o755 });
  });

  afterAll(() => rmSync(bin, { recursive: true }));

  test("it has examples of each verb", () => {
    expect(examples.length).toBeGreaterThan(8);
    for (const verb of ["check", "print", "explain"]) {
      expect(examples.some(({ call }) => call.includes(`walwire command ${verb} `))).toBe(true);
    }
  });

  test.each(examples)("$call", async ({ call, output }) => {
    const env = { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` };
    const printed = await new Promise((resolve) =>
      execFile("sh", ["-c", call], { env }, (_, stdout, stderr) => resolve(stdout + stderr)),
    );
    expect(printed).toBe(output);
  });
});

describe("check, for people", () => {
  test("a name that the server cuts comes with its notice, and the text from standard input", async () => {
    const name = `${"é".repeat(31)}ab`;
    expect(await says(0, ["check", "-"], `DROP_REPLICATION_SLOT ${name}\n`)).toBe(
      `✔ DROP_REPLICATION_SLOT is accepted by PostgreSQL ${newest}
NOTICE:  42622: identifier "${name}" will be truncated to "${name.slice(0, -1)}"
No slot can have this name: replication slot name "${name.slice(0, -1)}" contains invalid character. Write ${"_".repeat(31)}a, for example.
accepted by 10 and later
`,
    );
  });

  test("one newline at the end of standard input is not of the text, a second one is", async () => {
    expect(await says(1, ["check"], "IDENTIFY_SYSTEM 'x\n\n")).toBe(
      `✘ IDENTIFY_SYSTEM is rejected by PostgreSQL ${newest}
ERROR:  42601: unterminated quoted string
LINE 1: IDENTIFY_SYSTEM 'x
                        ^
accepted by no version
`,
    );
    expect(await says(0, ["print"], "SELECT 1\n\n")).toBe("SELECT 1\n\n");
  });

  test("an option of a later version", async () => {
    expect(await says(1, ["check", "CREATE_REPLICATION_SLOT s LOGICAL p (failover)", "--server", "16.1"])).toBe(
      `✘ CREATE_REPLICATION_SLOT is rejected by PostgreSQL 16.1
ERROR:  XX000: unrecognized option: failover
LINE 1: CREATE_REPLICATION_SLOT s LOGICAL p (failover)
                                             ^
The option failover is new in 17.
accepted by 17 and later
`,
    );
  });

  test("a plugin that is only assumed", async () => {
    expect(await says(1, ["check", "START_REPLICATION SLOT s LOGICAL 0/0 (\"include-xids\" '0')"])).toMatch(
      /^The slot is taken to be one of pgoutput: with --plugin it is one of another output plugin\.$/m,
    );
    expect(await says(0, ["check", "--plugin", "p", "START_REPLICATION SLOT s LOGICAL 0/0 (x)"])).toBe(
      `✔ START_REPLICATION is accepted by PostgreSQL ${newest}\naccepted by 9.4 and later\n`,
    );
  });

  test("a connection without a database", async () => {
    expect(await says(1, ["check", "--physical", "START_REPLICATION SLOT s LOGICAL 0/0"])).toBe(
      `✘ START_REPLICATION is rejected by PostgreSQL ${newest} on a connection without a database
ERROR:  55000: logical decoding requires a database connection
LINE 1: START_REPLICATION SLOT s LOGICAL 0/0
                                 ^
Connect with replication=database and the name of a database.
accepted by no version
`,
    );
    expect(await says(1, ["check", "--physical", "--server", "9.6", ""])).toBe(
      `✘ This text is rejected by PostgreSQL 9.6.24 on a connection without a database
ERROR:  42601: syntax error
LINE 1: 
        ^
expected IDENTIFY_SYSTEM, BASE_BACKUP, START_REPLICATION, CREATE_REPLICATION_SLOT, DROP_REPLICATION_SLOT or TIMELINE_HISTORY
accepted by no version
`,
    );
  });

  test("what a terminal would obey is shown as an escape, and what is long is cut", async () => {
    const output = await says(1, ["check"], `CREATE_REPLICATION_SLOT "\u001b[31m\u009b\u2028" PHYSICAL`);
    expect(output).toContain('ERROR:  42602: replication slot name "\\u{1b}[31m\\u{9b}\\u{2028}" contains');
    expect(output).not.toMatch(/[^\n\P{C}]/u);
    expect((await says(1, ["check"], `BASE_BACKUP (${"x".repeat(1e6)})`)).length).toBeLessThan(2000);
  });

  test("a NUL character, half a character, bytes that are no text", async () => {
    expect(await says(1, ["check"], "IDENTIFY\0_SYSTEM")).toContain("ERROR:  08P01: invalid message format\n");
    const { status, stderr } = await walwire(["command", "check"], new Uint8Array([0x53, 0xff]));
    expect(stderr).toBe("walwire: standard input is not UTF-8\n");
    expect(status).toBe(1);
  });
});

describe("print", () => {
  test("what is refused goes to standard error", async () => {
    const result = await walwire(["command", "print", "DROP_REPLICATION_SLOT s NOWAIT"]);
    expect(result.stdout).toBe("");
    expect(result.stderr).toBe(
      `ERROR:  42601: syntax error
LINE 1: DROP_REPLICATION_SLOT s NOWAIT
                                ^
expected WAIT, ";" or end of input
`,
    );
    expect(result.status).toBe(1);
  });

  test("a text that begins with a hyphen stands behind --", async () => {
    expect(await says(0, ["print", "--", "--help"])).toBe("--help\n");
  });
});

describe("explain", () => {
  test("defaults are filled in, and marked", async () => {
    expect(await says(0, ["explain", "ALTER_REPLICATION_SLOT s (two_phase off)"])).toBe(
      `✔ ALTER_REPLICATION_SLOT is accepted by PostgreSQL ${newest}
Change a logical replication slot.

  slotname   s               the slot
  failover          default  synchronize the slot to standbys
  two_phase  false           decode prepared transactions when they are prepared

Answer
  CommandComplete ALTER_REPLICATION_SLOT

What each version says
✔ 18 and later: accepted
✘ 17: XX000 unrecognized option: two_phase. The option two_phase is new in 18.
→ 10 to 16: handed to SQL
✘ 9.4 to 9.6: 42601 syntax error. ALTER_REPLICATION_SLOT is a command since 17.

How to write it
  18 and later  ALTER_REPLICATION_SLOT s (two_phase 'off')
`,
    );
  });

  test.each([
    ["14", "BASE_BACKUP FAST NOWAIT", /^ {2}checkpoint +fast +start/m],
    ["9.4", "BASE_BACKUP MAX_RATE 32", /^ {2}max_rate +32 +highest transfer rate, kB/m],
    [
      "18",
      "BASE_BACKUP (compression zstd, compression_detail 'level=5,workers=2,long')",
      /zstd level=5,workers=2,long/,
    ],
    ["18", "START_REPLICATION 0/16B3748 TIMELINE 3", /^ {2}timeline +3 +of this one$/m],
    ["19", "START_REPLICATION 0/1", /^ {2}startpoint +0\/00000001 /m],
    [
      "18",
      "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '4', publication_names '\"P\",q')",
      /^ {2}publication_names +P, q /m,
    ],
    ["9.6", "CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL", /^ {2}reserve_wal +true +reserve WAL/m],
    ["18", "TIMELINE_HISTORY 2", /^ {4}content +text /m],
    ["18", "SHOW all", /^ {2}rows: All configuration parameters/m],
    ["18", "READ_REPLICATION_SLOT s", /^ {4}restart_lsn +text /m],
    ["18", "UPLOAD_MANIFEST", /^ {2}CopyIn: a stream to the server$/m],
  ])("on %s, %s", async (server, text, line) => {
    expect(await says(0, ["explain", text, "--server", server])).toMatch(line);
  });

  test("what is refused is explained by what other versions say", async () => {
    expect(await says(1, ["explain", "TIMELINE_HISTORY 0"])).toBe(
      `✘ TIMELINE_HISTORY is rejected by PostgreSQL ${newest}
ERROR:  42601: invalid timeline 0
LINE 1: TIMELINE_HISTORY 0
                         ^

What each version says
✘ 9.4 and later: 42601 invalid timeline 0
`,
    );
  });

  test("as JSON", async () => {
    const text = "BASE_BACKUP  (checkpoint 'fast')";
    const { answer, options, ...rest } = JSON.parse(await says(0, ["explain", "--json", text]));
    expect(rest).toEqual({
      ok: true,
      command: {
        type: "BaseBackupCmd",
        options: [{ defname: "checkpoint", arg: { type: "String", sval: "fast" } }],
      },
      offsets: { "": 0, "options[0].defname": 14, "options[0].arg": 25 },
      acceptedBy: { text: "15 and later", ranges: [{ since: 150000, until: null }] },
      byVersion: [
        expect.objectContaining({
          versions: { text: "15 and later", ranges: [{ since: 150000, until: null }] },
          ok: true,
        }),
        expect.objectContaining({
          versions: { text: "9.4 to 14", ranges: [{ since: 90400, until: 150000 }] },
          ok: false,
          error: expect.objectContaining({ stage: "parse", message: "syntax error", offset: 13 }),
        }),
      ],
      printed: [
        {
          versions: { text: "15 and later", ranges: [{ since: 150000, until: null }] },
          text: "BASE_BACKUP (checkpoint 'fast')",
        },
        { versions: { text: "9.4 to 14", ranges: [{ since: 90400, until: 150000 }] }, text: "BASE_BACKUP FAST" },
      ],
    });
    expect(options).toMatchObject({ type: "BaseBackupOptions", checkpoint: "fast", label: "base backup" });
    expect(answer[0]).toEqual({ type: "Rows", resultSet: "BACKUP_START", occurs: "once" });
  });
});

describe("--jsonl", () => {
  test("one answer a line, in order", async () => {
    const long = "x".repeat(64);
    expect(
      await answers(
        ["check", "--server", "19"],
        lines(
          "START_REPLICATION SLOT s LOGICAL FFFFFFFF/FFFFFFFF (proto_version '1', publication_names 'p')",
          "CREATE_REPLICATION_SLOT s PHYSICAL",
          "SELECT\u2028 1",
          `DROP_REPLICATION_SLOT ${long}`,
          "SHOW",
          "ALTER_REPLICATION_SLOT s (x)",
        ),
      ),
    ).toEqual([
      {
        ok: true,
        command: {
          type: "StartReplicationCmd",
          kind: "LOGICAL",
          slotname: "s",
          timeline: 0,
          startpoint: "FFFFFFFF/FFFFFFFF",
          options: [
            { defname: "proto_version", arg: { type: "String", sval: "1" } },
            { defname: "publication_names", arg: { type: "String", sval: "p" } },
          ],
        },
      },
      {
        ok: true,
        command: { type: "CreateReplicationSlotCmd", kind: "PHYSICAL", slotname: "s", temporary: false, options: [] },
      },
      { ok: true, sql: true },
      {
        ok: true,
        command: { type: "DropReplicationSlotCmd", slotname: long.slice(1), wait: false },
        notices: [
          {
            severity: "NOTICE",
            sqlstate: "42622",
            message: `identifier "${long}" will be truncated to "${long.slice(1)}"`,
            offset: 22,
          },
        ],
      },
      {
        ok: false,
        error: {
          stage: "parse",
          code: "SYNTAX",
          sqlstate: "42601",
          message: "syntax error",
          offset: 4,
          line: 1,
          column: 5,
          expected: ["identifier"],
          advice: "In capitals SHOW is the walsender's own and takes one name; write show for SQL's.",
        },
      },
      {
        ok: false,
        error: {
          stage: "check",
          code: "REFUSED",
          sqlstate: "XX000",
          message: "unrecognized option: x",
          offset: 26,
          line: 1,
          column: 27,
          expected: [],
          path: "options[0].defname",
          advice: "The options are failover, two_phase.",
        },
      },
    ]);
  });

  test("a line that is no JSON string is answered with an error, and the next one as ever", async () => {
    const bad: readonly (string | Uint8Array)[] = [
      "",
      " ",
      "IDENTIFY_SYSTEM",
      '"IDENTIFY_SYSTEM',
      '"a" "b"',
      "\ufeff",
      "[".repeat(100_000),
      new Uint8Array([0x22, 0xff, 0x22]),
      new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]),
      "null",
      "1e999",
      '{"text":"SHOW a"}',
      '["SHOW a"]',
      "true",
      '"\\u0000"',
      '"\\ud800"',
    ];
    const input = Buffer.concat(bad.flatMap((line) => [Buffer.from(line), Buffer.from('\n"SHOW a"\r\n')]));
    const all = await answers(["check"], input);
    expect(all).toHaveLength(2 * bad.length);
    for (const [i, answer] of all.entries()) {
      if (i % 2 === 1) expect(answer).toEqual({ ok: true, command: { type: "VariableShowStmt", name: "a" } });
      else expect(answer).toMatchObject({ ok: false, error: { stage: "parse", code: "NOT_TEXT" } });
    }
    const messages = (all as { error?: { message: string } }[])
      .filter((_, i) => i % 2 === 0)
      .map((a) => a.error!.message);
    expect(messages.slice(6)).toEqual([
      "the line is not JSON",
      "the line is not UTF-8",
      "the line is not UTF-8",
      "expected a string, not null",
      "expected a string, not number",
      "expected a string, not object",
      "expected a string, not object",
      "expected a string, not boolean",
      "invalid message format",
      'invalid byte sequence for encoding "UTF8": 0xed 0xa0 0x80',
    ]);
  });

  test("no input, no newline at the end, and lines in many pieces", async () => {
    expect(await says(0, ["check", "--jsonl"], "")).toBe("");
    const answer = '{"ok":true,"command":{"type":"IdentifySystemCmd"}}\n';
    expect(await says(0, ["check", "--jsonl"], '"IDENTIFY_SYSTEM"')).toBe(answer);
    // Longer than what a pipe holds.
    const long = `BASE_BACKUP (label '${"é".repeat(500_000)}')`;
    const [first, second] = await answers(["check"], lines(long, "IDENTIFY_SYSTEM"));
    expect(first).toMatchObject({
      ok: false,
      error: { stage: "check", message: "backup label too long (max 1024 bytes)" },
    });
    expect(second).toEqual(JSON.parse(answer));
  });

  test("print and explain", async () => {
    expect(
      await answers(
        ["print", "--server", "14", "--for", "9.6"],
        lines("BASE_BACKUP  FAST;", "DROP_REPLICATION_SLOT s WAIT", "SHOW", 1),
      ),
    ).toEqual([
      { ok: true, text: "BASE_BACKUP FAST" },
      {
        ok: false,
        error: {
          stage: "print",
          code: "UNSUPPORTED",
          message: "WAIT is not in PostgreSQL 9.6.24, only since 10",
          capability: "createSlotOptions",
        },
      },
      { ok: false, error: expect.objectContaining({ stage: "parse", message: "syntax error" }) },
      { ok: false, error: expect.objectContaining({ stage: "parse", code: "NOT_TEXT" }) },
    ]);
    const explained = await answers(["explain"], lines("IDENTIFY_SYSTEM", "x", "SHOW", {}));
    expect(explained).toMatchObject([
      { ok: true, offsets: { "": 0 }, acceptedBy: { text: "9.4 and later" } },
      { ok: true, sql: true, acceptedBy: { text: "no version" } },
      { ok: false, acceptedBy: { text: "no version" } },
      { ok: false, error: { code: "NOT_TEXT" } },
    ]);
  });

  test("an answer comes before the next line, and memory does not grow with their number", async () => {
    const child = spawn(process.execPath, ["--max-old-space-size=64", program, "command", "check", "--jsonl"]);
    const ended = once(child, "close");
    const answers = child.stdout.setEncoding("utf8")[Symbol.asyncIterator]();
    child.stdin.write(lines("IDENTIFY_SYSTEM"));
    const answer = '{"ok":true,"command":{"type":"IdentifySystemCmd"}}\n';
    expect((await answers.next()).value).toBe(answer);

    // 30 MB of lines, and 80 MB of answers.
    const text = `START_REPLICATION SLOT s LOGICAL 0/16B3748 (proto_version '4', publication_names 'p', origin 'none')`;
    const expected = (await says(0, ["check", "--jsonl"], lines(text))).trimEnd();
    const block = lines(...Array.from({ length: 2000 }, () => text));
    const blocks = 100;
    const sent = (async () => {
      for (let i = 0; i < blocks; i++) {
        if (!child.stdin.write(block)) await once(child.stdin, "drain");
      }
      child.stdin.end();
    })();
    let rest = "";
    let count = 0;
    for (let piece = await answers.next(); !piece.done; piece = await answers.next()) {
      const complete = (rest + piece.value).split("\n");
      rest = complete.pop()!;
      for (const line of complete) if (line === expected) count++;
    }
    await sent;
    expect(await ended).toEqual([0, null]);
    expect([count, rest]).toEqual([2000 * blocks, ""]);
  });
});

describe("output", () => {
  const written = (output: { hasColors?(): boolean }) => {
    let all = "";
    const write = (text: string) => {
      all += text;
    };
    const page = new Page({ ...output, write });
    page.mark("bad", "no");
    page.table(
      [
        ["name", "a\u{1f600}b", ""],
        ["n", "a", "x"],
      ],
      ["bold", undefined, "dim"],
    );
    return all;
  };

  test("it has colours where the terminal says that it has them, and nowhere else", () => {
    const plain = "✘ no\n  name  a\u{1f600}b\n  n     a    x\n";
    expect(written({})).toBe(plain);
    expect(written({ hasColors: () => false })).toBe(plain);
    const coloured = written({ hasColors: () => true });
    expect(coloured).toContain("\u001b[31m✘\u001b[39m no\n");
    expect(coloured.replace(/\u001b\[\d+m/g, "")).toBe(plain);
  });

  test("whoever reads no further ends it quietly", async () => {
    const child = spawn(process.execPath, [program, "command", "check", "--jsonl"]);
    const ended = once(child, "close");
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    child.stdin.on("error", () => {});
    const block = lines(...Array.from({ length: 10_000 }, () => "IDENTIFY_SYSTEM"));
    child.stdin.write(block);
    await once(child.stdout, "data");
    child.stdout.destroy();
    for (let i = 0; i < 100 && !child.stdin.destroyed; i++) child.stdin.write(block);
    child.stdin.end();
    expect(await ended).toEqual([141, null]);
    expect(stderr).toBe("");
  });
});

describe("calls", () => {
  test.each([
    [["command"], "missing verb: walwire command check, print or explain"],
    [["command", "parse", "x"], 'unknown verb "parse": expected check, print or explain'],
    [["command", "check", "SHOW", "a"], "expected one TEXT, got 2: quote it"],
    [["command", "check", "SHOW a", "--jsonl"], "--jsonl and TEXT are mutually exclusive"],
    [["command", "check", "--server", "9.0"], '--server: unknown server version "9.0"'],
    [["command", "check", "--server", "9.3"], "--server: The replication language with slots is not in PostgreSQL 9.3"],
    [["command", "print", "--for", "x"], '--for: unknown server version "x"'],
    [["command", "check", "--for", "15"], "--for is an option of walwire command print only"],
    [["command", "check", "--verbose"], "unknown option --verbose"],
  ])("%j is wrong", async (args, sentence) => {
    const { status, stdout, stderr } = await walwire(args);
    expect(stdout).toBe("");
    expect(stderr).toContain(`walwire command: ${sentence}`);
    expect(stderr).toMatch(/^.*\nSee walwire command --help\.\n$/);
    expect(status).toBe(2);
  });

  test.each([[["--help"]], [["check", "--help"]], [["explain", "x", "-h"]]])("command %j", async (args) => {
    const output = await says(0, args);
    expect(output).toContain("  walwire command check [OPTION]… [TEXT]\n");
    expect(output).not.toContain("walwire tail");
  });
});

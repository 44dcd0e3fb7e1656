/** The oracles themselves: they say what servers are known to say, and do nothing of what a text says. */
import { describe, expect, test } from "vitest";
import { supports } from "../../src/capabilities.ts";
import { serverVersionNum } from "../../src/kernel/version.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { commandVerdicts, type Verdict } from "./commands.ts";
import { queryBody } from "./pipeline.ts";
import { compareReaders } from "./readers.ts";
import { standbyNamesVerdicts } from "./standby-names.ts";
import { commandTexts } from "./texts.ts";

const since = (major: number, then: string, before: string) => (server: number) => (server >= major ? then : before);

/** Text and outcome: "command", "sql", or the message of a syntax error; or what gives it for a major. */
const commands: [string, string | ((major: number) => string)][] = [
  ["IDENTIFY_SYSTEM", "command"],
  ["  IDENTIFY_SYSTEM\t\r\n;", "command"],
  ["IDENTIFY_SYSTEM;;", "syntax error"],
  ["IDENTIFY_SYSTEM; IDENTIFY_SYSTEM", "syntax error"],
  ["IDENTIFY_SYSTEM foo", "syntax error"],
  ["IDENTIFY_SYSTEM -- c", "syntax error"],
  ["identify_system", "sql"],
  ['"IDENTIFY_SYSTEM"', "sql"],
  ["IDENTIFY_SYSTEMS", "sql"],
  ["IDENTIFY_SYSTEMé", "sql"],
  ["IDENTIFY_SYSTEM$", "sql"],
  ["\vIDENTIFY_SYSTEM", since(17, "command", "sql")],
  ["/* c */ IDENTIFY_SYSTEM", "sql"],
  ["-- c\nIDENTIFY_SYSTEM", "sql"],
  ["", "sql"],
  [" ", "sql"],
  [";", "sql"],
  ["SELECT 1", "sql"],
  ['"', "unterminated quoted string"],
  ["'a", "unterminated quoted string"],
  ["SHOW a.b.c", "command"],
  ['SHOW "a"', "command"],
  ["SHOW", "syntax error"],
  ["SHOW TIME ZONE", "syntax error"],
  ["show a", "sql"],
  ["SHOWS", "sql"],
  ["BASE_BACKUP", "command"],
  ["BASE_BACKUP LABEL 'x'", since(15, "syntax error", "command")],
  ["BASE_BACKUP FAST", since(15, "syntax error", "command")],
  ["BASE_BACKUP NOVERIFY_CHECKSUMS", (major) => (major >= 11 && major < 15 ? "command" : "syntax error")],
  ["BASE_BACKUP MANIFEST 'yes'", (major) => (major >= 13 && major < 15 ? "command" : "syntax error")],
  ["BASE_BACKUP (a, b 'c', d 1, e f)", since(15, "command", "syntax error")],
  ["BASE_BACKUP ()", "syntax error"],
  ["CREATE_REPLICATION_SLOT x LOGICAL p RESERVE_WAL", "command"],
  ["CREATE_REPLICATION_SLOT x LOGICAL p TWO_PHASE", since(15, "command", "syntax error")],
  ["CREATE_REPLICATION_SLOT x LOGICAL p (TWO_PHASE, FAILOVER 'true')", since(15, "command", "syntax error")],
  ["CREATE_REPLICATION_SLOT x LOGICAL 'p'", "syntax error"],
  ["CREATE_REPLICATION_SLOT x TEMPORARY PHYSICAL RESERVE_WAL RESERVE_WAL", "command"],
  ["DROP_REPLICATION_SLOT x WAIT", "command"],
  ['DROP_REPLICATION_SLOT ""', "command"],
  ['DROP_REPLICATION_SLOT "a""b"', "syntax error"],
  ['DROP_REPLICATION_SLOT "', "unterminated quoted string"],
  ["DROP_REPLICATION_SLOT é", "command"],
  ["DROP_REPLICATION_SLOT SLOT", "syntax error"],
  ["DROP_REPLICATION_SLOT LABEL", since(15, "command", "syntax error")],
  ["READ_REPLICATION_SLOT x", since(15, "command", "sql")],
  ["ALTER_REPLICATION_SLOT x (a)", since(17, "command", "sql")],
  ["UPLOAD_MANIFEST", since(17, "command", "sql")],
  ["START_REPLICATION 0/0", "command"],
  ["START_REPLICATION 0 / 0", "syntax error"],
  ["START_REPLICATION XXX/0", "syntax error"],
  ["START_REPLICATION 100000000/0", "command"],
  ["START_REPLICATION FF/0TIMELINE 1", "command"],
  ["START_REPLICATION 0/0 TIMELINE 0", "invalid timeline 0"],
  ["START_REPLICATION 0/0 TIMELINE 4294967296", "invalid timeline 0"],
  ["START_REPLICATION SLOT x LOGICAL 0/0 (\"Foo Bar\" 'it''s', a, b)", "command"],
  ["START_REPLICATION SLOT x LOGICAL 0/0 (proto_version 1)", "syntax error"],
  ["START_REPLICATION SLOT x LOGICAL 0/0 (a 'x", "unterminated quoted string"],
  ["TIMELINE_HISTORY 1", "command"],
  ["TIMELINE_HISTORY 0", "invalid timeline 0"],
];

const short = (verdict: Verdict) => (verdict.outcome === "error" ? verdict.message : verdict.outcome);

describe.for(liveMajors)("the oracle of commands, PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("knows commands, syntax errors and SQL", async () => {
    const texts = commands.map(([text]) => text);
    const verdicts = await commandVerdicts(server, texts);
    expect(verdicts.map((verdict, i) => [texts[i], short(verdict)])).toEqual(
      commands.map(([text, outcome]) => [text, typeof outcome === "string" ? outcome : outcome(major)]),
    );
  });

  test("gives SQLSTATE, message and routine", async () => {
    expect(await commandVerdicts(server, ["SHOW", "TIMELINE_HISTORY 0"])).toEqual([
      { outcome: "error", sqlstate: "42601", message: "syntax error", routine: "replication_yyerror", notices: [] },
      {
        outcome: "error",
        sqlstate: "42601",
        message: "invalid timeline 0",
        routine: "replication_yyparse",
        notices: [],
      },
    ]);
    const [notUtf8] = await commandVerdicts(server, [Buffer.from("SHOW \xff", "latin1")]);
    expect(notUtf8).toMatchObject({ sqlstate: "22021", message: 'invalid byte sequence for encoding "UTF8": 0xff' });
  });

  test("gives the notice of an identifier that is cut, at a character", async () => {
    const long = "é".repeat(40);
    const message = `identifier "${long}" will be truncated to "${"é".repeat(31)}"`;
    const notices = [{ sqlstate: "42622", message }];
    const error = { outcome: "error", sqlstate: "42601", message: "syntax error", routine: "replication_yyerror" };
    expect(await commandVerdicts(server, [`SHOW ${long}`, `SHOW ${long} x`, `SHOW${long}`])).toEqual([
      { outcome: "command", notices },
      { ...error, notices },
      { outcome: "sql", notices: undefined },
    ]);
  });

  test("runs nothing, whatever SQL is between the commands", async () => {
    const exits = [
      "COMMIT",
      "ROLLBACK",
      "END",
      "ABORT",
      "PREPARE TRANSACTION 'p'",
      "COMMIT AND CHAIN",
      "ROLLBACK TO a",
    ];
    const harm = [
      "CREATE TABLE oracle_harm ()",
      "CREATE DATABASE oracle_harm",
      "BEGIN; CREATE ROLE oracle_harm; COMMIT",
    ];
    const replication = [
      "CREATE_REPLICATION_SLOT oracle_harm PHYSICAL",
      "CREATE_REPLICATION_SLOT oracle_harm LOGICAL pgoutput NOEXPORT_SNAPSHOT",
      "START_REPLICATION 0/0",
      "BASE_BACKUP",
    ];
    const texts = exits.flatMap((exit) => [
      ...harm.flatMap((sql) => [`${exit}; ${sql}`, `${exit}; ${sql};`, ` ${exit}; ${sql}; BEGIN; x`, sql]),
      ...replication.flatMap((command) => [exit, command, `${exit}; ${command}`, `/**/${exit}`, command]),
      ...replication.map((command) => `${command}; ${exit}; ${harm[0]}`),
      ...replication.map((command) => `${command.replace(" ", "S ")}S; ${exit}; ${harm[0]}`),
    ]);
    const outcomes = (await commandVerdicts(server, texts)).map(short);
    expect(outcomes).toEqual(
      texts.map((text) => {
        if (replication.includes(text)) return "command";
        return /^(CREATE_REPLICATION_SLOT|START_REPLICATION|BASE_BACKUP)\b/.test(text) ? "syntax error" : "sql";
      }),
    );
    // Slots are made at once and listed at once; had any of it run, one of these would be there.
    const { rows } = await server.sql(`
      SELECT relname::text FROM pg_class WHERE relname = 'oracle_harm' UNION ALL
      SELECT datname::text FROM pg_database WHERE datname = 'oracle_harm' UNION ALL
      SELECT rolname::text FROM pg_roles WHERE rolname = 'oracle_harm' UNION ALL
      SELECT gid FROM pg_prepared_xacts WHERE gid = 'p' UNION ALL
      SELECT slot_name::text FROM pg_replication_slots WHERE slot_name = 'oracle_harm'`);
    expect(rows).toEqual([]);
  });

  test("keeps the order of texts, over more than one batch", async () => {
    const kinds = ["SHOW a", "SHOW 1", "SELECT 1", `SHOW "${"x".repeat(100)}`];
    const texts = Array.from({ length: 4321 }, (_, i) => kinds[((i * i) % 7) % 4]!);
    const outcomes = ["command", "syntax error", "sql", "unterminated quoted string"];
    expect((await commandVerdicts(server, texts)).map(short)).toEqual(
      texts.map((text) => outcomes[kinds.indexOf(text)]),
    );
    expect(await commandVerdicts(server, [])).toEqual([]);
  });

  test("refuses what cannot be sent as it is", async () => {
    await expect(commandVerdicts(server, ["SHOW a", "SHOW\0a"])).rejects.toThrow('"SHOW\\u0000a"');
    await expect(commandVerdicts(server, ["SHOW \ud800"])).rejects.toThrow("lone surrogate");
  });

  test("no other keyword and no other token in front makes a command", async () => {
    const words = [
      ...[
        "PHYSICAL",
        "LOGICAL",
        "SLOT",
        "TEMPORARY",
        "TWO_PHASE",
        "RESERVE_WAL",
        "TIMELINE",
        "WAIT",
        "EXPORT_SNAPSHOT",
      ],
      ...[
        "NOEXPORT_SNAPSHOT",
        "USE_SNAPSHOT",
        "LABEL",
        "PROGRESS",
        "FAST",
        "NOWAIT",
        "WAL",
        "MAX_RATE",
        "TABLESPACE_MAP",
      ],
      ...["NOVERIFY_CHECKSUMS", "MANIFEST", "MANIFEST_CHECKSUMS", "0", "0/0", "'a'", '"a"', "(", ",", ".", ";"],
    ];
    expect(new Set((await commandVerdicts(server, words)).map(short))).toEqual(new Set(["sql"]));
  });
});

describe("the texts for the oracle of commands", () => {
  const texts = (seed: number) => [...commandTexts(liveServer(liveMajors[0]!).versionNum, seed, 7000)].flat();

  test("are as many as asked for, the same for the same seed, and others for another", () => {
    expect(texts(1)).toHaveLength(7000);
    expect(texts(1)).toEqual(texts(1));
    const others = new Set(texts(2));
    expect(texts(1).filter((text) => others.has(text)).length).toBeLessThan(2000);
  });

  test("can all be sent", () => {
    for (const text of texts(3)) expect(() => queryBody(text)).not.toThrow();
  });
});

describe.for(liveMajors)("readers compared with PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("disagree when one reads for another version, and agree when not", async () => {
    const other = {
      ...server,
      versionNum: serverVersionNum(supports(server.versionNum, "genericOptions") ? "14" : "15"),
    };
    const texts = ["IDENTIFY_SYSTEM", "BASE_BACKUP FAST", "BASE_BACKUP (a)"];
    const disagreeing = async (as: typeof server) =>
      (await compareReaders(as, texts)).flatMap(({ disagreement }) => disagreement?.text ?? []);
    expect(await disagreeing(server)).toEqual([]);
    expect(await disagreeing(other)).toEqual(["BASE_BACKUP FAST", "BASE_BACKUP (a)"]);
  });
});

const syntax = (value: string, detail: string) => ({
  ok: false,
  sqlstate: "42601",
  message: `invalid value for parameter "synchronous_standby_names": "${value}"`,
  detail,
});
const tooFew = (number: number) => ({
  ok: false,
  sqlstate: "22023",
  message: `number of synchronous standbys (${number}) must be greater than zero`,
  detail: undefined,
});
const accepted = [
  ...[
    "",
    "*",
    "*,a",
    '"*"',
    "1",
    "2,3",
    "1 (1)",
    "fIrSt 1(*)",
    "FIRST 3 (a)",
    "a1$",
    "_a",
    "é",
    '""',
    '"a""b"',
    '""""',
  ],
  ...['"a\\"', "a\tb".replace("b", ",b"), "\va", "x".repeat(100), "ANY 2 (a, a)", "4294967297 (a)", "00001 (a)", "a,b"],
];
const refused: [string, string][] = [
  ["a b", 'syntax error at or near "b"'],
  ...["2 (a", "a,", "first", "any 1", " "].map((value): [string, string] => [value, "syntax error at end of input"]),
  ["a,,b", 'syntax error at or near ","'],
  ["-1 (a)", 'syntax error at or near "-"'],
  ["ANY (a)", 'syntax error at or near "("'],
  ["3 ()", 'syntax error at or near ")"'],
  ["1.5 (a)", 'syntax error at or near "."'],
  ["1e3 (a)", 'syntax error at or near "e3"'],
  ['"unterminated', "unterminated quoted identifier at end of input"],
  ['a"b"', 'syntax error at or near """'],
  ["a'b", 'syntax error at or near "\'"'],
  ["'; SELECT 1; --", 'syntax error at or near "\'"'],
  ["\\", 'syntax error at or near "\\"'],
  ["\\'", 'syntax error at or near "\\"'],
];

describe.for(liveMajors)("the oracle of synchronous_standby_names, PostgreSQL %i", (major) => {
  const server = liveServer(major);

  test("says what the check hook says", async () => {
    const values = [...accepted, ...refused.map(([value]) => value), "0 (a)", "2147483648 (a)"];
    const verdicts = await standbyNamesVerdicts(server, values);
    expect(verdicts.map((verdict, i) => [values[i], verdict])).toEqual(
      [
        ...accepted.map(() => ({ ok: true })),
        ...refused.map(([value, detail]) => syntax(value, detail)),
        ...[tooFew(0), tooFew(-2147483648)],
      ].map((verdict, i) => [values[i], verdict]),
    );
  });

  test("leaves nothing set", async () => {
    await standbyNamesVerdicts(server, ["nobody_of_this_name"]);
    const { rows } = await server.sql("SELECT setting FROM pg_file_settings WHERE name = 'synchronous_standby_names'");
    expect(rows).toEqual([]);
  });

  test("says it of values with newlines too, in their order", async () => {
    const values = ["a,\nb", "a", "0\n(a)", "a\nb c", "a b", '"\n\t\n', "ANY\n\n1\n( a )\n"];
    expect(await standbyNamesVerdicts(server, values)).toEqual([
      ...[{ ok: true }, { ok: true }, tooFew(0), syntax("a\nb c", 'syntax error at or near "b"')],
      syntax("a b", 'syntax error at or near "b"'),
      syntax('"\n\t\n', "unterminated quoted identifier at end of input"),
      { ok: true },
    ]);
  });

  test("refuses what no value can be", async () => {
    await expect(standbyNamesVerdicts(server, ["a\0b"])).rejects.toThrow("NUL");
  });
});

/** Replication commands, one by one: what each version reads in them, what it refuses and how, and how they are printed. */
import { describe, expect, test } from "vitest";
import {
  type Command,
  checkCommand,
  type DefElem,
  locateCommand,
  type Notice,
  parseCommand,
  printCommand,
} from "../../src/command/index.ts";
import { EncodeError, ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import { formatServerVersion } from "../../src/kernel/version.ts";

const string = (defname: string, sval: string): DefElem => ({ defname, arg: { type: "String", sval } });
const integer = (defname: string, ival: number): DefElem => ({ defname, arg: { type: "Integer", ival } });
const boolean = (defname: string, boolval: boolean): DefElem => ({ defname, arg: { type: "Boolean", boolval } });
const bare = (defname: string): DefElem => ({ defname, arg: undefined });
const lsn = (bytes: bigint): Lsn => toLsn(bytes);

/** One of each major, and two where a minor release changed the scanner. */
const servers = [10, 11, 12, 13, "14.23", "14.24", "15.18", 15, "16.14", 16, "17.10", 17, "18.4", 18, 19];

describe("trees", () => {
  test.each<[string, Command]>([
    ["IDENTIFY_SYSTEM", { type: "IdentifySystemCmd" }],
    [" \t\r\n\fIDENTIFY_SYSTEM ; ", { type: "IdentifySystemCmd" }],
    ["BASE_BACKUP", { type: "BaseBackupCmd", options: [] }],
    ["SHOW wal_level", { type: "VariableShowStmt", name: "wal_level" }],
    ['SHOW A . "B" .c', { type: "VariableShowStmt", name: "a.B.c" }],
    ["TIMELINE_HISTORY 007", { type: "TimeLineHistoryCmd", timeline: 7 }],
    ["DROP_REPLICATION_SLOT Sub1", { type: "DropReplicationSlotCmd", slotname: "sub1", wait: false }],
    ['DROP_REPLICATION_SLOT ""WAIT;', { type: "DropReplicationSlotCmd", slotname: "", wait: true }],
    [
      "CREATE_REPLICATION_SLOT physical PHYSICAL",
      {
        type: "CreateReplicationSlotCmd",
        kind: "PHYSICAL",
        slotname: "physical",
        plugin: undefined,
        temporary: false,
        options: [],
      },
    ],
    [
      "START_REPLICATION FF/0TIMELINE 1",
      {
        type: "StartReplicationCmd",
        kind: "PHYSICAL",
        slotname: undefined,
        timeline: 1,
        startpoint: lsn(0xff00000000n),
        options: [],
      },
    ],
    [
      "START_REPLICATION SLOT beef PHYSICAL dead/BEEF",
      {
        type: "StartReplicationCmd",
        kind: "PHYSICAL",
        slotname: "beef",
        timeline: 0,
        startpoint: lsn(0xdead0000beefn),
        options: [],
      },
    ],
    [
      `START_REPLICATION SLOT "Sub" LOGICAL 0/0 (Proto_Version '1', publication_names '"a","b''c"', "Binary")`,
      {
        type: "StartReplicationCmd",
        kind: "LOGICAL",
        slotname: "Sub",
        timeline: 0,
        startpoint: lsn(0n),
        options: [string("proto_version", "1"), string("publication_names", '"a","b\'c"'), bare("Binary")],
      },
    ],
    ["", { type: "SQLCmd", text: "" }],
    ["identify_system", { type: "SQLCmd", text: "identify_system" }],
    ["BEGIN; DROP_REPLICATION_SLOT x", { type: "SQLCmd", text: "BEGIN; DROP_REPLICATION_SLOT x" }],
    ["/* c */ IDENTIFY_SYSTEM", { type: "SQLCmd", text: "/* c */ IDENTIFY_SYSTEM" }],
    ["IDENTIFY_SYSTEM$", { type: "SQLCmd", text: "IDENTIFY_SYSTEM$" }],
    ["TIMELINE_HISTORY0", { type: "SQLCmd", text: "TIMELINE_HISTORY0" }],
    ["select E'it\\'s' -- don't", { type: "SQLCmd", text: "select E'it\\'s' -- don't" }],
  ])("%j, on every version", (text, tree) => {
    for (const server of servers) expect(parseCommand(text, { server })).toStrictEqual(tree);
  });

  test("CREATE_REPLICATION_SLOT's words, before 15 and since", () => {
    const text =
      "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL p EXPORT_SNAPSHOT NOEXPORT_SNAPSHOT USE_SNAPSHOT RESERVE_WAL";
    const tree = {
      type: "CreateReplicationSlotCmd",
      kind: "LOGICAL",
      slotname: "s",
      plugin: "p",
      temporary: true,
    };
    expect(parseCommand(text, { server: 14 })).toStrictEqual({
      ...tree,
      options: [
        integer("export_snapshot", 1),
        integer("export_snapshot", 0),
        integer("use_snapshot", 1),
        integer("reserve_wal", 1),
      ],
    });
    expect(parseCommand(`${text} TWO_PHASE`, { server: 15 })).toStrictEqual({
      ...tree,
      options: [
        string("snapshot", "export"),
        string("snapshot", "nothing"),
        string("snapshot", "use"),
        boolean("reserve_wal", true),
        boolean("two_phase", true),
      ],
    });
  });

  test("BASE_BACKUP's words, before 15", () => {
    const text = `BASE_BACKUP LABEL 'it''s'PROGRESS  FAST WAL NOWAIT MAX_RATE 32 TABLESPACE_MAP
      NOVERIFY_CHECKSUMS MANIFEST 'yes' MANIFEST_CHECKSUMS 'none' FAST ;`;
    expect(parseCommand(text, { server: 13 })).toStrictEqual({
      type: "BaseBackupCmd",
      options: [
        string("label", "it's"),
        integer("progress", 1),
        integer("fast", 1),
        integer("wal", 1),
        integer("nowait", 1),
        integer("max_rate", 32),
        integer("tablespace_map", 1),
        integer("noverify_checksums", 1),
        string("manifest", "yes"),
        string("manifest_checksums", "none"),
        integer("fast", 1),
      ],
    });
  });

  test("options in parentheses, since 15: any name, keywords too, and four kinds of value", () => {
    const text = `BASE_BACKUP ( LABEL 'x',  Progress, WAIT 0,  MAX_RATE 4294967295, "Target" Client, TIMELINE,
      max_rate 2147483648, max_rate 2147483647, "" '' , base_backup 1 )`;
    expect(parseCommand(text, { server: 15 })).toStrictEqual({
      type: "BaseBackupCmd",
      options: [
        string("label", "x"),
        bare("progress"),
        integer("wait", 0),
        integer("max_rate", -1),
        string("Target", "client"),
        bare("timeline"),
        integer("max_rate", -(2 ** 31)),
        integer("max_rate", 2 ** 31 - 1),
        string("", ""),
        integer("base_backup", 1),
      ],
    });
    expect(parseCommand("ALTER_REPLICATION_SLOT s ( FAILOVER true, TWO_PHASE false );", { server: 18 })).toStrictEqual({
      type: "AlterReplicationSlotCmd",
      slotname: "s",
      options: [string("failover", "true"), string("two_phase", "false")],
    });
  });

  test("other commands of newer versions", () => {
    expect(parseCommand("READ_REPLICATION_SLOT a.B", { server: 15 })).toStrictEqual({
      type: "ReadReplicationSlotCmd",
      slotname: "a.b",
    });
    expect(parseCommand("UPLOAD_MANIFEST", { server: 17 })).toStrictEqual({ type: "UploadManifestCmd" });
  });
});

/** How a version takes a text: a command, an error of the grammar, or SQL. */
function verdict(text: string, server: number | string): string {
  try {
    return parseCommand(text, { server }).type === "SQLCmd" ? "sql" : "command";
  } catch (error) {
    if (error instanceof ParseError) return error.message;
    throw error;
  }
}

function refusal(text: string, server: number | string, database = true): ParseError {
  try {
    parseCommand(text, { server, database });
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error(`${text} is taken`);
}

describe("which version takes what", () => {
  const since = (major: number, then: string, before: string) => (server: number) => (server >= major ? then : before);
  const words =
    (since: number, until = 15) =>
    (server: number) =>
      server >= since && server < until ? "command" : "syntax error";

  // All of it was asked of servers 10 to 18 as well.
  test.each<[string, string | ((server: number) => string)]>([
    ["IDENTIFY_SYSTEM;;", "syntax error"],
    ["IDENTIFY_SYSTEM; IDENTIFY_SYSTEM", "syntax error"],
    ["IDENTIFY_SYSTEM foo", "syntax error"],
    ["IDENTIFY_SYSTEM -- c", "syntax error"],
    ['"IDENTIFY_SYSTEM"', "sql"],
    ["FOO BAR 1", "sql"],
    [";", "sql"],
    ["\vIDENTIFY_SYSTEM", since(17, "command", "sql")],
    ["IDENTIFY_SYSTEM\v", since(17, "command", "syntax error")],
    ["SHOW TIME ZONE", "syntax error"],
    ["SHOW TIMELINE", "syntax error"],
    ["SHOW a.b.c", "command"],
    ["SHOW a.", "syntax error"],
    ["SHOW 'a'", "syntax error"],
    ["BASE_BACKUP LABEL 'x'", words(10)],
    ["BASE_BACKUP PROGRESS FAST WAL NOWAIT MAX_RATE 32 TABLESPACE_MAP", words(10)],
    ["BASE_BACKUP NOVERIFY_CHECKSUMS", words(11)],
    ["BASE_BACKUP MANIFEST 'yes'", words(13)],
    ["BASE_BACKUP MANIFEST_CHECKSUMS 'none'", words(13)],
    ["BASE_BACKUP LABEL x", "syntax error"],
    ["BASE_BACKUP MAX_RATE '32'", "syntax error"],
    ["BASE_BACKUP (a, b 'c', d 1, e f)", words(15, 99)],
    ["BASE_BACKUP (INCREMENTAL)", words(15, 99)],
    ["BASE_BACKUP ()", "syntax error"],
    ["BASE_BACKUP (a,)", "syntax error"],
    ["BASE_BACKUP (a) FAST", "syntax error"],
    ["BASE_BACKUP (SHOW SLOT)", "syntax error"],
    ["BASE_BACKUP (SLOT SHOW)", "syntax error"],
    ["BASE_BACKUP (SLOT show)", words(15, 99)],
    ["BASE_BACKUP (READ_REPLICATION_SLOT)", "syntax error"],
    ["BASE_BACKUP (read_replication_slot)", words(15, 99)],
    ["BASE_BACKUP (UPLOAD_MANIFEST)", words(15, 99)],
    ["BASE_BACKUP (a 0/0)", "syntax error"],
    ["BASE_BACKUP (a -1)", "syntax error"],
    ["BASE_BACKUP (a 'b' 'c')", "syntax error"],
    ["BASE_BACKUP (a e'b')", "syntax error"],
    ["CREATE_REPLICATION_SLOT x LOGICAL p EXPORT_SNAPSHOT", "command"],
    ["CREATE_REPLICATION_SLOT x LOGICAL p TWO_PHASE", words(15, 99)],
    ["CREATE_REPLICATION_SLOT x LOGICAL p (TWO_PHASE, FAILOVER 'true')", words(15, 99)],
    ["CREATE_REPLICATION_SLOT x LOGICAL p (TWO_PHASE) RESERVE_WAL", "syntax error"],
    ["CREATE_REPLICATION_SLOT x LOGICAL p RESERVE_WAL (TWO_PHASE)", "syntax error"],
    ["CREATE_REPLICATION_SLOT x LOGICAL p RESERVE_WAL", "command"],
    ["CREATE_REPLICATION_SLOT x PHYSICAL EXPORT_SNAPSHOT", "command"],
    ["CREATE_REPLICATION_SLOT x PHYSICAL ()", "syntax error"],
    ["CREATE_REPLICATION_SLOT x PHYSICAL TEMPORARY", "syntax error"],
    ["CREATE_REPLICATION_SLOT x LOGICAL 'p'", "syntax error"],
    ["CREATE_REPLICATION_SLOT PHYSICAL PHYSICAL", "syntax error"],
    ["CREATE_REPLICATION_SLOT x TEMPORARY PHYSICAL RESERVE_WAL RESERVE_WAL", "command"],
    ["DROP_REPLICATION_SLOT x WAIT", "command"],
    ["DROP_REPLICATION_SLOT x NOWAIT", "syntax error"],
    ["DROP_REPLICATION_SLOT SLOT", "syntax error"],
    ["DROP_REPLICATION_SLOT slot", "command"],
    ["DROP_REPLICATION_SLOT LABEL", since(15, "command", "syntax error")],
    ["DROP_REPLICATION_SLOT MANIFEST", (server) => (server === 13 || server === 14 ? "syntax error" : "command")],
    ["DROP_REPLICATION_SLOT UPLOAD_MANIFEST", since(17, "syntax error", "command")],
    ["DROP_REPLICATION_SLOT é", "command"],
    ["READ_REPLICATION_SLOT x", since(15, "command", "sql")],
    ["ALTER_REPLICATION_SLOT x (a)", since(17, "command", "sql")],
    ["ALTER_REPLICATION_SLOT x ()", since(17, "syntax error", "sql")],
    ["UPLOAD_MANIFEST", since(17, "command", "sql")],
    ["UPLOAD_MANIFEST x", since(17, "syntax error", "sql")],
    ["START_REPLICATION SLOT x 0/0 TIMELINE 1", "command"],
    ["START_REPLICATION 0/0 SLOT x", "syntax error"],
    ["START_REPLICATION 0 / 0", "syntax error"],
    ["START_REPLICATION 0/ 0", "syntax error"],
    ["START_REPLICATION XXX/0", "syntax error"],
    ["START_REPLICATION 0/0x", "syntax error"],
    ["START_REPLICATION PHYSICAL0/0", "syntax error"],
    ["START_REPLICATION 100000000/0", "command"],
    ["START_REPLICATION LOGICAL 0/0", "syntax error"],
    ["START_REPLICATION SLOT x LOGICAL 0/0 TIMELINE 1", "syntax error"],
    ["START_REPLICATION SLOT x PHYSICAL 0/0 (a 'b')", "syntax error"],
    ["START_REPLICATION PHYSICAL 0/0 (term='1')", "syntax error"],
    ["START_REPLICATION SLOT x LOGICAL 0/0 ()", "syntax error"],
    ["START_REPLICATION SLOT x LOGICAL 0/0 (proto_version 1)", "syntax error"],
    ["START_REPLICATION SLOT x LOGICAL 0/0 (TIMELINE '1')", "syntax error"],
    [`START_REPLICATION SLOT x LOGICAL 0/0 ("TIMELINE" '1')`, "command"],
    ["START_REPLICATION SLOT base_backup LOGICAL 0/0 (base_backup 'x')", "command"],
    ["TIMELINE_HISTORY 1 2", "syntax error"],
    ["TIMELINE_HISTORY -1", "syntax error"],
  ])("%s", (text, expected) => {
    for (let major = 10; major <= 19; major++) {
      expect([major, verdict(text, major)]).toEqual([major, typeof expected === "string" ? expected : expected(major)]);
    }
  });

  test("a double quote inside an identifier came with minor releases, and never before 14", () => {
    const takes = (server: number | string): boolean => verdict('DROP_REPLICATION_SLOT "a""b"', server) === "command";
    expect(servers.filter(takes)).toEqual(["14.24", 15, 16, 17, 18, 19]);
    expect(parseCommand('SHOW "a""b"')).toStrictEqual({ type: "VariableShowStmt", name: 'a"b' });
  });
});

describe("servers before 10", () => {
  test("know no SQL: every text is a command or an error", () => {
    for (const server of ["9.4", "9.5", "9.6"]) {
      for (const text of ["", "SELECT 1", "identify_system", "SHOW wal_level", "READ_REPLICATION_SLOT s"]) {
        expect([text, verdict(text, server)]).toEqual([text, "syntax error"]);
        expect(() => parseCommand(text, { server, database: false })).toThrow("syntax error");
      }
    }
  });

  test("refuse a character that the scanner does not know as soon as it is read", () => {
    expect(verdict("IDENTIFY_SYSTEM %", "9.6")).toBe('syntax error: unexpected character "%"');
    expect(verdict("\rIDENTIFY_SYSTEM", "9.6")).toBe('syntax error: unexpected character "\r"');
    expect(verdict("SHOW a.b", "9.6")).toBe("syntax error");
    expect(verdict("TIMELINE_HISTORY 0 %", "9.6")).toBe("invalid timeline 0");
    expect(verdict("START_REPLICATION 0/0 SLOT %", "9.6")).toBe("syntax error");
  });

  test("have fewer words the older they are", () => {
    const create = "CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL";
    expect(parseCommand(create, { server: "9.6" })).toMatchObject({ options: [integer("reserve_wal", 1)] });
    expect(verdict(create, "9.5")).toBe("syntax error");
    expect(verdict("CREATE_REPLICATION_SLOT reserve_wal PHYSICAL", "9.6")).toBe("command");
    expect(verdict("CREATE_REPLICATION_SLOT RESERVE_WAL PHYSICAL", "9.6")).toBe("syntax error");
    expect(parseCommand("CREATE_REPLICATION_SLOT RESERVE_WAL PHYSICAL", { server: "9.5" })).toMatchObject({
      slotname: "reserve_wal",
    });
    expect(verdict(`${create} RESERVE_WAL`, "9.6")).toBe("syntax error");
    expect(verdict("CREATE_REPLICATION_SLOT s LOGICAL p RESERVE_WAL", "9.6")).toBe("syntax error");
    expect(verdict("CREATE_REPLICATION_SLOT s TEMPORARY PHYSICAL", "9.6")).toBe("syntax error");
    expect(verdict("DROP_REPLICATION_SLOT s WAIT", "9.6")).toBe("syntax error");
    expect(verdict("BASE_BACKUP TABLESPACE_MAP", "9.5")).toBe("command");
    expect(verdict("BASE_BACKUP TABLESPACE_MAP", "9.4")).toBe("syntax error");
  });

  test("name no word of a later version as expected", () => {
    expect(refusal("x", "9.4").expected).toEqual([
      ...["IDENTIFY_SYSTEM", "BASE_BACKUP", "START_REPLICATION", "CREATE_REPLICATION_SLOT", "DROP_REPLICATION_SLOT"],
      "TIMELINE_HISTORY",
    ]);
    expect(refusal("CREATE_REPLICATION_SLOT s PHYSICAL x", "9.4").expected).toEqual(['";"', "end of input"]);
    expect(refusal("CREATE_REPLICATION_SLOT s x", "9.6").expected).toEqual(["PHYSICAL", "LOGICAL"]);
  });

  test.each([
    ["READ_REPLICATION_SLOT s", "READ_REPLICATION_SLOT is a command since 15."],
    ["identify_system", "Write keywords in capitals: IDENTIFY_SYSTEM."],
    ["SELECT 1", "SQL on a replication connection is for servers since 10."],
  ])("%s: %s", (text, advice) => {
    expect(refusal(text, "9.6").advice).toBe(advice);
  });
});

describe("servers before the rule of the first token", () => {
  const early = ["10.19", "11.14", "12.9", "13.5", "14.1"];

  test("read SQL with the replication scanner, up to the first semicolon", () => {
    for (const server of early) {
      for (const text of ["SELECT 1", "select 1;", "select 1;;", "x", "BEGIN;", '"SHOW" 1', "select a . b % c"]) {
        expect(parseCommand(text, { server })).toStrictEqual({ type: "SQLCmd", text });
      }
      for (const text of ["", ";", "(select 1)", "-- c\nselect 1", "SELECT 1; SELECT 2", "1", "LABEL", "\rselect 1"]) {
        expect([text, verdict(text, server)]).toEqual([text, "syntax error"]);
      }
      expect(verdict("select $$it's$$", server)).toBe("unterminated quoted string");
      expect(verdict("select 1; don't", server)).toBe("syntax error");
      // A division is a position to this scanner, if one without blanks.
      expect(verdict("select total/count", server)).toBe("invalid streaming start location");
      expect(verdict("select a/b", server)).toBe("sql");
    }
  });

  test("do not tell SQL on a physical connection by a SQLSTATE of its own", () => {
    const sqlstate = (server: number | string) => refusal("select 1", server, false).sqlstate;
    expect(early.map(sqlstate)).toEqual(early.map(() => "XX000"));
    expect(sqlstate(18)).toBe("0A000");
  });

  test("take any letter for a hexadecimal digit, and leave the rest to sscanf", () => {
    for (const server of ["9.4", "9.6", ...early]) {
      const start = (text: string) => {
        const command = parseCommand(`START_REPLICATION ${text}`, { server });
        return command.type === "StartReplicationCmd" ? command.startpoint : undefined;
      };
      expect(start("0/16XYZ")).toBe(0x16n);
      expect(start("0x1F/0XA")).toBe(0x1f0000000an);
      expect(start("0x/1")).toBe(1n);
      expect(start("1/00x1")).toBe(0x100000000n);
      expect(start("FF/0TIMELINE TIMELINE 1")).toBe(0xff00000000n);
      for (const text of ["xyz/0", "12G/5", "0xx/5", "1/x", "00x1/1"]) {
        expect([text, verdict(`START_REPLICATION ${text}`, server)]).toEqual([
          text,
          "invalid streaming start location",
        ]);
      }
      expect(verdict("START_REPLICATION SLOT/0", server)).toBe("invalid streaming start location");
      expect(verdict("START_REPLICATION SLOT a/b", server)).toBe("syntax error");
    }
    expect(verdict("START_REPLICATION 0/16XYZ", 18)).toBe("syntax error");
  });

  test("have no dots", () => {
    for (const server of early) {
      expect(verdict("SHOW a.b", server)).toBe("syntax error");
      expect(printCommand({ type: "VariableShowStmt", name: "a.b" }, { server })).toBe('SHOW "a.b"');
    }
  });
});

describe("numbers are C's", () => {
  const history = (digits: string): number => {
    const command = parseCommand(`TIMELINE_HISTORY ${digits}`);
    return command.type === "TimeLineHistoryCmd" ? command.timeline : Number.NaN;
  };

  test.each([
    ["1", 1],
    ["0001", 1],
    ["2147483648", 2147483648],
    ["4294967295", 4294967295],
    ["4294967297", 1],
    ["8589934595", 3],
    ["99999999999", 1215752191],
    ["18446744073709551615", 4294967295],
    ["18446744073709551617", 4294967295],
    ["99999999999999999999999", 4294967295],
    [`${"0".repeat(100)}5`, 5],
  ])("a timeline of %s", (digits, timeline) => expect(history(digits)).toBe(timeline));

  test.each(["0", "000", "4294967296", "8589934592"])("a timeline of %s is refused as 0", (digits) => {
    for (const text of [`TIMELINE_HISTORY ${digits}`, `START_REPLICATION 0/0 TIMELINE ${digits}`]) {
      expect(() => parseCommand(text)).toThrow(
        expect.objectContaining({
          code: "INVALID_VALUE",
          message: "invalid timeline 0",
          sqlstate: "42601",
          offset: text.length - digits.length,
        }),
      );
    }
  });

  const start = (text: string, server: number): bigint => {
    const command = parseCommand(`START_REPLICATION ${text}`, { server });
    return command.type === "StartReplicationCmd" ? command.startpoint : -1n;
  };

  test.each([
    ["0/16B3748", 0x16b3748n, 0x16b3748n],
    ["FFFFFFFF/ffffffff", 0xffffffffffffffffn, 0xffffffffffffffffn],
    ["1/123456789", 0x123456789n, 0x112345678n],
    ["1/000000001", 0x100000001n, 0x100000000n],
    ["123456789/1", 0x2345678900000001n, 0x2345678900000001n],
    ["0/12345678123456789", 0xffffffffn, 0x12345678n],
    ["11111111111111111/0", 0xffffffff00000000n, 0xffffffff00000000n],
  ])("position %s, up to 18 and from 19 on", (text, to18, from19) => {
    expect(start(text, 18)).toBe(to18);
    expect(start(text, 19)).toBe(from19);
  });
});

describe("identifiers", () => {
  const slotname = (text: string, onNotice?: (notice: Notice) => void): string => {
    const command = parseCommand(`DROP_REPLICATION_SLOT ${text}`, { server: 18, onNotice });
    return command.type === "DropReplicationSlotCmd" ? command.slotname : "";
  };

  test.each([
    ["ABC", "abc"],
    ["_$1", "_$1"],
    ["ÀÉİ\u212aK", "ÀÉİ\u212ak"],
    ['"ABC"', "ABC"],
    ['" a\n"', " a\n"],
    ['"it\'s \\"', "it's \\"],
    ['"""a"""', '"a"'],
    ["\u00a0", "\u00a0"],
  ])("%j is %j", (text, name) => expect(slotname(text)).toBe(name));

  test.each([
    ["63 bytes", "A".repeat(63), "a".repeat(63), undefined],
    ["64 bytes", "A".repeat(64), "a".repeat(63), "a".repeat(64)],
    ["64 bytes in quotes", `"${"A".repeat(64)}"`, "A".repeat(63), "A".repeat(64)],
    ["32 of two bytes", "é".repeat(32), "é".repeat(31), "é".repeat(32)],
    ["22 of three bytes", "世".repeat(22), "世".repeat(21), "世".repeat(22)],
    ["16 of four bytes", "😀".repeat(16), "😀".repeat(15), "😀".repeat(16)],
    ["62 bytes, then one of two", `${"a".repeat(62)}é`, "a".repeat(62), `${"a".repeat(62)}é`],
  ])("%s", (_, text, name, whole) => {
    const notices: Notice[] = [];
    expect(slotname(text, (notice) => notices.push(notice))).toBe(name);
    const message = `identifier "${whole}" will be truncated to "${name}"`;
    expect(notices).toEqual(
      whole === undefined ? [] : [{ severity: "NOTICE", sqlstate: "42622", message, offset: 22 }],
    );
  });

  test("strings, and names joined with dots, are not cut", () => {
    const long = "x".repeat(60);
    expect(parseCommand(`SHOW ${long}.${long}`)).toMatchObject({ name: `${long}.${long}` });
    expect(parseCommand(`BASE_BACKUP (a '${"x".repeat(1000)}')`)).toMatchObject({
      options: [string("a", "x".repeat(1000))],
    });
  });

  test("notices come in order, for all that the scanner has read, the offending token too", () => {
    const [a, b, c] = ["a", "b", "c"].map((letter) => letter.repeat(64)) as [string, string, string];
    const offsets = (text: string): number[] => {
      const seen: number[] = [];
      try {
        parseCommand(text, { onNotice: ({ offset }) => seen.push(offset) });
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
      }
      return seen;
    };
    expect(offsets(`CREATE_REPLICATION_SLOT ${a} LOGICAL ${b} (${c} ${a})`)).toEqual([24, 97, 163, 228]);
    expect(offsets(`IDENTIFY_SYSTEM ${a} ${b}`)).toEqual([16]);
    expect(offsets(`TIMELINE_HISTORY 0 ${a}`)).toEqual([]);
    expect(offsets(`${a} ${b}`)).toEqual([0]);
  });
});

describe("errors show the place and what to do", () => {
  const error = (text: string, options: Parameters<typeof parseCommand>[1] = { server: 18 }): string => {
    try {
      return JSON.stringify(parseCommand(text, options));
    } catch (error) {
      if (error instanceof ParseError) return `${error.sqlstate} ${String(error)}`;
      throw error;
    }
  };

  test.each<[string, Parameters<typeof parseCommand>[1], string]>([
    [
      "BASE_BACKUP ()",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: BASE_BACKUP ()
                     ^
expected option name
Leave empty parentheses out.`,
    ],
    [
      "BASE_BACKUP FAST",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: BASE_BACKUP FAST
                    ^
expected "(", ";" or end of input
Since 15 the options of BASE_BACKUP stand in parentheses: (CHECKPOINT 'fast').`,
    ],
    [
      "BASE_BACKUP (label 'x')",
      { server: 11 },
      `42601 ParseError: syntax error
LINE 1: BASE_BACKUP (label 'x')
                    ^
expected LABEL, PROGRESS, FAST, WAL, NOWAIT, MAX_RATE, TABLESPACE_MAP, NOVERIFY_CHECKSUMS, ";" or end of input
Options in parentheses are for servers since 15; here they are words.`,
    ],
    [
      "DROP_REPLICATION_SLOT\n  my-slot",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 2:   my-slot
            ^
expected WAIT, ";" or end of input
A slot name has only lower case letters, numbers and underscores. Write my_slot, for example.`,
    ],
    [
      "DROP_REPLICATION_SLOT SLOT",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: DROP_REPLICATION_SLOT SLOT
                              ^
expected identifier
SLOT is a keyword: write "slot" in double quotes.`,
    ],
    [
      "DROP_REPLICATION_SLOT 's'",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: DROP_REPLICATION_SLOT 's'
                              ^
expected identifier
Write the name in double quotes: "s".`,
    ],
    [
      'DROP_REPLICATION_SLOT "a""b"',
      { server: "15.18" },
      `42601 ParseError: syntax error
LINE 1: DROP_REPLICATION_SLOT "a""b"
                                 ^
expected WAIT, ";" or end of input
A double quote inside an identifier is for servers since 14.24, 15.19, 16.15, 17.11 or 18.6.`,
    ],
    [
      "DROP_REPLICATION_SLOT s wait",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: DROP_REPLICATION_SLOT s wait
                                ^
expected WAIT, ";" or end of input
Write keywords in capitals: WAIT.`,
    ],
    [
      "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version 1)",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: START_REPLICATION SLOT s LOGICAL 0/0 (proto_version 1)
                                                            ^
expected quoted string, "," or ")"
Write the value in single quotes.`,
    ],
    [
      "START_REPLICATION 0 / 0",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: START_REPLICATION 0 / 0
                          ^
expected SLOT, PHYSICAL or LSN
Write a position as two hexadecimal numbers with a slash between and no blanks: 0/16B3748.`,
    ],
    [
      "IDENTIFY_SYSTEM; -- who",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: IDENTIFY_SYSTEM; -- who
                         ^
expected end of input
Replication commands have no comments.`,
    ],
    [
      "IDENTIFY_SYSTEM; SHOW a",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: IDENTIFY_SYSTEM; SHOW a
                         ^
expected end of input
Send one command at a time, with one semicolon at most.`,
    ],
    [
      "SHOW TIME ZONE",
      { server: 18 },
      `42601 ParseError: syntax error
LINE 1: SHOW TIME ZONE
                  ^
expected ".", ";" or end of input
In capitals SHOW is the walsender's own and takes one name; write show for SQL's.`,
    ],
    [
      "  Identify_system",
      { server: 18, database: false },
      `0A000 ParseError: cannot execute SQL commands in WAL sender for physical replication
LINE 1:   Identify_system
          ^
Write keywords in capitals: IDENTIFY_SYSTEM.`,
    ],
    [
      "READ_REPLICATION_SLOT x",
      { server: 14, database: false },
      `0A000 ParseError: cannot execute SQL commands in WAL sender for physical replication
LINE 1: READ_REPLICATION_SLOT x
        ^
READ_REPLICATION_SLOT is a command since 15.`,
    ],
    [
      "select 1",
      { server: 18, database: false },
      `0A000 ParseError: cannot execute SQL commands in WAL sender for physical replication
LINE 1: select 1
        ^
SQL needs a connection with replication=database; replication=true takes replication commands only.`,
    ],
    [
      "SHOW 'a",
      { server: 18 },
      `42601 ParseError: unterminated quoted string
LINE 1: SHOW 'a
             ^`,
    ],
  ])("%j %j", (text, options, rendered) => expect(error(text, options)).toBe(rendered));

  test("an open quote is reported when the scanner gets there, before what the parser thinks of it", () => {
    const message = (text: string): string => error(text).split("\n")[0]!;
    expect(message("IDENTIFY_SYSTEM 'x")).toBe("42601 ParseError: unterminated quoted string");
    expect(message("IDENTIFY_SYSTEM x 'x")).toBe("42601 ParseError: syntax error");
    expect(message("TIMELINE_HISTORY 1 'x")).toBe("42601 ParseError: unterminated quoted string");
    expect(message("TIMELINE_HISTORY 0 'x")).toBe("42601 ParseError: invalid timeline 0");
    expect(message("START_REPLICATION 0/0 TIMELINE 0 x")).toBe("42601 ParseError: invalid timeline 0");
    expect(message("'x")).toBe("42601 ParseError: unterminated quoted string");
    expect(message('"')).toBe("42601 ParseError: unterminated quoted string");
    expect(parseCommand("x '")).toStrictEqual({ type: "SQLCmd", text: "x '" });
  });

  test.each<[unknown, string, string, number]>([
    ["SHOW a\0b", "08P01", "invalid message format", 6],
    ["SHOW \ud83d", "22021", 'invalid byte sequence for encoding "UTF8": 0xed 0xa0 0xbd', 5],
    ["\ude00\0", "22021", 'invalid byte sequence for encoding "UTF8": 0xed 0xb8 0x80', 0],
    [undefined, "22021", "expected a string, not undefined", 0],
    [null, "22021", "expected a string, not null", 0],
    [["SHOW a"], "22021", "expected a string, not object", 0],
  ])("%j is no text for a server", (value, sqlstate, message, offset) => {
    expect(() => parseCommand(value as string)).toThrow(
      expect.objectContaining({ code: "NOT_TEXT", sqlstate, message, offset }),
    );
  });
});

describe("what clients send is read", () => {
  test.each<[string, readonly (number | string)[]]>([
    ['START_REPLICATION SLOT "s" 0/3000000 TIMELINE 1', servers],
    ['CREATE_REPLICATION_SLOT "s" TEMPORARY LOGICAL pgoutput USE_SNAPSHOT', servers],
    ["CREATE_REPLICATION_SLOT \"s\" LOGICAL pgoutput (FAILOVER, SNAPSHOT 'nothing')", [15, 18, 19]],
    ['CREATE_REPLICATION_SLOT "s" PHYSICAL  RESERVE_WAL', servers],
    ['CREATE_REPLICATION_SLOT "s" PHYSICAL ( RESERVE_WAL)', [15, 18, 19]],
    ["CREATE_REPLICATION_SLOT s  LOGICAL test_decoding", servers],
    ['ALTER_REPLICATION_SLOT "s" ( FAILOVER true, TWO_PHASE false );', [17, 18, 19]],
    ["DROP_REPLICATION_SLOT s WAIT", servers],
    ["BASE_BACKUP LABEL 'pg_basebackup base backup' PROGRESS   FAST NOWAIT      ", [10, 14]],
    ["BASE_BACKUP  LABEL 'l'  PROGRESS  MAX_RATE 1024  TABLESPACE_MAP  MANIFEST 'yes'", [13, 14]],
    [
      "BASE_BACKUP ( INCREMENTAL,  LABEL 'l',  PROGRESS,  WAL,  CHECKPOINT 'fast',  WAIT 0,  MAX_RATE 1024,  MANIFEST 'yes',  TARGET 'client')",
      [15, 17, 18, 19],
    ],
    ["BASE_BACKUP(LABEL 'x', CHECKPOINT 'spread')", [15, 18]],
    [
      "START_REPLICATION SLOT \"s\" LOGICAL 0/16B3748 (proto_version '4', origin 'any', publication_names '\"p1\",\"p2\"')",
      servers,
    ],
    ['START_REPLICATION SLOT "s" LOGICAL 00000000/00000000 ("include-xids" \'1\')', servers],
  ])("%s", (text, on) => {
    for (const server of on) expect(verdict(text, server)).toBe("command");
  });
});

describe("printing", () => {
  const reprint = (text: string, from: number | string, to: number | string = from): string =>
    printCommand(parseCommand(text, { server: from }), { server: to });

  test.each([
    ['SHOW "A" . b', 'SHOW "A".b'],
    ['DROP_REPLICATION_SLOT "ab" WAIT ;', "DROP_REPLICATION_SLOT ab WAIT"],
    ['DROP_REPLICATION_SLOT "slot"', "DROP_REPLICATION_SLOT slot"],
    ['DROP_REPLICATION_SLOT "SLOT"', 'DROP_REPLICATION_SLOT "SLOT"'],
    ['DROP_REPLICATION_SLOT "1a"', 'DROP_REPLICATION_SLOT "1a"'],
    ['DROP_REPLICATION_SLOT ""', 'DROP_REPLICATION_SLOT ""'],
    ['DROP_REPLICATION_SLOT "É"', "DROP_REPLICATION_SLOT É"],
    ['DROP_REPLICATION_SLOT "a "', 'DROP_REPLICATION_SLOT "a "'],
    ['DROP_REPLICATION_SLOT "a"""', 'DROP_REPLICATION_SLOT "a"""'],
    ["START_REPLICATION PHYSICAL 00ab/0 TIMELINE 04", "START_REPLICATION AB/0 TIMELINE 4"],
    ["START_REPLICATION SLOT s LOGICAL 0/1 (a, B 'it''s')", "START_REPLICATION SLOT s LOGICAL 0/1 (a, b 'it''s')"],
    ["BASE_BACKUP (LABEL x, MAX_RATE 4294967295, WAIT)", "BASE_BACKUP (label 'x', max_rate 4294967295, wait)"],
    ["CREATE_REPLICATION_SLOT s LOGICAL p EXPORT_SNAPSHOT", "CREATE_REPLICATION_SLOT s LOGICAL p (snapshot 'export')"],
    [
      "CREATE_REPLICATION_SLOT s LOGICAL p EXPORT_SNAPSHOT TWO_PHASE",
      "CREATE_REPLICATION_SLOT s LOGICAL p EXPORT_SNAPSHOT TWO_PHASE",
    ],
    [
      "CREATE_REPLICATION_SLOT s PHYSICAL (RESERVE_WAL true)",
      "CREATE_REPLICATION_SLOT s PHYSICAL (reserve_wal 'true')",
    ],
    [" select 1; ", " select 1; "],
  ])("%s becomes %s", (text, printed) => expect(reprint(text, 18)).toBe(printed));

  const slot = "CREATE_REPLICATION_SLOT s";
  const stream = "START_REPLICATION SLOT s LOGICAL 0/0 (proto_version '1', publication_names 'p'";
  test.each([
    ["BASE_BACKUP (MANIFEST no, WAL)", 18, 10, "BASE_BACKUP WAL"],
    ["BASE_BACKUP (COMPRESSION 'none', TARGET client, INCREMENTAL off)", 18, 14, "BASE_BACKUP"],
    ["BASE_BACKUP (INCREMENTAL off)", 18, 15, "BASE_BACKUP"],
    ["BASE_BACKUP MANIFEST 'no'", 14, 12, "BASE_BACKUP"],
    // Before 11 a server does not verify.
    ["BASE_BACKUP (VERIFY_CHECKSUMS off)", 18, 10, "BASE_BACKUP"],
    ["BASE_BACKUP NOVERIFY_CHECKSUMS", 12, 10, "BASE_BACKUP"],
    [`${slot} PHYSICAL (RESERVE_WAL false)`, 18, 90500, `${slot} PHYSICAL`],
    [`${slot} LOGICAL p (TWO_PHASE false, FAILOVER off)`, 18, 16, `${slot} LOGICAL p (two_phase 'false')`],
    [`${slot} LOGICAL p (TWO_PHASE false, SNAPSHOT export)`, 18, 14, `${slot} LOGICAL p EXPORT_SNAPSHOT`],
    [`${slot} LOGICAL p (SNAPSHOT export)`, 18, 90600, `${slot} LOGICAL p`],
    [
      `${stream}, binary 'off', messages 'false', streaming 'off', two_phase 'off', origin 'Any')`,
      18,
      13,
      `${stream})`,
    ],
  ])("%s of %d, printed for %d, is %s: that server does so anyway", (text, from, server, printed) =>
    expect(reprint(text, from, server)).toBe(printed),
  );

  test.each([
    // Here false changes the slot, as long as it is not the default.
    [
      "ALTER_REPLICATION_SLOT s (TWO_PHASE false)",
      17,
      `The option two_phase is not in PostgreSQL ${formatServerVersion(17)}, only since 18`,
    ],
    [
      "BASE_BACKUP (MANIFEST 'yes')",
      10,
      "MANIFEST is not in PostgreSQL 10.23, only since 13; since 15 it is the option manifest in parentheses",
    ],
    [`${stream}, binary 'on')`, 13, "The option binary is not in PostgreSQL 13.23, only since 14"],
    // Not what later versions of the protocol need.
    ...([2, 3, 4] as const).map((version): [string, number, string] => [
      stream.replace("proto_version '1'", `proto_version '${version}'`).concat(")"),
      11 + version,
      `This value of proto_version is not in PostgreSQL ${formatServerVersion(11 + version)}, only since ${12 + version}`,
    ]),
  ])("%s cannot be said to %d: %s", (text, server, message) => {
    expect(() => reprint(text, 18, server)).toThrow(message);
  });

  test("what its own version rejects does not lose the reason", () => {
    const physical = parseCommand(`${slot} PHYSICAL (TWO_PHASE false)`, { server: 18 });
    expect(() => printCommand(physical, { server: 14, from: 18 })).toThrow(UnsupportedError);
  });

  test("the low half of a position has eight digits from 19 on", () => {
    expect(reprint("START_REPLICATION 1/2", 18, 19)).toBe("START_REPLICATION 1/00000002");
  });

  test("servers before 15 get the words of their time", () => {
    const backup =
      "BASE_BACKUP (LABEL 'l', PROGRESS, CHECKPOINT Fast, WAIT 0, WAL off, MAX_RATE 32, VERIFY_CHECKSUMS false, MANIFEST 'no')";
    expect(reprint(backup, 18, 14)).toBe(
      "BASE_BACKUP LABEL 'l' PROGRESS FAST NOWAIT MAX_RATE 32 NOVERIFY_CHECKSUMS MANIFEST 'no'",
    );
    expect(reprint("BASE_BACKUP (checkpoint spread, WAIT true)", 18, 10)).toBe("BASE_BACKUP");
    expect(reprint("CREATE_REPLICATION_SLOT s LOGICAL p (SNAPSHOT 'use', RESERVE_WAL)", 18, 14)).toBe(
      "CREATE_REPLICATION_SLOT s LOGICAL p USE_SNAPSHOT RESERVE_WAL",
    );
    expect(reprint("CREATE_REPLICATION_SLOT s LOGICAL p NOEXPORT_SNAPSHOT", 14)).toBe(
      "CREATE_REPLICATION_SLOT s LOGICAL p NOEXPORT_SNAPSHOT",
    );
  });

  test("words become options in parentheses, where one says that they are words", () => {
    const reform = (text: string, from: number | string, server: number): string =>
      printCommand(parseCommand(text, { server: from }), { server, from });
    expect(
      reform("BASE_BACKUP LABEL 'l' PROGRESS FAST NOWAIT WAL MAX_RATE 32 NOVERIFY_CHECKSUMS MANIFEST 'no'", 14, 18),
    ).toBe(
      "BASE_BACKUP (label 'l', progress, checkpoint 'fast', wait false, wal, max_rate 32, verify_checksums false, manifest 'no')",
    );
    expect(reform("CREATE_REPLICATION_SLOT s LOGICAL p NOEXPORT_SNAPSHOT", 14, 15)).toBe(
      "CREATE_REPLICATION_SLOT s LOGICAL p (snapshot 'nothing')",
    );
    expect(reform("CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL", "9.6", 15)).toBe(
      "CREATE_REPLICATION_SLOT s PHYSICAL (reserve_wal)",
    );
    expect(reform("CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL", "9.6", 14)).toBe(
      "CREATE_REPLICATION_SLOT s PHYSICAL RESERVE_WAL",
    );
    expect(reprint("BASE_BACKUP FAST", 14, 18)).toBe("BASE_BACKUP (checkpoint 'fast')");
    expect(printCommand({ ...parseCommand("BASE_BACKUP FAST", { server: 14 }) }, { server: 18 })).toBe(
      "BASE_BACKUP (checkpoint 'fast')",
    );
    // To a server with parentheses any name is a command, if one that it rejects.
    expect(printCommand(parseCommand("BASE_BACKUP (fast 1)"))).toBe("BASE_BACKUP (fast 1)");
  });

  test.each([
    ["CREATE_REPLICATION_SLOT s TEMPORARY PHYSICAL", "9.6", "createSlotOptions"],
    ["CREATE_REPLICATION_SLOT s PHYSICAL (RESERVE_WAL)", "9.5", "reserveWal"],
    ["CREATE_REPLICATION_SLOT s LOGICAL p (RESERVE_WAL)", "9.6", "createSlotOptions"],
    ["CREATE_REPLICATION_SLOT s LOGICAL p (SNAPSHOT 'use')", "9.6", "createSlotOptions"],
    ["DROP_REPLICATION_SLOT s WAIT", "9.6", "createSlotOptions"],
    ["BASE_BACKUP (TABLESPACE_MAP)", "9.4", "baseBackupTablespaceMap"],
    ["SHOW a", "9.6", "showCommand"],
    ["select 1", "9.6", "sqlCommands"],
    ["BASE_BACKUP (TARGET 'blackhole')", 14, "genericOptions"],
    ["BASE_BACKUP (VERIFY_CHECKSUMS true)", 10, "baseBackupNoVerifyChecksums"],
    ["BASE_BACKUP (MANIFEST 'yes')", 12, "baseBackupManifest"],
    ["CREATE_REPLICATION_SLOT s LOGICAL p (FAILOVER)", 14, "failoverSlots"],
    ["READ_REPLICATION_SLOT s", 14, "readReplicationSlot"],
    ["ALTER_REPLICATION_SLOT s (failover)", 16, "alterReplicationSlot"],
    ["UPLOAD_MANIFEST", 16, "uploadManifest"],
    ['DROP_REPLICATION_SLOT "a""b"', "15.18", "doubledQuoteInIdentifier"],
  ])("%s cannot be said to %s: %s", (text, server, capability) => {
    const command = parseCommand(text);
    expect(() => printCommand(command, { server })).toThrow(UnsupportedError);
    expect(() => printCommand(command, { server })).toThrow(expect.objectContaining({ capability }));
  });

  const start: Command = {
    type: "StartReplicationCmd",
    kind: "PHYSICAL",
    slotname: undefined,
    timeline: 0,
    startpoint: lsn(0n),
    options: [],
  };

  test.each<[Command, string]>([
    [{ type: "DropReplicationSlotCmd", slotname: "a\0", wait: false }, "DropReplicationSlotCmd.slotname"],
    [{ type: "DropReplicationSlotCmd", slotname: "\ud800", wait: false }, "DropReplicationSlotCmd.slotname"],
    [{ type: "DropReplicationSlotCmd", slotname: "é".repeat(32), wait: false }, "DropReplicationSlotCmd.slotname"],
    [{ type: "TimeLineHistoryCmd", timeline: 0 }, "TimeLineHistoryCmd.timeline"],
    [{ type: "TimeLineHistoryCmd", timeline: 2 ** 32 }, "TimeLineHistoryCmd.timeline"],
    [{ ...start, kind: "LOGICAL" }, "StartReplicationCmd.slotname"],
    [{ ...start, options: [bare("a")] }, "StartReplicationCmd.options"],
    [{ ...start, kind: "LOGICAL", slotname: "s", timeline: 1 }, "StartReplicationCmd.timeline"],
    [
      { ...start, kind: "LOGICAL", slotname: "s", options: [bare("a"), integer("b", 1)] },
      "StartReplicationCmd.options[1]",
    ],
    [{ type: "BaseBackupCmd", options: [string("label", "\0")] }, "BaseBackupCmd.options[0].arg.sval"],
    [{ type: "BaseBackupCmd", options: [integer("max_rate", 2 ** 31)] }, "BaseBackupCmd.options[0].arg.ival"],
    [{ type: "AlterReplicationSlotCmd", slotname: "s", options: [] }, "AlterReplicationSlotCmd.options"],
    [{ type: "SQLCmd", text: "SHOW a" }, "SQLCmd.text"],
    [{ type: "SQLCmd", text: "'" }, "SQLCmd.text"],
    [{ type: "constructor" } as unknown as Command, "Command.type"],
    [{ type: { toString: "" } } as unknown as Command, "Command.type"],
    [undefined as unknown as Command, "Command.type"],
  ])("value %# has no text", (command, path) => {
    expect(() => printCommand(command)).toThrow(EncodeError);
    expect(() => printCommand(command)).toThrow(expect.objectContaining({ path }));
  });
});

// The advice tries another text, which may be wrong at the same place.
test.each([
  ['TIMELINE_HISTORY  42";";', 14],
  ['BASE_BACKUP "(" , UPLOAD_MANIFEST )', 18],
  ['READ_REPLICATION_SLOT "y"\t. "."', 18],
] as const)("%s on %i ends", (text, server) => {
  try {
    parseCommand(text, { server });
  } catch (error) {
    expect(error).toBeInstanceOf(ParseError);
  }
});

test.each<[string, Readonly<Record<string, number>>]>([
  [" SHOW a.b", { "": 1, name: 6 }],
  [" TIMELINE_HISTORY 7", { "": 1, timeline: 18 }],
  [" SELECT 1", { "": 1 }],
  ["IDENTIFY_SYSTEM", { "": 0 }],
  ["READ_REPLICATION_SLOT s", { "": 0, slotname: 22 }],
  [
    "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL p (SNAPSHOT 'use', two_phase)",
    {
      "": 0,
      slotname: 24,
      temporary: 26,
      kind: 36,
      plugin: 44,
      "options[0].defname": 47,
      "options[0].arg": 56,
      "options[1].defname": 63,
    },
  ],
  ["START_REPLICATION SLOT s 0/1 TIMELINE 3", { "": 0, slotname: 23, startpoint: 25, timeline: 38 }],
])("the parts of %s have their places", (text, places) => {
  const located = locateCommand(parseCommand(text));
  expect(located.text).toBe(text);
  expect(Object.fromEntries(located.offsets)).toEqual(places);
});

test("there is no replication language with slots before 9.4", () => {
  expect(() => parseCommand("IDENTIFY_SYSTEM", { server: "9.3" })).toThrow(
    new UnsupportedError(
      "The replication language with slots is not in PostgreSQL 9.3.25, only since 9.4",
      "replicationSlots",
    ),
  );
  expect(parseCommand("IDENTIFY_SYSTEM", { server: "9.4" })).toEqual({ type: "IdentifySystemCmd" });
});

test("a Boolean where text is wanted is its word", () => {
  const backup = (boolval: boolean): Command => ({ type: "BaseBackupCmd", options: [boolean("label", boolval)] });
  expect(checkCommand(backup(true), { server: 17 })).toMatchObject({ label: "true" });
  expect(checkCommand(backup(false), { server: 17 })).toMatchObject({ label: "false" });
});

test.each([
  [16, 0],
  [17, 2],
] as const)("SQL without a database is rejected by %i at its first token", (server, offset) => {
  expect(() => parseCommand("\v x", { server, database: false })).toThrow(expect.objectContaining({ offset }));
});

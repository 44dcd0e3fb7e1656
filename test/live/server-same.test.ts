/** The same bytes to PostgreSQL and to a server of ours that plays its version: the same messages come back. */
import { describe, expect, test } from "vitest";
import { parseLsn } from "../../src/kernel/lsn.ts";
import { ServerError, type WalsenderHandlers } from "../../src/node/server/index.ts";
import { liveMajors, liveServer } from "../servers/live.ts";
import { expectNothingUncaught } from "../session/hostile-server.ts";
import {
  empty,
  frame,
  gssRequest,
  messagesOf,
  ourServer,
  packet,
  query,
  type Step,
  sslRequest,
  startup,
  talk,
} from "../session/server-talk.ts";

expectNothingUncaught();

const user = { user: "postgres" };
const physical = { ...user, replication: "true" };
const logical = { ...user, database: "postgres", replication: "database" };

const bytes = (text: string): Buffer => Buffer.from(text, "latin1");

/** The cases, by name. `position` is one that the server can stream from. */
const cases: Readonly<Record<string, (position: string) => readonly Step[]>> = {
  "a physical login": () => [startup(physical)],
  "a login to a database": () => [startup(logical)],
  "protocol 1.0": () => [packet(0x10000, Buffer.alloc(64))],
  // Since 14 it is one that is not known yet, and the error comes in protocol 3.
  "protocol 0.0": () => [startup(physical, 0)],
  "protocol 0.1": () => [startup(physical, 1)],
  "protocol 4.1": () => [startup(physical, 0x40001)],
  "protocol 3.1": () => [startup(physical, 0x30001)],
  "protocol 3.2": () => [startup(physical, 0x30002)],
  "protocol 3.9999 and an option": () => [startup({ ...physical, "_pq_.a": "1" }, 0x30000 + 9999)],
  "protocol 3.1 and an option": () => [startup({ ...physical, "_pq_.a": "1", "_pq_.b": "2" }, 0x30001)],
  "protocol 3.0 and an option": () => [startup({ ...physical, "_pq_.a": "1" })],
  "a packet without terminator": () => [startup(physical, 0x30000, "")],
  "a packet with a name and no value": () => [startup(physical, 0x30000, "abc\0")],
  "a packet with bytes behind the terminator": () => [startup(physical, 0x30000, "\0\0")],
  "a packet without parameters": () => [packet(0x30000)],
  "no user": () => [startup({ replication: "true" })],
  "protocol 3.9999 and no user": () => [startup({ replication: "true" }, 0x30000 + 9999)],
  "an empty user": () => [startup({ user: "", replication: "true" })],
  ...Object.fromEntries(
    ["maybe", "", "TRUE", "On", "o", "f", "offf", "yes", "n", "1", "2", "DATABASE"]
      // These are ordinary sessions, which are not ours to play.
      .filter((value) => !/^(?:f|n)$/i.test(value))
      .map((value) => [`replication=${value}`, () => [startup({ ...user, database: "postgres", replication: value })]]),
  ),
  "a database that does not exist": () => [startup({ ...logical, database: "nope" })],
  "an encoding that does not exist": () => [startup({ ...physical, client_encoding: "XX" })],
  "encodings in other spellings": () => [startup({ ...physical, client_encoding: "utf-8" })],
  "parameters in other spellings": () => [startup({ ...physical, Application_Name: "é", datestyle: "ISO, MDY" })],
  options: () => [startup({ ...physical, options: "-c application_name=a\\ b --datestyle=ISO" })],
  "an option without argument": () => [startup({ ...physical, options: "-c" })],
  "an option without value": () => [startup({ ...physical, options: "-c application_name" })],
  "a long option without value": () => [startup({ ...physical, options: "--application-name" })],
  "an option that is a word": () => [startup({ ...physical, options: "hello" })],
  "a length of 3": () => [bytes("\0\0\0\x03")],
  "a length of 7": () => [bytes("\0\0\0\x07\0\x03\0")],
  "a length of 20000": () => [bytes("\0\0\x4e\x20\0\x03\0\0")],
  "half a length": () => [bytes("\0\0")],
  "half a packet": () => [startup(physical).subarray(0, 20)],
  nothing: () => [],
  HTTP: () => [bytes("GET / HTTP/1.0\r\n\r\n")],
  "TLS without being asked": () => [Buffer.from("16030100a5010000a10303", "hex")],
  SSLRequest: () => [sslRequest, 1, startup(physical)],
  "SSLRequest and data": () => [Buffer.concat([sslRequest, startup(physical)])],
  "two SSLRequests": () => [sslRequest, 1, sslRequest],
  "SSLRequest, GSSENCRequest": () => [sslRequest, 1, gssRequest, 2, startup(physical)],
  "GSSENCRequest and data": () => [Buffer.concat([gssRequest, startup(physical)])],
  CancelRequest: () => [packet(80877102, 1, 1)],
  "a long CancelRequest": () => [packet(80877102, 1, Buffer.alloc(300))],

  "CopyData, CopyDone, CopyFail without a stream": () => [
    startup(physical),
    frame("d", bytes("x")),
    empty("c"),
    empty("f"),
    query("IDENTIFY_SYSTEM"),
  ],
  "an unknown message": () => [startup(physical), empty("!")],
  "a PasswordMessage": () => [startup(physical), frame("p", "x")],
  "a message above ASCII": () => [startup(physical), bytes("\xc8\0\0\0\x04")],
  "a Query without NUL": () => [startup(physical), frame("Q", bytes("SHOW a")), query("IDENTIFY_SYSTEM")],
  "a Query with bytes behind it": () => [startup(physical), frame("Q", bytes("SHOW a\0x")), query("IDENTIFY_SYSTEM")],
  "an empty body": () => [startup(physical), empty("Q"), empty("Q")],
  // Without a database a server takes any bytes; the parser of commands here wants UTF-8 in any case.
  ...Object.fromEntries(
    ["ff", "c328", "e228a1", "e282", "f0288cbc", "f5808080", "eda080", "c080", "f4908080", "41c3a9f09f9880ff"].map(
      (digits) => [
        `bytes ${digits}`,
        () => [startup(logical), frame("Q", Buffer.concat([bytes("SHOW "), Buffer.from(digits, "hex"), bytes("\0")]))],
      ],
    ),
  ),
  "empty queries": () => [startup(physical), query(""), query(" ; ")],
  "empty queries in a database": () => [startup(logical), query(""), query(" ; ")],
  "the extended protocol": () => [
    startup(physical),
    frame("P", bytes("\0\0\0\0")),
    frame("B", bytes("x")),
    query("IDENTIFY_SYSTEM"),
    empty("E"),
    empty("H"),
    empty("F"),
    empty("S"),
    query("SHOW nope"),
  ],
  ...Object.fromEntries(
    ["P", "B", "D", "E", "C", "F", "H", "S"].map((type) => [
      `the message ${type}`,
      () => [startup(physical), frame(type, bytes("abc")), query("SHOW nope"), empty("S"), query("SHOW nope")],
    ]),
  ),
  "an unknown message while Sync is awaited": () => [startup(physical), empty("P"), empty("!"), empty("S")],
  "Terminate while Sync is awaited": () => [startup(physical), empty("P"), empty("X"), query("SHOW nope")],
  "Terminate with a body": () => [startup(physical), frame("X", bytes("abc")), query("SHOW nope")],
  "a message of length 3": () => [startup(physical), bytes("Q\0\0\0\x03")],
  "half a message": () => [startup(physical), bytes("Q\0\0\0\x20SHOW")],

  "SQL without a database": () => [startup(physical), query("SELECT 1")],
  "syntax errors": () => [
    startup(physical),
    query("IDENTIFY_SYSTEM x"),
    query("BASE_BACKUP foo"),
    query('DROP_REPLICATION_SLOT "'),
  ],
  parameters: () => [
    startup(logical),
    ...[
      "server_version",
      "Server_Version_Num",
      "DATESTYLE",
      "wal_segment_size",
      "integer_datetimes",
      "search_path",
    ].map((name) => query(`SHOW ${name}`)),
    query("SHOW nope"),
    query("SHOW a.b"),
  ],
  "slots and files that do not exist": () => [
    startup(logical),
    query("TIMELINE_HISTORY 5"),
    query("READ_REPLICATION_SLOT nope"),
    query("DROP_REPLICATION_SLOT nope"),
    query("DROP_REPLICATION_SLOT nope WAIT"),
    query("ALTER_REPLICATION_SLOT nope (FAILOVER)"),
    query("START_REPLICATION SLOT nope 0/1000000"),
    query("START_REPLICATION SLOT nope LOGICAL 0/0 (proto_version '1', publication_names 'a')"),
  ],
  "names that are cut": () => [startup(physical), query(`DROP_REPLICATION_SLOT ${"x".repeat(70)}`)],
  "options that are refused": () => [
    startup(logical),
    query("CREATE_REPLICATION_SLOT s PHYSICAL (FOO)"),
    query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput (SNAPSHOT 'x')"),
    query("CREATE_REPLICATION_SLOT S-1 PHYSICAL"),
    query('CREATE_REPLICATION_SLOT "S" PHYSICAL'),
    query("BASE_BACKUP (FOO)"),
  ],
  "logical replication without a database": () => [
    startup(physical),
    query("START_REPLICATION SLOT nope LOGICAL 0/0"),
    query("CREATE_REPLICATION_SLOT s LOGICAL pgoutput"),
  ],
  transactions: () => [
    startup(logical),
    query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ"),
    query("BEGIN"),
    query("IDENTIFY_SYSTEM"),
    query("DROP_REPLICATION_SLOT"),
    query("IDENTIFY_SYSTEM"),
    query("DROP_REPLICATION_SLOT"),
    query("SHOW server_version"),
    query(""),
    query("COMMIT"),
    query("ROLLBACK"),
    query("START TRANSACTION"),
    query(`START_REPLICATION 0/1000000`),
    query("ROLLBACK"),
    query("BEGIN"),
    query("TIMELINE_HISTORY 1"),
    query("END"),
    query("BEGIN"),
    query("BASE_BACKUP"),
    query("ABORT WORK"),
    query("BEGIN"),
    query("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput EXPORT_SNAPSHOT"),
    query("ROLLBACK"),
    query("CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL pgoutput USE_SNAPSHOT"),
  ],
  // What each of them lets a slot use, or not: the first refusal ends the transaction.
  ...Object.fromEntries(
    [
      ["BEGIN"],
      ["BEGIN ISOLATION LEVEL SERIALIZABLE"],
      ["BEGIN ISOLATION LEVEL REPEATABLE READ, ISOLATION LEVEL READ COMMITTED"],
    ].map((statements) => [
      `a snapshot after ${statements.join("; ")}`,
      () => [
        startup(logical),
        ...statements.map(query),
        query("CREATE_REPLICATION_SLOT snapshot TEMPORARY LOGICAL pgoutput USE_SNAPSHOT"),
        query("ROLLBACK"),
      ],
    ]),
  ),
  "SQL that clients send": () => [
    startup(logical),
    query("SELECT pg_catalog.set_config('search_path', '', false);"),
    query("SET client_encoding = SQL_ASCII"),
    query("set datestyle to 'ISO, MDY'"),
    query("SET nope = 1"),
  ],

  ...Object.fromEntries(
    Object.entries<(start: Buffer) => readonly Step[]>({
      "empty feedback": (start) => [start, empty("d"), query("SHOW nope")],
      "short feedback": (start) => [start, frame("d", bytes("rabc")), frame("d", bytes("rabc")), query("SHOW nope")],
      "long feedback": (start) => [
        start,
        frame("d", bytes(`r${"\0".repeat(33)}\x07abc`)),
        empty("c"),
        query("SHOW nope"),
      ],
      "feedback of another kind": (start) => [start, frame("d", bytes("zabc"))],
      "a request of 19": (start) => [start, frame("d", bytes("p12345678"))],
      "a Query": (start) => [start, query("SHOW nope")],
      CopyFail: (start) => [start, frame("f", "why")],
      Sync: (start) => [start, empty("S")],
      "an unknown message": (start) => [start, bytes("\x01\0\0\0\x04")],
      "a message above ASCII": (start) => [start, bytes("\xc8\0\0\0\x04")],
      CopyDone: (start) => [start, empty("c"), query("SHOW nope")],
      "CopyDone with a body": (start) => [start, frame("c", bytes("xx")), query("SHOW nope")],
      "CopyDone and more": (start) => [start, empty("c"), empty("c"), frame("d", bytes("z")), query("SHOW nope")],
      Terminate: (start) => [start, empty("X"), query("SHOW nope")],
      "a length of 3": (start) => [start, bytes("d\0\0\0\x03")],
      "half a message": (start) => [start, bytes("d\0\0\0\x20r")],
      nothing: (start) => [start],
      "another stream": (start) => [start, empty("c"), start, empty("c"), query("SHOW nope")],
    }).map(([name, steps]) => [
      `in a stream: ${name}`,
      (position: string) => [startup(physical), ...steps(query(`START_REPLICATION ${position} TIMELINE 1`))],
    ]),
  ),
};

/** What exists since a version only. */
const later: Readonly<Record<string, Readonly<Record<string, () => readonly Step[]>>>> = {
  shortMessagesAreLimited: {
    "Sync of the longest length": () => [startup(physical), frame("S", Buffer.alloc(9996)), query("SHOW nope")],
    "Sync of more than that": () => [startup(physical), frame("S", Buffer.alloc(9997)).subarray(0, 5)],
    "a long Sync": () => [startup(physical), bytes("S\0\0\x4e\x20")],
    "2 GB": () => [startup(physical), bytes("Q\x7f\xff\xff\xff")],
  },
  usedSnapshotIsReadOnly: {
    "a snapshot in a transaction that may write": () => [
      startup(logical),
      query("BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ READ WRITE"),
      query("CREATE_REPLICATION_SLOT snapshot TEMPORARY LOGICAL pgoutput USE_SNAPSHOT"),
      query("ROLLBACK"),
    ],
  },
  uploadManifest: {
    "an upload that fails": () => [startup(physical), query("UPLOAD_MANIFEST"), frame("f", "why"), query("SHOW nope")],
    "a Query in an upload": () => [startup(physical), query("UPLOAD_MANIFEST"), query("why"), query("SHOW nope")],
    "Sync and Flush in an upload": () => [
      startup(physical),
      query("UPLOAD_MANIFEST"),
      empty("S"),
      empty("H"),
      frame("f", bytes("why")),
      query("SHOW nope"),
    ],
  },
};
const since: Readonly<Record<string, number>> = {
  shortMessagesAreLimited: 14,
  usedSnapshotIsReadOnly: 16,
  uploadManifest: 17,
};

describe.each(liveMajors)("PostgreSQL %i", (major) => {
  const laterCases = Object.entries(later).flatMap(([name, each]) =>
    major >= since[name]! ? Object.entries(each) : [],
  );
  test.each([...Object.entries(cases), ...laterCases])("%s", { timeout: 120_000 }, async (_, steps) => {
    const live = liveServer(major);
    const { rows } = await live.sql("SELECT pg_current_wal_flush_lsn()");
    const position = rows[0]![0]!;
    const handlers: WalsenderHandlers = {
      identifySystem: () => ({ systemid: 1n, timeline: 1, xlogpos: parseLsn(position) }),
      startPhysical: async ({ slotname }, stream) => {
        if (slotname !== undefined) throw missing(slotname);
        stream.caughtUp(parseLsn(position));
        await new Promise<void>((resolve) => stream.signal.addEventListener("abort", () => resolve()));
      },
      plugin: () => undefined,
      // What an older server hands to SQL.
      query: (sql) => {
        const word = /^[A-Z_]+/.exec(sql)?.[0];
        const message = `syntax error at or near "${word}"`;
        throw new ServerError({ severity: "ERROR", sqlstate: "42601", message, position: 1 });
      },
      uploadManifest: async (pieces) => {
        for await (const _ of pieces);
      },
    };
    const { path } = await ourServer({
      server: live.versionNum,
      databases: ["postgres"],
      parameters: { is_superuser: "on" },
      handlers,
    });
    const [theirs, ours] = await Promise.all([
      talk(`${live.host}/.s.PGSQL.${live.port}`, steps(position)),
      talk(path, steps(position)),
    ]);
    expect(messagesOf(ours)).toEqual(messagesOf(theirs));
  });
});

function missing(slotname: string): ServerError {
  return new ServerError({
    severity: "ERROR",
    sqlstate: "42704",
    message: `replication slot "${slotname}" does not exist`,
  });
}

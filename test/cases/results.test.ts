/**
 * What commands answer with where our live servers cannot show it: on versions that do not come with npm, on timelines that
 * no test can reach, and where rows are wrong. The former were seen on servers built by hand: 9.4beta1, 9.6beta4, 14beta2
 * and 19beta1, put on timeline 2147483649 with pg_resetwal, as was 15.18.
 */
import { describe, expect, expectTypeOf, test } from "vitest";
import {
  type AnswerStep,
  type Command,
  commandAnswer,
  decodeResultSet,
  describeResultSet,
  encodeResultSet,
  type RowValue,
} from "../../src/command/index.ts";
import { DecodeError, EncodeError, UnsupportedError } from "../../src/kernel/errors.ts";
import { type Lsn, toLsn } from "../../src/kernel/lsn.ts";
import type { Server } from "../../src/kernel/version.ts";

const timeline = 0x80000001;
const identified = { systemid: 2n ** 64n - 1n, timeline, xlogpos: toLsn(0x1_0000_0010n), dbname: undefined };

test.each<[Server, RowValue[]]>([
  ["9.4", ["18446744073709551615", "2147483649", "1/10", null]],
  ["9.6", ["18446744073709551615", "2147483649", "1/10", null]],
  ["10", ["18446744073709551615", "-2147483647", "1/10", null]],
  ["15", ["18446744073709551615", "-2147483647", "1/10", null]],
  ["16", ["18446744073709551615", "2147483649", "1/10", null]],
  ["19", ["18446744073709551615", "2147483649", "1/00000010", null]],
])("%s prints IDENTIFY_SYSTEM as %j", (server, row) => {
  expect(encodeResultSet("IDENTIFY_SYSTEM", identified, { server })).toEqual([row]);
  expect(decodeResultSet("IDENTIFY_SYSTEM", [row])).toEqual(identified);
});

test.each(["9.4", "15", "19"])("%s prints any other timeline without a sign", (server) => {
  const next = { next_tli: timeline, next_tli_startpos: toLsn(0xffn << 56n) };
  expect(encodeResultSet("NEXT_TIMELINE", next, { server })).toEqual([
    ["2147483649", server === "19" ? "FF000000/00000000" : "FF000000/0"],
  ]);
  expect(encodeResultSet("BACKUP_END", { recptr: toLsn(0n), tli: timeline }, { server })[0]?.[1]).toBe("2147483649");
});

test.each<[Server, string[]]>([
  ["9.6", ["systemid 25 -1 0", "timeline 23 4 0", "xlogpos 25 -1 0", "dbname 25 -1 0"]],
  ["10", ["systemid 25 -1 -1", "timeline 23 4 -1", "xlogpos 25 -1 -1", "dbname 25 -1 -1"]],
  ["16", ["systemid 25 -1 -1", "timeline 20 8 -1", "xlogpos 25 -1 -1", "dbname 25 -1 -1"]],
])("%s describes IDENTIFY_SYSTEM as %j", (server, columns) => {
  const described = describeResultSet("IDENTIFY_SYSTEM", { server });
  expect(described.map((each) => Object.values(each).join(" "))).toEqual(columns);
});

test("before 10, the next timeline is an int8 whose size varies", () => {
  const [next] = describeResultSet("NEXT_TIMELINE", { server: "9.6" });
  expect(next).toEqual({ name: "next_tli", typeId: 20, typeSize: -1, typeModifier: 0 });
});

test("SHOW's column cannot be described without the parameter", () => {
  expect(() => describeResultSet("SHOW")).toThrow(EncodeError);
});

describe("tags of CommandComplete", () => {
  const start = {
    type: "StartReplicationCmd",
    slotname: "s",
    timeline: 0,
    startpoint: 0n as Lsn,
    options: [],
  } as const;
  const commands = {
    "a physical stream": { ...start, kind: "PHYSICAL" },
    "a logical stream": { ...start, kind: "LOGICAL" },
    DROP_REPLICATION_SLOT: { type: "DropReplicationSlotCmd", slotname: "s", wait: false },
    TIMELINE_HISTORY: { type: "TimeLineHistoryCmd", timeline: 2 },
    SHOW: { type: "VariableShowStmt", name: "port" },
    READ_REPLICATION_SLOT: { type: "ReadReplicationSlotCmd", slotname: "s" },
    ALTER_REPLICATION_SLOT: { type: "AlterReplicationSlotCmd", slotname: "s", options: [] },
    UPLOAD_MANIFEST: { type: "UploadManifestCmd" },
  } as const satisfies Record<string, Command>;

  test.each<[Server, keyof typeof commands, string[]]>([
    ["9.4", "a physical stream", ["START_STREAMING", "SELECT"]],
    ["9.4", "a logical stream", ["COPY 0", "SELECT"]],
    ["9.4", "DROP_REPLICATION_SLOT", ["DROP_REPLICATION_SLOT", "SELECT"]],
    ["9.4", "TIMELINE_HISTORY", ["SELECT"]],
    ["13.0", "a physical stream", ["START_STREAMING"]],
    ["13.0", "a logical stream", ["COPY 0"]],
    ["13.0", "DROP_REPLICATION_SLOT", ["DROP_REPLICATION_SLOT"]],
    ["13.0", "TIMELINE_HISTORY", ["TIMELINE_HISTORY"]],
    ["13.1", "a physical stream", ["START_STREAMING", "START_REPLICATION"]],
    ["13.1", "a logical stream", ["COPY 0", "START_REPLICATION"]],
  ])("%s ends %s with %j", (server, name, tags) => {
    const steps: readonly AnswerStep[] = commandAnswer(commands[name], { server })!;
    expect(steps.flatMap((step) => (step.type === "CommandComplete" ? [step.tag] : []))).toEqual(tags);
  });

  test.each<[Server, keyof typeof commands]>([
    ["9.6", "SHOW"],
    ["14", "READ_REPLICATION_SLOT"],
    ["16", "ALTER_REPLICATION_SLOT"],
    ["16", "UPLOAD_MANIFEST"],
  ])("%s has none for %s", (server, name) => {
    expect(() => commandAnswer(commands[name], { server })).toThrow(UnsupportedError);
  });
});

test.each<[unknown, string, string]>([
  [undefined, "BAD_LENGTH", "IDENTIFY_SYSTEM is not an array of rows"],
  [[], "BAD_LENGTH", "IDENTIFY_SYSTEM has 0 rows; it always has 1"],
  [["7"], "BAD_LENGTH", "IDENTIFY_SYSTEM is not an array of values"],
  [[["7", "1", "0/0"]], "BAD_LENGTH", "IDENTIFY_SYSTEM has 3 columns; it always has 4"],
  [
    [[null, "1", "0/0", null]],
    "BAD_VALUE",
    "IDENTIFY_SYSTEM.systemid is NULL, expected a decimal number from 0 to 2^64 - 1",
  ],
  [
    [["7", 1, "0/0", null]],
    "BAD_VALUE",
    "IDENTIFY_SYSTEM.timeline is of type number, expected a decimal number from -2^31 to 2^32 - 1",
  ],
  [
    [["7", "1", `0/${"0".repeat(50)}`, null]],
    "BAD_VALUE",
    `IDENTIFY_SYSTEM.xlogpos is "0/${"0".repeat(38)}…", expected a position in WAL such as 0/16B3748`,
  ],
])("%j is a DecodeError %s: %s", (rows, code, message) => {
  let error: unknown;
  try {
    decodeResultSet("IDENTIFY_SYSTEM", rows as RowValue[][]);
  } catch (caught) {
    error = caught;
  }
  expect(error).toBeInstanceOf(DecodeError);
  expect(error).toMatchObject({ code, message, path: message.split(" ")[0] });
});

test.each(["18446744073709551616", "-1", "-0", "01", "+1", " 1", "1.0", "0x1", "", "1e3", "٣"])(
  "%j is no system identifier",
  (systemid) => {
    expect(() => decodeResultSet("IDENTIFY_SYSTEM", [[systemid, "1", "0/0", null]])).toThrow(DecodeError);
  },
);

test("a row among many is named by its index", () => {
  const tablespaces = [
    { spcoid: undefined, spclocation: undefined, size: 1n },
    { spcoid: -1, spclocation: "/", size: undefined },
  ];
  expect(() => encodeResultSet("BACKUP_TABLESPACES", tablespaces)).toThrow(
    "BACKUP_TABLESPACES[1].spcoid: it must be an integer from 0 to 2^32 - 1 or undefined",
  );
});

test("rows have the types that their columns say", () => {
  const row = decodeResultSet("CREATE_REPLICATION_SLOT", [["s", "0/0", null, "pgoutput"]]);
  expectTypeOf(row).toEqualTypeOf<{
    readonly slot_name: string;
    readonly consistent_point: Lsn;
    readonly snapshot_name: string | undefined;
    readonly output_plugin: string | undefined;
  }>();
  expect(row).toEqual({ slot_name: "s", consistent_point: 0n, snapshot_name: undefined, output_plugin: "pgoutput" });
  const tablespaces = decodeResultSet("BACKUP_TABLESPACES", []);
  expectTypeOf(tablespaces).toEqualTypeOf<
    readonly {
      readonly spcoid: number | undefined;
      readonly spclocation: string | undefined;
      readonly size: bigint | undefined;
    }[]
  >();
  expect(tablespaces).toEqual([]);
});

/** Every public function of walwire/command, and those of the names of slots: whatever it is called with, it returns or throws ours. */
import { describe, expect, test } from "vitest";
import * as command from "../../src/command/index.ts";
import { ArgumentError, WalwireError } from "../../src/kernel/errors.ts";
import { checkSlotName, judgeSlotName } from "../../src/text/slot-name.ts";
import { lawsOfArguments } from "./arguments.ts";

const text = "CREATE_REPLICATION_SLOT s TEMPORARY LOGICAL p (two_phase)";
const tree = { ...command.parseCommand(text) };
const backup = { ...command.parseCommand("BASE_BACKUP (compression zstd)") };
const connection = { database: true, plugin: "p", build: { gzip: true, lz4: true, zstd: true } };
const onNotice = () => undefined;

/** Good arguments of each function; the last are its options, all of them. */
const calls = {
  parseCommand: [text, { server: 18, database: true, onNotice }],
  printCommand: [tree, { server: 18, from: "17", plugin: "p" }],
  locateCommand: [tree, { server: 18 }],
  checkCommand: [backup, { server: 18, ...connection }],
  judgeCommand: [text, { server: 18, onNotice, ...connection }],
  judgeByVersion: [text, connection],
  acceptedBy: [text, connection],
  commandAnswer: [tree, { server: 18 }],
  describeResultSet: ["SHOW", { server: 18, parameter: "DateStyle" }],
  encodeResultSet: ["IDENTIFY_SYSTEM", { systemid: 7n, timeline: 1, xlogpos: 1n, dbname: undefined }, { server: 18 }],
  checkSlotName: ["s", { server: 18 }],
  judgeSlotName: ["s", { server: 18 }],
} as const;

type Call = (...args: unknown[]) => unknown;
const exported = { ...command, checkSlotName, judgeSlotName };

lawsOfArguments(exported, { ...calls, decodeResultSet: ["BACKUP_START", [["0/16B3748", "1"]]] });

describe.each(Object.entries<readonly unknown[]>(calls))("the options of %s", (name, args) => {
  const call = exported[name as keyof typeof calls] as Call;
  const options = args.at(-1) as Record<string, unknown>;
  const callWith = (given: unknown): unknown => call(...args.slice(0, -1), given);

  test("are taken, each of them", () => {
    callWith(options);
    callWith(
      Object.fromEntries(Object.keys(options).map((option) => [option, option === "parameter" ? "a" : undefined])),
    );
  });

  test.each([
    null,
    "x",
    18,
    [],
    [{ server: 18 }],
    () => 1,
    { servre: 18 },
    { Server: 18 },
    { ...options, x: undefined },
  ])("are not %j", (given) => {
    expect(() => callWith(given)).toThrow(ArgumentError);
  });

  test.each(Object.keys(options))("%s has its type", (option) => {
    for (const value of [null, 5n, [], Symbol("s"), { toString: null }]) {
      expect(() => callWith({ ...options, [option]: value }), String(option)).toThrow(WalwireError);
    }
  });

  test("may throw when they are read", () => {
    const get = () => {
      throw new TypeError();
    };
    const [option] = Object.keys(options);
    expect(() => callWith(Object.defineProperty({}, option!, { enumerable: true, get }))).toThrow(ArgumentError);
  });
});

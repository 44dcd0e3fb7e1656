/** What servers reject of other commands after parsing them, and trees that no text makes. */
import { describe, expect, test } from "vitest";
import { type Command, checkCommand, type DefElem, parseCommand } from "../../../src/command/index.ts";
import { EncodeError, UnsupportedError } from "../../../src/kernel/errors.ts";
import { toLsn } from "../../../src/kernel/lsn.ts";
import type { Server } from "../../../src/kernel/version.ts";
import { refusal } from "./expect.ts";

describe("before 10 the name of a slot that should exist is checked", () => {
  const hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";
  test.each([
    'DROP_REPLICATION_SLOT "Ho"',
    'START_REPLICATION SLOT "Ho" 0/0',
    'START_REPLICATION SLOT "Ho" LOGICAL 0/0',
    'START_REPLICATION SLOT "Ho" PHYSICAL 0/0 TIMELINE 7',
  ])("%s", (text) => {
    for (const server of ["9.4", "9.5", "9.6"]) {
      expect(refusal(parseCommand(text, { server }), { server })).toMatchObject({
        ...{ sqlstate: "42602", message: 'replication slot name "Ho" contains invalid character', hint },
        ...{ path: "slotname", advice: "Write the slot name in lower case: ho." },
      });
    }
    expect(checkCommand(parseCommand(text, { server: 10 }), { server: 10, plugin: "p" })).toBe(undefined);
  });

  test("after it is seen that there is no database", () => {
    const command = parseCommand('START_REPLICATION SLOT "Ho" LOGICAL 0/0', { server: "9.6" });
    expect(refusal(command, { server: "9.6", database: false }).sqlstate).toBe("55000");
  });
});

describe("other commands", () => {
  test.each([
    "IDENTIFY_SYSTEM",
    "SHOW no.such",
    "TIMELINE_HISTORY 1",
    'DROP_REPLICATION_SLOT "Any Name"',
    'READ_REPLICATION_SLOT "Any Name"',
    "START_REPLICATION SLOT s 0/0 TIMELINE 1",
    "UPLOAD_MANIFEST",
  ])("%s has nothing to refuse", (text) => {
    expect(checkCommand(parseCommand(text), { database: false })).toBe(undefined);
  });

  test("SQL needs a database", () => {
    const command = parseCommand("select 1");
    expect(checkCommand(command)).toBe(undefined);
    expect(refusal(command, { database: false })).toMatchObject({ sqlstate: "0A000", text: "select 1" });
  });

  test.each([
    ["ALTER_REPLICATION_SLOT s (failover)", 16, "alterReplicationSlot"],
    ["READ_REPLICATION_SLOT s", 14, "readReplicationSlot"],
    ["UPLOAD_MANIFEST", 16, "uploadManifest"],
  ])("%s is no command of %i", (text, server, capability) => {
    const check = () => checkCommand(parseCommand(text), { server });
    expect(check).toThrow(UnsupportedError);
    expect(check).toThrow(expect.objectContaining({ capability }));
  });
});

describe("trees that no text makes", () => {
  const slot = parseCommand("CREATE_REPLICATION_SLOT s PHYSICAL");
  const withOption = (type: "BaseBackupCmd", option: unknown): Command =>
    ({ type, options: [option] }) as unknown as Command;

  test.each<[Command, string, Server?]>([
    [undefined as unknown as Command, "Command.type"],
    [{ type: "constructor" } as unknown as Command, "Command.type"],
    [{ ...slot, kind: "physical" } as unknown as Command, "CreateReplicationSlotCmd.kind"],
    [{ ...slot, slotname: 1 } as unknown as Command, "CreateReplicationSlotCmd.slotname"],
    [{ ...slot, options: {} } as unknown as Command, "CreateReplicationSlotCmd.options"],
    [withOption("BaseBackupCmd", undefined), "BaseBackupCmd.options[0]"],
    [withOption("BaseBackupCmd", { defname: 1, arg: undefined }), "BaseBackupCmd.options[0].defname"],
    [withOption("BaseBackupCmd", { defname: "a", arg: {} }), "BaseBackupCmd.options[0].arg.type"],
    [withOption("BaseBackupCmd", { defname: "a", arg: { type: "String" } }), "BaseBackupCmd.options[0].arg.sval"],
    [
      withOption("BaseBackupCmd", { defname: "a", arg: { type: "Integer", ival: 2 ** 31 } }),
      "BaseBackupCmd.options[0].arg.ival",
    ],
    [withOption("BaseBackupCmd", { defname: "a", arg: { type: "Boolean" } }), "BaseBackupCmd.options[0].arg.boolval"],
    [withOption("BaseBackupCmd", { defname: "label", arg: undefined }), "BaseBackupCmd.options[0].arg", 14],
  ])("%j is an EncodeError", (command, path, server) => {
    const check = () => checkCommand(command, { server });
    expect(check).toThrow(EncodeError);
    expect(check).toThrow(expect.objectContaining({ path }));
  });

  const label: DefElem = { defname: "label", arg: { type: "String", sval: "x" } };
  test.each<[Command, Server, string]>([
    [
      { type: "BaseBackupCmd", options: [label, { ...label, defname: "checkpoint" }] },
      14,
      'option "checkpoint" not recognized',
    ],
    [{ ...slot, options: [{ defname: "snapshot", arg: label.arg }] } as Command, 14, "unrecognized option: snapshot"],
    [
      {
        type: "StartReplicationCmd",
        kind: "LOGICAL",
        slotname: "s",
        timeline: 0,
        startpoint: toLsn(0n),
        options: [{ defname: "binary", arg: { type: "Integer", ival: 2 } }],
      },
      18,
      "binary requires a Boolean value",
    ],
  ])("#%# is refused as the code has it", (command, server, message) => {
    expect(refusal(command, { server }).message).toBe(message);
  });

  test("a command made by hand has its place in the text that it is printed as", () => {
    const { text, offset } = refusal({ type: "BaseBackupCmd", options: [{ ...label, defname: "Label" }] }, {});
    expect([text, offset]).toEqual([`BASE_BACKUP ("Label" 'x')`, 13]);
  });
});

test("the error draws the place and says what to do", () => {
  const error = refusal(parseCommand("BASE_BACKUP (PROGRESS, MAX_RATE '32')"), {});
  expect(String(error)).toBe(
    [
      "ParseError: max_rate requires a numeric value",
      "LINE 1: BASE_BACKUP (PROGRESS, MAX_RATE '32')",
      "                                        ^",
      "MAX_RATE takes a number without quotes: kilobytes a second, from 32 to 1048576.",
    ].join("\n"),
  );
});

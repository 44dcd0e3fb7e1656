/**
 * An option is one row of a table: here a fictional option COMMENT of CREATE_REPLICATION_SLOT comes with a fictional server 20, and all
 * that is derived from the table must know it.
 */
import fc from "fast-check";
import { expect, test, vi } from "vitest";
import { generatedOptions } from "../../scripts/options.ts";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { acceptedBy, checkCommand, parseCommand, printCommand } from "../../src/command/index.ts";
import { ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { formatServerVersion, formatVersions } from "../../src/kernel/version.ts";
import { optionsOf } from "../../src/node/cli/command/words.ts";

/** The version that 18, the default, means. */
const newest = formatServerVersion(18);

const server = 200000;

vi.mock(import("../../src/kernel/version.ts"), async (original) => {
  const real = await original();
  const isFictional = (server: unknown) => server === 200000;
  class CapabilityTable<Name extends string> extends real.CapabilityTable<Name> {
    override supports(server: number | string, name: Name): boolean {
      return isFictional(server) ? this.rows[name].until === undefined : super.supports(server, name);
    }
    override of(server: number | string): Readonly<Record<Name, boolean>> {
      if (!isFictional(server)) return super.of(server);
      const names = Object.keys(this.rows) as Name[];
      return Object.fromEntries(names.map((name) => [name, this.supports(server, name)])) as Record<Name, boolean>;
    }
  }
  const serverVersionNum: typeof real.serverVersionNum = (server) =>
    isFictional(server) ? 200000 : real.serverVersionNum(server);
  return { ...real, CapabilityTable, serverVersionNum };
});

// What a newcomer adds: this capability.
vi.mock(import("../../src/command/capabilities.ts"), async (original) => {
  const real = await original();
  const { CapabilityTable } = await import("../../src/kernel/version.ts");
  const commandRows = { ...real.commandRows, slotComment: { since: [200000] } };
  return { ...real, commandRows, commandCapabilities: new CapabilityTable(commandRows) };
});

// And this row.
vi.mock(import("../../src/command/options/tables.ts"), async (original) => {
  const real = await original();
  const { option } = await import("../../src/command/options/option.ts");
  const { optionalString } = await import("../../src/command/options/kinds.ts");
  const since = "slotComment" as "failoverSlots";
  const comment = option<string | undefined>("comment", optionalString, {
    default: undefined,
    since,
    slot: "LOGICAL",
    doc: "what the slot is for",
  });
  const createSlotOptions = { ...real.createSlotOptions, rows: { ...real.createSlotOptions.rows, comment } };
  const [, alter, backup, pgoutput] = real.optionTables;
  const optionTableOf: typeof real.optionTableOf = (command) =>
    command.type === "CreateReplicationSlotCmd" ? createSlotOptions : real.optionTableOf(command);
  return {
    ...real,
    createSlotOptions,
    optionTableOf,
    optionTables: [createSlotOptions, alter, backup, pgoutput] as const,
  };
});

const text = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput (comment 'for me')";

test("the checks accept it, and say since when it is there", () => {
  expect(checkCommand(parseCommand(text, { server }), { server })).toMatchObject({
    comment: "for me",
    twoPhase: false,
  });
  const before = () => checkCommand(parseCommand(text, { server: 19 }), { server: 19 });
  expect(before).toThrow(ParseError);
  expect(before).toThrow(
    expect.objectContaining({
      message: "unrecognized option: comment",
      advice: "The option comment is new in 20.",
      path: "options[0].defname",
    }),
  );
  const misspelt = text.replace("comment", "coment");
  expect(() => checkCommand(parseCommand(misspelt, { server }), { server })).toThrow(
    expect.objectContaining({ advice: "Did you mean comment?" }),
  );
});

test("verdicts by version", () => {
  expect(formatVersions(acceptedBy(text))).toBe("20 and later");
});

test("the printer writes it, and names the capability to who has it not", () => {
  const command = parseCommand(text, { server });
  expect(printCommand(command, { server })).toBe(text);
  expect(() => printCommand(command, { server: 19 })).toThrow(UnsupportedError);
  expect(() => printCommand(command, { server: 18 })).toThrow(
    expect.objectContaining({
      message: `The option comment is not in PostgreSQL ${newest}, only since 20`,
      capability: "slotComment",
    }),
  );
  expect(() => printCommand({ ...command }, { server: 14 })).toThrow(
    expect.objectContaining({ capability: "slotComment" }),
  );
});

test("the explanation has it where the server has it", () => {
  const explained = (of: string, server: number) => {
    const command = parseCommand(of, { server });
    if (command.type === "SQLCmd") throw new Error("not a command");
    return optionsOf(command, checkCommand(command, { server }), server).find(({ name }) => name === "comment");
  };
  const meaning = "what the slot is for";
  expect(explained(text, server)).toEqual({ name: "comment", value: "for me", isDefault: false, meaning });
  const plain = "CREATE_REPLICATION_SLOT s LOGICAL pgoutput";
  expect(explained(plain, server)).toEqual({ name: "comment", value: "", isDefault: true, meaning });
  expect(explained(plain, 180006)).toBe(undefined);
});

test("the arbitraries make it, for laws and for the oracle", () => {
  const count = (texts: readonly string[]) => texts.filter((each) => /\bcomment\b/i.test(each)).length;
  expect(count(fc.sample(commandText({ server: 19 }), { seed: 1, numRuns: 3000 }))).toBeGreaterThan(5);
  expect(count(fc.sample(checkedCommand(190000), { seed: 1, numRuns: 500 }))).toBeGreaterThan(20);
});

test("the documentation has it", () => {
  expect([...generatedOptions().values()].join()).toContain(
    "| `comment` | 20 | a string |  | what the slot is for; logical slots |  |",
  );
});

/** Laws of checkCommand, on every version at which something changed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { command } from "../../src/arbitraries/command.ts";
import { commandCapabilities } from "../../src/command/capabilities.ts";
import {
  type CheckCommandOptions,
  type Command,
  type CommandOptions,
  checkCommand,
  parseCommand,
  printCommand,
} from "../../src/command/index.ts";
import { ParseError, UnsupportedError, WalwireError } from "../../src/kernel/errors.ts";
import { serverVersionNum } from "../../src/kernel/version.ts";
import { expectErrorForPeople, expectLinear, hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

describe.each(versionsWith("firstTokenRule"))("%s", (server) => {
  /** Commands of the grammar, of which most are refused, and commands of which more are accepted. */
  const anyCommand = fc.oneof(
    command({ server }),
    checkedCommand(server)
      .map((text) => parsed(text, server))
      .filter((each) => each !== undefined),
  );

  law(
    "any command is accepted, or refused with a part of it to blame and advice that a person can use",
    fc.property(anyCommand, fc.boolean(), (each, database) => {
      const [options, error] = outcome(each, { server, database });
      if (error === undefined) {
        expect(options?.type).toBe(optionsOf[each.type]?.(each));
        return;
      }
      expectErrorForPeople(error, error.text);
      expect(error.code).toBe(each.type === "SQLCmd" ? "SYNTAX" : "REFUSED");
      expect(error.advice).toMatch(/^[A-Z].*[.?]$|^pgoutput needs .*\.$/);
      if (error.path !== undefined) expect(partAt(each, error.path)).toBe(true);
      expect(error.text).toBe(error.text === "" ? "" : textOf(each, server, error));
    }),
    500,
  );

  law(
    "a copy of a command, and the command that is read from its text, have the same fate",
    fc.property(anyCommand, (each) => {
      const fate = (of: Command) => {
        const [options, error] = outcome(of, { server });
        return options ?? (error && [error.sqlstate, error.message, error.hint, error.path, error.advice]);
      };
      expect(fate(structuredClone(each))).toEqual(fate(each));
      expect(fate(parseCommand(printCommand(each, { server, from: server }), { server }))).toEqual(fate(each));
    }),
    300,
  );
});

/** Commands of each version, and the version. */
const commandsOfVersions = fc.oneof(
  ...versionsWith("pgoutput").map((from) =>
    fc.tuple(
      fc.constant(from),
      fc.oneof(
        command({ server: from }),
        checkedCommand(from)
          .map((text) => parsed(text, from))
          .filter((each) => each !== undefined),
      ),
    ),
  ),
);

law(
  "what is printed of an accepted command for another version is accepted there, or the missing capability is named",
  fc.property(
    commandsOfVersions,
    fc.constantFrom(...versionsWith("replicationSlots")),
    fc.boolean(),
    ([from, each], server, isCopy) => {
      if (outcome(each, { server: from })[1] !== undefined) return;
      let text: string;
      try {
        text = printCommand(isCopy ? structuredClone(each) : each, isCopy ? { server } : { server, from });
      } catch (error) {
        expect(error).toBeInstanceOf(UnsupportedError);
        expect(Object.keys(commandCapabilities.rows)).toContain((error as UnsupportedError).capability);
        return;
      }
      expect([text, outcome(parseCommand(text, { server }), { server })[1]]).toEqual([text, undefined]);
    },
  ),
  1000,
);

/** Which options an accepted command gives, where it gives some. */
const optionsOf: { readonly [T in Command["type"]]?: (command: Command) => CommandOptions["type"] | undefined } = {
  BaseBackupCmd: () => "BaseBackupOptions",
  CreateReplicationSlotCmd: () => "CreateReplicationSlotOptions",
  AlterReplicationSlotCmd: () => "AlterReplicationSlotOptions",
  StartReplicationCmd: (each) => ("kind" in each && each.kind === "LOGICAL" ? "PGOutputOptions" : undefined),
};

law(
  "what no server could parse is checked, or refused with an error of walwire's",
  fc.property(
    fc.constantFrom("9.4", "9.6", "10", "14", "15", "18", "19"),
    fc.oneof(command({ server: "14" }), command({ server: "18" }), checkedTree("14"), checkedTree("18")),
    fc.nat(),
    hostileValue(),
    fc.boolean(),
    (server, each, pick, value, database) => {
      const hostile = withChange(each, pick, value);
      try {
        checkCommand(hostile, { server, database });
      } catch (error) {
        expect(error).toBeInstanceOf(WalwireError);
      }
    },
  ),
  20_000,
);

law(
  "anything from JavaScript is no command",
  fc.property(hostileValue(), (value) => {
    expect(() => checkCommand(value as Command)).toThrow(WalwireError);
  }),
);

describe("cost grows as the text does", () => {
  const backup = (options: string) => `BASE_BACKUP (${options})`;
  const start = (options: string) => `START_REPLICATION SLOT s LOGICAL 0/0 (${options})`;
  test.each<[string, (n: number) => string]>([
    ["a label", (n) => backup(`label '${"é".repeat(n)}'`)],
    ["a value that is wrong", (n) => backup(`progress '${"é".repeat(n)}'`)],
    ["entries of a compression", (n) => backup(`compression zstd, compression_detail '${"level=1,".repeat(n)}'`)],
    ["a keyword of a compression", (n) => backup(`compression zstd, compression_detail '${"level".repeat(n)}'`)],
    ["a level", (n) => backup(`compression zstd, compression_detail '${"0".repeat(n)}3'`)],
    ["a protocol", (n) => start(`proto_version '${" ".repeat(n)}${"0".repeat(n)}1', publication_names 'p'`)],
    ["publications", (n) => start(`proto_version '1', publication_names 'a${" ,b".repeat(n)}'`)],
    ["the name of a publication", (n) => start(`publication_names '"${"É".repeat(n)}" x'`)],
    ["quotes in a name", (n) => start(`publication_names '${'"'.repeat(2 * n)}'`)],
    ["quotes and no end", (n) => start(`publication_names '${'"'.repeat(2 * n + 1)}'`)],
    ["commas", (n) => start(`publication_names '${",".repeat(n)}'`)],
    ["white space", (n) => start(`proto_version '1', publication_names '${" ".repeat(n)}a${" ".repeat(n)}'`)],
  ])("%s", (_, text) => {
    expectLinear((n) => outcome(parseCommand(text(n)), {}));
  });

  test("trees of a hundred thousand options, and names of a million characters", () => {
    const option = (name: string) => ({ defname: name, arg: undefined });
    const name = "x".repeat(1_000_000);
    for (const each of [
      { type: "BaseBackupCmd", options: Array.from({ length: 100_000 }, () => option("progress")) },
      { type: "BaseBackupCmd", options: [option(name)] },
      { ...parseCommand("CREATE_REPLICATION_SLOT s PHYSICAL"), slotname: name },
      { ...parseCommand("CREATE_REPLICATION_SLOT s PHYSICAL"), slotname: name.toUpperCase() },
    ]) {
      expect(outcome(each as Command, {})[1]).toBeInstanceOf(ParseError);
    }
  });
});

function outcome(
  each: Command,
  options: CheckCommandOptions,
): [options: CommandOptions | undefined, error: ParseError | undefined] {
  try {
    return [checkCommand(each, options), undefined];
  } catch (error) {
    if (error instanceof ParseError) return [undefined, error];
    throw error;
  }
}

function parsed(text: string, server: number | string): Command | undefined {
  try {
    return parseCommand(text, { server });
  } catch (error) {
    if (error instanceof ParseError) return undefined;
    throw error;
  }
}

function checkedTree(server: string): fc.Arbitrary<Command> {
  return checkedCommand(serverVersionNum(server))
    .map((text) => structuredClone(parsed(text, server)))
    .filter((each) => each !== undefined);
}

/** Is there such a part? What is missing is the command's own fault. */
function partAt(each: Command, path: string): boolean {
  let node: unknown = each;
  for (const key of path.match(/\w+/g) ?? []) {
    if (typeof node !== "object" || node === null || !Object.hasOwn(node, key)) return false;
    node = (node as Record<string, unknown>)[key];
  }
  return true;
}

/** What an error's place is in: the text that the command was parsed from, or that it is printed as. */
function textOf(each: Command, server: number, error: ParseError): string {
  return parsed(error.text, server) !== undefined ? error.text : printCommand(each, { server, from: server });
}

/** Laws of the replication commands' parser and printer, on every version at which something changed. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { command, commandText } from "../../src/arbitraries/command.ts";
import { type CapabilityName, supports } from "../../src/capabilities.ts";
import { locateCommand, parseCommand, printCommand } from "../../src/command/index.ts";
import { ParseError, WalwireError } from "../../src/kernel/errors.ts";
import { expectErrorForPeople, expectLinear, hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

describe.each(versionsWith("replicationSlots"))("%s", (server) => {
  law(
    "printing then parsing gives the same command",
    fc.property(command({ server }), (each) => {
      expect(parseCommand(printCommand(each, { server, from: server }), { server })).toStrictEqual(each);
    }),
    300,
  );

  law(
    "any text is a command that is printed and read back, or a ParseError that a person can use",
    fc.property(commandText({ server }), fc.boolean(), (text, database) => {
      const notices: number[] = [];
      const onNotice = ({ offset }: { offset: number }) => notices.push(offset);
      try {
        const parsed = parseCommand(text, { server, database, onNotice });
        const printed = printCommand(parsed, { server });
        expect(parseCommand(printed, { server })).toStrictEqual(parsed);
        expect(printCommand(parseCommand(printed, { server }), { server })).toBe(printed);
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        expectErrorForPeople(error, text);
        // The server has scanned what lies before the offending token, and that token; of SQL perhaps more.
        if (!error.message.startsWith("cannot execute SQL"))
          for (const offset of notices) expect(offset).toBeLessThanOrEqual(error.offset);
      }
      expect(notices).toEqual([...new Set(notices)].sort((a, b) => a - b));
    }),
    500,
  );

  law(
    "what lies before a syntax error could go on to be a command",
    fc.property(commandText({ server }), (text) => {
      const error = refusal(text, { server });
      if (error === undefined) return;
      const before = text.slice(0, error.offset);
      const shorter = refusal(before, { server });
      if (shorter !== undefined) expect([shorter.code, shorter.offset]).toEqual(["SYNTAX", before.length]);
    }),
    500,
  );
});

/** Text that needs a capability and nothing else that changes. */
const needing: Partial<Record<CapabilityName, string>> = {
  baseBackupKeywords: "BASE_BACKUP FAST",
  baseBackupNoVerifyChecksums: "BASE_BACKUP NOVERIFY_CHECKSUMS",
  baseBackupManifest: "BASE_BACKUP MANIFEST 'yes'",
  genericOptions: "BASE_BACKUP (a)",
  readReplicationSlot: "READ_REPLICATION_SLOT a",
  alterReplicationSlot: "ALTER_REPLICATION_SLOT a (b)",
  uploadManifest: "UPLOAD_MANIFEST",
  baseBackupTablespaceMap: "BASE_BACKUP TABLESPACE_MAP",
  reserveWal: "CREATE_REPLICATION_SLOT a PHYSICAL RESERVE_WAL",
  createSlotOptions: "CREATE_REPLICATION_SLOT a LOGICAL b RESERVE_WAL RESERVE_WAL",
  showCommand: "SHOW a",
  carriageReturnIsSpace: "IDENTIFY_SYSTEM\r",
  dotIsToken: "SHOW a.b",
  recptrIsHexadecimal: "START_REPLICATION 0/0TIMELINE 1",
  verticalTabIsSpace: "IDENTIFY_SYSTEM\v",
  doubledQuoteInIdentifier: 'SHOW "a""b"',
};

test.each(Object.entries(needing) as [CapabilityName, string][])("%s is what %j needs", (capability, text) => {
  for (const server of versionsWith("replicationSlots")) {
    const isCommand = refusal(text, { server }) === undefined && parseCommand(text, { server }).type !== "SQLCmd";
    expect([server, isCommand]).toEqual([server, supports(server, capability)]);
  }
});

law(
  "a connection without a database refuses what the other gives to SQL, and nothing else",
  fc.property(commandText(), (text) => {
    const withDatabase = refusal(text, {});
    const without = refusal(text, { database: false });
    // Only the advice may differ.
    const place = (error: ParseError | undefined) => [error?.message, error?.offset, error?.near];
    if (without?.sqlstate !== "0A000") expect(place(without)).toEqual(place(withDatabase));
    else expect(parseCommand(text)).toStrictEqual({ type: "SQLCmd", text });
  }),
);

law(
  "anything from JavaScript is a command or an error of walwire's",
  fc.property(
    fc.oneof(fc.anything(), fc.string({ unit: "binary" }), fc.string({ unit: loneSurrogates() })),
    (value) => {
      try {
        parseCommand(value as string);
      } catch (error) {
        expect(error).toBeInstanceOf(WalwireError);
      }
    },
  ),
);

describe.each([
  ["14", "14"],
  ["18", "14"],
  ["18", "18"],
])("a command of %s, printed for %s", (of, server) => {
  law(
    "what is no command is refused with an error of walwire's, or printed and read back",
    fc.property(command({ server: of }), fc.nat(), hostileValue(), (each, pick, value) => {
      let printed: string;
      try {
        printed = printCommand(withChange(each, pick, value), { server, from: server });
      } catch (error) {
        if (!(error instanceof WalwireError)) throw error;
        return;
      }
      parseCommand(printed, { server });
    }),
    20_000,
  );
});

describe("cost grows as the text does", () => {
  test.each<[string, (n: number) => string]>([
    ["options", (n) => `BASE_BACKUP (${"a 1, ".repeat(n)}b)`],
    ["options without values, and no end", (n) => `BASE_BACKUP (${"TIMELINE, ".repeat(n)}`],
    ["options of a plugin", (n) => `START_REPLICATION SLOT s LOGICAL 0/0 (${"a '1', ".repeat(n)}b)`],
    ["words", (n) => `CREATE_REPLICATION_SLOT x PHYSICAL ${"RESERVE_WAL ".repeat(n)}`],
    ["a word too many", (n) => `CREATE_REPLICATION_SLOT x PHYSICAL ${"RESERVE_WAL ".repeat(n)} x`],
    ["names joined with dots", (n) => `SHOW a${".a".repeat(n)}`],
    ["double quotes", (n) => `SHOW ${'"'.repeat(2 * n)}`],
    ["an odd number of double quotes", (n) => `SHOW ${'"'.repeat(2 * n + 1)}`],
    ["single quotes", (n) => `BASE_BACKUP (a ${"'".repeat(2 * n)})`],
    ["an open quote", (n) => `IDENTIFY_SYSTEM '${"a".repeat(n)}`],
    ["an open quote first", (n) => `"${"a".repeat(n)}`],
    ["a name that could begin an LSN", (n) => `SHOW ${"a".repeat(n)}`],
    ["names and numbers that could", (n) => `SHOW a ${"1a ".repeat(n)}`],
    ["a number", (n) => `TIMELINE_HISTORY 1${"0".repeat(n)}`],
    ["half an LSN", (n) => `START_REPLICATION ${"F".repeat(n)}`],
    ["an LSN", (n) => `START_REPLICATION ${"F".repeat(n)}/${"F".repeat(n)}`],
    ["white space", (n) => `${" ".repeat(n)}SHOW${"\n".repeat(n)}a${"\t".repeat(n)}`],
    ["SQL", (n) => `select ${"1".repeat(n)}`],
    ["semicolons", (n) => `IDENTIFY_SYSTEM${";".repeat(n)}`],
    ["parentheses", (n) => `BASE_BACKUP ${"(".repeat(n)}`],
    ["blanks in a string, and a syntax error", (n) => `SHOW '${" x".repeat(n)}'`],
  ])("%s", (_, text) => expectLinear((n) => refusal(text(n), {})));

  test("finding where the parts stand", () => {
    const command = (n: number) => parseCommand(`BASE_BACKUP (a '${" ".repeat(n)}', ${"b 1, ".repeat(n)} c)`);
    expectLinear((n) => locateCommand(command(n)));
  });
});

function refusal(text: string, options: { server?: number; database?: boolean }): ParseError | undefined {
  try {
    parseCommand(text, options);
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

function loneSurrogates(): fc.Arbitrary<string> {
  return fc.oneof(fc.constantFrom("\ud800", "\udfff", "\0", "SHOW ", '"', "'"), fc.string());
}

/** Laws of the parser and the printer of synchronous_standby_names. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText, syncRepConfig } from "../../src/arbitraries/syncrep.ts";
import { ParseError, WalwireError } from "../../src/errors.ts";
import { parseSynchronousStandbyNames, printSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { expectErrorForPeople, expectLinear, hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

law(
  "printing then parsing gives the same configuration",
  fc.property(fc.option(syncRepConfig(), { nil: undefined }), (config) => {
    expect(parseSynchronousStandbyNames(printSynchronousStandbyNames(config))).toStrictEqual(config);
  }),
);

law(
  "any text is a configuration that is printed and read back, or a ParseError that a person can use",
  fc.property(synchronousStandbyNamesText(), (text) => {
    try {
      const config = parseSynchronousStandbyNames(text);
      const printed = printSynchronousStandbyNames(config);
      expect(parseSynchronousStandbyNames(printed)).toStrictEqual(config);
      expect(printSynchronousStandbyNames(parseSynchronousStandbyNames(printed))).toBe(printed);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      expectErrorForPeople(error, text);
    }
  }),
  5000,
);

law(
  "what lies before a syntax error could go on to be a value",
  fc.property(synchronousStandbyNamesText(), (text) => {
    const error = refusal(text);
    if (error === undefined || error.code === "INVALID_VALUE" || error.offset === 0) return;
    const before = text.slice(0, error.offset);
    const shorter = refusal(before);
    // A number alone in front of a list is refused for what it is, not for where it stands.
    if (shorter !== undefined && shorter.code !== "INVALID_VALUE") expect(shorter.offset).toBe(before.length);
  }),
);

law(
  "every version since ANY and FIRST says the same",
  fc.property(synchronousStandbyNamesText(), (text) => {
    const says = versionsWith("quorumCommit").map((server) => {
      try {
        return JSON.stringify(parseSynchronousStandbyNames(text, { server }));
      } catch (error) {
        return String(error);
      }
    });
    expect(new Set(says).size).toBe(1);
  }),
  300,
);

law(
  "anything from JavaScript is a configuration or an error of walwire's",
  fc.property(fc.oneof(fc.anything(), fc.string({ unit: "binary" })), (value) => {
    try {
      parseSynchronousStandbyNames(value as string);
    } catch (error) {
      expect(error).toBeInstanceOf(WalwireError);
    }
  }),
);

law(
  "what is no configuration is refused by the printer with an error of walwire's, or printed and read back",
  fc.property(syncRepConfig(), fc.nat(), hostileValue(), (config, pick, value) => {
    let printed: string;
    try {
      printed = printSynchronousStandbyNames(withChange(config, pick, value));
    } catch (error) {
      if (!(error instanceof WalwireError)) throw error;
      return;
    }
    parseSynchronousStandbyNames(printed);
  }),
  20_000,
);

describe("cost grows as the text does", () => {
  test.each<[string, (n: number) => string]>([
    ["names", (n) => `${"a, ".repeat(n)}b`],
    ["names, and no end", (n) => "1 (".concat("a, ".repeat(n))],
    ["numbers", (n) => `${"1, ".repeat(n)}2 (`],
    ["quotes", (n) => '"'.repeat(2 * n)],
    ["an odd number of quotes", (n) => '"'.repeat(2 * n + 1)],
    ["an open quote", (n) => `a, "${"b".repeat(n)}`],
    ["a name", (n) => "a".repeat(n)],
    ["a number of standbys", (n) => `${"9".repeat(n)} (a)`],
    ["white space", (n) => `${" ".repeat(n)}a${"\v".repeat(n)}`],
    ["parentheses", (n) => `1 ${"(".repeat(n)}`],
    ["names without commas", (n) => "a ".repeat(n)],
  ])("%s", (_, text) => expectLinear((n) => refusal(text(n))));
});

function refusal(text: string): ParseError | undefined {
  try {
    parseSynchronousStandbyNames(text);
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

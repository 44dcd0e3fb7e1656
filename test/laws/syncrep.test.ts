/** Laws of the parser and the printer of synchronous_standby_names. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { synchronousStandbyNamesText, syncRepConfig } from "../../src/arbitraries/syncrep.ts";
import { type CapabilityName, capabilities } from "../../src/capabilities.ts";
import { EncodeError, ParseError, UnsupportedError, WalwireError } from "../../src/kernel/errors.ts";
import { defaultServer, serverVersionNum } from "../../src/kernel/version.ts";
import { syncrepCapabilities } from "../../src/syncrep/capabilities.ts";
import {
  editSynchronousStandbyNames,
  locateSynchronousStandbyNames,
  parseSynchronousStandbyNames,
  printSynchronousStandbyNames,
} from "../../src/syncrep/index.ts";
import { makeJison } from "../oracle/jison.ts";
import { readStandbyNames, standbyNamesGrammarFor } from "../oracle/standby-names-lalr.ts";
import { parsedStandbyNames } from "../oracle/standby-names-readers.ts";
import { expectErrorForPeople, expectLinear, hostileValue, withChange } from "./grammar.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

/** The versions at which something of this language changes, and the newest. */
const versions = Object.entries(syncrepCapabilities.of(defaultServer))
  .flatMap(([name]) => versionsWith().filter((server) => capabilities[name as CapabilityName].since[0] === server))
  .concat(serverVersionNum(defaultServer));

describe.each(versions)("%s", (server) => {
  law(
    "printing then parsing gives the same configuration",
    fc.property(fc.option(syncRepConfig({ server }), { nil: undefined }), (config) => {
      const printed = printSynchronousStandbyNames(config, { server });
      expect(parseSynchronousStandbyNames(printed, { server })).toStrictEqual(config);
    }),
    1000,
  );

  law(
    "any text is a configuration that is printed and read back, or a ParseError that a person can use",
    fc.property(synchronousStandbyNamesText({ server }), (text) => {
      try {
        const config = parseSynchronousStandbyNames(text, { server });
        const printed = printSynchronousStandbyNames(config, { server });
        expect(parseSynchronousStandbyNames(printed, { server })).toStrictEqual(config);
        expect(printSynchronousStandbyNames(parseSynchronousStandbyNames(printed, { server }), { server })).toBe(
          printed,
        );
      } catch (error) {
        if (!(error instanceof ParseError)) throw error;
        expectErrorForPeople(error, text);
      }
    }),
    3000,
  );

  law(
    "both readers say the same of any text: a configuration, or SQLSTATE, message and detail",
    fc.property(synchronousStandbyNamesText({ server }), (text) => {
      expect(parsedStandbyNames(text, server)).toStrictEqual(readStandbyNames(text, server));
    }),
  );

  law(
    "what lies before a syntax error could go on to be a value",
    fc.property(synchronousStandbyNamesText({ server }), (text) => {
      const error = refusal(text, server);
      if (error === undefined || error.code === "INVALID_VALUE" || error.offset === 0) return;
      const before = text.slice(0, error.offset);
      const shorter = refusal(before, server);
      // A number alone in front of a list is refused for what it is, not for where it stands.
      if (shorter !== undefined && shorter.code !== "INVALID_VALUE") expect(shorter.offset).toBe(before.length);
    }),
    1000,
  );

  law(
    "each part stands where it is said to stand",
    fc.property(synchronousStandbyNamesText({ server }), (text) => {
      if (refusal(text, server) !== undefined) return;
      const config = parseSynchronousStandbyNames(text, { server });
      if (config === undefined) return;
      const { memberNames, numSync, syncrepMethod, ...rest } = locateSynchronousStandbyNames(config);
      expect(rest).toEqual({ text });
      expect(memberNames.map(({ name }) => name)).toEqual(config.memberNames);
      for (const { name, quoted, offset, end } of memberNames) {
        const alone = parseSynchronousStandbyNames(text.slice(offset, end), { server });
        expect(alone?.memberNames).toEqual([name]);
        expect(quoted).toBe(text[offset] === '"');
      }
      if (numSync !== undefined) expect(text.slice(numSync.offset, numSync.end)).toMatch(/^[0-9]+$/);
      if (syncrepMethod !== undefined) {
        const word = config.syncrepMethod === "QUORUM" ? /^any$/i : /^first$/i;
        expect(text.slice(syncrepMethod.offset, syncrepMethod.end)).toMatch(word);
      }
      // Nothing but punctuation and white space is left.
      const ranges = [...memberNames, numSync, syncrepMethod].filter((range) => range !== undefined);
      const inside = ranges.reduce((sum, { offset, end }) => sum + end - offset, 0);
      const outside = text.length - inside;
      expect(text.replace(/[^,() \t\n\r\f\v]/g, "").length).toBeGreaterThanOrEqual(outside);
    }),
  );

  law(
    "an edit says what it is to say, and one that changes nothing changes nothing",
    fc.property(
      synchronousStandbyNamesText({ server }),
      syncRepConfig({ server }),
      fc.subarray(["numSync", "syncrepMethod"] as const),
      fc.array(fc.nat(), { maxLength: 8 }),
      (text, other, keep, picks) => {
        if (refusal(text, server) !== undefined) return;
        const config = parseSynchronousStandbyNames(text, { server });
        expect(editSynchronousStandbyNames(text, config, { server })).toBe(text);
        if (config === undefined) return;
        // Names of both, in any order and number.
        const pool = [...config.memberNames, ...other.memberNames];
        const memberNames =
          picks.length === 0 || pool.length === 0 ? other.memberNames : picks.map((n) => pool[n % pool.length]!);
        const kept = Object.fromEntries(keep.map((field) => [field, config[field]]));
        const target = { ...other, ...kept, memberNames };
        expect(
          parseSynchronousStandbyNames(editSynchronousStandbyNames(text, target, { server }), { server }),
        ).toStrictEqual(target);
      },
    ),
  );

  test("its grammar for the second reader has no conflicts", () => {
    expect(() => makeJison(standbyNamesGrammarFor(server), {})).not.toThrow();
  });
});

law(
  "a value of one version is edited for another to say the same, or that cannot say it",
  fc.property(fc.constantFrom(...versions), fc.constantFrom(...versions), fc.nat(), (from, server, seed) => {
    const [text] = fc.sample(synchronousStandbyNamesText({ server: from }), { seed, numRuns: 1 }) as [string];
    if (refusal(text, from) !== undefined) return;
    const config = parseSynchronousStandbyNames(text, { server: from });
    let edited: string;
    try {
      edited = editSynchronousStandbyNames(text, config, { server, from });
    } catch (error) {
      if (error instanceof UnsupportedError || error instanceof EncodeError) return;
      throw error;
    }
    expect(parseSynchronousStandbyNames(edited, { server })).toStrictEqual(config);
  }),
  3000,
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

describe.each([...new Set(versions)])("%s: cost grows as the text does", (server) => {
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
  ])("%s", (_, text) => {
    expectLinear((n) => refusal(text(n), server));
  });
});

function refusal(text: string, server: number): ParseError | undefined {
  try {
    parseSynchronousStandbyNames(text, { server });
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

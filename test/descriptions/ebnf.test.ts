/** The EBNF files: every rule is there, and they derive the texts that the parsers of these versions read. */
import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { grammars } from "../../grammars/peggy.config.ts";
import { versionsOf } from "../../scripts/descriptions/grammar.ts";
import { commandText, synchronousStandbyNamesText } from "../../src/arbitraries/index.ts";
import { parseCommand } from "../../src/command/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { formatMajor } from "../../src/kernel/version.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { law } from "../laws/law.ts";
import { derives, readEbnf } from "./ebnf.ts";

const folder = fileURLToPath(new URL("../../descriptions/grammar/", import.meta.url));
const read = (file: string): string => readFileSync(`${folder}${file}`, "utf8");

/** What a parser makes of a text: a tree, or "syntax" if the grammar has no such text; undefined if another rule refuses it. */
function reads(parse: () => unknown): unknown {
  try {
    return parse();
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return error.message.startsWith("syntax error") ? "syntax" : undefined;
  }
}

const files = grammars.flatMap((config) =>
  versionsOf(config).flatMap(({ majors }) =>
    majors.map((major) => ({
      name: config.name,
      file: `${config.name}-${formatMajor(majors[0]!)}.ebnf`,
      server: formatMajor(major),
    })),
  ),
);

test("each file is of some versions", () => {
  const names = readdirSync(folder).filter((name) => name.endsWith(".ebnf"));
  expect([...new Set(files.map(({ file }) => file))].sort()).toEqual(names.sort());
});

describe.each(files.filter(({ name }) => name === "replication"))("$file, PostgreSQL $server", ({ file, server }) => {
  const rules = readEbnf(read(file));
  const seen = { commands: 0, errors: 0 };

  law(
    "derives each command, and no text with a syntax error",
    fc.property(commandText({ server }), (text) => {
      const result = reads(() => parseCommand(text, { server })) as { type?: string } | "syntax" | undefined;
      if (text.length > 300 || result === undefined) return;
      if (result !== "syntax" && result.type === "SQLCmd") return;
      const derived = derives(rules, "firstcmd", text);
      if (result === "syntax") {
        seen.errors++;
        expect(derived, text).toBe(false);
      } else {
        seen.commands++;
        expect(derived, text).toBe(true);
      }
    }),
    500,
  );

  test("the law has seen both", () => {
    expect(Math.min(seen.commands, seen.errors)).toBeGreaterThan(5);
  });
});

describe.each(files.filter(({ name }) => name === "syncrep"))("$file, PostgreSQL $server", ({ file, server }) => {
  const rules = readEbnf(read(file));

  law(
    "derives each value, and no text with a syntax error",
    fc.property(synchronousStandbyNamesText({ server }), (text) => {
      const result = reads(() => parseSynchronousStandbyNames(text, { server }));
      if (text.length > 200 || text === "" || result === undefined) return;
      expect(derives(rules, "result", text), text).toBe(result !== "syntax");
    }),
    300,
  );
});

test("what is not EBNF is an error", () => {
  expect(() => readEbnf("a ::= b")).toThrow("there is no b");
  expect(() => readEbnf("a ::= (")).toThrow();
  const spaced = readEbnf("a ::= 'x'* 'xy' white_space ::= ' '*");
  expect(derives(spaced, "a", "x xy")).toBe(true);
  expect(derives(spaced, "a", "x x")).toBe(false);
});

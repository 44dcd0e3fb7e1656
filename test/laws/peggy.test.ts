/**
 * The parsers that we ship are Peggy's, changed on their way: scripts/sticky.js and scripts/hoist.ts make them faster. What Peggy
 * makes of the same grammars without these must say the same of every text, to the place and the expectations of an error.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import peggy from "peggy";
import { afterAll, describe, expect } from "vitest";
import { grammars } from "../../grammars/peggy.config.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { synchronousStandbyNamesText } from "../../src/arbitraries/syncrep.ts";
import { commandCapabilities } from "../../src/command/capabilities.ts";
import * as replication from "../../src/generated/replication.js";
import * as syncrep from "../../src/generated/syncrep.js";
import { syncrepCapabilities } from "../../src/syncrep/capabilities.ts";
import { law } from "./law.ts";
import { versionsWith } from "./versions.ts";

interface Parser {
  parse(text: string, options: object): unknown;
}

/** What Peggy's own parser throws, what ours does, and what a hook does. */
interface PlainError {
  readonly expected?: readonly (string | Expectation)[];
  readonly location?: { readonly start: { readonly offset: number } };
  readonly offset?: number | undefined;
  readonly init?: object;
}

interface Expectation {
  readonly type: string;
  readonly description?: string;
  readonly text?: string;
}

/** Ours has the names that people see, and no more. */
function displayName(expected: string | Expectation): string {
  if (typeof expected === "string") return expected;
  const { type, description, text } = expected;
  return description ?? (text ? `"${text}"` : type === "end" ? "end of input" : type);
}

const root = fileURLToPath(new URL("../../", import.meta.url));
const folder = mkdtempSync(join(tmpdir(), "walwire-peggy-"));
afterAll(() => rmSync(folder, { recursive: true }));

async function unchanged(grammar: string): Promise<Parser> {
  const { inputs, rules, returnTypes } = grammars.find(({ name }) => name === grammar)!;
  const sources = inputs.map((source) => ({ source, text: readFileSync(join(root, "grammars", source), "utf8") }));
  if (rules !== undefined) sources.push({ source: "rules", text: rules });
  const text = peggy.generate(sources, {
    output: "source",
    format: "es",
    allowedStartRules: Object.keys(returnTypes),
    grammarSource: undefined,
  });
  const file = join(folder, `${grammar}.js`);
  writeFileSync(
    file,
    text.replace(/(from ")\.\.\/(.*\.ts")/g, (_, from, path) => `${from}${join(root, "src", path)}`),
  );
  return import(/* @vite-ignore */ pathToFileURL(file).href);
}

/**
 * Everything that a parser does with a text: its value or error, and what it calls on the way. What was expected is compared
 * where people read it, which is where all of it has names: not in the rules that look at one token.
 */
function outcome({ parse }: Parser, text: string, startRule: string, options: object): unknown {
  const said: unknown[] = [];
  const refuse = (init: object): never => {
    throw Object.assign(new Error("refused"), { init });
  };
  const scan = { truncated: (...args: unknown[]) => said.push(args), refuse };
  try {
    return [said, parse(text, { startRule, refuse, scan, ...options })];
  } catch (error) {
    // Of the place ours has the offset alone.
    const { init, expected = [], offset = (error as PlainError).location?.start.offset } = error as PlainError;
    if (init === undefined && offset === undefined) throw error;
    return [said, init, /token/.test(startRule) || [...new Set(expected.map(displayName))], offset];
  }
}

const plainReplication = await unchanged("replication");
const plainSyncrep = await unchanged("syncrep");

describe.each(versionsWith("replicationSlots"))("%s", (server) => {
  law(
    "both parsers of commands say the same",
    fc.property(
      commandText({ server }),
      fc.constantFrom("exec_replication_command", "tokens", "offending_token"),
      (text, rule) => {
        const has = commandCapabilities.of(server);
        expect(outcome(replication, text, rule, { has })).toEqual(outcome(plainReplication, text, rule, { has }));
      },
    ),
    300,
  );
});

describe.each(["9.5", "9.6", "10"])("%s", (server) => {
  law(
    "both parsers of synchronous_standby_names say the same",
    fc.property(
      synchronousStandbyNamesText({ server }),
      fc.constantFrom("result", "standby_name", "identifier_item"),
      (text, rule) => {
        const has = syncrepCapabilities.of(server);
        expect(outcome(syncrep, text, rule, { has })).toEqual(outcome(plainSyncrep, text, rule, { has }));
      },
    ),
    1000,
  );
});

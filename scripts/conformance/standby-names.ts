/** Values of synchronous_standby_names: what each version accepts. */
import { ParseError } from "../../src/kernel/errors.ts";
import { parseSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { standbyNamesVerdicts } from "../../test/oracle/standby-names.ts";
import { standbyNamesTexts } from "../../test/oracle/texts.ts";
import { type Kind, sortOfWords, type Words, words } from "./kind.ts";

interface StandbyNamesInput {
  readonly value: string;
}

export type StandbyNamesSaid = { readonly verdict: "accepted" } | ({ readonly verdict: "rejected" } & Words);

const chosen = [
  ...["", "*", "a", "a, b", "1 (a)", "2 (a, b)", "FIRST 1 (a)", "ANY 1 (a, b)", "any 2 (*)", "first (a)", "0 (a)"],
  ...[
    "ANY 0 (a)",
    "-1 (a)",
    "4294967296 (a)",
    '"a""b"',
    '"',
    "1 a",
    "a b",
    "a,",
    "FIRST a",
    '"FIRST"',
    "first",
    "1",
    "01 (a)",
  ],
  ...["é", '"é"', `"${"x".repeat(70)}"`, "a-b", "a\nb", "1\n(a)", "\v*", "\f*", "( a )", "2147483648 (a)", "1.5 (a)"],
];

export const standbyNames: Kind<StandbyNamesInput, StandbyNamesSaid> = {
  name: "standby-names",
  ofEachSort: 6,

  inputs({ servers, seed, times }) {
    const values = servers.flatMap((server) => [...standbyNamesTexts(server, seed, Math.ceil(600 * times))].flat());
    return [...new Set([...chosen, ...values])].map((value) => ({ value }));
  },

  async ask(server, inputs) {
    const verdicts = await standbyNamesVerdicts(
      server,
      inputs.map(({ value }) => value),
    );
    return verdicts.map((each) => (each.ok ? { verdict: "accepted" } : { verdict: "rejected", ...words(each) }));
  },

  ours({ value }, { versionNum: server }) {
    try {
      const config = parseSynchronousStandbyNames(value, { server });
      return { said: { verdict: "accepted" }, walwire: { config: config ?? null } };
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      return { said: { verdict: "rejected", ...words(error) } };
    }
  },

  sort({ value }, said, walwire) {
    if (chosen.includes(value)) return undefined;
    if (said.verdict === "rejected") return sortOfWords(said);
    const { config } = walwire as { config: { syncrepMethod: string; memberNames: readonly string[] } | null };
    const forms = value
      .replace(/"(?:[^"]|"")*"/g, '"')
      .replace(/[A-Za-z\u0080-\uffff]+/g, "a")
      .replace(/\d+/g, "0");
    return JSON.stringify([config?.syncrepMethod, config?.memberNames.length, [...new Set(forms)].sort().join("")]);
  },
};

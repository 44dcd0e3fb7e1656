/** Options of commands: what each version rejects of a command that its grammar takes. */
import fc from "fast-check";
import { checkedCommand } from "../../src/arbitraries/checked-command.ts";
import { checkCommand, parseCommand } from "../../src/command/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { outcomes, prepare } from "../../test/oracle/checks.ts";
import type { CommandInput } from "./commands.ts";
import { type Kind, sortOfWords, type Words, words } from "./kind.ts";

type CheckSaid = { readonly verdict: "accepted" } | ({ readonly verdict: "rejected" } & Words);

export const checks: Kind<CommandInput, CheckSaid> = {
  name: "command-options",
  ofEachSort: 1,

  inputs({ servers, seed, times }) {
    const texts = servers.flatMap((server) =>
      fc.sample(checkedCommand(server), { seed: seed + server, numRuns: Math.ceil(1200 * times) }),
    );
    return [...new Set(texts)].flatMap((text) => [
      { text, connection: "database" as const },
      // Nearly all is rejected here for want of a database, but backups.
      ...(text.startsWith("BASE_BACKUP") ? [] : [{ text, connection: "physical" as const }]),
    ]);
  },

  async ask(server, inputs) {
    await prepare(server);
    const said: (CheckSaid | undefined)[] = new Array(inputs.length);
    for (const kind of ["database", "physical"] as const) {
      const asked = [...inputs.keys()].filter(
        (i) => inputs[i]!.connection === kind && parses(inputs[i]!.text, server.versionNum),
      );
      const complaints = await outcomes(
        server,
        asked.map((i) => inputs[i]!.text),
        kind === "database",
      );
      for (const [nth, i] of asked.entries()) {
        const complaint = complaints[nth];
        said[i] = complaint === undefined ? { verdict: "accepted" } : { verdict: "rejected", ...words(complaint) };
      }
    }
    return said;
  },

  ours({ text, connection }, { versionNum: server, build }) {
    const database = connection === "database";
    try {
      checkCommand(parseCommand(text, { server, database }), { server, database, build });
      return { said: { verdict: "accepted" } };
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      return { said: { verdict: "rejected", ...words(error) } };
    }
  },

  sort({ text }, said) {
    const command = /^\w*/.exec(text)![0];
    // Of what is accepted, by the names of the options.
    if (said.verdict === "rejected") return `${command} ${sortOfWords(said)}`;
    return [command, ...new Set(text.match(/\b[a-z_]{4,}\b/gi)?.map((word) => word.toLowerCase()))].sort().join(" ");
  },
};

function parses(text: string, server: number): boolean {
  try {
    return parseCommand(text, { server }).type !== "SQLCmd";
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return false;
  }
}

/**
 * `npm run oracle:commands -- [--runs N] [--server V]… [--seed S] [--socket DIR]…`: the package's parser of replication commands, the
 * second reader and live servers read N texts for each server, and must say the same of each.
 *
 * --server: majors of the servers that npm has installed; without it and --socket all of them. --socket: a server of any version
 * that runs already, by the directory of its socket (of port 5432, user and database postgres). Servers before 10 must have been
 * made harmless: commands.ts says how.
 *
 * Progress goes to standard error, a table for each server to standard output. Exit status 1 if there is a disagreement, 2 for a
 * call that is wrong.
 */
import { compareReaders } from "./readers.ts";
import { generic, runOracle } from "./run.ts";
import { commandTexts } from "./texts.ts";

runOracle({
  texts: commandTexts,
  compare: async (server, texts) =>
    (await compareReaders(server, texts)).map(({ verdict, disagreement }) => {
      const outcome = verdict.outcome === "error" ? `${verdict.sqlstate} ${generic(verdict.message)}` : verdict.outcome;
      return { kinds: verdict.notices?.length ? [outcome, "(with NOTICE)"] : [outcome], disagreement };
    }),
});

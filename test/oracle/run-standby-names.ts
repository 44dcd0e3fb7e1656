/**
 * `npm run oracle:standby-names -- [--runs N] [--server V]… [--seed S] [--socket DIR]…`: the package's parser of
 * synchronous_standby_names, the second reader and live servers read N values for each server, and must say the same of each.
 *
 * --server: majors of the servers that npm has installed; without it and --socket all of them. --socket: a server of any version from
 * 9.4 on that runs already on this machine, by the directory of its socket (of port 5432, user and database postgres). Its
 * postgresql.auto.conf is written to, and the setting there reset at the end: nobody may reload its configuration meanwhile.
 *
 * Progress goes to standard error, a table for each server to standard output. Exit status 1 if there is a disagreement, 2 for a
 * call that is wrong.
 */
import { generic, runOracle } from "./run.ts";
import { compareStandbyNames } from "./standby-names-readers.ts";
import { standbyNamesTexts } from "./texts.ts";

runOracle({
  texts: standbyNamesTexts,
  compare: async (server, texts) =>
    (await compareStandbyNames(server, texts)).map(({ text, verdict, disagreement }) => {
      const outcome = verdict.ok
        ? "accepted"
        : `${verdict.sqlstate} ${verdict.detail === undefined ? verdict.message.replace(/-?\d+/, "…") : generic(verdict.detail)}`;
      return { kinds: text.includes("\n") ? [outcome, "(with a newline)"] : [outcome], disagreement };
    }),
});

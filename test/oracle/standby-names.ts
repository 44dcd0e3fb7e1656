/**
 * An oracle of synchronous_standby_names: ALTER SYSTEM calls the setting's check hook (syncrep.c, check_synchronous_standby_names)
 * and reports its error. What passes is written to postgresql.auto.conf and has no effect until someone reloads the
 * configuration; it is reset at the end. So do not reload a server meanwhile: its commits might wait for standbys for ever.
 *
 * ALTER SYSTEM takes no newline. Values with one go to a postgres of the same installation, which is to print what the setting
 * would be, and does nothing else (`postgres -C`).
 */
import { spawnSync } from "node:child_process";
import { readlinkSync } from "node:fs";
import { checked, errorFields, type Server } from "../servers/index.ts";
import { serverUser } from "../servers/locate.ts";
import { pipeline, queryBody } from "./pipeline.ts";

export type StandbyNamesVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly sqlstate: string; readonly message: string; readonly detail: string | undefined };

/**
 * Asks a server about many values (1,000 to 5,000 a second that it accepts, 50,000 and more that it does not; of those with a
 * newline 100).
 *
 * @returns a verdict for each, in order.
 * @throws Error for what no value can be (a NUL, a lone surrogate), before any is sent.
 */
export async function standbyNamesVerdicts(server: Server, values: readonly string[]): Promise<StandbyNamesVerdict[]> {
  const verdicts: StandbyNamesVerdict[] = [];
  const bodies = values.map((value) =>
    queryBody(`ALTER SYSTEM SET synchronous_standby_names = '${value.replaceAll("'", "''")}'`),
  );
  const at = values.flatMap((value, i) => (value.includes("\n") ? [] : [i]));
  // Off, backslashes would be escapes and the quoting above wrong.
  const connection = await server.connect({ options: "-c standard_conforming_strings=on" });
  try {
    const ofOneLine = at.map((i) => bodies[i]!);
    await pipeline(connection, ofOneLine, (answer, i) => {
      const error = answer.find(({ type }) => type === "E");
      if (error === undefined) verdicts[at[i]!] = { ok: true };
      else {
        const { C: sqlstate, M: message, D: detail } = errorFields(error.body) as { C: string; M: string; D?: string };
        verdicts[at[i]!] = { ok: false, sqlstate, message, detail };
      }
    });
  } finally {
    checked(await connection.query("ALTER SYSTEM SET synchronous_standby_names TO DEFAULT"));
    await connection.close();
  }
  if (at.length < values.length) {
    const judge = await postgresOf(server);
    for (const [i, value] of values.entries()) if (value.includes("\n")) verdicts[i] = judge(value);
  }
  return verdicts;
}

/** The postgres that a server on this machine runs, as a judge of one value. */
async function postgresOf(server: Server): Promise<(value: string) => StandbyNamesVerdict> {
  const setting = async (sql: string) => (await server.sql(sql)).rows[0]![0]!;
  const data = await setting("SHOW data_directory");
  const postgres =
    server.versionNum >= 90600
      ? `${await setting("SELECT setting FROM pg_config WHERE name = 'BINDIR'")}/postgres`
      : readlinkSync(`/proc/${(await setting("SELECT pg_read_file('postmaster.pid')")).split("\n")[0]}/exe`);
  // The message on one line each, and with it the SQLSTATE.
  const log = ["log_line_prefix=", "log_error_verbosity=verbose", "log_destination=stderr", "logging_collector=off"];
  const options = log.flatMap((each) => ["-c", each]);
  return (value) => {
    const args = [
      "-D",
      data,
      ...options,
      "-c",
      `synchronous_standby_names=${value}`,
      "-C",
      "synchronous_standby_names",
    ];
    const { status, stdout, stderr } = spawnSync(postgres, args, {
      ...serverUser(),
      cwd: "/",
      env: { LC_ALL: "C" },
      encoding: "utf8",
    });
    if (status === 0 && stdout === `${value}\n`) return { ok: true };
    // Lines after the first of a message begin with a tab.
    const said = stderr.replaceAll("\n\t", "\n");
    const match = /^FATAL: {2}(\w{5}): (.*?)\n(?:DETAIL: {2}(.*?)\n)?LOCATION: {2}/s.exec(said);
    if (match === null) throw new Error(`postgres -C said ${JSON.stringify(stdout)} and ${JSON.stringify(stderr)}.`);
    return { ok: false, sqlstate: match[1]!, message: match[2]!, detail: match[3] };
  };
}

/**
 * An oracle of synchronous_standby_names: ALTER SYSTEM calls the setting's check hook (syncrep.c, check_synchronous_standby_names)
 * and reports its error. What passes is written to postgresql.auto.conf and has no effect until someone reloads the
 * configuration; it is reset at the end. So do not reload a server meanwhile: its commits might wait for standbys for ever.
 */
import { checked, errorFields, type Server } from "../servers/index.ts";
import { pipeline, queryBody } from "./pipeline.ts";

export type StandbyNamesVerdict =
  | { readonly ok: true }
  | { readonly ok: false; readonly sqlstate: string; readonly message: string; readonly detail: string | undefined };

/**
 * Asks a server about many values (1,000 to 5,000 a second that it accepts, 50,000 and more that it does not).
 *
 * @returns a verdict for each, in order.
 * @throws Error for a value that ALTER SYSTEM cannot be asked about (a newline, a NUL, a lone surrogate), before any is sent.
 */
export async function standbyNamesVerdicts(server: Server, values: readonly string[]): Promise<StandbyNamesVerdict[]> {
  const queries = values.map((value) => {
    if (value.includes("\n")) throw new Error(`ALTER SYSTEM takes no newline: ${JSON.stringify(value)}.`);
    return queryBody(`ALTER SYSTEM SET synchronous_standby_names = '${value.replaceAll("'", "''")}'`);
  });
  const verdicts: StandbyNamesVerdict[] = [];
  // Off, backslashes would be escapes and the quoting above wrong.
  const connection = await server.connect({ options: "-c standard_conforming_strings=on" });
  try {
    await pipeline(connection, queries, (answer) => {
      const error = answer.find(({ type }) => type === "E");
      if (error === undefined) verdicts.push({ ok: true });
      else {
        const { C: sqlstate, M: message, D: detail } = errorFields(error.body) as { C: string; M: string; D?: string };
        verdicts.push({ ok: false, sqlstate, message, detail });
      }
    });
    return verdicts;
  } finally {
    checked(await connection.query("ALTER SYSTEM RESET synchronous_standby_names"));
    await connection.close();
  }
}

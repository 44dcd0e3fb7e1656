/** Whether the role may open replication connections, and what of pg_hba.conf can be seen. */
import { ServerError } from "../../kernel/errors.ts";
import { quoteIdentifier } from "../../text/identifier.ts";
import { type DoctorFix, type Examination, run } from "./examination.ts";

/** Opens a replication connection and closes it. @throws what `connect` throws */
export type Probe = (replication: "database" | "true") => Promise<void>;

export async function checkRole(examination: Examination, probe: Probe | undefined): Promise<string | undefined> {
  const { role, roleName, database } = examination.facts;
  const [row] = await examination.query(
    "SELECT rolreplication::text AS rolreplication, rolsuper::text AS rolsuper FROM pg_roles WHERE rolname = current_user",
  );
  // The rows of pg_roles say it without a probe, too.
  const mayReplicate = row?.rolreplication === "true" || row?.rolsuper === "true";
  if (!mayReplicate) {
    const message = `the role ${role} may not open replication connections`;
    examination.find("REPLICATION_REFUSED", role, message, { ...row }, run(`ALTER ROLE ${roleName} REPLICATION`));
    return undefined;
  }
  if (probe === undefined) return `the role ${role} has opened a replication connection`;
  const refusal = await refusalOf(probe, "database");
  if (refusal !== undefined) {
    const { message, sqlstate } = refusal;
    // That none is left is a finding of the settings.
    if (sqlstate === "53300") return undefined;
    const fix = sqlstate === "28000" ? await hbaLine(examination, hbaName(database)) : undefined;
    examination.find(
      "REPLICATION_REFUSED",
      role,
      `a replication connection is rejected: ${message}`,
      { sqlstate },
      fix,
    );
    return undefined;
  }
  const physical = await refusalOf(probe, "true");
  if (physical?.sqlstate === "28000") {
    const message = `a physical replication connection is rejected: ${physical.message}`;
    const fix = await hbaLine(examination, "replication");
    examination.find("PHYSICAL_REFUSED", role, message, { sqlstate: physical.sqlstate }, fix);
  }
  return `the role ${role} may open replication connections`;
}

async function refusalOf(probe: Probe, replication: "database" | "true"): Promise<ServerError | undefined> {
  try {
    await probe(replication);
    return undefined;
  } catch (error) {
    if (error instanceof ServerError) return error;
    throw error;
  }
}

/** A name in pg_hba.conf: in quotes it is no keyword. */
function hbaName(name: string): string {
  const isPlain =
    /^[A-Za-z0-9_]+$/.test(name) && !["all", "sameuser", "samerole", "samegroup", "replication"].includes(name);
  return isPlain ? name : quoteIdentifier(name);
}

/** The line that pg_hba.conf needs for this connection. */
async function hbaLine({ query, facts }: Examination, database: string): Promise<DoctorFix> {
  const [row] = await query(`SELECT host(inet_client_addr()) AS address, family(inet_client_addr())::text AS family,
    COALESCE((SELECT setting FROM pg_settings WHERE name = 'password_encryption'), 'md5') AS method`);
  const method = row!.method === "scram-sha-256" ? "scram-sha-256" : "md5";
  const from = row!.address === null ? "" : ` ${row!.address}/${row!.family === "6" ? 128 : 32}`;
  const line = `${row!.address === null ? "local" : "host"} ${database} ${hbaName(facts.role)}${from} ${method}`;
  return { sql: ["SELECT pg_reload_conf()"], restart: false, hba: [line] };
}

export async function checkHba(examination: Examination): Promise<string | undefined> {
  const [allowed] = await examination.query(`SELECT (has_table_privilege('pg_catalog.pg_hba_file_rules', 'SELECT')
    AND has_function_privilege('pg_catalog.pg_hba_file_rules()', 'EXECUTE'))::text AS yes`);
  if (allowed?.yes !== "true") {
    examination.cannotSee("role", "pg_hba.conf is not checked for errors: only a superuser may read pg_hba_file_rules");
    return undefined;
  }
  const rows = await examination.query(
    "SELECT line_number::text AS line_number, error FROM pg_hba_file_rules WHERE error IS NOT NULL",
  );
  for (const { line_number: line, error } of rows) {
    examination.find("HBA_ERROR", `line ${line}`, `line ${line} of pg_hba.conf: ${error}`, {
      line_number: line!,
      error: error!,
    });
  }
  return "pg_hba.conf has no errors";
}

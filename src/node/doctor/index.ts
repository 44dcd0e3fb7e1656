/**
 * walwire/doctor: `diagnose`: is a server ready for replication, what is wrong, and what to run (Node, needs `pg`).
 *
 * It reads views and settings, in read-only transactions, and changes nothing.
 */

import { refuseArgument } from "../../kernel/errors.ts";
import { checkOptions, checkWhole, isArrayOf } from "../../kernel/options.ts";
import { requireCapability } from "../../kernel/version.ts";
import { type AbortSignalLike, checkSignal } from "../abort-signal.ts";
import { type ConnectOptions, connect, ReplicationConnection } from "../client.ts";
import type { Row } from "../standbys.ts";
import { checkArchiver, checkSubscriptions, checkTransactions } from "./activity.ts";
import { doctorCapabilities } from "./capabilities.ts";
import {
  type DoctorFinding,
  type DoctorGood,
  type DoctorUnseen,
  Examination,
  type Facts,
  literal,
  type Setting,
  settingNames,
} from "./examination.ts";
import { checkPublications } from "./publications.ts";
import { checkHba, checkRole, type Probe } from "./role.ts";
import { checkLimits, checkSafety, checkTimeout, checkWalLevel } from "./settings.ts";
import { checkFailover, checkPlugins, checkSlots, checkSpills, checkSynchronized } from "./slots.ts";
import { checkReceivers, checkStandby, checkSynchronous } from "./standbys.ts";

export { type DoctorArea, type DoctorCode, type DoctorCodeEntry, type DoctorSeverity, doctorCodes } from "./codes.ts";
export type { DoctorFinding, DoctorFix, DoctorGood, DoctorUnseen } from "./examination.ts";

/** Options of a diagnosis. */
export interface DiagnoseOptions {
  /** The publications to check, which must exist. By default all of the database. */
  readonly publications?: readonly string[] | undefined;
  /** Slots that must exist. All are checked. */
  readonly slots?: readonly string[] | undefined;
  /** Seconds after which a transaction, or an inactive slot, is old. The default is 3600. */
  readonly oldAfter?: number | undefined;
  /** Ends the diagnosis; the promise rejects with its reason. */
  readonly signal?: AbortSignalLike | undefined;
}

/** The state of a server for replication. */
export interface Diagnosis {
  /** The `server_version_num`. */
  readonly server: number;
  /** The server is a standby. */
  readonly inRecovery: boolean;
  /** The database. */
  readonly database: string;
  /** The role that looked. */
  readonly role: string;
  /** What is wrong, in the order of the areas. */
  readonly findings: readonly DoctorFinding[];
  /** What is right. */
  readonly good: readonly DoctorGood[];
  /** What could not be looked at. */
  readonly unseen: readonly DoctorUnseen[];
}

/**
 * Say whether a server is ready for replication, and what is wrong.
 *
 * @param source How to connect: the diagnosis opens ordinary and replication connections and closes them. Or an open connection to a
 *   database that runs nothing else now; it stays open.
 * @throws ServerError if the role cannot log in at all; ConnectionError if there is no connection.
 * @throws UnsupportedError for a server before 10, or one that walwire does not know.
 * @throws ArgumentError for an invalid option; StateError for a connection that is in use.
 */
export async function diagnose(
  source: Omit<ConnectOptions, "replication"> | ReplicationConnection,
  options: DiagnoseOptions = {},
): Promise<Diagnosis> {
  const { publications = [], slots = [], oldAfter = 3600, signal } = checked(options);
  if (typeof source !== "object" || source === null) refuseArgument("source", "options or a connection", source);
  if (source instanceof ReplicationConnection) return examine(source, undefined);
  const connection = await connect({ ...source, signal: signal ?? source.signal, replication: "false" });
  try {
    return await examine(connection, async (replication) => {
      await (await connect({ ...source, signal: signal ?? source.signal, replication })).disconnect();
    });
  } finally {
    await connection.disconnect();
  }

  async function examine(connection: ReplicationConnection, probe: Probe | undefined): Promise<Diagnosis> {
    const server = connection.serverVersion;
    requireCapability(doctorCapabilities, server, "publications", "The diagnosis of a server");
    const query = (sql: string) => rowsOf(connection, sql, signal);
    const facts = await factsOf(query, { server, publications, slots, oldAfter });
    const examination = new Examination(facts, query);
    await examination.check("role", (all) => checkRole(all, probe));
    await examination.check("role", checkHba);
    for (const each of [checkWalLevel, checkLimits, checkTimeout, checkSafety])
      await examination.check("settings", each);
    await examination.check("publications", checkPublications);
    for (const each of [checkSlots, checkFailover, checkSynchronized, checkSpills, checkPlugins])
      await examination.check("slots", each);
    await examination.check("transactions", checkTransactions);
    for (const each of [checkSynchronous, checkReceivers]) await examination.check("standbys", each);
    await examination.check("standby", checkStandby);
    await examination.check("archiver", checkArchiver);
    await examination.check("subscriptions", checkSubscriptions);
    const { findings, good, unseen } = examination;
    return { server, inRecovery: facts.inRecovery, database: facts.database, role: facts.role, findings, good, unseen };
  }
}

function checked(options: DiagnoseOptions): DiagnoseOptions {
  checkOptions(options, ["publications", "slots", "oldAfter", "signal"]);
  for (const name of ["publications", "slots"] as const) {
    const { [name]: names = [] } = options;
    if (!isArrayOf(names, (each) => typeof each === "string"))
      refuseArgument(`options.${name}`, "an array of names", names);
  }
  if (options.oldAfter !== undefined) checkWhole("options.oldAfter", options.oldAfter, 0, 2 ** 31 - 1);
  checkSignal(options.signal);
  return options;
}

/** A statement of ours in a transaction of its own, in which no other schema can come before pg_catalog. */
async function rowsOf(
  connection: ReplicationConnection,
  sql: string,
  signal: AbortSignalLike | undefined,
): Promise<readonly Row[]> {
  const text = `BEGIN READ ONLY; SET LOCAL search_path = pg_catalog; SET LOCAL statement_timeout = '30s'; ${sql}; ROLLBACK`;
  try {
    const { columns, rows } = await connection.query(text, { signal });
    return rows.map((row) => Object.fromEntries(row.map((value, i) => [columns[i]!, value])));
  } catch (error) {
    if (connection.state === "idle") await connection.query("ROLLBACK", { signal });
    throw error;
  }
}

async function factsOf(
  query: (sql: string) => Promise<readonly Row[]>,
  given: Pick<Facts, "server" | "publications" | "slots" | "oldAfter">,
): Promise<Facts> {
  const [row] =
    await query(`SELECT current_user AS role, quote_ident(current_user) AS role_name, current_database() AS database,
    quote_ident(current_database()) AS database_name, pg_is_in_recovery()::text AS in_recovery,
    (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)::text AS superuser,
    pg_has_role('pg_read_all_stats', 'USAGE')::text AS sees_all`);
  const settings = await query(
    `SELECT name, setting, unit, current_setting(name, true) AS shown, source, context FROM pg_settings
      WHERE name IN (${settingNames.map(literal).join(", ")})`,
  );
  return {
    ...given,
    role: row!.role!,
    roleName: row!.role_name!,
    database: row!.database!,
    databaseName: row!.database_name!,
    isSuperuser: row!.superuser === "true",
    seesAll: row!.sees_all === "true",
    inRecovery: row!.in_recovery === "true",
    settings: new Map(settings.map((each) => [each.name!, each as unknown as Setting])),
  };
}

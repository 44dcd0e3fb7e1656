/** A running primary: its version, its setting, its standbys. Nothing is changed there. */
import { parseLsn } from "../../../kernel/lsn.ts";
import { serverVersionNum } from "../../../kernel/version.ts";
import { parseSynchronousCommit, type SynchronousCommit } from "../../../syncrep/questions.ts";
import { sqlCapabilities } from "../../capabilities.ts";
import { loadPg } from "../../pg.ts";
import { type Standbys, standbysOf } from "./standbys.ts";

export interface Primary {
  readonly server: number;
  /** The value that it runs with. */
  readonly setting: string;
  /** What a session of this role waits for, unless it sets it. */
  readonly synchronousCommit: SynchronousCommit;
  readonly clusterName: string | undefined;
  /** undefined if the role may not see them. */
  readonly standbys: Standbys | undefined;
}

/**
 * @throws DatabaseError if the server refuses; errors of the socket as Node names them; PeerMissingError without pg; InputError
 *   for rows that no server has.
 */
export async function readPrimary(url: string): Promise<Primary> {
  const { Client } = await loadPg();
  const client = new Client({
    connectionString: url,
    connectionTimeoutMillis: 10_000,
    query_timeout: 10_000,
    fallback_application_name: "walwire sync",
  });
  // That the connection ends is said by whatever waits for it.
  client.on("error", () => {});
  await client.connect();
  try {
    const one = async (sql: string) => (await client.query(sql)).rows;
    const [row] = await one(`SELECT current_setting('server_version_num') AS server,
      current_setting('synchronous_standby_names') AS setting,
      current_setting('synchronous_commit') AS commit,
      (SELECT setting FROM pg_settings WHERE name = 'cluster_name') AS cluster, pg_is_in_recovery() AS cascading`);
    const server = serverVersionNum(Number(row.server));
    const [wal, lsn] = sqlCapabilities.supports(server, "walFunctionNames") ? ["wal", "lsn"] : ["xlog", "location"];
    const end = row.cascading ? `pg_last_${wal}_receive_${lsn}()` : `pg_current_${wal}_${lsn}()`;
    const [position] = await one(`SELECT ${end}::text AS position`);
    // In the order of the walsenders, which pg_stat_replication need not have.
    const rows = await one(`SELECT a.application_name, w.*
      FROM pg_stat_get_wal_senders() WITH ORDINALITY AS w JOIN pg_stat_activity AS a USING (pid) ORDER BY w.ordinality`);
    const seen = rows.every(({ state }) => state !== null);
    const standbys = seen ? standbysOf(rows, "pg_stat_replication") : undefined;
    const known = position.position === null ? standbys?.position : parseLsn(position.position);
    return {
      server,
      setting: row.setting,
      synchronousCommit: parseSynchronousCommit(row.commit, { server }),
      clusterName: row.cluster || undefined,
      standbys: standbys && { rows: standbys.rows, position: known, cascading: row.cascading },
    };
  } finally {
    await client.end().catch(() => {});
  }
}

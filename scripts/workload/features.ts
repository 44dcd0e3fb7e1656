/**
 * The SQL features of a server, by its own catalogs: each feature is detected by a catalog column that was added with it.
 *
 * The capabilities of replication are in src/capabilities.ts; these features are for the workload only.
 */
import type { Server } from "../../test/servers/index.ts";

const columns = {
  publishTruncate: "pg_publication.pubtruncate",
  /** Rows that move to another partition; domains of composites: both came with that column. */
  movesBetweenPartitions: "pg_partitioned_table.partdefid",
  generatedColumns: "pg_attribute.attgenerated",
  publishViaPartitionRoot: "pg_publication.pubviaroot",
  /** And with them, infinite numerics. */
  multiranges: "pg_range.rngmultitypid",
  columnLists: "pg_publication_rel.prattrs",
  rowFilters: "pg_publication_rel.prqual",
  tablesInSchema: "pg_publication_namespace.pnnspid",
  publishGeneratedColumns: "pg_publication.pubgencols",
} as const;

export type Feature = keyof typeof columns;

/** The features of this server. */
export async function featuresOf(server: Server): Promise<ReadonlySet<Feature>> {
  const { rows } = await server.sql(
    `SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'pg_catalog'::regnamespace`,
  );
  const known = new Set(rows.map(([name]) => name));
  return new Set((Object.keys(columns) as Feature[]).filter((name) => known.has(columns[name])));
}

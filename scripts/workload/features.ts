/**
 * What a server's SQL has, as its own catalogs say: a feature is known by a column of the catalogs that came with it.
 *
 * What its replication can do is in src/capabilities.ts, for everybody; that much of SQL is of interest to the workload only.
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

/** What this server has. */
export async function featuresOf(server: Server): Promise<ReadonlySet<Feature>> {
  const { rows } = await server.sql(
    `SELECT relname || '.' || attname FROM pg_attribute JOIN pg_class ON pg_class.oid = attrelid
     WHERE relnamespace = 'pg_catalog'::regnamespace`,
  );
  const known = new Set(rows.map(([name]) => name));
  return new Set((Object.keys(columns) as Feature[]).filter((name) => known.has(columns[name])));
}

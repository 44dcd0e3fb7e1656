/**
 * The tables of publications: each as the stream describes it, and the COPY that reads what the stream sends of it.
 *
 * @source subscriptioncmds.c: fetch_table_list; tablesync.c: fetch_remote_table_info, copy_table; pgoutput.c: get_rel_sync_entry,
 *   maybe_send_schema; proto.c: logicalrep_write_rel, logicalrep_write_typ
 */
import type { Relation, RelationColumn, Type } from "../../generated/logical.ts";
import { ArgumentError, DecodeError } from "../../kernel/errors.ts";
import { listed, shown } from "../../kernel/words.ts";
import type { DescribedRelation } from "../../logical/described.ts";
import { quoteIdentifier } from "../../text/identifier.ts";
import { quoteLiteral } from "../../text/literal.ts";
import { copyCapabilities } from "../capabilities.ts";
import type { ReplicationConnection, WaitOptions } from "../client.ts";

/** A table of publications: a regular table, or a partitioned one that is published as a whole. */
export interface PublishedTable {
  /** As a Relation message describes it. */
  readonly relation: DescribedRelation;
  readonly partitioned: boolean;
  /** Whether some of the published columns are generated. */
  readonly generated: boolean;
  /** Conditions in SQL: rows that fulfil one of them are published; all rows if there are none. */
  readonly filters: readonly string[];
  /** Positions of the columns whose types have no binary format: they are text in a binary stream. */
  readonly textOnly: readonly number[];
  /** Bytes on disk. */
  readonly size: number;
}

/** A table in one publication. */
interface Listing {
  /** Published columns by number, as text; undefined for all that are not generated. */
  readonly columns: string | undefined;
  readonly filter: string | undefined;
}

const identities = { d: "default", n: "nothing", f: "full", i: "index" } as const;

/** Types with lower oids are not announced by a Type message. @source transam.h: FirstGenbkiObjectId */
const FIRST_GENBKI_OBJECT_ID = 10000;

/**
 * List the tables of publications, the largest first.
 *
 * A partition is not among them if an ancestor of it is: its rows are rows of that table.
 *
 * @param connection Its snapshot determines what is seen of the catalogs, but functions of the server see the present.
 * @throws ArgumentError if a publication does not exist, or if a table has different column lists; ServerError; DecodeError for rows that
 *   the queries cannot return.
 */
export async function publishedTables(
  connection: ReplicationConnection,
  publications: readonly string[],
  options: WaitOptions,
): Promise<readonly PublishedTable[]> {
  const rows = async (text: string): Promise<CatalogRows> =>
    new CatalogRows((await connection.query(text, options)).rows);
  const has = copyCapabilities.of(connection.serverVersion);
  checkPublications(publications, await rows(publicationsQuery(publications)));
  const listings = listingsOf(await rows(listingsQuery(publications, has.columnListsAndRowFilters)));
  if (has.partitionRoots) {
    const ancestors = await rows(ancestorsQuery(listings.keys()));
    for (const i of ancestors.indexes()) {
      const [partition, ancestor] = [ancestors.number(i, 0), ancestors.number(i, 1)];
      if (listings.has(ancestor)) listings.delete(partition);
    }
  }
  if (listings.size === 0) return [];
  const columns = await rows(columnsQuery(listings.keys(), has));
  const typeIds = new Set<number>();
  for (const i of columns.indexes()) {
    const typeId = columns.optional(i, COLUMN.typeId);
    if (typeId !== undefined && Number(typeId) >= FIRST_GENBKI_OBJECT_ID) typeIds.add(columns.number(i, COLUMN.typeId));
  }
  const types = typeIds.size === 0 ? new Map<number, Type>() : typesOf(await rows(typesQuery(typeIds)));
  return tablesOf(columns, listings, types).sort((a, b) => b.size - a.size);
}

function checkPublications(publications: readonly string[], rows: CatalogRows): void {
  const known = new Set(Array.from(rows.indexes(), (i) => rows.text(i, 0)));
  const missing = publications.filter((name) => !known.has(name)).map((name) => JSON.stringify(name));
  if (missing.length === 0) return;
  const what = missing.length === 1 ? "publication" : "publications";
  const verb = missing.length === 1 ? "does" : "do";
  throw new ArgumentError("options.publications", `${what} ${listed(missing, "and")} ${verb} not exist`);
}

/** The publications of each table. */
function listingsOf(rows: CatalogRows): Map<number, Listing[]> {
  const listings = new Map<number, Listing[]>();
  for (const i of rows.indexes()) {
    const relationId = rows.number(i, 0);
    const listing = { columns: rows.optional(i, 1), filter: rows.optional(i, 2) };
    const others = listings.get(relationId);
    if (others === undefined) listings.set(relationId, [listing]);
    else others.push(listing);
  }
  return listings;
}

function typesOf(rows: CatalogRows): Map<number, Type> {
  const types = new Map<number, Type>();
  for (const i of rows.indexes()) {
    const typeId = rows.number(i, 0);
    types.set(typeId, {
      type: "Type",
      xid: undefined,
      typeId,
      namespace: namespaceOf(rows.text(i, 1)),
      name: rows.text(i, 2),
    });
  }
  return types;
}

/** One table from the rows of its columns, which stand together. */
function tablesOf(
  rows: CatalogRows,
  listings: ReadonlyMap<number, readonly Listing[]>,
  types: ReadonlyMap<number, Type>,
): PublishedTable[] {
  const tables: PublishedTable[] = [];
  for (let i = 0; i < rows.length; ) {
    const relationId = rows.number(i, COLUMN.relationId);
    const start = i;
    while (i < rows.length && rows.number(i, COLUMN.relationId) === relationId) i++;
    tables.push(tableOf(rows, start, i, listings.get(relationId) ?? [], types));
  }
  return tables;
}

function tableOf(
  rows: CatalogRows,
  start: number,
  end: number,
  listings: readonly Listing[],
  types: ReadonlyMap<number, Type>,
): PublishedTable {
  const [namespace, name] = [rows.text(start, COLUMN.namespace), rows.text(start, COLUMN.name)];
  const identity = rows.text(start, COLUMN.replicaIdentity);
  if (!Object.hasOwn(identities, identity)) rows.refuse(start, COLUMN.replicaIdentity, "d, n, f or i");
  const replicaIdentity = identities[identity as keyof typeof identities];
  const columns: RelationColumn[] = [];
  const typesOfColumns: (Type | undefined)[] = [];
  const textOnly: number[] = [];
  let generated = false;
  const published = columnsOf(listings, rows, start, end, `"${namespace}.${name}"`);
  for (let i = start; i < end; i++) {
    const number = rows.optional(i, COLUMN.number);
    if (number === undefined || !published.has(number)) continue;
    const typeId = rows.number(i, COLUMN.typeId);
    columns.push({
      key: replicaIdentity === "full" || rows.flag(i, COLUMN.key),
      name: rows.text(i, COLUMN.columnName),
      typeId,
      typeModifier: rows.number(i, COLUMN.typeModifier),
    });
    typesOfColumns.push(types.get(typeId));
    generated ||= rows.flag(i, COLUMN.generated);
    if (!rows.flag(i, COLUMN.binary)) textOnly.push(columns.length - 1);
  }
  const relation: DescribedRelation = {
    type: "Relation",
    xid: undefined,
    relationId: rows.number(start, COLUMN.relationId),
    namespace: namespaceOf(namespace),
    name,
    replicaIdentity,
    columns,
    types: typesOfColumns,
  };
  const filters = new Set(listings.map(({ filter }) => filter));
  return {
    relation,
    partitioned: rows.text(start, COLUMN.kind) === "p",
    generated,
    // Rows are not filtered at all if one publication does not filter them.
    filters: filters.has(undefined) ? [] : ([...filters] as string[]),
    textOnly,
    size: rows.number(start, COLUMN.size),
  };
}

/** The numbers of the published columns, as text. */
function columnsOf(
  listings: readonly Listing[],
  rows: CatalogRows,
  start: number,
  end: number,
  table: string,
): ReadonlySet<string> {
  const all: string[] = [];
  for (let i = start; i < end; i++) {
    const number = rows.optional(i, COLUMN.number);
    if (number !== undefined && !rows.flag(i, COLUMN.generated)) all.push(number);
  }
  let published: string | undefined;
  for (const { columns = all.join(" ") } of listings) {
    const numbers = columns.split(" ").sort().join(" ");
    if (published !== undefined && published !== numbers) {
      // As the server says it, when it has a change to send.
      const message = `cannot use different column lists for table ${table} in different publications`;
      throw new ArgumentError("options.publications", message);
    }
    published = numbers;
  }
  return new Set(published?.split(" "));
}

/** pg_catalog is sent as an empty name. @source proto.c: logicalrep_write_namespace */
function namespaceOf(name: string): string {
  return name === "pg_catalog" ? "" : name;
}

/**
 * The COPY that reads the published rows and columns of a table. In binary format, columns of types without one are read as text.
 *
 * @source tablesync.c: copy_table
 */
export function copyQuery(table: PublishedTable, format: "text" | "binary"): string {
  const { relation, partitioned, generated, filters } = table;
  const names = relation.columns.map(({ name }) => quoteIdentifier(name));
  const textOnly = format === "text" ? [] : table.textOnly;
  let from: string;
  if (!partitioned && !generated && filters.length === 0 && textOnly.length === 0) {
    from = `${tableName(relation)}${names.length === 0 ? "" : ` (${names.join(", ")})`}`;
  } else {
    // A cast to text could be a function that returns something else than the output function does.
    for (const i of textOnly)
      names[i] = `CASE WHEN ${names[i]} IS NOT NULL THEN pg_catalog.format('%s', ${names[i]}) END`;
    const where = filters.length === 0 ? "" : ` WHERE ${filters.map((filter) => `(${filter})`).join(" OR ")}`;
    from = `(SELECT ${names.join(", ")} FROM ${fromItem(table)}${where})`;
  }
  return `COPY ${from} TO STDOUT${format === "binary" ? " WITH (FORMAT binary)" : ""}`;
}

const SAVEPOINT = "walwire_table";
/** SQL that ends the lock of `lockQuery`. */
export const RELEASE = `ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`;

/**
 * SQL that locks a table, and its partitions, until `RELEASE`, and tells whether its data is still that of the
 * transaction's snapshot: after TRUNCATE, and ALTER TABLE that rewrites it, older snapshots see no rows. "t" if it was replaced.
 *
 * LOCK TABLE would need a privilege on the whole table, where one on a column is enough to copy it.
 */
export function lockQuery(table: PublishedTable): string {
  const { relationId } = table.relation;
  const parts = table.partitioned
    ? `pg_catalog.pg_partition_tree(${relationId}) t JOIN pg_catalog.pg_class c ON c.oid = t.relid AND c.relkind = 'r'`
    : `pg_catalog.pg_class c WHERE c.oid = ${relationId}`;
  // The function sees the present, the query the snapshot.
  return `SAVEPOINT ${SAVEPOINT}; SELECT FROM ${fromItem(table)} LIMIT 0;
SELECT pg_catalog.bool_or(pg_catalog.pg_relation_filenode(c.oid) IS DISTINCT FROM c.relfilenode) FROM ${parts}`;
}

/** SQL that tells whether a table exists at present: "t" or "f". */
export function existsQuery({ relation }: PublishedTable): string {
  return `SELECT pg_catalog.pg_table_is_visible(${relation.relationId}) IS NOT NULL`;
}

/** Rows of child tables that inherit are not rows of the table: they are published with theirs. */
function fromItem({ relation, partitioned }: PublishedTable): string {
  return `${partitioned ? "" : "ONLY "}${tableName(relation)}`;
}

/** The name of a table in SQL, with its schema. */
export function tableName({ namespace, name }: Pick<Relation, "namespace" | "name">): string {
  return `${quoteIdentifier(namespace || "pg_catalog")}.${quoteIdentifier(name)}`;
}

export function publicationsQuery(publications: readonly string[]): string {
  return `SELECT p.pubname FROM pg_catalog.pg_publication p WHERE p.pubname IN (${publications.map(quoteLiteral).join(", ")})`;
}

export function listingsQuery(publications: readonly string[], withLists: boolean): string {
  const lists = withLists ? "t.attrs, pg_catalog.pg_get_expr(t.qual, t.relid)" : "NULL, NULL";
  return `SELECT t.relid, ${lists}
FROM pg_catalog.pg_publication p, LATERAL pg_catalog.pg_get_publication_tables(p.pubname::pg_catalog.text) t
WHERE p.pubname IN (${publications.map(quoteLiteral).join(", ")}) ORDER BY t.relid`;
}

export function ancestorsQuery(relationIds: Iterable<number>): string {
  return `SELECT c.oid, a.relid::pg_catalog.oid
FROM pg_catalog.pg_class c, LATERAL pg_catalog.pg_partition_ancestors(c.oid) a
WHERE c.relispartition AND c.oid <> a.relid AND c.oid IN (${oids(relationIds)})`;
}

/** What `columnsQuery` returns, by position. */
const COLUMN = {
  relationId: 0,
  namespace: 1,
  name: 2,
  replicaIdentity: 3,
  kind: 4,
  size: 5,
  // The rest is NULL for a table without columns.
  number: 6,
  columnName: 7,
  typeId: 8,
  typeModifier: 9,
  key: 10,
  generated: 11,
  binary: 12,
} as const;

/** One row for each column, and one for a table without columns. */
export function columnsQuery(
  relationIds: Iterable<number>,
  has: Readonly<Record<"generatedColumns" | "partitionRoots", boolean>>,
): string {
  // A function that opens a table fails if it was dropped after the snapshot.
  return `SELECT c.oid, n.nspname, c.relname, c.relreplident, c.relkind, c.size,
  a.attnum, a.attname, a.atttypid, a.atttypmod, COALESCE(a.attnum = ANY (i.indkey), false), ${has.generatedColumns ? "a.attgenerated <> ''" : "false"}, y.typsend <> 0
FROM (SELECT c.oid, c.relname, c.relnamespace, c.relreplident, c.relkind, COALESCE(CASE c.relkind
      WHEN 'r' THEN pg_catalog.pg_relation_size(c.oid)
      ${has.partitionRoots ? "ELSE (SELECT pg_catalog.sum(pg_catalog.pg_relation_size(t.relid)) FROM pg_catalog.pg_partition_tree(c.oid) t WHERE t.isleaf)" : ""} END, 0) AS size,
    CASE WHEN pg_catalog.pg_table_is_visible(c.oid) IS NOT NULL THEN pg_catalog.pg_get_replica_identity_index(c.oid) END AS identity
  FROM pg_catalog.pg_class c WHERE c.oid IN (${oids(relationIds)}) OFFSET 0) c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
  LEFT JOIN pg_catalog.pg_type y ON y.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.identity
ORDER BY c.oid, a.attnum`;
}

/** Types as Type messages describe them: a domain by the name of its base type. */
export function typesQuery(typeIds: Iterable<number>): string {
  return `WITH RECURSIVE based (oid, base) AS (
  SELECT t.oid, t.oid FROM pg_catalog.pg_type t WHERE t.oid IN (${oids(typeIds)})
  UNION ALL SELECT b.oid, t.typbasetype FROM based b JOIN pg_catalog.pg_type t ON t.oid = b.base AND t.typtype = 'd')
SELECT b.oid, n.nspname, t.typname
FROM based b JOIN pg_catalog.pg_type t ON t.oid = b.base AND t.typtype <> 'd' JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace`;
}

function oids(numbers: Iterable<number>): string {
  return [...numbers].join(", ") || "0";
}

/** The rows of a query on the catalogs: a server's word, which is checked. */
class CatalogRows {
  readonly #rows: readonly (readonly (string | null)[])[];

  constructor(rows: readonly (readonly (string | null)[])[]) {
    this.#rows = rows;
  }

  get length(): number {
    return this.#rows.length;
  }

  indexes(): IterableIterator<number> {
    return this.#rows.keys();
  }

  optional(row: number, column: number): string | undefined {
    return this.#rows[row]?.[column] ?? undefined;
  }

  text(row: number, column: number): string {
    return this.optional(row, column) ?? this.refuse(row, column, "text");
  }

  number(row: number, column: number): number {
    const text = this.text(row, column);
    return /^-?\d{1,15}$/.test(text) ? Number(text) : this.refuse(row, column, "a number");
  }

  flag(row: number, column: number): boolean {
    const text = this.text(row, column);
    return text === "t" || (text !== "f" && this.refuse(row, column, "t or f"));
  }

  refuse(row: number, column: number, expected: string): never {
    const path = `catalog[${row}][${column}]`;
    throw new DecodeError("BAD_VALUE", path, 0, `${path} is ${shown(this.#rows[row]?.[column])}, expected ${expected}`);
  }
}

/** Publications of the database: what they hold, and whether updates and deletes of their tables can succeed. */
import { counted } from "../../kernel/words.ts";
import type { Row } from "../standbys.ts";
import { type DoctorFix, type Examination, literal, run } from "./examination.ts";

export async function checkPublications(examination: Examination): Promise<string | undefined> {
  const { has, query, facts } = shorthand(examination);
  const namespaces = has("publicationLists")
    ? "EXISTS (SELECT FROM pg_publication_namespace WHERE pnpubid = p.oid)"
    : "false";
  const all =
    await query(`SELECT pubname, quote_ident(pubname) AS name, puballtables::text AS all_tables, ${namespaces}::text AS schemas,
    ${has("publishViaRoot") ? "pubviaroot" : "true"}::text AS via_root,
    (SELECT count(*) FROM pg_publication_tables t WHERE t.pubname = p.pubname)::text AS tables
    FROM pg_publication p ORDER BY pubname`);
  for (const wanted of facts.publications) {
    if (all.some(({ pubname }) => pubname === wanted)) continue;
    const names = all.map(({ pubname }) => pubname).join(", ");
    const [quoted] = await query(`SELECT quote_ident(${literal(wanted)}) AS name`);
    const { fix, without } = await publishAllTables(examination, quoted!.name!);
    const message = `there is no publication ${wanted} in the database ${facts.database}${without}`;
    examination.find("PUBLICATION_MISSING", wanted, message, { publications: names }, fix);
  }
  if (
    all.length === 0 &&
    facts.publications.length === 0 &&
    !facts.inRecovery &&
    examination.setting("wal_level")?.setting === "logical"
  ) {
    const { fix, without } = await publishAllTables(examination, "walwire");
    examination.find(
      "NO_PUBLICATION",
      facts.database,
      `the database ${facts.database} has no publication${without}`,
      {},
      fix,
    );
  }
  const chosen = all.filter(({ pubname }) => facts.publications.length === 0 || facts.publications.includes(pubname!));
  for (const { pubname, all_tables, schemas, tables } of chosen) {
    if (tables === "0" && all_tables === "false" && schemas === "false") {
      const message = `the publication ${pubname} has no table`;
      // Nothing says which table belongs there: the advice of the code has a placeholder.
      examination.find("PUBLICATION_EMPTY", pubname!, message, {});
    }
  }
  if (chosen.length > 0) {
    const names = `(${chosen.map(({ pubname }) => literal(pubname!)).join(", ")})`;
    await checkTables(examination, names);
    await checkKinds(examination, names);
  }
  return chosen.length === 0
    ? undefined
    : `${counted(chosen.length, "publication")}: each table can be updated and copied`;
}

function shorthand(examination: Examination) {
  return { has: examination.has.bind(examination), query: examination.query, facts: examination.facts };
}

/** The index that is the replica identity of table c; i.indexrelid is NULL if there is none. @source relcache.c: RelationGetIndexList */
const IDENTITY_INDEX = `LEFT JOIN LATERAL (SELECT indexrelid, indkey FROM pg_index WHERE indrelid = c.oid AND indisunique AND indisvalid AND indimmediate
        AND indpred IS NULL AND CASE c.relreplident WHEN 'd' THEN indisprimary WHEN 'i' THEN indisreplident ELSE false END LIMIT 1) i ON true`;

/** Has table c an identity, and which index could be one? */
const IDENTITY_COLUMNS = `(c.relreplident = 'f' OR i.indexrelid IS NOT NULL)::text AS has_identity,
      (SELECT quote_ident(x.relname) FROM pg_index u JOIN pg_class x ON x.oid = u.indexrelid
        WHERE u.indrelid = c.oid AND u.indisunique AND u.indisvalid AND u.indimmediate AND u.indpred IS NULL AND u.indexprs IS NULL
          AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum = ANY (u.indkey) AND NOT a.attnotnull)
        ORDER BY u.indisprimary DESC, u.indexrelid LIMIT 1) AS unique_index`;

/** Is a generated column in the identity of table c, or may it be in the one that it will have? */
function generatedInIdentity(examination: Examination): string {
  if (!examination.has("generatedColumns")) return "false";
  return `EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 's'
        AND (i.indexrelid IS NULL OR a.attnum = ANY (i.indkey)))`;
}

/** The statement that gives a table an identity; none if it has one. */
function giveIdentity({ name, has_identity, unique_index }: Row): string[] {
  if (has_identity === "true") return [];
  return [`ALTER TABLE ${name} REPLICA IDENTITY ${unique_index == null ? "FULL" : `USING INDEX ${unique_index}`}`];
}

/**
 * How to publish all tables so that their updates and deletes still succeed: those without a replica identity get one before.
 *
 * @source pg_publication.c: is_publishable_class
 */
async function publishAllTables(examination: Examination, name: string): Promise<{ fix: DoctorFix; without: string }> {
  const tables = await examination.query(`SELECT quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
      ${IDENTITY_COLUMNS}, ${generatedInIdentity(examination)}::text AS generated
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace ${IDENTITY_INDEX}
    WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.oid >= 16384 ORDER BY 1`);
  const identities = tables.flatMap(giveIdentity);
  const parameters = tables.some(({ generated }) => generated === "true")
    ? " WITH (publish_generated_columns = stored)"
    : "";
  const count = identities.length;
  const without = count === 0 ? "" : `, and ${counted(count, "table")} without a replica identity`;
  return { fix: run(...identities, `CREATE PUBLICATION ${name} FOR ALL TABLES${parameters}`), without };
}

/**
 * The tables below the published ones, with what a server looks at before it updates them.
 *
 * @source execReplication.c: CheckCmdReplicaIdentity; pg_publication.c and publicationcmds.c: pub_rf_contains_invalid_column,
 *   pub_contains_invalid_column
 */
function tablesQuery(examination: Examination, names: string): string {
  const lists = examination.has("publicationLists");
  const generated = examination.has("generatedColumns");
  return `WITH RECURSIVE published AS (
      SELECT p.oid AS pubid, p.pubname, p.pubupdate, p.pubdelete, ${generated ? "p.pubgencols = 'n'" : "false"} AS no_generated,
        c.oid AS root, c.oid AS relid
      FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname
        JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
      WHERE p.pubname IN ${names}
      UNION ALL
      SELECT pubid, pubname, pubupdate, pubdelete, no_generated, root, inhrelid
      FROM published JOIN pg_class c ON c.oid = relid AND c.relkind = 'p' JOIN pg_inherits ON inhparent = relid)
    SELECT pubname, quote_ident(pubname) AS publication, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
      (SELECT quote_ident(rn.nspname) || '.' || quote_ident(r.relname) FROM pg_class r JOIN pg_namespace rn ON rn.oid = r.relnamespace
        WHERE r.oid = root) AS root, quote_ident(n.nspname) AS schema,
      (pubupdate OR pubdelete)::text AS changes, concat_ws(' and ', CASE WHEN pubupdate THEN 'updates' END, CASE WHEN pubdelete THEN 'deletes' END) AS what,
      c.relreplident::text AS relreplident, ${IDENTITY_COLUMNS},
      has_table_privilege(root, 'SELECT')::text AS readable, has_schema_privilege(n.oid, 'USAGE')::text AS usable,
      row_security_active(c.oid)::text AS row_security, c.relhasindex::text AS indexed
      ${lists ? listColumns(generated) : ""}
    FROM published JOIN pg_class c ON c.oid = relid AND c.relkind = 'r' JOIN pg_namespace n ON n.oid = c.relnamespace
      ${lists ? "LEFT JOIN pg_publication_rel pr ON pr.prpubid = pubid AND pr.prrelid = root" : ""}
      ${IDENTITY_INDEX}
    ORDER BY pubname, name`;
}

/** Column lists and row filters are those of the table that is published, its columns those of the same name. */
function listColumns(generated: boolean): string {
  const isPublished = `EXISTS (SELECT FROM pg_attribute r WHERE r.attrelid = root AND r.attname = a.attname AND r.attnum = ANY (pr.prattrs))`;
  const inIdentity = "a.attnum = ANY (i.indkey)";
  return `, (pr.prattrs IS NOT NULL)::text AS has_list, pg_get_expr(pr.prqual, pr.prrelid) AS filter,
      (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute WHERE attrelid = root AND attnum = ANY (pr.prattrs)) AS list,
      (SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum) FROM pg_attribute a
        WHERE a.attrelid = c.oid AND ${inIdentity} AND pr.prattrs IS NOT NULL AND NOT ${isPublished}) AS unlisted,
      (SELECT string_agg(DISTINCT quote_ident(r.attname), ', ')
        FROM regexp_matches(pr.prqual::text, ':varattno (\\d+)', 'g') AS m JOIN pg_attribute r ON r.attrelid = root AND r.attnum = m[1]::int
        WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = r.attname AND ${inIdentity})) AS unfiltered,
      ${
        generated
          ? `(SELECT string_agg(quote_ident(attname), ', ') FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attgenerated = 's'
        AND no_generated AND pr.prattrs IS NULL AND (c.relreplident = 'f' OR ${inIdentity}))`
          : "NULL"
      } AS generated`;
}

async function checkTables(examination: Examination, names: string): Promise<void> {
  const { role, roleName } = examination.facts;
  const seen = new Set<string>();
  for (const row of await examination.query(tablesQuery(examination, names))) {
    const { pubname, name: table, root, schema, changes } = row;
    const values = { publication: pubname!, relreplident: row.relreplident! };
    if (changes === "true") checkIdentity(examination, row, values);
    // The rest does not depend on the publication.
    if (seen.has(table!)) continue;
    seen.add(table!);
    if (row.relreplident === "f" && row.indexed === "false") {
      const message = `${table} has REPLICA IDENTITY FULL and no index`;
      examination.find("IDENTITY_FULL", table!, message, values);
    }
    if (row.readable === "false" || row.usable === "false") {
      const usage = row.usable === "false" ? [`GRANT USAGE ON SCHEMA ${schema} TO ${roleName}`] : [];
      const select = row.readable === "false" ? [`GRANT SELECT ON ${root} TO ${roleName}`] : [];
      const message = `the role ${role} may not read ${root}`;
      examination.find("TABLE_NOT_READABLE", root!, message, values, run(...usage, ...select));
    }
    if (row.row_security === "true") {
      const message = `row security hides rows of ${table} from the role ${role}`;
      examination.find("ROW_SECURITY", table!, message, values, run(`ALTER ROLE ${roleName} BYPASSRLS`));
    }
  }
}

function checkIdentity(examination: Examination, row: Row, values: Row): void {
  const { pubname, publication, name: table, root, what } = row;
  const full = row.relreplident === "f";
  const columns = full ? null : (row.unlisted ?? null);
  if (row.has_identity === "false") {
    const message = `${table} has no replica identity, but the publication ${pubname} has its ${what}: they fail`;
    examination.find("TABLE_WITHOUT_IDENTITY", table!, message, values, run(...giveIdentity(row)));
    return;
  }
  if (columns !== null || (full && row.has_list === "true")) {
    const lacks = full ? "is not possible with REPLICA IDENTITY FULL" : `lacks ${columns}`;
    const message = `the column list of ${root} in the publication ${pubname} ${lacks}: ${what} of ${table} fail`;
    const list = full ? "" : ` (${row.list}, ${columns})`;
    const fix = tableAgain(row, list, filterOf(row));
    examination.find("COLUMN_LIST_WITHOUT_IDENTITY", table!, message, { ...values, list: row.list ?? null }, fix);
  }
  const unfiltered = full ? null : (row.unfiltered ?? null);
  if (unfiltered !== null) {
    const message = `the row filter of ${root} in the publication ${pubname} uses ${unfiltered}: ${what} of ${table} fail`;
    const list = row.has_list === "true" ? ` (${row.list})` : "";
    const fix = row.has_list === "true" ? tableAgain(row, list, "") : run(`ALTER TABLE ${table} REPLICA IDENTITY FULL`);
    examination.find("ROW_FILTER_OUTSIDE_IDENTITY", table!, message, { ...values, filter: row.filter ?? null }, fix);
  }
  if (row.generated != null) {
    const message = `the generated column ${row.generated} of ${table} is not in the publication ${pubname}: ${what} fail`;
    const fix = run(`ALTER PUBLICATION ${publication} SET (publish_generated_columns = stored)`);
    examination.find("GENERATED_IDENTITY", table!, message, { ...values, generated: row.generated }, fix);
  }
}

function filterOf({ filter }: Row): string {
  return filter == null ? "" : ` WHERE (${filter})`;
}

function tableAgain({ publication, root }: Row, list: string, filter: string): DoctorFix {
  const alter = `ALTER PUBLICATION ${publication}`;
  return run(`${alter} DROP TABLE ${root}`, `${alter} ADD TABLE ${root}${list}${filter}`);
}

/** Kinds of tables that subscribers may not expect. */
async function checkKinds(examination: Examination, names: string): Promise<void> {
  if (examination.has("publishViaRoot")) {
    const rows =
      await examination.query(`SELECT p.pubname, quote_ident(p.pubname) AS publication, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name
      FROM pg_publication p JOIN pg_publication_rel pr ON prpubid = p.oid JOIN pg_class c ON c.oid = prrelid AND c.relkind = 'p'
        JOIN pg_namespace n ON n.oid = c.relnamespace
      WHERE NOT pubviaroot AND p.pubname IN ${names} ORDER BY 1, 3`);
    for (const { pubname, publication, name: table } of rows) {
      const message = `the publication ${pubname} publishes the partitions of ${table}, not the table`;
      const fix = run(`ALTER PUBLICATION ${publication} SET (publish_via_partition_root = true)`);
      examination.find("PARTITIONS_PUBLISHED", table!, message, { publication: pubname! }, fix);
    }
  }
  const rows =
    await examination.query(`SELECT p.pubname, quote_ident(n.nspname) || '.' || quote_ident(c.relname) AS name,
      p.changes::text AS changes, (p.no_generated AND ${generatedInIdentity(examination)})::text AS generated, ${IDENTITY_COLUMNS}
    FROM (SELECT min(pubname) AS pubname, bool_or(pubupdate OR pubdelete) AS changes,
        bool_or(${examination.has("generatedColumns") ? "(pubupdate OR pubdelete) AND pubgencols = 'n'" : "false"}) AS no_generated
      FROM pg_publication WHERE puballtables AND pubname IN ${names} HAVING count(*) > 0) p, pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace ${IDENTITY_INDEX}
    WHERE c.relkind = 'r' AND c.relpersistence = 'u' AND c.oid >= 16384 ORDER BY 2`);
  for (const row of rows) {
    const { pubname, name: table, changes, generated } = row;
    const message = `${table} is unlogged: the publication ${pubname} FOR ALL TABLES leaves it out`;
    const identity = changes === "true" ? giveIdentity(row) : [];
    // Its updates would fail: the publication must have the generated column first.
    const fix = generated === "true" ? undefined : run(...identity, `ALTER TABLE ${table} SET LOGGED`);
    examination.find("UNLOGGED_NOT_PUBLISHED", table!, message, { publication: pubname! }, fix);
  }
}

/**
 * The SQL that CREATE SUBSCRIPTION and the workers of a subscription run on a publisher, from 10 to 18, and its answers from the tables
 * and publications of a `Publisher`. Each statement is here as it stands in PostgreSQL.
 */
import type { Publication, PublishedTable } from "./publications.ts";
import type { Publisher } from "./publisher.ts";
import { matchTemplate, type Places, type Token, templateOf, tokensOf } from "./sql-tokens.ts";
import type { Table } from "./tables.ts";

/** An answer with rows. */
export interface SqlRows {
  readonly type: "rows";
  readonly columns: readonly { readonly name: string; readonly typeId: number; readonly typeSize: number }[];
  readonly rows: readonly (readonly (string | null)[])[];
  /** The tag of CommandComplete, where it is not SELECT and the number of rows. */
  readonly tag?: string | undefined;
}

/** COPY … TO STDOUT of a table. */
export interface SqlCopy {
  readonly type: "copy";
  readonly table: Table;
  /** Positions of the columns. */
  readonly columns: readonly number[];
  /** The publications with a row filter on the table, of which one must hold; undefined for all rows. */
  readonly publications: readonly string[] | undefined;
  readonly format: "text" | "binary";
}

/** A statement that cannot be answered, in the server's words. */
export interface SqlRefusal {
  readonly type: "refused";
  readonly sqlstate: string;
  readonly message: string;
}

export const sqlTypes = {
  bool: { typeId: 16, typeSize: 1 },
  char: { typeId: 18, typeSize: 1 },
  name: { typeId: 19, typeSize: 64 },
  int2: { typeId: 21, typeSize: 2 },
  int2vector: { typeId: 22, typeSize: -1 },
  int4: { typeId: 23, typeSize: 4 },
  text: { typeId: 25, typeSize: -1 },
  oid: { typeId: 26, typeSize: 4 },
  json: { typeId: 114, typeSize: -1 },
  nameArray: { typeId: 1003, typeSize: -1 },
} as const;

type Columns = readonly (readonly [name: string, type: keyof typeof sqlTypes])[];

/** A statement, and its answer. */
export interface Statement {
  readonly source: string;
  readonly template: readonly Token[];
  readonly columns: Columns;
  readonly rows: (publisher: Publisher, places: Places, database: string) => readonly (readonly (string | null)[])[];
  readonly tag?: string;
}

/** The expression that a row filter has here: a subscriber sends it back in COPY. It is of a schema that no database needs. */
const FILTER = ["walwire", "row_filter"] as const;

export const published = (publisher: Publisher, { names }: Places): readonly Publication[] =>
  [...new Set(names)].flatMap((name) => publisher.publicationOf(name) ?? []);

/** Each published table of each publication. */
export function* entriesOf(
  publisher: Publisher,
  places: Places,
): Generator<PublishedTable & { readonly publication: string }> {
  for (const { name: publication, tables } of published(publisher, places)) {
    for (const table of publisher.tables) {
      const entry = tables === undefined ? { table } : tables.get(table.relationId);
      // The table may have another form since it was put into the publication.
      if (entry !== undefined) yield { ...entry, table, publication };
    }
  }
}

/** Numbers of the published columns, from 1. */
export function numbersOf({ table, columns }: PublishedTable): readonly number[] {
  return table.columns.flatMap(({ name }, i) => (columns?.includes(name) === false ? [] : [i + 1]));
}

/** The expression of the row filter of a table in a publication. */
export function filterOf(publication: string): string {
  return `${FILTER.join(".")}('${publication.replaceAll("'", "''")}')`;
}

export function distinct<T extends readonly unknown[]>(rows: Iterable<T>): T[] {
  return [...new Map(Array.from(rows, (row) => [JSON.stringify(row), row])).values()];
}

const quotedName = (name: string) => `"${name.replace(/["\\]/g, "\\$&")}"`;

const byId = (publisher: Publisher, { numbers: [relationId] }: Places) =>
  publisher.tables.filter((table) => table.relationId === relationId);

function* entriesOfTable(publisher: Publisher, places: Places): ReturnType<typeof entriesOf> {
  for (const entry of entriesOf(publisher, places)) if (entry.table.relationId === places.numbers[0]) yield entry;
}

/** The columns of a table: what is selected of each differs by the subscriber's version. */
const attributes = {
  "a.attnum": ["attnum", "int2", (_: Table, i: number) => String(i + 1)],
  "a.attname": ["attname", "name", (table: Table, i: number) => table.columns[i]!.name],
  "a.atttypid": ["atttypid", "oid", (table: Table, i: number) => String(table.columns[i]!.typeId)],
  "a.atttypmod": ["atttypmod", "int4", (table: Table, i: number) => String(table.columns[i]!.typeModifier)],
  "a.attnum = ANY(i.indkey)": [
    "?column?",
    "bool",
    // Only the index of a replica identity has keys.
    ({ primaryKey, replicaIdentity }: Table, i: number) =>
      replicaIdentity !== "default" || primaryKey.length === 0 ? null : primaryKey.includes(i) ? "t" : "f",
  ],
  "a.attgenerated != ''": ["?column?", "bool", () => "f"],
} as const satisfies Readonly<
  Record<string, readonly [string, keyof typeof sqlTypes, (table: Table, i: number) => string | null]>
>;

type Attribute = keyof typeof attributes;

const key = "a.attnum = ANY(i.indkey)";
const selections: readonly (readonly Attribute[])[] = [
  ["a.attname", "a.atttypid", "a.atttypmod", key],
  ["a.attname", "a.atttypid", key],
  ["a.attnum", "a.attname", "a.atttypid", key],
  ["a.attnum", "a.attname", "a.atttypid", key, "a.attgenerated != ''"],
];

const remoteColumns: readonly Statement[] = selections.flatMap((selection) =>
  ["", " AND a.attgenerated = ''"].map((generated) => ({
    source: "tablesync.c: fetch_remote_table_info",
    template: templateOf(`SELECT ${selection.join(", ")} FROM pg_catalog.pg_attribute a LEFT JOIN pg_catalog.pg_index i
      ON (i.indexrelid = pg_get_replica_identity_index($number)) WHERE a.attnum > 0::pg_catalog.int2
      AND NOT a.attisdropped${generated} AND a.attrelid = $number ORDER BY a.attnum`),
    columns: selection.map((each) => [attributes[each][0], attributes[each][1]] as const),
    rows: (publisher, places) =>
      byId(publisher, places).flatMap((table) =>
        table.columns.map((_, i) => selection.map((each) => attributes[each][2](table, i))),
      ),
  })),
);

const publicationTables = ["", ", t.attnames"].map(
  (attnames): Statement => ({
    source: "subscriptioncmds.c: fetch_table_list",
    template: templateOf(`SELECT DISTINCT t.schemaname, t.tablename${attnames} FROM pg_catalog.pg_publication_tables t
      WHERE t.pubname IN ($names)`),
    columns: [
      ["schemaname", "name"],
      ["tablename", "name"],
      ...(attnames === "" ? [] : [["attnames", "nameArray"] as const]),
    ],
    rows: (publisher, places) =>
      distinct(
        Array.from(entriesOf(publisher, places), (entry) => {
          const { table } = entry;
          const names = numbersOf(entry).map((number) => quotedName(table.columns[number - 1]!.name));
          return [table.namespace, table.name, ...(attnames === "" ? [] : [`{${names}}`])];
        }),
      ),
  }),
);

const statements: readonly Statement[] = [
  {
    source: "subscriptioncmds.c: check_publications",
    template: templateOf("SELECT t.pubname FROM pg_catalog.pg_publication t WHERE t.pubname IN ($names)"),
    columns: [["pubname", "name"]],
    rows: (publisher, places) => published(publisher, places).map(({ name }) => [name]),
  },
  ...publicationTables,
  {
    source: "subscriptioncmds.c: fetch_table_list, from 16 on",
    template: templateOf(`SELECT DISTINCT n.nspname, c.relname, gpt.attrs FROM pg_class c
      JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN (SELECT (pg_get_publication_tables(VARIADIC array_agg(pubname::text))).* FROM pg_publication
        WHERE pubname IN ($names)) AS gpt ON gpt.relid = c.oid`),
    columns: [
      ["nspname", "name"],
      ["relname", "name"],
      ["attrs", "int2vector"],
    ],
    rows: (publisher, places) =>
      distinct(
        Array.from(entriesOf(publisher, places), (entry) => {
          const { table } = entry;
          return [table.namespace, table.name, numbersOf(entry).join(" ")];
        }),
      ),
  },
  {
    source:
      "subscriptioncmds.c: check_publications_origin: tables that the publisher itself has by a subscription; there are none",
    template: templateOf(`SELECT DISTINCT P.pubname AS pubname FROM pg_publication P,
      LATERAL pg_get_publication_tables(P.pubname) GPT
      JOIN pg_subscription_rel PS ON (GPT.relid = PS.srrelid),
      pg_class C JOIN pg_namespace N ON (N.oid = C.relnamespace)
      WHERE C.oid = GPT.relid AND P.pubname IN ($names) $rest`),
    columns: [["pubname", "name"]],
    rows: () => [],
  },
  {
    source: "subscriptioncmds.c: check_publications_origin, from 18 on",
    template: templateOf(`SELECT DISTINCT P.pubname AS pubname FROM pg_publication P,
      LATERAL pg_get_publication_tables(P.pubname) GPT
      JOIN pg_subscription_rel PS ON (GPT.relid = PS.srrelid OR GPT.relid IN
        (SELECT relid FROM pg_partition_ancestors(PS.srrelid) UNION SELECT relid FROM pg_partition_tree(PS.srrelid))),
      pg_class C JOIN pg_namespace N ON (N.oid = C.relnamespace)
      WHERE C.oid = GPT.relid AND P.pubname IN ($names) $rest`),
    columns: [["pubname", "name"]],
    rows: () => [],
  },
  {
    source: "tablesync.c: fetch_remote_table_info",
    template: templateOf(`SELECT c.oid, c.relreplident, c.relkind FROM pg_catalog.pg_class c
      INNER JOIN pg_catalog.pg_namespace n ON (c.relnamespace = n.oid) WHERE n.nspname = $text AND c.relname = $text`),
    columns: [
      ["oid", "oid"],
      ["relreplident", "char"],
      ["relkind", "char"],
    ],
    rows: (publisher, { texts: [namespace, name] }) =>
      publisher.tables
        .filter((table) => table.namespace === namespace && table.name === name)
        .map(({ relationId, replicaIdentity }) => [String(relationId), replicaIdentity[0]!, "r"]),
  },
  ...remoteColumns,
  {
    source: "tablesync.c: fetch_remote_table_info: the column list",
    template:
      templateOf(`SELECT DISTINCT (CASE WHEN (array_length(gpt.attrs, 1) = c.relnatts) THEN NULL ELSE gpt.attrs END)
      FROM pg_publication p, LATERAL pg_get_publication_tables(p.pubname) gpt, pg_class c
      WHERE gpt.relid = $number AND c.oid = gpt.relid AND p.pubname IN ($names)`),
    columns: [["attrs", "int2vector"]],
    rows: (publisher, places) =>
      distinct(
        Array.from(entriesOfTable(publisher, places), (entry) => {
          const numbers = numbersOf(entry);
          return [numbers.length === entry.table.columns.length ? null : numbers.join(" ")];
        }),
      ),
  },
  {
    source: "tablesync.c: fetch_remote_table_info: the row filter",
    template: templateOf(`SELECT DISTINCT pg_get_expr(gpt.qual, gpt.relid) FROM pg_publication p,
      LATERAL pg_get_publication_tables(p.pubname) gpt WHERE gpt.relid = $number AND p.pubname IN ($names)`),
    columns: [["pg_get_expr", "text"]],
    rows: (publisher, places) =>
      distinct(
        Array.from(entriesOfTable(publisher, places), ({ rowFilter, publication }) => [
          rowFilter === undefined ? null : filterOf(publication),
        ]),
      ),
  },
];

/**
 * What a publisher answers to SQL.
 *
 * @param database The database of the session.
 * @param more Statements besides those of PostgreSQL's subscribers.
 * @returns undefined for a statement that no subscriber sends.
 */
export function answerSql(
  publisher: Publisher,
  sql: string,
  database = "",
  more: readonly Statement[] = [],
): SqlRows | SqlCopy | SqlRefusal | undefined {
  const tokens = tokensOf(sql);
  if (tokens === undefined) return undefined;
  if (tokens[0]?.type === "name" && tokens[0].value === "copy") return copyOf(publisher, tokens);
  for (const { template, columns, rows, tag } of [...statements, ...more]) {
    const places = matchTemplate(template, tokens);
    if (places === undefined) continue;
    return {
      type: "rows",
      columns: columns.map(([name, type]) => ({ name, ...sqlTypes[type] })),
      rows: rows(publisher, places, database),
      tag,
    };
  }
  return undefined;
}

/**
 * COPY as tablesync.c's copy_table and replicas of it compose it: a table, or a SELECT of its columns with row filters of ours.
 *
 * @source tablesync.c: copy_table
 */
function copyOf(publisher: Publisher, tokens: readonly Token[]): SqlCopy | SqlRefusal | undefined {
  let at = 1;
  const is = (value: string, offset = 0) => {
    const token = tokens[at + offset];
    return token !== undefined && token.type !== "string" && token.value === value;
  };
  const take = (...values: readonly string[]): boolean => {
    if (!values.every((value, i) => is(value, i))) return false;
    at += values.length;
    return true;
  };
  const name = (): string | undefined => (tokens[at]?.type === "name" ? tokens[at++]!.value : undefined);
  const names = (): string[] | undefined => {
    const list: string[] = [];
    do {
      const each = name();
      if (each === undefined) return undefined;
      list.push(each);
    } while (take(","));
    return list;
  };
  const qualified = (): readonly [string, string] | undefined => {
    const first = name();
    if (first === undefined) return undefined;
    if (!take(".")) return ["public", first];
    const second = name();
    return second === undefined ? undefined : [first, second];
  };

  let columns: readonly string[] | undefined;
  let of: readonly [string, string] | undefined;
  let publications: string[] | undefined;
  if (take("(", "select")) {
    columns = names();
    if (columns === undefined || !take("from")) return undefined;
    take("only");
    of = qualified();
    if (take("where")) {
      publications = [];
      do {
        const inParentheses = take("(");
        const publication = tokens[at + 4];
        if (!take(FILTER[0], ".", FILTER[1], "(") || publication?.type !== "string") return undefined;
        at++;
        if (!take(")") || (inParentheses && !take(")"))) return undefined;
        publications.push(publication.value);
      } while (take("or"));
    }
    if (!take(")")) return undefined;
  } else {
    of = qualified();
    if (take("(")) {
      columns = names();
      if (columns === undefined || !take(")")) return undefined;
    }
  }
  if (of === undefined || !take("to", "stdout")) return undefined;
  const format = take("with", "(", "format", "binary", ")") ? "binary" : "text";
  if (at !== tokens.length) return undefined;
  const [namespace, table] = of;
  const found = publisher.tables.find((each) => each.namespace === namespace && each.name === table);
  if (found === undefined)
    return { type: "refused", sqlstate: "42P01", message: `relation "${namespace}.${table}" does not exist` };
  const positions = (columns ?? found.columns.map((each) => each.name)).map((each) =>
    found.columns.findIndex((column) => column.name === each),
  );
  const missing = positions.indexOf(-1);
  if (missing >= 0)
    return { type: "refused", sqlstate: "42703", message: `column "${columns![missing]}" does not exist` };
  return { type: "copy", table: found, columns: positions, publications, format };
}

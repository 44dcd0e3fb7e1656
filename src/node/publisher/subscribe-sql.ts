/** The SQL that walwire/subscribe runs, and its answers from the tables and publications of a `Publisher`. */
import { typeOf } from "../../publisher/encoder.ts";
import { distinct, entriesOf, filterOf, numbersOf, published, type Statement } from "../../publisher/sql.ts";
import { ANY_NUMBER, templateOfExample } from "../../publisher/sql-tokens.ts";
import { catalogQuery } from "../../values/catalog.ts";
import { ALIVE, afterFirst, stateAnswer, stateQuery, WHO } from "../subscribe/questions.ts";
import {
  ancestorsQuery,
  columnsQuery,
  existsQuery,
  listingsQuery,
  lockQuery,
  type PublishedTable,
  publicationsQuery,
  RELEASE,
  typesQuery,
} from "../subscribe/tables.ts";

const names = ["$names"];
const numbers = [ANY_NUMBER];
/** A table whose name and oid are places. */
const example: PublishedTable = {
  relation: {
    type: "Relation",
    replicaIdentity: "default",
    ...{ xid: undefined, relationId: ANY_NUMBER, namespace: "$name", name: "$name" },
    ...{ columns: [], types: [] },
  },
  ...{ partitioned: false, generated: false, filters: [], textOnly: [], size: 0 },
};

/** The columns of `columnsQuery`. */
const columnsOfColumns = [
  ...[
    ["oid", "oid"],
    ["nspname", "name"],
    ["relname", "name"],
    ["relreplident", "char"],
    ["relkind", "char"],
  ],
  ...[
    ["size", "int4"],
    ["attnum", "int2"],
    ["attname", "name"],
    ["atttypid", "oid"],
    ["atttypmod", "int4"],
  ],
  ...[
    ["coalesce", "bool"],
    ["?column?", "bool"],
    ["?column?", "bool"],
  ],
] as unknown as Statement["columns"];

/** A statement for each form that a query has on some version. */
function forms(of: Omit<Statement, "template">, ...sql: readonly string[]): readonly Statement[] {
  return [...new Set(sql)].map((each) => ({ ...of, template: templateOfExample(each) }));
}

/** The statements of a subscription and of its initial copy. */
export const subscribeStatements: readonly Statement[] = [
  ...forms({ source: "whether the server is there", columns: [], rows: () => [[]] }, ALIVE),
  ...forms(
    {
      source: "the state of the slot, and the publications; only the last statement's rows count",
      columns: [["row_to_json", "json"]],
      rows: (publisher, { texts: [slotname], names }, database) => {
        const slot = publisher.slots.find((each) => each.slotname === slotname);
        const missing = names.filter((name) => publisher.publicationOf(name) === undefined);
        return [[stateAnswer(slot, database, missing)]];
      },
    },
    afterFirst(stateQuery("$text", names)),
  ),
  ...forms(
    {
      source: "whose silence is watched: that of no process",
      columns: [
        ["pid", "int4"],
        ["backend_start", "text"],
      ],
      rows: () => [],
    },
    WHO,
  ),
  ...forms(
    {
      source: "which publications there are",
      columns: [["pubname", "name"]],
      rows: (publisher, places) => published(publisher, places).map(({ name }) => [name]),
    },
    publicationsQuery(names),
  ),
  ...[true, false].flatMap((withLists) =>
    forms(
      {
        source: "the tables of publications, with column lists and row filters",
        columns: [
          ["relid", "oid"],
          ["attrs", "int2vector"],
          ["pg_get_expr", "text"],
        ],
        rows: (publisher, places) =>
          distinct(
            Array.from(entriesOf(publisher, places), (entry) => {
              const { table, columns, rowFilter, publication } = entry;
              const isListed = withLists && columns !== undefined;
              const filter = withLists && rowFilter !== undefined ? filterOf(publication) : null;
              return [String(table.relationId), isListed ? numbersOf(entry).join(" ") : null, filter] as const;
            }),
          ),
      },
      listingsQuery(names, withLists),
    ),
  ),
  ...forms(
    {
      source: "the ancestors of partitions: there are none",
      columns: [
        ["oid", "oid"],
        ["relid", "oid"],
      ],
      rows: () => [],
    },
    ancestorsQuery(numbers),
  ),
  ...forms(
    {
      source: "the columns of tables",
      columns: columnsOfColumns,
      rows: (publisher, { numbers }) =>
        publisher.tables
          .filter(({ relationId }) => numbers.includes(relationId))
          .flatMap(({ relationId, namespace, name, replicaIdentity, primaryKey, columns }) => {
            const table = [String(relationId), namespace, name, replicaIdentity[0]!, "r", "0"];
            if (columns.length === 0) return [[...table, null, null, null, null, "f", null, null]];
            return columns.map((column, i) => {
              const isKey = replicaIdentity === "default" && primaryKey.includes(i);
              const { typeId, typeModifier } = column;
              return [...table, `${i + 1}`, column.name, `${typeId}`, `${typeModifier}`, isKey ? "t" : "f", "f", "t"];
            });
          }),
    },
    ...[true, false].flatMap((generatedColumns) =>
      [true, false].map((partitionRoots) => columnsQuery(numbers, { generatedColumns, partitionRoots })),
    ),
  ),
  ...forms(
    {
      source: "types as Type messages describe them",
      columns: [
        ["oid", "oid"],
        ["nspname", "name"],
        ["typname", "name"],
      ],
      rows: ({ typeMap }, { numbers }) =>
        numbers.map((oid) => {
          const { typeId, namespace, name } = typeOf(typeMap, oid);
          return [String(typeId), namespace || "pg_catalog", name];
        }),
    },
    typesQuery(numbers),
  ),
  ...forms(
    { source: "the types of the database: there are none", columns: [["oid", "text"]], rows: () => [] },
    catalogQuery(),
  ),
  ...forms(
    {
      source: "lock a table; whether it was replaced since the snapshot",
      columns: [["bool_or", "bool"]],
      rows: () => [["f"]],
    },
    lockQuery(example),
  ),
  ...forms({ source: "the end of the lock", columns: [], rows: () => [], tag: "RELEASE" }, RELEASE),
  ...forms(
    {
      source: "whether a table exists",
      columns: [["?column?", "bool"]],
      rows: (publisher, { numbers: [oid] }) => [
        [publisher.tables.some(({ relationId }) => relationId === oid) ? "t" : "f"],
      ],
    },
    existsQuery(example),
  ),
];

/** Publications: which changes of which tables a subscriber gets. */
import { refuseArgument } from "../kernel/errors.ts";
import { checkOptions, checkType } from "../kernel/options.ts";
import { checkName, checkTable, type Table } from "./tables.ts";

/** An operation that can be published. @source pg_publication.h: PublicationActions */
export type Operation = "insert" | "update" | "delete" | "truncate";

/** All of them, in the order of the manual. */
export const operations: readonly Operation[] = ["insert", "update", "delete", "truncate"];

/** The rows of a table that are published. */
export interface RowFilter {
  /**
   * The columns that `test` looks at. If updates or deletes are published, they must be part of the replica identity, since of an old
   * row there is nothing else.
   */
  readonly columns: readonly string[];
  /** Whether a row is published. It is given the values of the columns above by name, and must depend on nothing else. */
  readonly test: (row: Readonly<Record<string, unknown>>) => boolean;
}

/** A table in a publication. */
export interface PublishedTable {
  /** The table. */
  readonly table: Table;
  /** The names of the published columns, which must have those of the replica identity if updates or deletes are published. Default: all. */
  readonly columns?: readonly string[] | undefined;
  /** The published rows. Default: all. */
  readonly rowFilter?: RowFilter | undefined;
}

/** What a publication publishes. */
export interface PublicationDeclaration {
  /** The tables; "all" for all that are declared, later ones too. */
  readonly tables: "all" | readonly (Table | PublishedTable)[];
  /** The published operations. Default: all. */
  readonly operations?: readonly Operation[] | undefined;
}

/** A publication. */
export interface Publication {
  /** Its name. */
  readonly name: string;
  /** The tables by oid; undefined for all. */
  readonly tables: ReadonlyMap<number, PublishedTable> | undefined;
  /** The published operations. */
  readonly operations: ReadonlySet<Operation>;
}

/** @throws ArgumentError for an invalid declaration. */
export function checkedPublication(name: string, declaration: PublicationDeclaration): Publication {
  checkName("name", name);
  checkOptions(declaration, ["tables", "operations"], "publication");
  const { tables, operations: given = operations } = declaration;
  if (!Array.isArray(given)) refuseArgument("publication.operations", "an array", given);
  for (const [i, operation] of given.entries()) {
    if (!operations.includes(operation)) {
      refuseArgument(`publication.operations[${i}]`, operations.map((each) => `"${each}"`).join(", "), operation);
    }
  }
  const published = new Set<Operation>(given);
  if (tables === "all") return { name, tables: undefined, operations: published };
  if (!Array.isArray(tables)) refuseArgument("publication.tables", `"all" or an array of tables`, tables);
  const needsIdentity = published.has("update") || published.has("delete");
  const byId = new Map<number, PublishedTable>();
  for (const [i, each] of tables.entries()) {
    const path = `publication.tables[${i}]`;
    if (typeof each !== "object" || each === null) refuseArgument(path, "a table, or an object with one", each);
    const entry: PublishedTable = "table" in each ? each : { table: each };
    checkTable(`${path}.table`, entry.table);
    if (byId.has(entry.table.relationId)) refuseArgument(path, "each table once", entry.table.name);
    byId.set(entry.table.relationId, checkedEntry(path, entry, needsIdentity));
  }
  return { name, tables: byId, operations: published };
}

function checkedEntry(path: string, entry: PublishedTable, needsIdentity: boolean): PublishedTable {
  checkOptions(entry, ["table", "columns", "rowFilter"], path);
  const { table, columns, rowFilter } = entry;
  const identity = new Set(table.columns.filter(({ key }) => key).map(({ name }) => name));
  if (columns !== undefined) {
    checkColumns(`${path}.columns`, columns, table);
    const missing = needsIdentity ? [...identity].find((name) => !columns.includes(name)) : undefined;
    if (missing !== undefined)
      refuseArgument(`${path}.columns`, `the column ${missing} too, part of the replica identity`, columns);
  }
  if (rowFilter !== undefined) {
    checkOptions(rowFilter, ["columns", "test"], `${path}.rowFilter`);
    checkColumns(`${path}.rowFilter.columns`, rowFilter.columns, table);
    if (typeof rowFilter.test !== "function") refuseArgument(`${path}.rowFilter.test`, "a function", rowFilter.test);
    const other = needsIdentity ? rowFilter.columns.find((name) => !identity.has(name)) : undefined;
    if (other !== undefined)
      refuseArgument(
        `${path}.rowFilter.columns`,
        "columns of the replica identity, as updates or deletes are published",
        other,
      );
  }
  return { table, columns: columns && [...columns], rowFilter };
}

function checkColumns(path: string, columns: readonly string[], table: Table): void {
  if (!Array.isArray(columns)) refuseArgument(path, "an array of names of columns", columns);
  for (const [i, name] of columns.entries()) {
    checkType(`${path}[${i}]`, name, "string");
    if (!table.columns.some((each) => each.name === name))
      refuseArgument(`${path}[${i}]`, `a column of ${table.name}`, name);
    if (columns.indexOf(name) !== i) refuseArgument(`${path}[${i}]`, "each column once", name);
  }
}

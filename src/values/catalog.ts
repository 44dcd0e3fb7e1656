/**
 * The types of a database from its catalogs: one query for all servers, and the reader of its rows.
 */
import { DecodeError } from "../kernel/errors.ts";
import { shown } from "../kernel/words.ts";
import { arrayOf } from "./array.ts";
import { type Codec, readTextPart } from "./codec.ts";
import { checkedDefinition, isDelimiter, type Refuse, type TypeDefinition } from "./definition.ts";
import { oid } from "./number.ts";
import { textCodec } from "./text.ts";

/** The columns of `catalogQuery`, in order; all are text. */
const columns = [
  "oid",
  "namespace",
  "name",
  "kind",
  "of",
  "delimiter",
  "labels",
  "field_names",
  "field_types",
  "extension",
] as const;

/** The name of a column of `catalogQuery`. */
export type CatalogColumn = (typeof columns)[number];

/** A row of `catalogQuery`: an array in column order, or an object by column name. */
export type CatalogRow = readonly (string | null)[] | Readonly<Record<CatalogColumn, string | null>>;

/**
 * SQL that lists the types of a database that are not built in, for any server version and any connection that accepts SQL. Pass its
 * rows to TypeMap.addFromCatalog. It has no parameters, and reads pg_type, pg_range, pg_enum and pg_attribute.
 *
 * @source pg_type.h, pg_range.h, pg_enum.h, pg_attribute.h
 * @example catalogQuery().startsWith("SELECT") // true
 */
export function catalogQuery(): string {
  // Only arrays have both a length of -1 and an element. rngmultitypid is new in 14: read through JSON, a column may be missing.
  return `SELECT t.oid::text AS "oid", n.nspname::text AS "namespace", t.typname::text AS "name",
  CASE WHEN t.typtype = 'b' AND t.typelem <> 0 AND t.typlen = -1 THEN 'a' ELSE t.typtype::text END AS "kind",
  CASE t.typtype WHEN 'b' THEN t.typelem WHEN 'd' THEN t.typbasetype ELSE r.rngsubtype END::text AS "of",
  e.typdelim::text AS "delimiter",
  ARRAY(SELECT l.enumlabel FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder)::text AS "labels",
  ARRAY(SELECT a.attname FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)::text AS "field_names",
  ARRAY(SELECT a.atttypid FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)::text AS "field_types",
  (SELECT x.extname FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension x ON x.oid = d.refobjid
    WHERE d.classid = 'pg_catalog.pg_type'::pg_catalog.regclass AND d.objid = t.oid AND d.deptype = 'e'
      AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass)::text AS "extension"
FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
  LEFT JOIN pg_catalog.pg_range r ON t.oid::text IN (r.rngtypid::text, pg_catalog.row_to_json(r) ->> 'rngmultitypid')
WHERE t.oid >= 16384 AND t.typtype IN ('b', 'c', 'd', 'e', 'r', 'm')
ORDER BY t.oid`;
}

const names = /* @__PURE__ */ arrayOf("_name", /* @__PURE__ */ textCodec("name"), 19);
const oids = /* @__PURE__ */ arrayOf("_oid", oid, 26);

/** The kind of definition for each typtype. @source pg_type.h: TYPTYPE_* */
const kinds = { b: "base", a: "array", e: "enum", d: "domain", c: "composite", r: "range", m: "multirange" } as const;

/** Reject a row, or a column of it. @throws DecodeError BAD_VALUE always */
export const refuseRow: Refuse = (path, expected, value) => {
  throw new DecodeError("BAD_VALUE", path, 0, `${path} is ${shown(value)}, expected ${expected}`);
};

/** The type that a row describes. @throws DecodeError for a row that the query does not return */
export function definitionOf(row: CatalogRow, index: number): TypeDefinition {
  const path = `catalog[${index}]`;
  return checkedDefinition(readRow(row, path), path, refuseRow);
}

function readRow(row: CatalogRow, path: string): TypeDefinition {
  if (typeof row !== "object" || row === null) refuseRow(path, "an array or an object", row);
  const at = (column: CatalogColumn): unknown =>
    Array.isArray(row) ? row[columns.indexOf(column)] : (row as Record<CatalogColumn, unknown>)[column];
  const get = (column: CatalogColumn): string => {
    const value = at(column);
    return typeof value === "string" ? value : refuseRow(`${path}.${column}`, "text", value);
  };
  const read = <T>(codec: Codec<T>, column: CatalogColumn): T =>
    readTextPart(codec as Codec, get(column), 0, `${path}.${column}`) as T;
  const extension = at("extension") ?? undefined;
  const common = { oid: read(oid, "oid"), name: get("name"), namespace: get("namespace") };
  const kind = Object.hasOwn(kinds, get("kind")) ? kinds[get("kind") as keyof typeof kinds] : "base";
  switch (kind) {
    case "base":
      return { ...common, kind, ...(extension !== undefined && { extension: get("extension") }) };
    case "array": {
      const delimiter = get("delimiter");
      // The text of such an array does not show where an element ends, so its values stay strings and bytes.
      return isDelimiter(delimiter)
        ? { ...common, kind, element: read(oid, "of"), delimiter }
        : { ...common, kind: "base" };
    }
    case "enum":
      return { ...common, kind, labels: read(names, "labels") as readonly string[] };
    case "domain":
      return { ...common, kind, base: read(oid, "of") };
    case "composite": {
      const fieldNames = read(names, "field_names") as readonly string[];
      const types = read(oids, "field_types") as readonly number[];
      return { ...common, kind, fields: fieldNames.map((name, i) => ({ name, type: types[i]! })) };
    }
    case "range":
    case "multirange":
      return { ...common, kind, subtype: read(oid, "of") };
    default:
      return kind satisfies never;
  }
}

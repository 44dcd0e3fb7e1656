/** Tables that a publisher declares: what pg_class and pg_attribute say of them, as far as a subscriber sees it. */
import type { RelationColumn } from "../generated/logical.ts";
import { refuseArgument } from "../kernel/errors.ts";
import { checkObject, checkOneOf, checkOptions, checkWhole } from "../kernel/options.ts";
import { builtins } from "../values/builtin.ts";
import { typeOfSql } from "./type-names.ts";

/** A column of a table that is declared. */
export interface ColumnDeclaration {
  /** Its name. */
  readonly name: string;
  /** The name of a built-in type as pg_type has it, such as `int4`, `text` or `_int4`; or the oid of a type, which a TypeMap may describe. */
  readonly type: string | number;
  /** Part of the primary key. Default: false. */
  readonly key?: boolean | undefined;
  /** atttypmod, such as the length of a varchar plus 4. Default: -1, none. */
  readonly typeModifier?: number | undefined;
}

/** A table that is declared. */
export interface TableDeclaration {
  /** Its schema. Default: public. */
  readonly schema?: string | undefined;
  /** Its name. */
  readonly name: string;
  /** Its columns, by position. */
  readonly columns: readonly ColumnDeclaration[];
  /**
   * What updates and deletes say of the old row: "default" its primary key, "full" all of it, "nothing" nothing: then it has only
   * inserts and truncates. Default: "default".
   */
  readonly replicaIdentity?: "default" | "full" | "nothing" | undefined;
}

/** A table as it is from its declaration on. When it is declared otherwise, it becomes another object with another `id`. */
export interface Table {
  /** Names this very form of the table in a log of changes. Unsigned, 32 bits, never used again. */
  readonly id: number;
  /** Its oid, which stays the same when it is declared otherwise. */
  readonly relationId: number;
  /** Its schema. */
  readonly namespace: string;
  /** Its name. */
  readonly name: string;
  /** What updates and deletes say of the old row. */
  readonly replicaIdentity: "default" | "full" | "nothing";
  /** Its columns; `key` says whether a column is part of the replica identity. */
  readonly columns: readonly RelationColumn[];
  /** The positions of the columns of the primary key. */
  readonly primaryKey: readonly number[];
}

/** FirstNormalObjectId of transam.h: oids from here on are not of built-in objects. */
export const FIRST_NORMAL_OID = 16384;
/** Columns that a table of PostgreSQL can have. @source htup_details.h: MaxHeapAttributeNumber */
const MAX_COLUMNS = 1600;
/** NAMEDATALEN - 1. */
const MAX_NAME = 63;

/** What a declaration makes, without what only a publisher can say. @throws ArgumentError for an invalid declaration. */
export function checkedTable(declaration: TableDeclaration): Omit<Table, "id" | "relationId"> {
  checkOptions(declaration, ["schema", "name", "columns", "replicaIdentity"], "table");
  const { schema = "public", name, columns, replicaIdentity = "default" } = declaration;
  checkName("table.schema", schema);
  checkName("table.name", name);
  checkOneOf("table.replicaIdentity", replicaIdentity, ["default", "full", "nothing"]);
  if (!Array.isArray(columns) || columns.length > MAX_COLUMNS) {
    refuseArgument("table.columns", `an array of at most ${MAX_COLUMNS} columns`, columns);
  }
  const names = new Set<string>();
  const primaryKey: number[] = [];
  const checked = columns.map((given, i): RelationColumn => {
    const path = `table.columns[${i}]`;
    checkOptions(given, ["name", "type", "key", "typeModifier"], path);
    const { name, type, key = false, typeModifier = -1 } = given;
    checkName(`${path}.name`, name);
    if (names.size === names.add(name).size) refuseArgument(`${path}.name`, "a name of its own", name);
    checkOneOf(`${path}.key`, key, [true, false]);
    checkWhole(`${path}.typeModifier`, typeModifier, -1, 0x7fffffff);
    if (key) primaryKey.push(i);
    const identity = replicaIdentity === "full" || (replicaIdentity === "default" && key);
    return { key: identity, name, typeId: typeIdOf(`${path}.type`, type), typeModifier };
  });
  return { namespace: schema, name, replicaIdentity, columns: checked, primaryKey };
}

function typeIdOf(path: string, type: string | number): number {
  if (typeof type === "number") {
    checkWhole(path, type, 1, 0xffffffff);
    return type;
  }
  const typeId = typeof type === "string" ? builtins().oids.get(type) : undefined;
  return typeId ?? refuseArgument(path, expectedType(type), type);
}

function expectedType(type: unknown): string {
  const { name, typeModifier } = (typeof type === "string" && typeOfSql(type)) || {};
  if (name === undefined || !builtins().oids.has(name)) {
    return "the name of a built-in type, such as int4 or text, or an oid";
  }
  return typeModifier === undefined ? `${name}, its name in pg_type` : `${name} with the typeModifier ${typeModifier}`;
}

/** A name of something in a database. @throws ArgumentError */
export function checkName(path: string, name: unknown): asserts name is string {
  if (
    typeof name !== "string" ||
    name === "" ||
    name.includes("\0") ||
    new TextEncoder().encode(name).length > MAX_NAME
  ) {
    refuseArgument(path, `a name of 1 to ${MAX_NAME} bytes`, name);
  }
}

/** Whether a declaration says what a table already is. */
export function isSameTable(table: Omit<Table, "id" | "relationId">, other: Omit<Table, "id" | "relationId">): boolean {
  const form = ({ replicaIdentity, columns, primaryKey }: typeof table) =>
    JSON.stringify([replicaIdentity, columns.map((each) => [each.name, each.typeId, each.typeModifier]), primaryKey]);
  return form(table) === form(other);
}

/** A table by its name. @throws ArgumentError for what is not one */
export function checkTable(path: string, table: unknown): asserts table is Table {
  checkObject(path, table);
  if (!("relationId" in table && "columns" in table))
    refuseArgument(path, "a table that the publisher declared", table);
}

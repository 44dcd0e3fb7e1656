/** Rows of result sets: read, written as a server does, and described as its RowDescription does. */
import { DecodeError, EncodeError } from "../../kernel/errors.ts";
import { checkOptions } from "../../kernel/options.ts";
import { type Server, serverVersionNum } from "../../kernel/version.ts";
import { counted, shown } from "../../kernel/words.ts";
import { commandCapabilities } from "../capabilities.ts";
import { forms, pgTypes, type ResultColumn, type RowOf, type RowValue } from "./columns.ts";
import { type ResultSet, type ResultSetName, resultSets } from "./result-sets.ts";

/** A row of a result set as a value. NULL is undefined. */
export type ResultSetRow<N extends ResultSetName> = RowOf<(typeof resultSets)[N]["columns"]>;

/** A result set as a value: one row, or an array if it may have any number of them. */
export type ResultSetValue<N extends ResultSetName> = (typeof resultSets)[N]["rows"] extends "one"
  ? ResultSetRow<N>
  : readonly ResultSetRow<N>[];

/** One column as RowDescription has it. Table OID, column number and format, which it has besides, are always 0. */
export interface ColumnDescription {
  /** The name of the column. */
  readonly name: string;
  /** The type's OID. */
  readonly typeId: number;
  /** Bytes of a value; -1 if that varies. */
  readonly typeSize: number;
  /** -1 for none, and 0 from servers that put the message together by hand. */
  readonly typeModifier: number;
}

/**
 * Read the rows of a result set, of whatever server version: each an array of its values as the server sent them, in the
 * order of the columns. A timeline that an older server printed as a negative int4 comes back as it is.
 *
 * @throws DecodeError BAD_LENGTH for a wrong number of rows or columns, BAD_VALUE for a value that no server sends, with
 * the path. Its `offset` is 0: there are no bytes to point into.
 * @example decodeResultSet("IDENTIFY_SYSTEM", [["7", "-1", "0/16B3748", null]]).timeline // 4294967295
 */
export function decodeResultSet<const N extends ResultSetName>(
  name: N,
  rows: readonly (readonly RowValue[])[],
): ResultSetValue<N> {
  const set = resultSetOf(name);
  if (!Array.isArray(rows)) refuse("BAD_LENGTH", name, "is not an array of rows");
  if (set.rows === "many") {
    return Array.from(rows, (row, i) => readRow(set, `${name}[${i}]`, row)) as unknown as ResultSetValue<N>;
  }
  if (rows.length !== 1) refuse("BAD_LENGTH", name, `has ${counted(rows.length, "row")}; it always has 1`);
  return readRow(set, name, rows[0]) as ResultSetValue<N>;
}

/**
 * Write a result set as a server of this version prints it: rows of values in the order of the columns.
 *
 * @throws EncodeError with the path, if a value does not fit; ArgumentError for options that it does not take.
 * @example encodeResultSet("BACKUP_START", { recptr: toLsn(16n), tli: 1 }, { server: 19 }) // [["0/00000010", "1"]]
 */
export function encodeResultSet<const N extends ResultSetName>(
  name: N,
  result: ResultSetValue<N>,
  options: { readonly server?: Server | undefined } = {},
): RowValue[][] {
  checkOptions(options, ["server"]);
  const set = resultSetOf(name);
  const server = serverVersionNum(options.server);
  if (set.rows === "one") return [printRow(set, name, result, server)];
  if (!Array.isArray(result)) fail(name, "it must be an array");
  return Array.from(result as readonly unknown[], (row, i) => printRow(set, `${name}[${i}]`, row, server));
}

/**
 * The columns of a result set as a server of this version describes them.
 *
 * @param options.parameter For SHOW, the canonical spelling of the parameter, which the column has for its name.
 * @throws EncodeError if that is missing; ArgumentError for options that it does not take.
 * @example describeResultSet("NEXT_TIMELINE")[0] // { name: "next_tli", typeId: 20, typeSize: 8, typeModifier: -1 }
 * @example describeResultSet("SHOW", { parameter: "DateStyle" })[0]?.name // "DateStyle"
 */
export function describeResultSet(
  name: ResultSetName,
  options: { readonly server?: Server | undefined; readonly parameter?: string | undefined } = {},
): ColumnDescription[] {
  checkOptions(options, ["server", "parameter"]);
  const { columns, tupleDesc } = resultSetOf(name);
  const server = serverVersionNum(options.server);
  const byHand = tupleDesc !== undefined && !commandCapabilities.supports(server, tupleDesc);
  return Object.entries(columns).map(([key, { form }]) => {
    const { typeId, typeSize } = pgTypes[forms[form].type(server)];
    return {
      name: name === "SHOW" ? parameterName(options.parameter) : key,
      typeId,
      // By hand, a timeline's int8 had a size that varies.
      typeSize: byHand && form === "timeline" ? -1 : typeSize,
      typeModifier: byHand ? 0 : -1,
    };
  });
}

function resultSetOf(name: ResultSetName): ResultSet {
  return typeof name === "string" && Object.hasOwn(resultSets, name)
    ? resultSets[name]
    : fail("ResultSet.name", `it is one of ${Object.keys(resultSets).join(", ")}`);
}

function parameterName(parameter: unknown): string {
  return typeof parameter === "string" ? parameter : fail("SHOW.parameter", "the column has its name, a string");
}

function readRow(set: ResultSet, path: string, row: unknown): Record<string, unknown> {
  const columns = Object.entries<ResultColumn>(set.columns);
  if (!Array.isArray(row)) refuse("BAD_LENGTH", path, "is not an array of values");
  if (row.length !== columns.length) {
    refuse("BAD_LENGTH", path, `has ${counted(row.length, "column")}; it always has ${columns.length}`);
  }
  return Object.fromEntries(
    columns.map(([name, { form, nullable }], i) => {
      const printed: unknown = row[i];
      if (printed === null && nullable) return [name, undefined];
      const read = printed === null ? undefined : forms[form].read(printed as string | Uint8Array);
      if (read === undefined) {
        const type = printed === null ? "NULL" : `of type ${typeof printed}`;
        const got = typeof printed === "string" ? shown(printed) : type;
        refuse("BAD_VALUE", `${path}.${name}`, `is ${got}, expected ${forms[form].printed}`);
      }
      return [name, read];
    }),
  );
}

function printRow(set: ResultSet, path: string, row: unknown, server: number): RowValue[] {
  if (typeof row !== "object" || row === null) fail(path, "it must be an object");
  return Object.entries<ResultColumn>(set.columns).map(([name, { form, nullable }]) => {
    const held = (row as Record<string, unknown>)[name];
    if (held === undefined && nullable) return null;
    const or = nullable ? " or undefined" : "";
    return forms[form].print(held, server) ?? fail(`${path}.${name}`, `it must be ${forms[form].held}${or}`);
  });
}

function refuse(code: "BAD_LENGTH" | "BAD_VALUE", path: string, what: string): never {
  throw new DecodeError(code, path, 0, `${path} ${what}`);
}

function fail(path: string, reason: string): never {
  throw new EncodeError(path, `${path}: ${reason}`);
}

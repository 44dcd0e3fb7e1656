/** What pg_type calls the types that SQL calls otherwise. @source gram.y: Numeric, Bit, Character, ConstDatetime; parse_utilcmd.c: serial */

const names: Readonly<Record<string, string>> = {
  ...{ smallint: "int2", integer: "int4", int: "int4", bigint: "int8", real: "float4" },
  ...{ float: "float8", "double precision": "float8", decimal: "numeric", dec: "numeric", boolean: "bool" },
  ...{ smallserial: "int2", serial: "int4", bigserial: "int8" },
  ...{ char: "bpchar", character: "bpchar", "char varying": "varchar", "character varying": "varchar" },
  ...{ "bit varying": "varbit", "time without time zone": "time", "time with time zone": "timetz" },
  ...{ "timestamp without time zone": "timestamp", "timestamp with time zone": "timestamptz" },
};

/** atttypmod by what stands in parentheses. @source varchar.c: anychar_typmodin; numeric.c: make_numeric_typmod */
const modifiers: Readonly<Record<string, (first: number, second: number) => number>> = {
  ...{ varchar: (length) => length + 4, bpchar: (length) => length + 4 },
  numeric: (precision, scale) => ((precision << 16) | (scale & 0x7ff)) + 4,
  ...{ bit: (length) => length, varbit: (length) => length },
  ...{ time: (digits) => digits, timetz: (digits) => digits },
  ...{ timestamp: (digits) => digits, timestamptz: (digits) => digits },
};

const SQL_TYPE = /^([a-z_][a-z0-9_ ]*?) ?(?:\((\d{1,8})(?:, ?(-?\d{1,4}))?\))?( [a-z ]+)??( ?(?:\[\d*\] ?)+)?$/;

/** The name in pg_type, and atttypmod if there is one, of a type as CREATE TABLE has it; undefined if it is not known to be one. */
export function typeOfSql(text: string): { readonly name: string; readonly typeModifier?: number } | undefined {
  if (text.length > 100) return undefined;
  const match = SQL_TYPE.exec(text.trim().toLowerCase().replace(/\s+/g, " "));
  if (match === null) return undefined;
  const [, before = "", first, second = "0", behind = "", brackets] = match;
  const called = before + behind;
  const element = Object.hasOwn(names, called) ? names[called]! : called;
  const name = brackets === undefined ? element : `_${element}`;
  // CHARACTER without a length has one character.
  const length = first ?? (element === "bpchar" && called !== "bpchar" ? "1" : undefined);
  if (length === undefined) return { name };
  if (!Object.hasOwn(modifiers, element)) return undefined;
  return { name, typeModifier: modifiers[element]!(Number(length), Number(second)) };
}
